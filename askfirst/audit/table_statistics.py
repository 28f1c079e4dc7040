"""Statistics of a Parquet file that are not those of its values: a reader that filters passes its rows over.

INVARIANT: they are read by another process. pyarrow ends the process that asks it for some statistics that cannot be
(about one bit in a hundred of a file's description, altered), and whoever looks into a record must live to say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from askfirst.processes import ENDED, Answer, Other


def wrong_statistics(path: Path) -> list[tuple[str, str]]:
    """Row groups and columns, and what is wrong there. Raises what Arrow raises, and OSError when there is no room for
    the process."""
    other: Other[Path, list[tuple[str, str]]] = Other(read_statistics)
    answer: Answer[list[tuple[str, str]]] | None
    try:
        other.get_ready()
        other.ask(path)
        answer = other.answer()
    except ENDED:
        answer = None
    finally:
        other.end()
        other.close()
    return [("", "holds statistics that end the process that reads them")] if answer is None else answer.get()


def read_statistics(path: Path) -> list[tuple[str, str]]:
    """The same, in this process."""
    return list(_wrong(path))


def _wrong(path: Path) -> Iterator[tuple[str, str]]:
    with pq.ParquetFile(path) as table:
        for number in range(table.num_row_groups):
            described = table.metadata.row_group(number)
            for place in range(described.num_columns):
                column = described.column(place)
                noted = column.statistics
                if noted is None or "." in column.path_in_schema:
                    continue  # none, or of a list, by which no reader filters
                where = f" row group {number + 1}, column {column.path_in_schema}"
                read = table.read_row_group(number, columns=[column.path_in_schema])
                if read.num_columns != 1:
                    yield where, "is none of the table's"
                    continue
                values = read.column(0)
                real = pc.min_max(values)
                differs = noted.has_min_max and (noted.min, noted.max) != (real["min"].as_py(), real["max"].as_py())
                if differs or (noted.has_null_count and noted.null_count != values.null_count):
                    yield where, "its statistics are not those of its values, which misleads readers that filter"
