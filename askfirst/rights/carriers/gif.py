"""GIF: XMP in the application extension ``XMP DataXMP`` (XMP part 3, "GIF").

The packet stands there as it is, not in sub-blocks, and a trailer of 258 bytes lets a reader that expects sub-blocks
find the way out. The extension is looked for by its fourteen bytes, and without one a packet by its marks: that is
faster than following the picture's blocks, and a broken picture hides nothing.
"""

from __future__ import annotations

from typing import Final

from askfirst.rights.carriers import MOST_BYTES, XMP, Found, scan

_EXTENSION: Final = b"\x21\xff\x0bXMP DataXMP"
_TRAILER: Final = b"\x01\xff\xfe\xfd\xfc"
_MOST_EXTENSIONS: Final = 8


def walk(body: bytes, found: Found) -> bool:
    """A GIF. Whole if it ends as one does."""
    start, before = 0, len(found.spans)
    for _ in range(_MOST_EXTENSIONS):
        at = body.find(_EXTENSION, start)
        if at < 0:
            break
        start = at + len(_EXTENSION)
        end = body.find(_TRAILER, start, start + MOST_BYTES[XMP])
        if end >= 0:
            found.packet(body, start, end)
            start = end
        elif body[start : start + 1] != b"<":
            found.made(_unblocked(body, start))
    if len(found.spans) == before:
        scan.xmp(body, found)
    return body.endswith((b";", b";\0"))


def _unblocked(body: bytes, at: int) -> bytes:
    """What a writer put into sub-blocks all the same."""
    parts: list[bytes] = []
    for _ in range(MOST_BYTES[XMP] // 255):
        size = body[at] if at < len(body) else 0
        if size == 0:
            break
        parts.append(body[at + 1 : at + 1 + size])
        at += 1 + size
    return b"".join(parts)
