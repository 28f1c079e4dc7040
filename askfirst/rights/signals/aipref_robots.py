"""``Content-Usage`` in robots.txt: draft-ietf-aipref-attach-05, "Robots Exclusion Protocol Content-Usage Rule".

The lines are found by askfirst.rights.robots_records and read by askfirst.rights.aipref. A file that could not be read
is the affair of askfirst.rights.signals.robots_txt.

1. The group is chosen as RFC 9309 chooses it. In what order its rules stand does not matter.
2. What may not be fetched has no preferences.
"""

from __future__ import annotations

from functools import partial

from askfirst.rights.aipref import PROTOCOL, UNREAD, combine, read_usage
from askfirst.rights.model import NOTHING, Agent, Kind, Observation, Reading
from askfirst.rights.reader import SILENT, Reader, Statement, Target
from askfirst.rights.robots_records import Lines, Voice, lines_for
from askfirst.rights.robotstxt import MAX_BYTES, RuleSet
from askfirst.rights.signals.robots_txt import robots_of, speaks_of

SOURCE = "Content-Usage in robots.txt"
_KEY = "content-usage"
_SPEC = 'draft-ietf-aipref-attach-05 "Robots Exclusion Protocol Content-Usage Rule"'


def read_aipref_robots(observation: Observation, agent: Agent) -> Statement:
    """What the file's Content-Usage lines say to this agent. Only a 2xx file is read."""
    if not speaks_of(observation, _KEY.encode()):
        return SILENT
    robots = robots_of(observation)
    lines = lines_for(robots, frozenset({_KEY}), agent.product_token, read_usage, UNREAD)
    if not lines:
        return SILENT
    voice = Voice(PROTOCOL, SOURCE, _SPEC, observation)
    return _Fetchable(Lines(lines, partial(combine, voice)), robots.rules_for(agent.product_token))


class _Fetchable:
    """What the lines say of what may be fetched."""

    __slots__ = ("_lines", "_rules")

    def __init__(self, lines: Lines, rules: RuleSet) -> None:
        self._lines = lines
        self._rules = rules

    def on(self, target: Target) -> Reading:
        said = self._lines.on(target)
        if said is NOTHING:
            return NOTHING
        rule = self._rules.match(target.path)
        return said if rule is None or rule.allow else NOTHING


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=read_aipref_robots,
    max_bytes=MAX_BYTES,
)
