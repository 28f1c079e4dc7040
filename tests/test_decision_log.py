"""The decision log: a line that was acknowledged is on the disk, alone on its line, a leaf under a signed checkpoint."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import askfirst.edges.decision_log as writing
from askfirst.edges.decision_log import MerkleLog
from askfirst.gate import utc_now
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint, read_notes
from askfirst.ledger.growing import LEAF_BYTES
from askfirst.ledger.manifest import CLOSED, OPENED, Entry, read_entries
from askfirst.ledger.merkle import leaf_hash, root_of
from askfirst.ledger.notes import SigningKey
from askfirst.ports import DecisionLog, EdgeError
from askfirst.rights.wire import digest
from askfirst.segments import read_log

KEY = SigningKey.new()
FIRST = "run.000000000000.jsonl"


def _log(out: Path, run: str = "run", before_commit: Callable[[], None] = lambda: None) -> MerkleLog:
    return MerkleLog(out, run=run, key=KEY, clock=utc_now, before_commit=before_commit)


async def _append(log: MerkleLog, *lines: bytes) -> None:
    """All at once, and waits for all of them."""
    waiting = [log.append(line) for line in lines]
    for one in waiting:
        await one


async def _append_until_refused(log: MerkleLog) -> None:
    while True:
        await _append(log, b"1")


def _read(out: Path) -> list[tuple[str, int, bytes]]:
    notes: list[str] = []
    lines = [(path.name, number, line) for path, number, line in read_log(out / "decisions", note=notes.append)]
    assert notes == []
    return lines


def _checkpoints(out: Path, run: str = "run") -> list[Checkpoint]:
    notes = (out / "checkpoints" / f"{run}.notes").read_bytes()
    return [open_checkpoint(note, [KEY.verifier]) for note in read_notes(notes)]


def _head(lines: list[bytes]) -> Head:
    return Head(len(lines), root_of(map(leaf_hash, lines)))


class TestAppending:
    async def test_a_line_is_there_when_it_is_acknowledged(self, tmp_path: Path) -> None:
        """The edge satisfies the gate's protocol; it makes its files with the first line and nothing before."""
        log: DecisionLog = _log(tmp_path)
        assert [path.name for path in tmp_path.rglob("*")] == ["decisions"]
        for line in (b'{"a":1}', b""):
            acknowledged = log.append(line)
            assert acknowledged is not None
            await acknowledged
            assert _read(tmp_path)[-1][2] == line
        log.close()
        assert (tmp_path / "decisions" / FIRST).read_bytes() == b'{"a":1}\n\n'

    async def test_what_comes_at_once_is_one_group(self, tmp_path: Path) -> None:
        """A thousand lines that wait at the same time are all acknowledged, in their order, with few syncs before them."""
        syncs: list[None] = []
        log = _log(tmp_path, before_commit=lambda: syncs.append(None))
        lines = [b"%d" % number for number in range(1_000)]
        await _append(log, *lines)
        assert [line for _, _, line in _read(tmp_path)] == lines
        assert len(syncs) < 500
        log.close()

    async def test_the_evidence_comes_first(self, tmp_path: Path) -> None:
        """When what a decision relied on cannot be made durable, the decision is not in the log."""

        def refuse() -> None:
            raise EdgeError("the evidence has no room")

        log = _log(tmp_path, before_commit=refuse)
        with pytest.raises(EdgeError, match="evidence has no room"):
            await _append(log, b"1")
        assert not (tmp_path / "decisions" / FIRST).exists()

    async def test_a_newline_inside_a_line(self, tmp_path: Path) -> None:
        """One line cannot smuggle in another."""
        with pytest.raises(ValueError, match="newline"):
            await _append(_log(tmp_path), b'{}\n{"verdict":"allow"}')

    async def test_a_run_never_writes_into_anothers_file(self, tmp_path: Path) -> None:
        """A run whose name is taken is told so, and the other's lines stay as they were."""
        await _append(_log(tmp_path), b"theirs")
        with pytest.raises(EdgeError, match="name of its own"):
            _log(tmp_path)
        assert _read(tmp_path) == [(FIRST, 1, b"theirs")]

    def test_a_killed_run_loses_nothing_it_acknowledged(self, tmp_path: Path) -> None:
        """After SIGKILL every acknowledged line is in the file, whole, and what is signed is there."""
        with subprocess.Popen([sys.executable, "-c", _APPENDER, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            acknowledged = 0
            while acknowledged < 5_000:
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines()
        acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
        lines = [line for _, _, line in read_log(tmp_path / "decisions", note=lambda _: None)]
        assert len(lines) >= acknowledged
        assert lines == [b"%d" % number * 50 for number in range(len(lines))]


class TestCheckpoints:
    async def test_the_last_one_vouches_for_everything(self, tmp_path: Path) -> None:
        """At the end decisions, evidence and items are under one signed checkpoint, and the manifest names it."""
        log = _log(tmp_path)
        log.note_evidence(b"WARC/1.1 one", 12)
        await _append(log, b"1", b"2", b"3")
        log.note_item(b"item")
        log.close()
        last = _checkpoints(tmp_path)[-1]
        assert (last.decisions, last.evidence, last.items) == (
            _head([b"1", b"2", b"3"]),
            _head([b"WARC/1.1 one"]),
            _head([b"item"]),
        )
        assert last.end
        note = read_notes((tmp_path / "checkpoints" / "run.notes").read_bytes())[-1]
        opened, closed = (entry for _, entry in read_entries((tmp_path / "manifest.jsonl").read_bytes()))
        assert isinstance(opened, Entry)
        assert isinstance(closed, Entry)
        assert (opened.event, opened.run, opened.key) == (OPENED, "run", KEY.verifier)
        assert (closed.event, closed.checkpoint, closed.size) == (CLOSED, digest(note), 3)
        assert (tmp_path / "keys" / f"{KEY.name}.vkey").read_text() == KEY.verifier.vkey + "\n"

    async def test_one_comes_by_itself(self, tmp_path: Path) -> None:
        """A run that goes on in silence signs what it wrote; what is not closed has no last one."""
        log = _log(tmp_path)
        await _append(log, b"1")
        path = tmp_path / "checkpoints" / "run.notes"
        async with asyncio.timeout(30):
            while not path.exists() or not read_notes(path.read_bytes()):
                await asyncio.sleep(0.01)
        assert [(found.decisions, found.end) for found in _checkpoints(tmp_path)] == [(_head([b"1"]), False)]

    async def test_many_leaves_bring_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A checkpoint follows so many leaves, each consistent with all before."""
        monkeypatch.setattr(writing, "CHECKPOINT_LEAVES", 10)
        log = _log(tmp_path)
        lines = [b"%d" % number for number in range(25)]
        for start in range(0, 25, 5):
            await _append(log, *lines[start : start + 5])
        log.close()
        found = _checkpoints(tmp_path)
        assert len(found) >= 3
        assert all(checkpoint.decisions == _head(lines[: checkpoint.decisions.size]) for checkpoint in found)

    async def test_what_was_kept_is_on_the_disk_before_it_is_vouched_for(self, tmp_path: Path) -> None:
        """Who notes items is asked to sync them; while that fails nothing is signed, and the end says so."""
        log = _log(tmp_path)

        def refuse() -> None:
            raise OSError(28, "No space left on device")

        log.before_checkpoint(refuse)
        await _append(log, b"1")
        with pytest.raises(EdgeError, match="No space left"):
            log.close()
        assert not (tmp_path / "checkpoints").exists()

    async def test_nothing_said_nothing_signed(self, tmp_path: Path) -> None:
        """A run without a decision leaves no file."""
        _log(tmp_path).close()
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class TestSegments:
    async def test_segments_rotate_and_are_sealed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A segment ends at its size also in the middle of a group, is sealed, and reads back the same."""
        monkeypatch.setattr(writing, "SEGMENT_LINES", 4_096)
        log = _log(tmp_path)
        lines = [b'{"n":%d}' % number for number in range(2 * 4_096 + 5)]
        await _append(log, *lines[:6])
        await _append(log, *lines[6:])
        log.close()
        assert sorted(path.name for path in (tmp_path / "decisions").iterdir() if path.suffix != ".lookup") == [
            "run.000000000000.parquet",
            "run.000000004096.parquet",
            "run.000000008192.jsonl",
        ]
        assert [line for _, _, line in _read(tmp_path)] == lines
        assert _checkpoints(tmp_path)[-1].decisions == _head(lines)
        noted = (tmp_path / "leaves" / "run.decisions").read_bytes()
        assert noted == b"".join(leaf_hash(line)[:LEAF_BYTES] for line in lines)

    async def test_a_large_last_segment_is_sealed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is left at the end is sealed when it is large."""
        monkeypatch.setattr(writing, "SEAL_FROM_BYTES", 10)
        log = _log(tmp_path)
        await _append(log, b'{"a":"0123456789"}')
        log.close()
        assert _read(tmp_path) == [("run.000000000000.parquet", 1, b'{"a":"0123456789"}')]


class TestTrouble:
    def test_a_full_disk(self, tmp_path: Path) -> None:
        """A group that does not fit is an error and leaves no trace; when there is room again, the log goes on, and the
        last checkpoint vouches for what was kept."""
        result = subprocess.run(
            [sys.executable, "-c", _FULL_DISK, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stdout.splitlines() == ["kept", "refused", "refused", "kept", "kept"], result.stderr
        lines = [line for _, _, line in _read(tmp_path)]
        assert lines == [b"first", b"small", b"after"]
        (note,) = read_notes((tmp_path / "checkpoints" / "run.notes").read_bytes())[-1:]
        text = note.decode().split("\n")
        assert text[1] == "3"

    async def test_a_folder_that_goes_away(self, tmp_path: Path) -> None:
        """A removed folder is an error within a moment; when it is back, the log goes on in a segment that says at which
        leaf it begins, so that what is gone shows."""
        log = _log(tmp_path)
        await _append(log, b"1")
        shutil.rmtree(tmp_path / "decisions")
        with pytest.raises(EdgeError, match="check that its folder is there"):
            await asyncio.wait_for(_append_until_refused(log), 30)
        size = log._decisions.size
        with pytest.raises(EdgeError, match="check that its folder is there"):
            await _append(log, b"2")
        (tmp_path / "decisions").mkdir()
        await _append(log, b"3")
        assert _read(tmp_path) == [(f"run.{size:012d}.jsonl", 1, b"3")]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
    async def test_a_read_only_folder(self, tmp_path: Path) -> None:
        """A folder that cannot be written is an error that says what to check."""
        log = _log(tmp_path)
        (tmp_path / "decisions").chmod(0o500)
        with pytest.raises(EdgeError, match="can be written"):
            await _append(log, b"1")
        (tmp_path / "decisions").chmod(0o700)

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """A file where the folder should be stops the program at start."""
        (tmp_path / "file").touch()
        with pytest.raises(EdgeError, match="cannot write the decision log"):
            _log(tmp_path / "file")

    async def test_a_manifest_that_cannot_be_written(self, tmp_path: Path) -> None:
        """A log that is not listed takes no decision."""
        (tmp_path / "manifest.jsonl").mkdir()
        with pytest.raises(EdgeError, match="Is a directory"):
            await _append(_log(tmp_path), b"1")
        assert not (tmp_path / "decisions" / FIRST).exists()

    async def test_closed(self, tmp_path: Path) -> None:
        """Nothing is appended after the end, and a name of a run is a name."""
        log = _log(tmp_path)
        await _append(log, b"1")
        log.close()
        log.close()
        with pytest.raises(EdgeError, match="closed"):
            await _append(log, b"2")
        for run in ("", "../x", ".hidden"):
            with pytest.raises(ValueError, match="cannot name a run"):
                _log(tmp_path, run)

    async def test_who_gave_up_waiting_changes_nothing(self, tmp_path: Path) -> None:
        """A request that was cancelled while its group was written does not disturb the others."""
        log = _log(tmp_path)
        given_up, waited_for = (asyncio.ensure_future(log.append(line)) for line in (b"1", b"2"))
        given_up.cancel()
        await waited_for
        log.close()
        assert [line for _, _, line in _read(tmp_path)] == [b"1", b"2"]


class TestReading:
    async def test_every_file_in_the_order_of_runs_and_leaves(self, tmp_path: Path) -> None:
        """Lines come with their file and number; other files are passed over."""
        for run in ("b", "a"):
            log = _log(tmp_path, run)
            await _append(log, b"1", b"2")
            log.close()
        (tmp_path / "decisions" / "c.txt").write_bytes(b"x\n")
        assert _read(tmp_path) == [
            ("a.000000000000.jsonl", 1, b"1"),
            ("a.000000000000.jsonl", 2, b"2"),
            ("b.000000000000.jsonl", 1, b"1"),
            ("b.000000000000.jsonl", 2, b"2"),
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
import asyncio, itertools, sys
from pathlib import Path
from askfirst.edges.decision_log import MerkleLog
from askfirst.gate import utc_now
from askfirst.ledger.notes import SigningKey

async def main():
    log = MerkleLog(Path(sys.argv[1]), run="run", key=SigningKey.new(), clock=utc_now)
    for start in itertools.count(0, 20):
        for waiting in [log.append(b"%d" % number * 50) for number in range(start, start + 20)]:
            await waiting
        print(start + 20, flush=True)

asyncio.run(main())
"""

_FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from askfirst.edges.decision_log import MerkleLog
from askfirst.gate import utc_now
from askfirst.ledger.notes import SigningKey
from askfirst.ports import EdgeError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)


async def append(log, line):
    try:
        await log.append(line)
    except EdgeError as error:
        assert "room" in str(error), error
        print("refused")
    else:
        print("kept")


async def main():
    log = MerkleLog(Path(sys.argv[1]), run="run", key=SigningKey.new(), clock=utc_now)
    await append(log, b"first")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    await append(log, b"x" * 200)
    await append(log, b"x" * 200)
    await append(log, b"small")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await append(log, b"after")
    log.close()

asyncio.run(main())
"""
