"""The nouns: what is looked at, what was said, and what follows.

Everything is frozen. Text from the wire is kept verbatim. Times are aware UTC datetimes named ``…_at``; durations are
whole seconds named ``…_s``; sizes are named ``…_bytes``.

Rules of this file:

1. A verdict is never a bool, and the order of :class:`Verdict` is the law: the larger one wins.
2. Silence has no object.
3. A :class:`Remark` and a :class:`Contact` are other types than a :class:`Signal`, so that they cannot weigh.

It is long and one thing: the vocabulary of all other modules.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class Verdict(IntEnum):
    """What may be done. INVARIANT: ``ALLOW < DEFER < REFUSE``; joining is ``max``."""

    ALLOW = 0
    DEFER = 1
    REFUSE = 2

    @property
    def word(self) -> str:
        """``allow``, ``defer`` or ``refuse``, as the wire has it."""
        return _WORDS[self]


_WORDS = {Verdict.ALLOW: "allow", Verdict.DEFER: "defer", Verdict.REFUSE: "refuse"}


class Category(StrEnum):
    """What a statement speaks of."""

    FETCH = "fetch"
    SEARCH = "search"
    AI_INPUT = "ai-input"
    TDM = "tdm"
    TRAIN = "train"
    TRAIN_GENERATIVE = "train-generative"


class Purpose(StrEnum):
    """What a job is for: the categories without ``fetch``."""

    SEARCH = "search"
    AI_INPUT = "ai-input"
    TDM = "tdm"
    TRAIN = "train"
    TRAIN_GENERATIVE = "train-generative"


class Stage(StrEnum):
    """FETCH: before any request for the resource. KEEP: after it, with its headers and bytes."""

    FETCH = "fetch"
    KEEP = "keep"


class Kind(StrEnum):
    """Which sort of place a document is.

    WELL_KNOWN: a file at a fixed path of the origin. REGISTRY: a registry's answer about the URL. RESPONSE: the
    response that carried the resource, or a redirect hop on the way to it. PAGE: the response of a page that displays
    the resource. ASSET: rights metadata that was found inside the resource's own bytes, one packet each, with its media
    type as Content-Type. ORIGINAL: the same, or the response, of another rendition of the same work. LICENSE: an RSL
    licence, and POLICY: a TDM policy, that another document names. CONTACT: a file that says whom to reach.
    """

    WELL_KNOWN = "well-known"
    REGISTRY = "registry"
    RESPONSE = "response"
    PAGE = "page"
    ASSET = "asset"
    ORIGINAL = "original"
    LICENSE = "license"
    POLICY = "policy"
    CONTACT = "contact"


class Outage(StrEnum):
    """Why nothing usable came back. BROKEN: the transfer was cut or was not HTTP. BLOCKED: we did not ask, because the
    address guard or the origin's own robots.txt forbids it."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    DNS = "dns"
    TLS = "tls"
    REDIRECTS = "redirects"
    TOO_LARGE = "too-large"
    BROKEN = "broken"
    BLOCKED = "blocked"


class Basis(StrEnum):
    """By what authority a signal binds. Consent lifts the middle three, never an access rule."""

    ACCESS_RULE = "access-rule"
    PREFERENCE = "preference"
    RESERVATION = "reservation"
    LICENCE = "licence"
    CONSENT = "consent"


class Covers(StrEnum):
    """RESOURCE: the resource itself. PAGE_IMAGES: the images that this page displays, wherever they live."""

    RESOURCE = "resource"
    PAGE_IMAGES = "page-images"


class Care(IntEnum):
    """How careful a reader must be for a signal to count: the mildest policy under which it weighs.

    LITERAL: the specification says so, or says nothing clear and this is the careful reading. CONSERVATIVE: the
    specification says otherwise, and somebody may well have meant this. STRICT: only a suspicious reader would.
    """

    LITERAL = 0
    CONSERVATIVE = 1
    STRICT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who speaks: the tuple of RFC 6454 section 4, never a netloc. ``host`` is an A-label in lower case, IPv6 in
    brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        default = {"http": 80, "https": 443}.get(self.scheme)
        return f"{self.scheme}://{self.host}" if self.port == default else f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who asks. ``product_token`` is the robots.txt token (RFC 9309 section 2.2.1), ``user_agent`` the HTTP field."""

    product_token: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One act we are about to do. ``media`` is the media type that is expected or was received, without parameters."""

    url: str
    agent: Agent
    purpose: Purpose
    media: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A place where someone may have spoken."""

    kind: Kind
    url: str
    max_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen at a document, before any meaning.

    ``status`` is None when an outage left nothing. ``headers`` are pairs in wire order, repeats kept, latin-1 decoded.
    ``redirects`` are the URLs that were asked for after the document's own, in order; the last one is where the
    answer or the outage came from. ``truncated``:
    the body is a prefix, cut at the document's ``max_bytes`` by us. ``whole_digest`` is set when ``body`` is not the
    body but an excerpt of it (the elements that were relied on), and is then the digest of the whole. ``fresh_s`` is
    how long the answer may be reused.
    """

    document: Document
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    truncated: bool = False
    outage: Outage | None = None
    redirects: tuple[str, ...] = ()
    observed_at: datetime
    fresh_s: int = 0
    whole_digest: str | None = None
    _digest: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """``sha256:…`` of the whole body."""
        if self.whole_digest is not None:
            return self.whole_digest
        if not self._digest:
            self._digest.append("sha256:" + hashlib.sha256(self.body).hexdigest())
        return self._digest[0]

    def field_values(self, name: str) -> tuple[str, ...]:
        """Every value of a header field, in order; ``name`` in any case."""
        name = name.lower()
        return tuple(value for field_name, value in self.headers if field_name.lower() == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The exact words relied on. ``at`` is the place inside the document (``line 14``, ``field TDM-Reservation``),
    ``text`` at most 200 characters of it, verbatim; ``spec`` the section that gives them meaning."""

    document_url: str
    digest: str
    at: str
    text: str
    spec: str


MAX_EVIDENCE_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what terms, and whom to ask: a policy or licence URL, a contact (mailto:, tel: or URL), or a reference."""

    url: str | None = None
    contact: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One statement about one category, as read.

    ``protocol`` is the name that policies use; ``source`` names the place in people's words. ``rank`` orders the places
    of one protocol: the highest supersedes. A verdict of DEFER means that a place which may hold a statement could not
    be looked at.
    """

    source: str
    protocol: str
    rank: int = 0
    category: Category
    basis: Basis
    verdict: Verdict
    covers: Covers = Covers.RESOURCE
    terms: Terms | None = None
    evidence: Evidence
    care: Care = Care.LITERAL
    expires_at: datetime | None = None


class RemarkKind(StrEnum):
    """Why something that was seen has no effect."""

    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    IGNORED = "ignored"
    SUSPICIOUS = "suspicious"
    EXPIRED = "expired"
    NOT_COUNTED = "not-counted"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Seen, and without effect. ``note`` says in one line what was seen and what was done with it."""

    source: str
    kind: RemarkKind
    note: str
    evidence: Evidence


class Nearness(IntEnum):
    """How near to the work a contact stands: the nearest is asked first."""

    LAST_RESORT = 0
    SITE = 1
    PAGE = 2
    TERMS = 3
    WORK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody who may be asked, as published. It weighs nothing.

    ``name`` is the rightsholder's or licensor's; ``address`` is where to reach them (``mailto:``, ``tel:`` or a web
    page); ``terms_url`` is where the terms of use or the way to a licence are written down; ``protocol`` is set where
    the contact stands in the terms of that protocol, and then answers for its refusals before others do; ``note`` is
    what the terms ask for, in one line.
    """

    source: str
    nearness: Nearness
    name: str | None = None
    address: str | None = None
    terms_url: str | None = None
    protocol: str | None = None
    note: str | None = None
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two signals that cannot both be meant. ``about`` is what they contradict each other on."""

    about: Category
    permits: Signal
    refuses: Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was read. Silence is an empty reading."""

    signals: tuple[Signal, ...] = ()
    remarks: tuple[Remark, ...] = ()
    contacts: tuple[Contact, ...] = ()


NOTHING = Reading()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Whom to ask for what, before this resource could be used. ``why`` is the sentence to ask about; ``name`` the
    rightsholder's; ``note`` what their terms ask for, or what their words contradict."""

    purpose: Purpose
    about: str
    contact: str | None = None
    terms_url: str | None = None
    name: str | None = None
    note: str | None = None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What follows from a reading under a policy, for one purpose and stage: a decision without its occasion.

    ``considered`` are the signals that counted under the policy; ``because`` those that carried the verdict, empty
    only for silence; ``about_images`` those that count for the images on the page and not for the page. The same
    reading gives the same ruling, so rulings are shared between decisions.
    """

    stage: Stage
    verdict: Verdict
    because: tuple[Signal, ...]
    considered: tuple[Signal, ...]
    about_images: tuple[Signal, ...] = ()
    remarks: tuple[Remark, ...]
    ask: tuple[Ask, ...]
    contradictions: tuple[Contradiction, ...] = ()
    policy_digest: str
    digest: str
    expires_at: datetime | None
    wire: list[bytes] = field(default_factory=list, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, complete enough to be replayed. ``id`` is the digest of intent, reading and policy."""

    id: str
    intent: Intent
    ruling: Ruling
    decided_at: datetime

    @property
    def stage(self) -> Stage:
        return self.ruling.stage

    @property
    def verdict(self) -> Verdict:
        return self.ruling.verdict

    @property
    def because(self) -> tuple[Signal, ...]:
        return self.ruling.because

    @property
    def considered(self) -> tuple[Signal, ...]:
        return self.ruling.considered

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return self.ruling.remarks

    @property
    def ask(self) -> tuple[Ask, ...]:
        return self.ruling.ask

    @property
    def contradictions(self) -> tuple[Contradiction, ...]:
        return self.ruling.contradictions

    @property
    def policy_digest(self) -> str:
        return self.ruling.policy_digest

    @property
    def expires_at(self) -> datetime | None:
        return self.ruling.expires_at
