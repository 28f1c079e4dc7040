"""``/.well-known/security.txt``: RFC 9116, read for its ``Contact`` lines alone.

It is a file for reports of vulnerabilities. It is looked at only when something is to be asked and nothing else names
anybody, and it never says anything about rights.

1. The first ``Contact`` that is an address counts: they stand in the order of preference (section 2.5.3). It is a URI:
   ``mailto:``, ``https:`` or ``tel:``. house: ``http:`` and a bare mail address are taken, too.
2. A file whose ``Expires`` has passed (section 2.5.5) should not be used. house: it is still somebody to ask, and that
   is remarked.
3. house: an HTML page in its place is no file. 1,000 lines are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final, NamedTuple

from askfirst.rights.media import begins_as_html, content_type
from askfirst.rights.model import Agent, Contact, Kind, Nearness, Observation, Reading, RemarkKind
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, remark
from askfirst.rights.tdmrep import policy_terms

PROTOCOL: Final = "security.txt"
NOTE: Final = "a contact for security reports; nothing else is published"
_MAX_LINES: Final = 1_000
_MAX_CHARS: Final = 2_000


class _Field(NamedTuple):
    name: str
    value: str
    at: str
    text: str


def read_security_txt(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # it names no agents
    """Whom to reach, if nobody else is named."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return SILENT
    start = observation.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<" or begins_as_html(observation.body) or content_type(observation) == "text/html":
        return SILENT
    fields = list(_fields(observation.body))
    found = next(((field, reach) for field in fields if field.name == "contact" and (reach := _reach(field))), None)
    if found is None:
        return SILENT
    field, address = found
    words = evidence(observation, at=field.at, text=field.text, spec="RFC 9116, section 2.5.3")
    contact = Contact(source=PROTOCOL, nearness=Nearness.LAST_RESORT, address=address, note=NOTE, evidence=words)
    expired = next((f for f in fields if f.name == "expires" and _passed(f.value, observation.observed_at)), None)
    if expired is None:
        return Constant(Reading(contacts=(contact,)))
    words = evidence(observation, at=expired.at, text=expired.text, spec="RFC 9116, section 2.5.5")
    note = "ran out: the contact may be out of date"
    return Constant(Reading(contacts=(contact,), remarks=(remark(PROTOCOL, RemarkKind.EXPIRED, note, words),)))


def _fields(body: bytes) -> Iterator[_Field]:
    lines = body.decode("utf-8-sig", "replace").splitlines()
    for number, line in islice(enumerate(lines, start=1), _MAX_LINES):
        name, colon, value = line.partition(":")
        if colon and len(line) <= _MAX_CHARS:
            yield _Field(name.strip().lower(), value.strip(), f"line {number}", line)


def _reach(field: _Field) -> str | None:
    value = field.value
    if "@" in value and ":" not in value:
        value = f"mailto:{value}"
    if not value.lower().startswith(("mailto:", "https:", "http:", "tel:")):
        return None
    terms = policy_terms(value, "")
    return None if terms is None else terms.contact or terms.url


def _passed(value: str, at: datetime) -> bool:
    try:
        expires = datetime.fromisoformat(value.strip().upper())
        return (expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires) <= at
    except (ValueError, OverflowError):
        return False


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.CONTACT,),
    paths=("/.well-known/security.txt",),
    parse=read_security_txt,
    max_bytes=65_536,
)
