"""Boxes (ISO/IEC 14496-12): HEIF and AVIF (ISO/IEC 23008-12), MP4 and MOV, JPEG 2000 and JPEG XL.

XMP is a ``uuid`` box, an item of type ``mime`` in ``meta`` (HEIF, AVIF), ``XMP_`` in ``moov/udta`` (QuickTime), or an
``xml `` box (JPEG XL). EXIF is an item (HEIF) or a box (JPEG XL). A C2PA store is a ``uuid`` box, or a ``jumb`` box.

1. Boxes are followed at the top, and in ``moov`` and ``udta``; nothing else is opened, however deep it goes.
2. The places of items are followed in the file and in ``idat``; one whose bytes stand in other items is remarked.
3. house: in a box that is none of the known ones an XMP packet is looked for by its marks, and in a whole picture that
   holds none, so that one wrong byte in a header silences nobody.
4. A Brotli-compressed box (``brob``) that holds metadata is remarked, and not inflated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from askfirst.rights.carriers import C2PA, MOST_BYTES, XMP, Found, scan, tiff

_XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA_UUID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_SILENT: Final = frozenset(
    {
        b"mdat",
        b"free",
        b"skip",
        b"wide",
        b"moof",
        b"mfra",
        b"sidx",
        b"styp",
        b"pdin",
        b"jxlc",
        b"jxlp",
        b"JXL ",
        b"jP  ",
    }
    | {b"moov", b"udta", b"brob", b"jp2c", b"jp2h"}
)
_MOST_BRANDS_BYTES: Final = 512
_MOST_BOXES: Final = 4_096
_MOST_ITEMS: Final = 8_192
_MOST_EXTENTS: Final = 1_024
_MOST_DEPTH: Final = 3


class _Box(NamedTuple):
    kind: bytes
    start: int
    stop: int


def walk(body: bytes, found: Found) -> bool:
    """A file of boxes."""
    before = len(found.spans)
    whole = _boxes_in(body, 0, len(body), found, 0)
    # a picture is small enough to be looked through; a film is not
    return whole and (len(found.spans) > before or body[8:12] not in {b"avif", b"avis", b"heic", b"heix", b"mif1"})


def _boxes(body: bytes, start: int, stop: int) -> Iterator[_Box]:
    for _ in range(_MOST_BOXES):
        if start + 8 > stop:
            return
        size = int.from_bytes(body[start : start + 4], "big")
        content = start + 8
        if size == 1:
            size = int.from_bytes(body[content : content + 8], "big")
            content += 8
        elif size == 0:
            size = stop - start
        if size < content - start:
            yield _Box(b"", start, stop)
            return
        yield _Box(body[start + 4 : start + 8], content, start + size)
        start += size


def _boxes_in(body: bytes, start: int, stop: int, found: Found, depth: int) -> bool:
    whole = True
    for number, (kind, content, end) in enumerate(_boxes(body, start, stop), start=1):
        whole &= number < _MOST_BOXES
        if kind == b"ftyp":
            whole &= end - content <= _MOST_BRANDS_BYTES
        elif kind == b"uuid":
            _uuid(body, content, end, found)
        elif kind == b"meta":
            _meta(body, content, min(end, stop), found)
        elif kind in {b"moov", b"udta"} and depth < _MOST_DEPTH:
            whole &= _boxes_in(body, content, min(end, stop), found, depth + 1)
        elif kind in {b"XMP_", b"xml "}:
            found.packet(body, content, end)
        elif kind == b"jumb":
            if body.startswith(b"jumdc2pa", content + 4):
                found.packet(body, content - 8, end, C2PA)
        elif kind == b"Exif":
            _exif(body, content, end, found)
        elif kind == b"brob" and body[content : content + 4] in {b"xml ", b"jumb"}:
            found.unreadable("a box of metadata is compressed with Brotli, which is not read")
        elif kind not in _SILENT and depth == 0:
            scan.xmp(body, found, content, end)
        whole &= bool(kind) and end <= stop
    return whole


def _uuid(body: bytes, content: int, end: int, found: Found) -> None:
    if body.startswith(_XMP_UUID, content):
        found.packet(body, content + 16, end)
    elif body.startswith(_C2PA_UUID, content):
        # version and flags, then the purpose, then where the Merkle boxes are
        purpose_end = body.find(b"\0", content + 20, content + 84)
        if purpose_end >= 0 and body[content + 20 : purpose_end] != b"merkle":
            box = body.find(b"jumb", purpose_end, min(end, purpose_end + 24)) - 4
            scan.store(body, found, box if box >= purpose_end else purpose_end + 9, end)
    else:
        scan.xmp(body, found, content, end)


def _exif(body: bytes, start: int, stop: int, found: Found) -> None:
    """Four bytes that say how far away the TIFF structure is, and the structure."""
    tiff.exif(body, start + 4 + int.from_bytes(body[start : start + 4], "big"), stop, found)


# -- items of HEIF and AVIF -------------------------------------------------------------------------------------------


def _meta(body: bytes, start: int, stop: int, found: Found) -> None:
    # a full box in HEIF; in QuickTime a plain one
    if body[start + 4 : start + 8] not in {b"hdlr", b"keys", b"mhdr"}:
        start += 4
    inside: dict[bytes, _Box] = {}
    for box in _boxes(body, start, stop):
        inside.setdefault(box.kind, box)
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    wanted = dict(_items(body, inside[b"iinf"], min(stop, inside[b"iinf"].stop), found))
    idat = inside.get(b"idat")
    for item, method, extents in _places(body, inside[b"iloc"], stop, wanted):
        if method > 1 or (method == 1 and idat is None):
            found.unreadable("an item of metadata in a HEIF file stands in other items")
            continue
        base = idat.start if method == 1 and idat is not None else 0
        places = [(base + a, len(body) if b == 0 else base + a + b) for a, b in extents]
        _item(body, wanted[item], places, found)


def _item(body: bytes, kind: bytes, places: list[tuple[int, int]], found: Found) -> None:
    if kind == b"Exif":
        if places:
            _exif(body, *places[0], found)
    elif len(places) == 1:
        found.packet(body, *places[0])
    else:
        parts: list[bytes] = []
        left = MOST_BYTES[XMP]
        for start, stop in places:
            parts.append(found.copy(body, start, min(stop, start + left)))
            left -= len(parts[-1])
        packet = b"".join(parts)
        if found.made(packet, cut=len(packet) < sum(stop - start for start, stop in places)):
            found.spans.extend(places)


def _items(body: bytes, iinf: _Box, stop: int, found: Found) -> Iterator[tuple[int, bytes]]:
    """The items that may speak of rights, by their numbers."""
    wide = body[iinf.start : iinf.start + 1] not in {b"\0", b""}
    for number, entry in enumerate(_boxes(body, iinf.start + (8 if wide else 6), stop)):
        if entry.kind != b"infe" or number >= _MOST_ITEMS:
            continue
        version = body[entry.start] if entry.start < stop else 0
        id_size = 4 if version == 3 else 2
        at = entry.start + 4 + id_size + 2
        kind = body[at : at + 4]
        item = int.from_bytes(body[entry.start + 4 : entry.start + 4 + id_size], "big")
        if kind == b"Exif":
            yield item, kind
        elif kind == b"mime":
            words = body[at + 4 : min(entry.stop, at + 260)].split(b"\0")
            if len(words) > 1 and words[1].lower() == b"application/rdf+xml":
                if len(words) > 2 and words[2]:
                    found.unreadable("the XMP of a HEIF file is compressed, and not read")
                else:
                    yield item, kind


def _places(
    body: bytes, iloc: _Box, stop: int, wanted: dict[int, bytes]
) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Where the wanted items are: number, construction method, (offset, length) of each part."""
    at, end = iloc.start, min(iloc.stop, stop)

    def take(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(body[at - size : min(at, end)], "big")

    version = take(4) >> 24
    sizes = take(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    count = take(4 if version == 2 else 2)
    left = _MOST_EXTENTS
    for _ in range(min(count, _MOST_ITEMS)):
        if at >= end or left <= 0:
            return
        item = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size)
        extents: list[tuple[int, int]] = []
        number = take(2)
        each = (index_size if version else 0) + offset_size + length_size
        if item not in wanted:
            at += number * each
            continue
        left -= number
        for _ in range(min(number, _MOST_EXTENTS)):
            if at >= end:
                break
            if version:
                take(index_size)
            offset = base + take(offset_size)
            length = take(length_size)
            if at <= end:
                extents.append((offset, length))
        yield item, method, extents
