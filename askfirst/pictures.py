"""PDQ fingerprints of pictures: 256 bits that stay nearly the same when a picture is scaled or packed again.

The artefact is the PDQ hash that Meta published in 2019 ("The TMK+PDQF Video-Hashing Algorithm and the PDQ
Image-Hashing Algorithm"), by ``pdqhash``; Pillow decodes. Both are the extra ``pictures``, imported when the first
picture is looked at. What this module does not do: decide that two pictures are the same work. It says how far apart
they are.

1. Two pictures are alike at a distance of at most 31 of 256 bits, and a fingerprint of a quality below 50 of 100 (a
   plain surface, a few dots) says nothing: the thresholds that the reference implementation recommends to begin with.
2. The picture that is asked about is tried in its eight attitudes (turned and mirrored); the kept ones as they are.
3. Never raises on content. What cannot be fingerprinted has a reason, and is counted by it.
4. Bounded: at most 100 million pixels are decoded, JPEG at the least scale that will do; the first frame counts.
5. house: a larger picture is scaled to 128 pixels first, not 512, because PDQ's own way to 64 leaves fine lines jagged.
   Of the lab's drawings, copies of 150 pixels are then at most 32 bits away (82 at 512) and others at least 42 (36). So
   the fingerprints are for comparing with each other, not with lists that others made.
6. What is transparent shows white, as most pages do. Pictures are turned as their Exif says.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

MAX_DISTANCE: Final = 31
MIN_QUALITY: Final = 50
MAX_PIXELS: Final = 100_000_000
LEAST_SIDE: Final = 16
SIDE: Final = 128
"""To what a larger picture is scaled down first; the reference implementation says 512."""
ATTITUDES: Final = (
    "as it is",
    "turned left",
    "turned by 180 degrees",
    "turned right",
    "in a mirror",
    "mirrored and turned left",
    "upside down in a mirror",
    "mirrored and turned right",
)
"""How a kept picture may show the one that is asked about: quarter turns to the left, then the same of its mirror."""


class PicturesMissingError(Exception):
    """What fingerprints pictures is not installed."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """256 bits as a whole number, and how much they say, from 0 to 100."""

    bits: int
    quality: int

    @property
    def says_enough(self) -> bool:
        """Whether it may be compared."""
        return self.quality >= MIN_QUALITY

    def __str__(self) -> str:
        return f"{self.bits:064x}"


class Unreadable(str):
    """Why there is no fingerprint, in a few words that do not hold content, so that they can be counted."""

    __slots__ = ()


def require_pdq() -> None:
    """Raises PicturesMissingError where pictures cannot be fingerprinted."""
    try:
        import pdqhash  # noqa: F401, PLC0415 - optional extra, looked for here
        import PIL.Image  # noqa: F401, PLC0415 - the same
    except ImportError as error:
        raise PicturesMissingError(
            f"only exact copies were looked for; install askfirst[pictures] to also find rescaled "
            f"and recompressed ones ({error.name or error} is missing)"
        ) from error


def fingerprint(body: bytes) -> Fingerprint | Unreadable:
    """The fingerprint of a picture file. Never raises on content; raises PicturesMissingError."""
    require_pdq()
    import pdqhash  # noqa: PLC0415 - optional extra

    pixels = _pixels(body)
    if isinstance(pixels, Unreadable):
        return pixels
    vector, quality = pdqhash.compute(pixels)
    return Fingerprint(_bits(vector), int(quality))


def attitudes(body: bytes) -> tuple[Fingerprint, ...] | Unreadable:
    """The fingerprints of a picture in its eight attitudes, named by ATTITUDES. As ``fingerprint`` otherwise."""
    require_pdq()
    import numpy as np  # noqa: PLC0415 - optional extra
    import pdqhash  # noqa: PLC0415 - optional extra

    pixels = _pixels(body)
    if isinstance(pixels, Unreadable):
        return pixels
    found: list[Fingerprint] = []
    # the pixels are turned, and not the spectrum as pdqhash.compute_dihedral does, which is further off
    for shown in (pixels, np.fliplr(pixels)):
        for turns in range(4):
            vector, quality = pdqhash.compute(np.ascontiguousarray(np.rot90(shown, turns)))
            found.append(Fingerprint(_bits(vector), int(quality)))
    return tuple(found)


def distance(one: Fingerprint, other: Fingerprint) -> int:
    """In how many of 256 bits they differ."""
    return (one.bits ^ other.bits).bit_count()


def nearest(wanted: tuple[Fingerprint, ...], kept: Fingerprint) -> tuple[int, str] | None:
    """The least distance, and in which attitude; None if it is more than MAX_DISTANCE, or either says too little."""
    if not (kept.says_enough and wanted[0].says_enough):
        return None
    least, at = min((distance(one, kept), index) for index, one in enumerate(wanted))
    return (least, ATTITUDES[at]) if least <= MAX_DISTANCE else None


def is_picture(body: bytes, media_type: str | None) -> bool:
    """Whether it is worth decoding: it is called a picture, or begins as one."""
    if media_type is not None and media_type.startswith("image/"):
        return True
    begins = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
    return body.startswith(begins) or (body[:4] == b"RIFF" and body[8:12] == b"WEBP") or body[4:8] == b"ftyp"


def _bits(vector: Iterable[object]) -> int:
    return int("".join("1" if bit else "0" for bit in vector), 2)


def _pixels(body: bytes) -> NDArray[np.uint8] | Unreadable:
    """Rows of red, green and blue as a numpy array."""
    import numpy as np  # noqa: PLC0415 - optional extra
    from PIL import Image, ImageOps  # noqa: PLC0415 - optional extra

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about sizes and profiles; our own bound is below
            with Image.open(io.BytesIO(body)) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    return Unreadable("more pixels than are decoded")
                if min(width, height) < LEAST_SIDE:
                    return Unreadable("too small to say anything")
                opened.draft("RGB", (2 * SIDE, 2 * SIDE))
                picture = _flat(ImageOps.exif_transpose(opened))
            picture.thumbnail((SIDE, SIDE))
            if min(picture.size) < LEAST_SIDE:
                return Unreadable("too narrow to say anything")
            return np.asarray(picture)
    except MemoryError:
        return Unreadable("more than there is memory for")
    except Exception as error:  # noqa: BLE001 - a decoder's errors on strangers' bytes are of any kind
        return Unreadable(
            "no decoder knows its format" if type(error).__name__ == "UnidentifiedImageError" else "damaged"
        )


def _flat(picture: Image.Image) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - optional extra

    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        above = picture.convert("RGBA")
        under = Image.new("RGBA", above.size, "white")
        under.alpha_composite(above)
        return under.convert("RGB")
    if picture.mode.startswith("I;16"):
        # convert() cuts 16 bits off at 255 instead of scaling them
        return picture.point(lambda value: value / 256, "L").convert("RGB")
    return picture.convert("RGB")


# -- what was fingerprinted before -------------------------------------------------------------------------------------

_HEAD: Final = b"askfirst pictures 1\n"
_BYTES: Final = 32 + 1 + 32 + 4
_NONE: Final = 255


class Remembered:
    """The fingerprints of kept pictures by SHA-256 of their bytes, in a file, so that the second question is quick.
    It proves nothing: whoever can write it can hide a picture from it, and ``afresh`` takes nothing from it.

    69 bytes for each: digest, quality (255: it has no fingerprint), bits, and a CRC-32 of these. From the first that is
    damaged on, the file is written anew.
    """

    def __init__(self, path: Path, *, afresh: bool = False) -> None:
        self._path = path
        self._known: dict[bytes, Fingerprint | Unreadable] = {}
        self._new: dict[bytes, Fingerprint | Unreadable] = {}
        self._whole = False
        if not afresh:
            self._load()

    @property
    def known(self) -> Mapping[bytes, Fingerprint | Unreadable]:
        """What the file held."""
        return self._known

    def get(self, sha256: bytes) -> Fingerprint | Unreadable | None:
        """What is known of the bytes of this digest."""
        found = self._known.get(sha256)
        return self._new.get(sha256) if found is None else found

    def put(self, sha256: bytes, found: Fingerprint | Unreadable) -> None:
        """Remembers it, from ``save`` on for the next process too."""
        self._new[sha256] = found

    def save(self) -> None:
        """Writes what is new. Raises OSError."""
        if self._whole:
            if self._new:
                with self._path.open("ab") as file:
                    file.write(b"".join(_packed(self._new)))
        else:
            growing = self._path.with_name(f".{self._path.name}.growing")
            try:
                growing.write_bytes(b"".join((_HEAD, *_packed(self._known), *_packed(self._new))))
                growing.replace(self._path)
            finally:
                growing.unlink(missing_ok=True)
        self._known |= self._new
        self._new, self._whole = {}, True

    def _load(self) -> None:
        try:
            content = self._path.read_bytes()
        except OSError:
            return  # whatever the reason, it is as if nothing were remembered
        if not content.startswith(_HEAD):
            return
        for start in range(len(_HEAD), len(content) - _BYTES + 1, _BYTES):
            entry, check = content[start : start + _BYTES - 4], content[start + _BYTES - 4 : start + _BYTES]
            if zlib.crc32(entry).to_bytes(4, "big") != check:
                return
            quality, bits = entry[32], int.from_bytes(entry[33:], "big")
            self._known[entry[:32]] = _REASONS[bits % len(_REASONS)] if quality == _NONE else Fingerprint(bits, quality)
        self._whole = (len(content) - len(_HEAD)) % _BYTES == 0


_REASONS: Final = tuple(
    map(
        Unreadable,
        (
            "damaged",
            "no decoder knows its format",
            "more pixels than are decoded",
            "too small to say anything",
            "too narrow to say anything",
            "more than there is memory for",
        ),
    )
)


def _packed(found: Mapping[bytes, Fingerprint | Unreadable]) -> Iterator[bytes]:
    for sha256, one in found.items():
        quality, bits = (one.quality, one.bits) if isinstance(one, Fingerprint) else (_NONE, _REASONS.index(one))
        entry = sha256 + bytes([quality]) + bits.to_bytes(32, "big")
        yield entry + zlib.crc32(entry).to_bytes(4, "big")
