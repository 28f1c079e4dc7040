"""Several processes that read parts of web archives, and give what they found in the order of the parts.

1. The process that asks reads as well: whatever no other one has begun. So nothing waits for processes to start, and
   two processors need one more process.
2. A process that ends costs nothing but time: what it had begun is read by another one.
3. At most ``_AHEAD`` parts for each process are read and not yet asked for.
4. Another process is asked for its next part before it has answered, because this one, which reads, may not come to
   take the answer for a while: it would stand idle.
5. They are new processes, because this one may have threads, which a fork would leave in the middle of what they do;
   and they do not run the caller's program again, as those of ``multiprocessing`` would, which may be any script. A
   thread for each waits for its answers.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from askfirst.ports import SettingsError
from askfirst.review.ears import Ears
from askfirst.review.warc_reading import Part, read_part
from askfirst.review.warc_records import Archive
from askfirst.review.warc_scan import Wanted

MOST_WORKERS: Final = 32
READS_HERE: Final = True
"""Whether the process that asks reads although others could: tests have it wait for them."""

_AHEAD: Final = 3
_ASKED: Final = 2
_PROGRAM: Final = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from askfirst.review.warc_reading import main; main()"
)


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
        self._count = min(workers, MOST_WORKERS, len(parts)) if sys.executable else 1
        self._left_out = left_out
        # what follows is shared with the threads, under this lock
        self._change = threading.Condition()
        self._index = 0
        self._following = 0
        self._given_back: list[int] = []
        self._found: dict[int, Part | Exception] = {}
        self._alive = 0
        self._is_over = False

    def __iter__(self) -> Iterator[tuple[int, Part | None]]:
        """Each part's index and what was found in it. Raises SettingsError."""
        others: list[subprocess.Popen[bytes]] = []
        threads: list[threading.Thread] = []
        try:
            with contextlib.suppress(OSError):  # where there is no room for them this one reads everything
                others.extend(start() for _ in range(self._count - 1))
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
                other.kill()
            for thread in threads:
                thread.join()
            for other in others:
                _close(other)

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
            if isinstance(found, Exception):
                raise found
            if found is not None:
                return found
            assert place is not None
            self._read_here(place)

    def _read_here(self, place: int) -> None:
        found: Part | Exception
        try:
            found = read_part(self._parts[place], self._wanted, self._ears)
        except SettingsError as error:
            found = error
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

    def _serve(self, other: subprocess.Popen[bytes]) -> None:
        asked: deque[int] = deque()
        # it ended, or was ended from outside
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            _ask(other, sys.path)
            _ask(other, (self._wanted, self._ears))
            _answer(other)
            while True:
                while len(asked) < _ASKED and (place := self._next(waits=not asked)) is not None:
                    asked.append(place)
                    _ask(other, self._parts[place])
                if not asked:
                    break
                found = _answer(other)
                assert found is not None
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


def start() -> subprocess.Popen[bytes]:
    """Another process. What it could not do is done here, so its own words are of no use."""
    return subprocess.Popen(  # noqa: S603  # ourselves
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _ask(other: subprocess.Popen[bytes], asked: object) -> None:
    assert other.stdin is not None
    pickle.dump(asked, other.stdin, pickle.HIGHEST_PROTOCOL)
    other.stdin.flush()


def _answer(other: subprocess.Popen[bytes]) -> Part | Exception | None:
    assert other.stdout is not None
    answer: Part | Exception | None = pickle.load(other.stdout)  # noqa: S301  # by our own program
    return answer


def _close(other: subprocess.Popen[bytes]) -> None:
    assert other.stdin is not None
    assert other.stdout is not None
    with contextlib.suppress(OSError):  # what nobody reads anymore
        other.stdin.close()
    other.stdout.close()
    other.wait()
