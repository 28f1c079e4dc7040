"""A Merkle tree that grows while a run goes on, and the first eight bytes of each leaf hash in a file.

The file says later which leaf was changed. It proves nothing, nothing waits for it, and without it a change is found
all the same and named by its range. Safe to use from several threads.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from askfirst.ledger.checkpoints import Head
from askfirst.ledger.merkle import Tree

LEAF_BYTES = 8
_LOGGER = logging.getLogger(__name__)


class GrowingTree:
    """A tree, and eight bytes of each leaf hash in a file that proves nothing and that nothing waits for."""

    def __init__(self, leaves: Path) -> None:
        self._path = leaves
        self._tree = Tree()
        self._lock = threading.Lock()
        self._file: int | None = None

    @property
    def size(self) -> int:
        return self._tree.size

    def add(self, hashes: Sequence[bytes]) -> None:
        with self._lock:
            start = self._tree.size
            self._tree.extend(hashes)
            try:
                if self._file is None:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
                os.pwrite(self._file, b"".join([leaf[:LEAF_BYTES] for leaf in hashes]), start * LEAF_BYTES)
            except OSError as error:
                # without them a change is found all the same, and named by its range
                _LOGGER.debug("leaves of %s are not noted: %s", self._path, error)

    def head(self) -> Head:
        with self._lock:
            return Head(self._tree.size, self._tree.root())

    def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)
