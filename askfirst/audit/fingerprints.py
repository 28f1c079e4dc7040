"""A set of 16-byte fingerprints in bounded memory: beyond a few million it goes on in an anonymous file on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b

IN_MEMORY = 4_000_000
FINGERPRINT_BYTES = 16


def fingerprint(name: bytes) -> bytes:
    """Of what something is called: of an observation, as it stands between ``{"digest":`` and ``}``."""
    return blake2b(name, digest_size=FINGERPRINT_BYTES).digest()


def split_prints(joined: bytes) -> Iterator[bytes]:
    """Fingerprints that stand one after another."""
    return (joined[at : at + FINGERPRINT_BYTES] for at in range(0, len(joined), FINGERPRINT_BYTES))


class Fingerprints:
    """Fingerprints that were added. To be closed."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._held: set[bytes] = set()
        self._in_memory = in_memory
        self._disk: sqlite3.Connection | None = None

    def add(self, some: Iterable[bytes]) -> None:
        """Adds them."""
        self._held.update(some)
        if len(self._held) > self._in_memory:
            if self._disk is None:
                self._disk = sqlite3.connect("")  # an anonymous file that SQLite deletes
                self._disk.execute("CREATE TABLE known (print BLOB PRIMARY KEY) WITHOUT ROWID")
            self._disk.executemany("INSERT OR IGNORE INTO known VALUES (?)", ((one,) for one in sorted(self._held)))
            self._held.clear()

    def missing(self, some: set[bytes]) -> set[bytes]:
        """Those of some that were not added."""
        left = some - self._held
        if self._disk is None or not left:
            return left
        find = "SELECT 1 FROM known WHERE print = ?"
        return {one for one in left if self._disk.execute(find, (one,)).fetchone() is None}

    def __contains__(self, one: bytes) -> bool:
        return not self.missing({one})

    def close(self) -> None:
        """Lets go of the file."""
        if self._disk is not None:
            self._disk.close()
