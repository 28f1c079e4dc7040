"""What other documents say of an image: the pages that display it, and the original that it is a rendition of.

A page's word about its images travels to them, wherever they live; a refusal inside one rendition of a picture travels
to the others (``srcset``, ``picture``, a thumbnail that leads to its original). Through the shared store it reaches the
other workers too.

Rules:

1. Only pages that say something about their images are remembered, with the elements that say it and the images, and
   nothing else of them. Renditions are remembered in this process, for pages that show any.
2. The store is asked once about each address that looks like a picture's. A store that fails is a miss, counted.
3. What travels can only refuse (``read`` sees to it), and stays for a day, as what a site said does.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from askfirst.ports import Cache, EdgeError
from askfirst.rights import html
from askfirst.rights.media import looks_like_image
from askfirst.rights.model import Care, Covers, Kind, Observation, Signal
from askfirst.rights.patterns import one_spelling
from askfirst.rights.reader import Statement, Target
from askfirst.rights.wire import WireError, canonical, observation_to_wire, parse_observation

MAX_IMAGES = 100_000
MAX_SAID_OF_AN_IMAGE = 8
MAX_SHARED_IMAGES = 500
KEEP_S = 86_400
FORMAT = 1

T = TypeVar("T")

_LEADS_TO_AN_IMAGE: Final = re.compile(rb"<a\b[^>]{1,300}\.(?:jpe?g|png|webp|gif|avif|tiff?)[\"'?\s>]")


def _may_show_renditions(body: bytes) -> bool:
    """One cheap look, so that other pages are not parsed for them; from behind, which takes half the time."""
    return body.rfind(b"srcset") >= 0 or body.rfind(b"<picture") >= 0 or _LEADS_TO_AN_IMAGE.search(body) is not None


class Displays:
    """What was said elsewhere, by image."""

    def __init__(self, cache: Cache, *, care: Care, salt: str, count: Callable[[str], None]) -> None:
        self._cache = cache
        self._care = care
        self._salt = salt
        self._count = count
        self._said: OrderedDict[str, tuple[Observation, ...]] = OrderedDict()
        self._renditions: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._asked: OrderedDict[str, None] = OrderedDict()

    def of(self, url: str) -> tuple[Observation, ...]:
        """What is known here of what this URL names: pages as observations of kind PAGE, other renditions as
        ORIGINAL."""
        return self._said.get(one_spelling(url), ()) if self._said else ()

    def must_ask(self, url: str) -> bool:
        """Whether the store may know more than we do."""
        return looks_like_image(url) and url not in self._asked

    async def ask(self, url: str) -> None:
        """Takes over what the store knows of this URL."""
        _remember(self._asked, url, None)
        image = one_spelling(url)
        try:
            (listed,) = await self._cache.get_many([self._key("shown", image)])
            names = [] if listed is None else msgspec.json.decode(listed, type=list[str])
            for value in await self._cache.get_many(names) if names else ():
                if value is not None:
                    self._add(image, parse_observation(msgspec.json.decode(value)))
        except EdgeError:
            self._count("cache/unreachable")
        except (WireError, msgspec.MsgspecError, RecursionError):
            self._count("cache/unreadable")

    async def note_page(self, response: Observation, said: Iterable[Statement], place: Target) -> None:
        """Remembers the page for its images, if anything it said is about them; and which images are renditions."""
        if _may_show_renditions(response.body):
            for group in html.elements(response).renditions:
                images = tuple(dict.fromkeys(map(one_spelling, group)))
                for image in images:
                    _remember(self._renditions, image, images)
        if any(
            signal.covers is Covers.PAGE_IMAGES and signal.care <= self._care
            for part in said
            for signal in part.on(place).signals
        ):
            page = replace(
                response,
                document=replace(response.document, kind=Kind.PAGE),
                body=html.excerpt(response, with_images=True),
                whole_digest=response.digest,
            )
            await self._tell(page, dict.fromkeys(map(one_spelling, html.elements(response).images)))

    async def note_refusal(self, url: str, because: Sequence[Signal], seen: Iterable[Observation]) -> None:
        """Remembers for the other renditions what this one refused with, if it was its own word."""
        image = one_spelling(url)
        others = [other for other in self._renditions.get(image, ()) if other != image]
        if not others:
            return
        words = {(s.evidence.document_url, s.evidence.digest) for s in because}
        for one in seen:
            if (one.document.url, one.digest) in words:
                await self._tell(replace(one, document=replace(one.document, kind=Kind.ORIGINAL)), others)

    async def _tell(self, said: Observation, images: Iterable[str]) -> None:
        listed = list(images)
        for image in listed:
            self._add(image, said)
        name = self._key("said", f"{said.document.kind} {said.document.url} {said.digest}")
        try:
            await self._cache.put(name, canonical(observation_to_wire(said)), keep_s=KEEP_S)
            for image in listed[:MAX_SHARED_IMAGES]:
                key = self._key("shown", image)
                (known,) = await self._cache.get_many([key])
                names = [] if known is None else msgspec.json.decode(known, type=list[str])
                names = [*[n for n in names if n != name][1 - MAX_SAID_OF_AN_IMAGE :], name]
                await self._cache.put(key, msgspec.json.encode(names), keep_s=KEEP_S)
        except EdgeError:
            self._count("cache/unreachable")
        except msgspec.MsgspecError:
            self._count("cache/unreadable")

    def _add(self, image: str, said: Observation) -> None:
        document = said.document
        others = tuple(
            o for o in self._said.get(image, ()) if (o.document.kind, o.document.url) != (document.kind, document.url)
        )
        _remember(self._said, image, (*others[1 - MAX_SAID_OF_AN_IMAGE :], said))

    def _key(self, what: str, name: str) -> str:
        return f"{what}:{FORMAT}:{self._salt}:{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _remember(known: OrderedDict[str, T], key: str, value: T) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > MAX_IMAGES:
        known.popitem(last=False)
