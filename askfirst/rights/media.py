"""What kind of thing a response carries: HTML, an image, or something else.

The artifacts are the Content-Type field (RFC 9110 section 8.3), the first bytes, and the end of the URL's path. It does
not decode anything, and it ignores ``X-Content-Type-Options``, which speaks to browsers.

1. The media type is what the last valid Content-Type says; else what was expected; else what the first bytes say; else
   what the URL ends in. ``application/octet-stream`` and its like say nothing.
2. ``application/xhtml+xml`` is HTML.
3. house: whoever looks for refusals asks ``may_be_html`` and ``may_be_image``. They also believe the bytes when the
   Content-Type says otherwise, so that a wrong type silences nobody. A thing may be both, and both are then heard.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from askfirst.rights.model import Intent, Observation

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

_TYPE = re.compile(r"[ \t]*([A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127})[ \t]*(?:;|$)")
_UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream", "application/unknown", "unknown/unknown"})

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
)
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif"}
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
# every repeat is possessive and a comment ends at its first end, as the HTML standard has it: one pass, never two
_HTML_START = re.compile(
    rb"(?:<\?xml[^>]*+>|<!--(?>-?>|.{0,1024}?--!?>)|\s++)*+<(?:!doctype\s+html|html|head|body|meta|title)(?=[\s>/])",
    re.IGNORECASE | re.DOTALL,
)
_SNIFFED_BYTES = 2_048

_EXTENSIONS = {
    "html": "text/html",
    "htm": "text/html",
    "shtml": "text/html",
    "xhtml": "application/xhtml+xml",
    "xht": "application/xhtml+xml",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "jpe": "image/jpeg",
    "png": "image/png",
    "apng": "image/apng",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "heic": "image/heic",
    "heif": "image/heif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "svg": "image/svg+xml",
    "jxl": "image/jxl",
    "ico": "image/vnd.microsoft.icon",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "json": "application/json",
    "xml": "application/xml",
    "css": "text/css",
    "js": "text/javascript",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "epub": "application/epub+zip",
}
_IMAGE_EXTENSIONS = frozenset(end for end, media in _EXTENSIONS.items() if media.startswith("image/"))
_LONGEST_EXTENSION = max(map(len, _IMAGE_EXTENSIONS))


def media_type(observation: Observation, intent: Intent | None = None) -> str | None:
    """The media type in lower case, without parameters; None when nothing tells."""
    told = content_type(observation) or (_named(intent.media) if intent is not None and intent.media else None)
    return told or sniffed(observation.body) or _by_extension(observation.document.url)


def content_type(observation: Observation) -> str | None:
    """What the last valid Content-Type field says, or None when it says nothing of use."""
    return _told(observation.headers)


@lru_cache(maxsize=64)  # several readers ask it of one response
def _told(headers: tuple[tuple[str, str], ...]) -> str | None:
    for name, value in reversed(headers):
        if len(name) == 12 and name.lower() == "content-type":
            told = _named(value)
            if told is not None:
                return told
    return None


@lru_cache(maxsize=512)
def _named(value: str) -> str | None:
    """The type that a field value names. Repeated fields that were joined are read from the last."""
    for part in reversed(value.split(",")):
        found = _TYPE.match(part)
        if found is not None:
            told = found[1].lower()
            return None if told in _UNTOLD else told
    return None


def sniffed(body: bytes) -> str | None:
    """What the first bytes say, or None."""
    if not body:
        return None
    for magic, told in _MAGIC:
        if body.startswith(magic):
            return told
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:8] == b"ftyp" and body[:1] == b"\x00":
        brand = body[8:12]
        return "image/heic" if brand in _HEIC_BRANDS else _BRANDS.get(brand)
    return "text/html" if begins_as_html(body) else None


def begins_as_html(body: bytes) -> bool:
    """Whether the first bytes are those of an HTML document, whatever was said of it."""
    head = body[:_SNIFFED_BYTES]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.replace(b"\x00", b"")[2:]
    return _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


@lru_cache(maxsize=1_024)
def _by_extension(url: str) -> str | None:
    try:
        last = urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return None
    return _EXTENSIONS.get(last.rpartition(".")[2].lower()) if "." in last else None


def is_html(observation: Observation, intent: Intent | None = None) -> bool:
    """Whether its media type is HTML."""
    return media_type(observation, intent) in HTML_TYPES


def is_image(observation: Observation, intent: Intent | None = None) -> bool:
    """Whether its media type is an image type."""
    return (media_type(observation, intent) or "").startswith("image/")


def may_be_html(observation: Observation, intent: Intent | None = None) -> bool:
    """Whether a careful reader would look for markup in it: its type or its bytes say HTML, or nothing is told and it
    begins with a ``<``."""
    told = media_type(observation, intent)
    if told in HTML_TYPES:
        return True
    if told is None:
        return observation.body[:_SNIFFED_BYTES].lstrip().startswith(b"<")
    return begins_as_html(observation.body)


def may_be_image(observation: Observation, intent: Intent | None = None) -> bool:
    """Whether a careful reader would take it for an image: its type or its bytes say so, or nothing is told."""
    told = media_type(observation, intent)
    return told is None or told.startswith("image/") or (sniffed(observation.body) or "").startswith("image/")


def looks_like_image(url: str) -> bool:
    """Whether the URL ends as those of images do. A cheap look, that is taken at every URL of a crawl."""
    end = url.partition("?")[0].rpartition(".")[2]
    return len(end) <= _LONGEST_EXTENSION and end.lower() in _IMAGE_EXTENSIONS


def expected_image(intent: Intent) -> bool:
    """Whether an image is expected, by what was said before or by the end of the URL."""
    return ((intent.media and _named(intent.media)) or _by_extension(intent.url) or "").startswith("image/")
