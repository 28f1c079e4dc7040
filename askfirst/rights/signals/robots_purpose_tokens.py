"""Purpose tokens in robots.txt: draft-kelley-aipref-training-preference-signal-00 (30 October 2026).

The draft writes a preference about a use as an ordinary group whose user-agent value is a token that stands for the use
and for no crawler; groups and the longest match are those of RFC 9309. The exact token was not known when this was
written, so the shipped table is empty, and whoever knows a token puts it into the policy file (``[purpose_tokens]``,
docs/policy.md). Without a token nothing is read.

1. All groups that name the token are one set, whoever else they name. ``*`` groups are never about a use.
2. A Disallow that matches refuses the token's use for everybody; an Allow, or no such group, says nothing.
3. It is a preference and never about fetching, and a file that could not be read is not its affair:
   askfirst.rights.signals.robots_txt answers for both.
4. house: of several tokens for one use each counts for itself: one refusal is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Category,
    Kind,
    Observation,
    Reading,
    Signal,
    Verdict,
)
from askfirst.rights.policy import Tables
from askfirst.rights.reader import SILENT, Parse, Reader, Statement, Target, evidence
from askfirst.rights.robots_names import Naming, naming
from askfirst.rights.robotstxt import MAX_BYTES, RobotsTxt
from askfirst.rights.signals.robots_txt import robots_of

PROTOCOL = "robots-purpose-tokens"
_SPEC: Final = "draft-kelley-aipref-training-preference-signal"


def tuned(tables: Tables) -> Parse:
    """The reader for the tokens of the policy."""
    tokens = {category: sorted(words) for category, words in tables.purpose_tokens.items() if words}

    def read_purpose_tokens(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # said to everybody
        return _read(observation, tokens)

    return read_purpose_tokens if tokens else silent


def silent(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # there is nothing to look for
    """Without tokens nothing is said."""
    return SILENT


def _read(observation: Observation, tokens: Mapping[Category, list[str]]) -> Statement:
    """What the groups of the tokens refuse. Only a 2xx file is read."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return SILENT
    # one look at the octets, UTF-16 included, before a file is taken apart for tokens that it does not have
    octets = observation.body.replace(b"\0", b"").lower()
    if not any(token.encode() in octets for words in tokens.values() for token in words):
        return SILENT
    robots = robots_of(observation)
    named = [
        (category, token, groups)
        for category, words in tokens.items()
        for token in words
        if (groups := naming(robots, token)) is not None
    ]
    return _Tokens(observation, robots, named) if named else SILENT


class _Tokens:
    """The groups of the tokens in one file. Readings are remembered by the lines that made them, so that they stay the
    same objects."""

    __slots__ = ("_by_lines", "_named", "_observation", "_robots")

    def __init__(self, observation: Observation, robots: RobotsTxt, named: list[tuple[Category, str, Naming]]) -> None:
        self._observation = observation
        self._robots = robots
        self._named = named
        self._by_lines: dict[tuple[int, ...], Reading] = {}

    def on(self, target: Target) -> Reading:
        lines = tuple([groups.refusing(target.path) for _, _, groups in self._named])
        if not any(lines):
            return NOTHING
        reading = self._by_lines.get(lines)
        if reading is None:
            reading = self._by_lines[lines] = Reading(
                signals=tuple(
                    self._refusal(category, token, line)
                    for (category, token, _), line in zip(self._named, lines, strict=True)
                    if line
                )
            )
        return reading

    def _refusal(self, category: Category, token: str, line: int) -> Signal:
        return Signal(
            source=f"the group for {token} in robots.txt",
            protocol=PROTOCOL,
            category=category,
            basis=Basis.PREFERENCE,
            verdict=Verdict.REFUSE,
            evidence=evidence(self._observation, at=f"line {line}", text=self._robots.text_of(line), spec=_SPEC),
        )


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=silent,
    tuned=tuned,
    max_bytes=MAX_BYTES,
)
