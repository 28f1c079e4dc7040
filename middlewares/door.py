"""What the two middlewares of one crawler share: the gate, opened when the spider opens, and the crawl's settings.

It reads the settings and checks that the address guard and the two middlewares are where they must be. It decides
nothing.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import Headers, Response
from scrapy.settings import BaseSettings

from askfirst.explain import summary
from askfirst.gate import Gate
from askfirst.ports import SettingsError
from askfirst.rights.model import Decision, Document, Intent, Kind, Observation, Purpose, Stage, Verdict
from askfirst.wiring import DEFAULT_OUT, Settings, load_policy, new_run, open_gate, parse_addresses, parse_purpose
from middlewares.resolver import installed

logger = logging.getLogger("askfirst")

META = "askfirst"


class Refused(IgnoreRequest):
    """A request that is not made, or a response that is not kept. ``decision`` says why; ``links`` are the addresses
    that a page named which was refused by silence alone, so that a crawl that looks for permissions can go on."""

    def __init__(self, decision: Decision, links: tuple[str, ...] = ()) -> None:
        super().__init__(summary(decision))
        self.decision = decision
        self.links = links


class Unanswerable(IgnoreRequest):
    """A request that nobody can be asked about: not http, not https, or at no origin."""


class Head(NamedTuple):
    """The head of a response, as it came from the network."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    at: datetime

    def seen(self, body: bytes = b"", *, truncated: bool = False) -> Observation:
        """The response as an observation of kind RESPONSE."""
        return Observation(
            document=Document(kind=Kind.RESPONSE, url=self.url),
            status=self.status,
            headers=self.headers,
            body=body,
            truncated=truncated,
            observed_at=self.at,
        )


@dataclass(slots=True)
class Passage:
    """One request's way through, kept in its ``meta``. ``leads_to`` is where its redirect answer points: only the
    request that follows it inherits the hops, not one that copied the meta."""

    url: str
    decision: Decision | None = None
    head: Head | None = None
    hops: tuple[Observation, ...] = ()
    leads_to: str | None = None
    tries: int = 0


@dataclass(slots=True, weakref_slot=True, eq=False)
class Door:
    """One crawler's gate and what it was told. ``run`` names this run's files in the record."""

    crawler: Crawler
    settings: Settings
    defer_tries: int
    defer_wait_s: float
    run: str
    gate: Gate
    shut: str | None = None
    _purpose: Purpose = field(init=False)
    _inc: Callable[..., None] = field(init=False)
    _allowed: list[int] = field(init=False, default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self._purpose = self.settings.purpose
        stats = self.crawler.stats
        assert stats is not None
        self._inc = stats.inc_value  # bound once: Scrapy's collector makes each look-up of it dear

    @classmethod
    def of(cls, crawler: Crawler) -> Self:
        """The crawler's one door; raises SettingsError when the crawl must not start."""
        door = _DOORS.get(crawler)
        if door is None:
            _check_guard(crawler)
            told = settings_of(crawler.settings)
            stats = crawler.stats
            assert stats is not None
            run = new_run()
            door = cls(
                crawler=crawler,
                run=run,
                settings=told,
                defer_tries=crawler.settings.getint("ASKFIRST_DEFER_TRIES", 2),
                defer_wait_s=crawler.settings.getfloat("ASKFIRST_DEFER_WAIT_S", 60),
                gate=open_gate(told, run=run, count=lambda name: stats.inc_value(f"askfirst/{name}")),
            )
            crawler.signals.connect(door.opened, signal=signals.spider_opened)
            crawler.signals.connect(door.count_allowed, signal=signals.spider_idle)
            crawler.signals.connect(door.count_allowed, signal=signals.spider_closed)
            crawler.signals.connect(door.closed, signal=signals.engine_stopped)
            _DOORS[crawler] = door
            _spare_the_collector()
        assert isinstance(door, cls)
        return door

    def opened(self) -> None:
        """Says once what this crawl obeys. When the guard was replaced since, shuts the door and raises CloseSpider."""
        try:
            _check_guard(self.crawler)
        except SettingsError as error:
            # Scrapy only logs what a signal's handler raises, CloseSpider excepted: so the door itself stays shut.
            self.shut = str(error)
            logger.error("%s", error)  # noqa: TRY400  # the operator's mistake needs no traceback
            raise CloseSpider("askfirst_unguarded") from error
        agent = self.gate.agent
        logger.info(
            "asking first as %s for purpose %s under policy %s; the record goes to %s",
            agent.product_token,
            self.settings.purpose,
            self.gate.policy.name,
            self.settings.out,
        )
        if self.crawler.settings.getbool("HTTPCACHE_ENABLED"):
            logger.warning(
                "HTTPCACHE_ENABLED stores responses before they are decided about, refused ones too; turn it off",
            )

    async def closed(self) -> None:
        """Ends the records."""
        _DOORS.pop(self.crawler, None)
        await self.gate.close()

    def intent(self, url: str, media: str | None = None) -> Intent:
        """What this crawl is about to do with a URL."""
        return Intent(url=url, agent=self.gate.agent, purpose=self._purpose, media=media)

    def wait_s(self, url: str) -> float:
        """For how many seconds a DEFER waits before it is asked again."""
        until_s = (self.gate.hearing.fresh_until(url) - self.gate.now()).total_seconds()
        return min(max(until_s, 0.0) + 0.01, self.defer_wait_s)

    def count_allowed(self) -> None:
        """Gives Scrapy's collector the permissions since it was given them last; also on ``spider_idle`` and
        ``spider_closed``. One at a time they would cost a tenth of a decision each."""
        for name, number in zip(_ALLOWED, self._allowed, strict=True):
            if number:
                self._inc(name, number)
        self._allowed = [0, 0]

    def tell(self, decision: Decision) -> None:
        """Counts a decision: ``askfirst/fetch/allow`` and, for what is not allowed, by which signal."""
        ruling = decision.ruling
        if ruling.verdict is Verdict.ALLOW:
            keep = ruling.stage is Stage.KEEP
            self._allowed[keep] += 1
            if self._allowed[keep] == COUNTED_AT_ONCE:
                self.count_allowed()
        else:
            name = f"askfirst/{ruling.stage}/{ruling.verdict.word}"
            self._inc(name)
            for source in {s.protocol for s in ruling.because} or {"silence"}:
                self._inc(f"{name}/{source}")
            logger.debug("%s", summary(decision))


COUNTED_AT_ONCE = 20
_ALLOWED = ("askfirst/fetch/allow", "askfirst/keep/allow")
_DOORS: WeakKeyDictionary[Crawler, Door] = WeakKeyDictionary()


COLLECTOR_DEFAULTS = frozenset({(700, 10, 10), (2_000, 10, 10), (2_000, 10, 0)})
COLLECTOR_YOUNG = 30_000


def _spare_the_collector() -> None:
    """Python's garbage collector, told what a crawl is like (docs/adr/0014).

    What was imported until now stays for the life of the process, so it is not walked over again and again. And Scrapy
    makes a hundred tasks for every response: with the few objects that a decision adds, the interpreter's threshold
    would be passed in the middle of each, and they would all be taken for old. A threshold that somebody chose is left
    alone.
    """
    gc.collect()
    gc.freeze()
    threshold = gc.get_threshold()
    if threshold in COLLECTOR_DEFAULTS:
        gc.set_threshold(COLLECTOR_YOUNG, *threshold[1:])


def settings_of(settings: BaseSettings) -> Settings:
    """The ``ASKFIRST_…`` settings, and USER_AGENT; raises SettingsError or PolicyError."""
    purpose = parse_purpose(settings.get("ASKFIRST_PURPOSE", Purpose.TRAIN.value))
    policy, trust = settings.get("ASKFIRST_POLICY"), settings.get("ASKFIRST_C2PA_TRUST")
    keys = settings.get("ASKFIRST_KEYS")
    return Settings(
        user_agent=settings.get("USER_AGENT"),
        product_token=settings.get("ASKFIRST_AGENT"),
        purpose=purpose,
        policy=None if policy is None else load_policy(policy),
        out=Path(settings.get("ASKFIRST_OUT", DEFAULT_OUT)),
        cache=settings.get("ASKFIRST_CACHE"),
        registries=tuple(settings.getlist("ASKFIRST_REGISTRY")),
        registry_token=settings.get("ASKFIRST_REGISTRY_TOKEN"),
        addresses=parse_addresses(settings.getlist("ASKFIRST_ALLOW_PRIVATE"), _resolve(settings)),
        look_timeout_s=settings.getfloat("ASKFIRST_LOOK_TIMEOUT_S", 20),
        c2pa_trust=None if trust is None else Path(trust),
        keys=None if keys is None else Path(keys),
        timestamps=settings.get("ASKFIRST_TIMESTAMPS"),
    )


def _resolve(settings: BaseSettings) -> Mapping[str, str] | list[str]:
    value = settings.get("ASKFIRST_RESOLVE", [])
    return value if isinstance(value, Mapping) else settings.getlist("ASKFIRST_RESOLVE")


def _check_guard(crawler: Crawler) -> None:
    if not installed(crawler):
        raise SettingsError(
            "the address guard is not installed; add TWISTED_DNS_RESOLVER = 'middlewares.GuardedResolver' "
            "to the project's settings.py (an add-on or a spider's custom_settings cannot set it)",
        )


def head_of(door: Door, response: Response) -> Head:
    """What a response's head says, as it is now."""
    return Head(response.url, response.status, fields_of(response.headers), door.gate.now())


def fields_of(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Scrapy's headers as an observation has them."""
    # dict's own items(), whose values are lists as well: Scrapy's looks each of them up again
    pairs = dict.items(headers)
    return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, values in pairs for value in values])
