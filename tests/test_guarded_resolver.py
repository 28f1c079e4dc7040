"""Scrapy behind the address guard: real crawls in processes of their own, against a server that counts who arrives."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import pytest
from scrapy.settings import Settings

from askfirst.addresses import AddressError
from middlewares.resolver import addresses_of

pytestmark = pytest.mark.crawl

GUARD = {"TWISTED_DNS_RESOLVER": "middlewares.resolver.GuardedResolver"}
LOOPBACK = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]

CRAWL = '''
import json, sys
from urllib.parse import urlsplit
import scrapy
from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess, CrawlerProcess, CrawlerRunner
from middlewares.resolver import GuardedResolver, guard_of, installed

told = json.loads(sys.argv[1])
seen = {"arrived": [], "failed": {}, "refusals": {}, "at_build": None, "at_open": None}


class TwoAddresses(GuardedResolver):
    """Knows names whose second address is private."""

    def look_up(self, name):
        return ["127.0.0.1", "10.0.0.1"] if name == "two.example" else ["127.0.0.1"]


class Watch:
    """Asks where the door asks: when the middlewares are built."""

    @classmethod
    def from_crawler(cls, crawler):
        seen["at_build"] = installed(crawler)
        crawler.signals.connect(cls.opened, signal=signals.spider_opened, weak=False)
        cls.crawler = crawler
        return cls()

    @classmethod
    def opened(cls):
        seen["at_open"] = installed(cls.crawler)


class Spider(scrapy.Spider):
    name = "guarded"
    custom_settings = told["spider"]

    async def start(self):
        for url in told["urls"]:
            yield scrapy.Request(url, self.arrived, errback=self.failed, dont_filter=True, cb_kwargs={"asked": url})

    def arrived(self, response, asked):
        seen["arrived"].append(asked)

    def failed(self, failure):
        url = failure.request.cb_kwargs["asked"]
        seen["failed"][url] = failure.type.__name__
        guard = guard_of(self.crawler)
        if guard is not None:
            host = urlsplit(failure.request.url).hostname
            seen["refusals"][host] = guard.refusal(host)


settings = {
    "DOWNLOADER_MIDDLEWARES": {Watch: 1},
    "RETRY_ENABLED": False,
    "HTTPPROXY_ENABLED": False,
    "LOG_LEVEL": "WARNING",
    **told["settings"],
}
if told["by"] == "CrawlerRunner":
    from scrapy.utils.reactor import install_reactor
    install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
    from twisted.internet import reactor
    done = CrawlerRunner(settings).crawl(Spider)
    done.addBoth(lambda _: reactor.stop())
    reactor.run()
else:
    process = {"CrawlerProcess": CrawlerProcess, "AsyncCrawlerProcess": AsyncCrawlerProcess}[told["by"]](settings)
    process.crawl(Spider)
    process.start()
print(json.dumps(seen))
'''


class Seen(TypedDict):
    arrived: list[str]
    failed: dict[str, str]
    refusals: dict[str, str | None]
    at_build: bool
    at_open: bool


class Server:
    """Answers every request on IPv4 and IPv6 loopback, and remembers its path."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.connections = 0
        self.port = 0
        self.location = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.paths.append(path)
        if path == "/redirect":
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {self.location}\r\n".encode())
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n")
        writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    listener = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = listener.sockets[0].getsockname()[1]
    async with listener:
        try:
            also = await asyncio.start_server(found.serve, "::1", found.port)
        except OSError:  # a machine without IPv6: then nothing can arrive there
            yield found
        else:
            async with also:
                yield found


async def crawl(
    folder: Path,
    urls: Sequence[str],
    settings: Mapping[str, object],
    *,
    by: str = "CrawlerProcess",
    spider: Mapping[str, object] | None = None,
) -> Seen:
    """Runs one spider over these URLs in a process of its own."""
    script = folder / "crawl.py"
    script.write_text(CRAWL, encoding="utf-8")
    told = json.dumps({"urls": list(urls), "settings": dict(settings), "spider": dict(spider or {}), "by": by})
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "no_proxy": "*"},
    )
    out, err = await run.communicate()
    assert run.returncode == 0, err.decode()
    seen: Seen = json.loads(out)
    return seen


@pytest.mark.parametrize("by", ["CrawlerProcess", "AsyncCrawlerProcess", "CrawlerRunner"])
async def test_no_spelling_of_loopback_arrives(server: Server, tmp_path: Path, by: str) -> None:
    """Literals, decimal, hexadecimal, octal, IPv6 and localhost are refused, and the guard says why."""
    urls = [f"http://{host}:{server.port}/" for host in LOOPBACK]
    seen = await crawl(tmp_path, urls, GUARD, by=by)
    assert (server.paths, server.connections) == ([], 0)
    assert seen["arrived"] == []
    assert set(seen["failed"]) == set(urls)
    assert (seen["at_build"], seen["at_open"]) == (True, True)
    assert seen["refusals"]["127.0.0.1"] == (
        "127.0.0.1 may not be connected to (loopback); admit it with --allow-private CIDR if it is yours"
    )
    assert seen["refusals"]["localhost"] is not None


async def test_an_admitted_network_arrives(server: Server, tmp_path: Path) -> None:
    """With 127.0.0.0/8 admitted, every IPv4 spelling and a pinned name arrive; another private network does not."""
    hosts = ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "a.lab.test", "B.C.lab.test"]
    urls = [f"http://{host}:{server.port}/{at}" for at, host in enumerate(hosts)]
    settings = {
        **GUARD,
        "ASKFIRST_ALLOW_PRIVATE": "127.0.0.0/8, 192.168.0.0/16",
        "ASKFIRST_RESOLVE": "*.lab.test=127.0.0.1,elsewhere.test=10.0.0.1",
    }
    closed = [f"http://elsewhere.test:{server.port}/x", f"http://10.0.0.1:{server.port}/x"]
    seen = await crawl(tmp_path, [*urls, *closed], settings)
    assert sorted(server.paths) == [f"/{at}" for at in range(len(hosts))]
    assert set(seen["arrived"]) == set(urls)
    assert set(seen["failed"]) == set(closed)


async def test_a_redirect_to_a_forbidden_address_does_not_arrive(server: Server, tmp_path: Path) -> None:
    """The first hop is admitted; its target is another address and is refused."""
    for host in ("127.0.0.2", "2130706434", "[::1]", "localhost"):
        server.location = f"http://{host}:{server.port}/secret"
        settings: dict[str, object] = {**GUARD, "ASKFIRST_ALLOW_PRIVATE": ["127.0.0.1/32"]}
        if host == "localhost":
            settings["ASKFIRST_RESOLVE"] = {"localhost": "127.0.0.3"}
        seen = await crawl(tmp_path, [f"http://127.0.0.1:{server.port}/redirect"], settings)
        assert seen["arrived"] == []
        assert len(seen["failed"]) == 1
    assert set(server.paths) == {"/redirect"}


async def test_every_answer_of_a_name_counts(server: Server, tmp_path: Path) -> None:
    """A name with an admitted and a private address is refused; its neighbor with one address arrives, twice."""
    settings = {"TWISTED_DNS_RESOLVER": "__main__.TwoAddresses", "ASKFIRST_ALLOW_PRIVATE": ["127.0.0.0/8"]}
    urls = [f"http://{host}.example:{server.port}/{host}{at}" for host in ("one", "two") for at in (1, 2)]
    seen = await crawl(tmp_path, urls, settings)
    assert sorted(server.paths) == ["/one1", "/one2"]
    assert seen["refusals"]["two.example"] == (
        "two.example is at 10.0.0.1 and may not be connected to (private); "
        "admit it with --allow-private CIDR if it is yours"
    )


@pytest.mark.parametrize(
    ("settings", "spider", "by"),
    [
        ({}, {}, "CrawlerProcess"),
        ({}, GUARD, "CrawlerProcess"),
        ({}, {}, "AsyncCrawlerProcess"),
        ({}, {}, "CrawlerRunner"),
        (
            {**GUARD, "DOWNLOAD_HANDLERS": {"http": "scrapy.core.downloader.handlers._aiohttp.AiohttpDownloadHandler"}},
            {},
            "AsyncCrawlerProcess",
        ),
    ],
    ids=["not named", "named by the spider", "not named, async", "not named, runner", "a handler that goes round it"],
)
async def test_a_missing_guard_is_noticed(
    tmp_path: Path, settings: Mapping[str, object], spider: Mapping[str, object], by: str
) -> None:
    """Without the process's setting, or with a handler that does not ask Twisted, installed() says so."""
    seen = await crawl(tmp_path, ["data:,x"], settings, spider=spider, by=by)
    assert seen["at_build"] is False
    if not spider:
        assert seen["at_open"] is False


def test_a_mistake_in_the_settings_is_the_operators() -> None:
    """The settings are read like the command line's options, with its messages."""
    policy = addresses_of(
        Settings({"ASKFIRST_ALLOW_PRIVATE": "127.0.0.0/8", "ASKFIRST_RESOLVE": {"a.test": "127.0.0.1"}})
    )
    assert policy.override("a.test") == "127.0.0.1"
    assert policy.check("127.0.0.1") is None
    with pytest.raises(AddressError, match="not a CIDR"):
        addresses_of(Settings({"ASKFIRST_ALLOW_PRIVATE": ["lab"]}))
    assert addresses_of(Settings({})).check("127.0.0.1") == "loopback"
