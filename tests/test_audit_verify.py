"""``askfirst audit verify``: a whole record is whole, and whatever is done to one is found and named where it was done."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from askfirst.audit.differences import Change, What, changes
from askfirst.audit.fingerprints import Fingerprints
from askfirst.audit.verify import verify
from askfirst.edges.decision_log import MerkleLog
from askfirst.gate import utc_now
from askfirst.ledger.checkpoints import Checkpoint, Head, read_notes
from askfirst.ledger.keys import KeyFolder
from askfirst.ledger.manifest import CLOSED, OPENED, Entry, append_entry
from askfirst.ledger.merkle import leaf_hash, root_of
from askfirst.ledger.notes import SigningKey
from askfirst.ports import SettingsError
from askfirst.rights.wire import digest
from tests import tampering as t
from tests.tampering import leaves_of, lines_of, notes_of, records_of

KEY = SigningKey.new()
THIEF = SigningKey.new()
LINES, EVIDENCE, NOTES, ITEMS = "decisions/*.jsonl", "evidence/*.warc", "checkpoints/*.notes", "items/*.jsonl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of 60 decisions, 32 records of evidence and 20 items, which ended in order."""
    out = tmp_path_factory.mktemp("whole") / "out"
    t.write_record(out, KEY)
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    """A copy to do something to."""
    return shutil.copytree(whole, tmp_path / "out")


def _found(out: Path) -> list[tuple[str, str]]:
    """The findings, with RUN for the name of the run."""
    told = verify(out, keys=[KEY.verifier])
    names = {path.name.split(".")[0] for path in out.glob("checkpoints/*")} | {
        path.name.split(".")[0] for path in out.glob("decisions/*")
    }
    found = [(finding.place, finding.what) for finding in told.findings]
    for name in sorted(names):
        found = [(place.replace(name, "RUN"), what.replace(name, "RUN")) for place, what in found]
    return found


DECISIONS = "decisions/RUN.000000000000.jsonl"
CASES: list[tuple[str, t.Tamper, str, str]] = [
    # decisions
    ("verdict altered", t.replace(LINES, lines_of, 16, b'"verdict":"allow"', b'"verdict":"refuse"'), f"{DECISIONS} line 17 (leaf 16)", "altered"),
    ("first line altered", t.replace(LINES, lines_of, 0, b"train", b"tdm"), f"{DECISIONS} line 1 (leaf 0)", "altered"),
    ("last line altered", t.replace(LINES, lines_of, 59, b"train", b"tdm"), f"{DECISIONS} line 60 (leaf 59)", "altered"),
    ("a bit flipped", t.flip(LINES, 200, lines_of, 30), f"{DECISIONS} line 31 (leaf 30)", "altered"),
    ("a space added", t.replace(LINES, lines_of, 5, b",", b", "), f"{DECISIONS} line 6 (leaf 5)", "altered"),
    ("evidence of a decision dropped from its line", t.replace(LINES, lines_of, 9, b'"looked_at":[', b'"looked_at":[],"x":['), f"{DECISIONS} line 10 (leaf 9)", "altered"),
    ("back-dated by a day", t.back_date_line(20), f"{DECISIONS} line 21 (leaf 20)", "altered"),
    ("back-dated by a day, said so", t.back_date_line(20), f"{DECISIONS} line 21 (leaf 20)", "back-dated: it was decided before its run began"),
    ("dated into the future", t.back_date_line(20, timedelta(days=1)), f"{DECISIONS} line 21 (leaf 20)", "back-dated: it was decided later than the checkpoint"),
    ("line dropped", t.drop(LINES, lines_of, 16), f"{DECISIONS} between line 16 and line 17 (leaf 16)", "dropped"),
    ("first line dropped", t.drop(LINES, lines_of, 0), f"{DECISIONS} before line 1 (leaf 0)", "dropped"),
    ("last line dropped", t.drop(LINES, lines_of, 59), f"{DECISIONS} between line 59 and line 60 (leaf 59)", "dropped"),
    ("three dropped", t.drop(LINES, lines_of, 40, 3), f"{DECISIONS} between line 40 and line 41 (leaves 40 to 42)", "dropped"),
    ("cut at a line", t.drop(LINES, lines_of, 50, 10), f"{DECISIONS} between line 50 and line 51 (leaves 50 to 59)", "dropped"),
    ("cut inside a line", t.truncate(LINES, 20), f"{DECISIONS} line 60 (leaf 59)", "truncated"),
    ("neighbors swapped", t.swap(LINES, lines_of, 16, 17), f"{DECISIONS} line 17 (leaf 16)", "reordered: it was leaf 17"),
    ("far lines swapped", t.swap(LINES, lines_of, 3, 44), f"{DECISIONS} line 4 (leaf 3)", "reordered: it was leaf 44"),
    ("the other of two swapped", t.swap(LINES, lines_of, 3, 44), f"{DECISIONS} line 45 (leaf 44)", "reordered: it was leaf 3"),
    ("line moved", t.move(LINES, lines_of, 10, 30), f"{DECISIONS} line 31 (leaf 30)", "reordered: it was leaf 10"),
    ("line duplicated", t.duplicate(LINES, lines_of, 16, 17), f"{DECISIONS} line 18 (leaf 17)", "duplicated: it is leaf 16 again"),
    ("line duplicated elsewhere", t.duplicate(LINES, lines_of, 16, 40), f"{DECISIONS} line 41 (leaf 40)", "duplicated: it is leaf 16 again"),
    ("line duplicated at the end", t.duplicate(LINES, lines_of, 16, 60), f"{DECISIONS} line 61 (leaf 60)", "duplicated: it is leaf 16 again"),
    ("line added", t.add(LINES, lines_of, 16, b'{"id":"sha256:00"}\n'), f"{DECISIONS} line 17 (leaf 16)", "added"),
    ("line added at the end", t.add(LINES, lines_of, 60, b"{}\n"), f"{DECISIONS} line 61 (leaf 60)", "added"),
    ("empty line added", t.add(LINES, lines_of, 16, b"\n"), f"{DECISIONS} line 17 (leaf 16)", "added"),
    ("altered, and its leaf too", t.both(t.replace(LINES, lines_of, 20, b"train", b"tdm"), t.flip("leaves/*.decisions", 0, leaves_of, 20), t.delete("leaves/*.decisions")), f"{DECISIONS} (leaves 16 to 31)", "one or more between these two checkpoints were altered"),
    ("dropped, and the leaves deleted", t.both(t.drop(LINES, lines_of, 20), t.delete("leaves/*.decisions")), f"{DECISIONS} (leaves 16 to 31)", "one or more between these two checkpoints were altered"),
    ("cut, and the leaves deleted", t.both(t.drop(LINES, lines_of, 50, 10), t.delete("leaves/*.decisions")), f"{DECISIONS} (leaves 50 to 59)", "truncated: 50 decisions are there of the 60"),
    ("added at the end, and the leaves deleted", t.both(t.add(LINES, lines_of, 60, b"{}\n"), t.delete("leaves/*.decisions")), "decisions/RUN (leaves 60 to 60)", "added after the last checkpoint"),
    ("segment deleted", t.delete(LINES), "decisions/RUN", "is missing"),
    ("segment emptied", t.changed(LINES, lines_of, lambda _: []), f"{DECISIONS} before line 1 (leaves 0 to 59)", "dropped"),
    # leaves
    ("a noted leaf altered", t.flip("leaves/*.decisions", 0, leaves_of, 20), "leaves/RUN.decisions leaf 20", "altered; the decisions themselves are as they were signed"),
    ("a noted leaf of evidence altered", t.flip("leaves/*.evidence", 0, leaves_of, 3), "leaves/RUN.evidence leaf 3", "altered"),
    ("a noted leaf of items altered", t.flip("leaves/*.items", 0, leaves_of, 3), "leaves/RUN.items leaf 3", "altered"),
    # evidence
    ("a body altered", t.flip(EVIDENCE, -8, records_of, 5), "evidence/RUN.warc record 6 (leaf 5) at byte", "does not match its digest"),
    ("the date altered", t.replace(EVIDENCE, records_of, 5, b"WARC-Date: 20", b"WARC-Date: 19"), "evidence/RUN.warc record 6 (leaf 5)", "altered"),
    ("the URL altered", t.replace(EVIDENCE, records_of, 5, b"paper.example", b"other.example"), "evidence/RUN.warc record 6 (leaf 5)", "altered"),
    ("robots.txt and its digests altered", t.replace(EVIDENCE, records_of, 1, b"WARC-Block-Digest: sha256:", b"WARC-Block-Digest: sha256:0"), "evidence/RUN.warc record 2 (leaf 1)", "altered"),
    ("a record dropped", t.drop(EVIDENCE, records_of, 5), "evidence/RUN.warc between record 5 and record 6 (leaf 5)", "dropped"),
    ("a record that is relied on dropped", t.drop(EVIDENCE, records_of, 5), f"{DECISIONS} line 8 (leaf 7)", "relies on evidence that is not there"),
    ("the last record dropped", t.drop(EVIDENCE, records_of, 31), "evidence/RUN.warc between record 31 and record 32 (leaf 31)", "dropped"),
    ("records swapped", t.swap(EVIDENCE, records_of, 5, 6), "evidence/RUN.warc record 6 (leaf 5)", "reordered: it was leaf 6"),
    ("a record duplicated", t.duplicate(EVIDENCE, records_of, 5, 20), "evidence/RUN.warc record 21 (leaf 20)", "duplicated: it is leaf 5 again"),
    ("evidence cut", t.truncate(EVIDENCE, 30), "evidence/RUN.warc record 32 (leaf 31)", "does not end where it says"),
    ("a length altered", t.replace(EVIDENCE, records_of, 5, b"\r\nContent-Length: ", b"\r\nContent-Length: 1"), "evidence/RUN.warc record 6 (leaf 5)", "does not end where it says"),
    ("evidence deleted", t.delete(EVIDENCE), "evidence/RUN.warc", "is missing"),
    # checkpoints
    ("a checkpoint altered", t.replace(NOTES, notes_of, 1, b"\nat 2", b"\nat 1"), "checkpoints/RUN.notes note 2", "does not hold: the note was altered"),
    ("a size altered", t.replace(NOTES, notes_of, 1, b"\n32\n", b"\n31\n"), "checkpoints/RUN.notes note 2", "does not hold: the note was altered"),
    ("a signature altered", t.flip(NOTES, -20, notes_of, 0), "checkpoints/RUN.notes note 1", "signature"),
    ("the last checkpoint dropped", t.drop(NOTES, notes_of, 3), "checkpoints/RUN.notes", "does not end with the checkpoint that manifest.jsonl names"),
    ("the last checkpoint cut", t.truncate(NOTES, 30), "checkpoints/RUN.notes note 4", "no signed note"),
    ("checkpoints swapped", t.swap(NOTES, notes_of, 0, 1), "checkpoints/RUN.notes note 2", "holds less than the checkpoint before it"),
    ("a checkpoint duplicated", t.duplicate(NOTES, notes_of, 1, 2), "checkpoints/RUN.notes note 3", "duplicated"),
    ("a checkpoint after the last", t.duplicate(NOTES, notes_of, 1, 4), "checkpoints/RUN.notes note 5", "comes after the last one of the run"),
    ("checkpoints deleted", t.delete(NOTES), "checkpoints/RUN.notes", "does not end with the checkpoint that manifest.jsonl names"),
    ("something added to the notes", t.add(NOTES, notes_of, 2, b"hello\n"), "checkpoints/RUN.notes note 3", ""),
    # items
    ("an item altered", t.replace(ITEMS, lines_of, 4, b"text/html", b"text/htmx"), "items/RUN.jsonl line 5 (leaf 4)", "altered"),
    ("an item's digest altered", t.replace(ITEMS, lines_of, 4, b'"sha256":"', b'"sha256":"0'), "items/RUN.jsonl line 5 (leaf 4)", "without a decision"),
    ("an item's decision altered", t.replace(ITEMS, lines_of, 4, b'"decision_id":"sha256:', b'"decision_id":"sha256:0'), "items/RUN.jsonl line 5 (leaf 4)", "without a decision"),
    ("an item dropped", t.drop(ITEMS, lines_of, 4), "items/RUN.jsonl between line 4 and line 5 (leaf 4)", "dropped"),
    ("items swapped", t.swap(ITEMS, lines_of, 4, 9), "items/RUN.jsonl line 5 (leaf 4)", "reordered: it was leaf 9"),
    ("an item duplicated", t.duplicate(ITEMS, lines_of, 4, 9), "items/RUN.jsonl line 10 (leaf 9)", "duplicated: it is leaf 4 again"),
    ("items cut", t.truncate(ITEMS, 9), "items/RUN.jsonl line 20 (leaf 19)", "truncated"),
    ("an item added", t.add(ITEMS, lines_of, 20, b'{"url":"https://x.example/"}\n'), "items/RUN.jsonl line 21 (leaf 20)", "is no item"),
    ("items deleted", t.delete(ITEMS), "items/RUN.jsonl", "is missing"),
    ("kept bytes altered", t.flip("warc/*.warc.gz", -30), "items/RUN.jsonl line 20 (leaf 19)", "the kept bytes were altered"),
    ("kept bytes cut", t.truncate("warc/*.warc.gz", 5), "items/RUN.jsonl line 20 (leaf 19)", "the kept bytes are cut short"),
    ("kept bytes deleted", t.delete("warc/*.warc.gz"), "items/RUN.jsonl line 1 (leaf 0)", "cannot be read"),
    ("the table cut", t.truncate("items.parquet", 9), "items.parquet", "cannot be read"),
    # manifest
    ("the manifest altered", t.replace("manifest.jsonl", lines_of, 0, b'"at":"2', b'"at":"1'), "manifest.jsonl line 1", "was altered"),
    ("the opening dropped", t.drop("manifest.jsonl", lines_of, 0), "manifest.jsonl line 1", "does not follow the line before it"),
    ("the opening dropped, said so", t.drop("manifest.jsonl", lines_of, 0), "manifest.jsonl", "does not list the run RUN"),
    ("manifest lines swapped", t.swap("manifest.jsonl", lines_of, 0, 1), "manifest.jsonl line 1", "does not follow the line before it"),
    ("a manifest line duplicated", t.duplicate("manifest.jsonl", lines_of, 0, 1), "manifest.jsonl line 2", "does not follow the line before it"),
    ("the manifest cut", t.truncate("manifest.jsonl", 9), "manifest.jsonl line 2", "is cut short"),
    ("the manifest deleted", t.delete("manifest.jsonl"), "manifest.jsonl", "does not list the run RUN"),
    # keys
    ("the key altered", t.flip("keys/*.vkey", -5), "keys/", ""),
    ("the key renamed", t.rename("keys/*.vkey", "keys/x.vkey"), "keys/x.vkey", "is not the key that it is named after"),
    ("another's key added", t.write(f"keys/{THIEF.name}.vkey", f"{THIEF.verifier.vkey}\n"), f"keys/{THIEF.name}.vkey", "is not a key that was given"),
    ("rotations of nobody", t.write("keys/rotations.notes", "no\n"), "keys/rotations.notes note 1", "no key rotation"),
]  # fmt: skip


@pytest.mark.parametrize(("tamper", "place", "what"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_was_done_is_named(out: Path, tamper: t.Tamper, place: str, what: str) -> None:
    """Each thing that can be done to a record is a finding, at its place and by its name."""
    tamper(out)
    found = _found(out)
    assert [one for one in found if one[0].startswith(place) and what in one[1]], found


def test_a_whole_record_is_whole(whole: Path) -> None:
    """Everything is counted, nothing is found; under the key that was given, and under the one that it names."""
    told = verify(whole, keys=[KEY.verifier])
    assert (told.findings, told.said) == ([], [])
    assert (told.records, told.evidence, told.items, told.checkpoints, told.runs) == (60, 32, 20, 4, 1)
    assert told.whole
    assert told.summary().endswith("WHOLE: every record is as it was signed")
    without = verify(whole)
    assert without.whole
    assert without.said == [
        f"the keys are those that the directory itself names ({KEY.name}); compare them, or give --key"
    ]


def test_a_change_is_the_only_finding(out: Path) -> None:
    """One altered line is one finding, though every later checkpoint has another root."""
    t.replace(LINES, lines_of, 2, b"AuditBot/1.0", b"AuditBot/1.1")(out)
    assert _found(out) == [(f"{DECISIONS} line 3 (leaf 2)", "altered")]


def test_everything_is_written_anew_by_somebody_else(out: Path, tmp_path: Path) -> None:
    """A record that was forged as a whole is whole by its own key, and not by the one that was given."""
    forged = tmp_path / "forged"
    t.write_record(forged, THIEF)
    assert verify(forged).whole
    found = verify(forged, keys=[KEY.verifier]).findings
    assert (f"keys/{THIEF.name}.vkey", "is not a key that was given, nor one that took its place") in [
        (finding.place, finding.what) for finding in found
    ]
    assert verify(out, keys=[KEY.verifier]).whole


def test_a_checkpoint_that_was_kept(out: Path, tmp_path: Path) -> None:
    """A note from earlier still fits what has grown since; a record written anew under the same key does not fit it."""
    notes = read_notes(t.only(out, NOTES).read_bytes())
    told = verify(out, keys=[KEY.verifier], checkpoint=notes[1])
    assert told.whole
    assert "32 decisions, signed by" in told.said[0]
    run = t.only(out, NOTES).name.removesuffix(".notes")
    other = Checkpoint(
        key_name=KEY.name,
        run=run,
        decisions=Head(20, leaf_hash(b"another")),
        evidence=Head(),
        items=Head(),
        at=utc_now(),
    ).signed(KEY)
    again = verify(out, keys=[KEY.verifier], checkpoint=other)
    assert [finding.what for finding in again.findings] == [
        "is not what the checkpoint that was kept signed: it was written anew since"
    ]
    assert not verify(out, checkpoint=b"nonsense").whole


def test_a_killed_run(tmp_path: Path) -> None:
    """What came after the last checkpoint is no finding: it is said. A torn last line is said, too."""
    out = tmp_path / "out"
    run = t.write_killed_record(out, KEY)
    told = verify(out, keys=[KEY.verifier])
    assert told.findings == []
    assert told.whole
    assert f"decisions/{run}: 12 records after the last checkpoint are vouched for by nobody" in told.said
    path = t.only(out, LINES)
    path.write_bytes(path.read_bytes()[:-9])
    again = verify(out, keys=[KEY.verifier])
    assert not again.whole  # eight bytes of the line that was whole are noted: it was dropped
    t.only(out, "leaves/*.decisions").unlink()
    torn = verify(out, keys=[KEY.verifier])
    assert torn.whole
    assert any("is cut short" in one for one in torn.said)


def test_a_directory_without_signatures(out: Path) -> None:
    """An old directory is not called whole: it says that nothing vouches for it."""
    for name in ("checkpoints", "keys", "leaves"):
        shutil.rmtree(out / name)
    (out / "manifest.jsonl").unlink()
    told = verify(out)
    assert (told.findings, told.is_signed, told.whole) == ([], False, False)
    assert told.summary().endswith(
        "NOT SIGNED: there are no checkpoints, so nothing shows whether the record is as it was written"
    )


def test_a_key_that_took_another_s_place(tmp_path: Path) -> None:
    """Runs under the old and the new key are whole under either one, through the note that both signed."""
    folder = KeyFolder(tmp_path / "keys")
    old = folder.current()
    out = tmp_path / "out"
    t.write_record(out, old, pages=3)
    folder.rotate(utc_now())
    t.write_record(out, folder.current(), pages=3, rotations=folder.rotations(), first=1)
    for key in (old, folder.current()):
        told = verify(out, keys=[key.verifier])
        assert told.findings == []
    (out / "keys" / "rotations.notes").unlink()
    assert not verify(out, keys=[old.verifier]).whole


def test_a_writer_that_dates_back_what_it_signs(tmp_path: Path) -> None:
    """Times are held against each other even where every signature holds."""
    run, now = "20261124T090000Z-1-abcdef", utc_now()
    line = b'{"id":"sha256:%064d","url":"https://a.example/","decided_at":"2026-11-20T08:00:00Z"}' % 1
    out = tmp_path
    for folder in ("decisions", "checkpoints", "keys"):
        (out / folder).mkdir()
    (out / "decisions" / f"{run}.000000000000.jsonl").write_bytes(line + b"\n")
    (out / "keys" / f"{KEY.name}.vkey").write_text(f"{KEY.verifier.vkey}\n")
    head = Head(1, root_of([leaf_hash(line)]))
    first = Checkpoint(key_name=KEY.name, run=run, decisions=head, evidence=Head(), items=Head(), at=now)
    second = Checkpoint(
        key_name=KEY.name,
        run=run,
        decisions=head,
        evidence=Head(),
        items=Head(),
        at=now - timedelta(hours=1),
        previous=digest(first.signed(KEY)),
        end=True,
    )
    notes = [first.signed(KEY), second.signed(KEY)]
    (out / "checkpoints" / f"{run}.notes").write_bytes(b"".join(note + b"\n" for note in notes))
    manifest = out / "manifest.jsonl"
    append_entry(manifest, Entry(event=OPENED, run=run, at=now, key=KEY.verifier), KEY)
    closed = Entry(event=CLOSED, run=run, at=now, key=KEY.verifier, checkpoint=digest(notes[1]), size=1)
    append_entry(manifest, closed, KEY)
    assert [(finding.place, finding.what) for finding in verify(out).findings] == [
        (f"checkpoints/{run}.notes note 2", "back-dated: it is earlier than the checkpoint before it"),
        (f"decisions/{run}.000000000000.jsonl line 1 (leaf 0)", "back-dated: it was decided before its run began"),
    ]


def test_sealed_segments_and_two_processes(tmp_path: Path) -> None:
    """Segments that were sealed are read back by two processes to the same roots; one that is damaged is named."""

    async def write() -> None:
        writer = t.Writer(tmp_path, t.run_name(), KEY)
        await writer.look(1)
        line = t.only(tmp_path, LINES).read_bytes().splitlines()[0]
        waiting = [writer.log.append(line.replace(b"/1", b"/%d" % number)) for number in range(12_400)]
        await asyncio.gather(*waiting)
        writer.close()

    with t.written_with(checkpoint_leaves=1_000, segment_lines=4_096):
        asyncio.run(write())
    assert len(list(tmp_path.glob("decisions/*.parquet"))) == 3
    told = verify(tmp_path, workers=2)
    assert (told.findings, told.records) == ([], 12_402)
    second = sorted(tmp_path.glob("decisions/*.parquet"))[1]
    kept = second.read_bytes()
    for place in range(40, len(kept), len(kept) // 12):
        second.write_bytes(kept[:place] + bytes([kept[place] ^ 0xFF]) + kept[place + 1 :])
        found = verify(tmp_path).findings
        assert any(finding.place.startswith(f"decisions/{second.name}") for finding in found), place
    second.unlink()
    run = second.name.split(".")[0]
    first = f"decisions/{run}.000000000000.parquet"
    assert (f"{first} between line 4096 and line 4097 (leaves 4096 to 8191)", "dropped") in [
        (finding.place, finding.what) for finding in verify(tmp_path).findings
    ]


def test_what_is_no_output_directory(tmp_path: Path) -> None:
    """The operator's mistake is said as one."""
    with pytest.raises(SettingsError, match="holds no decisions"):
        verify(tmp_path / "nothing")


def test_changes_of_sequences() -> None:
    """Altered, dropped, added, moved and doubled leaves are told apart; a hole in what was noted fits anything."""
    a, b, c, d, x = (bytes([number]) * 8 for number in range(1, 6))
    assert changes(a + b + c, a + b + c) == []
    assert changes(a + bytes(8) + c, a + b + c) == []
    assert changes(a + b + c, a + x + c) == [Change(What.ALTERED, 1, 1)]
    assert changes(a + b + c + d, a + d) == [Change(What.DROPPED, 1, 1, 2)]
    assert changes(a + b, a + x + b) == [Change(What.ADDED, 1, None)]
    assert changes(a + b + c, a + b + b + c) == [Change(What.DUPLICATED, 2, 1)]
    assert changes(a + b, b"") == [Change(What.DROPPED, 0, 0, 2)]
    assert {change.what for change in changes(a + b + c + d, d + b + c + a)} == {What.REORDERED}


def test_fingerprints_beyond_memory() -> None:
    """What does not fit into memory is found on disk."""
    prints = Fingerprints(in_memory=10)
    some = {number.to_bytes(16) for number in range(100)}
    for one in some:
        prints.add([one])
    assert prints.missing(some) == set()
    assert prints.missing({bytes(16), b"x" * 16}) == {b"x" * 16}
    prints.close()


def test_a_run_that_only_a_kept_checkpoint_knows(out: Path) -> None:
    """Where all that was signed of a run is gone, and the manifest's lines about it, a note from earlier still tells."""
    kept = read_notes(t.only(out, NOTES).read_bytes())[-1]
    for path in [*out.glob("decisions/*"), *out.glob("checkpoints/*"), *out.glob("leaves/*"), *out.glob("items*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (out / "decisions").mkdir(exist_ok=True)
    manifest = out / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes().splitlines(keepends=True)[0])
    found = verify(out, keys=[KEY.verifier], checkpoint=kept)
    assert (
        "decisions/" + kept.split(b"\n")[0].decode().partition("/")[2],
        "is missing: 60 decisions of it were signed",
    ) in [(finding.place, finding.what) for finding in found.findings]


async def test_a_run_that_others_saw_cannot_be_taken_away(whole: Path, tmp_path: Path) -> None:
    """Checkpoints know the manifest's last line: a run that was listed beside another is missed, though every line about
    it was cut off, and the line about the other's end with them."""
    line = t.only(whole, LINES).read_bytes().splitlines()[0]
    out = tmp_path / "out"
    logs = [MerkleLog(out, run=run, key=KEY, clock=utc_now) for run in ("a", "b")]
    for log in logs:
        await log.append(line)
    for log in logs:
        log.close()
    assert not [finding for finding in verify(out).findings if "manifest" in finding.place]
    manifest = out / "manifest.jsonl"
    told = manifest.read_bytes().splitlines(keepends=True)
    assert [b'"event":"opened"' in entry for entry in told] == [True, True, False, False]
    for path in [*out.rglob("b.*")]:
        path.unlink()
    manifest.write_bytes(told[0])
    assert ("manifest.jsonl", "lacks a line that was there when a checkpoint of a was signed: it was cut off") in [
        (finding.place, finding.what) for finding in verify(out).findings
    ]
