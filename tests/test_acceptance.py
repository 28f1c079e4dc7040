"""The lab web as acceptance test: what is decided is what the stories say, and the lab saw no request without leave."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from askfirst.edges.decision_log import read_log
from askfirst.edges.evidence_warc import read_evidence
from askfirst.edges.registry_sqlite import SqliteRegistry
from askfirst.gate import utc_now
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.consent import parse_record
from askfirst.rights.model import Kind
from askfirst.rights.policy import PROFILES
from crawler.lab import SITES, Lab, expected_to_keep

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.crawl


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
    """Everything in the lab's access log was allowed by a decision, or is a look at a well-known document."""
    allowed = {d["url"] for d in crawled.decisions if (d["stage"], d["verdict"]) == ("fetch", "allow")}
    for seen in read_evidence(crawled.out / "evidence"):
        if seen.document.kind is Kind.WELL_KNOWN:
            allowed |= {seen.document.url, *seen.redirects}
    assert [url for url in crawled.asked if url not in allowed] == []
    assert len(crawled.asked) > 50


def test_what_is_kept_is_what_the_stories_say(crawled: Crawled) -> None:
    """items.parquet holds exactly the addresses that a correct crawler keeps."""
    if crawled.policy == "strict":
        pytest.skip("the stories are told for opt-out and opt-in; strict must only be no milder, see below")
    table = pq.read_table(crawled.out / "items.parquet")
    kept = set(table.column("final_url").to_pylist())
    assert kept == expected_to_keep(crawled.port, crawled.policy)  # type: ignore[arg-type]  # one of the two names


def test_why_is_what_the_stories_say(crawled: Crawled) -> None:
    """Each refusal and deferral of an address of the lab has the reason that its story gives among its reasons."""
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
        if told is None or told.outcome.value in {"keep", "redirect"}:
            continue
        because = decision["because"]
        assert isinstance(because, list)
        reasons = {signal["protocol"] for signal in because} or {"silence"}
        stage = {"refuse-before-fetch": "fetch", "refuse-after-fetch": "keep", "defer": "fetch"}[told.outcome.value]
        verdict = "defer" if told.outcome.value == "defer" else "refuse"
        if (decision["stage"], decision["verdict"]) != (stage, verdict) or told.reason.value not in reasons:
            wrong.append((url, told, decision["stage"], decision["verdict"], reasons))
    assert wrong == []


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
