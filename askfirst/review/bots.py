"""Which crawler a User-Agent names, what it crawls for, and whether it is the one it says it is.

The names and purposes of AI bots are those of ``rights.ai_bots``; the addresses are lists that operators publish, given
as files: ``{"prefixes": [{"ipv4Prefix": …}, {"ipv6Prefix": …}]}`` as OpenAI, Google, Microsoft and Apple have it, JSON
lists, or text with one CIDR per line. Nothing is fetched, and no name is looked up in the DNS.

1. A known name counts wherever it stands whole in the User-Agent. Else the name is the first product after
   ``compatible;``, or the first product of what is no browser's User-Agent (RFC 9110 section 10.1.5), or, house: a word
   with bot, crawler or spider in it where the User-Agent also says where to complain (a URL or a mail address). A known
   name that is only that of the page after ``compatible;`` is img2dataset's way to name itself.
2. Browsers name no crawler, and neither does an empty User-Agent.
3. house: a crawler of unknown purpose is taken to search, so that only what is refused to everybody counts. Nobody is
   accused of training by guess.
4. A user agent is anybody's to write. Where a list is given, an address outside it is an impostor's, and the named bot
   did nothing. Where none is given, or the log has no address, it is unknown.
5. A name that only switches the use of what others fetched (Google-Extended) is nobody's User-Agent: whoever writes it
   is an impostor.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from askfirst.ports import SettingsError
from askfirst.rights.ai_bots import PURPOSES, SPELLINGS, BotPurpose
from askfirst.rights.model import Purpose


class Verified(StrEnum):
    """Whether who asked is who the name says: YES: the address is on the bot's list. NO: it is not. UNKNOWN: there is
    no list, or no address."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A crawler as a User-Agent names it. ``purpose`` None: nobody knows what for. ``never_fetches``: nobody has this
    name as a User-Agent."""

    token: str
    purpose: Purpose | None
    never_fetches: bool = False


_SEARCH_ENGINES: Final = (
    "Googlebot", "Googlebot-Image", "Googlebot-News", "Googlebot-Video", "Storebot-Google", "bingbot", "Applebot",
    "DuckDuckBot", "YandexBot", "YandexImages", "Baiduspider", "PetalBot", "Qwantbot", "SeznamBot", "Slurp",
    "MojeekBot",
)  # fmt: skip
"""Their operators also use some of it for AI, under names that only switch that (Google-Extended)."""

_OF: Final[Mapping[BotPurpose, Purpose | None]] = {
    BotPurpose.TRAINING: Purpose.TRAIN,
    BotPurpose.SEARCH: Purpose.SEARCH,
    BotPurpose.USER: Purpose.AI_INPUT,
    BotPurpose.CONTROL: Purpose.TRAIN,
}

_KNOWN: Final[Mapping[str, Bot]] = {
    **{token.lower(): Bot(token=token, purpose=Purpose.SEARCH) for token in _SEARCH_ENGINES},
    **{
        low: Bot(token=SPELLINGS[low], purpose=_OF[purpose], never_fetches=purpose is BotPurpose.CONTROL)
        for low, purpose in PURPOSES.items()
    },
}

# whole: what may stand in a product's name stands neither before nor after it; a dot does for a sentence's end
_KNOWN_NAME: Final = re.compile(
    r"(?<![\w.@/-])(?:" + "|".join(sorted(map(re.escape, _KNOWN), key=len, reverse=True)) + r")(?![\w@-]|\.\w)",
    re.IGNORECASE,
)
_COMPATIBLE: Final = re.compile(r"compatible[;,]\s*([A-Za-z0-9][\w.+-]*)", re.IGNORECASE | re.ASCII)
_BY_ITS_PAGE: Final = re.compile(r"compatible;\s*\+?https?://[^\s;)]*/([\w-]+)", re.IGNORECASE | re.ASCII)
_PRODUCT: Final = re.compile(r"(?=[\d.+-]*[A-Za-z])[A-Za-z0-9][\w.+-]*(?=[/\s;,()]|$)", re.ASCII)
_SAYS_SO: Final = re.compile(r"(?<![\w-])[A-Za-z][\w-]*", re.ASCII)
_OF_A_BOT: Final = re.compile(r"bot|crawler|spider", re.IGNORECASE)
_COMPLAIN: Final = re.compile(r"https?:|www\.|\w@\w|\+\w", re.IGNORECASE)
_BROWSERS: Final = frozenset(
    {"msie", "konqueror", "opera", "mozilla", "lynx", "links", "elinks", "w3m", "netsurf", "dillo", "dalvik",
     "googletoolbar", "trident", "safari", "chrome", "firefox", "ucweb", "blackberry", "nokia", "samsung", "windows",
     "windows-media-player", "cubot"}
)  # fmt: skip
MOST_CHARS: Final = 2_048


@lru_cache(maxsize=8_192)
def bot_named(user_agent: str) -> Bot | None:
    """The crawler that a User-Agent names, None where it names none. Never raises."""
    text = user_agent.strip()[:MOST_CHARS]
    known = _KNOWN_NAME.search(text)
    if known is not None:
        return _KNOWN[known.group().lower()]
    token = _product(text)
    if token is not None and token.lower() not in _BROWSERS:
        return Bot(token=token, purpose=None)
    project = _BY_ITS_PAGE.search(text)
    return None if project is None else _KNOWN.get(project.group(1).lower())


def _product(text: str) -> str | None:
    compatible = _COMPATIBLE.search(text)
    if compatible is not None and compatible.group(1).lower() not in _BROWSERS:
        return compatible.group(1).rstrip(".+")
    first = _PRODUCT.match(text)
    if first is None:
        return None
    if first.group().lower() not in _BROWSERS:
        return first.group()
    if _COMPLAIN.search(text) is None:
        return None
    # of the address to complain at, no part is a name
    words = re.sub(r"\+?(?:https?:|www\.)\S*|\S+@\S+", " ", text)
    return next((word for word in _SAYS_SO.findall(words) if _OF_A_BOT.search(word)), None)


# -- addresses -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of addresses: where each range of it starts and ends, by IP version, in order and apart."""

    starts: Mapping[int, Sequence[int]]
    ends: Mapping[int, Sequence[int]]

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        place = bisect_right(self.starts[address.version], int(address)) - 1
        return place >= 0 and int(address) <= self.ends[address.version][place]


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def ranges(networks: Iterable[Network]) -> Ranges:
    """The addresses of these networks, which may overlap."""
    starts: dict[int, list[int]] = {4: [], 6: []}
    ends: dict[int, list[int]] = {4: [], 6: []}
    for version, first, last in sorted((n.version, int(n[0]), int(n[-1])) for n in networks):
        if ends[version] and first <= ends[version][-1] + 1:
            ends[version][-1] = max(ends[version][-1], last)
        else:
            starts[version].append(first)
            ends[version].append(last)
    return Ranges(starts, ends)


class Addresses:
    """The published addresses of bots, by token in lower case."""

    def __init__(self, lists: Mapping[str, Ranges] | None = None) -> None:
        self._lists = {token.lower(): listed for token, listed in (lists or {}).items()}

    def verified(self, bot: Bot, address: str | None) -> Verified:
        """Whether the one at this address is the bot. Never raises on content."""
        if bot.never_fetches:
            return Verified.NO
        listed = self._lists.get(bot.token.lower())
        if listed is None or address is None:
            return Verified.UNKNOWN
        known = _address(address)
        if known is None:
            return Verified.UNKNOWN
        return Verified.YES if known in listed else Verified.NO

    def why(self, bot: Bot, address: str | None) -> str:
        """In one line, why whoever asked is not the bot."""
        if bot.never_fetches:
            return f"nobody's User-Agent is {bot.token}, which only switches the use of what others fetch"
        return f"not {bot.token}, but somebody under its name: {address} is not among its addresses"


@lru_cache(maxsize=65_536)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def read_addresses(options: Iterable[str]) -> Addresses:
    """The lists of ``TOKEN=FILE`` options; a token may have several. Raises SettingsError."""
    networks: dict[str, list[Network]] = {}
    for option in options:
        token, equals, name = option.partition("=")
        if not equals or not token.strip() or not name.strip():
            raise SettingsError(f"--addresses {option!r}: write TOKEN=FILE, such as GPTBot=gptbot.json")
        networks.setdefault(token.strip().lower(), []).extend(_networks(Path(name.strip())))
    return Addresses({token: ranges(listed) for token, listed in networks.items()})


def _networks(path: Path) -> list[Network]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"--addresses {path}: {error.strerror}; name a list that the bot's operator publishes"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"--addresses {path}: not text; give a JSON file or one CIDR per line") from None
    found: list[Network] = []
    for where, prefix in _prefixes(text, path):
        try:
            found.append(ipaddress.ip_network(prefix, strict=False))
        except ValueError:
            raise SettingsError(f"--addresses {path}: {where}: {prefix[:60]!r} is no address and no CIDR") from None
    if not found:
        raise SettingsError(f"--addresses {path}: holds no address; whoever asks would be an impostor")
    return found


def _prefixes(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Each prefix, and where it stands."""
    if text.lstrip()[:1] not in {"{", "["}:
        for number, line in enumerate(text.splitlines(), 1):
            prefix = line.partition("#")[0].strip().rstrip(",")
            if prefix:
                yield f"line {number}", prefix
        return
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SettingsError(f"--addresses {path}: starts like JSON and is none: {error}") from None
    yield from _in_json(value, "", 0)


def _in_json(value: object, where: str, depth: int) -> Iterator[tuple[str, str]]:
    """The texts of lists, and of members whose name speaks of a prefix, an address or a CIDR."""
    if depth > 6:  # deeper than any list that is published
        return
    if isinstance(value, list):
        for index, one in enumerate(value):
            if isinstance(one, str):
                yield f"{where}/{index}", one
            else:
                yield from _in_json(one, f"{where}/{index}", depth + 1)
    elif isinstance(value, dict):
        for name, one in value.items():
            if isinstance(one, str) and re.search(r"prefix|cidr|addr|^ip", str(name), re.IGNORECASE):
                yield f"{where}/{name}", one
            elif not isinstance(one, str):
                yield from _in_json(one, f"{where}/{name}", depth + 1)


def read_purposes(options: Iterable[str]) -> Mapping[str, Purpose]:
    """The purposes of ``TOKEN=PURPOSE`` options, by token in lower case. Raises SettingsError."""
    purposes: dict[str, Purpose] = {}
    for option in options:
        token, equals, name = option.partition("=")
        if not equals or not token.strip() or name.strip() not in set(Purpose):
            raise SettingsError(
                f"--bot-purpose {option!r}: write TOKEN=PURPOSE, such as GPTBot=train; known are {', '.join(Purpose)}"
            )
        purposes[token.strip().lower()] = Purpose(name.strip())
    return purposes
