"""The records of web archives (WARC 1.0 and 1.1, ISO 28500), in files and in zips (WACZ), past what is broken in them.

1. A record that cannot be unpacked is a fault, named by where it begins; reading goes on with the next gzip member that
   holds a record. In an archive that is not gzipped nothing can be found again after one.
2. fastwarc ends quietly where an archive is cut short, so the end is looked at: what begins there and does not end is a
   fault.
3. What is no archive at all is the operator's mistake.
4. Of a range (see ``warc_ranges``) only what lies in it is read, as if the archive ended there.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from askfirst.ports import SettingsError
from askfirst.review.codings import GZIP
from askfirst.review.model import Fault

MAX_HEADER_BYTES: Final = 1_048_576
SUFFIXES: Final = (".warc", ".warc.gz", ".wacz")
_CHUNK_BYTES: Final = 65_536
_WINDOW_BYTES: Final = 262_144
_HEADER_END: Final = b"\r\n\r\n"


class Archive(NamedTuple):
    """One WARC, in a file or as a member of a zip; or of a WARC in a file the range from ``start`` to ``end``, which is
    None where it reaches the end. Places are told from the beginning of the WARC all the same."""

    name: str
    size_bytes: int
    file: str
    member: str | None = None
    start: int = 0
    end: int | None = None

    @property
    def path(self) -> str | None:
        """The file, where the WARC is all of it and is read from its beginning."""
        return self.file if self.member is None and self.start == 0 and self.end is None else None

    def open(self) -> BinaryIO:
        """What is to be read, at its start."""
        if self.member is not None:
            with zipfile.ZipFile(self.file) as container:
                return io.BufferedReader(_Raw(container.open(self.member)))
        file = Path(self.file).open("rb")  # noqa: SIM115  # whoever reads closes it
        windowed = file if self.end is None else io.BufferedReader(_Window(file.detach(), self.end), _WINDOW_BYTES)
        windowed.seek(self.start)
        return windowed


def archives(path: Path) -> list[Archive]:
    """The WARCs in a file. Raises SettingsError when it cannot be read, or is a zip without any."""
    try:
        if not zipfile.is_zipfile(path):
            return [Archive(str(path), path.stat().st_size, str(path))]
        with zipfile.ZipFile(path) as container:
            found = [
                Archive(f"{path}!{entry.filename}", entry.file_size, str(path), entry.filename)
                for entry in container.infolist()
                if entry.filename.endswith((".warc", ".warc.gz"))
            ]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}; name a file that can be read") from None
    except zipfile.BadZipFile as error:
        raise SettingsError(f"{path}: is a broken zip ({error}); a WACZ is a zip with archive/*.warc.gz") from None
    if not found:
        raise SettingsError(f"{path}: is a zip without a .warc or .warc.gz; a WACZ has them in archive/")
    return found


class _Window(io.RawIOBase):
    """A file that ends before its end."""

    def __init__(self, file: io.RawIOBase, end: int) -> None:
        self._file = file
        self._end = end

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has Buffer
        left = max(0, self._end - self._file.tell())
        return self._file.readinto(memoryview(buffer)[:left]) or 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(self._end + offset) if whence == io.SEEK_END else self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class _Raw(io.RawIOBase):
    """A member of a zip as a raw stream."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has Buffer
        piece = self._member.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._member.seek(offset, whence)

    def tell(self) -> int:
        return self._member.tell()


def records(
    archive: Archive, types: WarcRecordType, fault: Callable[[Fault], None]
) -> Iterator[tuple[WarcRecord, str]]:
    """The records of an archive with where they stand, past what is broken. Raises SettingsError when it cannot be
    opened or is no WARC at all."""
    name = archive.name
    last = -1
    file: BinaryIO | None = None
    try:
        while True:
            source = file or archive.path
            if source is None:
                file = source = archive.open()
            try:
                found = ArchiveIterator(
                    source, record_types=types, max_header_len=MAX_HEADER_BYTES, fsspec_args=False
                )  # fmt: skip
                for record in found:
                    last = record.stream_pos
                    yield record, f"{name}@{last}"
            except OSError as error:
                if error.errno is not None:
                    raise
                file = file or archive.open()
                if last < 0 and archive.start == 0 and not _begins_as_warc(file):
                    raise SettingsError(
                        f"{name}: is no WARC ({error}); name a .warc, .warc.gz or .wacz, or its --format"
                    ) from None
                broken = _broken(file, max(last, archive.start))
                if broken is None:
                    # the error is at the end of what can be unpacked
                    break
                fault(Fault(where=f"{name}@{broken}", what=f"is broken: {error}"))
                following = next_member(file, broken + 1)
                if following is None:
                    return
                last = following
                file.seek(following)
                continue
            break
        file = file or archive.open()
        cut = _cut_at_end(file, max(last, archive.start))
        if cut is not None:
            fault(Fault(where=f"{name}@{cut}", what="is cut short: the archive ends inside of this record"))
    except OSError as error:
        raise SettingsError(f"{name}: {error.strerror or error}; name a file that can be read") from None
    finally:
        if file is not None:
            file.close()


def _begins_as_warc(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(_CHUNK_BYTES)
    if head.startswith(GZIP):
        return _opens(head)
    return head.startswith(b"WARC/")


def _opens(member: bytes) -> bool:
    try:
        return zlib.decompressobj(31).decompress(member, 5) == b"WARC/"
    except zlib.error:
        return False


def _broken(file: BinaryIO, start: int) -> int | None:
    """Where the first record begins, from the one at ``start`` on, that cannot be unpacked or read; None where what is
    wrong is the end of the archive."""
    last = None
    file.seek(start)
    with contextlib.suppress(OSError):
        for record in ArchiveIterator(
            file, record_types=WarcRecordType.any_type, parse_http=False, max_header_len=MAX_HEADER_BYTES,
            fsspec_args=False,
        ):  # fmt: skip
            last = record.stream_pos
    if last is None:
        at = start
    else:
        file.seek(last)
        gzipped = file.read(len(GZIP)) == GZIP
        member = member_at(file, last) if gzipped else None
        at = last if gzipped and member is None else _plain_end(file, last) if member is None else member.end
    file.seek(at)
    head = file.read(_CHUNK_BYTES)
    if head.startswith(GZIP):
        # of a member that only lacks its end the end of the archive is to be told
        return at if member_at(file, at) is not None or not _lacks_its_end(file, at) else None
    stop = head.find(_HEADER_END)
    is_cut = b"WARC/".startswith(head[:5]) and (stop < 0 or content_length(head[:stop]) is None)
    return None if not head.strip() or is_cut else at


class Member(NamedTuple):
    """A gzip member: where it ends, how it begins (64 KiB at least, or all), and how long it is when unpacked."""

    end: int
    head: bytes
    length: int


def member_at(file: BinaryIO, start: int) -> Member | None:
    """The gzip member that begins there; None where it is broken or does not end."""
    file.seek(start)
    decoder = zlib.decompressobj(31)
    head, length, at = b"", 0, start
    while not decoder.eof:
        piece = file.read(_CHUNK_BYTES)
        if not piece:
            return None
        try:
            found = decoder.decompress(piece)
        except zlib.error:
            return None
        head = head if len(head) >= _CHUNK_BYTES else head + found
        at += len(piece)
        length += len(found)
    return Member(at - len(decoder.unused_data), head, length)


def _lacks_its_end(file: BinaryIO, start: int) -> bool:
    file.seek(start)
    decoder = zlib.decompressobj(31)
    with contextlib.suppress(zlib.error):
        while piece := file.read(_CHUNK_BYTES):
            decoder.decompress(piece)
        return not decoder.eof
    return False


def _plain_end(file: BinaryIO, start: int) -> int:
    """Where the record ends that begins here in an archive that is not gzipped, as far as it says."""
    file.seek(start)
    head = file.read(_CHUNK_BYTES)
    stop = head.find(_HEADER_END)
    length = content_length(head[: max(stop, 0)])
    if stop < 0 or length is None:
        return start
    at = start + stop + len(_HEADER_END) + length
    file.seek(at)
    return at + (len(_HEADER_END) if file.read(len(_HEADER_END)) == _HEADER_END else 0)


def next_member(file: BinaryIO, start: int) -> int | None:
    """Where the next gzip member begins that holds a record."""
    file.seek(start)
    window = b""
    base = start
    while True:
        piece = file.read(_CHUNK_BYTES)
        window += piece
        found = window.find(GZIP)
        while found >= 0 and (len(window) - found > _CHUNK_BYTES // 2 or not piece):
            if _opens(window[found : found + _CHUNK_BYTES // 2]):
                return base + found
            found = window.find(GZIP, found + 1)
        if not piece:
            return None
        keep = found if found >= 0 else max(0, len(window) - 2)
        base += keep
        window = window[keep:]


def _cut_at_end(file: BinaryIO, last: int) -> int | None:
    """Where the record begins inside of which the archive ends, None where it ends between records. ``last`` is where
    the last record begins that was read."""
    file.seek(last)
    if file.read(3) == GZIP:
        return _cut_member(file, last)
    end = file.seek(0, 2)
    at = last
    while at < end:
        file.seek(at)
        head = file.read(_CHUNK_BYTES)
        if not head.strip():
            return None
        if not head.startswith(b"WARC/"):
            return at if b"WARC/".startswith(head) else None
        stop = head.find(b"\r\n\r\n")
        length = content_length(head[: max(stop, 0)])
        if stop < 0 or length is None or at + stop + 4 + length > end:
            return at
        at += stop + 4 + length
        file.seek(at)
        at += 4 if file.read(4) == b"\r\n\r\n" else 0
    return None


def content_length(head: bytes) -> int | None:
    """What the header of a record says, None where it says nothing."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _cut_member(file: BinaryIO, last: int) -> int | None:
    begins, left = last, b""
    file.seek(last)
    decoder = zlib.decompressobj(31)
    at = last
    while True:
        piece = left or file.read(_CHUNK_BYTES)
        if not piece:
            return None if decoder.eof or at == begins else begins
        try:
            decoder.decompress(piece)
        except zlib.error:
            return None  # fastwarc read past it, so it is no record
        left = decoder.unused_data
        at += len(piece) - len(left)
        if decoder.eof:
            begins = at
            decoder = zlib.decompressobj(31)
