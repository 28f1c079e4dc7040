"""Reviews of web archives: what a page says of the images that it shows goes with them, and with nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from askfirst.review import warc as warc_module
from askfirst.review.model import Outcome
from askfirst.rights.model import Stage
from tests import works
from tests.review_archives import PAGE, Exchange, archive, robots
from tests.test_review_warc import review, said

JPEG = (("Content-Type", "image/jpeg"),)
PICTURE = works.jpeg()
GALLERY, SHOWN, OTHER = "https://museum.example/1", "https://cdn.example/a.jpg", "https://cdn.example/b.jpg"
NOIMAGEAI = b'<meta name="robots" content="noimageai">'
REFUSED = (Outcome.REFUSED, Stage.KEEP, "robots meta")
ALLOWED = (Outcome.ALLOWED, None, "nothing refuses")
HOSTS = ("museum.example", "cdn.example")
RULES = [robots(host, "User-agent: *\nAllow: /\n") for host in HOSTS]


@pytest.fixture(params=["once", "twice"], autouse=True)
def however_long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is read in both ways: as a short one, and as one that is too long to be held."""
    if request.param == "twice":
        monkeypatch.setattr(warc_module, "READ_TWICE_BYTES", 0)


def page(said_in_head: bytes, *images: str, url: str = GALLERY, minutes: float = 1, **more: object) -> Exchange:
    shown = b"".join(b'<img src="%s">' % image.encode() for image in images)
    body = (PAGE % said_in_head).replace(b"</body>", shown + b"</body>")
    return Exchange(url=url, body=body, minutes=minutes, **more)  # type: ignore[arg-type]


def picture(url: str = SHOWN, minutes: float = 2, fields: Sequence[tuple[str, str]] = JPEG) -> Exchange:
    return Exchange(url=url, body=PICTURE, fields=fields, minutes=minutes)


def told(tmp_path: Path, *exchanges: Exchange, **more: object) -> dict[str, tuple[Outcome, Stage | None, str]]:
    found, faults = review(archive(tmp_path / "crawl.warc.gz", *RULES, *exchanges), **more)  # type: ignore[arg-type]
    assert faults == []
    return said(found)


def test_a_page_refuses_its_images_wherever_they_live(tmp_path: Path) -> None:
    """The image that it shows on another host may not be kept; the one that it does not show may, and so may the page."""
    found = told(tmp_path, page(NOIMAGEAI, SHOWN), picture(), picture(OTHER))
    assert found == {GALLERY: ALLOWED, SHOWN: REFUSED, OTHER: ALLOWED}


def test_the_words_are_those_of_the_page(tmp_path: Path) -> None:
    """The finding names the page and the element in it, so that it can be looked up there."""
    found, _ = review(archive(tmp_path / "crawl.warc", *RULES, page(NOIMAGEAI, SHOWN), picture()))
    (refused,) = (one for one in found if one.outcome is Outcome.REFUSED)
    assert refused.decision is not None
    words = refused.decision.because[0].evidence
    assert (words.document_url, words.text) == (GALLERY, NOIMAGEAI.decode())


@pytest.mark.parametrize("minutes", [2.5, 60, 24 * 60])
def test_what_was_said_after_the_picture_was_fetched_proves_nothing(tmp_path: Path, minutes: float) -> None:
    """A page that was captured later does not refuse it, wherever in the file it stands."""
    found = told(tmp_path, page(NOIMAGEAI, SHOWN, minutes=minutes), picture(minutes=2), max_age=timedelta(days=3))
    assert found[SHOWN] == ALLOWED


def test_a_page_of_yesterday_is_too_old(tmp_path: Path) -> None:
    """Its word counts for as long as other captures do, and no longer."""
    late = [robots("cdn.example", "User-agent: *\nAllow: /\n", minutes=1441), picture(minutes=1442)]
    assert told(tmp_path, page(NOIMAGEAI, SHOWN, minutes=1), *late)[SHOWN] == ALLOWED
    assert told(tmp_path, page(NOIMAGEAI, SHOWN, minutes=3), *late)[SHOWN] == REFUSED


def test_the_last_word_of_a_page_counts(tmp_path: Path) -> None:
    """A page that took its word back in time refuses no more; one that says it again does."""
    silent = page(b"", SHOWN, minutes=2)
    exchanges = [page(NOIMAGEAI, SHOWN, minutes=1), silent, picture(minutes=3)]
    found, _ = review(archive(tmp_path / "back.warc.gz", *RULES, *exchanges))
    assert [one.outcome for one in found if one.fetch.url == SHOWN] == [Outcome.ALLOWED]
    again = [*exchanges[:2], page(NOIMAGEAI, SHOWN, minutes=2.5), picture(minutes=3)]
    found, _ = review(archive(tmp_path / "again.warc.gz", *RULES, *again))
    assert [one.outcome for one in found if one.fetch.url == SHOWN] == [Outcome.REFUSED]


TWIN = "https://museum.example/1?utm=x"


@pytest.mark.parametrize(
    "later",
    [
        Exchange(url=GALLERY, body=b"", minutes=2, kind="revisit", more=[("WARC-Payload-Digest", "sha1:ELSEWHERE")]),
        Exchange(url=GALLERY, body=b"", minutes=2),
        page(b"", SHOWN, minutes=2, status="206 Partial Content"),
        page(b"", SHOWN, minutes=2, status="503 Down"),
        page(b"", SHOWN, minutes=2, more=[("WARC-Truncated", "length")]),
        page(b"", SHOWN, minutes=2, fields=(("Content-Type", "text/html"), ("Content-Encoding", "unheard-of"))),
        page(b"", SHOWN, minutes=2, url=TWIN),
    ],
    ids=["a body elsewhere", "no body", "a part", "an error", "cut short", "a coding", "another address"],
)
def test_what_is_no_whole_page_takes_nothing_back(tmp_path: Path, later: Exchange) -> None:
    """What could not be heard says nothing of what was said before."""
    found, faults = review(
        archive(tmp_path / "crawl.warc.gz", *RULES, page(NOIMAGEAI, SHOWN), later, picture(minutes=9))
    )
    assert faults == []
    assert [one.outcome for one in found if one.fetch.url == SHOWN] == [Outcome.REFUSED]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1)])
def test_a_twin_with_the_same_bytes_changes_nothing(tmp_path: Path, order: tuple[int, int, int]) -> None:
    """A page that was not sent again has its own images, wherever else in the file the same bytes stand."""
    first = page(NOIMAGEAI, SHOWN, minutes=1)
    digest = ("WARC-Payload-Digest", f"sha1:{base64.b32encode(hashlib.sha1(first.body).digest()).decode()}")
    again = Exchange(url=GALLERY, body=b"", minutes=3, kind="revisit", more=[digest])
    pages = [first, page(NOIMAGEAI, SHOWN, minutes=-3_000, url=TWIN), again]
    exchanges = [*(pages[place] for place in order), picture(minutes=4)]
    found, _ = review(archive(tmp_path / "crawl.warc.gz", *RULES, *exchanges))
    assert [one.outcome for one in found if one.fetch.url == SHOWN] == [Outcome.REFUSED]


def test_a_field_speaks_of_images_too(tmp_path: Path) -> None:
    """X-Robots-Tag on the page, to everybody and to the crawler by its name, and not to another one."""
    html = ("Content-Type", "text/html")
    for value, expected in (
        ("noimageai", REFUSED[:2]),
        ("ExBot: noimageai", REFUSED[:2]),
        ("OtherBot: noimageai", ALLOWED[:2]),
    ):
        found = told(tmp_path, page(b"", SHOWN, fields=(html, ("X-Robots-Tag", value))), picture())
        assert found[SHOWN][:2] == expected, value


@pytest.mark.parametrize(
    "head",
    [
        b'<meta name="tdm-reservation" content="1">',
        b'<link rel="license" href="https://creativecommons.org/licenses/by-nc-nd/4.0/">',
        b'<meta name="robots" content="noai">',
    ],
)
def test_careful_readers_hear_more(tmp_path: Path, head: bytes) -> None:
    """What speaks of images for careful readers only refuses them under ``strict``, and not under ``opt-out``."""
    yes = [robots(host, "User-agent: *\nContent-Signal: ai-train=yes\nAllow: /\n") for host in HOSTS]
    for policy, said_of_it, expected in (
        ("opt-out", head, Outcome.ALLOWED),
        ("strict", head, Outcome.REFUSED),
        ("strict", b"", Outcome.ALLOWED),
    ):
        name = f"{policy}-{len(said_of_it)}.warc.gz"
        found, _ = review(archive(tmp_path / name, *yes, page(said_of_it, SHOWN), picture()), policy=policy)
        assert {one.fetch.url: one.outcome for one in found}[SHOWN] == expected


def test_a_page_that_was_not_sent_again_still_speaks(tmp_path: Path) -> None:
    """A revisit of the page has the words and the images of the first time; one of another address has not."""
    first = page(NOIMAGEAI, SHOWN, minutes=-2_000)
    digest = ("WARC-Payload-Digest", f"sha1:{base64.b32encode(hashlib.sha1(first.body).digest()).decode()}")
    again = Exchange(url=GALLERY, body=b"", minutes=1, kind="revisit", more=[digest])
    found, _ = review(archive(tmp_path / "again.warc.gz", *RULES, first, again, picture()))
    assert [one.outcome for one in found if one.fetch.url == SHOWN] == [Outcome.REFUSED]
    elsewhere = Exchange(url="https://museum.example/2", body=b"", minutes=1, kind="revisit", more=again.more)
    found, _ = review(archive(tmp_path / "elsewhere.warc.gz", *RULES, first, elsewhere, picture()))
    assert [one.outcome for one in found if one.fetch.url == SHOWN] == [Outcome.ALLOWED]
