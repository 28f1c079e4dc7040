"""The lab is what it says: its pages and pictures are sound, its misbehavior is real and bounded, its log complete.

The lab runs in a process of its own; these tests are its client, on loopback. What a crawler makes of it is tested with
the crawler.
"""

from __future__ import annotations

import asyncio
import io
import json
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
import pikepdf
import pytest
from PIL import Image

from askfirst.rights.consent import covers, parse_record
from askfirst.rights.model import Verdict
from crawler.lab import (
    AGENT_TOKEN,
    ARTIST_PICTURE,
    POLICIES,
    SITES,
    Lab,
    LabError,
    Outcome,
    Reason,
    expected_to_keep,
    may_request,
    site_of,
    trespasses,
)
from crawler.lab.pictures import draw
from crawler.lab.process import Request
from crawler.lab.site import CONSENTED, Page, Picture, Site, barred

PAGES = [(site, page) for site in SITES for page in site.pages]
PICTURES = [(site, picture) for site in SITES for picture in site.own_pictures]
PRICED = {page.path: page.status for _, page in PAGES if page.status != 200}
FIRST_500_KIB = 512_000
PERMITTING = {Reason.REGISTRY, Reason.CONTENT_SIGNALS, Reason.RSL, Reason.PLUS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Asks the lab, as somebody whose resolver leads ``*.lab.test`` to it. Follows nothing."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self.port = port

    async def get(self, host: str, path: str, *, timeout_s: float = 20) -> Got:
        headers = {"Host": f"{host}:{self.port}", "User-Agent": "LabTest/1.0"}
        async with self._session.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            return Got(status=response.status, headers=dict(response.headers), body=await response.read())

    async def url(self, url: str) -> Got:
        parts = urlsplit(url)
        assert parts.port == self.port, url
        return await self.get(parts.hostname or "", parts.path or "/")

    async def follow(self, host: str, path: str, *, most: int) -> list[tuple[str, int]]:
        """The URLs and statuses of a chain of redirects, at most ``most`` of them."""
        url, seen = f"http://{host}:{self.port}{path}", []
        for _ in range(most):
            got = await self.url(url)
            seen.append((url, got.status))
            if "Location" not in got.headers:
                break
            url = urljoin(url, got.headers["Location"])
        return seen

    async def look_up(self, body: bytes) -> tuple[int, dict[str, object]]:
        headers = {"Host": f"registry.lab.test:{self.port}", "User-Agent": "LabTest/1.0"}
        url = f"http://127.0.0.1:{self.port}/v1/look-up"
        async with self._session.post(url, headers=headers, data=body) as response:
            return response.status, json.loads(await response.read())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab.start(log=tmp_path_factory.mktemp("lab") / "access.jsonl") as running:
        yield running


@asynccontextmanager
async def client_of(lab: Lab) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, lab.port)


@pytest.fixture
async def client(lab: Lab) -> AsyncIterator[Client]:
    async with client_of(lab) as asking:
        yield asking


class Markup(HTMLParser):
    """Reads a page, and what is wrong with it."""

    VOID = frozenset({"meta", "img", "link", "br", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.lang = self.title = ""
        self.metas: set[str] = set()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.data = 0
        if not html.startswith("<!DOCTYPE html>"):
            self.faults.append("no doctype")
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if len(said) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "html":
            self.lang = said.get("lang", "")
        if tag == "meta":
            self.metas.add(said.get("name", "charset" if "charset" in said else ""))
        if tag == "a":
            self.links.append(said["href"])
        if tag == "img":
            self.sources.append(said["src"])
            if not said.get("alt") or not said.get("width") or not said.get("height"):
                self.faults.append(f"the picture {said['src']} has no alt text or no size")
        if tag == "script" and said == {"type": "application/ld+json"}:
            self.data += 1
        elif tag in ("script", "link", "iframe"):
            self.faults.append(f"<{tag}> brings something in")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes what is not open")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "title":
            self.title += data
        if self.open and self.open[-1] == "style" and ("url(" in data or "@import" in data):
            self.faults.append("the style sheet brings something in")


def test_each_site_is_a_story() -> None:
    """There are at least 50 sites, each with a name of its own, a story, and two to eight further pages."""
    assert len(SITES) >= 50
    assert len({site.name for site in SITES}) == len(SITES)
    for site in SITES:
        assert 30 < len(site.story) < 300, site.name
        assert site.trait, site.name
        assert site.pages[0].path == "/", site.name
        assert 2 <= len(site.pages) - 1 <= 8, site.name
        assert len({page.path for page in site.pages}) == len(site.pages), site.name


async def test_every_page_is_sound(client: Client) -> None:
    """Every page is balanced HTML with a language, a title and alt texts, and needs nothing from outside."""
    for site, page in PAGES:
        got = await client.get(site.host, page.path)
        markup = Markup(got.body.decode())
        assert got.status == page.status, (site.name, page.path)
        assert markup.data == bool(page.json_ld), (site.name, page.path)
        assert got.headers["Content-Type"] == "text/html; charset=utf-8"
        assert markup.faults == [], (site.name, page.path)
        assert markup.lang == "en"
        assert markup.title.strip(), (site.name, page.path)
        assert {"charset", "viewport"} <= markup.metas
        assert b"color-scheme:light dark" in got.body


async def test_every_link_resolves_inside_the_lab(client: Client) -> None:
    """Every link and picture of every page leads to something that the lab answers, and every path is led to."""
    led_to: set[str] = set()
    for site, page in PAGES:
        here = f"http://{site.host}:{client.port}{page.path}"
        markup = Markup((await client.get(site.host, page.path)).body.decode())
        led_to |= {urljoin(here, link) for link in (*markup.links, *markup.sources)}
    for url in sorted(led_to):
        assert site_of(url) is not None, url
        chain = await client.follow(urlsplit(url).hostname or "", urlsplit(url).path, most=3)
        assert chain[-1][1] == PRICED.get(urlsplit(url).path, 200), url
        led_to.add(chain[-1][0])
    told = {f"http://{site.host}:{client.port}{path}" for site in SITES for path in site.expectation}
    assert told <= led_to


async def test_every_picture_opens(client: Client) -> None:
    """Every picture opens as what its name and media type say, in the size that the page says, 200 to 600 pixels."""
    formats = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
    for site, picture in PICTURES:
        got = await client.get(site.host, picture.path)
        image = Image.open(io.BytesIO(got.body))
        image.load()
        assert image.size == picture.size, picture.path
        assert all(200 <= side <= 600 for side in image.size), picture.path
        assert image.format == formats[picture.path.rpartition(".")[2]]
        assert got.headers["Content-Type"] == f"image/{image.format.lower()}"
    assert {picture.path.rpartition(".")[2] for _, picture in PICTURES} == set(formats)


async def test_the_re_upload_is_the_artists_picture(client: Client) -> None:
    """A re-upload is the artist's picture byte for byte, another the photographer's; no other two are the same."""
    digests: dict[str, list[str]] = {}
    for site, picture in PICTURES:
        body = (await client.get(site.host, picture.path)).body
        digests.setdefault(sha256(body).hexdigest(), []).append(site.name)
    same = [names for names in digests.values() if len(names) > 1]
    assert same == [["artist", "reupload"], ["lens", "pinboard"]]
    assert digests[sha256(draw(ARTIST_PICTURE)).hexdigest()] == ["artist", "reupload"]


async def test_signals_are_on_the_wire(client: Client) -> None:
    """What a page or picture declares in data arrives: header fields, repeats kept, and meta tags."""
    told: list[tuple[Site, Page | Picture]] = [*PAGES, *PICTURES]
    async with aiohttp.ClientSession() as session:
        for site, what in told:
            url, host = f"http://127.0.0.1:{client.port}{what.path}", {"Host": f"{site.host}:{client.port}"}
            async with session.get(url, headers=host) as response:
                sent = [(name, value) for name, value in response.headers.items()]
                body = await response.read()
            assert [pair for pair in what.headers if pair not in sent] == [], what.path
            if isinstance(what, Page):
                for name, _content in what.meta:
                    assert f'<meta name="{name}"'.encode() in body


async def test_every_request_is_logged_before_its_answer(tmp_path: Path) -> None:
    """Whoever has an answer is in the log, with host, method, path and query, user agent and status, in order."""
    with Lab.start(log=tmp_path / "access.jsonl") as lab:
        async with client_of(lab) as client:
            for path in ("/", "/ai.txt", "/nothing/here?a=1&b=%20"):
                await client.get("artist.lab.test", path)
                assert lab.requests()[-1].path == path
            await client.get("nobody.lab.test", "/")
            await client.look_up(b'{"urls": []}')
        seen = lab.requests()
    assert [(r.host, r.method, r.path, r.status) for r in seen] == [
        ("artist.lab.test", "GET", "/", 200),
        ("artist.lab.test", "GET", "/ai.txt", 200),
        ("artist.lab.test", "GET", "/nothing/here?a=1&b=%20", 404),
        ("nobody.lab.test", "GET", "/", 421),
        ("registry.lab.test", "POST", "/v1/look-up", 200),
    ]
    assert {r.user_agent for r in seen} == {"LabTest/1.0"}
    assert all(r.at.utcoffset() is not None for r in seen)
    assert [r.at for r in seen] == sorted(r.at for r in seen)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("lighthouse", 503),
        ("bakery", 429),
        ("club", 401),
        ("vault", 403),
        ("blog", 404),
        ("snail", 200),
        ("artist", 200),
    ],
)
async def test_robots_txt_answers_with_its_status(client: Client, host: str, status: int) -> None:
    """robots.txt answers as its story says, each time."""
    for _ in range(2):
        assert (await client.get(f"{host}.lab.test", "/robots.txt")).status == status


async def test_too_many_requests_says_when_to_come_back(client: Client) -> None:
    """A 429 has a Retry-After of one second."""
    assert (await client.get("bakery.lab.test", "/robots.txt")).headers["Retry-After"] == "1"


async def test_the_well_never_answers(client: Client, lab: Lab) -> None:
    """The well holds a request until the client leaves, and logs it without a status; other sites answer meanwhile."""
    with pytest.raises(TimeoutError):
        await client.get("well.lab.test", "/robots.txt", timeout_s=0.3)
    assert [r.status for r in lab.requests() if r.host == "well.lab.test" and r.path == "/robots.txt"] == [None]
    assert (await client.get("blog.lab.test", "/")).status == 200


async def test_the_carousel_goes_round(client: Client) -> None:
    """The carousel's robots.txt redirects to itself by way of two others."""
    chain = await client.follow("carousel.lab.test", "/robots.txt", most=4)
    assert [status for _, status in chain] == [302] * 4
    assert chain[0][0] == chain[3][0]


async def test_the_relay_takes_six_hops(client: Client) -> None:
    """The relay's robots.txt is there after six redirects, not after five."""
    chain = await client.follow("relay.lab.test", "/robots.txt", most=9)
    assert [status for _, status in chain] == [301] * 6 + [200]


async def test_the_branch_asks_another_host(client: Client) -> None:
    """The branch's robots.txt is two redirects away, on another host."""
    chain = await client.follow("branch.lab.test", "/robots.txt", most=9)
    assert [status for _, status in chain] == [302, 302, 200]
    assert urlsplit(chain[-1][0]).hostname == "headoffice.lab.test"


async def test_the_torn_page_is_cut(client: Client) -> None:
    """The torn robots.txt promises more bytes than come."""
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.get("torn.lab.test", "/robots.txt")


async def test_the_seesaw_comes_up(tmp_path: Path) -> None:
    """The seesaw's robots.txt answers 503 to whoever asks first, then 200 for good."""
    with Lab.start(log=tmp_path / "access.jsonl") as lab:
        async with client_of(lab) as client:
            statuses = [(await client.get("seesaw.lab.test", "/robots.txt")).status for _ in range(3)]
    assert statuses == [503, 200, 200]


async def test_odd_files_are_odd_in_their_bytes(client: Client) -> None:
    """UTF-16, carriage returns, U+2028 behind a byte order mark, HTML, and a rule near the end of the first 500 KiB."""

    async def robots(name: str) -> bytes:
        return (await client.get(f"{name}.lab.test", "/robots.txt")).body

    tower, typewriter, theater = await robots("tower"), await robots("typewriter"), await robots("theater")
    assert tower.startswith(b"\xff\xfe")
    assert "Disallow: /bells/\n" in tower.decode("utf-16")
    assert b"\r" in typewriter
    assert b"\n" not in typewriter
    assert theater.startswith(b"\xef\xbb\xbf")
    assert "\u2028Allow: /wings/" in theater.decode()
    assert (await robots("mirage")).startswith(b"<!DOCTYPE html>")
    long = await robots("encyclopedia")
    assert len(long) > FIRST_500_KIB > long.index(b"Disallow: /volumes/\n") > 400_000
    between = (await robots("orchard")).decode().splitlines()
    assert [line.partition(":")[0] for line in between if line] == ["User-agent", "Keeper", "User-agent", "Disallow"]


async def test_reservation_files_are_json_but_one(client: Client) -> None:
    """Every tdmrep.json is an array of rules, except the bookshop's, which is no JSON, and the wire's, an error."""
    path = "/.well-known/tdmrep.json"
    for site in (site for site in SITES if path in site.files):
        got = await client.get(site.host, path)
        if site.name == "wire":
            assert got.status == 500
        elif site.name == "bookshop":
            with pytest.raises(json.JSONDecodeError):
                json.loads(got.body)
        else:
            assert {tuple(rule)[:2] for rule in json.loads(got.body)} == {("location", "tdm-reservation")}


async def test_the_newspaper_names_whom_to_ask(client: Client) -> None:
    """The policy URL in the newspaper's tdmrep.json leads to an offer with a rights desk's address."""
    rules = json.loads((await client.get("newspaper.lab.test", "/.well-known/tdmrep.json")).body)
    policy = json.loads((await client.url(rules[0]["tdm-policy"])).body)
    assert policy["@type"] == "Offer"
    assert policy["assigner"]["vcard:hasEmail"] == "mailto:rights@newspaper.lab.test"
    assert policy["permission"][0]["duty"][0]["action"] == "obtainConsent"


async def test_works_carry_their_words(client: Client) -> None:
    """The reports are a PDF and a book that open, and hold their reservation inside; the leaflet holds none."""
    spring = await client.get("institute.lab.test", "/reports/spring.pdf")
    leaflet = await client.get("institute.lab.test", "/reports/leaflet.pdf")
    for got, reserved in ((spring, True), (leaflet, False)):
        assert got.headers["Content-Type"] == "application/pdf"
        with pikepdf.open(io.BytesIO(got.body)) as document:
            assert len(document.pages) == 1
            assert document.check_pdf_syntax() == []
            said = bytes(document.Root.Metadata.read_bytes()) if reserved else b""
        assert (b"<tdm:reservation>1</tdm:reservation>" in said) is reserved
    book = await client.get("institute.lab.test", "/reports/field-guide.epub")
    with zipfile.ZipFile(io.BytesIO(book.body)) as archive:
        assert archive.namelist()[0] == "mimetype"
        assert archive.testzip() is None
        assert b'<meta property="tdm:reservation">1</meta>' in archive.read("package.opf")


async def test_photographs_carry_their_words(client: Client) -> None:
    """What the photographer writes into a file is in its XMP, wherever the file is; a drawing has a C2PA manifest."""
    for host, path, key in (
        ("lens", "/prints/saltmarsh.jpg", "DMI-PROHIBITED-AIMLTRAINING"),
        ("pinboard", "/pins/2207.jpg", "DMI-PROHIBITED-AIMLTRAINING"),
        ("lens", "/prints/curlew.jpg", "DMI-ALLOWED"),
    ):
        image = Image.open(io.BytesIO((await client.get(f"{host}.lab.test", path)).body))
        assert f"/vocab/{key}<".encode() in image.info["xmp"]
    drawing = (await client.get("sketchbook.lab.test", "/drawings/otter.png")).body
    assert drawing[drawing.index(b"caBX") + 8 :].startswith(b"jumb")
    assert b"cawg.training-mining" in drawing


def test_registry_records_are_in_the_import_format(lab: Lab) -> None:
    """Every record parses, and the grants in force cover what is kept for them, and what robots.txt bars."""
    records = [parse_record(record) for record in lab.registry_records]
    granted = [r for r in records if r.verdict is Verdict.ALLOW and r.valid_until is None]
    scopes = [r.scope for r in granted if r.grantee in (None, AGENT_TOKEN)]
    for site in SITES:
        for path, told in site.expectation.items():
            url = f"http://{site.host}:{lab.port}{path}"
            reaches = any(covers(scope, url, grant=True) for scope in scopes)
            assert reaches == (told == CONSENTED or (site.name == "archive" and told == barred(Reason.ROBOTS_TXT))), url


async def test_the_registry_answers_out_of_order(client: Client, lab: Lab) -> None:
    """The registry answers each URL once, with its records, in another order than it was asked."""
    urls = [
        f"http://museum.lab.test:{lab.port}/",
        f"http://blog.lab.test:{lab.port}/may.html",
        f"http://photographer.lab.test:{lab.port}/portfolio/north.html",
        f"http://photographer.lab.test:{lab.port}/prices.html",
    ]
    for asked in (urls, urls[::-1], urls[1:3]):
        status, told = await client.look_up(json.dumps({"urls": asked}).encode())
        answers = told["answers"]
        assert isinstance(answers, list)
        assert status == 200
        assert sorted(answer["url"] for answer in answers) == sorted(asked)
        assert [answer["url"] for answer in answers] != asked
        known = {answer["url"]: [r["verdict"] for r in answer["records"]] for answer in answers}
        expected = dict(zip(urls, (["grant"], [], ["refuse"], []), strict=True))
        assert known == {url: expected[url] for url in asked}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"urls": "http://a/"}', b'{"urls": [1]}', b"\xff"])
async def test_the_registry_refuses_a_malformed_question(client: Client, body: bytes) -> None:
    """A question that is not in the format gives 400 and says what is."""
    status, told = await client.look_up(body)
    assert status == 400
    assert "expected POST" in str(told["error"])


def test_expectations_hold_together() -> None:
    """Under opt-in only a permission keeps; what it keeps opt-out keeps too; silence alone is answered differently."""
    for site in SITES:
        for path, told in site.expectation.items():
            if told.opt_in.outcome is Outcome.KEEP:
                assert told.opt_in.reason in PERMITTING, (site.name, path)
                assert told.opt_out.outcome is Outcome.KEEP, (site.name, path)
            if told.opt_out.reason is not Reason.SILENCE:
                assert told.opt_in == told.opt_out, (site.name, path)
    said = [told.opt_out for site in SITES for told in site.expectation.values()]
    assert {expected.reason for expected in said} == set(Reason)
    opt_out, opt_in = (expected_to_keep(80, policy) for policy in POLICIES)
    assert opt_in < opt_out
    keeping = {"museum", "archive", "birdsong", "herbarium", "lens"}
    assert {urlsplit(url).hostname for url in opt_in} == {f"{name}.lab.test" for name in keeping}


def test_trespasses_are_found() -> None:
    """A request for what is barred, deferred or unknown is a trespass; asking for rules is none where it is allowed."""
    allowed = [
        ("vault.lab.test", "/robots.txt"),
        ("artist.lab.test", "/"),
        ("artist.lab.test", "/ai.txt"),
        ("relay.lab.test", "/hop-6.txt"),
        ("newspaper.lab.test", "/policies/tdm.json"),
        ("rightsdesk.lab.test", "/licenses/free-for-training.xml"),
        ("herald.lab.test", "/.well-known/trust.txt"),
        ("ledger.lab.test", "/volumes/1931.html"),
        ("signpost.lab.test", "/old/letters.html"),
        ("registry.lab.test", "/v1/look-up"),
    ]
    trespassing = [
        ("artist.lab.test", "/works/heron.png"),
        ("archive.lab.test", "/private/letters.html"),
        ("lighthouse.lab.test", "/"),
        ("newspaper.lab.test", "/articles/ferry.html"),
        ("images.lab.test", "/lent/tide.jpg"),
        ("magazine.lab.test", "/issues/14.html"),
        ("blog.lab.test", "/may.html?print=1"),
        ("nobody.lab.test", "/"),
        ("vault.lab.test", "/ai.txt"),
    ]
    for policy in POLICIES:
        assert all(may_request(host, path, policy) for host, path in allowed)
        assert not any(may_request(host, path, policy) for host, path in trespassing)
        assert may_request("vault.lab.test", "/ai.txt", policy, eager=True)
    asked = [
        Request(at=datetime.now(UTC), host=host, method="GET", path=path, user_agent="", status=200)
        for host, path in (*allowed, *trespassing)
    ]
    assert [(r.host, r.path) for r in trespasses(asked, "opt-in")] == trespassing


def _run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crawler.lab", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """The command says in one line of JSON where it listens, writes the registry's file, and ends on a signal."""
    registry = tmp_path / "registry.jsonl"
    process = _run("--log", str(tmp_path / "a.jsonl"), "--registry-file", str(registry), "--until-eof")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert told["seeds"] == [f"http://{host}:{told['port']}/" for host in told["sites"]]
    assert told["resolve"] == "*.lab.test=127.0.0.1"
    assert [json.loads(line)["verdict"] for line in registry.read_text().splitlines()].count("refuse") == 1


async def test_the_closing_pipe_ends_it(tmp_path: Path) -> None:
    """The lab ends cleanly when its parent lets go, even while it holds somebody's request."""
    lab = Lab.start(log=tmp_path / "access.jsonl")
    async with client_of(lab) as client:
        waiting = asyncio.ensure_future(client.get("well.lab.test", "/robots.txt"))
        await client.get("snail.lab.test", "/robots.txt")
        assert {r.host for r in lab.requests()} == {"well.lab.test", "snail.lab.test"}
        assert await asyncio.to_thread(lab.stop) == 0
        with pytest.raises(aiohttp.ClientError):
            await waiting
    assert lab.stop() == 0


def test_what_prevents_it_is_said_in_one_line(tmp_path: Path) -> None:
    """A port that is taken, and a log that cannot be written, end the command with one line and status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = _run("--port", str(taken.getsockname()[1]), "--log", str(tmp_path / "a.jsonl"))
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, len(err.splitlines())) == (2, "", 1)
    assert "choose another --port" in err
    with pytest.raises(LabError, match=r"did not start \(exit status 2\): the lab could not start: .*choose another"):
        Lab.start(log=tmp_path / "no" / "such" / "folder" / "a.jsonl")


def test_a_missing_pillow_is_said_in_one_line(tmp_path: Path) -> None:
    """Without Pillow the command ends with one line that says what to install."""
    program = (
        "import runpy, sys; sys.modules['PIL'] = None; "
        f"sys.argv = ['lab', '--log', {str(tmp_path / 'a.jsonl')!r}]; "
        "runpy.run_module('crawler.lab', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "the lab draws its pictures with Pillow, which is not installed; run: pip install 'askfirst[lab]'"
    ]
