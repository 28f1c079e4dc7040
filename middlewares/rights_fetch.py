"""Asks before every request, innermost of the downloader middlewares: what it lets through goes to the network.

It covers pages, sitemaps, media and redirect hops alike, because every one of them is a request of its own here.

Rules:

1. ALLOW passes; REFUSE raises Refused; DEFER waits, asks again within the run, and is then raised as Refused too.
2. A header that already refuses stops the body.
3. The status and headers of every answer are kept as they came, before other middlewares touch them.
"""

from __future__ import annotations

import asyncio
from typing import Self
from urllib.parse import urldefrag, urljoin

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider, StopDownload
from scrapy.http import Headers, Request, Response
from scrapy.http.request import NO_CALLBACK
from w3lib.url import safe_url_string

from askfirst.rights.model import Decision, Verdict
from askfirst.rights.origins import UrlError
from middlewares.door import META, Door, Head, Passage, Refused, Unanswerable, fields_of, head_of


class RightsFetchMiddleware:
    """``process_request`` asks; ``process_response`` keeps what the answer's head said."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._door = Door.of(crawler)
        self._waiting: set[asyncio.Task[None]] = set()
        # as Scrapy writes names
        self._telling = frozenset(name.title().encode("ascii") for name in self._door.gate.head_fields)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        middleware = cls(crawler)
        crawler.signals.connect(middleware.stop_body, signal=signals.headers_received)
        crawler.signals.connect(middleware.stay_open, signal=signals.spider_idle)
        crawler.signals.connect(middleware.stop_waiting, signal=signals.spider_closed)
        return middleware

    async def process_request(self, request: Request) -> None:
        """Scrapy's hook; raises Refused."""
        url = request.url
        if not url.startswith(("http://", "https://")):
            if url.startswith("data:"):
                return
            raise Unanswerable(f"{url[:100]} is not http or https: nobody can be asked about it")
        if self._door.shut is not None:
            raise Unanswerable(self._door.shut)
        passage = _passage(request)
        intent = self._door.intent(url)
        gate = self._door.gate
        try:
            decision = await gate.before_fetch(intent)
        except UrlError as error:
            raise Unanswerable(f"{str(error)[:200]}: nobody can be asked about it") from None
        if decision.ruling.verdict is Verdict.DEFER:
            decision = await self._later(request, passage, decision)
        passage.decision = decision
        self._door.tell(decision)
        if decision.ruling.verdict is not Verdict.ALLOW:
            raise Refused(decision)

    def process_response(self, request: Request, response: Response) -> Response:
        """Scrapy's hook."""
        passage = request.meta.get(META)
        if isinstance(passage, Passage):
            passage.head = head_of(self._door, response)
            passage.leads_to = _leads_to(response)
        return response

    def stop_body(self, headers: Headers, request: Request) -> None:
        """On ``headers_received``: a body that the head already refuses is not downloaded."""
        passage = request.meta.get(META)
        if not isinstance(passage, Passage) or (self._telling.isdisjoint(headers) and not passage.hops):
            return
        head = Head(request.url, 200, fields_of(headers), self._door.gate.now()).seen()
        if self._door.gate.refused_by_head(self._door.intent(request.url), head, passage.hops):
            raise StopDownload(fail=False)

    # -- DEFER ---------------------------------------------------------------------------------------------------

    async def _later(self, request: Request, passage: Passage, decision: Decision) -> Decision:
        """The decision after waiting here (somebody awaits this very request), or Refused after having put the
        request back for later (so that it holds no slot while it waits)."""
        gate = self._door.gate
        while decision.ruling.verdict is Verdict.DEFER and passage.tries < self._door.defer_tries:
            passage.tries += 1
            self._door.tell(decision)
            wait_s = self._door.wait_s(request.url)
            if _waits_for_callback(request):
                self._put_back(request, wait_s)
                raise Refused(decision)
            await asyncio.sleep(wait_s)
            decision = await gate.before_fetch(self._door.intent(request.url))
        return decision

    def _put_back(self, request: Request, wait_s: float) -> None:
        again = request.replace(dont_filter=True)
        # Whoever asked is answered by the request that goes on, once.
        request.errback = None
        task = asyncio.get_running_loop().create_task(self._crawl_later(again, wait_s))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _crawl_later(self, request: Request, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        engine = self._crawler.engine
        if engine.spider is not None:
            engine.crawl(request)

    def stay_open(self, spider: Spider) -> None:  # noqa: ARG002  # Scrapy's signature
        """On ``spider_idle``: the spider stays while something waits to be asked again."""
        if self._waiting:
            raise DontCloseSpider

    def stop_waiting(self) -> None:
        """On ``spider_closed``."""
        for task in self._waiting:
            task.cancel()


def _waits_for_callback(request: Request) -> bool:
    """Whether the answer goes to a callback, and not to somebody who awaits it: a pipeline, or a caller of
    ``engine.download_async``. A request without callback is the spider's own if it came out of its start or its
    callbacks; where that cannot be told, it is awaited."""
    if request.callback is NO_CALLBACK:
        return False
    return request.callback is not None or "is_start_request" in request.meta or "depth" in request.meta


def _passage(request: Request) -> Passage:
    """A passage for this request. What asks for the same URL again goes on where it was, and what follows a redirect
    inherits the hops; a request that merely copied the meta of another starts anew."""
    before = request.meta.get(META)
    passage = Passage(request.url)
    if isinstance(before, Passage):
        if before.head is not None and _follows(request, before):
            passage.hops = (*before.hops, before.head.seen())
        elif before.url == request.url:
            passage.tries, passage.hops = before.tries, before.hops
    request.meta[META] = passage
    return passage


def _follows(request: Request, before: Passage) -> bool:
    """Whether the request is the one that a redirect answer led to. Scrapy reads a Location that is spelled badly in a
    way of its own, and says in the meta what it followed."""
    if before.leads_to is None:
        return False
    went_through = request.meta.get("redirect_urls")
    return before.leads_to == urldefrag(request.url)[0] or bool(went_through and went_through[-1] == before.url)


def _leads_to(response: Response) -> str | None:
    if not 300 <= response.status < 400:
        return None
    location = response.headers.get("Location")
    if location is None:
        return None
    try:
        # Without the fragment, which the request that follows may have from the one before (RFC 9110 section 10.2.2).
        return urldefrag(safe_url_string(urljoin(response.url, safe_url_string(location))))[0]
    except ValueError:  # no URL: nothing can follow it
        return None
