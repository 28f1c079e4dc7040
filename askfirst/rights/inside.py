"""What is inside a work: rights metadata in the bytes of a resource, one observation of kind ASSET for each packet.

The bytes say which container it is, whatever the Content-Type says, so a wrong type silences nobody. The content of the
packets is for the readers; see ``askfirst.rights.carriers`` for what is looked for where.

1. Text is not looked into, unless it may be an SVG, or an XMP packet by itself: this is asked of every page of a crawl.
2. What has a walker is walked; what has none, or is broken or doubtful, is scanned for the marks of packets.
3. Where we cut the work before its end, and metadata may stand in the rest, that is remarked.
4. INVARIANT: the packets do not depend on anything but the body, whether we cut it, and its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from askfirst.rights.carriers import (
    C2PA,
    FIELDS,
    MOST_BYTES,
    OPF,
    UNREADABLE,
    XMP,
    Found,
    Packet,
    Walk,
    bmff,
    epub,
    gif,
    jpeg,
    named,
    pdf,
    png,
    riff,
    scan,
    tiff,
)
from askfirst.rights.jumbf import without_files
from askfirst.rights.media import HTML_TYPES, begins_as_html, content_type
from askfirst.rights.model import Document, Kind, Observation
from askfirst.rights.wire import digest

__all__ = ["C2PA", "FIELDS", "OPF", "UNREADABLE", "XMP", "inside"]

_WALKS: Final[Mapping[bytes, Walk]] = {
    b"\xff\xd8\xff": jpeg.walk,
    b"\x89PN": png.walk,
    b"RIF": riff.walk,
    b"GIF": gif.walk,
    b"%PD": pdf.walk,
    b"PK\x03": epub.walk,
    b"II*": tiff.walk,
    b"MM\0": tiff.walk,
    b"II+": tiff.walk,
}
_BOXES: Final = frozenset({b"ftyp", b"jP  ", b"JXL ", b"styp", b"moov", b"wide", b"pnot", b"skip", b"free", b"mdat"})
_TEXT_TYPES: Final = frozenset(
    {"application/json", "application/javascript", "application/ld+json", "application/x-javascript"}
)
_MARKUP: Final = (b"<?xm", b"<?xp", b"<svg", b"<x:x", b"<rdf")
_PDF_STARTS_WITHIN: Final = 1_024


def inside(response: Observation) -> tuple[Observation, ...]:
    """The packets of rights metadata in a response's body. Never raises on content."""
    body = response.body
    walk = _WALKS.get(body[:3]) or _other_walk(body, response)
    if walk is None:
        return ()
    found = Found()
    whole = walk(body, found) and not found.doubtful
    if not whole and walk is not scan.walk:
        scan.walk(body, found)
    if response.truncated and not whole:
        found.unreadable("the work was cut while it was fetched, and metadata may stand in the rest of it")
    return tuple(_observation(response, packet) for packet in found.packets())


def _observation(response: Observation, packet: Packet) -> Observation:
    # a manifest store may hold pictures, and what is refused must not be kept as its own evidence
    kept = without_files(packet.body) if packet.media_type == C2PA else None
    return Observation(
        document=Document(kind=Kind.ASSET, url=response.document.url, max_bytes=MOST_BYTES[packet.media_type]),
        headers=(("Content-Type", named(packet)),),
        body=packet.body if kept is None else kept,
        truncated=packet.cut,
        observed_at=response.observed_at,
        whole_digest=None if kept is None else digest(packet.body),
    )


def _other_walk(body: bytes, response: Observation) -> Walk | None:
    """How to look into what does not say in its first three bytes what it is; None for text."""
    if not body:
        return None
    if body[4:8] in _BOXES and body[:1] == b"\0":
        return bmff.walk
    told = content_type(response)
    if told is not None and (told in HTML_TYPES or told.startswith("text/") or told in _TEXT_TYPES):
        marked = body[:4] in _MARKUP or body[:7] == b"\xef\xbb\xbf<?xm"
        return scan.walk if marked and not begins_as_html(body) else None
    if epub.begins(body):
        return epub.walk
    if b"%PDF-" in body[:_PDF_STARTS_WITHIN]:
        return pdf.walk
    if begins_as_html(body):
        return None
    return scan.walk
