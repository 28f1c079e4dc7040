"""TDMRep, beside its cases in tests/cases/tdmrep: any bytes, and the files people publish."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose, Verdict
from askfirst.rights.reader import Target
from askfirst.rights.signals import tdm_file, tdm_header, tdm_meta

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="AskFirstBot", user_agent="AskFirstBot/1.0")
FILE = "https://h.example/.well-known/tdmrep.json"


def file(body: bytes, *, status: int = 200) -> Observation:
    return Observation(document=Document(kind=Kind.WELL_KNOWN, url=FILE), status=status, body=body, observed_at=AT)


def response(headers: list[tuple[str, str]], body: bytes = b"") -> Observation:
    document = Document(kind=Kind.RESPONSE, url="https://h.example/p")
    return Observation(document=document, status=200, headers=tuple(headers), body=body, observed_at=AT)


def target(path: str = "/p") -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=Purpose.TDM))


@given(body=st.binary(max_size=400), status=st.sampled_from([200, 200, 206, 404, 500]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_never_raise(body: bytes, status: int) -> None:
    """Whatever the bytes, the readers answer."""
    assert tdm_file.READER.parse(file(body, status=status), AGENT).on(target()).signals is not None
    seen = response([("Content-Type", "text/html")], body)
    assert tdm_meta.READER.parse(seen, AGENT).on(target()).signals is not None


VALUES = st.one_of(
    st.sampled_from([0, 1, True, False, 1.0, "0", "1", " 1", "true", 2, None, "yes"]),
    st.text(max_size=4),
    st.integers(),
    st.floats(),
)
LOCATIONS = st.one_of(
    st.sampled_from(["/", "*", "/.*", "/p$", "p", "https://x.example/p", "http://[", "/p?q", ""]), st.text(max_size=6)
)
RULES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"location": LOCATIONS, "tdm-reservation": VALUES},
            optional={"tdm-policy": st.one_of(st.text(max_size=12), st.just("http://[")), "tdm_reservation": VALUES},
        ),
        st.dictionaries(st.text(max_size=4), VALUES, max_size=2),
        st.none(),
    ),
    max_size=5,
)


@given(rules=RULES, path=st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_rules_never_raise(rules: list[object], path: str) -> None:
    """Whatever the rules, the file is read; the same question gets the same object again."""
    statement = tdm_file.READER.parse(file(json.dumps(rules).encode()), AGENT)
    reading = statement.on(target("/" + path))
    assert statement.on(target("/" + path)) is reading


@given(rules=RULES, path=st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_reservation_of_everything_in_front_always_refuses(rules: list[object], path: str) -> None:
    """No rule behind a matching reservation can take it back."""
    whole = [{"location": "/", "tdm-reservation": 1}, *rules]
    reading = tdm_file.READER.parse(file(json.dumps(whole).encode()), AGENT).on(target("/" + path))
    assert [s.verdict for s in reading.signals if s.verdict is Verdict.REFUSE], reading


@given(values=st.lists(st.tuples(st.sampled_from(["TDM-Reservation", "tdm-policy"]), st.text(max_size=12)), max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_fields_never_raise(values: list[tuple[str, str]]) -> None:
    """Whatever the fields, the header reader answers, and permits only on exact zeros."""
    reading = tdm_header.READER.parse(response(values), AGENT).on(target())
    if any(s.verdict is Verdict.ALLOW for s in reading.signals):
        fields = [value for name, value in values if name == "TDM-Reservation"]
        assert all(part.strip(" \t") == "0" for value in fields for part in value.split(","))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 200_000,
        b"[" + b"9" * 1_000_000 + b"]",
        b'[{"location":"/\\ud800","tdm-reservation":1,"tdm-policy":"\\udfff"}]',
        b'[{"location":"/' + b"*a" * 500_000 + b'","tdm-reservation":1}]',
        b"[" + b",".join([b'{"location":"/*a*a*b$","tdm-reservation":0}'] * 20_000) + b"]",
        b"[1e999999]",
        b"[" + b" " * 1_000_000,
    ],
    ids=["arrays", "objects", "digits", "surrogates", "stars", "many", "float", "spaces"],
)
def test_hostile_files_are_answered(body: bytes) -> None:
    """Nesting, digits, lone surrogates and long patterns neither raise nor permit."""
    reading = tdm_file.READER.parse(file(body), AGENT).on(target("/" + "a" * 2_000))
    assert all(s.verdict is not Verdict.ALLOW for s in reading.signals)


def test_a_long_field_is_not_read() -> None:
    """A field of more than 8 KiB is remarked and not taken apart."""
    reading = tdm_header.READER.parse(response([("tdm-reservation", "0," * 5_000)]), AGENT).on(target())
    assert not reading.signals
    assert len(reading.remarks) == 1


@pytest.mark.corpus
def test_published_files_are_read() -> None:
    """Every published file is parsed, and what it says of the front page is counted."""
    folder = CORPUS / "tdmrep"
    if not folder.is_dir():
        pytest.skip("the folder of real files is not beside this checkout: tdmrep")
    counts: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        reading = tdm_file.READER.parse(file(path.read_bytes()), AGENT).on(target("/"))
        words = [f"{s.verdict.word} at {s.evidence.at} for {s.care.name.lower()} readers" for s in reading.signals]
        counts[" and ".join(words) or "nothing"] += 1
    print(f"\ntdmrep, /: {dict(counts)}")
    assert counts["refuse at /0/tdm-reservation for literal readers"] > 20


def test_a_file_of_too_many_rules_reserves() -> None:
    """More rules than are read are a file that a person has to look at: everything is reserved."""
    rule = b'{"location":"/open/","tdm-reservation":0}'
    assert _verdicts_of(b"[" + b",".join([rule] * 5_000) + b"]") == {Verdict.ALLOW}
    assert _verdicts_of(b"[" + b",".join([rule] * 5_001) + b"]") <= {Verdict.REFUSE}


def _verdicts_of(body: bytes) -> set[Verdict]:
    document = Document(kind=Kind.WELL_KNOWN, url="https://h.example/.well-known/tdmrep.json")
    seen = Observation(document=document, status=200, body=body, observed_at=AT)
    intent = Intent(url="https://h.example/open/x", agent=AGENT, purpose=Purpose.TDM)
    return {signal.verdict for signal in tdm_file.READER.parse(seen, AGENT).on(Target.of(intent)).signals}
