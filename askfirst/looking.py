"""Looks at well-known documents once for the whole fleet, and remembers what was seen.

One worker claims an origin and looks at its documents; the others wait for what it saw. What is fresh is not asked for
again, what is stale is revalidated, and a last good copy stands beside an outage for 30 days, so that its refusals go
on.

Rules:

1. A shared store that fails is a miss: counted, and answered by looking. It never stops a look and never means ALLOW.
2. A claim that cannot be had (store away, claimant dead) falls back to looking in this process.
3. Nothing here knows what a document means, apart from freshness.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from askfirst.ports import Cache, EdgeError, Fetch
from askfirst.rights.freshness import STALE_IF_ERROR_S, freshness_s, unusable, validators
from askfirst.rights.model import Document, Kind, Observation, Origin
from askfirst.rights.policy import MAX_AGE_S, Policy
from askfirst.rights.wire import WireError, canonical, member_table, observation_to_wire, parse_observation

Count = Callable[[str], None]

FORMAT = 1
"""Of what is put into the store. Another version puts it elsewhere."""
MAX_NAMED_AT_AN_ORIGIN = 64
MAX_NAMED_BYTES = 1_048_576
_WAIT_S = 5.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a document: the latest look, and the last one that found it when the latest could not."""

    latest: Observation
    last_good: Observation | None = None

    def observations(self, at: datetime) -> tuple[Observation, ...]:
        """What counts at this time."""
        if self.last_good is None or not _young(self.last_good, at):
            return (self.latest,)
        return (self.latest, self.last_good)

    def answered(self, at: datetime) -> bool:
        """Whether anything is known of what the document says, or that it is not there."""
        return any(
            not unusable(seen) and _young(seen, at) for seen in (self.latest, self.last_good) if seen is not None
        )

    @property
    def good(self) -> Observation | None:
        """The last look that found a document."""
        found = self.latest.status is not None and 200 <= self.latest.status < 300 and not unusable(self.latest)
        return self.latest if found else self.last_good


def _young(seen: Observation, at: datetime) -> bool:
    return at <= seen.observed_at + timedelta(seconds=STALE_IF_ERROR_S)


class Looking:
    """The looks of one worker, shared through a cache."""

    def __init__(
        self,
        *,
        fetch: Fetch,
        cache: Cache,
        policy: Policy,
        user_agent: str,
        worker: str,
        claim_s: int,
        clock: Callable[[], datetime],
        count: Count,
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._policy = policy
        self._worker = worker
        self._claim_s = claim_s
        self._clock = clock
        self._count = count
        self._salt = hashlib.sha256(user_agent.encode()).hexdigest()[:12]

    async def recall(self, origin: Origin, documents: Sequence[Document]) -> list[Seen | None]:
        """What the shared store knows of each document of the origin, fresh or not, in their order."""
        shelf = await self._take(origin) or {}
        return [shelf.get(_place(document)) for document in documents]

    async def look(self, origin: Origin, documents: Sequence[Document], known: Sequence[Seen | None]) -> list[Seen]:
        """What is seen at each document now: what is known, where that is fresh; else one look at all the others at
        once, ours or another worker's."""
        key = self._key(origin)
        for attempt in itertools.count():
            if all(one is not None and self.fresh(one) for one in known):
                self._count("looks/cached" if attempt == 0 else "looks/shared")
                return [one for one in known if one is not None]
            if attempt > 1:
                # Somebody holds the claim and leaves nothing fresh: ask the store at a walking pace until it lapses.
                await asyncio.sleep(_PAUSE_S)
            try:
                if await self._cache.claim(key, owner=self._worker, for_s=self._claim_s):
                    return await self._claimed(origin, documents, known)
                await self._cache.wait(key, timeout_s=_WAIT_S)
            except EdgeError:
                self._count("cache/unreachable")
                return await self._ask_stale(documents, known)
            known = [new or old for new, old in zip(await self.recall(origin, documents), known, strict=True)]
        raise AssertionError("unreachable: itertools.count does not end")

    def fresh_until(self, seen: Seen) -> datetime:
        """Until when the latest look may be reused, under this policy."""
        latest = seen.latest
        return latest.observed_at + timedelta(seconds=min(latest.fresh_s, self._most_s(latest)))

    def fresh(self, seen: Seen) -> bool:
        """Whether the latest look may still be reused."""
        return self._clock() < self.fresh_until(seen)

    async def _claimed(self, origin: Origin, documents: Sequence[Document], known: Sequence[Seen | None]) -> list[Seen]:
        """Looks with the claim in hand. Another may have looked between our recall and our claim."""
        key = self._key(origin)
        try:
            held = await self._take(origin) or {}
            latest = [held.get(_place(document)) or one for document, one in zip(documents, known, strict=True)]
            seen = await self._ask_stale(documents, latest)
            # INVARIANT: what could not be read is not written over; a last good refusal may stand on it. It is read
            # again, because this worker may have looked at other documents of the origin meanwhile.
            shelf = await self._take(origin)
            if shelf is not None:
                shelf |= {_place(document): one for document, one in zip(documents, seen, strict=True)}
                await self._put(key, _encode(_bounded(shelf)))
        finally:
            await self._let_go(key)
        return seen

    async def _put(self, key: str, value: bytes) -> None:
        try:
            await self._cache.put(key, value, keep_s=STALE_IF_ERROR_S)
        except EdgeError:
            self._count("cache/unreachable")

    async def _let_go(self, key: str) -> None:
        try:
            await self._cache.release(key, owner=self._worker)
        except EdgeError:
            self._count("cache/unreachable")

    async def _ask_stale(self, documents: Sequence[Document], known: Sequence[Seen | None]) -> list[Seen]:
        """What is fresh stays; all else is asked for at once."""
        return await asyncio.gather(
            *(
                _done(one) if one is not None and self.fresh(one) else self._ask(document, one)
                for document, one in zip(documents, known, strict=True)
            ),
        )

    async def _ask(self, document: Document, known: Seen | None) -> Seen:
        good = None if known is None else known.good
        self._count("looks/asked")
        seen = await self._fetch(document, validators=() if good is None else validators(good))
        if seen.status == 304 and good is not None:
            self._count("looks/revalidated")
            seen = replace(seen, status=good.status, headers=good.headers, body=good.body, truncated=good.truncated)
        if unusable(seen):
            self._count("looks/failed")
        aged = replace(
            seen,
            fresh_s=freshness_s(seen, most_s=self._most_s(seen), outage_s=self._policy.max_age_s["outage"]),
        )
        # A door that was open and is shut now has not taken back what was said behind it.
        lost = unusable(aged) or aged.status in (401, 403)
        return Seen(aged, good if lost else None)

    def _most_s(self, seen: Observation) -> int:
        if unusable(seen):
            return MAX_AGE_S["robots.txt"]
        kind = seen.document.kind
        name = urlsplit(seen.document.url).path.rpartition("/")[2] if kind is Kind.WELL_KNOWN else kind.value
        return self._policy.max_age_s.get(name, 86_400)

    def _key(self, origin: Origin) -> str:
        return f"look:{FORMAT}:{self._salt}:{origin}"

    async def _take(self, origin: Origin) -> dict[str, Seen] | None:
        """All that the store knows of the origin's documents, by their URLs; None when the store could not be read."""
        try:
            (value,) = await self._cache.get_many([self._key(origin)])
        except EdgeError:
            self._count("cache/unreachable")
            return None
        return {} if value is None else self._decode(value)

    def _decode(self, value: bytes) -> dict[str, Seen]:
        """What can be read; the rest is a miss."""
        shelf: dict[str, Seen] = {}
        try:
            table = member_table(msgspec.json.decode(value), "shelf")
        except (WireError, msgspec.DecodeError, RecursionError):
            self._count("cache/unreadable")
            return shelf
        for url, entry in table.items():
            try:
                shelf[url] = _seen(member_table(entry, url))
            except WireError:
                self._count("cache/unreadable")
        return shelf


def _place(document: Document) -> str:
    """Where a document stands on its origin's shelf: one address may be named as several things."""
    return document.url if document.kind is Kind.WELL_KNOWN else f"{document.kind} {document.url}"


def _bounded(shelf: dict[str, Seen]) -> dict[str, Seen]:
    """The shelf with no more than the latest of the documents that others name: a site may name one for each page."""
    others = sorted(
        (place for place in shelf if " " in place), key=lambda place: shelf[place].latest.observed_at, reverse=True
    )
    size = 0
    for number, place in enumerate(others):
        size += len(shelf[place].latest.body)
        if number and (number >= MAX_NAMED_AT_AN_ORIGIN or size > MAX_NAMED_BYTES):
            del shelf[place]
    return shelf


def _seen(table: Mapping[str, object]) -> Seen:
    last = table.get("last_good")
    return Seen(
        parse_observation(table.get("latest"), kind=Kind.WELL_KNOWN),
        None if last is None else parse_observation(last, kind=Kind.WELL_KNOWN),
    )


def _encode(shelf: Mapping[str, Seen]) -> bytes:
    return canonical(
        {
            url: {
                "latest": observation_to_wire(seen.latest),
                "last_good": None if seen.last_good is None else observation_to_wire(seen.last_good),
            }
            for url, seen in shelf.items()
        },
    )


async def _done(seen: Seen) -> Seen:
    return seen
