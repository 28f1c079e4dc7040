"""What became of a sequence of leaves: which were altered, dropped, added, duplicated or moved.

What is compared are eight bytes of each leaf hash: those that were noted when the record was written, and those of what
stands there now. That names a change; that there is one, only the signed roots say.

1. Eight zero bytes in what was noted are a hole that a full disk left: it fits anything.
2. What is gone in one place and stands in another was moved, and is not also dropped and added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from typing import NamedTuple

PREFIX_BYTES = 8
_MOST_ALIGNED = 20_000


class What(StrEnum):
    """What was done to a leaf."""

    ALTERED = "altered"
    DROPPED = "dropped"
    ADDED = "added"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"


class Change(NamedTuple):
    """``at`` is the place now (of what was dropped: where it would stand), ``was`` the place it had when it was
    written; of ``leaves`` that follow each other, the first's."""

    what: What
    at: int
    was: int | None
    leaves: int = 1

    @property
    def place(self) -> int:
        """By which it is told whether a checkpoint covers it."""
        added = self.was is None or self.what in (What.ADDED, What.DUPLICATED)
        return self.at if added or self.was is None else self.was


def changes(noted: bytes, now: bytes) -> list[Change]:
    """What was done to the leaves, in the order of their places now."""
    old, new = _numbers(noted), _numbers(now)
    start = 0
    while start < min(len(old), len(new)) and old[start] in (new[start], 0):
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] in (new[-1 - end], 0):
        end += 1
    gone: list[tuple[int, int]] = []
    come: list[int] = []
    pairs: list[tuple[int, int]] = []
    for old_start, old_end, new_start, new_end in _aligned(old, new, start, end):
        shared = min(old_end - old_start, new_end - new_start)
        pairs += [(old_start + n, new_start + n) for n in range(shared)]
        gone += [(place, new_start + min(place - old_start, shared)) for place in range(old_start, old_end)]
        come += range(new_start, new_end)
    return _merged(sorted(_told(old, new, gone, come, pairs), key=lambda change: (change.at, change.was or 0)))


def _merged(found: Sequence[Change]) -> list[Change]:
    """What was dropped or added in one piece, as one."""
    merged: list[Change] = []
    for change in found:
        last = merged[-1] if merged else None
        if last is not None and last.what is change.what and _follows(last, change):
            merged[-1] = last._replace(leaves=last.leaves + 1)
        else:
            merged.append(change)
    return merged


def _follows(last: Change, change: Change) -> bool:
    if change.what is What.DROPPED and last.was is not None:
        return change.at == last.at and change.was == last.was + last.leaves
    return change.what is What.ADDED and change.at == last.at + last.leaves


def _told(
    old: Sequence[int],
    new: Sequence[int],
    gone: Sequence[tuple[int, int]],
    come: Sequence[int],
    pairs: Sequence[tuple[int, int]],
) -> Iterator[Change]:
    left = Counter(new[place] for place in come)
    moved: dict[int, list[int]] = {}
    stays_gone: dict[int, int] = {}
    for place, where in gone:
        if left[old[place]] > 0:
            left[old[place]] -= 1
            moved.setdefault(old[place], []).append(place)
        else:
            stays_gone[place] = where
    stays_come: set[int] = set()
    for place in come:
        if moved.get(new[place]):
            yield Change(What.REORDERED, place, moved[new[place]].pop(0))
        else:
            stays_come.add(place)
    known = {leaf: place for place, leaf in reversed(list(enumerate(old)))}
    for was, at in pairs:
        if was in stays_gone and at in stays_come and new[at] not in known:
            del stays_gone[was]
            stays_come.remove(at)
            yield Change(What.ALTERED, at, was)
    for at in stays_come:
        was_at = known.get(new[at])
        yield Change(What.ADDED if was_at is None else What.DUPLICATED, at, was_at)
    for was, at in stays_gone.items():
        yield Change(What.DROPPED, at, was)


def _aligned(old: Sequence[int], new: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The ranges that differ, in what was and in what is."""
    old_end, new_end = len(old) - end, len(new) - end
    if old_end - start == new_end - start and _differing(old, new, start, old_end) * 2 < old_end - start:
        for place in range(start, old_end):
            if old[place] not in (new[place], 0):
                yield place, place + 1, place, place + 1
        return
    if max(old_end, new_end) - start > _MOST_ALIGNED:
        yield from _by_unique(old, new, start, old_end, new_end)
        return
    matcher = SequenceMatcher(None, old[start:old_end], new[start:new_end], autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what != "equal":
            yield start + i, start + j, start + k, start + m


def _differing(old: Sequence[int], new: Sequence[int], start: int, end: int) -> int:
    return sum(old[place] != new[place] for place in range(start, end))


def _by_unique(
    old: Sequence[int], new: Sequence[int], start: int, old_end: int, new_end: int
) -> Iterator[tuple[int, int, int, int]]:
    """The same for long ranges, in one pass: what stands in both, in rising order, holds the two together."""
    places = {leaf: place for place, leaf in enumerate(new[start:new_end], start)}
    at_old, at_new = start, start
    for place in range(start, old_end):
        found = places.get(old[place])
        if found is None or found < at_new or found - at_new > _MOST_ALIGNED:
            continue
        if place > at_old or found > at_new:
            yield at_old, place, at_new, found
        at_old, at_new = place + 1, found + 1
    if at_old < old_end or at_new < new_end:
        yield at_old, old_end, at_new, new_end


def _numbers(leaves: bytes) -> list[int]:
    whole = len(leaves) - len(leaves) % PREFIX_BYTES
    return memoryview(leaves[:whole]).cast("Q").tolist()
