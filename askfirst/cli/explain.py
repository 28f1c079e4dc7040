"""``askfirst explain DECISION_ID --in DIR``: why one decision fell as it did, in the publisher's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from askfirst.explain import explain as lines_of
from askfirst.ports import SettingsError
from askfirst.rights.record import Recorded, parse_line
from askfirst.rights.wire import WireError
from askfirst.segments import read_log

SHORTEST = 6


def explain(
    decision_id: Annotated[
        str, typer.Argument(help="The decision's id, or its beginning; or a URL, for its last one.")
    ],
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="The output directory of a crawl.")],
) -> None:
    """Say why a decision fell as it did: the words relied on, with a caret, and whom to ask."""
    found = find(folder, decision_id)
    console = Console(soft_wrap=True, highlight=False)
    console.print(lines_of(found.decision), markup=False)
    console.print(f"  decided {found.decision.decided_at.isoformat()}, id {found.decision.id}", markup=False)
    for looked in found.looked_at:
        console.print(f"  looked at {looked.kind} {looked.url} ({looked.digest})", markup=False)


def find(folder: Path, wanted: str) -> Recorded:
    """The decision of that id, id prefix or URL, the last one where there are several occasions. Raises
    SettingsError."""
    decisions = folder / "decisions"
    if not decisions.is_dir():
        raise SettingsError(f"{folder}: holds no decisions; name the --out directory of a crawl")
    is_url = "://" in wanted
    prefix = wanted if wanted.startswith("sha256:") else f"sha256:{wanted}"
    if not is_url and len(prefix) < len("sha256:") + SHORTEST:
        raise SettingsError(f"{wanted!r} is too short; give at least {SHORTEST} digits of the id")
    matches: dict[str, tuple[Path, int, bytes]] = {}
    needle = (f'"url":"{wanted}"' if is_url else f'"id":"{prefix}').encode()
    for path, number, line in read_log(decisions):
        if needle in line:
            key = "url" if is_url else line.split(b'"', 4)[3].decode("utf-8", "replace")
            matches[key] = (path, number, line)
    if not matches:
        raise SettingsError(f"no decision {wanted!r} in {decisions}; ids stand in decisions/*.jsonl and items.parquet")
    if len(matches) > 1:
        raise SettingsError(f"{wanted!r} is the beginning of {len(matches)} decisions in {decisions}; give more digits")
    ((path, number, line),) = matches.values()
    try:
        return parse_line(line)
    except WireError as error:
        raise SettingsError(f"{path} line {number}: is not a decision as askfirst writes them: {error}") from None
