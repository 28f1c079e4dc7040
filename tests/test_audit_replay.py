"""``askfirst audit replay``: every decision follows from its evidence, or is named; another policy's answers are counted."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from askfirst.audit.replaying import replay
from askfirst.cli.audit import app
from askfirst.ledger.notes import SigningKey
from askfirst.ports import SettingsError
from askfirst.rights.policy import OPT_IN, STRICT
from tests import tampering as t
from tests.tampering import SITE, lines_of, records_of

LINES = "decisions/*.jsonl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of 60 decisions under opt-out, where every third page says that it may not be kept."""
    out = tmp_path_factory.mktemp("whole") / "out"
    t.write_record(out, SigningKey.new())
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    """A copy to do something to."""
    return shutil.copytree(whole, tmp_path / "out")


def test_every_decision_follows(whole: Path) -> None:
    """From its evidence, to the same id."""
    found = replay(whole)
    assert (found.follow, found.faults, found.differences) == (60, [], [])


def test_what_another_policy_would_have_decided(whole: Path) -> None:
    """Silence is enough for opt-out, and not for opt-in: what was kept would be refused; what was refused stays so."""
    found = replay(whole, under=OPT_IN)
    assert found.counts() == Counter({("keep", "allow", "refuse"): 20})
    assert (found.same_under, found.under) == (40, "opt-in")
    assert {one.url for one in found.differences} == {f"{SITE}/{n}" for n in range(30) if n % 3 != 2}
    assert {one.why for one in found.differences} == {"silence"}
    strict = replay(whole, under=STRICT)
    assert {(stage, would) for stage, _, would in strict.counts()} == {("fetch", "refuse"), ("keep", "refuse")}


def test_a_decision_that_does_not_follow_is_named(out: Path) -> None:
    """A verdict that was turned round, evidence that was changed or taken away, and what is no decision."""
    t.both(
        t.replace(LINES, lines_of, 5, b'"verdict":"refuse","looked_at"', b'"verdict":"allow","looked_at"'),
        t.add(LINES, lines_of, 60, b"{}\n"),
        t.drop("evidence/*.warc", records_of, 6),
    )(out)
    name = t.only(out, LINES).name
    found = replay(out)
    assert found.follow == 58
    assert [place for place, _ in found.faults] == [f"decisions/{name} line {number}" for number in (6, 10, 61)]
    assert "its evidence gives refuse" in found.faults[0][1]
    assert f"no evidence of response {SITE}/4" in found.faults[1][1]
    assert "is not a decision" in found.faults[2][1]


def test_a_policy_that_is_not_known(out: Path) -> None:
    """It is named, with what to do."""
    t.replace(LINES, lines_of, 3, b'"policy_digest":"sha256:', b'"policy_digest":"sha256:00')(out)
    assert "its policy sha256:00" in replay(out).faults[0][1]


def test_the_command(whole: Path, out: Path) -> None:
    """0 when all follow, 1 when one does not, 2 for the operator's mistake."""
    told = CliRunner().invoke(app, ["replay", str(whole), "--under", "opt-in"])
    assert told.exit_code == 0
    assert told.output.splitlines()[:3] == [
        "60 decisions follow from their evidence, 0 do not",
        "under opt-in: 40 the same, 20 otherwise",
        "  20 to keep: allow -> refuse",
    ]
    t.drop("evidence/*.warc", records_of, 6)(out)
    assert CliRunner().invoke(app, ["replay", str(out)]).exit_code == 1
    assert isinstance(CliRunner().invoke(app, ["replay", str(out / "decisions")]).exception, SettingsError)
