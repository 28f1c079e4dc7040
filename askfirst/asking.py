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
5. A line that is no decision is left out, and noted.
"""

from __future__ import annotations

import csv
import logging
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from askfirst.domains import registrable_domain
from askfirst.segments import read_log

FILE_NAME = "ask.csv"
COLUMNS = (
    "registrable_domain", "name", "contact", "terms_url", "purpose", "about", "why", "note", "example_url", "urls",
)  # fmt: skip
MAX_PAGES_OF_A_NAME = 8
MAX_DOMAINS = 20
_LOGGER = logging.getLogger("askfirst")


class Question(msgspec.Struct):
    """What a decision says is to be asked of whom: an entry of its ``ask``."""

    purpose: str
    about: str
    why: str
    contact: str = ""
    terms_url: str = ""
    name: str = ""
    note: str = ""


class _Decision(msgspec.Struct):
    url: str
    ask: tuple[Question, ...] = ()


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


class Subject(NamedTuple):
    """One row that is still being counted. ``question`` is the first about it, ``number`` its place among them."""

    number: int
    question: Question
    example_url: str
    domains: dict[str, None]

    def asking(self, urls: int) -> Asking:
        """The row, about so many addresses."""
        question = self.question
        return Asking(
            registrable_domain=" ".join(sorted(self.domains)),
            name=question.name,
            contact=question.contact,
            terms_url=question.terms_url,
            purpose=question.purpose,
            about=question.about,
            why=question.why,
            note=question.note,
            example_url=self.example_url,
            urls=urls,
        )


class Subjects:
    """The rows so far, by whom to ask and, below that, by page and terms. ``found`` has them in order of number."""

    def __init__(self) -> None:
        self.found: list[Subject] = []
        self._by_whom: dict[tuple[str, ...], dict[tuple[str, str], Subject]] = {}

    def of(self, question: Question, domain: str, url: str) -> Subject:
        """The one that this question about this domain belongs to; ``url`` is the example of a new one."""
        direct = question.contact.startswith(("mailto:", "tel:"))
        whom = (question.contact if direct else domain, question.name, question.purpose, question.about)
        subjects = self._by_whom.setdefault(whom, {})
        page = (question.contact, question.terms_url)
        subject = subjects.get(page)
        if subject is None and len(subjects) < MAX_PAGES_OF_A_NAME:
            subject = subjects[page] = Subject(len(self.found), question, url, {})
            self.found.append(subject)
        elif subject is None:
            subject = next(iter(subjects.values()))
        if len(subject.domains) < MAX_DOMAINS:
            subject.domains[domain] = None
        return subject


def read_asking(out: Path, *, note: Callable[[str], None] = _LOGGER.warning) -> list[Asking]:
    """The rows, sorted. ``note`` is told what is left out. Raises EdgeError when a log cannot be read."""
    subjects = Subjects()
    seen = sqlite3.connect("")  # an anonymous file that SQLite deletes
    try:
        seen.execute("CREATE TABLE seen (subject INTEGER, url BLOB, PRIMARY KEY (subject, url)) WITHOUT ROWID")
        for decision in _refusals(out, note):
            domain = registrable_domain(decision.url)
            url = sha256(decision.url.encode("utf-8", "surrogatepass")).digest()[:12]
            for question in decision.ask:
                subject = subjects.of(question, domain, decision.url)
                seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (subject.number, url))
        urls: dict[int, int] = dict(seen.execute("SELECT subject, count(*) FROM seen GROUP BY subject"))
    finally:
        seen.close()
    return sorted(subject.asking(urls[subject.number]) for subject in subjects.found)


def _refusals(out: Path, note: Callable[[str], None]) -> Iterator[_Decision]:
    folder = out / "decisions"
    if not folder.is_dir():
        return
    decoder = msgspec.json.Decoder(_Decision)
    for path, number, line in read_log(folder, note=note):
        # most lines ask for nothing, and need not be read to know it
        if b'"ask":[]' in line:
            continue
        try:
            decision = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            note(f"{path} line {number} is no decision: {error}; nobody is asked about it")
            continue
        yield decision


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
