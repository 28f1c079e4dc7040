"""Path patterns: the normal form, the target of a URL, single patterns, and the index over many."""

from __future__ import annotations

from itertools import pairwise
from string import ascii_letters, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrapy import Request

from askfirst.rights.patterns import Pattern, PatternIndex, normalize, spellings, target

# few octets, so that patterns and paths meet
ALPHABET = "ab/*$%2A4?"
# octets whose escape means the same: the unreserved ones, those that no URI may hold, and the apostrophe
ONE_MEANING = frozenset(ascii_letters + digits + "-._~" + " \"<>[]\\^`{|}'")


def matches_slowly(pattern: str, path: str) -> bool:
    """RFC 9309 section 2.2.3, octet by octet: which places of the path can have been reached so far."""
    anchored = pattern.endswith("$")
    reached = {0}
    for octet in pattern.removesuffix("$"):
        if octet == "*":
            reached = set(range(min(reached), len(path) + 1)) if reached else set()
            continue
        literal = "%24" if octet == "$" else octet
        reached = {place + len(literal) for place in reached if path[place : place + len(literal)] == literal}
    return (len(path) in reached) if anchored else bool(reached)


@pytest.mark.parametrize(
    ("octets", "normal"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/%2f%3a%c3%a9", "/%2F%3A%C3%A9"),
        ("/%2D%2E%5F%7E", "/-._~"),
        ("/%2a%24", "/%2A%24"),
        ('/a b"<>\\^`{|}\x7f', "/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D%7F"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/%%341", "/%%341"),
        ("/%a%34%6a", "/%a%34%6A"),
        ("/\udce9", "/%E9"),
        ("/\ud800", "/%ED%A0%80"),
        ("/\0", "/%00"),
        ("/[a]!$&'()*+,;=:@%27%5b", "/%5Ba%5D!$&'()*+,;=:@'%5B"),
    ],
)
def test_normal_form(octets: str, normal: str) -> None:
    """The normal form is that of RFC 9309 section 2.2.2, and for what no URI may hold, the escaped octet."""
    assert normalize(octets) == normal
    assert normalize(normal) == normal


@pytest.mark.parametrize("octet", [chr(code) for code in range(0x20, 0x7F) if chr(code) not in "#?*$"])
@pytest.mark.parametrize("before", ["/a", "/p?x="])
def test_a_rule_matches_what_scrapy_asks_for(octet: str, before: str) -> None:
    """Whatever printable octet a rule holds, the URL that Scrapy makes of the same words is under it; and where octet
    and escape have one meaning, so is the other spelling."""
    asked = target(Request(f"https://h{before}{octet}b").url)
    found = [Pattern.parse(spelling) for spelling in spellings(f"{before}{octet}b")]
    assert any(pattern.matches(asked) for pattern in found), asked
    escaped = f"{before}%{ord(octet):02x}b"
    if octet in ONE_MEANING:
        assert any(pattern.matches(target(f"https://h{escaped}")) for pattern in found)
        assert octet == "\\" or Pattern.parse(escaped).matches(asked)
    else:
        assert not Pattern.parse(escaped).matches(asked), "a reserved octet and its escape are two things"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h/a\\b", "/a/b"),
        ("https://h\\private", "/private"),
        ("https://h/a\\..\\private", "/private"),
        ("https://h/a?b\\c", "/a?b%5Cc"),
        ("https://h/a%5Cb", "/a%5Cb"),
    ],
)
def test_a_raw_backslash_in_a_path_is_a_slash(url: str, path: str) -> None:
    """As browsers and Scrapy have it; in a query it is escaped, and an escaped one stays."""
    assert target(url) == path


@given(st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("%2a4fF1")))
@settings(deadline=None)
def test_the_normal_form_is_ascii_and_stays(octets: str) -> None:
    """Any text has a normal form, which is ASCII and its own normal form."""
    normal = normalize(octets)
    assert normal.isascii()
    assert normalize(normal) == normal


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h", "/"),
        ("https://h/", "/"),
        ("https://h/a/b", "/a/b"),
        ("https://h?q=1", "/?q=1"),
        ("https://h?q=/x", "/?q=/x"),
        ("https://h/a?", "/a?"),
        ("https://h/a?b?c#d?e", "/a?b?c"),
        ("https://h#/a", "/"),
        ("https://u:p@h:8080/a", "/a"),
        ("http://[::1]:80/a", "/a"),
        ("http://[::1/a", "/a"),
        ("HTTP://H/A", "/A"),
        ("ftp://h/a", "/a"),
        ("https:///a", "/a"),
        ("  https://h/a\n", "/a"),
        ("https://h/pri\nvate", "/private"),
        ("/a/b", "/a/b"),
        ("//h/a", "//h/a"),
        ("mailto:x@h", "/"),
        ("data:text/plain,x", "/plain,x"),
        ("", "/"),
        ("https://h/a*b$c", "/a%2Ab%24c"),
        ("https://h/ツ?ツ", "/%E3%83%84?%E3%83%84"),
        ("https://h/a;p=1?x", "/a;p=1?x"),
        ("https://h//a//", "//a//"),
        ("https://h/a/./b/../c", "/a/c"),
        ("https://h/a/%2e%2E/c", "/c"),
        ("https://h/../../a", "/a"),
        ("https://h/a/..", "/"),
        ("https://h/a/.", "/a/"),
        ("https://h/.well-known/x", "/.well-known/x"),
        ("https://h/a?b=/../c", "/a?b=/../c"),
    ],
)
def test_target(url: str, path: str) -> None:
    """The target is path and query in normal form, without the fragment."""
    assert target(url) == path


@given(st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from(":/?#[]%*$.\\@")))
@settings(deadline=None)
def test_every_text_has_a_target(url: str) -> None:
    """No URL raises, and a target is ASCII, starts with a slash and is a target of its own."""
    for shape in (url, "https://h" + url, "https://h/" + url):
        path = target(shape)
        assert path.startswith("/")
        assert path.isascii()
        assert target("https://h" + path) == path


def test_a_pattern_knows_its_parts() -> None:
    """Length counts every octet of the normal form, the literal ends at the first special octet."""
    pattern = Pattern.parse("/a%62$c*d$")
    assert (pattern.octets, pattern.length, pattern.literal) == ("/ab$c*d$", 8, "/ab%24c")
    assert pattern == Pattern.parse("/%61b$c*d$")


@given(st.text(ALPHABET, max_size=12), st.text("ab/%2A4?", max_size=14))
@settings(deadline=None)
def test_a_pattern_matches_as_the_slow_reference_does(text: str, path: str) -> None:
    """One leftmost place per segment finds every match that trying all places finds."""
    pattern = Pattern.parse(text)
    path = normalize(path)
    assert pattern.matches(path) == matches_slowly(pattern.octets, path)


@given(st.text("ab*$", max_size=30), st.text("ab", max_size=30))
@settings(deadline=None)
def test_a_pattern_of_wildcards_matches_as_the_slow_reference_does(text: str, path: str) -> None:
    """The same with hardly anything but wildcards."""
    assert Pattern.parse(text).matches(path) == matches_slowly(text, path)


def test_hundreds_of_stars_on_a_long_url() -> None:
    """A pattern made for backtracking is answered on 100 KB, many times over, within the test's time limit."""
    path = "/" + "a" * 100_000
    refused = Pattern.parse("/" + "*a" * 800 + "*b$")
    granted = Pattern.parse("/" + "*a" * 800 + "*$")
    for _ in range(200):
        assert not refused.matches(path)
        assert granted.matches(path)


PATTERNS = st.lists(
    st.tuples(
        st.text("ab*$", max_size=6).map(lambda text: "/" + text) | st.text("ab*/", max_size=5), st.integers(0, 1)
    ),
    max_size=60,
)


def _best(entries: list[tuple[str, int]], path: str) -> int | None:
    found = [
        (len(octets), weight, -place) for place, (octets, weight) in enumerate(entries) if matches_slowly(octets, path)
    ]
    return -max(found)[2] if found else None


@given(PATTERNS, st.text("ab/", max_size=10))
@settings(deadline=None)
def test_the_index_finds_what_trying_every_pattern_finds(entries: list[tuple[str, int]], path: str) -> None:
    """The longest, then the heavier, then the earlier: the same answer as without an index."""
    index = PatternIndex((octets, weight, place) for place, (octets, weight) in enumerate(entries))
    for asked in ("/" + path, path):
        assert index.longest(asked) == _best(entries, asked)
        assert index.matching(asked) == [
            place for place, (octets, _) in enumerate(entries) if matches_slowly(octets, asked)
        ]


@given(st.lists(st.text("abc", min_size=3, max_size=7), min_size=13, max_size=80), st.text("abc", max_size=20))
@settings(deadline=None)
def test_the_index_finds_wildcards_by_what_they_need(words: list[str], path: str) -> None:
    """Many wildcard patterns with one literal are filed under three octets, and none is missed."""
    entries = [(f"/*{word}" if number % 2 else f"/*{word[:2]}*{word}$", 0) for number, word in enumerate(words)]
    index = PatternIndex((octets, weight, place) for place, (octets, weight) in enumerate(entries))
    assert index.longest("/" + path) == _best(entries, "/" + path)


def test_an_index_of_nothing_finds_nothing() -> None:
    """No entries, no answer."""
    index: PatternIndex[str] = PatternIndex([])
    assert index.longest("/") is None
    assert index.matching("/") == []


def test_nested_literals_are_all_found() -> None:
    """Every prefix of a path is on the chain that the search goes up."""
    prefixes = ["/" + "a" * length for length in range(300)]
    index = PatternIndex((prefix, 0, prefix) for prefix in reversed(prefixes))
    assert index.longest("/" + "a" * 200 + "b") == prefixes[200]
    found = index.matching("/" + "a" * 200 + "b")
    assert len(found) == 201
    assert all(len(longer) > len(shorter) for longer, shorter in pairwise(found))
