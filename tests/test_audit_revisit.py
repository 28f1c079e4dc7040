"""Decisions whose evidence is kept by naming an earlier record: they verify, replay, and have proofs that need no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from askfirst.audit.proof_file import check
from askfirst.audit.prove import prove
from askfirst.audit.verify import verify
from askfirst.edges.cache_memory import MemoryCache
from askfirst.edges.evidence_warc import read_evidence
from askfirst.gate import Gate, utc_now
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import Document, Observation, Verdict
from askfirst.rights.policy import OPT_OUT
from askfirst.segments import read_log
from askfirst.wiring import open_record
from tests.memory_web import intent

ROBOTS = b"User-agent: *\nDisallow: /no\n" + b"# the same file on every branch\n" * 20
URL = "https://h2.example/no"


class Branches:
    """Satisfies ports.Fetch: every site has the same robots.txt, and nothing else."""

    async def __call__(self, document: Document, *, validators: object = ()) -> Observation:
        robots = document.url.endswith("/robots.txt")
        return Observation(
            document=document, status=200 if robots else 404, body=ROBOTS if robots else b"", observed_at=utc_now()
        )

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def out(tmp_path: Path) -> Path:
    """Three sites that share a robots.txt, asked about one after the other."""
    gate = Gate(
        agent=intent(URL).agent,
        policy=OPT_OUT,
        fetch=Branches(),
        cache=MemoryCache(clock=time.time),
        record=open_record(tmp_path, run="run", clock=utc_now),
    )
    for number in range(3):
        decision = await gate.before_fetch(intent(f"https://h{number}.example/no"))
        assert decision.verdict is Verdict.REFUSE
    await gate.close()
    return tmp_path


async def test_the_file_is_there_once_and_every_decision_follows(out: Path) -> None:
    """Two of three robots.txt are named; the record is whole, and each decision follows from what is named."""
    assert (out / "evidence" / "run.warc").read_bytes().count(b"WARC-Type: revisit") == 2
    assert verify(out).whole
    evidenced = Evidenced(read_evidence(out / "evidence"))
    lines = [line for _, _, line in read_log(out / "decisions")]
    assert [replay_recorded(line, evidenced, {OPT_OUT.digest: OPT_OUT}) for line in lines] == [None] * 3


async def test_a_proof_encloses_the_record_that_is_named(out: Path) -> None:
    """A proof of a decision about the third site holds with nothing else; without the named record it does not."""
    told = prove(out, URL)
    found = check(told)
    assert found.faults == []
    assert found.recorded is not None
    assert found.recorded.decision.intent.url == URL


async def test_a_change_in_the_named_record_is_found(out: Path) -> None:
    """The first record is altered: the audit names it, and so does the proof."""
    path = out / "evidence" / "run.warc"
    path.write_bytes(path.read_bytes().replace(b"Disallow: /no", b"Disallow: /ok", 1))
    found = verify(out)
    assert not found.whole
    assert any("evidence/run.warc" in finding.place for finding in found.findings)
    assert check(prove(out, URL)).faults != []
