"""The record of a run: evidence first, then the log line.

No record, no fetch: ``write`` returns when both are on the disk, or raises EdgeError, and then the gate answers DEFER.
The log makes decisions durable in groups, and the evidence before each group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from askfirst.ports import DecisionLog, EdgeError, EvidenceStore
from askfirst.rights.model import Decision, Observation
from askfirst.rights.wire import decision_line, looked_at
from askfirst.standing import Standing


class Record(Protocol):
    """What the gate writes to."""

    async def write(self, decision: Decision, standing: Standing, observations: Sequence[Observation]) -> None:
        """Records a decision, what its origin said, and what else was read for it. Raises EdgeError."""
        ...

    def note_item(self, line: bytes) -> None:
        """Notes a line of the kept dataset, which is in its file already: the record vouches for it from the next
        checkpoint on."""
        ...

    def before_checkpoint(self, sync: Callable[[], None]) -> None:
        """``sync`` is called before each checkpoint, from another thread, and returns when what was noted is on the
        disk. It may raise OSError: then there is no checkpoint yet."""
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

    async def write(self, decision: Decision, standing: Standing, observations: Sequence[Observation]) -> None:
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
            on_disk = self._log.append(decision_line(decision, b"[" + seen_at + b"]"))
            if on_disk is not None:
                await on_disk
        except EdgeError:
            # What was recorded may be gone with the place it was in: every standing is to be kept again.
            self._epoch += 1
            raise

    def note_item(self, line: bytes) -> None:
        self._log.note_item(line)

    def before_checkpoint(self, sync: Callable[[], None]) -> None:
        self._log.before_checkpoint(sync)

    def close(self) -> None:
        # the evidence first: the log's last checkpoint vouches for all of it
        try:
            self._evidence.close()
        finally:
            self._log.close()


class NoRecord:
    """For looking without recording. INVARIANT: never behind a crawl; ``wiring.open_gate`` gives it only without an
    output directory."""

    async def write(self, decision: Decision, standing: Standing, observations: Sequence[Observation]) -> None:
        """Records nothing."""

    def note_item(self, line: bytes) -> None:
        """Notes nothing."""

    def before_checkpoint(self, sync: Callable[[], None]) -> None:
        """There are none."""

    def close(self) -> None:
        """Nothing to end."""
