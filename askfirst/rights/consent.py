"""Consent records: what a registry holds about a domain, a folder or one URL, and which URLs a record covers.

The artifact is our own: one JSON object per record, ``{"scope", "categories", "verdict", "grantee", "terms",
"valid_until", "reference"}``, of which the first three are required. What this module does not do: it does not weigh
a record, tell whether it has expired or know public suffixes (the registry does, when a record is added).

1. A record is read completely or not at all; an unknown key is refused by name, because it may be a condition.
2. house: a grant is read narrowly. ``museum.example`` is that host and ``www.`` of it, whatever the scheme and port;
   ``*.museum.example`` every subdomain, not the host itself; a URL is that URL; a URL ending in ``/`` or ``*`` is
   everything that begins with it, on that scheme and port, but for URLs of which servers may make another path
   (``..``, an escaped slash or backslash, double escapes).
3. house: a refusal is read widely. ``museum.example`` is the host and all its subdomains, ``*.museum.example`` the
   host as well, though as less than its own name; a URL is meant for http and
   https alike and for all that lies below it: ``https://h/a`` is ``/a``, ``/a/b`` and ``/a?x``, not ``/ab``.
4. URLs are compared in normal form: case of scheme and host, default port, dot segments (RFC 3986 section 6.2.2),
   percent-encoding as in askfirst.rights.patterns; a fragment is dropped. A ``\\`` in a path is a ``/``, as browsers
   have it.
5. INVARIANT: whatever a scope covers as a grant it covers as a refusal, and ``index_key(scope)`` is then among
   ``candidate_keys(url)``.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

from askfirst.rights.model import Category, Origin, Verdict
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.patterns import normalize
from askfirst.rights.wire import Json, timestamp

KEYS = ("scope", "categories", "verdict", "grantee", "terms", "valid_until", "reference")
CATEGORIES = tuple(category for category in Category if category is not Category.FETCH)
MAX_TEXT_CHARS = 2_048
MAX_KEYS_PER_URL = 16

_VERDICTS = {"grant": Verdict.ALLOW, "refuse": Verdict.REFUSE}
_WORDS = {verdict: word for word, verdict in _VERDICTS.items()}
_PREFIX_RANK = 1_000
EXACT_RANK = 1_000_000
"""What :func:`covers` gives a scope that is the URL itself."""


class RecordError(ValueError):
    """A consent record that cannot be used, and why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """One statement of a registry. ``verdict`` is ALLOW for a grant. ``grantee`` is a product token; None is anyone."""

    scope: str
    categories: tuple[Category, ...]
    verdict: Verdict
    grantee: str | None = None
    terms: str | None = None
    valid_until: datetime | None = None
    reference: str | None = None

    def to_wire(self) -> dict[str, Json]:
        """The JSON object; :func:`parse_record` reads it back to an equal record."""
        wire: dict[str, Json] = {
            "scope": self.scope,
            "categories": [category.value for category in self.categories],
            "verdict": _WORDS[self.verdict],
        }
        rest = {"grantee": self.grantee, "terms": self.terms, "reference": self.reference}
        wire.update({key: text for key, text in rest.items() if text is not None})
        if self.valid_until is not None:
            wire["valid_until"] = timestamp(self.valid_until)
        return wire


def parse_record(obj: Mapping[str, object]) -> ConsentRecord:
    """The record that a JSON object describes. Raises RecordError with a one-line reason."""
    unknown = [key for key in obj if key not in KEYS]
    if unknown:
        raise RecordError(f"unknown key {unknown[0]!r}; a record has {', '.join(KEYS)}")
    scope = _text(obj, "scope")
    if scope is None:
        raise RecordError("scope is missing; give a domain, a URL prefix ending in '/' or '*', or a URL")
    _scope(scope)
    verdict = _text(obj, "verdict")
    if verdict not in _VERDICTS:
        raise RecordError(f"verdict is {verdict!r}; it must be 'grant' or 'refuse'")
    return ConsentRecord(
        scope=scope,
        categories=_categories(obj.get("categories")),
        verdict=_VERDICTS[verdict],
        grantee=_text(obj, "grantee"),
        terms=_text(obj, "terms"),
        valid_until=_valid_until(_text(obj, "valid_until")),
        reference=_text(obj, "reference"),
    )


def covers(scope: str, url: str, *, grant: bool) -> int:
    """0 when the scope does not cover the URL, else how specific it is: domain, wildcard, deeper domain, …, longer and
    longer prefixes, exact URL. Never raises: what cannot be read covers nothing."""
    try:
        where, target = _scope(scope), _target(url)
    except (RecordError, UrlError):
        return 0
    if where.address is None:
        return _covers_host(where, target.origin.host, grant=grant)
    if grant and target.doubtful:
        return 0
    rank = _covers_exactly(where, where.address, target)
    if rank and grant and where.prefix and target.slippery:
        return 0
    return rank if rank or grant else _covers_widely(where, where.address, target)


def is_domain(scope: str) -> bool:
    """True for a domain scope, with or without ``*.``."""
    return "://" not in scope


def plain_scope(text: str) -> str | None:
    """The scope that a refusal plainly means by a ``text`` that is not written as scopes are: ``museum.example/``,
    ``https://*.museum.example/``, ``https://museum.example*``. None where that cannot be said."""
    scheme, mark, rest = text.strip().partition("://")
    if not mark:
        scheme, rest = "https", text.strip().removeprefix("//")
    if scheme.lower() not in ("http", "https"):
        return None
    cut = re.search(r"[/?#]", rest)
    authority, path = (rest, "") if cut is None else (rest[: cut.start()], rest[cut.start() :])
    host = authority.rpartition("@")[2].rstrip("*").removeprefix("*").removeprefix(".")
    if authority.lstrip("*") != authority or not path.strip("/*"):
        # all of a host, or of the hosts below it, which a refusal of its name covers
        meant, colon, port = host.partition(":")
        if colon and not port.isdigit():
            return None
    else:
        meant = f"{scheme}://{host}{path}"
    try:
        _scope(meant)
    except RecordError:
        return None
    return meant


def index_key(scope: str) -> str:
    """The one key under which a store finds the record of this scope. Raises RecordError."""
    where = _scope(scope)
    if where.address is None:
        return where.host
    text = where.address.text if where.by_letters else where.address.text.removesuffix("/")
    cuts = _cuts(where.address, text)
    return "//" + text[: (cuts[:-1] if where.by_letters else cuts)[:MAX_KEYS_PER_URL][-1]]


def candidate_keys(url: str) -> tuple[str, ...]:
    """Every key under which a record that covers the URL can stand. Raises UrlError."""
    target = _target(url)
    labels = target.origin.host.split(".")
    text = target.text
    addresses = ["//" + text[:cut] for cut in _cuts(target, text)[:MAX_KEYS_PER_URL]]
    return (*(".".join(labels[start:]) for start in range(len(labels))), *addresses)


def registry_uri(name: str, url: str) -> str:
    """The document URL of what the registry ``name`` says about ``url``."""
    return f"registry:{quote(name, safe='')}?url={quote(url, safe='', errors='replace')}"


# -- scopes and addresses in normal form ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """A URL in normal form. ``rest`` is path and query. ``doubtful``: clients may disagree about whose URL it is.
    ``slippery``: servers may disagree about where its path leads."""

    origin: Origin
    rest: str
    doubtful: bool
    slippery: bool

    @property
    def authority(self) -> str:
        """Without scheme, and without a port that is the scheme's own: a refusal is for http and https alike."""
        return str(self.origin).partition("://")[2]

    @property
    def text(self) -> str:
        return self.authority + self.rest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """A scope, read. ``prefix``: all that begins with it; ``by_letters``: also in the middle of a path segment."""

    host: str = ""
    subdomains: bool = False
    address: _Address | None = None
    prefix: bool = False
    by_letters: bool = False


@lru_cache(maxsize=4_096)
def _target(url: str) -> _Address:
    origin = origin_of(url)
    parts = urlsplit(url)
    written = normalize(parts.path)
    path = _without_dots(normalize(parts.path.replace("\\", "/")) or "/")
    query = "?" + normalize(parts.query) if parts.query else ""
    return _Address(
        origin=origin,
        rest=path + query,
        doubtful="@" in parts.netloc or "\\" in parts.netloc,
        slippery=_SLIPPERY.search(written) is not None,
    )


_SLIPPERY = re.compile(r"\.\.|%2F|%5C|%00|%25(?:2e|2f|5c)", re.IGNORECASE)


@lru_cache(maxsize=4_096)
def _scope(scope: str) -> _Scope:
    """Raises RecordError."""
    if is_domain(scope):
        return _domain_scope(scope)
    written = scope.partition("#")[0]
    body = written.removesuffix("*")
    try:
        address = _target(body)
        path = urlsplit(body).path
    except UrlError as error:
        raise RecordError(f"scope {error}") from None
    if body != written and not path:
        raise RecordError(f"scope {scope!r} has its '*' in the host; write '*.' and a domain, or put a '/' before it")
    if address.doubtful or "*" in address.origin.host:
        raise RecordError(f"scope {scope!r} has more than a host and a port before its path; leave the rest out")
    if any(segment in (".", "..") for segment in normalize(path.replace("\\", "/")).split("/")):
        raise RecordError(f"scope {scope!r} has a '.' or '..' segment; write the path without it")
    return _Scope(
        address=address,
        prefix=body != written or body.endswith("/"),
        by_letters=body != written and not body.endswith("/"),
    )


def _domain_scope(scope: str) -> _Scope:
    name = scope.removeprefix("*.")
    if not name or any(letter in "/:?#@*\\[]" or letter.isspace() for letter in name):
        raise RecordError(f"scope {scope!r} is not a domain; a URL begins with https:// or http://")
    try:
        host = origin_of(f"http://{name}/").host
    except UrlError:
        host = ""
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise RecordError(f"scope {scope!r} is not a host name")
    if host.rpartition(".")[2].isdigit() and (name != scope or not _is_ipv4(host)):
        raise RecordError(f"scope {scope!r} is not a host name; an address is given whole and without '*.'")
    return _Scope(host=host, subdomains=name != scope)


_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _cuts(address: _Address, text: str) -> list[int]:
    """Where ``text`` can be cut: before each ``/``, ``?`` and ``&`` after the authority, and at its end."""
    start = len(address.authority)
    return [at for at in range(start, len(text)) if text[at] in "/?&"] + [len(text)]


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4, for an absolute path."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


# -- who covers what --------------------------------------------------------------------------------------------------


def _covers_host(where: _Scope, host: str, *, grant: bool) -> int:
    rank = 2 * (where.host.count(".") + 1)
    below = host.endswith("." + where.host)
    if where.subdomains:
        # house: whoever refuses `*.museum.example` means the site; a word for the host itself stands above it
        return rank + 1 if below else rank - 1 if host == where.host and not grant else 0
    if host == where.host or (below and (not grant or host == "www." + where.host)):
        return rank
    return 0


def _covers_exactly(where: _Scope, address: _Address, target: _Address) -> int:
    if target.origin != address.origin:
        return 0
    if target.rest == address.rest:
        return EXACT_RANK if not where.prefix else _PREFIX_RANK + len(address.rest)
    return _PREFIX_RANK + len(address.rest) if where.prefix and target.rest.startswith(address.rest) else 0


def _covers_widely(where: _Scope, address: _Address, target: _Address) -> int:
    if target.authority != address.authority:
        return 0
    if target.rest == address.rest and not where.prefix:
        return EXACT_RANK
    stem = address.rest if where.by_letters else address.rest.removesuffix("/")
    if not target.rest.startswith(stem):
        return 0
    next_letter = target.rest[len(stem) : len(stem) + 1]
    boundary = "&" if "?" in stem else "/?"
    if where.by_letters or not next_letter or next_letter in boundary or (where.prefix and next_letter == "/"):
        return _PREFIX_RANK + len(address.rest)
    return 0


# -- the other members ------------------------------------------------------------------------------------------------


def _text(obj: Mapping[str, object], key: str) -> str | None:
    text = obj.get(key)
    if text is None:
        return None
    if not isinstance(text, str):
        raise RecordError(f"{key} is not text")
    if len(text) > MAX_TEXT_CHARS:
        raise RecordError(f"{key} has {len(text)} characters; at most {MAX_TEXT_CHARS} are kept")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
        raise RecordError(f"{key} holds a control character or bytes that are not UTF-8")
    return text.strip() or None


def _categories(names: object) -> tuple[Category, ...]:
    """In the order of :class:`Category`, each once."""
    if not isinstance(names, Sequence) or isinstance(names, (str, bytes)):
        raise RecordError("categories is missing or not a list")
    known = {category.value for category in CATEGORIES}
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise RecordError(f"unknown category {name!r}; there are {', '.join(sorted(known))}")
    if not names:
        raise RecordError(f"categories is empty; name one or more of {', '.join(sorted(known))}")
    return tuple(category for category in CATEGORIES if category.value in names)


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)([Zz]|[+-]\d{2}:\d{2})?",
    re.ASCII,
)


def _valid_until(text: str | None) -> datetime | None:
    """RFC 3339 section 5.6. house: a date is meant until the last second of that day in UTC; no offset is UTC."""
    if text is None:
        return None
    complete = f"{text}T23:59:59Z" if _DATE.fullmatch(text) else text
    parts = _DATE_TIME.fullmatch(complete)
    try:
        if parts is None:
            raise ValueError  # noqa: TRY301 - one message for every shape of wrong date
        at = datetime.fromisoformat(f"{parts[1]}T{parts[2]}{(parts[3] or 'Z').upper()}")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RecordError(f"valid_until is {text!r}; write a date such as 2027-12-31 or 2027-12-31T18:00:00Z") from None
