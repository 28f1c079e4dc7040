"""The conductor: one URL's way through.

``before_fetch`` looks at what the origin and the registries say, and decides; ``before_keep`` adds the response. Every
decision is recorded before it is given out.

Rules:

1. No record, no fetch: first the record, then the answer. What cannot be recorded is a DEFER.
2. Nothing here knows a protocol. Documents come from ``plan``, meaning from ``read`` and ``decide``.
3. Twenty first requests to one origin make one look.
4. A document that another one names is looked at before the decision that it bears on. Whom to ask as a last resort is
   looked up when something is refused and nothing else names anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from askfirst.hearing import Hearing
from askfirst.looking import Count
from askfirst.ports import Cache, EdgeError, Fetch, Inspect, Registry
from askfirst.recording import Record
from askfirst.rights import html
from askfirst.rights.decide import on_occasion, rule
from askfirst.rights.gathering import named, packets
from askfirst.rights.listening import Listeners
from askfirst.rights.media import content_type, may_be_html, media_type
from askfirst.rights.model import (
    Agent,
    Basis,
    Category,
    Decision,
    Evidence,
    Intent,
    Kind,
    Observation,
    Reading,
    Ruling,
    Signal,
    Stage,
    Verdict,
)
from askfirst.rights.policy import Policy
from askfirst.rights.read import (
    can_be_taken_back,
    join_readings,
    readers_for,
    statements,
)
from askfirst.rights.reader import Statement, Target
from askfirst.standing import Standing

_AFTER_THE_FETCH = frozenset({Kind.RESPONSE, Kind.ASSET, Kind.LICENSE, Kind.POLICY})


def utc_now() -> datetime:
    """The clock of everybody who is not a test."""
    return datetime.now(UTC)


class Recalled(NamedTuple):
    """What is known of a URL without looking anywhere, at a time."""

    ruling: Ruling
    standing: Standing
    at: datetime


class Gate:
    """Decides for one agent under one policy, and records what it decides."""

    def __init__(
        self,
        *,
        agent: Agent,
        policy: Policy,
        fetch: Fetch,
        cache: Cache,
        record: Record,
        registries: Sequence[Registry] = (),
        inspect: Inspect = lambda _response, _inside: (),
        worker: str = "worker",
        claim_s: int = 30,
        clock: Callable[[], datetime] = utc_now,
        count: Count = lambda _name: None,
    ) -> None:
        self.agent = agent
        self.policy = policy
        self.record = record
        self._inspect = inspect
        self._clock = clock
        self._count = count
        self._readers = readers_for(policy)
        self._of_responses = Listeners(r for r in self._readers if not _AFTER_THE_FETCH.isdisjoint(r.kinds))
        self._of_works = any(Kind.ASSET in r.kinds for r in self._readers)
        self._naming = Listeners(r for r in self._readers if r.names is not None)
        self._before_body = Listeners(r for r in self._readers if not r.reads_body)
        self.head_fields = frozenset[str]().union(*(r.fields for r in self._before_body.readers))
        self.hearing = Hearing(
            agent=agent,
            policy=policy,
            fetch=fetch,
            cache=cache,
            registries=registries,
            worker=worker,
            claim_s=claim_s,
            clock=clock,
            count=count,
        )

    # -- the two questions ---------------------------------------------------------------------------------------

    def recall(self, intent: Intent) -> Recalled | None:
        """What ``before_fetch`` would say without looking, when everything it needs is at hand and fresh; else None.
        Not recorded."""
        if self.hearing.asks_registries or self.hearing.said_elsewhere(intent.url):
            return None
        now = self._clock()
        standing = self.hearing.at_hand(intent.url, now)
        if standing is None:
            return None
        ruling = standing.ruling(intent, (), self.policy, stage=Stage.FETCH, at=now)
        return None if self._asks_nobody(ruling, standing) else Recalled(ruling, standing, now)

    async def before_fetch(self, intent: Intent) -> Decision:
        """Whether the resource may be requested. Recorded. Raises UrlError for what is no http URL."""
        recalled = self.recall(intent)
        if recalled is not None:
            return await self._give(intent, recalled.ruling, recalled.standing, (), recalled.at)
        standing, answer = await self.hearing.hear(intent.url)
        return await self._decide(intent, standing, answer.statements, answer.observations, Stage.FETCH)

    async def before_keep(self, intent: Intent, response: Observation, hops: Sequence[Observation] = ()) -> Decision:
        """Whether what was received may be kept. Recorded, with the elements that were relied on and no more of the
        body. ``hops`` are the redirect answers on the way, as observations of kind RESPONSE. The intent's media type is
        taken from the response where it has none."""
        if intent.media is None:
            media = media_type(response)
            intent = Intent(url=intent.url, agent=intent.agent, purpose=intent.purpose, media=media)
        picture = (intent.media or "").startswith("image/")
        known = self.hearing.at_once(intent.url, self._clock(), picture=picture)
        if known is None:
            known = await self.hearing.hear(intent.url, picture=picture)
        standing, answer = known
        seen = (*hops, response)
        inside = packets(response) if self._of_works else ()
        if inside:
            inside = (*inside, *self._inspect(response, inside))
        others = named((*seen, *inside), self.agent, self._naming, self.policy.care)
        looked = await self.hearing.look_at(others, besides=standing.observations) if others else ()
        # the rules beside a document that is named are evidence of the look, and say nothing of this resource
        spoken = (o for o in looked if o.document.kind is not Kind.WELL_KNOWN)
        parts = statements((*seen, *inside, *spoken), self.agent, self._of_responses)
        kept = html.relied_on(response)
        decision = await self._decide(
            intent,
            standing,
            (*answer.statements, *parts),
            (*answer.observations, *hops, kept, *inside, *looked),
            Stage.KEEP,
        )
        if may_be_html(response, intent):
            await self.hearing.displays.note_page(response, parts, Target.of(intent))
        elif decision.verdict is Verdict.REFUSE:
            await self.hearing.displays.note_refusal(intent.url, decision.because, (kept, *inside))
        return decision

    def refused_by_head(self, intent: Intent, head: Observation, hops: Sequence[Observation] = ()) -> bool:
        """Whether status and headers alone already refuse, whatever the body may say. Not recorded: the decision that
        counts comes from ``before_keep`` with the same observation. False when the origin is not at hand, or the type
        is not told. A head without any of ``head_fields``, and without hops, refuses nothing and need not be asked
        about."""
        standing = self.hearing.standing_of(intent.url)
        told = content_type(head)
        if standing is None or told is None:
            # Without a type only the bytes can tell what a value for images is about.
            return False
        intent = replace(intent, media=told)
        parts = statements((*hops, head), self.agent, self._before_body)
        place = Target.of(intent)
        said = [part.on(place) for part in (*standing.statements, *parts)]
        answer = self.hearing.answer_on(intent.url)
        if answer is not None:
            said.extend(part.on(place) for part in answer.statements)
        elif self.hearing.asks_registries:
            return False
        ruling = rule(intent.purpose, join_readings(said), self.policy, stage=Stage.KEEP, at=self._clock())
        page = may_be_html(head, intent)
        return ruling.verdict is Verdict.REFUSE and not can_be_taken_back(ruling, self._readers, page=page)

    def now(self) -> datetime:
        """The gate's clock."""
        return self._clock()

    async def close(self) -> None:
        """Ends the records and lets go of connections."""
        self.record.close()
        await self.hearing.close()

    # -- deciding and recording ----------------------------------------------------------------------------------

    async def _decide(
        self,
        intent: Intent,
        standing: Standing,
        parts: Sequence[Statement],
        observations: Sequence[Observation],
        stage: Stage,
    ) -> Decision:
        """The decision, recorded, once it is known whom to ask where something is refused."""
        now = self._clock()
        ruling = standing.ruling(intent, parts, self.policy, stage=stage, at=now)
        if self._asks_nobody(ruling, standing):
            standing = await self.hearing.with_contacts(intent.url, standing)
            now = self._clock()
            ruling = standing.ruling(intent, parts, self.policy, stage=stage, at=now)
        return await self._give(intent, ruling, standing, observations, now)

    @staticmethod
    def _asks_nobody(ruling: Ruling, standing: Standing) -> bool:
        """Whether something is to be asked, nobody is named, and the last resort has not been tried."""
        return (
            bool(ruling.ask)
            and not standing.asked_whom
            and not all(ask.contact is not None or ask.terms_url is not None for ask in ruling.ask)
        )

    async def _give(
        self,
        intent: Intent,
        ruling: Ruling,
        standing: Standing,
        observations: Sequence[Observation],
        now: datetime,
    ) -> Decision:
        """The decision, recorded; or a DEFER that says what could not be written."""
        stage = ruling.stage
        decision = on_occasion(intent, ruling, at=now)
        try:
            await self.record.write(decision, standing, observations)
        except EdgeError as error:
            self._count("record/unwritable")
            return unrecorded(intent, self.policy, error, stage=stage, at=now)
        return decision


def unrecorded(intent: Intent, policy: Policy, error: EdgeError, *, stage: Stage, at: datetime) -> Decision:
    """The decision when the record cannot be written: DEFER, because of that (no record, no fetch)."""
    words = Evidence(
        document_url="askfirst:record",
        digest="sha256:" + "0" * 64,
        at="record",
        text=str(error)[:200],
        spec="docs/adr/0006: no record, no fetch",
    )
    signal = Signal(
        source="the record",
        protocol="record",
        category=Category.FETCH,
        basis=Basis.ACCESS_RULE,
        verdict=Verdict.DEFER,
        evidence=words,
    )
    return on_occasion(intent, rule(intent.purpose, Reading(signals=(signal,)), policy, stage=stage, at=at), at=at)
