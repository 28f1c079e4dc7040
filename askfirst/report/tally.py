"""One pass over the decisions and the items of an output directory: everything that a report counts.

1. Every line of the decision log is counted, each look and each retry, allowed and refused alike. What is no decision
   is noted with its file and line, and nothing of it is counted.
2. A line is a head, a ruling and what was looked at. Rulings repeat, so each is read once, by its bytes, and what
   follows from it is counted when it is put away. A line of another form is read whole.
3. INVARIANT: memory is bounded, whatever the record: rulings are put away when there are many, sums spill to disk, and
   of notes the first ones are kept with their number.
4. Items are as ``askfirst.items`` has them: the latest line of a URL, and none where it was withdrawn.
5. A registry's answer is a document for each URL; it is counted under the registry's address.

It is long and one thing: the parts of a line that are counted, and the one pass that counts them.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import msgspec

from askfirst.asking import Asking, Question
from askfirst.audit.line_parts import parts_of
from askfirst.domains import registrable_domain
from askfirst.items import read_items, utc
from askfirst.report.counts import Counts, Spill
from askfirst.report.over_time import OverTime
from askfirst.report.whom import Whom
from askfirst.segments import read_log

RULINGS_IN_MEMORY = 16_384
NOTES_KEPT = 200
LINES_BETWEEN = 8_192
SOON = timedelta(days=30)
ALLOW, DEFER, REFUSE = 0, 1, 2
VERDICTS = ("allow", "defer", "refuse")
STAGES = ("fetch", "keep")
SILENCE = "silence"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RUNS_OUT = ("before this report", "within 7 days", "within 30 days", "within 90 days", "later", "no end is given")


class Agent(msgspec.Struct, gc=False):
    """Who asked."""

    product_token: str
    user_agent: str


class Head(msgspec.Struct):
    """What is a decision's own."""

    id: str
    url: str
    purpose: str
    decided_at: datetime
    agent: Agent


class Words(msgspec.Struct):
    """The words relied on, and where they stand."""

    document_url: str
    at: str
    text: str
    spec: str = ""


class Terms(msgspec.Struct, gc=False):
    """Under what terms."""

    url: str = ""
    reference: str = ""


class Said(msgspec.Struct):
    """One signal."""

    source: str
    protocol: str
    category: str
    basis: str
    verdict: Literal["allow", "defer", "refuse"]
    evidence: Words
    terms: Terms | None = None
    expires_at: datetime | None = None


class Pair(msgspec.Struct):
    """Two signals that contradict each other."""

    about: str
    permits: Said
    refuses: Said


class Ruled(msgspec.Struct):
    """The part of a line that decisions share."""

    stage: Literal["fetch", "keep"]
    verdict: Literal["allow", "defer", "refuse"]
    policy_digest: str
    because: tuple[Said, ...]
    ask: tuple[Question, ...] = ()
    considered: tuple[Said, ...] = ()
    contradictions: tuple[Pair, ...] = ()
    expires_at: datetime | None = None


class _Line(Head):
    stage: Literal["fetch", "keep"]
    verdict: Literal["allow", "defer", "refuse"]
    policy_digest: str
    because: tuple[Said, ...]
    ask: tuple[Question, ...] = ()
    considered: tuple[Said, ...] = ()
    contradictions: tuple[Pair, ...] = ()
    expires_at: datetime | None = None


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """The words that carried decisions, once for all of them."""

    protocol: str
    source: str
    category: str
    basis: str
    verdict: str
    document_url: str
    at: str
    text: str
    spec: str

    @classmethod
    def of(cls, said: Said) -> Self:
        """Of a signal."""
        e = said.evidence
        where = document(e.document_url)
        return cls(said.protocol, said.source, said.category, said.basis, said.verdict, where, e.at, e.text, e.spec)

    @property
    def key(self) -> tuple[str, ...]:
        """As it is counted."""
        key: tuple[str, ...] = msgspec.structs.astuple(self)
        return key


_reason = msgspec.json.Decoder(Reason)


def reason_of(example: str) -> Reason | None:
    """The reason that a count has for an example; None where there is none."""
    return _reason.decode(example) if example else None


class Kept(Protocol):
    """Where every decision also goes: the table of all of them."""

    def add(self, path: Path, number: int, head: Head, domain: str, ruling: Ruling) -> None:
        """One decision; ``number`` is its line, from 1."""


@dataclass(slots=True, eq=False)
class Ruling:
    """One ruling, how often it was given since it was read, and for which URL first."""

    ruled: Ruled
    verdict: int
    silent: bool
    times: int = 0
    first_url: str = ""
    reasons: tuple[Reason, ...] = ()
    example: str = ""
    asked: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, ruled: Ruled) -> Ruling:
        """As it was read."""
        reasons = tuple(Reason.of(said) for said in ruled.because)
        reasons = reasons if len(reasons) < 2 else tuple(dict.fromkeys(reasons))
        verdict = VERDICTS.index(ruled.verdict)
        example = msgspec.json.encode(reasons[0]).decode() if reasons and verdict != ALLOW else ""
        return cls(ruled=ruled, verdict=verdict, silent=not reasons, reasons=reasons, example=example)


@dataclass(kw_only=True)
class Tally:
    """What the record adds up to. To be closed: a part of it may be on disk.

    Counts have these numbers, in this order: ``domains`` allowed, deferred, refused, allowed for silence, refused for
    silence, items, bytes; ``signals`` allowed, deferred, refused, heard without deciding; all others decisions, or
    items and bytes.
    """

    spill: Spill = field(default_factory=Spill)
    now: datetime
    decisions: int = 0
    by_stage: Counter[tuple[str, str]] = field(default_factory=Counter)
    silent: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None
    over_time: OverTime = field(default_factory=OverTime)
    contradicted: int = 0
    asking: list[Asking] = field(default_factory=list)
    items: int = 0
    item_bytes: int = 0
    first_item_at: datetime | None = None
    last_item_at: datetime | None = None
    items_run_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    noted: int = 0
    signals: Counts = field(init=False)
    reasons: Counts = field(init=False)
    domains: Counts = field(init=False)
    deferrals: Counts = field(init=False)
    contradictions: Counts = field(init=False)
    consents: Counts = field(init=False)
    jobs: Counts = field(init=False)
    media: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.signals = Counts(self.spill, 4)
        self.reasons = Counts(self.spill, 1)
        self.domains = Counts(self.spill, 7)
        self.deferrals = Counts(self.spill, 1)
        self.contradictions = Counts(self.spill, 1)
        self.consents = Counts(self.spill, 1)
        self.jobs = Counts(self.spill, 1)
        self.media = Counts(self.spill, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.spill.close()

    def note(self, what: str) -> None:
        """Something of the record that could not be counted."""
        self.noted += 1
        if len(self.notes) < NOTES_KEPT:
            self.notes.append(what)

    def verdicts(self) -> tuple[int, int, int]:
        """Allowed, deferred and refused, over both stages."""
        allowed, deferred, refused = (sum(self.by_stage[stage, word] for stage in STAGES) for word in VERDICTS)
        return allowed, deferred, refused


def read_tally(
    out: Path, *, now: datetime, kept: Kept | None = None, progress: Callable[[int], None] | None = None
) -> Tally:
    """What an output directory adds up to. ``progress`` is told the number of decisions from time to time. Raises
    EdgeError when a log cannot be read, and OSError."""
    tally = Tally(now=now)
    try:
        with _no_cycles():
            _Reading(tally, kept, progress or (lambda _number: None)).read(out)
    except BaseException:
        tally.spill.close()
        raise
    return tally


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Without looking for reference cycles: a pass makes none, and looking is a fifth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Reading:
    """One pass."""

    def __init__(self, tally: Tally, kept: Kept | None, progress: Callable[[int], None]) -> None:
        self._tally = tally
        self._kept = kept
        self._progress = progress
        self._rulings: dict[bytes, Ruling] = {}
        self._whom = Whom(tally.spill)
        self._first, self._last = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
        self._head = msgspec.json.Decoder(Head).decode
        self._ruled = msgspec.json.Decoder(Ruled).decode
        self._whole = msgspec.json.Decoder(_Line).decode

    def read(self, out: Path) -> None:
        tally = self._tally
        folder = out / "decisions"
        for path, number, line in read_log(folder, note=tally.note) if folder.is_dir() else ():
            try:
                head, ruling = self._parts(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                tally.note(f"{path} line {number} is no decision: {error}; it is not counted")
                continue
            self._add(path, number, head, ruling)
            if tally.decisions % LINES_BETWEEN == 0:
                self._progress(tally.decisions)
        self._progress(tally.decisions)
        self._put_away()
        if tally.decisions:
            tally.first_at, tally.last_at = self._first, self._last
        self._items(out)
        tally.asking = self._whom.asking()

    def _parts(self, line: bytes) -> tuple[Head, Ruling]:
        parts = parts_of(line)
        if parts is None:
            return self._from_whole(line)
        told, shared, _ = parts
        try:
            head = self._head(told)
            ruling = self._rulings.get(shared)
            if ruling is None:
                ruling = self._remember(shared, self._ruled(b"{" + shared + b"}"))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._from_whole(line)
        return head, ruling

    def _from_whole(self, line: bytes) -> tuple[Head, Ruling]:
        whole = self._whole(line)
        ruled = Ruled(
            stage=whole.stage,
            verdict=whole.verdict,
            policy_digest=whole.policy_digest,
            because=whole.because,
            ask=whole.ask,
            considered=whole.considered,
            contradictions=whole.contradictions,
            expires_at=whole.expires_at,
        )
        return whole, self._remember(line, ruled)

    def _remember(self, shared: bytes, ruled: Ruled) -> Ruling:
        if len(self._rulings) >= RULINGS_IN_MEMORY:
            self._put_away()
        ruling = self._rulings[shared] = Ruling.of(ruled)
        return ruling

    def _add(self, path: Path, number: int, head: Head, ruling: Ruling) -> None:
        tally = self._tally
        at = head.decided_at
        if at.tzinfo is not UTC:
            at = head.decided_at = at.replace(tzinfo=UTC) if at.tzinfo is None else utc(at)
        tally.decisions += 1
        if at < self._first:  # noqa: PLR1730 - a call for each line is dear
            self._first = at
        if at > self._last:  # noqa: PLR1730 - the same
            self._last = at
        tally.over_time.add(int(at.timestamp() // 1), ruling.verdict)
        ruling.times += 1
        ruling.first_url = ruling.first_url or head.url
        domain = domain_of(head.url)
        count = tally.domains.of((domain,))
        count.sums[ruling.verdict] += 1
        if ruling.silent and ruling.verdict != DEFER:
            count.sums[3 if ruling.verdict == ALLOW else 4] += 1
        if not count.example:
            count.example = ruling.example
        if ruling.ruled.ask:
            asked = ruling.asked.get(domain)
            if asked is None:
                asked = ruling.asked[domain] = self._whom.rows_of(ruling.ruled.ask, domain, head.url)
            self._whom.mark(asked, head.url)
        agent = head.agent
        job = (agent.product_token, agent.user_agent, head.purpose, ruling.ruled.policy_digest)
        tally.jobs.of(job).sums[0] += 1
        if self._kept is not None:
            self._kept.add(path, number, head, domain, ruling)

    def _put_away(self) -> None:
        for ruling in self._rulings.values():
            if ruling.times:
                self._count(ruling)
        self._rulings.clear()

    def _count(self, ruling: Ruling) -> None:
        tally, ruled, times, url = self._tally, ruling.ruled, ruling.times, ruling.first_url
        tally.by_stage[ruled.stage, ruled.verdict] += times
        deciding = {reason.protocol for reason in ruling.reasons} or {SILENCE}
        if ruling.silent:
            tally.silent[ruled.stage, ruled.verdict] += times
        for protocol in deciding:
            tally.signals.add((protocol,), ruling.verdict, times, ruling.example)
        for protocol in {said.protocol for said in ruled.considered} - deciding:
            tally.signals.add((protocol,), 3, times)
        for reason in ruling.reasons:
            tally.reasons.add(reason.key, 0, times, url)
        if ruling.verdict == DEFER:
            for source, text in dict.fromkeys((said.source, said.evidence.text) for said in ruled.because):
                tally.deferrals.add((source, text), 0, times, url)
        self._count_pairs(ruling)
        if ruling.verdict == ALLOW:
            for key in dict.fromkeys(_consent(said) for said in ruled.because if said.basis in _PAPERS):
                tally.consents.add(key, 0, times, url)

    def _count_pairs(self, ruling: Ruling) -> None:
        tally = self._tally
        if ruling.ruled.contradictions:
            tally.contradicted += ruling.times
        for pair in ruling.ruled.contradictions:
            sides = (Reason.of(pair.permits), Reason.of(pair.refuses))
            key = (pair.about, *(msgspec.json.encode(side).decode() for side in sides))
            tally.contradictions.add(key, 0, ruling.times, ruling.first_url)

    def _items(self, out: Path) -> None:
        tally = self._tally
        for item in read_items(out, note=tally.note):
            at = utc(item.fetched_at)
            tally.items += 1
            tally.item_bytes += item.bytes
            tally.first_item_at = at if tally.first_item_at is None else min(at, tally.first_item_at)
            tally.last_item_at = at if tally.last_item_at is None else max(at, tally.last_item_at)
            tally.items_run_out[runs_out(item.expires_at, tally.now)] += 1
            domain = tally.domains.of((item.registrable_domain,))
            domain.sums[5] += 1
            domain.sums[6] += item.bytes
            media = tally.media.of((item.media_type or "unknown",))
            media.sums[0] += 1
            media.sums[1] += item.bytes


_PAPERS = frozenset({"consent", "licence"})


def _consent(said: Said) -> tuple[str, ...]:
    """Whose consent: basis, source, reference, terms, document, and until when in RFC 3339."""
    terms = said.terms or Terms()
    until = "" if said.expires_at is None else utc(said.expires_at).isoformat()
    e = said.evidence
    return (said.basis, said.source, terms.reference, terms.url, document(e.document_url), until, e.at, e.text, e.spec)


def runs_out(until: datetime | None, now: datetime) -> str:
    """Which of ``RUNS_OUT`` it is."""
    if until is None:
        return RUNS_OUT[5]
    if until <= now:
        return RUNS_OUT[0]
    left = utc(until) - now
    return next((RUNS_OUT[i] for i, days in ((1, 7), (2, 30), (3, 90)) if left <= timedelta(days=days)), RUNS_OUT[4])


def document(url: str) -> str:
    """The document's address; of a registry's answer, the registry's."""
    return url.partition("?")[0] if url.startswith("registry:") else url


def domain_of(url: str) -> str:
    """The registrable domain of a URL, remembered by what stands before its path."""
    end = url.find("/", url.find("://") + 3)
    return _domain(url if end < 0 else url[:end])


_domain = lru_cache(maxsize=65_536)(registrable_domain)
