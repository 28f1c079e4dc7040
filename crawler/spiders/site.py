"""The spider ``site``: follows links within the given sites, breadth first, and fetches the pictures their pages show.

``scrapy crawl site -a sites="https://a.example/ https://b.example/" [-a max_pages=1000] [-a depth=3] [-a media=false]``

1. A site is a host: ``www.`` before it makes no difference, the scheme makes none, and the port is its own (80 and 443
   are no port). Other hosts are not followed to, by link or by redirect; subdomains are other hosts.
2. ``depth`` counts links from the addresses given, which are at depth 0. ``max_pages`` counts pages that were asked
   about over the whole crawl, whatever became of them; pictures do not count.
3. Pictures that a kept page shows are fetched wherever they live, each through the gate, at the depth of their page.
   With ``media=false`` none are.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from askfirst.ports import SettingsError
from askfirst.rights import html
from askfirst.rights.model import Observation
from crawler.frontier import Row, What, proper_url
from crawler.spiders.frontier_spider import FrontierSpider, whole_number, yes_or_no

DEFAULT_MAX_PAGES = 1_000


class SiteSpider(FrontierSpider):
    """``sites`` is a list, or a text with spaces or commas between."""

    name = "site"

    def __init__(
        self,
        name: str | None = None,
        *,
        sites: str | Sequence[str] = (),
        max_pages: object = DEFAULT_MAX_PAGES,
        depth: object = None,
        media: object = True,
        **unknown: object,
    ) -> None:
        super().__init__(name, max_pages=max_pages, **unknown)
        self.max_depth = whole_number("depth", depth, least=0)
        self.media = yes_or_no("media", media)
        self.sites = _addresses(sites)
        self._within = frozenset(site_of(url) for url in self.sites)

    def seed(self) -> None:
        self.frontier.add(self.sites)

    def found(self, row: Row, seen: Observation, links: tuple[str, ...]) -> None:
        if row.what is not What.PAGE:
            return
        inside = self._inside(links)
        images = html.elements(seen).images
        # A picture that is linked to is fetched for the link, and the page's word on it still has to come first.
        self.frontier.add_images(images if self.media else [image for image in images if image in inside], row)
        self.found_links(row, tuple(inside))

    def found_links(self, row: Row, links: tuple[str, ...]) -> None:
        if row.what is What.PAGE:
            self.frontier.add(self._inside(links), depth=row.depth + 1)

    def may_lead_to(self, row: Row, target: str) -> bool:
        return row.what is What.IMAGE or site_of(target) in self._within

    def _inside(self, links: Sequence[str]) -> dict[str, None]:
        return {link: None for link in links if site_of(link) in self._within}


def site_of(url: str) -> tuple[str, int | None] | None:
    """What the pages of one site have in common; None for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    return (host, None if port in (None, 80, 443) else port) if host else None


def _addresses(sites: str | Sequence[str]) -> list[str]:
    listed = sites.replace(",", " ").split() if isinstance(sites, str) else list(sites)
    if not listed:
        raise SettingsError("sites: none given; write sites='https://example.org/ https://example.net/'")
    proper = []
    for site in listed:
        url = proper_url(site if "://" in site else f"https://{site}")
        if url is None:
            raise SettingsError(f"sites: {site!r} is no http or https address; write it like https://example.org/")
        proper.append(url if urlsplit(url).path else f"{url}/")
    return proper
