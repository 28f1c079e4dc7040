"""``askfirst audit``: is the record whole, prove one decision, check a proof, derive decisions again, find what is
sought.

``verify``, ``check-proof`` and ``replay`` end with 0 when everything holds and with 1 when something does not; each
thing that does not is a line. 2 is the operator's mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from askfirst.audit import prove as proving
from askfirst.audit import replaying
from askfirst.audit.proof_file import MOST_BYTES, check
from askfirst.audit.verify import verify as verify_directory
from askfirst.cli.audit_find import export, find
from askfirst.cli.audit_keys import key as show_key
from askfirst.cli.audit_keys import rotate_key
from askfirst.explain import shown
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.wire import Json
from askfirst.wiring import load_policy

MOST_SHOWN = 50

app = typer.Typer(
    help="Verify a record, prove and check single decisions, derive them again, find what is sought.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="VKEY|FILE", help="A public key that you know from elsewhere; or its file."),
]
TimeRoots = Annotated[
    Path | None, typer.Option("--time-roots", metavar="PEM", help="Certificates of time stamp authorities you trust.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The output directory of a crawl.")]


@app.command("verify")
def verify(
    folder: Directory,
    keys: Keys = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="A signed note that was kept from earlier: is it still so?"),
    ] = None,
    time_roots: TimeRoots = None,
    as_json: AsJson = False,
) -> None:
    """Compute everything again that was signed, and name what was altered, dropped, reordered or added."""
    note = None if checkpoint is None else _read(checkpoint, "a signed note")
    known, roots = _keys(keys), _roots(time_roots)
    with _progress("decisions read") as advance:
        told = verify_directory(folder, keys=known, checkpoint=note, time_roots=roots, progress=advance)
    if as_json:
        _print_json(told.as_json())
    else:
        _print(told.summary())
    if not told.whole:
        raise typer.Exit(1)


@app.command("prove")
def prove(
    wanted: Annotated[str, typer.Argument(metavar="URL|SHA256|DECISION_ID", help="What the proof is to be about.")],
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="The output directory of a crawl.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The proof file. Default: proof.json.")
    ] = None,
) -> None:
    """Write a small file that proves one decision to anybody, without the directory."""
    proof = proving.prove(folder, wanted)
    path = out or Path("proof.json")
    try:
        path.write_bytes(proof)
    except OSError as error:
        raise EdgeError(f"cannot write the proof {path}: {error.strerror}; name another file with --out") from None
    _print(f"{path}: {len(proof):,} bytes; 'askfirst audit check-proof {path}' checks it, and needs nothing else")


@app.command("check-proof")
def check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof that 'askfirst audit prove' wrote.")],
    keys: Keys = None,
    time_roots: TimeRoots = None,
    as_json: AsJson = False,
) -> None:
    """Verify a proof offline, with nothing else, and show what it proves in the publisher's words."""
    found = check(_read(file, "a proof file"), keys=_keys(keys), time_roots=_roots(time_roots))
    if as_json:
        _print_json({"holds": found.holds, "faults": list(found.faults), "said": list(found.said)})
    else:
        _print("\n".join([*found.said, *(f"{file}: {shown(fault)}" for fault in found.faults)]))
        _print("HOLDS" if found.holds else "DOES NOT HOLD")
    if not found.holds:
        raise typer.Exit(1)


@app.command("replay")
def replay(
    folder: Directory,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", help="A policy file that the record may name, by its path.")
    ] = None,
    under: Annotated[
        str | None, typer.Option("--under", metavar="POLICY", help="Also: what would this policy have decided?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Derive every decision again from its evidence, and name each that no longer follows."""
    known = [load_policy(name) for name in policy or []]
    other = None if under is None else load_policy(under)
    with _progress("decisions derived") as advance:
        found = replaying.replay(folder, policies=known, under=other, progress=advance)
    if as_json:
        _print_json(found.as_json())
    else:
        _print("\n".join(_replayed_lines(found)))
    if found.faults:
        raise typer.Exit(1)


def _replayed_lines(found: replaying.Replayed) -> Iterator[str]:
    yield from found.notes
    yield from (f"{place}: {fault}" for place, fault in found.faults)
    yield f"{found.follow:,} decisions follow from their evidence, {len(found.faults):,} do not"
    if found.under is None:
        return
    yield f"under {found.under}: {found.same_under:,} the same, {len(found.differences):,} otherwise"
    for (stage, was, would_be), count in sorted(found.counts().items()):
        yield f"  {count:,} to {stage}: {was} -> {would_be}"
    for one in found.differences[:MOST_SHOWN]:
        yield f"{one.place}: {one.was} -> {one.would_be} to {one.stage} {shown(one.url)}: {shown(one.why)}"
    if len(found.differences) > MOST_SHOWN:
        yield f"and {len(found.differences) - MOST_SHOWN:,} more; --json lists all"


app.command("find")(find)
app.command("export")(export)
app.command("key")(show_key)
app.command("rotate-key")(rotate_key)


def _keys(told: list[str] | None) -> list[Verifier]:
    """The keys that were given. Raises SettingsError."""
    found: list[Verifier] = []
    for one in told or []:
        path = Path(one)
        text = one
        if path.is_file():
            text = _read(path, "a public key").decode("utf-8", "replace")
        try:
            found.append(Verifier.parse(text))
        except NoteError as error:
            raise SettingsError(f"--key {error}, or name a file that holds one") from None
    return found


def _roots(path: Path | None) -> bytes | None:
    """The certificates. Raises SettingsError."""
    if path is None:
        return None
    told = _read(path, "certificates in PEM")
    if b"-----BEGIN CERTIFICATE-----" not in told:
        raise SettingsError(f"--time-roots {path}: holds no certificate; name a file in PEM")
    return told


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file that holds {what}") from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None]]:
    """Counts on a terminal, on standard error."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} " + what), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda read: progress.advance(task, read)


def _print(text: str) -> None:
    Console(soft_wrap=True, highlight=False).print(text, markup=False)


def _print_json(members: dict[str, Json]) -> None:
    typer.echo(json.dumps(members, ensure_ascii=False, indent=2))
