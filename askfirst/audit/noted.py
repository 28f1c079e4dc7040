"""What was noted beside a tree of evidence or items (roots, indexes), held against the tree.

It proves nothing, and is no fault where it is not there. Where it is wrong, it leads a proof or a question astray.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from askfirst.audit.differences import PREFIX_BYTES
from askfirst.ledger.growing import ROOTS_SUFFIX, LevelTree, agree
from askfirst.lookup import MOST_RECORDS, LookupKeys, rolled, written


class Noted:
    """A tree while its leaves are read, and what should have been noted of it. ``prefixes`` are 8 bytes a leaf."""

    def __init__(self, leaves: Path) -> None:
        self._leaves = leaves
        self._tree = LevelTree()
        self._roots = bytearray()
        self._end = 0
        self._keys = LookupKeys()
        self._wrong: list[Path] = []
        self.prefixes = bytearray()

    @property
    def size(self) -> int:
        return self._tree.size

    def root(self) -> bytes:
        """The root over what was added so far."""
        return self._tree.root()

    def add(self, leaf: bytes, length_bytes: int, *, record_id: str, name: str) -> None:
        """The next leaf, as ``GrowingTree.add_entry`` was told of it. Raises OSError."""
        self._end += length_bytes
        self._roots += self._tree.append(leaf, self._end)
        self.prefixes += leaf[:PREFIX_BYTES]
        self._keys.add_record(record_id, name)
        if self._keys.count == MOST_RECORDS:
            self._compare_index()

    def faults(self) -> Iterator[str]:
        """The names of files that say something else. Raises OSError."""
        if self._keys.count:
            self._compare_index()
        roots = self._leaves.with_name(f"{self._leaves.name}{ROOTS_SUFFIX}")
        if roots.exists() and not agree(roots.read_bytes(), bytes(self._roots)):
            yield roots.name
        yield from (path.name for path in self._wrong)

    def _compare_index(self) -> None:
        path = rolled(self._leaves, self._tree.size - self._keys.count)
        if path.exists() and path.read_bytes() != written(self._keys):
            self._wrong.append(path)
        self._keys = LookupKeys()
