"""``askfirst demo``: crawls the built-in lab web under opt-out and then opt-in, and shows the two side by side.

The lab is a web of small sites on loopback, each a story. It is named by its module only, like the Scrapy project. At
the end the lab's own access log is held against the decisions: no request may be without one. The records are verified,
each gets a report, and one refusal a proof.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Protocol, Self, cast
from urllib.parse import urldefrag, urlsplit

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from askfirst.audit.prove import prove
from askfirst.audit.verify import verify
from askfirst.edges.evidence_warc import read_evidence
from askfirst.edges.registry_sqlite import SqliteRegistry
from askfirst.gate import utc_now
from askfirst.ports import EdgeError, SettingsError
from askfirst.report.writing import write_report
from askfirst.rights.consent import parse_record
from askfirst.rights.model import Kind
from askfirst.segments import read_log

LAB = "crawler.lab"
POLICIES = ("opt-out", "opt-in")
ASKFIRST = ".venv/bin/askfirst"
WIDE = 140
LOOKED_AT = frozenset({Kind.WELL_KNOWN, Kind.LICENSE, Kind.POLICY, Kind.CONTACT})
"""What is requested to find out what is allowed; everything else needs leave."""


class Visit(Protocol):
    """One request that the lab saw."""

    host: str
    path: str


class LabSite(Protocol):
    """One story of the lab."""

    host: str
    trait: str


class RunningLab(Protocol):
    """The lab while it runs."""

    port: int
    seeds: list[str]
    resolve: str
    allow_private: str
    registry_records: list[Mapping[str, object]]

    def requests(self) -> list[Visit]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


@dataclass(slots=True)
class Tally:
    """What became of one site under one policy."""

    kept: int = 0
    refused: int = 0
    deferred: int = 0
    because: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Crawled:
    """One crawl of the lab: its tallies by site, what was asked for without leave, and an id to explain."""

    tallies: Mapping[str, Tally]
    visits: int
    trespasses: tuple[str, ...]
    example: str | None
    took_s: float


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Where the two records go; what an earlier demo left is replaced.")
    ] = Path("demo-out"),
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Leave the records for you to look at.")] = True,
) -> None:
    """Crawl the built-in lab web under opt-out and opt-in, and show the two side by side."""
    console = Console(highlight=False)
    _clear(out)
    crawls = {policy: _crawl(policy, out / policy, Console(stderr=True, highlight=False)) for policy in POLICIES}
    _show(console, crawls, out)
    whole = _account(console, crawls["opt-out"].example, out)
    if not keep:
        shutil.rmtree(out)
    if not whole or any(crawled.trespasses for crawled in crawls.values()):
        raise typer.Exit(1)


def _clear(out: Path) -> None:
    """An earlier demo's records go; anything else stays, and is an error."""
    if out.exists() and {entry.name for entry in out.iterdir()} - {*POLICIES}:
        raise SettingsError(f"--out {out}: holds other things than a demo's records; name another directory")
    for policy in POLICIES:
        shutil.rmtree(out / policy, ignore_errors=True)


def _crawl(policy: str, out: Path, console: Console) -> Crawled:
    out.mkdir(parents=True)
    began = time.monotonic()
    with cast("RunningLab", import_module(LAB).Lab.start(log=out / "lab-access.jsonl")) as lab:
        console.print(f"the lab web is up: {len(lab.seeds)} sites; crawling it under policy {policy}")
        registry = out / "registry.sqlite"
        SqliteRegistry(registry, name="lab", clock=utc_now).add(parse_record(r) for r in lab.registry_records)
        command = [
            sys.executable, "-m", "askfirst", "crawl", *lab.seeds, "--purpose", "train", "--policy", policy,
            "--out", str(out), "--registry", str(registry), "--allow-private", lab.allow_private,
            "--resolve", lab.resolve, "--timeout", "2", "--defer-wait", "1", "--delay", "0", "--brief",
        ]  # fmt: skip
        done = subprocess.run(command, check=False)  # noqa: S603  # this interpreter, our own module
        if done.returncode:
            raise EdgeError(f"the crawl under {policy} ended with exit code {done.returncode}; see {out / 'crawl.log'}")
        visits = lab.requests()
        port = lab.port
    return _crawled(out, visits, port, time.monotonic() - began)


def _crawled(out: Path, visits: Iterable[Visit], port: int, took_s: float) -> Crawled:
    allowed: set[str] = set()
    relied_on: set[tuple[str, str, str]] = set()
    last: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    example: str | None = None
    for _path, _number, line in read_log(out / "decisions"):
        told = msgspec.json.decode(line)
        url, stage, verdict = told["url"], told["stage"], told["verdict"]
        relied_on.update((seen["kind"], seen["url"], seen["digest"]) for seen in told["looked_at"])
        if (stage, verdict) == ("fetch", "allow"):
            allowed.add(url)
            continue
        reasons = tuple(signal["protocol"] for signal in told["because"]) or ("silence",)
        last[url] = (stage, verdict, reasons)
        if example is None and (verdict, reasons) == ("refuse", ("tdmrep",)):
            example = told["id"]
    tallies: dict[str, Tally] = defaultdict(Tally)
    for url, (_stage, verdict, reasons) in last.items():
        tally = tallies[urlsplit(url).hostname or ""]
        if verdict == "allow":
            tally.kept += 1
            continue
        tally.refused += verdict == "refuse"
        tally.deferred += verdict == "defer"
        tally.because.update(set(reasons))
    asked = [f"http://{visit.host}:{port}{visit.path}" for visit in visits]
    # A look at a document needs no leave, and neither do the redirects that it follows (RFC 9309 section 2.3.1.2). What
    # was a look is told by the record: a decision names what it looked at, and the evidence holds it.
    for seen in read_evidence(out / "evidence"):
        document = seen.document
        if document.kind in LOOKED_AT and (document.kind.value, document.url, seen.digest) in relied_on:
            allowed.update((urldefrag(document.url).url, *seen.redirects))
    trespasses = tuple(url for url in asked if url not in allowed)
    return Crawled(tallies, len(asked), trespasses, example, took_s)


def _show(console: Console, crawls: Mapping[str, Crawled], out: Path) -> None:
    if not console.is_terminal:
        console.width = WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("site", no_wrap=True, min_width=12)
    table.add_column("its story", no_wrap=True, overflow="ellipsis", max_width=max(24, console.width - 81))
    for policy in crawls:
        table.add_column(policy, no_wrap=True, min_width=17)
    table.add_column("because (opt-out)", no_wrap=True, min_width=25)
    sites = cast("Iterable[LabSite]", import_module(LAB).SITES)
    for site in sites:
        tallies = [crawled.tallies.get(site.host, Tally()) for crawled in crawls.values()]
        why = ", ".join(sorted(tallies[0].because))
        table.add_row(site.host.partition(".")[0], site.trait, *map(_cell, tallies), Text(why, style="dim"))
    console.print(table)
    console.print()
    for policy, crawled in crawls.items():
        line = Text(f"{policy}: ").append_text(_cell(_sum(crawled.tallies.values())))
        line.append(f"; {crawled.visits} requests in the lab's own access log, ")
        line.append(f"{len(crawled.trespasses)} of them not allowed", style="red" if crawled.trespasses else "green")
        console.print(line.append(f" ({crawled.took_s:.1f} s)"), soft_wrap=True)
        for url in crawled.trespasses[:5]:
            console.print(f"  {url}", style="red", markup=False)
    example = crawls["opt-out"].example
    if example is not None:
        console.print(f"why was one refused? {ASKFIRST} explain {example[7:19]} --in {out}/opt-out", soft_wrap=True)


def _account(console: Console, example: str | None, out: Path) -> bool:
    """Verifies the records, writes their reports and the proof of one refusal; gives whether the records are whole."""
    verified = {policy: verify(out / policy) for policy in POLICIES}
    for policy, found in verified.items():
        answer = found.summary().splitlines()[-1]
        line = Text(f"{policy}: {found.records} decisions under signed checkpoints, ")
        console.print(line.append(answer, style="green" if found.whole else "red"), soft_wrap=True)
        page = write_report(out / policy, out / policy / "report", now=utc_now(), verified=answer).files[0]
        console.print(f"  its report, for a browser: {page}", soft_wrap=True)
    if example is not None:
        path = out / "opt-out" / "refused.proof.json"
        path.write_bytes(prove(out / "opt-out", example))
        # its path is longer or shorter by which checkpoint came next
        size_kb = 5 * round(path.stat().st_size / 1024 / 5)
        console.print(
            f"the proof of that refusal (about {size_kb} kB, needs nothing else): {ASKFIRST} audit check-proof {path}",
            soft_wrap=True,
        )
    return all(found.whole for found in verified.values())


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.kept += tally.kept
        total.refused += tally.refused
        total.deferred += tally.deferred
    return total


def _cell(tally: Tally) -> Text:
    cell = Text()
    for count, word, style in (
        (tally.kept, "kept", "green"), (tally.refused, "refused", "red"), (tally.deferred, "deferred", "yellow"),
    ):  # fmt: skip
        if count:
            cell.append(f"{', ' if cell else ''}{count} {word}", style=style)
    return cell or Text("-", style="dim")
