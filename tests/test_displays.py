"""What travels to an image from elsewhere: a page's word to the images on it, one rendition's refusal to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from askfirst import displays
from askfirst.edges.cache_memory import MemoryCache
from askfirst.gate import Gate
from askfirst.ports import EdgeError
from askfirst.recording import Recording
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import Kind, Purpose, Stage, Verdict
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES, Policy
from tests import works
from tests.loopback_site import Reply, Site
from tests.memory_web import AGENT, Clock, Lab, intent, response
from tests.scrapy_crawl import check_record, crawl, decisions

HTML = [("Content-Type", "text/html")]
JPEG = ("Content-Type", "image/jpeg")
PAGE = '<meta name="robots" content="noimageai"><img src="https://cdn/i.png"><img src="j.png">'
WORKS = """
<img src="https://h/works/a.jpg" srcset="https://cdn/a-320.jpg 320w, https://cdn/a-640.jpg 640w">
<picture><source srcset="https://cdn/b.webp"><img src="https://h/works/b.jpg"></picture>
<a href="https://h/works/c.jpg"><img src="https://thumbs/c.jpg"></a>
"""


def faults(lab: Lab, policy: Policy) -> list[str | None]:
    evidenced = Evidenced(lab.record.evidence)
    return [replay_recorded(line, evidenced, {policy.digest: policy}) for line in lab.record.lines]


async def test_a_pages_word_about_its_images_reaches_the_other_workers() -> None:
    """One worker sees the page, another is asked for the image; its decision replays from its own evidence."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", PAGE, headers=HTML))
    other = lab.new_gate()
    for url in ("https://cdn/i.png", "https://h/j.png"):
        decision = await other.before_fetch(intent(url))
        assert decision.verdict is Verdict.REFUSE
        assert decision.because[0].evidence.document_url == "https://h/p"
    assert (await other.before_fetch(intent("https://cdn/other.png"))).verdict is Verdict.ALLOW
    assert set(faults(lab, OPT_OUT)) == {None}


async def test_the_store_is_asked_once_for_an_image_and_never_for_a_page() -> None:
    """An address that looks like no picture costs no question."""
    lab = Lab()
    await lab.gate.before_fetch(intent("https://h/p"))
    assert lab.gate.recall(intent("https://h/q")) is not None
    assert lab.gate.recall(intent("https://h/i.png")) is None
    await lab.gate.before_fetch(intent("https://h/i.png"))
    assert lab.gate.recall(intent("https://h/i.png")) is not None


@pytest.mark.parametrize("name", ["https://cdn/a-320.jpg", "https://cdn/a-640.jpg"])
async def test_a_refusal_of_the_original_reaches_its_srcset(name: str) -> None:
    """The original's own header refuses; a smaller rendition without any word is refused before it is fetched."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", WORKS, headers=HTML))
    assert (await lab.gate.before_fetch(intent(name))).verdict is Verdict.ALLOW
    original = response(lab, "https://h/works/a.jpg", b"\xff\xd8\xff", headers=[JPEG, ("X-Robots-Tag", "noai")])
    assert (await lab.gate.before_keep(intent("https://h/works/a.jpg"), original)).verdict is Verdict.REFUSE
    for gate in (lab.gate, lab.new_gate()):
        decision = await gate.before_fetch(intent(name))
        assert decision.verdict is Verdict.REFUSE
        assert decision.because[0].evidence.document_url == "https://h/works/a.jpg"
    assert set(faults(lab, OPT_OUT)) == {None}


@pytest.mark.parametrize(
    ("refused", "other"),
    [
        ("https://h/works/b.jpg", "https://cdn/b.webp"),
        ("https://cdn/b.webp", "https://h/works/b.jpg"),
        ("https://h/works/c.jpg", "https://thumbs/c.jpg"),
        ("https://cdn/a-640.jpg", "https://h/works/a.jpg"),
    ],
)
async def test_renditions_are_those_of_picture_and_thumbnails_too(refused: str, other: str) -> None:
    """Whichever of them speaks, and in whichever order."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", WORKS, headers=HTML))
    word = response(lab, refused, b"\xff\xd8\xff", headers=[JPEG, ("TDM-Reservation", "1")])
    assert (await lab.gate.before_keep(intent(refused), word)).verdict is Verdict.REFUSE
    assert (await lab.gate.before_fetch(intent(other))).verdict is Verdict.REFUSE
    unrelated = next(u for u in ("https://h/works/a.jpg", "https://h/works/c.jpg") if u not in (refused, other))
    assert (await lab.gate.before_fetch(intent(unrelated))).verdict is Verdict.ALLOW


async def test_a_permission_does_not_travel_to_renditions() -> None:
    """What one rendition permits says nothing about another."""
    lab = Lab(OPT_IN)
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", WORKS, headers=HTML))
    free = response(lab, "https://h/works/a.jpg", b"\xff\xd8\xff", headers=[JPEG, ("TDM-Reservation", "0")])
    tdm = Purpose.TDM
    assert (await lab.gate.before_keep(intent("https://h/works/a.jpg", tdm), free)).verdict is Verdict.ALLOW
    small = response(lab, "https://cdn/a-320.jpg", b"\xff\xd8\xff", headers=[JPEG])
    assert (await lab.gate.before_keep(intent("https://cdn/a-320.jpg", tdm), small)).verdict is Verdict.REFUSE


async def test_what_the_site_refuses_is_not_taken_for_the_works_own_word() -> None:
    """A robots.txt that closes the original's folder closes no other host's."""
    lab = Lab()
    lab.web.publish("https://h/ai.txt", "User-agent: *\nDisallow: *.jpg")
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", WORKS, headers=HTML))
    original = response(lab, "https://h/works/a.jpg", b"\xff\xd8\xff", headers=[JPEG])
    assert (await lab.gate.before_keep(intent("https://h/works/a.jpg"), original)).verdict is Verdict.REFUSE
    assert (await lab.gate.before_fetch(intent("https://cdn/a-320.jpg"))).verdict is Verdict.ALLOW


@pytest.mark.parametrize("policy", PROFILES.values(), ids=PROFILES)
async def test_a_reservation_of_the_page_reaches_its_images_for_careful_readers(policy: Policy) -> None:
    """TDMRep speaks of the document alone; whoever is careful carries it to the images on the page all the same."""
    lab = Lab(policy)
    page = response(lab, "https://h/p", '<meta name="tdm-reservation" content="1"><img src="https://cdn/i.png">')
    await lab.gate.before_keep(intent("https://h/p"), page)
    image = response(lab, "https://cdn/i.png", b"\x89PNG\r\n\x1a\n")
    decision = await lab.gate.before_keep(intent("https://cdn/i.png"), image)
    assert (decision.verdict is Verdict.REFUSE and bool(decision.because)) is (policy is not OPT_OUT)


IMAGES = """
from scrapy.pipelines.images import ImagesPipeline

class Pages(Watched):
    def arrived(self, response):
        super().arrived(response)
        yield {"image_urls": [response.urljoin(src) for src in response.css("img::attr(src)").getall()]}

SPIDERS = [Pages]
"""


@pytest.mark.crawl
async def test_scrapys_own_images_pipeline_asks_for_no_image_of_a_noimageai_page(tmp_path: Path) -> None:
    """The page is kept; its image on another host is never requested; the image of a page that says nothing is."""
    async with Site() as site:
        says = f'<meta name="robots" content="noimageai"><img src="{site.url("cdn.test", "/i.png")}">'
        site.publish("a.test", "/says", Reply(says))
        site.publish("a.test", "/silent", Reply(f'<img src="{site.url("cdn.test", "/j.png")}">'))
        for name in ("/i.png", "/j.png"):
            site.publish("cdn.test", name, Reply(_picture(), kind="image/png"))
        pipelines = {"scrapy.pipelines.images.ImagesPipeline": 1, "__main__.Collect": 900}
        crawled = await crawl(
            tmp_path,
            [site.url("a.test", "/says"), site.url("a.test", "/silent")],
            {"ITEM_PIPELINES": pipelines, "IMAGES_STORE": str(tmp_path / "images")},
            script=IMAGES,
        )
        assert sorted(Path(p).name for p in crawled.kept) == ["says", "silent"]
        assert site.url("cdn.test", "/i.png") not in site.pages()
        assert site.url("cdn.test", "/j.png") in site.pages()
        (refused,) = [d for d in decisions(crawled.out) if d.verdict is Verdict.REFUSE]
        assert (refused.stage, refused.because[0].evidence.document_url) == (Stage.FETCH, site.url("a.test", "/says"))
        images = {len(item["images"]) for item in crawled.items}
        assert images == {0, 1}
        check_record(site, crawled.out)


def _picture() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


def test_an_original_is_heard_as_the_work_it_is() -> None:
    """The kind is one of those that the record can hold."""
    assert Kind("original") is Kind.ORIGINAL


class Slow(MemoryCache):
    """A store that answers when it is let, and can fail."""

    def __init__(self, lab_clock: Clock) -> None:
        super().__init__(clock=lambda: lab_clock().timestamp())
        self.hold: asyncio.Event | None = None
        self.fails = False

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        if self.hold is not None:
            await self.hold.wait()
        if self.fails:
            raise EdgeError("store: away")
        return await super().get_many(keys)


def slow_lab() -> tuple[Lab, Slow]:
    clock = Clock()
    store = Slow(clock)
    return Lab(cache=store, clock=clock), store


async def test_nobody_decides_about_a_picture_while_the_store_is_being_asked() -> None:
    """Two requests for one picture at once: the second does not overtake the question of the first."""
    lab, store = slow_lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", PAGE, headers=HTML))
    other = lab.new_gate()
    await other.before_fetch(intent("https://cdn/"))
    store.hold = asyncio.Event()
    first, second = (asyncio.create_task(other.before_fetch(intent("https://cdn/i.png"))) for _ in "12")
    for _ in range(5):
        await asyncio.sleep(0)
    assert other.recall(intent("https://cdn/i.png")) is None
    store.hold.set()
    assert {(await first).verdict, (await second).verdict} == {Verdict.REFUSE}


async def test_a_store_that_was_away_is_asked_again_soon_and_others_within_the_hour() -> None:
    """A miss is not forever: neither one because of an outage, nor one because no page had been seen yet."""
    lab, store = slow_lab()
    other = lab.new_gate()
    assert (await other.before_fetch(intent("https://cdn/j.png"))).verdict is Verdict.ALLOW
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", PAGE, headers=HTML))
    store.fails = True
    assert (await other.before_fetch(intent("https://cdn/i.png"))).verdict is Verdict.ALLOW
    store.fails = False
    lab.clock.pass_s(61)
    assert (await other.before_fetch(intent("https://cdn/i.png"))).verdict is Verdict.REFUSE
    await lab.gate.before_keep(intent("https://h/q"), response(lab, "https://h/q", SAYS_J, headers=HTML))
    lab.clock.pass_s(3_600)
    assert (await other.before_fetch(intent("https://cdn/j.png"))).verdict is Verdict.REFUSE


SAYS_J = '<meta name="robots" content="noimageai"><img src="https://cdn/j.png">'


async def test_what_travels_stays_for_a_day() -> None:
    """A page that was seen a day ago, and not since, refuses nothing any more."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", PAGE, headers=HTML))
    lab.clock.pass_s(86_399)
    assert (await lab.gate.before_fetch(intent("https://cdn/i.png"))).verdict is Verdict.REFUSE
    lab.clock.pass_s(2)
    assert (await lab.gate.before_fetch(intent("https://cdn/i.png"))).verdict is Verdict.ALLOW


async def test_a_page_that_is_another_each_time_pushes_no_other_page_out() -> None:
    """Of one page the store lists what it said last; the other page's word stays."""
    lab = Lab()
    reserves = '<meta name="robots" content="noimageai"><img src="https://cdn/i.png">'
    await lab.gate.before_keep(intent("https://g/p"), response(lab, "https://g/p", reserves, headers=HTML))
    for time in range(20):
        page = response(lab, "https://h/p", f"{PAGE}<p>{time}", headers=HTML)
        await lab.gate.before_keep(intent("https://h/p"), page)
    other = lab.new_gate()
    decision = await other.before_fetch(intent("https://cdn/i.png"))
    assert {s.evidence.document_url for s in decision.because} == {"https://h/p", "https://g/p"}
    assert len(other.hearing.displays.of("https://cdn/i.png")) == 2


async def test_an_entry_that_cannot_be_read_hides_no_other() -> None:
    """One of two values in the store is no JSON, and the list of the first image is none either."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://g/p"), response(lab, "https://g/p", SAYS_J, headers=HTML))
    entries = lab.cache._entries  # type: ignore[attr-defined]
    for key in [key for key in entries if key.startswith("said:")]:
        await lab.cache.put(key, b"{", keep_s=60)
    await lab.cache.put(lab.gate.hearing.displays._key("shown", "https://cdn/i.png"), b"[1]", keep_s=60)
    page = f'{PAGE}<img src="https://cdn/j.png">'
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", page, headers=HTML))
    other = lab.new_gate()
    for url in ("https://cdn/i.png", "https://cdn/j.png"):
        assert (await other.before_fetch(intent(url))).verdict is Verdict.REFUSE, url
    assert lab.counts["cache/unreadable"] == 2


async def test_a_picture_without_an_extension_is_asked_about_when_it_has_come() -> None:
    """Its address says nothing; its type does, and then another worker's page is heard before it is kept."""
    lab = Lab()
    page = '<meta name="robots" content="noimageai"><img src="https://cdn/img?id=5">'
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", page, headers=HTML))
    other = lab.new_gate()
    assert (await other.before_fetch(intent("https://cdn/img?id=5"))).verdict is Verdict.ALLOW
    picture = response(lab, "https://cdn/img?id=5", b"\xff\xd8\xff", headers=[JPEG])
    assert (await other.before_keep(intent("https://cdn/img?id=5"), picture)).verdict is Verdict.REFUSE


async def test_what_a_page_said_to_one_agent_is_not_told_to_another() -> None:
    """Another user agent with the same policy and store has to look for itself."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", PAGE, headers=HTML))
    agent = replace(AGENT, user_agent="Other/1.0")
    gate = Gate(
        agent=agent, policy=OPT_OUT, fetch=lab.web, cache=lab.cache, record=Recording(lab.record, lab.record),
        clock=lab.clock,
    )  # fmt: skip
    asked = replace(intent("https://cdn/i.png"), agent=agent)
    assert (await gate.before_fetch(asked)).verdict is Verdict.ALLOW


async def test_a_page_that_arrives_while_the_images_origin_is_looked_at_is_heard() -> None:
    """The decision waits for the origin's robots.txt, and knows what was said meanwhile."""
    lab = Lab()
    await lab.gate.before_fetch(intent("https://h/"))
    lab.web.hold = asyncio.Event()
    asked = asyncio.create_task(lab.gate.before_fetch(intent("https://cdn/i.png")))
    while "https://cdn/robots.txt" not in lab.web.looks:
        await asyncio.sleep(0)
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", PAGE, headers=HTML))
    lab.web.hold.set()
    assert (await asked).verdict is Verdict.REFUSE


async def test_a_rendition_is_refused_whatever_came_first_and_however_it_is_written() -> None:
    """The refusal before the page that shows the renditions; ``srcSet`` as React writes it; two pages, two sets."""
    lab = Lab()
    original = response(lab, "https://h/works/a.jpg", b"\xff\xd8\xff", headers=[JPEG, ("X-Robots-Tag", "noai")])
    assert (await lab.gate.before_keep(intent("https://h/works/a.jpg"), original)).verdict is Verdict.REFUSE
    for number, page in enumerate(
        (
            '<img src="https://h/works/a.jpg" srcSet="https://cdn/a-1.jpg 1w">',
            '<A HREF="https://h/works/a.jpg"><IMG SRC="https://cdn/a-2.jpg"></A>',
        ),
        start=1,
    ):
        await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", page, headers=HTML))
        assert (await lab.gate.before_fetch(intent(f"https://cdn/a-{number}.jpg"))).verdict is Verdict.REFUSE
    lab = Lab()
    for name in ("a-1", "a-2"):
        page = f'<img src="https://h/works/a.jpg" srcset="https://cdn/{name}.jpg 1w">'
        await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", page, headers=HTML))
    await lab.gate.before_keep(intent("https://h/works/a.jpg"), original)
    for name in ("a-1", "a-2"):
        assert (await lab.gate.before_fetch(intent(f"https://cdn/{name}.jpg"))).verdict is Verdict.REFUSE, name


@pytest.mark.parametrize("worker", ["same", "other"])
async def test_all_that_a_rendition_refused_with_travels(worker: str) -> None:
    """Its header and a packet inside it both refuse training, the header mining too: both reach the other rendition."""
    lab = Lab()
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", WORKS, headers=HTML))
    body = works.jpeg(works.data_mining("DMI-PROHIBITED-AIMLTRAINING"))
    headers = [JPEG, ("TDM-Reservation", "1")]
    original = response(lab, "https://h/works/a.jpg", body, headers=headers)
    assert (await lab.gate.before_keep(intent("https://h/works/a.jpg"), original)).verdict is Verdict.REFUSE
    gate = lab.gate if worker == "same" else lab.new_gate()
    decision = await gate.before_fetch(intent("https://cdn/a-320.jpg"))
    assert {s.protocol for s in decision.because} == {"tdmrep", "plus"}
    mining = await gate.before_fetch(intent("https://cdn/a-320.jpg", Purpose.TDM))
    assert mining.verdict is Verdict.REFUSE
    assert set(faults(lab, OPT_OUT)) == {None}


async def test_what_is_remembered_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that say much do not fill the memory: what was said longest ago goes first, and its images with it."""
    monkeypatch.setattr(displays, "MAX_BYTES", 50_000)
    lab = Lab()
    for number in range(50):
        url = f"https://h/{number}"
        said = f'<meta name="robots" content="noimageai, {"x" * 2_000}"><img src="https://cdn/{number}.png">'
        await lab.gate.before_keep(intent(url), response(lab, url, said, headers=HTML))
    known = lab.gate.hearing.displays
    assert known._told_bytes <= 50_000
    assert len(known._said) == len(known._told) < 25
    assert known.of("https://cdn/49.png")


async def test_the_store_holds_no_long_list_of_images() -> None:
    """A page of twenty thousand images: its word is shared without them, to the first five hundred."""
    lab = Lab()
    body = '<meta name="robots" content="noimageai">' + "".join(f'<img src="/{n}.png">' for n in range(20_000))
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", body, headers=HTML))
    entries = lab.cache._entries  # type: ignore[attr-defined]
    assert max(len(value) for value, _ in entries.values()) < 10_000
    assert (await lab.gate.before_fetch(intent("https://h/19999.png"))).verdict is Verdict.REFUSE
    assert (await lab.new_gate().before_fetch(intent("https://h/499.png"))).verdict is Verdict.REFUSE
    assert set(faults(lab, OPT_OUT)) == {None}
