"""trust.txt: any bytes, whom it names, and the files people publish. The cases are in tests/cases/trust_txt."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.model import (
    Agent,
    Care,
    Category,
    Document,
    Intent,
    Kind,
    Nearness,
    Observation,
    Purpose,
    Reading,
    RemarkKind,
    Verdict,
)
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import PROFILES
from askfirst.rights.read import plan
from askfirst.rights.reader import SILENT, Target
from askfirst.rights.signals.trust_txt import READER
from tests.fuzz import CORPUS

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
TARGET = Target.of(Intent(url="https://h.example/x", agent=AGENT, purpose=Purpose.TRAIN))


def file(body: str | bytes, *, status: int = 200, truncated: bool = False) -> Observation:
    return Observation(
        document=Document(kind=Kind.WELL_KNOWN, url="https://h.example/trust.txt"),
        status=status,
        body=body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body,
        truncated=truncated,
        observed_at=AT,
    )


def said(body: str | bytes) -> Reading:
    return READER.parse(file(body), AGENT).on(TARGET)


def test_both_places_are_looked_at() -> None:
    """Under every profile."""
    for profile in PROFILES.values():
        planned = {document.url for document in plan(origin_of("https://h.example/"), profile)}
        assert {"https://h.example/trust.txt", "https://h.example/.well-known/trust.txt"} <= planned


@pytest.mark.parametrize(
    ("value", "care"),
    [
        ("no", Care.LITERAL),
        ("NO", Care.LITERAL),
        ('"no"', Care.LITERAL),
        ("no.", Care.LITERAL),
        ("no # never", Care.LITERAL),
        ("n", Care.CONSERVATIVE),
        ("none", Care.CONSERVATIVE),
        ("False", Care.CONSERVATIVE),
        ("0", Care.CONSERVATIVE),
        ("no, except for research", Care.CONSERVATIVE),
        ("opt-out", Care.CONSERVATIVE),
        ("restricted", Care.CONSERVATIVE),
        ("yes", None),
        ("1", None),
        ("notify us", None),
        ("", None),
        ("non-commercial", None),
        ("ask", None),
    ],
)
def test_values(value: str, care: Care | None) -> None:
    """``no`` for everybody, a plain denial for careful readers, and all else nothing but a remark."""
    reading = said(f"datatrainingallowed={value}")
    assert [s.care for s in reading.signals] == ([] if care is None else [care])
    assert reading.remarks or care is Care.LITERAL


def test_a_yes_beside_a_no_in_other_words() -> None:
    """The denial stands for those who take it for one, and the contradiction is remarked."""
    reading = said("datatrainingallowed=yes\ndatatrainingallowed=false")
    assert [s.care for s in reading.signals] == [Care.CONSERVATIVE]
    assert RemarkKind.CONTRADICTION in {r.kind for r in reading.remarks}


def test_contacts() -> None:
    """An address is a mailto:, a tel: or a web page; a bare mailbox becomes a mailto:; nothing else is one."""
    good = ["mailto:a@h.example", "tel:+31201234567", "https://h.example/contact", "b@h.example"]
    bad = [
        "javascript:alert(1)",
        "Jane Doe",
        "//h.example",
        "file:///etc/passwd",
        "https://",
        "mailto:",
        "x@",
        "a b@h.example",
    ]
    reading = said("".join(f"contact={value}\n" for value in [*bad, *good, good[0]]))
    assert [c.address for c in reading.contacts] == [*good[:3], "mailto:b@h.example"]
    assert {c.nearness for c in reading.contacts} == {Nearness.SITE}
    assert [c.evidence.at for c in reading.contacts] == [f"line {len(bad) + n}" for n in range(1, 5)]
    assert len(said("".join(f"contact=a{n}@h.example\n" for n in range(100))).contacts) == 8


def test_a_file_of_one_member_says_nothing() -> None:
    """What is neither a refusal, a remark nor a contact is silence."""
    assert READER.parse(file("member=https://m.example/\n"), AGENT) is SILENT
    assert READER.parse(file(""), AGENT) is SILENT


@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.tuples(
                st.sampled_from(["datatrainingallowed", "Data-Training-Allowed", "contact", "#", "", "member"]),
                st.sampled_from(["=", ":", " = ", "=="]),
                st.one_of(st.sampled_from(["no", "yes", "none", "a@b.c"]), st.text(max_size=8)),
            ),
            max_size=8,
        ).map(lambda lines: "\n".join("".join(line) for line in lines).encode("utf-8", "surrogatepass")),
    ),
    status=st.sampled_from([200, 200, 206, 404, 500]),
    cut=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_never_raise_and_never_permit(body: bytes, status: int, cut: bool) -> None:
    """Whatever the bytes and the status, training is refused or deferred, or nothing is said."""
    statement = READER.parse(file(body, status=status, truncated=cut), AGENT)
    reading = statement.on(TARGET)
    assert all(s.verdict is not Verdict.ALLOW and s.category is Category.TRAIN for s in reading.signals)
    assert statement.on(TARGET) is reading


def test_a_megabyte_of_hostile_lines() -> None:
    """Readings stay small, however much is repeated."""
    for line in (
        "datatrainingallowed=x",
        "datatrainingallowed=none",
        "contact=" + "a" * 64 + "@" + "b-" * 40,
        "=" * 50,
        "a:" * 40,
    ):
        reading = said((line + "\n") * (1_000_000 // len(line)))
        assert len(reading.signals) <= 2
        assert len(reading.remarks) <= 4
        assert len(reading.contacts) <= 8


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the folder of real files is not beside this checkout")
def test_published_files() -> None:
    """Of the published files some refuse; pages and files of another kind are remarked, and nothing is permitted."""
    counts: Counter[str] = Counter()
    for path in sorted((CORPUS / "trust").iterdir()):
        body = path.read_bytes()
        reading = said(body)
        names_it = b"datatrainingallowed" in body
        counts["refuse"] += bool(reading.signals)
        counts["named"] += names_it
        counts["contacts"] += bool(reading.contacts)
        assert bool(reading.signals) <= names_it, path
        assert all(s.verdict is Verdict.REFUSE and s.care is Care.LITERAL for s in reading.signals)
    print(f"\ntrust: {dict(counts)}")
    assert 0 < counts["refuse"] < counts["named"]
