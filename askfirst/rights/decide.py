"""THE decision: one function decides, and everything else reads, carries or shows.

1. **count**: signals that the policy logs, that are more suspicious than it is, that have run out, or that speak of
   something else than the resource itself are set aside, as remarks.
2. **settle**: within one protocol (of registries: one registry) and category the highest rank supersedes. Absence never
   resets, because absence is no signal. A DEFER never supersedes a statement. An access rule is never superseded. Under
   strict care only a refusal supersedes.
3. **lift**: a consent for this job lifts preferences, reservations and licence demands that are not its own registry's
   equally narrow word; never an access rule, never a failed look at one.
4. **join**: over the categories that can refuse the job, the largest verdict. If that is ALLOW, a permit in the
   categories that can permit the job gives ALLOW because of it; otherwise the policy answers silence.

See docs/adr/0003. The laws stand as property tests in tests/test_laws.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from askfirst.rights.contradictions import contradictions, in_words
from askfirst.rights.model import (
    Ask,
    Basis,
    Care,
    Category,
    Contact,
    Contradiction,
    Covers,
    Decision,
    Intent,
    Purpose,
    Reading,
    Remark,
    RemarkKind,
    Ruling,
    Signal,
    Stage,
    Verdict,
)
from askfirst.rights.policy import PAPERS, Mode, Policy
from askfirst.rights.wire import decision_id, ruling_digest

C = Category
REFUSED_BY: Mapping[Purpose, frozenset[Category]] = {
    Purpose.SEARCH: frozenset({C.FETCH, C.SEARCH}),
    Purpose.AI_INPUT: frozenset({C.FETCH, C.TDM, C.AI_INPUT}),
    Purpose.TDM: frozenset({C.FETCH, C.TDM}),
    Purpose.TRAIN: frozenset({C.FETCH, C.TDM, C.TRAIN, C.TRAIN_GENERATIVE}),
    Purpose.TRAIN_GENERATIVE: frozenset({C.FETCH, C.TDM, C.TRAIN, C.TRAIN_GENERATIVE}),
}
"""A refusal in which categories refuses the job."""

PERMITTED_BY: Mapping[Purpose, frozenset[Category]] = {
    Purpose.SEARCH: frozenset({C.SEARCH}),
    Purpose.AI_INPUT: frozenset({C.AI_INPUT}),
    Purpose.TDM: frozenset({C.TDM}),
    Purpose.TRAIN: frozenset({C.TRAIN}),
    Purpose.TRAIN_GENERATIVE: frozenset({C.TRAIN, C.TRAIN_GENERATIVE}),
}
"""A permission in which categories permits the job."""


def decide(intent: Intent, reading: Reading, policy: Policy, *, stage: Stage, at: datetime) -> Decision:
    """What follows for this act. Its ``id`` depends on the intent, the reading and the policy alone."""
    return on_occasion(intent, rule(intent.purpose, reading, policy, stage=stage, at=at), at=at)


def on_occasion(intent: Intent, ruling: Ruling, *, at: datetime) -> Decision:
    """A ruling, given for this intent at this time."""
    return Decision(id=decision_id(intent, ruling.digest), intent=intent, ruling=ruling, decided_at=at)


def rule(purpose: Purpose, reading: Reading, policy: Policy, *, stage: Stage, at: datetime) -> Ruling:
    """What follows from a reading, whatever the URL. The same until ``expires_at``."""
    counted, set_aside = count(reading.signals, policy, at)
    standing = lift(settle(counted, policy.care), purpose)
    verdict, because = join(standing, purpose)
    if verdict is Verdict.ALLOW and not because:
        verdict = policy.silence[stage]
    found = contradictions(counted)
    return Ruling(
        stage=stage,
        verdict=verdict,
        because=because,
        considered=counted,
        about_images=_about_images(reading, policy, at),
        remarks=_once(reading.remarks + set_aside),
        ask=_ask(purpose, verdict, because, counted, found, reading.contacts),
        contradictions=found,
        policy_digest=policy.digest,
        digest=ruling_digest(reading, purpose=purpose.value, stage=stage.value, policy_digest=policy.digest),
        expires_at=min((s.expires_at for s in counted if s.expires_at is not None), default=None),
    )


def count(signals: Iterable[Signal], policy: Policy, at: datetime) -> tuple[tuple[Signal, ...], tuple[Remark, ...]]:
    """The signals that weigh under the policy, and a remark for each that does not."""
    counted: dict[Signal, None] = {}
    aside: list[Remark] = []
    for signal in signals:
        why = _set_aside(signal, policy, at)
        if why is not None and replace(signal, covers=Covers.RESOURCE) in counted:
            continue  # the same words, which count for the page as well
        if why is None:
            counted[signal] = None
        else:
            kind, note = why
            aside.append(Remark(source=signal.source, kind=kind, note=note, evidence=signal.evidence))
    return tuple(counted), tuple(aside)


def _about_images(reading: Reading, policy: Policy, at: datetime) -> tuple[Signal, ...]:
    """What counts for the images on the page, and not for the page."""
    said = [s for s in reading.signals if s.covers is Covers.PAGE_IMAGES]
    return tuple(s for s in said if count((replace(s, covers=Covers.RESOURCE),), policy, at)[0])


def _set_aside(signal: Signal, policy: Policy, at: datetime) -> tuple[RemarkKind, str] | None:
    said = f"{signal.verdict.word} {signal.category}"
    if signal.protocol != PAPERS and policy.mode(signal.protocol) is not Mode.OBEY:
        return RemarkKind.NOT_COUNTED, f"{said}: the policy logs {signal.protocol} and does not obey it"
    if signal.covers is not Covers.RESOURCE:
        return RemarkKind.NOT_COUNTED, f"{said}: covers the images on this page, not the page"
    if signal.care > policy.care:
        return RemarkKind.NOT_COUNTED, f"{said}: counts only for {signal.care.name.lower()} readers"
    if signal.expires_at is not None and signal.expires_at <= at:
        return RemarkKind.EXPIRED, f"{said}: ran out at {signal.expires_at.isoformat()}"
    return None


def settle(signals: Iterable[Signal], care: Care) -> tuple[Signal, ...]:
    """Within one protocol and category, what the highest rank left standing."""
    listed = tuple(signals)
    highest: dict[tuple[str, Category], int] = {}
    for s in listed:
        supersedes = s.verdict is Verdict.REFUSE or (s.verdict is Verdict.ALLOW and care is not Care.STRICT)
        if supersedes:
            place = (voice(s), s.category)
            highest[place] = max(s.rank, highest.get(place, s.rank))
    return tuple(
        s for s in listed if s.basis is Basis.ACCESS_RULE or s.rank >= highest.get((voice(s), s.category), s.rank)
    )


_LIFTABLE = frozenset({Basis.PREFERENCE, Basis.RESERVATION, Basis.LICENCE})


def lift(signals: Iterable[Signal], purpose: Purpose) -> tuple[Signal, ...]:
    """What still binds after the consents for this job."""
    listed = tuple(signals)
    consents = [
        s
        for s in listed
        if s.basis is Basis.CONSENT and s.verdict is Verdict.ALLOW and s.category in PERMITTED_BY[purpose]
    ]
    return tuple(
        s
        for s in listed
        if s.verdict is Verdict.ALLOW
        or s.basis not in _LIFTABLE
        or not any(c.protocol != s.protocol or (c.rank > s.rank and voice(c) == voice(s)) for c in consents)
    )


def voice(signal: Signal) -> str:
    """Within what ranks compare: a protocol; of registries, one registry. How narrow one registry's word is says
    nothing about another's."""
    document = signal.evidence.document_url
    return document.partition("?")[0] if document.startswith("registry:") else signal.protocol


def join(signals: Iterable[Signal], purpose: Purpose) -> tuple[Verdict, tuple[Signal, ...]]:
    """The largest verdict and the signals that carry it; ALLOW because of nothing is silence."""
    listed = tuple(signals)
    binding = [s for s in listed if s.category in REFUSED_BY[purpose] and s.verdict is not Verdict.ALLOW]
    verdict = max((s.verdict for s in binding), default=Verdict.ALLOW)
    if verdict is not Verdict.ALLOW:
        return verdict, tuple(s for s in binding if s.verdict is verdict)
    return verdict, tuple(s for s in listed if s.category in PERMITTED_BY[purpose] and s.verdict is Verdict.ALLOW)


def _ask(
    purpose: Purpose,
    verdict: Verdict,
    because: tuple[Signal, ...],
    counted: tuple[Signal, ...],
    found: tuple[Contradiction, ...],
    contacts: tuple[Contact, ...],
) -> tuple[Ask, ...]:
    """Whom to ask: the contact in the refusal's own terms, or else the published one that is nearest to the work."""
    if verdict is not Verdict.REFUSE:
        return ()
    if not because:
        why = f"no machine-readable permission for {purpose} was found"
        return (_addressed(Ask(purpose=purpose, about="silence", why=why), None, contacts),)
    return tuple(
        dict.fromkeys(
            _addressed(
                Ask(
                    purpose=purpose,
                    about=s.source,
                    contact=None if s.terms is None else s.terms.contact,
                    terms_url=None if s.terms is None else s.terms.url,
                    note=next((in_words(c) for c in found if c.refuses is s), None),
                    why=f"{s.source} refuses {s.category}: {s.evidence.text}",
                ),
                s.protocol,
                [c for c in contacts if _stands_with(s, c, counted)],
            )
            for s in because
            if s.basis is not Basis.ACCESS_RULE
        ),
    )


def _stands_with(signal: Signal, contact: Contact, counted: tuple[Signal, ...]) -> bool:
    """Whether the contact may answer for the refusal. One in the terms of a protocol stands beside the refusal, or in
    the terms that it names, or, where it names none, in those that another place names for the same resource. A site
    may have several policies, of several people."""
    if contact.protocol is None:
        return True
    place = contact.evidence.document_url
    if signal.evidence.document_url == place:
        return True
    if signal.terms is not None and signal.terms.url is not None:
        return signal.terms.url in (place, contact.terms_url)
    return any(
        s.protocol == contact.protocol
        and (s.evidence.document_url == place or (s.terms is not None and s.terms.url == place))
        for s in counted
    )


def _addressed(ask: Ask, protocol: str | None, contacts: Sequence[Contact]) -> Ask:
    """What is not known yet of whom to ask, from the contacts: those of the same protocol first, then the nearest."""
    able = [c for c in contacts if c.protocol in (None, protocol)]
    for contact in sorted(able, key=_distance):
        # a note belongs to its own contact: to one that is taken, or to nobody in particular
        known = contact.address in (None, ask.contact or contact.address)
        known = known and contact.terms_url in (None, ask.terms_url or contact.terms_url)
        ask = replace(
            ask,
            contact=ask.contact or contact.address,
            terms_url=ask.terms_url or contact.terms_url,
            name=ask.name or contact.name,
            note=ask.note or (contact.note if known else None),
        )
    return ask


def _distance(contact: Contact) -> tuple[object, ...]:
    """INVARIANT: a total order, so that it does not matter in which order contacts were read."""
    words = contact.evidence
    return (
        contact.protocol is None, -contact.nearness, contact.source, words.document_url, words.at,
        contact.address or "", contact.terms_url or "", contact.name or "", contact.note or "",
    )  # fmt: skip


def _once(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    return tuple(dict.fromkeys(remarks))
