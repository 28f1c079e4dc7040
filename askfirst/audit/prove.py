"""``askfirst audit prove``: finds one decision and writes its proof.

1. The paths are made of roots that were noted, and of leaves only where there are none; what comes out is checked
   against the signed checkpoint before it is given to anybody. Where noted roots lead elsewhere, the leaves are read.
2. The earliest checkpoint that covers everything is taken, because it needs least; the last one, where it has a time
   stamp.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from askfirst.audit.directory import Directory, EvidenceRecord, Run, Segment, evidence_records
from askfirst.audit.file_tree import FileTree
from askfirst.audit.proof_file import FORMAT, EvidenceLeaf, Leaf, Proof
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint
from askfirst.ledger.growing import BLOCK_LEAVES, StoredRoots
from askfirst.ledger.merkle import (
    Subtree,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    root_in,
    rows_of,
    split,
)
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.lookup import (
    LOOKUP_SUFFIX,
    KeyKind,
    Lookup,
    LookupDamaged,
    decision_of_item,
    evidence_name,
    keys_of,
)
from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.model import Stage, Verdict
from askfirst.rights.record import Recorded, parse_line
from askfirst.rights.wire import WireError, canonical, timestamp
from askfirst.sealed import BLOCK_LINES, Sealed, SealedError

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
    opened, segments = Directory(directory), _Segments()
    try:
        found = _located(opened, segments, wanted)
        return _proof(opened, segments, found, parse_line(found.line)).written()
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
    return _located(directory, _Segments(), wanted)


def _located(directory: Directory, segments: _Segments, wanted: str) -> Located:
    sought = _sought(wanted)
    for kind, value in sought:
        best: tuple[bytes, Located] | None = None
        for run in directory.runs:
            for segment in run.segments:
                for position, line in _lines_with(segment, segments, kind, value):
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


def _lines_with(segment: Segment, segments: _Segments, kind: KeyKind, value: str) -> Iterator[tuple[int, bytes]]:
    whole = kind == "url" or len(value) == len("sha256:") + _DIGEST_DIGITS
    if segment.is_sealed and whole:
        try:
            with Lookup(segment.path.with_suffix(LOOKUP_SUFFIX)) as lookup:
                positions = lookup.find(kind, value)
                bound_to = lookup.bound_to
            found: list[tuple[int, bytes]] | None = [
                (place, segments.sealed(segment).line(place)) for place in positions
            ]
            if found and segments.sealed(segment).binding != bound_to:
                found = None  # an index of another segment
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


def _proof(directory: Directory, sealed: _Segments, found: Located, recorded: Recorded) -> Proof:
    run = found.run
    with (
        StoredRoots(run.leaves_path("evidence")) as evidence_roots,
        StoredRoots(run.leaves_path("items")) as item_roots,
    ):
        records = FileTree(run.leaves_path("evidence"), evidence_roots, _records_of(run))
        lines = FileTree(run.leaves_path("items"), item_roots, _items_of(run))
        evidence = _evidence(run, records, recorded)
        item = _item(run, lines, recorded)
        note, checkpoint, key = _covering(
            directory,
            run,
            found.leaf,
            max((index for index, _ in evidence), default=-1),
            -1 if item is None else item[0],
        )
        return Proof(
            format=FORMAT,
            decision=Leaf(
                line=found.line.decode(),
                index=found.leaf,
                path=_path(run, leaf_hash(found.line), found.leaf, checkpoint.decisions, sealed.trees(run)),
            ),
            evidence=tuple(
                EvidenceLeaf(
                    record=base64.b64encode(record.whole()).decode(),
                    index=index,
                    path=_path(run, leaf_hash(record.head), index, checkpoint.evidence, records.trees()),
                )
                for index, record in evidence
            ),
            item=None
            if item is None
            else Leaf(
                line=item[1].decode(),
                index=item[0],
                path=_path(run, leaf_hash(item[1]), item[0], checkpoint.items, lines.trees()),
            ),
            checkpoint=note.decode(),
            key=key.vkey,
            stamp=base64.b64encode(run.stamp_path.read_bytes()).decode()
            if run.stamp_path.exists() and checkpoint.end
            else "",
            digest="",
        )


def _path(run: Run, leaf: bytes, index: int, head: Head, trees: Iterable[Subtree]) -> tuple[str, ...]:
    """The path of a leaf, by the first of the trees that leads to what was signed."""
    for subtree in trees:
        path = inclusion_path(index, head.size, subtree)
        if root_from_inclusion(leaf, index, head.size, path) == head.root:
            return tuple(base64.b64encode(step).decode() for step in path)
    raise EdgeError(
        f"{run.out}: the record of run {run.name} is not what its checkpoint signed, so nothing is proven; {_VERIFY}"
    )


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


class _Segments:
    """The segments of decisions, opened when they are needed and once."""

    def __init__(self) -> None:
        self._sealed: dict[Path, Sealed] = {}
        self._rows: dict[tuple[Path, int], list[list[bytes]]] = {}

    def sealed(self, segment: Segment) -> Sealed:
        """Raises SealedError."""
        found = self._sealed.get(segment.path)
        if found is None:
            found = self._sealed[segment.path] = Sealed(segment.path)
        return found

    def trees(self, run: Run) -> Iterator[Subtree]:
        """The roots over ranges of a run's decisions: with those that were noted, then without them."""
        with StoredRoots(run.leaves_path("decisions")) as noted:
            yield lambda start, end: self._root(run, start, end, noted)
        yield lambda start, end: self._root(run, start, end, None)

    def _root(self, run: Run, start: int, end: int, noted: StoredRoots | None) -> bytes:
        """The root over a range that the standard's division gives."""
        root = None if noted is None else noted.root(start, end)
        if root is not None:
            return root
        segment = run.segment_of(start)
        if segment is None:
            return b""
        if segment.is_sealed and BLOCK_LEAVES < end - start <= BLOCK_LINES:
            root = self._block_root(self.sealed(segment), start - segment.first, end - segment.first)
            if root is not None:
                return root
        if end - start > BLOCK_LEAVES or run.segment_of(end - 1) is not segment:
            middle = start + split(end - start)
            return node_hash(self._root(run, start, middle, noted), self._root(run, middle, end, noted))
        first = start // BLOCK_LEAVES * BLOCK_LEAVES if segment.is_sealed else segment.first
        key = segment.path, first
        if key not in self._rows:
            self._rows[key] = rows_of([leaf_hash(line) for line in self._lines(segment, first)])
        return root_in(self._rows[key], start - first, end - first)

    def _lines(self, segment: Segment, first: int) -> Iterable[bytes]:
        """Of a sealed segment at most 256 lines, from that leaf on; of any other all."""
        if not segment.is_sealed:
            return segment.lines()
        sealed, start = self.sealed(segment), first - segment.first
        return sealed.some(start, min(start + BLOCK_LEAVES, sealed.count)) if start < sealed.count else ()

    @staticmethod
    def _block_root(sealed: Sealed, start: int, end: int) -> bytes | None:
        number, inside = divmod(start, BLOCK_LINES)
        whole = inside == 0 and number < sealed.blocks and end == min(start + BLOCK_LINES, sealed.count)
        return sealed.block_root(number) if whole else None


# -- evidence and items ------------------------------------------------------------------------------------------------


def _records_of(run: Run) -> Callable[[int], Iterator[tuple[bytes, EvidenceRecord]]]:
    def read(start: int) -> Iterator[tuple[bytes, EvidenceRecord]]:
        if run.evidence.exists():
            for record in evidence_records(run.evidence, blocks=False, start=start):
                yield record.head, record

    return read


def _items_of(run: Run) -> Callable[[int], Iterator[tuple[bytes, bytes]]]:
    def read(start: int) -> Iterator[tuple[bytes, bytes]]:
        if run.items.exists():
            with run.items.open("rb") as lines:
                lines.seek(start)
                for line in lines:
                    if not line.endswith(b"\n"):
                        return
                    yield line[:-1], line[:-1]

    return read


def _evidence(run: Run, records: FileTree[EvidenceRecord], recorded: Recorded) -> list[tuple[int, EvidenceRecord]]:
    """Index and record of what the decision names, and of those that hold the bodies of revisits."""
    wanted = {
        canonical(
            {"digest": o.digest, "kind": o.kind.value, "observed_at": timestamp(o.observed_at), "url": o.url}
        ): evidence_name(o.digest, timestamp(o.observed_at), o.url)
        for o in recorded.looked_at
    }
    if wanted and not run.evidence.exists():
        raise EdgeError(f"{run.evidence} is not there, so what the decision relied on cannot be shown")
    times = {timestamp(o.observed_at) for o in recorded.looked_at}

    def is_named(record: EvidenceRecord) -> bytes | None:
        return _whole(run, record).name() if record.fields().get("WARC-Date") in times else None

    found = records.find("name", wanted, is_named)
    if len(found) < len(wanted):
        raise EdgeError(
            f"{run.evidence}: {len(wanted) - len(found)} of the {len(wanted)} observations that the decision relied on "
            f"are not there; {_VERIFY}"
        )
    named = {
        fields["WARC-Refers-To"].encode(): fields["WARC-Refers-To"]
        for _, record in found.values()
        if "WARC-Refers-To" in (fields := record.fields())
    }
    firsts = records.find("id", named, lambda record: record.fields().get("WARC-Record-ID", "").encode())
    every = dict([*found.values(), *firsts.values()])
    return [(index, _whole(run, every[index])) for index in sorted(every)]


def _whole(run: Run, record: EvidenceRecord) -> EvidenceRecord:
    """With its block."""
    return next(evidence_records(run.evidence, start=record.offset))


def _item(run: Run, lines: FileTree[bytes], recorded: Recorded) -> tuple[int, bytes] | None:
    """Index and line of what was kept under the decision, the last one."""
    decision = recorded.decision
    if decision.stage is not Stage.KEEP or decision.verdict is not Verdict.ALLOW or not run.items.exists():
        return None
    digests = [one.digest.removeprefix("sha256:").encode() for one in recorded.looked_at]

    def is_its(line: bytes) -> bytes | None:
        if decision_of_item(line) != decision.id:
            return None
        return b"its" if any(b'"sha256":"' + digest in line for digest in digests) else None

    return lines.find("id", {b"its": decision.id}, is_its, last=True).get(b"its")
