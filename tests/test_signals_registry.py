"""What a consent registry answered, beside the cases in tests/cases/registry: any records, ours or others', and any bytes."""

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
    Basis,
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
_OTHERS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["url", "optOut", "optIn", "opt_out", "iscc", "version", "intent", "policy", "extra"], _JSON),
        **dict.fromkeys(
            ["all", "train-ai", "train-genai", "ai-use", "search", "Train_AI"],
            st.sampled_from(["true", "false"]) | st.booleans() | _JSON,
        ),
        "urls": st.lists(st.dictionaries(st.sampled_from(["url", "optOut", "optIn"]), _JSON, max_size=3), max_size=3),
    },
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


@settings(max_examples=200)
@given(records=st.lists(_OTHERS, max_size=3), purpose=st.sampled_from(Purpose), whole=st.booleans())
def test_no_words_of_other_registries_raise(records: list[object], purpose: Purpose, whole: bool) -> None:
    """Any mixture of others' members is read, decided and written down, and is never a consent."""
    intent = Intent(url=URL, agent=AGENT, purpose=purpose)
    answer = _answer(json.dumps({"urls" if whole else "records": records}).encode())
    reading = read(intent, [answer], PROFILES["opt-in"])
    assert all(s.basis is not Basis.CONSENT for s in reading.signals)
    decision_line(decide(intent, reading, PROFILES["opt-in"], stage=Stage.KEEP, at=AT))


_VALUES = st.sampled_from(["true", "false"])
_WHOLE = st.fixed_dictionaries(
    {"version": st.just("1.0"), "iscc": st.just("ISCC:KACYPXW445FTYNJ3"), "intent": st.just("activate")},
    optional=dict.fromkeys(["all", "train-ai", "train-genai", "ai-use", "search"], _VALUES),
)
_NARROWEST = {
    Purpose.TRAIN: ("train-ai", "all"),
    Purpose.TRAIN_GENERATIVE: ("train-genai", "train-ai", "all"),
    Purpose.TDM: ("all",),
    Purpose.AI_INPUT: ("ai-use",),
    Purpose.SEARCH: ("search",),
}


@given(record=_WHOLE, purpose=st.sampled_from(Purpose))
def test_what_a_declaration_permits_its_narrowest_word_allows(record: dict[str, str], purpose: Purpose) -> None:
    """Under opt-in a whole declaration permits where the narrowest word for the job is true, and nowhere else; under
    strict not where any word is false that is about the job."""
    asked = [record[name] for name in _NARROWEST[purpose] if name in record]
    allowed = asked[:1] == ["true"] and not (purpose is Purpose.TRAIN and record.get("train-genai") == "false")
    assert _verdict(record, purpose, "opt-in") is (Verdict.ALLOW if allowed else Verdict.REFUSE)
    if "false" in asked or record.get("all") == "false":
        assert _verdict(record, purpose, "strict") is Verdict.REFUSE


@given(record=_WHOLE, purpose=st.sampled_from(Purpose), flaw=st.sampled_from(["version", "iscc", "intent", "extra"]))
def test_a_flawed_declaration_permits_nothing(record: dict[str, str], purpose: Purpose, flaw: str) -> None:
    """Without a member of the schema, or with one that it does not know, nothing is permitted, and no less refused."""
    flawed = {**record, "extra": "x"} if flaw == "extra" else {k: v for k, v in record.items() if k != flaw}
    assert _verdict(flawed, purpose, "opt-in") is Verdict.REFUSE
    assert _verdict(flawed, purpose, "opt-out") >= _verdict(record, purpose, "opt-out")


def test_a_declaration_gives_each_job_the_same_object_again() -> None:
    """The reading is the job's, and is remembered."""
    record = {"version": "1.0", "iscc": "ISCC:A", "intent": "activate", "all": "false", "train-genai": "true"}
    statement = read_registry(_answer(json.dumps({"records": [record]}).encode()), AGENT)
    generative = Target.of(Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN_GENERATIVE))
    assert statement.on(generative) is statement.on(generative)
    assert statement.on(generative) is not statement.on(_target(URL))
    assert statement.on(_target(URL)) is statement.on(_target("https://elsewhere.example/"))


def test_a_batch_of_ten_thousand_makes_one_remark_on_the_others() -> None:
    """What an answer says of other URLs does not fill the record."""
    urls = [{"url": f"https://museum.example/{n}", "optOut": True, "optIn": False} for n in range(10_000)]
    said = read_registry(_answer(json.dumps({"urls": urls}).encode()), AGENT).on(_target(URL))
    assert not said.signals
    assert [r.note for r in said.remarks] == ["10000 entries speak of other URLs"]


def _verdict(record: dict[str, str], purpose: Purpose, policy: str) -> Verdict:
    intent = Intent(url=URL, agent=AGENT, purpose=purpose)
    reading = read(intent, [_answer(json.dumps({"records": [record]}).encode())], PROFILES[policy])
    return decide(intent, reading, PROFILES[policy], stage=Stage.KEEP, at=AT).verdict


def _target(url: str) -> Target:
    return Target.of(Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN))
