"""How fast a WARC is reviewed, beside reading the same file with fastwarc and doing nothing with it.

The file is made as crawlers make them, one gzip member a record: pages of 4 to 30 KB of text that compresses like
prose, over a few hundred hosts, each with its robots.txt before its pages; some pages refuse in a header or a meta.
Theirs iterates the responses with their HTTP parsed and their bodies read. Ours judges every one of them for training
under ``opt-out``, and sums up; it writes no findings.

Compared is the clock on the wall, of a whole review with the start of its processes. Ours reads with as many processes
as there are processors; theirs has one, as fastwarc has. What ours takes of the processors' time, all processes
together, is said beside it: by that it is less than half as fast.

    python -m bench.review
"""

from __future__ import annotations

import gzip
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fastwarc.warc import ArchiveIterator, WarcRecordType

from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.judge import Judges
from askfirst.review.model import Fault, Outcome
from askfirst.review.sources import settle, warcs
from askfirst.review.summary import Summary
from askfirst.rights.model import Purpose
from askfirst.rights.policy import OPT_OUT
from bench.rounds import Row, at_least, in_shuffled_rounds, median_ratio, say

PAGES: Final = 55_000
TEXTS: Final = 3_000
HOSTS: Final = 300
NAME: Final = "reviewing a WARC, beside fastwarc reading it"
_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_ROBOTS: Final = b"""User-agent: *
Disallow: /admin/
Disallow: /*?sort=
Allow: /admin/public/

User-agent: GPTBot
Disallow: /
"""
_FIELDS: Final = (
    "Date: Sun, 01 Nov 2026 00:00:00 GMT", "Server: nginx", "Content-Type: text/html; charset=utf-8",
    "Cache-Control: max-age=300", "Vary: Accept-Encoding", "Strict-Transport-Security: max-age=63072000",
    "X-Frame-Options: SAMEORIGIN", "X-Content-Type-Options: nosniff",
)  # fmt: skip
_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="description" content="Pictures and more"><meta property="og:title" content="A page">'
    '<meta property="og:image" content="/1.png"><meta name="twitter:card" content="summary">{meta}'
    '<link rel="stylesheet" href="/style.css"><title>Page {number}</title></head><body><nav>'
    '<a href="/">Home</a> <a href="/about">About</a></nav>\n'
)


def _texts(dice: random.Random) -> Iterator[str]:
    """What stands in a page's body."""
    words = ["".join(dice.choices("aeioubcdfglmnprst", k=dice.randint(2, 10))) for _ in range(6_000)]
    for number in range(TEXTS):
        parts, size, wanted = [""], len(_HEAD), dice.randint(4_000, 30_000)
        while size < wanted:
            text = " ".join(dice.choices(words, k=60))
            parts.append(
                f'<p class="text">{text}, <a href="/page/{number + 1}">more</a> <img src="/{number}.jpg"></p>\n'
            )
            size += len(parts[-1])
        yield "".join([*parts, "</body></html>"])


def _pages(dice: random.Random) -> Iterator[tuple[str, datetime, list[str], bytes]]:
    """URL, time, fields and body of each response, robots.txt among them."""
    texts = list(_texts(dice))
    for number in range(PAGES):
        host = f"www.host-{number % HOSTS}.example"
        at = _AT + timedelta(seconds=number // 50)
        if number < HOSTS:
            yield f"https://{host}/robots.txt", _AT, ["Content-Type: text/plain"], _ROBOTS
        meta = '<meta name="robots" content="noai">' if number % 97 == 0 else ""
        fields = [*_FIELDS, "X-Robots-Tag: noai"] if number % 89 == 0 else list(_FIELDS)
        path = f"/admin/{number}" if number % 50 == 0 else f"/page/{number}"
        body = _HEAD.format(meta=meta, number=number) + dice.choice(texts)
        yield f"https://{host}{path}", at, fields, body.encode()


def _write(path: Path) -> None:
    dice = random.Random(4)
    with path.open("wb") as file:
        info = b"software: bench\r\nhttp-header-user-agent: ExBot/1.0 (+https://bot.example/)\r\n"
        file.write(_member("warcinfo", "", _AT, "application/warc-fields", info, 0))
        for number, (url, at, fields, body) in enumerate(_pages(dice), 1):
            head = "\r\n".join(["HTTP/1.1 200 OK", *fields, f"Content-Length: {len(body)}", "", ""]).encode()
            file.write(_member("response", url, at, "application/http; msgtype=response", head + body, number))


def _member(kind: str, url: str, at: datetime, content_type: str, block: bytes, number: int) -> bytes:
    target = f"WARC-Target-URI: {url}\r\n" if url else ""
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012x}>\r\n"
        f"WARC-Date: {at:%Y-%m-%dT%H:%M:%SZ}\r\n{target}Content-Type: {content_type}\r\n"
        f"Content-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 6)


def read_only(path: Path) -> int:
    """Every response with its HTTP parsed and its body read, by fastwarc."""
    found = 0
    for record in ArchiveIterator(str(path), record_types=WarcRecordType.response, parse_http=True):
        record.reader.read()
        found += 1
    return found


def reviewed(path: Path) -> Summary:
    """The review of the file, without findings on disk."""
    ears = Ears(OPT_OUT)
    captures = Captures(OPT_OUT)
    source, _size = warcs([path], captures, ears, needs_agent=True, read=lambda _bytes: None)
    source.collect()
    settle(captures, source)
    judges = Judges(captures, ears, purpose=Purpose.TRAIN)
    summary = Summary()
    for entry in source.entries():
        if isinstance(entry, Fault):
            summary.add_fault(entry)
        else:
            summary.add(judges.judge(entry))
    return summary


def _processor_s() -> float:
    """The processors' time of this process and of those that it has ended."""
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def measure(rounds: int = 5) -> list[Row]:
    """The one claim."""
    computed: dict[str, list[float]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crawl.warc.gz"
        _write(path)
        say(f"{PAGES} pages, {path.stat().st_size / 1e6:.0f} MB gzipped, {os.cpu_count()} processors")
        summary = reviewed(path)
        assert summary.counts[Outcome.UNKNOWABLE] == 0
        assert summary.counts[Outcome.REFUSED] + summary.counts[Outcome.ALLOWED] == PAGES

        def timed(name: str, task: Callable[[Path], object]) -> float:
            computing, begun = _processor_s(), time.perf_counter()
            task(path)
            took = time.perf_counter() - begun
            computed[name].append(PAGES / (_processor_s() - computing))
            return PAGES / took

        tasks = {"ours": lambda: timed("ours", reviewed), "theirs": lambda: timed("theirs", read_only)}
        found = in_shuffled_rounds(tasks, rounds)
    ratio = median_ratio(found["ours"], found["theirs"])
    by_processor = median_ratio(computed["ours"], computed["theirs"])
    fastest = {name: max(rates) for name, rates in found.items()}
    ours = f"{fastest['ours']:,.0f} pages/s ({os.cpu_count()} processors; {by_processor:.2f} by processor time)"
    return [at_least(NAME, ratio, 0.5, ours=ours, theirs=f"{fastest['theirs']:,.0f} pages/s")]


if __name__ == "__main__":
    for row in measure():
        print(f"{row.name}: {row.ours}, {row.theirs}, ratio {row.ratio:.3f}, bound {row.bound}, holds {row.holds}")
