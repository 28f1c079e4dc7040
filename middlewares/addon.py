"""The add-on: puts the two middlewares in their places and takes Scrapy's robots middleware out.

Rules:

1. RightsFetchMiddleware is the innermost: nothing stands between it and the network. RightsKeepMiddleware is the
   outermost: nothing stands between it and the spider or pipeline.
2. Scrapy's own robots middleware goes, whatever ROBOTSTXT_OBEY says: it lets pages through on first contact with a
   host, and takes every failure for a permission.
3. The crawl does not start without the address guard (see middlewares.door). Proxies from the environment are switched
   off, because behind a proxy the guard would see nothing but the proxy; a project that sets HTTPPROXY_ENABLED itself
   has its way.
"""

from __future__ import annotations

from typing import Self

from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.settings import BaseSettings

from middlewares.rights_fetch import RightsFetchMiddleware
from middlewares.rights_keep import RightsKeepMiddleware

INNERMOST = 2**31
OUTERMOST = -(2**31)


class AskFirstAddon:
    """``ADDONS = {"middlewares.AskFirstAddon": 200}``."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:  # noqa: ARG003  # Scrapy's signature
        return cls()

    def update_settings(self, settings: BaseSettings) -> None:
        """Scrapy's hook."""
        settings.set("HTTPPROXY_ENABLED", False, priority="addon")
        place = settings.set_in_component_priority_dict
        _take_out(settings)
        place("DOWNLOADER_MIDDLEWARES", RightsFetchMiddleware, INNERMOST)
        place("DOWNLOADER_MIDDLEWARES", RightsKeepMiddleware, OUTERMOST)


def _take_out(settings: BaseSettings) -> None:
    """Scrapy's robots middleware goes, under whichever key the project has it."""
    name = "DOWNLOADER_MIDDLEWARES"
    settings.set_in_component_priority_dict(name, RobotsTxtMiddleware, None)
    # By its path, as Scrapy's own list has it: older releases (2.14) join the two lists by key, and a class is another.
    listed = settings.getdict(name)
    listed[f"{RobotsTxtMiddleware.__module__}.{RobotsTxtMiddleware.__qualname__}"] = listed.pop(RobotsTxtMiddleware)
    settings.set(name, listed, settings.getpriority(name) or 0)
