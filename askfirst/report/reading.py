"""The decision log read by several processes, and given stretch by stretch in its order.

1. Each segment is a job of ``askfirst.processes``, and small ones are one together; a small record is read here.
2. INVARIANT: memory is bounded: a file that is too large for a job, which no run of today writes, is read here.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from askfirst.ports import EdgeError
from askfirst.processes import in_order
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
            yield from chain.from_iterable(map(_stretches, jobs))
        else:
            done = in_order(_read, jobs, workers=count, ahead=AHEAD, here=_stretches, is_for_here=_is_too_large)
            yield from chain.from_iterable(done)


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


def _is_too_large(job: Job) -> bool:
    return job.bytes > MOST_JOB_BYTES


def _stretches(job: Job) -> Iterable[Stretch]:
    return stretches(job.paths, with_rows=job.with_rows)


def _read(job: Job) -> Iterable[Stretch]:
    """All at once, to be sent."""
    return list(_stretches(job))


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
