"""Looks at documents over HTTP (RFC 9110, RFC 9112) and returns what was seen, whatever that is.

Satisfies ``ports.Fetch``. Knows no rights signal, keeps no copy, judges nothing: a cut transfer, a redirect loop and a
forbidden address are all Observations with an outage. It is one thing, and long: an edge imports no other edge.

Rules:

1. INVARIANT: an address is checked when it is connected to: literals before the look, every answer of a name when it
   is looked up, and once more the socket's own address. Nothing is looked up between the check and the connection.
2. Redirects are followed by hand, at most five (RFC 9309 section 2.3.1.2), without credentials, to http and https only.
   # house: never from https to http, where anybody on the way could answer in the publisher's place
3. The body is decoded (RFC 9110 section 8.4) and cut at ``max_bytes`` decoded bytes, which bounds memory and work.
   # house: one coding only; two or an unknown one are a broken transfer, since nobody was asked for them
4. One clock runs for the whole look, from its first connection to the last byte.
5. Nothing is carried from one look to the next but connections: no cookies, no proxy and no netrc of the environment.
6. What was received before an outage is kept: a refusing header of a cut answer still refuses.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import re
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from yarl import URL

from askfirst.addresses import AddressPolicy, host_literal
from askfirst.rights.model import Document, Observation, Outage

MAX_REDIRECTS = 5
MAX_LOOKS = 100  # at a time; the others wait without their clock running
MAX_CONNECTIONS_PER_HOST = 8
MAX_FIELD_BYTES = 65_536
DNS_THREADS = 32
DNS_KEEP_S = 60
KEEPALIVE_S = 2  # house: the looks at one origin come together, and idle sockets of thousands of origins add up

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODILESS = frozenset({204, 304})

Lookup = Callable[[str], Sequence[str]]


class AddressBlockedError(OSError):
    """The address guard forbids the connection. An OSError, so that the client library carries it as one."""


class _EndedError(Exception):
    """The look is over, with this outage."""

    def __init__(self, outage: Outage) -> None:
        super().__init__(outage.value)
        self.outage = outage


@dataclass(slots=True)
class _Look:
    """What has been seen so far."""

    document: Document
    secure: bool = False
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    redirects: list[str] = field(default_factory=list)

    def answered(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in response.raw_headers)

    def went_on(self, to: str) -> None:
        self.redirects.append(to)
        self.status, self.headers = None, ()

    def observation(self, outage: Outage | None, observed_at: datetime) -> Observation:
        return Observation(
            document=self.document,
            status=self.status,
            headers=self.headers,
            body=bytes(self.body),
            truncated=self.truncated,
            outage=outage,
            redirects=tuple(self.redirects),
            observed_at=observed_at,
        )


class HttpFetch:
    """Looks at documents over HTTP; satisfies :class:`askfirst.ports.Fetch`."""

    def __init__(
        self,
        *,
        user_agent: str,
        addresses: AddressPolicy,
        timeout_s: float = 20,
        connect_timeout_s: float = 10,
        max_redirects: int = MAX_REDIRECTS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ca_file: str | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        """``timeout_s`` is for a whole look, ``connect_timeout_s`` for each address of a name. ``ca_file`` adds
        authorities to the system's; ``lookup`` (name to addresses, blocking) stands in for the system's resolver."""
        if not _is_field_value(user_agent):
            raise ValueError(f"user agent {user_agent!r}: empty or not printable ASCII; write Name/1.0 (+https://…)")
        self._user_agent = user_agent
        self._addresses = addresses
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._max_redirects = max_redirects
        self._clock = clock
        self._tls = _tls(ca_file)
        self._resolver = _CheckedResolver(addresses, look_up if lookup is None else lookup)
        self._looks = asyncio.Semaphore(MAX_LOOKS)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, document: Document, *, validators: Sequence[tuple[str, str]] = ()) -> Observation:
        """One look, as ``ports.Fetch`` describes it. Never raises on what the other side does."""
        look = _Look(document)
        outage: Outage | None = None
        try:
            async with self._looks, asyncio.timeout(self._timeout_s):
                await self._follow(look, [pair for pair in validators if _is_field_value(pair[1])])
        except _EndedError as end:
            outage = end.outage
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            outage = _outage(error, secure=look.secure)
        return look.observation(outage, self._clock())

    async def close(self) -> None:
        """Lets go of connections and look-up threads. A later look opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._resolver.stop()

    async def _follow(self, look: _Look, validators: Sequence[tuple[str, str]]) -> None:
        url = _wire_url(look.document.url)
        if url is None:
            raise _EndedError(Outage.BLOCKED)
        been = {str(url)}
        while True:
            look.secure = url.scheme == "https"
            target = await self._ask(look, url, validators)
            if target is None:
                return
            after = _wire_url(target)
            downgrade = after is not None and look.secure and after.scheme != "https"
            if after is None or downgrade or str(after) in been or len(look.redirects) >= self._max_redirects:
                raise _EndedError(Outage.REDIRECTS)
            look.went_on(str(after))
            been.add(str(after))
            url, validators = after, ()

    async def _ask(self, look: _Look, url: URL, validators: Sequence[tuple[str, str]]) -> str | None:
        """One request. The URL that it redirects to, or None when this is the answer."""
        literal = host_literal(url.raw_host or "")
        if literal is not None and self._addresses.check(literal) is not None:
            raise _EndedError(Outage.BLOCKED)
        async with self._open_session().get(url, headers=validators, allow_redirects=False) as response:
            look.answered(response)
            if response.status < 200:
                raise _EndedError(Outage.BROKEN)
            if response.status in _REDIRECTS:
                return _target(str(url), look)
            if response.status not in _BODILESS:
                await _read(response, look)
            return None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=self._resolver,
                    socket_factory=self._checked_socket,
                    ssl=self._tls,
                    limit=MAX_LOOKS,
                    limit_per_host=MAX_CONNECTIONS_PER_HOST,
                    ttl_dns_cache=DNS_KEEP_S,
                    keepalive_timeout=KEEPALIVE_S,
                ),
                headers={"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": ACCEPT_ENCODING},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=MAX_FIELD_BYTES,
                max_field_size=MAX_FIELD_BYTES,
            )
        return self._session

    def _checked_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for exactly this address, if it may be connected to."""
        family, kind, protocol, _, address = info
        word = self._addresses.check(str(address[0]))
        if word is not None:
            raise AddressBlockedError(f"{address[0]} may not be connected to ({word})")
        return socket.socket(family, kind, protocol)


class _CheckedResolver(AbstractResolver):
    """Names to addresses that may be connected to: pins first, then the system's resolver in threads of its own."""

    def __init__(self, addresses: AddressPolicy, lookup: Lookup) -> None:
        self._addresses = addresses
        self._lookup = lookup
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the interface has it; both families are asked
    ) -> list[ResolveResult]:
        pinned = self._addresses.override(host)
        ips = [pinned] if pinned is not None else await self._look_up(host)
        if not ips:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        refusal = self._addresses.refusal(host, ips)
        if refusal is not None:
            raise AddressBlockedError(refusal)
        return [
            ResolveResult(
                hostname=host,
                host=ip,
                port=port,
                family=socket.AF_INET6 if ":" in ip else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for ip in ips
        ]

    async def _look_up(self, host: str) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(DNS_THREADS, thread_name_prefix="askfirst-dns")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host)

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def look_up(host: str) -> Sequence[str]:
    """Every address that the system's resolver knows for a name, in its order. Blocks; raises OSError."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Made before the first look, so that an unreadable ``ca_file`` is the operator's error and not an outage."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


# URLs


_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.ASCII)
_NOT_ON_THE_WIRE = re.compile(rb"[^\x21-\x7e]")


def _wire_url(url: str) -> URL | None:
    """The URL as it is asked for, its quoting left as given; None if it is not one that can be asked for over HTTP.

    Drops credentials and fragment, writes literal addresses canonically. An impossible name ends the look (DNS).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    literal = host_literal(host)
    name = _wire_host(host) if literal is None else f"[{literal}]" if ":" in literal else literal
    query = f"?{parts.query}" if parts.query else ""
    path = (parts.path or "/") + query
    quoted = _NOT_ON_THE_WIRE.sub(lambda byte: b"%%%02X" % ord(byte[0]), path.encode("utf-8", "surrogatepass"))
    at = name if port is None else f"{name}:{port}"
    return URL(f"{parts.scheme}://{at}{quoted.decode('ascii')}", encoded=True)


def _wire_host(host: str) -> str:
    try:
        name = host if host.isascii() else URL.build(scheme="http", host=host).raw_host or ""
    except ValueError as error:
        raise _EndedError(Outage.DNS) from error
    if not _HOST.fullmatch(name):
        raise _EndedError(Outage.DNS)
    return name


def _target(url: str, look: _Look) -> str:
    """Where a redirect leads. Raises ``_EndedError(REDIRECTS)`` without one usable Location."""
    locations = {value for name, value in look.headers if name.lower() == "location"}
    if len(locations) != 1:
        raise _EndedError(Outage.REDIRECTS)
    raw = locations.pop().encode("latin-1")
    try:
        text = raw.decode("utf-8").strip()
        target = urljoin(url, text)
    except UnicodeDecodeError:
        target = urljoin(url, raw.decode("latin-1").strip())
    except ValueError as error:
        raise _EndedError(Outage.REDIRECTS) from error
    if not target or not raw.strip():
        raise _EndedError(Outage.REDIRECTS)
    return target


def _is_field_value(value: str) -> bool:
    return bool(value) and value.isprintable() and value.isascii()


# Failures


_HANDSHAKE_CUT = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, None})


def _outage(error: BaseException, *, secure: bool) -> Outage:
    """What a failure of the client library is called. The order of the rows matters: its classes overlap."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, AddressBlockedError) for cause in causes):
        return Outage.BLOCKED
    if any(isinstance(cause, (aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError)) for cause in causes):
        return Outage.TLS
    if any(isinstance(cause, (socket.gaierror, UnicodeError)) for cause in causes):
        return Outage.DNS
    if any(isinstance(cause, TimeoutError) or getattr(cause, "errno", 0) == errno.ETIMEDOUT for cause in causes):
        return Outage.TIMEOUT
    if any(isinstance(cause, HttpProcessingError) and _is_flood(cause) for cause in causes):
        return Outage.TOO_LARGE
    if isinstance(error, aiohttp.ClientConnectorError):
        return Outage.TLS if secure and error.os_error.errno in _HANDSHAKE_CUT else Outage.REFUSED
    return Outage.BROKEN


def _is_flood(error: HttpProcessingError) -> bool:
    return isinstance(error, LineTooLong) or error.message.startswith("Too many headers")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


# Bodies


async def _read(response: aiohttp.ClientResponse, look: _Look) -> None:
    """Reads and decodes the body into the look, at most ``max_bytes``. A bad coding ends the look (BROKEN)."""
    max_bytes = look.document.max_bytes
    decoder = _decoder(look.headers)
    received_bytes = 0
    async for chunk in response.content.iter_any():
        received_bytes += len(chunk)
        try:
            look.body += decoder.feed(chunk, max_bytes + 1 - len(look.body))
        except _CODING_ERRORS as error:
            raise _EndedError(Outage.BROKEN) from error
        if len(look.body) > max_bytes:
            del look.body[max_bytes:]
            look.truncated = True
            response.close()
            return
        # A coding that yields less than it takes is no coding; without this, one could be fed for the whole timeout.
        if received_bytes > 2 * max_bytes + MAX_FIELD_BYTES:
            raise _EndedError(Outage.BROKEN)
    if received_bytes and not decoder.finished:
        raise _EndedError(Outage.BROKEN)


class _Decoder(Protocol):
    @property
    def finished(self) -> bool: ...
    def feed(self, data: bytes, room_bytes: int) -> bytes: ...


class _Plain:
    finished = True

    def feed(self, data: bytes, room_bytes: int) -> bytes:
        return data[:room_bytes]


class _Inflate:
    """gzip (RFC 1952, any number of members) or deflate: zlib (RFC 1950), or the raw stream that some servers send."""

    MAX_MEMBERS = 1000

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._members = 0
        self._stream: Any = None  # zlib's type has no public name
        self.finished = False

    def feed(self, data: bytes, room_bytes: int) -> bytes:
        out = bytearray()
        while data and len(out) < room_bytes and not (self.finished and self._is_padding(data)):
            if self._stream is None:
                self._begin(data)
            out += self._stream.decompress(data, room_bytes - len(out))
            self.finished = self._stream.eof
            data = self._stream.unused_data if self.finished else self._stream.unconsumed_tail
            if self.finished:
                self._stream = None
        return bytes(out)

    def _begin(self, data: bytes) -> None:
        self._members += 1
        if self._members > self.MAX_MEMBERS:
            raise zlib.error("too many members")
        is_zlib = data[0] & 0x0F == zlib.DEFLATED
        self._stream = zlib.decompressobj(
            16 + zlib.MAX_WBITS if self._gzip else zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
        )

    def _is_padding(self, data: bytes) -> bool:
        """What follows the last member without being one is ignored, as browsers do."""
        return not self._gzip or data[0] != 0x1F


class _Brotli:
    """br (RFC 7932), with a library that can bound its output."""

    def __init__(self) -> None:
        self._stream = _brotli.Decompressor()

    @property
    def finished(self) -> bool:
        return bool(self._stream.is_finished())

    def feed(self, data: bytes, room_bytes: int) -> bytes:
        out = bytearray(self._stream.process(data, output_buffer_limit=room_bytes))
        while len(out) < room_bytes and not self._stream.can_accept_more_data():
            more = self._stream.process(b"", output_buffer_limit=room_bytes - len(out))
            if not more:
                break
            out += more
        return bytes(out[:room_bytes])


def _bounded_brotli() -> Any:
    """The brotli library, if it is installed and can bound its output (1.2 and later); else None."""
    try:
        library = importlib.import_module("brotli")
    except ImportError:
        return None
    return library if hasattr(library.Decompressor, "can_accept_more_data") else None


_brotli = _bounded_brotli()
_CODING_ERRORS: tuple[type[Exception], ...] = (zlib.error,) if _brotli is None else (zlib.error, _brotli.error)
ACCEPT_ENCODING = "gzip, deflate" if _brotli is None else "gzip, deflate, br"
# Not codings; servers write them, and the body is plain.
_NO_CODING = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "8bit"})


def _decoder(headers: Sequence[tuple[str, str]]) -> _Decoder:
    lists = (value for name, value in headers if name.lower() == "content-encoding")
    named = (coding.strip().lower() for value in lists for coding in value.split(","))
    codings = [coding for coding in named if coding not in _NO_CODING]
    match codings:
        case []:
            return _Plain()
        case ["gzip" | "x-gzip"]:
            return _Inflate(gzip=True)
        case ["deflate"]:
            return _Inflate(gzip=False)
        case ["br"] if _brotli is not None:
            return _Brotli()
    raise _EndedError(Outage.BROKEN)
