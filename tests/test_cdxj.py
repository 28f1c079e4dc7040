"""The keys of the index (CDXJ) are those by which archive tools look a URL up.

The expected keys are facts: the examples of the surt package's own page (PyPI, surt 0.3.1), and what that package, which
is the one pywb asks, answers for the other addresses.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.cdxj import surt

SESSION = "0123456789abcdef0123456789ABCDEF"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        # the package's page
        ("http://archive.org/goo/?a=2&b&a=1", "org,archive)/goo?a=1&a=2&b"),
        # hosts
        ("http://example.com", "com,example)/"),
        ("HTTP://WWW.EXAMPLE.COM/", "com,example)/"),
        ("http://www12.example.com/", "com,example)/"),
        ("http://www.www.example.com/", "com,example,www)/"),
        ("http://wwwx.example.com/", "com,example,wwwx)/"),
        ("http://www.com/", "com)/"),
        ("http://a..b.example./", "example,b,a)/"),
        ("http://user:password@example.com/x", "com,example)/x"),
        ("http://192.0.2.1/x", "1,2,0,192)/x"),
        ("https://[2001:db8::1]:8443/", "2001:db8::1:8443)/"),
        ("http://xn--mnchen-3ya.example/x", "example,xn--mnchen-3ya)/x"),
        # ports: one that goes without saying for this scheme
        ("https://example.com:443/", "com,example)/"),
        ("http://example.com:443/", "com,example:443)/"),
        ("http://127.0.0.1:8080/robots.txt", "1,0,0,127:8080)/robots.txt"),
        # paths
        ("http://example.com/A/B/", "com,example)/a/b"),
        ("http://example.com/x//y/../z/./", "com,example)/x/z"),
        ("http://example.com/..", "com,example)/.."),
        ("http://example.com//", "com,example)/"),
        ("http://example.com/x,y)z", "com,example)/x,y)z"),
        # escapes
        ("http://example.com/%41%2520b", "com,example)/a%20b"),
        ("http://example.com/a b", "com,example)/a%20b"),
        ("http://example.com/%7Ex%2Fy%3Fz", "com,example)/~x/y?z"),
        ("http://example.com/%C3%89", "com,example)/%c3%89"),
        ("http://example.com/é", "com,example)/%c3%a9"),
        ("http://example.com/%ff%23%zz", "com,example)/%ff%23%25zz"),
        # arguments
        ("http://www.example.com/A?Z=1&a=2", "com,example)/a?a=2&z=1"),
        ("http://example.com/x?b=2&a=1&", "com,example)/x?&a=1&b=2"),
        ("http://example.com/x?a=&a", "com,example)/x?a&a="),
        ("http://example.com/x?a-b=c&a=b", "com,example)/x?a=b&a-b=c"),
        ("http://example.com/x?q=%26&b=1", "com,example)/x?&b=1&q="),
        ("http://example.com/x?u=http://b.example/?c=d", "com,example)/x?u=http://b.example/?c=d"),
        ("http://example.com?b=1&a=2", "com,example)/?a=2&b=1"),
        ("http://example.com/x?", "com,example)/x"),
        ("http://example.com/x?#part", "com,example)/x"),
        # sessions
        (f"http://example.com/x?jsessionid={SESSION}&a=1", "com,example)/x?a=1"),
        (f"http://example.com/x?a=1&PHPSESSID={SESSION}", "com,example)/x?&a=1"),
        (f"http://example.com/x?sid={SESSION}", "com,example)/x"),
        ("http://example.com/x?cfid=1234&cftoken=5678", "com,example)/x"),
        ("http://example.com/x?ASPSESSIONIDabcdefgh=abcdefghabcdefghabcdefgh&a", "com,example)/x?a"),
        ("http://example.com/(S(hm5cw2555ztdhm455eqp2555))/x.aspx", "com,example)/x.aspx"),
        ("http://example.com/(hm5cw2555ztdhm455eqp2555)/x.aspx", "com,example)/x.aspx"),
        ("http://example.com/x?sessionid=1", "com,example)/x?sessionid=1"),
        # no host
        (
            "registry:out%2FRegistry.sqlite?url=http%3A%2F%2Fa.example%3A8080%2FA",
            "registry:out/registry.sqlite?url=http://a.example:8080/a",
        ),
        ("registry:https%3A%2F%2FB.example%2Fgrants?url=x", "registry:https://b.example/grants?url=x"),
    ],
)
def test_a_url_has_the_key_that_archives_look_up(url: str, key: str) -> None:
    """The key is the surt package's, and so pywb's."""
    assert surt(url) == key


def test_addresses_that_differ_only_in_form_share_a_key() -> None:
    """What a reader types leads to what the crawler fetched."""
    forms = (
        "https://www.example.com/Gallery/?page=2&album=7",
        "http://example.com/gallery?album=7&page=2#top",
        "http://example.com:80/%67allery//?ALBUM=7&page=%32",
    )
    assert {surt(form) for form in forms} == {"com,example)/gallery?album=7&page=2"}


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    """Whatever stands in the record: a key is printable ASCII without a space, so that a line stays a line."""
    for url in (text, f"http://{text}", f"https://a.example/{text}"):
        key = surt(url)
        assert key.isascii()
        assert key == "" or (key.isprintable() and " " not in key)
