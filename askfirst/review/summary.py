"""What a review found, summed up for people, and written down finding by finding.

1. ``allowed`` is allowed by what was captured; which documents were never captured is said beside it.
2. Refusals are counted by the signal that refused and by registrable domain, and the first are shown with the
   publisher's words and a caret.
3. Findings are written as they come: JSON Lines, CSV for spreadsheets (a cell that could be a formula is disarmed), and
   Parquet. Each file appears in one step, when the review is done.
"""

from __future__ import annotations

import contextlib
import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final, Protocol, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from askfirst.asking import harmless
from askfirst.domains import registrable_domain
from askfirst.explain import explain, shown
from askfirst.ports import EdgeError
from askfirst.review.evidence import Captures
from askfirst.review.model import Fault, Finding, Outcome
from askfirst.rights.model import Stage
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.wire import timestamp
from askfirst.standing import authority_of

SHOWN: Final = 20
MOST_ROWS: Final = 20
FILES: Final = ("findings.jsonl", "findings.csv", "findings.parquet")
COLUMNS: Final = (
    "outcome", "stage", "reason", "why", "url", "domain", "at", "token", "user_agent", "address", "verified", "status",
    "where", "source", "document_url", "place", "text", "spec", "decision_id",
)  # fmt: skip
_BATCH_ROWS: Final = 8_192


class Summary:
    """The counts of a review, and the first of what was refused and of what could not be read."""

    def __init__(self) -> None:
        self.counts: Counter[Outcome] = Counter()
        self.reasons: Counter[tuple[Outcome, Stage | None, str]] = Counter()
        self.domains: Counter[tuple[str, str]] = Counter()
        self.tokens: Counter[tuple[str, Outcome]] = Counter()
        self.refused: list[Finding] = []
        self.faults: list[Fault] = []
        self.fault_count = 0
        self._authorities: dict[str, None] = {}

    def add(self, finding: Finding) -> None:
        """Counts a finding."""
        outcome = finding.outcome
        self.counts[outcome] += 1
        stage = finding.stage
        self.reasons[outcome, stage, finding.reason] += 1
        self.tokens[finding.token or "", outcome] += 1
        url = finding.fetch.url
        end = url.find("/", 8)
        if end < 0 or url[:end] not in self._authorities:
            # what is no URL has no origin
            with contextlib.suppress(UrlError):
                self._authorities[authority_of(url)] = None
        if outcome is Outcome.REFUSED:
            self.domains[finding.reason, registrable_domain(finding.fetch.url)] += 1
            if len(self.refused) < SHOWN:
                self.refused.append(finding)

    def add_fault(self, fault: Fault) -> None:
        """Counts what could not be read."""
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(fault)

    @property
    def total(self) -> int:
        """How many fetches were judged or could not be."""
        return self.counts.total()

    def captured(self, captures: Captures) -> tuple[int, dict[str, int]]:
        """How many origins the fetches were of, and of how many of them each document was captured at any time."""
        origins = set()
        for authority in self._authorities:
            with contextlib.suppress(UrlError):
                origins.add(str(origin_of(authority)))
        found = captures.captured(origins)
        return len(origins), {path: found[path] for path in captures.paths}

    def to_wire(self) -> dict[str, object]:
        """The counts, for ``--json``."""
        return {
            "fetches": self.total,
            "outcomes": {outcome.value: self.counts[outcome] for outcome in Outcome},
            "reasons": [
                {
                    "outcome": outcome.value,
                    "stage": None if stage is None else stage.value,
                    "reason": name,
                    "fetches": n,
                }
                for (outcome, stage, name), n in self._by_count()
            ],
            "refused_domains": [
                {"reason": reason, "domain": domain, "fetches": n} for (reason, domain), n in _most(self.domains)
            ],
            "unreadable": self.fault_count,
            "first_unreadable": [{"where": fault.where, "what": fault.what} for fault in self.faults],
        }

    def lines(self, captures: Captures | None = None) -> Iterator[str]:
        """The summary for people."""
        yield f"{self.total:,} fetches reviewed"
        for outcome in Outcome:
            if self.counts[outcome]:
                yield f"  {outcome.value:<12} {self.counts[outcome]:>10,}"
                yield from self._reasons(outcome)
        if captures is not None:
            yield from self._looked_at(captures)
        if self.domains:
            yield "refused, by signal and domain:"
            listed = _most(self.domains)
            yield from (f"  {n:>10,}  {reason}  {shown(domain)}" for (reason, domain), n in listed[:MOST_ROWS])
            if len(listed) > MOST_ROWS:
                yield f"  and {len(listed) - MOST_ROWS:,} more"
        for finding in self.refused:
            yield ""
            yield from _shown(finding)
        refused = self.counts[Outcome.REFUSED]
        if refused > len(self.refused):
            yield ""
            yield f"{refused - len(self.refused):,} more were refused; --out DIR writes all of them"

    def fault_lines(self) -> Iterator[str]:
        """What could not be read, for standard error."""
        yield from (f"{shown(fault.where)}: {shown(fault.what)}" for fault in self.faults)
        if self.fault_count > len(self.faults):
            yield f"{self.fault_count - len(self.faults):,} more could not be read"

    def _reasons(self, outcome: Outcome) -> Iterator[str]:
        for (of, stage, name), n in self._by_count():
            if of is outcome:
                yield f"    {n:>10,}  {_in_words(stage, name)}"

    def _looked_at(self, captures: Captures) -> Iterator[str]:
        origins, found = self.captured(captures)
        told = ", ".join(
            f"{path.rpartition('/')[2] if path.count('/') == 1 else path} {n:,}" for path, n in found.items()
        )
        yield f"captures, of {origins:,} origins: {told}"
        never = [path for path, n in found.items() if not n]
        if never:
            yield (
                f"never captured, so that nothing is known of what they said: {', '.join(never)}; "
                "'allowed' means by what was captured"
            )

    def _by_count(self) -> list[tuple[tuple[Outcome, Stage | None, str], int]]:
        return sorted(self.reasons.items(), key=lambda row: (-row[1], row[0][0], row[0][1] or "", row[0][2]))


def _most(counted: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(counted.items(), key=lambda row: (-row[1], row[0]))


_REASONS: Final[Mapping[str, str]] = {
    "nothing refuses": "nothing that was captured refuses it",
    "no-robots": "no capture of robots.txt",
    "later": "robots.txt was captured only afterwards",
    "too-old": "the last capture of robots.txt before it is too old",
    "redirect": "robots.txt redirected to what was not captured",
    "no-time": "the log gives no time for it",
    "no-agent": "nothing says who asked; say it with --agent TOKEN",
    "no-url": "no http or https URL",
    "no-body": "its body, which may refuse, is not there",
    "license": "a license is named that was not captured",
    "silence": "nobody said yes, and the policy takes silence for a no",
}


def _in_words(stage: Stage | None, reason: str) -> str:
    words = _REASONS.get(reason, reason)
    if stage is Stage.FETCH:
        return f"{words}: should not have been requested"
    return f"{words}: may not be kept" if stage is Stage.KEEP else words


def _shown(finding: Finding) -> Iterator[str]:
    fetch = finding.fetch
    when = "at a time not told" if fetch.at is None else f"at {timestamp(fetch.at)}"
    yield f"{shown(fetch.where)}, {when}"
    if finding.decision is not None:
        yield explain(finding.decision)


# -- findings on disk -------------------------------------------------------------------------------------------------


def row_of(finding: Finding) -> dict[str, object]:
    """A finding as a flat row, with the words of the first reason."""
    fetch, decision = finding.fetch, finding.decision
    first = decision.because[0] if decision is not None and decision.because else None
    words = None if first is None else first.evidence
    return {
        "outcome": finding.outcome.value,
        "stage": None if finding.stage is None else finding.stage.value,
        "reason": finding.reason,
        "why": finding.why,
        "url": fetch.url,
        "domain": registrable_domain(fetch.url),
        "at": None if fetch.at is None else timestamp(fetch.at),
        "token": finding.token,
        "user_agent": fetch.user_agent,
        "address": fetch.address,
        "verified": finding.verified,
        "status": fetch.status,
        "where": fetch.where,
        "source": None if first is None else first.source,
        "document_url": None if words is None else words.document_url,
        "place": None if words is None else words.at,
        "text": None if words is None else words.text,
        "spec": None if words is None else words.spec,
        "decision_id": None if decision is None else decision.id,
    }


class Written(Protocol):
    """Takes findings, one by one."""

    def write(self, finding: Finding) -> None:
        """Takes a finding. Raises EdgeError."""
        ...


class Nowhere:
    """Writes nothing."""

    def write(self, finding: Finding) -> None:
        """Lets it pass."""


class Findings:
    """Writes every finding into the three files of a folder, in the order given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[dict[str, object]] = []
        self._encoder = msgspec.json.Encoder()
        self._schema = pa.schema(
            [(name, pa.int64() if name == "status" else pa.string()) for name in COLUMNS],
        )
        self._lines: IO[bytes]
        self._sheet: IO[str]
        self._parquet: pq.ParquetWriter

    def write(self, finding: Finding) -> None:
        """Takes a finding. Raises EdgeError."""
        self._rows.append(row_of(finding))
        if len(self._rows) >= _BATCH_ROWS:
            with _told(self._folder):
                self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        for row in rows:
            self._lines.write(self._encoder.encode(row) + b"\n")
            self._csv.writerow([harmless(cell) for cell in row.values()])
        columns = {name: [_text(row[name]) for row in rows] for name in COLUMNS}
        self._parquet.write_table(pa.table(columns, schema=self._schema))

    def __enter__(self) -> Self:
        with _told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            lines, sheet, parquet = (_growing(self._folder / name) for name in FILES)
            self._lines = lines.open("wb")
            self._sheet = sheet.open("w", encoding="utf-8", newline="", errors="replace")
            self._csv = csv.writer(self._sheet)
            self._csv.writerow(COLUMNS)
            self._parquet = pq.ParquetWriter(parquet, self._schema, compression="zstd")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        with _told(self._folder):
            if kind is None:
                self._flush()
            self._parquet.close()
            self._lines.close()
            self._sheet.close()
            for name in FILES:
                growing = _growing(self._folder / name)
                if kind is None:
                    growing.replace(self._folder / name)
                else:
                    growing.unlink(missing_ok=True)


def _text(value: object) -> object:
    """What Parquet can hold: a lone surrogate, which a URL of a feed may have, cannot be UTF-8."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


def _growing(path: Path) -> Path:
    return path.with_name(f".{path.name}.growing")


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EdgeError(
            f"cannot write the findings into {folder}: {error.strerror or error}; "
            "check that it can be written and has room"
        ) from error
