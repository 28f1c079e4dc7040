"""What a site's own documents said over time, as its owner kept them: dated folders.

``DIR/2026-10-01/`` and ``DIR/2026-10-01T12:30:00Z/`` each hold the site as it stood from then until the next:
``robots.txt``, ``ai.txt``, ``trust.txt``, ``.well-known/trust.txt``, ``.well-known/tdmrep.json``, and ``_headers``, the
file of static hosts: a line with a path, then indented ``Name: value`` lines. A plain folder that holds the documents
themselves stands since the date that is given.

1. Before the first date nothing is known, and after the last it stands until today. The owner answers for that.
2. A document that is missing in a folder was missing on the site: it answered 404.
3. It speaks for the hosts of the site, in http and https alike, and for no other.
4. ``_headers``: ``*`` stands for any characters, ``:name`` for one part of a path; every rule that matches adds its
   fields; ``! Name`` takes one away again. What a log says was sent counts instead of what it says.
5. Markup is not looked at, because no access log holds it. See docs/reviews-access-logs.md.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from askfirst.ports import SettingsError
from askfirst.review.access_log import Visit
from askfirst.review.judge import NOBODY
from askfirst.review.model import Fetch, InPart
from askfirst.rights.model import Document, Kind, Observation, Origin
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.policy import STRICT
from askfirst.rights.read import plan
from askfirst.rights.wire import timestamp
from askfirst.standing import authority_of

HEADERS: Final = "_headers"
ROBOTS: Final = "/robots.txt"
_ANYWHERE: Final = Origin(scheme="https", host="host.invalid", port=443)
_SIZES: Final[Mapping[str, int]] = {d.url.removeprefix(str(_ANYWHERE)): d.max_bytes for d in plan(_ANYWHERE, STRICT)}
DOCUMENTS: Final = tuple(_SIZES)
"""The paths of the well-known documents, whatever the policy reads."""

_USER_AGENT: Final = re.compile(r"^[ \t]*user-agent[ \t]*:[ \t]*([^\s#/*]+)", re.MULTILINE)
_REGULAR: Final = re.compile(r"[A-Za-z_-]+")
_IRREGULAR: Final = re.compile(r"[^a-z_-]")
_NO_TIME: Final = InPart(why="the log gives no time for it", reason="no-time")
MAX_AUTHORITIES: Final = 1_000
MAX_FIELDS: Final = 8_192


@dataclass(frozen=True, slots=True)
class Rule:
    """One path of ``_headers``. ``taken_away`` are names in lower case."""

    host: str | None
    pattern: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    taken_away: frozenset[str]


@dataclass(slots=True)
class Version:
    """The site as it stood since ``since``. ``bodies`` are the documents that were there, by path."""

    name: str
    since: datetime
    bodies: Mapping[str, bytes]
    rules: Sequence[Rule]
    _observed: dict[str, tuple[Observation, ...]] = field(default_factory=dict)
    _fields: dict[tuple[str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def observed(self, origin: str) -> tuple[Observation, ...]:
        """The well-known documents at this origin; the same tuple again for the same origin."""
        held = self._observed.get(origin)
        if held is None:
            if len(self._observed) >= MAX_AUTHORITIES:
                self._observed.clear()
            held = self._observed[origin] = tuple(self._documents(origin))
        return held

    def _documents(self, origin: str) -> Iterator[Observation]:
        for path, most in _SIZES.items():
            body = self.bodies.get(path)
            yield Observation(
                document=Document(kind=Kind.WELL_KNOWN, url=f"{origin}{path}", max_bytes=most),
                status=404 if body is None else 200,
                headers=() if body is None else (("Content-Type", _media_type(path)),),
                body=b"" if body is None else body[:most],
                truncated=body is not None and len(body) > most,
                observed_at=self.since,
            )

    def names_another(self, token: str) -> bool:
        """Whether robots.txt names a token that starts like this one up to its first digit, and not this one."""
        low = token.lower()
        text = self.bodies.get(ROBOTS, b"").decode("utf-8", "replace").lower()
        named = set(_USER_AGENT.findall(text))
        return low not in named and any(_cut(one) == _cut(low) for one in named)

    def fields(self, host: str, path: str) -> tuple[tuple[str, str], ...]:
        """The response fields that ``_headers`` gives to this path, in order."""
        if not self.rules:
            return ()
        key = (host, path)
        held = self._fields.get(key)
        if held is None:
            if len(self._fields) >= MAX_FIELDS:
                self._fields.clear()
            held = self._fields[key] = self._fields_of(host, path)
        return held

    def _fields_of(self, host: str, path: str) -> tuple[tuple[str, str], ...]:
        fields: list[tuple[str, str]] = []
        for rule in self.rules:
            if (rule.host is None or rule.host == host) and matches(rule.pattern, path):
                fields = [(n, v) for n, v in fields if n.lower() not in rule.taken_away]
                fields.extend(rule.fields)
        return tuple(fields)


class Said:
    """The versions of a site's documents, in the order of time."""

    def __init__(self, versions: Sequence[Version], sites: Sequence[Origin]) -> None:
        self._versions = sorted(versions, key=lambda v: v.since)
        self._since = [v.since for v in self._versions]
        self._hosts = {site.host for site in sites}
        self._origins: dict[str, Origin | InPart] = {}
        name = str(sites[0]) if sites else "no site"
        self._other = InPart(why=f"the folders hold what {name} said, and this is another site", reason="other-site")
        first = timestamp(self._since[0])
        self._earlier = InPart(why=f"nothing is known of what the site said before {first}", reason="before-the-first")
        self._tokens: dict[tuple[str, str], str] = {}

    @classmethod
    def read(cls, folder: Path, sites: Sequence[Origin], *, since: str | None = None) -> Said:
        """The versions in a folder, or the folder as the one that stands since a date. Raises SettingsError."""
        return cls(tuple(_versions(folder, since)), sites)

    @property
    def versions(self) -> Sequence[Version]:
        """The versions, the earliest first."""
        return self._versions

    def version_at(self, at: datetime) -> Version | None:
        """The version that stood then; None before the first."""
        place = bisect_right(self._since, at) - 1
        return None if place < 0 else self._versions[place]

    def token_for(self, token: str, at: datetime | None) -> str:
        """The token as robots.txt is to be asked for it: itself, or one that nobody has where a group names another
        token that only looks the same once both are cut at their digits (RFC 9309 section 2.2.1)."""
        version = None if at is None else self.version_at(at)
        if version is None or _REGULAR.fullmatch(token):
            return token
        key = (version.name, token)
        held = self._tokens.get(key)
        if held is None:
            if len(self._tokens) >= MAX_FIELDS:
                self._tokens.clear()
            held = self._tokens[key] = NOBODY.product_token if version.names_another(token) else token
        return held

    def before(self, fetch: Fetch) -> tuple[Observation, ...] | InPart:
        """What the site's documents said when the fetch was made."""
        origin = self._origin(fetch.url)
        if isinstance(origin, InPart):
            return origin
        if fetch.at is None:
            return _NO_TIME
        version = self.version_at(fetch.at)
        return self._earlier if version is None else version.observed(str(origin))

    def _origin(self, url: str) -> Origin | InPart:
        try:
            authority = authority_of(url)
            held = self._origins.get(authority)
            if held is None:
                origin = origin_of(authority)
                if len(self._origins) >= MAX_AUTHORITIES:
                    self._origins.clear()
                held = self._origins[authority] = origin if origin.host in self._hosts else self._other
        except UrlError as error:
            return InPart(why=str(error), reason="no-url")
        return held

    def is_its(self, url: str) -> bool:
        """Whether a URL is one of the site."""
        return isinstance(self._origin(url), Origin)

    def same(self, path: str, one: datetime, other: datetime) -> bool:
        """Whether the document at ``path`` said the same at both times, as far as that is known."""
        first, second = self.version_at(one), self.version_at(other)
        return first is not None and second is not None and first.bodies.get(path) == second.bodies.get(path)

    def answered(self, visit: Visit) -> Visit:
        """The visit with the fields that its response had: those of the log, and of ``_headers`` those that the log
        does not speak of."""
        if visit.at is None or visit.every_field:
            return visit
        version, origin = self.version_at(visit.at), self._origin(visit.url)
        if version is None or isinstance(origin, InPart):
            return visit
        path = urlsplit(visit.url).path or "/"
        fields = [(n, v) for n, v in version.fields(origin.host, path) if n.lower() not in visit.logged_fields]
        if not fields:
            return visit
        logged = visit.response
        response = Observation(
            document=Document(kind=Kind.RESPONSE, url=visit.url),
            status=visit.status,
            headers=(*(logged.headers if logged is not None else ()), *fields),
            observed_at=visit.at,
        )
        return replace(visit, response=response)


def _cut(token: str) -> str:
    return _IRREGULAR.split(token, maxsplit=1)[0]


def _media_type(path: str) -> str:
    return "application/json" if path.endswith(".json") else "text/plain"


# -- folders ---------------------------------------------------------------------------------------------------------


def _versions(folder: Path, since: str | None) -> Iterator[Version]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        plain = [path for path in (*DOCUMENTS, f"/{HEADERS}") if (folder / path[1:]).exists()]
    except OSError as error:
        raise SettingsError(f"--said {folder}: {error.strerror}; name a folder with dated folders in it") from None
    if plain:
        yield _plain(folder, plain[0], names, since)
        return
    if since is not None:
        raise SettingsError(
            f"--said-since {since}: {folder} holds none of {', '.join(DOCUMENTS)} itself; leave --said-since out"
        )
    seen: dict[datetime, str] = {}
    for name in names:
        if name.startswith("."):
            continue
        at = _date(name, f"--said {folder / name}")
        if at in seen:
            raise SettingsError(f"--said {folder}: {seen[at]} and {name} are the same time; keep one of them")
        seen[at] = name
        yield _version(folder / name, at)
    if not seen:
        raise SettingsError(f"--said {folder}: holds no dated folder such as 2026-10-01, and no document of a site")


def _plain(folder: Path, document: str, names: Sequence[str], since: str | None) -> Version:
    dated = next((name for name in names if re.match(r"\d{4}-?\d{2}-?\d{2}", name)), None)
    if dated is not None:
        raise SettingsError(
            f"--said {folder}: holds {document[1:]} and the dated folder {dated}; keep one or the other"
        )
    if since is None:
        raise SettingsError(f"--said {folder}: since when does it stand? say it with --said-since 2026-10-01")
    return _version(folder, _date(since, f"--said-since {since}"))


def _date(text: str, where: str) -> datetime:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise SettingsError(f"{where}: is no date; write it like 2026-10-01 or 2026-10-01T12:30:00Z") from None
    raise SettingsError(f"{where}: says no offset from UTC; write it like 2026-10-01T12:30:00Z")


def _version(folder: Path, at: datetime) -> Version:
    bodies: dict[str, bytes] = {}
    for path, most in _SIZES.items():
        body = _file(folder / path[1:], most + 1)
        if body is not None:
            bodies[path] = body
    headers = _file(folder / HEADERS, 1_048_576)
    rules = () if headers is None else tuple(read_headers(headers.decode("utf-8", "replace"), where=folder / HEADERS))
    return Version(folder.name, at, bodies, rules)


def _file(path: Path, most_bytes: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(most_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"--said {path}: {error.strerror}; what it says has to be readable") from None


# -- _headers --------------------------------------------------------------------------------------------------------

_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(.*)")
_PLACEHOLDER: Final = re.compile(r"(\*|(?<=/):[A-Za-z]\w*)")
_STAR: Final = "\0*"
_SEGMENT: Final = "\0:"


def read_headers(text: str, *, where: Path) -> Iterator[Rule]:
    """The rules of a ``_headers`` file, in order. Raises SettingsError with the line."""
    place: str | None = None
    fields: list[tuple[str, str]] = []
    gone: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if not line[0].isspace():
            if place is not None:
                yield _rule(place, fields, gone)
            if not words.startswith(("/", "https://", "http://")):
                raise SettingsError(f"--said {where}: line {number}: {words[:60]!r} is no path; fields are indented")
            place, fields, gone = words, [], set()
            continue
        found = _FIELD.fullmatch(words)
        if place is None or (found is None and not words.startswith("! ")):
            raise SettingsError(f"--said {where}: line {number}: {words[:60]!r} is no 'Name: value' under a path")
        if found is None:
            gone.add(words[2:].strip().lower())
        else:
            fields.append((found.group(1), found.group(2).encode("utf-8").decode("latin-1")))
    if place is not None:
        yield _rule(place, fields, gone)


def _rule(place: str, fields: Sequence[tuple[str, str]], gone: set[str]) -> Rule:
    host = None
    if not place.startswith("/"):
        authority, _, path = place.partition("://")[2].partition("/")
        host, place = authority.partition(":")[0].lower(), f"/{path}"
    parts = _PLACEHOLDER.split(place)
    # every other part is a placeholder
    pattern = tuple((_STAR if p == "*" else _SEGMENT) if i % 2 else p for i, p in enumerate(parts) if p)
    return Rule(host, pattern, tuple(fields), frozenset(gone))


def matches(pattern: Sequence[str], path: str) -> bool:
    """Whether a path is one of a ``_headers`` pattern, given in parts. Linear in the path for each part."""
    ends = {0}
    for part in pattern:
        if part == _STAR:
            ends = set(range(min(ends), len(path) + 1))
        elif part == _SEGMENT:
            ends = _within_segments(path, sorted(ends))
        else:
            ends = {start + len(part) for start in ends if path.startswith(part, start)}
        if not ends:
            return False
    return len(path) in ends


def _within_segments(path: str, starts: Sequence[int]) -> set[int]:
    """Where at least one character on, and no slash, may end that begins at one of these places."""
    ends: set[int] = set()
    covered = -1
    for start in starts:
        if start < covered:
            continue  # in a part of the path of which every end is there already
        slash = path.find("/", start)
        covered = len(path) if slash < 0 else slash
        ends.update(range(start + 1, covered + 1))
    return ends
