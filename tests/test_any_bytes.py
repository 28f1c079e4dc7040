"""Any bytes, any status and any target into every reader: nothing raises, and what is said is evidenced and replayed.

The properties are those of tests/fuzz.py, which asks them for longer and of real files too. They are asked of whatever
stands in READERS, so that a new signal is under them without a line here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Outage, Purpose, Stage
from askfirst.rights.policy import PROFILES
from askfirst.rights.reader import Reader
from askfirst.rights.signals import READERS
from tests.fuzz import (
    AGENT,
    AT,
    FIELDS,
    MEDIA,
    SEEDS,
    STATUSES,
    TOKENS,
    URLS,
    Case,
    document_url,
    from_line,
    is_evidenced,
    is_given_again,
    is_recorded,
    name_of,
    places,
    replays_from_what_is_kept,
    to_line,
)

every_reader = pytest.mark.parametrize("reader", READERS, ids=name_of)


@st.composite
def edited(draw: st.DrawFn) -> bytes:
    """A seed in some encoding, with a few places overwritten, repeated or cut off."""
    body = draw(st.sampled_from(SEEDS))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "latin-1", "utf-16", "utf-16-be"]))
    body = body.decode("utf-8", "replace").encode(encoding, "replace")
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 12)))
        other = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6), st.just(body[start:end] * 3)))
        body = body[:start] + other + body[end:]
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


bodies = st.one_of(st.binary(max_size=200), edited())
values = st.one_of(st.text(st.characters(max_codepoint=255), max_size=60), edited().map(lambda b: b.decode("latin-1")))
fields = st.one_of(
    st.sampled_from(FIELDS),
    st.tuples(st.sampled_from([name for name, _ in FIELDS]), values),
    st.tuples(st.text(st.characters(max_codepoint=255), max_size=12), values),
)
urls = st.one_of(
    st.sampled_from(URLS), st.text(max_size=30), st.text(max_size=30).map(lambda path: f"https://h.example/{path}")
)
agents = st.one_of(
    st.just(AGENT), st.builds(Agent, product_token=st.text(max_size=12), user_agent=st.text(max_size=30))
)


@st.composite
def cases(draw: st.DrawFn, reader: Reader) -> Case:
    url = draw(urls)
    place = draw(st.sampled_from(places(reader)))
    seen = Observation(
        document=Document(kind=place[0], url=document_url(place, url)),
        status=draw(st.sampled_from(STATUSES)),
        headers=tuple(draw(st.lists(fields, max_size=4))),
        body=draw(bodies),
        truncated=draw(st.booleans()),
        outage=draw(st.one_of(st.none(), st.none(), st.sampled_from(Outage))),
        observed_at=AT,
    )
    return Case(
        reader=reader,
        seen=seen,
        intent=Intent(
            url=url,
            agent=draw(agents),
            purpose=draw(st.sampled_from(Purpose)),
            media=draw(st.one_of(st.sampled_from(MEDIA), st.text(max_size=12))),
        ),
        policy=PROFILES[draw(st.sampled_from(sorted(PROFILES)))],
        stage=draw(st.sampled_from(Stage)),
    )


@every_reader
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_and_every_word_is_evidenced(reader: Reader, data: st.DataObject) -> None:
    """No bytes, status, field, target or agent raise; signals bear the reader's protocol, and evidence names the very
    observation in at most 200 characters."""
    is_evidenced(data.draw(cases(reader)))


@every_reader
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_decision_is_recorded_and_follows_from_what_was_observed(reader: Reader, data: st.DataObject) -> None:
    """Whatever was observed, the decision is one line of the record, is read back as it was, replays to the same id,
    and can be shown."""
    is_recorded(data.draw(cases(reader)))


@every_reader
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_same_question_gets_the_same_object(reader: Reader, data: st.DataObject) -> None:
    """Rulings are remembered by the identity of readings."""
    is_given_again(data.draw(cases(reader)))


@pytest.mark.parametrize(
    "reader", [r for r in READERS if {Kind.RESPONSE, Kind.PAGE}.intersection(r.kinds)], ids=name_of
)
@given(data=st.data(), rest=bodies, start=st.sampled_from([b"", b"<html>", b"<!doctype html>\n", b"<p>", b"GIF89a"]))
@settings(max_examples=100, deadline=None)
def test_a_decision_on_a_response_follows_from_what_is_kept_of_it(
    reader: Reader, data: st.DataObject, rest: bytes, start: bytes
) -> None:
    """What is kept instead of a body gives the same decision as the body, whatever its type."""
    case = data.draw(cases(reader))
    case = replace(case, seen=replace(case.seen, body=start + rest))
    decision = is_recorded(case)
    if decision is not None:
        replays_from_what_is_kept(case, decision)


@every_reader
@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_every_reader_takes_the_files_of_every_other(reader: Reader, seed: bytes) -> None:
    """A file in the place of another is read without harm, and a case is the same after it was saved and loaded."""
    for place in places(reader):
        url = "https://h.example/art/p.jpg"
        seen = Observation(
            document=Document(kind=place[0], url=document_url(place, url)), status=200, body=seed, observed_at=AT
        )
        intent = Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN)
        for policy in PROFILES.values():
            case = Case(reader=reader, seen=seen, intent=intent, policy=policy, stage=Stage.KEEP)
            is_evidenced(case)
            is_recorded(case)
            assert from_line(to_line(case)) == case
