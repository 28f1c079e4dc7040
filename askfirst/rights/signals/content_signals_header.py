"""``content-signal`` as an HTTP response field. Nobody has specified it: Cloudflare's "Markdown for Agents" sends it
with ``yes`` for everything, and some sites set it themselves.

1. house: it can refuse and never permit, because a converter's ``yes`` is not the publisher's word.
2. The value is read by askfirst.rights.content_signals. Repeated fields count each for itself.
"""

from __future__ import annotations

from dataclasses import replace

from askfirst.rights.content_signals import KEYS, PROTOCOL, SPEC, ByJob, combine, read_signals
from askfirst.rights.model import Agent, Kind, Observation, RemarkKind, Verdict
from askfirst.rights.reader import SILENT, Constant, Reader, Statement
from askfirst.rights.robots_records import Line, Voice, Words

SOURCE = "Content-Signal header"


def read_content_signals_header(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # it names no agents
    """What the response's fields refuse."""
    lines = [
        Line(f"field {name}", f"{name}: {value}", _refusing(read_signals(value)))
        for name, value in observation.headers
        if name.lower() in KEYS
    ]
    if not lines:
        return SILENT
    reading = combine(Voice(PROTOCOL, SOURCE, SPEC, observation), lines)
    return ByJob(Constant(reading)) if reading.signals or reading.remarks else SILENT


def _refusing(words: Words) -> Words:
    claims = tuple(claim for claim in words.claims if claim.verdict is not Verdict.ALLOW)
    if len(claims) == len(words.claims):
        return words
    note = (RemarkKind.IGNORED, "a yes in a response field may be a converter's, and permits nothing")
    return replace(words, claims=claims, notes=(note, *words.notes))


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE,),
    parse=read_content_signals_header,
    reads_body=False,
    fields=KEYS,
)
