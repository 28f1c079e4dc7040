"""Canonical JSON and digests: the form in which nouns are logged, hashed and replayed.

Canonical means: UTF-8, keys sorted, no white space, no floats; the same noun always gives the same bytes. Times are
RFC 3339 in UTC with ``Z``. Fields that are None are left out, so that a noun that grows a field keeps its old digests.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar, cast

import msgspec

from askfirst.rights.model import (
    Ask,
    Contact,
    Contradiction,
    Decision,
    Document,
    Evidence,
    Intent,
    Kind,
    Observation,
    Outage,
    Reading,
    Remark,
    Ruling,
    Signal,
    Terms,
)

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical(value: Json) -> bytes:
    """The canonical JSON bytes of a value."""
    return _on_one_line(_ENCODER.encode(value))


_BREAKS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))


def _on_one_line(encoded: bytes) -> bytes:
    """JSON without the characters that JSON does not take for a line break and many readers of lines do."""
    if encoded.isascii():
        return encoded
    for written, escaped in _BREAKS:
        encoded = encoded.replace(written, escaped)
    return encoded


def digest(value: bytes) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(value).hexdigest()


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC: ``2026-11-24T00:00:00Z``, with microseconds where there are any."""
    if at.tzinfo is UTC:  # what we are nearly always given, in a third of the time
        return _known_timestamp(at)
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=64)  # what was seen at a time is named twice
def _known_timestamp(at: datetime) -> str:
    return at.isoformat()[:-6] + "Z"


def parse_timestamp(text: str) -> datetime:
    """The reverse; a time without an offset is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def evidence_to_wire(evidence: Evidence) -> dict[str, Json]:
    return {
        "document_url": evidence.document_url,
        "digest": evidence.digest,
        "at": evidence.at,
        "text": evidence.text,
        "spec": evidence.spec,
    }


def terms_to_wire(terms: Terms) -> dict[str, Json]:
    pairs = (("url", terms.url), ("contact", terms.contact), ("reference", terms.reference))
    return {name: value for name, value in pairs if value is not None}


def signal_to_wire(signal: Signal) -> dict[str, Json]:
    wire: dict[str, Json] = {
        "source": signal.source,
        "protocol": signal.protocol,
        "rank": signal.rank,
        "category": signal.category.value,
        "basis": signal.basis.value,
        "verdict": signal.verdict.word,
        "covers": signal.covers.value,
        "care": signal.care.name.lower(),
        "evidence": evidence_to_wire(signal.evidence),
    }
    if signal.terms is not None:
        wire["terms"] = terms_to_wire(signal.terms)
    if signal.expires_at is not None:
        wire["expires_at"] = timestamp(signal.expires_at)
    return wire


def remark_to_wire(remark: Remark) -> dict[str, Json]:
    return {
        "source": remark.source,
        "kind": remark.kind.value,
        "note": remark.note,
        "document_url": remark.evidence.document_url,
        "digest": remark.evidence.digest,
        "at": remark.evidence.at,
        "text": remark.evidence.text,
    }


def ask_to_wire(ask: Ask) -> dict[str, Json]:
    wire: dict[str, Json] = {"purpose": ask.purpose.value, "about": ask.about, "why": ask.why}
    if ask.contact is not None:
        wire["contact"] = ask.contact
    if ask.terms_url is not None:
        wire["terms_url"] = ask.terms_url
    if ask.name is not None:
        wire["name"] = ask.name
    if ask.note is not None:
        wire["note"] = ask.note
    return wire


def contact_to_wire(contact: Contact) -> dict[str, Json]:
    pairs: tuple[tuple[str, Json], ...] = (
        ("source", contact.source),
        ("nearness", contact.nearness.name.lower().replace("_", "-")),
        ("name", contact.name),
        ("address", contact.address),
        ("terms_url", contact.terms_url),
        ("protocol", contact.protocol),
        ("note", contact.note),
        ("evidence", evidence_to_wire(contact.evidence)),
    )
    return {name: value for name, value in pairs if value is not None}


def contradiction_to_wire(found: Contradiction) -> dict[str, Json]:
    return {
        "about": found.about.value,
        "permits": signal_to_wire(found.permits),
        "refuses": signal_to_wire(found.refuses),
    }


def reading_to_wire(reading: Reading) -> dict[str, Json]:
    """INVARIANT: sorted and without repeats, because order and duplicates do not matter."""
    signals = sorted({canonical(signal_to_wire(s)) for s in reading.signals})
    remarks = sorted({canonical(remark_to_wire(r)) for r in reading.remarks})
    wire: dict[str, Json] = {"signals": [s.decode() for s in signals], "remarks": [r.decode() for r in remarks]}
    if reading.contacts:
        contacts = sorted({canonical(contact_to_wire(c)) for c in reading.contacts})
        wire["contacts"] = [c.decode() for c in contacts]
    return wire


def ruling_digest(reading: Reading, *, purpose: str, stage: str, policy_digest: str) -> str:
    """The digest of everything but the occasion: reading, policy, purpose and stage."""
    return digest(
        canonical(
            {"reading": reading_to_wire(reading), "purpose": purpose, "stage": stage, "policy": policy_digest},
        ),
    )


def decision_id(intent: Intent, ruling_digest: str) -> str:
    """The digest of intent, reading and policy. The bytes hashed are canonical JSON of a list, spelled out here because
    this runs once per request."""
    agent = f"{_known(intent.agent.product_token)},{_known(intent.agent.user_agent)}"
    media = _known(intent.media or "")
    text = f'[{_known(intent.url)},{agent},"{intent.purpose}",{media},"{ruling_digest}"]'
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _string(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return canonical(text.encode("utf-8", "replace").decode()).decode()


_known = lru_cache(maxsize=1_024)(_string)
"""For what is written again soon: a URL is, four times on its way through, and the agent always."""


def ruling_fragment(ruling: Ruling) -> bytes:
    """The members of a log line that rulings share: without the outer braces, ready to be spliced."""
    if not ruling.wire:
        because = set(ruling.because)
        members: dict[str, Json] = {
            "stage": ruling.stage.value,
            "verdict": ruling.verdict.word,
            "because": [signal_to_wire(s) for s in ruling.because],
            "considered": [signal_to_wire(s) for s in ruling.considered if s not in because],
            "remarks": [remark_to_wire(r) for r in ruling.remarks],
            "ask": [ask_to_wire(a) for a in ruling.ask],
            "policy_digest": ruling.policy_digest,
        }
        if ruling.contradictions:
            members["contradictions"] = [contradiction_to_wire(c) for c in ruling.contradictions]
        if ruling.expires_at is not None:
            members["expires_at"] = timestamp(ruling.expires_at)
        ruling.wire.append(canonical(members)[1:-1])
    return ruling.wire[0]


def decision_line(decision: Decision, looked_at: bytes = b"[]") -> bytes:
    """One line of the decision log. ``looked_at`` is a JSON list naming the observations that were read."""
    intent = decision.intent
    head = (
        f'{{"id":"{decision.id}","url":{_known(intent.url)},"purpose":"{intent.purpose}",'
        f'"decided_at":"{timestamp(decision.decided_at)}","agent":{{"product_token":{_known(intent.agent.product_token)},'
        f'"user_agent":{_known(intent.agent.user_agent)}}},'
    )
    if intent.media is not None:
        head += f'"media":{_string(intent.media)},'
    return b"".join((head.encode(), ruling_fragment(decision.ruling), b',"looked_at":', looked_at, b"}"))


def looked_at(observations: Sequence[Observation]) -> bytes:
    """The observations as a log line names them: members of a canonical JSON list, without the brackets. Spelled out,
    because a line of it is written once per response."""
    return ",".join(
        f'{{"digest":{_string(o.digest)},"kind":"{o.document.kind}","observed_at":"{timestamp(o.observed_at)}",'
        f'"url":{_known(o.document.url)}}}'
        for o in observations
    ).encode()


MOST_FRESH_S = 366 * 86_400
LAST_YEAR = 9_990
"""So that no freshness takes a time beyond what a datetime holds."""


class WireError(ValueError):
    """A JSON value that is not what it should be: says which member, and what was expected."""


def observation_to_wire(seen: Observation) -> dict[str, Json]:
    """An observation with every byte of its body."""
    wire: dict[str, Json] = {
        "url": seen.document.url,
        "kind": seen.document.kind.value,
        "max_bytes": seen.document.max_bytes,
        "status": seen.status,
        "headers": [[name, value] for name, value in seen.headers],
        "body_b64": base64.b64encode(seen.body).decode("ascii"),
        "truncated": seen.truncated,
        "redirects": list(seen.redirects),
        "observed_at": timestamp(seen.observed_at),
        "fresh_s": seen.fresh_s,
    }
    if seen.outage is not None:
        wire["outage"] = seen.outage.value
    if seen.whole_digest is not None:
        wire["whole_digest"] = seen.whole_digest
    return wire


def parse_observation(value: object, *, kind: Kind | None = None, at: datetime | None = None) -> Observation:
    """The reverse, lenient about what is left out: only ``url`` is required, and ``kind`` and ``observed_at`` unless
    the caller knows better. Raises WireError."""
    table = member_table(value, "observation")
    url = _member(table, "url", str)
    said_kind = table.get("kind")
    if said_kind is not None and not (isinstance(said_kind, str) and said_kind in set(Kind)):
        raise WireError(f"kind: {said_kind!r} is none of {', '.join(Kind)}")
    kind = Kind(str(said_kind)) if said_kind is not None else kind
    if kind is None:
        raise WireError(f"kind: missing for {url}; write one of {', '.join(Kind)}")
    outage = table.get("outage")
    if outage is not None and not (isinstance(outage, str) and outage in set(Outage)):
        raise WireError(f"outage: {outage!r} is none of {', '.join(Outage)}")
    seen_at = table.get("observed_at")
    if seen_at is None and at is None:
        raise WireError(f"observed_at: missing for {url}")
    observed_at = cast("datetime", at) if seen_at is None else moment(seen_at, "observed_at")
    if observed_at.year > LAST_YEAR:
        raise WireError(f"observed_at: {observed_at.year} is beyond {LAST_YEAR}")
    whole = table.get("whole_digest")
    return Observation(
        document=Document(kind=kind, url=url, max_bytes=_optional(table, "max_bytes", int, 1_048_576)),
        status=_optional(table, "status", int, None if outage is not None else 200),
        headers=_pairs(table.get("headers", [])),
        body=_body(table),
        truncated=_optional(table, "truncated", bool, False),
        outage=None if outage is None else Outage(str(outage)),
        redirects=tuple(_texts(table.get("redirects", []), "redirects")),
        observed_at=observed_at,
        fresh_s=max(0, min(_optional(table, "fresh_s", int, 0), MOST_FRESH_S)),
        whole_digest=None if whole is None else _member(table, "whole_digest", str),
    )


def member_table(value: object, where: str) -> Mapping[str, object]:
    """The value, if it is a JSON object; raises WireError."""
    if not isinstance(value, dict):
        raise WireError(f"{where}: must be an object")
    return value


def moment(value: object, where: str) -> datetime:
    """The value as a time; raises WireError."""
    if not isinstance(value, str):
        raise WireError(f"{where}: must be a time such as 2026-11-24T00:00:00Z")
    try:
        return parse_timestamp(value)
    except (ValueError, OverflowError):
        raise WireError(f"{where}: {value!r} is not a time such as 2026-11-24T00:00:00Z") from None


T = TypeVar("T")


def _member(table: Mapping[str, object], name: str, of: type[T]) -> T:
    value = table.get(name)
    if not isinstance(value, of) or (of is int and isinstance(value, bool)):
        raise WireError(f"{name}: must be {_NAMES[of]}")
    return value


def _optional(table: Mapping[str, object], name: str, of: type[T], otherwise: T | None) -> T:
    return cast("T", otherwise) if table.get(name) is None else _member(table, name, of)


_NAMES: Mapping[type, str] = {str: "text", int: "a whole number", bool: "true or false"}


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, dict):
        value = list(value.items())
    if not isinstance(value, list):
        raise WireError("headers: must be a list of [name, value] pairs")
    pairs: list[tuple[str, str]] = []
    for index, pair in enumerate(value):
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise WireError(f"headers[{index}]: must be a pair of texts")
        pairs.append((str(pair[0]), str(pair[1])))
    return tuple(pairs)


def _texts(value: object, where: str) -> list[str]:
    if not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        raise WireError(f"{where}: must be a list of texts")
    return [str(text) for text in value]


def _body(table: Mapping[str, object]) -> bytes:
    encoded = table.get("body_b64")
    if encoded is not None:
        try:
            return base64.b64decode(_member(table, "body_b64", str), validate=True)
        except ValueError:
            raise WireError("body_b64: is not base64") from None
    return _optional(table, "body", str, "").encode("utf-8", "replace")
