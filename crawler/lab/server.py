"""The lab's server: every site on one loopback port, told apart by the Host field.

1. Each request is one line of JSON in the access log, written and flushed before anything is answered.
2. Misbehavior is bounded: what never answers lets go after MAX_HOLD_S, or as soon as the client leaves.
3. Text gets the port put into its URLs; pictures, works and files in other encodings are sent as they are.
4. It binds 127.0.0.1 alone and asks nobody anything.

Not a general web server: no validators, no ranges, no keeping of anything but the log.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from typing import TextIO
from urllib.parse import urlsplit

from aiohttp import web

from crawler.lab import pictures
from crawler.lab.html import render
from crawler.lab.site import DOMAIN, Answer, Answers, Site, redirect
from crawler.lab.sites import LOOK_UP_PATH, REGISTRY_HOST, SITES, registry_records, with_port
from crawler.lab.works import EPUB, PDF

MAX_HOLD_S = 60
MAX_LOOK_UP_URLS = 10_000
_NO_SUCH_PAGE: Answers = (
    Answer(
        status=404,
        content_type="text/html; charset=utf-8",
        body=b'<!DOCTYPE html>\n<html lang="en"><head><title>Not found</title></head>'
        b"<body><h1>Not found</h1><p>There is nothing at this address.</p></body></html>\n",
    ),
)
_NO_SUCH_HOST: Answers = (Answer(status=421, body=b"no site of the lab has this name\n"),)


def answers_of(site: Site) -> dict[str, Answers]:
    """Everything a site answers but its pictures, by path."""
    told = dict(site.files)
    if site.robots is not None:
        told["/robots.txt"] = site.robots
    for page in site.pages:
        told[page.path] = (
            Answer(
                status=page.status,
                content_type="text/html; charset=utf-8",
                headers=page.headers,
                body=render(site, page),
            ),
        )
    for work in site.works:
        told[work.path] = (Answer(content_type=work.content_type, headers=work.headers, body=work.body),)
    return told | {path: redirect(to) for path, to in site.moved.items()}


class Server:
    """Answers for all sites. ``log`` is the access log, opened for appending."""

    def __init__(self, log: TextIO) -> None:
        self.port = 0
        self._log = log
        self._answers = {site.host: answers_of(site) for site in SITES}
        self._pictures = {site.host: {p.path: p for p in site.own_pictures} for site in SITES}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._runner: web.ServerRunner | None = None

    async def start(self, port: int) -> None:
        """Listens on 127.0.0.1; ``port`` 0: any free one, to be read from ``self.port``."""
        runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True), shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Stops listening and lets go of every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        host = _host_of(request)
        if host == REGISTRY_HOST:
            return await self._look_up(request, host)
        answer = self._choose(host, request.path)
        self._note(request, host, None if answer.holds else answer.status)
        if answer.holds:
            await asyncio.sleep(MAX_HOLD_S)
            return _hang_up(request)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        headers = [("Content-Type", answer.content_type)]
        headers += [(name, with_port(value, self.port)) for name, value in answer.headers]
        body = self._put_port_in(answer)
        if answer.cut:
            return await _send_half(request, headers, body)
        return _respond(answer.status, headers, body)

    def _choose(self, host: str, path: str) -> Answer:
        """The answer whose turn it is. Asking counts."""
        if host not in self._answers:
            return _NO_SUCH_HOST[0]
        picture = self._pictures[host].get(path)
        if picture is not None:
            content_type = pictures.content_type(picture)
            return Answer(content_type=content_type, headers=picture.headers, body=pictures.draw(picture))
        answers = self._answers[host].get(path, _NO_SUCH_PAGE)
        turn = self._asked[host, path]
        self._asked[host, path] += 1
        return answers[min(turn, len(answers) - 1)]

    def _put_port_in(self, answer: Answer) -> bytes:
        if answer.content_type.startswith("image/") or answer.content_type in (PDF, EPUB):
            return answer.body
        return answer.body.replace(f".{DOMAIN}/".encode(), f".{DOMAIN}:{self.port}/".encode())

    def _note(self, request: web.BaseRequest, host: str, status: int | None) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "host": host,
            "method": request.method,
            "path": request.raw_path,
            "user_agent": request.headers.get("User-Agent", ""),
            "status": status,
        }
        self._log.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._log.flush()

    async def _look_up(self, request: web.BaseRequest, host: str) -> web.Response:
        """The registry: what is known of each URL, in an order that is not the question's."""
        status, told = 200, await self._tell(request)
        if told is None:
            status, told = 400, {"error": 'expected POST /v1/look-up with {"urls": ["http://…", …]}'}
        self._note(request, host, status)
        return _respond(status, [("Content-Type", "application/json")], json.dumps(told).encode())

    async def _tell(self, request: web.BaseRequest) -> dict[str, object] | None:
        if (request.method, request.path) != ("POST", LOOK_UP_PATH):
            return None
        try:
            asked = json.loads(await request.read())
        except ValueError:
            return None
        urls = asked.get("urls") if isinstance(asked, dict) else None
        if not isinstance(urls, list) or len(urls) > MAX_LOOK_UP_URLS or not all(isinstance(u, str) for u in urls):
            return None
        records = registry_records(self.port)
        answers = [{"url": url, "records": [r for r in records if _covers(str(r["scope"]), url)]} for url in urls]
        shuffled = sorted(answers, key=lambda answer: sha256(str(answer["url"]).encode()).digest())
        return {"answers": shuffled if shuffled != answers else shuffled[::-1]}


def _covers(scope: str, url: str) -> bool:
    """Whether a record's scope takes in a URL: a domain its subdomains too, a prefix what begins with it."""
    if "://" not in scope:
        host = urlsplit(url).hostname or ""
        return host == scope or host.endswith(f".{scope}")
    return url.startswith(scope) if scope.endswith("/") else url == scope


def _host_of(request: web.BaseRequest) -> str:
    return request.headers.get("Host", "").rpartition(":")[0].lower() or request.headers.get("Host", "").lower()


def _respond(status: int, headers: list[tuple[str, str]], body: bytes) -> web.Response:
    response = web.Response(status=status, body=body)
    for name, value in headers:
        if name == "Content-Type":
            response.headers[name] = value
        else:
            response.headers.add(name, value)
    return response


async def _send_half(request: web.BaseRequest, headers: list[tuple[str, str]], body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers=dict(headers))
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _close(request)
    return response


def _hang_up(request: web.BaseRequest) -> web.Response:
    _close(request)
    return web.Response(status=408)


def _close(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()
