"""A consent registry in one SQLite file, and its administration.

Look-ups are in the form of every registry: ``{"records": […]}`` in canonical JSON. What this module does not do: weigh
records or tell whether they have expired; it hands out what covers the URL, as a grant or as a refusal.

1. A look-up never raises on the state of the file: a file that is missing or locked is REFUSED, one that is not a
   registry is BROKEN. It never creates the file, and sees a file that was put in its place.
2. One query per batch, by the keys of ``rights.consent``: hosts and their parents, URLs and their folders.
3. An import is one transaction: with one bad line nothing is written, and every bad line is named with its reason.
4. house: a public suffix (``co.uk``, ``github.io``) cannot be a domain scope, neither granted nor refused: nobody
   speaks for all of its sites. A name of one label counts as one too (PSL's prevailing rule), but for ``localhost``.
5. house: a rollback journal, not WAL: the registry is one file, which can be replaced under a running crawl (a WAL
   left beside it would put the old records into the new file) and can stand on a read-only medium. A commit keeps
   look-ups waiting for ``BUSY_TIMEOUT_S`` at most; nothing is written before it.
"""

from __future__ import annotations

import asyncio
import csv
import functools
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from tldextract import TLDExtract

from askfirst.ports import EdgeError
from askfirst.rights.consent import (
    KEYS,
    ConsentRecord,
    RecordError,
    candidate_keys,
    covers,
    index_key,
    is_domain,
    parse_record,
    registry_uri,
)
from askfirst.rights.model import Document, Kind, Observation, Outage
from askfirst.rights.origins import UrlError
from askfirst.rights.wire import Json, canonical

OUTAGE_FRESH_S = 60
BUSY_TIMEOUT_S = 5.0
_APPLICATION_ID = 0x41736B46  # "AskF"
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    scope TEXT NOT NULL,
    record BLOB NOT NULL UNIQUE
);
CREATE INDEX IF NOT EXISTS records_by_key ON records (key);
"""
_HEADERS = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """How many records a file held, how many of them were new, and how many the registry had already."""

    read: int
    added: int
    already_there: int


class RegistryFileError(EdgeError):
    """A file that cannot be imported: ``problems`` are its bad lines, each with its number and the reason."""

    def __init__(self, path: Path, problems: Sequence[tuple[int, str]]) -> None:
        self.path = path
        self.problems = tuple(problems)
        line, reason = self.problems[0]
        more = f" (and {len(problems) - 1} more bad lines)" if len(problems) > 1 else ""
        super().__init__(f"{path} line {line}: {reason}{more}; nothing was imported, correct the file and try again")


class SqliteRegistry:
    """The registry ``name`` in the file at ``path``. Answers are fresh for ``max_age_s``."""

    def __init__(self, path: Path, *, name: str, clock: Callable[[], datetime], max_age_s: int = 3_600) -> None:
        self._path = path
        self._name = name
        self._clock = clock
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._reader: tuple[sqlite3.Connection, tuple[int, int]] | None = None

    # -- look-up ------------------------------------------------------------------------------------------------------

    async def look_up(self, urls: Sequence[str]) -> Mapping[str, Observation]:
        """The answer for each URL; an Observation with an outage for all of them when the file cannot be read."""
        return await asyncio.to_thread(self._look_up, tuple(dict.fromkeys(urls)))

    async def close(self) -> None:
        with self._lock:
            self._forget_reader()

    def _look_up(self, urls: Sequence[str]) -> dict[str, Observation]:
        keys = {url: _keys(url) for url in urls}
        try:
            with self._lock:
                rows = self._rows(sorted({key for some in keys.values() for key in some}))
            bodies = {url: _body(rows, url, some) for url, some in keys.items() if some}
        except (OSError, sqlite3.Error, ValueError) as error:
            outage = _outage(error)
            return {url: self._observation(url, outage=outage) for url in urls}
        known = {url: self._observation(url, body=body) for url, body in bodies.items()}
        return {url: known.get(url) or self._observation(url, outage=Outage.BROKEN) for url in urls}

    def _rows(self, keys: Sequence[str]) -> dict[str, list[tuple[str, bytes]]]:
        rows: dict[str, list[tuple[str, bytes]]] = {}
        try:
            found = self._reading().execute(
                "SELECT key, scope, record FROM records WHERE key IN (SELECT value FROM json_each(?)) ORDER BY record",
                (json.dumps(keys),),
            )
            for key, scope, record in found:
                rows.setdefault(key, []).append((scope, record))
        except (OSError, sqlite3.Error):
            self._forget_reader()
            raise
        return rows

    def _reading(self) -> sqlite3.Connection:
        state = self._path.stat()
        file = (state.st_dev, state.st_ino)
        if self._reader is not None and self._reader[1] == file:
            return self._reader[0]
        self._forget_reader()
        connection = sqlite3.connect(
            f"file:{quote(os.fspath(self._path))}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        self._reader = (connection, file)
        # mode rw, which does not create, so that what a killed writer left half done is rolled back by who comes first
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _forget_reader(self) -> None:
        if self._reader is not None:
            self._reader[0].close()
            self._reader = None

    def _observation(self, url: str, *, body: bytes | None = None, outage: Outage | None = None) -> Observation:
        return Observation(
            document=Document(kind=Kind.REGISTRY, url=registry_uri(self._name, url)),
            status=None if body is None else 200,
            headers=() if body is None else _HEADERS,
            body=body or b"",
            outage=outage,
            observed_at=self._clock(),
            fresh_s=self._max_age_s if outage is None else min(OUTAGE_FRESH_S, self._max_age_s),
        )

    # -- administration -----------------------------------------------------------------------------------------------

    def add(self, records: Iterable[ConsentRecord]) -> int:
        """Adds the records that are not there yet, all or none of them; returns how many were new."""
        with self._writing() as connection:
            try:
                return sum(_insert(connection, record) for record in records)
            except RecordError as error:
                raise EdgeError(f"nothing was added to the registry {self._path}: {error}") from None

    def list_records(self) -> Iterator[dict[str, object]]:
        """Every record, the oldest first."""
        with self._telling("read"):
            self._path.stat()  # connecting would create a file
            with closing(_connect(self._path)) as connection:
                for (record,) in connection.execute("SELECT record FROM records ORDER BY id"):
                    yield json.loads(record)

    def remove(self, scope: str, *, verdict: str | None = None, grantee: str | None = None) -> int:
        """Takes away the records of exactly this scope, or those among them with this verdict (``grant`` or
        ``refuse``) and this grantee; returns how many."""
        with self._telling("read"):
            self._path.stat()
        with self._writing() as connection:
            gone = connection.execute(
                "DELETE FROM records WHERE scope = :scope"
                " AND (:verdict IS NULL OR json_extract(CAST(record AS TEXT), '$.verdict') = :verdict)"
                " AND (:grantee IS NULL OR json_extract(CAST(record AS TEXT), '$.grantee') = :grantee)",
                {"scope": scope, "verdict": verdict, "grantee": grantee},
            )
            return gone.rowcount

    def import_file(self, path: Path) -> ImportReport:
        """Adds the records of a JSON Lines or CSV file. Raises RegistryFileError with every bad line, and then nothing
        has been written."""
        problems: list[tuple[int, str]] = []
        read = added = 0
        with self._writing() as connection:
            for line, row in _file_rows(path):
                read += 1
                try:
                    added += _insert(connection, parse_record(_checked(row)))
                except RecordError as error:
                    problems.append((line, str(error)))
            if problems:
                raise RegistryFileError(path, problems)
        return ImportReport(read=read, added=added, already_there=read - added)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, undone when the block raises."""
        with self._telling("write"), closing(_connect(self._path)) as connection:
            _prepare(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _telling(self, act: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise EdgeError(
                f"cannot {act} the registry {self._path}: {error}; check that the path is right, that its folder can "
                "be written and that no other program holds the file",
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _prepare(connection: sqlite3.Connection) -> None:
    """Makes an empty file a registry; leaves a database of another program alone."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != _APPLICATION_ID and (application_id or tables):
        raise sqlite3.DatabaseError("it is the database of another program")
    connection.execute("PRAGMA cache_spill = OFF")
    connection.executescript(_SCHEMA)


def _keys(url: str) -> tuple[str, ...]:
    """Empty for what is not a URL, of which nothing can be known."""
    try:
        return candidate_keys(url)
    except UrlError:
        return ()


def _body(rows: Mapping[str, Sequence[tuple[str, bytes]]], url: str, keys: Sequence[str]) -> bytes:
    found = {
        record
        for key in dict.fromkeys(keys)
        for scope, record in rows.get(key, ())
        if covers(scope, url, grant=False) or covers(scope, url, grant=True)
    }
    records: list[Json] = [json.loads(record) for record in sorted(found)]
    return canonical({"records": records})


def _outage(error: Exception) -> Outage:
    """A file that is not there or not free could not be asked; any other trouble is with what it holds."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, OSError):
        return Outage.REFUSED
    if code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN):
        return Outage.REFUSED
    return Outage.BROKEN


@functools.cache
def _suffixes() -> TLDExtract:
    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def _insert(connection: sqlite3.Connection, record: ConsentRecord) -> int:
    """1 if the record is new. Raises RecordError for a public suffix."""
    key = index_key(record.scope)
    if is_domain(record.scope) and _is_public_suffix(key):
        raise RecordError(f"scope {record.scope!r} is a public suffix; name the site itself, such as example.{key}")
    new = connection.execute(
        "INSERT OR IGNORE INTO records (key, scope, record) VALUES (?, ?, ?)",
        (key, record.scope, canonical(record.to_wire())),
    )
    return new.rowcount


def _is_public_suffix(host: str) -> bool:
    if "." not in host:
        return host != "localhost"
    parts = _suffixes()(host)
    return bool(parts.suffix) and not parts.domain


# -- files to import --------------------------------------------------------------------------------------------------

_BAD_ROW = "\0bad row"
_LISTS = str.maketrans(";,", "  ")


def _checked(row: Mapping[str, object]) -> Mapping[str, object]:
    reason = row.get(_BAD_ROW)
    if reason is not None:
        raise RecordError(str(reason))
    return row


def _file_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Line number and row. A row that cannot be read holds its reason under ``_BAD_ROW``. Raises EdgeError."""
    try:
        yield from _csv_rows(path) if _is_csv(path) else _json_rows(path)
    except OSError as error:
        raise EdgeError(f"cannot read {path}: {error.strerror}; nothing was imported, check the path") from error


def _is_csv(path: Path) -> bool:
    """By the suffix, else by the first letter."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".jsonl", ".ndjson"):
        return suffix == ".csv"
    with path.open("rb") as file:
        return not file.read(4_096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                yield number, _json_row(text)


def _json_row(line: bytes) -> Mapping[str, object]:
    try:
        row = json.loads(line.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError:
        return {_BAD_ROW: "not UTF-8"}
    except RecordError as error:
        return {_BAD_ROW: str(error)}
    except (ValueError, RecursionError):
        return {_BAD_ROW: "not a JSON object on one line"}
    return row if isinstance(row, dict) else {_BAD_ROW: "not a JSON object on one line"}


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise RecordError("the same key stands twice")
    return row


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            columns = [cell.strip() for cell in next(rows, [])]
            fault = _header_fault(columns)
            if fault:
                yield 1, {_BAD_ROW: fault}
                return
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    yield rows.line_num, _csv_row(columns, cells)
        except csv.Error as error:
            yield rows.line_num, {_BAD_ROW: f"not CSV: {error}"}


def _header_fault(columns: Sequence[str]) -> str | None:
    for column in columns:
        if column not in KEYS:
            return f"unknown column {column!r}; the columns are {', '.join(KEYS)}"
    missing = [column for column in KEYS[:3] if column not in columns]
    if missing:
        return f"no column {missing[0]!r}; the first line names the columns: {', '.join(KEYS)}"
    return "the same column stands twice" if len(set(columns)) != len(columns) else None


def _csv_row(columns: Sequence[str], cells: Sequence[str]) -> Mapping[str, object]:
    if len(cells) != len(columns):
        return {_BAD_ROW: f"{len(cells)} cells under {len(columns)} columns; quote a cell that holds a comma"}
    row: dict[str, object] = dict(zip(columns, cells, strict=True))
    row["categories"] = str(row["categories"]).translate(_LISTS).split()
    return row
