"""``askfirst audit prove`` and ``check-proof``: one decision is proven by one file, and no byte of it can be another."""

from __future__ import annotations

import asyncio
import base64
import shutil
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from askfirst.audit.directory import Directory
from askfirst.audit.proof_file import Proof, check
from askfirst.audit.prove import locate, prove
from askfirst.cli.audit import app
from askfirst.ledger.notes import SigningKey
from askfirst.ports import EdgeError, SettingsError
from tests import tampering as t
from tests.tampering import SITE, lines_of, notes_of, records_of

KEY = SigningKey.new()
OTHER = SigningKey.new()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two runs of 60 decisions."""
    out = tmp_path_factory.mktemp("whole") / "out"
    t.write_record(out, KEY, runs=2)
    return out


@pytest.fixture(scope="module")
def proof(out: Path) -> bytes:
    """Of a page that was kept."""
    return prove(out, f"{SITE}/4")


def _written(proof: Proof) -> bytes:
    """As somebody who forges it would write it, its digest and all."""
    return proof.written()


def test_every_way_to_ask_gives_the_same_proof(out: Path, proof: bytes) -> None:
    """By URL, by the sha256 of what was kept, by the id and by the beginning of the id."""
    told = msgspec.json.decode(proof, type=Proof)
    assert told.item is not None
    item = msgspec.json.decode(told.item.line)
    for wanted in (item["sha256"], f"sha256:{item['sha256']}", item["decision_id"], item["decision_id"][:20]):
        assert prove(out, wanted) == proof
    assert len(proof) < 8_000


def test_it_holds_with_nothing_else(out: Path, proof: bytes) -> None:
    """Its decision is derived again from the evidence inside, in the publisher's words, under the key that was given."""
    found = check(proof, keys=[KEY.verifier])
    assert found.faults == []
    assert f"ALLOW  {SITE}/4" in found.said
    assert "derived again from the enclosed evidence: the same decision, the same id" in found.said
    refused = check(prove(out, f"{SITE}/32"))
    assert refused.holds
    assert f"REFUSE  {SITE}/32" in refused.said
    assert "    X-Robots-Tag: noai" in refused.said
    assert any(line.startswith("the key is the one that the file itself names") for line in refused.said)


def test_every_decision_of_the_record_can_be_proven(out: Path) -> None:
    """Both runs, every page, the last leaf as well."""
    for number in range(60):
        assert check(prove(out, f"{SITE}/{number}"), keys=[KEY.verifier]).faults == []


def test_no_byte_can_be_another(proof: bytes) -> None:
    """Every byte of the file, altered, is seen; so is every end that is cut off, and anything put behind."""
    for place in range(len(proof)):
        altered = bytearray(proof)
        altered[place] ^= 1 if place % 2 else 0x20
        assert not check(bytes(altered)).holds, place
    for end in range(0, len(proof), 97):
        assert not check(proof[:end]).holds
    assert not check(proof + b"\n").holds
    assert not check(b"").holds


def test_a_forger_who_writes_the_digest_anew(proof: bytes) -> None:
    """What was altered is named, whatever the file says of itself."""
    told = msgspec.json.decode(proof, type=Proof)
    replace = msgspec.structs.replace
    assert told.item is not None
    evidence = told.evidence[1]
    record = base64.b64decode(evidence.record)
    body = base64.b64encode(record[:-3] + b"x" + record[-2:]).decode()
    forgeries: list[tuple[Proof, str]] = [
        (
            replace(
                told, decision=replace(told.decision, line=told.decision.line.replace("AuditBot/1.0", "AuditBot/2"))
            ),
            "the decision is not in the record that the checkpoint signed",
        ),
        (replace(told, decision=replace(told.decision, index=told.decision.index + 1)), "the decision is not in"),
        (replace(told, decision=replace(told.decision, path=told.decision.path[:-1])), "the decision is not in"),
        (replace(told, evidence=(told.evidence[0], replace(evidence, record=body))), "evidence 2 does not match"),
        (replace(told, evidence=(told.evidence[0], replace(evidence, index=9))), "evidence 2 is not in the record"),
        (replace(told, evidence=told.evidence[:1]), "1 of the 2 observations that the decision names are not enclosed"),
        (replace(told, evidence=(*told.evidence, evidence)), "it encloses evidence that the decision does not name"),
        (replace(told, item=replace(told.item, line=told.item.line.replace("html", "xml"))), "the item is not in"),
        (replace(told, checkpoint=told.checkpoint.replace("\nat 2", "\nat 3")), "the checkpoint does not hold"),
        (replace(told, key=OTHER.verifier.vkey), "the checkpoint does not hold: it is signed by"),
        (
            replace(told, stamp=base64.b64encode(b"no").decode()),
            "the time stamp does not hold: it is no time stamp answer",
        ),
        (replace(told, format="askfirst proof 9"), "it is of the format 'askfirst proof 9'"),
    ]
    for forged, fault in forgeries:
        found = check(_written(forged))
        assert any(one.startswith(fault) for one in found.faults), (fault, found.faults)


def test_an_unknown_key(proof: bytes) -> None:
    """A proof under another key than the one that was given does not hold."""
    assert check(proof, keys=[OTHER.verifier]).faults == [
        f"the checkpoint does not hold: it is signed by {KEY.name}, which is not a key that is known here"
    ]


def test_another_decision_s_evidence(out: Path, proof: bytes) -> None:
    """Evidence from the same record, with its own path, is not what this decision names."""
    told = msgspec.json.decode(proof, type=Proof)
    other = msgspec.json.decode(prove(out, f"{SITE}/6"), type=Proof)
    mixed = msgspec.structs.replace(told, evidence=(told.evidence[0], other.evidence[1]))
    assert "1 of the 2 observations that the decision names are not enclosed" in check(mixed.written()).faults


@pytest.mark.parametrize(
    "tamper",
    [
        t.replace("decisions/*-0-*.jsonl", lines_of, 3, b"AuditBot/1.0", b"AuditBot/1.1"),
        t.drop("evidence/*-0-*.warc", records_of, 4),
        t.flip("evidence/*-0-*.warc", 60, records_of, 2),
        t.replace("items/*-0-*.jsonl", lines_of, 2, b"html", b"htmx"),
        t.replace("checkpoints/*-0-*.notes", notes_of, 0, b"\nat 2", b"\nat 1"),
        t.delete("checkpoints/*-0-*.notes"),
        t.delete("evidence/*-0-*.warc"),
    ],
)
def test_what_was_tampered_with_is_not_proven(out: Path, tmp_path: Path, tamper: t.Tamper) -> None:
    """No proof is written that does not hold."""
    copy = shutil.copytree(out, tmp_path / "copy")
    tamper(copy)
    with pytest.raises(EdgeError):
        prove(copy, f"{SITE}/3")


def test_what_nobody_decided_about(out: Path) -> None:
    """It is the operator's mistake, in one line."""
    for wanted in ("https://nobody.example/", "0" * 64, "sha256:123456789"):
        with pytest.raises(SettingsError, match="no decision about"):
            prove(out, wanted)
    with pytest.raises(SettingsError, match="no URL, sha256 or decision id"):
        prove(out, "zz")


def test_sealed_segments_prove_the_same(tmp_path: Path) -> None:
    """A decision in a sealed segment is found by its index, and without it; its path comes from the roots of blocks."""

    async def write() -> None:
        writer = t.Writer(tmp_path, t.run_name(), KEY)
        await writer.look(1)
        line = t.only(tmp_path, "decisions/*.jsonl").read_bytes().splitlines()[0]
        sites = [
            line.replace(f'"url":"{SITE}/1"'.encode(), b'"url":"%s/n%d"' % (SITE.encode(), n)) for n in range(10_000)
        ]
        await asyncio.gather(*[writer.log.append(one) for one in sites])
        await writer.look(2)
        writer.close()

    with t.written_with(checkpoint_leaves=1_000, segment_lines=8_192):
        asyncio.run(write())
    assert len(list(tmp_path.glob("decisions/*.parquet"))) == 1
    found = [prove(tmp_path, f"{SITE}/{name}") for name in ("n17", "n5000", "n8191", "n9999", "2")]
    for one in found[:4]:
        assert [fault.split(":")[0] for fault in check(one).faults] == [
            "the decision does not follow from its evidence"
        ]
    assert check(found[4]).faults == []
    t.only(tmp_path, "decisions/*.lookup").unlink()
    assert prove(tmp_path, f"{SITE}/n17") == found[0]
    assert locate(Directory(tmp_path), f"{SITE}/n8191").leaf == 8_193


def test_segments_that_end_anywhere(tmp_path: Path) -> None:
    """Where a log went on in a new file, subtrees lie across two of them; every decision is proven all the same."""

    async def write() -> None:
        writer = t.Writer(tmp_path, t.run_name(), KEY)
        for number in range(40):
            await writer.look(number)
        writer.close()

    with t.written_with(segment_lines=23):
        asyncio.run(write())
    assert len(list(tmp_path.glob("decisions/*.000000000069.*"))) == 1
    for number in range(40):
        assert check(prove(tmp_path, f"{SITE}/{number}"), keys=[KEY.verifier]).faults == []


def test_the_commands(out: Path, tmp_path: Path) -> None:
    """A proof is written, checked, and checked again when it was altered: 0, 0 and 1."""
    file = tmp_path / "proof.json"
    told = CliRunner().invoke(app, ["prove", f"{SITE}/4", "--in", str(out), "--out", str(file)])
    assert (told.exit_code, f"{file.stat().st_size:,} bytes" in told.output) == (0, True)
    held = CliRunner().invoke(app, ["check-proof", str(file), "--key", KEY.verifier.vkey])
    assert (held.exit_code, held.output.splitlines()[-1]) == (0, "HOLDS")
    file.write_bytes(file.read_bytes().replace(b"AuditBot", b"AuditBut"))
    broken = CliRunner().invoke(app, ["check-proof", str(file)])
    assert (broken.exit_code, broken.output.splitlines()[-1]) == (1, "DOES NOT HOLD")
    whole = CliRunner().invoke(app, ["verify", str(out), "--json", "--key", KEY.verifier.vkey])
    assert (whole.exit_code, msgspec.json.decode(whole.output)["whole"]) == (0, True)
    assert isinstance(CliRunner().invoke(app, ["verify", str(tmp_path / "no")]).exception, SettingsError)
    assert isinstance(CliRunner().invoke(app, ["check-proof", str(file), "--key", "x"]).exception, SettingsError)
