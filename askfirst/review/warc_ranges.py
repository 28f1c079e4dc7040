"""Web archives in ranges, so that several processes read one at the same time and find what one process would.

1. A range begins where a gzip member, or in an archive that is not gzipped a record, seems to begin. That is a guess: a
   response may hold a web archive.
2. INVARIANT: a range is taken only if reading it came to an end exactly where the next one begins, with every byte
   between its last record and there belonging to whole records. By induction from the beginning of the archive, each
   beginning is then one at which a single reader would have arrived, too. Where that does not hold, the range is read
   again, together with those after it (``warc_workers``).
3. house: members of zips are not cut.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from askfirst.review.codings import GZIP
from askfirst.review.warc_records import Archive, content_length, member_at, next_member

RANGE_BYTES: Final = 4 * 1_048_576
_CHUNK_BYTES: Final = 65_536
_HEADER_END: Final = b"\r\n\r\n"
_RECORD: Final = b"WARC/1."


def cut(archive: Archive, range_bytes: int) -> list[Archive]:
    """The archive in ranges of about so many bytes, one after the other; itself where it cannot be cut, or is no
    file that can be read."""
    if archive.member is not None or archive.size_bytes < 2 * range_bytes:
        return [archive]
    begins = [0]
    try:
        with archive.open() as file:
            gzipped = file.read(len(GZIP)) == GZIP
            while begins[-1] + range_bytes < archive.size_bytes:
                wanted = begins[-1] + range_bytes
                found = next_member(file, wanted) if gzipped else _next_record(file, wanted)
                if found is None:
                    break
                begins.append(found)
    except OSError:
        return [archive]  # whoever reads it says why
    return [span(archive, begin, end) for begin, end in zip(begins, [*begins[1:], None], strict=True)]


def span(archive: Archive, start: int, end: int | None) -> Archive:
    """A range of an archive."""
    whole = archive.start + archive.size_bytes
    return archive._replace(start=start, end=end, size_bytes=(whole if end is None else end) - start)


def _next_record(file: BinaryIO, start: int) -> int | None:
    """Where the next record seems to begin in an archive that is not gzipped."""
    file.seek(start)
    wanted = _HEADER_END + _RECORD
    held, base = b"", start
    while piece := file.read(_CHUNK_BYTES):
        held += piece
        at = held.find(wanted)
        if at >= 0:
            return base + at + len(_HEADER_END)
        keep = max(0, len(held) - len(wanted) + 1)
        base += keep
        held = held[keep:]
    return None


def reaches_its_end(part: Archive, last: int | None) -> bool:
    """Whether whole records, and nothing else, stand from ``last``, where the last one begins that was read, to the end
    of the range."""
    if part.end is None:
        return True
    at = part.start if last is None else last
    with part.open() as file:
        file.seek(at)
        gzipped = file.read(len(GZIP)) == GZIP
        while at < part.end:
            following = _after_member(file, at) if gzipped else _after_record(file, at)
            if following is None:
                return False
            at = following
    return at == part.end


def _after_member(file: BinaryIO, start: int) -> int | None:
    """Where the gzip member ends that holds the whole of a record, or of several; None where it does not."""
    member = member_at(file, start)
    ends = None if member is None else _ends(member.head)
    return None if member is None or ends is None or ends > member.length else member.end


def _after_record(file: BinaryIO, start: int) -> int | None:
    """Where the record ends that begins here, in an archive that is not gzipped, with what parts it from the next."""
    file.seek(start)
    ends = _ends(file.read(_CHUNK_BYTES))
    if ends is None:
        return None
    file.seek(start + ends)
    return start + ends + len(_HEADER_END) if file.read(len(_HEADER_END)) == _HEADER_END else None


def _ends(head: bytes) -> int | None:
    """How long a record is that begins so, None for what is none."""
    stop = head.find(_HEADER_END)
    length = content_length(head[: max(stop, 0)])
    if not head.startswith(_RECORD) or stop < 0 or length is None:
        return None
    return stop + len(_HEADER_END) + length
