"""The decision log read by several processes, and given stretch by stretch in its order.

1. Each segment is a job, and small ones are one together; a small record is read here.
2. A process that was ended from outside, or could not be started, costs nothing but time: what it had not given back is
   read here.
3. At most ``AHEAD`` jobs are read, beside those that are being read, before the one that is waited for.
4. INVARIANT: memory is bounded: a file that is too large for a job, which no run of today writes, is read here.
5. They are new processes, because this one has threads, which a fork would leave in the middle of what they do; and
   they do not run the caller's program again, as those of ``multiprocessing`` would, which may be any script. A thread
   for each waits for its answers.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Self

from askfirst.ports import EdgeError
from askfirst.report.stretch import Stretch, stretches
from askfirst.segments import segments

PARALLEL_FROM = 3
"""Jobs from which further processes are worth their start."""
AHEAD = 2
MOST_WORKERS = 2
"""Of about a quarter of a gigabyte each: with two, all processes together stay below one."""
JOB_BYTES, MOST_JOB_BYTES = 32 * 1024 * 1024, 512 * 1024 * 1024
"""Of plain text: segments are added to a job while it is smaller than the one, and none is larger than the other."""
SEALED_SHARE = 16
"""How much smaller a sealed segment is, about."""

_PROGRAM: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from askfirst.report.reading import main; main()"
)


@dataclass(frozen=True, slots=True)
class Job:
    """Segments that one process reads, one after the other."""

    paths: tuple[Path, ...]
    with_rows: bool
    bytes: int


def read_log(folder: Path, *, with_rows: bool, workers: int | None = None) -> Iterator[Stretch]:
    """The log, by ``workers`` processes; by default as many as there are processors, up to ``MOST_WORKERS``. Raises
    EdgeError."""
    try:
        jobs = list(_jobs(segments(folder), with_rows=with_rows))
    except OSError as error:
        raise EdgeError(f"cannot read the decision log {error.filename or folder}: {error.strerror}") from error
    count = min(os.cpu_count() or 1, MOST_WORKERS) if workers is None else workers
    with _no_cycles():
        if count < 2 or len(jobs) < PARALLEL_FROM:
            yield from _here(jobs)
        else:
            yield from _by_processes(jobs, count)


def _jobs(paths: Sequence[Path], *, with_rows: bool) -> Iterator[Job]:
    some: list[Path] = []
    size_bytes = 0
    for path in paths:
        own_bytes = _plain_bytes(path)
        if some and size_bytes + own_bytes > JOB_BYTES:
            yield Job(tuple(some), with_rows, size_bytes)
            some, size_bytes = [], 0
        some.append(path)
        size_bytes += own_bytes
    if some:
        yield Job(tuple(some), with_rows, size_bytes)


def _plain_bytes(path: Path) -> int:
    try:
        return path.stat().st_size * (SEALED_SHARE if path.suffix == ".parquet" else 1)
    except FileNotFoundError:  # sealed since it was listed
        return JOB_BYTES


def _here(jobs: Sequence[Job]) -> Iterator[Stretch]:
    for job in jobs:
        yield from stretches(job.paths, with_rows=job.with_rows)


def _by_processes(jobs: Sequence[Job], workers: int) -> Iterator[Stretch]:
    with Processes(min(workers, len(jobs))) as processes:
        waiting: deque[tuple[Job, Future[list[Stretch]] | None]] = deque()
        left = iter(jobs)
        while True:
            for job in islice(left, workers + AHEAD - len(waiting)):
                waiting.append((job, None if job.bytes > MOST_JOB_BYTES else processes.begin(job)))
            if not waiting:
                return
            job, found = waiting.popleft()
            yield from _here([job]) if found is None else found.result()


class Processes:
    """So many other processes that read jobs."""

    def __init__(self, count: int) -> None:
        self.running: Final[list[subprocess.Popen[bytes]]] = []
        with contextlib.suppress(OSError):  # where there is no room for them everything is read here
            self.running.extend(_started() for _ in range(count if sys.executable else 0))
        # None stands for one that is not there
        self._idle: Final[SimpleQueue[subprocess.Popen[bytes] | None]] = SimpleQueue()
        for place in range(count):
            self._idle.put(self.running[place] if place < len(self.running) else None)
        self._threads: Final = ThreadPoolExecutor(count)
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._is_over = True
        for other in self.running:
            other.kill()
        self._threads.shutdown(cancel_futures=True)
        for other in self.running:
            _close(other)

    def begin(self, job: Job) -> Future[list[Stretch]]:
        """The stretches of a job, once they are read; it raises what reading them raises."""
        return self._threads.submit(self._read, job)

    def _read(self, job: Job) -> list[Stretch]:
        other = self._idle.get()
        found: list[Stretch] | Exception | None = None
        if other is not None:
            # it ended, or was ended from outside
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
                found = _asked(other, job)
        self._idle.put(None if found is None else other)
        if isinstance(found, Exception):
            raise found
        if found is None and not self._is_over:
            return list(_here([job]))
        return found or []


def _started() -> subprocess.Popen[bytes]:
    """Another process. What it could not do is done here, so its own words are of no use."""
    other = subprocess.Popen(  # noqa: S603  # ourselves
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert other.stdin is not None
    with contextlib.suppress(OSError):  # it ended: that shows when it is asked
        pickle.dump(sys.path, other.stdin)
        other.stdin.flush()
    return other


def _asked(other: subprocess.Popen[bytes], job: Job) -> list[Stretch] | Exception:
    assert other.stdin is not None
    assert other.stdout is not None
    pickle.dump(job, other.stdin, pickle.HIGHEST_PROTOCOL)
    other.stdin.flush()
    answer: list[Stretch] | Exception = pickle.load(other.stdout)  # noqa: S301  # by our own program
    return answer


def _close(other: subprocess.Popen[bytes]) -> None:
    assert other.stdin is not None
    assert other.stdout is not None
    with contextlib.suppress(OSError):  # what nobody reads anymore
        other.stdin.close()
    other.stdout.close()
    other.wait()


def main() -> None:
    """What another process does: it reads jobs until nobody asks."""
    gc.disable()  # a pass makes no cycles
    while True:
        try:
            job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301  # by our own program
        except EOFError:
            return
        answer: list[Stretch] | Exception
        try:
            answer = list(_here([job]))
        except (EdgeError, OSError) as error:
            answer = error
        pickle.dump(answer, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _no_cycles() -> Iterator[None]:
    """Without looking for reference cycles: a pass makes none, and looking is a fifth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
