"""What a warm decision before a fetch costs per request, beside Scrapy's own robots middleware.

Both are asked as Scrapy asks them: ``process_request`` of the middleware in a running crawl, after that crawl has
fetched a page and so knows the origin's robots.txt by its own code. The URLs are many and allowed; each Request is new
and its URL parsed before, as the scheduler leaves it.

The record is put aside (``NoRecord``), the line of the log included, as Scrapy's middleware keeps none. What the record
costs is told by bench.audit, and in whole crawls by bench.crawl.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Response
from scrapy.utils.httpobj import urlparse_cached
from twisted.python.failure import Failure

from askfirst.wiring import open_gate
from bench import servers
from bench.robots import robots_file
from bench.rounds import Row, at_most, in_shuffled_rounds, median_ratio, say
from middlewares import RightsFetchMiddleware
from middlewares.door import Door

BOUNDS = {50: 1.5, 2_000: 0.3}
REQUESTS = 1_000
HOST = "127.0.1.1"

SETTINGS: dict[str, Any] = {
    "USER_AGENT": "BenchBot/1.0 (+https://bench.example/bot)",
    "LOG_LEVEL": "WARNING",
    "TELNETCONSOLE_ENABLED": False,
    # the process has one resolver, so that all of them connect through the guard
    "TWISTED_DNS_RESOLVER": "middlewares.GuardedResolver",
    "ASKFIRST_ALLOW_PRIVATE": "127.0.0.0/8",
}
OBEYING: dict[str, Any] = {**SETTINGS, "ROBOTSTXT_OBEY": True}
ASKING: dict[str, Any] = {
    **SETTINGS,
    "ADDONS": {"middlewares.AskFirstAddon": 200},
    "ASKFIRST_POLICY": "opt-out",
}


@runtime_checkable
class Asks(Protocol):
    """A downloader middleware."""

    def process_request(self, request: Request) -> Coroutine[Any, Any, None]: ...


@dataclass(slots=True)
class Meeting:
    """Where the crawls of one size wait for one another; the last one that arrives measures, and then all go home."""

    rounds: int
    asked: dict[str, Asks] = field(default_factory=dict)
    found: dict[str, list[float]] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def attend(self, name: str, middleware: Asks, site: str) -> None:
        self.asked[name] = middleware
        if len(self.asked) < len(CONTESTANTS):
            await self.over.wait()
            return
        tasks = {name: partial(us_per_request, asked, site) for name, asked in self.asked.items()}
        in_shuffled_rounds(tasks, 1)
        self.found = in_shuffled_rounds(tasks, self.rounds)


def us_per_request(middleware: Asks, site: str) -> float:
    """One timing over new requests; raises what the middleware raises for a URL that is refused."""
    requests = [Request(f"{site}/page/{n}/item-{n * 7}.html", meta={"depth": 1}) for n in range(REQUESTS)]
    for request in requests:
        urlparse_cached(request)
    ask = middleware.process_request
    began = perf_counter()
    for request in requests:
        _run(ask(request))
    return (perf_counter() - began) / REQUESTS * 1e6


def _run(answer: Coroutine[Any, Any, None]) -> None:
    """A warm answer waits for nothing, so that it needs no loop."""
    try:
        answer.send(None)
    except StopIteration:
        return
    raise AssertionError("a warm decision had to wait")


# -- the contestants, each in a crawl of its own ----------------------------------------------------------------------


async def _theirs(crawler: Crawler, site: str) -> Asks:  # noqa: ARG001 - both have one shape
    return _placed(crawler, RobotsTxtMiddleware)


async def _bare(crawler: Crawler, site: str) -> Asks:
    """The same middleware before a gate that writes nothing, and that has looked for itself."""
    door = Door.of(crawler)
    await door.gate.close()
    door.gate = open_gate(replace(door.settings, out=None, cache="memory:"))
    middleware = _placed(crawler, RightsFetchMiddleware)
    await middleware.process_request(Request(f"{site}/"))
    return middleware


def _placed(crawler: Crawler, of: type[Asks]) -> Asks:
    middleware = crawler.get_downloader_middleware(of)
    assert isinstance(middleware, of)
    return middleware


CONTESTANTS: Mapping[str, tuple[Callable[[Crawler, str], Awaitable[Asks]], dict[str, Any]]] = {
    "scrapy": (_theirs, OBEYING),
    "bare": (_bare, ASKING),
}


class Warming(Spider):
    """Fetches one page, and stays until everything is measured."""

    name = "warming"

    def __init__(self, site: str, contestant: str, meeting: Meeting) -> None:
        super().__init__()
        self.site = site
        self.contestant = contestant
        self.meeting = meeting

    async def start(self) -> AsyncIterator[Any]:
        yield Request(f"{self.site}/page/0.html", callback=self.stay, errback=self.leave)

    def leave(self, failure: Failure) -> None:
        """Nobody waits for a crawl that did not get its page."""
        self.logger.error("%s", failure.getErrorMessage())
        self.meeting.over.set()

    async def stay(self, response: Response) -> None:
        assert response.status == 200
        warm, _ = CONTESTANTS[self.contestant]
        try:
            await self.meeting.attend(self.contestant, await warm(self.crawler, self.site), self.site)
        finally:
            self.meeting.over.set()


def measure(rounds: int = 15) -> list[Row]:
    """The rows of the warm decision."""
    meetings = {rules: Meeting(rounds) for rules in BOUNDS}
    process = AsyncCrawlerProcess(SETTINGS)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for rules, meeting in meetings.items():
            say(f"decision: {REQUESTS} requests at {rules} rules, {rounds} rounds")
            answers = {"/robots.txt": (robots_file(rules).decode(), 0.0), "/page/0.html": ("<title>warm</title>", 0.0)}
            site = f"http://{HOST}:{stack.enter_context(servers.origin([HOST], answers))}"
            for name, (_, settings) in CONTESTANTS.items():
                out = {"ASKFIRST_OUT": str(folder / f"{rules}-{name}")}
                crawler = Crawler(Warming, {**settings, **out})
                process.crawl(crawler, site=site, contestant=name, meeting=meeting)
        process.start()
    return [row for rules, meeting in meetings.items() for row in _rows(rules, meeting.found)]


def _rows(rules: int, found: Mapping[str, Sequence[float]]) -> list[Row]:
    if not found:
        raise AssertionError(f"a crawl of the contest at {rules} rules did not get its page")
    us = {name: f"{median(times):.1f} us" for name, times in found.items()}
    return [
        at_most(
            f"warm decision before a fetch, {rules} rules",
            median_ratio(found["bare"], found["scrapy"]),
            BOUNDS[rules],
            ours=us["bare"],
            theirs=us["scrapy"],
        ),
    ]
