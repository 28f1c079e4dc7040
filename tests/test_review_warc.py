"""Reviews of web archives that other tools made find what was planted in them, and nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import random
import shutil
import subprocess
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from askfirst.ports import SettingsError
from askfirst.review import warc as warc_module
from askfirst.review.codings import decoded
from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.judge import Judges
from askfirst.review.model import Fault, Finding, Outcome
from askfirst.review.sources import settle, take_evidence, warcs
from askfirst.rights.model import Agent, Document, Kind, Observation, Purpose, Stage
from askfirst.rights.policy import PROFILES
from tests import works
from tests.review_archives import AGENT, HTML, NOON, PAGE, PLAIN_PAGE, Exchange, archive, robots

brotli = pytest.importorskip("brotli", reason="no brotli library is installed")
ALLOW_ALL = "User-agent: *\nAllow: /\n"
TDM_FILE = b'[{"location": "/reserved/*", "tdm-reservation": 1}]'


def review(
    *paths: Path,
    agent: str | None = None,
    evidence: Sequence[Path] = (),
    policy: str = "opt-out",
    purpose: Purpose = Purpose.TRAIN,
    max_age: timedelta = timedelta(hours=24),
) -> tuple[list[Finding], list[Fault]]:
    """The findings and faults of a review of archives."""
    chosen = PROFILES[policy]
    ears = Ears(chosen)
    captures = Captures(chosen, max_age=max_age)
    faults = [fault for path in evidence for fault in take_evidence(path, captures, ears)]
    source, _size = warcs(paths, captures, ears, needs_agent=agent is None, read=lambda _bytes: None)
    source.collect()
    settle(captures, source)
    fixed = None if agent is None else Agent(product_token=agent, user_agent=agent)
    judges = Judges(captures, ears, purpose=purpose, agent=fixed)
    found: list[Finding] = []
    for entry in source.entries():
        if isinstance(entry, Fault):
            faults.append(entry)
        else:
            found.append(judges.judge(entry))
    return found, faults


def said(found: Sequence[Finding]) -> dict[str, tuple[Outcome, Stage | None, str]]:
    """Outcome, stage and reason by URL; each URL stands once."""
    told = {one.fetch.url: (one.outcome, one.stage, one.reason) for one in found}
    assert len(told) == len(found)
    return told


@pytest.fixture(params=["once", "twice"])
def however_long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is read in both ways: as a short one, and as one that is too long to be held."""
    if request.param == "twice":
        monkeypatch.setattr(warc_module, "READ_TWICE_BYTES", 0)


PLANTED: list[tuple[list[Exchange], dict[str, tuple[Outcome, Stage | None, str]]]] = [
    (  # robots.txt forbids, and a longer rule permits
        [
            robots("a.example", "User-agent: *\nDisallow: /private/\nAllow: /private/open/\n"),
            Exchange(url="https://a.example/private/1", minutes=1),
            Exchange(url="https://a.example/private/open/1", minutes=1),
            Exchange(url="https://a.example/public", minutes=1),
        ],
        {
            "https://a.example/private/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://a.example/private/open/1": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://a.example/public": (Outcome.ALLOWED, None, "nothing refuses"),
        },
    ),
    (  # a group of its own goes before the one for everybody
        [
            robots("group.example", "User-agent: *\nDisallow: /\n\nUser-agent: ExBot\nDisallow: /only/\n"),
            Exchange(url="https://group.example/1", minutes=1),
            Exchange(url="https://group.example/only/1", minutes=1),
            Exchange(url="https://group.example/other", minutes=1, agent="OtherBot/2.0"),
        ],
        {
            "https://group.example/1": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://group.example/only/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://group.example/other": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
        },
    ),
    (  # no robots.txt permits all
        [robots("none.example", "gone", status="404 Not Found"), Exchange(url="https://none.example/1", minutes=1)],
        {"https://none.example/1": (Outcome.ALLOWED, None, "nothing refuses")},
    ),
    (  # one that failed permits nothing, and is nobody's refusal
        [robots("down.example", "", status="503 Down"), Exchange(url="https://down.example/1", minutes=1)],
        {"https://down.example/1": (Outcome.UNKNOWABLE, None, "failed look: robots.txt")},
    ),
    (  # one that failed does not take back what was said an hour before
        [
            robots("shaky.example", "User-agent: *\nDisallow: /no\n"),
            robots("shaky.example", "", minutes=60, status="503 Down"),
            Exchange(url="https://shaky.example/no", minutes=61),
            Exchange(url="https://shaky.example/yes", minutes=61),
        ],
        {
            "https://shaky.example/no": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://shaky.example/yes": (Outcome.UNKNOWABLE, None, "failed look: robots.txt"),
        },
    ),
    (  # what was said afterwards proves nothing, wherever in the file it stands
        [
            robots("late.example", "User-agent: *\nDisallow: /\n", minutes=30),
            Exchange(url="https://late.example/1", minutes=29),
            Exchange(url="https://late.example/2", minutes=30),
        ],
        {
            "https://late.example/1": (Outcome.UNKNOWABLE, None, "later"),
            "https://late.example/2": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
        },
    ),
    (  # what stands later in the file may have been said before
        [
            Exchange(url="https://order.example/1", minutes=5),
            robots("order.example", "User-agent: *\nDisallow: /\n", minutes=1),
        ],
        {"https://order.example/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt")},
    ),
    (  # the last word counts
        [
            robots("changed.example", "User-agent: *\nDisallow: /\n"),
            Exchange(url="https://changed.example/1", minutes=9),
            robots("changed.example", ALLOW_ALL, minutes=10),
            Exchange(url="https://changed.example/2", minutes=11),
        ],
        {
            "https://changed.example/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://changed.example/2": (Outcome.ALLOWED, None, "nothing refuses"),
        },
    ),
    (  # a day is the longest that a word lasts
        [
            robots("old.example", "User-agent: *\nDisallow: /\n"),
            Exchange(url="https://old.example/1", minutes=24 * 60),
            Exchange(url="https://old.example/2", minutes=24 * 60 + 1),
        ],
        {
            "https://old.example/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://old.example/2": (Outcome.UNKNOWABLE, None, "too-old"),
        },
    ),
    (  # another host's rules are another host's
        [
            robots("one.example", ALLOW_ALL),
            Exchange(url="https://other.example/1", minutes=1),
            Exchange(url="http://one.example/1", minutes=1),
            Exchange(url="https://one.example:8443/1", minutes=1),
            Exchange(url="https://ONE.example:443/1", minutes=1),
        ],
        {
            "https://other.example/1": (Outcome.UNKNOWABLE, None, "no-robots"),
            "http://one.example/1": (Outcome.UNKNOWABLE, None, "no-robots"),
            "https://one.example:8443/1": (Outcome.UNKNOWABLE, None, "no-robots"),
            "https://ONE.example:443/1": (Outcome.ALLOWED, None, "nothing refuses"),
        },
    ),
    (  # the response says no, in its fields or in the page
        [
            robots("words.example", ALLOW_ALL),
            Exchange(url="https://words.example/noai", minutes=1, fields=(*HTML, ("X-Robots-Tag", "noai"))),
            Exchange(url="https://words.example/theirs", minutes=1, fields=(*HTML, ("X-Robots-Tag", "a-bot: noai"))),
            Exchange(url="https://words.example/ours", minutes=1, fields=(*HTML, ("X-Robots-Tag", "exbot: noai"))),
            Exchange(url="https://words.example/tdm", minutes=1, fields=(*HTML, ("TDM-Reservation", "1"))),
            Exchange(
                url="https://words.example/meta", minutes=1, body=PAGE % b'<meta name="tdm-reservation" content="1">'
            ),
            Exchange(
                url="https://words.example/lifted",
                minutes=1,
                fields=(*HTML, ("TDM-Reservation", "1")),
                body=PAGE % b'<meta name="tdm-reservation" content="0">',
            ),
            Exchange(url="https://words.example/robots", minutes=1, body=PAGE % b'<META NAME=robots content="noai">'),
        ],
        {
            "https://words.example/noai": (Outcome.REFUSED, Stage.KEEP, "X-Robots-Tag header"),
            "https://words.example/theirs": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://words.example/ours": (Outcome.REFUSED, Stage.KEEP, "X-Robots-Tag header"),
            "https://words.example/tdm": (Outcome.REFUSED, Stage.KEEP, "tdm-reservation header"),
            "https://words.example/meta": (Outcome.REFUSED, Stage.KEEP, "tdm-reservation meta"),
            "https://words.example/lifted": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://words.example/robots": (Outcome.REFUSED, Stage.KEEP, "robots meta"),
        },
    ),
    (  # other files of the origin
        [
            robots("files.example", ALLOW_ALL),
            Exchange(
                url="https://files.example/.well-known/tdmrep.json",
                fields=(("Content-Type", "application/json"),),
                body=TDM_FILE,
            ),
            Exchange(url="https://files.example/reserved/1", minutes=1),
            Exchange(url="https://files.example/free/1", minutes=1),
            Exchange(url="https://files.example/reserved/but", minutes=1, fields=(*HTML, ("TDM-Reservation", "0"))),
            robots("ai.example", ALLOW_ALL),
            Exchange(
                url="https://ai.example/ai.txt",
                fields=(("Content-Type", "text/plain"),),
                body=b"User-Agent: *\nDisallow: *.jpg\nAllow: *.html\n",
            ),
            Exchange(
                url="https://ai.example/1.jpg",
                minutes=1,
                fields=(("Content-Type", "image/jpeg"),),
                body=works.jpeg(b""),
            ),
        ],
        {
            "https://files.example/reserved/1": (Outcome.REFUSED, Stage.FETCH, "tdmrep.json"),
            "https://files.example/free/1": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://files.example/reserved/but": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://ai.example/1.jpg": (Outcome.REFUSED, Stage.FETCH, "ai.txt"),
        },
    ),
    (  # the picture itself says no
        [
            robots("art.example", ALLOW_ALL),
            Exchange(
                url="https://art.example/reserved.jpg",
                minutes=1,
                fields=(("Content-Type", "image/jpeg"),),
                body=works.jpeg(works.data_mining("DMI-PROHIBITED-AIMLTRAINING")),
            ),
            Exchange(
                url="https://art.example/free.jpg",
                minutes=1,
                fields=(("Content-Type", "image/jpeg"),),
                body=works.jpeg(works.data_mining("DMI-ALLOWED")),
            ),
        ],
        {
            "https://art.example/reserved.jpg": (Outcome.REFUSED, Stage.KEEP, "plus:DataMining"),
            "https://art.example/free.jpg": (Outcome.ALLOWED, None, "plus:DataMining"),
        },
    ),
    (  # what is known refuses, though robots.txt is not known; nothing permits
        [
            Exchange(url="https://dark.example/noai", minutes=1, fields=(*HTML, ("X-Robots-Tag", "noai"))),
            Exchange(url="https://dark.example/meta", minutes=1, body=PAGE % b'<meta name="robots" content="noai">'),
            Exchange(url="https://dark.example/free", minutes=1, fields=(*HTML, ("TDM-Reservation", "0"))),
        ],
        {
            "https://dark.example/noai": (Outcome.REFUSED, Stage.KEEP, "X-Robots-Tag header"),
            "https://dark.example/meta": (Outcome.REFUSED, Stage.KEEP, "robots meta"),
            "https://dark.example/free": (Outcome.UNKNOWABLE, None, "no-robots"),
        },
    ),
    (  # redirects of robots.txt are followed where their ends were captured
        [
            Exchange(
                url="https://bare.example/robots.txt",
                status="301 Moved",
                fields=(("Location", "https://www.bare.example/robots.txt"),),
            ),
            Exchange(url="https://bare.example/1", minutes=2),
            robots("www.bare.example", "User-agent: *\nDisallow: /\n", minutes=1),
            Exchange(
                url="https://php.example/robots.txt", status="302 Found", fields=(("Location", "/robots.php?x=1"),)
            ),
            Exchange(url="https://php.example/robots.php?x=1", body=b"User-agent: *\nDisallow: /no\n"),
            Exchange(url="https://php.example/no", minutes=2),
            Exchange(
                url="https://lost.example/robots.txt",
                status="301 Moved",
                fields=(("Location", "https://gone.example/r"),),
            ),
            Exchange(url="https://lost.example/1", minutes=2),
            Exchange(url="https://loop.example/robots.txt", status="301 Moved", fields=(("Location", "/robots.txt"),)),
            Exchange(url="https://loop.example/1", minutes=2),
        ],
        {
            "https://bare.example/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://php.example/robots.php?x=1": (Outcome.ALLOWED, None, "nothing refuses"),
            "https://php.example/no": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
            "https://lost.example/1": (Outcome.UNKNOWABLE, None, "redirect"),
            "https://loop.example/1": (Outcome.UNKNOWABLE, None, "redirect"),
        },
    ),
    (  # nobody says who asked, or a browser did
        [
            robots("who.example", "User-agent: *\nDisallow: /\n"),
            Exchange(url="https://who.example/1", minutes=1, agent=None),
            Exchange(url="https://who.example/2", minutes=1, agent="Mozilla/5.0 (X11; Linux) Gecko/20100101"),
            Exchange(
                url="https://who.example/3", minutes=1, agent=None, body=PAGE % b'<meta name="robots" content="noai">'
            ),
        ],
        {
            "https://who.example/1": (Outcome.UNKNOWABLE, None, "no-agent"),
            "https://who.example/2": (Outcome.UNKNOWABLE, None, "no-agent"),
            "https://who.example/3": (Outcome.REFUSED, Stage.KEEP, "robots meta"),
        },
    ),
    (  # a license that is named and was not captured
        [
            robots("rsl.example", "License: https://rsl.example/license.xml\n" + ALLOW_ALL),
            Exchange(url="https://rsl.example/1", minutes=1),
        ],
        {"https://rsl.example/1": (Outcome.UNKNOWABLE, None, "license")},
    ),
]


@pytest.mark.usefixtures("however_long")
@pytest.mark.parametrize("name", ["crawl.warc", "crawl.warc.gz"])
def test_an_archive_by_warcio_shows_exactly_what_was_planted(tmp_path: Path, name: str) -> None:
    """Every planted violation is found, with the stage and the signal, and nothing without evidence is judged."""
    exchanges = [exchange for planted, _ in PLANTED for exchange in planted]
    wanted = {url: told for _, expected in PLANTED for url, told in expected.items()}
    found, faults = review(archive(tmp_path / name, *exchanges))
    assert faults == []
    assert said(found) == wanted
    order = [e.url for e in exchanges if e.url in wanted]
    assert [one.fetch.url for one in found] == order


REFUSING: list[Exchange] = [
    robots("a.example", "User-agent: *\nDisallow: /no/\n"),
    *(Exchange(url=f"https://a.example/no/{number}", minutes=1 + number) for number in range(4)),
]


def test_a_finding_carries_the_publishers_words(tmp_path: Path) -> None:
    """A refused fetch names document, line, text and time of the words it fell under."""
    found, _ = review(archive(tmp_path / "a.warc", *REFUSING[:2]))
    (one,) = found
    assert one.decision is not None
    (signal,) = one.decision.because
    assert (signal.evidence.document_url, signal.evidence.at, signal.evidence.text) == (
        "https://a.example/robots.txt", "line 2", "Disallow: /no/",
    )  # fmt: skip
    assert one.why == "robots.txt refuses fetch: Disallow: /no/ (line 2)"
    assert one.decision.decided_at == one.fetch.at == NOON + timedelta(minutes=1)
    assert one.fetch.where.startswith(f"{tmp_path / 'a.warc'}@")
    assert (one.token, one.fetch.user_agent) == ("ExBot", AGENT)


def test_the_agent_that_is_named_goes_before_what_the_archive_says(tmp_path: Path) -> None:
    """``agent`` judges every fetch for that token."""
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", "User-agent: CCBot\nDisallow: /\n"),
        Exchange(url="https://a.example/1", minutes=1),
    )
    assert [one.outcome for one in review(path)[0]] == [Outcome.ALLOWED]
    assert [one.outcome for one in review(path, agent="CCBot")[0]] == [Outcome.REFUSED]


def test_the_warcinfo_says_who_asked(tmp_path: Path) -> None:
    """Where there are no requests, ``http-header-user-agent`` of the warcinfo names the agent, as Common Crawl's do."""
    path = archive(
        tmp_path / "a.warc.gz",
        robots("a.example", "User-agent: CCBot\nDisallow: /\n"),
        Exchange(url="https://a.example/1", minutes=1, agent=None),
        info={"software": "nutch", "http-header-user-agent": "CCBot/2.0 (https://commoncrawl.org/faq/)"},
    )
    ((finding,), _) = review(path)
    assert (finding.outcome, finding.token) == (Outcome.REFUSED, "CCBot")


def test_under_another_policy_silence_is_a_refusal_where_something_is_known(tmp_path: Path) -> None:
    """Under ``opt-in`` nobody's yes is a no at the keep stage; without evidence it is still unknowable."""
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", ALLOW_ALL),
        Exchange(url="https://a.example/1", minutes=1),
        Exchange(url="https://b.example/1", minutes=1),
    )
    assert said(review(path, policy="opt-in")[0]) == {
        "https://a.example/1": (Outcome.REFUSED, Stage.KEEP, "silence"),
        "https://b.example/1": (Outcome.UNKNOWABLE, None, "no-robots"),
    }


def test_the_purpose_is_what_it_is_judged_for(tmp_path: Path) -> None:
    """A reservation against mining refuses training, and does not refuse search."""
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", ALLOW_ALL),
        Exchange(url="https://a.example/1", minutes=1, fields=(*HTML, ("TDM-Reservation", "1"))),
    )
    assert [one.outcome for one in review(path)[0]] == [Outcome.REFUSED]
    assert [one.outcome for one in review(path, purpose=Purpose.SEARCH)[0]] == [Outcome.ALLOWED]


def test_a_longer_age_takes_older_captures(tmp_path: Path) -> None:
    """``max_age`` says how old a capture may be."""
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", "User-agent: *\nDisallow: /\n"),
        Exchange(url="https://a.example/1", minutes=3 * 24 * 60),
    )
    assert [one.reason for one in review(path)[0]] == ["too-old"]
    assert [one.outcome for one in review(path, max_age=timedelta(days=3))[0]] == [Outcome.REFUSED]


def _chunked(body: bytes) -> bytes:
    half = len(body) // 2
    pieces = (body[:half], body[half:])
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


_NOAI = PAGE % b'<meta name="robots" content="noai">'


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([("Content-Encoding", "gzip")], gzip.compress(_NOAI)),
        ([("Content-Encoding", "x-gzip")], gzip.compress(_NOAI)),
        ([("Content-Encoding", "deflate")], zlib.compress(_NOAI)),
        ([("Content-Encoding", "deflate")], zlib.compress(_NOAI)[2:-4]),
        ([("Content-Encoding", "br")], brotli.compress(_NOAI)),
        ([("Content-Encoding", "gzip, br")], brotli.compress(gzip.compress(_NOAI))),
        ([("Transfer-Encoding", "chunked")], _chunked(_NOAI)),
        ([("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip")], _chunked(gzip.compress(_NOAI))),
        ([("Content-Encoding", "gzip")], _NOAI),  # decoded already, as many archives have it
        ([("Content-Encoding", "br")], _NOAI),
        ([("Transfer-Encoding", "chunked")], _NOAI),
        ([("Content-Encoding", "identity")], _NOAI),
    ],
)
def test_what_a_body_says_is_read_through_its_codings(
    tmp_path: Path, fields: list[tuple[str, str]], body: bytes
) -> None:
    """A page's meta is found, however the page was sent or kept."""
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", ALLOW_ALL),
        Exchange(url="https://a.example/1", minutes=1, fields=(*HTML, *fields), body=body),
    )
    assert said(review(path)[0]) == {"https://a.example/1": (Outcome.REFUSED, Stage.KEEP, "robots meta")}


def test_a_body_that_cannot_be_read_permits_nothing(tmp_path: Path) -> None:
    """Under an unknown coding a page may say anything: unknowable, unless its fields refuse already."""
    fields = (*HTML, ("Content-Encoding", "zstd-of-mine"))
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", ALLOW_ALL),
        Exchange(url="https://a.example/1", minutes=1, fields=fields, body=b"\x01\x02\x03"),
        Exchange(url="https://a.example/2", minutes=1, fields=(*fields, ("TDM-Reservation", "1")), body=b"\x01"),
        Exchange(url="https://a.example/3", minutes=1, fields=(*fields, ("X-Robots-Tag", "noai")), body=b"\x01"),
    )
    told = said(review(path)[0])
    assert told["https://a.example/1"] == (Outcome.UNKNOWABLE, None, "no-body")
    assert told["https://a.example/2"] == (Outcome.UNKNOWABLE, None, "no-body")  # its page could take that back
    assert told["https://a.example/3"][0] is Outcome.REFUSED


def test_a_bomb_is_read_as_far_as_the_bound() -> None:
    """What a coding unpacks to is bounded."""
    body = _NOAI + b" " * 5_000_000
    for coding, packed in {
        "gzip": gzip.compress(body),
        "br": brotli.compress(body),
        "deflate": zlib.compress(body),
    }.items():
        assert decoded(packed, [("Content-Encoding", coding)], most_bytes=100_000) == body[:100_000]


def _payload(body: bytes) -> tuple[str, str]:
    """The digest field that warcio writes for a body."""
    return "WARC-Payload-Digest", f"sha1:{base64.b32encode(hashlib.sha1(body).digest()).decode()}"


@pytest.mark.usefixtures("however_long")
def test_a_revisit_has_the_body_that_it_names(tmp_path: Path) -> None:
    """By the payload digest; where that body is not in the input, a page is unknowable."""
    digest, other, missing = map(_payload, (_NOAI, PLAIN_PAGE, b"another body"))
    profile = ("WARC-Profile", "http://netpreserve.org/warc/1.0/revisit/identical-payload-digest")
    path = archive(
        tmp_path / "a.warc",
        robots("a.example", ALLOW_ALL),
        Exchange(url="https://a.example/1", minutes=1, body=_NOAI),
        Exchange(url="https://a.example/2", minutes=1),
        Exchange(url="https://a.example/3", minutes=2, body=b"", kind="revisit", more=[digest, profile]),
        Exchange(url="https://a.example/4", minutes=2, body=b"", kind="revisit", more=[other, profile]),
        Exchange(url="https://a.example/5", minutes=2, body=b"", kind="revisit", more=[missing, profile]),
        Exchange(
            url="https://a.example/6", minutes=2, body=b"", kind="revisit", more=[other, profile],
            fields=(*HTML, ("X-Robots-Tag", "noai")),
        ),
    )  # fmt: skip
    found, faults = review(path)
    assert faults == []
    assert said(found) == {
        "https://a.example/1": (Outcome.REFUSED, Stage.KEEP, "robots meta"),
        "https://a.example/2": (Outcome.ALLOWED, None, "nothing refuses"),
        "https://a.example/3": (Outcome.REFUSED, Stage.KEEP, "robots meta"),
        "https://a.example/4": (Outcome.ALLOWED, None, "nothing refuses"),
        "https://a.example/5": (Outcome.UNKNOWABLE, None, "no-body"),
        "https://a.example/6": (Outcome.REFUSED, Stage.KEEP, "X-Robots-Tag header"),
    }


@pytest.mark.usefixtures("however_long")
def test_a_robots_txt_that_was_not_sent_again_counts_at_its_time(tmp_path: Path) -> None:
    """A revisit of robots.txt renews what it said."""
    url, text = "https://a.example/robots.txt", b"User-agent: *\nDisallow: /\n"
    digest = _payload(text)
    day = 24 * 60
    path = archive(
        tmp_path / "a.warc",
        Exchange(url=url, fields=[("Content-Type", "text/plain")], body=text),
        Exchange(
            url=url, minutes=day, fields=[("Content-Type", "text/plain")], body=b"", kind="revisit", more=[digest]
        ),
        Exchange(url="https://a.example/1", minutes=day + 60),
    )
    assert said(review(path)[0]) == {"https://a.example/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt")}


def test_a_wacz_is_read_from_its_zip(tmp_path: Path) -> None:
    """The archives inside are reviewed, and named with the zip."""
    inner = archive(tmp_path / "data.warc.gz", *REFUSING)
    outer = tmp_path / "a.wacz"
    with zipfile.ZipFile(outer, "w") as container:
        container.writestr("datapackage.json", "{}")
        container.write(inner, "archive/data.warc.gz")
    found, faults = review(outer)
    assert faults == []
    assert [one.outcome for one in found] == [Outcome.REFUSED] * 4
    assert found[0].fetch.where.startswith(f"{outer}!archive/data.warc.gz@")


def test_a_zip_without_archives_and_what_is_no_archive_are_the_operators_mistakes(tmp_path: Path) -> None:
    """One line that says what it is instead, and no traceback."""
    with zipfile.ZipFile(tmp_path / "a.wacz", "w") as container:
        container.writestr("index.html", "")
    with pytest.raises(SettingsError, match=r"is a zip without a \.warc"):
        review(tmp_path / "a.wacz")
    (tmp_path / "b.warc").write_bytes(b"hello, this is no archive\n" * 100)
    with pytest.raises(SettingsError, match="is no WARC"):
        review(tmp_path / "b.warc", agent="ExBot")
    with pytest.raises(SettingsError, match="name a file that can be read"):
        review(tmp_path / "none.warc")


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_an_archive_that_is_cut_short_is_named_and_judged_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    """Wherever an archive is cut, every whole answer is judged, and the cut is a fault unless it is between records."""
    whole = archive(tmp_path / name, *REFUSING).read_bytes()
    ends = _record_ends(whole, name)
    for cut in sorted({*range(ends[0] + 1, len(whole) - 5, 61), *ends[1:-1]}):
        (tmp_path / name).write_bytes(whole[:cut])
        found, faults = review(tmp_path / name, agent="ExBot")
        assert all(one.outcome is Outcome.REFUSED for one in found)
        answers = sum(1 for end in ends[2::2] if end <= cut)  # an answer, and the request that stands after it
        assert len(found) in {answers, answers + 1}, cut
        # between plain records stand two line breaks, without which nothing is lost
        near = 0 if name.endswith(".gz") else 4
        assert len(faults) == (not any(0 <= end - cut <= near for end in ends)), cut
        assert all("cut short" in fault.what for fault in faults)


def _record_ends(whole: bytes, name: str) -> list[int]:
    """Where records end: members of a gzipped archive, or what stands before each next record."""
    ends: list[int] = []
    if name.endswith(".gz"):
        left = whole
        while left:
            decoder = zlib.decompressobj(31)
            decoder.decompress(left)
            left = decoder.unused_data
            ends.append(len(whole) - len(left))
        return ends
    at = whole.find(b"WARC/1.0\r\n", 1)
    while at >= 0:
        ends.append(at)
        at = whole.find(b"WARC/1.0\r\n", at + 1)
    return [*ends, len(whole)]


def test_what_stands_after_a_broken_record_is_judged(tmp_path: Path) -> None:
    """Bytes that are wrong in the middle of a gzipped archive cost their record, which is named, and no other."""
    path = archive(tmp_path / "a.warc.gz", *REFUSING)
    whole = bytearray(path.read_bytes())
    ends = _record_ends(bytes(whole), path.name)
    place = ends[3] + (ends[4] - ends[3]) // 2  # within the second answer
    for at in range(place, place + 6):
        whole[at] ^= 0xFF
    path.write_bytes(whole)
    found, faults = review(path, agent="ExBot")
    assert len(faults) == 1
    assert "is broken" in faults[0].what
    assert len(found) == 3
    assert all(one.outcome is Outcome.REFUSED for one in found)


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_a_record_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    """Of what can be unpacked and begins as no WARC does, the place is told; what stands after it is judged where it
    can be found again, in a gzipped archive."""
    path = archive(tmp_path / name, *REFUSING)
    whole = path.read_bytes()
    ends = _record_ends(whole, name)
    start, end = ends[3], ends[4]  # the second answer
    member = whole[start:end]
    odd = gzip.compress(b"WARC/9" + gzip.decompress(member)[6:]) if name.endswith(".gz") else b"WARC/9" + member[6:]
    path.write_bytes(whole[:start] + odd + whole[end:])
    found, faults = review(path, agent="ExBot")
    assert [(fault.where, fault.what) for fault in faults] == [(f"{path}@{start}", "is broken: Invalid WARC header")]
    wanted = ["/no/0", "/no/2", "/no/3"] if name.endswith(".gz") else ["/no/0"]
    assert [one.fetch.url.removeprefix("https://a.example") for one in found] == wanted


@pytest.mark.parametrize(
    "date",
    ["2026-11-01T12:05:00Z", "2026-11-01T12:05:00.25Z", "2026-02-30T12:00:00Z", "2026-11-01T12:00:60Z",
     "2026-11-01T24:00:00Z", "2026-11-01", "2026-11-01 12:05:00Z", "soon"],
)  # fmt: skip
def test_a_date_is_what_fastwarc_says_it_is(tmp_path: Path, date: str) -> None:
    """However it is written; what is no date is none."""
    path = archive(tmp_path / "a.warc", Exchange(url="https://a.example/1", more=[], agent=None))
    path.write_bytes(path.read_bytes().replace(b"2026-11-01T12:00:00Z", date.encode()))
    (record,) = ArchiveIterator(str(path), record_types=WarcRecordType.response)
    ((finding,), faults) = review(path)
    assert faults == []
    assert finding.fetch.at == record.record_date


def test_a_date_of_the_year_0_is_none(tmp_path: Path) -> None:
    """fastwarc raises on it, which is no reason to stop."""
    path = archive(tmp_path / "a.warc", Exchange(url="https://a.example/1", agent=None), robots("a.example", ALLOW_ALL))
    path.write_bytes(path.read_bytes().replace(b"2026-11-01T12:00:00Z", b"0000-01-01T00:00:00Z"))
    ((finding,), faults) = review(path, agent="ExBot")
    assert faults == []
    assert (finding.fetch.at, finding.reason) == (None, "no-time")


def test_evidence_in_other_archives_counts(tmp_path: Path) -> None:
    """robots.txt from an archive of robots.txt files, as Common Crawl keeps them apart; its pages are not judged."""
    pages = archive(tmp_path / "pages.warc.gz", *REFUSING[1:])
    kept = archive(
        tmp_path / "robotstxt.warc.gz", REFUSING[0], Exchange(url="https://a.example/no/elsewhere", minutes=1)
    )
    assert {one.reason for one in review(pages)[0]} == {"no-robots"}
    found, faults = review(pages, evidence=[kept])
    assert faults == []
    assert [one.outcome for one in found] == [Outcome.REFUSED] * 4


class _Site(http.server.BaseHTTPRequestHandler):
    """A small site with planted rules."""

    def do_GET(self) -> None:
        status, fields, body = {
            "/robots.txt": (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /private/\n"),
            "/.well-known/tdmrep.json": (200, {"Content-Type": "application/json"}, TDM_FILE),
            "/tagged": (200, {"Content-Type": "text/html", "X-Robots-Tag": "noai"}, PLAIN_PAGE),
            "/meta": (200, {"Content-Type": "text/html"}, _NOAI),
        }.get(self.path, (200, {"Content-Type": "text/html"}, PLAIN_PAGE))
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """The site on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_archive_by_wget_shows_exactly_what_was_planted(tmp_path: Path, site: str) -> None:
    """``wget --warc-file`` against a site on loopback; another host's page, without robots.txt, is unknowable."""
    wget = shutil.which("wget")
    if wget is None:
        pytest.skip("wget is not installed")
    paths = ["/robots.txt", "/.well-known/tdmrep.json", "/", "/private/1", "/reserved/1", "/tagged", "/meta"]
    other = site.replace("127.0.0.1", "localhost")
    asked = [*(site + path for path in paths), f"{other}/private/1"]
    subprocess.run(
        [wget, "--quiet", "--no-proxy", "--warc-file=crawl", "--output-document=/dev/null", *asked],
        cwd=tmp_path, check=True, timeout=60,
    )  # fmt: skip
    found, faults = review(tmp_path / "crawl.warc.gz")
    assert faults == []
    assert {url.removeprefix(site): told for url, told in said(found).items()} == {
        "/": (Outcome.ALLOWED, None, "nothing refuses"),
        "/private/1": (Outcome.REFUSED, Stage.FETCH, "robots.txt"),
        "/reserved/1": (Outcome.REFUSED, Stage.FETCH, "tdmrep.json"),
        "/tagged": (Outcome.REFUSED, Stage.KEEP, "X-Robots-Tag header"),
        "/meta": (Outcome.REFUSED, Stage.KEEP, "robots meta"),
        f"{other}/private/1": (Outcome.UNKNOWABLE, None, "no-robots"),
    }
    assert {one.token for one in found} == {"Wget"}


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_whatever_is_broken_in_an_archive_is_a_fault_or_the_operators_mistake(tmp_path: Path, name: str) -> None:
    """Bytes that are wrong anywhere never end in a traceback, and what is judged is judged by whole records."""
    whole = archive(tmp_path / name, *REFUSING).read_bytes()
    dice = random.Random(7)
    told: list[str] = []
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(broken))
            broken[at : at + dice.choice((0, 1, 1, 9))] = dice.randbytes(dice.choice((0, 1, 1, 30)))
        (tmp_path / name).write_bytes(broken)
        try:
            found, faults = review(tmp_path / name)
        except SettingsError as error:
            told.append(str(error))
        else:
            assert len(found) <= 5  # a robots.txt whose address is broken is a page
            told += [fault.what for fault in faults]
    assert len(told) > 50
    assert not [one for one in told if "\n" in one]


def _answer(body: bytes, *fields: tuple[str, str], status: int = 200) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url="https://a.example/page"),
        status=status,
        headers=fields,
        body=body,
        observed_at=NOON,
    )


_ANSWERS = {
    "plain": _answer(PLAIN_PAGE, *HTML),
    "spaces": _answer(b"\n  " + PLAIN_PAGE, ("content-type", " Text/HTML ;charset=utf-8")),
    "marked": _answer(b"\xef\xbb\xbf" + PLAIN_PAGE, *HTML),
    "license": _answer(PAGE % b'<link rel="license" href="/l">', *HTML),
    "robots meta": _answer(PAGE % b'<meta name="robots" content="noai">', *HTML),
    "silent meta": _answer(PAGE % b'<meta name="robots" content="index, follow">', *HTML),
    "data": _answer(PAGE % b'<script type="application/rsl+xml"><rsl/></script>', *HTML),
    "field": _answer(PLAIN_PAGE, *HTML, ("X-ROBOTS-Tag", "noai")),
    "link": _answer(PLAIN_PAGE, *HTML, ("Link", "</s.css>; rel=preload")),
    "challenge": _answer(PLAIN_PAGE, *HTML, status=402),
    "missing": _answer(PLAIN_PAGE, *HTML, status=404),
    "two types": _answer(PLAIN_PAGE, *HTML, ("Content-Type", "image/png")),
    "joined types": _answer(PLAIN_PAGE, ("Content-Type", "text/html, image/png")),
    "no type": _answer(PLAIN_PAGE),
    "xhtml": _answer(PLAIN_PAGE, ("Content-Type", "application/xhtml+xml")),
    "picture": _answer(works.jpeg(), *HTML),
    "svg": _answer(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', *HTML),
    "escapes": _answer(PLAIN_PAGE + b"\x1b", *HTML),
    "zeros": _answer("<!doctype html><meta name=robots content=noai>".encode("utf-16"), *HTML),
    "empty": _answer(b"", *HTML),
}
_AT_ONCE = {"plain", "spaces", "marked", "silent meta", "missing"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", _ANSWERS)
def test_what_is_heard_at_once_is_what_is_heard(name: str, profile: str) -> None:
    """INVARIANT: a page is told to be silent sooner only where listening to it would give the same."""
    ears, answer = Ears(PROFILES[profile]), _ANSWERS[name]
    at_once = ears.silent(answer.status, answer.headers, answer.body)
    assert (at_once is not None) == (name in _AT_ONCE)
    assert at_once in (None, ears.hear(answer))
