"""A second, independent reader of robots.txt: robotexclusionrulesparser 1.7, as older crawlers read the file.

It follows the conventions of 1996 and 2008: the *first* rule that matches, blank lines end a group, a user-agent value
is looked for anywhere in the caller's name. It can only be asked for more caution (policy ``strict`` refuses if either
reader does) and to show where readers differ; it is never the only one. What RFC 9309 says is in ``robotstxt.py``.

1. It turns publishers' patterns into regular expressions, so its work is bounded before it is asked: by the size of
   the file, what compiling costs, and how often ``.*`` can start again on this very URL. Beyond a bound it is not
   asked, and the opinion says why. No clock and no thread is needed for that.
2. An opinion that was not asked for is no opinion: it neither allows nor refuses.
3. ``/robots.txt`` itself is never asked about: RFC 9309 section 2.2.2 allows it always.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from askfirst.rights.patterns import target

if TYPE_CHECKING:
    from robotexclusionrulesparser import RobotExclusionRulesParser

# its own limit for a file; parsing that much takes some 30 ms
MAX_BODY_BYTES: Final = 100 * 1024
MAX_URL_CHARS: Final = 2048
# compiling costs some 25 us for a pattern and up to 4 us for an octet; within this, some 20 ms
MAX_COMPILE_COST: Final = 10_000
_COST_OF_A_PATTERN: Final = 25
# places at which a regular expression may have to look, at up to 0.6 ns; within this, some 20 ms
MAX_STEPS: Final = 30_000_000

_RULE: Final = re.compile(r"(?:allow|disallow):[ \t]*([^\r\n#]*)", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x1f]|\x0f7")
_SLASH: Final = re.compile("%2F", re.IGNORECASE)


class Answer(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the second reader says; ``reason`` is set when it was not asked."""

    answer: Answer
    reason: str | None = None


class SecondReader:
    """The second reader with one file before it, for one agent."""

    __slots__ = ("_agent", "_parser", "_patterns", "_reason")

    def __init__(
        self,
        agent_user_agent: str,
        parser: RobotExclusionRulesParser | None,
        patterns: tuple[tuple[str, ...], ...],
        reason: str | None,
    ) -> None:
        self._agent = agent_user_agent
        self._parser = parser
        self._patterns = patterns
        self._reason = reason

    def opinion(self, url: str) -> Opinion:
        """Its opinion of ``url``. Takes bounded time; never raises on content."""
        if self._parser is None:
            return Opinion(Answer.NOT_ASKED, self._reason)
        if len(url) > MAX_URL_CHARS:
            return Opinion(Answer.NOT_ASKED, f"the URL has more than {MAX_URL_CHARS} characters")
        if target(url) == "/robots.txt":
            return Opinion(Answer.NOT_ASKED, "/robots.txt itself is always allowed")
        if _steps(self._patterns, _unquoted(url)) > MAX_STEPS:
            return Opinion(Answer.NOT_ASKED, "the patterns could take too long on this URL")
        try:
            allowed = self._parser.is_allowed(self._agent, url)
        except ValueError:
            return Opinion(Answer.NOT_ASKED, "the second reader cannot take this URL apart")
        return Opinion(Answer.ALLOWED if allowed else Answer.REFUSED)


def prepare(body: bytes, agent_user_agent: str) -> SecondReader:
    """The second reader for a robots.txt and the name of an agent, to be asked many times. Never raises on content."""
    # the package imports an HTTP client, which is slow, and is needed under one policy only
    from robotexclusionrulesparser import RobotExclusionRulesParser  # noqa: PLC0415

    if len(body) > MAX_BODY_BYTES:
        return SecondReader(agent_user_agent, None, (), f"the file has more than {MAX_BODY_BYTES} bytes")
    text = _text(body)
    wild = [path for path in map(_as_it_reads, _RULE.findall(text)) if "*" in path or path.endswith("$")]
    cost = sum(len(path) + _COST_OF_A_PATTERN for path in set(wild))
    if cost > MAX_COMPILE_COST:
        return SecondReader(agent_user_agent, None, (), "the file has more wildcards than the second reader can take")
    parser = RobotExclusionRulesParser()
    parser.parse(text)
    return SecondReader(agent_user_agent, parser, tuple(tuple(re.split(r"\*+", path)) for path in wild), None)


def second_opinion(body: bytes, agent_user_agent: str, url: str) -> Opinion:
    """The second reader's opinion of one URL under the robots.txt in ``body``. Never raises on content."""
    return prepare(body, agent_user_agent).opinion(url)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _unquoted(text: str) -> str:
    """As the second reader compares: every escape decoded but that of a slash, and a line feed like a slash."""
    return unquote(_SLASH.sub("\n", text)).replace("\n", "%2F")


def _as_it_reads(value: str) -> str:
    """A rule's value as the second reader keeps it: it drops control characters before it decodes."""
    return _unquoted(_CONTROLS.sub("", value).strip())


def _steps(patterns: tuple[tuple[str, ...], ...], url: str) -> int:
    """At most how many places the second reader's expressions look at in ``url``.

    Each ``.*`` is tried from every place where the segment before it ends; a segment can stand at most where its first
    character does. INVARIANT: never less than the real number, or the bound is none.
    """
    total = 0
    for segments in patterns:
        starts = 1
        for segment in segments[1:]:
            found = url.count(segment[0]) if segment and segment != "$" else 1
            total += starts * (len(url) + found * len(segment))
            starts *= found
            if not starts:
                break
            if total > MAX_STEPS:
                return total
    return total
