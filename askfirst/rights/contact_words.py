"""Ways to reach somebody, as people write them in metadata: mail addresses, telephone numbers and web pages.

It checks that a word can be a way to reach somebody and puts it in the form of a URL. It never looks whether anybody is
there. Words that are no such thing give None: what is passed on may be clicked on.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urljoin, urlsplit

from askfirst.rights.origins import is_web_url

MAX_URL_CHARS: Final = 2_048
_READ_CHARS: Final = 4_000
_MAIL: Final = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9_+-]{1,64}+(?:\.[A-Za-z0-9_+-]{1,64}+){0,8}+@"
    r"[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,8}+(?![\w@])"
)
_URL: Final = re.compile(
    r"https?://[!-~\u00a1-\uffef]{3,2040}+|(?<![\w@./-])www\.[!-~\u00a1-\uffef]{3,2040}+", re.IGNORECASE
)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9-]{1,63}+\.){1,7}+[A-Za-z]{2,24}+(?:/[!-~]{0,1000}+)?")
_WEB: Final = re.compile(r"https?://[^\x00-\x20\x7f-\xa0\ud800-\udfff<>\"'`{}|\\^]{1,2040}+", re.IGNORECASE)
_TEL: Final = re.compile(r"\+?[0-9 ()./-]{5,40}+")
_NO_BLANK: Final = r"[^\x00-\x20\x7f-\xa0\ud800-\udfff@<>:/]"
_MAILBOX: Final = re.compile(rf"{_NO_BLANK}{{1,64}}@{_NO_BLANK}{{1,190}}")
_NOT_IN_URLS: Final = frozenset("<>\"'`{}|\\^")
_AFTER_URLS: Final = ".,;:!?)]}>'\"”’»"


def mailto(text: str) -> str | None:
    """The first mail address in a text, as ``mailto:…``."""
    if "@" not in text:
        return None
    found = _MAIL.search(text[:_READ_CHARS])
    return None if found is None else f"mailto:{found[0]}"


def tel(text: str) -> str | None:
    """A telephone number, as ``tel:…``."""
    text = text.strip()
    if _TEL.fullmatch(text) is None:
        return None
    digits = "".join(c for c in text if c.isdigit())
    return f"tel:{'+' if text.startswith('+') else ''}{digits}" if 5 <= len(digits) <= 15 else None


def web_url(text: str) -> str | None:
    """A text that is the address of a web page; ``www.h.example`` and ``h.example/terms`` are read as https."""
    text = text.strip()
    if not text or len(text) > MAX_URL_CHARS:
        return None
    if _HOST.fullmatch(text) is not None:
        text = f"https://{text}"
    return text if _WEB.fullmatch(text) is not None and is_web_url(text) else None


def first_web_url(text: str) -> str | None:
    """The first address of a web page in a text."""
    lower = text[:_READ_CHARS].lower()
    if "http" not in lower and "www." not in lower:
        return None
    for number, found in enumerate(_URL.finditer(text[:_READ_CHARS])):
        word = found[0]
        for at, character in enumerate(word):
            if character in _NOT_IN_URLS:
                word = word[:at]
                break
        word = word.rstrip(_AFTER_URLS)
        url = web_url(word if word[:4].lower() == "http" else f"https://{word}")
        if url is not None:
            return url
        if number >= 5:
            break
    return None


def resolved(value: str, base: str = "") -> str | None:
    """A value that is as a whole a way to reach somebody: a web address, resolved against ``base``, or a ``mailto:`` or
    ``tel:`` address. house: other schemes are no place to ask at, and people may click on this."""
    value = value.strip()
    if not value or len(value) > MAX_URL_CHARS or any(c <= " " or "\ud800" <= c <= "\udfff" for c in value):
        return None
    try:
        url = urljoin(base, value)
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme in {"mailto", "tel"}:
        return url if parts.path else None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None


def address_of(value: str, base: str = "") -> str | None:
    """The same, and a bare mailbox as ``mailto:``."""
    value = value.strip()
    return f"mailto:{value}" if _MAILBOX.fullmatch(value) else resolved(value, base)
