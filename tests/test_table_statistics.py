"""What the statistics of the kept dataset's table say is looked at where it can end nobody but the one who looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from askfirst.audit.table_statistics import read_statistics, wrong_statistics
from askfirst.audit.verify import verify
from askfirst.ledger.notes import SigningKey
from tests import tampering as t

DEADLY = "holds statistics that end the process that reads them"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("record")
    t.write_record(out, SigningKey.new())
    return out / "items.parquet"


def test_a_table_as_it_was_written_has_nothing_wrong(table: Path) -> None:
    """Here and there."""
    assert wrong_statistics(table) == read_statistics(table) == []


def test_a_description_that_ends_its_reader_is_a_finding(table: Path) -> None:
    """Bits altered in the description of the columns: each is a finding or an error of Arrow, and where pyarrow ends the
    process that reads it, that is said, by who lives."""
    whole = table.read_bytes()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    told: list[str] = []
    try:
        for place in range(start + 100, start + 118):
            altered = bytearray(whole)
            altered[place] ^= 2
            table.write_bytes(altered)
            told += [str(finding) for finding in verify(table.parent).findings if "items.parquet" in finding.place]
    finally:
        table.write_bytes(whole)
    assert verify(table.parent).whole
    if f"items.parquet: {DEADLY}" not in told:
        pytest.skip("this pyarrow raises where others end the process")
