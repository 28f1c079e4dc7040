"""The words of X-Robots-Tag and of robots metas: their grammar, and what each of them means for us.

The artifacts are the values of ``X-Robots-Tag`` and of ``<meta name="robots" content="…">``. No standard covers them
(RFC 9309 does not): the grammar is that of Google's and MDN's pages, the values those of Google, Bing, DeviantArt and
noml.info. Where a value stood is for the two signal files; here it is read and given its meaning.

1. Rules are separated by commas. house: by semicolons and spaces, too; quotes around them are dropped.
2. ``bot:`` governs the rules after it, until the next ``bot:`` or the end of the value. Names that follow one another
   with no rule between share their rules; of more than 100 names nobody can be sure, and their rules are for everybody.
   house: ``*:`` and ``robots:`` are everybody, and a rule that we know is never
   a bot (``noai:`` refuses).
3. A closed list of rules has an argument after a colon; the commas, spaces and colons of a date belong to it.
4. Case is ignored. house: words that only look like a rule (``no-ai``, ``notrain``) are read as what they look like,
   for careful readers; words in look-alike letters are remarked.
5. ``all``, ``index``, ``follow`` and the other rules that only search engines know refuse nothing and permit nothing.
   ``data-nosnippet`` is an attribute of elements and is not read.
6. A bot is us if its name, or what stands before the first character outside ``[A-Za-z_-]``, is our product token; a
   name that is merely part of our user agent is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from askfirst.rights.ai_bots import AI_BOTS
from askfirst.rights.model import Care, Category, Terms

MAX_VALUE_CHARS: Final = 8_192
EVERYBODY: Final = "*"
MAX_BOTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as written. ``bots`` are the names it is addressed to, in lower case; ``argument`` is what its colon
    introduced; ``start`` the place of its name in the value."""

    name: str
    argument: str = ""
    bots: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A refusal of one category: ``page`` is the care at which the resource itself is refused, ``images`` the care at
    which the images are that the resource displays, or that it is. None: not at all."""

    category: Category
    page: Care | None = None
    images: Care | None = None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a rule refuses, and who gave it that meaning."""

    spec: str
    effects: tuple[Effect, ...]


_C, _K = Category, Care
GRAMMAR: Final = "Google, robots meta tag, data-nosnippet, and X-Robots-Tag specifications"
_DEVIANTART: Final = "DeviantArt, All Deviations Are Opted Out of AI Datasets (2022)"
_BING: Final = "Bing, new options for webmasters to control usage of their content (2023)"
_SNIPPET_ONLY: Final = Terms(reference="only its URL, title and snippet may be used")

_NO_TRAINING: Final = (Effect(category=_C.TRAIN, page=_K.LITERAL, images=_K.CONSERVATIVE),)
# house: an instruction to search engines says nothing about training, except to a suspicious reader
_NO_INDEX: Final = (Effect(category=_C.SEARCH, page=_K.LITERAL), Effect(category=_C.TRAIN, page=_K.STRICT))
_NO_IMAGE_INDEX: Final = (
    Effect(category=_C.SEARCH, images=_K.LITERAL),
    Effect(category=_C.TRAIN, images=_K.STRICT),
)

MEANINGS: Final[Mapping[str, Meaning]] = {
    "noai": Meaning(spec=_DEVIANTART, effects=_NO_TRAINING),
    "noimageai": Meaning(spec=_DEVIANTART, effects=(Effect(category=_C.TRAIN, images=_K.LITERAL),)),
    "noml": Meaning(spec="noml.info", effects=_NO_TRAINING),
    "noindex": Meaning(spec=GRAMMAR, effects=_NO_INDEX),
    "none": Meaning(spec=GRAMMAR, effects=_NO_INDEX),
    "noimageindex": Meaning(spec=GRAMMAR, effects=_NO_IMAGE_INDEX),
    "unavailable_after": Meaning(spec=GRAMMAR, effects=_NO_INDEX),
    "noarchive": Meaning(
        spec=_BING,
        effects=(Effect(category=_C.TRAIN, page=_K.LITERAL), Effect(category=_C.AI_INPUT, page=_K.LITERAL)),
    ),
    "nocache": Meaning(
        spec=_BING,
        effects=(
            Effect(category=_C.TRAIN, page=_K.LITERAL, terms=_SNIPPET_ONLY),
            Effect(category=_C.AI_INPUT, page=_K.LITERAL, terms=_SNIPPET_ONLY),
        ),
    ),
    "nosnippet": Meaning(spec=GRAMMAR, effects=(Effect(category=_C.AI_INPUT, page=_K.LITERAL),)),
    "max-snippet": Meaning(spec=GRAMMAR, effects=(Effect(category=_C.AI_INPUT, page=_K.LITERAL),)),
}
"""The rules that refuse something; ``max-snippet`` only with 0, ``unavailable_after`` only after its date."""

SILENT: Final = frozenset(
    {"all", "index", "follow", "nofollow", "archive", "snippet", "imageindex", "cache", "notranslate", "translate"}
    | {"indexifembedded", "noodp", "noydir", "nositelinkssearchbox", "max-image-preview", "max-video-preview"},
)
"""The rules that say nothing to us."""

_WITH_ARGUMENT: Final = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def meaning(rule: Rule) -> Meaning | None:
    """What a rule refuses, as far as its words go; None when it refuses nothing that we know of."""
    if rule.name in SILENT or (rule.name == "max-snippet" and rule.argument.strip() != "0"):
        return None
    return MEANINGS.get(rule.name) or _look_alike_meaning(rule.name)


def is_known(word: str) -> bool:
    """Whether the word is a rule of the table, or one that says nothing to us."""
    return word in MEANINGS or word in SILENT


def resembles(word: str) -> str | None:
    """The refusing rule that a word in other letters (full-width, accented, bytes of UTF-8) stands for, if any."""
    plain = (
        unicodedata.normalize("NFKD", _as_utf8(word))
        .encode("ascii", "ignore")
        .decode("ascii")
        .strip("\"'.!*()[]{}")
        .lower()
    )
    return plain if plain != word and plain in MEANINGS else None


def _as_utf8(word: str) -> str:
    """Field values are decoded as latin-1; what was sent as UTF-8 looks odd until it is put right."""
    try:
        return word.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return word  # it was text already


def as_hint(rule: Rule, meant: Meaning | None) -> tuple[Effect, ...]:
    """What keeps another AI bot from training, as a hint of what was wanted."""
    if rule.name == "nofollow":
        return (Effect(category=Category.TRAIN, page=Care.STRICT),)
    if meant is None:
        return ()
    return tuple(
        replace(e, page=_raised(e.page, Care.STRICT), images=_raised(e.images, Care.STRICT))
        for e in meant.effects
        if e.category is Category.TRAIN
    )


# -- look-alikes ------------------------------------------------------------------------------------------------------

_CUT: Final = re.compile(r"[^A-Za-z_-]")
_FILLING: Final = re.compile(r"[-_\s]+")
_LOOK_ALIKE: Final = re.compile(
    r"(?:no|not|dont|donot|disallow)(image)?(?:ai|ml|llm|gpt|genai|train|datamining|tdm|dataset)"
)


def _look_alike_meaning(word: str) -> Meaning | None:
    if word == "disallow":
        return _at_least_conservative(MEANINGS["noindex"])
    found = _LOOK_ALIKE.match(_FILLING.sub("", word).replace("aiimage", "imageai"))
    if found is None:
        return None
    return _at_least_conservative(MEANINGS["noai" if found[1] is None else "noimageai"])


def _at_least_conservative(meant: Meaning) -> Meaning:
    return replace(
        meant,
        effects=tuple(
            replace(e, page=_raised(e.page, Care.CONSERVATIVE), images=_raised(e.images, Care.CONSERVATIVE))
            for e in meant.effects
        ),
    )


def _raised(care: Care | None, least: Care) -> Care | None:
    return None if care is None else max(care, least)


# -- grammar ----------------------------------------------------------------------------------------------------------

_PIECE: Final = re.compile(r"[^,;]+")
# a word, and the colon after it unless it is that of a URL
_WORD: Final = re.compile(r"([^\s:]+)(?:\s*(:)(?!//))?")
_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+\d"
_DATE_GOES_ON: Final = re.compile(rf"\s*(?:\d|{_MONTH})", re.IGNORECASE)
_QUOTES: Final = "\"'"


@lru_cache(maxsize=1_024)
def rules(value: str, bots: tuple[str, ...] = (EVERYBODY,)) -> tuple[Rule, ...]:
    """The rules of one value, in order; ``bots`` are those it is addressed to before it names any. Never raises."""
    return tuple(_Scan(bots).rules(value))


class _Scan:
    """What has been read so far: who is addressed, and a rule that still takes its argument."""

    __slots__ = ("_bots", "_date", "_named")

    def __init__(self, bots: tuple[str, ...]) -> None:
        self._bots = bots
        self._named = False
        self._date: Rule | None = None

    def rules(self, value: str) -> Iterator[Rule]:
        for piece in _PIECE.finditer(value):
            if self._date is not None and _DATE_GOES_ON.match(piece[0]):
                yield from self._more_of_the_date(piece[0], piece.start())
                continue
            yield from self._ended_date()
            yield from self._piece(piece[0], piece.start())
        yield from self._ended_date()

    def _piece(self, piece: str, start: int) -> Iterator[Rule]:
        phrase = piece.strip().strip(_QUOTES).lower()
        if ":" not in phrase and " " in phrase and _is_phrase(phrase):
            yield self._rule(phrase, start)
            return
        words = _WORD.finditer(piece)
        for found in words:
            word = found[1].strip(_QUOTES).lower()
            at = start + found.start()
            if word in _WITH_ARGUMENT and found[2]:
                if word == "unavailable_after":
                    self._date = self._rule(word, at)
                    yield from self._more_of_the_date(piece[found.end() :], start + found.end())
                    return
                argument = next(words, None)
                yield self._rule(word, at, "" if argument is None else argument[1].strip(_QUOTES))
            elif found[2] and not (is_known(word) or _look_alike_meaning(word)):
                self._address(word)
            elif word:
                name, equals, argument_text = word.partition("=")
                known = bool(equals) and name in _WITH_ARGUMENT
                yield self._rule(name, at, argument_text) if known else self._rule(word, at)

    def _address(self, bot: str) -> None:
        bot = EVERYBODY if bot in ("*", "robots") else bot
        listed = self._bots if self._named else ()
        if bot not in listed and EVERYBODY not in listed:
            # house: beyond the bound the careful reading, that everybody is meant
            listed = (*listed, bot) if len(listed) < MAX_BOTS else (EVERYBODY,)
        self._bots = listed
        self._named = True

    def _rule(self, name: str, start: int, argument: str = "") -> Rule:
        self._named = False
        return Rule(name=name, argument=argument, bots=self._bots, start=start)

    def _more_of_the_date(self, text: str, start: int) -> Iterator[Rule]:
        """Rules that stand behind a date with no comma between are no part of it."""
        taken: list[str] = []
        for found in re.finditer(r"\S+", text):
            word = found[0].strip(_QUOTES).lower()
            if is_known(word):
                yield self._rule(word, start + found.start())
            else:
                taken.append(found[0].strip(_QUOTES))
        if self._date is not None:
            self._date = replace(self._date, argument=" ".join((self._date.argument, *taken)).strip())

    def _ended_date(self) -> Iterator[Rule]:
        if self._date is not None:
            yield self._date
            self._date = None


def _is_phrase(phrase: str) -> bool:
    """Words that make a rule only together, such as ``no ai``."""
    return not any(is_known(word) for word in phrase.split()) and _look_alike_meaning(phrase) is not None


def date_of(argument: str) -> datetime | None:
    """The moment that ``unavailable_after`` names (RFC 822, RFC 850 or ISO 8601); None if it is no date. house: a time
    without a zone is UTC."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            at = parse(argument)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue  # the next notation
    return None


def addresses(bot: str, product_token: str) -> bool:
    """Whether a bot's name is our product token: whole, or up to its first character that no token may have."""
    return product_token.lower() in (bot, _CUT.split(bot, maxsplit=1)[0]) and bool(product_token)


def is_ai_bot(bot: str) -> bool:
    """Whether a bot's name is that of a known collector for training."""
    return bot in AI_BOTS or _CUT.split(bot, maxsplit=1)[0] in AI_BOTS
