"""The items of a dataset: lines in ``OUT/items/*.jsonl`` while the crawl runs, one table ``OUT/items.parquet`` after.

A line says which URL was kept, what was received, where its bytes are, and under which decision. A line that withdraws
a URL says that a later look refused it.

1. An item counts when its line is whole and its WARC record is. What a killed run left torn is noted and passed over.
2. One item a URL: the latest line wins, over all runs. A withdrawn URL has none; its bytes are still in the WARC file,
   and it is for whoever uses the dataset to read the table, not the files.
3. Memory is bounded whatever the number of items: which line is the latest is kept in a temporary database on disk.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

TABLE_NAME = "items.parquet"
ROWS_AT_ONCE = 5_000
CACHE_KB = 65_536
"""Of the index: addresses come in no order, and with the 2 MB of SQLite's own choice it waits for the disk."""
_LOGGER = logging.getLogger("askfirst")


class Item(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One kept response. ``because`` are ``<protocol> <place>``, empty where silence was enough. ``reference`` is the
    consent's or licence's, as the decision's terms have it. ``warc_sha256`` is of the WARC record as it stands in the
    file, its gzip member; empty in directories of before it was noted."""

    url: str
    final_url: str
    fetched_at: datetime
    media_type: str | None = None
    bytes: int
    sha256: str
    registrable_domain: str
    decision_id: str
    because: tuple[str, ...] = ()
    reference: str | None = None
    expires_at: datetime | None = None
    warc: str
    warc_offset: int
    warc_bytes: int
    warc_sha256: str = ""


class Withdrawal(msgspec.Struct, kw_only=True, frozen=True):
    """A URL that was kept and is not any more."""

    url: str
    withdrawn_at: datetime
    decision_id: str


class _Line(msgspec.Struct):
    url: str
    fetched_at: datetime | None = None
    withdrawn_at: datetime | None = None
    warc: str = ""
    warc_offset: int = 0
    warc_bytes: int = 0


_any_line = msgspec.json.Decoder(_Line)
_item_line = msgspec.json.Decoder(Item)
_encoder = msgspec.json.Encoder()

SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("final_url", pa.string(), nullable=False),
        pa.field("fetched_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("media_type", pa.string()),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("registrable_domain", pa.string(), nullable=False),
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("because", pa.list_(pa.string()), nullable=False),
        pa.field("reference", pa.string()),
        pa.field("expires_at", pa.timestamp("us", tz="UTC")),
        pa.field("warc", pa.string(), nullable=False),
        pa.field("warc_offset", pa.int64(), nullable=False),
        pa.field("warc_bytes", pa.int64(), nullable=False),
        pa.field("warc_sha256", pa.string(), nullable=False),
    ]
)


def line_of(entry: Item | Withdrawal) -> bytes:
    """The line, with its newline."""
    return _encoder.encode(entry) + b"\n"


def read_items(out: Path, *, note: Callable[[str], None] = _LOGGER.warning) -> Iterator[Item]:
    """The items of an output directory, one a URL, in the order they were written. What is torn is noted."""
    paths = sorted((out / "items").glob("*.jsonl"))
    index = sqlite3.connect("")  # an anonymous file that SQLite deletes
    try:
        index.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        index.execute(
            "CREATE TABLE latest (url TEXT PRIMARY KEY, at INTEGER, kept INTEGER, file INTEGER, start INTEGER) "
            "WITHOUT ROWID"
        )
        whole = _Whole(out)
        for number, path in enumerate(paths):
            with path.open("rb") as file:
                index.executemany(
                    "INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET at = excluded.at, "
                    "kept = excluded.kept, file = excluded.file, start = excluded.start WHERE excluded.at >= at",
                    ((url, at, kept, number, start) for url, at, kept, start in _whole_lines(path, file, whole, note)),
                )
        order = index.execute("SELECT file, start FROM latest WHERE kept ORDER BY file, start")
        opened: dict[int, BinaryIO] = {}
        try:
            for number, start in order:
                if number not in opened:
                    for earlier in opened.values():
                        earlier.close()
                    opened = {number: paths[number].open("rb")}
                opened[number].seek(start)
                yield _item_line.decode(opened[number].readline())
        finally:
            for last in opened.values():
                last.close()
    finally:
        index.close()


class _Whole:
    """Whether a WARC record is in its file to the end."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._sizes: dict[str, int] = {}

    def __call__(self, line: _Line) -> bool:
        if line.warc not in self._sizes:
            path = self._out / line.warc
            self._sizes[line.warc] = path.stat().st_size if path.is_file() else 0
        return line.warc_offset + line.warc_bytes <= self._sizes[line.warc]


def _whole_lines(
    path: Path, file: BinaryIO, whole: _Whole, note: Callable[[str], None]
) -> Iterator[tuple[str, int, bool, int]]:
    """URL, time in microseconds, whether it is kept, and where the line begins."""
    start = 0
    for count, raw in enumerate(file, start=1):
        at, start = start, start + len(raw)
        if not raw.endswith(b"\n"):
            note(f"{path} line {count} is cut short: its run was stopped in the middle; its address is asked for again")
            continue
        try:
            line = _any_line.decode(raw)
            moment = line.withdrawn_at or line.fetched_at
            if moment is None:
                raise msgspec.ValidationError("it has no time")
            kept = line.withdrawn_at is None
            if kept and not whole(line):
                note(f"{path} line {count}: the record of {line.url} in {line.warc} is cut short; it is left out")
                continue
            if kept:
                _item_line.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            note(f"{path} line {count} is no item: {error}; it is left out")
            continue
        yield line.url, int(moment.timestamp() * 1_000_000), kept, at


def write_table(out: Path) -> int:
    """Writes ``items.parquet`` anew from all lines, in one step for who reads it; returns the number of rows. Raises
    OSError."""
    finished = out / TABLE_NAME
    growing = out / f".{TABLE_NAME}.growing"
    rows = 0
    items = read_items(out)
    try:
        with pq.ParquetWriter(growing, SCHEMA, compression="zstd") as table:
            while some := list(islice(items, ROWS_AT_ONCE)):
                table.write_table(pa.Table.from_pylist([msgspec.structs.asdict(item) for item in some], schema=SCHEMA))
                rows += len(some)
        growing.replace(finished)
    finally:
        growing.unlink(missing_ok=True)
    return rows


def utc(at: datetime) -> datetime:
    """The same time, in UTC."""
    return at.astimezone(UTC)
