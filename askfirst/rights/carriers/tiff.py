"""TIFF (TIFF 6.0, BigTIFF), and the EXIF blocks of other containers, which are small TIFFs (Exif 3.0 section 4.5).

XMP is tag 700 of a directory, IPTC-IIM tag 33723, Photoshop's resources tag 34377, a C2PA store tag 52545. Of EXIF the
first directory's Copyright and Artist are read, and nothing else.

1. Directories are followed from one to the next, each once, and a bounded number of entries in all of them together.
   What stands in a later one than the first speaks of a part, a page.
2. house: a TIFF in which no XMP was met is not walked to its end, so that it is scanned: it is the container whose
   structure breaks most silently.
"""

from __future__ import annotations

import struct
from typing import Final

from askfirst.rights.carriers import Found, iptc, scan

_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FIELDS: Final = {0x8298: "EXIF 0x8298 Copyright", 0x013B: "EXIF 0x013B Artist"}
_XMP: Final = 700
_IPTC: Final = 33_723
_PHOTOSHOP: Final = 34_377
_C2PA: Final = 52_545
_TAGS: Final = frozenset({*_FIELDS, _XMP, _IPTC, _PHOTOSHOP, _C2PA})
_MOST_ENTRIES: Final = 16_384
_MOST_DIRECTORIES: Final = 256


def walk(body: bytes, found: Found) -> bool:
    """A TIFF. Whole if it held XMP."""
    before = len(found.spans)
    _directories(body, 0, len(body), found, most=_MOST_DIRECTORIES)
    return len(found.spans) > before


def exif(body: bytes, start: int, stop: int, found: Found) -> None:
    """The rights fields of an EXIF block."""
    _directories(body, start, min(stop, len(body)), found, most=1)


def _directories(body: bytes, base: int, stop: int, found: Found, *, most: int) -> None:
    order = {b"II": "<", b"MM": ">"}.get(body[base : base + 2])
    if order is None or stop - base < 8:
        return
    big = body[base + 2 : base + 4] in {b"\x2b\0", b"\0\x2b"}
    if big and stop - base < 16:
        return
    entry = struct.Struct(f"{order}HHQ8s" if big else f"{order}HHI4s")
    count_format, next_format = (f"{order}Q", f"{order}Q") if big else (f"{order}H", f"{order}I")
    at = struct.unpack_from(next_format, body, base + (8 if big else 4))[0]
    seen: set[int] = set()
    left = _MOST_ENTRIES
    while at and at not in seen and len(seen) < most:
        seen.add(at)
        first = base + at + struct.calcsize(count_format)
        if first > stop:
            return
        count = struct.unpack_from(count_format, body, base + at)[0]
        count = min(count, (stop - first) // entry.size, left)
        left -= count
        for tag, kind, number, value in entry.iter_unpack(body[first : first + count * entry.size]):
            if tag in _TAGS:
                size = number * _SIZES.get(kind, 1)
                if size <= len(value):
                    # the value stands in the entry itself: no packet is that short, and a short field is none
                    _value(tag, value, 0, size, found, part=len(seen) > 1)
                else:
                    place = base + struct.unpack(next_format, value)[0]
                    if place < stop:
                        _value(tag, body, place, min(place + size, stop + 1), found, part=len(seen) > 1)
        after = first + count * entry.size
        if left <= 0 or after + struct.calcsize(next_format) > stop:
            return
        at = struct.unpack_from(next_format, body, after)[0]


def _value(tag: int, body: bytes, start: int, stop: int, found: Found, *, part: bool) -> None:
    if tag in _FIELDS:
        found.field(_FIELDS[tag], body[start : min(stop, start + 8_192)])
    elif tag == _XMP:
        found.packet(body, start, stop, part=part)
    elif tag == _IPTC:
        iptc.fields(found.copy(body, start, min(stop, start + iptc.MOST_BYTES)), found)
    elif tag == _PHOTOSHOP:
        iptc.resources(found.copy(body, start, min(stop, start + iptc.MOST_BYTES)), found)
    elif stop - start >= 8:
        scan.store(body, found, start, stop)
