"""Listening to a response: what bears on rights is kept of it, and it may be let go of.

A response that says nothing is recognized without looking into it twice: most are such. Nothing is judged here, and
nothing is imported for it, because the processes that only read archives start with this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from askfirst.ports import Inspect
from askfirst.review.model import Heard
from askfirst.rights import html
from askfirst.rights.gathering import packets
from askfirst.rights.listening import Listeners
from askfirst.rights.media import may_be_html, media_type
from askfirst.rights.model import Care, Document, Kind, Observation
from askfirst.rights.patterns import one_spelling
from askfirst.rights.policy import Mode, Policy
from askfirst.rights.read import readers_for
from askfirst.rights.signals.license_challenge import PROTOCOL as CHALLENGES

_OF_A_RESPONSE: Final = frozenset({Kind.RESPONSE, Kind.ASSET})
_WORDS: Final = re.compile(r"no|dis|tdm|licen|[^\x00-\x7f]", re.IGNORECASE)
"""One of these is in whatever refuses something of images; what is not ASCII may look like one."""
_CHALLENGES: Final = frozenset({401, 402})
_SILENT_PAGE: Final = Heard(media="text/html")
_PLAIN: Final = Observation(
    document=Document(kind=Kind.RESPONSE, url="https://host.invalid/"),
    status=200,
    observed_at=datetime.max.replace(tzinfo=UTC),
)


class Ears:
    """Listens to responses under one policy, whoever asked. What only a library can read is read by ``inspect``, or by
    what ``opens`` gives for the policy. Ears with an ``inspect`` cannot be sent to other processes, all others can."""

    def __init__(
        self, policy: Policy, *, inspect: Inspect | None = None, opens: Callable[[Policy], Inspect] | None = None
    ) -> None:
        self._opens = opens
        self.can_be_sent = inspect is None
        self._inspect = inspect or (_sees_nothing if opens is None else opens(policy))
        self.policy = policy
        self.readers = readers_for(policy)
        self.listeners = Listeners(self.readers)
        self.of_responses = Listeners(r for r in self.readers if not _OF_A_RESPONSE.isdisjoint(r.kinds))
        self.naming = Listeners(
            r for r in self.readers if r.names is not None and policy.mode(r.protocol, r.mode) is Mode.OBEY
        )
        self._fields = frozenset(field for r in self.readers if Kind.PAGE in r.kinds for field in r.fields)
        # a reader of no field and no markup hears every response; ours is silent but for these answers
        always = self.of_responses.to(_PLAIN)
        self._only_challenges = all(r.protocol == CHALLENGES for r in always)
        self._always = len(always)

    def __reduce__(self) -> tuple[Callable[..., Ears], tuple[Policy, Callable[[Policy], Inspect] | None]]:
        assert self.can_be_sent
        return _ears, (self.policy, self._opens)

    def hear(self, response: Observation, *, bodiless: bool = False) -> Heard:
        """What it says, with no more of its body than bears on rights."""
        media = media_type(response)
        inside = packets(response)
        if inside:
            inside = (*inside, *self._inspect(response, inside))
        elif not bodiless and self._is_silent(response):
            return _SILENT_PAGE if media == "text/html" else Heard(media=media)
        shows = () if bodiless or not self._may_speak_of_images(response) else html.elements(response).images
        return Heard(
            media=media,
            seen=(html.relied_on(response), *inside),
            shows=tuple(dict.fromkeys(map(one_spelling, shows))),
            bodiless=bodiless,
        )

    def _may_speak_of_images(self, response: Observation) -> bool:
        """One cheap look, which says yes too often, because to find a page's images takes longer than all else."""
        if not may_be_html(response):
            return False
        page = html.elements(response)
        if any(_WORDS.search(meta.text) for meta in page.metas):
            return True
        if self.policy.care > Care.LITERAL and (page.license_links or page.scripts):
            return True
        return any(
            _WORDS.search(f"{name}: {value}") for name, value in response.headers if name.lower() in self._fields
        )

    def _is_silent(self, response: Observation) -> bool:
        if response.status in _CHALLENGES or not self._only_challenges:
            return False
        return len(self.of_responses.to(response)) == self._always


def _sees_nothing(_response: Observation, _inside: Sequence[Observation]) -> Sequence[Observation]:
    return ()


def _ears(policy: Policy, opens: Callable[[Policy], Inspect] | None) -> Ears:
    return Ears(policy, opens=opens)
