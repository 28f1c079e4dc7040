"""Reads the decision log back: one line of JSON to the decision it records, and the observations it relied on.

The reverse of ``wire.decision_line``. It takes the record at its word; whether a decision follows from its evidence is
for replay to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from askfirst.rights.model import (
    Agent,
    Ask,
    Basis,
    Care,
    Category,
    Contradiction,
    Covers,
    Decision,
    Evidence,
    Intent,
    Kind,
    Purpose,
    Remark,
    RemarkKind,
    Ruling,
    Signal,
    Stage,
    Terms,
    Verdict,
)
from askfirst.rights.wire import WireError, member_table, moment

T = TypeVar("T")
Table = Mapping[str, object]

_VERDICTS = {verdict.word: verdict for verdict in Verdict}


@dataclass(frozen=True, slots=True, order=True)
class Looked:
    """Names one observation: which document, which bytes, when."""

    url: str
    kind: Kind
    digest: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision as it was recorded, and the names of the observations that were read for it."""

    decision: Decision
    looked_at: tuple[Looked, ...]


def parse_line(line: bytes) -> Recorded:
    """The decision on a line of the log. Raises WireError."""
    try:
        table = member_table(msgspec.json.decode(line), "decision")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"not JSON: {error}") from None
    agent = member_table(table.get("agent"), "agent")
    because = _each(table, "because", _signal)
    ruling = Ruling(
        stage=_one_of(table, "stage", Stage),
        verdict=_verdict(table),
        because=because,
        considered=(*because, *_each(table, "considered", _signal)),
        remarks=_each(table, "remarks", _remark),
        ask=_each(table, "ask", _ask),
        contradictions=_each(table, "contradictions", _contradiction),
        policy_digest=_text(table, "policy_digest"),
        digest="",
        expires_at=_moment(table, "expires_at"),
    )
    decision = Decision(
        id=_text(table, "id"),
        intent=Intent(
            url=_text(table, "url"),
            agent=Agent(product_token=_text(agent, "product_token"), user_agent=_text(agent, "user_agent")),
            purpose=_one_of(table, "purpose", Purpose),
            media=_maybe(table, "media"),
        ),
        ruling=ruling,
        decided_at=moment(table.get("decided_at"), "decided_at"),
    )
    return Recorded(decision, _each(table, "looked_at", _looked))


def _signal(table: Table) -> Signal:
    terms = table.get("terms")
    rank = table.get("rank", 0)
    return Signal(
        source=_text(table, "source"),
        protocol=_text(table, "protocol"),
        rank=rank if isinstance(rank, int) else 0,
        category=_one_of(table, "category", Category),
        basis=_one_of(table, "basis", Basis),
        verdict=_verdict(table),
        covers=_one_of(table, "covers", Covers),
        terms=None if terms is None else _terms(member_table(terms, "terms")),
        evidence=_evidence(member_table(table.get("evidence"), "evidence")),
        care=_one_of(table, "care", lambda word: Care[word.upper()]),
        expires_at=_moment(table, "expires_at"),
    )


def _terms(table: Table) -> Terms:
    return Terms(url=_maybe(table, "url"), contact=_maybe(table, "contact"), reference=_maybe(table, "reference"))


def _evidence(table: Table) -> Evidence:
    return Evidence(
        document_url=_text(table, "document_url"),
        digest=_text(table, "digest"),
        at=_text(table, "at"),
        text=_text(table, "text"),
        spec=_maybe(table, "spec") or "",
    )


def _remark(table: Table) -> Remark:
    return Remark(
        source=_text(table, "source"),
        kind=_one_of(table, "kind", RemarkKind),
        note=_text(table, "note"),
        evidence=_evidence(table),
    )


def _ask(table: Table) -> Ask:
    return Ask(
        purpose=_one_of(table, "purpose", Purpose),
        about=_text(table, "about"),
        contact=_maybe(table, "contact"),
        terms_url=_maybe(table, "terms_url"),
        name=_maybe(table, "name"),
        note=_maybe(table, "note"),
        why=_text(table, "why"),
    )


def _contradiction(table: Table) -> Contradiction:
    return Contradiction(
        about=_one_of(table, "about", Category),
        permits=_signal(member_table(table.get("permits"), "permits")),
        refuses=_signal(member_table(table.get("refuses"), "refuses")),
    )


def _looked(table: Table) -> Looked:
    return Looked(
        _text(table, "url"),
        _one_of(table, "kind", Kind),
        _text(table, "digest"),
        moment(table.get("observed_at"), "observed_at"),
    )


def _each(table: Table, name: str, parse: Callable[[Table], T]) -> tuple[T, ...]:
    values = table.get(name, [])
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise WireError(f"{name}: must be a list")
    return tuple(parse(member_table(value, f"{name}[{index}]")) for index, value in enumerate(values))


def _text(table: Table, name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str):
        raise WireError(f"{name}: must be text")
    return value


def _maybe(table: Table, name: str) -> str | None:
    return None if table.get(name) is None else _text(table, name)


def _moment(table: Table, name: str) -> datetime | None:
    return None if table.get(name) is None else moment(table[name], name)


def _one_of(table: Table, name: str, kinds: Callable[[str], T]) -> T:
    value = _text(table, name)
    try:
        return kinds(value)
    except (ValueError, KeyError):
        raise WireError(f"{name}: {value!r} is not known") from None


def _verdict(table: Table) -> Verdict:
    word = _text(table, "verdict")
    if word not in _VERDICTS:
        raise WireError(f"verdict: {word!r} is none of {', '.join(_VERDICTS)}")
    return _VERDICTS[word]
