"""Many hosts on one port of loopback, scripted by the test, with a log of who asked for what.

The server runs in the test's own process, so that a test waits for what happens and never for a while. Whatever is not
scripted is a 404. A reply can be held until the test lets it go, and a moment can be hooked: ``before_page(20, act)``
acts when the twentieth page is asked for, before it is answered, and ``before(url, act)`` when that URL is.

What it is not: a model of the web. The lab web of the demo is that.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

LOOKED_AT = frozenset({"/robots.txt", "/ai.txt", "/.well-known/tdmrep.json", "/trust.txt", "/.well-known/trust.txt"})
"""What is asked for to find out what may be asked for."""
CONTACT = "/.well-known/security.txt"
"""What is asked for to find out whom to ask."""

_CHUNK = b"<p>long</p>" * 6_000
_SEND_BUFFER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``padded_to_bytes`` makes the body that long, in pieces. ``after_s`` and ``until`` hold it."""

    body: bytes | str = b""
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    kind: str = "text/html"
    zipped: bool = False
    padded_to_bytes: int = 0
    after_s: float = 0
    until: asyncio.Event | None = None

    def content(self) -> bytes:
        """The body without its padding, as it goes over the wire."""
        data = self.body.encode() if isinstance(self.body, str) else self.body
        return gzip.compress(data) if self.zipped else data


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that arrived."""

    url: str
    path: str
    agent: str
    at: datetime


@dataclass(slots=True)
class Site:
    """``async with Site() as site``; ``site.url("a.test", "/x")`` is where a host's page is."""

    port: int = 0
    visits: list[Visit] = field(default_factory=list)
    sent_bytes: Counter[str] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)
    _replies: dict[str, list[Reply]] = field(default_factory=dict)
    _moments: dict[int | str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    _runner: web.ServerRunner | None = None
    _answering: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind(("127.0.0.1", self.port))
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self.port = listener.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    # -- the script --------------------------------------------------------------------------------------------------

    def url(self, host: str, path: str = "/") -> str:
        """The address of a path of a host."""
        return f"http://{host}:{self.port}{path}"

    def publish(self, host: str, path: str, *replies: Reply) -> str:
        """What is answered at this path: the replies in turn, the last one ever after. Returns the URL."""
        url = self.url(host, path)
        self._replies[url] = list(replies) or [Reply(f"<title>{path}</title>")]
        return url

    def robots(self, host: str, text: str, *, after_s: float = 0) -> None:
        """A robots.txt for the host."""
        self.publish(host, "/robots.txt", Reply(text, kind="text/plain", after_s=after_s))

    def before_page(self, count: int, act: Callable[[], Awaitable[None]]) -> None:
        """Acts when this many pages were asked for, before the last of them is answered."""
        self._moments[count] = act

    def before(self, url: str, act: Callable[[], Awaitable[None]]) -> None:
        """Acts when this URL is asked for the first time, before it is answered."""
        self._moments[url] = act

    # -- what happened -----------------------------------------------------------------------------------------------

    def pages(self, host: str | None = None) -> list[str]:
        """What was asked for beside the well-known documents, in order."""
        return [v.url for v in self.page_visits() if host in (None, urlsplit(v.url).hostname)]

    def page_visits(self) -> list[Visit]:
        """The requests for anything but the well-known documents."""
        return [v for v in self.visits if v.path not in {*LOOKED_AT, CONTACT}]

    def looks(self, host: str) -> Counter[str]:
        """How often each well-known document of the host was asked for."""
        return Counter(v.path for v in self.visits if v.path in LOOKED_AT and urlsplit(v.url).hostname == host)

    async def quiet(self) -> None:
        """Returns when no reply is under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._answering)

    async def until_visited(self, path: str) -> None:
        """Returns when the path was asked for, at whichever host."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(v.path == path for v in self.visits))

    # -- serving -----------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        url = f"http://{request.headers.get('Host', '')}{request.raw_path}"
        path = request.raw_path.partition("?")[0]
        self.visits.append(Visit(url, path, request.headers.get("User-Agent", ""), datetime.now(UTC)))
        self._answering += 1
        try:
            async with self._changed:
                self._changed.notify_all()
            await self._act(url)
            if path not in {*LOOKED_AT, CONTACT}:
                await self._act(len(self.page_visits()))
            return await self._reply(request, url)
        finally:
            self._answering -= 1
            async with self._changed:
                self._changed.notify_all()

    async def _act(self, moment: int | str) -> None:
        act = self._moments.pop(moment, None)
        if act is not None:
            await act()

    async def _reply(self, request: web.BaseRequest, url: str) -> web.StreamResponse:
        replies = self._replies.get(url, [Reply("nothing here", status=404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.until is not None:
            await reply.until.wait()
        if reply.after_s:
            await asyncio.sleep(reply.after_s)  # the server is slow: that is the scenario, not a wait of the test
        response = web.StreamResponse(status=reply.status)
        response.headers["Content-Type"] = reply.kind
        for name, value in reply.headers:
            response.headers.add(name, value)
        if reply.zipped:
            response.headers["Content-Encoding"] = "gzip"
        content = reply.content()
        response.content_length = max(len(content), reply.padded_to_bytes)
        await response.prepare(request)
        try:
            await self._write(response, url, content)
            while self.sent_bytes[url] < reply.padded_to_bytes:
                await self._write(response, url, _CHUNK[: reply.padded_to_bytes - self.sent_bytes[url]])
        except ConnectionError:
            self.cut.append(url)
            raise
        return response

    async def _write(self, response: web.StreamResponse, url: str, data: bytes) -> None:
        if data:
            await response.write(data)
            self.sent_bytes[url] += len(data)
