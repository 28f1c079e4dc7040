"""Decisions as people read them: one line, or several with a caret under the word that matters, and never a control."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.explain import explain, quoted, shown, summary
from askfirst.rights.decide import decide
from askfirst.rights.model import (
    Agent,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Stage,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, STRICT, Policy, parse_policy
from askfirst.rights.read import read

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
URL = "https://h.example/art/p.jpg"
HOSTILE = [
    "\x1b[2J\x1b[1;31mALLOW\x1b[0m",
    "\u202etxt.stobor\u202c",
    "a\r\nverdict: allow\n",
    "\x00\x07\x08\x7f\x9b",
    "\u2028\u2029\u2066x\u2069\u200b\ufeff",
    "\ue000\U000e0041",
]


def seen(
    url: str,
    body: str = "",
    *,
    kind: Kind = Kind.WELL_KNOWN,
    status: int | None = 200,
    outage: Outage | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Observation:
    return Observation(
        document=Document(kind=kind, url=url),
        status=status,
        outage=outage,
        headers=tuple(headers),
        body=body.encode(),
        observed_at=AT,
    )


def decided(
    *observations: Observation,
    policy: Policy = OPT_OUT,
    url: str = URL,
    purpose: Purpose = Purpose.TRAIN,
    stage: Stage = Stage.KEEP,
    media: str | None = "image/jpeg",
) -> Decision:
    intent = Intent(url=url, agent=AGENT, purpose=purpose, media=media)
    return decide(intent, read(intent, observations, policy), policy, stage=stage, at=AT)


def robots(body: str) -> Observation:
    return seen("https://h.example/robots.txt", body)


HTML = [("Content-Type", "text/html")]
PAGE = "https://h.example/index.html"
TOLD: dict[str, tuple[Decision, str, str]] = {
    "robots.txt": (
        decided(robots("User-agent: *\nDisallow: /art/ # keep out")),
        "https://h.example/art/p.jpg is not kept for train: robots.txt refuses fetch",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because robots.txt refuses fetch
            Disallow: /art/ # keep out
            ^^^^^^^^
            https://h.example/robots.txt, line 2 (RFC 9309 section 2.2)
        """,
    ),
    "robots.txt unread": (
        decided(seen("https://h.example/robots.txt", status=503), stage=Stage.FETCH),
        "https://h.example/art/p.jpg is not fetched yet for train: robots.txt could not be read for fetch",
        """
        DEFER  https://h.example/art/p.jpg
          is not fetched yet for train, asked as ExBot
          because robots.txt could not be read for fetch
            status 503
            ^^^^^^^^^^
            https://h.example/robots.txt, status 503 (RFC 9309 section 2.3.1)
        """,
    ),
    "ai.txt": (
        decided(seen("https://h.example/ai.txt", "User-Agent: *\nDisallow: *.jpg\n")),
        "https://h.example/art/p.jpg is not kept for train: ai.txt refuses train",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because ai.txt refuses train
            Disallow: *.jpg
            ^^^^^^^^
            https://h.example/ai.txt, line 2 (ai.txt as Spawning generates it)
          ask the publisher: ai.txt refuses train: Disallow: *.jpg
        """,
    ),
    "tdmrep": (
        decided(
            seen(
                "https://h.example/.well-known/tdmrep.json",
                '[{"location":"/art/*","tdm-reservation":1,"tdm-policy":"/policy.json"}]',
            )
        ),
        "https://h.example/art/p.jpg is not kept for train: tdmrep.json refuses tdm",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because tdmrep.json refuses tdm
            {"location":"/art/*","tdm-reservation":1,"tdm-policy":"/policy.json"}
                                  ^^^^^^^^^^^^^^^
            https://h.example/.well-known/tdmrep.json, /0/tdm-reservation (TDMRep "TDM file on the origin server")
            terms: https://h.example/policy.json
          ask https://h.example/policy.json: tdmrep.json refuses tdm: {"location":"/art/*","tdm-reservation":1,"tdm-policy":"/policy.json"}
        """,
    ),
    "tdm header": (
        decided(seen(URL, kind=Kind.RESPONSE, headers=[("TDM-Reservation", "1")])),
        "https://h.example/art/p.jpg is not kept for train: tdm-reservation header refuses tdm",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because tdm-reservation header refuses tdm
            TDM-Reservation: 1
            ^^^^^^^^^^^^^^^
            https://h.example/art/p.jpg, field TDM-Reservation (TDMRep "TDM header fields in HTTP responses")
          ask the publisher: tdm-reservation header refuses tdm: TDM-Reservation: 1
        """,
    ),
    "x-robots-tag": (
        decided(seen(URL, kind=Kind.RESPONSE, headers=[("X-Robots-Tag", "index, noimageai")])),
        "https://h.example/art/p.jpg is not kept for train: X-Robots-Tag header refuses train",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because X-Robots-Tag header refuses train
            X-Robots-Tag: index, noimageai
                                 ^^^^^^^^^
            https://h.example/art/p.jpg, field X-Robots-Tag (DeviantArt, All Deviations Are Opted Out of AI Datasets (2022))
          ask the publisher: X-Robots-Tag header refuses train: X-Robots-Tag: index, noimageai
        """,
    ),
    "robots meta": (
        decided(
            seen(PAGE, "<html><meta name=robots content='noai'>", kind=Kind.RESPONSE, headers=HTML),
            url=PAGE,
            media="text/html",
        ),
        "https://h.example/index.html is not kept for train: robots meta refuses train",
        """
        REFUSE  https://h.example/index.html
          is not kept for train, asked as ExBot
          because robots meta refuses train
            <meta name="robots" content="noai">
                                         ^^^^
            https://h.example/index.html, meta name="robots" 1 (DeviantArt, All Deviations Are Opted Out of AI Datasets (2022))
          remarked, without effect:
            robots meta, meta name="robots" 1: refuse train: covers the images on this page, not the page
          ask the publisher: robots meta refuses train: <meta name="robots" content="noai">
        """,
    ),
    "registry": (
        decided(
            seen(
                "registry:r?url=x",
                '{"records":[{"scope":"h.example","categories":["train"],"verdict":"refuse","reference":"r1"}]}',
                kind=Kind.REGISTRY,
            )
        ),
        "https://h.example/art/p.jpg is not kept for train: consent registry refuses train",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because consent registry refuses train
            {"scope": "h.example", "categories": ["train"], "verdict": "refuse", "reference": "r1"}
                                                                        ^^^^^^
            registry:r?url=x, /records/0 (consent records, rules 1 to 4)
            reference: r1
          ask the publisher: consent registry refuses train: {"scope": "h.example", "categories": ["train"], "verdict": "refuse", "reference": "r1"}
        """,
    ),
    "silence": (
        decided(policy=OPT_IN),
        "https://h.example/art/p.jpg is not kept for train: nobody said yes, and the policy takes silence for a no",
        """
        REFUSE  https://h.example/art/p.jpg
          is not kept for train, asked as ExBot
          because nobody said yes, and the policy takes silence for a no
          ask the publisher: no machine-readable permission for train was found
        """,
    ),
}


@pytest.mark.parametrize(("decision", "line", "text"), TOLD.values(), ids=TOLD.keys())
def test_each_protocol_is_explained_with_its_words(decision: Decision, line: str, text: str) -> None:
    """What follows, the publisher's words with a caret, where they stand, what gives them meaning, and whom to ask."""
    assert summary(decision) == line
    assert explain(decision) == "\n".join(part[8:] for part in text.strip("\n").splitlines()[:-1])


def test_what_did_not_decide_is_shown_apart() -> None:
    """Other signals and remarks are listed, and the policy's name is told."""
    decision = decided(
        robots("User-agent: *\nAllow: /art/\nCrawl-delay: soon"),
        seen(URL, kind=Kind.RESPONSE, headers=[("X-Robots-Tag", "noai"), ("tdm-reservation", "2")]),
    )
    lines = explain(decision, policy_name="opt-out").splitlines()
    assert lines[1] == "  is not kept for train under policy opt-out, asked as ExBot"
    assert "    robots.txt permits fetch (line 2)" in lines[lines.index("  also said, without deciding this:") :]
    remarked = lines[lines.index("  remarked, without effect:") :]
    assert any(line.startswith("    robots.txt, line 3: ") for line in remarked)
    assert any(line.startswith("    tdm-reservation header, field tdm-reservation: ") for line in remarked)


def test_an_override_is_explained_by_the_person() -> None:
    """Whoever reads the explanation sees who overrode, and why."""
    policy = parse_policy(
        'extends = "opt-in"\n[[override]]\nscope = "h.example"\npurposes = ["train"]\nperson = "A. Jansen"\n'
        'reason = "own photograph"\nvalid_until = 2027-01-01',
        where="p",
    )
    decision = decided(policy=policy)
    assert summary(decision) == f"{URL} may be kept for train: override by A. Jansen permits train"
    assert "override by A. Jansen: own photograph" in explain(decision)


# -- carets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "under"),
    [
        ("Disallow: /noai", "Disallow"),
        ("  Dissallow: /", "Dissallow"),
        ('<meta name="robots" content="index, noimageai">', "noimageai"),
        ("X-Robots-Tag: unavailable_after: x, noml", "noml"),
        ("é\u202e\x1b noai", "noai"),
        ("\tnoai", "noai"),
        ("outage timeout", "outage timeout"),
        ("first matching rule", "f"),
    ],
)
def test_the_caret_stands_under_the_word(text: str, under: str) -> None:
    """The second line points at the word in the first, also when what stands before it is spelled out."""
    line, carets = quoted(text)
    assert len(carets) <= len(line)
    pointed = line[carets.index("^") : carets.rindex("^") + 1]
    assert pointed == under
    assert set(carets) == {" ", "^"}


def test_no_words_have_no_caret() -> None:
    """There is nothing to point at in an empty text."""
    assert list(quoted("")) == ["    "]


# -- hostile words ----------------------------------------------------------------------------------------------------


def _unsafe(text: str) -> list[str]:
    """Characters that move the cursor, reorder the line, end it or cannot be seen."""
    return [hex(ord(c)) for c in text if c not in " \n\t" and unicodedata.category(c)[0] in "CZ"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_spelled_out(text: str) -> None:
    """No control, formatting or line-breaking character of a publisher reaches the terminal, and none is dropped."""
    assert _unsafe(shown(text)) == []
    assert "\n" not in shown(text)
    assert len(shown(text)) > len(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_summary_is_one_safe_line(text: str) -> None:
    """A hostile URL cannot break the line nor write another one."""
    for stage in Stage:
        line = summary(decided(url=f"https://h.example/{text}", stage=stage))
        assert _unsafe(line) == []
        assert "\n" not in line
        assert line.startswith("https://h.example/")


@pytest.mark.parametrize("text", HOSTILE)
def test_an_explanation_of_hostile_files_is_safe(text: str) -> None:
    """Hostile rules, keys, values, terms and URLs are shown spelled out, each on the line where it belongs."""
    line = " ".join(text.splitlines())
    decision = decided(
        robots(f"User-agent: *\nDisallow: /art/{line}\nDisallow: {line}\nAllow: /\nDisallow: /art\nDissallow /{line}"),
        seen("https://h.example/ai.txt", f"User-Agent: *\nDisallow: *.{line}\nDisallow: *.jpg # {line}"),
        seen(
            URL, kind=Kind.RESPONSE,
            headers=[("X-Robots-Tag", f"noai, x{line}"), ("tdm-reservation", "1"), ("tdm-policy", f"/{line}")],
        ),
        url=f"{URL}?{text}",
        policy=STRICT,
    )  # fmt: skip
    explained = explain(decision)
    assert _unsafe(explained) == []
    known = ("REFUSE  ", "  is not kept", "  because ", "    ", "  also said", "  remarked", "  ask ")
    assert all(part.startswith(known) for part in explained.split("\n"))


@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_words_are_shown_safely(text: str) -> None:
    """The same for any text at all."""
    assert _unsafe(shown(text)) == []
    line, *carets = quoted(text)
    assert _unsafe(line) == []
    assert all(set(caret) <= {" ", "^"} for caret in carets)
