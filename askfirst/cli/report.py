"""``askfirst report DIR``: a page, tables and, on request, the EU's training summary, from the record of a crawl."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from askfirst.audit.verify import verify as verify_record
from askfirst.ports import SettingsError
from askfirst.report.eu_summary import TEMPLATE, Provider
from askfirst.report.writing import Report, write_report
from askfirst.wiring import load_policy


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The output directory of a crawl.")],
    to: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="Where the report goes. Default: DIR/report.")
    ] = None,
    template: Annotated[str | None, typer.Option("--template", help=f"Also fill a template: {TEMPLATE}.")] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="For the template: who provides the model.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="For the template: the model that is trained.")
    ] = None,
    sme: Annotated[
        bool, typer.Option("--sme", help="For the template: a small or medium-sized enterprise names fewer domains.")
    ] = False,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", help="For the template: a policy file that the crawl used.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify the record first, and say on the page what came of it.")
    ] = False,
) -> None:
    """Write a report of a crawl's record: one page for a browser, and tables as CSV and Parquet."""
    if template not in (None, TEMPLATE):
        raise SettingsError(f"--template {template}: is not known; write {TEMPLATE}")
    if template is None and (provider or model or sme or policy):
        raise SettingsError(f"--provider, --model, --sme and --policy are for a template; add --template {TEMPLATE}")
    policies = {loaded.digest: loaded for loaded in map(load_policy, policy or [])}
    asked = None if template is None else Provider(name=provider, model=model, sme=sme, policies=policies)
    verified = verify_record(folder).summary().splitlines()[-1] if verify else None
    with _watched() as progress:
        made = write_report(
            folder, to or folder / "report", now=datetime.now(UTC), verified=verified, eu=asked, progress=progress
        )
    console = Console(soft_wrap=True, highlight=False)
    tell(console, made)
    if verified is not None:
        console.print(verified, markup=False)


def tell(console: Console, made: Report) -> None:
    """What was written, and what could not be counted."""
    page = made.files[0]
    console.print(f"{page}: {made.decisions:,} decisions and {made.items:,} items", markup=False)
    for path in made.files[1:3] if any(TEMPLATE in path.name for path in made.files) else ():
        console.print(str(path), markup=False)
    console.print(f"tables as CSV and Parquet are in {page.parent}", markup=False)
    if made.noted:
        console.print(f"{made.noted:,} parts of the record could not be counted; the page lists them", markup=False)


@contextmanager
def _watched() -> Iterator[Callable[[int], None]]:
    """A line that moves, on a terminal only."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} decisions read"), TimeElapsedColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal
    ) as p:
        task = p.add_task("", total=None)
        yield lambda number: p.update(task, completed=number)
