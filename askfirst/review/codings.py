"""Bodies without their transfer and content codings, as archives hold them.

1. Chunks (RFC 9112 section 7.1), gzip, deflate (with and without its zlib wrapping), and brotli where a library for it
   is installed that can bound its output.
2. INVARIANT: no more than ``most_bytes`` come out, whatever goes in.
3. house: archives often hold what was decoded already under the old fields. What does not begin as its coding does is
   taken as it is.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable
from typing import Final

GZIP: Final = b"\x1f\x8b\x08"


def decoded(body: bytes, headers: Iterable[tuple[str, str]], *, most_bytes: int) -> bytes | None:
    """The body with its transfer and content codings undone, at most ``most_bytes`` of it; None when that cannot
    be."""
    codings: list[str] = []
    chunked = False
    for name, value in headers:
        if len(name) == 16 and name.lower() == "content-encoding":
            codings += [coding.strip().lower() for coding in value.split(",")]
        elif len(name) == 17 and name.lower() == "transfer-encoding":
            chunked = chunked or "chunked" in value.lower()
    if chunked:
        body = _unchunked(body)
    found: bytes | None = body
    for coding in reversed(codings):
        if found is None:
            return None
        found = _undone(found, coding, most_bytes)
    return found


def _undone(body: bytes, coding: str, most_bytes: int) -> bytes | None:
    if coding in {"", "identity"} or not body:
        return body
    try:
        if coding in {"gzip", "x-gzip"}:
            return _inflated(body, 31, most_bytes) if body.startswith(GZIP) else body
        if coding == "deflate":
            zlib_stream = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
            return _inflated(body, 15 if zlib_stream else -15, most_bytes)
        if coding == "br" and _brotli is not None:
            return _brotli(body, most_bytes)
    except ValueError:
        return body if body.lstrip()[:1] in {b"<", b"{"} else None
    return None


def _bounded_brotli() -> Callable[[bytes, int], bytes] | None:
    """What undoes brotli, if a library for it is installed that can bound its output (1.2 and later). Raises
    ValueError."""
    try:
        library = importlib.import_module("brotli")
    except ImportError:
        return None
    if not hasattr(library.Decompressor, "can_accept_more_data"):
        return None

    def undone(body: bytes, most_bytes: int) -> bytes:
        try:
            return bytes(library.Decompressor().process(body, output_buffer_limit=most_bytes))[:most_bytes]
        except library.error as error:
            raise ValueError(str(error)) from None

    return undone


_brotli: Final = _bounded_brotli()


def _inflated(body: bytes, bits: int, most_bytes: int) -> bytes:
    try:
        return zlib.decompressobj(bits).decompress(body, most_bytes)
    except zlib.error as error:
        raise ValueError(str(error)) from None


def _unchunked(body: bytes) -> bytes:
    """The body without its chunks (RFC 9112 section 7.1); as it is where it has none."""
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at, at + 1_024)
        size = body[at:end].partition(b";")[0].strip() if end >= 0 else b""
        try:
            length = int(size, 16)
        except ValueError:
            return b"".join(pieces) if pieces and at >= len(body) else body
        if length < 0 or not size.isalnum():
            return body
        if length == 0:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + length])
        at = end + 4 + length
