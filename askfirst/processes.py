"""Other processes for work that takes long, and what comes of it in the order of the jobs.

1. They are new processes, because this one may have threads, which a fork would leave in the middle of what they do;
   and they do not run the caller's program again, as those of ``multiprocessing`` would, which may be any script. A
   thread for each waits for its answers.
2. A process that ended, or could not be started, costs nothing but time: what it had begun is done here.
3. What is asked and answered is pickled, between processes of our own and nobody else. Work is named by its function,
   so that is one of a module.
4. There is no looking for reference cycles in them: who is asked to do a job makes results, and no circles.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
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

ENDED: Final = (OSError, EOFError, pickle.UnpicklingError)
"""What asking a process raises that ended, or was ended from outside."""
_PROGRAM: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from askfirst.processes import main; main()"
)


class _Answer(NamedTuple):
    """What came of a job, or what was raised."""

    found: object
    error: Exception | None = None


class Other(Generic[J, R]):
    """Another process, which does ``work``. Raises OSError when there is no room for it; asking it raises ``ENDED``."""

    def __init__(self, work: Callable[[J], R]) -> None:
        if not sys.executable:
            raise OSError("this interpreter does not know its own program")
        # what it could not do is done by who asked, so its own words are of no use
        self.process: Final = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._work = work
        self._is_ready = False

    def get_ready(self) -> None:
        """Returns when it has started and knows its work."""
        if not self._is_ready:
            self._tell(sys.path)
            self._tell(self._work)
            self._told()
            self._is_ready = True

    def do(self, job: J) -> _Answer:
        """What comes of a job."""
        self.get_ready()
        self._tell(job)
        return self._told()

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

    def _told(self) -> _Answer:
        assert self.process.stdout is not None
        answer: _Answer = pickle.load(self.process.stdout)  # noqa: S301  # by our own program
        return answer


def main() -> None:
    """What another process does: jobs, until nobody asks."""
    gc.disable()
    told, tell = sys.stdin.buffer, sys.stdout.buffer
    work: Callable[[object], object] = pickle.load(told)  # noqa: S301  # by our own program
    answer = _Answer(None)
    while True:
        pickle.dump(answer, tell, pickle.HIGHEST_PROTOCOL)
        tell.flush()
        try:
            job: object = pickle.load(told)  # noqa: S301  # the same
        except EOFError:
            return
        try:
            answer = _Answer(work(job))
        except Exception as error:  # noqa: BLE001  # raised again by who asked
            answer = _Answer(None, error)


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
        answer: _Answer | None = None
        if other is not None:
            with contextlib.suppress(*ENDED):
                answer = other.do(job)
        self._idle.put(None if answer is None else other)
        if answer is None and self._is_over:
            raise CancelledError
        if answer is None:
            return self._work(job)
        if answer.error is not None:
            raise answer.error
        return cast("R", answer.found)
