"""A cache in one SQLite file, shared by the processes of one machine.

Satisfies ``askfirst.ports.Cache`` with the standard library's sqlite3: WAL, ``synchronous=NORMAL`` (a power cut may
lose the last writes, never the file). Not for network file systems, where WAL does not work.

Rules:

1. Times in the file are ``clock()``'s, and several processes compare them: ``clock`` is the wall clock in seconds.
2. A claim is one UPSERT that only changes a row which is the caller's own or has lapsed; no two callers pass it.
3. A wait looks at the state, not at the moment: it returns at once when nobody holds the claim, or when the key has
   been put since it was claimed. It asks again every few ms. house: the three caches agree on this.
4. Reads run in the event loop's thread: WAL readers never wait for a writer, and a hop to a thread costs five times the
   read (16 against 91 µs). Writes run in one thread of our own: most take 30 µs, but one in a thousand pays for a
   checkpoint (8 ms), and any may wait for another process's lock.
5. Whatever sqlite3 or the system says is an EdgeError; the next call opens the file again (a lock that lasts too long
   excepted: nothing is wrong with the file, and reads go on).
6. A file that was removed or replaced while it was open is an EdgeError too: writing on into the old one would give
   one claim to two owners.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from askfirst.ports import EdgeError

_T = TypeVar("_T")

_SCHEMA_VERSION = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, lapses_at REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS entry_lapses_at ON entry (lapses_at)",
    """CREATE TABLE IF NOT EXISTS claim (key BLOB PRIMARY KEY, owner TEXT NOT NULL, lapses_at REAL NOT NULL,
    answered INTEGER NOT NULL) WITHOUT ROWID""",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)
_PUT = (
    "INSERT INTO entry VALUES (?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, lapses_at = excluded.lapses_at"
)
_ANSWER = "UPDATE claim SET answered = 1 WHERE key = ?"
# INVARIANT: one statement takes SQLite's write lock before it reads, so that the WHERE is judged under the lock.
_CLAIM = (
    "INSERT INTO claim VALUES (?, ?, ?, 0) ON CONFLICT (key) DO UPDATE"
    " SET owner = excluded.owner, lapses_at = excluded.lapses_at, answered = 0"
    " WHERE claim.owner = excluded.owner OR claim.lapses_at <= ? RETURNING 1"
)
_RELEASE = "DELETE FROM claim WHERE key = ? AND owner = ?"
_AWAITED = "SELECT 1 FROM claim WHERE key = ? AND lapses_at > ? AND answered = 0"
_SWEEP_ENTRIES = (
    "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE lapses_at <= ? ORDER BY lapses_at LIMIT 512)"
)
_SWEEP_CLAIMS = "DELETE FROM claim WHERE lapses_at <= ?"

# house: sweeping is paid for by the puts, a little each time
_PUTS_PER_SWEEP = 256
_KEYS_PER_QUERY = 500
_SHORTEST_NAP_S, _LONGEST_NAP_S = 0.002, 0.016
_OPEN_AGAIN_S = 0.01

_ADVICE = {
    sqlite3.SQLITE_NOTADB: "move the file away, and a new one is made, or name another path",
    sqlite3.SQLITE_CORRUPT: "move the file away, and a new one is made, or name another path",
    sqlite3.SQLITE_BUSY: "end the process that holds it, or name another path",
    sqlite3.SQLITE_LOCKED: "end the process that holds it, or name another path",
    sqlite3.SQLITE_FULL: "free some space, or name a path on another disk",
    sqlite3.SQLITE_CANTOPEN: "check that its directory exists and can be written, and that it is a file",
    sqlite3.SQLITE_READONLY: "let this user write the file and its directory, or name another path",
}


class SqliteCache:
    """Values and claims in the file ``path``, opened by the first call. ``busy_s`` bounds the wait for a lock."""

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float], busy_s: float = 2.0) -> None:
        self._path = Path(path)
        self._clock = clock
        self._busy_s = busy_s
        self._reader: _Connection | None = None
        self._writer: _Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._puts = 0
        self._closings = 0
        self._spoiled = False  # what is open is not to be trusted: drop it before the next call

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of ``keys``; None for what is not there or has passed its ``keep_s``."""
        wanted = [_wire(key) for key in keys]
        found: dict[bytes, bytes] = {}
        now = self._clock()
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            some = wanted[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            sql = f"SELECT key, value FROM entry WHERE key IN ({marks}) AND lapses_at > ?"  # noqa: S608 - only ?s
            found.update(await self._read(sql, (*some, now)))
        return [found.get(key) for key in wanted]

    async def put(self, key: str, value: bytes, *, keep_s: int) -> None:
        """Stores a value for ``keep_s`` seconds, replacing what was there; 0 or less removes it. Waiters wake up."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> None:
            self._puts += 1
            with _transaction(connection):
                connection.execute(_PUT, (_wire(key), value, now + keep_s))
                connection.execute(_ANSWER, (_wire(key),))
                if self._puts % _PUTS_PER_SWEEP == 1:
                    connection.execute(_SWEEP_ENTRIES, (now,))
                    connection.execute(_SWEEP_CLAIMS, (now,))

        await self._write(work)

    async def claim(self, key: str, *, owner: str, for_s: int) -> bool:
        """True if the caller now holds the claim on ``key``; a claim lapses after ``for_s`` seconds."""
        now = self._clock()
        row = (_wire(key), owner, now + for_s, now)
        return await self._write(lambda connection: connection.execute(_CLAIM, row).fetchall() != [])

    async def release(self, key: str, *, owner: str) -> None:
        """Gives a claim back, if ``owner`` still holds it. Waiters on the key wake up."""
        await self._write(lambda connection: connection.execute(_RELEASE, (_wire(key), owner)).fetchall())

    async def wait(self, key: str, *, timeout_s: float) -> None:
        """Returns when the key has been put or nobody holds its claim, or after ``timeout_s`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        nap_s = _SHORTEST_NAP_S
        closings = self._closings
        while await self._read(_AWAITED, (_wire(key), self._clock())):
            left_s = deadline - loop.time()
            if left_s <= 0:
                return
            await asyncio.sleep(min(nap_s, left_s))
            if self._closings != closings:
                return
            nap_s = min(2 * nap_s, _LONGEST_NAP_S)

    async def close(self) -> None:
        """Lets go of the file and of the thread; waiters wake up."""
        self._closings += 1
        if self._thread is None:
            return
        thread, self._thread = self._thread, None
        await asyncio.get_running_loop().run_in_executor(thread, self._let_go)
        thread.shutdown(wait=False)

    async def _read(self, sql: str, values: tuple[object, ...]) -> list[tuple[bytes, bytes]]:
        if self._reader is None or self._spoiled:
            await self._write(lambda _: None)
        reader = self._reader
        if reader is None:
            raise EdgeError(f"cache {self._path}: was closed while it was read; ask again")
        try:
            reader.check_in_place()
            return reader.query(sql, values)
        except (sqlite3.Error, OSError) as error:
            # Another process is recovering or closing the file: wait for it, but in the thread.
            if _is_busy(error):
                return await self._write(lambda connection: connection.execute(sql, values).fetchall())
            self._spoiled = True
            raise self._edge_error(error) from error

    async def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="askfirst-cache")
        if self._spoiled:
            self._drop_reader()
        # A lock that lasts must not be waited for by one caller after the other.
        give_up_at = time.monotonic() + self._busy_s
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work, give_up_at)

    def _work(self, work: Callable[[sqlite3.Connection], _T], give_up_at: float) -> _T:
        """In the thread: opens what is not open, and works."""
        try:
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"is locked: those who came before waited {self._busy_s:g} s")
            return work(self._opened_writer(give_up_at).connection)
        except (sqlite3.Error, OSError) as error:
            self._spoiled = self._spoiled or not _is_busy(error)
            raise self._edge_error(error) from error

    def _opened_writer(self, give_up_at: float) -> _Connection:
        if self._spoiled:
            self._drop_writer()
            self._spoiled = False
        if self._writer is None:
            self._writer = _open(self._path, self._busy_s, give_up_at)
        self._writer.check_in_place()
        if self._reader is None:
            self._reader = _Connection(self._path, busy_s=0)
        return self._writer

    def _let_go(self) -> None:
        self._drop_reader()
        self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _edge_error(self, error: sqlite3.Error | OSError) -> EdgeError:
        if isinstance(error, _OtherSchemaError):
            what, advice = str(error), "name another path"
        elif isinstance(error, FileNotFoundError):
            what, advice = "was removed or replaced while in use", "the next call opens what is there now"
        elif isinstance(error, TimeoutError):
            what, advice = str(error), _ADVICE[sqlite3.SQLITE_BUSY]
        elif isinstance(error, sqlite3.Error):
            what, advice = str(error), _ADVICE.get(_primary_code(error), "check the file and the disk it is on")
        else:
            what, advice = error.strerror or str(error), "check the file and the disk it is on"
        return EdgeError(f"cache {self._path}: {what}; {advice}")


class _OtherSchemaError(sqlite3.DatabaseError):
    """The file is a database, and not one of ours."""


def _open(path: Path, busy_s: float, give_up_at: float) -> _Connection:
    """A connection on a file that has its tables. Several processes do this at once when a crawl starts, and SQLite
    refuses to change the journal mode without waiting: so we wait."""
    opened = _Connection(path, busy_s=busy_s)
    while True:
        try:
            opened.prepare()
        except (sqlite3.Error, OSError) as error:
            if not _is_busy(error) or time.monotonic() >= give_up_at:
                opened.close()
                raise
            time.sleep(_OPEN_AGAIN_S)
        else:
            return opened


class _Connection:
    """One sqlite3 connection, and which file it is open on."""

    def __init__(self, path: Path, *, busy_s: float) -> None:
        self._path = path
        self.connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
        try:
            self._opened_on = self._identity()
        except OSError:
            self.close()
            raise

    def prepare(self) -> None:
        """WAL, and the tables if they are not there. A file that is not ours is left as it is."""
        ours = self._is_ours()
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        if not ours:
            with _transaction(self.connection):
                for statement in () if self._is_ours() else _SCHEMA:
                    self.connection.execute(statement)

    def check_in_place(self) -> None:
        """Raises FileNotFoundError when the path no longer names the file that is open."""
        if self._identity() != self._opened_on:
            raise FileNotFoundError(self._path)

    def query(self, sql: str, values: tuple[object, ...]) -> list[tuple[bytes, bytes]]:
        """All rows at once, so that no read transaction stays open."""
        return self.connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Closes; a connection that is broken already has nothing left to close."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()

    def _is_ours(self) -> bool:
        """True if the tables are there, False if the file is empty."""
        # INVARIANT: the tables first. Another process may make them between the two looks, and the version with them.
        (tables,) = self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if tables and version != _SCHEMA_VERSION:
            raise _OtherSchemaError("is a database of another program or version")
        return bool(tables)

    def _identity(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 for an error of the module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: sqlite3.Error | OSError) -> bool:
    """A lock is in the way: nothing is wrong with the file."""
    if isinstance(error, sqlite3.Error):
        return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return isinstance(error, TimeoutError)


def _wire(key: str) -> bytes:
    """Keys are bytes in the file, so that a key with a lone surrogate is a key like any other."""
    return key.encode("utf-8", "surrogatepass")
