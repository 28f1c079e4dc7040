"""RSL licenses: any bytes, hostile documents, real documents, and what the gate does with what others name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import (
    Category,
    Document,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Reading,
    Signal,
    Stage,
    Verdict,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES
from askfirst.rights.read import read
from askfirst.rights.reader import Reader, Target
from askfirst.rights.rsl import parse
from askfirst.rights.signals import license_challenge, rsl_associations, rsl_license
from tests.fuzz import AGENT, AT, CORPUS, Case, hold
from tests.hostile import calls_of, license_documents, license_lines
from tests.memory_web import Lab, intent, response

NS = "https://rslstandard.org/rsl"
URL = "https://h.example/a"
READERS = (rsl_license.READER, rsl_associations.READER, license_challenge.READER)
NO = f'<rsl xmlns="{NS}"><content url="/"><license><prohibits type="usage">ai-all</prohibits></license></content></rsl>'
YES = f'<rsl xmlns="{NS}"><content url="/"><license><permits type="usage">all</permits></license></content></rsl>'


def licensed(body: bytes | str, url: str = URL) -> Reading:
    """What a license document says of a URL."""
    seen = Observation(
        document=Document(kind=Kind.LICENSE, url="https://h.example/rsl.xml"),
        status=200,
        body=body.encode() if isinstance(body, str) else body,
        observed_at=AT,
    )
    return rsl_license.READER.parse(seen, AGENT).on(Target.of(Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN)))


def refused(reading: Reading) -> set[Category]:
    return {signal.category for signal in reading.signals if signal.verdict is Verdict.REFUSE}


def license_with(inside: str, attributes: str = "") -> str:
    return f'<rsl xmlns="{NS}"><content url="/"{attributes}><license>{inside}</license></content></rsl>'


# -- any bytes --------------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.sampled_from(
        [
            b"<rsl xmlns='https://rslstandard.org/rsl'>", b"<content url='/'>", b"<content url=''", b" server='x'", b">",
            b"<license>", b"<permits type='usage'>", b"<prohibits type='usage'>", b"all", b" ai-train,", b"search",
            b"</permits>", b"</prohibits>", b"<payment type='crawl'>", b"<amount currency='USD'>1</amount>",
            b"</payment>", b"</license>", b"</content>", b"</rsl>", b"<!DOCTYPE x>", b"<![CDATA[", b"]]>", b"&lt;",
            b"<?xml version='1.0' encoding='utf-16'?>", b"\xff\xfe", b"\0", b"\xe9", b"<x:y xmlns:x='z'>",
            b"<copyright contactEmail='a@b' contactUrl='//['>", b"<terms>http://[</terms>", b"url='http://[::'",
        ]
    )
).map(b"".join)  # fmt: skip
KINDS = st.sampled_from([Kind.LICENSE, Kind.WELL_KNOWN, Kind.RESPONSE])
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["Link", "WWW-Authenticate", "crawler-price", "Content-Type"]),
        st.one_of(
            st.text(max_size=60),
            st.sampled_from(["License", "<x>; rel=license", "text/html", "<http://[>; rel=license"]),
        ),
    ),
    max_size=4,
)


@given(
    st.one_of(PIECES, st.binary(max_size=400)),
    KINDS,
    st.one_of(st.none(), st.sampled_from([200, 204, 301, 401, 402, 404, 500])),
    FIELDS,
    st.sampled_from(READERS),
)
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read(
    body: bytes, kind: Kind, status: int | None, fields: list[tuple[str, str]], reader: Reader
) -> None:
    """No bytes, status or fields make a reader raise; what it says is evidenced, recorded, and replays."""
    url = {Kind.WELL_KNOWN: "https://h.example/robots.txt", Kind.LICENSE: "https://h.example/r.xml"}.get(kind, URL)
    encodable = [(n, v.encode("latin-1", "replace").decode("latin-1")) for n, v in fields]
    seen = Observation(
        document=Document(kind=kind, url=url), status=status, headers=tuple(encodable), body=body, observed_at=AT
    )
    act = Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN)
    if reader.names is not None:
        reader.names(seen, AGENT)
    if kind in reader.kinds:
        for policy in PROFILES.values():
            read(act, [seen], policy)
        statement = reader.parse(seen, AGENT)
        assert statement.on(Target.of(act)) is statement.on(Target.of(act))


@given(st.one_of(PIECES, st.binary(max_size=200)))
@settings(max_examples=200, deadline=None)
def test_only_a_whole_document_permits(body: bytes) -> None:
    """What is cut permits nothing, wherever the cut is."""
    whole = parse(body)
    cut = parse(body, truncated=True)
    assert cut.broken is not None
    assert whole.broken is None or not whole.valid


# -- hostile documents ------------------------------------------------------------------------------------------------


LARGE = "https://h.example/" + "a" * 2_000
REFUSED = {"laughs", "deep", "wide", "attributes", "a long namespace"}


@pytest.mark.parametrize("name", license_documents())
def test_twice_the_hostile_document_is_at_most_twice_the_work(name: str) -> None:
    """Reading a license that is built to cost time, and asking it, costs what its size costs and no more."""
    half, whole = license_documents(0.5)[name], license_documents()[name]
    assert calls_of(lambda: licensed(whole, LARGE)) < 2.2 * calls_of(lambda: licensed(half, LARGE))
    assert Category.TRAIN in refused(licensed(whole, LARGE)) or name not in REFUSED


@pytest.mark.parametrize("name", license_lines())
def test_twice_the_hostile_associations_are_at_most_twice_the_work(name: str) -> None:
    """A robots.txt that is built to cost time is looked through for what its size costs, and names few documents."""

    def looked_through(body: bytes) -> None:
        document = Document(kind=Kind.WELL_KNOWN, url="https://h.example/robots.txt")
        seen = Observation(document=document, status=200, body=body, observed_at=AT)
        assert len(rsl_associations.named_licenses(seen, AGENT)) <= 8
        rsl_associations.READER.parse(seen, AGENT)

    half, whole = license_lines(0.5)[name], license_lines()[name]
    assert calls_of(lambda: looked_through(whole)) < 2.2 * calls_of(lambda: looked_through(half))


def test_a_file_outside_is_never_opened(tmp_path: Path) -> None:
    """An entity that names a file does not bring its words into anything that is said."""
    secret = tmp_path / "secret"
    secret.write_text("open sesame")
    reading = licensed(f'<!DOCTYPE r [<!ENTITY x SYSTEM "{secret.as_uri()}">]>{license_with("&x;")}')
    assert "sesame" not in repr(reading)
    assert refused(reading) == {Category.TRAIN, Category.TRAIN_GENERATIVE, Category.AI_INPUT, Category.TDM}


# -- terms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "attributes", "words"),
    [
        ('<payment type="crawl"><amount currency="USD">0.015</amount></payment>', "", "payment crawl, 0.015 USD"),
        (
            '<payment type="use"><accepts type="application/x402+json"/></payment>',
            "",
            "payment use, by application/x402+json",
        ),
        (
            "<payment><standard>https://c.example/l</standard></payment>",
            "",
            "payment of no type, under https://c.example/l",
        ),
        ('<payment type="free"/>', ' server="https://olp.example/"', "a license token from https://olp.example/"),
        ("", ' encrypted="true"', "a key: the content is encrypted"),
        ('<reporting type="audit" profile="https://p.example/1"/>', "", "reporting audit by https://p.example/1"),
        ('<permits type="geo">US</permits>', "", "permits geo US"),
        ('<prohibits type="user">commercial</prohibits>', "", "prohibits user commercial"),
    ],
)
def test_terms_name_the_condition(inside: str, attributes: str, words: str) -> None:
    """Each condition is told in words, in the terms of every refusal."""
    signals = licensed(license_with(inside, attributes)).signals
    train = [s for s in signals if s.category is Category.TRAIN]
    assert [(s.verdict, s.terms and s.terms.reference) for s in train] == [(Verdict.REFUSE, words)]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_other_encodings(codec: str) -> None:
    """A document in UTF-16 says the same, and its words are quoted as text."""
    body = ("" if codec in {"utf-16", "utf-8-sig"} else "\ufeff") + NO
    train = next(s for s in licensed(body.encode(codec)).signals if s.category is Category.TRAIN)
    assert train.evidence.text == '<prohibits type="usage">ai-all</prohibits>'


# -- real documents ---------------------------------------------------------------------------------------------------

REAL = sorted((CORPUS / "rsl").glob("*")) if (CORPUS / "rsl").is_dir() else []


@pytest.mark.corpus
@pytest.mark.skipif(not REAL, reason="the folder of real files is not beside this checkout")
def test_real_documents_are_read_and_none_permits_training() -> None:
    """Every real document is read, decided on, recorded and replayed; whoever published one that covers this host did
    not give training away for nothing, and no document that is not RSL permits anything."""
    for path in REAL:
        body = path.read_bytes()
        seen = Observation(
            document=Document(kind=Kind.LICENSE, url="https://h.example/rsl.xml"), status=200, body=body, observed_at=AT
        )
        for policy in (OPT_OUT, OPT_IN):
            for purpose in Purpose:
                act = Intent(url=URL, agent=AGENT, purpose=purpose)
                hold(Case(reader=rsl_license.READER, seen=seen, intent=act, policy=policy, stage=Stage.KEEP))
        permits = {s.category for s in licensed(body).signals if s.verdict is Verdict.ALLOW}
        assert not permits & {Category.TRAIN, Category.TRAIN_GENERATIVE}, path.name
        assert parse(body).broken is None or not permits, path.name


# -- the gate ---------------------------------------------------------------------------------------------------------

LICENSE = "https://licenses.example/r.xml"


async def decided(lab: Lab, *urls: str) -> list[Signal]:
    """The reasons for the last decision, after each URL was asked about, and that all of them replay."""
    decision = None
    for url in urls:
        decision = await lab.gate.before_fetch(intent(url))
    assert decision is not None
    replays(lab)
    assert (decision.verdict is Verdict.REFUSE) == any(s.verdict is Verdict.REFUSE for s in decision.because)
    return list(decision.because)


def replays(lab: Lab) -> None:
    evidenced = Evidenced(lab.record.evidence)
    known = {policy.digest: policy for policy in PROFILES.values()}
    for line in lab.record.lines:
        assert replay_recorded(line, evidenced, known) is None


async def test_a_named_license_is_looked_at_once_and_decides() -> None:
    """A license on another host is fetched once for two URLs, decides both, is in evidence, and the decisions replay."""
    lab = Lab()
    lab.web.publish("https://h.example/robots.txt", f"License: {LICENSE}\n")
    lab.web.publish(LICENSE, NO)
    because = await decided(lab, URL, "https://h.example/b")
    assert {s.protocol for s in because} == {"rsl"}
    assert {s.evidence.document_url for s in because} == {LICENSE}
    assert lab.web.looks[LICENSE] == 1
    assert [seen.body for seen in lab.record.evidence if seen.document.url == LICENSE] == [NO.encode()]


async def test_a_license_that_permits_allows_under_opt_in() -> None:
    """A free license is an express permission, and the decision names its document and digest."""
    lab = Lab(OPT_IN)
    lab.web.publish("https://h.example/robots.txt", f"License: {LICENSE}\n")
    lab.web.publish(LICENSE, YES)
    (signal,) = [s for s in await decided(lab, URL) if s.category is Category.TRAIN]
    assert (signal.verdict, signal.evidence.document_url) == (Verdict.ALLOW, LICENSE)
    assert signal.terms is not None
    assert signal.terms.url == LICENSE


@pytest.mark.parametrize("outage", [Outage.TIMEOUT, Outage.DNS, Outage.REFUSED, Outage.BROKEN])
async def test_a_license_host_that_is_down_refuses(outage: Outage) -> None:
    """A license that is named and cannot be had leaves the work unlicensed."""
    lab = Lab()
    lab.web.publish("https://h.example/robots.txt", f"License: {LICENSE}\n")
    lab.web.publish(LICENSE, status=None, outage=outage)
    assert {s.evidence.at for s in await decided(lab, URL)} == {f"outage {outage.value}"}


async def test_a_license_that_its_host_bars_refuses() -> None:
    """The robots.txt of the license's own host is obeyed: what it bars is not asked for, and the work is unlicensed."""
    lab = Lab()
    lab.web.publish("https://h.example/robots.txt", f"License: {LICENSE}\n")
    lab.web.publish("https://licenses.example/robots.txt", "User-agent: *\nDisallow: /\n")
    lab.web.publish(LICENSE, YES)
    assert {s.evidence.at for s in await decided(lab, URL)} == {"outage blocked"}
    assert lab.web.looks[LICENSE] == 0


async def test_search_needs_no_license_that_cannot_be_had() -> None:
    """The same outage says nothing of search."""
    lab = Lab()
    lab.web.publish("https://h.example/robots.txt", f"License: {LICENSE}\n")
    lab.web.publish(LICENSE, status=503)
    decision = await lab.gate.before_fetch(intent(URL, Purpose.SEARCH))
    assert (decision.verdict, decision.because) == (Verdict.ALLOW, ())


async def test_a_license_of_another_group_permits_nothing() -> None:
    """Careful readers look at the license that another bot was given. It can refuse, and it cannot permit."""
    group = f"User-agent: *\nAllow: /\n\nUser-agent: PartnerBot\nLicense: {LICENSE}\n"
    named = LICENSE + rsl_license.REFUSES_ONLY
    for body, reasons in ((YES, 0), (NO, 3)):
        lab = Lab(OPT_IN)
        lab.web.publish("https://h.example/robots.txt", group)
        lab.web.publish(named, body)
        decision = await lab.gate.before_keep(intent(URL), response(lab, URL))
        assert (decision.verdict, len(decision.because)) == (Verdict.REFUSE, reasons)
        replays(lab)
    lab = Lab(OPT_OUT)
    lab.web.publish("https://h.example/robots.txt", group)
    await lab.gate.before_keep(intent(URL), response(lab, URL))
    assert not any(url.startswith(LICENSE) for url in lab.web.looks)


async def test_a_license_that_a_response_names_is_looked_at_before_it_is_kept() -> None:
    """A Link field names the license: it is fetched once for two responses, and decides whether they are kept."""
    lab = Lab()
    lab.web.publish(LICENSE, NO)
    fields = [("Link", f'<{LICENSE}>; rel="license"; type="application/rsl+xml"')]
    for url in (URL, "https://h.example/b"):
        decision = await lab.gate.before_keep(intent(url), response(lab, url, "x", headers=fields))
        assert {s.evidence.document_url for s in decision.because} == {LICENSE}
    assert lab.web.looks[LICENSE] == 1
    replays(lab)


async def test_a_license_inside_a_page_replays_from_what_is_kept_of_the_page() -> None:
    """A script of RSL in the head decides, and the excerpt that is kept says the same."""
    lab = Lab()
    page = f'<!doctype html><head><script type="application/rsl+xml">{NO}</script></head><p>words</p>'
    seen = response(lab, URL, page, headers=[("Content-Type", "text/html")])
    decision = await lab.gate.before_keep(intent(URL), seen)
    assert {s.protocol for s in decision.because} == {"rsl"}
    assert not any(b"<p>words" in one.body for one in lab.record.evidence)
    replays(lab)


async def test_the_ninth_license_is_not_taken_for_silence() -> None:
    """More licenses are named than are looked at: what the last one says is not known, whatever the others permit."""
    lab = Lab()
    urls = [f"https://h.example/{n}.xml" for n in range(9)]
    lab.web.publish("https://h.example/robots.txt", "User-agent: *\n" + "".join(f"License: {url}\n" for url in urls))
    for url in urls:
        lab.web.publish(url, YES)
    decision = await lab.gate.before_fetch(intent(URL))
    assert decision.verdict is Verdict.DEFER
    assert {s.evidence.at for s in decision.because} == {"line 10"}
    assert [lab.web.looks[url] for url in urls] == [1] * 8 + [0]
    replays(lab)


async def test_licenses_for_others_do_not_crowd_out_ours() -> None:
    """A careful reader looks at the licenses of other groups too, and at our own before them."""
    others = [f"https://o.example/{n}.xml" for n in range(8)]
    groups = "".join(
        f"User-agent: Bot-{'x' * n}\nLicense: {url}\nDisallow: /\n\n" for n, url in enumerate(others, start=1)
    )
    lab = Lab(OPT_IN)
    lab.web.publish(
        "https://h.example/robots.txt", f"{groups}User-agent: *\nContent-Signal: ai-train=yes\nLicense: {LICENSE}\n"
    )
    for url in others:
        lab.web.publish(url + rsl_license.REFUSES_ONLY, YES)
    lab.web.publish(LICENSE, NO)
    assert {s.evidence.document_url for s in await decided(lab, URL)} == {LICENSE}


async def test_a_license_that_a_redirect_names_refuses_and_never_permits() -> None:
    """The fields of each hop count. What a hop names is looked at, can refuse, and replays."""
    fields = [("Link", f'<{LICENSE}>; rel="license"; type="application/rsl+xml"')]
    for body, verdict in ((NO, Verdict.REFUSE), (YES, Verdict.ALLOW)):
        lab = Lab()
        lab.web.publish(LICENSE + rsl_license.REFUSES_ONLY, body)
        hop = response(lab, "https://h.example/old", status=301, headers=fields)
        decision = await lab.gate.before_keep(intent(URL), response(lab, URL, "x"), [hop])
        assert decision.verdict is verdict
        assert not any(s.verdict is Verdict.ALLOW for s in decision.because)
        replays(lab)


async def test_one_license_that_is_named_as_two_things_replays() -> None:
    """robots.txt names the license, and a link inside the page names it to refuse only: two looks, told apart."""
    lab = Lab()
    lab.web.publish("https://h.example/robots.txt", f"License: {LICENSE}\n")
    lab.web.publish(LICENSE, YES)
    lab.web.publish(LICENSE + rsl_license.REFUSES_ONLY, YES)
    page = f'<p><a rel="license" type="application/rsl+xml" href="{LICENSE}">license</a>'
    seen = response(lab, URL, page, headers=[("Content-Type", "text/html")])
    decision = await lab.gate.before_keep(intent(URL), seen)
    assert decision.verdict is Verdict.ALLOW
    assert {s.evidence.document_url for s in decision.because} == {LICENSE}
    replays(lab)
