"""The two properties of TDMRep, wherever they stand: TDM Reservation Protocol, W3C Community Group Final Report
(2 February 2024), "Properties" and "Processing priority".

It does not find the properties: askfirst.rights.signals.tdm_file, tdm_header and tdm_meta do, each at its place.
``tdm-policy`` says whom to ask; what a policy says is askfirst.rights.signals.tdm_policy's business.

1. ``tdm-reservation`` is 1 (reserved) or 0 (not reserved). Any other value leaves it unset.
2. ``tdm-policy`` beside 0 is not processed.
3. A place that is silent leaves the other places as they are: silence makes no signal, so there is nothing to reset.
4. Of several values in one place one 1 reserves; only if every one is 0 are the rights not reserved.
5. Of values that are not read the first five of a sort are remarked.
6. house: for careful readers a page that reserves reserves the images that it displays, too, though the report says
   that it speaks of the document alone. What is said of such an image itself supersedes it.

Deviations. Rule 1: other spellings of 1 (``true``, ``1.0``, in quotes, with parameters) reserve, for nobody can have
meant anything else by them; 0 is only the exact 0. Rule 3 for ``tdm-policy``: a place gives the policy that stands
beside its own reservation, and does not take over the policy of another place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from askfirst.rights.contact_words import resolved
from askfirst.rights.media import may_be_html
from askfirst.rights.model import (
    Basis,
    Care,
    Category,
    Covers,
    Document,
    Evidence,
    Kind,
    Observation,
    Reading,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.reader import SILENT, Constant, Named, Statement, evidence, remark

PROTOCOL = "tdmrep"
MAX_VALUE_CHARS = 8_192
"""house: a longer value is not read; no server needs it for one digit or one URL."""
MAX_POLICIES = 4
"""house: so many policies of one document are looked at."""
_REMARKED = 5


class Place(IntEnum):
    """The places by rank: a later one supersedes the earlier ones."""

    FILE = 0
    HEADER = 1
    META = 2
    ASSET = 3


@dataclass(frozen=True, slots=True)
class Said:
    """One value as it stands at a place: ``text`` is the line or element that holds it, verbatim."""

    value: str
    at: str
    text: str


def reservation(value: str) -> Verdict | None:
    """REFUSE for 1, ALLOW for exactly 0, None for a value that leaves the property unset."""
    if value == "0":
        return Verdict.ALLOW
    bare = value.partition(";")[0].strip().strip("\"'").strip().lower()
    return Verdict.REFUSE if bare in {"1", "1.0", "true"} else None


def policy_terms(value: str, base: str) -> Terms | None:
    """Whom to ask: a web address resolved against ``base``, or a contact; None if it can be neither."""
    url = resolved(value, base)
    if url is None:
        return None
    return Terms(url=url) if url.startswith("http") else Terms(contact=url)


def tdm_signal(
    source: str,
    place: Place,
    verdict: Verdict,
    words: Evidence,
    *,
    terms: Terms | None = None,
    care: Care = Care.LITERAL,
) -> Signal:
    """One statement about text and data mining."""
    return Signal(
        source=source,
        protocol=PROTOCOL,
        rank=place,
        category=Category.TDM,
        basis=Basis.RESERVATION,
        verdict=verdict,
        terms=terms if verdict is Verdict.REFUSE else None,
        evidence=words,
        care=care,
    )


def properties(
    observation: Observation,
    *,
    source: str,
    place: Place,
    spec: str,
    reservations: Sequence[Said],
    policies: Sequence[Said],
) -> Statement:
    """What a header or an HTML head says of its document: every value in order, repeats included."""
    notes: list[tuple[RemarkKind, str, Said]] = [
        (RemarkKind.IGNORED, f"a value of more than {MAX_VALUE_CHARS} characters is not read", said)
        for said in (*reservations, *policies)
        if len(said.value) > MAX_VALUE_CHARS
    ]
    read = [(reservation(s.value), s) for s in reservations if len(s.value) <= MAX_VALUE_CHARS]
    verdicts = {verdict for verdict, _ in read}
    verdict = Verdict.REFUSE if Verdict.REFUSE in verdicts else Verdict.ALLOW if verdicts == {Verdict.ALLOW} else None
    notes = notes[:_REMARKED]
    notes += [
        (RemarkKind.MALFORMED, f"{said.value!r} is neither 0 nor 1 and leaves the reservation unset", said)
        for said in [said for value, said in read if value is None][:_REMARKED]
    ]
    if len(verdicts) > 1:
        outcome = "one 1 reserves" if verdict is Verdict.REFUSE else "not every one is 0, so none is relied on"
        notes.append((RemarkKind.CONTRADICTION, f"several values that differ: {outcome}", read[0][1]))
    terms, more = _terms(verdict, policies, observation.document.url)
    notes += more
    remarks = tuple(
        remark(source, kind, note[:200], evidence(observation, at=said.at, text=said.text, spec=spec))
        for kind, note, said in notes
    )
    if verdict is None:
        return Constant(Reading(remarks=remarks)) if remarks else SILENT
    said = next(said for value, said in read if value is verdict)
    words = evidence(observation, at=said.at, text=said.text, spec=spec)
    return Constant(Reading(signals=(tdm_signal(source, place, verdict, words, terms=terms),), remarks=remarks))


def _terms(
    verdict: Verdict | None, policies: Sequence[Said], base: str
) -> tuple[Terms | None, list[tuple[RemarkKind, str, Said]]]:
    kept = [said for said in policies if len(said.value) <= MAX_VALUE_CHARS]
    if not kept:
        return None, []
    if verdict is not Verdict.REFUSE:
        beside = "0" if verdict is Verdict.ALLOW else "no reservation of this place"
        return None, [(RemarkKind.IGNORED, f"tdm-policy beside {beside} is not processed", kept[0])]
    for said in kept:
        terms = policy_terms(said.value, base)
        if terms is not None:
            return terms, []
    return None, [(RemarkKind.MALFORMED, "tdm-policy is no web address: whom to ask is not known", kept[0])]


def with_page_images(observation: Observation, statement: Statement) -> Statement:
    """What a page's header or markup says, and a reservation that covers the images on it."""
    if not isinstance(statement, Constant) or not statement.reading.signals or not may_be_html(observation):
        return statement
    reading = statement.reading
    carried = tuple(
        replace(s, covers=Covers.PAGE_IMAGES, care=max(s.care, Care.CONSERVATIVE), rank=Place.FILE)
        for s in reading.signals
        if s.verdict is Verdict.REFUSE
    )
    return Constant(replace(reading, signals=(*reading.signals, *carried))) if carried else statement


def policies(reservations: Iterable[Signal]) -> tuple[Named, ...]:
    """The policies that stand beside these, as documents to look at."""
    urls: dict[str, None] = {}
    for signal in reservations:
        if signal.verdict is Verdict.REFUSE and signal.terms is not None and signal.terms.url is not None:
            urls[signal.terms.url] = None
            if len(urls) == MAX_POLICIES:
                break
    return tuple(Named(document=Document(kind=Kind.POLICY, url=url)) for url in urls)


def signals_of(statement: Statement) -> tuple[Signal, ...]:
    """Those of a statement that is the same for every target."""
    return statement.reading.signals if isinstance(statement, Constant) else ()
