"""The older reader of robots.txt: what it says, where it differs, and that it cannot be made to hang."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.patterns import target
from askfirst.rights.robotstxt import parse
from askfirst.rights.second_reader import (
    MAX_BODY_BYTES,
    MAX_STEPS,
    MAX_URL_CHARS,
    Answer,
    Opinion,
    _steps,
    prepare,
    second_opinion,
)

AGENT = "Mozilla/5.0 (compatible; ExBot/1.0; +https://example.com/bot)"


def _ask(body: str, url: str = "https://h/p") -> Answer:
    return second_opinion(body.encode(), AGENT, url).answer


def test_it_reads_plain_files_as_the_rfc_does() -> None:
    """On a file without oddities it refuses and allows what RFC 9309 does."""
    body = "User-agent: *\nDisallow: /private\n\nUser-agent: ExBot\nDisallow: /p\n"
    assert _ask(body, "https://h/p/q") is Answer.REFUSED
    assert _ask(body, "https://h/private") is Answer.REFUSED
    assert _ask(body, "https://h/other") is Answer.ALLOWED


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ("User-agent: *\nDisallow: /\nAllow: /p\n", "https://h/p"),
        ("User-agent: bot\nDisallow: /\n", "https://h/p"),
        ("User-agent: *\nDisallow: /a%2Ab\n", "https://h/axxb"),
    ],
    ids=["first-match", "substring-of-the-name", "escaped-star-is-a-star"],
)
def test_it_refuses_where_the_rfc_does_not(body: str, url: str) -> None:
    """The older conventions refuse some things that RFC 9309 allows, which is why a strict policy asks."""
    rule = parse(body.encode()).rules_for("ExBot").match(target(url))
    assert rule is None or rule.allow
    assert _ask(body, url) is Answer.REFUSED


def test_robots_txt_itself_is_never_asked_about() -> None:
    """A file that refuses everything does not refuse itself."""
    assert _ask("User-agent: *\nDisallow: /\n", "https://h/robots.txt") is Answer.NOT_ASKED


@pytest.mark.parametrize(
    ("body", "url", "why"),
    [
        (b"#" * (MAX_BODY_BYTES + 1), "https://h/", "the file has more than 102400 bytes"),
        (b"User-agent: *\nDisallow: /\n", "https://h/" + "a" * MAX_URL_CHARS, "the URL has more than 2048 characters"),
        (
            b"User-agent: *\n" + b"".join(b"Disallow: /*a%d\n" % n for n in range(2000)),
            "https://h/",
            "the file has more wildcards than the second reader can take",
        ),
        (
            b"User-agent: *\nDisallow: /" + b"*a" * 12 + b"*b$\n",
            "https://h/" + "a" * 1500,
            "the patterns could take too long on this URL",
        ),
        (b"User-agent: *\nDisallow: /\n", "http://[::1/", "the second reader cannot take this URL apart"),
    ],
    ids=["large-file", "long-url", "many-wildcards", "backtracking", "no-url"],
)
def test_beyond_a_bound_it_is_not_asked_and_says_why(body: bytes, url: str, why: str) -> None:
    """Outside its bounds there is no opinion, and a reason in one line."""
    assert second_opinion(body, AGENT, url) == Opinion(Answer.NOT_ASKED, why)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/" + "*a" * 12 + "*b$", "a" * 1500),
        ("/" + "*\x01a" * 12 + "*b$", "a" * 1500),
        ("/" + "*%0Aa" * 12 + "*b$", "%2Fa" * 300),
        ("/" + "%2Aa" * 12 + "*b%24", "a" * 1500),
        ("/" + "*%61" * 12 + "*b$", "%61" * 600),
        ("/" + "*" * 500 + "a" + "*a" * 30 + "$b$", "a" * 1500 + "$"),
        ("/" + "*" + "a" * 40 + "*" + "a" * 40 + "*b", "a" * 1900),
    ],
)
def test_hostile_patterns_do_not_hang_it(pattern: str, path: str) -> None:
    """Patterns made to backtrack end, in a process of its own that would be killed if they did not."""
    program = (
        "import sys\nfrom askfirst.rights.second_reader import second_opinion\n"
        "body, url = sys.stdin.read().split('\\0')\n"
        "print(second_opinion(body.encode(), 'ExBot', url).answer)\n"
    )
    body = f"User-agent: *\nDisallow: {pattern}\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=f"{body}\0https://h/{path}",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == Answer.NOT_ASKED


def test_ordinary_wildcards_are_within_the_bounds() -> None:
    """Dozens of wildcard rules on a URL of usual length are asked about."""
    body = "User-agent: *\n" + "".join(f"Disallow: /*/cart{n}/*?item=*&page=\n" for n in range(60))
    assert _ask(body, "https://h/shop/a/cart77/b?item=1&page=2") is Answer.ALLOWED
    assert _ask(body, "https://h/shop/a/cart7/b?item=1&page=2") is Answer.REFUSED


@given(st.lists(st.text("ab*$", max_size=6), max_size=4), st.text("ab", max_size=12))
@settings(deadline=None)
def test_the_step_bound_grows_with_every_wildcard(segments: list[str], path: str) -> None:
    """More segments never have a smaller bound: what is refused for one pattern is refused for a longer one."""
    pattern = tuple(segment.replace("*", "") for segment in ["/", *segments])
    assert _steps((pattern,), path) <= _steps(((*pattern, "a"),), path) <= max(MAX_STEPS * 2, 1)


@given(st.binary(max_size=300), st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_bytes_and_no_url_raise(body: bytes, url: str) -> None:
    """Whatever the file and the URL hold, there is an answer."""
    assert prepare(body, AGENT).opinion(url).answer in Answer
