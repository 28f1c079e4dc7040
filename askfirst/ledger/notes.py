"""Signed notes (C2SP signed-note, version 1.0) with Ed25519, and the keys that sign them as text.

A note is text that ends in a newline, an empty line, and signature lines: an em dash, the key's name, and base64 of the
4-byte key hash followed by the signature. The signature is over the text. A verifier key is
``<name>+<key hash, 8 hex digits>+<base64 of 0x01 and the public key>``.

1. A note is opened only with a verifier that it was signed for; signatures by unknown keys are passed over, a bad
   signature by a known key is an error (the specification's "Verifying").
2. What was signed is given back, never what was not.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

ED25519 = b"\x01"
MAX_NOTE_BYTES = 64 * 1024
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_SIGNATURE = re.compile(rb"\xe2\x80\x94 ([^ \n]+) ([A-Za-z0-9+/=]+)\n")


class NoteError(ValueError):
    """A note or key that does not hold: says in one line why."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise NoteError(f"{self.name!r} cannot name a key: no spaces and no '+'")
        if len(self.public) != 32:
            raise NoteError(f"key {self.name}: an Ed25519 public key has 32 bytes, not {len(self.public)}")

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes by which a signature names its key."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as text."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key from its text. Raises NoteError."""
        name, _, rest = text.strip().partition("+")
        told_hash, _, encoded = rest.partition("+")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise NoteError(f"{text[:80]!r} is no verifier key: write NAME+HASH+KEY") from None
        if key[:1] != ED25519:
            raise NoteError(f"{text[:80]!r} is no Ed25519 verifier key: write NAME+HASH+KEY")
        verifier = cls(name, key[1:])
        if verifier.key_hash.hex() != told_hash:
            raise NoteError(f"{text[:80]!r}: the hash does not belong to the key; it was altered or cut short")
        return verifier

    def holds(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made the signature."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its name. house: keys are named after themselves, ``askfirst-`` and 16 hex digits."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """A new key."""
        return cls._named(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """The key in a PKCS #8 file. Raises NoteError."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise NoteError(f"no private key that can be read ({error})") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise NoteError("not an Ed25519 private key")
        return cls._named(private)

    @classmethod
    def _named(cls, private: Ed25519PrivateKey) -> Self:
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(f"askfirst-{sha256(public).hexdigest()[:16]}", private)

    def to_pem(self) -> bytes:
        """The key as a PKCS #8 file, not encrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def verifier(self) -> Verifier:
        """Its public half."""
        return Verifier(self.name, self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self.private.sign(message)


def sign(text: str, *keys: SigningKey) -> bytes:
    """The note over a text, signed by each key. Raises NoteError for what cannot be the text of a note."""
    message = text.encode()
    if not text.endswith("\n") or "\n\n" in text or text.startswith("\n"):
        raise NoteError("the text of a note ends in a newline and holds no empty line")
    lines = (
        f"\u2014 {key.name} {base64.b64encode(key.verifier.key_hash + key.sign(message)).decode()}\n" for key in keys
    )
    return message + b"\n" + "".join(lines).encode()


def open_note(note: bytes, verifiers: Sequence[Verifier], *, all_of_them: bool = False) -> str:
    """The text of a note that one of the verifiers signed; with ``all_of_them``, that each signed. Raises NoteError."""
    message, signatures = _parts(note)
    known = {(v.name, v.key_hash): v for v in verifiers}
    held: set[Verifier] = set()
    for name, value in signatures:
        verifier = known.get((name, value[:4]))
        if verifier is None:
            continue
        if not verifier.holds(message, value[4:]):
            raise NoteError(f"the signature by {name} does not hold: the note was altered")
        held.add(verifier)
    if not held or (all_of_them and len(held) < len(set(verifiers))):
        who = ", ".join(dict.fromkeys(name for name, _ in signatures))
        raise NoteError(f"it is signed by {who}, which is not a key that is known here")
    return message.decode()


def signers(note: bytes) -> list[str]:
    """The names of the keys that a note claims to be signed by; says nothing of whether it is. Raises NoteError."""
    return [name for name, _ in _parts(note)[1]]


def _parts(note: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError(f"no note has {len(note)} bytes")
    head, separator, tail = note.rpartition(b"\n\n")
    message = head + b"\n"
    if not separator or b"\n\n" in head or not _is_text(message):
        raise NoteError("no signed note: it has no text, an empty line and signatures")
    signatures: list[tuple[str, bytes]] = []
    at = 0
    while at < len(tail):
        found = _SIGNATURE.match(tail, at)
        if found is None:
            raise NoteError("no signed note: one of its signature lines is none")
        try:
            value = base64.b64decode(found[2], validate=True)
            name = found[1].decode()
        except ValueError:
            raise NoteError("no signed note: one of its signature lines is none") from None
        if len(value) != 68 or base64.b64encode(value) != found[2]:
            raise NoteError("no signed note: one of its signatures is not the length of an Ed25519 signature")
        signatures.append((name, value))
        at = found.end()
    if not signatures:
        raise NoteError("no signed note: it is not signed")
    return message, signatures


def _is_text(message: bytes) -> bool:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return False
    return all(char >= " " or char == "\n" for char in text)
