"""Words that cannot both be meant: one place permits what another refuses.

It weighs nothing: which of the two wins is for decide. It finds those of the signals that counted, superseded ones
included, and names each pair of places once.

1. Two signals contradict each other in one category, or where a reservation of text and data mining stands against a
   permission to train or to use as input, which are kinds of it (docs/adr/0008).
2. Access is no use: a closed path and a permission for a use do not contradict each other.
3. house: what one place says of itself twice is remarked by its reader, and is no contradiction of two places.
4. house: consent is an answer to a reservation. A grant in a registry or among the operator's papers contradicts what
   the site says only where both are about the same category, so that a reviewer sees which words it set aside.
"""

from __future__ import annotations

from collections.abc import Iterable

from askfirst.rights.model import Basis, Category, Contradiction, Signal, Verdict

MAX_FOUND = 20
_KINDS_OF_MINING = frozenset({Category.TRAIN, Category.TRAIN_GENERATIVE, Category.AI_INPUT})
_TRAINING = frozenset({Category.TRAIN, Category.TRAIN_GENERATIVE})


def contradictions(signals: Iterable[Signal]) -> tuple[Contradiction, ...]:
    """The first twenty pairs of places that contradict each other, each once."""
    listed = [s for s in signals if s.category is not Category.FETCH and s.basis is not Basis.ACCESS_RULE]
    permits = {(_place(s), s.category): s for s in reversed(listed) if s.verdict is Verdict.ALLOW}
    if not permits:
        return ()
    # by category, so that thousands which are about something else are not compared
    refuses: dict[Category, dict[object, Signal]] = {}
    for no in listed:
        if no.verdict is Verdict.REFUSE:
            refuses.setdefault(no.category, {}).setdefault(_place(no), no)
    found: dict[tuple[object, object], Contradiction] = {}
    for (there, category), yes in reversed(permits.items()):
        for refused, places in refuses.items():
            if not _collide(category, refused):
                continue
            for here, no in places.items():
                if here != there and (there, here) not in found:
                    found[there, here] = Contradiction(about=refused, permits=yes, refuses=no)
                    if len(found) == MAX_FOUND:
                        return tuple(found.values())
    return tuple(found.values())


def _place(signal: Signal) -> tuple[str, str, str, str]:
    words = signal.evidence
    return signal.source, words.document_url, words.digest, words.at


def _collide(permitted: Category, refused: Category) -> bool:
    if permitted is refused or (refused is Category.TDM and permitted in _KINDS_OF_MINING):
        return True
    return permitted in _TRAINING and refused in _TRAINING


def in_words(found: Contradiction) -> str:
    """One line that names both places and shows both sides' words."""
    yes, no = found.permits, found.refuses
    return (
        f"{yes.source} permits {yes.category} ({yes.evidence.text[:80]!r}), "
        f"{no.source} refuses {no.category} ({no.evidence.text[:80]!r})"
    )
