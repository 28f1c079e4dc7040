"""Where RSL licenses are named: RSL 1.0, sections 4.4 (robots.txt), 4.5 (Link), 4.6 (HTML) and 4.9.

``names`` lists the documents; they are looked at before the decision, and askfirst.rights.signals.rsl_license reads
them. What is said here itself is what stands inside a page, and remarks. RSS, and licenses embedded in files, are not
read.

1. robots.txt: the ``License`` lines of the groups that are chosen for us (RFC 9309 section 2.2.1) count. Only if there
   are none, those above the first user-agent line do (section 4.4.2).
2. house: all other ``License`` lines are looked at by conservative readers, and can only refuse. Before RSL 1.0 a line
   spoke to everybody wherever it stood, and a group does not end at a blank line, so that the last line of a file is
   mostly in somebody's group by mistake.
3. ``Link: <…>; rel="license"; type="application/rsl+xml"``, and the same as a ``link`` element, which covers the
   document. A license link without that type is another signal's matter.
4. ``<script type="application/rsl+xml">`` covers its parent element (section 4.6.2): what does not stand in the head or
   directly in the body can only refuse.
5. An address has to be absolute. house: one that is not is resolved, so that a license that was meant refuses; what it
   permits is not relied on.
6. Only a 2xx answer names anything, and only of the resource itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urldefrag, urljoin, urlsplit

from askfirst.rights.html import elements
from askfirst.rights.link_header import Link, links
from askfirst.rights.model import Agent, Care, Document, Kind, Observation, Reading, Remark, RemarkKind
from askfirst.rights.origins import is_web_url
from askfirst.rights.reader import SILENT, Constant, Named, Reader, Statement, Target, evidence, remark
from askfirst.rights.robotstxt import MAX_BYTES, Record, RobotsTxt
from askfirst.rights.rsl import parse
from askfirst.rights.rsl_terms import PROTOCOL, RslStatement
from askfirst.rights.signals.robots_txt import robots_of
from askfirst.rights.signals.rsl_license import REFUSES_ONLY

SOURCE = "License in robots.txt"
PAGE_SOURCE = "RSL license in the page"
RSL_TYPE = "application/rsl+xml"
_SPEC = "RSL 1.0 section 4.4"
_MAX_REMARKS = 5


def read_associations(observation: Observation, agent: Agent) -> Statement:
    """What stands in the page itself, or remarks on robots.txt."""
    if not _answered(observation):
        return SILENT
    if observation.document.kind is Kind.WELL_KNOWN:
        remarks = tuple(_remarks(observation, agent))
        return Constant(Reading(remarks=remarks)) if remarks else SILENT
    statements = [
        RslStatement(
            observation,
            parse(script.text.strip().encode("utf-8", "replace")),
            source=PAGE_SOURCE,
            place=script.at,
            refuses_only=not script.whole,
            inline=True,
        )
        for script in elements(observation).scripts
        if script.type == RSL_TYPE
    ]
    if not statements:
        return SILENT
    return statements[0] if len(statements) == 1 else _Several(statements)


def named_licenses(observation: Observation, agent: Agent) -> tuple[Named, ...]:
    """The license documents that robots.txt, or a response, names."""
    if not _answered(observation):
        return ()
    if observation.document.kind is Kind.WELL_KNOWN:
        return tuple(_of_robots(observation, agent))
    if observation.document.kind is not Kind.RESPONSE:
        return ()
    return tuple(_of_response(observation))


def _answered(observation: Observation) -> bool:
    return observation.outage is None and observation.status is not None and 200 <= observation.status < 300


class _Several:
    """What several scripts of one page say. Readings are remembered, so that they stay the same objects."""

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


def _of_robots(observation: Observation, agent: Agent) -> Iterator[Named]:
    # one look at the octets, UTF-16 included, before a file is taken apart for a record that few have
    if b"license" not in observation.body.replace(b"\0", b"").lower():
        return
    robots = robots_of(observation)
    records = robots.records_of("license")
    ours = _ours(robots, records, agent)
    found: list[tuple[str, bool, Care]] = []
    for record in records:
        url = _absolute(observation.document.url, record.value)
        if url is not None:
            counts = record in ours
            care = Care.LITERAL if counts else Care.CONSERVATIVE
            found.append((url, counts and is_web_url(record.value), care))
    yield from _named(found)


def _named(found: Sequence[tuple[str, bool, Care]]) -> Iterator[Named]:
    """The documents: those that may permit, and those that can only refuse, unless they are among the first."""
    whole = {url for url, permits, _ in found if permits}
    for url, permits, care in found:
        if permits or url not in whole:
            yield Named(document=Document(kind=Kind.LICENSE, url=url if permits else url + REFUSES_ONLY), care=care)


def _ours(robots: RobotsTxt, records: Iterable[Record], agent: Agent) -> list[Record]:
    """The lines that are said to us (section 4.4.2)."""
    groups = set(robots.rules_for(agent.product_token).groups)
    own = [record for record in records if record.group_index in groups]
    return own or [record for record in records if record.group_index is None]


def _remarks(observation: Observation, agent: Agent) -> Iterator[Remark]:
    if b"license" not in observation.body.replace(b"\0", b"").lower():
        return
    robots = robots_of(observation)
    records = robots.records_of("license")
    ours = _ours(robots, records, agent)
    notes: list[tuple[Record, RemarkKind, str]] = []
    for record in records:
        if not is_web_url(record.value):
            kind = RemarkKind.MALFORMED
            if _absolute(observation.document.url, record.value) is None:
                notes.append((record, kind, "the license has no web address, and is not looked at"))
            else:
                notes.append((record, kind, "the address of the license is not absolute: resolved, and only to refuse"))
        elif record not in ours:
            note = "a license that is named for others: only careful readers look at it, and only to refuse"
            notes.append((record, RemarkKind.NOT_COUNTED, note))
    for record, kind, note in notes[:_MAX_REMARKS]:
        words = evidence(observation, at=f"line {record.line}", text=robots.text_of(record.line), spec=_SPEC)
        yield remark(SOURCE, kind, note, words)


# -- responses --------------------------------------------------------------------------------------------------------


def _of_response(observation: Observation) -> Iterator[Named]:
    base = observation.document.url
    found = [
        (url, is_web_url(link.target), Care.LITERAL)
        for link in _rsl_links(observation)
        if (url := _absolute(base, link.target)) is not None
    ]
    found += [
        (link.href, link.whole, Care.LITERAL)
        for link in elements(observation).license_links
        if link.type == RSL_TYPE and "license" in link.rel and link.href is not None
    ]
    yield from _named(found)


def _rsl_links(observation: Observation) -> list[Link]:
    values = observation.field_values("link")
    return [link for link in links(values) if "license" in link.rels and link.type == RSL_TYPE] if values else []


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
    max_bytes=MAX_BYTES,
)
