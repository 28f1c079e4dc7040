"""What is known of an origin, and of one URL: heard once, and kept while it is fresh.

Well-known documents through :class:`Looking`, the registries' answers, the documents that others name, and which pages
display an image. It decides nothing and records nothing.

Rules:

1. Twenty first questions about one origin make one look.
2. A document that another one names is looked at beside the robots.txt of where it lives, and not where that bars it.
3. What an origin said last stays known beside the shared store, so that its loss does not make us forget it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from askfirst.displays import Displays
from askfirst.looking import Count, Looking, Seen
from askfirst.ports import Cache, Fetch, Registry
from askfirst.rights.gathering import named
from askfirst.rights.listening import Listeners
from askfirst.rights.model import Agent, Document, Kind, Observation, Origin, Outage
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import Policy
from askfirst.rights.read import bars, last_resorts, plan, readers_for, statements
from askfirst.rights.reader import SILENT
from askfirst.rights.signals.operator import operator_statement
from askfirst.rights.wire import looked_at
from askfirst.standing import UNASKED, Answer, Clock, Standing, authority_of

MAX_ORIGINS = 10_000
MAX_ANSWERS = 100_000


class Hearing:
    """What one agent knows under one policy. ``displays`` are the pages that say something about their images."""

    def __init__(
        self,
        *,
        agent: Agent,
        policy: Policy,
        fetch: Fetch,
        cache: Cache,
        registries: Sequence[Registry],
        worker: str,
        claim_s: int,
        clock: Clock,
        count: Count,
    ) -> None:
        self._agent = agent
        self._policy = policy
        self._clock = clock
        self._fetch = fetch
        self._cache = cache
        self._registries = tuple(registries)
        self._readers = Listeners(readers_for(policy))
        self._naming = Listeners(r for r in self._readers.readers if r.names is not None)
        papers = operator_statement(policy)
        self._papers = () if papers is SILENT else (papers,)
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
        self._others: dict[Document, asyncio.Task[Sequence[Seen]]] = {}
        self._arrivals: dict[Origin, asyncio.Task[Standing]] = {}
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self.displays = Displays(
            cache, care=policy.care, salt=hashlib.sha256(policy.digest.encode()).hexdigest()[:12], count=count
        )

    @property
    def asks_registries(self) -> bool:
        """Whether there is anything to be asked about every single URL."""
        return bool(self._registries)

    def said_elsewhere(self, url: str) -> bool:
        """Whether another document may speak of what this URL names."""
        return self.displays.must_ask(url) or bool(self.displays.of(url))

    async def look(self, origin: Origin, policy: Policy | None = None) -> tuple[Observation, ...]:
        """What the well-known documents of an origin say, without deciding or recording anything."""
        policy = policy or self._policy
        seen = await self._see(origin, plan(origin, policy))
        now = self._clock()
        found = tuple(o for one in seen for o in one.observations(now))
        others = named(found, self._agent, Listeners(readers_for(policy)), policy.care)
        return (*found, *await self.look_at(others, besides=found))

    def standing_of(self, url: str) -> Standing | None:
        """What the origin said last, fresh or not."""
        return self._standings.get(authority_of(url))

    def answer_on(self, url: str) -> Answer | None:
        """What the registries said of the URL last, fresh or not."""
        return self._answers.get(url)

    async def look_at_named(self, observations: Sequence[Observation]) -> tuple[Observation, ...]:
        """What the documents say that these observations name, without deciding or recording anything."""
        return await self.look_at(named(observations, self._agent, self._naming, self._policy.care))

    async def look_for_contact(self, origin: Origin) -> tuple[Observation, ...]:
        """What the origin's contact files say, without deciding or recording anything."""
        return await self.look_at(last_resorts(origin, self._policy))

    async def consult(self, url: str) -> tuple[Observation, ...]:
        """What the registries say of a URL, without deciding or recording anything."""
        return (await self._answer(url)).observations

    def fresh_until(self, url: str) -> datetime:
        """When asking again may give another answer than DEFER."""
        known = (self._standings.get(authority_of(url)), self._answers.get(url))
        now = self._clock()
        return max(now, min((k.fresh_until for k in known if k is not None), default=now))

    async def close(self) -> None:
        """Lets go of connections and stores."""
        for task in (*self._arrivals.values(), *self._others.values()):
            task.cancel()
        await self._fetch.close()
        await self._cache.close()
        for registry in self._registries:
            await registry.close()

    # -- what an origin says -------------------------------------------------------------------------------------

    async def hear(self, url: str) -> tuple[Standing, Answer]:
        """What the origin, the registries and the documents that speak of it elsewhere say."""
        if self.displays.must_ask(url):
            await self.displays.ask(url)
        return await asyncio.gather(self._standing(url), self._answer(url))

    def at_once(self, url: str, now: datetime) -> tuple[Standing, Answer] | None:
        """The same without waiting, where nobody has to be asked about the URL and the origin is at hand."""
        standing = None if self._registries or self.displays.must_ask(url) else self.at_hand(url, now)
        return None if standing is None else (standing, self._with_others(url, UNASKED))

    def at_hand(self, url: str, now: datetime) -> Standing | None:
        """What the origin says, where that is at hand and fresh."""
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
        seen = await self._see(origin, plan(origin, self._policy))
        now = self._clock()
        observations = tuple(o for one in seen for o in one.observations(now))
        others = named(observations, self._agent, self._naming, self._policy.care)
        if others:
            looked = [one for beside in await asyncio.gather(*map(self._other, others)) for one in beside]
            seen = [*seen, *looked]
            now = self._clock()
            observations = tuple(dict.fromkeys((*observations, *(o for one in looked for o in one.observations(now)))))
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
            statements=(*statements(_own(observations, origin), self._agent, self._readers), *self._papers),
            fresh_until=fresh_until,
            looked_at=looked_at(observations),
            asked_whom=asked_whom,
        )

    # -- what others name ----------------------------------------------------------------------------------------

    async def look_at(
        self, documents: Sequence[Document], *, besides: Sequence[Observation] = ()
    ) -> tuple[Observation, ...]:
        """What these documents say, but for those that are among ``besides``, and the rules that stand beside them."""
        known = {(o.document.kind, o.document.url) for o in besides}
        asked = [document for document in documents if (document.kind, document.url) not in known]
        looked = await asyncio.gather(*map(self._other, asked))
        now = self._clock()
        seen = dict.fromkeys(o for beside in looked for one in beside for o in one.observations(now))
        return tuple(o for o in seen if (o.document.kind, o.document.url) not in known)

    async def _other(self, document: Document) -> Sequence[Seen]:
        """One look at a document that is no well-known one of its origin, however many ask for it, and at the rules
        that stand beside it."""
        task = self._others.get(document)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._see_beside_rules(document))
            self._others[document] = task
            task.add_done_callback(lambda _done: self._others.pop(document, None))
        return await asyncio.shield(task)

    async def _see_beside_rules(self, document: Document) -> Sequence[Seen]:
        """INVARIANT: the robots.txt beside it is known before it is asked for."""
        origin = origin_of(document.url)
        wanted = [*(d for d in plan(origin, self._policy) if d.url == f"{origin}/robots.txt"), document]
        known = self._last_seen.get(origin, {})
        held = [known.get(one) for one in wanted]
        fresh = [one for one in held if one is not None and self._looking.fresh(one)]
        if len(fresh) == len(wanted):
            return fresh
        await self._see(origin, wanted[:-1])
        return await self._see(origin, wanted)

    async def _see(self, origin: Origin, documents: Sequence[Document]) -> list[Seen]:
        """All documents at once, but for those that the robots.txt which was seen last bars, as long as something is
        known of them."""
        recalled = await self._looking.recall(origin, documents)
        own = self._last_seen.get(origin, {})
        known = {d: one or own.get(d) for d, one in zip(documents, recalled, strict=True)}
        now = self._clock()
        rules = [o for one in known.values() if one is not None for o in one.observations(now)]
        said = statements(rules, self._agent, self._readers) if rules else ()
        barred = {
            document: self._barred(document, one)
            for document, one in known.items()
            if (document.kind is not Kind.WELL_KNOWN or (one is not None and one.answered(now)))
            and bars(said, document.url, self._agent)
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

    def _barred(self, document: Document, known: Seen | None) -> Seen:
        if known is not None and self._looking.fresh(known):
            return known
        blocked = Observation(document=document, outage=Outage.BLOCKED, observed_at=self._clock(), fresh_s=3_600)
        return Seen(blocked, None if known is None else known.good)

    # -- what registries and other documents say ----------------------------------------------------------------

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
        return self._with_others(url, answer)

    def _with_others(self, url: str, answer: Answer) -> Answer:
        pages = self.displays.of(url)
        if not pages:
            return answer
        shown = self._understood(pages)
        return Answer(
            observations=(*answer.observations, *shown.observations),
            statements=(*answer.statements, *shown.statements),
            fresh_until=answer.fresh_until,
        )

    def _understood(self, observations: tuple[Observation, ...]) -> Answer:
        most_s = self._policy.max_age_s["registry"]
        return Answer(
            observations=observations,
            statements=statements(observations, self._agent, self._readers),
            fresh_until=min(
                (o.observed_at + timedelta(seconds=min(o.fresh_s, most_s)) for o in observations),
                default=datetime.max.replace(tzinfo=UTC),
            ),
        )

    async def with_contacts(self, url: str, standing: Standing) -> Standing:
        """The standing, with what the origin's contact files say."""
        found = await self.look_at(last_resorts(standing.origin, self._policy), besides=standing.observations)
        fuller = self._stand(standing.origin, (*standing.observations, *found), standing.fresh_until, asked_whom=True)
        if self._standings.get(authority_of(url)) is standing:
            self._standings[authority_of(url)] = fuller
        return fuller


def _own(observations: Sequence[Observation], origin: Origin) -> Iterator[Observation]:
    """Without the well-known documents of other origins, which were looked at for what they let us look at."""
    for seen in observations:
        if seen.document.kind is not Kind.WELL_KNOWN or origin_of(seen.document.url) == origin:
            yield seen
