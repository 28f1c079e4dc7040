"""``askfirst replay FILE|-``: decisions from observations, JSON Lines in and out; ``--in DIR`` replays a record."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from askfirst.edges.evidence_warc import read_evidence
from askfirst.ports import SettingsError
from askfirst.replay import Evidenced, replay_line, replay_recorded
from askfirst.rights.policy import PROFILES, Policy
from askfirst.segments import read_log
from askfirst.wiring import load_policy, open_inspect


def replay(
    source: Annotated[
        str | None, typer.Argument(metavar="FILE|-", help="JSON Lines of observations; - is stdin.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--in", metavar="DIR", help="Replay every decision of a crawl from its evidence.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", help="A policy file that the lines or the record may name.")
    ] = None,
) -> None:
    """Derive decisions again from what was observed. Nothing is fetched."""
    policies = dict(PROFILES)
    for name in policy or []:
        loaded = load_policy(name)
        policies[loaded.name] = loaded
        policies[name] = loaded
    if (source is None) == (folder is None):
        raise SettingsError("name either a FILE (or - for standard input) or --in DIR")
    if folder is not None:
        _record(folder, policies)
        return
    good, inspect = True, open_inspect()
    for line in _lines(str(source)):
        if line.strip():
            answer, answered = replay_line(line, policies, inspect=inspect)
            good = good and answered
            sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()
    if not good:
        raise typer.Exit(2)


def _lines(source: str) -> Iterable[bytes]:
    if source == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(source).open("rb") as file:
            yield from file
    except OSError as error:
        raise SettingsError(f"{source}: {error.strerror}; name a file of JSON Lines, or - for standard input") from None


def _record(folder: Path, policies: Mapping[str, Policy]) -> None:
    if not (folder / "decisions").is_dir():
        raise SettingsError(f"{folder}: holds no decisions; name the --out directory of a crawl")
    evidenced = Evidenced(read_evidence(folder / "evidence"))
    known = {policy.digest: policy for policy in policies.values()}
    same = other = 0
    for path, number, line in read_log(folder / "decisions"):
        fault = replay_recorded(line, evidenced, known)
        if fault is None:
            same += 1
        else:
            other += 1
            print(f"{path}:{number}: {fault}")
    Console(highlight=False).print(f"{same} decisions follow from their evidence, {other} do not")
    if other:
        raise typer.Exit(1)
