"""``askfirst crawl URL…``: crawls the given sites, asking first, with a live display and a closing table.

The Scrapy project is named by its settings module only; it stands on this package, not the other way round. Scrapy's
own log goes to ``crawl.log`` in the output directory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from scrapy.statscollectors import StatsCollector
from twisted.python.failure import Failure

from askfirst.cli import options
from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.origins import origin_of
from askfirst.rights.wire import canonical
from askfirst.wiring import DEFAULT_OUT, DEFAULT_USER_AGENT, open_cache, open_registry

SETTINGS_MODULE = "crawler.settings"
SUMMARY = "crawler.totals"


def crawl(
    urls: Annotated[
        list[str], typer.Argument(metavar="URL…", help="Where to begin; links are followed within these sites.")
    ],
    purpose: options.PurposeName = "train",
    policy: options.PolicyName = None,
    out: options.Out = Path(DEFAULT_OUT),
    cache: Annotated[
        str | None,
        typer.Option("--cache", metavar="URL", help="redis://…, sqlite:PATH or memory:. Default: SQLite in --out."),
    ] = None,
    registry: options.Registries = None,
    max_pages: Annotated[int, typer.Option("--max-pages", min=1, help="Stop after so many pages.")] = 10_000,
    depth: Annotated[
        int, typer.Option("--depth", min=0, help="How many links away from a start URL; 0 follows none.")
    ] = 8,
    media: Annotated[
        bool, typer.Option("--media/--no-media", help="Also ask for the images that kept pages display.")
    ] = True,
    user_agent: options.UserAgent = DEFAULT_USER_AGENT,
    allow_private: options.AllowPrivate = None,
    resolve: options.Resolve = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds for each look and each page.")] = 20,
    defer_wait_s: Annotated[
        float, typer.Option("--defer-wait", help="At most so many seconds until a deferred URL is tried again.")
    ] = 60,
    delay_s: Annotated[
        float, typer.Option("--delay", min=0, help="Seconds between two requests to one host; 0 for none.")
    ] = 0.25,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Print no closing table.")] = False,
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
        "DOWNLOAD_DELAY": delay_s,
        "AUTOTHROTTLE_ENABLED": delay_s > 0,
        "LOG_FILE": str(out / "crawl.log"),
        "LOG_LEVEL": "INFO",
    }
    arguments = {"sites": list(urls), "max_pages": max_pages, "depth": depth, "media": media}
    reason = _run(project, arguments, show=not as_json, max_pages=max_pages)
    summary = import_module(SUMMARY).summarize(out)
    if as_json:
        sys.stdout.buffer.write(canonical(summary) + b"\n")
        sys.stdout.buffer.flush()
    elif not brief:
        closing_table(Console(highlight=False), summary, out)
    if reason not in _ENDED_WELL:
        raise EdgeError(
            f"the crawl stopped early: {reason}; see {out / 'crawl.log'}, and run the same command to go on"
        )


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
    failed: list[BaseException] = []

    def fail(failure: Failure) -> None:
        if failure.value is not None:
            failed.append(failure.value)

    process.crawl(crawler, **arguments).addErrback(fail)
    with Progress(lambda: _figures(crawler.stats), max_pages, show=show):
        process.start()
    if failed:
        raise failed[0]
    if crawler.stats is None:
        raise EdgeError(f"the crawl did not start; see {project['LOG_FILE']}")
    return str(crawler.stats.get_value("finish_reason") or "it did not start")


def _figures(stats: StatsCollector | None) -> dict[str, int]:
    if stats is None:
        return {}
    return {key: value for key, value in stats.get_stats().items() if isinstance(value, int)}


class Progress:
    """The live display: a few figures, four times a second; nothing where there is no terminal."""

    def __init__(self, figures: Callable[[], Mapping[str, int]], max_pages: int, *, show: bool) -> None:
        self._figures = figures
        self._max_pages = max_pages
        self._began = time.monotonic()
        console = Console(stderr=True, highlight=False)
        self._live = (
            Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)
            if show and console.is_terminal
            else None
        )

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _render(self) -> Text:
        figures = self._figures()
        passed_s = time.monotonic() - self._began
        line = Text(f"asking first  {passed_s:6.1f} s  ")
        for label, style, keys in _SHOWN:
            line.append(f"{label} {sum(figures.get(key, 0) for key in keys):,}  ", style=style)
        answers = figures.get("downloader/response_count", 0)
        return line.append(f"{answers:,} answers, {answers / max(passed_s, 0.1):.0f}/s", style="dim")


_SHOWN = (
    ("kept", "green", ("askfirst/keep/allow",)),
    ("refused", "red", ("askfirst/fetch/refuse", "askfirst/keep/refuse")),
    ("deferred", "yellow", ("askfirst/fetch/defer", "askfirst/keep/defer")),
)


def closing_table(console: Console, summary: Mapping[str, object], out: Path) -> None:
    """Kept, refused by which signal, deferred, silent, whom to ask."""
    kept, addresses = _table(summary, "kept"), _table(summary, "addresses")
    because, silence = _table(summary, "because"), _table(summary, "silence")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_row(_number(kept, "items"), f"kept ({_size(kept)} from {_number(kept, 'domains')} registrable domains)")
    for verdict, what in (("refuse", "refused by"), ("defer", "deferred by")):
        for protocol, count in sorted(_table(because, verdict).items(), key=lambda entry: -int(str(entry[1]))):
            table.add_row(f"{count:,}", f"{what} {protocol}", style="red" if verdict == "refuse" else "yellow")
    if addresses.get("deferred"):
        table.add_row(
            _number(addresses, "deferred"), "addresses left for the next run, because they could not be decided about"
        )
    console.print(table)
    would = silence.get("opt_out_would_keep")
    policy = _table(summary, "policy").get("name")
    if would and policy not in (None, "opt-out"):
        console.print(f"policy {policy}: silence refused {would:,} addresses that --policy opt-out would have kept")
    console.print(f"whom to ask: {out / 'ask.csv'}; the record: {out / 'decisions'}", soft_wrap=True)
    console.print(f"why one fell so: askfirst explain URL --in {out}", soft_wrap=True)


def _table(summary: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = summary.get(name)
    return value if isinstance(value, Mapping) else {}


def _number(table: Mapping[str, object], name: str) -> str:
    value = table.get(name, 0)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _size(kept: Mapping[str, object]) -> str:
    size = float(str(kept.get("bytes", 0)))
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable: the last unit takes everything")
