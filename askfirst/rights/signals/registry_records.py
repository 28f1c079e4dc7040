"""A consent registry's answer about one URL: grants lift, refusals bind.

The artifact is our own: the JSON object ``{"records": [record, …]}``; the records are those of askfirst.rights.consent.
This file does not look anything up and does not tell how fresh an answer is.

1. A record counts where its scope covers the URL; more specific scopes rank higher, and at the same scope a record for
   us by name ranks above one for anybody. The highest rank of a category supersedes.
2. At the same rank a refusal stands against a grant, and the contradiction is remarked.
3. A record for another grantee by name is remarked. INVARIANT: it never permits us anything. house: a refusal for
   ``*`` is for anyone, and one for ``ExBot/1.0`` is for ExBot, in any case; a grant names our token and nothing else.
4. house: a verdict that is not ``grant`` refuses, if the rest of the record can be read. A record that cannot be read
   and yet says it refuses, and covers the URL, refuses every use; if it cannot be told what it covers, it was still
   given for this URL, and counts as a failed look. Of any other, the defect is remarked.
5. An answer that did not come, or that cannot be read as a whole (not 2xx, cut, not JSON, a key twice), is a failed
   look: DEFER for every use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from askfirst.rights.consent import CATEGORIES, ConsentRecord, RecordError, covers, parse_record, plain_scope
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Category,
    Evidence,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.reader import Constant, Reader, Statement, Target, evidence, outcome, remark

PROTOCOL = "registry"
SOURCE = "consent registry"
_SPEC = "consent records, rules 1 to 4"
_REFUSALS = ("refus", "den", "opt-out", "optout", "opt_out", "forbid", "prohibit", "reserv", "disallow", "no", "false")


_PRODUCT = re.compile(r"[^a-z_-]")


class _UnreadError(ValueError):
    """The answer as a whole cannot be read, and why."""


def read_registry(observation: Observation, agent: Agent) -> Statement:
    """What the registry holds about the URL, for this agent."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return _failed(observation, outcome(observation))
    try:
        records = _records(observation)
    except _UnreadError as defect:
        return _failed(observation, str(defect))
    return _Records(observation, agent, [_entry(observation, index, record) for index, record in enumerate(records)])


_LISTED = re.compile(r"[\s,;|]+")
_ANYBODY = frozenset({"", "all", "any", "anyone", "anybody", "everyone", "everybody"})
_UNREAD_RANK = 1_000_000_000


def _failed(observation: Observation, how: str) -> Constant:
    return Constant(
        Reading(
            signals=tuple(
                Signal(
                    source=SOURCE,
                    protocol=PROTOCOL,
                    # No record is narrow enough to answer for what could not be read.
                    rank=_UNREAD_RANK,
                    category=category,
                    basis=Basis.RESERVATION,
                    verdict=Verdict.DEFER,
                    evidence=evidence(observation, at=how, text=how, spec="consent records, rule 5"),
                )
                for category in CATEGORIES
            ),
        ),
    )


def _records(observation: Observation) -> list[object]:
    if observation.truncated:
        raise _UnreadError("answer is cut")
    try:
        answer = json.loads(observation.body.decode("utf-8"), object_pairs_hook=_each_key_once)
    except RecursionError:
        raise _UnreadError("answer is nested too deep") from None
    except ValueError as error:
        raise _UnreadError(str(error) if isinstance(error, _UnreadError) else "answer is not JSON") from None
    records = answer.get("records") if isinstance(answer, dict) else None
    if not isinstance(records, list):
        raise _UnreadError("answer holds no list of records")
    return records


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # which of two values a registry meant is not for us to guess
    table = dict(pairs)
    if len(table) != len(pairs):
        raise _UnreadError("answer has a key twice")
    return table


@dataclass(frozen=True, slots=True)
class _Entry:
    """One record of the answer: read, or the reason why not. ``scope`` is None if it cannot be told."""

    scope: str | None
    grantee: str
    record: ConsentRecord | None
    defect: str
    refuses: bool
    words: Evidence


def _entry(observation: Observation, index: int, given: object) -> _Entry:
    words = evidence(observation, at=f"/records/{index}", text=_shown(given), spec=_SPEC)
    if not isinstance(given, dict):
        return _Entry("", "", None, "a record is not an object", False, words)
    try:
        record = parse_record(given)
    except RecordError as error:
        defect = _writable(str(error))
        repaired = _as_a_refusal(given)
        if repaired is not None:
            return _Entry(repaired.scope, repaired.grantee or "", repaired, defect, True, words)
        refuses = _looks_like_a_refusal(given)
        scope = _meant_scope(given) if refuses else _text(given, "scope")
        return _Entry(scope, _text(given, "grantee"), None, defect, refuses, words)
    return _Entry(record.scope, record.grantee or "", record, "", record.verdict is Verdict.REFUSE, words)


def _shown(given: object) -> str:
    try:
        return _writable(json.dumps(given, ensure_ascii=False))
    except RecursionError:
        return "a record that is nested too deep to be shown"


def _writable(text: str) -> str:
    """JSON can escape half a surrogate pair, which no UTF-8 record of ours could hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text(given: Mapping[str, object], key: str) -> str:
    value = given.get(key)
    return _writable(value.strip()) if isinstance(value, str) else ""


def _as_a_refusal(given: Mapping[str, object]) -> ConsentRecord | None:
    """The record as a refusal, where only its verdict is another word, or its scope another way to write one."""
    verdict = given.get("verdict")
    if not isinstance(verdict, str) or verdict.strip().lower() in ("", "grant"):
        return None
    try:
        return parse_record({**given, "verdict": "refuse", "scope": _meant_scope(given)})
    except RecordError:
        return None


def _meant_scope(given: Mapping[str, object]) -> str | None:
    scope = _text(given, "scope")
    try:
        parse_record({"scope": scope, "categories": ["train"], "verdict": "refuse"})
    except RecordError:
        return plain_scope(scope)
    return scope


def _looks_like_a_refusal(given: Mapping[str, object]) -> bool:
    verdict = given.get("verdict")
    return verdict is False or (isinstance(verdict, str) and verdict.strip().lower().startswith(_REFUSALS))


class _Records:
    """The records of one answer. Readings are remembered by the records that cover, so that they stay the same."""

    __slots__ = ("_entries", "_observation", "_readings", "_token")

    def __init__(self, observation: Observation, agent: Agent, entries: list[_Entry]) -> None:
        self._observation = observation
        self._token = agent.product_token.lower()
        self._entries = entries
        self._readings: dict[tuple[int, ...], Reading] = {}

    def on(self, target: Target) -> Reading:
        if not self._entries:
            return NOTHING
        url = target.intent.url
        specific = tuple(
            _UNREAD_RANK if e.scope is None else covers(e.scope, url, grant=not e.refuses) if e.scope else 0
            for e in self._entries
        )
        reading = self._readings.get(specific)
        if reading is None:
            reading = self._readings[specific] = self._read(specific)
        return reading

    def _read(self, specific: tuple[int, ...]) -> Reading:
        signals: list[Signal] = []
        remarks: list[Remark] = []
        for entry, covered in zip(self._entries, specific, strict=True):
            note = self._without_effect(entry, covered)
            if note is None:
                signals += self._signals(entry, covered)
            else:
                remarks.append(remark(SOURCE, note[0], note[1], entry.words))
        return Reading(signals=tuple(signals), remarks=(*remarks, *_contradictions(signals)))

    def _without_effect(self, entry: _Entry, covered: int) -> tuple[RemarkKind, str] | None:
        if entry.record is None and not (entry.refuses and covered):
            return RemarkKind.MALFORMED, f"record cannot be read and has no effect: {entry.defect}"
        if not covered:
            return RemarkKind.IGNORED, f"scope {entry.scope} does not cover this URL"
        if not self._is_for_us(entry):
            return RemarkKind.IGNORED, f"speaks to {entry.grantee}, not to us"
        return None

    def _is_for_us(self, entry: _Entry) -> bool:
        grantee = entry.grantee.lower()
        if not grantee or grantee == self._token:
            return True
        # house: a refusal is heard in a list and in other words, too; a name is cut where robots.txt cuts it
        return entry.refuses and any(
            name.strip("*/") in _ANYBODY or self._token == _PRODUCT.split(name, maxsplit=1)[0]
            for name in filter(None, _LISTED.split(grantee))
        )

    def _signals(self, entry: _Entry, covered: int) -> Iterator[Signal]:
        record = entry.record
        categories: tuple[Category, ...] = CATEGORIES if record is None else record.categories
        grants = record is not None and record.verdict is Verdict.ALLOW
        verdict = Verdict.ALLOW if grants else Verdict.DEFER if entry.scope is None else Verdict.REFUSE
        for category in categories:
            yield Signal(
                source=SOURCE,
                protocol=PROTOCOL,
                rank=2 * covered + (entry.grantee not in ("", "*")),
                category=category,
                basis=Basis.CONSENT if grants else Basis.RESERVATION,
                verdict=verdict,
                terms=None if record is None else _terms(record),
                evidence=entry.words,
                expires_at=None if record is None else record.valid_until,
            )


def _terms(record: ConsentRecord) -> Terms | None:
    if record.terms is None and record.reference is None:
        return None
    return Terms(url=record.terms, reference=record.reference)


def _contradictions(signals: list[Signal]) -> Iterator[Remark]:
    """One remark for each category in which the same place says both."""
    places: dict[tuple[Category, int], set[Verdict]] = {}
    for signal in signals:
        said = places.setdefault((signal.category, signal.rank), set())
        if said and signal.verdict not in said:
            note = f"{signal.category}: granted and refused at the same scope; the refusal stands"
            yield remark(SOURCE, RemarkKind.CONTRADICTION, note, signal.evidence)
        said.add(signal.verdict)


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.REGISTRY,),
    parse=read_registry,
    supersedes=True,
)
