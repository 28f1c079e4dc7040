"""The address guard for Scrapy: a resolver that answers only with addresses that may be connected to.

Install with ``TWISTED_DNS_RESOLVER = "middlewares.GuardedResolver"`` in the settings of the *process*; Scrapy does not
look at it in an add-on's or a spider's settings, so whoever relies on the guard asks :func:`installed` first. Settings,
of the process too: ``ASKFIRST_ALLOW_PRIVATE`` (CIDRs) and ``ASKFIRST_RESOLVE`` (``NAME=ADDR``), as lists or
comma-separated, the second also as a dict.

Rules:

1. INVARIANT: Twisted connects to exactly the address returned here, for names, literals, redirects and robots requests.
2. Every answer of a name is checked, both families, although only IPv4 is returned: Scrapy's resolvers of this kind
   (Twisted's ``IResolverSimple``) know no other.
3. What Scrapy cached is checked again when it is used.

What it cannot see: requests through a proxy (it sees the proxy's address), and the ``file`` and ``ftp`` handlers.
Download handlers for http and https that connect without Twisted are noticed by :func:`installed`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.resolver import CachingThreadedResolver, dnscache
from scrapy.settings import SETTINGS_PRIORITIES, BaseSettings
from scrapy.utils.datatypes import LocalCache
from scrapy.utils.misc import load_object
from scrapy.utils.reactor import is_reactor_installed
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import DNSLookupError
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from askfirst.addresses import AddressPolicy, host_literal
from askfirst.edges.fetch_http import look_up

logger = logging.getLogger(__name__)

MAX_REFUSALS_KEPT = 10_000


class AddressRefused(DNSLookupError):  # noqa: N818 - reads as what happened, like Scrapy's IgnoreRequest
    """The address guard forbids this host. One line: which host, at which address, why, and what admits it."""


class GuardedResolver(CachingThreadedResolver):
    """Scrapy's default resolver, behind the address guard."""

    def __init__(
        self, reactor: ReactorBase, cache_size: int, timeout: float, addresses: AddressPolicy | None = None
    ) -> None:
        super().__init__(reactor, cache_size, timeout)
        self.addresses = AddressPolicy() if addresses is None else addresses
        self._refusals: LocalCache[str, str] = LocalCache(MAX_REFUSALS_KEPT)

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: ReactorBase) -> Self:
        """A resolver of the settings' policy. Raises ``AddressError`` for a mistake in them."""
        resolver = super().from_crawler(crawler, reactor)
        resolver.addresses = addresses_of(crawler.settings)
        return resolver

    def getHostByName(self, name: str, timeout: Sequence[int] = ()) -> Deferred[str]:  # noqa: ARG002, N802 - Twisted's
        """The IPv4 address to connect to. Fails with :class:`AddressRefused` or ``DNSLookupError``."""
        known = self.addresses.override(name) or host_literal(name) or _cached(name)
        if known is not None:
            return maybeDeferred(self._admit, [known], name)
        reactor: Any = self.reactor  # the reactor satisfies the interfaces below, which its base class does not declare
        found: Deferred[Sequence[str]] = deferToThreadPool(reactor, reactor.getThreadPool(), self.look_up, name)
        found.addTimeout(self.timeout, reactor)
        found.addErrback(_not_found, name)
        return found.addCallback(self._admit, name).addCallback(self._keep, name)

    def look_up(self, name: str) -> Sequence[str]:
        """Every address of a name. Runs in a thread; raises OSError."""
        return look_up(name)

    def refusal(self, host: str) -> str | None:
        """Why this host was refused, if it was. Twisted drops a resolver's reason on the way to the spider."""
        return self._refusals.get(host.lower())

    def _admit(self, ips: Sequence[str], name: str) -> str:
        refusal = self.addresses.refusal(name, ips)
        if refusal is not None:
            if name.lower() not in self._refusals:
                logger.warning("address guard: %s", refusal)
            self._refusals[name.lower()] = refusal
            raise AddressRefused(refusal)
        for ip in ips:
            if ":" not in ip:
                return ip
        raise DNSLookupError(f"{name} has no IPv4 address, and Scrapy's resolver connects to no other")

    def _keep(self, ip: str, name: str) -> str:
        if dnscache.limit:
            dnscache[name] = ip
        return ip


def addresses_of(settings: BaseSettings) -> AddressPolicy:
    """The policy that the settings describe. Raises ``AddressError`` for a mistake in them."""
    resolve = settings.get("ASKFIRST_RESOLVE") or ()
    return AddressPolicy(
        _entries(settings.getlist("ASKFIRST_ALLOW_PRIVATE")),
        dict(resolve) if isinstance(resolve, Mapping) else _entries(settings.getlist("ASKFIRST_RESOLVE")),
    )


def guard_of(reactor_or_crawler: object) -> GuardedResolver | None:
    """The guard that stands before this reactor's, or this crawler's, connections; None if there is none."""
    reactor = _reactor_of(reactor_or_crawler) if isinstance(reactor_or_crawler, Crawler) else reactor_or_crawler
    resolver = getattr(reactor, "resolver", None)
    return resolver if isinstance(resolver, GuardedResolver) else None


def installed(reactor_or_crawler: object) -> bool:
    """Whether every http and https connection passes a :class:`GuardedResolver`.

    For a crawler whose settings name it, puts it in place where Scrapy has not: before ``CrawlerProcess.start()``,
    which then puts its own there, and under a ``CrawlerRunner``. Worth asking again at ``spider_opened``: a process
    whose settings are not its crawler's replaces it.
    """
    if guard_of(reactor_or_crawler) is not None:
        return True
    return isinstance(reactor_or_crawler, Crawler) and _put_in_place(reactor_or_crawler)


def _put_in_place(crawler: Crawler) -> bool:
    reactor = _reactor_of(crawler)
    named = load_object(crawler.settings["TWISTED_DNS_RESOLVER"])
    if reactor is None or not (isinstance(named, type) and issubclass(named, GuardedResolver)):
        return False
    if not reactor.running and crawler.settings.getpriority("TWISTED_DNS_RESOLVER") in _NOT_OF_THE_PROCESS:
        return False  # CrawlerProcess.start() is going to install what the process's settings say
    named.from_crawler(crawler, reactor).install_on_reactor()
    return True


_NOT_OF_THE_PROCESS = frozenset({SETTINGS_PRIORITIES["addon"], SETTINGS_PRIORITIES["spider"]})


def _reactor_of(crawler: Crawler) -> Any:  # Twisted declares no type that has both resolver and running
    """The reactor through which the crawler downloads, or None if its handlers connect without it."""
    handlers = crawler.settings.getwithbase("DOWNLOAD_HANDLERS")
    if not all(_asks_twisted(handlers[scheme]) for scheme in ("http", "https") if handlers.get(scheme)):
        return None
    if not is_reactor_installed():
        return None
    from twisted.internet import reactor  # noqa: PLC0415 - importing it installs one

    return reactor


# By name: importing the second needs a library that Scrapy does not always have.
_TWISTED_HANDLERS = frozenset(
    {
        "scrapy.core.downloader.handlers.http11.HTTP11DownloadHandler",
        "scrapy.core.downloader.handlers.http2.H2DownloadHandler",
    }
)


def _asks_twisted(handler: object) -> bool:
    loaded = load_object(handler) if isinstance(handler, str) else handler
    lineage = loaded.__mro__ if isinstance(loaded, type) else ()
    return any(f"{each.__module__}.{each.__qualname__}" in _TWISTED_HANDLERS for each in lineage)


def _cached(name: str) -> str | None:
    address = dnscache.get(name)
    return address if isinstance(address, str) else None


def _entries(values: Sequence[str]) -> list[str]:
    return [value.strip() for value in values if value.strip()]


def _not_found(failure: Failure, name: str) -> Failure:
    lookup_error = DNSLookupError(f"address {name!r} not found: {failure.getErrorMessage()}")
    return Failure(lookup_error)  # type: ignore[no-untyped-call]  # Twisted leaves it untyped
