"""Content-Usage beside its cases in tests/cases/aipref: hostile values, many lines, and that readings stay the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.rights.aipref import LABELS, MAX_VALUE_BYTES, read_usage
from askfirst.rights.decide import rule, settle
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Care,
    Category,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    Reading,
    RemarkKind,
    Stage,
    Verdict,
)
from askfirst.rights.policy import OPT_OUT
from askfirst.rights.reader import SILENT, Statement, Target
from askfirst.rights.robots_records import MAX_LINES, MAX_REMARKS, loose_pairs, split_path
from askfirst.rights.signals.aipref_header import read_aipref_header
from askfirst.rights.signals.aipref_robots import read_aipref_robots

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")


def target(path: str = "/", purpose: Purpose = Purpose.TRAIN) -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=purpose))


def robots(body: bytes, *, status: int = 200) -> Statement:
    document = Document(kind=Kind.WELL_KNOWN, url="https://h.example/robots.txt")
    return read_aipref_robots(Observation(document=document, status=status, body=body, observed_at=AT), AGENT)


def header(*values: str) -> Statement:
    fields = tuple(("Content-Usage", value) for value in values)
    document = Document(kind=Kind.RESPONSE, url="https://h.example/")
    return read_aipref_header(Observation(document=document, status=200, headers=fields, observed_at=AT), AGENT)


def said(reading: Reading) -> set[tuple[str, str, str]]:
    return {(s.verdict.word, s.category.value, s.care.name.lower()) for s in reading.signals}


PIECES = st.lists(
    st.sampled_from(
        ["train-ai", "ai-use", "search", "all", "ai-train", "=", "y", "n", "N", "no", ",", ";", " ", "\t", "(", ")", '"',
         "?0", "@9", ":a:", '%"', "exceptions", "cc-cr", "é", "\ud800", "\0", "9" * 20, "/x ", "*", "#", ":"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(st.one_of(PIECES, st.text(max_size=60)))
def test_any_value_is_read(value: str) -> None:
    """No text makes the reader of a value raise, and a value permits only what it says by the letter."""
    words = read_usage(value)
    for claim in words.claims:
        assert claim.verdict is not Verdict.DEFER
        if claim.verdict is Verdict.ALLOW:
            assert claim.care is Care.LITERAL
            assert claim.category in LABELS.values()
            assert "=y" in value


@given(st.lists(st.one_of(PIECES, st.text(st.characters(max_codepoint=255), max_size=40)), max_size=4))
def test_any_fields_are_read(values: list[str]) -> None:
    """Any fields of a response give a reading, the same one again."""
    statement = header(*values)
    assert statement.on(target()) is statement.on(target("/other"))


@given(st.binary(max_size=80), PIECES, st.sampled_from(["", "/", "/a*$", "*.jpg ", "/\xff ", "/a\\b "]))
def test_any_bytes_of_a_file_are_read(noise: bytes, value: str, path: str) -> None:
    """Any bytes around a line give a reading for every path, the same one again."""
    line = f"Content-Usage: {path} {value}".encode("utf-8", "surrogatepass")
    for body in (b"User-agent: *\n" + line + b"\n" + noise, noise + b"\n" + line, line + noise):
        statement = robots(body)
        for place in ("/", "/a", "/a/b.jpg", "/robots.txt"):
            assert statement.on(target(place)) is statement.on(target(place))


@given(st.lists(st.tuples(st.sampled_from(["", "/ ", "/a ", "/a/b ", "/*b "]), st.sampled_from("yn")), max_size=6))
def test_the_longest_path_decides_by_the_letter(lines: list[tuple[str, str]]) -> None:
    """By the letter the longest path that matches decides, and of equal ones any n; what conservative and suspicious
    readers add is refusals."""
    body = "User-agent: *\n" + "".join(f"Content-Usage: {path}train-ai={value}\n" for path, value in lines)
    found = robots(body.encode()).on(target("/a/b"))
    length = max((len(path.strip()) for path, _ in lines), default=-1)
    values = {value for path, value in lines if len(path.strip()) == length}
    wanted = "refuse" if "n" in values else "allow" if values else None
    literal = {s.verdict.word for s in found.signals if s.care is Care.LITERAL}
    assert literal == ({wanted} if wanted else set())
    assert all(s.verdict is Verdict.REFUSE for s in found.signals if s.care is not Care.LITERAL)


def test_a_file_without_the_record_is_not_taken_apart() -> None:
    """Files that never say the word, and error pages that do, are silent."""
    assert robots(b"User-agent: *\nDisallow: /\n") is SILENT
    assert robots(b"User-agent: *\nContent-Usage: train-ai=n\n", status=500) is SILENT
    assert robots(b"User-agent: Other\nContent-Usage: train-ai=n\n") is SILENT
    assert robots("User-agent: *\nContent-Usage: train-ai=n\n".encode("utf-16")) is not SILENT
    assert header() is SILENT


def test_readings_are_few() -> None:
    """Two URLs that the same lines match have one reading, and those that none matches have nothing."""
    statement = robots(b"User-agent: *\nContent-Usage: /a train-ai=n\nContent-Usage: /b train-ai=n\n")
    assert statement.on(target("/a/1")) is statement.on(target("/a/2"))
    assert statement.on(target("/a/1")) is not statement.on(target("/b"))
    assert statement.on(target("/c")) is NOTHING


@pytest.mark.parametrize("values", [("train-ai=y, " + "x=1, " * 2_000 + "z",), ("train-ai=y",) * 900])
def test_a_value_that_is_too_long_defers(values: tuple[str, ...]) -> None:
    """What is not read is not known."""
    reading = header(*values).on(target())
    assert said(reading) == {("defer", c.value, "literal") for c in LABELS.values()}
    assert RemarkKind.TRUNCATED in {r.kind for r in reading.remarks}


def test_a_long_value_in_a_file_defers_where_it_matches() -> None:
    """A line that is too long says nothing of other paths."""
    long = b"train-ai=n;x=" + b"a" * MAX_VALUE_BYTES
    statement = robots(b"User-agent: *\nContent-Usage: /a " + long + b"\n")
    assert ("defer", "train-generative", "literal") in said(statement.on(target("/a")))
    assert statement.on(target("/b")) is NOTHING


def test_too_many_lines_defer() -> None:
    """A thousand different lines are read; with more of them every path is uncertain, though a refusal stays one."""
    many = b"".join(b"Content-Usage: /%d train-ai=y\n" % n for n in range(MAX_LINES))
    statement = robots(b"User-agent: *\n" + many)
    assert said(statement.on(target("/999"))) >= {("allow", "train-generative", "literal")}
    statement = robots(b"User-agent: *\n" + many + b"Content-Usage: /more train-ai=n\n")
    for path in ("/more", "/999", "/"):
        reading = statement.on(target(path, Purpose.TRAIN_GENERATIVE))
        ruling = rule(Purpose.TRAIN_GENERATIVE, reading, OPT_OUT, stage=Stage.KEEP, at=AT)
        assert ruling.verdict is Verdict.DEFER


def test_a_file_that_is_longer_than_is_read_defers() -> None:
    """What the rest of such a file says of the use is not known, where it has said something before."""
    body = b"User-agent: *\nContent-Usage: train-ai=y\n" + b"# \n" * 200_000
    reading = robots(body).on(target("/a"))
    assert ("defer", "train-generative", "literal") in said(reading)
    assert (
        robots(b"User-agent: *\nAllow: /\n" + b"# \n" * 200_000 + b"Content-Usage: train-ai=n\n").on(target())
        is NOTHING
    )


def test_lines_that_repeat_are_one() -> None:
    """The same line ten thousand times is read once."""
    statement = robots(b"User-agent: *\n" + b"Content-Usage: /a train-ai=n\n" * 10_000)
    assert said(statement.on(target("/a"))) == {("refuse", "train-generative", "literal")}


def test_a_hostile_file_gives_few_remarks() -> None:
    """Half a megabyte of nonsense gives at most twenty remarks (the run's time limit)."""
    nonsense = b"".join(b"Content-Usage: / train-ai=N, all=N, ai=%d, ,,\n" % n for n in range(9_000))
    reading = robots(b"User-agent: *\n" + nonsense).on(target())
    assert len(reading.remarks) <= MAX_REMARKS
    for value in (b"x" * 400_000, b" =" * 200_000, b"(" * 400_000, b"a;" * 200_000):
        robots(b"User-agent: *\nContent-Usage: " + value).on(target())


def test_places_do_not_supersede_each_other() -> None:
    """A header and robots.txt have one rank, so that none of what they say is set aside."""
    signals = (
        *robots(b"User-agent: *\nContent-Usage: train-ai=n\n").on(target()).signals,
        *header("train-ai=y").on(target()).signals,
    )
    assert settle(signals, Care.LITERAL) == signals


def test_octets_beyond_utf_8_are_matched_as_octets_and_refused_as_latin_1() -> None:
    """A path in latin-1 permits by its octets alone."""
    statement = robots("User-agent: *\nContent-Usage: /caf\xe9 search=y, train-ai=n\n".encode("latin-1"))
    assert said(statement.on(target("/caf%E9"))) == {
        ("allow", "search", "literal"),
        ("refuse", "train-generative", "literal"),
    }
    assert said(statement.on(target("/caf%C3%A9"))) == {("refuse", "train-generative", "literal")}


def test_a_raw_backslash_refuses_both_ways() -> None:
    """A path with a backslash is a doubt, as in a disallow rule."""
    statement = robots(b"User-agent: *\nContent-Usage: /a\\b train-ai=n, search=y\n")
    assert {s.category for s in statement.on(target("/a%5Cb")).signals} == {
        Category.TRAIN_GENERATIVE,
        Category.SEARCH,
    }
    assert {s.category for s in statement.on(target("/a/b")).signals} == {Category.TRAIN_GENERATIVE}


def test_a_value_is_parted_at_the_first_blank() -> None:
    """A path is what stands before it, and a text without one is all dictionary."""
    assert split_path("/a\ttrain-ai=n") == ("/a", "train-ai=n")
    assert split_path("/a  b c ") == ("/a", "b c")
    assert split_path("/only") == ("/only", "")
    assert split_path("train-ai=n /a") == ("", "train-ai=n /a")
    assert split_path("") == ("", "")


def test_loose_pairs_are_found_however_they_are_separated() -> None:
    """Commas, semicolons, blanks and colons."""
    assert loose_pairs("a=1,b = 2;c:3 d=  4 =5 e") == [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4=5")]
