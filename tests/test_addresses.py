"""The policy of addresses: what may be connected to, however the address is spelled."""

from __future__ import annotations

import ipaddress
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.addresses import METADATA, AddressError, AddressPolicy, host_literal

PUBLIC = AddressPolicy()


@pytest.mark.parametrize(
    ("ip", "reason"),
    [
        ("8.8.8.8", None),
        ("1.1.1.1", None),
        ("172.32.0.1", None),
        ("100.128.0.1", None),
        ("2606:4700::1111", None),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.1.1", "link-local"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("192.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("[::1]", "loopback"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("fec0::1", "private"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::1%lo", "loopback"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
        ("100::1", "reserved"),
        ("4000::1", "reserved"),
        ("localhost", "not an address"),
        ("", "not an address"),
    ],
)
def test_an_address_may_be_connected_to_only_if_it_is_public(ip: str, reason: str | None) -> None:
    """Every special-purpose range is named by its word."""
    assert PUBLIC.check(ip) == reason


@pytest.mark.parametrize(
    ("ip", "reason"),
    [
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:7f00:1", "loopback"),
        ("::ffff:8.8.8.8", None),
        ("::ffff:169.254.169.254", "metadata"),
        ("::127.0.0.1", "loopback"),
        ("::8.8.8.8", "reserved"),
        ("::ffff:0:10.0.0.1", "private"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::169.254.169.254", "metadata"),
        ("64:ff9b::8.8.8.8", None),
        ("64:ff9b:1::8.8.8.8", "private"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:a9fe:a9fe::", "metadata"),
        ("2002:808:808::1", "tunnel"),
        ("2001:0:a00:1::1", "private"),  # Teredo, the server is 10.0.0.1
        ("2001:0:808:808:0:0:80ff:fffe", "loopback"),  # Teredo, the client is 127.0.0.1, inverted
        ("2001:0:808:808:0:0:f7f7:f7f7", "tunnel"),
    ],
)
def test_an_ipv4_address_is_seen_inside_ipv6(ip: str, reason: str | None) -> None:
    """Mapping, translation and tunnels do not hide where the packets go."""
    assert PUBLIC.check(ip) == reason


def test_a_cidr_admits_what_it_holds_and_nothing_else() -> None:
    """--allow-private 127.0.0.0/8 opens loopback in every IPv4 spelling, and no other private network."""
    lab = AddressPolicy(["127.0.0.0/8", "fd00:1::/32"])
    assert [lab.check(ip) for ip in ("127.0.0.1", "::ffff:127.0.0.1", "fd00:1::7", "8.8.8.8")] == [None] * 4
    assert lab.check("10.0.0.1") == "private"
    assert lab.check("::1") == "loopback"
    assert lab.check("fd00:2::7") == "private"


def test_metadata_is_admitted_only_by_its_own_address() -> None:
    """A network around a metadata address does not open it."""
    wide = AddressPolicy(["169.254.0.0/16", "100.64.0.0/10", "::/0"])
    assert wide.check("169.254.1.1") is None
    assert wide.check("169.254.169.254") == "metadata"
    assert wide.check("::ffff:169.254.169.254") == "metadata"
    assert wide.check("100.100.100.200") == "metadata"
    assert AddressPolicy(["169.254.169.254"]).check("169.254.169.254") is None


def test_an_exact_pin_beats_a_wildcard_and_the_longest_wildcard_wins() -> None:
    """Names are compared without case and trailing dot, and as A-labels."""
    policy = AddressPolicy(
        resolve=[
            "*.lab.example=127.0.0.1",
            "*.b.lab.example=127.0.0.2",
            "x.b.lab.example=127.0.0.3",
            "bücher.example=[::1]",
        ]
    )
    assert policy.override("a.lab.example") == "127.0.0.1"
    assert policy.override("A.Lab.Example.") == "127.0.0.1"
    assert policy.override("deep.er.lab.example") == "127.0.0.1"
    assert policy.override("y.b.lab.example") == "127.0.0.2"
    assert policy.override("x.b.lab.example") == "127.0.0.3"
    assert policy.override("xn--bcher-kva.example") == "::1"
    assert policy.override("lab.example") is None
    assert policy.override("evillab.example") is None
    assert AddressPolicy(resolve={"*": "127.0.0.9"}).override("any.thing") == "127.0.0.9"


def test_a_pin_does_not_pass_the_check_by_itself() -> None:
    """A lab needs --allow-private beside --resolve."""
    policy = AddressPolicy(resolve=["lab.example=127.0.0.1"])
    pinned = policy.override("lab.example")
    assert pinned is not None
    assert policy.check(pinned) == "loopback"


def test_one_bad_answer_refuses_the_name() -> None:
    """A name with a public and a private address is refused, in a line that says what and what to do."""
    line = PUBLIC.refusal("two.example", ["8.8.8.8", "10.0.0.1"])
    assert line == (
        "two.example is at 10.0.0.1 and may not be connected to (private); "
        "admit it with --allow-private CIDR if it is yours"
    )
    assert PUBLIC.refusal("two.example", ["8.8.8.8", "8.8.4.4"]) is None


@pytest.mark.parametrize(
    ("host", "literal"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("10.65535", "10.0.255.255"),
        ("0", "0.0.0.0"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("[::ffff:7f00:1]", "::ffff:7f00:1"),
        ("[fe80::1%25eth0]", "fe80::1"),
        ("①②⑦.⓪.⓪.①", "127.0.0.1"),
        ("127。0。0。1", "127.0.0.1"),
        ("localhost", None),
        ("example.com", None),
        ("127.0.0.1.example.com", None),
        ("256.0.0.1", None),
        ("1.2.3.4.5", None),
        ("4294967296", None),
        ("08.0.0.1", None),
        ("0x7g", None),
        ("", None),
        (".", None),
        ("9" * 5000, None),
    ],
)
def test_a_literal_is_recognized_in_every_spelling(host: str, literal: str | None) -> None:
    """What an operating system would take for an address is one."""
    found = host_literal(host)
    if literal is None or found is None:
        assert found is literal
    else:
        assert ipaddress.ip_address(found) == ipaddress.ip_address(literal)


@pytest.mark.parametrize(
    ("allow_private", "resolve", "message"),
    [
        (["10.0.0.0/33"], [], "allow-private '10.0.0.0/33': not a CIDR; write an address and a prefix length"),
        (["lab"], [], "allow-private 'lab': not a CIDR"),
        (
            ["10.0.0.5/8"],
            [],
            "has bits set beyond its prefix; write 10.0.0.0/8 for the network or 10.0.0.5 for the address",
        ),
        ([], ["lab.example"], "resolve 'lab.example': not NAME=ADDR; write www.lab.example=127.0.0.1"),
        ([], ["=127.0.0.1"], "not NAME=ADDR"),
        (
            [],
            ["lab.example=there"],
            "resolve lab.example=there: 'there' is not an IP address; write lab.example=127.0.0.1",
        ),
        ([], ["a.*.example=127.0.0.1"], "not a host name; write www.lab.example or *.lab.example"),
        ([], ["127.0.0.1=10.0.0.1"], "not a host name"),
        ([], ["a.example=127.0.0.1", "A.example=127.0.0.2"], "already pinned to 127.0.0.1; keep one of them"),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_to_write(
    allow_private: list[str], resolve: list[str], message: str
) -> None:
    """The operator reads one line: which entry, what is wrong, what to write instead."""
    with pytest.raises(AddressError) as caught:
        AddressPolicy(allow_private, resolve)
    line = caught.value.explain()
    assert message in line
    assert "\n" not in line
    assert not line.endswith(".")


@given(st.ip_addresses())
def test_nothing_passes_that_the_standard_library_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Our table is at least as strict as the interpreter's."""
    if PUBLIC.check(str(address)) is None and not (address.version == 6 and carries_ipv4(address)):
        assert not address.is_private
        assert not address.is_multicast
        assert not address.is_reserved
        assert address not in METADATA


def carries_ipv4(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Mapped and NAT64 addresses of public hosts, which the interpreter calls private."""
    return any(address in ipaddress.ip_network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96"))


@given(st.text(max_size=40))
def test_no_text_makes_the_policy_raise(text: str) -> None:
    """Hosts come from the web; whatever they hold, there is an answer."""
    host_literal(text)
    PUBLIC.check(text)
    PUBLIC.override(text)
    AddressPolicy(resolve={"*.x": "127.0.0.1"}).override(text)


def test_the_policy_of_addresses_needs_no_network_library() -> None:
    """Importing it loads neither a socket nor a client library."""
    code = (
        "import sys, askfirst.addresses; print(sorted({'aiohttp', 'scrapy', 'twisted', 'socket'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
