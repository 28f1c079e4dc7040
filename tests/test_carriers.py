"""Rights metadata is found in the bytes of real works, and in whatever is left of them."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import pikepdf
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.carriers import MOST_PACKETS, is_of_a_part, png
from askfirst.rights.html import relied_on
from askfirst.rights.inside import C2PA, FIELDS, OPF, UNREADABLE, XMP, inside
from askfirst.rights.media import content_type as media
from askfirst.rights.model import Category, Intent, Kind, Observation, Purpose, Verdict
from askfirst.rights.policy import OPT_OUT, STRICT
from askfirst.rights.read import read
from askfirst.rights.wire import reading_to_wire
from tests import works
from tests.fuzz import AGENT
from tests.works import data_mining, response

PACKET = data_mining("DMI-PROHIBITED")
BARE = data_mining("DMI-PROHIBITED", wrapper=False)
WIDE = data_mining("DMI-PROHIBITED", encoding="utf-16-be")
STORE = works.jumbf(payload=b'{"claim": 1}')
EXIF = works.exif(copyright="© A. Painter", artist="A. Painter")
IPTC = works.iptc({(2, 116): "© A. Painter", (2, 40): "no AI training", (2, 120): "a caption"})
EXTENDED = works.xmp("<dc:rights>no AI training</dc:rights>" + " " * 90_000, wrapper=False)
STANDARD = works.extended_pair("", EXTENDED)


def found(work: bytes, content_type: str = "", *, truncated: bool = False) -> list[tuple[str, bytes]]:
    """The packets: content type and body."""
    return [(str(media(o)), o.body) for o in inside(response(work, content_type, truncated=truncated))]


def of_type(work: bytes, media_type: str) -> list[bytes]:
    return [body for told, body in found(work) if told == media_type]


def fields(work: bytes) -> dict[str, str]:
    """The fields that were found: place to text."""
    return {f["at"]: f["text"] for body in of_type(work, FIELDS) for f in json.loads(body)}


XMP_WORKS: Mapping[str, Callable[[bytes], bytes]] = {
    "jpeg": works.jpeg,
    "jpeg with everything": lambda p: works.jpeg(p, exif=EXIF, iptc=IPTC, c2pa=STORE),
    "png": works.png,
    "png behind the picture": lambda p: works.png(p, late=True),
    "png deflated": lambda p: works.png(p, compressed=True),
    "webp": works.webp,
    "tiff": works.tiff,
    "bigtiff": lambda p: works.tiff(p, big=True),
    "tiff big-endian": lambda p: works.tiff_by_hand({700: (1, p)}),
    "gif": works.gif,
    "avif": works.avif,
    "heif": works.heif,
    "heif idat": lambda p: works.heif(p, construction=1),
    "heif in parts": lambda p: works.heif(p, parts=3),
    "mp4": works.mp4,
    "pdf": works.pdf,
    "pdf object streams": lambda p: works.pdf(p, object_streams=True),
    "pdf clear in encryption": lambda p: works.pdf(p, password="x", clear_metadata=True),
    "pdf pypdf": works.pdf_by_pypdf,
    "pdf pypdf untyped": lambda p: works.pdf_by_pypdf(p, typed=False),
    "pdf deflated": lambda p: works.pdf_by_pypdf(p, compressed=True),
    "pdf deflated untyped": lambda p: works.pdf_by_pypdf(p, compressed=True, typed=False),
    "sidecar": lambda p: p,
}  # fmt: skip
OTHER_WORKS: Mapping[str, bytes] = {
    "jpeg extended": works.jpeg(STANDARD, extended=EXTENDED),
    "jpeg fields": works.jpeg(exif=EXIF, iptc=IPTC, c2pa=works.jumbf(payload=b"x" * 200_000)),
    "jpeg plain": works.jpeg(),
    "png fields": works.png(text={"Copyright": "© A", "Author": "À €", "Software": "x"}, exif=EXIF, c2pa=STORE),
    "webp fields": works.webp(exif=EXIF, c2pa=STORE),
    "tiff fields": works.tiff(copyright="C", artist="A", iptc=IPTC),
    "avif fields": works.avif(exif=EXIF, c2pa=STORE),
    "mp4 c2pa": works.mp4(c2pa=STORE),
    "epub": works.epub("<dc:rights>no AI</dc:rights>"),
    "epub 2": works.epub("<dc:rights>no AI</dc:rights>", version=2, method=zipfile.ZIP_STORED),
    "epub encrypted": works.epub(encrypted=True),
    "svg": works.svg(PACKET),
    "pdf images": works.pdf(PACKET, images=[data_mining("DMI-ALLOWED"), BARE]),
    "pdf encrypted": works.pdf(PACKET, password="x"),
}
REAL: Mapping[str, bytes] = {**{name: make(PACKET) for name, make in XMP_WORKS.items()}, **OTHER_WORKS}
every_work = pytest.mark.parametrize("name", REAL)


# -- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", XMP_WORKS)
def test_an_xmp_packet_is_handed_out_as_it_stands(name: str) -> None:
    """Every carrier gives the same bytes back, once, and says where and when they were seen."""
    seen = response(XMP_WORKS[name](PACKET))
    (packet,) = (o for o in inside(seen) if o.headers == (("Content-Type", XMP),))
    assert packet.body == PACKET
    assert not packet.truncated
    assert (packet.document.kind, packet.document.url, packet.status) == (Kind.ASSET, seen.document.url, None)
    assert packet.observed_at == seen.observed_at


@pytest.mark.parametrize("name", [n for n in XMP_WORKS if n not in {"pdf pypdf untyped", "sidecar"}])
def test_a_packet_in_utf_16_is_found(name: str) -> None:
    """XMP may be UTF-16 where a container holds it (XMP part 1, "Character encoding")."""
    assert of_type(XMP_WORKS[name](WIDE), XMP) == [WIDE]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_packets_are_found_by_their_marks(encoding: str) -> None:
    """In a container that is not known, UTF-16 and UTF-32 are looked for, too."""
    packet = data_mining("DMI-PROHIBITED", encoding=encoding)
    assert of_type(b"8BPS" + bytes(99) + packet + bytes(77), XMP) == [packet]


@every_work
def test_a_wrong_content_type_silences_nobody(name: str) -> None:
    """The bytes say what they are, whatever the field says."""
    if name in {"sidecar", "svg"}:  # these are text
        return
    as_told = found(REAL[name])
    for told in ("text/html", "text/plain", "image/png", "application/octet-stream"):
        assert found(REAL[name], told) == as_told


def test_a_packet_served_as_plain_text_is_still_a_packet() -> None:
    """A sidecar and an SVG are text, and begin as no page does."""
    assert of_type(PACKET, XMP) == [PACKET]
    for work in (PACKET, works.svg(PACKET)):
        assert found(work, "text/plain") == found(work, "image/svg+xml") == [(XMP, PACKET)]


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><title>x</title>" + PACKET,
        b"<?xml version='1.0'?><!DOCTYPE html><html>" + PACKET,
        b"{}" + PACKET,
        b"",
        b"hello",
    ],
)
def test_text_is_not_looked_into(page: bytes) -> None:
    """A page about XMP is not a work with XMP."""
    for told in ("text/html", "text/plain", "application/json"):
        assert found(page, told) == []


def test_extended_xmp_is_put_together() -> None:
    """The standard packet is one find, the extended one, from its portions in any order, another."""
    assert of_type(OTHER_WORKS["jpeg extended"], XMP) == [STANDARD, EXTENDED]
    plain = works.jpeg(STANDARD)
    portions = works.extension_segments(EXTENDED)
    backwards = plain[:2] + b"".join(reversed(portions)) + plain[2:]
    assert of_type(backwards, XMP) == [STANDARD, EXTENDED]
    (standard, extended) = inside(response(plain[:2] + portions[0] + plain[2:]))
    assert not standard.truncated
    assert extended.truncated
    assert EXTENDED.startswith(extended.body)


def test_exif_iptc_and_png_fields_are_read() -> None:
    """Only those that speak of rights, decoded."""
    painter, copyrighted = "A. Painter", "© A. Painter"
    exif = {"EXIF 0x013B Artist": painter, "EXIF 0x8298 Copyright": copyrighted}
    iptc = {"IPTC 2:116 Copyright Notice": copyrighted, "IPTC 2:40 Special Instructions": "no AI training"}
    assert fields(REAL["jpeg fields"]) == exif | iptc
    assert fields(REAL["webp fields"]) == fields(REAL["avif fields"]) == exif
    assert fields(REAL["png fields"]) == exif | {"PNG Copyright": "© A", "PNG Author": "À €"}
    assert fields(REAL["tiff fields"]) == {"EXIF 0x013B Artist": "A", "EXIF 0x8298 Copyright": "C"} | iptc
    assert fields(works.jpeg(iptc=works.iptc({(2, 116): "© Ü"}, utf8=False))) == {"IPTC 2:116 Copyright Notice": "© Ü"}
    assert fields(works.jpeg(exif=works.exif(copyright="© Ü", order=">", encoding="latin-1"))) == {
        "EXIF 0x8298 Copyright": "© Ü"
    }
    assert fields(works.jpeg(exif=works.exif(artist="Ü" * 5_000))) == {"EXIF 0x013B Artist": "Ü" * 2_000}
    assert of_type(works.jpeg(exif=works.exif()), FIELDS) == []


def test_fields_are_canonical_json() -> None:
    """The body is one form of the same list, so that digests of it can be compared."""
    assert of_type(works.jpeg(exif=works.exif(artist="A")), FIELDS) == [b'[{"at":"EXIF 0x013B Artist","text":"A"}]']


@pytest.mark.parametrize("size", [10, 64_992, 65_000, 200_000])
def test_a_c2pa_store_is_handed_out_as_it_stands(size: int) -> None:
    """From every carrier, in one piece or several."""
    store = works.jumbf(payload=bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    carriers = [
        works.jpeg(c2pa=store), works.png(c2pa=store), works.webp(c2pa=store), works.avif(c2pa=store),
        works.mp4(c2pa=store), works.heif(PACKET, c2pa=store), works.tiff_by_hand({52545: (7, store), 700: (1, PACKET)}),
        works.pdf_by_hand((b"/Subtype/XML", PACKET), (b"/Type/EmbeddedFile", store)), b"ID3\4\0\0\0\0\0\0GEOB" + store + bytes(9),
    ]  # fmt: skip
    for work in carriers:
        (packet,) = (o for o in inside(response(work)) if o.headers[0][1] == C2PA)
        assert packet.body == store
        assert not packet.truncated


def test_a_c2pa_store_beyond_four_mebibytes_is_cut() -> None:
    """What is kept as evidence is bounded."""
    store = works.jumbf(payload=bytes(5_000_000))
    for work in (works.png(c2pa=store), works.jpeg(c2pa=store), works.mp4(c2pa=store)):
        (packet,) = inside(response(work))
        assert packet.truncated
        assert packet.body == store[: 4 * 1_048_576]


def test_other_jumbf_is_no_c2pa_store() -> None:
    """JUMBF also carries 360-degree pictures and the like."""
    other = works.jumbf().replace(b"c2pa\x00\x11", b"json\x00\x11")
    assert found(works.jpeg(c2pa=other)) == []


@pytest.mark.parametrize("version", [2, 3])
def test_the_package_document_of_an_epub_is_found(version: int) -> None:
    """Wherever the container says it is."""
    package = works.opf("<dc:rights>no AI</dc:rights>", version=version)
    for path in ("content.opf", "OEBPS/content.opf", "a b/ü&amp;.opf"):
        kept = path.replace("&amp;", "&")
        book = works.epub(path=kept, package=package, container=works._CONTAINER.format(path=path))
        assert found(book) == [(OPF, package)]
    assert found(works.epub(package=package, method=zipfile.ZIP_STORED)) == [(OPF, package)]
    assert found(works.epub(package=package)[:-30]) == [(OPF, package)], "a book that was cut has no directory"
    for front in (b"\r\n", b"\xef\xbb\xbf", b"#!/bin/sh\n"):
        assert found(front + works.epub(package=package)) == [(OPF, package)], "readers of ZIP begin at its end"
    assert of_type(works.epub(package=package).replace(b"PK\x05\x06", b"PK\x05\x07"), OPF) == [package]


def test_other_zips_say_nothing() -> None:
    """A ZIP without a container document is no EPUB."""
    book = works.epub(first={"a": b"b"}).replace(b"META-INF/container.xml", b"META-INF/c0ntainer.xml")
    assert found(b"PK\x03\x04" + book[30:]) == []


def test_an_encrypted_book_is_remarked() -> None:
    """Nothing is decrypted."""
    assert found(REAL["epub encrypted"]) == [(UNREADABLE, b"META-INF/container.xml of an EPUB is encrypted")]
    odd = works.epub(method=zipfile.ZIP_BZIP2)
    assert found(odd) == [
        (UNREADABLE, b"META-INF/container.xml of an EPUB is compressed by method 12, which is not read")
    ]


def test_every_metadata_stream_of_a_pdf_is_found() -> None:
    """The document's, and those of the images in it."""
    allowed = data_mining("DMI-ALLOWED")
    assert sorted(of_type(works.pdf(PACKET, images=[allowed, BARE]), XMP)) == sorted([PACKET, allowed, BARE])


@pytest.mark.parametrize(
    "entries",
    [
        b"/Type/Metadata/Subtype/XML", b"/Subtype  /XML ", b"/Type\r\n/Metadata /Subtype\t/XML", b"/Subtype /#58ML",
        b"/Sub#74ype/X#4dL", b"/#54ype /M#65tadata", b"", b"/Filter[]", b"/Filter /Crypt /DecodeParms << /Name /Identity >>",
    ],
)  # fmt: skip
def test_the_dictionary_of_a_metadata_stream_may_be_written_in_many_ways(entries: bytes) -> None:
    """Any spacing, and names with escapes."""
    assert found(works.pdf_by_hand((entries, PACKET))) == [(XMP, PACKET)]
    assert found(works.pdf_by_hand((entries, BARE))) == [(XMP, BARE)]


@pytest.mark.parametrize(
    "entries", [b"/Filter/FlateDecode", b"/Filter [ /Fl ]", b"/Filter[/Crypt/FlateDecode]", b"/Filter/Flat#65Decode"]
)
def test_deflated_metadata_is_read(entries: bytes) -> None:
    """FlateDecode, alone or with the identity of Crypt."""
    assert found(works.pdf_by_hand((b"/Subtype/XML" + entries, zlib.compress(PACKET)))) == [(XMP, PACKET)]
    twice = zlib.compress(zlib.compress(PACKET))
    assert found(works.pdf_by_hand((b"/Subtype/XML/Filter[/Fl/FlateDecode]", twice))) == [(XMP, PACKET)]


def test_an_indirect_or_wrong_length_is_no_obstacle() -> None:
    """A stream ends at endstream."""
    work = works.pdf_by_hand((b"/Subtype/XML", PACKET))
    for wrong in (b"/Length 9 0 R>>", b"/Length 3>>", b"/Length 99999999>>", b">>"):
        changed = work.replace(b"/Length %d>>" % len(PACKET), wrong)
        ((told, body),) = found(changed)
        assert (told, body.rstrip(b"\n")) == (XMP, PACKET)


def test_what_a_pdf_hides_is_remarked() -> None:
    """A password, filters that are not read, and damage."""
    for locked in (_locked(6, user="secret"), _locked(4, user="secret"), _locked(2, user="secret")):
        assert found(locked) == [(UNREADABLE, b"a metadata stream of a PDF is encrypted")]
    hexadecimal = works.pdf_by_hand((b"/Subtype/XML/Filter/ASCIIHexDecode", PACKET.hex().encode()))
    assert found(hexadecimal) == [(UNREADABLE, b"a metadata stream of a PDF has a filter that is not read")]
    bad = works.pdf_by_hand((b"/Subtype/XML/Filter/FlateDecode", b"\xff" * 99))
    assert found(bad) == [(UNREADABLE, b"a metadata stream of a PDF cannot be inflated")]
    assert found(works.pdf()) == []


def _locked(revision: Literal[2, 3, 4, 6], *, user: str = "", metadata: bool = True, deflated: bool = False) -> bytes:
    out = io.BytesIO()
    writes = works.pdf_by_pypdf(PACKET, compressed=deflated)
    with pikepdf.open(io.BytesIO(writes)) as document:
        encrypts = metadata and revision >= 4
        locked = pikepdf.Encryption(owner="o", user=user, R=revision, aes=revision >= 4, metadata=encrypts)
        document.save(out, encryption=locked, fix_metadata_version=False)
    return out.getvalue()


@pytest.mark.parametrize("revision", [2, 3, 4, 6])
@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("deflated", [True, False])
def test_a_pdf_that_everybody_can_open_is_read(revision: Literal[2, 3, 4, 6], metadata: bool, deflated: bool) -> None:
    """RC4 and AES with an empty user password, as publishers encrypt what must not be printed."""
    assert found(_locked(revision, metadata=metadata, deflated=deflated)) == [(XMP, PACKET)]


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_what_pypdf_encrypts_is_read(algorithm: str) -> None:
    """Another writer's dictionaries and identifiers."""
    for password, packets in (("", [PACKET]), ("secret", [])):
        writer = pypdf.PdfWriter(io.BytesIO(works.pdf_by_pypdf(PACKET)))
        writer.encrypt(password, "o", algorithm=algorithm)
        out = io.BytesIO()
        writer.write(out)
        assert of_type(out.getvalue(), XMP) == packets


@given(st.binary(max_size=300), st.integers(0, 2_000), st.sampled_from([2, 4, 6]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_in_an_encrypted_pdf_raise_nothing(other: bytes, place: int, revision: int) -> None:
    """In its dictionaries, its identifier and its streams."""
    work = LOCKED[revision]
    place %= len(work)
    inside(response(work[:place] + other + work[place + len(other) :]))
    at = work.find(b"/Encrypt") if place % 2 else work.find(b"/Filter /Standard")
    inside(response(work[:at] + work[at:].replace(b"/O <", b"/O (" + other, 1)))


LOCKED = {2: _locked(2), 4: _locked(4), 6: _locked(6)}


# -- of a part of the work --------------------------------------------------------------------------------------------

ALLOWED = data_mining("DMI-ALLOWED")
SILENT_PACKET = works.xmp("<dc:title>t</dc:title>")


def _two_pages(packet: bytes) -> bytes:
    pages = [works.tiff_by_hand({700: (1, SILENT_PACKET)}), works.tiff_by_hand({700: (1, packet)})]
    first = len(pages[0]) + len(pages[0]) % 2
    second = bytearray(pages[1][8:])
    second[10:14] = struct.pack(">I", first + int.from_bytes(second[10:14], "big") - 8)
    linked = bytearray(pages[0].ljust(first, b"\0"))
    linked[22:26] = struct.pack(">I", first)
    return bytes(linked + second)


OF_A_PART: Mapping[str, Callable[[bytes], bytes]] = {
    "image in a pdf": lambda p: works.pdf(SILENT_PACKET, images=[p]),
    "image in a pdf without metadata": lambda p: works.pdf(images=[p]),
    "image in a pdf of object streams": lambda p: works.pdf(images=[p], object_streams=True),
    "jpeg in a pdf": lambda p: works.pdf_by_hand((b"/Subtype/Image/Filter/DCTDecode", works.jpeg(p))),
    "revision that was replaced": lambda p: works.pdf(p) + works.pdf(SILENT_PACKET),
    "cover of an mp3": lambda p: b"ID3\x04\0\0" + bytes(40) + works.jpeg(p) + bytes(400),
    "picture in a psd": lambda p: b"8BPS" + bytes(40) + works.jpeg(p),
    "wide": lambda p: b"8BPS" + bytes(40) + p.decode().encode("utf-16-be"),
    "second page of a tiff": _two_pages,
    "extended xmp that nothing names": lambda p: works.jpeg(SILENT_PACKET, extended=p),
    "segment of another kind": lambda p: works.jpeg()[:2] + works.segment(0xE2, b"x" * 99 + p) + works.jpeg()[2:],
    "chunk of another kind": lambda p: works.png()[:33] + works.chunk(b"abCd", p) + works.png()[33:],
}  # fmt: skip


def verdicts(work: bytes) -> set[Verdict]:
    """What is said of training and mining, whatever the care."""
    about = Intent(url=works.URL, agent=AGENT, purpose=Purpose.TRAIN)
    said = read(about, (response(work),), STRICT).signals
    assert read(about, inside(response(work)), STRICT).signals == said, "what is kept as evidence says the same"
    return {
        s.verdict for s in said if s.category in {Category.TRAIN, Category.TDM} and s.protocol in {"plus", "tdmrep"}
    }


@pytest.mark.parametrize("name", OF_A_PART)
def test_what_permits_a_part_permits_nothing_else(name: str) -> None:
    """And what prohibits it prohibits the work that it stands in."""
    make = OF_A_PART[name]
    assert [is_of_a_part(o) for o in inside(response(make(ALLOWED))) if b"ALLOWED" in o.body.replace(b"\0", b"")] == [
        True
    ]
    assert verdicts(make(ALLOWED)) == set()
    assert verdicts(make(PACKET)) == {Verdict.REFUSE}
    assert verdicts(make(works.xmp("<tdm:reservation>0</tdm:reservation>"))) == set()
    assert verdicts(make(works.xmp("<tdm:reservation>1</tdm:reservation>"))) == {Verdict.REFUSE}


@pytest.mark.parametrize("name", XMP_WORKS)
def test_what_permits_the_whole_permits_it(name: str) -> None:
    """In every place where a packet speaks of the whole work."""
    assert verdicts(XMP_WORKS[name](ALLOWED)) == {Verdict.ALLOW}


def test_a_pdf_that_was_signed_anew_speaks_through_its_last_metadata() -> None:
    """By appending, as editors do; what stood there before refuses and does not permit."""
    both = works.pdf(PACKET) + works.pdf(ALLOWED)
    assert verdicts(both) == {Verdict.REFUSE, Verdict.ALLOW}
    assert verdicts(works.pdf(SILENT_PACKET, images=[PACKET])) == {Verdict.REFUSE}


def test_extended_xmp_that_is_named_speaks_of_the_whole() -> None:
    """The standard packet names its GUID."""
    assert verdicts(works.jpeg(works.extended_pair("", ALLOWED), extended=ALLOWED)) == {Verdict.ALLOW}


@pytest.mark.parametrize("name", [n for n in XMP_WORKS if n != "heif idat"])
def test_a_packet_of_megabytes_is_read(name: str) -> None:
    """Photoshop's list of ancestors is known to grow without end, and the rest stands behind it."""
    long = works.xmp("<dc:x>" + "word " * 400_000 + "</dc:x><plus:DataMining>DMI-PROHIBITED</plus:DataMining>")
    if name.startswith("jpeg"):
        assert verdicts(works.jpeg(works.extended_pair("", long), extended=long)) == {Verdict.REFUSE}
    else:
        assert verdicts(XMP_WORKS[name](long)) == {Verdict.REFUSE}


def test_a_c2pa_store_in_sub_blocks_of_a_gif_is_found() -> None:
    """C2PA_GIF, with its authentication code, and blocks of 255 bytes."""
    store = works.jumbf(payload=b"x" * 700)
    blocks = b"".join(bytes([len(b)]) + b for b in (store[n : n + 255] for n in range(0, len(store), 255)))
    plain = works.gif()
    work = plain[:-1] + b"\x21\xff\x0bC2PA_GIF\x01\0\0" + blocks + b"\0;"
    assert found(work) == [(C2PA, store)]
    assert [o.truncated for o in inside(response(work[:-300]))] == [True]


@pytest.mark.parametrize("deflated", [True, False])
def test_a_c2pa_store_attached_to_a_pdf_is_found(deflated: bool) -> None:
    """Deflated or not, as whoever wrote the file chose."""
    out = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        document.attachments["m.c2pa"] = pikepdf.AttachedFileSpec(document, STORE, mime_type="application/c2pa")
        document.save(out, compress_streams=deflated)
    assert found(out.getvalue()) == [(C2PA, STORE)]


@pytest.mark.parametrize(
    "told",
    ["./OEBPS/content.opf", "/OEBPS/content.opf", "OEBPS\\content.opf", "a/../OEBPS/content.opf", "OEBPS//content.opf"],
)
def test_a_path_in_another_spelling_is_found(told: str) -> None:
    """Readers of books are lenient, and so the books are."""
    package = works.opf("")
    assert found(works.epub(package=package, container=works._CONTAINER.format(path=told))) == [(OPF, package)]


def test_every_package_document_is_read() -> None:
    """Up to 24; and of more that is remarked."""
    for count, more in ((6, []), (40, [(UNREADABLE, b"an EPUB of 40 package documents: only 24 were read")])):
        files = {f"r{n}.opf": works.opf(f"<dc:title>{n}</dc:title>") for n in range(count)}
        roots = "".join(f"<rootfile full-path='{name}'/>" for name in files)
        packets = found(works.epub(first=files, container=f"<container><rootfiles>{roots}</rootfiles></container>"))
        assert [p for p in packets if p[0] == UNREADABLE] == more
        assert [body for told, body in packets if told == OPF] == list(files.values())[:24]


def test_a_film_of_many_boxes_is_looked_through() -> None:
    """Fragments by the thousand, and the metadata behind them."""
    film = works.box(b"ftyp", b"isom\0\0\0\0") + works.box(b"moof", b"") * 5_000
    assert of_type(film + works.box(b"uuid", works.XMP_UUID + PACKET), XMP) == [PACKET]


def test_rdf_in_svg_keeps_its_prefixes() -> None:
    """What drawing programs write binds its prefixes far away."""
    work = (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:cc="http://creativecommons.org/ns#" '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><metadata><rdf:RDF><cc:Work rdf:about="">'
        b'<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/></cc:Work></rdf:RDF></metadata></svg>'
    )
    ((told, packet),) = found(work, "image/svg+xml")
    assert told == XMP
    assert packet.startswith(
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:cc="http://creativecommons.org/ns#" xmlns:rdf='
    )
    assert work[work.index(b"<rdf:RDF") : work.index(b"</metadata>")] in packet
    assert [p for _, p in found(b"\xff\xfe" + work.decode().encode("utf-16-le"), "image/svg+xml")] == [packet]


def test_metadata_that_imagemagick_keeps_in_hexadecimal_is_read() -> None:
    """Raw profiles of PNG: XMP, IPTC and EXIF."""
    plain = works.png()
    for name, value in (("xmp", PACKET), ("APP1", b"http://ns.adobe.com/xap/1.0/\0" + PACKET)):
        profile = f"\n{name}\n{len(value):8}\n{value.hex()}\n".encode()
        chunk = works.chunk(b"zTXt", b"Raw profile type " + name.encode() + b"\0\0" + zlib.compress(profile))
        assert of_type(plain[:33] + chunk + plain[33:], XMP) == [PACKET]
    profile = f"\niptc\n{len(IPTC):8}\n{works.photoshop(IPTC).hex()}\n".encode()
    chunk = works.chunk(b"tEXt", b"Raw profile type iptc\0" + profile)
    assert "IPTC 2:40 Special Instructions" in fields(plain[:33] + chunk + plain[33:])


class TestExiftool:
    """What exiftool writes is found."""

    SETS = f"-XMP-plus:DataMining={works.VOCABULARY}DMI-PROHIBITED"

    PLAIN: Mapping[str, bytes] = {
        "jpg": works.jpeg(), "png": works.png(), "webp": works.webp(), "tif": works.tiff(), "gif": works.gif(),
        "avif": works.avif(), "mp4": works.mp4(), "pdf": works.pdf(),
    }  # fmt: skip

    @pytest.mark.parametrize("suffix", PLAIN)
    def test_a_property(self, suffix: str) -> None:
        """In every container that it writes."""
        (packet,) = of_type(works.with_exiftool(self.PLAIN[suffix], suffix, self.SETS), XMP)
        assert b"DMI-PROHIBITED" in packet

    def test_extended_xmp(self) -> None:
        """A packet too long for one segment."""
        story = b"a long story " * 9_000
        arguments = ("-XMP-dc:Description<=story.txt", self.SETS)
        work = works.with_exiftool(works.jpeg(), "jpg", *arguments, files={"story.txt": story})
        packets = of_type(work, XMP)
        assert len(packets) == 2
        assert b"DMI-PROHIBITED" in packets[0] + packets[1]
        assert story.strip() in packets[1]
        assert not any(o.truncated for o in inside(response(work)))

    def test_iptc_and_exif(self) -> None:
        """In a JPEG and a TIFF."""
        arguments = (
            "-IPTC:CopyrightNotice=© A",
            "-IPTC:SpecialInstructions=no AI",
            "-EXIF:Artist=A",
            "-EXIF:Copyright=C",
        )
        for plain, suffix in ((works.jpeg(), "jpg"), (works.tiff(), "tif")):
            assert fields(works.with_exiftool(plain, suffix, *arguments, "-codedcharacterset=utf8")) == {
                "IPTC 2:116 Copyright Notice": "© A",
                "IPTC 2:40 Special Instructions": "no AI",
                "EXIF 0x013B Artist": "A",
                "EXIF 0x8298 Copyright": "C",
            }


# -- evidence ---------------------------------------------------------------------------------------------------------


@every_work
def test_what_is_kept_reads_as_the_whole_does(name: str) -> None:
    """INVARIANT: the excerpt of a work and its packets give the same reading as the work."""
    for told in ("", "image/jpeg", "application/pdf", "text/html"):
        for truncated in (False, True):
            seen = response(REAL[name], told, truncated=truncated)
            for policy in (OPT_OUT, STRICT):
                intent = Intent(url=seen.document.url, agent=AGENT, purpose=Purpose.TRAIN)
                whole = reading_to_wire(read(intent, [seen], policy))
                assert whole == reading_to_wire(read(intent, [relied_on(seen), *inside(seen)], policy))


@pytest.mark.parametrize("name", XMP_WORKS)
def test_a_prohibition_in_a_work_refuses_it(name: str) -> None:
    """From the bytes of every container to the signal."""
    intent = Intent(url=works.URL, agent=AGENT, purpose=Purpose.TRAIN)
    reading = read(intent, [response(REAL[name])], OPT_OUT)
    assert {s.verdict for s in reading.signals if s.category is Category.TRAIN} == {Verdict.REFUSE}


@every_work
def test_the_same_bytes_give_the_same_packets(name: str) -> None:
    """Nothing depends on what was looked at before."""
    first = inside(response(REAL[name]))
    assert inside(response(bytes(bytearray(REAL[name])))) == first


# -- broken works -----------------------------------------------------------------------------------------------------


@every_work
def test_a_work_that_ends_anywhere_is_read_as_far_as_it_goes(name: str) -> None:
    """Cut at every length (at most 1500 of them): nothing raises, packets are prefixes or marked as cut, and a cut that
    we made is remarked unless all metadata was seen."""
    work, allowed = REAL[name], data_mining("DMI-ALLOWED")
    lengths = range(0, len(work), max(1, len(work) // 1_200))
    for length in lengths:
        part = inside(response(work[:length], truncated=length % 2 == 0))
        for packet in part:
            if packet.headers[0][1] == XMP and not packet.truncated:
                assert packet.body in {PACKET, BARE, STANDARD, EXTENDED, allowed} or (
                    packet.body.endswith(b"</x:xmpmeta>") and PACKET.startswith(packet.body)
                )


@pytest.mark.parametrize(
    "name", [n for n in XMP_WORKS if n not in {"png deflated", "pdf deflated", "pdf deflated untyped"}]
)
def test_a_flipped_bit_outside_the_packet_hides_nothing(name: str) -> None:
    """Whatever of the container breaks, the prohibition is still found, in what is handed out as XMP."""
    work = REAL[name]
    at = work.index(b"DMI-PROHIBITED") if name != "heif in parts" else work.index(b"DMI-")
    chosen = random.Random(name)
    places = range(len(work)) if len(work) < 1_600 else sorted(chosen.sample(range(len(work)), 1_500))
    for place in places:
        broken = bytearray(work)
        broken[place] ^= 1 << chosen.randrange(8)
        if at - 400 <= place <= at + 120:  # in the packet it is for its reader
            inside(response(bytes(broken)))
        else:
            assert b"DMI-PROHIBITED" in b"".join(of_type(bytes(broken), XMP)), place


@every_work
def test_a_flipped_bit_raises_nothing(name: str) -> None:
    """Anywhere in any work; and what is found stays bounded."""
    work = REAL[name]
    chosen = random.Random(name)
    for _ in range(500):
        broken = bytearray(work)
        for _ in range(chosen.choice((1, 1, 3))):
            broken[chosen.randrange(len(work))] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF, chosen.randrange(256)))
        assert len(inside(response(bytes(broken)))) <= MOST_PACKETS + 2


@given(st.sampled_from(sorted(REAL)), st.binary(max_size=64), st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_in_a_work_raise_nothing(name: str, other: bytes, data: st.DataObject) -> None:
    """Any bytes instead of any of a work's."""
    work = REAL[name]
    start = data.draw(st.integers(0, len(work)))
    end = data.draw(st.integers(start, min(len(work), start + 100)))
    inside(response(work[:start] + other + work[end:]))


@given(st.sampled_from([work[:24] for work in REAL.values()]), st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_behind_a_magic_raise_nothing(magic: bytes, other: bytes) -> None:
    """Any bytes behind the beginning of any work."""
    inside(response(magic + other))
    inside(response(magic[:12] + other, truncated=True))
    inside(response(other))


def test_what_we_cut_off_is_remarked() -> None:
    """Metadata may stand in the rest; not in the rest of a JPEG whose picture has begun."""
    reason = b"the work was cut while it was fetched, and metadata may stand in the rest of it"
    for name in ("png", "webp", "tiff", "gif", "pdf", "mp4"):
        assert found(REAL[name][:40], truncated=True)[-1] == (UNREADABLE, reason), name
        assert found(REAL[name][:40]) == [], name
    assert found(works.epub()[:90], truncated=True) == [(UNREADABLE, reason)]
    assert [told for told, _ in found(works.epub()[:-40], truncated=True)] == [OPF]
    big = works.jpeg(PACKET, size=(200, 200), noise=1)
    assert found(big[:-500], truncated=True) == [(XMP, PACKET)]


def test_what_may_hold_a_statement_and_cannot_be_read_is_remarked() -> None:
    """A damaged PNG text, and compression that is not read."""
    chunk = works.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + b"\xff" * 50)
    plain = works.png()
    (reason,) = of_type(plain[:33] + chunk + plain[33:], UNREADABLE)
    assert reason == b"the compressed text of PNG XML:com.adobe.xmp cannot be inflated"
    jxl = works.box(b"JXL ", b"\r\n\x87\n") + works.box(b"ftyp", b"jxl \0\0\0\0jxl ")
    assert of_type(jxl + works.box(b"brob", b"xml \x00\x01"), UNREADABLE)
    assert of_type(jxl + works.box(b"xml ", PACKET), XMP) == [PACKET]


def test_what_was_inflated_before_damage_is_kept() -> None:
    """A prohibition in front of the damage is not lost."""
    long = data_mining("DMI-PROHIBITED", more="".join(f"<dc:x{n}>{n * n}</dc:x{n}>" for n in range(2_000)))
    squeezed = bytearray(zlib.compress(long))
    squeezed[-300:] = b"\xff" * 300
    for work in (works.pdf_by_hand((b"/Subtype/XML/Filter/FlateDecode", bytes(squeezed))),):
        (packet,) = inside(response(work))
        assert packet.truncated
        assert b"DMI-PROHIBITED" in packet.body


# -- hostile works ----------------------------------------------------------------------------------------------------

MEBIBYTE = 1_048_576
ZEROS = zlib.compress(bytes(200 * MEBIBYTE), 9)


def _bombs() -> dict[str, bytes]:
    """Works that are made to cost."""
    plain = works.png()
    itxt = works.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + ZEROS)
    deep = b""
    for _ in range(3_000):
        deep = works.box(b"moov", deep)
    ifd = struct.pack("<H", 1000) + struct.pack("<HHII", 700, 1, MEBIBYTE, 8) * 1000 + struct.pack("<I", 8)
    loops = b"".join(struct.pack("<HI", 0, 8 + 6 * ((n * 7) % 1000)) for n in range(1000))
    many = works.extension_segments(BARE)[0]
    return {
        "epub of zeros": works.epub(package=bytes(30 * MEBIBYTE)),
        "epub of containers": works.epub(first={f"META-INF/container.xml{n}": b"" for n in range(2_000)}),
        "flate of zeros": works.pdf_by_hand(*[(b"/Subtype/XML/Filter/FlateDecode", ZEROS)] * 30),
        "png of zeros": plain[:33] + itxt * 30 + plain[33:],
        "png of chunks": plain[:33] + works.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<") * 20_000 + plain[33:],
        "png of unknown chunks": plain[:33] + (works.chunk(b"abcd", b"x") + works.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<")) * 30_000,
        "jpeg of segments": b"\xff\xd8" + b"\xff\xe1\x00\x02" * 100_000,
        "jpeg of fill": b"\xff\xd8" + b"\xff" * 3_000_000,
        "jpeg of portions": b"\xff\xd8" + many * 4_000,
        "tiff of one packet": b"II*\0" + struct.pack("<I", 8) + ifd + bytes(2 * MEBIBYTE),
        "tiff of loops": b"II*\0" + struct.pack("<I", 8) + loops,
        "riff that lies": b"RIFF\xff\xff\xff\xffWEBP" + b"XMP \xff\xff\xff\xff" + PACKET,
        "deep boxes": works.box(b"ftyp", b"isom\0\0\0\0") + deep,
        "boxes of nothing": works.box(b"ftyp", b"heic\0\0\0\0") + works.box(b"free", b"") * 200_000,
        "instructions": b"<?xpacket " * MEBIBYTE,
        "beginnings": b"8BPS" + b"<?xpacket begin" * (600_000),
        "elements": b"8BPS" + b"<x:xmpmeta>" * (900_000),
        "ends": b"8BPS" + b"<?xpacket begin?></x:xmpmeta" * 300_000,
        "wide": b"8BPS" + "<?xpacket begin".encode("utf-16-le") * 300_000,
        "svg of rdf": b"<svg>" + b"<rdf:RDF xmlns:a='" * 500_000,
        "stores": b"8BPS" + works.jumbf()[:40] * 200_000,
        "pdf of names": b"%PDF-1.7\n" + b"/XML/Metadata 1 0 R " * 200_000,
        "pdf of streams": b"%PDF-1.7\n" + b"1 0 obj<</Subtype/XML>>stream\n<" * 200_000,
        "pdf of escapes": b"%PDF-1.7\n" + b"1 0 obj<</Subtype/X#4DL stream " * 200_000,
        "pdf of spaces": b"%PDF-1.7\n" + b"/Metadata " + b" " * 3_000_000 + b"/Length" + b" " * 3_000_000,
        "gif of extensions": b"GIF89a" + b"\x21\xff\x0bXMP DataXMP" * 300_000,
        "gif of blocks": b"GIF89a" + b"\x21\xff\x0bXMP DataXMP" + b"\x01x" * 2_000_000,
    }  # fmt: skip


BOMBS = _bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_work_costs_little(name: str) -> None:
    """Memory is bounded whatever the bytes claim; a runaway would meet pytest-timeout."""
    seen = response(BOMBS[name], truncated=True)
    packets = inside(seen)
    assert len(packets) <= MOST_PACKETS + 2
    tracemalloc.start()
    try:
        inside(seen)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 * MEBIBYTE
    assert all(len(packet.body) <= packet.document.max_bytes for packet in packets)


def test_a_large_picture_is_not_copied() -> None:
    """What a walk needs is no more than the packets."""
    work = works.jpeg(PACKET, exif=EXIF, iptc=IPTC, size=(1200, 1200), noise=3)
    assert len(work) > MEBIBYTE
    seen = response(work)
    inside(seen)
    tracemalloc.start()
    try:
        inside(seen)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_too_many_packets_are_the_first_and_the_last() -> None:
    """And a remark says how many there were."""
    packets = [data_mining("DMI-ALLOWED", more=f"<dc:n>{n}</dc:n>") for n in range(50)]
    found_ones = found(works.pdf_by_hand(*((b"/Subtype/XML", p) for p in packets)))
    assert [body for told, body in found_ones if told == XMP] == packets[:16] + packets[-16:]
    assert found_ones[-1] == (UNREADABLE, b"50 packets of metadata: only the first and the last 16 were read")


def test_the_walkers_see_the_whole_of_a_whole_picture() -> None:
    """So that a picture without metadata is not scanned."""
    from askfirst.rights.carriers import Found, gif, jpeg, riff

    assert jpeg.walk(works.jpeg(), Found())
    assert png.walk(works.png(), Found())
    assert riff.walk(works.webp(), Found())
    assert gif.walk(works.gif(), Found())


def test_an_observation_of_nothing_holds_nothing() -> None:
    """A body that is empty, or a status without one."""
    assert inside(replace(response(b""), status=204)) == ()
    assert isinstance(inside(response(b"\0")), tuple)
    assert isinstance(response(b""), Observation)
