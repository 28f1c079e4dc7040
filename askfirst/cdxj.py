"""CDXJ: where each response of a WARC file is, in the order in which archives look things up.

What this module does not do: know what the records mean, or compare URLs (``askfirst.addresses`` does).

1. A line is a key, 14 digits of time and a JSON object. It is made of the file alone and can be made again at any time.
2. The key is what pywb looks up: the URL by the rules of the Internet Archive (its package surt, and the class
   AggressiveIACanonicalizerRules of iipc/webarchive-commons), host backwards, one key for URLs that mostly answer the
   same. Escapes are undone until none is left and the few that are needed made again, all is lower case, arguments are
   sorted by name and value, and user, fragment, ``www.``, a default port, empty segments, the last slash and session
   ids are left out.
3. An address without a host (``registry:``) keeps its scheme, and its path but for escapes, case and the last slash.
4. house: not followed are hosts written as one number or in octal; and hosts are ASCII, as in a record they are.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from heapq import merge
from json import dumps
from pathlib import Path
from typing import IO, Self
from urllib.parse import unquote_to_bytes

from fastwarc.warc import ArchiveIterator

LINES_AT_ONCE = 100_000


def write_cdxj(path: Path) -> Path:
    """Writes the index of a WARC file beside it, in one step for who reads it; gives its path. Raises OSError."""
    index = path.with_suffix(".cdxj")
    growing = path.with_suffix(".cdxj.growing")
    with SortedLines() as lines:
        for line in _lines_of(path):
            lines.add(line)
        with growing.open("wb") as file:
            file.writelines(lines)
    return growing.replace(index)


def _lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        records = ArchiveIterator(file, parse_http=False, max_header_len=1 << 20)
        before: tuple[int, Mapping[str, str], bytes] | None = None
        for record in records:
            if before is not None:
                yield cdxj_line(before[1], before[2], before[0], record.stream_pos - before[0], path.name)
            fields = dict(record.headers.items())
            before = None
            if is_indexed(fields):
                block = record.reader.read()
                if len(block) == record.content_length:  # else it was cut short
                    before = record.stream_pos, fields, block
        if before is not None:
            yield cdxj_line(before[1], before[2], before[0], path.stat().st_size - before[0], path.name)


class SortedLines:
    """Lines in order, however many: beyond ``LINES_AT_ONCE`` they wait in files that go with this. To be used with
    ``with``. May raise OSError."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, line: bytes) -> None:
        """With its newline."""
        self._lines.append(line)
        if len(self._lines) >= LINES_AT_ONCE:
            file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with all of them
            self._files.append(file)
            self._lines.sort()
            file.writelines(self._lines)
            self._lines.clear()

    def __iter__(self) -> Iterator[bytes]:
        for file in self._files:
            file.seek(0)
        yield from merge(sorted(self._lines), *self._files)


def is_indexed(fields: Mapping[str, str]) -> bool:
    """Whether a record with these WARC fields is one that archives look up."""
    return fields.get("WARC-Type") in {"response", "revisit"} and "WARC-Target-URI" in fields


def cdxj_line(fields: Mapping[str, str], block: bytes, offset: int, length_bytes: int, filename: str) -> bytes:
    """The line of one record. ``block`` begins with its HTTP head."""
    url = fields["WARC-Target-URI"]
    head = block[: block.find(b"\r\n\r\n") + 1].decode("latin-1")
    status = head.split(" ", 2)[1] if head.startswith("HTTP/") and " " in head else ""
    mime = _MIME.search(head)
    told = "warc/revisit" if fields["WARC-Type"] == "revisit" else (mime[1].strip() if mime else "unk")
    digest = fields.get("WARC-Payload-Digest", "")
    if _SIMPLE.fullmatch(f"{url}{told}{status}{digest}{filename}"):
        members = (
            f'"url": "{url}", "mime": "{told}", "status": "{status}", "digest": "{digest}", '
            f'"length": "{length_bytes}", "offset": "{offset}", "filename": "{filename}"'
        )
    else:
        named = {"url": url, "mime": told, "status": status, "digest": digest}
        members = dumps({**named, "length": str(length_bytes), "offset": str(offset), "filename": filename})[1:-1]
    return f"{surt(url)} {_NO_DIGIT.sub('', fields.get('WARC-Date', ''))[:14]} {{{members}}}\n".encode("ascii")


_SIMPLE = re.compile(r"[ !#-\[\]-~]*")
_MIME = re.compile(r"(?im)^Content-Type: *([^;\r\n]*)")
_NO_DIGIT = re.compile(r"[^0-9]")
_URI = re.compile(  # RFC 3986, appendix B; without a fragment
    r"(?:(?P<scheme>[^:/?#]+):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?"
)
_AUTHORITY = re.compile(r"(?:.*@)?(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?", re.DOTALL)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PLAIN = re.compile(r"[!\"$&-~]*")
_ESCAPED = re.compile(rb"[^!-~]|[#%]")
_IN_PATH = (
    re.compile(r"(?<=/)\((?:[a-z]\([0-9a-z]{24}\))+\)/(?=[^?]+\.aspx)"),
    re.compile(r"(?<=/)\([0-9a-z]{24}\)/(?=[^?]+\.aspx)"),
)
_IN_QUERY = tuple(
    re.compile(rf"{one}(?:&|$)")
    for one in (
        "jsessionid=[0-9a-z]{32}",
        "phpsessid=[0-9a-z]{32}",
        "sid=[0-9a-z]{32}",
        "aspsessionid[a-z]{8}=[a-z]{24}",
        "cfid=[^&]+&cftoken=[^&]+",
    )
)


def surt(url: str) -> str:
    """The key of a URL. Never raises."""
    parts = _URI.match(url)
    scheme, authority, path, query = parts.groups() if parts else (None, None, url, None)
    scheme, path = _one_form(scheme or ""), _one_form(path)
    if authority is None:
        start = f"{scheme}:" if scheme else ""
    else:
        start, path = f"{_host(authority, scheme)})", _path(path)
    path = path[:-1] if len(path) > 1 and path.endswith("/") else path
    arguments = _query(_one_form(query or ""))
    return f"{start}{path}?{arguments}" if arguments else f"{start}{path}"


def _one_form(text: str) -> str:
    """Lower case, and with no escape that need not be."""
    if _PLAIN.fullmatch(text):
        return text.lower()
    left, octets = b"", text.encode("utf-8", "replace")
    while left != octets:
        left, octets = octets, unquote_to_bytes(octets)
    return _ESCAPED.sub(lambda found: b"%%%02x" % ord(found[0]), octets.lower()).decode("ascii")


@lru_cache(maxsize=4_096)
def _host(authority: str, scheme: str) -> str:
    found = _AUTHORITY.match(authority)
    host, port = found.groups() if found else (authority, None)
    name = re.sub(r"^www[0-9]*\.", "", _one_form(host).strip("[]").strip("."))
    turned = ",".join(label for label in reversed(name.split(".")) if label)
    return f"{turned}:{_one_form(port)}" if port and port != _DEFAULT_PORTS.get(scheme) else turned


def _path(path: str) -> str:
    if "//" not in path and "/." not in path and "(" not in path and path:
        return path
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == ".." and kept:
            kept.pop()
        elif segment != ".":
            kept.append(segment)
    path = "/" + "/".join([*filter(None, kept[:-1]), *kept[-1:]])
    for session in _IN_PATH:
        path = session.sub("", path, count=1)
    return path


def _query(query: str) -> str:
    if not query:
        return ""
    for session in _IN_QUERY:
        found = list(session.finditer(query))
        if found:
            query = query[: found[-1].start()] + query[found[-1].end() :]
    return "&".join(sorted(query.split("&"), key=lambda argument: argument.partition("=")))
