"""EPUB package documents: EPUB 3.3 "Package document" and OPF 2.0.1, read for the metadata that speaks of rights.

It gives no meaning to values, and does not find the document in the book: askfirst.rights.inside does.

1. EPUB 2 writes ``<meta name="…" content="…"/>``, EPUB 3 ``<meta property="…">…</meta>``; both are read in both.
2. Prefixes are bound by the package's ``prefix`` attribute, in EPUB 2 by nothing. ``prefix`` of a meta is the namespace
   that its prefix is bound to, empty where nothing binds it.
3. A meta that ``refines`` something speaks of a part of the book.
4. Elements are known by their name alone: books without the namespaces of the specification are many.
5. A document is read as far as it can be; ``flaw`` says what is wrong. At most 2,000 elements are kept. The last two
   documents are remembered, because several readers ask for each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from askfirst.rights.safe_xml import parse

_MAX_KEPT: Final = 2_000
_MAX_PREFIXES: Final = 100
_PREFIX: Final = re.compile(r"([^\s:]{1,100}+):\s*+(\S++)")


class Meta(NamedTuple):
    """One ``meta`` or ``link``: ``name`` is its name, property or rel as it stands."""

    name: str
    values: tuple[str, ...]
    prefix: str
    part: bool


@dataclass(frozen=True, slots=True)
class Package:
    """What was read of a package document. ``terms`` are the Dublin Core elements, by name, in order."""

    metas: tuple[Meta, ...]
    links: tuple[Meta, ...]
    terms: tuple[tuple[str, str], ...]
    flaw: str | None

    def texts(self, name: str) -> list[str]:
        """The values of a Dublin Core element."""
        return [text for known, text in self.terms if known == name]


@lru_cache(maxsize=2)
def package(body: bytes) -> Package:
    """The metadata of a package document. Never raises on content."""
    tree = parse(body)
    metas: list[Meta] = []
    links: list[Meta] = []
    terms: list[tuple[str, str]] = []
    prefixes: dict[str, str] = {}
    for element in () if tree.root is None else tree.root.iter():
        name = element.tag.rpartition("}")[2].rpartition(":")[2] if type(element.tag) is str else ""
        if name == "package":
            prefixes.update(_prefixes(element.get("prefix") or ""))
        elif name == "meta":
            label = element.get("property") or element.get("name") or ""
            said = (element.get("content"), element.text)
            values = tuple(value for value in said if value is not None and value.strip())
            metas.append(Meta(label.strip(), values, _bound(label, prefixes), element.get("refines") is not None))
        elif name == "link" and element.get("href"):
            label = element.get("rel") or ""
            part = element.get("refines") is not None
            links.append(Meta(label.strip(), (element.get("href") or "",), _bound(label, prefixes), part))
        elif name in _TERMS and element.text and element.text.strip():
            terms.append((name, element.text.strip()))
        if len(metas) + len(links) + len(terms) > _MAX_KEPT:
            return Package(tuple(metas), tuple(links), tuple(terms), f"more than {_MAX_KEPT} pieces of metadata")
    return Package(tuple(metas), tuple(links), tuple(terms), tree.flaw)


_TERMS: Final = frozenset({"rights", "publisher", "creator"})


def _prefixes(text: str) -> dict[str, str]:
    """``foaf: http://xmlns.com/foaf/spec/ dbp: http://dbpedia.org/ontology/``."""
    return {found[1]: found[2] for found in islice(_PREFIX.finditer(text[:10_000]), _MAX_PREFIXES)}


def _bound(label: str, prefixes: dict[str, str]) -> str:
    prefix, colon, _ = label.strip().partition(":")
    return prefixes.get(prefix, "") if colon else ""
