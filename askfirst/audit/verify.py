"""``askfirst audit verify``: everything that was signed is computed again, and what is not as it was signed is named.

1. What proves is a signed root. The eight bytes a leaf that ``leaves/`` holds only say where to look: where they were
   altered as well, a change is narrowed down to what lies between two checkpoints.
2. What a killed run wrote after its last checkpoint is there and vouched for by nobody: that is said, and no finding.
   What ended in order is signed to its end, and the manifest holds its last checkpoint.
3. Times: a checkpoint is not earlier than the one before it, a record not later than the checkpoint over it nor earlier
   than its run. house: ``CLOCK_SLACK`` is allowed, because clocks are put right.
4. Nothing here raises on content. What cannot be read is a finding.
5. Large directories are read by as many processes as there are processors; the parent joins subtrees.

It is one thing, of over 400 lines: every part of a directory is held against the same checkpoints.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from askfirst.audit.differences import PREFIX_BYTES, Change, What, changes
from askfirst.audit.directory import Directory, Run
from askfirst.audit.evidence_scan import EvidenceJob, EvidenceScan
from askfirst.audit.findings import Verification, named
from askfirst.audit.fingerprints import Fingerprints, fingerprint, split_prints
from askfirst.audit.noted import Noted
from askfirst.audit.scanning import scanned
from askfirst.audit.segment_scan import (
    SEGMENT_LINES,
    Job,
    Scan,
    id_fingerprint,
    kept_fingerprint,
    lines_naming,
    noted_leaves,
    scan,
)
from askfirst.audit.stamps import read_stamp
from askfirst.items import TABLE_NAME, Item, Withdrawal, line_of, read_items
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint
from askfirst.ledger.growing import ROOTS_SUFFIX
from askfirst.ledger.keys import Rotation, succeeds
from askfirst.ledger.manifest import CLOSED, FILE_NAME, OPENED, Entry
from askfirst.ledger.merkle import Tree, leaf_hash
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.lookup import decision_of_item
from askfirst.rights.wire import digest, timestamp
from askfirst.sealed import SealedError

CLOCK_SLACK = timedelta(seconds=2)
START_SLACK = timedelta(minutes=1)
PARALLEL_FROM = 3
"""Segments of a directory from which further processes are worth their start."""
AHEAD = 6
"""Segments and files that may be read before the one that is waited for."""
UNSIGNED_MOST = 8_192
"""What a run can have written before its first checkpoint."""
MOST_NAMED_LOOKS = 20
_RUN_TIME = re.compile(r"([0-9]{8}T[0-9]{6})Z-")
_MOST_HEAD_BYTES = 1 << 20
_TREES = ("decisions", "evidence", "items")
_THEMSELVES = {
    "decisions": "the decisions themselves are as they were signed",
    "evidence": "the evidence itself is as it was signed",
    "items": "the items themselves are as they were signed",
}
Progress = Callable[[int], None]


def verify(
    directory: Path,
    *,
    keys: Sequence[Verifier] = (),
    checkpoint: bytes | None = None,
    time_roots: bytes | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Verification:
    """What is wrong with a record. ``keys`` are those that are known from elsewhere: without any, those that the
    directory itself names. ``checkpoint`` is a note that was kept from earlier. ``progress`` is told of records read.
    Raises SettingsError when it is no output directory."""
    verifying = _Verifying(Directory(directory), keys, progress or (lambda _read: None), workers)
    return verifying.all(checkpoint, time_roots)


@dataclass(slots=True)
class _Trees:
    """A run's checkpoints that hold, and what its trees have at their sizes."""

    run: Run
    checkpoints: list[Checkpoint] = field(default_factory=list)
    notes: list[bytes] = field(default_factory=list)
    extra: Checkpoint | None = None
    opened: Entry | None = None
    closed: Entry | None = None

    @property
    def ended(self) -> bool:
        return self.closed is not None or any(checkpoint.end for checkpoint in self.checkpoints)

    def sizes(self, tree: str) -> list[int]:
        extra = [self.extra] if self.extra is not None else []
        return sorted({_head(checkpoint, tree).size for checkpoint in [*self.checkpoints, *extra]} - {0})

    def covered(self, tree: str) -> int:
        return max(self.sizes(tree), default=0)

    def earliest(self) -> bytes:
        """Before which nothing was decided: the time in the run's name, which is signed; else when it was opened."""
        told = _RUN_TIME.match(self.run.name)
        opened_at = b"" if self.opened is None else _time_bytes(self.opened.at - START_SLACK)
        if told is None:
            return opened_at
        try:
            return _time_bytes(datetime.strptime(told[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) - CLOCK_SLACK)
        except ValueError:
            return opened_at  # a name that only looked as if it had a time


class _Verifying:
    def __init__(self, directory: Directory, keys: Sequence[Verifier], progress: Progress, workers: int | None) -> None:
        self._directory = directory
        self._given = list(keys)
        self._progress = progress
        self._workers = workers if workers is not None else os.cpu_count() or 1
        self._told = Verification(keys_are_given=bool(keys))
        self._known: list[Verifier] = []
        self._looks = Fingerprints()
        self._kept = Fingerprints()
        self._ids = Fingerprints()
        self._named_looks = 0
        self._has_items = any((directory.out / "items").glob("*.jsonl"))

    def all(self, checkpoint: bytes | None, time_roots: bytes | None) -> Verification:
        told = self._told
        try:
            self._read_keys()
            trees = self._read_checkpoints()
            for path in self._directory.cut_notes():
                told.find(self._name(path), "truncated: it does not end with an empty line")
            self._read_manifest(trees)
            if checkpoint is not None:
                self._read_kept_note(checkpoint, trees)
            for one in trees.values():
                self._check_notes(one)
                self._check_stamp(one, time_roots)
            self._check_scanned(trees)
            for one in trees.values():
                self._check_item_lines(one)
            self._check_table(trees)
        except OSError as error:
            told.find(self._name(Path(error.filename or self._directory.out)), f"cannot be read: {error.strerror}")
        finally:
            for prints in (self._looks, self._kept, self._ids):
                prints.close()
        told.keys = sorted({verifier.vkey for verifier in self._known})
        if not told.checkpoints and not (self._directory.out / FILE_NAME).exists():
            told.is_signed = False
        elif not self._given:
            names = ", ".join(sorted({verifier.name for verifier in self._known})) or "none"
            told.said.append(
                f"the keys are those that the directory itself names ({names}); compare them, or give --key"
            )
        return told

    def _name(self, path: Path) -> str:
        try:
            return path.relative_to(self._directory.out).as_posix()
        except ValueError:
            return str(path)

    # -- keys, notes, manifest -----------------------------------------------------------------------------------------

    def _read_keys(self) -> None:
        rotations = self._read_rotations()
        self._choose_keys(rotations)
        reached = {*self._known}
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
                self._told.find(self._name(path), key)
            else:
                named_here.append(key)
        if not self._given:
            self._known = named_here
            return
        others = [*named_here, *(rotation.old for rotation in rotations), *(rotation.new for rotation in rotations)]
        self._known = list(self._given)
        for key in others:
            if key in self._known:
                continue
            if any(succeeds(key, given, rotations) or succeeds(given, key, rotations) for given in self._given):
                self._known.append(key)
        for key in named_here:
            if key not in self._known:
                self._told.find(f"keys/{key.name}.vkey", "is not a key that was given, nor one that took its place")

    def _read_checkpoints(self) -> dict[str, _Trees]:
        found: dict[str, _Trees] = {}
        for run in self._directory.runs:
            one = found[run.name] = _Trees(run, notes=run.notes())
            place = self._name(run.notes_path)
            before = ""
            for number, note in enumerate(one.notes, start=1):
                follows, before = before, digest(note)
                try:
                    checkpoint = open_checkpoint(note, self._known)
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
        return found

    def _read_manifest(self, trees: dict[str, _Trees]) -> None:
        entries = self._directory.manifest()
        for number, entry in entries:
            place = f"{FILE_NAME} line {number}"
            if isinstance(entry, str):
                self._told.find(place, entry)
                continue
            if entry.key not in self._known:
                self._told.find(place, f"is signed by {entry.key.name}, which is not a key that is known here")
            one = trees.get(entry.run)
            if one is None:
                trees[entry.run] = one = _Trees(Run(entry.run, self._directory.out, ()))
            if entry.event == OPENED:
                if one.opened is not None:
                    self._told.find(place, f"opens {entry.run} a second time")
                one.opened = entry
            elif entry.event == CLOSED:
                if one.opened is None:
                    self._told.find(place, f"closes {entry.run}, which no line before opens")
                one.closed = entry
        for name, one in trees.items():
            self._check_listed(name, one, is_there=bool(entries) or bool(one.notes))

    def _check_listed(self, name: str, one: _Trees, *, is_there: bool) -> None:
        if one.opened is None and is_there:
            self._told.find(FILE_NAME, f"does not list the run {name}")
        if one.opened is not None and not one.run.segments and (one.closed is not None or one.notes):
            self._told.find(f"decisions/{name}", f"is missing: {FILE_NAME} lists the run")
        last = one.notes[-1] if one.notes else b""
        closed = one.closed
        if closed is None:
            if one.checkpoints and one.checkpoints[-1].end:
                self._told.find(
                    FILE_NAME,
                    f"does not say that the run {name} ended, though its last checkpoint does: a line was cut off",
                )
            return
        place = self._name(one.run.notes_path)
        if closed.checkpoint != digest(last):
            self._told.find(place, f"does not end with the checkpoint that {FILE_NAME} names")
        elif one.checkpoints and closed.size != one.checkpoints[-1].decisions.size:
            self._told.find(FILE_NAME, f"says that {name} holds {closed.size} decisions, its last checkpoint not")

    def _check_notes(self, one: _Trees) -> None:
        place = self._name(one.run.notes_path)
        before: Checkpoint | None = None
        for number, checkpoint in enumerate(one.checkpoints, start=1):
            here = f"{place} note {number}"
            if before is not None:
                if checkpoint.at < before.at - CLOCK_SLACK:
                    self._told.find(here, "back-dated: it is earlier than the checkpoint before it")
                if any(_head(checkpoint, tree).size < _head(before, tree).size for tree in _TREES):
                    self._told.find(here, "holds less than the checkpoint before it: reordered, or of another record")
                if before.end:
                    self._told.find(here, "comes after the last one of the run")
                if checkpoint == before:
                    self._told.find(here, "duplicated")
            elif one.opened is not None and checkpoint.at < one.opened.at - CLOCK_SLACK:
                self._told.find(here, "back-dated: it is earlier than its run was opened")
            before = checkpoint

    def _check_stamp(self, one: _Trees, time_roots: bytes | None) -> None:
        path = one.run.stamp_path
        if not path.exists():
            return
        place = self._name(path)
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

    def _read_kept_note(self, note: bytes, trees: dict[str, _Trees]) -> None:
        try:
            kept = open_checkpoint(note, self._known)
        except NoteError as error:
            self._told.find("the checkpoint that was kept", str(error))
            return
        one = trees.get(kept.run)
        if one is None:
            self._told.find("the checkpoint that was kept", f"is of the run {kept.run}, which is not here")
            return
        one.extra = kept
        self._told.said.append(
            f"the checkpoint that was kept is of {timestamp(kept.at)}, of {kept.run}, {kept.decisions.size} decisions, "
            f"signed by {kept.key_name}"
        )

    # -- trees ---------------------------------------------------------------------------------------------------------

    def _judge(self, one: _Trees, tree: str, roots: dict[int, bytes], count: int) -> tuple[int, int] | None:
        """Compares the roots; the range of leaves in which the first difference lies, or None."""
        file = {"decisions": f"decisions/{one.run.name}", "evidence": self._name(one.run.evidence)}.get(
            tree, self._name(one.run.items)
        )
        good = 0
        for checkpoint in one.checkpoints:
            head = _head(checkpoint, tree)
            if head.size > count:
                return good, head.size
            if head.size == 0:
                if head != Head():
                    self._told.find(file, f"the checkpoint of {timestamp(checkpoint.at)} has a root over nothing")
            elif roots.get(head.size) != head.root:
                return good, head.size
            good = head.size
        if one.extra is not None:
            head = _head(one.extra, tree)
            if head.size and (head.size > count or roots.get(head.size) != head.root):
                self._told.find(file, "is not what the checkpoint that was kept signed: it was written anew since")
        return None

    def _say_range(self, file: str, kind: str, bad: tuple[int, int], count: int) -> None:
        good, size = bad
        if count < size:
            self._told.find(
                f"{file} (leaves {count} to {size - 1})",
                f"truncated: {count} {kind} are there of the {size} that a checkpoint signed",
            )
        if count > good:
            self._told.find(
                f"{file} (leaves {good} to {min(size, count) - 1})",
                "one or more between these two checkpoints were altered, dropped, reordered or added",
            )

    def _compare(self, one: _Trees, tree: str, file: str, kind: str, roots: dict[int, bytes], now: bytes) -> None:
        """Evidence and items, which are one file a run, with what was signed and what was noted."""
        count = len(now) // PREFIX_BYTES
        bad = self._judge(one, tree, roots, count)
        noted = noted_leaves(one.run.leaves_path(tree), 0, None)
        covered = one.covered(tree)
        found = [] if noted is None else changes(noted, now)
        self._tell_changes(one, tree, file, kind, bad, count, [(0, change) for change in found], covered)
        if not one.ended and count > covered and one.checkpoints:
            more = count - covered
            self._told.said.append(f"{file}: {more} {tree} after the last checkpoint are vouched for by nobody")

    def _tell_noted(self, tree: str, names: Iterable[str]) -> None:
        for name in names:
            self._told.find(f"leaves/{name}", f"altered; {_THEMSELVES[tree]}: delete it")

    def _tell_changes(
        self,
        one: _Trees,
        tree: str,
        file: str,
        kind: str,
        bad: tuple[int, int] | None,
        count: int,
        found: Sequence[tuple[int, Change]],
        covered: int,
    ) -> None:
        explained = False
        for first, change in found:
            where = first + change.place
            # one more in a run that ended with its checkpoint was not dropped: it was never there
            if bad is None and (where < covered or (one.ended and count == covered)):
                self._told.find(
                    f"leaves/{one.run.name}.{tree} leaf {where}",
                    f"altered; {_THEMSELVES[tree]}",
                )
                return
            if where >= covered and change.what is What.ADDED and not one.ended:
                continue  # written when it was killed, and not noted any more
            if bad is None and not one.ended and change.what is not What.DROPPED:
                continue  # vouched for by nobody
            finding = named(change, file, kind, first, first)
            self._told.find(finding.place, finding.what)
            explained = True
        if bad is not None and not explained:
            self._say_range(file, tree, bad, count)

    # -- evidence ------------------------------------------------------------------------------------------------------

    def _check_evidence(self, one: _Trees, found: EvidenceScan) -> None:
        path = one.run.evidence
        file = self._name(path)
        if not path.exists():
            if one.covered("evidence"):
                self._told.find(file, f"is missing: checkpoints signed {one.covered('evidence')} records of evidence")
            return
        before = len(self._told.findings)
        for where, what in found.faults:
            self._told.find(f"{file} {where}", what)
        if found.torn_at is not None:
            self._told.said.append(f"{file} at byte {found.torn_at}: the last record is cut short")
        self._looks.add(split_prints(found.prints))
        self._told.evidence += found.count
        self._compare(one, "evidence", file, "record", found.roots, found.prefixes)
        if len(self._told.findings) == before:
            for where, what in found.index:
                self._told.find(f"{self._name(path.with_suffix('.cdxj'))} {where}", what)
            self._tell_noted("evidence", found.noted)

    # -- decisions -----------------------------------------------------------------------------------------------------

    def _check_scanned(self, trees: dict[str, _Trees]) -> None:
        """Evidence and decisions; of these it is asked whether what they looked at is among the evidence."""
        jobs = [(one, job) for one in trees.values() for job in self._jobs(one)]
        evidence = [
            EvidenceJob(
                one.run.evidence,
                one.run.leaves_path("evidence"),
                frozenset(one.sizes("evidence")),
                one.covered("evidence"),
                ended=one.ended,
            )
            for one in trees.values()
        ]
        found = self._scans([*evidence, *(job for _, job in jobs)])
        for one, told in zip(trees.values(), islice(found, len(evidence)), strict=True):
            self._check_evidence(one, cast("EvidenceScan", told))
        joined: dict[str, _Joined] = {}
        for (one, _), told in zip(jobs, found, strict=True):
            state = joined.setdefault(one.run.name, _Joined())
            self._join(one, state, cast("Scan", told))
            self._progress(cast("Scan", told).count)
        for name, state in joined.items():
            self._tell_decisions(trees[name], state)

    def _jobs(self, one: _Trees) -> Iterator[Job]:
        segments = one.run.segments
        for segment, following in zip(segments, [*segments[1:], None], strict=False):
            first = segment.first
            end = None if following is None else following.first
            sizes = [size - first for size in one.sizes("decisions") if size > first and (end is None or size <= end)]
            windows = [
                (checkpoint.decisions.size - first, _time_bytes(checkpoint.at + CLOCK_SLACK))
                for checkpoint in one.checkpoints
                if checkpoint.decisions.size > first
            ]
            reach = next((n for n, (size, _) in enumerate(windows) if size >= SEGMENT_LINES), len(windows))
            yield Job(
                segment,
                None if end is None else end - first,
                tuple(sizes),
                tuple(windows[: reach + 1]),
                one.earliest(),
                one.run.leaves_path("decisions"),
                self._has_items,
            )

    def _scans(self, jobs: Sequence[EvidenceJob | Job]) -> Iterator[EvidenceScan | Scan]:
        """What each of them finds, in their order."""
        workers = min(self._workers, len(jobs))
        if workers < 2 or sum(isinstance(job, Job) for job in jobs) < PARALLEL_FROM:
            yield from map(scanned, jobs)
            return
        # spawn: the parent may have threads, which a fork would leave in the middle of what they do
        context = multiprocessing.get_context("spawn")
        # no collector there: a scan makes millions of objects and no circles
        with ProcessPoolExecutor(workers, mp_context=context, initializer=gc.disable) as pool:
            waiting: deque[Future[EvidenceScan | Scan]] = deque()
            left = iter(jobs)
            done = 0
            try:
                while True:
                    waiting.extend(pool.submit(scanned, job) for job in islice(left, workers + AHEAD - len(waiting)))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
                    done += 1
            except BrokenProcessPool:
                # a process was ended from outside: what is left is read here
                yield from map(scanned, jobs[done:])

    def _join(self, one: _Trees, state: _Joined, found: Scan) -> None:
        job = found.job
        file = self._name(job.segment.path)
        for fault in found.faults:
            self._told.find(file, fault)
        if found.unreadable is not None:
            self._told.find(file, f"cannot be read: {found.unreadable.removeprefix(f'{job.segment.path}: ')}")
            state.is_broken = True
            return
        first = job.segment.first
        if first > state.next_first:
            self._told.find(
                f"decisions/{one.run.name} (leaves {state.next_first} to {first - 1})", "a segment is missing"
            )
            state.is_explained = True
        state.next_first = first + (found.count if job.expected is None else job.expected)
        state.files.append((state.tree.size, file, first))
        sizes = one.sizes("decisions")
        if found.hashes is not None or state.tree.size % SEGMENT_LINES:
            self._join_leaf_by_leaf(state, found, set(sizes))
        else:
            for size, some in found.at_sizes.items():
                state.roots[state.tree.size + size] = _with_peaks(state.tree, some).root()
            state.tree = _with_peaks(state.tree, found.peaks)
        state.changes += [(file, first, change) for change in found.changes]
        state.has_other_roots = state.has_other_roots or found.has_other_roots
        if job.expected is not None and found.count != job.expected and not found.changes:
            self._told.find(file, f"holds {found.count} lines, not {job.expected}")
        if found.plain_differs:
            plain = self._name(job.segment.path.with_suffix(".jsonl"))
            self._told.find(plain, "is not what the sealed segment beside it holds, which is read instead: delete it")
        if found.torn_bytes:
            state.torn = f"{file} line {found.count + 1} is cut short ({found.torn_bytes} bytes)", first + found.count
        for position, at in found.late[:MOST_NAMED_LOOKS]:
            self._told.find(
                f"{file} line {position + 1} (leaf {first + position})",
                f"back-dated: it was decided later than the checkpoint over it, of {at.decode()}",
            )
        for position in found.early[:MOST_NAMED_LOOKS]:
            self._told.find(
                f"{file} line {position + 1} (leaf {first + position})",
                "back-dated: it was decided before its run began",
            )
        self._told.records += found.count
        self._kept.add(found.kept)
        self._ids.add(found.ids)
        self._name_missing(found, file, first)

    def _join_leaf_by_leaf(self, state: _Joined, found: Scan, sizes: set[int]) -> None:
        """Where a segment does not stand at its place."""
        if found.hashes is None:
            again = scan(Job(found.job.segment, None, (), (), b"", Path(os.devnull), with_items=False))
            hashes = again.hashes or b"".join(leaf_hash(line) for line in found.job.segment.lines())
        else:
            hashes = found.hashes
        for start in range(0, len(hashes), 32):
            state.tree.append(hashes[start : start + 32])
            if state.tree.size in sizes:
                state.roots[state.tree.size] = state.tree.root()

    def _name_missing(self, found: Scan, file: str, first: int) -> None:
        missing = self._looks.missing(found.names)
        if not missing:
            return
        if self._named_looks < MOST_NAMED_LOOKS:  # reading a segment again takes time
            for position, name in islice(_naming(found, missing), MOST_NAMED_LOOKS - self._named_looks):
                self._named_looks += 1
                told = f'{{"digest":{name.decode("utf-8", "replace")}}}'
                self._told.find(
                    f"{file} line {position + 1} (leaf {first + position})",
                    f"relies on evidence that is not there: {told}",
                )
        self._told.find(file, f"{len(missing)} observations that it relies on are not in the evidence")

    def _tell_decisions(self, one: _Trees, state: _Joined) -> None:
        count, covered = state.tree.size, one.covered("decisions")
        name = f"decisions/{one.run.name}"
        if state.is_broken:
            return
        bad = self._judge(one, "decisions", state.roots, count)
        explained = state.is_explained
        for file, first, change in state.changes:
            where = first + change.place
            before = len(self._told.findings)
            self._tell_changes(one, "decisions", file, "line", bad, count, [(first, change)], covered)
            explained = explained or len(self._told.findings) > before or where >= covered
        if bad is None and not state.changes and state.has_other_roots:
            self._tell_noted("decisions", [f"{one.run.name}.decisions{ROOTS_SUFFIX}"])
        if bad is not None and not explained:
            files = [file for start, file, _ in state.files if start <= max(bad[0], 0)]
            self._say_range(files[-1] if files else name, "decisions", bad, count)
        if state.torn is not None:
            if one.ended or count < covered:
                line, leaf = state.torn
                self._told.find(line.split(" is cut")[0] + f" (leaf {leaf})", "truncated")
            else:
                self._told.said.append(f"{state.torn[0]}: its run was stopped in the middle")
        if not one.checkpoints and count:
            if one.notes or one.closed is not None or count > UNSIGNED_MOST:
                self._told.find(self._name(one.run.notes_path), f"nothing that holds vouches for {count} decisions")
            elif one.opened is not None:
                self._told.said.append(f"{name}: {count} records before any checkpoint are vouched for by nobody")
        elif count > covered:
            if one.ended and not explained:
                self._told.find(
                    f"{name} (leaves {covered} to {count - 1})", "added after the last checkpoint of the run"
                )
            elif not one.ended:
                self._told.said.append(
                    f"{name}: {count - covered} records after the last checkpoint are vouched for by nobody"
                )

    # -- items ---------------------------------------------------------------------------------------------------------

    def _check_item_lines(self, one: _Trees) -> None:
        path = one.run.items
        file = self._name(path)
        if not path.exists():
            if one.covered("items"):
                self._told.find(file, f"is missing: checkpoints signed {one.covered('items')} lines of items")
            return
        sizes = set(one.sizes("items"))
        roots: dict[int, bytes] = {}
        noted = Noted(one.run.leaves_path("items"))
        before = len(self._told.findings)
        for line in self._item_lines(one, path):
            noted.add(leaf_hash(line), len(line) + 1, record_id=decision_of_item(line), name="")
            if noted.size in sizes:
                roots[noted.size] = noted.root()
        self._told.items += noted.size
        self._compare(one, "items", file, "line", roots, bytes(noted.prefixes))
        if len(self._told.findings) == before:
            self._tell_noted("items", noted.faults())

    def _item_lines(self, one: _Trees, path: Path) -> Iterator[bytes]:
        file = self._name(path)
        opened: dict[str, BinaryIO] = {}
        try:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.endswith(b"\n"):
                        if one.ended or number <= one.covered("items"):
                            self._told.find(f"{file} line {number} (leaf {number - 1})", "truncated")
                        else:
                            self._told.said.append(f"{file} line {number} is cut short: its run was stopped")
                        break
                    fault = self._item_fault(line, opened)
                    if fault is not None:
                        self._told.find(f"{file} line {number} (leaf {number - 1})", fault)
                    yield line[:-1]
        finally:
            for warc in opened.values():
                warc.close()

    def _item_fault(self, line: bytes, opened: dict[str, BinaryIO]) -> str | None:
        """What is wrong with an item by itself and with its decision."""
        try:
            item = _item.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            try:
                gone = _withdrawal.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                return f"is no item: {error}"
            known = id_fingerprint(gone.decision_id.removeprefix("sha256:").encode()) in self._ids
            return None if known else f"withdraws {gone.url} without a decision"
        decision_id = item.decision_id.removeprefix("sha256:").encode()
        if kept_fingerprint(decision_id, item.sha256.encode()) not in self._kept:
            return f"{item.url} is kept without a decision that allows it and looked at these bytes"
        return self._bytes_fault(item, opened)

    def _bytes_fault(self, item: Item, opened: dict[str, BinaryIO]) -> str | None:
        where = f"{item.warc} at byte {item.warc_offset}"
        path = self._directory.out / item.warc
        if not item.warc.startswith("warc/") or ".." in Path(item.warc).parts:
            return f"names {item.warc!r}, which is no file of this directory"
        try:
            if item.warc not in opened:
                opened[item.warc] = path.open("rb")
            opened[item.warc].seek(item.warc_offset)
            member = opened[item.warc].read(item.warc_bytes)
        except (OSError, ValueError):
            return f"{where} cannot be read"
        if len(member) != item.warc_bytes:
            return f"{where}: the kept bytes are cut short"
        if item.warc_sha256 and hashlib.sha256(member).hexdigest() != item.warc_sha256:
            return f"{where}: the kept bytes were altered"
        try:
            unpacking = zlib.decompressobj(wbits=31)
            told = unpacking.decompress(member, item.bytes + _MOST_HEAD_BYTES)
        except (zlib.error, ValueError, OverflowError):
            return f"{where}: the kept record cannot be unpacked"
        body = told.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n\r\n")
        if hashlib.sha256(body).hexdigest() != item.sha256 or len(body) != item.bytes:
            return f"{where}: the kept body is not the one of the item"
        return None

    def _check_table(self, trees: dict[str, _Trees]) -> None:
        """The table is made of the lines of every run that ended; a killed run's lines are not in it yet."""
        path = self._directory.out / TABLE_NAME
        if not path.exists():
            return
        ended = all(one.ended for one in trees.values())
        lines = (line_of(item) for item in read_items(self._directory.out, note=lambda _text: None))
        rows = _rows_of(path)
        try:
            for where, what in wrong_statistics(path):
                self._told.find(f"{TABLE_NAME} {where}", what)
            if not ended:
                held = Fingerprints()
                held.add(fingerprint(line) for line in self._every_item_line())
                for number, row in enumerate(rows, start=1):
                    if fingerprint(row) not in held:
                        self._told.find(f"{TABLE_NAME} row {number}", "is no line of items/")
                held.close()
                return
            number = 0
            for number, row in enumerate(rows, start=1):
                line = next(lines, None)
                if line != row:
                    self._told.find(f"{TABLE_NAME} row {number}", "is not what the lines of items/ say")
                    return
            if next(lines, None) is not None:
                self._told.find(TABLE_NAME, f"holds {number} rows, the lines of items/ more")
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            self._told.find(TABLE_NAME, f"cannot be read: {' '.join(str(error).split())[:200]}")

    def _every_item_line(self) -> Iterator[bytes]:
        for path in sorted((self._directory.out / "items").glob("*.jsonl")):
            with path.open("rb") as file:
                yield from file


@dataclass(slots=True)
class _Joined:
    """A run's tree of decisions while its segments come in."""

    tree: Tree = field(default_factory=Tree)
    roots: dict[int, bytes] = field(default_factory=dict)
    next_first: int = 0
    files: list[tuple[int, str, int]] = field(default_factory=list)
    changes: list[tuple[str, int, Change]] = field(default_factory=list)
    torn: tuple[str, int] | None = None
    has_other_roots: bool = False
    is_broken: bool = False
    is_explained: bool = False


_item = msgspec.json.Decoder(Item)
_withdrawal = msgspec.json.Decoder(Withdrawal)


def wrong_statistics(path: Path) -> Iterator[tuple[str, str]]:
    """Row groups and columns of a Parquet file whose noted range is not that of their values: a reader that filters
    passes them over. Raises what Arrow raises."""
    with pq.ParquetFile(path) as table:
        for number in range(table.num_row_groups):
            described = table.metadata.row_group(number)
            for place in range(described.num_columns):
                column = described.column(place)
                noted = column.statistics
                if noted is None or "." in column.path_in_schema:
                    continue  # none, or of a list, by which no reader filters
                values = table.read_row_group(number, columns=[column.path_in_schema]).column(0)
                real = pc.min_max(values)
                differs = noted.has_min_max and (noted.min, noted.max) != (real["min"].as_py(), real["max"].as_py())
                if differs or (noted.has_null_count and noted.null_count != values.null_count):
                    where = f"row group {number + 1}, column {column.path_in_schema}"
                    yield where, "its statistics are not those of its values, which misleads readers that filter"


def _rows_of(path: Path) -> Iterator[bytes]:
    """The rows of the table as lines of items. Raises what Arrow and msgspec raise."""
    with pq.ParquetFile(path, page_checksum_verification=True) as table:
        for batch in table.iter_batches(1_000):
            for row in batch.to_pylist():
                yield line_of(msgspec.convert(row, Item))


def _naming(found: Scan, missing: set[bytes]) -> Iterator[tuple[int, bytes]]:
    try:
        yield from lines_naming(found.job.segment, missing)
    except (OSError, SealedError):
        return  # it was read a moment ago; that it cannot be now does not make it less wrong


def _head(checkpoint: Checkpoint, tree: str) -> Head:
    if tree == "decisions":
        return checkpoint.decisions
    return checkpoint.evidence if tree == "evidence" else checkpoint.items


def _with_peaks(tree: Tree, some: Iterable[tuple[bytes, int]]) -> Tree:
    grown = tree.copy()
    for root, height in some:
        grown.append_perfect(root, height)
    return grown


def _time_bytes(at: datetime) -> bytes:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
