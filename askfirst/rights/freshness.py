"""How long an observation may be reused (RFC 9111, RFC 9309 section 2.4), and what to revalidate it with.

Cache-Control and Expires-like hints only shorten: the policy's maximum is the default. house: nothing is asked again
within a minute, so that ``no-cache`` cannot make us ask before every page; an absent file is asked for again within the
hour, because reservations appear; an outage is asked again when ``Retry-After`` says, within bounds, or after the
policy's ``outage`` age.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from askfirst.rights.model import Observation

FLOOR_S = 60
ABSENT_S = 3_600
RETRY_AFTER_MOST_S = 3_600
STALE_IF_ERROR_S = 30 * 86_400
"""How long a last good copy keeps refusing while its origin cannot be reached (RFC 9309 section 2.3.1.4)."""

_MAX_AGE = re.compile(r"(?:^|[,\s])(?:s-maxage|max-age)\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_NO_STORE = re.compile(r"(?:^|[,\s])(?:no-cache|no-store)(?:$|[,\s=])", re.IGNORECASE)


def unusable(seen: Observation) -> bool:
    """Whether the look failed in a way that says nothing about what the document says."""
    status = seen.status
    return seen.outage is not None or status is None or status == 429 or status >= 500 or 300 <= status < 400


def freshness_s(seen: Observation, *, most_s: int, outage_s: int) -> int:
    """For how many seconds after ``observed_at`` the observation may be reused."""
    if unusable(seen):
        asked = retry_after_s(seen)
        return outage_s if asked is None else asked
    if seen.status is not None and seen.status >= 400:
        most_s = min(most_s, ABSENT_S)
    control = ",".join(seen.field_values("cache-control"))
    floor_s = min(FLOOR_S, most_s)
    if _NO_STORE.search(control):
        return floor_s
    ages = [int(age) for age in _MAX_AGE.findall(control)]
    return max(floor_s, min(most_s, *ages)) if ages else most_s


def retry_after_s(seen: Observation) -> int | None:
    """Retry-After in seconds (RFC 9110 section 10.2.3), from 1 to an hour; None where there is none that parses."""
    for value in seen.field_values("retry-after"):
        text = value.strip()
        if text.isascii() and text.isdigit():
            return max(1, min(int(text[:10]), RETRY_AFTER_MOST_S))
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError, IndexError):
            continue
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return max(1, min(int((at - seen.observed_at).total_seconds()), RETRY_AFTER_MOST_S))
    return None


def validators(seen: Observation) -> tuple[tuple[str, str], ...]:
    """The request fields that ask whether this copy still holds (RFC 9110 section 13.1)."""
    etags = [("If-None-Match", value) for value in seen.field_values("etag")[:1]]
    dates = [("If-Modified-Since", value) for value in seen.field_values("last-modified")[:1]]
    return (*etags, *dates)
