"""The decision log: JSON Lines, one file per run, only ever appended to.

What this module does not do: compose or read decisions, sign or hash them. The bytes of a line are the caller's.

1. ``append`` returns when the whole line is in the operating system's hands: a killed process loses nothing it was told
   is there. It does not wait for the disk; a power cut can cost the last seconds.
2. INVARIANT: a run never writes into another run's file, so the file is created or it is an error.
3. A line is one ``os.write``. When it cannot be written whole, what was written of it is cut off again, so that the
   next line begins on its own.
4. A file that was deleted under our hands is an error, although the system would go on accepting lines for it. When it
   is in its place again, it goes on where it was; when its folder is empty, it begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from askfirst.appended import run_file
from askfirst.ports import EdgeError

_LOGGER = logging.getLogger(__name__)


class JsonlLog:
    """Appends to ``folder/<run>.jsonl``; the folder is made now, the file with the first line. Raises EdgeError."""

    def __init__(self, folder: Path, *, run: str) -> None:
        self._path = folder / f"{run}.jsonl"
        try:
            self._file = run_file(folder, run, ".jsonl")
        except OSError as error:
            raise self._failure(error) from error

    def append(self, line: bytes) -> None:
        """Appends one line, without its newline. Raises EdgeError when it is not in the file, and ValueError for what
        is not one line."""
        if b"\n" in line:
            raise ValueError("a line of the decision log cannot hold a newline")
        try:
            self._file.append(line + b"\n")
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Ends the file; it cannot be appended to afterwards."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> EdgeError:
        if isinstance(error, FileExistsError):
            return EdgeError(f"the decision log {self._path} is there already; give this run a name of its own")
        return EdgeError(
            f"cannot write the decision log {self._path}: {error.strerror or error}; "
            "check that its folder is there, can be written and has room",
        )


def read_log(folder: Path, *, note: Callable[[str], None] = _LOGGER.warning) -> Iterator[tuple[Path, int, bytes]]:
    """File, line number (from 1) and line of every log in the folder, in the order of the files' names. A last line
    that was cut short is left out, and noted. Raises EdgeError when a file cannot be read."""
    try:
        for path in sorted(path for path in folder.iterdir() if path.suffix == ".jsonl"):
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if not line.endswith(b"\n"):
                        note(
                            f"{path} line {number} is cut short ({len(line)} bytes): its run was stopped in the middle"
                        )
                    else:
                        yield path, number, line[:-1]
    except OSError as error:
        raise EdgeError(f"cannot read the decision log {error.filename or folder}: {error.strerror}") from error
