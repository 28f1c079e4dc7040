"""What one origin says to one agent, parsed once and asked for every URL; and the rulings that follow, remembered.

Rules:

1. Equal readings share one ruling. Statements give the same reading objects again, so readings are told apart by
   identity; they are held beside the ruling, because an identity is only a key while its object lives. Statements
   that say the same of every place are asked once.
2. What a single response or a single URL said is not remembered: it would only push out what recurs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from askfirst.rights.decide import rule
from askfirst.rights.model import NOTHING, Intent, Observation, Origin, Reading, Ruling, Stage
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import Policy
from askfirst.rights.read import join_readings
from askfirst.rights.reader import Constant, Statement, Target

MAX_RULINGS = 4_096

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Standing:
    """What one origin, and the operator's own papers, say to one agent. ``recorded`` is the record in which the
    observations were kept last (see askfirst.recording); ``asked_whom``: it was also looked up whom to ask."""

    origin: Origin
    observations: tuple[Observation, ...]
    statements: tuple[Statement, ...]
    fresh_until: datetime
    looked_at: bytes
    asked_whom: bool = False
    recorded: int = 0
    _rulings: dict[tuple[int, ...], tuple[Ruling, list[Reading]]] = field(default_factory=dict)
    _always: list[Reading] = field(init=False)
    _by_place: list[Statement] = field(init=False)

    def __post_init__(self) -> None:
        self._always = [s.reading for s in self.statements if isinstance(s, Constant)]
        self._by_place = [s for s in self.statements if not isinstance(s, Constant)]

    def ruling(
        self, intent: Intent, parts: Sequence[Statement], policy: Policy, *, stage: Stage, at: datetime
    ) -> Ruling:
        """What follows for this intent from what the origin says and from ``parts``. ``policy`` is always the same."""
        place = Target.of(intent)
        said = [statement.on(place) for statement in self._by_place]
        own = [reading for part in parts if (reading := part.on(place)) is not NOTHING] if parts else ()
        if own:
            return rule(intent.purpose, join_readings([*self._always, *said, *own]), policy, stage=stage, at=at)
        # identities, because an enum member's hash is a call into Python
        key = (id(intent.purpose), id(stage), *map(id, said))
        found = self._rulings.get(key)
        if found is not None and (found[0].expires_at is None or found[0].expires_at > at):
            return found[0]
        ruling = rule(intent.purpose, join_readings([*self._always, *said]), policy, stage=stage, at=at)
        if len(self._rulings) >= MAX_RULINGS:
            self._rulings.clear()
        self._rulings[key] = (ruling, said)
        return ruling


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registries and the displaying pages say of one URL."""

    observations: tuple[Observation, ...]
    statements: tuple[Statement, ...]
    fresh_until: datetime


UNASKED = Answer((), (), datetime.max.replace(tzinfo=UTC))
"""The answer where no registry is asked."""


def authority_of(url: str) -> str:
    """The URL up to its path. INVARIANT: two URLs that agree in it have the same origin. A URL in whose beginning
    anything is that parsers strip is spelled out first; raises UrlError."""
    end = url.find("/", 8)
    authority = url if end < 0 else url[:end]
    return authority if _is_plain(authority) else str(origin_of(url))


@lru_cache(maxsize=1_024)  # asked several times about every URL, and a crawl has few authorities at a time
def _is_plain(authority: str) -> bool:
    return authority.startswith(("http://", "https://")) and " " not in authority and authority.isprintable()
