"""Whom to ask about a work, as the work itself says: XMP, IPTC, EXIF and EPUB fields of rights.

The artifacts are the XMP packet (``xmpRights``, ``dc``, ``photoshop``, ``Iptc4xmpCore``, ``plus``, ``cc``), the rights
fields of EXIF, IPTC-IIM and PNG, and the package document of an EPUB. None of them has a word for training: they give
contacts. ``xmpRights:Marked`` and ``Iptc4xmpExt:DigitalSourceType`` are no permission and are not read.

1. The licensor is asked before the creator, and the creator before whoever stands in the other fields.
2. An address is a mail address, else a web page, else a telephone number; what cannot be one is left out.
3. A license, Creative Commons or other, is a place where terms are written down, and no verdict.
4. house: a sentence that seems to refuse training refuses it for strict readers; others see a remark.
5. What may hold a statement and could not be read is remarked.
6. At most five contacts of a packet, three licensors among them; of several texts in a field the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from askfirst.rights import opf, xmp
from askfirst.rights.carriers import FIELDS, OPF, UNREADABLE, XMP
from askfirst.rights.contact_words import first_web_url, mailto, tel, web_url
from askfirst.rights.media import content_type
from askfirst.rights.model import (
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
    Verdict,
)
from askfirst.rights.prose import refusing_sentence
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, remark, writable

PROTOCOL = "work-rights"
_MAX_CONTACTS: Final = 5
_MAX_LICENSORS: Final = 3
_MAX_FIELDS: Final = 100
_MAX_NAME: Final = 150
_MAX_NOTE: Final = 200
_MAX_TRIED: Final = 8
_LICENSOR: Final = 'IPTC Photo Metadata Standard 2023.1 "Licensor"'
_XMP: Final = "ISO 16684-1 and IPTC Photo Metadata Standard 2023.1"
_EXIF: Final = "Exif and IPTC-IIM"
_EPUB: Final = "EPUB 3.3, section 5.5"
_WORDS: Final = (
    b"creator", b"rights", b"Rights", b"icense", b"icensor", b"CiEmail", b"CiUrl", b"CiTel", b"Owner", b"Credit",
    b"opyright", b"Instructions", b"Artist", b"Constraints", b"attribution", b"morePermissions",
)  # fmt: skip
_FREE_TEXTS: Final = (
    "dc:rights", "xmpRights:UsageTerms", "plus:OtherConstraints", "photoshop:Instructions", "dcterms:rights",
    "tiff:Copyright", "photoshop:Credit",
)  # fmt: skip


class _Text(NamedTuple):
    """A text and its place."""

    at: str
    text: str


def read_work_rights(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # it names no agents
    """What the packet says of whom to ask."""
    kind = content_type(observation)
    if kind == XMP:
        if not xmp.mentions(observation.body, *_WORDS):
            return SILENT
        read = xmp.packet(observation.body)
        if not read.values:
            return SILENT
        texts = _said(read, *_FREE_TEXTS)
        return _statement(observation, _of_xmp(observation, read), texts, "XMP", _XMP)
    if kind == FIELDS:
        fields = _fields(observation.body)
        return _statement(observation, _of_fields(observation, fields), fields, "rights fields", _EXIF)
    if kind == OPF:
        book = opf.package(observation.body)
        texts = [_Text("dc:rights", text) for text in book.texts("rights")]
        return _statement(observation, _of_package(observation, book), texts, "EPUB", _EPUB)
    return _unread(observation) if kind == UNREADABLE else SILENT


def _statement(
    observation: Observation, found: Iterator[Contact], texts: Sequence[_Text], source: str, spec: str
) -> Statement:
    contacts: dict[tuple[object, ...], Contact] = {}
    for contact in found:
        contacts.setdefault((contact.name, contact.address, contact.terms_url, contact.note), contact)
        if len(contacts) == _MAX_CONTACTS:
            break
    signals = tuple(_suspicions(observation, texts, source, spec))
    if not contacts and not signals:
        return SILENT
    return Constant(Reading(signals=signals, contacts=tuple(contacts.values())))


def _suspicions(observation: Observation, texts: Sequence[_Text], source: str, spec: str) -> Iterator[Signal]:
    """The first sentence that seems to refuse training."""
    looked_at: set[str] = set()
    for at, text in texts[:_MAX_FIELDS]:
        if text in looked_at:
            continue
        looked_at.add(text)
        sentence = refusing_sentence(text)
        if sentence is not None:
            yield Signal(
                source=f"free text in {source}",
                protocol=PROTOCOL,
                category=Category.TRAIN,
                basis=Basis.RESERVATION,
                verdict=Verdict.REFUSE,
                care=Care.STRICT,
                evidence=evidence(observation, at=at, text=sentence, spec=spec),
            )
            return


class _Way(NamedTuple):
    """A way to reach somebody, or a place of terms, and the field that names it."""

    url: str
    said: _Text


def _contact(
    observation: Observation,
    source: str,
    spec: str,
    *,
    name: _Text | None = None,
    address: _Way | None = None,
    terms: _Way | None = None,
    note: _Text | None = None,
) -> Iterator[Contact]:
    """A contact, if there is anything to it, with the field that says most as its evidence."""
    said = address.said if address is not None else terms.said if terms is not None else note or name
    if said is not None:
        yield Contact(
            source=source,
            nearness=Nearness.WORK,
            name=None if name is None else _line(name.text, _MAX_NAME),
            address=None if address is None else writable(address.url),
            terms_url=None if terms is None else writable(terms.url),
            note=None if note is None else _line(note.text, _MAX_NOTE),
            evidence=evidence(observation, at=said.at, text=said.text.strip(), spec=spec),
        )


def _line(text: str, most: int) -> str | None:
    """A text as one line, or None if there is none."""
    return writable(" ".join(text[: most * 4].split())[:most]) or None


def _way(texts: Iterable[_Text], read: Callable[[str], str | None]) -> _Way | None:
    """The first that can be one."""
    for said in islice(texts, _MAX_TRIED):
        url = read(said.text)
        if url is not None:
            return _Way(url, said)
    return None


# -- XMP --------------------------------------------------------------------------------------------------------------

_CREATORS: Final = ("dc:creator", "tiff:Artist", "cc:attributionName")
_MAILS: Final = ("Iptc4xmpCore:CiEmailWork",)
_PAGES: Final = ("Iptc4xmpCore:CiUrlWork", "cc:attributionURL")
_NUMBERS: Final = ("Iptc4xmpCore:CiTelWork",)
_TERMS_URLS: Final = ("cc:morePermissions", "xmpRights:WebStatement", "cc:license", "dcterms:license")
_OWNERS: Final = ("plus:CopyrightOwnerName", "xmpRights:Owner", "dcterms:rightsHolder")
_NOTICES: Final = ("xmpRights:UsageTerms", "dc:rights", "dcterms:rights", "tiff:Copyright")


def _said(read: xmp.Packet, *names: str) -> list[_Text]:
    found = read.by_name
    return [_Text(f"XMP {name}", text) for name in names if name in found for text in found[name]]


def _of_xmp(observation: Observation, read: xmp.Packet) -> Iterator[Contact]:
    yield from _licensors(observation, read)
    creators = _said(read, *_CREATORS)
    creator = creators[0] if creators else None
    address = (
        _way(_said(read, *_MAILS), mailto) or _way(_said(read, *_PAGES), web_url) or _way(_said(read, *_NUMBERS), tel)
    )
    yield from _contact(observation, "XMP creator", _XMP, name=creator, address=address)
    notices = _said(read, *_NOTICES)
    owner = next(iter(_said(read, *_OWNERS)), None)
    if owner is None and creator is None:
        owner = next(iter([_holder(said) for said in notices if said.at in _COPYRIGHT] or _said(read, _CREDIT)), None)
    yield from _contact(
        observation,
        "XMP rights",
        _XMP,
        name=owner,
        address=_way(notices, mailto),
        terms=_way(_said(read, *_TERMS_URLS), web_url) or _way(notices, first_web_url),
        note=notices[0] if notices and notices[0].at == "XMP xmpRights:UsageTerms" else None,
    )


_CREDIT: Final = "photoshop:Credit"
_COPYRIGHT: Final = frozenset({"XMP dc:rights", "XMP tiff:Copyright"})


def _licensors(observation: Observation, read: xmp.Packet) -> Iterator[Contact]:
    """One for each struct of ``plus:Licensor``."""
    structs: dict[int, dict[str, _Text]] = {}
    for value in read.values:
        if value.name.startswith("plus:Licensor") and value.text:
            structs.setdefault(value.owner, {}).setdefault(value.name, _Text(f"XMP {value.name}", value.text))
    for fields in islice(structs.values(), _MAX_LICENSORS):
        mails, pages = _some(fields, "Email"), _some(fields, "URL")
        terms = _way(pages, web_url)
        yield from _contact(
            observation,
            "XMP Licensor",
            _LICENSOR,
            name=fields.get("plus:LicensorName"),
            address=_way(mails, mailto) or terms or _way(_some(fields, "Telephone1", "Telephone2"), tel),
            terms=terms,
        )


def _some(fields: Mapping[str, _Text], *names: str) -> list[_Text]:
    return [fields[label] for name in names if (label := f"plus:Licensor{name}") in fields]


_NOT_A_NAME: Final = re.compile(r"(?:copyright\b|©|\(c\)|&copy;|\b\d{4}\b|\bby\b|[\s,;:.–-])+", re.IGNORECASE)
_AFTER_A_NAME: Final = re.compile(r"[.,;|/]?\s*(?:all rights|alle rechte|tous droits|http)", re.IGNORECASE)


def _holder(said: _Text) -> _Text:
    """Whose the rights are, by a notice: ``© 2026 Ada Artist. All rights reserved`` gives ``Ada Artist``."""
    text = " ".join(said.text[:600].split())
    start = _NOT_A_NAME.match(text)
    if start is not None:
        text = text[start.end() :]
    end = _AFTER_A_NAME.search(text)
    return said._replace(text=(text[: end.start()] if end is not None else text).strip(" .,;"))


# -- EXIF, IPTC-IIM, PNG ----------------------------------------------------------------------------------------------

_AUTHORS: Final = ("artist", "by-line", "author")


def _fields(body: bytes) -> list[_Text]:
    """The fields that were found; nothing if they are no list of them."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(said, list):
        return []
    found: list[_Text] = []
    for field in said[:_MAX_FIELDS]:
        if isinstance(field, dict):
            at, text = field.get("at"), field.get("text")
            if isinstance(at, str) and isinstance(text, str) and text.strip():
                found.append(_Text(at[:150], text))
    return found


def _of_fields(observation: Observation, fields: Sequence[_Text]) -> Iterator[Contact]:
    name = next((said for said in fields if any(word in said.at.lower() for word in _AUTHORS)), None)
    if name is None:
        name = next((_holder(said) for said in fields if "copyright" in said.at.lower()), None)
    terms = _way(fields, first_web_url)
    address = _way(fields, mailto) or terms
    yield from _contact(observation, "embedded rights fields", _EXIF, name=name, address=address, terms=terms)


# -- EPUB -------------------------------------------------------------------------------------------------------------


def _of_package(observation: Observation, book: opf.Package) -> Iterator[Contact]:
    rights = [_Text("dc:rights", text) for text in book.texts("rights")]
    names = [_Text(f"dc:{term}", text) for term in ("publisher", "creator") for text in book.texts(term)]
    licenses = [
        _Text(f"{what} {said.name[:100]}", value)
        for what, listed in (("link", book.links), ("meta", book.metas))
        for said in listed
        if not said.part and _is_license(said.name)
        for value in said.values
    ]
    yield from _contact(
        observation,
        "EPUB package",
        _EPUB,
        name=names[0] if names else None,
        address=_way(rights, mailto),
        terms=_way(licenses, web_url) or _way(rights, web_url) or _way(rights, first_web_url),
        note=rights[0] if rights else None,
    )


def _is_license(name: str) -> bool:
    return any(word.rpartition(":")[2].lower() == "license" for word in name.split()[:10])


# -- what could not be read -------------------------------------------------------------------------------------------


def _unread(observation: Observation) -> Statement:
    reason = observation.body[:200].decode("ascii", "replace").strip() or "no reason is given"
    words = evidence(observation, at="the work", text=reason, spec="")
    said: Remark = remark("rights metadata in the work", RemarkKind.MALFORMED, f"not read: {reason}", words)
    return Constant(Reading(remarks=(said,)))


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.ASSET,),
    parse=read_work_rights,
    fields=frozenset({"content-type"}),
)
