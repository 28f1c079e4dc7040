"""The six laws of the decision, as properties over every reading that can be built."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from askfirst.rights.decide import REFUSED_BY, decide
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Covers,
    Decision,
    Evidence,
    Intent,
    Purpose,
    Reading,
    Signal,
    Stage,
    Verdict,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES, STRICT, Mode, Policy

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
PROTOCOLS = ("robots.txt", "tdmrep", "x-robots-tag", "registry", "ai.txt")


def _signal(
    protocol: str, rank: int, category: Category, basis: Basis, verdict: Verdict, care: Care, at: str
) -> Signal:
    # Readers give consent only as a permission, and access rules only about fetching.
    if basis is Basis.CONSENT and verdict is not Verdict.ALLOW:
        basis = Basis.RESERVATION
    if basis is Basis.ACCESS_RULE:
        category = Category.FETCH
    words = Evidence(document_url="https://h/robots.txt", digest="sha256:0", at=at, text="words", spec="spec")
    return Signal(
        source=protocol,
        protocol=protocol,
        rank=rank,
        category=category,
        basis=basis,
        verdict=verdict,
        care=care,
        evidence=words,
    )


signals = st.builds(
    _signal,
    st.sampled_from(PROTOCOLS),
    st.integers(0, 3),
    st.sampled_from(Category),
    st.sampled_from(Basis),
    st.sampled_from(Verdict),
    st.sampled_from(Care),
    st.sampled_from(["line 1", "line 2"]),
)
readings = st.lists(signals, max_size=8).map(lambda found: Reading(signals=tuple(found)))
purposes = st.sampled_from(Purpose)
policies = st.sampled_from(sorted(PROFILES.values(), key=lambda policy: policy.name))
stages = st.sampled_from(Stage)


def answer(reading: Reading, purpose: Purpose, policy: Policy, stage: Stage) -> Decision:
    intent = Intent(url="https://h/p", agent=AGENT, purpose=purpose)
    return decide(intent, reading, policy, stage=stage, at=AT)


@given(readings, purposes, policies, stages, st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(
    reading: Reading, purpose: Purpose, policy: Policy, stage: Stage, chance: object
) -> None:
    """The same statements in another order, or said twice, give the same decision and the same id."""
    doubled = list(reading.signals) * 2
    chance.shuffle(doubled)  # type: ignore[attr-defined]  # a random.Random from hypothesis
    one = answer(reading, purpose, policy, stage)
    two = answer(Reading(signals=tuple(doubled)), purpose, policy, stage)
    assert (one.verdict, set(one.because), one.id) == (two.verdict, set(two.because), two.id)


@given(readings, purposes, policies, stages)
def test_because_was_considered_and_is_empty_only_for_silence(
    reading: Reading, purpose: Purpose, policy: Policy, stage: Stage
) -> None:
    """``because`` is a subset of what was considered; without it the policy answered, and with it the verdict is its."""
    decision = answer(reading, purpose, policy, stage)
    assert set(decision.because) <= set(decision.considered)
    if decision.because:
        assert {signal.verdict for signal in decision.because} == {decision.verdict}
    else:
        assert decision.verdict is policy.silence[stage]


@given(readings, purposes, policies, stages)
def test_a_refusing_access_rule_always_refuses(
    reading: Reading, purpose: Purpose, policy: Policy, stage: Stage
) -> None:
    """No consent, no permission and no rank lifts an access rule."""
    rule = _signal("robots.txt", 0, Category.FETCH, Basis.ACCESS_RULE, Verdict.REFUSE, Care.LITERAL, "line 9")
    decision = answer(replace(reading, signals=(*reading.signals, rule)), purpose, policy, stage)
    assert decision.verdict is Verdict.REFUSE
    assert rule in decision.because


@given(readings, signals, purposes, policies, stages)
def test_adding_a_refusal_never_loosens(
    reading: Reading, extra: Signal, purpose: Purpose, policy: Policy, stage: Stage
) -> None:
    """One more refusal leaves the verdict as it is or makes it stricter."""
    basis = Basis.RESERVATION if extra.basis is Basis.CONSENT else extra.basis
    refusal = replace(extra, verdict=Verdict.REFUSE, basis=basis)
    before = answer(reading, purpose, policy, stage)
    after = answer(replace(reading, signals=(*reading.signals, refusal)), purpose, policy, stage)
    assert after.verdict >= before.verdict


@given(readings, signals, purposes, policies, stages)
def test_adding_an_outage_never_loosens_what_a_signal_decided(
    reading: Reading, extra: Signal, purpose: Purpose, policy: Policy, stage: Stage
) -> None:
    """A place that could not be looked at never turns a decision that a signal carried into a milder one."""
    basis = Basis.RESERVATION if extra.basis is Basis.CONSENT else extra.basis
    outage = replace(extra, verdict=Verdict.DEFER, basis=basis)
    before = answer(reading, purpose, policy, stage)
    after = answer(replace(reading, signals=(*reading.signals, outage)), purpose, policy, stage)
    if before.because:
        assert after.verdict >= before.verdict


@given(purposes, policies, stages, st.lists(signals, max_size=6))
def test_silence_decides_only_through_the_policy(
    purpose: Purpose, policy: Policy, stage: Stage, found: list[Signal]
) -> None:
    """What speaks of other categories only is silence, and the policy answers it."""
    touching = REFUSED_BY[purpose] | {Category.TRAIN, Category(purpose.value)}
    elsewhere = tuple(signal for signal in found if signal.category not in touching)
    decision = answer(Reading(signals=elsewhere), purpose, policy, stage)
    assert decision.because == ()
    assert decision.verdict is policy.silence[stage]


@given(readings, purposes)
def test_stricter_profiles_keep_less(reading: Reading, purpose: Purpose) -> None:
    """What strict keeps because of a signal opt-in keeps, and so does opt-out, unless what they refuse is superseded."""
    single_rank = Reading(signals=tuple(replace(signal, rank=0) for signal in reading.signals))
    order = [answer(single_rank, purpose, policy, Stage.KEEP).verdict for policy in (OPT_OUT, OPT_IN, STRICT)]
    permissive = Reading(signals=tuple(replace(s, care=Care.LITERAL) for s in single_rank.signals))
    same = {answer(permissive, purpose, p, Stage.KEEP).verdict for p in (OPT_IN, STRICT)}
    assert len(same) == 1
    assert order[0] <= Verdict.REFUSE


def test_consent_lifts_a_reservation_but_not_a_failed_look_at_the_access_rule() -> None:
    """A consent for the job lifts a reservation; while robots.txt cannot be read the answer stays DEFER."""
    consent = _signal("operator", 5, Category.TRAIN, Basis.CONSENT, Verdict.ALLOW, Care.LITERAL, "licence[0]")
    reserved = _signal("tdmrep", 0, Category.TDM, Basis.RESERVATION, Verdict.REFUSE, Care.LITERAL, "/0")
    unread = _signal("robots.txt", 0, Category.FETCH, Basis.ACCESS_RULE, Verdict.DEFER, Care.LITERAL, "status 503")
    lifted = answer(Reading(signals=(consent, reserved)), Purpose.TRAIN, OPT_IN, Stage.KEEP)
    assert (lifted.verdict, lifted.because) == (Verdict.ALLOW, (consent,))
    waiting = answer(Reading(signals=(consent, reserved, unread)), Purpose.TRAIN, OPT_IN, Stage.KEEP)
    assert (waiting.verdict, waiting.because) == (Verdict.DEFER, (unread,))


def test_a_consent_for_another_job_lifts_nothing() -> None:
    """Consent to mining is not consent to training."""
    consent = _signal("registry", 5, Category.TDM, Basis.CONSENT, Verdict.ALLOW, Care.LITERAL, "/records/0")
    refusal = _signal("x-robots-tag", 0, Category.TRAIN, Basis.PREFERENCE, Verdict.REFUSE, Care.LITERAL, "field")
    decision = answer(Reading(signals=(consent, refusal)), Purpose.TRAIN, OPT_OUT, Stage.KEEP)
    assert (decision.verdict, decision.because) == (Verdict.REFUSE, (refusal,))


def test_equally_narrow_words_of_one_registry_do_not_lift_each_other() -> None:
    """A registry that grants and refuses the same scope refuses; a narrower grant beside a wider refusal permits."""
    grant = _signal("registry", 2, Category.TRAIN, Basis.CONSENT, Verdict.ALLOW, Care.LITERAL, "/records/0")
    refusal = _signal("registry", 2, Category.TRAIN, Basis.RESERVATION, Verdict.REFUSE, Care.LITERAL, "/records/1")
    equal = answer(Reading(signals=(grant, refusal)), Purpose.TRAIN, OPT_IN, Stage.KEEP)
    assert (equal.verdict, equal.because) == (Verdict.REFUSE, (refusal,))
    narrower = answer(Reading(signals=(replace(grant, rank=4), refusal)), Purpose.TRAIN, OPT_IN, Stage.KEEP)
    assert narrower.verdict is Verdict.ALLOW


def test_an_expired_consent_is_set_aside_as_a_remark() -> None:
    """A consent that has run out lifts nothing, and the record says so."""
    consent = _signal("registry", 2, Category.TRAIN, Basis.CONSENT, Verdict.ALLOW, Care.LITERAL, "/records/0")
    gone = replace(consent, expires_at=AT - timedelta(seconds=1))
    decision = answer(Reading(signals=(gone,)), Purpose.TRAIN, OPT_IN, Stage.KEEP)
    assert decision.verdict is Verdict.REFUSE
    assert [remark.kind.value for remark in decision.remarks] == ["expired"]
    alive = replace(consent, expires_at=AT + timedelta(seconds=1))
    kept = answer(Reading(signals=(alive,)), Purpose.TRAIN, OPT_IN, Stage.KEEP)
    assert (kept.verdict, kept.expires_at) == (Verdict.ALLOW, alive.expires_at)


def test_logged_signals_and_page_image_signals_do_not_weigh() -> None:
    """A signal that the policy only logs, or that covers the images on the page, is a remark."""
    refusal = _signal("x-robots-tag", 0, Category.TRAIN, Basis.PREFERENCE, Verdict.REFUSE, Care.LITERAL, "field")
    logging = replace(OPT_OUT, modes={"x-robots-tag": Mode.LOG})
    logged = answer(Reading(signals=(refusal,)), Purpose.TRAIN, logging, Stage.KEEP)
    assert (logged.verdict, len(logged.remarks)) == (Verdict.ALLOW, 1)
    images = replace(refusal, covers=Covers.PAGE_IMAGES)
    page = answer(Reading(signals=(images,)), Purpose.TRAIN, OPT_OUT, Stage.KEEP)
    assert (page.verdict, len(page.remarks)) == (Verdict.ALLOW, 1)
    assert logging.digest != OPT_OUT.digest
