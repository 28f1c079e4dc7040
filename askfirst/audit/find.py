"""Answers "was this seen, kept, refused; when, why, under whose consent?" from an output directory.

What is asked about: a URL, a site, a decision's id, a SHA-256, a file (its bytes, and if it is a picture its likenesses
among the kept pictures), or a passage of text (in the kept texts). What this module does not do: check the record
(``askfirst audit verify`` does) or judge; what it finds is quoted as it was recorded.

This file is long because it is one thing: a question, the three streams that may answer it, and the answer.

1. INVARIANT: an answer says what was looked at, and what could not be: "never seen" means in these places.
2. Streams: item lines, kept bytes where needed, decisions. At most MOST_PLACES addresses are remembered; counts go on.
3. Sealed segments are asked through their look-up index where there is one that belongs to them, for a site by their
   URLs; else, and with ``afresh``, every line is read. An index and the remembered fingerprints are caches that
   somebody may have altered.
4. house: a site is a host and all hosts below it. A URL is looked for as it was given, without its fragment, and as a
   crawler writes it.
5. house: in a passage, white space, case, typographic form (Unicode NFKC) and what is invisible do not count, and
   neither does markup; fewer than SHORTEST_PASSAGE characters say nothing.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from fastwarc.warc import ArchiveIterator
from selectolax.lexbor import LexborHTMLParser
from w3lib.encoding import html_to_unicode
from w3lib.url import safe_url_string

from askfirst import pictures
from askfirst.items import Item, Withdrawal
from askfirst.lookup import KeyKind, Lookup, LookupDamaged
from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.record import Recorded, parse_line
from askfirst.rights.wire import WireError, canonical
from askfirst.sealed import Sealed, SealedError
from askfirst.segments import segments

Kind = Literal["url", "site", "id", "digest", "file", "text"]
State = Literal["kept", "replaced", "withdrawn", "refused", "deferred", "allowed", "never seen"]

FINGERPRINTS: Final = "pictures.pdq"
MOST_PLACES: Final = 100_000
MOST_LISTED: Final = 1_000
MOST_REASONS: Final = 1_000
MOST_BODY_BYTES: Final = 64 * 1024 * 1024
MOST_TEXT_BYTES: Final = 8 * 1024 * 1024
SHORTEST_PASSAGE: Final = 20
FEW_NEEDLES: Final = 8
_LOGGER = logging.getLogger("askfirst")
_HELD: Final = frozenset({"response", "page", "asset", "original"})
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_PREFIX = re.compile(r"sha256:([0-9a-f]{6,63})", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[^\s/:@?#\\\[\]]+)(?::\d{1,5})?", re.IGNORECASE)
_DIGESTS = re.compile(rb'"digest":"(sha256:[0-9a-f]{64})"')


# -- the question ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. ``urls``, ``digests`` and ``ids`` as they stand in a line; ``prefix`` of an id."""

    kind: Kind
    what: str
    urls: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    prefix: str = ""
    host: str = ""
    port: int | None = None
    body: bytes = b""

    def is_there(self, url: str) -> bool:
        """Whether a URL is of the site."""
        try:
            split = urlsplit(url)
            host, port = (split.hostname or "").rstrip("."), split.port
        except ValueError:
            return False
        return (host == self.host or host.endswith("." + self.host)) and self.port in {None, port}


def question_of(what: str) -> Question:
    """What somebody asks about, by its look: a URL, else a file that is there, else a digest or id, else a site. Raises
    SettingsError."""
    if "://" in what:
        return Question("url", what, urls=frozenset(_spellings(what)))
    named = _file(what)
    if named is not None:
        return named
    whole = _HEX.fullmatch(what)
    if whole:
        name = "sha256:" + whole[1].lower()
        return Question("digest", what, digests=frozenset({name}), ids=frozenset({name}))
    part = _PREFIX.fullmatch(what)
    if part:
        return Question("id", what, prefix="sha256:" + part[1].lower())
    if _HOST.fullmatch(what):
        try:
            split = urlsplit(f"//{what}")
            host = (split.hostname or "").rstrip(".")
            return Question(
                "site", what, host=host if host.isascii() else host.encode("idna").decode("ascii"), port=split.port
            )
        except (ValueError, UnicodeError):
            raise SettingsError(f"{what!r} is no host; write it as example.org") from None
    raise SettingsError(
        f"{what!r}: there is no such file, and it is no URL, site, sha256 or decision id; a URL begins with https://"
    )


def _file(what: str) -> Question | None:
    """A file, if that is one; of a very large one only its digest. Raises SettingsError."""
    path = Path(what)
    try:
        if not path.is_file():
            return None
    except OSError:  # a name that no file can have
        return None
    try:
        with path.open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            body = file.read(MOST_BODY_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{what}: {error.strerror}; name a file that can be read") from None
    return Question("file", what, digests=frozenset({digest}), body=body if len(body) <= MOST_BODY_BYTES else b"")


def passage(text: str) -> Question:
    """A passage of text. Raises SettingsError when it is too short to say anything."""
    if len(_folded(text)) < SHORTEST_PASSAGE:
        raise SettingsError(f"--text: give at least {SHORTEST_PASSAGE} characters, not counting white space")
    body = text.encode("utf-8", "surrogateescape")
    return Question("text", text, digests=frozenset({_digest(body)}), body=body)


def _spellings(url: str) -> Iterator[str]:
    yield url
    bare = url.partition("#")[0]
    yield bare
    try:
        split = urlsplit(bare)
        host, port = split.hostname or "", split.port
        usual = {"http": 80, "https": 443}.get(split.scheme)
        shown = f"[{host}]" if ":" in host else host
        plain = split._replace(
            netloc=shown if port in {None, usual} else f"{shown}:{port}", path=split.path or "/"
        ).geturl()
        yield plain
        yield safe_url_string(plain)
    except (ValueError, UnicodeError):
        return


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


# -- the answer --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Place:
    """An address: what its lines in ``items/`` say of it. ``item`` is the kept line that answers the question."""

    url: str
    state: Literal["kept", "replaced", "withdrawn"]
    item: Item
    withdrawn_at: datetime | None = None


@dataclass(slots=True)
class Reason:
    """One reason among the decisions: the words, how often, and a line to show it with."""

    verdict: str
    protocol: str
    text: str
    count: int
    line: bytes


class Likeness(NamedTuple):
    """A kept picture that is like the one asked about."""

    sha256: str
    distance: int
    attitude: str


class _Last(NamedTuple):
    at: str
    verdict: str
    line: bytes


@dataclass(slots=True)
class LookedAt:
    """What was searched, and what could not be."""

    runs: int = 0
    decisions: int = 0
    indexed: int = 0
    unreadable_decisions: int = 0
    item_lines: int = 0
    pictures: int = 0
    remembered_pictures: int = 0
    unfit_pictures: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    unfit_texts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Answer:
    """All that was found. ``reasons`` and ``asks`` are counted in decisions; ``latest`` is the last decision, of the
    keep stage if there is one."""

    question: Question
    looked_at: LookedAt = field(default_factory=LookedAt)
    places: dict[str, Place] = field(default_factory=dict)
    likenesses: dict[str, Likeness] = field(default_factory=dict)
    total: int = 0
    by: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_month: dict[str, Counter[str]] = field(default_factory=dict)
    first_at: str = ""
    last_at: str = ""
    contradictions: int = 0
    addresses: set[str] = field(default_factory=set)
    reasons: dict[tuple[str, str, str], Reason] = field(default_factory=dict)
    asks: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    consents: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _last: dict[str, _Last] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The answer in a word: of several addresses, the one that weighs most."""
        states = {place.state for place in self.places.values()}
        of_items: tuple[Literal["kept", "withdrawn", "replaced"], ...] = ("kept", "withdrawn", "replaced")
        for state in of_items:
            if state in states:
                return state
        if not self._last:
            return "never seen"
        verdicts: dict[str, State] = {"refuse": "refused", "defer": "deferred", "allow": "allowed"}
        return verdicts[self._deciding().verdict]

    @property
    def latest(self) -> Recorded | None:
        """The last decision of the keep stage, else of the fetch stage, unless a later fetch was not allowed. None when
        there is none, or none that can be read to the end."""
        return recorded(self._deciding().line) if self._last else None

    def _deciding(self) -> _Last:
        keep, fetch = self._last.get("keep"), self._last.get("fetch")
        if keep is None or (fetch is not None and fetch.at > keep.at and fetch.verdict != "allow"):
            assert fetch is not None
            return fetch
        return keep

    def count(self, line: bytes, told: _Line) -> None:
        """Takes in a decision."""
        self.total += 1
        self.by[told.stage, told.verdict] += 1
        self.by_month.setdefault(told.decided_at[:7], Counter())[told.verdict] += 1
        self.first_at = min(self.first_at or told.decided_at, told.decided_at)
        self.last_at = max(self.last_at, told.decided_at)
        self.contradictions += bool(told.contradictions)
        if len(self.addresses) < MOST_PLACES:
            self.addresses.add(told.url)
        known = self._last.get(told.stage)
        if known is None or told.decided_at >= known.at:
            self._last[told.stage] = _Last(told.decided_at, told.verdict, line)
        for protocol, text in dict.fromkeys((signal.protocol, signal.evidence.text) for signal in told.because):
            self._reason(told.verdict, protocol, text, line)
        agreed: dict[tuple[str, str, str], None] = {}
        for signal in told.because:
            terms = signal.terms
            if told.verdict == "allow" and terms is not None and (terms.reference or terms.url):
                agreed[terms.reference or "", terms.url or "", signal.evidence.document_url] = None
        for one in agreed:
            self._bounded(self.consents, one)
        if not told.because:
            self._reason(told.verdict, "silence", "", line)
        for whom in dict.fromkeys((ask.name or "", ask.contact or "", ask.terms_url or "") for ask in told.ask):
            self._bounded(self.asks, whom)

    def _reason(self, verdict: str, protocol: str, text: str, line: bytes) -> None:
        key = (verdict, protocol, text)
        known = self.reasons.get(key)
        if known is not None:
            known.count += 1
            known.line = line
        elif len(self.reasons) < MOST_REASONS:
            self.reasons[key] = Reason(verdict, protocol, text, 1, line)

    @staticmethod
    def _bounded(counter: Counter[tuple[str, str, str]], key: tuple[str, str, str]) -> None:
        if key in counter or len(counter) < MOST_REASONS:
            counter[key] += 1


class _Evidence(msgspec.Struct):
    text: str = ""
    document_url: str = ""


class _Terms(msgspec.Struct):
    url: str | None = None
    reference: str | None = None


class _Signal(msgspec.Struct):
    protocol: str
    evidence: _Evidence
    terms: _Terms | None = None


class _Ask(msgspec.Struct):
    name: str | None = None
    contact: str | None = None
    terms_url: str | None = None


class _Look(msgspec.Struct):
    digest: str
    kind: str


class _Line(msgspec.Struct):
    id: str
    url: str
    decided_at: str
    stage: Literal["fetch", "keep"]
    verdict: Literal["allow", "defer", "refuse"]
    because: list[_Signal] = []
    ask: list[_Ask] = []
    contradictions: list[msgspec.Raw] = []
    looked_at: list[_Look] = []


_line = msgspec.json.Decoder(_Line)
_item_line = msgspec.json.Decoder(Item)
_withdrawal_line = msgspec.json.Decoder(Withdrawal)


def recorded(line: bytes) -> Recorded | None:
    """The decision on a line, with all that was said; None if it cannot be read to the end."""
    try:
        return parse_line(line)
    except WireError as error:
        _LOGGER.debug("a line of the log is no whole decision: %s", error)
        return None


# -- finding -----------------------------------------------------------------------------------------------------------


def find(
    out: Path, question: Question, *, afresh: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Answer:
    """The answer. ``afresh`` uses no look-up index and no remembered fingerprint; where the indexes know of no
    decision, the lines are read all the same. Raises SettingsError for what is no output directory, and EdgeError."""
    if not (out / "decisions").is_dir():
        raise SettingsError(f"{out}: holds no decisions; name the --out directory of a crawl")
    answer = Answer(question)
    try:
        likes: frozenset[str] = frozenset()
        if question.kind == "file":
            likes = _like_pictures(out, answer, afresh, progress)
        elif question.kind == "text":
            likes = _with_passage(out, answer, progress)
        digests = question.digests | likes
        ids = _find_items(out, answer, digests, progress)
        _find_decisions(out, answer, digests, question.ids | ids, afresh, progress)
        if not answer.total and answer.looked_at.indexed:
            # INVARIANT: an index may have been altered, so that nothing was decided is never said on its word alone
            return find(out, question, afresh=True, progress=progress)
    except (OSError, SealedError) as error:
        raise EdgeError(f"cannot read {out}: {error}; check that it is all there and may be read") from error
    return answer


def _item_lines(out: Path, answer: Answer | None = None) -> Iterator[Item | Withdrawal]:
    """Every line, oldest run first; what is torn or no item is noted, once."""
    for path in sorted((out / "items").glob("*.jsonl")):
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    kept = b'"withdrawn_at":' not in line
                    yield _item_line.decode(line) if kept else _withdrawal_line.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    if answer is not None:
                        answer.looked_at.notes.append(f"{path} line {number} is no item line; it is left out")
                    continue
                if answer is not None:
                    answer.looked_at.item_lines += 1


def _find_items(out: Path, answer: Answer, digests: frozenset[str], progress: Callable[[str], None]) -> frozenset[str]:
    """Fills in the places; gives the ids of the decisions under which they were kept."""
    question, places = answer.question, answer.places
    progress("reading item lines")

    def is_meant(item: Item) -> bool:
        return (
            item.url in question.urls
            or item.final_url in question.urls
            or f"sha256:{item.sha256}" in digests
            or item.decision_id in question.ids
            or bool(question.prefix and item.decision_id.startswith(question.prefix))
            or bool(question.host and (question.is_there(item.url) or question.is_there(item.final_url)))
        )

    latest: dict[str, datetime] = {}
    for line in _item_lines(out, answer):
        if isinstance(line, Item):
            if is_meant(line) and (line.url in places or len(places) < MOST_PLACES):
                places[line.url] = Place(line.url, "kept", line)
                latest[line.url] = line.fetched_at
            elif line.url in places and line.fetched_at >= latest[line.url]:
                latest[line.url] = line.fetched_at
                places[line.url].state = "replaced"
                places[line.url].withdrawn_at = None
        elif line.url in places and line.withdrawn_at >= latest[line.url]:
            latest[line.url] = line.withdrawn_at
            places[line.url].state = "withdrawn"
            places[line.url].withdrawn_at = line.withdrawn_at
    if len(places) == MOST_PLACES:
        answer.looked_at.notes.append(f"only the first {MOST_PLACES:,} kept addresses are told; ask about one host")
    return frozenset(
        place.item.decision_id
        for place in places.values()
        # what is found by its address is found among the decisions too, unless it was led elsewhere
        if not (place.url in question.urls or (question.host and question.is_there(place.url)))
    )


def _find_decisions(
    out: Path,
    answer: Answer,
    digests: frozenset[str],
    ids: frozenset[str],
    afresh: bool,
    progress: Callable[[str], None],
) -> None:
    question, looked_at = answer.question, answer.looked_at
    sought: list[tuple[KeyKind, str]] = [
        *(("url", url) for url in question.urls),
        *(("digest", digest) for digest in digests),
        *(("id", one) for one in ids),
    ]
    needles = [
        *(b'"url":' + canonical(url) for url in question.urls),
        *(f'"digest":"{digest}"'.encode() for digest in digests),
        *(f'"id":"{one}"'.encode() for one in ids),
    ]
    if question.prefix:
        needles.append(f'"id":"{question.prefix}'.encode())
    many = frozenset(f"{one}".encode() for one in digests | ids) if len(needles) > FEW_NEEDLES else None
    host = question.host.encode()
    led = frozenset(one.encode() for one in ids)

    def may_be_meant(line: bytes) -> bool:
        if host:
            return host in line[: line.find(b'"decided_at"')].lower() or line[7:78] in led
        if many is not None:
            return line[7:78] in many or not many.isdisjoint(_DIGESTS.findall(line))
        return any(needle in line for needle in needles)

    def is_meant(told: _Line) -> bool:
        return (
            told.url in question.urls
            or told.id in ids
            or bool(question.prefix and told.id.startswith(question.prefix))
            or bool(host and question.is_there(told.url))
            or any(look.digest in digests and look.kind in _HELD for look in told.looked_at)
        )

    runs: set[str] = set()
    may_use_index = not afresh and not question.prefix
    for path in segments(out / "decisions"):
        runs.add(path.name.partition(".")[0])
        progress(f"reading decisions: {looked_at.decisions:,} so far, {answer.total:,} found")
        lines = _candidates(path, sought, host, looked_at) if may_use_index else None
        for line in _all_lines(path, looked_at) if lines is None else lines:
            if not may_be_meant(line):
                continue
            try:
                told = _line.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                looked_at.unreadable_decisions += 1
                continue
            if is_meant(told):
                answer.count(line, told)
    looked_at.runs = len(runs)


def _candidates(
    path: Path, sought: list[tuple[KeyKind, str]], host: bytes, looked_at: LookedAt
) -> Iterator[bytes] | None:
    """The lines of a sealed segment that its index names, and those with the host in their URL, of which the segment
    itself is asked; None where there is no index that can be relied on."""
    if path.suffix != ".parquet":
        return None
    sealed = Sealed(path)
    of_host = sealed.with_url(lambda url: host in url.lower()) if host else []
    if not sought:
        looked_at.decisions += sealed.count
        return sealed.chosen(of_host)
    try:
        with Lookup(path.with_suffix(".lookup")) as lookup:
            if lookup.bound_to != sealed.binding or lookup.count != sealed.count:
                looked_at.notes.append(f"the index of {path} belongs to another segment; every line was read")
                return None
            positions = sorted({*of_host, *(at for kind, value in sought for at in lookup.find(kind, value))})
    except LookupDamaged as error:
        looked_at.notes.append(str(error))
        return None
    looked_at.decisions += sealed.count
    looked_at.indexed += sealed.count
    return sealed.chosen(positions)


def _all_lines(path: Path, looked_at: LookedAt) -> Iterator[bytes]:
    if path.suffix == ".parquet":
        for line in Sealed(path):
            looked_at.decisions += 1
            yield line
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                looked_at.decisions += 1
                yield line[:-1]
            else:
                looked_at.notes.append(f"{path}: its last line is cut short: the run was stopped in the middle")


# -- kept bytes --------------------------------------------------------------------------------------------------------


class _Body(NamedTuple):
    body: bytes
    content_type: str


def _kept_body(out: Path, item: Item) -> _Body | str:
    """The kept bytes of an item, or why not. Never raises on content."""
    path = (out / item.warc).resolve()
    if not path.is_relative_to(out.resolve()):
        return "their place is outside the directory"
    if item.bytes > MOST_BODY_BYTES or item.warc_bytes > 2 * MOST_BODY_BYTES:
        return "too large"
    try:
        with path.open("rb") as file:
            file.seek(item.warc_offset)
            member = file.read(item.warc_bytes)
    except (OSError, ValueError, OverflowError):
        return "their file is not there or cannot be read"
    try:
        record = next(iter(ArchiveIterator(io.BytesIO(member))), None)
        if record is None:
            return "no WARC record where they should be"
        headers = record.http_headers
        body = bytes(record.reader.read(MOST_BODY_BYTES + 1))
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error):
        return "a damaged WARC record"
    if hashlib.sha256(body).hexdigest() != item.sha256:
        return "not the bytes that the item names"
    return _Body(body, (headers.get("Content-Type") if headers else None) or item.media_type or "")


def _like_pictures(out: Path, answer: Answer, afresh: bool, progress: Callable[[str], None]) -> frozenset[str]:
    """Digests of kept pictures that are like the file; what could not be compared is noted."""
    question, looked_at = answer.question, answer.looked_at
    if not pictures.is_picture(question.body, None):
        return frozenset()
    try:
        wanted = pictures.attitudes(question.body)
    except pictures.PicturesMissingError as error:
        looked_at.notes.append(str(error))
        return frozenset()
    if isinstance(wanted, pictures.Unreadable):
        looked_at.notes.append(f"only exact copies were looked for: of this picture there is no fingerprint ({wanted})")
        return frozenset()
    if not wanted[0].says_enough:
        looked_at.notes.append(
            f"only exact copies were looked for: this picture is too plain to be told from others (quality "
            f"{wanted[0].quality}, at least {pictures.MIN_QUALITY} is needed)"
        )
        return frozenset()
    remembered = pictures.Remembered(out / FINGERPRINTS, afresh=afresh)
    seen: set[bytes] = set()
    for item in _item_lines(out):
        if not isinstance(item, Item) or not (item.media_type or "").startswith("image/"):
            continue
        try:
            sha256 = bytes.fromhex(item.sha256)
        except ValueError:
            looked_at.unfit_pictures["no sha256 in its line"] += 1
            continue
        if len(sha256) != 32 or sha256 in seen:
            continue
        seen.add(sha256)
        found = remembered.get(sha256)
        if found is not None:
            looked_at.remembered_pictures += 1
        else:
            progress(f"fingerprinting kept pictures: {len(seen):,} so far")
            kept = _kept_body(out, item)
            if isinstance(kept, str):
                looked_at.unfit_pictures[kept] += 1
                continue
            found = pictures.fingerprint(kept.body)
            remembered.put(sha256, found)
        if isinstance(found, pictures.Unreadable):
            looked_at.unfit_pictures[found] += 1
            continue
        if not found.says_enough:
            looked_at.unfit_pictures["too plain to be told from others"] += 1
            continue
        looked_at.pictures += 1
        near = pictures.nearest(wanted, found)
        if near is not None and len(answer.likenesses) < MOST_LISTED:
            answer.likenesses[item.sha256] = Likeness(item.sha256, *near)
    try:
        remembered.save()
    except OSError as error:
        looked_at.notes.append(f"{out / FINGERPRINTS} cannot be written ({error.strerror}); next time takes as long")
    return frozenset(f"sha256:{one}" for one in answer.likenesses)


def _with_passage(out: Path, answer: Answer, progress: Callable[[str], None]) -> frozenset[str]:
    """Digests of kept texts that hold the passage."""
    looked_at, found = answer.looked_at, set[str]()
    wanted = _folded(answer.question.what)
    seen: set[str] = set()
    for item in _item_lines(out):
        if not isinstance(item, Item) or item.sha256 in seen:
            continue
        if len(seen) < 10 * MOST_PLACES:
            seen.add(item.sha256)
        media = item.media_type or ""
        if not (media.startswith("text/") or media.endswith(("+xml", "/xml", "json"))):
            looked_at.unfit_texts[f"of type {media or 'unknown'}"] += 1
            continue
        if looked_at.texts % 256 == 0:
            progress(f"reading kept texts: {looked_at.texts:,} so far, {len(found):,} found")
        kept = _kept_body(out, item)
        if isinstance(kept, str):
            looked_at.unfit_texts[kept] += 1
            continue
        looked_at.texts += 1
        if len(kept.body) > MOST_TEXT_BYTES:
            looked_at.unfit_texts[f"beyond its first {MOST_TEXT_BYTES >> 20} MiB"] += 1
        if wanted in _folded(_text_of(kept)) and len(found) < MOST_LISTED:
            found.add(f"sha256:{item.sha256}")
    return frozenset(found)


def _text_of(kept: _Body) -> str:
    _, text = html_to_unicode(kept.content_type, kept.body[:MOST_TEXT_BYTES], default_encoding="utf-8")
    if "html" not in kept.content_type:
        return text
    tree = LexborHTMLParser(text)
    for node in tree.css("script, style, template"):
        node.decompose()
    return tree.root.text() if tree.root is not None else ""


def _folded(text: str) -> str:
    """Without white space, case and what is invisible, so that markup inside words and line breaks do not matter."""
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    if plain.isascii():
        return plain
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")
