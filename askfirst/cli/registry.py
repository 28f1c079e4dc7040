"""``askfirst registry add|list|import|remove``: the local consent registry, one SQLite file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from askfirst.edges.registry_sqlite import RegistryFileError, SqliteRegistry
from askfirst.explain import shown
from askfirst.gate import utc_now
from askfirst.ports import SettingsError
from askfirst.rights.consent import RecordError, parse_record

DEFAULT_FILE = Path("askfirst-registry.sqlite")

app = typer.Typer(
    help="The local consent registry: who granted or refused what, for which place.", no_args_is_help=True
)
File = Annotated[
    Path, typer.Option("--registry", metavar="FILE", help="The registry's file; made when it is not there.")
]


def _open(path: Path, *, must_exist: bool) -> SqliteRegistry:
    if must_exist and not path.exists():
        raise SettingsError(f"registry {path}: no such file; 'askfirst registry add' or 'import' makes it")
    return SqliteRegistry(path, name=path.stem, clock=utc_now)


@app.command("add")
def add(
    scope: Annotated[str, typer.Argument(help="A domain, a URL prefix that ends in /, or a URL.")],
    verdict: Annotated[str, typer.Argument(help="grant or refuse")],
    categories: Annotated[list[str], typer.Argument(help="search, ai-input, tdm, train, train-generative")],
    registry: File = DEFAULT_FILE,
    grantee: Annotated[
        str | None, typer.Option(help="The product token it is addressed to; anyone, if left out.")
    ] = None,
    terms: Annotated[str | None, typer.Option(help="Where the terms are published.")] = None,
    valid_until: Annotated[str | None, typer.Option(help="A date or time, such as 2027-12-31.")] = None,
    reference: Annotated[str | None, typer.Option(help="What proves it: a contract, a ticket, a letter.")] = None,
) -> None:
    """Add one record."""
    given = {
        "scope": scope, "verdict": verdict, "categories": categories, "grantee": grantee, "terms": terms,
        "valid_until": valid_until, "reference": reference,
    }  # fmt: skip
    try:
        record = parse_record({key: value for key, value in given.items() if value is not None})
        _open(registry, must_exist=False).add([record])
    except RecordError as error:
        raise SettingsError(f"record for {scope!r}: {error}") from None
    Console(highlight=False).print(
        f"added to {registry}: {shown(scope)} {verdict} {' '.join(categories)}", markup=False
    )


@app.command("list")
def list_records(
    registry: File = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines, as 'import' reads them.")] = False,
) -> None:
    """List all records."""
    records = _open(registry, must_exist=True).list_records()
    if as_json:
        for record in records:
            sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
        sys.stdout.buffer.flush()
        return
    columns = ("scope", "verdict", "categories", "grantee", "valid_until", "reference", "terms")
    table = Table(*(name.replace("_", " ") for name in columns), box=None, header_style="bold", pad_edge=False)
    for record in records:
        table.add_row(*(_cell(record.get(name)) for name in columns))
    Console(highlight=False).print(table)
    Console(highlight=False).print(f"{table.row_count} records in {registry}")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return shown(" ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


@app.command("import")
def import_records(
    records: Annotated[Path, typer.Argument(help="JSON Lines, or CSV with the columns of a record.")],
    registry: File = DEFAULT_FILE,
) -> None:
    """Import records from a file: all of them, or none."""
    if not records.is_file():
        raise SettingsError(f"{records}: no such file; name a file of JSON Lines or CSV")
    try:
        report = _open(registry, must_exist=False).import_file(records)
    except RegistryFileError as error:
        raise SettingsError(str(error)) from None
    told = f"{report.read} records read, {report.added} added, {report.already_there} already there"
    Console(highlight=False).print(f"imported into {registry}: {told}", markup=False)


@app.command("remove")
def remove(
    scope: Annotated[str, typer.Argument(help="The scope as it is listed.")],
    registry: File = DEFAULT_FILE,
    verdict: Annotated[str | None, typer.Option(help="Only grants, or only refusals.")] = None,
    grantee: Annotated[str | None, typer.Option(help="Only those addressed to this token.")] = None,
) -> None:
    """Remove the records of a scope."""
    count = _open(registry, must_exist=True).remove(scope, verdict=verdict, grantee=grantee)
    if not count:
        raise SettingsError(f"{registry}: no record for {scope!r}; 'askfirst registry list' shows what there is")
    Console(highlight=False).print(f"removed {count} from {registry}", markup=False)
