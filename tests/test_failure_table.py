"""The failure table is a table here too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from askfirst.replay import replay_line
from tests.case_files import cases_of

CASES = dict(cases_of("failure"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_row(case: dict[str, Any]) -> None:
    """What happened to a document becomes the verdict of the table, because of that document, under opt-out."""
    line = {"url": "https://h/p", "policy": "opt-out", "stage": "fetch", "observations": [case["observation"]]}
    raw, answered = replay_line(msgspec.json.encode(line))
    answer = msgspec.json.decode(raw)
    assert answered, answer
    assert answer["verdict"] == case["fetch"], case["what"]
    because = [answer["signals"][index]["evidence"] for index in answer["because"]]
    assert all(words["document_url"] == case["observation"]["url"] for words in because)
    if "because" in case:
        assert case["because"] in {words["at"] for words in because}
    if "remark" in case:
        assert case["remark"] in {remark["kind"] for remark in answer["remarks"]}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_no_failure_is_a_permission(case: dict[str, Any]) -> None:
    """Under opt-in no row of the table keeps anything."""
    line = {"url": "https://h/p", "policy": "opt-in", "stage": "keep", "observations": [case["observation"]]}
    answer = msgspec.json.decode(replay_line(msgspec.json.encode(line))[0])
    assert answer["verdict"] != "allow"
