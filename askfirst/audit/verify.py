"""``askfirst audit verify``: everything that was signed is computed again, and what is not as it was signed is named.

1. What proves is a signed root. The eight bytes a leaf that ``leaves/`` holds only say where to look: where they were
   altered as well, a change is narrowed down to what lies between two checkpoints.
2. What a killed run wrote after its last checkpoint is there and vouched for by nobody: that is said, and no finding.
   What ended in order is signed to its end, and the manifest holds its last checkpoint.
3. A record is not later than the checkpoint over it nor earlier than its run.
4. Nothing here raises on content. What cannot be read is a finding.
5. Large directories are read by as many processes as there are processors; the parent joins subtrees.

What is signed is read by ``signed``, what was kept by ``kept``; segments and evidence are scanned by ``scanning``. This
is one thing of over 400 lines: trees are joined, held against what was signed, and what differs is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import cast

from askfirst.audit.differences import PREFIX_BYTES, Change, What, changes
from askfirst.audit.directory import Directory
from askfirst.audit.evidence_scan import EvidenceJob, EvidenceScan
from askfirst.audit.findings import Verification, named
from askfirst.audit.fingerprints import Fingerprints, split_prints
from askfirst.audit.kept import KeptItems
from askfirst.audit.noted import Noted
from askfirst.audit.scanning import scanned
from askfirst.audit.segment_scan import SEGMENT_LINES, Job, Scan, lines_naming, noted_leaves, scan
from askfirst.audit.signed import CLOCK_SLACK, Signatures, SignedRun, head_of, time_bytes
from askfirst.ledger.checkpoints import Head
from askfirst.ledger.growing import ROOTS_SUFFIX
from askfirst.ledger.manifest import FILE_NAME
from askfirst.ledger.merkle import Tree, leaf_hash
from askfirst.ledger.notes import Verifier
from askfirst.lookup import decision_of_item
from askfirst.processes import in_order
from askfirst.rights.wire import timestamp
from askfirst.sealed import SealedError

PARALLEL_FROM = 3
"""Segments of a directory from which further processes are worth their start."""
AHEAD = 6
"""Segments and files that may be read before the one that is waited for."""
UNSIGNED_MOST = 8_192
"""What a run can have written before its first checkpoint."""
MOST_NAMED_LOOKS = 20
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


class _Verifying:
    def __init__(self, directory: Directory, keys: Sequence[Verifier], progress: Progress, workers: int | None) -> None:
        self._directory = directory
        self._progress = progress
        self._workers = workers if workers is not None else os.cpu_count() or 1
        self._told = Verification(keys_are_given=bool(keys))
        self._signed = Signatures(directory, keys, self._told)
        self._looks = Fingerprints()
        self._kept = Fingerprints()
        self._ids = Fingerprints()
        self._items = KeptItems(directory, self._told, self._kept, self._ids)
        self._named_looks = 0
        self._has_items = any((directory.out / "items").glob("*.jsonl"))

    def all(self, checkpoint: bytes | None, time_roots: bytes | None) -> Verification:
        told, signed = self._told, self._signed
        try:
            signed.read()
            if checkpoint is not None:
                signed.read_kept(checkpoint)
            signed.check_there()
            signed.check_times(time_roots)
            self._check_scanned(signed.runs)
            for one in signed.runs.values():
                self._check_item_lines(one)
            self._items.check_table(signed.runs.values())
        except OSError as error:
            place = self._directory.name_of(Path(error.filename or self._directory.out))
            told.find(place, f"cannot be read: {error.strerror}")
        finally:
            for prints in (self._looks, self._kept, self._ids):
                prints.close()
        told.keys = sorted({verifier.vkey for verifier in signed.known})
        if not told.checkpoints and not (self._directory.out / FILE_NAME).exists():
            told.is_signed = False
        elif not told.keys_are_given:
            names = ", ".join(sorted({verifier.name for verifier in signed.known})) or "none"
            told.said.append(
                f"the keys are those that the directory itself names ({names}); compare them, or give --key"
            )
        return told

    # -- trees ---------------------------------------------------------------------------------------------------------

    def _judge(self, one: SignedRun, tree: str, roots: dict[int, bytes], count: int) -> tuple[int, int] | None:
        """Compares the roots; the range of leaves in which the first difference lies, or None."""
        file = {"decisions": f"decisions/{one.run.name}", "evidence": self._directory.name_of(one.run.evidence)}.get(
            tree, self._directory.name_of(one.run.items)
        )
        good = 0
        for checkpoint in one.checkpoints:
            head = head_of(checkpoint, tree)
            if head.size > count:
                return good, head.size
            if head.size == 0:
                if head != Head():
                    self._told.find(file, f"the checkpoint of {timestamp(checkpoint.at)} has a root over nothing")
            elif roots.get(head.size) != head.root:
                return good, head.size
            good = head.size
        if one.extra is not None:
            head = head_of(one.extra, tree)
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

    def _compare(self, one: SignedRun, tree: str, file: str, kind: str, roots: dict[int, bytes], now: bytes) -> None:
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
        one: SignedRun,
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

    def _check_evidence(self, one: SignedRun, found: EvidenceScan) -> None:
        path = one.run.evidence
        file = self._directory.name_of(path)
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
                self._told.find(f"{self._directory.name_of(path.with_suffix('.cdxj'))} {where}", what)
            self._tell_noted("evidence", found.noted)

    # -- decisions -----------------------------------------------------------------------------------------------------

    def _check_scanned(self, trees: dict[str, SignedRun]) -> None:
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

    def _jobs(self, one: SignedRun) -> Iterator[Job]:
        segments, signed = one.run.segments, one.sizes("decisions")
        latest = [(each.decisions.size, time_bytes(each.at + CLOCK_SLACK)) for each in one.checkpoints]
        for segment, following in zip(segments, [*segments[1:], None], strict=False):
            first = segment.first
            end = None if following is None else following.first
            sizes = [size - first for size in signed if size > first and (end is None or size <= end)]
            windows = [(size - first, at) for size, at in latest if size > first]
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
        yield from in_order(scanned, jobs, workers=workers, ahead=AHEAD)

    def _join(self, one: SignedRun, state: _Joined, found: Scan) -> None:
        job = found.job
        file = self._directory.name_of(job.segment.path)
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
            plain = self._directory.name_of(job.segment.path.with_suffix(".jsonl"))
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

    def _tell_decisions(self, one: SignedRun, state: _Joined) -> None:
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
                self._told.find(
                    self._directory.name_of(one.run.notes_path), f"nothing that holds vouches for {count} decisions"
                )
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

    def _check_item_lines(self, one: SignedRun) -> None:
        path = one.run.items
        file = self._directory.name_of(path)
        if not path.exists():
            if one.covered("items"):
                self._told.find(file, f"is missing: checkpoints signed {one.covered('items')} lines of items")
            return
        sizes = set(one.sizes("items"))
        roots: dict[int, bytes] = {}
        noted = Noted(one.run.leaves_path("items"))
        before = len(self._told.findings)
        for line in self._items.lines(one):
            noted.add(leaf_hash(line), len(line) + 1, record_id=decision_of_item(line), name="")
            if noted.size in sizes:
                roots[noted.size] = noted.root()
        self._told.items += noted.size
        self._compare(one, "items", file, "line", roots, bytes(noted.prefixes))
        if len(self._told.findings) == before:
            self._tell_noted("items", noted.faults())


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


def _naming(found: Scan, missing: set[bytes]) -> Iterator[tuple[int, bytes]]:
    try:
        yield from lines_naming(found.job.segment, missing)
    except (OSError, SealedError):
        return  # it was read a moment ago; that it cannot be now does not make it less wrong


def _with_peaks(tree: Tree, some: Iterable[tuple[bytes, int]]) -> Tree:
    grown = tree.copy()
    for root, height in some:
        grown.append_perfect(root, height)
    return grown
