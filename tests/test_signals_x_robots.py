"""X-Robots-Tag and robots metas, beside their cases in tests/cases: what must hold for any bytes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.decide import decide
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Care,
    Covers,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    Stage,
    Verdict,
)
from askfirst.rights.policy import PROFILES
from askfirst.rights.read import read
from askfirst.rights.reader import SILENT, Target
from askfirst.rights.robots_values import MEANINGS, date_of, is_known, rules
from askfirst.rights.robots_values import SILENT as SAYS_NOTHING
from askfirst.rights.signals import meta_robots, x_robots_tag

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0 (+https://crawler.example/)")


def test_unknown_rules_of_one_field_make_one_remark() -> None:
    """A field full of prose is one remark, not one per word."""
    seen = _field("a b c d e f g h i j")
    said = x_robots_tag.read_x_robots_tag(seen, AGENT).on(_target())
    assert [r.note for r in said.remarks] == ["a, b, c, d, e and 5 more: unknown, without effect"]


def test_a_field_of_more_than_8_kib_is_not_read() -> None:
    """Such a field has no effect, and a remark says so."""
    said = x_robots_tag.read_x_robots_tag(_field("noai," + " " * 8_192), AGENT).on(_target())
    assert not said.signals
    assert "too long" in said.remarks[0].note


def test_a_rule_late_in_a_long_value_is_among_its_evidence() -> None:
    """The words shown hold the rule, however long the value is."""
    said = x_robots_tag.read_x_robots_tag(_field("nofollow, " * 300 + "noai"), AGENT).on(_target())
    assert all("noai" in s.evidence.text and len(s.evidence.text) <= 200 for s in said.signals)
    assert said.signals


def test_the_same_refusal_in_many_metas_is_one_signal() -> None:
    """The first place stands, and the others are counted."""
    seen = Observation(
        document=Document(kind=Kind.RESPONSE, url="https://h/"),
        status=200,
        headers=(("Content-Type", "text/html"),),
        body=b"<!doctype html>" + b"<meta name=robots content=noai>" * 3_000,
        observed_at=AT,
    )
    said = meta_robots.READER.parse(seen, AGENT).on(_target())
    assert [s.evidence.at for s in said.signals if s.covers is Covers.RESOURCE] == ['meta name="robots" 1']
    assert [r.note for r in said.remarks] == ["and 2999 more of them refuse the same"]


def test_the_remarks_of_many_metas_are_few() -> None:
    """A page of bad dates and of rules for others makes a handful of remarks."""
    metas = b"".join(
        b"<meta name=robots content='unavailable_after: x%d'><meta name=bot%d content=noai>" % (n, n)
        for n in range(500)
    )
    seen = Observation(
        document=Document(kind=Kind.RESPONSE, url="https://h/"),
        status=200,
        headers=(("Content-Type", "text/html"),),
        body=b"<!doctype html>" + metas,
        observed_at=AT,
    )
    said = meta_robots.READER.parse(seen, AGENT).on(_target())
    assert not said.signals
    assert len(said.remarks) == 6
    assert "and 495 more like this" in said.remarks[4].note


def test_names_without_number_speak_to_everybody() -> None:
    """A list of bots that is longer than anybody reads is meant for all."""
    names = "".join(f"b{n}x:" for n in range(101))
    assert rules(names + "noai")[0].bots == ("*",)
    assert rules("a:" * 2_000 + "noai")[0].bots == ("a",)
    assert x_robots_tag.read_x_robots_tag(_field(names + "noai"), AGENT).on(_target()).signals


def test_silence_is_the_silent_statement() -> None:
    """Where nothing was said there is no object to remember."""
    seen = Observation(
        document=Document(kind=Kind.RESPONSE, url="https://h/"),
        status=200,
        headers=(("Content-Type", "text/html"),),
        body=b"<!doctype html><meta name=viewport content=x>",
        observed_at=AT,
    )
    assert x_robots_tag.read_x_robots_tag(seen, AGENT) is SILENT
    assert meta_robots.read_meta_robots(seen, AGENT) is SILENT
    assert x_robots_tag.read_x_robots_tag(_field("all"), AGENT).on(_target()) is NOTHING


def test_the_same_outcome_is_the_same_object() -> None:
    """Readings are shared between targets, so that rulings can be remembered by identity."""
    statement = x_robots_tag.read_x_robots_tag(_field("noai"), AGENT)
    assert statement.on(_target("https://h/a.png")) is statement.on(_target("https://h/b.png"))


def test_the_user_agent_string_is_not_searched() -> None:
    """A bot whose name is only part of our User-Agent field is not us."""
    assert not x_robots_tag.read_x_robots_tag(_field("crawler: noai"), AGENT).on(_target()).signals


@pytest.mark.parametrize("word", sorted(SAYS_NOTHING))
def test_rules_that_say_nothing_say_nothing(word: str) -> None:
    """Not a signal, and not a remark: they stand on every second page of the web."""
    value = f"{word}:large" if word.endswith("preview") else word
    assert x_robots_tag.read_x_robots_tag(_field(value), AGENT).on(_target()) is NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 25 Jun 2031 15:00:00 GMT",
        "Wednesday, 25-Jun-31 15:00:00 GMT",
        "25 Jun 2031 08:00:00 PDT",
        "2031-06-25T15:00:00Z",
        "2031-06-25T17:00:00+02:00",
        "2031-06-25 15:00:00",
    ],
)
def test_dates(text: str) -> None:
    """The notations that Google names, and ISO 8601, are one moment."""
    assert date_of(text) == datetime(2031, 6, 25, 15, tzinfo=UTC)


_WORDS = st.sampled_from(
    [*sorted(MEANINGS), *sorted(SAYS_NOTHING), "exbot", "otherbot", "gptbot", "no ai", "x", "Wed", "25"]
)
_VALUES = st.lists(st.one_of(_WORDS, st.sampled_from(list(",,,;:: =\"'*0")), st.text(max_size=4)), max_size=20).map(
    "".join
)


@settings(max_examples=300)
@given(values=st.lists(_VALUES, max_size=4), body=st.binary(max_size=40), media=st.sampled_from([None, "image/png"]))
def test_no_value_raises_and_none_permits(values: list[str], body: bytes, media: str | None) -> None:
    """Whatever stands in the fields, the reading is made of refusals and remarks."""
    seen = Observation(
        document=Document(kind=Kind.RESPONSE, url="https://h/"),
        status=200,
        headers=tuple(("X-Robots-Tag", value) for value in values),
        body=body,
        observed_at=AT,
    )
    intent = Intent(url="https://h/", agent=AGENT, purpose=Purpose.TRAIN, media=media)
    said = x_robots_tag.read_x_robots_tag(seen, AGENT).on(Target.of(intent))
    assert all(s.verdict is Verdict.REFUSE for s in said.signals)


@settings(max_examples=200)
@given(
    body=st.binary(max_size=200), headers=st.lists(st.tuples(st.text(max_size=14), st.text(max_size=30)), max_size=4)
)
def test_no_bytes_raise(body: bytes, headers: list[tuple[str, str]]) -> None:
    """Any body under any headers is read, as a response and as a page, and decided."""
    for kind in (Kind.RESPONSE, Kind.PAGE):
        seen = Observation(
            document=Document(kind=kind, url="https://h/"),
            status=200,
            headers=(*headers, ("Content-Type", "text/html")),
            body=b"<meta name=robots content='" + body,
            observed_at=AT,
        )
        intent = Intent(url="https://h/", agent=AGENT, purpose=Purpose.TRAIN)
        decide(intent, read(intent, [seen], PROFILES["strict"]), PROFILES["strict"], stage=Stage.KEEP, at=AT)


@given(before=st.lists(_WORDS.filter(is_known), max_size=4), after=st.lists(_WORDS.filter(is_known), max_size=4))
def test_known_rules_around_it_never_hide_a_rule(before: list[str], after: list[str]) -> None:
    """A rule for everybody stays one, whichever rules that we know stand around it."""
    found = rules(", ".join([*before, "noai", *after]))
    assert any(rule.name == "noai" and rule.bots == ("*",) for rule in found)


def test_every_meaning_names_its_authority() -> None:
    """No rule refuses without somebody who said so, and none by care of nobody."""
    for meant in MEANINGS.values():
        assert meant.spec
        assert all(isinstance(e.page, Care) or isinstance(e.images, Care) for e in meant.effects)


def _field(value: str) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url="https://h/"),
        status=200,
        headers=(("X-Robots-Tag", value),),
        observed_at=AT,
    )


def _target(url: str = "https://h/") -> Target:
    return Target.of(Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN))
