"""``/ai.txt``: the dialect of Spawning (announced 2023-05-30, no specification; what follows is what its generators
mean), and a plain "no training" in whatever else goes by that name.

It is read on the host that serves the file; whether the page's host is asked as well is the gate's affair. Only
refusals count: an Allow in a file that no specification describes is no licence. The file is one thing, and
long, because groups, extensions and plain words are found in one pass over the same lines.

1. Groups as in robots.txt. Those for ``*`` (the plugin also writes ``*/``) and those for our token both count, each for
   itself: one refusal is enough. What stands before any User-Agent line refuses for conservative readers.
2. ``*.ext`` is an extension, not a robots pattern: ``*.h`` is not ``/x.html``. It is compared with the extension of the
   URL, and where that is missing or means no media type, also with those of the expected media type.
3. ``Disallow: *.ext`` refuses, whatever else allows. Of the path rules (``/...`` and ``*``) the longest decides, and a
   Disallow among equals. A Disallow of any other shape refuses if it matches as an extension or as a path.
4. ``Disallow: /`` at the end is the generators' answer for what the lines above did not list. So ``Allow: *.html``
   opens /page.html under it, and neither /x.unknown nor an extensionless page; the media type never opens anything.
5. house: a file of another kind (no User-Agent line with rules) speaks to suspicious readers only: there a key that
   says no to training (``AI-Training: no``, ``Disallow-AI: yes``, the keys of draft-car-ai-txt-wellknown, whose place
   is another path) refuses; for everybody it is a remark. Beside rules of this dialect such a key refuses for all, and
   ``conditional`` or ``restricted`` for conservative readers. The draft's "no key means deny" never counts, because
   absence is no signal.
6. HTML is no ai.txt. If only the Content-Type says HTML, the text is read for conservative readers.
7. house: a Disallow of several values (``*.jpg, *.png``) refuses each of them. Of a long file the first 20,000 lines
   are read, and it counts as cut off there. UTF-16 is read with and without its mark, as robots.txt is.
8. 404, 410 and the other 4xx: nothing; 401, 403: a remark. 429, 5xx, 3xx, outages, and what was cut off: DEFER.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from askfirst.rights.model import (
    NOTHING,
    Agent,
    Basis,
    Care,
    Category,
    Evidence,
    Kind,
    Observation,
    Reading,
    RemarkKind,
    Signal,
    Verdict,
)
from askfirst.rights.patterns import Pattern, PatternIndex, spellings
from askfirst.rights.reader import Reader, Statement, Target, evidence, remark
from askfirst.rights.site_file import MAX_LINES, is_page, lines_of, remarked, served_as_html, text_of, unread

PROTOCOL = "ai.txt"
_SPEC = "ai.txt as Spawning generates it"
_AD_HOC = "no specification: the plain sense of the words"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MEDIA_TYPES = """
    application/epub+zip epub; application/json json; application/msword doc; application/pdf pdf;
    application/postscript eps ai; application/rtf rtf; application/vnd.ms-excel xls;
    application/vnd.ms-powerpoint ppt; application/vnd.oasis.opendocument.spreadsheet ods;
    application/vnd.oasis.opendocument.text odt;
    application/vnd.openxmlformats-officedocument.presentationml.presentation pptx;
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx;
    application/vnd.openxmlformats-officedocument.wordprocessingml.document docx; application/x-tex tex;
    application/xhtml+xml html htm xhtml; application/xml xml; audio/aac aac; audio/aiff aiff; audio/amr amr;
    audio/flac flac; audio/mp4 m4a; audio/mpeg mp3; audio/ogg oga ogg opus; audio/opus opus; audio/wav wav;
    audio/webm weba; audio/x-aiff aiff; audio/x-ms-wma wma; audio/x-wav wav; image/avif avif; image/bmp bmp;
    image/gif gif; image/heic heic heif; image/heif heif; image/jpeg jpg jpeg; image/png png; image/svg+xml svg;
    image/tiff tif tiff; image/vnd.adobe.photoshop psd; image/vnd.microsoft.icon ico; image/webp webp;
    image/x-icon ico; text/css css; text/csv csv; text/html html htm; text/javascript js; text/markdown md;
    text/plain txt; text/rtf rtf; text/xml xml; video/3gpp 3gp; video/3gpp2 3g2; video/mp2t ts; video/mp4 mp4
    m4v; video/mpeg mpg mpeg; video/ogg ogg; video/quicktime mov qt; video/webm webm; video/x-flv flv;
    video/x-matroska mkv; video/x-ms-wmv wmv; video/x-msvideo avi
"""
_EXTENSIONS = {media: frozenset(extensions) for media, *extensions in (row.split() for row in _MEDIA_TYPES.split(";"))}
_KNOWN_EXTENSIONS = frozenset().union(*_EXTENSIONS.values())


def read_ai_txt(observation: Observation, agent: Agent) -> Statement:
    """What the origin's ai.txt says to this agent."""
    missing = unread(observation, partial(_signal, Verdict.DEFER), source=PROTOCOL, spec=_SPEC)
    if missing is not None:
        return missing
    text = text_of(observation.body)
    if is_page(text):
        note = "an HTML or XML page stands in its place: no rule is read"
        return remarked(observation, note, source=PROTOCOL, spec=_SPEC)
    file = _File(text, agent.product_token)
    html = served_as_html(observation)
    floor = Care.STRICT if not file.spawning else Care.CONSERVATIVE if html else Care.LITERAL
    return _Rules(observation, file, floor=floor)


def _signal(verdict: Verdict, care: Care, words: Evidence) -> Signal:
    return Signal(
        source="ai.txt",
        protocol=PROTOCOL,
        category=Category.TRAIN,
        basis=Basis.PREFERENCE,
        verdict=verdict,
        care=care,
        evidence=words,
    )


# -- lines ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """``key: value`` or ``key = value``, without the comment; ``key`` in lower case. ``inner`` if it is indented, or
    an item of a list."""

    number: int
    text: str
    key: str
    value: str
    inner: bool

    @property
    def at(self) -> str:
        return f"line {self.number}"


def _lines(lines: list[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        bare = line.partition("#")[0]
        key, mark, value = bare.partition(":")
        if not mark:
            key, mark, value = bare.partition("=")
        # house: a key is a word or a few; a longer one is prose
        if mark and 0 < len(key) <= 64:
            yield _Line(number, line.strip(), key.strip().lower(), value.strip(), inner=key[0] in " \t-")


_NO = _set("""0 n no never false off deny denied disallow disallowed refuse refused reserved block blocked forbidden
    prohibited optout opt-out""")
_YES = _set("1 y yes true on all always * /")
_HALF_NO = _set("conditional restricted none")
_NEGATIONS = _set("no not never disallow deny block forbid prohibit exclude opt out optout")
_DENIAL = _set("no")
_PERMISSIONS = _set("allow allowed permission permitted permit")
_TRAINING = _set("train training finetune finetuning")
_AROUND = _set("""ai ml llm llms genai gpt model models content for from in on of use usage data generative machine
    learning commercial""")


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", text[:64].lower().replace("fine-tun", "finetun")))


def _about_training(words: frozenset[str]) -> bool:
    """Whether these words, and no others beside them, are about training, or about allowing AI anything."""
    left = words - _NEGATIONS - _PERMISSIONS
    return (left == {"ai"} and left != words) or (bool(left - _AROUND) and left - _AROUND <= _TRAINING)


def _says_no(key: str, value: str) -> Care | None:
    """How careful a reader must be to find a refusal of training in ``key: value``; None if there is none."""
    words = _words(key)
    if not _about_training(words):
        return None
    first = (value.lower().split() or [""])[0].strip(".,;!\"'")
    if not _NEGATIONS.isdisjoint(words):
        return Care.LITERAL if first in _YES else None
    if first in _NO:
        return Care.LITERAL
    return Care.CONSERVATIVE if first in _HALF_NO else None


def _refuses(line: _Line) -> Care | None:
    """The same for a line; a value that is itself a statement (``Policy: training=deny``) counts too."""
    found = _says_no(line.key, line.value)
    for part in line.value.split(",") if found is None and "=" in line.value else ():
        key, _, value = part.partition("=")
        found = _says_no(key, value) if found is None else found
    if found is not None:
        return max(found, Care.CONSERVATIVE) if line.inner or line.key == "training" else found
    # a path is no phrase, and neither is the placeholder of a template
    if line.key == "allow" or len(line.value) > 64 or not {"/", "{"}.isdisjoint(line.value):
        return None
    words = _words(line.value) | (_DENIAL if line.key == "disallow" else frozenset())
    return None if _NEGATIONS.isdisjoint(words) or not _about_training(words) else Care.CONSERVATIVE


def _closed_paths(line: _Line) -> list[str]:
    """The paths of ``Exclude-From-Training: /a/*, /b/``."""
    words = _words(line.key)
    if line.value in _YES or _NEGATIONS.isdisjoint(words) or not _about_training(words):
        return []
    return [path for part in line.value.split(",") if (path := part.strip()).startswith("/")]


def _values(line: _Line) -> list[str]:
    """The patterns of an Allow or Disallow line; a Disallow may list several, and a raw backslash means two."""
    if line.key == "allow":
        return [line.value]
    parts = _SEPARATED.split(line.value)
    listed = len(parts) > 1 and all(part.startswith(("/", "*", ".")) for part in parts)
    values = parts if listed else [line.value]
    if listed and "," in line.value and not any(letter.isspace() for letter in line.value):
        values.append(line.value)  # a comma may also be a part of a path
    return [spelling for value in values for spelling in (spellings(value) if "\\" in value else (value,))]


# -- rules ----------------------------------------------------------------------------------------------------------

_SEPARATED = re.compile(r",\s*+|\s++")
_EXTENSION = re.compile(r"\*\.([^/*.$?\s]+)\$?")
_BARE = re.compile(r"\.?([^/*.$?\s]+)\$?")


@dataclass(frozen=True, slots=True)
class _Rule:
    """One Allow or Disallow line. ``extension`` and ``octets`` are its readings; ``odd`` if it is not clear which."""

    line: _Line
    allow: bool
    extension: str | None
    octets: str | None
    odd: bool = False

    @property
    def catch_all(self) -> bool:
        return self.octets in {"/", "*", "/*"}


def _rule(line: _Line, value: str, allow: bool) -> _Rule:
    found = _EXTENSION.fullmatch(value)
    if found is not None:
        return _Rule(line, allow, str(found[1]).lower(), None)
    if value == "*" or value.startswith("/"):
        return _Rule(line, allow, None, Pattern.parse(value).octets)
    bare = _BARE.fullmatch(value)
    rooted = value if value.startswith("*") else "/" + value
    return _Rule(line, allow, None if bare is None else str(bare[1]).lower(), Pattern.parse(rooted).octets, odd=True)


class _Scope:
    """The rules that are said to one name."""

    __slots__ = ("_allowed", "_odd", "_paths", "_refused", "rules")

    def __init__(self) -> None:
        self.rules: dict[tuple[bool, str], _Rule] = {}

    def add(self, line: _Line, value: str) -> None:
        allow = line.key == "allow"
        if value:
            self.rules.setdefault((allow, value), _rule(line, value, allow))

    def close(self) -> None:
        """Call when all rules are there."""
        rules = self.rules.values()
        plain = [rule for rule in rules if not rule.odd]
        odd = [rule for rule in rules if rule.odd and not rule.allow]
        self._allowed = {r.extension for r in plain if r.allow and r.extension is not None}
        # the first line of each extension stands, and a plain one before an odd one
        self._refused = {r.extension: r for r in reversed((*plain, *odd)) if not r.allow and r.extension is not None}
        self._paths = PatternIndex((r.octets, int(not r.allow), r) for r in plain if r.octets is not None)
        self._odd = PatternIndex((r.octets, 0, r) for r in odd if r.octets is not None)

    def contradictions(self) -> list[_Rule]:
        return [rule for extension, rule in self._refused.items() if extension in self._allowed]

    def refusing(self, path: str, own: str | None, named: frozenset[str]) -> _Rule | None:
        """The rule that refuses; ``own`` is the extension in the URL, ``named`` all that may be meant."""
        for extension in sorted(named):
            if extension in self._refused:
                return self._refused[extension]
        odd = self._odd.longest(path)
        if odd is not None:
            return odd
        rule = self._paths.longest(path)
        if rule is None or rule.allow or (rule.catch_all and own in self._allowed):
            return None
        return rule


class _File:
    """What the text holds for one agent."""

    def __init__(self, text: str, token: str) -> None:
        lines, self.cut = lines_of(text)
        self.lines = list(_lines(lines))
        keys = {line.key for line in self.lines}
        self.spawning = "user-agent" in keys and not keys.isdisjoint({"allow", "disallow"})
        self.draft = any(line.key in {"site-name", "training"} and not line.inner for line in self.lines)
        self.described = not self.spawning and text.lstrip().startswith("---")
        self.scopes = {"*": _Scope(), "us": _Scope(), "": _Scope()}
        self.says_no: list[tuple[Care, _Line]] = []
        self.others: list[_Line] = []
        self._read(token.lower())
        for scope in self.scopes.values():
            scope.close()

    def _read(self, token: str) -> None:
        spoken_to: set[str] = {""}
        listing = False
        for line in self.lines:
            if line.key == "user-agent":
                spoken_to = spoken_to if listing else set()
                listing = True
                name = _addressee(line.value, token)
                spoken_to |= {name} if name else set()
                continue
            care = _refuses(line)
            paths = _values(line) if line.key in {"allow", "disallow"} else _closed_paths(line)
            if not paths and care is None:
                continue
            listing = False
            if not spoken_to:
                self.others.append(line)
            elif care is not None:
                self.says_no.append((care, line))
            for name in spoken_to if not self.described else ():
                for path in paths:
                    self.scopes[name].add(line, path)


def _addressee(value: str, token: str) -> str:
    if value == "*" or value.startswith("*/"):
        return "*"
    product = re.match(r"[A-Za-z_-]*", value)
    return "us" if token in {value.lower(), "" if product is None else product[0].lower()} else ""


class _Rules:
    """One file for one agent. Readings are remembered by the lines that made them, so that they stay the same."""

    __slots__ = ("_by_lines", "_file", "_floor", "_observation", "_remarks", "_said", "_silent")

    def __init__(self, observation: Observation, file: _File, floor: Care) -> None:
        self._observation = observation
        self._file = file
        self._floor = floor
        self._remarks = tuple(
            remark(PROTOCOL, kind, note, evidence(observation, at=at, text=text, spec=_SPEC))
            for kind, note, at, text in _notes(observation, file, floor)
        )
        says_no = min(file.says_no, key=lambda said: (said[0], said[1].number), default=None)
        self._said = () if says_no is None else (self._refusal(says_no[1], says_no[0], _AD_HOC),)
        self._by_lines: dict[tuple[int, ...], Reading] = {}
        self._silent = self._whole([])

    def on(self, target: Target) -> Reading:
        own = _extension(target.path)
        named = frozenset() if own is None else frozenset({own})
        if own not in _KNOWN_EXTENSIONS and target.intent.media is not None:
            named |= _EXTENSIONS.get(target.intent.media.partition(";")[0].strip().lower(), frozenset())
        found = {
            rule.line: Care.LITERAL if name else Care.CONSERVATIVE
            for name, scope in self._file.scopes.items()
            if scope.rules and (rule := scope.refusing(target.path, own, named)) is not None
        }
        if not found:
            return self._silent
        key = tuple(line.number for line in found)
        reading = self._by_lines.get(key)
        if reading is None:
            reading = self._by_lines[key] = self._whole(
                [self._refusal(line, care, _SPEC) for line, care in found.items()]
            )
        return reading

    def _refusal(self, line: _Line, care: Care, spec: str) -> Signal:
        words = evidence(self._observation, at=line.at, text=line.text, spec=spec)
        return _signal(Verdict.REFUSE, max(care, self._floor), words)

    def _whole(self, refusals: list[Signal]) -> Reading:
        signals = (*refusals, *self._said)
        if self._observation.truncated or self._file.cut:
            # INVARIANT: what stands behind the cut is not known, and is never taken for silence
            at = _cut_at(self._observation, self._file)
            words = evidence(self._observation, at=at, text="cut off here", spec=_SPEC)
            signals = (*signals, _signal(Verdict.DEFER, self._floor, words))
        return Reading(signals=signals, remarks=self._remarks) if signals or self._remarks else NOTHING


def _extension(path: str) -> str | None:
    """The extension of the last segment, in lower case, up to what no extension holds (``photo.jpg:large``)."""
    name = path.partition("?")[0].rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    found = re.match(r"[^:;@!,%&=]+", extension)
    return found[0].lower() if dot and stem and found is not None else None


def _cut_at(observation: Observation, file: _File) -> str:
    return f"line {MAX_LINES}" if file.cut else f"byte {len(observation.body)}"


def _notes(observation: Observation, file: _File, floor: Care) -> Iterator[tuple[RemarkKind, str, str, str]]:
    """What has no effect, or needs a second look: one of each sort."""
    if observation.truncated or file.cut:
        yield RemarkKind.TRUNCATED, "the file is longer than is read", _cut_at(observation, file), ""
    if floor is Care.CONSERVATIVE:
        yield RemarkKind.SUSPICIOUS, "served as HTML and read as text, for conservative readers", "whole file", ""
    if not file.spawning:
        yield RemarkKind.IGNORED, _sort(file), "whole file", file.lines[0].text if file.lines else ""
    rules = [rule for scope in file.scopes.values() for rule in scope.rules.values()]
    sorts = (
        (RemarkKind.MALFORMED, "rule before any User-Agent line", [r.line for r in file.scopes[""].rules.values()]),
        (
            RemarkKind.MALFORMED,
            "neither an extension nor a path: refuses as either",
            [r.line for r in rules if r.odd and not r.allow],
        ),
        (RemarkKind.IGNORED, "an Allow here is no permission", [r.line for r in rules if r.allow]),
        (RemarkKind.IGNORED, "said to other agents", file.others),
        (
            RemarkKind.CONTRADICTION,
            "the same extension is allowed and disallowed: disallowed",
            [r.line for scope in file.scopes.values() for r in scope.contradictions()],
        ),
    )
    for kind, note, lines in sorts:
        if lines:
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            yield kind, note + more, lines[0].at, lines[0].text


def _sort(file: _File) -> str:
    if file.described:
        return "a description with front matter, not Spawning's ai.txt"
    if file.draft:
        return "keys of draft-car-ai-txt-wellknown, which is not read: not Spawning's ai.txt"
    return "not Spawning's ai.txt: it has no User-Agent line with rules"


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/ai.txt",),
    parse=read_ai_txt,
)
