"""A report is the same whichever processes read the record, in whatever stretches, and whatever becomes of them."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from askfirst import processes
from askfirst.ports import EdgeError
from askfirst.report import decision_rows, reading, stretch, tables
from askfirst.report.decided import Lines
from askfirst.report.over_time import OverTime
from askfirst.report.reading import Job
from askfirst.report.writing import Report, write_report
from askfirst.rights.wire import canonical
from askfirst.sealed import seal
from tests.report_records import AT, NOW, planted, planted_items, record


def hostile(out: Path) -> Path:
    """Seven segments of three runs: what is no UTF-8 or no decision, lines of another form, torn lines, one sealed."""
    lines = planted()
    record(out, [], planted_items())
    folder = out / "decisions"
    (folder / "r.000000000000.jsonl").unlink()

    def put(name: str, some: list[bytes], torn: bytes = b"") -> None:
        (folder / name).write_bytes(b"".join(one + b"\n" for one in some) + torn)

    put("a.000000000000.jsonl", lines * 3)
    put("a.000000004096.jsonl", [b"\xff\xfe", *lines, b'{"id":"sha256:00"}', b"[" * 100_000, b""])
    seal(folder / "a.000000004096.jsonl", first=4096)
    put("a.000000008192.jsonl", [canonical(msgspec.json.decode(one)) for one in lines], torn=lines[0][:99])
    put("b.000000000000.jsonl", [one.replace(b"a.example", b"z.example") for one in lines])
    put("b.000000000011.jsonl", [one.replace(b"b.example", b"y.example") for one in lines], torn=b"\xff")
    put("b.000000000022.jsonl", [lines[8].replace(b"/art/p.jpg", b"/%d" % number) for number in range(40)])
    put("c.000000000000.jsonl", [])
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def here(out: Path) -> dict[str, bytes]:
    """The report of one process, in which the whole record is one stretch."""
    made = write_report(out, out / "here", now=NOW, workers=1)
    assert (made.decisions, made.items, made.noted) == (117, 3, 6)
    return files(made)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each segment is a job of its own."""
    monkeypatch.setattr(reading, "JOB_BYTES", 1)


def files(made: Report) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in made.files}


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("workers", [2, 3])
def test_many_processes_make_the_report_of_one(
    out: Path, here: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Every file is the same to the byte; what is read is told; and nothing but the items is read here."""
    told: list[int] = []
    monkeypatch.setattr(reading, "stretches", None)
    made = write_report(out, tmp_path, now=NOW, workers=workers, progress=told.append)
    assert files(made) == here
    assert told == [33, 44, 55, 66, 77, 117, 117]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("asked_before", [0, 1, 4])
def test_a_process_that_is_killed_loses_nothing(
    out: Path, here: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_before: int
) -> None:
    """Whenever one is ended from outside, what it had to read is read here; so it is when all are."""
    killed: list[int] = []
    asked: list[Job] = []
    ask = processes.Other.ask

    def after_a_kill(other: processes.Other[Job, object], job: Job) -> None:
        asked.append(job)
        if len(asked) > asked_before:
            other.process.kill()
            other.process.wait()
            killed.append(other.process.pid)
        ask(other, job)

    monkeypatch.setattr(processes.Other, "ask", after_a_kill)
    assert files(write_report(out, tmp_path, now=NOW, workers=2)) == here
    assert len(set(killed)) == len(killed) == 2
    assert len(asked) == asked_before + 2


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("program", ["", "/dev/null/python"])
def test_where_no_process_can_be_started_the_report_is_the_same(
    out: Path, here: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """No interpreter, or none that starts."""
    monkeypatch.setattr("sys.executable", program)
    assert files(write_report(out, tmp_path, now=NOW, workers=2)) == here


@pytest.mark.usefixtures("jobs")
def test_a_file_too_large_for_a_job_is_read_here(
    out: Path, here: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between those that other processes read, at its place."""
    monkeypatch.setattr(reading, "MOST_JOB_BYTES", (out / "decisions" / "b.000000000022.jsonl").stat().st_size - 1)
    read: list[Path] = []
    kept = stretch.stretches

    def noted(paths: tuple[Path, ...], *, with_rows: bool) -> object:
        read.extend(paths)
        return kept(paths, with_rows=with_rows)

    monkeypatch.setattr(reading, "stretches", noted)
    assert files(write_report(out, tmp_path, now=NOW, workers=2)) == here
    assert "b.000000000022.jsonl" in {path.name for path in read}


@pytest.mark.parametrize(("lines", "rulings"), [(1, 1), (5, 3), (50, 2)])
def test_stretches_of_any_length_make_the_same_report(
    out: Path, here: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, rulings: int
) -> None:
    """However short stretches are and however few rulings are remembered, every file is the same to the byte."""
    monkeypatch.setattr(stretch, "LINES_OF_A_STRETCH", lines)
    monkeypatch.setattr(stretch, "RULINGS_IN_MEMORY", rulings)
    assert files(write_report(out, tmp_path, now=NOW, workers=1)) == here


def test_row_groups_are_as_long_however_rows_come(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of ten rows, from stretches of ten, of seven and of fifty lines, are the same file."""
    made: set[bytes] = set()
    for rows, lines in ((10, 100), (10, 7), (10, 50)):
        for module in (stretch, tables, decision_rows):
            monkeypatch.setattr(module, "ROWS_AT_ONCE", rows)
        monkeypatch.setattr(stretch, "LINES_OF_A_STRETCH", lines)
        report = write_report(out, tmp_path / str(lines), now=NOW, workers=1)
        made.add(files(report)["decisions.parquet"])
    assert len(made) == 1
    import pyarrow.parquet as pq

    groups = pq.read_metadata(tmp_path / "7" / "decisions.parquet")
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [*[10] * 11, 7]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_segment_that_cannot_be_read_is_named(tmp_path: Path, workers: int) -> None:
    """Whoever reads it, and nothing that grows stays."""
    out = hostile(tmp_path / "out")
    (out / "decisions" / "b.000000000005.parquet").write_bytes(b"PAR1")
    with pytest.raises(EdgeError, match=r"cannot read the decision log .*/decisions: .*b\.000000000005\.parquet"):
        write_report(out, tmp_path / "report", now=NOW, workers=workers)
    assert list((tmp_path / "report").iterdir()) == []


def test_a_member_that_is_there_twice_counts_as_in_a_line_that_is_not_cut() -> None:
    """The last one does, also where it stands behind the cut."""
    line = planted()[0]
    twice = line.replace(b',"looked_at"', b',"url":"https://other.example/","looked_at"', 1)
    head, ruling = Lines().read(twice)
    assert (head.url, ruling.ruled.agent.product_token) == ("https://other.example/", "ExBot")
    assert Lines().read(line)[0].url == "https://a.example/1"


def test_steps_of_time_do_not_depend_on_where_they_were_counted() -> None:
    """Parts of any size, joined in any order, are the steps of one count."""
    dice = random.Random(5)
    seconds = [int(AT.timestamp()) + dice.randrange(40 * 86_400) for _ in range(20_000)]
    whole = OverTime()
    for second in seconds:
        whole.add(second, second % 3)
    parts: list[OverTime] = []
    for first in range(0, 20_000, 1_700):
        parts.append(part := OverTime())
        for second in seconds[first : first + 1_700]:
            part.add(second, second % 3)
    dice.shuffle(parts)
    joined = OverTime()
    for part in parts:
        joined.join(part)
    assert (joined.length_s, joined.steps) == (whole.length_s, whole.steps) == (3_600, joined.steps)
