"""Training-and-data-mining assertions in the bytes of a C2PA manifest store: C2PA 2.2 "Manifests", "Use of JUMBF".

It reads what stands in the store and validates nothing; that is askfirst.rights.signals.c2pa_report. It decompresses
nothing and follows no link to a remote manifest or to remote data. What an assertion says is in
askfirst.rights.training_mining.

1. The last manifest of a store is the active one. An update manifest speaks of the same bytes as the manifest before
   it, so both are active.
2. house: a refusal counts whatever the state of the signature; a permission never counts here.
3. house: a refusal of another manifest, that of an ingredient, counts for careful readers.
4. house: a statement that may be there and cannot be read defers training and mining: for careful readers where the
   store is cut off or a manifest is compressed, for all where the assertion itself is there and unreadable.
5. house: assertions that the walk does not come to are found by their label: in a store that does not parse as those of
   the work, else as those of an ingredient. Of a store that is cut off, the last manifest seen counts as active.
6. house: of the assertions no more than a mebibyte is decoded, and no more than 64 KiB of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import cbor2

from askfirst.rights.jumbf import Superbox, below, superbox_at, walk
from askfirst.rights.media import content_type
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Care,
    Category,
    Evidence,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
)
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, remark
from askfirst.rights.training_mining import (
    PROTOCOL,
    SOURCE,
    SPECS,
    Entry,
    Use,
    assertion,
    label_of,
    place,
    refusals,
    unknown,
    words,
)

STORE_TYPES: Final = frozenset({"application/c2pa", "application/x-c2pa-manifest-store"})
_SPEC: Final = 'C2PA 2.2 "Manifests"'
_STORE: Final = b"c2pa"
_UPDATE: Final = b"c2um"
_HOLDERS: Final = frozenset({_STORE, _UPDATE, b"c2ma", b"c2as"})
"""The superboxes that hold nothing but superboxes."""
_COMPRESSED: Final = b"brob"
_FREE: Final = b"free"
_REMOTE: Final = "c2pa.cloud-data"
_MAX_ASSERTION_BYTES: Final = 65_536
_MAX_DECODED_BYTES: Final = 1_048_576
_MOST_FOUND_BY_LABEL: Final = 1_000
_REMARKED: Final = 5


def read_store(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # assertions name no agents
    """What the assertions of a manifest store say of the work."""
    if content_type(observation) not in STORE_TYPES:
        return SILENT
    reading = _Reading(observation).of_store()
    return SILENT if reading is NOTHING else Constant(reading)


class _Reading:
    """The reading of one store while it is put together."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._body = observation.body
        self._left = _MAX_DECODED_BYTES
        self._said: dict[Care, list[tuple[Entry, Evidence]]] = {Care.LITERAL: [], Care.CONSERVATIVE: []}
        self._deferred: dict[tuple[Category, Care], Signal] = {}
        self._remarks: list[Remark] = []

    def of_store(self) -> Reading:
        """What the whole store says."""
        walked = walk(self._body)
        for store in walked.outermost:
            manifests = store.inner if _STORE in {store.kind, store.label.encode()} else (store,)
            active = _active(manifests)
            for manifest in manifests:
                self._manifest(manifest, active=manifest.start in active)
        boxes = tuple(below(walked.outermost))
        broken = walked.broken or not boxes or any(_is_odd(box) for box in boxes)
        if broken:
            self._remark(RemarkKind.MALFORMED, "the manifest store does not parse", place("manifest store"))
        more = self._by_label({box.start for box in boxes}, active=broken)
        if more or walked.cut or self._observation.truncated:
            self._unknown("the rest of the manifest store cannot be read", place("manifest store"), Care.CONSERVATIVE)
        signals = (
            *refusals(self._said[Care.LITERAL], Care.LITERAL),
            *refusals(self._said[Care.CONSERVATIVE], Care.CONSERVATIVE),
            *self._deferred.values(),
        )
        if not signals and not self._remarks:
            return NOTHING
        return Reading(signals=signals, remarks=tuple(dict.fromkeys(self._remarks)))

    def _manifest(self, manifest: Superbox, *, active: bool) -> None:
        name = "" if active else manifest.label
        for box in below((manifest,)):
            label = label_of(box.label)
            if label is not None:
                self._assertion(box, label, active=active, manifest=name)
            elif any(content.type == _COMPRESSED for content in box.contents):
                self._unknown("a compressed manifest cannot be read", place("", "", manifest.label), Care.CONSERVATIVE)
            elif box.label.startswith(_REMOTE) and self._is_about_mining(box):
                self._unknown("a remote assertion is not looked at", place("", box.label, name), Care.CONSERVATIVE)

    def _by_label(self, known: set[int], *, active: bool) -> bool:
        """Assertions that the walk did not come to; whether there may be more than were looked for."""
        for label in SPECS:
            name = label.encode("ascii")
            at = self._body.find(name)
            for _ in range(_MOST_FOUND_BY_LABEL):
                if at < 0:
                    break
                start = at - _LABEL_AT
                box = None if start in known else superbox_at(self._body, start)
                if box is not None and label_of(box.label) == label:
                    self._assertion(box, label, active=active, manifest="" if active else "of an unknown label")
                at = self._body.find(name, at + 1)
            else:
                return True
        return False

    def _assertion(self, box: Superbox, label: str, *, active: bool, manifest: str) -> None:
        said = assertion(label, self._decoded(box))
        care = Care.LITERAL if active else Care.CONSERVATIVE
        if said is None:
            at = place(label, "", manifest)
            self._unknown("the assertion is there and cannot be read", at, care, SPECS[label], RemarkKind.MALFORMED)
            return
        entries = [(entry, words(self._observation, said, entry, manifest=manifest)) for entry in said.entries]
        self._said[care] += entries
        for entry, seen in entries:
            if entry.use is Use.ALLOWED:
                note = f"{entry.key[:60]} is allowed: that counts only where the signature is valid and trusted"
                self._remark(RemarkKind.NOT_COUNTED, note, seen.at, seen)
            elif entry.use is None:
                why = f"{entry.key[:60]} has no use that is known"
                self._unknown(why, seen.at, Care.CONSERVATIVE, seen.spec, RemarkKind.MALFORMED)
            elif not entry.exact:
                self._remark(RemarkKind.MALFORMED, f"{entry.key[:60]} is not spelled as specified", seen.at, seen)
        if said.others:
            names = ", ".join(key[:60] for key in said.others[:_REMARKED])
            self._remark(RemarkKind.IGNORED, f"keys that are not known: {names}", place(said.label, "", manifest))

    def _decoded(self, box: Superbox) -> object:
        """The first content box that can be decoded, or None."""
        for content in box.contents:
            size = content.end - content.start
            if content.type not in _DECODERS or size > min(_MAX_ASSERTION_BYTES, self._left):
                continue
            self._left -= size
            found = _DECODERS[content.type](self._body[content.start : content.end])
            if found is not None:
                return found
        return None

    def _is_about_mining(self, box: Superbox) -> bool:
        data = self._decoded(box)
        label = data.get("label") if isinstance(data, Mapping) else None
        return isinstance(label, str) and label_of(label) is not None

    def _unknown(
        self, why: str, at: str, care: Care, spec: str = _SPEC, kind: RemarkKind = RemarkKind.TRUNCATED
    ) -> None:
        seen = evidence(self._observation, at=at, text="", spec=spec)
        for deferred in unknown(seen, care):
            self._deferred.setdefault((deferred.category, care), deferred)
        self._remark(kind, f"{why}: what it says of training and mining is not known", at, seen)

    def _remark(self, kind: RemarkKind, note: str, at: str, seen: Evidence | None = None) -> None:
        if sum(r.kind is kind for r in self._remarks) < _REMARKED:
            seen = seen or evidence(self._observation, at=at, text="", spec=_SPEC)
            self._remarks.append(remark(SOURCE, kind, note, seen))


def _is_odd(box: Superbox) -> bool:
    return box.kind in _HOLDERS and any(content.type not in {_COMPRESSED, _FREE} for content in box.contents)


def _active(manifests: Sequence[Superbox]) -> set[int]:
    """Where the manifests begin that speak of the work itself."""
    active: set[int] = set()
    for manifest in reversed(manifests):
        active.add(manifest.start)
        if manifest.kind != _UPDATE:
            break
    return active


def _cbor(content: bytes) -> object:
    try:
        return cbor2.loads(content, semantic_decoders=_AS_IT_STANDS, allow_duplicate_keys=False)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError):
        return None


def _json(content: bytes) -> object:
    try:
        return json.loads(content.removesuffix(b"\0"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key twice")
    return table


def _untagged(value: object, immutable: object) -> object:  # noqa: ARG001  # cbor2 says it of every value
    return value


_TAGS: Final = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43_000, 55_799)
_AS_IT_STANDS: Final = dict.fromkeys(_TAGS, _untagged)
"""Every tag that cbor2 gives a meaning to, without it. INVARIANT: nothing is shared (tags 28, 29, 256), or a few bytes
could make a key that takes years to hash; and no pattern is compiled, no message parsed."""

_DECODERS: Final[Mapping[bytes, Callable[[bytes], object]]] = {b"cbor": _cbor, b"json": _json}
_LABEL_AT: Final = 33
"""Of a superbox: its header, that of its description, a UUID and one byte of flags."""

READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.ASSET,),
    parse=read_store,
    max_bytes=52_428_800,
    fields=frozenset({"content-type"}),
)
