"""Whom to ask, counted in the same pass as everything else, by the rules of ``askfirst.asking``.

A ruling's questions are looked up once for each domain, not for each decision; the addresses are told apart by digest.
A stretch of the record, which another process may have read, has rows of its own; those of the record are found when it
is joined, on disk, and in the order of the stretches they are those of one reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from askfirst.asking import Asking, Question, Subjects
from askfirst.report.counts import Spill


@dataclass(slots=True)
class Asked:
    """What a stretch of the record asks: each question about a domain, with the first address, in their order; and the
    digests of the addresses, by the question's place."""

    questions: list[tuple[Question, str, str]] = field(default_factory=list)
    marks: set[tuple[int, bytes]] = field(default_factory=set)
    _places: dict[tuple[object, str], int] = field(default_factory=dict)

    def places_of(self, questions: tuple[Question, ...], domain: str, url: str) -> tuple[int, ...]:
        """Where these questions about this domain stand; ``url`` is the address of new ones."""
        return tuple(self._place_of(question, domain, url) for question in questions)

    def _place_of(self, question: Question, domain: str, url: str) -> int:
        place = self._places.setdefault((msgspec.structs.astuple(question), domain), len(self.questions))
        if place == len(self.questions):
            self.questions.append((question, domain, url))
        return place

    def mark(self, places: tuple[int, ...], url: str) -> None:
        """That one address is among these."""
        digest = blake2b(url.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        self.marks.update([(place, digest) for place in places])


class Whom:
    """The rows of ``ask.csv`` so far."""

    def __init__(self, spill: Spill) -> None:
        self._database: Final = spill.database
        self._subjects: Final = Subjects()
        self._database.execute("CREATE TABLE asked (row INTEGER, url BLOB, PRIMARY KEY (row, url)) WITHOUT ROWID")

    def join(self, asked: Asked) -> None:
        """Adds what a later stretch asks."""
        rows = [self._subjects.of(question, domain, url).number for question, domain, url in asked.questions]
        marks = sorted((rows[place], digest) for place, digest in asked.marks)
        self._database.executemany("INSERT OR IGNORE INTO asked VALUES (?, ?)", marks)

    def asking(self) -> list[Asking]:
        """The rows, sorted, with how many addresses each is about."""
        urls = dict(self._database.execute("SELECT row, count(*) FROM asked GROUP BY row"))
        return sorted(subject.asking(urls[subject.number]) for subject in self._subjects.found)
