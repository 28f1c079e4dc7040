"""The HTML reading: what counts as a meta, an image, a link; that the cheap look misses nothing; that excerpts hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from askfirst.rights import json_ld
from askfirst.rights.html import elements, excerpt, relied_on, says_nothing
from askfirst.rights.media import begins_as_html, is_html, is_image, may_be_html, may_be_image, media_type
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose

AT = datetime(2026, 11, 24, tzinfo=UTC)
URL = "https://art.example/gallery/page.html?x=1"


def page(body: bytes | str, *, content_type: str | None = "text/html", url: str = URL) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=url),
        status=200,
        headers=() if content_type is None else (("Content-Type", content_type),),
        body=body.encode() if isinstance(body, str) else body,
        observed_at=AT,
    )


def whole_parse(text: str) -> list[tuple[str, str]]:
    """Every meta that has a name and might speak of rights, by the parser alone."""
    metas = [node.attributes for node in LexborHTMLParser(text).tags("meta")]
    named = [((m.get("name") or "").strip().lower(), m.get("content") or "") for m in metas]
    return [m for m in named if m[0] in INTERESTING]


INTERESTING = {"robots", "tdm-reservation", "exbot", "viewport/", "rob\ufffdots", "some-bot"}

# -- metas ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"<META NAME=Robots CONTENT=NoAI>",
        b"<meta\nname='robots'\ncontent=noai>",
        b"<meta/name='robots'/content=noai>",
        b'<meta name="&#114;obots" content="no&#x61;i">',
        b'<meta content="noai" name="robots">',
        b'<meta property="og:title" content="x" name="robots" content="noai">',
        b'<meta property="x"name="robots" content=noai>',
        b"<meta content=noai/ name=robots>",
        b"<meta name = robots content>",
        b"<meta itemscope name=robots>",
        b"<svg><meta name=robots content=noai></svg>",
        b"<p><meta name=robots content=noai>",
        b'<meta charset="gbk"><meta content="\x81" x=" name=robots y=">',
        '<!doctype html><meta name="robots" content="noai">'.encode("utf-16"),
        b"\x1b$B<meta \x1b(B<meta name=robots content=noai>",
    ],
)
def test_shapes_of_a_robots_meta(body: bytes) -> None:
    """However a tag is written, it is found if the parser makes it an element."""
    found = [(m.name, m.content) for m in elements(page(body)).metas]
    if b"\x81" in body:
        assert not found  # no decoder of ours lets a byte swallow the quote behind it
        return
    assert [name for name, _ in found] == ["robots"]


@pytest.mark.parametrize(
    "body",
    [
        "<!-- <meta name=robots> -->",
        "<script><meta name=robots></script>",
        "<textarea><meta name=robots></textarea>",
        "<title><meta name=robots></title>",
        "<template><meta name=robots></template>",
        "<a title='<meta name=robots>'>",
        "<metas name=robots>",
        "<meta\vname=robots>",
        "<me\0ta name=robots>",
        "<meta name=robots",
        "<meta name='viewport' name='robots'>",
        "<meta name='description' content='<meta name=robots>'>",
    ],
)
def test_what_is_no_robots_meta(body: str) -> None:
    """What the parser makes no element of says nothing."""
    assert elements(page(body)).metas == ()


def test_places_count_by_name() -> None:
    """The place of a meta is its number among those of its name."""
    metas = elements(page("<meta name=robots><meta name=tdm-policy><meta name=ROBOTS content=a>")).metas
    assert [m.at for m in metas] == ['meta name="robots" 1', 'meta name="tdm-policy" 1', 'meta name="robots" 2']


def test_the_same_observation_has_the_same_elements() -> None:
    """Two readers of one page share its parse."""
    seen = page("<meta name=robots>")
    assert elements(seen) is elements(seen)


_NAMES = [
    "robots",
    "Robots",
    " robots ",
    "&#114;obots",
    "tdm-reservation",
    "viewport",
    "og:title",
    "viewport/",
    "some-bot",
]
_PIECES = st.sampled_from(
    [
        "<meta ", "<META\n", "<meta/", "<meta", "<metas ", "<me\0ta ", ">", "/>", "/", " ", "\n", "\v", "\f", "=",
        '"', "'", "name=", 'name="', "name='", "NAME = ", "na\0me=", "content=", 'content="', "content='noai'",
        "property='x'",
        'http-equiv="y"', "charset=utf-8", 'charset="gbk"', "itemscope", "noai", "<", "<!--", "-->",
        "<title>", "</title>", "<script>", "</script>", "<template>", "</template>", "<textarea>", "</textarea>",
        "<noscript>", "</noscript>",
        "<svg>", "</svg>", "<p>", "<table>", "<select>", "&quot;", "&amp", "\0", "é", "`", "<![CDATA[", "]]>", *_NAMES,
        *(f'name="{name}"' for name in _NAMES), *(f"name={name} " for name in _NAMES),
    ],
)  # fmt: skip
_TAGS = st.lists(_PIECES, max_size=30).map("".join)
_CLEAN = st.builds(
    lambda a, b, c: f"<meta {a} {b} {c}>",
    *(
        st.sampled_from(
            ["", 'name="robots"', "name=robots", "name='viewport'", 'content="noai"', "property='og:x'", "x=y"]
        ),
    )
    * 3,
)
_PAGES = st.lists(st.one_of(_TAGS, _CLEAN), max_size=6).map("".join)


@settings(max_examples=1_500, deadline=None)
@given(text=_PAGES)
@example(text='<meta content="--><meta name="> <meta name=" x="robots">')
@example(text="<meta x\" y='a>b' name=robots>")
@example(text='<meta name="some-bot"content="<meta -->name="robots">')
@example(text="<meta name=viewport/ content=x>")
@example(text="<meta name=robots content='<meta name=\"viewport\">'>")
def test_the_cheap_look_finds_what_a_whole_parse_finds(text: str) -> None:
    """INVARIANT: metas are those of the whole page, however little of it was parsed."""
    found = [(m.name, m.content) for m in elements(page(text)).metas if m.name in INTERESTING]
    assert found == whole_parse(text)


@settings(max_examples=300, deadline=None)
@given(text=_PAGES, encoding=st.sampled_from(["utf-16", "utf-16-le", "iso2022_jp", "gbk", "shift_jis", "cp1252"]))
def test_the_cheap_look_knows_encodings(text: str, encoding: str) -> None:
    """The same holds for pages in which bytes are not letters."""
    body = text.encode(encoding, "replace")
    seen = page(body, content_type=f"text/html; charset={encoding.replace('_', '-')}")
    wanted = whole_parse(body.decode(encoding, "replace"))
    assert [(m.name, m.content) for m in elements(seen).metas if m.name in INTERESTING] == wanted


@settings(max_examples=400, deadline=None)
@given(
    body=st.one_of(
        _PAGES.map(str.encode), st.binary(max_size=80).map(lambda b: b"<meta name=robots content='" + b + b"'>")
    ),
    content_type=st.sampled_from(["text/html", "text/html; charset=utf-16", "text/html; charset=latin-1", None]),
    images=st.lists(st.text(max_size=12), max_size=3),
)
def test_an_excerpt_reads_as_the_page_does(body: bytes, content_type: str | None, images: list[str]) -> None:
    """Metas with their places and words, and on demand images, survive; and nothing raises."""
    body += "".join(f'<img src="{src}" srcset="{src} 1x, b.png 2x">' for src in images).encode()
    whole = page(body, content_type=content_type)
    part = page(excerpt(whole, with_images=True), content_type=content_type)
    assert elements(part).metas == elements(whole).metas
    assert elements(part).images == elements(whole).images
    bare = page(excerpt(whole), content_type=content_type)
    assert elements(bare).metas == elements(whole).metas
    assert elements(bare).images == ()


def test_an_excerpt_holds_nothing_else_of_the_page() -> None:
    """The words of a refused page are not kept."""
    seen = page('<p>secret</p><meta name="robots" content="noai"><img src="a.png" alt="secret">')
    assert excerpt(seen) == b'\xef\xbb\xbf<!doctype html>\n<meta name="robots" content="noai">\n'
    assert b"secret" not in excerpt(seen, with_images=True)


# -- images and links -------------------------------------------------------------------------------------------------


def test_images_that_a_page_displays() -> None:
    """Every way to display an image is seen, in document order and once."""
    seen = page(
        """
        <link rel="preload" as="image" href="/pre.png" imagesrcset="pre2.png 2x">
        <link rel="icon" href="/icon.png"> <meta property="og:image" content="/og.png">
        <img src="a.png" srcset="b.png 1x, c,d.png 2x,e.png"> <img src="a.png#again">
        <picture><source srcset="s.avif 1x"><img data-src="lazy.png"></picture>
        <input type=IMAGE src=in.png><input type=text src=no.png>
        <video poster="poster.jpg"><source src="v.mp4"></video>
        <svg><image href="one.svg"/><image xlink:href="two.svg"/></svg>
        <noscript><img src="ns.png"></noscript><template><img src="tpl.png"></template>
        <img src="data:image/gif;base64,AAAA"><img src="http://[bad"><img src="//cdn.example/x y.png">
        """,
    )
    here = "https://art.example/gallery/"
    assert elements(seen).images == (
        "https://art.example/pre.png",
        *(here + name for name in ("pre2.png", "a.png", "b.png", "c,d.png", "e.png", "s.avif", "lazy.png", "in.png")),
        *(here + name for name in ("poster.jpg", "one.svg", "two.svg", "ns.png")),
        "https://cdn.example/x%20y.png",
    )


def test_links_and_base() -> None:
    """Links are resolved against the base, and only those that lead to the web are links."""
    seen = page('<base href="/b/"><a href="x?q=é#f">1</a><area href=y><a href="mailto:a@b">2</a><a href="\\z">3</a>')
    assert elements(seen).links == (
        "https://art.example/b/x?q=%C3%A9",
        "https://art.example/b/y",
        "https://art.example/z",
    )


def test_a_page_in_another_encoding() -> None:
    """Paths beyond ASCII are escaped as UTF-8, whatever the page is written in."""
    seen = page("<img src='é.png'>".encode("latin-1"), content_type="text/html; charset=ISO-8859-1")
    assert elements(seen).images == ("https://art.example/gallery/%C3%A9.png",)


@settings(deadline=None)
@given(body=st.binary(max_size=60), url=st.sampled_from([URL, "https://h", "http://[::1]/"]))
def test_no_bytes_raise(body: bytes, url: str) -> None:
    """Any bytes are read."""
    seen = page(b"<a href='" + body + b"'><img srcset='" + body + b"'><base href='" + body + b"'>", url=url)
    assert isinstance(elements(seen).links + elements(seen).images, tuple)


@pytest.mark.parametrize(
    "unit", [b"<meta ", b"<meta a=", b"<meta x='<meta y=\"", b"<!--", b"<meta name=robots content='", b"<"]
)
def test_long_pages_of_nonsense_end(unit: bytes) -> None:
    """The look is linear: half a megabyte of openings is read in no time worth mentioning (the run's time limit)."""
    assert isinstance(elements(page(unit * (500_000 // len(unit)))).metas, tuple)


@pytest.mark.parametrize(
    "before",
    [
        b"<div>" * 40_000,
        b"<div>" * 12_000 + b"</p>" * 40_000,
        b"<p " + b" ".join(b"a%d=1" % n for n in range(60_000)) + b">",
        b"<!-- <a x=' -->" + b"<p " + b" ".join(b"a%d=1" % n for n in range(60_000)) + b">",
    ],
    ids=["deep", "ends", "attributes", "a false beginning"],
)
def test_a_page_that_costs_too_much_is_read_flat(before: bytes) -> None:
    """Metas, images and links are found where a whole parse would take minutes (the run's time limit)."""
    seen = page(before + b"<meta name=robots content=noai><img src=a.png><a href=b>")
    assert [(m.name, m.content) for m in elements(seen).metas] == [("robots", "noai")]
    assert elements(seen).images == ("https://art.example/gallery/a.png",)
    assert elements(seen).links == ("https://art.example/gallery/b",)
    part = replace(seen, body=excerpt(seen, with_images=True), whole_digest=seen.digest)
    assert elements(part).metas == elements(seen).metas
    assert elements(part).images == elements(seen).images


def test_a_flat_reading_finds_more_and_permits_nothing() -> None:
    """A meta in a comment counts there, unless it would permit; so does one inside another's attribute."""
    deep = b"<div>" * 40_000
    told = b"<!-- <meta name=tdm-reservation content=0><meta name=tdm-reservation content=1> -->"
    nested = b"<meta name=viewport content='<meta name=robots content=noai>'>"
    metas = elements(page(deep + told + nested)).metas
    assert [(m.at, m.content) for m in metas] == [
        ('meta name="tdm-reservation" 1', "1"),
        ('meta name="robots" 1', "noai"),
    ]


@settings(max_examples=300, deadline=None)
@given(text=_PAGES)
def test_a_flat_reading_misses_nothing(text: str) -> None:
    """INVARIANT: whatever a whole parse finds, a flat reading finds, too."""
    seen = page("<div>" * 20_001 + text)
    found = [(m.name, m.content) for m in elements(seen).metas if m.name in INTERESTING]
    missed = Counter(whole_parse(text)) - Counter(found)
    assert not missed or all(name == "tdm-reservation" and content == "0" for name, content in missed)


# -- media types ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "path", "wanted"),
    [
        ("text/html; charset=utf-8", b"", "/", "text/html"),
        ("nonsense, TEXT/HTML", b"", "/", "text/html"),
        ("text/html, nonsense", b"", "/", "text/html"),
        ("application/octet-stream", b"\x89PNG\r\n\x1a\n", "/", "image/png"),
        (None, b"\xff\xd8\xff\xe0", "/", "image/jpeg"),
        (None, b"RIFF\0\0\0\0WEBPVP8 ", "/", "image/webp"),
        (None, b"\0\0\0\x1cftypavif", "/", "image/avif"),
        (None, b"\0\0\0\x1cftypheic", "/", "image/heic"),
        (None, b"%PDF-1.7", "/", "application/pdf"),
        (None, b"\xef\xbb\xbf \n<!-- x --><!DOCTYPE html>", "/", "text/html"),
        (None, b"", "/a.JPG", "image/jpeg"),
        (None, b"hello", "/a", None),
    ],
)
def test_media_types(content_type: str | None, body: bytes, path: str, wanted: str | None) -> None:
    """Content-Type, then bytes, then the end of the path."""
    assert media_type(page(body, content_type=content_type, url=f"https://h{path}")) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"<!---->" * 15_000 + b"x", False),
        (b"<!-->" * 15_000, False),
        (b"<!--" * 25_000, False),
        (b"<!----><!--x--!><?xml version='1'?><html>", True),
        (b"<!--><!---><html>", True),
        (b"<!-- a --> b --><html>", False),
    ],
)
def test_the_beginning_is_read_in_one_pass(body: bytes, wanted: bool) -> None:
    """100 KB of comments are no riddle (the run's time limit), and a comment ends where the HTML standard ends it."""
    assert begins_as_html(body) is wanted


def test_what_was_expected_comes_between_field_and_bytes() -> None:
    """An expectation counts where no field says anything."""
    agent = Agent(product_token="ExBot", user_agent="ExBot/1.0")
    intent = Intent(url=URL, agent=agent, purpose=Purpose.TRAIN, media="image/png")
    assert media_type(page(b"<html>", content_type=None), intent) == "image/png"
    assert media_type(page(b"", content_type="text/plain"), intent) == "text/plain"
    assert is_image(page(b"", content_type=None), intent)


def test_a_wrong_content_type_silences_nobody() -> None:
    """The careful questions believe the bytes, too."""
    seen = page(b"<!doctype html><p>", content_type="text/plain")
    assert may_be_html(seen)
    assert not is_html(seen)
    assert may_be_image(page(b"GIF89a", content_type="text/html"))
    assert not may_be_html(page(b"hello", content_type="text/plain"))
    assert not may_be_image(page(b"hello", content_type="text/plain"))


@pytest.mark.parametrize(
    "tag",
    [
        '<meta content="noai" name="robots" content="index, follow">',
        "<meta content=noai name='robots' content='index,follow'>",
        '<META CONTENT="noimageai" NAME="robots" CONTENT="all">',
    ],
)
def test_of_two_content_attributes_the_first_one_counts(tag: str) -> None:
    """A robots meta whose second content is silent is read by its first, as browsers do."""
    page = Observation(
        document=Document(kind=Kind.RESPONSE, url="https://h.example/"),
        status=200,
        headers=(("Content-Type", "text/html"),),
        body=tag.encode(),
        observed_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
    assert [meta.content for meta in elements(page).metas] in (["noai"], ["noimageai"])


# -- license links, scripts and renditions ----------------------------------------------------------------------------


def test_license_links() -> None:
    """Elements whose rel has one of the two words, with absolute addresses, places by element and word."""
    seen = page(
        """<base href="/b/"><link rel="stylesheet" href="license.css">
        <link REL="License" type="application/rsl+xml; charset=utf-8" href="rsl.xml"> <link rel=license>
        <p>under <a rel='nofollow license' href="https://cc.example/by/4.0/#x">CC</a>
        <area rel=terms-of-service href=tos><link rel=license href="ftp://h/x"><a rel=no-license href=x>x</a>""",
    )
    links = elements(seen).license_links
    assert [(link.tag, link.href, link.type, link.whole, link.at) for link in links] == [
        ("link", "https://art.example/b/rsl.xml", "application/rsl+xml", True, 'link rel="license" 1'),
        ("a", "https://cc.example/by/4.0/", None, False, 'a rel="license" 1'),
        ("area", "https://art.example/b/tos", None, False, 'area rel="terms-of-service" 1'),
        ("link", None, None, False, 'link rel="license" 2'),
    ]
    assert links[1].text == '<a rel="nofollow license" href="https://cc.example/by/4.0/">'
    assert links[3].text == '<link rel="license" href="ftp://h/x">'


def test_scripts() -> None:
    """RSL whole; of JSON-LD what it says about licenses, and not the article."""
    rsl = '<rsl xmlns="https://rslstandard.org/rsl"/>'
    ld = '{"@type":"Article","articleBody":"secret","image":{"license":"https://l.example/"},"n":[1]}'
    seen = page(
        f"<script type=application/rsl+xml>{rsl}</script><script>license</script>"
        f'<div><script type="Application/RSL+XML">two</script></div><script type="application/ld+json">{ld}</script>'
        '<script type="application/ld+json">{"creator":{"name":"x"}, "text":"license"}</script>'
        '<script type="application/ld&#x2B;json">{"usageInfo":"u",}</script>',
    )
    assert [(s.type, s.text, s.whole, s.at) for s in elements(seen).scripts] == [
        ("application/rsl+xml", rsl, True, 'script type="application/rsl+xml" 1'),
        ("application/rsl+xml", "two", False, 'script type="application/rsl+xml" 2'),
        ("application/ld+json", '[{"license":["https://l.example/"]}]', True, 'script type="application/ld+json" 1'),
    ]
    assert b"secret" not in excerpt(seen)


def test_renditions() -> None:
    """What one element offers in place of one another, and an image file that is linked to around it."""
    seen = page(
        """<link rel=preload as=image href=p.png imagesrcset="p2.png 2x"><img src=a.png data-src=b.png>
        <img src=alone.png><a href=full.JPG><picture><source srcset="c.avif, d.avif 2x"><img src=e.png></picture></a>
        <a href=page.html><img src=f.png srcset="f2.png 2x"></a><a href=g.png>words</a><a href=h.png><img src=h.png></a>
        <picture><source srcset=i.webp><img src=i.png></picture><video><source src=x.mp4></video>""",
    )
    here = "https://art.example/gallery/"
    wanted = ["p.png p2.png", "a.png b.png", "full.JPG c.avif d.avif e.png", "f.png f2.png", "i.webp i.png"]
    assert [" ".join(url.removeprefix(here) for url in group) for group in elements(seen).renditions] == wanted


_LICENSE_PIECES = st.sampled_from(
    [
        "<link ", "<a ", "</a>", "<area ", ">", " ", "rel=", "rel='", 'rel="', "'", '"', "license", "LICENSE ", "nofollow",
        "terms-of-service", 'rel="license"', "href=", "href='x y'", 'href="//[bad"', "href=mailto:a", "href=/é", "\r", "\0",
        'type="application/rsl+xml"', "type=' Text/HTML ;x'", "<base href='//b.example/'>", "<base href=ftp://x/>",
        '<script type="application/rsl+xml">', '<script type="application/ld+json">', "<script>", "</script>", "</script ",
        "<!--", "-->", "--", "<!-", "</scr", "<", "&lt;/script>", "<![CDATA[", "]]>", "<svg>", "</svg>", "<div>", "<p>",
        '{"license":"x"}', '{"license":["\\ud800<\\r","y"]}', '{"@graph":[{"@id":"a","name":"n"},{"creator":{"@id":"a"}},',
        '{"copyrightHolder":{"@id":"a","email":["e"]},"@type":["T"]}]}', '{"isAccessibleForFree":false,"x":"license"}',
        "<template>", "</template>", "<textarea>", "<noscript>", "<body>", "<table>", "<meta name=robots content=noai>",
    ],
)  # fmt: skip
_LICENSE_PAGES = st.lists(_LICENSE_PIECES, max_size=24).map("".join)


@settings(max_examples=1_200, deadline=None)
@given(
    text=_LICENSE_PAGES,
    content_type=st.sampled_from(["text/html", "text/html; charset=utf-16", None]),
    before=st.sampled_from(["", "<div>" * 20_001]),
)
@example(text='<script type="application/rsl+xml"><!--<script>a</script>b', content_type=None, before="")
@example(text='<svg><script type="application/rsl+xml">&lt;/script>&#13;b', content_type=None, before="")
def test_an_excerpt_keeps_license_links_and_scripts(text: str, content_type: str | None, before: str) -> None:
    """INVARIANT: an excerpt says the same of licenses, whatever the page is like, and so does what is relied on."""
    encoding = "utf-16" if content_type is not None and "utf-16" in content_type else "utf-8"
    whole = page((before + text).encode(encoding), content_type=content_type)
    for part in (
        replace(whole, body=excerpt(whole), whole_digest=whole.digest),
        replace(whole, body=excerpt(whole, with_images=True), whole_digest=whole.digest),
        relied_on(whole),
    ):
        assert elements(part).license_links == elements(whole).license_links
        assert elements(part).scripts == elements(whole).scripts
        assert elements(part).metas == elements(whole).metas
        assert elements(part).images in (elements(whole).images, ())
    assert all(len(group) > 1 for group in elements(whole).renditions)


@pytest.mark.parametrize("filler", ["x", "é", "漢", "😀"])
def test_a_license_far_behind_in_a_rel_is_found(filler: str) -> None:
    """As far as a rel is read, however many bytes its characters take."""
    found = elements(page(f'<link rel="{filler * 490} license" href="https://h.example/l">')).license_links
    assert [link.href for link in found] == ["https://h.example/l"]


@settings(max_examples=600, deadline=None)
@given(text=_LICENSE_PAGES)
def test_the_look_finds_what_a_parse_finds(text: str) -> None:
    """INVARIANT: a page without the words has none of the elements; one that is read flat has at least those."""
    seen, words = page(text), page("<!-- rel=license <script application/rsl -->" + text)
    assert elements(seen).license_links == elements(words).license_links
    assert elements(seen).scripts == elements(words).scripts
    flat = elements(page("<p>" * 20_001 + text))
    assert not any(link.whole for link in flat.license_links)
    assert not any(script.whole for script in flat.scripts)
    assert {(link.tag, link.rel, link.type) for link in elements(seen).license_links} <= {
        (link.tag, link.rel, link.type) for link in flat.license_links
    }


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(_LICENSE_PAGES, _LICENSE_PAGES.map(str.upper)))
def test_what_the_bytes_show_holds(text: str) -> None:
    """INVARIANT: a page of which the bytes alone show that it says nothing says nothing, in whatever encoding."""
    for encoding in ("utf-8", "gbk", "shift_jis"):
        body = text.encode(encoding, "replace")
        seen = elements(page(body, content_type=f"text/html; charset={encoding}"))
        if says_nothing(body):
            assert seen.is_silent
            assert (seen.metas, seen.license_links, seen.scripts) == ((), (), ())


@pytest.mark.parametrize(
    "rel",
    [
        b"rel=license",
        b"REL=License",
        b"rel='license'",
        b'rel = "license"',
        b"rel\t=\r\nlicense",
        b"rel  =  license",
        *(b"rel" + b" " * count + b"=license" for count in (2, 61, 62, 63, 64, 65)),
        b"rel" + b" " * 1_000 + b"=" + b" " * 1_000 + b"license",
        b'rel="nofollow license"',
        b'rel="nofollow noopener noreferrer license"',
        b"rel='stylesheet license'",
        b'rel="license stylesheet"',
        b"a  =  b rel=license",
        b'rel="terms-of-service"',
        b"rel=Terms-Of-Service",
    ],
)
@pytest.mark.parametrize("before", [b"", b'<link rel="stylesheet">', b"<a rel=x>" * 40, b"<b a  =  b>" * 40])
def test_shapes_of_a_rel(rel: bytes, before: bytes) -> None:
    """However it is written and whatever rels stand before it, the cheap look finds it."""
    body = before + b"<link " + rel + b" href=/license>"
    assert not says_nothing(body)
    assert [link.href for link in elements(page(body)).license_links] == ["https://art.example/license"]


@pytest.mark.parametrize(
    "rel", [b'rel="noopener noreferrer"', b"rel='icon'", b"data=license", b"a  =  license", b"rel"]
)
def test_no_rel_of_a_license(rel: bytes) -> None:
    """What every second page has calls for no parse."""
    assert says_nothing(b"<link " + rel + b' href="/license"><p>a license</p>')


@pytest.mark.parametrize(
    "unit",
    [
        b"rel=",
        b"l=",
        b"  =",
        b"rel='license",
        b"<script ",
        b"<script type=application/rsl>",
        b"application/ld",
        b"<a rel=license href=x>",
    ],
)
def test_long_pages_of_license_words_end(unit: bytes) -> None:
    """Half a megabyte of any of the words is read in no time worth mentioning (the run's time limit)."""
    page_elements = elements(page(unit * (500_000 // len(unit)) + b"<script type=application/rsl+xml>"))
    assert len(page_elements.license_links) <= 64
    assert len(page_elements.scripts) <= 8
    assert isinstance(page_elements.renditions, tuple)


@pytest.mark.parametrize(
    "text", ["[" * 5_000, "9" * 5_000, '{"license":{"a":' * 900, "NaN", '{"license":NaN}', "\x00", ""]
)
def test_json_that_says_nothing(text: str) -> None:
    """What is no JSON, or too much of it, says nothing and costs nothing."""
    assert json_ld.works(text) == ()


def test_a_holder_is_found_by_its_id() -> None:
    """A value that only has an @id takes the rest from the object of that @id; prefixes of keys are left off."""
    said = (
        '{"@graph":[{"schema:copyrightHolder":{"@id":"#o"}},{"@id":"#o","name":"Ana","email":"a@h.example","age":3}]}'
    )
    assert json_ld.works(said) == ({"copyrightHolder": ({"@id": "#o", "name": "Ana", "email": "a@h.example"},)},)
    assert json_ld.works(json_ld.written(json_ld.works(said))) == json_ld.works(said)
