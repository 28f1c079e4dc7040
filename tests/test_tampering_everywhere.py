"""Whatever is done to one record, piece of evidence, kept item, checkpoint or line of the manifest is found and named.

A real record is made once. Each case does one thing to one of its files, at a place taken by seed, asks the audit, and
puts the file back.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from askfirst.audit.directory import evidence_records
from askfirst.audit.verify import verify
from askfirst.ledger.checkpoints import read_notes

RUN = "run"
SEEDS = 12
FILES = {
    "decisions": f"decisions/{RUN}.000000000000.jsonl",
    "evidence": f"evidence/{RUN}.warc",
    "items": f"items/{RUN}.jsonl",
    "checkpoints": f"checkpoints/{RUN}.notes",
    "manifest": "manifest.jsonl",
}
Pieces = list[bytes]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that decided about 150 pages, kept a part of them, and ended in order."""
    folder = tmp_path_factory.mktemp("record")
    command = [sys.executable, "-m", "tests.record_process", str(folder), "150"]
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        env={**os.environ, "RECORD_RUN": RUN, "RECORD_CHECKPOINT_LEAVES": "40"},
    )
    found = verify(folder)
    assert found.whole
    assert found.checkpoints >= 4
    return folder


def _pieces(path: Path, kind: str) -> Pieces:
    """The file in the pieces that are signed one by one; together they are the file."""
    told = path.read_bytes()
    if kind == "evidence":
        starts = [record.offset for record in evidence_records(path)]
        return [told[start:end] for start, end in zip(starts, [*starts[1:], len(told)], strict=True)]
    if kind == "checkpoints":
        return [note + b"\n" for note in read_notes(told)]
    return told.splitlines(keepends=True)


def _alter(pieces: Pieces, dice: random.Random) -> int:
    number = dice.randrange(len(pieces))
    piece = bytearray(pieces[number])
    # not the newline at its end, which belongs to the file
    place = dice.randrange(len(piece) - 4)
    piece[place] ^= 1 << dice.randrange(7)
    pieces[number] = bytes(piece)
    return number


def _drop(pieces: Pieces, dice: random.Random) -> int:
    number = dice.randrange(len(pieces))
    del pieces[number]
    return number


def _swap(pieces: Pieces, dice: random.Random) -> int:
    one, other = sorted(dice.sample(range(len(pieces)), 2))
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return one


def _duplicate(pieces: Pieces, dice: random.Random) -> int:
    number = dice.randrange(len(pieces))
    pieces.insert(number + 1, pieces[number])
    return number + 1


_DATE = re.compile(rb'("decided_at":"|"fetched_at":"|WARC-Date: |\nat |"at":")(20\d\d)')


def _back_date(pieces: Pieces, dice: random.Random) -> int:
    number = dice.randrange(len(pieces))
    pieces[number], count = _DATE.subn(lambda found: found[1] + b"2019", pieces[number], count=1)
    assert count == 1
    return number


def _truncate(pieces: Pieces, dice: random.Random) -> int:
    number = dice.randrange(len(pieces))
    del pieces[number + 1 :]
    pieces[number] = pieces[number][: dice.randrange(len(pieces[number]) - 4)]
    return number


OPERATIONS: dict[str, Callable[[Pieces, random.Random], int]] = {
    "alter": _alter,
    "drop": _drop,
    "swap": _swap,
    "duplicate": _duplicate,
    "back-date": _back_date,
    "truncate": _truncate,
}
SAID = {
    "alter": ("altered", "does not match its digest", "does not end where it says"),
    "back-date": ("altered", "back-dated"),
    "drop": ("dropped",),
    "swap": ("reordered",),
    "duplicate": ("duplicated",),
    "truncate": ("dropped", "cut short", "does not end where it says", "does not match its digest"),
}


def _cases() -> Iterator[tuple[str, str, int]]:
    for kind in FILES:
        for operation in OPERATIONS:
            for seed in range(SEEDS):
                yield kind, operation, seed


CASES: Sequence[tuple[str, str, int]] = tuple(_cases())


@pytest.mark.parametrize(("kind", "operation"), [(kind, operation) for kind in FILES for operation in OPERATIONS])
def test_one_thing_is_done(out: Path, kind: str, operation: str) -> None:
    """It is found, the file is named, and for what is a leaf of a tree the line or record and what was done to it."""
    path = out / FILES[kind]
    before = path.read_bytes()
    for seed in range(SEEDS):
        pieces = _pieces(path, kind)
        dice = random.Random(f"{kind} {operation} {seed}")
        number = OPERATIONS[operation](pieces, dice)
        after = b"".join(pieces)
        assert after != before
        path.write_bytes(after)
        try:
            found = verify(out)
        finally:
            path.write_bytes(before)
        told = [str(finding) for finding in found.findings]
        if (kind, operation, number) == ("manifest", "drop", len(pieces)):
            told = found.said  # as a run leaves it that is killed right there: nothing is missing
        else:
            assert not found.whole, (seed, number)
        assert any(FILES[kind] in line or (kind == "manifest" and RUN in line) for line in told), (seed, told)
        if kind in {"decisions", "evidence", "items"}:
            here = [line for line in told if line.startswith(FILES[kind])]
            named = [line for line in here if _names(line, number, operation)]
            assert named, (seed, number, here[:5])


def _names(line: str, number: int, operation: str) -> bool:
    """Whether a finding speaks of this line or record, and says what was done."""
    numbers = {int(digits) for digits in re.findall(r"(?:line|record) (\d+)", line)}
    around = {number, number + 1} if operation in {"drop", "truncate"} else {number + 1}
    return bool(numbers & around) and any(words in line for words in SAID[operation])


def test_there_are_hundreds() -> None:
    """As many as were promised."""
    assert len(CASES) == 5 * 6 * SEEDS >= 300
