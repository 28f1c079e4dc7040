"""The keys that sign a record: made on first use, readable only by their owner, replaced with a signed note.

A folder holds ``log-key.pem`` (PKCS #8) and ``rotations.notes``. The folder belongs to a person or a machine, not to an
output directory: that is handed on, and has public keys only.

1. INVARIANT: no private key is ever readable by others, not for a moment: it is made with mode 0600, and one that
   others can read is not used.
2. Two processes that begin at once get the same key.
3. A rotation is a note signed by the old key and by the new one. The old private key is deleted: nobody can sign with
   it any more. What it signed still verifies.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from askfirst.ledger.checkpoints import read_notes
from askfirst.ledger.notes import NoteError, SigningKey, Verifier, open_note, sign
from askfirst.rights.wire import parse_timestamp, timestamp

KEY_FILE = "log-key.pem"
ROTATIONS_FILE = "rotations.notes"
_ROTATION = "askfirst key rotation"


class KeyFileError(Exception):
    """A key cannot be made, read or replaced: says what, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One key took another's place."""

    old: Verifier
    new: Verifier
    at: datetime

    def signed(self, old: SigningKey, new: SigningKey) -> bytes:
        """The note, signed by both."""
        return sign(f"{_ROTATION}\nfrom {self.old.vkey}\nto {self.new.vkey}\nat {timestamp(self.at)}\n", old, new)

    @classmethod
    def open(cls, note: bytes) -> Rotation:
        """The rotation that both keys signed. Raises NoteError."""
        text = note.partition(b"\n\n")[0].decode("utf-8", "replace")
        try:
            title, old, new, at = text.split("\n")
            rotation = cls(
                Verifier.parse(old.removeprefix("from ")),
                Verifier.parse(new.removeprefix("to ")),
                parse_timestamp(at.removeprefix("at ")),
            )
        except ValueError:
            raise NoteError("the note is no key rotation") from None
        if title != _ROTATION:
            raise NoteError("the note is no key rotation")
        open_note(note, [rotation.old, rotation.new], all_of_them=True)
        return rotation


def succeeds(new: Verifier, old: Verifier, rotations: list[Rotation]) -> bool:
    """Whether ``new`` is ``old``, or took its place through these rotations."""
    reached = {old}
    for _ in rotations:
        reached |= {rotation.new for rotation in rotations if rotation.old in reached}
    return new in reached


class KeyFolder:
    """The folder of whoever signs. Its methods raise KeyFileError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / KEY_FILE

    def current(self) -> SigningKey:
        """The key to sign with; made now when there is none."""
        try:
            if not self.path.exists():
                self._put(SigningKey.new(), replace=False)
            mode = self.path.stat().st_mode & 0o777
            if mode & 0o077:
                raise KeyFileError(
                    f"the signing key {self.path} can be read by others (mode {mode:o}); "
                    f"run 'chmod 600 {self.path}', and 'askfirst audit rotate-key' if somebody may have copied it"
                )
            return SigningKey.from_pem(self.path.read_bytes())
        except NoteError as error:
            raise KeyFileError(
                f"the signing key {self.path}: {error}; put it back from a copy, or move it away to have a new one made"
            ) from None
        except OSError as error:
            raise self._failure(error) from None

    def rotate(self, at: datetime) -> Rotation:
        """Puts a new key in the place of the current one, and keeps the note of it."""
        old, new = self.current(), SigningKey.new()
        rotation = Rotation(old.verifier, new.verifier, at)
        try:
            # the note first: a note of a key that never signed anything is harmless, a key without its note is not
            with (self.folder / ROTATIONS_FILE).open("ab") as file:
                file.write(rotation.signed(old, new) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._put(new, replace=True)
        except OSError as error:
            raise self._failure(error) from None
        return rotation

    def rotations(self) -> bytes:
        """The notes of all rotations, as they are handed on."""
        try:
            return (self.folder / ROTATIONS_FILE).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._failure(error) from None

    def _put(self, key: SigningKey, *, replace: bool) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        growing = self.folder / f".{KEY_FILE}.{secrets.token_hex(8)}"
        file = os.open(growing, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            try:
                os.write(file, key.to_pem())
                os.fsync(file)
            finally:
                os.close(file)
            if replace:
                growing.replace(self.path)
            else:
                try:
                    os.link(growing, self.path)
                except FileExistsError:
                    return  # another process was first: its key it is
        finally:
            growing.unlink(missing_ok=True)

    def _failure(self, error: OSError) -> KeyFileError:
        return KeyFileError(
            f"the signing key {self.path}: {error.strerror or error}; "
            "name a folder that can be written with ASKFIRST_KEYS"
        )


def read_rotations(notes: bytes) -> list[Rotation]:
    """The rotations in a file of notes. Raises NoteError when one does not hold."""
    return [Rotation.open(note) for note in read_notes(notes)]
