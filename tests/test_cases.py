"""Every case of tests/cases, through replay as another implementation would run it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from askfirst.cases import Case, cases, shortfalls
from askfirst.replay import replay_line

CASES = Path(__file__).parent / "cases"
ALL = tuple(cases(CASES))


def answered(case: Case) -> dict[str, Any]:
    """What replay answers to the case's line."""
    raw, good = replay_line(msgspec.json.encode(case.line))
    answer = msgspec.json.decode(raw, type=dict[str, Any])
    assert good, answer
    return answer


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in ALL])
def test_case(case: Case) -> None:
    """Every case is answered as it says, because of the places that it names."""
    answer = answered(case)
    assert not shortfalls(case, answer), (case.rule, case.note)
    assert not list(misquoted(case, answer))


def misquoted(case: Case, answer: dict[str, Any]) -> Iterator[str]:
    """The reasons that name a document which was not seen, or a line that does not stand in it."""
    observations: Any = case.line["observations"]
    bodies = {seen["url"]: seen for seen in observations}
    for index in answer["because"]:
        words = answer["signals"][index]["evidence"]
        if words["document_url"].startswith("registry:replay?"):
            continue
        seen = bodies.get(words["document_url"])
        if seen is None:
            yield f"{words['document_url']} was not seen"
        elif words["at"].startswith("line "):
            body = base64.b64decode(seen["body_b64"]) if "body_b64" in seen else seen["body"].encode()
            if not any(words["text"] in body.decode(coding, "replace") for coding in CODINGS):
                yield f"{words['text']!r} does not stand in {words['document_url']}"


CODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
