"""``plus:DataMining`` in a work's XMP: IPTC Photo Metadata Standard 2023.1, "Data Mining", and the vocabulary of PLUS.

It speaks of the work it stands in, travels with copies of it, and its absence says nothing. It does not resolve what
the ``SEE…`` values point at: they are prohibitions that name terms.

1. The value is a URI of the vocabulary, a bare key, or the URI with ``https``; spaces around it are no part of it.
2. AIMLTRAINING refuses training, GENAIMLTRAINING generative training, EXCEPTSEARCHENGINEINDEXING all but search, which
   it permits; PROHIBITED refuses everything, search too; ALLOWED permits everything but ``ai-input``, of which the
   vocabulary does not speak. UNSPECIFIED says nothing.
3. house: an unknown ``DMI-PROHIBITED…`` refuses training and mining, as does a value in other spelling or a property in
   another namespace. A value that nobody can read refuses them for careful readers.
4. house: of several values the strictest counts. A permission counts only where it is all that a whole, well-formed
   packet says, in its own namespace, about the work itself, and the packet stands where that of a whole work does.
5. house: what an ingredient (the XMP pantry) prohibits counts for careful readers.
6. house: in a packet that cannot be parsed every ``DMI-PROHIBITED…`` refuses, whatever stands around it. In one that
   can, a key of the vocabulary in another property refuses for careful readers.
7. ``plus:OtherConstraints`` is free text. It is the terms of SEECONSTRAINT, and otherwise a note to whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from askfirst.rights.carriers import XMP, is_of_a_part
from askfirst.rights.contact_words import first_web_url
from askfirst.rights.media import content_type
from askfirst.rights.model import (
    MAX_EVIDENCE_CHARS,
    Agent,
    Basis,
    Care,
    Category,
    Contact,
    Kind,
    Nearness,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, remark, writable
from askfirst.rights.xmp import Packet, Value, excerpts, mentions, packet

PROTOCOL = "plus"
SOURCE = "plus:DataMining"
_SPEC: Final = 'IPTC Photo Metadata Standard 2023.1 "Data Mining"'
_CONSTRAINTS_SPEC: Final = 'IPTC Photo Metadata Standard 2023.1 "Other Constraints"'

_T, _G, _M, _S = Category.TRAIN, Category.TRAIN_GENERATIVE, Category.TDM, Category.SEARCH
_Effects = Mapping[Category, Verdict]
_ALL: Final = (_T, _G, _M, _S)


def _no(*categories: Category) -> _Effects:
    return dict.fromkeys(categories, Verdict.REFUSE)


_SEE_CONSTRAINT: Final = "DMI-PROHIBITED-SEECONSTRAINT"
_SEE_EMBEDDED: Final = "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR"
_SEE_LINKED: Final = "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR"
_PROHIBITED: Final = "DMI-PROHIBITED"
_VOCABULARY: Final[Mapping[str, _Effects]] = {
    "DMI-UNSPECIFIED": {},
    "DMI-ALLOWED": dict.fromkeys(_ALL, Verdict.ALLOW),
    "DMI-PROHIBITED-AIMLTRAINING": _no(_T, _G),
    "DMI-PROHIBITED-GENAIMLTRAINING": _no(_G),
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": {**_no(_T, _G, _M), _S: Verdict.ALLOW},
    _PROHIBITED: _no(*_ALL),
    _SEE_CONSTRAINT: _no(*_ALL),
    _SEE_EMBEDDED: _no(*_ALL),
    _SEE_LINKED: _no(*_ALL),
}
_UNKNOWN: Final = _no(_T, _G, _M)
_HOMES: Final = frozenset({"", "http://ns.useplus.org/ldf/vocab/", "https://ns.useplus.org/ldf/vocab/"})
_KEY: Final = re.compile(r"[A-Za-z-]{1,60}")
_SOMEWHERE: Final = "XMP packet"
_BEFORE_A_VALUE: Final = re.compile(r"[<>\"'\s]")
_REMARKED: Final = 5


class _Said(NamedTuple):
    """One value and what it comes to. ``plain``: nothing about it is odd, so that a permission may count."""

    key: str
    effects: _Effects
    text: str
    at: str
    care: Care
    plain: bool
    note: str


def read_plus_data_mining(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # it names no agents
    """What the packet says of data mining."""
    if content_type(observation) != XMP:
        return SILENT
    body = observation.body
    if not mentions(body, b"DataMining", b"DMI-", b"dmi-", b"OtherConstraints"):
        return SILENT
    read = packet(body)
    flaw = read.flaw or ("only its beginning was read" if observation.truncated else None)
    said = [_meaning(value, read.flaw) for value in read.of("plus:DataMining")]
    if read.flaw is not None or body.count(b"DMI-PRO") != sum("DMI-PRO" in one.text for one in said):
        said += _found_elsewhere(body, {one.key for one in said}, read.flaw)
    constraints = read.texts("plus:OtherConstraints")
    if not said and not constraints:
        return SILENT
    signals, dropped = _weighed(observation, said, read, whole=flaw is None and not is_of_a_part(observation))
    remarks = tuple(_remarks(observation, said, read, dropped=dropped, flaw=flaw))
    return Constant(Reading(signals=signals, remarks=remarks, contacts=_contacts(observation, constraints)))


def _meaning(value: Value, flaw: str | None) -> _Said:
    text = value.text.strip()
    at = "XMP plus:DataMining"
    care, notes = Care.LITERAL, []
    plain = value.outermost and not value.odd
    if value.odd:
        at = f"XMP {value.odd[:120]}"
        notes.append("a property of another namespace; it can refuse and cannot permit")
    if value.ingredient:
        care = Care.CONSERVATIVE
        notes.append("it speaks of an ingredient of the work")
    cut = max(text.rfind("/"), text.rfind("#"), text.rfind(":")) + 1
    home, key = text[:cut], text[cut:]
    effects = _VOCABULARY.get(key)
    if effects is not None and home in _HOMES:
        return _Said(key, effects, text, at, care, plain, "; ".join(notes))
    meant = re.sub(r"[ _]", "-", key[:80]).upper().strip("-")
    if not meant.startswith("DMI-"):
        meant = f"DMI-{meant}"
    if meant in _VOCABULARY:
        effects = _VOCABULARY[meant]
        notes.append(f"{text[:80]!r} is no spelling of the vocabulary; it can refuse and cannot permit")
    elif meant.startswith("DMI-PRO") or (flaw is not None and len(meant) > 4 and _PROHIBITED.startswith(meant)):
        effects = _UNKNOWN
        notes.append(f"{text[:80]!r} is not in the vocabulary; read as a refusal of training and mining")
    elif text:
        effects, care = _UNKNOWN, Care.CONSERVATIVE
        notes.append(f"{text[:80]!r} is not in the vocabulary; without effect for literal readers")
    else:
        effects = {}
        notes.append("the property is there without a value; without effect")
    return _Said(meant, effects, text, at, care, False, "; ".join(notes))


def _found_elsewhere(body: bytes, read: set[str], flaw: str | None) -> list[_Said]:
    """Prohibitions that stand in the packet and in none of its properties that were read: rule 6."""
    if not mentions(body, b"DMI-PRO", b"dmi-pro"):
        return []
    found: dict[str, _Said] = {}
    for before, words in excerpts(body, b"dmi-pro"):
        key = _KEY.match(words)
        name = key[0].upper().rstrip("-") if key else _PROHIBITED
        named = before.endswith(("/", "#", ":", "<"))
        if name in read or name in found or (flaw is None and not named):
            continue
        literal = flaw is not None or before.endswith("Iptc4xmpExt:")
        where = "in a packet that cannot be parsed" if flaw is not None else "in another property"
        found[name] = _Said(
            name,
            _VOCABULARY.get(name, _UNKNOWN),
            _BEFORE_A_VALUE.split(before)[-1] + words[: len(name)],
            _SOMEWHERE,
            Care.LITERAL if literal else Care.CONSERVATIVE,
            False,
            f"{name[:60]} stands {where}",
        )
        if len(found) == _REMARKED:
            break
    return list(found.values())


def _weighed(
    observation: Observation, said: Sequence[_Said], read: Packet, *, whole: bool
) -> tuple[tuple[Signal, ...], bool]:
    """The signals, and whether a permission was dropped."""
    sole = whole and len({one.key for one in said}) == 1 and all(one.plain for one in said)
    standing: dict[Category, tuple[_Said, Verdict]] = {}
    dropped = False
    for one in said:
        for category, verdict in one.effects.items():
            if verdict is Verdict.ALLOW and not sole:
                dropped = True
                continue
            other = standing.get(category)
            if other is None or one.care < other[0].care:
                standing[category] = (one, verdict)
    signals: list[Signal] = []
    for category, (one, verdict) in standing.items():
        signals.append(
            Signal(
                source=SOURCE,
                protocol=PROTOCOL,
                category=category,
                basis=Basis.RESERVATION,
                verdict=verdict,
                terms=_terms(one, read) if verdict is Verdict.REFUSE else None,
                evidence=signals[-1].evidence
                if signals and signals[-1].evidence.text == one.text[:MAX_EVIDENCE_CHARS]
                else evidence(observation, at=one.at, text=one.text, spec=_SPEC),
                care=one.care,
            )
        )
    return tuple(signals), dropped


def _terms(one: _Said, read: Packet) -> Terms | None:
    """Where a SEE… value points, if it is there."""
    if one.key == _SEE_CONSTRAINT:
        texts = read.texts("plus:OtherConstraints")
        url = next((found for text in texts if (found := first_web_url(text))), None)
    elif one.key == _SEE_LINKED:
        texts = read.texts("Iptc4xmpExt:LinkedRightsExpr")
        url = next((found for text in texts if (found := first_web_url(text))), None)
        texts = [] if url is not None else texts
    elif one.key == _SEE_EMBEDDED:
        texts, url = read.texts("Iptc4xmpExt:EncRightsExpr"), None
    else:
        return None
    reference = writable(" ".join(texts[0][:1_000].split())[:MAX_EVIDENCE_CHARS]) if texts else None
    return Terms(url=url, reference=reference) if url or reference else None


def _remarks(
    observation: Observation, said: Sequence[_Said], read: Packet, *, dropped: bool, flaw: str | None
) -> Iterator[Remark]:
    def noted(kind: RemarkKind, note: str, one: _Said) -> Remark:
        return remark(SOURCE, kind, note[:200], evidence(observation, at=one.at, text=one.text, spec=_SPEC))

    if not said:
        return
    if flaw is not None:
        kind = RemarkKind.TRUNCATED if read.flaw is None else RemarkKind.MALFORMED
        yield noted(kind, f"the packet is not whole: {flaw}", said[0])
    for one in [one for one in said if one.note][:_REMARKED]:
        kind = RemarkKind.SUSPICIOUS if one.at == _SOMEWHERE else RemarkKind.MALFORMED
        in_its_words_elsewhere = one.care is not Care.LITERAL and one.key in _VOCABULARY
        yield noted(RemarkKind.IGNORED if in_its_words_elsewhere else kind, one.note, one)
    if len({one.key for one in said}) > 1:
        keys = ", ".join(dict.fromkeys(one.key[:60] for one in said))
        yield noted(RemarkKind.CONTRADICTION, f"several values that differ: the strictest counts ({keys})", said[0])
    elif dropped:
        yield noted(RemarkKind.IGNORED, "a permission that stands where none can count; it is not relied on", said[0])
    for one in said:
        if one.key.startswith("DMI-PROHIBITED-SEE") and one.key in _VOCABULARY and _terms(one, read) is None:
            yield noted(RemarkKind.MALFORMED, "what it points at is not in the packet; it refuses all the same", one)
            break


def _contacts(observation: Observation, constraints: Sequence[str]) -> tuple[Contact, ...]:
    if not constraints:
        return ()
    words = evidence(observation, at="XMP plus:OtherConstraints", text=constraints[0], spec=_CONSTRAINTS_SPEC)
    note = " ".join(words.text.split())
    contact = Contact(
        source="XMP plus:OtherConstraints",
        nearness=Nearness.WORK,
        terms_url=first_web_url(constraints[0]),
        note=note or None,
        evidence=words,
    )
    return (contact,)


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.ASSET,),
    parse=read_plus_data_mining,
    fields=frozenset({"content-type"}),
)
