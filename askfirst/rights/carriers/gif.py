"""GIF: XMP in the application extension ``XMP DataXMP`` (XMP part 3, "GIF"), and a C2PA store in ``C2PA_GIF``, which
stands in sub-blocks (C2PA 2.2, its appendix on embedding).

The packet stands there as it is, not in sub-blocks, and a trailer of 258 bytes lets a reader that expects sub-blocks
find the way out. The extension is looked for by its fourteen bytes, and without one a packet by its marks: that is
faster than following the picture's blocks, and a broken picture hides nothing.
"""

from __future__ import annotations

from typing import Final

from askfirst.rights.carriers import C2PA, MOST_BYTES, XMP, Found, scan

_EXTENSION: Final = b"\x21\xff\x0bXMP DataXMP"
_STORE: Final = b"\x21\xff\x0bC2PA_GIF"
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
            found.made(_unblocked(body, start, MOST_BYTES[XMP]))
    at = body.find(_STORE)
    if at >= 0:
        # three bytes of authentication code stand behind the name
        store = _unblocked(body, at + len(_STORE) + 3, MOST_BYTES[C2PA])
        found.spans.append((at, min(len(body), at + len(store) + len(store) // 255)))
        found.made(store, C2PA, cut=len(store) < int.from_bytes(store[:4], "big"))
    if len(found.spans) == before:
        scan.xmp(body, found)
    return body.endswith((b";", b";\0"))


def _unblocked(body: bytes, at: int, most: int) -> bytes:
    """What a writer put into sub-blocks all the same."""
    parts: list[bytes] = []
    for _ in range(most // 255):
        size = body[at] if at < len(body) else 0
        if size == 0:
            break
        parts.append(body[at + 1 : at + 1 + size])
        at += 1 + size
    return b"".join(parts)
