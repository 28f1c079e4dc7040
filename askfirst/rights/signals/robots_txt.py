"""robots.txt as an access rule (RFC 9309), and what its status means when it could not be read.

The bytes are read by askfirst.rights.robotstxt; this file gives them weight. It does not read the use preferences that
other drafts put into robots.txt.

The status table (RFC 9309 section 2.3.1, with our choices):

1. 2xx: the rules that parse. 304 never arrives here.
2. 404, 410 and the other 4xx: no rules. house: 401 and 403 refuse, as every crawler before the RFC had it.
3. 429, 5xx, and every outage: unreachable, which we answer with DEFER and never with ALLOW.
4. The body of an error status is never read as rules.
5. house: a Disallow that stands before any user-agent line refuses for careful readers; the RFC says to ignore it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Category,
    Kind,
    Observation,
    Reading,
    Remark,
    Signal,
    Verdict,
)
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, Target, evidence, outcome, remark
from askfirst.rights.robotstxt import MAX_BYTES, RobotsTxt, Rule, parse

PROTOCOL = "robots.txt"
MAX_REDIRECTS = 5
"""RFC 9309 section 2.3.1.2: so many consecutive redirects are followed, and beyond them the file is unreachable."""
_GROUPS = "RFC 9309 section 2.2"
_STATUS = "RFC 9309 section 2.3.1"


def read_robots(observation: Observation, agent: Agent) -> Statement:
    """What the origin's robots.txt says to this agent."""
    status = observation.status
    if observation.outage is not None or status is None or status == 429 or status >= 500 or status < 200:
        return _unread(observation, Verdict.DEFER)
    if status in (401, 403):
        return _unread(observation, Verdict.REFUSE)
    if 300 <= status < 400 or len(observation.redirects) > MAX_REDIRECTS:
        return _unread(observation, Verdict.DEFER)
    if status >= 400:
        return SILENT
    return _Rules(observation, robots_of(observation), agent)


# several readers read one file. INVARIANT: the observation is held beside what is remembered of it, because an identity
# is only a key while its object lives
_REMEMBERED: Final = 4
_recent: dict[int, tuple[Observation, RobotsTxt]] = {}


def robots_of(observation: Observation) -> RobotsTxt:
    """The file that was observed, read for the host that it was asked for at; the same object for the same observation,
    while it is among the last few asked about."""
    known = _recent.get(id(observation))
    if known is not None and known[0] is observation:
        return known[1]
    host = urlsplit(observation.document.url).hostname or ""
    robots = parse(observation.body, truncated=observation.truncated, host=host)
    if len(_recent) >= _REMEMBERED:
        _recent.clear()
    _recent[id(observation)] = (observation, robots)
    return robots


def speaks_of(observation: Observation, *keys: bytes) -> bool:
    """Whether a 2xx file may hold one of these words, which are in lower case: one look at its octets, UTF-16 included,
    before it is taken apart for a record that nearly none has."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return False
    body = observation.body
    octets = (body.replace(b"\0", b"") if b"\0" in body else body).lower()
    return any(key in octets for key in keys)


def _unread(observation: Observation, verdict: Verdict) -> Constant:
    how = outcome(observation)
    signal = Signal(
        source="robots.txt",
        protocol=PROTOCOL,
        category=Category.FETCH,
        basis=Basis.ACCESS_RULE,
        verdict=verdict,
        evidence=evidence(observation, at=how, text=how, spec=_STATUS),
    )
    return Constant(Reading(signals=(signal,)))


class _Rules:
    """The rules of one file for one agent. Readings are remembered by rule, so that they stay the same objects."""

    __slots__ = ("_by_rule", "_default", "_observation", "_remarks", "_rules")

    def __init__(self, observation: Observation, robots: RobotsTxt, agent: Agent) -> None:
        self._observation = observation
        self._rules = robots.rules_for(agent.product_token)
        self._remarks = _remarks(observation, robots)
        self._default = Reading(remarks=self._remarks) if self._remarks else NOTHING
        self._by_rule: dict[tuple[int, int], Reading] = {}

    def on(self, target: Target) -> Reading:
        rule = self._rules.match(target.path)
        orphan = self._rules.match_orphan(target.path)
        if rule is None and orphan is None:
            return self._default
        key = (0 if rule is None else rule.line, 0 if orphan is None else orphan.line)
        reading = self._by_rule.get(key)
        if reading is None:
            signals = [self._signal(rule, Care.LITERAL)] if rule is not None else []
            if orphan is not None:
                signals.append(self._signal(orphan, Care.CONSERVATIVE))
            reading = self._by_rule[key] = Reading(signals=tuple(signals), remarks=self._remarks)
        return reading

    def _signal(self, rule: Rule, care: Care) -> Signal:
        return Signal(
            source="robots.txt",
            protocol=PROTOCOL,
            category=Category.FETCH,
            basis=Basis.ACCESS_RULE,
            verdict=Verdict.ALLOW if rule.allow else Verdict.REFUSE,
            care=care,
            evidence=evidence(self._observation, at=f"line {rule.line}", text=rule.text, spec=_GROUPS),
        )


def _remarks(observation: Observation, robots: RobotsTxt) -> tuple[Remark, ...]:
    return tuple(
        remark(
            "robots.txt",
            note.kind,
            note.note,
            evidence(observation, at=f"line {note.line}", text=note.text, spec=_GROUPS),
        )
        for note in robots.notes
    )


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=read_robots,
    max_bytes=MAX_BYTES,
)
