"""License links, and what else a page says of its license and its rightsholder.

The artifacts are the link relations ``license`` (RFC 4946) and ``terms-of-service`` (RFC 6903) in markup, schema.org's
properties in JSON-LD, and metas such as ``copyright`` and Dublin Core's. The same in a ``Link`` field is read by
askfirst.rights.signals.license_header.

It says whom to ask and under what terms, and hardly ever a verdict: no word of this kind speaks of training. Licenses
of type ``application/rsl+xml`` are askfirst.rights.signals' RSL readers' business.

1. A license is recorded: a remark, and a contact with its address. It permits nothing, for no license that is known
   here says "train on me" without conditions, and it reserves nothing, for a license is no reservation.
2. house: a Creative Commons license with NC or ND refuses training for careful readers, with the license as terms: they
   forbid what most training is or makes, and the license does not say so to machines. The images that a page displays
   are covered as the page is, since it is mostly they that are licensed.
3. ``terms-of-service``, ``usageInfo`` and ``acquireLicensePage`` are terms to read; ``acquireLicensePage`` is a place
   to ask at, too. The holder of the copyright is asked before the creator. house: a text in JSON-LD is an address only
   if it is an absolute one or begins with a slash (``MIT`` is none).
4. ``isAccessibleForFree: false`` and ``conditionsOfAccess`` are remarked: what is paid for is not there to be mined.
5. Of each sort the first eight count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

from askfirst.rights import json_ld
from askfirst.rights.html import JSON_LD_TYPE, RSL_TYPE, LicenseLink, Meta, PageElements, Script, elements
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Contact,
    Covers,
    Evidence,
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

PROTOCOL = "license-links"
RELATIONS: Final = ("license", "terms-of-service")
MAX_OF_A_SORT: Final = 8
_MAX_NAME: Final = 200
_MAX_URL: Final = 2_000
_COVERED: Final = (Covers.RESOURCE, Covers.PAGE_IMAGES)

Part = Signal | Remark | Contact


def read_page_license(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # names no agents
    """What the page's markup says of its license, its terms and its rightsholder."""
    page = elements(observation)
    metas = [m for m in page.metas if m.name in _METAS and m.content.strip()]
    if not metas and not page.license_links and not page.scripts:
        return SILENT
    return statement(_of_page(observation, page, metas))


def statement(parts: Iterable[Part]) -> Statement:
    """The parts as a statement, each once."""
    listed = list(dict.fromkeys(parts))
    if not listed:
        return SILENT
    return Constant(
        Reading(
            signals=tuple(p for p in listed if isinstance(p, Signal)),
            remarks=tuple(p for p in listed if isinstance(p, Remark)),
            contacts=tuple(p for p in listed if isinstance(p, Contact)),
        )
    )


def _of_page(observation: Observation, page: PageElements, metas: Sequence[Meta]) -> Iterator[Part]:
    plain = [link for link in page.license_links if link.type != RSL_TYPE and link.href is not None]
    for link in plain[:MAX_OF_A_SORT]:
        yield from _of_link(observation, link)
    for script in page.scripts:
        if script.type == JSON_LD_TYPE:
            yield from _of_script(observation, script)
    for meta in metas[:MAX_OF_A_SORT]:
        yield from _of_meta(observation, meta)


def word(rels: Sequence[str]) -> str | None:
    """Which of the two relations it is, ``license`` if it is both."""
    return next((one for one in RELATIONS if one in rels), None)


# -- links ------------------------------------------------------------------------------------------------------------


def _of_link(observation: Observation, link: LicenseLink) -> Iterator[Part]:
    said = word(link.rel) or "license"
    spec = "HTML, link type license" if said == "license" else "RFC 6903, section 5"
    words = evidence(observation, at=link.at, text=link.text, spec=spec)
    yield from linked(f"{link.tag} rel={said}", said, link.href or "", words, _COVERED)


def linked(source: str, said: str, url: str, words: Evidence, covered: Sequence[Covers]) -> Iterator[Part]:
    """What follows from a link with the relation ``said``."""
    yield Contact(source=source, nearness=Nearness.PAGE, terms_url=url, evidence=words)
    if said == "license":
        yield from _license(source, url, words, covered)


def _license(source: str, url: str, words: Evidence, covered: Sequence[Covers]) -> Iterator[Part]:
    """What follows from a license: a remark, and a refusal of training for careful readers where it has NC or ND."""
    kept = sorted({"nc", "nd"} & creative_commons(url))
    note = f"licensed under {url[:120]}: recorded, neither a permission nor a reservation"
    yield remark(source, RemarkKind.IGNORED, note, words)
    if kept:
        for covers in covered:
            yield Signal(
                source=source,
                protocol=PROTOCOL,
                category=Category.TRAIN,
                basis=Basis.LICENCE,
                verdict=Verdict.REFUSE,
                covers=covers,
                terms=Terms(url=url),
                evidence=words,
                care=Care.CONSERVATIVE,
            )


_CREATIVE_COMMONS: Final = re.compile(r"/licenses/([a-z]{2}(?:-[a-z]{2}){0,3}\+?)(?:/|\Z)")


def creative_commons(url: str) -> frozenset[str]:
    """The elements of the Creative Commons license that has this address: ``by``, ``nc``, ``nd``, ``sa``; else none."""
    try:
        parts = urlsplit(url.lower())
        host = parts.hostname or ""
    except ValueError:
        return frozenset()
    if host != "creativecommons.org" and not host.endswith(".creativecommons.org"):
        return frozenset()
    found = _CREATIVE_COMMONS.match(parts.path)
    return frozenset(found[1].strip("+").split("-")) if found is not None else frozenset()


# -- schema.org -------------------------------------------------------------------------------------------------------


def _of_script(observation: Observation, script: Script) -> Iterator[Part]:
    for number, work in enumerate(json_ld.works(script.text), start=1):
        place = f"{script.at}, object {number}"
        yield from _of_work(observation, work, place)


def _of_work(observation: Observation, work: json_ld.Work, place: str) -> Iterator[Part]:
    def words(key: str) -> Evidence:
        text = json_ld.written(({key: work[key]},))[1:-1]
        return evidence(observation, at=place, text=text, spec=f"schema.org, {key}")

    base = observation.document.url
    terms = {key: [url for v in work.get(key, ()) if (url := _url(base, v))] for key in json_ld.TERMS}
    holder = next(((key, work[key][0]) for key in json_ld.HOLDERS if key in work), None)
    access = [(key, v.get("@value") or v.get("name", "")) for key in json_ld.ACCESS for v in work.get(key, ())]
    paid = [f"{key}: {said}" for key, said in access if said and said.rpartition("/")[2].lower() != "true"]
    acquire = next(iter(terms["acquireLicensePage"]), None)
    terms_url = next((url for key in json_ld.TERMS for url in terms[key]), None)
    address = (_address(base, holder[1]) if holder else None) or acquire
    name = _named(holder[1]) if holder else None
    if name or address or terms_url:
        key = next(key for key in (*json_ld.TERMS, *json_ld.HOLDERS) if key in work)
        yield Contact(
            source=f"schema.org {key}",
            nearness=Nearness.PAGE,
            name=name,
            address=address,
            terms_url=terms_url,
            note=writable("; ".join(paid)[:_MAX_NAME]) or None,
            evidence=words(key),
        )
    for url in terms["license"]:
        yield from _license("schema.org license", url, words("license"), _COVERED)
    if paid:
        key = next(key for key in json_ld.ACCESS if key in work)
        note = f"{'; '.join(paid)[:150]}: access has conditions; without effect on what was received"
        yield remark(f"schema.org {key}", RemarkKind.IGNORED, note, words(key))


def _url(base: str, value: json_ld.Value) -> str | None:
    said = (value.get(key, "") for key in ("url", "@id", "@value"))
    return next((url for v in said if (url := web(base if v.startswith("/") else "", v))), None)


def _named(value: json_ld.Value) -> str | None:
    name = value.get("name") or value.get("@value", "")
    return None if not name or web("", name) else name[:_MAX_NAME]


def _address(base: str, value: json_ld.Value) -> str | None:
    """Where to reach somebody: mail, then their page, then telephone."""
    mail, telephone = value.get("email", "").removeprefix("mailto:"), value.get("telephone", "").removeprefix("tel:")
    if "@" in mail and not any(c.isspace() for c in mail):
        return f"mailto:{mail}"
    number = "".join(telephone.split())
    return _url(base, {k: v for k, v in value.items() if k == "url"}) or (f"tel:{number}" if number else None)


def web(base: str, reference: str) -> str | None:
    """The absolute http or https address, or None."""
    reference = reference.strip()
    if not reference or len(reference) > _MAX_URL or any(c <= " " or "\ud800" <= c <= "\udfff" for c in reference):
        return None
    try:
        url = urljoin(base, reference)
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        return None
    return url if found else None


# -- metas ------------------------------------------------------------------------------------------------------------

_NAMES: Final = frozenset({"copyright", "dc.rightsholder", "dcterms.rightsholder", "dc.rights.holder", "rights-holder"})
_LICENSES: Final = frozenset({"license", "dc.rights.license", "dc.license", "dcterms.license"})
_METAS: Final = _NAMES | _LICENSES | {"rights", "dc.rights", "dcterms.rights", "dcterms.accessrights"}


def _of_meta(observation: Observation, meta: Meta) -> Iterator[Part]:
    """A web address is terms; a text is a holder's name, or else a note of what is said."""
    source = f"{meta.name} meta"
    said = " ".join(meta.content.split())[:_MAX_NAME]
    # what is written without a scheme is a text, not an address on this site
    url = web("", meta.content)
    spec = "HTML, meta name" if "." not in meta.name else "Dublin Core metadata terms"
    words = evidence(observation, at=meta.at, text=meta.text, spec=spec)
    yield Contact(
        source=source,
        nearness=Nearness.PAGE,
        name=writable(said) if url is None and meta.name in _NAMES else None,
        terms_url=url,
        note=writable(f"{meta.name}: {said}") if url is None and meta.name not in _NAMES else None,
        evidence=words,
    )
    if url is not None and (meta.name in _LICENSES or creative_commons(url)):
        yield from _license(source, url, words, _COVERED)


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE, Kind.PAGE),
    markup=True,
    parse=read_page_license,
)
