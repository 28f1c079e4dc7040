"""What may be connected to: the policy of addresses, and how a URL's host can hide one.

Stands on the IANA special-purpose address registries (RFC 6890) and on what ``inet_aton`` takes for an IPv4 address.
Opens no socket, asks no resolver: the edges look names up and ask here about every answer, at the moment of connecting.

Rules:

1. Only addresses of the public internet may be connected to, unless the operator admits a network by its CIDR.
2. An address is judged by every IPv4 address that it carries (mapped, compatible, translated, NAT64, 6to4, Teredo).
3. All answers of a name count: one that may not be connected to refuses the name. # house: rebinding looks like this
4. A pinned name (``resolve``) is judged like a looked-up one.
5. INVARIANT: a cloud metadata address is admitted only by a CIDR of that one address, never by a network around it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressError(ValueError):
    """The operator's mistake: what is wrong with which entry, and what to write instead."""

    def explain(self) -> str:
        """The mistake in one line."""
        return str(self)


# house: the addresses at which clouds hand credentials to whoever can reach them
METADATA: frozenset[Address] = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # most clouds
        "169.254.169.253",  # a cloud's own resolver
        "169.254.169.123",  # a cloud's own clock
        "169.254.170.2",  # container credentials
        "169.254.170.23",  # container credentials
        "100.100.100.200",
        "168.63.129.16",  # stands in public address space
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::253",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)

# The first row that holds an address names it.
_WORDS_V4 = tuple(
    (IPv4Network(network), word)
    for network, word in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_WORDS_V6 = tuple(
    (IPv6Network(network), word)
    for network, word in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "private"),
        ("2001::/32", "tunnel"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "tunnel"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOW_32_BITS_ARE_V4 = (_MAPPED, _NAT64, IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
_LOW_32 = 0xFFFFFFFF


class AddressPolicy:
    """Which addresses may be connected to, and which names are pinned to an address."""

    def __init__(self, allow_private: Sequence[str] = (), resolve: Mapping[str, str] | Sequence[str] = ()) -> None:
        """``allow_private`` are CIDRs, ``resolve`` are ``NAME=ADDR`` or a mapping; NAME may begin with ``*.``, which
        stands for one label or more, or be ``*``. Raises :class:`AddressError`."""
        self._admitted = tuple(_network(entry) for entry in allow_private)
        self._exact: dict[str, str] = {}
        self._wildcards: dict[str, str] = {}
        for name, address in _pins(resolve):
            self._pin(name, address)

    def _pin(self, name: str, address: str) -> None:
        wild = name == "*" or name.startswith("*.")
        key = "" if name == "*" else _name_key(name[2:] if wild else name)
        if ("*" in key) or (not key and name != "*") or host_literal(key) is not None:
            raise AddressError(f"resolve {name}={address}: not a host name; write www.lab.example or *.lab.example")
        pins = self._wildcards if wild else self._exact
        if pins.setdefault(key, address) != address:
            raise AddressError(f"resolve {name}={address}: {name} is already pinned to {pins[key]}; keep one of them")

    def override(self, host: str) -> str | None:
        """The address that ``host`` is pinned to: an exact name before any wildcard, then the longest wildcard."""
        key = _name_key(host)
        if key in self._exact:
            return self._exact[key]
        while self._wildcards and key:
            _, _, key = key.partition(".")
            if key in self._wildcards:
                return self._wildcards[key]
        return None

    def check(self, ip: str) -> str | None:
        """None if this address may be connected to, else the reason in a word. Never raises on content."""
        address = _parse(ip)
        if address is None:
            return "not an address"
        carried = _carried(address)
        if any(face in METADATA and not self._named(face) for face in (address, *carried)):
            return "metadata"
        if self._admits(address):
            return None
        for face in carried:
            word = None if self._admits(face) else _word(face)
            if word is not None:
                return word
        if carried and (address in _MAPPED or address in _NAT64):
            return None
        return _word(address)

    def refusal(self, host: str, ips: Iterable[str]) -> str | None:
        """None if ``host`` may be connected to at each of its answers ``ips``, else the reason in a line."""
        for ip in ips:
            word = self.check(ip)
            if word is not None:
                where = host if host == ip else f"{host} is at {ip} and"
                return f"{where} may not be connected to ({word}); admit it with --allow-private CIDR if it is yours"
        return None

    def _admits(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._admitted)

    def _named(self, address: Address) -> bool:
        return any(network.num_addresses == 1 and address == network.network_address for network in self._admitted)


def _word(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((word for network, word in _WORDS_V4 if address in network), None)
    word = next((word for network, word in _WORDS_V6 if address in network), None)
    return word if word is not None or address in _GLOBAL_UNICAST else "reserved"


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside an IPv6 address: where its packets may really go."""
    if isinstance(address, IPv4Address) or int(address) <= 1:
        return ()
    if any(address in network for network in _LOW_32_BITS_ARE_V4):
        return (IPv4Address(int(address) & _LOW_32),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()


def _parse(ip: str) -> Address | None:
    bare = ip.strip("[]").partition("%")[0]
    try:
        return ip_address(bare)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def host_literal(host: str) -> str | None:
    """The address that a URL's host is, in canonical form, or None if it is a name.

    Takes what operating systems take: dotted quads, one to four parts each in decimal, octal or hexadecimal, brackets
    and zones of IPv6 (dropped), a trailing dot, and the compatibility digits and dots of UTS 46.
    """
    text = unicodedata.normalize("NFKC", host).replace("。", ".").strip()
    if ":" in text:
        address = _parse(text)
        return None if address is None else str(address)
    return _ipv4(text.removesuffix("."))


def _ipv4(text: str) -> str | None:
    """inet_aton: the last part fills the bytes that are left."""
    parts = [_number(part) for part in text.split(".", 4)]
    *heads, tail = parts
    if len(parts) > 4 or tail is None:
        return None
    value = 0
    for head in heads:
        if head is None or head > 0xFF:
            return None
        value = value << 8 | head
    room = 8 * (4 - len(heads))
    return None if tail >> room else str(IPv4Address(value << room | tail))


_NUMBER = re.compile(r"0[xX](?P<hexadecimal>[0-9a-fA-F]*)|0(?P<octal>[0-7]+)|(?P<decimal>[0-9]+)", re.ASCII)
_MAX_DIGITS = 64


def _number(part: str) -> int | None:
    match = _NUMBER.fullmatch(part) if len(part) <= _MAX_DIGITS else None
    if match is None:
        return None
    if match["decimal"] is not None:
        return int(match["decimal"]) if part == "0" or part[0] != "0" else None
    return int(match["octal"], 8) if match["octal"] is not None else int(match["hexadecimal"] or "0", 16)


def _name_key(name: str) -> str:
    """A name as it is compared: A-labels, lower case, no trailing dot."""
    name = name.strip().rstrip(".")
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:  # no such name can be on the wire, so what it equals is only itself
        return name.lower()


def _network(entry: str) -> Network:
    try:
        return ip_network(entry.strip())
    except ValueError as error:
        raise AddressError(f"allow-private {entry!r}: {_what_is_wrong(entry.strip())}") from error


def _what_is_wrong(entry: str) -> str:
    try:
        meant = ip_network(entry, strict=False)
    except ValueError:
        return "not a CIDR; write an address and a prefix length, such as 127.0.0.0/8 or fd00::/8"
    return f"has bits set beyond its prefix; write {meant} for the network or {entry.partition('/')[0]} for the address"


def _pins(resolve: Mapping[str, str] | Sequence[str]) -> Iterable[tuple[str, str]]:
    entries = resolve.items() if isinstance(resolve, Mapping) else (_split(entry) for entry in resolve)
    for name, text in entries:
        address = _parse(text.strip())
        if address is None:
            raise AddressError(f"resolve {name}={text}: {text!r} is not an IP address; write {name}=127.0.0.1")
        yield name.strip(), str(address)


def _split(entry: str) -> tuple[str, str]:
    name, equals, address = entry.partition("=")
    if not equals or not name.strip():
        raise AddressError(f"resolve {entry!r}: not NAME=ADDR; write www.lab.example=127.0.0.1")
    return name, address
