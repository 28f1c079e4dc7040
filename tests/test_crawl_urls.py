"""The spider ``urls``: lists as text, CSV, Parquet and sitemaps, read as streams, and crawls of them on loopback."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askfirst.items import read_items
from askfirst.ports import SettingsError
from crawler.spiders.urls import UrlsSpider
from crawler.url_lists import Entry, UrlList, sitemap_entries
from tests.crawl_process import asked_before, begin, crawl, items, kill, summary
from tests.small_web import Answer, Web, page, picture

A, B = "a.lab.test", "b.lab.test"
OPT_OUT = {"ASKFIRST_POLICY": "opt-out"}
NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def _urlset(*urls: str) -> bytes:
    return f'<?xml version="1.0"?><urlset {NS}>{"".join(f"<url><loc>{u}</loc></url>" for u in urls)}</urlset>'.encode()


def _index(*urls: str) -> bytes:
    entries = "".join(f"<sitemap><loc> {u}\n</loc></sitemap>" for u in urls)
    return f'<?xml version="1.0"?><sitemapindex {NS}>{entries}</sitemapindex>'.encode()


@pytest.mark.crawl
def test_a_list_is_crawled_and_its_links_are_not_followed(tmp_path: Path) -> None:
    """Every address of a list is requested once, on any host; nothing that is only linked or shown is; a crawl that is
    killed goes on where the list was read to."""
    answers = {(A, f"/{n}"): page("/linked", images=("/shown.png",)) for n in range(40)}
    answers[B, "/p.png"] = picture()
    with Web(answers) as web, asked_before(web, tmp_path / "out") as unasked:
        listed = [web.url(f"/{n}") for n in range(40)] + [web.url("/p.png", B)]
        source = tmp_path / "list.txt"
        source.write_text("# a list\n\n" + "\n".join([*listed, "no address", listed[0]]), encoding="utf-8")
        process = begin("urls", tmp_path / "out", OPT_OUT, source=str(source))
        web.wait_for(7)
        kill(process)
        had = {item.url for item in read_items(tmp_path / "out", note=print)}
        asked_until_then = len(web.resources())
        log = crawl("urls", tmp_path / "out", OPT_OUT, source=str(source))
    assert unasked == []
    assert set(items(tmp_path / "out")) == set(listed), log
    assert not had & {web.url(path, host) for host, path in web.resources()[asked_until_then:]}
    assert {path for _host, path in web.resources()} == {f"/{n}" for n in range(40)} | {"/p.png"}


@pytest.mark.crawl
def test_a_sitemap_leads_on_by_permission_and_through_silence(tmp_path: Path) -> None:
    """An index leads to sitemaps, packed or not, and these to pages, each through the gate; under opt-in a sitemap
    that silence refuses leads on too, and nothing is kept."""
    answers = {
        (A, "/index.xml"): Answer(_index(f"http://{A}:PORT/1.xml", f"http://{B}:PORT/2.xml"), "application/xml"),
        (A, "/1.xml"): Answer(_urlset(f"http://{A}:PORT/one", f"http://{A}:PORT/two"), "text/xml"),
        (B, "/2.xml"): Answer(_urlset(f"http://{B}:PORT/three"), "application/xml"),
        (B, "/robots.txt"): Answer(b"User-agent: *\nDisallow: /2.xml\n", "text/plain"),
        (A, "/one"): page(),
        (A, "/two"): page(),
    }
    with Web(answers) as web, asked_before(web, tmp_path / "in") as unasked:
        crawl("urls", tmp_path / "in", {"ASKFIRST_POLICY": "opt-in"}, source=web.url("/index.xml"))
        looked = sorted(web.resources())
    assert unasked == []
    assert looked == [(A, "/1.xml"), (A, "/index.xml"), (A, "/one"), (A, "/two")]
    assert items(tmp_path / "in") == {}
    with Web(answers) as web:
        crawl("urls", tmp_path / "out", OPT_OUT, source=web.url("/index.xml"))
        assert set(items(tmp_path / "out")) == {web.url("/one"), web.url("/two")}
    addresses = summary(tmp_path / "out")["addresses"]
    assert {name: number for name, number in addresses.items() if number} == {  # type: ignore[attr-defined]
        "kept": 2,
        "refused": 1,
        "read": 2,
    }


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("plain.txt", b"# words\nhttp://h/1\n\n  http://h/2\r\n", None),
        ("bom.txt", b"\xef\xbb\xbfhttp://h/1\nhttp://h/2", None),
        ("packed.txt.gz", gzip.compress(b"http://h/1\nhttp://h/2\n", mtime=0), None),
        ("named.csv", b'name,url\n"a, b",http://h/1\nc,http://h/2\n', None),
        ("asked.csv", b"url,link\nx,http://h/1\ny,http://h/2\n", "link"),
        ("headless.csv", b"http://h/1,a\nhttp://h/2,b\n", None),
        ("header.csv", b"address,n\nhttp://h/1,a\nhttp://h/2,b\n", None),
        ("tabs.tsv", b"n\turl\n1\thttp://h/1\n2\thttp://h/2\n", None),
        ("map.xml", _urlset("http://h/1", "http://h/2"), None),
        ("map.xml.gz", gzip.compress(_urlset("http://h/1", "http://h/2"), mtime=0), None),
    ],
)
def test_lists_of_every_form_are_read(tmp_path: Path, name: str, content: bytes, column: str | None) -> None:
    """Text, CSV, TSV and sitemaps give their addresses in order, packed or not."""
    (tmp_path / name).write_bytes(content)
    listed = UrlList.open(str(tmp_path / name), column=column)
    assert [entry.url for entry in listed.entries()] == ["http://h/1", "http://h/2"]


def test_a_parquet_column_is_read(tmp_path: Path) -> None:
    """The column ``url`` of a Parquet file, or the one asked for, is read."""
    path = str(tmp_path / "list.parquet")
    pq.write_table(pa.table({"url": ["http://h/1", None], "other": ["http://h/2", "http://h/3"]}), path)
    assert [entry.url for entry in UrlList.open(path).entries()] == ["http://h/1", ""]
    assert [entry.url for entry in UrlList.open(path, column="other").entries()] == ["http://h/2", "http://h/3"]


def test_a_sitemap_index_is_told_from_a_sitemap() -> None:
    """An index's entries are sitemaps; other vocabularies' ``loc`` is not taken; what is no sitemap gives None."""
    assert sitemap_entries(_index("http://h/1.xml")) == [Entry("http://h/1.xml", is_sitemap=True)]
    image = _urlset("http://h/1").replace(b"</loc>", b"</loc><i:image xmlns:i='x'><i:loc>http://h/i</i:loc></i:image>")
    assert sitemap_entries(image) == [Entry("http://h/1")]
    many = [f"http://h/{n}" for n in range(5_000)]
    entries = sitemap_entries(gzip.compress(_urlset(*many), mtime=0))
    assert entries is not None
    assert [entry.url for entry in entries] == many
    for other in (b"", b"<", b"words", b"\x1f\x8bwords"):
        assert sitemap_entries(other) is None
    assert sitemap_entries(b"<html></html>") == []


@pytest.mark.parametrize(
    ("name", "content", "column", "word"),
    [
        (None, b"", None, "source"),
        ("missing.txt", None, None, "missing.txt"),
        ("words.parquet", b"words", None, "parquet"),
        ("words.xml", b"words", None, "sitemap"),
        ("words.txt.gz", b"words", None, "gz"),
        ("latin.txt", b"http://h/\xff\n", None, "latin.txt"),
        ("list.csv", b"a,b\n1,2\n", "url", "no column 'url'"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_line(
    tmp_path: Path, name: str | None, content: bytes | None, column: str | None, word: str
) -> None:
    """A list that is not there or not what its name says is a SettingsError of one line that names it."""
    source = None if name is None else str(tmp_path / name)
    if source is not None and content is not None:
        Path(source).write_bytes(content)
    with pytest.raises(SettingsError, match=word) as raised:
        UrlsSpider(source=source, column=column)
    assert "\n" not in str(raised.value)
