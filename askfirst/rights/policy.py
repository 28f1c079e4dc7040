"""What *we* chose, never what they said: the shipped profiles, and the policy file.

| | opt-out | opt-in | strict |
|---|---|---|---|
| silence | allows | refuses | refuses |
| silence before the fetch | allows | look: fetch what access rules allow | refuses |
| ambiguities | literal where the specification is clear, careful where not | careful | suspicious |
| robots.txt readers | RFC 9309 | RFC 9309 | RFC 9309 and an older one |

A policy file is TOML: it ``extends`` a profile and may set ``[signals]`` (obey, log or off, by protocol), ``[max_age]``
(seconds, only lower than the default counts), add to ``[purpose_tokens]`` (user-agent values in robots.txt, by purpose)
and ``[ai_bots]`` (``names``, and how many are ``needed``), and list ``[[licence]]``, ``[[consent]]`` and
``[[override]]`` papers. A paper is a consent like any other: it never lifts an access rule. A broken file raises
:class:`PolicyError` with the path of the key, and nothing starts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import TypedDict

from askfirst.rights.consent import ConsentRecord, RecordError, parse_record
from askfirst.rights.model import Care, Category, Purpose, Stage, Verdict
from askfirst.rights.wire import Json, canonical, digest


class PolicyError(ValueError):
    """The operator's policy cannot be used: says which key, what is wrong, and what to write instead."""


class Mode(StrEnum):
    """What to do with a signal. LOG: read and record it, without effect. OFF: do not even look."""

    OBEY = "obey"
    LOG = "log"
    OFF = "off"


PAPERS = "operator"
"""The protocol of the operator's own licences, consents and overrides."""

MAX_AGE_S: Mapping[str, int] = {
    "robots.txt": 86_400,
    "tdmrep.json": 86_400,
    "ai.txt": 86_400,
    "trust.txt": 86_400,
    "license": 86_400,
    "policy": 86_400,
    "contact": 86_400,
    "registry": 86_400,
    "outage": 60,
}
"""How long an observation may be reused at most, by document. RFC 9309 section 2.4 gives robots.txt 24 hours; for
the others it is by analogy. An outage is looked at again soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A licence, consent or override that the operator holds: what it covers, and who can show it."""

    kind: str
    record: ConsentRecord
    person: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Names that vendors and drafts add to often, so that a policy file can add to them without a change of code.

    ``purpose_tokens``: by category, the user-agent values in robots.txt that stand for that use by anybody, in lower
    case. ``ai_bots``: further bots that collect for training, in lower case. ``ai_bots_needed``: how many of the known
    ones a path must be closed to, before a suspicious reader takes it as said to everybody.
    """

    purpose_tokens: Mapping[Category, frozenset[str]] = field(default_factory=dict)
    ai_bots: frozenset[str] = frozenset()
    ai_bots_needed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What we chose. ``silence`` is the verdict on silence at each stage; ``modes`` are only those that differ from
    what a protocol's mode is otherwise."""

    name: str
    silence: Mapping[Stage, Verdict]
    care: Care
    modes: Mapping[str, Mode] = field(default_factory=dict)
    max_age_s: Mapping[str, int] = field(default_factory=lambda: dict(MAX_AGE_S))
    papers: tuple[Paper, ...] = ()
    tables: Tables = Tables()
    digest: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest(canonical(_to_wire(self))))

    def mode(self, protocol: str, otherwise: Mode = Mode.OBEY) -> Mode:
        """What to do with the signals of a protocol, where the file says nothing about it: ``otherwise``."""
        return self.modes.get(protocol, otherwise)


def _to_wire(policy: Policy) -> dict[str, Json]:
    wire: dict[str, Json] = {
        "name": policy.name,
        "silence": {stage.value: verdict.word for stage, verdict in policy.silence.items()},
        "care": policy.care.name.lower(),
        "modes": {name: mode.value for name, mode in policy.modes.items()},
        "papers": [_paper_to_wire(p) for p in policy.papers],
    }
    if policy.tables != Tables():
        wire["tables"] = _tables_to_wire(policy.tables)
    return wire


def _tables_to_wire(tables: Tables) -> dict[str, Json]:
    return {
        "purpose_tokens": {c.value: sorted(tokens) for c, tokens in tables.purpose_tokens.items()},
        "ai_bots": sorted(tables.ai_bots),
        "ai_bots_needed": tables.ai_bots_needed,
    }


def _paper_to_wire(paper: Paper) -> dict[str, Json]:
    wire: dict[str, Json] = {"kind": paper.kind, "record": paper.record.to_wire()}
    if paper.person is not None:
        wire["person"] = paper.person
    if paper.reason is not None:
        wire["reason"] = paper.reason
    return wire


OPT_OUT = Policy(
    name="opt-out",
    silence={Stage.FETCH: Verdict.ALLOW, Stage.KEEP: Verdict.ALLOW},
    care=Care.LITERAL,
)
OPT_IN = Policy(
    name="opt-in",
    silence={Stage.FETCH: Verdict.ALLOW, Stage.KEEP: Verdict.REFUSE},
    care=Care.CONSERVATIVE,
)
STRICT = Policy(
    name="strict",
    silence={Stage.FETCH: Verdict.REFUSE, Stage.KEEP: Verdict.REFUSE},
    care=Care.STRICT,
)
PROFILES: Mapping[str, Policy] = {p.name: p for p in (OPT_OUT, OPT_IN, STRICT)}


def default_profile(purpose: Purpose) -> Policy:
    """``opt-in``, except for search, which sends people to the source: ``opt-out``."""
    return OPT_OUT if purpose is Purpose.SEARCH else OPT_IN


def parse_policy(text: str, *, where: str, protocols: Mapping[str, Mode] | None = None) -> Policy:
    """The policy of a TOML file; ``where`` names the file in errors, ``protocols`` are those a mode can be set for,
    with the mode that they have otherwise; None leaves their names unchecked. Raises PolicyError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{where}: not TOML: {error}") from None
    known = {"extends", "name", "signals", "max_age", "purpose_tokens", "ai_bots", "licence", "consent", "override"}
    for key in table:
        if key not in known:
            raise PolicyError(f"{where}: {key}: unknown key; known are {', '.join(sorted(known))}")
    base = table.get("extends", "opt-in")
    if base not in PROFILES:
        raise PolicyError(f"{where}: extends: {base!r} is no profile; write one of {', '.join(PROFILES)}")
    name = table.get("name", base)
    if not isinstance(name, str) or not name:
        raise PolicyError(f"{where}: name: must be text that is not empty")
    return replace(
        PROFILES[base],
        name=name,
        modes=_modes(table.get("signals", {}), where, protocols),
        max_age_s=_max_ages(table.get("max_age", {}), where),
        tables=Tables(
            purpose_tokens=_purpose_tokens(table.get("purpose_tokens", {}), f"{where}: purpose_tokens"),
            **_ai_bots(table.get("ai_bots", {}), f"{where}: ai_bots"),
        ),
        papers=tuple(
            _paper(kind, entry, f"{where}: {kind}[{index}]")
            for kind in ("licence", "consent", "override")
            for index, entry in enumerate(_tables(table.get(kind, []), f"{where}: {kind}"))
        ),
    )


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PolicyError(f"{where}: must be a table")
    return value


def _tables(value: object, where: str) -> list[dict[str, object]]:
    if not isinstance(value, list):
        raise PolicyError(f"{where}: write it as [[…]], once for each paper")
    return [_table(entry, f"{where}[{index}]") for index, entry in enumerate(value)]


def _modes(value: object, where: str, protocols: Mapping[str, Mode] | None) -> dict[str, Mode]:
    modes: dict[str, Mode] = {}
    for protocol, mode in _table(value, f"{where}: signals").items():
        place = f"{where}: signals.{protocol}"
        if protocols is not None and protocol not in protocols:
            known = ", ".join(protocols)
            raise PolicyError(f"{place}: unknown signal; known are {known}; quote a name that has a dot in it")
        if mode not in set(Mode):
            raise PolicyError(f"{place}: {mode!r} is no mode; write obey, log or off")
        if Mode(str(mode)) is not (protocols or {}).get(protocol, Mode.OBEY):
            modes[protocol] = Mode(str(mode))
    return modes


def _max_ages(value: object, where: str) -> dict[str, int]:
    ages = dict(MAX_AGE_S)
    for document, age_s in _table(value, f"{where}: max_age").items():
        place = f"{where}: max_age.{document}"
        if document not in MAX_AGE_S:
            raise PolicyError(f"{place}: unknown document; known are {', '.join(MAX_AGE_S)}")
        if not isinstance(age_s, int) or isinstance(age_s, bool) or not 1 <= age_s <= MAX_AGE_S[document]:
            raise PolicyError(f"{place}: must be whole seconds from 1 to {MAX_AGE_S[document]}")
        ages[document] = age_s
    return ages


def _purpose_tokens(value: object, where: str) -> dict[Category, frozenset[str]]:
    tokens: dict[Category, frozenset[str]] = {}
    for purpose, listed in _table(value, where).items():
        if purpose not in set(Purpose):
            raise PolicyError(f"{where}.{purpose}: unknown purpose; known are {', '.join(Purpose)}")
        tokens[Category(purpose)] = _words(listed, f"{where}.{purpose}")
    return tokens


def _ai_bots(value: object, where: str) -> _AiBots:
    table = _table(value, where)
    for key in table:
        if key not in {"names", "needed"}:
            raise PolicyError(f"{where}.{key}: unknown key; known are names, needed")
    needed = table.get("needed", 1)
    if not isinstance(needed, int) or isinstance(needed, bool) or needed < 1:
        raise PolicyError(f"{where}.needed: must be a whole number from 1 upward")
    return {"ai_bots": _words(table.get("names", []), f"{where}.names"), "ai_bots_needed": needed}


class _AiBots(TypedDict):
    ai_bots: frozenset[str]
    ai_bots_needed: int


def _words(value: object, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        raise PolicyError(f"{where}: must be a list of texts that are not empty")
    if any(word.strip() == "*" for word in value):
        raise PolicyError(f"{where}: '*' names everybody; write the user-agent values that are meant")
    return frozenset(word.strip().lower() for word in value)


_PAPER_KEYS = {"scope", "purposes", "terms", "reference", "valid_until", "person", "reason"}
_PAPER_MUSTS = {
    "licence": ("scope", "purposes", "reference", "valid_until"),
    "consent": ("scope", "purposes", "reference", "valid_until"),
    "override": ("scope", "purposes", "person", "reason", "valid_until"),
}


def _paper(kind: str, entry: dict[str, object], where: str) -> Paper:
    for key in entry:
        if key not in _PAPER_KEYS:
            raise PolicyError(f"{where}.{key}: unknown key; known are {', '.join(sorted(_PAPER_KEYS))}")
    for key in _PAPER_MUSTS[kind]:
        if key not in entry:
            raise PolicyError(f"{where}.{key}: missing; {kind} papers need {', '.join(_PAPER_MUSTS[kind])}")
    for key in ("person", "reason", "reference", "terms"):
        if key in entry and not (isinstance(entry[key], str) and entry[key]):
            raise PolicyError(f"{where}.{key}: must be text that is not empty")
    record = {
        "scope": entry["scope"],
        "categories": entry["purposes"],
        "verdict": "grant",
        "valid_until": _moment(entry["valid_until"], f"{where}.valid_until"),
    }
    record.update({key: entry[key] for key in ("terms", "reference") if key in entry})
    try:
        parsed = parse_record(record)
    except RecordError as error:
        raise PolicyError(f"{where}: {error}") from None
    person, reason = entry.get("person"), entry.get("reason")
    return Paper(
        kind=kind,
        record=parsed,
        person=None if person is None else str(person),
        reason=None if reason is None else str(reason),
    )


def _moment(value: object, where: str) -> str:
    """TOML has dates of its own; a plain date means the end of that day, UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return datetime.combine(value, time(23, 59, 59), UTC).isoformat()
    if isinstance(value, str):
        return value
    raise PolicyError(f"{where}: must be a date such as 2027-12-31")
