"""Crawls that others kept as web archives: WARC 1.0 and 1.1 (ISO 28500), also gzipped, and WACZ (a zip of them).

It reads ``response`` and ``revisit`` records as fetches, ``request`` and ``warcinfo`` records for who asked, and what
stands under the paths of well-known documents as captures of these. ``warc_scan`` reads; this puts together what was
read. It judges nothing.

1. A ``revisit`` has the body of an earlier record with the same payload digest where that is in the input.
2. Who asked is what the request record that belongs to a response says, else ``http-header-user-agent`` of the
   warcinfo.
3. Captures count wherever in the input they stand. A short input is read once, and its fetches, without their bodies,
   are held until all captures are known; a long one is read twice. house: half a gigabyte is long.
4. Fetches of the well-known documents themselves are not judged: they are how a crawler asks first.
5. INVARIANT: an input of ``PARALLEL_BYTES`` or more is read by several processes, in ranges (``warc_ranges``), and the
   same is found in the same order as by one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.model import Entry, Fault, Fetch, Heard
from askfirst.review.shown import Shown
from askfirst.review.warc_ranges import RANGE_BYTES, cut, span
from askfirst.review.warc_reading import Part, read_part
from askfirst.review.warc_records import Archive
from askfirst.review.warc_scan import Capture, Held, Noted, Scan, Wanted, with_body
from askfirst.review.warc_workers import Workers
from askfirst.rights.model import Kind, Observation

READ_TWICE_BYTES: Final = 512 * 1_048_576
PARALLEL_BYTES: Final = 48 * 1_048_576
"""So much takes longer to read than further processes to start."""

MOST_PART_BYTES: Final = 64 * 1_048_576
"""What is longer and cannot be cut is read by this process alone when a long input is read, so that no more is held."""


class Warcs:
    """The fetches in some web archives. ``needs_agent``: who asked is to be found out. ``workers``: so many processes
    read a large input, as many as there are processors when None."""

    def __init__(
        self,
        found: Sequence[Archive],
        captures: Captures,
        ears: Ears,
        *,
        needs_agent: bool,
        read: Callable[[int], None],
        skips_ours: bool = False,
        workers: int | None = None,
    ) -> None:
        self._archives = found
        self._captures = captures
        self._ears = ears
        self._needs_agent = needs_agent
        self._read = read
        self._skips_ours = skips_ours
        size = sum(archive.size_bytes for archive in found)
        self._once = size <= READ_TWICE_BYTES
        self._workers = workers if workers is not None else os.cpu_count() or 1
        self._is_large = size >= PARALLEL_BYTES and ears.can_be_sent
        self._cuts: list[tuple[Archive, list[Archive]]] = []
        self._held: list[Held | Fault] = []
        self._agents: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._payloads: dict[str, Heard] = {}
        self._pages: dict[tuple[str, str], tuple[str, ...]] = {}
        self._shown = Shown(captures.max_age)
        self._bodies: dict[str, bytes] = {}
        self._revisited: list[tuple[str, Observation]] = []
        self._has_revisits = False
        self.passed_over = 0

    def collect(self) -> None:
        """Reads all captures, and, where the input is short, the fetches."""
        if not self._once:
            self.collect_only()
            return
        self._held.extend(self._everything(self._wanted(captures=True, fetches=True)))
        self._resolve()
        if self._has_revisits:
            for one in self._held:
                self._remember(one)
        for one in self._held:
            self._note_shown(one)
        for one in self._held:
            self._note_look(one)

    def collect_only(self) -> list[Fault]:
        """Reads all captures, and gives what could not be read."""
        self._once = False
        found = list(self._everything(self._wanted(captures=True, fetches=False)))
        self._resolve()
        return [one for one in found if isinstance(one, Fault)]

    def _wanted(self, *, captures: bool, fetches: bool) -> Wanted:
        # a long input is read the second time, and it is known whether anything refers to a body
        payloads = captures or self._has_revisits
        return Wanted(captures, fetches, self._needs_agent, payloads, self._skips_ours)

    def _resolve(self) -> None:
        """Gives captures that were not sent again the body of the first time."""
        for payload, seen in self._revisited:
            body = self._bodies.get(payload)
            if body is not None:
                self._captures.add(with_body(seen, body))

    def collect_uncaptured(self) -> bool:
        """Reads once more for the documents that redirects lead to; whether there were any."""
        wanted = self._captures.uncaptured()
        if not wanted or (self._once and wanted.isdisjoint(one.url for one in self._held if isinstance(one, Held))):
            return False
        before = self._captures.added
        found = list(self._everything(self._wanted(captures=True, fetches=False)._replace(urls=wanted)))
        assert not found
        return self._captures.added > before

    def entries(self) -> Iterator[Entry]:
        """The fetches and faults, in the order of the archives."""
        if self._once:
            held, self._held = self._held, []
            yield from map(self._entry, held)
            return
        for one in self._everything(self._wanted(captures=False, fetches=True)):
            self._remember(one)
            self._note_shown(one)
            self._note_look(one)
            yield self._entry(one)

    def _remember(self, one: Held | Fault) -> None:
        """What a body said, for those that refer to it."""
        if isinstance(one, Held) and one.revisit is None and one.payload is not None:
            self._payloads[one.payload] = one.heard
            if one.heard.shows:
                self._pages[one.payload, one.url] = one.heard.shows

    def _note_shown(self, one: Held | Fault) -> None:
        """What a page says of its images, for those that it shows."""
        if isinstance(one, Held) and one.at is not None:
            heard = self._heard(one)
            if heard.shows:
                self._shown.note(heard.seen[0], heard.shows)

    def _note_look(self, one: Held | Fault) -> None:
        """A page as it was all there takes back what it said before; a revisit says the same again."""
        if isinstance(one, Held) and one.at is not None and one.is_whole:
            self._shown.note_look(one.url, one.at)

    def _heard(self, held: Held) -> Heard:
        return held.heard if held.revisit is None else self._revisit(held.payload or "", held.revisit)

    def _entry(self, held: Held | Fault) -> Entry:
        if isinstance(held, Fault):
            return held
        agent = held.user_agent
        if agent is None and self._agents:
            agent = next((self._agents[name] for name in held.ids if name in self._agents), None)
        heard = self._heard(held)
        pages = self._shown.of(held.url, heard.media, held.at)
        if pages:
            heard = replace(heard, seen=(*heard.seen, *pages))
        return Fetch(
            url=held.url, at=held.at, user_agent=agent, status=held.status, where=held.where, heard=heard
        )  # fmt: skip

    def _revisit(self, payload: str, answer: Observation) -> Heard:
        """What a revisit says: its own fields, and the body that it names."""
        body = self._payloads.get(payload)
        own = self._ears.hear(answer, bodiless=body is None)
        if body is None:
            return own
        first = next(iter(own.seen), None)
        fields = () if first is None else (first,)
        # one place is heard once: the fields are those of the revisit, the elements those of the earlier body
        bodies = tuple(
            Observation(
                document=seen.document if seen.document.kind is Kind.ASSET else answer.document,
                status=answer.status if seen.document.kind is Kind.RESPONSE else seen.status,
                headers=answer.headers if seen.document.kind is Kind.RESPONSE else seen.headers,
                body=seen.body,
                truncated=seen.truncated,
                observed_at=answer.observed_at,
                whole_digest=seen.whole_digest,
            )
            for seen in body.seen
        )
        # at another address the same words lead to other images
        shows = self._pages.get((payload, answer.document.url), ())
        return Heard(media=body.media or own.media, seen=bodies or fields, shows=shows)

    # -- reading --------------------------------------------------------------------------------------------------

    def _everything(self, wanted: Wanted) -> Iterator[Held | Fault]:
        """The fetches and faults of all archives, the captures taken on the way."""
        if self._workers < 2 or not self._is_large:
            for archive in self._archives:
                yield from self._streamed(archive, wanted, set())
            return
        if not self._cuts:
            self._cuts = [(archive, cut(archive, RANGE_BYTES)) for archive in self._archives]
        yield from self._in_parts(wanted)

    def _in_parts(self, wanted: Wanted) -> Iterator[Held | Fault]:
        parts = [part for _, cuts in self._cuts for part in cuts]
        whole = [archive for archive, cuts in self._cuts for _ in cuts]
        ends = [end for end, cuts in zip(self._ends(), self._cuts, strict=True) for _ in cuts[1]]
        is_long = [not self._once and part.size_bytes > MOST_PART_BYTES for part in parts]
        left_out = frozenset(index for index, long in enumerate(is_long) if long)
        workers = Workers(parts, wanted, self._ears, self._workers, left_out=left_out)
        named: set[str] = set()
        for index, first in workers:
            start, part = parts[index].start, first
            if start == 0:
                named = set()
            stop = index + 1
            # INVARIANT: a part counts only if it ends where the next one begins; else it is read again with those after
            # it, twice as many each time, so that all of that takes no more than a few times as long
            while part is not None and not part.noted.ends_well:
                stop = min(ends[index], index + 2 * (stop - index))
                again = span(whole[index], start, parts[stop - 1].end)
                is_too_long = not self._once and again.size_bytes > MOST_PART_BYTES
                part = None if is_too_long else read_part(again, wanted, self._ears)
            if part is None:
                stop = ends[index]
                yield from self._streamed(span(whole[index], start, None), wanted, named)
            else:
                yield from self._taken(part, named)
                self._tell(wanted, sum(one.size_bytes for one in parts[index:stop]))
            workers.skip_to = stop

    def _ends(self) -> Iterator[int]:
        """For each archive the index of the first part that is none of its own."""
        end = 0
        for _, cuts in self._cuts:
            end += len(cuts)
            yield end

    def _streamed(self, archive: Archive, wanted: Wanted, named: set[str]) -> Iterator[Held | Fault]:
        """What is in an archive, one by one."""
        scan = Scan(archive, wanted, self._ears, self._take)
        for one in scan:
            if not isinstance(one, Fault) or one.where not in named:
                yield one
        self._note(scan.noted)
        self._tell(wanted, archive.size_bytes)

    def _taken(self, part: Part, named: set[str]) -> Iterator[Held | Fault]:
        """What was found in a part. ``named`` are the faults of its archive."""
        for capture in part.captures:
            self._take(capture)
        self._note(part.noted)
        for one in part.found:
            if isinstance(one, Fault):
                if one.where in named:
                    continue
                named.add(one.where)
            yield one

    def _take(self, capture: Capture) -> None:
        if capture.is_revisit:
            self._revisited.append((capture.payload or "", capture.seen))
            return
        if capture.payload is not None:
            self._bodies[capture.payload] = capture.seen.body
        self._captures.add(capture.seen)

    def _note(self, noted: Noted) -> None:
        for record, told in noted.agents.items():
            self._agents[record] = self._names.setdefault(told, told)
        self._has_revisits = self._has_revisits or noted.has_revisits
        self.passed_over += noted.passed_over

    def _tell(self, wanted: Wanted, size_bytes: int) -> None:
        if wanted.urls is None:
            self._read(size_bytes)


def read_captures(archive: Archive, captures: Captures, ears: Ears, *, workers: int | None = None) -> Iterator[Fault]:
    """Takes the captures of an archive that is given as evidence, and gives what could not be read. Records that
    AskFirst wrote are left to its own reader."""
    reader = Warcs(
        [archive], captures, ears, needs_agent=False, read=lambda _bytes: None, skips_ours=True, workers=workers
    )  # fmt: skip
    yield from reader.collect_only()
    while reader.collect_uncaptured():
        pass
