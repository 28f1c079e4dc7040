"""The look-up index: it finds at least what is there, and says when it cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.lookup import Keys, Lookup, LookupDamaged, keys_of, write_lookup


def line_of(number: int, *, url: str | None = None, digests: tuple[str, ...] = ()) -> bytes:
    """A decision with these keys."""
    looked_at = [{"digest": digest, "kind": "response"} for digest in digests]
    told = {"id": f"sha256:{number:064x}", "url": url or f"https://h{number}.example/{number}", "looked_at": looked_at}
    return json.dumps(told).encode()


def test_every_key_of_every_line_is_found(tmp_path: Path) -> None:
    """By id, URL and digest; each line at its position."""
    digests = [f"sha256:{number * 7919:064x}" for number in range(9_000)]
    write_lookup((line_of(number, digests=(digests[number],)) for number in range(9_000)), tmp_path / "x.lookup")
    with Lookup(tmp_path / "x.lookup") as lookup:
        assert lookup.count == 9_000
        for number in (0, 1, 4_095, 4_096, 8_999):
            assert number in lookup.find("id", f"sha256:{number:064x}")
            assert number in lookup.find("url", f"https://h{number}.example/{number}")
            assert number in lookup.find("digest", digests[number])
        assert lookup.find("url", "https://nobody.example/") == []


def test_what_a_line_can_be_found_by() -> None:
    """The digests are of what was responded with, not of what the origin said beforehand."""
    kinds = ("response", "page", "asset", "original", "well-known", "registry", "license")
    looked_at = [{"digest": f"sha256:{kind}", "kind": kind} for kind in kinds]
    line = json.dumps({"id": "sha256:1", "url": "https://h.example/", "looked_at": looked_at}).encode()
    assert keys_of(line) == Keys(
        "sha256:1", "https://h.example/", ("sha256:response", "sha256:page", "sha256:asset", "sha256:original")
    )


@given(
    line=st.binary(max_size=80)
    | st.recursive(
        st.none() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["id", "url", "looked_at", "digest", "kind"]), inner)
        ),
    ).map(lambda told: json.dumps(told).encode())
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_line_can_be_among_them(tmp_path: Path, line: bytes) -> None:
    """What is no decision has no keys, or odd ones that are found all the same."""
    write_lookup([line, line_of(1)], tmp_path / "x.lookup")
    keys = keys_of(line)
    with Lookup(tmp_path / "x.lookup") as lookup:
        assert 1 in lookup.find("id", f"sha256:{1:064x}")
        assert keys.url is None or 0 in lookup.find("url", keys.url)
        assert keys.id is None or 0 in lookup.find("id", keys.id)
        assert all(0 in lookup.find("digest", digest) for digest in keys.digests)


def test_too_many_lines(tmp_path: Path) -> None:
    """A position is of 16 bits."""
    with pytest.raises(ValueError, match="65537 lines"):
        write_lookup((b"" for _ in range(65_537)), tmp_path / "x.lookup")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [None, 0, 1, 60, 70, -1])
def test_a_file_that_is_not_whole(tmp_path: Path, kept: int | None) -> None:
    """Missing, empty or cut short: whoever asks is told to read the lines instead."""
    path = tmp_path / "x.lookup"
    write_lookup([line_of(1)], path)
    if kept is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(LookupDamaged, match=r"x\.lookup"):
        Lookup(path)


def test_a_position_that_is_not_there(tmp_path: Path) -> None:
    """An index that names a line after the last is damaged."""
    path = tmp_path / "x.lookup"
    write_lookup([line_of(1)], path)
    whole = bytearray(path.read_bytes())
    whole[-1] = 9  # the position of the URL's entry, which is the last one
    path.write_bytes(whole)
    with Lookup(path) as lookup, pytest.raises(LookupDamaged, match="names a line that is not there"):
        lookup.find("url", "https://h1.example/1")
