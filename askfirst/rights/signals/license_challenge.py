"""A server that asks for a license: an answer of 401 or 402 with what RSL 1.0 sections 4.10 and 6 (its "Crawler
Authorization Protocol") put into it, or Cloudflare's pay per crawl.

It obtains no token, pays nothing, and nobody asks again under another name: the answer is the decision.

1. 401 or 402 with ``WWW-Authenticate: License …``, with a ``Link`` whose relation is ``license``, with an RSL body, or
   with a price (``crawler-price``; ``crawler-exact-price`` and ``crawler-max-price`` are ours to send, and understood
   where a server gives them back): every use is refused, with the terms that are named.
2. A plain 402 asks for payment, and refuses the same. A plain 401 asks who we are, and is nobody's statement here.
3. house: search is refused as well: the server asked this of whoever came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit

from askfirst.rights.link_header import links
from askfirst.rights.media import content_type
from askfirst.rights.model import Agent, Basis, Category, Kind, Observation, Reading, Signal, Terms, Verdict
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, writable

PROTOCOL: Final = "license-challenge"
SOURCE: Final = "license challenge"
RSL_TYPE: Final = "application/rsl+xml"
_PRICES: Final = ("crawler-price", "crawler-exact-price", "crawler-max-price")
_CAP: Final = "RSL 1.0 section 6"
_PAY: Final = 'Cloudflare "Pay per crawl"'
_PAYMENT_REQUIRED: Final = 402
_MAX_VALUE_CHARS: Final = 8_192
# a challenge of this scheme, also behind others in one field (RFC 9110 section 11.6.1)
_LICENSE: Final = re.compile(r"(?:\A|,)[ \t]*+license(?=[ \t,]|\Z)", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"(?:license|license_uri|uri|url)[ \t]*+=[ \t]*+\"(https?://[^\" ]{1,2000}+)\"", re.IGNORECASE
)
_CATEGORIES: Final = (
    Category.TRAIN,
    Category.TRAIN_GENERATIVE,
    Category.AI_INPUT,
    Category.TDM,
    Category.SEARCH,
)

_Found = tuple[str, str, str]


def read_challenge(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # it was asked of us
    """What the answer asks for."""
    status = observation.status
    if observation.outage is not None or status not in (401, _PAYMENT_REQUIRED):
        return SILENT
    found = list(_found(observation))
    if not found:
        if status != _PAYMENT_REQUIRED:
            return SILENT
        found = [("status 402", "status 402", "RFC 9110 section 15.5.3")]
    at, text, spec = found[0]
    words = evidence(observation, at=at, text=text, spec=spec)
    terms = Terms(url=_terms_url(observation), reference=_reference(observation))
    return Constant(
        Reading(
            signals=tuple(
                Signal(
                    source=SOURCE,
                    protocol=PROTOCOL,
                    category=category,
                    basis=Basis.LICENCE,
                    verdict=Verdict.REFUSE,
                    terms=terms,
                    evidence=words,
                )
                for category in _CATEGORIES
            )
        )
    )


def _found(observation: Observation) -> Iterator[_Found]:
    """Where the answer asks for a license or a payment, in order of how plainly it does."""
    for name, value in observation.headers:
        if name.lower() == "www-authenticate" and _LICENSE.search(value, 0, _MAX_VALUE_CHARS):
            yield f"field {name}", f"{name}: {value}", _CAP
    for name, value in observation.headers:
        if name.lower() in _PRICES:
            yield f"field {name}", f"{name}: {value}", _PAY
    for link in _license_links(observation):
        yield "field Link", f"Link: {link[1]}", "RSL 1.0 section 4.10"
    if content_type(observation) == RSL_TYPE:
        yield (
            "field Content-Type",
            f"Content-Type: {observation.field_values('content-type')[0]}",
            "RSL 1.0 section 4.10",
        )


def _license_links(observation: Observation) -> list[tuple[str, str]]:
    """Target and words of each link to a license: of RSL, or of no type that is told."""
    values = observation.field_values("link")
    return [(link.target, link.text) for link in links(values) if "license" in link.rels] if values else []


def _terms_url(observation: Observation) -> str | None:
    """Where the terms are written down: the license that is linked to, or named in the challenge."""
    for target, _ in _license_links(observation):
        url = _web(target, observation.document.url)
        if url is not None:
            return url
    for value in observation.field_values("www-authenticate"):
        named = _ADDRESS.search(value, 0, _MAX_VALUE_CHARS)
        if named is not None and _LICENSE.search(value, 0, _MAX_VALUE_CHARS):
            return _web(named[1], observation.document.url)
    return None


def _reference(observation: Observation) -> str:
    prices = [f"{name} {value.strip()}" for name in _PRICES for value in observation.field_values(name)]
    if prices:
        return writable(", ".join(prices)[:150])
    return "payment required" if observation.status == _PAYMENT_REQUIRED else "a license token"


def _web(reference: str, base: str) -> str | None:
    if any(c <= " " or "\ud800" <= c <= "\udfff" for c in reference):
        return None
    try:
        url = urljoin(base, reference)
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE,),
    parse=read_challenge,
    reads_body=False,
)
