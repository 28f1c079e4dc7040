"""People who were asked: a registry consents, refuses to someone else, or did consent once."""

from __future__ import annotations

from crawler.lab.site import (
    AGENT_TOKEN,
    CONSENTED,
    SILENT,
    WELCOME,
    Page,
    Picture,
    Reason,
    Record,
    Site,
    barred,
    front,
    text_file,
)

museum = Site(
    name="museum",
    title="Museum of Everyday Tools",
    trait="a registry consents to training for the whole domain, whatever the pages' defaults say",
    story="We were asked, we talked it over, and we said yes: anybody may train on what we show. The registry has it "
    "in writing, with a reference.",
    pages=(
        front(Picture(path="/objects/plane.png", title="Carpenter's plane, 1890", seed="plane", style="hills")),
        Page(
            path="/objects/kitchen.html",
            title="Kitchen",
            text=("Graters, sieves, and a machine for stoning cherries.",),
            pictures=(Picture(path="/objects/grater.jpg", title="Nutmeg grater", seed="grater", style="circles"),),
        ),
        Page(
            path="/objects/field.html",
            title="Field",
            text=("Our web system puts “noai” on every new page by default. The consent was given knowing that.",),
            meta=(("robots", "noai"),),
            pictures=(Picture(path="/objects/scythe.webp", title="Scythe and whetstone", seed="scythe", style="rays"),),
        ),
        Page(
            path="/objects/loan.html",
            title="On loan",
            text=("The header reserves this page as the lender's form asks; the lender agreed to the consent.",),
            headers=(("TDM-Reservation", "1"),),
        ),
    ),
    robots=WELCOME,
    default=CONSENTED,
    records=(
        Record(
            scope="museum.lab.test",
            verdict="grant",
            terms="http://museum.lab.test/",
            reference="lab-registry-0001",
        ),
    ),
)

_CLOSED = barred(Reason.ROBOTS_TXT)

archive = Site(
    name="archive",
    title="The Town Archive",
    trait="a registry consents for the domain, and robots.txt still bars /private/",
    story="Train on what is open, we said to AskFirstBot, and we meant what is open. The reading files of living "
    "people stay shut, and no consent opens that door.",
    pages=(
        front(Picture(path="/open/map.png", title="Map of the old harbor", seed="map", style="waves", size=(600, 400))),
        Page(path="/open/streets.html", title="Street names", text=("Why Rope Street is crooked.",)),
        Page(
            path="/open/trades.html",
            title="Trades",
            text=("Coopers, chandlers, and a licensed rat catcher.",),
            pictures=(Picture(path="/open/cooper.jpg", title="A cooper's yard", seed="cooper", style="circles"),),
        ),
        Page(
            path="/private/letters.html",
            title="Letters of the living",
            text=("You should not have been let in here.",),
            expect=_CLOSED,
            pictures=(
                Picture(path="/private/seal.png", title="A letter's seal", seed="seal", style="rays", expect=_CLOSED),
            ),
        ),
    ),
    robots=text_file("User-agent: *\nDisallow: /private/\n"),
    default=CONSENTED,
    records=(Record(scope="archive.lab.test", verdict="grant", grantee=AGENT_TOKEN, reference="lab-registry-0002"),),
)

choir = Site(
    name="choir",
    title="The Ferrymen's Choir",
    trait="one consent has expired, another was given to somebody else",
    story="We did say yes, for one year, and the year is over. Our recordings we gave to one university, by name.",
    pages=(
        front(),
        Page(
            path="/songs/oars.html",
            title="Oars, a song",
            text=("Pull, and the river pulls back.",),
            pictures=(Picture(path="/songs/oars.webp", title="Cover of the song sheet", seed="oars", style="waves"),),
            expect=SILENT,
        ),
        Page(path="/recordings/list.html", title="Recordings", text=("Eleven tapes, one of them complete.",)),
        Page(path="/practice.html", title="Practice", text=("Tuesdays, boathouse, bring a cushion.",)),
    ),
    robots=WELCOME,
    records=(
        Record(
            scope="http://choir.lab.test/songs/",
            verdict="grant",
            valid_until="2020-12-31T23:59:59Z",
            reference="lab-registry-0004",
        ),
        Record(
            scope="http://choir.lab.test/recordings/list.html",
            verdict="grant",
            grantee="RiverUniversityBot",
            reference="lab-registry-0005",
        ),
    ),
)

SITES = (museum, archive, choir)
