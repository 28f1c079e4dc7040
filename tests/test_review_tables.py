"""Lists of URLs and times are judged by captures: row by row, and nothing is guessed where a row tells too little."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askfirst.ports import SettingsError
from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.judge import NOTHING_REFUSES_THE_REQUEST, Judges
from askfirst.review.model import Fault, Finding, Outcome
from askfirst.review.sources import format_of, settle, table, take_evidence
from askfirst.review.tables import Columns, Csv, Feed, Parquet, moment_of
from askfirst.rights.model import Agent, Purpose, Stage
from askfirst.rights.policy import OPT_OUT
from tests.review_archives import Exchange, archive, robots

RULES = "User-agent: *\nDisallow: /no/\n"
ROWS: list[tuple[str, str | None, Outcome, Stage | None, str]] = [
    ("https://a.example/no/1", "2026-11-01T12:30:00Z", Outcome.REFUSED, Stage.FETCH, "robots.txt"),
    ("https://a.example/yes", "2026-11-01T12:30:00Z", Outcome.ALLOWED, None, "nothing refuses"),
    ("https://a.example/no/2", "2026-11-01T11:59:59Z", Outcome.UNKNOWABLE, None, "later"),
    ("https://a.example/no/3", "2026-11-02T12:00:01Z", Outcome.UNKNOWABLE, None, "too-old"),
    ("https://b.example/no/1", "2026-11-01T12:30:00Z", Outcome.UNKNOWABLE, None, "no-robots"),
    ("https://a.example/no/4", "2026-11-01", Outcome.UNKNOWABLE, None, "no-time"),
    ("https://a.example/no/5", None, Outcome.UNKNOWABLE, None, "no-time"),
    ("data:text/plain,hello", "2026-11-01T12:30:00Z", Outcome.UNKNOWABLE, None, "no-url"),
]


def judged(source: Feed | Csv | Parquet, tmp_path: Path, *, agent: str | None = "ExBot") -> list[Finding | Fault]:
    """The findings and faults of a table, by a robots.txt of noon."""
    ears, captures = Ears(OPT_OUT), Captures(OPT_OUT)
    kept = archive(tmp_path / "robots.warc.gz", robots("a.example", RULES))
    assert take_evidence(kept, captures, ears) == []
    settle(captures, None)
    fixed = None if agent is None else Agent(product_token=agent, user_agent=agent)
    judges = Judges(captures, ears, purpose=Purpose.TRAIN, agent=fixed)
    return [one if isinstance(one, Fault) else judges.judge(one) for one in source.entries()]


def findings(found: Sequence[Finding | Fault]) -> list[Finding]:
    """All of them, where none is a fault."""
    assert [one for one in found if isinstance(one, Fault)] == []
    return [one for one in found if isinstance(one, Finding)]


def wanted() -> list[tuple[str, Outcome, Stage | None, str]]:
    return [(url, outcome, stage, reason) for url, _at, outcome, stage, reason in ROWS]


def told(found: Sequence[Finding | Fault]) -> list[tuple[str, Outcome, Stage | None, str]]:
    return [(one.fetch.url, one.outcome, one.stage, one.reason) for one in findings(found)]


def test_a_feed_is_judged_line_by_line(tmp_path: Path) -> None:
    """As Scrapy writes it, plain and gzipped; each finding names its line."""
    lines = "".join(json.dumps({"url": url, "title": "x", "fetched_at": at}) + "\n" for url, at, *_ in ROWS)
    (tmp_path / "items.jsonl").write_text(lines)
    (tmp_path / "items.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    for name in ("items.jsonl", "items.jsonl.gz"):
        found = judged(Feed(tmp_path / name, Columns()), tmp_path)
        assert told(found) == wanted()
        assert [one.fetch.where for one in findings(found)] == [
            f"{tmp_path / name}:{number}" for number in range(1, len(ROWS) + 1)
        ]


def test_a_csv_is_judged_row_by_row(tmp_path: Path) -> None:
    """With a header, and the columns that are named."""
    lines = ["\ufeffpage,when,title", *(f'{url},{at or ""},"a, b"' if "," not in url else f'"{url}",{at},' for url, at, *_ in ROWS)]  # fmt: skip
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = judged(Csv(tmp_path / "list.csv", Columns(url="page", time="when")), tmp_path)
    assert told(found) == wanted()
    assert findings(found)[0].fetch.where == f"{tmp_path / 'list.csv'}:2"


def test_a_parquet_is_judged_row_by_row(tmp_path: Path) -> None:
    """Times as text, and as the timestamps that Parquet has."""
    texts = pa.table({"url": [row[0] for row in ROWS], "timestamp": [row[1] for row in ROWS], "more": [1] * len(ROWS)})
    pq.write_table(texts, tmp_path / "a.parquet")
    assert told(judged(Parquet(tmp_path / "a.parquet", Columns()), tmp_path)) == wanted()
    times = [datetime(2026, 11, 1, 12, 30, tzinfo=UTC), datetime(2026, 11, 1, 11, tzinfo=UTC), None]
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("ms")):
        column = pa.array([at if at is None or kind.tz else at.replace(tzinfo=None) for at in times], kind)
        pq.write_table(pa.table({"url": ["https://a.example/no/1"] * 3, "date": column}), tmp_path / "b.parquet")
        found = findings(judged(Parquet(tmp_path / "b.parquet", Columns()), tmp_path))
        assert [one.reason for one in found] == ["robots.txt", "later", "no-time"]


def test_what_a_list_cannot_tell_is_said(tmp_path: Path) -> None:
    """A list holds no responses, so ``allowed`` speaks of the request alone."""
    (tmp_path / "a.jsonl").write_text('{"url": "https://a.example/yes", "time": 1793536200}\n')
    (one,) = findings(judged(Feed(tmp_path / "a.jsonl", Columns()), tmp_path))
    assert (one.outcome, one.why) == (Outcome.ALLOWED, NOTHING_REFUSES_THE_REQUEST)


def test_who_asked_is_taken_from_the_rows(tmp_path: Path) -> None:
    """Where nobody is named on the command line, each row's agent counts; without one it is unknowable."""
    rows = [
        {"url": "https://a.example/no/1", "at": "2026-11-01 12:30:00+00:00", "user_agent": "ExBot/1.0"},
        {"url": "https://a.example/no/1", "at": "2026-11-01 12:30:00"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = findings(judged(Feed(tmp_path / "a.jsonl", Columns()), tmp_path, agent=None))
    assert [(one.token, one.reason) for one in found] == [("ExBot", "robots.txt"), (None, "no-agent")]


def test_lines_that_are_none_are_named_and_the_others_are_judged(tmp_path: Path) -> None:
    """Each fault says where and what, on one line."""
    good = b'{"url": "https://a.example/no/1", "time": "2026-11-01T12:30:00Z"}'
    bad = [
        (b"{not json", "is not JSON"),
        (b"[1, 2]", "is not a JSON object"),
        (b'{"title": "x"}', "holds no URL under any of url, uri"),
        (b'{"url": 7, "time": "2026-11-01T12:30:00Z"}', "holds no URL in 'url'"),
        (b'{"url": "https://a.example/", "time": "yesterday"}', "holds no time in 'time': 'yesterday'"),
        (b'{"url": "\xff\xfe"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ]
    lines = [line for one, _ in bad for line in (one, b"", good)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    found = judged(Feed(tmp_path / "a.jsonl", Columns()), tmp_path)
    faults = [one for one in found if isinstance(one, Fault)]
    assert [one.where for one in faults] == [f"{tmp_path / 'a.jsonl'}:{1 + 3 * index}" for index in range(len(bad))]
    for fault, (_line, what) in zip(faults, bad, strict=True):
        assert fault.what.startswith(what)
        assert "\n" not in fault.what
    assert [one.reason for one in found if isinstance(one, Finding)] == ["robots.txt"] * len(bad)


def test_rows_of_csv_that_are_too_long_are_faults(tmp_path: Path) -> None:
    """More cells than the header has cannot be laid to columns."""
    text = "url,time\nhttps://a.example/no/1,2026-11-01T12:30:00Z\nhttps://a.example/no/1,2026-11-01,12:30\n"
    (tmp_path / "a.csv").write_text(text)
    first, second = judged(Csv(tmp_path / "a.csv", Columns()), tmp_path)
    assert isinstance(first, Finding)
    assert second == Fault(where=f"{tmp_path / 'a.csv'}:3", what="has 3 cells, and the header has 2")


def test_a_gzipped_feed_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """The cut is a fault."""
    line = json.dumps({"url": "https://a.example/no/1", "time": "2026-11-01T12:30:00Z"}) + "\n"
    whole = gzip.compress(line.encode() * 1_000)
    (tmp_path / "a.jl.gz").write_bytes(whole[:-12])
    *found, last = judged(Feed(tmp_path / "a.jl.gz", Columns()), tmp_path)
    assert isinstance(last, Fault)
    assert last.what.startswith("cannot be read further")
    assert {one.reason for one in findings(found)} <= {"robots.txt"}


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (Csv, b"a,b\n1,2\n", r"has no column of URLs; its columns are a, b; name one with --url-field"),
        (Parquet, b"no parquet", r"a\.list: "),
    ],
)
def test_a_table_without_what_is_needed_is_the_operators_mistake(
    tmp_path: Path, kind: type[Csv | Parquet], content: bytes, message: str
) -> None:
    """One line that names the file and the columns that there are."""
    (tmp_path / "a.list").write_bytes(content)
    with pytest.raises(SettingsError, match=message) as raised:
        list(kind(tmp_path / "a.list", Columns()).entries())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", [Feed, Csv, Parquet])
def test_a_file_that_is_not_there_is_the_operators_mistake(tmp_path: Path, kind: type[Feed | Csv | Parquet]) -> None:
    """It says which file."""
    with pytest.raises(SettingsError, match=r"none\.x"):
        list(kind(tmp_path / "none.x", Columns()).entries())


def test_a_column_that_is_named_must_be_there(tmp_path: Path) -> None:
    """In a table with a header."""
    (tmp_path / "a.csv").write_text("url,time\n")
    with pytest.raises(SettingsError, match="has no column 'when'"):
        list(Csv(tmp_path / "a.csv", Columns(time="when")).entries())


NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-01T12:00:00Z", NOON),
        ("2026-11-01T13:00:00+01:00", NOON),
        ("2026-11-01 12:00:00", NOON),
        ("2026-11-01 12:00:00 UTC", NOON),
        ("Sun, 01 Nov 2026 12:00:00 GMT", NOON),
        ("20261101120000", NOON),
        (1793534400, NOON),
        (1793534400.0, NOON),
        ("1793534400", NOON),
        (1793534400000, NOON),
        ("1793534400000", NOON),
        (datetime(2026, 11, 1, 14, tzinfo=timezone(timedelta(hours=2))), NOON),
        ("2026-11-01", None),
        ("20261101", None),
        (date(2026, 11, 1), None),
        ("soon", None),
        ("", None),
        (True, None),
        (None, None),
        (1e300, None),
        (float("nan"), None),
        ("9" * 400, None),
    ],
)
def test_times_are_read_as_they_are_written(value: object, at: datetime | None) -> None:
    """ISO 8601, RFC 5322, seconds, milliseconds, an archive's 14 digits; a day alone is no time."""
    assert moment_of(value) == at


def test_names_say_what_a_file_is(tmp_path: Path) -> None:
    """By its end, under gzip too; what does not say it has to be told."""
    names = {
        "a.warc": "warc", "a.warc.gz": "warc", "a.wacz": "warc", "a.jsonl": "feed", "a.jl.gz": "feed",
        "A.CSV": "csv", "a.parquet": "parquet", "access.log": "access-log", "access.log.2.gz": "access-log",
    }  # fmt: skip
    assert {name: format_of(tmp_path / name, "auto") for name in names} == names
    assert format_of(tmp_path / "a", "csv") == "csv"
    with pytest.raises(SettingsError, match="say it with --format"):
        format_of(tmp_path / "a.bin", "auto")
    with pytest.raises(SettingsError, match="is none of auto, warc"):
        format_of(tmp_path / "a.csv", "excel")
    assert isinstance(table(tmp_path / "a", "feed", Columns()), Feed)


def test_the_evidence_of_a_crawl_of_ours_counts(tmp_path: Path) -> None:
    """What AskFirst kept as evidence says what an origin said then; also that it could not be reached."""
    from askfirst.edges.evidence_warc import WarcEvidence
    from askfirst.rights.model import Document, Kind, Observation, Outage

    evidence = WarcEvidence(tmp_path / "out" / "evidence", run="one", clock=lambda: NOON)
    for host, seen in {
        "a.example": {"status": 200, "body": RULES.encode()},
        "b.example": {"outage": Outage.TIMEOUT},
    }.items():
        document = Document(kind=Kind.WELL_KNOWN, url=f"https://{host}/robots.txt")
        evidence.keep(Observation(document=document, observed_at=NOON, **seen))  # type: ignore[arg-type]
    evidence.close()
    ears, captures = Ears(OPT_OUT), Captures(OPT_OUT)
    assert take_evidence(tmp_path / "out", captures, ears) == []
    settle(captures, None)
    judges = Judges(captures, ears, purpose=Purpose.TRAIN, agent=Agent(product_token="ExBot", user_agent="ExBot"))
    rows = [{"url": f"https://{host}/no/1", "time": "2026-11-01T12:30:00Z"} for host in ("a.example", "b.example")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [judges.judge(one) for one in Feed(tmp_path / "a.jsonl", Columns()).entries() if not isinstance(one, Fault)]
    assert [(one.outcome, one.reason) for one in found] == [
        (Outcome.REFUSED, "robots.txt"), (Outcome.UNKNOWABLE, "failed look: robots.txt"),
    ]  # fmt: skip


def test_a_folder_without_archives_is_no_evidence(tmp_path: Path) -> None:
    """It is the operator's mistake."""
    with pytest.raises(SettingsError, match=r"holds no \.warc"):
        take_evidence(tmp_path, Captures(OPT_OUT), Ears(OPT_OUT))


def test_evidence_that_is_broken_is_named(tmp_path: Path) -> None:
    """What stands before the break counts."""
    kept = archive(
        tmp_path / "r.warc.gz", robots("a.example", RULES), Exchange(url="https://a.example/1", body=b"x" * 5_000)
    )
    kept.write_bytes(kept.read_bytes()[:-300])
    captures = Captures(OPT_OUT)
    (fault,) = take_evidence(kept, captures, Ears(OPT_OUT))
    assert "cut short" in fault.what
    assert captures.added == 1
