"""All sites of the lab, what its registry knows, and which requests a correct crawler may have sent.

The guide is written here, because it names every other site. The registry is a host and no site: it has no pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crawler.lab.site import DOMAIN, WELCOME, Outcome, Page, PolicyName, Record, Site, front
from crawler.lab.stories import consent, doors, everyday, inside, makers, newer_words, press

if TYPE_CHECKING:
    from crawler.lab.process import Request

REGISTRY_HOST = f"registry.{DOMAIN}"
LOOK_UP_PATH = "/v1/look-up"

_STORIES: tuple[tuple[str, tuple[Site, ...]], ...] = (
    ("People who make pictures", makers.SITES),
    ("People who publish", press.SITES),
    ("People who were asked", consent.SITES),
    ("People who said it in newer words", newer_words.SITES),
    ("People who wrote it into the work", inside.SITES),
    ("People who thought of something else", everyday.SITES),
    ("Doors that open oddly", doors.SITES),
)


def _write_guide() -> Site:
    chapters = tuple(
        Page(
            path=f"/{sites[0].name}-and-others.html",
            title=chapter,
            links=tuple((f"http://{site.host}/", f"{site.title}: {site.trait}") for site in sites),
        )
        for chapter, sites in _STORIES
    )
    return Site(
        name="guide",
        title="Guide to the lab",
        trait="lists every site of the lab",
        story="A small web on one machine, made to find out whether a crawler asks first. Every site is somebody's "
        "story; none of them is real.",
        pages=(front(), *chapters),
        robots=WELCOME,
    )


SITES: tuple[Site, ...] = (_write_guide(), *(site for _, sites in _STORIES for site in sites))
BY_HOST = MappingProxyType({site.host: site for site in SITES})
ARTIST_PICTURE = makers.HERON
"""The picture that the artist's site refuses and the re-upload site shows again."""


def with_port(url: str, port: int) -> str:
    """A URL of a story, as it is on a server at ``port``. What has no path (a domain) stays as it is."""
    return url.replace(f".{DOMAIN}/", f".{DOMAIN}:{port}/", 1)


def seeds(port: int) -> list[str]:
    """The front page of every site."""
    return [f"http://{site.host}:{port}/" for site in SITES]


def registry_records(port: int) -> list[dict[str, object]]:
    """What the lab's registry knows, in the import format: one object a record, absent fields left out."""
    return [_record_as_json(record, port) for site in SITES for record in site.records]


def _record_as_json(record: Record, port: int) -> dict[str, object]:
    told: dict[str, object] = {
        "scope": with_port(record.scope, port),
        "categories": list(record.categories),
        "verdict": record.verdict,
        "grantee": record.grantee,
        "terms": record.terms and with_port(record.terms, port),
        "valid_until": record.valid_until,
        "reference": record.reference,
    }
    return {name: value for name, value in told.items() if value is not None}


def may_request(host: str, path: str, policy: PolicyName, *, eager: bool = False) -> bool:
    """Whether a correct crawler, for ``train`` under ``policy``, may have sent a request for ``path`` (with its query)
    to ``host`` (without a port).

    ``/robots.txt`` always; a path that no story names, never; ``/ai.txt``, ``/trust.txt``, ``/llms.txt`` and what is
    under ``/.well-known/`` only where robots.txt could be read and does not forbid it. ``eager`` lets those files be
    asked for together with robots.txt, before its answer is known.
    """
    if host == REGISTRY_HOST:
        return path == LOOK_UP_PATH
    site = BY_HOST.get(host)
    if site is None:
        return False
    if path == "/robots.txt" or path in site.plumbing:
        return True
    if path.startswith("/.well-known/") or path in ("/ai.txt", "/trust.txt", "/llms.txt"):
        return eager or site.policy_files_open
    told = site.expectation.get(path)
    return told is not None and told.under(policy).outcome.is_requested


def trespasses(requests: Iterable[Request], policy: PolicyName, *, eager: bool = False) -> list[Request]:
    """The requests of an access log that no decision of a correct crawler allows. Empty is what a crawler wants."""
    return [asked for asked in requests if not may_request(asked.host, asked.path, policy, eager=eager)]


def expected_to_keep(port: int, policy: PolicyName) -> set[str]:
    """The URLs that a correct crawler keeps under ``policy``, if it follows every link it may."""
    return {
        f"http://{site.host}:{port}{path}"
        for site in SITES
        for path, told in site.expectation.items()
        if told.under(policy).outcome is Outcome.KEEP
    }


def site_of(url: str) -> Site | None:
    """The site that answers for a URL, or None."""
    return BY_HOST.get(urlsplit(url).hostname or "")
