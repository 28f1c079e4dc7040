"""The record's promise: whatever is done to one thing in a directory, the audit says so, and says where and what.

One real record: two runs under two keys (the second took the first one's place), sealed and plain segments, evidence
kept by naming an earlier record, items with their bytes, a withdrawal, several checkpoints. Each case takes a copy,
does one thing as a forger would, and asks for a finding at that place with the word for it.

1. What is tampered with is chosen by seed, over all kinds of files and all operations: altered, dropped, swapped,
   duplicated, added, back-dated, truncated, taken away.
2. Beside the cases that name a line, single bits are flipped all over the directory; ``PROVES_NOTHING`` lists what may
   be altered unseen, with the reason.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from askfirst.audit.verify import verify
from askfirst.gate import utc_now
from askfirst.items import Withdrawal, line_of, write_table
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint, read_notes
from askfirst.ledger.keys import KeyFolder
from askfirst.ledger.manifest import CLOSED, OPENED, Entry, append_entry
from askfirst.ledger.merkle import leaf_hash, root_of
from askfirst.ledger.notes import SigningKey, Verifier
from askfirst.rights.model import Intent, Purpose, Stage
from askfirst.rights.wire import digest
from askfirst.sealed import Sealed, seal
from tests import tampering as t
from tests.tampering import leaves_of, lines_of, notes_of, records_of

STRANGER = SigningKey.new()
SEGMENT_LINES = 32
ROBOTS = b"User-agent: *\nAllow: /\n" + b"# the same words on every look\n" * 12
LINES = "decisions/*-1-*.jsonl"
LAST = "decisions/*-0-*.000000000064.jsonl"
NAMES = {"RUN0": "*-0-*.notes", "RUN1": "*-1-*.notes"}


class Record(NamedTuple):
    """The record, and the key that is known from elsewhere: that of its second run."""

    out: Path
    key: Verifier
    runs: tuple[str, str]
    keys: tuple[SigningKey, SigningKey]


class _Writer(t.Writer):
    """Looks at the robots.txt anew now and then, and takes back what it kept."""

    async def crawl(self, pages: range) -> None:
        """A page after the other."""
        for number in pages:
            if number % 8 == 0:
                self.robots = replace(self.robots, body=ROBOTS, observed_at=self.clock())
            await self.look(number)

    async def withdraw(self, number: int) -> None:
        """Looks again: it may not be kept any more."""
        refused = t.page(2, self.clock())
        seen = replace(refused, document=replace(refused.document, url=f"{t.SITE}/{number}"))
        intent = Intent(url=seen.document.url, agent=t.AGENT, purpose=Purpose.TRAIN)
        decision = await self._decide(intent, [self.robots, seen], Stage.KEEP)
        line = line_of(Withdrawal(url=seen.document.url, withdrawn_at=self.clock(), decision_id=decision.id))
        self.items.append(line)
        self.log.note_item(line[:-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """83 decisions in two sealed segments and a plain one, then 60 in a plain one, under the key that came after."""
    folder = tmp_path_factory.mktemp("whole")
    out, keys = folder / "out", KeyFolder(folder / "keys")
    old = keys.current()

    async def write(number: int, pages: range, rotations: bytes) -> str:
        writer = _Writer(out, t.run_name(number), keys.current(), rotations)
        await writer.crawl(pages)
        if number == 0:
            await writer.withdraw(3)
        writer.close()
        return writer.run

    with t.written_with(segment_lines=SEGMENT_LINES):
        first = asyncio.run(write(0, range(41), b""))
    keys.rotate(utc_now())
    with t.written_with():
        second = asyncio.run(write(1, range(100, 130), keys.rotations()))
    write_table(out)
    return Record(out, keys.current().verifier, (first, second), (old, keys.current()))


@pytest.fixture
def out(whole: Record, tmp_path: Path) -> Path:
    """A copy to do something to."""
    return shutil.copytree(whole.out, tmp_path / "out")


def _found(whole: Record, out: Path) -> list[tuple[str, str]]:
    """The findings, with RUN0 and RUN1 for the names of the runs."""
    told = verify(out, keys=[whole.key], workers=1)
    found = [(finding.place, finding.what) for finding in told.findings]
    assert told.whole == (not found)
    for number, name in enumerate(whole.runs):
        found = [(place.replace(name, f"RUN{number}"), what.replace(name, f"RUN{number}")) for place, what in found]
    return found


def test_the_record(whole: Record) -> None:
    """It is whole, and holds what the cases below count on."""
    told = verify(whole.out, keys=[whole.key], workers=1)
    assert (told.findings, told.said) == ([], [])
    assert (told.runs, told.records, told.evidence, told.items, told.checkpoints) == (2, 143, 85, 49, 10)
    assert [path.name.partition(".")[2] for path in sorted(whole.out.glob("decisions/*-0-*"))] == [
        "000000000000.lookup",
        "000000000000.parquet",
        "000000000032.jsonl",
        "000000000064.jsonl",
    ]
    assert t.only(whole.out, WARC).read_bytes().count(b"WARC-Type: revisit") == 2
    assert (len(lines_of(t.only(whole.out, ITEMS))), len(records_of(t.only(whole.out, WARC)))) == (21, 35)
    assert b"withdrawn_at" in t.only(whole.out, "items/*-0-*.jsonl").read_bytes()
    assert len(CASES) + len(DIRECTORY_CASES) + FLIPS == 0


# -- what is done, and what is to be found -----------------------------------------------------------------------------


class Case(NamedTuple):
    """What is done; a place that begins like this, and a word that is said there."""

    name: str
    tamper: t.Tamper
    place: str
    word: str


WARC, ITEMS, NOTES, MANIFEST = "evidence/*-1-*.warc", "items/*-1-*.jsonl", "checkpoints/*-1-*.notes", "manifest.jsonl"
CDXJ, KEPT, TABLE = "evidence/*-1-*.cdxj", "warc/*-1-*.warc.gz", "items.parquet"
SEALED, SECOND = "decisions/*-0-*.000000000000.parquet", "decisions/*-0-*.000000000032.jsonl"


class Sequence(NamedTuple):
    """A file of parts that are leaves: how many, where it is, what a part is called, the first one's leaf."""

    pattern: str
    parts: t.Parts
    count: int
    file: str
    kind: str
    first: int = 0

    def at(self, place: int) -> str:
        """As a part is named."""
        return f"{self.file} {self.kind} {place + 1} (leaf {self.first + place})"

    def gone(self, place: int, last: int | None = None) -> str:
        """As a hole is named."""
        where = f"before {self.kind} 1" if place == 0 else f"between {self.kind} {place} and {self.kind} {place + 1}"
        one, other = self.first + place, self.first + (place if last is None else last)
        return f"{self.file} {where} ({f'leaf {one}' if one == other else f'leaves {one} to {other}'})"


DECISIONS = Sequence(LINES, lines_of, 60, "decisions/RUN1.000000000000.jsonl", "line")
SEQUENCES = [
    DECISIONS,
    Sequence(SECOND, lines_of, 32, "decisions/RUN0.000000000032.jsonl", "line", 32),
    Sequence(LAST, lines_of, 19, "decisions/RUN0.000000000064.jsonl", "line", 64),
    Sequence(WARC, records_of, 35, "evidence/RUN1.warc", "record"),
    Sequence("evidence/*-0-*.warc", records_of, 50, "evidence/RUN0.warc", "record"),
    Sequence(ITEMS, lines_of, 21, "items/RUN1.jsonl", "line"),
    Sequence("items/*-0-*.jsonl", lines_of, 28, "items/RUN0.jsonl", "line"),
]


def _places(count: int, seed: int, some: int) -> list[int]:
    """The first, the last, and some between."""
    return sorted({0, count - 1, *random.Random(seed).sample(range(1, count - 1), some)})


def _sequence_cases() -> Iterator[Case]:
    """Every operation at several places of every file whose parts are leaves."""
    for seed, one in enumerate(SEQUENCES):
        name = f"{one.file.partition('/')[0]} {one.file[-28:]}"
        pattern, parts = one.pattern, one.parts
        for place in _places(one.count, seed, 4):
            yield Case(f"{name}: bit {place}", _bit(pattern, parts, place, seed), one.at(place), "altered")
            yield Case(f"{name}: drop {place}", t.drop(pattern, parts, place), one.gone(place), "dropped")
            to = (place + one.count // 2) % one.count
            yield Case(
                f"{name}: duplicate {place} behind itself",
                t.duplicate(pattern, parts, place, place + 1),
                one.at(place + 1),
                f"duplicated: it is leaf {one.first + place} again",
            )
            yield Case(
                f"{name}: duplicate {place} at {to}",
                t.duplicate(pattern, parts, place, to),
                one.at(to),
                f"duplicated: it is leaf {one.first + place} again",
            )
            low, high = sorted((place, to))
            for here, there in ((low, high), (high, low)):
                yield Case(
                    f"{name}: swap {low} {high}, seen at {here}",
                    t.swap(pattern, parts, low, high),
                    one.at(here),
                    f"reordered: it was leaf {one.first + there}",
                )
            near = min(place, one.count - 2)
            yield Case(
                f"{name}: swap neighbors {near}", t.swap(pattern, parts, near, near + 1), one.at(near), "reordered"
            )
            if low + 2 < high:
                yield Case(f"{name}: move {low}", t.move(pattern, parts, low, high), one.at(high), "reordered")
            yield Case(
                f"{name}: add at {place}",
                t.changed(pattern, parts, _foreign(place)),
                one.at(place),
                "added",
            )
        half = one.count // 2
        cut = t.drop(pattern, parts, half, one.count - half)
        yield Case(f"{name}: cut at {half}", cut, one.gone(half, one.count - 1), "dropped")
        some = t.drop(pattern, parts, 3, 3)
        yield Case(f"{name}: drop three", some, one.gone(3, 5), "dropped")
        emptied = t.changed(pattern, parts, lambda _: [])
        yield Case(f"{name}: emptied", emptied, one.gone(0, one.count - 1), "dropped")


def _bit(pattern: str, parts_of: t.Parts, place: int, seed: int) -> t.Tamper:
    """Changes one bit of a letter or a digit of a part, never of what ends it."""

    def change(parts: list[bytes]) -> list[bytes]:
        told = bytearray(parts[place])
        head = bytes(told).partition(b"\r\n\r\n")[0].rstrip(b"\n")
        spots = [spot for spot in range(10, len(head)) if chr(head[spot]).isdigit()]
        told[random.Random(seed * 1_000 + place).choice(spots)] ^= 1
        parts[place] = bytes(told)
        return parts

    return t.changed(pattern, parts_of, change)


def _foreign(place: int) -> Callable[[list[bytes]], list[bytes]]:
    """Puts in a part that is like another and was never there: a new URL, with what follows from it left as it was."""

    def change(parts: list[bytes]) -> list[bytes]:
        other = parts[len(parts) // 2].replace(b"paper.example", b"other.example")
        return [*parts[:place], other, *parts[place:]]

    return change


CASES: list[Case] = [*_sequence_cases()]
DIRECTORY_CASES: list[Case] = []
FLIPS = 0


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_was_done_is_named(case: Case, whole: Record, out: Path) -> None:
    """It is found, at its place and by its word."""
    case.tamper(out)
    found = _found(whole, out)
    assert [one for one in found if one[0].startswith(case.place) and case.word in one[1]], found
