"""``<meta name="robots">`` and metas named after a bot: what an HTML page says of itself and of the images it displays.

There is no standard; see askfirst.rights.robots_values for the grammar and the table of rules, and askfirst.rights.html
for which elements count. Header and meta are equals: both are in force.

1. ``robots`` speaks to everybody, our product token to us. All metas are in force together.
2. ``noimageai`` and ``noimageindex`` speak of the images that the page displays, wherever they live; ``noai`` and
   ``noml`` of the page. house: for careful readers these two travel to its images as well.
3. A meta named after another bot is remarked if its rules would refuse us something. house: if it is a known AI bot,
   its ``noindex``, ``none``, ``noai``, ``nofollow`` or ``disallow`` refuses training for strict readers.
4. house: ``<meta name="noai">`` is read as if it were a rule, for careful readers.
"""

from __future__ import annotations

from askfirst.rights.html import Meta, elements
from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import SILENT, Reader, Statement
from askfirst.rights.robots_values import MEANINGS, addresses, is_ai_bot, rules
from askfirst.rights.signals.x_robots_tag import RobotsStatement, Said

PROTOCOL = "meta-robots"
_RULES_AS_NAMES = frozenset({"noai", "noimageai", "noml"})
_DENIALS = frozenset({"0", "false", "no", "off"})


def read_meta_robots(observation: Observation, agent: Agent) -> Statement:
    """What the page's markup says to this agent."""
    said = [one for meta in elements(observation).metas if (one := _said(meta, agent)) is not None]
    if not said:
        return SILENT
    return RobotsStatement(observation, agent, said, source="robots meta", protocol=PROTOCOL)


def _said(meta: Meta, agent: Agent) -> Said | None:
    if meta.name == "robots":
        return Said(value=meta.content, at=meta.at, text=meta.text)
    if meta.name in _RULES_AS_NAMES:
        if meta.content.strip().lower() in _DENIALS:
            return None
        return Said(value=f"no-{meta.name.removeprefix('no')}", at=meta.at, text=meta.text)
    if addresses(meta.name, agent.product_token) or is_ai_bot(meta.name) or _speaks_as_robots(meta):
        return Said(value=meta.content, at=meta.at, text=meta.text, bots=(meta.name,))
    return None


def _speaks_as_robots(meta: Meta) -> bool:
    """Whether a meta of some other name looks as if a bot were addressed. ``none`` alone is said of many things."""
    if len(meta.content) > 256:
        return False
    return any(rule.name in MEANINGS and rule.name != "none" for rule in rules(meta.content))


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE, Kind.PAGE),
    markup=True,
    parse=read_meta_robots,
)
