"""The registrable domain of a URL, by tldextract and the public suffix list that came with it; never a download.

house: private suffixes count, as they do for browsers: ``alice.github.io`` and ``bob.github.io`` are two publishers. A
host under no known suffix goes by the list's default rule, ``*``: its last two labels. An address is its own domain.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from tldextract import TLDExtract

_EXTRACT = TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def registrable_domain(url: str) -> str:
    """The domain, or the host where there is none; empty for what is no URL."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return ""
    return _of_host(host or "")


@lru_cache(maxsize=4_096)
def _of_host(host: str) -> str:
    host = host.rstrip(".")
    found = _EXTRACT(host)
    domain = found.top_domain_under_public_suffix
    if domain:
        return domain
    if found.suffix or found.ipv4 or ":" in host:
        return host
    return ".".join(host.split(".")[-2:])
