"""The decision log: JSON Lines, each line a leaf of an RFC 9162 Merkle tree, in segments, under signed checkpoints.

What this module does not do: compose decisions, or read them (``askfirst.segments`` does). The bytes of a line are the
caller's, and so are those of the evidence's and the items' leaves, which it only counts into trees of their own.

1. ``append`` is acknowledged when the line is on the disk (fdatasync), together with everything that came in while the
   group before it was written, or within ``GATHER_S``. The evidence is made durable before: ``before_commit``.
2. What a full disk cut off is cut off again, and the whole group is refused. INVARIANT: a leaf is counted only when its
   line is on the disk, in the order of the lines.
3. A run never writes into another run's file. A file that was deleted under our hands is an error for the group that
   finds it; the next begins a segment of its own, named by the place of its first leaf, and what is missing shows.
4. A checkpoint follows a group when ``CHECKPOINT_EVERY_S`` have passed or ``CHECKPOINT_LEAVES`` were added, comes by
   itself when nothing follows, and ends the run. What a killed run wrote after its last checkpoint is there, and
   vouched for by nobody.
5. A segment ends at a multiple of ``SEGMENT_LINES`` leaves and is then sealed (askfirst.sealed), beside the crawl.
6. ``leaves/`` holds eight bytes of every leaf hash, to name later which line was changed. It proves nothing, and
   nothing waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from askfirst.appended import AppendedFile, run_file
from askfirst.ledger.checkpoints import Checkpoint, Head
from askfirst.ledger.growing import GrowingTree
from askfirst.ledger.manifest import CLOSED, FILE_NAME, OPENED, Entry, append_entry, last_digest, write_whole
from askfirst.ledger.merkle import leaf_hash
from askfirst.ledger.notes import SigningKey
from askfirst.lookup import RollingIndex, decision_of_item
from askfirst.ports import EdgeError
from askfirst.rights.wire import digest

GATHER_S = 0.003
GATHER_LINES = 64
"""A group waits so long for others to join it, or until so many have."""
CHECKPOINT_EVERY_S = 1.0
CHECKPOINT_LEAVES = 4_096
SEGMENT_LINES = 65_536
SEAL_FROM_BYTES = 8 * 1024 * 1024
"""What the last segment of a run must have to be sealed; a smaller one stays plain text."""
_LOGGER = logging.getLogger(__name__)


class MerkleLog:
    """Appends to ``out/decisions/<run>.<first leaf>.jsonl``. The folder is made now, the files with the first line.
    ``stamp`` gives an authority's time stamp over the last checkpoint (RFC 3161). Raises EdgeError."""

    def __init__(
        self,
        out: Path,
        *,
        run: str,
        key: SigningKey,
        clock: Callable[[], datetime],
        rotations: bytes = b"",
        before_commit: Callable[[], None] = lambda: None,
        stamp: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._out = out
        self._run = run
        self._key = key
        self._clock = clock
        self._began_at = clock()
        self._rotations = rotations
        self._before_commit = before_commit
        self._stamp = stamp
        self._before_checkpoint: list[Callable[[], None]] = []
        self._decisions = GrowingTree(out / "leaves" / f"{run}.decisions")
        evidence, items = (out / "leaves" / f"{run}.{tree}" for tree in ("evidence", "items"))
        self._evidence = GrowingTree(evidence, RollingIndex(evidence))
        self._items = GrowingTree(items, RollingIndex(items))
        self._segment: AppendedFile | None = None
        try:
            self._segment = self._new_segment()
            if (out / "decisions" / f"{run}.jsonl").exists() or self._segment.path.exists():
                raise FileExistsError(self._segment.path)
        except OSError as error:
            raise self._failure(error) from error
        self._state = threading.Condition()
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._closing = False
        self._gathering = False
        self._thread: threading.Thread | None = None
        self._opened = False
        self._listing = threading.Lock()
        self._signed_at_s = time.monotonic()
        self._last_note = ""
        self._signed: tuple[Head, Head, Head] = (Head(), Head(), Head())
        self._sealing: list[subprocess.Popen[str]] = []

    # -- from the event loop -------------------------------------------------------------------------------------------

    def append(self, line: bytes) -> Awaitable[None]:
        """Appends one line, without its newline; what it gives is done when the line is on the disk. Raises EdgeError,
        also when awaited, and ValueError for what is not one line."""
        if b"\n" in line:
            raise ValueError("a line of the decision log cannot hold a newline")
        waiter = asyncio.get_running_loop().create_future()
        with self._state:
            if self._closing:
                raise self._failure(FileNotFoundError(None, "it is closed"))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="askfirst-log", daemon=True)
                self._thread.start()
            self._waiting.append((line, waiter))
            if len(self._waiting) == (GATHER_LINES if self._gathering else 1):
                self._state.notify()
        return waiter

    def list_run(self) -> None:
        """Returns when the manifest lists the run. INVARIANT: nothing that the record holds is written before that, so
        that what a killed run leaves is never a stranger's. Raises OSError."""
        with self._listing:
            if not self._opened:
                self._open()

    def note_evidence(self, head: bytes, length_bytes: int, *, record_id: str = "", name: str = "") -> None:
        """Counts a record of the evidence, by the bytes of its WARC header. It takes so many bytes of its file, and is
        looked up by its id and by ``lookup.evidence_name``."""
        self._evidence.add_entry(leaf_hash(head), length_bytes, record_id=record_id, name=name)

    def note_item(self, line: bytes) -> None:
        """Counts a line of the kept dataset, without its newline."""
        self._items.add_entry(leaf_hash(line), len(line) + 1, record_id=decision_of_item(line))

    def before_checkpoint(self, sync: Callable[[], None]) -> None:
        """``sync`` is called before each checkpoint, from another thread."""
        self._before_checkpoint.append(sync)

    def close(self) -> None:
        """Ends the log: what waits is written, the last checkpoint is signed and the manifest says so. Raises
        EdgeError when that cannot be."""
        with self._state:
            if self._closing:
                return
            self._closing = True
            self._state.notify()
        try:
            if self._thread is not None:
                self._thread.join()
            if self._opened:
                self._end()
        except OSError as error:
            raise self._failure(error) from error
        finally:
            if self._segment is not None:
                self._segment.close()
            for tree in (self._decisions, self._evidence, self._items):
                tree.close()
            self._seal_what_is_left()

    # -- the thread that writes ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._state:
                while not self._waiting and not self._closing:
                    due_s = self._due_s()
                    if due_s is not None and due_s <= 0:
                        break
                    self._state.wait(due_s)
                if self._waiting and not self._closing and len(self._waiting) < GATHER_LINES:
                    self._gathering = True
                    self._state.wait(GATHER_S)
                    self._gathering = False
                group, self._waiting = self._waiting, []
                if not group and self._closing:
                    return
            for some in self._parts(group):
                error = self._commit([line for line, _ in some])
                _acknowledge([waiter for _, waiter in some], error)
            due_s = self._due_s()
            if due_s is not None and due_s <= 0:
                self._checkpoint_or_say()

    def _parts(
        self, group: Sequence[tuple[bytes, asyncio.Future[None]]]
    ) -> Iterator[Sequence[tuple[bytes, asyncio.Future[None]]]]:
        """The group, divided where a segment ends."""
        start = 0
        while start < len(group):
            room = SEGMENT_LINES - self._decisions.size % SEGMENT_LINES
            yield group[start : start + room]
            start += room

    def _commit(self, lines: Sequence[bytes]) -> EdgeError | None:
        try:
            self.list_run()
            self._before_commit()
            if self._segment is None:
                self._segment = self._next_segment()
            place = self._segment.append(b"\n".join(lines) + b"\n")
            try:
                self._segment.sync()
            except OSError:
                self._segment.cut_to(place.offset)
                self._segment = None  # a file that could not be synced once is not trusted again
                raise
        except FileNotFoundError as error:
            fault = self._failure(error)
            self._segment, self._opened = None, False
            return fault
        except OSError as error:
            return self._failure(error)
        except EdgeError as error:
            return error
        self._decisions.add([leaf_hash(line) for line in lines])
        if self._decisions.size % SEGMENT_LINES == 0:
            self._rotate()
        return None

    def _open(self) -> None:
        """Lists the log in the manifest, with the key that will sign it; again where the manifest was taken away."""
        keys, manifest = self._out / "keys", self._out / FILE_NAME
        keys.mkdir(exist_ok=True)
        self._put(keys / f"{self._key.name}.vkey", f"{self._key.verifier.vkey}\n".encode("ascii"))
        if self._rotations:
            self._put(keys / "rotations.notes", self._rotations)
        entry = Entry(event=OPENED, run=self._run, at=self._began_at, key=self._key.verifier)
        if not manifest.exists() or b'"run":"%b"' % self._run.encode() not in manifest.read_bytes():
            append_entry(manifest, entry, self._key)
        self._opened = True

    def _put(self, path: Path, told: bytes) -> None:
        """In one step: others read it, and another run's record may stand on it."""
        growing = path.with_name(f".{path.name}.{self._run}")
        growing.write_bytes(told)
        growing.replace(path)

    def _rotate(self) -> None:
        full, self._segment = self._segment, None
        if full is not None:
            full.close()
            self._seal(full.path)

    def _next_segment(self) -> AppendedFile:
        """The segment after one that is full or gone. A folder that was taken away is not made again: whoever took it
        gives it back, or another."""
        folder = self._out / "decisions"
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        return self._new_segment()

    def _new_segment(self) -> AppendedFile:
        return run_file(self._out / "decisions", self._run, f".{self._decisions.size:012d}.jsonl")

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def _due_s(self) -> float | None:
        """In how many seconds a checkpoint is due; None when there is nothing to sign."""
        decisions, evidence, items = self._signed
        if not self._opened or (
            self._decisions.size == decisions.size
            and self._items.size == items.size
            and self._evidence.size == evidence.size
        ):
            return None
        if self._decisions.size - decisions.size >= CHECKPOINT_LEAVES:
            return 0.0
        return self._signed_at_s + CHECKPOINT_EVERY_S - time.monotonic()

    def _heads(self) -> tuple[Head, Head, Head]:
        return self._decisions.head(), self._evidence.head(), self._items.head()

    def _checkpoint_or_say(self) -> None:
        try:
            self._checkpoint()
        except OSError as error:
            _LOGGER.warning("no checkpoint of %s could be written: %s; it is tried again", self._run, error)
            self._signed_at_s = time.monotonic()

    def _checkpoint(self, *, end: bool = False) -> bytes:
        """Signs what is on the disk; gives the note. Raises OSError."""
        heads = self._heads()
        self._before_commit()
        for sync in self._before_checkpoint:
            sync()
        decisions, evidence, items = heads
        note = Checkpoint(
            key_name=self._key.name,
            run=self._run,
            decisions=decisions,
            evidence=evidence,
            items=items,
            at=self._clock(),
            previous=self._last_note,
            manifest=last_digest(self._out / FILE_NAME),
            end=end,
        ).signed(self._key)
        path = self._out / "checkpoints" / f"{self._run}.notes"
        path.parent.mkdir(exist_ok=True)
        file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            whole_bytes = os.fstat(file).st_size
            try:
                write_whole(file, note + b"\n")
                if end:
                    os.fsync(file)
            except OSError:
                os.ftruncate(file, whole_bytes)
                raise
            # INVARIANT: from here on the note is in the file, and the next one follows it
            self._signed, self._signed_at_s, self._last_note = heads, time.monotonic(), digest(note)
        finally:
            os.close(file)
        return note

    def _end(self) -> None:
        note = self._checkpoint(end=True)
        entry = Entry(
            event=CLOSED,
            run=self._run,
            at=self._clock(),
            key=self._key.verifier,
            checkpoint=digest(note),
            size=self._signed[0].size,
        )
        append_entry(self._out / FILE_NAME, entry, self._key)
        if self._stamp is not None:
            try:
                (self._out / "checkpoints" / f"{self._run}.tsr").write_bytes(self._stamp(note))
            except (EdgeError, OSError) as error:
                _LOGGER.warning("the last checkpoint of %s has no time stamp: %s", self._run, error)

    def _seal_what_is_left(self) -> None:
        path = None if self._segment is None else self._segment.path
        if path is not None and path.exists() and path.stat().st_size >= SEAL_FROM_BYTES:
            self._seal(path)
        for process in self._sealing:
            _, fault = process.communicate()
            if process.returncode:
                _LOGGER.warning("a segment of the decision log stays plain text: %s", fault.strip())

    def _seal(self, path: Path) -> None:
        command = [sys.executable, "-m", "askfirst.sealed", str(path), path.suffixes[-2][1:]]
        try:
            # a process of its own: packing is work for the interpreter, and this one has a crawl to run
            self._sealing.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))  # noqa: S603  # our own
        except OSError as error:
            _LOGGER.warning("a segment of the decision log stays plain text: %s: %s", path, error)

    def _failure(self, error: OSError) -> EdgeError:
        path = self._out / "decisions" if self._segment is None else self._segment.path
        if isinstance(error, FileExistsError):
            return EdgeError(f"the decision log {path} is there already; give this run a name of its own")
        return EdgeError(
            f"cannot write the decision log {path}: {error.strerror or error}; "
            "check that its folder is there, can be written and has room",
        )


def _acknowledge(waiters: Sequence[asyncio.Future[None]], error: EdgeError | None) -> None:
    def tell() -> None:
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    loop = waiters[0].get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)
