"""People who said it in newer words: Content-Usage, Content-Signal, RSL, trust.txt, a price, and whom to ask."""

from __future__ import annotations

import json
from types import MappingProxyType

from crawler.lab.site import (
    WELCOME,
    Page,
    Picture,
    Reason,
    Site,
    barred,
    front,
    permitted,
    refused,
    text_file,
)
from crawler.lab.stories.inside import CURLEW

# -- Content-Usage (IETF AIPREF) --------------------------------------------------------------------------------------

_NO_USAGE = barred(Reason.AIPREF)

printshop = Site(
    name="printshop",
    title="Lead and Oak, printers",
    trait="Content-Usage in robots.txt: train-ai=n, and y for what is under /open/",
    story="Our specimen books are our trade, so: n. The plates under /open/ are older than all of us, so: y. It says y "
    "to generative training only, which is all that the word means.",
    pages=(
        front(expect=_NO_USAGE),
        Page(path="/specimens.html", title="Specimens", text=("Twelve faces, cut here.",), expect=_NO_USAGE),
        Page(
            path="/open/plates.html",
            title="Old plates",
            text=("Ships, crowns, a hand that points.",),
            pictures=(Picture(path="/open/crown.png", title="A crown, woodcut", seed="crown", style="rays"),),
        ),
        Page(path="/open/borders.html", title="Old borders", text=("Acanthus, and something that tries to be it.",)),
    ),
    robots=text_file("User-agent: *\nAllow: /\nContent-Usage: train-ai=n\nContent-Usage: /open/ train-ai=y\n"),
)

glassworks = Site(
    name="glassworks",
    title="Brandt Glassworks",
    trait="Content-Usage: train-ai=n on the response of one picture",
    story="The vases anybody may copy, badly. The window took my mother eleven years, and its photograph says so in "
    "the header.",
    pages=(
        front(
            Picture(
                path="/window.jpg",
                title="The east window",
                seed="east-window",
                style="tiles",
                headers=(("Content-Usage", "train-ai=n"),),
                expect=refused(Reason.AIPREF),
            )
        ),
        Page(
            path="/vases.html",
            title="Vases",
            text=("Blown on weekdays.",),
            pictures=(Picture(path="/vase.webp", title="Vase, green", seed="vase", style="circles"),),
        ),
        Page(path="/furnace.html", title="The furnace", text=("It has not been cold since 1962.",)),
    ),
    robots=WELCOME,
)

# -- Content-Signal (Cloudflare) --------------------------------------------------------------------------------------

cafe = Site(
    name="cafe",
    title="Café at the Lock",
    trait="a block that the host put before robots.txt says ai-train=no; the café's own rules follow",
    story="There was a switch at our hosting company, and I switched it. It wrote something above our own rules. Ours "
    "only keep machines out of the table bookings.",
    pages=(
        front(Picture(path="/lock.jpg", title="The lock at noon", seed="lock", style="waves")),
        Page(path="/menu.html", title="Menu", text=("Soup, bread, and the other soup.",)),
        Page(path="/tables/today.html", title="Tables", text=("Full.",), expect=barred(Reason.ROBOTS_TXT)),
    ),
    robots=text_file(
        "# written by your host; change it in the control panel\n"
        "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /\n\n"
        "User-agent: GPTBot\nDisallow: /\n\nUser-agent: CCBot\nDisallow: /\n"
        "# end of what your host wrote\n\n"
        "User-agent: *\nDisallow: /tables/\n"
    ),
    default=barred(Reason.CONTENT_SIGNALS),
)


_OPENED = permitted(Reason.CONTENT_SIGNALS)

birdsong = Site(
    name="birdsong",
    title="Marsh Sound Archive",
    trait="Content-Signal: ai-train=yes; one photograph on loan says DMI-ALLOWED itself",
    story="We record birds so that somebody learns their voices. If that is a machine, good: there are fewer people "
    "who listen every year. Nora lent us her curlew on the same terms.",
    pages=(
        front(
            Picture(path="/marsh.png", title="The marsh at four in the morning", seed="marsh", style="reeds"),
            CURLEW,
            links=(("http://printshop.lab.test/open/plates.html", "Old plates, from the printers next door"),),
        ),
        Page(path="/calls/bittern.html", title="Bittern", text=("Like somebody blowing over a bottle.",)),
        Page(path="/calls/snipe.html", title="Snipe", text=("It drums with its tail.",)),
    ),
    robots=text_file("User-agent: *\nContent-Signal: search=yes, ai-input=yes, ai-train=yes\nAllow: /\n"),
    default=_OPENED,
)

rowers = Site(
    name="rowers",
    title="Rowing Club of 1889",
    trait="robots.txt shuts out a list of AI bots by name, and ours is not on it",
    story="Somebody brought a list of bots to the meeting, and we voted to shut them out, all five. If yours is not on "
    "the list, we have not voted on it.",
    pages=(
        front(),
        Page(path="/boats.html", title="Boats", text=("Two eights, one four, and Helga.",)),
        Page(path="/minutes.html", title="Minutes", text=("Carried, with one against.",)),
    ),
    robots=text_file(
        "User-agent: GPTBot\nUser-agent: CCBot\nUser-agent: ClaudeBot\nUser-agent: Google-Extended\n"
        "User-agent: Bytespider\nDisallow: /\n\nUser-agent: *\nAllow: /\n"
    ),
)

# -- RSL --------------------------------------------------------------------------------------------------------------


def _rsl(license_: str, *, holder: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rsl xmlns="https://rslstandard.org/rsl">\n<content url="/">\n'
        f"<license>\n{license_}\n</license>\n{holder}</content>\n</rsl>\n"
    )


def _licensed_at(url: str) -> str:
    return f"License: {url}\n\nUser-agent: *\nAllow: /\n"


_RSL_TYPE = "application/rsl+xml"
_SOLD = barred(Reason.RSL)

magazine = Site(
    name="magazine",
    title="Slow Trains, a magazine",
    trait="an RSL license that robots.txt names: training is for sale, and somebody is there to sell it",
    story="We have nothing against being read by machines, and we pay our writers. So there is a price, it is in the "
    "license, and a person answers the mail.",
    pages=(
        front(),
        Page(path="/issues/14.html", title="Issue 14", text=("Night trains, and who misses them.",)),
        Page(path="/issues/15.html", title="Issue 15", text=("A branch line, walked.",)),
        Page(path="/licensing.html", title="Licensing", text=("By the year. Write to us.",)),
    ),
    robots=text_file(_licensed_at("http://magazine.lab.test/license.xml")),
    files=MappingProxyType(
        {
            "/license.xml": text_file(
                _rsl(
                    '<permits type="usage">search ai-train</permits>\n<payment type="subscription">\n'
                    "<custom>http://magazine.lab.test/licensing.html</custom>\n"
                    '<amount currency="EUR">1200</amount>\n</payment>',
                    holder='<copyright type="organization" contactEmail="rights@magazine.lab.test">'
                    "Slow Trains</copyright>\n",
                ),
                content_type=_RSL_TYPE,
            )
        }
    ),
    plumbing=("/license.xml",),
    default=_SOLD,
)

almanac = Site(
    name="almanac",
    title="The Ferry Almanac",
    trait="robots.txt names an RSL license that is not there: unlicensed",
    story="The license was to go online in spring. The line that points to it went online at once. Until there is a "
    "license, nobody has one.",
    pages=(
        front(),
        Page(path="/tides.html", title="Tides", text=("High at six, both times.",)),
        Page(path="/moons.html", title="Moons", text=("One.",)),
    ),
    robots=text_file(_licensed_at("http://almanac.lab.test/rsl/license.xml")),
    plumbing=("/rsl/license.xml",),
    default=_SOLD,
)

_FREE = "/licenses/free-for-training.xml"

rightsdesk = Site(
    name="rightsdesk",
    title="Rights Desk for Small Publishers",
    trait="keeps the licenses of its members, and has none itself",
    story="Our members are three people and a cat. We write their licenses once, keep them here, and their sites point "
    "to us.",
    pages=(
        front(),
        Page(path="/members.html", title="Members", text=("A herbarium, a newspaper, and the cat.",)),
        Page(path="/join.html", title="Join", text=("Bring a cake.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType(
        {
            _FREE: text_file(
                _rsl('<permits type="usage">search ai-train</permits>\n<payment type="free"/>'), content_type=_RSL_TYPE
            )
        }
    ),
    plumbing=(_FREE,),
)

herbarium = Site(
    name="herbarium",
    title="The Pressed Meadow",
    trait="its RSL license lives on another host, is free, and permits training",
    story="Four thousand sheets, pressed by a schoolteacher who wanted them seen. The rights desk wrote down for us "
    "that anybody may learn from them, machines too.",
    pages=(
        front(Picture(path="/sheets/poppy.png", title="Poppy, pressed in 1911", seed="poppy", style="circles")),
        Page(path="/sheets/a.html", title="A", text=("Achillea to Avena.",)),
        Page(path="/sheets/b.html", title="B", text=("Bellis to Briza.",)),
    ),
    robots=text_file(_licensed_at(f"http://rightsdesk.lab.test{_FREE}")),
    default=permitted(Reason.RSL),
)

# -- trust.txt --------------------------------------------------------------------------------------------------------

herald = Site(
    name="herald",
    title="The Valley Herald",
    trait="trust.txt under /.well-known/ says datatrainingallowed=no",
    story="The association of local newspapers sent us a file that says who we are, and whom we belong to. There was a "
    "line in it about training. We filled it in.",
    pages=(
        front(Picture(path="/square.jpg", title="Market day", seed="square", style="tiles")),
        Page(path="/council.html", title="Council", text=("The bench is green now.",)),
        Page(path="/letters.html", title="Letters", text=("About the bench.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType(
        {
            "/.well-known/trust.txt": text_file(
                "# The Valley Herald\nbelongto=http://rightsdesk.lab.test/\ncontact=http://herald.lab.test/letters.html\n"
                "datatrainingallowed=no\n"
            )
        }
    ),
    default=barred(Reason.TRUST_TXT),
)

# -- a price, a contradiction, and somebody to ask --------------------------------------------------------------------

_PRICE = (("Crawler-Price", "USD 0.05"),)

ledger = Site(
    name="ledger",
    title="The Evening Ledger",
    trait="the archive answers 402 with a price for crawlers",
    story="Today's paper is on the counter. The bound volumes are in the back, and whoever carries them out in a sack "
    "may leave five cents a page.",
    pages=(
        front(),
        Page(path="/today.html", title="Today", text=("Fog, clearing.",)),
        Page(
            path="/volumes/1931.html",
            title="1931",
            text=("Five cents, please.",),
            status=402,
            headers=_PRICE,
            expect=refused(Reason.LICENSE_CHALLENGE),
        ),
        Page(
            path="/volumes/1932.html",
            title="1932",
            text=("Five cents, please.",),
            status=402,
            headers=_PRICE,
            expect=refused(Reason.LICENSE_CHALLENGE),
        ),
    ),
    robots=WELCOME,
)

_BREWERY_POLICY = "http://brewery.lab.test/tdm-policy.json"

brewery = Site(
    name="brewery",
    title="Two Brothers, brewers",
    trait="contradicts itself: Content-Signal says ai-train=yes, tdmrep.json reserves everything",
    story="My brother wrote robots.txt and wants everybody to learn our recipes. I wrote the other file. We do not "
    "talk about it at dinner.",
    pages=(
        front(),
        Page(path="/stout.html", title="Stout", text=("Dark, like the mood on Sundays.",)),
        Page(path="/ale.html", title="Ale", text=("Pale.",)),
    ),
    robots=text_file("User-agent: *\nContent-Signal: ai-train=yes\nAllow: /\n"),
    files=MappingProxyType(
        {
            "/.well-known/tdmrep.json": text_file(
                json.dumps([{"location": "/", "tdm-reservation": 1, "tdm-policy": _BREWERY_POLICY}]),
                content_type="application/json",
            ),
            "/tdm-policy.json": text_file(
                json.dumps(
                    {
                        "@type": "Offer",
                        "uid": _BREWERY_POLICY,
                        "assigner": {
                            "vcard:fn": "The other brother",
                            "vcard:hasEmail": "mailto:cellar@brewery.lab.test",
                        },
                        "permission": [{"action": "tdm:mine", "duty": [{"action": "obtainConsent"}]}],
                    },
                    indent=2,
                ),
                content_type="application/json",
            ),
        }
    ),
    plumbing=("/tdm-policy.json",),
    default=barred(Reason.TDMREP),
)

weaver = Site(
    name="weaver",
    title="Warp and Weft",
    trait="permits and refuses nothing; a page says where to get a license, security.txt whom to reach",
    story="Nobody ever asked me. If somebody did, there is a page for it, and for the rest of the site there is my "
    "nephew, who looks after the computer.",
    pages=(
        front(),
        Page(
            path="/patterns/heron.html",
            title="Heron pattern",
            text=("Gray on gray, forty rows.",),
            json_ld=json.dumps(
                {
                    "@context": "https://schema.org",
                    "@type": "VisualArtwork",
                    "name": "Heron pattern",
                    "copyrightHolder": {"@type": "Person", "name": "Alma Weaver"},
                    "acquireLicensePage": "http://weaver.lab.test/licenses.html",
                }
            ),
        ),
        Page(path="/licenses.html", title="Licenses", text=("Ask, and bring wool.",)),
        Page(path="/loom.html", title="The loom", text=("Older than the house.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType(
        {
            "/.well-known/security.txt": text_file(
                "Contact: mailto:nephew@weaver.lab.test\nExpires: 2099-01-01T00:00:00Z\n"
            )
        }
    ),
)

SITES = (
    printshop,
    glassworks,
    cafe,
    birdsong,
    rowers,
    magazine,
    almanac,
    rightsdesk,
    herbarium,
    herald,
    ledger,
    brewery,
    weaver,
)
