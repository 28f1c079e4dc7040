"""Every way to tamper, done to every kind of file of a record with a past: the audit says where, and what was done.

The record has two runs under two keys (the second took the first one's place), a sealed segment with plain ones behind
it, evidence that names an earlier record, a withdrawal, ten checkpoints. Each case takes a copy, does one thing as a
forger would, and wants one or more whole findings, word for word; ``*`` stands for what differs from record to record.

1. A plain run under one key is the matter of test_audit_verify and test_tampering_everywhere, and not done again here.
2. Where a case is about one run, the other one is not accused.
3. Single bits are altered all over the directory. ``PROVES_NOTHING`` names the files in which one may go unseen, and
   why; what the record gives out is then the same, byte for byte.

It is one thing, of over 400 lines: a table of what can be done.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askfirst.audit.directory import Directory
from askfirst.audit.verify import verify
from askfirst.gate import utc_now
from askfirst.items import TABLE_NAME, Item, Withdrawal, line_of, write_table
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint
from askfirst.ledger.keys import KeyFolder, Rotation
from askfirst.ledger.manifest import CLOSED, OPENED, Entry, append_entry
from askfirst.ledger.merkle import leaf_hash, root_of
from askfirst.ledger.notes import SigningKey, Verifier
from askfirst.lookup import LOOKUP_SUFFIX
from askfirst.rights.model import Intent, Purpose, Stage
from askfirst.rights.wire import digest
from askfirst.sealed import Sealed, seal
from tests import tampering as t
from tests.tampering import leaves_of, lines_of, notes_of, records_of

STRANGER, ANOTHER = SigningKey.new(), SigningKey.new()
SEGMENT_LINES = 32
ROBOTS = b"User-agent: *\nAllow: /\n" + b"# the same words on every look\n" * 12
BITS = 10
"""So many of each file are altered."""


# -- the record --------------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """The record; the keys in their order, of which the last is known from elsewhere; what it gives out."""

    out: Path
    runs: tuple[str, str]
    keys: tuple[SigningKey, SigningKey]
    given: Given

    @property
    def known(self) -> list[Verifier]:
        return [self.keys[1].verifier]

    def told_of(self, out: Path, *, checkpoint: bytes | None = None) -> list[str]:
        """The findings as lines, with RUN0 and RUN1, OLD, NEW and STRANGER for what has another name every time."""
        told = verify(out, keys=self.known, checkpoint=checkpoint, workers=1)
        lines = [str(finding) for finding in told.findings]
        assert told.whole == (not lines)
        names = {self.runs[0]: "RUN0", self.runs[1]: "RUN1", STRANGER.name: "STRANGER"}
        names |= {self.keys[0].name: "OLD", self.keys[1].name: "NEW"}
        for name, word in names.items():
            lines = [line.replace(name, word) for line in lines]
        return lines


class Given(NamedTuple):
    """What a record gives to whoever reads it: the lines of its runs, its notes, the rows of its table, what it kept."""

    lines: dict[str, list[bytes]]
    notes: dict[str, list[bytes]]
    rows: list[bytes]
    kept: list[bytes]


def given_by(out: Path) -> Given:
    """Reads all of it. A table that is not there is made anew."""
    runs = Directory(out).runs
    if not (out / TABLE_NAME).exists():
        write_table(out)
    rows = [Item(**row) for row in pq.read_table(out / TABLE_NAME).to_pylist()]
    kept: list[bytes] = []
    for item in rows:
        with (out / item.warc).open("rb") as warc:
            warc.seek(item.warc_offset)
            kept.append(warc.read(item.warc_bytes))
    return Given(
        {run.name: [line for segment in run.segments for line in segment.lines()] for run in runs},
        {run.name: run.notes() for run in runs},
        [line_of(item) for item in rows],
        kept,
    )


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
    """83 decisions in a sealed segment and two plain ones, then 60 in a plain one, under the key that came after."""
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
    return Record(out, (first, second), (old, keys.current()), given_by(out))


@pytest.fixture
def out(whole: Record, tmp_path: Path) -> Path:
    """A copy to do something to."""
    return shutil.copytree(whole.out, tmp_path / "out", copy_function=shutil.copyfile)


def test_the_record(whole: Record) -> None:
    """It is whole, and holds what the cases below count on."""
    told = verify(whole.out, keys=whole.known, workers=1)
    assert (told.findings, told.said) == ([], [])
    assert (told.runs, told.records, told.evidence, told.items, told.checkpoints) == (2, 143, 85, 49, 10)
    assert [path.name.partition(".")[2] for path in sorted(whole.out.glob("decisions/*-0-*"))] == [
        "000000000000.lookup",
        "000000000000.parquet",
        "000000000032.jsonl",
        "000000000064.jsonl",
    ]
    for one in SEQUENCES:
        assert len(one.parts(t.only(whole.out, one.pattern))) == one.size
    assert b"WARC-Type: revisit" in records_of(t.only(whole.out, WARC))[REVISIT]
    assert b"withdrawn_at" in lines_of(t.only(whole.out, ITEMS))[-1]
    there = {path for path in whole.out.rglob("*") if path.is_file() and path.stat().st_size}
    assert there == {t.only(whole.out, pattern) for pattern in FILES} | set(whole.out.glob("keys/*.vkey"))


# -- files, and what they are made of ----------------------------------------------------------------------------------

SEALED, LOOKUP = "decisions/*-0-*.000000000000.parquet", "decisions/*-0-*.000000000000.lookup"
SECOND, LAST, LATER = (
    "decisions/*-0-*.000000000032.jsonl",
    "decisions/*-0-*.000000000064.jsonl",
    "decisions/*-1-*.jsonl",
)
WARC, CDXJ, ITEMS = "evidence/*-0-*.warc", "evidence/*-0-*.cdxj", "items/*-0-*.jsonl"
LATER_WARC, LATER_CDXJ, LATER_ITEMS = "evidence/*-1-*.warc", "evidence/*-1-*.cdxj", "items/*-1-*.jsonl"
NOTES, LATER_NOTES = "checkpoints/*-0-*.notes", "checkpoints/*-1-*.notes"
KEPT, LATER_KEPT = "warc/*-0-*.warc.gz", "warc/*-1-*.warc.gz"
MANIFEST, ROTATIONS = "manifest.jsonl", "keys/rotations.notes"
TREES = ("decisions", "evidence", "items")
LEAVES = [f"leaves/*-{run}-*.{tree}" for run in (0, 1) for tree in TREES]
NAMES = [f"leaves/*-{run}-*.{tree}.000000000000.lookup" for run in (0, 1) for tree in ("evidence", "items")]
FILES = [
    *(SEALED, LOOKUP, SECOND, LAST, LATER, WARC, CDXJ, ITEMS, LATER_WARC, LATER_CDXJ, LATER_ITEMS),
    *(NOTES, LATER_NOTES, KEPT, LATER_KEPT, MANIFEST, ROTATIONS, TABLE_NAME, *LEAVES, *NAMES),
]
RESPONSE, REVISIT = 30, 10
"""Of the first run's evidence."""
Change = Callable[[list[bytes]], list[bytes]]


def _sealed_lines(path: Path) -> list[bytes]:
    return [line + b"\n" for line in Sealed(path)]


def _sealed_anew(path: Path, lines: list[bytes]) -> None:
    plain = path.with_suffix(".jsonl")
    plain.write_bytes(b"".join(lines))
    path.unlink()
    seal(plain, first=0)
    plain.unlink()


def _as_they_are(path: Path, parts: list[bytes]) -> None:
    path.write_bytes(b"".join(parts))


class Sequence(NamedTuple):
    """A file of parts: how many, how the audit names the file and a part, the first one's leaf (none in an index)."""

    name: str
    pattern: str
    parts: t.Parts
    size: int
    file: str
    kind: str
    time: bytes
    first: int | None = 0
    write: Callable[[Path, list[bytes]], None] = _as_they_are

    def changed(self, change: Change) -> t.Tamper:
        """With other parts."""

        def tamper(out: Path) -> None:
            path = t.only(out, self.pattern)
            self.write(path, change(self.parts(path)))

        return tamper

    def told(self, place: int, what: str, of: int | None = None) -> str:
        """A finding about a part. ``of`` is the part that it was or is again."""
        if self.first is None:
            return f"{self.file} {self.kind} {place + 1}: {what}; the evidence itself is as it was signed*"
        said = what
        if of is not None:
            leaf = self.first + of
            said = f"{what}: it was leaf {leaf}" if what == "reordered" else f"{what}: it is leaf {leaf} again"
        return f"{self.file} {self.kind} {place + 1} (leaf {self.first + place}): {said}"

    def gone(self, place: int, count: int = 1) -> str:
        """A finding about a hole."""
        where = f"before {self.kind} 1" if place == 0 else f"between {self.kind} {place} and {self.kind} {place + 1}"
        if self.first is None:
            return f"{self.file} {where}: dropped; the evidence itself is as it was signed*"
        leaf = self.first + place
        leaves = f"leaf {leaf}" if count == 1 else f"leaves {leaf} to {leaf + count - 1}"
        return f"{self.file} {where} ({leaves}): dropped"


AT, DATE, FETCHED = b'"decided_at":"', b"WARC-Date: ", b'"fetched_at":"'
PACKED = Sequence(
    *("sealed decisions", SEALED, _sealed_lines, 32, "decisions/RUN0.000000000000.parquet", "line", AT),
    write=_sealed_anew,
)
SEQUENCES = [
    PACKED,
    Sequence("middle decisions", SECOND, lines_of, 32, "decisions/RUN0.000000000032.jsonl", "line", AT, 32),
    Sequence("last decisions", LAST, lines_of, 19, "decisions/RUN0.000000000064.jsonl", "line", AT, 64),
    Sequence("evidence", WARC, records_of, 49, "evidence/RUN0.warc", "record", DATE),
    Sequence("items", ITEMS, lines_of, 29, "items/RUN0.jsonl", "line", FETCHED),
    Sequence("index", CDXJ, lines_of, 48, "evidence/RUN0.cdxj", "line", b"", None),
]
DECISIONS = Sequence("decisions", LATER, lines_of, 60, "decisions/RUN1.000000000000.jsonl", "line", AT)
EVIDENCE, KEPT_ITEMS = SEQUENCES[3], SEQUENCES[4]
ITEM_LINES = Sequence("item", LATER_ITEMS, lines_of, 20, "items/RUN1.jsonl", "line", FETCHED)


class Case(NamedTuple):
    """What is done, and the findings that are wanted."""

    name: str
    tamper: t.Tamper
    findings: tuple[str, ...]


# -- operations on parts -----------------------------------------------------------------------------------------------

DAY, BLINK = timedelta(days=-1), timedelta(microseconds=-1)


def _part(place: int, change: Callable[[bytes], bytes]) -> Change:
    """One part is changed, and is not as it was."""

    def all_of_them(parts: list[bytes]) -> list[bytes]:
        before = parts[place]
        parts[place] = change(before)
        assert parts[place] != before
        return parts

    return all_of_them


def _bit(dice: random.Random) -> Callable[[bytes], bytes]:
    """One bit of a part, not of what says how long it is nor of what ends it."""

    def change(part: bytes) -> bytes:
        head = part.partition(b"\r\nContent-Length")[0].rstrip(b"\n")
        place = dice.randrange(len(b"WARC/1.1\r\nWARC-Type: "), len(head))
        while part[place] in b"\r\n\x0b\x0c":
            place += 1
        return part[:place] + bytes([part[place] ^ 1]) + part[place + 1 :]

    return change


def _dated(before: bytes, by: timedelta) -> Callable[[bytes], bytes]:
    """Another time."""

    def change(part: bytes) -> bytes:
        head, name, rest = part.partition(before)
        at = re.split(rb'["\r\n]', rest)[0]
        return head + name + t.shifted(at, by) + rest[len(at) :]

    return change


def _duplicated(place: int, to: int) -> Change:
    return lambda parts: [*parts[:to], parts[place], *parts[to:]]


def _swapped(one: int, other: int) -> Change:
    def change(parts: list[bytes]) -> list[bytes]:
        parts[one], parts[other] = parts[other], parts[one]
        return parts

    return change


def _moved(place: int, to: int) -> Change:
    def change(parts: list[bytes]) -> list[bytes]:
        parts.insert(to, parts.pop(place))
        return parts

    return change


def _added(place: int) -> Change:
    """A part that is like another and was never there: of another site, with what follows from that left as it was."""
    return lambda parts: [*parts[:place], parts[len(parts) // 2].replace(b"paper", b"other"), *parts[place:]]


def _dropped(place: int, count: int = 1) -> Change:
    return lambda parts: parts[:place] + parts[place + count :]


def _sequence_cases() -> Iterator[Case]:
    """Every operation at the first part, the last, and one between."""
    for one in SEQUENCES:
        dice = random.Random(one.name)
        last = one.size - 1
        for place in sorted({0, last, dice.randrange(1, last - 1)}):

            def done(operation: str, change: Change, *findings: str, one: Sequence = one, place: int = place) -> Case:
                return Case(f"{one.name} {operation} {place + 1}", one.changed(change), findings)

            far = (place + one.size // 2) % one.size
            low, high = sorted((place, far))
            near = min(place, last - 1)
            yield done("altered", _part(place, _bit(dice)), one.told(place, "altered"))
            yield done("dropped", _dropped(place), one.gone(place))
            yield done("duplicated", _duplicated(place, far), one.told(far, "duplicated", place))
            yield done(
                "swapped afar",
                _swapped(low, high),
                one.told(low, "reordered", high),
                one.told(high, "reordered", low),
            )
            yield done("swapped with the next", _swapped(near, near + 1), one.told(near, "reordered", near + 1))
            yield done("moved", _moved(low, high), one.told(high, "reordered", low))
            yield done("added", _added(place), one.told(place, "added"))
        half = one.size // 2
        yield Case(f"{one.name} cut in half", one.changed(_dropped(half, one.size)), (one.gone(half, one.size - half),))
        yield Case(f"{one.name} three dropped", one.changed(_dropped(3, 3)), (one.gone(3, 3),))
        yield Case(f"{one.name} emptied", one.changed(lambda _: []), (one.gone(0, one.size),))


def _time_cases() -> Iterator[Case]:
    """Back-dated: by a day, and by a microsecond; and dated into the future."""
    for one in SEQUENCES:
        for place in (0, one.size - 2) if one.time else ():
            name = f"{one.name} back-dated %s {place + 1}"
            altered = one.told(place, "altered")
            early, late = (
                one.told(place, f"back-dated: it was decided {when}")
                for when in ("before its run began", "later than the checkpoint over it, of *")
            )
            is_decided = one.time == AT
            for word, by, more in (("a day", DAY, early), ("a blink", BLINK, altered), ("forward", -DAY, late)):
                tamper = one.changed(_part(place, _dated(one.time, by)))
                yield Case(name % word, tamper, (altered, more) if is_decided else (altered,))
    withdrawn = _part(28, _dated(b'"withdrawn_at":"', DAY))
    yield Case("withdrawal back-dated", KEPT_ITEMS.changed(withdrawn), (KEPT_ITEMS.told(28, "altered"),))
    for number in range(4):
        note = t.changed(LATER_NOTES, notes_of, _part(number, _dated(b"\nat ", BLINK)))
        yield Case(f"checkpoint back-dated {number + 1}", note, (_note(number, UNSIGNED.format("NEW")),))
        line = t.changed(MANIFEST, lines_of, _part(number, _dated(b'"at":"', BLINK)))
        by_whom = "OLD" if number < 2 else "NEW"
        yield Case(f"manifest back-dated {number + 1}", line, (_entry(number, FORGED.format(by_whom)),))
    rotated = t.changed(ROTATIONS, notes_of, _part(0, _dated(b"\nat ", DAY)))
    yield Case("rotation back-dated", rotated, (f"{ROTATIONS} note 1: {UNSIGNED.format('OLD')}",))


# -- fields ------------------------------------------------------------------------------------------------------------

DECISION_FIELDS = ("id", "url", "purpose", "decided_at", "user_agent", "covers", "policy_digest", "stage", "verdict")
LOOKED_AT_FIELDS = ("digest", "kind", "observed_at")
ITEM_FIELDS = (
    *("url", "final_url", "media_type", "bytes", "sha256", "registrable_domain"),
    *("decision_id", "warc", "warc_offset", "warc_bytes", "warc_sha256"),
)
RESPONSE_FIELDS = (
    *("WARC-Type", "WARC-Record-ID", "WARC-Block-Digest", "WARC-Target-URI", "WARC-Payload-Digest"),
    *("AskFirst-Kind", "AskFirst-Max-Bytes", "Content-Type"),
)
REVISIT_FIELDS = ("WARC-Profile", "WARC-Refers-To", "WARC-Refers-To-Date", "AskFirst-Fresh-Seconds")


def _other(told: bytes, place: int) -> bytes:
    """Another letter or digit there."""
    while not chr(told[place]).isalnum():
        place += 1
    return told[:place] + (b"1" if told[place : place + 1] != b"1" else b"2") + told[place + 1 :]


def _member(name: str, after: bytes = b"") -> Callable[[bytes], bytes]:
    """Another first letter of a member's value."""
    return lambda line: _other(line, line.index(b'"%b":' % name.encode(), line.index(after)) + len(name) + 3)


def _field(name: str) -> Callable[[bytes], bytes]:
    """Another first letter of a WARC field's value."""
    return lambda record: _other(record, record.index(b"\r\n%b: " % name.encode()) + len(name) + 4)


def _redigested(record: bytes) -> bytes:
    """Another body, and every digest computed anew."""
    head, _, block = record.removesuffix(b"\r\n\r\n").partition(b"\r\n\r\n")
    http, _, body = block.partition(b"\r\n\r\n")
    body = body.swapcase()
    block = http + b"\r\n\r\n" + body
    for name, told in ((b"Block", block), (b"Payload", body)):
        found = hashlib.sha256(told).hexdigest().encode()
        head = re.sub(rb"(WARC-%b-Digest: sha256:)[0-9a-f]+" % name, rb"\g<1>" + found, head)
    return head + b"\r\n\r\n" + block + b"\r\n\r\n"


def _field_cases() -> Iterator[Case]:
    """One thing that a line or record says."""
    for name in DECISION_FIELDS:
        yield Case(f"decision {name}", DECISIONS.changed(_part(41, _member(name))), (DECISIONS.told(41, "altered"),))
    for name in LOOKED_AT_FIELDS:
        change = DECISIONS.changed(_part(41, _member(name, b'"looked_at"')))
        relies = "relies on evidence that is not there: *"
        found = (DECISIONS.told(41, "altered"), DECISIONS.told(41, relies))
        yield Case(f"decision looked at another {name}", change, found)
    for name in ITEM_FIELDS:
        yield Case(f"item {name}", ITEM_LINES.changed(_part(11, _member(name))), (ITEM_LINES.told(11, "altered"),))
    for name in ("url", "decision_id"):
        yield Case(
            f"withdrawal {name}", KEPT_ITEMS.changed(_part(28, _member(name))), (KEPT_ITEMS.told(28, "altered"),)
        )
    for place, names in ((RESPONSE, RESPONSE_FIELDS), (REVISIT, REVISIT_FIELDS)):
        for name in names:
            change = EVIDENCE.changed(_part(place, _field(name)))
            yield Case(f"evidence {place + 1} {name}", change, (EVIDENCE.told(place, "altered"),))
    for place in (1, REVISIT):
        body = t.flip(WARC, -8, records_of, place)
        where = f"evidence/RUN0.warc record {place + 1} (leaf {place}) at byte *"
        yield Case(f"evidence {place + 1} body", body, (f"{where}: does not match its digest",))
    redone = EVIDENCE.changed(_part(RESPONSE, _redigested))
    yield Case("evidence body with its digests", redone, (EVIDENCE.told(RESPONSE, "altered"),))


# -- checkpoints, manifest, keys ---------------------------------------------------------------------------------------

UNSIGNED = "the signature by {} does not hold: the note was altered"
FORGED = "was altered: the signature by {} does not hold"
NOT_SEALED = "is not what the sealed segment beside it holds, which is read instead: delete it"
NO_END = "truncated: it does not end with an empty line"
UNKNOWN = "it is signed by STRANGER, which is not a key that is known here"
NOT_NEXT = "does not follow the checkpoint before it: one was dropped, added or moved"
NOT_CHAINED = "does not follow the line before it: a line was dropped, added or moved"
NOT_LAST = "does not end with the checkpoint that manifest.jsonl names"
NO_NOTE = "no signed note: *"
FLAWED_KEY = "*: the hash does not belong to the key; it was altered or cut short"
NOT_GIVEN = "is not a key that was given, nor one that took its place"


def _note(place: int, what: str) -> str:
    return f"checkpoints/RUN1.notes note {place + 1}: {what}"


def _entry(place: int, what: str) -> str:
    return f"manifest.jsonl line {place + 1}: {what}"


def _note_line(number: int, at: int = 0) -> Callable[[bytes], bytes]:
    """Another letter or digit in a line of a note."""

    def change(note: bytes) -> bytes:
        lines = note.split(b"\n")
        place = lines[number].rfind(b" ") + 1 if at == 0 else at
        lines[number] = _other(lines[number], place)
        return b"\n".join(lines)

    return change


def _signed_by(key: SigningKey) -> Callable[[bytes], bytes]:
    """The same checkpoint, of another key."""

    def change(note: bytes) -> bytes:
        checkpoint = Checkpoint.parse(note.partition(b"\n\n")[0].decode() + "\n")
        return replace(checkpoint, key_name=key.name).signed(key) + b"\n"

    return change


def _checkpoint_cases() -> Iterator[Case]:
    lines = {"key": (0, 2), "run": (0, 30), "size": (1, 0), "root": (2, 5), "evidence": (3, 9), "items": (4, 6)}
    for place in (0, 3):
        for name, (number, at) in {**lines, **({"previous": (6, 20), "end": (7, 1)} if place else {})}.items():
            yield Case(
                f"checkpoint {place + 1} {name}",
                t.changed(LATER_NOTES, notes_of, _part(place, _note_line(number, at))),
                (_note(place, UNSIGNED.format("NEW")),),
            )
    for place in range(4):
        by_stranger = t.changed(LATER_NOTES, notes_of, _part(place, _signed_by(STRANGER)))
        yield Case(f"checkpoint {place + 1} signed by a stranger", by_stranger, (_note(place, UNKNOWN),))
        follows = _note(place, NOT_NEXT) if place < 3 else f"checkpoints/RUN1.notes: {NOT_LAST}"
        yield Case(f"checkpoint {place + 1} dropped", t.drop(LATER_NOTES, notes_of, place), (follows,))
        again = (_note(place + 1, "duplicated"), _note(place + 1, NOT_NEXT))
        yield Case(f"checkpoint {place + 1} duplicated", t.duplicate(LATER_NOTES, notes_of, place, place + 1), again)
    for place, other in ((0, 3), (1, 2), (2, 3)):
        less = _note(place + 1, "holds less than the checkpoint before it: reordered, or of another record")
        found = (_note(place, NOT_NEXT), _note(other, NOT_NEXT), less)
        swapped = t.swap(LATER_NOTES, notes_of, place, other)
        yield Case(f"checkpoints {place + 1} and {other + 1} swapped", swapped, found)
    yield Case("last checkpoint truncated by 2", t.truncate(LATER_NOTES, 2), (_note(3, NO_NOTE),))
    yield Case("last checkpoint truncated by 1", t.truncate(LATER_NOTES, 1), (f"checkpoints/RUN1.notes: {NO_END}",))
    yield Case("checkpoint added behind", _put(LATER_NOTES, behind=b"hello\n\n"), (_note(4, NO_NOTE),))
    yield Case(
        "empty line added before checkpoints",
        _put(LATER_NOTES, before=b"\n"),
        (_note(0, UNSIGNED.format("NEW")),),
    )
    one = Head(1, leaf_hash(b"a line"))
    foreign = Checkpoint(key_name=STRANGER.name, run="a-run", decisions=one, evidence=one, items=one, at=utc_now())
    added = t.add(LATER_NOTES, notes_of, 4, foreign.signed(STRANGER) + b"\n")
    yield Case("checkpoint of a stranger added", added, (_note(4, UNKNOWN), f"checkpoints/RUN1.notes: {NOT_LAST}"))


def _put(pattern: str, *, before: bytes = b"", behind: bytes = b"") -> t.Tamper:
    """Bytes before and behind what a file holds."""

    def tamper(out: Path) -> None:
        path = t.only(out, pattern)
        path.write_bytes(before + path.read_bytes() + behind)

    return tamper


def _manifest_cases() -> Iterator[Case]:
    for place in range(4):
        if place < 3:  # the last one: test_the_end_of_the_manifest_taken_away
            yield Case(
                f"manifest {place + 1} dropped", t.drop(MANIFEST, lines_of, place), (_entry(place, NOT_CHAINED),)
            )
        again = t.duplicate(MANIFEST, lines_of, place, 4)
        yield Case(f"manifest {place + 1} duplicated at the end", again, (_entry(4, NOT_CHAINED),))
    for place, other in ((0, 2), (0, 3), (1, 2)):
        swapped = t.swap(MANIFEST, lines_of, place, other)
        found_there = (_entry(place, NOT_CHAINED), _entry(other, NOT_CHAINED))
        yield Case(f"manifest {place + 1} and {other + 1} swapped", swapped, found_there)
    of_opened, of_closed = ("event", "run", "previous", "signature"), ("checkpoint", "size")
    for place, key, names in ((1, "OLD", (*of_opened, *of_closed)), (2, "NEW", of_opened), (3, "NEW", of_closed)):
        for name in names:
            change = t.changed(MANIFEST, lines_of, _part(place, _member(name)))
            yield Case(f"manifest {place + 1} {name}", change, (_entry(place, FORGED.format(key)),))
    change = t.changed(MANIFEST, lines_of, _part(2, _member("key")))
    yield Case("manifest 3 key", change, (_entry(2, FLAWED_KEY),))
    yield Case("manifest truncated by 1", t.truncate(MANIFEST, 1), (_entry(3, "is cut short"),))
    yield Case(
        "empty line added to the manifest", _put(MANIFEST, behind=b"\n"), (_entry(4, "is no line of a manifest"),)
    )
    unknown = _entry(4, "is signed by STRANGER, which is not a key that is known here")
    yield Case("manifest line of a stranger added", _opened_by_a_stranger, (unknown,))


def _opened_by_a_stranger(out: Path) -> None:
    entry = Entry(event=OPENED, run="20260101T000000Z-0-abcdef", at=utc_now(), key=STRANGER.verifier)
    append_entry(out / MANIFEST, entry, STRANGER)


def _key_file(out: Path, who: bytes) -> Path:
    """The file of the key that the rotation is ``from`` or ``to``."""
    found = re.search(rb"\n%b ([^+]+)\+" % who, (out / ROTATIONS).read_bytes())
    assert found
    return out / "keys" / f"{found[1].decode()}.vkey"


def _key_changed(who: bytes, change: Callable[[bytes], bytes]) -> t.Tamper:
    def tamper(out: Path) -> None:
        path = _key_file(out, who)
        path.write_bytes(change(path.read_bytes()))

    return tamper


def _keys_exchanged(out: Path) -> None:
    _exchange(_key_file(out, b"from"), _key_file(out, b"to"))


def _key_cases() -> Iterator[Case]:
    what = "is not the key that it is named after"
    for who, name in ((b"from", "OLD"), (b"to", "NEW")):
        altered = _key_changed(who, lambda told: told[:-8] + _other(told[-8:], 0))
        yield Case(f"public key {name} altered", altered, (f"keys/{name}.vkey: {FLAWED_KEY}",))
        cut = _key_changed(who, lambda told: told[:-1])
        yield Case(f"public key {name} truncated by 1", cut, (f"keys/{name}.vkey: {what}",))
    yield Case("public keys swapped", _keys_exchanged, tuple(f"keys/{name}.vkey: {what}" for name in ("OLD", "NEW")))
    lost = f"keys/OLD.vkey: {NOT_GIVEN}"
    unknown = "checkpoints/RUN0.notes note 1: it is signed by OLD, which is not a key that is known here"
    yield Case("rotation taken out", t.changed(ROTATIONS, notes_of, lambda _: []), (lost, unknown))
    for old in (b"\nfrom a", b"\nto a", b"rotation"):
        change = t.replace(ROTATIONS, notes_of, 0, old, old[:-1] + b"b")
        name = old.decode().split()[0]
        yield Case(f"rotation altered at {name}", change, (f"{ROTATIONS} note 1: the note is no key rotation", lost))
    for line, key in ((-3, "NEW"), (-4, "OLD")):
        signed = t.changed(ROTATIONS, notes_of, _part(0, _note_line(line, 50)))
        yield Case(f"rotation signature {key}", signed, (f"{ROTATIONS} note 1: {UNSIGNED.format(key)}", lost))
    yield Case("rotation truncated by 2", t.truncate(ROTATIONS, 2), (f"{ROTATIONS} note 1: {NO_NOTE}", lost))
    yield Case("rotation truncated by 1", t.truncate(ROTATIONS, 1), (f"{ROTATIONS}: {NO_END}",))
    yield Case(
        "rotation duplicated",
        t.duplicate(ROTATIONS, notes_of, 0, 1),
        (f"{ROTATIONS} note 2: duplicated: it is note 1 again",),
    )
    foreign = Rotation(STRANGER.verifier, ANOTHER.verifier, utc_now()).signed(STRANGER, ANOTHER) + b"\n"
    yield Case(
        "rotation of strangers added",
        t.add(ROTATIONS, notes_of, 1, foreign),
        (f"{ROTATIONS} note 2: added: none of its keys leads to one known here",),
    )
    half = Rotation(STRANGER.verifier, ANOTHER.verifier, utc_now()).signed(STRANGER, STRANGER) + b"\n"
    found = f"{ROTATIONS} note 2: {UNKNOWN}"
    yield Case("rotation that one key signed added", t.add(ROTATIONS, notes_of, 1, half), (found,))


# -- files as a whole --------------------------------------------------------------------------------------------------

THEMSELVES = {
    "decisions": "altered; the decisions themselves are as they were signed",
    "evidence": "altered; the evidence itself is as it was signed",
    "items": "altered; the items themselves are as they were signed",
}


def _exchange(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _exchanged(one: str, other: str) -> t.Tamper:
    return lambda out: _exchange(t.only(out, one), t.only(out, other))


def _gone_cases() -> Iterator[Case]:
    named: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("sealed decisions", SEALED, ("decisions/RUN0 (leaves 0 to 31): a segment is missing",)),
        ("middle decisions", SECOND, (PACKED.gone(32, 32),)),
        ("last decisions", LAST, (SEQUENCES[1].gone(32, 19),)),
        ("decisions", LATER, ("decisions/RUN1: is missing: 60 decisions of it were signed",)),
        ("evidence", WARC, ("evidence/RUN0.warc: is missing: checkpoints signed 49 records of evidence",)),
        ("items", ITEMS, ("items/RUN0.jsonl: is missing: checkpoints signed 29 lines of items",)),
        ("kept bytes", KEPT, ("items/RUN0.jsonl line 1 (leaf 0): warc/RUN0.warc.gz at byte * cannot be read",)),
        ("checkpoints", LATER_NOTES, (f"checkpoints/RUN1.notes: {NOT_LAST}",)),
        ("manifest", MANIFEST, tuple(f"manifest.jsonl: does not list the run RUN{run}" for run in (0, 1))),
        ("rotations", ROTATIONS, (f"keys/OLD.vkey: {NOT_GIVEN}",)),
    )
    for name, pattern, findings in named:
        yield Case(f"{name} taken away", t.delete(pattern), findings)


def _exchange_cases() -> Iterator[Case]:
    middle, last = SEQUENCES[1:3]
    more = f"{last.file} lines 20 to 32 (leaves 83 to 95): added"
    yield Case(
        "segments swapped",
        _exchanged(SECOND, LAST),
        (middle.told(18, "altered"), middle.gone(19, 13), last.told(0, "altered"), more),
    )
    yield Case(
        "segments of two runs swapped",
        _exchanged(SECOND, LATER),
        (SEQUENCES[1].told(0, "altered"), DECISIONS.told(31, "altered"), DECISIONS.gone(32, 28)),
    )
    for name, one, other, place in (
        ("evidence", WARC, LATER_WARC, "evidence/RUN{}.warc record 1 (leaf 0): altered"),
        ("items", ITEMS, LATER_ITEMS, "items/RUN{}.jsonl line 1 (leaf 0): altered"),
        (
            "kept bytes",
            KEPT,
            LATER_KEPT,
            "items/RUN{0}.jsonl line 1 (leaf 0): warc/RUN{0}*: the kept bytes were altered",
        ),
        ("indexes", CDXJ, LATER_CDXJ, "evidence/RUN{}.cdxj line 1: altered; *"),
    ):
        yield Case(f"{name} of two runs swapped", _exchanged(one, other), tuple(place.format(run) for run in (0, 1)))
    of_another = tuple(f"checkpoints/RUN{run}.notes note 1: is of another run, RUN{1 - run}" for run in (0, 1))
    yield Case("checkpoints of two runs swapped", _exchanged(NOTES, LATER_NOTES), of_another)
    for tree in TREES:
        found = tuple(f"leaves/RUN{run}.{tree} leaf 0: {THEMSELVES[tree]}" for run in (0, 1))
        yield Case(f"leaves of {tree} swapped", _exchanged(f"leaves/*-0-*.{tree}", f"leaves/*-1-*.{tree}"), found)


def _leaves_cases() -> Iterator[Case]:
    for tree in TREES:
        pattern = f"leaves/*-0-*.{tree}"

        def at(leaf: int, tree: str = tree) -> tuple[str, ...]:
            return (f"leaves/RUN0.{tree} leaf {leaf}: {THEMSELVES[tree]}",)

        last = {"decisions": 82, "evidence": 48, "items": 28}[tree]
        yield Case(f"leaf of {tree} altered", t.flip(pattern, 3, leaves_of, 17), at(17))
        yield Case(f"leaf of {tree} dropped", t.drop(pattern, leaves_of, 3), at(3))
        yield Case(f"leaf of {tree} duplicated", t.duplicate(pattern, leaves_of, 3, 4), at(4))
        yield Case(f"leaves of {tree} swapped in place", t.swap(pattern, leaves_of, 3, 9), at(9))
        yield Case(f"last leaf of {tree} cut", t.truncate(pattern, 8), at(last))
        yield Case(f"last leaf of {tree} truncated", t.truncate(pattern, 3), at(last))
        yield Case(f"leaves of {tree} emptied", t.changed(pattern, leaves_of, lambda _: []), at(0))
        more = t.add(pattern, leaves_of, last + 1, b"a leaf..")
        yield Case(f"leaf of {tree} added", more, at(last + 1))


def _names_cases() -> Iterator[Case]:
    """The indexes by which a piece of evidence or an item is found."""
    for tree in ("evidence", "items"):
        file = f"leaves/RUN{{}}.{tree}.000000000000.lookup: {THEMSELVES[tree]}: delete it"
        one, other = (f"leaves/*-{run}-*.{tree}.000000000000.lookup" for run in (0, 1))
        yield Case(f"names of {tree} altered", t.flip(one, -3), (file.format(0),))
        yield Case(f"names of {tree} truncated", t.truncate(one, 6), (file.format(0),))
        yield Case(f"names of {tree} swapped", _exchanged(one, other), (file.format(0), file.format(1)))


def _rows(change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> t.Tamper:
    """Another table."""

    def tamper(out: Path) -> None:
        path = out / TABLE_NAME
        table = pq.read_table(path)
        pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)

    return tamper


def _least_url_raised(out: Path) -> None:
    """The table's statistics say that no URL is as small as the first one: who filters by it passes over the rows."""
    path = out / TABLE_NAME
    told, least = path.read_bytes(), pq.read_metadata(path).row_group(0).column(0).statistics.min.encode()
    footer = len(told) - 8 - int.from_bytes(told[-8:-4], "little")
    path.write_bytes(told[:footer] + told[footer:].replace(least, b"i" + least[1:]))
    url = pq.read_table(path)["url"][0].as_py()
    assert url == least.decode()
    assert pq.read_table(path, filters=[("url", "==", url)]).num_rows == 0


def _table_cases() -> Iterator[Case]:
    def row(number: int) -> tuple[str, ...]:
        return (f"items.parquet row {number}: is not what the lines of items/ say",)

    yield Case("row altered", _rows(lambda rows: [*rows[:5], {**rows[5], "media_type": "a/b"}, *rows[6:]]), row(6))
    first = {"fetched_at": datetime(2019, 1, 1, tzinfo=UTC)}
    yield Case("row back-dated", _rows(lambda rows: [*rows[:-1], {**rows[-1], **first}]), row(47))
    yield Case("row dropped", _rows(lambda rows: rows[:5] + rows[6:]), row(6))
    fewer = ("items.parquet: holds 46 rows, the lines of items/ more",)
    yield Case("last row dropped", _rows(lambda rows: rows[:-1]), fewer)
    yield Case("rows swapped", _rows(lambda rows: [rows[1], rows[0], *rows[2:]]), row(1))
    yield Case("row duplicated", _rows(lambda rows: [*rows, rows[-1]]), row(48))
    yield Case("row added", _rows(lambda rows: [*rows, {**rows[0], "url": f"{t.SITE}/another"}]), row(48))
    yield Case("rows emptied", _rows(lambda _: []), ("items.parquet: holds 0 rows, the lines of items/ more",))
    yield Case("table truncated", t.truncate(TABLE_NAME, 9), ("items.parquet: cannot be read: *",))
    misleading = "its statistics are not those of its values, which misleads readers that filter"
    found = f"items.parquet row group 1, column url: {misleading}"
    yield Case("statistics of the table altered", _least_url_raised, (found,))


def _members_of(path: Path) -> list[bytes]:
    """The records of a compressed WARC file, of which the first one is about the file."""
    left, members = path.read_bytes(), []
    while left:
        unpacking = zlib.decompressobj(wbits=31)
        unpacking.decompress(left)
        end = len(left) - len(unpacking.unused_data)
        members.append(left[:end])
        left = left[end:]
    return members


def _kept_cases() -> Iterator[Case]:
    last = "items/RUN1.jsonl line 20 (leaf 19): warc/RUN1.warc.gz at byte *: the kept bytes"
    for place in (-1, -200):
        yield Case(f"kept bytes altered at {place}", t.flip(LATER_KEPT, place), (f"{last} were altered",))
    for cut in (1, 60):
        yield Case(f"kept bytes truncated by {cut}", t.truncate(LATER_KEPT, cut), (f"{last} are cut short",))

    def others(*lines: int) -> tuple[str, ...]:
        altered = "items/RUN1.jsonl line {} (leaf {}): warc/RUN1.warc.gz at byte *: the kept bytes were altered"
        return tuple(altered.format(line, line - 1) for line in lines)

    yield Case("kept bytes added in front", _put(LATER_KEPT, before=b"x"), others(1, 20))
    dropped = t.drop(LATER_KEPT, _members_of, 5)
    yield Case("kept record dropped", dropped, (*others(5), f"{last} are cut short"))
    yield Case("kept records swapped", t.swap(LATER_KEPT, _members_of, 3, 9), others(3, 9))
    yield Case("kept record duplicated", t.duplicate(LATER_KEPT, _members_of, 5, 6), others(6))


def _sealed_cases() -> Iterator[Case]:
    file = PACKED.file
    truncated = (f"{file}: cannot be read: *is damaged: *",)
    yield Case("sealed decisions truncated", t.truncate(SEALED, 8), truncated)
    rooted = (f"{file}: lines 1 to 32 have another root than it says",)
    yield Case("root of sealed decisions altered", _rooted_anew, rooted)
    yield Case("sealed decisions say another leaf", _first_anew, (f"{file}: says that it begins with leaf 4096",))
    plain = "decisions/RUN0.000000000000.jsonl line 6 (leaf 5): altered"
    yield Case("sealed decisions altered as plain text", t.both(_unsealed, _plain_altered), (plain,))
    yield Case(
        "altered plain text put beside sealed decisions",
        t.both(_unsealed_beside, _plain_altered),
        (f"decisions/RUN0.000000000000.jsonl: {NOT_SEALED}",),
    )
    bound = f"{file}: its look-up index RUN0.000000000000.lookup belongs to another file; delete the index"
    yield Case("look-up index of another segment", t.flip(LOOKUP, 20), (bound,))
    cut = f"{file}: its look-up index cannot be used: *"
    yield Case("look-up index truncated", t.truncate(LOOKUP, 7), (cut,))


def _rooted_anew(out: Path) -> None:
    path = t.only(out, SEALED)
    told, root = path.read_bytes(), Sealed(path).block_root(0).hex().encode()
    assert told.count(root) == 1
    path.write_bytes(told.replace(root, b"0" * len(root)))


def _first_anew(out: Path) -> None:
    path = t.only(out, SEALED)
    plain = path.with_suffix(".jsonl")
    plain.write_bytes(b"".join(_sealed_lines(path)))
    path.unlink()
    seal(plain, first=4_096)
    plain.unlink()


def _unsealed_beside(out: Path) -> None:
    path = t.only(out, SEALED)
    path.with_suffix(".jsonl").write_bytes(b"".join(_sealed_lines(path)))


def _unsealed(out: Path) -> None:
    _unsealed_beside(out)
    t.only(out, SEALED).unlink()
    t.only(out, LOOKUP).unlink()


def _plain_altered(out: Path) -> None:
    t.replace("decisions/*-0-*.000000000000.jsonl", lines_of, 5, b"train", b"tdm")(out)


def _torn_cases() -> Iterator[Case]:
    """The end of a file, cut within its last part."""
    for name, pattern, place in (
        ("last decisions", LAST, "decisions/RUN0.000000000064.jsonl line 19 (leaf 82)"),
        ("items", ITEMS, "items/RUN0.jsonl line 29 (leaf 28)"),
    ):
        for cut in (1, 50):
            yield Case(f"{name} truncated by {cut}", t.truncate(pattern, cut), (f"{place}: truncated",))
    torn = "decisions/RUN0.000000000032.jsonl line 32 (leaf 63): truncated"
    yield Case("middle decisions truncated by 50", t.truncate(SECOND, 50), (torn,))
    for cut in (1, 4, 5, 300):
        found = "evidence/RUN0.warc record 49 (leaf 48) at byte *: does not end where it says"
        yield Case(f"evidence truncated by {cut}", t.truncate(WARC, cut), (found,))
    yield Case("index truncated", t.truncate(CDXJ, 9), (SEQUENCES[5].told(47, "altered"),))
    for name, behind in (("an end", b"\r\n\r\n"), ("a word", b"more")):
        found = "evidence/RUN0.warc record 50 (leaf 49): added"
        yield Case(f"evidence added to with {name}", _put(WARC, behind=behind), (found,))
    yield Case("word added to the index", _put(CDXJ, behind=b"more"), (SEQUENCES[5].told(48, "added"),))


def _run_copied(out: Path) -> None:
    run = t.only(out, LATER_NOTES).name.removesuffix(".notes")
    for path in list(out.rglob(f"{run}*")):
        shutil.copy(path, path.with_name(path.name.replace(run, "third")))


def _added_cases() -> Iterator[Case]:
    unlisted = "manifest.jsonl: does not list the run third"
    of_another = "checkpoints/third.notes note 1: is of another run, RUN1"
    yield Case("run added", _run_copied, (unlisted, of_another))
    for file in ("decisions/third.000000000000.jsonl", "evidence/third.warc", "items/third.jsonl"):
        yield Case(f"{file} added", t.write(file, "a line\n"), (unlisted,))
    notes = f"checkpoints/third.notes note 1: {NO_NOTE}"
    yield Case("checkpoints/third.notes added", t.write("checkpoints/third.notes", "a line\n"), (unlisted, notes))
    yield Case("time stamp added", _stamped, ("checkpoints/RUN1.tsr: does not hold: *",))


def _stamped(out: Path) -> None:
    t.only(out, LATER_NOTES).with_suffix(".tsr").write_bytes(b"a time")


# -- several things at once --------------------------------------------------------------------------------------------


def _hashes(out: Path, number: int) -> dict[str, list[bytes]]:
    """The leaves of a run's trees as they are now."""
    run = Directory(out).runs[number]
    return {
        "decisions": [leaf_hash(line) for segment in run.segments for line in segment.lines()],
        "evidence": [leaf_hash(record.partition(b"\r\n\r\n")[0] + b"\r\n\r\n") for record in records_of(run.evidence)],
        "items": [leaf_hash(line[:-1]) for line in lines_of(run.items)],
    }


def _leaves_anew(number: int) -> t.Tamper:
    def tamper(out: Path) -> None:
        for tree, hashes in _hashes(out, number).items():
            t.only(out, f"leaves/*-{number}-*.{tree}").write_bytes(b"".join(one[:8] for one in hashes))

    return tamper


def _checkpoints_anew(out: Path, number: int) -> list[tuple[Checkpoint, bytes]]:
    """With the roots of now; and what stands behind the text of each."""
    hashes = _hashes(out, number)
    found: list[tuple[Checkpoint, bytes]] = []
    for note in notes_of(t.only(out, f"checkpoints/*-{number}-*.notes")):
        text, _, tail = note.partition(b"\n\n")
        old = Checkpoint.parse(text.decode() + "\n")
        sizes = (old.decisions.size, old.evidence.size, old.items.size)
        roots = (Head(size, root_of(hashes[tree][:size])) for tree, size in zip(TREES, sizes, strict=True))
        decisions, evidence, items = roots
        found.append((replace(old, decisions=decisions, evidence=evidence, items=items), tail))
    return found


def _roots_anew(number: int) -> t.Tamper:
    def tamper(out: Path) -> None:
        notes = [new.text().encode() + b"\n" + tail for new, tail in _checkpoints_anew(out, number)]
        t.only(out, f"checkpoints/*-{number}-*.notes").write_bytes(b"".join(notes))

    return tamper


def _by_a_stranger(out: Path) -> None:
    """All that vouches for the second run, with a key of one's own."""
    notes: list[bytes] = []
    previous = ""
    for new, _ in _checkpoints_anew(out, 1):
        notes.append(replace(new, key_name=STRANGER.name, previous=previous).signed(STRANGER))
        previous = digest(notes[-1])
    path = t.only(out, LATER_NOTES)
    path.write_bytes(b"".join(note + b"\n" for note in notes))
    (out / "keys" / f"{STRANGER.name}.vkey").write_text(f"{STRANGER.verifier.vkey}\n")
    manifest = out / MANIFEST
    manifest.write_bytes(b"".join(lines_of(manifest)[:2]))
    run, key = path.name.removesuffix(".notes"), STRANGER.verifier
    at = open_checkpoint(notes[0], [key]).at - timedelta(seconds=1)
    append_entry(manifest, Entry(event=OPENED, run=run, at=at, key=key), STRANGER)
    size = open_checkpoint(notes[-1], [key]).decisions.size
    closed = Entry(event=CLOSED, run=run, at=utc_now(), key=key, checkpoint=previous, size=size)
    append_entry(manifest, closed, STRANGER)


def _hole(pattern: str, place: int) -> t.Tamper:
    """The noted leaf is as a full disk leaves it."""
    return t.changed(pattern, leaves_of, _part(place, lambda _: bytes(8)))


def _combined_cases() -> Iterator[Case]:
    between = "one or more between these two checkpoints were altered, dropped, reordered or added"
    altered = DECISIONS.changed(_part(3, _member("url")))
    yield Case(
        "decision and its leaf", t.both(altered, _leaves_anew(1)), (f"{DECISIONS.file} (leaves 0 to 15): {between}",)
    )
    sealed = PACKED.changed(_part(20, _member("url")))
    found = f"{PACKED.file} (leaves 16 to 31): {between}"
    yield Case("sealed decision and its leaf", t.both(sealed, _leaves_anew(0)), (found,))
    yield Case("sealed decision and a hole", t.both(sealed, _hole("leaves/*-0-*.decisions", 20)), (found,))
    body = EVIDENCE.changed(_part(RESPONSE, _redigested))
    found = f"evidence/RUN0.warc (leaves * to *): {between}"
    yield Case("evidence and its leaf", t.both(body, _leaves_anew(0)), (found,))
    item = KEPT_ITEMS.changed(_part(5, _member("media_type")))
    found = f"items/RUN0.jsonl (leaves * to *): {between}"
    yield Case("item and its leaf", t.both(item, _leaves_anew(0)), (found,))
    for name, one, number, key in (("decision", altered, 1, "NEW"), ("sealed decision", sealed, 0, "OLD")):
        done = t.both(one, _leaves_anew(number), _roots_anew(number))
        what = f"checkpoints/RUN{number}.notes note {4 if number else 6}: {UNSIGNED.format(key)}"
        yield Case(f"{name}, its leaf and the roots", done, (what,))
    forged = t.both(altered, _leaves_anew(1), _by_a_stranger)
    named = (f"keys/STRANGER.vkey: {NOT_GIVEN}", _note(0, UNKNOWN), _entry(2, UNKNOWN.removeprefix("it ")))
    yield Case("decision, and all of it signed by a stranger", forged, named)
    unclosed = t.both(altered, _leaves_anew(1), _roots_anew(1), t.drop(MANIFEST, lines_of, 3))
    yield Case("decision, the roots, and the run not closed", unclosed, (_note(0, UNSIGNED.format("NEW")),))


# -- the tests ---------------------------------------------------------------------------------------------------------

CASES: list[Case] = [
    *(*_sequence_cases(), *_time_cases(), *_field_cases()),
    *(*_checkpoint_cases(), *_manifest_cases(), *_key_cases()),
    *(
        *_gone_cases(),
        *_exchange_cases(),
        *_leaves_cases(),
        *_names_cases(),
        *_table_cases(),
        *_kept_cases(),
        *_sealed_cases(),
    ),
    *(*_torn_cases(), *_added_cases(), *_combined_cases()),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_what_was_done_is_named(case: Case, whole: Record, out: Path) -> None:
    """It is found at its place and by its word, and the other run is not accused."""
    case.tamper(out)
    told = whole.told_of(out)
    for wanted in case.findings:
        assert any(fnmatchcase(line, wanted) for line in told), told
    touched = {run for run in ("RUN0", "RUN1") if any(run in wanted for wanted in case.findings)}
    for run in {"RUN0", "RUN1"} - touched if touched else ():
        assert not [line for line in told if f"/{run}" in line.partition(": ")[0]], told


def _lookup_of_plain(out: Path) -> None:
    shutil.copy(t.only(out, LOOKUP), t.only(out, LATER).with_suffix(LOOKUP_SUFFIX))


SAYS_NOTHING: dict[str, tuple[t.Tamper, str]] = {
    "look-up index taken away": (t.delete(LOOKUP), "then the lines are read one by one"),
    "look-up index of a plain segment": (_lookup_of_plain, "what is not sealed is read line by line"),
    "index taken away": (t.delete(CDXJ), "it is made of its evidence, and can be made anew"),
    **{
        f"leaves of {tree} taken away": (t.delete(f"leaves/*-0-*.{tree}"), "they say where to look, and prove nothing")
        for tree in TREES
    },
    "names of evidence taken away": (t.delete(NAMES[0]), "then the evidence is read record by record"),
    "names of items taken away": (t.delete(NAMES[1]), "then the items are read line by line"),
    "hole in the leaves": (
        _hole(LEAVES[0], 17),
        "a full disk leaves one; what was altered there is found by the roots",
    ),
    "leaves added to by a piece": (_put(LEAVES[0], behind=b"abc"), "less than a leaf is what a killed run leaves"),
    "table taken away": (t.delete(TABLE_NAME), "it is made of the lines of items/, and can be made anew"),
    "table written anew": (_rows(lambda rows: rows), "its rows are the same"),
    "sealed anew": (PACKED.changed(lambda lines: lines), "its lines are the same"),
    "not sealed any more": (_unsealed, "its lines are the same"),
    "old public key taken away": (lambda out: _key_file(out, b"from").unlink(), "the rotation holds it"),
    "new public key taken away": (lambda out: _key_file(out, b"to").unlink(), "it was given"),
    "bytes behind what was kept": (_put(LATER_KEPT, behind=b"more"), "no item names them"),
    "file of another kind": (t.write("decisions/README", "a word\n"), "nobody takes it for a part of the record"),
}
"""What can be done without the record's giving out anything else, and why that is so."""


@pytest.mark.parametrize("name", SAYS_NOTHING)
def test_what_says_nothing(name: str, whole: Record, out: Path) -> None:
    """The record is whole, and every line, note, row and kept byte is as it was."""
    SAYS_NOTHING[name][0](out)
    assert whole.told_of(out) == []
    assert given_by(out) == whole.given


def test_a_public_key_that_nobody_gave(whole: Record, out: Path) -> None:
    """Without a key from elsewhere, what the one that was taken away signed is vouched for by nobody."""
    _key_file(out, b"to").unlink()
    told = [str(finding) for finding in verify(out, workers=1).findings]
    unknown = f"it is signed by {whole.keys[1].name}, which is not a key that is known here"
    assert f"checkpoints/{whole.runs[1]}.notes note 1: {unknown}" in told
    assert f"manifest.jsonl line 3: {unknown.removeprefix('it ')}" in told


def test_the_end_of_the_manifest_taken_away(whole: Record, out: Path) -> None:
    """Without its last line nothing is missing: the last checkpoint says that the run ended, and where. A run that was
    killed between the two leaves the same, so it is told and is no finding."""
    t.drop(MANIFEST, lines_of, 3)(out)
    told = verify(out, keys=whole.known, workers=1)
    assert told.findings == []
    assert [line for line in told.said if line.startswith("manifest.jsonl")] == [
        (
            f"manifest.jsonl does not say that the run {whole.runs[1]} ended, though its last checkpoint does, which vouches "
            "for all of it: the run was killed between the two, or a line was cut off"
        )
    ]
    assert given_by(out) == whole.given


def test_the_end_of_a_record_taken_away(whole: Record, out: Path) -> None:
    """A record without its last run, as it was before that, is found by who kept a checkpoint, and by nobody else."""
    kept = Directory(out).runs[1].notes()[-1]
    for path in list(out.rglob(f"{whole.runs[1]}*")):
        path.unlink()
    t.changed(MANIFEST, lines_of, lambda lines: lines[:2])(out)
    (out / TABLE_NAME).unlink()
    assert whole.told_of(out) == []
    assert whole.told_of(out, checkpoint=kept) == [
        "the checkpoint that was kept: is of the run RUN1, which is not here"
    ]


# -- single bits -------------------------------------------------------------------------------------------------------

PROVES_NOTHING = {
    SEALED: "Parquet holds sizes, statistics and names twice over; the lines are hashed as they come back",
    TABLE_NAME: "the same; the rows are held against the lines of items/ as they come back",
    KEPT: "a WARC file begins with a warcinfo record, which no item names",
    LATER_KEPT: "the same",
}
"""The files in which a bit may be altered unseen, and why."""
PUBLIC_KEYS = ("keys/OLD.vkey", "keys/NEW.vkey")


@pytest.mark.parametrize("number", range(BITS))
@pytest.mark.parametrize("pattern", [*FILES, *PUBLIC_KEYS])
def test_one_bit(pattern: str, number: int, whole: Record, out: Path) -> None:
    """The finding names the file; where there is none, the file proves nothing and the record gives out the same."""
    if pattern in PUBLIC_KEYS:
        path = out / "keys" / f"{whole.keys[PUBLIC_KEYS.index(pattern)].name}.vkey"
    else:
        path = t.only(out, pattern)
    dice = random.Random(f"{pattern} {number}")
    told = bytearray(path.read_bytes())
    place, bit = dice.randrange(len(told)), dice.randrange(8)
    told[place] ^= 1 << bit
    path.write_bytes(bytes(told))
    found = [str(finding) for finding in verify(out, keys=whole.known, workers=1).findings]
    if not found:
        assert pattern in PROVES_NOTHING, (place, bit)
        assert given_by(out) == whole.given, (place, bit)
    else:
        assert any(path.name in line for line in found), (place, bit, found)


def test_there_are_hundreds() -> None:
    """Of bits and of cases; no two of these are named alike."""
    assert len(FILES + list(PUBLIC_KEYS)) * BITS >= 300
    assert len({case.name for case in CASES}) == len(CASES) >= 400
