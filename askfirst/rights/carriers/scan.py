"""XMP and C2PA in bytes of any sort: by the marks that they begin and end with (XMP part 3, "packet scanning").

For works without a walker, for works whose structure is broken, and for SVG, whose metadata stands in its text. It
knows nothing of containers, so it cannot see what is compressed or in pieces.

1. A packet begins with its ``xpacket`` instruction or its ``xmpmeta`` element and ends with the like, at most a
   mebibyte later and before another one begins. house: one without an end goes as far as its text does, and is cut.
2. UTF-16 and UTF-32 are seen by the mark of the instruction.
3. A C2PA store begins with a JUMBF box of its own type (ISO/IEC 19566-5), wherever that stands.
4. What is found by its marks may be of a part of the work. Only where the work is XML throughout, a sidecar or an SVG,
   it is taken for what the work says of itself.
5. house: RDF in SVG that is not XMP (``rdf:RDF`` in ``metadata``) is handed out inside an ``xmpmeta`` element, which
   binds the prefixes that the ``svg`` element bound.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import re
from typing import Final

from askfirst.rights.carriers import C2PA, MOST_BYTES, XMP, Found, is_markup

_BEGIN: Final = re.compile(rb"<(?:\?xpacket[ \t\r\n]++begin|x:x[am]pmeta)")
_END: Final = re.compile(rb"<\?xpacket[ \t\r\n]++end[^?>]{0,20}+\?>")
_META_END: Final = re.compile(rb"</x:x[am]pmeta[ \t\r\n]*+>")
_NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# in either byte order these stand in the instruction that begins a packet
_WIDE: Final = ((b"x\0p\0a\0c\0k\0e\0t\0 \0b", 2), (b"x\0\0\0p\0\0\0a\0\0\0c\0\0\0k\0\0\0e\0\0\0t\0\0\0 \0\0\0b", 4))
_STORE: Final = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
MOST_FINDS: Final = 64
_SVG_BEGINS_WITHIN: Final = 16_384
_MOST: Final = MOST_BYTES[XMP]


class _Taken:
    """What a walker has handed out already."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def until(self, at: int) -> int:
        """The end of what holds ``at``; ``at`` itself if nothing does."""
        index = bisect.bisect_right(self._starts, at) - 1
        return max(at, self._ends[index]) if index >= 0 else at


_NOTHING_TAKEN: Final = _Taken([])


def walk(body: bytes, found: Found) -> bool:
    """Everything that can be seen in the bytes, but for what a walker has seen before. Never whole: what it does not
    see, it does not know of."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"} and b"s\0v\0g" in body[:_SVG_BEGINS_WITHIN]:
        body = body[:_MOST].decode("utf-16", "ignore").encode("utf-8", "ignore")
    taken = _Taken(found.spans)
    part = not is_markup(body)
    xmp(body, found, taken=taken, part=part)
    wide_xmp(body, found, taken, part=part)
    c2pa(body, found, taken)
    if b"<svg" in body[:_SVG_BEGINS_WITHIN]:
        _rdf(body, found)
        _c2pa_in_svg(body, found)
    return False


def xmp(
    body: bytes,
    found: Found,
    start: int = 0,
    stop: int | None = None,
    taken: _Taken = _NOTHING_TAKEN,
    *,
    part: bool = True,
) -> None:
    """Packets in UTF-8."""
    stop = len(body) if stop is None else min(stop, len(body))
    for _ in range(MOST_FINDS):
        begun = _BEGIN.search(body, start, stop)
        if begun is None:
            return
        start = taken.until(begun.start())
        if start == begun.start():
            start = _packet(body, found, start, stop, part=part)
    if _BEGIN.search(body, start, stop) is not None:
        found.unreadable(f"more than {MOST_FINDS} XMP packets by their marks; no further ones were looked for")


def _packet(body: bytes, found: Found, start: int, stop: int, *, part: bool) -> int:
    """The packet at ``start``; where to look on."""
    limit = min(stop, start + _MOST)
    instruction = body.startswith(b"<?", start)
    inner = _BEGIN.search(body, start + 2, limit)
    if instruction and inner is not None and body.startswith(b"<x", inner.start()):
        inner = _BEGIN.search(body, inner.end(), limit)
    if inner is not None:
        limit = inner.start()
    ended = (_END.search(body, start, limit) if instruction else None) or _META_END.search(body, start, limit)
    if ended is not None:
        found.packet(body, start, ended.end(), part=part)
        return ended.end()
    foreign = _NO_TEXT.search(body, start, limit)
    end = limit if foreign is None else foreign.start()
    found.packet(body, start, end, whole=False, part=part)
    if stop == len(body):
        found.spans.append((start, end))
    return end


def wide_xmp(body: bytes, found: Found, taken: _Taken, *, part: bool) -> None:
    """Packets in UTF-16 and UTF-32."""
    for mark, width in _WIDE:
        start = 0
        for _ in range(MOST_FINDS):
            at = body.find(mark, start)
            if at < 0:
                break
            start = _wide_packet(body, found, at, width, taken, part=part)


def _wide_packet(body: bytes, found: Found, at: int, width: int, taken: _Taken, *, part: bool) -> int:
    """The packet whose mark is at ``at``; where to look on."""
    # the byte order mark that is the value of "begin" tells the order; without one, the zero in front of the "<"
    told = body.find(b"\xfe\xff", at, at + 20 * width) >= 0
    marked = told or body.find(b"\xff\xfe", at, at + 20 * width) >= 0
    big = told if marked else body[max(0, at - 2 * width - 1) : at].startswith(b"\0")
    encoding = f"utf-{width * 8}-{'be' if big else 'le'}"
    begin = at - 2 * width - (width - 1 if big else 0)
    if begin < 0 or not body.startswith("<?".encode(encoding), begin):
        return at + width
    if taken.until(begin) > begin:
        return max(at + width, taken.until(begin))
    limit = begin + _MOST
    end = body.find("<?xpacket end".encode(encoding), begin, limit)
    close = -1 if end < 0 else body.find("?>".encode(encoding), end, end + 64 * width)
    last = "?>".encode(encoding)
    if close < 0:
        last = "</x:xmpmeta>".encode(encoding)
        close = body.find(last, begin, limit)
    stop = close + len(last) if close >= 0 else min(limit, len(body))
    found.packet(body, begin, stop, whole=close >= 0, part=part)
    return max(at + width, stop)


def c2pa(body: bytes, found: Found, taken: _Taken) -> None:
    """C2PA stores in one piece."""
    start = 0
    for _ in range(MOST_FINDS):
        mark = body.find(_STORE, start)
        if mark < 0:
            return
        start, at = mark + len(_STORE), mark - 12
        if at >= 0 and body.startswith(b"jumb", at + 4) and taken.until(at) == at:
            store(body, found, at, len(body))


def store(body: bytes, found: Found, at: int, stop: int) -> None:
    """The C2PA store whose JUMBF box is at ``at``, in something that goes to ``stop``."""
    size = int.from_bytes(body[at : at + 4], "big")
    if size == 1:
        size = int.from_bytes(body[at + 8 : at + 16], "big")
    end = at + size if size >= 8 else stop
    found.packet(body, at, min(end, stop), C2PA, whole=end <= stop)


# -- SVG --------------------------------------------------------------------------------------------------------------

_BOUND: Final = re.compile(
    rb"\bxmlns:[A-Za-z_][\w.-]*+[ \t\r\n]*+=[ \t\r\n]*+(?:\"[^\"<>&]{1,300}+\"|'[^'<>&]{1,300}+')"
)
_MANIFEST: Final = re.compile(rb"<c2pa:manifest[^>]{0,300}+>([A-Za-z0-9+/=\s]*+)<")


def _rdf(body: bytes, found: Found) -> None:
    """RDF in an SVG that no packet holds."""
    start = 0
    for _ in range(4):
        start = body.find(b"<rdf:RDF", start)
        if start < 0:
            return
        end = body.find(b"</rdf:RDF>", start, start + _MOST - 8192)
        if not any(a <= start < b for a, b in found.spans):
            limit = end + 10 if end >= 0 else start + _MOST - 8192
            root = body.find(b"<svg")
            own = {name.partition(b"=")[0].strip() for name in _BOUND.findall(body, start, body.find(b">", start) + 1)}
            around: dict[bytes, bytes] = {b"xmlns:x": b'xmlns:x="adobe:ns:meta/"'}
            for name in _BOUND.findall(body, root, min(start, root + 65_536))[:40]:
                around.setdefault(name.partition(b"=")[0].strip(), name)
            bound = b" ".join(name for prefix, name in around.items() if prefix not in own)
            inner = body[start:limit]
            found.made(b"<x:xmpmeta " + bound + b">" + inner + b"</x:xmpmeta>", cut=end < 0)
        start += 8


def _c2pa_in_svg(body: bytes, found: Found) -> None:
    held = _MANIFEST.search(body)
    if held is None:
        return
    try:
        manifest = base64.b64decode(held[1][: MOST_BYTES[C2PA] * 4 // 3])
    except binascii.Error:
        found.unreadable("c2pa:manifest is not base64")
        return
    found.made(manifest, C2PA)
