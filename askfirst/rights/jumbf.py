"""JUMBF boxes: ISO/IEC 19566-5, as C2PA 2.2 "Use of JUMBF" has its manifest store.

A box is four bytes of length, four of type, and contents. A superbox (``jumb``) begins with a description (``jumd``:
a UUID for the kind of contents, flags, a label) and then holds content boxes, or superboxes of its own. It knows
nothing of what is in content boxes, and decompresses nothing.

1. Length 1 means that eight bytes of length follow; length 0 means "to the end of what encloses it", at top level and
   last in a superbox.
2. A box that is longer than what encloses it is read to its own end: either length may be the wrong one.
3. house: no more than 10,000 boxes and eight levels are walked. ``cut`` says that there is more, by our bounds or
   because the outermost box is longer than the bytes; ``broken`` that some length or description makes no sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

SUPERBOX: Final = b"jumb"
DESCRIPTION: Final = b"jumd"
_FILES: Final = frozenset({b"bidb", b"jp2c", b"brob"})
MAX_BOXES: Final = 10_000
MAX_DEPTH: Final = 8
_MAX_LABEL_BYTES: Final = 1_024
_LABELLED: Final = 0x02
_HEADER: Final = Struct(">I4s")


class Content(NamedTuple):
    """A content box: its type, and where its contents stand."""

    type: bytes
    start: int
    end: int


class Superbox(NamedTuple):
    """``kind`` is the first four bytes of the UUID, which name it in C2PA; ``start`` is where the box begins."""

    kind: bytes
    label: str
    start: int
    contents: tuple[Content, ...]
    inner: tuple[Superbox, ...]


class Walk(NamedTuple):
    """The outermost superboxes. ``cut``: something may stand beyond; ``broken``: something does not parse."""

    outermost: tuple[Superbox, ...]
    cut: bool
    broken: bool


def walk(body: bytes) -> Walk:
    """The superboxes in these bytes. Never raises."""
    walker = _Walker(body)
    outermost, _ = walker.within(0, len(body), depth=0)
    return Walk(outermost, walker.cut, walker.broken)


def superbox_at(body: bytes, start: int) -> Superbox | None:
    """The superbox that begins there, if one does; what encloses it is not looked at. Never raises."""
    walker = _Walker(body, most=64)
    box = walker.box(start, len(body)) if start >= 0 else None
    return walker.superbox(start, box.start, box.end, depth=1) if box is not None and box.type == SUPERBOX else None


def below(boxes: tuple[Superbox, ...]) -> Iterator[Superbox]:
    """These superboxes and all inside them, in the order of the bytes."""
    for box in boxes:
        yield box
        yield from below(box.inner)


def without_files(body: bytes) -> bytes:
    """The same boxes in the same places, with zeros for the files in them: thumbnails, icons, compressed manifests.
    What is not walked whole, or does not parse, is left as it is. Never raises."""
    walked = walk(body)
    files = [c for box in below(walked.outermost) for c in box.contents if c.type in _FILES]
    if walked.broken or walked.cut or not files:
        return body
    blank = bytearray(body)
    for content in files:
        blank[content.start : content.end] = bytes(content.end - content.start)
    return bytes(blank)


class _Walker:
    __slots__ = ("body", "broken", "cut", "left")

    def __init__(self, body: bytes, *, most: int = MAX_BOXES) -> None:
        self.body = body
        self.left = most
        self.cut = False
        self.broken = False

    def within(self, start: int, end: int, *, depth: int) -> tuple[tuple[Superbox, ...], tuple[Content, ...]]:
        """The superboxes and the content boxes between two places."""
        inner: list[Superbox] = []
        contents: list[Content] = []
        while start < end:
            box = self.box(start, end, outermost=depth == 0)
            if box is None:
                break
            if box.type == SUPERBOX:
                found = self.superbox(start, box.start, box.end, depth=depth)
                if found is not None:
                    inner.append(found)
            else:
                contents.append(box)
            start = box.end
        return tuple(inner), tuple(contents)

    def box(self, start: int, end: int, *, outermost: bool = False) -> Content | None:
        """The box that begins at a place, in something that goes to ``end``."""
        if self.left <= 0:
            self.cut = True
            return None
        self.left -= 1
        if end - start < 8:
            self._ends_early(outermost=outermost and start == 0)
            return None
        length, kind = _HEADER.unpack_from(self.body, start)
        header = 8
        if length == 1:
            header = 16
            if start + header > end and outermost:
                self.cut = True
                return None
            length = int.from_bytes(self.body[start + 8 : start + 16], "big")
        elif length == 0:
            length = end - start
        if length < header or start + header > end:
            self.broken = True
            return None
        if start + length > end:
            self._ends_early(outermost=outermost)
        return Content(kind, start + header, min(start + length, len(self.body)))

    def superbox(self, at: int, start: int, end: int, *, depth: int) -> Superbox | None:
        """The superbox with its contents between two places; None if it is not described."""
        if depth >= MAX_DEPTH:
            self.cut = True
            return None
        box = self.box(start, end)
        if box is None or box.type != DESCRIPTION or box.end - box.start < 17:
            self.broken = True
            return None
        kind = self.body[box.start : box.start + 4]
        label = b""
        if self.body[box.start + 16] & _LABELLED:
            stop = self.body.find(b"\0", box.start + 17, min(box.end, box.start + 17 + _MAX_LABEL_BYTES))
            label = self.body[box.start + 17 : max(stop, box.start + 17)]
            self.broken = self.broken or stop < 0
        inner, contents = self.within(box.end, end, depth=depth + 1)
        return Superbox(kind, label.decode("utf-8", "replace"), at, contents, inner)

    def _ends_early(self, *, outermost: bool) -> None:
        if outermost:
            self.cut = True
        else:
            self.broken = True
