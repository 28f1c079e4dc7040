"""Scrapy's door, walked through by real crawls in processes of their own against a real server on loopback.

Each test ends with ``check_record``: whatever arrived at the server was allowed before, in writing, and every decision
follows from its evidence.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urldefrag

import pytest

from askfirst.rights.policy import parse_policy
from tests.loopback_site import LOOKED_AT, Reply, Site
from tests.redis_server import free_port
from tests.scrapy_crawl import AGENT, check_record, crawl, decisions, run_python

pytestmark = pytest.mark.crawl

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
LICENSED = """
extends = "opt-in"
[[licence]]
scope = "granted.test"
purposes = ["train"]
reference = "contract 7"
valid_until = 2999-12-31
"""
PICTURE = Reply(PNG, kind="image/png")
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
NOAI = ("X-Robots-Tag", "noai")
MB = 1_000_000

MEDIA = {
    "ITEM_PIPELINES": {
        "scrapy.pipelines.images.ImagesPipeline": 1,
        "scrapy.pipelines.files.FilesPipeline": 2,
        "__main__.Collect": 900,
    },
    "IMAGES_STORE": "pictures",
    "FILES_STORE": "files",
}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as found:
        yield found


# -- every request ---------------------------------------------------------------------------------------------------

WAYS_IN = """
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import SitemapSpider


class Pages(Watched):
    def arrived(self, response):
        super().arrived(response)
        for link in LinkExtractor().extract_links(response):
            yield self.ask(link.url, meta={"dont_obey_robotstxt": True})
        pictures = response.css("img::attr(src)").getall()
        if pictures:
            obeys = self.crawler.get_downloader_middleware(RobotsTxtMiddleware)
            seen["notes"].append(obeys is None)
            yield {"image_urls": pictures, "file_urls": response.css("embed::attr(src)").getall()}


class Maps(SitemapSpider):
    name = "maps"
    sitemap_urls = told["settings"]["MAPS"]
    custom_settings = {"ASKFIRST_OUT": told["settings"]["OTHER_OUT"]}

    def parse(self, response):
        seen["notes"].append(response.url)


SPIDERS = [Pages, Maps]
"""


async def test_every_way_in_is_asked_about(site: Site, tmp_path: Path) -> None:
    """Start requests, links, sitemaps, images and files are asked about alike, and neither ``dont_obey_robotstxt`` nor
    the project's ROBOTSTXT_OBEY changes that. Two crawlers of one process keep records of their own."""
    site.robots("way.test", "User-agent: *\nDisallow: /no\n")
    home = site.publish(
        "way.test",
        "/",
        Reply(
            "<a href='/yes/link'>a</a><a href='/no/link'>b</a>"
            f"<img src='{site.url('way.test', '/yes/a.png')}'><img src='{site.url('way.test', '/no/b.png')}'>"
            f"<embed src='{site.url('way.test', '/yes/c.bin')}'><embed src='{site.url('way.test', '/no/d.bin')}'>"
        ),
    )
    for path in ("/yes/link", "/no/link", "/yes/c.bin", "/no/d.bin", "/no/start", "/yes/map", "/no/map"):
        site.publish("way.test", path)
    site.publish("way.test", "/yes/a.png", PICTURE)
    site.publish("way.test", "/no/b.png", PICTURE)
    entries = "".join(f"<url><loc>{site.url('way.test', path)}</loc></url>" for path in ("/yes/map", "/no/map"))
    site_map = site.publish("way.test", "/map.xml", Reply(f"<urlset>{entries}</urlset>", kind="application/xml"))
    other = tmp_path / "other"
    settings = {**MEDIA, "ROBOTSTXT_OBEY": True, "MAPS": [site_map], "OTHER_OUT": str(other)}
    crawled = await crawl(tmp_path, [home, site.url("way.test", "/no/start")], settings, script=WAYS_IN)

    yes = ["/", "/map.xml", "/yes/a.png", "/yes/c.bin", "/yes/link", "/yes/map"]
    assert sorted(site.pages()) == [site.url("way.test", path) for path in yes]
    assert {f.url for f in crawled.failed} == {site.url("way.test", path) for path in ("/no/start", "/no/link")}
    (item,) = crawled.items
    assert [i["url"] for i in item["images"]] == [site.url("way.test", "/yes/a.png")]
    assert [i["url"] for i in item["files"]] == [site.url("way.test", "/yes/c.bin")]
    assert sorted(map(str, crawled.notes)) == ["True", site.url("way.test", "/yes/map")]

    mine, theirs = ({d.intent.url for d in decisions(out)} for out in (crawled.out, other))
    assert site_map in theirs
    assert site_map not in mine
    assert home in mine
    assert home not in theirs
    check_record(site, crawled.out, other)

    stats = crawled.stats
    assert stats["askfirst/fetch/allow"] == 4
    assert stats["askfirst/keep/allow"] == 4
    assert stats["askfirst/fetch/refuse"] == stats["askfirst/fetch/refuse/robots.txt"] == 4
    assert stats["askfirst/looks/asked"] == len(LOOKED_AT)


REDIRECTS = """
class Hops(Watched):
    def ask(self, url, callback=None, **more):
        if url.endswith("/broken"):
            more["meta"] = {"handle_httpstatus_list": [302]}
        return super().ask(url, callback, **more)

    def failed(self, failure):
        super().failed(failure)
        if failure.request.url.endswith("/end"):
            yield self.ask(told["settings"]["NEXT"], meta=dict(failure.request.meta))

    def arrived(self, response):
        super().arrived(response)
        if response.url.endswith("/plain-end"):
            yield self.ask(told["settings"]["LAST"], meta=response.meta)


SPIDERS = [Hops]
"""


async def test_redirects_are_asked_about_hop_by_hop(site: Site, tmp_path: Path) -> None:
    """A redirect or a meta refresh to what its own origin disallows is not followed. What a hop refuses, its target
    does not permit; a request that copied the meta of another inherits no hops. A redirect to nowhere can be looked
    at like any response."""
    site.robots("closed.test", "User-agent: *\nDisallow: /secret\n")
    secret = site.publish("closed.test", "/secret")
    site.publish("from.test", "/go", Reply(status=302, headers=[("Location", secret)]))
    site.publish("from.test", "/refresh", Reply(f"<meta http-equiv='refresh' content='0; url={secret}'>"))
    site.publish("from.test", "/first", Reply(status=302, headers=[("Location", "/second"), NOAI]))
    end = site.publish("end.test", "/end")
    site.publish("from.test", "/second", Reply(status=301, headers=[("Location", end)]))
    part = site.publish("end.test", "/part")
    site.publish("from.test", "/fragment", Reply(status=302, headers=[("Location", part), NOAI]))
    plain = site.publish("end.test", "/plain-end")
    site.publish("from.test", "/plain", Reply(status=302, headers=[("Location", plain)]))
    next_page, last_page = site.publish("end.test", "/next"), site.publish("end.test", "/last")
    slashes = site.publish("end.test", "/slashes")
    spelled = slashes.replace("http://", "///")
    site.publish("from.test", "/spelled", Reply(status=302, headers=[("Location", spelled), NOAI]))
    broken = site.publish("from.test", "/broken", Reply(status=302, headers=[("Location", "http://h.test:99999/")]))
    paths = ("/go", "/refresh", "/first", "/fragment#here", "/plain", "/broken", "/spelled")
    urls = [site.url("from.test", path) for path in paths]
    crawled = await crawl(tmp_path, urls, {"NEXT": next_page, "LAST": last_page}, script=REDIRECTS)

    assert secret not in site.pages()
    assert sorted(crawled.kept) == sorted([plain, next_page, last_page, broken])
    refused = Counter((urldefrag(f.url)[0], f.stage, f.because) for f in crawled.failed)
    assert refused == {
        (secret, "fetch", ("robots.txt",)): 2,
        (end, "keep", ("x-robots-tag",)): 1,
        (slashes, "keep", ("x-robots-tag",)): 1,
        (part, "keep", ("x-robots-tag",)): 1,
    }
    check_record(site, crawled.out)


async def test_what_nobody_can_be_asked_about_is_not_requested(site: Site, tmp_path: Path) -> None:
    """``file:``, ``ftp:`` and what names no origin fail with a reason; ``data:`` holds its own answer and passes."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    urls = [secret.as_uri(), f"ftp://ftp.test:{site.port}/x", "http:///no-host", "data:text/plain,held"]
    crawled = await crawl(tmp_path, urls)
    assert crawled.kept == ["data:text/plain,held"]
    assert {f.url: f.error for f in crawled.failed} == dict.fromkeys(urls[:3], "Unanswerable")
    assert all("nobody can be asked" in f.words for f in crawled.failed)
    assert site.visits == []


OTHERS = """
from scrapy.http import HtmlResponse


class Meddler:
    \"\"\"Everything that other middlewares do to requests and responses, by host.\"\"\"

    def process_request(self, request):
        host = request.url.split("/")[2].split(":")[0]
        if host == "cached.test":
            said = b"<meta name=robots content=noai>" if "/noai" in request.url else b""
            return HtmlResponse(request.url, body=said + b"<p>from a cache", request=request)
        if host == "late.test":
            request._set_url(request.url.replace("/asked", "/secret"))

    def process_response(self, request, response):
        response.headers.pop("X-Robots-Tag", None)
        return response

    def process_exception(self, request, exception):
        tries = request.meta.get("meddled", 0)
        seen["notes"].append(type(exception).__name__)
        if tries < 3:
            return request.replace(dont_filter=True, meta={**request.meta, "meddled": tries + 1})


class Copies(Watched):
    def failed(self, failure):
        super().failed(failure)
        if failure.request.url.endswith("/hopped"):
            yield self.ask(told["settings"]["COPIED"], meta=failure.request.meta)


SPIDERS = [Copies]
"""


async def test_other_middlewares_change_nothing(site: Site, tmp_path: Path) -> None:
    """A response out of a cache is decided about, by what it says and not by whose meta its request copied; a URL that was rewritten late is the one that is asked about; a
    header that was taken off was seen before; whoever retries every failure meets the same refusal."""
    site.robots("late.test", "User-agent: *\nDisallow: /secret\n")
    asked, secret = site.publish("late.test", "/asked"), site.publish("late.test", "/secret")
    stripped = site.publish("strip.test", "/x", Reply("<p>x", headers=[NOAI]))
    cached, cached_noai = site.url("cached.test", "/x"), site.url("cached.test", "/noai")
    hop = site.publish("strip.test", "/hop", Reply(status=302, headers=[("Location", "/hopped"), NOAI]))
    hopped, copied = site.publish("strip.test", "/hopped"), site.url("cached.test", "/copied")
    settings = {"DOWNLOADER_MIDDLEWARES": {"__main__.Meddler": 990}, "RETRY_ENABLED": True, "COPIED": copied}
    crawled = await crawl(tmp_path, [asked, stripped, cached, cached_noai, hop], settings, script=OTHERS)

    assert sorted(site.pages()) == sorted([stripped, hop, hopped])
    assert sorted(crawled.kept) == sorted([cached, copied])
    refused = {secret: "fetch", stripped: "keep", cached_noai: "keep", hopped: "keep"}
    assert {f.url: f.stage for f in crawled.failed} == refused
    assert crawled.notes == ["Refused"] * 4
    assert not [name for name in crawled.stats if name.startswith("retry/")]
    check_record(site, crawled.out)


# -- what arrived ----------------------------------------------------------------------------------------------------


async def test_the_body_of_what_its_head_refuses_is_not_downloaded(site: Site, tmp_path: Path) -> None:
    """Of twenty pages of 5 MB whose header says noai, zipped ones and redirects among them, next to nothing is sent."""
    urls = []
    for number in range(20):
        headers = [NOAI]
        if number % 5 == 4:
            headers.append(("Location", site.publish("end.test", f"/{number}")))
        big = Reply(
            "<p>big",
            status=302 if number % 5 == 4 else 200,
            headers=headers,
            zipped=number % 2 == 1,
            padded_to_bytes=5 * MB,
        )
        urls.append(site.publish("big.test", f"/{number}", big))
    crawled = await crawl(tmp_path, urls)
    await site.quiet()
    assert crawled.kept == []
    assert {(f.stage, f.because) for f in crawled.failed} == {("keep", ("x-robots-tag",))}
    assert len(crawled.failed) == 20
    assert len(site.cut) == 20
    assert max(site.sent_bytes[url] for url in urls) < MB
    check_record(site, crawled.out)


async def test_a_page_that_refuses_reaches_no_callback_and_no_pipeline(site: Site, tmp_path: Path) -> None:
    """noai in a meta element or a header is the errback's, with the decision; the links of a page that said so in
    words are not offered, and what a page says of its images holds for them too."""
    script = """
class Items(Watched):
    def arrived(self, response):
        super().arrived(response)
        yield {"url": response.url, "image_urls": response.css("img::attr(src)").getall()}


SPIDERS = [Items]
"""
    meta = site.publish("said.test", "/meta", Reply("<meta name='robots' content='noai'><a href='/on'>on</a>"))
    header = site.publish("said.test", "/header", Reply("<a href='/on'>on</a>", headers=[NOAI]))
    fine, pictured = site.publish("said.test", "/fine"), site.publish("said.test", "/picture.png", PICTURE)
    page = site.publish("said.test", "/page", Reply(f"<meta name='robots' content='noimageai'><img src='{pictured}'>"))
    crawled = await crawl(tmp_path, [meta, header, fine, page], MEDIA, script=script)
    assert sorted(crawled.kept) == sorted([fine, page])
    assert {item["url"]: item["images"] for item in crawled.items} == {fine: [], page: []}
    for url, protocol in ((meta, "meta-robots"), (header, "x-robots-tag")):
        failed = crawled.failure(url)
        assert (failed.error, failed.verdict, failed.stage) == ("Refused", "refuse", "keep")
        assert failed.because == (protocol,)
        assert failed.links == ()
    assert pictured not in site.pages()
    check_record(site, crawled.out)


async def test_silence_under_opt_in_still_shows_the_way(site: Site, tmp_path: Path) -> None:
    """Under opt-in a silent page is refused and names its links, a silent sitemap its entries; what is licensed is
    kept."""
    policy = tmp_path / "policy.toml"
    policy.write_text(LICENSED, encoding="utf-8")
    granted = site.publish("granted.test", "/x")
    silent = site.publish("silent.test", "/page", Reply("<a href='/one'>1</a><a href='/two'>2</a>"))
    entry = site.url("silent.test", "/entry")
    site_map = site.publish(
        "silent.test",
        "/map.xml",
        Reply(
            f"<?xml version='1.0'?><urlset xmlns='{SITEMAP}'><url><loc>{entry}</loc></url></urlset>",
            kind="application/xml",
        ),
    )
    refused = site.publish("silent.test", "/noai", Reply("<a href='/one'>1</a>", headers=[NOAI]))
    crawled = await crawl(tmp_path, [granted, silent, site_map, refused], {"ASKFIRST_POLICY": str(policy)})
    assert crawled.kept == [granted]
    assert crawled.failure(silent).links == tuple(site.url("silent.test", path) for path in ("/one", "/two"))
    assert crawled.failure(site_map).links == (entry,)
    assert crawled.failure(refused).links == ()
    assert crawled.stats["askfirst/keep/refuse/silence"] == 2
    check_record(site, crawled.out, policies=[parse_policy(LICENSED, where="policy.toml")])


# -- DEFER -----------------------------------------------------------------------------------------------------------

IMPATIENT = 'extends = "opt-out"\n[max_age]\noutage = 1\n'

DEFERRED = """
class Later(Watched):
    async def start(self):
        async for request in super().start():
            yield request
        yield scrapy.Request(told["settings"]["STARTED"], errback=self.failed)

    def parse(self, response):
        seen["notes"].append(["parsed", response.url])

    async def arrived(self, response):
        super().arrived(response)
        if response.url.endswith("/gallery"):
            inline = await self.crawler.engine.download_async(scrapy.Request(told["settings"]["INLINE"]))
            seen["notes"].append(["awaited", inline.url])
            yield {"image_urls": response.css("img::attr(src)").getall()}


SPIDERS = [Later]
"""


async def test_what_cannot_be_asked_now_is_asked_again_within_the_run(site: Site, tmp_path: Path) -> None:
    """Behind a robots.txt that fails once, pages, pictures and what a callback awaits are fetched later, once, and only
    then answered. Behind one that goes on failing they are refused after the tries, unrequested. The spider stays open
    meanwhile."""
    away = Reply("away", status=503, headers=[("Retry-After", "1")])
    for host in ("later.test", "shown-later.test", "awaited-later.test", "started-later.test"):
        site.publish(host, "/robots.txt", away, Reply("User-agent: *\nAllow: /\n", kind="text/plain"))
    for host in ("never.test", "shown-never.test"):
        site.publish(host, "/robots.txt", away)
    later, never = site.publish("later.test", "/x"), site.publish("never.test", "/x")
    nobody = f"http://nobody.test:{free_port()}/x"
    shown_later = site.publish("shown-later.test", "/a.png", PICTURE)
    shown_never = site.publish("shown-never.test", "/a.png", PICTURE)
    gallery = site.publish("open.test", "/gallery", Reply(f"<img src='{shown_later}'><img src='{shown_never}'>"))
    policy = tmp_path / "policy.toml"
    policy.write_text(IMPATIENT, encoding="utf-8")
    started, inline = site.publish("started-later.test", "/x"), site.publish("awaited-later.test", "/x")
    settings = {
        **MEDIA,
        "ASKFIRST_DEFER_TRIES": 2,
        "ASKFIRST_POLICY": str(policy),
        "STARTED": started,
        "INLINE": inline,
    }
    crawled = await crawl(tmp_path, [later, never, gallery, nobody], settings, script=DEFERRED)

    assert Counter(site.pages()) == dict.fromkeys([later, started, gallery, inline, shown_later], 1)
    assert sorted(crawled.notes) == [["awaited", inline], ["parsed", started]]
    assert sorted(crawled.kept) == sorted([later, gallery])
    assert len(crawled.failed) == 2
    for url in (never, nobody):
        failed = crawled.failure(url)
        assert (failed.error, failed.verdict, failed.stage) == ("Refused", "defer", "fetch")
    (item,) = crawled.items
    assert [image["url"] for image in item["images"]] == [shown_later]
    assert site.looks("never.test")["/robots.txt"] == 3
    assert site.looks("later.test")["/robots.txt"] == 2
    assert crawled.stats["finish_reason"] == "finished"
    assert crawled.stats["askfirst/fetch/defer"] == 4 * 1 + 3 * 3
    check_record(site, crawled.out, policies=[parse_policy(IMPATIENT, where="policy.toml")])


# -- what does not start ---------------------------------------------------------------------------------------------

BROKEN_POLICY = '[signals]\n"robots.txt" = "maybe"\n'

NOT_STARTED = {
    "an agent without a name": (['USER_AGENT = "1.0 (?)"'], "ASKFIRST_AGENT: '' is no product token"),
    "a purpose that is none": (['ASKFIRST_PURPOSE = "fun"'], "purpose: 'fun' is none of"),
    "a policy that is broken": (['ASKFIRST_POLICY = "broken.toml"'], "broken.toml: signals.robots.txt: 'maybe'"),
    "a policy that is not there": (['ASKFIRST_POLICY = "no.toml"'], "policy 'no.toml': is no profile"),
    "a cache that is none": (['ASKFIRST_CACHE = "carrier://pigeon"'], "unknown scheme"),
    "a registry that is not there": (['ASKFIRST_REGISTRY = ["none.sqlite"]'], "registry 'none.sqlite': no such file"),
    "no address guard": (["del TWISTED_DNS_RESOLVER"], "the address guard is not installed"),
}

PROJECT = """
BOT_NAME = "project"
SPIDER_MODULES = ["project"]
ADDONS = {{"middlewares.AskFirstAddon": 200}}
TWISTED_DNS_RESOLVER = "middlewares.GuardedResolver"
USER_AGENT = "{agent}"
ASKFIRST_ALLOW_PRIVATE = ["127.0.0.0/8"]
ASKFIRST_RESOLVE = {{"*.test": "127.0.0.1"}}
ASKFIRST_POLICY = "opt-out"
ASKFIRST_OUT = "record"
TELNETCONSOLE_ENABLED = False
"""

PROJECT_SPIDER = """
import scrapy


class Spider(scrapy.Spider):
    name = "spider"
    start_urls = ["{url}"]

    def parse(self, response):
        self.logger.info("arrived")
"""


def project(folder: Path, url: str, *more: str) -> None:
    """Somebody's Scrapy project, with the two settings that open the door."""
    (folder / "scrapy.cfg").write_text("[settings]\ndefault = project.settings\n", encoding="utf-8")
    (folder / "broken.toml").write_text(BROKEN_POLICY, encoding="utf-8")
    package = folder / "project"
    package.mkdir()
    settings = PROJECT.format(agent=AGENT) + "\n".join(more) + "\n"
    for name, text in {"__init__": "", "settings": settings, "spider": PROJECT_SPIDER.format(url=url)}.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")


async def test_two_settings_open_the_door_of_a_project(site: Site, tmp_path: Path) -> None:
    """``scrapy crawl`` in a project with the add-on and the resolver asks first; the log says what it obeys."""
    page = site.publish("plain.test", "/x")
    project(tmp_path, page)
    code, _, log = await run_python(tmp_path, "-m", "scrapy", "crawl", "spider")
    assert code == 0
    assert "asking first as ExBot for purpose train under policy opt-out; the record goes to record" in log
    assert site.pages() == [page]
    check_record(site, tmp_path / "record")


@pytest.mark.parametrize("mistake", NOT_STARTED)
async def test_a_mistake_in_the_settings_starts_nothing(site: Site, tmp_path: Path, mistake: str) -> None:
    """The operator's mistake ends the process with an error that names it; nothing is requested, nothing written."""
    settings, words = NOT_STARTED[mistake]
    project(tmp_path, site.publish("plain.test", "/x"), *settings)
    code, _, log = await run_python(tmp_path, "-m", "scrapy", "crawl", "spider")
    assert code != 0
    assert words in log
    assert site.visits == []
    assert not (tmp_path / "record").exists()


GUARDED_BY_HAND = """
from scrapy.crawler import CrawlerProcess as AsyncCrawlerProcess
from middlewares import GuardedResolver


class ByHand:
    \"\"\"Installs the guard before Scrapy installs what the settings name.\"\"\"

    @classmethod
    def from_crawler(cls, crawler):
        from twisted.internet import reactor

        GuardedResolver.from_crawler(crawler, reactor).install_on_reactor()
        return cls()


SPIDERS = [Watched]
"""


async def test_a_guard_that_is_replaced_later_stops_the_crawl(site: Site, tmp_path: Path) -> None:
    """When the process replaces the guard after it was seen in its place, nothing is requested."""
    page = site.publish("127.0.0.1", "/x")
    settings = {
        "TWISTED_DNS_RESOLVER": "scrapy.resolver.CachingThreadedResolver",
        "EXTENSIONS": {"__main__.ByHand": 1},
    }
    crawled = await crawl(tmp_path, [page], settings, script=GUARDED_BY_HAND)
    assert site.visits == []
    assert crawled.kept == []
    assert "the address guard is not installed" in crawled.log
    assert [f.error for f in crawled.failed] in ([], ["Unanswerable"])  # older Scrapy does not close at once
