"""``OUT/manifest.jsonl``: every log of an output directory, opened and closed, in signed lines that are chained.

1. Each line holds the digest of the line before it and a signature over itself, so that none can be taken out, put in
   or changed without its showing. Checkpoints hold the digest of the last line that was there, so what was cut off at
   the end shows, but for what came after the last of them.
2. Workers of several processes append to it under a lock of the file. A line that was torn by a power cut was never
   acknowledged, and is cut off by the next that is written.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from askfirst.ledger.notes import NoteError, SigningKey, Verifier
from askfirst.rights.wire import Json, canonical, digest, parse_timestamp, timestamp

FILE_NAME = "manifest.jsonl"
OPENED = "opened"
CLOSED = "closed"
_MOST_LINE_BYTES = 65_536


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event: str
    run: str
    at: str
    key: str
    previous: str
    checkpoint: str = ""
    size: int = -1
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A log was opened, or closed in order: with the digest of its last note, and how many decisions it holds."""

    event: str
    run: str
    at: datetime
    key: Verifier
    checkpoint: str | None = None
    size: int | None = None


def append_entry(path: Path, entry: Entry, key: SigningKey) -> None:
    """Appends the entry as a signed line, and returns when it is on the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        told = _read_all(file)
        whole_bytes = told.rfind(b"\n") + 1
        if whole_bytes != len(told):
            os.ftruncate(file, whole_bytes)
        lines = told[:whole_bytes].splitlines()
        line = _line(entry, digest(lines[-1]) if lines else "", key) + b"\n"
        try:
            write_whole(file, line)
            os.fsync(file)
        except OSError:
            os.ftruncate(file, whole_bytes)
            raise
    finally:
        os.close(file)


def last_digest(path: Path) -> str:
    """The digest of the last whole line; empty where there is none, or no manifest. Raises OSError."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_LINE_BYTES))
            line = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
    except FileNotFoundError:  # it was taken away, and is made again with the next run
        return ""
    return digest(line) if line else ""


def read_entries(told: bytes) -> Iterator[tuple[int, Entry | str]]:
    """Line number (from 1) and entry of each line; instead of an entry, in one line, what is wrong with it."""
    previous = ""
    for number, line in enumerate(told.splitlines(keepends=True), start=1):
        bare = line.removesuffix(b"\n")
        if bare == line:
            yield number, "is cut short"
            return
        try:
            yield number, _entry(bare, previous)
        except ValueError as error:  # NoteError and msgspec's are of its kind
            yield number, str(error)
        previous = digest(bare)


def _line(entry: Entry, previous: str, key: SigningKey) -> bytes:
    members: dict[str, Json] = {
        "event": entry.event,
        "run": entry.run,
        "at": timestamp(entry.at),
        "key": entry.key.vkey,
        "previous": previous,
    }
    if entry.checkpoint is not None:
        members["checkpoint"] = entry.checkpoint
    if entry.size is not None:
        members["size"] = entry.size
    signature = base64.b64encode(key.sign(canonical(members))).decode()
    return canonical({**members, "signature": signature})


def _entry(line: bytes, previous: str) -> Entry:
    try:
        told = msgspec.json.decode(line, type=_Line)
        members: dict[str, Json] = dict(msgspec.json.decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
        raise NoteError("is no line of a manifest") from None
    signature = base64.b64decode(str(members.pop("signature")), validate=True)
    verifier = Verifier.parse(told.key)
    if canonical({**members, "signature": told.signature}) != line or not verifier.holds(canonical(members), signature):
        raise NoteError(f"was altered: the signature by {verifier.name} does not hold")
    if told.previous != previous:
        raise NoteError("does not follow the line before it: a line was dropped, added or moved")
    if told.event not in (OPENED, CLOSED):
        raise NoteError(f"tells of {told.event!r}, which is not known")
    return Entry(
        event=told.event,
        run=told.run,
        at=parse_timestamp(told.at),
        key=verifier,
        checkpoint=told.checkpoint or None,
        size=None if told.size < 0 else told.size,
    )


def write_whole(file: int, piece: bytes) -> None:
    """Writes all of a small piece in one go. Raises OSError when there is no room for all of it."""
    if os.write(file, piece) != len(piece):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _read_all(file: int) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while piece := os.pread(file, 1 << 20, at):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
