"""People who never thought about it, who thought of something else, or who say two things at once."""

from __future__ import annotations

import json
from types import MappingProxyType

from crawler.lab.site import WELCOME, Page, Picture, Reason, Site, barred, front, refused, text_file

blog = Site(
    name="blog",
    title="Notes from the allotment",
    trait="silence: no robots.txt, no signal of any kind",
    story="I write about beans. It never occurred to me that anyone but my neighbors might read this, let alone a "
    "machine.",
    pages=(
        front(Picture(path="/beans.jpg", title="Runner beans", seed="beans", style="reeds")),
        Page(path="/may.html", title="May", text=("Beans in. Slugs informed.",)),
        Page(
            path="/june.html",
            title="June",
            text=("Beans up. Netting up. Morale up.",),
            pictures=(Picture(path="/net.webp", title="The net in the evening", seed="net", style="hills"),),
        ),
        Page(path="/july.html", title="July", text=("More beans than anybody wanted.",)),
    ),
    robots=None,
)

_SITEMAP = """\
<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>http://shop.lab.test/</loc></url>
<url><loc>http://shop.lab.test/goods/kettle.html</loc></url>
<url><loc>http://shop.lab.test/goods/broom.html</loc></url>
</urlset>
"""
_NO_CART = barred(Reason.ROBOTS_TXT)

shop = Site(
    name="shop",
    title="Hardware and Sundries",
    trait="a site map, and a basket that robots.txt keeps shut",
    story="Brooms, kettles, string. Crawlers are welcome in the aisles; the basket belongs to the customer.",
    pages=(
        front(),
        Page(
            path="/goods/kettle.html",
            title="Kettle",
            text=("Whistles in F. Holds two quarts.",),
            pictures=(Picture(path="/goods/kettle.png", title="The kettle", seed="kettle", style="circles"),),
        ),
        Page(
            path="/goods/broom.html",
            title="Broom",
            text=("Sweeps in both directions.",),
            pictures=(Picture(path="/goods/broom.png", title="The broom", seed="broom", style="reeds"),),
        ),
        Page(path="/basket/view.html", title="Basket", text=("Your basket is empty.",), expect=_NO_CART),
    ),
    robots=text_file("User-agent: *\nDisallow: /basket/\n\nSitemap: http://shop.lab.test/sitemap.xml\n"),
    files=MappingProxyType({"/sitemap.xml": text_file(_SITEMAP, content_type="application/xml")}),
    plumbing=("/sitemap.xml",),
)

radio = Site(
    name="radio",
    title="Radio Kilowatt",
    trait="X-Robots-Tag for one bot by name: once another's, once ours",
    story="One press clipping service copied our schedule wrongly, so we told that one to stop. Then we told "
    "AskFirstBot to leave our play scripts alone.",
    pages=(
        front(),
        Page(
            path="/schedule.html",
            title="Schedule",
            text=("News at the hour, weather when there is some.",),
            headers=(("X-Robots-Tag", "PressClipBot: noindex, noai"),),
            pictures=(
                Picture(
                    path="/mast.jpg",
                    title="The mast",
                    seed="mast",
                    style="rays",
                    headers=(("X-Robots-Tag", "pressclipbot: noimageai"),),
                ),
            ),
        ),
        Page(
            path="/scripts/tunnel.html",
            title="The Tunnel, a radio play",
            text=("(A door. Steps. A second door, nearer.)",),
            headers=(("X-Robots-Tag", "askfirstbot: noindex, noai"),),
            expect=refused(Reason.X_ROBOTS_TAG),
        ),
        Page(path="/staff.html", title="Staff", text=("Two people and an aerial.",)),
    ),
    robots=WELCOME,
)

_SPLIT = refused(Reason.META_ROBOTS)
_NOAI_META = (("robots", "noai"),)

committee = Site(
    name="committee",
    title="Committee for the New Bridge",
    trait="robots.txt allows AskFirstBot, tdmrep.json says 0, the pages say noai",
    story="The webmaster invited the crawler, the treasurer waived the reservation, and the secretary forbids it on "
    "every page. There are minutes about this.",
    pages=(
        front(meta=_NOAI_META),
        Page(path="/plan.html", title="The plan", text=("One pier or two.",), meta=_NOAI_META),
        Page(path="/dissent.html", title="Dissent", text=("No pier at all: a ferry.",), meta=_NOAI_META),
    ),
    robots=text_file("User-agent: AskFirstBot\nAllow: /\n\nUser-agent: *\nDisallow: /\n"),
    files=MappingProxyType(
        {
            "/.well-known/tdmrep.json": text_file(
                json.dumps([{"location": "/", "tdm-reservation": 0}]), content_type="application/json"
            )
        }
    ),
    default=_SPLIT,
)

signpost = Site(
    name="signpost",
    title="The Old Address",
    trait="redirects: to a door that is shut on another host, to an open one, and within the house",
    story="We moved, and everything here points somewhere else. Where it points, other people's rules hold.",
    pages=(
        front(
            links=(
                ("/old/letters.html", "The letters (now at the archive, behind a shut door)"),
                ("/old/beans.html", "The beans (now at the allotment)"),
                ("/old/cellar.html", "The cellar (down the stairs)"),
            )
        ),
        Page(path="/where.html", title="Where we are now", text=("Elsewhere.",)),
        Page(
            path="/cellar/stairs.html",
            title="Cellar",
            text=("Nobody should be down here.",),
            expect=barred(Reason.ROBOTS_TXT),
            listed=False,
        ),
    ),
    robots=text_file("User-agent: *\nDisallow: /cellar/\n"),
    moved=MappingProxyType(
        {
            "/old/letters.html": "http://archive.lab.test/private/letters.html",
            "/old/beans.html": "http://blog.lab.test/may.html",
            "/old/cellar.html": "/cellar/stairs.html",
        }
    ),
)

_ABOUT_MARKDOWN = """\
---
updated: 2026-05-01
scope: site
---
# About this workshop

We mend chairs. Agents may quote our opening hours.

- **Open**: Monday to Thursday
- **Closed**: when it snows
"""

workshop = Site(
    name="workshop",
    title="Chair Mending",
    trait="ai.txt of another kind: a Markdown description, not a permission",
    story="I read that a file called ai.txt tells machines about you, so I wrote one. It turns out there are several "
    "kinds.",
    pages=(
        front(
            Picture(path="/chair.png", title="A chair with three legs", seed="chair", style="tiles", size=(300, 400))
        ),
        Page(path="/cane.html", title="Cane", text=("Soaked overnight, woven wet.",)),
        Page(path="/glue.html", title="Glue", text=("Hide glue, because the next mender will thank you.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType({"/ai.txt": text_file(_ABOUT_MARKDOWN)}),
)

_LOST = (
    '<!DOCTYPE html>\n<html lang="en"><head><title>Hello</title></head>'
    "<body><p>Fresh flowers daily.</p></body></html>\n"
)

florist = Site(
    name="florist",
    title="Petals",
    trait="ai.txt answers 200 with the front page of an app",
    story="Our site builder answers every address with the same page and says that all is well.",
    pages=(
        front(Picture(path="/window.webp", title="The shop window", seed="window", style="circles", size=(500, 300))),
        Page(path="/weddings.html", title="Weddings", text=("Peonies if it is June.",)),
        Page(path="/delivery.html", title="Delivery", text=("By bicycle, within the walls.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType({"/ai.txt": text_file(_LOST, content_type="text/html; charset=utf-8")}),
)

zine = Site(
    name="zine",
    title="Stapler, a zine",
    trait="ai.txt refuses everything, pages too, in the form that a faulty plugin writes",
    story="Twelve pages, two staples, no machines. A plugin wrote the file for us; it has a slash too many, and we "
    "still mean it.",
    pages=(
        front(Picture(path="/cover.png", title="Cover of issue 9", seed="cover", style="rays", size=(360, 480))),
        Page(path="/issue-9.html", title="Issue 9", text=("The bus issue.",)),
        Page(path="/issue-8.html", title="Issue 8", text=("The issue about rain.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType(
        {"/ai.txt": text_file("# Spawning AI/\nUser-agent: */\nDisallow: *.png\nDisallow: *.html\nDisallow:/\n")}
    ),
    default=barred(Reason.AI_TXT),
)

SITES = (blog, shop, radio, committee, signpost, workshop, florist, zine)
