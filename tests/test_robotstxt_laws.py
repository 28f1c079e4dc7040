"""Laws of the robots.txt reader: nothing raises, the RFC's choice is made, and no leniency allows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.patterns import Pattern, target
from askfirst.rights.robotstxt import RobotsTxt, Rule, RuleSet, parse

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "User-agent: *",
                "User-agent: ExBot",
                "User-agent: Other",
                "User-agent: ExBot/2",
                "",
                "# comment",
                "Crawl-delay: 5",
                "Sitemap: https://h/s",
                "License: https://h/l",
            ]
        ),
        st.builds(
            lambda key, path: f"{key}: {path}", st.sampled_from(["Allow", "Disallow"]), st.text("/ab*$", max_size=5)
        ),
    ),
    max_size=14,
)
SLOPPY = st.sampled_from(
    [
        "Useragent: ExBot",
        "User agent: *",
        "User-agent ExBot",
        "User-agents: Other",
        "Dissallow: /a",
        "Disallow /b",
        "Disallowed: /ab",
        "Allowed: /",
        "Allow /",
        "\ufeffUser-agent: ExBot",
        "User-agent: * b",
        "User-agent: Other, ExBot",
    ]
)
PATHS = st.text("ab/", max_size=6).map(lambda text: "/" + text)


def _rules(lines: list[str], token: str = "ExBot") -> RuleSet:
    return parse("\n".join(lines).encode()).rules_for(token)


def _refuses(rule: Rule | None) -> bool:
    return rule is not None and not rule.allow


def _chosen_plainly(lines: list[str], token: str) -> list[tuple[int, bool, Pattern]]:
    """Sections 2.2.1 and 2.2.4 in the plainest words: the rules that are the token's, of lines without sloppiness."""
    groups: list[tuple[set[str], list[tuple[int, bool, Pattern]]]] = []
    for number, line in enumerate(lines, 1):
        key, _, value = line.partition(":")
        value = value.strip()
        if key == "User-agent":
            if not groups or groups[-1][1]:
                groups.append((set(), []))
            groups[-1][0].add(value.split("/")[0].lower())
        elif key in {"Allow", "Disallow"} and groups:
            groups[-1][1].append((number, key == "Allow", Pattern.parse(value)))
    named = [group for group in groups if token.lower() in group[0]]
    chosen = named or [group for group in groups if "*" in group[0]]
    return [rule for _, rules in chosen for rule in rules]


@given(LINES, PATHS)
@settings(max_examples=300, deadline=None)
def test_groups_and_rules_are_chosen_as_the_rfc_says(lines: list[str], path: str) -> None:
    """The verdict is that of a reader which does each sentence of RFC 9309 one after the other."""
    lines = [line for line in lines if "llow: " not in line or line.split(": ")[1][:1] in {"", "/"}]
    matching = [
        (pattern.length, allow, -number)
        for number, allow, pattern in _chosen_plainly(lines, "ExBot")
        if pattern.length and pattern.matches(path)
    ]
    wanted = max(matching, default=None)
    found = _rules(lines).match(path)
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert (found.pattern.length, found.allow, -found.line) == wanted


@given(LINES, st.integers(0, 14), SLOPPY, PATHS, st.sampled_from(["ExBot", "Other", "Third"]))
@settings(max_examples=400, deadline=None)
def test_a_sloppy_line_never_allows(lines: list[str], place: int, sloppy: str, path: str, token: str) -> None:
    """A line that RFC 9309 passes over may refuse; it never lifts a refusal. Lines that are within the key's grammar
    and have an odd value begin groups in RFC 9309 too, and are compared with a group that names nobody."""
    plain = "User-agent: 0" if sloppy.startswith("User-agent: ") else "X: y"
    without = [*lines[:place], plain, *lines[place:]]
    with_it = [*lines[:place], sloppy, *lines[place:]]
    if _refuses(_rules(without, token).match(path)):
        assert _refuses(_rules(with_it, token).match(path)) or sloppy.startswith("User-agent: Other")


@given(LINES, PATHS)
@settings(deadline=None)
def test_blank_lines_comments_and_unknown_records_change_nothing(lines: list[str], path: str) -> None:
    """RFC 9309 section 2.2.4: other records must not affect the verdict."""
    noisy = [entry for line in lines for entry in (line, "", "# x", "Foo: /", "Content-Signal: ai-train=no")]
    quiet = [line for line in lines if line.startswith(("User-agent", "Allow", "Disallow"))]
    found, wanted = _rules(noisy).match(path), _rules(quiet).match(path)
    assert (found and (found.allow, found.pattern)) == (wanted and (wanted.allow, wanted.pattern))


@given(LINES, PATHS)
@settings(deadline=None)
def test_line_ends_are_equal(lines: list[str], path: str) -> None:
    """CR, LF and CRLF give the same rule on the same line."""
    found = [parse(end.join(lines).encode()).rules_for("ExBot").match(path) for end in ("\n", "\r", "\r\n")]
    assert found[0] == found[1] == found[2]


@given(LINES, PATHS)
@settings(deadline=None)
def test_robots_txt_is_always_allowed(lines: list[str], path: str) -> None:
    """No file refuses its own retrieval, and nothing else is exempt."""
    rules = _rules(["User-agent: *", "Disallow: /", *lines], "Third")
    assert rules.match("/robots.txt") is None
    assert rules.match_orphan("/robots.txt") is None
    assert rules.match(path) is not None


@given(LINES, st.text("ab/", max_size=4), PATHS)
@settings(deadline=None)
def test_adding_a_disallow_never_allows(lines: list[str], pattern: str, path: str) -> None:
    """What was refused stays refused when the group gets one more disallow rule."""
    lines = ["User-agent: ExBot", *lines]
    if _refuses(_rules(lines).match(path)):
        assert _refuses(_rules(["User-agent: ExBot", f"Disallow: /{pattern}", *lines]).match(path))


def _use_everything(file: RobotsTxt, url: str) -> None:
    for token in ("ExBot", "*", "", "360Spider/ツ"):
        rules = file.rules_for(token)
        for rule in (rules.match(target(url)), rules.match_orphan(target(url))):
            assert rule is None or len(rule.text) <= 200
    assert file.known_records >= 0
    for note in file.notes:
        note.text.encode()
    for group in file.groups:
        for rule in group.rules:
            rule.text.encode()
    for key in ("license", "crawl-delay", "content-signal"):
        for record in file.records_of(key):
            record.value.encode()
    "".join(file.sitemaps).encode()


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [
                b"User-agent",
                b"Disallow",
                b"Allow",
                b"Crawl-delay",
                b"License",
                b":",
                b" ",
                b"\n",
                b"\r",
                b"*",
                b"/",
                b"$",
                b"#",
                b"%",
                b"\0",
                b"\xef\xbb\xbf",
                b"\xff\xfe",
                "é".encode("latin-1"),
                "\u2028".encode(),
                b"ExBot",
            ]
        ),
    ),
    max_size=40,
).map(b"".join)


@given(PIECES | st.binary(), st.booleans(), st.text(max_size=20))
@settings(max_examples=500, deadline=None)
def test_no_bytes_raise(body: bytes, truncated: bool, url: str) -> None:
    """Whatever the bytes, every question about the file has an answer, and every answer can be written as UTF-8."""
    _use_everything(parse(body, truncated=truncated), url)


@given(PIECES, st.integers(0, 200))
@settings(deadline=None)
def test_a_prefix_never_shortens_a_rule(body: bytes, length: int) -> None:
    """Every rule of a truncated body is a rule of the whole body."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in body[:4]:
        return  # where UTF-16 is cut within a unit, the unit is part of the dropped line
    whole = [(rule.allow, rule.line, rule.text) for group in parse(body).groups for rule in group.rules]
    cut = [
        (rule.allow, rule.line, rule.text)
        for group in parse(body[:length], truncated=True).groups
        for rule in group.rules
    ]
    assert cut == whole[: len(cut)]
