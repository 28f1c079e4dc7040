"""Pages that say something of their images, and which images they show: a page's word goes with them, as it does in our
own crawls (``askfirst.displays``).

1. What a page says counts for what was fetched when the page was there or after it, and for ``max_age``, as with all
   captures. A page that was captured later proves nothing.
2. Of a page that was captured again, the last capture before the picture counts.
3. What travels can only refuse: ``rights.read`` sees to it, by the kind of the observation.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from askfirst.rights.media import looks_like_image
from askfirst.rights.model import Kind, Observation
from askfirst.rights.patterns import one_spelling

MOST_PAGES_OF_AN_IMAGE: Final = 8
"""As many as our own crawls remember; of more, the last ones count."""


class Shown:
    """What the pages of some archives say of their images, by image."""

    def __init__(self, max_age: timedelta) -> None:
        self._max_age = max_age
        self._pages: dict[str, list[Observation]] = {}
        self._looks: dict[str, list[datetime]] = {}

    def note(self, page: Observation, images: Iterable[str]) -> None:
        """Takes a page, as it was heard, with the images that it shows, each in its one spelling."""
        seen = replace(page, document=replace(page.document, kind=Kind.PAGE))
        self._looks.setdefault(page.document.url, [])
        for image in images:
            insort(self._pages.setdefault(image, []), seen, key=_since)

    def note_look(self, url: str, at: datetime) -> None:
        """Takes that a page was captured, whatever it said: of one that was noted the earlier words end there."""
        looks = self._looks.get(url)
        if looks is not None:
            insort(looks, at)

    def of(self, url: str, media: str | None, at: datetime | None) -> tuple[Observation, ...]:
        """What was said of this URL when it was fetched, if it is that of a picture; one observation a page."""
        if at is None or not self._pages or not ((media or "").startswith("image/") or looks_like_image(url)):
            return ()
        pages = self._pages.get(one_spelling(url), [])
        last: dict[str, Observation] = {}
        for place in range(bisect_right(pages, at, key=_since) - 1, -1, -1):
            page = pages[place]
            if page.observed_at < at - self._max_age or len(last) == MOST_PAGES_OF_AN_IMAGE:
                break
            if self._last_look(page.document.url, at) <= page.observed_at:
                last.setdefault(page.document.url, page)
        return tuple(last.values())

    def _last_look(self, url: str, at: datetime) -> datetime:
        looks = self._looks[url]
        place = bisect_right(looks, at)
        return looks[place - 1] if place else _LONG_AGO


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _since(page: Observation) -> datetime:
    return page.observed_at
