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
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from askfirst.ports import EdgeError

_LOGGER = logging.getLogger(__name__)


class JsonlLog:
    """Appends to ``folder/<run>.jsonl``; the folder is made now, the file with the first line. Raises EdgeError."""

    def __init__(self, folder: Path, *, run: str) -> None:
        if not run or run.startswith(".") or "/" in run or "\0" in run:
            raise ValueError(f"{run!r} cannot name a run; use letters, digits, '-' and '.'")
        self._path = folder / f"{run}.jsonl"
        self._name = os.fspath(self._path)
        self._lock = threading.Lock()
        self._file: int | None = None
        self._made: tuple[int, int] | None = None
        self._whole_bytes = 0
        self._torn = False
        self._closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(error) from error

    def append(self, line: bytes) -> None:
        """Appends one line, without its newline. Raises EdgeError when it is not in the file, and ValueError for what
        is not one line."""
        if b"\n" in line:
            raise ValueError("a line of the decision log cannot hold a newline")
        with self._lock:
            try:
                self._write(line + b"\n")
            except OSError as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """Ends the file; it cannot be appended to afterwards."""
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            if file is not None:
                try:
                    os.close(file)
                except OSError as error:
                    raise self._failure(error) from error

    def _write(self, line: bytes) -> None:
        file = self._open()
        if self._torn:
            os.ftruncate(file, self._whole_bytes)
            self._torn = False
        try:
            written = os.write(file, line)
            while written < len(line):
                written += os.write(file, memoryview(line)[written:])
        except OSError:
            self._torn = True
            os.ftruncate(file, self._whole_bytes)
            self._torn = False
            raise
        self._whole_bytes += len(line)

    def _open(self) -> int:
        if self._closed:
            raise FileNotFoundError("the log is closed")
        if self._file is not None:
            # access() and not fstat(): asking for a time stamp makes the next write three times as dear
            if os.access(self._name, os.F_OK):
                return self._file
            os.close(self._file)
            self._file = None
            raise FileNotFoundError("the file is gone from its place")
        try:
            file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            self._file = self._come_back()
            return self._file
        self._file, self._made = file, _identity(file)
        self._whole_bytes = 0
        self._torn = False
        return self._file

    def _come_back(self) -> int:
        """The file that stands in the place, when it is our own that was away. Raises FileExistsError."""
        if self._made is None:
            raise FileExistsError(self._path)
        file = os.open(self._path, os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC)
        if _identity(file) != self._made:
            os.close(file)
            raise FileExistsError(self._path)
        return file

    def _failure(self, error: OSError) -> EdgeError:
        if isinstance(error, FileExistsError):
            return EdgeError(f"the decision log {self._path} is there already; give this run a name of its own")
        return EdgeError(
            f"cannot write the decision log {self._path}: {error.strerror or error}; "
            "check that its folder is there, can be written and has room",
        )


def _identity(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


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
