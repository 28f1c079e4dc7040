"""Groups of robots.txt that close a path to known AI bots by name, as evidence of what the publisher wants.

RFC 9309 section 2.2.1: a group binds the crawler that it names and nobody else, so that to everybody else such groups
are silent. Several AI bots shut out by name still show what is wanted (some courts look at that), and tokens such as
Google-Extended, which never fetch, are nothing but a refusal of training. So they are evidence for everybody, and
refuse training for suspicious readers only (``Care.STRICT``). Which bots are known stands in askfirst.rights.ai_bots.

1. Only groups that *name* a bot count, never ``*``. All groups that name it are one set, and the longest rule decides.
2. Names are compared whole, in any case, as robots.txt compares them; a name outside the grammar (``ChatGPT Agent``)
   only where the file writes it so. Nothing is looked for inside another name.
3. Bots that train and control-only tokens refuse together: one signal, at the first line that decides, once as many of
   them are shut out as the policy needs (``[ai_bots] needed``). Fewer are a remark.
4. Bots that search or fetch for users, shut out, are a remark: that says nothing about training.
5. Our own token is no evidence about itself. house: ``User-agent: Scrapy`` is not read, because our token is the
   operator's and never the framework's.
6. The fetch is not its affair, and neither is a file that could not be read: askfirst.rights.signals.robots_txt answers
   for both.
7. house: of the rules of all sets together 50,000 are compared. Bots whose sets lie beyond that are not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from askfirst.rights.ai_bots import AI_BOTS, PURPOSES, SPELLINGS
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Category,
    Evidence,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Verdict,
)
from askfirst.rights.patterns import PatternIndex
from askfirst.rights.policy import Tables
from askfirst.rights.reader import SILENT, Parse, Reader, Statement, Target, evidence, remark
from askfirst.rights.robots_names import Naming, naming
from askfirst.rights.robots_values import addresses
from askfirst.rights.robotstxt import MAX_BYTES, RobotsTxt, RuleSet
from askfirst.rights.signals.robots_txt import robots_of

PROTOCOL = "robots-named-bots"
_SPEC = "RFC 9309 section 2.2.1; see docs/signals.md"
_SOURCE = "robots.txt"
_WHOLE_SITE: Final = frozenset({"/", "*", "/*"})
_MAX_RULES: Final = 50_000
_MAX_NAMES: Final = 12
_MAX_REMEMBERED: Final = 1_024
_AGENTS: Final = re.compile(rb"user[- ]?agents?[ \t]*+:([^\r\n#]*+)")
_NO_TOKEN: Final = re.compile(rb"[^a-z_-]")
_SHIPPED: Final = Tables()


def tuned(tables: Tables) -> Parse:
    """The reader that knows the bots of the policy, too."""
    return partial(read_named_bots, tables=tables) if tables != _SHIPPED else read_named_bots


def read_named_bots(observation: Observation, agent: Agent, tables: Tables = _SHIPPED) -> Statement:
    """What the file's groups for AI bots show. Only a 2xx file is read."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return SILENT
    training = AI_BOTS | tables.ai_bots
    tokens = _named(observation.body, PURPOSES.keys() | training, agent)
    if not tokens:
        return SILENT  # a file that names none of them is not taken apart
    robots = robots_of(observation)
    sets = _sets(robots, tokens, training)
    return _Shut(observation, robots, sets, tables.ai_bots_needed) if sets else SILENT


def _named(body: bytes, known: AbstractSet[str], agent: Agent) -> list[str]:
    """The known bots that user-agent lines seem to name, in the order of the alphabet. UTF-16 is looked at, too."""
    entries = [e.strip() for v in _AGENTS.findall(body.replace(b"\0", b"").lower()) for e in (v, *v.split(b","))]
    names = {*entries, *(_NO_TOKEN.split(entry, maxsplit=1)[0] for entry in entries)}
    own = agent.product_token
    return sorted(token for token in known if token.encode() in names and not addresses(token, own))


@dataclass(frozen=True, slots=True)
class _Set:
    """Bots that the file says the same to, those that train and the others. ``everywhere`` is the line that shuts them
    out of the whole site, or 0."""

    groups: Naming
    training: tuple[str, ...]
    others: tuple[str, ...]
    everywhere: int

    def line(self, path: str) -> int:
        """The line that shuts them out of ``path``, or 0."""
        return self.everywhere or self.groups.refusing(path)


def _sets(robots: RobotsTxt, tokens: Iterable[str], training: frozenset[str]) -> list[_Set]:
    """What the file says to the bots that it names: equal rules once, in the order of the file, and those that shut out
    nobody not at all."""
    bots: dict[RuleSet, list[str]] = {}
    for token in tokens:
        rules = robots.rules_for(token)
        if rules.named:
            bots.setdefault(rules, []).append(token)
    found: dict[object, _Set] = {}
    left = _MAX_RULES
    for rules in sorted(bots, key=lambda rules: rules.groups):
        groups = naming(robots, bots[rules][0]) if left > 0 else None
        if groups is None:
            break
        left -= len(groups.entries)
        said: object = rules
        if groups.all_of_them:
            if not any(line < 0 for _, _, line in groups.entries):
                continue
            said = frozenset((octets, line < 0) for octets, _, line in groups.entries)
        known = found.get(said) or _Set(groups, (), (), _everywhere(groups))
        trained = tuple(token for token in bots[rules] if token in training)
        others = tuple(token for token in bots[rules] if token not in training)
        found[said] = replace(known, training=known.training + trained, others=known.others + others)
    return list(found.values())


def _everywhere(groups: Naming) -> int:
    """The first line that shuts out of the whole site, where no other line can decide; else 0."""
    if not groups.all_of_them or any(line > 0 for _, _, line in groups.entries):
        return 0
    return min((-line for octets, _, line in groups.entries if octets in _WHOLE_SITE), default=0)


def _closed(sets: Iterable[_Set]) -> PatternIndex[int] | None:
    """Every path that is closed to a bot which is not shut out of the whole site, so that most paths cost one look.
    None where one is not enough: a careful reading, or a query, which is compared in two spellings."""
    groups = [s.groups for s in sets if not s.everywhere]
    if not all(g.all_of_them and not any("?" in octets for octets, _, _ in g.entries) for g in groups):
        return None
    return PatternIndex(entry for g in groups for entry in g.entries if entry[2] < 0)


class _Shut:
    """Who is shut out by one file. Readings are remembered by the lines that made them, so that they stay the same."""

    __slots__ = ("_always", "_by_lines", "_closed", "_needed", "_observation", "_robots", "_sets")

    def __init__(self, observation: Observation, robots: RobotsTxt, sets: list[_Set], needed: int) -> None:
        self._observation = observation
        self._robots = robots
        self._sets = sets
        self._needed = needed
        self._by_lines: dict[tuple[int, ...], Reading] = {}
        self._always = self._reading(tuple(s.everywhere for s in sets))
        self._closed = _closed(sets)

    def on(self, target: Target) -> Reading:
        path = target.path
        if path == "/robots.txt":
            return NOTHING
        if self._closed is not None and self._closed.longest(path) is None:
            return self._always
        lines = tuple([s.line(path) for s in self._sets])
        reading = self._by_lines.get(lines)
        if reading is None:
            if len(self._by_lines) >= _MAX_REMEMBERED:
                self._by_lines.clear()
            reading = self._by_lines[lines] = self._reading(lines)
        return reading

    def _reading(self, lines: tuple[int, ...]) -> Reading:
        shut = [(line, s) for line, s in zip(lines, self._sets, strict=True) if line]
        training = [token for _, s in shut for token in s.training]
        others = [token for _, s in shut for token in s.others]
        signals: tuple[Signal, ...] = ()
        remarks: list[Remark] = []
        if training:
            words = self._words(min(line for line, s in shut if s.training))
            if len(training) >= self._needed:
                signals = (_refusal(f"{_SOURCE} shuts out {_listed(training)}", words),)
            else:
                note = f"shuts out {_listed(training)}; the policy takes {self._needed} of them for a refusal"
                remarks.append(remark(_SOURCE, RemarkKind.NOT_COUNTED, note, words))
        if others:
            words = self._words(min(line for line, s in shut if s.others))
            note = f"shuts out {_listed(others)}, which says nothing about training"
            remarks.append(remark(_SOURCE, RemarkKind.IGNORED, note, words))
        return Reading(signals=signals, remarks=tuple(remarks)) if shut else NOTHING

    def _words(self, line: int) -> Evidence:
        return evidence(self._observation, at=f"line {line}", text=self._robots.text_of(line), spec=_SPEC)


def _refusal(source: str, words: Evidence) -> Signal:
    return Signal(
        source=source,
        protocol=PROTOCOL,
        category=Category.TRAIN,
        basis=Basis.PREFERENCE,
        verdict=Verdict.REFUSE,
        care=Care.STRICT,
        evidence=words,
    )


def _listed(bots: list[str]) -> str:
    """How many bots, and the first of their names."""
    names = sorted((SPELLINGS.get(bot, bot) for bot in bots), key=str.lower)
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"{len(names)} AI bot{'' if len(names) == 1 else 's'} ({', '.join(names[:_MAX_NAMES])}{more})"


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=read_named_bots,
    tuned=tuned,
    max_bytes=MAX_BYTES,
)
