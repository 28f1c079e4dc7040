"""XMP packets: ISO 16684-1, "Data model" and "Serialization" (RDF/XML), read for the properties that speak of rights.

It gives no meaning to values, and does not find packets in files: askfirst.rights.inside does. Everything that is said
of a property is one :class:`Value`, however it was serialized.

1. A property is known by namespace and name, never by prefix. Its values are: the element's text, ``rdf:resource``,
   ``rdf:value``, the items of its Alt, Bag or Seq, the ``rdf:about`` of a node in it; or an attribute of that name.
2. Any element may carry it: ``rdf:Description``, typed nodes, structs with or without ``rdf:parseType="Resource"``, in
   any number of ``rdf:RDF``. ``outermost`` tells a property of the work from one inside another property, which may
   speak of an ingredient, and from one of a node that is ``about`` something else: ``rdf:about`` is empty, or the one
   name that all nodes have, and no web address.
3. Fields of a struct have the same ``owner``.
4. house: ``DataMining`` and ``tdm…reservation`` in other namespaces, or in none, are found too: ``odd`` is then their
   whole name. Whoever asks for permission must not take them for one.
5. A packet is read forward as far as it is well-formed; ``flaw`` then says what is wrong. A value that was cut off
   counts as far as it goes. What stands behind a flaw can only be searched for: see ``excerpts``.
6. house: at most 2,000 values are kept. The last four packets that were read are remembered, because several readers
   ask for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from askfirst.rights.safe_xml import Element, decoded, parse

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TDM: Final = "http://www.w3.org/ns/tdmrep"
_MAX_VALUES: Final = 2_000
_MAX_WITHIN: Final = 200

_NAMES: Final = {
    "http://ns.useplus.org/ldf/xmp/1.0/": (
        "plus",
        "DataMining OtherConstraints CopyrightOwnerName "  # noqa: ISC004  # one list of names
        "LicensorName LicensorURL LicensorEmail LicensorTelephone1 LicensorTelephone2",
    ),
    f"{TDM}/": ("tdm", "reservation policy"),
    "http://ns.adobe.com/xap/1.0/rights/": ("xmpRights", "WebStatement UsageTerms Owner"),
    "http://purl.org/dc/elements/1.1/": ("dc", "rights creator"),
    "http://purl.org/dc/terms/": ("dcterms", "license rights rightsHolder"),
    "http://ns.adobe.com/photoshop/1.0/": ("photoshop", "Credit Instructions"),
    "http://ns.adobe.com/tiff/1.0/": ("tiff", "Copyright Artist"),
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": ("Iptc4xmpCore", "CiEmailWork CiTelWork CiUrlWork"),
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": (
        "Iptc4xmpExt",
        "LinkedRightsExpr EncRightsExpr",
    ),
    "http://creativecommons.org/ns#": ("cc", "license attributionName attributionURL morePermissions"),
}
_WANTED: Final = {
    f"{{{namespace}}}{name}": f"{prefix}:{name}"
    for namespace, (prefix, names) in _NAMES.items()
    for name in names.split()
}
"""Expanded name to the label that values have: the name with its usual prefix."""
_ODD: Final = ("DataMining", "reservation", "policy")
_RDF_RDF: Final = f"{{{RDF}}}RDF"
_OF_A_PROPERTY: Final = frozenset({f"{{{RDF}}}resource", f"{{{RDF}}}value", f"{{{RDF}}}about", "resource"})
_PANTRY: Final = "{http://ns.adobe.com/xap/1.0/mm/}Pantry"
_GROUPED: Final = frozenset(name for name in _WANTED.values() if name.startswith(("plus:Licensor", "Iptc4xmpCore:")))
"""The fields of structs."""
_PLAIN: Final = frozenset(_WANTED.values()) - _GROUPED - {"plus:DataMining", "tdm:reservation", "tdm:policy"}
"""Properties of which it does not matter whose they are."""


class Value(NamedTuple):
    """One value. ``name`` is the label (``plus:DataMining``); an empty ``text``: the property is there without one."""

    name: str
    text: str
    owner: int
    outermost: bool
    odd: str
    ingredient: bool


@dataclass(frozen=True, slots=True)
class Packet:
    """What was read of a packet, and what is wrong with it. ``by_name`` are the texts that are not empty."""

    values: tuple[Value, ...]
    by_name: Mapping[str, Sequence[str]]
    flaw: str | None

    def of(self, *names: str) -> list[Value]:
        """The values of these properties, in their order."""
        return [value for value in self.values if value.name in names]

    def texts(self, *names: str) -> list[str]:
        """The texts of these properties, those named first before the others."""
        found = self.by_name
        return [text for name in names if name in found for text in found[name]]


def mentions(body: bytes, *names: bytes) -> bool:
    """Whether one of these words may stand in the packet. Never misses one: element names cannot be escaped."""
    return any(name in body for name in names) or b"\0" in body


@lru_cache(maxsize=4)
def packet(body: bytes) -> Packet:
    """The properties that speak of rights. Never raises on content."""
    tree = parse(body)
    if tree.root is None:
        return Packet((), {}, tree.flaw)
    reading = _Reading(body)
    flaw = reading.walk(tree.root)
    by_name: dict[str, list[str]] = {}
    for value in reading.values:
        if value.text:
            by_name.setdefault(value.name, []).append(value.text)
    return Packet(tuple(reading.values), by_name, tree.flaw or flaw)


class _Reading:
    """One walk over a packet's tree."""

    __slots__ = ("_body", "_odd", "_owners", "_pantry", "values")

    def __init__(self, body: bytes) -> None:
        self.values: list[Value] = []
        self._body = body
        self._pantry: bool | None = None
        self._owners: dict[Element, int] = {}
        self._odd = _ODD if mentions(body, b"DataMining", b"reservation") else ()

    def walk(self, root: Element) -> str | None:
        """Adds every value; returns why it stopped before the end, if it did."""
        label_of, odd_names, values = _WANTED.get, self._odd, self.values
        for element in root.iter():
            tag = element.tag
            label, odd = label_of(tag), ""
            if label is None and odd_names and type(tag) is str and tag.endswith(odd_names):
                label, odd = _odd_label(tag), tag
            attributes = element.keys()
            if label is not None:
                parent = element.getparent()
                if attributes or len(element):
                    for text in _texts(element) or ("",):
                        self._add(label, text, odd, parent)
                else:
                    self._add(label, element.text or "", odd, parent)
            for name in attributes:
                label = label_of(name)
                if label is not None:
                    self._add(label, element.get(name) or "", "", element)
                elif odd_names and name.endswith(odd_names) and (label := _odd_label(name)) is not None:
                    self._add(label, element.get(name) or "", name, element)
            if len(values) > _MAX_VALUES:
                del values[_MAX_VALUES:]
                return f"more than {_MAX_VALUES} values"
        return None

    def _add(self, label: str, text: str, odd: str, owner: Element | None) -> None:
        """``owner``: the node whose property this is."""
        if owner is None or label in _PLAIN:
            self.values.append(Value(label, text, -1, False, odd, False))
        elif label in _GROUPED:
            number = self._owners.setdefault(owner, len(self._owners))
            self.values.append(Value(label, text, number, False, odd, False))
        else:
            above = owner.getparent()
            outermost = above is not None and above.tag == _RDF_RDF and _is_about_the_work(owner, above)
            ingredient = self._has_pantry() and next(owner.iterancestors(_PANTRY), None) is not None
            self.values.append(Value(label, text, -1, outermost, odd, ingredient))

    def _has_pantry(self) -> bool:
        if self._pantry is None:
            self._pantry = mentions(self._body, b"Pantry")
        return self._pantry


def _is_about_the_work(node: Element, above: Element) -> bool:
    about = _about(node)
    if not about or "/" in about:
        return not about
    return all(_about(other) == about for other in islice(above.iter(f"{{{RDF}}}Description"), _MAX_WITHIN))


def _about(node: Element) -> str:
    """What a node says that it is about; a name of its own is about something else."""
    if any(node.get(f"{{{RDF}}}{name}") is not None for name in ("nodeID", "ID")):
        return "/"
    return (node.get(f"{{{RDF}}}about") or node.get("about") or "").strip()


def _texts(element: Element) -> list[str]:
    """Every text in a property, and every attribute that stands for one.

    INVARIANT: properties may stand in properties, so the look into one is bounded. Attributes are asked for by name:
    all of them together cost quadratic time.
    """
    texts: list[str | None] = []
    for here in islice(element.iter(), _MAX_WITHIN):
        texts += [here.get(name) for name in here.keys() if name in _OF_A_PROPERTY]  # noqa: SIM118  # no dictionary
        texts.append(here.text)
        if here is not element:
            texts.append(here.tail)
    return [text for text in texts if text and not text.isspace()]


def _odd_label(name: str) -> str | None:
    """What a property in another namespace was probably meant to be."""
    namespace, _, local = name.lstrip("{").rpartition("}")
    local = local.rpartition(":")[2] if not namespace else local  # a prefix that nothing binds
    if local == "DataMining":
        return "plus:DataMining"
    if "tdm" not in name.lower():
        return None
    return "tdm:reservation" if local.endswith("reservation") else "tdm:policy" if local.endswith("policy") else None


_MAX_EXCERPTS: Final = 20
_EXCERPT_CHARS: Final = 160


def excerpts(body: bytes, word: bytes) -> Iterator[tuple[str, str]]:
    """Where a word (in lower case) stands in the packet, the first twenty times, whatever the markup around it: what
    precedes it (up to 60 characters), and it with what follows. For packets that cannot be parsed."""
    if b"\0" in body:
        body = decoded(body).encode("utf-8")
    low = body.lower()  # of bytes only ASCII is changed
    at = low.find(word)
    for _ in range(_MAX_EXCERPTS):
        if at < 0:
            return
        before, after = body[max(0, at - 60) : at], body[at : at + _EXCERPT_CHARS]
        yield before.decode("utf-8", "replace"), after.decode("utf-8", "replace")
        at = low.find(word, at + len(word))
