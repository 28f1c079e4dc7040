"""Several processes that read parts of web archives, and give what they found in the order of the parts.

1. The process that asks reads as well: whatever no other one has begun. So nothing waits for processes to start, and
   two processors need one more process.
2. A process that ends costs nothing but time: what it had begun is read by another one.
3. At most ``_AHEAD`` parts for each process are read and not yet asked for.
4. Another process is asked for its next part before it has answered, because this one, which reads, may not come to
   take the answer for a while: it would stand idle.
5. They are processes of ``askfirst.processes``. A thread for each waits for its answers.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from askfirst.ports import SettingsError
from askfirst.processes import ENDED, Answer, Other
from askfirst.review import warc_reading
from askfirst.review.ears import Ears
from askfirst.review.warc_reading import Part, read_part
from askfirst.review.warc_records import Archive
from askfirst.review.warc_scan import Wanted

MOST_WORKERS: Final = 32
READS_HERE: Final = True
"""Whether the process that asks reads although others could: tests have it wait for them."""

_AHEAD: Final = 3
_ASKED: Final = 2
_Reader = Other[Archive, Part]


class Workers:
    """Reads parts with so many processes, this one among them. ``skip_to`` may be set while it is iterated over: parts
    before that index are not asked for anymore. Those of ``left_out`` are not read; for them None is given."""

    def __init__(
        self, parts: Sequence[Archive], wanted: Wanted, ears: Ears, workers: int, *, left_out: frozenset[int]
    ) -> None:
        self.skip_to = 0
        self._parts = parts
        self._wanted = wanted
        self._ears = ears
        self._count = min(workers, MOST_WORKERS, len(parts))
        self._left_out = left_out
        # what follows is shared with the threads, under this lock
        self._change = threading.Condition()
        self._index = 0
        self._following = 0
        self._given_back: list[int] = []
        self._found: dict[int, Answer[Part]] = {}
        self._alive = 0
        self._is_over = False

    def __iter__(self) -> Iterator[tuple[int, Part | None]]:
        """Each part's index and what was found in it. Raises SettingsError."""
        others: list[_Reader] = []
        threads: list[threading.Thread] = []
        try:
            with contextlib.suppress(OSError):  # where there is no room for them this one reads everything
                read = partial(warc_reading.read_part, wanted=self._wanted, ears=self._ears)
                others.extend(Other(read, with_cycles=True) for _ in range(self._count - 1))
            self._alive = len(others)
            threads += [threading.Thread(target=self._serve, args=(other,), daemon=True) for other in others]
            for thread in threads:
                thread.start()
            yield from self._all()
        finally:
            with self._change:
                self._is_over = True
                self._change.notify_all()
            for other in others:
                other.end()
            for thread in threads:
                thread.join()
            for other in others:
                other.close()

    # -- in this process ------------------------------------------------------------------------------------------

    def _all(self) -> Iterator[tuple[int, Part | None]]:
        index = 0
        while (index := max(index, self.skip_to)) < len(self._parts):
            with self._change:
                self._index = index
                self._following = max(self._following, index)
                self._found = {place: found for place, found in self._found.items() if place >= index}
                self._given_back = [place for place in self._given_back if place >= index]
                self._change.notify_all()
            yield index, None if index in self._left_out else self._at(index)
            index += 1

    def _at(self, index: int) -> Part:
        """What was found in a part, or what was raised; other parts are read while it is read elsewhere."""
        while True:
            with self._change:
                found = self._found.pop(index, None)
                place = self._taken() if found is None and (READS_HERE or not self._alive) else None
                if found is None and place is None:
                    self._change.wait()
                    continue
            if found is not None:
                return found.get()
            assert place is not None
            self._read_here(place)

    def _read_here(self, place: int) -> None:
        found: Answer[Part]
        try:
            found = Answer(read_part(self._parts[place], self._wanted, self._ears))
        except SettingsError as error:
            found = Answer(error=error)
        with self._change:
            self._found[place] = found

    def _taken(self) -> int | None:
        """The first part that nobody has begun, if it is not too far ahead; it is begun now."""
        if self._given_back:
            self._given_back.sort()
            return self._given_back.pop(0)
        while self._following in self._left_out:
            self._following += 1
        if self._following >= min(len(self._parts), self._index + _AHEAD * self._count):
            return None
        self._following += 1
        return self._following - 1

    # -- for the others, each in a thread -------------------------------------------------------------------------

    def _serve(self, other: _Reader) -> None:
        asked: deque[int] = deque()
        # it ended, or was ended from outside
        with contextlib.suppress(*ENDED):
            other.get_ready()
            while True:
                while len(asked) < _ASKED and (place := self._next(waits=not asked)) is not None:
                    asked.append(place)
                    other.ask(self._parts[place])
                if not asked:
                    break
                found = other.answer()
                with self._change:
                    self._found[asked.popleft()] = found
                    self._change.notify_all()
        with self._change:
            self._alive -= 1
            self._given_back.extend(asked)
            self._change.notify_all()

    def _next(self, *, waits: bool) -> int | None:
        """A part to be read; None when there is none, or, if it ``waits``, when nothing is asked anymore."""
        with self._change:
            while not self._is_over:
                place = self._taken()
                if place is not None or not waits:
                    return place
                self._change.wait()
        return None
