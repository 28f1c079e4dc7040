"""``askfirst audit replay``: each decision derived again from its evidence, and held against another policy.

What was read of a document that many decisions share (robots.txt, ai.txt, …) is parsed once for each agent. Everything
else is ``askfirst.rights``, as it was when the decision was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from askfirst.audit.directory import Directory
from askfirst.edges.evidence_warc import read_evidence
from askfirst.replay import Evidenced
from askfirst.rights.decide import decide
from askfirst.rights.gathering import gathered, unseen
from askfirst.rights.listening import Listeners
from askfirst.rights.model import Agent, Decision, Intent, Kind, Observation, Reading, Stage
from askfirst.rights.origins import UrlError
from askfirst.rights.policy import PROFILES, Policy
from askfirst.rights.read import join_readings, readers_for, statements
from askfirst.rights.reader import Statement, Target
from askfirst.rights.record import Recorded, parse_line
from askfirst.rights.signals.operator import operator_statement
from askfirst.rights.wire import Json, WireError, timestamp
from askfirst.segments import read_log

Progress = Callable[[int], None]
_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """What another policy would have decided. ``place`` is file and line."""

    place: str
    url: str
    stage: Stage
    was: str
    would_be: str
    why: str


@dataclass(slots=True)
class Replayed:
    """``follow`` decisions follow from their evidence; ``faults`` do not, by file and line."""

    follow: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    under: str | None = None
    differences: list[Difference] = field(default_factory=list)
    same_under: int = 0

    def counts(self) -> Counter[tuple[str, str, str]]:
        """How often, by stage, verdict and the other policy's verdict."""
        return Counter((one.stage.value, one.was, one.would_be) for one in self.differences)

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        return {
            "follow": self.follow,
            "faults": [{"place": place, "what": what} for place, what in self.faults],
            "said": list(self.notes),
            "under": self.under,
            "same_under": self.same_under,
            "differences": [
                {
                    "place": one.place,
                    "url": one.url,
                    "stage": one.stage.value,
                    "was": one.was,
                    "would_be": one.would_be,
                    "why": one.why,
                }
                for one in self.differences
            ],
        }


def replay(
    directory: Path,
    *,
    policies: Sequence[Policy] = (),
    under: Policy | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Derives every decision again. ``policies`` may be named by the record, beside those that are shipped. Raises
    EdgeError when a file cannot be read, SettingsError when it is no output directory."""
    opened = Directory(directory)
    found = Replayed(under=None if under is None else under.name)
    known = {policy.digest: policy for policy in (*PROFILES.values(), *policies)}
    evidence = opened.out / "evidence"
    deriving = _Deriving(Evidenced(read_evidence(evidence, note=found.notes.append) if evidence.is_dir() else ()))
    for path, number, line in read_log(opened.out / "decisions", note=found.notes.append):
        place = f"decisions/{path.name} line {number}"
        _one(found, place, line, deriving, known, under)
        if progress is not None and number % _EVERY == 0:
            progress(_EVERY)
    return found


def _one(
    found: Replayed, place: str, line: bytes, deriving: _Deriving, known: Mapping[str, Policy], under: Policy | None
) -> None:
    try:
        recorded = parse_line(line)
    except WireError as error:
        found.faults.append((place, f"is not a decision: {error}"))
        return
    old = recorded.decision
    try:
        seen = deriving.observations(recorded)
        policy = known.get(old.policy_digest)
        if isinstance(seen, str):
            found.faults.append((place, f"decision {old.id}: {seen}"))
            return
        if policy is None:
            found.faults.append(
                (place, f"decision {old.id}: its policy {old.policy_digest} is not known; name its file with --policy")
            )
        else:
            new = deriving.decide(old, seen, policy)
            if new.id == old.id and new.verdict is old.verdict:
                found.follow += 1
            else:
                found.faults.append(
                    (
                        place,
                        f"decision {old.id}: its evidence gives {new.verdict.word} ({new.id}), not {old.verdict.word}",
                    )
                )
        if under is not None:
            other = deriving.decide(old, seen, under)
            if other.verdict is old.verdict:
                found.same_under += 1
            else:
                why = "; ".join(f"{s.protocol} ({s.evidence.at})" for s in other.because) or "silence"
                found.differences.append(
                    Difference(place, old.intent.url, old.stage, old.verdict.word, other.verdict.word, why)
                )
    except UrlError as error:
        found.faults.append((place, f"decision {old.id}: {error}"))


class _Deriving:
    """Decisions from observations; what documents say is parsed once."""

    def __init__(self, evidenced: Evidenced) -> None:
        self._evidenced = evidenced
        self._readers: dict[str, Listeners] = {}
        self._said: dict[tuple[int, Agent, str], tuple[Statement, ...]] = {}

    def observations(self, recorded: Recorded) -> list[Observation] | str:
        """What a decision relied on, or which of it is not there."""
        found: list[Observation] = []
        for name in recorded.looked_at:
            seen = self._evidenced.find(name)
            if seen is None:
                return f"no evidence of {name.kind} {name.url} as seen at {timestamp(name.observed_at)}"
            found.append(seen)
        return found

    def decide(self, old: Decision, seen: Sequence[Observation], policy: Policy) -> Decision:
        """What follows at that time. Raises UrlError for a URL that can have no origin."""
        return decide(old.intent, self._read(old.intent, seen, policy), policy, stage=old.stage, at=old.decided_at)

    def _read(self, intent: Intent, seen: Sequence[Observation], policy: Policy) -> Reading:
        """``rights.read.read``, with what was parsed before."""
        readers = self._readers.get(policy.digest)
        if readers is None:
            readers = self._readers[policy.digest] = Listeners(readers_for(policy))
        target = Target.of(intent)
        local = gathered(intent, seen, policy.care, readers)
        said = [
            statement.on(target) for one in local for statement in self._statements(one, intent.agent, policy, readers)
        ]
        said.append(operator_statement(policy).on(target))
        said.append(unseen(local, intent.agent, policy.care, readers))
        return join_readings(said)

    def _statements(self, seen: Observation, agent: Agent, policy: Policy, readers: Listeners) -> tuple[Statement, ...]:
        if seen.document.kind is not Kind.WELL_KNOWN:
            return statements((seen,), agent, readers)
        # by identity: the evidence is held as long as this is
        key = (id(seen), agent, policy.digest)
        found = self._said.get(key)
        if found is None:
            found = self._said[key] = statements((seen,), agent, readers)
        return found
