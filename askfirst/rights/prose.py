"""Sentences that refuse training in plain words: "no AI training", "all rights reserved, including for data mining".

There is no grammar; it looks for words. What it finds is a suspicion, never more, and what it does not find permits
nothing.

1. A sentence is suspicious if it speaks of training, mining or AI, and has a word that refuses or reserves.
2. ``AI`` alone counts only in capitals and with a word that refuses: Ai is a name, and all rights are always reserved.
3. ``train`` counts only beside AI, models, machines or data: trains are photographed.
4. English, and the words of German, French, Spanish, Italian, Portuguese and Dutch that are not spelled like others.
5. A full stop in front of a small letter ends an abbreviation and no sentence.
6. The first 4,000 characters and 100 sentences are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_READ_CHARS: Final = 4_000
_MAX_SENTENCES: Final = 100
_END: Final = re.compile(r"[.!?](?=\s++(?![a-z])|\s*+$)|[;\n\r\u2028\u2029]|\s[•·|]\s")
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_MINING: Final = frozenset(
    {
        "tdm", "datamining", "textmining", "scraping", "noai", "noimageai", "noml", "fouille", "minería", "mineração",
        "estrazione", "scrapen",
    }
)  # fmt: skip
_TRAINS: Final = frozenset(
    {
        "train", "trained", "training", "trainings", "learning", "mining", "trainieren", "lernen", "entraînement",
        "entraîner", "entrenamiento", "entrenar", "addestramento", "addestrare", "treinamento", "treinar",
        "treinamentos", "trainen", "apprentissage",
    }
)  # fmt: skip
_BESIDE: Final = frozenset(
    {
        "ai", "ki", "ia", "ml", "llm", "llms", "model", "models", "machine", "machines", "data", "dataset", "datasets",
        "generative", "algorithm", "algorithms", "neural", "text", "artificial", "intelligence", "modelle", "modèles",
        "modelos", "modelli", "maschinelles", "künstliche", "künstlicher", "automatique", "automático", "daten",
    }
)  # fmt: skip
_REFUSES: Final = frozenset(
    {
        "no", "not", "never", "none", "without", "cannot", "prohibited", "prohibits", "forbidden", "forbids",
        "disallowed", "denied", "refuse", "refused", "except", "excluding", "opt-out", "optout", "restricted",
        "unauthorized", "unauthorised", "don't", "don’t", "mustn't", "can't", "nicht", "kein", "keine", "keinerlei",
        "verboten", "untersagt", "interdit", "interdite", "interdits", "sans", "pas", "prohibido", "prohibida",
        "vietato", "vietata", "non", "proibido", "proibida", "não", "niet", "geen", "verboden",
    }
)  # fmt: skip
_RESERVES: Final = frozenset(
    {"reserved", "reserves", "reserve", "vorbehalten", "vorbehalt", "réservés", "réservé", "reservados", "riservati"}
)
_OTHERWISE: Final = _RESERVES | {"opt", "noai", "noimageai", "noml"}
_SPOKEN_OF: Final = _MINING | _TRAINS | {"ai", "ki", "ia", "genai", "llm", "llms"}
_CAPITALS: Final = frozenset({"AI", "KI", "IA", "GenAI", "GENAI", "LLM", "LLMs"})


def refusing_sentence(text: str) -> str | None:
    """The first sentence that seems to refuse training or mining, as it stands."""
    text = text[:_READ_CHARS]
    words = _words(_WORD.findall(text.lower()))
    if words.isdisjoint(_SPOKEN_OF) or (words.isdisjoint(_REFUSES) and words.isdisjoint(_OTHERWISE)):
        return None
    for sentence in _END.split(text)[:_MAX_SENTENCES]:
        if len(sentence) >= 4 and _refuses(sentence):
            return sentence.strip()
    return None


def _words(spelled: Iterable[str]) -> set[str]:
    """The words, and those behind an apostrophe: ``l'entraînement``."""
    words = set(spelled)
    return words | {part for word in words if "'" in word or "’" in word for part in re.split("['’]", word) if part[1:]}


def _refuses(sentence: str) -> bool:
    spelled = _WORD.findall(sentence)
    words = _words(word.lower() for word in spelled)
    refuses = not words.isdisjoint(_REFUSES) or "opt out" in sentence.lower()
    if not refuses and words.isdisjoint(_RESERVES) and words.isdisjoint({"noai", "noimageai", "noml"}):
        return False
    if not words.isdisjoint(_MINING) or (not words.isdisjoint(_TRAINS) and not words.isdisjoint(_BESIDE)):
        return True
    return refuses and any(part in _CAPITALS for word in spelled for part in re.split("['’]", word))
