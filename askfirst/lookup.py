"""The look-up index of up to 65,536 records: which of them may speak of an id, a URL, a digest or a name.

A file of sorted entries of six bytes: a 32-bit fingerprint of what is sought and a 16-bit position. A sealed segment of
decisions has one, of about 15 bytes a line; evidence and items, which are one file a run, have one for each 65,536
records (``RollingIndex``).

1. It only says where to look: a fingerprint is shared by others, so whoever asks reads the line and compares.
2. It is a cache. What it does not name is absent only if the index belongs to the segment, which ``bound_to`` says (a
   digest over the segment's block roots; zeros for evidence and items), and if whoever made it told the truth. An audit
   that must not be deceived reads the lines.
3. A file that is not there or is not as written here is a LookupDamaged; then the lines are read one by one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import mmap
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Self, get_args

import pyarrow as pa
import pyarrow.compute as pc

LOOKUP_SUFFIX = ".lookup"
KeyKind = Literal["id", "url", "digest", "name"]
KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
MOST_RECORDS = 65_536
"""Of one index."""
_MAGIC = b"askfirst lookup\x02"
_HEADER = struct.Struct(">16s32sI4I")
_ENTRY_BYTES = 6
_DECISION_ID = b'"decision_id":"'
_LOGGER = logging.getLogger(__name__)
_HELD = frozenset(("response", "page", "asset", "original"))


class LookupDamaged(LookupError):  # noqa: N818  # a state of the file: the caller reads the lines instead
    """An index that cannot be used; one line that names it."""


class Keys(NamedTuple):
    """What a line can be found by, as it stands in the line."""

    id: str | None = None
    url: str | None = None
    digests: tuple[str, ...] = ()


def keys_of(line: bytes) -> Keys:
    """What a line can be found by. Nothing for what is no decision; never raises on content."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return Keys()
    if not isinstance(told, dict):
        return Keys()
    decision_id, url, looked_at = told.get("id"), told.get("url"), told.get("looked_at")
    return Keys(
        decision_id if isinstance(decision_id, str) else None,
        url if isinstance(url, str) else None,
        tuple(_held(looked_at)) if isinstance(looked_at, list) else (),
    )


def _held(looked_at: Sequence[object]) -> Iterable[str]:
    for entry in looked_at:
        if isinstance(entry, dict):
            digest, kind = entry.get("digest"), entry.get("kind")
            if isinstance(digest, str) and isinstance(kind, str) and kind in _HELD:
                yield digest


def fingerprint(kind: KeyKind, value: str) -> int:
    """32 bits. Of what is a digest already, its first; of anything else a CRC."""
    if kind in {"id", "digest"}:
        told = value.removeprefix("sha256:")
        if len(told) == 64:
            with contextlib.suppress(ValueError):  # no digest: as any other text
                return int.from_bytes(bytes.fromhex(told)[:4])
    return zlib.crc32(value.encode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class LookupKeys:
    """The entries of an index while it is being made; lines are added in their order."""

    entries: Mapping[KeyKind, array[int]] = field(default_factory=lambda: {kind: array("Q") for kind in KINDS})
    count: int = 0

    def add(self, keys: Keys) -> None:
        """The next line."""
        position = self.count
        self.count += 1
        if keys.id is not None:
            self.entries["id"].append(fingerprint("id", keys.id) << 16 | position)
        for digest in dict.fromkeys(keys.digests):
            self.entries["digest"].append(fingerprint("digest", digest) << 16 | position)
        if keys.url is not None:
            self.entries["url"].append(fingerprint("url", keys.url) << 16 | position)

    def add_record(self, record_id: str, name: str) -> None:
        """The next record of evidence or items, by what it can be looked up; either may be empty."""
        position = self.count
        self.count += 1
        if record_id:
            self.entries["id"].append(fingerprint("id", record_id) << 16 | position)
        if name:
            self.entries["name"].append(fingerprint("name", name) << 16 | position)

    def add_own(self, decision_id: bytes, url: bytes, digests: Iterable[bytes]) -> None:
        """The same, for a line of the common look: id and digests as their bytes, the URL ASCII and unescaped."""
        position = self.count
        self.count += 1
        entries = self.entries
        entries["id"].append(int.from_bytes(decision_id[:4]) << 16 | position)
        for digest in digests:
            entries["digest"].append(int.from_bytes(digest[:4]) << 16 | position)
        entries["url"].append(zlib.crc32(url) << 16 | position)

    def add_rows(
        self, ids: bytes, urls: Iterable[bytes], url_numbers: memoryview, digests: bytes, digest_ends: memoryview
    ) -> None:
        """The same for many lines. Ids and digests stand one after another; ``urls`` has each once, ``url_numbers`` (32
        bits each) the number of each line's; the digests of a line end at ``digest_ends``, which begins with 0."""
        first = self.count
        self.count += len(url_numbers)
        places, sums = array("Q", range(first, self.count)), array("Q", map(zlib.crc32, urls))
        ends = pa.Array.from_buffers(pa.int32(), len(digest_ends), [None, pa.py_buffer(digest_ends)])
        digest_words = _words(digests)
        owners = pc.list_parent_indices(pa.ListArray.from_arrays(ends, digest_words))
        numbers = pa.Array.from_buffers(pa.int32(), len(url_numbers), [None, pa.py_buffer(url_numbers)])
        self._add_all("id", _words(ids), _numbers(places))
        self._add_all("url", _numbers(sums).take(numbers), _numbers(places))
        self._add_all("digest", digest_words, _numbers(places).take(owners))

    def _add_all(self, kind: KeyKind, words: pa.Array, places: pa.Array) -> None:
        entries = pc.bit_wise_or(pc.shift_left(words, pa.scalar(16, pa.uint64())), places)
        self.entries[kind].frombytes(_values(entries))


def write_lookup(lines: Iterable[bytes], path: Path, *, bound_to: bytes = bytes(32)) -> None:
    """Writes the index of a segment's lines, in their order. Raises OSError; ValueError for more than 65,536 lines."""
    keys = LookupKeys()
    for line in lines:
        keys.add(keys_of(line))
    write_keys(keys, path, bound_to=bound_to)


def write_keys(keys: LookupKeys, path: Path, *, bound_to: bytes = bytes(32)) -> None:
    """Writes the index, in one step for who reads it. Raises OSError; ValueError for more than 65,536 lines."""
    if keys.count > MOST_RECORDS:
        raise ValueError(f"{keys.count} lines: a position names one of {MOST_RECORDS}")
    growing = path.with_name(f".{path.name}.growing")
    try:
        with growing.open("wb") as file:
            file.write(written(keys, bound_to=bound_to))
            file.flush()
            os.fsync(file.fileno())
        growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)


def written(keys: LookupKeys, *, bound_to: bytes = bytes(32)) -> bytes:
    """An index as it stands in its file."""
    sizes = [len(keys.entries[kind]) for kind in KINDS]
    header = _HEADER.pack(_MAGIC, bound_to, keys.count, *sizes)
    return b"".join((header, *(_packed(keys.entries[kind]) for kind in KINDS)))


class RollingIndex:
    """The indexes of a file that grows, ``<stem>.<first record>.lookup``. Nothing waits for them: what cannot be
    written is left out."""

    def __init__(self, stem: Path) -> None:
        self._stem = stem
        self._first = 0
        self._keys = LookupKeys()

    def add(self, record_id: str, name: str) -> None:
        """The next record, by what it can be looked up."""
        self._keys.add_record(record_id, name)
        if self._keys.count == MOST_RECORDS:
            self._write()

    def close(self) -> None:
        """Writes the last one."""
        if self._keys.count:
            self._write()

    def _write(self) -> None:
        try:
            write_keys(self._keys, rolled(self._stem, self._first))
        except OSError as error:
            _LOGGER.debug("an index of %s is not written: %s", self._stem, error)
        self._first += self._keys.count
        self._keys = LookupKeys()


def rolled(stem: Path, first: int) -> Path:
    """The path of the index that begins with this record."""
    return stem.with_name(f"{stem.name}.{first:012d}{LOOKUP_SUFFIX}")


def evidence_name(digest: str, observed_at: str, url: str) -> str:
    """By what an observation is looked up: what ``looked_at`` tells of it, without its kind."""
    return f"{digest} {observed_at} {url}"


def record_id_of(head: bytes) -> str:
    """By what a record of evidence is looked up that others may name: its id, if it holds a response."""
    if head.find(b"\r\nWARC-Type: response\r\n", 0, 64) < 0:
        return ""
    start = head.find(b"WARC-Record-ID: ") + 16
    return head[start : head.find(b"\r", start)].decode("ascii", "replace")


def decision_of_item(line: bytes) -> str:
    """By what a line of the kept dataset is looked up: the id of its decision, empty where it has none."""
    start = line.find(_DECISION_ID)
    return "" if start < 0 else line[start + 15 : line.find(b'"', start + 15)].decode("ascii", "replace")


def _packed(entries: array[int]) -> bytes:
    """Six bytes each, the highest first, sorted."""
    if not entries:
        return b""
    wide = array("Q")
    wide.frombytes(_values(_numbers(entries).sort()))
    if struct.pack("=H", 1) == struct.pack("<H", 1):
        wide.byteswap()
    eight = wide.tobytes()
    six = bytearray(len(wide) * _ENTRY_BYTES)
    for place in range(_ENTRY_BYTES):
        six[place::_ENTRY_BYTES] = eight[place + 2 :: 8]
    return bytes(six)


def _words(hashes: bytes) -> pa.Array:
    """The first 32 bits of each of these hashes of 32 bytes."""
    first = array("I", hashes)[::8]
    if struct.pack("=H", 1) == struct.pack("<H", 1):
        first.byteswap()
    return pa.Array.from_buffers(pa.uint32(), len(first), [None, pa.py_buffer(first)]).cast(pa.uint64())


def _numbers(values: array[int]) -> pa.Array:
    return pa.Array.from_buffers(pa.uint64(), len(values), [None, pa.py_buffer(values)])


def _values(numbers: pa.Array) -> memoryview:
    """Their bytes, one after another."""
    return memoryview(numbers.buffers()[1])[8 * numbers.offset : 8 * (numbers.offset + len(numbers))]


class Lookup:
    """An index that is there; raises LookupDamaged. To be closed, or used with ``with``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise LookupDamaged(f"no look-up index {path}: {error}") from error
        try:
            magic, self.bound_to, self.count, *sizes = _HEADER.unpack_from(self._file)
        except struct.error:
            magic, sizes = b"", []
        if magic != _MAGIC or len(self._file) != _HEADER.size + _ENTRY_BYTES * sum(sizes) or self.count > MOST_RECORDS:
            self._file.close()
            raise LookupDamaged(f"{path} is damaged: its size is not what it says; delete it, it is only a cache")
        self._parts: dict[str, tuple[int, int]] = {}
        start = _HEADER.size
        for kind, size in zip(KINDS, sizes, strict=True):
            self._parts[kind] = (start, size)
            start += size * _ENTRY_BYTES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def find(self, kind: KeyKind, value: str) -> list[int]:
        """The positions, from 0 and rising, of records that may be meant: to be read and compared. Ids and digests with
        ``sha256:`` before them. Raises LookupDamaged."""
        sought = fingerprint(kind, value)
        start, size = self._parts[kind]
        low, high = 0, size
        while low < high:
            middle = (low + high) // 2
            if self._entry(start, middle) >> 16 < sought:
                low = middle + 1
            else:
                high = middle
        found: list[int] = []
        while low < size and (entry := self._entry(start, low)) >> 16 == sought:
            found.append(entry & 0xFFFF)
            low += 1
        if any(position >= self.count for position in found):
            raise LookupDamaged(f"{self.path} is damaged: it names a line that is not there; delete it")
        return found

    def _entry(self, start: int, number: int) -> int:
        place = start + number * _ENTRY_BYTES
        return int.from_bytes(self._file[place : place + _ENTRY_BYTES])
