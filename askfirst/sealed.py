"""A sealed segment of the decision log: a Parquet file from which every line comes back byte for byte.

One row a line; a row group is four blocks, a trade between what lines share and what one proof unpacks. It knows how a
line looks only to make it small; what it means is not its business, and a line that looks otherwise is kept as it is
(``raw``). Packing and unpacking are one thing, and so one file: the format.

1. A line is its template with holes filled in: the decision's id, its URL, when it was decided, and the digests and
   times of what was observed for this URL alone. Templates repeat, per origin and ruling; holes do not.
2. Before a file takes its name it was read again, and gave every line of the segment back.
3. Blocks of 4,096 lines, aligned as the run's leaves are; the root over each block is in the file. Nothing here
   compares them: the audit does, with the roots that were signed.
4. ``python -m askfirst.sealed SEGMENT FIRST`` packs a segment and takes the plain text away: packing costs a
   second or two, which a crawl gives to another process.
5. What is read is taken for hostile: one SealedError, never another exception; what a file claims to unpack to is
   counted before it is unpacked.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from binascii import hexlify, unhexlify
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, NoReturn, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from askfirst.appended import sync_folder
from askfirst.ledger.merkle import HASH_BYTES, leaf_hash, root_of
from askfirst.lookup import LOOKUP_SUFFIX, LookupKeys, keys_of, write_keys

SEALED_SUFFIX = ".parquet"
BLOCK_LINES = 4_096
GROUP_LINES = 4 * BLOCK_LINES
FEW_OF_A_BLOCK = 64
"""Fewer lines of a block are put together one by one sooner than all of it at once."""
MOST_LINES = 65_536
"""As many as a place in the look-up index can name."""
MOST_BYTES = 1 << 30
"""Of a row group unpacked, and of a block of lines."""
FORMAT = "askfirst sealed segment 1"
_ABOUT = b"askfirst"
_ZSTD_LEVEL = 9

# The holes, as bytes that no JSON line holds: the first four, then the digests, then the times.
ID_HOLE = _ID = b"\x01"
URL_HOLE = _URL = b"\x02"
AT_HOLE = _AT = b"\x04"
_QUOTED = b"\x03"
_FIRST_DIGEST, _FIRST_TIME, _MOST_HOLES = 0x10, 0x18, 8
DIGEST_HOLES = range(_FIRST_DIGEST, _FIRST_DIGEST + _MOST_HOLES)
TIME_HOLES = range(_FIRST_TIME, _FIRST_TIME + _MOST_HOLES)
_MOST_URL_BYTES = 65_535
_MOST_FILLED = 1_024
_CONTROL = bytes(range(0x20))
_NO_HOLE = bytes(sorted(set(range(256)) - set(_CONTROL)))
_HOLES = {_URL[0]: 1, _QUOTED[0]: 2, _AT[0]: 3}
_FIXED = 4

_HEAD, _TO_URL, _TO_TIME = b'{"id":"sha256:', b'","url":"', b'"decided_at":"'
_LOOKED_AT, _ENTRY = b',"looked_at":[', b'{"digest":"sha256:'
_HELD = frozenset((b"response", b"page", b"asset", b"original"))
_OWN = _HELD | {b"registry"}
_OWN_MARKS = (b'"kind":"re', b'"kind":"page"', b'"kind":"asset"', b'"kind":"original"')

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(HASH_BYTES)),
        pa.field("url", pa.dictionary(pa.int32(), pa.string())),
        pa.field("decided_at", pa.timestamp("us", tz="UTC")),
        pa.field("template", pa.dictionary(pa.int32(), pa.binary())),
        pa.field("digests", pa.list_(pa.field("element", pa.binary(HASH_BYTES), nullable=False)), nullable=False),
        pa.field("ages_us", pa.list_(pa.field("element", pa.int64(), nullable=False)), nullable=False),
        pa.field("raw", pa.binary()),
    ]
)
_WRITTEN = pa.schema(
    [column.with_type(column.type.value_type) if pa.types.is_dictionary(column.type) else column for column in _SCHEMA]
)


class SealedError(ValueError):
    """A sealed file that cannot be read; one line that names it."""


# -- a line apart and together -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Parts:
    """A line taken apart."""

    id: bytes
    url: bytes
    at_us: int
    template: tuple[bytes, ...]
    digests: list[bytes]
    times_us: list[int]


_Shared = dict[bytes, list[bytes]]
"""What follows the time in lines of a site, up to what was observed for one URL alone, as far as it was seen to hold
nothing of that URL: it is compared once instead of searched for every hole."""
_MOST_SHARED = 8


def _taken_apart(line: bytes, url: bytes, quoted: bytes, shared: _Shared) -> _Parts | None:
    """The parts; None for a line of another look. ``url`` is what ``_url_of`` gave. What comes of them need not be the
    line: whoever keeps them compares."""
    try:
        url_end = len(url) + 87
        at = line.index(_TO_TIME, url_end) + len(_TO_TIME)
        at_end = line.index(b'"', at, at + 32)
        at_text = line[at:at_end]
        site = url[: url.find(b"/", 8)]
        for middle in shared.get(site, ()):
            if line.startswith(middle, at_end):
                rest = line[at_end + len(middle) :]
                break
        else:
            middle, rest = b"", line[at_end:]
        start = 0 if middle else _own_start(rest)
        digests, times = _own_holes(rest[start:], at_text) if rest else ((), ())
        filled = rest
        if rest:
            filled = filled.replace(b'"' + url + b'"', b'"\x02"')
            if quoted in filled:
                filled = filled.replace(quoted, _QUOTED)
            for number, digest in enumerate(digests, start=_FIRST_DIGEST):
                filled = filled.replace(digest, _MARKS[number])
            for number, time in enumerate(times, start=_FIRST_TIME):
                filled = filled.replace(time, _MARKS[number])
        if not middle and start and filled.startswith(rest[:start]):
            known = shared.setdefault(site, [])
            if len(known) < _MOST_SHARED:
                middle, filled = rest[:start], filled[start:]
                known.append(middle)
        return _Parts(
            unhexlify(line[14:78]),
            url,
            _microseconds(at_text),
            (line[url_end:at], _AT, middle, filled),
            list(map(unhexlify, digests)),
            list(map(_microseconds, times)),
        )
    except (ValueError, OverflowError):
        return None


def _own_start(rest: bytes) -> int:
    """Where what was observed for this URL alone begins; the end where there is nothing."""
    looked_at = rest.rfind(_LOOKED_AT)
    if looked_at < 0:
        return len(rest)
    found = [place for mark in _OWN_MARKS if (place := rest.find(mark, looked_at)) > 0]
    return max(0, rest.rfind(_ENTRY, looked_at, min(found))) if found else len(rest)


_MARKS = [bytes((number,)) for number in range(0x20)]


def _url_of(line: bytes) -> bytes:
    """The URL as the line writes it; empty where there is none to take out."""
    if line[:14] != _HEAD or line[78:87] != _TO_URL:
        return b""
    end = line.find(b'"', 87, 88 + _MOST_URL_BYTES)
    url = line[87:end] if end > 0 else b""
    return b"" if b"\\" in url else url


def _own_holes(own: bytes, at_text: bytes) -> tuple[list[bytes], list[bytes]]:
    """The digests and times of these entries of what was looked at, as written, each once."""
    digests: list[bytes] = []
    times: list[bytes] = []
    for entry in own.split(_ENTRY)[1:]:
        members = entry.split(b'"', 9)
        if len(members) < 10 or members[4] not in _OWN:
            continue
        digest, time = members[0], members[8]
        if members[4] in _HELD and digest not in digests and len(digest) == 64 and len(digests) < _MOST_HOLES:
            digests.append(digest)
        if time != at_text and time not in times and len(times) < _MOST_HOLES:
            times.append(time)
    return digests, times


def _quoted(urls: Sequence[bytes]) -> list[bytes]:
    """The URLs percent-encoded, as a registry's address holds them. Not of what is beyond ASCII."""
    joined = b"\n".join(urls)
    for character, written in _RESERVED:
        joined = joined.replace(character, written)
    return joined.split(b"\n") if urls else []


_RESERVED = [(b"%", b"%25")] + [
    (character.encode(), f"%{ord(character):02X}".encode()) for character in ":/?#[]@!$&'()*+,;= \"<>\\^`{|}"
]


def _microseconds(text: bytes) -> int:
    """Since 1970. Raises ValueError."""
    seconds = _seconds(text[:19])
    if len(text) == 27:
        return seconds + int(text[20:26])
    if len(text) == 20:
        return seconds
    raise ValueError("no time as we write them")


@lru_cache(maxsize=4_096)
def _seconds(text: bytes) -> int:
    return (datetime.fromisoformat(text.decode() + "+00:00") - _EPOCH) // _MICROSECOND


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _written(at_us: int) -> bytes:
    """The reverse. Raises OverflowError."""
    second, fraction = divmod(at_us, 1_000_000)
    text = (_EPOCH + timedelta(seconds=second)).isoformat()[:19].encode()
    return b"%b.%06dZ" % (text, fraction) if fraction else text + b"Z"


def _all_written(times_us: memoryview) -> list[bytes]:
    """The same for many (64-bit integers). Raises OverflowError."""
    if not len(times_us):
        return []
    times = pa.Array.from_buffers(pa.timestamp("us"), len(times_us), [None, pa.py_buffer(times_us)])
    joined = times.cast(pa.string()).buffers()[2].to_pybytes()
    if len(joined) != _STAMP_BYTES * len(times_us):
        return list(map(_written, times_us))  # a year has more than four digits, or less
    stamps = bytearray(joined)
    stamps[10::_STAMP_BYTES] = b"T" * len(times_us)
    joined = bytes(stamps)
    texts = [joined[at : at + _STAMP_BYTES] + b"Z" for at in range(0, len(joined), _STAMP_BYTES)]
    if b".000000" in joined:  # a whole second is written without a fraction
        texts = [text.replace(b".000000Z", b"Z") for text in texts]
    return texts


_STAMP_BYTES = len("2026-11-24 08:00:00.000000")


def _hexadecimal(hashes: bytes, start: int, stop: int) -> list[bytes]:
    """These of the hashes that stand one after another."""
    text = hexlify(hashes[start * HASH_BYTES : stop * HASH_BYTES])
    return [text[place : place + 2 * HASH_BYTES] for place in range(0, len(text), 2 * HASH_BYTES)]


# -- sealing -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Columns:
    """The rows of a row group while it is being made, and what is told of all that went before."""

    ids: list[bytes | None] = field(default_factory=list)
    urls: list[int | None] = field(default_factory=list)
    at_us: list[int | None] = field(default_factory=list)
    templates: list[int | None] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    digest_ends: list[int] = field(default_factory=lambda: [0])
    ages_us: list[int] = field(default_factory=list)
    age_ends: list[int] = field(default_factory=lambda: [0])
    raw: list[bytes | None] = field(default_factory=list)
    url_numbers: dict[bytes, int] = field(default_factory=dict)
    template_numbers: dict[tuple[bytes, ...], int] = field(default_factory=dict)
    roots: list[str] = field(default_factory=list)
    keys: LookupKeys = field(default_factory=LookupKeys)
    shared: _Shared = field(default_factory=dict)
    kept_bytes: int = 0
    count: int = 0

    def add(self, lines: Sequence[bytes], *, checked: bool) -> None:
        """A block. ``checked``: each line is put together again at once, and kept as it is when it is not the same."""
        urls = [_url_of(line) for line in lines]
        for line, url, quoted in zip(lines, urls, _quoted(urls), strict=True):
            parts = _taken_apart(line, url, quoted, self.shared) if url.isascii() and url else None
            if parts is not None and (not checked or _is_whole(parts, line)) and self._fits(parts):
                self._add_parts(parts)
                self.keys.add_own(parts.id, parts.url, parts.digests)
            else:
                self._add_raw(line)
                self.keys.add(keys_of(line))
        self.count += len(lines)
        self.roots.append(root_of(map(leaf_hash, lines)).hex())

    def _fits(self, parts: _Parts) -> bool:
        """Whether the template is one that a reader takes."""
        if parts.template in self.template_numbers:
            return True
        template = b"".join(parts.template)
        self.kept_bytes += len(template)
        return len(_shape(template)) <= _MOST_FILLED

    def _add_parts(self, parts: _Parts) -> None:
        at_us = parts.at_us
        self.ids.append(parts.id)
        self.urls.append(self.url_numbers.setdefault(parts.url, len(self.url_numbers)))
        self.at_us.append(at_us)
        self.templates.append(self.template_numbers.setdefault(parts.template, len(self.template_numbers)))
        self.digests += parts.digests
        self.digest_ends.append(len(self.digests))
        for time_us in parts.times_us:
            self.ages_us.append(at_us - time_us)
        self.age_ends.append(len(self.ages_us))
        self.raw.append(None)

    def _add_raw(self, line: bytes) -> None:
        for column in (self.ids, self.urls, self.at_us, self.templates):
            cast("list[None]", column).append(None)
        self.digest_ends.append(len(self.digests))
        self.age_ends.append(len(self.ages_us))
        self.raw.append(line)
        self.kept_bytes += len(line)

    def about(self, *, first: int) -> bytes:
        """What the file says of itself."""
        return json.dumps({"format": FORMAT, "first": first, "count": self.count, "roots": self.roots}).encode()

    def taken(self) -> pa.Table:
        """The rows as a table; the next group begins without any."""
        columns = [
            pa.array(self.ids, pa.binary(HASH_BYTES)),
            pa.DictionaryArray.from_arrays(
                pa.array(self.urls, pa.int32()), pa.array([url.decode() for url in self.url_numbers], pa.string())
            ),
            pa.array(self.at_us, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            self._template_column(),
            _listed("digests", self.digest_ends, pa.array(self.digests, pa.binary(HASH_BYTES))),
            _listed("ages_us", self.age_ends, pa.array(self.ages_us, pa.int64())),
            pa.array(self.raw, pa.binary()),
        ]
        for column in (self.ids, self.urls, self.at_us, self.templates, self.digests, self.ages_us, self.raw):
            column.clear()
        del self.digest_ends[1:], self.age_ends[1:]
        self.url_numbers.clear()
        self.shared.clear()
        self.template_numbers.clear()
        self.kept_bytes = 0
        return pa.Table.from_arrays(columns, schema=_SCHEMA)

    def _template_column(self) -> pa.DictionaryArray:
        """Sorted by what was looked at, so that what is said of one origin lies together and packs well."""
        templates = list(map(b"".join, self.template_numbers))
        order = sorted(set(templates), key=lambda template: (_by_origin(template), template))
        places = {template: place for place, template in enumerate(order)}
        numbers = [None if number is None else places[templates[number]] for number in self.templates]
        return pa.DictionaryArray.from_arrays(
            pa.array(numbers, pa.int32()), pa.array(list(map(_stored, order)), pa.binary())
        )


def _listed(name: str, ends: Sequence[int], values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, type=_SCHEMA.field(name).type)


def _by_origin(template: bytes) -> bytes:
    return template[max(0, template.rfind(_LOOKED_AT)) :]


def _is_whole(parts: _Parts, line: bytes) -> bool:
    """Whether the parts give the line back."""
    try:
        form, take, own, _, _ = _layout(_stored(b"".join(parts.template)))
        row = (hexlify(parts.id), parts.url, _quoted([parts.url])[0], _written(parts.at_us))
        filled = form % take((*row, *map(hexlify, parts.digests), *map(_written, parts.times_us)))
        return own == (len(parts.digests), len(parts.times_us)) and filled == b"\0" + line
    except (SealedError, OverflowError, ValueError, IndexError, TypeError):
        return False


def seal(segment: Path, *, first: int) -> Path:
    """Packs ``<run>.<first>.jsonl`` into a Parquet file and a look-up index beside it, both on disk when it returns;
    the segment is left for the caller to remove. Raises OSError, also for a segment that is not whole or too large to
    pack, or that begins no block of the run (it can stay as it is)."""
    if first < 0 or first % BLOCK_LINES:
        raise OSError(errno.EINVAL, f"leaf {first} begins no block of {BLOCK_LINES}", str(segment))
    finished = segment.with_suffix(SEALED_SUFFIX)
    growing = finished.with_name(f".{finished.name}.growing")
    try:
        # The second time, where a line only looked like ours, or was made to: each is looked at by itself.
        if not any(_is_packed(segment, growing, finished, first, checked=checked) for checked in (False, True)):
            raise OSError(errno.EIO, "does not come back as it was; the segment is left as it is", str(segment))
    finally:
        growing.unlink(missing_ok=True)
    return finished


def _is_packed(segment: Path, growing: Path, finished: Path, first: int, *, checked: bool) -> bool:
    """Whether the file was made: False when it did not give every line back."""
    columns = _Columns()
    with growing.open("wb") as file:
        try:
            _write(columns, segment, first, file, checked=checked)
        except pa.ArrowException as error:
            raise OSError(errno.EIO, f"cannot be packed: {_first_line(error)}", str(segment)) from error
        file.flush()
        os.fsync(file.fileno())
    try:
        back = Sealed(growing)
        if any(
            lines != back.lines(number) for number, lines in enumerate(_blocks_of(segment))
        ):  # INVARIANT: of the file as it was written, not of what is in memory
            return False
    except SealedError:
        return False
    write_keys(columns.keys, finished.with_suffix(LOOKUP_SUFFIX), bound_to=binding(columns.roots))
    growing.replace(finished)
    sync_folder(finished.parent)
    return True


def binding(roots: Sequence[str]) -> bytes:
    """What a look-up index says to belong to a file with these roots of blocks (hexadecimal)."""
    return leaf_hash("".join(roots).encode())


def _write(columns: _Columns, segment: Path, first: int, file: BinaryIO, *, checked: bool) -> None:
    packed = ("url", "decided_at", "template", "ages_us.list.element", "raw")
    writer = pq.ParquetWriter(
        file,
        _SCHEMA,
        compression=dict.fromkeys(packed, "zstd") | {"id": "none", "digests.list.element": "none"},
        compression_level=dict.fromkeys(packed, _ZSTD_LEVEL),
        use_dictionary=["url", "template"],
        dictionary_pagesize_limit=MOST_BYTES,
        column_encoding={"decided_at": "DELTA_BINARY_PACKED", "ages_us.list.element": "DELTA_BINARY_PACKED"},
        write_statistics=["decided_at"],
        write_page_checksum=True,
        store_schema=False,
    )
    with writer:
        for lines in _blocks_of(segment):
            columns.add(lines, checked=checked)
            if columns.count > MOST_LINES or columns.kept_bytes > MOST_BYTES:
                raise OSError(errno.EFBIG, "too large to seal; the segment can stay as it is", str(segment))
            if len(columns.raw) == GROUP_LINES:
                writer.write_table(columns.taken(), row_group_size=GROUP_LINES)
        if columns.raw:
            writer.write_table(columns.taken(), row_group_size=GROUP_LINES)
        writer.add_key_value_metadata({_ABOUT: columns.about(first=first)})


def _blocks_of(segment: Path) -> Iterator[list[bytes]]:
    """The lines without their newlines. Raises OSError, also for a last line that has none."""
    with segment.open("rb") as file:
        while lines := list(islice(file, BLOCK_LINES)):
            if not lines[-1].endswith(b"\n"):
                raise OSError(errno.EINVAL, "its last line is cut short; only whole segments are sealed", str(segment))
            yield [line[:-1] for line in lines]


# -- reading -----------------------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """Some lines as they are hashed, after a zero; and of each the template as it is stored (empty where a line is kept
    as it is) and, as text, the time that fills its one hole for when it was decided."""

    inputs: list[bytes]
    templates: list[bytes]
    decided_at: list[bytes]


class _Layout(NamedTuple):
    """A template ready to be filled in: its form, with the zero that is hashed before a line; what takes the parts of a
    row in the order of the holes; and how many digests and times a row must have. ``sort``: most have no holes but the
    id, the URL and the time (_SHARED), or a digest and another time as well (_OWN_ANSWER)."""

    form: bytes
    take: Callable[[tuple[bytes, ...]], object]
    own: tuple[int, int]
    stored: bytes
    sort: int


_AS_IT_IS = -1
_SHARED, _OWN_ANSWER, _ANY = range(3)
_SORTS = {_AT: _SHARED, bytes((_AT[0], _FIRST_DIGEST, _FIRST_TIME)): _OWN_ANSWER}
_WHOLE = _Layout(b"\0%b", itemgetter(0), (0, 0), b"", _ANY)


def _shape(template: bytes) -> bytes:
    """The holes of a template, in order."""
    return template.translate(None, _NO_HOLE)


def _stored(template: bytes) -> bytes:
    """A template as it stands in the file: its holes in order, a zero, and its text with ``%b`` in their places."""
    shape = _shape(template)
    form = template.replace(b"%", b"%%")
    for hole in set(shape):
        form = form.replace(_MARKS[hole], b"%b")
    return b"%b\0%b" % (shape, form)


def _layout(stored: bytes) -> _Layout:
    """Raises SealedError for what is no template."""
    end = stored.find(b"\0")
    shape = stored if end < 0 else stored[:end]
    take, own = _places(shape)
    if end < 0 or _holes_from(stored, end) != len(shape):
        raise SealedError("a template asks for more than to be filled in")
    return _Layout(_FORM_START + stored[end + 1 :], take, own, stored, _SORTS.get(shape, _ANY))


_FORM_START = b'\0{"id":"sha256:%b","url":"%b'


def _holes_from(form: bytes, at: int) -> int:
    """How many ``%b`` there are from a place on; -1 where a per cent sign asks for anything else, such as a width."""
    holes = 0
    while (at := form.find(b"%", at)) >= 0:
        asked = form[at + 1 : at + 2]
        if asked not in {b"b", b"%"}:
            return -1
        holes += asked == b"b"
        at += 2
    return holes


def template_text(stored: bytes) -> tuple[bytes, list[int]]:
    """A template that was filled in before, with its holes as the control characters that stand for them (``ID_HOLE``
    and so on), and where they are."""
    shape, _, form = stored.partition(b"\0")
    if b"%%b" in form:  # what is no hole, and looks like one
        pieces = (form % tuple(_MARKS[0] for _ in shape)).split(_MARKS[0])
    else:
        pieces = [piece.replace(b"%%", b"%") for piece in form.split(b"%b")]
    parts, places, length = [_HEAD], [], len(_HEAD)
    for hole, piece in zip((_ID[0], _URL[0], *shape), (_TO_URL, *pieces), strict=True):
        places.append(length)
        parts += (_MARKS[hole], piece)
        length += 1 + len(piece)
    return b"".join(parts), places


@lru_cache(maxsize=1_024)
def _places(shape: bytes) -> tuple[Callable[[tuple[bytes, ...]], object], tuple[int, int]]:
    """What takes the parts of a row in the order of the holes, and how many digests and times there are to fill in."""
    if len(shape) > _MOST_FILLED:
        raise SealedError("a template has too many holes")
    digests = max((hole - _FIRST_DIGEST + 1 for hole in shape if _FIRST_DIGEST <= hole < _FIRST_TIME), default=0)
    times = max((hole - _FIRST_TIME + 1 for hole in shape if hole >= _FIRST_TIME), default=0)
    places = [0, 1]
    for hole in shape:
        if hole >= _FIRST_TIME:
            places.append(_FIXED + digests + hole - _FIRST_TIME)
        elif hole >= _FIRST_DIGEST:
            places.append(_FIXED + hole - _FIRST_DIGEST)
        elif hole in _HOLES:
            places.append(_HOLES[hole])
        else:
            raise SealedError("a template has a hole that nothing fills")
    return itemgetter(*places), (digests, times)


@dataclass(slots=True)
class _Texts:
    """The texts of a dictionary, cut out when they are asked for."""

    written: bytes
    ends: memoryview

    @classmethod
    def of(cls, values: pa.Array) -> _Texts:
        """Of binary or text values."""
        if not len(values):
            return cls(b"", memoryview(bytes(8)).cast("i"))
        buffers = values.buffers()
        ends = memoryview(buffers[1]).cast("i")[values.offset : values.offset + len(values) + 1]
        return cls(b"" if buffers[2] is None else buffers[2].to_pybytes(), ends)

    def __getitem__(self, number: int) -> bytes:
        return self.written[self.ends[number] : self.ends[number + 1]]

    def some(self, numbers: Sequence[int]) -> list[bytes]:
        """These of the texts."""
        written, ends = self.written, self.ends.tolist()
        return [written[ends[number] : ends[number + 1]] for number in numbers]

    def __len__(self) -> int:
        return len(self.ends) - 1


@dataclass(slots=True)
class _Rows:
    """The columns of a file, unpacked."""

    ids: bytes
    url_numbers: memoryview
    urls: _Texts
    at_us: memoryview
    template_numbers: memoryview
    templates: _Texts
    digest_ends: memoryview
    digests: bytes
    time_ends: memoryview
    times_us: memoryview
    raw: pa.Array
    layouts: dict[int, _Layout] = field(default_factory=lambda: {_AS_IT_IS: _WHOLE})
    quoting: set[int] = field(default_factory=set)

    def add_keys(self, keys: LookupKeys) -> None:
        """Adds what these lines can be found by, as it was when they were packed."""
        if self.raw.null_count == len(self.raw):
            texts = self.urls.some(range(len(self.urls)))
            keys.add_rows(self.ids, texts, self.url_numbers, self.digests, self.digest_ends)
            return
        url_numbers, digest_ends = self.url_numbers.tolist(), self.digest_ends.tolist()
        ids, digests = _split(self.ids), _split(self.digests)
        for place, whole in enumerate(self.raw.to_pylist()):
            if whole is None:
                own = digests[digest_ends[place] : digest_ends[place + 1]]
                keys.add_own(ids[place], self.urls[url_numbers[place]], own)
            else:
                keys.add(keys_of(whole))

    def layouts_of(self, numbers: Sequence[int], known: dict[bytes, _Layout]) -> tuple[Mapping[int, _Layout], bool]:
        """How to fill in these templates, and whether any of them holds a URL that is percent-encoded. ``known`` are
        templates of other groups."""
        used = set(numbers)
        for number in used:
            if number not in self.layouts:
                stored = self.templates[number]
                layout = known.get(stored)
                if layout is None:
                    layout = known[stored] = _layout(stored)
                self.layouts[number] = layout
                if _QUOTED in stored:
                    self.quoting.add(number)
        return self.layouts, not used.isdisjoint(self.quoting)


class Sealed:
    """A sealed segment. Everything that reads the file raises SealedError; only the constructor opens it, and only its
    end is read until lines are asked for. A file that is not there is a SealedError as well."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._group: tuple[int, _Rows] | None = None
        self._known: dict[bytes, _Layout] = {}
        with _read_safely(path):
            with pq.ParquetFile(path) as file:
                about = file.metadata.metadata or {}
                columns = file.schema_arrow.remove_metadata()
            said = json.loads(about.get(_ABOUT, b"null"))
            if not isinstance(said, dict) or said.get("format") != FORMAT:
                raise SealedError("it is no sealed segment of this version")
            if not columns.equals(_WRITTEN):
                raise SealedError("its columns are not those of a sealed segment")
            self.first = _whole_number(said.get("first"), 1 << 62)
            self.count = _whole_number(said.get("count"), MOST_LINES)
            self.blocks = -(-self.count // BLOCK_LINES)
            roots = said.get("roots")
            if not isinstance(roots, list) or len(roots) != self.blocks:
                raise SealedError("it has not one root a block")
            self._roots = [unhexlify(str(root)) for root in roots]
            if any(len(root) != HASH_BYTES for root in self._roots):
                raise SealedError("a root is not of 32 bytes")
            self.binding = binding([root.hex() for root in self._roots])

    def block_root(self, number: int) -> bytes:
        """The RFC 9162 root over the lines of a block, as the file has it. Raises IndexError."""
        return self._roots[number]

    def block(self, number: int) -> Block:
        """A block. Raises IndexError where there is no such block."""
        if not 0 <= number < self.blocks:
            raise IndexError(f"block {number} of {self.blocks}")
        start = number * BLOCK_LINES
        with _read_safely(self.path):
            return self._filled(start, min(start + BLOCK_LINES, self.count), leaves=True)

    def lines(self, number: int) -> list[bytes]:
        """The lines of a block. Raises IndexError where there is no such block."""
        if not 0 <= number < self.blocks:
            raise IndexError(f"block {number} of {self.blocks}")
        return self.some(number * BLOCK_LINES, min((number + 1) * BLOCK_LINES, self.count))

    def some(self, start: int, stop: int) -> list[bytes]:
        """The lines from a position on and before another, all of one block. Raises IndexError."""
        if not 0 <= start < stop <= self.count or start // BLOCK_LINES != (stop - 1) // BLOCK_LINES:
            raise IndexError(f"lines {start} to {stop} of {self.count}")
        with _read_safely(self.path):
            return self._filled(start, stop, leaves=False).inputs

    def line(self, position: int) -> bytes:
        """One line, by its position in the segment, from 0. Raises IndexError."""
        return self.some(position, position + 1)[0]

    def chosen(self, positions: Iterable[int]) -> Iterator[bytes]:
        """The lines at these positions, which rise. Raises IndexError."""
        for number, some in groupby(positions, key=lambda position: position // BLOCK_LINES):
            places = list(some)
            if len(places) < FEW_OF_A_BLOCK:
                yield from map(self.line, places)
            else:
                lines = self.lines(number)
                yield from (lines[position % BLOCK_LINES] for position in places)

    def with_url(self, is_wanted: Callable[[bytes], object]) -> list[int]:
        """The positions of the lines with such a URL, as they write it, and of those that are kept as they are, which
        may have any."""
        found: list[int] = []
        for group in range(-(-self.count // GROUP_LINES)):
            with _read_safely(self.path):
                rows = self._rows_of(group)
                wanted = {number for number in range(len(rows.urls)) if is_wanted(rows.urls[number])}
                whole = rows.raw.is_valid().to_pylist() if rows.raw.null_count < len(rows.raw) else ()
                if not wanted and not whole:
                    continue
                first = group * GROUP_LINES
                numbers = rows.url_numbers.tolist()
                found += [
                    first + place
                    for place, number in enumerate(numbers)
                    if number in wanted or (whole and whole[place])
                ]
        return found

    def add_keys(self, number: int, keys: LookupKeys) -> None:
        """Adds what the lines of a row group can be found by, after those of all groups before it."""
        with _read_safely(self.path):
            self._rows_of(number).add_keys(keys)

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.blocks):
            yield from self.lines(number)

    def __len__(self) -> int:
        return self.count

    def _filled(self, start: int, stop: int, *, leaves: bool) -> Block:
        """The lines from there to there, all of one group, as they are or, with ``leaves``, as they are hashed: one
        pass, because it runs for every record that is verified."""
        rows = self._rows_of(start // GROUP_LINES)
        start, stop = start % GROUP_LINES, (stop - 1) % GROUP_LINES + 1
        template_numbers = rows.template_numbers[start:stop].tolist()
        layouts, quotes = rows.layouts_of(template_numbers, self._known)
        used = [layouts[number] for number in template_numbers]
        urls = rows.urls.some(rows.url_numbers[start:stop].tolist())
        ids = _hexadecimal(rows.ids, start, stop)
        if _AS_IT_IS in template_numbers:
            raw = rows.raw.slice(start, stop - start).to_pylist()
            ids = [one_id if line is None else line for one_id, line in zip(ids, raw, strict=True)]
        digest_ends = rows.digest_ends[start : stop + 1].tolist()
        from_digest = digest_ends[0]
        digests = _hexadecimal(rows.digests, from_digest, digest_ends[-1])
        time_ends = rows.time_ends[start : stop + 1].tolist()
        from_time = time_ends[0]
        times = _all_written(rows.times_us[from_time : time_ends[-1]])
        decided_at = _all_written(rows.at_us[start:stop])
        lines: list[bytes] = []
        left_bytes = MOST_BYTES
        digest = time = 0
        if leaves:
            forms = [layout.form for layout in used]
        else:
            without = {number: layouts[number].form[1:] for number in set(template_numbers)}
            forms = [without[number] for number in template_numbers]
        for form, (_, take, own, _, sort), one_id, url, quoted, at, digest_end, time_end in zip(
            forms,
            used,
            ids,
            urls,
            _quoted(urls) if quotes else urls,
            decided_at,
            digest_ends[1:],
            time_ends[1:],
            strict=True,
        ):
            next_digest, next_time = digest_end - from_digest, time_end - from_time
            if own != (next_digest - digest, next_time - time):
                raise SealedError("a template has other holes than its row fills")
            if sort == _SHARED:
                line = form % (one_id, url, at)
            elif sort == _OWN_ANSWER:
                line = form % (one_id, url, at, digests[digest], times[time])
            else:
                line = form % take((one_id, url, quoted, at, *digests[digest:next_digest], *times[time:next_time]))
            digest, time = next_digest, next_time
            left_bytes -= len(line)
            if left_bytes < 0:
                raise SealedError("a block of it unpacks to too much")
            lines.append(line)
        return Block(lines, [layout.stored for layout in used], decided_at)

    def _rows_of(self, group: int) -> _Rows:
        if self._group is None or self._group[0] != group:
            self._group = None
            self._group = (group, self._unpacked(group))
        return self._group[1]

    def _unpacked(self, group: int) -> _Rows:
        with pq.ParquetFile(
            self.path, read_dictionary=["url", "template"], page_checksum_verification=True, memory_map=False
        ) as file:
            rows = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
            if rows != [min(GROUP_LINES, self.count - start) for start in range(0, self.count, GROUP_LINES)]:
                raise SealedError("it has not as many rows as it says")
            if file.metadata.row_group(group).total_byte_size > MOST_BYTES:
                raise SealedError("a row group of it unpacks to too much")
            table = file.read_row_group(group, use_threads=False).combine_chunks()
        table.validate(full=True)
        if table.num_rows != rows[group]:
            raise SealedError("it has not as many rows as it says")
        return _rows(table)


def _rows(table: pa.Table) -> _Rows:
    """Raises SealedError where a row is neither kept whole nor has all its parts."""
    column = {name: _one_chunk(table.column(name)) for name in table.column_names}
    ids, urls, at, templates = (column[name] for name in ("id", "url", "decided_at", "template"))
    raw, digests, ages = column["raw"], column["digests"], column["ages_us"]
    whole = table.num_rows - raw.null_count
    if any(part.null_count != whole for part in (ids, urls, at, templates)) or digests.null_count or ages.null_count:
        raise SealedError("a row of it is neither whole nor in parts")
    if urls.dictionary.null_count or templates.dictionary.null_count:
        raise SealedError("a text of it is missing")
    texts = _Texts.of(urls.dictionary)
    if b'"' in texts.written:
        raise SealedError("a URL of it is more than a URL")
    times = pc.subtract_checked(pc.take(at.cast(pa.int64()), pc.list_parent_indices(ages)), ages.flatten())
    return _Rows(
        ids=_fixed(ids),
        url_numbers=_numbers(pc.fill_null(urls.indices, 0), "i"),
        urls=texts,
        at_us=_numbers(pc.fill_null(at.cast(pa.int64()), 0), "q"),
        template_numbers=_numbers(pc.fill_null(templates.indices, _AS_IT_IS), "i"),
        templates=_Texts.of(templates.dictionary),
        digest_ends=_numbers(digests.offsets, "i"),
        digests=_fixed(digests.values),
        time_ends=_numbers(ages.offsets, "i"),
        times_us=_numbers(times, "q"),
        raw=raw,
    )


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.array([], column.type)


def _fixed(values: pa.Array) -> bytes:
    if not len(values):
        return b""
    return bytes(
        memoryview(values.buffers()[1])[values.offset * HASH_BYTES : (values.offset + len(values)) * HASH_BYTES]
    )


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[place : place + HASH_BYTES] for place in range(0, len(hashes), HASH_BYTES)]


def _numbers(values: pa.Array, code: Literal["i", "q"]) -> memoryview:
    if not len(values):
        return memoryview(b"").cast(code)
    return memoryview(values.buffers()[1]).cast(code)[values.offset : values.offset + len(values)]


def _whole_number(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise SealedError("what it says of itself is no number that can be")
    return value


@contextlib.contextmanager
def _read_safely(path: Path) -> Iterator[None]:
    """Everything that reading can raise, as one SealedError that names the file."""
    try:
        yield
    except SealedError as error:
        _say(path, str(error), error)
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        MemoryError,
    ) as error:
        _say(path, _first_line(error), error)
    except RecursionError as error:
        _say(path, "what it says of itself is nested too deeply", error)


def _say(path: Path, what: str, error: BaseException) -> NoReturn:
    raise SealedError(f"{path} is damaged: {what}") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def main() -> None:
    """The command of rule 4."""
    segment = Path(sys.argv[1])
    os.nice(10)
    try:
        seal(segment, first=int(sys.argv[2]))
        segment.unlink()
    except OSError as error:
        sys.exit(f"{segment} stays as it is: {error.strerror or error}")


if __name__ == "__main__":
    main()
