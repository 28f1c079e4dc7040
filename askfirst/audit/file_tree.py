"""The tree over a file of evidence or items, of which as little is read as can be.

1. Indexes say which leaf may be meant, noted roots stand for the leaves that nobody needs: a proof reads some blocks
   of 256. Both are hints. What they do not lead to is looked for in all of the file, and a path is only used where it
   leads to a signed root.
2. An entry is what a leaf is made of and the thing itself; ``read`` gives them from a position on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from askfirst.ledger.growing import BLOCK_LEAVES, StoredRoots
from askfirst.ledger.merkle import Subtree, leaf_hash, node_hash, root_in, rows_of, split
from askfirst.lookup import LOOKUP_SUFFIX, KeyKind, Lookup, LookupDamaged

T = TypeVar("T")
_Rows = list[list[bytes]]


class FileTree(Generic[T]):
    """The leaves of one file. ``leaves`` is the path beside which roots and indexes are."""

    def __init__(self, leaves: Path, noted: StoredRoots, read: Callable[[int], Iterator[tuple[bytes, T]]]) -> None:
        self._leaves = leaves
        self._noted = noted
        self._read = read
        self._blocks: dict[int, tuple[list[T], _Rows]] = {}
        self._all: _Rows | None = None

    def find(
        self, kind: KeyKind, wanted: Mapping[bytes, str], name_of: Callable[[T], bytes | None], *, last: bool = False
    ) -> dict[bytes, tuple[int, T]]:
        """Index and entry of what is wanted, by its name; ``wanted`` says by what each name is looked up. Of several of
        one name the first, or the ``last``. Raises OSError."""
        found: dict[bytes, tuple[int, T]] = {}

        def note(index: int, entry: T) -> None:
            name = name_of(entry)
            if name is not None and name in wanted and (last or name not in found):
                found[name] = index, entry

        for index, entry in self._candidates(kind, wanted):
            note(index, entry)
        if len(found) < len(wanted):
            for index, (_, entry) in enumerate(self._read(0)):
                note(index, entry)
        return found

    def _candidates(self, kind: KeyKind, wanted: Mapping[bytes, str]) -> Iterator[tuple[int, T]]:
        folder, stem = self._leaves.parent, self._leaves.name
        for path in sorted(folder.glob(f"{stem}.*{LOOKUP_SUFFIX}")) if wanted and folder.is_dir() else []:
            first = path.name[len(stem) + 1 : -len(LOOKUP_SUFFIX)]
            try:
                with Lookup(path) as lookup:
                    places = sorted({place for text in wanted.values() for place in lookup.find(kind, text)})
            except LookupDamaged:
                continue  # the file is read instead
            for place in places if first.isdecimal() else []:
                block, inside = divmod(int(first) + place, BLOCK_LEAVES)
                entries = self._block(block)[0]
                if inside < len(entries):
                    yield block * BLOCK_LEAVES + inside, entries[inside]

    def trees(self) -> Iterator[Subtree]:
        """The roots over ranges of leaves: with what was noted, then without it."""
        yield self._noted_root
        if self._all is None:
            self._all = rows_of([leaf_hash(leaf) for leaf, _ in self._read(0)])
        every = self._all
        yield lambda start, end: root_in(every, start, end)

    def _noted_root(self, start: int, end: int) -> bytes:
        root = self._noted.root(start, end)
        if root is not None:
            return root
        if end - start > BLOCK_LEAVES:
            middle = start + split(end - start)
            return node_hash(self._noted_root(start, middle), self._noted_root(middle, end))
        block = start // BLOCK_LEAVES
        return root_in(self._block(block)[1], start - block * BLOCK_LEAVES, end - block * BLOCK_LEAVES)

    def _block(self, block: int) -> tuple[list[T], _Rows]:
        """The entries of a block, and the roots of its subtrees; nothing where it is not known where it begins."""
        known = self._blocks.get(block)
        if known is None:
            start = self._noted.begins_at(block)
            read = [] if start is None else list(islice(self._read(start), BLOCK_LEAVES))
            known = [entry for _, entry in read], rows_of([leaf_hash(leaf) for leaf, _ in read])
            self._blocks[block] = known
        return known
