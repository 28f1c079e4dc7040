"""The report says exactly what was planted in the record: its numbers, tables, notes, and the training summary."""

from __future__ import annotations

import csv
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from askfirst.asking import read_asking
from askfirst.ports import SettingsError
from askfirst.report import stretch as stretch_module
from askfirst.report.counts import Counts, Spill
from askfirst.report.decided import domain_of
from askfirst.report.eu_summary import Provider, modality, plain, relevant_domains
from askfirst.report.over_time import MAX_STEPS, OverTime
from askfirst.report.page import content_policy, inline
from askfirst.report.tally import RUNS_OUT, Tally, read_tally, runs_out
from askfirst.report.writing import Report, write_report
from askfirst.rights.wire import canonical
from tests.report_records import ALLOW, AT, NOW, WRITTEN, item, line, planted, planted_items, record, robots


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("out"), planted(), planted_items())


@pytest.fixture(scope="module")
def made(out: Path) -> Report:
    return write_report(out, out / "report", now=NOW, eu=Provider(name="Prov | <i>X</i>"))


@pytest.fixture
def tally(out: Path) -> Iterator[Tally]:
    with read_tally(out, now=NOW) as read:
        yield read


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def picked(folder: Path, name: str, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in columns) for row in rows(folder, name)]


def test_every_decision_is_counted_once(tally: Tally) -> None:
    """Allowed, deferred and refused by stage, and how much of it was silence, are what was planted."""
    assert tally.decisions == 11
    assert tally.verdicts() == (6, 2, 3)
    assert tally.by_stage == Counter(
        {
            ("fetch", "allow"): 4,
            ("keep", "allow"): 2,
            ("fetch", "defer"): 2,
            ("fetch", "refuse"): 1,
            ("keep", "refuse"): 2,
        }
    )
    assert tally.silent == Counter({("fetch", "allow"): 4, ("keep", "refuse"): 1})
    assert (tally.first_at, tally.last_at) == (AT, AT + timedelta(hours=2))
    assert (tally.items, tally.item_bytes) == (3, 550)
    assert (tally.notes, tally.noted, tally.contradicted) == ([], 0, 1)


def test_the_tables_hold_what_was_planted(made: Report) -> None:
    """Signals, domains, deferrals, contradictions, consents, media and steps of time, each to the number."""
    to = made.files[0].parent
    assert picked(to, "signals", "protocol", "allowed", "deferred", "refused", "heard") == [
        ("robots.txt", "0", "2", "1", "6"),
        ("silence", "4", "0", "1", "0"),
        ("tdmrep", "0", "0", "1", "0"),
        ("content-signals", "0", "0", "0", "1"),
        ("registry", "2", "0", "0", "0"),
    ]
    assert picked(
        to, "domains", "domain", "allowed", "deferred", "refused", "refused_for_silence", "items", "bytes"
    ) == [
        ("b.example", "2", "0", "2", "1", "1", "400"),
        ("d.example", "0", "0", "1", "0", "0", "0"),
        ("a.example", "4", "0", "0", "0", "2", "150"),
        ("c.example", "0", "2", "0", "0", "0", "0"),
    ]
    assert picked(to, "deferrals", "decisions", "source", "why") == [("2", "robots.txt", "outage timeout")]
    assert picked(to, "contradictions", "decisions", "about", "permits_words", "refuses_source") == [
        ("1", "tdm", "Content-Signal: ai-train=yes", "tdmrep.json")
    ]
    assert picked(to, "consents", "decisions", "reference", "valid_until", "document_url") == [
        ("2", "grant-7", "2026-12-01T00:00:00.000000Z", "registry:r.sqlite")
    ]
    assert picked(to, "media", "media_type", "items", "bytes") == [
        ("application/pdf", "1", "400"),
        ("text/html", "1", "100"),
        ("image/png", "1", "50"),
    ]
    assert picked(to, "over-time", "from", "allowed", "deferred", "refused") == [
        ("2026-11-20T10:00:00.000000Z", "4", "1", "3"),
        ("2026-11-20T11:00:00.000000Z", "2", "0", "0"),
        ("2026-11-20T12:00:00.000000Z", "0", "1", "0"),
    ]
    assert picked(to, "jobs", "decisions", "product_token", "purpose") == [
        ("10", "ExBot", "train"),
        ("1", "ExBot", "train"),
    ]
    assert picked(to, "silence", "stage", "verdict", "by_words", "by_silence")[0] == ("fetch", "allow", "0", "4")


def test_the_table_of_decisions_leads_to_the_line(out: Path, made: Report) -> None:
    """One row for each line of the record, in its order, with the words and where the line is; Parquet has the same."""
    to = made.files[0].parent
    table = rows(to, "decisions")
    assert [row["line"] for row in table] == [str(number) for number in range(1, 12)]
    assert {row["file"] for row in table} == {"r.000000000000.jsonl"}
    lines = (out / "decisions" / "r.000000000000.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(f'"id":"{row["id"]}"' in line for row, line in zip(table, lines, strict=True))
    barred = table[8]
    assert (barred["verdict"], barred["because"], barred["at"]) == ("refuse", "robots.txt line 2", "line 2")
    assert barred["words"] == "Disallow: /art/ # <b>keep</b> out"
    packed = pq.read_table(to / "decisions.parquet").to_pylist()
    assert [(row["url"], row["verdict"], row["decided_at"]) for row in packed] == [
        (row["url"], row["verdict"], datetime.fromisoformat(row["decided_at"])) for row in table
    ]


def test_whom_to_ask_is_what_ask_csv_says(out: Path, tally: Tally) -> None:
    """The rows are those of askfirst.asking, which reads the record on its own."""
    assert tally.asking == read_asking(out)
    assert len(tally.asking) == 2


def test_when_permissions_run_out_is_counted(tally: Tally) -> None:
    """Items are counted by when their permission ends, from the time of the report."""
    assert tally.items_run_out == Counter({"within 7 days": 1, "no end is given": 2})
    ends = (
        NOW,
        NOW + timedelta(days=7),
        NOW + timedelta(days=30),
        NOW + timedelta(days=90),
        NOW + timedelta(days=91),
        None,
    )
    assert tuple(runs_out(end, NOW) for end in ends) == RUNS_OUT


def test_the_page_says_the_numbers(made: Report) -> None:
    """The large figures, the words with their caret, the plots with title and description, and every section."""
    page = made.files[0].read_text(encoding="utf-8")
    figures = re.findall(r"<li[^>]*><b>([^<]+)</b> ([^<]+)</li>", page)
    assert figures == [
        ("11", "decisions"), ("6", "allowed"), ("2", "deferred"), ("3", "refused"), ("5", "met with silence"),
        ("1", "met contradictory words"), ("4", "registrable domains"), ("3", "items kept, 550 bytes"),
        ("1", "consents and licenses used"), ("2", "questions to ask"),
    ]  # fmt: skip
    assert "<pre>Disallow: /art/ # &lt;b&gt;keep&lt;/b&gt; out\n^^^^^^^^</pre>" in page
    assert "runs out in 6 days" in page
    assert "This page did not verify the record" in page
    plots = re.findall(r'<svg class="plot" role="img".*?aria-labelledby="([a-z]+-plot)-t', page)
    assert plots == [
        f"{name}-plot"
        for name in ("time", "signals", "domains", "silence", "contradictions", "deferrals", "ask", "consents")
    ]
    for name in plots:
        assert f'<title id="{name}-t">' in page
        assert f'<desc id="{name}-d">' in page


def test_the_page_says_whether_the_record_was_verified(out: Path, tmp_path: Path) -> None:
    """What became of verifying stands at the top, in the words that were given, escaped."""
    made = write_report(out, tmp_path, now=NOW, verified="The record <is> whole: 11 leaves.")
    page = made.files[0].read_text(encoding="utf-8")
    assert '<p class="state" id="verified">The record &lt;is&gt; whole: 11 leaves.</p>' in page
    assert "did not verify" not in page
    for answer, state in (("WHOLE: every record is as it was signed", "good"), ("NOT WHOLE: 2 findings", "bad")):
        page = write_report(out, tmp_path, now=NOW, verified=answer).files[0].read_text(encoding="utf-8")
        assert f'<p class="state {state}" id="verified">{answer}</p>' in page


class _Elements(HTMLParser):
    """Every element's name, and every attribute that could load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]


HOSTILE = (
    "User-agent: *\nDisallow: /art/ # </pre><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\n"
    "Content-Signal: ai-train=no\n"
)


def test_strangers_words_are_text_on_the_page(tmp_path: Path) -> None:
    """Markup in a publisher's words and in a URL becomes no element and no attribute, and control characters are spelled
    out; nothing is loaded and no address of theirs is a link."""
    url = 'https://b.example/art/"><script>alert(3)</script>'
    out = record(
        tmp_path, [line(url, robots("b.example", HOSTILE)), line("https://b.example/x", robots("b.example", HOSTILE))]
    )
    made = write_report(out, out / "report", now=NOW, eu=Provider(name="<script>alert(4)</script>"))
    for path in made.files[:2]:
        page = path.read_text(encoding="utf-8")
        found = _Elements()
        found.feed(page)
        assert found.names["script"] == (1 if path.name == "report.html" else 0)
        assert found.names["img"] == 0
        assert not [
            name for _tag, name, _value in found.attributes if name.startswith("on") or name in ("src", "style")
        ]
        links = {value for _tag, name, value in found.attributes if name == "href"}
        assert all(link is not None and link.startswith(("#", "data:,")) for link in links)
    page = made.files[0].read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page


def test_the_policy_of_the_page_names_its_own_style_and_script(made: Report) -> None:
    """The content security policy is the digest of what stands in the page, and allows nothing from elsewhere."""
    page = made.files[0].read_text(encoding="utf-8")
    style, script = inline("page.css"), inline("page.js")
    assert f"<style>{style}</style>" in page
    assert f"<script>{script}</script>" in page
    policy = content_policy(style, script)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.replace("'", "&#39;") in page
    assert "http" not in policy


def test_a_cell_is_no_formula(tmp_path: Path) -> None:
    """What a spreadsheet would take for a formula begins with an apostrophe in CSV and is verbatim in Parquet."""
    start = '=HYPERLINK("http://x")'
    lines = [line("https://b.example/art/1", robots("b.example", WRITTEN)).replace(b"Disallow: /art/", b"=cmd|/c calc")]
    out = record(tmp_path, lines, [item("https://b.example/1", "b.example", 1, start, at=AT)])
    write_report(out, out / "report", now=NOW)
    assert rows(out / "report", "reasons")[0]["words"] == "'=cmd|/c calc # <b>keep</b> out"
    assert rows(out / "report", "decisions")[0]["words"] == "'=cmd|/c calc # <b>keep</b> out"
    assert rows(out / "report", "media")[0]["media_type"] == f"'{start}"
    assert pq.read_table(out / "report" / "reasons.parquet")["words"].to_pylist() == ["=cmd|/c calc # <b>keep</b> out"]


def test_what_is_torn_or_no_decision_is_on_the_page(tmp_path: Path) -> None:
    """A torn line, a line that is no decision and an item without its bytes are listed with file and line, and the rest
    is counted."""
    good = line("https://a.example/1", robots("a.example", ALLOW))
    broken = [b'{"id":"sha256:00"}', b"\xff\xfe", good.replace(b'"verdict":"allow"', b'"verdict":"maybe"')]
    out = record(tmp_path, [good, *broken, good], planted_items()[:1])
    log = out / "decisions" / "r.000000000000.jsonl"
    log.write_bytes(log.read_bytes() + good[: len(good) // 2])
    (out / "warc" / "r.warc.gz").write_bytes(b"1")
    made = write_report(out, out / "report", now=NOW)
    assert (made.decisions, made.items, made.noted) == (2, 0, 5)
    page = made.files[0].read_text(encoding="utf-8")
    notes = re.findall(r"<li>(.*?)</li>", page[page.index('<ul class="notes">') :])
    assert [re.sub(r".*/(decisions|items)/r\S* line (\d+).*", r"\1 \2", note) for note in notes[:5]] == [
        "decisions 2", "decisions 3", "decisions 4", "decisions 6", "items 1",
    ]  # fmt: skip


def test_a_line_of_another_form_counts_the_same(tmp_path: Path) -> None:
    """Lines with their members in another order, which cannot be cut, give the same tally."""
    import msgspec

    other = [canonical(msgspec.json.decode(one)) for one in planted()]
    assert all(not one.endswith(b"]}") for one in other)
    with (
        read_tally(record(tmp_path / "a", planted()), now=NOW) as a,
        read_tally(record(tmp_path / "b", other), now=NOW) as b,
    ):
        assert (a.decisions, a.by_stage, a.silent, a.asking) == (b.decisions, b.by_stage, b.silent, b.asking)
        for name in ("signals", "reasons", "domains", "deferrals", "contradictions", "consents", "jobs"):
            assert list(getattr(a, name).rows()) == list(getattr(b, name).rows()), name


def test_putting_rulings_away_often_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two rulings only, every sum is the same."""
    out = record(tmp_path, planted() * 3, planted_items())

    def sums() -> list[object]:
        with read_tally(out, now=NOW) as read:
            counts = [
                list(getattr(read, name).rows()) for name in ("signals", "reasons", "domains", "consents", "jobs")
            ]
            return [read.decisions, read.by_stage, read.silent, read.contradicted, read.asking, *counts]

    expected = sums()
    monkeypatch.setattr(stretch_module, "RULINGS_IN_MEMORY", 2)
    assert sums() == expected


def test_sums_are_exact_beyond_memory() -> None:
    """Many more keys than are kept in memory, added to in any order, sum up exactly, and the first example stays."""
    dice, spill = random.Random(7), Spill()
    counts, expected = Counts(spill, 2, keys_in_memory=10), Counter[str]()
    for number in range(3_000):
        key = f"k{dice.randrange(200)}"
        counts.add((key, "x"), 1, number, example=f"{key} first" if key not in expected else "later")
        expected[key] += number
    found = list(counts.rows(by=1))
    assert {key[0]: count.sums for key, count in found} == {key: [0, number] for key, number in expected.items()}
    assert all(count.example == f"{key[0]} first" for key, count in found)
    assert [count.sums[1] for _key, count in found] == sorted(expected.values(), reverse=True)
    assert (counts.number(), counts.total(1), counts.used(0)) == (len(expected), sum(expected.values()), 0)
    assert (counts.value(("k1", "x"), 1), counts.value(("none", "x"), 1)) == (expected["k1"], 0)
    spill.close()


def test_time_is_counted_in_bounded_steps() -> None:
    """However long the record is, steps are bounded, nothing is lost, and the plot has at most about so many columns."""
    dice, over = random.Random(3), OverTime()
    for second in range(0, 400 * 86_400, 977):
        over.add(1_700_000_000 + second, dice.randrange(3))
    number = len(range(0, 400 * 86_400, 977))
    assert len(over.steps) <= MAX_STEPS
    assert sum(sum(counts) for counts in over.steps.values()) == number
    length, steps = over.shown(60)
    assert (length, len(steps)) == (604_800, 58)
    assert sum(sum(counts) for _at, counts in steps) == number
    assert [b - a for (a, _), (b, _) in pairwise(steps)] == [length] * 57


def test_a_table_says_how_many_rows_it_leaves_out(tmp_path: Path) -> None:
    """The page shows 500 rows and says that 101 are left out, and the CSV has all."""
    lines = [line(f"https://h{n}.example/", robots(f"h{n}.example", ALLOW)) for n in range(601)]
    out = record(tmp_path, lines)
    page = write_report(out, out / "report", now=NOW).files[0].read_text(encoding="utf-8")
    table = page[page.index('id="domains-table"') :]
    table = table[: table.index("</p>")]
    assert table.count("<tr>") == 501
    assert "101 more rows are left out here" in table
    assert len(rows(out / "report", "domains")) == 601


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.a.co.uk/x", "a.co.uk"), ("https://a.co.uk", "a.co.uk"), ("https://u:p@b.example:8/?/", "b.example"),
        ("https://a.example?x=https://b.example/", "a.example"), ("not a url", ""), ("http://[::1]:8/x", "::1"),
    ],
)  # fmt: skip
def test_the_domain_is_found_by_what_stands_before_the_path(url: str, domain: str) -> None:
    """Whatever the URL looks like, its domain is that of its host."""
    assert domain_of(url) == domain


def test_the_training_summary_fills_what_the_record_shows(made: Report) -> None:
    """Identifiers, purpose, robots.txt, period, modalities, domains by bytes and measures, with their sources; the
    provider's fields are marked."""
    page, told = (path.read_text(encoding="utf-8") for path in made.files[1:3])
    for text in (
        "ExBot (User-Agent: ExBot/1.0 (+https://ex.example/bot))",
        "train: 11 decisions",
        "1 decision refused by it, and 2 deferred",
        "6 allowed, 2 deferred and 3 refused",
        "from 2026-11-20T10:00:00Z to 2026-11-20T13:00:00Z",
        "text: 2 items, 500 bytes",
        "image: 1 item, 50 bytes",
        "1 of 2: the first 10 % by bytes",
        "it holds 72.7 % of the bytes kept",
        "Policy opt-out, 10 decisions",
        "Policy opt-in, 1 decision",
        "tdmrep: 1 decision refused, 0 deferred",
    ):
        assert text in page, text
        assert text in told, text
    assert "| 1 | b.example | 1 | 400 |" in told
    assert "Prov \\| \\<i\\>X\\</i\\>" in told
    assert "Prov | &lt;i&gt;X&lt;/i&gt;" in page
    assert told.count("**For the provider:**") == page.count("<b>For the provider:</b>") == 10
    assert "**This is a draft.** 10 fields wait" in told
    assert picked(made.files[0].parent, "eu-domains", "rank", "domain", "bytes") == [("1", "b.example", "400")]


def test_every_source_that_the_summary_names_is_a_file_with_that_column(made: Report) -> None:
    """Each file named in a source is beside the summary."""
    told = made.files[2].read_text(encoding="utf-8")
    to = made.files[0].parent
    named = set(re.findall(r"([a-z-]+)\.csv", told))
    assert named >= {
        "media",
        "jobs",
        "domains",
        "signals",
        "silence",
        "consents",
        "decisions",
        "eu-domains",
        "over-time",
    }
    assert not [name for name in named if not (to / f"{name}.csv").is_file()]


def test_how_many_domains_are_most_relevant() -> None:
    """A tenth; of a small enterprise a twentieth and at most a thousand; a part of a domain counts as one."""
    assert [relevant_domains(n, sme=False) for n in (0, 1, 10, 11, 100_000)] == [0, 1, 1, 2, 10_000]
    assert [relevant_domains(n, sme=True) for n in (0, 1, 20, 21, 100_000)] == [0, 1, 1, 2, 1_000]


def test_media_types_have_a_modality() -> None:
    """Documents of text count as text, whatever their type is called."""
    types = ("text/html", "application/pdf", "IMAGE/PNG", "audio/ogg", "video/mp4", "application/zip", "unknown")
    assert [modality(name) for name in types] == ["text", "text", "image", "audio", "video", "other", "other"]


def test_strangers_words_are_text_in_markdown() -> None:
    """No character of theirs begins a mark, a table cell, an element or a line."""
    assert plain("a|b\n# <b>*c*</b> [d](e) `f` &amp;") == (
        "a\\|b ⏎ \\# \\<b\\>\\*c\\*\\</b\\> \\[d\\](e) \\`f\\` \\&amp;"
    )


def test_a_directory_without_decisions_is_the_operators_mistake(tmp_path: Path) -> None:
    """It is named, with what to do, and nothing is made."""
    with pytest.raises(SettingsError, match=r"holds no decisions; name the --out directory of a crawl"):
        write_report(tmp_path, tmp_path / "report", now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(out: Path, tmp_path: Path) -> None:
    """A file in the way is told."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"--out .*/file: .*; name a folder that can be written"):
        write_report(out, tmp_path / "file", now=NOW)


def test_nothing_that_grows_stays(made: Report) -> None:
    """When the report is there, no half-made file is beside it, and every file that is named is there."""
    assert [path.name for path in made.files[0].parent.iterdir() if path.name.startswith(".")] == []
    assert all(path.is_file() for path in made.files)


def test_an_empty_record_is_a_report_of_nothing(tmp_path: Path) -> None:
    """No decision and no item still make a page, without empty plots, and every table has its columns."""
    out = record(tmp_path, [])
    made = write_report(out, out / "report", now=datetime(2026, 1, 1, tzinfo=UTC), eu=Provider())
    assert (made.decisions, made.items) == (0, 0)
    page = made.files[0].read_text(encoding="utf-8")
    assert page.count("There is none in this record.") == 8
    assert 'class="plot"' not in page
    assert 'class="legend"' not in page
    assert (out / "report" / "decisions.csv").read_text().startswith('"decided_at","url","stage","verdict"')


def test_the_command_writes_the_report_and_says_where(out: Path, tmp_path: Path) -> None:
    """askfirst report DIR --out PATH --template …: the page, the summary and the tables, and one line for each."""
    import typer

    from askfirst.cli.report import report

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(report)
    done = CliRunner().invoke(app, [str(out), "--out", str(tmp_path), "--template", "eu-training-summary", "--sme"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"{tmp_path}/report.html: 11 decisions and 3 items",
        f"{tmp_path}/eu-training-summary.html",
        f"{tmp_path}/eu-training-summary.md",
        f"tables as CSV and Parquet are in {tmp_path}",
    ]
    for arguments in (["--template", "other"], ["--provider", "P"]):
        failed = CliRunner().invoke(app, [str(out), "--out", str(tmp_path), *arguments])
        assert isinstance(failed.exception, SettingsError)
        assert "eu-training-summary" in str(failed.exception)
