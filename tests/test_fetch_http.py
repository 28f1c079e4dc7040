"""Looks over HTTP at servers that misbehave: raw sockets on loopback, and every failure an Observation."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import os
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.addresses import AddressPolicy
from askfirst.edges.fetch_http import MAX_CONNECTIONS_PER_HOST, MAX_FIELD_BYTES, HttpFetch
from askfirst.ports import Fetch
from askfirst.rights.model import Document, Kind, Observation, Outage

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LAB = AddressPolicy(["127.0.0.0/8"], {"*.lab.test": "127.0.0.1", "lab.test": "127.0.0.1"})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Web:
    """A raw server: ``answer`` is given each request's head and writes whatever it wants."""

    def __init__(self, answer: Answer | bytes, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._answer = answer
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str = "/robots.txt", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode("latin-1") for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while head := await _head(reader):
                self.requests.append(head)
                if isinstance(self._answer, bytes):
                    writer.write(self._answer)
                    await writer.drain()
                    if b"content-length" not in self._answer.lower():
                        return
                else:
                    await self._answer(head, writer)
                    if writer.is_closing():
                        return
        except ConnectionError:
            return  # the client went away, which several tests want it to do
        finally:
            writer.close()
            self._tasks.discard(task)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def fetching(
    addresses: AddressPolicy = LAB,
    *,
    timeout_s: float = 10,
    connect_timeout_s: float = 10,
    ca_file: str | None = None,
    lookup: Callable[[str], Sequence[str]] | None = None,
) -> AsyncIterator[HttpFetch]:
    fetch = HttpFetch(
        user_agent="AskFirstBot/1.0 (+https://askfirst.example/)",
        addresses=addresses,
        timeout_s=timeout_s,
        connect_timeout_s=connect_timeout_s,
        clock=lambda: NOW,
        ca_file=ca_file,
        lookup=lookup,
    )
    try:
        yield fetch
    finally:
        await fetch.close()


def document(url: str, max_bytes: int = 1_048_576) -> Document:
    return Document(kind=Kind.WELL_KNOWN, url=url, max_bytes=max_bytes)


async def look(answer: Answer | bytes, *, max_bytes: int = 1_048_576, timeout_s: float = 10) -> Observation:
    """One look at a server that gives this answer."""
    async with Web(answer) as web, fetching(timeout_s=timeout_s) as fetch:
        return await fetch(document(web.url(), max_bytes))


def http(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return http(b"", f"Location: {to}", status=status)


# What is seen


async def test_an_answer_is_seen_as_it_was_sent() -> None:
    """Status, fields in wire order with repeats and case, body, and the time of the look."""
    answer = http(b"User-agent: *\n", "X-Robots-Tag: noai", "x-robots-tag:  b: noindex ", "X-Name: caf\xe9")
    async with Web(answer) as web, fetching() as fetch:
        port: Fetch = fetch
        seen = await port(document(web.url()))
        assert seen.document.url == web.url()
    assert (seen.status, seen.body, seen.outage, seen.truncated) == (200, b"User-agent: *\n", None, False)
    assert seen.headers == (
        ("Content-Length", "14"),
        ("X-Robots-Tag", "noai"),
        ("x-robots-tag", "b: noindex"),
        ("X-Name", "caf\xe9"),
    )
    assert (seen.observed_at, seen.redirects, seen.fresh_s) == (NOW, (), 0)


@pytest.mark.parametrize(
    "status", ["404 Not Found", "403 Forbidden", "429 Slow", "503 Later", "500 Oops", "999 Denied"]
)
async def test_an_error_status_is_an_observation(status: str) -> None:
    """Error answers keep their body and fields; what they mean is decided elsewhere."""
    seen = await look(http(b"no", "Retry-After: 120", status=status))
    assert (seen.status, seen.body, seen.outage) == (int(status[:3]), b"no", None)
    assert seen.field_values("retry-after") == ("120",)


async def test_the_request_says_who_asks_and_carries_nothing_else() -> None:
    """Our user agent, no cookies even after Set-Cookie, no credentials of the URL, no proxy of the environment."""
    answer = http(b"ok", "Set-Cookie: a=b; Path=/")
    async with Web(answer) as web, fetching() as fetch:
        os.environ["http_proxy"] = "http://127.0.0.1:1"
        try:
            await fetch(document(web.url()))
            seen = await fetch(document(web.url("/x").replace("//", "//user:secret@")))
        finally:
            del os.environ["http_proxy"]
        assert seen.status == 200
        for request in web.requests:
            assert b"user-agent: askfirstbot/1.0 (+https://askfirst.example/)\r\n" in request.lower()
            assert b"cookie" not in request.lower()
            assert b"authorization" not in request.lower()


async def test_the_path_is_asked_for_as_it_is_quoted() -> None:
    """Quoting is left as given; only what cannot stand on the wire is quoted."""
    async with Web(OK) as web, fetching() as fetch:
        for path in ("/%7euser/%2Fa?q={}|%20&e=", "/é x", "?only=query", "/a#fragment", "/a/../b"):
            await fetch(document(web.url(path)))
        assert web.paths() == ["/%7euser/%2Fa?q={}|%20&e=", "/%C3%A9%20x", "/?only=query", "/a", "/a/../b"]


async def test_validators_go_with_the_first_request_only() -> None:
    """A redirect's target is another resource, for which the validators say nothing."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(redirect("/there") if b"/robots.txt" in head else OK)

    async with Web(answer) as web, fetching() as fetch:
        await fetch(document(web.url()), validators=[("If-None-Match", '"abc"'), ("If-Modified-Since", "bad\r\nX: y")])
        assert b'if-none-match: "abc"' in web.requests[0].lower()
        assert b"x: y" not in web.requests[0].lower()
        assert b"if-none-match" not in web.requests[1].lower()


async def test_not_modified_is_an_observation() -> None:
    """A 304 comes back as status 304 without a body."""
    seen = await look(b'HTTP/1.1 304 Not Modified\r\nETag: "abc"\r\nContent-Length: 2\r\n\r\n')
    assert (seen.status, seen.body, seen.outage) == (304, b"", None)


async def test_connections_are_used_again() -> None:
    """Looks one after the other at one origin share a connection."""
    async with Web(OK) as web, fetching() as fetch:
        for _ in range(5):
            assert (await fetch(document(web.url()))).body == b"ok"
        assert web.connections == 1
        assert len(web.requests) == 5


async def test_bytes_after_an_answer_are_not_the_next_answer() -> None:
    """A body longer than announced ends the connection; nobody can answer a look that was not yet asked."""
    planted = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(planted if b"/robots.txt" in head else http(b"good"))

    async with Web(answer) as web, fetching() as fetch:
        assert (await fetch(document(web.url()))).body == b"ok"
        assert (await fetch(document(web.url("/ai.txt")))).body == b"good"


async def test_an_ipv6_literal_is_reached_where_it_is_admitted() -> None:
    """Brackets and all."""
    try:
        server = await asyncio.start_server(_greet, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    port = server.sockets[0].getsockname()[1]
    async with server, fetching(AddressPolicy(["::1/128"])) as fetch:
        assert (await fetch(document(f"http://[::1]:{port}/"))).body == b"ok"
        assert (await fetch(document(f"http://[0:0::1]:{port}/"))).body == b"ok"
        assert (await fetch(document(f"http://127.0.0.1:{port}/"))).outage is Outage.BLOCKED


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(OK)
    writer.close()


async def test_many_looks_at_once_share_few_connections() -> None:
    """A host is not stormed: a few connections serve many looks."""
    async with Web(OK) as web, fetching() as fetch:
        seen = await asyncio.gather(*(fetch(document(web.url(f"/{n}"))) for n in range(300)))
        assert {each.body for each in seen} == {b"ok"}
        assert web.connections <= MAX_CONNECTIONS_PER_HOST


async def test_a_closed_fetcher_opens_again() -> None:
    """Closing lets go of connections, and does no harm twice."""
    async with Web(OK) as web, fetching() as fetch:
        await fetch.close()
        assert (await fetch(document(web.url()))).status == 200
        await fetch.close()
        assert (await fetch(document(web.url()))).status == 200


def test_a_user_agent_that_cannot_be_sent_is_refused_at_start() -> None:
    """A line break in the user agent is the operator's mistake, not the server's."""
    with pytest.raises(ValueError, match="user agent"):
        HttpFetch(user_agent="Bot\r\nX: y", addresses=LAB)


def test_a_ca_file_that_cannot_be_read_is_an_error_at_start(tmp_path: Path) -> None:
    """The operator's mistake is not taken for the server's."""
    with pytest.raises(FileNotFoundError):
        HttpFetch(user_agent="Bot/1.0", addresses=LAB, ca_file=str(tmp_path / "missing.pem"))


# Sizes and codings


@pytest.mark.parametrize(("size", "truncated"), [(0, False), (99, False), (100, False), (101, True), (500_000, True)])
async def test_the_body_is_cut_at_max_bytes(size: int, truncated: bool) -> None:
    """A longer body is a prefix of exactly max_bytes and says so."""
    seen = await look(http(b"a" * size), max_bytes=100)
    assert (len(seen.body), seen.truncated, seen.outage) == (min(size, 100), truncated, None)


async def test_a_body_without_end_is_cut() -> None:
    """An endless body costs max_bytes and no more."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"Disallow: /\n" * 1000)
            await writer.drain()

    seen = await look(answer, max_bytes=50_000)
    assert (len(seen.body), seen.truncated, seen.outage) == (50_000, True, None)


RAW_DEFLATE = zlib.compressobj(wbits=-15)
TEXT = b"User-agent: *\nDisallow: /private\n" * 50


def _packed(data: bytes, *, compresslevel: int = 9) -> bytes:
    """Without the time, so that every process gives a case the same name."""
    return gzip.compress(data, compresslevel=compresslevel, mtime=0)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", _packed(TEXT)),
        ("GZIP", _packed(TEXT)),
        ("x-gzip", _packed(TEXT)),
        ("gzip", _packed(TEXT[:100]) + _packed(TEXT[100:])),
        ("gzip", _packed(TEXT) + b"\0" * 20),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()),
        ("identity", TEXT),
        ("utf-8", TEXT),
        ("identity, gzip", _packed(TEXT)),
    ],
)
@pytest.mark.parametrize("step", [1_000_000, 1])
async def test_a_coded_body_is_decoded(coding: str, body: bytes, step: int) -> None:
    """gzip and deflate, in one piece or byte by byte, give the text that was meant."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        for at in range(0, len(body), step):
            writer.write(body[at : at + step])
            await writer.drain()

    seen = await look(answer)
    assert (seen.body, seen.truncated, seen.outage) == (TEXT, False, None)


async def test_brotli_is_decoded_where_it_can_be_bounded() -> None:
    """br is offered and decoded only with a library that bounds its output, and a bomb is cut like any body."""
    brotli = pytest.importorskip("brotli", reason="no brotli library is installed")
    if not hasattr(brotli.Decompressor, "can_accept_more_data"):
        pytest.skip("this brotli library cannot bound its output")
    seen = await look(http(brotli.compress(TEXT), "Content-Encoding: br"))
    assert (seen.body, seen.outage) == (TEXT, None)
    seen = await look(http(brotli.compress(b"\0" * 50_000_000, quality=1), "Content-Encoding: br"), max_bytes=1000)
    assert (seen.body, seen.truncated, seen.outage) == (b"\0" * 1000, True, None)
    seen = await look(http(brotli.compress(TEXT)[:-3], "Content-Encoding: br"))
    assert seen.outage is Outage.BROKEN


async def test_a_bomb_is_cut_like_any_body() -> None:
    """A small body that unpacks to 50 MB costs max_bytes of memory."""
    bomb = _packed(b"\0" * 50_000_000, compresslevel=1)
    seen = await look(http(bomb, "Content-Encoding: gzip"), max_bytes=1000)
    assert (seen.body, seen.truncated, seen.outage) == (b"\0" * 1000, True, None)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", TEXT),
        ("gzip", _packed(TEXT)[:-9]),
        ("gzip", _packed(TEXT)[:5]),
        ("gzip", _packed(b"") * 2000),
        ("deflate", zlib.compress(TEXT)[:-2]),
        ("deflate", b"\xff\xff\xff"),
        ("zstd", TEXT),
        ("gzip, gzip", _packed(_packed(TEXT))),
        ("br", b"\xff\xff\xff\xff"),
    ],
)
async def test_a_broken_coding_is_a_broken_transfer(coding: str, body: bytes) -> None:
    """Bytes that do not decode are not read as if they were the text; status and fields are kept."""
    seen = await look(http(body, f"Content-Encoding: {coding}", "X-Robots-Tag: noai"))
    assert (seen.outage, seen.status) == (Outage.BROKEN, 200)
    assert seen.field_values("x-robots-tag") == ("noai",)


async def test_a_coding_that_yields_nothing_is_ended() -> None:
    """An endless stream of empty deflate blocks is broken long before the timeout."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        packer = zlib.compressobj()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + packer.compress(b"a"))
        while True:
            writer.write(packer.flush(zlib.Z_FULL_FLUSH) + b"\0\0\0\xff\xff" * 1000)
            await writer.drain()

    assert (await look(answer, max_bytes=1000)).outage is Outage.BROKEN


# Broken transfers


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Robots-Tag: noai\r\n\r\nUser-agent",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Robots-Tag: noai\r\n\r\nff\r\nUser-agent",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Robots-Tag: noai\r\n\r\na\r\nUser-agent\r\n",
    ],
)
async def test_a_cut_transfer_is_broken_and_keeps_what_came(answer: bytes) -> None:
    """Fewer bytes than announced, or no last chunk: broken, with the status, the fields and the bytes that came."""

    async def cut(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    seen = await look(cut)
    assert (seen.outage, seen.status, seen.body, seen.truncated) == (Outage.BROKEN, 200, b"User-agent", False)
    assert seen.field_values("x-robots-tag") == ("noai",)


@pytest.mark.parametrize(
    "answer",
    [
        b"\0\1\2\3 garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>no status line</html>",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"",
    ],
)
async def test_what_is_not_http_is_broken(answer: bytes) -> None:
    """Garbage, half a head and silence are a broken transfer, never a body."""

    async def once(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    seen = await look(once)
    assert (seen.outage, seen.body) == (Outage.BROKEN, b"")


@pytest.mark.parametrize(
    "flood",
    [
        b"X-Big: " + b"a" * (MAX_FIELD_BYTES + 10_000) + b"\r\n",
        b"".join(b"X-%d: a\r\n" % n for n in range(5000)),
        b"X" * (MAX_FIELD_BYTES + 10_000),
    ],
)
async def test_a_flood_of_header_fields_is_too_large(flood: bytes) -> None:
    """Only the head can be too large; a body is cut instead."""
    seen = await look(b"HTTP/1.1 200 OK\r\n" + flood + b"Content-Length: 2\r\n\r\nok")
    assert seen.outage is Outage.TOO_LARGE


async def test_a_header_that_never_ends_is_too_large() -> None:
    """A field value that trickles in without end is not collected."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while True:
            writer.write(b"a" * 1000)
            await writer.drain()

    assert (await look(answer)).outage is Outage.TOO_LARGE


async def test_a_long_but_honest_header_is_read() -> None:
    """Fields of 30 KB occur (policies, links) and are no flood."""
    seen = await look(http(b"ok", "Link: " + "a" * 30_000))
    assert (seen.outage, len(seen.field_values("link")[0])) == (None, 30_000)


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nX-Robots-Tag: noai\r\n\r\nUser"])
async def test_a_drip_is_ended_by_the_timeout(before: bytes) -> None:
    """A server that sends a byte now and then forever is ended by the one clock of the look."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(before or b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)  # the pace of the drip; nothing is waited for

    seen = await look(answer, timeout_s=0.3)
    assert seen.outage is Outage.TIMEOUT
    assert seen.status == (200 if before else None)


async def test_the_timeout_is_for_all_hops_together() -> None:
    """Redirects do not buy time."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/robots.txt" in head:
            writer.write(redirect("/silent"))
        else:
            await asyncio.Event().wait()

    async with Web(answer) as web, fetching(timeout_s=0.3) as fetch:
        seen = await fetch(document(web.url()))
        assert (seen.outage, seen.status, seen.redirects) == (Outage.TIMEOUT, None, (web.url("/silent"),))


async def test_a_server_that_listens_and_never_accepts_times_out() -> None:
    """Neither connecting nor waiting for the answer goes on forever."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        async with fetching(timeout_s=0.3) as fetch:
            seen = await fetch(document(f"http://127.0.0.1:{deaf.getsockname()[1]}/"))
    assert seen.outage is Outage.TIMEOUT


async def test_a_closed_port_is_refused() -> None:
    """Nobody there is REFUSED."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with fetching() as fetch:
        assert (await fetch(document(f"http://127.0.0.1:{port}/"))).outage is Outage.REFUSED


async def test_cancelling_a_look_is_not_an_observation() -> None:
    """CancelledError goes through to whoever cancels."""
    asked = asyncio.Event()

    async def answer(_: bytes, __: asyncio.StreamWriter) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with Web(answer) as web, fetching() as fetch:
        task = asyncio.ensure_future(fetch(document(web.url())))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# Names and URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://no-such-name.invalid/",
        f"http://{'a' * 70}.example/",
        "http://a..example/",
        "http://%31%32%37.0.0.1/",
        "http://a b.example/",
        "http://☃" + "☃" * 70 + ".example/",
    ],
)
async def test_a_name_that_cannot_be_looked_up_is_dns(url: str) -> None:
    """Unknown and impossible names are the same outage."""

    def lookup(host: str) -> Sequence[str]:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with fetching(lookup=lookup) as fetch:
        assert (await fetch(document(url))).outage is Outage.DNS


@pytest.mark.parametrize(
    "url",
    [
        "ftp://lab.test/",
        "file:///etc/passwd",
        "data:,x",
        "http://",
        "http:///x",
        "//x",
        "",
        "http://[::1",
        "http://a:99999/",
        "http://a:b/",
    ],
)
async def test_a_url_that_is_not_http_is_not_asked(url: str) -> None:
    """What cannot be asked for over HTTP is BLOCKED."""
    async with fetching() as fetch:
        assert (await fetch(document(url))).outage is Outage.BLOCKED


async def test_a_name_beyond_ascii_is_asked_by_its_a_label() -> None:
    """Host and look-up use the A-label."""
    asked: list[str] = []

    def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with Web(OK) as web, fetching(lookup=lookup) as fetch:
        assert (await fetch(document(web.url(host="Bücher.example")))).status == 200
        assert asked == ["xn--bcher-kva.example"]
        assert b"Host: xn--bcher-kva.example:" in web.requests[0]


# The guard


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "①②⑦.0.0.1",
        "127.0.0.1.",
        "rebound.example",
        "pinned.test",
    ],
)
async def test_the_guard_lets_no_request_through(host: str) -> None:
    """However loopback is spelled, looked up or pinned, nothing arrives there."""
    closed = AddressPolicy(resolve=["pinned.test=127.0.0.1"])

    def lookup(_: str) -> Sequence[str]:
        return ["127.0.0.1"]

    async with Web(OK) as web, fetching(closed, lookup=lookup) as fetch:
        seen = await fetch(document(web.url(host=host)))
        assert (seen.outage, seen.status) == (Outage.BLOCKED, None)
        assert web.connections == 0


async def test_the_systems_resolver_is_guarded() -> None:
    """localhost, as this machine knows it, is BLOCKED."""
    async with Web(OK) as web, fetching(AddressPolicy()) as fetch:
        assert (await fetch(document(web.url(host="localhost")))).outage is Outage.BLOCKED
        assert web.connections == 0
    async with Web(OK) as web, fetching(AddressPolicy(["127.0.0.0/8", "::1/128"])) as fetch:
        assert (await fetch(document(web.url(host="localhost")))).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "a.lab.test", "A.B.LAB.test"])
async def test_an_admitted_network_is_reached_in_every_spelling(host: str) -> None:
    """With --allow-private 127.0.0.0/8, literals and pinned names arrive."""
    async with Web(OK) as web, fetching() as fetch:
        assert (await fetch(document(web.url(host=host)))).body == b"ok"


async def test_a_redirect_to_a_forbidden_address_is_blocked() -> None:
    """Each hop passes the guard; the target is not asked."""
    async with Web(OK) as inner:
        for host in ("127.0.0.2", "localhost", "2130706434", "[::1]"):
            async with Web(redirect(f"http://{host}:{inner.port}/secret")) as outer:
                policy = AddressPolicy(["127.0.0.1/32"])
                async with fetching(policy, lookup=lambda _: ["127.0.0.1", "::1"]) as fetch:
                    seen = await fetch(document(outer.url()))
                    assert (seen.outage, seen.status) == (Outage.BLOCKED, None)
                    assert [url.rpartition(":")[2] for url in seen.redirects] == [f"{inner.port}/secret"]
        assert inner.connections == 0


async def test_one_forbidden_answer_of_a_name_blocks_it() -> None:
    """A name with an admitted and a private address is not asked at all."""
    async with Web(OK) as web, fetching(lookup=lambda _: ["127.0.0.1", "10.0.0.1"]) as fetch:
        assert (await fetch(document(web.url(host="two.example")))).outage is Outage.BLOCKED
        assert web.connections == 0


async def test_a_rebound_name_is_checked_at_its_new_address() -> None:
    """The address that is connected to is the one that was checked, at every look-up."""
    answers: Iterator[list[str]] = iter([["127.0.0.1"], ["10.0.0.1"]])

    async with Web(OK) as web, fetching(lookup=lambda _: next(answers)) as fetch:
        assert (await fetch(document(web.url(host="rebound.example")))).status == 200
        await fetch.close()
        assert (await fetch(document(web.url(host="rebound.example")))).outage is Outage.BLOCKED


async def test_the_socket_itself_is_guarded() -> None:
    """A literal that got past every name check still gets no socket."""
    async with fetching(AddressPolicy()) as fetch:
        info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
        with pytest.raises(OSError, match="loopback"):
            fetch._checked_socket(info)


# Redirects


def hops(count: int) -> Answer:
    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split(b" ")[1].decode()
        at = 0 if path == "/robots.txt" else int(path.strip("/"))
        writer.write(redirect(f"/{at + 1}") if at < count else OK)

    return answer


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
async def test_redirects_are_followed_and_listed(status: str) -> None:
    """The URLs asked for after the first are listed; the document stays the one asked for."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(redirect(f"//b.lab.test:{web.port}/x?y#z", status) if b"/robots.txt" in head else OK)

    async with Web(answer) as web, fetching() as fetch:
        seen = await fetch(document(web.url(host="a.lab.test")))
        assert (seen.status, seen.body, seen.outage) == (200, b"ok", None)
        assert seen.redirects == (web.url("/x?y", host="b.lab.test"),)
        assert seen.document.url == web.url(host="a.lab.test")
        assert web.paths() == ["/robots.txt", "/x?y"]


async def test_five_hops_are_followed_and_six_are_not() -> None:
    """RFC 9309 section 2.3.1.2: at least five; a sixth is REDIRECTS."""
    async with Web(hops(5)) as web, fetching() as fetch:
        seen = await fetch(document(web.url()))
        assert (seen.status, seen.outage) == (200, None)
        assert seen.redirects == tuple(web.url(path) for path in ("/1", "/2", "/3", "/4", "/5"))
    async with Web(hops(6)) as web, fetching() as fetch:
        seen = await fetch(document(web.url()))
        assert (seen.status, seen.outage, seen.body) == (302, Outage.REDIRECTS, b"")
        assert len(web.requests) == 6
        assert len(seen.redirects) == 5


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (redirect("/robots.txt"), 1),
        (redirect("/robots.txt#again"), 1),
        (http(b"", status="302 Found"), 1),
        (redirect(""), 1),
        (redirect("ftp://lab.test/x"), 1),
        (redirect("file:///etc/passwd"), 1),
        (redirect("javascript:alert(1)"), 1),
        (redirect("http://[::1"), 1),
        (redirect("http://lab.test:99999/"), 1),
        (http(b"", "Location: /a", "Location: /b", status="302 Found"), 1),
    ],
)
async def test_a_redirect_that_leads_nowhere_is_redirects(answer: bytes, requests: int) -> None:
    """A loop, no Location, two of them, another scheme or no URL at all."""
    async with Web(answer) as web, fetching() as fetch:
        seen = await fetch(document(web.url()))
        assert (seen.outage, seen.status, seen.redirects) == (Outage.REDIRECTS, 302, ())
        assert len(web.requests) == requests


async def test_a_longer_loop_is_noticed() -> None:
    """a to b to a ends at the second visit."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(redirect("/b") if b"/robots.txt" in head else redirect("/robots.txt"))

    async with Web(answer) as web, fetching() as fetch:
        seen = await fetch(document(web.url()))
        assert (seen.outage, len(web.requests), seen.redirects) == (Outage.REDIRECTS, 2, (web.url("/b"),))


async def test_a_location_in_raw_bytes_is_followed() -> None:
    """Servers send UTF-8 and spaces in Location; it is quoted, not refused."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(redirect("/caf\xc3\xa9 au") if b"/robots.txt" in head else OK)

    async with Web(answer) as web, fetching() as fetch:
        assert (await fetch(document(web.url()))).status == 200
        assert web.paths()[1] == "/caf%C3%A9%20au"


# TLS


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server context with a self-signed certificate for ``name``, and the file that would make it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, str(chain)


async def test_tls_is_verified(tmp_path: Path) -> None:
    """A certificate nobody vouches for and a wrong name are TLS; a trusted one for the pinned name is read."""
    context, ca_file = certificate(tmp_path, "a.lab.test")
    async with Web(OK, context) as web:
        async with fetching() as fetch:
            assert (await fetch(document(web.url(host="a.lab.test")))).outage is Outage.TLS
        async with fetching(ca_file=ca_file) as fetch:
            assert (await fetch(document(web.url(host="b.lab.test")))).outage is Outage.TLS
            assert (await fetch(document(web.url(host="a.lab.test")))).body == b"ok"
        assert len(web.requests) == 1


async def test_https_to_a_plain_server_is_tls() -> None:
    """A handshake that fails or is cut is TLS."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)
        writer.close()

    for serve in (hang_up, talk):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, fetching() as fetch:
            port = server.sockets[0].getsockname()[1]
            assert (await fetch(document(f"https://127.0.0.1:{port}/"))).outage is Outage.TLS


async def test_https_is_not_followed_down_to_http(tmp_path: Path) -> None:
    """From https nobody on the way may be asked instead; from http up to https is followed."""
    context, ca_file = certificate(tmp_path, "a.lab.test")
    async with (
        fetching(ca_file=ca_file) as fetch,
        Web(OK) as plain,
        Web(redirect(plain.url(host="a.lab.test")), context) as secure,
    ):
        seen = await fetch(document(secure.url(host="a.lab.test")))
        assert (seen.outage, plain.connections) == (Outage.REDIRECTS, 0)
    async with (
        fetching(ca_file=ca_file) as fetch,
        Web(OK, context) as secure,
        Web(redirect(secure.url(host="a.lab.test"))) as plain,
    ):
        assert (await fetch(document(plain.url(host="a.lab.test")))).body == b"ok"


# Anything


HEADS = [
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: ",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(head=st.sampled_from(HEADS), tail=st.binary(max_size=200))
def test_no_answer_makes_a_look_raise(head: bytes, tail: bytes) -> None:
    """Whatever bytes come back, there is an Observation."""

    async def once(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head + tail)
        await writer.drain()
        writer.close()

    async def scene() -> Observation:
        async with Web(once) as web, fetching(timeout_s=5) as fetch:
            return await fetch(document(web.url()))

    seen = asyncio.run(scene())
    assert seen.outage is not Outage.TIMEOUT
    assert seen.status is not None or seen.outage is not None


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(max_size=40).map("http://".__add__),
        st.text(max_size=40).map("http://a.test/".__add__),
    )
)
def test_no_url_makes_a_look_raise(url: str) -> None:
    """Whatever is asked for, there is an Observation, and nothing is connected to."""

    async def scene() -> Observation:
        async with fetching(AddressPolicy(), lookup=lambda _: ["127.0.0.1"]) as fetch:
            return await fetch(document(url))

    assert asyncio.run(scene()).outage in {Outage.BLOCKED, Outage.DNS}


def test_the_edge_does_not_need_brotli() -> None:
    """What is offered is what can be decoded."""
    edge = importlib.import_module("askfirst.edges.fetch_http")
    assert edge.ACCEPT_ENCODING.startswith("gzip, deflate")
