"""Replays decisions from what was observed: one JSON line in, one JSON line out, in order.

The format is that of docs/replay.md. Nothing is fetched: a well-known document that is not among the observations
counts as not looked at, so that one protocol can be tried alone. A line that is not valid is answered with ``error`` on
its place, and the others are still answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from askfirst.ports import Inspect
from askfirst.rights.decide import decide
from askfirst.rights.gathering import is_packet, packets
from askfirst.rights.media import content_type, media_type
from askfirst.rights.model import Agent, Decision, Document, Intent, Kind, Observation, Purpose, Stage
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.policy import PROFILES, Policy, default_profile
from askfirst.rights.read import read
from askfirst.rights.record import Looked, parse_line
from askfirst.rights.signals.c2pa_report import REPORT_TYPE
from askfirst.rights.wire import (
    Json,
    WireError,
    ask_to_wire,
    canonical,
    contradiction_to_wire,
    member_table,
    moment,
    parse_observation,
    remark_to_wire,
    signal_to_wire,
    timestamp,
)

T = TypeVar("T")

DEFAULT_AGENT = Agent(
    product_token="AskFirstBot",  # noqa: S106  # a robots.txt token is public
    user_agent="AskFirstBot/0.1 (+https://askfirst.example/bot)",
)
DEFAULT_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of a line that gives none and has no observation with a time: fixed, so that replaying is repeatable."""


_WELL_KNOWN = frozenset({"/robots.txt", "/ai.txt", "/trust.txt", "/llms.txt", "/humans.txt", "/security.txt"})


def sees_nothing(response: Observation, inside: Sequence[Observation]) -> Sequence[Observation]:  # noqa: ARG001  # it looks at nothing
    """The inspector that there is where nobody gives one."""
    return ()


def replay_line(
    line: bytes, policies: Mapping[str, Policy] = PROFILES, *, inspect: Inspect = sees_nothing
) -> tuple[bytes, bool]:
    """The answer to one line, and whether it could be answered. ``inspect`` reads in whole bodies what only a library
    can read. Never raises on content."""
    identity: Json = None
    try:
        table = member_table(msgspec.json.decode(line), "line")
        given = table.get("id")
        identity = given if isinstance(given, str | int) else None
        return canonical({"id": identity, **answer(decide_line(table, policies, inspect=inspect))}), True
    except (WireError, UrlError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return canonical({"id": identity, "error": _one_line(error)}), False


def decide_line(
    table: Mapping[str, object], policies: Mapping[str, Policy] = PROFILES, *, inspect: Inspect = sees_nothing
) -> Decision:
    """The decision that a replay line asks for. Raises WireError or UrlError."""
    url = _text(table, "url")
    if url is None:
        raise WireError("url: missing; every line names the resource it asks about")
    origin_of(url)
    purpose = _choice(table, "purpose", {p.value: p for p in Purpose}, Purpose.TRAIN)
    policy = _choice(table, "policy", policies, default_profile(purpose))
    stage = _choice(table, "stage", {s.value: s for s in Stage}, Stage.KEEP)
    said_at = table.get("at")
    at = None if said_at is None else moment(said_at, "at")
    observations = inspected(_observations(table, url, at), inspect)
    at = at or max((o.observed_at for o in observations), default=DEFAULT_AT)
    media = _text(table, "media") or next(
        (media_type(o) for o in observations if o.document.kind is Kind.RESPONSE and o.document.url == url), None
    )
    intent = Intent(url=url, agent=_agent(table.get("agent")), purpose=purpose, media=media)
    return decide(intent, read(intent, observations, policy), policy, stage=stage, at=at)


def inspected(observations: tuple[Observation, ...], inspect: Inspect) -> tuple[Observation, ...]:
    """The observations, with what an inspector finds in the bodies that are whole, unless it found it before."""
    if any(content_type(o) == REPORT_TYPE for o in observations if o.document.kind is Kind.ASSET):
        return observations
    found = tuple(report for o in observations for report in inspect(o, packets(o)))
    if not found or any(map(is_packet, observations)):
        return (*observations, *found)
    # read() looks inside bodies only where no observation says what is inside them
    return (*observations, *(packet for o in observations for packet in packets(o)), *found)


def answer(decision: Decision) -> dict[str, Json]:
    """A decision as replay prints it: ``because`` are indexes into ``signals``."""
    signals = (*decision.considered, *decision.ruling.about_images)
    places = {signal: index for index, signal in enumerate(signals)}
    wire: dict[str, Json] = {
        "verdict": decision.verdict.word,
        "stage": decision.stage.value,
        "decision_id": decision.id,
        "signals": [signal_to_wire(s) for s in signals],
        "because": [places[s] for s in decision.because],
        "remarks": [remark_to_wire(r) for r in decision.remarks],
        "ask": [ask_to_wire(a) for a in decision.ask],
        "contradictions": [contradiction_to_wire(c) for c in decision.contradictions],
        "expires_at": None if decision.expires_at is None else timestamp(decision.expires_at),
    }
    return wire


def _observations(table: Mapping[str, object], url: str, at: datetime | None) -> tuple[Observation, ...]:
    given = table.get("observations", [])
    if not isinstance(given, list):
        raise WireError("observations: must be a list")
    seen: list[Observation] = []
    for index, value in enumerate(given):
        try:
            entry = member_table(value, "observation")
            path = _path(_text(entry, "url") or "")
            kind = None if entry.get("kind") is not None else _kind_of(entry.get("url"), path, url)
            seen.append(parse_observation(entry, kind=kind, at=at or DEFAULT_AT))
        except WireError as error:
            raise WireError(f"observations[{index}]: {error}") from None
    records = table.get("registry")
    if records is not None:
        if not isinstance(records, list):
            raise WireError("registry: must be a list of records")
        latest = at or max((o.observed_at for o in seen), default=DEFAULT_AT)
        seen.append(registry_observation(url, records, latest))
    return tuple(seen)


def registry_observation(url: str, records: Sequence[object], at: datetime) -> Observation:
    """Registry records as an observation of the look-up that returned them."""
    return Observation(
        document=Document(kind=Kind.REGISTRY, url=f"registry:replay?url={url}"),
        status=200,
        body=msgspec.json.encode({"records": records}, order="sorted"),
        observed_at=at,
    )


def _path(document_url: str) -> str:
    """Its path. Raises WireError for what no address can be."""
    try:
        return urlsplit(document_url).path
    except ValueError as error:
        raise WireError(f"url: {document_url!r} is not a URL: {error}") from None


def _kind_of(document_url: object, path: str, url: str) -> Kind:
    """The URL itself is the response; all else is told apart by its path, or by what names or displays it."""
    well_known = path in _WELL_KNOWN or path.startswith("/.well-known/")
    return Kind.RESPONSE if document_url == url and not well_known else Kind.WELL_KNOWN


def _agent(value: object) -> Agent:
    if value is None:
        return DEFAULT_AGENT
    table = member_table(value, "agent")
    token = _text(table, "product_token") or DEFAULT_AGENT.product_token
    return Agent(product_token=token, user_agent=_text(table, "user_agent") or token)


def _text(table: Mapping[str, object], name: str) -> str | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise WireError(f"{name}: must be text")
    return value


def _choice(table: Mapping[str, object], name: str, known: Mapping[str, T], otherwise: T) -> T:
    value = _text(table, name)
    if value is None:
        return otherwise
    if value not in known:
        raise WireError(f"{name}: {value!r} is none of {', '.join(known)}")
    return known[value]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Evidenced:
    """Observations by the name that a decision gives them."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._by_name: dict[Looked, Observation] = {
            Looked(o.document.url, o.document.kind, o.digest, o.observed_at): o for o in observations
        }

    def find(self, name: Looked) -> Observation | None:
        """The observation of that name."""
        return self._by_name.get(name)


def replay_recorded(line: bytes, evidenced: Evidenced, policies: Mapping[str, Policy]) -> str | None:
    """None when the recorded decision follows from its evidence, to the same id; else what is wrong, in one line.
    ``policies`` are by digest."""
    try:
        recorded = parse_line(line)
    except WireError as error:
        return f"is not a decision: {error}"
    old = recorded.decision
    policy = policies.get(old.policy_digest)
    if policy is None:
        return f"decision {old.id}: its policy {old.policy_digest} is not known; name its file with --policy"
    observations: list[Observation] = []
    for name in recorded.looked_at:
        seen = evidenced.find(name)
        if seen is None:
            return f"decision {old.id}: no evidence of {name.kind} {name.url} as seen at {timestamp(name.observed_at)}"
        observations.append(seen)
    new = decide(old.intent, read(old.intent, observations, policy), policy, stage=old.stage, at=old.decided_at)
    if new.id == old.id and new.verdict is old.verdict:
        return None
    return f"decision {old.id}: its evidence gives {new.verdict.word} ({new.id}), not {old.verdict.word}"
