"""Documents that are built to cost their reader time, in any size, and how the work that a reading makes is counted.

How long they take is measured in ``bench/``. What a test can say on any machine, however busy it is, is that twice the
document makes at most about twice the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from askfirst.rights.rsl import MAX_CONTENTS, NAMESPACE


def license_documents(size: float = 1.0) -> dict[str, bytes]:
    """RSL license documents by what is hostile about them; 1 is about as large as a look takes in (0.2 to 1 MB)."""

    def times(count: int) -> int:
        return int(count * size)

    start = f'<rsl xmlns="{NAMESPACE}">'.encode()
    to_all = start + b'<content url="/">'
    end = b"</content></rsl>"
    laughs = b"".join(b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12))
    patterns = b"".join(
        b'<content url="/%b%d"><license/></content>' % (b"*a" * 40, n) for n in range(times(MAX_CONTENTS))
    )
    licensed = b'<license><prohibits type="usage">%b</prohibits></license>'
    return {
        "laughs": b'<!DOCTYPE r [<!ENTITY l0 "ha">' + laughs + b"]>" + to_all + licensed % (b"&l11;" * times(10)) + end,
        "deep": start + b"<a>" * times(300_000),
        "wide": start + b"<content url='/'>" * times(60_000),
        "bits of text": start + b"<content url='/'>" + b"a<!---->" * times(120_000),
        "attributes": b"<rsl " + b" ".join(b'a%d="x"' % n for n in range(times(80_000))) + b"/>",
        "a long namespace": b'<rsl xmlns="' + b"n" * times(500_000) + b'">' + b"<content/>" * times(40_000),
        "a long text": to_all + licensed % (b"ai-train " * times(100_000)) + end,
        "many patterns": start + patterns + b"</rsl>",
        "many licenses": to_all + b"<license/>" * times(19_000) + end,
    }


def license_lines(size: float = 1.0) -> dict[str, bytes]:
    """The same of robots.txt files that name licenses; 1 is about 500 kB."""

    def times(count: int) -> int:
        return int(count * size)

    return {
        "prose": b"User-agent: *\n" + b"License: a b\n" * times(35_000),
        "many licenses": b"User-agent: *\n" + b"".join(b"License: /%d\n" % n for n in range(times(30_000))),
        "a long line": b"User-agent: *\nLicense: " + b"a://b " * times(80_000),
        "many groups": b"User-agent: *\nLicense: /x\nAllow: /\n" * times(14_000),
    }


def calls_of(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, were called: the same number on every machine."""
    count = 0

    def called(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
