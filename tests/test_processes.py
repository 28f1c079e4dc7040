"""Other processes give what this one would have given, in its order, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from askfirst.ports import EdgeError
from askfirst.processes import in_order

JOBS = list(range(20))


def square(number: int) -> int:
    return number * number


def of_process(_number: int) -> int:
    return os.getpid()


def square_or_die(here: int, number: int) -> int:
    """Ends its process at 7, unless that is the one that asks."""
    if number == 7 and os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def square_below(most: int, number: int) -> int:
    if number >= most:
        raise EdgeError(f"{number} is too much")
    return square(number)


def test_the_order_is_that_of_the_jobs() -> None:
    """What comes of them, whoever does them; and it is others who do."""
    assert list(in_order(square, JOBS, workers=3, ahead=2)) == [square(number) for number in JOBS]
    assert os.getpid() not in set(in_order(of_process, JOBS, workers=2, ahead=2))


def test_jobs_for_here_are_done_here_at_their_place() -> None:
    """By the function for that."""
    found = list(in_order(of_process, JOBS, workers=2, ahead=1, here=square, is_for_here=lambda job: job % 5 == 4))
    assert [found[4], found[9], found[14], found[19]] == [16, 81, 196, 361]
    assert {os.getpid(), *found[5:9]} & {16, 81} == set()


def test_no_jobs_need_no_process() -> None:
    assert list(in_order(square, [], workers=2, ahead=2)) == []


def test_what_a_process_had_begun_when_it_ended_is_done_here() -> None:
    """And what is left of the jobs by whoever is left."""
    work = partial(square_or_die, os.getpid())
    assert list(in_order(work, JOBS, workers=2, ahead=2)) == [square(number) for number in JOBS]
    assert list(in_order(work, JOBS * 2, workers=2, ahead=2)) == [square(number) for number in JOBS * 2]


@pytest.mark.parametrize("program", ["", "/dev/null/python"])
def test_where_none_can_be_started_all_is_done_here(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """No interpreter, or none that starts."""
    monkeypatch.setattr(sys, "executable", program)
    assert set(in_order(of_process, JOBS, workers=2, ahead=2)) == {os.getpid()}


def test_what_the_work_raises_is_raised_at_its_place() -> None:
    """After what came before it."""
    found: list[int] = []
    with pytest.raises(EdgeError, match="5 is too much"):
        found.extend(in_order(partial(square_below, 5), JOBS, workers=2, ahead=2))
    given = in_order(partial(square_below, 5), JOBS, workers=2, ahead=2)
    assert [next(given) for _ in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(EdgeError, match="5 is too much"):
        next(given)


class _NoPickleError(Exception):
    def __init__(self, *, number: int) -> None:
        super().__init__(number)


def fail_so_that_it_cannot_be_told(number: int) -> int:
    raise _NoPickleError(number=number)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_told_is_raised_here(workers: int) -> None:
    """An error that does not come back out of a pickle ends the process's work, and is met again by who asked."""
    with pytest.raises(_NoPickleError):
        list(in_order(fail_so_that_it_cannot_be_told, JOBS, workers=workers, ahead=2))


def print_and_square(number: int) -> int:
    os.write(1, b"cos\n")
    return square(number)


def test_what_the_work_prints_disturbs_nobody() -> None:
    """It goes where nobody reads it."""
    assert list(in_order(print_and_square, JOBS, workers=2, ahead=2)) == [square(number) for number in JOBS]


def test_who_stops_asking_leaves_no_process() -> None:
    """They are ended with the iteration."""
    given = in_order(of_process, JOBS, workers=2, ahead=2)
    processes = {next(given) for _ in range(4)}
    given.close()
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_the_callers_program_is_not_run_again(tmp_path: Path) -> None:
    """A script without a guard, as people write them, does its work once."""
    script = tmp_path / "script.py"
    script.write_text(
        "from askfirst.processes import in_order\n"
        "from tests.test_processes import square\n"
        "print('begun')\nprint(sum(in_order(square, [1, 2, 3], workers=2, ahead=2)))\n"
    )
    root = str(Path(__file__).resolve().parent.parent)
    told = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "begun\n14\n"
