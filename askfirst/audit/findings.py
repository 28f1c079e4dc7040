"""What a verification found, by the place that somebody can open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from askfirst.audit.differences import Change, What
from askfirst.rights.wire import Json

MOST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """``place`` is a file of the directory, with line, leaf or byte; ``what`` is wrong there."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(slots=True)
class Verification:
    """What was read, what is wrong, and what is to be known without being wrong (``said``)."""

    findings: list[Finding] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    runs: int = 0
    records: int = 0
    evidence: int = 0
    items: int = 0
    checkpoints: int = 0
    keys: list[str] = field(default_factory=list)
    keys_are_given: bool = False
    is_signed: bool = True

    @property
    def whole(self) -> bool:
        """Whether everything is as it was signed."""
        return self.is_signed and not self.findings

    def find(self, place: str, what: str) -> None:
        """Notes a finding, once."""
        finding = Finding(place, what)
        if finding not in self.findings[-50:]:
            self.findings.append(finding)

    def summary(self) -> str:
        """Everything in lines; the last one is the answer."""
        return "\n".join(self._lines())

    def as_json(self) -> dict[str, Json]:
        """The same for programs."""
        return {
            "whole": self.whole,
            "signed": self.is_signed,
            "findings": [{"place": finding.place, "what": finding.what} for finding in self.findings],
            "said": list(self.said),
            "runs": self.runs,
            "records": self.records,
            "evidence": self.evidence,
            "items": self.items,
            "checkpoints": self.checkpoints,
            "keys": list(self.keys),
            "keys_are_given": self.keys_are_given,
        }

    def _lines(self) -> Iterator[str]:
        yield from map(str, islice(self.findings, MOST_NAMED))
        if len(self.findings) > MOST_NAMED:
            yield f"and {len(self.findings) - MOST_NAMED} more"
        yield from self.said
        yield (
            f"{_count(self.records, 'decision')}, {_count(self.evidence, 'record')} of evidence and "
            f"{_count(self.items, 'item line')} in {_count(self.runs, 'run')}, "
            f"under {_count(self.checkpoints, 'checkpoint')}"
        )
        if not self.is_signed:
            yield "NOT SIGNED: there are no checkpoints, so nothing shows whether the record is as it was written"
        elif self.findings:
            yield f"NOT WHOLE: {_count(len(self.findings), 'finding')}"
        else:
            yield "WHOLE: every record is as it was signed"


def named(change: Change, file: str, kind: str, now_first: int, was_first: int) -> Finding:
    """A change of a leaf as a finding. Lines are counted from 1 in the file, leaves from 0 in the run."""
    line = change.at + 1
    was = 0 if change.was is None else change.was + was_first
    if change.what is What.DROPPED:
        where = f"before {kind} 1" if change.at == 0 else f"between {kind} {change.at} and {kind} {line}"
        return Finding(f"{file} {where} ({_leaves(was, change.leaves)})", "dropped")
    lines = f"{kind} {line}" if change.leaves == 1 else f"{kind}s {line} to {line + change.leaves - 1}"
    place = f"{file} {lines} ({_leaves(change.at + now_first, change.leaves)})"
    if change.what is What.REORDERED:
        return Finding(place, f"reordered: it was leaf {was}")
    if change.what is What.DUPLICATED:
        return Finding(place, f"duplicated: it is leaf {was} again")
    return Finding(place, str(change.what))


def _leaves(first: int, count: int) -> str:
    return f"leaf {first}" if count == 1 else f"leaves {first} to {first + count - 1}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
