"""What was kept, held against the decisions that allowed it: lines of items, the bytes that they name, the table.

1. An item has a decision that allows keeping it and looked at these bytes. A withdrawal has a decision.
2. Bytes in ``warc/`` that no item names are nobody's.
3. The table is a copy of the lines. Its statistics, by which readers pass rows over, are those of its rows.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from askfirst.audit.directory import Directory
from askfirst.audit.findings import Verification
from askfirst.audit.fingerprints import Fingerprints, fingerprint
from askfirst.audit.segment_scan import id_fingerprint, kept_fingerprint
from askfirst.audit.signed import SignedRun
from askfirst.audit.table_statistics import wrong_statistics
from askfirst.items import TABLE_NAME, Item, Withdrawal, line_of, read_items

_MOST_HEAD_BYTES = 1 << 20


class KeptItems:
    """The items of a directory. ``kept`` and ``ids`` are fingerprints of its decisions, once all of these were read."""

    def __init__(self, directory: Directory, told: Verification, kept: Fingerprints, ids: Fingerprints) -> None:
        self._directory = directory
        self._told = told
        self._kept = kept
        self._ids = ids

    def lines(self, one: SignedRun) -> Iterator[bytes]:
        """The lines of a run, without newlines; what is wrong with one is told. Raises OSError."""
        path = one.run.items
        file = self._directory.name_of(path)
        opened: dict[str, BinaryIO] = {}
        try:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.endswith(b"\n"):
                        if one.ended or number <= one.covered("items"):
                            self._told.find(f"{file} line {number} (leaf {number - 1})", "truncated")
                        else:
                            self._told.said.append(f"{file} line {number} is cut short: its run was stopped")
                        break
                    fault = self._item_fault(line, opened)
                    if fault is not None:
                        self._told.find(f"{file} line {number} (leaf {number - 1})", fault)
                    yield line[:-1]
        finally:
            for warc in opened.values():
                warc.close()

    def _item_fault(self, line: bytes, opened: dict[str, BinaryIO]) -> str | None:
        """What is wrong with an item by itself and with its decision."""
        try:
            item = _item.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            try:
                gone = _withdrawal.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                return f"is no item: {error}"
            known = id_fingerprint(gone.decision_id.removeprefix("sha256:").encode()) in self._ids
            return None if known else f"withdraws {gone.url} without a decision"
        decision_id = item.decision_id.removeprefix("sha256:").encode()
        if kept_fingerprint(decision_id, item.sha256.encode()) not in self._kept:
            return f"{item.url} is kept without a decision that allows it and looked at these bytes"
        return self._bytes_fault(item, opened)

    def _bytes_fault(self, item: Item, opened: dict[str, BinaryIO]) -> str | None:
        where = f"{item.warc} at byte {item.warc_offset}"
        path = self._directory.out / item.warc
        if not item.warc.startswith("warc/") or ".." in Path(item.warc).parts:
            return f"names {item.warc!r}, which is no file of this directory"
        try:
            if item.warc not in opened:
                opened[item.warc] = path.open("rb")
            opened[item.warc].seek(item.warc_offset)
            member = opened[item.warc].read(item.warc_bytes)
        except (OSError, ValueError):
            return f"{where} cannot be read"
        if len(member) != item.warc_bytes:
            return f"{where}: the kept bytes are cut short"
        if item.warc_sha256 and hashlib.sha256(member).hexdigest() != item.warc_sha256:
            return f"{where}: the kept bytes were altered"
        try:
            unpacking = zlib.decompressobj(wbits=31)
            told = unpacking.decompress(member, item.bytes + _MOST_HEAD_BYTES)
        except (zlib.error, ValueError, OverflowError):
            return f"{where}: the kept record cannot be unpacked"
        body = told.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n\r\n")
        if hashlib.sha256(body).hexdigest() != item.sha256 or len(body) != item.bytes:
            return f"{where}: the kept body is not the one of the item"
        return None

    def check_table(self, runs: Iterable[SignedRun]) -> None:
        """Holds the table against the lines. It is made of those of every run that ended; a killed run's lines are not
        in it yet. Raises OSError."""
        path = self._directory.out / TABLE_NAME
        if not path.exists():
            return
        ended = all(one.ended for one in runs)
        lines = (line_of(item) for item in read_items(self._directory.out, note=lambda _text: None))
        rows = _rows_of(path)
        try:
            for where, what in wrong_statistics(path):
                self._told.find(f"{TABLE_NAME}{where}", what)
            if not ended:
                held = Fingerprints()
                held.add(fingerprint(line) for line in self._every_item_line())
                for number, row in enumerate(rows, start=1):
                    if fingerprint(row) not in held:
                        self._told.find(f"{TABLE_NAME} row {number}", "is no line of items/")
                held.close()
                return
            number = 0
            for number, row in enumerate(rows, start=1):
                line = next(lines, None)
                if line != row:
                    self._told.find(f"{TABLE_NAME} row {number}", "is not what the lines of items/ say")
                    return
            if next(lines, None) is not None:
                self._told.find(TABLE_NAME, f"holds {number} rows, the lines of items/ more")
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            self._told.find(TABLE_NAME, f"cannot be read: {' '.join(str(error).split())[:200]}")

    def _every_item_line(self) -> Iterator[bytes]:
        for path in sorted((self._directory.out / "items").glob("*.jsonl")):
            with path.open("rb") as file:
                yield from file


_item = msgspec.json.Decoder(Item)
_withdrawal = msgspec.json.Decoder(Withdrawal)


def _rows_of(path: Path) -> Iterator[bytes]:
    """The rows of the table as lines of items. Raises what Arrow and msgspec raise."""
    with pq.ParquetFile(path, page_checksum_verification=True) as table:
        for batch in table.iter_batches(1_000):
            for row in batch.to_pylist():
                yield line_of(msgspec.convert(row, Item))
