"""XMP packets, package documents, free text and addresses: any bytes, hostile ones, and every form of one property."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights import opf, safe_xml, xmp
from askfirst.rights.contact_words import MAX_URL_CHARS, first_web_url, mailto, tel, web_url
from askfirst.rights.origins import is_web_url
from askfirst.rights.prose import refusing_sentence
from tests import works

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
PACKET = works.data_mining(
    "DMI-PROHIBITED", padding=50, more="<dc:rights><rdf:Alt><rdf:li>© A</rdf:li></rdf:Alt></dc:rights>"
)


def mined(body: bytes) -> list[str]:
    """What the packet says of data mining."""
    return [value.text.strip() for value in xmp.packet(body).of("plus:DataMining")]


@given(body=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
@settings(max_examples=200, deadline=None)
def test_any_bytes_never_raise(body: bytes) -> None:
    """Whatever the bytes, they are read."""
    assert xmp.packet(body).values == ()
    assert opf.package(body).metas == ()
    assert isinstance(list(xmp.excerpts(body, b"a")), list)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_edit_of_a_packet_never_raises(data: st.DataObject) -> None:
    """A packet in any encoding, with pieces overwritten, is read as far as it goes."""
    body = PACKET.decode().encode(data.draw(st.sampled_from(["utf-8", "utf-16", "utf-16-be", "utf-32", "utf-7"])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        piece = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from(PIECES)))
        body = body[:at] + piece + body[at + data.draw(st.integers(0, 12)) :]
    assert all(value.name == "plus:DataMining" for value in xmp.packet(body).of("plus:DataMining"))
    assert opf.package(body).links == ()


PIECES = [
    b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"&#0;", b"&amp;", b"&x;", b"<!DOCTYPE a [", b"<!ENTITY a 'b'>", b"\0",
    b"<rdf:li>", b"</rdf:RDF>", b' xmlns:plus=""', b"xmlns=", b"\xff\xfe", b"\xed\xa0\x80", b"<", b">", b'"', b"</_>",
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32"])
@pytest.mark.parametrize("wrapper", [True, False])
def test_every_encoding_is_told_by_its_bytes(encoding: str, wrapper: bool) -> None:
    """With a mark or without, declared or not, the property is found and the packet is whole."""
    body = works.data_mining("DMI-ALLOWED", encoding=encoding, wrapper=wrapper)
    assert mined(body) == [works.VOCABULARY + "DMI-ALLOWED"]
    assert xmp.packet(body).flaw is None


def test_a_declaration_of_another_encoding_is_not_believed() -> None:
    """XMP is UTF; a declaration that says otherwise was copied from elsewhere."""
    body = b"<?xml version='1.0' encoding='IBM037'?>" + works.data_mining("DMI-ALLOWED", wrapper=False)
    assert mined(body) == [works.VOCABULARY + "DMI-ALLOWED"]


def test_outermost_and_ingredients_are_told_apart() -> None:
    """A property of the work is not one of something in it, nor of an ingredient."""
    pantry = (
        '<m:Pantry xmlns:m="http://ns.adobe.com/xap/1.0/mm/"><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<plus:DataMining>b</plus:DataMining></rdf:li></rdf:Bag></m:Pantry>"
    )
    body = works.xmp(f"<plus:DataMining>a</plus:DataMining>{pantry}<dc:title plus:DataMining='c'/>")
    assert [(v.text, v.outermost, v.ingredient) for v in xmp.packet(body).of("plus:DataMining")] == [
        ("a", True, False),
        ("b", False, True),
        ("c", False, False),
    ]


def test_the_fields_of_a_struct_have_one_owner() -> None:
    """Names and addresses of two licensors are not mixed up."""
    one = '<rdf:li plus:LicensorName="A" plus:LicensorURL="https://a.example"/>'
    two = (
        "<rdf:li><rdf:Description plus:LicensorName='B'>"
        "<plus:LicensorURL>https://b.example</plus:LicensorURL></rdf:Description></rdf:li>"
    )
    body = works.xmp(f"<plus:Licensor><rdf:Seq>{one}{two}</rdf:Seq></plus:Licensor>")
    values = sorted(xmp.packet(body).values, key=lambda value: value.owner)
    owned = {
        owner: {v.text for v in group} for owner, group in itertools.groupby(values, key=lambda value: value.owner)
    }
    assert list(owned.values()) == [{"A", "https://a.example"}, {"B", "https://b.example"}]


def test_a_packet_that_is_cut_anywhere_shows_what_stands_before_the_cut() -> None:
    """Once the value is there, it is read, wherever the packet ends behind it."""
    value = works.VOCABULARY.encode() + b"DMI-PROHIBITED"
    end = PACKET.index(value) + len(value)
    for cut in range(len(PACKET)):
        said = mined(PACKET[:cut])
        if cut >= end:
            assert said == [value.decode()], cut
        assert xmp.packet(PACKET[:cut]).flaw is not None or cut > PACKET.rindex(b"</x:xmpmeta>")


def test_what_stands_behind_a_flaw_is_read() -> None:
    """An ampersand that nobody escaped does not silence what comes behind it."""
    body = works.xmp("<dc:rights>Smith & Sons</dc:rights><plus:DataMining>a</plus:DataMining>")
    assert mined(body) == ["a"]
    assert "well-formed" in (xmp.packet(body).flaw or "")


def test_entities_are_not_expanded() -> None:
    """Nothing that a document declares becomes text, in an element or an attribute, and nothing is loaded."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}<!ENTITY f SYSTEM "file:///etc/passwd">]>'.encode()
    for inner in ("<plus:DataMining>&l9;&f;</plus:DataMining>", '<dc:x plus:DataMining="&l9;"/>'):
        read = xmp.packet(head + works.xmp(inner, wrapper=False))
        assert read.flaw is not None
        assert all("ha" not in value.text and "root" not in value.text for value in read.values)


def hostile() -> list[tuple[str, bytes]]:
    """Documents that would cost time or memory that is not in proportion to them."""
    head = f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:plus="{PLUS}"><rdf:Description>'.encode()
    long = b"u:" + b"x" * 500_000
    return [
        ("empty elements", head + b"<a/>" * 600_000),
        ("depth", head + b"<a>" * 300_000),
        ("nested properties", head + b"<plus:DataMining>" * 60_000),
        ("nested properties, 200 deep", head + (b"<plus:DataMining>" * 200 + b"</plus:DataMining>" * 200) * 300),
        ("many properties", head + b"<plus:DataMining>DMI-PROHIBITED</plus:DataMining>" * 20_000),
        ("many fields", head + b'<rdf:li plus:LicensorURL="https://a.example/"/>' * 20_000),
        ("attributes", head + b"<a " + b" ".join(b"a%d='1'" % n for n in range(100_000)) + b"/>"),
        ("long namespace", b"<a xmlns:p='%b'>" % long + b"<p:b/>" * 80_000),
        ("long namespace, attributes", b"<a xmlns:p='%b' " % long + b" ".join(b"p:a%d=''" % n for n in range(50_000))),
        ("many namespaces", b"<a>" + b"".join(b"<b xmlns:p%d='u%d'>" % (n, n) for n in range(250)) * 100),
        ("open quotes", head + b"<a b='" * 200_000),
        ("open comments", head + b"<!--" * 200_000),
        ("references", head + b"<plus:DataMining>" + b"&#65;" * 400_000),
        ("unknown references", head + b"<plus:DataMining>" + b"&x;" * 300_000),
        ("keys", b"DMI-PROHIBITED-" * 100_000),
        ("reservations", b"tdm:reservation" * 100_000),
        ("one value", head + b"<plus:OtherConstraints>" + b"no ai. " * 200_000),
        ("one word", head + b"<plus:OtherConstraints>" + b"a" * 1_000_000 + b"@"),
        ("declarations", b"<?xml " * 200_000),
        ("doctypes", b"<!DOCTYPE a " * 100_000),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "body"), hostile(), ids=[name for name, _ in hostile()])
def test_hostile_documents_are_read_within_bounds(name: str, body: bytes) -> None:
    """A megabyte of anything is read, and few values are kept; what took the square of it would meet pytest-timeout."""
    read = xmp.packet(body)
    list(xmp.excerpts(body, b"dmi-pro"))
    opf.package(body)
    assert len(read.values) <= 2_000


@pytest.mark.parametrize(
    ("abouts", "outermost"),
    [
        (["", ""], [True, True]),
        (["uuid:1", "uuid:1"], [True, True]),
        (["", "uuid:1"], [True, False]),
        (["uuid:1", "uuid:2"], [False, False]),
        (["https://other.example/p"], [False]),
        (["p.jpg/part"], [False]),
    ],
)
def test_a_property_of_something_else_is_not_of_the_work(abouts: list[str], outermost: list[bool]) -> None:
    """All nodes of a packet are about the same (ISO 16684-1, section 7.4): where they are not, which is the work?"""
    nodes = "".join(
        f'<rdf:Description rdf:about="{about}"><plus:DataMining>DMI-ALLOWED</plus:DataMining></rdf:Description>'
        for about in abouts
    )
    read = xmp.packet(f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:plus="{PLUS}">{nodes}</rdf:RDF>'.encode())
    assert [value.outermost for value in read.values] == outermost


@pytest.mark.parametrize(
    "prefix",
    [
        "tdm: http://www.w3.org/ns/tdmrep#",
        "a: http://a.example/ tdm: http://www.w3.org/ns/tdmrep#",
        "tdm:http://www.w3.org/ns/tdmrep#",
        "a:http://a.example/\n tdm:\thttp://www.w3.org/ns/tdmrep#",
    ],
)
def test_prefixes_are_bound(prefix: str) -> None:
    """With white space behind the colon or without."""
    book = opf.package(
        f'<package prefix="{prefix}"><metadata><meta property="tdm:reservation">1</meta></metadata></package>'.encode()
    )
    assert [meta.prefix for meta in book.metas] == ["http://www.w3.org/ns/tdmrep#"]


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("L'auteur réserve ses droits. Interdit à l'entraînement de l'IA", "Interdit à l'entraînement de l'IA"),
        (
            "We reserve all rights incl. text and data mining. Thanks",
            "We reserve all rights incl. text and data mining",
        ),
        ("All rights reserved. Machine learning conference", None),
        ("Photo of Ai Weiwei. No flash", None),
    ],
)
def test_sentences_that_refuse_training(text: str, refuses: str | None) -> None:
    """Words behind an apostrophe count, and an abbreviation ends nothing."""
    assert refusing_sentence(text) == refuses


def test_packets_are_remembered() -> None:
    """Several readers ask for each packet; it is parsed once."""
    assert xmp.packet(PACKET) is xmp.packet(PACKET)


def test_what_is_not_there_is_told_without_a_parse() -> None:
    """``mentions`` never misses a property, whatever the encoding."""
    assert not xmp.mentions(works.xmp("<dc:title/>"), b"DataMining")
    for encoding in ("utf-8", "utf-16", "utf-32"):
        assert xmp.mentions(works.data_mining("DMI-ALLOWED", encoding=encoding), b"DataMining")


def test_decoding_never_raises() -> None:
    """NULs anywhere in the first bytes are no encoding, or one, and never an error."""
    for places in itertools.product(b"\0<", repeat=8):
        assert "\0" not in safe_xml.decoded(bytes(places) * 8)


# -- words ------------------------------------------------------------------------------------------------------------


@given(text=st.one_of(st.text(max_size=80), st.from_regex(r"[a-z.@:/w ]{0,40}", fullmatch=True)))
@settings(max_examples=200, deadline=None)
def test_what_is_passed_on_can_be_followed(text: str) -> None:
    """Whatever the text, an address is a web address, a mail address or a telephone number, and can be written."""
    for url in (web_url(text), first_web_url(text)):
        assert url is None or (is_web_url(url) and url.encode("utf-8"))
    assert (mailto(text) or "mailto:a@b.c").count("@") == 1
    assert (tel(text) or "tel:1").partition(":")[2].lstrip("+").isdigit()
    assert refusing_sentence(text) is None or text


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example/x?y=1", "https://a.example/x?y=1"),
        (" www.a.example ", "https://www.a.example"),
        ("a.example/terms", "https://a.example/terms"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://a.example/ b", None),
        ('https://a.example/"onclick', None),
        ("http://", None),
        ("ftp://a.example/", None),
        ("a", None),
    ],
)
def test_web_addresses(text: str, url: str | None) -> None:
    """Only http and https, and nothing that breaks out of an attribute."""
    assert web_url(text) == url


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ada <ada@a.example>", "mailto:ada@a.example"),
        ("a@b.example, c@d.example", "mailto:a@b.example"),
        ("mailto:a@b.example?cc=all@x.example", "mailto:a@b.example"),
        ("ada at a.example", None),
        ("a@b", None),
        ("a@@b.example", None),
    ],
)
def test_mail_addresses(text: str, address: str | None) -> None:
    """The first address, and no header that somebody hung on it."""
    assert mailto(text) == address


@pytest.mark.parametrize(
    ("text", "number"),
    [("+43 (1) 234-56", "tel:+43123456"), ("0043 1 23456", "tel:0043123456"), ("call me", None), ("12", None)],
)
def test_telephone_numbers(text: str, number: str | None) -> None:
    """Digits, and a plus in front."""
    assert tel(text) == number


def test_a_url_in_a_sentence_ends_before_its_full_stop() -> None:
    """Punctuation around an address is no part of it."""
    assert first_web_url("Terms (see https://a.example/t).") == "https://a.example/t"
    assert first_web_url('<a href="https://a.example/t">') == "https://a.example/t"
    assert first_web_url("no address") is None


def test_long_texts_of_words_are_read_within_bounds() -> None:
    """A million characters of anything are looked at and name nobody; what took the square of it would meet
    pytest-timeout."""
    for text in (
        "a" * 1_000_000,
        "a." * 500_000,
        "@" * 1_000_000,
        "http://" * 150_000,
        "www." * 250_000,
        "no ai; " * 150_000,
    ):
        assert (web_url(text), mailto(text), tel(text)) == (None, None, None)
        assert len(first_web_url(text) or "") <= MAX_URL_CHARS
        assert len(refusing_sentence(text) or "") <= len(text)
