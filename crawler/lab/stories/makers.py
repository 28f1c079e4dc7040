"""People who make pictures: the artist, those who show the work, and those who only copy it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from crawler.lab.site import (
    SILENT,
    WELCOME,
    Page,
    Picture,
    Reason,
    Record,
    Site,
    barred,
    front,
    refused,
    text_file,
)

HERON = Picture(path="/works/heron.png", title="Heron in the reeds, gouache", seed="heron", style="heron")
_POND = Picture(path="/works/pond.webp", title="Pond at noon, gouache", seed="pond", style="waves", size=(560, 360))
_MOTH = Picture(path="/works/moth.jpg", title="Moth lamp, ink", seed="moth", style="rays", size=(400, 400))

_AI_TXT_IMAGES = """\
# Spawning AI
# Prevent datasets from using the following file types

User-Agent: *
Disallow: *.bmp
Disallow: *.gif
Disallow: *.jpeg
Disallow: *.jpg
Disallow: *.png
Disallow: *.svg
Disallow: *.tiff
Disallow: *.webp
Allow: *.html
Allow: /
"""
_NOAI = (("X-Robots-Tag", "noai, noimageai"),)
_NOAI_META = (("robots", "noai, noimageai"),)


_no_images = tuple(replace(picture, expect=barred(Reason.AI_TXT), headers=_NOAI) for picture in (HERON, _POND, _MOTH))

artist = Site(
    name="artist",
    title="Ines Aldana, painter of ponds",
    trait="ai.txt refuses every picture; pages say noai in a meta tag, some in a header too",
    story="I paint water birds, slowly. Look at them as long as you like; do not train a machine on them without "
    "asking me. I have said so in every way my web host offers.",
    pages=(
        front(_no_images[0], meta=_NOAI_META),
        Page(
            path="/works.html",
            title="Works",
            text=("Gouache and ink, from this spring.",),
            pictures=_no_images[1:],
            meta=_NOAI_META,
        ),
        Page(
            path="/studio.html",
            title="Studio",
            text=("A shed, a stove, two windows to the north and a heron who visits.",),
            headers=_NOAI,
            expect=refused(Reason.X_ROBOTS_TAG),
        ),
        Page(
            path="/letters.html",
            title="Letters",
            text=("Write to me on paper. I answer on Thursdays.",),
            headers=_NOAI,
            meta=_NOAI_META,
            expect=refused(Reason.X_ROBOTS_TAG),
        ),
    ),
    robots=WELCOME,
    files=MappingProxyType({"/ai.txt": text_file(_AI_TXT_IMAGES)}),
    default=refused(Reason.META_ROBOTS),
)

reupload = Site(
    name="reupload",
    title="Nice things I found",
    trait="the artist's picture again, byte for byte, and not a word about rights",
    story="I save what I like and put it here. I do not remember where the heron came from.",
    pages=(
        front(replace(HERON, path="/saved/0412.png", title="A bird, found somewhere")),
        Page(
            path="/more.html",
            title="More",
            text=("Wallpapers I made myself with a pattern program.",),
            pictures=(Picture(path="/saved/0413.webp", title="Pattern in tiles", seed="found-tiles", style="tiles"),),
        ),
        Page(path="/about.html", title="About", text=("This page collects. It does not ask, and nobody asked it to.",)),
    ),
    robots=None,
)


def _lent(name: str, title: str, style: str) -> Picture:
    """A picture on the image host, shown on a page that says noimageai; who has read the page need not fetch it."""
    return Picture(
        path=f"/lent/{name}.jpg",
        title=title,
        seed=name,
        style=style,
        host="images",
        expect=barred(Reason.META_ROBOTS),
    )


_WALL = (
    _lent("tide", "Tide table, linocut", "waves"),
    _lent("lantern", "Lantern street, linocut", "circles"),
    _lent("ridge", "Ridge before snow, linocut", "hills"),
)
_SNAPSHOT = Picture(
    path="/visitors/hall.jpg", title="The hall on opening night", seed="hall", style="tiles", host="images"
)

gallery = Site(
    name="gallery",
    title="Gallery on the Quay",
    trait="one page says noimageai; its pictures live on another host",
    story="We hang other people's prints, and we promised them that our wall is no quarry. The page says so; the "
    "pictures themselves come from a host that does not.",
    pages=(
        front(),
        Page(
            path="/wall.html",
            title="The wall",
            text=("Three linocuts, on loan until May.",),
            pictures=_WALL,
            meta=(("robots", "noimageai"),),
        ),
        Page(
            path="/visitors.html",
            title="Visitors",
            text=("Two hundred came to the opening. This snapshot is our own.",),
            pictures=(_SNAPSHOT,),
        ),
        Page(path="/hours.html", title="Hours", text=("Wednesday to Sunday, eleven to six.",)),
    ),
    robots=WELCOME,
)

images = Site(
    name="images",
    title="Image host",
    trait="serves the gallery's pictures and says nothing about them",
    story="We keep pictures for other sites and hand them out fast. What may be done with them is between you and "
    "them.",
    pages=(
        front(
            Picture(path="/own/rack.png", title="A rack of drives, drawn", seed="rack", style="tiles", size=(320, 240))
        ),
        Page(path="/plans.html", title="Plans", text=("Small, medium, and a shelf of your own.",)),
        Page(path="/status.html", title="Status", text=("Every drive is spinning.",)),
    ),
    robots=WELCOME,
    pictures=(*_WALL, _SNAPSHOT),
)

potter = Site(
    name="potter",
    title="Salt and Ash, pottery",
    trait="X-Robots-Tag: noimageai on the pictures alone; the pages are silent",
    story="My web host has a switch called “protect images”. I switched it on. The words on these pages are just "
    "words.",
    pages=(
        front(
            Picture(
                path="/bowl.webp",
                title="Bowl, salt glaze",
                seed="bowl",
                style="circles",
                size=(420, 420),
                headers=(("X-Robots-Tag", "noindex"), ("X-Robots-Tag", "noimageai")),
                expect=refused(Reason.X_ROBOTS_TAG),
            )
        ),
        Page(
            path="/glazes.html",
            title="Glazes",
            text=("Ash from apple wood gives the green, salt gives the skin.",),
            pictures=(
                Picture(
                    path="/glaze.png",
                    title="Glaze tests in rows",
                    seed="glaze",
                    style="tiles",
                    headers=(("X-Robots-Tag", "noimageai"),),
                    expect=refused(Reason.X_ROBOTS_TAG),
                ),
            ),
        ),
        Page(path="/kiln.html", title="The kiln", text=("Fired twice a year, in March and in October.",)),
    ),
    robots=WELCOME,
)

_refused_by_registry = barred(Reason.REGISTRY)

photographer = Site(
    name="photographer",
    title="Tomas Reiter, photographer",
    trait="says nothing itself; a registry refuses everything under /portfolio/",
    story="I cannot change the headers of this web space. So I wrote my refusal down once, in the registry, for the "
    "whole portfolio.",
    pages=(
        front(),
        Page(
            path="/portfolio/north.html",
            title="North",
            text=("Four weeks on foot, one lens.",),
            expect=_refused_by_registry,
            pictures=(
                Picture(
                    path="/portfolio/fjord.jpg",
                    title="Fjord before rain",
                    seed="fjord",
                    style="hills",
                    size=(600, 380),
                    expect=_refused_by_registry,
                ),
            ),
        ),
        Page(
            path="/portfolio/harbor.html",
            title="Harbor",
            text=("The same crane, every morning at seven.",),
            expect=_refused_by_registry,
            pictures=(
                Picture(
                    path="/portfolio/crane.jpg",
                    title="Crane at seven",
                    seed="crane",
                    style="rays",
                    expect=_refused_by_registry,
                ),
            ),
        ),
        Page(path="/prices.html", title="Prices", text=("By the day. Travel is extra.",), expect=SILENT),
    ),
    robots=None,
    records=(
        Record(
            scope="http://photographer.lab.test/portfolio/",
            verdict="refuse",
            categories=("train",),
            reference="lab-registry-0003",
        ),
    ),
)

SITES = (artist, reupload, gallery, images, potter, photographer)
