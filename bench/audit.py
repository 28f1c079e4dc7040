"""The record at its full size: what ten million decisions take, and how fast they are written, verified, proven.

The lines are those of a crawl: several hundred sites at a time, each page decided before its fetch and before it is
kept, by the law itself (askfirst.rights), with sites that permit, refuse and are silent, pages that speak for
themselves, and one of two workers with a registry. They go through the real log into segments that are sealed beside
it, with real evidence; two processes write, and ``verify`` and ``prove`` are those of ``askfirst audit``.

What is not as in a crawl: the answers that keep decisions look at, and the registry's, are of a site and not of each
page. So the evidence is a few records for a hundred decisions, and the figures are of decisions.

    python -m bench.audit                  # a million; sizes are told for ten, which is ten times as much
    python -m bench.audit 400000           # fewer, for a look; or ASKFIRST_BENCH_RECORDS=10000000 for all of it
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

from askfirst.audit.prove import prove
from askfirst.audit.verify import verify
from askfirst.edges.decision_log import MerkleLog
from askfirst.edges.evidence_warc import WarcEvidence
from askfirst.ledger.notes import SigningKey
from askfirst.rights.consent import registry_uri
from askfirst.rights.decide import on_occasion
from askfirst.rights.listening import Listeners
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose, Stage, Verdict
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import OPT_OUT
from askfirst.rights.read import plan, readers_for, statements
from askfirst.rights.wire import decision_line, looked_at
from askfirst.sealed import BLOCK_LINES, SEALED_SUFFIX, Sealed
from askfirst.segments import segments
from askfirst.standing import Standing
from bench.rounds import Row, at_least, at_most, say, table

RECORDS = int(os.environ.get("ASKFIRST_BENCH_RECORDS", "1000000"))
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
    asked: tuple[Observation, ...]
    answer: Observation


@dataclass(slots=True)
class Crawl:
    """What one worker decides, one line after another, in the order in which a crawl would."""

    dice: random.Random
    registry: str | None
    keep: Callable[[Observation], None] = lambda _observation: None
    now: datetime = _BEGAN
    _readers: Listeners = field(default_factory=lambda: Listeners(readers_for(OPT_OUT)))

    def lines(self) -> Iterator[bytes]:
        """Lines without end."""
        dice = self.dice
        sites = [self._met() for _ in range(SITES_AT_ONCE)]
        under_way: list[tuple[Site, str]] = []
        while True:
            self.now += timedelta(microseconds=dice.randrange(1_000, 6_000))
            place = dice.randrange(SITES_AT_ONCE)
            site = sites[place]
            url = self._page(site)
            line, verdict = self._decided(site, url, Stage.FETCH, site.asked, self.now)
            yield line
            if verdict is Verdict.ALLOW:
                under_way.append((site, url))
            site.pages_left -= 1
            if not site.pages_left:
                sites[place] = self._met()
            if len(under_way) > 32:
                yield self._kept(*under_way.pop(dice.randrange(len(under_way))))

    def _kept(self, site: Site, url: str) -> bytes:
        return self._decided(site, url, Stage.KEEP, (*site.asked, site.answer), self.now)[0]

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

    def _answered(self, host: str) -> Observation:
        dice = self.dice
        return Observation(
            document=Document(kind=Kind.RESPONSE, url=f"https://{host}/"),
            status=200,
            headers=_OPTED_OUT if dice.random() < 0.05 else _HEADERS,
            body=dice.randbytes(16),
            observed_at=self.now - timedelta(microseconds=dice.randrange(300, 9_000)),
        )

    def _registry_said(self, host: str) -> tuple[Observation, ...]:
        if self.registry is None:
            return ()
        document = Document(kind=Kind.REGISTRY, url=registry_uri(self.registry, f"https://{host}/"))
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
        asked, answer = self._registry_said(host), self._answered(host)
        for observation in (*observations, *asked, answer):
            self.keep(observation)
        return Site(host, standing, max(1, int(dice.expovariate(1 / PAGES_OF_A_SITE))), asked, answer)


def crawl_of(number: int) -> Crawl:
    """The crawl of a worker: the same on every machine, but for the time at which it begins."""
    return Crawl(random.Random(number), "out/registry.sqlite" if number % 2 else None)


# -- writing -----------------------------------------------------------------------------------------------------------


def run_name(number: int) -> str:
    """The name of a worker's run."""
    return f"{_BEGAN:%Y%m%dT%H%M%SZ}-{number}-bench"


def write_run(out: Path, number: int, count: int, key: bytes) -> float:
    """Writes the record of one worker; gives the bytes that its lines had, a record."""
    crawl = crawl_of(number)
    log = MerkleLog(out, run=run_name(number), key=SigningKey.from_pem(key), clock=lambda: crawl.now)
    evidence = WarcEvidence(out / "evidence", run=run_name(number), clock=lambda: crawl.now, leaf=log.note_evidence)
    crawl.keep = evidence.keep
    lines = crawl.lines()
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
    evidence.close()
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


def some_urls(out: Path, count: int) -> list[str]:
    """URLs of decisions anywhere in the record."""
    dice = random.Random(7)
    paths = [path for path in segments(out / "decisions") if path.suffix == SEALED_SUFFIX]
    urls: list[str] = []
    while len(urls) < count:
        sealed = Sealed(dice.choice(paths))
        urls.append(sealed.line(dice.randrange(sealed.count))[87:].partition(b'"')[0].decode())
    return urls


def proof_ms(out: Path, url: str) -> float:
    """From a URL to the file that proves the last decision about it, with everything opened anew."""
    began = perf_counter()
    prove(out, url)
    return (perf_counter() - began) * 1_000


def _cpu_s() -> float:
    """Of this process and of those that it waited for."""
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def size_bytes(folder: Path) -> int:
    """Of everything in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(rounds: int = 1, records: int = RECORDS) -> list[Row]:
    """The rows of the record. ``rounds`` is of the proofs and of the appending; the log is built once."""
    each = records // WORKERS
    whole = each * WORKERS
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        key = SigningKey.new()
        say(f"audit: writing {whole:,} records")
        began = perf_counter()
        with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as workers:
            plain = list(
                workers.map(write_run, [out] * WORKERS, range(WORKERS), [each] * WORKERS, [key.to_pem()] * WORKERS)
            )
        wrote_s = perf_counter() - began
        stored = sum(size_bytes(out / part) for part in ("decisions", "leaves", "checkpoints"))
        parts = {
            name: sum(path.stat().st_size for path in out.rglob(name) if path.is_file())
            for name in ("*.parquet", "*.lookup", "*.decisions", "*.jsonl", "*.notes", "*.warc")
        }
        of_parts = ", ".join(f"{name[2:]} {part / whole:.1f}" for name, part in parts.items())
        say(f"audit: made and sealed {whole / wrote_s:,.0f}/s; bytes a record: {of_parts}")
        say("audit: verifying all of it")
        cpu_began, began = _cpu_s(), perf_counter()
        told = verify(out, keys=[key.verifier])
        verify_s, verify_cpu_s = perf_counter() - began, _cpu_s() - cpu_began
        assert told.findings == []
        assert told.records == whole
        say(f"audit: {told.evidence:,} records of evidence were verified with them")
        verify_rate = whole / verify_s
        proofs = [proof_ms(out, url) for url in some_urls(out, PROOFS * rounds)]
        appending = [append_rate(Path(folder) / f"append-{number}") for number in range(3 * rounds)]
    per_record = stored / whole
    return [
        at_most(
            f"GB for 10 million decisions, from {whole:,}",
            per_record / 100,
            1.0,
            ours=f"{per_record:.1f} B each",
            theirs=f"{sum(plain) / WORKERS:,.0f} B as lines",
        ),
        at_least(
            f"verify {whole:,}, of 200,000 records/s",
            verify_rate / 200_000,
            1.0,
            ours=f"{verify_rate:,.0f}/s",
            theirs=f"{verify_cpu_s / whole * 1e6:.1f} us of processor each",
        ),
        at_most(
            f"a proof over {whole:,} records, of 50 ms",
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
