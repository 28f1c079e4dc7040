"""The ``Link`` field: RFC 8288's grammar, and what servers write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.link_header import MAX_LINKS, links


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('<a>; rel="license"; type="Application/RSL+XML; x=1"', [("a", ("license",), "application/rsl+xml")]),
        ("<a>;rel=License", [("a", ("license",), None)]),
        ('< a >; REL = "next  license"', [("a", ("next", "license"), None)]),
        ("<a,b>;rel=x,<c>;rel=y", [("a,b", ("x",), None), ("c", ("y",), None)]),
        (r'<a>; title="\"<b>;rel=y, "; rel=x', [("a", ("x",), None)]),
        ("<a>; rel=x; rel=y", [("a", ("x",), None)]),
        ("<a>", [("a", (), None)]),
        ("<a>;;; rel=x;", [("a", ("x",), None)]),
        ("<a>; rel=x; anchor='#b'", []),
        ('<a>; rel=x; anchor="#b"', [("a", ("x",), None)]),
        ('<a>; rel=x; anchor="/other"', []),
        ('<a>; rel="x', [("a", ("x",), None)]),
        ("<a", []),
        ("nonsense, <a>; rel=x", [("a", ("x",), None)]),
        ('"<a>;rel=x", <b>;rel=y', [("b", ("y",), None)]),
        (", , <a>;rel=x, ,", [("a", ("x",), None)]),
        ("", []),
    ],
)
def test_links(value: str, wanted: list[tuple[str, tuple[str, ...], str | None]]) -> None:
    """Targets, relations and types, as section 3 has them; what is no link hides no other."""
    assert [(link.target, link.rels, link.type) for link in links([value])] == wanted


def test_the_words_of_a_link_are_its_own() -> None:
    """The text is the one link, as it stands."""
    assert [link.text for link in links(['<a>;rel=x , <b> ; rel="y"', "<c>"])] == ["<a>;rel=x", '<b> ; rel="y"', "<c>"]


_PIECES = st.sampled_from(
    [
        "<",
        ">",
        "a",
        ";",
        ",",
        " ",
        "\t",
        "=",
        '"',
        "\\",
        "rel=license",
        'rel="x y"',
        "anchor=",
        "é",
        "\x00",
        "<a>;rel=b",
    ]
)


@settings(deadline=None)
@given(values=st.lists(st.one_of(st.lists(_PIECES, max_size=20).map("".join), st.text(max_size=30)), max_size=4))
def test_any_text_is_read(values: list[str]) -> None:
    """Nothing raises, and a link's text stands in one of the values."""
    assert all(any(link.text in value for value in values) for link in links(values))


@pytest.mark.parametrize("unit", ["<", "<a>", "<a>;", '"', '<a>;rel="\\', ",", ";", "=", "<a>;rel=x,", '<a>;x="', "<,"])
def test_long_fields_end(unit: str) -> None:
    """Megabytes of any of it are read in no time worth mentioning (the run's time limit), as far as the bound."""
    assert len(links([unit * 1_000_000] * 100)) <= MAX_LINKS
