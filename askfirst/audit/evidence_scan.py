"""One run's evidence, read once: its roots, what its observations are called, and the index beside it. Runs in a
process of its own.

A record is as it was written when it has the digests that it says; whether it is the one that was signed is for whoever
compares the roots.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from askfirst.audit.directory import evidence_records, name_in_line
from askfirst.audit.fingerprints import fingerprint
from askfirst.audit.indexes import index_faults
from askfirst.audit.noted import Noted
from askfirst.cdxj import SortedLines, cdxj_line, is_indexed
from askfirst.ledger.merkle import leaf_hash
from askfirst.lookup import evidence_name, record_id_of


@dataclass(frozen=True, slots=True)
class EvidenceJob:
    """What is to be known of a file: its roots over ``sizes`` leaves. ``covered`` is how many were signed; ``ended``:
    its run ended in order; beside ``leaves`` is what was noted."""

    path: Path
    leaves: Path
    sizes: frozenset[int]
    covered: int
    ended: bool


@dataclass(slots=True)
class EvidenceScan:
    """What a file holds. ``prefixes`` are 8 bytes a leaf, ``prints`` 16 bytes an observation; ``faults`` are places in
    the file with what is wrong there, ``index`` the same of the index, which is only looked at where nothing is;
    ``noted`` are the names of files beside it that say something else."""

    job: EvidenceJob
    count: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)
    prefixes: bytes = b""
    prints: bytes = b""
    faults: list[tuple[str, str]] = field(default_factory=list)
    torn_at: int | None = None
    index: list[tuple[str, str]] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)


def scan_evidence(job: EvidenceJob) -> EvidenceScan:
    """Reads the file. Never raises on content. Raises OSError."""
    found = EvidenceScan(job)
    if not job.path.exists():
        return found
    with SortedLines() as index:
        _read(job, found, index)
        if not found.faults:
            found.index = list(index_faults(job.path, index))
    return found


def _read(job: EvidenceJob, found: EvidenceScan, index: SortedLines) -> None:
    noted, prints = Noted(job.leaves), bytearray()
    size = job.path.stat().st_size
    for number, record in enumerate(evidence_records(job.path)):
        fields = record.fields()
        fault = record.fault(fields)
        name = ""
        if fault is not None:
            torn = not record.is_framed and record.offset + len(record.whole()) >= size
            if torn and number >= job.covered and not job.ended:
                found.torn_at = record.offset
                break
            found.faults.append((f"record {number + 1} (leaf {number}) at byte {record.offset}", fault))
        else:
            members = record.members(fields)
            if members is not None:
                name = evidence_name(members["digest"], members["observed_at"], members["url"])
                told = name_in_line(members)
                if told is not None:
                    prints += fingerprint(told[len(b'{"digest":') : -1])
            if is_indexed(fields):
                line = cdxj_line(fields, record.block or b"", record.offset, record.length_bytes, job.path.name)
                index.add(line)
        record_id = record_id_of(record.head)
        noted.add(leaf_hash(record.head), record.length_bytes, record_id=record_id, name=name)
        if noted.size in job.sizes:
            found.roots[noted.size] = noted.root()
    found.count, found.prefixes, found.prints = noted.size, bytes(noted.prefixes), bytes(prints)
    found.noted = list(noted.faults()) if not found.faults else []
