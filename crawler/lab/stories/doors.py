"""Doors that will not open, or open oddly: everything a robots.txt does besides being a plain file.

Where robots.txt forbids everything or could not be read, no other file may be requested either: only ``/robots.txt`` is
exempt from its own rules (RFC 9309 section 2.2.2).
"""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType

from crawler.lab.site import (
    SILENT,
    WELCOME,
    Answer,
    Answers,
    Expectation,
    Page,
    Picture,
    Reason,
    Site,
    barred,
    deferred,
    front,
    redirect,
    text_file,
)

_UNKNOWN = deferred(Reason.ROBOTS_TXT)
_SHUT = barred(Reason.ROBOTS_TXT)


def _house(
    name: str,
    title: str,
    trait: str,
    story: str,
    robots: Answers,
    *,
    default: Expectation,
    shut: tuple[str, str, str] | None = None,
    rooms: tuple[tuple[str, str, str], ...],
    style: str,
    files: MappingProxyType[str, Answers] | None = None,
    plumbing: tuple[str, ...] = (),
) -> Site:
    """A small site: ``rooms`` are (path, title, text), ``shut`` one more that its robots.txt bars."""
    pages = [Page(path=path, title=head, text=(text,)) for path, head, text in rooms]
    if shut:
        path, head, text = shut
        pages.append(Page(path=path, title=head, text=(text,), expect=_SHUT))
    picture = Picture(path=f"/{name}.png", title=title, seed=name, style=style, size=(420, 280))
    return Site(
        name=name,
        title=title,
        trait=trait,
        story=story,
        pages=(front(picture), *pages),
        robots=robots,
        files=files or MappingProxyType({}),
        plumbing=plumbing,
        default=default,
        policy_files_open=default is SILENT,
    )


lighthouse = _house(
    "lighthouse",
    "Lighthouse Keeper's Log",
    "robots.txt answers 503",
    "The lamp turns, the server does not. Until it does, nobody can tell you which doors are shut.",
    (Answer(status=503, body=b"User-agent: *\nAllow: /\n"),),
    default=_UNKNOWN,
    rooms=(("/log.html", "Log", "Wind, wind, ship, wind."), ("/lamp.html", "Lamp", "Ground in 1911.")),
    style="rays",
)
bakery = _house(
    "bakery",
    "Bakery at the Gate",
    "robots.txt answers 429, Retry-After: 1, every time",
    "Too many customers at once. Come back in a second, says the sign, and it says so every second.",
    (Answer(status=429, headers=(("Retry-After", "1"),), body=b"too many requests\n"),),
    default=_UNKNOWN,
    rooms=(("/bread.html", "Bread", "Rye."), ("/hours.html", "Hours", "Four in the morning until sold out.")),
    style="circles",
)
well = _house(
    "well",
    "The Deep Well",
    "robots.txt never answers",
    "You drop a question in, and you listen. Nothing comes back, not even a splash.",
    (Answer(holds=True),),
    default=_UNKNOWN,
    rooms=(("/depth.html", "Depth", "Unmeasured."), ("/rope.html", "Rope", "Too short.")),
    style="waves",
)
snail = _house(
    "snail",
    "Snail Mail Museum",
    "robots.txt answers after one second",
    "We do answer. We were never going to be quick about it.",
    (Answer(body=b"User-agent: *\nDisallow: /sorting/\n", delay_s=1),),
    default=SILENT,
    shut=("/sorting/room.html", "Sorting room", "Staff only."),
    rooms=(("/stamps.html", "Stamps", "Perforated by hand."), ("/routes.html", "Routes", "All of them long.")),
    style="hills",
)
carousel = _house(
    "carousel",
    "The Carousel",
    "robots.txt redirects in a circle",
    "Round and round: the rules are always one horse ahead.",
    redirect("/rules-a.txt"),
    default=_UNKNOWN,
    rooms=(("/horses.html", "Horses", "Twelve, one with a chipped ear."), ("/music.html", "Music", "The waltz.")),
    style="circles",
    files=MappingProxyType({"/rules-a.txt": redirect("/rules-b.txt"), "/rules-b.txt": redirect("/robots.txt")}),
    plumbing=("/rules-a.txt", "/rules-b.txt"),
)
_HOPS = tuple(f"/hop-{number}.txt" for number in range(1, 7))
relay = _house(
    "relay",
    "Relay Club",
    "robots.txt takes six redirects to reach a file; five are enough for anybody",
    "We hand everything on, rules included. The sixth runner has them.",
    redirect(_HOPS[0], status=301),
    default=_UNKNOWN,
    rooms=(("/team.html", "Team", "Six runners, one baton."), ("/track.html", "Track", "Cinders.")),
    style="rays",
    files=MappingProxyType(
        {here: redirect(there, status=301) for here, there in pairwise(_HOPS)} | {_HOPS[-1]: WELCOME}
    ),
    plumbing=_HOPS,
)
headoffice = _house(
    "headoffice",
    "Head Office",
    "keeps one robots.txt for all its branches",
    "Our branches have no rules of their own. They send you here, and what you read here holds there.",
    text_file("User-agent: *\nDisallow: /staff/\n"),
    default=SILENT,
    shut=("/staff/canteen.html", "Canteen", "Soup."),
    rooms=(("/news.html", "News", "None."), ("/branches.html", "Branches", "One, at the station.")),
    style="tiles",
    files=MappingProxyType({"/for-branches.txt": redirect("/robots.txt")}),
    plumbing=("/for-branches.txt",),
)
branch = _house(
    "branch",
    "Branch at the Station",
    "robots.txt is two redirects away, on another host; its rules hold here",
    "Ask at head office, says the note on our door. We follow what they say.",
    redirect("http://headoffice.lab.test/for-branches.txt"),
    default=SILENT,
    shut=("/staff/lockers.html", "Lockers", "Number four sticks."),
    rooms=(("/counter.html", "Counter", "Take a number."), ("/lost.html", "Lost property", "Umbrellas.")),
    style="tiles",
)
mirage = _house(
    "mirage",
    "Mirage Travel",
    "robots.txt answers 200 with a web page",
    "Whatever address you ask for, our site builder shows you a palm tree.",
    text_file(
        '<!DOCTYPE html>\n<html lang="en"><head><title>Mirage</title></head>\n<body><p>Palm trees.</p></body></html>\n',
        content_type="text/html; charset=utf-8",
    ),
    default=SILENT,
    rooms=(("/dunes.html", "Dunes", "They move."), ("/oasis.html", "Oasis", "It does not.")),
    style="hills",
)
torn = _house(
    "torn",
    "The Torn Page",
    "robots.txt breaks off in the middle of the transfer",
    "The sheet with the rules was torn in two. The half that is missing may be the half that matters.",
    (Answer(body=b"User-agent: *\nDisallow: /attic/\n" + b"# the rest of it\n" * 40 + b"Disallow: /\n", cut=True),),
    default=_UNKNOWN,
    rooms=(("/half.html", "One half", "The left one."), ("/glue.html", "Glue", "Drying.")),
    style="waves",
)
club = _house(
    "club",
    "Members' Club",
    "robots.txt answers 401",
    "Even our house rules are for members only.",
    (Answer(status=401, headers=(("WWW-Authenticate", 'Basic realm="members"'),), body=b"members only\n"),),
    default=_SHUT,
    rooms=(("/bar.html", "Bar", "Quiet."), ("/billiards.html", "Billiards", "Quieter.")),
    style="tiles",
)
vault = _house(
    "vault",
    "Safe Deposit",
    "robots.txt answers 403",
    "Forbidden, says the door, before you have said what you want.",
    (Answer(status=403, body=b"forbidden\n"),),
    default=_SHUT,
    rooms=(("/boxes.html", "Boxes", "Numbered."), ("/keys.html", "Keys", "Two, and you need both.")),
    style="circles",
)
_TOWER_RULES = "User-agent: *\nDisallow: /wörkshop/\nDisallow: /bells/\n"
tower = _house(
    "tower",
    "Clock Tower",
    "robots.txt in UTF-16 with a byte order mark",
    "The keeper wrote the rules on an old computer, in an alphabet of two bytes.",
    (Answer(content_type="text/plain", body=b"\xff\xfe" + _TOWER_RULES.encode("utf-16-le")),),
    default=SILENT,
    shut=("/bells/ropes.html", "Bell ropes", "Do not pull."),
    rooms=(("/clock.html", "Clock", "Four faces, three agree."), ("/view.html", "View", "On clear days, the sea.")),
    style="rays",
)
typewriter = _house(
    "typewriter",
    "Typewriter Repairs",
    "robots.txt with carriage returns only",
    "Our rules were typed on a machine that returns the carriage and never feeds the line.",
    text_file("User-agent: *\rDisallow: /bench/\rAllow: /\r"),
    default=SILENT,
    shut=("/bench/parts.html", "Bench", "Small springs. Please do not breathe."),
    rooms=(("/ribbons.html", "Ribbons", "Black, or black and red."), ("/keys.html", "Keys", "The e wears out first.")),
    style="tiles",
)
orchard = _house(
    "orchard",
    "Night Orchard",
    "an unknown record stands between two user-agent lines",
    "The rules for AskFirstBot and for everyone else are the same; our gate-keeper signed in between.",
    text_file("User-agent: AskFirstBot\nKeeper: M. Olsen\nUser-agent: *\n\nDisallow: /hives/\n"),
    default=SILENT,
    shut=("/hives/queen.html", "Hives", "She is resting."),
    rooms=(("/apples.html", "Apples", "Nine sorts."), ("/moon.html", "Moon", "Best time to pick.")),
    style="reeds",
)
theater = _house(
    "theater",
    "Little Theater",
    "a byte order mark, and rules hidden in comments behind U+2028",
    "The prompter writes notes in the margin of the rules. A reader in a hurry takes them for lines of the play.",
    (
        Answer(
            body=b"\xef\xbb\xbf"
            + "User-agent: *\nDisallow: /wings/\n# note\u2028Allow: /wings/\n# note\u2028Disallow: /\n".encode()
        ),
    ),
    default=SILENT,
    shut=("/wings/left.html", "Wings", "Mind the rope."),
    rooms=(("/tonight.html", "Tonight", "A comedy, probably."), ("/seats.html", "Seats", "Row C creaks.")),
    style="waves",
)
_FILLER = b"".join(b"# entry %06d: see also the entry before this one\n" % number for number in range(12_000))
_LATE_AT_BYTES = 490 * 1024
encyclopedia = _house(
    "encyclopedia",
    "The Long Encyclopedia",
    "robots.txt of more than 500 KiB; the rule that matters stands near the end of the first 500",
    "Our rules have footnotes. Please read on to page four hundred and ninety.",
    (
        Answer(
            body=b"User-agent: *\n"
            + _FILLER[: _FILLER.index(b"\n", _LATE_AT_BYTES) + 1]
            + b"Disallow: /volumes/\n"
            + _FILLER[_FILLER.index(b"\n", _LATE_AT_BYTES) + 1 :]
        ),
    ),
    default=SILENT,
    shut=("/volumes/z.html", "Volume Z", "In preparation since 1974."),
    rooms=(("/index.html", "Index", "In four volumes of its own."), ("/errata.html", "Errata", "See errata.")),
    style="circles",
)
seesaw = _house(
    "seesaw",
    "Playground",
    "robots.txt answers 503 once, then a normal file",
    "Down, and up again. Try once more and you will find us in.",
    (
        Answer(status=503, headers=(("Retry-After", "1"),), body=b"down\n"),
        Answer(body=b"User-agent: *\nDisallow: /shed/\n"),
    ),
    default=SILENT,
    shut=("/shed/tools.html", "Shed", "Locked, mostly."),
    rooms=(("/swings.html", "Swings", "Three."), ("/sand.html", "Sand", "Everywhere.")),
    style="hills",
)

SITES = (
    *(lighthouse, bakery, well, snail, carousel, relay, headoffice, branch, mirage, torn, club, vault),
    *(tower, typewriter, orchard, theater, encyclopedia, seesaw),
)
