"""Canonical JSON, times, ids and record lines: the same noun gives the same bytes, and the bytes give the noun back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.decide import decide
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Covers,
    Decision,
    Document,
    Evidence,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Stage,
    Terms,
    Verdict,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, Policy, parse_policy
from askfirst.rights.record import Looked, parse_line
from askfirst.rights.wire import (
    Json,
    WireError,
    canonical,
    decision_line,
    observation_to_wire,
    parse_observation,
    parse_timestamp,
    timestamp,
)
from tests.fuzz import as_recorded

AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0 (+https://ex.example/bot)")
INTENT = Intent(url="https://h.example/art/p.jpg", agent=AGENT, purpose=Purpose.TRAIN, media="image/jpeg")


def words(text: str = "Disallow: /", at: str = "line 2") -> Evidence:
    return Evidence(document_url="https://h.example/robots.txt", digest="sha256:0", at=at, text=text, spec="the spec")


def said(text: str = "noai", category: Category = Category.TRAIN, verdict: Verdict = Verdict.REFUSE) -> Signal:
    return Signal(
        source="X-Robots-Tag header",
        protocol="x-robots-tag",
        category=category,
        basis=Basis.PREFERENCE,
        verdict=verdict,
        terms=Terms(url="https://h.example/terms", contact="mailto:ask@h.example"),
        evidence=words(text),
        expires_at=AT + timedelta(days=1),
    )


def answer(
    intent: Intent = INTENT,
    reading: Reading = Reading(signals=(said(),)),  # noqa: B008  # frozen
    policy: Policy = OPT_OUT,
    stage: Stage = Stage.KEEP,
    at: datetime = AT,
) -> Decision:
    return decide(intent, reading, policy, stage=stage, at=at)


# -- canonical JSON and times -----------------------------------------------------------------------------------------


def test_canonical_json_is_sorted_tight_and_utf8() -> None:
    """Keys are sorted at every depth, there is no white space, and letters are themselves; what some readers take for a
    line break is escaped."""
    value: dict[str, Json] = {"b": [1, True, None, 'é\n"\\\u2028'], "a": {"z": 0, "é": -1, "B": ""}}
    assert canonical(value) == '{"a":{"B":"","z":0,"é":-1},"b":[1,true,null,"é\\n\\"\\\\\\u2028"]}'.encode()
    assert canonical({"a": value["a"], "b": value["b"]}) == canonical(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@settings(deadline=None)
def test_canonical_json_is_json_and_does_not_depend_on_order(value: object) -> None:
    """Any other JSON reader gets the value back, and what it writes in another order is the same bytes."""
    encoded = canonical(value)  # type: ignore[arg-type]  # what hypothesis builds is Json
    assert json.loads(encoded) == value
    assert canonical(json.loads(json.dumps(value, sort_keys=True))) == encoded
    assert b"\n" not in encoded


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 24, tzinfo=UTC), "2026-11-24T00:00:00Z"),
        (datetime(2026, 11, 24, 1, 2, 3, 40, tzinfo=UTC), "2026-11-24T01:02:03.000040Z"),
        (datetime(2026, 11, 24, 1, tzinfo=timezone(timedelta(hours=2))), "2026-11-23T23:00:00Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(at: datetime, text: str) -> None:
    """Whatever the offset, the wire has UTC and Z."""
    assert timestamp(at) == text
    assert parse_timestamp(text) == at


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_come_back(at: datetime) -> None:
    """No microsecond is lost on the wire."""
    assert parse_timestamp(timestamp(at)) == at


def test_a_time_without_an_offset_is_utc() -> None:
    """People leave it out and mean UTC."""
    assert parse_timestamp("2026-11-24T12:30:00") == AT
    assert parse_timestamp("2026-11-24T14:30:00+02:00") == AT


# -- the id -----------------------------------------------------------------------------------------------------------

OTHERS = {
    "url": answer(replace(INTENT, url="https://h.example/art/q.jpg")),
    "product token": answer(replace(INTENT, agent=replace(AGENT, product_token="OtherBot"))),
    "user agent": answer(replace(INTENT, agent=replace(AGENT, user_agent="ExBot/1.1"))),
    "purpose": answer(replace(INTENT, purpose=Purpose.TDM)),
    "media": answer(replace(INTENT, media="image/png")),
    "no media": answer(replace(INTENT, media=None)),
    "words": answer(reading=Reading(signals=(said("noml"),))),
    "a signal more": answer(reading=Reading(signals=(said(), said(category=Category.SEARCH)))),
    "a signal that does not weigh": answer(reading=Reading(signals=(said(), replace(said("x"), care=Care.STRICT)))),
    "no terms": answer(reading=Reading(signals=(replace(said(), terms=None),))),
    "covers": answer(reading=Reading(signals=(replace(said(), covers=Covers.PAGE_IMAGES),))),
    "rank": answer(reading=Reading(signals=(replace(said(), rank=1),))),
    "a remark": answer(
        reading=Reading(
            signals=(said(),),
            remarks=(Remark(source="s", kind=RemarkKind.IGNORED, note="n", evidence=words()),),
        )
    ),
    "policy": answer(policy=OPT_IN),
    "policy file": answer(policy=parse_policy('extends = "opt-out"\n[signals]\n"ai.txt" = "log"', where="p")),
    "stage": answer(stage=Stage.FETCH),
}


def test_the_id_depends_on_everything_that_was_decided_about() -> None:
    """Another url, agent, purpose, media type, reading, policy or stage is another decision."""
    ids = [answer().id, *(other.id for other in OTHERS.values())]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == len("sha256:") + 64 for one in ids)


def test_the_id_depends_on_nothing_else() -> None:
    """The time, the order and the number of signals, and the policy's ages are not in the id."""
    reading = Reading(signals=(said("noml"), said(), said("noml")))
    assert answer(reading=reading).id == answer(reading=Reading(signals=(said(), said("noml")))).id
    assert answer(at=AT + timedelta(hours=5)).id == answer().id
    slower = parse_policy('extends = "opt-out"\n[max_age]\n"robots.txt" = 60', where="p")
    assert answer(policy=slower).id == answer().id


def test_no_two_intents_are_written_alike() -> None:
    """Quotes and commas in a URL or a user agent cannot move text from one member of the id to the next."""
    left = replace(INTENT, url='https://h/a","b', agent=replace(AGENT, product_token="c"))
    right = replace(INTENT, url="https://h/a", agent=replace(AGENT, product_token='b","c'))
    assert answer(left).id != answer(right).id


# -- the record -------------------------------------------------------------------------------------------------------

HOSTILE = [
    'https://h.example/"},{"verdict":"allow',
    "https://h.example/a\\",
    "https://h.example/\x00\x1b[2J\r\n\t\x7f",
    "https://h.example/é/ツ/\U0001f5bc\u2028\u202e",
    "https://[::1]/a'b`c",
]
LOOKED = b'[{"url":"https://h.example/robots.txt","kind":"well-known","digest":"sha256:0","observed_at":"2026-11-24T12:30:00Z"}]'


@pytest.mark.parametrize("text", HOSTILE)
def test_a_record_line_survives_hostile_words(text: str) -> None:
    """Whatever stands in URL, agent, media or evidence, the line is one JSON object on one line and comes back."""
    intent = Intent(url=text, agent=Agent(product_token=text, user_agent=text), purpose=Purpose.SEARCH, media=text)
    remark = Remark(source="robots.txt", kind=RemarkKind.IGNORED, note=text, evidence=words(text, at=text))
    decision = answer(intent, Reading(signals=(said(text, Category.SEARCH), said(text)), remarks=(remark,)))
    line = decision_line(decision, LOOKED)
    assert line.isascii() or line.decode("utf-8")
    assert not any(octet < 0x20 for octet in line)
    table = json.loads(line)
    assert (table["url"], table["agent"]["user_agent"], table["media"]) == (text, text, text)
    assert table["verdict"] == "refuse"
    recorded = parse_line(line)
    assert as_recorded(recorded.decision) == as_recorded(decision)
    assert recorded.looked_at == (Looked("https://h.example/robots.txt", Kind.WELL_KNOWN, "sha256:0", AT),)


@given(st.text(max_size=40), st.text(max_size=40), st.none() | st.text(max_size=12))
@settings(deadline=None)
def test_any_words_come_back_from_the_record(url: str, user_agent: str, media: str | None) -> None:
    """The intent on the line is the intent that was decided about."""
    intent = replace(INTENT, url=url, agent=replace(AGENT, user_agent=user_agent), media=media)
    assert parse_line(decision_line(answer(intent))).decision.intent == intent


def test_half_a_surrogate_pair_is_written_as_a_question_mark() -> None:
    """Text that no UTF-8 can hold does not stop the record."""
    intent = replace(INTENT, url="https://h.example/\ud800")
    assert parse_line(decision_line(answer(intent))).decision.intent.url == "https://h.example/?"


def test_a_ruling_is_written_once() -> None:
    """Decisions that share a ruling share its bytes."""
    decision = answer()
    other = replace(decision, intent=replace(INTENT, url="https://h.example/q"))
    assert decision_line(decision)[-200:] == decision_line(other)[-200:]
    assert decision.ruling.wire[0] is other.ruling.wire[0]


LINES = {
    b"": "not JSON",
    b"[]": "decision: must be an object",
    b"{}": "agent: must be an object",
    b'{"agent":{}}': "because|stage",
}


@pytest.mark.parametrize(("line", "wanted"), LINES.items())
def test_a_line_that_is_no_decision_says_what_is_missing(line: bytes, wanted: str) -> None:
    """The error names the member."""
    with pytest.raises(WireError, match=wanted):
        parse_line(line)


@pytest.mark.parametrize("member", ["id", "url", "purpose", "decided_at", "agent", "stage", "verdict", "policy_digest"])
def test_a_record_without_a_member_names_it(member: str) -> None:
    """Every member that a decision needs is asked for by its name."""
    table = json.loads(decision_line(answer()))
    del table[member]
    with pytest.raises(WireError, match=member):
        parse_line(json.dumps(table).encode())


# -- observations -----------------------------------------------------------------------------------------------------

observations = st.builds(
    Observation,
    document=st.builds(Document, kind=st.sampled_from(Kind), url=st.text(max_size=12)),
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=3).map(tuple),
    body=st.binary(max_size=20),
    truncated=st.booleans(),
    outage=st.none() | st.sampled_from(Outage),
    redirects=st.lists(st.text(max_size=6), max_size=2).map(tuple),
    observed_at=st.just(AT),
    fresh_s=st.integers(0, 10**6),
    whole_digest=st.none() | st.just("sha256:1"),
)


@given(observations)
@settings(deadline=None)
def test_an_observation_comes_back_whole(seen: Observation) -> None:
    """Kind, status, repeated fields, bytes, outage and digest survive the wire."""
    back = parse_observation(json.loads(canonical(observation_to_wire(seen))))
    assert replace(back, document=seen.document) == seen
    assert (back.document.kind, back.document.url) == (seen.document.kind, seen.document.url)


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "no url": ({"url": None}, "url: must be text"),
    "kind": ({"kind": "page-image"}, "kind: 'page-image' is none of well-known"),
    "no kind": ({"kind": None}, "kind: missing for https://h/robots.txt"),
    "outage": ({"outage": "gone"}, "outage: 'gone' is none of timeout"),
    "no time": ({"observed_at": None}, "observed_at: missing for https://h/robots.txt"),
    "time": ({"observed_at": "yesterday"}, "observed_at: 'yesterday' is not a time such as"),
    "time of another kind": ({"observed_at": 7}, "observed_at: must be a time such as"),
    "status": ({"status": "200"}, "status: must be a whole number"),
    "status that is no number": ({"status": True}, "status: must be a whole number"),
    "truncated": ({"truncated": 1}, "truncated: must be true or false"),
    "headers": ({"headers": "a: b"}, "headers: must be a list"),
    "header": ({"headers": [["a", "b"], ["c"]]}, "headers[1]: must be a pair of texts"),
    "redirects": ({"redirects": ["x", 1]}, "redirects: must be a list of texts"),
    "base64": ({"body_b64": "*"}, "body_b64: is not base64"),
    "body": ({"body": 7}, "body: must be text"),
    "freshness": ({"fresh_s": "1"}, "fresh_s: must be a whole number"),
    "digest": ({"whole_digest": 1}, "whole_digest: must be text"),
}


@pytest.mark.parametrize(("change", "wanted"), WRONG.values(), ids=WRONG.keys())
def test_an_observation_that_cannot_be_read_names_its_member(change: dict[str, object], wanted: str) -> None:
    """The error begins with the member and says what it must be."""
    good: dict[str, object] = {
        "url": "https://h/robots.txt",
        "kind": "well-known",
        "observed_at": "2026-11-24T00:00:00Z",
    }
    assert parse_observation(good).status == 200
    with pytest.raises(WireError) as caught:
        parse_observation({**good, **change})
    assert str(caught.value).startswith(wanted)


def test_what_is_no_object_is_no_observation() -> None:
    """A list in the place of an observation is named as such."""
    with pytest.raises(WireError, match="observation: must be an object"):
        parse_observation([])
