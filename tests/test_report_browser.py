"""The report of a real crawl, opened from disk in a real browser: quiet, legible in both schemes and on a telephone,
usable by keyboard alone, printable, and with its plots.

Skipped where no Chromium is on the PATH.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from askfirst.report.eu_summary import Provider
from askfirst.report.writing import Report, write_report
from tests.crawl_process import crawl
from tests.report_records import NOW, WRITTEN, line, planted, planted_items, record, robots
from tests.small_web import Answer, Web, page, picture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
Scheme = Literal["light", "dark"]
A = "a.lab.test"

pytestmark = [
    pytest.mark.crawl,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is on the PATH"),
]


@dataclass
class Opened:
    """A page, and all that it said or asked for besides itself."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a crawl of one small site that allows, refuses in three ways, and is silent."""
    out = tmp_path_factory.mktemp("crawled")
    answers = {
        (A, "/robots.txt"): Answer(b"User-agent: *\nDisallow: /shut/\n", "text/plain"),
        (A, "/"): page("/1", "/2", "/3", "/shut/1", "/shut/2", images=("/p.png",)),
        (A, "/1"): page(),
        (A, "/2"): page("/never", X_Robots_Tag="noai"),
        (A, "/3"): page(head='<meta name="robots" content="noai">'),
        (A, "/p.png"): picture(1),
    }
    with Web(answers) as web:
        log = crawl("site", out, {"ASKFIRST_POLICY": "opt-out"}, sites=web.url())
    made = write_report(out, out / "report", now=NOW, eu=Provider())
    assert made.items == 3, log
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a record in which every plot has something to show."""
    out = record(tmp_path_factory.mktemp("written"), planted(), planted_items())
    return write_report(out, out / "report", now=NOW, eu=Provider(name="P"))


def opened(browser: Browser, path: Path, *, width: int = 1200, scheme: Scheme = "light") -> Opened:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    got = Opened(context.new_page())
    got.page.on("console", lambda message: got.said.append(f"{message.type}: {message.text}"))
    got.page.on("pageerror", lambda error: got.said.append(str(error)))
    got.page.on("request", lambda request: got.asked.append(request.url))
    got.page.goto(path.as_uri())
    return got


@pytest.mark.parametrize("name", ["report.html", "eu-training-summary.html"])
def test_the_page_is_quiet_and_loads_nothing(browser: Browser, crawled: Report, written: Report, name: str) -> None:
    """No console message, no error, and no request but for the file itself."""
    for made in (crawled, written):
        path = made.files[0].parent / name
        got = opened(browser, path)
        assert got.said == []
        assert got.asked == [path.as_uri()]
        assert got.page.locator("h1").inner_text() != ""
        got.page.context.close()


@pytest.mark.parametrize("width", [1200, 360])
def test_the_plots_are_there(browser: Browser, written: Report, width: int) -> None:
    """Each plot has a size, its marks have a size and a color of their own, and its numbers are in a table."""
    got = opened(browser, written.files[0], width=width)
    plots = got.page.locator("svg.plot")
    assert plots.count() == 8
    for index in range(8):
        plot = plots.nth(index)
        box = plot.bounding_box()
        assert box is not None
        assert box["width"] > 0.8 * min(width, 1088) - 40
        assert box["height"] >= 40
        marks = plot.locator("rect.mark")
        assert marks.count() >= 1
        sizes = marks.evaluate_all(
            "all => all.map(one => { const b = one.getBoundingClientRect(); return b.width * b.height })"
        )
        assert min(sizes) > 0
        inside = plot.evaluate(
            """plot => { const p = plot.getBoundingClientRect();
            return [...plot.querySelectorAll('rect.mark')].every(one => { const b = one.getBoundingClientRect();
            return b.left >= p.left - 1 && b.right <= p.right + 1 && b.top >= p.top - 1 && b.bottom <= p.bottom + 1 }) }"""
        )
        assert inside
        section = plot.locator("xpath=ancestor::section")
        assert section.locator("table tbody tr").count() >= 1
    fills = (
        plots.nth(0)
        .locator("rect.mark")
        .evaluate_all("all => [...new Set(all.map(one => getComputedStyle(one).fill))]")
    )
    assert len(fills) == 3
    got.page.context.close()


def test_the_columns_are_as_high_as_what_was_planted(browser: Browser, written: Report) -> None:
    """The first hour has eight decisions, the next two, the last one: so are the heights."""
    got = opened(browser, written.files[0])
    heights = got.page.locator("svg[aria-labelledby^=time-plot] rect.mark").evaluate_all(
        """all => { const sums = {}; for (const one of all) { const b = one.getBoundingClientRect();
        sums[Math.round(b.left)] = (sums[Math.round(b.left)] || 0) + b.height }
        return Object.keys(sums).map(Number).sort((a, b) => a - b).map(left => sums[left]) }"""
    )
    assert [round(8 * height / heights[0], 1) for height in heights] == [8.0, 2.0, 1.0]
    got.page.context.close()


_CONTRAST = """
() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = color => { const [r, g, b] = rgb(color).map(v => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const ground = element => { for (let e = element; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c !== 'rgba(0, 0, 0, 0)' && c !== 'transparent') return c } return 'rgb(255, 255, 255)' };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) };
  const found = [];
  for (const e of document.querySelectorAll('h1, h2, p, li, td, th, button, summary, caption, a, dt, dd, pre, b, code'))
    if (e.getClientRects().length && e.textContent.trim())
      found.push([e.tagName + '.' + e.className, ratio(getComputedStyle(e).color, ground(e))]);
  for (const e of document.querySelectorAll('svg.plot text'))
    found.push(['svg text', ratio(getComputedStyle(e).fill, ground(e.closest('section')))]);
  for (const e of document.querySelectorAll('svg.plot span'))
    found.push(['svg ' + e.className, ratio(getComputedStyle(e).color, ground(e.closest('section')))]);
  const marks = [...document.querySelectorAll('rect.mark:not(.faint)')].map(e =>
    ['mark ' + e.className.baseVal, ratio(getComputedStyle(e).fill, ground(e.closest('section, li, header') || document.body))]);
  return { ground: getComputedStyle(document.body).backgroundColor, text: found, marks };
}
"""


@pytest.mark.parametrize("name", ["report.html", "eu-training-summary.html"])
def test_both_schemes_are_legible(browser: Browser, written: Report, name: str) -> None:
    """Light and dark have different grounds, every text has a contrast of 4.5 (WCAG 1.4.3), every mark of 3 (1.4.11)."""
    grounds = []
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        got = opened(browser, written.files[0].parent / name, scheme=scheme)
        got.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        found = got.page.evaluate(_CONTRAST)
        grounds.append(found["ground"])
        assert len(found["text"]) > 20
        assert [(what, round(ratio, 2)) for what, ratio in found["text"] if ratio < 4.5] == []
        assert [(what, round(ratio, 2)) for what, ratio in found["marks"] if ratio < 3] == []
        got.page.context.close()
    assert grounds == ["rgb(251, 250, 247)", "rgb(20, 23, 26)"]


@pytest.mark.parametrize("name", ["report.html", "eu-training-summary.html"])
def test_a_telephone_shows_the_page_without_scrolling_sideways(
    browser: Browser, crawled: Report, written: Report, name: str
) -> None:
    """At 360 pixels nothing makes the page wider than the screen, with everything open."""
    for made in (crawled, written):
        got = opened(browser, made.files[0].parent / name, width=360)
        got.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert got.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [360, 360]
        got.page.context.close()


@pytest.mark.parametrize("width", [1200, 360])
def test_no_label_of_a_bar_touches_its_number(browser: Browser, written: Report, width: int) -> None:
    """A label ends before the number of its row, cut with an ellipsis where it must be, and stays above its bar."""
    got = opened(browser, written.files[0], width=width)
    rows = got.page.locator("svg.plot .bar")
    assert rows.count() > 20
    places = rows.evaluate_all(
        """all => all.map(row => { const plot = row.closest('svg').getBoundingClientRect(), whole = row.getBoundingClientRect();
        const [label, end] = [...row.children].map(one => one.getBoundingClientRect());
        return { apart: end.left - label.right, over: end.right - plot.right, high: whole.height,
          wide: label.width, cut: row.children[0].scrollWidth > row.children[0].clientWidth,
          mark: getComputedStyle(row.children[0]).textOverflow } })"""
    )
    assert min(place["apart"] for place in places) >= 8
    assert max(place["over"] for place in places) < 0.5
    assert {place["high"] for place in places} == {21}
    assert min(place["wide"] for place in places) > 120
    assert {place["mark"] for place in places} == {"ellipsis"}
    assert any(place["cut"] for place in places) is (width == 360)
    got.page.context.close()


@pytest.mark.parametrize("width", [1200, 360])
def test_the_list_of_domains_stands_under_its_heads(browser: Browser, written: Report, width: int) -> None:
    """In the training summary each head is above its column, and no column is off the screen."""
    got = opened(browser, written.files[0].parent / "eu-training-summary.html", width=width)
    edges = """row => [...row.cells].map(cell => { const range = document.createRange(); range.selectNodeContents(cell);
        const text = range.getBoundingClientRect(); return [text.left, text.right] })"""
    heads = got.page.locator("thead tr").evaluate(edges)
    first = got.page.locator("tbody tr").first.evaluate(edges)
    assert [round(abs(heads[i][1] - first[i][1])) for i in (0, 2, 3)] == [0, 0, 0]
    assert round(abs(heads[1][0] - first[1][0])) == 0
    assert max(right for _left, right in first) < width
    got.page.context.close()


def test_a_long_table_scrolls_in_its_frame_under_its_heads(browser: Browser, tmp_path: Path) -> None:
    """The end of a table is reached by keyboard while its heads stay, and the page stays short; printed, all is there."""
    lines = [line(f"https://h{n}.example/art/1", robots(f"h{n}.example", WRITTEN)) for n in range(60)]
    out = record(tmp_path, lines)
    page = opened(browser, write_report(out, out / "report", now=NOW).files[0]).page
    frame = page.locator(".scroll", has=page.locator("#domains-table"))
    assert frame.locator("tbody tr").count() == 60
    box = frame.bounding_box()
    assert box is not None
    assert round(box["height"]) == 640  # of 800
    frame.focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "frame => frame.scrollTop + frame.clientHeight >= frame.scrollHeight - 1", arg=frame.element_handle()
    )
    under = frame.evaluate(
        """frame => frame.querySelector('thead th').getBoundingClientRect().top - frame.getBoundingClientRect().top"""
    )
    assert abs(under) <= 2
    page.emulate_media(media="print")
    assert frame.evaluate("frame => frame.clientHeight === frame.scrollHeight")
    page.context.close()


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until this has the focus."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never came to {selector}")


def column(page: Page, table: str, index: int) -> list[str]:
    """The texts of one column, from above."""
    texts: list[str] = page.locator(f"#{table} tbody tr td:nth-child({index})").all_inner_texts()
    return texts


def test_a_table_is_sorted_by_keyboard_alone(browser: Browser, written: Report) -> None:
    """Tab comes to a header's button and shows where it is; Enter sorts by it and once more turns it around; aria-sort
    says so, on one header only, and so does the status line."""
    got = opened(browser, written.files[0])
    page = got.page
    assert column(page, "domains-table", 1) == ["b.example", "d.example", "a.example", "c.example"]
    tab_to(page, "#domains-table th:nth-child(1) button")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert column(page, "domains-table", 1) == ["a.example", "b.example", "c.example", "d.example"]
    sorts = "[...document.querySelectorAll('#domains-table th')].map(one => one.getAttribute('aria-sort'))"
    assert page.evaluate(sorts) == ["ascending", *[None] * 7]
    page.keyboard.press("Enter")
    assert column(page, "domains-table", 1) == ["d.example", "c.example", "b.example", "a.example"]
    assert page.evaluate(sorts) == ["descending", *[None] * 7]
    assert page.locator("#heard").inner_text() == "sorted by domain, descending"
    tab_to(page, "#domains-table th:nth-child(7) button")
    page.keyboard.press("Space")
    assert column(page, "domains-table", 7) == ["400", "150", "0", "0"]
    assert page.evaluate(sorts) == [*[None] * 6, "descending", None]
    assert got.said == []
    page.context.close()


def test_the_words_are_opened_by_keyboard(browser: Browser, written: Report) -> None:
    """Tab comes to the words, Enter opens them, and the caret stands under the word that matters."""
    got = opened(browser, written.files[0])
    page = got.page
    caret = page.locator("#reasons-table pre", has_text="Disallow: /art/")
    assert not caret.is_visible()
    row = page.locator("#reasons-table tbody tr", has=page.locator("pre", has_text="Disallow: /art/"))
    place = row.evaluate("row => row.rowIndex")
    tab_to(page, f"#reasons-table tbody tr:nth-child({place}) summary")
    page.keyboard.press("Enter")
    assert caret.is_visible()
    assert caret.inner_text() == "Disallow: /art/ # <b>keep</b> out\n^^^^^^^^"
    assert "https://www.b.example/robots.txt, line 2 (RFC 9309 section 2.2)" in row.inner_text()
    page.context.close()


def test_the_crawl_is_told_as_it_was(browser: Browser, crawled: Report) -> None:
    """The report of the real crawl names what shut it out, by signal and in its words."""
    got = opened(browser, crawled.files[0])
    signals = dict(zip(column(got.page, "signals-table", 1), column(got.page, "signals-table", 2), strict=True))
    assert signals["robots.txt"] == "2"
    assert signals["x-robots-tag"] == "1"
    assert signals["meta-robots"] == "1"
    words = column(got.page, "reasons-table", 5)
    assert {"Disallow: /shut/", "X-Robots-Tag: noai", '<meta name="robots" content="noai">'} <= set(words)
    got.page.context.close()


def test_the_page_prints(browser: Browser, written: Report, tmp_path: Path) -> None:
    """Printed, it is on white, without the buttons' signs, and no part of a table is cut off by scrolling."""
    got = opened(browser, written.files[0], scheme="dark")
    printed = got.page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") + printed.count(b"/Type /Page/") >= 2
    got.page.emulate_media(media="print")
    assert got.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert got.page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert not got.page.locator("nav").is_visible()
    got.page.context.close()
