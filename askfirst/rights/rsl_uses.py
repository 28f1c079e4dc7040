"""What the licenses of one RSL content say of one use, each for itself and together: RSL 1.0, sections 3.3 to 3.12.

Which contents count for a resource, and what becomes of them, is the matter of askfirst.rights.rsl_terms.

1. A license answers for each use: prohibited, on a condition, outside its closed list, or free.
2. What is prohibited is refused, whatever permits it (section 3.6). A list of ``permits`` is closed (section 3.5).
3. Several licenses of one content are several sets of terms (section 3.4): what one prohibits is refused, what one
   permits on a condition is refused with these terms, and the closed list of one takes nothing from another.
4. A condition is a payment that is not plainly free, a token server (also where it is free, section 3.3), encryption, a
   demand for reports (section 3.12), and any restriction to users or countries.
5. ``ai-index`` belongs to AI input: a prohibition of it refuses that. Mining is refused where training and AI input
   both are, and permitted where everything is.

house: a license that search meets on the way to AI (payment for training, for use in answers, by attribution, which a
search result gives, or of a type that RSL does not know) refuses search only to conservative readers. A list in the
words of older drafts closes nothing to literal readers that it may have meant to permit, and opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from askfirst.rights.model import Care, Category
from askfirst.rights.reader import writable
from askfirst.rights.rsl import Node, Usages, usages

_USERS: Final = frozenset({"commercial", "non-commercial", "education", "government", "personal"})
# what also asks a search engine to pay; of the others none is for what a search engine does
_PAYMENTS_FOR_ACCESS: Final = frozenset({"purchase", "subscription", "crawl", "contribution"})
_ZERO: Final = re.compile(r"0++(?:\.0*+)?+")


class Use(IntEnum):
    """The uses that a license speaks of."""

    SEARCH = 0
    AI_INPUT = 1
    TRAIN = 2
    TDM = 3


AI_USES: Final = (Use.TRAIN, Use.AI_INPUT, Use.TDM)
CATEGORIES: Final = {
    Use.SEARCH: (Category.SEARCH,),
    Use.AI_INPUT: (Category.AI_INPUT,),
    Use.TRAIN: (Category.TRAIN, Category.TRAIN_GENERATIVE),
    Use.TDM: (Category.TDM,),
}
_PERMITTED_BY: Final = {
    Use.SEARCH: frozenset({"all", "search"}),
    Use.AI_INPUT: frozenset({"all", "ai-all", "ai-input"}),
    Use.TRAIN: frozenset({"all", "ai-all", "ai-train"}),
    Use.TDM: frozenset({"all"}),
}
_PROHIBITED_BY: Final = {
    Use.SEARCH: frozenset({"all", "search"}),
    Use.AI_INPUT: frozenset({"all", "ai-all", "ai-input", "ai-index"}),
    Use.TRAIN: frozenset({"all", "ai-all", "ai-train"}),
    Use.TDM: frozenset({"all", "ai-all"}),
}


class Answer(IntEnum):
    """What one license says of one use; the larger one is the more restrictive. DOUBTED: whatever it says, nothing is
    built on it."""

    FREE = 0
    DOUBTED = 1
    EXCLUDED = 2
    CONDITION = 3
    PROHIBITED = 4


@dataclass(frozen=True, slots=True)
class Finding:
    answer: Answer
    node: Node
    section: str
    care: Care = Care.LITERAL
    pages: tuple[str, ...] = ()
    reference: str | None = None


def of_content(use: Use, content: Node) -> Finding:
    """What the licenses of one content say together (rule 3)."""
    said = [_of_license(use, one, content) for one in content.all("license")]
    if not said:
        answer = Answer.DOUBTED if use is Use.SEARCH else Answer.CONDITION
        return Finding(answer, content, "3.3", reference="unlicensed: the content has no license")
    open_to = [f for f in said if f.answer is not Answer.EXCLUDED]
    return max(open_to or said, key=lambda f: (f.answer, -f.care))


def _of_license(use: Use, one: Node, content: Node) -> Finding:
    prohibits, permits = _lists(one, "prohibits"), _lists(one, "permits")
    for node, said in prohibits:
        if not _PROHIBITED_BY[use].isdisjoint(said.exact | said.feared):
            return Finding(Answer.PROHIBITED, node, "3.6")
    if permits and not any(_permits(use, said) for _, said in permits):
        return Finding(Answer.EXCLUDED, permits[0][0], "3.5")
    condition = _condition(use, one, content)
    if condition is not None:
        return condition
    unclear = next((node for node, said in prohibits if said.unknown), None)
    if unclear is not None:
        answer = Answer.DOUBTED if use is Use.SEARCH else Answer.CONDITION
        return Finding(answer, unclear, "3.6", Care.CONSERVATIVE, reference="what is prohibited is unclear")
    if permits and _PERMITTED_BY[use].isdisjoint(permits[0][1].exact):
        # house: words that may have meant to permit it
        return Finding(Answer.CONDITION, permits[0][0], "3.5", Care.CONSERVATIVE, reference="the words are not RSL 1.0")
    return Finding(Answer.FREE, permits[0][0] if permits else one, "3.5", reference="free")


def _lists(one: Node, name: str) -> list[tuple[Node, Usages]]:
    """The usage lists of that name. house: a list without a type is one of usages, to refuse only."""
    found = [node for node in one.all(name) if node.attribute("type").lower() in ("", "usage")]
    return [(node, usages(node.text)) for node in found]


def _permits(use: Use, said: Usages) -> bool:
    return not _PERMITTED_BY[use].isdisjoint(said.exact | said.meant)


def _condition(use: Use, one: Node, content: Node) -> Finding | None:
    """The first condition that the license sets: those that everybody counts before the others."""
    for node in one.all("permits", "prohibits"):
        kind = node.attribute("type").lower()
        if kind in ("", "usage") or (kind == "user" and node.name == "permits" and set(node.text.split()) >= _USERS):
            continue
        section = "3.5" if node.name == "permits" else "3.6"
        return Finding(Answer.CONDITION, node, section, reference=short(f"{node.name} {kind} {node.text}"))
    for node in one.all("reporting"):
        reference = short(f"reporting {node.attribute('type')} by {node.attribute('profile')}")
        return Finding(Answer.CONDITION, node, "3.12", reference=reference)
    server, encrypted = (one.attribute(name) or content.attribute(name) for name in ("server", "encrypted"))
    if server:
        reference = short(f"a license token from {server}")
        return Finding(Answer.CONDITION, content, "3.3", pages=(server,), reference=reference)
    if encrypted not in ("", "false"):
        return Finding(Answer.CONDITION, content, "3.3", reference="a key: the content is encrypted")
    payments = [p for p in one.all("payment") if not _is_free(p)]
    for node in payments:
        kind = node.attribute("type").lower()
        care = Care.CONSERVATIVE if use is Use.SEARCH and kind not in _PAYMENTS_FOR_ACCESS else Care.LITERAL
        return Finding(Answer.CONDITION, node, "3.7", care, _payment_pages(node), _payment_in_words(node))
    return None


def _is_free(payment: Node) -> bool:
    """Only the type ``free``, and nothing beside it but a price of zero. house: a payment without a type is not."""
    amounts = payment.all("amount")
    return (
        payment.attribute("type") == "free"
        and len(amounts) == len(payment.inside)
        and all(_ZERO.fullmatch(amount.text) for amount in amounts)
    )


def _payment_pages(payment: Node) -> tuple[str, ...]:
    """Where the way to a license is written down: the publisher's own before the shared one."""
    return tuple(node.text for name in ("custom", "standard") for node in payment.all(name))


def _payment_in_words(payment: Node) -> str:
    amount, accepts, standard = (payment.first(name) for name in ("amount", "accepts", "standard"))
    words = [f"payment {payment.attribute('type') or 'of no type'}"]
    if amount is not None:
        words.append(f"{amount.text} {amount.attribute('currency')}".strip())
    if accepts is not None:
        words.append(f"by {accepts.attribute('type')}")
    if standard is not None:
        words.append(f"under {standard.text}")
    return short(", ".join(words))


def mining(answers: dict[Use, tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """Rule 7: a refusal of mining refuses all other jobs with it, so it needs both of theirs."""
    train, inputs = answers[Use.TRAIN], answers[Use.AI_INPUT]
    if all(any(refuses(f) and f.care is Care.LITERAL for f in said) for said in (train, inputs)):
        return tuple(f for f in train if f.care is Care.LITERAL)
    everything = all(f.answer is Answer.FREE for said in answers.values() for f in said)
    return answers[Use.TDM] if everything else ()


def refuses(finding: Finding) -> bool:
    return finding.answer not in (Answer.FREE, Answer.DOUBTED)


def short(text: str) -> str:
    return writable(" ".join(text.split())[:150])
