"""Crawls that others kept as web archives: WARC 1.0 and 1.1 (ISO 28500), also gzipped, and WACZ (a zip of them).

It reads ``response`` and ``revisit`` records as fetches, ``request`` and ``warcinfo`` records for who asked, and what
stands under the paths of well-known documents as captures of these. It judges nothing.

1. A body is read up to ``MAX_BODY_BYTES``, with its chunks and codings undone, and let go of at once; what bears on
   rights is kept of it. A coding that cannot be undone leaves the fetch without a body.
2. A ``revisit`` has the body of an earlier record with the same payload digest where that is in the input.
3. Who asked is what the request record that belongs to a response says, else ``http-header-user-agent`` of the
   warcinfo. Where the warcinfo says it, request records are not read.
4. A record that is broken or cut short is a fault: named, counted and not judged; what stands after it is read.
5. Captures count wherever in the input they stand. A short input is read once, and its fetches, without their bodies,
   are held until all captures are known; a long one is read twice. house: half a gigabyte is long.
6. Fetches of the well-known documents themselves are not judged: they are how a crawler asks first.
"""

from __future__ import annotations

import importlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from askfirst.review.evidence import Captures
from askfirst.review.judge import Ears
from askfirst.review.model import Entry, Fault, Fetch, Heard
from askfirst.rights.model import Document, Kind, Observation, Outage
from askfirst.wiring import SettingsError

MAX_BODY_BYTES: Final = 32 * 1_048_576
READ_TWICE_BYTES: Final = 512 * 1_048_576
MOST_ELSEWHERE_BYTES: Final = 1_048_576
MAX_HEADER_BYTES: Final = 1_048_576
SUFFIXES: Final = (".warc", ".warc.gz", ".wacz")
_ASKFIRST_KIND: Final = "AskFirst-Kind"
_TYPES: Final = WarcRecordType.response | WarcRecordType.revisit | WarcRecordType.warcinfo
_TYPES_AND_REQUESTS: Final = _TYPES | WarcRecordType.request
_REQUEST: Final = int(WarcRecordType.request)
_REVISIT: Final = int(WarcRecordType.revisit)
_INFO: Final = int(WarcRecordType.warcinfo)
_WEB: Final = ("http://", "https://", "HTTP", "Http")
_GZIP: Final = b"\x1f\x8b\x08"
_CHUNK_BYTES: Final = 65_536


class _Held(NamedTuple):
    """A fetch whose agent may be told later. ``ids`` are the records it belongs to; ``payload`` is the digest of a body
    that is to be found elsewhere."""

    url: str
    at: datetime | None
    status: int | None
    where: str
    heard: Heard
    ids: tuple[str, ...]
    user_agent: str | None
    revisit: _Revisit | None


class _Revisit(NamedTuple):
    payload: str
    response: Observation


class Archive(NamedTuple):
    """One WARC, in a file or in a zip. ``open`` gives it as a file."""

    name: str
    size_bytes: int
    open: Callable[[], BinaryIO]
    path: str | None = None


def archives(path: Path) -> list[Archive]:
    """The WARCs in a file. Raises SettingsError when it cannot be read, or is a zip without any."""
    try:
        if not zipfile.is_zipfile(path):
            return [Archive(str(path), path.stat().st_size, lambda: path.open("rb"), str(path))]
        with zipfile.ZipFile(path) as container:
            found = [
                Archive(f"{path}!{entry.filename}", entry.file_size, _in_zip(path, entry.filename))
                for entry in container.infolist()
                if entry.filename.endswith((".warc", ".warc.gz"))
            ]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}; name a file that can be read") from None
    except zipfile.BadZipFile as error:
        raise SettingsError(f"{path}: is a broken zip ({error}); a WACZ is a zip with archive/*.warc.gz") from None
    if not found:
        raise SettingsError(f"{path}: is a zip without a .warc or .warc.gz; a WACZ has them in archive/")
    return found


def _in_zip(path: Path, name: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        with zipfile.ZipFile(path) as container:
            return io.BufferedReader(_Raw(container.open(name)))

    return opened


class _Raw(io.RawIOBase):
    """A member of a zip as a raw stream."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has Buffer
        piece = self._member.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._member.seek(offset, whence)

    def tell(self) -> int:
        return self._member.tell()


class Warcs:
    """The fetches in some web archives. ``needs_agent``: who asked is to be found out."""

    def __init__(
        self,
        found: Sequence[Archive],
        captures: Captures,
        ears: Ears,
        *,
        needs_agent: bool,
        read: Callable[[int], None],
        skips_ours: bool = False,
    ) -> None:
        self._archives = found
        self._captures = captures
        self._ears = ears
        self._needs_agent = needs_agent
        self._read = read
        self._skips_ours = skips_ours
        self._once = sum(archive.size_bytes for archive in found) <= READ_TWICE_BYTES
        self._held: list[_Held | Fault] = []
        self._agents: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._payloads: dict[str, Heard] = {}
        self._bodies: dict[str, bytes] = {}
        self._revisited: list[tuple[str, Observation]] = []
        self.passed_over = 0

    def collect(self) -> None:
        """Reads all captures, and, where the input is short, the fetches."""
        if self._once:
            for archive in self._archives:
                self._held.extend(self._scan(archive, fetches=True))
            self._resolve()
        else:
            self.collect_only()

    def collect_only(self) -> list[Fault]:
        """Reads all captures, and gives what could not be read."""
        self._once = False
        found = [one for archive in self._archives for one in self._scan(archive, fetches=False)]
        self._resolve()
        return [one for one in found if isinstance(one, Fault)]

    def _resolve(self) -> None:
        """Gives captures that were not sent again the body of the first time."""
        for payload, seen in self._revisited:
            body = self._bodies.get(payload)
            if body is not None:
                self._captures.add(_with_body(seen, body))

    def collect_uncaptured(self) -> bool:
        """Reads once more for the documents that redirects lead to; whether there were any."""
        wanted = self._captures.uncaptured()
        if not wanted or (self._once and wanted.isdisjoint(one.url for one in self._held if isinstance(one, _Held))):
            return False
        before = self._captures.added
        for archive in self._archives:
            for record, _where in _records(archive, _TYPES, lambda _fault: None):
                if int(record.record_type) != _INFO and _url(record) in wanted:
                    self._capture(record, _url(record))
        return self._captures.added > before

    def entries(self) -> Iterator[Entry]:
        """The fetches and faults, in the order of the archives."""
        if self._once:
            held, self._held = self._held, []
            yield from map(self._entry, held)
            return
        for archive in self._archives:
            yield from map(self._entry, self._scan(archive, fetches=True, captures=False))

    def _entry(self, held: _Held | Fault) -> Entry:
        if isinstance(held, Fault):
            return held
        agent = held.user_agent
        if agent is None and self._agents:
            agent = next((self._agents[name] for name in held.ids if name in self._agents), None)
        heard = held.heard if held.revisit is None else self._revisit(held.revisit)
        return Fetch(
            url=held.url, at=held.at, user_agent=agent, status=held.status, where=held.where, heard=heard
        )  # fmt: skip

    def _revisit(self, revisit: _Revisit) -> Heard:
        """What a revisit says: its own fields, and the body that it names."""
        body = self._payloads.get(revisit.payload)
        own = self._ears.hear(revisit.response, bodiless=body is None)
        if body is None:
            return own
        first = next(iter(own.seen), None)
        fields = () if first is None else (first,)
        # one place is heard once: the fields are those of the revisit, the elements those of the earlier body
        bodies = tuple(
            Observation(
                document=seen.document if seen.document.kind is Kind.ASSET else revisit.response.document,
                status=revisit.response.status if seen.document.kind is Kind.RESPONSE else seen.status,
                headers=revisit.response.headers if seen.document.kind is Kind.RESPONSE else seen.headers,
                body=seen.body,
                truncated=seen.truncated,
                observed_at=revisit.response.observed_at,
                whole_digest=seen.whole_digest,
            )
            for seen in body.seen
        )
        return Heard(media=body.media or own.media, seen=bodies or fields)

    # -- reading --------------------------------------------------------------------------------------------------

    def _scan(self, archive: Archive, *, fetches: bool, captures: bool = True) -> Iterator[_Held | Fault]:
        """The fetches of one archive, its captures taken on the way."""
        faults: list[Fault] = []
        told = self._told_agent(archive) if self._needs_agent else ""
        most_bytes = self._captures.most_bytes
        named: set[str] = set()
        for record, where in _records(archive, _TYPES if told is not None else _TYPES_AND_REQUESTS, faults.append):
            if faults:
                yield from _new(faults, named)
            kind = int(record.record_type)
            if self._skips_ours and record.headers.get(_ASKFIRST_KIND) is not None:
                continue
            if kind == _REQUEST:
                self._note_agent(record)
            elif kind != _INFO:
                url = _url(record)
                if not url.startswith(_WEB):
                    self.passed_over += 1
                elif most_bytes(url) is not None:
                    if captures:
                        self._capture(record, url)
                elif fetches:
                    found = self._fetch(record, url, where, told, is_revisit=kind == _REVISIT)
                    if isinstance(found, Fault):
                        faults.append(found)
                    else:
                        yield found
        self._read(archive.size_bytes)
        yield from _new(faults, named)

    def _fetch(self, record: WarcRecord, url: str, where: str, told: str | None, *, is_revisit: bool) -> _Held | Fault:
        length = record.content_length
        try:
            body = _read(record, length)
        except OSError as error:
            return Fault(where=where, what=f"is broken: {error}")
        if len(body) < length and len(body) < MAX_BODY_BYTES:
            return Fault(where=where, what=f"is cut short: {length - len(body)} bytes are missing")
        if not record.is_http_parsed:
            return Fault(where=where, what="holds no HTTP answer")
        http = record.http_headers
        at, fields = record.record_date, record.headers
        headers = http.astuples()
        decoded = _decoded(body, headers)
        response = Observation(
            document=Document(kind=Kind.RESPONSE, url=url, max_bytes=MAX_BODY_BYTES),
            status=http.status_code,
            headers=headers,
            body=decoded or b"",
            truncated=length > MAX_BODY_BYTES or fields.get("WARC-Truncated") is not None,
            observed_at=at or _UNDATED,
        )
        payload = fields.get("WARC-Payload-Digest")
        heard, revisit = _UNHEARD, None
        if is_revisit:
            revisit = _Revisit(payload or "", _as_first(response))
        else:
            heard = self._ears.hear(response, bodiless=decoded is None)
            if payload is not None and decoded is not None:
                self._payloads[payload] = heard
        ids = () if told is not None else _ids(record)
        return _Held(url, at, response.status, where, heard, ids, told or None, revisit)

    def _capture(self, record: WarcRecord, url: str) -> None:
        """Takes a capture of a well-known document; a failure to read it is one, too."""
        if not record.is_http_parsed or record.record_date is None:
            return
        most = self._captures.most_bytes(url) or MOST_ELSEWHERE_BYTES
        length = record.content_length
        try:
            body = _read(record, length)
        except OSError:
            body = b""
        headers = record.http_headers.astuples()
        decoded = _decoded(body, headers)
        broken = decoded is None or (len(body) < length and len(body) < MAX_BODY_BYTES)
        whole = decoded or b""
        seen = Observation(
            document=Document(kind=Kind.WELL_KNOWN, url=url.partition("#")[0], max_bytes=most),
            status=None if broken else record.http_headers.status_code,
            headers=headers,
            body=b"" if broken else whole[:most],
            truncated=len(whole) > most or record.headers.get("WARC-Truncated") is not None,
            outage=Outage.BROKEN if broken else None,
            observed_at=record.record_date,
        )
        payload = record.headers.get("WARC-Payload-Digest")
        if int(record.record_type) == _REVISIT:
            self._revisited.append((payload or "", _as_first(seen)))
            return
        if payload is not None and not broken:
            self._bodies[payload] = seen.body
        self._captures.add(seen)

    def _note_agent(self, record: WarcRecord) -> None:
        told = record.http_headers.get("User-Agent") if record.is_http_parsed else None
        if told:
            told = self._names.setdefault(told, told)
            for name in _ids(record):
                self._agents[name] = told

    def _told_agent(self, archive: Archive) -> str | None:
        """Who asked, as the warcinfo at the beginning of an archive says."""
        for record, _where in _records(archive, WarcRecordType.any_type, lambda _fault: None):
            if int(record.record_type) != _INFO:
                return None
            for line in record.reader.read(_CHUNK_BYTES).decode("utf-8", "replace").splitlines():
                name, _, value = line.partition(":")
                if name.strip().lower() in {"http-header-user-agent", "user-agent"} and value.strip():
                    return value.strip()
        return None


_UNHEARD: Final = Heard()
_UNDATED: Final = datetime(1, 1, 1, tzinfo=UTC)


def read_captures(archive: Archive, captures: Captures, ears: Ears) -> Iterator[Fault]:
    """Takes the captures of an archive that is given as evidence, and gives what could not be read. Records that
    AskFirst wrote are left to its own reader."""
    reader = Warcs([archive], captures, ears, needs_agent=False, read=lambda _bytes: None, skips_ours=True)
    yield from reader.collect_only()
    while reader.collect_uncaptured():
        pass


def _new(faults: list[Fault], named: set[str]) -> Iterator[Fault]:
    """The faults of records that had none yet, of each the last; the list is emptied."""
    found = {fault.where: fault for fault in faults if fault.where not in named}
    faults.clear()
    named.update(found)
    yield from found.values()


def _read(record: WarcRecord, length: int) -> bytes:
    # asked for a number of bytes, the reader makes room for all of them
    return record.reader.read() if length <= MAX_BODY_BYTES else record.reader.read(MAX_BODY_BYTES)


def _url(record: WarcRecord) -> str:
    url = record.headers.get("WARC-Target-URI") or ""
    return url[1:-1] if url.startswith("<") and url.endswith(">") else url


def _ids(record: WarcRecord) -> tuple[str, ...]:
    """The record's own name and those of the records that belong to the same exchange."""
    headers = record.headers
    return (headers.get("WARC-Record-ID") or "", *headers.get_multiple("WARC-Concurrent-To"))


def _as_first(seen: Observation) -> Observation:
    """The answer of a revisit as it would have been the first time: a 304 stands for what was not sent again."""
    return _with_body(seen, b"", status=200 if seen.status == 304 else seen.status)


def _with_body(seen: Observation, body: bytes, *, status: int | None = None) -> Observation:
    return Observation(
        document=seen.document,
        status=seen.status if status is None else status,
        headers=seen.headers,
        body=body,
        observed_at=seen.observed_at,
    )


# -- codings ----------------------------------------------------------------------------------------------------------


def _decoded(body: bytes, headers: Iterable[tuple[str, str]]) -> bytes | None:
    """The body with its transfer and content codings undone, at most ``MAX_BODY_BYTES`` of it; None when that cannot
    be. Archives often hold what was decoded already under the old fields: that is taken as it is."""
    codings: list[str] = []
    chunked = False
    for name, value in headers:
        if len(name) == 16 and name.lower() == "content-encoding":
            codings += [coding.strip().lower() for coding in value.split(",")]
        elif len(name) == 17 and name.lower() == "transfer-encoding":
            chunked = chunked or "chunked" in value.lower()
    if chunked:
        body = _unchunked(body)
    found: bytes | None = body
    for coding in reversed(codings):
        if found is None:
            return None
        found = _undone(found, coding)
    return found


def _undone(body: bytes, coding: str) -> bytes | None:
    if coding in {"", "identity"} or not body:
        return body
    try:
        if coding in {"gzip", "x-gzip"}:
            return _inflated(body, 31) if body.startswith(_GZIP) else body
        if coding == "deflate":
            zlib_stream = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
            return _inflated(body, 15 if zlib_stream else -15)
        if coding == "br" and _brotli is not None:
            return _brotli(body)
    except ValueError:
        return body if body.lstrip()[:1] in {b"<", b"{"} else None
    return None


def _bounded_brotli() -> Callable[[bytes], bytes] | None:
    """What undoes brotli, if a library for it is installed that can bound its output (1.2 and later). Raises
    ValueError."""
    try:
        library = importlib.import_module("brotli")
    except ImportError:
        return None
    if not hasattr(library.Decompressor, "can_accept_more_data"):
        return None

    def undone(body: bytes) -> bytes:
        try:
            return bytes(library.Decompressor().process(body, output_buffer_limit=MAX_BODY_BYTES))[:MAX_BODY_BYTES]
        except library.error as error:
            raise ValueError(str(error)) from None

    return undone


_brotli: Final = _bounded_brotli()


def _inflated(body: bytes, bits: int) -> bytes:
    try:
        return zlib.decompressobj(bits).decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None


def _unchunked(body: bytes) -> bytes:
    """The body without its chunks (RFC 9112 section 7.1); as it is where it has none."""
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at, at + 1_024)
        size = body[at:end].partition(b";")[0].strip() if end >= 0 else b""
        try:
            length = int(size, 16)
        except ValueError:
            return b"".join(pieces) if pieces and at >= len(body) else body
        if length < 0 or not size.isalnum():
            return body
        if length == 0:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + length])
        at = end + 4 + length


# -- records, and what is wrong with them -----------------------------------------------------------------------------


def _records(
    archive: Archive, types: WarcRecordType, fault: Callable[[Fault], None]
) -> Iterator[tuple[WarcRecord, str]]:
    """The records of an archive with where they stand, past what is broken. Raises SettingsError when it cannot be
    opened or is no WARC at all."""
    name = archive.name
    last = -1
    file: BinaryIO | None = None
    try:
        while True:
            source = file or archive.path
            if source is None:
                file = source = archive.open()
            try:
                records = ArchiveIterator(
                    source, record_types=types, max_header_len=MAX_HEADER_BYTES, fsspec_args=False
                )  # fmt: skip
                for record in records:
                    last = record.stream_pos
                    yield record, f"{name}@{last}"
            except OSError as error:
                if error.errno is not None:
                    raise
                file = file or archive.open()
                if last < 0 and not _begins_as_warc(file):
                    raise SettingsError(
                        f"{name}: is no WARC ({error}); name a .warc, .warc.gz or .wacz, or its --format"
                    ) from None
                broken = _broken(file, max(last, 0))
                if broken is None:
                    # the error is at the end of what can be unpacked
                    break
                fault(Fault(where=f"{name}@{broken}", what=f"is broken: {error}"))
                following = _next_member(file, broken + 1)
                if following is None:
                    return
                last = following
                file.seek(following)
                continue
            break
        file = file or archive.open()
        cut = _cut_at_end(file, max(last, 0))
        if cut is not None:
            fault(Fault(where=f"{name}@{cut}", what="is cut short: the archive ends inside of this record"))
    except OSError as error:
        raise SettingsError(f"{name}: {error.strerror or error}; name a file that can be read") from None
    finally:
        if file is not None:
            file.close()


def _begins_as_warc(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(_CHUNK_BYTES)
    if head.startswith(_GZIP):
        return _opens(head)
    return head.startswith(b"WARC/")


def _opens(member: bytes) -> bool:
    try:
        return zlib.decompressobj(31).decompress(member, 5) == b"WARC/"
    except zlib.error:
        return False


def _broken(file: BinaryIO, start: int) -> int | None:
    """Where the first record begins that cannot be unpacked, or that is no record; None where all can to the end."""
    file.seek(start)
    if file.read(3) != _GZIP:
        return _no_record(file, start)
    file.seek(start)
    begins = at = start
    left = head = b""
    decoder = zlib.decompressobj(31)
    while True:
        piece = left or file.read(_CHUNK_BYTES)
        if not piece:
            return None
        try:
            found = decoder.decompress(piece)
        except zlib.error:
            return begins
        head = (head + found[:8])[:5]
        left = decoder.unused_data
        at += len(piece) - len(left)
        if decoder.eof:
            if head != b"WARC/":
                return begins
            begins, head, decoder = at, b"", zlib.decompressobj(31)


def _no_record(file: BinaryIO, start: int) -> int | None:
    """The same in an archive that is not gzipped."""
    at = start
    while True:
        file.seek(at)
        head = file.read(_CHUNK_BYTES)
        stop = head.find(b"\r\n\r\n")
        length = _content_length(head[: max(stop, 0)])
        if not head.strip() or (b"WARC/".startswith(head[:5]) and (stop < 0 or length is None)):
            return None
        if not head.startswith(b"WARC/") or stop < 0 or length is None:
            return at
        at += stop + 4 + length
        file.seek(at)
        at += 4 if file.read(4) == b"\r\n\r\n" else 0


def _next_member(file: BinaryIO, start: int) -> int | None:
    """Where the next gzip member begins that holds a record."""
    file.seek(start)
    window = b""
    base = start
    while True:
        piece = file.read(_CHUNK_BYTES)
        window += piece
        found = window.find(_GZIP)
        while found >= 0 and (len(window) - found > _CHUNK_BYTES // 2 or not piece):
            if _opens(window[found : found + _CHUNK_BYTES // 2]):
                return base + found
            found = window.find(_GZIP, found + 1)
        if not piece:
            return None
        keep = found if found >= 0 else max(0, len(window) - 2)
        base += keep
        window = window[keep:]


def _cut_at_end(file: BinaryIO, last: int) -> int | None:
    """Where the record begins inside of which the archive ends, None where it ends between records. ``last`` is where
    the last record begins that was read."""
    file.seek(last)
    if file.read(3) == _GZIP:
        return _cut_member(file, last)
    end = file.seek(0, 2)
    at = last
    while at < end:
        file.seek(at)
        head = file.read(_CHUNK_BYTES)
        if not head.strip():
            return None
        if not head.startswith(b"WARC/"):
            return at if b"WARC/".startswith(head) else None
        stop = head.find(b"\r\n\r\n")
        length = _content_length(head[: max(stop, 0)])
        if stop < 0 or length is None or at + stop + 4 + length > end:
            return at
        at += stop + 4 + length
        file.seek(at)
        at += 4 if file.read(4) == b"\r\n\r\n" else 0
    return None


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _cut_member(file: BinaryIO, last: int) -> int | None:
    begins, left = last, b""
    file.seek(last)
    decoder = zlib.decompressobj(31)
    at = last
    while True:
        piece = left or file.read(_CHUNK_BYTES)
        if not piece:
            return None if decoder.eof or at == begins else begins
        try:
            decoder.decompress(piece)
        except zlib.error:
            return None  # fastwarc read past it, so it is no record
        left = decoder.unused_data
        at += len(piece) - len(left)
        if decoder.eof:
            begins = at
            decoder = zlib.decompressobj(31)
