"""``OUT/ask.csv``: whom to ask for what, from everything that was refused, over all runs of the directory.

One row for each rightsholder, purpose and subject; how many addresses it is about, and one of them as an example. Name,
contact, terms and note are there where they were published.

1. A rightsholder is who is reached by the same mail or telephone, on whatever site; else who has the same name on one
   site, and the same page to ask at and the same terms.
2. house: of one name on one site eight such pages and terms are told apart, for some sites have a page for each image.
   The others are counted with the first.
3. The decision logs are read as a stream. Which addresses were counted is kept in a temporary database on disk.
4. house: a cell that a spreadsheet would take for a formula is written with an apostrophe before it: the words are
   strangers' words.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from askfirst.domains import registrable_domain
from askfirst.edges.decision_log import read_log

FILE_NAME = "ask.csv"
COLUMNS = (
    "registrable_domain", "name", "contact", "terms_url", "purpose", "about", "why", "note", "example_url", "urls",
)  # fmt: skip
MAX_PAGES_OF_A_NAME = 8
MAX_DOMAINS = 20


class _Ask(msgspec.Struct):
    purpose: str
    about: str
    why: str
    contact: str = ""
    terms_url: str = ""
    name: str = ""
    note: str = ""


class _Decision(msgspec.Struct):
    url: str
    ask: tuple[_Ask, ...] = ()


class Asking(NamedTuple):
    """One row of the file. ``registrable_domain`` has a space between several; ``why`` and ``note`` are those of the
    first address, which is ``example_url``."""

    registrable_domain: str
    name: str
    contact: str
    terms_url: str
    purpose: str
    about: str
    why: str
    note: str
    example_url: str
    urls: int


class _Row(NamedTuple):
    number: int
    ask: _Ask
    example_url: str
    domains: dict[str, None]


class _Rows:
    """The rows so far, by whom to ask and, below that, by page and terms."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self._by_whom: dict[tuple[str, ...], dict[tuple[str, str], _Row]] = {}

    def of(self, ask: _Ask, domain: str, url: str) -> _Row:
        """The row that this belongs to."""
        direct = ask.contact.startswith(("mailto:", "tel:"))
        whom = (ask.contact if direct else domain, ask.name, ask.purpose, ask.about)
        rows = self._by_whom.setdefault(whom, {})
        page = (ask.contact, ask.terms_url)
        row = rows.get(page)
        if row is None and len(rows) < MAX_PAGES_OF_A_NAME:
            row = rows[page] = _Row(len(self.rows), ask, url, {})
            self.rows.append(row)
        elif row is None:
            row = next(iter(rows.values()))
        if len(row.domains) < MAX_DOMAINS:
            row.domains[domain] = None
        return row


def read_asking(out: Path) -> list[Asking]:
    """The rows, sorted. Raises EdgeError when a log cannot be read."""
    decoder = msgspec.json.Decoder(_Decision)
    rows = _Rows()
    seen = sqlite3.connect("")  # an anonymous file that SQLite deletes
    try:
        seen.execute("CREATE TABLE seen (subject INTEGER, url BLOB, PRIMARY KEY (subject, url)) WITHOUT ROWID")
        for decision in _refusals(out, decoder):
            domain = registrable_domain(decision.url)
            for ask in decision.ask:
                row = rows.of(ask, domain, decision.url)
                url = sha256(decision.url.encode("utf-8", "surrogatepass")).digest()[:12]
                seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (row.number, url))
        urls: dict[int, int] = dict(seen.execute("SELECT subject, count(*) FROM seen GROUP BY subject"))
    finally:
        seen.close()
    return sorted(_asking(row, urls[row.number]) for row in rows.rows)


def _asking(row: _Row, urls: int) -> Asking:
    ask = row.ask
    return Asking(
        registrable_domain=" ".join(sorted(row.domains)),
        name=ask.name,
        contact=ask.contact,
        terms_url=ask.terms_url,
        purpose=ask.purpose,
        about=ask.about,
        why=ask.why,
        note=ask.note,
        example_url=row.example_url,
        urls=urls,
    )


def _refusals(out: Path, decoder: msgspec.json.Decoder[_Decision]) -> Iterator[_Decision]:
    folder = out / "decisions"
    if not folder.is_dir():
        return
    for _path, _number, line in read_log(folder):
        # most lines ask for nothing, and need not be read to know it
        if b'"ask":[]' not in line:
            yield decoder.decode(line)


def write_ask(out: Path) -> int:
    """Writes the file, in one step for who reads it; returns the number of rows. Raises OSError and EdgeError."""
    rows = read_asking(out)
    growing = out / f".{FILE_NAME}.growing"
    with growing.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([harmless(cell) for cell in row] for row in rows)
    growing.replace(out / FILE_NAME)
    return len(rows)


def harmless(cell: object) -> object:
    """The cell on one line, and so that no spreadsheet takes it for a formula."""
    if not isinstance(cell, str):
        return cell
    line = " ".join(cell.split())
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line
