"""XML that strangers wrote, as a tree: lxml, and what keeps it harmless.

The artifact is XML 1.0 with namespaces. It fetches nothing and gives no meaning to what it finds.

1. The encoding is told by the byte order mark or by where the NULs are, never by the declaration: UTF-8, -16 or -32.
2. INVARIANT: nothing is declared and nothing expands. The document is parsed inside an element of ours, where a DOCTYPE
   cannot stand; one without an internal subset is cut away first, one with a subset is a flaw.
3. What can be read of a document that is not well-formed is read, and the flaw is named. The caller must not take
   permissions from it.
4. house: text around the document and several roots are forgiven: packets are cut out of other files, and writers
   append.
5. Of a document of more than 100,000 tags the first MiB is read. One with a namespace name of more than 500 characters
   is not parsed unless it is small: names are handed out in full, and the time would be quadratic. libxml2 keeps the
   depth below 256.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from lxml import etree

_MAX_TAGS: Final = 100_000
_READ_BYTES: Final = 1_048_576
_SMALL_BYTES: Final = 16_384
_OPTIONS: Final = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
}
_STRICT: Final = etree.XMLParser(**_OPTIONS)
_LENIENT: Final = etree.XMLParser(recover=True, **_OPTIONS)

_LONG_NAMESPACE: Final = re.compile(rb"xmlns[^=<>\"']{0,100}+=[ \t\r\n]{0,20}+(?:\"[^\"<]{501}|'[^'<]{501})")
_DECLARATION: Final = re.compile(rb"[^<]{0,1000}+<\?xml[ \t\r\n][^>]{0,1000}+>")
_DOCTYPE: Final = re.compile(rb"<!DOCTYPE[^\[<>]{0,1000}+>")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Element(Protocol):
    """What is used of lxml's elements. ``tag`` is ``{namespace}name``, or no text for what is no element."""

    tag: str
    text: str | None
    tail: str | None

    def __len__(self) -> int: ...
    def iter(self, *tags: str) -> Iterator[Element]: ...
    def keys(self) -> list[str]: ...
    def get(self, key: str) -> str | None: ...
    def getparent(self) -> Element | None: ...
    def iterancestors(self, tag: str) -> Iterator[Element]: ...


@dataclass(frozen=True, slots=True)
class Tree:
    """The element of ours around the document, None if nothing could be read, and what is wrong with it."""

    root: Element | None
    flaw: str | None


def parse(body: bytes) -> Tree:
    """The document as a tree. Never raises on content."""
    flaw: str | None = None
    if b"\0" in body:
        body = decoded(body).encode("utf-8")
    elif body.startswith(codecs.BOM_UTF8):
        body = body[3:]
    if len(body) > _READ_BYTES and body.count(b"<") > _MAX_TAGS:
        body, flaw = body[:_READ_BYTES], f"more than {_MAX_TAGS} tags; only the beginning was read"
    if len(body) > _SMALL_BYTES and _LONG_NAMESPACE.search(body):
        return Tree(None, "a namespace name is too long")
    if declaration := _DECLARATION.match(body):
        body = body[declaration.end() :]
    if b"<!DOCTYPE" in body:
        body = _DOCTYPE.sub(b"", body, count=1)
        if b"<!DOCTYPE" in body:
            flaw = "it declares what it is made of, which is not believed"
    wrapped = b"<_>%b</_>" % body
    try:
        root = etree.fromstring(wrapped, _STRICT)
        return Tree(root, flaw if len(root) else "there is no element in it")
    except etree.XMLSyntaxError as error:
        flaw = flaw or f"not well-formed in line {error.lineno}"
    try:
        return Tree(etree.fromstring(wrapped, _LENIENT), flaw)
    except etree.XMLSyntaxError:
        return Tree(None, "not XML")


def decoded(body: bytes) -> str:
    """The text of a document, by rule 1. What is not in its encoding becomes U+FFFD, and NULs are left out."""
    return body.decode(_encoding(body), "replace").replace("\0", "")


def _encoding(body: bytes) -> str:
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name
    # house: where most of every second, or three of four, bytes are NUL; a packet may begin with spaces
    start = body[:256]
    mostly = [start[n::4].count(0) * 8 > len(start) for n in range(4)]
    if mostly.count(True) == 3:
        return "utf-32-be" if mostly[0] else "utf-32-le"
    if mostly == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if mostly == [True, False, True, False] else "utf-8"
