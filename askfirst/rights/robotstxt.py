"""robots.txt, bytes to rules: RFC 9309 "Robots Exclusion Protocol", sections 2.2.1 to 2.2.4 and 2.5.

This module does not fetch and does not judge a status: that a file is absent or unreachable is somebody else's matter.
Parsing is split from choosing: :func:`parse` makes groups with line numbers, :class:`RuleSet` answers for one token.

1. A line ends at CR, LF or CRLF, and at nothing else. ``#`` starts a comment anywhere on it.
2. A group is one or more user-agent lines and the rules after them. Only a rule closes the list of user-agents: blank
   lines, comments and every other record, known or not, neither end nor split a group (section 2.2.4).
3. All groups that name the token are one rule set; only if there are none, all ``*`` groups are (section 2.2.1).
4. The longest pattern wins, an allow wins a tie, and ``/robots.txt`` is always allowed (section 2.2.2).
5. Nothing that a publisher writes raises.

Deviations, all of them house rules: a file is read a second time, *carefully*, where a sloppy line can be understood
(the leniencies of Google's parser, and a few more), and whatever the careful reading refuses is refused. It can refuse
and never allow. That an allowed ``/index.html`` allows ``/`` is not copied from Google: it would make an allow.

It is long and one thing: groups, choice and remarks have to take a line apart in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from askfirst.rights.model import MAX_EVIDENCE_CHARS, RemarkKind
from askfirst.rights.patterns import Pattern, PatternIndex, normalize, spellings

MAX_BYTES: Final = 512_000
MAX_NOTES: Final = 20
ABSURD_DELAY_S: Final = 300
_MAX_REMEMBERED: Final = 512
_BOM: Final = b"\xef\xbb\xbf"


class _Key(IntEnum):
    USER_AGENT = 1
    ALLOW = 2
    DISALLOW = 3
    CRAWL_DELAY = 4
    SITEMAP = 5
    OTHER = 6
    NONE = 7


_KEYS: Final[dict[str, _Key]] = {
    "user-agent": _Key.USER_AGENT,
    "allow": _Key.ALLOW,
    "disallow": _Key.DISALLOW,
    "crawl-delay": _Key.CRAWL_DELAY,
    "crawl delay": _Key.CRAWL_DELAY,
    "crawldelay": _Key.CRAWL_DELAY,
    "sitemap": _Key.SITEMAP,
    "sitemaps": _Key.SITEMAP,
    "site-map": _Key.SITEMAP,
}
# the spellings that nearly every line has, so that most lines cost one look
_USUAL: Final = _KEYS | {key.capitalize(): kind for key, kind in _KEYS.items()} | {"User-Agent": _Key.USER_AGENT}
_RULE_KEYS: Final = {_Key.USER_AGENT, _Key.DISALLOW}
# house: Google's misspellings of disallow; its prefixes of these keys are taken too, all to refuse only
_MISSPELLED: Final = {"dissallow", "dissalow", "disalow", "diasllow", "disallaw"}
_AGENT_PREFIXES: Final = ("user-agent", "useragent", "user agent")
# records about AI that other modules read, or that nobody has specified; none of them is a Disallow
_AI_KEY: Final = re.compile(r"(?:^|[-_ ])(?:ai|llms?|ml|tdm|train(?:ing)?)(?:$|[-_ ])|aitrain")
_USE_KEYS: Final = {"content-signal", "content-signals", "content-usage"}
_READ_ELSEWHERE: Final = _USE_KEYS | {"disallowaitraining", "license"}
_KNOWN_EXTENSIONS: Final = _READ_ELSEWHERE | {"crawl-delay"}
_RECORD_KEY: Final = re.compile(r"[a-z][a-z0-9_ -]{0,62}")
_TOKEN: Final = re.compile(r"[A-Za-z_-]*")
_AGENT: Final = re.compile(r"[A-Za-z_-]+")
_STAR_AND_MORE: Final = re.compile(r"\*[^A-Za-z0-9_*-]")
_DELAY: Final = re.compile(r"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+]?[0-9]{1,3})?")
_BLANK: Final = " \t\v\f"
UNSEEN: Final = "\0\ufeff\u200b\u200c\u200d\u2060"
_STARTS: Final = frozenset("/*")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/:]*+)[^/]*+(/.+)?/?")
_SLASHES: Final = re.compile(r"%(?:3A|2F|3F|40)")
_FOLDED: Final = {"%3A": ":", "%2F": "/", "%3F": "?", "%40": "@"}
_FOLDS: Final = frozenset(_FOLDED.values())


@dataclass(frozen=True, slots=True)
class Note:
    """Something in the file that had no effect, or not the usual one. ``line`` counts from 1; 0 is the whole file."""

    line: int
    kind: RemarkKind
    note: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record that is neither user-agent nor rule. ``group_index`` is its place in ``RobotsTxt.groups``, or None
    above the first user-agent line; ``key`` is in lower case, ``value`` without comment and outer blanks."""

    line: int
    key: str
    value: str
    group_index: int | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """The records with some keys as they concern one token, each in one list only. ``chosen``: of the groups that RFC
    9309 chooses. ``careful``: which only one of the two readings takes to be in them. ``passed_over``: of the ``*``
    groups, where a group names the token; of all these groups, where the user-agent line that counts stands only after
    the record; and of other groups, where a blank line parts the record from the rules: before RFC 9309 it ended the
    group. ``orphans``: above the first user-agent line, be it a sloppy one. Here an octet of a value that is not UTF-8
    is a lone surrogate."""

    chosen: tuple[Record, ...]
    careful: tuple[Record, ...]
    passed_over: tuple[Record, ...]
    orphans: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One allow or disallow line, ``text`` verbatim, at most 200 characters of it."""

    allow: bool
    pattern: Pattern
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """One group: its user-agent values verbatim, the number of the first of them, and its rules in order."""

    agents: tuple[str, ...]
    line: int
    rules: tuple[Rule, ...]


# A rule as it was read: its line number, negative for a disallow, and its value, not yet in normal form.
_RawRule = tuple[int, str]
_RawRecord = tuple[int, str, str, int | None]


class _RawGroup:
    __slots__ = ("agents", "delays", "rules")

    def __init__(self) -> None:
        self.agents: list[tuple[int, str]] = []
        self.rules: list[_RawRule] = []
        self.delays: list[tuple[int, str]] = []


class _Groups:
    """One reading of a file: its groups, and who is named by which."""

    __slots__ = ("_named", "_regular", "careful", "groups")

    def __init__(self, groups: list[_RawGroup], *, careful: bool) -> None:
        self.groups = groups
        self.careful = careful
        self._named: dict[str, list[int]] | None = None
        self._regular: bool | None = None

    def are_regular(self) -> bool:
        """Whether every user-agent value is within the grammar, so that the careful names are the names."""
        if self._regular is None:
            values = (value for group in self.groups for _, value in group.agents)
            self._regular = all(value == "*" or _AGENT.fullmatch(value) for value in values)
        return self._regular

    def naming(self, tokens: Iterable[str]) -> tuple[int, ...]:
        """The indexes of the groups that name one of ``tokens``, which are in lower case."""
        if self._named is None:
            self._named = {}
            for index, group in enumerate(self.groups):
                for name in {name for _, value in group.agents for name in _names(value, careful=self.careful)}:
                    self._named.setdefault(name, []).append(index)
        return tuple(sorted({index for token in tokens for index in self._named.get(token, ())}))

    def delay(self, chosen: Sequence[int]) -> tuple[float, int] | None:
        """The longest crawl delay of the chosen groups, with its line. House: of several, the most considerate."""
        delays = [
            (seconds, line)
            for index in chosen
            for line, value in self.groups[index].delays
            if (seconds := _seconds(value)) is not None
        ]
        return max(delays, key=lambda delay: (delay[0], -delay[1]), default=None)


def _names(value: str, *, careful: bool) -> set[str]:
    """Whom a user-agent value names, in lower case: its token, cut at the first octet that no token may have, as
    Google does (``Googlebot/2.1`` is googlebot), or ``*``."""
    value = value.lower()
    if value == "*":
        return {"*"}
    names = {_TOKEN.match(value)[0]}  # type: ignore[index]  # the expression matches the empty string too
    if careful:
        # house, to refuse only: the raw value, for tokens outside the grammar (`360Spider`); every entry of a list
        # with commas; `*` with something behind it, as Google reads `* foo`
        entries = [entry.strip() for entry in value.split(",")]
        names |= {value, *entries} | {_TOKEN.match(entry)[0] for entry in entries}  # type: ignore[index]  # the same
        if _STAR_AND_MORE.match(value):
            names.add("*")
    return names - {""}


def _seconds(value: str) -> float | None:
    """The seconds of a crawl delay, decimals taken; None for what is no finite number, or negative."""
    seconds = float(value) if _DELAY.fullmatch(value) else float("inf")
    return seconds if seconds != float("inf") else None


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """What a file says to one token. ``named``: a group named it, so that ``*`` does not count. ``groups``: the
    indexes of the groups that were merged. ``crawl_delay`` is in seconds, as written."""

    named: bool
    groups: tuple[int, ...]
    crawl_delay: float | None
    crawl_delay_line: int | None
    _file: RobotsTxt = field(repr=False)
    _careful: tuple[int, ...] | None = field(repr=False)
    _indexes: list[PatternIndex[int] | None] = field(repr=False, default_factory=list)
    _last: list[tuple[str | None, Rule | None]] = field(repr=False, default_factory=lambda: [(None, None)])

    def match(self, path: str) -> Rule | None:
        """The rule that decides ``path``, which ``patterns.target`` has prepared; None where no rule speaks."""
        # what is said of use asks again about the path that was just asked about
        asked, rule = self._last[0]
        if asked != path:
            rule = self._match(path)
            self._last[0] = path, rule
        return rule

    def _match(self, path: str) -> Rule | None:
        if path == "/robots.txt":
            return None
        indexes = self._indexes or self._build()
        literal, careful, queries = indexes
        line = None if literal is None else literal.longest(path)
        if line is not None and line < 0:
            return self._file.rule(line)
        if careful is not None:
            refusing = careful.longest(path)
            if refusing is not None and refusing < 0:
                return self._file.rule(refusing)
        rule = None if line is None else self._file.rule(line)
        if queries is not None and "?" in path:
            # house: section 2.2.2 shows `?u=http://h` compared as `?u=http%3A%2F%2Fh`, and no common parser does it;
            # refuse if either spelling is refused by the longer rule
            refusing = queries.longest(_fold_query(path))
            if refusing is not None:
                other = self._file.rule(refusing)
                if rule is None or other.pattern.length > rule.pattern.length:
                    return other
        return rule

    def match_orphan(self, path: str) -> Rule | None:
        """The disallow rule above the first user-agent line that matches ``path`` and is longest, allow rules there
        considered. RFC 9309 has these rules ignored, so they never count in :meth:`match`."""
        if not self._file.has_orphans or path == "/robots.txt":
            return None
        line = self._file.orphans().longest(path)
        return self._file.rule(line) if line is not None and line < 0 else None

    def _build(self) -> list[PatternIndex[int] | None]:
        file = self._file
        rules = file.rules_of(self.groups)
        queries = [
            (_fold_query(octets), 0, line) for octets, _, line in rules if line < 0 and "?" in octets and _odd(octets)
        ]
        careful = None if self._careful is None else PatternIndex(file.careful_rules_of(self._careful))
        self._indexes.extend(
            (PatternIndex(rules) if rules else None, careful, PatternIndex(queries) if queries else None)
        )
        return self._indexes


def _odd(octets: str) -> bool:
    query = octets.partition("?")[2]
    return not _FOLDS.isdisjoint(query) or _SLASHES.search(query) is not None


def _fold_query(octets: str) -> str:
    path, mark, query = octets.partition("?")
    return path + mark + _SLASHES.sub(lambda found: _FOLDED[found[0]], query)


@dataclass(frozen=True, slots=True, eq=False)
class RobotsTxt:
    """A robots.txt that was read. ``sitemaps`` are its sitemap values, in order."""

    sitemaps: tuple[str, ...]
    _lines: list[str] = field(repr=False)
    _literal: _Groups = field(repr=False)
    _careful: _Groups = field(repr=False)
    _orphans: list[_RawRule] = field(repr=False)
    _read: _Pass = field(repr=False)
    _reread: _Pass = field(repr=False)
    _cut: str | None = field(repr=False)
    _is_utf8: bool = field(repr=False)
    _host: str = field(repr=False)
    _rules: dict[int, Rule] = field(repr=False, default_factory=dict)
    _sets: dict[object, RuleSet] = field(repr=False, default_factory=dict)
    _records: dict[str, list[_RawRecord]] = field(repr=False, default_factory=dict)
    _made: dict[str, object] = field(repr=False, default_factory=dict)

    @property
    def is_cut(self) -> bool:
        """Whether there is more of the file than was read."""
        return self._cut is not None

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups in order, as RFC 9309 divides them."""
        return tuple(
            Group(
                agents=tuple(_as_latin_1(value) for _, value in group.agents),
                line=group.agents[0][0],
                rules=tuple(self.rule(line) for line, _ in group.rules),
            )
            for group in self._literal.groups
        )

    @property
    def known_records(self) -> int:
        """How many lines have a key that means something: a page of HTML has none."""
        known = self._made.get("known")
        if not isinstance(known, int):
            known = self._made["known"] = (
                sum(len(group.agents) + len(group.rules) for group in self._careful.groups)
                + len(self._orphans)
                + len(self.sitemaps)
                + sum(key in _KNOWN_EXTENSIONS for _, key, _, _ in self._read.records)
            )
        return known

    @property
    def notes(self) -> tuple[Note, ...]:
        """What in the file had no effect, or not the usual one; the first 20 of them, and how many more there are."""
        kept = self._made.get("notes")
        if not isinstance(kept, tuple):
            kept = self._made["notes"] = _notes(self)
        return kept

    def records_of(self, key: str) -> tuple[Record, ...]:
        """The records with this key, in any case: the ones that RFC 9309 does not know, and crawl-delay."""
        if not self._records:
            for record in self._read.records:
                self._records.setdefault(record[1], []).append(record)
        return tuple(
            Record(line, key, _as_latin_1(value), group)
            for line, key, value, group in self._records.get(key.lower(), ())
        )

    def said_to(self, key: str, token: str) -> tuple[list[Record], list[Record]]:
        """By either reading of the file, the plain one first: the records with this key and a value that stand in the
        groups which are chosen for ``token``; where there are none, those above the first user-agent line."""
        rules = self.rules_for(token)
        careful = rules.groups if rules._careful is None else rules._careful  # noqa: SLF001  # one reading of one file
        found: list[list[Record]] = []
        for read, chosen in ((self._read, set(rules.groups)), (self._reread, set(careful))):
            records = [
                Record(line, name, _as_latin_1(value), group)
                for line, name, value, group in read.records
                if name == key and value
            ]
            own = [record for record in records if record.group_index in chosen]
            found.append(own or [record for record in records if record.group_index is None])
        return found[0], found[1]

    def refusing(self, key: str, token: str) -> PatternIndex[int] | None:
        """The paths of the records with this key that a careful reader takes to be said to ``token``, read as those of
        disallow rules are, with the line of each; None when there are none. The records are those of the groups that
        name the token, of the ``*`` groups, and of no group, in either reading of the file."""
        raw = token.strip().lower()
        names = {_TOKEN.match(raw)[0], raw, "*"} - {""}  # type: ignore[index]  # it matches the empty string too
        found: dict[int, str] = {}
        for read in (self._read, self._reread):
            spoken_to = set(_Groups(read.groups, careful=True).naming(names))
            for line, name, value, group in read.records:
                if name == key and (group is None or group in spoken_to):
                    found.setdefault(line, value)
        return PatternIndex(self._entries((-line, found[line]) for line in sorted(found))) if found else None

    def spoken(self, keys: frozenset[str], token: str) -> Spoken:
        """The records with one of ``keys``, which are of those about use, by how they concern ``token``."""
        raw = token.strip().lower()
        bare = _TOKEN.match(raw)[0]  # type: ignore[index]  # the expression matches the empty string too
        sides: list[tuple[set[int | None], set[int | None], dict[int, set[str]], set[str]]] = []
        for groups, read, own in (
            (self._literal, self._read, {bare} - {""}),
            (self._careful, self._reread, {bare, raw} - {"", "*"}),
        ):
            named = groups.naming(own)
            ours, anyone = set[int | None](named), set[int | None](groups.naming(("*",)))
            heads = _heads(read, careful=groups.careful)
            sides.append((ours or anyone, ours | anyone, heads, own if named else {"*"}))
        found: tuple[list[Record], ...] = ([], [], [], [])
        # INVARIANT: both passes find the same records, for a sloppy line never is one; only the groups may differ
        for (line, key, value, group), again in zip(self._read.records, self._reread.records, strict=True):
            if key not in keys:
                continue
            in_groups = list(zip((group, again[3]), sides, strict=True))
            says = [at in chosen and not names.isdisjoint(heads[line]) for at, (chosen, _, heads, names) in in_groups]
            if any(says):
                place = 0 if all(says) else 1
            elif any(at in concerned for at, (_, concerned, _, _) in in_groups):
                place = 2
            elif again[3] is None:
                place = 3
            elif line in self._parted():
                place = 2
            else:
                continue
            found[place].append(Record(line, key, value, group))
        return Spoken(*map(tuple, found))

    def _parted(self) -> set[int]:
        """The lines that a blank line parts from the last rule above them, with no user-agent line in between."""
        known = self._made.get("parted")
        if isinstance(known, set):
            return known
        groups = self._reread.groups
        rules = {abs(line) for group in groups for line, _ in group.rules}
        agents = {line for group in groups for line, _ in group.agents}
        parted: set[int] = set()
        ruled = blank = False
        for number, line in enumerate(self._lines, 1):
            if number in rules or number in agents:
                ruled, blank = number in rules, False
            elif not line.strip():
                blank = True
            elif ruled and blank:
                parted.add(number)
        self._made["parted"] = parted
        return parted

    def path_spellings(self, path: str) -> tuple[str, ...]:
        """The normal forms of a path in a record's value. The first is that of RFC 9309; whoever refuses has to look
        for each of them."""
        forms = spellings(path)
        if self._is_utf8 or (latin_1 := _as_latin_1(path)) is path:
            return forms
        return (*forms, normalize(latin_1))

    def rules_for(self, token: str) -> RuleSet:
        """What the file says to ``token``: the merged groups that name it, or else the ``*`` groups."""
        known = self._sets.get(token)
        if known is None:
            if len(self._sets) > _MAX_REMEMBERED:
                self._sets.clear()
            known = self._sets[token] = self._choose(token.strip().lower())
        return known

    def _choose(self, raw: str) -> RuleSet:
        token = _TOKEN.match(raw)[0]  # type: ignore[index]  # the expression matches the empty string too
        literal, careful = self._literal, self._careful
        naming = chosen = literal.naming((token,)) if token else ()
        if not naming:
            chosen = literal.naming(("*",))
        careful_naming, careful_chosen = naming, chosen
        if careful.groups is not literal.groups or token != raw or not literal.are_regular():
            careful_naming = careful.naming({token, raw} - {"", "*"})
            careful_chosen = careful_naming or careful.naming(("*",))
        same = careful.groups is literal.groups and careful_chosen == chosen
        identity = (bool(naming or careful_naming), chosen, None if same else careful_chosen)
        known = self._sets.get(identity)
        if known is None:
            delays = [literal.delay(chosen), None if same else careful.delay(careful_chosen)]
            seconds, line = max((delay for delay in delays if delay is not None), default=(None, None))
            known = self._sets[identity] = RuleSet(
                named=identity[0],
                groups=chosen,
                crawl_delay=seconds,
                crawl_delay_line=line,
                _file=self,
                _careful=identity[2],
            )
        return known

    def rules_of(self, chosen: Iterable[int]) -> list[tuple[str, int, int]]:
        """The rules of the chosen groups as entries of an index; an item is a line, negative for a disallow."""
        return self._entries(rule for index in chosen for rule in self._literal.groups[index].rules)

    def careful_rules_of(self, chosen: Iterable[int]) -> list[tuple[str, int, int]]:
        """The same for the careful reading and its groups."""
        return self._entries(rule for index in chosen for rule in self._careful.groups[index].rules)

    @property
    def has_orphans(self) -> bool:
        """Whether any rule stands above the first user-agent line. Nearly no file has one."""
        return bool(self._orphans)

    def orphans(self) -> PatternIndex[int]:
        """The rules above the first user-agent line, be it a sloppy one."""
        index = self._made.get("orphans")
        if not isinstance(index, PatternIndex):
            index = self._made["orphans"] = PatternIndex(self._entries(self._orphans))
        return index

    def rule(self, line: int) -> Rule:
        """The rule on a line; the number is negative for a disallow."""
        known = self._rules.get(line)
        if known is None:
            raw = self._lines[abs(line) - 1]
            known = self._rules[line] = Rule(
                allow=line > 0,
                pattern=Pattern.parse(
                    refused_octets(_value(raw), self._host) if line < 0 else _value(raw).strip(_BLANK)
                ),
                line=abs(line),
                text=self.text_of(line),
            )
        return known

    def text_of(self, line: int) -> str:
        """A line verbatim, at most 200 characters of it; the number may be negative."""
        return _as_latin_1(self._lines[abs(line) - 1])[:MAX_EVIDENCE_CHARS]

    def _entries(self, rules: Iterable[_RawRule]) -> list[tuple[str, int, int]]:
        entries: list[tuple[str, int, int]] = []
        host = self._host
        add = entries.append
        for line, value in rules:
            if line > 0:
                # section 2.2.2 has patterns start with `/`; the example of section 5.1 has one start with `*`
                if value[:1] in _STARTS:
                    add((normalize(value), 1, line))
                continue
            octets = (
                value if value[:1] == "/" and value.isascii() and "\0" not in value else refused_octets(value, host)
            )
            if not octets:
                continue
            if "\\" in octets:
                # house: clients ask for it as `/` or as `%5C`; refuse both
                entries += [(spelling, 0, line) for spelling in spellings(octets)]
            else:
                add((normalize(octets), 0, line))
            if not self._is_utf8 and (latin_1 := _as_latin_1(octets)) is not octets:
                # house: clients ask for a latin-1 path by its octets, or as UTF-8; refuse both
                add((normalize(latin_1), 0, line))
        return entries


def refused_octets(value: str, host: str = "") -> str:
    """The pattern of a disallow value. House, to refuse only: ``private`` is taken as ``/private``, an absolute URL as
    its path unless that is the whole of a site other than ``host``, and what nobody sees around the value (NUL, zero
    width) is dropped."""
    value = value.strip().strip(UNSEEN).strip()
    if not value or value[0] in _STARTS:
        return value
    absolute = _ABSOLUTE.fullmatch(value)
    if absolute is None:
        return "/" + value
    return absolute[2] or ("/" if host and absolute[1].lower() == host else "")


def _as_latin_1(text: str) -> str:
    """Text of octets that are not UTF-8, as latin-1; other text as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text


def _value(line: str) -> str:
    """The value on a line that holds a rule."""
    text = line.partition("#")[0]
    key, colon, value = text.partition(":")
    return value if colon and "/" not in key else text.split()[-1]


class _Pass:
    """What one pass over the lines found."""

    __slots__ = ("groups", "odd", "orphans", "records", "sitemaps", "sloppy")

    def __init__(self) -> None:
        self.groups: list[_RawGroup] = []
        self.orphans: list[_RawRule] = []
        self.records: list[_RawRecord] = []
        self.sitemaps: list[str] = []
        self.odd: list[int] = []
        self.sloppy = False


def _pass_over(lines: list[str], *, careful: bool) -> _Pass:
    """Divides lines into groups. A sloppy line counts in the careful reading, and is an unknown record otherwise."""
    found = _Pass()
    usual = _USUAL.get
    allow, disallow, user_agent, other = _Key.ALLOW, _Key.DISALLOW, _Key.USER_AGENT, _Key.OTHER
    group: _RawGroup | None = None
    rules = found.orphans
    for number, line in enumerate(lines, 1):
        key, colon, value = line.partition(":")
        kind = usual(key) if colon else None
        if kind is None:
            if not line or line[0] == "#":
                continue
            kind, key, value, sloppy = _classify(line)
            if sloppy or kind is _Key.NONE:
                if value:
                    found.odd.append(number)
                found.sloppy = found.sloppy or sloppy
                if not careful or not sloppy:
                    continue
        if "#" in value:
            value = value[: value.index("#")]
        if kind is disallow:
            rules.append((-number, value.strip()))
        elif kind is allow:
            rules.append((number, value.strip(_BLANK)))
        elif kind is user_agent:
            if group is None or group.rules:
                group = _RawGroup()
                found.groups.append(group)
                rules = group.rules
            group.agents.append((number, value.strip(_BLANK)))
        elif kind is _Key.SITEMAP:
            found.sitemaps.append(_as_latin_1(value.strip()))
        else:
            value = value.strip()
            if kind is not other:
                key = "crawl-delay"
                if group is not None:
                    group.delays.append((number, value))
            found.records.append((number, key, value, len(found.groups) - 1 if group else None))
    return found


def _classify(line: str) -> tuple[_Key, str, str, bool]:
    """Key and value of a line that is not of the usual kind, and whether it has to be understood carefully. Where
    there is no key, the value is what there is."""
    text = line.partition("#")[0].strip(_BLANK)
    key, colon, value = text.partition(":")
    key = key.strip(_BLANK).lower()
    if not colon or "/" in key:
        # house, after Google: a missing colon is forgiven where there are exactly two words
        words = text.split()
        kind = _KEYS.get(words[0].lower()) or _sloppy_key(words[0].lower()) if len(words) == 2 else None
        return (kind, key, words[1], True) if kind in _RULE_KEYS else (_Key.NONE, "", text, False)
    kind = _KEYS.get(key)
    if kind is not None:
        return kind, key, value, False
    kind = _sloppy_key(key)
    if kind is not None:
        return kind, key, value, True
    # files are glued together, with the mark of the second in the middle
    key = key.strip(UNSEEN)
    return (_Key.OTHER, key, value, False) if _RECORD_KEY.fullmatch(key) else (_Key.NONE, "", text, False)


def _sloppy_key(key: str) -> _Key | None:
    """What a key that is nearly right means. Never an allow."""
    key = key.strip().strip(UNSEEN).strip()
    if key in _MISSPELLED or (key.startswith("disallow") and not _AI_KEY.search(key)):
        return _Key.DISALLOW
    return _Key.USER_AGENT if key.startswith(_AGENT_PREFIXES) else None


def _heads(read: _Pass, *, careful: bool) -> dict[int, set[str]]:
    """By the line of a record about use, whom the user-agent lines name that it stands under, if such a record closes
    their list as a rule does. To RFC 9309 it does not; to draft-ietf-aipref-attach it does, and people write so."""
    lines: dict[int, list[int]] = {}
    for line, key, _, group in read.records:
        if key in _USE_KEYS and group is not None:
            lines.setdefault(group, []).append(line)
    heads: dict[int, set[str]] = {}
    for group, numbers in lines.items():
        agents = read.groups[group].agents
        head: set[str] = set()
        at = 0
        for number in numbers:
            fresh: set[str] = set()
            while at < len(agents) and agents[at][0] < number:
                fresh |= _names(agents[at][1], careful=careful)
                at += 1
                head = fresh
            heads[number] = head
    return heads


def _notes(file: RobotsTxt) -> tuple[Note, ...]:
    # what says something about AI that is not read is named before anything else
    found = sorted(
        _of_each_sort(_remarkable(file)), key=lambda entry: (entry[1] is not RemarkKind.NOT_COUNTED, entry[0])
    )
    found = [*sorted(found[:MAX_NOTES], key=lambda entry: entry[0]), *found[MAX_NOTES:]]
    lines = file._lines  # noqa: SLF001  # this function is a part of RobotsTxt.notes
    notes = [
        Note(line, kind, note, _as_latin_1(lines[line - 1])[:MAX_EVIDENCE_CHARS] if 0 < line <= len(lines) else "")
        for line, kind, note in found[:MAX_NOTES]
    ]
    if len(found) > MAX_NOTES:
        more = len(found) - MAX_NOTES
        notes.append(
            Note(found[MAX_NOTES][0], RemarkKind.IGNORED, f"{more} more remarks from here on are not kept", "")
        )
    return tuple(notes)


_Found = tuple[int, RemarkKind, str]
_OF_A_SORT: Final = 3


def _of_each_sort(found: Iterable[_Found]) -> Iterator[_Found]:
    """The first three of each sort, so that a list of many odd names does not hide what else is odd."""
    sorts: dict[tuple[RemarkKind, str], list[_Found]] = {}
    for entry in found:
        sorts.setdefault((entry[1], _SORT.split(entry[2], maxsplit=1)[0]), []).append(entry)
    for entries in sorts.values():
        more = len(entries) - _OF_A_SORT
        yield from entries[: _OF_A_SORT - 1]
        for line, kind, note in entries[_OF_A_SORT - 1 : _OF_A_SORT]:
            yield line, kind, f"{note}; and {more} more lines like this" if more > 0 else note


_SORT: Final = re.compile(r"[;`]")


def _importance(entry: _Found) -> tuple[bool, int]:
    return entry[1] is not RemarkKind.NOT_COUNTED, entry[0]


def _remarkable(file: RobotsTxt) -> Iterable[_Found]:
    lines, read = file._lines, file._read  # noqa: SLF001  # this function is a part of RobotsTxt.notes
    if file._cut is not None:  # noqa: SLF001  # the same
        yield 0, RemarkKind.TRUNCATED, file._cut  # noqa: SLF001  # the same
    first = next((number for number, line in enumerate(lines, 1) if line.strip()), 0)
    if first and lines[first - 1].lstrip().startswith("<"):
        yield first, RemarkKind.MALFORMED, "this looks like HTML or XML, not robots.txt; lines that parse are used"
    for number in read.odd:
        kind = _classify(lines[number - 1])[0]
        if kind is _Key.NONE:
            yield number, RemarkKind.MALFORMED, "no record on this line: it has no key that ends at a colon"
        else:
            word = "disallow" if kind is _Key.DISALLOW else "user-agent"
            yield number, RemarkKind.MALFORMED, f"taken for {word}, and only to refuse"
    for line, _ in file._orphans:  # noqa: SLF001  # the same
        yield abs(line), RemarkKind.IGNORED, "a rule above the first user-agent line belongs to no group"
    unread: set[str] = set()
    for line, key, value, group_index in read.records:
        if key == "crawl-delay":
            yield from _remarkable_delay(line, value, group_index)
        elif key not in unread and key not in _READ_ELSEWHERE and _AI_KEY.search(key):
            unread.add(key)
            note = f"not read: `{key}`, which seems to be about AI, and nobody has specified it"
            yield line, RemarkKind.NOT_COUNTED, note
    for group in file._literal.groups:  # noqa: SLF001  # the same
        for line, value in group.agents:
            token = _TOKEN.match(value)
            if value != "*" and token is not None and (not value or token[0] != value):
                named = f"read as `{token[0]}`" if token[0] else "it names nobody"
                yield line, RemarkKind.MALFORMED, f"the user-agent value is outside the grammar; {named}"
    if not file._is_utf8:  # noqa: SLF001  # the same
        for number, raw in enumerate(lines, 1):
            if _as_latin_1(raw) is not raw:
                yield number, RemarkKind.MALFORMED, "not UTF-8; compared octet by octet, and as latin-1 to refuse"
    yield from _remarkable_rules(file)


def _remarkable_rules(file: RobotsTxt) -> Iterable[_Found]:
    host = file._host  # noqa: SLF001  # this function is a part of RobotsTxt.notes
    for group in file._literal.groups:  # noqa: SLF001  # this function is a part of RobotsTxt.notes
        for line, value in group.rules:
            if not value or value[0] in _STARTS:
                continue
            if line > 0:
                yield line, RemarkKind.MALFORMED, "a path starts with `/` or `*`; the line allows nothing"
            else:
                how = f"taken for `{octets}`" if (octets := refused_octets(value, host)) else "the line refuses nothing"
                yield -line, RemarkKind.MALFORMED, f"a path starts with `/` or `*`; {how}"


def _remarkable_delay(line: int, value: str, group_index: int | None) -> Iterable[_Found]:
    seconds = _seconds(value)
    if seconds is None:
        yield line, RemarkKind.MALFORMED, "the crawl delay is no number of seconds"
    elif seconds > ABSURD_DELAY_S:
        yield line, RemarkKind.SUSPICIOUS, f"a crawl delay of more than {ABSURD_DELAY_S} s is nearly a refusal"
    if group_index is None:
        yield line, RemarkKind.IGNORED, "a crawl delay above the first user-agent line belongs to no group"


def parse(body: bytes, *, truncated: bool = False, host: str = "") -> RobotsTxt:
    """The robots.txt in ``body``, of which the first 500 KiB count (section 2.5). ``truncated``: the body is a prefix.
    A line that the cut has parted is dropped. ``host``: whose file it is. Never raises on content."""
    text, is_utf8, cut = _decode(body, truncated=truncated)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    literal = _pass_over(lines, careful=False)
    careful = _pass_over(lines, careful=True) if literal.sloppy else literal
    return RobotsTxt(
        sitemaps=tuple(literal.sitemaps),
        _lines=lines,
        _literal=_Groups(literal.groups, careful=False),
        _careful=_Groups(careful.groups, careful=True),
        _orphans=careful.orphans,
        _read=literal,
        _reread=careful,
        _cut=cut,
        _is_utf8=is_utf8,
        _host=host,
    )


def _decode(body: bytes, *, truncated: bool) -> tuple[str, bool, str | None]:
    """The text, whether all of it was UTF-8 (or UTF-16), and what was cut, if anything. Octets that are not UTF-8
    become lone surrogates, which patterns.normalize turns back into these octets."""
    cut = None
    wide = utf_16_codec(body)
    if len(body) > MAX_BYTES:
        cut = f"only the first {MAX_BYTES} bytes of {len(body)} were read"
        truncated = wide is not None or body[MAX_BYTES] not in b"\r\n"
        body = body[:MAX_BYTES]
    elif truncated:
        cut = f"the body was cut after {len(body)} bytes"
    if wide is not None:
        text = body.decode(wide, "replace").removeprefix("\ufeff")
        is_utf8 = True
    else:
        if truncated:
            body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
        body = _without_bom(body)
        try:
            text, is_utf8 = body.decode(), True
        except UnicodeDecodeError:
            text, is_utf8 = body.decode("utf-8", "surrogateescape"), False
    if truncated:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    return text, is_utf8, cut


def utf_16_codec(body: bytes) -> str | None:
    """The UTF-16 codec for bodies that begin with its byte order mark, or with two ASCII characters in it."""
    if body[:2] == b"\xff\xfe" or (body[1:2] == body[3:4] == b"\0" and body[0] and body[2]):
        return "utf-16-le"
    if body[:2] == b"\xfe\xff" or (body[:1] == body[2:3] == b"\0" and len(body) > 3 and body[1] and body[3]):
        return "utf-16-be"
    return None


def _without_bom(body: bytes) -> bytes:
    """House, after Google: a UTF-8 byte order mark is skipped, also where its last bytes are missing."""
    for length in (3, 2, 1):
        if body.startswith(_BOM[:length]) and body[length : length + 1] < b"\x80":
            return body[length:]
    return body.removeprefix(_BOM)
