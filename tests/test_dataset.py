"""What a crawl leaves on disk: items, their table, WARC records, ``ask.csv`` and ``summary.json``; torn files, too."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from askfirst.appended import AppendedFile
from askfirst.asking import harmless, read_asking, write_ask
from askfirst.domains import registrable_domain
from askfirst.items import Item, Withdrawal, line_of, read_items, write_table
from askfirst.rights.model import Document, Kind, Observation
from crawler.kept_warc import response_record, warcinfo
from crawler.totals import summarize
from tests.noticing import until_noticed

AT = datetime(2026, 11, 24, tzinfo=UTC)


def _item(url: str, *, at: datetime = AT, sha256: str = "00", warc_bytes: int = 4) -> Item:
    return Item(
        url=url,
        final_url=url,
        fetched_at=at,
        media_type="text/html",
        bytes=4,
        sha256=sha256,
        registrable_domain="a.example",
        decision_id="sha256:11",
        because=("x-robots-tag field X-Robots-Tag",),
        warc="warc/run.warc.gz",
        warc_offset=0,
        warc_bytes=warc_bytes,
    )


def _directory(out: Path, **runs: bytes) -> Path:
    (out / "items").mkdir()
    (out / "warc").mkdir()
    (out / "warc" / "run.warc.gz").write_bytes(b"1234")
    for run, lines in runs.items():
        (out / "items" / f"{run}.jsonl").write_bytes(lines)
    return out


def test_the_latest_line_of_a_url_wins_whatever_the_file(tmp_path: Path) -> None:
    """One item a URL, the latest by time, over all runs; a withdrawn URL has none, and a URL kept again has one."""
    later, last = AT + timedelta(microseconds=1), AT + timedelta(seconds=1)
    out = _directory(
        tmp_path,
        a=line_of(_item("http://h/1", at=later, sha256="new")) + line_of(_item("http://h/2")),
        b=line_of(_item("http://h/1", sha256="old"))
        + line_of(Withdrawal(url="http://h/2", withdrawn_at=later, decision_id="sha256:22"))
        + line_of(_item("http://h/3")),
        c=line_of(Withdrawal(url="http://h/3", withdrawn_at=later, decision_id="sha256:22"))
        + line_of(_item("http://h/3", at=last)),
    )
    assert [(item.url, item.sha256) for item in read_items(out)] == [("http://h/1", "new"), ("http://h/3", "00")]


def test_what_is_torn_is_noted_and_left_out(tmp_path: Path) -> None:
    """A line cut anywhere, and a line whose WARC record is not whole, are noted and no items; the others stay."""
    torn = line_of(_item("http://h/torn"))
    for end in (1, len(torn) // 2, len(torn) - 1):
        out = tmp_path / str(end)
        out.mkdir()
        notes: list[str] = []
        lines = line_of(_item("http://h/1")) + line_of(_item("http://h/short", warc_bytes=5)) + b'{"a": 1}\n'
        _directory(out, run=lines + torn[:end])
        assert [item.url for item in read_items(out, note=notes.append)] == ["http://h/1"]
        assert [note.split(": ")[0][len(str(out)) :] for note in notes] == [
            "/items/run.jsonl line 2",
            "/items/run.jsonl line 3 is no item",
            "/items/run.jsonl line 4 is cut short",
        ]


def test_the_table_is_typed(tmp_path: Path) -> None:
    """Times are UTC in microseconds, sizes 64-bit integers, reasons a list of texts, also when there is no row."""
    out = _directory(tmp_path, run=line_of(_item("http://h/1", at=AT + timedelta(microseconds=7))))
    assert write_table(out) == 1
    table = pq.read_table(out / "items.parquet")
    assert table.schema.field("fetched_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("expires_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("bytes").type == pa.int64()
    assert pa.types.is_list(table.schema.field("because").type)
    (row,) = table.to_pylist()
    assert row["fetched_at"] == AT + timedelta(microseconds=7)
    assert row["because"] == ["x-robots-tag field X-Robots-Tag"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert write_table(empty) == 0
    assert pq.read_table(empty / "items.parquet").schema.names == table.schema.names


def test_a_record_is_read_by_other_peoples_readers(tmp_path: Path) -> None:
    """warcio reads every record and the body that was decided about, although it came packed; names that speak of the
    packing are kept beside."""
    seen = Observation(
        document=Document(kind=Kind.RESPONSE, url="http://h/é"),
        status=299,
        headers=(
            ("Content-Type", "text/plain"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "3"),
            ("Bad name", "x"),
            ("Broken", "a\r\nInjected: b"),
        ),
        body=b"the words\r\n\r\n",
        observed_at=AT,
    )
    file = AppendedFile(tmp_path / "run.warc.gz")
    file.append(warcinfo("20261124T000000Z-1-abc"))
    places = [file.append(response_record(seen, "sha256:11")) for _time in range(2)]
    file.close()
    assert places[1].offset == places[0].offset + places[0].length_bytes
    with (tmp_path / "run.warc.gz").open("rb") as stream:
        records = [
            (record.rec_type, record.http_headers, record.content_stream().read())
            for record in ArchiveIterator(stream, check_digests="raise")
        ]
    assert [kind for kind, _headers, _body in records] == ["warcinfo", "response", "response"]
    assert records[1][2] == seen.body
    assert records[1][1].headers == [
        ("Content-Type", "text/plain"),
        ("X-AskFirst-Content-Encoding", "gzip"),
        ("X-AskFirst-Content-Length", "3"),
        ("Broken", "a Injected: b"),
        ("Content-Length", "13"),
    ]


def test_a_file_is_as_before_when_a_piece_is_taken_back(tmp_path: Path) -> None:
    """What is cut off is gone, and what follows stands in its place; a file that was deleted is an error."""
    file = AppendedFile(tmp_path / "x")
    file.append(b"one")
    place = file.append(b"two")
    file.cut_to(place.offset)
    assert file.append(b"three").offset == 3
    assert (tmp_path / "x").read_bytes() == b"onethree"
    (tmp_path / "x").unlink()
    with pytest.raises(OSError, match="gone"):
        until_noticed(lambda: file.append(b"four"))
    file.close()


def _log(out: Path, *lines: bytes) -> None:
    (out / "decisions").mkdir()
    (out / "decisions" / "run.jsonl").write_bytes(b"".join(lines))


def _refusal(url: str, ask: str, *, because: str = "[]") -> bytes:
    return (
        f'{{"id":"sha256:1","url":"{url}","purpose":"train","decided_at":"2026-11-24T00:00:00Z","agent":'
        f'{{"product_token":"Bot","user_agent":"Bot/1"}},"stage":"keep","verdict":"refuse","because":{because},'
        f'"ask":[{ask}],"policy_digest":"sha256:2"}}\n'
    ).encode()


def test_whom_to_ask_is_told_once_for_each_subject(tmp_path: Path) -> None:
    """One row for each rightsholder, subject and purpose, sorted, with the number of addresses; strangers' words are no
    formulas; a torn last line is passed over."""
    tdm = '{"about":"tdmrep.json","contact":"=cmd()","purpose":"train","terms_url":"http://t/","why":"w"}'
    silence = '{"about":"silence","purpose":"train","why":"nothing"}'
    _log(
        tmp_path,
        _refusal("http://www.b.example/1", tdm),
        _refusal("http://b.example/1", tdm),
        _refusal("http://b.example/1", tdm),
        _refusal("http://a.example/1", silence),
        _refusal("http://a.example/2", silence)[:-20],
    )
    assert [(row.registrable_domain, row.about, row.urls) for row in read_asking(tmp_path)] == [
        ("a.example", "silence", 1),
        ("b.example", "tdmrep.json", 2),
    ]
    assert write_ask(tmp_path) == 2
    with (tmp_path / "ask.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["contact"] == "'=cmd()"
    assert rows[1]["terms_url"] == "http://t/"
    assert harmless("mailto:a@b.example") == "mailto:a@b.example"


def test_a_rightsholder_with_several_sites_is_asked_once(tmp_path: Path) -> None:
    """The same mail is the same rightsholder on every site; the same page of terms is not. Pages without end are
    eight rows."""
    ana = '{"about":"TDM policy","contact":"mailto:ana@a.example","name":"Ana","note":"duty","purpose":"tdm","why":"w"}'
    license_page = '{"about":"silence","purpose":"train","terms_url":"https://cc.example/by","why":"w"}'
    stock = '{{"about":"silence","contact":"https://s.example/buy/{0}","purpose":"train","why":"w"}}'
    _log(
        tmp_path,
        _refusal("http://b.example/1", ana),
        _refusal("http://a.example/1", ana),
        _refusal("http://c.example/1", license_page),
        _refusal("http://d.example/1", license_page),
        *(_refusal(f"http://s.example/{n}", stock.format(n)) for n in range(20)),
    )
    rows = read_asking(tmp_path)
    assert [(r.registrable_domain, r.name, r.note, r.urls) for r in rows[:3]] == [
        ("a.example b.example", "Ana", "duty", 2),
        ("c.example", "", "", 1),
        ("d.example", "", "", 1),
    ]
    assert sorted(r.urls for r in rows[3:]) == [1, 1, 1, 1, 1, 1, 1, 13]


def test_a_summary_needs_nothing_but_the_records(tmp_path: Path) -> None:
    """A directory that another crawler's gate wrote is summarized from its decisions alone; an empty one is noughts."""
    assert summarize(tmp_path)["kept"] == {"items": 0, "bytes": 0, "domains": 0, "media_types": {}}
    robots = '[{"protocol":"robots.txt"}]'
    _log(tmp_path, _refusal("http://a.example/1", ""), _refusal("http://a.example/2", "", because=robots))
    told = summarize(tmp_path)
    assert told["decisions"] == {
        "fetch": {"allow": 0, "defer": 0, "refuse": 0},
        "keep": {"allow": 0, "defer": 0, "refuse": 2},
    }
    assert told["because"] == {"allow": {}, "defer": {}, "refuse": {"robots.txt": 1, "silence": 1}}
    assert told["silence"] == {"refused": 1, "opt_out_would_keep": 1}
    assert told["addresses"] is None


def test_a_summary_passes_over_lines_that_are_no_decisions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each is named, and the others are counted all the same."""
    _log(tmp_path, _refusal("http://a.example/1", ""), b"{}\n")
    path = next((tmp_path / "decisions").iterdir())
    path.write_bytes(path.read_bytes() + b'{"stage":"\xff"}\n')
    assert summarize(tmp_path)["silence"] == {"refused": 1, "opt_out_would_keep": 1}
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        f"{path} line {number} is no decision" for number in (2, 3)
    ]


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.a.co.uk/x", "a.co.uk"),
        ("https://alice.github.io/", "alice.github.io"),
        ("http://a.b.lab.test:8080/", "lab.test"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]/", "::1"),
        ("http://localhost/", "localhost"),
        ("http://[/", ""),
    ],
)
def test_a_domain_is_the_public_suffix_lists(url: str, domain: str) -> None:
    """The registrable domain goes by the public suffix list, private suffixes included."""
    assert registrable_domain(url) == domain
