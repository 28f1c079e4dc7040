"""How much longer than its slowest document the first decision about an unknown origin takes.

Each origin's robots.txt takes 300 ms and its other documents 200 ms, so that whoever asks for one after the other
needs 700 ms. The slowest document is fetched alone, by the same fetcher, from an origin of its own, in the same round.
Evidence and log are written.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from askfirst.addresses import AddressPolicy
from askfirst.edges.fetch_http import HttpFetch
from askfirst.rights.model import Document, Intent, Kind, Purpose, Verdict
from askfirst.rights.policy import PROFILES
from askfirst.wiring import Settings, open_gate
from bench import servers
from bench.rounds import Row, at_most, in_shuffled_rounds, median_ratio, say

BOUND = 1.2
ROBOTS_S = 0.3
OTHERS_S = 0.2
USER_AGENT = "BenchBot/1.0 (+https://bench.example/bot)"
LOOPBACK = AddressPolicy(["127.0.0.0/8"])


async def _slowest_alone(site: str) -> float:
    fetch = HttpFetch(user_agent=USER_AGENT, addresses=LOOPBACK)
    document = Document(kind=Kind.WELL_KNOWN, url=f"{site}/robots.txt")
    began = perf_counter()
    seen = await fetch(document)
    took_s = perf_counter() - began
    await fetch.close()
    assert seen.status == 200
    return took_s


async def _first_decision(site: str, cache: str | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            user_agent=USER_AGENT, policy=PROFILES["opt-out"], out=Path(folder), cache=cache, addresses=LOOPBACK
        )
        gate = open_gate(settings)
        intent = Intent(url=f"{site}/page.html", agent=settings.agent, purpose=Purpose.TRAIN)
        began = perf_counter()
        decision = await gate.before_fetch(intent)
        took_s = perf_counter() - began
        await gate.close()
        assert decision.verdict is Verdict.ALLOW
        return took_s


def _timed(ask: Callable[[str], float], sites: Iterator[str]) -> float:
    return ask(next(sites))


def measure(rounds: int = 7) -> list[Row]:
    """The rows of the cold origin."""
    caches = ("memory", "SQLite", "Valkey")
    addresses = [f"127.0.2.{number}" for number in range(1, 4 * (rounds + 1) + 1)]
    answers = {"/robots.txt": ("User-agent: *\nDisallow: /private/\n", ROBOTS_S), "": ("", OTHERS_S)}
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.store(Path(folder)) as store,
        servers.origin(addresses, answers) as port,
    ):
        say(f"cold: {rounds} rounds of an origin whose robots.txt takes {ROBOTS_S * 1000:.0f} ms")
        sites = (f"http://{address}:{port}" for address in addresses)
        urls = {"memory": "memory:", "SQLite": None, "Valkey": store}
        tasks = {name: partial(_timed, partial(_decide, urls[name]), sites) for name in caches}
        tasks["alone"] = partial(_timed, _fetch, sites)
        for task in tasks.values():
            task()  # what the first call of a process has to import
        found = in_shuffled_rounds(tasks, rounds)
    return [
        at_most(
            f"cold origin, decision to slowest document, {name}",
            median_ratio(found[name], found["alone"]),
            BOUND,
            ours=f"{median(found[name]) * 1000:.0f} ms",
            theirs=f"{median(found['alone']) * 1000:.0f} ms",
        )
        for name in caches
    ]


def _decide(cache: str | None, site: str) -> float:
    return asyncio.run(_first_decision(site, cache))


def _fetch(site: str) -> float:
    return asyncio.run(_slowest_alone(site))
