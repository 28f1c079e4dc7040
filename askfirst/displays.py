"""Which pages display which images, as far as the pages say something about their images.

A page's refusal travels to the images on it, wherever they live, within this process. Only pages that say something are
remembered, with the elements that say it and the images, and nothing else of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from askfirst.rights import html
from askfirst.rights.model import Covers, Kind, Observation
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.patterns import target
from askfirst.rights.reader import Statement, Target

MAX_IMAGES = 100_000
MAX_PAGES_AN_IMAGE = 8


class Displays:
    """Pages by the images that they display."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, tuple[Observation, ...]] = OrderedDict()

    def note(self, response: Observation, said: Iterable[Statement], place: Target) -> None:
        """Remembers the page for its images, if anything it said is about them."""
        if not any(signal.covers is Covers.PAGE_IMAGES for part in said for signal in part.on(place).signals):
            return
        page = replace(
            response,
            document=replace(response.document, kind=Kind.PAGE),
            body=html.excerpt(response, with_images=True),
            whole_digest=response.digest,
        )
        for image in map(one_spelling, html.elements(response).images):
            others = tuple(o for o in self._pages.get(image, ()) if o.document.url != page.document.url)
            self._pages[image] = (*others[1 - MAX_PAGES_AN_IMAGE :], page)
            self._pages.move_to_end(image)
            while len(self._pages) > MAX_IMAGES:
                self._pages.popitem(last=False)

    def of(self, url: str) -> tuple[Observation, ...]:
        """The pages that display what this URL names, as observations of kind PAGE."""
        return self._pages.get(one_spelling(url), ()) if self._pages else ()


def one_spelling(url: str) -> str:
    """One spelling for all spellings of a URL: a page may write an address in another way than who requests it."""
    try:
        return f"{origin_of(url)}{target(url)}"
    except UrlError:
        return url
