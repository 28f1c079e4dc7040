"""Visits of crawlers to one's own site: which of them fetched what the site refused at that time.

It puts together what others know: ``access_log`` the visits, ``bots`` who came, ``said`` what stood then, ``judge``
what follows. What an access log itself proves is added: when the same visitor last read the document that refuses.

1. Who names no crawler is not judged. Each crawler is judged under its own token and for its own purpose.
2. What is asked for to find out what is allowed is a look, and needs no leave: the well-known documents (RFC 9309
   section 2.2.2), and the licenses and policies that they name.
3. house: only an answer with content is a fetch: 2xx, and 304, which says that the content is there already. What got
   403, 404, 429, a redirect or a failure took nothing. It is judged and not counted as a refusal; those that asked for
   what was refused are counted beside (``turned_away``).
4. An impostor's visits are never laid to the bot whose name it took: they are rows of their own.
5. A refusal that a crawler could not have read is one all the same; the summary says which document it had read, how
   long before, and whether that said the same.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from askfirst.explain import shown
from askfirst.review.access_log import Visit, read_access_log
from askfirst.review.bots import Addresses, Bot, Verified, bot_named
from askfirst.review.ears import Ears
from askfirst.review.judge import Judge
from askfirst.review.model import Finding, InPart, Outcome
from askfirst.review.said import DOCUMENTS, ROBOTS, Said
from askfirst.rights.gathering import named
from askfirst.rights.model import Agent, Observation, Origin, Purpose
from askfirst.rights.policy import Policy

LOOKED_AT: Final = frozenset({*DOCUMENTS, "/.well-known/security.txt", "/security.txt"})
READ_WITHIN: Final = timedelta(hours=24)
"""How long a robots.txt may be relied on (RFC 9309 section 2.4)."""

MAX_TOKENS: Final = 10_000
MAX_JUDGES: Final = 512
MAX_PATHS: Final = 50_000
MOST_PATH_CHARS: Final = 500
OTHERS: Final = "(others)"
LINES: Final = "lines"


class Read(StrEnum):
    """What the visitor had read of the document that refuses. KNEW: it, within 24 hours. CHANGED: an earlier text,
    within 24 hours. LONG_AGO: more than 24 hours before. NEVER: not in these logs. WITH_IT: the words came with the
    answer."""

    KNEW = "knew"
    CHANGED = "changed"
    LONG_AGO = "long-ago"
    NEVER = "never"
    WITH_IT = "with-it"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPath:
    """One path that was fetched although it was refused: how often, and the words that refused it."""

    path: str
    words: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """What one crawler did. ``impostor``: somebody under this name, whom its published addresses deny.

    ``fetches`` are those that got content, and are the sum of ``allowed``, ``refused`` and ``unknowable``; ``looks``
    and ``unanswered`` (no content) are beside them, and ``turned_away`` are those of the latter that asked for what was
    refused. ``read`` is, of the refused fetches, what the visitor had read. ``refused_paths`` are the most frequent.
    """

    token: str
    purpose: Purpose | None
    judged_for: Purpose
    impostor: bool
    fetches: int
    allowed: int
    refused: int
    unknowable: int
    looks: int
    unanswered: int
    turned_away: int
    verified: Mapping[Verified, int]
    read: Mapping[Read, int]
    first_at: datetime | None
    last_at: datetime | None
    last_look_at: datetime | None
    last_look_before_refused_at: datetime | None
    refused_paths: Sequence[RefusedPath]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was found. ``visitors`` are sorted by refused fetches; ``not_judged`` are requests that no crawler's name
    stands for; of ``lines`` in all, ``skipped`` counts those that hold no fetch by why."""

    visitors: Sequence[Visitor]
    not_judged: int
    lines: int
    skipped: Mapping[str, int]


@dataclass(slots=True)
class _Row:
    bot: Bot
    judged_for: Purpose
    impostor: bool
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    looks: int = 0
    unanswered: int = 0
    turned_away: int = 0
    verified: Counter[Verified] = field(default_factory=Counter)
    read: Counter[Read] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_look_before_refused_at: datetime | None = None
    look_times: dict[str, list[datetime]] = field(default_factory=dict)
    refused_paths: Counter[tuple[str, str]] = field(default_factory=Counter)


class Visits:
    """Judges visits one after the other, in the order of time, and sums them up.

    ``purposes`` are by token in lower case and go before what is known of a bot; ``unknown_purpose`` is for bots of
    which nothing is known.
    """

    def __init__(
        self,
        said: Said,
        policy: Policy,
        *,
        addresses: Addresses | None = None,
        purposes: Mapping[str, Purpose] | None = None,
        unknown_purpose: Purpose = Purpose.SEARCH,
    ) -> None:
        self._said = said
        self._ears = Ears(policy)
        self._addresses = addresses or Addresses()
        self._purposes = purposes or {}
        self._unknown_purpose = unknown_purpose
        self._judges: OrderedDict[tuple[str, Purpose], Judge] = OrderedDict()
        self._rows: dict[tuple[str, bool], _Row] = {}
        self._named_urls: dict[tuple[int, str], tuple[tuple[Observation, ...], frozenset[str]]] = {}
        self._not_judged = 0
        self.skipped: Counter[str] = Counter()

    def count(self, name: str) -> None:
        """For ``read_access_log``: counts what is no fetch."""
        self.skipped[name] += 1

    def find(self, visit: Visit) -> Finding:
        """What is to be said of the visit. Never raises on content."""
        bot = None if visit.user_agent is None else bot_named(visit.user_agent)
        if bot is None:
            self._not_judged += 1
            why = "no User-Agent" if visit.user_agent is None else "its User-Agent names no crawler"
            return Finding(fetch=visit, outcome=Outcome.NOT_JUDGED, why=why, reason="no-crawler")
        verified = self._addresses.verified(bot, visit.address)
        row = self._row(bot, impostor=verified is Verified.NO)
        row.verified[verified] += 1
        if visit.at is not None:
            row.first_at = visit.at if row.first_at is None else min(row.first_at, visit.at)
            row.last_at = visit.at if row.last_at is None else max(row.last_at, visit.at)
        finding = self._judged(visit, bot, row)
        if verified is Verified.NO:
            denied = self._addresses.why(bot, visit.address)
            finding = replace(finding, why=f"{finding.why} ({denied})")
        return replace(finding, token=bot.token, verified=verified.value)

    def _judged(self, visit: Visit, bot: Bot, row: _Row) -> Finding:
        path = urlsplit(visit.url).path
        token = self._said.token_for(bot.token, visit.at)
        if self._said.is_its(visit.url) and (path in LOOKED_AT or visit.url in self._named(token, visit)):
            return self._look(visit, path, row)
        content = visit.status is None or 200 <= visit.status < 300 or visit.status == 304
        found = self._judge(token, row.judged_for).judge(self._said.answered(visit))
        if not content:
            row.unanswered += 1
            row.turned_away += found.outcome is Outcome.REFUSED
            why = f"answered with {visit.status}: nothing was taken"
            reason = "turned-away" if found.outcome is Outcome.REFUSED else "no-content"
            return replace(found, outcome=Outcome.NOT_JUDGED, why=why, reason=reason)
        row.outcomes[found.outcome] += 1
        return self._refused(found, visit, path, row) if found.outcome is Outcome.REFUSED else found

    def _named(self, token: str, visit: Visit) -> frozenset[str]:
        """The licenses and policies that the site's documents name."""
        said = self._said.before(visit)
        if isinstance(said, InPart):
            return frozenset()
        key = (id(said), token.lower())
        held = self._named_urls.get(key)
        if held is None:
            if len(self._named_urls) >= MAX_TOKENS:
                self._named_urls.clear()
            agent = Agent(product_token=token, user_agent="")
            documents = named(said, agent, self._ears.naming, self._ears.policy.care)
            # the observations are held, because an identity is only a key while its object lives
            held = self._named_urls[key] = (said, frozenset(document.url for document in documents))
        return held[1]

    def _look(self, visit: Visit, path: str, row: _Row) -> Finding:
        row.looks += 1
        answered = visit.status is None or visit.status < 400 or visit.status in {404, 410}
        if visit.at is not None and answered and visit.method != "HEAD":
            insort(row.look_times.setdefault(path, []), visit.at)
        return Finding(
            fetch=visit, outcome=Outcome.ALLOWED, why="a look at what is allowed, which needs no leave", reason="look"
        )

    def _refused(self, found: Finding, visit: Visit, path: str, row: _Row) -> Finding:
        assert found.decision is not None
        because = found.decision.because
        words = "silence" if not because else _words(because[0].source, because[0].evidence.text)
        query = urlsplit(visit.url).query
        key = ((f"{path}?{query}" if query else path)[:MOST_PATH_CHARS], words)
        if key in row.refused_paths or len(row.refused_paths) < MAX_PATHS:
            row.refused_paths[key] += 1
        document = urlsplit(because[0].evidence.document_url).path if because else ROBOTS
        if document not in LOOKED_AT:
            row.read[Read.WITH_IT] += 1
            return found
        read, last = self._had_read(row, document, visit.at)
        row.read[read] += 1
        robots = last if document == ROBOTS else self._had_read(row, ROBOTS, visit.at)[1]
        if robots is not None:
            row.last_look_before_refused_at = robots
        return replace(found, why=f"{found.why}; {_told(read, document, last, visit.at)}")

    def _had_read(self, row: _Row, document: str, at: datetime | None) -> tuple[Read, datetime | None]:
        times = row.look_times.get(document, [])
        place = 0 if at is None else bisect_right(times, at)
        if at is None or not place:
            return Read.NEVER, None
        last = times[place - 1]
        if at - last > READ_WITHIN:
            return Read.LONG_AGO, last
        return (Read.KNEW if self._said.same(document, last, at) else Read.CHANGED), last

    def _judge(self, token: str, purpose: Purpose) -> Judge:
        key = (token.lower(), purpose)
        judge = self._judges.get(key)
        if judge is None:
            judge = self._judges[key] = Judge(
                Agent(product_token=token, user_agent=""), purpose, self._said, self._ears
            )
            if len(self._judges) > MAX_JUDGES:
                self._judges.popitem(last=False)
        self._judges.move_to_end(key)
        return judge

    def _row(self, bot: Bot, *, impostor: bool) -> _Row:
        key = (bot.token.lower(), impostor)
        row = self._rows.get(key)
        if row is None:
            purpose = self._purposes.get(key[0], bot.purpose) or self._unknown_purpose
            row = _Row(bot, purpose, impostor)
            if len(self._rows) < MAX_TOKENS:
                self._rows[key] = row
            else:  # somebody makes names up: they are counted together
                others = Bot(token=OTHERS, purpose=None)
                row = self._rows.setdefault((OTHERS, False), _Row(others, self._unknown_purpose, False))
        return row

    def summary(self) -> Summary:
        """What was found so far."""
        visitors = [_visitor(row) for row in self._rows.values()]
        visitors.sort(key=lambda v: (-v.refused, -v.unknowable, -v.fetches, v.token.lower(), v.impostor))
        skipped = {name: number for name, number in self.skipped.items() if name != LINES}
        return Summary(visitors=visitors, not_judged=self._not_judged, lines=self.skipped[LINES], skipped=skipped)


def in_order(paths: Iterable[Path], *, site: Origin) -> list[Path]:
    """The logs by the time of their first fetch, so that rotated ones are read in the order in which they were
    written; those without a time last. Raises EdgeError."""
    return [path for _, _, path in sorted(_first(path, site, index) for index, path in enumerate(paths))]


def _first(path: Path, site: Origin, index: int) -> tuple[float, int, Path]:
    for entry in read_access_log(path, site=site):
        if isinstance(entry, Visit) and entry.at is not None:
            return entry.at.timestamp(), index, path
    return float("inf"), index, path


@lru_cache(maxsize=4_096)
def _words(source: str, text: str) -> str:
    return shown(f"{source}: {text}")


def _told(read: Read, document: str, last: datetime | None, at: datetime | None) -> str:
    if last is None or at is None:
        return f"it never read {document} in these logs"
    ago = f"it had read {document} {_span(at - last)} before"
    if read is Read.CHANGED:
        return f"{ago}, which said something else then"
    return f"{ago}, which said the same" if read is Read.KNEW else ago


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _visitor(row: _Row) -> Visitor:
    looks = row.look_times.get(ROBOTS, [])
    frequent = sorted(row.refused_paths.items(), key=lambda item: (-item[1], item[0]))[:20]
    return Visitor(
        token=row.bot.token,
        purpose=row.bot.purpose,
        judged_for=row.judged_for,
        impostor=row.impostor,
        fetches=row.outcomes.total(),
        allowed=row.outcomes[Outcome.ALLOWED],
        refused=row.outcomes[Outcome.REFUSED],
        unknowable=row.outcomes[Outcome.UNKNOWABLE],
        looks=row.looks,
        unanswered=row.unanswered,
        turned_away=row.turned_away,
        verified=dict(row.verified),
        read=dict(row.read),
        first_at=row.first_at,
        last_at=row.last_at,
        last_look_at=looks[-1] if looks else None,
        last_look_before_refused_at=row.last_look_before_refused_at,
        refused_paths=[RefusedPath(path=p, words=w, times=n) for (p, w), n in frequent],
    )
