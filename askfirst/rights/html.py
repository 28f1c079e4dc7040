"""The parts of an HTML page that may speak about rights: its metas, its license links and the scripts that hold rights
data, the images it displays, the links it offers.

The artifact is a response body, parsed as the HTML standard has it (selectolax's Lexbor parser), with scripting off. It
runs no script, loads no style and gives no meaning to what it finds.

1. A meta counts wherever the parser makes it an element: in the head, in the body, in ``noscript``; not in a comment,
   a ``template``, ``script``, ``textarea`` or ``title``. house: one that a later ``frameset`` would drop counts, too.
2. Names that never speak of rights (``viewport``, ``og:…``; see ``_SILENT_NAME``) are left out, and so are the last
   robots metas of a page that only say ``index, follow`` and the like.
3. INVARIANT: a page is parsed for metas only when one cheap look over its bytes finds a tag that rule 2 does not rule
   out, and then only as far as the last such tag. The look never misses what a whole parse would find.
4. The images of a page are those it displays with or without scripts: ``img`` (also with the ``data-…`` attributes of
   lazy loading), ``picture``, ``input``, posters, SVG images, image preloads. Not styles, icons or the ``og:image``,
   which is for other places' previews.
5. Parsing is quadratic in the depth of a page and in the attributes of a tag, so a page that could be either is read
   flat: every tag of the sort that is asked for counts, wherever it stands, a comment or a script included. house: that
   finds more refusals, never fewer; a ``tdm-reservation`` of 0 is left out there, because it would permit, and no
   license speaks of the whole document there.
6. An excerpt is written anew from what was found, as UTF-8 with a byte order mark, and reads as the page does.

7. License links are ``link``, ``a`` and ``area`` whose rel says ``license`` or ``terms-of-service``. Scripts are those
   of RSL, whole, and those of JSON-LD that speak of licenses, of which only that part is read (``json_ld``):
   an excerpt must not hold an article. house: a script ends where a ``<script`` inside one of its comments begins.
8. INVARIANT: license links and scripts are looked for in a parse only when the cheap look finds their words. house: a
   rel or type that spells those words with character references is not found by it.
9. Renditions are images that an element offers in place of one another, and an image and what it links to.

It is long and one thing: the cheap look, the parse, the flat reading and the excerpt must all find the same.
"""

from __future__ import annotations

import codecs
import html
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from askfirst.rights import json_ld
from askfirst.rights.media import HTML_TYPES, begins_as_html, content_type, may_be_html, sniffed
from askfirst.rights.model import Observation

_SILENT_NAME: Final = (
    r"viewport|description|keywords|author|generator|theme-color|color-scheme|referrer|format-detection|"
    r"application-name|application-title|mobile-web-app-capable|handheldfriendly|mobileoptimized|"
    r"csrf-token|csrf-param|google-site-verification|msvalidate\.01|yandex-verification|p:domain_verify|"
    r"facebook-domain-verification|next-head-count|title|date|language|revisit-after|"
    r"(?:og|fb|twitter|article|al|profile|product):[a-z0-9:._-]{1,64}|(?:msapplication|apple)-[a-z0-9-]{1,64}"
)
_silent = re.compile(_SILENT_NAME, re.IGNORECASE | re.ASCII).fullmatch
# what robots metas say on every second page, and what says nothing to us
_SILENT_RULE: Final = (
    r"(?:all|index|follow|nofollow|archive|snippet|imageindex|noodp|noydir|max-snippet:-1|max-video-preview:-1|"
    r"max-image-preview:(?:large|standard|none))"
)
_SILENT_RULES: Final = rf"{_SILENT_RULE}(?: {{0,2}}, {{0,2}}{_SILENT_RULE}){{0,11}}"
_silent_rules = re.compile(_SILENT_RULES, re.IGNORECASE | re.ASCII).fullmatch

# INVARIANT: what this skips is a meta tag whose attributes can be read without doubt, and which has either no name or
# one of the names above. Counts are bounded, so that the look stays linear; beyond the bounds there is doubt.
_S: Final = r"[ \t\r\n\f]"


def _other_attributes(names: str) -> str:
    """Attributes that can be read without doubt and have none of these names: of two alike the first one counts."""
    return (
        rf"(?:{_S}++(?!(?:{names})[ \t\r\n\f=/>])[a-z][a-z:-]*+{_S}*+={_S}*+"
        rf"(?:\"[^\"]{{0,2000}}+\"|'[^']{{0,2000}}+'|[^ \t\r\n\f\v\"'<>=`&]++)){{0,12}}+"
    )


_SILENT_TAG: Final = re.compile(
    (
        rf"<meta(?:{_other_attributes('name')}(?:{_S}*+/?>"
        rf"|{_S}++name{_S}*+={_S}*+(?:\"(?:{_SILENT_NAME})\"|'(?:{_SILENT_NAME})'|(?:{_SILENT_NAME})[ \t\r\n\f>]))"
        rf"|{_other_attributes('name|content')}{_S}++name{_S}*+={_S}*+(?:\"robots\"|'robots'){_S}++content{_S}*+={_S}*+"
        rf"(?:\"{_SILENT_RULES}\"|'{_SILENT_RULES}'){_S}*+/?>)"
    ).encode("ascii"),
    re.IGNORECASE,
)
# a tag, attribute by attribute, as the tokenizer of the HTML standard has it
# what follows an equals sign is a value: where its quote is never closed there is no tag
_ATTRIBUTES: Final = (
    r"(?:[ \t\r\n\f/]++|[^ \t\r\n\f/>][^ \t\r\n\f/>=]*+"
    rf"(?:{_S}*+={_S}*+(?:\"[^\"]*+\"|'[^']*+'|[^ \t\r\n\f\"'>][^ \t\r\n\f>]*+|(?=>|\Z))|(?!{_S}*+=)))*+"
)
_TAG: Final = re.compile(f"<meta{_ATTRIBUTES}>".encode("ascii"), re.IGNORECASE)
# so many tags are measured one by one; with more of them the whole page is parsed, which is linear again
_MAX_DOUBTS: Final = 32

_CHARSET: Final = re.compile(r"charset\s*+=\s*+[\"']?+\s*+([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_PRESCANNED_BYTES: Final = 1_024
# the encodings of the WHATWG Encoding Standard, by Python's names; the first three sets hold ASCII bytes as they are
_LATIN: Final = frozenset({"ascii", "iso8859-1", "cp1252"})
_ONE_BYTE: Final = frozenset(
    {*(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16))}
    | {*(f"cp125{part}" for part in range(9)), "cp874", "cp866", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"},
)
_MANY_BYTES: Final = frozenset(
    {"gbk", "gb2312", "gb18030", "big5", "big5hkscs", "euc_jp", "iso2022_jp", "shift_jis", "cp932", "euc_kr", "cp949"}
    | {"utf-16", "utf-16-le", "utf-16-be"},
)
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """One meta element. ``name`` is stripped and in lower case; ``content`` is as the parser has it; ``at`` is
    ``meta name="robots" 2``, the second of that name; ``text`` is the element, written anew."""

    name: str
    content: str
    at: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseLink:
    """One element that links to a license or to terms.

    ``tag`` is link, a or area; ``rel`` are its tokens in lower case, one of which is license or terms-of-service;
    ``href`` is absolute, without a fragment, None where it leads to no web page; ``type`` is the media type in lower
    case, without parameters; ``whole``: it is a ``link`` in the head or directly in the body, and so speaks of the
    whole document; ``at`` is ``link rel="license" 1``; ``text`` is the element, written anew.
    """

    tag: str
    rel: tuple[str, ...]
    href: str | None
    type: str | None
    whole: bool
    at: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One script element that holds data. ``type`` is RSL_TYPE or JSON_LD_TYPE; ``text`` is what it holds: all of it
    for RSL, at most 256 Ki characters; what ``json_ld.works`` reads for JSON-LD. ``whole``: it stands in the head or
    directly in the body, and so speaks of the document rather than of an element. ``at`` is
    ``script type="application/rsl+xml" 1``."""

    type: str
    text: str
    whole: bool
    at: str


class _Look(NamedTuple):
    """What the cheap look finds: the metas, and whether there may be license links and scripts."""

    metas: tuple[Meta, ...]
    links: bool
    scripts: bool


_UNLOOKED: Final = _Look((), links=False, scripts=False)


class PageElements:
    """What a page holds. Everything is found when first asked for; nothing raises on content."""

    __slots__ = ("_images", "_license_links", "_links", "_looked", "_observation", "_renditions", "_scripts", "_tree")

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._looked: _Look | None = None
        self._images: tuple[str, ...] | None = None
        self._links: tuple[str, ...] | None = None
        self._license_links: tuple[LicenseLink, ...] | None = None
        self._scripts: tuple[Script, ...] | None = None
        self._renditions: tuple[tuple[str, ...], ...] | None = None
        self._tree: LexborHTMLParser | None = None

    @property
    def _look(self) -> _Look:
        if self._looked is None:
            self._looked = _look(self._observation) if may_be_html(self._observation) else _UNLOOKED
        return self._looked

    @property
    def is_silent(self) -> bool:
        """Whether there are neither metas that may speak of rights nor license links nor scripts about licenses."""
        look = self._look
        return not (look.metas or look.links or look.scripts)

    @property
    def metas(self) -> tuple[Meta, ...]:
        """The metas that may speak about rights, in document order."""
        return self._look.metas

    @property
    def license_links(self) -> tuple[LicenseLink, ...]:
        """The first 64 links of RSL and the first 64 others to licenses and terms, in document order."""
        if self._license_links is None:
            self._license_links = ()
            if self._look.links:
                tree = self._parsed()
                self._license_links = _license_links(tree, _base(tree, self._observation.document.url))
        return self._license_links

    @property
    def scripts(self) -> tuple[Script, ...]:
        """The first eight RSL scripts and the first eight JSON-LD scripts about licenses, in document order."""
        if self._scripts is None:
            self._scripts = _scripts(self._parsed()) if self._look.scripts else ()
        return self._scripts

    @property
    def renditions(self) -> tuple[tuple[str, ...], ...]:
        """Absolute URLs of images that are renditions of one work, two or more each, in document order: what one
        ``img``, ``picture`` or image preload offers, and the image file that a link around them leads to."""
        if self._renditions is None:
            self._renditions = ()
            if may_be_html(self._observation):
                tree = self._parsed()
                self._renditions = _renditions(tree, _base(tree, self._observation.document.url))
        return self._renditions

    @property
    def images(self) -> tuple[str, ...]:
        """Absolute http and https URLs of the images that the page displays, in document order, each once."""
        if self._images is None:
            self._images = self._resolved(_image_references)
        return self._images

    @property
    def links(self) -> tuple[str, ...]:
        """Absolute http and https URLs that the page links to, in document order, each once."""
        if self._links is None:
            self._links = self._resolved(_link_references)
        return self._links

    def _resolved(self, references: Callable[[LexborHTMLParser], Iterator[str]]) -> tuple[str, ...]:
        if not may_be_html(self._observation):
            return ()
        tree = self._parsed()
        base = _base(tree, self._observation.document.url)
        found = (_absolute(base, reference) for reference in dict.fromkeys(references(tree)))
        return tuple(dict.fromkeys(url for url in found if url is not None))

    def _parsed(self) -> LexborHTMLParser:
        if self._tree is None:
            text = _decoded(self._observation.body, _encoding(self._observation))
            if _is_costly(self._observation, source := text.encode("utf-8", "replace")):
                text = _flat_page(source)
            self._tree = LexborHTMLParser(text)
        return self._tree


_REMEMBERED: Final = 4
_recent: dict[int, tuple[Observation, PageElements]] = {}


def elements(observation: Observation) -> PageElements:
    """What the page holds; the same object for the same observation, while it is among the last few asked about."""
    known = _recent.get(id(observation))
    if known is not None and known[0] is observation:
        return known[1]
    page = PageElements(observation)
    if len(_recent) >= _REMEMBERED:
        _recent.clear()
    _recent[id(observation)] = (observation, page)
    return page


def excerpt(observation: Observation, *, with_images: bool = False) -> bytes:
    """The metas, license links and scripts, and on demand the images, and nothing else of the page.

    As a body under the same document and headers it has the same metas, license links and scripts (``at`` and ``text``
    included) and, if asked for, the same images. For keeping as evidence where the page itself may not be kept.
    """
    page = elements(observation)
    parts = _written(page)
    if not parts and not with_images:
        return _SILENT_EXCERPT
    if with_images:
        parts += [f'<img src="{_escaped(url)}">' for url in page.images]
    return "\n".join(("\ufeff<!doctype html>", *parts, "")).encode("utf-8")


_SILENT_EXCERPT: Final = "\ufeff<!doctype html>\n".encode()


def _written(page: PageElements) -> list[str]:
    """The elements that speak about rights, written anew. What does not speak of the whole stands in an element."""
    parts = [meta.text for meta in page.metas]
    for link in page.license_links:
        element = link.text + ("</a>" if link.tag == "a" else "")
        parts.append(element if link.whole else f"<div>{element}</div>")
    for script in page.scripts:
        element = f'<script type="{script.type}">{script.text}</script>'
        parts.append(element if script.whole else f"<div>{element}</div>")
    return parts


def relied_on(observation: Observation) -> Observation:
    """The observation with no more of its body than a reader needs to find the same in it: the metas, license links and
    scripts of a page, the first bytes of anything else. For evidence, where bodies that may not be kept must not be.

    INVARIANT: every reader that reads HTML says the same of it as of the whole. The whole body is given back where
    nothing shorter does that: something that is both an image and a page with metas.
    """
    if not observation.body:
        return observation
    tag = observation.body[:1] == b"<" or not (sniffed(observation.body) or "").startswith("image/")
    if tag and content_type(observation) in HTML_TYPES:
        return Observation(  # replace() takes three times as long, and this runs once per response
            document=observation.document,
            status=observation.status,
            headers=observation.headers,
            body=excerpt(observation),
            truncated=observation.truncated,
            outage=observation.outage,
            redirects=observation.redirects,
            observed_at=observation.observed_at,
            fresh_s=observation.fresh_s,
            whole_digest=observation.digest,
        )
    facts = _facts(observation)
    for body in (observation.body[:_MAGIC_BYTES], excerpt(observation), _bare_excerpt(observation)):
        part = replace(observation, body=body, whole_digest=observation.digest)
        if _facts(part) == facts:
            return part
    return observation


_MAGIC_BYTES: Final = 16


def _bare_excerpt(observation: Observation) -> bytes:
    """An excerpt that does not begin as a document does."""
    return "\n".join(("<p>", *_written(elements(observation)), "")).encode("utf-8")


def _facts(observation: Observation) -> tuple[object, ...]:
    """What readers take from a body whose type is not told as HTML."""
    kind = sniffed(observation.body)
    tag_like = kind is None and observation.body[:_MAGIC_BYTES].lstrip().startswith(b"<")
    page = elements(observation)
    return kind, begins_as_html(observation.body), tag_like, page.metas, page.license_links, page.scripts


# -- the look, and metas ----------------------------------------------------------------------------------------------


class _Marks(NamedTuple):
    """What one cheap look over the bytes finds: how much of the page has to be parsed for metas (to the end of the last
    tag that rule 2 does not rule out; 0 for none), and whether there may be license links and scripts."""

    extent: int
    links: bool
    scripts: bool


_UNMARKED: Final = _Marks(0, links=False, scripts=False)


def says_nothing(body: bytes) -> bool:
    """Whether the bytes alone show that a page says nothing, in whatever encoding it is: then ``is_silent`` holds for
    every page with this body. False where that takes a closer look."""
    return b"\x1b" not in body and b"\x00" not in body and _marks(body) == _UNMARKED


def _look(observation: Observation) -> _Look:
    source = observation.body
    escaped = b"\x1b" in source
    marks = None
    # Without zeros and escapes the bytes of a tag are its letters in every encoding: no charset has to be found out.
    if not escaped and b"\x00" not in source:
        marks = _marks(source)
        if not marks.extent:
            return _Look((), links=marks.links, scripts=marks.scripts)
    encoding = _declared(observation)
    if escaped or encoding in _MANY_BYTES:
        source = _decoded(source, encoding or _guessed(source)).encode("utf-8", "replace")
        encoding, marks = "utf-8", None
    marks = marks or _marks(source)
    metas = _metas(observation, source[: marks.extent], encoding)
    return _Look(metas, links=marks.links, scripts=marks.scripts)


# Each look below begins with one character that pages have few of, and there are two of them: searching a copy in lower
# case for each of the words takes half as long again.
_STARTS: Final = re.compile(rb"<(?:[mM][eE][tT][aA]|([sS][cC][rR][iI][pP][tT]))")


def _marks(source: bytes) -> _Marks:
    """What looks like a tag inside another's attribute may end before that one does, so every end counts."""
    extent = doubts = 0
    first_script = -1
    for found in _STARTS.finditer(source):
        at = found.start()
        if found.lastindex:
            first_script = at if first_script < 0 else first_script
        elif doubts <= _MAX_DOUBTS and _SILENT_TAG.match(source, at) is None:
            doubts += 1
            tag = _TAG.match(source, at) if doubts <= _MAX_DOUBTS else None
            doubts = doubts if tag is not None else _MAX_DOUBTS + 1
            extent = len(source) if tag is None else max(extent, tag.end())
    scripts = first_script >= 0 and _may_script(source, first_script)
    return _Marks(extent, links=_may_link(source), scripts=scripts)


_REL: Final = re.compile(rb"rel[ \t\r\n\f]*+=[ \t\r\n\f]*+")
_REL_CHARS: Final = 500
_REL_BYTES: Final = 4 * _REL_CHARS
_LICENSES: Final = (b"license", b"terms-of-service")
# the equals sign of a rel, or one after two spaces, before which a rel may stand; but not before one of the values that
# every second page has
_COMMON: Final = (
    r"(?:stylesheet|(?:shortcut )?+icon|apple-touch-icon|manifest|canonical|alternate|preload|modulepreload|prefetch|"
    r"preconnect|dns-prefetch|nofollow|noopener|noreferrer|external|sponsored|ugc|next|prev|tag|category|bookmark)"
)
_REL_SIGN: Final = re.compile(
    (
        rf"=(?<=[lL \t\r\n\f]=)(?:(?<=[rR][eE][lL]=)|(?<=[rR][eE][lL]{_S}=)|(?<={_S}{_S}=)){_S}*+"
        rf"(?!\"{_COMMON}(?: {_COMMON}){{0,2}}+\"|'{_COMMON}(?: {_COMMON}){{0,2}}+')"
    ).encode("ascii"),
)
_REL_SPACES: Final = 64


def _may_link(source: bytes) -> bool:
    """Whether some ``rel=`` is followed by one of the two words before its quote ends."""
    for places, sign in enumerate(_REL_SIGN.finditer(source)):
        if places == _MAX_DOUBTS:
            return _may_link_anywhere(source.lower())
        if _says_license(source[sign.end() : sign.end() + _REL_BYTES].lower(), 0):
            before = source[max(0, sign.start() - _REL_SPACES) : sign.start()].rstrip(b" \t\r\n\f")
            # after so many spaces it may be one
            if len(before) < len(b"rel") or before[-3:].lower() == b"rel":
                return True
    return False


def _may_link_anywhere(lowered: bytes) -> bool:
    """The same where many an equals sign has to be looked at: most pages have neither word."""
    if not any(word in lowered for word in _LICENSES):
        return False
    return any(_says_license(lowered, found.end()) for found in _REL.finditer(lowered))


def _says_license(lowered: bytes, at: int) -> bool:
    quote = lowered[at : at + 1]
    value = lowered[at + 1 : at + _REL_BYTES] if quote in (b'"', b"'") else lowered[at : at + _REL_BYTES]
    value = value.partition(quote if quote in (b'"', b"'") else b">")[0]
    return any(word in value for word in _LICENSES)


_SPEAKING_WORDS: Final = (b"license", b"usageinfo", b"copyrightholder", b"conditionsofaccess")
_DATA: Final = re.compile(
    rb"/(?=[rRlL][sSdD])(?<=[aA][pP][pP][lL][iI][cC][aA][tT][iI][oO][nN]/)(?:[rR][sS][lL]|([lL][dD]))"
)


def _may_script(source: bytes, start: int) -> bool:
    """Whether there is an RSL script, or between a type of JSON-LD and the end of its script one of the words; the
    first script begins at ``start``."""
    end = start
    for found in _DATA.finditer(source, start):
        if not found.lastindex:
            return True
        # from one end of a script to the next, so that every stretch is searched once
        if found.start() >= end:
            close = _SCRIPT_END.search(source, found.start())
            end = len(source) if close is None else close.start()
            held = source[found.start() : end].lower()
            if any(word in held for word in _SPEAKING_WORDS):
                return True
    return False


def _metas(observation: Observation, start: bytes, encoding: str | None) -> tuple[Meta, ...]:
    if not start:
        return ()
    encoding = encoding or _guessed(start)
    if _is_costly(observation, start):
        return _speaking(_found(_decoded(b"".join(_flat(start, _META_START)), encoding), permitting=False))
    return _speaking(_found(_decoded(start, encoding)))


def _speaking(found: tuple[Meta, ...]) -> tuple[Meta, ...]:
    """Up to the last that may say something: the look did not go further either."""
    end = len(found)
    while end and found[end - 1].name == "robots" and _silent_rules(found[end - 1].content):
        end -= 1
    return found[:end]


def _found(text: str, *, permitting: bool = True) -> tuple[Meta, ...]:
    counts: dict[str, int] = {}
    metas: list[Meta] = []
    for node in LexborHTMLParser(text).tags("meta"):
        attributes = node.attributes
        written = attributes.get("name")
        if written is None:
            continue
        name = written.strip().lower()
        if not name or _silent(written):
            continue
        content = attributes.get("content") or ""
        if not permitting and name == "tdm-reservation" and content == "0":
            continue
        ordinal = counts[name] = counts.get(name, 0) + 1
        metas.append(
            Meta(
                name=name,
                content=content,
                at=f'meta name="{name}" {ordinal}',
                text=f'<meta name="{_escaped(written)}" content="{_escaped(content)}">',
            ),
        )
    return tuple(metas)


def _escaped(value: str) -> str:
    """So that parsing gives the value back: a bare carriage return would come back as a line feed."""
    return html.escape(value).replace("\r", "&#13;")


# -- pages that cost too much ------------------------------------------------------------------------------------------

_CHEAP_BYTES: Final = 32_768
# tags that open or close something; so many cost at most about a second
_MAX_TAGS: Final = 20_000
_LONG_TAG_BYTES: Final = 4_096
_MAX_GAPS: Final = 500
_MAX_FLAT_BYTES: Final = 16_384
_NESTING: Final = re.compile(rb"</?[a-z]", re.IGNORECASE)
_ANY_TAG: Final = re.compile(rf"<[a-z][^ \t\r\n\f/>]*+{_ATTRIBUTES}".encode("ascii"), re.IGNORECASE)
_GAP: Final = re.compile(rb"[ \t\r\n\f/]++")
_META_START: Final = re.compile(rb"<meta(?=[ \t\r\n\f/>])", re.IGNORECASE)
_SHOWN_START: Final = re.compile(rb"<(?:img|image|input|source|link|video|a|area|base)(?=[ \t\r\n\f/>])", re.IGNORECASE)
_SCRIPT_START: Final = re.compile(rb"<script(?=[ \t\r\n\f/>])", re.IGNORECASE)
_SCRIPT_END: Final = re.compile(rb"</script", re.IGNORECASE)
_DATA_TYPE: Final = re.compile(rb"application/(?:rsl|ld)", re.IGNORECASE)
_MAX_FLAT_SCRIPTS: Final = 64


def _is_costly(observation: Observation, source: bytes) -> bool:
    """Whether parsing could take the square of the time that the page's size calls for.

    INVARIANT: elements cannot be nested deeper than there are tags; ``meta`` holds none. Attributes are counted by
    what stands between them. What we wrote ourselves, an excerpt, is read as it was written.
    """
    if len(source) <= _CHEAP_BYTES or observation.whole_digest is not None:
        return False
    tags = len(_NESTING.findall(source))
    if tags > _MAX_TAGS and tags - len(_META_START.findall(source)) > _MAX_TAGS:
        return True
    return any(
        tag.end() - tag.start() > _LONG_TAG_BYTES and len(_GAP.findall(tag[0])) > _MAX_GAPS
        for tag in _ANY_TAG.finditer(source)
    )


def _flat(source: bytes, starts: re.Pattern[bytes]) -> Iterator[bytes]:
    """The tags that ``_flat_tags`` finds."""
    return (tag[0] + b">" for tag in _flat_tags(source, starts))


def _flat_tags(source: bytes, starts: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """The tags that begin so, one by one, wherever they stand; those inside another's attributes, too, each up to the
    next beginning. A tag that is very long, or has hundreds of attributes, is left out. Takes linear time."""
    places = [found.start() for found in starts.finditer(source)]
    end = 0
    for at, following in pairwise([*places, len(source)]):
        tag = _ANY_TAG.match(source, at) if at >= end else _ANY_TAG.match(source, at, following)
        if tag is None:
            continue
        end = max(end, tag.end())
        if source[tag.end() : tag.end() + 1] != b">" or len(tag[0]) > _MAX_FLAT_BYTES:
            continue
        if len(tag[0]) <= _LONG_TAG_BYTES or len(_GAP.findall(tag[0])) <= 2 * _MAX_GAPS:
            yield tag


def _flat_page(source: bytes) -> str:
    """A page of the tags that display or link something, and of the scripts that may hold data, in one element. SVG
    images stand in an SVG again, and nothing else is nested."""
    parts: list[bytes] = [b"<div>"]
    for tag in _flat(source, _SHOWN_START):
        name = tag[1:7].lower()
        if name.startswith(b"image"):
            parts.append(b"<svg>" + tag + b"</svg>")
        else:
            parts.append(
                tag + (b"</video>" if name.startswith(b"video") else b"</a>" if name[1:2] in b" /\t\r\n\f>" else b"")
            )
    return b"".join(parts).decode("utf-8", "replace") + "".join(_flat_scripts(source))


def _flat_scripts(source: bytes) -> Iterator[str]:
    """The scripts that may hold data, wherever they begin, each up to the next end."""
    tags = (tag for tag in _flat_tags(source, _SCRIPT_START) if _DATA_TYPE.search(tag[0]))
    ends = [found.start() for found in _SCRIPT_END.finditer(source)]
    for tag in islice(tags, _MAX_FLAT_SCRIPTS):
        place = bisect_left(ends, tag.end())
        end = ends[place] if place < len(ends) else len(source)
        # a character has four bytes at most
        held = source[tag.end() + 1 : min(end, tag.end() + 4 * MAX_SCRIPT_CHARS)].decode("utf-8", "replace")
        yield f"{tag[0].decode('utf-8', 'replace')}>{_held(held)}</script>"


# -- encodings --------------------------------------------------------------------------------------------------------


def _encoding(observation: Observation) -> str:
    return _declared(observation) or _guessed(observation.body)


def _declared(observation: Observation) -> str | None:
    """By byte order mark, Content-Type, or the page's own word; Python's name for it."""
    body = observation.body
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return encoding
    for name, value in reversed(observation.headers):
        if len(name) == 12 and name.lower() == "content-type" and (labelled := _codec_in(value)) is not None:
            return labelled
    return _prescanned(body[:_PRESCANNED_BYTES])


def _guessed(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _prescanned(head: bytes) -> str | None:
    start = head.lower().find(b"charset")
    encoding = None if start < 0 else _codec_in(head[start:].decode("latin-1"))
    # a page whose own ASCII could be read is not UTF-16: the HTML standard's prescan says so
    return "utf-8" if encoding is not None and encoding.startswith("utf-16") else encoding


def _codec_in(text: str) -> str | None:
    found = _CHARSET.search(text)
    return None if found is None else _codec(found[1].lower())


_known: dict[str, str | None] = {}


def _codec(label: str) -> str | None:
    """Python's name for an encoding that the web knows; None for every other."""
    if label in _known:
        return _known[label]
    try:
        name = codecs.lookup(label.removeprefix("x-").replace("windows-31j", "cp932")).name
    except LookupError:
        return None
    if name in _LATIN:
        name = "cp1252"
    codec = name if name == "utf-8" or name in _LATIN | _ONE_BYTE | _MANY_BYTES else None
    if len(_known) < 256:
        _known[label] = codec
    return codec


def _decoded(body: bytes, encoding: str) -> str:
    return body.decode(encoding, "replace").removeprefix("\ufeff")


# -- images and links -------------------------------------------------------------------------------------------------

_LAZY: Final = ("data-src", "data-lazy-src", "data-original")
_LAZY_SETS: Final = ("data-srcset", "data-lazy-srcset")
_IMAGES: Final = "img,image,input[src],link[as],source,video[poster]"


def _image_references(tree: LexborHTMLParser) -> Iterator[str]:
    for node in tree.css(_IMAGES):
        yield from _displayed(node.tag or "", node.attributes)


def _displayed(tag: str, attributes: Mapping[str, str | None]) -> Iterator[str]:
    """The references of one element, nearest to the standard's order: the plain one, then the sets."""
    if tag in ("img", "source"):
        plain: tuple[str, ...] = ("src", *_LAZY) if tag == "img" else ()
        sets: tuple[str, ...] = ("srcset", *_LAZY_SETS)
    elif tag == "link":
        if "preload" not in (attributes.get("rel") or "").lower().split() or not _is(attributes, "as", "image"):
            return
        plain, sets = ("href",), ("imagesrcset",)
    elif tag == "image":
        plain, sets = (("href",) if attributes.get("href") else ("xlink:href",)), ()
    elif tag == "video":
        plain, sets = ("poster",), ()
    else:
        plain, sets = (("src",) if _is(attributes, "type", "image") else ()), ()
    yield from (value for name in plain if (value := attributes.get(name)))
    for name in sets:
        yield from _candidates(attributes.get(name) or "")


def _is(attributes: Mapping[str, str | None], name: str, value: str) -> bool:
    return (attributes.get(name) or "").strip().lower() == value


_CANDIDATE: Final = re.compile(r"[\s,]*([^\s,]\S*)")
_DESCRIPTORS: Final = re.compile(r"(?:[^(),]++|\([^)]*+(?:\)|$))*+")


def _candidates(srcset: str) -> Iterator[str]:
    """The URLs of a srcset, by the HTML standard's algorithm: a URL ends at white space, or at commas that end it."""
    at = 0
    while (found := _CANDIDATE.match(srcset, at)) is not None:
        url = found[1].rstrip(",")
        at = found.end()
        if url == found[1]:
            descriptors = _DESCRIPTORS.match(srcset, at)
            at = len(srcset) if descriptors is None else descriptors.end() + 1
        yield url


def _link_references(tree: LexborHTMLParser) -> Iterator[str]:
    """Where the page points, but for the links that it asks not to follow."""
    for node in tree.css("a[href],area[href]"):
        attributes = node.attributes
        if "nofollow" not in (attributes.get("rel") or "").lower().split():
            yield attributes.get("href") or ""


_EDGES: Final = "".join(map(chr, range(0x21)))
_BREAKS: Final = {ord(letter): None for letter in "\t\n\r"}
_KEPT: Final = "%!$&'()*+,;=:@/?#[]~|^`{}\"<>\\"


def _base(tree: LexborHTMLParser, document_url: str) -> str:
    """What references are relative to: the first ``base`` that has an href, if it leads to the web."""
    node = tree.css_first("base[href]")
    reference = None if node is None else node.attributes.get("href")
    return (None if reference is None else _absolute(document_url, reference)) or document_url


def _absolute(base: str, reference: str) -> str | None:
    """The http or https URL without its fragment, or None. Beyond ASCII it is escaped as UTF-8, as browsers do."""
    written = reference.strip(_EDGES).translate(_BREAKS)
    path, mark, query = written.partition("?")
    try:
        url = urljoin(base, path.replace("\\", "/") + mark + query).partition("#")[0]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        rest = url[len(parts.scheme) + 3 + len(parts.netloc) :]
    except ValueError:
        # house: a reference that is no URL displays nothing and leads nowhere
        return None
    return f"{parts.scheme}://{parts.netloc}{_percent(rest) or '/'}"


def _percent(rest: str) -> str:
    return quote(rest, safe=_KEPT, errors="replace")


# -- license links, scripts and renditions ----------------------------------------------------------------------------

RSL_TYPE: Final = "application/rsl+xml"
JSON_LD_TYPE: Final = "application/ld+json"
MAX_SCRIPT_CHARS: Final = 262_144
MAX_SCRIPTS: Final = 8
_MAX_LICENSE_LINKS: Final = 64
_LICENSE_RELS: Final = ("license", "terms-of-service")


def _license_links(tree: LexborHTMLParser, base: str) -> tuple[LicenseLink, ...]:
    found: list[LicenseLink] = []
    counts: dict[str, int] = {}
    left = {True: _MAX_LICENSE_LINKS, False: _MAX_LICENSE_LINKS}
    for node in tree.css("link[rel],a[rel],area[rel]"):
        attributes = node.attributes
        rel = tuple(dict.fromkeys((attributes.get("rel") or "")[:_REL_CHARS].lower().split()))
        said = next((word for word in _LICENSE_RELS if word in rel), None)
        reference = attributes.get("href")
        told = _media_type(attributes.get("type"))
        # a page of credits must not hide the one link to its own license
        if said is None or not reference or not left[told == RSL_TYPE]:
            continue
        left[told == RSL_TYPE] -= 1
        tag, href = node.tag or "", _absolute(base, reference)
        place = f'{tag} rel="{said}"'
        ordinal = counts[place] = counts.get(place, 0) + 1
        typed = f' type="{_escaped(told)}"' if told else ""
        found.append(
            LicenseLink(
                tag=tag,
                rel=rel,
                href=href,
                type=told,
                whole=tag == "link" and _is_outermost(node),
                at=f"{place} {ordinal}",
                text=f'<{tag} rel="{_escaped(" ".join(rel))}" href="{_escaped(href or reference)}"{typed}>',
            ),
        )
    return tuple(found)


def _media_type(written: str | None) -> str | None:
    return (written or "").partition(";")[0].strip().lower() or None


def _scripts(tree: LexborHTMLParser) -> tuple[Script, ...]:
    found: list[Script] = []
    counts = {RSL_TYPE: 0, JSON_LD_TYPE: 0}
    for node in tree.css("script[type]"):
        told = _media_type(node.attributes.get("type"))
        if told not in counts or counts[told] == MAX_SCRIPTS:
            continue
        text = _held(node.text())
        if told == JSON_LD_TYPE:
            said = json_ld.works(text) if json_ld.SPEAKING.search(text) else ()
            text = json_ld.written(said)
            # house: a creator alone is no word about licenses
            if json_ld.SPEAKING.search(text) is None:
                continue
        counts[told] += 1
        at = f'script type="{told}" {counts[told]}'
        found.append(Script(type=told, text=text, whole=_is_outermost(node), at=at))
    return tuple(found)


def _is_outermost(node: LexborNode) -> bool:
    parent = node.parent
    return parent is None or parent.tag in ("head", "body", "html")


def _held(text: str) -> str:
    """What a script holds, so that between script tags it is the same again: no end, and no beginning in a comment."""
    text = text[:MAX_SCRIPT_CHARS].replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    lowered = text.lower()
    ends = [at for at in (lowered.find("</script"), _nested(lowered)) if at >= 0]
    return text[: min(ends, default=len(text))].encode("utf-8", "replace").decode()


def _nested(lowered: str) -> int:
    comment = lowered.find("<!--")
    return -1 if comment < 0 else lowered.find("<script", comment)


_IMAGE_FILE: Final = re.compile(r"\.(?:jpe?g|jpe|a?png|gif|webp|avif|hei[cf]|bmp|tiff?|svg|jxl)\Z", re.IGNORECASE)
_MAX_RENDITIONS: Final = 64
_ANCESTORS: Final = 8


def _renditions(tree: LexborHTMLParser, base: str) -> tuple[tuple[str, ...], ...]:
    """By the element that holds them together: the link around an image, or its picture, or itself."""
    groups: dict[int, dict[str, None]] = {}
    for node in tree.css("img,picture>source,link[as]"):
        owner, linked = _owner(node, base)
        group = groups.setdefault(owner, {} if linked is None else {linked: None})
        for reference in _displayed(node.tag or "", node.attributes):
            url = _absolute(base, reference)
            if url is not None and len(group) < _MAX_RENDITIONS:
                group[url] = None
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _owner(node: LexborNode, base: str) -> tuple[int, str | None]:
    """Which element holds the renditions together, and the image file that it links to."""
    owner = node
    around = node.parent
    for _ in range(_ANCESTORS):
        if around is None:
            break
        if around.tag == "picture":
            owner = around
        elif around.tag == "a":
            linked = _absolute(base, around.attributes.get("href") or "")
            if linked is not None and _IMAGE_FILE.search(urlsplit(linked).path):
                return around.mem_id, linked
            break
        around = around.parent
    return owner.mem_id, None
