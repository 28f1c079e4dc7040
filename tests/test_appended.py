"""A file that grows by whole pieces, on the disk with its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from askfirst.appended import AppendedFile


def test_the_first_sync_is_of_the_name_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synced once for each file, after the file itself; later syncs are of the file alone."""
    synced: list[str] = []
    fsync, fdatasync = os.fsync, os.fdatasync

    def of_anything(file: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        fsync(file)

    def of_bytes(file: int) -> None:
        synced.append("bytes")
        fdatasync(file)

    monkeypatch.setattr(os, "fsync", of_anything)
    monkeypatch.setattr(os, "fdatasync", of_bytes)
    for name in ("one", "two"):
        file = AppendedFile(tmp_path / name)
        file.sync()
        assert synced == []
        for piece in (b"a", b"b"):
            file.append(piece)
            file.sync()
            file.sync()
        assert synced == ["bytes", "folder", "bytes"]
        assert (tmp_path / name).read_bytes() == b"ab"
        file.close()
        synced.clear()
