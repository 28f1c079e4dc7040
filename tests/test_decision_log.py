"""The decision log: a line that was acknowledged is there, alone on its line, in its own run's file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst.edges.decision_log import JsonlLog, read_log
from askfirst.ports import DecisionLog, EdgeError
from tests.noticing import until_noticed


def _read(folder: Path) -> list[tuple[str, int, bytes]]:
    notes: list[str] = []
    lines = [(path.name, number, line) for path, number, line in read_log(folder, note=notes.append)]
    assert notes == []
    return lines


class TestAppending:
    def test_a_line_is_there_when_append_returns(self, tmp_path: Path) -> None:
        """The edge satisfies the gate's protocol; it makes its file with the first line and nothing before."""
        log: DecisionLog = JsonlLog(tmp_path, run="run")
        assert list(tmp_path.iterdir()) == []
        log.append(b'{"a":1}')
        assert _read(tmp_path) == [("run.jsonl", 1, b'{"a":1}')]
        log.append(b"")
        log.close()
        assert (tmp_path / "run.jsonl").read_bytes() == b'{"a":1}\n\n'

    def test_a_killed_run_loses_nothing_it_acknowledged(self, tmp_path: Path) -> None:
        """After SIGKILL every acknowledged line is in the file, whole."""
        with subprocess.Popen([sys.executable, "-c", _APPENDER, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            acknowledged = 0
            while acknowledged < 500:
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines()
        acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
        lines = [line for _, _, line in _read(tmp_path)]
        assert len(lines) >= acknowledged
        assert lines == [b"%d" % number * 50 for number in range(len(lines))]

    def test_a_newline_inside_a_line(self, tmp_path: Path) -> None:
        """One line cannot smuggle in another."""
        with pytest.raises(ValueError, match="newline"):
            JsonlLog(tmp_path, run="run").append(b'{}\n{"verdict":"allow"}')

    def test_a_run_never_writes_into_anothers_file(self, tmp_path: Path) -> None:
        """A run whose name is taken is told so, and the other's lines stay as they were."""
        JsonlLog(tmp_path, run="run").append(b"theirs")
        with pytest.raises(EdgeError, match="name of its own"):
            JsonlLog(tmp_path, run="run").append(b"ours")
        assert _read(tmp_path) == [("run.jsonl", 1, b"theirs")]


class TestTrouble:
    def test_a_full_disk(self, tmp_path: Path) -> None:
        """A line that does not fit is an error and leaves no trace; when there is room again, the log goes on."""
        result = subprocess.run(
            [sys.executable, "-c", _FULL_DISK, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stdout.splitlines() == ["kept", "refused", "refused", "kept", "kept"], result.stderr
        assert [line for _, _, line in _read(tmp_path)] == [b"first", b"small", b"after"]

    def test_a_folder_that_goes_away(self, tmp_path: Path) -> None:
        """A removed folder is an error within a moment; when it is back, the log begins anew."""
        folder = tmp_path / "log"
        log = JsonlLog(folder, run="run")
        log.append(b"1")
        shutil.rmtree(folder)
        for _ in range(2):
            with pytest.raises(EdgeError, match="check that its folder is there"):
                until_noticed(lambda: log.append(b"2"))
        folder.mkdir()
        log.append(b"3")
        assert _read(folder) == [("run.jsonl", 1, b"3")]

    def test_another_file_in_its_place_is_noticed(self, tmp_path: Path) -> None:
        """A file that was replaced by another of its name takes no more lines."""
        log = JsonlLog(tmp_path, run="run")
        log.append(b"1")
        (tmp_path / "run.jsonl").unlink()
        (tmp_path / "run.jsonl").touch()
        with pytest.raises(EdgeError, match="cannot write the decision log"):
            until_noticed(lambda: log.append(b"2"))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
    def test_a_read_only_folder(self, tmp_path: Path) -> None:
        """A folder that cannot be written is an error that says what to check."""
        tmp_path.chmod(0o500)
        with pytest.raises(EdgeError, match="can be written"):
            JsonlLog(tmp_path, run="run").append(b"1")
        tmp_path.chmod(0o700)

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """A file where the folder should be stops the program at start."""
        (tmp_path / "file").touch()
        with pytest.raises(EdgeError, match="cannot write the decision log"):
            JsonlLog(tmp_path / "file" / "log", run="run")

    def test_closed(self, tmp_path: Path) -> None:
        """Nothing is appended after the end, and a name of a run is a name."""
        log = JsonlLog(tmp_path, run="run")
        log.append(b"1")
        log.close()
        with pytest.raises(EdgeError, match="closed"):
            log.append(b"2")
        for run in ("", "../x", ".hidden"):
            with pytest.raises(ValueError, match="cannot name a run"):
                JsonlLog(tmp_path, run=run)


class TestReading:
    def test_every_file_in_the_order_of_names(self, tmp_path: Path) -> None:
        """Lines come with their file and number; other files are passed over."""
        for run in ("b", "a"):
            log = JsonlLog(tmp_path, run=run)
            log.append(b"1")
            log.append(b"2")
        (tmp_path / "c.txt").write_bytes(b"x\n")
        assert _read(tmp_path) == [
            ("a.jsonl", 1, b"1"),
            ("a.jsonl", 2, b"2"),
            ("b.jsonl", 1, b"1"),
            ("b.jsonl", 2, b"2"),
        ]

    def test_a_torn_last_line(self, tmp_path: Path) -> None:
        """A last line without its end is left out, and noted."""
        (tmp_path / "run.jsonl").write_bytes(b'{"a":1}\n{"b":')
        notes: list[str] = []
        assert [line for _, _, line in read_log(tmp_path, note=notes.append)] == [b'{"a":1}']
        assert len(notes) == 1
        assert "line 2 is cut short" in notes[0]

    def test_no_folder(self, tmp_path: Path) -> None:
        """A log that is not there is an error, not silence."""
        with pytest.raises(EdgeError, match="cannot read the decision log"):
            list(read_log(tmp_path / "nowhere"))


_APPENDER = """
import itertools, sys
from pathlib import Path
from askfirst.edges.decision_log import JsonlLog

log = JsonlLog(Path(sys.argv[1]), run="run")
for number in itertools.count():
    log.append(b"%d" % number * 50)
    print(number + 1, flush=True)
"""

_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from askfirst.edges.decision_log import JsonlLog
from askfirst.ports import EdgeError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
log = JsonlLog(Path(sys.argv[1]), run="run")


def append(line):
    try:
        log.append(line)
    except EdgeError as error:
        assert "room" in str(error), error
        print("refused")
    else:
        print("kept")


resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
append(b"first")
append(b"x" * 200)
append(b"x" * 200)
append(b"small")
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
append(b"after")
"""
