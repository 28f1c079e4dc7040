"""Records of robots.txt that say something of a use, of everything or of a path: what Content-Usage (AIPREF) and
Content-Signal have in common.

It does not know what a value means and does not choose between lines: askfirst.rights.aipref and content_signals do.

1. A value may begin with a path, which ends at the first blank. What follows is said of what the path matches, as RFC
   9309 matches it; without a path it is said of everything.
2. Lines concern an agent in one of four ways (:class:`Audience`). Only the chosen ones can permit; those that are
   passed over refuse for conservative readers.
3. house: a path that begins with ``*`` is taken for one, and so is every other spelling of a path that a sloppy writer
   may have meant; all of them only to refuse. A path that no blank parts from what follows ends, for conservative
   readers, at the first letter that may have been meant to part it.
4. house: 1,000 different lines are read. More of them defer, and so does a file with such lines that is longer than is
   read, because what the rest says is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from askfirst.rights.model import (
    NOTHING,
    Basis,
    Care,
    Category,
    Observation,
    Reading,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.patterns import PatternIndex
from askfirst.rights.reader import Target, evidence, remark
from askfirst.rights.robotstxt import Record, RobotsTxt

MAX_LINES: Final = 1_000
MAX_REMARKS: Final = 20
_MAX_REMEMBERED: Final = 512
_BLANK: Final = " \t"


class Audience(IntEnum):
    """How a line concerns the agent: see askfirst.rights.robotstxt.Spoken."""

    CHOSEN = 0
    CAREFUL = 1
    PASSED_OVER = 2
    ORPHAN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that some words say. ``word`` is what says it, as written."""

    category: Category
    verdict: Verdict
    care: Care = Care.LITERAL
    basis: Basis = Basis.PREFERENCE
    terms: Terms | None = None
    word: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What one value says, and what is remarked on it."""

    claims: tuple[Claim, ...] = ()
    notes: tuple[tuple[RemarkKind, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """Words as they stand on a line, or in a field of a response. ``length`` is that of the path, 0 without one;
    ``exact``: the path stands in the spelling that can permit. ``at`` and ``text`` are the evidence."""

    at: str
    text: str
    words: Words
    audience: Audience = Audience.CHOSEN
    length: int = 0
    exact: bool = True


Found = tuple[Line, Claim]
Noted = tuple[Line, RemarkKind, str]


@dataclass(frozen=True, slots=True)
class Voice:
    """In whose name a reading is written."""

    protocol: str
    source: str
    spec: str
    observation: Observation

    def reading(self, found: Iterable[Found], notes: Iterable[Noted]) -> Reading:
        """The reading: the signals in order, and the first twenty remarks, each once."""
        signals = tuple(
            Signal(
                source=self.source,
                protocol=self.protocol,
                category=claim.category,
                basis=claim.basis,
                verdict=claim.verdict,
                terms=claim.terms,
                care=claim.care,
                evidence=evidence(self.observation, at=line.at, text=line.text, spec=self.spec),
            )
            for line, claim in found
        )
        remarks = tuple(
            remark(self.source, kind, note, evidence(self.observation, at=line.at, text=line.text, spec=self.spec))
            for line, kind, note in list(dict.fromkeys(notes))[:MAX_REMARKS]
        )
        return Reading(signals=signals, remarks=remarks) if signals or remarks else NOTHING


def mildest(found: Iterable[Found]) -> list[Found]:
    """Of the claims of one category and verdict the one that counts for most readers, without terms before with terms,
    and then the first."""
    kept: dict[tuple[Category, Verdict], Found] = {}
    for line, claim in sorted(found, key=lambda one: (one[1].care, one[1].terms is not None)):
        kept.setdefault((claim.category, claim.verdict), (line, claim))
    return sorted(kept.values(), key=lambda one: (one[1].category, one[1].verdict))


def notes_of(lines: Sequence[Line]) -> list[Noted]:
    """What is remarked on the lines themselves."""
    notes: list[Noted] = []
    for line in lines:
        notes += [(line, kind, note) for kind, note in line.words.notes]
        if line.audience is Audience.ORPHAN:
            note = "it stands above the first user-agent line: taken as said to everybody, and only to refuse"
            notes.append((line, RemarkKind.MALFORMED, note))
        elif not line.exact:
            note = "the path is not written as RFC 9309 has it: understood, and only to refuse"
            notes.append((line, RemarkKind.MALFORMED, note))
    return notes


def split_path(value: str) -> tuple[str, str]:
    """The path that a value begins with, or an empty text, and the rest."""
    if value[:1] not in {"/", "*"}:
        return "", value
    for at, letter in enumerate(value):
        if letter in _BLANK:
            return value[:at], value[at:].strip(_BLANK)
    return value, ""


_PARTING: Final = re.compile(r"[\s,;:|]")


def _meant(path: str, read: Callable[[str], Words]) -> tuple[str, Words] | None:
    """The path and the refusals that may have been meant by a path with nothing behind it; None where none are."""
    parting = _PARTING.search(path)
    if parting is None:
        return None
    words = read(path[parting.end() :].strip())
    refusals = tuple(
        replace(claim, care=max(claim.care, Care.CONSERVATIVE))
        for claim in words.claims
        if claim.verdict is not Verdict.ALLOW
    )
    return (path[: parting.start()], Words(refusals, words.notes)) if refusals else None


class Lines:
    """The lines of one file for one agent, as a statement. Readings are remembered by the lines that matched, so that
    they stay the same objects."""

    __slots__ = ("_by_matched", "_everywhere", "_index", "_lines", "_rest", "_weigh")

    def __init__(self, lines: Sequence[tuple[Line, str]], weigh: Callable[[Sequence[Line]], Reading]) -> None:
        self._weigh = weigh
        self._lines = [line for line, _ in lines]
        self._everywhere = [at for at, (_, octets) in enumerate(lines) if not octets]
        entries = [(octets, 0, at) for at, (_, octets) in enumerate(lines) if octets]
        self._index = PatternIndex(entries) if entries else None
        self._rest = weigh([self._lines[at] for at in self._everywhere])
        self._by_matched: dict[tuple[int, ...], Reading] = {}

    def on(self, target: Target) -> Reading:
        matched = () if self._index is None else tuple(self._index.matching(target.path))
        if not matched:
            return self._rest
        reading = self._by_matched.get(matched)
        if reading is None:
            if len(self._by_matched) >= _MAX_REMEMBERED:
                self._by_matched.clear()
            # a line matches once, in its exact spelling if it can
            once: dict[str, Line] = {}
            for at in sorted({*self._everywhere, *matched}):
                once.setdefault(self._lines[at].at, self._lines[at])
            reading = self._by_matched[matched] = self._weigh(list(once.values()))
        return reading


def lines_for(
    robots: RobotsTxt, keys: frozenset[str], token: str, read: Callable[[str], Words], unread: Words
) -> list[tuple[Line, str]]:
    """The lines with one of ``keys`` that concern ``token``, in order, each once for every spelling of its path.
    ``unread`` are the words of all the lines that are too many."""
    spoken = robots.spoken(keys, token)
    found: list[tuple[Record, Audience]] = [
        *((record, Audience.CHOSEN) for record in spoken.chosen),
        *((record, Audience.CAREFUL) for record in spoken.careful),
        *((record, Audience.PASSED_OVER) for record in spoken.passed_over),
        *((record, Audience.ORPHAN) for record in spoken.orphans),
    ]
    different: dict[tuple[str, Audience], Record] = {}
    for record, audience in found:
        different.setdefault((record.value, audience), record)
    lines: list[tuple[Line, str]] = []
    for (value, audience), record in list(different.items())[:MAX_LINES]:
        path, rest = split_path(value)
        at, text = f"line {record.line}", robots.text_of(record.line)
        words = read(rest)
        meant = _meant(path, read) if path and not rest else None
        if meant is not None:
            path, words = meant
        for nth, octets in enumerate(robots.path_spellings(path) if path else ("",)):
            exact = meant is None and nth == 0 and not path.startswith("*")
            lines.append((Line(at, text, words, audience, len(octets), exact), octets))
    left = list(different.items())[MAX_LINES : MAX_LINES + 1]
    if robots.is_cut:
        left = left or list(different.items())[:1]
    for (_, audience), record in left:
        lines.append((Line(f"line {record.line} ff.", robots.text_of(record.line), unread, audience), ""))
    return lines


def loose_pairs(text: str) -> list[tuple[str, str]]:
    """Every ``name=value`` that stands in ``text``, however it is separated: by commas, semicolons or blanks, with
    ``:`` for ``=``, with blanks around it. In order, as written."""
    joined = "=".join([part.strip() for part in text.replace(":", "=").split("=")])
    pieces = joined.replace(",", " ").replace(";", " ").split()
    return [(name, value) for name, equals, value in (piece.partition("=") for piece in pieces) if equals and name]
