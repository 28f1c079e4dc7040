"""DisallowAITraining in robots.txt: the cases of tests/cases/disallow_ai_training, and that it is a signal of its own."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from askfirst.replay import replay_line
from askfirst.rights.model import Basis
from tests.case_files import cases_of

CASES = dict(cases_of("disallow_ai_training"))


def _answer(case: dict[str, Any], policy: str) -> dict[str, Any]:
    seen = {
        "url": "https://h.example/robots.txt",
        "kind": "well-known",
        "status": case.get("status", 200),
        "body_b64": base64.b64encode(case["robots"].encode(case.get("encoding", "utf-8"))).decode(),
    }
    line = {
        "url": "https://h.example/p.jpg",
        "agent": {"product_token": "ExBot", "user_agent": "ExBot/1.0"},
        "purpose": case.get("purpose", "train"),
        "policy": policy,
        "stage": "keep",
        "observations": [seen],
    }
    raw, answered = replay_line(msgspec.json.encode(line))
    answer: dict[str, Any] = msgspec.json.decode(raw)
    assert answered, answer
    return answer


@pytest.mark.parametrize("case", CASES.values(), ids=[case["what"] for case in CASES.values()])
def test_case(case: dict[str, Any]) -> None:
    """Every case has its verdict, because of the line it names and as a preference."""
    answer = _answer(case, "opt-out")
    assert answer["verdict"] == case["want"]
    because = [answer["signals"][index] for index in answer["because"]]
    assert [signal["evidence"]["at"] for signal in because] == ([case["because"]] if case["want"] == "refuse" else [])
    assert all(signal["protocol"] == "disallow-ai-training" for signal in because)
    assert all(signal["basis"] == Basis.PREFERENCE for signal in because)


def test_it_permits_nothing() -> None:
    """A path that is not listed is no permission."""
    assert _answer(CASES["records[2]"], "opt-in")["verdict"] == "refuse"
