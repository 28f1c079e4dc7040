"""``OUT/ask.csv``: whom to ask for what, from everything that was refused, over all runs of the directory.

One row for each registrable domain, subject, contact, terms and purpose; how many addresses it is about, and one of
them as an example. Contact and terms are there where they were published.

1. The decision logs are read as a stream. Which addresses were counted is kept in a temporary database on disk.
2. house: a cell that a spreadsheet would take for a formula is written with an apostrophe before it: the words are
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

from askfirst.edges.decision_log import read_log
from crawler.domains import registrable_domain

FILE_NAME = "ask.csv"
COLUMNS = ("registrable_domain", "purpose", "about", "why", "contact", "terms_url", "example_url", "urls")


class _Ask(msgspec.Struct):
    purpose: str
    about: str
    why: str
    contact: str = ""
    terms_url: str = ""


class _Decision(msgspec.Struct):
    url: str
    ask: tuple[_Ask, ...] = ()


class Asking(NamedTuple):
    """One row of the file."""

    registrable_domain: str
    purpose: str
    about: str
    why: str
    contact: str
    terms_url: str
    example_url: str
    urls: int


def read_asking(out: Path) -> list[Asking]:
    """The rows, sorted. Raises EdgeError when a log cannot be read."""
    decoder = msgspec.json.Decoder(_Decision)
    known: dict[tuple[str, str, str, str, str], tuple[int, _Ask, str]] = {}
    seen = sqlite3.connect("")  # an anonymous file that SQLite deletes
    try:
        seen.execute("CREATE TABLE seen (subject INTEGER, url BLOB, PRIMARY KEY (subject, url)) WITHOUT ROWID")
        for decision in _refusals(out, decoder):
            domain = registrable_domain(decision.url)
            for ask in decision.ask:
                subject = (domain, ask.about, ask.contact, ask.terms_url, ask.purpose)
                number = known.setdefault(subject, (len(known), ask, decision.url))[0]
                url = sha256(decision.url.encode("utf-8", "surrogatepass")).digest()[:12]
                seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (number, url))
        urls: dict[int, int] = dict(seen.execute("SELECT subject, count(*) FROM seen GROUP BY subject"))
    finally:
        seen.close()
    return sorted(
        Asking(domain, purpose, about, ask.why, contact, terms_url, example, urls[number])
        for (domain, about, contact, terms_url, purpose), (number, ask, example) in known.items()
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
    """The cell, so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
