"""What the gate needs from the world, as Protocols that the edges satisfy structurally.

Rules:

1. Edges move bytes, never meaning.
2. Only :class:`EdgeError` leaves an edge, and it means: this edge could not do its work. The gate decides what follows.
3. A fetcher has no errors at all: whatever happens is an Observation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from askfirst.rights.model import Document, Observation


class EdgeError(Exception):
    """An edge could not do its work: a store is unreachable or unwritable. Says what, where and what to do next."""


class SettingsError(ValueError):
    """The operator's settings cannot be used: says which one, what is wrong, and what to write instead."""


class Fetch(Protocol):
    """Looks at a document."""

    async def __call__(self, document: Document, *, validators: Sequence[tuple[str, str]] = ()) -> Observation:
        """One look, redirects followed (five at most), body cut at ``document.max_bytes``. Never raises on what the
        other side does. ``validators`` are extra request fields for revalidation (``If-None-Match``,
        ``If-Modified-Since``); a 304 comes back as an Observation of status 304. ``fresh_s`` is left at 0."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


class Cache(Protocol):
    """Bytes by key, shared as far as the store is, with claims so that one worker looks while the others wait."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of ``keys``; None for what is not there or has passed its ``keep_s``."""
        ...

    async def put(self, key: str, value: bytes, *, keep_s: int) -> None:
        """Stores a value for ``keep_s`` seconds, replacing what was there. Waiters on the key wake up."""
        ...

    async def claim(self, key: str, *, owner: str, for_s: int) -> bool:
        """True if the caller now holds the claim on ``key``; a claim lapses after ``for_s`` seconds."""
        ...

    async def release(self, key: str, *, owner: str) -> None:
        """Gives a claim back, if ``owner`` still holds it. Waiters on the key wake up."""
        ...

    async def wait(self, key: str, *, timeout_s: float) -> None:
        """Returns when the key has been put or its claim released, or lapsed, or after ``timeout_s`` seconds."""
        ...

    async def close(self) -> None:
        """Lets go of connections and files."""
        ...


class Registry(Protocol):
    """A consent registry."""

    async def look_up(self, urls: Sequence[str]) -> Mapping[str, Observation]:
        """The registry's answer for each URL: an Observation of kind REGISTRY whose body is the JSON object
        ``{"records": [record, …]}``, an empty list where it knows nothing. A registry that cannot be reached gives
        Observations with an outage. ``fresh_s`` is set."""
        ...

    async def close(self) -> None:
        """Lets go of connections and files."""
        ...


class Inspect(Protocol):
    """Reads what only a library can read in the bytes of a work."""

    def __call__(self, response: Observation, inside: Sequence[Observation]) -> Sequence[Observation]:
        """What it found in a response's body, as observations of kind ASSET; empty where there is nothing for it.
        ``inside`` are the packets that were found without it. Never raises on content, and asks nobody."""
        ...


class EvidenceStore(Protocol):
    """Keeps what was observed."""

    def keep(self, observation: Observation) -> None:
        """Returns when the observation is in the operating system's hands. Raises EdgeError when it cannot be."""
        ...

    def close(self) -> None:
        """Ends the file."""
        ...


class NoteEvidence(Protocol):
    """Is told of each record of evidence that is in its file."""

    def __call__(self, head: bytes, length_bytes: int, *, record_id: str = "", name: str = "") -> None:
        """``head`` are the bytes of its WARC header; it takes so many bytes of the file; the names are those by which
        it is looked up."""
        ...


class DecisionLog(Protocol):
    """Appends decisions, in groups that are made durable together."""

    def append(self, line: bytes) -> Awaitable[None] | None:
        """Appends one line (without its newline). What is given back is awaited: it ends when the line is on the disk,
        and raises EdgeError when it cannot be there. None: the line is there already."""
        ...

    def note_item(self, line: bytes) -> None:
        """Notes a line of the kept dataset that is in its file: the next checkpoint vouches for it."""
        ...

    def before_checkpoint(self, sync: Callable[[], None]) -> None:
        """``sync`` is called before each checkpoint, from another thread."""
        ...

    def close(self) -> None:
        """Ends the log with its last checkpoint."""
        ...
