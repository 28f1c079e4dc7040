"""Sealed segments: whatever the lines were, they come back; whatever became of the file, it is one error."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.ledger.merkle import leaf_hash, root_of
from askfirst.lookup import Lookup, LookupKeys, written
from askfirst.sealed import BLOCK_LINES, GROUP_LINES, Sealed, SealedError, _layout, seal
from bench.audit import crawl_of

DIGEST = "5f" * 32
TIME = "2026-11-24T10:33:50.295894Z"
URL = "https://h.example/a?b=c%20d"


def line_with(
    *,
    decision_id: str = "a0" * 32,
    url: str = URL,
    at: str = TIME,
    ruling: str = '"ask":[],"because":[],"stage":"keep","verdict":"allow"',
    digest: str = DIGEST,
    kind: str = "response",
    seen_at: str = "2026-11-24T10:33:50.100000Z",
    seen_url: str = URL,
) -> bytes:
    """A line that looks like ours, with these parts as they stand."""
    return (
        f'{{"id":"sha256:{decision_id}","url":"{url}","purpose":"train","decided_at":"{at}","agent":{{}},{ruling},'
        f'"looked_at":[{{"digest":"sha256:9c","kind":"well-known","observed_at":"{TIME}","url":"https://h.example/ai.txt"}},'
        f'{{"digest":"sha256:{digest}","kind":"{kind}","observed_at":"{seen_at}","url":"{seen_url}"}}]}}'
    ).encode("utf-8", "surrogatepass")


def sealed(folder: Path, lines: Sequence[bytes], *, first: int = 0) -> Sealed:
    """A segment of these lines, sealed."""
    segment = folder / f"run.{first:012d}.jsonl"
    segment.write_bytes(b"".join(line + b"\n" for line in lines))
    return Sealed(seal(segment, first=first))


def raw_lines(path: Path) -> int:
    """How many lines are kept as they are."""
    return sum(line is not None for line in pq.read_table(path).column("raw").to_pylist())


class TestComingBack:
    @given(lines=st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=20))
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_bytes(self, tmp_path: Path, lines: list[bytes]) -> None:
        """Lines of any bytes come back byte for byte."""
        assert list(sealed(tmp_path, lines)) == lines

    @given(data=st.data())
    @settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_lines_that_nearly_look_like_ours(self, tmp_path: Path, data: st.DataObject) -> None:
        """Times as nobody writes them, digests in capitals, escapes, holes and per cent signs: all come back."""
        odd = st.sampled_from(
            [
                "",
                "\\",
                '\\"',
                "%",
                "%b",
                "\x01",
                "\x02\x03\x04",
                "\x10\x18",
                "é",
                "\ud800",
                "A" * 64,
                "a0" * 32,
                URL,
                TIME,
                '"',
            ]
        )
        times = st.sampled_from(
            [TIME, "2026-11-24T10:33:50Z", "2026-11-24T10:33:50.000000Z", "2026-W48-2T10:33:50Z", "2026-11-24T10:33:50.+1234Z",
             "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-11-24 10:33:50.295894Z", "2026-11-24T10:33:50.1_2_3Z"]
        )  # fmt: skip
        part = odd | st.text(st.characters(exclude_characters="\n"), max_size=12)
        url = part | st.just(URL)
        ids = st.sampled_from(["a0" * 32, "A0" * 32, " " + "a" * 63, "a0" * 31])
        drawn = st.fixed_dictionaries(
            {},
            optional={
                "decision_id": ids,
                "url": url,
                "at": times | part,
                "ruling": st.just('"ask":[]') | part.map(lambda text: f'"ask":[{text}]'),
                "digest": ids | part,
                "kind": st.sampled_from(["response", "registry", "asset", "page", "license", "x"]),
                "seen_at": times | part,
                "seen_url": url | st.just("registry:x?url=https%3A%2F%2Fh.example%2Fa%3Fb%3Dc%2520d"),
            },
        ).map(lambda parts: line_with(**parts))
        lines = data.draw(st.lists(drawn, min_size=1, max_size=12))
        assert list(sealed(tmp_path, lines)) == lines

    def test_a_crawls_lines_are_all_taken_apart(self, tmp_path: Path) -> None:
        """What the law decides comes back, and none of it had to be kept whole; nor does it take much."""
        lines = list(islice(crawl_of(1).lines(), GROUP_LINES + BLOCK_LINES + 5))
        back = sealed(tmp_path, lines, first=BLOCK_LINES)
        assert list(back) == lines
        assert (back.first, back.count, back.blocks, len(back)) == (BLOCK_LINES, len(lines), 6, len(lines))
        assert raw_lines(back.path) == 0
        assert back.path.stat().st_size < 90 * len(lines)

    def test_blocks_lines_and_roots(self, tmp_path: Path) -> None:
        """A block's root is over its lines, the last one's over those that are there; a line is found by its position."""
        lines = [*islice(crawl_of(0).lines(), BLOCK_LINES), b"", b"no JSON \x00\xff"]
        back = sealed(tmp_path, lines)
        blocks = [lines[:BLOCK_LINES], lines[BLOCK_LINES:]]
        assert [back.lines(number) for number in range(back.blocks)] == blocks
        assert [back.block_root(n) for n in range(2)] == [root_of(map(leaf_hash, block)) for block in blocks]
        assert [back.line(position) for position in (0, 4_095, 4_096, 4_097)] == [
            lines[0],
            lines[4_095],
            *lines[4_096:],
        ]
        assert raw_lines(back.path) == 2
        with pytest.raises(IndexError):
            back.lines(2)
        with pytest.raises(IndexError):
            back.line(4_098)

    def test_one_line_that_deceives_costs_no_other_its_place(self, tmp_path: Path) -> None:
        """A line made of our own holes is kept as it is, and those around it are taken apart all the same."""
        lines = [
            line_with(),
            line_with(at="2026-11-24T10:33:50.000000Z"),
            line_with(ruling='"ask":["\x02"]'),
            line_with(),
        ]
        back = sealed(tmp_path, lines)
        assert list(back) == lines
        assert raw_lines(back.path) == 2

    def test_the_index_is_bound_to_the_file(self, tmp_path: Path) -> None:
        """The look-up index that is made beside it says whose it is, and finds a line by each of its keys."""
        lines = list(islice(crawl_of(1).lines(), 300))
        back = sealed(tmp_path, lines)
        told = json.loads(lines[250])
        with Lookup(back.path.with_suffix(".lookup")) as lookup:
            assert lookup.bound_to == back.binding
            assert lookup.count == 300
            assert 250 in lookup.find("id", told["id"])
            assert [json.loads(lines[at])["url"] for at in lookup.find("url", told["url"])] == [told["url"]] * len(
                lookup.find("url", told["url"])
            )

    def test_the_index_can_be_made_anew(self, tmp_path: Path) -> None:
        """From the columns, byte for byte: of a group whose lines are all in parts, and of one where some are not."""
        crawled = list(islice(crawl_of(1).lines(), GROUP_LINES + 300))
        back = sealed(
            tmp_path, [*crawled[: GROUP_LINES + 200], b"no JSON", line_with(ruling='"ask":["\x02"]'), *crawled[-100:]]
        )
        keys = LookupKeys()
        for group in range(2):
            back.add_keys(group, keys)
        assert written(keys, bound_to=back.binding) == back.path.with_suffix(".lookup").read_bytes()

    def test_lines_by_their_url(self, tmp_path: Path) -> None:
        """Those with a wanted URL and those that are kept as they are, across groups, and none else; few or many of a
        block, their lines are those at their positions."""
        crawled = list(islice(crawl_of(1).lines(), GROUP_LINES + 300))
        odd = [b"no JSON", line_with(ruling='"ask":["\x02"]', url="https://other.example/")]
        lines = [*crawled[: GROUP_LINES + 200], *odd, *crawled[-100:]]
        back = sealed(tmp_path, lines)
        whole = {lines.index(line) for line in odd}
        host = json.loads(lines[-1])["url"].split("/")[2].encode()
        for wanted in (host, b".example", b"nobody.invalid"):
            found = back.with_url(re.compile(re.escape(wanted)).search)
            assert found == [
                at for at, line in enumerate(lines) if at in whole or wanted in line[:300].partition(b'","')[2]
            ]
            assert list(back.chosen(found)) == [lines[at] for at in found]
        assert list(back.chosen([])) == []
        with pytest.raises(IndexError):
            list(back.chosen([len(lines)]))

    @pytest.mark.parametrize("form", [b"%999999999999b", b"%%%5b%%b", b"%s", b"%", b"%(x)b", b"%*b", b"%b%b"])
    def test_a_template_that_asks_for_more(self, form: bytes) -> None:
        """A file cannot make a template ask for a width, another part or one hole more: that is damage."""
        with pytest.raises(SealedError, match="asks for more than to be filled in"):
            _layout(b"\x04\0" + form)


class TestSealing:
    def test_a_segment_that_is_cut_short(self, tmp_path: Path) -> None:
        """It stays as it is, and nothing is left beside it."""
        segment = tmp_path / "run.000000000000.jsonl"
        segment.write_bytes(b"whole\ncut")
        with pytest.raises(OSError, match="cut short"):
            seal(segment, first=0)
        assert [path.name for path in tmp_path.iterdir()] == [segment.name]
        assert segment.read_bytes() == b"whole\ncut"

    def test_a_segment_that_is_too_large(self, tmp_path: Path) -> None:
        """More lines than an index can name stay as they are."""
        segment = tmp_path / "run.000000000000.jsonl"
        segment.write_bytes(b"\n" * 65_537)
        with pytest.raises(OSError, match="too large"):
            seal(segment, first=0)
        assert [path.name for path in tmp_path.iterdir()] == [segment.name]

    def test_a_segment_that_begins_no_block(self, tmp_path: Path) -> None:
        """Its blocks would not be the run's."""
        segment = tmp_path / "run.000000000007.jsonl"
        segment.write_bytes(b"line\n")
        with pytest.raises(OSError, match="begins no block"):
            seal(segment, first=7)

    def test_a_segment_that_is_not_there(self, tmp_path: Path) -> None:
        """That is the operating system's error, and nothing is made."""
        with pytest.raises(FileNotFoundError):
            seal(tmp_path / "run.000000000000.jsonl", first=0)
        assert list(tmp_path.iterdir()) == []

    def test_sealing_again(self, tmp_path: Path) -> None:
        """A sealing that was interrupted before the segment was removed is done again, to the same bytes."""
        back = sealed(tmp_path, [line_with()])
        before = back.path.read_bytes()
        assert sealed(tmp_path, [line_with()]).path.read_bytes() == before


class TestDamage:
    def test_every_byte(self, tmp_path: Path) -> None:
        """Whichever byte is changed, reading gives the lines as they were or one SealedError that names the file."""
        lines = [*islice(crawl_of(0).lines(), 5), b"raw"]
        path = sealed(tmp_path, lines).path
        whole = path.read_bytes()
        step = max(1, len(whole) // 2_500)
        outcomes = {"same": 0, "told": 0, "other": 0}
        for place in range(0, len(whole), step):
            for flip in (0x01, 0x80, 0xFF):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
                outcomes[outcome(path, lines)] += 1
        # a changed byte of the names and roots at the file's end is for the audit to find, against the signed roots
        assert outcomes["told"] > outcomes["same"]
        assert outcomes["other"] == 0

    @pytest.mark.parametrize("kept", [0, 1, 4, 8, 50, -1, -8, -300])
    def test_a_file_that_is_cut_short(self, tmp_path: Path, kept: int) -> None:
        """Wherever."""
        path = sealed(tmp_path, [line_with()]).path
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(SealedError, match=r"run\.000000000000\.parquet is damaged: [^\n]+$"):
            list(Sealed(path))

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        """It is as damaged as can be."""
        with pytest.raises(SealedError, match="is damaged"):
            Sealed(tmp_path / "run.000000000000.parquet")

    @pytest.mark.parametrize(
        "about",
        [
            "null", "{}", "[" * 100_000, '{"format":"askfirst sealed segment 1"}',
            '{"format":"askfirst sealed segment 1","first":0,"count":99999999,"roots":[]}',
            '{"format":"askfirst sealed segment 1","first":-1,"count":0,"roots":[]}',
            '{"format":"askfirst sealed segment 1","first":0,"count":1,"roots":["zz"]}',
            '{"format":"askfirst sealed segment 1","first":0,"count":1,"roots":["00"]}',
            '{"format":"askfirst sealed segment 1","first":0,"count":true,"roots":[]}',
            '{"format":"askfirst sealed segment 2","first":0,"count":0,"roots":[]}',
        ],
    )  # fmt: skip
    def test_another_parquet_file(self, tmp_path: Path, about: str) -> None:
        """What says something else of itself, or nothing, is no sealed segment."""
        path = tmp_path / "run.000000000000.parquet"
        pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({"askfirst": about}), path)
        with pytest.raises(SealedError, match="is damaged"):
            Sealed(path)

    def test_other_columns(self, tmp_path: Path) -> None:
        """A file that claims to be one, with other columns."""
        path = tmp_path / "run.000000000000.parquet"
        about = json.dumps({"format": "askfirst sealed segment 1", "first": 0, "count": 1, "roots": ["00" * 32]})
        pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({"askfirst": about}), path)
        with pytest.raises(SealedError, match="its columns are not those"):
            Sealed(path).lines(0)


def outcome(path: Path, lines: Sequence[bytes]) -> str:
    """What reading came to."""
    with contextlib.suppress(SealedError):
        return "same" if list(Sealed(path)) == list(lines) else "other"
    return "told"
