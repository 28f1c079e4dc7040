"""One web archive, or a range of one, read once: its fetches, what it says of who asked, and its captures.

Nothing here depends on what stands elsewhere, so that several processes may each read a part (``warc_workers``). What
does is put together by ``warc``.

1. A body is read up to ``MAX_BODY_BYTES``, with its chunks and codings undone, and let go of at once; what bears on
   rights is kept of it. A coding that cannot be undone leaves the fetch without a body.
2. Who asked is what the request records say, unless the warcinfo at the beginning of the archive says it: then request
   records are not read.
3. A record that is broken or cut short is a fault: named, counted and not judged; what stands after it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from fastwarc import warc as fastwarc
from fastwarc.warc import WarcRecord, WarcRecordType

from askfirst.review.codings import decoded
from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.model import Fault, Heard
from askfirst.review.warc_ranges import reaches_its_end
from askfirst.review.warc_records import Archive, records
from askfirst.rights.model import Document, Kind, Observation, Outage

MAX_BODY_BYTES: Final = 32 * 1_048_576
MOST_ELSEWHERE_BYTES: Final = 1_048_576
UNHEARD: Final = Heard()
_ASKFIRST_KIND: Final = "AskFirst-Kind"


def _field(name: str) -> Any:
    # from version 2 on fastwarc finds a field by its constant in a sixth of the time that its name takes
    return getattr(getattr(fastwarc, "WarcHeader", None), name.upper().replace("-", "_"), name)


_CONCURRENT_TO: Final = _field("WARC-Concurrent-To")
_DATE: Final = _field("WARC-Date")
_PAYLOAD_DIGEST: Final = _field("WARC-Payload-Digest")
_RECORD_ID: Final = _field("WARC-Record-ID")
_TARGET_URI: Final = _field("WARC-Target-URI")
_TRUNCATED: Final = _field("WARC-Truncated")
_in_seconds: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z").fullmatch
_TYPES: Final = WarcRecordType.response | WarcRecordType.revisit | WarcRecordType.warcinfo
_TYPES_AND_REQUESTS: Final = _TYPES | WarcRecordType.request
_REQUEST: Final = int(WarcRecordType.request)
_REVISIT: Final = int(WarcRecordType.revisit)
_INFO: Final = int(WarcRecordType.warcinfo)
_WEB: Final = ("http://", "https://", "HTTP", "Http")
_CHUNK_BYTES: Final = 65_536
_UNDATED: Final = datetime(1, 1, 1, tzinfo=UTC)


class Held(NamedTuple):
    """A fetch whose agent may be told elsewhere. ``ids`` are the records it belongs to; ``payload`` is the digest of
    its body, to which others may refer; ``revisit`` is the answer, with no body, of one whose own body is elsewhere,
    under ``payload``; ``is_whole``: all of its body is here."""

    url: str
    at: datetime | None
    status: int | None
    where: str
    heard: Heard
    ids: tuple[str, ...]
    user_agent: str | None
    payload: str | None
    revisit: Observation | None
    is_whole: bool = False


class Capture(NamedTuple):
    """A capture of a well-known document. ``payload`` is the digest of its body; of a revisit the body is elsewhere."""

    seen: Observation
    payload: str | None
    is_revisit: bool


class Wanted(NamedTuple):
    """What is read. ``captures`` of the well-known documents; ``fetches``; ``agents``: who asked; ``payloads``: digests
    of bodies, because something may refer to them. ``urls`` given, only captures of these, and nothing else."""

    captures: bool
    fetches: bool
    agents: bool
    payloads: bool = True
    skips_ours: bool = False
    urls: frozenset[str] | None = None


@dataclass(slots=True)
class Noted:
    """What stands beside the fetches of an archive. ``agents`` are by record; ``ends_well``: it is no range, or a range
    whose end is where a record ends."""

    agents: dict[str, str] = field(default_factory=dict)
    has_revisits: bool = False
    passed_over: int = 0
    ends_well: bool = True


class Scan:
    """Reads one archive, or a range of one. ``take`` is given its captures."""

    def __init__(self, archive: Archive, wanted: Wanted, ears: Ears, take: Callable[[Capture], None]) -> None:
        self._archive = archive
        self._wanted = wanted
        self._ears = ears
        self._take = take
        self._most_bytes = Captures(ears.policy).most_bytes
        self._names: dict[str, str] = {}
        self._last_told: str | None = None
        self._last_at: datetime | None = None
        self.noted = Noted()

    def __iter__(self) -> Iterator[Held | Fault]:
        """The fetches and faults in their order. Raises SettingsError."""
        wanted = self._wanted
        if wanted.urls is not None:
            self._look_for(wanted.urls)
            return
        faults: list[Fault] = []
        named: set[str] = set()
        told = _told_agent(self._archive) if wanted.agents else ""
        last: int | None = None
        since: list[Fault] = []

        def note(fault: Fault) -> None:
            faults.append(fault)
            since.append(fault)

        # the second time it is known who asked
        types = _TYPES if told is not None or not wanted.captures else _TYPES_AND_REQUESTS
        for record, where in records(self._archive, types, note):
            since.clear()
            if faults:
                yield from new_faults(faults, named)
            last = record.stream_pos
            kind = int(record.record_type)
            if wanted.skips_ours and record.headers.get(_ASKFIRST_KIND) is not None:
                continue
            if kind == _REQUEST:
                self._note_agent(record)
            elif kind != _INFO:
                is_revisit = kind == _REVISIT
                if is_revisit:
                    self.noted.has_revisits = True
                url = _url(record)
                if not url.startswith(_WEB):
                    self.noted.passed_over += wanted.captures
                elif self._most_bytes(url) is not None:
                    if wanted.captures:
                        self._capture(record, url, is_revisit=is_revisit)
                elif wanted.fetches:
                    found = self._fetch(record, url, where, told, is_revisit=is_revisit)
                    if isinstance(found, Fault):
                        faults.append(found)
                    else:
                        yield found
        yield from new_faults(faults, named)
        self.noted.ends_well = self._ends_well(last, since)

    def _ends_well(self, last: int | None, since: list[Fault]) -> bool:
        """``since``: what was broken after the last record that was read."""
        return self._archive.end is None or (not since and reaches_its_end(self._archive, last))

    def _look_for(self, urls: frozenset[str]) -> None:
        last: int | None = None
        since: list[Fault] = []
        for record, _where in records(self._archive, _TYPES, since.append):
            since.clear()
            last = record.stream_pos
            kind = int(record.record_type)
            if kind != _INFO and (url := _url(record)) in urls:
                self._capture(record, url, is_revisit=kind == _REVISIT)
        self.noted.ends_well = self._ends_well(last, since)

    def _fetch(self, record: WarcRecord, url: str, where: str, told: str | None, *, is_revisit: bool) -> Held | Fault:
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
        at, fields = self._date(record), record.headers
        headers = http.astuples()
        undone = decoded(body, headers, most_bytes=MAX_BODY_BYTES)
        ids = () if told is not None else _ids(record)
        payload = fields.get(_PAYLOAD_DIGEST) if self._wanted.payloads and undone is not None else None
        status = http.status_code
        truncated = length > MAX_BODY_BYTES or fields.get(_TRUNCATED) is not None
        is_whole = bool(undone) and status == 200 and not truncated
        if undone and not is_revisit:
            silent = self._ears.silent(status, headers, undone)
            if silent is not None:
                return Held(url, at, status, where, silent, ids, told or None, payload, None, is_whole)
        response = Observation(
            document=Document(kind=Kind.RESPONSE, url=url, max_bytes=MAX_BODY_BYTES),
            status=status,
            headers=headers,
            body=undone or b"",
            truncated=truncated,
            observed_at=at or _UNDATED,
        )
        if is_revisit:
            named = fields.get(_PAYLOAD_DIGEST) or ""
            first = as_first(response)
            return Held(url, at, status, where, UNHEARD, ids, told or None, named, first)
        heard = self._ears.hear(response, bodiless=undone is None)
        return Held(url, at, status, where, heard, ids, told or None, payload, None, is_whole)

    def _date(self, record: WarcRecord) -> datetime | None:
        """When it was made, for records of the same second the same object: an archive is written in the order of
        time."""
        told = record.headers.get(_DATE)
        if told is None or told != self._last_told:
            self._last_told, self._last_at = told, _date(record, told)
        return self._last_at

    def _capture(self, record: WarcRecord, url: str, *, is_revisit: bool) -> None:
        """Takes a capture of a well-known document; a failure to read it is one, too."""
        at = self._date(record)
        if not record.is_http_parsed or at is None:
            return
        most = self._most_bytes(url) or MOST_ELSEWHERE_BYTES
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
            truncated=len(whole) > most or record.headers.get(_TRUNCATED) is not None,
            outage=Outage.BROKEN if broken else None,
            observed_at=at,
        )
        payload = record.headers.get(_PAYLOAD_DIGEST)
        if is_revisit:
            self._take(Capture(as_first(seen), payload or "", is_revisit=True))
        else:
            self._take(Capture(seen, None if broken else payload, is_revisit=False))

    def _note_agent(self, record: WarcRecord) -> None:
        told = record.http_headers.get("User-Agent") if record.is_http_parsed else None
        if told:
            told = self._names.setdefault(told, told)
            for name in _ids(record):
                self.noted.agents[name] = told


def new_faults(faults: list[Fault], named: set[str]) -> Iterator[Fault]:
    """The faults of records that had none yet, of each the last; the list is emptied."""
    found = {fault.where: fault for fault in faults if fault.where not in named}
    faults.clear()
    named.update(found)
    yield from found.values()


def as_first(seen: Observation) -> Observation:
    """The answer of a revisit as it would have been the first time: a 304 stands for what was not sent again."""
    return with_body(seen, b"", status=200 if seen.status == 304 else seen.status)


def with_body(seen: Observation, body: bytes, *, status: int | None = None) -> Observation:
    """The answer with another body."""
    return Observation(
        document=seen.document,
        status=seen.status if status is None else status,
        headers=seen.headers,
        body=body,
        observed_at=seen.observed_at,
    )


def _told_agent(archive: Archive) -> str | None:
    """Who asked, as the warcinfo at the beginning of an archive says."""
    whole = archive._replace(start=0, end=None)
    for record, _where in records(whole, WarcRecordType.any_type, lambda _fault: None):
        if int(record.record_type) != _INFO:
            return None
        for line in record.reader.read(_CHUNK_BYTES).decode("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() in {"http-header-user-agent", "user-agent"} and value.strip():
                return value.strip()
    return None


def _read(record: WarcRecord, length: int) -> bytes:
    # asked for a number of bytes, the reader makes room for all of them
    return record.reader.read() if length <= MAX_BODY_BYTES else record.reader.read(MAX_BODY_BYTES)


def _url(record: WarcRecord) -> str:
    url = record.headers.get(_TARGET_URI) or ""
    return url[1:-1] if url.startswith("<") and url.endswith(">") else url


def _date(record: WarcRecord, told: str | None) -> datetime | None:
    """When it was made; None for what is no time, such as one of the year 0."""
    try:
        if told is not None and _in_seconds(told):
            return datetime.fromisoformat(told)  # what fastwarc says of it, sooner
        date: datetime | None = record.record_date
    except ValueError:
        return None
    return date


def _ids(record: WarcRecord) -> tuple[str, ...]:
    """The record's own name and those of the records that belong to the same exchange."""
    headers = record.headers
    return (headers.get(_RECORD_ID) or "", *headers.get_multiple(_CONCURRENT_TO))
