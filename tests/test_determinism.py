"""The same observations give the same bytes: in every process, in every order, said once or twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from askfirst.replay import replay_line
from askfirst.rights.model import Purpose, Stage
from askfirst.rights.policy import PROFILES

ROOT = Path(__file__).resolve().parent.parent
URL = "https://h.example/art/p.jpg"
SEEN: Sequence[dict[str, object]] = (
    {"url": "https://h.example/robots.txt", "body": "User-agent: *\nDisallow: /art/\nAllow: /art/p\nDissallow x\nFoo: y"},
    {"url": "https://h.example/ai.txt", "body": "User-agent: *\nDisallow: *.jpg\nDisallow: jpg\nAI-Training: no\nAllow: /"},
    {
        "url": "https://h.example/.well-known/tdmrep.json",
        "body": '[{"location":"/art/*","tdm-reservation":1,"tdm-policy":"/p"},{"location":"/","tdm-reservation":0}]',
    },
    {
        "url": URL,
        "headers": [["X-Robots-Tag", "noai, noimageai, foo, bar"], ["X-Robots-Tag", "GPTBot: noindex"], ["tdm-reservation", "0, 1"]],
    },
    {
        "url": "https://h.example/gallery.html",
        "kind": "page",
        "headers": [["Content-Type", "text/html"]],
        "body": "<html><meta name=robots content='noai, noimageai, baz'><meta name=GPTBot content=none><img src=/art/p.jpg>",
    },
)  # fmt: skip
REGISTRY = [
    {"scope": "h.example", "categories": ["train", "tdm", "search"], "verdict": "refuse"},
    {"scope": "https://h.example/art/", "categories": ["tdm"], "verdict": "grant", "grantee": "AskFirstBot"},
    {"scope": "*.example", "categories": ["train"], "verdict": "maybe"},
]


def _line(observations: Sequence[dict[str, object]], policy: str, purpose: str, stage: str = "keep") -> bytes:
    table = {
        "url": URL, "policy": policy, "purpose": purpose, "stage": stage, "media": "image/jpeg",
        "observations": list(observations), "registry": REGISTRY,
    }  # fmt: skip
    return json.dumps(table).encode()


def test_every_process_prints_the_same_bytes() -> None:
    """Replay output does not depend on the seed of Python's hashes, so not on the order of any set."""
    lines = b"\n".join(
        _line(SEEN, policy, purpose, stage) for policy in PROFILES for purpose in Purpose for stage in Stage
    )
    printed: set[bytes] = set()
    for seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "askfirst", "replay", "-"],
            cwd=ROOT, input=lines + b"\n", capture_output=True, check=False, timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(b"\n") == len(PROFILES) * len(Purpose) * len(Stage)
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize("policy", PROFILES)
@pytest.mark.parametrize("purpose", ["search", "tdm", "train"])
def test_observations_shuffled_or_repeated_give_the_same_decision(policy: str, purpose: str) -> None:
    """The id and the verdict do not depend on the order in which documents were observed, nor on how often."""
    answer, answered = replay_line(_line(SEEN, policy, purpose))
    assert answered
    wanted = _told(answer)
    chance = random.Random(7)
    for _ in range(6):
        seen = [*SEEN, *chance.sample(SEEN, 2)]
        chance.shuffle(seen)
        assert _told(replay_line(_line(seen, policy, purpose))[0]) == wanted


def test_a_document_less_is_another_decision() -> None:
    """The id names all that was read: without any one of the observations it is another."""
    whole = _told(replay_line(_line(SEEN, "strict", "train"))[0])
    assert len(SEEN) == 5
    for left_out in range(len(SEEN)):
        part = [seen for index, seen in enumerate(SEEN) if index != left_out]
        assert _told(replay_line(_line(part, "strict", "train"))[0])[0] != whole[0], SEEN[left_out]["url"]


def _told(answer: bytes) -> tuple[str, str, frozenset[str]]:
    table = json.loads(answer)
    reasons = (json.dumps(table["signals"][index], sort_keys=True) for index in table["because"])
    return table["decision_id"], table["verdict"], frozenset(reasons)
