"""Listening to a response: what bears on rights is kept of it, and it may be let go of.

A response that says nothing is recognized without looking into it twice, and most of these, pages of which the bytes
alone show it, without making an observation of them. Nothing is judged here, and nothing is imported for it, because
the processes that only read archives start with this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
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
# no work that holds metadata begins so, nor what is marked up as one
_PAGES_BEGIN: Final = (b"<!", b"<h", b"<H", b"\n", b"\r", b" ", b"\t", b"\xef\xbb\xbf<!")
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
        self._heard_fields = frozenset(name for r in self.readers if Kind.RESPONSE in r.kinds for name in r.fields)

    def __reduce__(self) -> tuple[Callable[..., Ears], tuple[Policy, Callable[[Policy], Inspect] | None]]:
        assert self.can_be_sent
        return _ears, (self.policy, self._opens)

    def silent(self, status: int | None, headers: Sequence[tuple[str, str]], body: bytes) -> Heard | None:
        """What ``hear`` says of a response with a body, where that is nothing and can be told sooner; else None.

        INVARIANT: it is HTML by its last Content-Type and begins as no work does that metadata is looked for in; it has
        none of the fields that are read, and what it says is not its status; and its bytes show that it has no markup
        that is read.
        """
        if not self._only_challenges or status in _CHALLENGES or not body.startswith(_PAGES_BEGIN):
            return None
        told = ""
        for name, value in headers:
            field = name.lower()
            if field in self._heard_fields:
                return None
            if field == "content-type":
                told = value
        return _SILENT_PAGE if _is_html(told) and html.says_nothing(body) else None

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


@lru_cache(maxsize=512)
def _is_html(value: str) -> bool:
    """Whether a Content-Type without doubt says HTML."""
    return "," not in value and value.partition(";")[0].strip(" \t").lower() == "text/html"


def _sees_nothing(_response: Observation, _inside: Sequence[Observation]) -> Sequence[Observation]:
    return ()


def _ears(policy: Policy, opens: Callable[[Policy], Inspect] | None) -> Ears:
    return Ears(policy, opens=opens)
