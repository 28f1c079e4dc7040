"""Path patterns: RFC 9309 "Robots Exclusion Protocol", sections 2.2.2 and 2.2.3, and an index over many of them.

TDMRep locations and ``Content-Usage`` paths are matched by the same rules. This module knows no allow and no disallow:
it says which patterns match, and which of them is longest. It builds no regular expression from a publisher's words.

1. Both sides are brought to one normal form before they are compared (:func:`normalize`).
2. ``*`` is any run of octets, also none; ``$`` ends the path, when it is the last octet; elsewhere it is a dollar sign.
3. A literal ``*`` or ``$`` is ``%2A`` or ``%24``, in patterns and in paths: :func:`target` writes them so.
4. Some octets have two spellings of one meaning, and both sides are brought to one of them. ``[ ] \\ ^ ` { | } " < >``,
   space and controls cannot stand raw in a path or query (RFC 3986 sections 3.3 and 3.4), so that a client escapes
   them, and so do we. ``'`` may stand raw, but browsers and crawlers send it as ``%27`` in queries and raw in paths;
   nobody keeps two resources apart by that, so the escape is decoded. All other reserved octets (``/ ? # & = + , ; :
   @ ! $ ( ) *``) stay as they were written: ``%2F`` is not ``/``.
5. A raw ``\\`` in the path of a URL is a ``/``, as browsers and Scrapy have it. A pattern with one is a doubt: to
   refuse, :func:`spellings` gives both.
6. A pattern is tried in time linear in the path: the leftmost place for each segment is always good enough.

Deviations, each marked below: rule 4 for ``'`` and rule 5; octets that no URI may hold are escaped, and dot segments
are removed, so that two spellings of one URL get one answer; a ``%`` that begins no escape stays as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final, Generic, TypeVar

from askfirst.rights.origins import UrlError, origin_of

T = TypeVar("T")

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# house: rule 4
_DECODED: Final = _UNRESERVED | {"'"}
# what normalize() has to look at: an escape, or an octet outside the printable ASCII that URIs are made of
_ODD: Final = re.compile(r"[^!#$&-;=?-Z_a-z~]")
_TOKEN: Final = re.compile(
    r"%([0-9A-Fa-f]{2})"
    r"|(%[0-9A-Fa-f]?)((?:%[0-9A-Fa-f]{2})*)"
    r"|([^!#$&-;=?-Z_a-z~%]+)"
)
# a URL that target() can answer with one look: nothing to escape, nothing to decode, no fragment
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9.:-]+(/[!&-)+-;=?-Z_a-z~]*)").fullmatch
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?\\]*")
_URL_WHITESPACE: Final = {ord(octet): None for octet in "\t\r\n"}
_CONTROLS_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_GRAM: Final = 3
_SCANNED: Final = 12


def normalize(octets: str) -> str:
    """The normal form of RFC 9309 section 2.2.2, in ASCII: octets beyond ASCII as UTF-8 escapes, escaped unreserved
    ASCII decoded, every other escape kept, with upper-case digits.

    Idempotent. Never raises: an undecodable octet (``surrogateescape``) is escaped as that octet, any other lone
    surrogate as its three UTF-8 octets.
    """
    if _ODD.search(octets) is None:
        return octets
    return _TOKEN.sub(_normal, octets)


def _normal(found: re.Match[str]) -> str:
    digits, stray, escapes, odd = found.groups()
    if digits is not None:
        octet = chr(int(digits, 16))
        return octet if octet in _DECODED else "%" + digits.upper()
    if odd is not None:
        # house: space, quotes, braces and controls cannot stand in a URI; a client escapes them, so we do
        return "".join([f"%{octet:02X}" for octet in _utf8(odd)])
    # house: a `%` that begins no escape stays (`Disallow: /*%` means every escape). The escapes that follow it stay
    # encoded, because decoding them could complete an escape that was not there.
    return str(stray) + str(escapes).upper()


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        if len(text) == 1:
            return text.encode("utf-8", "surrogatepass")
        return b"".join(map(_utf8, text))


def target(url: str) -> str:
    """The octets of ``url`` that patterns are compared with: path and query in normal form, without the fragment.

    Starts with ``/``. Takes absolute URLs of any shape, and a path for itself; never raises.
    """
    plain = _PLAIN_URL(url)
    if plain is not None:
        path: str = plain[1]
        if "/." not in path:
            return path
    return _target_of_odd(url)


def _target_of_odd(url: str) -> str:
    url = url.strip(_CONTROLS_AND_SPACE).translate(_URL_WHITESPACE).partition("#")[0]
    authority = _AUTHORITY.match(url)
    if authority is not None:
        url = url[authority.end() :]
    elif not url.startswith("/"):
        start = re.search(r"[/?\\]", url)
        url = url[start.start() :] if start is not None else ""
    path, mark, query = normalize(_with_slashes(url)).replace("*", "%2A").replace("$", "%24").partition("?")
    return (_without_dots(path) or "/") + mark + query


def _with_slashes(octets: str) -> str:
    """House: rule 5."""
    if "\\" not in octets:
        return octets
    path, mark, query = octets.partition("?")
    return path.replace("\\", "/") + mark + query


def spellings(octets: str) -> tuple[str, ...]:
    """The normal forms of the patterns that ``octets`` may write; whoever refuses has to look for each of them."""
    normal = normalize(octets)
    if "\\" not in octets:
        return (normal,)
    return tuple(dict.fromkeys((normal, normalize(_with_slashes(octets)))))


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4. House: clients and servers resolve ``/x/../private``, so it is ``/private`` to us."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _segments(octets: str) -> tuple[tuple[str, ...], bool]:
    anchored = octets.endswith("$")
    body = octets[:-1] if anchored else octets
    segments = body.replace("$", "%24").split("*")
    # `**` is `*`: nothing stands between, and nothing has to be found there
    return (segments[0], *filter(None, segments[1:-1]), *segments[1:][-1:]), anchored


def _literal(octets: str) -> str:
    """The first of the segments."""
    star = octets.find("*")
    literal = octets[:star] if star >= 0 else octets.removesuffix("$")
    return literal.replace("$", "%24")


def _rest_matches(segments: tuple[str, ...], anchored: bool, path: str) -> bool:
    """Whether the segments after the first, which ``path`` is known to start with, are found in order."""
    at = len(segments[0])
    if len(segments) == 1:
        return not anchored or at == len(path)
    for segment in segments[1:-1]:
        at = path.find(segment, at)
        if at < 0:
            return False
        at += len(segment)
    last = segments[-1]
    if anchored:
        return len(path) - len(last) >= at and path.endswith(last)
    return path.find(last, at) >= 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern in normal form: ``octets`` as they are counted, ``segments`` between the ``*`` as they are found."""

    octets: str
    segments: tuple[str, ...]
    anchored: bool

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """The pattern that ``text`` writes. Never raises; an empty text is a pattern that matches everything, which
        RFC 9309 reads as no rule."""
        octets = normalize(text)
        return cls(octets, *_segments(octets))

    @property
    def length(self) -> int:
        """How many octets the pattern has, ``*`` and ``$`` included: the longest matching pattern wins."""
        return len(self.octets)

    @property
    def literal(self) -> str:
        """What a path must start with, up to the first special octet."""
        return self.segments[0]

    def matches(self, path: str) -> bool:
        """Whether the pattern matches ``path``, which :func:`target` has prepared."""
        return path.startswith(self.segments[0]) and _rest_matches(self.segments, self.anchored, path)


# An entry of an index: its place in the order of preference (the longer, then the heavier, then the earlier is larger),
# and its item.
_Entry = tuple[int, T]


class _Special(Generic[T]):
    """An indexed pattern with ``*`` or ``$``."""

    __slots__ = ("anchored", "entry", "needed", "segments")

    def __init__(self, octets: str, entry: _Entry[T]) -> None:
        self.segments, self.anchored = _segments(octets)
        self.entry = entry
        # a segment without which it cannot match
        self.needed = max(self.segments[1:], key=len, default="")


class _Bucket(Generic[T]):
    """The specials with one literal, the preferred first. Few are scanned; many are filed under three octets that
    they need."""

    __slots__ = ("by_gram", "scanned")

    def __init__(self, entries: list[tuple[str, _Entry[T]]]) -> None:
        specials = [_Special(octets, entry) for octets, entry in entries]
        specials.sort(key=lambda special: special.entry[0], reverse=True)
        self.scanned: list[tuple[str, _Special[T]]] = []
        self.by_gram: dict[str, list[tuple[str, _Special[T]]]] = {}
        for special in specials:
            needed = special.needed
            if len(specials) <= _SCANNED or len(needed) < _GRAM:
                self.scanned.append((needed, special))
            else:
                self.by_gram.setdefault(needed[-_GRAM:], []).append((needed, special))

    def filed(self, grams: set[str]) -> Iterator[tuple[str, _Special[T]]]:
        """The specials that are not scanned and can match a path of these grams."""
        for gram in self.by_gram.keys() & grams:
            yield from self.by_gram[gram]


def _grams(path: str) -> set[str]:
    return {path[at : at + _GRAM] for at in range(len(path) - _GRAM + 1)}


class PatternIndex(Generic[T]):
    """Many patterns, asked at once which of them match a path that :func:`target` has prepared.

    Entries are ``(octets, weight, item)``: a pattern in normal form, 0 or 1 to break ties of length, and what is to be
    returned. The literals stand in one sorted list, each with its nearest prefix: whatever can match a path hangs on
    one chain, and a binary search finds its end.
    """

    __slots__ = ("_buckets", "_doubles", "_keys", "_parents", "_plain", "_specials")

    def __init__(self, entries: Iterable[tuple[str, int, T]]) -> None:
        self._plain: dict[str, _Entry[T]] = {}
        self._doubles: list[tuple[str, _Entry[T]]] = []
        # specials by literal; they become a bucket when a path first comes by
        self._specials: dict[str, list[tuple[str, _Entry[T]]]] = {}
        self._buckets: dict[str, _Bucket[T]] = {}
        plain, specials = self._plain, self._specials
        for order, (octets, weight, item) in enumerate(entries):
            entry = ((2 * len(octets) + weight << 32) - order, item)
            if "*" in octets or "$" in octets:
                literal = _literal(octets)
                if literal in specials:
                    specials[literal].append((octets, entry))
                else:
                    specials[literal] = [(octets, entry)]
                continue
            known = plain.setdefault(octets, entry)
            if known is not entry:
                if entry[0] > known[0]:
                    plain[octets], entry = entry, known
                self._doubles.append((octets, entry))
        self._keys = keys = sorted(plain.keys() | specials.keys() if specials else plain)
        self._parents: list[int] = []
        add = self._parents.append
        above: list[int] = []
        nearest = ""
        for at, key in enumerate(keys):
            while above and not key.startswith(nearest):
                above.pop()
                nearest = keys[above[-1]] if above else ""
            add(above[-1] if above else -1)
            above.append(at)
            nearest = key

    def _build_bucket(self, literal: str) -> _Bucket[T]:
        bucket = self._buckets[literal] = _Bucket(self._specials[literal])
        return bucket

    def _literals(self, path: str) -> list[str]:
        """The indexed literals that ``path`` starts with, the longest first.

        INVARIANT: they are all found by going up from where ``path`` would be inserted, since whatever sorts between
        a prefix of the path and the path has that prefix too.
        """
        keys, parents = self._keys, self._parents
        at = bisect_right(keys, path) - 1
        while at >= 0 and not path.startswith(keys[at]):
            at = parents[at]
        found = []
        while at >= 0:
            found.append(keys[at])
            at = parents[at]
        return found

    def longest(self, path: str) -> T | None:
        """The item of the longest pattern that matches; among equals the heavier, then the earlier."""
        best: _Entry[T] | None = None
        best_place = -(1 << 32)
        grams: set[str] | None = None
        keys, parents, plain, specials = self._keys, self._parents, self._plain, self._specials
        at = bisect_right(keys, path) - 1
        while at >= 0:  # up the chain, as in _literals()
            literal = keys[at]
            at = parents[at]
            if not path.startswith(literal):
                continue
            if literal in plain and plain[literal][0] > best_place:
                best = plain[literal]
                best_place = best[0]
            if literal not in specials:
                continue
            bucket = self._buckets.get(literal) or self._build_bucket(literal)
            for needed, special in bucket.scanned:
                if needed not in path or special.entry[0] <= best_place:
                    continue
                if _rest_matches(special.segments, special.anchored, path):
                    best, best_place = special.entry, special.entry[0]
                    break
            if bucket.by_gram:
                grams = grams or _grams(path)
                for needed, special in bucket.filed(grams):
                    if needed not in path or special.entry[0] <= best_place:
                        continue
                    if _rest_matches(special.segments, special.anchored, path):
                        best, best_place = special.entry, special.entry[0]
        return None if best is None else best[1]

    def matching(self, path: str) -> list[T]:
        """The items of all patterns that match, in the order of the entries."""
        found = [entry for literal, entry in self._doubles if path.startswith(literal)]
        grams = _grams(path)
        for literal in self._literals(path):
            if literal in self._plain:
                found.append(self._plain[literal])
            if literal in self._specials:
                bucket = self._buckets.get(literal) or self._build_bucket(literal)
                found += [
                    special.entry
                    for _, special in chain(bucket.scanned, bucket.filed(grams))
                    if _rest_matches(special.segments, special.anchored, path)
                ]
        return [item for _, item in sorted(found, key=lambda entry: -entry[0] % (1 << 32))]


_plain_authority = re.compile(r"https?://[A-Za-z0-9.-]+(?=/)").match


@lru_cache(maxsize=1_024)
def _origin(authority: str) -> str:
    return str(origin_of(authority))


def one_spelling(url: str) -> str:
    """One spelling for all spellings of a URL: a page may write an address in another way than who requests it."""
    plain = _plain_authority(url)
    try:
        # a page displays thousands of images of one origin
        return f"{origin_of(url) if plain is None else _origin(plain[0])}{target(url)}"
    except UrlError:
        return url
