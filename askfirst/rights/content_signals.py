"""Content-Signal, wherever it stands: Cloudflare's Content Signals Policy (contentsignals.org, 24 September 2025) and
its ``use`` key (31 August 2026); draft-romm-aipref-contentsignals-00 (expired).

This module reads a value and combines several; askfirst.rights.signals.content_signals_robots and _header find them. It
reads no comments: the text of the policy is kept with the file, and is no machine's input.

1. ``search``, ``ai-input`` and ``ai-train``, each ``yes`` or ``no``, separated by commas. An absent one is neither
   granted nor restricted; unknown names are ignored.
2. A restriction is an express reservation under Article 4 of Directive (EU) 2019/790, says the policy, so that
   ``ai-train=no`` reserves text and data mining too. house: use as input is mining as well, and has a signal of its
   own, so that ``ai-train=no`` does not refuse it.
3. ``use=immediate`` or ``use=reference`` bounds how far content may be consumed. house: nobody says where the bounds
   are, so training and input are refused until somebody was asked. ``use=full`` says nothing.
4. house: how lines combine is not specified. Any ``no`` wins, at whatever length of path, in a chosen group or in none;
   a ``yes`` counts in the chosen group and at the longest path. ``no`` is read in any case, ``yes`` is only ``yes``.

house, for conservative readers and to refuse only: ``n``, ``false``, ``disallow``, ``0`` and their like for no; a
``use`` that is not known; pairs that are not separated by commas; the labels of Content-Usage, and other names of the
same; the ``*`` groups beside our own, and lines of no certain group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from askfirst.rights.model import Basis, Care, Category, Purpose, Reading, RemarkKind, Terms, Verdict
from askfirst.rights.reader import Statement, Target
from askfirst.rights.robots_records import (
    MAX_REMARKS,
    Audience,
    Claim,
    Found,
    Line,
    Noted,
    Voice,
    Words,
    loose_pairs,
    mildest,
    notes_of,
)
from askfirst.rights.robotstxt import UNSEEN

PROTOCOL = "content-signals"
KEYS: Final = frozenset({"content-signal", "content-signals"})
SPEC: Final = "Content Signals Policy (contentsignals.org)"
_NAMES: Final[Mapping[str, tuple[Category, ...]]] = {
    "search": (Category.SEARCH,),
    "ai-input": (Category.AI_INPUT,),
    "ai-train": (Category.TRAIN, Category.TDM),
}
_OTHER_NAMES: Final[Mapping[str, tuple[Category, ...]]] = {
    "ai_input": (Category.AI_INPUT,),
    "ai-use": (Category.AI_INPUT,),
    "ai_train": (Category.TRAIN,),
    "ai-training": (Category.TRAIN,),
    "train": (Category.TRAIN,),
    "training": (Category.TRAIN,),
    "ai": (Category.TRAIN, Category.AI_INPUT),
    "all": (Category.TRAIN, Category.AI_INPUT),
    "train-ai": (Category.TRAIN_GENERATIVE,),
}
_NOES: Final = frozenset({"no", "n", "false", "disallow", "0", "none", "never", "off", "deny", "denied", "disallowed"})
_LEVELS: Final = frozenset({"immediate", "reference"})
_BOUNDED: Final = (Category.TRAIN, Category.AI_INPUT)
UNREAD: Final = Words(
    claims=tuple(
        Claim(category=category, verdict=Verdict.DEFER)
        for category in (Category.SEARCH, Category.AI_INPUT, Category.TRAIN, Category.TDM)
    ),
    notes=((RemarkKind.TRUNCATED, "too much to be read: what this line or the next ones say is not known"),),
)
"""The words of what is not read."""


def read_signals(value: str) -> Words:
    """What one value says. Never raises on content."""
    said: dict[tuple[Category, Verdict, Care], Claim] = {}
    notes: list[tuple[RemarkKind, str]] = []
    for item in dict.fromkeys(value.split(",")):
        claims, note = _read_item(item)
        for claim in claims:
            said.setdefault((claim.category, claim.verdict, claim.care), claim)
        if note is not None and len(notes) < MAX_REMARKS:
            notes.append(note)
    return Words(tuple(said.values()), tuple(notes))


def _read_item(item: str) -> tuple[list[Claim], tuple[RemarkKind, str] | None]:
    name, _, value = (part.strip() for part in item.partition("="))
    key, word = name.lower(), value.lower()
    shown = f"`{item.strip()}`"[:80]
    if not name and not value:
        return [], None
    if key in _NAMES and word == "no":
        return _refusals(_NAMES[key], item), None
    if key in _NAMES and (name, value) == (key, "yes"):
        return [Claim(category=_NAMES[key][0], verdict=Verdict.ALLOW, word=item)], None
    if key == "use" and word == "full":
        return [], None
    if key == "use" and word in _LEVELS:
        terms = Terms(reference=f"Content Signals use={word}: bounds how far the content may be consumed")
        return [replace(claim, terms=terms) for claim in _refusals(_BOUNDED, item)], None
    meant = [claim for pair in loose_pairs(item) for claim in _meant(*pair, item)]
    if meant:
        note = f"{shown} is not as it is to be written: it can refuse, and never permit"
        return meant, (RemarkKind.MALFORMED, note)
    if key in _NAMES or key == "use":
        return [], (RemarkKind.MALFORMED, f"{shown} has a value that is not known, and says nothing")
    return [], (RemarkKind.IGNORED, f"{shown} is no signal that is known, and says nothing")


def _meant(name: str, value: str, item: str) -> list[Claim]:
    """What a pair refuses that does not say so."""
    key, word = name.strip(UNSEEN).lower(), value.strip(UNSEEN + "\"'").lower()
    if key == "use":
        # a bound that nobody knows is no permission
        return _refusals(_BOUNDED, item, Care.CONSERVATIVE) if word not in {"", "full"} else []
    if key in _NAMES and (name, value) == (key, "no"):
        # house: a plain no counts however the list around it is separated
        return _refusals(_NAMES[key], item)
    categories = _NAMES.get(key) or _OTHER_NAMES.get(key, ())
    return _refusals(categories, item, Care.CONSERVATIVE) if word in _NOES else []


def _refusals(categories: Sequence[Category], item: str, care: Care = Care.LITERAL) -> list[Claim]:
    return [
        Claim(category=category, verdict=Verdict.REFUSE, care=care, basis=Basis.RESERVATION, word=item)
        for category in categories
    ]


def combine(voice: Voice, lines: Sequence[Line]) -> Reading:
    """What the lines that match a resource say of it together."""
    longest = max((line.length for line in lines if line.audience is Audience.CHOSEN), default=-1)
    said: list[Found] = []
    notes: list[Noted] = notes_of(lines)
    for line in lines:
        passed_over = line.audience is Audience.PASSED_OVER
        for claim in line.words.claims:
            if claim.verdict is not Verdict.ALLOW:
                care = Care.CONSERVATIVE if passed_over else Care.LITERAL
                said.append((line, replace(claim, care=max(care, claim.care))))
            elif line.audience is Audience.CHOSEN and line.exact and line.length == longest:
                said.append((line, claim))
    found = mildest(said)
    refused = {c.category for _, c in found if c.verdict is Verdict.REFUSE and c.care is Care.LITERAL}
    outweighed = [(line, c) for line, c in found if c.verdict is Verdict.ALLOW and c.category in refused]
    notes += [(line, RemarkKind.CONTRADICTION, f"{c.category} is refused too, and no wins") for line, c in outweighed]
    return voice.reading([one for one in found if one not in outweighed], notes)


class ByJob:
    """A statement whose reservation of mining is not said of use as input, which has a signal of its own. Readings are
    remembered, so that they stay the same objects."""

    __slots__ = ("_statement", "_without")

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        # by identity, and the reading is held beside it, because an identity is only a key while its object lives
        self._without: dict[int, tuple[Reading, Reading]] = {}

    def on(self, target: Target) -> Reading:
        said = self._statement.on(target)
        if target.intent.purpose is not Purpose.AI_INPUT:
            return said
        known = self._without.get(id(said))
        if known is None:
            kept = tuple(s for s in said.signals if s.category is not Category.TDM)
            without = said if len(kept) == len(said.signals) else replace(said, signals=kept)
            if len(self._without) >= _MAX_REMEMBERED:
                self._without.clear()
            known = self._without[id(said)] = (said, without)
        return known[1]


_MAX_REMEMBERED: Final = 512
