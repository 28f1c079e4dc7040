"""Lines of the decision log that are no UTF-8: read as they are, told with their place, and in nobody's way."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from askfirst.asking import write_ask
from askfirst.audit.export import Exported, export_parquet
from askfirst.cli.audit_find import export
from askfirst.report.tally import read_tally
from askfirst.sealed import seal
from askfirst.segments import read_log
from tests.planted_record import NOAI, Run, at, response, robots

RUN = "20260901T080000Z-1-aaaaaa"
SEGMENT = f"{RUN}.000000000000"
PLACES = {
    "its address": (b'"url":"https://noai.example/1"', b'"url":"https://noai.example/\xff"'),
    "who asked": (b'"AskFirstBot"', b'"AskFirst\xe9"'),
    "the words relied on": (b'"text":"X-Robots-Tag: noai"', b'"text":"X-Robots-Tag: n\xc3ai"'),
    "what was looked at": (b"https://noai.example/robots.txt", b"https://noai.example/\xedrobots"),
}


def _broken(good: bytes) -> list[bytes]:
    """A line that is nothing, and one for each place."""
    lines = [b"\xff\xfe not a line of ours"]
    for place, (said, bad) in PLACES.items():
        head, tail = good.rsplit(said, 1) if place == "what was looked at" else good.split(said, 1)
        lines.append(head + bad + tail)
    return lines


@pytest.fixture(params=["plain", "sealed"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A log's file, and its lines: a good one, the broken ones, a good one."""
    run = Run(tmp_path, RUN)
    for number in (1, 2):
        url = f"https://noai.example/{number}"
        seen = [
            robots("noai.example", "2026-09-01", "User-agent: *\nAllow: /"),
            response(url, "2026-09-01", b"x", NOAI),
        ]
        run.decide(url, "2026-09-01", seen)
    path = tmp_path / "decisions" / f"{SEGMENT}.jsonl"
    first, last = path.read_bytes().splitlines()
    lines = [first, *_broken(first), last]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    if request.param == "plain":
        return path, lines
    sealed = seal(path, first=0)
    path.unlink()
    return sealed, lines


def test_every_line_is_read_byte_for_byte(log: tuple[Path, list[bytes]]) -> None:
    """The reader of the log gives bytes, and leaves it to others what they mean."""
    path, lines = log
    notes: list[str] = []
    read = list(read_log(path.parent, note=notes.append))
    assert read == [(path, number, line) for number, line in enumerate(lines, start=1)]
    assert notes == []


def test_the_export_names_them_and_has_all_others(log: tuple[Path, list[bytes]]) -> None:
    """One note for each with its file and line, the leaves of the others as they are, and no exception."""
    path, lines = log
    out = path.parent.parent
    notes: list[str] = []
    done = export_parquet(out, out / "export", note=notes.append)
    assert done == Exported(decisions=2, observations=4, items=0, withdrawals=0, left_out=5)
    assert len(lines) == 7
    for number, note in enumerate(notes, start=2):
        assert note.startswith(f"{path} line {number} is no decision: ")
        assert note.endswith("; it is left out")
        assert "\n" not in note
    assert len(notes) == 5
    table = pq.read_table(out / "export" / "decisions.parquet", columns=["leaf", "url"])
    assert table.to_pylist() == [
        {"leaf": 0, "url": "https://noai.example/1"},
        {"leaf": 6, "url": "https://noai.example/2"},
    ]
    looks = pq.read_table(out / "export" / "observations.parquet", columns=["leaf", "url"]).to_pylist()
    assert [(look["leaf"], look["url"]) for look in looks] == [
        (0, "https://noai.example/robots.txt"),
        (0, "https://noai.example/1"),
        (6, "https://noai.example/robots.txt"),
        (6, "https://noai.example/2"),
    ]


def test_the_command_ends_well(log: tuple[Path, list[bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    """``audit export`` writes the tables and says what it left out."""
    out = log[0].parent.parent
    export(out, parquet=True)
    told = capsys.readouterr()
    wrote = f"{out / 'export'}: 2 decisions, 4 observations, 0 items, 0 withdrawals"
    assert told.out == f"{wrote}; 5 lines are no decisions and were left out\n"
    assert "Traceback" not in told.err


def test_the_report_counts_the_others(log: tuple[Path, list[bytes]]) -> None:
    """The report notes those that it cannot count, and counts all others."""
    path, _ = log
    with read_tally(path.parent.parent, now=at("2026-09-02")) as tally:
        # what was looked at is not among its numbers
        assert (tally.decisions, tally.noted) == (3, 4)
        assert [note.partition(" is no decision: ")[0] for note in tally.notes] == [
            f"{path} line {number}" for number in (2, 3, 4, 5)
        ]


def test_whom_to_ask_is_told_from_the_others(log: tuple[Path, list[bytes]]) -> None:
    """A crawl over such a record still writes ask.csv."""
    out = log[0].parent.parent
    assert write_ask(out) == 1
    with (out / "ask.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["registrable_domain"], row["urls"]) == ("noai.example", "2")
