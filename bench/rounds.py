"""Shuffled rounds, the ratios that come out of them, and how both are shown and kept.

Rules:

1. Machines wobble, so no time stands alone: within a round everything that is compared runs once, in an order that is
   shuffled anew each round, and a ratio is taken within the round. The figure is the median of those ratios.
2. A row is a claim: a ratio, the bound it is held to, and whether it holds. ``bench/results.json`` keeps exactly that.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

T = TypeVar("T")
RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claim. ``ours`` and ``theirs`` are for people, with their units; ``bound`` None is a figure that nothing is
    held to, shown and not kept."""

    name: str
    ratio: float
    bound: float | None
    holds: bool
    ours: str = ""
    theirs: str = ""


def at_most(name: str, ratio: float, bound: float, *, ours: str, theirs: str) -> Row:
    """The claim that the ratio is no larger than the bound."""
    return Row(name=name, ratio=ratio, bound=bound, holds=ratio <= bound, ours=ours, theirs=theirs)


def at_least(name: str, ratio: float, bound: float, *, ours: str, theirs: str) -> Row:
    """The claim that the ratio is no smaller than the bound."""
    return Row(name=name, ratio=ratio, bound=bound, holds=ratio >= bound, ours=ours, theirs=theirs)


def shown(name: str, ratio: float, *, ours: str, theirs: str) -> Row:
    """A ratio that is worth seeing and that nothing is held to."""
    return Row(name=name, ratio=ratio, bound=None, holds=True, ours=ours, theirs=theirs)


def of_colleague(row: Mapping[str, object]) -> Row:
    """A row of a part that measures in its own way."""
    ratio, bound = row["ratio"], row["bound"]
    assert isinstance(ratio, float | int)
    assert isinstance(bound, float | int)
    return Row(name=str(row["name"]), ratio=float(ratio), bound=float(bound), holds=bool(row["holds"]))


def in_shuffled_rounds(tasks: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """What each task gave in each round; the order within a round is shuffled, the same way on every machine."""
    dice = random.Random(20)
    order = list(tasks)
    found: dict[str, list[T]] = {name: [] for name in tasks}
    for _ in range(rounds):
        dice.shuffle(order)
        for name in order:
            found[name].append(tasks[name]())
    return found


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of ours divided by theirs, each pair out of one round."""
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def say(text: str) -> None:
    """What is being done, for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    lines = [("name", "ours", "theirs", "ratio", "bound", "holds")]
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:g}"
        held = "" if row.bound is None else "yes" if row.holds else "NO"
        lines.append((row.name, row.ours, row.theirs, f"{row.ratio:.3f}", bound, held))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def keep(rows: Sequence[Row]) -> None:
    """Writes the claims to ``bench/results.json``."""
    claims = [
        {"name": row.name, "ratio": round(row.ratio, 4), "bound": row.bound, "holds": row.holds}
        for row in rows
        if row.bound is not None
    ]
    RESULTS.write_text(json.dumps(claims, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
