"""What the well-known documents of the web said over time, from captures that somebody made.

The artifacts are captures of robots.txt, ai.txt, tdmrep.json and the like, in the archives that are reviewed or in
others that are given as evidence (Common Crawl's robotstxt archives, the evidence of an AskFirst crawl).

1. What counts is the last capture at or before the fetch, at most ``max_age`` old (RFC 9309 section 2.4: 24 hours). A
   capture after the fetch proves nothing. Times have the precision of the archive, so the same second counts as before.
2. Without robots.txt nothing is known but the other documents; a document that was not captured was not looked at.
3. A redirect is followed through its captures, at most five times (RFC 9309 section 2.3.1.2); where one is missing, the
   document is not known.
4. A failed look is a capture like any other. The last good one within ``max_age`` stands beside it, so that its
   refusals go on.
5. house: between two captures or their ends nothing changes, so each such span has one tuple of observations, made when
   it is first asked for and given again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urljoin

from askfirst.review.model import Fetch, InPart
from askfirst.rights.freshness import unusable
from askfirst.rights.model import Document, Kind, Observation, Origin
from askfirst.rights.origins import UrlError, is_web_url, origin_of
from askfirst.rights.policy import Policy
from askfirst.rights.read import plan
from askfirst.rights.wire import timestamp
from askfirst.standing import authority_of

DEFAULT_MAX_AGE: Final = timedelta(hours=24)
MOST_REDIRECTS: Final = 5
ROBOTS: Final = "/robots.txt"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_INSTANT: Final = timedelta(microseconds=1)
_ANYWHERE: Final = Origin(scheme="https", host="host.invalid", port=443)


@dataclass(frozen=True, slots=True)
class _Unknown:
    """Why a document is not known at a time."""

    reason: str
    why: str


_State = tuple[Observation, ...] | InPart


class Captures:
    """The captures, by document and time. All are added before anything is asked."""

    def __init__(self, policy: Policy, *, max_age: timedelta = DEFAULT_MAX_AGE) -> None:
        self.max_age = max_age
        start = len(str(_ANYWHERE))
        self._most_bytes = {document.url[start:]: document.max_bytes for document in plan(_ANYWHERE, policy)}
        self._by_url: dict[str, list[Observation]] = {}
        self._times: dict[str, list[datetime]] = {}
        self._bodies: dict[bytes, bytes] = {}
        self._spans: dict[str, _Spans] = {}
        self._asked_for: dict[str, None] = {}
        self.added = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the well-known documents that the policy reads."""
        return tuple(self._most_bytes)

    def most_bytes(self, url: str) -> int | None:
        """How much is read of a well-known document, None for what is none."""
        start = url.find("/", 8)
        return self._most_bytes.get(url[start:]) if start > 0 else None

    def add(self, seen: Observation) -> None:
        """Takes a capture: of a document that the policy reads, or of one that a redirect led to."""
        url = seen.document.url
        body = self._bodies.setdefault(seen.body, seen.body)
        kept = replace(
            seen, document=Document(kind=Kind.WELL_KNOWN, url=url, max_bytes=seen.document.max_bytes), body=body
        )
        self._by_url.setdefault(_key(url), []).append(kept)
        self.added += 1
        target = _target(kept)
        if target is not None and is_web_url(target):
            self._asked_for[target] = None

    def settle(self) -> None:
        """Puts what was added in the order of time."""
        for url, seen in self._by_url.items():
            seen.sort(key=lambda one: one.observed_at)
            self._times[url] = [one.observed_at for one in seen]
        self._spans.clear()

    def uncaptured(self) -> frozenset[str]:
        """Where redirects lead to, as far as there is no capture of it."""
        return frozenset(url for url in self._asked_for if _key(url) not in self._by_url)

    def before(self, fetch: Fetch) -> tuple[Observation, ...] | InPart:
        """What its origin's documents said at the time of the fetch."""
        at = fetch.at
        if at is None:
            return InPart(reason="no-time", why="the log gives no time for it")
        try:
            spans = self._of_place(fetch.url)
        except UrlError as error:
            return InPart(reason="no-url", why=str(error))
        place = bisect_right(spans.starts, at) - 1
        if place < 0:
            return spans.earlier
        state = spans.states[place]
        if state is None:
            state = spans.states[place] = self._state(spans.origin, spans.starts[place])
        return state

    def captured(self, authorities: Iterable[str]) -> Counter[str]:
        """Of how many of these origins each document was captured at any time."""
        found: Counter[str] = Counter()
        for origin in {str(origin_of(authority)) for authority in authorities}:
            found.update(path for path in self._most_bytes if f"{origin}{path}" in self._by_url)
        return found

    # -- the spans of one origin ----------------------------------------------------------------------------------

    def _of_place(self, url: str) -> _Spans:
        """Those of the origin of a URL. Raises UrlError."""
        end = url.find("/", 8)
        # INVARIANT: a URL that begins as one did that was spelled as its origin is of the same origin
        spans = self._spans.get(url[:end]) if end > 0 else None
        if spans is None:
            authority = authority_of(url)
            spans = self._spans.get(authority)
            if spans is None:
                spans = self._spans[authority] = self._spans_of(str(origin_of(authority)))
        return spans

    def _spans_of(self, origin: str) -> _Spans:
        starts = sorted(set(self._changes(origin)))
        first = self._by_url.get(f"{origin}{ROBOTS}")
        return _Spans(origin, starts, [None] * len(starts), _earlier(None if first is None else first[0].observed_at))

    def _changes(self, origin: str) -> Iterator[datetime]:
        """When anything that is known of the origin begins or ends."""
        urls = dict.fromkeys(f"{origin}{path}" for path in self._most_bytes)
        for _ in range(MOST_REDIRECTS + 1):
            further: dict[str, None] = {}
            for url in urls:
                for seen in self._by_url.get(url, ()):
                    yield seen.observed_at
                    yield seen.observed_at + self.max_age + _INSTANT
                    target = _target(seen)
                    if target is not None and is_web_url(target):
                        further[_key(target)] = None
            urls = further

    def _state(self, origin: str, at: datetime) -> _State:
        known: list[Observation] = []
        missing: _Unknown | None = None
        for path, most in self._most_bytes.items():
            found = self._last(f"{origin}{path}", at)
            if isinstance(found, _Unknown):
                missing = found if path == ROBOTS else missing
            else:
                place = Document(kind=Kind.WELL_KNOWN, url=f"{origin}{path}", max_bytes=most)
                known.extend(replace(seen, document=place) for seen in found)
        if missing is not None:
            return InPart(observations=tuple(known), reason=missing.reason, why=missing.why)
        return tuple(known)

    def _last(self, url: str, at: datetime) -> tuple[Observation, ...] | _Unknown:
        """The last capture of a document, after its redirects, and beside a failed one the last that did not fail."""
        times = self._times.get(url, [])
        place = bisect_right(times, at) - 1
        if place < 0:
            return _never(times[0] if times else None)
        latest = self._followed(url, self._by_url[url][place], at)
        if isinstance(latest, _Unknown) or not unusable(latest):
            return latest if isinstance(latest, _Unknown) else (latest,)
        for earlier in reversed(self._by_url[url][:place]):
            if earlier.observed_at + self.max_age < at:
                break
            good = self._followed(url, earlier, at)
            if isinstance(good, Observation) and not unusable(good):
                return latest, good
        return (latest,)

    def _followed(self, url: str, seen: Observation, at: datetime) -> Observation | _Unknown:
        hops: list[str] = []
        while True:
            if seen.observed_at + self.max_age < at:
                age = f"{self.max_age / timedelta(hours=1):g} hours"
                when = timestamp(seen.observed_at)
                return _Unknown("too-old", f"the last capture of {_key(url)} is of {when}, more than {age} before it")
            target = _target(seen)
            if target is None:
                return replace(seen, redirects=(*hops, *seen.redirects)) if hops else seen
            if len(hops) == MOST_REDIRECTS:
                return _Unknown("redirect", f"{url} redirected more than {MOST_REDIRECTS} times")
            hops.append(target)
            key = _key(target)
            place = bisect_right(self._times.get(key, []), at) - 1
            if place < 0:
                return _Unknown("redirect", f"{url} redirected to {target}, of which there is no capture before it")
            seen = self._by_url[key][place]


@dataclass(slots=True)
class _Spans:
    """The spans of one origin: when each begins, and what is known in it, once that was asked for."""

    origin: str
    starts: list[datetime]
    states: list[_State | None]
    earlier: InPart


def _earlier(first: datetime | None) -> InPart:
    unknown = _never(first)
    return InPart(reason=unknown.reason, why=unknown.why)


def _never(first: datetime | None) -> _Unknown:
    if first is None:
        return _Unknown("no-robots", "there is no capture of its robots.txt")
    return _Unknown("later", f"its robots.txt was captured only after it, first at {timestamp(first)}")


def _target(seen: Observation) -> str | None:
    """Where a redirect leads to; None for what is none, or was followed already."""
    if seen.status not in _REDIRECTS or seen.redirects:
        return None
    for value in seen.field_values("location")[:1]:
        try:
            return urljoin(seen.document.url, value.strip()).partition("#")[0]
        except ValueError:
            return None
    return None


def _key(url: str) -> str:
    """The URL with its origin in the one spelling."""
    try:
        authority = authority_of(url)
        return f"{origin_of(authority)}{url[len(authority) :] or '/'}" if url.startswith(authority) else url
    except UrlError:
        return url
