"""Groups for AI bots in robots.txt: what the table knows, how many are needed, and that a warm answer is cheap.

The rows of the specification are in tests/cases/robots_named_bots.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights import robots_values
from askfirst.rights.ai_bots import AI_BOTS, PURPOSES, SPELLINGS, BotPurpose
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
    RemarkKind,
    Stage,
    Verdict,
)
from askfirst.rights.patterns import PatternIndex
from askfirst.rights.policy import PROFILES, STRICT, Policy, parse_policy
from askfirst.rights.read import read
from askfirst.rights.reader import SILENT, Target
from askfirst.rights.signals.robots_named_bots import READER
from tests.fuzz import CORPUS

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")


def robots(body: str | bytes, *, status: int = 200, truncated: bool = False) -> Observation:
    return Observation(
        document=Document(kind=Kind.WELL_KNOWN, url="https://h.example/robots.txt"),
        status=status,
        body=body.encode() if isinstance(body, str) else body,
        truncated=truncated,
        observed_at=AT,
    )


def target(path: str = "/x") -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=Purpose.TRAIN))


def decided(body: str, policy: Policy = STRICT, path: str = "/x", agent: Agent = AGENT) -> Decision:
    intent = Intent(url=f"https://h.example{path}", agent=agent, purpose=Purpose.TRAIN)
    return decide(intent, read(intent, [robots(body)], policy), policy, stage=Stage.KEEP, at=AT)


def shut(bots: Iterable[str], path: str = "/") -> str:
    return "".join(f"User-agent: {bot}\nDisallow: {path}\n" for bot in bots)


# -- the table --------------------------------------------------------------------------------------------------------


def test_the_table_says_what_each_bot_is_for() -> None:
    """Every token has one purpose; those that train and those that only switch are evidence about training."""
    assert PURPOSES.keys() == SPELLINGS.keys()
    assert all(token == token.lower() and token == SPELLINGS[token].lower() for token in PURPOSES)
    assert {PURPOSES[t] for t in AI_BOTS} == {BotPurpose.TRAINING, BotPurpose.CONTROL}
    assert {t for t, p in PURPOSES.items() if p is BotPurpose.CONTROL} == {
        "google-extended",
        "applebot-extended",
        "webzio-extended",
    }
    assert not AI_BOTS & {"oai-searchbot", "chatgpt-user", "perplexitybot", "chatgpt agent"}
    assert robots_values.AI_BOTS is AI_BOTS  # type: ignore[attr-defined]  # the older name of the table
    assert not PURPOSES.keys() & {"code", "spider", "openai", "operator", "scrapy", "googlebot", "applebot"}


@pytest.mark.parametrize("token", sorted(PURPOSES))
def test_every_known_bot_is_heard(token: str) -> None:
    """Each token in any case of letters, and with a version behind it, is a signal or a remark, and never of the fetch."""
    for name in (SPELLINGS[token], token.upper(), f"{SPELLINGS[token]} # not this one"):
        reading = READER.parse(robots(shut([name])), AGENT).on(target())
        if token in AI_BOTS:
            (signal,) = reading.signals
            assert (signal.category, signal.basis) == (Category.TRAIN, Basis.PREFERENCE)
            assert (signal.verdict, signal.care) == (Verdict.REFUSE, Care.STRICT)
            assert (signal.evidence.at, signal.evidence.text) == ("line 2", "Disallow: /")
            assert SPELLINGS[token] in signal.source
        else:
            assert reading.signals == ()
            assert [r.kind for r in reading.remarks] == [RemarkKind.IGNORED]
            assert SPELLINGS[token] in reading.remarks[0].note


def test_the_source_names_the_bots_and_how_many() -> None:
    """A reviewer sees how many bots are shut out, and which; of very many the first by name."""
    (signal,) = READER.parse(robots(shut(["GPTBot", "CCBot"])), AGENT).on(target()).signals
    assert signal.source == "robots.txt shuts out 2 AI bots (CCBot, GPTBot)"
    (signal,) = READER.parse(robots(shut(sorted(AI_BOTS))), AGENT).on(target()).signals
    assert signal.source.startswith(f"robots.txt shuts out {len(AI_BOTS)} AI bots (AI2Bot, ")
    assert signal.source.endswith(f" and {len(AI_BOTS) - 12} more)")


# -- policies ---------------------------------------------------------------------------------------------------------


def policy(text: str) -> Policy:
    return parse_policy(f'extends = "strict"\n{text}', where="p")


def test_as_many_as_the_policy_needs() -> None:
    """Fewer are a remark; the count is of the bots that are shut out of this path."""
    three = policy("[ai_bots]\nneeded = 3")
    two, all_three = shut(["GPTBot", "CCBot"]), shut(["GPTBot", "CCBot"]) + shut(["ClaudeBot"], "/a")
    assert not decided(two, three).because
    assert any("takes 3 of them" in r.note for r in decided(two, three).remarks)
    assert not decided(all_three, three, "/b").because
    decision = decided(all_three, three, "/a")
    assert [(s.protocol, s.evidence.at) for s in decision.because] == [("robots-named-bots", "line 2")]


def test_bots_of_the_policy_count_too() -> None:
    """A name that a policy adds is known in any case of letters, and one outside the grammar only as it is written."""
    ours = policy('[ai_bots]\nnames = ["NewCrawler", "New Thing 2"]')
    assert not decided(shut(["newcrawler"])).because
    assert decided(shut(["NEWCRAWLER"]), ours).because
    assert decided(shut(["new thing 2"]), ours).because
    assert not decided(shut(["New"]), ours).because


def test_it_is_evidence_under_every_policy() -> None:
    """Where it does not weigh it is remarked, with the words and the line."""
    for profile in PROFILES.values():
        decision = decided(shut(["GPTBot"]), profile)
        if profile is STRICT:
            assert [s.protocol for s in decision.because] == ["robots-named-bots"]
            continue
        (seen,) = [r for r in decision.remarks if "shuts out" in r.source]
        assert (seen.kind, seen.evidence.at, seen.evidence.text) == (RemarkKind.NOT_COUNTED, "line 2", "Disallow: /")


def test_our_own_token_is_no_evidence() -> None:
    """What is said to us binds us, and shows nothing else."""
    assert READER.parse(robots(shut(["GPTBot"])), Agent(product_token="GPTBot", user_agent="GPTBot/1")) is SILENT
    assert READER.parse(robots(shut(["ccbot"])), Agent(product_token="CCBot", user_agent="CCBot/2")) is SILENT


def test_a_list_of_names_in_one_line_does_not_take_over_the_groups_of_everybody() -> None:
    """A value with commas is understood carefully, and what is said to everybody is still not said to its names."""
    body = "User-agent: *\nDisallow: /\nUser-agent: ExBot\nAllow: /\nUser-agent: Foo, CCBot\nDisallow: /private\n"
    assert READER.parse(robots(body), AGENT).on(target("/x")) is NOTHING
    (signal,) = READER.parse(robots(body), AGENT).on(target("/private/x")).signals
    assert signal.evidence.at == "line 6"


# -- cost -------------------------------------------------------------------------------------------------------------


def test_a_file_without_bots_is_not_taken_apart() -> None:
    """Nothing is said where no user-agent line names a known bot, or all of them are welcome."""
    for body in (
        "",
        "User-agent: *\nDisallow: /\n",
        "# GPTBot\nDisallow: /GPTBot\n",
        shut(["Foo"]),
        shut(["GPTBot"], ""),
        "User-agent: GPTBot\nAllow: /\n",
    ):
        assert READER.parse(robots(body), AGENT) is SILENT, body


class Looks:
    """Counts how often patterns are matched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        longest = PatternIndex.longest

        def counted(index: PatternIndex[int], path: str) -> int | None:
            self.count += 1
            return longest(index, path)

        monkeypatch.setattr(PatternIndex, "longest", counted)


def test_fifty_groups_that_shut_out_thirty_bots_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is shut out of the whole site is known without matching anything, and the reading is one object."""
    bots = sorted(AI_BOTS)[:30]
    body = shut(bots) + "".join(f"User-agent: Other{'x' * n}\nDisallow: /{n}\n" for n in range(20))
    statement = READER.parse(robots(body), AGENT)
    looks = Looks(monkeypatch)
    assert statement.on(target("/a")) is statement.on(target("/b?c=1"))
    assert looks.count == 2
    assert statement.on(target("/robots.txt")) is NOTHING


def test_equal_groups_are_matched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty groups of the same two rules are one set; a path that nobody closes costs one look, whatever the groups."""
    bots = sorted(AI_BOTS)[:30]
    equal = READER.parse(robots("".join(f"User-agent: {b}\nDisallow: /a\nAllow: /a/b\n" for b in bots)), AGENT)
    different = READER.parse(robots("".join(f"User-agent: {b}\nDisallow: /a{n}\n" for n, b in enumerate(bots))), AGENT)
    looks = Looks(monkeypatch)
    assert equal.on(target("/a/x")) is equal.on(target("/a/y"))
    assert looks.count == 4
    assert equal.on(target("/a/b")) is NOTHING
    looks.count = 0
    assert different.on(target("/x")) is NOTHING
    assert looks.count == 1
    assert different.on(target("/a7")).signals


def test_queries_are_compared_in_both_spellings() -> None:
    """Where one look at all closed paths is not enough, every set is matched, as robots.txt itself is."""
    statement = READER.parse(robots("User-agent: GPTBot\nDisallow: /go?u=http://x\n"), AGENT)
    for path in ("/go?u=http://x", "/go?u=http%3A%2F%2Fx"):
        assert statement.on(target(path)).signals, path


# -- any bytes --------------------------------------------------------------------------------------------------------

LINES = st.lists(
    st.tuples(
        st.sampled_from(["User-agent", "user agent", "Allow", "Disallow", "Dissallow", "#", ""]),
        st.sampled_from([": ", ":", " "]),
        st.one_of(st.sampled_from(["GPTBot", "ChatGPT Agent", "ai2bot", "AI", "*", "/", "/a", "/*b$", "CCBot, GPTBot", "ExBot"]), st.text(max_size=8)),
    ),
    max_size=14,
)  # fmt: skip


@given(lines=LINES, path=st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_lines_never_raise_and_only_suspect(lines: list[tuple[str, str, str]], path: str) -> None:
    """Whatever the lines, only suspicious readers are told to refuse, and the same question gets the same object."""
    statement = READER.parse(robots("\n".join("".join(line) for line in lines).encode("utf-8", "replace")), AGENT)
    reading = statement.on(target("/" + path))
    assert all(
        (s.verdict, s.care, s.category) == (Verdict.REFUSE, Care.STRICT, Category.TRAIN) for s in reading.signals
    )
    assert statement.on(target("/" + path)) is reading


@given(body=st.binary(max_size=400), status=st.sampled_from([200, 404, 500]), cut=st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_bytes_never_raise(body: bytes, status: int, cut: bool) -> None:
    """Whatever the bytes, the reader answers."""
    statement = READER.parse(robots(b"User-agent: GPTBot\n" + body, status=status, truncated=cut), AGENT)
    assert statement.on(target()).signals is not None


def test_a_file_as_long_as_may_be() -> None:
    """Each bot has its own large set of rules, which share most of their lines: the work is bounded."""
    bots = sorted(AI_BOTS)
    shared = "".join(f"Disallow: /{n}*a\n" for n in range(25_000))
    body = "".join(f"User-agent: {bot}\nDisallow: /own{n}\n" for n, bot in enumerate(bots))
    body += "".join(f"User-agent: {bot}\n" for bot in bots) + shared
    statement = READER.parse(robots(body), AGENT)
    assert statement.on(target("/own0")).signals
    assert statement.on(target("/" + "9" * 2_000)) is statement.on(target("/" + "9" * 2_000))


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the folder of real files is not beside this checkout")
def test_published_files() -> None:
    """Some published files shut out known bots; what is shown is on the line that it names."""
    found = 0
    for path in sorted((CORPUS / "robots").iterdir()):
        body = path.read_bytes()
        for signal in READER.parse(robots(body), AGENT).on(target()).signals:
            found += 1
            if b"\0" not in body and b"\r" not in body.replace(b"\r\n", b""):
                line = body.split(b"\n")[int(signal.evidence.at.removeprefix("line ")) - 1]
                assert signal.evidence.text.strip().encode() in line, path
    assert found > 0
