"""A small web on loopback: every site a story, and what a correct crawler does about it.

The world of ``make demo`` and the acceptance test's. ``Lab.start`` runs it in a process of its own; ``SITES`` says in
data what is expected of a crawler; ``trespasses`` finds the requests that nothing allowed.
"""

from crawler.lab.process import Lab, LabError, Request, read_log
from crawler.lab.site import (
    AGENT_TOKEN,
    DOMAIN,
    POLICIES,
    Expectation,
    Expected,
    Outcome,
    PolicyName,
    Reason,
    Site,
)
from crawler.lab.sites import ARTIST_PICTURE, SITES, expected_to_keep, may_request, site_of, trespasses

__all__ = [
    "AGENT_TOKEN",
    "ARTIST_PICTURE",
    "DOMAIN",
    "POLICIES",
    "SITES",
    "Expectation",
    "Expected",
    "Lab",
    "LabError",
    "Outcome",
    "PolicyName",
    "Reason",
    "Request",
    "Site",
    "expected_to_keep",
    "may_request",
    "read_log",
    "site_of",
    "trespasses",
]
