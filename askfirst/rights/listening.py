"""Which readers hear which document, sorted once, so that a document is shown only to those that may hear it.

1. A well-known document is heard at the paths of a reader, everything else by its kind.
2. Another rendition of a work (ORIGINAL) is heard by whoever hears responses or packets.
3. A response is not shown to a reader that needs one of its fields where there is none, nor to one of markup where the
   page has none that may speak of rights. A reader that needs either is shown what has either.
4. Readers are given in the order in which they were listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from askfirst.rights.html import elements
from askfirst.rights.model import Kind, Observation
from askfirst.rights.reader import Reader

_ABOUT_A_WORK: Final = frozenset({Kind.RESPONSE, Kind.ASSET})
_Listed = tuple[tuple[int, Reader], ...]


class Listeners:
    """Readers by what they listen to."""

    __slots__ = ("_by_kind", "_by_path", "readers")

    def __init__(self, readers: Iterable[Reader]) -> None:
        self.readers = tuple(readers)
        listed = tuple(enumerate(self.readers))
        paths = {path for reader in self.readers for path in reader.paths}
        self._by_path = {
            path: tuple(r for r in self.readers if Kind.WELL_KNOWN in r.kinds and path in r.paths) for path in paths
        }
        # always, with a field, of markup: in one place, because an enum member's hash is a call into Python
        self._by_kind: dict[Kind, tuple[_Listed, dict[str, _Listed], _Listed]] = {}
        for kind in Kind:
            here = [(index, r) for index, r in listed if _hears(r, kind)]
            names = {name for _, r in here for name in r.fields}
            self._by_kind[kind] = (
                tuple((index, r) for index, r in here if not r.fields and not r.markup),
                {name: tuple((i, r) for i, r in here if name in r.fields) for name in names},
                tuple((index, r) for index, r in here if r.markup),
            )

    def __bool__(self) -> bool:
        return bool(self.readers)

    def to(self, seen: Observation) -> Sequence[Reader]:
        """Those that may hear it."""
        kind = seen.document.kind
        if kind is Kind.WELL_KNOWN:
            return self._by_path.get(urlsplit(seen.document.url).path, ())
        found, fields, markup = self._by_kind[kind]
        if fields:
            for name, _ in seen.headers:
                more = fields.get(name.lower())
                if more is not None:
                    found += more
        if markup and not elements(seen).is_silent:
            found += markup
        return [reader for _, reader in sorted(dict(found).items())] if len(found) > 1 else [r for _, r in found]


def _hears(reader: Reader, kind: Kind) -> bool:
    if kind is Kind.ORIGINAL:
        return not _ABOUT_A_WORK.isdisjoint(reader.kinds)
    return kind in reader.kinds
