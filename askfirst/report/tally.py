"""Everything that a report counts: the stretches of the decision log, joined in their order, and the items.

1. What a stretch adds up to says ``askfirst.report.stretch``; a report is the same whichever process read it.
2. INVARIANT: memory is bounded, whatever the record: sums spill to disk, and of notes the first ones are kept with
   their number.
3. Items are as ``askfirst.items`` has them: the latest line of a URL, and none where it was withdrawn. They are read by
   a thread, while the log is read by other processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from askfirst.asking import Asking
from askfirst.items import read_items, utc
from askfirst.report.counts import Counts, Spill
from askfirst.report.decided import STAGES, VERDICTS
from askfirst.report.reading import read_log
from askfirst.report.stretch import WIDTHS, Counted, Notes, Stretch
from askfirst.report.whom import Whom

SOON = timedelta(days=30)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RUNS_OUT = ("before this report", "within 7 days", "within 30 days", "within 90 days", "later", "no end is given")


class Kept(Protocol):
    """Where every decision also goes: the table of all of them."""

    def add(self, rows: pa.Table) -> None:
        """Some of them, in the order of the record."""


@dataclass(kw_only=True)
class Tally(Counted):
    """What the record adds up to. To be closed: a part of it may be on disk.

    Counts have these numbers, in this order: ``domains`` allowed, deferred, refused, allowed for silence, refused for
    silence, items, bytes; ``signals`` allowed, deferred, refused, heard without deciding; all others decisions, or
    items and bytes.
    """

    spill: Spill = field(default_factory=Spill)
    now: datetime
    asking: list[Asking] = field(default_factory=list)
    items: int = 0
    item_bytes: int = 0
    first_item_at: datetime | None = None
    last_item_at: datetime | None = None
    items_run_out: Counter[str] = field(default_factory=Counter)
    all_notes: Notes = field(default_factory=Notes)
    signals: Counts = field(init=False)
    reasons: Counts = field(init=False)
    domains: Counts = field(init=False)
    deferrals: Counts = field(init=False)
    contradictions: Counts = field(init=False)
    consents: Counts = field(init=False)
    jobs: Counts = field(init=False)
    media: Counts = field(init=False)

    def __post_init__(self) -> None:
        for name, width in WIDTHS.items():
            setattr(self, name, Counts(self.spill, width))
        self.media = Counts(self.spill, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.spill.close()

    @property
    def notes(self) -> list[str]:
        """The first parts of the record that could not be counted."""
        return self.all_notes.first

    @property
    def noted(self) -> int:
        """How many of them there are."""
        return self.all_notes.number

    def counts(self, name: str) -> Counts:
        """Those of this name of ``WIDTHS``."""
        found = getattr(self, name)
        assert isinstance(found, Counts)
        return found

    def verdicts(self) -> tuple[int, int, int]:
        """Allowed, deferred and refused, over both stages."""
        allowed, deferred, refused = (sum(self.by_stage[stage, word] for stage in STAGES) for word in VERDICTS)
        return allowed, deferred, refused


def read_tally(
    out: Path,
    *,
    now: datetime,
    kept: Kept | None = None,
    progress: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> Tally:
    """What an output directory adds up to. ``progress`` is told the number of decisions from time to time; ``workers``
    are processes that read, by default as many as there are processors, up to two. Raises EdgeError when a log cannot
    be read, and OSError."""
    tally = Tally(now=now)
    try:
        with ThreadPoolExecutor(1) as beside, Spill() as spill:
            items = beside.submit(_items, out, now, spill)
            _decisions(tally, out / "decisions", kept, progress or (lambda _number: None), workers)
            _join_items(tally, items.result())
    except BaseException:
        tally.spill.close()
        raise
    return tally


def _decisions(
    tally: Tally, folder: Path, kept: Kept | None, progress: Callable[[int], None], workers: int | None
) -> None:
    whom = Whom(tally.spill)
    for stretch in read_log(folder, with_rows=kept is not None, workers=workers) if folder.is_dir() else ():
        _join(tally, stretch)
        whom.join(stretch.asked)
        if kept is not None:
            for rows in stretch.rows:
                kept.add(rows)
        progress(tally.decisions)
    tally.asking = whom.asking()


def _join(tally: Tally, later: Stretch) -> None:
    tally.add(later)
    tally.all_notes.join(later.notes)
    for name, sums in later.sums.items():
        tally.counts(name).join(sums)


@dataclass(kw_only=True)
class _Items:
    """What the items add up to: by domain and by media type, items and bytes."""

    domains: Counts
    media: Counts
    number: int = 0
    bytes: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    run_out: Counter[str] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Notes)


def _items(out: Path, now: datetime, spill: Spill) -> _Items:
    found = _Items(domains=Counts(spill, WIDTHS["domains"]), media=Counts(spill, 2))
    for item in read_items(out, note=found.notes.add):
        at = utc(item.fetched_at)
        found.number += 1
        found.bytes += item.bytes
        found.first_at = at if found.first_at is None else min(at, found.first_at)
        found.last_at = at if found.last_at is None else max(at, found.last_at)
        found.run_out[runs_out(item.expires_at, now)] += 1
        domain = found.domains.of((item.registrable_domain,))
        domain.sums[5] += 1
        domain.sums[6] += item.bytes
        media = found.media.of((item.media_type or "unknown",))
        media.sums[0] += 1
        media.sums[1] += item.bytes
    return found


def _join_items(tally: Tally, found: _Items) -> None:
    tally.items, tally.item_bytes = found.number, found.bytes
    tally.first_item_at, tally.last_item_at = found.first_at, found.last_at
    tally.items_run_out = found.run_out
    tally.all_notes.join(found.notes)
    tally.domains.join(found.domains.packed())
    tally.media.join(found.media.packed())


def runs_out(until: datetime | None, now: datetime) -> str:
    """Which of ``RUNS_OUT`` it is."""
    if until is None:
        return RUNS_OUT[5]
    if until <= now:
        return RUNS_OUT[0]
    left = utc(until) - now
    return next((RUNS_OUT[i] for i, days in ((1, 7), (2, 30), (3, 90)) if left <= timedelta(days=days)), RUNS_OUT[4])
