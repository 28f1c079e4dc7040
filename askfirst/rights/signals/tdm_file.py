"""The origin's ``/.well-known/tdmrep.json``: TDMRep, "TDM file on the origin server".

An array of ``{"location": pattern, "tdm-reservation": 0 or 1, "tdm-policy": URL}``. The policies beside
reservations are named, and what they say is askfirst.rights.signals.tdm_policy's business.

1. The first rule in sequence that matches decides. The report calls that the most specific match, and elsewhere points
   to robots.txt, where the longest decides: if the first permits and a longest one reserves, the rights are reserved.
2. A location is matched as RFC 9309 has it, against the path. The report does not speak of the query: matching with or
   without it is enough to reserve, and a permission needs both. So it is with ``.*``, which may mean ``*``.
3. house: what departs from the grammar can reserve and cannot permit; a permission that departs is unset, and so is
   any other value. A first match that is unset takes permissions from the rules behind it, and no reservation.
4. house: of repeated keys the strictest counts. A rule without a location that reserves, reserves everything.
5. house: a file that is there and is no array of rules reserves until a person has looked at it. If all it says is 0,
   only a strict reader refuses. So does a file of more than 5,000 rules, of which none is read.
6. house: an HTML page with status 200 is no file of this technique, and the report says that the server then does not
   implement it: sites of one page answer every path with it.
7. 404, 410 and the other 4xx: nothing; 401, 403: a remark. 429, 5xx, 3xx and outages: DEFER, the file may reserve.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Care,
    Kind,
    Observation,
    Outage,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.patterns import Pattern, PatternIndex, spellings
from askfirst.rights.reader import SILENT, Constant, Named, Reader, Statement, Target, evidence, outcome, remark
from askfirst.rights.tdmrep import PROTOCOL, Place, policies, policy_terms, reservation, signals_of, tdm_signal

SOURCE = "tdmrep.json"
_SPEC = 'TDMRep "TDM file on the origin server"'
_RESERVATION = "tdm-reservation"
_POLICY = "tdm-policy"
_LOCATION = "location"
_MAX_RULES = 5_000
_WHITESPACE = re.compile(r"[ \t\r\n]*")


def read_tdm_file(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # TDMRep names no agents
    """What the origin's file says."""
    unread = _unread(observation)
    if unread is not None:
        return unread
    if _is_page(observation):
        return _remarked(observation, "an HTML page stands in its place: the server does not implement the technique")
    try:
        text = observation.body.decode("utf-8-sig")
        rules, notes = _rules(_array(text), observation.document.url)
    except UnicodeDecodeError as error:
        shown = observation.body.decode("utf-8", "replace")
        return _pending(observation, _MalformedError(f"not UTF-8 from byte {error.start} on", shown))
    except _MalformedError as error:
        return _pending(observation, error)
    return _Rules(observation, rules, notes)


def policies_of_file(observation: Observation, agent: Agent) -> tuple[Named, ...]:
    """The policies beside reservations, in the order of the rules."""
    statement = read_tdm_file(observation, agent) if b"polic" in observation.body.lower() else SILENT
    return policies(statement.reservations() if isinstance(statement, _Rules) else signals_of(statement))


def _unread(observation: Observation) -> Statement | None:
    """What follows from the status alone; None when there is a file to read."""
    status, how = observation.status, outcome(observation)
    answered = observation.outage is None and status is not None and 200 <= status < 500 and status != 429
    if not answered or status is None or 300 <= status < 400:
        # house: of a look that was forbidden to us only a suspicious reader concludes anything
        care = Care.STRICT if observation.outage is Outage.BLOCKED else Care.LITERAL
        words = evidence(observation, at=how, text=how, spec=_SPEC)
        return Constant(Reading(signals=(tdm_signal(SOURCE, Place.FILE, Verdict.DEFER, words, care=care),)))
    if status in {401, 403}:
        return _remarked(observation, "the file is closed, so the technique is not implemented")
    return SILENT if status >= 400 or status == 204 else None


def _remarked(observation: Observation, note: str) -> Statement:
    how = outcome(observation)
    words = evidence(observation, at=how, text=how, spec=_SPEC)
    return Constant(Reading(remarks=(remark(SOURCE, RemarkKind.IGNORED, note, words),)))


def _is_page(observation: Observation) -> bool:
    start = observation.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    html = any("html" in value.lower() for value in observation.field_values("content-type"))
    return start == b"<" or (html and start not in {b"[", b"{"})


class _MalformedError(ValueError):
    """The file is no array of rules: why, its text, and what could be read of it all the same."""

    def __init__(self, why: str, text: str, said: object = None) -> None:
        super().__init__(why)
        self.text = text
        self.said = said


def _pending(observation: Observation, error: _MalformedError) -> Statement:
    """Reserved until a person has looked at the file."""
    words = evidence(observation, at="whole file", text=error.text.lstrip(), spec=_SPEC)
    found = list(_properties(error.said))
    values = [value for name, value in found if name == _RESERVATION]
    care = Care.STRICT if values and all(_permits(value) for value in values) else Care.LITERAL
    terms = _first_terms([value for name, value in found if name == _POLICY], observation.document.url)
    signal = tdm_signal(SOURCE, Place.FILE, Verdict.REFUSE, words, terms=terms, care=care)
    note = f"{error}: reserved until a person has looked at it"
    return Constant(Reading(signals=(signal,), remarks=(remark(SOURCE, RemarkKind.MALFORMED, note, words),)))


# -- JSON -----------------------------------------------------------------------------------------------------------


class _Members(dict[str, list[object]]):
    """A JSON object: every value that each name was given, in order."""

    def given(self, name: str) -> list[object]:
        """The values of a name, also of its spelling in other letters or with underscores."""
        return [v for key, values in self.items() if _plain(key) == name for v in values]


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _members(pairs: list[tuple[str, object]]) -> _Members:
    members = _Members()
    for name, value in pairs:
        members.setdefault(name, []).append(value)
    return members


def _integer(digits: str) -> int | float:
    """``-0`` is not the exact 0, and a thousand digits are no reason to stop."""
    return int(digits) if len(digits) < 20 and digits != "-0" else float(digits)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_constant=_no_constant)


def _value_at(text: str, at: int) -> tuple[object, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _MalformedError(f"not JSON: {why}", text) from None
    return value, end


def _skip(text: str, at: int) -> int:
    found = _WHITESPACE.match(text, at)
    return found.end() if found is not None else at


def _array(text: str) -> list[tuple[object, str]]:
    """The elements of the array that ``text`` is, each with its own words; raises _MalformedError."""
    at = _skip(text, 0)
    if at == len(text):
        raise _MalformedError("the file is empty", text)
    if text[at] != "[":
        raise _MalformedError("not an array of rules", text, _value_at(text, at)[0])
    elements: list[tuple[object, str]] = []
    at = _skip(text, at + 1)
    while not (text.startswith("]", at) and not elements):
        value, end = _value_at(text, at)
        if len(elements) == _MAX_RULES:
            raise _MalformedError(f"more than {_MAX_RULES} rules", text)
        elements.append((value, text[at:end]))
        at = _skip(text, end)
        if text.startswith("]", at):
            break
        if not text.startswith(",", at):
            raise _MalformedError(f"not JSON: expecting ',' or ']' at character {at}", text)
        at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise _MalformedError("not JSON: more text behind the array", text)
    return elements


def _properties(said: object) -> Iterator[tuple[str, object]]:
    """Every named value anywhere inside, in no particular order."""
    left = [said]
    while left:
        value = left.pop()
        if isinstance(value, _Members):
            for name, values in value.items():
                yield from ((_plain(name), v) for v in values)
                left.extend(values)
        elif isinstance(value, list):
            left.extend(value)


# -- rules ----------------------------------------------------------------------------------------------------------


def _reserves(value: object) -> bool:
    if isinstance(value, str):
        return reservation(value) is Verdict.REFUSE
    return isinstance(value, int | float) and value == 1


def _permits(value: object) -> bool:
    return value == "0" or (type(value) is int and value == 0)


def _first_terms(values: list[object], base: str) -> Terms | None:
    return next((t for v in values if isinstance(v, str) and (t := policy_terms(v, base)) is not None), None)


@dataclass(frozen=True, slots=True)
class _Note:
    index: int
    text: str
    note: str
    kind: RemarkKind = RemarkKind.MALFORMED


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule; ``verdict`` is None when its reservation is unset."""

    index: int
    text: str
    verdict: Verdict | None
    patterns: tuple[Pattern, ...]
    terms: Terms | None

    def always(self, forms: tuple[str, ...]) -> bool:
        return all(pattern.matches(form) for pattern in self.patterns for form in forms)

    def length(self, forms: tuple[str, ...]) -> int:
        return max((p.length for p in self.patterns if any(p.matches(form) for form in forms)), default=0)


def _rules(elements: list[tuple[object, str]], base: str) -> tuple[list[_Rule], list[_Note]]:
    rules: list[_Rule] = []
    notes: list[_Note] = []
    for index, (value, text) in enumerate(elements):
        rule = _rule(index, value, text, base, notes) if isinstance(value, _Members) else None
        if rule is not None:
            rules.append(rule)
        else:
            notes.append(_Note(index, text, "no rule: it has no location, and reserves nothing"))
    if elements and not rules:
        whole = [value for value, _ in elements]
        raise _MalformedError("no rule of the array has a location", ", ".join(text for _, text in elements), whole)
    return rules, notes


def _rule(index: int, members: _Members, text: str, base: str, notes: list[_Note]) -> _Rule | None:
    values = members.given(_RESERVATION)
    locations = [v.strip() for v in members.given(_LOCATION) if isinstance(v, str)]
    reserved = any(_reserves(value) for value in values)
    if not locations:
        if not reserved:
            return None
        notes.append(_Note(index, text, "no location: read as /"))
        locations = ["/"]
    exact = all(len(members.get(name, ())) == 1 for name in (_LOCATION, _RESERVATION)) and len(values) == 1
    exact = exact and len(locations) == 1 and locations == members[_LOCATION] and locations[0].startswith("/")
    permitted = exact and _permits(values[0])
    verdict = Verdict.REFUSE if reserved else Verdict.ALLOW if permitted else None
    if any(len(given) > 1 for given in members.values()):
        note = "a key is repeated: the strictest value counts"
        notes.append(_Note(index, text, note, RemarkKind.CONTRADICTION))
    if not permitted and not (reserved and exact and type(values[0]) is int):
        notes.append(_Note(index, text, _departs(verdict, values)))
    readings = {reading: None for location in locations for reading in _readings(location)}
    if exact and len(readings) > 1:
        notes.append(_Note(index, text, "the location is read as a regular expression too: .* as *"))
    named = members.given(_POLICY)
    terms = _first_terms(named, base)
    if named and verdict is Verdict.ALLOW:
        notes.append(_Note(index, text, "tdm-policy beside 0 is not processed", RemarkKind.IGNORED))
    elif named and terms is None:
        notes.append(_Note(index, text, "tdm-policy is no web address: whom to ask is not known"))
    patterns = tuple(Pattern.parse(spelling) for reading in readings for spelling in spellings(reading))
    return _Rule(index, text, verdict, patterns, terms)


def _departs(verdict: Verdict | None, values: list[object]) -> str:
    if verdict is not None:
        return "departs from the grammar, and reserves all the same"
    if values and all(_permits(value) for value in values):
        return "departs from the grammar: not relied on as a permission"
    return "tdm-reservation is neither 0 nor 1: unset"


def _readings(location: str) -> Iterator[str]:
    """The patterns that a location may be."""
    if "://" in location[:12]:
        try:
            parts = urlsplit(location)
        except ValueError:
            yield "/"  # a reservation of something on this origin: of what, cannot be known
            return
        location = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not location.startswith(("/", "*")):
        location = "/" + location
    yield location
    if ".*" in location:
        yield location.replace(".*", "*")


class _Rules:
    """The rules of one file. Readings are remembered by the rules that made them, so that they stay the same."""

    __slots__ = ("_by_rules", "_index", "_observation", "_remarks", "_rules", "_silent")

    def __init__(self, observation: Observation, rules: list[_Rule], notes: list[_Note]) -> None:
        self._observation = observation
        self._rules = _first_of_each(rules)
        rules = self._rules
        self._index = PatternIndex((p.octets, 0, n) for n, rule in enumerate(rules) for p in rule.patterns)
        self._remarks = tuple(self._remark(note) for note in _one_of_each(notes))
        self._silent = Reading(remarks=self._remarks) if self._remarks else NOTHING
        self._by_rules: dict[tuple[int, int], Reading] = {}

    def on(self, target: Target) -> Reading:
        bare, query, _ = target.path.partition("?")
        forms = (target.path, bare) if query else (bare,)
        found = sorted({n for form in forms for n in self._index.matching(form)})
        hits = [r for n in found if (r := self._rules[n]).verdict is not Verdict.ALLOW or r.always(forms)]
        reserving = [rule for rule in hits if rule.verdict is Verdict.REFUSE]
        if not hits or (hits[0].verdict is None and not reserving):
            return self._silent
        first = reserving[0] if hits[0].verdict is None else hits[0]
        if first.verdict is Verdict.REFUSE:
            return self._reading(first, None)
        most = max(rule.length(forms) for rule in hits if rule.verdict is not None)
        return self._reading(first, next((rule for rule in reserving if rule.length(forms) == most), None))

    def _reading(self, first: _Rule, longest: _Rule | None) -> Reading:
        key = (first.index, -1 if longest is None else longest.index)
        reading = self._by_rules.get(key)
        if reading is None:
            remarks = self._remarks
            standing = [first]
            if longest is not None:
                standing.append(longest)
                note = "the first match permits and the longest reserves: reserved"
                remarks += (self._remark(_Note(longest.index, longest.text, note, RemarkKind.CONTRADICTION)),)
            reading = Reading(signals=tuple(self._signal(rule) for rule in standing), remarks=remarks)
            self._by_rules[key] = reading
        return reading

    def reservations(self) -> Iterator[Signal]:
        """Those that stand beside a policy."""
        return (self._signal(r) for r in self._rules if r.verdict is Verdict.REFUSE and r.terms is not None)

    def _signal(self, rule: _Rule) -> Signal:
        words = evidence(self._observation, at=f"/{rule.index}/{_RESERVATION}", text=rule.text, spec=_SPEC)
        # INVARIANT: only rules with a verdict are given to _reading
        assert rule.verdict is not None
        return tdm_signal(SOURCE, Place.FILE, rule.verdict, words, terms=rule.terms)

    def _remark(self, note: _Note) -> Remark:
        words = evidence(self._observation, at=f"/{note.index}", text=note.text, spec=_SPEC)
        return remark(SOURCE, note.kind, note.note, words)


def _first_of_each(rules: list[_Rule]) -> list[_Rule]:
    """Of rules with the same patterns and the same verdict only the first can be the first match, or the longest."""
    first: dict[tuple[object, ...], _Rule] = {}
    for rule in rules:
        first.setdefault((rule.patterns, rule.verdict), rule)
    return list(first.values())


def _one_of_each(notes: list[_Note]) -> list[_Note]:
    """The first note of each kind: a file of a thousand bad rules is one thing to look at."""
    return list({note.note: note for note in reversed(notes)}.values())[::-1]


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/.well-known/tdmrep.json",),
    parse=read_tdm_file,
    names=policies_of_file,
)
