"""What a stretch of the decision log adds up to: sums in memory that are joined to those of the stretches before.

What this module does not do: join them, or know in which process it runs.

1. Every line is counted, each look and each retry, allowed and refused alike. What is no decision is noted with its
   file and line, and nothing of it is counted.
2. What follows from a ruling is counted when it is put away, for all lines that it was given to.
3. INVARIANT: memory is bounded: a stretch is of ``LINES_OF_A_STRETCH`` at most, and of notes the first ones are kept
   with their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path

import msgspec
import pyarrow as pa

from askfirst.items import utc
from askfirst.report.counts import Packed, Sums
from askfirst.report.decided import (
    ALLOW,
    DEFER,
    RULINGS_IN_MEMORY,
    SILENCE,
    UNREADABLE,
    Head,
    Lines,
    Reason,
    Ruling,
    consent_key,
    domain_of,
)
from askfirst.report.decision_rows import NUMBER, ROWS_AT_ONCE, TIME, rows_of
from askfirst.report.over_time import OverTime
from askfirst.report.whom import Asked
from askfirst.segments import read_segment

LINES_OF_A_STRETCH = 65_536
NOTES_KEPT = 200
WIDTHS = {
    "signals": 4,
    "reasons": 1,
    "domains": 7,
    "deferrals": 1,
    "contradictions": 1,
    "consents": 1,
    "jobs": 1,
}
"""The counts of decisions by name, and of how many numbers they are."""
_PAPERS = frozenset({"consent", "licence"})
_url, _purpose, _at = attrgetter("url"), attrgetter("purpose"), attrgetter("decided_at")


@dataclass(slots=True)
class Notes:
    """What could not be counted: the first ones, and their number."""

    first: list[str] = field(default_factory=list)
    number: int = 0

    def add(self, what: str) -> None:
        """One more."""
        self.number += 1
        if len(self.first) < NOTES_KEPT:
            self.first.append(what)

    def join(self, later: Notes) -> None:
        """Those of what comes after."""
        self.number += later.number
        self.first += later.first[: NOTES_KEPT - len(self.first)]


@dataclass(slots=True, kw_only=True)
class Counted:
    """The sums that stay small, of a stretch as of a whole record."""

    decisions: int = 0
    by_stage: Counter[tuple[str, str]] = field(default_factory=Counter)
    silent: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None
    over_time: OverTime = field(default_factory=OverTime)
    contradicted: int = 0

    def add(self, later: Counted) -> None:
        """Adds those of what comes after."""
        self.decisions += later.decisions
        self.by_stage.update(later.by_stage)
        self.silent.update(later.silent)
        self.first_at = min((at for at in (self.first_at, later.first_at) if at is not None), default=None)
        self.last_at = max((at for at in (self.last_at, later.last_at) if at is not None), default=None)
        self.over_time.join(later.over_time)
        self.contradicted += later.contradicted


@dataclass(slots=True, kw_only=True)
class Stretch(Counted):
    """What these lines add up to. ``sums`` are by the names of ``WIDTHS``; ``rows`` are those of the table of
    decisions, if they were asked for."""

    sums: dict[str, list[Packed]] = field(default_factory=dict)
    asked: Asked = field(default_factory=Asked)
    notes: Notes = field(default_factory=Notes)
    rows: list[pa.Table] = field(default_factory=list)


def stretches(paths: Iterable[Path], *, with_rows: bool) -> Iterator[Stretch]:
    """What these segments, one after the other, add up to, in one stretch or more. Raises EdgeError."""
    reading = _Reading(with_rows=with_rows)
    for path in paths:
        lines = read_segment(path, note=reading.note)
        while reading.has_read(lines):
            yield reading.taken()
    yield reading.taken()


class _Reading:
    def __init__(self, *, with_rows: bool) -> None:
        self._with_rows = with_rows
        self._lines = Lines()
        self._begin()

    def _begin(self) -> None:
        self._stretch = Stretch()
        self._sums = {name: Sums(width) for name, width in WIDTHS.items()}
        self._read = 0
        self._begin_rows()

    def _begin_rows(self) -> None:
        self._heads: list[Head] = []
        self._rulings: list[Ruling] = []
        self._files: list[str] = []
        self._numbers: list[int] = []
        self._domains: list[str] = []
        self._times_us: list[int] = []
        """These two of the lines that were counted."""

    def note(self, what: str) -> None:
        """Something of the record that could not be counted."""
        self._stretch.notes.add(what)

    def has_read(self, lines: Iterator[tuple[Path, int, bytes]]) -> bool:
        """Reads on; whether the stretch is as long as it may be."""
        read, rulings = self._lines.read, self._lines.rulings
        last, name = Path(), ""
        for path, number, line in islice(lines, LINES_OF_A_STRETCH - self._read):
            self._read += 1
            try:
                head, ruling = read(line)
            except UNREADABLE as error:
                self.note(f"{path} line {number} is no decision: {error}; it is not counted")
                continue
            if not ruling.first_url:
                ruling.first_url = head.url
            self._heads.append(head)
            self._rulings.append(ruling)
            if path is not last:
                last, name = path, path.name
            self._files.append(name)
            self._numbers.append(number)
            if len(self._heads) == ROWS_AT_ONCE:
                self._end_rows()
            if len(rulings) >= RULINGS_IN_MEMORY:
                self._count_lines()
                self._put_away()
        return self._read == LINES_OF_A_STRETCH

    def taken(self) -> Stretch:
        """The stretch; another one begins."""
        self._end_rows()
        self._put_away()
        stretch = self._stretch
        stretch.sums = {name: sums.taken() for name, sums in self._sums.items()}
        self._begin()
        return stretch

    def _end_rows(self) -> None:
        self._count_lines()
        if self._heads and self._with_rows:
            self._stretch.rows.append(
                rows_of(
                    self._files,
                    self._numbers,
                    self._heads,
                    self._times_us,
                    domains=self._domains,
                    rulings=self._rulings,
                )
            )
        self._begin_rows()

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _count_lines(self) -> None:
        """Counts those that are new: what differs from line to line, and how often each ruling was given."""
        counted = len(self._domains)
        heads, rulings = self._heads[counted:], self._rulings[counted:]
        if not heads:
            return
        stretch = self._stretch
        stretch.decisions += len(heads)
        self._count_times(heads, rulings)
        urls = list(map(_url, heads))
        domains = list(map(domain_of, urls))
        self._domains += domains
        by_domain, by_job = self._sums["domains"], self._sums["jobs"]
        # alike lines are counted together; the first of each kind comes in its order
        for (domain, ruling, purpose), times in Counter(
            zip(domains, rulings, map(_purpose, heads), strict=True)
        ).items():
            ruling.times += times
            count = by_domain.of((domain,))
            count.sums[ruling.verdict] += times
            if ruling.silent and ruling.verdict != DEFER:
                count.sums[3 if ruling.verdict == ALLOW else 4] += times
            if not count.example:
                count.example = ruling.example
            agent = ruling.ruled.agent
            by_job.add((agent.product_token, agent.user_agent, purpose, ruling.ruled.policy_digest), 0, times)
        for domain, ruling, url in zip(domains, rulings, urls, strict=True):
            if ruling.ruled.ask:
                places = ruling.asked.get(domain)
                if places is None:
                    places = ruling.asked[domain] = stretch.asked.places_of(ruling.ruled.ask, domain, url)
                stretch.asked.mark(places, url)

    def _count_times(self, heads: list[Head], rulings: list[Ruling]) -> None:
        stretch = self._stretch
        for head in heads:
            if head.decided_at.tzinfo is not UTC:
                head.decided_at = _in_utc(head.decided_at)
        times = list(map(_at, heads))
        first, last = min(times), max(times)
        stretch.first_at = first if stretch.first_at is None else min(first, stretch.first_at)
        stretch.last_at = last if stretch.last_at is None else max(last, stretch.last_at)
        over = stretch.over_time
        times_us = pa.array(times, type=TIME).cast(NUMBER).to_pylist()
        self._times_us += times_us
        step_us = over.length_s * 1_000_000
        steps = [at_us // step_us for at_us in times_us]
        length_s = over.length_s
        for (step, verdict), number in Counter(zip(steps, [ruling.verdict for ruling in rulings], strict=True)).items():
            over.add(step * length_s, verdict, number)

    # -- rulings -------------------------------------------------------------------------------------------------------

    def _put_away(self) -> None:
        for ruling in self._lines.rulings.values():
            if ruling.times:
                self._count(ruling)
        self._lines.rulings.clear()

    def _count(self, ruling: Ruling) -> None:
        stretch, sums = self._stretch, self._sums
        ruled, times, url = ruling.ruled, ruling.times, ruling.first_url
        stretch.by_stage[ruled.stage, ruled.verdict] += times
        deciding = {reason.protocol for reason in ruling.reasons} or {SILENCE}
        if ruling.silent:
            stretch.silent[ruled.stage, ruled.verdict] += times
        for protocol in deciding:
            sums["signals"].add((protocol,), ruling.verdict, times, ruling.example)
        for protocol in {said.protocol for said in ruled.considered} - deciding:
            sums["signals"].add((protocol,), 3, times)
        for reason in ruling.reasons:
            sums["reasons"].add(reason.key, 0, times, url)
        if ruling.verdict == DEFER:
            for source, text in dict.fromkeys((said.source, said.evidence.text) for said in ruled.because):
                sums["deferrals"].add((source, text), 0, times, url)
        if ruled.contradictions:
            self._count_pairs(ruling)
        if ruling.verdict == ALLOW:
            for key in dict.fromkeys(consent_key(said) for said in ruled.because if said.basis in _PAPERS):
                sums["consents"].add(key, 0, times, url)

    def _count_pairs(self, ruling: Ruling) -> None:
        self._stretch.contradicted += ruling.times
        for pair in ruling.ruled.contradictions:
            sides = (Reason.of(pair.permits), Reason.of(pair.refuses))
            key = (pair.about, *(msgspec.json.encode(side).decode() for side in sides))
            self._sums["contradictions"].add(key, 0, ruling.times, ruling.first_url)


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else utc(at)
