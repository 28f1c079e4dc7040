"""A file that grows by whole pieces: what every record of a run is written with.

It knows no format. One ``os.write`` a piece, so that a piece is in the operating system's hands or not there at all;
what a full disk cut off is cut back, so that the next piece follows the last whole one.

Rules:

1. A run never appends to another run's file: the file is made with its first piece, or it is an error that it is there.
2. A file that was deleted or moved away takes writes all the same, so its place is looked at, at most every
   ``LOOK_EVERY_S`` seconds: what was written in between is gone with what was written before. When the file has come
   back to its place (the same file, by device and inode), it is gone on with.
3. With the first sync of a file its name is on the disk as well.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

LOOK_EVERY_S = 0.01


class Place(NamedTuple):
    """Where a piece is."""

    offset: int
    length_bytes: int


class AppendedFile:
    """Appends to ``path``; its folder is made now. Every method may raise OSError, and the file is then as before."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.openings = 0
        self._name = os.fspath(path)
        self._lock = threading.Lock()
        # held while the file is being synced, so that its number cannot become another file's meanwhile; taken with
        # _lock held, and given back before that is taken again
        self._syncing = threading.Lock()
        self._file: int | None = None
        self._made: tuple[int, int] | None = None
        self._whole_bytes = 0
        self._synced_bytes = 0
        self._unsynced: OSError | None = None
        self._torn = False
        self._closed = False
        self._looked_at_s = 0.0

    @property
    def is_new(self) -> bool:
        """Whether nothing is in it yet."""
        return self._whole_bytes == 0

    def append(self, piece: bytes) -> Place:
        """Returns when the whole piece is in the operating system's hands, with its place in the file."""
        with self._lock:
            file = self._open()
            if self._torn:
                os.ftruncate(file, self._whole_bytes)
                self._torn = False
            try:
                written = os.write(file, piece)
                while written < len(piece):
                    written += os.write(file, memoryview(piece)[written:])
            except OSError:
                self._torn = True
                os.ftruncate(file, self._whole_bytes)
                self._torn = False
                raise
            start = self._whole_bytes
            self._whole_bytes += len(piece)
            return Place(start, len(piece))

    def check(self) -> None:
        """Raises FileNotFoundError when the file is gone from its place."""
        with self._lock:
            if self._file is not None:
                self._open()

    def sync(self) -> None:
        """Returns when everything appended so far is on the disk. May be called from another thread than ``append``.
        INVARIANT: once it failed it fails for good: the system may have dropped the pages that it could not write, and
        a second try would find nothing left to do."""
        with self._lock:
            if self._unsynced is not None:
                raise self._unsynced
            if self._file is None or self._synced_bytes == self._whole_bytes:
                return
            file, reached, openings = self._file, self._whole_bytes, self.openings
            is_first = self._synced_bytes == 0
            self._syncing.acquire()
        try:
            if self._unsynced is not None:  # by the one that was waited for
                raise self._unsynced
            os.fdatasync(file)
            if is_first:
                sync_folder(self.path.parent)
        except OSError as error:
            self._unsynced = error
            raise
        finally:
            self._syncing.release()
        with self._lock:
            if openings == self.openings and reached <= self._whole_bytes:
                self._synced_bytes = reached

    def cut_to(self, offset: int) -> None:
        """Takes back what was appended from there."""
        with self._lock:
            if self._file is not None:
                os.ftruncate(self._file, offset)
                self._whole_bytes, self._synced_bytes = offset, 0

    def close(self) -> None:
        """Ends the file; it cannot be appended to afterwards."""
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            if file is not None:
                self._close(file)

    def _open(self) -> int:
        if self._closed:
            raise FileNotFoundError("the file is closed")
        if self._file is not None:
            now_s = time.monotonic()
            if now_s - self._looked_at_s < LOOK_EVERY_S:
                return self._file
            self._looked_at_s = now_s
            if self._is_in_place():
                return self._file
            self._close(self._file)
            self._file = None
            raise FileNotFoundError("the file is gone from its place")
        try:
            file = os.open(self._name, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            self._file = self._come_back()
        else:
            self._file, self._made = file, _identity(file)
            self._whole_bytes, self._synced_bytes, self._torn = 0, 0, False
        self.openings += 1
        self._looked_at_s = time.monotonic()
        return self._file

    def _close(self, file: int) -> None:
        with self._syncing:
            os.close(file)

    def _is_in_place(self) -> bool:
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._made

    def _come_back(self) -> int:
        """The file that stands in the place, when it is our own that was away. Raises FileExistsError."""
        if self._made is None:
            raise FileExistsError(self._name)
        file = os.open(self._name, os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC)
        if _identity(file) != self._made:
            os.close(file)
            raise FileExistsError(self._name)
        return file


def run_file(folder: Path, run: str, suffix: str) -> AppendedFile:
    """A run's own file in a folder. Raises ValueError for what cannot name a run, and OSError."""
    if not run or run.startswith(".") or "/" in run or "\0" in run:
        raise ValueError(f"{run!r} cannot name a run; use letters, digits, '-' and '.'")
    return AppendedFile(folder / f"{run}{suffix}")


def sync_folder(folder: Path) -> None:
    """Returns when the names in a folder are on the disk, where the file system knows such a thing. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _identity(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino
