"""A process that decides and records as fast as it can, until somebody ends it: ``python -m tests.record_process OUT``.

It prints the id of every decision that was given out, after it was given out: what it printed was acknowledged. What
could not be recorded it counts on standard error at the end. Sixteen requests are under way at a time; every third page
is kept, as the crawler's dataset keeps it.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import sys
import time
from pathlib import Path

from askfirst.appended import AppendedFile
from askfirst.edges import decision_log
from askfirst.edges.cache_memory import MemoryCache
from askfirst.gate import Gate, utc_now
from askfirst.items import Item, line_of
from askfirst.recording import Record
from askfirst.rights.model import Agent, Decision, Document, Intent, Kind, Observation, Purpose, Verdict
from askfirst.rights.policy import PROFILES
from askfirst.wiring import open_record
from crawler.kept_warc import response_record, warcinfo

AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
AT_ONCE = 16
RUN = os.environ.get("RECORD_RUN", "20261124T120000Z-1-abcdef")


class Web:
    """Satisfies ports.Fetch: every site has a robots.txt, and nothing else."""

    async def __call__(self, document: Document, *, validators: object = ()) -> Observation:
        robots = document.url.endswith("/robots.txt")
        return Observation(
            document=document,
            status=200 if robots else 404,
            headers=(("Content-Type", "text/plain"),),
            body=b"User-agent: *\nDisallow: /no\n" if robots else b"",
            observed_at=utc_now(),
        )

    async def close(self) -> None:
        """Nothing to close."""


class Dataset:
    """Keeps pages as crawler.dataset does."""

    def __init__(self, out: Path, record: Record) -> None:
        self._warc = AppendedFile(out / "warc" / f"{RUN}.warc.gz")
        self._lines = AppendedFile(out / "items" / f"{RUN}.jsonl")
        self._note_item = record.note_item
        record.before_checkpoint(self._sync)

    def keep(self, decision: Decision, seen: Observation) -> None:
        """Raises OSError."""
        if self._warc.is_new:
            self._warc.append(warcinfo(RUN))
        record = response_record(seen, decision.id)
        place = self._warc.append(record)
        item = Item(
            url=seen.document.url,
            final_url=seen.document.url,
            fetched_at=seen.observed_at,
            media_type="text/html",
            bytes=len(seen.body),
            sha256=hashlib.sha256(seen.body).hexdigest(),
            registrable_domain="example",
            decision_id=decision.id,
            warc=f"warc/{RUN}.warc.gz",
            warc_offset=place.offset,
            warc_bytes=place.length_bytes,
            warc_sha256=hashlib.sha256(record).hexdigest(),
        )
        line = line_of(item)
        try:
            self._lines.append(line)
        except OSError:
            self._warc.cut_to(place.offset)
            raise
        self._note_item(line[:-1])

    def _sync(self) -> None:
        self._warc.sync()
        self._lines.sync()


async def decide_on(out: Path, pages: int | None) -> int:
    """Decides about so many pages, or without end; gives how often something could not be recorded."""
    decision_log.CHECKPOINT_LEAVES = int(os.environ.get("RECORD_CHECKPOINT_LEAVES", decision_log.CHECKPOINT_LEAVES))
    record = open_record(out, run=RUN, clock=utc_now)
    dataset = Dataset(out, record)
    gate = Gate(agent=AGENT, policy=PROFILES["opt-out"], fetch=Web(), cache=MemoryCache(clock=time.time), record=record)
    numbers = itertools.count() if pages is None else iter(range(pages))
    unrecorded = 0

    def given(decision: Decision) -> bool:
        nonlocal unrecorded
        if decision.verdict is Verdict.DEFER:
            unrecorded += 1
            return False
        os.write(1, f"{decision.id}\n".encode())
        return decision.verdict is Verdict.ALLOW

    async def work() -> None:
        nonlocal unrecorded
        for number in numbers:
            url = f"https://h{number % 7}.example/{'no' if number % 5 == 0 else 'yes'}/{number}"
            intent = Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN)
            if not given(await gate.before_fetch(intent)):
                continue
            seen = Observation(
                document=Document(kind=Kind.RESPONSE, url=url),
                status=200,
                headers=(("Content-Type", "text/html"),),
                body=b"<html><title>%d</title>" % number,
                observed_at=utc_now(),
            )
            decision = await gate.before_keep(intent, seen)
            if given(decision) and number % 3 == 0:
                try:
                    dataset.keep(decision, seen)
                except OSError:
                    unrecorded += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await gate.close()
    return unrecorded


if __name__ == "__main__":
    left_out = asyncio.run(decide_on(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
    sys.stderr.write(f"{left_out}\n")
