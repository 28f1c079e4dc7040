"""A line of the decision log is cut between its own members, or not at all."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.audit.line_parts import parts_of
from askfirst.rights.wire import canonical
from tests.report_records import WRITTEN, line, planted, robots

MARKS = ('"],"ask":[{"digest":"', '},{"digest":"', '"looked_at":[', ',"ask":[', "\\", '"', "]}", "a")


def _is_the_line(cut: bytes) -> None:
    whole = msgspec.json.decode(cut)
    parts = parts_of(cut)
    assert parts is not None
    head, ruling, looks = parts
    assert msgspec.json.decode(head) | msgspec.json.decode(b"{" + ruling + b"}") == {
        name: value for name, value in whole.items() if name != "looked_at"
    }
    assert msgspec.json.decode(b"[" + cut[looks:-2] + b"]") == whole["looked_at"]


def test_the_parts_are_the_line() -> None:
    """Head and ruling have every member but the last, and the entries are its."""
    lines = planted()
    assert len(lines) > 10
    for one in lines:
        _is_the_line(one)


@given(st.lists(st.sampled_from(MARKS), max_size=6).map("".join))
def test_no_words_of_strangers_move_the_cut(words: str) -> None:
    """What looks like a mark inside an address or a rule is text."""
    robots_txt = WRITTEN.replace("keep", "".join(words.split()))
    _is_the_line(line(f"https://b.example/art/{words}", robots("b.example", robots_txt)))


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b'{"id":"x"}',
        b'{"id":"x","ask":[],"looked_at":[]',
        b'{"id":"x","ask":[],"looked_at":[] }',
        b'{"id":"x","looked_at":[],"ask":[]}',
        b',"ask":[,"looked_at":[]}',
        b"\xff\xfe",
    ],
)
def test_another_shape_is_not_cut(other: bytes) -> None:
    """It is for whoever parses it whole."""
    assert parts_of(other) is None


def test_members_in_another_order_are_not_cut() -> None:
    """Canonical lines begin with another member and end with one."""
    assert [parts_of(canonical(msgspec.json.decode(one))) for one in planted()] == [None] * len(planted())
