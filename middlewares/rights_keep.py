"""Decides about every response before a spider or a pipeline sees it, outermost of the downloader middlewares.

It judges what arrives, however it got there: from the network, from a cache, or from another middleware. Status and
headers are those that came from the network, where the response came from there.

Rules:

1. What is not allowed raises Refused; it reaches no callback and no pipeline, and is not retried.
2. What could not be decided about waits here and is asked about again, without another request.
3. A page that is refused by silence alone still names its links, in ``Refused.links``: following links is looking, and
   an opt-in crawl has to look to find a permission.
"""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from typing import Self

from lxml.etree import LxmlError
from scrapy.crawler import Crawler
from scrapy.http import Request, Response
from scrapy.utils.sitemap import Sitemap

from askfirst.rights import html
from askfirst.rights.model import Decision, Observation, Verdict
from middlewares.door import META, Door, Passage, Refused, head_of

logger = logging.getLogger("askfirst")

MAX_SITEMAP_BYTES = 64 * 1024 * 1024
_GZIP = 31
_SITEMAP = re.compile(rb"<(?:\w+:)?(?:urlset|sitemapindex)\b")


class RightsKeepMiddleware:
    """``process_response`` decides."""

    def __init__(self, crawler: Crawler) -> None:
        self._door = Door.of(crawler)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Response:
        """Scrapy's hook; raises Refused."""
        if not response.url.startswith(("http://", "https://")):
            return response
        passage = request.meta.get(META)
        if isinstance(passage, Passage) and passage.url != request.url:
            passage = None  # of the request whose meta this one copied; a cache answered before it was asked about
        head = passage.head if isinstance(passage, Passage) else None
        if head is None or head.url != response.url:
            head = head_of(self._door, response)
        seen = head.seen(response.body, truncated="download_stopped" in response.flags)
        hops = passage.hops if isinstance(passage, Passage) else ()
        asked = passage.decision.intent if isinstance(passage, Passage) and passage.decision is not None else None
        intent = asked if asked is not None and asked.url == response.url else self._door.intent(response.url)
        decision = await self._door.gate.before_keep(intent, seen, hops)
        for _ in range(self._door.defer_tries):
            if decision.ruling.verdict is not Verdict.DEFER:
                break
            self._door.tell(decision)
            await asyncio.sleep(self._door.wait_s(response.url))
            decision = await self._door.gate.before_keep(intent, seen, hops)
        self._door.tell(decision)
        if decision.ruling.verdict is not Verdict.ALLOW:
            raise Refused(decision, _links(decision, seen))
        if isinstance(passage, Passage):
            passage.decision = decision
        return response


def _links(decision: Decision, seen: Observation) -> tuple[str, ...]:
    if decision.ruling.because or decision.ruling.verdict is not Verdict.REFUSE:
        return ()
    return _sitemap_links(seen.body) or html.elements(seen).links


def _sitemap_links(body: bytes) -> tuple[str, ...]:
    """The addresses in a sitemap or a sitemap index, packed or not; none for anything else."""
    try:
        text = zlib.decompressobj(_GZIP).decompress(body, MAX_SITEMAP_BYTES) if body[:2] == b"\x1f\x8b" else body
        if _SITEMAP.search(text, 0, 4096) is None:
            return ()
        return tuple(entry["loc"] for entry in Sitemap(text) if "loc" in entry)
    except (zlib.error, StopIteration, LxmlError) as error:
        logger.debug("a sitemap cannot be read: %s", error)
        return ()
