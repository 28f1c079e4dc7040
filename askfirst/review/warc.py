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

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from fastwarc.warc import WarcRecord, WarcRecordType

from askfirst.review.codings import decoded
from askfirst.review.evidence import Captures
from askfirst.review.judge import Ears
from askfirst.review.model import Entry, Fault, Fetch, Heard
from askfirst.review.warc_records import Archive, records
from askfirst.rights.model import Document, Kind, Observation, Outage

MAX_BODY_BYTES: Final = 32 * 1_048_576
READ_TWICE_BYTES: Final = 512 * 1_048_576
MOST_ELSEWHERE_BYTES: Final = 1_048_576
_ASKFIRST_KIND: Final = "AskFirst-Kind"
_TYPES: Final = WarcRecordType.response | WarcRecordType.revisit | WarcRecordType.warcinfo
_TYPES_AND_REQUESTS: Final = _TYPES | WarcRecordType.request
_REQUEST: Final = int(WarcRecordType.request)
_REVISIT: Final = int(WarcRecordType.revisit)
_INFO: Final = int(WarcRecordType.warcinfo)
_WEB: Final = ("http://", "https://", "HTTP", "Http")
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
        self._has_revisits = False
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
            for record, _where in records(archive, _TYPES, lambda _fault: None):
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
        for record, where in records(archive, _TYPES if told is not None else _TYPES_AND_REQUESTS, faults.append):
            if faults:
                yield from _new(faults, named)
            kind = int(record.record_type)
            if self._skips_ours and record.headers.get(_ASKFIRST_KIND) is not None:
                continue
            if kind == _REQUEST:
                self._note_agent(record)
            elif kind != _INFO:
                self._has_revisits = self._has_revisits or kind == _REVISIT
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
        undone = decoded(body, headers, most_bytes=MAX_BODY_BYTES)
        response = Observation(
            document=Document(kind=Kind.RESPONSE, url=url, max_bytes=MAX_BODY_BYTES),
            status=http.status_code,
            headers=headers,
            body=undone or b"",
            truncated=length > MAX_BODY_BYTES or fields.get("WARC-Truncated") is not None,
            observed_at=at or _UNDATED,
        )
        payload = fields.get("WARC-Payload-Digest")
        heard, revisit = _UNHEARD, None
        if is_revisit:
            revisit = _Revisit(payload or "", _as_first(response))
        else:
            heard = self._ears.hear(response, bodiless=undone is None)
            # a long input is read the second time, and it is known whether anything refers to a body
            if payload is not None and undone is not None and (self._once or self._has_revisits):
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
        undone = decoded(body, headers, most_bytes=MAX_BODY_BYTES)
        broken = undone is None or (len(body) < length and len(body) < MAX_BODY_BYTES)
        whole = undone or b""
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
        for record, _where in records(archive, WarcRecordType.any_type, lambda _fault: None):
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
