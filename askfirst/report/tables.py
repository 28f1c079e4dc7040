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
from askfirst.report.tally import EPOCH, STAGES, VERDICTS, Head, Ruling, Tally, reason_of
from askfirst.rights.wire import timestamp

ROWS_AT_ONCE = 32_768
Cell = str | int | None
TEXT, NUMBER, TIME = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")


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
        return pc.strftime(array, format="%Y-%m-%dT%H:%M:%SZ")
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
            files.write([_array(column, kind) for column, kind in zip(columns, kinds, strict=True)])
            number += len(some)
        whole = True
    finally:
        files.close(whole=whole)
    return number


def _array(cells: Iterable[Cell | datetime], kind: pa.DataType) -> pa.Array:
    listed = list(cells)
    try:
        return pa.array(listed, type=kind)
    except UnicodeEncodeError:
        # half a surrogate pair can be in no UTF-8
        sound = [cell.encode("utf-8", "replace").decode() if isinstance(cell, str) else cell for cell in listed]
        return pa.array(sound, type=kind)


class DecisionTable:
    """``decisions``: every decision with the first words that carried it, and where its line is."""

    _TEXT = ("stage", "verdict", "domain", "purpose", "agent", "because", "document_url", "at", "words", "reference")
    SCHEMA = pa.schema(
        [
            ("decided_at", TIME),
            ("url", TEXT),
            *((name, pa.dictionary(pa.int32(), TEXT)) for name in _TEXT),
            ("expires_at", TIME),
            ("id", TEXT),
            ("file", pa.dictionary(pa.int32(), TEXT)),
            ("line", NUMBER),
        ]
    )

    def __init__(self, to: Path) -> None:
        self._files = Files(to, "decisions", self.SCHEMA)
        self._rows: list[tuple[str, int, Head, str, Ruling]] = []
        self._path, self._file = Path(), ""
        # packing and writing need no interpreter, so that the next lines are read meanwhile
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
                self._write()
                self._written()
                whole = True
        finally:
            self._writer.shutdown()
            self._files.close(whole=whole)

    def _written(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def add(self, path: Path, number: int, head: Head, domain: str, ruling: Ruling) -> None:
        """One decision."""
        if path is not self._path:
            self._path, self._file = path, path.name
        self._rows.append((self._file, number, head, domain, ruling))
        if len(self._rows) >= ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        if not self._rows:
            return
        names, numbers, heads, domains, rulings = zip(*self._rows, strict=True)
        self._rows.clear()
        because, index = _once(rulings)
        first = [ruling.reasons[0] if ruling.reasons else None for ruling in because]

        def shared(values: Iterable[str | None]) -> pa.Array:
            return _array(values, TEXT).dictionary_encode().take(index)

        def own(values: Iterable[str]) -> pa.Array:
            return _array(values, TEXT)

        until = pa.array([ruling.ruled.expires_at for ruling in because], type=TIME)
        self._written()
        self._writing = self._writer.submit(
            self._files.write,
            [
                pa.array([head.decided_at for head in heads], type=TIME),
                own(head.url for head in heads),
                shared(ruling.ruled.stage for ruling in because),
                shared(ruling.ruled.verdict for ruling in because),
                pa.array(domains, type=TEXT).dictionary_encode(),
                own(head.purpose for head in heads).dictionary_encode(),
                own(head.agent.product_token for head in heads).dictionary_encode(),
                shared("; ".join(f"{r.protocol} {r.at}" for r in ruling.reasons) for ruling in because),
                shared(None if reason is None else reason.document_url for reason in first),
                shared(None if reason is None else reason.at for reason in first),
                shared(None if reason is None else reason.text for reason in first),
                shared(_reference(ruling) for ruling in because),
                until.take(index),
                own(head.id for head in heads),
                pa.array(names, type=TEXT).dictionary_encode(),
                pa.array(numbers, type=NUMBER),
            ],
        )


def _once(rulings: Sequence[Ruling]) -> tuple[list[Ruling], pa.Array]:
    """Each ruling once, and which one each row has."""
    places: dict[int, int] = {}
    each: list[Ruling] = []
    index: list[int] = []
    for ruling in rulings:
        place = places.get(id(ruling))
        if place is None:
            place = places[id(ruling)] = len(each)
            each.append(ruling)
        index.append(place)
    return each, pa.array(index, type=pa.int32())


def _reference(ruling: Ruling) -> str | None:
    return next((s.terms.reference for s in ruling.ruled.because if s.terms and s.terms.reference), None)


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
