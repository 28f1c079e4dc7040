"""``X-Robots-Tag``, the response field, and the statement that fields and robots metas make alike.

There is no standard; see askfirst.rights.robots_values for the grammar and the table of rules. The field speaks of the
representation that it came with, so a 304 keeps the stored one, and a re-fetch is read anew.

1. Repeated fields are all in force; a bot's name governs the rules after it in its own field line.
2. Rules for images speak of the resource if it may be an image, of the images it displays if it may be a page, of both
   if it may be both. house: of other things (a PDF holds its images inside itself) for careful readers.
3. Rules for other bots are remarked. house: those that keep a known AI bot from training refuse for strict readers.
4. ``unavailable_after`` is ``noindex`` once its date has come, and says nothing before.
5. A value of more than 8 KiB is not read. Unknown rules are remarked once.
6. What refuses the same in several fields or metas is one signal: the first place stands, the others are counted. Of
   each sort of remark the first five are made, and the others counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from askfirst.rights.media import expected_image, may_be_html, may_be_image
from askfirst.rights.model import (
    MAX_EVIDENCE_CHARS,
    NOTHING,
    Agent,
    Basis,
    Care,
    Covers,
    Evidence,
    Intent,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Verdict,
)
from askfirst.rights.reader import SILENT, Reader, Statement, Target, evidence, remark
from askfirst.rights.robots_values import (
    EVERYBODY,
    GRAMMAR,
    MAX_VALUE_CHARS,
    Effect,
    addresses,
    as_hint,
    date_of,
    is_ai_bot,
    is_known,
    meaning,
    resembles,
    rules,
)

PROTOCOL = "x-robots-tag"


def read_x_robots_tag(observation: Observation, agent: Agent) -> Statement:
    """What the response's fields say to this agent."""
    fields = [(name, value) for name, value in observation.headers if len(name) == 12 and name.lower() == PROTOCOL]
    if not fields:
        return SILENT
    return RobotsStatement(
        observation,
        agent,
        [
            Said(
                value=value,
                at=f"field {name}" if len(fields) == 1 else f"field {name} {number}",
                text=f"{name}: {value}",
            )
            for number, (name, value) in enumerate(fields, start=1)
        ],
        source="X-Robots-Tag header",
        protocol=PROTOCOL,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One field or one meta: its value, its place, the words as they are shown, and whom it addresses at first."""

    value: str
    at: str
    text: str
    bots: tuple[str, ...] = (EVERYBODY,)


class _Surface(NamedTuple):
    """What the resource may be."""

    image: bool
    page: bool


class RobotsStatement:
    """What the fields or metas of one response say, for each of the few things that the resource may be."""

    __slots__ = ("_agent", "_observation", "_protocol", "_readings", "_said", "_source")

    def __init__(
        self,
        observation: Observation,
        agent: Agent,
        said: Sequence[Said],
        *,
        source: str,
        protocol: str,
    ) -> None:
        self._observation = observation
        self._agent = agent
        self._said = said
        self._source = source
        self._protocol = protocol
        self._readings: dict[_Surface, Reading] = {}

    def on(self, target: Target) -> Reading:
        surface = _surface(self._observation, target.intent)
        reading = self._readings.get(surface)
        if reading is None:
            reading = self._readings[surface] = self._read(surface)
        return reading

    def _read(self, surface: _Surface) -> Reading:
        signals: dict[tuple[object, ...], Signal] = {}
        again: dict[str, Evidence] = {}
        too_long: list[Remark] = []
        no_dates: list[Remark] = []
        unknown: dict[str, Evidence] = {}
        elsewhere: dict[str, Evidence] = {}
        addressed: dict[tuple[str, ...], tuple[bool, bool]] = {}
        for said in self._said:
            if len(said.value) > MAX_VALUE_CHARS:
                note = f"{len(said.value)} characters are too long for a list of rules; not read"
                too_long.append(self._remark(RemarkKind.IGNORED, note, self._words(said, 0, GRAMMAR)))
                continue
            for rule in rules(said.value, said.bots):
                meant = meaning(rule)
                if rule.bots not in addressed:
                    addressed[rule.bots] = self._addressed(rule.bots)
                to_us, to_ai = addressed[rule.bots]
                hint = () if to_us or not to_ai else as_hint(rule, meant)
                if meant is None and not hint and (is_known(rule.name) or not to_us):
                    continue
                words = self._words(said, rule.start, GRAMMAR if meant is None else meant.spec)
                if rule.name == "unavailable_after":
                    ended = date_of(rule.argument)
                    if ended is None:
                        note = f"unavailable_after: {rule.argument[:40]!r} is no date; without effect"
                        no_dates.append(self._remark(RemarkKind.MALFORMED, note, words))
                    if ended is None or ended > self._observation.observed_at:
                        continue
                if hint:
                    self._refuse(hint, surface, words, signals, again)
                elif meant is None:
                    unknown.setdefault(rule.name, words)
                elif to_us:
                    self._refuse(meant.effects, surface, words, signals, again)
                else:
                    elsewhere.setdefault(f"{', '.join(rule.bots[:_LISTED])}: {rule.name}", words)
        look_alikes = [
            self._remark(RemarkKind.SUSPICIOUS, f"{word[:40]!r} looks like {plain}, and is not; without effect", words)
            for word, words in unknown.items()
            if (plain := resembles(word)) is not None
        ]
        remarks = [
            *_first(too_long),
            *_first(no_dates),
            *self._listed("addressed to another bot, not to us", elsewhere),
            *self._listed("unknown, without effect", unknown),
            *_first(look_alikes),
        ]
        if again:
            note = f"and {len(again)} more of them refuse the same"
            remarks.append(self._remark(RemarkKind.IGNORED, note, next(iter(again.values()))))
        return Reading(signals=tuple(signals.values()), remarks=tuple(remarks)) if signals or remarks else NOTHING

    def _refuse(
        self,
        effects: Sequence[Effect],
        surface: _Surface,
        words: Evidence,
        signals: dict[tuple[object, ...], Signal],
        again: dict[str, Evidence],
    ) -> None:
        """Adds what is refused; two rules that refuse the same are one signal, and another place of it is noted."""
        for effect in effects:
            for covers, care in _covered(effect, surface):
                key = (effect.category, covers, care, effect.terms)
                if key in signals:
                    if signals[key].evidence.at != words.at:
                        again.setdefault(words.at, words)
                else:
                    signals[key] = Signal(
                        source=self._source,
                        protocol=self._protocol,
                        category=effect.category,
                        basis=Basis.PREFERENCE,
                        verdict=Verdict.REFUSE,
                        covers=covers,
                        terms=effect.terms,
                        care=care,
                        evidence=words,
                    )

    def _addressed(self, bots: tuple[str, ...]) -> tuple[bool, bool]:
        """Whether we are among those that are addressed, and whether a known AI bot is."""
        to_us = any(bot == EVERYBODY or addresses(bot, self._agent.product_token) for bot in bots)
        return to_us, any(is_ai_bot(bot) for bot in bots)

    def _listed(self, note: str, seen: Mapping[str, Evidence]) -> list[Remark]:
        """One remark for all of them: a page of prose must not become a page of remarks."""
        if not seen:
            return []
        names = ", ".join(name[:40] for name in list(seen)[:_LISTED])
        more = "" if len(seen) <= _LISTED else f" and {len(seen) - _LISTED} more"
        return [self._remark(RemarkKind.IGNORED, f"{names}{more}: {note}", next(iter(seen.values())))]

    def _remark(self, kind: RemarkKind, note: str, words: Evidence) -> Remark:
        return remark(self._source, kind, note, words)

    def _words(self, said: Said, start: int, spec: str) -> Evidence:
        """A long value is shown from a little before the rule, so that the rule itself is among the words."""
        text = said.text
        if len(text) > MAX_EVIDENCE_CHARS and start > _BEFORE:
            text = said.value[start - _BEFORE :]
        return evidence(self._observation, at=said.at, text=text, spec=spec)


_LISTED: Final = 5
_BEFORE: Final = 60


def _first(remarks: list[Remark]) -> list[Remark]:
    """The first of them, the last of which says how many more there are."""
    if len(remarks) <= _LISTED:
        return remarks
    last = remarks[_LISTED - 1]
    return [*remarks[: _LISTED - 1], replace(last, note=f"{last.note}; and {len(remarks) - _LISTED} more like this")]


def _surface(observation: Observation, intent: Intent) -> _Surface:
    """house: an answer that is not 2xx is typed as an error page or a redirect, and may yet speak of an image."""
    if observation.document.kind is Kind.PAGE:
        # the intent is for an image on the page, and its media type the image's
        return _Surface(image=False, page=may_be_html(observation))
    image = may_be_image(observation, intent)
    if not image and not (observation.status is not None and 200 <= observation.status < 300):
        image = expected_image(intent)
    return _Surface(image=image, page=may_be_html(observation, intent))


def _covered(effect: Effect, surface: _Surface) -> Iterator[tuple[Covers, Care]]:
    if effect.page is not None:
        yield Covers.RESOURCE, effect.page
    if effect.images is None:
        return
    if effect.page is None and surface.image:
        yield Covers.RESOURCE, effect.images
    if surface.page:
        yield Covers.PAGE_IMAGES, effect.images
    elif effect.page is None and not surface.image:
        yield Covers.RESOURCE, max(effect.images, Care.CONSERVATIVE)


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.RESPONSE, Kind.PAGE),
    parse=read_x_robots_tag,
    reads_body=False,
    fields=frozenset({PROTOCOL}),
)
