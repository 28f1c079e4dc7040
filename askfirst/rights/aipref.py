"""Content-Usage, wherever it stands: IETF AIPREF, draft-ietf-aipref-vocab-08 (14 September 2026) and
draft-ietf-aipref-attach-05 (19 August 2026). Drafts, without consensus yet.

This module reads a value and combines several; askfirst.rights.signals.aipref_header and aipref_robots find them.

1. A value is a dictionary of RFC 9651: ``train-ai``, ``ai-use`` and ``search``, with the token ``y`` or ``n``. Any
   other value leaves a category unknown; unknown labels and parameters are ignored; of one label that stands twice the
   last counts. What is no dictionary is unknown as a whole.
2. In robots.txt the longest path that matches replaces the shorter ones, as a whole; lines of equal length combine.
3. Where several speak of one asset any ``n`` wins: the places have one rank, and a refusal outweighs a permission.
4. Unknown is no permission and no refusal.

house, all of it to refuse only. For conservative readers: a label of an earlier draft, or of Content-Signal, with ``n``
(``ai-train=no`` too); ``train-ai=n`` in what is no dictionary, before a ``y`` for the same label, or among parameters;
the ``*`` groups beside our own, and lines of no group or of no certain one; a shorter path where the longer ones do not
speak of the category. For suspicious readers: ``N``, ``no``, ``"n"``, ``?0`` and their like, and a shorter path that a
longer one lifts. A value of more than 8 KiB is not read, and defers. Exceptions of CC signals (Creative Commons, 2025)
are terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import http_sf

from askfirst.rights.model import Care, Category, Reading, RemarkKind, Terms, Verdict
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

PROTOCOL = "aipref"
MAX_VALUE_BYTES: Final = 8_192
LABELS: Final[Mapping[str, Category]] = {
    "train-ai": Category.TRAIN_GENERATIVE,
    "ai-use": Category.AI_INPUT,
    "search": Category.SEARCH,
}
_EARLIER: Final[Mapping[str, tuple[Category, ...]]] = {
    "all": (Category.TDM, Category.TRAIN, Category.AI_INPUT),
    "bots": (Category.TDM, Category.TRAIN, Category.AI_INPUT),
    "tdm": (Category.TDM, Category.TRAIN, Category.AI_INPUT),
    "ai": (Category.TRAIN, Category.AI_INPUT),
    "genai": (Category.TRAIN_GENERATIVE,),
    "train-genai": (Category.TRAIN_GENERATIVE,),
    "inference": (Category.AI_INPUT,),
    "ai-output": (Category.AI_INPUT,),
}
_CONTENT_SIGNAL: Final[Mapping[str, tuple[Category, ...]]] = {
    "ai-train": (Category.TRAIN,),
    "ai-input": (Category.AI_INPUT,),
}
_NO_DICTIONARY: Final = "no dictionary of RFC 9651, so that all of it is unknown"
_NOES: Final = frozenset({"n", "no", "false", "?0", "0", "disallow"})
_CC_SIGNALS: Final[Mapping[str, str]] = {
    "cc-cr": "credit",
    "cc-cr-dc": "credit and direct contribution",
    "cc-cr-ec": "credit and ecosystem contribution",
    "cc-cr-op": "credit and open",
}
UNREAD: Final = Words(
    claims=tuple(Claim(category=category, verdict=Verdict.DEFER) for category in LABELS.values()),
    notes=((RemarkKind.TRUNCATED, "too much to be read: what it says is not known"),),
)
"""The words of what is not read."""


@lru_cache(maxsize=1_024)
def read_usage(value: str) -> Words:
    """What one dictionary says. Octets beyond UTF-8 are lone surrogates. Remembered: a site says the same on all
    of its pages. Never raises on content."""
    octets = value.encode("utf-8", "surrogatepass")
    if len(octets) > MAX_VALUE_BYTES:
        return UNREAD
    notes: list[tuple[RemarkKind, str]] = []
    claims = _literal(octets)
    if claims is None:
        claims = []
        notes.append((RemarkKind.MALFORMED, _NO_DICTIONARY))
    refused = {claim.category for claim in claims if claim.verdict is Verdict.REFUSE}
    said = {(claim.category, claim.verdict, claim.care): claim for claim in claims}
    for label, written in dict.fromkeys(loose_pairs(value)):
        meant = _meant(label, written, refused)
        for claim in meant:
            said.setdefault((claim.category, claim.verdict, claim.care), claim)
        note = _note(label, written, meant)
        if note is not None and len(notes) < MAX_REMARKS:
            notes.append(note)
    return Words(tuple(said.values()), tuple(notes))


def _literal(octets: bytes) -> list[Claim] | None:
    """What it says by the letter; None if it is no dictionary."""
    try:
        members = http_sf.parse(octets, tltype="dictionary")
    except (ValueError, ArithmeticError, LookupError, TypeError, AssertionError, RecursionError):
        # the parser raises its own kind of ValueError; the others guard against its mistakes
        return None
    if not isinstance(members, dict):
        return None
    claims: list[Claim] = []
    for label, category in LABELS.items():
        member = members.get(label)
        value, parameters = member if isinstance(member, tuple) else (member, {})
        if not isinstance(value, http_sf.Token) or str(value) not in {"y", "n"}:
            continue
        refuses = str(value) == "n"
        terms = _cc_terms(parameters.get("exceptions")) if refuses and isinstance(parameters, dict) else None
        verdict = Verdict.REFUSE if refuses else Verdict.ALLOW
        claims.append(Claim(category=category, verdict=verdict, terms=terms, word=f"{label}={value}"))
    return claims


def _cc_terms(exceptions: object) -> Terms | None:
    name = str(exceptions)
    if name not in _CC_SIGNALS:
        return None
    return Terms(reference=f"CC signals {name}: usable under {_CC_SIGNALS[name]}")


def _meant(label: str, written: str, refused: set[Category]) -> list[Claim]:
    """What a pair may mean that does not say it."""
    name = label.lower()
    value = written.strip("\"'()").lower()
    if value not in _NOES:
        return []
    exact = label == name and written == "n"
    if name in LABELS:
        categories: tuple[Category, ...] = () if exact and LABELS[name] in refused else (LABELS[name],)
        care = Care.CONSERVATIVE if exact else Care.STRICT
    elif name in _CONTENT_SIGNAL:
        categories = _CONTENT_SIGNAL[name]
        care = Care.CONSERVATIVE if value in {"n", "no"} else Care.STRICT
    elif name in _EARLIER:
        categories = _EARLIER[name]
        care = Care.CONSERVATIVE if exact else Care.STRICT
    else:
        categories = (Category.TRAIN,) if "train" in name else ()
        care = Care.STRICT
    word = f"{label}={written}"
    return [Claim(category=c, verdict=Verdict.REFUSE, care=care, word=word) for c in categories]


def _note(label: str, written: str, meant: Sequence[Claim]) -> tuple[RemarkKind, str] | None:
    pair = f"`{label}={written}`"[:80]
    if meant:
        who = meant[0].care.name.lower()
        return RemarkKind.MALFORMED, f"{pair} says nothing by the letter; {who} readers take it for a refusal"
    name = label.lower()
    if name in LABELS and (label != name or written not in {"y", "n"}):
        return RemarkKind.MALFORMED, f"{pair} is unknown: the values are y and n, and the labels in lower case"
    if name in _EARLIER or name in _CONTENT_SIGNAL:
        return RemarkKind.IGNORED, f"{pair} is of another vocabulary, and permits nothing"
    return None


def combine(voice: Voice, lines: Sequence[Line]) -> Reading:
    """What the lines that match an asset say of it together."""
    longest = max((line.length for line in lines if _can_permit(line)), default=-1)
    longest_own = max((line.length for line in lines if line.audience in _OWN), default=-1)
    permits = (_permits(line for line in lines if _can_permit(line)), _permits(lines))
    said: list[Found] = []
    notes: list[Noted] = notes_of(lines)
    for line in lines:
        own = line.audience in _OWN
        permitting = _can_permit(line) and line.length == longest
        refusing = permitting or (own and line.length == longest_own)
        for claim in line.words.claims:
            if claim.verdict is Verdict.ALLOW:
                if permitting:
                    said.append((line, claim))
                continue
            care = Care.LITERAL if refusing or (own and claim.verdict is Verdict.DEFER) else Care.CONSERVATIVE
            lifted = permits[0 if own else 1].get(claim.category)
            if lifted is not None and lifted.length > line.length and care is not Care.LITERAL:
                care = Care.STRICT
                note = f"{lifted.at} has a longer path, and lifts this refusal of {claim.category}"
                notes.append((line, RemarkKind.IGNORED, note))
            said.append((line, replace(claim, care=max(care, claim.care))))
    found = mildest(said)
    refused = {c.category for _, c in found if c.verdict is Verdict.REFUSE and c.care is Care.LITERAL}
    outweighed = [(line, c) for line, c in found if c.verdict is Verdict.ALLOW and c.category in refused]
    notes += [
        (line, RemarkKind.CONTRADICTION, f"{c.category} is refused too, and any n wins") for line, c in outweighed
    ]
    return voice.reading([one for one in found if one not in outweighed], notes)


_OWN: Final = frozenset({Audience.CHOSEN, Audience.CAREFUL})


def _can_permit(line: Line) -> bool:
    return line.audience is Audience.CHOSEN and line.exact


def _permits(lines: Iterable[Line]) -> dict[Category, Line]:
    """By category, the line with the longest path that permits it."""
    found: dict[Category, Line] = {}
    for line in lines:
        for claim in line.words.claims:
            if claim.verdict is Verdict.ALLOW and line.exact:
                known = found.get(claim.category)
                if known is None or line.length > known.length:
                    found[claim.category] = line
    return found
