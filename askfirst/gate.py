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

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from askfirst.displays import Displays
from askfirst.looking import Count, Looking, Seen
from askfirst.ports import Cache, EdgeError, Fetch, Inspect, Registry
from askfirst.recording import Record
from askfirst.rights import html
from askfirst.rights.decide import on_occasion, rule
from askfirst.rights.media import content_type, may_be_html, media_type
from askfirst.rights.model import (
    Agent,
    Basis,
    Category,
    Decision,
    Document,
    Evidence,
    Intent,
    Kind,
    Observation,
    Origin,
    Outage,
    Reading,
    Ruling,
    Signal,
    Stage,
    Verdict,
)
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import Policy
from askfirst.rights.read import (
    bars,
    can_be_taken_back,
    join_readings,
    last_resorts,
    named,
    packets,
    plan,
    readers_for,
    statements,
)
from askfirst.rights.reader import SILENT, Statement, Target
from askfirst.rights.signals.operator import operator_statement
from askfirst.rights.wire import looked_at
from askfirst.standing import UNASKED, Answer, Standing, authority_of

_AFTER_THE_FETCH = frozenset({Kind.RESPONSE, Kind.ASSET, Kind.LICENSE, Kind.POLICY})
MAX_ORIGINS = 10_000
MAX_ANSWERS = 100_000


def utc_now() -> datetime:
    """The clock of everybody who is not a test."""
    return datetime.now(UTC)


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
        inspect: Inspect = lambda _response: (),
        worker: str = "worker",
        claim_s: int = 30,
        clock: Callable[[], datetime] = utc_now,
        count: Count = lambda _name: None,
    ) -> None:
        self.agent = agent
        self.policy = policy
        self._fetch = fetch
        self._cache = cache
        self._record = record
        self._registries = tuple(registries)
        self._inspect = inspect
        self._clock = clock
        self._count = count
        self._readers = readers_for(policy)
        self._of_responses = tuple(r for r in self._readers if not _AFTER_THE_FETCH.isdisjoint(r.kinds))
        self._of_works = any(Kind.ASSET in r.kinds for r in self._readers)
        self._naming = tuple(r for r in self._readers if r.names is not None)
        self._before_body = tuple(r for r in self._readers if not r.reads_body)
        papers = operator_statement(policy)
        self._papers = () if papers is SILENT else (papers,)
        self.head_fields = frozenset[str]().union(*(r.fields for r in self._before_body))
        self._looking = Looking(
            fetch=fetch,
            cache=cache,
            policy=policy,
            user_agent=agent.user_agent,
            worker=worker,
            claim_s=claim_s,
            clock=clock,
            count=count,
        )
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._last_seen: OrderedDict[Origin, dict[Document, Seen]] = OrderedDict()
        self._others: dict[Document, asyncio.Task[Seen]] = {}
        self._arrivals: dict[Origin, asyncio.Task[Standing]] = {}
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._displays = Displays()

    # -- the two questions ---------------------------------------------------------------------------------------

    def recall(self, intent: Intent) -> Decision | None:
        """``before_fetch`` without waiting, when everything it needs is at hand and fresh; else None."""
        if self._registries or self._displays.of(intent.url):
            return None
        now = self._clock()
        standing = self._at_hand(intent.url, now)
        if standing is None:
            return None
        ruling = standing.ruling(intent, (), self.policy, stage=Stage.FETCH, at=now)
        return None if self._asks_nobody(ruling, standing) else self._give(intent, ruling, standing, (), now)

    async def before_fetch(self, intent: Intent) -> Decision:
        """Whether the resource may be requested. Recorded. Raises UrlError for what is no http URL."""
        decision = self.recall(intent)
        if decision is not None:
            return decision
        standing, answer = await self._known(intent.url)
        return await self._decide(intent, standing, answer.statements, answer.observations, Stage.FETCH)

    async def before_keep(self, intent: Intent, response: Observation, hops: Sequence[Observation] = ()) -> Decision:
        """Whether what was received may be kept. Recorded, with the elements that were relied on and no more of the
        body. ``hops`` are the redirect answers on the way, as observations of kind RESPONSE. The intent's media type is
        taken from the response where it has none."""
        if intent.media is None:
            media = media_type(response)
            intent = Intent(url=intent.url, agent=intent.agent, purpose=intent.purpose, media=media)
        known = self._at_once(intent.url, self._clock())
        if known is None:
            known = await self._known(intent.url)
        standing, answer = known
        seen = (*hops, response)
        inside = (*packets(response), *self._inspect(response)) if self._of_works else ()
        others = named(seen, self.agent, self._naming, self.policy.care)
        looked = await self._look_at_others(others, besides=standing.observations) if others else ()
        parts = statements((*seen, *inside, *looked), self.agent, self._of_responses)
        decision = await self._decide(
            intent,
            standing,
            (*answer.statements, *parts),
            (*answer.observations, *hops, html.relied_on(response), *inside, *looked),
            Stage.KEEP,
        )
        if parts:
            self._displays.note(response, parts, Target.of(intent))
        return decision

    def refused_by_head(self, intent: Intent, head: Observation, hops: Sequence[Observation] = ()) -> bool:
        """Whether status and headers alone already refuse, whatever the body may say. Not recorded: the decision that
        counts comes from ``before_keep`` with the same observation. False when the origin is not at hand, or the type
        is not told. A head without any of ``head_fields``, and without hops, refuses nothing and need not be asked
        about."""
        standing = self._standings.get(authority_of(intent.url))
        told = content_type(head)
        if standing is None or told is None:
            # Without a type only the bytes can tell what a value for images is about.
            return False
        intent = replace(intent, media=told)
        parts = statements((*hops, head), self.agent, self._before_body)
        place = Target.of(intent)
        said = [part.on(place) for part in (*standing.statements, *parts)]
        answer = self._answers.get(intent.url)
        if answer is not None:
            said.extend(part.on(place) for part in answer.statements)
        elif self._registries:
            return False
        ruling = rule(intent.purpose, join_readings(said), self.policy, stage=Stage.KEEP, at=self._clock())
        page = may_be_html(head, intent)
        return ruling.verdict is Verdict.REFUSE and not can_be_taken_back(ruling, self._readers, page=page)

    async def look(self, origin: Origin, policy: Policy | None = None) -> tuple[Observation, ...]:
        """What the well-known documents of an origin say, without deciding or recording anything."""
        policy = policy or self.policy
        seen = await self._see(origin, plan(origin, policy))
        now = self._clock()
        found = tuple(o for one in seen for o in one.observations(now))
        others = named(found, self.agent, readers_for(policy), policy.care)
        return (*found, *await self._look_at_others(others))

    async def look_at_named(self, observations: Sequence[Observation]) -> tuple[Observation, ...]:
        """What the documents say that these observations name, without deciding or recording anything."""
        return await self._look_at_others(named(observations, self.agent, self._naming, self.policy.care))

    async def look_for_contact(self, origin: Origin) -> tuple[Observation, ...]:
        """What the origin's contact files say, without deciding or recording anything."""
        return await self._look_at_others(last_resorts(origin, self.policy))

    async def consult(self, url: str) -> tuple[Observation, ...]:
        """What the registries say of a URL, without deciding or recording anything."""
        return (await self._answer(url)).observations

    def fresh_until(self, url: str) -> datetime:
        """When asking again may give another answer than DEFER."""
        known = (self._standings.get(authority_of(url)), self._answers.get(url))
        now = self._clock()
        return max(now, min((k.fresh_until for k in known if k is not None), default=now))

    def now(self) -> datetime:
        """The gate's clock."""
        return self._clock()

    async def close(self) -> None:
        """Ends the records and lets go of connections."""
        for task in list(self._arrivals.values()):
            task.cancel()
        self._record.close()
        await self._fetch.close()
        await self._cache.close()
        for registry in self._registries:
            await registry.close()

    # -- what an origin says -------------------------------------------------------------------------------------

    async def _known(self, url: str) -> tuple[Standing, Answer]:
        """What the origin, the registries and the displaying pages say."""
        return await asyncio.gather(self._standing(url), self._answer(url))

    def _at_once(self, url: str, now: datetime) -> tuple[Standing, Answer] | None:
        """The same without waiting, where no registry is asked and the origin is at hand."""
        standing = None if self._registries else self._at_hand(url, now)
        return None if standing is None else (standing, self._with_pages(url, UNASKED))

    def _at_hand(self, url: str, now: datetime) -> Standing | None:
        standing = self._standings.get(authority_of(url))
        return standing if standing is not None and standing.fresh_until > now else None

    async def _standing(self, url: str) -> Standing:
        authority = authority_of(url)
        standing = self._standings.get(authority)
        if standing is not None and standing.fresh_until > self._clock():
            return standing
        origin = origin_of(url)
        task = self._arrivals.get(origin)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._arrive(origin))
            self._arrivals[origin] = task
            task.add_done_callback(lambda _done: self._arrivals.pop(origin, None))
        standing = await asyncio.shield(task)
        self._standings[authority] = standing
        self._standings.move_to_end(authority)
        while len(self._standings) > MAX_ORIGINS:
            self._standings.popitem(last=False)
        return standing

    async def _arrive(self, origin: Origin) -> Standing:
        seen = await self._see(origin, plan(origin, self.policy))
        now = self._clock()
        observations = tuple(o for one in seen for o in one.observations(now))
        others = named(observations, self.agent, self._naming, self.policy.care)
        if others:
            looked = await asyncio.gather(*map(self._other, others))
            seen = [*seen, *looked]
            now = self._clock()
            observations += tuple(o for one in looked for o in one.observations(now))
        return self._stand(
            origin,
            observations,
            min((self._looking.fresh_until(one) for one in seen), default=now + timedelta(hours=1)),
        )

    def _stand(
        self, origin: Origin, observations: tuple[Observation, ...], fresh_until: datetime, *, asked_whom: bool = False
    ) -> Standing:
        return Standing(
            origin=origin,
            observations=observations,
            statements=(*statements(observations, self.agent, self._readers), *self._papers),
            fresh_until=fresh_until,
            looked_at=looked_at(observations),
            asked_whom=asked_whom,
        )

    # -- what others name ----------------------------------------------------------------------------------------

    async def _look_at_others(
        self, documents: Sequence[Document], *, besides: Sequence[Observation] = ()
    ) -> tuple[Observation, ...]:
        """What these documents say, but for those that are among ``besides``."""
        known = {(o.document.kind, o.document.url) for o in besides}
        asked = [document for document in documents if (document.kind, document.url) not in known]
        seen = await asyncio.gather(*map(self._other, asked))
        now = self._clock()
        return tuple(o for one in seen for o in one.observations(now))

    async def _other(self, document: Document) -> Seen:
        """One look at a document that is no well-known one of its origin, however many ask for it."""
        origin = origin_of(document.url)
        known = self._last_seen.get(origin, {}).get(document)
        if known is not None and self._looking.fresh(known):
            return known
        task = self._others.get(document)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._see_beside_rules(origin, document))
            self._others[document] = task
            task.add_done_callback(lambda _done: self._others.pop(document, None))
        return await asyncio.shield(task)

    async def _see_beside_rules(self, origin: Origin, document: Document) -> Seen:
        """INVARIANT: the robots.txt beside it is looked at as well, so that what it bars is known the next time."""
        rules = [d for d in plan(origin, self.policy) if d.url == f"{origin}/robots.txt"]
        return (await self._see(origin, [*rules, document]))[-1]

    async def _see(self, origin: Origin, documents: Sequence[Document]) -> list[Seen]:
        """All documents at once, but for those that the robots.txt which was seen last bars, as long as something is
        known of them."""
        recalled = await self._looking.recall(origin, documents)
        own = self._last_seen.get(origin, {})
        known = {d: one or own.get(d) for d, one in zip(documents, recalled, strict=True)}
        now = self._clock()
        rules = [o for one in known.values() if one is not None for o in one.observations(now)]
        said = statements(rules, self.agent, self._readers) if rules else ()
        barred = {
            document: self._barred(document, one)
            for document, one in known.items()
            if one is not None and one.answered(now) and bars(said, document.url, self.agent)
        }
        asked = [document for document in documents if document not in barred]
        seen = await self._looking.look(origin, asked, [known[document] for document in asked])
        found = barred | dict(zip(asked, seen, strict=True))
        # Beside the store, so that its loss does not make us forget what an origin said.
        self._last_seen[origin] = self._last_seen.get(origin, {}) | found
        self._last_seen.move_to_end(origin)
        while len(self._last_seen) > MAX_ORIGINS:
            self._last_seen.popitem(last=False)
        return [found[document] for document in documents]

    def _barred(self, document: Document, known: Seen) -> Seen:
        if self._looking.fresh(known):
            return known
        blocked = Observation(document=document, outage=Outage.BLOCKED, observed_at=self._clock(), fresh_s=3_600)
        return Seen(blocked, known.good)

    # -- what registries and displaying pages say ----------------------------------------------------------------

    async def _answer(self, url: str) -> Answer:
        now = self._clock()
        answer = self._answers.get(url)
        if answer is None or answer.fresh_until <= now:
            found = await asyncio.gather(*(registry.look_up([url]) for registry in self._registries))
            observations = tuple(answers[url] for answers in found)
            answer = self._understood(observations)
            if self._registries:
                self._answers[url] = answer
                while len(self._answers) > MAX_ANSWERS:
                    self._answers.popitem(last=False)
        return self._with_pages(url, answer)

    def _with_pages(self, url: str, answer: Answer) -> Answer:
        pages = self._displays.of(url)
        if not pages:
            return answer
        shown = self._understood(pages)
        return Answer(
            observations=(*answer.observations, *shown.observations),
            statements=(*answer.statements, *shown.statements),
            fresh_until=answer.fresh_until,
        )

    def _understood(self, observations: tuple[Observation, ...]) -> Answer:
        most_s = self.policy.max_age_s["registry"]
        return Answer(
            observations=observations,
            statements=statements(observations, self.agent, self._readers),
            fresh_until=min(
                (o.observed_at + timedelta(seconds=min(o.fresh_s, most_s)) for o in observations),
                default=datetime.max.replace(tzinfo=UTC),
            ),
        )

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
            standing = await self._with_contacts(intent.url, standing)
            now = self._clock()
            ruling = standing.ruling(intent, parts, self.policy, stage=stage, at=now)
        return self._give(intent, ruling, standing, observations, now)

    @staticmethod
    def _asks_nobody(ruling: Ruling, standing: Standing) -> bool:
        """Whether something is to be asked, nobody is named, and the last resort has not been tried."""
        return (
            bool(ruling.ask)
            and not standing.asked_whom
            and not all(ask.contact is not None or ask.terms_url is not None for ask in ruling.ask)
        )

    async def _with_contacts(self, url: str, standing: Standing) -> Standing:
        found = await self._look_at_others(last_resorts(standing.origin, self.policy))
        fuller = self._stand(standing.origin, (*standing.observations, *found), standing.fresh_until, asked_whom=True)
        if self._standings.get(authority_of(url)) is standing:
            self._standings[authority_of(url)] = fuller
        return fuller

    def _give(
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
            self._record.write(decision, standing, observations)
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
