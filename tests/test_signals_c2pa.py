"""Manifest stores as they come: cut, flipped, hostile; the cases are tests/cases/c2pa, through tests/test_cases.py."""

from __future__ import annotations

import json
import tomllib
import tracemalloc
from datetime import datetime
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights import jumbf
from askfirst.rights.model import (
    Agent,
    Care,
    Category,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    Reading,
    Signal,
    Verdict,
)
from askfirst.rights.reader import Target
from askfirst.rights.signals import c2pa_report, c2pa_store
from askfirst.rights.training_mining import label_of
from tests.c2pa_works import ACTIVE, STORES, assertion, box, manifest, mining, store, superbox
from tests.fuzz import AT

CASES = Path(__file__).parent / "cases" / "c2pa"
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
URL = "https://h.example/art/p.jpg"
TARGET = Target.of(Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN))


def packet(body: bytes, content_type: str = "application/c2pa", *, truncated: bool = False) -> Observation:
    return Observation(
        document=Document(kind=Kind.ASSET, url=URL),
        headers=(("Content-Type", content_type),),
        body=body,
        truncated=truncated,
        observed_at=AT,
    )


def said(body: bytes, *, truncated: bool = False) -> Reading:
    return c2pa_store.read_store(packet(body, truncated=truncated), AGENT).on(TARGET)


def refused(reading: Reading, category: Category = Category.TRAIN) -> list[Signal]:
    return [s for s in reading.signals if s.verdict is Verdict.REFUSE and s.category is category]


def in_cbor(*entries: bytes) -> bytes:
    """A store whose one assertion is this CBOR."""
    return store(manifest(superbox(b"cbor", "cawg.training-mining", box(b"cbor", b"".join(entries)))))


def test_the_cases_hold_what_the_generator_makes() -> None:
    """Every store of the case files is one of tests/c2pa_works.py, and each of those is in a case."""
    written = {
        seen["body_hex"]
        for path in CASES.glob("*.toml")
        for case in tomllib.loads(path.read_text("utf-8")).get("case", [])
        for seen in case["seen"]
        if "body_hex" in seen
    }
    assert written == {made.hex() for made in STORES.values()}


def test_other_packets_are_passed_over() -> None:
    """Only the two media types of manifest stores are read as one."""
    body = STORES["cawg-training"]
    assert refused(c2pa_store.read_store(packet(body, "application/x-c2pa-manifest-store"), AGENT).on(TARGET))
    assert not c2pa_store.read_store(packet(body, "application/rdf+xml"), AGENT).on(TARGET).signals
    assert not c2pa_report.read_report(packet(body), AGENT).on(TARGET).signals


@pytest.mark.parametrize("name", STORES)
def test_a_store_permits_nothing(name: str) -> None:
    """Whatever a store says, it is no permission: the signature is for others to check."""
    assert all(s.verdict is not Verdict.ALLOW for s in said(STORES[name]).signals)


@pytest.mark.parametrize("name", ["cawg-training", "c2pa-old-label", "constrained", "json", "update", "wide"])
def test_cut_anywhere_it_refuses_or_is_not_known(name: str) -> None:
    """A prefix of a store that refuses training refuses it as soon as the assertion is whole, and is not known before;
    it is never silent."""
    whole = STORES[name]
    first = next(n for n in range(len(whole)) if refused(said(whole[:n], truncated=True)))
    for length in range(1, len(whole)):
        reading = said(whole[:length])
        if length >= first:
            assert refused(reading), length
        assert {s.category for s in reading.signals} >= {Category.TRAIN, Category.TDM}, length
        assert reading.remarks, length
    assert first < len(whole) - 50, "the claim and the signature come after it"


@pytest.mark.parametrize("name", ["cawg-training", "c2pa-old-label", "constrained", "json"])
def test_a_flipped_bit_elsewhere_leaves_the_refusal(name: str) -> None:
    """Whichever bit is flipped outside the assertion, the store still refuses training, to careful readers at least;
    flipped inside it, nothing raises and nothing is permitted."""
    whole = STORES[name]
    label = b"c2pa.training-mining" if name == "c2pa-old-label" else b"cawg.training-mining"
    start = whole.index(label) - 33
    end = start + int.from_bytes(whole[start : start + 4], "big")
    literal = 0
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        reading = said(bytes(flipped))
        assert all(s.verdict is not Verdict.ALLOW for s in reading.signals)
        if not start <= bit // 8 < end:
            assert refused(reading), bit
            literal += any(s.care is Care.LITERAL for s in refused(reading))
    assert literal == (len(whole) - (end - start)) * 8


bodies = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.sampled_from(sorted(STORES.values())), st.integers(0, 2_000), st.binary(max_size=40)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :]
    ),
    st.binary(max_size=200).map(in_cbor),
    st.binary(max_size=200).map(lambda b: store(manifest(b))),
    st.recursive(
        st.one_of(st.none(), st.text(max_size=9), st.integers(), st.floats(), st.binary(max_size=9), st.datetimes()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["entries", "use", "cawg.ai_training", "c2pa.data_mining", "constraint_info", "x"]),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ).map(lambda data: store(manifest(assertion("cawg.training-mining", _zoned(data))))),
)


def _zoned(data: object) -> object:
    """cbor2 writes no times without a zone."""
    if isinstance(data, list):
        return [_zoned(one) for one in data]
    if isinstance(data, dict):
        return {key: _zoned(value) for key, value in data.items()}
    return data.replace(tzinfo=AT.tzinfo) if isinstance(data, datetime) else data


@given(bodies, st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_store_is_read_without_an_exception(body: bytes, truncated: bool) -> None:
    """Any bytes, any CBOR, any boxes: nothing raises, nothing is permitted, and the same bytes say the same."""
    reading = said(body, truncated=truncated)
    assert all(s.verdict is not Verdict.ALLOW for s in reading.signals)
    assert said(body, truncated=truncated) == reading


reports = st.one_of(
    st.binary(max_size=200),
    st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from(["Trusted", "Valid", "Invalid", "unreadable", "", 7, None]),
            "assertions": st.one_of(
                st.none(),
                st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "label": st.sampled_from(["cawg.training-mining", "c2pa.training-mining__2", "x", 1]),
                            "data": st.recursive(
                                st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["allowed", "notAllowed"])),
                                lambda inner: st.dictionaries(
                                    st.sampled_from(["entries", "use", "cawg.ai_training", "c2pa.data_mining"]), inner
                                ),
                            ),
                        },
                    ),
                    max_size=3,
                ),
            ),
            "others": st.one_of(st.integers(), st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=3)),
            "problems": st.one_of(st.text(max_size=3), st.lists(st.one_of(st.integers(), st.text(max_size=5)))),
        },
    ).map(lambda table: json.dumps(table).encode()),
)


@given(reports)
@settings(max_examples=300, deadline=None)
def test_any_report_is_read_without_an_exception(body: bytes) -> None:
    """Any report: nothing raises, and nothing is permitted but by one that says Trusted."""
    reading = c2pa_report.read_report(packet(body, c2pa_report.REPORT_TYPE), AGENT).on(TARGET)
    if any(s.verdict is Verdict.ALLOW for s in reading.signals):
        assert json.loads(body)["state"] == "Trusted"


def _shared(levels: int) -> bytes:
    """A map whose key is an array of arrays that share their parts: 2**levels to walk, five bytes each to write."""
    parts = [b"\xd8\x1c\x82\x00\x01"]
    parts += [b"\xd8\x1c\x82" + 2 * (b"\xd8\x1d" + cbor2.dumps(level)) for level in range(levels)]
    return b"\xa1\x98" + bytes([len(parts)]) + b"".join(parts) + b"\x00"


HOSTILE = {
    "shared parts": in_cbor(_shared(200)),
    "itself inside": in_cbor(b"\xd8\x1c\xa1gentries\xd8\x1d\x00"),
    "deep cbor": in_cbor(b"\x81" * 60_000),
    "deep json": store(
        manifest(superbox(b"json", "cawg.training-mining", box(b"json", b'{"entries":' * 5_000 + b"}" * 5_000)))
    ),
    "a long array that is not there": in_cbor(b"\x9b\x0f" + b"\xff" * 7),
    "a long text that is not there": in_cbor(b"\x7b\x0f" + b"\xff" * 7),
    "a pattern": in_cbor(b"\xd8\x23" + cbor2.dumps("(?:a{0,60000}){0,60000}")),
    "a number with an exponent": in_cbor(b"\xc5\x82\x1b" + b"\x0f" * 8 + b"\x01"),
    "deep boxes": b"".join((8 * n).to_bytes(4, "big") + b"jumb" + b"" for n in range(100_000, 0, -1)),
    "many boxes": store(box(b"free", b"") * 500_000),
    "many superboxes": store(superbox(b"c2ma", "x") * 100_000),
    "many labels": store(b"cawg.training-mining" * 50_000),
    "many assertions": store(manifest(mining("allowed", key="cawg.ai_training") * 8_000)),
    "many entries": in_cbor(
        cbor2.dumps({"entries": {" " * n + "cawg.ai_training": {"use": "allowed"} for n in range(300)}})
    ),
    "a long label": store(superbox(b"c2ma", "x" * 1_000_000)),
    "no end of lengths": b"\0\0\0\0jumb" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(20)
def test_hostile_stores_cost_little(name: str) -> None:
    """Each is read within bounds: no hang, and no more memory than a few times its own bytes and a little."""
    body = HOSTILE[name]
    tracemalloc.start()
    try:
        reading = said(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(reading.signals) <= 16
    assert len(reading.remarks) <= 40
    assert peak < 4 * len(body) + 24_000_000


def test_what_lies_beyond_our_bounds_is_not_known() -> None:
    """A refusal behind more boxes than are walked, or in an assertion of more than 64 KiB, defers."""
    far = store(*[superbox(b"c2ma", f"m{n}") for n in range(6_000)], manifest(assertion("x.y", {}), label="last"))
    assert {s.verdict for s in said(far).signals} == {Verdict.DEFER}
    big = assertion("cawg.training-mining", {"entries": {"cawg.ai_training": {"use": "notAllowed"}}, "x": "y" * 70_000})
    assert {(s.verdict, s.care) for s in said(store(manifest(big))).signals} == {(Verdict.DEFER, Care.LITERAL)}


def test_a_store_inside_a_thumbnail_is_no_statement_about_the_work() -> None:
    """An assertion that only its label leads to counts in a whole store as that of an ingredient."""
    inner = STORES["cawg-training"]
    outer = store(manifest(superbox(b"bidb", "c2pa.thumbnail.ingredient", box(b"bidb", b"\xff\xd8" + inner))))
    assert {s.care for s in refused(said(outer))} == {Care.CONSERVATIVE}


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("cawg.training-mining", "cawg.training-mining"),
        ("c2pa.training-mining__1", "c2pa.training-mining"),
        ("c2pa.training-mining.v2", "c2pa.training-mining"),
        ("cawg.training-mining.v2__12", "cawg.training-mining"),
        ("CAWG.Training-Mining", "cawg.training-mining"),
        ("org.example.training-mining", None),
        ("cawg.training-mining__", None),
        ("cawg.training-mining.vx", None),
        ("cawg.training-mining-", None),
        ("", None),
    ],
)
def test_labels(label: str, known: str | None) -> None:
    """A label may carry a version and an instance number, and nothing else."""
    assert label_of(label) == known


def test_boxes_are_walked_to_where_they_end() -> None:
    """Labels and contents are where they were put, whatever the form of a length."""
    for wide in (False, True):
        walked = jumbf.walk(store(manifest(mining()), wide=wide))
        assert not walked.cut
        assert not walked.broken
        found = list(jumbf.below(walked.outermost))
        assert [b.label for b in found[:4]] == ["c2pa", ACTIVE, "c2pa.assertions", "cawg.training-mining"]
        assert [b.kind for b in found[:4]] == [b"c2pa", b"c2ma", b"c2as", b"cbor"]


@pytest.mark.parametrize("name", STORES)
def test_without_its_files_a_store_says_the_same(name: str) -> None:
    """Blanking embedded files leaves every box where it was, and what is said as it was; the pictures are gone."""
    body = STORES[name]
    blank = jumbf.without_files(body)
    assert len(blank) == len(body)
    assert [(s.verdict, s.category, s.care, s.evidence.at) for s in said(blank).signals] == [
        (s.verdict, s.category, s.care, s.evidence.at) for s in said(body).signals
    ]
    picture = superbox(b"bidb", "c2pa.thumbnail.claim", box(b"bfdb", b"\0image/png\0"), box(b"bidb", b"PICTURE"))
    with_picture = store(manifest(mining(), picture))
    assert b"PICTURE" in with_picture
    assert b"PICTURE" not in jumbf.without_files(with_picture)
    assert refused(said(jumbf.without_files(with_picture)))
