"""``evidence/<run>.cdxj`` held against the evidence it is made of.

1. An index is made of its WARC file alone (askfirst.cdxj): it is made once more, in a folder of its own, and compared
   line by line. An index that is not there is no fault: a killed run has none, and any reader can make it.
2. It proves nothing. What is wrong with it leads a reader astray, and is a finding for that.
3. Who calls asks about evidence that is as it was signed: beside a damaged file, no index fits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from askfirst.audit.differences import PREFIX_BYTES, What, changes
from askfirst.cdxj import write_cdxj
from askfirst.ledger.merkle import leaf_hash


def index_faults(evidence: Path) -> Iterator[tuple[str, str]]:
    """Where in the index beside an evidence file, and what is wrong there. Raises OSError."""
    index = evidence.with_suffix(".cdxj")
    if not index.exists():
        return
    with tempfile.TemporaryDirectory(prefix="askfirst-") as folder:
        beside = Path(folder) / evidence.name
        beside.symlink_to(evidence.resolve())
        wanted = write_cdxj(beside).read_bytes()
    told = index.read_bytes()
    if told == wanted:
        return
    for change in changes(_prints(wanted), _prints(told)):
        if change.what is What.DROPPED:
            where = "before line 1" if change.at == 0 else f"between line {change.at} and line {change.at + 1}"
        else:
            where = f"line {change.at + 1}"
        yield where, f"{change.what}; the evidence itself is as it was signed, and the index can be made anew"


def _prints(index: bytes) -> bytes:
    return b"".join(leaf_hash(line)[:PREFIX_BYTES] for line in index.splitlines(keepends=True))
