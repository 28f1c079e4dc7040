"""``DisallowAITraining`` in robots.txt: draft-canel-robots-ai-control-00 (October 2024), "DisallowAITraining".

The draft expired, and its successor took up another vocabulary; the record is still found in the wild, and nobody can
mean anything else by it. The groups are those of askfirst.rights.robotstxt. It does not read ``AllowAITraining``: an
allow in a draft that expired is no permission.

1. The value is a path, matched as RFC 9309 matches those of Disallow. An empty value refuses nothing.
2. house: the records of the groups that name us, those of ``*`` groups and those of no group all count, each for
   itself: one refusal is enough.
3. Fetching is not its affair, and neither is a file that could not be read: askfirst.rights.signals.robots_txt answers
   for that.
"""

from __future__ import annotations

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Category,
    Kind,
    Observation,
    Reading,
    Signal,
    Verdict,
)
from askfirst.rights.patterns import PatternIndex
from askfirst.rights.reader import SILENT, Reader, Statement, Target, evidence
from askfirst.rights.robotstxt import MAX_BYTES, RobotsTxt
from askfirst.rights.signals.robots_txt import robots_of

PROTOCOL = "disallow-ai-training"
SOURCE = "DisallowAITraining in robots.txt"
_KEY = "disallowaitraining"
_SPEC = 'draft-canel-robots-ai-control-00 "DisallowAITraining"'


def read_disallow_ai_training(observation: Observation, agent: Agent) -> Statement:
    """What the file's DisallowAITraining records say to this agent. Only a 2xx file is read."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return SILENT
    # one look at the octets, UTF-16 included, before a file is taken apart for a record that nearly none has
    if _KEY.encode() not in observation.body.replace(b"\0", b"").lower():
        return SILENT
    robots = robots_of(observation)
    index = robots.refusing(_KEY, agent.product_token)
    return SILENT if index is None else _Paths(observation, robots, index)


class _Paths:
    """The paths of one file for one agent. Readings are remembered by line, so that they stay the same objects."""

    __slots__ = ("_by_line", "_index", "_observation", "_robots")

    def __init__(self, observation: Observation, robots: RobotsTxt, index: PatternIndex[int]) -> None:
        self._observation = observation
        self._robots = robots
        self._by_line: dict[int, Reading] = {}
        self._index = index

    def on(self, target: Target) -> Reading:
        line = self._index.longest(target.path)
        if line is None:
            return NOTHING
        reading = self._by_line.get(line)
        if reading is None:
            reading = self._by_line[line] = Reading(signals=(self._signal(abs(line)),))
        return reading

    def _signal(self, line: int) -> Signal:
        text = self._robots.text_of(line)
        return Signal(
            source=SOURCE,
            protocol=PROTOCOL,
            category=Category.TRAIN,
            basis=Basis.PREFERENCE,
            verdict=Verdict.REFUSE,
            evidence=evidence(self._observation, at=f"line {line}", text=text, spec=_SPEC),
        )


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=read_disallow_ai_training,
    max_bytes=MAX_BYTES,
)
