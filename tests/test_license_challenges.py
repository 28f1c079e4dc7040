"""Servers that ask for a license or a payment, met by real crawls on loopback: asked once, by one name, and recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from askfirst.rights.model import Stage, Verdict
from tests.loopback_site import Reply, Site
from tests.scrapy_crawl import AGENT, check_record, crawl, decisions

pytestmark = pytest.mark.crawl

CHALLENGES = {
    "/cap": Reply("pay", status=401, headers=[("WWW-Authenticate", 'License realm="x"')]),
    "/linked": Reply(
        "pay", status=402, headers=[("Link", '<http://toll.test/r.xml>; rel="license"; type="application/rsl+xml"')]
    ),
    "/priced": Reply("pay", status=402, headers=[("crawler-price", "USD 0.02")]),
    "/plain": Reply("pay", status=402),
}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as found:
        yield found


@pytest.mark.parametrize("purpose", ["train", "search"])
async def test_a_challenge_is_met_once_and_recorded(site: Site, tmp_path: Path, purpose: str) -> None:
    """With Scrapy's retries on and its errors let through, each page that answers 401 or 402 is requested exactly once,
    under one User-Agent; nothing of it reaches the spider, and the decision says whom to ask for what."""
    urls = [site.publish("toll.test", path, reply) for path, reply in CHALLENGES.items()]
    settings = {"RETRY_ENABLED": True, "RETRY_TIMES": 3, "HTTPERROR_ALLOW_ALL": True, "ASKFIRST_PURPOSE": purpose}
    crawled = await crawl(tmp_path, urls, settings)
    assert Counter(v.url for v in site.visits if v.path in CHALLENGES) == dict.fromkeys(urls, 1)
    assert {v.agent for v in site.visits} == {AGENT}
    assert crawled.kept == []
    assert {(f.error, f.verdict, f.stage, f.because) for f in crawled.failed} == {
        ("Refused", "refuse", "keep", ("license-challenge",))
    }
    kept = {d.intent.url: d for d in decisions(crawled.out) if d.stage is Stage.KEEP}
    assert {d.verdict for d in kept.values()} == {Verdict.REFUSE}
    assert all(d.ask for d in kept.values())
    linked = kept[site.url("toll.test", "/linked")]
    assert linked.ask[0].terms_url == "http://toll.test/r.xml"
    terms = kept[site.url("toll.test", "/priced")].because[0].terms
    assert terms is not None
    assert terms.reference == "crawler-price USD 0.02"
    check_record(site, crawled.out)


async def test_askfirst_s_own_crawler_asks_once(site: Site, tmp_path: Path) -> None:
    """The crawler's own settings do not retry a challenge either."""
    script = """
from crawler import settings as own

told["settings"] |= {name: getattr(own, name) for name in dir(own) if name.startswith("RETRY")}
SPIDERS = [Watched]
"""
    urls = [site.publish("toll.test", path, reply) for path, reply in CHALLENGES.items()]
    await crawl(tmp_path, urls, script=script)
    assert Counter(v.url for v in site.visits if v.path in CHALLENGES) == dict.fromkeys(urls, 1)
