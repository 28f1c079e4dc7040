"""What works say in their own bytes, through read(): real files whole, cut at every length, and with every byte broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights import xmp
from askfirst.rights.carriers import FIELDS, OPF, UNREADABLE, XMP
from askfirst.rights.decide import decide
from askfirst.rights.model import (
    Agent,
    Category,
    Contact,
    Decision,
    Document,
    Intent,
    Kind,
    Nearness,
    Observation,
    Purpose,
    Reading,
    Stage,
    Verdict,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, STRICT, Policy
from askfirst.rights.read import read
from askfirst.rights.reader import Target
from askfirst.rights.signals import plus_data_mining, tdm_asset, work_rights
from tests import works

AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
PROHIBITED = works.data_mining("DMI-PROHIBITED")
KEY = b"vocab/DMI-PROHIBITED"
RESERVED = works.xmp("<tdm:reservation>1</tdm:reservation><tdm:policy>https://p.example/tdm.json</tdm:policy>")

REAL: dict[str, Callable[[], tuple[bytes, str]]] = {
    "jpeg": lambda: (works.jpeg(PROHIBITED), "image/jpeg"),
    "png": lambda: (works.png(PROHIBITED), "image/png"),
    "webp": lambda: (works.webp(PROHIBITED), "image/webp"),
    "tiff": lambda: (works.tiff(PROHIBITED), "image/tiff"),
    "gif": lambda: (works.gif(PROHIBITED), "image/gif"),
    "avif": lambda: (works.avif(PROHIBITED), "image/avif"),
    "heif": lambda: (works.heif(PROHIBITED), "image/heic"),
    "mp4": lambda: (works.mp4(PROHIBITED), "video/mp4"),
    "svg": lambda: (works.svg(works.data_mining("DMI-PROHIBITED", wrapper=False)), "image/svg+xml"),
    "pdf": lambda: (works.pdf(PROHIBITED), "application/pdf"),
    "pdf by pypdf": lambda: (works.pdf_by_pypdf(PROHIBITED), "application/pdf"),
    "packet": lambda: (PROHIBITED, "application/rdf+xml"),
}
"""Works whose packet stands in them uncompressed."""


def decided(
    body: bytes, media: str = "image/jpeg", *, purpose: Purpose = Purpose.SEARCH, policy: Policy = OPT_OUT
) -> Decision:
    """What follows from a response with this body."""
    intent = Intent(url=works.URL, agent=AGENT, purpose=purpose, media=media)
    reading = read(intent, [works.response(body, media)], policy)
    return decide(intent, reading, policy, stage=Stage.KEEP, at=works.AT)


def packet(body: bytes, media: str = XMP, *, truncated: bool = False) -> Observation:
    document = Document(kind=Kind.ASSET, url=works.URL)
    headers = (("Content-Type", media),)
    return Observation(document=document, headers=headers, body=body, truncated=truncated, observed_at=works.AT)


def said(observation: Observation) -> list[Reading]:
    """What each of the three readers says of a packet."""
    target = Target.of(Intent(url=works.URL, agent=AGENT, purpose=Purpose.TRAIN))
    readers = (plus_data_mining.READER, tdm_asset.READER, work_rights.READER)
    return [reader.parse(observation, AGENT).on(target) for reader in readers]


@pytest.mark.parametrize("kind", REAL)
def test_a_prohibition_in_a_real_work_refuses(kind: str) -> None:
    """Whatever the container."""
    body, media = REAL[kind]()
    decision = decided(body, media)
    assert decision.verdict is Verdict.REFUSE
    assert [s.protocol for s in decision.because] == ["plus"]
    assert decision.because[0].evidence.at == "XMP plus:DataMining"
    assert decision.because[0].evidence.document_url == works.URL


@pytest.mark.parametrize("kind", REAL)
def test_a_work_that_is_cut_anywhere_is_read_and_refuses_once_the_words_are_there(kind: str) -> None:
    """No prefix of a work raises, and none that holds the prohibition is kept."""
    body, media = REAL[kind]()
    end = body.index(KEY) + len(KEY)
    for cut in _lengths(len(body), around=end):
        decision = decided(body[:cut], media)
        if cut >= end:
            assert decision.verdict is Verdict.REFUSE, cut


@pytest.mark.parametrize("kind", REAL)
def test_a_work_with_a_broken_byte_is_read_and_refuses_while_the_words_are_there(kind: str) -> None:
    """One bit changed in any byte raises nothing. Where the prohibition is still readable in a packet, it refuses."""
    body, media = REAL[kind]()
    start = body.index(b"<x:xmpmeta")
    stop = body.index(b"</x:xmpmeta>") + 12
    missed: list[int] = []
    for at in _lengths(len(body), around=body.index(KEY)):
        if at == len(body):
            continue
        broken = bytearray(body)
        broken[at] ^= 1 << (at % 8)
        decision = decided(bytes(broken), media, policy=OPT_IN)
        counted = [s for s in decision.because if s.protocol == "plus"]
        if start + 12 <= at < stop - 12 and KEY in broken and not counted:
            missed.append(at)
    assert not missed


def _lengths(size: int, *, around: int) -> Iterator[int]:
    """Every length of a small file; of a larger one every seventh, and every one around a place."""
    for at in range(size + 1):
        if size < 1_500 or at % 7 == 0 or abs(at - around) < 200:
            yield at


@pytest.mark.parametrize("key", ["DMI-PROHIBITED", "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", "DMI-ALLOWED"])
@pytest.mark.parametrize(("work", "suffix"), [(works.jpeg, "jpg"), (works.png, "png"), (works.webp, "webp")])
def test_what_exiftool_writes_is_read(key: str, work: Callable[[], bytes], suffix: str) -> None:
    """The tool that most people write it with."""
    body = works.with_exiftool(
        work(),
        suffix,
        f"-XMP-plus:DataMining={works.VOCABULARY}{key}",
        "-XMP-dc:Creator=Ada Artist",
        "-XMP-plus:LicensorName=Ada Licensing",
        "-XMP-plus:LicensorEmail=l@ada.example",
        "-XMP-plus:LicensorURL=https://ada.example/license",
    )
    search, train = decided(body), decided(body, purpose=Purpose.TRAIN)
    assert search.verdict is (Verdict.REFUSE if key == "DMI-PROHIBITED" else Verdict.ALLOW)
    assert train.verdict is (Verdict.ALLOW if key == "DMI-ALLOWED" else Verdict.REFUSE)
    assert search.because
    assert train.because
    for ask in train.ask:
        assert (ask.contact, ask.name, ask.terms_url) == (
            "mailto:l@ada.example",
            "Ada Licensing",
            "https://ada.example/license",
        )


def test_what_exiftool_writes_into_exif_and_iptc_is_read() -> None:
    """Older fields say whom to ask, and a sentence in them is a suspicion."""
    body = works.with_exiftool(
        works.jpeg(),
        "jpg",
        "-EXIF:Artist=Ada Artist",
        "-EXIF:Copyright=Ada, https://ada.example/terms",
        "-IPTC:SpecialInstructions=No AI training",
    )
    decision = decided(body, purpose=Purpose.TRAIN, policy=STRICT)
    assert [s.protocol for s in decision.because] == ["work-rights"]
    ask = decision.ask[0]
    assert (ask.name, ask.terms_url) == ("Ada Artist", "https://ada.example/terms")
    assert decided(body, purpose=Purpose.TRAIN).verdict is Verdict.ALLOW


@pytest.mark.parametrize("made", [works.pdf, works.pdf_by_pypdf])
def test_a_reservation_in_a_pdf_refuses_and_names_its_policy(made: Callable[[bytes], bytes]) -> None:
    """The XMP of a PDF, with the policy as the terms and as a document to look at."""
    decision = decided(made(RESERVED), "application/pdf", purpose=Purpose.TDM)
    assert decision.verdict is Verdict.REFUSE
    terms = decision.because[0].terms
    assert terms is not None
    assert terms.url == "https://p.example/tdm.json"
    names = tdm_asset.policies_of_asset(packet(RESERVED), AGENT)
    assert [(n.document.kind, n.document.url) for n in names] == [(Kind.POLICY, "https://p.example/tdm.json")]


def test_a_policy_is_named_only_beside_a_reservation() -> None:
    """Beside a 0, or alone, it is not looked at."""
    for inner in (
        "<tdm:policy>https://p.example/p</tdm:policy>",
        "<tdm:reservation>0</tdm:reservation><tdm:policy>https://p.example/p</tdm:policy>",
        "<tdm:reservation>1</tdm:reservation><tdm:policy>javascript:x</tdm:policy>",
    ):
        assert tdm_asset.policies_of_asset(packet(works.xmp(inner)), AGENT) == ()


@pytest.mark.parametrize("version", [2, 3])
def test_a_reservation_in_an_epub_refuses(version: int) -> None:
    """As EPUB 2 and EPUB 3 write it."""
    inner = (
        '<meta name="tdm:reservation" content="1"/>' if version == 2 else '<meta property="tdm:reservation">1</meta>'
    )
    decision = decided(works.epub(inner, version=version), "application/epub+zip", purpose=Purpose.TDM)
    assert [(s.protocol, s.evidence.at) for s in decision.because] == [("tdmrep", "meta tdm:reservation")]


def test_an_epub_that_is_cut_anywhere_is_read() -> None:
    """No prefix of a book raises; one that holds its package in the clear refuses."""
    import zipfile

    body = works.epub('<meta property="tdm:reservation">1</meta>', method=zipfile.ZIP_STORED)
    assert decided(body, "application/epub+zip", purpose=Purpose.TDM).verdict is Verdict.REFUSE
    for cut in range(0, len(body), 3):
        assert decided(body[:cut], "application/epub+zip", purpose=Purpose.TDM).verdict in Verdict


@pytest.mark.parametrize(
    "media", [XMP, OPF, FIELDS, UNREADABLE, "application/c2pa", "", "application/rdf+xml; charset=x"]
)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_packet_never_raises(media: str, data: st.DataObject) -> None:
    """Whatever the bytes and the type, the readers answer, and permit nothing that nobody wrote."""
    seeds = [
        b"",
        PROHIBITED,
        RESERVED,
        works.opf('<meta property="tdm:reservation">1</meta>'),
        b'[{"at":"a","text":"b"}]',
    ]
    body = data.draw(st.sampled_from(seeds))
    at = data.draw(st.integers(0, len(body)))
    body = body[:at] + data.draw(st.binary(max_size=20)) + body[at + data.draw(st.integers(0, 20)) :]
    for reading in said(packet(body, media, truncated=data.draw(st.booleans()))):
        assert all(s.verdict is Verdict.REFUSE for s in reading.signals)
        assert all(len(s.evidence.text) <= 200 for s in reading.signals)


@given(keys=st.lists(st.sampled_from(sorted(plus_data_mining._VOCABULARY)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_more_values_never_permit_more(keys: list[str]) -> None:
    """Of several values the strictest counts in every category, and a permission only where it is the only one."""
    properties = [f"<plus:DataMining>{works.VOCABULARY}{key}</plus:DataMining>" for key in keys]
    together = said(packet(works.xmp("".join(properties))))[0]
    alone = [s for one in properties for s in said(packet(works.xmp(one)))[0].signals]
    refused = {s.category for s in alone if s.verdict is Verdict.REFUSE}
    assert {s.category for s in together.signals if s.verdict is Verdict.REFUSE} == refused
    permitted = {s.category for s in together.signals if s.verdict is Verdict.ALLOW}
    assert not permitted or (len(set(keys)) == 1 and permitted.isdisjoint(refused))


def test_no_input_to_a_model_is_permitted() -> None:
    """The vocabulary does not speak of it."""
    signals = said(packet(works.data_mining("DMI-ALLOWED")))[0].signals
    assert {s.category for s in signals} == {
        Category.TRAIN,
        Category.TRAIN_GENERATIVE,
        Category.TDM,
        Category.SEARCH,
    }


def test_contacts_are_few_and_each_once() -> None:
    """A thousand licensors are as good as three, and the same words twice are one contact."""
    entry = '<rdf:li plus:LicensorName="L{0}" plus:LicensorEmail="l{0}@a.example"/>'
    many = "".join(entry.format(n) for n in range(1_000))
    contacts = contacts_of(works.xmp(f"<plus:Licensor><rdf:Bag>{many}</rdf:Bag></plus:Licensor>"))
    assert [c.name for c in contacts] == ["L0", "L1", "L2"]
    same = entry.format(1) * 3
    contacts = contacts_of(works.xmp(f"<plus:Licensor><rdf:Bag>{same}</rdf:Bag></plus:Licensor>"))
    assert [(c.name, c.address, c.nearness) for c in contacts] == [("L1", "mailto:l1@a.example", Nearness.WORK)]


def contacts_of(body: bytes) -> tuple[Contact, ...]:
    return said(packet(body))[2].contacts


def test_readers_share_one_parse() -> None:
    """A packet is parsed once for all of them."""
    xmp.packet.cache_clear()
    said(packet(RESERVED + b" "))
    assert xmp.packet.cache_info().misses == 1
