"""The lab draws its own pictures: plain shapes in a few calm colors, the same bytes for the same seed.

Needs Pillow (the extra ``lab``), imported when the first picture is drawn, so that a story can be read without it.
Bytes may differ between releases of Pillow; within one they do not.
"""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from crawler.lab.site import Picture

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

OVERSAMPLING = 2
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}

Color = tuple[int, int, int]
Palette = tuple[Color, ...]


class PillowMissingError(Exception):
    """Pillow is not installed."""


def require_pillow() -> None:
    """Raises PillowMissingError where pictures cannot be drawn."""
    try:
        import PIL.Image  # noqa: F401, PLC0415 - optional extra, looked for here
    except ImportError as error:
        raise PillowMissingError(
            "the lab draws its pictures with Pillow, which is not installed; run: pip install 'askfirst[lab]'"
        ) from error


def content_type(picture: Picture) -> str:
    """The media type by the path's extension."""
    return CONTENT_TYPES[picture.path.rpartition(".")[2]]


def draw(picture: Picture) -> bytes:
    """The file's bytes. Drawn once per process, then remembered."""
    extension = picture.path.rpartition(".")[2]
    return _draw(picture.seed, picture.style, picture.size, extension, picture.xmp, picture.c2pa)


@lru_cache(maxsize=512)
def _draw(seed: str, style: str, size: tuple[int, int], extension: str, xmp: str, c2pa: bytes) -> bytes:
    from PIL import Image, ImageDraw, PngImagePlugin  # noqa: PLC0415 - optional extra

    dice = Random(seed)  # noqa: S311 - pictures, not secrets; a str seed is the same in every process
    colors = _palette(dice)
    large = (size[0] * OVERSAMPLING, size[1] * OVERSAMPLING)
    image = _gradient(large, colors[0], colors[1])
    STYLES[style](ImageDraw.Draw(image, "RGBA"), large, colors[2:], dice)
    image = image.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    inside = {"xmp": xmp.encode()} if xmp else {}
    match extension:
        case "jpg":
            image.save(out, "JPEG", quality=86, **inside)
        case "webp":
            image.save(out, "WEBP", quality=84, **inside)
        case _:
            chunks = PngImagePlugin.PngInfo()
            if c2pa:
                chunks.add(b"caBX", c2pa)
            image.save(out, "PNG", optimize=False, pnginfo=chunks)
    return out.getvalue()


def _palette(dice: Random) -> Palette:
    """Two colors for the sky, four for what stands in front of it."""
    hue = dice.random()
    turns = (0.0, 0.09, 0.5, 0.56, 0.04, 0.45)
    lights = (0.86, 0.68, 0.55, 0.42, 0.36, 0.7)
    return tuple(_rgb((hue + turn) % 1, light, 0.55) for turn, light in zip(turns, lights, strict=True))


def _rgb(hue: float, light: float, saturation: float) -> Color:
    red, green, blue = colorsys.hls_to_rgb(hue, light, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _gradient(size: tuple[int, int], top: Color, bottom: Color) -> Image.Image:
    from PIL import Image, ImageOps  # noqa: PLC0415 - optional extra

    return ImageOps.colorize(Image.linear_gradient("L").resize(size), top, bottom)


def _waves(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    for row in range(7):
        base, swing = height * (0.35 + row * 0.1), height * dice.uniform(0.02, 0.06)
        length, shift = width / dice.uniform(1.2, 3), dice.uniform(0, math.tau)
        crest = [(x, base + swing * math.sin(x / length * math.tau + shift)) for x in range(0, width + 8, 8)]
        pen.polygon([*crest, (width + 8, height), (0, height)], fill=(*colors[row % len(colors)], 150))


def _circles(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    for _ in range(24):
        x, y, radius = dice.uniform(0, width), dice.uniform(0, height), dice.uniform(0.03, 0.16) * width
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*dice.choice(colors), 120))


def _hills(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    x, y, sun = width * dice.uniform(0.2, 0.8), height * dice.uniform(0.2, 0.4), height * 0.12
    pen.ellipse((x - sun, y - sun, x + sun, y + sun), fill=(255, 246, 214, 230))
    for row in range(4):
        level = height * (0.5 + row * 0.13)
        ridge = [(step * width / 10, level - dice.uniform(0, height * 0.16)) for step in range(11)]
        pen.polygon([*ridge, (width, height), (0, height)], fill=(*colors[row % len(colors)], 235))


def _tiles(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    side = width // dice.choice((6, 8, 10))
    for left in range(0, width, side):
        for top in range(0, height, side):
            start = dice.choice((0, 90, 180, 270))
            box = (left - side, top - side, left + side, top + side)
            pen.pieslice(box, start, start + 90, fill=(*dice.choice(colors), 140))


def _rays(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    x, y, count = width * dice.uniform(0.3, 0.7), height * dice.uniform(0.5, 0.9), dice.choice((9, 12, 15))
    far = width + height
    for ray in range(count):
        start = math.tau * ray / count
        ends = [(x + far * math.cos(a), y + far * math.sin(a)) for a in (start, start + math.pi / count)]
        pen.polygon([(x, y), *ends], fill=(*colors[ray % len(colors)], 130))
    sun = height * 0.13
    pen.ellipse((x - sun, y - sun, x + sun, y + sun), fill=(255, 246, 214, 240))


def _reeds(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    pen.rectangle((0, height * 0.7, width, height), fill=(*colors[0], 110))
    for _ in range(46):
        foot, tip = dice.uniform(0, width), dice.uniform(height * 0.15, height * 0.6)
        lean = dice.uniform(-0.08, 0.08) * width
        pen.line((foot, height, foot + lean / 2, (height + tip) / 2), fill=(*dice.choice(colors), 220), width=8)
        pen.line((foot + lean / 2, (height + tip) / 2, foot + lean, tip), fill=(*dice.choice(colors), 220), width=6)


def _heron(pen: ImageDraw.ImageDraw, size: tuple[int, int], colors: Palette, dice: Random) -> None:
    width, height = size
    _reeds(pen, size, colors, dice)
    feathers, shade, bill = (72, 84, 104, 255), (44, 52, 68, 255), (226, 160, 60, 255)

    def at(*points: float) -> list[tuple[float, float]]:
        """Pairs of per cent of the picture's width and height, in pixels."""
        return [(x * width / 100, y * height / 100) for x, y in zip(points[::2], points[1::2], strict=True)]

    pen.line(at(50, 68, 50, 95), fill=shade, width=10)
    pen.line(at(54, 66, 55, 80, 53, 95), fill=shade, width=10, joint="curve")
    pen.polygon(at(41, 56, 47, 50, 56, 51, 63, 60, 72, 73, 58, 70, 47, 67), fill=feathers)
    pen.polygon(at(50, 55, 58, 57, 72, 73, 57, 66), fill=shade)
    pen.line(at(44, 57, 39, 49, 41, 41, 46, 34, 44, 26), fill=feathers, width=24, joint="curve")
    pen.ellipse((*at(40.5, 19)[0], *at(47.5, 28.5)[0]), fill=feathers)
    pen.polygon(at(41.5, 21.5, 41, 26, 28, 25.5), fill=bill)
    pen.line(at(45, 20, 50, 20, 54, 23), fill=shade, width=8, joint="curve")


Style = Callable[["ImageDraw.ImageDraw", tuple[int, int], Palette, Random], None]
STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "waves": _waves,
        "circles": _circles,
        "hills": _hills,
        "tiles": _tiles,
        "rays": _rays,
        "reeds": _reeds,
        "heron": _heron,
    }
)
_WORDS = MappingProxyType(
    {
        "waves": "waves, one behind the other",
        "circles": "discs that overlap",
        "hills": "hills under a low sun",
        "tiles": "a pattern of quarter circles",
        "rays": "rays that meet in a pale disc",
        "reeds": "reeds over water",
        "heron": "a gray heron stands among reeds",
    }
)


def describe(picture: Picture) -> str:
    """The alt text: its title, and what there is to see."""
    return f"{picture.title}: {_WORDS[picture.style]}"
