"""PDF (ISO 32000-2 section 14.3.2): metadata streams, of the document and of anything in it, and attached C2PA stores.

It is no PDF reader: it looks for the dictionaries of metadata streams in the bytes. Streams never stand in object
streams, so none is hidden by compression of the file's structure.

1. A stream counts whose dictionary says ``/Subtype /XML`` or ``/Type /Metadata``, with ``#`` escapes, and one that a
   ``/Metadata n g R`` refers to. What is left is scanned for XMP packets by their marks.
2. house: what a later revision of the file has replaced still stands in it, and is read as well: whoever took a
   reservation back by appending to a file has to write it anew.
3. A stream ends where its direct ``/Length`` says, if ``endstream`` stands there, and else at ``endstream``.
4. Of the document is the last metadata stream, if the catalog names it, or if the catalog is out of sight and nothing
   else in sight names it. All others are of a part, an image or an earlier revision.
5. FlateDecode is read; any other filter is remarked. Metadata in a file that everybody can open is decrypted
   (``pdf_cipher``), and what was left clear in any other is read; that for which a password is needed is remarked.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from askfirst.rights.carriers import C2PA, MOST_BYTES, XMP, Found, is_markup
from askfirst.rights.carriers.pdf_cipher import Key, key_of

_NAME_END: Final = rb"(?![^\x00\t\n\x0c\r ()<>\[\]{}/%])"
_ESCAPED: Final = re.compile(rb"#(58|4[Dd]|4[Cc]|6[15])")
_ESCAPE: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_IS_METADATA: Final = re.compile(rb"/(?:Subtype[\x00\s]*+/XML|Type[\x00\s]*+/Metadata)" + _NAME_END)
_REFERENCE: Final = re.compile(rb"/Metadata[\x00\s]++([0-9]{1,10})[\x00\s]++([0-9]{1,5})[\x00\s]++R")
_LENGTH: Final = re.compile(rb"/Length[\x00\s]++([0-9]{1,10}+)(?![\x00\s]++[0-9]{1,5}[\x00\s]++R)")
_FILTER: Final = re.compile(rb"/Filter[\x00\s]*+(\[[^\]]{0,200}+\]|/[^\x00\t\n\x0c\r ()<>\[\]{}/%]{1,40}+)")
_PREDICTOR: Final = re.compile(rb"/Predictor[\x00\s]++(?!1(?![0-9]))")
_NAMES: Final = re.compile(rb"/([^\x00\t\n\x0c\r ()<>\[\]{}/%]{1,40}+)")
_IS_STORE: Final = re.compile(rb"/Subtype[\x00\s]*+/application/(?:x-)?c2pa")
_NUMBER: Final = re.compile(rb"(?<![0-9])([0-9]{1,10})[\x00\s]++([0-9]{1,5})[\x00\s]++\Z")
_CATALOG: Final = re.compile(rb"/Type[\x00\s]*+/Catalog" + _NAME_END)
_MOST_CANDIDATES: Final = 4_096
_MOST_REFERENCES: Final = 16
_MOST_DECRYPTED: Final = 16
_DICTIONARY_BYTES: Final = 4_096


def walk(body: bytes, found: Found) -> bool:
    """A PDF. Never whole: what it holds otherwise is scanned."""
    encrypted = body.find(b"/Encrypt") >= 0
    key = key_of(body) if encrypted else None
    streams: dict[int, bytes] = {}
    references: dict[_Number, bool] = {}
    for needle in (b"/XML", b"/Metadata", b"c2pa"):
        at = -1
        for _ in range(_MOST_CANDIDATES):
            at = body.find(needle, at + 1)
            if at < 0:
                break
            refers = _REFERENCE.match(body, at)
            if refers is not None:
                number = (refers[1], refers[2])
                references[number] = references.get(number, False) or _is_of_the_catalog(body, at)
            else:
                _candidate(body, at, streams)
    for _, escaped in zip(range(_MOST_CANDIDATES), _ESCAPED.finditer(body), strict=False):
        _candidate(body, escaped.start(), streams)
    _referred(body, list(references), streams)
    whole = _of_the_whole(body, streams, references)
    end, left = 0, _MOST_DECRYPTED
    for start in sorted(streams):
        if end < start:
            # the first one behind an earlier stream is the first behind this one, unless it has been passed
            end = body.find(b"endstream", start)
            end = len(body) + 1 if end < 0 else end
        stream = _Stream(start, end, streams[start], _number(body, start), start == whole)
        if _read(body, stream, found, encrypted=encrypted):
            continue
        if key is None or left <= 0 or not _decrypted(body, stream, key, found):
            broken = "cannot be inflated" if _filters(stream.dictionary) else "is no XML"
            found.unreadable(f"a metadata stream of a PDF {'is encrypted' if encrypted else broken}")
        left -= 1
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
    if _IS_METADATA.search(dictionary) is not None or _IS_STORE.search(dictionary) is not None:
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


_Number = tuple[bytes, bytes]
"""Of an indirect object, and its generation."""


def _is_of_the_catalog(body: bytes, at: int) -> bool:
    """Whether what stands at a place belongs to a catalog, and not to an image or a page."""
    begin = body.rfind(b"obj", max(0, at - _DICTIONARY_BYTES), at)
    end = body.find(b"endobj", at, at + _DICTIONARY_BYTES)
    return begin >= 0 and _CATALOG.search(body, begin, end if end >= 0 else at + _DICTIONARY_BYTES) is not None


def _number(body: bytes, keyword: int) -> _Number | None:
    """Whose stream it is that begins there."""
    begin = max(0, body.rfind(b"obj", max(0, keyword - 2 * _DICTIONARY_BYTES), keyword))
    number = _NUMBER.search(body, max(0, begin - 24), begin)
    return None if number is None else (number[1], number[2])


def _of_the_whole(body: bytes, streams: dict[int, bytes], references: dict[_Number, bool]) -> int:
    """Where the metadata stream starts that speaks of the whole document; -1 where that is not sure. Rule 4."""
    hidden = _CATALOG.search(body) is None
    last, sure = -1, False
    for keyword, dictionary in sorted(streams.items()):
        if _IS_STORE.search(dictionary) is not None:
            continue
        number = _number(body, keyword)
        named = None if number is None else references.get(number)
        if named is not False:
            last, sure = keyword, number is not None and (named is True or hidden)
    return last if sure else -1


class _Stream(NamedTuple):
    """A stream that was found: where its keyword stands and where it ends at the latest, its dictionary and number.
    ``whole``: it speaks of the whole document."""

    keyword: int
    stop: int
    dictionary: bytes
    number: _Number | None
    whole: bool

    def contents(self, body: bytes) -> tuple[int, int]:
        """Where the contents stand."""
        start = self.keyword + len(b"stream")
        start += 2 if body.startswith(b"\r\n", start) else 1
        length = _LENGTH.search(self.dictionary)
        told = start + int(length[1]) if length is not None else -1
        is_told = told >= 0 and body[told : told + 16].lstrip().startswith(b"endstream")
        return start, told if is_told else self.stop


def _read(body: bytes, stream: _Stream, found: Found, *, encrypted: bool) -> bool:
    """Whether there is nothing more to read in it."""
    filters = _filters(stream.dictionary)
    if filters is None:
        found.unreadable("a metadata stream of a PDF has a filter that is not read")
        return True
    start, stop = stream.contents(body)
    if filters:
        read = _inflated(body, start, stop, filters, stream, found, encrypted=encrypted)
        if read:
            found.spans.append((start, stop))
        return read
    if _IS_STORE.search(stream.dictionary) is not None:
        return not encrypted  # it is scanned for by its own mark
    head = body[start : min(stop, start + 256)]
    if not is_markup(head) and (b"<" not in head or encrypted):
        return not head
    found.packet(body, start, stop, part=not stream.whole)
    return True


def _inflated(
    body: bytes, start: int, stop: int, filters: list[bytes], stream: _Stream, found: Found, *, encrypted: bool
) -> bool:
    kind = XMP if _IS_STORE.search(stream.dictionary) is None else C2PA
    packet, whole = found.inflate(body, start, stop, most=MOST_BYTES[kind])
    for _ in filters[1:]:
        packet, whole = found.inflate(packet, 0, len(packet), most=MOST_BYTES[kind])
    if kind == C2PA:
        if packet[4:8] != b"jumb":
            return False
    elif not is_markup(packet) and (b"<" not in packet or encrypted):
        return False
    found.made(packet, kind, cut=not whole, part=not stream.whole)
    return True


def _decrypted(body: bytes, stream: _Stream, key: Key, found: Found) -> bool:
    """Whether it could be read with the key of the file."""
    if stream.number is None:
        return False
    start, stop = stream.contents(body)
    packet = key.decrypted(int(stream.number[0]), int(stream.number[1]), found.copy(body, start, stop))
    filters = _filters(stream.dictionary) or []
    if filters:
        return _inflated(packet, 0, len(packet), filters, stream, found, encrypted=True)
    packet = packet.rstrip(b"\r\n") if is_markup(packet) else packet
    kind = XMP if _IS_STORE.search(stream.dictionary) is None else C2PA
    if not (is_markup(packet) if kind == XMP else packet[4:8] == b"jumb"):
        return False
    found.made(packet, kind, part=not stream.whole)
    return True


def _filters(dictionary: bytes) -> list[bytes] | None:
    """The filters that have to be undone, all of them FlateDecode; None where there is another."""
    told = _FILTER.search(dictionary)
    names = [] if told is None else _NAMES.findall(told[1])
    flate = [name for name in names if name in {b"FlateDecode", b"Fl"}]
    if len(flate) + names.count(b"Crypt") != len(names) or len(flate) > 4 or _PREDICTOR.search(dictionary) is not None:
        return None
    return flate
