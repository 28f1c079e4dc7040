"""``askfirst cases list|export|check``: the conformance cases, for us and for other implementations (docs/cases.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from askfirst.cases import Case, CaseError, case_folder, cases, exported, shortfalls
from askfirst.ports import SettingsError

app = typer.Typer(
    help="The conformance cases: what documents say and what must follow, for any implementation to run.",
    no_args_is_help=True,
)
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Only this folder, file or case, such as rfc9309; may be repeated."),
]


def _chosen(only: list[str] | None) -> list[Case]:
    try:
        listed = list(cases(case_folder()))
    except CaseError as error:
        raise SettingsError(str(error)) from None
    for prefix in only or []:
        if not any(_within(case, prefix) for case in listed):
            raise SettingsError(f"--only {prefix!r}: no such folder, file or case; 'askfirst cases list' shows them")
    return [case for case in listed if not only or any(_within(case, prefix) for prefix in only)]


def _within(case: Case, prefix: str) -> bool:
    return f"{case.name}/".startswith(prefix.rstrip("/") + "/")


@app.command("list")
def list_cases(only: Only = None) -> None:
    """List the case files, each with its rule and how many cases it has."""
    files: dict[str, list[Case]] = {}
    for case in _chosen(only):
        files.setdefault("/".join(case.name.split("/")[:2]), []).append(case)
    console = Console(highlight=False, soft_wrap=True)
    for name, listed in files.items():
        console.print(f"{name} ({len(listed)}): {listed[0].rule}", markup=False)
    console.print(f"{sum(map(len, files.values()))} cases in {len(files)} files")


@app.command("export")
def export(
    out: Annotated[str, typer.Option("--out", metavar="FILE|-", help="Where to write; - is standard output.")] = "-",
    only: Only = None,
) -> None:
    """Print the cases as JSON Lines: the line for a replay, and what is wanted of its answer."""
    lines = b"".join(msgspec.json.encode(exported(case), order="sorted") + b"\n" for case in _chosen(only))
    if out == "-":
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
        return
    try:
        Path(out).write_bytes(lines)
    except OSError as error:
        raise SettingsError(
            f"{out}: {error.strerror}; name a file that can be written, or - for standard output"
        ) from None


@app.command("check")
def check(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON Lines of answers, as replay prints them.")],
    only: Only = None,
) -> None:
    """Say which cases an implementation's answers do not pass. Exits with 1 if there are any."""
    wanted = {case.name: case for case in _chosen(only)}
    answers = dict(_answers(source))
    failed = 0
    for name, case in wanted.items():
        found = shortfalls(case, answers[name]) if name in answers else ("was not answered",)
        failed += 1 if found else 0
        for shortfall in found:
            print(f"{name}: {shortfall}")
    if not only:
        for name in [name for name in answers if name not in wanted]:
            failed += 1
            print(f"{name}: is none of our cases")
    Console(highlight=False).print(
        f"{len(wanted)} cases: {failed} failed" if failed else f"{len(wanted)} cases: all pass"
    )
    if failed:
        raise typer.Exit(1)


def _answers(source: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The answers by their id. Raises SettingsError with the line's number."""
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise SettingsError(f"{source}: {error.strerror}; name a file of answers, or - for standard input") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            answer = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeError) as error:
            raise SettingsError(f"{source}:{number}: is no JSON object: {error}") from None
        name = answer.get("id")
        if not isinstance(name, str):
            raise SettingsError(f"{source}:{number}: id: must be the name of a case, as in the line that was answered")
        yield name, answer
