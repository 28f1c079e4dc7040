"""EPUB (EPUB 3.3, EPUB 2.0.1): the package document that ``META-INF/container.xml`` names (OCF section 4.2.6.3.1).

Of any other ZIP nothing is read. ``META-INF/rights.xml`` has no defined contents, and is ignored.

1. The central directory (APPNOTE 4.3.12) says where files are; without one, as in a file that was cut, their own
   headers do. A name is looked for as bytes, so that the number of files costs nothing.
2. A book with several package documents speaks through each of them. house: of more than 24 that is remarked, and a
   path that only differs in spelling (``./x``, ``/x``, ``\\``, escapes) is found.
3. What is encrypted, or compressed in another way than by deflate, is remarked.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Iterator
from posixpath import normpath
from typing import Final, NamedTuple
from urllib.parse import unquote

from askfirst.rights.carriers import MOST_BYTES, OPF, Found, decoded

_CONTAINER: Final = b"META-INF/container.xml"
_ROOTFILE: Final = re.compile(r"\bfull-path\s*+=\s*+(?:\"([^\"<>]{1,1000}+)\"|'([^'<>]{1,1000}+)')")
_MIMETYPE: Final = b"mimetypeapplication/epub+zip"
_CENTRAL: Final = b"PK\x01\x02"
_LOCAL: Final = b"PK\x03\x04"
_END: Final = b"PK\x05\x06"
_MOST_FILES: Final = 4
_MOST_PACKAGES: Final = 24
_BEGINS_WITHIN: Final = 1_024
_MOST_HITS: Final = 64
_MOST_CONTAINER_BYTES: Final = 65_536


class _File(NamedTuple):
    encrypted: bool
    method: int
    start: int
    stop: int


def walk(body: bytes, found: Found) -> bool:
    """A ZIP. Whole unless it says that it is an EPUB and no container was met."""
    paths: dict[str, None] = {}
    for file in _files(body, _CONTAINER):
        text, _ = _content(body, file, found, _MOST_CONTAINER_BYTES, "META-INF/container.xml")
        words = decoded(text, "utf-16" if text.startswith((b"\xff\xfe", b"\xfe\xff")) else None)
        for double, single in _ROOTFILE.findall(words):
            paths[html.unescape(double or single)] = None
    if len(paths) > _MOST_PACKAGES:
        found.unreadable(f"an EPUB of {len(paths)} package documents: only {_MOST_PACKAGES} were read")
    for path in list(paths)[:_MOST_PACKAGES]:
        files = next((files for name in _spellings(path) if (files := list(_files(body, name)))), [])
        for file in files:
            package, whole = _content(body, file, found, MOST_BYTES[OPF], "the package document")
            found.made(package, OPF, cut=not whole)
        if not files:
            found.unreadable("the package document of an EPUB is not where its container says")
    return bool(paths) or not begins(body)


def begins(body: bytes) -> bool:
    """Whether an EPUB begins there, whatever stands in front of it."""
    return body.find(_MIMETYPE, 30, _BEGINS_WITHIN) >= 0


def _spellings(path: str) -> dict[bytes, None]:
    """The names that a file may have which is called so."""
    plain = normpath(unquote(path).replace("\\", "/")).lstrip("/")
    return dict.fromkeys(name.encode("utf-8", "replace") for name in (path, unquote(path), plain))


def _content(body: bytes, file: _File, found: Found, most: int, name: str) -> tuple[bytes, bool]:
    """A file's bytes, and whether they are whole."""
    if file.encrypted:
        found.unreadable(f"{name} of an EPUB is encrypted")
        return b"", False
    if file.method == 0:
        content = body[file.start : min(file.stop, file.start + most)]
        return content, len(content) == file.stop - file.start
    if file.method != 8:
        found.unreadable(f"{name} of an EPUB is compressed by method {file.method}, which is not read")
        return b"", False
    content, whole = found.inflate(body, file.start, file.stop, most=most, bits=-15)
    if not content:
        found.unreadable(f"{name} of an EPUB cannot be inflated")
    return content, whole


def _files(body: bytes, name: bytes) -> Iterator[_File]:
    """The files of that name, the first few."""
    directory = _directory(body)
    entries = [] if directory is None else list(_named(body, name, 46, *directory))
    yield from entries or _named(body, name, 30, 0, 0)


def _named(body: bytes, name: bytes, header_bytes: int, start: int, shift: int) -> Iterator[_File]:
    """The files whose name stands behind a header of so many bytes."""
    yielded = 0
    for _ in range(_MOST_HITS):
        at = body.find(name, start)
        if at < 0 or yielded >= _MOST_FILES:
            return
        start = at + max(1, len(name))
        entry = at - header_bytes
        file = _by_local_header(body, entry, name) if header_bytes == 30 else _by_entry(body, entry, name, shift)
        if file is not None:
            yielded += 1
            yield file


def _directory(body: bytes) -> tuple[int, int] | None:
    """Where the central directory starts, and how far its offsets are off."""
    end = body.rfind(_END, max(0, len(body) - 65_557))
    if end < 0 or end + 22 > len(body):
        return None
    size, offset = struct.unpack_from("<II", body, end + 12)
    start = end - size
    if start < 0 or not body.startswith(_CENTRAL, start):
        return None
    return start, start - offset


def _by_entry(body: bytes, at: int, name: bytes, shift: int) -> _File | None:
    if at < 0 or not body.startswith(_CENTRAL, at):
        return None
    flags, method = struct.unpack_from("<HH", body, at + 8)
    size, _, name_length = struct.unpack_from("<IIH", body, at + 20)
    local = struct.unpack_from("<I", body, at + 42)[0] + shift
    if name_length != len(name) or local < 0 or not body.startswith(_LOCAL, local) or local + 30 > len(body):
        return None
    lengths = struct.unpack_from("<HH", body, local + 26)
    start = local + 30 + sum(lengths)
    return _File(bool(flags & 1), method, start, start + size)


def _by_local_header(body: bytes, at: int, name: bytes) -> _File | None:
    if at < 0 or not body.startswith(_LOCAL, at):
        return None
    flags, method = struct.unpack_from("<HH", body, at + 6)
    size, _, name_length, extra_length = struct.unpack_from("<IIHH", body, at + 18)
    if name_length != len(name):
        return None
    start = at + 30 + name_length + extra_length
    if flags & 8 and not size:  # the size stands behind the file
        size = len(body) - start if method == 8 else max(0, body.find(b"PK\x07\x08", start) - start)
    return _File(bool(flags & 1), method, start, start + size)
