"""``tdm:reservation`` and ``tdm:policy`` inside a work: TDMRep, "TDM metadata in EPUB files" and "… in PDF files".

The artifacts are the XMP packet of a PDF (and of anything else that has one) and the package document of an EPUB. The
values are read by askfirst.rights.tdmrep.

1. XMP properties stand in ``http://www.w3.org/ns/tdmrep/``, EPUB's in ``http://www.w3.org/ns/tdmrep#``. Each is
   accepted in the place of the other, and either without its last character, with a remark.
2. EPUB 2 has ``<meta name="tdm:reservation" content="1"/>``, EPUB 3 ``<meta property="tdm:reservation">1</meta>``. A
   prefix that nothing binds is taken for what it is called, as in EPUB 2.
3. A 1 outranks every other place, as the report has it.
4. Deviation: a 0 has the lowest rank. The report lets it lift what the origin reserves, which is right only where the
   host is the publisher, and nothing in the work tells. Alone it permits mining.
5. house: properties of other names, in other namespaces, of a part of the book, of an image in the document, of an
   ingredient of the picture, or in a document that is not whole can reserve and cannot permit.
6. house: where the document cannot be parsed, a ``reservation`` with a 1 behind it reserves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from askfirst.rights import opf, xmp
from askfirst.rights.carriers import OPF, XMP, is_of_a_part
from askfirst.rights.media import content_type
from askfirst.rights.model import (
    Agent,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Verdict,
)
from askfirst.rights.reader import SILENT, Constant, Named, Reader, Statement, evidence, remark
from askfirst.rights.tdmrep import MAX_VALUE_CHARS, PROTOCOL, Place, Said, policies, properties, reservation

LOWEST: Final = -1
"""The rank of a 0: any reservation of another place supersedes it."""
_REMARKED: Final = 5
_PDF: Final = 'TDMRep "TDM metadata in PDF files"'
_EPUB: Final = 'TDMRep "TDM metadata in EPUB files"'
_RESERVED: Final = re.compile(
    r"""reservation(?:["']\s{0,9}+content)?\s{0,9}+(?:=\s{0,9}+["']|["']?[^<>]{0,80}+>)\s{0,9}+1(?![\d.])""",
    re.IGNORECASE,
)


class _Found(NamedTuple):
    """One property: its value, and why it may not permit, if it may not. ``note`` alone is only remarked."""

    said: Said
    policy: bool
    doubt: str = ""
    note: str = ""


def read_tdm_asset(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # TDMRep names no agents
    """What the packet says of its work."""
    kind, body = content_type(observation), observation.body
    if kind == XMP:
        source, spec = "tdm:reservation in XMP", _PDF
    elif kind == OPF:
        source, spec = "tdm:reservation in EPUB", _EPUB
    else:
        return SILENT
    if not xmp.mentions(body, b"reservation"):
        return SILENT
    found, flaw = _in_xmp(body, part=is_of_a_part(observation)) if kind == XMP else _in_package(body)
    if flaw is not None and not any(_reserves(one) for one in found):
        found += _cut_loose(body)
    return _said(observation, found, flaw, source=source, spec=spec)


def _said(observation: Observation, found: list[_Found], flaw: str | None, *, source: str, spec: str) -> Statement:
    if not found:
        return SILENT
    if flaw is None and observation.truncated:
        flaw = "only its beginning was read"
    reserving = [one for one in found if not one.policy]
    doubtful = [one for one in reserving if not _reserves(one) and (one.doubt or flaw)]
    read = properties(
        observation,
        source=source,
        place=Place.ASSET,
        spec=spec,
        reservations=[one.said for one in reserving if one not in doubtful],
        policies=[one.said for one in found if one.policy],
    )
    reading = read.reading if isinstance(read, Constant) else Reading()
    notes = [(RemarkKind.MALFORMED, one.doubt or one.note, one) for one in found if one.doubt or one.note]
    notes = notes[:_REMARKED]
    notes += [
        (RemarkKind.IGNORED, "this cannot permit, and is not relied on", one)
        for one in doubtful[:_REMARKED]
        if reservation(one.said.value) is Verdict.ALLOW
    ]
    if flaw is not None:
        notes.append((RemarkKind.MALFORMED, f"the document is not whole: {flaw}", found[0]))
    remarks: list[Remark] = [
        remark(source, kind, note[:200], evidence(observation, at=one.said.at, text=one.said.text, spec=spec))
        for kind, note, one in notes
    ]
    if doubtful and len(doubtful) == len(reserving):
        # a policy stands beside a value that is not read
        remarks += [r for r in reading.remarks if "no reservation" not in r.note]
    else:
        remarks += reading.remarks
    signals = tuple(s if s.verdict is Verdict.REFUSE else replace(s, rank=LOWEST) for s in reading.signals)
    # house: a 0 beside a value that is not relied on is none either
    if doubtful:
        signals = tuple(s for s in signals if s.verdict is Verdict.REFUSE)
    return Constant(Reading(signals=signals, remarks=tuple(remarks))) if signals or remarks else SILENT


def _reserves(one: _Found) -> bool:
    return not one.policy and reservation(one.said.value[:MAX_VALUE_CHARS]) is Verdict.REFUSE


def _in_xmp(body: bytes, *, part: bool) -> tuple[list[_Found], str | None]:
    read = xmp.packet(body)
    found: list[_Found] = []
    for value in read.of("tdm:reservation", "tdm:policy"):
        doubt = note = ""
        name = value.odd or value.name
        if value.odd and value.odd not in _LIKE_OURS:
            doubt = f"{value.odd[:120]} is a property of another name; it can reserve and cannot permit"
        elif value.odd:
            note = f"the namespace is not {xmp.TDM}/, as it has to be in XMP; taken for it"
        elif value.ingredient or not value.outermost or (part and value.text.strip() == "0"):
            doubt = "it speaks of something in the work; it can reserve and cannot permit"
        text = value.text.strip()
        found.append(_Found(Said(text, f"XMP {name[:120]}", text), value.name == "tdm:policy", doubt, note))
    return found, read.flaw


_LIKE_OURS: Final = frozenset(f"{{{xmp.TDM}{end}}}{name}" for end in ("", "#") for name in ("reservation", "policy"))
_PROPERTIES: Final = {"reservation": False, "policy": True, "tdm-reservation": False, "tdm-policy": True}


def _in_package(body: bytes) -> tuple[list[_Found], str | None]:
    read = opf.package(body)
    found: list[_Found] = []
    for meta in read.metas:
        prefix, _, local = meta.name.rpartition(":")
        policy = _PROPERTIES.get(local.lower())
        ours = meta.prefix.rstrip("/#") == xmp.TDM
        if policy is None or not (ours or prefix.lower() == "tdm" or local.lower().startswith("tdm-")):
            continue
        doubt = note = ""
        if local not in {"reservation", "policy"} or (meta.prefix and not ours) or (not ours and prefix != "tdm"):
            doubt = f"{meta.name[:80]!r} is a property of another name; it can reserve and cannot permit"
        elif meta.part:
            doubt = "it speaks of a part of the book; it can reserve and cannot permit"
        elif ours and meta.prefix != f"{xmp.TDM}#":
            note = f"the namespace is not {xmp.TDM}#, as it has to be in EPUB; taken for it"
        at = f"meta {meta.name[:120]}"
        for value in meta.values or ("",):
            text = value.strip()
            found.append(_Found(Said(text, at, f"{meta.name}: {text}"), policy, doubt, note))
    return found, read.flaw


def _cut_loose(body: bytes) -> Iterable[_Found]:
    """A reservation in a document that cannot be parsed: rule 6."""
    for before, words in xmp.excerpts(body, b"reservation"):
        if _RESERVED.match(words) and "tdm" in before.lower():
            start = before.lower().rfind("tdm")
            said = Said("1", "a document that cannot be parsed", before[start:] + words)
            return [_Found(said, policy=False, doubt="read in a document that cannot be parsed")]
    return []


def policies_of_asset(observation: Observation, agent: Agent) -> tuple[Named, ...]:
    """The policy beside a reservation."""
    if not xmp.mentions(observation.body, b"policy"):
        return ()
    statement = read_tdm_asset(observation, agent)
    return policies(statement.reading.signals) if isinstance(statement, Constant) else ()


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.ASSET,),
    parse=read_tdm_asset,
    names=policies_of_asset,
    fields=frozenset({"content-type"}),
)
