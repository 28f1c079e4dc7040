"""How long ``askfirst report`` takes over a million decisions, and how much memory.

The record is made for it: decisions by the law about ten thousand hosts over three weeks, some hundreds of them side by
side: silent, allowed, refused by words, deferred, and permitted by a registry (whose answers are a document for each
URL, so that no two of these rulings are the same), and an item for each keep decision that allows. Hosts, ids and times
are put into lines of the real form. The report is a process of its own, and its memory is what the system says of it at
its end, and of the processes that it read with: its own peak, and for each of them that of the largest. They need not
peak together, so this is no less than all of them ever had.

    python -m bench --only report
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

from askfirst.items import Item, line_of
from askfirst.report.reading import MOST_WORKERS
from askfirst.rights.decide import decide
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Outage, Purpose, Stage, Verdict
from askfirst.rights.policy import OPT_IN, OPT_OUT, Policy
from askfirst.rights.read import read
from askfirst.rights.wire import decision_line, looked_at
from bench.rounds import Row, at_most, say

DECISIONS = 1_000_000
LINES_A_FILE = 65_536
HOSTS = 10_000
SIDE_BY_SIDE = 500
BOUND_S, BOUND_GB = 30.0, 1.0
HOST, PATH, ID = "host-name.example", "page-name", "sha256:" + "0" * 64
ENDS = ("com", "example", "co.uk")
URL = f"https://{HOST}/{PATH}"
AT = datetime(2026, 11, 3, tzinfo=UTC)
WHEN = "2026-11-03T00:00:00Z"
AGENT = Agent(product_token="BenchBot", user_agent="BenchBot/1.0 (+https://bench.example/bot)")
GRANT = (
    '{"records":[{"scope":"host-name.example","categories":["train"],"verdict":"grant","reference":"bench-0001",'
    '"valid_until":"2026-12-01T00:00:00Z"}]}'
)


class Shape(NamedTuple):
    """One kind of line and how often it comes, of a thousand."""

    line: bytes
    kept: bool
    share: int


def _seen(url: str, body: str = "", kind: Kind = Kind.WELL_KNOWN, *, outage: Outage | None = None) -> Observation:
    status = None if outage is not None else 200 if body else 404
    document = Document(kind=kind, url=url)
    return Observation(document=document, status=status, outage=outage, body=body.encode(), observed_at=AT)


def _shape(share: int, stage: Stage, policy: Policy, *said: Observation) -> Shape:
    names = ("robots.txt", "ai.txt", "trust.txt", ".well-known/trust.txt", ".well-known/tdmrep.json")
    spoken = {one.document.url for one in said}
    others = [_seen(f"https://{HOST}/{name}") for name in names if f"https://{HOST}/{name}" not in spoken]
    seen = [*said, *others]
    intent = Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN)
    decision = decide(intent, read(intent, seen, policy), policy, stage=stage, at=AT)
    line = decision_line(decision, b"[" + looked_at(seen) + b"]").replace(decision.id.encode(), ID.encode(), 1)
    return Shape(line, stage is Stage.KEEP and decision.verdict is Verdict.ALLOW, share)


def shapes() -> list[Shape]:
    """The kinds of lines."""
    allow = _seen(f"https://{HOST}/robots.txt", "User-agent: *\nAllow: /\n")
    bar = _seen(f"https://{HOST}/robots.txt", "User-agent: *\nDisallow: /\n")
    down = _seen(f"https://{HOST}/robots.txt", outage=Outage.TIMEOUT)
    tdm = _seen(f"https://{HOST}/.well-known/tdmrep.json", '[{"location": "/", "tdm-reservation": 1}]')
    ai = _seen(f"https://{HOST}/ai.txt", "User-Agent: *\nDisallow: /\n")
    signal = _seen(f"https://{HOST}/robots.txt", "User-agent: *\nContent-Signal: ai-train=yes\nAllow: /\n")
    grant = _seen(f"registry:consents.sqlite?url=https%3A%2F%2F{HOST}%2F{PATH}", GRANT, Kind.REGISTRY)
    return [
        _shape(440, Stage.FETCH, OPT_OUT, allow),
        _shape(250, Stage.KEEP, OPT_OUT, allow),
        _shape(60, Stage.KEEP, OPT_IN, allow),
        _shape(60, Stage.FETCH, OPT_OUT, bar),
        _shape(20, Stage.FETCH, OPT_OUT, down),
        _shape(40, Stage.FETCH, OPT_OUT, allow, tdm),
        _shape(30, Stage.FETCH, OPT_OUT, allow, ai),
        _shape(30, Stage.KEEP, OPT_OUT, signal),
        _shape(10, Stage.KEEP, OPT_OUT, signal, tdm),
        _shape(60, Stage.KEEP, OPT_OUT, allow, grant),
    ]


def write_record(out: Path, decisions: int = DECISIONS) -> int:
    """Writes the record; returns the number of items."""
    dice = random.Random(4)
    all_shapes = shapes()
    order = dice.choices(all_shapes, [shape.share for shape in all_shapes], k=10_007)
    for name in ("decisions", "items", "warc"):
        (out / name).mkdir()
    items = 0
    with (out / "warc" / "run.warc.gz").open("wb") as warc:
        warc.truncate(decisions)  # as long as the items say, and empty
    with (out / "items" / "run.jsonl").open("wb") as kept:
        for first in range(0, decisions, LINES_A_FILE):
            with (out / "decisions" / f"run.{first:012d}.jsonl").open("wb") as log:
                for number in range(first, min(first + LINES_A_FILE, decisions)):
                    shape = order[number % len(order)]
                    site = number * HOSTS // decisions + int(SIDE_BY_SIDE * dice.random() ** 2)
                    host = f"www.h{site}.{ENDS[site % 3]}"
                    at = AT + timedelta(seconds=number * 1.8)
                    name = sha256(number.to_bytes(8, "big")).hexdigest()
                    line = shape.line.replace(HOST.encode(), host.encode()).replace(PATH.encode(), b"p%d" % number)
                    when = at.isoformat().replace("+00:00", "Z").encode()
                    log.write(
                        line.replace(WHEN.encode(), when, 1).replace(ID.encode(), f"sha256:{name}".encode(), 1) + b"\n"
                    )
                    if shape.kept:
                        items += 1
                        kept.write(line_of(_item(host, number, at, name, items)))
    return items


def _item(host: str, number: int, at: datetime, name: str, place: int) -> Item:
    url = f"https://{host}/p{number}"
    return Item(
        url=url,
        final_url=url,
        fetched_at=at,
        media_type=("text/html", "image/jpeg", "text/html", "application/pdf")[number % 4],
        bytes=1_000 + number % 90_000,
        sha256=name,
        registrable_domain=host.removeprefix("www."),
        decision_id=f"sha256:{name}",
        warc="warc/run.warc.gz",
        warc_offset=place,
        warc_bytes=1,
    )


_CODE = """
import pathlib, resource, sys
from askfirst.cli.report import report
report(pathlib.Path(sys.argv[1]))
print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)), file=sys.stderr)
"""


def _report(out: Path) -> tuple[float, float]:
    """Seconds and gigabytes of one report."""
    began = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    took_s = perf_counter() - began
    own, largest = map(int, done.stderr.splitlines()[-1].split())
    readers = min(os.cpu_count() or 1, MOST_WORKERS)
    # kilobytes, and on a Mac bytes
    return took_s, (own + readers * largest) * (1 if sys.platform == "darwin" else 1_024) / 1e9


def measure(rounds: int = 1) -> Sequence[Row]:
    """The rows of the report."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        items = write_record(out)
        size_gb = sum(path.stat().st_size for path in (out / "decisions").iterdir()) / 1e9
        say(f"report: {DECISIONS:,} decisions in {size_gb:.1f} GB, {items:,} items, {rounds} rounds")
        found = [_report(out) for _ in range(rounds)]
    took_s, used_gb = median(took for took, _ in found), max(used for _, used in found)
    return [
        at_most(
            "report over 1 M decisions, seconds", took_s, BOUND_S, ours=f"{took_s:.1f} s", theirs=f"{BOUND_S:.0f} s"
        ),
        at_most(
            "report over 1 M decisions, GB", used_gb, BOUND_GB, ours=f"{used_gb:.2f} GB", theirs=f"{BOUND_GB:g} GB"
        ),
    ]


if __name__ == "__main__":
    for row in measure():
        print(row.name, row.ours)
