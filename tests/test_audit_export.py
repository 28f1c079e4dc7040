"""The export: every line of the log is a row, whatever its shape, and the queries in docs/questions.md answer truly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from askfirst.audit import export as exporting
from askfirst.audit.export import Exported, export_parquet
from askfirst.cli.audit_find import export
from askfirst.ports import SettingsError
from askfirst.rights.model import Stage
from askfirst.rights.wire import timestamp
from askfirst.sealed import seal
from askfirst.segments import read_log
from tests.planted_record import AGENT, PICTURE_URL, POEM_URL, Run, plant, response, robots

PAGE = Path(__file__).resolve().parent.parent / "docs" / "questions.md"
PICTURE = b"\xff\xd8\xff not decoded here"
Row = dict[str, object]


def rows(path: Path) -> list[Row]:
    found: list[Row] = pq.read_table(path).to_pylist()
    return found


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    plant(tmp_path / "spring", PICTURE)
    return tmp_path / "spring"


def test_the_tables_hold_what_the_log_holds(planted: Path) -> None:
    """Each line of the log is a row with the line's own values, in order; each look is one, and each item."""
    done = export_parquet(planted, planted / "export")
    lines = [msgspec.json.decode(line) for _, _, line in read_log(planted / "decisions")]
    looks = [look for line in lines for look in line["looked_at"]]
    assert done == Exported(decisions=len(lines), observations=len(looks), items=2, withdrawals=1, left_out=0)
    assert len(lines) == 11
    found = rows(planted / "export" / "decisions.parquet")
    for row, line in zip(found, lines, strict=True):
        assert {name: row[name] for name in ("id", "url", "purpose", "stage", "verdict", "policy_digest")} == {
            name: line[name] for name in ("id", "url", "purpose", "stage", "verdict", "policy_digest")
        }
        assert row["product_token"] == line["agent"]["product_token"]
        assert timestamp(row["decided_at"]) == line["decided_at"]  # type: ignore[arg-type]  # a timestamp column
        assert row["silence"] is (not line["because"])
        assert [one["text"] for one in row["because"]] == [one["evidence"]["text"] for one in line["because"]]  # type: ignore[attr-defined]  # a list column
        assert row["contradictions"] == len(line.get("contradictions", []))
        assert row["host"] == line["url"].split("/")[2]
    assert [(row["run"], row["leaf"]) for row in found][:7] == [
        ("20260901T080000Z-1-aaaaaa", leaf) for leaf in range(6)
    ] + [("20261005T080000Z-2-bbbbbb", 0)]
    seen = rows(planted / "export" / "observations.parquet")
    assert [(row["url"], row["kind"], row["digest"]) for row in seen] == [
        (look["url"], look["kind"], look["digest"]) for look in looks
    ]
    assert [row["url"] for row in rows(planted / "export" / "items.parquet")] == [POEM_URL, "https://plain.example/a"]
    assert [row["url"] for row in rows(planted / "export" / "withdrawals.parquet")] == [PICTURE_URL]


def test_a_sealed_segment_gives_the_same_rows(planted: Path) -> None:
    """Whether a segment is sealed makes no difference to its rows."""
    export_parquet(planted, planted / "plain")
    for path in list((planted / "decisions").glob("*.jsonl")):
        seal(path, first=0)
        path.unlink()
    export_parquet(planted, planted / "sealed")
    for name in ("decisions.parquet", "observations.parquet"):
        assert rows(planted / "sealed" / name) == rows(planted / "plain" / name)


def test_the_leaf_counts_on_from_segment_to_segment(tmp_path: Path) -> None:
    """The index is of the run's tree, so the second segment goes on from its first leaf."""
    run = Run(tmp_path, "20260901T080000Z-1-aaaaaa")
    for number in range(3):
        run.decide(f"https://a.example/{number}", "2026-09-01", [])
    first = tmp_path / "decisions" / "20260901T080000Z-1-aaaaaa.000000000000.jsonl"
    first.rename(first.with_name("20260901T080000Z-1-aaaaaa.000000065536.jsonl"))
    (tmp_path / "decisions" / "old.jsonl").write_bytes(
        next(line for _, _, line in read_log(tmp_path / "decisions")) + b"\n"
    )
    export_parquet(tmp_path, tmp_path / "export")
    assert [(row["run"], row["leaf"]) for row in rows(tmp_path / "export" / "decisions.parquet")] == [
        *(("20260901T080000Z-1-aaaaaa", leaf) for leaf in (65_536, 65_537, 65_538)),
        ("old", 0),
    ]


def test_lines_of_another_shape_and_what_is_no_line(tmp_path: Path) -> None:
    """A line with other white space and order is read whole; what is no decision is counted, named and left out."""
    run = Run(tmp_path, "r")
    tricky = 'https://a.example/"],"ask":[{"digest":"/},{"digest":"x,"looked_at":['
    seen = [robots("a.example", "2026-09-01", "User-agent: *\nDisallow: /"), response(tricky, "2026-09-01", b"x")]
    run.decide(tricky, "2026-09-01", seen, stage=Stage.FETCH)
    path = tmp_path / "decisions" / "r.000000000000.jsonl"
    line = path.read_bytes()
    spaced = json.dumps({"stray": 1, **json.loads(line)}, indent=None).encode()
    path.write_bytes(line + spaced + b"\n" + b'{"id":"x"}\n' + b"\xff\n" + line + line[:50])
    notes: list[str] = []
    done = export_parquet(tmp_path, tmp_path / "export", note=notes.append)
    assert (done.decisions, done.left_out, done.observations) == (3, 2, 6)
    assert [re.sub(r"\d+ bytes", "n bytes", note.removeprefix(f"{path} "))[:24] for note in notes] == [
        "line 6 is cut short (n b",
        "line 3 is no decision: O",
        "line 4 is no decision: J",
    ]
    found = rows(tmp_path / "export" / "decisions.parquet")
    assert [row["url"] for row in found] == [tricky] * 3
    assert [row["leaf"] for row in found] == [0, 1, 4]
    looks = rows(tmp_path / "export" / "observations.parquet")
    assert [look["url"] for look in looks] == [one.document.url for one in seen] * 3


def test_rows_are_written_in_groups(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a group ends makes no difference to the rows, and the progress is told group by group."""
    export_parquet(planted, planted / "one")
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 3)
    told: list[int] = []
    export_parquet(planted, planted / "many", progress=told.append)
    assert told == [3, 6, 9, 11]
    for name in ("decisions.parquet", "observations.parquet"):
        assert rows(planted / "many" / name) == rows(planted / "one" / name)


def test_the_command(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what it wrote, and an operator's mistake is one line."""
    export(planted, parquet=True)
    assert capsys.readouterr().out == (f"{planted / 'export'}: 11 decisions, 15 observations, 2 items, 1 withdrawals\n")
    with pytest.raises(SettingsError, match="say --parquet"):
        export(planted)
    with pytest.raises(SettingsError, match="holds no decisions"):
        export(planted / "nowhere", parquet=True)


# -- the page ----------------------------------------------------------------------------------------------------------

duckdb = pytest.importorskip("duckdb", reason="the queries are for DuckDB: install askfirst[sql]")

_SECTIONS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
QUERIES = {
    section.partition("\n")[0] if index else "views": re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    for index, section in enumerate(_SECTIONS)
}


@pytest.fixture
def crawls(planted: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two exports side by side, and the first as the working directory. The second refuses what the first kept."""
    autumn = planted.parent / "autumn"
    plain = "https://plain.example/a"
    run = Run(autumn, "20261101T080000Z-3-cccccc")
    run.decide(plain, "2026-11-01", [response(plain, "2026-11-01", b"x", (("X-Robots-Tag", "noai"),))])
    for out in (planted, autumn):
        export_parquet(out, out / "export")
    monkeypatch.chdir(planted)
    yield planted
    assert Path.cwd() == planted


def answers(name: str) -> list[Row]:
    """What the query under a heading answers."""
    connection = duckdb.connect()
    connection.execute(QUERIES["views"][0])
    (query,) = QUERIES[name]
    assert ("now()" in query) is (name == "Permissions that run out")
    query = query.replace("now()", "TIMESTAMPTZ '2026-09-01 12:00:00+00'")
    found: list[Row] = connection.sql(query).to_arrow_table().to_pylist()
    return found


@pytest.mark.usefixtures("crawls")
@pytest.mark.parametrize("name", sorted(set(QUERIES) - {"views"}))
def test_every_query_runs(name: str) -> None:
    """Under each heading is one query, and DuckDB runs it; those that may find nothing find nothing."""
    found = answers(name)
    empty = {"Items kept without a decision", "Items kept though their address was refused since"}
    assert bool(found) is (name not in empty)


@pytest.mark.usefixtures("crawls")
class TestAnswers:
    """Against what was planted."""

    def test_refusals_by_week(self) -> None:
        assert [
            (str(row["week"]), row["protocol"], row["decisions"]) for row in answers("What refused, week by week")
        ] == [
            ("2026-08-31", "x-robots-tag", 2),
            ("2026-10-05", "x-robots-tag", 2),
        ]

    def test_changed_minds(self) -> None:
        (row,) = answers("Sites that changed their mind")
        assert (row["registrable_domain"], row["addresses"], row["example"]) == ("artist.example", 1, PICTURE_URL)

    def test_silence(self) -> None:
        assert answers("What silence cost") == [
            {"registrable_domain": "silent.example", "stage": "keep", "addresses": 2}
        ]

    def test_consents(self) -> None:
        found = answers("What is kept, by domain and by consent")
        assert [(row["registrable_domain"], row["consent"], row["items"]) for row in found] == [
            ("agreed.example", "letter 7", 1),
            ("plain.example", "none: silence", 1),
        ]

    def test_contradictions(self) -> None:
        (row,) = answers("Sites that contradict themselves")
        assert row["registrable_domain"] == "both.example"
        assert row["verdict"] == "refuse"
        assert set(row["protocols"]) >= {"content-signals", "x-robots-tag"}  # type: ignore[call-overload]  # a list column

    def test_deferrals(self) -> None:
        (row,) = answers("What made us wait")
        assert (row["document_url"], row["deferrals"]) == ("https://down.example/robots.txt", 1)

    def test_agents(self) -> None:
        found = answers("Under which names we asked")
        assert {(row["product_token"], row["decisions"]) for row in found if row["product_token"] == "OtherBot"} == {
            ("OtherBot", 1)
        }
        assert {row["user_agent"] for row in found} == {AGENT.user_agent, "OtherBot/2"}

    def test_permissions(self) -> None:
        assert [row["url"] for row in answers("Permissions that run out")] == [POEM_URL]

    def test_strict(self) -> None:
        assert [row["registrable_domain"] for row in answers("What strict would ask again")] == ["plain.example"]

    def test_an_item_without_a_decision(self, planted: Path) -> None:
        """Taken out of the log, a decision is missed."""
        path = planted / "decisions" / "20260901T080000Z-1-aaaaaa.000000000000.jsonl"
        path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if POEM_URL.encode() not in line))
        export_parquet(planted, planted / "export")
        assert [row["url"] for row in answers("Items kept without a decision")] == [POEM_URL]

    def test_two_crawls(self) -> None:
        assert [row["url"] for row in answers("What one crawl kept and another refuses")] == ["https://plain.example/a"]
