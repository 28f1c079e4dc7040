"""A cache in Redis or Valkey, shared by a fleet: one server, behind Sentinel, or a Cluster.

Satisfies ``askfirst.ports.Cache`` with redis.asyncio. Needs a server of Redis 6 or Valkey, and the commands MGET and
EVAL (inside it GET, SET, DEL, EXISTS, SETRANGE) on ``<prefix>*``. Nothing is decoded: values come back byte for byte.

Rules:

1. Two keys per key, in one Cluster slot by their hash tag: ``<prefix>{k:<key>}`` is the value and
   ``<prefix>{k:<key>}c`` the claim: ``0<owner>``, or ``1<owner>`` once the key was put under it. Both carry a PX.
2. Every change is one script, so that it is atomic and one round trip, and doing it twice is doing it once: a lost
   connection may be tried again, once.
3. A wait looks at the state, not at the moment: it returns at once when nobody holds the claim, or when the key has
   been put since it was claimed. house: the three caches agree on this. One MGET every ``_POLL_S`` asks for all who
   wait in this process: unlike pub/sub it needs no connection of its own, misses nothing when one is lost, sees a claim
   lapse, and is the same on a Cluster.
4. No call outlasts its deadline, whatever the server does, and what goes wrong is an EdgeError. Connections are made
   anew by the next call.
5. Messages name the server without its password.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError

from askfirst.ports import EdgeError

_T = TypeVar("_T")

SCHEMES = frozenset({"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"})

# KEYS: value, claim. ARGV: the value, its PX (0: remove).
_PUT = """if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
else redis.call('DEL', KEYS[1]) end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('SETRANGE', KEYS[2], 0, '1') end
return 1"""
# KEYS: claim. ARGV: '0' .. owner, PX.
_CLAIM = """if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if string.sub(redis.call('GET', KEYS[1]), 2) ~= string.sub(ARGV[1], 2) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1"""
# KEYS: claim. ARGV: owner.
_RELEASE = """local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 2) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1"""

# house: at idle a waiter comes back within 20 ms of the put; a process that waits costs the server 66 MGETs a second
_POLL_S = 0.015
_CONNECTIONS = 8


class _Client(Protocol):
    """What is used of Redis and RedisCluster alike."""

    async def execute_command(self, *args: str | bytes | int) -> object: ...

    async def aclose(self) -> None: ...


class RedisCache:
    """Values and claims on the server that ``url`` names. ``timeout_s`` bounds a connect, and an answer.

    ``redis://[user:pw@]host[:port][/db]``, ``rediss://`` (TLS), ``unix://[user:pw@]/path[?db=0]``,
    ``redis+sentinel://[user:pw@]host:port[,host:port]/service[/db]`` (the Sentinels' own account:
    ``?sentinel_username=…&sentinel_password=…``), ``redis+cluster://[user:pw@]host:port[,host:port]``; the last two
    also as ``rediss+…``. TLS options as redis-py has them: ``?ssl_ca_certs=…``.

    Connects by the first call. Raises ValueError for a URL that is none of these."""

    def __init__(self, url: str, *, prefix: str = "askfirst:", timeout_s: float = 2.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            known = ", ".join(sorted(SCHEMES))
            raise ValueError(f"cache {_shown(url)}: {parts.scheme!r} is no known scheme; name one of {known}")
        self._where = _shown(url)
        self._prefix = prefix
        self._make, hosts = _maker(url, timeout_s)
        # One host may take a connect and an answer; where there are several, each may be tried.
        self._deadline_s = timeout_s * (1 if hosts == 1 else hosts + 1)
        self._client: _Client | None = None
        self._turn = asyncio.Semaphore(_CONNECTIONS)
        self._waiting: dict[bytes, list[asyncio.Future[None]]] = {}
        self._poll: asyncio.Task[None] | None = None

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of ``keys``; None for what is not there or has passed its ``keep_s``."""
        return await self._mget([self._value_key(key) for key in keys]) if keys else []

    async def put(self, key: str, value: bytes, *, keep_s: int) -> None:
        """Stores a value for ``keep_s`` seconds, replacing what was there; 0 or less removes it. Waiters wake up."""
        await self._run(_PUT, [self._value_key(key), self._claim_key(key)], value, max(0, int(keep_s * 1000)))

    async def claim(self, key: str, *, owner: str, for_s: int) -> bool:
        """True if the caller now holds the claim on ``key``; a claim lapses after ``for_s`` seconds."""
        return await self._run(_CLAIM, [self._claim_key(key)], b"0" + _wire(owner), max(1, int(for_s * 1000))) == 1

    async def release(self, key: str, *, owner: str) -> None:
        """Gives a claim back, if ``owner`` still holds it. Waiters on the key wake up."""
        await self._run(_RELEASE, [self._claim_key(key)], _wire(owner))

    async def wait(self, key: str, *, timeout_s: float) -> None:
        """Returns when the key has been put or nobody holds its claim, or after ``timeout_s`` seconds."""
        claim_key = self._claim_key(key)
        if not _is_awaited((await self._mget([claim_key]))[0]):
            return
        woken = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(claim_key, []).append(woken)
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._poll_while_awaited(), name="askfirst cache: waiting")
        try:
            await asyncio.wait([woken], timeout=timeout_s)
            if woken.done():
                woken.result()
        finally:
            self._forget(claim_key, woken)

    async def close(self) -> None:
        """Lets go of the connections; waiters wake up."""
        self._wake_all(None)
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.cancel()
            await asyncio.wait([poll])
        client, self._client = self._client, None
        if client is not None:
            await self._bounded(client.aclose)

    async def _poll_while_awaited(self) -> None:
        while self._waiting:
            await asyncio.sleep(_POLL_S)
            asked = list(self._waiting)
            if not asked:
                return
            try:
                claims = await self._mget(asked)
            except EdgeError as error:
                self._wake_all(error)
                return
            for claim_key, claim in zip(asked, claims, strict=True):
                if not _is_awaited(claim):
                    _wake(self._waiting.pop(claim_key, []), None)

    def _wake_all(self, error: EdgeError | None) -> None:
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            _wake(futures, error)

    def _forget(self, claim_key: bytes, woken: asyncio.Future[None]) -> None:
        futures = self._waiting.get(claim_key, [])
        if woken in futures:
            futures.remove(woken)
        if not futures:
            self._waiting.pop(claim_key, None)

    async def _mget(self, keys: list[bytes]) -> list[bytes | None]:
        client = self._connected()
        if isinstance(client, RedisCluster):
            # One MGET per slot, pipelined per node.
            return list(await self._bounded(lambda: client.mget_nonatomic(keys)))
        return cast("list[bytes | None]", await self._bounded(lambda: client.execute_command("MGET", *keys)))

    async def _run(self, script: str, keys: list[bytes], *args: bytes | int) -> object:
        # EVAL, not EVALSHA: the server keeps the compiled script either way, and after a restart nothing is missing.
        client = self._connected()
        return await self._bounded(lambda: client.execute_command("EVAL", script, len(keys), *keys, *args))

    def _connected(self) -> _Client:
        if self._client is None:
            self._client = self._make()
        return self._client

    async def _bounded(self, call: Callable[[], Awaitable[_T]]) -> _T:
        try:
            async with asyncio.timeout(self._deadline_s), self._turn:
                return await call()
        except TimeoutError as error:
            raise EdgeError(f"cache {self._where}: no answer within {self._deadline_s:g} s; {_ADVICE}") from error
        except (RedisError, RedisClusterException, OSError) as error:
            raise EdgeError(f"cache {self._where}: {_one_line(error)}; {_ADVICE}") from error

    def _value_key(self, key: str) -> bytes:
        # "k:" because a hash tag must not be empty, and a key may begin with "}".
        return _wire(f"{self._prefix}{{k:{key}}}")

    def _claim_key(self, key: str) -> bytes:
        return self._value_key(key) + b"c"


_ADVICE = "check that the server runs there and that this account may use it"


def _maker(url: str, timeout_s: float) -> tuple[Callable[[], _Client], int]:
    """What makes the client for a URL, and how many hosts it names. Connects to nothing."""
    parts = urlsplit(url)
    family, _, kind = parts.scheme.partition("+")
    account, _, names = parts.netloc.rpartition("@")
    path = parts.path.strip("/")
    service, _, db = path.partition("/") if kind == "sentinel" else ("", "", path)
    if family != "unix" and db and not db.isdecimal():
        raise ValueError(f"cache {_shown(url)}: {db!r} is no database number; write a number after the host")
    if kind == "cluster" and db not in ("", "0"):
        raise ValueError(f"cache {_shown(url)}: a cluster has database 0 only; leave the number out")
    if kind == "sentinel" and not service:
        raise ValueError(f"cache {_shown(url)}: no service is named; write it after the hosts, as in /mymaster")
    plain = url if not kind else f"{family}://{account}@/{db}?{parts.query}"
    options: dict[str, Any] = {**parse_url(plain), **_limits(timeout_s)}
    if not kind:
        return lambda: Redis.from_pool(ConnectionPool(**options)), 1
    options.pop("connection_class", None)
    options["ssl"] = family == "rediss"
    hosts = [_host_and_port(url, name, 26379 if kind == "sentinel" else 6379) for name in names.split(",")]
    if kind == "cluster":
        return lambda: _cluster(hosts, options), len(hosts)
    return lambda: _BehindSentinel(hosts, unquote(service), options, timeout_s), len(hosts)


def _limits(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        # Once, because a server that was restarted has left dead connections in the pool.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        "decode_responses": False,
        "protocol": 2,  # nothing of RESP 3 is used, and it costs a round trip per connection
        "driver_info": None,  # two more commands per connection
    }


def _cluster(hosts: list[tuple[str, int]], options: dict[str, Any]) -> _Client:
    options = {name: value for name, value in options.items() if name not in ("host", "port", "db")}
    nodes = [ClusterNode(host, port) for host, port in hosts]
    return RedisCluster(startup_nodes=nodes, max_connections=_CONNECTIONS, **options)


class _BehindSentinel:
    """The server that is the primary now; asked of the Sentinels for each new connection."""

    def __init__(self, hosts: list[tuple[str, int]], service: str, options: dict[str, Any], timeout_s: float) -> None:
        account = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
        tls = {name: value for name, value in options.items() if name.startswith("ssl")}
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py has no types here
            hosts, sentinel_kwargs={**tls, **account, **_limits(timeout_s)}
        )
        self._primary: Redis = self._sentinel.master_for(service, **{**options, "retry": Retry(NoBackoff(), 0)})

    async def execute_command(self, *args: str | bytes | int) -> object:
        # redis-py's own retry goes to the old address: only a connection out of the pool asks the Sentinels again.
        try:
            return await self._ask(*args)
        except RedisConnectionError:
            return await self._ask(*args)

    async def _ask(self, *args: str | bytes | int) -> object:
        # redis-py has no types here
        answer: object = await self._primary.execute_command(*args)  # type: ignore[no-untyped-call]
        return answer

    async def aclose(self) -> None:
        for client in (self._primary, *self._sentinel.sentinels):
            await client.aclose()


def _host_and_port(url: str, name: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{name}")
    if not parts.hostname:
        raise ValueError(f"cache {_shown(url)}: {name!r} is no host; write host:port, with commas between several")
    return parts.hostname, parts.port or default


def _shown(url: str) -> str:
    """The URL without account and options, where the passwords are."""
    scheme, _, rest = url.partition("://")
    place, _, options = rest.partition("?")
    # A password may hold an unescaped "?" or "/": show rather too little.
    return f"{scheme}://…" if "@" in options and "@" not in place else f"{scheme}://{place.rpartition('@')[2]}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or "the connection broke"


def _is_awaited(claim: bytes | None) -> bool:
    """Somebody holds the claim, and has not put the key since."""
    return claim is not None and claim.startswith(b"0")


def _wake(futures: list[asyncio.Future[None]], error: EdgeError | None) -> None:
    for woken in futures:
        if woken.done():
            continue
        if error is None:
            woken.set_result(None)
        else:
            woken.set_exception(EdgeError(str(error)))


def _wire(text: str) -> bytes:
    """Keys and owners are bytes, so that one with a lone surrogate is one like any other."""
    return text.encode("utf-8", "surrogatepass")
