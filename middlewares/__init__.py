"""Scrapy's door: two settings turn it on in anybody's project.

``ADDONS = {"middlewares.AskFirstAddon": 200}`` and ``TWISTED_DNS_RESOLVER = "middlewares.GuardedResolver"`` (an add-on
cannot set the second one, because the reactor exists before it).
"""

from middlewares.addon import AskFirstAddon
from middlewares.door import Refused, Unanswerable
from middlewares.resolver import GuardedResolver
from middlewares.rights_fetch import RightsFetchMiddleware
from middlewares.rights_keep import RightsKeepMiddleware

__all__ = [
    "AskFirstAddon",
    "GuardedResolver",
    "Refused",
    "RightsFetchMiddleware",
    "RightsKeepMiddleware",
    "Unanswerable",
]
