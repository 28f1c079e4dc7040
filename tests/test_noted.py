"""What is noted beside the trees of a run: a proof reads a few blocks by it, and nothing depends on it."""

from __future__ import annotations

import asyncio
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

import askfirst.edges.decision_log as writing
from askfirst.audit.proof_file import check
from askfirst.audit.prove import prove
from askfirst.audit.verify import verify
from askfirst.ledger.growing import BLOCK_LEAVES, SPAN_LEAVES, GrowingTree, LevelTree, StoredRoots
from askfirst.ledger.merkle import root_of
from askfirst.ledger.notes import SigningKey
from askfirst.lookup import Lookup, RollingIndex, rolled
from askfirst.ports import EdgeError
from tests import tampering as t
from tests.tampering import SITE, lines_of, records_of

KEY = SigningKey.new()
PAGES = 640
NOTED = ("decisions.roots", "evidence.roots", "items.roots", "evidence.*.lookup", "items.*.lookup")


def _leaves(count: int) -> list[bytes]:
    return [sha256(str(number).encode()).digest() for number in range(count)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of 1,280 decisions, 642 records of evidence and 427 items: some blocks of 256 of each."""
    out = tmp_path_factory.mktemp("noted") / "out"
    gather_s, writing.GATHER_S = writing.GATHER_S, 0.0

    async def write() -> None:
        writer = t.Writer(out, t.run_name(), KEY)
        for number in range(PAGES):
            await writer.look(number)
        writer.close()

    try:
        with t.written_with(checkpoint_leaves=500):
            asyncio.run(write())
    finally:
        writing.GATHER_S = gather_s
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    """A copy to do something to."""
    return shutil.copytree(whole, tmp_path / "out")


# -- trees -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 3_000])
def test_the_root_is_that_of_the_standard(size: int) -> None:
    """However the tree is held."""
    tree = LevelTree()
    for leaf in _leaves(size):
        tree.append(leaf, 0)
    assert (tree.size, tree.root()) == (size, root_of(_leaves(size)))


def test_what_is_noted_of_many_leaves(tmp_path: Path) -> None:
    """The root and the end of every block of 256, and the root of every span of 65,536, in two spans and a rest."""
    leaves = _leaves(2 * SPAN_LEAVES + 700)
    tree = GrowingTree(tmp_path / "run.items")
    tree.add_entry(leaves[0], 100)
    for leaf in leaves[1:]:
        tree.add_entry(leaf, 3)
    assert tree.head().root == root_of(leaves)
    tree.close()
    with StoredRoots(tmp_path / "run.items") as noted:
        for block in (0, 1, 255, 256, 257, 511, 512, 513):
            start = block * BLOCK_LEAVES
            assert noted.root(start, start + BLOCK_LEAVES) == root_of(leaves[start : start + BLOCK_LEAVES])
            assert noted.begins_at(block) == (97 + 3 * start if block else 0)
        for start in (0, SPAN_LEAVES):
            assert noted.root(start, start + SPAN_LEAVES) == root_of(leaves[start : start + SPAN_LEAVES])
        assert noted.begins_at(514) == 97 + 3 * 514 * BLOCK_LEAVES
        assert (noted.begins_at(515), noted.root(514 * BLOCK_LEAVES, 515 * BLOCK_LEAVES)) == (None, None)
        # what is not noted is asked of nobody
        assert (noted.root(1, 257), noted.root(0, 512), noted.root(256, 256 + SPAN_LEAVES)) == (None, None, None)


def test_without_the_file_nothing_is_noted(tmp_path: Path) -> None:
    """And the first block begins at the beginning."""
    with StoredRoots(tmp_path / "run.items") as noted:
        assert (noted.root(0, 256), noted.begins_at(0), noted.begins_at(1)) == (None, 0, None)


def test_an_index_rolls(tmp_path: Path) -> None:
    """After 65,536 records another one begins, whose positions begin with 0 again."""
    index = RollingIndex(tmp_path / "run.evidence")
    for number in range(65_536 + 3):
        index.add(f"<urn:{number}>", "" if number == 1 else f"name {number}")
    index.close()
    with (
        Lookup(rolled(tmp_path / "run.evidence", 0)) as first,
        Lookup(rolled(tmp_path / "run.evidence", 65_536)) as last,
    ):
        assert (first.count, last.count) == (65_536, 3)
        assert first.find("id", "<urn:65535>") == [65_535]
        assert (first.find("name", "name 1"), first.find("name", "name 7")) == ([], [7])
        assert (last.find("id", "<urn:65538>"), last.find("name", "name 65536")) == ([2], [0])
    assert len(list(tmp_path.iterdir())) == 2


# -- proofs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [0, 1, 200, 426, 638, 639])
def test_a_proof_is_the_same_without_what_is_noted(page: int, out: Path) -> None:
    """With it, without any of it, and with all of it altered."""
    proof = prove(out, f"{SITE}/{page}")
    assert check(proof, keys=[KEY.verifier]).faults == []
    for name in NOTED:
        path = t.only(out, f"leaves/*.{name}")
        told = bytearray(path.read_bytes())
        for place in range(80, len(told), 7):
            told[place] ^= 1
        path.write_bytes(bytes(told))
    assert prove(out, f"{SITE}/{page}") == proof
    for path in (out / "leaves").iterdir():
        path.unlink()
    assert prove(out, f"{SITE}/{page}") == proof


def test_a_proof_reads_a_few_blocks(out: Path) -> None:
    """What stands in other blocks of evidence and items may be damaged: the noted roots stand for it. Without them, the
    damage is in the way."""
    proof = prove(out, f"{SITE}/600")
    t.changed("evidence/*.warc", records_of, lambda records: [*records[:300], _changed(records[300]), *records[301:]])(
        out
    )
    t.changed("items/*.jsonl", lines_of, lambda lines: [_changed(lines[0]), *lines[1:]])(out)
    assert prove(out, f"{SITE}/600") == proof
    t.only(out, "leaves/*.items.roots").unlink()
    with pytest.raises(EdgeError, match="is not what its checkpoint signed"):
        prove(out, f"{SITE}/600")


def _changed(part: bytes) -> bytes:
    return part[:20] + bytes((part[20] ^ 1,)) + part[21:]


# -- verify ------------------------------------------------------------------------------------------------------------


def test_what_is_noted_belongs_to_the_record(out: Path) -> None:
    """All five files are there, and verify has nothing to say of them."""
    assert sorted(path.name.partition(".")[2] for path in (out / "leaves").iterdir()) == sorted(
        [*(name.replace("*", "000000000000") for name in NOTED), "decisions", "evidence", "items"]
    )
    assert verify(out, keys=[KEY.verifier], workers=1).findings == []


@pytest.mark.parametrize("place", [3, -9])
@pytest.mark.parametrize("name", NOTED)
def test_what_leads_astray_is_named(name: str, place: int, out: Path) -> None:
    """Whichever byte it is; the record itself is not accused."""
    path = t.only(out, f"leaves/*.{name}")
    t.flip(f"leaves/*.{name}", place)(out)
    itself = {
        "decisions": "the decisions themselves are as they were signed",
        "evidence": "the evidence itself is as it was signed",
        "items": "the items themselves are as they were signed",
    }[name.partition(".")[0]]
    assert [str(finding) for finding in verify(out, workers=1).findings] == [
        f"leaves/{path.name}: altered; {itself}: delete it"
    ]


def test_a_shorter_file_of_roots_is_what_a_killed_run_leaves(out: Path) -> None:
    """It is no finding, and the proof is found."""
    proof = prove(out, f"{SITE}/600")
    for tree in ("decisions", "evidence", "items"):
        t.truncate(f"leaves/*.{tree}.roots", 33)(out)
    assert verify(out, workers=1).findings == []
    assert prove(out, f"{SITE}/600") == proof


@pytest.mark.parametrize("tree", ["decisions", "evidence", "items"])
def test_a_disk_that_was_full_leaves_noughts(tree: str, out: Path) -> None:
    """Where nothing could be noted, or half of it, nothing is altered; a proof is found without it."""
    proof = prove(out, f"{SITE}/100")
    path = t.only(out, f"leaves/*.{tree}.roots")
    told = path.read_bytes()
    for kept in (0, 13):
        path.write_bytes(told[:kept] + bytes(40 - kept) + told[40:])
        assert verify(out, workers=1).findings == []
        assert prove(out, f"{SITE}/100") == proof
