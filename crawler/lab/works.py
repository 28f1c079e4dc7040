"""What stands inside the lab's works: XMP packets and C2PA stores, and small PDFs and EPUBs, the same bytes each time.

A PDF's /Metadata is an XMP packet (ISO 32000-2, section 14.3.2), not compressed, so that whoever scans a file finds it.
An EPUB is a ZIP with ``mimetype`` first and not compressed, and a package document (EPUB 3.3, sections 4.2 and 5).
They open in a reader and hold a page each: they are not made to be pretty. A C2PA manifest is one without claim and
signature, as a tool leaves it that keeps what it copies and cannot sign.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from html import escape

PDF = "application/pdf"
EPUB = "application/epub+zip"
_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "tdm": "http://www.w3.org/ns/tdmrep/",
}
_EPOCH = (2026, 1, 1, 0, 0, 0)


def xmp(properties: str) -> str:
    """An XMP packet that holds these property elements; ``dc``, ``plus`` and ``tdm`` are bound."""
    bound = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in _NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'<rdf:Description rdf:about="" {bound}>\n{properties}\n</rdf:Description>\n'
        '</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    )


def data_mining(key: str, *, creator: str, mail: str) -> str:
    """A picture's packet: what the PLUS vocabulary's ``key`` says of data mining, who made it, and whom to ask."""
    return xmp(
        f"<plus:DataMining>http://ns.useplus.org/ldf/vocab/{key}</plus:DataMining>\n"
        f"<dc:creator><rdf:Seq><rdf:li>{escape(creator)}</rdf:li></rdf:Seq></dc:creator>\n"
        '<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource">'
        f"<plus:LicensorName>{escape(creator)}</plus:LicensorName><plus:LicensorEmail>{mail}</plus:LicensorEmail>"
        "</rdf:li></rdf:Seq></plus:Licensor>"
    )


def c2pa_store(entries: dict[str, str]) -> bytes:
    """A C2PA manifest store (JUMBF) of one manifest, whose CAWG training-mining assertion holds these uses, by key."""
    said = json.dumps({"entries": {key: {"use": use} for key, use in entries.items()}}).encode()
    assertion = _superbox(b"json", "cawg.training-mining", _box(b"json", said))
    manifest = _superbox(b"c2ma", "urn:uuid:lab", _superbox(b"c2as", "c2pa.assertions", assertion))
    return _superbox(b"c2pa", "c2pa", manifest)


def _superbox(kind: bytes, label: str, content: bytes) -> bytes:
    described = _box(b"jumd", kind + bytes.fromhex("00110010800000aa00389b71") + b"\x03" + label.encode() + b"\0")
    return _box(b"jumb", described + content)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def pdf(title: str, *, properties: str = "") -> bytes:
    """One page with the title on it, and an XMP packet if there are properties. The title is ASCII, no parentheses."""
    line = f"BT /F1 18 Tf 40 120 Td ({title}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R" + (b" /Metadata 6 0 R" if properties else b"") + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 240] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>> >>",
        _stream(b"", line),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
    ]
    if properties:
        objects.append(_stream(b"/Type /Metadata /Subtype /XML ", xmp(properties).encode()))
    file, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return file + b"xref\n0 %d\n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        count, table, count, len(file),
    )  # fmt: skip


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def epub(title: str, *, metadata: str = "", prefix: str = "") -> bytes:
    """A book of one chapter. ``metadata`` goes into its package document, ``prefix`` binds what that needs."""
    bound = f' prefix="{prefix}"' if prefix else ""
    package = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id"{bound}>\n'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n'
        f'<dc:identifier id="id">lab:{escape(title)}</dc:identifier>\n<dc:title>{escape(title)}</dc:title>\n'
        '<dc:language>en</dc:language>\n<meta property="dcterms:modified">2026-01-01T00:00:00Z</meta>\n'
        f"{metadata}\n</metadata>\n<manifest>\n"
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>\n'
        '</manifest>\n<spine><itemref idref="nav"/></spine>\n</package>\n'
    )
    chapter = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{escape(title)}</title></head>\n'
        f'<body><nav epub:type="toc"><ol><li><a href="nav.xhtml">{escape(title)}</a></li></ol></nav></body></html>\n'
    )
    container = (
        '<?xml version="1.0"?>\n<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">\n'
        '<rootfiles><rootfile full-path="package.opf" media-type="application/oebps-package+xml"/></rootfiles>\n'
        "</container>\n"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr(zipfile.ZipInfo("mimetype", _EPOCH), EPUB)
        for name, text in (("META-INF/container.xml", container), ("package.opf", package), ("nav.xhtml", chapter)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            book.writestr(entry, text)
    return out.getvalue()
