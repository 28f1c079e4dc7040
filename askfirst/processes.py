"""Other processes for work that takes long, and what comes of it in the order of the jobs.

1. They are new processes, because this one may have threads, which a fork would leave in the middle of what they do;
   and they do not run the caller's program again, as those of ``multiprocessing`` would, which may be any script. A
   thread for each waits for its answers.
2. A process that ended, or could not be started, costs nothing but time: what it had begun is done here.
3. What is asked and answered is pickled, between processes of our own and nobody else. Work is named by its function,
   so that is one of a module.
4. Most work makes results and no reference cycles, and then nobody looks for any there.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar, cast

J = TypeVar("J")
R = TypeVar("R")

_LOGGER = logging.getLogger(__name__)
ENDED: Final = (OSError, EOFError, pickle.UnpicklingError)
"""What asking a process raises that ended, or was ended from outside."""
_PROGRAM: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from askfirst.processes import main; main()"
)


class Answer(NamedTuple, Generic[R]):
    """What came of a job, or what was raised."""

    found: R | None = None
    error: Exception | None = None

    def get(self) -> R:
        """What came of it. Raises what was raised."""
        if self.error is not None:
            raise self.error
        return cast("R", self.found)


class Other(Generic[J, R]):
    """Another process, which does ``work``; ``with_cycles``: that makes reference cycles, which are to be collected.
    Raises OSError when there is no room for it; asking it raises ``ENDED``."""

    def __init__(self, work: Callable[[J], R], *, with_cycles: bool = False) -> None:
        self.process: Final = launch()
        self._greeting = (work, with_cycles)

    def get_ready(self) -> None:
        """Returns when it has started and knows its work: once, before it is asked."""
        self._tell(sys.path)
        self._tell(self._greeting)
        self.answer()

    def ask(self, job: J) -> None:
        """Returns when it is told of a job. It may be asked for another before it answers."""
        self._tell(job)

    def answer(self) -> Answer[R]:
        """What came of the first job that was not answered yet."""
        assert self.process.stdout is not None
        answer: Answer[R] = pickle.load(self.process.stdout)  # noqa: S301  # by our own program
        return answer

    def end(self) -> None:
        """Ends it, whatever it is doing."""
        self.process.kill()

    def close(self) -> None:
        """Lets go of it, when nobody asks it any more."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):  # what nobody reads anymore
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _tell(self, what: object) -> None:
        assert self.process.stdin is not None
        pickle.dump(what, self.process.stdin, pickle.HIGHEST_PROTOCOL)
        self.process.stdin.flush()


def launch() -> subprocess.Popen[bytes]:
    """Another process. What it could not do is done by who asked, so its own words are of no use. Raises OSError."""
    if not sys.executable:
        raise OSError(errno.ENOENT, "this interpreter does not know its own program")
    return subprocess.Popen(  # noqa: S603  # ourselves
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def main() -> None:
    """What another process does: jobs, until nobody asks. What else is printed here goes to standard error, and an
    interrupt ends it without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        work, with_cycles = pickle.load(sys.stdin.buffer)  # noqa: S301  # by our own program
        gc.freeze()
        if with_cycles:
            # looking for a few of them among all that is held takes its time
            gc.set_threshold(50_000, 20, 100)
        else:
            gc.disable()
        answer: Answer[object] = Answer()
        while True:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
            try:
                job: object = pickle.load(sys.stdin.buffer)  # noqa: S301  # the same
            except EOFError:
                return
            try:
                answer = Answer(work(job))
            except Exception as error:  # noqa: BLE001  # raised again by who asked
                answer = Answer(error=error)


def in_order(
    work: Callable[[J], R],
    jobs: Sequence[J],
    *,
    workers: int,
    ahead: int,
    here: Callable[[J], R] | None = None,
    is_for_here: Callable[[J], bool] = lambda _job: False,
) -> Generator[R, None, None]:
    """What comes of each job, done by so many other processes; jobs that are ``for_here`` are done by this one, in
    their turn and by ``here``, where that is another function. At most ``ahead`` jobs are done, beside those that are
    being done, before the one that is waited for. Raises what the work raises."""
    with _Others(work, max(1, min(workers, len(jobs)))) as others:
        waiting: deque[tuple[J, Future[R] | None]] = deque()
        left = iter(jobs)
        while True:
            for job in islice(left, workers + ahead - len(waiting)):
                waiting.append((job, None if is_for_here(job) else others.begin(job)))
            if not waiting:
                return
            job, found = waiting.popleft()
            yield (here or work)(job) if found is None else found.result()


class _Others(Generic[J, R]):
    """So many other processes, each asked by a thread."""

    def __init__(self, work: Callable[[J], R], count: int) -> None:
        self._work = work
        self._started: list[Other[J, R]] = []
        with contextlib.suppress(OSError):  # where there is no room for them everything is done here
            self._started.extend(Other(work) for _ in range(count))
        # None stands for one that is not there
        self._idle: SimpleQueue[Other[J, R] | None] = SimpleQueue()
        for place in range(count):
            self._idle.put(self._started[place] if place < len(self._started) else None)
        self._ready: set[Other[J, R]] = set()
        self._threads = ThreadPoolExecutor(count)
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._is_over = True
        for other in self._started:
            other.end()
        self._threads.shutdown(cancel_futures=True)
        for other in self._started:
            other.close()

    def begin(self, job: J) -> Future[R]:
        """What comes of a job, once it is done; it raises what the work raises."""
        return self._threads.submit(self._done, job)

    def _done(self, job: J) -> R:
        other = self._idle.get()
        answer: Answer[R] | None = None
        try:
            if other is not None:
                if other not in self._ready:
                    other.get_ready()
                    self._ready.add(other)
                other.ask(job)
                answer = other.answer()
        except Exception as error:  # noqa: BLE001  # it ended, or what it said cannot be read: it is not asked again
            _LOGGER.debug("a process is not asked again: %s", error)
        finally:
            self._idle.put(None if answer is None else other)
        if answer is None and self._is_over:
            raise CancelledError
        return self._work(job) if answer is None else answer.get()
