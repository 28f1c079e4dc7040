"""Real crawls of loopback by the spider ``site``: what it requests, follows, keeps and leaves."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator

from askfirst.ports import SettingsError
from crawler.spiders.site import SiteSpider, site_of
from tests.crawl_process import asked_before, crawl, decisions, items, summary
from tests.small_web import Answer, Web, page, picture

pytestmark = pytest.mark.crawl

A, B, IMG = "a.lab.test", "b.lab.test", "img.lab.test"
OPT_OUT = {"ASKFIRST_POLICY": "opt-out"}


@dataclass(frozen=True)
class Crawled:
    """One crawl that several tests look at."""

    out: Path
    web: Web
    unasked: list[str]
    log: str


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    """A crawl of one site with something of everything."""
    out = tmp_path_factory.mktemp("crawled")
    answers = {
        (A, "/"): page("/1", "/1#part", "/2", "/gone", "/moved", "/away", f"http://{B}:PORT/x", images=("/p.png",)),
        (A, "/1"): page("/", "/3", "/4", images=(f"http://{IMG}:PORT/q.png", "/p.png")),
        (A, "/2"): page("/never", X_Robots_Tag="noai"),
        (A, "/3"): page(head='<meta name="robots" content="noimageai">', images=("/r.png",)),
        # rel=nofollow, but for /b, which the page offers without, too
        (A, "/4"): Answer(b'<a rel=nofollow href="/a">a</a><a rel="NoFollow me" href="/b">b</a><a href="/b">b</a>'),
        (A, "/b"): page(),
        (A, "/moved"): Answer(status=301, headers=(("Location", "/target"),)),
        (A, "/target"): page("/file.pdf"),
        (A, "/away"): Answer(status=302, headers=(("Location", f"http://{B}:PORT/landing"),)),
        (A, "/file.pdf"): Answer(b"%PDF-1.7 words", "application/pdf"),
        (A, "/p.png"): picture(1),
        (A, "/r.png"): picture(2),
        (IMG, "/q.png"): picture(3),
        (B, "/landing"): page(),
    }
    with Web(answers) as web, asked_before(web, out) as unasked:
        return Crawled(out, web, unasked, crawl("site", out, OPT_OUT, sites=web.url()))


def test_everything_on_the_site_is_kept_once_and_nothing_else(crawled: Crawled) -> None:
    """Links, pictures and redirects within the site are requested and kept once; refusals, failures, nofollow links
    and other hosts are left; every request had its decision on disk before it came."""
    web = crawled.web
    assert crawled.unasked == []
    on_site = ("/", "/1", "/3", "/4", "/b", "/moved", "/file.pdf", "/p.png")
    kept = items(crawled.out)
    assert set(kept) == {web.url(path) for path in on_site} | {web.url("/q.png", IMG)}, crawled.log
    assert kept[web.url("/moved")]["final_url"] == web.url("/target")
    requested = sorted((A, path) for path in (*on_site, "/2", "/gone", "/target", "/away"))
    assert sorted(web.resources()) == [*requested, (IMG, "/q.png")]


def test_the_summary_counts_what_became_of_every_address(crawled: Crawled) -> None:
    """The summary counts addresses by what became of them, and refusals by who refused."""
    told = summary(crawled.out)
    counted = {"kept": 9, "refused": 2, "failed": 1, "elsewhere": 2}
    nothing = dict.fromkeys(("silent", "read", "deferred", "pending"), 0)
    assert told["addresses"] == counted | nothing
    assert told["because"]["refuse"] == {"meta-robots": 1, "x-robots-tag": 1}  # type: ignore[index]
    assert (told["reason"], told["purpose"]) == ("finished", "train")
    assert told["kept"]["items"] == 9  # type: ignore[index]


def test_an_item_is_the_bytes_that_were_decided_about(crawled: Crawled) -> None:
    """An item's digest is that of its WARC record and of the observation that its decision looked at."""
    made = {line["id"]: line for line in decisions(crawled.out)}
    for url, item in items(crawled.out).items():
        decision = made[item["decision_id"]]
        assert (decision["stage"], decision["verdict"]) == ("keep", "allow")
        assert decision["url"] == item["final_url"]
        looked_at = {seen["url"]: seen["digest"] for seen in decision["looked_at"]}  # type: ignore[attr-defined]
        assert looked_at[item["final_url"]] == f"sha256:{item['sha256']}", url
        with (crawled.out / str(item["warc"])).open("rb") as file:
            file.seek(int(str(item["warc_offset"])))
            record = next(ArchiveIterator(file))
            assert record.headers["WARC-Target-URI"] == item["final_url"]
            assert record.headers["AskFirst-Decision"] == item["decision_id"]
            assert hashlib.sha256(record.reader.read()).hexdigest() == item["sha256"]
        assert isinstance(item["fetched_at"], datetime)
        assert item["registrable_domain"] == "lab.test"


def test_depth_and_pages_are_bounded(tmp_path: Path) -> None:
    """Links are followed breadth first, no deeper than ``depth`` and to no more than ``max_pages`` pages; a larger
    bound goes on from there in the same directory."""
    answers = {(A, f"/{n}"): page(f"/{2 * n}", f"/{2 * n + 1}") for n in range(1, 16)}
    with Web(answers) as web:
        crawl("site", tmp_path, OPT_OUT, sites=web.url("/1"), depth="2", media="false")
        assert {path for _host, path in web.resources()} == {f"/{n}" for n in range(1, 8)}
        crawl("site", tmp_path, OPT_OUT, sites=web.url("/1"), depth="3", max_pages="10", media="false")
    requested = [path for _host, path in web.resources()]
    assert len(requested) == len(set(requested)) == 10
    assert set(requested) <= {f"/{n}" for n in range(1, 16)}


def test_silence_is_looked_through_and_not_kept(tmp_path: Path) -> None:
    """Under opt-in, pages that only silence refuses are followed, nothing of them is kept, and the summary says what
    opt-out would have kept; an error's page is not followed."""
    answers = {
        (A, "/"): page("/1", "/gone", images=("/p.png",)),
        (A, "/1"): page("/2"),
        (A, "/gone"): Answer(b'<!doctype html><a href="/trap">x</a>', status=404),
    }
    with Web(answers) as web, asked_before(web, tmp_path) as unasked:
        crawl("site", tmp_path, {"ASKFIRST_POLICY": "opt-in"}, sites=web.url())
    assert unasked == []
    assert sorted(path for _host, path in web.resources()) == ["/", "/1", "/2", "/gone"]
    assert items(tmp_path) == {}
    assert summary(tmp_path)["silence"] == {"refused": 2, "opt_out_would_keep": 2}
    with (tmp_path / "ask.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["registrable_domain"], row["about"], row["purpose"]) == ("lab.test", "silence", "train")


def test_what_cannot_be_looked_at_waits_for_the_next_run(tmp_path: Path) -> None:
    """A site whose robots.txt fails is deferred and counted, without a request; the next run asks again."""
    answers: dict[tuple[str, str], Answer] = {(A, "/robots.txt"): Answer(status=503), (A, "/"): page()}
    quick = OPT_OUT | {"ASKFIRST_DEFER_TRIES": "0", "ASKFIRST_CACHE": "memory:"}
    with Web(answers) as web:
        crawl("site", tmp_path, quick, sites=web.url())
        assert web.resources() == []
        addresses = summary(tmp_path)["addresses"]
        assert (addresses["deferred"], addresses["pending"]) == (1, 0)  # type: ignore[index]
        answers[A, "/robots.txt"] = Answer(b"User-agent: *\nAllow: /\n", "text/plain")
        crawl("site", tmp_path, quick, sites=web.url())
    assert set(items(tmp_path)) == {web.url()}
    assert len(summary(tmp_path)["runs"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "sites"),
        ({"sites": "ftp://a.example/"}, "ftp://a.example/"),
        ({"sites": "https://a.example/", "depth": "-1"}, "depth"),
        ({"sites": "https://a.example/", "max_pages": "many"}, "max_pages"),
        ({"sites": "https://a.example/", "media": "perhaps"}, "media"),
        ({"sites": "https://a.example/", "max_page": "1"}, "max_page"),
    ],
)
def test_a_bad_argument_is_one_line(arguments: dict[str, str], word: str) -> None:
    """A bad argument is a SettingsError of one line that names it."""
    with pytest.raises(SettingsError, match=word) as raised:
        SiteSpider(**arguments)
    assert "\n" not in str(raised.value)


def test_a_site_is_a_host_with_or_without_www() -> None:
    """``www.`` and the scheme make no difference; a port and a subdomain do."""
    assert site_of("https://www.a.example/x") == site_of("http://a.example:80/")
    assert site_of("https://a.example:8443/") != site_of("https://a.example/")
    assert site_of("https://b.a.example/") != site_of("https://a.example/")
    assert SiteSpider(sites=["a.example", "http://b.example/x"]).sites == ["https://a.example/", "http://b.example/x"]
