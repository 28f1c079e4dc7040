"""The ``Link`` response field: RFC 8288 section 3, as it is written in practice.

It finds the links of a field and gives them no meaning. Targets are as they stand; whoever wants an address resolves
them against the document's own.

1. ``<target>`` and its parameters, until the comma behind them; a comma inside ``<…>`` or a quoted string ends nothing.
2. Of several ``rel`` parameters the first one counts (section 3.3), and of several ``type`` ones, too. Relation types
   are separated by white space and compared without case.
3. A link with ``anchor`` speaks of something else, and is left out unless the anchor is empty or a fragment (section
   3.2). house: ``rev`` is not read.
4. house: what is no link is skipped as far as the next comma, so that one broken link hides no other. A value of more
   than 8 KiB is read as far as that, and no more than 64 links are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MAX_VALUE_CHARS: Final = 8_192
MAX_LINKS: Final = 64


class Link(NamedTuple):
    """One link: ``rels`` in lower case; ``type`` is the media type in lower case, without parameters; ``text`` is the
    link as it stands in the field."""

    target: str
    rels: tuple[str, ...]
    type: str | None
    text: str


# every repeat is possessive: a value is read once, from left to right
_BETWEEN: Final = re.compile(r"[ \t,]*+")
_TARGET: Final = re.compile(r"<([^<>]*+)>")
_PARAMETER: Final = re.compile(
    r"[ \t]*+;[ \t]*+([^ \t;,=<>\"]++)?[ \t]*+(?:=[ \t]*+(?:\"((?:[^\"\\]|\\.)*+)(?:\"|\\?\Z)|([^ \t;,\"]*+)))?",
    re.DOTALL,
)
_REST: Final = re.compile(r"(?:[^,\"<]++|\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|<[^<>,]*+>?)*+", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def links(values: Iterable[str]) -> list[Link]:
    """Every link of the field's values, in order. Never raises."""
    found: list[Link] = []
    for value in values:
        for link in _links(value[:MAX_VALUE_CHARS]):
            found.append(link)
            if len(found) == MAX_LINKS:
                return found
    return found


def _links(value: str) -> Iterator[Link]:
    at = 0
    while at < len(value):
        at = _end(_BETWEEN, value, at)
        target = _TARGET.match(value, at)
        if target is None:
            at = _end(_REST, value, at) + 1
            continue
        parameters: dict[str, str] = {}
        end = target.end()
        while (parameter := _PARAMETER.match(value, end)) is not None:
            quoted = parameter[2]
            said = _ESCAPED.sub(r"\1", quoted) if quoted is not None else parameter[3] or ""
            parameters.setdefault((parameter[1] or "").lower().rstrip("*"), said)
            end = parameter.end()
        at = _end(_REST, value, end) + 1
        anchor = parameters.get("anchor", "").strip()
        if not anchor or anchor.startswith("#"):
            yield Link(
                target=target[1].strip(),
                rels=tuple(dict.fromkeys(parameters.get("rel", "").lower().split())),
                type=parameters.get("type", "").partition(";")[0].strip().lower() or None,
                text=value[target.start() : end],
            )


def _end(pattern: re.Pattern[str], value: str, at: int) -> int:
    """Where the match that begins here ends."""
    found = pattern.match(value, at)
    # INVARIANT: both patterns match the empty text, so there always is a match
    return at if found is None else found.end()
