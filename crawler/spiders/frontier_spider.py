"""A spider that is fed from the frontier and answers to it: one row taken, one request, one outcome.

It holds what the spiders ``site`` and ``urls`` share. The gate's middlewares decide; this records what became of a row.

1. At most ``IN_FLIGHT`` rows are under way, so that memory is bounded whatever the size of the crawl.
2. INVARIANT: what a page leads to is in the frontier before the page's item is written, and the item is written before
   the row is done. A crawl that is killed anywhere between does the page again.
3. A DEFER that is left stays for the next run. A page that was kept once and is refused now is withdrawn.
4. Links of a page that silence alone refused are followed: following is looking, and looking may find a permission.
   house: links marked ``rel=nofollow`` are not followed, and no other word of a page is read for that.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider, IgnoreRequest
from scrapy.http import Request, Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from askfirst.items import read_items
from askfirst.ports import SettingsError
from askfirst.rights import html
from askfirst.rights.model import Decision, Observation, Stage, Verdict
from crawler.dataset import DatasetPipeline, Kept
from crawler.frontier import Frontier, Outcome, Row, What
from middlewares.door import META, Passage, Refused, Unanswerable, settings_of

ROW = "askfirst_row"
IN_FLIGHT = 200


class LeadsElsewhere(IgnoreRequest):
    """A redirect that is not followed."""


class FrontierSpider(Spider):
    """``max_pages`` counts the pages of the whole crawl, over all its runs; None for no limit."""

    frontier: Frontier

    def __init__(self, name: str | None = None, *, max_pages: object = None, **unknown: object) -> None:
        if unknown:
            raise SettingsError(f"spider {self.name}: no argument {min(unknown)!r}; see docs for those it takes")
        super().__init__(name)
        self.max_pages = whole_number("max_pages", max_pages, least=1)
        self.max_depth: int | None = None
        self._in_flight: set[int] = set()
        self._closing = False

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Scrapy's hook. Raises SettingsError."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        out = settings_of(crawler.settings).out
        assert out is not None
        spider.frontier = Frontier(out)
        try:
            told = settings_of(crawler.settings)
            policy = told.chosen_policy
            spider.frontier.belong_to(
                f"spider {spider.name}, purpose {told.purpose}, policy {policy.name} ({policy.digest[:15]})"
            )
            if spider.frontier.resumed:
                spider.frontier.take_up((item.url, item.final_url) for item in read_items(out))
                spider.logger.info("going on in %s: %d addresses are waiting", out, spider.frontier.waiting())
            spider.seed()
        except BaseException:
            spider.frontier.close()
            raise
        crawler.signals.connect(spider.item_written, signal=signals.item_scraped)
        crawler.signals.connect(spider.item_lost, signal=signals.item_dropped)
        crawler.signals.connect(spider.item_lost, signal=signals.item_error)
        crawler.signals.connect(spider.idle, signal=signals.spider_idle)
        crawler.signals.connect(spider.ended, signal=signals.spider_closed)
        return spider

    # -- what a kind of crawl adds ----------------------------------------------------------------------------------

    def seed(self) -> None:
        """Puts the first addresses into the frontier."""
        raise NotImplementedError

    def fill(self) -> None:
        """Puts more addresses into the frontier, when few are left."""

    def found(self, row: Row, seen: Observation, links: tuple[str, ...]) -> None:
        """A page is to be kept: puts into the frontier what it leads to."""

    def found_links(self, row: Row, links: tuple[str, ...]) -> None:
        """A page is refused by silence alone: puts into the frontier what it leads to."""

    def may_lead_to(self, row: Row, target: str) -> bool:  # noqa: ARG002 - a hook
        """Whether a redirect of this row to the target may be followed."""
        return True

    # -- feeding ----------------------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Any]:
        """Scrapy's hook."""
        for request in self._next():
            yield request

    def _next(self) -> Iterator[Request]:
        if self._closing:
            return
        room = IN_FLIGHT - len(self._in_flight)
        try:
            self.fill()
            rows = self.frontier.take(room, max_pages=self.max_pages, max_depth=self.max_depth)
        except sqlite3.Error as error:
            self._frontier_lost(error)
            return
        self._in_flight.update(row.id for row in rows)
        for row in rows:
            yield Request(row.url, callback=self.received, errback=self.failed, dont_filter=True, meta={ROW: row})

    def _feed(self) -> bool:
        if len(self._in_flight) > IN_FLIGHT // 2:
            return False
        requests = list(self._next())
        for request in requests:
            self.crawler.engine.crawl(request)
        return bool(requests)

    def idle(self) -> None:
        """On ``spider_idle``."""
        if self._feed():
            raise DontCloseSpider

    def ended(self) -> None:
        """On ``spider_closed``."""
        self._closing = True
        self.frontier.close()

    def stop(self, reason: str) -> None:
        """Ends the crawl; what is not done stays for the next run."""
        if not self._closing:
            self._closing = True
            self._stopping = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=reason))

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def received(self, response: Response) -> Iterator[Kept]:
        """Scrapy's callback: the response may be kept."""
        row: Row = response.meta[ROW]
        passage = response.meta.get(META)
        decision = passage.decision if isinstance(passage, Passage) else None
        head = passage.head if isinstance(passage, Passage) else None
        # INVARIANT: what is kept was decided about, as what it is and at this stage
        if decision is None or head is None or (decision.stage, decision.intent.url) != (Stage.KEEP, response.url):
            self.logger.error("%s: no decision about keeping came with the response; it is not kept", row.url)
            self._settle(row, Outcome.DEFERRED, "nothing was decided about it")
            return
        broken = {"download_stopped", "partial", "dataloss"} & set(response.flags)
        if broken:
            self._settle(row, Outcome.FAILED, f"cut short ({min(broken)})")
            return
        seen = head._replace(url=response.url, status=response.status).seen(response.body)
        self.found(row, seen, html.elements(seen).links)
        if row.what is What.SITEMAP:
            self._settle(row, Outcome.READ)
        else:
            yield Kept(url=row.url, seen=seen, decision=decision)

    def failed(self, failure: Failure) -> None:
        """Scrapy's errback: it was refused, or did not come."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy adds it
        row: Row = request.meta[ROW]
        error = failure.value
        if isinstance(error, Refused):
            self._refused(row, error, request.meta.get(META))
        elif isinstance(error, Unanswerable):
            # nobody was asked, so nothing is final
            self._settle(row, Outcome.DEFERRED, str(error)[:500])
        elif isinstance(error, HttpError):
            self._settle(row, Outcome.FAILED, f"status {error.response.status}")
        elif isinstance(error, LeadsElsewhere):
            self.logger.info("%s", error)
            self._settle(row, Outcome.ELSEWHERE, str(error))
        else:
            self.logger.info("%s did not come: %s", row.url, failure.getErrorMessage())
            self._settle(row, Outcome.FAILED, failure.getErrorMessage()[:500])

    def _refused(self, row: Row, refused: Refused, passage: object) -> None:
        decision = refused.decision
        if decision.verdict is Verdict.DEFER:
            self._settle(row, Outcome.DEFERRED, str(refused)[:500])
            if any(signal.protocol == "record" for signal in decision.because):
                self.logger.error("%s", decision.because[0].evidence.text)
                self.stop("record unwritable")
            return
        head = passage.head if isinstance(passage, Passage) else None
        answered = head is not None and 200 <= head.status < 300
        silent = not decision.because and answered
        if silent:
            self.found_links(row, refused.links)
        if row.was_kept and not self._withdraw(row, decision):
            return
        self._settle(row, Outcome.SILENT if silent else Outcome.REFUSED, str(refused)[:500])

    def _withdraw(self, row: Row, decision: Decision) -> bool:
        dataset = self.crawler.get_item_pipeline(DatasetPipeline)
        return dataset is None or dataset.withdraw(row.url, decision)

    def _settle(self, row: Row, outcome: Outcome, reason: str | None = None) -> None:
        try:
            self.frontier.settle(row, outcome, reason)
        except sqlite3.Error as error:
            self._frontier_lost(error)
            return
        stats = self.crawler.stats
        assert stats is not None
        stats.inc_value(f"askfirst/frontier/{outcome}")
        self._in_flight.discard(row.id)
        self._feed()

    def _frontier_lost(self, error: sqlite3.Error) -> None:
        if not self._closing:
            self.logger.error("cannot write the frontier: %s; the crawl stops here, start it again to go on", error)
            self.stop("frontier unwritable")

    def item_written(self, response: Response) -> None:
        """On ``item_scraped``."""
        row = response.meta.get(ROW)
        if isinstance(row, Row):
            self._settle(row, Outcome.KEPT)

    def item_lost(self, response: Response) -> None:
        """On ``item_dropped`` and ``item_error``."""
        # The row stays taken: the next run does it again.
        row = response.meta.get(ROW)
        if isinstance(row, Row):
            self._in_flight.discard(row.id)


# -- arguments: texts from a command line, or values from a program ---------------------------------------------------


def whole_number(name: str, value: object, *, least: int) -> int | None:
    """The number, or None where none is given. Raises SettingsError."""
    if value is None or value == "":
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise SettingsError(f"{name}: {value!r} is no whole number from {least} upward; write {name}=100")
    return number


def yes_or_no(name: str, value: object) -> bool:
    """Raises SettingsError."""
    known = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    answer = known.get(str(value).strip().lower())
    if answer is None:
        raise SettingsError(f"{name}: {value!r} is neither true nor false; write {name}=true or {name}=false")
    return answer
