"""PNG (third edition): XMP in iTXt ``XML:com.adobe.xmp``, EXIF in eXIf, a C2PA store in caBX, and the texts
``Copyright`` and ``Author``.

1. Chunks are followed to IEND, wherever metadata stands: before or behind the picture. Checksums are not checked.
2. ImageMagick's ``Raw profile type …`` texts hold the same things in hexadecimal, and are read.
3. house: in a chunk that is none of the known ones an XMP packet is looked for by its marks, so that one wrong byte in
   its header silences nobody.
"""

from __future__ import annotations

import binascii
import struct
from typing import Final

from askfirst.rights.carriers import Found, iptc, is_markup, scan, tiff

_SILENT: Final = frozenset(
    {
        b"IHDR",
        b"IDAT",
        b"PLTE",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"tRNS",
        b"pHYs",
        b"fdAT",
        b"fcTL",
        b"acTL",
        b"tIME",
    }
)
_TEXTS: Final = {b"Copyright": "PNG Copyright", b"Author": "PNG Author"}
_XMP: Final = b"XML:com.adobe.xmp"
_RAW: Final = b"Raw profile type "
_MOST_CHUNKS: Final = 65_536
_head = struct.Struct(">I4s").unpack_from


def walk(body: bytes, found: Found) -> bool:
    """A PNG."""
    at, end = 8, len(body) - 8
    for _ in range(_MOST_CHUNKS):
        if at > end:
            return False
        size, kind = _head(body, at)
        start = at + 8
        at = start + size + 4
        if kind in _SILENT:
            continue
        if kind == b"IEND":
            return True
        stop = start + size
        if kind in {b"iTXt", b"tEXt", b"zTXt"}:
            _text(body, kind, start, stop, found)
        elif kind == b"eXIf":
            tiff.exif(body, start, stop, found)
        elif kind == b"caBX":
            scan.store(body, found, start, stop)
        else:
            scan.xmp(body, found, start, stop)
    return False


def _text(body: bytes, kind: bytes, start: int, stop: int, found: Found) -> None:
    """A chunk of text: keyword, how it is compressed, and the words."""
    end = body.find(b"\0", start, min(stop, start + 80))
    keyword = body[start:end] if end >= 0 else b""
    words = end + 1
    compressed = kind == b"zTXt"
    if kind == b"zTXt":
        words += 1
    elif kind == b"iTXt":
        compressed = body[words : words + 1] == b"\x01"
        words = body.find(b"\0", words + 2, stop) + 1
        words = body.find(b"\0", words, stop) + 1 if words else 0
    known = keyword in _TEXTS or keyword == _XMP or keyword.startswith(_RAW)
    if not known or not words:
        scan.xmp(body, found, start, stop)
    elif keyword == _XMP and not compressed:
        found.packet(body, words, stop)
    elif compressed:
        value, whole = found.inflate(body, words, stop)
        if not value and keyword == _XMP and is_markup(body[words : words + 64]):
            found.packet(body, words, stop)  # only the flag says that it is compressed
        elif not value and keyword not in _TEXTS:
            found.unreadable(f"the compressed text of PNG {keyword.decode('ascii', 'replace')} cannot be inflated")
        _known(keyword, value, found, utf8=kind == b"iTXt", cut=not whole)
    else:
        _known(keyword, body[words : min(stop, words + iptc.MOST_BYTES)], found, utf8=kind == b"iTXt", cut=False)


def _known(keyword: bytes, value: bytes, found: Found, *, utf8: bool, cut: bool) -> None:
    if keyword == _XMP:
        found.made(value, cut=cut)
    elif keyword in _TEXTS:
        found.field(_TEXTS[keyword], value, "utf-8" if utf8 else None)
    else:
        _raw_profile(keyword[len(_RAW) :], value, found, cut=cut)


def _raw_profile(name: bytes, value: bytes, found: Found, *, cut: bool) -> None:
    """A line with the name, a line with the length, and hexadecimal digits."""
    digits = b"".join(value.split()[2:])
    try:
        profile = binascii.unhexlify(digits[: len(digits) & ~1])
    except binascii.Error:
        found.unreadable("a raw profile of PNG is not hexadecimal")
        return
    if name == b"xmp":
        found.made(profile, cut=cut)
    elif name == b"iptc":
        block = profile.removeprefix(b"Photoshop 3.0\0")
        iptc.resources(block, found)
        iptc.fields(block, found)
    elif name in {b"exif", b"APP1"}:
        if profile.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            found.made(profile[29:], cut=cut)
        else:
            tiff.exif(profile.removeprefix(b"Exif\0\0"), 0, len(profile), found)
