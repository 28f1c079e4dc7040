"""Where to look, and what was said there: ``plan`` and ``read``.

Rules:

1. Every reader is asked about every document of a kind (and, for well-known files, a path) that it listens to.
2. A response that is not 2xx can refuse and cannot permit (signals of an error page or a redirect hop are deny-only).
3. Of a page that displays the resource only what it refuses to its images is carried over.
4. The operator's licences and consents are read from the policy, as signals like any other.
5. Of another rendition of a work only refusals are carried over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from askfirst.rights.gathering import gathered, unseen
from askfirst.rights.listening import Listeners
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Covers,
    Document,
    Intent,
    Kind,
    Observation,
    Origin,
    Purpose,
    Reading,
    Ruling,
    Verdict,
)
from askfirst.rights.policy import Mode, Policy
from askfirst.rights.reader import SILENT, Reader, Statement, Target
from askfirst.rights.signals import READERS
from askfirst.rights.signals.operator import operator_statement


def readers_for(policy: Policy) -> tuple[Reader, ...]:
    """The readers that the policy asks: not those that are off, nor those more suspicious than it is."""
    return tuple(
        r if r.tuned is None else replace(r, parse=r.tuned(policy.tables))
        for r in READERS
        if r.care <= policy.care and policy.mode(r.protocol, r.mode) is not Mode.OFF
    )


def plan(origin: Origin, policy: Policy) -> tuple[Document, ...]:
    """The well-known documents to look at before anything is fetched from ``origin``, each once."""
    largest: dict[str, int] = {}
    for reader in readers_for(policy):
        if Kind.WELL_KNOWN in reader.kinds:
            for path in reader.paths:
                largest[path] = max(largest.get(path, 0), reader.max_bytes)
    return tuple(
        Document(kind=Kind.WELL_KNOWN, url=f"{origin}{path}", max_bytes=size) for path, size in largest.items()
    )


def last_resorts(origin: Origin, policy: Policy) -> tuple[Document, ...]:
    """Where to look for somebody to ask, when nothing that was read names anybody."""
    return tuple(
        Document(kind=Kind.CONTACT, url=f"{origin}{path}", max_bytes=reader.max_bytes)
        for reader in readers_for(policy)
        if Kind.CONTACT in reader.kinds
        for path in reader.paths
    )


def statements(observations: Iterable[Observation], agent: Agent, readers: Listeners) -> tuple[Statement, ...]:
    """What each observed document says, parsed once; those that say nothing are left out. Never raises on content."""
    return tuple(
        _weighed(statement, seen)
        for seen in observations
        for reader in readers.to(seen)
        if (statement := reader.parse(seen, agent)) is not SILENT
    )


def _weighed(statement: Statement, seen: Observation) -> Statement:
    if seen.document.kind is Kind.PAGE:
        return _Carried(statement)
    if seen.document.kind is Kind.ORIGINAL:
        return _DenyOnly(statement)
    if seen.document.kind is Kind.RESPONSE and not (seen.status is not None and 200 <= seen.status < 300):
        return _DenyOnly(statement)
    return statement


class _Carried:
    """What a page says of the images it displays, as said of this image."""

    __slots__ = ("_statement",)

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def on(self, target: Target) -> Reading:
        said = self._statement.on(target)
        return Reading(
            signals=tuple(
                replace(s, covers=Covers.RESOURCE)
                for s in said.signals
                if s.covers is Covers.PAGE_IMAGES and s.verdict is not Verdict.ALLOW
            ),
            contacts=said.contacts,
        )


BEYOND = 1_000_000_000
"""A rank that nothing supersedes."""


class _DenyOnly:
    """What a response that is not 2xx says, without its permissions. It may be somebody else's answer on the way here,
    which no place of ours supersedes."""

    __slots__ = ("_statement",)

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def on(self, target: Target) -> Reading:
        said = self._statement.on(target)
        return Reading(
            signals=tuple(replace(s, rank=BEYOND) for s in said.signals if s.verdict is not Verdict.ALLOW),
            remarks=said.remarks,
            contacts=said.contacts,
        )


def join_readings(parts: Sequence[Reading]) -> Reading:
    """All that was read, as one reading."""
    spoken = [part for part in parts if part is not NOTHING]
    if len(spoken) == 1:
        return spoken[0]
    return Reading(
        signals=tuple(s for part in spoken for s in part.signals),
        remarks=tuple(r for part in spoken for r in part.remarks),
        contacts=tuple(c for part in spoken for c in part.contacts),
    )


def read(intent: Intent, observations: Iterable[Observation], policy: Policy) -> Reading:
    """All that was said of the resource in these observations and in the operator's own papers.

    Never raises on content. Observations of well-known documents count only at the intent's own origin.
    """
    target = Target.of(intent)
    readers = Listeners(readers_for(policy))
    local = gathered(intent, observations, policy.care, readers)
    said = [s.on(target) for s in statements(local, intent.agent, readers)]
    said.append(operator_statement(policy).on(target))
    said.append(unseen(local, intent.agent, policy.care, readers))
    return join_readings(said)


def bars(rules: Iterable[Statement], url: str, agent: Agent) -> bool:
    """Whether access rules forbid this agent to request a policy document. Only ``/robots.txt`` is exempt from the
    rules of its origin (RFC 9309 section 2.2.2)."""
    target = Target.of(Intent(url=url, agent=agent, purpose=Purpose.SEARCH))
    if target.path == "/robots.txt":
        return False
    return any(
        s.verdict is Verdict.REFUSE and s.basis is Basis.ACCESS_RULE and s.care is Care.LITERAL
        for rule in rules
        for s in rule.on(target).signals
    )


def can_be_taken_back(ruling: Ruling, readers: Iterable[Reader], *, page: bool) -> bool:
    """Whether a body that has not been read yet could lift this refusal: silence can be broken by a permission, and a
    protocol whose narrower place is inside the page may say otherwise there."""
    narrower = {r.protocol for r in readers if r.supersedes} if page else set()
    return all(s.protocol in narrower for s in ruling.because)
