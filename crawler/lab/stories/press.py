"""People who publish: reservations of text and data mining, search engine tags read as refusals, and a broken file."""

from __future__ import annotations

import json
from types import MappingProxyType

from crawler.lab.site import (
    WELCOME,
    Answer,
    Answers,
    Page,
    Picture,
    Reason,
    Site,
    barred,
    deferred,
    front,
    refused,
    text_file,
)

TDMREP_PATH = "/.well-known/tdmrep.json"
_RESERVED = barred(Reason.TDMREP)


def _tdmrep(*rules: tuple[str, int, str | None]) -> Answers:
    """A tdmrep.json of (location, reservation, policy) in this order."""
    array = [
        {"location": location, "tdm-reservation": reservation} | ({"tdm-policy": policy} if policy else {})
        for location, reservation, policy in rules
    ]
    return text_file(json.dumps(array, indent=2) + "\n", content_type="application/json")


_POLICY_URL = "http://newspaper.lab.test/policies/tdm.json"
_POLICY = {
    "@context": ["http://www.w3.org/ns/odrl.jsonld", "http://www.w3.org/ns/tdmrep.jsonld"],
    "@type": "Offer",
    "profile": "http://www.w3.org/ns/tdmrep",
    "uid": _POLICY_URL,
    "assigner": {
        "uid": "http://newspaper.lab.test/",
        "vcard:fn": "Harbor Courier, rights desk",
        "vcard:hasEmail": "mailto:rights@newspaper.lab.test",
        "vcard:hasTelephone": "tel:+1-555-0142",
        "vcard:hasURL": "http://newspaper.lab.test/imprint.html",
    },
    "permission": [{"action": "tdm:mine", "duty": [{"action": "obtainConsent"}]}],
}

newspaper = Site(
    name="newspaper",
    title="The Harbor Courier",
    trait="tdmrep.json reserves articles and photos, and names a policy with somebody to ask",
    story="Everything our reporters write and photograph is reserved for mining. Ask the rights desk; it has said yes "
    "before. The policy file tells a machine where the desk is.",
    pages=(
        front(),
        Page(
            path="/articles/ferry.html",
            title="Ferry returns to winter timetable",
            text=("From Monday the last boat leaves at nine.",),
            expect=_RESERVED,
            pictures=(
                Picture(
                    path="/photos/ferry.jpg",
                    title="The ferry at the landing",
                    seed="ferry",
                    style="waves",
                    size=(600, 340),
                    expect=_RESERVED,
                ),
            ),
        ),
        Page(
            path="/articles/market.html",
            title="Fish market gets its roof back",
            text=("Three years after the storm the hall is dry again.",),
            expect=_RESERVED,
            pictures=(
                Picture(
                    path="/photos/market.jpg", title="The market hall", seed="market", style="tiles", expect=_RESERVED
                ),
            ),
        ),
        Page(path="/imprint.html", title="Imprint", text=("The Harbor Courier, Quay 4. Rights desk: ext. 42.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType(
        {
            TDMREP_PATH: _tdmrep(("/articles/", 1, _POLICY_URL), ("/photos/", 1, _POLICY_URL)),
            "/policies/tdm.json": text_file(json.dumps(_POLICY, indent=2), content_type="application/json"),
        }
    ),
    plumbing=("/policies/tdm.json",),
)

_LIFTED = (("TDM-Reservation", "0"),)

library = Site(
    name="library",
    title="The Lending Library",
    trait="tdmrep.json and response headers disagree, in both directions",
    story="Our catalog is reserved and our reading room is open, says the file. Each department then set headers of "
    "its own. The narrower place counts, once it can be seen.",
    pages=(
        front(),
        Page(
            path="/catalog/a-to-m.html",
            title="Catalog, A to M",
            text=("Reserved by the file. The header says 0, but a reserved page is not fetched to find that out.",),
            headers=_LIFTED,
            expect=_RESERVED,
        ),
        Page(
            path="/room/rules.html",
            title="Reading room",
            text=("Not reserved by the file, and no header. Mining is free here; training was never mentioned.",),
            pictures=(
                Picture(path="/room/lamp.png", title="A reading lamp", seed="lamp", style="rays", size=(360, 360)),
            ),
        ),
        Page(
            path="/room/manuscript.html",
            title="The manuscript",
            text=("Not reserved by the file, reserved by the header of this page.",),
            headers=(("TDM-Reservation", "1"),),
            expect=refused(Reason.TDMREP),
        ),
        Page(
            path="/room/odd.html",
            title="The odd shelf",
            text=("The header of this page has the value “yes”, which means nothing and changes nothing.",),
            headers=(("TDM-Reservation", "yes"),),
        ),
    ),
    robots=WELCOME,
    files=MappingProxyType({TDMREP_PATH: _tdmrep(("/catalog/", 1, None), ("/room/", 0, None))}),
)

_FOG = Picture(path="/figures/fog-1.png", title="Figure 1: fog by courtyard", seed="fog", style="circles")
_JOURNAL_META = (("tdm-reservation", "1"), ("tdm-policy", "http://journal.lab.test/rights.html"))

journal = Site(
    name="journal",
    title="Annals of Small Weather",
    trait="TDM reservation in the meta tags of the papers; not in force for their figures",
    story="We are a journal with one editor and no access to the server's settings. Each paper carries its "
    "reservation in its head, where the editor can reach it.",
    pages=(
        front(_FOG),
        Page(
            path="/papers/fog.html",
            title="On fog in courtyards",
            text=("Fog settles where doors are left open. Forty courtyards, two winters.",),
            meta=_JOURNAL_META,
            expect=refused(Reason.TDMREP),
            pictures=(_FOG,),
        ),
        Page(
            path="/papers/puddles.html",
            title="Puddles as barometers",
            text=("A puddle knows tomorrow. The header reserves this paper; its meta tag takes that back.",),
            headers=(("TDM-Reservation", "1"),),
            meta=(("tdm-reservation", "0"),),
        ),
        Page(path="/rights.html", title="Rights", text=("Ask the editor. She is in the office on Mondays.",)),
    ),
    robots=WELCOME,
)

wire = Site(
    name="wire",
    title="North Wire, news agency",
    trait="tdmrep.json answers 500: nobody can tell what is reserved",
    story="There is a reservation file, and since Tuesday there is an error where it was. We are looking into it.",
    pages=(
        front(Picture(path="/desk.webp", title="The news desk", seed="desk", style="tiles", size=(400, 260))),
        Page(path="/briefs.html", title="Briefs", text=("Short news for other newspapers.",)),
        Page(path="/status.html", title="Status", text=("Degraded.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType({TDMREP_PATH: (Answer(status=500, body=b"internal error\n"),)}),
    default=deferred(Reason.TDMREP),
)

bookshop = Site(
    name="bookshop",
    title="Second Shelf, used books",
    trait="tdmrep.json is there and cannot be read",
    story="My nephew wrote the reservation file and left a comma too many. The intention is plain enough; the file "
    "needs a person to look at it.",
    pages=(
        front(Picture(path="/shelf.png", title="The second shelf", seed="shelf", style="tiles")),
        Page(path="/new.html", title="New in", text=("Atlases, a run of cookbooks, one signed.",)),
        Page(path="/wanted.html", title="Wanted", text=("Timetables before 1960.",)),
    ),
    robots=WELCOME,
    files=MappingProxyType(
        {TDMREP_PATH: text_file('[\n  {"location": "/", "tdm-reservation": 1},\n]\n', content_type="application/json")}
    ),
    default=_RESERVED,
)

gazette = Site(
    name="gazette",
    title="The Parish Gazette",
    trait="noarchive: a search engine's word that some read as “do not train”",
    story="We asked search engines not to keep copies of the council's minutes. We were told that this covers learning "
    "machines too, at least the careful ones.",
    pages=(
        front(),
        Page(
            path="/minutes/june.html",
            title="Minutes, June",
            text=("The bench by the well is to be painted green.",),
            headers=(("X-Robots-Tag", "noarchive"),),
            expect=refused(Reason.X_ROBOTS_TAG),
        ),
        Page(
            path="/minutes/july.html",
            title="Minutes, July",
            text=("The bench is blue. The matter is adjourned.",),
            meta=(("robots", "index, noarchive"),),
            expect=refused(Reason.META_ROBOTS),
        ),
        Page(
            path="/fete.html",
            title="Fete",
            text=("Saturday on the green. Cake from two o'clock.",),
            meta=(("robots", "index, follow"),),
            pictures=(Picture(path="/fete.webp", title="Bunting on the green", seed="fete", style="hills"),),
        ),
    ),
    robots=WELCOME,
)

_AFTER = "unavailable_after: Wed, 25 Jun 2031 15:00:00 GMT"

festival = Site(
    name="festival",
    title="Lantern Week",
    trait="noai behind a date with commas and colons, in one header field",
    story="Our program expires after the festival, and it is not for training machines. Both things stand in one "
    "header, and the date in it is full of commas and colons.",
    pages=(
        front(),
        Page(
            path="/program.html",
            title="Program",
            text=("Boats at dusk, drums on the bridge, soup until it is gone.",),
            headers=(("X-Robots-Tag", f"{_AFTER}, noai"),),
            expect=refused(Reason.X_ROBOTS_TAG),
        ),
        Page(
            path="/posters.html",
            title="Posters",
            text=("This page only expires.",),
            headers=(("X-Robots-Tag", f"{_AFTER}, max-image-preview:large"),),
            pictures=(
                Picture(
                    path="/posters/lanterns.jpg",
                    title="Poster: lanterns",
                    seed="lanterns",
                    style="circles",
                    size=(360, 540),
                    headers=(("X-Robots-Tag", "max-snippet:0, noimageai"),),
                    expect=refused(Reason.X_ROBOTS_TAG),
                ),
            ),
        ),
        Page(path="/travel.html", title="Getting here", text=("By the last tram, or on foot along the river.",)),
    ),
    robots=WELCOME,
)

SITES = (newspaper, library, journal, wire, bookshop, gazette, festival)
