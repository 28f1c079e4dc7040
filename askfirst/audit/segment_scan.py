"""One segment of decisions, read once: its subtree roots, its times, what it looked at. Runs in a process of its own.

1. The hot loop is a hash and byte slicing. A line is not parsed: it is known by the bytes that ``wire.decision_line``
   writes, and what is not there is not found.
2. Where a segment stands at its place (a multiple of 65,536 leaves), the roots of its perfect subtrees are given
   instead of its leaves: whoever joins segments then appends a handful of hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path

from askfirst.audit.differences import PREFIX_BYTES, Change, changes
from askfirst.audit.directory import Segment
from askfirst.ledger.merkle import Tree
from askfirst.lookup import LOOKUP_SUFFIX, Lookup, LookupDamaged
from askfirst.sealed import BLOCK_LINES, Sealed, SealedError

SEGMENT_LINES = 65_536
FINGERPRINT_BYTES = 16
Peaks = tuple[tuple[bytes, int], ...]
_READ_BYTES = 1 << 23
_DECIDED_AT = b'"decided_at":"'
_LOOKED_AT = b',"looked_at":[{"digest":'
_NEXT = b'},{"digest":'
_KEPT = b',"stage":"keep","verdict":"allow"'
_OWN_DIGEST = re.compile(rb'^"sha256:([0-9a-f]{64})","kind":"(?!well-known|registry)')


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be known of a segment. ``sizes`` and the ends of ``windows`` count leaves of this segment: a window
    ends before that leaf, and nothing in it may have been decided later than its time."""

    segment: Segment
    expected: int | None
    sizes: tuple[int, ...]
    windows: tuple[tuple[int, bytes], ...]
    earliest: bytes
    leaves: Path
    with_items: bool


@dataclass(slots=True)
class Scan:
    """What a segment holds. ``hashes`` where it cannot be given as subtrees."""

    job: Job
    count: int = 0
    peaks: Peaks = ()
    at_sizes: dict[int, Peaks] = field(default_factory=dict)
    hashes: bytes | None = None
    changes: list[Change] = field(default_factory=list)
    noted: int | None = None
    torn_bytes: int = 0
    late: list[tuple[int, bytes]] = field(default_factory=list)
    early: list[int] = field(default_factory=list)
    names: set[bytes] = field(default_factory=set)
    kept: set[bytes] = field(default_factory=set)
    ids: set[bytes] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    unreadable: str | None = None


def scan(job: Job) -> Scan:
    """Reads the segment. Never raises on content; what cannot be read is said."""
    found = Scan(job)
    hashes: list[bytes] = []
    times: list[bytes] = []
    names: set[bytes] = set()
    tails: set[bytes] = set()
    try:
        for lines in _batches(found):
            hashes += [sha256(b"\x00" + line).digest() for line in lines]
            times += map(_time, lines)
            for line in lines:
                place = line.rfind(_LOOKED_AT)
                if place > 0:
                    # what an origin's lines share stands first, and is taken apart once
                    last = line.rfind(_NEXT, place)
                    if last > 0:
                        tails.add(line[place + 24 : last])
                        names.add(line[last + 12 : -3])
                    else:
                        names.add(line[place + 24 : -3])
                    if job.with_items:
                        _note_kept(line, place, found)
    except SealedError as error:
        found.unreadable = str(error)
        return found
    except OSError as error:
        found.unreadable = error.strerror or str(error)
        return found
    found.count = len(hashes)
    for tail in tails:
        names.update(tail.split(_NEXT))
    found.names = set(map(fingerprint, names))
    rows = rows_of(hashes)
    _note_roots(found, hashes, rows)
    _note_times(found, times)
    _note_changes(found, hashes)
    return found


def fingerprint(name: bytes) -> bytes:
    """Of an observation's name, as it stands between ``{"digest":`` and ``}``."""
    return blake2b(name, digest_size=FINGERPRINT_BYTES).digest()


def kept_fingerprint(decision_id: bytes, digest: bytes) -> bytes:
    """Of a decision that allows keeping, by the hexadecimal digits of its id, with what it looked at."""
    return blake2b(decision_id + digest, digest_size=FINGERPRINT_BYTES).digest()


def id_fingerprint(decision_id: bytes) -> bytes:
    """Of a decision, by the hexadecimal digits of its id."""
    return blake2b(decision_id, digest_size=FINGERPRINT_BYTES).digest()


def lines_naming(segment: Segment, sought: set[bytes]) -> Iterator[tuple[int, bytes]]:
    """Positions, and names of observations, whose fingerprints are sought. Raises OSError and SealedError."""
    for position, line in enumerate(segment.lines()):
        place = line.rfind(_LOOKED_AT)
        if place > 0:
            for name in line[place + 24 : -3].split(_NEXT):
                if fingerprint(name) in sought:
                    yield position, name


def _note_kept(line: bytes, place: int, found: Scan) -> None:
    decision_id = line[14:78]
    if line[place - len(_KEPT) : place] == _KEPT:
        for name in line[place + 24 : -3].split(_NEXT):
            digest = _OWN_DIGEST.match(name)
            if digest is not None:
                found.kept.add(kept_fingerprint(decision_id, digest[1]))
    else:
        found.ids.add(id_fingerprint(decision_id))


def _batches(found: Scan) -> Iterator[list[bytes]]:
    segment = found.job.segment
    if segment.is_sealed:
        sealed = Sealed(segment.path)
        if sealed.first != segment.first:
            found.faults.append(f"says that it begins with leaf {sealed.first}")
        for number in range(sealed.blocks):
            lines = sealed.lines(number)
            yield lines
        _note_lookup(found, sealed)
        return
    with segment.path.open("rb") as file:
        while lines := file.readlines(_READ_BYTES):
            if not lines[-1].endswith(b"\n"):
                found.torn_bytes = len(lines.pop())
            yield [line[:-1] for line in lines]


def _note_lookup(found: Scan, sealed: Sealed) -> None:
    path = found.job.segment.path.with_suffix(LOOKUP_SUFFIX)
    if not path.exists():
        return
    try:
        with Lookup(path) as lookup:
            if lookup.bound_to != sealed.binding or lookup.count != sealed.count:
                found.faults.append(f"its look-up index {path.name} belongs to another file; delete the index")
    except LookupDamaged as error:
        found.faults.append(f"its look-up index cannot be used: {error}")


def _time(line: bytes) -> bytes:
    """When it was decided, to the microsecond; empty when the line does not say."""
    start = line.find(_DECIDED_AT, 78)
    if start < 0:
        return b""
    said = line[start + 14 : start + 41]
    return said if said[19:20] == b"." else said[:19] + b".000000Z"


def rows_of(hashes: list[bytes]) -> list[list[bytes]]:
    """Row n holds the roots of the perfect subtrees of 2**n leaves."""
    rows = [hashes]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)])
    return rows


def _note_roots(found: Scan, hashes: list[bytes], rows: list[list[bytes]]) -> None:
    job = found.job
    if job.segment.first % SEGMENT_LINES or found.count > SEGMENT_LINES:
        found.hashes = b"".join(hashes)
    else:
        found.peaks = peaks(rows, found.count)
        found.at_sizes = {size: peaks(rows, size) for size in job.sizes if size <= found.count}
    if job.segment.is_sealed:
        sealed = Sealed(job.segment.path)
        for number in range(sealed.blocks):
            start, stop = number * BLOCK_LINES, min((number + 1) * BLOCK_LINES, found.count)
            tree = Tree()
            for root, height in peaks(rows, stop, start=start):
                tree.append_perfect(root, height)
            if tree.root() != sealed.block_root(number):
                found.faults.append(f"lines {start + 1} to {stop} have another root than it says")


def peaks(rows: Sequence[Sequence[bytes]], size: int, *, start: int = 0) -> Peaks:
    """The roots of the perfect subtrees over the leaves from ``start``, which is a multiple of them, to ``size``."""
    given: list[tuple[bytes, int]] = []
    for height in range(len(rows) - 1, -1, -1):
        while start + (1 << height) <= size and start % (1 << height) == 0:
            given.append((rows[height][start >> height], height))
            start += 1 << height
    return tuple(given)


def _note_times(found: Scan, times: Sequence[bytes]) -> None:
    start = 0
    for end, at in found.job.windows:
        some = times[start:end]
        if some and max(some) > at:
            found.late += [(start + place, at) for place, time in enumerate(some) if time > at]
        start = end
    earliest = found.job.earliest
    if min(filter(None, times), default=earliest) < earliest:
        found.early = [place for place, time in enumerate(times) if time and time < earliest]


def _note_changes(found: Scan, hashes: Iterable[bytes]) -> None:
    job = found.job
    now = b"".join([leaf[:PREFIX_BYTES] for leaf in hashes])
    noted = noted_leaves(job.leaves, job.segment.first, job.expected)
    if noted is None:
        return
    found.noted = len(noted) // PREFIX_BYTES
    if noted != now:
        found.changes = changes(noted, now)


def noted_leaves(path: Path, first: int, count: int | None) -> bytes | None:
    """What was noted of the leaves from one on; None when nothing was."""
    try:
        with path.open("rb") as file:
            file.seek(first * PREFIX_BYTES)
            noted = file.read() if count is None else file.read(count * PREFIX_BYTES)
    except OSError:
        return None
    return noted[: len(noted) - len(noted) % PREFIX_BYTES]
