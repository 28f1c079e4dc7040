"""A second, older reader of robots.txt, for suspicious policies and for the tester.

Many crawlers read robots.txt as it was read before RFC 9309: the first rule that matches, not the longest. Where such
a reader would refuse, policy ``strict`` refuses too. The reader is robotexclusionrulesparser, bounded by
askfirst.rights.second_reader; a file or a URL outside the bounds is not asked about, and that is remarked.
"""

from __future__ import annotations

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Category,
    Kind,
    Observation,
    Reading,
    RemarkKind,
    Signal,
    Verdict,
)
from askfirst.rights.reader import SILENT, Reader, Statement, Target, evidence, remark
from askfirst.rights.robotstxt import MAX_BYTES
from askfirst.rights.second_reader import Answer, SecondReader, prepare

PROTOCOL = "robots.txt-second-reader"
SOURCE = "robots.txt, as older crawlers read it"
_SPEC = "the 1996 draft, first match"


def read_older(observation: Observation, agent: Agent) -> Statement:
    """What an older reader makes of the file. Only a 2xx file is read; statuses are the first reader's affair."""
    if observation.outage is not None or observation.status is None or not 200 <= observation.status < 300:
        return SILENT
    return _Older(observation, prepare(observation.body, agent.product_token))


class _Older:
    """Its opinions on one file. Readings are remembered by answer, so that they stay the same objects."""

    __slots__ = ("_by_answer", "_observation", "_reader")

    def __init__(self, observation: Observation, reader: SecondReader) -> None:
        self._observation = observation
        self._reader = reader
        self._by_answer: dict[str, Reading] = {}

    def on(self, target: Target) -> Reading:
        opinion = self._reader.opinion(target.intent.url)
        if opinion.answer is Answer.ALLOWED:
            return NOTHING
        why = "first matching rule refuses" if opinion.reason is None else opinion.reason
        reading = self._by_answer.get(why)
        if reading is None:
            reading = self._by_answer[why] = self._reading(opinion.answer, why)
        return reading

    def _reading(self, answer: Answer, why: str) -> Reading:
        words = evidence(self._observation, at="whole file", text=why, spec=_SPEC)
        if answer is Answer.NOT_ASKED:
            return Reading(remarks=(remark(SOURCE, RemarkKind.IGNORED, f"not asked: {why}", words),))
        return Reading(
            signals=(
                Signal(
                    source=SOURCE,
                    protocol=PROTOCOL,
                    category=Category.FETCH,
                    basis=Basis.ACCESS_RULE,
                    verdict=Verdict.REFUSE,
                    care=Care.STRICT,
                    evidence=words,
                ),
            ),
        )


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/robots.txt",),
    parse=read_older,
    max_bytes=MAX_BYTES,
    care=Care.STRICT,
)
