"""The frontier: what is to be fetched, what is under way and what is done, in ``OUT/frontier.sqlite``.

It is the crawl's only memory of where it was. It knows nothing of rights, and nothing of Scrapy.

1. A URL is one row, by its canonical form (w3lib's, as Scrapy's fingerprints have it); the first spelling is requested.
2. INVARIANT: a row becomes done after its item is written, its refusal recorded or its failure final; never before.
   Whatever a killed run had under way is pending again.
3. INVARIANT: what a page says of its images is held in memory alone. So an image is handed out only when no page that
   shows it is waiting, and after a restart the pages of images that are not done are asked again first.
4. A redirect's target belongs to the row that leads there, and is done with it.
5. One process at a time: the directory is locked as long as the process lives.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from w3lib.url import canonicalize_url, safe_url_string

from askfirst.ports import SettingsError

FILE_NAME = "frontier.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS urls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    kind TEXT NOT NULL,
    depth INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    reason TEXT,
    via INTEGER
);
CREATE INDEX IF NOT EXISTS urls_pending ON urls (kind, depth, id) WHERE state = 0;
CREATE INDEX IF NOT EXISTS urls_open ON urls (state) WHERE state <> 2;
CREATE INDEX IF NOT EXISTS urls_via ON urls (via) WHERE via IS NOT NULL;
CREATE TABLE IF NOT EXISTS shown (
    image INTEGER NOT NULL, page INTEGER NOT NULL, PRIMARY KEY (image, page)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class What(StrEnum):
    """What a row is requested as. Images and sitemaps do not count as pages."""

    PAGE = "page"
    IMAGE = "image"
    SITEMAP = "sitemap"


class State(IntEnum):
    """HIDDEN: an image whose pages were not seen again since the restart."""

    PENDING = 0
    TAKEN = 1
    DONE = 2
    DEFERRED = 3
    HIDDEN = 4


class Outcome(StrEnum):
    """What became of a row. SILENT: an answer that nothing but silence refused. ELSEWHERE: a redirect to another site,
    or to a URL that has a row of its own. READ: a sitemap, which is used and not kept."""

    KEPT = "kept"
    REFUSED = "refused"
    SILENT = "silent"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    READ = "read"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class Row:
    """One URL to be requested. ``was_kept``: an earlier run holds an item of it."""

    id: int
    url: str
    what: What
    depth: int
    was_kept: bool = False


class Frontier:
    """The frontier in a directory. Raises SettingsError when it cannot be used, or another process is using it."""

    def __init__(self, out: Path) -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(out / "frontier.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SettingsError(
                f"output directory {out}: {error.strerror}; name one that can be written with ASKFIRST_OUT"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise SettingsError(
                f"output directory {out}: another crawl is using it; wait for it or name another one"
            ) from None
        self._out = out
        # pages of the whole crawl that were handed out, redirect targets included; counted at the start and kept up,
        # because counting walks through the whole table
        self.pages_taken = 0
        self._asked_again = False
        try:
            self._db = sqlite3.connect(out / FILE_NAME, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
            self.resumed = self._db.execute("SELECT 1 FROM urls LIMIT 1").fetchone() is not None
        except sqlite3.DatabaseError as error:
            os.close(self._lock)
            raise SettingsError(f"{out / FILE_NAME}: cannot be used: {error}; name another output directory") from None

    def belong_to(self, crawl: str) -> None:
        """Says what crawl this is. Raises SettingsError when the directory holds another one: items that were kept
        under two policies are no dataset."""
        owner = self.note("crawl")
        if owner is not None and owner != crawl:
            raise SettingsError(
                f"output directory {self._out}: holds a crawl of {owner}; this is {crawl}; name another one"
            )
        self.set_note("crawl", crawl)

    # -- going on --------------------------------------------------------------------------------------------------

    def take_up(self, written: Iterable[tuple[str, str]] | None = None) -> None:
        """Makes everything pending that is not done. ``written`` are the (url, final URL) of the items that are whole:
        a row that has one is done, and a row that should have one and has not is pending."""
        with self._transaction():
            self._db.execute(
                "UPDATE urls SET state = ?, via = NULL WHERE state IN (?, ?, ?)",
                (State.PENDING, State.TAKEN, State.DEFERRED, State.HIDDEN),
            )
            if written is not None:
                self._compare(written)
            self._db.execute(
                "UPDATE urls SET state = 0, via = NULL WHERE id IN (SELECT page FROM shown WHERE image IN "
                "(SELECT id FROM urls WHERE kind = 'image' AND state = 0))"
            )
            self._db.execute("UPDATE urls SET state = ? WHERE kind = 'image' AND state = 0", (State.HIDDEN,))
        self.pages_taken = self._number("SELECT count(*) FROM urls WHERE kind = 'page' AND outcome IS NOT NULL")
        self._asked_again = True

    def _compare(self, written: Iterable[tuple[str, str]]) -> None:
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS written (key BLOB PRIMARY KEY, own INTEGER) WITHOUT ROWID")
        for url, final_url in written:
            # the URL itself before the target: one may be both
            self._db.execute("INSERT OR REPLACE INTO written VALUES (?, 1)", (key_of(url),))
            self._db.execute("INSERT OR IGNORE INTO written VALUES (?, 0)", (key_of(final_url),))
        self._db.execute(
            "UPDATE urls SET state = 0, outcome = NULL WHERE outcome = 'kept' "
            "AND key NOT IN (SELECT key FROM written WHERE own)"
        )
        self._db.execute(
            "UPDATE urls SET state = 2, outcome = 'kept' WHERE state = 0 AND key IN (SELECT key FROM written WHERE own)"
        )
        self._db.execute(
            "UPDATE urls SET state = 2, outcome = 'elsewhere' WHERE state = 0 AND key IN (SELECT key FROM written)"
        )
        self._db.execute("DROP TABLE written")

    # -- adding ----------------------------------------------------------------------------------------------------

    def add(self, urls: Iterable[str], *, what: What = What.PAGE, depth: int = 0) -> int:
        """Adds what is new; returns how many addresses were no http or https URLs."""
        invalid = 0
        with self._transaction():
            for url in urls:
                proper = proper_url(url)
                if proper is None:
                    invalid += 1
                    continue
                self._db.execute(
                    "INSERT INTO urls (key, url, kind, depth) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (key) DO UPDATE SET depth = min(depth, excluded.depth) WHERE state = 0",
                    (key_of(proper), proper, what, depth),
                )
        return invalid

    def add_images(self, urls: Iterable[str], page: Row) -> None:
        """Adds the images that a page shows. A URL that waited as a page is an image from now on."""
        with self._transaction():
            for url in urls:
                proper = proper_url(url)
                if proper is None:
                    continue
                found = self._db.execute(
                    "INSERT INTO urls (key, url, kind, depth) VALUES (?, ?, 'image', ?) "
                    "ON CONFLICT (key) DO UPDATE SET kind = 'image', state = 0 WHERE state IN (0, 4) RETURNING id",
                    (key_of(proper), proper, page.depth),
                ).fetchone()
                if found is not None and found[0] != page.id:
                    self._db.execute("INSERT OR IGNORE INTO shown VALUES (?, ?)", (found[0], page.id))

    # -- handing out -----------------------------------------------------------------------------------------------

    def take(self, most: int, *, max_pages: int | None = None, max_depth: int | None = None) -> list[Row]:
        """At most so many rows, now taken: sitemaps, then images (their page is fresh in memory), then pages, breadth
        first. ``max_pages`` counts the pages of the whole crawl."""
        if most <= 0:
            return []
        with self._transaction():
            rows = self._select("kind = 'sitemap'", most)
            rows += self._select(
                "kind = 'image' AND NOT EXISTS (SELECT 1 FROM shown JOIN urls page ON page.id = shown.page "
                "WHERE shown.image = urls.id AND page.state IN (0, 1, 3))",
                most - len(rows),
            )
            if self._asked_again:
                rows += self._select("kind = 'page' AND outcome IS NOT NULL", most - len(rows))
                self._asked_again = len(rows) >= most
            left = most - len(rows)
            if max_pages is not None and left > 0:
                left = min(left, max_pages - self.pages_taken)
            if left > 0:
                depth = "" if max_depth is None else f" AND depth <= {int(max_depth)}"
                new = self._select(f"kind = 'page' AND outcome IS NULL{depth}", left)
                self.pages_taken += len(new)
                rows += new
            self._db.executemany("UPDATE urls SET state = 1 WHERE id = ?", [(row.id,) for row in rows])
        return rows

    def _select(self, where: str, most: int) -> list[Row]:
        if most <= 0:
            return []
        found = self._db.execute(
            f"SELECT id, url, kind, depth, outcome FROM urls WHERE state = 0 AND {where} ORDER BY depth, id LIMIT ?",  # noqa: S608 - our own words
            (most,),
        )
        return [
            Row(id, url, What(kind), depth, was_kept=outcome == Outcome.KEPT)
            for id, url, kind, depth, outcome in found  # noqa: A001 - the column's name
        ]

    def redirect(self, row: Row, target: str) -> bool:
        """Whether a redirect of this row to the target is followed: no, when another row answers for the target."""
        proper = proper_url(target)
        if proper is None:
            return False
        with self._transaction():
            found = self._db.execute(
                "SELECT id, state, via, kind, outcome FROM urls WHERE key = ?", (key_of(proper),)
            ).fetchone()
            if found is None:
                self._db.execute(
                    "INSERT INTO urls (key, url, kind, depth, state, via) VALUES (?, ?, ?, ?, 1, ?)",
                    (key_of(proper), proper, row.what, row.depth, row.id),
                )
                self.pages_taken += row.what is What.PAGE
                return True
            id, state, via, kind, outcome = found  # noqa: A001 - the column's name
            if row.id in (id, via):
                return True
            if state not in (State.PENDING, State.HIDDEN):
                return False
            self._db.execute("UPDATE urls SET state = 1, via = ? WHERE id = ?", (row.id, id))
            self.pages_taken += kind == What.PAGE and outcome is None
            return True

    # -- settling --------------------------------------------------------------------------------------------------

    def settle(self, row: Row, outcome: Outcome, reason: str | None = None) -> None:
        """The row is done, or left for the next run if it is deferred; so are the redirect targets it led to."""
        state = State.DEFERRED if outcome is Outcome.DEFERRED else State.DONE
        with self._transaction():
            self._db.execute(
                "UPDATE urls SET state = ?, outcome = 'elsewhere' WHERE via = ?",
                (state, row.id),
            )
            self._db.execute(
                "UPDATE urls SET state = ?, outcome = ?, reason = ? WHERE id = ?",
                (state, Outcome.KEPT if row.was_kept and state is State.DEFERRED else outcome, reason, row.id),
            )

    def waiting(self, most: int = -1) -> int:
        """How many rows could still be handed out; counting ends at ``most``."""
        return self._number("SELECT count(*) FROM (SELECT 1 FROM urls WHERE state = 0 LIMIT ?)", most)

    # -- notes, counts ---------------------------------------------------------------------------------------------

    def note(self, name: str) -> str | None:
        """What was noted under this name."""
        found = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_note(self, name: str, value: str) -> None:
        """Notes it, in the same transaction as what is added around it (see :meth:`together`)."""
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    @contextmanager
    def together(self) -> Iterator[None]:
        """What happens inside is on disk together or not at all."""
        with self._transaction():
            yield

    def close(self) -> None:
        """Lets go of the file and of the directory."""
        self._db.close()
        os.close(self._lock)

    def _number(self, question: str, *values: int) -> int:
        return int(self._db.execute(question, values).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def proper_url(url: str) -> str | None:
    """The URL as it is requested, without its fragment; None for what is no http or https URL."""
    try:
        proper = str(safe_url_string(url.strip())).partition("#")[0]
        parts = urlsplit(proper)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        parts.port  # noqa: B018 - raises ValueError for a port that is none
    except ValueError:
        return None
    return proper


def key_of(url: str) -> bytes:
    """What equal URLs have in common."""
    return hashlib.sha256(canonicalize_url(url).encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows came to which outcome, and how many are left."""

    outcomes: dict[str, int]
    pending: int
    deferred: int


def counts(out: Path) -> Counts | None:
    """The counts of the frontier in a directory, also while a crawl is using it; None if there is none."""
    path = out / FILE_NAME
    if not path.exists():
        return None
    # whoever may write also clears up after a run that was killed
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
    try:
        outcomes = dict(db.execute("SELECT outcome, count(*) FROM urls WHERE outcome IS NOT NULL GROUP BY outcome"))
        states = dict(db.execute("SELECT state, count(*) FROM urls GROUP BY state"))
    finally:
        db.close()
    return Counts(
        outcomes={str(name): int(number) for name, number in outcomes.items()},
        pending=sum(states.get(int(state), 0) for state in (State.PENDING, State.TAKEN, State.HIDDEN)),
        deferred=states.get(int(State.DEFERRED), 0),
    )
