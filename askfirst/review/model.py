"""The nouns of a review: a fetch that somebody made, what was known of its place then, and what follows.

Rules of this file:

1. An outcome is never a bool, and what cannot be known is an outcome of its own.
2. What was said after a fetch proves nothing about it: :class:`Known` answers for the time of the fetch, or says in one
   line why it cannot.
3. A finding names the words that carried it (``decision.because``), or says why there are none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from askfirst.rights.model import Decision, Observation, Stage


class Outcome(StrEnum):
    """What is to be said of one fetch. ALLOWED: by what was captured, and no more. NOT_JUDGED: nobody who could have
    been told names himself, such as a visitor in an access log that no crawler's name stands for."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWABLE = "unknowable"
    NOT_JUDGED = "not-judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a response says, as far as it bears on rights, and no more of its body.

    ``media`` is its media type; ``seen`` are the response and what is inside it, empty where none of it speaks, and
    what pages said that show it; ``shows`` are the images of a page that may say something of them, each in its one
    spelling; ``bodiless``: its headers are known and its body, which may speak, is not.
    """

    media: str | None = None
    seen: tuple[Observation, ...] = ()
    shows: tuple[str, ...] = ()
    bodiless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One fetch as a log has it.

    ``at`` is an aware UTC time, None where the log gives none. ``address`` is that of the one who asked. ``where`` is
    ``file:line`` or ``file@offset``. ``response`` is what came back, of kind RESPONSE, where the log holds it;
    ``heard`` is the same after it was listened to, for logs that are too long to hold their responses.
    """

    url: str
    at: datetime | None = None
    user_agent: str | None = None
    address: str | None = None
    status: int | None = None
    where: str
    response: Observation | None = None
    heard: Heard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is to be said of one fetch.

    ``why`` is one line. ``decision`` is the one that followed, None where nothing could be decided; of a refusal its
    stage says whether the resource should not have been requested (FETCH) or could not be kept (KEEP). ``token`` is the
    robots.txt token that it was judged for. ``verified`` says whether the one who asked is who the name says, where
    that was looked at. ``reason`` is a short name of the sort of reason, for counting.
    """

    fetch: Fetch
    outcome: Outcome
    why: str
    decision: Decision | None = None
    token: str | None = None
    verified: str | None = None
    reason: str = ""

    @property
    def stage(self) -> Stage | None:
        """The stage at which it was refused; None for what was not."""
        refused = self.outcome is Outcome.REFUSED and self.decision is not None
        return self.decision.stage if refused and self.decision is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InPart:
    """What is known where robots.txt is not: the other documents, and in one line why that one is not. ``reason`` is
    its short name."""

    observations: tuple[Observation, ...] = ()
    why: str
    reason: str


class Known(Protocol):
    """What was known of the places of the web, over time."""

    def before(self, fetch: Fetch) -> tuple[Observation, ...] | InPart | str:
        """What the well-known documents of the fetch's origin said when it was made; or why that cannot be known, as
        one line or with what is known nevertheless. Judging is fast where the same state is the same tuple again, which
        is then to be held. Never raises on content."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A place in the input that could not be read, and what is wrong with it in one line."""

    where: str
    what: str


Entry = Fetch | Fault
"""What a reader of logs gives, in the order of the log."""

Entries = Iterable[Entry]
