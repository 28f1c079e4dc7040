"""Checkpoints (C2SP tlog-checkpoint) of a run's three trees, as the text of a signed note.

The first three lines are the standard's: origin, size and root of the tree of decisions. Extension lines follow: the
trees of evidence and of kept items, the time, the digest of the run's checkpoint before this one, the digest of the
manifest's last line, and ``end`` on the last one of a run that ended in order.

1. INVARIANT: one text, one checkpoint: ``parse(c.text()) == c``, and a text that reads the same is the same.
2. house: the origin is ``<key name>/<run>``. The standard would have a key for each origin; our keys sign the logs of
   every worker that holds them.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from askfirst.ledger.merkle import EMPTY_ROOT
from askfirst.ledger.notes import NoteError, SigningKey, Verifier, open_note, sign
from askfirst.rights.wire import parse_timestamp, timestamp

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Head:
    """How large a tree is, and the root over its leaves."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a run vouches for at a time."""

    key_name: str
    run: str
    decisions: Head
    evidence: Head
    items: Head
    at: datetime
    previous: str = ""
    manifest: str = ""
    end: bool = False

    def text(self) -> str:
        """The text of the note."""
        return (
            f"{self.key_name}/{self.run}\n{self.decisions.size}\n{_encoded(self.decisions.root)}\n"
            f"evidence {self.evidence.size} {_encoded(self.evidence.root)}\n"
            f"items {self.items.size} {_encoded(self.items.root)}\n"
            f"at {timestamp(self.at)}\n"
            + (f"previous {self.previous}\n" if self.previous else "")
            + (f"manifest {self.manifest}\n" if self.manifest else "")
            + ("end\n" if self.end else "")
        )

    def signed(self, key: SigningKey) -> bytes:
        """The note."""
        return sign(self.text(), key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint that a note's text is. Raises NoteError."""
        lines = text.split("\n")
        try:
            origin, size, root, evidence, items, at, *more = lines
            key_name, _, run = origin.partition("/")
            checkpoint = cls(
                key_name=key_name,
                run=run,
                decisions=_head(size, root),
                evidence=_head(*_extension(evidence, "evidence")),
                items=_head(*_extension(items, "items")),
                at=parse_timestamp(at.removeprefix("at ")),
                previous=_told(more, "previous "),
                manifest=_told(more, "manifest "),
                end=more[-2:] == ["end", ""],
            )
        except (ValueError, TypeError, IndexError):
            raise NoteError("the note is no checkpoint of an AskFirst record") from None
        if not run or checkpoint.text() != text:
            raise NoteError("the note is no checkpoint of an AskFirst record")
        return checkpoint


def open_checkpoint(note: bytes, verifiers: list[Verifier]) -> Checkpoint:
    """The checkpoint in a note that one of the verifiers signed, for its own logs. Raises NoteError."""
    named = [verifier for verifier in verifiers if note.startswith(f"{verifier.name}/".encode())]
    if not named:
        open_note(note, verifiers)  # says so where a key that is known signed something else
    return Checkpoint.parse(open_note(note, named))


def is_cut_short(notes: bytes) -> bool:
    """Whether the end of such a file is missing, be it only the empty line behind its last note."""
    return bool(notes) and not notes.endswith(b"\n\n")


def read_notes(notes: bytes) -> list[bytes]:
    """The notes in a file, which stand one after the other with an empty line behind each. What is cut short or no note
    comes back as it is: opening it says so."""
    found: list[bytes] = []
    at = 0
    while at < len(notes):
        text_end = notes.find(b"\n\n", at)
        end = -1 if text_end < 0 else notes.find(b"\n\n", text_end + 2)
        if end < 0:
            found.append(notes[at:])
            break
        found.append(notes[at : end + 1])
        at = end + 2
    return found


def _head(size: str, root: str) -> Head:
    if not _DECIMAL.fullmatch(size):
        raise ValueError(size)
    decoded = base64.b64decode(root, validate=True)
    if len(decoded) != 32:
        raise ValueError(root)
    return Head(int(size), decoded)


def _extension(line: str, name: str) -> tuple[str, str]:
    said, size, root = line.split(" ")
    if said != name:
        raise ValueError(line)
    return size, root


def _told(lines: list[str], name: str) -> str:
    return next((line.removeprefix(name) for line in lines if line.startswith(name)), "")


def _encoded(root: bytes) -> str:
    return base64.b64encode(root).decode()
