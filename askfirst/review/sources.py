"""What is reviewed and what it is judged by: files to sources and captures.

1. All captures are collected, from the evidence and from everything that is reviewed, before anything is judged.
2. A folder that is given as evidence is an AskFirst crawl's (its ``evidence`` folder, or that folder itself), or one of
   web archives. What AskFirst wrote is read by its own reader, which checks the digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from askfirst.edges.evidence_warc import read_evidence
from askfirst.ports import SettingsError
from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.model import Entry, Fault
from askfirst.review.tables import Columns, Csv, Feed, Parquet
from askfirst.review.warc import Warcs, read_captures
from askfirst.review.warc_records import SUFFIXES, Archive, archives
from askfirst.rights.model import Kind

FORMATS: Final = ("auto", "warc", "feed", "csv", "parquet", "access-log")
_BY_SUFFIX: Final = {
    **dict.fromkeys((".warc", ".wacz"), "warc"),
    **dict.fromkeys((".jsonl", ".jl", ".ndjson"), "feed"),
    ".csv": "csv",
    ".parquet": "parquet",
    ".log": "access-log",
}


class Source(Protocol):
    """Something that is reviewed."""

    def collect(self) -> None:
        """Reads the captures that are in it."""
        ...

    def entries(self) -> Iterator[Entry]:
        """The fetches and faults in it, once everything was collected."""
        ...


def format_of(path: Path, chosen: str) -> str:
    """The format that was chosen, or what the name says. Raises SettingsError."""
    if chosen not in FORMATS:
        raise SettingsError(f"--format: {chosen!r} is none of {', '.join(FORMATS)}")
    if chosen != "auto":
        return chosen
    name = path.name.lower().removesuffix(".gz")
    found = next((told for suffix, told in _BY_SUFFIX.items() if name.endswith(suffix)), None)
    if found is None and (name.startswith(("access", "other_vhosts_access")) or ".log." in name):
        return "access-log"
    if found is None:
        raise SettingsError(f"{path}: its name does not say what it is; say it with --format {'|'.join(FORMATS[1:])}")
    return found


def table(path: Path, told: str, columns: Columns) -> Source:
    """The source for a list of URLs and times."""
    kinds: dict[str, type[Feed | Csv | Parquet]] = {"feed": Feed, "csv": Csv, "parquet": Parquet}
    return kinds[told](path, columns)


def warcs(
    paths: Sequence[Path],
    captures: Captures,
    ears: Ears,
    *,
    needs_agent: bool,
    read: Callable[[int], None],
    workers: int | None = None,
) -> tuple[Warcs, int]:
    """The source for some web archives, and their size in bytes. ``workers``: so many processes read what is large, as
    many as there are processors when None. Raises SettingsError."""
    found = [archive for path in paths for archive in archives(path)]
    source = Warcs(found, captures, ears, needs_agent=needs_agent, read=read, workers=workers)
    return source, sum(archive.size_bytes for archive in found)


def settle(captures: Captures, archived: Warcs | None) -> None:
    """Collects what redirects lead to, and puts the captures in the order of time."""
    while archived is not None and archived.collect_uncaptured():
        pass
    captures.settle()


def take_evidence(path: Path, captures: Captures, ears: Ears, *, workers: int | None = None) -> list[Fault]:
    """Takes the captures in a file or folder, and gives what could not be read. ``workers`` are as for ``warcs``.
    Raises SettingsError when there is nothing in it that could be evidence, and EdgeError."""
    if not path.is_dir():
        return _captured(archives(path), captures, ears, workers)
    folder = path / "evidence" if (path / "evidence").is_dir() else path
    files = sorted(one for one in folder.iterdir() if one.name.lower().endswith(SUFFIXES))
    if not files:
        raise SettingsError(f"--evidence {path}: holds no .warc, .warc.gz or .wacz; name one that does")
    faults: list[Fault] = []
    for seen in read_evidence(folder, note=lambda said: faults.append(Fault(where=str(folder), what=said))):
        if seen.document.kind is Kind.WELL_KNOWN and captures.most_bytes(seen.document.url) is not None:
            captures.add(seen)
    others: list[Archive] = [archive for file in files for archive in archives(file)]
    return faults + _captured(others, captures, ears, workers)


def _captured(found: Sequence[Archive], captures: Captures, ears: Ears, workers: int | None) -> list[Fault]:
    return [fault for archive in found for fault in read_captures(archive, captures, ears, workers=workers)]
