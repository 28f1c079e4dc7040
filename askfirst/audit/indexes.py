"""``evidence/<run>.cdxj`` held against the evidence it is made of.

1. An index is made of its WARC file alone (askfirst.cdxj): its lines are made once more, and compared. An index that
   is not there is no fault: a killed run has none, and any reader can make it.
2. It proves nothing. What is wrong with it leads a reader astray, and is a finding for that.
3. Who calls asks about evidence that is as it was signed: beside a damaged file, no index fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from askfirst.audit.differences import PREFIX_BYTES, What, changes
from askfirst.ledger.merkle import leaf_hash


def index_faults(evidence: Path, wanted: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Where in the index beside an evidence file, and what is wrong there, when these are its lines. Raises OSError."""
    index = evidence.with_suffix(".cdxj")
    if not index.exists():
        return
    with index.open("rb") as told:
        if all(line == other for line, other in zip_longest(wanted, told)):
            return
        told.seek(0)
        now = _prints(told)
    for change in changes(_prints(wanted), now):
        if change.what is What.DROPPED:
            where = "before line 1" if change.at == 0 else f"between line {change.at} and line {change.at + 1}"
        else:
            where = f"line {change.at + 1}"
        yield where, f"{change.what}; the evidence itself is as it was signed, and the index can be made anew"


def _prints(lines: Iterable[bytes]) -> bytes:
    return b"".join(leaf_hash(line)[:PREFIX_BYTES] for line in lines)
