"""Where to look, and what was said there: ``plan`` and ``read``.

Rules:

1. Every reader is asked about every document of a kind (and, for well-known files, a path) that it listens to.
2. A response that is not 2xx can refuse and cannot permit (signals of an error page or a redirect hop are deny-only).
3. Of a page that displays the resource only what covers its images is carried over.
4. The operator's licences and consents are read from the policy, as signals like any other.
5. What is inside a work is found in the bytes of its 2xx response, unless it was found before: an observation of a
   whole body gives the same reading as the excerpts that were kept of it.
6. A document that another one names counts as what it is named for. One that is named and was not looked at is
   remarked. Of another rendition of a work only refusals are carried over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from askfirst.rights.inside import inside
from askfirst.rights.listening import Listeners
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Covers,
    Document,
    Evidence,
    Intent,
    Kind,
    Observation,
    Origin,
    Purpose,
    Reading,
    Remark,
    RemarkKind,
    Ruling,
    Verdict,
)
from askfirst.rights.origins import is_web_url, origin_of
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


_SAID_ELSEWHERE: Final = frozenset({Kind.PAGE, Kind.ORIGINAL})
MAX_NAMED = 8
"""So many documents of a kind that others name are looked at."""


def named(observations: Iterable[Observation], agent: Agent, readers: Listeners, care: Care) -> tuple[Document, ...]:
    """The documents on the web that the observed ones name, each once, the first eight of each kind."""
    found: dict[Kind, dict[Document, None]] = {}
    for seen in observations:
        if seen.document.kind in _SAID_ELSEWHERE:
            continue  # what such a document names bears on itself
        for reader in readers.to(seen):
            if reader.names is not None:
                for name in reader.names(seen, agent):
                    if name.care <= care and is_web_url(name.document.url):
                        found.setdefault(name.document.kind, {})[name.document] = None
    return tuple(document for of_kind in found.values() for document in list(of_kind)[:MAX_NAMED])


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
            signals=tuple(replace(s, covers=Covers.RESOURCE) for s in said.signals if s.covers is Covers.PAGE_IMAGES),
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
    local = _gathered(intent, observations, policy.care, readers)
    said = [s.on(target) for s in statements(local, intent.agent, readers)]
    said.append(operator_statement(policy).on(target))
    said.append(_unseen(local, intent.agent, policy.care, readers))
    return join_readings(said)


def _gathered(
    intent: Intent, observations: Iterable[Observation], care: Care, readers: Listeners
) -> tuple[Observation, ...]:
    """The observations that count for an intent: those of its own origin, those that others name, and what is inside
    the work."""
    given = tuple(observations)
    home = origin_of(intent.url)
    local = [o for o in given if o.document.kind is not Kind.WELL_KNOWN or origin_of(o.document.url) == home]
    names = {d.url: d.kind for d in named(local, intent.agent, readers, care)}
    found = [_as_named(o, names) for o in given if o in local or o.document.url in names]
    if not any(o.document.kind is Kind.ASSET for o in given):
        found += [packet for o in given for packet in packets(o)]
    return tuple(found)


def _as_named(seen: Observation, names: Mapping[str, Kind]) -> Observation:
    kind = names.get(seen.document.url)
    if kind is None or seen.document.kind is not Kind.WELL_KNOWN:
        return seen
    return replace(seen, document=replace(seen.document, kind=kind))


def packets(response: Observation) -> tuple[Observation, ...]:
    """The rights metadata inside the work that a response carried whole."""
    if response.document.kind is not Kind.RESPONSE or response.whole_digest is not None:
        return ()
    if response.status is None or not 200 <= response.status < 300:
        return ()
    return inside(response)


def _unseen(observations: Sequence[Observation], agent: Agent, care: Care, readers: Listeners) -> Reading:
    """A remark for each document that is named and was not looked at."""
    looked = {(o.document.kind, o.document.url) for o in observations}
    return Reading(
        remarks=tuple(
            Remark(
                source="a document that is named",
                kind=RemarkKind.NOT_COUNTED,
                note=f"{document.url[:150]} was not looked at, and has no effect",
                evidence=Evidence(
                    document_url=document.url, digest=_NOTHING_SEEN, at="not looked at", text="", spec=""
                ),
            )
            for document in named(observations, agent, readers, care)
            if document.kind is Kind.LICENSE and (document.kind, document.url) not in looked
        )
    )


_NOTHING_SEEN: Final = "sha256:" + "0" * 64


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
