"""Training-and-data-mining assertions as a C2PA validator reports them: C2PA 2.2 "Validation".

The artefact is the report that askfirst.edges.c2pa_manifest makes with c2pa-python.
It is a JSON object: ``state`` (``Trusted``, ``Valid``, ``Invalid`` as C2PA 2.2 has them, or ``unreadable``),
``active`` (the label of the active manifest), ``assertions`` (of the active manifest, label and data), ``others`` (of
the other manifests, with their label as ``manifest``) and ``problems`` (status codes). Nothing is validated here.

1. A refusal counts whatever the state, as in askfirst.rights.signals.c2pa_store, which reads the same assertions from
   the bytes. What is compressed is read here alone.
2. A permission counts only in the active manifest, and only where the state is Trusted: the signature is valid, the
   bytes are those that were signed, and the signer is one whom the operator trusts.
3. house: training is permitted only where training and generative training both are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from askfirst.rights.media import content_type
from askfirst.rights.model import NOTHING, Agent, Care, Evidence, Kind, Observation, Reading, Remark, RemarkKind
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, remark
from askfirst.rights.training_mining import (
    PROTOCOL,
    SOURCE,
    Entry,
    Use,
    assertion,
    label_of,
    permissions,
    refusals,
    words,
)

REPORT_TYPE: Final = "application/vnd.askfirst.c2pa-report+json"
TRUSTED: Final = "Trusted"
INVALID: Final = "Invalid"
UNREADABLE: Final = "unreadable"
_SPEC: Final = 'C2PA 2.2 "Validation"'
_MOST_ASSERTIONS: Final = 1_000
_REMARKED: Final = 5


def read_report(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # assertions name no agents
    """What the report says of the work."""
    if content_type(observation) != REPORT_TYPE:
        return SILENT
    try:
        report = json.loads(observation.body)
    except (ValueError, RecursionError):
        report = None
    reading = _reading(observation, report) if isinstance(report, dict) else _broken(observation)
    return SILENT if reading is NOTHING else Constant(reading)


def _broken(observation: Observation) -> Reading:
    words = evidence(observation, at="report", text=observation.body[:200].decode("utf-8", "replace"), spec=_SPEC)
    return Reading(
        remarks=(remark(SOURCE, RemarkKind.MALFORMED, "the report on the manifest is no JSON object", words),)
    )


def _reading(observation: Observation, report: Mapping[str, object]) -> Reading:
    state = report.get("state")
    active = list(_entries(observation, report.get("assertions"), of_the_active=True))
    others = list(_entries(observation, report.get("others"), of_the_active=False))
    allowed = permissions(active) if state == TRUSTED else ()
    signals = (*refusals(active, Care.LITERAL), *refusals(others, Care.CONSERVATIVE), *allowed)
    remarks = tuple(_remarks(observation, report, active, {s.evidence for s in allowed}))
    return Reading(signals=signals, remarks=remarks) if signals or remarks else NOTHING


def _entries(observation: Observation, listed: object, *, of_the_active: bool) -> Iterator[tuple[Entry, Evidence]]:
    for one in listed[:_MOST_ASSERTIONS] if isinstance(listed, list) else ():
        if not isinstance(one, dict):
            continue
        label = label_of(str(one.get("label")))
        said = None if label is None else assertion(label, one.get("data"))
        if said is not None:
            manifest = "" if of_the_active else str(one.get("manifest"))
            yield from ((entry, words(observation, said, entry, manifest=manifest)) for entry in said.entries)


def _remarks(
    observation: Observation,
    report: Mapping[str, object],
    active: list[tuple[Entry, Evidence]],
    counted: set[Evidence],
) -> Iterator[Remark]:
    state = str(report.get("state"))
    listed = report.get("problems")
    problems = ", ".join(str(one)[:60] for one in listed[:_REMARKED]) if isinstance(listed, list) else ""
    if state == UNREADABLE:
        seen = evidence(observation, at="state", text=f"{state}: {problems}", spec=_SPEC)
        yield remark(SOURCE, RemarkKind.MALFORMED, "the manifest cannot be validated", seen)
    not_counted = [(entry, seen) for entry, seen in active if entry.use is Use.ALLOWED and seen not in counted]
    for entry, seen in not_counted[:_REMARKED]:
        key = entry.key[:60]
        if state == TRUSTED:
            note = f"{key} is allowed: not counted, for training is permitted only with generative training"
            yield remark(SOURCE, RemarkKind.NOT_COUNTED, note, seen)
        else:
            kind = RemarkKind.SUSPICIOUS if state == INVALID else RemarkKind.NOT_COUNTED
            note = f"{key} is allowed: not counted, for the manifest is {state[:20]} and not trusted ({problems})"
            yield remark(SOURCE, kind, note[:300], seen)


READER = Reader(protocol=PROTOCOL, kinds=(Kind.ASSET,), parse=read_report, fields=frozenset({"content-type"}))
