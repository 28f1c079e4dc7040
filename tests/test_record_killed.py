"""A record that is killed at random moments, or whose disk is full, loses nothing it acknowledged, and verifies."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from askfirst.audit.verify import verify
from askfirst.edges.evidence_warc import read_evidence
from askfirst.ledger.manifest import Entry, read_entries
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.policy import OPT_OUT
from askfirst.segments import read_log

COMMAND = [sys.executable, "-m", "tests.record_process"]


def _ids(out: Path) -> set[str]:
    return {msgspec.json.decode(line)["id"] for _, _, line in read_log(out / "decisions", note=lambda _: None)}


def _holds(out: Path, acknowledged: set[str]) -> None:
    """Every acknowledged decision is in the log, follows from its evidence, and the record verifies."""
    assert acknowledged
    assert acknowledged <= _ids(out)
    found = verify(out)
    assert list(found.findings) == []
    assert found.whole
    evidenced = Evidenced(read_evidence(out / "evidence", note=lambda _: None))
    told = [
        replay_recorded(line, evidenced, {OPT_OUT.digest: OPT_OUT})
        for _, _, line in read_log(out / "decisions", note=lambda _: None)
    ]
    assert set(told) == {None}


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_a_random_moment(tmp_path: Path, seed: int) -> None:
    """After SIGKILL everything that was given out is recorded, and what is there verifies."""
    moment = random.Random(seed).randrange(1, 3_000)
    with subprocess.Popen([*COMMAND, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(moment)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    _holds(tmp_path, {line.decode().strip() for line in lines if line.endswith(b"\n")})


def _each_call(folder: Path, act: str) -> list[dict[str, Any]]:
    """Beside a record that is whole, a second run to each of its calls that can change a file, and what became of it:
    nothing acknowledged is lost, and both verify."""
    command = [sys.executable, "-m", "tests.record_kills", str(folder), act]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    told: list[dict[str, Any]] = [msgspec.json.decode(s) for s in result.stdout.splitlines() if s.startswith("{")]
    assert [line["number"] for line in told] == list(range(1, len(told) + 1))
    assert {"open", "write", "fsync", "fdatasync", "replace", "mkdir"} <= {line["call"] for line in told}
    assert {line["acknowledged"] for line in told} >= {0, told[-1]["acknowledged"]}
    assert [line for line in told if line["lost"] or line["findings"]] == []
    assert (told[-1]["end"], told[-1]["call"]) == ("done", "")
    return told


def test_no_room_for_one_call(tmp_path: Path) -> None:
    """Whichever call fails, the run goes on or ends with one line, and decides about nothing that it cannot record."""
    assert {line["end"] for line in _each_call(tmp_path, "fail")} == {"done", "failed"}


def test_killed_before_each_call_that_changes_a_file(tmp_path: Path) -> None:
    """Wherever it is killed, the record verifies; also between its last checkpoint and the manifest's line about it."""
    told = _each_call(tmp_path, "kill")
    assert {line["end"] for line in told[:-1]} == {"killed"}
    between = [line for line in told if any("was killed between the two" in said for said in line["said"])]
    assert between, "no moment between the last checkpoint and the manifest's line was met"


def test_killed_again_and_again(tmp_path: Path) -> None:
    """What one run left does not hinder the next: each is a log of its own, and the manifest lists all."""
    acknowledged: set[str] = set()
    for number in range(3):
        told = {**os.environ, "RECORD_RUN": f"run-{number}"}
        with subprocess.Popen([*COMMAND, str(tmp_path)], stdout=subprocess.PIPE, env=told) as process:
            assert process.stdout is not None
            acknowledged |= {process.stdout.readline().decode().strip() for _ in range(200)}
            process.send_signal(signal.SIGKILL)
            process.stdout.read()
    _holds(tmp_path, acknowledged)
    entries = [entry for _, entry in read_entries((tmp_path / "manifest.jsonl").read_bytes())]
    assert [(entry.event, entry.run) for entry in entries if isinstance(entry, Entry)] == [
        ("opened", "run-0"),
        ("opened", "run-1"),
        ("opened", "run-2"),
    ]


@pytest.mark.parametrize("most_bytes", [100_000, 250_000, 700_001])
def test_files_that_may_not_grow(tmp_path: Path, most_bytes: int) -> None:
    """Where a file may have so many bytes and no more, what was given out is recorded, the rest is deferred, and the
    record ends in order or verifies without its end."""
    result = subprocess.run(
        [*COMMAND, str(tmp_path), "2000"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: _limit(most_bytes),
    )
    assert int(result.stderr.splitlines()[-1]) > 0, result.stderr
    _holds(tmp_path, set(result.stdout.split()))


def _limit(most_bytes: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a file system of its own needs root; the test with limited files stands for it")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    ).returncode:
        pytest.skip("no file system may be mounted here; the test with limited files stands for it")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    """When the whole disk is full, what was given out is recorded, the rest is deferred, and the record verifies."""
    result = subprocess.run([*COMMAND, str(small_disk / "out"), "3000"], capture_output=True, text=True, check=False)
    assert "No space left" in result.stderr or int(result.stderr.splitlines()[-1]) > 0
    _holds(small_disk / "out", set(result.stdout.split()))
