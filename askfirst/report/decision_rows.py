"""The rows of the table ``decisions``: every decision with the first words that carried it, and where its line is.

What many rows share is text once, and a number in each row. Half a surrogate pair, which can be in no UTF-8, becomes a
question mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter

import pyarrow as pa

from askfirst.report.decided import Head, Ruling

ROWS_AT_ONCE = 32_768
Cell = str | int | None
TEXT, NUMBER, TIME = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")
_SHARED = ("stage", "verdict", "domain", "purpose", "agent", "because", "document_url", "at", "words", "reference")
SCHEMA = pa.schema(
    [
        ("decided_at", TIME),
        ("url", TEXT),
        *((name, pa.dictionary(pa.int32(), TEXT)) for name in _SHARED),
        ("expires_at", TIME),
        ("id", TEXT),
        ("file", pa.dictionary(pa.int32(), TEXT)),
        ("line", NUMBER),
    ]
)


def rows_of(
    files: Sequence[str],
    numbers: Sequence[int],
    heads: Sequence[Head],
    times_us: Sequence[int],
    *,
    domains: Sequence[str],
    rulings: Sequence[Ruling],
) -> pa.Table:
    """These decisions, which are one or more: line ``numbers`` of ``files``, decided at ``times_us`` since 1970."""
    because, index = _once(rulings)
    first = [ruling.reasons[0] if ruling.reasons else None for ruling in because]

    def shared(values: Iterable[str | None]) -> pa.Array:
        return array(values, TEXT).dictionary_encode().take(index)

    def own(name: str) -> pa.Array:
        return array(map(attrgetter(name), heads), TEXT)

    until = pa.array([ruling.ruled.expires_at for ruling in because], type=TIME)
    columns = [
        pa.array(times_us, type=NUMBER).cast(TIME),
        own("url"),
        shared(ruling.ruled.stage for ruling in because),
        shared(ruling.ruled.verdict for ruling in because),
        array(domains, TEXT).dictionary_encode(),
        own("purpose").dictionary_encode(),
        shared(ruling.ruled.agent.product_token for ruling in because),
        shared("; ".join(f"{r.protocol} {r.at}" for r in ruling.reasons) for ruling in because),
        shared(None if reason is None else reason.document_url for reason in first),
        shared(None if reason is None else reason.at for reason in first),
        shared(None if reason is None else reason.text for reason in first),
        shared(_reference(ruling) for ruling in because),
        until.take(index),
        own("id"),
        array(files, TEXT).dictionary_encode(),
        pa.array(numbers, type=NUMBER),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _once(rulings: Sequence[Ruling]) -> tuple[list[Ruling], pa.Array]:
    """Each ruling once, and which one each row has."""
    each = list(dict.fromkeys(rulings))
    places = dict(zip(each, range(len(each)), strict=True))
    return each, pa.array(list(map(places.__getitem__, rulings)), type=pa.int32())


def _reference(ruling: Ruling) -> str | None:
    return next((s.terms.reference for s in ruling.ruled.because if s.terms and s.terms.reference), None)


def array(cells: Iterable[Cell | datetime], kind: pa.DataType) -> pa.Array:
    """A column."""
    listed = list(cells)
    try:
        return pa.array(listed, type=kind)
    except UnicodeEncodeError:
        # half a surrogate pair can be in no UTF-8
        sound = [cell.encode("utf-8", "replace").decode() if isinstance(cell, str) else cell for cell in listed]
        return pa.array(sound, type=kind)
