"""Crawls that are known by a list of URL and time: JSON Lines feeds (Scrapy's among them), CSV with a header, Parquet.

It gives fetches without responses, and faults for rows that are none. It judges nothing.

1. The URL, the time, the agent and the status stand in the columns that are named, else in the first of the usual names
   that is there. One list has one such column.
2. A time is ISO 8601, RFC 5322, a number of seconds or milliseconds since 1970, or the 14 digits of a web archive's
   index. house: without an offset it is UTC. A day without a time of day is no time: which rules stood is not told.
3. Files are read as a stream, gzipped ones too; Parquet in batches, of the columns that are needed.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from askfirst.ports import SettingsError
from askfirst.review.model import Entry, Fault, Fetch

URL_NAMES: Final = ("url", "uri", "page_url", "source_url", "image_url", "link", "warc_target_uri")
TIME_NAMES: Final = (
    "timestamp", "fetched_at", "crawled_at", "scraped_at", "downloaded_at", "retrieved_at", "observed_at", "decided_at",
    "fetch_time", "crawl_time", "warc_date", "datetime", "time", "date", "at",
)  # fmt: skip
AGENT_NAMES: Final = ("user_agent", "useragent", "user-agent")
STATUS_NAMES: Final = ("status", "http_status", "fetch_status", "status_code")
MAX_FIELD_CHARS: Final = 1_048_576
_MILLISECONDS_FROM: Final = 100_000_000_000
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?")
_BATCH_ROWS: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns hold what; None: the first of the usual names that is there."""

    url: str | None = None
    time: str | None = None


class Feed:
    """A file of JSON objects, one a line."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns

    def collect(self) -> None:
        """A feed holds no captures."""

    def entries(self) -> Iterator[Entry]:
        """The fetches and faults, line by line. Raises SettingsError when it cannot be read, or nothing in it holds
        what is needed."""
        with opened(self._path) as file:
            for number, line in enumerate(_lines(file, self._path), 1):
                where = f"{self._path}:{number}"
                if isinstance(line, Fault):
                    yield line
                elif line.strip():
                    yield self._entry(line, where)

    def _entry(self, line: bytes, where: str) -> Entry:
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return Fault(where=where, what=f"is not JSON: {' '.join(str(error).split())}")
        if not isinstance(row, dict):
            return Fault(where=where, what="is not a JSON object")
        return _fetch(row, _found(row, self._columns), where)


class Csv:
    """A CSV file with a header."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns

    def collect(self) -> None:
        """A table holds no captures."""

    def entries(self) -> Iterator[Entry]:
        """The fetches and faults, row by row; a row is where its last line is. Raises SettingsError when it cannot be
        read, or its header lacks what is needed."""
        csv.field_size_limit(MAX_FIELD_CHARS)
        with opened(self._path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
            rows = csv.reader(text)
            header: list[str] | None = None
            places: _Places | None = None
            while True:
                try:
                    row = next(rows, None)
                except csv.Error as error:
                    yield Fault(where=f"{self._path}:{rows.line_num}", what=f"is no row of CSV: {error}")
                    continue
                except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                    yield Fault(where=f"{self._path}:{rows.line_num}", what=f"cannot be read further: {error}")
                    return
                if row is None:
                    return
                if header is None or places is None:
                    header = row
                    places = _required(_found(dict.fromkeys(header), self._columns), header, self._path)
                elif len(row) > len(header):
                    what = f"has {len(row)} cells, and the header has {len(header)}"
                    yield Fault(where=f"{self._path}:{rows.line_num}", what=what)
                elif row:
                    yield _fetch(dict(zip(header, row, strict=False)), places, f"{self._path}:{rows.line_num}")


class Parquet:
    """A Parquet file."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns

    def collect(self) -> None:
        """A table holds no captures."""

    def entries(self) -> Iterator[Entry]:
        """The fetches and faults, row by row, counted from 1. Raises SettingsError when it cannot be read, or its
        schema lacks what is needed."""
        try:
            with pq.ParquetFile(self._path) as file:
                names = list(file.schema_arrow.names)
                places = _required(_found(dict.fromkeys(names), self._columns), names, self._path)
                wanted = [name for name in (places.url, places.time, places.agent, places.status) if name is not None]
                number = 0
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
                    for row in _rows(batch, wanted):
                        number += 1
                        yield _fetch(row, places, f"{self._path}:{number}")
        except OSError as error:
            raise SettingsError(
                f"{self._path}: {error.strerror or ' '.join(str(error).split())}; name a Parquet file that can be read"
            ) from None
        except pa.ArrowException as error:
            raise SettingsError(f"{self._path}: is no Parquet ({' '.join(str(error).split())})") from None


def _rows(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[dict[str, object]]:
    columns = [batch.column(name).to_pylist() for name in names]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


# -- columns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Places:
    url: str | None
    time: str | None
    agent: str | None
    status: str | None


def _found(row: Mapping[str, object], columns: Columns) -> _Places:
    """The columns of a row. A column that was named is taken, there or not."""
    return _Places(
        columns.url or next((name for name in URL_NAMES if name in row), None),
        columns.time or next((name for name in TIME_NAMES if name in row), None),
        next((name for name in AGENT_NAMES if name in row), None),
        next((name for name in STATUS_NAMES if name in row), None),
    )


def _required(places: _Places, names: Sequence[str], path: Path) -> _Places:
    """The columns of a table that has a header. Raises SettingsError when it lacks one."""
    listed = ", ".join(name[:40] for name in names[:20]) or "none"
    if places.url is None or places.url not in names:
        what = "no column of URLs" if places.url is None else f"no column {places.url!r}"
        raise SettingsError(f"{path}: has {what}; its columns are {listed}; name one with --url-field")
    if places.time is not None and places.time not in names:
        raise SettingsError(
            f"{path}: has no column {places.time!r}; its columns are {listed}; name one with --time-field"
        )
    return places


def _fetch(row: Mapping[str, object], places: _Places, where: str) -> Entry:
    url = row.get(places.url) if places.url is not None else None
    if not isinstance(url, str) or not url.strip():
        named = f"in {places.url!r}" if places.url is not None else f"under any of {', '.join(URL_NAMES)}"
        return Fault(where=where, what=f"holds no URL {named}; name its field with --url-field")
    told = row.get(places.time) if places.time is not None else None
    at = moment_of(told)
    if at is None and told not in (None, "") and not is_day(told):
        return Fault(where=where, what=f"holds no time in {places.time!r}: {str(told)[:60]!r}")
    agent = row.get(places.agent) if places.agent is not None else None
    return Fetch(
        url=url.strip(),
        at=at,
        user_agent=agent if isinstance(agent, str) and agent else None,
        status=_status(row.get(places.status) if places.status is not None else None),
        where=where,
    )


def _status(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3 else None


# -- times ------------------------------------------------------------------------------------------------------------


def moment_of(value: object) -> datetime | None:
    """The time that a value means, in UTC; None where it is none, or only a day. Never raises."""
    try:
        if isinstance(value, datetime):
            return _in_utc(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1_000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str):
            return _moment_in(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _moment_in(text: str) -> datetime | None:
    if text.isascii() and text.isdigit() and len(text) == 14:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if is_day(text):
        return None
    if _NUMBER.fullmatch(text):
        return moment_of(float(text))
    try:
        return _in_utc(datetime.fromisoformat(text.removesuffix(" UTC")))
    except ValueError:
        return _in_utc(parsedate_to_datetime(text))


def is_day(value: object) -> bool:
    """Whether it names a day and no time of day."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return True
    if not isinstance(value, str) or len(value.strip()) not in (8, 10):
        return False
    text = value.strip()
    if len(text) == 10 and text.isdigit():  # seconds since 1970
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


# -- files ------------------------------------------------------------------------------------------------------------


def opened(path: Path) -> BinaryIO:
    """The file, unpacked where it is gzipped. Raises SettingsError."""
    try:
        file = path.open("rb")
        magic = file.read(2)
        file.seek(0)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a file that can be read") from None
    if magic == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    return file


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes | Fault]:
    number = 0
    read: Callable[[], bytes] = file.readline
    while True:
        number += 1
        try:
            line = read()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Fault(where=f"{path}:{number}", what=f"cannot be read further: {error}")
            return
        if not line:
            return
        yield line
