"""``Content-Usage`` as an HTTP response field: draft-ietf-aipref-attach-05, "HTTP Content-Usage Header Field".

It speaks of the representation in the response that carries it. The value is read by askfirst.rights.aipref.

1. Several fields are one dictionary, joined by commas in their order.
2. A path is not part of a value here.
3. It takes nothing back that robots.txt refuses, and robots.txt nothing that it refuses: any n wins.
"""

from __future__ import annotations

from askfirst.rights.aipref import MAX_VALUE_BYTES, PROTOCOL, UNREAD, combine, read_usage
from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import SILENT, Constant, Reader, Statement
from askfirst.rights.robots_records import Claim, Line, Voice, Words

SOURCE = "Content-Usage header"
_FIELD = "content-usage"
_SPEC = 'draft-ietf-aipref-attach-05 "HTTP Content-Usage Header Field"'


def read_aipref_header(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # it names no agents
    """What the response's fields say of what it carries."""
    fields = [(name, value.strip(" \t")) for name, value in observation.headers if name.lower() == _FIELD]
    if not fields:
        return SILENT
    joined = ", ".join(value for _, value in fields if value)
    words = read_usage(joined) if len(joined) <= MAX_VALUE_BYTES else UNREAD
    lines = [Line(f"field {name}", f"{name}: {value}", Words()) for name, value in fields]
    lines = [Line(lines[0].at, lines[0].text, words)] if len(lines) == 1 else _told_apart(lines, words)
    reading = combine(Voice(PROTOCOL, SOURCE, _SPEC, observation), lines)
    return Constant(reading) if reading.signals or reading.remarks else SILENT


def _told_apart(fields: list[Line], words: Words) -> list[Line]:
    """The words, each claim in the last field that holds it, so that the evidence shows it; the notes in the first."""
    claims: list[list[Claim]] = [[] for _ in fields]
    for claim in words.claims:
        claims[_holder(fields, claim.word)].append(claim)
    return [
        Line(field.at, field.text, Words(tuple(claims[at]), words.notes if at == 0 else ()))
        for at, field in enumerate(fields)
    ]


def _holder(fields: list[Line], word: str) -> int:
    return next((at for at in reversed(range(len(fields))) if word in fields[at].text), 0)


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE,),
    parse=read_aipref_header,
    reads_body=False,
    fields=frozenset({_FIELD}),
)
