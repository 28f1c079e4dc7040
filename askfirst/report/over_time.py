"""Decisions over time, in bounded memory: seconds first, and coarser as the record grows longer.

1. No more than ``MAX_STEPS`` steps are held. When there are more, two or more of them become one of the next length.
2. It does not matter in what order, or in which parts, decisions are added: steps are the shortest of which there are
   no more. house: beyond two days a step's length is no multiple of the one before, and what was counted in a step goes
   to where it began.
3. Steps begin at whole multiples of their length since 1970 in UTC; those of a year are of 365 days.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LENGTHS_S = (
    1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 172_800, 604_800, 2_592_000, 7_776_000, 31_536_000,
    315_360_000,
)  # fmt: skip
MAX_STEPS = 2_000
Steps = dict[int, list[int]]


@dataclass(slots=True)
class OverTime:
    """Allowed, deferred and refused by step; the step's number times its length is its beginning, in seconds."""

    length_s: int = 1
    steps: Steps = field(default_factory=dict)

    def add(self, second: int, verdict: int, times: int = 1) -> None:
        """Counts decisions of one second."""
        number = second // self.length_s
        step = self.steps.get(number)
        if step is None:
            step = self.steps[number] = [0, 0, 0]
            step[verdict] += times
            self._bound()
        else:
            step[verdict] += times

    def join(self, other: OverTime) -> None:
        """Adds what was counted elsewhere."""
        while self.length_s < other.length_s:
            self._coarsen()
        for number, counts in _joined(other.steps, other.length_s, self.length_s).items():
            step = self.steps.setdefault(number, [0, 0, 0])
            for index, count in enumerate(counts):
                step[index] += count
        self._bound()

    def _bound(self) -> None:
        while len(self.steps) > MAX_STEPS:
            self._coarsen()

    def _coarsen(self) -> None:
        coarser = next((length for length in LENGTHS_S if length > self.length_s), self.length_s * 10)
        self.steps, self.length_s = _joined(self.steps, self.length_s, coarser), coarser

    def shown(self, most: int) -> tuple[int, list[tuple[int, list[int]]]]:
        """Length of a step in seconds, and at most about ``most`` of them with their beginning, gaps filled."""
        if not self.steps:
            return self.length_s, []
        span_s = (max(self.steps) - min(self.steps) + 1) * self.length_s
        fits = (n for n in LENGTHS_S if n >= self.length_s and n % self.length_s == 0 and span_s <= most * n)
        length = next(fits, max(LENGTHS_S[-1], self.length_s))
        steps = _joined(self.steps, self.length_s, length)
        return length, [(n * length, steps.get(n, [0, 0, 0])) for n in range(min(steps), max(steps) + 1)]


def _joined(steps: Steps, length_s: int, coarser_s: int) -> Steps:
    joined: Steps = {}
    for number, counts in steps.items():
        step = joined.setdefault(number * length_s // coarser_s, [0, 0, 0])
        for index, count in enumerate(counts):
            step[index] += count
    return joined
