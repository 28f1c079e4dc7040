"""What is known of an origin, and of one URL: heard once, and kept while it is fresh.

Well-known documents through :class:`Looking`, the registries' answers, the documents that others name, and which pages
display an image. It decides nothing and records nothing.

Rules:

1. Twenty first questions about one origin make one look.
2. A document that another one names is looked at beside the robots.txt of where it lives, and not where that bars it.
3. What an origin said last stays known beside the shared store, so that its loss does not make us forget it; of what
   is named there, the last 64 documents.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from askfirst.displays import Displays
from askfirst.looking import MAX_NAMED_AT_AN_ORIGIN, Count, Looking, Seen
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

MAX_ORIGINS: Final = 10_000
MAX_ANSWERS: Final = 100_000

K = TypeVar("K")
T = TypeVar("T")


class Once(Generic[K, T]):
    """Work that is done once, however many ask for it while it is being done."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}

    async def do(self, key: K, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """What the work gives, begun here or before. Who gives up takes nobody with him."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(work())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(task)

    def _end(self, key: K, done: asyncio.Task[T]) -> None:
        self._tasks.pop(key, None)
        if not done.cancelled():
            done.exception()  # everybody may have given up: nobody is left to be told

    def cancel(self) -> None:
        """Ends all of it."""
        for task in self._tasks.values():
            task.cancel()


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
        self._looks = Once[Document, Sequence[Seen]]()
        self._arrivals = Once[Origin, Standing]()
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        # who asks is part of what a page answered, and what was noted of it follows from the policy
        salt = hashlib.sha256(f"{agent.user_agent}\n{agent.product_token}\n{policy.digest}".encode()).hexdigest()[:12]
        self.displays = Displays(cache, care=policy.care, salt=salt, clock=clock, count=count)

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
        found = _all(seen, self._clock())
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
        self._arrivals.cancel()
        self._looks.cancel()
        await self._fetch.close()
        await self._cache.close()
        for registry in self._registries:
            await registry.close()

    # -- what an origin says -------------------------------------------------------------------------------------

    async def hear(self, url: str, *, picture: bool = False) -> tuple[Standing, Answer]:
        """What the origin, the registries and the documents that speak of it elsewhere say. ``picture``: it is one,
        whatever its address looks like."""
        if self.displays.must_ask(url, picture=picture):
            await self.displays.ask(url)
        standing, answer = await asyncio.gather(self._standing(url), self._answer(url))
        # last, because a page may have been seen meanwhile
        return standing, self._with_others(url, answer)

    def at_once(self, url: str, now: datetime, *, picture: bool = False) -> tuple[Standing, Answer] | None:
        """The same without waiting, where nobody has to be asked about the URL and the origin is at hand."""
        asks = self._registries or self.displays.must_ask(url, picture=picture)
        standing = None if asks else self.at_hand(url, now)
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
        standing = await self._arrivals.do(origin, lambda: self._arrive(origin))
        self._standings[authority] = standing
        self._standings.move_to_end(authority)
        while len(self._standings) > MAX_ORIGINS:
            self._standings.popitem(last=False)
        return standing

    async def _arrive(self, origin: Origin) -> Standing:
        seen = await self._see(origin, plan(origin, self._policy))
        now = self._clock()
        observations = _all(seen, now)
        others = named(observations, self._agent, self._naming, self._policy.care)
        if others:
            looked = await self._look_beside(others, observations)
            seen = [*seen, *looked]
            now = self._clock()
            observations = (*observations, *_all(looked, now))
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
        """What these documents say, and the rules that stand beside them; but for what is among ``besides``."""
        looked = await self._look_beside(documents, besides)
        return _all(looked, self._clock())

    async def _look_beside(self, documents: Sequence[Document], besides: Sequence[Observation]) -> list[Seen]:
        """INVARIANT: one look at a document is all that is heard of it; a later one may say something else."""
        known = {(o.document.kind, o.document.url) for o in besides}
        asked = [document for document in documents if (document.kind, document.url) not in known]
        looked = await asyncio.gather(*map(self._other, asked))
        return [
            one
            for beside in looked
            for one in beside
            if (one.latest.document.kind, one.latest.document.url) not in known
        ]

    async def _other(self, document: Document) -> Sequence[Seen]:
        """One look at a document that is no well-known one of its origin, and at the rules that stand beside it."""
        return await self._looks.do(document, lambda: self._see_beside_rules(document))

    async def _see_beside_rules(self, document: Document) -> Sequence[Seen]:
        """INVARIANT: the robots.txt beside it is known before it is asked for."""
        origin = origin_of(document.url)
        rules = [d for d in plan(origin, self._policy) if d.url == f"{origin}/robots.txt"]
        wanted = [*rules, document]
        known = self._last_seen.get(origin, {})
        held = [known.get(one) for one in wanted]
        fresh = [one for one in held if one is not None and self._looking.fresh(one)]
        if len(fresh) == len(wanted):
            return fresh
        for one in rules:
            await self._looks.do(one, lambda: self._see(origin, rules))
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
        self._last_seen[origin] = _bounded(self._last_seen.get(origin, {}), found)
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
                self._answers.move_to_end(url)
                while len(self._answers) > MAX_ANSWERS:
                    self._answers.popitem(last=False)
        return answer

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
        authority = authority_of(url)
        latest = self._standings.get(authority)
        if latest is not None and latest.asked_whom and latest.observations == (*standing.observations, *found):
            return latest  # somebody else asked meanwhile
        fuller = self._stand(standing.origin, (*standing.observations, *found), standing.fresh_until, asked_whom=True)
        if latest is standing:
            self._standings[authority] = fuller
        return fuller


def _all(seen: Iterable[Seen], at: datetime) -> tuple[Observation, ...]:
    """What counts at this time, each once."""
    return tuple(dict.fromkeys(o for one in seen for o in one.observations(at)))


def _bounded(known: Mapping[Document, Seen], found: Mapping[Document, Seen]) -> dict[Document, Seen]:
    """Both, the latest last; of the documents that are no well-known ones only the latest."""
    seen = {**{document: one for document, one in known.items() if document not in found}, **found}
    others = [document for document in seen if document.kind is not Kind.WELL_KNOWN]
    for document in others[:-MAX_NAMED_AT_AN_ORIGIN]:
        del seen[document]
    return seen


def _own(observations: Sequence[Observation], origin: Origin) -> Iterator[Observation]:
    """Without the well-known documents of other origins, which were looked at for what they let us look at."""
    for seen in observations:
        if seen.document.kind is not Kind.WELL_KNOWN or origin_of(seen.document.url) == origin:
            yield seen
