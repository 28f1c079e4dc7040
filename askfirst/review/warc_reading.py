"""A part of a web archive read at once, here or by another process (``warc_workers``): this is all that it imports."""

from __future__ import annotations

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
