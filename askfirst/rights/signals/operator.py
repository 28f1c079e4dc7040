"""The operator's own papers: licences, consents and overrides from the policy file.

They are consent signals like any other and end up in the record with their reference; an override carries the person
who made it and the reason. They never lift an access rule. Their evidence is the policy itself, by its digest.
"""

from __future__ import annotations

from askfirst.rights.consent import covers
from askfirst.rights.model import (
    MAX_EVIDENCE_CHARS,
    NOTHING,
    Basis,
    Evidence,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.policy import PAPERS, Paper, Policy
from askfirst.rights.reader import SILENT, Statement, Target


def operator_statement(policy: Policy) -> Statement:
    """What the operator may show for a target."""
    return _Papers(policy) if policy.papers else SILENT


class _Papers:
    """The papers of one policy. Readings are remembered by which papers cover, and how narrowly."""

    __slots__ = ("_by_cover", "_policy")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._by_cover: dict[tuple[int, ...], Reading] = {}

    def on(self, target: Target) -> Reading:
        ranks = tuple(covers(paper.record.scope, target.intent.url, grant=True) for paper in self._policy.papers)
        if not any(ranks):
            return NOTHING
        reading = self._by_cover.get(ranks)
        if reading is None:
            reading = self._by_cover[ranks] = self._reading(ranks)
        return reading

    def _reading(self, ranks: tuple[int, ...]) -> Reading:
        signals: list[Signal] = []
        remarks: list[Remark] = []
        for index, (paper, rank) in enumerate(zip(self._policy.papers, ranks, strict=True)):
            if rank:
                words = self._words(index, paper)
                signals.extend(_signals(paper, rank, words))
                if paper.kind == "override":
                    note = f"override by {paper.person}: {paper.reason}"
                    remarks.append(Remark(source=PAPERS, kind=RemarkKind.IGNORED, note=note, evidence=words))
        return Reading(signals=tuple(signals), remarks=tuple(remarks))

    def _words(self, index: int, paper: Paper) -> Evidence:
        said = paper.record.reference or paper.reason or paper.record.scope
        return Evidence(
            document_url=f"policy:{self._policy.name}",
            digest=self._policy.digest,
            at=f"{paper.kind}[{index}]",
            text=f"{paper.record.scope}: {said}"[:MAX_EVIDENCE_CHARS],
            spec="operator's papers",
        )


def _signals(paper: Paper, rank: int, words: Evidence) -> list[Signal]:
    record = paper.record
    source = f"override by {paper.person}" if paper.kind == "override" else paper.kind
    return [
        Signal(
            source=source,
            protocol=PAPERS,
            rank=rank,
            category=category,
            basis=Basis.CONSENT,
            verdict=Verdict.ALLOW,
            terms=Terms(url=record.terms, reference=record.reference),
            evidence=words,
            expires_at=record.valid_until,
        )
        for category in record.categories
    ]
