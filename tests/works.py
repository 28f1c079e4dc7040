"""Makes real works, small ones, with rights metadata inside: what cameras, editors and publishers write.

Nothing here is a test. Pictures are drawn by Pillow, PDFs are written by pikepdf and pypdf, EPUBs by zipfile; what no
library writes (GIF, HEIF and MP4 packets, C2PA boxes) is put together by hand after the formats' own documents. The
same call gives the same bytes, but for exiftool's and pypdf's own identifiers.

    xmp(inner, attributes="", encoding="utf-8", wrapper=True, padding=0)   an XMP packet around RDF properties
    data_mining(key, **…)         an XMP packet that says plus:DataMining = …/vocab/<key>
    exif(copyright=…, artist=…, order="<")        an EXIF block ("Exif\\0\\0" and a TIFF structure)
    iptc({(2, 116): "text", …}, utf8=True)        an IPTC-IIM block; photoshop(block) is its 8BIM resource
    jpeg(xmp, extended=…, exif=…, iptc=…, c2pa=…, size=…)
    png(xmp, text={…}, exif=…, c2pa=…, compressed=False, late=False)
    webp(xmp, exif=…, c2pa=…)     tiff(xmp, iptc=…, copyright=…, artist=…, big=False)    tiff_by_hand(entries, order=">")
    gif(xmp)    avif(xmp, c2pa=…)    heif(xmp, construction=0)    mp4(xmp, c2pa=…)    svg(xmp)
    pdf(xmp, object_streams=False, password=None, clear_metadata=False, images=(…))
    pdf_by_pypdf(xmp, compressed=False, typed=True)    pdf_by_hand((b"/Subtype/XML", packet), …, trailer=b"")
    epub(metadata_xml, version=3, path="OEBPS/content.opf", method=ZIP_DEFLATED, encrypted=False)
    jumbf(label, payload)         a JUMBF superbox with one JSON box (a C2PA store for tests of carriers)
    with_exiftool(work, suffix, *arguments)       the work as exiftool leaves it; skips the test where there is none
    HAS_EXIFTOOL                  whether it is here
    response(body, content_type)  an observation of kind RESPONSE
"""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import pikepdf
import pypdf
import pypdf.generic
import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from pypdf.generic import NameObject

from askfirst.rights.model import Document, Kind, Observation

AT: Final = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
URL: Final = "https://art.example/p/1"
C2PA_UUID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
VOCABULARY: Final = "http://ns.useplus.org/ldf/vocab/"
EXIFTOOL: Final = shutil.which("exiftool")
HAS_EXIFTOOL: Final = EXIFTOOL is not None


def response(body: bytes, content_type: str = "", *, truncated: bool = False, url: str = URL) -> Observation:
    """What a server answers with this work."""
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=url),
        status=200,
        headers=(("Content-Type", content_type),) if content_type else (),
        body=body,
        truncated=truncated,
        observed_at=AT,
    )


# -- packets ----------------------------------------------------------------------------------------------------------

NAMESPACES: Final = {
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "tdm": "http://www.w3.org/ns/tdmrep/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "cc": "http://creativecommons.org/ns#",
    "dcterms": "http://purl.org/dc/terms/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}


def xmp(
    inner: str = "", *, attributes: str = "", encoding: str = "utf-8", wrapper: bool = True, padding: int = 0
) -> bytes:
    """An XMP packet: ``inner`` are property elements, ``attributes`` properties written as attributes. The usual
    prefixes are bound; ``wrapper`` writes the ``xpacket`` processing instructions."""
    names = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NAMESPACES.items())
    text = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about="" {names} {attributes}>{inner}</rdf:Description>\n'
        " </rdf:RDF>\n</x:xmpmeta>"
    )
    if wrapper:
        text = f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{text}\n{" " * padding}<?xpacket end="w"?>'
    return text.encode(encoding)


def data_mining(key: str, *, encoding: str = "utf-8", wrapper: bool = True, padding: int = 0, more: str = "") -> bytes:
    """An XMP packet that says what may be mined, in the PLUS vocabulary: ``DMI-PROHIBITED`` and the like."""
    inner = f"<plus:DataMining>{VOCABULARY}{key}</plus:DataMining>{more}"
    return xmp(inner, encoding=encoding, wrapper=wrapper, padding=padding)


def tiff_by_hand(entries: Mapping[int, tuple[int, bytes]], *, order: str = ">") -> bytes:
    """A TIFF structure with one directory: tag to (field type, value as bytes in that order)."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 13: 4}
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8)
    after = 8 + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(f"{order}H", len(entries)), b""
    for tag, (kind, value) in sorted(entries.items()):
        directory += struct.pack(f"{order}HHI", tag, kind, len(value) // sizes[kind])
        if len(value) <= 4:
            directory += value.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{order}I", after + len(values))
            values += value + b"\0" * (len(value) % 2)
    return head + directory + struct.pack(f"{order}I", 0) + values


def exif(*, copyright: str = "", artist: str = "", order: str = "<", encoding: str = "utf-8") -> bytes:  # noqa: A002
    """An EXIF block as JPEG carries it."""
    entries: dict[int, tuple[int, bytes]] = {}
    if artist:
        entries[0x013B] = (2, artist.encode(encoding) + b"\0")
    if copyright:
        entries[0x8298] = (2, copyright.encode(encoding) + b"\0")
    return b"Exif\0\0" + tiff_by_hand(entries, order=order)


def iptc(datasets: Mapping[tuple[int, int], str], *, utf8: bool = True) -> bytes:
    """An IPTC-IIM block: record and dataset number to text."""
    block = b"\x1c\x01\x5a\x00\x03\x1b%G" if utf8 else b""
    for (record, number), text in datasets.items():
        value = text.encode("utf-8" if utf8 else "latin-1")
        block += struct.pack(">BBBH", 0x1C, record, number, len(value)) + value
    return block


def photoshop(block: bytes, *, resource: int = 0x0404) -> bytes:
    """Photoshop's image resource that holds an IPTC-IIM block."""
    return b"8BIM" + struct.pack(">HHI", resource, 0, len(block)) + block + b"\0" * (len(block) % 2)


def jumbf(label: str = "c2pa", payload: bytes = b"{}") -> bytes:
    """A JUMBF superbox: a description box with a label, and one JSON box."""
    kind = b"c2pa" + bytes.fromhex("00110010800000aa00389b71")
    description = box(b"jumd", kind + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", description + box(b"json", payload))


def box(kind: bytes, content: bytes) -> bytes:
    """A box of ISO/IEC 14496-12: size, type, content."""
    return struct.pack(">I", 8 + len(content)) + kind + content


# -- pictures ---------------------------------------------------------------------------------------------------------


def picture(size: tuple[int, int] = (16, 12), *, noise: int = 0) -> Image.Image:
    """A plain picture. ``noise`` makes it compress badly."""
    if noise:
        values = b"".join(
            hashlib.sha256(f"{noise} {n}".encode()).digest() for n in range(size[0] * size[1] * 3 // 32 + 1)
        )
        return Image.frombytes("RGB", size, values[: size[0] * size[1] * 3])
    image = Image.new("RGB", size, (230, 200, 160))
    ImageDraw.Draw(image).ellipse((2, 2, size[0] - 3, size[1] - 3), fill=(60, 90, 140))
    return image


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    """A JPEG marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(
    xmp: bytes | None = None,
    *,
    extended: bytes | None = None,
    exif: bytes | None = None,
    iptc: bytes | None = None,
    c2pa: bytes | None = None,
    size: tuple[int, int] = (16, 12),
    noise: int = 0,
) -> bytes:
    """A JPEG; ``extended`` is split into Extended XMP segments (the standard packet must name its GUID itself, see
    :func:`extended_pair`), ``c2pa`` into APP11 segments."""
    plain = _saved(picture(size, noise=noise), "JPEG", quality=90)
    parts = [plain[:2]]
    if exif:
        parts.append(segment(0xE1, exif))
    if xmp is not None:
        parts.append(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    if extended is not None:
        parts += extension_segments(extended)
    if c2pa is not None:
        parts += c2pa_segments(c2pa)
    if iptc is not None:
        parts.append(segment(0xED, b"Photoshop 3.0\0" + photoshop(iptc)))
    return b"".join((*parts, plain[2:]))


def extended_pair(inner: str, extended: bytes) -> bytes:
    """A standard XMP packet that names the extended one."""
    guid = hashlib.md5(extended).hexdigest().upper()
    return xmp(f"<xmpNote:HasExtendedXMP>{guid}</xmpNote:HasExtendedXMP>{inner}")


def extension_segments(extended: bytes, *, each: int = 65_400) -> list[bytes]:
    """The JPEG segments of an extended XMP packet: GUID, whole length, offset, portion."""
    guid = hashlib.md5(extended).hexdigest().upper().encode()
    return [
        segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid
            + struct.pack(">II", len(extended), start)
            + extended[start : start + each],
        )
        for start in range(0, len(extended), each)
    ]


def c2pa_segments(store: bytes, *, each: int = 65_000) -> list[bytes]:
    """The JPEG APP11 segments of a JUMBF box (ISO/IEC 19566-5 annex D): each repeats the box header."""
    head, payload = store[:8], store[8:]
    return [
        segment(0xEB, b"JP" + struct.pack(">HI", 1, number) + head + payload[start : start + each])
        for number, start in enumerate(range(0, max(1, len(payload)), each), start=1)
    ]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk, with its CRC."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    xmp: bytes | None = None,
    *,
    text: Mapping[str, str] | None = None,
    exif: bytes | None = None,
    c2pa: bytes | None = None,
    compressed: bool = False,
    late: bool = False,
    size: tuple[int, int] = (16, 12),
    noise: int = 0,
) -> bytes:
    """A PNG; ``compressed`` deflates its XMP, ``late`` puts it behind the picture. Text that is not latin-1 is iTXt."""
    info = PngInfo()
    for keyword, value in (text or {}).items():
        info.add_text(keyword, value)
    plain = _saved(picture(size, noise=noise), "PNG", pnginfo=info)
    extra = b""
    if c2pa is not None:
        extra += chunk(b"caBX", c2pa)
    if exif:
        extra += chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if xmp is not None:
        packet = zlib.compress(xmp) if compressed else xmp
        extra += chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([compressed]) + b"\0\0\0" + packet)
    place = -12 if late else 33
    return plain[:place] + extra + plain[place:]


def webp(xmp: bytes | None = None, *, exif: bytes | None = None, c2pa: bytes | None = None) -> bytes:
    """A WebP."""
    options: dict[str, object] = {}
    if xmp is not None:
        options["xmp"] = xmp
    if exif is not None:
        options["exif"] = exif
    plain = _saved(picture(), "WEBP", **options)
    if c2pa is not None:
        plain += b"C2PA" + struct.pack("<I", len(c2pa)) + c2pa + b"\0" * (len(c2pa) % 2)
    return b"RIFF" + struct.pack("<I", len(plain) - 8) + plain[8:]


def tiff(
    xmp: bytes | None = None,
    *,
    iptc: bytes | None = None,
    copyright: str = "",  # noqa: A002
    artist: str = "",
    big: bool = False,
) -> bytes:
    """A TIFF (little-endian, as Pillow writes it); ``big`` a BigTIFF."""
    tags = {700: xmp, 33723: iptc, 33432: copyright, 315: artist}
    return _saved(picture(), "TIFF", tiffinfo={tag: value for tag, value in tags.items() if value}, big_tiff=big)


def gif(xmp: bytes | None = None) -> bytes:
    """A GIF; the packet stands whole in an application extension, and a magic trailer ends it."""
    plain = _saved(picture(), "GIF")
    if xmp is None:
        return plain
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return plain[:-1] + b"\x21\xff\x0bXMP DataXMP" + xmp + trailer + b";"


def avif(xmp: bytes | None = None, *, exif: bytes | None = None, c2pa: bytes | None = None) -> bytes:
    """An AVIF."""
    options: dict[str, object] = {}
    if xmp is not None:
        options["xmp"] = xmp
    if exif is not None:
        options["exif"] = exif.removeprefix(b"Exif\0\0")
    return _saved(picture(), "AVIF", **options) + (b"" if c2pa is None else c2pa_box(c2pa))


def c2pa_box(store: bytes, purpose: bytes = b"manifest") -> bytes:
    """The ``uuid`` box of a C2PA store."""
    return box(b"uuid", C2PA_UUID + bytes(4) + purpose + b"\0" + bytes(8) + store)


def heif(xmp: bytes | None = None, *, construction: int = 0, c2pa: bytes | None = None, parts: int = 1) -> bytes:
    """The boxes of a HEIF file without a picture: one mime item, in ``mdat`` (construction 0) or ``idat`` (1), in so
    many ``parts``."""
    kind = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    if xmp is None:
        return kind
    entry = box(b"infe", b"\x02\0\0\0" + struct.pack(">HH", 7, 0) + b"mime\0application/rdf+xml\0")
    names = box(b"iinf", bytes(4) + struct.pack(">H", 1) + entry)
    cuts = [len(xmp) * n // parts for n in range(parts + 1)]

    def meta(start: int) -> bytes:
        extents = b"".join(struct.pack(">II", start + a, b - a) for a, b in pairwise(cuts))
        places = b"\x01\0\0\0\x44\0" + struct.pack(">HHHHH", 1, 7, construction, 0, parts) + extents
        handler = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
        inside = box(b"idat", xmp) if construction == 1 else b""
        return box(b"meta", bytes(4) + handler + names + box(b"iloc", places) + inside)

    more = b"" if c2pa is None else c2pa_box(c2pa)
    if construction == 1:
        return kind + meta(0) + more
    return kind + meta(len(kind) + len(meta(0)) + 8) + box(b"mdat", xmp) + more


def mp4(xmp: bytes | None = None, *, c2pa: bytes | None = None) -> bytes:
    """The boxes of an MP4 file without a film."""
    parts = [box(b"ftyp", b"isom" + bytes(4) + b"isommp42")]
    if c2pa is not None:
        parts.append(c2pa_box(c2pa))
    if xmp is not None:
        parts.append(box(b"uuid", XMP_UUID + xmp))
    return b"".join((*parts, box(b"moov", box(b"mvhd", bytes(100))), box(b"mdat", bytes(300))))


def svg(xmp: bytes | None = None, *, inner: str = "") -> bytes:
    """An SVG; its packet stands in ``metadata``."""
    metadata = "" if xmp is None else f"<metadata>{xmp.decode()}</metadata>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">{metadata}{inner}<circle r="4"/></svg>\n'
    ).encode()


# -- documents --------------------------------------------------------------------------------------------------------


def pdf(
    xmp: bytes | None = None,
    *,
    object_streams: bool = False,
    password: str | None = None,
    clear_metadata: bool = False,
    images: Sequence[bytes] = (),
) -> bytes:
    """A PDF of one page, by pikepdf, which never compresses metadata. ``images`` are the packets of images on it;
    ``clear_metadata`` leaves metadata out of the encryption."""
    out = io.BytesIO()
    with pikepdf.new() as document:
        page = document.add_blank_page(page_size=(200, 200))
        if xmp is not None:
            document.Root.Metadata = _metadata_stream(document, xmp)
        if images:
            page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary())
        for number, packet in enumerate(images):
            pixel = pikepdf.Stream(document, bytes(3))
            pixel.Type, pixel.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
            pixel.Width = pixel.Height = 1
            pixel.ColorSpace, pixel.BitsPerComponent = pikepdf.Name.DeviceRGB, 8
            pixel.Metadata = _metadata_stream(document, packet)
            page.Resources.XObject[f"/Im{number}"] = pixel
        mode = pikepdf.ObjectStreamMode.generate if object_streams else pikepdf.ObjectStreamMode.disable
        if password is None:
            document.save(out, object_stream_mode=mode, deterministic_id=True, fix_metadata_version=False)
        else:
            locked = pikepdf.Encryption(owner=password, user="", metadata=not clear_metadata)
            document.save(out, object_stream_mode=mode, encryption=locked, fix_metadata_version=False)
    return out.getvalue()


def _metadata_stream(document: pikepdf.Pdf, packet: bytes) -> pikepdf.Stream:
    stream = pikepdf.Stream(document, packet)
    stream.Type, stream.Subtype = pikepdf.Name.Metadata, pikepdf.Name.XML
    return stream


def pdf_by_pypdf(xmp: bytes, *, compressed: bool = False, typed: bool = True) -> bytes:
    """A PDF of one page, by pypdf. Its metadata stream is deflated if ``compressed``; unless ``typed`` it does not say
    that it is XML, as pypdf's own do not."""
    writer = pypdf.PdfWriter()
    writer.add_blank_page(width=200, height=200)
    stream: pypdf.generic.StreamObject = pypdf.generic.DecodedStreamObject()
    stream.set_data(xmp)
    if compressed:
        stream = stream.flate_encode()
    if typed:
        stream[NameObject("/Type")], stream[NameObject("/Subtype")] = NameObject("/Metadata"), NameObject("/XML")
    writer.root_object[NameObject("/Metadata")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def pdf_by_hand(*streams: tuple[bytes, bytes], trailer: bytes = b"") -> bytes:
    """A PDF put together by hand: the entries of each stream's dictionary (without ``/Length``), and its bytes. The
    first is the catalog's metadata. There is no cross-reference table, as in many a damaged file."""
    parts = [
        b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Metadata 3 0 R/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count 0>>\n"
    ]
    parts.append(b"endobj\n")
    for number, (entries, content) in enumerate(streams, start=3):
        head = b"%d 0 obj\n<<%s/Length %d>>\nstream\n" % (number, entries, len(content))
        parts.append(head + content + b"\nendstream\nendobj\n")
    return b"".join((*parts, b"trailer\n<</Root 1 0 R" + trailer + b">>\n%%EOF\n"))


_CONTAINER = (
    '<?xml version="1.0"?>\n<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">\n'
    ' <rootfiles>\n  <rootfile full-path="{path}" media-type="application/oebps-package+xml"/>\n </rootfiles>\n'
    "</container>\n"
)


def opf(metadata_xml: str, *, version: int = 3) -> bytes:
    """An EPUB package document around ``metadata_xml``."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<package xmlns="http://www.idpf.org/2007/opf" version="{version}.0" unique-identifier="id">\n'
        ' <metadata xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">\n'
        '  <dc:identifier id="id">urn:isbn:9780000000002</dc:identifier><dc:title>A book</dc:title>\n'
        f"  <dc:language>en</dc:language>\n  {metadata_xml}\n </metadata>\n"
        ' <manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>\n'
        ' <spine><itemref idref="c"/></spine>\n</package>\n'
    ).encode()


def epub(
    metadata_xml: str = "",
    *,
    version: int = 3,
    path: str = "OEBPS/content.opf",
    method: int = zipfile.ZIP_DEFLATED,
    encrypted: bool = False,
    package: bytes | None = None,
    container: str | None = None,
    first: Mapping[str, bytes] | None = None,
) -> bytes:
    """An EPUB of one chapter. ``encrypted`` says so of every file but the first; ``first`` are files written before
    the others."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as book:

        def write(name: str, content: bytes, method: int = method) -> None:
            entry = zipfile.ZipInfo(name, date_time=(2026, 11, 24, 0, 0, 0))
            entry.compress_type = method
            book.writestr(entry, content)

        write("mimetype", b"application/epub+zip", zipfile.ZIP_STORED)
        for name, content in (first or {}).items():
            write(name, content)
        write("META-INF/container.xml", (container or _CONTAINER.format(path=path)).encode())
        write(path, package if package is not None else opf(metadata_xml, version=version))
        write(path.rpartition("/")[0] + "/c.xhtml", b"<html xmlns='http://www.w3.org/1999/xhtml'><body>.</body></html>")
    made = out.getvalue()
    return _said_encrypted(made) if encrypted else made


def _said_encrypted(book: bytes) -> bytes:
    """With the flag of encryption set in the central directory."""
    changed = bytearray(book)
    at = book.find(b"PK\x01\x02", book.find(b"PK\x01\x02") + 1)
    while at >= 0:
        changed[at + 8] |= 1
        at = book.find(b"PK\x01\x02", at + 1)
    return bytes(changed)


# -- exiftool ---------------------------------------------------------------------------------------------------------


_CONFIG: Final = """
%Image::ExifTool::UserDefined = (
  'Image::ExifTool::PLUS::XMP' => { DataMining => { Writable => 'string' } },
);
1;
"""
"""Releases of exiftool before the property was standardized do not know it."""


def with_exiftool(work: bytes, suffix: str, *arguments: str, files: Mapping[str, bytes] | None = None) -> bytes:
    """The work after ``exiftool ARGUMENTS``, which may name ``files``: ``-XMP-plus:DataMining=http://…``,
    ``-XMP<=packet.xmp`` (a packet as it is). Skips the test where there is no exiftool."""
    if EXIFTOOL is None:
        pytest.skip("there is no exiftool on PATH; install libimage-exiftool-perl to have this test run")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"work.{suffix.lstrip('.')}"
        path.write_bytes(work)
        for name, content in {"askfirst.config": _CONFIG.encode(), **(files or {})}.items():
            (Path(folder) / name).write_bytes(content)
        done = subprocess.run(
            [EXIFTOOL, "-config", "askfirst.config", "-q", "-overwrite_original", *arguments, str(path)],
            capture_output=True, text=True, check=False, timeout=60, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return path.read_bytes()
