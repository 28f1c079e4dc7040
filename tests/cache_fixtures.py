"""The stores that the cache contract runs over, each of them real, and a process that competes for claims.

Run as a program (``python -m tests.cache_fixtures sqlite|redis PLACE OWNER``) it prints ``ready``, waits for a line, claims
every key of :data:`CONTESTED` and prints those that it got.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from askfirst.edges.cache_memory import MemoryCache
from askfirst.edges.cache_redis import RedisCache
from askfirst.edges.cache_sqlite import SqliteCache
from askfirst.ports import Cache
from tests.redis_server import SentinelServer, Server, free_port, redis_on_path, valkey

KINDS = ("memory", "sqlite", "valkey", "redis", "valkey-cluster", "redis-sentinel")
CONTESTED = [f"contested {number}" for number in range(200)]


class Clock:
    """The wall clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class Store(Protocol):
    """One store, empty. ``place`` is what another process needs to open it; None where none can."""

    @property
    def clock(self) -> Clock | None: ...

    @property
    def place(self) -> tuple[str, str] | None: ...

    def open(self) -> Cache:
        """A worker's own cache on the store; closed at the end of the test."""
        ...


class _MemoryStore:
    place = None

    def __init__(self) -> None:
        self.clock = Clock()
        self._cache = MemoryCache(clock=self.clock)

    def open(self) -> Cache:
        return self._cache


class _SqliteStore:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.place = ("sqlite", str(path))
        self.opened: list[SqliteCache] = []

    def open(self) -> Cache:
        self.opened.append(SqliteCache(self.place[1], clock=self.clock))
        return self.opened[-1]


class _RedisStore:
    clock = None

    def __init__(self, url: str) -> None:
        self.place = ("redis", url)
        self.opened: list[RedisCache] = []
        self._prefix = f"{uuid.uuid4()}:"

    def open(self) -> Cache:
        self.opened.append(RedisCache(self.place[1], prefix=self._prefix))
        return self.opened[-1]


class Servers:
    """Starts a server when it is first asked for, and ends all of them."""

    def __init__(self, ending: contextlib.ExitStack) -> None:
        self._ending = ending
        self._urls: dict[str, str] = {}

    def url(self, kind: str) -> str:
        """Where the server of this kind is; skips the test where it cannot be had."""
        if kind not in self._urls:
            self._urls[kind] = self._start(kind)
        return self._urls[kind]

    def home(self) -> Path:
        """A new directory with a short name: the path of a unix socket has 107 bytes at most."""
        return Path(self._ending.enter_context(tempfile.TemporaryDirectory(prefix="af", ignore_cleanup_errors=True)))

    def _start(self, kind: str) -> str:
        if kind == "valkey":
            return self._run(Server(valkey(), self.home(), port=0)).url
        if kind == "redis":
            return self._run(Server(self.redis_program(), self.home(), port=free_port())).url
        if kind == "valkey-cluster":
            words = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            server = self._run(Server(valkey(), self.home(), port=free_port(), arguments=words))
            server.become_cluster()
            return server.url.replace("redis://", "redis+cluster://")
        watched = self._run(Server(self.redis_program(), self.home(), port=free_port()))
        sentinel = SentinelServer(
            self.redis_program(), self.home(), port=free_port(), watched=watched, service="pictures"
        )
        self._run(sentinel)
        return sentinel.cache_url

    def _run(self, server: Server) -> Server:
        return self._ending.enter_context(server.running())

    @staticmethod
    def redis_program() -> str:
        """The redis-server on PATH; skips the test where there is none."""
        program = redis_on_path()
        if program is None:
            pytest.skip("there is no redis-server on PATH")
        return program


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The servers of this module's tests."""
    with contextlib.ExitStack() as ending:
        yield Servers(ending)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> AsyncIterator[Store]:
    """Each store in turn."""
    if request.param == "memory":
        yield _MemoryStore()
        return
    opened = (
        _SqliteStore(tmp_path / "cache.db") if request.param == "sqlite" else _RedisStore(servers.url(request.param))
    )
    yield opened
    for cache in opened.opened:
        await cache.close()


async def _compete(kind: str, place: str, owner: str) -> None:
    cache: Cache = SqliteCache(place, clock=time.time) if kind == "sqlite" else RedisCache(place)
    print("ready", flush=True)
    sys.stdin.readline()
    got = await asyncio.gather(*(cache.claim(key, owner=owner, for_s=60) for key in CONTESTED))
    print(",".join(str(number) for number, mine in enumerate(got) if mine), flush=True)
    await cache.close()


if __name__ == "__main__":
    asyncio.run(_compete(*sys.argv[1:4]))
