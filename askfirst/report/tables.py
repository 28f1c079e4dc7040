"""The tables of a report, each as CSV and as Parquet, beside the page: every row, where the page shows the first ones.

1. A file is there when it is whole: it grows under another name.
2. house: in CSV, text is on one line, and what a spreadsheet would take for a formula begins with an apostrophe: the
   words are strangers' words. In Parquet it is verbatim.
3. Times are UTC; in CSV as RFC 3339 with ``Z``.
4. Rows are written as they come: memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from askfirst.report.counts import Count, Key
from askfirst.report.decided import STAGES, VERDICTS, reason_of
from askfirst.report.decision_rows import NUMBER, ROWS_AT_ONCE, SCHEMA, TEXT, TIME, Cell, array
from askfirst.report.tally import EPOCH, Tally
from askfirst.rights.wire import timestamp


class Table(NamedTuple):
    """One table. ``numbers`` and ``times`` name the columns that are no text; ``about`` says what a row is."""

    name: str
    about: str
    columns: tuple[str, ...]
    rows: Iterable[Sequence[Cell | datetime]]
    numbers: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()


class Files:
    """The two files of one table, while they grow."""

    def __init__(self, to: Path, name: str, schema: pa.Schema) -> None:
        self._to, self._name, self._schema = to, name, schema
        self._growing = {end: to / f".{name}.{end}.growing" for end in ("parquet", "csv")}
        packed: list[str] | bool = [f.name for f in schema if pa.types.is_dictionary(f.type)] or True
        self._parquet = pq.ParquetWriter(self._growing["parquet"], schema, compression="zstd", use_dictionary=packed)
        said = pa.schema([pa.field(f.name, NUMBER if f.type == NUMBER else TEXT) for f in schema])
        self._csv = pcsv.CSVWriter(self._growing["csv"], said)

    def write(self, columns: Sequence[Sequence[Any] | Any]) -> None:
        """Some rows, column by column."""
        arrays = [
            c if isinstance(c, pa.Array) else pa.array(c, type=field.type)
            for c, field in zip(columns, self._schema, strict=True)
        ]
        self._parquet.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        harmless = [_for_people(array) for array in arrays]
        self._csv.write_table(pa.Table.from_arrays(harmless, names=self._schema.names))

    def close(self, *, whole: bool) -> None:
        """Ends the files; they are in their places only if they are whole."""
        self._parquet.close()
        self._csv.close()
        for end, growing in self._growing.items():
            if whole:
                growing.replace(self._to / f"{self._name}.{end}")
            else:
                growing.unlink(missing_ok=True)


def _for_people(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return _for_people(array.dictionary).take(array.indices)
    if pa.types.is_timestamp(array.type):
        # as strftime has it, in a twentieth of its time: 2026-11-24 00:00:00.000000, with T and Z
        text = array.cast(pa.timestamp("us")).cast(TEXT)
        return pc.utf8_replace_slice(pc.utf8_replace_slice(text, 10, 11, "T"), 26, 26, "Z")
    if not pa.types.is_string(array.type):
        return array
    if not pc.any(pc.match_substring_regex(array, pattern=r"\s|^[=+\-@]")).as_py():
        return array
    line = pc.utf8_trim_whitespace(pc.replace_substring_regex(array, pattern=r"\s+", replacement=" "))
    return pc.replace_substring_regex(line, pattern=r"^([=+\-@])", replacement=r"'\1")


def write_table(to: Path, table: Table) -> int:
    """Writes both files; returns the number of rows. Raises OSError."""
    kinds = [NUMBER if c in table.numbers else TIME if c in table.times else TEXT for c in table.columns]
    files = Files(to, table.name, pa.schema(list(zip(table.columns, kinds, strict=True))))
    rows, number, whole = iter(table.rows), 0, False
    try:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            columns = zip(*some, strict=True)
            files.write([array(column, kind) for column, kind in zip(columns, kinds, strict=True)])
            number += len(some)
        whole = True
    finally:
        files.close(whole=whole)
    return number


class DecisionTable:
    """``decisions``, in rows of ``decision_rows``: row groups are of ``ROWS_AT_ONCE``, however the rows come."""

    def __init__(self, to: Path) -> None:
        self._files = Files(to, "decisions", SCHEMA)
        self._waiting: list[pa.Table] = []
        # packing and writing need no interpreter, so that the next rows are read meanwhile
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _t: TracebackType | None
    ) -> None:
        whole = False
        try:
            if kind is None:
                self._regroup(least=1)
                self._written()
                whole = True
        finally:
            self._writer.shutdown()
            self._files.close(whole=whole)

    def _written(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def add(self, rows: pa.Table) -> None:
        """The next rows, ``ROWS_AT_ONCE`` at most."""
        if not self._waiting and rows.num_rows == ROWS_AT_ONCE:
            self._write([column.combine_chunks() for column in rows.columns])
            return
        self._waiting.append(rows)
        self._regroup(least=ROWS_AT_ONCE)

    def _regroup(self, *, least: int) -> None:
        """Writes what waits, group by group, while there are so many rows."""
        number = sum(rows.num_rows for rows in self._waiting)
        if number < least:
            return
        waiting = pa.concat_tables(self._waiting)
        start = 0
        while number - start >= least:
            self._write([_anew(column) for column in waiting.slice(start, ROWS_AT_ONCE).columns])
            start += ROWS_AT_ONCE
        rest = waiting.slice(start)
        self._waiting = [rest] if rest.num_rows else []

    def _write(self, columns: Sequence[pa.Array]) -> None:
        self._written()
        self._writing = self._writer.submit(self._files.write, columns)


def _anew(column: pa.ChunkedArray) -> pa.Array:
    """In one piece. What rows share is what these rows share, in their order."""
    if pa.types.is_dictionary(column.type):
        return column.cast(TEXT).combine_chunks().dictionary_encode()
    return column.combine_chunks()


DOMAIN_NUMBERS = ("allowed", "deferred", "refused", "allowed_for_silence", "refused_for_silence", "items", "bytes")
REASON = ("protocol", "source", "category", "basis", "verdict", "document_url", "at", "words", "section")


def tables(tally: Tally) -> Iterator[Table]:
    """Every table but the decisions."""
    yield _over_time(tally)
    yield Table(
        "signals",
        "one row for each protocol, and 'silence': decisions that it carried, and that it was heard for without "
        "deciding",
        ("protocol", "allowed", "deferred", "refused", "heard"),
        ((*key, *count.sums) for key, count in tally.signals.rows(by=2)),
        numbers=frozenset({"allowed", "deferred", "refused", "heard"}),
    )
    yield Table(
        "silence",
        "one row for each stage and verdict: decisions by words, and by silence",
        ("stage", "verdict", "by_words", "by_silence"),
        (
            (stage, word, tally.by_stage[stage, word] - tally.silent[stage, word], tally.silent[stage, word])
            for stage in STAGES
            for word in VERDICTS
        ),
        numbers=frozenset({"by_words", "by_silence"}),
    )
    yield Table(
        "domains",
        "one row for each registrable domain, with the first words that stopped a look there",
        ("domain", *DOMAIN_NUMBERS, "document_url", "at", "words"),
        (_domain_row(key, count) for key, count in tally.domains.rows(by=2)),
        numbers=frozenset(DOMAIN_NUMBERS),
    )
    yield Table(
        "reasons",
        "one row for each statement that carried a decision",
        ("decisions", *REASON, "example_url"),
        ((count.sums[0], *key, count.example) for key, count in tally.reasons.rows()),
        numbers=frozenset({"decisions"}),
    )
    yield Table(
        "deferrals",
        "one row for each cause of a deferral",
        ("decisions", "source", "why", "example_url"),
        ((count.sums[0], *key, count.example) for key, count in tally.deferrals.rows()),
        numbers=frozenset({"decisions"}),
    )
    sides = tuple(f"{side}_{name}" for side in ("permits", "refuses") for name in ("source", "document_url", "words"))
    yield Table(
        "contradictions",
        "one row for each two statements that cannot both be meant",
        ("decisions", "about", *sides, "example_url"),
        (_pair_row(key, count) for key, count in tally.contradictions.rows()),
        numbers=frozenset({"decisions"}),
    )
    yield Table(
        "consents",
        "one row for each consent, licence or paper that allowed something",
        ("decisions", "basis", "source", "reference", "terms_url", "document_url", "valid_until", "at", "words",
         "section", "example_url"),
        (_consent_row(key, count) for key, count in tally.consents.rows()),
        numbers=frozenset({"decisions"}),
        times=frozenset({"valid_until"}),
    )  # fmt: skip
    yield Table(
        "whom-to-ask",
        "one row for each rightsholder, purpose and signal that refuses",
        ("domain", "name", "contact", "terms_url", "purpose", "about", "why", "note", "example_url", "urls"),
        tally.asking,
        numbers=frozenset({"urls"}),
    )
    yield Table(
        "media",
        "one row for each media type that was kept",
        ("media_type", "items", "bytes"),
        ((*key, *count.sums) for key, count in tally.media.rows(by=1)),
        numbers=frozenset({"items", "bytes"}),
    )
    yield Table(
        "jobs",
        "one row for each agent, purpose and policy that decisions were made for",
        ("decisions", "product_token", "user_agent", "purpose", "policy_digest"),
        ((count.sums[0], *key) for key, count in tally.jobs.rows()),
        numbers=frozenset({"decisions"}),
    )


def _over_time(tally: Tally) -> Table:
    over = tally.over_time
    return Table(
        "over-time",
        f"one row for each step of {over.length_s} s in which something was decided",
        ("from", "seconds", "allowed", "deferred", "refused"),
        ((EPOCH + over.length_s * n * SECOND, over.length_s, *counts) for n, counts in sorted(over.steps.items())),
        numbers=frozenset({"seconds", "allowed", "deferred", "refused"}),
        times=frozenset({"from"}),
    )


SECOND = datetime(1970, 1, 1, 0, 0, 1, tzinfo=EPOCH.tzinfo) - EPOCH


def _domain_row(key: Key, count: Count) -> Sequence[Cell]:
    reason = reason_of(count.example)
    words = (None, None, None) if reason is None else (reason.document_url, reason.at, reason.text)
    return (*key, *count.sums, *words)


def _pair_row(key: Key, count: Count) -> Sequence[Cell]:
    sides = [side for text in key[1:] if (side := reason_of(text)) is not None]
    words = [cell for side in sides for cell in (side.source, side.document_url, side.text)]
    return (count.sums[0], key[0], *words, count.example)


def _consent_row(key: Key, count: Count) -> Sequence[Cell | datetime]:
    basis, source, reference, terms, where, until, at, text, section = key
    ends = datetime.fromisoformat(until) if until else None
    return (count.sums[0], basis, source, reference, terms, where, ends, at, text, section, count.example)


def said(at: datetime | None) -> str:
    """A time for people: RFC 3339 in UTC, in whole seconds."""
    return "" if at is None else timestamp(at.replace(microsecond=0))
