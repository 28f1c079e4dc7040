"""The nouns of the lab: sites, pages, pictures, answers, and what a correct crawler does about each of them.

A site is a story told in data. Nothing here serves, draws or crawls.

1. What is expected is stated for the purpose ``train`` and an agent whose product token is ``AskFirstBot``, under the
   shipped policies ``opt-out`` and ``opt-in``, for every path that a site answers.
2. URLs in stories are written without a port and always with a path (``http://blog.lab.test/``); the server puts its
   port in front of that path. Domains, as registries name them, have neither port nor path and stay as they are.
3. A picture that one site shows and another serves is one object, so that both mean the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

DOMAIN = "lab.test"
AGENT_TOKEN = "AskFirstBot"  # noqa: S105 - a robots.txt product token, not a secret

PolicyName = Literal["opt-out", "opt-in"]
POLICIES: tuple[PolicyName, ...] = ("opt-out", "opt-in")

Headers = tuple[tuple[str, str], ...]


class Outcome(StrEnum):
    """What becomes of one URL. REDIRECT: requested, answered with another URL, which has an outcome of its own."""

    KEEP = "keep"
    REFUSE_BEFORE_FETCH = "refuse-before-fetch"
    REFUSE_AFTER_FETCH = "refuse-after-fetch"
    DEFER = "defer"
    REDIRECT = "redirect"

    @property
    def is_requested(self) -> bool:
        """Whether the lab's access log may show a request for the URL."""
        return self not in (Outcome.REFUSE_BEFORE_FETCH, Outcome.DEFER)


class Reason(StrEnum):
    """Which protocol carries the outcome, named as ``Signal.protocol`` is; SILENCE: none, and the policy answers."""

    SILENCE = "silence"
    ROBOTS_TXT = "robots.txt"
    AI_TXT = "ai.txt"
    TDMREP = "tdmrep"
    X_ROBOTS_TAG = "x-robots-tag"
    META_ROBOTS = "meta-robots"
    REGISTRY = "registry"
    AIPREF = "aipref"
    CONTENT_SIGNALS = "content-signals"
    RSL = "rsl"
    TRUST_TXT = "trust.txt"
    PLUS = "plus"
    C2PA = "c2pa"
    LICENSE_CHALLENGE = "license-challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One outcome, and the protocol that must be among the decision's reasons."""

    outcome: Outcome
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is right for one URL under each policy."""

    opt_out: Expected
    opt_in: Expected

    def under(self, policy: PolicyName) -> Expected:
        """The one that holds under a policy."""
        return self.opt_out if policy == "opt-out" else self.opt_in


def _whatever_the_policy(outcome: Outcome, reason: Reason) -> Expectation:
    expected = Expected(outcome=outcome, reason=reason)
    return Expectation(opt_out=expected, opt_in=expected)


SILENT = Expectation(
    opt_out=Expected(outcome=Outcome.KEEP, reason=Reason.SILENCE),
    opt_in=Expected(outcome=Outcome.REFUSE_AFTER_FETCH, reason=Reason.SILENCE),
)
MOVED = _whatever_the_policy(Outcome.REDIRECT, Reason.SILENCE)


def barred(reason: Reason) -> Expectation:
    """Refused before any request for it, under every policy."""
    return _whatever_the_policy(Outcome.REFUSE_BEFORE_FETCH, reason)


def refused(reason: Reason) -> Expectation:
    """Fetched, and refused for what came with it, under every policy."""
    return _whatever_the_policy(Outcome.REFUSE_AFTER_FETCH, reason)


def permitted(reason: Reason) -> Expectation:
    """Kept under every policy, because of what somebody said."""
    return _whatever_the_policy(Outcome.KEEP, reason)


def deferred(reason: Reason) -> Expectation:
    """Neither requested nor refused for good: a place that may hold a rule could not be looked at."""
    return _whatever_the_policy(Outcome.DEFER, reason)


CONSENTED = permitted(Reason.REGISTRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. ``delay_s``: comes that late. ``holds``: never comes. ``cut``: half of the body comes, then the
    connection is closed, although Content-Length promised all of it."""

    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Headers = ()
    body: bytes = b""
    delay_s: float = 0
    holds: bool = False
    cut: bool = False


Answers = tuple[Answer, ...]
"""The first request gets the first answer, the second the second, and so on; the last one repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture the lab draws: the same ``seed``, ``style``, ``size``, file type and what is inside give the same
    bytes. ``host`` is the site that serves it; empty: the site whose page shows it. Inside it may have an ``xmp``
    packet (JPEG and WebP) or a ``c2pa`` manifest store (PNG), which goes where the file goes."""

    path: str
    title: str
    seed: str
    style: str
    size: tuple[int, int] = (480, 320)
    host: str = ""
    headers: Headers = ()
    xmp: str = ""
    c2pa: bytes = b""
    expect: Expectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A file that a site's pages link to: a report, a book."""

    path: str
    content_type: str
    body: bytes
    headers: Headers = ()
    expect: Expectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One HTML page. ``text`` are its paragraphs, ``links`` pairs of URL and words besides the site's own menu.
    ``json_ld`` is what it says of itself in schema.org's words. ``listed``: whether the menu names it."""

    path: str
    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    json_ld: str = ""
    headers: Headers = ()
    status: int = 200
    expect: Expectation | None = None
    listed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A registry record in the import format: ``scope`` is a domain, a URL prefix ending in ``/``, or a URL."""

    scope: str
    verdict: Literal["grant", "refuse"]
    categories: tuple[str, ...] = ("train",)
    grantee: str | None = None
    terms: str | None = None
    valid_until: str | None = None
    reference: str | None = None


_NO_FILES: Mapping[str, Answers] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site and its story.

    ``name`` is the first label of its host. ``trait`` says in one line what a crawler meets here, ``story`` the same in
    the words of the people who made it. ``pages[0]`` is the front page. ``robots`` None: there is no robots.txt.
    ``default`` holds for every page, picture and work that states nothing else. ``plumbing`` are paths that belong to
    the asking (redirect hops of robots.txt, policies, licenses, site maps) and are never kept. ``policy_files_open``
    False: nothing but ``/robots.txt`` may be requested, because that file forbids the rest or could not be read.
    """

    name: str
    title: str
    trait: str
    story: str
    pages: tuple[Page, ...]
    robots: Answers | None
    files: Mapping[str, Answers] = field(default_factory=lambda: _NO_FILES)
    pictures: tuple[Picture, ...] = ()
    works: tuple[Work, ...] = ()
    default: Expectation = SILENT
    plumbing: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    policy_files_open: bool = True
    records: tuple[Record, ...] = ()

    @property
    def host(self) -> str:
        return f"{self.name}.{DOMAIN}"

    @property
    def own_pictures(self) -> tuple[Picture, ...]:
        """The pictures that this site serves, each path once."""
        shown = (picture for page in self.pages for picture in page.pictures)
        served = {p.path: p for p in (*shown, *self.pictures) if p.host in ("", self.name)}
        return tuple(served.values())

    @property
    def expectation(self) -> dict[str, Expectation]:
        """What a correct crawler does about each path."""
        told = {page.path: page.expect or self.default for page in self.pages}
        told |= {picture.path: picture.expect or self.default for picture in self.own_pictures}
        told |= {work.path: work.expect or self.default for work in self.works}
        return told | dict.fromkeys(self.moved, MOVED)


def front(
    *pictures: Picture,
    text: tuple[str, ...] = (),
    links: tuple[tuple[str, str], ...] = (),
    meta: tuple[tuple[str, str], ...] = (),
    json_ld: str = "",
    headers: Headers = (),
    expect: Expectation | None = None,
) -> Page:
    """A front page: the renderer tells the site's title and story there."""
    return Page(
        path="/",
        title="Front page",
        text=text,
        pictures=pictures,
        links=links,
        meta=meta,
        json_ld=json_ld,
        headers=headers,
        expect=expect,
    )


def text_file(text: str, *, content_type: str = "text/plain; charset=utf-8", status: int = 200) -> Answers:
    """A file that always answers the same."""
    return (Answer(status=status, content_type=content_type, body=text.encode()),)


def redirect(to: str, *, status: int = 302) -> Answers:
    """An answer that always points elsewhere."""
    return (Answer(status=status, headers=(("Location", to),), body=b"moved\n"),)


WELCOME = text_file("User-agent: *\nAllow: /\n")
"""A robots.txt that bars nothing. It permits fetching and says nothing of use."""
