"""What a signal file offers: where it listens, and how to ask what was said.

A document is parsed once into a :class:`Statement`, which then answers for as many targets as live under it: a site's
robots.txt answers for every page of the site. The answers of one statement are few and are given as the same objects
again, so that whoever remembers rulings can remember them by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from askfirst.rights import patterns
from askfirst.rights.model import (
    MAX_EVIDENCE_CHARS,
    NOTHING,
    Agent,
    Care,
    Document,
    Evidence,
    Intent,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
)
from askfirst.rights.policy import Mode, Tables


@dataclass(frozen=True, slots=True)
class Target:
    """The resource as statements match it: ``path`` is its path and query in the normal form of RFC 9309."""

    intent: Intent
    path: str

    @classmethod
    def of(cls, intent: Intent) -> Target:
        return cls(intent, patterns.target(intent.url))


class Statement(Protocol):
    """What one document says."""

    def on(self, target: Target) -> Reading:
        """What it says of this target. Never raises on content."""
        ...


Parse = Callable[[Observation, Agent], Statement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A document that must be looked at, because another one names it. ``care``: the mildest policy that does."""

    document: Document
    care: Care = Care.LITERAL


MAX_NAMED = 8
"""So many documents of a kind that one document names are looked at. What the others say, a reader has to answer for.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One signal: the kinds of document it listens to, at which well-known paths, and the parser.

    ``care`` is the mildest policy that asks it. ``reads_body``: it needs more than status and headers.
    ``supersedes``: a later place of its protocol may take back what an earlier one said. ``fields``, in lower case:
    the response fields without which it is silent about a response; empty where it may speak without them.
    ``markup``: of a body it reads only what askfirst.rights.html finds in a page, so that it need not be asked about a
    page in which nothing was found. ``mode`` is what becomes of it where the policy says nothing. ``names`` lists the
    documents that an observed one names for this protocol. ``tuned`` makes the parser from the policy's tables, for
    readers that need them.
    """

    protocol: str
    kinds: tuple[Kind, ...]
    parse: Parse
    paths: tuple[str, ...] = ()
    mode: Mode = Mode.OBEY
    names: Callable[[Observation, Agent], tuple[Named, ...]] | None = None
    tuned: Callable[[Tables], Parse] | None = None
    max_bytes: int = 1_048_576
    care: Care = Care.LITERAL
    reads_body: bool = True
    supersedes: bool = False
    fields: frozenset[str] = frozenset()
    markup: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """A statement that says the same of every target."""

    reading: Reading

    def on(self, target: Target) -> Reading:  # noqa: ARG002  # the same answer for every target is the point
        return self.reading


SILENT = Constant(NOTHING)
"""The statement of a document that says nothing. Whoever gathers statements may leave it out."""


def evidence(observation: Observation, *, at: str, text: str, spec: str) -> Evidence:
    """The words relied on, cut to 200 characters."""
    return Evidence(
        document_url=observation.document.url,
        digest=observation.digest,
        at=writable(at),
        text=writable(text[:MAX_EVIDENCE_CHARS]),
        spec=spec,
    )


def writable(text: str) -> str:
    """Text that can be written as UTF-8: octets that were carried through decoding become replacement characters."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def remark(source: str, kind: RemarkKind, note: str, words: Evidence) -> Remark:
    """A remark, in one call."""
    return Remark(source=source, kind=kind, note=writable(note), evidence=words)


def outcome(observation: Observation) -> str:
    """How a look went, in words: ``status 503`` or ``outage timeout``."""
    if observation.outage is not None:
        return f"outage {observation.outage.value}"
    return f"status {observation.status}"
