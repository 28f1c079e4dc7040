"""A process that reads parts of web archives for another one (``warc_workers``), until nothing more is asked of it.

What is asked and answered are pickles, on its standard input and output; nothing but that other process, whose program
this is, ever writes to it. First comes what is wanted, which is answered with None, then part after part. What else is
printed here goes to standard error. An interrupt ends it without a word.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from typing import NamedTuple

from askfirst.review.ears import Ears
from askfirst.review.model import Fault
from askfirst.review.warc_records import Archive
from askfirst.review.warc_scan import Capture, Held, Noted, Scan, Wanted


class Part(NamedTuple):
    """What was found in a part: fetches and faults, captures, and what stands beside them."""

    found: list[Held | Fault]
    captures: list[Capture]
    noted: Noted


def read_part(part: Archive, wanted: Wanted, ears: Ears) -> Part:
    """Reads an archive or a range of one. Raises SettingsError."""
    captures: list[Capture] = []
    scan = Scan(part, wanted, ears, captures.append)
    found = list(scan)
    return Part(found, captures, scan.noted)


def main() -> None:
    """Answers what is asked, until the end of its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # hardly anything that a scan makes is a circle, and looking for circles among all that is held takes its time
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        wanted, ears = pickle.load(sys.stdin.buffer)  # noqa: S301  # see above
        answer: Part | Exception | None = None
        while True:
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()
            try:
                part = pickle.load(sys.stdin.buffer)  # noqa: S301
            except EOFError:
                return
            try:
                answer = read_part(part, wanted, ears)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is raised where the part was asked for
                answer = error
