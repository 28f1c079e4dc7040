"""Where rights metadata stands in the bytes of a work: one module per container, and what all of them find.

A walker, ``walk(body, found) -> bool``, follows the structure of one container, puts what it meets into ``Found``, and
says whether it came to the end of what it had to see: where it did not, whoever called it scans the bytes instead. A
walker gives no meaning to what it finds, and copies no more of a work than the packets.

1. Nothing raises on content. What is read is bounded, and so is the time: a walker takes a bounded number of steps, a
   scan is linear in the body.
2. A packet is handed out verbatim, cut where it is too long; several packets are several finds. house: where there are
   too many, the first and the last ones: what was written at first, and what was written over it at last.
3. What may hold a statement and cannot be read is found as such, with the reason.
4. What is compressed is inflated up to a limit, and to a limit for all of a work.
5. INVARIANT: a packet that may speak of a part of the work alone (an image in a document, a later page, the picture of
   a cover), or that was found by its marks and not by its place, is marked as of a part, because what permits a part
   permits nothing else. It refuses like any other.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from askfirst.rights.model import Observation
from askfirst.rights.wire import canonical

XMP: Final = "application/rdf+xml"
"""An XMP packet, verbatim: UTF-8, UTF-16 or UTF-32."""
OPF: Final = "application/oebps-package+xml"
"""The package document of an EPUB."""
FIELDS: Final = "application/vnd.askfirst.fields+json"
"""The rights fields of EXIF, IPTC-IIM and PNG: a canonical JSON list of ``{"at": …, "text": …}``."""
C2PA: Final = "application/c2pa"
"""A C2PA manifest store: its JUMBF box, verbatim."""
UNREADABLE: Final = "application/vnd.askfirst.unreadable"
"""One line of ASCII that says what may hold a statement and why it was not read."""

MOST_BYTES: Final = {XMP: 10_485_760, OPF: 1_048_576, FIELDS: 1_048_576, C2PA: 4_194_304, UNREADABLE: 1_024}
MOST_PACKETS: Final = 32
MOST_FIELDS: Final = 32
MOST_FIELD_CHARS: Final = 2_000
MOST_INFLATED_BYTES: Final = 8_388_608
MOST_COPIED_BYTES: Final = 33_554_432

_FED_BYTES: Final = 512
_SPACE: Final = b"\0 \t\r\n"
_MARKS: Final = b"\xef\xbb\xbf\xfe\xff"


class Packet(NamedTuple):
    """One find. ``cut``: the body is a prefix of what stands in the work, or of what should. ``part``: it may speak of
    a part of the work."""

    media_type: str
    body: bytes
    cut: bool = False
    part: bool = False


_OF_A_PART: Final = "; of=part"


def named(packet: Packet) -> str:
    """The Content-Type that a packet is handed out under."""
    return packet.media_type + (_OF_A_PART if packet.part else "")


def is_of_a_part(observation: Observation) -> bool:
    """Whether a packet may speak of a part of its work: then it can refuse and cannot permit."""
    return any(name.lower() == "content-type" and value.endswith(_OF_A_PART) for name, value in observation.headers)


class Found:
    """What was found so far, in the order of the work."""

    __slots__ = ("_copied_bytes", "_count", "_fields", "_first", "_inflated_bytes", "_last", "doubtful", "spans")

    def __init__(self) -> None:
        self._first: dict[Packet, None] = {}
        self._last: deque[Packet] = deque(maxlen=MOST_PACKETS // 2)
        self._count = 0
        self._fields: dict[tuple[str, str], None] = {}
        self._inflated_bytes = self._copied_bytes = 0
        self.spans: list[tuple[int, int]] = []
        self.doubtful = False

    def packet(
        self, body: bytes, start: int, stop: int, media_type: str = XMP, *, whole: bool = True, part: bool = False
    ) -> None:
        """The bytes from ``start`` to ``stop`` are a packet; it is cut where the work ends sooner, or where it is too
        long. XMP that begins or ends as none does makes the structure doubtful that led to it."""
        end = min(stop, start + MOST_BYTES[media_type])
        cut = not whole or end < stop or stop > len(body)
        if self.made(self.copy(body, start, end), media_type, cut=cut, part=part):
            self.spans.append((start, stop))
        elif start >= len(body):
            self.doubtful = True

    def copy(self, body: bytes, start: int, stop: int) -> bytes:
        """A piece of the body; nothing when too much was copied already, as where a thousand entries name the same
        megabyte."""
        if self._copied_bytes > MOST_COPIED_BYTES:
            self._count += 1
            return b""
        self._copied_bytes += max(0, min(stop, len(body)) - start)
        return body[start:stop]

    def made(self, packet: bytes, media_type: str = XMP, *, cut: bool = False, part: bool = False) -> bool:
        """A packet that had to be put together, and is no longer than allowed. Whether it is likely to be what it
        should be: if not, its bytes may yet be found to be something else."""
        if not packet.strip(_SPACE):
            return False
        likely = True
        if media_type == XMP:
            likely = not cut and is_markup(packet) and packet[-64:].rstrip(_SPACE).endswith(b">")
            self.doubtful |= not likely
            if b"<" not in packet:
                self.unreadable("what stands in the place of an XMP packet is no XML")
                return False
        self._add(Packet(media_type, packet, cut, part))
        return likely

    def unreadable(self, reason: str) -> None:
        """Something may hold a statement, and was not read."""
        self._add(Packet(UNREADABLE, reason.encode("ascii", "replace")[:200]))

    def field(self, at: str, value: bytes, encoding: str | None = None) -> None:
        """A rights field in words: UTF-8, or else Latin-1, if no encoding is told."""
        text = decoded(value[: 4 * MOST_FIELD_CHARS], encoding).strip("\0 \t\r\n").replace("\0", "; ")
        if text and len(self._fields) < MOST_FIELDS:
            self._fields[at, text[:MOST_FIELD_CHARS]] = None

    def inflate(
        self, body: bytes, start: int, stop: int, *, most: int = MOST_BYTES[XMP], bits: int = 15
    ) -> tuple[bytes, bool]:
        """The inflated bytes, as far as they can be had, and whether they are whole. ``bits`` as zlib has it."""
        stop = min(stop, len(body))
        left = most = min(most, MOST_INFLATED_BYTES - self._inflated_bytes)
        inflater = zlib.decompressobj(bits)
        parts: list[bytes] = []
        try:
            while start < stop and left > 0 and not inflater.eof:
                # little by little: what comes before damage is had, and the rest of a bomb is never read
                parts.append(inflater.decompress(body[start : min(stop, start + _FED_BYTES)], left))
                start += _FED_BYTES
                left -= len(parts[-1])
        except zlib.error:
            return b"".join(parts), False
        finally:
            self._inflated_bytes += max(0, most - left)
        return b"".join(parts), inflater.eof

    def packets(self) -> tuple[Packet, ...]:
        """Everything, each once."""
        packets = [*self._first, *self._last]
        if self._count > len(packets):
            half = MOST_PACKETS // 2
            reason = f"{self._count} packets of metadata: only the first and the last {half} were read"
            packets.append(Packet(UNREADABLE, reason.encode("ascii")))
        if self._fields:
            packets.append(Packet(FIELDS, canonical([{"at": at, "text": text} for at, text in self._fields])))
        return tuple(packets)

    def _add(self, packet: Packet) -> None:
        if packet in self._first or packet in self._last:
            return
        self._count += 1
        if len(self._first) < MOST_PACKETS // 2:
            self._first[packet] = None
        else:
            self._last.append(packet)


def is_markup(head: bytes) -> bool:
    """Whether it begins as an XML document does, in UTF-8, UTF-16 or UTF-32."""
    return head[:64].lstrip(_MARKS + _SPACE).startswith(b"<")


Walk = Callable[[bytes, Found], bool]


def decoded(value: bytes, encoding: str | None = None) -> str:
    """Text as it was most likely written."""
    if encoding is not None:
        return value.decode(encoding, "replace")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end >= len(value) - 1 and error.start > len(value) - 4 and len(value) >= 4 * MOST_FIELD_CHARS:
            return value.decode("utf-8", "ignore")  # it was cut inside a character
        return value.decode("latin-1")
