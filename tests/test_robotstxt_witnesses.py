"""Outside witnesses on real files: Google's parser and Protego, and the reason for every difference.

The corpus is a folder of robots.txt files of strangers; it is read, never copied, and what it says is obeyed by nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from jwm.robotstxt import googlebot
from protego import Protego

from askfirst.rights.patterns import Pattern, normalize, target
from askfirst.rights.robotstxt import MAX_BYTES, RobotsTxt, Rule, parse

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "robots"
TOKENS = ("ExBot", "GPTBot", "CCBot", "Googlebot", "ClaudeBot", "Google-Extended", "bingbot", "Googlebot-News", "AI")
MAX_URLS = 40

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real robots.txt files is not beside this checkout"),
]


@dataclass(frozen=True)
class Question:
    """One question to both: the file, the token, the URL, and whether each of them refuses."""

    body: bytes
    token: str
    url: str
    we_refuse: bool
    rule: Rule | None
    they_refuse: bool


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


@cache
def _parsed(body: bytes) -> RobotsTxt:
    return parse(body)


def _ours(body: bytes, token: str, url: str) -> Rule | None:
    return _parsed(body).rules_for(token).match(target(url))


def _differences(they_refuse: str) -> Iterator[Question]:
    matcher = googlebot.RobotsMatcher()
    for _, body in _files():
        protego = Protego.parse(body.decode("utf-8-sig", "ignore")) if they_refuse == "protego" else None
        for token in TOKENS:
            for url in _urls(body):
                rule = _ours(body, token, url)
                if protego is not None:
                    refused = not protego.can_fetch(url, token)
                else:
                    refused = not matcher.OneAgentAllowedByRobots(body, token, url)
                we_refuse = rule is not None and not rule.allow
                if we_refuse != refused:
                    yield Question(body, token, url, we_refuse, rule, refused)


def test_every_real_file_is_read() -> None:
    """No file of the corpus raises, and each line number stands for the line that it names."""
    assert _files()
    for _, body in _files():
        file = parse(body)
        lines = re.split(rb"\r\n|\r|\n", body)
        for group in file.groups:
            for rule in group.rules:
                assert rule.text.strip()
                assert b"llow" in lines[rule.line - 1].lower()
        assert isinstance(file.notes, tuple)
        for token in TOKENS:
            for url in _urls(body):
                rule = file.rules_for(token).match(target(url))
                assert rule is None or rule.pattern.matches(target(url)) or "?" in url
