"""The HTTP registry, against a real server on loopback that shuffles, omits, repeats, lies, dies and comes back."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from aiohttp import web

from askfirst.edges import registry_http
from askfirst.edges.registry_http import HttpRegistry
from askfirst.ports import Registry
from askfirst.rights.consent import registry_uri
from askfirst.rights.model import Kind, Observation, Outage

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
A, B, C = "https://a.example/1", "https://b.example/2?x=y", "https://c.example/\u00e9"

Answering = Callable[[web.Request, list[str]], Awaitable[web.StreamResponse]]


def _record(url: str) -> dict[str, object]:
    return {"verdict": "refuse", "scope": url, "categories": ["train"]}


def _items(urls: Sequence[str]) -> list[dict[str, object]]:
    return [{"url": url, "records": [_record(url)]} for url in urls]


def _json(items: object, **headers: str) -> web.Response:
    return web.json_response({"answers": items}, headers=headers)


async def _honest(_: web.Request, urls: list[str]) -> web.StreamResponse:
    return _json(_items(urls))


class Server:
    """A registry whose answers a test chooses; it counts what it was asked."""

    def __init__(self) -> None:
        self.answering: Answering = _honest
        self.asked: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/look-up"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/look-up", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        urls = (await request.json())["urls"]
        self.asked.append(urls)
        self.headers.append(dict(request.headers))
        return await self.answering(request, urls)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def registry(server: Server) -> AsyncIterator[HttpRegistry]:
    registry = HttpRegistry(server.url, clock=lambda: NOW, name="test", token="secret", batch_window_ms=1)
    yield registry
    await registry.close()


def _records(observation: Observation) -> list[object]:
    assert observation.outage is None
    records: list[object] = json.loads(observation.body)["records"]
    return records


def _unknown(observation: Observation, outage: Outage = Outage.BROKEN) -> bool:
    return observation.outage is outage and observation.body == b"" and observation.fresh_s == 60


class TestTheAnswer:
    async def test_of_one_url(self, server: Server, registry: HttpRegistry) -> None:
        """Each URL's Observation holds its own records in canonical JSON, under the registry's name."""
        port: Registry = registry
        answers = await port.look_up([A, C, A])
        assert list(answers) == [A, C]
        observation = answers[C]
        assert observation.document.kind is Kind.REGISTRY
        assert observation.document.url == registry_uri("test", C)
        assert observation.body.decode() == (
            f'{{"records":[{{"categories":["train"],"scope":"{C}","verdict":"refuse"}}]}}'
        )
        assert (observation.status, observation.observed_at, observation.fresh_s) == (200, NOW, 3_600)
        assert server.asked == [[A, C]]
        assert server.headers[0]["Authorization"] == "Bearer secret"

    async def test_no_records(self, server: Server, registry: HttpRegistry) -> None:
        """An empty list is an answer: the registry knows nothing."""

        async def empty(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return _json([{"url": url, "records": []} for url in urls])

        server.answering = empty
        assert _records((await registry.look_up([A]))[A]) == []

    async def test_nothing_asked(self, server: Server, registry: HttpRegistry) -> None:
        """No URLs, no request."""
        assert await registry.look_up([]) == {}
        assert server.asked == []

    @pytest.mark.parametrize(
        ("cache_control", "fresh_s"),
        [
            ("max-age=600", 600),
            ("public, MAX-AGE = 600", 600),
            ("max-age=1", 60),
            ("max-age=99999999", 86_400),
            ("s-maxage=600", 3_600),
            ("max-age=600, no-store", 60),
            ("no-cache", 60),
            ("max-age=soon", 3_600),
        ],
    )
    async def test_freshness(self, server: Server, registry: HttpRegistry, cache_control: str, fresh_s: int) -> None:
        """max-age is honored between a minute and a day; what forbids keeping is a minute."""

        async def cached(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return _json(_items(urls), **{"Cache-Control": cache_control})

        server.answering = cached
        assert (await registry.look_up([A]))[A].fresh_s == fresh_s


class TestBatches:
    async def test_one_post_for_all_who_wait(self, server: Server, registry: HttpRegistry) -> None:
        """Look-ups that come together share one POST, each URL is asked once, and each gets its own answers."""
        urls = [f"https://h{n}.example/" for n in range(50)]
        answers = await asyncio.gather(*(registry.look_up([url, A]) for url in urls))
        assert len(server.asked) == 1
        assert sorted(server.asked[0]) == sorted([*urls, A])
        for url, answer in zip(urls, answers, strict=True):
            assert _records(answer[url]) == [_record(url)]
            assert _records(answer[A]) == [_record(A)]

    async def test_no_more_than_max_batch(self, server: Server) -> None:
        """A large look-up is several POSTs of at most ``max_batch``, without waiting for the window."""
        registry = HttpRegistry(server.url, clock=lambda: NOW, max_batch=10, batch_window_ms=1)
        urls = [f"https://h{n}.example/" for n in range(25)]
        answers = await registry.look_up(urls)
        assert sorted(len(batch) for batch in server.asked) == [5, 10, 10]
        assert all(_records(answers[url]) == [_record(url)] for url in urls)
        await registry.close()

    async def test_one_who_gives_up(self, server: Server, registry: HttpRegistry) -> None:
        """A caller who is cancelled takes nothing from the others."""
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_: web.Request, urls: list[str]) -> web.StreamResponse:
            asked.set()
            await go_on.wait()
            return _json(_items(urls))

        server.answering = slow
        impatient, patient = (asyncio.create_task(_look_up(registry, [A])) for _ in range(2))
        await asked.wait()
        impatient.cancel()
        go_on.set()
        assert _records((await patient)[A]) == [_record(A)]
        with pytest.raises(asyncio.CancelledError):
            await impatient

    async def test_close_answers_who_waits(self, server: Server) -> None:
        """Closing sends what has gathered, and whoever waits is answered."""
        registry = HttpRegistry(server.url, clock=lambda: NOW, batch_window_ms=60_000)
        answers, _ = await asyncio.gather(_look_up(registry, [A]), registry.close())
        assert _records(answers[A]) == [_record(A)]


async def _look_up(registry: HttpRegistry, urls: Sequence[str]) -> dict[str, Observation]:
    return dict(await registry.look_up(urls))


class TestAServerThatIsWrong:
    async def test_shuffles(self, server: Server, registry: HttpRegistry) -> None:
        """Answers in another order go to their URLs all the same."""

        async def shuffled(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return _json(_items(urls)[::-1])

        server.answering = shuffled
        answers = await registry.look_up([A, B, C])
        assert {url: _records(answers[url]) for url in answers} == {url: [_record(url)] for url in (A, B, C)}

    async def test_omits(self, server: Server, registry: HttpRegistry) -> None:
        """A URL without an answer is unknown, not without records."""

        async def omitting(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return _json(_items([url for url in urls if url != B]))

        server.answering = omitting
        answers = await registry.look_up([A, B, C])
        assert _unknown(answers[B])
        assert _records(answers[C]) == [_record(C)]

    async def test_repeats(self, server: Server, registry: HttpRegistry) -> None:
        """The same answer twice is one answer, in whatever order its records and keys come; two answers are none."""

        async def repeating(_: web.Request, urls: list[str]) -> web.StreamResponse:
            records = [_record(A), {**_record(A), "verdict": "grant"}]
            backwards = [dict(reversed(record.items())) for record in reversed(records)]
            same = [{"url": A, "records": records}, {"url": A, "records": [*backwards, *records]}]
            other = [{"url": B, "records": []}, {"url": B, "records": [_record(B)]}, {"url": B, "records": []}]
            return _json([*same, *other])

        server.answering = repeating
        answers = await registry.look_up([A, B])
        assert len(_records(answers[A])) == 2
        assert _unknown(answers[B])

    async def test_answers_what_nobody_asked(self, server: Server, registry: HttpRegistry) -> None:
        """An answer about another URL, even one that differs in a letter's case, is nobody's."""

        async def lying(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return _json(_items([A.upper(), A + "#", B]))

        server.answering = lying
        answers = await registry.look_up([A])
        assert list(answers) == [A]
        assert _unknown(answers[A])

    @pytest.mark.parametrize(
        "records", [None, {}, "none", [None], [["a"]], 0, [{"scope": "\ud800"}]], ids=lambda records: repr(records)[:12]
    )
    async def test_records_of_another_shape(self, server: Server, registry: HttpRegistry, records: object) -> None:
        """Records that are not a list of objects leave that URL unknown, and no other."""

        async def misshapen(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return _json([{"url": A, "records": records}, {"url": A, "records": []}, *_items([B])])

        server.answering = misshapen
        answers = await registry.look_up([A, B])
        assert _unknown(answers[A])
        assert _records(answers[B]) == [_record(B)]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>maintenance",
            b"[]",
            b"null",
            b'{"answers": {}}',
            b'{"answers": [1, "x", {"url": 7}]}',
            b'{"answers": [], "answers": []}',
            b'{"answers": [{"url": "https://a.example/1", "records": [{"n": NaN}]}]}',
            b'{"answers": [{"url": "https://a.example/1", "records": []}]',
            b"[" * 100_000,
            b"\xff\xfe",
        ],
    )
    async def test_is_not_the_json_we_know(self, server: Server, registry: HttpRegistry, body: bytes) -> None:
        """Whatever else comes with status 200 leaves all URLs unknown."""

        async def garbled(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return web.Response(body=body, content_type="application/json")

        server.answering = garbled
        assert all(_unknown(answer) for answer in (await registry.look_up([A, B])).values())

    @pytest.mark.parametrize("status", [204, 401, 404, 429, 500, 503])
    async def test_another_status(self, server: Server, registry: HttpRegistry, status: int) -> None:
        """An answer with another status is no answer, whatever its body says; the status is evidence."""

        async def failing(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return web.json_response({"answers": _items(urls)}, status=status)

        server.answering = failing
        answer = (await registry.look_up([A]))[A]
        assert _unknown(answer)
        assert answer.status == status

    async def test_redirects(self, server: Server, registry: HttpRegistry) -> None:
        """A redirect is not followed."""

        async def elsewhere(request: web.Request, urls: list[str]) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": str(request.url)})

        server.answering = elsewhere
        answer = (await registry.look_up([A]))[A]
        assert _unknown(answer)
        assert len(server.asked) == 1

    async def test_too_much(self, server: Server, registry: HttpRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer that unpacks to more than we read is given up."""
        monkeypatch.setattr(registry_http, "MAX_ANSWER_BYTES", 100_000)

        async def bomb(_: web.Request, urls: list[str]) -> web.StreamResponse:
            body = gzip.compress(json.dumps({"answers": _items(urls), "x": "a" * 1_000_000}).encode())
            return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

        server.answering = bomb
        assert _unknown((await registry.look_up([A]))[A], Outage.TOO_LARGE)

    async def test_gzip_that_is_none(self, server: Server, registry: HttpRegistry) -> None:
        """An encoding that is not what it says is BROKEN."""

        async def false_gzip(_: web.Request, urls: list[str]) -> web.StreamResponse:
            return web.Response(body=b'{"answers":[]}', headers={"Content-Encoding": "gzip"})

        server.answering = false_gzip
        assert _unknown((await registry.look_up([A]))[A])


class TestAServerThatIsGone:
    async def test_dies_in_the_middle(self, server: Server, registry: HttpRegistry) -> None:
        """An answer that is cut is BROKEN, although what came of it was valid so far."""

        async def dying(request: web.Request, urls: list[str]) -> web.StreamResponse:
            response = web.StreamResponse()
            response.content_length = 1_000
            await response.prepare(request)
            await response.write(json.dumps({"answers": _items(urls)}).encode())
            assert request.transport is not None
            request.transport.close()
            return response

        server.answering = dying
        assert _unknown((await registry.look_up([A]))[A])

    async def test_dies_before_it_answers(self, server: Server, registry: HttpRegistry) -> None:
        """A connection closed without a word is BROKEN."""

        async def mute(request: web.Request, urls: list[str]) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        server.answering = mute
        assert _unknown((await registry.look_up([A]))[A])

    async def test_never_answers(self, server: Server) -> None:
        """No answer in time is TIMEOUT for all who wait."""
        go_on = asyncio.Event()

        async def hanging(_: web.Request, urls: list[str]) -> web.StreamResponse:
            await go_on.wait()
            return _json(_items(urls))

        server.answering = hanging
        registry = HttpRegistry(server.url, clock=lambda: NOW, timeout_s=0.05)
        answers = await registry.look_up([A, B])
        assert all(_unknown(answer, Outage.TIMEOUT) for answer in answers.values())
        go_on.set()
        await registry.close()

    async def test_is_stopped_and_started_again(self, server: Server, registry: HttpRegistry) -> None:
        """While it is gone it is REFUSED; when it is back it is asked again, by the same client."""
        assert _records((await registry.look_up([A]))[A]) == [_record(A)]
        await server.stop()
        assert _unknown((await registry.look_up([A]))[A], Outage.REFUSED)
        await server.start()
        assert _records((await registry.look_up([A]))[A]) == [_record(A)]

    async def test_speaks_no_http(self) -> None:
        """Bytes that are not HTTP are BROKEN, and so is TLS asked of a server that has none, as TLS."""

        async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"SSH-2.0-nothing\r\n\r\n")
            await writer.drain()
            writer.close()

        listener = await asyncio.start_server(gibberish, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        for scheme, outage in (("http", Outage.BROKEN), ("https", Outage.TLS)):
            registry = HttpRegistry(f"{scheme}://127.0.0.1:{port}/", clock=lambda: NOW)
            assert _unknown((await registry.look_up([A]))[A], outage)
            await registry.close()
        listener.close()
        await listener.wait_closed()

    async def test_nobody_listens(self) -> None:
        """A port where nobody listens is REFUSED."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            registry = HttpRegistry(f"http://127.0.0.1:{taken.getsockname()[1]}/", clock=lambda: NOW)
            assert _unknown((await registry.look_up([A]))[A], Outage.REFUSED)
            await registry.close()


class TestTheQuestion:
    async def test_what_cannot_be_written(self, server: Server, registry: HttpRegistry) -> None:
        """A URL that is not Unicode stays unknown; the others of its batch are asked about."""
        answers = await registry.look_up(["https://h/\ud800", A])
        assert _unknown(answers["https://h/\ud800"])
        assert _records(answers[A]) == [_record(A)]
        assert all(_unknown(answer) for answer in (await registry.look_up(["\ud800"])).values())
        assert server.asked == [[A]]

    @pytest.mark.parametrize(
        ("url", "token", "reason"),
        [
            ("registry.example", None, "not an http or https URL"),
            ("ftp://registry.example/", None, "not an http or https URL"),
            ("https://registry.example/", "secret\n", "is there a line end in it"),
        ],
    )
    def test_an_operators_mistake(self, url: str, token: str | None, reason: str) -> None:
        """A wrong URL or token stops the program at start, and the token is not in the message."""
        with pytest.raises(ValueError, match=reason) as caught:
            HttpRegistry(url, clock=lambda: NOW, token=token)
        assert "secret" not in str(caught.value)
