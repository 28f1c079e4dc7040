"""Redirect targets of what the frontier handed out: followed, or left to the row that answers for them.

Every hop is a request of its own and passes the rights gate; this only keeps a crawl on its sites, and from fetching a
URL twice. Requests that do not come from the frontier pass.
"""

from __future__ import annotations

from typing import Self

from scrapy.crawler import Crawler
from scrapy.http import Request

from crawler.spiders.frontier_spider import ROW, FrontierSpider, LeadsElsewhere


class RedirectTargets:
    """``process_request`` raises LeadsElsewhere."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Scrapy's hook."""
        row, spider = request.meta.get(ROW), self._crawler.spider
        if row is None or "redirect_urls" not in request.meta or not isinstance(spider, FrontierSpider):
            return
        if not spider.may_lead_to(row, request.url):
            raise LeadsElsewhere(f"{row.url} leads to {request.url}, which is not one of this crawl's sites")
        if not spider.frontier.redirect(row, request.url):
            raise LeadsElsewhere(f"{row.url} leads to {request.url}, which has its own place in this crawl")
