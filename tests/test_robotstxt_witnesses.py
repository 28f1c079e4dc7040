"""Outside witnesses on real files: Google's parser and Protego, and the reason for every difference.

The corpus is a folder of robots.txt files of strangers; it is read, never copied, and what it says is obeyed by nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego

from askfirst.rights.patterns import target
from askfirst.rights.robotstxt import RobotsTxt, parse

googlebot = pytest.importorskip(
    "jwm.robotstxt.googlebot", reason="Google's parser comes as a wheel for CPython 3.11 and 3.12 only"
)

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "robots"
TOKENS = ("ExBot", "GPTBot", "CCBot", "Googlebot", "ClaudeBot", "Google-Extended", "bingbot", "Googlebot-News", "AI")
MAX_URLS = 40

corpus = pytest.mark.corpus
beside = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of real robots.txt files is not beside this checkout"
)


@dataclass(frozen=True)
class Question:
    """One question to a reader: the file, the token and the URL."""

    body: bytes
    token: str
    url: str


Reader = Callable[[Question], bool]


@cache
def _files() -> tuple[tuple[str, bytes], ...]:
    return tuple((path.name, path.read_bytes()) for path in sorted(CORPUS.iterdir()) if path.is_file())


def _urls(body: bytes) -> list[str]:
    """URLs made of the file's own patterns: the path itself, something below it, something beside it."""
    paths = dict.fromkeys(
        value.split("#")[0].strip()
        for value in re.findall(r"(?im)^\s*(?:dis)?allow[a-z]*\s*:?\s*(\S[^\r\n]*)", body.decode("utf-8", "replace"))
    )
    found = ["/", "/some/page.html?x=1"]
    for path in list(paths)[: MAX_URLS // 2]:
        plain = "/" + path.lstrip("/").replace("*", "x").removesuffix("$")
        found += [plain, plain + "y/z.html"]
    return [f"https://example.com{target(path)}" for path in dict.fromkeys(found)]


@lru_cache(maxsize=4)
def _parsed(body: bytes) -> RobotsTxt:
    return parse(body)


@lru_cache(maxsize=4)
def _parsed_by_protego(body: bytes) -> Protego:
    return Protego.parse(body.decode("utf-8-sig", "ignore"))


def _we_refuse(question: Question) -> bool:
    rule = _parsed(question.body).rules_for(question.token).match(target(question.url))
    return rule is not None and not rule.allow


def _protego_refuses(question: Question) -> bool:
    return not _parsed_by_protego(question.body).can_fetch(question.url, question.token)


def _google_refuses(question: Question) -> bool:
    return not googlebot.RobotsMatcher().OneAgentAllowedByRobots(question.body, question.token, question.url)


def _without(body: bytes, line: str) -> bytes:
    """The body without the lines that the expression matches, in any case."""
    return re.sub(rf"(?im)^\s*(?:{line})[^\r\n]*".encode(), b"", body)


def _agents(body: bytes) -> set[str]:
    return {agent.lower() for group in _parsed(body).groups for agent in group.agents}


# Reasons for a difference. Each names the questions, of which one must lie within it, that both readers answer alike.


def _path_without_slash(question: Question) -> Iterator[Question]:
    yield replace(question, body=_without(question.body, r"(?:dis)?allow\s*:[ \t]*[^/*\s#]"))


def _star_and_more(question: Question) -> Iterator[Question]:
    yield replace(
        question, body=re.sub(rb"(?im)^user-agent:[ \t]*\*[^\r\n\w][^\r\n]*", b"User-agent: 0", question.body)
    )


def _token_at_the_start(question: Question) -> Iterator[Question]:
    token = question.token.lower()
    starts = [agent for agent in _agents(question.body) if token.startswith(agent) and agent != token]
    if token not in _agents(question.body):
        yield from (replace(question, token=agent) for agent in starts)


def _token_not_cut(question: Question) -> Iterator[Question]:
    if question.token.lower() not in _agents(question.body) and _parsed(question.body).rules_for(question.token).named:
        yield replace(question, token="NobodyNamesThis")


def _record_that_splits(question: Question) -> Iterator[Question]:
    yield replace(question, body=_without(question.body, r"(?!(?:user-agent|dis[a-z]*|allow|sitemap|host)\s*:)[^#\s]"))


Reasons = Mapping[str, Callable[[Question], Iterator[Question]]]
GOOGLE: Reasons = {
    "house: a disallow whose path does not start with a slash refuses": _path_without_slash,
    "house: `*` with an odd octet behind it is `*` where that refuses": _star_and_more,
}
PROTEGO: Reasons = {
    "house: a disallow whose path does not start with a slash refuses": _path_without_slash,
    "protego takes `Googlebot` for the start of `Googlebot-News`": _token_at_the_start,
    "protego does not cut the file's `AI2Bot` to the token `AI`": _token_not_cut,
    "protego lets any other record end the list of user-agents": _record_that_splits,
}


def _explain(question: Question, theirs: Reader, reasons: Reasons) -> str:
    for reason, alike in reasons.items():
        if any(_we_refuse(other) == theirs(other) for other in alike(question) if other != question):
            return reason
    return "unexplained"


def _count(theirs: Reader, reasons: Reasons, max_bytes: int) -> Counter[str]:
    """The reasons of all differences; of large files, fewer questions, so that ``max_bytes`` are read for each."""
    found: Counter[str] = Counter()
    for name, body in _files():
        questions = [Question(body, token, url) for url in _urls(body) for token in TOKENS]
        step = max(1, len(questions) * len(body) // max_bytes)
        for question in questions[::step]:
            reason = "alike" if _we_refuse(question) == theirs(question) else _explain(question, theirs, reasons)
            if reason == "unexplained":
                print(name, question.token, question.url, "we refuse:", _we_refuse(question))
            found[reason] += 1
    print(*(f"{count:7} {reason}" for reason, count in found.most_common()), sep="\n")
    return found


def _text(body: bytes) -> str:
    return body.decode("utf-16" if body[:2] == b"\xff\xfe" else "utf-8-sig", "replace")


@corpus
@beside
def test_every_real_file_is_read() -> None:
    """No file of the corpus raises, and each line number stands for the line that it names."""
    assert _files()
    for _, body in _files():
        file = parse(body)
        lines = re.split(r"\r\n|\r|\n", _text(body))
        for group in file.groups:
            for rule in group.rules:
                assert "llow" in rule.text.lower()
                assert "llow" in lines[rule.line - 1].lower()
        assert isinstance(file.notes, tuple)
        for token in TOKENS:
            for url in _urls(body):
                found = file.rules_for(token).match(target(url))
                assert found is None or found.pattern.matches(target(url))


@corpus
@beside
def test_google_agrees_or_the_reason_is_known() -> None:
    """Google's own parser answers as we do, but for the leniencies that refuse."""
    found = _count(_google_refuses, GOOGLE, max_bytes=1_000_000)
    assert found.keys() <= {"alike", *GOOGLE}
    assert found["alike"] > 0.99 * found.total()


@corpus
@beside
def test_protego_agrees_or_the_reason_is_known() -> None:
    """Scrapy's parser answers as we do, but for tokens that it cuts otherwise and groups that it splits."""
    found = _count(_protego_refuses, PROTEGO, max_bytes=100_000_000)
    assert found.keys() <= {"alike", *PROTEGO}
    assert found["alike"] > 0.97 * found.total()


LINES = st.lists(
    st.one_of(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["User-agent", "user-agent", "Useragent", "user agent"]),
            st.sampled_from([": ", ":", " : ", " "]),
            st.sampled_from(["*", "ExBot", "Other", "ExBot/2", "* x", "exbot*", "ExBot, b", ""]),
        ),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["Allow", "Disallow", "Dissallow", "disallowed", "Allowed"]),
            st.sampled_from([": ", ":", "\t:\t", " "]),
            st.text("/ab*$%62?ツ", max_size=4).map("/{}".format) | st.sampled_from(["", "*a", "*"]),
        ),
        st.sampled_from(["", "# x", "Crawl-delay: 5", "Sitemap: https://h/s", "License: https://h/l", "Foo: /", "Foo"]),
    ),
    max_size=9,
)


@given(LINES, st.sampled_from(["\n", "\r", "\r\n"]), st.text("/ab?%6", max_size=5))
@settings(max_examples=500, deadline=None)
def test_what_google_refuses_we_refuse(lines: list[str], end: str, path: str) -> None:
    """On files of all sorts of lines, right and sloppy, we never allow what Google's parser refuses."""
    question = Question(end.join(lines).encode(), "ExBot", "https://h" + target("/" + path))
    assert _we_refuse(question) or not _google_refuses(question)
