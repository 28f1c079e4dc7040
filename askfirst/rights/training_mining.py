"""What a training-and-data-mining assertion says: C2PA 1.4 "Training and Data Mining" (``c2pa.training-mining``, taken
out in 2.0) and its successor, CAWG "Training and Data Mining Assertion" 1.1 of May 2025 (``cawg.training-mining``).

It does not find assertions and validates nothing: askfirst.rights.signals.c2pa_store and c2pa_report do, each its own
way.

1. An assertion has ``entries``: by key a ``use`` of ``allowed``, ``notAllowed`` or ``constrained``. A key that is not
   there says nothing.
2. ``constrained`` is a refusal with terms: the text of ``constraint_info``. Without the text it is a refusal.
3. ``ai_training`` means models that are not generative only; generative ones have a key of their own.
4. A permission is no signal here: whether it counts is for who knows the signature.

Deviations, all of them on the refusing side. Rule 1: ``entries`` may be missing (version 1.0 forgot it), a key may have
either prefix or none, a use may stand without its object or in other letters. Rule 2: ``constraints_info``, as the
prose has it, is read as well. Rule 3: careful readers take either refusal to training as both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from askfirst.rights.model import Basis, Care, Category, Evidence, Observation, Signal, Terms, Verdict
from askfirst.rights.origins import is_web_url
from askfirst.rights.reader import evidence, writable

PROTOCOL: Final = "c2pa"
SOURCE: Final = "C2PA training-mining assertion"
SPECS: Final[Mapping[str, str]] = {
    "c2pa.training-mining": 'C2PA 1.4 "Training and Data Mining"',
    "cawg.training-mining": 'CAWG 1.1 "Training and Data Mining Assertion"',
}
"""The section that gives an assertion its meaning, by label."""

_BEGINNINGS: Final = tuple(SPECS)

DATA_MINING: Final = "data_mining"
INFERENCE: Final = "ai_inference"
TRAINING: Final = "ai_training"
GENERATIVE: Final = "ai_generative_training"
_SPEAKS_OF: Final[Mapping[str, tuple[tuple[Category, Care], ...]]] = {
    DATA_MINING: ((Category.TDM, Care.LITERAL),),
    INFERENCE: ((Category.AI_INPUT, Care.LITERAL),),
    TRAINING: ((Category.TRAIN, Care.LITERAL), (Category.TRAIN_GENERATIVE, Care.CONSERVATIVE)),
    GENERATIVE: ((Category.TRAIN_GENERATIVE, Care.LITERAL), (Category.TRAIN, Care.CONSERVATIVE)),
}
_INFO: Final = ("constraint_info", "constraints_info")
_MAX_INFO_CHARS: Final = 1_000
_MAX_ENTRIES: Final = 1_000


class Use(StrEnum):
    """The three uses."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "notAllowed"
    CONSTRAINED = "constrained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: ``about`` is its key without a prefix; ``use`` is None where it is none of the three; ``text`` is the
    entry as JSON has it; ``exact`` where it is spelled as specified."""

    about: str
    key: str
    use: Use | None
    info: str | None
    text: str
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What one assertion says: its label without version and number, and its entries. ``others`` are the keys that it
    has besides."""

    label: str
    entries: tuple[Entry, ...]
    others: tuple[str, ...]


def label_of(label: str) -> str | None:
    """The known label behind one with a version (``….v2``) or an instance number (``…__1``), in any case, or None."""
    label = label.strip().lower()
    if not label.startswith(_BEGINNINGS):
        return None
    head, _, number = label.rpartition("__")
    if head and _is_number(number):
        label = head
    head, _, version = label.rpartition(".v")
    if head and _is_number(version):
        label = head
    return label if label in SPECS else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def assertion(label: str, data: object) -> Assertion | None:
    """The assertion of a known label with this content; None when the content is no table of entries. Never raises."""
    if not isinstance(data, Mapping):
        return None
    wrapped = data.get("entries")
    tables: list[Mapping[object, object]] = [data]
    if wrapped is not None:
        if not isinstance(wrapped, Mapping):
            return None
        tables.append(wrapped)
    found: list[Entry] = []
    others: list[str] = []
    for table in tables:
        if len(table) > _MAX_ENTRIES:
            return None
        for key, value in table.items():
            if not isinstance(key, str) or (table is data and key in {"entries", "metadata"}):
                continue
            about = _about(key)
            if about is None:
                others.append(key)
            else:
                found.append(_entry(about, key, value))
    return Assertion(label=label, entries=tuple(found), others=tuple(others))


def _about(key: str) -> str | None:
    name = key.strip().lower()
    bare = name.removeprefix("c2pa.").removeprefix("cawg.")
    return bare if bare in _SPEAKS_OF else None


def _entry(about: str, key: str, value: object) -> Entry:
    said = value
    info: str | None = None
    shown: object = value
    if isinstance(value, Mapping):
        said = value.get("use")
        info = next((value[name] for name in _INFO if isinstance(value.get(name), str) and value[name].strip()), None)
        shown = {"use": said if isinstance(said, str) else type(said).__name__}
        shown |= {name: value[name] for name in _INFO if isinstance(value.get(name), str)}
    elif not isinstance(value, str):
        shown = type(value).__name__
    use = _USES.get("".join(c for c in said.lower() if c.isalpha())) if isinstance(said, str) else None
    spelled = key in {f"c2pa.{about}", f"cawg.{about}"} and isinstance(value, Mapping)
    exact = spelled and use is not None and said == use.value
    text = f"{json.dumps(key[:100], ensure_ascii=False)}: {json.dumps(shown, ensure_ascii=False)}"
    return Entry(about=about, key=key, use=use, info=info, text=text, exact=exact)


_USES: Final = {use.value.lower(): use for use in Use}


def refusals(entries: Iterable[tuple[Entry, Evidence]], care: Care) -> tuple[Signal, ...]:
    """The refusals of one manifest, each category once at each care; ``care`` is that of the manifest itself."""
    said: dict[tuple[Category, Care], Signal] = {}
    for entry, words in entries:
        if entry.use is Use.NOT_ALLOWED or entry.use is Use.CONSTRAINED:
            terms = _terms(entry.info) if entry.use is Use.CONSTRAINED and entry.info is not None else None
            for category, own in _SPEAKS_OF[entry.about]:
                said.setdefault(
                    (category, own), signal(category, Verdict.REFUSE, words, care=max(care, own), terms=terms)
                )
    # what is refused in so many words need not be inferred as well
    return tuple(
        s for (category, own), s in said.items() if own is Care.LITERAL or (category, Care.LITERAL) not in said
    )


def permissions(entries: Iterable[tuple[Entry, Evidence]]) -> tuple[Signal, ...]:
    """The permissions of a manifest that is valid and trusted.

    INVARIANT: training of any kind is permitted only where both keys permit it, because a permission to train permits
    generative training in :data:`askfirst.rights.decide.PERMITTED_BY`.
    """
    said = {entry.about: words for entry, words in entries if entry.use is Use.ALLOWED and entry.exact}
    found = [
        (category, said[about])
        for about, category in (
            (DATA_MINING, Category.TDM),
            (INFERENCE, Category.AI_INPUT),
            (GENERATIVE, Category.TRAIN_GENERATIVE),
        )
        if about in said
    ]
    if TRAINING in said and GENERATIVE in said:
        found.append((Category.TRAIN, said[TRAINING]))
    return tuple(signal(category, Verdict.ALLOW, words) for category, words in found)


def unknown(words: Evidence, care: Care) -> tuple[Signal, ...]:
    """What follows where a statement may stand that could not be read."""
    return tuple(signal(category, Verdict.DEFER, words, care=care) for category in (Category.TRAIN, Category.TDM))


def signal(
    category: Category, verdict: Verdict, words: Evidence, *, care: Care = Care.LITERAL, terms: Terms | None = None
) -> Signal:
    """One statement of an assertion."""
    return Signal(
        source=SOURCE,
        protocol=PROTOCOL,
        category=category,
        basis=Basis.RESERVATION,
        verdict=verdict,
        terms=terms,
        evidence=words,
        care=care,
    )


def words(observation: Observation, said: Assertion, entry: Entry, *, manifest: str = "") -> Evidence:
    """An entry as evidence; ``manifest`` names the manifest where it is not the active one."""
    return evidence(observation, at=place(said.label, entry.key, manifest), text=entry.text, spec=SPECS[said.label])


def place(label: str, key: str = "", manifest: str = "") -> str:
    """Where in a manifest store something stands."""
    return " ".join(part for part in (f"manifest {manifest[:100]}" if manifest else "", label, key[:100]) if part)


def _terms(info: str) -> Terms:
    """The text, and the first web address in it."""
    text = writable(info.strip()[:_MAX_INFO_CHARS])
    for word in text.split():
        address = word.strip("<>()[]\"',;").rstrip(".")
        if address.lower().startswith(("http://", "https://")) and is_web_url(address):
            return Terms(url=address, reference=None if address == text else text)
        if address.lower().startswith(("mailto:", "tel:")) and len(address) > 8:
            return Terms(contact=address, reference=None if address == text else text)
    return Terms(reference=text)
