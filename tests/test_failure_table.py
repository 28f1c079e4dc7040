"""The failure table, whose rows are cases in tests/cases/failure, under a policy that wants permission."""

from __future__ import annotations

from pathlib import Path

import pytest

from askfirst.cases import Case, cases
from askfirst.replay import decide_line
from askfirst.rights.model import Verdict

ROWS = tuple(cases(Path(__file__).parent / "cases" / "failure"))


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_no_failure_is_a_permission(row: Case) -> None:
    """Under opt-in no row of the table keeps anything."""
    assert decide_line({**row.line, "policy": "opt-in", "stage": "keep"}).verdict is not Verdict.ALLOW
