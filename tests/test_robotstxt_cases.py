"""robots.txt beside its cases in tests/cases/rfc9309: what no decision shows, or does not fit into a case file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from askfirst.rights.model import RemarkKind
from askfirst.rights.patterns import target
from askfirst.rights.robotstxt import MAX_BYTES, MAX_NOTES, Rule, parse

DELAYS = tomllib.loads((Path(__file__).parent / "cases" / "rfc9309" / "crawl-delay.toml").read_text("utf-8"))["case"]


def _line(rule: Rule | None) -> int | None:
    return None if rule is None else rule.line


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in DELAYS])
def test_crawl_delay(case: dict[str, Any]) -> None:
    """The delay of the group, and what is remarked; it decides nothing, so replay does not show it."""
    assert case.keys() <= {"id", "robots", "crawl_delay", "notes"}
    file = parse(case["robots"].encode())
    assert file.rules_for("ExBot").crawl_delay == case.get("crawl_delay")
    assert [note.kind for note in file.notes] == [RemarkKind(kind) for kind in case.get("notes", [])]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('<!DOCTYPE html>\n<html><body style="color: red">\n<p>Not found</p>\n</html>\n', 0),
        ("<html><pre>\nUser-agent: *\nDisallow: /x\n</pre>\n", 2),
    ],
)
def test_known_records_are_counted(text: str, known: int) -> None:
    """Whoever looks can tell a page from a file of rules."""
    assert parse(text.encode()).known_records == known


def _padded(tail: bytes, length: int) -> bytes:
    head = b"User-agent: *\n"
    return head + b"#" * (length - len(head) - len(tail)) + tail


def test_rules_within_500_kib_count() -> None:
    """RFC 9309 section 2.5: the limit is not below 500 kibibytes."""
    body = _padded(b"\nDisallow: /x\n", MAX_BYTES)
    assert len(body) == MAX_BYTES == 500 * 1024
    assert _line(parse(body).rules_for("ExBot").match("/x")) == 3
    assert parse(body).notes == ()


def test_what_lies_beyond_the_limit_does_not_count() -> None:
    """Rules beyond 500 KiB are not read, and a note says so."""
    file = parse(_padded(b"\n", MAX_BYTES) + b"Disallow: /x\n")
    assert file.rules_for("ExBot").match("/x") is None
    assert [note.kind for note in file.notes] == [RemarkKind.TRUNCATED]


def test_the_line_that_the_limit_parts_is_dropped() -> None:
    """A rule is never shortened by the limit: `Allow: /private` must not become `Allow: /`."""
    body = _padded(b"\nDisallow: /\nAllow: /", MAX_BYTES) + b"private\n"
    assert _line(parse(body).rules_for("ExBot").match("/x")) == 3


def test_a_line_that_ends_at_the_limit_is_kept() -> None:
    """A line whose end is the first octet beyond the limit was not parted."""
    body = _padded(b"\nDisallow: /x", MAX_BYTES) + b"\nDisallow: /y\n"
    assert _line(parse(body).rules_for("ExBot").match("/x")) == 3
    assert parse(body).rules_for("ExBot").match("/y") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_last_line_of_a_truncated_body_is_dropped(encoding: str) -> None:
    """When the transfer was cut, the line that it was cut in does not count."""
    body = "User-agent: *\nDisallow: /\nAllow: /pri".encode(encoding)
    assert _line(parse(body, truncated=True).rules_for("ExBot").match("/private")) == 2
    assert _line(parse(body).rules_for("ExBot").match("/private")) == 3


def test_a_cut_inside_a_character_leaves_the_rest_as_it_was() -> None:
    """Half a character at the cut does not make the file another encoding."""
    file = parse("User-agent: *\nDisallow: /é\nAllow: /é".encode()[:-1], truncated=True)
    assert [note.kind for note in file.notes] == [RemarkKind.TRUNCATED]
    assert _line(file.rules_for("ExBot").match(target("https://h/é"))) == 2


def test_no_more_than_twenty_notes_are_kept_and_the_rest_is_counted() -> None:
    """A file full of mistakes cannot fill the record, nor can one sort of mistake hide the others."""
    sorts = [f"ai-{chr(97 + n // 26)}{chr(97 + n % 26)}: no\n" for n in range(40)]
    notes = parse(("what is this\n" * 50 + "".join(sorts)).encode()).notes
    assert len(notes) <= MAX_NOTES + 1
    assert [note.line for note in notes[:3]] == [1, 2, 3]
    assert notes[0].text == "what is this"
    assert notes[2].note.endswith("and 47 more lines like this")
    assert any("ai-aa" in note.note for note in notes)


def test_a_rule_keeps_its_line_verbatim() -> None:
    """The evidence is what the publisher wrote, blanks and comment included, 200 characters of it at most."""
    rule = parse(b"User-agent: *\n  DISALLOW :\t/a%62 # mine\nDisallow: /" + b"x" * 300).rules_for("ExBot")
    found = rule.match("/ab")
    assert found is not None
    assert (found.text, found.pattern.octets, found.pattern.length) == ("  DISALLOW :\t/a%62 # mine", "/ab", 3)
    long = rule.match("/" + "x" * 300)
    assert long is not None
    assert len(long.text) == 200
    assert long.pattern.length == 301


def test_a_rule_in_latin_1_is_kept_as_text() -> None:
    """Octets that are not UTF-8 come out as text that can be written again."""
    rule = parse("User-agent: *\nDisallow: /café".encode("latin-1")).rules_for("ExBot").match("/caf%E9")
    assert rule is not None
    assert rule.text == "Disallow: /café"


def test_records_are_kept_with_their_group() -> None:
    """Later signals find their records, in any case, with line and group."""
    file = parse(
        b"License: https://h/all.xml\nUser-agent: a\nContent-Signal: ai-train=no # never\nUser-agent: b\nDisallow: /x\n"
        b"content-signal: search=yes\nUser-agent: *\nContent-Usage: /p train-ai=n\nSitemap: https://h/s.xml\n"
    )
    found = [(record.line, record.value, record.group_index) for record in file.records_of("CONTENT-SIGNAL")]
    assert found == [(3, "ai-train=no", 0), (6, "search=yes", 0)]
    assert [(record.line, record.group_index) for record in file.records_of("license")] == [(1, None)]
    assert [(record.value, record.group_index) for record in file.records_of("content-usage")] == [("/p train-ai=n", 1)]
    assert file.sitemaps == ("https://h/s.xml",)
    assert file.rules_for("b").groups == (0,)
    assert file.rules_for("ExBot").groups == (1,)
    assert [(group.agents, group.line, len(group.rules)) for group in file.groups] == [
        (("a", "b"), 2, 1),
        (("*",), 7, 0),
    ]


@pytest.mark.parametrize(
    ("token", "named"),
    [("ExBot", True), ("exbot/1.0", True), ("Other", False), ("360Spider", True), ("*", False), ("", False)],
)
def test_named_says_whether_a_group_names_the_token(token: str, named: bool) -> None:
    """`*` names nobody; a raw value names a token outside the grammar."""
    file = parse(b"User-agent: ExBot\nDisallow: /a\nUser-agent: 360Spider\nDisallow: /b\nUser-agent: *\nDisallow: /c\n")
    rules = file.rules_for(token)
    assert rules.named is named
    assert (_line(rules.match("/c")) == 6) is (not named or token == "360Spider")


def test_the_crawl_delay_knows_its_line() -> None:
    """A crawl delay can be shown where it was written."""
    rules = parse(b"User-agent: *\nCrawl-delay: 2\nCrawl-delay: 20\n").rules_for("ExBot")
    assert (rules.crawl_delay, rules.crawl_delay_line) == (20.0, 3)


def test_a_record_about_ai_is_remarked_whatever_stands_before_it() -> None:
    """Twenty other remarks do not push out the one that says what was not read."""
    file = parse(b"User-agent: *\n" + b"nonsense here\n" * 50 + b"LLM-Policy: no\n")
    assert any("not read: `llm-policy`" in note.note for note in file.notes)
    assert len(file.notes) <= MAX_NOTES + 1


def test_a_long_crawl_delay_is_read_in_one_pass() -> None:
    """A quarter of a megabyte of digits is no number for long (the run's time limit)."""
    file = parse(b"User-agent: *\nCrawl-delay: " + b"1" * 250_000 + b"x\n")
    assert file.rules_for("ExBot").crawl_delay is None


def test_the_whole_of_its_own_site_is_a_path() -> None:
    """A disallow of the site's own address refuses everything; one of another site's refuses nothing."""
    body = b"User-agent: *\nDisallow: https://H.example/\n"
    assert _line(parse(body, host="h.example").rules_for("ExBot").match("/x")) == 2
    assert parse(body, host="other.example").rules_for("ExBot").match("/x") is None
    assert parse(body).rules_for("ExBot").match("/x") is None
