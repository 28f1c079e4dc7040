"""What other documents say of an image: the pages that display it, and the original that it is a rendition of.

A page's word about its images travels to them, wherever they live; a refusal inside one rendition of a picture travels
to the others (``srcset``, ``picture``, a thumbnail that leads to its original). Through the shared store it reaches the
other workers too.

Rules:

1. Only pages that say something about their images are remembered, with the elements that say it and the images, and
   nothing else of them. Renditions are remembered in this process, for pages that show any.
2. The store is asked about what is a picture, or looks like one by its address, once an hour. A store that fails is a
   miss, counted, and is asked again soon. INVARIANT: nobody decides about a picture while the store is being asked.
3. What travels can only refuse (``read`` sees to it), and stays for a day, as what a site said does.
4. What is remembered here is bounded in bytes: what was said longest ago goes first.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from askfirst.ports import Cache, EdgeError
from askfirst.rights import html
from askfirst.rights.media import looks_like_image
from askfirst.rights.model import Care, Covers, Kind, Observation, Signal
from askfirst.rights.patterns import one_spelling
from askfirst.rights.reader import Statement, Target
from askfirst.rights.wire import WireError, canonical, observation_to_wire, parse_observation

MAX_BYTES: Final = 128 * 1024 * 1024
MAX_IMAGES: Final = 100_000
MAX_SAID_OF_AN_IMAGE: Final = 8
MAX_SHARED_IMAGES: Final = 500
MAX_RENDITIONS: Final = 64
MAX_REFUSED: Final = 2_000
MAX_REFUSED_BYTES: Final = 65_536
MAX_EXCERPT_BYTES: Final = 262_144
KEEP_S: Final = 86_400
ASK_AGAIN_S: Final = 3_600
ASK_SOON_S: Final = 60
FORMAT: Final = 2

T = TypeVar("T")

Said = tuple[Observation, ...]
"""What one document said at one look: a page, or the packets of another rendition."""

_IMAGE_FILE: Final = rb"\.(?:jpe?g?|a?png|webp|gif|avif|hei[cf]|bmp|tiff?|svg|jxl)[\"'?#\s>]"
_names_an_image: Final = re.compile(_IMAGE_FILE).search
_links_to_an_image: Final = re.compile(rb"<a[\s/][^<>]{1,300}" + _IMAGE_FILE).search


def _may_show_renditions(body: bytes) -> bool:
    """One cheap look, so that other pages are not parsed for them; from behind, which takes half the time. In lower
    case, because React writes ``srcSet``."""
    lowered = body.lower()
    if lowered.rfind(b"srcset") >= 0 or lowered.rfind(b"<picture") >= 0:
        return True
    return _names_an_image(lowered) is not None and _links_to_an_image(lowered) is not None


class Displays:
    """What was said elsewhere, by image."""

    def __init__(
        self, cache: Cache, *, care: Care, salt: str, clock: Callable[[], datetime], count: Callable[[str], None]
    ) -> None:
        self._cache = cache
        self._care = care
        self._salt = salt
        self._clock = clock
        self._count = count
        self._said: dict[str, tuple[Said, ...]] = {}
        self._told: OrderedDict[tuple[str, ...], tuple[Said, tuple[str, ...], int]] = OrderedDict()
        self._told_bytes = 0
        self._renditions: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._refused: OrderedDict[str, Said] = OrderedDict()
        self._ask_at: OrderedDict[str, datetime] = OrderedDict()

    def of(self, url: str) -> tuple[Observation, ...]:
        """What is known here of what this URL names: pages as observations of kind PAGE, other renditions as
        ORIGINAL."""
        said = self._said.get(one_spelling(url)) if self._said else None
        if said is None:
            return ()
        oldest = self._clock() - timedelta(seconds=KEEP_S)
        return tuple(o for one in said for o in one if o.observed_at > oldest)

    def must_ask(self, url: str, *, picture: bool = False) -> bool:
        """Whether the store may know more than we do. ``picture``: it is one, whatever its address looks like."""
        if not (picture or looks_like_image(url)):
            return False
        again_at = self._ask_at.get(url)
        return again_at is None or again_at <= self._clock()

    async def ask(self, url: str) -> None:
        """Takes over what the store knows of this URL."""
        image = one_spelling(url)
        again_s = ASK_AGAIN_S
        try:
            (listed,) = await self._cache.get_many([self._key("shown", image)])
            names = self._listed(listed)
            for value in await self._cache.get_many(names) if names else ():
                self._take_over(image, value)
        except EdgeError:
            self._count("cache/unreachable")
            again_s = ASK_SOON_S
        _remember(self._ask_at, url, self._clock() + timedelta(seconds=again_s), MAX_IMAGES)

    async def note_page(self, response: Observation, said: Iterable[Statement], place: Target) -> None:
        """Remembers the page for its images, if anything it said is about them; and which images are renditions."""
        if any(
            signal.covers is Covers.PAGE_IMAGES and signal.care <= self._care
            for part in said
            for signal in part.on(place).signals
        ):
            body = html.excerpt(response, with_images=True)
            page = replace(
                response,
                document=replace(response.document, kind=Kind.PAGE),
                body=body if len(body) <= MAX_EXCERPT_BYTES else html.excerpt(response),
                whole_digest=response.digest,
            )
            await self._tell((page,), map(one_spelling, html.elements(response).images))
        if _may_show_renditions(response.body):
            for group in html.elements(response).renditions:
                await self._note_renditions([one_spelling(image) for image in group])

    async def _note_renditions(self, images: Sequence[str]) -> None:
        for image in images:
            known = dict.fromkeys((*self._renditions.get(image, ()), *images))
            _remember(self._renditions, image, tuple(known)[-MAX_RENDITIONS:], MAX_IMAGES)
            refused = self._refused.get(image)
            if refused is not None:
                await self._tell(refused, (other for other in images if other != image))

    async def note_refusal(self, url: str, because: Sequence[Signal], seen: Iterable[Observation]) -> None:
        """Remembers for the other renditions what this one refused with, if it was its own word."""
        words = {(s.evidence.document_url, s.evidence.digest) for s in because}
        said = tuple(
            replace(one, document=replace(one.document, kind=Kind.ORIGINAL))
            for one in seen
            if (one.document.url, one.digest) in words
        )
        if not said:
            return
        image = one_spelling(url)
        if sum(len(one.body) for one in said) <= MAX_REFUSED_BYTES:
            # a page may show later what it is a rendition of
            _remember(self._refused, image, said, MAX_REFUSED)
        await self._tell(said, (other for other in self._renditions.get(image, ()) if other != image))

    async def _tell(self, said: Said, images: Iterable[str]) -> None:
        """Here at once, and then in the store."""
        listed = tuple(dict.fromkeys(images))
        if not listed:
            return
        self._add(said, listed)
        source = self._key("said", " ".join(_place(said)))
        name = f"{source}:{_digest(' '.join(one.digest for one in said))}"
        shared = listed[:MAX_SHARED_IMAGES]
        keys = [self._key("shown", image) for image in shared]
        try:
            await self._cache.put(name, canonical([observation_to_wire(one) for one in said]), keep_s=KEEP_S)
            for key, known in zip(keys, await self._cache.get_many(keys), strict=True):
                # of one document only what it said last
                others = [other for other in self._listed(known) if other.rpartition(":")[0] != source]
                await self._cache.put(
                    key, msgspec.json.encode([*others[1 - MAX_SAID_OF_AN_IMAGE :], name]), keep_s=KEEP_S
                )
        except EdgeError:
            self._count("cache/unreachable")

    def _listed(self, value: bytes | None) -> list[str]:
        try:
            return [] if value is None else msgspec.json.decode(value, type=list[str])
        except msgspec.MsgspecError:
            self._count("cache/unreadable")
            return []

    def _take_over(self, image: str, value: bytes | None) -> None:
        """What the store holds of one document; what cannot be read is a miss."""
        try:
            found = () if value is None else msgspec.json.decode(value, type=list[object])
            said = tuple(map(parse_observation, found))
        except (WireError, msgspec.MsgspecError, RecursionError):
            self._count("cache/unreadable")
            return
        if said:
            self._add(said, (image,), by_store=image)

    def _add(self, said: Said, images: tuple[str, ...], *, by_store: str = "") -> None:
        for image in images:
            known = self._said.get(image, ())
            earlier = next((one for one in known if _place(one) == _place(said)), said)
            if earlier[0].observed_at <= said[0].observed_at:
                others = tuple(one for one in known if one is not earlier)
                self._said[image] = (*others[1 - MAX_SAID_OF_AN_IMAGE :], said)
        key = (*_place(said), said[0].digest, by_store)
        size = sum(map(_size, said)) + sum(len(image) + 300 for image in images)
        _, _, before = self._told.pop(key, (said, (), 0))
        self._told[key] = said, images, size
        self._told_bytes += size - before
        while self._told_bytes > MAX_BYTES and len(self._told) > 1:
            self._forget(*self._told.popitem(last=False)[1])

    def _forget(self, said: Said, images: Iterable[str], size: int) -> None:
        self._told_bytes -= size
        for image in images:
            left = tuple(one for one in self._said.get(image, ()) if one is not said)
            if left:
                self._said[image] = left
            else:
                self._said.pop(image, None)

    def _key(self, what: str, name: str) -> str:
        return f"{what}:{FORMAT}:{self._salt}:{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _place(said: Said) -> tuple[str, str]:
    return said[0].document.kind, said[0].document.url


def _size(seen: Observation) -> int:
    return len(seen.body) + sum(len(name) + len(value) + 200 for name, value in seen.headers) + 1_000


def _remember(known: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > most:
        known.popitem(last=False)
