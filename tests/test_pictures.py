"""PDQ fingerprints: a picture that was scaled or packed again is found, and another one is not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from askfirst.pictures import (
    ATTITUDES,
    MAX_DISTANCE,
    Fingerprint,
    PicturesMissingError,
    Remembered,
    Unreadable,
    attitudes,
    fingerprint,
    is_picture,
    nearest,
    require_pdq,
)
from crawler.lab.pictures import STYLES, draw
from crawler.lab.site import Picture

try:
    require_pdq()
except PicturesMissingError as missing:
    pytest.skip(f"{missing}", allow_module_level=True)

from PIL import Image


def drawn(seed: str, *, style: str = "hills", size: tuple[int, int] = (480, 320), extension: str = "png") -> bytes:
    return draw(Picture(path=f"/{seed}.{extension}", seed=seed, title=seed, style=style, size=size))


def saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def found(body: bytes) -> Fingerprint:
    result = fingerprint(body)
    assert isinstance(result, Fingerprint), result
    return result


def asked(body: bytes) -> tuple[Fingerprint, ...]:
    result = attitudes(body)
    assert isinstance(result, tuple), result
    return result


def how(original: bytes, kept: bytes) -> tuple[int, str] | None:
    return nearest(asked(original), found(kept))


MANY = [(style, f"{style}-{number}") for style in sorted(STYLES) for number in range(4)]


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize("change", ["half", "double", "thumbnail", "jpeg", "webp", "gif", "gray"])
def test_a_picture_that_was_changed_for_the_web_is_found(style: str, change: str) -> None:
    """Scaled, packed again as JPEG of low quality, WebP or GIF, or without color: within 31 of 256 bits."""
    original = drawn("one", style=style)
    picture = Image.open(io.BytesIO(original)).convert("RGB")
    changed = {
        "half": lambda: saved(picture.resize((240, 160)), "PNG"),
        "double": lambda: saved(picture.resize((960, 640)), "JPEG", quality=80),
        "thumbnail": lambda: saved(picture.resize((150, 100)), "JPEG", quality=70),
        "jpeg": lambda: saved(picture, "JPEG", quality=30),
        "webp": lambda: saved(picture, "WEBP", quality=50),
        "gif": lambda: saved(picture, "GIF"),
        "gray": lambda: saved(picture.convert("L"), "PNG"),
    }[change]()
    if not found(original).says_enough:
        pytest.skip(f"{style} is too plain: quality {found(original).quality}")
    near = how(original, changed)
    assert near is not None
    assert near[0] <= MAX_DISTANCE
    assert near[1] == "as it is"


def test_other_pictures_are_not_found() -> None:
    """Of all pairs of different drawings that say enough, none is within the distance."""
    bodies = {seed: drawn(seed, style=style) for style, seed in MANY}
    prints = {seed: found(body) for seed, body in bodies.items()}
    telling = sorted(seed for seed, one in prints.items() if one.says_enough)
    assert len(telling) >= 12
    pairs = [(a, b) for a in telling for b in telling if a != b and nearest(asked(bodies[a]), prints[b]) is not None]
    assert pairs == []


def test_a_picture_is_found_in_each_attitude() -> None:
    """Turned and mirrored copies are found, and the answer names how they stand; every name is used once."""
    original = drawn("turned")
    picture = Image.open(io.BytesIO(original)).convert("RGB")
    flips = [None, *Image.Transpose]
    named = [how(original, saved(picture if flip is None else picture.transpose(flip), "PNG")) for flip in flips]
    assert [one is not None and one[0] <= MAX_DISTANCE for one in named] == [True] * 8
    assert {one[1] for one in named if one is not None} == set(ATTITUDES)
    assert (
        how(original, saved(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"))
        == (named[1 + list(Image.Transpose).index(Image.Transpose.FLIP_LEFT_RIGHT)])
    )


def test_the_names_of_the_attitudes_are_true() -> None:
    """A mirrored copy is "in a mirror", one that stands on its head "turned by 180 degrees"."""
    original = drawn("names")
    picture = Image.open(io.BytesIO(original)).convert("RGB")
    for flip, name in (
        (Image.Transpose.FLIP_LEFT_RIGHT, "in a mirror"),
        (Image.Transpose.FLIP_TOP_BOTTOM, "upside down in a mirror"),
        (Image.Transpose.ROTATE_90, "turned left"),
        (Image.Transpose.ROTATE_180, "turned by 180 degrees"),
        (Image.Transpose.ROTATE_270, "turned right"),
    ):
        near = how(original, saved(picture.transpose(flip), "PNG"))
        assert near is not None
        assert near[1] == name


def test_what_is_transparent_shows_white() -> None:
    """A picture on a transparent ground is found on white paper."""
    picture = Image.open(io.BytesIO(drawn("clear"))).convert("RGBA")
    cut = Image.new("RGBA", (640, 480), (0, 0, 0, 0))
    cut.paste(picture, (80, 80))
    paper = Image.new("RGB", (640, 480), "white")
    paper.paste(picture, (80, 80))
    near = how(saved(cut, "PNG"), saved(paper, "JPEG", quality=85))
    assert near is not None
    assert near[1] == "as it is"


def test_the_exif_attitude_counts() -> None:
    """A photograph that its Exif turns is fingerprinted as it is shown."""
    picture = Image.open(io.BytesIO(drawn("exif"))).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90, exif=exif)
    near = how(saved(picture.transpose(Image.Transpose.ROTATE_270), "PNG"), out.getvalue())
    assert near is not None
    assert near[1] == "as it is"


def test_a_plain_surface_matches_nothing() -> None:
    """A fingerprint of low quality is compared with nothing, not even itself."""
    plain = saved(Image.new("RGB", (300, 300), "teal"), "PNG")
    assert found(plain).quality == 0
    assert how(plain, plain) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no decoder knows its format"),
        (b"<html>", "no decoder knows its format"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "no decoder knows its format"),
        (drawn("cut")[:2_000], "damaged"),
        (saved(Image.new("RGB", (8, 8)), "PNG"), "too small to say anything"),
        (saved(Image.new("1", (20_000, 20)), "PNG"), "too narrow to say anything"),
        (saved(Image.new("1", (20_000, 6_000)), "PNG"), "more pixels than are decoded"),
    ],
)
def test_what_cannot_be_fingerprinted_has_a_reason(body: bytes, why: str) -> None:
    """Never an exception: a reason that can be counted."""
    if why == "damaged" and body == b"\x89PNG\r\n\x1a\n":
        assert isinstance(fingerprint(body), Unreadable)
        return
    assert fingerprint(body) == why
    assert attitudes(body) == why


def test_what_is_worth_decoding() -> None:
    """What is called a picture, or begins as one."""
    assert is_picture(b"", "image/png")
    assert is_picture(drawn("x"), None)
    assert is_picture(drawn("x", extension="webp"), "application/octet-stream")
    assert not is_picture(b"<html>", "text/html")
    assert not is_picture(b"RIFF1234WAVE", None)


class TestRemembered:
    """The file of fingerprints."""

    def filled(self, path: Path, count: int = 3) -> dict[bytes, Fingerprint | Unreadable]:
        remembered = Remembered(path)
        entries: dict[bytes, Fingerprint | Unreadable] = {
            bytes([number]) * 32: Fingerprint((1 << 255) + number, 50 + number) for number in range(count)
        }
        entries[b"u" * 32] = Unreadable("too small to say anything")
        for key, one in entries.items():
            remembered.put(key, one)
        remembered.save()
        return entries

    def test_what_was_saved_is_known(self, tmp_path: Path) -> None:
        """Fingerprints and reasons come back, and what is put later is added at the end."""
        path = tmp_path / "pictures.pdq"
        entries = self.filled(path)
        before = path.read_bytes()
        remembered = Remembered(path)
        assert remembered.known == entries
        remembered.put(b"x" * 32, Fingerprint(7, 99))
        remembered.save()
        assert path.read_bytes().startswith(before)
        assert Remembered(path).get(b"x" * 32) == Fingerprint(7, 99)

    @pytest.mark.parametrize("at", [0, 25, 60, 88, -1])
    def test_a_damaged_file_is_written_anew(self, tmp_path: Path, at: int) -> None:
        """From the damaged entry on nothing is believed; after saving, the file is whole."""
        path = tmp_path / "pictures.pdq"
        entries = self.filled(path)
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)
        remembered = Remembered(path)
        assert len(remembered.known) == (3 if at == -1 else 0)
        for key, one in entries.items():
            if remembered.get(key) is None:
                remembered.put(key, one)
        remembered.save()
        assert Remembered(path).known == entries

    def test_a_file_that_was_cut_short(self, tmp_path: Path) -> None:
        """The whole entries count."""
        path = tmp_path / "pictures.pdq"
        entries = self.filled(path)
        path.write_bytes(path.read_bytes()[:-10])
        remembered = Remembered(path)
        assert len(remembered.known) == 3
        remembered.put(b"u" * 32, entries[b"u" * 32])
        remembered.save()
        assert Remembered(path).known == entries

    def test_afresh_takes_nothing_from_it(self, tmp_path: Path) -> None:
        """Who does not trust the file starts from nothing, and replaces it."""
        path = tmp_path / "pictures.pdq"
        self.filled(path)
        remembered = Remembered(path, afresh=True)
        assert remembered.known == {}
        remembered.put(b"x" * 32, Fingerprint(7, 99))
        remembered.save()
        assert Remembered(path).known == {b"x" * 32: Fingerprint(7, 99)}
