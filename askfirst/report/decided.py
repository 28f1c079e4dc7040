"""A line of the decision log, as far as a report reads it.

1. A line is a head, a ruling and what was looked at; the ruling begins with the agent. Rulings repeat, so each is read
   once, by its bytes. A line of another form is read whole, and means the same.
2. INVARIANT: a cut falls between members of the outermost object. ``,"agent":{`` and ``,"looked_at":[`` cannot stand
   inside a JSON text, where each quote has a backslash before it; cut inside an object, a part is no JSON.
3. A ruling that holds a member of the head again is not cut: of a member that is there twice the last one counts.
4. A registry's answer is a document for each URL; it is counted under the registry's address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal, Self

import msgspec

from askfirst.asking import Question
from askfirst.domains import registrable_domain
from askfirst.items import utc

RULINGS_IN_MEMORY = 32_768
ALLOW, DEFER, REFUSE = 0, 1, 2
VERDICTS = ("allow", "defer", "refuse")
STAGES = ("fetch", "keep")
SILENCE = "silence"
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a line that is no decision raises."""
_SHARED, _LOOKED_AT = b',"agent":{', b',"looked_at":['


class Agent(msgspec.Struct, gc=False):
    """Who asked."""

    product_token: str
    user_agent: str


class Head(msgspec.Struct, gc=False):
    """What is a decision's own."""

    id: str
    url: str
    purpose: str
    decided_at: datetime


class Words(msgspec.Struct):
    """The words relied on, and where they stand."""

    document_url: str
    at: str
    text: str
    spec: str = ""


class Terms(msgspec.Struct, gc=False):
    """Under what terms."""

    url: str = ""
    reference: str = ""


class Said(msgspec.Struct):
    """One signal."""

    source: str
    protocol: str
    category: str
    basis: str
    verdict: Literal["allow", "defer", "refuse"]
    evidence: Words
    terms: Terms | None = None
    expires_at: datetime | None = None


class Pair(msgspec.Struct):
    """Two signals that contradict each other."""

    about: str
    permits: Said
    refuses: Said


class Ruled(msgspec.Struct):
    """The part of a line that decisions share."""

    agent: Agent
    stage: Literal["fetch", "keep"]
    verdict: Literal["allow", "defer", "refuse"]
    policy_digest: str
    because: tuple[Said, ...]
    ask: tuple[Question, ...] = ()
    considered: tuple[Said, ...] = ()
    contradictions: tuple[Pair, ...] = ()
    expires_at: datetime | None = None


class _Shared(Ruled):
    id: object = msgspec.UNSET
    url: object = msgspec.UNSET
    purpose: object = msgspec.UNSET
    decided_at: object = msgspec.UNSET


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """The words that carried decisions, once for all of them."""

    protocol: str
    source: str
    category: str
    basis: str
    verdict: str
    document_url: str
    at: str
    text: str
    spec: str

    @classmethod
    def of(cls, said: Said) -> Self:
        """Of a signal."""
        e = said.evidence
        where = document(e.document_url)
        return cls(said.protocol, said.source, said.category, said.basis, said.verdict, where, e.at, e.text, e.spec)

    @property
    def key(self) -> tuple[str, ...]:
        """As it is counted."""
        key: tuple[str, ...] = msgspec.structs.astuple(self)
        return key


_reason = msgspec.json.Decoder(Reason)


def reason_of(example: str) -> Reason | None:
    """The reason that a count has for an example; None where there is none."""
    return _reason.decode(example) if example else None


@dataclass(slots=True, eq=False)
class Ruling:
    """One ruling, for whom, how often it was given since it was read, and for which URL first. ``example`` is its
    first reason as a count keeps it; empty where it allows."""

    ruled: Ruled
    verdict: int
    reasons: tuple[Reason, ...]
    example: str
    times: int = 0
    first_url: str = ""
    asked: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, ruled: Ruled) -> Ruling:
        """As it was read."""
        reasons = tuple(Reason.of(said) for said in ruled.because)
        reasons = reasons if len(reasons) < 2 else tuple(dict.fromkeys(reasons))
        verdict = VERDICTS.index(ruled.verdict)
        example = msgspec.json.encode(reasons[0]).decode() if reasons and verdict != ALLOW else ""
        return cls(ruled=ruled, verdict=verdict, reasons=reasons, example=example)

    @property
    def silent(self) -> bool:
        """Whether no words carried it."""
        return not self.reasons


class Lines:
    """Reads lines; each ruling once, until they are taken."""

    def __init__(self) -> None:
        self.rulings: dict[bytes, Ruling] = {}
        self._head = msgspec.json.Decoder(Head).decode
        self._shared = msgspec.json.Decoder(_Shared).decode
        self._ruled = msgspec.json.Decoder(Ruled).decode

    def read(self, line: bytes) -> tuple[Head, Ruling]:
        """What is the decision's own, and its ruling. Raises what is in ``UNREADABLE``."""
        begin, end = line.find(_SHARED), line.rfind(_LOOKED_AT)
        if not 0 < begin < end or not line.endswith(b"]}"):
            return self._from_whole(line)
        shared = line[begin + 1 : end]
        try:
            head = self._head(line[:begin] + b"}")
            ruling = self.rulings.get(shared)
            if ruling is None:
                ruled = self._shared(b"{" + shared + b"}")
                if any(twice is not msgspec.UNSET for twice in (ruled.id, ruled.url, ruled.purpose, ruled.decided_at)):
                    return self._from_whole(line)
                ruling = self.rulings[shared] = Ruling.of(ruled)
        except UNREADABLE:
            return self._from_whole(line)
        return head, ruling

    def _from_whole(self, line: bytes) -> tuple[Head, Ruling]:
        head = self._head(line)
        ruling = self.rulings[line] = Ruling.of(self._ruled(line))
        return head, ruling


def consent_key(said: Said) -> tuple[str, ...]:
    """Whose consent: basis, source, reference, terms, document, and until when in RFC 3339."""
    terms = said.terms or Terms()
    until = "" if said.expires_at is None else utc(said.expires_at).isoformat()
    e = said.evidence
    return (said.basis, said.source, terms.reference, terms.url, document(e.document_url), until, e.at, e.text, e.spec)


def document(url: str) -> str:
    """The document's address; of a registry's answer, the registry's."""
    return url.partition("?")[0] if url.startswith("registry:") else url


def domain_of(url: str) -> str:
    """The registrable domain of a URL, remembered by what stands before its path."""
    end = url.find("/", url.find("://") + 3)
    return _domain(url if end < 0 else url[:end])


_domain = lru_cache(maxsize=65_536)(registrable_domain)
