"""People who wrote it into the work: XMP in photographs, a C2PA manifest, reservations in a PDF and in a book.

What is not here: renditions of a picture (``srcset``) that carry its refusal, because a small one may be fetched before
the large one has been read; tests/test_displays.py tells that story in a fixed order.
"""

from __future__ import annotations

from dataclasses import replace

from crawler.lab.site import (
    WELCOME,
    Page,
    Picture,
    Reason,
    Site,
    Work,
    front,
    permitted,
    refused,
)
from crawler.lab.works import EPUB, PDF, c2pa_store, data_mining, epub, pdf


def _photograph(name: str, title: str, style: str, key: str) -> Picture:
    """A photograph by Nora Lind, who writes into the file what may be done with it."""
    return Picture(
        path=f"/prints/{name}.jpg",
        title=title,
        seed=name,
        style=style,
        host="lens",
        xmp=data_mining(key, creator="Nora Lind", mail="nora@lens.lab.test"),
    )


CURLEW = replace(_photograph("curlew", "Curlew, low tide", "reeds", "DMI-ALLOWED"), expect=permitted(Reason.PLUS))
_PROHIBITED = "DMI-PROHIBITED-AIMLTRAINING"
SALTMARSH = replace(_photograph("saltmarsh", "Salt marsh, January", "waves", _PROHIBITED), expect=refused(Reason.PLUS))
_DUNE = replace(_photograph("dune", "Dune, north side", "hills", _PROHIBITED), expect=refused(Reason.PLUS))

lens = Site(
    name="lens",
    title="Nora Lind, photographs",
    trait="says nothing on its pages; each photograph carries plus:DataMining in its XMP",
    story="Pages come and go, and my pictures go further than my pages. So I write it into the picture, with my name "
    "and my address, before it leaves the house.",
    pages=(
        front(SALTMARSH),
        Page(path="/coast.html", title="Coast", text=("Four winters.",), pictures=(_DUNE,)),
        Page(path="/loans.html", title="Loans", text=("One curlew, to the sound archive, free to use.",)),
    ),
    robots=None,
    pictures=(CURLEW,),
)

pinboard = Site(
    name="pinboard",
    title="Pinned",
    trait="the photographer's picture again; the words inside it came along",
    story="I pin what I find. I never look into the files, and I would not know how.",
    pages=(
        front(replace(SALTMARSH, path="/pins/2207.jpg", host="", title="Grey sea, found somewhere")),
        Page(
            path="/pins.html",
            title="More pins",
            text=("Mostly wallpaper.",),
            pictures=(Picture(path="/pins/2208.webp", title="Wallpaper", seed="pinned-tiles", style="tiles"),),
        ),
        Page(path="/why.html", title="Why", text=("Because walls are expensive.",)),
    ),
    robots=WELCOME,
)

sketchbook = Site(
    name="sketchbook",
    title="Ivo Marsh, drawings",
    trait="a C2PA manifest in a PNG says cawg.ai_training: notAllowed",
    story="My drawing program asks, when I save, whether machines may train on it. I say no, and it puts that where "
    "the file's history is. I never read what it writes; I trust that somebody does.",
    pages=(
        front(
            Picture(
                path="/drawings/otter.png",
                title="Otter, ink",
                seed="otter",
                style="reeds",
                c2pa=c2pa_store({"cawg.ai_training": "notAllowed", "cawg.ai_generative_training": "notAllowed"}),
                expect=refused(Reason.C2PA),
            )
        ),
        Page(
            path="/older.html",
            title="Older",
            text=("From before the program asked.",),
            pictures=(Picture(path="/drawings/stoat.png", title="Stoat, ink", seed="stoat", style="hills"),),
        ),
        Page(path="/tools.html", title="Tools", text=("A tablet, and a pencil for when it is empty.",)),
    ),
    robots=WELCOME,
)

_IN_WORK = refused(Reason.TDMREP)

institute = Site(
    name="institute",
    title="Institute for Counting Birds",
    trait="a PDF with tdm:reservation in its XMP, an EPUB with it in its package, and one PDF without",
    story="Our reports are sent around as files, and nobody sends the website along. So the reservation stands in the "
    "files. The leaflet is for everybody.",
    pages=(
        front(),
        Page(
            path="/reports.html",
            title="Reports",
            text=("Each spring one report, each autumn one book.",),
            links=(
                ("http://institute.lab.test/reports/spring.pdf", "Spring count (PDF)"),
                ("http://institute.lab.test/reports/field-guide.epub", "Field guide (EPUB)"),
                ("http://institute.lab.test/reports/leaflet.pdf", "Leaflet (PDF)"),
            ),
        ),
        Page(path="/how.html", title="How we count", text=("One, two, many.",)),
    ),
    robots=WELCOME,
    works=(
        Work(
            path="/reports/spring.pdf",
            content_type=PDF,
            body=pdf("Spring count", properties="<tdm:reservation>1</tdm:reservation>"),
            expect=_IN_WORK,
        ),
        Work(
            path="/reports/field-guide.epub",
            content_type=EPUB,
            body=epub(
                "Field guide",
                metadata='<meta property="tdm:reservation">1</meta>',
                prefix="tdm: http://www.w3.org/ns/tdmrep#",
            ),
            expect=_IN_WORK,
        ),
        Work(path="/reports/leaflet.pdf", content_type=PDF, body=pdf("Ten birds for beginners")),
    ),
)

SITES = (lens, pinboard, sketchbook, institute)
