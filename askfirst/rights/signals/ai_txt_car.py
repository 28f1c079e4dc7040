"""``/.well-known/ai.txt`` and ``/.well-known/ai.json``: draft-car-ai-txt-wellknown-00 (2026), an individual draft that
nobody has adopted. It is off unless a policy file has ``[signals] "ai.txt-car" = "obey"`` (or ``"log"``).

Bytes become values in askfirst.rights.car_draft; here they get their weight. This is not Spawning's ``/ai.txt``.

1. ``Training`` is about train. ``Indexing`` is about search, and a refusal of it also about ai-input, because the draft
   means retrieval. ``Scraping`` speaks of taking the content: its refusal is one of tdm and never of the fetch, which
   is for robots.txt, and its allow is nothing. ``Caching`` is remarked.
2. ``deny`` refuses, ``conditional`` refuses with terms (the fee, the license), and only a written ``allow`` permits.
   A file of the draft without Training refuses, because that is the draft's default: for literal readers if the two
   fields that it requires are there. No other default says anything.
3. Under ``conditional`` globs decide: the longest that matches, a Deny among equals; what no glob names is conditional.
   A Training-Allow has to match the whole path, and a Training-Deny also refuses what lies below it. house: beside
   ``allow`` a Training-Deny refuses for conservative readers, and takes the permission away.
4. house: an allow beside a license or a fee is conditional. Beside a required attribution, disclosure or audit it
   permits nothing, and refuses for conservative readers. These, and a Training-Deny, count in a block of ours, too.
5. The blocks that name us come before what is said to all. house: of several values at one place, and between
   ``Agent: *`` and the site's own, the strictest counts.
6. house: the draft prefers JSON, but each form counts for itself, so that the strictest counts where they differ; the
   decision then names the contradiction.
7. house: a Training that is none of the three words refuses, as none at all would; the others only if they plainly
   deny. What stands astray can refuse and cannot permit. A file over http, or served as HTML, permits nothing either,
   and refuses for conservative readers.
8. Statuses are as for ai.txt (askfirst.rights.site_file). JSON that cannot be read, and what was cut off: DEFER.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from askfirst.rights.car_draft import EVERY_AGENT, US, CarFile, Said, names_of, of_json, of_lines
from askfirst.rights.contact_words import address_of
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Contact,
    Evidence,
    Kind,
    Nearness,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.origins import is_web_url
from askfirst.rights.patterns import PatternIndex, normalize
from askfirst.rights.policy import Mode
from askfirst.rights.reader import Constant, Reader, Statement, Target, evidence, remark
from askfirst.rights.robotstxt import refused_octets
from askfirst.rights.site_file import is_page, remarked, served_as_html, text_of, unread

PROTOCOL = "ai.txt-car"
_TEXT: Final = "/.well-known/ai.txt"
_JSON: Final = "/.well-known/ai.json"
_SPEC: Final = 'draft-car-ai-txt-wellknown-00 "Content Policy Fields"'
_ALLOW, _CONDITIONAL, _UNCLEAR, _DENY = range(4)
_VALUES: Final = {"allow": _ALLOW, "conditional": _CONDITIONAL, "deny": _DENY}
_DENIALS: Final = frozenset(
    {"no", "none", "never", "false", "off", "0", "denied", "disallow", "disallowed", "refuse", "block", "forbidden"}
)
_REQUIRED: Final = ("attribution", "ai-disclosure", "audit")
_FREE: Final = frozenset({"", "none", "no", "false", "off", "optional", "recommended", "not required"})
_SEPARATED: Final = re.compile(r"[,\s]+")


def read_ai_txt_car(observation: Observation, agent: Agent) -> Statement:
    """What the file says to this agent."""
    source = _JSON if urlsplit(observation.document.url).path == _JSON else _TEXT
    last = observation.redirects[-1] if observation.redirects else observation.document.url
    secure = last.lower().startswith("https:")
    floor = Care.LITERAL if secure and not served_as_html(observation) else Care.CONSERVATIVE
    voice = _Voice(observation, source, floor)
    missing = unread(observation, voice.deferred, source=source, spec=_SPEC)
    if missing is not None:
        return missing
    text = text_of(observation.body)
    if is_page(text):
        return remarked(observation, "an HTML or XML page stands in its place", source=source, spec=_SPEC)
    names = names_of(agent)
    try:
        in_json = source == _JSON or text.lstrip()[:1] == "{"
        file = of_json(observation.body, names) if in_json else of_lines(text, names)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        words = voice.words("whole file", text.strip())
        note = remark(source, RemarkKind.MALFORMED, f"not read, so not known: {why}"[:200], words)
        return Constant(Reading(signals=(voice.deferred(Care.LITERAL, words),), remarks=(note,)))
    return _Policies(voice, file).statement()


class _Voice:
    """Makes signals and remarks of one document, none of them milder than its floor."""

    __slots__ = ("floor", "observation", "source")

    def __init__(self, observation: Observation, source: str, floor: Care) -> None:
        self.observation = observation
        self.source = source
        self.floor = floor

    def words(self, at: str, text: str) -> Evidence:
        return evidence(self.observation, at=at, text=text, spec=_SPEC)

    def deferred(self, care: Care, words: Evidence) -> Signal:
        return self._signal(Category.TRAIN, Verdict.DEFER, care, words, None)

    def refusal(self, category: Category, one: Said, care: Care = Care.LITERAL, terms: Terms | None = None) -> Signal:
        return self._signal(category, Verdict.REFUSE, care, self.words(one.at, one.text), terms)

    def permission(self, category: Category, one: Said) -> Signal:
        return self._signal(category, Verdict.ALLOW, Care.LITERAL, self.words(one.at, one.text), None)

    def note(self, kind: RemarkKind, note: str, one: Said | None) -> Remark:
        words = self.words("whole file", "") if one is None else self.words(one.at, one.text)
        return remark(self.source, kind, note, words)

    def _signal(self, category: Category, verdict: Verdict, care: Care, words: Evidence, terms: Terms | None) -> Signal:
        return Signal(
            source=self.source,
            protocol=PROTOCOL,
            category=category,
            basis=Basis.PREFERENCE,
            verdict=verdict,
            care=max(care, self.floor),
            terms=terms,
            evidence=words,
        )


class _Policies:
    """What the values of one file mean."""

    def __init__(self, voice: _Voice, file: CarFile) -> None:
        self._voice = voice
        self._file = file
        self._cut = file.cut or voice.observation.truncated
        # INVARIANT: what is cut off, or not at its place, permits nothing
        self._may_permit = file.is_draft and not self._cut and voice.floor is Care.LITERAL
        self._terms = self._given_terms()
        self._notes: list[Remark] = []

    def statement(self) -> Statement:
        file, voice = self._file, self._voice
        other = [*self._scraping(), *self._indexing()]
        training = self._decisive("training")
        if training is None and not file.is_draft:
            self._notes.append(voice.note(RemarkKind.IGNORED, "it has none of the draft's keys", file.any()))
        if self._cut:
            words = voice.words(f"byte {len(voice.observation.body)}", "cut off here")
            self._notes.append(remark(voice.source, RemarkKind.TRUNCATED, "the file is longer than is read", words))
            other.append(voice.deferred(Care.LITERAL, words))
        self._remark_the_rest()
        rest = Reading(signals=tuple(other), remarks=tuple(self._notes), contacts=tuple(self._contacts()))
        if training is None:
            return Constant(_joined(self._default(), rest))
        value, one = training
        if value in {_UNCLEAR, _DENY}:
            return Constant(_joined([voice.refusal(Category.TRAIN, one)], rest))
        globs = _Globs(file, urlsplit(voice.observation.document.url).hostname or "")
        return _Paths(globs, partial(self._conditional if value == _CONDITIONAL else self._allowed, one), rest)

    # -- Training ------------------------------------------------------------------------------------------------------

    def _default(self) -> list[Signal]:
        if not self._file.is_draft:
            return []
        shown = self._file.first("site-name") or self._file.any() or Said("training", "", "whole file", "")
        care = Care.LITERAL if self._file.complete else Care.CONSERVATIVE
        return [self._voice.refusal(Category.TRAIN, shown, care)]

    def _conditional(self, one: Said, allow: Said | None, deny: Said | None) -> list[Signal]:
        if deny is not None:
            return [self._voice.refusal(Category.TRAIN, deny)]
        if allow is not None:
            return self._permitted(allow)
        return [self._voice.refusal(Category.TRAIN, one, terms=self._terms or _conditions(self._file, one))]

    def _allowed(self, one: Said, allow: Said | None, deny: Said | None) -> list[Signal]:
        if deny is not None and allow is None:
            return [self._voice.refusal(Category.TRAIN, deny, Care.CONSERVATIVE)]
        return self._permitted(one)

    def _permitted(self, one: Said) -> list[Signal]:
        """The permission, unless something stands beside it."""
        file, voice = self._file, self._voice
        demanded = file.demanded("training-fee") or file.demanded("training-license")
        if demanded is not None:
            return [voice.refusal(Category.TRAIN, demanded, terms=self._terms)]
        required = [
            said for key in _REQUIRED for said in file.heard(key) if _word(said) not in _FREE or said.text == "true"
        ]
        if required:
            terms = Terms(reference=f"{required[0].key}: {required[0].value}"[:200])
            return [voice.refusal(Category.TRAIN, required[0], Care.CONSERVATIVE, terms)]
        return [voice.permission(Category.TRAIN, one)] if self._may_permit else []

    def _given_terms(self) -> Terms | None:
        fee, license_id = self._file.demanded("training-fee"), self._file.demanded("training-license")
        if fee is None and license_id is None:
            return None
        url = fee.value if fee is not None and is_web_url(fee.value) and address_of(fee.value) else None
        named = license_id or (fee if url is None else None)
        return Terms(url=url, reference=None if named is None else named.value[:200])

    # -- the other three -----------------------------------------------------------------------------------------------

    def _scraping(self) -> Iterator[Signal]:
        yield from self._refusals("scraping", (Category.TDM,))

    def _indexing(self) -> Iterator[Signal]:
        yield from self._refusals("indexing", (Category.SEARCH, Category.AI_INPUT))
        found = self._decisive("indexing")
        if found is not None and found[0] == _ALLOW and self._may_permit:
            yield self._voice.permission(Category.SEARCH, found[1])

    def _refusals(self, key: str, categories: tuple[Category, ...]) -> Iterator[Signal]:
        found = self._decisive(key)
        if found is None or found[0] == _ALLOW:
            return
        value, one = found
        plain = value == _DENY and _word(one) == "deny"
        if value == _UNCLEAR:
            self._notes.append(self._voice.note(RemarkKind.MALFORMED, f"{key} says none of the three words", one))
            return
        terms = _conditions(self._file, one) if value == _CONDITIONAL else None
        care = Care.LITERAL if plain or terms is not None else Care.CONSERVATIVE
        for category in categories:
            yield self._voice.refusal(category, one, care, terms)

    # -- values --------------------------------------------------------------------------------------------------------

    def _decisive(self, key: str) -> tuple[int, Said] | None:
        """The strictest value that is said to us, or else to all, and where; the first among equals."""
        ours, general = self._given(key)
        placed = [one for one in ours if not one.astray] or [one for one in general if not one.astray]
        astray = [one for one in (*ours, *general) if one.astray and _value(one) != _ALLOW]
        return max(((_value(one), one) for one in (*placed, *astray)), key=lambda entry: entry[0], default=None)

    def _given(self, key: str) -> tuple[list[Said], list[Said]]:
        """What is said to us, and what is said to all."""
        return self._file.given(key, US), [*self._file.given(key, EVERY_AGENT), *self._file.given(key)]

    def _remark_the_rest(self) -> None:
        file, voice = self._file, self._voice
        training = self._decisive("training")
        if training is not None and training[0] == _UNCLEAR:
            note = "Training says none of the three words: deny, as if it were not there"
            self._notes.append(voice.note(RemarkKind.MALFORMED, note, training[1]))
        for key in ("training", "scraping", "indexing"):
            ours, general = self._given(key)
            said = ours or general
            if len({_value(one) for one in said}) > 1:
                note = f"{key} is said more than once, and not the same: the strictest counts"
                self._notes.append(voice.note(RemarkKind.CONTRADICTION, note, said[0]))
        caching = self._decisive("caching")
        for kind, note, one in (
            (RemarkKind.MALFORMED, "it stands where nobody can be sure whom it is about", file.astray()),
            (RemarkKind.IGNORED, "said to other agents", file.others),
            (RemarkKind.IGNORED, "caching is nothing that is decided here", None if caching is None else caching[1]),
        ):
            if one is not None:
                self._notes.append(voice.note(kind, note, one))

    def _contacts(self) -> Iterator[Contact]:
        contact, policy = self._file.first("contact"), self._file.first("policy-url")
        address = None if contact is None else address_of(contact.value)
        page = None if policy is None or not is_web_url(policy.value) else address_of(policy.value)
        said = contact if address is not None else policy
        if said is not None and (address is not None or page is not None):
            yield Contact(
                source=self._voice.source,
                nearness=Nearness.SITE,
                address=address,
                terms_url=page,
                evidence=self._voice.words(said.at, said.text),
            )


def _joined(training: list[Signal], rest: Reading) -> Reading:
    return Reading(signals=(*training, *rest.signals), remarks=rest.remarks, contacts=rest.contacts)


def _word(one: Said) -> str:
    return one.value.partition("#")[0].strip(" \t\"'").lower()


def _value(one: Said) -> int:
    word = _word(one)
    return _VALUES.get(word, _DENY if word.partition(" ")[0] in _DENIALS else _UNCLEAR)


def _conditions(file: CarFile, one: Said) -> Terms:
    """The terms of a condition that the file does not write down itself."""
    policy = file.first("policy-url")
    page = policy.value if policy is not None and is_web_url(policy.value) else None
    return Terms(url=page and address_of(page), reference=f"{one.key}: {one.value}"[:200])


# -- paths ------------------------------------------------------------------------------------------------------------


class _Globs:
    """Training-Allow and Training-Deny. An item is the length of the glob as written, and its place."""

    __slots__ = ("_allowing", "_denying")

    def __init__(self, file: CarFile, host: str) -> None:
        self._allowing = PatternIndex(
            (glob if glob.endswith("*") else f"{glob}$", 0, (len(glob), one))
            for one in file.given("training-allow")
            if not one.astray and one.value[:1] in {"/", "*"}
            for glob in (_plain(one.value),)
        )
        self._denying = PatternIndex(
            (_wider(glob), 0, (len(glob), one))
            for one in file.heard("training-deny")
            for part in dict.fromkeys((one.value, *_SEPARATED.split(one.value)))
            if (glob := _plain(refused_octets(part, host)))
        )

    def on(self, path: str) -> tuple[Said | None, Said | None]:
        """What allows the path, or what denies it; nothing else of the two."""
        allow, deny = self._allowing.longest(path), self._denying.longest(path)
        if deny is not None and (allow is None or deny[0] >= allow[0]):
            return None, deny[1]
        return (None if allow is None else allow[1]), None


def _plain(glob: str) -> str:
    """A glob in the normal form of paths; ``$`` is nothing special in it."""
    return normalize(glob).replace("$", "%24")


def _wider(glob: str) -> str:
    """A pattern that matches all that the glob does, and some more: ``?`` is anything, and so is all from ``[`` on."""
    start = min((at for at in (glob.find("%5B"), glob.find("%7B")) if at >= 0), default=len(glob))
    return (glob if start == len(glob) else glob[:start] + "*").replace("?", "*")


class _Paths:
    """One file's answers, remembered by the globs that made them, so that they stay the same objects."""

    __slots__ = ("_by_glob", "_globs", "_make", "_rest")

    def __init__(self, globs: _Globs, make: partial[list[Signal]], rest: Reading) -> None:
        self._globs = globs
        self._make = make
        self._rest = rest
        self._by_glob: dict[tuple[str, str], Reading] = {}

    def on(self, target: Target) -> Reading:
        allow, deny = self._globs.on(target.path)
        key = (allow.at if allow is not None else "", deny.at if deny is not None else "")
        reading = self._by_glob.get(key)
        if reading is None:
            reading = self._by_glob[key] = _joined(self._make(allow, deny), self._rest)
        return reading


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=(_TEXT, _JSON),
    parse=read_ai_txt_car,
    mode=Mode.OFF,
)
