"""Sums by key, exact for any number of keys and in bounded memory.

1. A count is a few whole numbers that are added up, and one example that is kept from the first time there was one.
2. ``Sums`` are in memory, of a stretch of the record that another process may have read. ``Counts`` are of all of it:
   at most so many keys are in memory; the others wait in an anonymous database on disk, and are added to there.
3. Sums that are joined in the order of their stretches are those of one reading: numbers add up in any order, and the
   example that was first stays.
4. Rows come sorted by their first number that is asked for, the largest first, then by key: the same record gives the
   same report.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from types import TracebackType
from typing import Self

import msgspec

KEYS_IN_MEMORY = 20_000
CACHE_KB = 65_536
_encode = msgspec.json.Encoder().encode
_key = msgspec.json.Decoder(tuple[str, ...])

Key = tuple[str, ...]
Packed = tuple[bytes | int | str, ...]
"""A key as the database has it, its numbers, its example."""


@dataclass(slots=True)
class Count:
    """The numbers of one key, which are added to in place, and its example."""

    sums: list[int]
    example: str = ""


class Sums:
    """Sums of ``width`` numbers by key, in memory."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._counts: dict[Key, Count] = {}

    def of(self, key: Key) -> Count:
        """The numbers of this key, to be added to."""
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count([0] * self._width)
        return count

    def add(self, key: Key, index: int, number: int = 1, example: str = "") -> None:
        """Adds to one number of a key."""
        count = self.of(key)
        count.sums[index] += number
        count.example = count.example or example

    def __len__(self) -> int:
        return len(self._counts)

    def taken(self) -> list[Packed]:
        """All of it, sorted by key; nothing is left."""
        packed: list[Packed] = [
            (_packed(key), *count.sums, _sound_text(count.example)) for key, count in self._counts.items()
        ]
        self._counts.clear()
        packed.sort(key=itemgetter(0))  # among equals the first stays first; and a database likes order
        return packed


def _opened() -> sqlite3.Connection:
    # one thread after the other: what is written by one may be read by another
    database = sqlite3.connect("", check_same_thread=False)
    database.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    database.execute("PRAGMA journal_mode = OFF")  # it is of no use to anybody after a crash
    return database


@dataclass(slots=True)
class Spill:
    """The database that counts wait in: a file without a name that SQLite deletes."""

    database: sqlite3.Connection = field(default_factory=_opened)
    tables: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Deletes it."""
        self.database.close()


class Counts:
    """Sums of ``width`` numbers by key."""

    def __init__(self, spill: Spill, width: int, *, keys_in_memory: int = KEYS_IN_MEMORY) -> None:
        spill.tables += 1
        self._spill = spill
        self._name = f"counts_{spill.tables}"
        self._width = width
        self._most = keys_in_memory
        self._sums = Sums(width)
        columns = "".join(f", n{index} INTEGER" for index in range(width))
        spill.database.execute(f"CREATE TABLE {self._name} (k BLOB PRIMARY KEY{columns}, example TEXT) WITHOUT ROWID")

    def of(self, key: Key) -> Count:
        """The numbers of this key, to be added to now and not to be held on to."""
        if len(self._sums) >= self._most:
            self._write()
        return self._sums.of(key)

    def add(self, key: Key, index: int, number: int = 1, example: str = "") -> None:
        """Adds to one number of a key."""
        count = self.of(key)
        count.sums[index] += number
        count.example = count.example or example

    def join(self, later: Iterable[Packed]) -> None:
        """Adds the sums of a later stretch of the record."""
        self._write()
        self._insert(later)

    def _write(self) -> None:
        if len(self._sums):
            self._insert(self._sums.taken())

    def _insert(self, rows: Iterable[Packed]) -> None:
        names = [f"n{index}" for index in range(self._width)]
        places = ", ".join("?" * (self._width + 2))
        added = ", ".join(f"{name} = {name} + excluded.{name}" for name in names)
        kept = "example = CASE WHEN example = '' THEN excluded.example ELSE example END"
        self._spill.database.executemany(
            f"INSERT INTO {self._name} VALUES ({places}) ON CONFLICT (k) DO UPDATE SET {added}, {kept}",  # noqa: S608
            rows,
        )

    def packed(self) -> Iterator[Packed]:
        """All of it, to be joined to other counts."""
        self._write()
        yield from self._spill.database.execute(f"SELECT * FROM {self._name}")  # noqa: S608 - a name of our own

    def rows(self, *, by: int = 0, most: int = -1) -> Iterator[tuple[Key, Count]]:
        """The keys and their numbers, the largest of ``by`` first; ``most`` of them, or all."""
        self._write()
        sql = f"SELECT * FROM {self._name} ORDER BY n{by} DESC, k LIMIT ?"  # noqa: S608 - names of our own
        with closing(self._spill.database.execute(sql, (most,))) as found:
            for row in found:
                yield _key.decode(row[0]), Count(list(row[1:-1]), row[-1])

    def value(self, key: Key, index: int) -> int:
        """One of the numbers of a key; 0 where there is no such key."""
        self._write()
        sql = f"SELECT n{index} FROM {self._name} WHERE k = ?"  # noqa: S608 - names of our own
        found = self._spill.database.execute(sql, (_packed(key),)).fetchone()
        return 0 if found is None else int(found[0])

    def number(self) -> int:
        """How many keys there are."""
        self._write()
        (number,) = self._spill.database.execute(f"SELECT count(*) FROM {self._name}").fetchone()  # noqa: S608
        return int(number)

    def total(self, index: int) -> int:
        """One of the numbers, over all keys."""
        self._write()
        sql = f"SELECT coalesce(sum(n{index}), 0) FROM {self._name}"  # noqa: S608 - names of our own
        (number,) = self._spill.database.execute(sql).fetchone()
        return int(number)

    def used(self, index: int) -> int:
        """How many keys have more than nothing there."""
        self._write()
        sql = f"SELECT count(*) FROM {self._name} WHERE n{index} > 0"  # noqa: S608 - names of our own
        (number,) = self._spill.database.execute(sql).fetchone()
        return int(number)


def _packed(key: Key) -> bytes:
    try:
        return _encode(key)
    except UnicodeEncodeError:
        return _encode(tuple(map(_sound_text, key)))


def _sound_text(text: str) -> str:
    """Half a surrogate pair can be in no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
