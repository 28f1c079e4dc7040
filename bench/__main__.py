"""``python -m bench [--only PART]… [--rounds N]``: measures, prints a table, and writes ``bench/results.json``.

The file is written only when every part ran, so that it always speaks of one run on one machine. Exit status 1 when a
claim does not hold.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from bench.keep import measure as keep_figures
from bench.rounds import RESULTS, Row, keep, of_colleague, say, table

PARTS = ("robots", "decision", "signals", "cold", "crawl", "review", "report", "audit")
TOLD = "keep"


def rows_of(part: str, rounds: int | None) -> list[Row]:
    """What one part measures."""
    say(f"measuring {part}")
    measure = importlib.import_module(f"bench.{part}").measure
    found = measure() if rounds is None else measure(rounds)
    return [row if isinstance(row, Row) else of_colleague(row) for row in found]


def tell_keep(rounds: int | None) -> None:
    """What the parts of a keep decision cost: microseconds that are compared with nobody."""
    say("measuring keep")
    for figure in keep_figures() if rounds is None else keep_figures(rounds):
        print(f"{figure.us:9.1f} us  {figure.name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="how fast AskFirst is, beside others")
    parser.add_argument("--only", action="append", choices=(*PARTS, TOLD), help="measure this part; may be given again")
    parser.add_argument("--rounds", type=int, help="rounds of each part, instead of its own number")
    told = parser.parse_args(arguments)
    if told.rounds is not None and told.rounds < 1:
        parser.error("--rounds must be at least 1")
    chosen = told.only or (*PARTS, TOLD)
    if TOLD in chosen:
        tell_keep(told.rounds)
    rows = [row for part in chosen if part != TOLD for row in rows_of(part, told.rounds)]
    if rows:
        print(table(rows))
    if told.only:
        say(f"{RESULTS} is left as it was: it is written when every part runs")
    else:
        keep(rows)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
