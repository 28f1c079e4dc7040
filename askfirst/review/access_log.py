"""Web servers' access logs, line by line: who asked for what, when, from where, and what came of it.

Known: the NCSA common and combined formats, both with a virtual host in front (Apache HTTP Server 2.4,
mod_log_config; nginx, ngx_http_log_module), lines of JSON with the usual names of nginx, Apache and Traefik, and the
structured access log of Caddy 2. Plain or gzip. What it does not do: judge, or tell a crawler from a person.

1. The format is recognized per line. A line that is none of these is a :class:`Fault`, and the rest goes on.
2. Escapes are undone (``\\"``, ``\\xHH``), and what may not stand in a URL is percent-encoded.
3. Only GET and HEAD ask for content. Other methods, and lines without a request, are counted by name and left out.
4. A time without its offset from UTC is no time: the fetch has none. house: no zone is guessed.
5. ``X-Forwarded-For`` is not read, for anybody can write it: the log has to hold the client's address.
6. Fields of the response that the log holds are kept, and which those are: what the server sent beats what it was told
   to send.

It is long and one thing: every format ends in the same line of nouns, and which one a line has is seen in the line.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from askfirst.ports import EdgeError
from askfirst.review.model import Fault, Fetch
from askfirst.rights.model import Document, Kind, Observation, Origin
from askfirst.rights.origins import UrlError, origin_of

MOST_LINE_BYTES: Final = 262_144
"""A longer line is no line of an access log; it is skipped without being held."""

Count = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(Fetch):
    """A fetch as an access log has it.

    ``method`` is GET or HEAD, or None where the log does not say. ``logged_fields`` are the response fields, in lower
    case, that the log speaks of, sent or not; ``every_field``: it holds all that were sent.
    """

    method: str | None = None
    logged_fields: frozenset[str] = frozenset()
    every_field: bool = False


@dataclass(slots=True)
class _Line:
    """What one line says, before it is put together. ``sent`` are response fields."""

    method: str | None = None
    target: str | None = None
    hosts: tuple[str, ...] = ()
    scheme: str | None = None
    at: datetime | None = None
    user_agent: str | None = None
    address: str | None = None
    status: int | None = None
    sent: tuple[tuple[str, str], ...] = ()
    logged_fields: frozenset[str] = frozenset()
    every_field: bool = False


class _NoLineError(ValueError):
    """A line that is no line of an access log: says why."""


class _NoFetchError(ValueError):
    """A line that is in order and holds no fetch: its name, for counting."""


def read_access_log(path: Path, *, site: Origin, count: Count = lambda _name: None) -> Iterator[Visit | Fault]:
    """The fetches of a log and what could not be read in it, in its order. ``site`` is the origin of what a line names
    by path only. ``count`` is told ``lines``, ``other-method``, ``no-request`` and ``bad-line``. Raises EdgeError when
    the file cannot be opened."""
    number = 0
    try:
        with _opened(path) as stream:
            for number, line in enumerate(_lines(stream), 1):
                if line is not None and not line.strip():
                    continue
                count("lines")
                entry = _entry(line, f"{path}:{number}", site)
                if isinstance(entry, str):
                    count(entry)
                    continue
                if isinstance(entry, Fault):
                    count("bad-line")
                yield entry
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        count("bad-line")
        yield Fault(where=f"{path}:{number + 1}", what=f"the gzip stream is broken here ({error}); the rest is lost")
    except OSError as error:
        raise EdgeError(f"access log {path}: {error.strerror or error}; name a file that can be read") from None


def parse_line(line: bytes, *, where: str, site: Origin) -> Visit | Fault | str:
    """The fetch of one line; or what is wrong with it; or the name of what it is instead (``other-method``,
    ``no-request``). Never raises on content."""
    return _entry(line, where, site)


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """The lines; None for one that is too long to be one."""
    while line := stream.readline(MOST_LINE_BYTES):
        if len(line) < MOST_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MOST_LINE_BYTES)
        yield None


def _entry(line: bytes | None, where: str, site: Origin) -> Visit | Fault | str:
    if line is None:
        return Fault(where=where, what=f"a line of more than {MOST_LINE_BYTES} bytes; skipped")
    try:
        said = _from_json(line) if line.lstrip()[:1] == b"{" else _from_ncsa(line)
        return _visit(said, where, site)
    except _NoFetchError as nothing:
        return str(nothing)
    except _NoLineError as error:
        return Fault(where=where, what=str(error))


# -- common and combined ---------------------------------------------------------------------------------------------

_TIME = re.compile(rb"\[(\d{1,2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2}(?: [+-]\d{4})?)\]")
_REST = re.compile(
    rb'\s+"((?:[^"\\]|\\.)*)"\s+(\d{3}|-)\s+(?:\d+|-)(?:\s+"(?:[^"\\]|\\.)*"\s+"((?:[^"\\]|\\.)*)"|\s|$)', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_CONTROLS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _from_ncsa(line: bytes) -> _Line:
    line = line.rstrip(b"\r\n")
    dated = rest = None
    for dated in _TIME.finditer(line):  # a user's name may look like a time; no request comes after that
        rest = _REST.match(line, dated.end())
        if rest is not None:
            break
    if dated is None:
        raise _NoLineError("no line of an access log: it has no [time], and is no JSON object")
    if rest is None:
        raise _NoLineError('no line of an access log: after the time there is no "request" status size')
    vhost, address = _who(line[: dated.start()].split())
    status = rest.group(2)
    agent = rest.group(3)
    method, target = _request(_unescaped(rest.group(1)))
    return _Line(
        method=method,
        target=target,
        hosts=() if vhost is None else (vhost,),
        at=_time(dated.group(1).decode("ascii")),
        user_agent=None if agent is None else _agent_text(_unescaped(agent)),
        address=address,
        status=None if status == b"-" else int(status),
    )


_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?\]?")


def _who(words: list[bytes]) -> tuple[str | None, str | None]:
    """The virtual host and the client. A user's name may hold spaces, so that four words may have a host or not."""
    texts = [word.decode("latin-1") for word in words[:4]]
    if len(texts) < 3:
        raise _NoLineError("no line of an access log: before the time there is no host, identity and user")
    if len(words) > 3 and (_ADDRESS.fullmatch(texts[1]) or (len(words) == 4 and not _ADDRESS.fullmatch(texts[0]))):
        return texts[0], texts[1]
    return None, texts[0]


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return _ESCAPE.sub(_one_unescaped, text)


def _one_unescaped(found: re.Match[bytes]) -> bytes:
    if found.group(1) is not None:
        return bytes((int(found.group(1), 16),))
    return _CONTROLS.get(found.group(2), found.group(2))


def _agent_text(agent: bytes) -> str | None:
    return None if agent in {b"-", b""} else agent.decode("utf-8", "replace")


_METHOD = re.compile(rb"[A-Z]{1,20}")
_MAY_STAND = re.compile(rb"[!\"$-~]*")
_VERSION = re.compile(rb"\s+HTTP/\d(?:\.\d)?\s*$")


def _request(line: bytes) -> tuple[str, str]:
    """Method and target of a request line (RFC 9112 section 3); one of HTTP/0.9 has no version."""
    method, _, target = line.partition(b" ")
    target = _VERSION.sub(b"", b" " + target).strip()
    if not _METHOD.fullmatch(method) or not target:
        raise _NoFetchError("no-request")
    return method.decode("ascii"), _spelled(target)


def _spelled(target: bytes) -> str:
    """What may not stand in a URL is percent-encoded (RFC 3986 section 2.1)."""
    if _MAY_STAND.fullmatch(target):
        return target.decode("ascii")
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x23 else f"%{b:02X}" for b in target)


# not calendar's, whose names are those of the locale
_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_NAMES, 1)}


@lru_cache(maxsize=1_024)
def _time(text: str) -> datetime | None:
    """``24/Nov/2026:11:25:31 +0000`` in UTC; None where the offset is missing or it is no time."""
    if len(text) < 26:
        return None
    day, clock = text[:-6].split(":", 1)
    offset = text[-5:]
    try:
        d, m, y = day.split("/")
        minutes = int(offset[1:3]) * 60 + int(offset[3:5])
        zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
        hour, minute, second = map(int, clock.split(":"))
        # a leap second is the last of its minute
        return datetime(int(y), _MONTHS[m.title()], int(d), hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


# -- JSON ------------------------------------------------------------------------------------------------------------

_TIMES: Final = ("timeiso8601", "timelocal", "timestamp", "startutc", "time", "ts", "msec", "datetime", "date")
_REQUESTS: Final = ("request", "requestline", "requestfirstline")
_TARGETS: Final = ("requesturi", "uri", "requestpath", "url", "path")
_QUERIES: Final = ("args", "querystring", "query")
_METHODS: Final = ("requestmethod", "method", "verb")
_HOSTS: Final = ("httphost", "requesthost", "host", "vhost", "virtualhost", "servername")
_SCHEMES: Final = ("scheme", "requestscheme")
_AGENTS: Final = ("httpuseragent", "useragent", "requestuseragent", "agent")
_ADDRESSES: Final = ("clientip", "realip", "remoteaddr", "remoteip", "remotehost", "clienthost", "client")
_STATUSES: Final = ("status", "statuscode", "downstreamstatus", "responsecode", "code")
_SENT: Final = re.compile(r"(?:sent_http_|downstream_)([A-Za-z0-9_-]+)")
_PLAIN_FIELDS: Final = frozenset({"x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", "content-signal"})
_RESPONSE_TABLES: Final = ("resp_headers", "response_headers")
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9]")

Table = dict[str, object]


def _from_json(line: bytes) -> _Line:
    table = _table(line)
    inner = table.get("request")
    if isinstance(inner, dict):
        return _from_caddy(table, inner)
    fields = {_plain(name): value for name, value in reversed(table.items())}
    method, target = _asked(fields)
    sent, logged, every = _sent(table)
    return _Line(
        method=method,
        target=target,
        hosts=tuple(text for name in _HOSTS if (text := _text(fields.get(name))) is not None),
        scheme=_first(fields, _SCHEMES),
        at=_json_time(fields),
        user_agent=_first(fields, _AGENTS),
        address=_first(fields, _ADDRESSES),
        status=_status(next((fields[name] for name in _STATUSES if name in fields), None)),
        sent=sent,
        logged_fields=logged,
        every_field=every,
    )


@lru_cache(maxsize=4_096)
def _plain(name: str) -> str:
    return _NOT_IN_A_NAME.sub("", name.lower())


def _table(line: bytes) -> Table:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _loosely(line)
    if not isinstance(value, dict):
        raise _NoLineError("no JSON object")
    return value


def _loosely(line: bytes) -> object:
    """JSON as servers write it that escape like a combined log, or do not escape at all what is no UTF-8."""
    plain = _ESCAPE.sub(_as_json, line).decode("latin-1")
    try:
        return _as_utf8(json.loads(plain))
    except (ValueError, RecursionError):
        raise _NoLineError("no JSON: the line is cut off, or its values are not escaped (escape=json)") from None


def _as_json(found: re.Match[bytes]) -> bytes:
    digits = found.group(1)
    return found.group() if digits is None else b"\\u00" + digits


def _as_utf8(value: object) -> object:
    """The texts one level down, whose characters are bytes."""
    if isinstance(value, str):
        try:
            return value.encode("latin-1").decode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # the line has \\uHHHH escapes of its own, and is text already
            return value
    if isinstance(value, dict):
        return {str(name): _as_utf8(one) if not isinstance(one, dict | list) else one for name, one in value.items()}
    return value


def _from_caddy(table: Table, request: Table) -> _Line:
    headers = request.get("headers")
    agents = [text for name, text in _pairs(headers) if name.lower() == "user-agent"]
    sent, logged, every = _sent(table)
    method, target = _text(request.get("method")), _text(request.get("uri"))
    if target is None:
        raise _NoFetchError("no-request")
    host = _text(request.get("host"))
    return _Line(
        method=method,
        target=_spelled(_bytes(target)),
        hosts=() if host is None else (host,),
        scheme="https" if isinstance(request.get("tls"), dict) else "http",
        at=_json_time(table),
        user_agent=agents[0] if agents else None,
        address=_text(request.get("client_ip")) or _text(request.get("remote_ip")),
        status=_status(table.get("status")),
        sent=sent,
        logged_fields=logged,
        every_field=every,
    )


def _asked(fields: Table) -> tuple[str | None, str]:
    line = _first(fields, _REQUESTS)
    method = _first(fields, _METHODS)
    if line is not None and not line.startswith(("/", "http:", "https:")):
        return _request(_bytes(line))
    target = line or _first(fields, _TARGETS)
    if target is None:
        raise (
            _NoFetchError("no-request")
            if any(n in fields for n in (*_REQUESTS, *_TARGETS))
            else _NoLineError(
                f"JSON without a request: none of its names is {', '.join((*_REQUESTS[:1], *_TARGETS))} or like it"
            )
        )
    query = _first(fields, _QUERIES)
    if query is not None and "?" not in target:
        target = f"{target}?{query.removeprefix('?')}"
    return method, _spelled(_bytes(target))


def _sent(table: Table) -> tuple[tuple[tuple[str, str], ...], frozenset[str], bool]:
    """The response fields that were sent, the names of those the line speaks of, and whether these are all."""
    for name in _RESPONSE_TABLES:
        if name in table:
            pairs = tuple(_pairs(table[name]))
            return pairs, frozenset(field.lower() for field, _ in pairs), True
    sent: list[tuple[str, str]] = []
    logged: set[str] = set()
    for name, value in table.items():
        field = _response_field(name)
        if field is not None:
            logged.add(field)
            text = _text(value)
            if text is not None:
                sent.append((field, text))
    return tuple(sent), frozenset(logged), False


@lru_cache(maxsize=4_096)
def _response_field(name: str) -> str | None:
    found = _SENT.fullmatch(name)
    field = (found.group(1) if found else name).lower().replace("_", "-")
    return field if found or field in _PLAIN_FIELDS else None


def _pairs(headers: object) -> Iterator[tuple[str, str]]:
    """The fields of Caddy's tables, whose values are lists."""
    if isinstance(headers, dict):
        for name, values in headers.items():
            for value in values if isinstance(values, list) else [values]:
                text = _text(value)
                if text is not None:
                    yield str(name), text


def _json_time(fields: Table) -> datetime | None:
    for name in _TIMES:
        if name in fields:
            return _moment(fields[name])
    return _moment(fields.get("@timestamp"))


def _moment(value: object) -> datetime | None:
    """Seconds (or milliseconds) since 1970, RFC 3339, or as common logs have it; None for what is none of these."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(float(value))
    if not isinstance(value, str):
        return None
    text = value.strip().strip("[]")
    if re.fullmatch(r"\d{9,13}(?:\.\d{1,9})?", text):
        return _since_1970(float(text))
    if "/" in text:
        return _time(text)
    try:
        at = datetime.fromisoformat(re.sub(r"([.,]\d{6})\d+", r"\1", text))
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _since_1970(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds / 1000 if seconds > 100_000_000_000 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _status(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < 1000 else None
    return int(value) if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{2}", value) else None


def _first(fields: Table, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := _text(fields.get(name))) is not None), None)


def _text(value: object) -> str | None:
    """The value, where it is text that says something."""
    if not isinstance(value, str) or value in {"", "-"}:
        return None
    return value


def _writable(text: str) -> str:
    return text if text.isascii() else _bytes(text).decode("utf-8", "replace")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, from an escape of JSON: no byte stands for it
        return text.encode("utf-8", "replace")


# -- a line to a visit -----------------------------------------------------------------------------------------------

_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def _visit(said: _Line, where: str, site: Origin) -> Visit:
    if said.method not in {"GET", "HEAD", None}:
        raise _NoFetchError("other-method")
    assert said.target is not None
    url = _url(said.target, said.hosts, said.scheme, site)
    return Visit(
        url=url,
        at=said.at,
        user_agent=None if said.user_agent is None else _writable(said.user_agent),
        address=None if said.address is None else _bare_address(said.address),
        status=said.status,
        where=where,
        response=_response(said, url),
        method=said.method,
        logged_fields=said.logged_fields,
        every_field=said.every_field,
    )


def _response(said: _Line, url: str) -> Observation | None:
    if said.at is None or not (said.logged_fields or said.every_field):
        return None
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=url),
        status=said.status,
        headers=tuple((_latin(name), _latin(value)) for name, value in said.sent),
        observed_at=said.at,
    )


def _latin(text: str) -> str:
    """As observations have fields: a character for each byte."""
    return _bytes(text).decode("latin-1")


def _url(target: str, hosts: tuple[str, ...], scheme: str | None, site: Origin) -> str:
    """The absolute URL. A target in absolute form names its own authority (RFC 9112 section 3.2.2)."""
    scheme = scheme.lower() if scheme is not None and scheme.lower() in {"http", "https"} else site.scheme
    if not target.startswith("/"):
        named, _, rest = target.partition("://")
        if named.lower() not in {"http", "https"} or not rest:
            raise _NoFetchError("no-request")  # CONNECT's and OPTIONS' forms, and what is no target at all
        authority, slash, path = rest.partition("/")
        scheme, hosts, target = named.lower(), (authority,), slash + path or "/"
    asked_of = _authority(hosts, scheme, site)
    if asked_of is None:
        raise _NoFetchError("no-request")  # whatever was asked, it was not asked of a site
    return asked_of + target


@lru_cache(maxsize=4_096)
def _authority(hosts: tuple[str, ...], scheme: str, site: Origin) -> str | None:
    named = [host for host in hosts if _HOST.fullmatch(host) and host != "_"]
    return None if hosts and not named and "_" not in hosts else str(_origin(named, scheme, site))


def _origin(hosts: list[str], scheme: str, site: Origin) -> Origin:
    """The origin that was asked: the site where a name of the line is its name, else by the first name."""
    origins: list[Origin] = []
    for host in hosts:
        try:
            origins.append(origin_of(f"{scheme}://{host}"))
        except UrlError:
            continue
    if not origins:
        return site
    ours = next((origin for origin in origins if origin.host == site.host), None)
    if ours is None:
        return origins[0]
    told_port = any(re.search(r":\d+$", host) for host in hosts if not host.endswith("]"))
    # nginx's $host has no port: it is the site's own, whose scheme then is the site's too
    return ours if told_port or scheme != site.scheme else site


def _bare_address(text: str) -> str:
    """Without brackets and port."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return host if colon and ":" not in host and port.isdigit() else text
