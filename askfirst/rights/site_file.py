"""A small text file that a site puts at a well-known path to say what may be done: ai.txt, trust.txt and their like.

What it does here is the same for all of them: what follows where there is no file to read, and what its text is. What
the words mean is for the signal files.

1. 404, 410 and the other 4xx, and 204: nothing; 401, 403: a remark. 429, 5xx, 3xx and outages: DEFER, because the file
   may hold a refusal. house: of a look that was forbidden to us only a suspicious reader concludes anything.
2. HTML is no such file: sites of one page answer every path with it.
3. UTF-16 is read with and without its mark, and octets that are not UTF-8 become replacement characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from askfirst.rights.model import Care, Evidence, Observation, Outage, Reading, RemarkKind, Signal
from askfirst.rights.reader import SILENT, Constant, Statement, evidence, outcome, remark
from askfirst.rights.robotstxt import utf_16_codec

MAX_LINES = 20_000


def unread(
    observation: Observation, deferred: Callable[[Care, Evidence], Signal], *, source: str, spec: str
) -> Statement | None:
    """What follows from the status alone; None when there is a file to read. ``deferred`` makes the signal that a
    place could not be looked at."""
    status = observation.status
    answered = observation.outage is None and status is not None and 200 <= status < 500 and status != 429
    if not answered or status is None or 300 <= status < 400:
        care = Care.STRICT if observation.outage is Outage.BLOCKED else Care.LITERAL
        how = outcome(observation)
        return Constant(Reading(signals=(deferred(care, evidence(observation, at=how, text=how, spec=spec)),)))
    if status in {401, 403}:
        return remarked(observation, "the file is closed: no rule is read", source=source, spec=spec)
    return SILENT if status >= 400 or status == 204 else None


def remarked(observation: Observation, note: str, *, source: str, spec: str) -> Statement:
    """A file of which nothing is read, and why."""
    how = outcome(observation)
    words = evidence(observation, at=how, text=how, spec=spec)
    return Constant(Reading(remarks=(remark(source, RemarkKind.IGNORED, note, words),)))


def text_of(body: bytes) -> str:
    """The text of the file, without a byte order mark."""
    return body.decode(utf_16_codec(body) or "utf-8", "replace").removeprefix("\ufeff")


def lines_of(text: str) -> tuple[list[str], bool]:
    """The first 20,000 lines, which end at CR, LF or CRLF, and whether there are more."""
    lines = re.split(r"\r\n|\r|\n", text, maxsplit=MAX_LINES)
    return lines[:MAX_LINES], len(lines) > MAX_LINES


def is_page(text: str) -> bool:
    """Whether an HTML or XML page stands in the file's place."""
    return text.lstrip()[:1] == "<"


def served_as_html(observation: Observation) -> bool:
    """Whether the Content-Type says that it is a page, whatever its text is."""
    return any("html" in value.lower() for value in observation.field_values("content-type"))
