"""A proof in one file: a decision, what it relied on, and the paths to a signed checkpoint. Nothing else is needed.

The file is one canonical JSON object. ``check`` never raises on content: it says what does not hold.

1. Every leaf is the bytes that were signed: the line, a WARC record's header (which holds its block's digest), an
   item's line.
2. INVARIANT: no byte of the file can be another and the file still hold: what is not canonical, not base64 as we
   write it, or not of the digest in the file is refused before anything is believed. That digest is against accidents;
   against people, the signature is.
3. The enclosed evidence is exactly what the decision names, and under a policy that is shipped the decision follows
   from it again.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from askfirst.audit.directory import record_in
from askfirst.audit.stamps import read_stamp
from askfirst.edges.evidence_warc import read_evidence
from askfirst.explain import explain, shown
from askfirst.items import Item
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint
from askfirst.ledger.merkle import leaf_hash, root_from_inclusion
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import Stage, Verdict
from askfirst.rights.policy import PROFILES
from askfirst.rights.record import Recorded, parse_line
from askfirst.rights.wire import Json, WireError, canonical, digest, timestamp

FORMAT = "askfirst proof 1"
MOST_BYTES = 256 * 1024 * 1024


class Leaf(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A line, its index in its tree, and the path to the root."""

    line: str
    index: int
    path: tuple[str, ...]


class EvidenceLeaf(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A WARC record, header and block, in base64."""

    record: str
    index: int
    path: tuple[str, ...]


class Proof(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the file holds."""

    format: str
    decision: Leaf
    evidence: tuple[EvidenceLeaf, ...]
    item: Leaf | None = None
    checkpoint: str
    key: str
    stamp: str = ""
    digest: str

    def written(self) -> bytes:
        """The file."""
        members: dict[str, Json] = msgspec.to_builtins(self)
        members.pop("digest", None)
        return canonical({**members, "digest": digest(canonical(members))}) + b"\n"


@dataclass(slots=True)
class Checked:
    """What came of checking: ``faults`` are why it does not hold; ``said`` is what it shows."""

    faults: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    recorded: Recorded | None = None

    @property
    def holds(self) -> bool:
        """Whether the file proves its record."""
        return not self.faults


def check(told: bytes, *, keys: Sequence[Verifier] = (), time_roots: bytes | None = None) -> Checked:
    """Whether a proof file holds, by itself. Without ``keys``, under the key that it names."""
    found = Checked()
    proof = _parsed(told)
    if isinstance(proof, str):
        found.faults.append(proof)
        return found
    checkpoint = _checkpoint(proof, keys, found)
    if checkpoint is None:
        return found
    _include("the decision", leaf_hash(proof.decision.line.encode()), proof.decision, checkpoint.decisions, found)
    try:
        recorded = found.recorded = parse_line(proof.decision.line.encode())
    except WireError as error:
        found.faults.append(f"the record is no decision: {error}")
        return found
    heads, names = [], []
    ids: dict[bytes | None, str] = {}
    named_bodies: set[str] = set()
    for number, leaf in enumerate(proof.evidence, start=1):
        record = record_in(base64.b64decode(leaf.record))
        fault = "is no WARC record" if record is None else record.fault(record.fields())
        if record is None or fault is not None:
            found.faults.append(f"evidence {number} {fault}")
            continue
        _include(f"evidence {number}", leaf_hash(record.head), leaf, checkpoint.evidence, found)
        names.append(record.name())
        heads.append(record.whole())
        fields = record.fields()
        ids[record.name()] = fields.get("WARC-Record-ID", "")
        named_bodies.add(fields.get("WARC-Refers-To", ""))
    wanted = {
        canonical(
            {"digest": one.digest, "kind": one.kind.value, "observed_at": timestamp(one.observed_at), "url": one.url}
        )
        for one in recorded.looked_at
    }
    # the first record of a body that a revisit names is not named by the decision itself
    names = [name for name in names if name in wanted or ids[name] not in named_bodies]
    if set(names) != wanted or len(names) != len(wanted):
        missing = len(wanted - set(names))
        found.faults.append(
            f"{missing} of the {len(wanted)} observations that the decision names are not enclosed"
            if missing
            else "it encloses evidence that the decision does not name"
        )
    if proof.item is not None:
        _check_item(proof.item, recorded, checkpoint, found)
    found.said += explain(recorded.decision).split("\n")
    _derive(proof, recorded, heads, found)
    _check_stamp(proof, time_roots, found)
    return found


def _parsed(told: bytes) -> Proof | str:
    """The proof, or why the file is none."""
    if len(told) > MOST_BYTES:
        return f"no proof has {len(told)} bytes"
    try:
        proof = msgspec.json.decode(told, type=Proof)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "it is no proof file: it is cut short, altered, or something else"
    if proof.format != FORMAT:
        return f"it is of the format {shown(proof.format)[:40]!r}, not {FORMAT!r}; a newer askfirst may read it"
    if proof.written() != told:
        return "the file was altered: it is not of the digest that it ends with"
    coded = [proof.stamp, *(leaf.record for leaf in proof.evidence), *_paths(proof)]
    if any(_recoded(text) != text for text in coded):
        return "the file was altered: a part of it is no base64"
    return proof


def _paths(proof: Proof) -> Iterator[str]:
    yield from proof.decision.path
    for leaf in proof.evidence:
        yield from leaf.path
    if proof.item is not None:
        yield from proof.item.path


def _recoded(text: str) -> str | None:
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except ValueError:
        return None


def _checkpoint(proof: Proof, keys: Sequence[Verifier], found: Checked) -> Checkpoint | None:
    try:
        own = Verifier.parse(proof.key)
        checkpoint = open_checkpoint(proof.checkpoint.encode(), list(keys) or [own])
    except NoteError as error:
        found.faults.append(f"the checkpoint does not hold: {error}")
        return None
    if own.name != checkpoint.key_name or own.vkey != proof.key:
        found.faults.append("the key that it names is not the one that signed the checkpoint")
    elif keys and own not in keys:
        found.faults.append(f"it is signed by {own.name}, which is not a key that was given")
    if not keys:
        found.said.append(f"the key is the one that the file itself names: {own.vkey}; compare it, or give --key")
    found.said.append(
        f"signed by {own.name} at {timestamp(checkpoint.at)}: run {shown(checkpoint.run)}, record "
        f"{proof.decision.index + 1} of {checkpoint.decisions.size}"
    )
    return checkpoint


def _include(what: str, leaf: bytes, proven: Leaf | EvidenceLeaf, head: Head, found: Checked) -> None:
    path = [base64.b64decode(step) for step in proven.path]
    if root_from_inclusion(leaf, proven.index, head.size, path) != head.root:
        found.faults.append(f"{what} is not in the record that the checkpoint signed")


def _check_item(item: Leaf, recorded: Recorded, checkpoint: Checkpoint, found: Checked) -> None:
    _include("the item", leaf_hash(item.line.encode()), item, checkpoint.items, found)
    try:
        told = msgspec.json.decode(item.line, type=Item)
    except msgspec.MsgspecError as error:
        found.faults.append(f"the item is none: {error}")
        return
    decision = recorded.decision
    allows = decision.stage is Stage.KEEP and decision.verdict is Verdict.ALLOW and decision.id == told.decision_id
    if not allows or f"sha256:{told.sha256}" not in {one.digest for one in recorded.looked_at}:
        found.faults.append("the item is not one that the decision allows to be kept")
    found.said.append(f"kept: {told.bytes} bytes, sha256 {told.sha256}, in {shown(told.warc)} at {told.warc_offset}")


def _derive(proof: Proof, recorded: Recorded, records: Sequence[bytes], found: Checked) -> None:
    policies = {policy.digest: policy for policy in PROFILES.values()}
    if recorded.decision.policy_digest not in policies:
        found.said.append(f"its policy {recorded.decision.policy_digest} is not one that is shipped: not derived again")
        return
    if found.faults:
        return
    with tempfile.TemporaryDirectory(prefix="askfirst-") as folder:
        (Path(folder) / "proof.warc").write_bytes(b"".join(record + b"\r\n\r\n" for record in records))
        evidenced = Evidenced(read_evidence(Path(folder), note=found.faults.append))
    fault = replay_recorded(proof.decision.line.encode(), evidenced, policies)
    if fault is not None:
        found.faults.append(f"the decision does not follow from its evidence: {fault}")
    else:
        found.said.append("derived again from the enclosed evidence: the same decision, the same id")


def _check_stamp(proof: Proof, time_roots: bytes | None, found: Checked) -> None:
    if not proof.stamp:
        return
    stamp = read_stamp(base64.b64decode(proof.stamp), proof.checkpoint.encode(), time_roots)
    if stamp.fault is not None:
        found.faults.append(f"the time stamp {stamp.fault}")
    elif stamp.cannot is not None:
        found.said.append(stamp.cannot)
    elif stamp.at is not None:
        by = "an authority that you named" if stamp.is_checked else "an authority that is not checked (--time-roots)"
        found.said.append(f"time stamp {timestamp(stamp.at)} by {by}")
