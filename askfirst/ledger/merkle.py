"""Merkle trees as RFC 9162 section 2.1 has them: SHA-256, leaves and nodes told apart by their first byte.

Pure. It knows neither records nor files.

1. Hashes are 32 bytes. A leaf hash is of the entry's bytes; which bytes those are is the caller's business.
2. A path is asked for through ``subtree(start, end)``, the root over the leaves ``start <= i < end``: who holds whole
   blocks of leaves answers from their roots, who holds every leaf from the leaves.
3. What cannot be a proof is no proof: ``None`` or False, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Self

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root over no leaves."""

Subtree = Callable[[int, int], bytes]
Peaks = tuple[tuple[bytes, int], ...]
"""Roots of perfect subtrees with their heights."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf (section 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees (section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that only grows, held as the roots of its perfect subtrees: 32 bytes a level."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Adds a leaf by its hash."""
        size, roots = self.size, self._roots
        while size & 1:
            leaf = sha256(b"\x01" + roots.pop() + leaf).digest()
            size >>= 1
        roots.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds leaves by their hashes."""
        for leaf in leaves:
            self.append(leaf)

    def append_perfect(self, root: bytes, height: int) -> None:
        """Adds ``2**height`` leaves by their root. Raises ValueError when the size is no multiple of so many."""
        if self.size & ((1 << height) - 1):
            raise ValueError(f"{self.size} leaves: a subtree of height {height} cannot follow")
        size = self.size >> height
        while size & 1:
            root = node_hash(self._roots.pop(), root)
            size >>= 1
        self._roots.append(root)
        self.size += 1 << height

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def subtrees(self) -> Peaks:
        """The roots of its perfect subtrees with their heights, the largest first: what it is held as."""
        heights = [height for height in range(self.size.bit_length()) if self.size >> height & 1]
        return tuple(zip(self._roots, reversed(heights), strict=True))

    def copy(self) -> Self:
        """A tree that grows on its own from here."""
        other = type(self)()
        other.size, other._roots = self.size, self._roots.copy()  # noqa: SLF001  # its own kind
        return other


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = Tree()
    tree.extend(leaves)
    return tree.root()


def subtree_of(leaves: Sequence[bytes]) -> Subtree:
    """The roots over ranges of these leaf hashes."""
    return lambda start, end: root_of(leaves[start:end])


def split(size: int) -> int:
    """The largest power of two smaller than ``size`` (section 2.1.1); size is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


# -- all subtrees at once ----------------------------------------------------------------------------------------------


def rows_of(leaves: list[bytes]) -> list[list[bytes]]:
    """Row n holds the roots of the perfect subtrees of 2**n leaves."""
    rows = [leaves]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)])
    return rows


def peaks(rows: Sequence[Sequence[bytes]], size: int, *, start: int = 0) -> Peaks:
    """The roots of the perfect subtrees over the leaves from ``start``, which is a multiple of them, to ``size``."""
    given: list[tuple[bytes, int]] = []
    for height in range(len(rows) - 1, -1, -1):
        while start + (1 << height) <= size and start % (1 << height) == 0:
            given.append((rows[height][start >> height], height))
            start += 1 << height
    return tuple(given)


def root_in(rows: Sequence[Sequence[bytes]], start: int, end: int) -> bytes:
    """The root over a range of leaves that a path or a checkpoint asks for; empty where some are not there."""
    if end > len(rows[0]):
        return b""
    tree = Tree()
    for root, height in peaks(rows, end, start=start):
        tree.append_perfect(root, height)
    return tree.root()


# -- inclusion: section 2.1.3 --------------------------------------------------------------------------------


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The path from a leaf to the root over ``size`` leaves (section 2.1.3.1). Raises IndexError."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    path.reverse()
    return path


def inclusion_path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The path from one of these leaf hashes to the root over all. Raises IndexError."""
    return inclusion_path(index, len(leaves), subtree_of(leaves))


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to (section 2.1.3.2); None when it is no path for that place."""
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for step in path:
        if last == 0 or len(step) != HASH_BYTES:
            return None
        if node & 1 or node == last:
            root = node_hash(step, root)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, step)
        node >>= 1
        last >>= 1
    return root if last == 0 else None


# -- consistency: section 2.1.4 --------------------------------------------------------------------------------


def consistency_path(old_size: int, size: int, subtree: Subtree) -> list[bytes]:
    """What shows that the first ``old_size`` of ``size`` leaves are those of an earlier tree (section 2.1.4.1). Raises
    IndexError."""
    if not 0 < old_size <= size:
        raise IndexError(f"{old_size} of {size} leaves")
    path: list[bytes] = []
    start, end, whole = 0, size, True
    while old_size != end:
        middle = start + split(end - start)
        if old_size <= middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(subtree(start, end))
    path.reverse()
    return path


def consistency_path_of(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The same over these leaf hashes."""
    return consistency_path(old_size, len(leaves), subtree_of(leaves))


def consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the smaller tree is the beginning of the larger one (section 2.1.4.2). The empty tree
    is the beginning of every tree, without a path."""
    if any(len(step) != HASH_BYTES for step in path) or old_size > size or old_size < 0:
        return False
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT and (size > 0 or root == EMPTY_ROOT)
    if old_size == size:
        return not path and old_root == root
    steps = list(path)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            second = node_hash(second, step)
        node >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == root
