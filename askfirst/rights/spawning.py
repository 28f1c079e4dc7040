"""An answer of Spawning's Do Not Train API: ``{"urls": [{"url", "optOut", "optIn"}, …]}``, as its own client reads it.

There is no specification; the form is that of datadiligence 0.1. This module asks nobody, and does not pair answers
with questions by their order, as that client does.

1. ``optOut`` true refuses training of the URL that the entry names; false says nothing.
2. ``optIn`` is no permission, alone or beside anything: it is nobody's word to us. Both true refuse, and are remarked.
3. An entry speaks of one URL, http and https alike, in any of its spellings. house: without a URL it speaks of the one
   that was asked about; with one that cannot be read an opt-out is a failed look.
4. house: what is no boolean and plainly means true (``"true"``, 1), or stands under another spelling of ``optOut``,
   refuses for careful readers. Either is remarked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from askfirst.rights.model import Basis, Care, Category, RemarkKind, Verdict
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.patterns import target
from askfirst.rights.robots_records import Claim, Words

SOURCE: Final = "Spawning registry"
SPEC: Final = "Spawning Do Not Train API, answer"

_OUT: Final = "optOut"
_IN: Final = "optIn"
_MEANS_OUT: Final = frozenset({
    "true", "t", "1", "yes", "y", "on", "opt-out", "opt_out", "optout", "opted-out", "opted_out", "opted out",
    "out", "deny", "denied", "refuse", "refused", "disallow", "disallowed", "forbidden", "prohibited", "reserved",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``address`` is what it speaks of; None is whatever was asked about."""

    address: str | None
    words: Words

    def on(self, address: str | None) -> Words | None:
        """What it says of the URL of this :func:`address_of`; None where it speaks of another."""
        return self.words if self.address is None or self.address == address else None


def listed(given: Mapping[str, object]) -> list[object]:
    """The entries of a whole response, and whatever stands among them; empty if it is none."""
    urls = given.get("urls")
    if isinstance(urls, list) and any(isinstance(one, dict) and is_entry(one) for one in urls):
        return urls
    return []


def is_entry(given: Mapping[str, object]) -> bool:
    """Whether the object has one of the two members, in any spelling."""
    return any(_plain(key) in {"optout", "optin"} for key in given)


def entry(given: Mapping[str, object]) -> Entry:
    """What an entry says. Never raises on content."""
    notes: list[tuple[RemarkKind, str]] = []
    care = _opted_out(given, notes)
    if given.get(_IN) is True and care is None:
        notes.append((RemarkKind.IGNORED, "optIn is no permission"))
    elif given.get(_IN) is True:
        notes.append((RemarkKind.CONTRADICTION, "opted in and out; the opt-out stands"))
    elif given.get(_IN, False) is not False:
        notes.append((RemarkKind.MALFORMED, "optIn is not true or false, and is no permission either way"))
    url = given.get("url")
    asked = url is None or (isinstance(url, str) and not url.strip())
    address = address_of(url) if isinstance(url, str) and not asked else None
    claims: tuple[Claim, ...] = ()
    if care is not None:
        claims = (Claim(category=Category.TRAIN, verdict=Verdict.REFUSE, care=care, basis=Basis.RESERVATION),)
    if not asked and address is None:
        notes.append((RemarkKind.MALFORMED, "url is not an http or https URL: it cannot be told what this speaks of"))
        claims = tuple(replace(claim, verdict=Verdict.DEFER) for claim in claims)
    return Entry(address, Words(claims, tuple(notes)))


def address_of(url: str) -> str | None:
    """One spelling for all spellings of a URL, without its scheme; None for what is no URL."""
    try:
        return str(origin_of(url.strip())).partition("://")[2] + target(url)
    except UrlError:
        return None


def _opted_out(given: Mapping[str, object], notes: list[tuple[RemarkKind, str]]) -> Care | None:
    """The mildest policy under which it is opted out, if it is."""
    cares: list[Care] = []
    for key, value in given.items():
        if _plain(key) != "optout":
            continue
        if key == _OUT and isinstance(value, bool):
            if value:
                cares.append(Care.LITERAL)
        elif _means_out(value):
            cares.append(Care.CONSERVATIVE)
            note = "optOut is not written as it should be; careful readers take it for true"
            notes.append((RemarkKind.MALFORMED, note))
        else:
            notes.append((RemarkKind.MALFORMED, "optOut is not written as it should be, and has no effect"))
    if _OUT not in given and not cares:
        notes.append((RemarkKind.MALFORMED, "optOut is missing"))
    return min(cares, default=None)


def _means_out(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _MEANS_OUT
    # NaN is neither, and means nothing
    return isinstance(value, (bool, int, float)) and abs(value) > 0


def _plain(key: str) -> str:
    return key[:20].strip().lower().replace("_", "").replace("-", "")
