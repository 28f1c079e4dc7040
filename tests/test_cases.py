"""Every case of tests/cases that is written in the conformance format, through replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from askfirst.cases import Case, cases
from askfirst.replay import decide_line
from askfirst.rights.contradictions import in_words
from askfirst.rights.model import Decision, Verdict
from askfirst.rights.wire import ask_to_wire

CASES = Path(__file__).parent / "cases"


def said(decision: Decision) -> str:
    """A decision in the words of a case."""
    if not decision.because:
        return "silence"
    return "permit" if decision.verdict is Verdict.ALLOW else decision.verdict.word


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases(CASES)])
def test_case(case: Case) -> None:
    """Every case is answered as it says, because of the places that it names."""
    wanted: dict[str, Any] = dict(case.wanted)
    if "says" in wanted:
        answers = {purpose: said(decide_line({**case.line, "purpose": purpose})) for purpose in wanted["says"]}
        assert answers == wanted["says"], case.rule
    decision = decide_line(case.line)
    if "verdict" in wanted:
        assert decision.verdict.word == wanted["verdict"], (case.rule, decision.ruling)
    if "because" in wanted:
        assert sorted(s.evidence.at for s in decision.because) == sorted(wanted["because"]), case.rule
    if "remarks" in wanted:
        assert {r.kind.value for r in decision.remarks} >= set(wanted["remarks"]), decision.remarks
    terms = [s.terms for s in decision.because if s.terms is not None]
    if "terms" in wanted:
        assert [t.url for t in terms] == ([wanted["terms"]] if wanted["terms"] else [])
    if "contact" in wanted:
        assert [t.contact for t in terms] == [wanted["contact"]]
    if "ask" in wanted:
        assert decision.ask, "nobody is asked"
        assert ask_to_wire(decision.ask[0]).items() >= wanted["ask"].items(), decision.ask
    if "contradictions" in wanted:
        found = [in_words(c) for c in decision.contradictions]
        assert len(found) == len(wanted["contradictions"]), found
        assert all(word in line for word, line in zip(wanted["contradictions"], found, strict=True)), found
