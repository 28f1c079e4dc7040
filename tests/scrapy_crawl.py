"""Real Scrapy crawls in processes of their own, and what is left of them: pages, failures, stats, and the record.

``crawl`` writes a script of the test's spiders, runs it with the two settings that open the door, and gives back what
the spiders saw. ``check_record`` is the invariant that every test of the door ends with: nothing was asked for without
an ALLOW that was recorded before, and every decision follows from the evidence that was kept.

A script's spiders stand on ``Watched`` (below): ``self.ask(url)`` makes a request whose callback and errback note what
came. Every class named in ``SPIDERS`` runs, each in a crawler of its own, in one process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from askfirst.edges.evidence_warc import read_evidence
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import Decision, Stage, Verdict
from askfirst.rights.policy import PROFILES, Policy
from askfirst.rights.record import parse_line
from askfirst.segments import read_log
from tests.loopback_site import Site

AGENT = "ExBot/1.0 (+https://ex.example/bot)"
WITHIN_S = 60

_BEFORE = """
import asyncio, json, sys
import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from middlewares import Refused

told = json.loads(sys.argv[1])
seen = {"kept": [], "failed": [], "items": [], "notes": []}


class Watched(scrapy.Spider):
    name = "watched"

    async def start(self):
        for url in told["urls"]:
            yield self.ask(url)

    def ask(self, url, callback=None, **more):
        more.setdefault("dont_filter", True)
        return scrapy.Request(url, callback or self.arrived, errback=self.failed, **more)

    def arrived(self, response):
        seen["kept"].append(response.url)

    def failed(self, failure):
        error, request = failure.value, failure.request
        told = {"url": request.url, "error": type(error).__name__, "words": str(error)}
        if isinstance(error, Refused):
            told["verdict"] = error.decision.verdict.word
            told["stage"] = error.decision.stage.value
            told["because"] = list(dict.fromkeys(signal.protocol for signal in error.decision.because))
            told["links"] = list(error.links)
        seen["failed"].append(told)


class Collect:
    def process_item(self, item):
        seen["items"].append(dict(item))
        return item

"""

_AFTER = """

process = AsyncCrawlerProcess(told["settings"])
crawlers = [process.create_crawler(spider) for spider in SPIDERS]
for crawler in crawlers:
    process.crawl(crawler)
process.start()
seen["stats"] = [crawler.stats.get_stats() if crawler.stats else {} for crawler in crawlers]
print(json.dumps(seen, default=str))
sys.exit(3 if process.bootstrap_failed else 0)
"""

PLAIN = "SPIDERS = [Watched]"


@dataclass(frozen=True, slots=True)
class Failed:
    """What an errback was told. ``verdict`` and what follows are there when the door refused."""

    url: str
    error: str
    words: str
    verdict: str = ""
    stage: str = ""
    because: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Crawled:
    """What a crawl left. ``stats`` are those of its first spider."""

    code: int
    log: str
    out: Path
    kept: list[str] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    all_stats: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stats(self) -> dict[str, Any]:
        return self.all_stats[0]

    def failure(self, url: str) -> Failed:
        """The one failure of this URL."""
        (failed,) = [f for f in self.failed if f.url == url]
        return failed


async def crawl(
    folder: Path,
    urls: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
    *,
    script: str = PLAIN,
    door: bool = True,
) -> Crawled:
    """One process of Scrapy, run to its end; fails when the process does. The record is in ``folder/record`` unless
    the settings say otherwise. Without ``door`` it is Scrapy as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "crawl.py"
    file.write_text(_BEFORE + script + _AFTER, encoding="utf-8")
    merged = {**_settings(folder, door=door), **(settings or {})}
    code, out, log = await run_python(folder, str(file), json.dumps({"urls": list(urls), "settings": merged}))
    assert code == 0, log
    seen = json.loads(out)
    return Crawled(
        code=code,
        log=log,
        out=Path(str(merged["ASKFIRST_OUT"])),
        kept=seen["kept"],
        failed=[
            Failed(**{**f, "because": tuple(f.get("because", ())), "links": tuple(f.get("links", ()))})
            for f in seen["failed"]
        ],
        items=seen["items"],
        notes=seen["notes"],
        all_stats=seen["stats"],
    )


async def run_python(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a Python process in the folder, which is ended with the test."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "no_proxy": "*"},
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def _settings(folder: Path, *, door: bool) -> dict[str, object]:
    settings: dict[str, object] = {
        "TWISTED_DNS_RESOLVER": "middlewares.GuardedResolver",
        "USER_AGENT": AGENT,
        "ASKFIRST_OUT": str(folder / "record"),
        "ASKFIRST_POLICY": "opt-out",
        "ASKFIRST_ALLOW_PRIVATE": ["127.0.0.0/8"],
        "ASKFIRST_RESOLVE": ["*.test=127.0.0.1"],
        "CONCURRENT_REQUESTS": 32,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 32,
        "DOWNLOAD_DELAY": 0,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "INFO",
        "ITEM_PIPELINES": {"__main__.Collect": 900},
    }
    if door:
        settings["ADDONS"] = {"middlewares.AskFirstAddon": 200}
    return settings


# -- the record ------------------------------------------------------------------------------------------------------


def decisions(out: Path) -> list[Decision]:
    """Every decision that was recorded, in order."""
    return [parse_line(line).decision for _, _, line in read_log(out / "decisions", note=_torn)]


def check_record(site: Site, *outs: Path, policies: Sequence[Policy] = ()) -> None:
    """INVARIANT: each page request has an ALLOW of its own, for exactly that URL, recorded before it arrived; every
    line is whole, and every decision follows from its evidence."""
    allowed: dict[str, list[Decision]] = {}
    for out in outs:
        for decision in decisions(out):
            if decision.stage is Stage.FETCH and decision.verdict is Verdict.ALLOW:
                allowed.setdefault(urldefrag(decision.intent.url)[0], []).append(decision)
    for visit in site.page_visits():
        assert any(d.decided_at <= visit.at for d in allowed.get(visit.url, ())), f"{visit.url} was not allowed before"
    for url, count in Counter(site.pages()).items():
        assert count <= len(allowed[url]), f"{url} was asked for more often than it was allowed"
    for out in outs:
        assert faults(out, policies) == []


def faults(out: Path, policies: Sequence[Policy] = ()) -> list[str]:
    """What replaying the record finds wrong."""
    evidenced = Evidenced(read_evidence(out / "evidence", note=_torn)) if (out / "evidence").exists() else Evidenced(())
    known = {p.digest: p for p in (*PROFILES.values(), *policies)}
    answers = [replay_recorded(line, evidenced, known) for _, _, line in read_log(out / "decisions", note=_torn)]
    return [answer for answer in answers if answer is not None]


def _torn(note: str) -> None:
    raise AssertionError(note)
