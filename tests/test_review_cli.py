"""``askfirst review`` says what was refused, in whose words, and writes every finding down."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from askfirst.cli.review import parse_span, review
from askfirst.ports import SettingsError
from askfirst.review.summary import COLUMNS
from askfirst.rights.policy import PolicyError
from tests.review_archives import HTML, Exchange, archive, robots

REFUSED = "https://a.example/no/=1"


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """One page of each outcome."""
    return archive(
        tmp_path / "crawl.warc.gz",
        robots("a.example", "User-agent: *\nDisallow: /no/\n"),
        Exchange(url=REFUSED, minutes=1),
        Exchange(url="https://a.example/yes", minutes=1),
        Exchange(url="https://a.example/tagged", minutes=1, fields=(*HTML, ("X-Robots-Tag", "noai"))),
        Exchange(url="https://b.example/1", minutes=1),
    )


def run(*arguments: str | Path) -> Result:
    """The command, by itself."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(review)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_review_says_what_was_refused_in_whose_words(crawl: Path) -> None:
    """Counts by reason, what was never captured, and each refusal with a caret under the word."""
    told = run(crawl)
    assert told.exit_code == 1
    lines = told.stdout.splitlines()
    assert lines[0] == "4 fetches reviewed"
    assert [line.split() for line in lines if line.startswith("  ") and line.split()[0] in OUTCOMES] == [
        ["allowed", "1"], ["refused", "2"], ["unknowable", "1"],
    ]  # fmt: skip
    assert "             1  robots.txt: should not have been requested" in lines
    assert "             1  X-Robots-Tag header: may not be kept" in lines
    assert "             1  no capture of robots.txt" in lines
    assert (
        "captures, of 2 origins: robots.txt 1, ai.txt 0, trust.txt 0, /.well-known/trust.txt 0, "
        "/.well-known/tdmrep.json 0" in lines
    )
    assert (
        "never captured, so that nothing is known of what they said: /ai.txt, /trust.txt, /.well-known/trust.txt, "
        "/.well-known/tdmrep.json; 'allowed' means by what was captured" in lines
    )
    place = lines.index("    Disallow: /no/")
    assert lines[place + 1] == "    ^^^^^^^^"
    assert lines[place + 2] == "    https://a.example/robots.txt, line 2 (RFC 9309 section 2.2)"


OUTCOMES = {"allowed", "refused", "unknowable", "not-judged"}


def test_nothing_refused_is_success(tmp_path: Path) -> None:
    """Exit status 0, also where something is unknowable."""
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", "User-agent: *\nAllow: /\n"),
        Exchange(url="https://a.example/1"),
        Exchange(url="https://b.example/1"),
    )
    told = run(path)
    assert (told.exit_code, told.stdout.splitlines()[0]) == (0, "2 fetches reviewed")


def test_every_finding_is_written_down(crawl: Path, tmp_path: Path) -> None:
    """The three files hold the same findings, in order; cells that could be formulas are disarmed in the sheet."""
    out = tmp_path / "found"
    other = archive(tmp_path / "other.warc", Exchange(url="https://c.example/1", agent="=HYPERLINK(1)"))
    assert run(crawl, other, "--out", out).exit_code == 1
    assert sorted(path.name for path in out.iterdir()) == ["findings.csv", "findings.jsonl", "findings.parquet"]
    lines = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    assert [(one["url"], one["outcome"], one["stage"]) for one in lines] == [
        (REFUSED, "refused", "fetch"),
        ("https://a.example/yes", "allowed", None),
        ("https://a.example/tagged", "refused", "keep"),
        ("https://b.example/1", "unknowable", None),
        ("https://c.example/1", "unknowable", None),
    ]
    first = lines[0]
    assert tuple(first) == COLUMNS
    assert (first["at"], first["token"], first["status"], first["domain"]) == (
        "2026-11-01T12:01:00Z", "ExBot", 200, "a.example",
    )  # fmt: skip
    assert (first["source"], first["document_url"], first["place"], first["text"]) == (
        "robots.txt", "https://a.example/robots.txt", "line 2", "Disallow: /no/",
    )  # fmt: skip
    assert first["decision_id"].startswith("sha256:")
    assert pq.read_table(out / "findings.parquet").to_pylist() == lines
    with (out / "findings.csv").open(newline="", encoding="utf-8") as file:
        sheet = list(csv.DictReader(file))
    assert [row["url"] for row in sheet] == [one["url"] for one in lines]
    assert lines[4]["user_agent"] == "=HYPERLINK(1)"
    assert sheet[4]["user_agent"] == "'=HYPERLINK(1)"


def test_the_counts_are_given_as_json(crawl: Path) -> None:
    """``--json`` prints one object."""
    told = run(crawl, "--json")
    assert told.exit_code == 1
    wire = json.loads(told.stdout)
    assert (wire["fetches"], wire["unreadable"]) == (4, 0)
    assert wire["outcomes"] == {"allowed": 1, "refused": 2, "unknowable": 1, "not-judged": 0}
    assert {"outcome": "refused", "stage": "fetch", "reason": "robots.txt", "fetches": 1} in wire["reasons"]
    assert {"reason": "robots.txt", "domain": "a.example", "fetches": 1} in wire["refused_domains"]
    assert wire["captures"]["origins"] == 2
    assert wire["captures"]["documents"]["/robots.txt"] == 1


def test_evidence_purpose_policy_agent_and_age_are_options(crawl: Path, tmp_path: Path) -> None:
    """Each changes the outcome as it says."""
    kept = archive(tmp_path / "r.warc.gz", robots("b.example", "User-agent: OtherBot\nDisallow: /\n"))

    def counts(*options: str | Path) -> dict[str, int]:
        outcomes: dict[str, int] = json.loads(run(crawl, "--json", *options).stdout)["outcomes"]
        return outcomes

    assert counts("--evidence", kept) == {"allowed": 2, "refused": 2, "unknowable": 0, "not-judged": 0}
    assert counts("--evidence", kept, "--agent", "OtherBot")["refused"] == 3
    assert counts("--purpose", "search")["refused"] == 1
    assert counts("--policy", "opt-in")["refused"] == 3
    assert counts("--max-age", "30s") == {"allowed": 0, "refused": 1, "unknowable": 3, "not-judged": 0}


def test_lines_that_cannot_be_read_are_named_and_make_status_2(crawl: Path, tmp_path: Path) -> None:
    """On standard error, with the file and line; all others are judged, also beside other formats."""
    feed = tmp_path / "a.jsonl"
    feed.write_text('{"url": "https://a.example/no/2", "time": "2026-11-01T12:30:00Z"}\n{broken\n')
    told = run(crawl, feed, "--agent", "ExBot")
    assert told.exit_code == 2
    assert told.stderr.startswith(f"{feed}:2: is not JSON")
    assert told.stdout.splitlines()[0] == "5 fetches reviewed"
    assert "1 records could not be read and were not judged" in told.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-age", "soon"], "--max-age 'soon': write a number and a unit"),
        (["--max-age", "0h"], "--max-age '0h'"),
        (["--agent", "Ex Bot/1"], "--agent 'Ex Bot/1': a robots.txt token has"),
        (["--purpose", "profit"], "purpose: 'profit' is none of"),
        (["--policy", "mild"], "policy 'mild'"),
        (["--format", "excel"], "--format: 'excel' is none of"),
        (["--evidence", "nowhere.warc"], "nowhere.warc: "),
        (["--site", "https://a.example"], "are for access logs"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_begun(
    crawl: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    """It says what to write instead."""
    told = run(crawl, "--out", tmp_path / "found", *options)
    assert isinstance(told.exception, SettingsError | PolicyError)
    assert message in str(told.exception)
    assert "\n" not in str(told.exception)
    assert not list((tmp_path / "found").glob("findings*"))


def test_an_access_log_is_judged_by_what_its_site_said(tmp_path: Path) -> None:
    """With the site and a folder of what it said; refused paths are counted by crawler."""
    log, said = tmp_path / "access.log", tmp_path / "said"
    said.mkdir()
    (said / "robots.txt").write_text("User-agent: GPTBot\nDisallow: /no/\n")
    lines = [
        f'203.0.113.{number} - - [01/Nov/2026:12:0{number}:00 +0000] "GET {path} HTTP/1.1" 200 10 "-" "{agent}"'
        for number, (path, agent) in enumerate(
            [("/no/1", "GPTBot/1.2"), ("/yes", "GPTBot/1.2"), ("/no/1", "Mozilla/5.0 (X11) Firefox/140.0")]
        )
    ]
    log.write_text("\n".join(lines) + "\n")
    with_site: list[str | Path] = ["--site", "https://a.example", "--said", said, "--said-since", "2026-01-01"]
    told = run(log, *with_site)
    assert told.exit_code == 1, told.output
    assert told.stdout.splitlines()[0] == "3 fetches reviewed"
    assert "  GPTBot, for train: 2 fetches, 1 refused" in told.stdout
    wire = json.loads(run(log, *with_site, "--json").stdout)
    assert wire["outcomes"] == {"allowed": 1, "refused": 1, "unknowable": 0, "not-judged": 1}
    assert [(row["token"], row["refused"]) for row in wire["visitors"]] == [("GPTBot", 1)]
    assert isinstance(run(log, "--said", said).exception, SettingsError)
    assert isinstance(run(log, "--site", "https://a.example").exception, SettingsError)


def test_access_logs_are_not_mixed_with_crawls(crawl: Path, tmp_path: Path) -> None:
    """They are judged by other evidence."""
    told = run(crawl, tmp_path / "access.log")
    assert "access logs are reviewed by themselves" in str(told.exception)


def test_spans_have_a_unit() -> None:
    """Seconds, minutes, hours, days."""
    assert [parse_span(text).total_seconds() for text in ("30s", "90m", "24h", "2d", " 1 H ")] == [
        30, 5_400, 86_400, 172_800, 3_600,
    ]  # fmt: skip
