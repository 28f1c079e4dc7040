"""What of a record is signed: keys and their rotations, checkpoints, the manifest, time stamps.

1. A signature counts when it is by a key that is known: one that was given, or took the place of such a one; without
   any given, one that the directory names.
2. Checkpoints are chained, and the manifest names the last one of a run that ended in order.
3. house: ``CLOCK_SLACK`` is allowed between times, because clocks are put right.
4. What does not hold is a finding, and is used no further.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from askfirst.audit.directory import Directory, Run
from askfirst.audit.findings import Verification
from askfirst.audit.stamps import read_stamp
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint
from askfirst.ledger.keys import Rotation, succeeds
from askfirst.ledger.manifest import CLOSED, FILE_NAME, OPENED, Entry
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.rights.wire import digest, timestamp

CLOCK_SLACK = timedelta(seconds=2)
START_SLACK = timedelta(minutes=1)
TREES = ("decisions", "evidence", "items")
_RUN_TIME = re.compile(r"([0-9]{8}T[0-9]{6})Z-")


@dataclass(slots=True)
class SignedRun:
    """A run's checkpoints that hold; ``extra`` is one that was kept elsewhere. ``notes`` are all of its file."""

    run: Run
    checkpoints: list[Checkpoint] = field(default_factory=list)
    notes: list[bytes] = field(default_factory=list)
    extra: Checkpoint | None = None
    opened: Entry | None = None
    closed: Entry | None = None

    @property
    def ended(self) -> bool:
        """Whether it ended in order."""
        return self.closed is not None or any(checkpoint.end for checkpoint in self.checkpoints)

    def sizes(self, tree: str) -> list[int]:
        """The sizes of a tree that a checkpoint signed, rising."""
        extra = [self.extra] if self.extra is not None else []
        return sorted({head_of(checkpoint, tree).size for checkpoint in [*self.checkpoints, *extra]} - {0})

    def covered(self, tree: str) -> int:
        """The largest of them."""
        return max(self.sizes(tree), default=0)

    def earliest(self) -> bytes:
        """Before which nothing was decided: the time in the run's name, which is signed; else when it was opened."""
        told = _RUN_TIME.match(self.run.name)
        opened_at = b"" if self.opened is None else time_bytes(self.opened.at - START_SLACK)
        if told is None:
            return opened_at
        try:
            return time_bytes(datetime.strptime(told[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) - CLOCK_SLACK)
        except ValueError:
            return opened_at  # a name that only looked as if it had a time


class Signatures:
    """Everything signed in a directory; what does not hold is told. ``given`` are keys known from elsewhere."""

    def __init__(self, directory: Directory, given: Sequence[Verifier], told: Verification) -> None:
        self._directory = directory
        self._given = list(given)
        self._told = told
        self.known: list[Verifier] = []
        self.runs: dict[str, SignedRun] = {}

    def read(self) -> None:
        """Reads keys, checkpoints and the manifest. Raises OSError."""
        self._read_keys()
        self._read_checkpoints()
        for path in self._directory.cut_notes():
            self._told.find(self._directory.name_of(path), "truncated: it does not end with an empty line")
        self._read_manifest()

    def check_there(self) -> None:
        """Whether each run has decisions that was signed with some."""
        for name, one in self.runs.items():
            held = max(one.covered("decisions"), 0 if one.closed is None else one.closed.size or 0)
            if held and not one.run.segments:
                self._told.find(f"decisions/{name}", f"is missing: {held} decisions of it were signed")

    def check_times(self, time_roots: bytes | None) -> None:
        """Holds checkpoints against one another and against time stamps. ``time_roots``: PEM of authorities. Raises
        OSError."""
        for one in self.runs.values():
            self._check_notes(one)
            self._check_stamp(one, time_roots)

    def _read_keys(self) -> None:
        rotations = self._read_rotations()
        self._choose_keys(rotations)
        reached = {*self.known}
        for _ in rotations:
            reached |= {key for one in rotations if {one.old, one.new} & reached for key in (one.old, one.new)}
        for number, rotation in enumerate(rotations, start=1):
            if rotation.old not in reached:
                self._told.find(
                    f"keys/rotations.notes note {number}", "added: none of its keys leads to one known here"
                )

    def _read_rotations(self) -> list[Rotation]:
        rotations: list[Rotation] = []
        for number, rotation in self._directory.rotations():
            place = f"keys/rotations.notes note {number}"
            if isinstance(rotation, str):
                self._told.find(place, rotation)
                continue
            if rotation in rotations:
                self._told.find(place, f"duplicated: it is note {rotations.index(rotation) + 1} again")
            rotations.append(rotation)
        return rotations

    def _choose_keys(self, rotations: list[Rotation]) -> None:
        named_here: list[Verifier] = []
        for path, key in self._directory.public_keys():
            if isinstance(key, str):
                self._told.find(self._directory.name_of(path), key)
            else:
                named_here.append(key)
        if not self._given:
            self.known = named_here
            return
        others = [*named_here, *(rotation.old for rotation in rotations), *(rotation.new for rotation in rotations)]
        self.known = list(self._given)
        for key in others:
            if key in self.known:
                continue
            if any(succeeds(key, given, rotations) or succeeds(given, key, rotations) for given in self._given):
                self.known.append(key)
        for key in named_here:
            if key not in self.known:
                self._told.find(f"keys/{key.name}.vkey", "is not a key that was given, nor one that took its place")

    def _read_checkpoints(self) -> None:
        for run in self._directory.runs:
            one = self.runs[run.name] = SignedRun(run, notes=run.notes())
            place = self._directory.name_of(run.notes_path)
            before = ""
            for number, note in enumerate(one.notes, start=1):
                follows, before = before, digest(note)
                try:
                    checkpoint = open_checkpoint(note, self.known)
                except NoteError as error:
                    self._told.find(f"{place} note {number}", str(error))
                    continue
                if checkpoint.run != run.name:
                    self._told.find(f"{place} note {number}", f"is of another run, {checkpoint.run}")
                    continue
                if checkpoint.previous != follows:
                    self._told.find(
                        f"{place} note {number}",
                        "does not follow the checkpoint before it: one was dropped, added or moved",
                    )
                one.checkpoints.append(checkpoint)
            self._told.checkpoints += len(one.checkpoints)
            self._told.runs += bool(run.segments)

    def _read_manifest(self) -> None:
        entries = self._directory.manifest()
        for number, entry in entries:
            place = f"{FILE_NAME} line {number}"
            if isinstance(entry, str):
                self._told.find(place, entry)
                continue
            if entry.key not in self.known:
                self._told.find(place, f"is signed by {entry.key.name}, which is not a key that is known here")
            one = self.runs.get(entry.run)
            if one is None:
                self.runs[entry.run] = one = SignedRun(Run(entry.run, self._directory.out, ()))
            if entry.event == OPENED:
                if one.opened is not None:
                    self._told.find(place, f"opens {entry.run} a second time")
                one.opened = entry
            elif entry.event == CLOSED:
                if one.opened is None:
                    self._told.find(place, f"closes {entry.run}, which no line before opens")
                one.closed = entry
        for name, one in self.runs.items():
            self._check_listed(name, one, is_there=bool(entries) or bool(one.notes))
        if not any(isinstance(entry, str) for _, entry in entries):
            self._check_length()

    def _check_length(self) -> None:
        """Whether each line is there that was the last when a checkpoint was signed."""
        lines = self._directory.manifest_digests()
        for name, one in self.runs.items():
            if any(checkpoint.manifest not in lines for checkpoint in one.checkpoints if checkpoint.manifest):
                self._told.find(
                    FILE_NAME, f"lacks a line that was there when a checkpoint of {name} was signed: it was cut off"
                )
                return

    def _check_listed(self, name: str, one: SignedRun, *, is_there: bool) -> None:
        if one.opened is None and is_there:
            self._told.find(FILE_NAME, f"does not list the run {name}")
        last = one.notes[-1] if one.notes else b""
        closed = one.closed
        if closed is None:
            if one.checkpoints and one.checkpoints[-1].end:
                self._told.said.append(
                    f"{FILE_NAME} does not say that the run {name} ended, though its last checkpoint does, which "
                    "vouches for all of it: the run was killed between the two, or a line was cut off"
                )
            return
        place = self._directory.name_of(one.run.notes_path)
        if closed.checkpoint != digest(last):
            self._told.find(place, f"does not end with the checkpoint that {FILE_NAME} names")
        elif one.checkpoints and closed.size != one.checkpoints[-1].decisions.size:
            self._told.find(FILE_NAME, f"says that {name} holds {closed.size} decisions, its last checkpoint not")

    def _check_notes(self, one: SignedRun) -> None:
        place = self._directory.name_of(one.run.notes_path)
        before: Checkpoint | None = None
        for number, checkpoint in enumerate(one.checkpoints, start=1):
            here = f"{place} note {number}"
            if before is not None:
                if checkpoint.at < before.at - CLOCK_SLACK:
                    self._told.find(here, "back-dated: it is earlier than the checkpoint before it")
                if any(head_of(checkpoint, tree).size < head_of(before, tree).size for tree in TREES):
                    self._told.find(here, "holds less than the checkpoint before it: reordered, or of another record")
                if before.end:
                    self._told.find(here, "comes after the last one of the run")
                if checkpoint == before:
                    self._told.find(here, "duplicated")
            elif one.opened is not None and checkpoint.at < one.opened.at - CLOCK_SLACK:
                self._told.find(here, "back-dated: it is earlier than its run was opened")
            before = checkpoint

    def _check_stamp(self, one: SignedRun, time_roots: bytes | None) -> None:
        path = one.run.stamp_path
        if not path.exists():
            return
        place = self._directory.name_of(path)
        if not one.notes or not one.ended:
            self._told.find(place, "is of a run that did not end")
            return
        stamp = read_stamp(path.read_bytes(), one.notes[-1], time_roots)
        if stamp.fault is not None:
            self._told.find(place, stamp.fault)
        elif stamp.at is not None:
            by = "an authority under the given roots" if stamp.is_checked else "an authority not checked: --time-roots"
            self._told.said.append(f"{place}: {timestamp(stamp.at)}, by {by}")
        elif stamp.cannot is not None:
            self._told.said.append(f"{place}: {stamp.cannot}")

    def read_kept(self, note: bytes) -> None:
        """Takes a checkpoint that was kept elsewhere among those of its run."""
        try:
            kept = open_checkpoint(note, self.known)
        except NoteError as error:
            self._told.find("the checkpoint that was kept", str(error))
            return
        one = self.runs.get(kept.run)
        if one is None:
            self._told.find("the checkpoint that was kept", f"is of the run {kept.run}, which is not here")
            return
        one.extra = kept
        self._told.said.append(
            f"the checkpoint that was kept is of {timestamp(kept.at)}, of {kept.run}, {kept.decisions.size} decisions, "
            f"signed by {kept.key_name}"
        )


def head_of(checkpoint: Checkpoint, tree: str) -> Head:
    """What a checkpoint signed of a tree."""
    if tree == "decisions":
        return checkpoint.decisions
    return checkpoint.evidence if tree == "evidence" else checkpoint.items


def time_bytes(at: datetime) -> bytes:
    """As decisions write it, to the microsecond."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
