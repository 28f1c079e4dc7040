"""An output directory as a reader sees it: runs, their segments in order, their notes, the manifest, the keys.

What this module does not do: judge. What is damaged comes back as it is, or as a line that says so.

1. A run is known by its files, whether or not the manifest lists it: a log that was put in shows that way.
2. Everything is read as it is asked for; nothing is kept but names. A directory of an older layout
   (``decisions/<run>.jsonl``) is read as one segment that begins with leaf 0.
3. A WARC record of evidence begins with ``WARC/1.1`` and is as long as its Content-Length says. Where that does not
   hold, reading goes on at the next record that begins after an empty line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from askfirst.ledger.checkpoints import is_cut_short, read_notes
from askfirst.ledger.keys import Rotation
from askfirst.ledger.manifest import FILE_NAME, Entry, read_entries
from askfirst.ledger.notes import NoteError, Verifier
from askfirst.ports import SettingsError
from askfirst.rights.wire import canonical, digest
from askfirst.sealed import Sealed
from askfirst.segments import segments as segment_paths

SEGMENT = re.compile(r"(?P<run>.+)\.(?P<first>[0-9]{12})")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of consecutive decisions of a run; ``first`` is the index of its first leaf."""

    run: str
    first: int
    path: Path

    @property
    def is_sealed(self) -> bool:
        """Whether it is packed."""
        return self.path.suffix == ".parquet"

    def lines(self) -> Iterator[bytes]:
        """Its whole lines, without newlines; a last one that was cut short is left out. Raises OSError, SealedError."""
        if self.is_sealed:
            yield from Sealed(self.path)
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1]

    def line(self, position: int) -> bytes:
        """The line at a position from 0. Raises IndexError, OSError, SealedError."""
        if self.is_sealed:
            return Sealed(self.path).line(position)
        for number, line in enumerate(self.lines()):
            if number == position:
                return line
        raise IndexError(f"line {position} of {self.path}")


@dataclass(frozen=True, slots=True)
class Run:
    """The files of one log. They need not be there."""

    name: str
    out: Path
    segments: tuple[Segment, ...]

    @property
    def evidence(self) -> Path:
        """What its decisions relied on."""
        return self.out / "evidence" / f"{self.name}.warc"

    @property
    def items(self) -> Path:
        """What was kept and withdrawn, line by line."""
        return self.out / "items" / f"{self.name}.jsonl"

    @property
    def notes_path(self) -> Path:
        """Its checkpoints."""
        return self.out / "checkpoints" / f"{self.name}.notes"

    @property
    def stamp_path(self) -> Path:
        """The time stamp over its last checkpoint."""
        return self.out / "checkpoints" / f"{self.name}.tsr"

    def leaves_path(self, tree: str) -> Path:
        """Eight bytes a leaf of one of its trees: ``decisions``, ``evidence`` or ``items``."""
        return self.out / "leaves" / f"{self.name}.{tree}"

    def notes(self) -> list[bytes]:
        """Its signed notes, oldest first; none when there is no such file. Raises OSError."""
        return read_notes(_bytes_of(self.notes_path))

    def segment_of(self, leaf: int) -> Segment | None:
        """The segment that holds a leaf, by the names of the files."""
        found = [segment for segment in self.segments if segment.first <= leaf]
        return found[-1] if found else None


class Directory:
    """An output directory. Raises SettingsError when it is none."""

    def __init__(self, out: Path) -> None:
        self.out = out
        if not (out / "decisions").is_dir() and not (out / FILE_NAME).is_file():
            raise SettingsError(f"{out}: holds no decisions; name the --out directory of a crawl")

    def name_of(self, path: Path) -> str:
        """How findings call a file."""
        try:
            return path.relative_to(self.out).as_posix()
        except ValueError:
            return str(path)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every run that left a file of decisions, evidence, items or notes, by name. Raises OSError."""
        folder = self.out / "decisions"
        found: dict[str, list[Segment]] = {}
        for path in segment_paths(folder) if folder.is_dir() else []:
            named = SEGMENT.fullmatch(path.stem)
            run, first = (named["run"], int(named["first"])) if named else (path.stem, 0)
            found.setdefault(run, []).append(Segment(run, first, path))
        for other, suffix in (("evidence", ".warc"), ("items", ".jsonl"), ("checkpoints", ".notes")):
            if (self.out / other).is_dir():
                for path in (self.out / other).glob(f"*{suffix}"):
                    found.setdefault(path.name.removesuffix(suffix), [])
        return tuple(
            Run(name, self.out, tuple(sorted(found[name], key=lambda one: (one.first, one.path.name))))
            for name in sorted(found)
        )

    def cut_notes(self) -> list[Path]:
        """The files of notes whose end is missing. Raises OSError."""
        paths = [*(run.notes_path for run in self.runs), self.out / "keys" / "rotations.notes"]
        return [path for path in paths if is_cut_short(_bytes_of(path))]

    def run(self, name: str) -> Run | None:
        """The run of that name."""
        return next((run for run in self.runs if run.name == name), None)

    def manifest(self) -> list[tuple[int, Entry | str]]:
        """Line number and entry of each line of the manifest, or what is wrong with it. Raises OSError."""
        return list(read_entries(_bytes_of(self.out / FILE_NAME)))

    def manifest_digests(self) -> set[str]:
        """The digests of its lines. Raises OSError."""
        return {digest(line) for line in _bytes_of(self.out / FILE_NAME).splitlines()}

    def public_keys(self) -> list[tuple[Path, Verifier | str]]:
        """The public keys that the directory names, or what is wrong with one. Raises OSError."""
        found: list[tuple[Path, Verifier | str]] = []
        for path in sorted((self.out / "keys").glob("*.vkey")):
            told = path.read_bytes()
            try:
                verifier = Verifier.parse(told.decode("ascii"))
            except ValueError as error:
                found.append((path, str(error)))
                continue
            if f"{verifier.vkey}\n".encode() != told or path.stem != verifier.name:
                found.append((path, "is not the key that it is named after"))
            else:
                found.append((path, verifier))
        return found

    def rotations(self) -> list[tuple[int, Rotation | str]]:
        """Number (from 1) and rotation of each note of ``keys/rotations.notes``, or what is wrong. Raises OSError."""
        found: list[tuple[int, Rotation | str]] = []
        for number, note in enumerate(read_notes(_bytes_of(self.out / "keys" / "rotations.notes")), start=1):
            try:
                found.append((number, Rotation.open(note)))
            except NoteError as error:
                found.append((number, str(error)))
        return found


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


# -- evidence ----------------------------------------------------------------------------------------------------------

_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]{1,15})\r\n")
_FIELD = re.compile(r"\r\n([A-Za-z-]+): ([^\r\n]*)")
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One WARC record as it stands in the file. ``head`` is its leaf; ``block`` is None where only heads were asked
    for. ``is_framed`` is False where it does not end as it says."""

    offset: int
    head: bytes
    block: bytes | None
    is_framed: bool

    def fields(self) -> dict[str, str]:
        """Its WARC fields."""
        return dict(_FIELD.findall(self.head.decode("ascii", "replace")))

    @property
    def length_bytes(self) -> int:
        """What it takes of its file."""
        return len(self.head) + len(self.block or b"") + len(_END)

    def fault(self, fields: Mapping[str, str]) -> str | None:
        """What is wrong with it by itself, in a few words; None when nothing is. ``fields`` are its own."""
        if not self.is_framed:
            return "does not end where it says"
        block = self.block or b""
        if fields.get("WARC-Block-Digest") != f"sha256:{hashlib.sha256(block).hexdigest()}":
            return "does not match its digest"
        if fields.get("WARC-Type") == "response" and "AskFirst-Excerpt" not in fields:
            body = block.partition(_END)[2]
            if fields.get("WARC-Payload-Digest") != f"sha256:{hashlib.sha256(body).hexdigest()}":
                return "does not match the digest of its payload"
        return None

    def name(self) -> bytes | None:
        """What ``looked_at`` calls it, as it stands in a line; None for what is no observation."""
        members = self.members(self.fields())
        return None if members is None else name_in_line(members)

    def members(self, fields: Mapping[str, str]) -> dict[str, str] | None:
        """The members of that, all of them text: digest, kind, observed_at and url. ``fields`` are its own."""
        if "AskFirst-Kind" not in fields or "WARC-Date" not in fields:
            return None
        url: object = fields.get("WARC-Target-URI", "")
        digest: object = fields.get("WARC-Payload-Digest", "")
        if fields.get("WARC-Type") == "metadata":
            try:
                told = json.loads(self.block or b"")
                url, whole = told["url"], told.get("whole_digest")
                digest = whole or f"sha256:{hashlib.sha256(_decoded(told.get('body_b64', ''))).hexdigest()}"
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return None
        if not isinstance(url, str) or not isinstance(digest, str):
            return None
        return {"digest": digest, "kind": fields["AskFirst-Kind"], "observed_at": fields["WARC-Date"], "url": url}

    def whole(self) -> bytes:
        """Head and block."""
        return self.head + (self.block or b"")


def name_in_line(members: Mapping[str, str]) -> bytes | None:
    """What ``looked_at`` calls the observation with these members; None where that cannot be written."""
    try:
        return canonical({**members})
    except UnicodeEncodeError:
        return None


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def evidence_records(path: Path, *, blocks: bool = True, start: int = 0) -> Iterator[EvidenceRecord]:
    """The records of an evidence file in order, from the one that begins at byte ``start``, damaged ones as well.
    Raises OSError."""
    with path.open("rb") as file:
        try:
            told = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return
        with told:
            yield from _records(told, start, len(told), blocks=blocks)


def record_in(told: bytes) -> EvidenceRecord | None:
    """The record that these bytes, head and block, are; None when they are not one."""
    end = told.find(_END) + len(_END)
    head = told[:end]
    length = _LENGTH.search(head)
    if end < len(_END) or length is None or len(told) - end != int(length[1]) or not head.startswith(b"WARC/1.1\r\n"):
        return None
    return EvidenceRecord(0, head, told[end:], is_framed=True)


def _records(told: mmap.mmap, at: int, size: int, *, blocks: bool) -> Iterator[EvidenceRecord]:
    while at < size:
        head_end = told.find(_END, at)
        head = told[at : head_end + len(_END)] if head_end >= 0 else told[at:size]
        length = _LENGTH.search(head) if head_end >= 0 and head.startswith(b"WARC/1.1\r\n") else None
        start = at + len(head)
        stop = start + int(length[1]) if length else size + 1
        if stop + len(_END) <= size and told[stop : stop + len(_END)] == _END:
            yield EvidenceRecord(at, head, told[start:stop] if blocks else None, is_framed=True)
            at = stop + len(_END)
            continue
        following = told.find(b"\r\n\r\nWARC/1.1\r\n", start - len(_END) if start > at + len(_END) else at)
        stop = following if following >= 0 else size
        yield EvidenceRecord(at, head, told[start:stop] if blocks else None, is_framed=False)
        at = following + len(_END) if following >= 0 else size
