"""What it costs to read a response at the keep stage: its robots fields, its metas, and an excerpt of it.

Every page of a crawl is decided once more with its headers and its markup, so this is paid for every page. The figures
are microseconds of one process, the fastest of several rounds; nothing is compared with anybody here.

    python -m bench.keep
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from askfirst.rights.html import PageElements, excerpt
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose
from askfirst.rights.reader import Target
from askfirst.rights.signals.meta_robots import read_meta_robots
from askfirst.rights.signals.x_robots_tag import read_x_robots_tag

_AT = datetime(2026, 11, 24, tzinfo=UTC)
_URL = "https://art.example/gallery/1"
_AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
_TARGET = Target.of(Intent(url=_URL, agent=_AGENT, purpose=Purpose.TRAIN))
_FIELDS = (
    ("Date", "Tue, 24 Nov 2026 00:00:00 GMT"),
    ("Server", "nginx"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "max-age=300"),
    ("ETag", '"1"'),
    ("Vary", "Accept-Encoding"),
    ("Strict-Transport-Security", "max-age=63072000"),
    ("X-Frame-Options", "SAMEORIGIN"),
)
_HEAD = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    b'<meta name="description" content="Pictures &amp; more"><meta property="og:title" content="A picture">'
    b'<meta property="og:image" content="https://art.example/1.png"><meta name="twitter:card" content="summary">%s'
    b"<title>A picture</title></head><body>"
)
_PARAGRAPH = b'<p class="text">Some words, <a href="/next">a link</a> and <img src="/2.png" alt="a picture">.</p>\n'
_ROBOTS = b'<meta name="robots" content="noai, noimageai">'


class Figure(NamedTuple):
    """One measured thing; ``us`` is microseconds for one of it."""

    name: str
    us: float


def _page(meta: bytes, size_bytes: int, fields: tuple[tuple[str, str], ...] = _FIELDS) -> Observation:
    head = _HEAD % meta
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=_URL),
        status=200,
        headers=fields,
        body=head + _PARAGRAPH * ((size_bytes - len(head)) // len(_PARAGRAPH)),
        observed_at=_AT,
    )


def _meta_reading(seen: Observation) -> Callable[[], object]:
    """With a fresh observation each time, so that nothing is remembered from the time before."""
    return lambda: read_meta_robots(_again(seen), _AGENT).on(_TARGET)


def _again(seen: Observation) -> Observation:
    return Observation(
        document=seen.document,
        status=seen.status,
        headers=seen.headers,
        body=seen.body,
        observed_at=seen.observed_at,
    )


def measure(rounds: int = 7) -> list[Figure]:
    """The fastest of ``rounds`` rounds for each thing."""
    quiet, loud = _page(b"", 4_096), _page(_ROBOTS, 4_096)
    quiet_large, loud_large = _page(b"", 100_000), _page(_ROBOTS, 100_000)
    spoken = _page(b"", 4_096, (*_FIELDS, ("X-Robots-Tag", "noindex, noai, max-snippet:0")))
    things: list[tuple[str, Callable[[], object]]] = [
        ("fields, none of them X-Robots-Tag", lambda: read_x_robots_tag(quiet, _AGENT).on(_TARGET)),
        ("fields, one X-Robots-Tag", lambda: read_x_robots_tag(spoken, _AGENT).on(_TARGET)),
        ("metas of 4 KB, none that matters", lambda: PageElements(quiet).metas),
        ("metas of 4 KB, robots", lambda: PageElements(loud).metas),
        ("metas of 100 KB, none that matters", lambda: PageElements(quiet_large).metas),
        ("metas of 100 KB, robots", lambda: PageElements(loud_large).metas),
        ("meta reading of 4 KB, silent", _meta_reading(quiet)),
        ("meta reading of 4 KB, robots", _meta_reading(loud)),
        ("images of 4 KB", lambda: PageElements(quiet).images),
        ("excerpt of 4 KB, robots", lambda: excerpt(_again(loud))),
    ]
    return [Figure(name, _fastest_us(thing, rounds)) for name, thing in things]


def _fastest_us(thing: Callable[[], object], rounds: int) -> float:
    timer = timeit.Timer(thing)
    once_s = max(timer.timeit(20) / 20, 1e-7)
    number = max(20, int(0.02 / once_s))
    return min(timer.repeat(rounds, number)) / number * 1e6


if __name__ == "__main__":
    for figure in measure():
        print(f"{figure.us:9.1f} µs  {figure.name}")
