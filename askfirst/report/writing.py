"""``askfirst report``, all of it: the tally, the tables, the page and, if asked for, the EU's training summary.

1. Nothing of the record is changed, and nothing is fetched.
2. A file of the report is there when it is whole. What is not ours in the folder is left alone.
3. A directory that holds no decisions is the operator's mistake; one that cannot be written or read is the world's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from askfirst.ports import EdgeError, SettingsError
from askfirst.report import eu_summary
from askfirst.report.page import render
from askfirst.report.tables import DecisionTable, tables, write_table
from askfirst.report.tally import Tally, read_tally

PAGE = "report.html"
DECISIONS_ABOUT = "one row for each decision, with the first words that carried it and the line of the record"


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, the page first, and how much of the record it speaks of."""

    files: tuple[Path, ...]
    decisions: int
    items: int
    noted: int


def write_report(
    out: Path,
    to: Path,
    *,
    now: datetime,
    verified: str | None = None,
    eu: eu_summary.Provider | None = None,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> Report:
    """Writes the report of the output directory ``out`` into the folder ``to``. ``verified`` says in one sentence what
    became of verifying the record; None says on the page that it was not. ``eu`` asks for the training summary.
    ``workers`` are as ``read_tally`` has them. Raises SettingsError and EdgeError."""
    if not (out / "decisions").is_dir():
        raise SettingsError(f"{out}: holds no decisions; name the --out directory of a crawl")
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out {to}: {error.strerror}; name a folder that can be written") from None
    try:
        return _written(out, to, now, verified, eu, progress, workers)
    except OSError as error:
        raise EdgeError(
            f"cannot write the report into {to}: {error.strerror or error}; check that it can be written and has room",
        ) from error


def _written(
    out: Path,
    to: Path,
    now: datetime,
    verified: str | None,
    eu: eu_summary.Provider | None,
    progress: Callable[[int], None] | None,
    workers: int | None,
) -> Report:
    with DecisionTable(to) as decisions:
        tally = read_tally(out, now=now, kept=decisions, progress=progress, workers=workers)
    with tally:
        listed = [("decisions", DECISIONS_ABOUT, tally.decisions)]
        listed += [(table.name, table.about, write_table(to, table)) for table in tables(tally)]
        name = out.resolve().name or str(out)
        page = _put(to / PAGE, render(tally, title=name, files=listed, verified=verified))
        summary = [] if eu is None else _eu(tally, out, to, eu)
        return Report((page, *summary, *_beside(to, listed)), tally.decisions, tally.items, tally.noted)


def _eu(tally: Tally, out: Path, to: Path, provider: eu_summary.Provider) -> list[Path]:
    summary = eu_summary.summarize(tally, out, provider)
    write_table(to, eu_summary.domain_table(tally, summary))
    return [
        _put(to / eu_summary.HTML, eu_summary.as_html(summary)),
        _put(to / eu_summary.MARKDOWN, eu_summary.as_markdown(summary)),
        to / f"{eu_summary.DOMAINS}.csv",
    ]


def _beside(to: Path, listed: list[tuple[str, str, int]]) -> list[Path]:
    return [to / f"{name}.{end}" for name, _about, _number in listed for end in ("csv", "parquet")]


def _put(path: Path, text: str) -> Path:
    growing = path.with_name(f".{path.name}.growing")
    growing.write_text(text, encoding="utf-8", errors="replace")
    growing.replace(path)
    return path
