"""The record of a run: evidence first, then the log line.

No record, no fetch: ``write`` returns when both are in the operating system's hands, or raises EdgeError, and then the
gate answers DEFER.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from askfirst.ports import DecisionLog, EdgeError, EvidenceStore
from askfirst.rights.model import Decision, Observation
from askfirst.rights.wire import decision_line, looked_at
from askfirst.standing import Standing


class Record(Protocol):
    """What the gate writes to."""

    def write(self, decision: Decision, standing: Standing, observations: Sequence[Observation]) -> None:
        """Records a decision, what its origin said, and what else was read for it. Raises EdgeError."""
        ...

    def close(self) -> None:
        """Ends the record."""
        ...


class Recording:
    """A record of evidence and log."""

    def __init__(self, evidence: EvidenceStore, log: DecisionLog) -> None:
        self._evidence = evidence
        self._log = log
        self._epoch = 1

    def write(self, decision: Decision, standing: Standing, observations: Sequence[Observation]) -> None:
        seen_at = standing.looked_at
        try:
            if standing.recorded != self._epoch:
                for seen in standing.observations:
                    self._evidence.keep(seen)
                standing.recorded = self._epoch
            if observations:
                for seen in observations:
                    self._evidence.keep(seen)
                others = looked_at(observations)
                seen_at = seen_at + b"," + others if seen_at else others
            self._log.append(decision_line(decision, b"[" + seen_at + b"]"))
        except EdgeError:
            # What was recorded may be gone with the place it was in: every standing is to be kept again.
            self._epoch += 1
            raise

    def close(self) -> None:
        self._log.close()
        self._evidence.close()


class NoRecord:
    """For looking without recording. INVARIANT: never behind a crawl; ``wiring.open_gate`` gives it only without an
    output directory."""

    def write(self, decision: Decision, standing: Standing, observations: Sequence[Observation]) -> None:
        """Records nothing."""

    def close(self) -> None:
        """Nothing to end."""
