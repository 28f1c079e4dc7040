"""The lines of a decision log, from the segments that it lies in: plain text, or sealed.

What this module does not do: write (``edges.decision_log`` does), parse a line, or judge whether a log is whole.

1. Segments are named ``<run>.<first leaf>``; their names in order are the runs, and the leaves of each.
2. A last line that was cut short was never acknowledged. It is passed over, and noted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from askfirst.ports import EdgeError
from askfirst.sealed import Sealed, SealedError

READ_BYTES = 1024 * 1024
"""At once: a line is some kilobytes."""
_LOGGER = logging.getLogger(__name__)


def read_log(folder: Path, *, note: Callable[[str], None] = _LOGGER.warning) -> Iterator[tuple[Path, int, bytes]]:
    """File, line number (from 1) and line of every log in the folder, run by run and segment by segment. A last line
    that was cut short is left out, and noted. Raises EdgeError when a file cannot be read."""
    try:
        paths = segments(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for path in paths:
        yield from read_segment(path, note=note)


def read_segment(path: Path, *, note: Callable[[str], None] = _LOGGER.warning) -> Iterator[tuple[Path, int, bytes]]:
    """The same of one segment. Raises EdgeError when it cannot be read."""
    try:
        if path.suffix == ".parquet" or not path.exists():  # sealed since it was listed
            sealed = path.with_suffix(".parquet")
            for number, line in enumerate(Sealed(sealed), start=1):
                yield sealed, number, line
        else:
            yield from _plain(path, note)
    except SealedError as error:
        raise EdgeError(f"cannot read the decision log {path.parent}: {error}") from error
    except OSError as error:
        raise _unreadable(path.parent, error) from error


def _unreadable(folder: Path, error: OSError) -> EdgeError:
    return EdgeError(f"cannot read the decision log {error.filename or folder}: {error.strerror}")


def segments(folder: Path) -> list[Path]:
    """The segments of every log in the folder, in the order of their runs and leaves. Of one that is there sealed and
    as plain text, because sealing it was interrupted, the sealed one. Raises OSError."""
    found = {path.with_suffix(""): path for path in folder.iterdir() if path.suffix == ".jsonl"}
    found |= {path.with_suffix(""): path for path in folder.iterdir() if path.suffix == ".parquet"}
    return [found[name] for name in sorted(found)]


def _plain(path: Path, note: Callable[[str], None]) -> Iterator[tuple[Path, int, bytes]]:
    with path.open("rb", buffering=READ_BYTES) as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                note(f"{path} line {number} is cut short ({len(line)} bytes): its run was stopped in the middle")
            else:
                yield path, number, line[:-1]
