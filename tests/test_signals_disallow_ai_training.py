"""DisallowAITraining in robots.txt, beside its cases in tests/cases/disallow_ai_training: it permits nothing."""

from __future__ import annotations

from askfirst.replay import decide_line
from askfirst.rights.model import Verdict


def test_it_permits_nothing() -> None:
    """A path that is not listed is no permission."""
    seen = {"url": "https://h.example/robots.txt", "body": "User-agent: *\nDisallowAITraining: /private\n"}
    line = {"url": "https://h.example/p.jpg", "policy": "opt-in", "observations": [seen]}
    assert decide_line(line).verdict is Verdict.REFUSE
