"""Where RSL licenses are named: RSL 1.0, sections 4.4 (robots.txt), 4.5 (Link), 4.6 (HTML) and 4.9.

``names`` lists the documents; they are looked at before the decision, and askfirst.rights.signals.rsl_license reads
them. What is said here itself is what stands inside a page, what cannot be looked at, and remarks. RSS, and licenses
embedded in files, are not read.

1. robots.txt: the ``License`` lines of the groups that are chosen for us (RFC 9309 section 2.2.1) count. Only if there
   are none, those above the first user-agent line do (section 4.4.2). house: lines that only the careful reading of the
   file finds there count to refuse.
2. house: all other ``License`` lines are looked at by conservative readers, and can only refuse. Before RSL 1.0 a line
   spoke to everybody wherever it stood, and a group does not end at a blank line, so that the last line of a file is
   mostly in somebody's group by mistake.
3. ``Link: <…>; rel="license"; type="application/rsl+xml"``, and the same as a ``link`` element, which covers the
   document. A license link without that type is another signal's matter.
4. ``<script type="application/rsl+xml">`` covers its parent element (section 4.6.2): what does not stand in the head or
   directly in the body can only refuse.
5. An address has to be absolute. house: one that is not, and one with something around it, is resolved, so that a
   license that was meant refuses; what it permits is not relied on. Where there is no web address a license is named
   and cannot be had: unlicensed (section 4.3), in prose for conservative readers.
6. Only a 2xx answer names anything of the resource. house: a redirect on the way to it names what can refuse.
7. Eight documents are looked at, and eight scripts. With more of them it is not known what they say: DEFER. The same
   goes for a ``Link`` field that is too long to be read, and for a robots.txt with such lines that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urldefrag, urljoin, urlsplit

from askfirst.rights.html import MAX_SCRIPTS, elements
from askfirst.rights.link_header import MAX_LINKS, MAX_VALUE_CHARS, links
from askfirst.rights.model import (
    Agent,
    Care,
    Document,
    Evidence,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Terms,
    Verdict,
)
from askfirst.rights.origins import is_web_url
from askfirst.rights.reader import MAX_NAMED, SILENT, Constant, Named, Reader, Statement, Target, evidence, remark
from askfirst.rights.robotstxt import MAX_BYTES, Record, RobotsTxt
from askfirst.rights.rsl import parse
from askfirst.rights.rsl_terms import PROTOCOL, RslStatement, not_licensed
from askfirst.rights.signals.robots_txt import robots_of
from askfirst.rights.signals.rsl_license import REFUSES_ONLY

SOURCE = "License in robots.txt"
PAGE_SOURCE = "RSL license in the page"
RSL_TYPE = "application/rsl+xml"
_SPEC = "RSL 1.0 section 4.4"
_MAX_REMARKS = 5
_MAX_LINES = 1_000
_MAX_CHARS = 8_192
_WORD = RSL_TYPE.partition("/")[2]
_AROUND = " \t<>\"'"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:(?![ \t])")


@dataclass(frozen=True, slots=True)
class _Association:
    """Somewhere a license is named. ``url`` is where, or None where it cannot be had. ``permits``: what it permits can
    be relied on. ``unread``: there may be more that is not read. ``at`` and ``text`` are the evidence."""

    url: str | None
    at: str
    text: str
    permits: bool = False
    care: Care = Care.LITERAL
    unread: bool = False


def read_associations(observation: Observation, agent: Agent) -> Statement:
    """What stands in the page itself, what cannot be looked at, and remarks on robots.txt."""
    well_known = observation.document.kind is Kind.WELL_KNOWN
    statements: list[Statement] = list(_unlooked(observation, agent))
    if well_known and _answered(observation) and _speaks(observation):
        remarks = tuple(_remarks(observation, agent))
        statements += [Constant(Reading(remarks=remarks))] if remarks else []
    elif not well_known and _answered(observation):
        statements += _scripts(observation)
    if not statements:
        return SILENT
    return statements[0] if len(statements) == 1 else _Several(statements)


def named_licenses(observation: Observation, agent: Agent) -> tuple[Named, ...]:
    """The license documents that robots.txt, or a response, names."""
    return tuple(
        Named(document=Document(kind=Kind.LICENSE, url=url), care=one.care)
        for url, one in list(_named(observation, agent).items())[:MAX_NAMED]
    )


def _named(observation: Observation, agent: Agent) -> dict[str, _Association]:
    """By address the associations that have one: what everybody counts first, and with it what may permit."""
    found = sorted(_associations(observation, agent), key=lambda one: (one.care, not one.permits))
    whole = {one.url for one in found if one.permits}
    named: dict[str, _Association] = {}
    for one in found:
        if one.url is not None and (one.permits or one.url not in whole):
            named.setdefault(one.url if one.permits else one.url + REFUSES_ONLY, one)
    return named


def _unlooked(observation: Observation, agent: Agent) -> Iterator[Constant]:
    """What follows from the associations that nobody looks at: the first of each sort."""
    found = list(_associations(observation, agent))
    for care in sorted({one.care for one in found if one.url is None and not one.unread}):
        one = next(one for one in found if one.url is None and not one.unread and one.care is care)
        terms = Terms(reference="unlicensed: a license is named that cannot be looked at")
        yield Constant(not_licensed(SOURCE, Verdict.REFUSE, _words(observation, one), terms, care))
    unread = [one for one in found if one.unread]
    if len(found) > MAX_NAMED:
        unread += list(_named(observation, agent).values())[MAX_NAMED:]
    for care in sorted({one.care for one in unread})[:1]:
        words = _words(observation, next(one for one in unread if one.care is care))
        note = "not looked at, because more is named than is looked at: what it says is not known"
        said = not_licensed(SOURCE, Verdict.DEFER, words, None, care)
        yield Constant(replace(said, remarks=(remark(SOURCE, RemarkKind.TRUNCATED, note, words),)))


def _words(observation: Observation, one: _Association) -> Evidence:
    return evidence(observation, at=one.at, text=one.text, spec=_SPEC)


def _associations(observation: Observation, agent: Agent) -> Iterable[_Association]:
    status = observation.status
    if observation.outage is not None or status is None or not 200 <= status < 400:
        return ()
    if observation.document.kind is Kind.WELL_KNOWN:
        return _of_robots(observation, agent) if status < 300 else ()
    if observation.document.kind is not Kind.RESPONSE:
        return ()
    if status < 300:
        return (*_of_fields(observation), *_of_page(observation))
    return (replace(one, permits=False) for one in _of_fields(observation))


def _answered(observation: Observation) -> bool:
    return observation.outage is None and observation.status is not None and 200 <= observation.status < 300


class _Several:
    """What several statements say together. Readings are remembered, so that they stay the same objects."""

    __slots__ = ("_by_parts", "_statements")

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._statements = statements
        self._by_parts: dict[tuple[int, ...], tuple[list[Reading], Reading]] = {}

    def on(self, target: Target) -> Reading:
        parts = [statement.on(target) for statement in self._statements]
        key = tuple(map(id, parts))
        known = self._by_parts.get(key)
        if known is None:
            joined = Reading(
                signals=tuple(s for part in parts for s in part.signals),
                remarks=tuple(r for part in parts for r in part.remarks),
                contacts=tuple(c for part in parts for c in part.contacts),
            )
            # with the parts, so that no other object gets their ids
            known = self._by_parts[key] = (parts, joined)
        return known[1]


# -- robots.txt -------------------------------------------------------------------------------------------------------


def _speaks(observation: Observation) -> bool:
    """One look at the octets, UTF-16 included, before a file is taken apart for a record that few have."""
    return b"license" in observation.body.replace(b"\0", b"").lower()


def _of_robots(observation: Observation, agent: Agent) -> Iterator[_Association]:
    if not _speaks(observation):
        return
    robots = robots_of(observation)
    literal, ours = _lines_of(robots, agent)
    base = observation.document.url
    # what is said to us first, and each value once
    different: dict[tuple[bool, bool, str], Record] = {}
    for record in robots.records_of("license"):
        different.setdefault((record.line not in ours, record.line not in literal, record.value), record)
    for number, (_, record) in enumerate(sorted(different.items(), key=lambda item: item[0][:2])):
        at, text = f"line {record.line}", robots.text_of(record.line)
        care = Care.LITERAL if record.line in ours else Care.CONSERVATIVE
        if number == _MAX_LINES or len(record.value) > _MAX_CHARS:
            yield _Association(None, f"{at} ff.", text, care=care, unread=True)
            if number == _MAX_LINES:
                return
            continue
        urls = _addresses(base, record.value)
        for url in urls:
            yield _Association(url, at, text, record.line in literal and _is_address(record.value), care)
        if not urls and record.value:
            # an address, of whatever sort, or else prose
            yield _Association(None, at, text, care=care if _SCHEME.match(record.value) else Care.CONSERVATIVE)
        if robots.is_cut and record.line in literal:
            yield _Association(None, f"{at} ff.", text, unread=True)


def _lines_of(robots: RobotsTxt, agent: Agent) -> tuple[set[int], set[int]]:
    """The lines that are said to us: by the plain reading, and by either."""
    literal, careful = robots.said_to("license", agent.product_token)
    plain = {record.line for record in literal}
    return plain, plain | {record.line for record in careful}


def _is_address(value: str) -> bool:
    return is_web_url(value) and value.split() == [value]


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_FILE = re.compile(r".*\.(?:xml|rsl|html?|txt|json|php|aspx?)", re.IGNORECASE)


def _addresses(base: str, value: str) -> list[str]:
    """The web addresses that a value is; house: or that stand in it, with blanks, brackets or quotes around them."""
    bare = value.strip(_AROUND)
    # house: `License: MIT` names no file
    url = None if _NAME.fullmatch(bare) and not _FILE.fullmatch(bare) else _absolute(base, bare)
    if url is not None:
        return [url]
    words = (word.strip(_AROUND + ",;") for word in bare.split())
    return [url for word in words if "://" in word and (url := _absolute(base, word)) is not None]


def _remarks(observation: Observation, agent: Agent) -> Iterator[Remark]:
    robots = robots_of(observation)
    _, ours = _lines_of(robots, agent)
    notes: list[tuple[Record, RemarkKind, str]] = []
    for record in robots.records_of("license"):
        if len(notes) == _MAX_REMARKS:
            break
        if not _is_address(record.value):
            kind = RemarkKind.MALFORMED
            if not _addresses(observation.document.url, record.value):
                notes.append((record, kind, "the license has no web address, and is not looked at"))
            else:
                notes.append((record, kind, "the address of the license is not absolute: resolved, and only to refuse"))
        elif record.line not in ours:
            note = "a license that is named for others: only careful readers look at it, and only to refuse"
            notes.append((record, RemarkKind.NOT_COUNTED, note))
    for record, kind, note in notes:
        words = evidence(observation, at=f"line {record.line}", text=robots.text_of(record.line), spec=_SPEC)
        yield remark(SOURCE, kind, note, words)


# -- responses --------------------------------------------------------------------------------------------------------


def _of_fields(observation: Observation) -> Iterator[_Association]:
    values = observation.field_values("link")
    if not any(_WORD in value.lower() for value in values):
        return  # one look, because nearly every response has links to something else
    base = observation.document.url
    found = links(values)
    for link in found:
        if "license" in link.rels and link.type == RSL_TYPE:
            url = _absolute(base, link.target)
            yield _Association(url, "field Link", f"Link: {link.text}", url is not None and is_web_url(link.target))
    if len(found) == MAX_LINKS or any(len(value) > MAX_VALUE_CHARS for value in values):
        lowered = [value.lower() for value in values]
        if sum(v.count(_WORD) for v in lowered) > sum(link.text.lower().count(_WORD) for link in found):
            value = next(v for v, low in zip(reversed(values), reversed(lowered), strict=True) if _WORD in low)
            yield _Association(None, "field Link", f"Link: {value}", unread=True)


def _of_page(observation: Observation) -> Iterator[_Association]:
    for link in elements(observation).license_links:
        if link.type == RSL_TYPE and "license" in link.rel:
            yield _Association(link.href, link.at, link.text, link.href is not None and link.whole)


def _scripts(observation: Observation) -> list[Statement]:
    """What the scripts of the page say, each for itself."""
    scripts = [script for script in elements(observation).scripts if script.type == RSL_TYPE]
    said: list[Statement] = [
        RslStatement(
            observation,
            parse(script.text.strip().encode("utf-8", "replace")),
            source=PAGE_SOURCE,
            place=script.at,
            refuses_only=not script.whole,
            inline=True,
        )
        for script in scripts
    ]
    if len(scripts) >= MAX_SCRIPTS:
        words = evidence(observation, at=scripts[-1].at, text="no further script is read", spec=_SPEC)
        said.append(Constant(not_licensed(PAGE_SOURCE, Verdict.DEFER, words, None)))
    return said


def _absolute(base: str, reference: str) -> str | None:
    """The web address that a reference is, without its fragment; None for what is none. A relative one is resolved."""
    reference = reference.strip()
    if not reference or len(reference) > 2_000 or any(c <= " " or "\ud800" <= c <= "\udfff" for c in reference):
        return None
    try:
        url = urldefrag(urljoin(base, reference))[0]
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    return url if scheme in {"http", "https"} and is_web_url(url) else None


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN, Kind.RESPONSE),
    paths=("/robots.txt",),
    parse=read_associations,
    names=named_licenses,
    fields=frozenset({"link"}),
    markup=True,
    max_bytes=MAX_BYTES,
)
