"""Case files: TOML with ``spec``, ``section``, ``rule`` and a list of ``case`` tables."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases"


def cases_of(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case of a folder, with a name to print."""
    for path in sorted((CASES / folder).glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert {"spec", "section", "rule"} <= table.keys(), path
        for index, case in enumerate(table["case"]):
            yield f"{path.stem}[{index}]", case
