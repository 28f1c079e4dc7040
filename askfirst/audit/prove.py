"""``askfirst audit prove``: finds one decision and writes its proof.

1. The paths are made of the roots of blocks that sealed segments hold, and of leaves only where there are none; what
   comes out is checked against the signed checkpoint before it is given to anybody.
2. The earliest checkpoint that covers everything is taken, because it needs least; the last one, where it has a time
   stamp.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from askfirst.audit.directory import Directory, EvidenceRecord, Run, Segment, evidence_records
from askfirst.audit.proof_file import FORMAT, EvidenceLeaf, Leaf, Proof
from askfirst.audit.segment_scan import peaks, rows_of
from askfirst.ledger.checkpoints import Checkpoint, open_checkpoint
from askfirst.ledger.merkle import (
    Subtree,
    Tree,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    split,
)
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.lookup import LOOKUP_SUFFIX, KeyKind, Lookup, LookupDamaged, keys_of
from askfirst.ports import EdgeError
from askfirst.rights.model import Stage, Verdict
from askfirst.rights.record import Recorded, parse_line
from askfirst.rights.wire import WireError, canonical, timestamp
from askfirst.sealed import BLOCK_LINES, Sealed, SealedError
from askfirst.wiring import SettingsError

SHORTEST_ID = 6
_VERIFY = "run 'askfirst audit verify' on it"
_DIGEST_DIGITS = 64


class Located(NamedTuple):
    """A line and where it is."""

    run: Run
    leaf: int
    line: bytes


def prove(directory: Path, wanted: str) -> bytes:
    """The proof file of the last decision about a URL, a body's sha256 or a decision's id. Raises SettingsError when
    there is none, and EdgeError when the record does not bear it out."""
    opened = Directory(directory)
    try:
        found = locate(opened, wanted)
        return _proof(opened, found, parse_line(found.line)).written()
    except WireError as error:
        raise EdgeError(
            f"{directory}: the record of {wanted} is no decision ({error}); run 'askfirst audit verify'"
        ) from None
    except SealedError as error:
        raise EdgeError(f"{error}; {_VERIFY}") from None
    except OSError as error:
        raise EdgeError(
            f"cannot read {error.filename or directory}: {error.strerror}; run 'askfirst audit verify'"
        ) from None


# -- where it is -------------------------------------------------------------------------------------------------------


def locate(directory: Directory, wanted: str) -> Located:
    """The last decision that is meant. Raises SettingsError, SealedError and OSError."""
    sought = _sought(wanted)
    for kind, value in sought:
        best: tuple[bytes, Located] | None = None
        for run in directory.runs:
            for segment in run.segments:
                for position, line in _lines_with(segment, kind, value):
                    start = line.find(b'"decided_at":"', 78)
                    at = line[start + 14 : start + 34]
                    if best is None or at >= best[0]:
                        best = (at, Located(run, segment.first + position, line))
        if best is not None:
            return best[1]
    raise SettingsError(
        f"no decision about {wanted!r} in {directory.out}; 'askfirst audit find' looks for sites and files"
    )


def _sought(wanted: str) -> list[tuple[KeyKind, str]]:
    if "://" in wanted:
        return [("url", wanted)]
    digits = wanted.removeprefix("sha256:").lower()
    if len(digits) < SHORTEST_ID or len(digits) > _DIGEST_DIGITS or set(digits) - set("0123456789abcdef"):
        raise SettingsError(
            f"{wanted!r} is no URL, sha256 or decision id; give a URL, or at least {SHORTEST_ID} digits of an id"
        )
    return [("id", f"sha256:{digits}"), ("digest", f"sha256:{digits}")]


def _lines_with(segment: Segment, kind: KeyKind, value: str) -> Iterator[tuple[int, bytes]]:
    whole = kind == "url" or len(value) == len("sha256:") + _DIGEST_DIGITS
    if segment.is_sealed and whole:
        try:
            with Lookup(segment.path.with_suffix(LOOKUP_SUFFIX)) as lookup:
                positions = lookup.find(kind, value)
            sealed = Sealed(segment.path) if positions else None
            found = [] if sealed is None else [(place, sealed.line(place)) for place in positions]
        except (LookupDamaged, IndexError):
            found = None  # the index is only a cache: every line is read instead
        if found is not None:
            yield from _meant(iter(found), kind, value)
            return
    needle = (value.removeprefix("sha256:") if kind != "url" else value.rpartition("://")[2].partition("/")[0]).encode()
    yield from _meant(((place, line) for place, line in enumerate(segment.lines()) if needle in line), kind, value)


def _meant(lines: Iterator[tuple[int, bytes]], kind: KeyKind, value: str) -> Iterator[tuple[int, bytes]]:
    for place, line in lines:
        keys = keys_of(line)
        if (
            (kind == "url" and keys.url == value)
            or (kind == "id" and keys.id is not None and keys.id.startswith(value))
            or (kind == "digest" and value in keys.digests)
        ):
            yield place, line


# -- its proof ---------------------------------------------------------------------------------------------------------


def _proof(directory: Directory, found: Located, recorded: Recorded) -> Proof:
    run = found.run
    evidence, evidence_roots = _evidence(run, recorded)
    item, item_roots = _item(run, recorded)
    note, checkpoint, key = _covering(
        directory, run, found.leaf, max((index for index, _ in evidence), default=-1), -1 if item is None else item[0]
    )
    decisions = _Blocks(run).subtree
    return Proof(
        format=FORMAT,
        decision=Leaf(
            line=found.line.decode(),
            index=found.leaf,
            path=_path(
                leaf_hash(found.line), found.leaf, checkpoint.decisions.size, decisions, checkpoint.decisions.root, run
            ),
        ),
        evidence=tuple(
            EvidenceLeaf(
                record=base64.b64encode(record.whole()).decode(),
                index=index,
                path=_path(
                    leaf_hash(record.head),
                    index,
                    checkpoint.evidence.size,
                    evidence_roots,
                    checkpoint.evidence.root,
                    run,
                ),
            )
            for index, record in evidence
        ),
        item=None
        if item is None
        else Leaf(
            line=item[1].decode(),
            index=item[0],
            path=_path(leaf_hash(item[1]), item[0], checkpoint.items.size, item_roots, checkpoint.items.root, run),
        ),
        checkpoint=note.decode(),
        key=key.vkey,
        stamp=base64.b64encode(run.stamp_path.read_bytes()).decode()
        if run.stamp_path.exists() and checkpoint.end
        else "",
        digest="",
    )


def _path(leaf: bytes, index: int, size: int, subtree: Subtree, root: bytes, run: Run) -> tuple[str, ...]:
    path = inclusion_path(index, size, subtree)
    if root_from_inclusion(leaf, index, size, path) != root:
        raise EdgeError(
            f"{run.out}: the record of run {run.name} is not what its checkpoint signed, so nothing is proven; "
            f"{_VERIFY}"
        )
    return tuple(base64.b64encode(step).decode() for step in path)


def _covering(
    directory: Directory, run: Run, decision: int, evidence: int, item: int
) -> tuple[bytes, Checkpoint, Verifier]:
    """The note to prove with. Only that one is verified: the others need not be read for this."""

    def covers(note: bytes) -> bool:
        try:
            told = Checkpoint.parse(note.partition(b"\n\n")[0].decode("utf-8", "replace") + "\n")
        except NoteError:
            return False
        return told.decisions.size > decision and told.evidence.size > evidence and told.items.size > item

    notes = run.notes()
    chosen = notes[-1:] if run.stamp_path.exists() else []
    low, high = 0, len(notes)
    while low < high and not chosen:
        middle = (low + high) // 2
        low, high = (low, middle) if covers(notes[middle]) else (middle + 1, high)
    chosen = chosen or notes[low : low + 1]
    if not chosen or not covers(chosen[0]):
        raise EdgeError(
            f"{run.out}: no checkpoint of run {run.name} covers this decision, so it cannot be proven: it "
            "came after the last one, or the directory was never signed"
        )
    keys = [key for _, key in directory.public_keys() if isinstance(key, Verifier)]
    try:
        checkpoint = open_checkpoint(chosen[0], keys)
    except NoteError as error:
        raise EdgeError(f"{run.notes_path}: {error}; {_VERIFY}") from None
    return chosen[0], checkpoint, next(key for key in keys if key.name == checkpoint.key_name)


class _Blocks:
    """A run's decisions as the roots of blocks of 4,096 leaves; segments are opened when they are needed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sealed: dict[Path, Sealed] = {}
        self._rows: dict[tuple[Path, int], list[list[bytes]]] = {}

    def subtree(self, start: int, end: int) -> bytes:
        """The root over a range that the standard's division gives."""
        if end - start > BLOCK_LINES:
            middle = start + split(end - start)
            return node_hash(self.subtree(start, middle), self.subtree(middle, end))
        segment = self._run.segment_of(start)
        if segment is None:
            return b""
        if segment.is_sealed:
            sealed = self._sealed.get(segment.path)
            if sealed is None:
                sealed = self._sealed[segment.path] = Sealed(segment.path)
            number, inside = divmod(start - segment.first, BLOCK_LINES)
            if number >= sealed.blocks:
                return b""
            block_end = min((number + 1) * BLOCK_LINES, sealed.count)
            if inside == 0 and end - segment.first == block_end:
                return sealed.block_root(number)
            key = segment.path, number
            if key not in self._rows:
                self._rows[key] = rows_of([leaf_hash(line) for line in sealed.lines(number)])
            return _root_in(self._rows[key], inside, inside + end - start)
        key = segment.path, -1
        if key not in self._rows:
            self._rows[key] = rows_of([leaf_hash(line) for line in segment.lines()])
        return _root_in(self._rows[key], start - segment.first, end - segment.first)


def _root_in(rows: Sequence[Sequence[bytes]], start: int, end: int) -> bytes:
    if end > len(rows[0]):
        return b""
    tree = Tree()
    for root, height in peaks(rows, end, start=start):
        tree.append_perfect(root, height)
    return tree.root()


def _in(rows: Sequence[Sequence[bytes]]) -> Subtree:
    return lambda start, end: _root_in(rows, start, end)


def _evidence(run: Run, recorded: Recorded) -> tuple[list[tuple[int, EvidenceRecord]], Subtree]:
    """Index and record of what the decision names, and the roots of the tree of evidence."""
    wanted = {
        canonical({"digest": o.digest, "kind": o.kind.value, "observed_at": timestamp(o.observed_at), "url": o.url})
        for o in recorded.looked_at
    }
    times = {timestamp(o.observed_at).encode() for o in recorded.looked_at}
    hashes: list[bytes] = []
    found: dict[bytes, tuple[int, EvidenceRecord]] = {}
    if wanted and not run.evidence.exists():
        raise EdgeError(f"{run.evidence} is not there, so what the decision relied on cannot be shown")
    for record in evidence_records(run.evidence) if wanted else ():
        start = record.head.find(b"WARC-Date: ") + 11
        if record.head[start : record.head.find(b"\r", start)] in times:
            name = record.name()
            if name in wanted:
                found.setdefault(name, (len(hashes), record))
        hashes.append(leaf_hash(record.head))
    if len(found) < len(wanted):
        raise EdgeError(
            f"{run.evidence}: {len(wanted) - len(found)} of the {len(wanted)} observations that the decision relied on "
            f"are not there; {_VERIFY}"
        )
    enclosed = sorted([*found.values(), *_named_by(run, found.values())], key=lambda one: one[0])
    return enclosed, _in(rows_of(hashes))


def _named_by(run: Run, found: Iterable[tuple[int, EvidenceRecord]]) -> Iterator[tuple[int, EvidenceRecord]]:
    """Index and record of those that hold the bodies of revisits, unless they are among the found."""
    wanted = {fields["WARC-Refers-To"] for _, record in found if "WARC-Refers-To" in (fields := record.fields())}
    wanted -= {record.fields().get("WARC-Record-ID", "") for _, record in found}
    if wanted:
        for index, record in enumerate(evidence_records(run.evidence)):
            if record.fields().get("WARC-Record-ID") in wanted:
                yield index, record


def _item(run: Run, recorded: Recorded) -> tuple[tuple[int, bytes] | None, Subtree]:
    """Index and line of what was kept under the decision, the last one, and the roots of the tree of items."""
    hashes: list[bytes] = []
    found: tuple[int, bytes] | None = None
    decision = recorded.decision
    if decision.stage is Stage.KEEP and decision.verdict is Verdict.ALLOW and run.items.exists():
        needle = f'"decision_id":"{decision.id}"'.encode()
        digests = [one.digest.removeprefix("sha256:").encode() for one in recorded.looked_at]
        with run.items.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                if needle in line and any(b'"sha256":"' + digest in line for digest in digests):
                    found = len(hashes), line[:-1]
                hashes.append(leaf_hash(line[:-1]))
    return found, _in(rows_of(hashes))
