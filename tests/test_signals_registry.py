"""What a consent registry answered, beside the cases in tests/cases/registry: any records and any bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.consent import registry_uri
from askfirst.rights.decide import decide
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Document,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Stage,
    Verdict,
)
from askfirst.rights.policy import PROFILES
from askfirst.rights.read import read
from askfirst.rights.reader import Target
from askfirst.rights.signals.registry_records import read_registry
from askfirst.rights.wire import decision_line

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
URL = "https://museum.example/a.png"


def _answer(body: bytes, *, status: int | None = 200, outage: Outage | None = None) -> Observation:
    return Observation(
        document=Document(kind=Kind.REGISTRY, url=registry_uri("test", URL)),
        status=status,
        body=body,
        outage=outage,
        observed_at=AT,
    )


def test_an_empty_answer_is_nothing() -> None:
    """A registry that knows nothing of the URL leaves nothing to remember."""
    statement = read_registry(_answer(b'{"records": []}'), AGENT)
    assert statement.on(_target(URL)) is NOTHING


def test_the_same_records_give_the_same_object() -> None:
    """Readings are shared between the URLs that the same records cover alike."""
    record = {"scope": "museum.example", "categories": ["train"], "verdict": "refuse"}
    statement = read_registry(_answer(json.dumps({"records": [record]}).encode()), AGENT)
    assert statement.on(_target(URL)) is statement.on(_target("https://museum.example/b"))


def test_deep_nesting_is_a_failed_look_or_a_remark() -> None:
    """No depth of brackets raises."""
    for depth in (10, 500, 900, 100_000):
        body = b'{"records": [{"scope": ' + b"[" * depth + b"]" * depth + b"}]}"
        said = read_registry(_answer(body), AGENT).on(_target(URL))
        assert all(s.verdict is Verdict.DEFER for s in said.signals)
        assert said.signals or said.remarks


_LETTERS = st.characters(categories=None) | st.just("\ud800")  # JSON can escape half a surrogate pair
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["grant", "refuse", "museum.example", "opt-out \ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(_LETTERS, max_size=8), inner, max_size=3),
    max_leaves=10,
)
_KEYS = st.sampled_from(["scope", "categories", "verdict", "grantee", "terms", "valid_until", "reference"])


@settings(max_examples=200)
@given(records=st.lists(st.dictionaries(_KEYS, _JSON, max_size=7) | _JSON, max_size=3))
def test_no_record_raises(records: list[object]) -> None:
    """Any JSON for records is read, decided and written down."""
    intent = Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN)
    reading = read(intent, [_answer(json.dumps({"records": records}).encode())], PROFILES["strict"])
    decision_line(decide(intent, reading, PROFILES["strict"], stage=Stage.KEEP, at=AT))


@given(body=st.binary(max_size=60))
def test_no_bytes_raise_and_none_permit(body: bytes) -> None:
    """Any body is read, and noise is never a permission."""
    said = read_registry(_answer(body), AGENT).on(_target(URL))
    assert all(s.verdict is Verdict.DEFER for s in said.signals)


def _target(url: str) -> Target:
    return Target.of(Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN))
