"""What was kept, in WARC 1.1 (ISO 28500:2017): ``OUT/warc/<run>.warc.gz``, one ``response`` record per item.

The body is the decoded one that was decided about; the head is the one that came. It does not decide and does not read.

1. Each record is a gzip member of its own, so that offset and length find it, and any WARC reader reads the file.
2. house: ``Content-Encoding``, ``Transfer-Encoding`` and ``Content-Length`` as they came are kept with ``X-AskFirst-``
   before their names, because the body is decoded; the ``Content-Length`` written is the body's.
3. ``AskFirst-Decision`` names the decision in ``decisions/`` under which the item was kept.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import uuid
from http import HTTPStatus

from askfirst.rights.model import Observation
from askfirst.rights.wire import timestamp

GZIP_LEVEL = 6
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset(("content-encoding", "transfer-encoding", "content-length"))
_BREAKS = re.compile(r"[\r\n\0]+")
_STATUS_WORDS = {status.value: status.phrase for status in HTTPStatus}


def warcinfo(run: str) -> bytes:
    """The record that opens a file."""
    block = (
        b"software: askfirst\r\nformat: WARC File Format 1.1\r\n"
        b"conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
    )
    when = run.partition("-")[0]
    date = f"{when[:4]}-{when[4:6]}-{when[6:8]}T{when[9:11]}:{when[11:13]}:{when[13:15]}Z"
    fields = f"WARC-Filename: {run}.warc.gz\r\nContent-Type: application/warc-fields\r\n"
    return _member("warcinfo", date, fields, block)


def response_record(seen: Observation, decision_id: str) -> bytes:
    """One gzip member: the response as a record."""
    payload = hashlib.sha256(seen.body).hexdigest()
    fields = (
        f"WARC-Target-URI: {seen.document.url}\r\n"
        f"WARC-Payload-Digest: sha256:{payload}\r\n"
        f"AskFirst-Decision: {decision_id}\r\n"
        "Content-Type: application/http; msgtype=response\r\n"
    )
    return _member("response", timestamp(seen.observed_at), fields, _http(seen))


def _member(kind: str, date: str, fields: str, block: bytes) -> bytes:
    head = (
        f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{uuid.uuid4()}>\r\nWARC-Date: {date}\r\n"
        f"WARC-Block-Digest: sha256:{hashlib.sha256(block).hexdigest()}\r\n{fields}"
        f"Content-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode("ascii", "replace") + block + b"\r\n\r\n", GZIP_LEVEL, mtime=0)


def _http(seen: Observation) -> bytes:
    status = seen.status or 200
    lines = [f"HTTP/1.1 {status} {_STATUS_WORDS.get(status, '')}\r\n"]
    for name, value in seen.headers:
        if _TOKEN.fullmatch(name):
            lines.append(f"{_stored_name(name)}: {_BREAKS.sub(' ', value)}\r\n")
    lines.append(f"Content-Length: {len(seen.body)}\r\n\r\n")
    return "".join(lines).encode("latin-1", "replace") + seen.body


def _stored_name(name: str) -> str:
    lower = name.lower()
    return f"X-AskFirst-{name}" if lower in _FRAMING or lower.startswith("x-askfirst-") else name
