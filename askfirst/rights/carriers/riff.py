"""RIFF: WebP (RFC 9649 section 2.7) with XMP and EXIF chunks; WAVE and AVI with an ``_PMX`` chunk; all with C2PA.

1. Chunks are followed to the end of the bytes, whatever length the file claims: what stands behind its end was written
   by somebody, too.
2. house: in a chunk that is none of the known ones an XMP packet is looked for by its marks, so that one wrong byte in
   its header silences nobody.
"""

from __future__ import annotations

import struct
from typing import Final

from askfirst.rights.carriers import Found, scan, tiff

_SILENT: Final = frozenset(
    {
        b"VP8 ",
        b"VP8L",
        b"VP8X",
        b"ALPH",
        b"ANIM",
        b"ANMF",
        b"ICCP",
        b"fmt ",
        b"data",
        b"idx1",
        b"JUNK",
        b"LIST",
        b"RIFF",
    }
)
_MOST_CHUNKS: Final = 65_536
_head = struct.Struct("<4sI").unpack_from


def walk(body: bytes, found: Found) -> bool:
    """A RIFF file."""
    at, end = 12, len(body)
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            return at == end or body.count(b"\0", at) == end - at
        kind, size = _head(body, at)
        start = at + 8
        stop = start + size
        at = stop + size % 2
        if kind in {b"XMP ", b"_PMX", b"XMP\0"}:
            found.packet(body, start, stop)
        elif kind == b"EXIF":
            skipped = 6 if body.startswith(b"Exif\0\0", start) else 0
            tiff.exif(body, start + skipped, stop, found)
        elif kind == b"C2PA":
            scan.store(body, found, start, stop)
        elif kind not in _SILENT:
            scan.xmp(body, found, start, stop)
        if stop == end:
            return True
        if stop > end:
            return False
    return False
