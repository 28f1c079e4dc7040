"""The spider ``urls``: fetches the addresses of a list: a text, CSV or Parquet file, or a sitemap.

``scrapy crawl urls -a source=FILE_OR_SITEMAP_URL [-a column=url] [-a max_pages=1000]``

It follows no links and fetches no pictures that are not on the list. How lists are read: :mod:`crawler.url_lists`.

1. The list is read as the crawl goes, a batch at a time, and where it was read to is noted with each batch.
2. A sitemap at a URL is requested like anything else, through the gate. It is used and not kept.
3. A sitemap that silence alone refused still leads to what it names. Whether that is a sitemap is told by its name then
   (``….xml``, ``….xml.gz``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from askfirst.ports import SettingsError
from askfirst.rights.model import Observation
from crawler.frontier import Row, What
from crawler.spiders.frontier_spider import FrontierSpider
from crawler.url_lists import Entry, UrlList, is_sitemap_name, sitemap_entries

BATCH = 1_000
MAX_SITEMAP_DEPTH = 5


class UrlsSpider(FrontierSpider):
    """``source`` is a path or the URL of a sitemap."""

    name = "urls"

    def __init__(
        self,
        name: str | None = None,
        *,
        source: object = None,
        column: str | None = None,
        max_pages: object = None,
        **unknown: object,
    ) -> None:
        super().__init__(name, max_pages=max_pages, **unknown)
        if source is None or not str(source).strip():
            raise SettingsError("source: none given; write source=urls.txt, or the URL of a sitemap")
        self.source = str(source).strip()
        remote = self.source.startswith(("http://", "https://"))
        self._list = None if remote else UrlList.open(self.source, column=column)
        self._entries: Iterator[Entry] = iter(())
        self._read = 0

    def seed(self) -> None:
        if self._list is None:
            if self.frontier.add([self.source], what=What.SITEMAP):
                raise SettingsError(f"source: {self.source!r} is no http or https address")
            return
        same = self.frontier.note("source") == self._list.version
        self._read = int(self.frontier.note("source_read") or 0) if same else 0
        with self.frontier.together():
            self.frontier.set_note("source", self._list.version)
            self.frontier.set_note("source_read", str(self._read))
        self._entries = islice(self._list.entries(), self._read, None)

    def fill(self) -> None:
        if self._list is None or self.frontier.waiting(BATCH) > BATCH // 2:
            return
        while batch := list(islice(self._entries, BATCH)):
            with self.frontier.together():
                invalid = self._add(batch, depth=0)
                self._read += len(batch)
                self.frontier.set_note("source_read", str(self._read))
            if invalid:
                self.logger.warning(
                    "%s: %d of entries %d to %d are no http or https addresses, and were passed over",
                    self.source,
                    invalid,
                    self._read - len(batch) + 1,
                    self._read,
                )
            if self.frontier.waiting(BATCH) > BATCH // 2:
                return

    def found(self, row: Row, seen: Observation, links: tuple[str, ...]) -> None:
        del links
        if row.what is What.SITEMAP:
            entries = sitemap_entries(seen.body)
            if entries is None:
                self.logger.warning("%s: is no sitemap", row.url)
            else:
                self._add_from_sitemap(row, entries)

    def found_links(self, row: Row, links: tuple[str, ...]) -> None:
        if row.what is What.SITEMAP:
            self._add_from_sitemap(row, [Entry(url, is_sitemap=is_sitemap_name(urlsplit(url).path)) for url in links])

    def _add_from_sitemap(self, row: Row, entries: list[Entry]) -> None:
        if row.depth >= MAX_SITEMAP_DEPTH:
            entries = [entry for entry in entries if not entry.is_sitemap]
        invalid = self._add(entries, depth=row.depth + 1)
        if invalid:
            self.logger.warning("%s: %d entries are no http or https addresses", row.url, invalid)

    def _add(self, entries: list[Entry], *, depth: int) -> int:
        pages = [entry.url for entry in entries if not entry.is_sitemap]
        sitemaps = [entry.url for entry in entries if entry.is_sitemap]
        return self.frontier.add(pages, depth=depth) + self.frontier.add(sitemaps, what=What.SITEMAP, depth=depth)
