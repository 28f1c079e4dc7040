"""A consent registry behind HTTP: many URLs asked about in one POST.

The form is our own. Asked: ``POST`` of ``{"urls": [url, …]}``. Answered: status 200 and ``{"answers": [{"url": url,
"records": [record, …]}, …]}``. What this module does not do: read records, guard the address (the operator wrote it)
or follow redirects.

1. INVARIANT: answers are matched by ``url``, never by position. A URL that is not answered, or answered twice with
   different records, is BROKEN: unknown, never "no records".
2. Look-ups that arrive within ``batch_window_ms`` of each other share one POST of at most ``max_batch`` URLs.
3. Nothing the other side does raises: no connection is REFUSED (or DNS, TLS), no answer in ``timeout_s`` is TIMEOUT,
   anything but a whole, valid answer of status 200 is BROKEN, more than ``MAX_ANSWER_BYTES`` is TOO_LARGE.
4. ``Cache-Control: max-age`` is honored between one minute and one day; ``no-store`` and ``no-cache`` are one minute.
5. house: each URL's Observation holds only its own records, in canonical JSON and sorted, so that the same answer has
   the same digest whatever batch it came in.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from askfirst.ports import EdgeError
from askfirst.rights.consent import registry_uri
from askfirst.rights.model import Document, Kind, Observation, Outage
from askfirst.rights.origins import origin_of
from askfirst.rights.wire import Json, canonical

MIN_FRESH_S = 60
MAX_FRESH_S = 86_400
OUTAGE_FRESH_S = 60
MAX_ANSWER_BYTES = 64 * 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came back for a batch. ``bodies``: the answered URLs; ``outage`` is why the others are unknown."""

    bodies: Mapping[str, bytes]
    outage: Outage = Outage.BROKEN
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    fresh_s: int = OUTAGE_FRESH_S


class HttpRegistry:
    """The registry at ``url``, called ``name`` in evidence (its host when not given). ``max_age_s`` is how long an
    answer is fresh that does not say so itself. ``token`` goes into ``Authorization: Bearer``."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime],
        name: str | None = None,
        token: str | None = None,
        batch_window_ms: int = 5,
        max_batch: int = 1_000,
        timeout_s: float = 10,
        max_age_s: int = 3_600,
        user_agent: str = "AskFirst",
    ) -> None:
        """Raises ValueError for what is not an http or https URL, and for a token that no header can carry."""
        origin = origin_of(url)
        if token is not None and not _TOKEN.fullmatch(token):
            raise ValueError(
                "the registry's token has a character that a header cannot carry; is there a line end in it?"
            )
        self._url = url
        self._name = name or urlsplit(str(origin)).netloc
        self._clock = clock
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._window_s = batch_window_ms / 1_000
        self._max_batch = max_batch
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._max_age_s = max_age_s
        self._session: aiohttp.ClientSession | None = None
        self._waiting: dict[str, asyncio.Future[Observation]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._posts: set[asyncio.Task[None]] = set()

    async def look_up(self, urls: Sequence[str]) -> Mapping[str, Observation]:
        """The answer for each URL. Never raises on what the other side does."""
        answers = {url: self._enqueue(url) for url in dict.fromkeys(urls)}
        if answers:
            # wait() and not gather(): a caller who gives up must not cancel what others wait for
            await asyncio.wait(answers.values())
        return {url: answer.result() for url, answer in answers.items()}

    async def close(self) -> None:
        """Answers what is waiting, with what comes back, and lets go of connections."""
        self._send()
        if self._posts:
            await asyncio.wait(self._posts)
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- batches ------------------------------------------------------------------------------------------------------

    def _enqueue(self, url: str) -> asyncio.Future[Observation]:
        waiting = self._waiting.get(url)
        if waiting is not None:
            return waiting
        loop = asyncio.get_running_loop()
        answer = self._waiting[url] = loop.create_future()
        if len(self._waiting) >= self._max_batch:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._window_s, self._send)
        return answer

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, {}
        if batch:
            post = asyncio.get_running_loop().create_task(self._settle(batch))
            self._posts.add(post)
            post.add_done_callback(self._posts.discard)

    async def _settle(self, batch: Mapping[str, asyncio.Future[Observation]]) -> None:
        try:
            answer = await self._ask(tuple(batch))
            for url, waiting in batch.items():
                waiting.set_result(self._observation(url, answer))
        finally:
            for waiting in batch.values():
                if not waiting.done():  # whoever waits must hear of it when this task is stopped
                    waiting.set_exception(
                        EdgeError(f"the question to the registry {self._name} was given up; ask again")
                    )

    def _observation(self, url: str, answer: _Answer) -> Observation:
        body = answer.bodies.get(url)
        known = body is not None
        return Observation(
            document=Document(kind=Kind.REGISTRY, url=registry_uri(self._name, url)),
            status=answer.status,
            headers=answer.headers if known else (),
            body=body or b"",
            outage=None if known else answer.outage,
            observed_at=self._clock(),
            fresh_s=answer.fresh_s if known else OUTAGE_FRESH_S,
        )

    # -- the wire -----------------------------------------------------------------------------------------------------

    async def _ask(self, urls: Sequence[str]) -> _Answer:
        try:
            question = canonical({"urls": list(urls)})
        except UnicodeEncodeError:
            return await self._ask_apart(urls)
        try:
            return await self._post(question, frozenset(urls))
        except TimeoutError:
            return _Answer(bodies={}, outage=Outage.TIMEOUT)
        except (aiohttp.ClientError, OSError) as error:
            return _Answer(bodies={}, outage=_outage(error))

    async def _ask_apart(self, urls: Sequence[str]) -> _Answer:
        """Asks about what can be written as UTF-8; the others stay unknown."""
        writable = [url for url in urls if _is_utf8(url)]
        return await self._ask(writable) if writable else _Answer(bodies={})

    async def _post(self, question: bytes, asked: frozenset[str]) -> _Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        headers = {**self._headers, "Content-Type": "application/json"}
        async with self._session.post(self._url, data=question, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                return _Answer(bodies={}, status=response.status)
            content = await _read(response.content)
            if content is None:
                return _Answer(bodies={}, status=200, outage=Outage.TOO_LARGE)
            cache_control = ", ".join(response.headers.getall("Cache-Control", []))
            kept = (("Content-Type", "application/json"),)
            return _Answer(
                bodies=_bodies(content, asked),
                status=200,
                headers=(*kept, ("Cache-Control", cache_control)) if cache_control else kept,
                fresh_s=_fresh_s(cache_control, self._max_age_s),
            )


async def _read(stream: aiohttp.StreamReader) -> bytes | None:
    """The whole answer; None when it is too large."""
    chunks: list[bytes] = []
    left = MAX_ANSWER_BYTES
    async for chunk in stream.iter_any():
        left -= len(chunk)
        if left < 0:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _bodies(content: bytes, asked: frozenset[str]) -> dict[str, bytes]:
    """The records of each URL that was asked about and answered in one voice."""
    bodies: dict[str, bytes] = {}
    contradicted: set[str] = set()
    for url, records in _answers(content):
        if url not in asked:
            continue
        body = _body(records)
        if body is None or bodies.setdefault(url, body) != body:
            contradicted.add(url)
    return {url: body for url, body in bodies.items() if url not in contradicted}


def _answers(content: bytes) -> Iterator[tuple[str, object]]:
    try:
        answer = json.loads(content, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return
    answers = answer.get("answers") if isinstance(answer, dict) else None
    for item in answers if isinstance(answers, list) else ():
        if isinstance(item, dict) and isinstance(item.get("url"), str):
            yield item["url"], item.get("records")


def _body(records: object) -> bytes | None:
    """None when they are not a list of JSON objects."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return None
    try:
        unique = {canonical(record): record for record in records}
        ordered: list[Json] = [unique[key] for key in sorted(unique)]
        return canonical({"records": ordered})
    except (UnicodeEncodeError, RecursionError):
        return None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("the same key stands twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_TOKEN = re.compile(r"[!-~]+")
_MAX_AGE = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})"?\s*(?=,|$)', re.IGNORECASE | re.ASCII)
_NO_CACHE = re.compile(r"(?:^|,)\s*no-(?:store|cache)\s*(?=,|$)", re.IGNORECASE)


def _fresh_s(cache_control: str, max_age_s: int) -> int:
    if _NO_CACHE.search(cache_control):
        return MIN_FRESH_S
    stated = _MAX_AGE.search(cache_control)
    return min(max(int(stated[1]) if stated else max_age_s, MIN_FRESH_S), MAX_FRESH_S)


def _outage(error: Exception) -> Outage:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Outage.DNS
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return Outage.TLS
    return Outage.REFUSED if isinstance(error, aiohttp.ClientConnectorError) else Outage.BROKEN
