"""The lab web as acceptance test: what is decided is what the stories say, and the lab saw no request without leave."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import msgspec
import pyarrow.parquet as pq
import pytest

from askfirst.edges.evidence_warc import read_evidence
from askfirst.edges.registry_sqlite import SqliteRegistry
from askfirst.gate import utc_now
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.consent import parse_record
from askfirst.rights.model import Kind
from askfirst.rights.policy import PROFILES
from askfirst.segments import read_log
from crawler.lab import SITES, Lab, Outcome, PolicyName, expected_to_keep, may_request

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.crawl


WORDS = {
    Outcome.KEEP: ("keep", "allow"),
    Outcome.REFUSE_BEFORE_FETCH: ("fetch", "refuse"),
    Outcome.REFUSE_AFTER_FETCH: ("keep", "refuse"),
    Outcome.DEFER: ("fetch", "defer"),
}
"""The stage and verdict of a story's outcome, as the log has them."""


@dataclass(frozen=True)
class Crawled:
    """One crawl of the lab, and what the lab saw of it."""

    policy: str
    port: int
    out: Path
    asked: list[str]
    decisions: list[dict[str, object]]


@pytest.fixture(scope="module", params=["opt-out", "opt-in", "strict"])
def crawled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    out = tmp_path_factory.mktemp(request.param)
    with Lab.start(log=out / "lab-access.jsonl") as lab:
        registry = out / "registry.sqlite"
        SqliteRegistry(registry, name="lab", clock=utc_now).add(parse_record(r) for r in lab.registry_records)
        command = [
            sys.executable, "-m", "askfirst", "crawl", *lab.seeds, "--policy", request.param, "--out", str(out),
            "--registry", str(registry), "--allow-private", lab.allow_private, "--resolve", lab.resolve,
            "--timeout", "2", "--defer-wait", "1", "--delay", "0", "--json",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        asked = [f"http://{visit.host}:{lab.port}{visit.path}" for visit in lab.requests()]
        port = lab.port
    decisions = [msgspec.json.decode(line) for _path, _number, line in read_log(out / "decisions")]
    return Crawled(request.param, port, out, asked, decisions)


def test_no_request_without_leave(crawled: Crawled) -> None:
    """Everything in the lab's access log was allowed by a decision, or is a look that a decision names and that stands
    in the evidence."""
    allowed = {d["url"] for d in crawled.decisions if (d["stage"], d["verdict"]) == ("fetch", "allow")}
    relied_on = {
        (seen["kind"], seen["url"], seen["digest"])
        for decision in crawled.decisions
        for seen in decision["looked_at"]  # type: ignore[attr-defined]  # the log's format
    }
    looks = {Kind.WELL_KNOWN, Kind.LICENSE, Kind.POLICY, Kind.CONTACT}
    for seen in read_evidence(crawled.out / "evidence"):
        document = seen.document
        if document.kind in looks and (document.kind.value, document.url, seen.digest) in relied_on:
            allowed |= {urldefrag(document.url).url, *seen.redirects}
    assert [url for url in crawled.asked if url not in allowed] == []
    assert len(crawled.asked) > 50


def test_no_request_that_the_stories_forbid(crawled: Crawled) -> None:
    """The lab, which knows nothing of the record, finds no request that a correct crawler would not have sent."""
    policy: PolicyName = "opt-out" if crawled.policy == "opt-out" else "opt-in"
    places = [(urlsplit(url).hostname or "", url.partition("//")[2].partition("/")[2]) for url in crawled.asked]
    assert [p for p in places if not may_request(p[0], f"/{p[1]}", policy, eager=True)] == []


def test_what_is_kept_is_what_the_stories_say(crawled: Crawled) -> None:
    """items.parquet holds exactly the addresses that a correct crawler keeps."""
    if crawled.policy == "strict":
        pytest.skip("the stories are told for opt-out and opt-in; strict must only be no milder, see below")
    table = pq.read_table(crawled.out / "items.parquet")
    kept = set(table.column("final_url").to_pylist())
    assert kept == expected_to_keep(crawled.port, crawled.policy)  # type: ignore[arg-type]  # one of the two names


def test_why_is_what_the_stories_say(crawled: Crawled) -> None:
    """Each decision about an address of the lab has the reason that its story gives among its reasons."""
    if crawled.policy == "strict":
        pytest.skip("the stories are told for opt-out and opt-in")
    expected = {
        f"http://{site.host}:{crawled.port}{path}": expectation.under(crawled.policy)  # type: ignore[arg-type]
        for site in SITES
        for path, expectation in site.expectation.items()
    }
    last = {str(d["url"]): d for d in crawled.decisions}
    wrong = []
    for url, decision in last.items():
        told = expected.get(url)
        if told is None or told.outcome is Outcome.REDIRECT:
            continue
        because = decision["because"]
        assert isinstance(because, list)
        reasons = {signal["protocol"] for signal in because} or {"silence"}
        if (decision["stage"], decision["verdict"]) != WORDS[told.outcome] or told.reason.value not in reasons:
            wrong.append((url, told, decision["stage"], decision["verdict"], reasons))
    assert wrong == []


def asks(crawled: Crawled, host: str) -> list[dict[str, str]]:
    """The rows of ask.csv whose example is on a host of the lab."""
    with (crawled.out / "ask.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if urlsplit(row["example_url"]).hostname == f"{host}.lab.test"]


def test_whom_to_ask_is_told(crawled: Crawled) -> None:
    """ask.csv names the licensor and the terms of a license, whom a policy names, and who licenses a photograph."""
    (sold,) = asks(crawled, "magazine")
    assert sold["contact"] == "mailto:rights@magazine.lab.test"
    assert sold["name"] == "Slow Trains"
    assert sold["terms_url"] == f"http://magazine.lab.test:{crawled.port}/licensing.html"
    assert "1200 EUR" in sold["note"]
    (missing,) = asks(crawled, "almanac")
    assert missing["terms_url"] == f"http://almanac.lab.test:{crawled.port}/rsl/license.xml"
    if crawled.policy == "opt-out":
        mine = [row for row in asks(crawled, "lens") if row["about"] == "plus:DataMining"]
        mine += [row for row in asks(crawled, "pinboard") if row["about"] == "plus:DataMining"]
        (nora,) = mine
        assert (nora["name"], nora["contact"]) == ("Nora Lind", "mailto:nora@lens.lab.test")


def test_a_contradiction_is_told_to_whom_is_asked(crawled: Crawled) -> None:
    """A site that permits in one place and refuses in another is refused, and ask.csv shows it its two words."""
    (row,) = asks(crawled, "brewery")
    assert (row["name"], row["contact"]) == ("The other brother", "mailto:cellar@brewery.lab.test")
    assert row["about"] == "tdmrep.json"
    assert "Content-Signal in robots.txt permits train ('Content-Signal: ai-train=yes')" in row["note"]
    assert "tdmrep.json refuses tdm" in row["note"]


def test_whom_to_ask_about_silence(crawled: Crawled) -> None:
    """Where silence refuses, ask.csv has the page's own way to a license, and the last resort for the other pages."""
    if crawled.policy == "opt-out":
        assert asks(crawled, "weaver") == []
        return
    if crawled.policy == "strict":
        pytest.skip("strict fetches nothing from a silent site, and so does not see what a page says")
    rows = {row["contact"]: row for row in asks(crawled, "weaver")}
    licenses = f"http://weaver.lab.test:{crawled.port}/licenses.html"
    assert set(rows) == {licenses, "mailto:nephew@weaver.lab.test"}
    assert (rows[licenses]["name"], rows[licenses]["terms_url"]) == ("Alma Weaver", licenses)
    assert {row["about"] for row in rows.values()} == {"silence"}


def test_every_decision_replays(crawled: Crawled) -> None:
    """Each line of the log follows from the evidence beside it, to the same id."""
    evidenced = Evidenced(read_evidence(crawled.out / "evidence"))
    policies = {policy.digest: policy for policy in PROFILES.values()}
    faults = [replay_recorded(line, evidenced, policies) for _p, _n, line in read_log(crawled.out / "decisions")]
    assert [fault for fault in faults if fault is not None] == []
    assert len(faults) > 50


def test_strict_keeps_no_more_than_opt_in(crawled: Crawled) -> None:
    """Nothing but what somebody expressly consented to, under strict as under opt-in."""
    table = pq.read_table(crawled.out / "items.parquet")
    kept = set(table.column("final_url").to_pylist())
    if crawled.policy != "opt-out":
        assert kept <= expected_to_keep(crawled.port, "opt-in")


def test_the_summary_adds_up(crawled: Crawled) -> None:
    """summary.json counts what the log, the table and the frontier hold."""
    summary = json.loads((crawled.out / "summary.json").read_text(encoding="utf-8"))
    stages = summary["decisions"]
    assert sum(sum(by_verdict.values()) for by_verdict in stages.values()) == len(crawled.decisions)
    assert summary["kept"]["items"] == pq.read_table(crawled.out / "items.parquet").num_rows
    assert summary["policy"]["name"] == crawled.policy
