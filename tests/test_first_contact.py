"""First contact: many requests to one host before anything is known of it.

Scrapy's own robots middleware lets most of them through (2.14 to 2.19 at least: the waiters behind the first get no
rules). Here none arrives, however many workers meet the host at once, and each well-known document is asked for once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.loopback_site import LOOKED_AT, Reply, Site
from tests.redis_server import Server
from tests.scrapy_crawl import Crawled, check_record, crawl

pytestmark = pytest.mark.crawl

REQUESTS = 20
WORKERS = 3
SLOW_S = 1.0


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as found:
        found.robots("slow.test", "User-agent: *\nDisallow: /\n", after_s=SLOW_S)
        yield found


def first_requests(site: Site) -> list[str]:
    """Twenty pages of one host, all of them there and all of them disallowed."""
    return [site.publish("slow.test", f"/{number}") for number in range(REQUESTS)]


def all_refused(crawled: Crawled) -> None:
    assert crawled.kept == []
    told = [(f.verdict, f.stage, f.because) for f in crawled.failed]
    assert told == [("refuse", "fetch", ("robots.txt",))] * REQUESTS


async def test_of_twenty_first_requests_none_arrives(site: Site, tmp_path: Path) -> None:
    """Twenty concurrent first requests wait for one look at a robots.txt that takes a second, and none is made."""
    urls = first_requests(site)
    crawled = await crawl(tmp_path, urls)
    assert site.pages() == []
    assert site.looks("slow.test") == dict.fromkeys(LOOKED_AT, 1)
    all_refused(crawled)
    check_record(site, crawled.out)


async def test_the_site_would_see_a_leak(site: Site, tmp_path: Path) -> None:
    """Witness: the same site, asked by Scrapy as it comes with ROBOTSTXT_OBEY, sees disallowed pages arrive."""
    urls = first_requests(site)
    crawled = await crawl(tmp_path, urls, {"ROBOTSTXT_OBEY": True}, door=False)
    assert site.looks("slow.test")["/robots.txt"] == 1
    assert len(site.pages()) == len(crawled.kept)
    if not site.pages():
        pytest.skip("this Scrapy's own robots middleware holds all twenty back: it no longer shows that a leak is seen")


async def fleet(site: Site, folder: Path, cache: str) -> None:
    """Three workers meet the host at once, behind one cache."""
    urls = first_requests(site)
    crawls = [crawl(folder / f"worker{n}", urls, {"ASKFIRST_CACHE": cache}) for n in range(WORKERS)]
    workers = await asyncio.gather(*crawls)
    assert site.pages() == []
    assert site.looks("slow.test") == dict.fromkeys(LOOKED_AT, 1)
    for worker in workers:
        all_refused(worker)
    assert sum(worker.stats.get("askfirst/looks/asked", 0) for worker in workers) == len(LOOKED_AT)
    check_record(site, *(worker.out for worker in workers))


async def test_three_workers_behind_one_server_look_once(site: Site, tmp_path: Path, shared_server: Server) -> None:
    """Three processes that share Redis or Valkey fetch nothing disallowed, and each well-known document once."""
    await fleet(site, tmp_path, shared_server.url)


async def test_three_workers_behind_one_file_look_once(site: Site, tmp_path: Path) -> None:
    """Three processes that share a SQLite file fetch nothing disallowed, and each well-known document once."""
    await fleet(site, tmp_path, f"sqlite:{tmp_path / 'shared.sqlite'}")


async def test_what_is_allowed_arrives_once_the_look_is_done(site: Site, tmp_path: Path) -> None:
    """Requests that wait are made when the look allows them, each once, and never before robots.txt was answered."""
    answered = asyncio.Event()
    site.publish("open.test", "/robots.txt", Reply("User-agent: *\nDisallow: /no\n", kind="text/plain", until=answered))
    urls = [site.publish("open.test", f"/{'no' if n % 2 else 'yes'}/{n}") for n in range(REQUESTS)]
    running = asyncio.create_task(crawl(tmp_path, urls))
    looked = asyncio.create_task(site.until_visited("/robots.txt"))
    await asyncio.wait([running, looked], return_when=asyncio.FIRST_COMPLETED)
    assert looked.done(), "the crawl ended without a look"
    assert site.pages() == []
    answered.set()
    crawled = await running
    assert sorted(site.pages()) == sorted(crawled.kept) == sorted(url for url in urls if "/yes/" in url)
    check_record(site, crawled.out)
