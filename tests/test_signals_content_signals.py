"""Content Signals beside their cases in tests/cases/content_signals: hostile values, and what mining has to do with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.rights.content_signals import read_signals
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Category,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    Reading,
    Verdict,
)
from askfirst.rights.reader import SILENT, Statement, Target
from askfirst.rights.robots_records import MAX_LINES, MAX_REMARKS
from askfirst.rights.signals.content_signals_header import read_content_signals_header
from askfirst.rights.signals.content_signals_robots import read_content_signals_robots
from askfirst.rights.signals.robots_txt import robots_of

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")


def target(path: str = "/", purpose: Purpose = Purpose.TRAIN) -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=purpose))


def seen(body: bytes, *, status: int = 200) -> Observation:
    document = Document(kind=Kind.WELL_KNOWN, url="https://h.example/robots.txt")
    return Observation(document=document, status=status, body=body, observed_at=AT)


def robots(body: bytes) -> Statement:
    return read_content_signals_robots(seen(body), AGENT)


def header(*fields: tuple[str, str]) -> Statement:
    document = Document(kind=Kind.RESPONSE, url="https://h.example/")
    return read_content_signals_header(
        Observation(document=document, status=200, headers=fields, observed_at=AT), AGENT
    )


def said(reading: Reading) -> set[tuple[str, str, str]]:
    return {(s.verdict.word, s.category.value, s.care.name.lower()) for s in reading.signals}


PIECES = st.lists(
    st.sampled_from(
        ["search", "ai-input", "ai-train", "AI-Train", "use", "train-ai", "=", "yes", "no", "No", "n", "false", "0", ",",
         ";", " ", "\t", "reference", "immediate", "full", ":", '"', "é", "\ud800", "\0", "/x ", "*", "#"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(st.one_of(PIECES, st.text(max_size=60)))
def test_any_value_is_read(value: str) -> None:
    """No text makes the reader of a value raise, and a value permits only by a yes."""
    for claim in read_signals(value).claims:
        if claim.verdict is Verdict.ALLOW:
            assert claim.care is Care.LITERAL
            assert "yes" in value
        else:
            assert claim.basis is Basis.RESERVATION


@given(st.lists(st.tuples(st.sampled_from(["content-signal", "Content-Signals", "x"]), PIECES), max_size=4))
def test_a_field_never_permits(fields: list[tuple[str, str]]) -> None:
    """Whatever a response says, it is no permission, and the reading is the same one again."""
    statement = header(*fields)
    reading = statement.on(target())
    assert reading is statement.on(target("/other"))
    assert all(s.verdict is Verdict.REFUSE for s in reading.signals)


@given(st.binary(max_size=80), PIECES, st.sampled_from(["", "/", "/a*$", "*.jpg ", "/\xff ", "/a\\b "]))
def test_any_bytes_of_a_file_are_read(noise: bytes, value: str, path: str) -> None:
    """Any bytes around a line give a reading for every path and job, the same one again."""
    line = f"Content-Signal: {path} {value}".encode("utf-8", "surrogatepass")
    for body in (b"User-agent: *\n" + line + b"\n" + noise, noise + b"\n" + line, line + noise):
        statement = robots(body)
        for place in ("/", "/a", "/a/b.jpg"):
            for purpose in Purpose:
                assert statement.on(target(place, purpose)) is statement.on(target(place, purpose))


@given(st.lists(st.tuples(st.sampled_from(["", "/ ", "/a ", "/a/b "]), st.sampled_from(["yes", "no"])), max_size=6))
def test_one_no_is_enough(lines: list[tuple[str, str]]) -> None:
    """Any no that matches refuses; without one, the yes at the longest path permits."""
    body = "User-agent: *\n" + "".join(f"Content-Signal: {path}search={value}\n" for path, value in lines)
    verdicts = {s.verdict for s in robots(body.encode()).on(target("/a/b")).signals}
    values = {value for _, value in lines}
    assert verdicts == ({Verdict.REFUSE} if "no" in values else {Verdict.ALLOW} if values else set())


def test_mining_is_reserved_but_not_against_use_as_input() -> None:
    """The reservation of mining is not said of a job that has a signal of its own."""
    statement = robots(b"User-agent: *\nContent-Signal: ai-train=no, ai-input=yes\n")
    mined = statement.on(target(purpose=Purpose.TDM))
    assert ("refuse", "tdm", "literal") in said(mined)
    assert statement.on(target(purpose=Purpose.TRAIN)) is mined
    used = statement.on(target(purpose=Purpose.AI_INPUT))
    assert said(used) == {("refuse", "train", "literal"), ("allow", "ai-input", "literal")}
    assert {s.basis for s in used.signals} == {Basis.RESERVATION, Basis.PREFERENCE}


def test_a_use_level_has_terms() -> None:
    """What is bounded can be asked for: the refusal says what the bound is."""
    reading = robots(b"User-agent: *\nContent-Signal: use=reference\n").on(target())
    assert {s.category for s in reading.signals} == {Category.TRAIN, Category.AI_INPUT}
    assert all(s.terms is not None and "use=reference" in str(s.terms.reference) for s in reading.signals)


def test_files_without_the_record_are_silent() -> None:
    """Files that never say the word, or say it to others, and error pages."""
    assert robots(b"User-agent: *\nDisallow: /\n") is SILENT
    assert robots(b"User-agent: Other\nContent-Signal: ai-train=no\n") is SILENT
    assert read_content_signals_robots(seen(b"Content-Signal: ai-train=no\n", status=404), AGENT) is SILENT
    assert header(("x", "ai-train=no")) is SILENT
    assert robots("User-agent: *\nContent-Signal: ai-train=no\n".encode("utf-16")) is not SILENT


def test_readings_are_few() -> None:
    """Two URLs that the same lines match have one reading, and those that none matches have nothing."""
    statement = robots(b"User-agent: *\nContent-Signal: /a ai-train=no\nContent-Signal: /b ai-train=no\n")
    assert statement.on(target("/a/1")) is statement.on(target("/a/2"))
    assert statement.on(target("/c")) is NOTHING


def test_too_many_lines_defer() -> None:
    """A thousand different lines are read; more of them leave every path uncertain."""
    many = b"".join(b"Content-Signal: /%d ai-train=yes\n" % n for n in range(MAX_LINES + 1))
    reading = robots(b"User-agent: *\n" + many).on(target("/5"))
    assert ("defer", "train", "literal") in said(reading)


@pytest.mark.parametrize("value", [b"," * 400_000, b"ai-train=no " * 40_000, b"=" * 400_000, b"a=b," * 100_000])
def test_a_hostile_value_gives_few_remarks(value: bytes) -> None:
    """Half a megabyte on one line is read in one pass (the run's time limit)."""
    reading = robots(b"User-agent: *\nContent-Signal: " + value).on(target())
    assert len(reading.remarks) <= MAX_REMARKS


def test_one_file_is_taken_apart_once() -> None:
    """Several readers of one observation share the file; another observation of the same bytes is another file."""
    body = b"User-agent: *\nContent-Signal: ai-train=no\n"
    one, other = seen(body), seen(body)
    assert robots_of(one) is robots_of(one)
    assert robots_of(one) is not robots_of(other)
    for _ in range(9):
        robots_of(seen(body))
    assert robots_of(one).groups == robots_of(other).groups
