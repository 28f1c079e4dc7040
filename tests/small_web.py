"""A small web on loopback for real crawls: pages given as data, every request noted, one that can be waited for.

It runs in a thread of the test, under any host name that is resolved to it. What is not given is a 404.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Path = str


@dataclass(frozen=True)
class Answer:
    """One answer."""

    body: bytes = b""
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def page(*links: str, images: tuple[str, ...] = (), head: str = "", **headers: str) -> Answer:
    """A page that links to these and shows these images."""
    parts = [f'<a href="{link}">{link}</a>' for link in links] + [f'<img src="{image}">' for image in images]
    body = f"<!doctype html><title>a page</title>{head}{''.join(parts)}"
    return Answer(body.encode(), headers=tuple((n.replace("_", "-"), v) for n, v in headers.items()))


def picture(number: int = 0) -> Answer:
    """Bytes that begin as a PNG does."""
    return Answer(b"\x89PNG\r\n\x1a\n" + number.to_bytes(4, "big") * 8, "image/png")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A crawl that is killed breaks its connections; everything else is the test's mistake."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as the library has it


@dataclass
class Web:
    """``answers`` by (host, path); ``asked`` is what came, in order. ``on_request`` runs before the answer."""

    answers: Mapping[tuple[str, Path], Answer]
    asked: list[tuple[str, Path]] = field(default_factory=list)
    on_request: Callable[[str, Path], None] = lambda _host, _path: None

    def __enter__(self) -> Self:
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Says nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: Path = "/", host: str = "a.lab.test") -> str:
        """The URL of a path."""
        return f"http://{host}:{self.port}{path}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Notes the request, then answers it."""
        host = (handler.headers.get("Host") or "").partition(":")[0]
        with self._changed:
            self.asked.append((host, handler.path))
            self._changed.notify_all()
        self.on_request(host, handler.path)
        given = self.answers.get((host, handler.path), Answer(b"nothing here", "text/plain", 404))
        body = given.body.replace(b"PORT", str(self.port).encode())
        try:
            handler.send_response(given.status)
            handler.send_header("Content-Type", given.media_type)
            handler.send_header("Content-Length", str(len(body)))
            for name, value in given.headers:
                handler.send_header(name, value.replace("PORT", str(self.port)))
            handler.end_headers()
            handler.wfile.write(body)
        except ConnectionError:
            handler.close_connection = True  # the crawl was killed

    def wait_for(self, number: int, *, timeout_s: float = 60) -> None:
        """Returns when so many requests for something else than rights have come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.resources()) >= number, timeout_s):
                raise TimeoutError(f"only {len(self.resources())} requests came, not {number}")

    def resources(self) -> list[tuple[str, Path]]:
        """What was requested, without the places where rights are looked up."""
        return [(host, path) for host, path in self.asked if not is_look(path)]


def is_look(path: Path) -> bool:
    """Whether a path is a place where rights are looked up, which nobody has to be asked about."""
    return path in {"/robots.txt", "/ai.txt", "/trust.txt", "/license.xml"} or path.startswith("/.well-known/")
