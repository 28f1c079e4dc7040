"""License links and what else a page says of whom to ask, beside the cases in tests/cases/license_links."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.html import relied_on
from askfirst.rights.model import Agent, Care, Document, Intent, Kind, Observation, Purpose, Verdict
from askfirst.rights.reader import Target
from askfirst.rights.signals import license_header, page_license

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
URL = "https://h.example/page"
TARGET = Target.of(Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN))


def page(body: bytes, *headers: tuple[str, str]) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=URL),
        status=200,
        headers=headers or (("Content-Type", "text/html"),),
        body=body,
        observed_at=AT,
    )


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "by"),
        ("http://CreativeCommons.org/licenses/BY-NC-ND/3.0/us/legalcode", "by nc nd"),
        ("https://de.creativecommons.org/licenses/by-sa/2.0", "by sa"),
        ("https://creativecommons.org/licenses/nc-sampling+/1.0/", ""),
        ("https://creativecommons.org/publicdomain/zero/1.0/", ""),
        ("https://creativecommons.org.evil.example/licenses/by-nc/4.0/", ""),
        ("https://[bad", ""),
    ],
)
def test_creative_commons_licenses(url: str, wanted: str) -> None:
    """The elements are those of the path, on Creative Commons' own host."""
    assert " ".join(sorted(page_license.creative_commons(url))) == wanted


_PIECES = st.sampled_from(
    [
        b'<link rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">', b"<a rel=license href=", b"//[x>",
        b'<script type="application/ld+json">', b"</script>", b'{"license":', b'"https://l.example/"', b"}", b"[", b",",
        b'{"copyrightHolder":{"name":"\\ud800","email":"a b@c"}}', b'"usageInfo":"\\u0000"', b"null", b"{}", b'"creator":',
        b'<meta name="copyright" content="', b"<meta name=dc.rights content=https://x>", b'">', b"\xff", b"\x00", b"'",
    ]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    body=st.one_of(st.lists(_PIECES, max_size=14).map(b"".join), st.binary(max_size=60)),
    link=st.one_of(st.text(max_size=30), st.just("<https://creativecommons.org/licenses/by-nd/4.0/>;rel=license")),
)
def test_any_bytes_permit_nothing(body: bytes, link: str) -> None:
    """Whatever the bytes are nothing raises, nothing is permitted, and only careful readers are refused; what is relied
    on says the same as the whole."""
    seen = page(body, ("Content-Type", "text/html"), ("Link", link))
    for reader in (page_license.READER, license_header.READER):
        said = reader.parse(seen, AGENT).on(TARGET)
        assert all(s.verdict is Verdict.REFUSE and s.care is Care.CONSERVATIVE for s in said.signals)
        assert all(c.name or c.address or c.terms_url or c.note for c in said.contacts)
        for contact in said.contacts:
            assert (contact.terms_url or "https://").startswith(("http://", "https://"))
            assert (contact.address or "tel:").startswith(("http://", "https://", "mailto:", "tel:"))
        assert reader.parse(relied_on(seen), AGENT).on(TARGET) == said


def test_a_page_of_licenses_is_a_few_contacts() -> None:
    """Of thousands of links and objects eight and sixteen count."""
    works = ",".join('{"license":"https://l.example/%d"}' % n for n in range(500))  # noqa: UP031  # braces
    body = "".join(f"<a rel=license href=/{n}>" for n in range(5_000))
    body += f'<script type="application/ld+json">[{works}]</script>'
    said = page_license.read_page_license(page(body.encode()), AGENT).on(TARGET)
    assert len(said.contacts) == 8 + 16


@pytest.mark.parametrize(
    "around", ["{}", "<!--\n{}\n-->", "//<![CDATA[\n{}\n//]]>", "/*<![CDATA[*/ {} /*]]>*/", "{};", " {} x"]
)
def test_what_old_pages_put_around_their_json_is_passed_over(around: str) -> None:
    """The license in it is found, in the page and in what is kept of it."""
    said = '{"license": "https://creativecommons.org/licenses/by-nc/4.0/"}'
    seen = page(f'<script type="application/ld+json">{around.replace("{}", said)}</script>'.encode())
    for one in (seen, relied_on(seen)):
        reading = page_license.read_page_license(one, AGENT).on(TARGET)
        assert {s.care for s in reading.signals} == {Care.CONSERVATIVE}
