"""The record's promise: whatever is done to one thing in a directory, the audit says so, and says where and what.

One real record: two runs under two keys (the second took the first one's place), sealed and plain segments, evidence
kept by naming an earlier record, items with their bytes, a withdrawal, several checkpoints. Each case takes a copy,
does one thing as a forger would, and asks for a finding at that place with the word for it.

1. What is tampered with is chosen by seed, over all kinds of files and all operations: altered, dropped, swapped,
   duplicated, added, back-dated, truncated, taken away.
2. Beside the cases that name a line, single bits are flipped all over the directory; ``PROVES_NOTHING`` lists what may
   be altered unseen, with the reason.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from askfirst.audit.verify import verify
from askfirst.gate import utc_now
from askfirst.items import Withdrawal, line_of, write_table
from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint, read_notes
from askfirst.ledger.keys import KeyFolder
from askfirst.ledger.manifest import CLOSED, OPENED, Entry, append_entry
from askfirst.ledger.merkle import leaf_hash, root_of
from askfirst.ledger.notes import SigningKey, Verifier
from askfirst.rights.model import Intent, Purpose, Stage
from askfirst.rights.wire import digest
from askfirst.sealed import Sealed, seal
from tests import tampering as t
from tests.tampering import leaves_of, lines_of, notes_of, records_of

STRANGER = SigningKey.new()
SEGMENT_LINES = 32
ROBOTS = b"User-agent: *\nAllow: /\n" + b"# the same words on every look\n" * 12
LINES = "decisions/*-1-*.jsonl"
LAST = "decisions/*-0-*.000000000064.jsonl"
NAMES = {"RUN0": "*-0-*.notes", "RUN1": "*-1-*.notes"}


class Record(NamedTuple):
    """The record, and the key that is known from elsewhere: that of its second run."""

    out: Path
    key: Verifier
    runs: tuple[str, str]
    keys: tuple[SigningKey, SigningKey]


class _Writer(t.Writer):
    """Looks at the robots.txt anew now and then, and takes back what it kept."""

    async def crawl(self, pages: range) -> None:
        """A page after the other."""
        for number in pages:
            if number % 8 == 0:
                self.robots = replace(self.robots, body=ROBOTS, observed_at=self.clock())
            await self.look(number)

    async def withdraw(self, number: int) -> None:
        """Looks again: it may not be kept any more."""
        refused = t.page(2, self.clock())
        seen = replace(refused, document=replace(refused.document, url=f"{t.SITE}/{number}"))
        intent = Intent(url=seen.document.url, agent=t.AGENT, purpose=Purpose.TRAIN)
        decision = await self._decide(intent, [self.robots, seen], Stage.KEEP)
        line = line_of(Withdrawal(url=seen.document.url, withdrawn_at=self.clock(), decision_id=decision.id))
        self.items.append(line)
        self.log.note_item(line[:-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """83 decisions in two sealed segments and a plain one, then 60 in a plain one, under the key that came after."""
    folder = tmp_path_factory.mktemp("whole")
    out, keys = folder / "out", KeyFolder(folder / "keys")
    old = keys.current()

    async def write(number: int, pages: range, rotations: bytes) -> str:
        writer = _Writer(out, t.run_name(number), keys.current(), rotations)
        await writer.crawl(pages)
        if number == 0:
            await writer.withdraw(3)
        writer.close()
        return writer.run

    with t.written_with(segment_lines=SEGMENT_LINES):
        first = asyncio.run(write(0, range(41), b""))
    keys.rotate(utc_now())
    with t.written_with():
        second = asyncio.run(write(1, range(100, 130), keys.rotations()))
    write_table(out)
    return Record(out, keys.current().verifier, (first, second), (old, keys.current()))


@pytest.fixture
def out(whole: Record, tmp_path: Path) -> Path:
    """A copy to do something to."""
    return shutil.copytree(whole.out, tmp_path / "out")


def _found(whole: Record, out: Path) -> list[tuple[str, str]]:
    """The findings, with RUN0 and RUN1 for the names of the runs."""
    told = verify(out, keys=[whole.key], workers=1)
    found = [(finding.place, finding.what) for finding in told.findings]
    assert told.whole == (not found)
    for number, name in enumerate(whole.runs):
        found = [(place.replace(name, f"RUN{number}"), what.replace(name, f"RUN{number}")) for place, what in found]
    return found


def test_the_record(whole: Record) -> None:
    """It is whole, and holds what the cases below count on."""
    told = verify(whole.out, keys=[whole.key], workers=1)
    assert told.findings == []
    names = sorted(path.relative_to(whole.out).as_posix() for path in whole.out.rglob("*") if path.is_file())
    print(names, told)
