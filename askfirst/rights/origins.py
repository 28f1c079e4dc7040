"""URL to Origin (RFC 6454 section 4), for http and https.

What it does not do: fetch, resolve or correct. A URL that names no origin is the caller's mistake and raises
:class:`UrlError` with what is wrong with it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from askfirst.rights.model import Origin

_PORTS = {"http": 80, "https": 443}


class UrlError(ValueError):
    """A URL that cannot be crawled, and why."""


def origin_of(url: str) -> Origin:
    """The origin of an absolute http or https URL; raises UrlError for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlError(f"{url!r} is not a URL: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise UrlError(f"{url!r} is not an http or https URL; write it with its scheme, such as https://example.org/")
    host = parts.hostname or ""
    if not host:
        raise UrlError(f"{url!r} names no host")
    return Origin(scheme=scheme, host=_a_label(host), port=_PORTS[scheme] if port is None else port)


def is_web_url(url: str) -> bool:
    """Whether it is an absolute http or https URL."""
    try:
        origin_of(url)
    except UrlError:
        return False
    return True


def _a_label(host: str) -> str:
    """Lower case, A-labels, IPv6 in brackets, no trailing dot."""
    host = host.lower()
    if ":" in host:
        return f"[{host}]"
    if host.endswith(".") and len(host) > 1:
        host = host[:-1]
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UrlError(f"{host!r} is not a host name: {error}") from None
