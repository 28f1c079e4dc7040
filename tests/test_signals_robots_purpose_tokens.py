"""Purpose tokens in robots.txt: nothing without a token of the policy, and what a token's group refuses.

The shipped table is empty, so there are no conformance cases: every case needs a policy file.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.decide import decide
from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Category,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    Stage,
    Verdict,
)
from askfirst.rights.policy import PROFILES, Policy, Tables, parse_policy
from askfirst.rights.read import read
from askfirst.rights.reader import SILENT, Target
from askfirst.rights.signals import PROTOCOLS
from askfirst.rights.signals.robots_purpose_tokens import PROTOCOL, READER, tuned

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
POLICY = """
extends = "opt-out"
[purpose_tokens]
train = ["Model-Training", "ml-train"]
search = ["plain-search"]
"""


def policy(text: str = POLICY) -> Policy:
    return parse_policy(text, where="p", protocols=PROTOCOLS)


def robots(body: str | bytes, *, status: int = 200) -> Observation:
    return Observation(
        document=Document(kind=Kind.WELL_KNOWN, url="https://h.example/robots.txt"),
        status=status,
        body=body.encode() if isinstance(body, str) else body,
        observed_at=AT,
    )


def decided(
    body: str, *, path: str = "/x", purpose: Purpose = Purpose.TRAIN, under: Policy | None = None, stage: Stage = Stage.KEEP, status: int = 200
) -> Decision:  # fmt: skip
    under = under or policy()
    intent = Intent(url=f"https://h.example{path}", agent=AGENT, purpose=purpose)
    return decide(intent, read(intent, [robots(body, status=status)], under), under, stage=stage, at=AT)


def places(decision: Decision) -> list[tuple[str, str]]:
    return [(s.protocol, s.evidence.at) for s in decision.because]


@pytest.mark.parametrize(
    "written",
    [
        "Model-Training",
        "model-training",
        "MODEL-TRAINING",
        "mOdEl-tRaInInG",
        "model-training/1.0",
        " model-training # all",
    ],
)
def test_a_closed_path_refuses_the_use(written: str) -> None:
    """The token in any case, with what robots.txt lets stand behind a token; for everybody, as a preference."""
    decision = decided(f"User-agent: {written}\nDisallow: /\n")
    (signal,) = decision.because
    assert decision.verdict is Verdict.REFUSE
    assert (signal.protocol, signal.category, signal.basis) == (PROTOCOL, Category.TRAIN, Basis.PREFERENCE)
    assert (signal.care, signal.evidence.at, signal.evidence.text) == (Care.LITERAL, "line 2", "Disallow: /")
    assert signal.source == "the group for model-training in robots.txt"


def test_the_case_of_the_policy_file_does_not_matter() -> None:
    """A token is what it is, however the operator writes it."""
    under = policy('extends = "opt-out"\n[purpose_tokens]\ntrain = [" TrAiN-PREFERENCE "]')
    assert places(decided("User-agent: train-preference\nDisallow: /\n", under=under)) == [(PROTOCOL, "line 2")]


def test_65_an_allow_or_absence_says_nothing() -> None:
    """Only a Disallow that matches counts, and nothing here permits."""
    for body in (
        "User-agent: Model-Training\nAllow: /\n",
        "User-agent: Model-Training\nDisallow:\n",
        "User-agent: Model-Training\n",
        "User-agent: *\nDisallow:\n",
        "User-agent: Model-Training\nDisallow: /private\n",
        "User-agent: Model-Training\nDisallow: /\nAllow: /x\n",
        "User-agent: Model-Training-Bot\nDisallow: /\n",
        "User-agent: NoModel-Training\nDisallow: /\n",
        "# User-agent: Model-Training\nDisallow: /\n",
    ):
        assert decided(body).because == (), body
        opt_in = policy(POLICY.replace("opt-out", "opt-in"))
        assert decided(body, under=opt_in).verdict is Verdict.REFUSE, "nothing permits"


def test_65_it_never_affects_the_fetch_or_another_purpose() -> None:
    """A token for one use is silent about every other, and is no access rule."""
    body = "User-agent: Model-Training\nDisallow: /\n"
    refused = {p.value for p in Purpose if decided(body, purpose=p).because}
    assert refused == {"train", "train-generative"}
    assert {p.value for p in Purpose if decided("User-agent: plain-search\nDisallow: /\n", purpose=p).because} == {
        "search"
    }
    signals = READER.parse(robots(body), AGENT).on(target()).signals
    assert all(signal.category is not Category.FETCH for signal in signals)
    assert decided(body, purpose=Purpose.SEARCH, stage=Stage.FETCH).verdict is Verdict.ALLOW


def test_all_groups_of_the_token_are_merged() -> None:
    """Longest match over all groups that name it, whoever else they name; groups of everybody do not count."""
    body = """User-agent: Model-Training
Disallow: /a
User-agent: *
Disallow: /x
User-agent: ExBot
Allow: /
User-agent: Other
User-agent: model-training
Disallow: /b
Allow: /a/open
"""
    assert places(decided(body, path="/a/1")) == [(PROTOCOL, "line 2")]
    assert places(decided(body, path="/b/1")) == [(PROTOCOL, "line 9")]
    assert places(decided(body, path="/a/open/1")) == []
    assert places(decided(body, path="/x")) == []


def test_a_token_in_a_list_does_not_take_over_the_groups_of_everybody() -> None:
    """A value with commas is understood carefully, and what is said to everybody is still not said to the use."""
    body = "User-agent: *\nDisallow: /\nUser-agent: ExBot\nAllow: /\nUser-agent: Foo, ml-train\nDisallow: /private\n"
    assert places(decided(body, path="/x")) == []
    assert places(decided(body, path="/private")) == [(PROTOCOL, "line 6")]


def test_several_tokens_of_one_use_each_count() -> None:
    """One refusal is enough."""
    body = "User-agent: Model-Training\nAllow: /\nUser-agent: ml-train\nDisallow: /\n"
    assert places(decided(body)) == [(PROTOCOL, "line 4")]


def test_nothing_is_read_without_a_token() -> None:
    """The shipped table is empty: no profile hears such a group, and a policy can switch the signal off."""
    body = "User-agent: Model-Training\nDisallow: /\n"
    for profile in PROFILES.values():
        intent = Intent(url="https://h.example/x", agent=AGENT, purpose=Purpose.TRAIN)
        reading = read(intent, [robots(body)], profile)
        assert all(signal.protocol != PROTOCOL for signal in reading.signals), profile.name
    assert READER.parse(robots(body), AGENT) is SILENT
    assert tuned(Tables())(robots(body), AGENT) is SILENT
    assert decided(body, under=policy(POLICY + '[signals]\nrobots-purpose-tokens = "off"')).because == ()


def test_a_file_that_could_not_be_read_is_not_its_affair() -> None:
    """A 404 says nothing; a 503 defers the fetch, which robots.txt answers for."""
    body = "User-agent: Model-Training\nDisallow: /\n"
    assert decided(body, status=404).because == ()
    assert {s.protocol for s in decided(body, status=503).because} == {"robots.txt"}


def test_other_tables_are_other_policies() -> None:
    """Decisions under another table can be told apart."""
    assert policy().digest != policy(POLICY.replace("ml-train", "ml-training")).digest


def target(path: str = "/x") -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=Purpose.TRAIN))


LINES = st.lists(
    st.tuples(
        st.sampled_from(["User-agent", "user agent", "Allow", "Disallow", "Dissallow", "#", ""]),
        st.sampled_from([": ", ":", " "]),
        st.one_of(st.sampled_from(["ml-train", "Model-Training", "*", "/", "/a", "/*b$", "ml-train, x"]), st.text(max_size=8)),
    ),
    max_size=14,
)  # fmt: skip


@given(lines=LINES, path=st.text(max_size=8), head=st.binary(max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_lines_never_raise_and_never_permit(lines: list[tuple[str, str, str]], path: str, head: bytes) -> None:
    """Whatever the bytes, only refusals are said, and the same question gets the same object again."""
    parse = tuned(policy().tables)
    body = head + "\n".join("".join(line) for line in lines).encode("utf-8", "replace")
    statement = parse(robots(body), AGENT)
    reading = statement.on(target("/" + path))
    assert all(signal.verdict is Verdict.REFUSE for signal in reading.signals)
    assert statement.on(target("/" + path)) is reading
    assert statement.on(target("/robots.txt")) is NOTHING
