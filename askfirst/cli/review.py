"""``askfirst review FILE...``: was each fetch of a crawl allowed by what the publisher said then?

For crawls that others made: web archives, feeds, tables of URLs and times, and web servers' access logs. Exit status 0
when nothing was refused, 1 when something was, 2 for the operator's mistake or for records that could not be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from askfirst.cli.options import PolicyName
from askfirst.ports import SettingsError
from askfirst.review.access_log import Visit, read_access_log
from askfirst.review.bots import read_addresses, read_purposes
from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.judge import Judges
from askfirst.review.model import Fault, Outcome
from askfirst.review.said import Said
from askfirst.review.sources import FORMATS, Source, format_of, settle, table, take_evidence, warcs
from askfirst.review.summary import FILES, Findings, Nowhere, Summary, Written
from askfirst.review.tables import Columns
from askfirst.review.visits import Summary as VisitSummary
from askfirst.review.visits import Visitor, Visits, in_order
from askfirst.rights.model import Agent, Origin, Purpose
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import Policy
from askfirst.wiring import TOKEN, load_policy, open_inspect, parse_purpose

ACCESS_LOG: Final = "access-log"
_SPAN: Final = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHOWN_EVERY: Final = 2_000

Moved = Callable[[], None]


def review(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What was fetched, in one of the formats.")],
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", metavar="FILE|DIR", help="More captures: WARCs, or the output of a crawl."),
    ] = None,
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="What the crawl was for. Default: train; of bots, what they say.")
    ] = None,
    policy: PolicyName = "opt-out",
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="TOKEN", help="Judge for this robots.txt token, whoever asked.")
    ] = None,
    max_age: Annotated[
        str, typer.Option("--max-age", metavar="SPAN", help="How old a capture may be: 24h, 90m, 2d.")
    ] = "24h",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write every finding: JSON Lines, CSV, Parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    told_format: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "auto",
    url_field: Annotated[
        str | None, typer.Option("--url-field", metavar="NAME", help="The field or column that holds the URL.")
    ] = None,
    time_field: Annotated[
        str | None, typer.Option("--time-field", metavar="NAME", help="The field or column that holds the time.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="URL", help="Access logs: the site; its first is the default.")
    ] = None,
    said: Annotated[
        Path | None, typer.Option("--said", metavar="DIR", help="Access logs: what the site said, by date.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--said-since", metavar="DATE", help="Access logs: since when DIR stands as it is.")
    ] = None,
    addresses: Annotated[
        list[str] | None,
        typer.Option("--addresses", metavar="TOKEN=FILE", help="Access logs: the addresses that a bot publishes."),
    ] = None,
    bot_purpose: Annotated[
        list[str] | None, typer.Option("--bot-purpose", metavar="TOKEN=PURPOSE", help="Access logs: what a bot is for.")
    ] = None,
) -> None:
    """Review a crawl that somebody made: what was allowed, refused, or cannot be known, by what was said then."""
    chosen = load_policy(policy or "opt-out")
    wanted = None if purpose is None else parse_purpose(purpose)
    span = parse_span(max_age)
    who = None if agent is None else _agent(agent)
    told = {path: format_of(path, told_format) for path in files}
    logs = [path for path, kind in told.items() if kind == ACCESS_LOG]
    if logs and len(logs) < len(told):
        raise SettingsError("access logs are reviewed by themselves: they are judged by what one site said (--said)")
    if not logs and (site or said or since or addresses or bot_purpose):
        raise SettingsError("--site, --said, --said-since, --addresses and --bot-purpose are for access logs")
    if logs and (evidence or agent or url_field or time_field):
        raise SettingsError("--evidence, --agent, --url-field and --time-field are not for access logs; see --said")
    captures: Captures | None = None
    visitors: VisitSummary | None = None
    summary = Summary()
    with ExitStack() as opened:
        written: Written = Nowhere() if out is None else opened.enter_context(Findings(out))
        moved = opened.enter_context(_watched(summary))
        if logs:
            visits = _visits(chosen, site, said, since, addresses, bot_purpose, wanted)
            _review_logs(logs, visits, origin_of((site or [""])[0]), summary, written, moved)
            visitors = visits.summary()
        else:
            captures = Captures(chosen, max_age=span)
            _review_crawl(
                told, Columns(url=url_field, time=time_field), captures, evidence or [], summary, written, moved,
                policy=chosen, purpose=wanted or Purpose.TRAIN, agent=who,
            )  # fmt: skip
    _tell(summary, captures, visitors, as_json=as_json, out=out)
    if summary.fault_count:
        raise typer.Exit(2)
    if summary.counts[Outcome.REFUSED]:
        raise typer.Exit(1)


def parse_span(text: str) -> timedelta:
    """A span such as ``24h``; raises SettingsError."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise SettingsError(f"--max-age {text!r}: write a number and a unit, such as 24h, 90m or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _agent(token: str) -> Agent:
    if not TOKEN.fullmatch(token):
        raise SettingsError(f"--agent {token!r}: a robots.txt token has letters, '-' and '_' only, such as CCBot")
    return Agent(product_token=token, user_agent=token)


def _review_crawl(
    told: dict[Path, str], columns: Columns, captures: Captures, evidence: Sequence[Path], summary: Summary,
    written: Written, moved: Moved, *, policy: Policy, purpose: Purpose, agent: Agent | None,
) -> None:  # fmt: skip
    ears = Ears(policy, opens=open_inspect)
    for path in evidence:
        for fault in take_evidence(path, captures, ears):
            summary.add_fault(fault)
    paths = [path for path, kind in told.items() if kind == "warc"]
    archived, _size = warcs(paths, captures, ears, needs_agent=agent is None, read=lambda _bytes: moved())
    sources: list[Source] = [archived] if paths else []
    sources += [table(path, kind, columns) for path, kind in told.items() if kind != "warc"]
    for source in sources:
        source.collect()
    settle(captures, archived if paths else None)
    judges = Judges(captures, ears, purpose=purpose, agent=agent)
    for source in sources:
        for entry in source.entries():
            if isinstance(entry, Fault):
                summary.add_fault(entry)
                continue
            finding = judges.judge(entry)
            summary.add(finding)
            written.write(finding)
            moved()


def _visits(
    policy: Policy,
    site: Sequence[str] | None,
    said: Path | None,
    since: str | None,
    addresses: Sequence[str] | None,
    bot_purpose: Sequence[str] | None,
    purpose: Purpose | None,
) -> Visits:
    if not site:
        raise SettingsError("an access log does not say whose it is: name the site with --site https://example.org")
    if said is None:
        raise SettingsError("an access log does not say what the site said: name a folder with --said DIR")
    return Visits(
        Said.read(said, [origin_of(one) for one in site], since=since),
        policy,
        addresses=read_addresses(addresses or []),
        purposes=read_purposes(bot_purpose or []),
        unknown_purpose=purpose or Purpose.SEARCH,
    )


def _review_logs(
    logs: Sequence[Path], visits: Visits, site: Origin, summary: Summary, written: Written, moved: Moved
) -> None:
    for path in in_order(logs, site=site):
        for entry in read_access_log(path, site=site, count=visits.count):
            if isinstance(entry, Visit):
                finding = visits.find(entry)
                summary.add(finding)
                written.write(finding)
                moved()
            else:
                summary.add_fault(entry)


# -- what is printed --------------------------------------------------------------------------------------------------


def _tell(
    summary: Summary, captures: Captures | None, visitors: VisitSummary | None, *, as_json: bool, out: Path | None
) -> None:
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in summary.fault_lines():
        errors.print(line, markup=False)
    if as_json:
        wire = summary.to_wire()
        if captures is not None:
            origins, found = summary.captured(captures)
            wire["captures"] = {"origins": origins, "documents": found}
        if visitors is not None:
            wire["visitors"] = msgspec.to_builtins(visitors.visitors, enc_hook=str)
        print(msgspec.json.format(msgspec.json.encode(wire), indent=2).decode())
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in (*summary.lines(captures), *(() if visitors is None else _visitor_lines(visitors))):
        console.print(line, markup=False)
    if summary.fault_count:
        console.print(f"{summary.fault_count:,} records could not be read and were not judged", markup=False)
    if out is not None:
        console.print(f"every finding is in {out}: {', '.join(FILES)}", markup=False)


def _visitor_lines(visitors: VisitSummary) -> Iterator[str]:
    yield ""
    yield "by crawler:"
    yield from map(_visitor_line, visitors.visitors)
    if visitors.not_judged:
        yield f"  {visitors.not_judged:,} requests named no crawler and were not judged"
    yield from (f"  {number:,} lines hold no fetch: {why}" for why, number in sorted(visitors.skipped.items()))


def _visitor_line(visitor: Visitor) -> str:
    name = f"{visitor.token}, an impostor" if visitor.impostor else visitor.token
    known = ", ".join(f"{read.value} {number:,}" for read, number in sorted(visitor.read.items()) if number)
    read = f" (had read what refuses: {known})" if known else ""
    return (
        f"  {name}, for {visitor.judged_for}: {visitor.fetches:,} fetches, {visitor.refused:,} refused{read}, "
        f"{visitor.unknowable:,} unknowable, {visitor.turned_away:,} turned away, {visitor.looks:,} looks"
    )


@contextmanager
def _watched(summary: Summary) -> Iterator[Moved]:
    """A line that moves, on a terminal only."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} fetches judged"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def moved() -> None:
            if not summary.total % _SHOWN_EVERY:
                bar.update(task, completed=summary.total)

        yield moved
