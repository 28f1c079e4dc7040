"""A Merkle tree that grows while a run goes on, and what is noted beside it so that a reader need not read all of it.

Three things are noted in files, none of which proves anything or is waited for; without them a reader takes longer:

1. The first eight bytes of each leaf hash (``leaves/<run>.<tree>``) say later which leaf was changed.
2. The roots of subtrees of 256 and of 65,536 leaves (``.roots``) make a path short to find. Each stands with the
   position in the tree's own file at which its last leaf ends, so that a reader can begin there. After every 256 roots
   of 256 leaves stands the one over all of them.
3. Indexes of the leaves that have names (askfirst.lookup).

Safe to use from several threads.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from askfirst.ledger.checkpoints import Head
from askfirst.ledger.merkle import Tree
from askfirst.lookup import RollingIndex

LEAF_BYTES = 8
BLOCK_LEAVES = 256
SPAN_LEAVES = BLOCK_LEAVES * BLOCK_LEAVES
ROOTS_SUFFIX = ".roots"
_BLOCK_HEIGHT, _SPAN_HEIGHT = 8, 16
_ENTRY = struct.Struct(">Q32s")
_SPAN_ENTRIES = BLOCK_LEAVES + 1
_LOGGER = logging.getLogger(__name__)


class LevelTree:
    """A tree that tells the roots of its subtrees of 256 and 65,536 leaves as they become whole."""

    __slots__ = ("_block", "_rest", "_span")

    def __init__(self) -> None:
        self._block = Tree()
        self._span = Tree()
        self._rest = Tree()

    @property
    def size(self) -> int:
        return self._block.size + self._span.size + self._rest.size

    def append(self, leaf: bytes, end: int) -> bytes:
        """Adds a leaf that ends at that position of its file. Gives what is to be noted of roots, mostly nothing."""
        self._block.append(leaf)
        if self._block.size < BLOCK_LEAVES:
            return b""
        root = self._block.root()
        self._block = Tree()
        self._span.append_perfect(root, _BLOCK_HEIGHT)
        told = _ENTRY.pack(end, root)
        if self._span.size == SPAN_LEAVES:
            root = self._span.root()
            self._span = Tree()
            self._rest.append_perfect(root, _SPAN_HEIGHT)
            told += _ENTRY.pack(end, root)
        return told

    def root(self) -> bytes:
        """The root over all leaves so far."""
        whole = self._rest.copy()
        for tree in (self._span, self._block):
            for root, height in tree.subtrees():
                whole.append_perfect(root, height)
        return whole.root()


def roots_of_span(blocks: Sequence[bytes], span: bytes | None) -> bytes:
    """What is noted of the decisions of a span: the roots of its whole blocks, and its own once it is whole. Lines of
    decisions are found by their segments, so their positions are 0."""
    return b"".join(_ENTRY.pack(0, root) for root in (*blocks, *(() if span is None else (span,))))


def agree(noted: bytes, roots: bytes) -> bool:
    """Whether what was noted, as far as it goes, is of these roots. Where a disk was full, noughts stand for the rest
    of an entry or for all of it."""
    return all(
        roots[at : at + _ENTRY.size].startswith(noted[at : at + _ENTRY.size].rstrip(b"\0"))
        for at in range(0, min(len(noted), len(roots)), _ENTRY.size)
    )


def place_of_span(leaf: int) -> int:
    """The position in a file of roots of what is noted of the span that begins with this leaf."""
    return leaf // SPAN_LEAVES * _SPAN_ENTRIES * _ENTRY.size


class StoredRoots:
    """The roots that were noted, if there are any; a reader checks what it makes of them. To be closed, or used with
    ``with``."""

    def __init__(self, leaves: Path) -> None:
        try:
            self._file: int | None = os.open(f"{leaves}{ROOTS_SUFFIX}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def root(self, start: int, end: int) -> bytes | None:
        """The root over these leaves, where it is one that is noted. Raises OSError."""
        if end - start == BLOCK_LEAVES and start % BLOCK_LEAVES == 0:
            return self._entry(_place_of_block(start // BLOCK_LEAVES))[1]
        if end - start == SPAN_LEAVES and start % SPAN_LEAVES == 0:
            return self._entry(start // SPAN_LEAVES * _SPAN_ENTRIES + BLOCK_LEAVES)[1]
        return None

    def begins_at(self, block: int) -> int | None:
        """The position at which a block of 256 leaves begins in the file of the tree. Raises OSError."""
        return 0 if block == 0 else self._entry(_place_of_block(block - 1))[0]

    def _entry(self, number: int) -> tuple[int, bytes] | tuple[None, None]:
        if self._file is None:
            return None, None
        told = os.pread(self._file, _ENTRY.size, number * _ENTRY.size)
        if len(told) < _ENTRY.size:
            return None, None
        end, root = _ENTRY.unpack(told)
        return end, root


def _place_of_block(block: int) -> int:
    return block + block // BLOCK_LEAVES


class GrowingTree:
    """A tree, and what is noted of it beside it. ``index``: its leaves can be looked up."""

    def __init__(self, leaves: Path, index: RollingIndex | None = None) -> None:
        self._path = leaves
        self._index = index
        self._tree = LevelTree()
        self._end = 0
        self._lock = threading.Lock()
        self._files: tuple[int, int] | None = None
        self._roots_bytes = 0

    @property
    def size(self) -> int:
        return self._tree.size

    def add(self, hashes: Iterable[bytes]) -> None:
        """Adds leaves that are found by other means than their position."""
        with self._lock:
            self._add(list(hashes), 0)

    def add_entry(self, leaf: bytes, length_bytes: int, *, record_id: str = "", name: str = "") -> None:
        """Adds a leaf that takes so many bytes of its file, and by what it can be looked up."""
        with self._lock:
            self._end += length_bytes
            self._add([leaf], self._end)
            if self._index is not None:
                self._index.add(record_id, name)

    def _add(self, hashes: Sequence[bytes], end: int) -> None:
        start = self._tree.size
        roots = b"".join([self._tree.append(leaf, end) for leaf in hashes])
        self._roots_bytes += len(roots)
        try:
            if self._files is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                leaves = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
                self._files = leaves, os.open(f"{self._path}{ROOTS_SUFFIX}", _ROOTS_FLAGS, 0o644)
            os.pwrite(self._files[0], b"".join([leaf[:LEAF_BYTES] for leaf in hashes]), start * LEAF_BYTES)
            if roots:
                os.pwrite(self._files[1], roots, self._roots_bytes - len(roots))
        except OSError as error:
            # without them a change is found all the same, and named by its range
            _LOGGER.debug("leaves of %s are not noted: %s", self._path, error)

    def head(self) -> Head:
        with self._lock:
            return Head(self._tree.size, self._tree.root())

    def close(self) -> None:
        with self._lock:
            files, self._files = self._files, None
            for file in files or ():
                os.close(file)
            if self._index is not None:
                self._index.close()


_ROOTS_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
