"""``OUT/summary.json``: what a crawl decided, kept and left, over all runs of its directory.

Everything is counted from the records themselves (``decisions/``, ``items/``, ``runs/``, the frontier), so that it can
be made again at any time, also of a run that was killed.

1. ``decisions`` and ``because`` count lines of the log: each look at a URL is one, and a retry is another.
   ``addresses`` counts URLs, by what became of them in the end.
2. ``silence.refused`` counts addresses that answered and that nothing but silence refused. The policy ``opt-out`` would
   have kept these, and gone on from them: so ``opt_out_would_keep`` is the least it would have kept more.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path

import msgspec

from askfirst.items import read_items
from askfirst.rights.model import Stage, Verdict
from askfirst.rights.policy import PROFILES
from askfirst.segments import read_log
from crawler.frontier import Outcome, counts

FILE_NAME = "summary.json"
RUNS = "runs"
logger = logging.getLogger("askfirst")


class _Signal(msgspec.Struct):
    protocol: str


class _Decision(msgspec.Struct):
    stage: str
    verdict: str
    purpose: str
    policy_digest: str
    decided_at: str
    agent: dict[str, str]
    because: tuple[_Signal, ...] = ()


class _Decided:
    """What the decision logs add up to."""

    def __init__(self, out: Path) -> None:
        self.verdicts = {stage.value: {verdict.word: 0 for verdict in Verdict} for stage in Stage}
        self.because: dict[str, Counter[str]] = {verdict.word: Counter() for verdict in Verdict}
        self.silent_after_fetch = 0
        self.first: _Decision | None = None
        self.last: _Decision | None = None
        decoder = msgspec.json.Decoder(_Decision)
        folder = out / "decisions"
        for path, number, line in read_log(folder) if folder.is_dir() else ():
            try:
                decision = decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                logger.warning("%s line %d is no decision (%s) and is not counted", path, number, error)
            else:
                self._add(decision)

    def _add(self, decision: _Decision) -> None:
        self.verdicts[decision.stage][decision.verdict] += 1
        self.because[decision.verdict].update({signal.protocol for signal in decision.because} or {"silence"})
        if decision.stage == Stage.KEEP and decision.verdict == Verdict.REFUSE.word and not decision.because:
            self.silent_after_fetch += 1
        self.first = self.first or decision
        self.last = decision


def summarize(out: Path) -> dict[str, object]:
    """The summary of an output directory. Raises EdgeError and OSError when a record cannot be read."""
    decided = _Decided(out)
    runs = _runs(out)
    last = decided.last
    digest = None if last is None else last.policy_digest
    frontier = counts(out)
    silent = decided.silent_after_fetch if frontier is None else frontier.outcomes.get(Outcome.SILENT, 0)
    named = runs[-1] if runs else {}
    return {
        "purpose": named.get("purpose", None if last is None else last.purpose),
        "policy": named.get("policy", {"name": _profile(digest), "digest": digest}),
        "agent": named.get("agent", None if last is None else last.agent),
        "started_at": runs[0]["started_at"] if runs else (decided.first and decided.first.decided_at),
        "ended_at": named.get("ended_at", None if last is None else last.decided_at),
        "reason": named.get("reason"),
        "runs": runs,
        "decisions": decided.verdicts,
        "because": {verdict: dict(sorted(signals.items())) for verdict, signals in decided.because.items()},
        "addresses": None
        if frontier is None
        else {
            **{outcome.value: frontier.outcomes.get(outcome, 0) for outcome in Outcome if outcome != Outcome.DEFERRED},
            "deferred": frontier.deferred,
            "pending": frontier.pending,
        },
        "silence": {"refused": silent, "opt_out_would_keep": silent},
        "kept": _kept(out),
    }


def _kept(out: Path) -> dict[str, object]:
    items = total_bytes = 0
    domains: set[str] = set()
    media: Counter[str] = Counter()
    for item in read_items(out, note=_already_noted):
        items += 1
        total_bytes += item.bytes
        domains.add(item.registrable_domain)
        media[item.media_type or "unknown"] += 1
    return {"items": items, "bytes": total_bytes, "domains": len(domains), "media_types": dict(media.most_common())}


def _already_noted(_what: str) -> None:
    """The table's writer says what is torn."""


def _runs(out: Path) -> list[dict[str, object]]:
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / RUNS).glob("*.json"))]
    return sorted(cards, key=lambda card: str(card["started_at"]))


def _profile(digest: str | None) -> str | None:
    return next((policy.name for policy in PROFILES.values() if policy.digest == digest), None)


def write_summary(out: Path) -> dict[str, object]:
    """Writes the file, in one step for who reads it. Raises OSError and EdgeError."""
    summary = summarize(out)
    growing = out / f".{FILE_NAME}.growing"
    growing.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    growing.replace(out / FILE_NAME)
    return summary
