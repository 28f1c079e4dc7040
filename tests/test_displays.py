"""What travels to an image from elsewhere: a page's word to the images on it, one rendition's refusal to the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import Kind, Purpose, Stage, Verdict
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES, Policy
from tests.loopback_site import Reply, Site
from tests.memory_web import Lab, intent, response
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
