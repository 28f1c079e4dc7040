"""How many pages per second a crawl makes, beside plain Scrapy with ``ROBOTSTXT_OBEY``.

The same bare spider asks for 2,000 small pages on 20 loopback hosts, with the same settings (``SETTINGS``), in a
process of its own per crawl. AskFirst is added as people add it: by its two settings. Its looks at the well-known
documents of each host, two decisions per page, the decision log and the evidence are all inside the time.

Rules:

1. The time is from ``spider_opened`` to ``spider_closed``: what both need to start (imports) is outside.
2. A crawl that did not do all its work is no measurement: every page must have arrived, and with AskFirst every page
   must have its two decisions in the log, and evidence.
"""

from __future__ import annotations

import contextlib
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from redis import Redis
from scrapy import Request, Spider, signals
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response

from askfirst.rights.model import Origin
from askfirst.rights.policy import OPT_OUT
from askfirst.rights.read import plan
from bench import servers
from bench.robots import robots_file
from bench.rounds import Row, at_least, in_shuffled_rounds, median_ratio, say, shown

HOSTS = tuple(f"127.0.1.{number}" for number in range(1, 21))
LOOKS_PER_HOST = len(plan(Origin(scheme="http", host="h.example", port=80), OPT_OUT))
PAGES_PER_HOST = 100
PAGES = len(HOSTS) * PAGES_PER_HOST
RULES = 50
BOUND = 0.95

SETTINGS: dict[str, Any] = {
    "USER_AGENT": "BenchBot/1.0 (+https://bench.example/bot)",
    "CONCURRENT_REQUESTS": 32,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
    "LOG_LEVEL": "WARNING",
    "TELNETCONSOLE_ENABLED": False,
    "COOKIES_ENABLED": False,
}


# -- the site ---------------------------------------------------------------------------------------------------------

WORDS = ("harbor", "light", "paper", "winter", "street", "garden", "morning", "bridge", "window", "letter", "river")


def page(number: int) -> str:
    """A page of about 4 kB with the head that pages have. None of it speaks of machine learning."""
    dice = random.Random(number)
    title = " ".join(dice.choices(WORDS, k=5)).capitalize()
    robots = '<meta name="robots" content="index,follow">\n' if number % 4 == 0 else ""
    links = "".join(
        f'<li><a href="/p/{dice.randrange(PAGES_PER_HOST)}.html">{dice.choice(WORDS)}</a>' for _ in "12345678"
    )
    text = "".join(f"<p>{' '.join(dice.choices(WORDS, k=62))}.</p>\n" for _ in range(6))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        f'<meta name="description" content="{title}: {" ".join(dice.choices(WORDS, k=20))}.">\n'
        f'<meta property="og:title" content="{title}">\n<meta property="og:type" content="article">\n'
        f'<meta property="og:image" content="/img/{number}.jpg">\n{robots}'
        '<link rel="stylesheet" href="/style.css">\n<link rel="icon" href="/favicon.ico">\n</head>\n'
        f'<body>\n<nav><ul>{links}</ul></nav>\n<main><h1>{title}</h1>\n<img src="/img/{number}.jpg" alt="{title}">\n'
        f"{text}</main>\n<footer><p>Printed in the old way.</p></footer>\n</body>\n</html>\n"
    )


def build_site(root: Path) -> None:
    """Pages and a robots.txt of 50 rules, and nothing else: ai.txt and tdmrep.json are 404, as nearly everywhere."""
    (root / "p").mkdir(parents=True)
    (root / "robots.txt").write_bytes(robots_file(RULES))
    for number in range(PAGES_PER_HOST):
        (root / "p" / f"{number}.html").write_text(page(number), encoding="utf-8")


# -- one crawl, in its own process ------------------------------------------------------------------------------------


class Counting(Spider):
    """Asks for every page and counts what comes."""

    name = "counting"

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.pages = 0

    async def start(self) -> AsyncIterator[Any]:
        for number in range(PAGES_PER_HOST):
            for host in HOSTS:
                yield Request(f"http://{host}:{self.port}/p/{number}.html", callback=self.count)

    def count(self, response: Response) -> None:
        assert response.status == 200
        self.pages += 1


def crawl(port: int, added: dict[str, Any]) -> dict[str, float]:
    """One crawl in this process, which can make no other one."""
    process = AsyncCrawlerProcess({**SETTINGS, **added})
    crawler = process.create_crawler(Counting)
    times: dict[str, float] = {}

    def opened() -> None:
        times["opened"], times["cpu"] = time.perf_counter(), time.process_time()

    def closed() -> None:
        times["closed"], times["cpu"] = time.perf_counter(), time.process_time() - times["cpu"]

    crawler.signals.connect(opened, signal=signals.spider_opened)
    crawler.signals.connect(closed, signal=signals.spider_closed)
    process.crawl(crawler, port=port)
    if added.get("BENCH_SPARED"):
        gc.collect()
        gc.freeze()
        gc.set_threshold(30_000, *gc.get_threshold()[1:])
    process.start()
    assert isinstance(crawler.spider, Counting)
    assert crawler.stats is not None
    return {
        "pages": crawler.spider.pages,
        "s": times["closed"] - times["opened"],
        "cpu_s": times["cpu"],
        "robots": crawler.stats.get_value("robotstxt/response_count", 0),
        "looks": crawler.stats.get_value("askfirst/looks/asked", 0),
    }


# -- many crawls ------------------------------------------------------------------------------------------------------


def _run(port: int, added: dict[str, Any]) -> dict[str, float]:
    began = time.perf_counter()
    told = json.dumps({"port": port, "added": added})
    done = subprocess.run([sys.executable, "-m", "bench.crawl", told], capture_output=True, check=False)
    found: dict[str, float] = {} if done.returncode else json.loads(done.stdout)
    if found.get("pages") != PAGES:
        raise AssertionError(f"a crawl got {found.get('pages', 0)} of {PAGES} pages: {done.stderr.decode()[-2000:]}")
    return {**found, "process_s": time.perf_counter() - began}


def plain(port: int, *, spared: bool = False) -> dict[str, float]:
    """Scrapy's own answer to robots.txt; ``spared``: with the collector treated as AskFirst's add-on does."""
    found = _run(port, {"ROBOTSTXT_OBEY": True, "BENCH_SPARED": spared})
    assert found["robots"] == len(HOSTS)
    return found


def asking_first(port: int, cache: Callable[[], str | None]) -> dict[str, float]:
    """AskFirst's, with everything it writes counted."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record"
        added: dict[str, Any] = {
            "ADDONS": {"middlewares.AskFirstAddon": 200},
            "TWISTED_DNS_RESOLVER": "middlewares.GuardedResolver",
            "ASKFIRST_POLICY": "opt-out",
            "ASKFIRST_ALLOW_PRIVATE": "127.0.0.0/8",
            "ASKFIRST_OUT": str(out),
        }
        url = cache()
        found = _run(port, added | ({"ASKFIRST_CACHE": url} if url is not None else {}))
        lines = [line for path in (out / "decisions").glob("*.jsonl") for line in path.read_bytes().splitlines()]
        stages = [json.loads(line)["stage"] for line in lines]
        assert (stages.count("fetch"), stages.count("keep"), len(stages)) == (PAGES, PAGES, 2 * PAGES)
        evidence = [path.stat().st_size for path in (out / "evidence").glob("*.warc")]
        assert len(evidence) == 1
        assert evidence[0] > 0
        assert found["looks"] == LOOKS_PER_HOST * len(HOSTS)
        return found


def measure(rounds: int = 7) -> list[Row]:
    """The rows of the crawl."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # nginx may serve as another user
        build_site(home / "site")
        with servers.web(home / "site", home, HOSTS) as (server, port), servers.store(home) as store:
            say(f"crawl: {PAGES} pages on {len(HOSTS)} hosts ({server}), {rounds} rounds of four crawls")
            tasks = {
                "scrapy": partial(plain, port),
                "sqlite": partial(asking_first, port, lambda: None),
                "redis": partial(asking_first, port, partial(_emptied, store)),
                "spared": partial(plain, port, spared=True),
            }
            found = in_shuffled_rounds(tasks, rounds)
    return _rows(found, server)


def _emptied(url: str) -> str:
    """The store without what the crawl before left in it, so that each crawl is the first to look."""
    with contextlib.closing(Redis.from_url(url)) as client:
        client.flushall()
    return url


def _rows(found: dict[str, list[dict[str, float]]], server: str) -> list[Row]:
    speeds = {name: [PAGES / crawl["s"] for crawl in crawls] for name, crawls in found.items()}
    rows = []
    for name, store in (("sqlite", "SQLite"), ("redis", "Valkey")):
        rows.append(
            at_least(
                f"crawl of {PAGES} pages ({server}), {store}: pages/s",
                median_ratio(speeds[name], speeds["scrapy"]),
                BOUND,
                ours=f"{median(speeds[name]):.0f} pages/s",
                theirs=f"{median(speeds['scrapy']):.0f} pages/s",
            )
        )
        for what, unit in (("cpu_s", "CPU"), ("process_s", "whole process")):
            ours, theirs = [one[what] for one in found[name]], [one[what] for one in found["scrapy"]]
            rows.append(
                shown(
                    f"  the same, seconds of {unit}",
                    median_ratio(ours, theirs),
                    ours=f"{median(ours):.2f} s",
                    theirs=f"{median(theirs):.2f} s",
                )
            )
    rows.append(
        shown(
            "  plain Scrapy, its collector spared as well: pages/s",
            median_ratio(speeds["spared"], speeds["scrapy"]),
            ours=f"{median(speeds['spared']):.0f} pages/s",
            theirs=f"{median(speeds['scrapy']):.0f} pages/s",
        )
    )
    return rows


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(crawl(given["port"], given["added"])))
