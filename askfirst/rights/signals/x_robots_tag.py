"""``X-Robots-Tag``, the response field: what it says of the response that carries it.

There is no standard; see askfirst.rights.robots_values for the grammar and the table of rules. The field speaks of the
representation that it came with, so a 304 keeps the stored one, and a re-fetch is read anew.

1. Repeated fields are all in force; a bot's name governs the rules after it in its own field line.
2. On an image the rules for images speak of it, on a page of the images that it displays, wherever they live.
3. A field value of more than 8 KiB is not read.
"""

from __future__ import annotations

from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import SILENT, Reader, Statement
from askfirst.rights.robots_values import RobotsStatement, Said

PROTOCOL = "x-robots-tag"


def read_x_robots_tag(observation: Observation, agent: Agent) -> Statement:
    """What the response's fields say to this agent."""
    fields = [(name, value) for name, value in observation.headers if len(name) == 12 and name.lower() == PROTOCOL]
    if not fields:
        return SILENT
    return RobotsStatement(
        observation,
        agent,
        [
            Said(
                value=value,
                at=f"field {name}" if len(fields) == 1 else f"field {name} {number}",
                text=f"{name}: {value}",
            )
            for number, (name, value) in enumerate(fields, start=1)
        ],
        source="X-Robots-Tag header",
        protocol=PROTOCOL,
    )


READER = Reader(
    protocol=PROTOCOL,
    kinds=frozenset({Kind.RESPONSE, Kind.PAGE}),
    parse=read_x_robots_tag,
    reads_body=False,
)
