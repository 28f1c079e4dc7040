"""Small real records, and ways to tamper with one: what a forger would do to lines, WARC records, notes and keys.

A record is written by the real log, evidence and item writers, with decisions that the law gives. A way to tamper takes
a directory and changes one thing in it; it is for the test to know what is to be found.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import askfirst.edges.decision_log as writing
from askfirst.appended import AppendedFile
from askfirst.audit.directory import evidence_records
from askfirst.edges.decision_log import MerkleLog
from askfirst.edges.evidence_warc import WarcEvidence
from askfirst.gate import utc_now
from askfirst.items import Item, line_of, utc, write_table
from askfirst.ledger.checkpoints import read_notes
from askfirst.ledger.notes import SigningKey
from askfirst.rights.decide import decide
from askfirst.rights.model import Agent, Decision, Document, Intent, Kind, Observation, Purpose, Stage, Verdict
from askfirst.rights.policy import OPT_OUT
from askfirst.rights.read import read
from askfirst.rights.wire import decision_line, looked_at
from crawler.kept_warc import response_record, warcinfo

AGENT = Agent(product_token="AuditBot", user_agent="AuditBot/1.0 (+https://audit.example/bot)")
CHECKPOINT_LEAVES = 16
SITE = "https://paper.example"
Tamper = Callable[[Path], None]


# -- records -----------------------------------------------------------------------------------------------------------


@contextmanager
def written_with(*, checkpoint_leaves: int = CHECKPOINT_LEAVES, segment_lines: int | None = None) -> Iterator[None]:
    """The log's own constants, smaller, so that a small record has many checkpoints and segments."""
    before = writing.CHECKPOINT_LEAVES, writing.SEGMENT_LINES, writing.CHECKPOINT_EVERY_S
    writing.CHECKPOINT_EVERY_S = 3_600
    writing.CHECKPOINT_LEAVES = checkpoint_leaves
    writing.SEGMENT_LINES = segment_lines or writing.SEGMENT_LINES
    try:
        yield
    finally:
        writing.CHECKPOINT_LEAVES, writing.SEGMENT_LINES, writing.CHECKPOINT_EVERY_S = before


def page(number: int, at: datetime) -> Observation:
    """A page that may be kept; every third one says that it may not."""
    headers = (("Content-Type", "text/html"),)
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=f"{SITE}/{number}", max_bytes=1 << 20),
        status=200,
        headers=(*headers, ("X-Robots-Tag", "noai")) if number % 3 == 2 else headers,
        body=f"<!doctype html><title>{number}</title>".encode(),
        observed_at=at,
    )


def robots(at: datetime) -> Observation:
    """A robots.txt that permits."""
    return Observation(
        document=Document(kind=Kind.WELL_KNOWN, url=f"{SITE}/robots.txt", max_bytes=512_000),
        status=200,
        headers=(("Content-Type", "text/plain"),),
        body=b"User-agent: *\nAllow: /\n",
        observed_at=at,
        fresh_s=3_600,
    )


@dataclass
class Writer:
    """Writes a record as a crawl does."""

    out: Path
    run: str
    key: SigningKey
    rotations: bytes = b""
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self.log = MerkleLog(
            self.out,
            run=self.run,
            key=self.key,
            clock=self.clock,
            rotations=self.rotations,
            before_commit=self._evidence_first,
        )
        self.evidence = WarcEvidence(self.out / "evidence", run=self.run, clock=self.clock, leaf=self.log.note_evidence)
        self.warc = AppendedFile(self.out / "warc" / f"{self.run}.warc.gz")
        self.items = AppendedFile(self.out / "items" / f"{self.run}.jsonl")
        self.robots = robots(self.clock())

    def _evidence_first(self) -> None:
        self.evidence.sync()

    async def look(self, number: int) -> None:
        """Asks for a page, gets it, and keeps it where that is allowed."""
        intent = Intent(url=f"{SITE}/{number}", agent=AGENT, purpose=Purpose.TRAIN)
        await self._decide(intent, [self.robots], Stage.FETCH)
        seen = page(number, self.clock())
        decision = await self._decide(intent, [self.robots, seen], Stage.KEEP)
        if decision.verdict is Verdict.ALLOW:
            self._keep(seen, decision)

    async def _decide(self, intent: Intent, seen: Sequence[Observation], stage: Stage) -> Decision:
        for observation in seen:
            self.evidence.keep(observation)
        decision = decide(intent, read(intent, seen, OPT_OUT), OPT_OUT, stage=stage, at=self.clock())
        await self.log.append(decision_line(decision, b"[" + looked_at(seen) + b"]"))
        return decision

    def _keep(self, seen: Observation, decision: Decision) -> None:
        if self.warc.is_new:
            self.warc.append(warcinfo(self.run))
        member = response_record(seen, decision.id)
        place = self.warc.append(member)
        line = line_of(
            Item(
                url=seen.document.url,
                final_url=seen.document.url,
                fetched_at=utc(seen.observed_at),
                media_type="text/html",
                bytes=len(seen.body),
                sha256=hashlib.sha256(seen.body).hexdigest(),
                registrable_domain="paper.example",
                decision_id=decision.id,
                warc=f"warc/{self.run}.warc.gz",
                warc_offset=place.offset,
                warc_bytes=place.length_bytes,
                warc_sha256=hashlib.sha256(member).hexdigest(),
            )
        )
        self.items.append(line)
        self.log.note_item(line[:-1])

    def close(self) -> None:
        """Ends the run in order."""
        self.evidence.close()
        self.log.close()
        self.warc.close()
        self.items.close()


def run_name(number: int = 0, clock: Callable[[], datetime] = utc_now) -> str:
    """As a run is named."""
    return f"{clock():%Y%m%dT%H%M%S}Z-{number}-abcdef"


def write_record(
    out: Path, key: SigningKey, *, pages: int = 30, runs: int = 1, rotations: bytes = b"", first: int = 0
) -> list[str]:
    """A record of so many pages a run, which ended in order; gives the names of its runs."""
    names: list[str] = []

    async def one(number: int) -> None:
        writer = Writer(out, run_name(number), key, rotations)
        names.append(writer.run)
        for page_number in range(pages):
            await writer.look(number * pages + page_number)
        writer.close()

    with written_with():
        for number in range(first, first + runs):
            asyncio.run(one(number))
    write_table(out)
    return names


def write_killed_record(out: Path, key: SigningKey, *, pages: int = 30) -> str:
    """A record as it is found after its process was killed."""

    async def one() -> str:
        writer = Writer(out.with_name(f"{out.name}-alive"), run_name(), key)
        for number in range(pages):
            await writer.look(number)
        shutil.copytree(writer.out, out)
        writer.close()
        shutil.rmtree(writer.out)
        return writer.run

    with written_with():
        return asyncio.run(one())


# -- what there is to tamper with --------------------------------------------------------------------------------------


def only(out: Path, pattern: str) -> Path:
    """The one file of that pattern."""
    (path,) = out.glob(pattern)
    return path


def lines_of(path: Path) -> list[bytes]:
    """Its lines, with their newlines."""
    return path.read_bytes().splitlines(keepends=True)


def records_of(path: Path) -> list[bytes]:
    """Its WARC records, each with what ends it."""
    return [record.whole() + b"\r\n\r\n" for record in evidence_records(path)]


def notes_of(path: Path) -> list[bytes]:
    """Its notes, each with the empty line behind it."""
    return [note + b"\n" for note in read_notes(path.read_bytes())]


def leaves_of(path: Path) -> list[bytes]:
    """Eight bytes each."""
    told = path.read_bytes()
    return [told[start : start + 8] for start in range(0, len(told), 8)]


Parts = Callable[[Path], list[bytes]]


def changed(pattern: str, parts_of: Parts, change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    """Changes the parts of the one file of that pattern."""

    def tamper(out: Path) -> None:
        path = only(out, pattern)
        path.write_bytes(b"".join(change(parts_of(path))))

    return tamper


def drop(pattern: str, parts_of: Parts, place: int, count: int = 1) -> Tamper:
    """Takes parts out."""
    return changed(pattern, parts_of, lambda parts: parts[:place] + (parts[place + count :] if place + count else []))


def duplicate(pattern: str, parts_of: Parts, place: int, to: int) -> Tamper:
    """Puts a part in once more."""
    return changed(pattern, parts_of, lambda parts: [*parts[:to], parts[place], *parts[to:]])


def swap(pattern: str, parts_of: Parts, one: int, other: int) -> Tamper:
    """Lets two parts change places."""

    def change(parts: list[bytes]) -> list[bytes]:
        parts[one], parts[other] = parts[other], parts[one]
        return parts

    return changed(pattern, parts_of, change)


def move(pattern: str, parts_of: Parts, place: int, to: int) -> Tamper:
    """Puts a part elsewhere."""

    def change(parts: list[bytes]) -> list[bytes]:
        parts.insert(to, parts.pop(place))
        return parts

    return changed(pattern, parts_of, change)


def replace(pattern: str, parts_of: Parts, place: int, old: bytes, new: bytes) -> Tamper:
    """Writes other words in a part."""

    def change(parts: list[bytes]) -> list[bytes]:
        assert old in parts[place], (old, parts[place])
        parts[place] = parts[place].replace(old, new, 1)
        return parts

    return changed(pattern, parts_of, change)


def add(pattern: str, parts_of: Parts, to: int, part: bytes) -> Tamper:
    """Puts another part in."""
    return changed(pattern, parts_of, lambda parts: [*parts[:to], part, *parts[to:]])


def truncate(pattern: str, last_bytes: int) -> Tamper:
    """Cuts the end off."""

    def tamper(out: Path) -> None:
        path = only(out, pattern)
        path.write_bytes(path.read_bytes()[:-last_bytes])

    return tamper


def flip(pattern: str, place: int, parts_of: Parts | None = None, part: int = 0) -> Tamper:
    """Changes one bit of a byte, counted from the end where negative; of a part where one is named."""

    def tamper(out: Path) -> None:
        path = only(out, pattern)
        parts = [path.read_bytes()] if parts_of is None else parts_of(path)
        told = bytearray(parts[part])
        told[place] ^= 1
        parts[part] = bytes(told)
        path.write_bytes(b"".join(parts))

    return tamper


def delete(pattern: str) -> Tamper:
    """Takes a file away."""
    return lambda out: only(out, pattern).unlink()


def rename(pattern: str, to: str) -> Tamper:
    """Gives a file another place."""

    def tamper(out: Path) -> None:
        only(out, pattern).rename(out / to)

    return tamper


def write(place: str, told: str) -> Tamper:
    """Puts a file there."""

    def tamper(out: Path) -> None:
        (out / place).write_text(told)

    return tamper


def both(*some: Tamper) -> Tamper:
    """One after the other."""

    def tamper(out: Path) -> None:
        for one in some:
            one(out)

    return tamper


def shifted(at: bytes, by: timedelta) -> bytes:
    """A time as the log writes it, moved."""
    told = datetime.fromisoformat(at.decode())
    return f"{told + by:%Y-%m-%dT%H:%M:%S.%f}Z".encode()


def back_date_line(place: int, by: timedelta = timedelta(days=-1)) -> Tamper:
    """Gives a decision another time."""

    def change(parts: list[bytes]) -> list[bytes]:
        start = parts[place].index(b'"decided_at":"') + 14
        end = parts[place].index(b'"', start)
        parts[place] = parts[place][:start] + shifted(parts[place][start:end], by) + parts[place][end:]
        return parts

    return changed("decisions/*.jsonl", lines_of, change)
