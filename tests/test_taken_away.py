"""Whatever the crawl stands on is taken away in its middle, and given back: Redis, SQLite, the registry, the disk.

Ten hosts of twenty pages are crawled in order; every other page is disallowed. Something is taken when the thirtieth
page is asked for, and is given back when the seventh host is first looked at. Each test ends with ``check_record``:
nothing was fetched that was not allowed in writing before, every line is whole, and every decision replays.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from askfirst.edges.registry_sqlite import SqliteRegistry
from askfirst.rights.consent import parse_record
from tests.loopback_site import LOOKED_AT, Site
from tests.redis_server import Server, free_port
from tests.scrapy_crawl import Crawled, check_record, crawl, decisions

pytestmark = pytest.mark.crawl

HOSTS = [f"h{number}.test" for number in range(10)]
PAGES = 20
TAKEN_AT_PAGE = 30
GIVEN_BACK_AT = HOSTS[6]
UNTOUCHED = HOSTS[:2] + HOSTS[7:]
AWAY = HOSTS[4]
"""A host that was met while it was away. What its neighbors met depends on what was under way."""
IN_ORDER = {
    "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.ScrapyPriorityQueue",
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "CONCURRENT_REQUESTS": 4,
}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as found:
        for host in HOSTS:
            found.robots(host, "User-agent: *\nDisallow: /no\n")
        yield found


def all_pages(site: Site) -> list[str]:
    """Every page of every host, host by host, allowed and disallowed in turn."""
    return [site.publish(h, f"/{'no' if n % 2 else 'yes'}/{n}") for h in HOSTS for n in range(PAGES)]


def allowed_pages(site: Site, *hosts: str) -> set[str]:
    return {site.url(h, f"/yes/{n}") for h in hosts or HOSTS for n in range(0, PAGES, 2)}


def nothing_is_lost(crawled: Crawled, *outs: Path) -> None:
    """Every decision that was given out is in the record, but for those that say it could not be written."""
    given = {name: crawled.stats.get(f"askfirst/{name}", 0) for name in ("fetch", "keep")}
    for stage in given:
        told = [crawled.stats.get(f"askfirst/{stage}/{verdict}", 0) for verdict in ("allow", "defer", "refuse")]
        given[stage] = sum(told) - crawled.stats.get(f"askfirst/{stage}/defer/record", 0)
    recorded = [decision.stage.value for out in outs for decision in decisions(out)]
    assert {stage: recorded.count(stage) for stage in given} == given


# -- the shared store ------------------------------------------------------------------------------------------------


async def test_redis_is_killed_and_comes_back(site: Site, tmp_path: Path, shared_server: Server) -> None:
    """Two workers go on without their Redis: each looks at a host once by itself, and counts what it missed. When it
    is back, they share again."""
    urls = all_pages(site)

    async def take() -> None:
        await asyncio.to_thread(shared_server.stop)

    async def give_back() -> None:
        await asyncio.to_thread(shared_server.start)

    site.before_page(TAKEN_AT_PAGE, take)
    site.before_page(TAKEN_AT_PAGE + len(HOSTS) * PAGES // 2, give_back)
    settings = {**IN_ORDER, "ASKFIRST_CACHE": shared_server.url}
    workers = await asyncio.gather(*(crawl(tmp_path / name, urls, settings) for name in ("one", "two")))

    assert set(site.pages()) == allowed_pages(site)
    for worker in workers:
        assert set(worker.kept) == allowed_pages(site)
        assert worker.stats["askfirst/looks/asked"] <= len(HOSTS) * len(LOOKED_AT)
        nothing_is_lost(worker, worker.out)
    assert sum(worker.stats.get("askfirst/cache/unreachable", 0) for worker in workers) > 0
    assert all(set(site.looks(host).values()) <= {1, 2} for host in HOSTS)
    with closing(shared_server.client()) as client:
        keys = [bytes(key) for key in client.scan_iter("*")]
    assert [key for key in keys if HOSTS[-1].encode() in key]
    assert not [key for key in keys if HOSTS[0].encode() in key], "the server came back with what it was killed with"
    check_record(site, *(worker.out for worker in workers))


async def test_the_sqlite_cache_is_spoiled_and_made_anew(site: Site, tmp_path: Path) -> None:
    """A cache file that becomes something else is a miss, counted; once it is out of the way, a new one is used."""
    file = tmp_path / "cache.sqlite"
    urls = all_pages(site)

    async def spoil() -> None:
        other = tmp_path / "other"
        other.write_bytes(b"no database, but long enough to be looked at as one. " * 100)
        other.replace(file)

    async def clear() -> None:
        for path in tmp_path.glob("cache.sqlite*"):
            path.unlink()

    site.before_page(TAKEN_AT_PAGE, spoil)
    site.before(site.url(GIVEN_BACK_AT, "/robots.txt"), clear)
    crawled = await crawl(tmp_path, urls, {**IN_ORDER, "ASKFIRST_CACHE": f"sqlite:{file}"})

    assert set(crawled.kept) == set(site.pages()) == allowed_pages(site)
    assert all(site.looks(host) == dict.fromkeys(LOOKED_AT, 1) for host in HOSTS)
    assert crawled.stats["askfirst/cache/unreachable"] > 0
    with closing(sqlite3.connect(file)) as connection:
        keys = " ".join(str(key) for (key,) in connection.execute("SELECT key FROM entry"))
    assert HOSTS[-1] in keys
    assert HOSTS[0] not in keys
    nothing_is_lost(crawled, crawled.out)
    check_record(site, crawled.out)


# -- the registry ----------------------------------------------------------------------------------------------------


def records(site: Site, host: str) -> list[dict[str, object]]:
    """The host grants training, and refuses its first page."""
    granted: dict[str, object] = {"scope": host, "categories": ["train"], "verdict": "grant"}
    return [granted, {"scope": site.url(host, "/yes/0"), "categories": ["train"], "verdict": "refuse"}]


class Registry:
    """A consent registry that can be switched off: over HTTP, or a file."""

    def __init__(self, site: Site, folder: Path, kind: str) -> None:
        self._site = site
        self._port = free_port()
        self._file = folder / "registry.sqlite"
        self._runner: web.ServerRunner | None = None
        self._over_http = kind == "http"
        self.where = f"http://127.0.0.1:{self._port}/" if self._over_http else str(self._file)
        if not self._over_http:
            registry = SqliteRegistry(self._file, name="local", clock=lambda: datetime.now(UTC))
            registry.add(parse_record(record) for host in HOSTS for record in records(site, host))

    async def give(self) -> None:
        """It answers from now on."""
        if not self._over_http:
            aside = self._file.with_suffix(".aside")
            if aside.exists():
                aside.rename(self._file)
            return
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()

    async def take(self) -> None:
        """It does not answer any more."""
        if not self._over_http:
            self._file.rename(self._file.with_suffix(".aside"))
        elif self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        urls: list[str] = json.loads(await request.read())["urls"]
        answers = [{"url": url, "records": self._records(url)} for url in urls]
        return web.json_response({"answers": answers})

    def _records(self, url: str) -> list[Mapping[str, object]]:
        return [r for host in HOSTS if f"//{host}:" in url for r in records(self._site, host)]


@pytest.mark.parametrize("policy", ["opt-in", "opt-out"])
@pytest.mark.parametrize("kind", ["http", "file"])
async def test_the_registry_goes_and_comes_back(site: Site, tmp_path: Path, kind: str, policy: str) -> None:
    """While the registry is away, what it would be asked about is a DEFER under either policy, and is not fetched;
    what is disallowed is refused all the same. When it is back, it is asked again."""
    registry = Registry(site, tmp_path, kind)
    urls = all_pages(site)
    await registry.give()
    site.before_page(TAKEN_AT_PAGE, registry.take)
    site.before(site.url(GIVEN_BACK_AT, "/robots.txt"), registry.give)
    settings = {
        **IN_ORDER,
        "ASKFIRST_POLICY": policy,
        "ASKFIRST_REGISTRY": [registry.where],
        "ASKFIRST_DEFER_TRIES": 0,
    }
    crawled = await crawl(tmp_path, urls, settings)
    await registry.take()

    granted = {host: allowed_pages(site, host) - {site.url(host, "/yes/0")} for host in HOSTS}
    for host in UNTOUCHED:
        assert set(site.pages(host)) == granted[host]
    deferred = {f.url for f in crawled.failed if f.verdict == "defer" and f.because == ("registry",)}
    assert site.pages(AWAY) == []
    assert allowed_pages(site, AWAY) <= deferred
    disallowed = {f.url for f in crawled.failed if f.verdict == "refuse" and "robots.txt" in f.because}
    assert disallowed == set(urls) - allowed_pages(site)
    nothing_is_lost(crawled, crawled.out)
    check_record(site, crawled.out)


# -- the disk --------------------------------------------------------------------------------------------------------

FULL = """
import pathlib, resource

FOLDER = pathlib.Path(told["settings"]["ASKFIRST_OUT"])
HARD = resource.getrlimit(resource.RLIMIT_FSIZE)[1]


class Full(Watched):
    def arrived(self, response):
        super().arrived(response)
        if len(seen["kept"]) == told["settings"]["FULL_AT"]:
            (log,) = (FOLDER / "decisions").iterdir()
            resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 100, HARD))
            seen["notes"].append("full")

    def failed(self, failure):
        super().failed(failure)
        if "h6.test" in failure.request.url and "full" in seen["notes"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (HARD, HARD))
            seen["notes"].append("room")


SPIDERS = [Full]
"""


async def test_the_disk_is_full_and_has_room_again(site: Site, tmp_path: Path) -> None:
    """From the moment at which a line does not fit, nothing is requested; the lines before it are whole. When there is
    room, the record goes on where it was, and so does the crawl."""
    urls = all_pages(site)
    settings = {**IN_ORDER, "FULL_AT": TAKEN_AT_PAGE, "ASKFIRST_DEFER_TRIES": 0}
    crawled = await crawl(tmp_path, urls, settings, script=FULL)

    assert crawled.notes[:2] == ["full", "room"]
    for host in UNTOUCHED:
        assert set(site.pages(host)) == allowed_pages(site, host)
    unrecorded = {f.url for f in crawled.failed if f.because == ("record",)}
    assert site.pages(AWAY) == []
    assert {url for url in urls if f"//{AWAY}:" in url} <= unrecorded
    assert crawled.stats["askfirst/record/unwritable"] == len(unrecorded)
    nothing_is_lost(crawled, crawled.out)
    check_record(site, crawled.out)


@pytest.mark.parametrize("back", ["empty", "as it was"])
async def test_the_output_folder_goes_and_comes_back(site: Site, tmp_path: Path, back: str) -> None:
    """While the folder is away nothing is requested. When it is there again, empty or as it was, the record goes on,
    and what is relied on is kept in it again."""
    urls = all_pages(site)
    out, aside = tmp_path / "record", tmp_path / "aside"

    async def take() -> None:
        out.rename(aside)

    async def give_back() -> None:
        if back == "empty":
            for name in ("decisions", "evidence"):
                (out / name).mkdir(parents=True)
        else:
            aside.rename(out)

    site.before_page(TAKEN_AT_PAGE, take)
    site.before(site.url(GIVEN_BACK_AT, "/robots.txt"), give_back)
    again = site.publish(HOSTS[0], "/again")
    crawled = await crawl(tmp_path, [*urls, again], {**IN_ORDER, "ASKFIRST_DEFER_TRIES": 0})

    assert again in crawled.kept
    for host in UNTOUCHED:
        assert set(site.pages(host)) - {again} == allowed_pages(site, host)
    assert site.pages(AWAY) == []
    assert {f.because for f in crawled.failed if f.verdict == "defer"} == {("record",)}
    outs = [aside, out] if back == "empty" else [out]
    nothing_is_lost(crawled, *outs)
    check_record(site, *outs)
    shutil.rmtree(out)
