"""``askfirst crawl URL…``: crawls the given sites, asking first, with a live display and a closing table.

The Scrapy project is named by its settings module only; it stands on this package, not the other way round. Scrapy's
own log goes to ``crawl.log`` in the output directory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from askfirst.cli import options
from askfirst.explain import shown
from askfirst.ports import EdgeError
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import PROFILES
from askfirst.rights.wire import canonical
from askfirst.wiring import DEFAULT_OUT, DEFAULT_USER_AGENT, SettingsError, open_cache, open_registry

SETTINGS_MODULE = "crawler.settings"
SUMMARY = "crawler.totals"
_QUIET_S = 10.0


def crawl(
    urls: Annotated[list[str], typer.Argument(metavar="URL…", help="Where to begin; links are followed within these sites.")],
    purpose: options.PurposeName = "train",
    policy: options.PolicyName = None,
    out: options.Out = Path(DEFAULT_OUT),
    cache: Annotated[
        str | None, typer.Option("--cache", metavar="URL", help="redis://…, sqlite:PATH or memory:. Default: SQLite in --out.")
    ] = None,
    registry: options.Registries = None,
    max_pages: Annotated[int, typer.Option("--max-pages", min=1, help="Stop after so many pages.")] = 10_000,
    depth: Annotated[int, typer.Option("--depth", min=0, help="How many links away from a start URL; 0 follows none.")] = 8,
    media: Annotated[bool, typer.Option("--media/--no-media", help="Also ask for the images that kept pages display.")] = True,
    user_agent: options.UserAgent = DEFAULT_USER_AGENT,
    allow_private: options.AllowPrivate = None,
    resolve: options.Resolve = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds for each look and each page.")] = 20,
    defer_wait_s: Annotated[float, typer.Option("--defer-wait", help="At most so many seconds until a deferred URL is tried again.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Crawl sites, fetching and keeping only what is allowed, and record why."""
    told = options.settings(
        purpose=purpose, policy=policy, user_agent=user_agent, registries=registry, allow_private=allow_private,
        resolve=resolve, out=out, cache=cache, look_timeout_s=timeout_s,
    )  # fmt: skip
    for url in urls:
        origin_of(url)
    open_cache(cache, out)
    for spec in registry or []:
        open_registry(spec)
    _make(out)
    project = {
        "ASKFIRST_PURPOSE": told.purpose.value,
        "ASKFIRST_POLICY": policy,
        "ASKFIRST_OUT": str(out),
        "ASKFIRST_CACHE": cache,
        "ASKFIRST_REGISTRY": list(registry or []),
        "ASKFIRST_ALLOW_PRIVATE": list(allow_private or []),
        "ASKFIRST_RESOLVE": list(resolve or []),
        "ASKFIRST_LOOK_TIMEOUT_S": timeout_s,
        "ASKFIRST_DEFER_WAIT_S": defer_wait_s,
        "USER_AGENT": user_agent,
        "DOWNLOAD_TIMEOUT": timeout_s,
        "LOG_FILE": str(out / "crawl.log"),
        "LOG_LEVEL": "INFO",
    }
    arguments = {"sites": list(urls), "max_pages": max_pages, "depth": depth, "media": media}
    reason = _run(project, arguments, show=not as_json, max_pages=max_pages)
    summary = import_module(SUMMARY).summarize(out)
    if as_json:
        sys.stdout.buffer.write(canonical(summary) + b"\n")
        sys.stdout.buffer.flush()
    else:
        closing_table(Console(highlight=False), summary, out)
    if reason not in _ENDED_WELL:
        raise EdgeError(f"the crawl stopped early: {reason}; see {out / 'crawl.log'}, and run the same command to go on")


_ENDED_WELL = {"finished", "closespider_pagecount", "closespider_itemcount", "max_pages"}


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "crawl.log").open("a", encoding="utf-8"):
            return
    except OSError as error:
        raise SettingsError(f"--out {out}: {error.strerror}; name a directory that can be written") from None


def _run(project: Mapping[str, object], arguments: Mapping[str, object], *, show: bool, max_pages: int) -> str:
    """Runs the spider to its end; gives the reason why it ended."""
    from scrapy.crawler import CrawlerProcess  # noqa: PLC0415  # Twisted takes its time, and only this command needs it
    from scrapy.settings import Settings  # noqa: PLC0415  # the same

    settings = Settings()
    settings.setmodule(SETTINGS_MODULE, priority="project")
    settings.setdict({k: v for k, v in project.items() if v is not None}, priority="cmdline")
    process = CrawlerProcess(settings)
    crawler = process.create_crawler("site")
    process.crawl(crawler, **arguments)
    stats = crawler.stats
    with Progress(lambda: {} if stats is None and crawler.stats is None else _figures(crawler.stats), max_pages, show=show):
        process.start()
    if crawler.stats is None:
        raise EdgeError(f"the crawl did not start; see {project['LOG_FILE']}")
    return str(crawler.stats.get_value("finish_reason") or "it did not start")


def _figures(stats: object) -> dict[str, int]:
    values = stats.get_stats() if hasattr(stats, "get_stats") else {}
    return {key: value for key, value in values.items() if isinstance(value, int)}


class Progress:
    """The live display: a few figures, four times a second on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, figures: object, max_pages: int, *, show: bool) -> None:
        self._figures = figures
        self._max_pages = max_pages
        self._began = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        if show and self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _render(self) -> Text:
        figures: dict[str, int] = self._figures() if callable(self._figures) else {}
        passed_s = time.monotonic() - self._began
        kept = figures.get("askfirst/keep/allow", 0)
        line = Text(f"asking first  {passed_s:6.1f} s  ")
        for label, style, keys in _SHOWN:
            line.append(f"{label} {sum(figures.get(k, 0) for k in keys):,}  ", style=style)
        rate = figures.get("downloader/response_count", 0) / passed_s if passed_s else 0
        return line.append(f"{rate:.0f} answers/s  {min(kept / self._max_pages, 1):.0%} of --max-pages", style="dim")


_SHOWN = (
    ("kept", "green", ("askfirst/keep/allow",)),
    ("refused", "red", ("askfirst/fetch/refuse", "askfirst/keep/refuse")),
    ("deferred", "yellow", ("askfirst/fetch/defer", "askfirst/keep/defer")),
)


def closing_table(console: Console, summary: Mapping[str, object], out: Path) -> None:
    """Kept, refused by which signal, deferred, silent, whom to ask."""
    raise NotImplementedError
