"""PDF (ISO 32000-2 section 14.3.2): metadata streams, of the document and of anything in it.

It is no PDF reader: it looks for the dictionaries of metadata streams in the bytes. Streams never stand in object
streams, so none is hidden by compression of the file's structure.

1. A stream counts whose dictionary says ``/Subtype /XML`` or ``/Type /Metadata``, with ``#`` escapes, and one that a
   ``/Metadata n g R`` refers to. What is left is scanned for XMP packets by their marks.
2. house: what a later revision of the file has replaced still stands in it, and is read as well: whoever took a
   reservation back by appending to a file has to write it anew.
3. A stream ends where its direct ``/Length`` says, if ``endstream`` stands there, and else at ``endstream``.
4. FlateDecode is read; any other filter, and encryption, is remarked. Encrypted metadata that was left clear is read.
"""

from __future__ import annotations

import re
from typing import Final

from askfirst.rights.carriers import Found, is_markup

_NAME_END: Final = rb"(?![^\x00\t\n\x0c\r ()<>\[\]{}/%])"
_ESCAPED: Final = re.compile(rb"#(58|4[Dd]|4[Cc]|6[15])")
_ESCAPE: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_IS_METADATA: Final = re.compile(rb"/(?:Subtype[\x00\s]*+/XML|Type[\x00\s]*+/Metadata)" + _NAME_END)
_REFERENCE: Final = re.compile(rb"/Metadata[\x00\s]++([0-9]{1,10})[\x00\s]++([0-9]{1,5})[\x00\s]++R")
_LENGTH: Final = re.compile(rb"/Length[\x00\s]++([0-9]{1,10}+)(?![\x00\s]++[0-9]{1,5}[\x00\s]++R)")
_FILTER: Final = re.compile(rb"/Filter[\x00\s]*+(\[[^\]]{0,200}+\]|/[^\x00\t\n\x0c\r ()<>\[\]{}/%]{1,40}+)")
_PREDICTOR: Final = re.compile(rb"/Predictor[\x00\s]++(?!1(?![0-9]))")
_NAMES: Final = re.compile(rb"/([^\x00\t\n\x0c\r ()<>\[\]{}/%]{1,40}+)")
_MOST_CANDIDATES: Final = 4_096
_MOST_REFERENCES: Final = 16
_DICTIONARY_BYTES: Final = 4_096


def walk(body: bytes, found: Found) -> bool:
    """A PDF. Never whole: what it holds otherwise is scanned."""
    encrypted = body.find(b"/Encrypt") >= 0
    streams: dict[int, bytes] = {}
    references: dict[tuple[bytes, bytes], None] = {}
    for needle in (b"/XML", b"/Metadata"):
        at = -1
        for _ in range(_MOST_CANDIDATES):
            at = body.find(needle, at + 1)
            if at < 0:
                break
            refers = _REFERENCE.match(body, at)
            if refers is not None:
                references[refers[1], refers[2]] = None
            else:
                _candidate(body, at, streams)
    for _, escaped in zip(range(_MOST_CANDIDATES), _ESCAPED.finditer(body), strict=False):
        _candidate(body, escaped.start(), streams)
    _referred(body, list(references), streams)
    end = 0
    for start in sorted(streams):
        if end < start:
            # the first one behind an earlier stream is the first behind this one, unless it has been passed
            end = body.find(b"endstream", start)
            end = len(body) + 1 if end < 0 else end
        _stream(body, start, end, streams[start], found, encrypted=encrypted)
    return False


def _candidate(body: bytes, at: int, streams: dict[int, bytes]) -> None:
    """If there is the dictionary of a metadata stream around ``at``: where its stream starts, and the dictionary."""
    keyword = body.find(b"stream", at, at + _DICTIONARY_BYTES)
    if keyword < 0 or body.find(b"endobj", at, keyword) >= 0:
        return
    begin = body.rfind(b"obj", max(0, at - _DICTIONARY_BYTES), at)
    if begin < 0 or keyword in streams or body.startswith(b"end", keyword - 3):
        return
    dictionary = _unescaped(body[begin + 3 : keyword])
    if _IS_METADATA.search(dictionary) is not None:
        streams[keyword] = dictionary


def _unescaped(dictionary: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), dictionary) if b"#" in dictionary else dictionary


def _referred(body: bytes, references: list[tuple[bytes, bytes]], streams: dict[int, bytes]) -> None:
    """The streams that are referred to as metadata and do not say themselves that they are."""
    if len(references) > 2 * _MOST_REFERENCES:
        references = references[:_MOST_REFERENCES] + references[-_MOST_REFERENCES:]
    for number, generation in references:
        header = b"%s %s obj" % (number, generation)
        at = body.find(header)
        for _ in range(8):
            if at < 0:
                break
            begin = at + len(header)
            keyword = body.find(b"stream", begin, begin + _DICTIONARY_BYTES)
            whole_number = not body[max(0, at - 1) : at].isdigit()
            if whole_number and keyword >= 0 and body.find(b"endobj", begin, keyword) < 0:
                streams.setdefault(keyword, _unescaped(body[begin:keyword]))
            at = body.find(header, begin)


def _stream(body: bytes, keyword: int, stop: int, dictionary: bytes, found: Found, *, encrypted: bool) -> None:
    start = keyword + len(b"stream")
    start += 2 if body.startswith(b"\r\n", start) else 1
    length = _LENGTH.search(dictionary)
    told = start + int(length[1]) if length is not None else -1
    if told >= 0 and body[told : told + 16].lstrip().startswith(b"endstream"):
        stop = told
    filters = _filters(dictionary)
    if filters is None:
        found.unreadable("a metadata stream of a PDF has a filter that is not read")
        return
    if not filters:
        head = body[start : min(stop, start + 256)]
        if is_markup(head) or (b"<" in head and not encrypted):
            found.packet(body, start, stop)
        elif head:
            found.unreadable(f"a metadata stream of a PDF {'is encrypted' if encrypted else 'is no XML'}")
        return
    packet, whole = found.inflate(body, start, stop)
    for _ in filters[1:]:
        packet, whole = found.inflate(packet, 0, len(packet))
    if is_markup(packet) or (b"<" in packet and not encrypted):
        found.spans.append((start, stop))
        found.made(packet, cut=not whole)
    else:
        found.unreadable(f"a metadata stream of a PDF {'is encrypted' if encrypted else 'cannot be inflated'}")


def _filters(dictionary: bytes) -> list[bytes] | None:
    """The filters that have to be undone, all of them FlateDecode; None where there is another."""
    told = _FILTER.search(dictionary)
    names = [] if told is None else _NAMES.findall(told[1])
    flate = [name for name in names if name in {b"FlateDecode", b"Fl"}]
    if len(flate) + names.count(b"Crypt") != len(names) or len(flate) > 4 or _PREDICTOR.search(dictionary) is not None:
        return None
    return flate
