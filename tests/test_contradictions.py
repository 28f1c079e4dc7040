"""Contradictions and contacts: named, shown, and without weight."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from askfirst.explain import explain
from askfirst.replay import answer, decide_line
from askfirst.rights.contradictions import contradictions, in_words
from askfirst.rights.decide import decide
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Contact,
    Covers,
    Evidence,
    Intent,
    Nearness,
    Purpose,
    Reading,
    Signal,
    Stage,
    Terms,
    Verdict,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES
from askfirst.rights.record import parse_line
from askfirst.rights.wire import canonical, decision_line

AT = datetime(2026, 11, 24, tzinfo=UTC)
INTENT = Intent(
    url="https://h.example/p",
    agent=Agent(product_token="ExBot", user_agent="ExBot/1.0"),
    purpose=Purpose.TRAIN,
)


def words(at: str, url: str = "https://h.example/p") -> Evidence:
    return Evidence(document_url=url, digest="sha256:" + "0" * 64, at=at, text=f"words at {at}", spec="s")


def signal(verdict: Verdict, category: Category, at: str, **more: object) -> Signal:
    members: dict[str, object] = {"protocol": at, "basis": Basis.RESERVATION, "source": at, **more}
    return Signal(verdict=verdict, category=category, evidence=words(at), **members)  # type: ignore[arg-type]


def contact(source: str, nearness: Nearness, **more: str) -> Contact:
    return Contact(source=source, nearness=nearness, evidence=words(source), **more)


YES_TDM = signal(Verdict.ALLOW, Category.TDM, "tdm file")
NO_TRAIN = signal(Verdict.REFUSE, Category.TRAIN, "content signal")


@pytest.mark.parametrize(
    ("yes", "no", "found"),
    [
        (Category.TDM, Category.TDM, True),
        (Category.TRAIN, Category.TDM, True),
        (Category.AI_INPUT, Category.TDM, True),
        (Category.TRAIN_GENERATIVE, Category.TRAIN, True),
        (Category.SEARCH, Category.TRAIN, False),
        (Category.TDM, Category.TRAIN, False),
        (Category.SEARCH, Category.TDM, False),
        (Category.FETCH, Category.FETCH, False),
    ],
)
def test_what_contradicts_what(yes: Category, no: Category, found: bool) -> None:
    """The same category, or a use that text and data mining is the name of."""
    listed = [signal(Verdict.ALLOW, yes, "a"), signal(Verdict.REFUSE, no, "b")]
    assert bool(contradictions(listed)) is found
    assert bool(contradictions(reversed(listed))) is found


def test_each_pair_of_places_is_named_once_with_both_sides_words() -> None:
    """Three refusals in one place are one contradiction."""
    no = [signal(Verdict.REFUSE, c, "b") for c in (Category.TDM, Category.TRAIN, Category.AI_INPUT)]
    found = contradictions([signal(Verdict.ALLOW, Category.TRAIN, "a"), *no])
    assert len(found) == 1
    assert "words at a" in in_words(found[0])
    assert "words at b" in in_words(found[0])


def test_thousands_of_signals_give_at_most_twenty() -> None:
    """The list is bounded."""
    many = [signal(Verdict.ALLOW, Category.TDM, f"y{i}") for i in range(200)]
    assert len(contradictions([*many, *(signal(Verdict.REFUSE, Category.TDM, f"n{i}") for i in range(200))])) == 20


def test_the_pairs_that_people_publish() -> None:
    """Header against meta, file against header: both words stand in the decision, its log line and its explanation."""
    line = {
        "url": "https://h.example/p",
        "purpose": "tdm",
        "policy": "opt-in",
        "observations": [
            {"url": "https://h.example/.well-known/tdmrep.json", "body": '[{"location":"/","tdm-reservation":1}]'},
            {
                "url": "https://h.example/p",
                "headers": [["Content-Type", "text/html"], ["tdm-reservation", "0"]],
                "body": '<meta name="tdm-reservation" content="1">',
            },
        ],
    }
    decision = decide_line(line)
    assert decision.verdict is Verdict.REFUSE
    pairs = {(c.permits.source, c.refuses.source) for c in decision.contradictions}
    assert pairs == {
        ("tdm-reservation header", "tdm-reservation meta"),
        ("tdm-reservation header", "tdmrep.json"),
    }
    assert parse_line(decision_line(decision)).decision.contradictions == decision.contradictions
    shown = explain(decision)
    assert "contradicting each other" in shown
    assert "tdm-reservation: 0" in shown
    told = msgspec.json.decode(canonical(answer(decision)))
    assert len(told["contradictions"]) == 2
    assert "permits tdm" in decision.ask[0].note  # type: ignore[operator]


def test_a_superseded_word_is_still_contradicted() -> None:
    """What a narrower place took back stays visible beside what took it back."""
    line = {
        "url": "https://h.example/p",
        "purpose": "tdm",
        "policy": "opt-in",
        "observations": [
            {"url": "https://h.example/.well-known/tdmrep.json", "body": '[{"location":"/","tdm-reservation":1}]'},
            {"url": "https://h.example/p", "headers": [["tdm-reservation", "0"]]},
        ],
    }
    decision = decide_line(line)
    assert decision.verdict is Verdict.ALLOW
    assert len(decision.contradictions) == 1


def test_the_nearest_contact_is_asked_and_terms_of_the_protocol_come_first() -> None:
    """The refusal's own terms, then the contact in the terms of its protocol, then the nearest."""
    no = signal(Verdict.REFUSE, Category.TDM, "tdm", protocol="tdmrep")
    found = [
        contact("security.txt", Nearness.LAST_RESORT, address="mailto:security@h.example"),
        contact("page", Nearness.PAGE, address="mailto:page@h.example", name="Page"),
        contact("policy", Nearness.TERMS, protocol="tdmrep", address="mailto:rights@h.example", note="obtainConsent"),
        contact("other license", Nearness.TERMS, protocol="rsl", address="mailto:rsl@h.example"),
        contact("work", Nearness.WORK, terms_url="https://h.example/license"),
    ]
    for order in (found, found[::-1]):
        ask = decide(INTENT, Reading(signals=(no,), contacts=tuple(order)), OPT_OUT, stage=Stage.KEEP, at=AT).ask[0]
        assert (ask.contact, ask.name, ask.note) == ("mailto:rights@h.example", "Page", "obtainConsent")
        assert ask.terms_url == "https://h.example/license"
    own = signal(Verdict.REFUSE, Category.TDM, "tdm", protocol="tdmrep", terms=Terms(contact="mailto:me@h.example"))
    asked = decide(INTENT, Reading(signals=(own,), contacts=tuple(found)), OPT_OUT, stage=Stage.KEEP, at=AT).ask[0]
    assert asked.contact == "mailto:me@h.example"


def test_silence_asks_whom_is_published() -> None:
    """Under opt-in, who is silent about use and not about themselves can be asked."""
    found = (contact("security.txt", Nearness.LAST_RESORT, address="mailto:security@h.example"),)
    ask = decide(INTENT, Reading(contacts=found), OPT_IN, stage=Stage.KEEP, at=AT).ask[0]
    assert (ask.about, ask.contact) == ("silence", "mailto:security@h.example")


@pytest.mark.parametrize("policy", PROFILES.values(), ids=PROFILES)
def test_a_contact_weighs_nothing(policy: object) -> None:
    """No contact changes a verdict; it does change the id, because it was read."""
    for signals in ((), (YES_TDM,), (NO_TRAIN,), (YES_TDM, NO_TRAIN)):
        found = (contact("page", Nearness.PAGE, address="mailto:a@h.example"),)
        without = decide(INTENT, Reading(signals=signals), policy, stage=Stage.KEEP, at=AT)  # type: ignore[arg-type]
        with_it = decide(INTENT, Reading(signals=signals, contacts=found), policy, stage=Stage.KEEP, at=AT)  # type: ignore[arg-type]
        assert (without.verdict, without.because) == (with_it.verdict, with_it.because)
        assert without.id != with_it.id


def test_what_is_said_of_images_is_listed_and_does_not_bind_the_page() -> None:
    """Replay lists it with its covers; what would not count for the images is left out."""
    for_images = signal(Verdict.REFUSE, Category.TRAIN, "meta", covers=Covers.PAGE_IMAGES)
    strictly = signal(Verdict.REFUSE, Category.TRAIN, "other", covers=Covers.PAGE_IMAGES, care=Care.STRICT)
    decision = decide(INTENT, Reading(signals=(for_images, strictly)), OPT_OUT, stage=Stage.KEEP, at=AT)
    assert decision.verdict is Verdict.ALLOW
    told = msgspec.json.decode(canonical(answer(decision)))
    assert [(s["covers"], s["source"]) for s in told["signals"]] == [("page-images", "meta")]


def test_thousands_that_are_about_something_else_are_not_compared() -> None:
    """Four thousand permissions to search beside as many refusals of training, from places of their own."""
    yes = [signal(Verdict.ALLOW, Category.SEARCH, f"y{i}") for i in range(4_000)]
    no = [signal(Verdict.REFUSE, Category.TRAIN, f"n{i}") for i in range(4_000)]
    assert contradictions([*yes, *no]) == ()
    assert len(contradictions([*yes, *no, signal(Verdict.REFUSE, Category.SEARCH, "n0")])) == 20


def test_the_first_words_of_a_place_are_those_that_are_shown() -> None:
    """Two permissions in one place: the pair shows the one that stands first."""
    first = signal(Verdict.ALLOW, Category.TDM, "a")
    second = replace(first, rank=5)
    (found,) = contradictions([first, second, signal(Verdict.REFUSE, Category.TDM, "b")])
    assert found.permits is first
