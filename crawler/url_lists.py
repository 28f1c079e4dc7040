"""Lists of addresses on disk: text, CSV, Parquet, sitemaps; read as a stream, never whole.

The form is told by the name: ``.csv``, ``.tsv``, ``.parquet``, ``.xml``, each but Parquet with or without ``.gz``;
everything else is text.

1. Text: one address a line; empty lines and lines that begin with ``#`` are passed over.
2. CSV: the column named ``url``, or the one asked for; without such a header, the first column, and its first cell is
   an address unless it does not look like one.
3. Parquet: the column named ``url``, or the one asked for.
4. Sitemaps (sitemaps.org protocol 0.9): the ``loc`` of each ``url`` or ``sitemap``.

Whether an address is one is for the reader's caller to say.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from lxml import etree

from askfirst.ports import SettingsError

MAX_SITEMAP_BYTES = 256 * 1024 * 1024
PARQUET_ROWS = 10_000
_LOC = {"sitemap": True, "url": False}


@dataclass(frozen=True, slots=True)
class Entry:
    """One address of a list."""

    url: str
    is_sitemap: bool = False


@dataclass(frozen=True, slots=True)
class UrlList:
    """A list on disk. ``version`` is another when the file is another."""

    path: Path
    form: str
    column: str | None
    version: str

    @classmethod
    def open(cls, path: str, *, column: str | None = None) -> UrlList:
        """Looks whether it can be read. Raises SettingsError."""
        file = Path(path)
        form = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".xml": "sitemap"}.get(
            Path(file.name.lower().removesuffix(".gz")).suffix, "text"
        )
        try:
            found = file.stat()
            opened = cls(file, form, column, f"{file.absolute()} {column} {found.st_size} {found.st_mtime_ns}")
            next(opened.entries(), None)
        except OSError as error:
            raise SettingsError(f"source: {path}: {error.strerror or error}; name a file that can be read") from None
        except (pa.ArrowException, etree.XMLSyntaxError, UnicodeDecodeError, EOFError, zlib.error) as error:
            first = str(error).partition("\n")[0]
            raise SettingsError(f"source: {path}: cannot be read as {form}: {first}") from None
        return opened

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the file's order."""
        if self.form == "parquet":
            yield from self._parquet()
            return
        with _opened(self.path) as file:
            if self.form == "sitemap":
                yield from _locations(file)
            else:
                text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="" if self.form != "text" else None)
                urls = _lines(text) if self.form == "text" else self._cells(text)
                yield from map(Entry, urls)

    def _cells(self, text: io.TextIOWrapper) -> Iterator[str]:
        rows = csv.reader(text, delimiter="\t" if self.form == "tsv" else ",")
        first = next(rows, [])
        wanted = self.column or "url"
        if wanted in first:
            place = first.index(wanted)
        elif self.column is not None:
            raise SettingsError(f"source: {self.path}: has no column {self.column!r}, but {', '.join(first)}")
        else:
            place = 0
            if first and "://" in first[0]:
                yield first[0].strip()
        yield from (row[place].strip() if len(row) > place else "" for row in rows if row)

    def _parquet(self) -> Iterator[Entry]:
        with pq.ParquetFile(self.path) as file:
            wanted = self.column or "url"
            if wanted not in file.schema_arrow.names:
                names = ", ".join(file.schema_arrow.names)
                raise SettingsError(f"source: {self.path}: has no column {wanted!r}, but {names}; write column=NAME")
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=[wanted]):
                yield from (Entry(str(value or "")) for value in batch.column(0).to_pylist())


def sitemap_entries(body: bytes) -> list[Entry] | None:
    """The entries of a sitemap that was received, unpacked if need be; None if it is none. Never raises on content."""
    try:
        if body.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
                body = packed.read(MAX_SITEMAP_BYTES)
        return list(_locations(io.BytesIO(body)))
    except (OSError, EOFError, zlib.error, etree.XMLSyntaxError):
        return None


def is_sitemap_name(path: str) -> bool:
    """Whether a path is named as sitemaps are."""
    return path.lower().endswith((".xml", ".xml.gz"))


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    return (line.strip() for line in text if line.strip() and not line.lstrip().startswith("#"))


def _locations(file: BinaryIO) -> Iterator[Entry]:
    # no entities, no network, no huge trees: a sitemap is a stranger's file
    for _event, element in etree.iterparse(
        file, events=("end",), tag="{*}loc", resolve_entities=False, no_network=True, load_dtd=False
    ):
        parent = element.getparent()
        inside = None if parent is None else etree.QName(parent).localname
        if inside in _LOC and element.text:
            yield Entry(element.text.strip(), is_sitemap=_LOC[inside])
        if parent is not None and parent.getparent() is not None:
            above = parent.getparent()
            while parent.getprevious() is not None:
                del above[0]
