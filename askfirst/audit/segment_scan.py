"""One segment of decisions, read once: its subtree roots, its times, what it looked at. Runs in a process of its own.

1. The hot loop is a hash and byte slicing. A line is not parsed: it is known by the bytes that ``wire.decision_line``
   writes, and what is not there is not found. What the lines of a sealed segment share, their template, is looked at
   once.
2. Where a segment stands at its place (a multiple of 65,536 leaves), the roots of its perfect subtrees are given
   instead of its leaves: whoever joins segments then appends a handful of hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from askfirst.audit.differences import PREFIX_BYTES, Change, changes
from askfirst.audit.directory import Segment
from askfirst.audit.fingerprints import fingerprint
from askfirst.ledger.growing import BLOCK_LEAVES, ROOTS_SUFFIX, agree, place_of_span, roots_of_span
from askfirst.ledger.merkle import Peaks, leaf_hash, peaks, root_in, rows_of
from askfirst.lookup import LOOKUP_SUFFIX, Lookup, LookupDamaged, LookupKeys, written
from askfirst.sealed import (
    AT_HOLE,
    BLOCK_LINES,
    DIGEST_HOLES,
    GROUP_LINES,
    ID_HOLE,
    TIME_HOLES,
    URL_HOLE,
    Block,
    Sealed,
    SealedError,
    template_text,
)

SEGMENT_LINES = 65_536
_BLOCK_HEIGHT = BLOCK_LEAVES.bit_length() - 1
GROUP_BLOCKS = GROUP_LINES // BLOCK_LINES
_READ_BYTES = 1 << 23
_DECIDED_AT = b'"decided_at":"'
_LOOKED_AT = b',"looked_at":[{"digest":'
_NEXT = b'},{"digest":'
_NEXT_BYTES = len(_NEXT)
_KEPT = b',"stage":"keep","verdict":"allow"'
_HEAD = b'{"id":"sha256:' + ID_HOLE + b'","url":"' + URL_HOLE + b'",'
_ID = slice(15, 79)
"""Where the digits of an id stand in what is hashed of a line: a zero stands before it."""
_TIME_BYTES = len("2026-11-24T08:00:00.000000Z")
_WIDTHS = {ID_HOLE[0]: 64, AT_HOLE[0]: _TIME_BYTES, **dict.fromkeys(DIGEST_HOLES, 64)}
_WIDTHS |= dict.fromkeys(TIME_HOLES, _TIME_BYTES)
_WHOLE_SECOND = b".000000Z"
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
    """What a segment holds. ``hashes`` where it cannot be given as subtrees. ``plain_differs``: beside the sealed
    segment stands its plain text, which nobody needs any more, and says something else."""

    job: Job
    count: int = 0
    peaks: Peaks = ()
    at_sizes: dict[int, Peaks] = field(default_factory=dict)
    hashes: bytes | None = None
    changes: list[Change] = field(default_factory=list)
    noted: int | None = None
    has_other_roots: bool = False
    plain_differs: bool = False
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
    seen = _Seen(found)
    try:
        for block in _batches(found):
            hashes += [sha256(leaf).digest() for leaf in block.inputs]
            times += seen.block(block)
    except SealedError as error:
        found.unreadable = str(error)
        return found
    except OSError as error:
        found.unreadable = error.strerror or str(error)
        return found
    found.count = len(hashes)
    found.names = seen.fingerprints()
    rows = rows_of(hashes)
    _note_roots(found, hashes, rows)
    _note_times(found, times)
    _note_changes(found, hashes)
    return found


class _Shared(NamedTuple):
    """What the lines of a template share. ``is_dated``: the time in the hole for it is the one that a line says.
    ``own`` is how many of the names at the end of what was looked at are of each line itself; None: every line is to be
    looked at by itself. ``own_bytes`` is the most that they take to the end of the line, 0 where they hold a URL.
    ``keeps``: it allows keeping."""

    is_dated: bool = False
    own: int | None = None
    own_bytes: int = 0
    names: tuple[bytes, ...] = ()
    keeps: bool = False

    @classmethod
    def of(cls, stored: bytes) -> _Shared:
        """Of a template as it is stored; empty, of lines that were kept whole."""
        if not stored:
            return cls()
        text, holes = template_text(stored)
        at = text.find(AT_HOLE)
        # the third hole, and before it nothing that could become a part of the member's name
        is_dated = holes[2:3] == [at] and text.startswith(_HEAD) and text.find(_DECIDED_AT) + len(_DECIDED_AT) == at
        place = text.rfind(_LOOKED_AT)
        if place < 0:
            return cls(is_dated)
        start, end = place + len(_LOOKED_AT), len(text) - 3
        hole, own = next((hole for hole in holes if hole > place), None), 0
        if hole is not None:
            own = text.count(_NEXT, hole) + 1
            end = text.rfind(_NEXT, start, hole)
            if end < 0:
                return cls(is_dated)  # all of them
        widths = [_WIDTHS.get(text[one], 0) for one in holes if one > place]
        own_bytes = len(text) - end + sum(widths) - len(widths) if all(widths) else 0
        keeps = text.endswith(_KEPT, 0, place)
        return cls(is_dated, own, own_bytes, tuple(text[start:end].split(_NEXT)), keeps)


class _Seen:
    """What the lines of a segment looked at, and, where there are items, what they allow to keep."""

    def __init__(self, found: Scan) -> None:
        self._found = found
        self._names: set[bytes] = set()
        self._tails: set[bytes] = set()
        self._templates: dict[bytes, _Shared] = {}

    def block(self, block: Block) -> list[bytes]:
        """When each line was decided."""
        known, used = self._templates, set(block.templates)
        for stored in used.difference(known):
            shared = known[stored] = _Shared.of(stored)
            self._names.update(shared.names)
        own = {stored: known[stored] for stored in used if known[stored].own != 0}
        tails = self._tails
        for leaf, stored in zip(block.inputs, block.templates, strict=True) if own else ():
            if stored not in own:
                continue
            shared = own[stored]
            if shared.own is None:
                self._look(leaf)
                continue
            # where all holes are as wide as can be; else a name begins there and more is looked at, or none does
            start = len(leaf) - shared.own_bytes
            if not leaf.startswith(_NEXT, start):
                start = len(leaf)
                for _ in range(shared.own):
                    start = leaf.rfind(_NEXT, 0, start)
            tails.add(leaf[start + _NEXT_BYTES : -3])
        if self._found.job.with_items:
            for leaf, stored in zip(block.inputs, block.templates, strict=True):
                shared = known[stored]
                if shared.own is not None and not shared.keeps:
                    self._found.ids.add(id_fingerprint(leaf[_ID]))
                else:
                    _note_kept(leaf, leaf.rfind(_LOOKED_AT), self._found)
        if all(known[stored].is_dated for stored in used):
            return [at if len(at) == _TIME_BYTES else at[:19] + _WHOLE_SECOND for at in block.decided_at]
        return list(map(_time, block.inputs))

    def _look(self, leaf: bytes) -> None:
        place = leaf.rfind(_LOOKED_AT)
        if place > 0:
            # what an origin's lines share stands first, and is taken apart once
            last = leaf.rfind(_NEXT, place)
            if last > 0:
                self._tails.add(leaf[place + len(_LOOKED_AT) : last])
                self._names.add(leaf[last + _NEXT_BYTES : -3])
            else:
                self._names.add(leaf[place + len(_LOOKED_AT) : -3])

    def fingerprints(self) -> set[bytes]:
        """Of every name."""
        for tail in self._tails:
            self._names.update(tail.split(_NEXT))
        return set(map(fingerprint, self._names))


def kept_fingerprint(decision_id: bytes, digest: bytes) -> bytes:
    """Of a decision that allows keeping, by the hexadecimal digits of its id, with what it looked at."""
    return fingerprint(decision_id + digest)


def id_fingerprint(decision_id: bytes) -> bytes:
    """Of a decision, by the hexadecimal digits of its id."""
    return fingerprint(decision_id)


def lines_naming(segment: Segment, sought: set[bytes]) -> Iterator[tuple[int, bytes]]:
    """Positions, and names of observations, whose fingerprints are sought. Raises OSError and SealedError."""
    for position, line in enumerate(segment.lines()):
        place = line.rfind(_LOOKED_AT)
        if place > 0:
            for name in line[place + 24 : -3].split(_NEXT):
                if fingerprint(name) in sought:
                    yield position, name


def _note_kept(leaf: bytes, place: int, found: Scan) -> None:
    if place < 0:
        return
    decision_id = leaf[_ID]
    if leaf[place - len(_KEPT) : place] == _KEPT:
        for name in leaf[place + 24 : -3].split(_NEXT):
            digest = _OWN_DIGEST.match(name)
            if digest is not None:
                found.kept.add(kept_fingerprint(decision_id, digest[1]))
    else:
        found.ids.add(id_fingerprint(decision_id))


def _batches(found: Scan) -> Iterator[Block]:
    segment = found.job.segment
    if segment.is_sealed:
        sealed = Sealed(segment.path)
        if sealed.first != segment.first:
            found.faults.append(f"says that it begins with leaf {sealed.first}")
        keys = LookupKeys()
        for number in range(sealed.blocks):
            if number % GROUP_BLOCKS == 0:
                sealed.add_keys(number // GROUP_BLOCKS, keys)
            yield sealed.block(number)
        _compare_lookup(found, sealed, keys)
        return
    with segment.path.open("rb") as file:
        while lines := file.readlines(_READ_BYTES):
            if not lines[-1].endswith(b"\n"):
                found.torn_bytes = len(lines.pop())
            unsealed = [b""] * len(lines)
            yield Block([b"\0" + line[:-1] for line in lines], unsealed, unsealed)


def _compare_lookup(found: Scan, sealed: Sealed, keys: LookupKeys) -> None:
    path = found.job.segment.path.with_suffix(LOOKUP_SUFFIX)
    if not path.exists():
        return
    try:
        with Lookup(path) as lookup:
            belongs = lookup.bound_to == sealed.binding and lookup.count == sealed.count
    except LookupDamaged as error:
        found.faults.append(f"its look-up index cannot be used: {error}")
        return
    if not belongs:
        found.faults.append(f"its look-up index {path.name} belongs to another file; delete the index")
    elif path.read_bytes() != written(keys, bound_to=sealed.binding):
        found.faults.append(f"its look-up index {path.name} does not name what is in it; delete the index")


def _time(leaf: bytes) -> bytes:
    """When it was decided, to the microsecond; empty when the line does not say."""
    start = leaf.find(_DECIDED_AT, _ID.stop)
    if start < 0:
        return b""
    said = leaf[start + 14 : start + 41]
    return said if said[19:20] == b"." else said[:19] + _WHOLE_SECOND


def _note_roots(found: Scan, hashes: list[bytes], rows: list[list[bytes]]) -> None:
    job = found.job
    if job.segment.first % SEGMENT_LINES or found.count > SEGMENT_LINES:
        found.hashes = b"".join(hashes)
    else:
        found.peaks = peaks(rows, found.count)
        found.at_sizes = {size: peaks(rows, size) for size in job.sizes if size <= found.count}
        found.has_other_roots = not _are_noted(job, rows)
    if job.segment.is_sealed:
        plain = job.segment.path.with_suffix(".jsonl")
        if plain.exists():
            left = iter(hashes)
            with plain.open("rb") as lines:
                found.plain_differs = any(leaf_hash(line.removesuffix(b"\n")) != next(left, b"") for line in lines)
            found.plain_differs = found.plain_differs or next(left, None) is not None
        sealed = Sealed(job.segment.path)
        for number in range(sealed.blocks):
            start, stop = number * BLOCK_LINES, min((number + 1) * BLOCK_LINES, found.count)
            if root_in(rows, start, stop) != sealed.block_root(number):
                found.faults.append(f"lines {start + 1} to {stop} have another root than it says")


def _are_noted(job: Job, rows: Sequence[Sequence[bytes]]) -> bool:
    """Whether the roots that were noted, as far as they go, are those of these leaves."""
    blocks = rows[_BLOCK_HEIGHT] if len(rows) > _BLOCK_HEIGHT else ()
    span = rows[-1][0] if len(rows[0]) == SEGMENT_LINES else None
    expected = roots_of_span(blocks[: len(rows[0]) // BLOCK_LEAVES], span)
    try:
        with job.leaves.with_name(f"{job.leaves.name}{ROOTS_SUFFIX}").open("rb") as file:
            file.seek(place_of_span(job.segment.first))
            return agree(file.read(len(expected)), expected)
    except OSError:
        return True  # they are no evidence, and need not be there


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
