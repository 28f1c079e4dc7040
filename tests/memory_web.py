"""A web in memory: origins, outages and registries behind the gate's ports, with every look counted.

The gate, the law and the memory cache are the real ones; only the wire is not there.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from askfirst.edges.cache_memory import MemoryCache
from askfirst.gate import Gate
from askfirst.ports import Cache, EdgeError, Inspect
from askfirst.recording import Recording
from askfirst.replay import sees_nothing
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Outage, Purpose
from askfirst.rights.policy import OPT_OUT, Policy

AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0 (+https://ex.example/bot)")
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


Answer = Callable[[Document, Sequence[tuple[str, str]]], Observation]


class MemoryWeb:
    """Satisfies ports.Fetch. What is not published is a 404."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.looks: Counter[str] = Counter()
        self.hold: asyncio.Event | None = None
        self._answers: dict[str, Answer] = {}

    def publish(
        self,
        url: str,
        body: str | bytes = b"",
        *,
        status: int | None = 200,
        headers: Mapping[str, str] | None = None,
        outage: Outage | None = None,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        fields = tuple((headers or {}).items())

        def answer(document: Document, validators: Sequence[tuple[str, str]]) -> Observation:
            etag = (headers or {}).get("ETag")
            unchanged = etag is not None and ("If-None-Match", etag) in validators
            return Observation(
                document=document,
                status=304 if unchanged else status,
                headers=fields,
                body=b"" if unchanged else data,
                outage=outage,
                observed_at=self.clock(),
            )

        self._answers[url] = answer

    async def __call__(self, document: Document, *, validators: Sequence[tuple[str, str]] = ()) -> Observation:
        self.looks[document.url] += 1
        if self.hold is not None:
            await self.hold.wait()
        if document.url not in self._answers:
            self.publish(document.url, status=404)
        return self._answers[document.url](document, validators)

    async def close(self) -> None:
        """Nothing to close."""


class MemoryRegistry:
    """Satisfies ports.Registry: the same records for every URL, or an outage."""

    def __init__(self, clock: Clock, records: Sequence[Mapping[str, object]] = (), name: str = "memory") -> None:
        self.clock = clock
        self.name = name
        self.records = list(records)
        self.away = False
        self.looks: Counter[str] = Counter()

    async def look_up(self, urls: Sequence[str]) -> Mapping[str, Observation]:
        return {url: self._answer(url) for url in urls}

    def _answer(self, url: str) -> Observation:
        self.looks[url] += 1
        return Observation(
            document=Document(kind=Kind.REGISTRY, url=f"registry:{self.name}?url={url}"),
            status=None if self.away else 200,
            body=b"" if self.away else msgspec.json.encode({"records": self.records}),
            outage=Outage.REFUSED if self.away else None,
            observed_at=self.clock(),
            fresh_s=60,
        )

    async def close(self) -> None:
        """Nothing to close."""


class Record:
    """Satisfies EvidenceStore and DecisionLog; can be made unwritable, and keeps the order of what was written."""

    def __init__(self) -> None:
        self.evidence: list[Observation] = []
        self.lines: list[bytes] = []
        self.full = False

    def keep(self, observation: Observation) -> None:
        self._check()
        self.evidence.append(observation)

    def append(self, line: bytes) -> None:
        self._check()
        self.lines.append(line)

    def note_item(self, line: bytes) -> None:
        """Nothing vouches for it."""

    def before_checkpoint(self, sync: Callable[[], None]) -> None:
        """There are none."""

    def _check(self) -> None:
        if self.full:
            raise EdgeError("record: no space left on device; free some")

    def close(self) -> None:
        """Nothing to end."""


_workers = itertools.count()


class Lab:
    """One gate over a web in memory."""

    def __init__(self, policy: Policy = OPT_OUT, *, cache: Cache | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.web = MemoryWeb(self.clock)
        self.record = Record()
        self.registry = MemoryRegistry(self.clock)
        self.counts: Counter[str] = Counter()
        self.policy = policy
        self.cache = cache or MemoryCache(clock=lambda: self.clock().timestamp())
        self.gate = self.new_gate()

    def new_gate(
        self,
        *,
        web: MemoryWeb | None = None,
        registry: bool = False,
        registries: Sequence[MemoryRegistry] = (),
        inspect: Inspect = sees_nothing,
    ) -> Gate:
        """A gate as another worker would have it, sharing the cache."""

        def count(name: str) -> None:
            self.counts[name] += 1

        return Gate(
            agent=AGENT,
            policy=self.policy,
            fetch=web or self.web,
            cache=self.cache,
            record=Recording(self.record, self.record),
            registries=[self.registry] if registry else list(registries),
            inspect=inspect,
            worker=f"worker-{next(_workers)}",
            clock=self.clock,
            count=count,
        )


def intent(url: str, purpose: Purpose = Purpose.TRAIN, media: str | None = None) -> Intent:
    return Intent(url=url, agent=AGENT, purpose=purpose, media=media)


def response(
    lab: Lab, url: str, body: str | bytes = b"", *, status: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=url),
        status=status,
        headers=tuple(headers),
        body=body.encode() if isinstance(body, str) else body,
        observed_at=lab.clock(),
    )
