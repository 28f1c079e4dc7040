"""The record at its full size: what ten million decisions take, and how fast they are written, verified, proven.

The lines are those of a crawl: several hundred sites at a time, each page decided before its fetch and before it is
kept, by the law itself (askfirst.rights), with sites that permit, refuse and are silent, pages that speak for
themselves, and one of two workers with a registry. They go through the real log into segments that are sealed beside
it; two processes write and two verify, as two workers' logs would be.

    python -m bench.audit                  # ten million: some minutes, and 1 GB of disk for the while
    python -m bench.audit 400000           # fewer, for a look; or ASKFIRST_BENCH_RECORDS=400000
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

from askfirst.edges.decision_log import MerkleLog, segments
from askfirst.ledger.merkle import EMPTY_ROOT, Tree, inclusion_path_of, leaf_hash, root_from_inclusion
from askfirst.ledger.notes import SigningKey
from askfirst.lookup import Lookup
from askfirst.rights.consent import registry_uri
from askfirst.rights.decide import on_occasion
from askfirst.rights.listening import Listeners
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose, Stage, Verdict
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import OPT_OUT
from askfirst.rights.read import plan, readers_for, statements
from askfirst.rights.wire import decision_line, looked_at
from askfirst.sealed import BLOCK_LINES, Sealed
from askfirst.standing import Standing
from bench.rounds import Row, at_least, at_most, say, table

RECORDS = int(os.environ.get("ASKFIRST_BENCH_RECORDS", "10000000"))
WORKERS = 2
SITES_AT_ONCE = 300
PAGES_OF_A_SITE = 120
PROOFS = 15
APPENDED = 100_000
WAITING_AT_ONCE = 512
"""As many fetches wait for their group as a busy crawl has under way."""

_AGENT = Agent(product_token="BenchBot", user_agent="BenchBot/1.0 (+https://bench.example/bot)")
_BEGAN = datetime(2026, 11, 24, 8, tzinfo=UTC)
_WORDS = (  # noqa: SIM905  # words read better than a list
    "winter river print gallery stone letter market garden light paper harbor orchard bridge museum portrait atlas "
    "north copper studio archive review season travel kitchen summer forest island city history music theater novel "
    "science school family weather street morning evening journal report guide story notes window mirror canvas"
).split(" ")
_ALLOWING = "User-agent: *\nDisallow: /cgi-bin/\nDisallow: /{word}/\nAllow: /\nSitemap: https://{host}/sitemap.xml\n"
_REFUSING = "User-agent: *\nContent-Usage: train-ai=n\nAllow: /\n"
_MISSING = "<html><head><title>Not found</title></head><body>{host} has no such page</body></html>"
_HEADERS = (("Content-Type", "text/html; charset=utf-8"), ("Server", "nginx"))
_OPTED_OUT = (*_HEADERS, ("X-Robots-Tag", "noai, noimageai"))
_NO_RECORDS = b'{"records":[]}'


# -- the lines ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Site:
    """A site that is being crawled."""

    host: str
    standing: Standing
    pages_left: int


@dataclass(slots=True)
class Crawl:
    """What one worker decides, one line after another, in the order in which a crawl would."""

    dice: random.Random
    registry: str | None
    now: datetime = _BEGAN
    _readers: Listeners = field(default_factory=lambda: Listeners(readers_for(OPT_OUT)))

    def lines(self) -> Iterator[bytes]:
        """Lines without end."""
        dice = self.dice
        sites = [self._met() for _ in range(SITES_AT_ONCE)]
        under_way: list[tuple[Site, str, tuple[Observation, ...]]] = []
        while True:
            self.now += timedelta(microseconds=dice.randrange(1_000, 6_000))
            place = dice.randrange(SITES_AT_ONCE)
            site = sites[place]
            url = self._page(site)
            asked = self._registry_said(url)
            line, verdict = self._decided(site, url, Stage.FETCH, asked, self.now)
            yield line
            if verdict is Verdict.ALLOW:
                under_way.append((site, url, asked))
            site.pages_left -= 1
            if not site.pages_left:
                sites[place] = self._met()
            if len(under_way) > 32:
                yield self._kept(*under_way.pop(dice.randrange(len(under_way))))

    def _kept(self, site: Site, url: str, asked: tuple[Observation, ...]) -> bytes:
        dice = self.dice
        response = Observation(
            document=Document(kind=Kind.RESPONSE, url=url),
            status=200,
            headers=_OPTED_OUT if dice.random() < 0.05 else _HEADERS,
            body=dice.randbytes(16),
            observed_at=self.now - timedelta(microseconds=dice.randrange(300, 9_000)),
        )
        return self._decided(site, url, Stage.KEEP, (*asked, response), self.now)[0]

    def _decided(
        self, site: Site, url: str, stage: Stage, seen: tuple[Observation, ...], at: datetime
    ) -> tuple[bytes, Verdict]:
        media = None
        if stage is Stage.KEEP:
            media = "image/jpeg" if url.endswith(".jpg") else "text/html"
        intent = Intent(url=url, agent=_AGENT, purpose=Purpose.TRAIN, media=media)
        parts = statements(seen, _AGENT, self._readers)
        ruling = site.standing.ruling(intent, parts, OPT_OUT, stage=stage, at=at)
        told = site.standing.looked_at + (b"," + looked_at(seen) if seen else b"")
        return decision_line(on_occasion(intent, ruling, at=at), b"[" + told + b"]"), ruling.verdict

    def _registry_said(self, url: str) -> tuple[Observation, ...]:
        if self.registry is None:
            return ()
        document = Document(kind=Kind.REGISTRY, url=registry_uri(self.registry, url))
        seen_at = self.now - timedelta(microseconds=self.dice.randrange(200, 2_000))
        return (Observation(document=document, status=200, body=_NO_RECORDS, observed_at=seen_at),)

    def _page(self, site: Site) -> str:
        dice = self.dice
        slug = "-".join(dice.choices(_WORDS, k=dice.randrange(2, 6)))
        kind = "jpg" if dice.random() < 0.25 else "html"
        return f"https://{site.host}/{dice.choice(_WORDS)}/{slug}-{dice.randrange(100_000)}.{kind}"

    def _met(self) -> Site:
        dice = self.dice
        host = f"www.{dice.choice(_WORDS)}-{dice.choice(_WORDS)}{dice.randrange(10_000)}.example"
        rules = _REFUSING if dice.random() < 0.1 else _ALLOWING.format(word=dice.choice(_WORDS), host=host)
        origin = origin_of(f"https://{host}/")
        began = self.now - timedelta(milliseconds=dice.randrange(200, 900))
        observations = tuple(
            Observation(
                document=document,
                status=200 if document.url.endswith("/robots.txt") else 404,
                headers=(("Content-Type", "text/plain"),),
                body=(rules if document.url.endswith("/robots.txt") else _MISSING.format(host=host)).encode(),
                observed_at=began + timedelta(microseconds=dice.randrange(100_000)),
            )
            for document in plan(origin, OPT_OUT)
        )
        standing = Standing(
            origin=origin,
            observations=observations,
            statements=statements(observations, _AGENT, self._readers),
            fresh_until=datetime.max.replace(tzinfo=UTC),
            looked_at=looked_at(observations),
        )
        return Site(host, standing, max(1, int(dice.expovariate(1 / PAGES_OF_A_SITE))))


def crawl_of(number: int) -> Crawl:
    """The crawl of a worker: the same on every machine."""
    return Crawl(random.Random(number), "out/registry.sqlite" if number % 2 else None)


# -- writing -----------------------------------------------------------------------------------------------------------


def run_name(number: int) -> str:
    """The name of a worker's run."""
    return f"20261124T080000Z-{number}-bench"


def write_run(out: Path, number: int, count: int) -> float:
    """Writes the log of one worker; gives the bytes that its lines had, a record."""
    log = MerkleLog(out, run=run_name(number), key=SigningKey.new(), clock=lambda: datetime.now(UTC))
    lines = crawl_of(number).lines()
    plain_bytes = 0

    async def write() -> None:
        left = count
        while left:
            group = list(islice(lines, min(BLOCK_LINES, left)))
            left -= len(group)
            nonlocal plain_bytes
            plain_bytes += sum(map(len, group))
            await asyncio.gather(*map(log.append, group))

    asyncio.run(write())
    log.close()
    return plain_bytes / count


def append_rate(folder: Path) -> float:
    """Decisions a second of the real log, each waited for by the one that wants to fetch."""
    lines = list(islice(crawl_of(0).lines(), APPENDED))
    log = MerkleLog(folder, run=run_name(0), key=SigningKey.new(), clock=lambda: datetime.now(UTC))

    async def fetches(waiting: Iterator[bytes]) -> None:
        for line in waiting:
            await log.append(line)

    async def crawl() -> float:
        began = perf_counter()
        waiting = iter(lines)
        await asyncio.gather(*(fetches(waiting) for _ in range(WAITING_AT_ONCE)))
        return len(lines) / (perf_counter() - began)

    rate = asyncio.run(crawl())
    log.close()
    return rate


# -- reading -----------------------------------------------------------------------------------------------------------


def of_run(out: Path, number: int) -> list[Path]:
    """The segments of a worker's run."""
    return [path for path in segments(out / "decisions") if path.name.startswith(run_name(number))]


def read_whole(out: Path, number: int) -> tuple[int, bytes]:
    """Every line of a run, read back and hashed into its tree: size and root."""
    tree = Tree()
    for path in of_run(out, number):
        if path.suffix == ".parquet":
            sealed = Sealed(path)
            for block in range(sealed.blocks):
                tree.extend([leaf_hash(line) for line in sealed.lines(block)])
        else:
            tree.extend(leaf_hash(line) for line in path.read_bytes().splitlines())
    return tree.size, tree.root()


def proof_ms(out: Path, number: int, dice: random.Random) -> float:
    """From a URL to its line, its leaf and its path to the root of its block, with everything opened anew."""
    paths = [path for path in of_run(out, number) if path.suffix == ".parquet"]
    sealed = Sealed(dice.choice(paths))
    position = dice.randrange(sealed.count)
    url = sealed.line(position)[87:].partition(b'"')[0].decode()
    began = perf_counter()
    found = 0
    for path in (path for worker in range(WORKERS) for path in of_run(out, worker) if path.suffix == ".parquet"):
        with Lookup(path.with_suffix(".lookup")) as lookup:
            places = lookup.find("url", url)
        if not places:
            continue
        there = Sealed(path)
        for block in sorted({place // BLOCK_LINES for place in places}):
            lines = there.lines(block)
            leaves = [leaf_hash(line) for line in lines]
            for place in (place for place in places if place // BLOCK_LINES == block):
                index = place % BLOCK_LINES
                if f'"url":"{url}",'.encode() in lines[index]:
                    path_up = inclusion_path_of(leaves, index)
                    assert root_from_inclusion(leaves[index], index, len(leaves), path_up) == there.block_root(block)
                    found += 1
    assert found
    return (perf_counter() - began) * 1_000


def size_bytes(folder: Path) -> int:
    """Of everything in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(rounds: int = 1, records: int = RECORDS) -> list[Row]:
    """The rows of the record. ``rounds`` is of the proofs and of the appending; the log is built once."""
    each = records // WORKERS
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as workers,
    ):
        out = Path(folder) / "out"
        say(f"audit: writing {each * WORKERS:,} records")
        began = perf_counter()
        plain = list(workers.map(write_run, [out] * WORKERS, range(WORKERS), [each] * WORKERS))
        wrote_s = perf_counter() - began
        stored = size_bytes(out)
        parts = {
            name: sum(path.stat().st_size for path in out.rglob(name) if path.is_file())
            for name in ("*.parquet", "*.lookup", "*.decisions", "*.jsonl", "*.notes")
        }
        of_parts = ", ".join(f"{name[2:]} {part / each / WORKERS:.1f}" for name, part in parts.items())
        say(f"audit: made and sealed {each * WORKERS / wrote_s:,.0f}/s; bytes a record: {of_parts}")
        say("audit: reading all of it back")
        began = perf_counter()
        heads = list(workers.map(read_whole, [out] * WORKERS, range(WORKERS)))
        verify_rate = each * WORKERS / (perf_counter() - began)
        assert all(size == each and root != EMPTY_ROOT for size, root in heads)
        dice = random.Random(7)
        proofs = [proof_ms(out, number % WORKERS, dice) for number in range(PROOFS * rounds)]
        appending = [append_rate(Path(folder) / f"append-{number}") for number in range(3 * rounds)]
    per_record = stored / each / WORKERS
    return [
        at_most(
            "10 million decisions on disk, GB",
            per_record / 100,
            1.0,
            ours=f"{per_record:.1f} B each",
            theirs=f"{sum(plain) / WORKERS:,.0f} B as lines",
        ),
        at_least("verify, of 200,000 records/s", verify_rate / 200_000, 1.0, ours=f"{verify_rate:,.0f}/s", theirs=""),
        at_most(
            f"a proof over {each * WORKERS:,} records, of 50 ms",
            median(proofs) / 50,
            1.0,
            ours=f"{median(proofs):.1f} ms",
            theirs=f"slowest {max(proofs):.1f} ms",
        ),
        at_least(
            "append with group commit, of 20,000/s",
            median(appending) / 20_000,
            1.0,
            ours=f"{median(appending):,.0f}/s",
            theirs=f"{WAITING_AT_ONCE} at once",
        ),
    ]


if __name__ == "__main__":
    print(table(measure(records=int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS)))
