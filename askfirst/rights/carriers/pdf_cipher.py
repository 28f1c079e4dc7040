"""The encryption of PDFs that everybody can open: ISO 32000-2 section 7.6, the standard security handler and an empty
user password.

Publishers encrypt documents to forbid printing, not reading; what such a document says of mining is meant to be read.
It breaks nothing: where a password is needed, or another handler, there is no key.

1. The file's key follows from the encryption dictionary and the file's identifier (algorithms 2, 2.A and 2.B), and a
   stream's key from that and the number of its object (algorithm 1).
2. The key counts only if the file says that an empty password opens it (algorithms 6 and 11).
3. house: no more of a stream is decrypted than 256 KiB (RC4) or 10 MiB (AES).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_ENCRYPT: Final = re.compile(rb"/Encrypt[\x00\s]*+(?:([0-9]{1,10})[\x00\s]++([0-9]{1,5})[\x00\s]++R|<<)")
_ID: Final = re.compile(rb"/ID[\x00\s]*+\[")
_TOKEN: Final = re.compile(rb"[\x00\s]*+(<<|>>|/[^\x00\s()<>\[\]{}/%]{0,100}+|[(<\[\]>]|[^\x00\s()<>\[\]{}/%]{1,40}+)")
_ESCAPED: Final = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n|\r|\n)|(.))", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_PADDING: Final = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_DICTIONARY_BYTES: Final = 4_096
_MOST_STRING_BYTES: Final = 1_024
_MOST_TRIED: Final = 8
_MOST_RC4_BYTES: Final = 262_144
_MOST_AES_BYTES: Final = 10_485_760
_MOST_ROUNDS: Final = 512


class Key(NamedTuple):
    """The key of a file, and the method of its streams: ``V2`` (RC4), ``AESV2`` or ``AESV3``."""

    method: bytes
    key: bytes

    def decrypted(self, number: int, generation: int, content: bytes) -> bytes:
        """The contents of a stream of that object."""
        if self.method == b"AESV3":
            return _cbc(self.key, content[:_MOST_AES_BYTES])
        salt = b"sAlT" if self.method == b"AESV2" else b""
        of_object = (number & 0xFFFFFF).to_bytes(3, "little") + (generation & 0xFFFF).to_bytes(2, "little")
        key = _md5(self.key + of_object + salt)[: min(len(self.key) + 5, 16)]
        if salt:
            return _cbc(key, content[:_MOST_AES_BYTES])
        return _rc4(key, content[:_MOST_RC4_BYTES])


def key_of(body: bytes) -> Key | None:
    """The key of a PDF that opens without a password; None where none can be made. Never raises on content."""
    for _, found in zip(range(_MOST_TRIED), _ENCRYPT.finditer(body), strict=False):
        start = found.end() - 2
        if found[1] is not None:
            header = body.rfind(b"\n%s %s obj" % (found[1], found[2]))
            header = header if header >= 0 else body.rfind(b"\r%s %s obj" % (found[1], found[2]))
            start = body.find(b"<<", header, header + 64) if header >= 0 else -1
        if start >= 0:
            entries = dict(_entries(body, start))
            key = _key(entries, _identifier(body)) if entries.get(b"/Filter") == b"/Standard" else None
            if key is not None:
                return key
    return None


def _key(entries: Mapping[bytes, bytes], identifier: bytes) -> Key | None:
    version, revision = _integer(entries, b"/V"), _integer(entries, b"/R")
    owner, user = entries.get(b"/O", b""), entries.get(b"/U", b"")
    method = entries.get(b"/CFM", b"/V2").lstrip(b"/") if version >= 4 else b"V2"
    if entries.get(b"/StmF", b"/StdCF") == b"/Identity" or version not in {1, 2, 4, 5} or len(user) < 32:
        return None
    if version == 5:
        wrapped = entries.get(b"/UE", b"")[:32]
        if method != b"AESV3" or len(wrapped) < 32 or len(user) < 48:
            return None
        between = _hardened(user[40:48]) if revision >= 6 else hashlib.sha256(user[40:48]).digest()
        digest = _hardened(user[32:40]) if revision >= 6 else hashlib.sha256(user[32:40]).digest()
        return Key(method, _aes(between, bytes(16), wrapped)) if digest == user[:32] else None
    size = {1: 5, 4: 16}.get(version) or min(max(_integer(entries, b"/Length", 40) // 8, 5), 16)
    rights = (_integer(entries, b"/P") & 0xFFFFFFFF).to_bytes(4, "little")
    clear = b"\xff" * 4 if revision >= 4 and entries.get(b"/EncryptMetadata") == b"false" else b""
    key = _md5(_PADDING + owner[:32] + rights + identifier + clear)
    for _ in range(50 if revision >= 3 else 0):
        key = _md5(key[:size])
    opens = _opens(key[:size], revision, user, identifier)
    return Key(method, key[:size]) if opens and method in {b"V2", b"AESV2"} else None


def _opens(key: bytes, revision: int, user: bytes, identifier: bytes) -> bool:
    """Whether it is the key of an empty user password."""
    if revision < 3:
        return _rc4(key, _PADDING) == user[:32]
    check = _md5(_PADDING + identifier)
    for number in range(20):
        check = _rc4(bytes(byte ^ number for byte in key), check)
    return check == user[:16]


def _integer(entries: Mapping[bytes, bytes], name: bytes, otherwise: int = 0) -> int:
    try:
        return int(entries[name])
    except (KeyError, ValueError):
        return otherwise


# -- the dictionary ---------------------------------------------------------------------------------------------------


def _identifier(body: bytes) -> bytes:
    """The first of the two strings of the file's identifier."""
    found = _ID.search(body)
    return next((value for kind, value in _tokens(body, found.end()) if kind), b"") if found is not None else b""


def _entries(body: bytes, start: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of the dictionary, and of crypt filters in it the methods."""
    depth, name = 0, b""
    for is_string, token in _tokens(body, start):
        if not is_string and token in {b"<<", b">>"}:
            depth += 1 if token == b"<<" else -1
            name = b""
            if depth <= 0:
                return
        elif name:
            if depth == 1 or name == b"/CFM":
                yield name, token
            name = b""
        elif not is_string and token.startswith(b"/"):
            name = token


def _tokens(body: bytes, at: int) -> Iterator[tuple[bool, bytes]]:
    """Tokens, and whether each is a string; strings as what they stand for."""
    end = min(len(body), at + _DICTIONARY_BYTES)
    while (found := _TOKEN.match(body, at, end)) is not None:
        token, at = found[1], found.end()
        if token == b"(":
            value, at = _literal(body, at)
            yield True, value
        elif token == b"<":
            close = body.find(b">", at, at + 2 * _MOST_STRING_BYTES)
            digits = bytes(c for c in body[at : max(at, close)] if c in b"0123456789abcdefABCDEF")
            yield True, bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
            at = max(at, close + 1)
        else:
            yield False, token


def _literal(body: bytes, at: int) -> tuple[bytes, int]:
    """The string whose parenthesis has been opened, and where it ends."""
    depth, start = 1, at
    while at < min(len(body), start + _MOST_STRING_BYTES):
        byte = body[at : at + 1]
        at += 2 if byte == b"\\" else 1
        depth += (byte == b"(") - (byte == b")")
        if depth == 0:
            break
    return _ESCAPED.sub(_meant, body[start : at - 1]), at


def _meant(escaped: re.Match[bytes]) -> bytes:
    if escaped[1]:
        return bytes([int(escaped[1], 8) & 0xFF])
    return b"" if escaped[2] else _LETTERS.get(escaped[3], escaped[3])


# -- ciphers ----------------------------------------------------------------------------------------------------------


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _aes(key: bytes, start: bytes, content: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
    return decryptor.update(content) + decryptor.finalize()


def _cbc(key: bytes, content: bytes) -> bytes:
    """Decrypted, without the initialization vector in front and the padding behind."""
    content = content[: len(content) // 16 * 16]
    if len(content) < 32:
        return b""
    plain = _aes(key, content[:16], content[16:])
    return plain[: -plain[-1]] if 1 <= plain[-1] <= 16 else plain


def _rc4(key: bytes, content: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) & 255
        state[i], state[j] = state[j], state[i]
    out = bytearray(content)
    i = j = 0
    for n, byte in enumerate(content):
        i = (i + 1) & 255
        j = (j + state[i]) & 255
        state[i], state[j] = state[j], state[i]
        out[n] = byte ^ state[(state[i] + state[j]) & 255]
    return bytes(out)


_SHA: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda content: hashlib.sha256(content).digest(),
    lambda content: hashlib.sha384(content).digest(),
    lambda content: hashlib.sha512(content).digest(),
)


def _hardened(salt: bytes) -> bytes:
    """Algorithm 2.B for an empty password."""
    key = hashlib.sha256(salt).digest()
    for number in range(_MOST_ROUNDS):
        encryptor = Cipher(algorithms.AES(key[:16]), modes.CBC(key[16:32])).encryptor()
        mixed = encryptor.update(key * 64) + encryptor.finalize()
        key = _SHA[sum(mixed[:16]) % 3](mixed)
        if number >= 63 and mixed[-1] <= number - 31:
            break
    return key[:32]
