"""ai.txt and ai.json of draft-car-ai-txt-wellknown-00 (2026), bytes to values: both forms become the same.

The text is lines of ``Key: value``, for everybody at column 0 and for one agent where they are indented below
``Agent: name``. The JSON has ``site``, ``policies``, ``trainingPaths``, ``licensing``, ``agents``, ``content`` and
``compliance``. What the values mean is for askfirst.rights.signals.ai_txt_car; nothing is decided here.

1. A key is read in any case; ``#`` begins a comment line. Blank lines end nothing, a line at column 0 ends a block.
2. An agent is named by the first word of its user agent, or by its token, in any case; ``*`` is every agent.
3. house: a line below an Agent block that has nothing in it, an indented line outside a block, and a value of another
   shape in JSON are *astray*: nobody can be sure what they are about.
4. house: of repeated keys all values are kept, in JSON too. The globs beyond 5,000 make the file cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from askfirst.rights.model import Agent
from askfirst.rights.site_file import lines_of

SITE: Final = "site"
EVERY_AGENT: Final = "*"
US: Final = "us"
_OTHERS: Final = "others"
MAX_GLOBS: Final = 5_000
_MAX_KEY_CHARS: Final = 64
_NAME_ENDS: Final = re.compile(r"[/\s]")
_FILLING: Final = re.compile(r"[-_\s]+")

# where in the JSON a key of the text has its value
_PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "site": {"name": "site-name", "url": "site-url", "contact": "contact", "policyurl": "policy-url"},
    "policies": {key: key for key in ("training", "scraping", "indexing", "caching")},
    "trainingpaths": {"allow": "training-allow", "deny": "training-deny"},
    "licensing": {"license": "training-license", "feeurl": "training-fee"},
    "content": {"attribution": "attribution", "aidisclosure": "ai-disclosure"},
    "compliance": {"audit": "audit"},
}
# house: what a site may ask of one agent
_OF_AGENTS: Final = {
    **_PLACES["policies"],
    **_PLACES["licensing"],
    **_PLACES["content"],
    **_PLACES["compliance"],
    "trainingdeny": "training-deny",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One value: under which key, where, and the words themselves."""

    key: str
    value: str
    at: str
    text: str
    astray: bool = False


@dataclass(slots=True)
class CarFile:
    """What one file says to the site's visitors, to every agent and to us. ``is_draft``: it has the keys of the draft;
    ``complete``: also those that the draft requires. ``cut``: there was more than is read."""

    is_draft: bool = False
    cut: bool = False
    others: Said | None = None
    _said: dict[tuple[str, str], list[Said]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return self.first("site-name") is not None and self.first("site-url") is not None

    def given(self, key: str, whom: str = SITE) -> list[Said]:
        """The values of a key, in order."""
        return self._said.get((whom, key), [])

    def heard(self, key: str) -> list[Said]:
        """The values of a key wherever they are said to us: for what restricts."""
        return [*self.given(key), *self.given(key, EVERY_AGENT), *self.given(key, US)]

    def demanded(self, key: str) -> Said | None:
        """The first of these that is not empty."""
        return next((one for one in self.heard(key) if one.value or one.astray), None)

    def first(self, key: str) -> Said | None:
        """The first value of a key that is not empty."""
        return next((one for one in self.given(key) if one.value), None)

    def any(self) -> Said | None:
        """Some value, to show what sort of file it is."""
        return next((one for said in self._said.values() for one in said), None)

    def astray(self) -> Said | None:
        """The first value that stands where it has no place."""
        return next((one for said in self._said.values() for one in said if one.astray), None)

    def add(self, whom: str, one: Said) -> None:
        if whom == _OTHERS:
            self.others = self.others or one
            return
        listed = self._said.setdefault((whom, one.key), [])
        if len(listed) < MAX_GLOBS:
            listed.append(one)
        else:
            self.cut = True


def names_of(agent: Agent) -> frozenset[str]:
    """What the draft calls us, in lower case. ``Mozilla`` is everybody's first word and nobody's name."""
    return frozenset({_name(agent.product_token), _name(agent.user_agent)} - {"", "mozilla"})


def _name(value: str) -> str:
    return _NAME_ENDS.split(value.strip(), maxsplit=1)[0].lower()


def _whom(value: str, names: frozenset[str]) -> str:
    name = _name(value)
    return EVERY_AGENT if name == "*" else US if name in names else _OTHERS


# -- text -------------------------------------------------------------------------------------------------------------


def of_lines(text: str, names: frozenset[str]) -> CarFile:
    """The values of the text form. Never raises on content."""
    file = CarFile()
    lines, file.cut = lines_of(text)
    block: str | None = None
    empty = False
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        key, mark, value = bare.partition(":")
        if not mark or bare[0] == "#" or len(key) > _MAX_KEY_CHARS:
            continue
        key = key.strip().lower()
        inner = line[0] in " \t"
        if key == "agent":
            block, empty = _whom(value, names), True
            continue
        if inner and block is not None:
            whom, empty, astray = block, False, False
        else:
            whom, astray = SITE, inner or (block is not None and empty)
            block = block if astray else None
            file.is_draft = file.is_draft or (not astray and key in {"site-name", "training"})
        file.add(whom, Said(key, value.strip(), f"line {number}", bare, astray))
    return file


# -- JSON -------------------------------------------------------------------------------------------------------------


class _Members(dict[str, list[object]]):
    """A JSON object: every value that each name was given, in order."""


def _members(pairs: list[tuple[str, object]]) -> _Members:
    members = _Members()
    for name, value in pairs:
        members.setdefault(name, []).append(value)
    return members


def _number(digits: str) -> object:
    return int(digits) if len(digits) < 20 else float(digits)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_int=_number, parse_constant=_no_constant)


def of_json(body: bytes, names: frozenset[str]) -> CarFile:
    """The values of the JSON form. Raises ValueError or RecursionError for what is no object of strict JSON."""
    top = _DECODER.decode(body.decode("utf-8-sig"))
    if not isinstance(top, _Members):
        raise ValueError("no JSON object")  # noqa: TRY004  # it is content, and no mistake of the caller
    file = CarFile()
    plain = {_plain(name) for name in top}
    file.is_draft = "policies" in plain or {"site", "specversion"} <= plain
    for name, value in _pairs(top):
        place = _PLACES.get(_plain(name))
        if place is not None:
            _add_members(file, SITE, f"/{name}", value, place)
        elif _plain(name) == "agents":
            if not isinstance(value, _Members):
                file.add(US, _said("training", value, f"/{name}", astray=True))
            for agent, fields in _pairs(value):
                whom, at = _whom(agent, names), f"/{name}/{agent[:_MAX_KEY_CHARS]}"
                if isinstance(fields, str):
                    file.add(whom, _said("training", fields, at, astray=True))
                _add_members(file, whom, at, fields, _OF_AGENTS)
    return file


def _plain(name: str) -> str:
    return _FILLING.sub("", name).lower()


def _pairs(value: object) -> Iterator[tuple[str, object]]:
    """The members of an object, each value of a name for itself; nothing for what is no object."""
    if isinstance(value, _Members):
        for name, values in value.items():
            for one in values:
                yield name, one


def _add_members(file: CarFile, whom: str, at: str, value: object, place: Mapping[str, str]) -> None:
    for name, member in _pairs(value):
        key = place.get(_plain(name))
        if key is None and place is _PLACES["licensing"] and member:
            file.add(whom, _said("training-fee", member, f"{at}/{name}", astray=True))
        if key is None:
            continue
        if isinstance(member, list):
            astray = place is not _PLACES["trainingpaths"]
            for index, one in enumerate(member):
                file.add(whom, _said(key, one, f"{at}/{name}/{index}", astray=astray))
        else:
            file.add(whom, _said(key, member, f"{at}/{name}"))


def _said(key: str, value: object, at: str, *, astray: bool = False) -> Said:
    """A member of the JSON. What is no text is no value of the draft, and is shown as what it is."""
    if isinstance(value, str):
        return Said(key, value.strip(), at, value, astray)
    shown = str(value).lower() if isinstance(value, bool) else "null" if value is None else "not a text"
    return Said(key, "", at, shown, astray)
