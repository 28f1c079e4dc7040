"""Whom to ask, counted in the same pass as everything else, by the rules of ``askfirst.asking``.

A ruling's questions are looked up once for each domain, not for each decision; the addresses are told apart by digest,
on disk.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from askfirst.asking import Asking, Question, Subjects
from askfirst.report.counts import Spill

MARKED_AT_ONCE = 20_000


class Whom:
    """The rows of ``ask.csv`` so far."""

    def __init__(self, spill: Spill) -> None:
        self._database: Final = spill.database
        self._subjects: Final = Subjects()
        self._marks: list[tuple[int, bytes]] = []
        self._database.execute("CREATE TABLE asked (row INTEGER, url BLOB, PRIMARY KEY (row, url)) WITHOUT ROWID")

    def rows_of(self, questions: tuple[Question, ...], domain: str, url: str) -> tuple[int, ...]:
        """The rows that these questions about this domain belong to; ``url`` is the example of new ones."""
        return tuple(self._subjects.of(question, domain, url).number for question in questions)

    def mark(self, rows: tuple[int, ...], url: str) -> None:
        """That one address is among these rows."""
        digest = blake2b(url.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        self._marks.extend((row, digest) for row in rows)
        if len(self._marks) >= MARKED_AT_ONCE:
            self._write()

    def _write(self) -> None:
        self._database.executemany("INSERT OR IGNORE INTO asked VALUES (?, ?)", sorted(self._marks))
        self._marks.clear()

    def asking(self) -> list[Asking]:
        """The rows, sorted, with how many addresses each is about."""
        self._write()
        urls = dict(self._database.execute("SELECT row, count(*) FROM asked GROUP BY row"))
        return sorted(subject.asking(urls[subject.number]) for subject in self._subjects.found)
