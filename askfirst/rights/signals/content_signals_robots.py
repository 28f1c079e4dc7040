"""``Content-Signal`` in robots.txt: Cloudflare's Content Signals Policy (contentsignals.org, 24 September 2025).

The lines are found by askfirst.rights.robots_records and read by askfirst.rights.content_signals. A file that could not
be read is the affair of askfirst.rights.signals.robots_txt.

1. The line stands in a group, chosen as RFC 9309 chooses it; groups of one name are merged, so that a managed block
   that stands before the site's own file counts beside it.
2. house: a line above the first user-agent line is said to everybody, to refuse. Where a group names us, the ``*``
   groups are heard by conservative readers only.
3. ``content-signals`` is another spelling of the key.
"""

from __future__ import annotations

from functools import partial

from askfirst.rights.content_signals import KEYS, PROTOCOL, SPEC, UNREAD, ByJob, combine, read_signals
from askfirst.rights.model import Agent, Kind, Observation
from askfirst.rights.reader import SILENT, Reader, Statement
from askfirst.rights.robots_records import Lines, Voice, lines_for
from askfirst.rights.robotstxt import MAX_BYTES
from askfirst.rights.signals.robots_txt import robots_of, speaks_of

SOURCE = "Content-Signal in robots.txt"


def read_content_signals_robots(observation: Observation, agent: Agent) -> Statement:
    """What the file's Content-Signal lines say to this agent. Only a 2xx file is read."""
    if not speaks_of(observation, b"content-signal"):
        return SILENT
    lines = lines_for(robots_of(observation), KEYS, agent.product_token, read_signals, UNREAD)
    if not lines:
        return SILENT
    return ByJob(Lines(lines, partial(combine, Voice(PROTOCOL, SOURCE, SPEC, observation))))


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=read_content_signals_robots,
    max_bytes=MAX_BYTES,
)
