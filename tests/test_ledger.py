"""Merkle trees, signed notes, checkpoints, keys and the manifest: what makes a record provable."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.ledger.checkpoints import Checkpoint, Head, open_checkpoint, read_notes
from askfirst.ledger.keys import KeyFileError, KeyFolder, Rotation, read_rotations, succeeds
from askfirst.ledger.manifest import CLOSED, OPENED, Entry, append_entry, read_entries
from askfirst.ledger.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_path_of,
    consistent,
    inclusion_path_of,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    root_of,
    split,
    subtree_of,
)
from askfirst.ledger.notes import NoteError, SigningKey, Verifier, open_note, sign, signers

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEAVES = [leaf_hash(bytes([number])) for number in range(41)]


def _mth(leaves: list[bytes]) -> bytes:
    """The definition of section 2.1.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(_mth(leaves[:k]), _mth(leaves[k:]))


class TestMerkleTree:
    def test_the_roots_that_certificate_transparency_publishes(self) -> None:
        """The eight inputs that implementations of RFC 6962 and 9162 test themselves with give the roots they give."""
        inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
        leaves = [leaf_hash(bytes.fromhex(text)) for text in inputs]
        assert root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        assert leaves[0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        assert root_of(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"

    def test_every_size_has_the_root_of_the_definition(self) -> None:
        """A tree that grows leaf by leaf has, at every size, the root that the definition gives."""
        tree = Tree()
        for size in range(len(LEAVES)):
            assert (tree.size, tree.root()) == (size, _mth(LEAVES[:size]))
            tree.append(LEAVES[size])

    def test_perfect_subtrees_stand_for_their_leaves(self) -> None:
        """Eight leaves added by their root are eight leaves; where eight cannot begin, they are refused."""
        tree = Tree()
        tree.append_perfect(root_of(LEAVES[:8]), 3)
        tree.append_perfect(root_of(LEAVES[8:16]), 3)
        tree.append(LEAVES[16])
        assert tree.root() == root_of(LEAVES[:17])
        with pytest.raises(ValueError, match="cannot follow"):
            tree.append_perfect(root_of(LEAVES[17:25]), 3)

    def test_a_path_leads_from_its_own_leaf_at_its_own_place_only(self) -> None:
        """For every leaf of every size the path leads to the root; from another leaf, place or size it does not."""
        for size in range(1, 34):
            root = root_of(LEAVES[:size])
            for index in range(size):
                path = inclusion_path_of(LEAVES[:size], index)
                assert root_from_inclusion(LEAVES[index], index, size, path) == root
                assert root_from_inclusion(LEAVES[index + 1], index, size, path) != root
                assert root_from_inclusion(LEAVES[index], index, size, [*path, EMPTY_ROOT]) != root
                assert size == 1 or root_from_inclusion(LEAVES[index], (index + 1) % size, size, path) != root
                assert not path or root_from_inclusion(LEAVES[index], index, size, path[:-1]) != root

    def test_consistency_of_every_two_sizes(self) -> None:
        """A smaller tree is the beginning of a larger one, and another tree of its size is not."""
        for size in range(1, 34):
            root = root_of(LEAVES[:size])
            for old in range(1, size + 1):
                path = consistency_path_of(LEAVES[:size], old)
                assert consistent(old, root_of(LEAVES[:old]), size, root, path)
                assert not consistent(old, root_of(LEAVES[1 : old + 1]), size, root, path)
                assert not path or not consistent(old, root_of(LEAVES[:old]), size, root, path[:-1])
                assert not consistent(old, root_of(LEAVES[:old]), size, root, [*path, EMPTY_ROOT])
        assert consistent(0, EMPTY_ROOT, 5, root_of(LEAVES[:5]), [])
        assert not consistent(6, root_of(LEAVES[:6]), 5, root_of(LEAVES[:5]), [])

    @given(st.integers(-2, 40), st.integers(-2, 40), st.lists(st.binary(max_size=33), max_size=8))
    def test_no_path_raises(self, index: int, size: int, path: list[bytes]) -> None:
        """Whatever is given as a path, it is a path or none."""
        assert root_from_inclusion(LEAVES[0], index, size, path) != root_of(LEAVES)
        assert not consistent(index, LEAVES[0], size, LEAVES[1], path)

    def test_a_range_is_the_tree_over_its_leaves(self) -> None:
        """What paths are made of."""
        assert subtree_of(LEAVES)(4, 8) == root_of(LEAVES[4:8])


class TestNotes:
    KEY = SigningKey.new()

    def test_a_note_that_go_signed(self) -> None:
        """The example of Go's note package is opened with its key, and gives the same key hash."""
        verifier = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
        text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
        assert open_note(f"{text}\n\u2014 PeterNeumann {signature}\n".encode(), [verifier]) == text

    def test_what_was_signed_comes_back_and_anything_else_does_not(self) -> None:
        """No byte of the text or its signature can be another."""
        note = sign("one\ntwo\n", self.KEY)
        assert open_note(note, [self.KEY.verifier]) == "one\ntwo\n"
        assert signers(note) == [self.KEY.name]
        for place in range(len(note)):
            altered = bytearray(note)
            altered[place] ^= 1
            with pytest.raises(NoteError):
                open_note(bytes(altered), [self.KEY.verifier])
        for end in range(len(note)):
            with pytest.raises(NoteError):
                open_note(note[:end], [self.KEY.verifier])

    def test_an_unknown_key_is_no_signature(self) -> None:
        """A note that only others signed is not opened; one that a known key signed too is."""
        other = SigningKey.new()
        with pytest.raises(NoteError, match="not a key that is known here"):
            open_note(sign("x\n", other), [self.KEY.verifier])
        both = sign("x\n", other, self.KEY)
        assert open_note(both, [self.KEY.verifier]) == "x\n"
        with pytest.raises(NoteError):
            open_note(sign("x\n", other), [self.KEY.verifier, other.verifier], all_of_them=True)

    @given(st.binary(max_size=300))
    def test_no_bytes_raise_anything_else(self, note: bytes) -> None:
        """Anything is a note or a NoteError."""
        with pytest.raises(NoteError):
            open_note(note, [self.KEY.verifier])

    @pytest.mark.parametrize("text", ["", "x", "x\n\ny\n", "\nx\n"])
    def test_texts_that_cannot_be_signed(self, text: str) -> None:
        """A text without its newline or with an empty line is no text of a note."""
        with pytest.raises(NoteError, match="ends in a newline"):
            sign(text, self.KEY)

    @pytest.mark.parametrize("vkey", ["", "x", "a+b", "n+00000000+AQ==", TestMerkleTree.__name__])
    def test_what_is_no_key(self, vkey: str) -> None:
        """A key that was cut or altered is no key."""
        with pytest.raises(NoteError):
            Verifier.parse(vkey)
        cut = self.KEY.verifier.vkey
        with pytest.raises(NoteError):
            Verifier.parse(cut[:-2] + ("A" if cut[-2] != "A" else "B") + cut[-1])


class TestCheckpoints:
    KEY = SigningKey.new()

    def _checkpoint(self, run: str = "run-1", *, end: bool = False) -> Checkpoint:
        return Checkpoint(
            key_name=self.KEY.name,
            run=run,
            decisions=Head(3, LEAVES[0]),
            evidence=Head(2, LEAVES[1]),
            items=Head(),
            at=AT + timedelta(microseconds=5),
            end=end,
        )

    @pytest.mark.parametrize("end", [False, True])
    def test_it_comes_back(self, *, end: bool) -> None:
        """The text of a checkpoint is read back to the same checkpoint, and its first lines are the standard's."""
        checkpoint = self._checkpoint(end=end)
        assert open_checkpoint(checkpoint.signed(self.KEY), [self.KEY.verifier]) == checkpoint
        assert checkpoint.text().split("\n")[:2] == [f"{self.KEY.name}/run-1", "3"]

    def test_notes_in_a_file(self) -> None:
        """Notes that stand one after the other are told apart; the last one may be cut short."""
        notes = [self._checkpoint(run).signed(self.KEY) for run in ("a", "b", "c")]
        told = b"".join(note + b"\n" for note in notes)
        assert read_notes(told) == notes
        assert read_notes(told[:-20]) == [*notes[:2], notes[2][:-19]]
        assert read_notes(b"") == []

    def test_a_text_that_reads_the_same_is_the_same(self) -> None:
        """Other spellings of a checkpoint are none."""
        text = self._checkpoint().text()
        for other in (text.replace("\n3\n", "\n03\n"), text + "more\n", text.replace("at ", "at  "), "x\n"):
            with pytest.raises(NoteError, match="no checkpoint"):
                Checkpoint.parse(other)


class TestKeys:
    def test_made_on_first_use_readable_only_by_its_owner(self, tmp_path: Path) -> None:
        """The folder and the key are made with the modes of a secret, and the key stays the same."""
        folder = KeyFolder(tmp_path / "keys")
        key = folder.current()
        assert folder.path.stat().st_mode & 0o777 == 0o600
        assert folder.folder.stat().st_mode & 0o777 == 0o700
        assert folder.current().verifier == key.verifier
        assert [path.name for path in folder.folder.iterdir()] == ["log-key.pem"]

    def test_a_key_that_others_can_read_is_not_used(self, tmp_path: Path) -> None:
        """It says what to do."""
        folder = KeyFolder(tmp_path)
        folder.current()
        folder.path.chmod(0o644)
        with pytest.raises(KeyFileError, match="chmod 600"):
            folder.current()

    def test_a_file_that_is_no_key(self, tmp_path: Path) -> None:
        """It is not overwritten, and the message names it."""
        folder = KeyFolder(tmp_path)
        folder.path.write_bytes(b"not a key")
        folder.path.chmod(0o600)
        with pytest.raises(KeyFileError, match=r"log-key\.pem"):
            folder.current()
        assert folder.path.read_bytes() == b"not a key"

    def test_processes_that_begin_at_once_get_one_key(self, tmp_path: Path) -> None:
        """Four processes make the folder at the same time, and print the same key."""
        told = "import sys; from pathlib import Path; from askfirst.ledger.keys import KeyFolder; print(KeyFolder(Path(sys.argv[1])).current().name)"
        started = [
            subprocess.Popen([sys.executable, "-c", told, str(tmp_path / "k")], stdout=subprocess.PIPE)
            for _ in range(4)
        ]
        names = {process.communicate()[0] for process in started}
        assert len(names) == 1
        assert names.pop().startswith(b"askfirst-")

    def test_a_rotation_is_signed_by_both_keys(self, tmp_path: Path) -> None:
        """The new key follows the old one by a note; the note holds for nobody else."""
        folder = KeyFolder(tmp_path)
        first = folder.current().verifier
        folder.rotate(AT)
        second = folder.current().verifier
        folder.rotate(AT)
        third = folder.current().verifier
        rotations = read_rotations(folder.rotations())
        assert [(rotation.old, rotation.new) for rotation in rotations] == [(first, second), (second, third)]
        assert succeeds(third, first, rotations)
        assert succeeds(first, first, [])
        assert not succeeds(first, third, rotations)
        assert folder.path.stat().st_mode & 0o777 == 0o600
        thief = SigningKey.new()
        forged = Rotation(first, thief.verifier, AT).signed(thief, thief)
        with pytest.raises(NoteError):
            Rotation.open(forged)


class TestManifest:
    KEY = SigningKey.new()

    def _entry(self, run: str, event: str = OPENED) -> Entry:
        return Entry(event=event, run=run, at=AT, key=self.KEY.verifier)

    def _three(self, path: Path) -> list[bytes]:
        for run in ("a", "b", "c"):
            append_entry(path, self._entry(run), self.KEY)
        return path.read_bytes().splitlines(keepends=True)

    def test_entries_come_back(self, tmp_path: Path) -> None:
        """What was appended is read back in order, each line under its number."""
        path = tmp_path / "out" / "manifest.jsonl"
        self._three(path)
        closed = Entry(event=CLOSED, run="a", at=AT, key=self.KEY.verifier, checkpoint="sha256:00", size=7)
        append_entry(path, closed, self.KEY)
        assert list(read_entries(path.read_bytes())) == [
            (1, self._entry("a")),
            (2, self._entry("b")),
            (3, self._entry("c")),
            (4, closed),
        ]

    def test_a_line_taken_out_put_in_or_moved_shows(self, tmp_path: Path) -> None:
        """The line after the hole says so."""
        one, two, three = self._three(tmp_path / "m")
        for lines, number in (([two, three], 1), ([one, three], 2), ([one, two, two, three], 3), ([two, one], 1)):
            faults = [place for place, entry in read_entries(b"".join(lines)) if isinstance(entry, str)]
            assert faults[0] == number

    def test_every_byte_counts(self, tmp_path: Path) -> None:
        """A changed byte is named with its line."""
        path = tmp_path / "m"
        lines = self._three(path)
        told = path.read_bytes()
        for place in range(len(lines[0]), len(lines[0]) + len(lines[1]) - 1):
            altered = bytearray(told)
            altered[place] ^= 1
            found = [number for number, entry in read_entries(bytes(altered)) if isinstance(entry, str)]
            assert 2 in found

    def test_a_torn_line_is_cut_off_by_the_next(self, tmp_path: Path) -> None:
        """A line that was never acknowledged leaves no hole."""
        path = tmp_path / "m"
        self._three(path)
        told = path.read_bytes()
        path.write_bytes(told + b'{"event":"op')
        assert list(read_entries(path.read_bytes()))[-1] == (4, "is cut short")
        append_entry(path, self._entry("d"), self.KEY)
        assert [entry for _, entry in read_entries(path.read_bytes())][-1] == self._entry("d")

    def test_processes_that_append_at_once(self, tmp_path: Path) -> None:
        """Four processes append ten lines each, and the chain holds."""
        path = tmp_path / "m"
        started = [subprocess.Popen([sys.executable, "-c", _APPENDER, str(path), str(run)]) for run in range(4)]
        assert [process.wait() for process in started] == [0, 0, 0, 0]
        entries = [entry for _, entry in read_entries(path.read_bytes())]
        assert len(entries) == 40
        assert not [entry for entry in entries if isinstance(entry, str)]


_APPENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from askfirst.ledger.manifest import Entry, append_entry
from askfirst.ledger.notes import SigningKey

key = SigningKey.new()
for number in range(10):
    entry = Entry(event="opened", run=f"{sys.argv[2]}-{number}", at=datetime.now(UTC), key=key.verifier)
    append_entry(Path(sys.argv[1]), entry, key)
"""
