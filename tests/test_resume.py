"""A crawl that is killed anywhere goes on in the same directory, loses no record, and never fetches without one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from askfirst.ports import SettingsError
from crawler.frontier import Frontier, Outcome, Row, What, counts
from tests.crawl_process import asked_before, begin, crawl, items, kill, summary
from tests.small_web import Answer, Web, page, picture

A, IMG = "a.lab.test", "img.lab.test"
OPT_OUT = {"ASKFIRST_POLICY": "opt-out"}
MAY_BE_UNDER_WAY = 8
"""Requests that the server saw and the killed crawl could not finish: those under way on each of two hosts."""


def _site() -> dict[tuple[str, str], Answer]:
    answers = {(A, f"/{n}"): page(f"/{2 * n}", f"/{2 * n + 1}", images=(f"/{n}.png",)) for n in range(1, 16)}
    pictures = {(A, f"/{n}.png"): picture(n) for n in range(1, 16)}
    return answers | pictures | {(A, "/7"): page("/14", "/15", X_Robots_Tag="noai")}


@pytest.mark.crawl
def test_a_killed_crawl_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    """Killed three times at different places and resumed, a crawl ends with every item exactly once; only what was
    under way is fetched again; each request had its decision on disk before it came."""
    with Web(_site()) as web, asked_before(web, tmp_path) as unasked:
        for after in (1, 9, 16):
            process = begin("site", tmp_path, OPT_OUT, sites=web.url("/1"))
            web.wait_for(after)
            kill(process)
        log = crawl("site", tmp_path, OPT_OUT, sites=web.url("/1"))
    assert unasked == []
    reached = [n for n in range(1, 16) if n not in (7, 14, 15)]
    assert set(items(tmp_path)) == {web.url(f"/{n}") for n in reached} | {web.url(f"/{n}.png") for n in reached}, log
    again = len(web.resources()) - len(set(web.resources()))
    assert again <= 3 * MAY_BE_UNDER_WAY
    told = summary(tmp_path)
    assert told["addresses"]["pending"] == 0  # type: ignore[index]
    assert [run.get("reason") for run in told["runs"]] == [None, None, None, "finished"]  # type: ignore[attr-defined]


@pytest.mark.crawl
def test_what_a_page_says_of_its_images_outlives_a_kill(tmp_path: Path) -> None:
    """A picture that was waiting when the crawl was killed is not fetched before its page has been asked again."""
    held, free = threading.Event(), threading.Event()
    answers = {
        (A, "/"): page(head='<meta name="robots" content="noimageai">', images=(f"http://{IMG}:PORT/i.png",)),
        (IMG, "/i.png"): picture(),
    }

    def hold(host: str, path: str) -> None:
        if (host, path) == (IMG, "/robots.txt") and not free.is_set():
            held.set()
            free.wait(60)

    # in a store on disk the dead process's claim on the look would have to lapse first
    told = OPT_OUT | {"ASKFIRST_CACHE": "memory:"}
    with Web(answers, on_request=hold) as web:
        process = begin("site", tmp_path, told, sites=web.url())
        assert held.wait(60)
        kill(process)
        free.set()
        log = crawl("site", tmp_path, told, sites=web.url())
    assert web.resources() == [(A, "/"), (A, "/")], log
    assert set(items(tmp_path)) == {web.url()}


@pytest.mark.crawl
def test_what_is_refused_by_a_later_look_is_withdrawn(tmp_path: Path) -> None:
    """A page that a killed run kept, and that refuses when it is asked again, is no item any more."""
    held, free = threading.Event(), threading.Event()
    answers = {(A, "/"): page("/2", images=("/i.png",)), (A, "/2"): page(), (A, "/i.png"): picture()}

    def hold(_host: str, path: str) -> None:
        if path == "/i.png" and not free.is_set():
            held.set()
            free.wait(60)

    with Web(answers, on_request=hold) as web:
        process = begin("site", tmp_path, OPT_OUT, sites=web.url())
        assert held.wait(60)
        kill(process)
        free.set()
        answers[A, "/"] = page(X_Robots_Tag="noai")
        log = crawl("site", tmp_path, OPT_OUT, sites=web.url())
    assert set(items(tmp_path)) == {web.url("/2")}, log
    assert "withdrawn" in log
    assert web.resources().count((A, "/i.png")) == 1, "a picture that no kept page shows is not asked for"


@pytest.mark.crawl
def test_a_dataset_that_cannot_be_written_stops_the_crawl(tmp_path: Path) -> None:
    """When the WARC file is lost the crawl says so in one line and stops; the next run keeps what is missing."""

    def lose_the_file(_host: str, path: str) -> None:
        if path == "/2" and len(web.resources()) < 6:
            for file in (tmp_path / "warc").glob("*.gz"):
                file.unlink()

    with Web({(A, "/1"): page("/2"), (A, "/2"): page("/3"), (A, "/3"): page()}, on_request=lose_the_file) as web:
        log = crawl("site", tmp_path, OPT_OUT, sites=web.url("/1"))
        assert "cannot write the dataset" in log
        assert "Traceback" not in log
        assert summary(tmp_path)["reason"] == "dataset unwritable"
        web.on_request = lambda _host, _path: None
        crawl("site", tmp_path, OPT_OUT, sites=web.url("/1"))
    assert set(items(tmp_path)) == {web.url(f"/{n}") for n in (1, 2, 3)}


# -- the frontier by itself --------------------------------------------------------------------------------------------


def _frontier(out: Path, *urls: str) -> Frontier:
    frontier = Frontier(out)
    frontier.add(urls)
    return frontier


def test_what_was_taken_is_pending_again(tmp_path: Path) -> None:
    """After a restart, what was taken and what was deferred is handed out again, what is done is not."""
    frontier = _frontier(tmp_path, "http://h/1", "http://h/2", "http://h/3")
    one, two, _three = frontier.take(10)
    frontier.settle(one, Outcome.KEPT)
    frontier.settle(two, Outcome.DEFERRED)
    assert frontier.take(10) == []
    frontier.close()
    frontier = Frontier(tmp_path)
    frontier.take_up([("http://h/1", "http://h/1")])
    assert [row.url for row in frontier.take(10)] == ["http://h/2", "http://h/3"]
    frontier.close()


def test_the_items_on_disk_are_believed(tmp_path: Path) -> None:
    """A row whose item is whole is done although nobody said so, and a row without its item is not."""
    frontier = _frontier(tmp_path, "http://h/written", "http://h/lost")
    for row in frontier.take(10):
        if row.url == "http://h/lost":
            frontier.settle(row, Outcome.KEPT)
    frontier.take_up([("http://h/written", "http://h/target")])
    assert [row.url for row in frontier.take(10)] == ["http://h/lost"]
    frontier.close()


def test_an_image_waits_for_every_page_that_shows_it(tmp_path: Path) -> None:
    """An image is handed out only when no page that shows it is waiting; after a restart its pages come first."""
    frontier = _frontier(tmp_path, "http://h/a", "http://h/b")
    a, b = frontier.take(10)
    frontier.add_images(["http://h/i.png"], a)
    frontier.add_images(["http://h/i.png"], b)
    frontier.settle(a, Outcome.KEPT)
    assert frontier.take(10) == []
    frontier.settle(b, Outcome.KEPT)
    assert [row.what for row in frontier.take(10)] == [What.IMAGE]
    frontier.take_up()
    again = frontier.take(10)
    assert [row.url for row in again] == ["http://h/a", "http://h/b"]
    frontier.add_images(["http://h/i.png"], again[0])
    frontier.settle(again[0], Outcome.KEPT)
    assert frontier.take(10) == []
    frontier.settle(again[1], Outcome.REFUSED)
    assert [row.url for row in frontier.take(10)] == ["http://h/i.png"]
    frontier.close()


def test_a_url_is_its_canonical_form(tmp_path: Path) -> None:
    """Spellings of one URL are one row, as are a link to a picture and the picture; the first spelling is requested."""
    frontier = _frontier(tmp_path, "http://H/a?y=2&x=1#top", "http://h/a?x=1&y=2", "http://h/p.png")
    assert frontier.add(["mailto:a@b.example", "http://[", "http://h:port/"]) == 3
    page_row = Row(99, "http://h/page", What.PAGE, 0)
    frontier.add_images(["http://h/p.png"], page_row)
    assert [(row.url, row.what) for row in frontier.take(10)] == [
        ("http://h/p.png", What.IMAGE),
        ("http://h/a?y=2&x=1", What.PAGE),
    ]
    frontier.close()


def test_a_redirect_target_has_one_row_that_answers_for_it(tmp_path: Path) -> None:
    """A target that waits goes with the row that leads to it; one that is under way or done is not fetched again."""
    frontier = _frontier(tmp_path, "http://h/from", "http://h/other")
    source, other = frontier.take(10)
    assert not frontier.redirect(source, other.url)
    frontier.add(["http://h/to"])
    assert frontier.redirect(source, "http://h/to")
    assert frontier.redirect(source, "http://h/to"), "a retry of the same hop"
    assert frontier.take(10) == []
    assert frontier.pages_taken == 3
    frontier.settle(source, Outcome.KEPT)
    found = counts(tmp_path)
    assert found is not None
    assert (found.outcomes, found.pending) == ({"kept": 1, "elsewhere": 1}, 1)
    frontier.close()


def test_a_directory_is_used_by_one_crawl(tmp_path: Path) -> None:
    """A second process is turned away in one line, and so is another crawl later on."""
    frontier = Frontier(tmp_path)
    frontier.belong_to("spider site, purpose train, policy opt-in")
    with pytest.raises(SettingsError, match="another crawl is using it"):
        Frontier(tmp_path)
    frontier.close()
    frontier = Frontier(tmp_path)
    with pytest.raises(SettingsError, match="policy opt-in; this is"):
        frontier.belong_to("spider site, purpose train, policy opt-out")
    frontier.close()
