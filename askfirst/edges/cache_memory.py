"""A cache in this process: a bounded LRU with expiry, and claims.

Satisfies ``askfirst.ports.Cache`` for one event loop. It shares nothing: two processes that use it look twice.

Rules:

1. What has lapsed is not there, whether or not it has been swept.
2. At most ``max_entries`` values are kept; the one that was asked for longest ago goes first.
3. A claim has one owner. Claiming again extends it; only its owner gives it back; a dead owner's claim lapses.
4. A wait looks at the state, not at the moment: it returns at once when nobody holds the claim, or when the key has
   been put since it was claimed. A put between a caller's look and its wait is therefore never missed.
   house: the three caches agree on this.
5. No call suspends except ``wait``, so that each is atomic in its loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_SMALLEST_NAP_S = 0.001


@dataclass(slots=True)
class _Claim:
    owner: str
    lapses_at: float
    answered: bool = False
    stirred: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryCache:
    """Values and claims in this process. ``clock`` gives seconds; a monotonic one is right."""

    def __init__(self, *, max_entries: int = 10_000, clock: Callable[[], float]) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries is {max_entries}; give at least 1")
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._claims: dict[str, _Claim] = {}
        self._sweep_at = max_entries

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of ``keys``; None for what is not there or has passed its ``keep_s``."""
        now = self._clock()
        return [self._get(key, now) for key in keys]

    async def put(self, key: str, value: bytes, *, keep_s: int) -> None:
        """Stores a value for ``keep_s`` seconds, replacing what was there; 0 or less removes it. Waiters wake up."""
        now = self._clock()
        if keep_s > 0:
            self._entries[key] = (value, now + keep_s)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        else:
            self._entries.pop(key, None)
        claim = self._claims.get(key)
        if claim is not None:
            claim.answered = True
            claim.stirred.set()

    async def claim(self, key: str, *, owner: str, for_s: int) -> bool:
        """True if the caller now holds the claim on ``key``; a claim lapses after ``for_s`` seconds."""
        now = self._clock()
        held = self._claims.get(key)
        if held is not None and held.lapses_at > now:
            if held.owner != owner:
                return False
            held.lapses_at, held.answered = now + for_s, False
            held.stirred.clear()
            return True
        if held is not None:
            held.stirred.set()  # whoever waited for the lapsed claim looks again
        elif len(self._claims) >= self._sweep_at:
            self._sweep_claims(now)
        self._claims[key] = _Claim(owner=owner, lapses_at=now + for_s)
        return True

    async def release(self, key: str, *, owner: str) -> None:
        """Gives a claim back, if ``owner`` still holds it. Waiters on the key wake up."""
        held = self._claims.get(key)
        if held is not None and held.owner == owner:
            del self._claims[key]
            held.stirred.set()

    async def wait(self, key: str, *, timeout_s: float) -> None:
        """Returns when the key has been put or nobody holds its claim, or after ``timeout_s`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            held = self._claims.get(key)
            claimed_for_s = 0.0 if held is None else held.lapses_at - self._clock()
            if held is None or held.answered or claimed_for_s <= 0 or loop.time() >= deadline:
                return
            nap_s = max(_SMALLEST_NAP_S, min(deadline - loop.time(), claimed_for_s))
            try:
                async with asyncio.timeout(nap_s):
                    await held.stirred.wait()
            except TimeoutError:
                continue  # lapsed, out of time, or extended meanwhile: the next round tells which
            return

    async def close(self) -> None:
        """Forgets everything; waiters wake up."""
        self._entries.clear()
        for claim in self._claims.values():
            claim.stirred.set()
        self._claims.clear()

    def _get(self, key: str, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def _sweep_claims(self, now: float) -> None:
        for key in [key for key, claim in self._claims.items() if claim.lapses_at <= now]:
            self._claims.pop(key).stirred.set()
        # Twice as many as are alive: a sweep that finds nothing must not come at every claim.
        self._sweep_at = max(self._max_entries, 2 * len(self._claims))
