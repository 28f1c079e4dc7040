"""Evidence in WARC 1.1 (ISO 28500:2017), one file per run: what was observed, readable by every WARC tool.

An HTTP answer is a ``response`` record; what left no status, or cannot be written as HTTP, is a ``metadata`` record
with a JSON block. Writing and reading are one thing: the format. What this module does not do: judge, sign, compress (a
killed run leaves a readable file) or follow the evidence into decisions.

1. ``keep`` returns when the whole record is in the operating system's hands; a record is one ``os.write``. What cannot
   be written whole is cut off again. A file that was deleted under our hands is an error; when it is in its place
   again, it goes on where it was.
2. INVARIANT: ``read_evidence`` gives back equal Observations. Fields named ``AskFirst-…`` carry what WARC has no name
   for. house: the kept body is already decoded, so ``Content-Encoding``, ``Transfer-Encoding`` and ``Content-Length``
   are written with ``X-AskFirst-`` before their names, and so is any name that begins like this. Headers that could
   not have come over the wire (a line break inside, a name that is no token) send the observation to the JSON form.
3. INVARIANT: nothing more of a body is written than the Observation holds. ``WARC-Payload-Digest`` is of the whole
   body, also where an excerpt is kept (``WARC-Truncated: unspecified``, ``AskFirst-Excerpt``).
4. The same observation is written once per run, as far as the last ``MAX_SEEN`` observations go; responses, which are
   looked at once, are not remembered. The same is: document, time, digest, status, headers, outage, redirects, and the
   words of an excerpt. A later look that saw the same is another observation: decisions name what they relied on by its
   time.
5. The same bytes are kept once per run, as far as the last ``MAX_BODIES`` bodies go: whatever brings them again is a
   ``revisit`` record (profile identical-payload-digest) that names the first one. The reader remembers as many, in the
   same order, and so finds every one of them.
6. ``evidence/<run>.cdxj`` says where each record is, sorted as archives sort: written when the run ends, and by
   ``askfirst.cdxj`` for one that was killed.
7. house: records are put together by hand: an f-string takes a quarter of the time of fastwarc's writer, which sets
   field by field. Records are read by fastwarc, and every block digest is checked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar
from urllib.parse import quote

from fastwarc.warc import ArchiveIterator, WarcRecord

from askfirst.appended import run_file
from askfirst.cdxj import write_cdxj
from askfirst.lookup import evidence_name
from askfirst.ports import EdgeError, NoteEvidence
from askfirst.rights.model import Document, Kind, Observation, Outage
from askfirst.rights.wire import parse_timestamp, timestamp

MAX_SEEN = 32_768
MAX_BODIES = 32_768
REVISIT_FROM_BYTES = 256
"""A shorter body is written again: naming it would take as many."""
PROFILE = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
MAX_FIELD_CHARS = 8_192
_LOGGER = logging.getLogger(__name__)
T = TypeVar("T")


class WarcEvidence:
    """Appends to ``folder/<run>.warc``; the folder is made now, the file with the first observation, after
    ``before_first``, which may raise OSError. ``clock`` dates the file itself. Raises EdgeError."""

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        clock: Callable[[], datetime],
        leaf: NoteEvidence = lambda _head, _length_bytes, *, record_id="", name="": None,  # noqa: ARG005
        before_first: Callable[[], None] = lambda: None,
    ) -> None:
        self._run = run
        self._leaf = leaf
        self._before_first = before_first
        self._clock = clock
        self._path = folder / f"{run}.warc"
        self._lock = threading.Lock()
        self._seen: dict[_Key, None] = {}
        self._bodies: dict[str, str] = {}
        self._records = 0
        self._uuid_start = str(uuid.uuid4())[:24]
        try:
            self._file = run_file(folder, run, ".warc")
        except OSError as error:
            raise self._failure(error) from error

    def keep(self, observation: Observation) -> None:
        """Returns when the observation is in the file, or was already. Raises EdgeError when it cannot be."""
        form = _http_form(observation) or _json_form(observation)
        # A response is looked at once; to remember each would only make the collector walk over them.
        key = None if observation.document.kind is Kind.RESPONSE else form.key(observation)
        with self._lock:
            try:
                if key is not None:
                    self._file.check()
                    if key in self._seen:
                        return
                at = timestamp(observation.observed_at)
                record, body_key, named = self._record(form, observation, at)
                if self._file.is_new:
                    self._before_first()
                    info = self._assemble("warcinfo", timestamp(self._clock()), *self._warcinfo())
                    self._file.append(info.whole)
                    self._leaf(info.head, len(info.whole))
                self._file.append(record.whole)
                name = evidence_name(observation.digest, at, observation.document.url)
                self._leaf(record.head, len(record.whole), record_id=record.id, name=name)
                if body_key is not None:
                    _remember(self._bodies, body_key, named)
            except OSError as error:
                # What was kept may be gone with its file: it is to be kept again.
                self._seen.clear()
                self._bodies.clear()
                raise self._failure(error) from error
            if key is not None:
                if len(self._seen) >= MAX_SEEN:
                    del self._seen[next(iter(self._seen))]
                self._seen[key] = None

    def sync(self) -> None:
        """Returns when everything kept so far is on the disk. Called from another thread than ``keep``. Raises
        EdgeError."""
        try:
            self._file.sync()
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Ends the file; nothing can be kept afterwards. Writes the index beside it."""
        try:
            try:
                self.sync()
            finally:
                self._file.close()
            if self._records and self._path.exists():
                write_cdxj(self._path)
        except OSError as error:
            raise self._failure(error) from error

    def _record(self, form: _Form, observation: Observation, at: str) -> tuple[_Record, str | None, str]:
        """The record; and where it is the first to hold a body, by what the body is known, and how it is named."""
        payload = f"WARC-Payload-Digest: {observation.digest}\r\n" if form.type == "response" else ""
        fields = (
            f"WARC-Target-URI: {form.uri}\r\n{payload}{form.fields}"
            f"AskFirst-Fresh-Seconds: {observation.fresh_s}\r\nContent-Type: {form.content_type}\r\n"
        )
        key = form.body_key(observation)
        first = None if key is None else self._bodies.get(key)
        if first is not None:
            return self._assemble("revisit", at, f"WARC-Profile: {PROFILE}\r\n{first}{fields}", form.head), None, ""
        record = self._assemble(form.type, at, fields, form.head + form.body)
        if key is None:
            return record, None, ""
        named = f"WARC-Refers-To: {record.id}\r\nWARC-Refers-To-Target-URI: {form.uri}\r\nWARC-Refers-To-Date: {at}\r\n"
        return record, key, named

    def _assemble(self, record_type: str, at: str, fields: str, block: bytes) -> _Record:
        self._records += 1
        record_id = f"<urn:uuid:{self._uuid_start}{self._records:012x}>"
        head = (
            f"WARC/1.1\r\nWARC-Type: {record_type}\r\nWARC-Record-ID: {record_id}\r\nWARC-Date: {at}\r\n"
            f"WARC-Block-Digest: sha256:{hashlib.sha256(block).hexdigest()}\r\n{fields}"
            f"Content-Length: {len(block)}\r\n\r\n"
        ).encode("ascii")
        return _Record(b"".join((head, block, b"\r\n\r\n")), head, record_id if record_type == "response" else "")

    def _warcinfo(self) -> tuple[str, bytes]:
        name = quote(self._run, safe="")
        block = (
            f"software: askfirst\r\nformat: WARC File Format 1.1\r\n"
            f"conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
            f"isPartOf: {name}\r\n"
        ).encode("ascii")
        return f"WARC-Filename: {name}.warc\r\nContent-Type: application/warc-fields\r\n", block

    def _failure(self, error: OSError) -> EdgeError:
        if isinstance(error, FileExistsError):
            return EdgeError(f"the evidence file {self._path} is there already; give this run a name of its own")
        return EdgeError(
            f"cannot write the evidence file {self._path}: {error.strerror or error}; "
            "check that its folder is there, can be written and has room",
        )


class _Record(NamedTuple):
    """A record as it stands in the file. ``id``: by what others may name it, as ``lookup.record_id_of`` finds it in the
    head; empty where none may."""

    whole: bytes
    head: bytes
    id: str


# -- an observation as a record ---------------------------------------------------------------------------------------


class _Form(NamedTuple):
    type: str
    content_type: str
    uri: str
    fields: str
    head: bytes
    body: bytes

    def key(self, observation: Observation) -> _Key:
        """Equal for observations that are kept once. INVARIANT: what was said itself, so that no collision of hashes
        can lose evidence; a body that can be large is in it by its digest."""
        body = self.body
        if len(body) > _SHORT_BYTES:
            whole = observation.whole_digest is None and self.type == "response"
            body = (observation.digest if whole else hashlib.sha256(body).hexdigest()).encode("utf-8", "replace")
        return observation.observed_at, observation.digest, self.uri, self.fields, self.head, body

    def body_key(self, observation: Observation) -> str | None:
        """Equal for equal bodies; None for what is not worth naming."""
        if self.type != "response" or len(self.body) < REVISIT_FROM_BYTES:
            return None
        if observation.whole_digest is None:
            return observation.digest
        return f"{observation.digest} {hashlib.sha256(self.body).hexdigest()}"


def _remember(bodies: dict[str, T], key: str, value: T) -> None:
    """Both ends of the file do this alike: what one still knows, the other does."""
    if len(bodies) >= MAX_BODIES:
        del bodies[next(iter(bodies))]
    bodies[key] = value


_Key = tuple[datetime, str, str, str, bytes, bytes]
_SHORT_BYTES = 256
_URI = re.compile(r"[!#-;=?-~]{1,4096}")  # readers take <> off a WARC-Target-URI
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = "X-AskFirst-"
_FRAMING = frozenset(("content-encoding", "transfer-encoding", "content-length"))


def _http_form(observation: Observation) -> _Form | None:
    """None when it cannot be written as HTTP so that it comes back the same."""
    url, status, whole_digest = observation.document.url, observation.status, observation.whole_digest
    if status is None or not 100 <= status <= 999 or not _URI.fullmatch(url):
        return None
    if whole_digest is not None and not _DIGEST.fullmatch(whole_digest):
        return None
    fields = _fields(observation)
    head = _http_head(status, observation.headers)
    if head is None or len(fields) > MAX_FIELD_CHARS:
        return None
    return _Form("response", "application/http; msgtype=response", url, fields, head, observation.body)


def _fields(observation: Observation) -> str:
    document = observation.document
    fields = f"AskFirst-Kind: {document.kind}\r\nAskFirst-Max-Bytes: {document.max_bytes}\r\n"
    if observation.truncated:
        fields += "WARC-Truncated: length\r\n"
    elif observation.whole_digest is not None:
        fields += "WARC-Truncated: unspecified\r\n"
    if observation.whole_digest is not None:
        fields += "AskFirst-Excerpt: yes\r\n"
    if observation.outage is not None:
        fields += f"AskFirst-Outage: {observation.outage}\r\n"
    if observation.redirects:
        fields += f"AskFirst-Redirects: {json.dumps(observation.redirects)}\r\n"
    return fields


def _http_head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes | None:
    lines = [f"{_stored_name(name)}: {value}\r\n" for name, value in headers]
    text = "".join(lines)
    # INVARIANT: no line break but our own
    if text.count("\r") != len(lines) or text.count("\n") != len(lines) or "\0" in text:
        return None
    try:
        return f"{_status_line(status)}\r\n{text}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        return None


@lru_cache(maxsize=1_024)
def _stored_name(name: str) -> str:
    """The name in the file; one that is no token is marked with a NUL, which sends it to the JSON form."""
    if not _TOKEN.fullmatch(name):
        return "\0"
    lower = name.lower()
    return _OURS + name if lower in _FRAMING or lower.startswith("x-askfirst-") else name


@lru_cache(maxsize=1_024)
def _status_line(status: int) -> str:
    known = status in HTTPStatus.__members__.values()
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase if known else ''}"


def _json_form(observation: Observation) -> _Form:
    members: dict[str, object] = {
        "url": observation.document.url,
        "status": observation.status,
        "headers": observation.headers,
        "body_b64": base64.b64encode(observation.body).decode(),
        "truncated": observation.truncated,
        "outage": observation.outage,
        "redirects": observation.redirects,
        "whole_digest": observation.whole_digest,
    }
    document = observation.document
    return _Form(
        "metadata",
        "application/json",
        quote(document.url, safe="%:/?#[]@!$&'()*+,;=~", errors="replace")[:4_096] or "about:blank",
        f"AskFirst-Kind: {document.kind}\r\nAskFirst-Max-Bytes: {document.max_bytes}\r\n",
        b"",
        json.dumps(
            {name: value for name, value in members.items() if value is not None and value is not False and value != ()}
        ).encode("ascii"),
    )


# -- and back ---------------------------------------------------------------------------------------------------------


def read_evidence(folder: Path, *, note: Callable[[str], None] = _LOGGER.warning) -> Iterator[Observation]:
    """The observations of every ``.warc`` and ``.warc.gz`` in the folder, by file name and in the order kept. A record
    that is cut short or does not match its digest is left out, and noted; records of others are passed over. Raises
    EdgeError when a file cannot be read."""
    try:
        for path in sorted(path for path in folder.iterdir() if path.name.endswith((".warc", ".warc.gz"))):
            with path.open("rb") as file:
                yield from _read_file(path, file, note)
    except OSError as error:
        raise EdgeError(f"cannot read the evidence {error.filename or folder}: {error.strerror or error}") from error


def _read_file(path: Path, file: BinaryIO, note: Callable[[str], None]) -> Iterator[Observation]:
    bodies: dict[str, int] = {}
    records = iter(ArchiveIterator(file, parse_http=False, max_header_len=1 << 20))
    while True:
        try:
            record = next(records, None)
            block = record.reader.read() if record is not None else b""
        except OSError as error:
            if error.errno is not None:
                raise
            note(f"{path} cannot be read to its end: {error}; what stands before is used")
            return
        if record is None:
            return
        fields = dict(record.headers.items())
        fault = _fault(record, fields, block)
        if fault:
            note(f"{path} at byte {record.stream_pos}: a record {fault}; it is left out")
            continue
        if "AskFirst-Kind" in fields:
            try:
                if fields["WARC-Type"] == "revisit":
                    block += _body_at(path, bodies[fields["WARC-Refers-To"]], fields)
                elif len(block) >= REVISIT_FROM_BYTES and fields["WARC-Type"] == "response":
                    body = block.partition(b"\r\n\r\n")[2]
                    if len(body) >= REVISIT_FROM_BYTES and fields["WARC-Record-ID"] not in bodies:
                        _remember(bodies, fields["WARC-Record-ID"], record.stream_pos)
                observation = _observation(fields, block)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                note(f"{path} at byte {record.stream_pos}: a record is not as it was written ({error}); it is left out")
            else:
                yield observation


def _body_at(path: Path, offset: int, fields: Mapping[str, str]) -> bytes:
    """The body of the record that a revisit names. Raises ValueError when it is another."""
    now = path.stat()
    digest, told, block = _record_at(path, offset, (now.st_ino, now.st_size, now.st_mtime_ns))
    if digest != fields["WARC-Payload-Digest"] or told != f"sha256:{hashlib.sha256(block).hexdigest()}":
        raise ValueError("what it names is not the same")
    return block.partition(b"\r\n\r\n")[2]


@lru_cache(maxsize=64)  # the same page of an error, over and over
def _record_at(path: Path, offset: int, state: tuple[int, ...]) -> tuple[str, str, bytes]:  # noqa: ARG001  # of the file: another, another answer
    with path.open("rb") as file:
        file.seek(offset)
        record = next(iter(ArchiveIterator(file, parse_http=False, max_header_len=1 << 20)))
        block: bytes = record.reader.read()
        fields = dict(record.headers.items())
        return fields.get("WARC-Payload-Digest", ""), fields.get("WARC-Block-Digest", ""), block


def _fault(record: WarcRecord, fields: Mapping[str, str], block: bytes) -> str | None:
    if "Content-Length" not in fields or len(block) < record.content_length:
        return "is cut short"
    digest = fields.get("WARC-Block-Digest", "")
    if not digest.startswith("sha256:"):
        return "has no digest of its block" if "AskFirst-Kind" in fields else None
    ours = "AskFirst-Kind" in fields
    return "does not match its digest" if ours and digest[7:] != hashlib.sha256(block).hexdigest() else None


def _observation(fields: Mapping[str, str], block: bytes) -> Observation:
    kind, max_bytes = Kind(fields["AskFirst-Kind"]), int(fields["AskFirst-Max-Bytes"])
    observed_at = parse_timestamp(fields["WARC-Date"])
    fresh_s = int(fields["AskFirst-Fresh-Seconds"])
    if fields["WARC-Type"] == "metadata":
        told = json.loads(block)
        return Observation(
            document=Document(kind=kind, url=told.get("url", ""), max_bytes=max_bytes),
            status=told.get("status"),
            headers=tuple((name, value) for name, value in told.get("headers", ())),
            body=base64.b64decode(told.get("body_b64", "")),
            truncated=told.get("truncated", False),
            outage=Outage(told["outage"]) if "outage" in told else None,
            redirects=tuple(told.get("redirects", ())),
            observed_at=observed_at,
            fresh_s=fresh_s,
            whole_digest=told.get("whole_digest"),
        )
    head, _, body = block.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    outage = fields.get("AskFirst-Outage")
    return Observation(
        document=Document(kind=kind, url=fields["WARC-Target-URI"], max_bytes=max_bytes),
        status=int(status_line.split(" ")[1]),
        headers=tuple(_header(line) for line in lines),
        body=body,
        truncated=fields.get("WARC-Truncated") == "length",
        outage=None if outage is None else Outage(outage),
        redirects=tuple(json.loads(fields.get("AskFirst-Redirects", "[]"))),
        observed_at=observed_at,
        fresh_s=fresh_s,
        whole_digest=fields["WARC-Payload-Digest"] if "AskFirst-Excerpt" in fields else None,
    )


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.removeprefix(_OURS), value
