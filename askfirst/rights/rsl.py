"""An RSL document, bytes to licenses: RSL 1.0 (10 December 2025, errata to 7 August 2026), sections 3.1 to 3.17. What
the licenses mean for a resource is the matter of askfirst.rights.rsl_terms.

It fetches nothing, and no server is asked for a token.

1. XML without a document type: nothing is declared, expanded or fetched. A DOCTYPE ends the reading (section 8).
2. The root is ``rsl`` in the namespace (section 2.2). An unknown element in that namespace makes the document
   non-conformant; what other namespaces have inside, RSL elements included, is ignored (section 3, errata).
3. A document that is no RSL 1.0 says why in ``broken``: an association with it leaves a work unlicensed (section 4.3).
   What could be read of it is kept all the same, for refusals.
4. Elements in the wrong place, repeated ones and values outside the vocabulary are no ``broken`` document, but leave it
   invalid: nothing is permitted by it.
5. So much is read and no more: 1 MiB, 2,000 contents, 20,000 elements, 32 levels, and namespace names of 500 characters
   (they are handed out in full, so that the time would be quadratic), and 4,096 characters of a list or an amount. More
   is ``broken``.

house: a namespace that is nearly right (``http:``, a slash at its end, a later version, none at all) is read as far as
rule 3 goes, and an element by one of RSL's names in such a one makes a document ``broken``, because it was meant.
``server`` and ``encrypted`` count in ``license`` and ``rsl``, too, and so do attributes with RSL's prefix, to refuse.
The 0.9 draft had comma-separated lists and other words: see ``usages``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn
from xml.parsers import expat  # a document type is refused before it could declare anything

from askfirst.rights.model import MAX_EVIDENCE_CHARS
from askfirst.rights.robotstxt import utf_16_codec

NAMESPACE: Final = "https://rslstandard.org/rsl"
MAX_BYTES: Final = 1_048_576
MAX_CONTENTS: Final = 2_000
MAX_ELEMENTS: Final = 20_000
MAX_DEPTH: Final = 32
MAX_NOTES: Final = 5
_MAX_TEXT: Final = 4_096
_MAX_NAMESPACE_CHARS: Final = 500

_PARENTS: Final = {
    "content": "rsl",
    "license": "content",
    "permits": "license",
    "prohibits": "license",
    "payment": "license",
    "reporting": "license",
    "legal": "license",
    "standard": "payment",
    "custom": "payment",
    "amount": "payment",
    "accepts": "payment",
    "alternate": "content",
    "schema": "content",
    "copyright": "content",
    "terms": "content",
}
_TYPES: Final = {
    "permits": frozenset({"usage", "user", "geo"}),
    "prohibits": frozenset({"usage", "user", "geo"}),
    "reporting": frozenset({"telemetry", "provenance", "audit"}),
    "legal": frozenset({"warranty", "disclaimer", "attestation", "contact", "proof"}),
}
# what a cut would change the meaning of
_WHOLE: Final = frozenset({"permits", "prohibits", "amount"})
# they stand in content; house: in license or rsl they were meant of every content inside, and permit nothing
_CONDITIONS: Final = ("server", "encrypted")
_ONCE_A_TYPE: Final = frozenset({"permits", "prohibits", "legal"})
_MANY: Final = frozenset({"content", "license", "reporting", "alternate"})

USAGES: Final = frozenset({"all", "ai-all", "ai-train", "ai-input", "ai-index", "search"})
# house: words of the 0.9 draft, of the AIPREF drafts and of the wild, and the widest that they may have meant
_OLD_USAGES: Final = {
    "train-ai": ("ai-train",),
    "train-genai": ("ai-train",),
    "train": ("ai-train",),
    "training": ("ai-train",),
    "ai-training": ("ai-train",),
    "ai-use": ("ai-all", "ai-input"),
    "ai-search": ("ai-input", "ai-index"),
    "ai-output": ("ai-input",),
    "ai-inference": ("ai-input",),
    "inference": ("ai-input",),
    "grounding": ("ai-input",),
    "rag": ("ai-input",),
    "genai": ("ai-train", "ai-input"),
    "ai": ("ai-all",),
    "tdm": ("ai-all",),
    "bots": ("all",),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One element of the RSL namespace. ``words`` is what it says, verbatim, from its tag to its end."""

    name: str
    attributes: dict[str, str]
    line: int
    words: str
    text: str
    inside: tuple[Node, ...]

    def all(self, *names: str) -> tuple[Node, ...]:
        """What stands inside by these names, in order."""
        return tuple([node for node in self.inside if node.name in names]) if self.inside else ()

    def first(self, name: str) -> Node | None:
        """The first that stands inside by this name."""
        return next((node for node in self.inside if node.name == name), None)

    def attribute(self, name: str) -> str:
        """An attribute without outer white space; empty where there is none."""
        return self.attributes.get(name, "").strip()


@dataclass(frozen=True, slots=True)
class Note:
    """Something in the document that is not as it should be, at ``node``, or in the document as a whole."""

    note: str
    line: int
    words: str


@dataclass(frozen=True, slots=True)
class RslDocument:
    """What was read. ``broken`` says why this is no RSL 1.0 document; ``valid``: nothing was out of place."""

    contents: tuple[Node, ...]
    notes: tuple[Note, ...]
    broken: Note | None

    @property
    def valid(self) -> bool:
        return self.broken is None and not self.notes


class _StopError(Exception):
    """The reading ends here."""


class _Open:
    __slots__ = ("attributes", "inside", "length", "line", "name", "start", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int, start: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.start = start
        self.length = 0
        self.text: list[str] = []
        self.inside: list[Node] = []


class _Reading:
    """One pass over a document."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.codec = utf_16_codec(body) or "utf-8"
        self.root: Node | None = None
        self.namespace: str | None = None
        self.unknown: Note | None = None
        self.notes: list[Note] = []
        self._of_all: dict[str, str] = {}
        self._open: list[_Open] = []
        self._ignored = 0
        self._elements = 0
        self._contents = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.StartNamespaceDeclHandler = _bound_namespace

    def read(self) -> str | None:
        """Reads on until something is wrong, and says what."""
        try:
            self._parser.Parse(self.body, True)
        except _StopError as stop:
            return str(stop)
        except expat.ExpatError as error:
            return f"not XML: {expat.ErrorString(error.code)} in line {error.lineno}"
        except (ValueError, LookupError):  # an encoding that is not known here, or text that it does not have
            return "not XML: its encoding cannot be read"
        return None

    def kept(self) -> tuple[Node, ...]:
        """The contents that were read, also of a document that broke off."""
        if self.root is not None:
            return self.root.all("content")
        while len(self._open) > 1:
            self._close(len(self.body))
        return tuple(node for one in self._open for node in one.inside if node.name == "content")

    def _doctype(self, *_: object) -> NoReturn:
        raise _StopError("a document type is declared, and nothing behind it is read")

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise _StopError(f"more than {MAX_ELEMENTS} elements")
        if self._ignored or len(self._open) >= MAX_DEPTH:
            self._ignored += 1
            if self._ignored > 8 * MAX_DEPTH:
                raise _StopError("nested too deeply")
            return
        namespace, _, name = qualified.rpartition(" ")
        if self.namespace is None:
            self._root(namespace, name)
        here = _Open(name, _own(attributes, namespace), self._parser.CurrentLineNumber, self._parser.CurrentByteIndex)
        if namespace != self.namespace:
            self._ignored = 1
            if self.unknown is None and name in _PARENTS and (not namespace or _is_near(namespace)):
                whose = namespace[:80] or "no namespace"
                self.unknown = self._note(here, f"<{name}> is of {whose}, and one of RSL's by its name")
            return
        self._look_at_attributes(here, attributes)
        if self._open:
            self._look_at(here, self._open[-1].name)
        self._open.append(here)

    def _root(self, namespace: str, name: str) -> None:
        if name != "rsl" or not (_is_near(namespace) or not namespace):
            raise _StopError(
                f"its root is <{name[:40]}> of {namespace[:80] or 'no namespace'}, not <rsl> of {NAMESPACE}"
            )
        self.namespace = namespace

    def _look_at(self, here: _Open, parent: str) -> None:
        name = here.name
        if name == "content":
            self._contents += 1
            if self._contents > MAX_CONTENTS:
                raise _StopError(f"more than {MAX_CONTENTS} contents")
        if name != "rsl" and name not in _PARENTS:
            if self.unknown is None:
                self.unknown = self._note(here, f"<{name[:40]}> is no element of RSL 1.0")
        elif name == "rsl" or _PARENTS[name] != parent:
            self.notes.append(self._note(here, f"<{name}> stands in <{parent[:40]}>, where it means nothing"))
        elif name in _TYPES and here.attributes.get("type", "") not in _TYPES[name]:
            said = here.attributes.get("type", "")[:40]
            self.notes.append(self._note(here, f"<{name}> of the type {said!r}, which RSL 1.0 does not have"))

    def _look_at_attributes(self, here: _Open, given: dict[str, str]) -> None:
        if len(here.attributes) > len(given.keys() & here.attributes.keys()):
            self.notes.append(self._note(here, f"<{here.name[:40]}> has an attribute with a prefix"))
        meant = {key: value for key in _CONDITIONS if (value := here.attributes.get(key))}
        if here.name == "content":
            here.attributes = self._of_all | here.attributes
        elif meant:
            self.notes.append(self._note(here, f"<{here.name[:40]}> has {', '.join(meant)}, which is of <content>"))
            if not self._open:
                self._of_all = meant

    def _note(self, here: _Open, note: str) -> Note:
        return Note(note, here.line, self._words(here.start, len(self.body)))

    def _characters(self, text: str) -> None:
        if self._open and not self._ignored and self._open[-1].length < _MAX_TEXT:
            self._open[-1].text.append(text[:_MAX_TEXT])
            self._open[-1].length += len(text)
            if self._open[-1].length >= _MAX_TEXT and self._open[-1].name in _WHOLE:
                raise _StopError(f"a <{self._open[-1].name}> is longer than is read")

    def _end(self, _name: str) -> None:
        if self._ignored:
            self._ignored -= 1
            return
        self._close(self._parser.CurrentByteIndex)

    def _close(self, end: int) -> None:
        here = self._open.pop()
        self._look_at_all(here)
        node = Node(
            name=here.name,
            attributes=here.attributes,
            line=here.line,
            words=self._words(here.start, self._behind(end)),
            text="".join(here.text).strip(),
            inside=tuple(here.inside),
        )
        if self._open:
            self._open[-1].inside.append(node)
        else:
            self.root = node

    def _look_at_all(self, here: _Open) -> None:
        seen: set[tuple[str, str]] = set()
        for node in here.inside:
            key = (node.name, node.attributes.get("type", "") if node.name in _ONCE_A_TYPE else "")
            if key in seen and node.name in _PARENTS and node.name not in _MANY:
                self.notes.append(Note(f"<{node.name}> is repeated in one <{here.name[:40]}>", node.line, node.words))
            seen.add(key)
        if here.name == "content" and "url" not in here.attributes:
            self.notes.append(self._note(here, "a <content> without url"))

    def _behind(self, end: int) -> int:
        """Where the tag that begins at ``end`` is over; an empty element is over already."""
        unit = 2 if self.codec.startswith("utf-16") else 1
        if not self.body[end : end + 2 * unit].replace(b"\0", b"").startswith(b"</"):
            return end
        close = self.body.find(b">", end, end + 200)
        return end if close < 0 else close + (2 if self.codec == "utf-16-le" else 1)

    def _words(self, start: int, end: int) -> str:
        """The words of the document between two places, verbatim, and no more of them than evidence may have."""
        piece = self.body[start : min(end, start + 4 * MAX_EVIDENCE_CHARS + 4)]
        return piece.decode(self.codec, "replace")[:MAX_EVIDENCE_CHARS]


def _own(attributes: dict[str, str], namespace: str) -> dict[str, str]:
    """The attributes by name. house: those of the element's own namespace (``rsl:server``) are meant, too."""
    if not any(" " in key for key in attributes):
        return attributes
    return {key.removeprefix(f"{namespace} "): value for key, value in attributes.items()} | attributes


def _is_near(namespace: str) -> bool:
    """Whether a namespace is RSL's, or was meant to be."""
    return namespace.lower().partition("://")[2].removeprefix("www.").startswith("rslstandard.org/rsl")


def _bound_namespace(_prefix: str | None, name: str | None) -> None:
    if name is not None and len(name) > _MAX_NAMESPACE_CHARS:
        raise _StopError("a namespace name is too long")


def parse(body: bytes, *, truncated: bool = False) -> RslDocument:
    """The licenses in ``body``. ``truncated``: it is a prefix. Never raises on content."""
    reading = _Reading(body[:MAX_BYTES])
    why = "it was cut, or is longer than 1 MiB" if truncated or len(body) > MAX_BYTES else None
    stopped = reading.read()
    contents = reading.kept()
    broken = None
    if why is None and stopped is not None:
        why = stopped if body.strip() else "it is empty"
    if why is None and reading.unknown is not None:
        broken = reading.unknown
    elif why is None and reading.namespace != NAMESPACE:
        why = f"its namespace is {(reading.namespace or '')[:80]!r}, not {NAMESPACE!r}"
    elif why is None and not contents:
        why = "it has no <content>"
    if why is not None:
        broken = Note(why, 1, reading._words(0, len(body)))  # noqa: SLF001  # the two are one reader
    return RslDocument(contents, _some(reading.notes), broken)


def _some(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The first of each sort, and no more than five."""
    return tuple({note.note: note for note in reversed(tuple(notes))}.values())[::-1][:MAX_NOTES]


@dataclass(frozen=True, slots=True)
class Usages:
    """A list of usage tokens: ``exact`` as RSL 1.0 has them, ``meant`` what other spellings may have meant to permit,
    ``feared`` what they may have meant to prohibit, ``unknown`` what cannot be understood. Tokens of other vocabularies
    (``prefix:name``) are not interpreted (section 3.4.1). house: if the name is one of RSL's, it is feared."""

    exact: frozenset[str]
    meant: frozenset[str]
    feared: frozenset[str]
    unknown: tuple[str, ...]


def usages(text: str) -> Usages:
    """The tokens of a list (section 3.4.1.1). house: commas, capitals and older words are understood, and only as what
    was meant."""
    exact: set[str] = set()
    meant: set[str] = set()
    feared: set[str] = set()
    unknown: list[str] = []
    plain = "," not in text and ";" not in text
    for token in _split(text):
        prefix, _, low = token.lower().replace("_", "-").rpartition(":")
        if plain and token in USAGES:
            exact.add(token)
        elif low in USAGES:
            meant.update([] if prefix else [low])
            feared.add(low)
        elif low in _OLD_USAGES:
            meant.update(word for word in _OLD_USAGES[low] if not (prefix or word.endswith("all")))
            feared.update(_OLD_USAGES[low])
        elif not prefix:
            unknown.append(token[:40])
    return Usages(frozenset(exact), frozenset(meant), frozenset(feared), tuple(unknown))


def _split(text: str) -> Iterator[str]:
    yield from text.replace(",", " ").replace(";", " ").split()
