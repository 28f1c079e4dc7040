"""One contract over all caches: in this process, in SQLite, on real servers of Valkey and Redis, on a Cluster and
behind Sentinel; and what each does when its store breaks.

No test asserts how long something took: a wait that would not come back runs into the suite's timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from askfirst.edges.cache_memory import MemoryCache
from askfirst.edges.cache_redis import RedisCache
from askfirst.edges.cache_sqlite import SqliteCache
from askfirst.ports import Cache, EdgeError
from tests.cache_fixtures import CONTESTED, Clock, Servers, Store, servers, store
from tests.redis_server import SentinelServer, Server, free_port, valkey

__all__ = ["servers", "store"]  # pytest finds the fixtures by their names here

FAR_S = 120.0


async def gone(cache: Cache, key: str) -> None:
    """Returns when the server has dropped a key that lapses soon."""
    for _ in range(1_000):
        if await cache.get_many([key]) == [None]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not lapse")


# Values


async def test_get_many_keeps_the_order_and_knows_what_is_missing(store: Store) -> None:
    """Values come in the order of the keys, a key asked for twice comes twice, and None stands for what is missing."""
    cache = store.open()
    await cache.put("a", b"1", keep_s=60)
    await cache.put("b", b"2", keep_s=60)
    assert await cache.get_many(["b", "x", "a", "b", "y"]) == [b"2", None, b"1", b"2", None]


async def test_nothing_asked_is_nothing_answered(store: Store) -> None:
    """An empty list of keys gives an empty list."""
    assert await store.open().get_many([]) == []


async def test_many_keys(store: Store) -> None:
    """More keys than one query or one slot holds still come in order."""
    cache = store.open()
    keys = [f"key {number}" for number in range(1_200)]
    await asyncio.gather(*(cache.put(key, key.encode(), keep_s=60) for key in keys))
    assert await cache.get_many(keys[::-1]) == [key.encode() for key in reversed(keys)]


async def test_put_replaces(store: Store) -> None:
    """The last put wins, and another worker sees it."""
    cache, other = store.open(), store.open()
    await cache.put("a", b"old", keep_s=60)
    assert await other.get_many(["a"]) == [b"old"]
    await cache.put("a", b"new", keep_s=60)
    assert await other.get_many(["a"]) == [b"new"]


async def test_put_for_no_time_removes(store: Store) -> None:
    """A value that is kept for 0 seconds is not there, and neither is what it replaced."""
    cache = store.open()
    await cache.put("a", b"old", keep_s=60)
    await cache.put("a", b"new", keep_s=0)
    assert await cache.get_many(["a"]) == [None]


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00", b"0", bytes(range(256)), "ä\r\n$-1\r\n".encode(), bytes(range(256)) * 4096],
    ids=["empty", "nul", "digit", "all", "protocol", "1MiB"],
)
async def test_values_are_verbatim(store: Store, value: bytes) -> None:
    """Any bytes come back as they were."""
    cache, other = store.open(), store.open()
    await cache.put("a", value, keep_s=60)
    assert await other.get_many(["a"]) == [value]


@pytest.mark.parametrize("key", ["", "}", "{", "{}", "a}c", "a b\r\n\x00", "ü", "\ud800", "k" * 5_000], ids=repr)
async def test_keys_are_verbatim(store: Store, key: str) -> None:
    """Any text is a key, for a value and for a claim, and is no other key."""
    cache, other = store.open(), store.open()
    await cache.put(key, b"1", keep_s=60)
    assert await cache.claim(key, owner="ich", for_s=60)
    assert await other.get_many([key, key + "c", key + "}c"]) == [b"1", None, None]
    assert not await other.claim(key, owner="du", for_s=60)
    await cache.put(key, b"2", keep_s=60)
    assert await other.get_many([key]) == [b"2"]


async def test_a_value_lapses(store: Store) -> None:
    """After ``keep_s`` a value is not there, and not before."""
    cache = store.open()
    if store.clock is None:
        await cache.put("a", b"1", keep_s=1)
        await gone(cache, "a")
        return
    await cache.put("a", b"1", keep_s=60)
    store.clock.ahead_s += 59
    assert await cache.get_many(["a"]) == [b"1"]
    store.clock.ahead_s += 1
    assert await cache.get_many(["a"]) == [None]


# Claims


async def test_one_of_fifty_gets_the_claim(store: Store) -> None:
    """Of fifty who claim at once, on four workers, one gets it."""
    caches = [store.open() for _ in range(4)]
    got = await asyncio.gather(*(caches[n % 4].claim("a", owner=f"owner {n}", for_s=60) for n in range(50)))
    assert sum(got) == 1


async def test_claims_of_keys_are_apart(store: Store) -> None:
    """A claim on one key is none on another, and none on the value."""
    cache = store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    assert await cache.claim("b", owner="du", for_s=60)
    assert await cache.get_many(["a"]) == [None]


async def test_release_gives_it_to_the_next(store: Store) -> None:
    """What its owner gave back, another may claim."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    assert not await other.claim("a", owner="du", for_s=60)
    await cache.release("a", owner="ich")
    assert await other.claim("a", owner="du", for_s=60)


async def test_a_stranger_releases_nothing(store: Store) -> None:
    """Only the owner gives a claim back, also where owners begin alike; and who has none may say so."""
    cache, other = store.open(), store.open()
    await cache.release("a", owner="ich")
    assert await cache.claim("a", owner="ich", for_s=60)
    for stranger in ("du", "ic", "ich ", "0ich", ""):
        await other.release("a", owner=stranger)
        assert not await other.claim("a", owner=stranger, for_s=60)


async def test_claiming_again_extends(store: Store) -> None:
    """The owner may claim again, and holds it for the longer time."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=1)
    assert await cache.claim("a", owner="ich", for_s=60)
    assert await cache.claim("b", owner="ich", for_s=1)
    await other.wait("b", timeout_s=FAR_S)
    assert not await other.claim("a", owner="du", for_s=60)


async def test_three_processes_share_the_claims(store: Store, tmp_path: Path) -> None:
    """Of three processes that claim the same keys at once, exactly one gets each."""
    if store.place is None:
        pytest.skip("memory is not shared by processes")
    with contextlib.ExitStack() as ending:
        processes = [
            ending.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.cache_fixtures", *store.place, f"process {number}"],
                    cwd=Path(__file__).resolve().parent.parent,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        got = [process.communicate()[0].strip() for process in processes]
    numbers = [int(number) for line in got for number in line.split(",") if number]
    assert sorted(numbers) == list(range(len(CONTESTED)))


# Waiting


async def test_who_waits_wakes_on_the_put(store: Store) -> None:
    """All who wait for a key come back when it is put, while the claim is still held."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    waiting = [asyncio.create_task(some.wait("a", timeout_s=FAR_S)) for some in (cache, other, other)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    await cache.put("a", b"1", keep_s=60)
    await asyncio.gather(*waiting)
    assert await other.get_many(["a"]) == [b"1"]
    assert not await other.claim("a", owner="du", for_s=60)


async def test_who_waits_wakes_on_the_release(store: Store) -> None:
    """All who wait for a key come back when its claim is given back."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    waiting = [asyncio.create_task(some.wait("a", timeout_s=FAR_S)) for some in (cache, other, other)]
    await asyncio.sleep(0)
    await cache.release("a", owner="ich")
    await asyncio.gather(*waiting)
    assert await other.claim("a", owner="du", for_s=60)


async def test_who_waits_wakes_on_the_lapse(store: Store) -> None:
    """Who waits for a dead claimant comes back when the claim lapses, and may have it; nor does the dead claimant, if
    it was only slow, take it from the next owner."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="dead", for_s=1)
    await other.wait("a", timeout_s=FAR_S)
    assert await other.claim("a", owner="du", for_s=60)
    await cache.release("a", owner="dead")
    assert not await cache.claim("a", owner="dead", for_s=60)


async def test_a_wait_ends(store: Store) -> None:
    """A wait comes back after its time, and the claim stays where it is."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    await other.wait("a", timeout_s=0.05)
    await other.wait("a", timeout_s=0)
    assert not await other.claim("a", owner="du", for_s=60)


@pytest.mark.parametrize("by", ["put", "release", "nobody"])
async def test_no_wake_up_is_lost(store: Store, by: str) -> None:
    """A put or release that comes between a caller's look and its wait is seen by the wait."""
    cache, other = store.open(), store.open()
    if by != "nobody":
        assert await cache.claim("a", owner="ich", for_s=60)
        assert not await other.claim("a", owner="du", for_s=60)
    if by == "put":
        await cache.put("a", b"1", keep_s=60)
    if by == "release":
        await cache.release("a", owner="ich")
    await other.wait("a", timeout_s=FAR_S)


async def test_a_new_claim_is_waited_for_anew(store: Store) -> None:
    """An owner who claims again after the put is about to look again: the old put wakes nobody."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    await cache.put("a", b"1", keep_s=60)
    assert await cache.claim("a", owner="ich", for_s=60)
    waiting = asyncio.create_task(other.wait("a", timeout_s=FAR_S))
    await other.wait("a", timeout_s=0.05)
    assert not waiting.done()
    await cache.release("a", owner="ich")
    await waiting


async def test_a_cancelled_wait_leaves_the_others(store: Store) -> None:
    """Who is cancelled while waiting takes nobody else along."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    waiting = [asyncio.create_task(other.wait("a", timeout_s=FAR_S)) for _ in range(2)]
    await other.wait("a", timeout_s=0.05)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    assert waiting[0].cancelled()
    await cache.put("a", b"1", keep_s=60)
    await waiting[1]


async def test_single_flight(store: Store) -> None:
    """Forty callers on four workers who want the same document cost one look.

    Who gets the claim looks into the cache once more: between its look and its claim another may have put and released.
    """
    caches = [store.open() for _ in range(4)]
    looks = 0

    async def want(number: int) -> bytes:
        nonlocal looks
        cache, owner = caches[number % 4], f"owner {number}"
        while True:
            (found,) = await cache.get_many(["a"])
            if found is not None:
                return found
            if await cache.claim("a", owner=owner, for_s=60):
                if await cache.get_many(["a"]) == [None]:
                    looks += 1
                    await asyncio.sleep(0)
                    await cache.put("a", b"robots", keep_s=60)
                await cache.release("a", owner=owner)
            else:
                await cache.wait("a", timeout_s=FAR_S)

    assert set(await asyncio.gather(*(want(number) for number in range(40)))) == {b"robots"}
    assert looks == 1


async def test_closing_twice(store: Store) -> None:
    """A cache may be closed before it was used, and twice."""
    await store.open().close()
    cache = store.open()
    await cache.get_many(["a"])
    await cache.close()
    await cache.close()


async def test_closing_wakes_who_waits(store: Store) -> None:
    """Who waits on a cache that is closed comes back."""
    cache, other = store.open(), store.open()
    assert await cache.claim("a", owner="ich", for_s=60)
    waiting = asyncio.create_task(other.wait("a", timeout_s=FAR_S))
    await other.wait("a", timeout_s=0.05)
    await other.close()
    await waiting


# Memory


async def test_memory_is_bounded() -> None:
    """The value that was asked for longest ago makes room."""
    cache = MemoryCache(max_entries=2, clock=Clock())
    await cache.put("a", b"1", keep_s=60)
    await cache.put("b", b"2", keep_s=60)
    await cache.get_many(["a"])
    await cache.put("c", b"3", keep_s=60)
    assert await cache.get_many(["a", "b", "c"]) == [b"1", None, b"3"]


async def test_memory_forgets_dead_claims() -> None:
    """Claims that lapsed make room too."""
    clock = Clock()
    cache = MemoryCache(max_entries=2, clock=clock)
    for number in range(5):
        assert await cache.claim(f"key {number}", owner="ich", for_s=1)
        clock.ahead_s += 2
    assert len(cache._claims) <= 2


# SQLite


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[tuple[SqliteCache, Path]]:
    """A SQLite cache that holds ``a``, and where it is."""
    path = tmp_path / "cache.db"
    cache = SqliteCache(path, clock=Clock(), busy_s=0.1)
    await cache.put("a", b"1", keep_s=60)
    yield cache, path
    await cache.close()


async def refuses(cache: Cache, *, words: str) -> None:
    """Every call is an EdgeError that says so."""
    with pytest.raises(EdgeError, match=words):
        await cache.get_many(["a"])
    with pytest.raises(EdgeError, match=words):
        await cache.put("a", b"2", keep_s=60)
    with pytest.raises(EdgeError, match=words):
        await cache.claim("a", owner="ich", for_s=60)
    with pytest.raises(EdgeError, match=words):
        await cache.release("a", owner="ich")
    with pytest.raises(EdgeError, match=words):
        await cache.wait("a", timeout_s=FAR_S)


def remove(path: Path) -> None:
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


@pytest.mark.parametrize("first", ["get", "put"])
async def test_sqlite_file_removed(sqlite: tuple[SqliteCache, Path], first: str) -> None:
    """A file that was removed under us is one EdgeError, then a new file."""
    cache, path = sqlite
    await cache.get_many(["a"])
    remove(path)
    with pytest.raises(EdgeError, match="removed or replaced"):
        await (cache.get_many(["a"]) if first == "get" else cache.put("a", b"2", keep_s=60))
    assert await cache.get_many(["a"]) == [None]
    await cache.put("a", b"2", keep_s=60)
    assert await cache.get_many(["a"]) == [b"2"]


async def test_sqlite_file_is_garbage(sqlite: tuple[SqliteCache, Path]) -> None:
    """A file that is no database is an EdgeError until it is moved away; it is not touched."""
    cache, path = sqlite
    remove(path)
    path.write_bytes(b"garbage " * 1024)
    with pytest.raises(EdgeError, match="removed or replaced"):
        await cache.get_many(["a"])
    await refuses(cache, words="not a database; move the file away")
    assert path.read_bytes() == b"garbage " * 1024
    remove(path)
    assert await cache.claim("a", owner="ich", for_s=60)


async def test_sqlite_file_is_a_directory(sqlite: tuple[SqliteCache, Path]) -> None:
    """A directory in the file's place is an EdgeError until it is gone."""
    cache, path = sqlite
    remove(path)
    path.mkdir()
    with pytest.raises(EdgeError, match="removed or replaced"):
        await cache.put("a", b"1", keep_s=60)
    await refuses(cache, words="unable to open database file; check that its directory exists")
    path.rmdir()
    assert await cache.get_many(["a"]) == [None]


async def test_sqlite_directory_is_missing(tmp_path: Path) -> None:
    """A directory that is not there is an EdgeError that names the path."""
    cache = SqliteCache(tmp_path / "no" / "cache.db", clock=Clock())
    await refuses(cache, words="no/cache.db: unable to open database file")
    await cache.close()


async def test_sqlite_file_of_another_program(tmp_path: Path) -> None:
    """Somebody else's database is left as it is."""
    path = tmp_path / "cache.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    cache = SqliteCache(path, clock=Clock())
    await refuses(cache, words="another program or version; name another path")
    await cache.close()
    assert path.read_bytes() == before


async def test_sqlite_file_is_locked(sqlite: tuple[SqliteCache, Path]) -> None:
    """While another process holds the write lock, reads go on and writes are EdgeErrors, a queue of them at once."""
    cache, path = sqlite
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await cache.get_many(["a"]) == [b"1"]
        answers = await asyncio.gather(
            *(cache.claim("a", owner=f"owner {n}", for_s=60) for n in range(20)), return_exceptions=True
        )
        assert all(isinstance(answer, EdgeError) and "locked" in str(answer) for answer in answers)
        other.execute("ROLLBACK")
    assert await cache.claim("a", owner="ich", for_s=60)


FULL_DISK = """
import asyncio, sys, time
from askfirst.edges.cache_sqlite import SqliteCache
from askfirst.ports import EdgeError

async def fill():
    cache = SqliteCache(sys.argv[1], clock=time.time)
    await cache.put("first", b"1", keep_s=60)
    try:
        for number in range(100):
            await cache.put(f"{number}", bytes(100_000), keep_s=60)
    except EdgeError as error:
        print(error)
    print(await cache.get_many(["first"]))
    await cache.close()

asyncio.run(fill())
"""


def test_sqlite_disk_is_full(tmp_path: Path) -> None:
    """A file that may not grow is an EdgeError; what was there is still there."""
    limit = 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "cache.db")],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    said, found = done.stdout.splitlines()
    assert said.startswith(f"cache {tmp_path}/cache.db: ")
    assert "disk" in said
    assert found == "[b'1']"


async def test_sqlite_sweeps(tmp_path: Path) -> None:
    """What has lapsed leaves the file in the course of the puts."""
    clock = Clock()
    cache = SqliteCache(tmp_path / "cache.db", clock=clock)
    for number in range(20):
        await cache.put(f"old {number}", b"1", keep_s=60)
        await cache.claim(f"old {number}", owner="dead", for_s=60)
    clock.ahead_s += 61
    for number in range(300):
        await cache.put(f"new {number}", b"1", keep_s=60)
    await cache.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "cache.db")) as connection:
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == (300,)
        assert connection.execute("SELECT count(*) FROM claim").fetchone() == (0,)


# Redis


@pytest.fixture(params=["valkey", "redis", "valkey-cluster", "unix"])
def own_server(request: pytest.FixtureRequest, servers: Servers) -> tuple[Server, str]:
    """A server that a test may stop, not started yet, and the cache's URL for it."""
    port = 0 if request.param == "unix" else free_port()
    words = ("--cluster-enabled", "yes", "--cluster-port", str(free_port())) if "cluster" in request.param else ()
    program = servers.redis_program() if request.param == "redis" else valkey()
    server = Server(program, servers.home(), port=port, arguments=words)
    return server, server.url.replace("redis:", "redis+cluster:") if words else server.url


async def test_server_stops_and_comes_back(own_server: tuple[Server, str]) -> None:
    """A server that is killed in use is an EdgeError at every call, and is used again when it is back."""
    server, url = own_server
    cache = RedisCache(url)
    await refuses(cache, words="check that the server runs there")
    with server.running():
        if "cluster" in url:
            server.become_cluster()
        await asyncio.gather(*(cache.put(f"key {n}", b"1", keep_s=60) for n in range(20)))
        server.stop()
        await refuses(cache, words="check that the server runs there")
        server.start()
        await cache.put("a", b"2", keep_s=60)
        assert await cache.get_many(["a"]) == [b"2"]
        assert await cache.claim("a", owner="ich", for_s=60)
        await cache.close()


async def test_server_restarts_between_two_calls(own_server: tuple[Server, str]) -> None:
    """Connections that died with a server that is back already cost nobody an error."""
    server, url = own_server
    cache = RedisCache(url)
    with server.running():
        if "cluster" in url:
            server.become_cluster()
        await asyncio.gather(*(cache.put(f"key {n}", b"1", keep_s=60) for n in range(20)))
        server.stop()
        server.start()
        await asyncio.gather(*(cache.put(f"key {n}", b"2", keep_s=60) for n in range(20)))
        assert await cache.get_many(["key 3"]) == [b"2"]
        await cache.close()


async def test_server_stops_while_someone_waits(own_server: tuple[Server, str]) -> None:
    """Who waits on a server that dies gets an EdgeError, not the end of the time."""
    server, url = own_server
    cache = RedisCache(url)
    with server.running():
        if "cluster" in url:
            server.become_cluster()
        assert await cache.claim("a", owner="ich", for_s=60)
        waiting = [asyncio.create_task(cache.wait("a", timeout_s=FAR_S)) for _ in range(3)]
        await cache.wait("a", timeout_s=0.05)
        server.stop()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, EdgeError) for answer in answers)
        await cache.close()


async def test_server_hangs(own_server: tuple[Server, str]) -> None:
    """A server that answers nothing is an EdgeError after the timeout, for those in the pool and for those behind."""
    server, url = own_server
    cache = RedisCache(url, timeout_s=1)
    with server.running():
        if "cluster" in url:
            server.become_cluster()
        await cache.put("a", b"1", keep_s=60)
        server.freeze()
        answers = await asyncio.gather(*(cache.get_many(["a"]) for _ in range(200)), return_exceptions=True)
        assert all(isinstance(answer, EdgeError) for answer in answers)
        server.thaw()
        await until_up(cache)
        # No late answer is taken for the answer to the next question.
        await cache.put("b", b"2", keep_s=60)
        answers = await asyncio.gather(*(cache.get_many(["b"]) for _ in range(100)))
        assert answers == [[b"2"]] * 100
        await cache.close()


async def test_server_is_full(servers: Servers) -> None:
    """A server without memory is an EdgeError for a put, and goes on answering."""
    with Server(valkey(), servers.home(), port=0, arguments=("--maxmemory", "3mb")).running() as server:
        cache = RedisCache(server.url)
        await cache.put("a", b"1", keep_s=60)
        puts = (cache.put(f"{number}", bytes(100_000), keep_s=60) for number in range(100))
        with pytest.raises(EdgeError, match="maxmemory"):
            await asyncio.gather(*puts)
        assert await cache.get_many(["a"]) == [b"1"]
        await cache.close()


async def test_account_and_database(servers: Servers) -> None:
    """The account and the database of the URL are used; the password is in no message."""
    words = ("--user", "pictures", "on", ">s3cret/?", "~askfirst:*", "+@all", "--user", "default", "off")
    with contextlib.ExitStack() as ending:
        server = Server(valkey(), servers.home(), port=free_port(), arguments=words)
        ending.callback(server.stop)
        server.launch()
        url = f"redis://pictures:s3cret%2F%3F@127.0.0.1:{server.port}/3"
        cache = RedisCache(url)
        await until_up(cache)
        await cache.put("a", b"1", keep_s=60)
        elsewhere = RedisCache(url.replace("/3", "/4"))
        assert await elsewhere.get_many(["a"]) == [None]
        wrong = RedisCache(url.replace("s3cret", "s4cret"))
        with pytest.raises(EdgeError, match="check that the server runs there and that this account") as caught:
            await wrong.get_many(["a"])
        assert "s4cret" not in str(caught.value)
        forbidden = RedisCache(url, prefix="theirs:")
        with pytest.raises(EdgeError, match="permission"):
            await forbidden.get_many(["a"])
        for each in (cache, elsewhere, wrong, forbidden):
            await each.close()


async def test_sentinel_fails_over(servers: Servers) -> None:
    """When Sentinel makes a replica the primary, the next put goes there."""
    program, ports = servers.redis_program(), (free_port(), free_port())
    with contextlib.ExitStack() as ending:
        now = ("--repl-diskless-sync-delay", "0")
        primary = ending.enter_context(Server(program, servers.home(), port=ports[0], arguments=now).running())
        follow = ("--replicaof", "127.0.0.1", str(ports[0]))
        replica = ending.enter_context(Server(program, servers.home(), port=ports[1], arguments=now + follow).running())
        replica.wait_until_in_sync()
        sentinel = SentinelServer(program, servers.home(), port=free_port(), watched=primary, service="pictures")
        ending.enter_context(sentinel.running())
        cache = RedisCache(sentinel.cache_url)
        await cache.put("a", b"1", keep_s=60)
        await asyncio.to_thread(sentinel.fail_over, to=replica)
        # Sentinel does the same to the old primary, some seconds later.
        await asyncio.to_thread(primary.follow, replica)
        await cache.put("a", b"2", keep_s=60)
        assert await cache.get_many(["a"]) == [b"2"]
        with contextlib.closing(replica.client()) as client:
            assert client.get("askfirst:{k:a}") == b"2"
        await cache.close()


async def test_tls(servers: Servers, tmp_path: Path) -> None:
    """``rediss://`` speaks TLS and trusts what the URL says; an unknown certificate is an EdgeError."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    write_certificate(key, certificate)
    port = free_port()
    words = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with Server(
        servers.redis_program(), servers.home(), port=0, arguments=(*words, "--tls-auth-clients", "no")
    ).running():
        trusting = RedisCache(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}")
        await trusting.put("a", b"1", keep_s=60)
        assert await trusting.get_many(["a"]) == [b"1"]
        strict = RedisCache(f"rediss://127.0.0.1:{port}")
        with pytest.raises(EdgeError, match="certificate verify failed"):
            await strict.get_many(["a"])
        plain = RedisCache(f"redis://127.0.0.1:{port}")
        with pytest.raises(EdgeError, match="check that the server runs there"):
            await plain.get_many(["a"])
        for each in (trusting, strict, plain):
            await each.close()


def write_certificate(key_path: Path, certificate_path: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


async def until_up(cache: Cache) -> None:
    """Returns when the server answers."""
    for _ in range(1_000):
        with contextlib.suppress(EdgeError):
            await cache.get_many(["a"])
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the server did not come up")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h", "'http' is no known scheme"),
        ("h:6379", "no known scheme"),
        ("redis://h/x", "'x' is no database number"),
        ("redis+sentinel://h:1", "no service is named"),
        ("redis+sentinel://h:1/s/x", "'x' is no database number"),
        ("redis+cluster://h:1/2", "database 0 only"),
        ("redis+cluster://:1", "is no host"),
        ("redis+cluster://u:s3cret@h:1,", "'' is no host"),
    ],
)
def test_a_url_that_is_none(url: str, words: str) -> None:
    """A URL that names no server is refused at once, without its password."""
    with pytest.raises(ValueError, match=words) as caught:
        RedisCache(url)
    assert "s3cret" not in str(caught.value)
