"""A consent registry's answer about one URL: grants lift, refusals bind.

The artifact is our own: the JSON object ``{"records": [record, …]}``; the records are those of askfirst.rights.consent,
or what a registry of others answers: an entry or a response of Spawning's (askfirst.rights.spawning), which may be the
whole answer, too, or a TDM·AI declaration (askfirst.rights.tdm_ai). This file does not look anything up and does not
tell how fresh an answer is.

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
6. What others' registries refuse ranks as a refusal of the URL itself. INVARIANT: what they permit is no consent and
   supersedes nothing. A record that is written in two of the forms is read in each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from askfirst.rights import spawning, tdm_ai
from askfirst.rights.consent import (
    CATEGORIES,
    EXACT_RANK,
    ConsentRecord,
    RecordError,
    covers,
    parse_record,
    plain_scope,
)
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
    Terms,
    Verdict,
)
from askfirst.rights.reader import Constant, Reader, Statement, Target, evidence, outcome, remark
from askfirst.rights.robots_records import MAX_REMARKS, Claim, Words

PROTOCOL = "registry"
SOURCE = "consent registry"
_SPEC = "consent records, rules 1 to 4"
_REFUSALS = (
    "refus", "den", "opt-out", "optout", "opt_out", "opted", "forbid", "prohibit", "reserv", "disallow", "no", "false",
)  # fmt: skip


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
    entries: list[_Entry] = []
    others: list[_Other] = []
    for place, given in records:
        for entry in _entries(observation, place, given):
            if isinstance(entry, _Entry):
                entries.append(entry)
            else:
                others.append(entry)
    return _Records(agent, entries, others)


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


def _records(observation: Observation) -> list[tuple[str, object]]:
    """The records with their places."""
    if observation.truncated:
        raise _UnreadError("answer is cut")
    try:
        answer = json.loads(observation.body.decode("utf-8"), object_pairs_hook=_each_key_once)
    except RecursionError:
        raise _UnreadError("answer is nested too deep") from None
    except ValueError as error:
        raise _UnreadError(str(error) if isinstance(error, _UnreadError) else "answer is not JSON") from None
    if not isinstance(answer, dict):
        raise _UnreadError("answer holds no list of records")
    listed = spawning.listed(answer)
    records = answer.get("records", [] if listed else None)
    if not isinstance(records, list):
        raise _UnreadError("answer holds no list of records")
    return [
        (f"/{name}/{index}", one)
        for name, many in (("records", records), ("urls", listed))
        for index, one in enumerate(many)
    ]


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


@dataclass(frozen=True, slots=True)
class _Other:
    """One record in the words of somebody else's registry."""

    source: str
    said: spawning.Entry | tdm_ai.Declaration
    words: Evidence

    def on(self, target: Target, address: str | None) -> Words | None:
        """What it says; None where it speaks of another URL."""
        return self.said.on(address) if isinstance(self.said, spawning.Entry) else self.said.on(target)


def _entries(observation: Observation, place: str, given: object) -> Iterator[_Entry | _Other]:
    """What a record holds, in whichever form."""
    if not isinstance(given, dict):
        yield _entry(observation, place, given)
        return
    listed = spawning.listed(given)
    for index, one in enumerate(listed):
        below = f"{place}/urls/{index}"
        yield from _others(observation, below, one) or (_entry(observation, below, one),)
    others = _others(observation, place, given)
    yield from others
    if not (listed or others) or not _OUR_WORDS.isdisjoint(given):
        yield _entry(observation, place, given)


_OUR_WORDS = frozenset({"scope", "categories", "verdict"})


def _others(observation: Observation, place: str, given: object) -> list[_Other]:
    if not isinstance(given, dict):
        return []
    found: list[_Other] = []
    if spawning.is_entry(given):
        words = evidence(observation, at=place, text=_shown(given), spec=spawning.SPEC)
        found.append(_Other(spawning.SOURCE, spawning.entry(given), words))
    if tdm_ai.is_declaration(given):
        words = evidence(observation, at=place, text=_shown(given), spec=tdm_ai.SPEC)
        found.append(_Other(tdm_ai.SOURCE, tdm_ai.declaration(given), words))
    return found


def _entry(observation: Observation, place: str, given: object) -> _Entry:
    words = evidence(observation, at=place, text=_shown(given), spec=_SPEC)
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

    __slots__ = ("_entries", "_others", "_readings", "_token")

    def __init__(self, agent: Agent, entries: list[_Entry], others: list[_Other]) -> None:
        self._token = agent.product_token.lower()
        self._entries = entries
        self._others = others
        self._readings: dict[tuple[tuple[int, ...], tuple[Words | None, ...]], Reading] = {}

    def on(self, target: Target) -> Reading:
        if not self._entries and not self._others:
            return NOTHING
        url = target.intent.url
        specific = tuple(
            _UNREAD_RANK if e.scope is None else covers(e.scope, url, grant=not e.refuses) if e.scope else 0
            for e in self._entries
        )
        address = spawning.address_of(url) if self._others else None
        others = tuple([other.on(target, address) for other in self._others])
        reading = self._readings.get((specific, others))
        if reading is None:
            reading = self._read(specific, others)
            self._readings[specific, others] = reading
        return reading

    def _read(self, specific: tuple[int, ...], others: tuple[Words | None, ...]) -> Reading:
        signals: list[Signal] = []
        remarks: list[Remark] = []
        for entry, covered in zip(self._entries, specific, strict=True):
            note = self._without_effect(entry, covered)
            if note is None:
                signals += self._signals(entry, covered)
            else:
                remarks.append(remark(SOURCE, note[0], note[1], entry.words))
        for other, said in zip(self._others, others, strict=True):
            if said is not None:
                signals += [_signal(other, claim) for claim in said.claims]
        remarks += (*_contradictions(signals), *_remarks_on(self._others, others))
        if not signals and not remarks:
            return NOTHING
        return Reading(signals=tuple(signals), remarks=tuple(remarks))

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


def _signal(other: _Other, claim: Claim) -> Signal:
    # whoever cannot be told what it speaks of (DEFER) is answered by nothing narrower
    ranks = {Verdict.ALLOW: 0, Verdict.DEFER: 2 * _UNREAD_RANK, Verdict.REFUSE: 2 * EXACT_RANK}
    return Signal(
        source=other.source,
        protocol=PROTOCOL,
        rank=ranks[claim.verdict],
        category=claim.category,
        basis=claim.basis,
        verdict=claim.verdict,
        care=claim.care,
        terms=claim.terms,
        evidence=other.words,
    )


def _remarks_on(others: Sequence[_Other], said: Sequence[Words | None]) -> Iterator[Remark]:
    """The first twenty remarks, and one on all that is about other URLs: a response may be a batch's."""
    noted = ((other, note) for other, words in zip(others, said, strict=True) if words for note in words.notes)
    for other, (kind, note) in islice(noted, MAX_REMARKS):
        yield remark(other.source, kind, note, other.words)
    elsewhere = [other for other, words in zip(others, said, strict=True) if words is None]
    if elsewhere:
        note = "speaks of another URL" if len(elsewhere) == 1 else f"{len(elsewhere)} entries speak of other URLs"
        yield remark(elsewhere[0].source, RemarkKind.IGNORED, note, elsewhere[0].words)


def _terms(record: ConsentRecord) -> Terms | None:
    if record.terms is None and record.reference is None:
        return None
    return Terms(url=record.terms, reference=record.reference)


def _contradictions(signals: list[Signal]) -> Iterator[Remark]:
    """One remark for each category in which the same place says both."""
    places: dict[tuple[Category, int], set[Verdict]] = {}
    for signal in (one for one in signals if one.care is Care.LITERAL):
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
