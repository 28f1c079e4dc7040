"""JPEG: XMP and EXIF in APP1, IPTC-IIM in APP13, a C2PA store in APP11 (XMP part 3; ISO/IEC 19566-5 annex D).

1. Segments are followed up to the first scan of the picture: metadata stands before it.
2. Extended XMP is put together by its GUID and the offsets of its portions. house: its MD5 is not checked. One
   that the standard packet does not name may be of another state of the work: it refuses, and is marked as of a part.
3. A JUMBF box is put together by its instance number and sequence; of JUMBF only a C2PA store is handed out.
4. house: in a segment that is none of these an XMP packet is looked for by its marks, so that one wrong byte in its
   header silences nobody.
"""

from __future__ import annotations

import struct
from typing import Final

from askfirst.rights.carriers import C2PA, MOST_BYTES, XMP, Found, iptc, scan, tiff

_STANDARD: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION: Final = b"http://ns.adobe.com/xmp/extension/\0"
_EXIF: Final = b"Exif\0\0"
_EXIF_AGAIN: Final = b"Exif\0\xff"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_MOST_SEGMENTS: Final = 20_000
_MOST_ASSEMBLED: Final = 8
_LEAST_PACKET: Final = 128
_head = struct.Struct(">BBH").unpack_from

Portions = dict[bytes, list[tuple[int, int, int, int]]]
"""By GUID or box: (offset or sequence, start, stop, declared length)."""


def walk(body: bytes, found: Found) -> bool:
    """A JPEG."""
    extended: Portions = {}
    boxes: Portions = {}
    standard: list[tuple[int, int]] = []
    photoshop: list[bytes] = []
    whole = _segments(body, found, standard, extended, boxes, photoshop)
    for guid, portions in extended.items():
        _extended_xmp(
            body, portions, found, named=any(body.find(guid, *span) >= 0 for span in standard[:_MOST_ASSEMBLED])
        )
    for portions in boxes.values():
        _store(body, portions, found)
    if photoshop:
        iptc.resources(b"".join(photoshop)[: iptc.MOST_BYTES], found)
    return whole


def _segments(
    body: bytes,
    found: Found,
    standard: list[tuple[int, int]],
    extended: Portions,
    boxes: Portions,
    photoshop: list[bytes],
) -> bool:
    at, end = 2, len(body) - 4
    for _ in range(_MOST_SEGMENTS):
        if at > end:
            return False
        fill, marker, size = _head(body, at)
        if fill != 0xFF:
            return False
        if marker in {0xDA, 0xD9}:
            return True
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        start, at = at + 4, at + 2 + size
        if size < 2:
            return False
        if marker == 0xE1 and body.startswith(_STANDARD, start):
            found.packet(body, start + len(_STANDARD), at)
            standard.append((start, at))
        elif marker == 0xE1 and body.startswith(_EXTENSION, start):
            _portion(body, start + len(_EXTENSION), at, extended, found)
        elif marker == 0xE1 and body.startswith((_EXIF, _EXIF_AGAIN), start):
            tiff.exif(body, start + 6, at, found)
        elif marker == 0xED and body.startswith(_PHOTOSHOP, start):
            photoshop.append(body[start + len(_PHOTOSHOP) : at])
        elif marker == 0xEB and body.startswith(b"JP", start):
            _part_of_box(body, start, at, boxes, found)
        elif size > _LEAST_PACKET and body.find(b"xmpmeta", start, at) >= 0:
            scan.xmp(body, found, start, at)
    return False


def _portion(body: bytes, start: int, stop: int, extended: Portions, found: Found) -> None:
    if start + 40 > min(stop, len(body)):
        return
    guid = body[start : start + 32]
    if guid not in extended and len(extended) >= _MOST_ASSEMBLED:
        found.unreadable(
            f"more than {_MOST_ASSEMBLED} extended XMP packets in a JPEG, and no further ones put together"
        )
        return
    length, offset = struct.unpack_from(">II", body, start + 32)
    extended.setdefault(guid, []).append((offset, start + 40, min(stop, len(body)), length))
    found.spans.append((start, stop))


def _extended_xmp(body: bytes, portions: list[tuple[int, int, int, int]], found: Found, *, named: bool) -> None:
    packet, length = _joined(body, portions, MOST_BYTES[XMP])
    found.made(packet, cut=len(packet) != length, part=not named)


def _joined(body: bytes, portions: list[tuple[int, int, int, int]], most: int) -> tuple[bytes, int]:
    """Portions by their offsets, as far as there is no gap, and the length that was declared."""
    parts: list[bytes] = []
    size = 0
    for offset, start, stop, _ in sorted(portions):
        if offset > size or size >= most:
            break
        parts.append(body[start + size - offset : min(stop, start + most - offset)])
        size += len(parts[-1])
    return b"".join(parts), max(length for _, _, _, length in portions)


def _part_of_box(body: bytes, start: int, stop: int, boxes: Portions, found: Found) -> None:
    # common identifier, instance number, sequence, then the header of the box again
    if start + 16 > min(stop, len(body)) or not body.startswith(b"jumb", start + 12):
        return
    instance, sequence, length = struct.unpack_from(">HII", body, start + 2)
    key = instance.to_bytes(2, "big")
    if key in boxes or len(boxes) < _MOST_ASSEMBLED:
        boxes.setdefault(key, []).append((sequence, start + 8, min(stop, len(body)), length))
        found.spans.append((start, stop))


def _store(body: bytes, portions: list[tuple[int, int, int, int]], found: Found) -> None:
    most = MOST_BYTES[C2PA]
    _, first, _, length = min(portions)
    header = 16 if length == 1 else 8
    if length == 1:
        length = int.from_bytes(body[first + 8 : first + 16], "big")
    parts = [body[first : first + header]]
    size, expected = header, None
    for sequence, start, stop, _ in sorted(portions):
        if (expected is not None and sequence != expected) or size >= most:
            break
        expected = sequence + 1
        parts.append(body[start + header : min(stop, start + header + most - size)])
        size += len(parts[-1])
    box = b"".join(parts)
    if box[12:20] == b"jumdc2pa":
        found.made(box, C2PA, cut=length not in {0, len(box)})
