"""Really signed pictures, made here, through the validator and the whole reading: states, tampering, cuts, questions."""

from __future__ import annotations

import io
import json
import random
import resource
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scrapy.settings import Settings as ScrapySettings

from askfirst.edges.c2pa_manifest import C2paManifest
from askfirst.gate import Gate
from askfirst.ports import Inspect, SettingsError
from askfirst.recording import Recording
from askfirst.replay import Evidenced, inspected, replay_line, replay_recorded
from askfirst.rights.decide import decide
from askfirst.rights.gathering import packets
from askfirst.rights.model import (
    Agent,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    RemarkKind,
    Stage,
    Verdict,
)
from askfirst.rights.policy import OPT_IN, OPT_OUT, Mode, Policy, parse_policy
from askfirst.rights.read import read
from askfirst.rights.signals import PROTOCOLS
from askfirst.rights.signals.c2pa_report import REPORT_TYPE
from askfirst.wiring import Settings, open_gate, open_inspect
from middlewares.door import settings_of
from tests.c2pa_works import PICTURES, STORES, Entries, Signer, in_png, jpeg, png
from tests.fuzz import AT
from tests.memory_web import Lab, intent

c2pa: Any = pytest.importorskip("c2pa", reason="askfirst[c2pa] is not installed")

AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
URL = "https://h.example/art/p"
LABELS = ("c2pa", "cawg")


@lru_cache(maxsize=1)
def signer() -> Signer:
    return Signer()


@lru_cache(maxsize=1)
def stranger() -> Signer:
    return Signer()


@lru_cache(maxsize=1)
def trusting() -> C2paManifest:
    return C2paManifest(signer().anchors)


@lru_cache(maxsize=1)
def trusting_nobody() -> C2paManifest:
    return C2paManifest()


def entries(prefix: str, use: str, key: str = "data_mining") -> dict[str, Entries]:
    entry = {"use": use, "constraint_info": "https://artist.example/ask"} if use == "constrained" else {"use": use}
    return {f"{prefix}.training-mining": {f"{prefix}.{key}": entry}}


@lru_cache(maxsize=64)
def signed(mime: str, prefix: str, use: str) -> bytes:
    return signer().sign(PICTURES[mime](), mime, entries(prefix, use))


def tampered(work: bytes) -> bytes:
    """The work with one bit of its picture flipped, near its end, where no format of ours has its manifest."""
    at = len(work) - 40
    return work[:at] + bytes([work[at] ^ 1]) + work[at + 1 :]


def response(body: bytes, mime: str = "image/png", **more: Any) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url=URL),
        status=more.pop("status", 200),
        headers=(("Content-Type", mime),),
        body=body,
        observed_at=AT,
        **more,
    )


def decided(
    inspector: C2paManifest,
    body: bytes,
    mime: str = "image/png",
    *,
    purpose: Purpose = Purpose.TDM,
    policy: Policy = OPT_IN,
) -> Decision:
    """What follows for the work when that is all that is known."""
    seen = inspected((response(body, mime),), inspector)
    about = Intent(url=URL, agent=AGENT, purpose=purpose, media=mime)
    return decide(about, read(about, seen, policy), policy, stage=Stage.KEEP, at=AT)


def looked(inspector: Inspect, seen: Observation) -> Sequence[Observation]:
    """What an inspector finds in a response, beside the packets that are found without it."""
    return inspector(seen, packets(seen))


def report(inspector: C2paManifest, body: bytes, mime: str = "image/png") -> dict[str, Any]:
    (seen,) = looked(inspector, response(body, mime))
    assert seen.document.kind is Kind.ASSET
    assert seen.headers == (("Content-Type", REPORT_TYPE),)
    assert seen.body == msgspec.json.encode(msgspec.json.decode(seen.body), order="sorted")
    found: dict[str, Any] = json.loads(seen.body)
    return found


# -- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mime", PICTURES)
@pytest.mark.parametrize("prefix", LABELS)
@pytest.mark.parametrize("use", ["allowed", "notAllowed", "constrained"])
def test_each_use_in_each_state(mime: str, prefix: str, use: str) -> None:
    """A refusal refuses in every state; a permission permits in one: valid, and of somebody who is trusted."""
    work = signed(mime, prefix, use)
    states = {
        "Trusted": (trusting(), work),
        "Valid": (trusting_nobody(), work),
        "Invalid": (trusting(), tampered(work)),
    }
    for state, (inspector, body) in states.items():
        found = report(inspector, body, mime)
        assert found["state"] == state
        assert [one["label"] for one in found["assertions"]] == [f"{prefix}.training-mining"]
        decision = decided(inspector, body, mime)
        if use == "allowed":
            assert decision.verdict is (Verdict.ALLOW if state == "Trusted" else Verdict.REFUSE), state
            assert [s.evidence.at for s in decision.because] == (
                [f"{prefix}.training-mining {prefix}.data_mining"] if state == "Trusted" else []
            )
            kinds = {"Valid": RemarkKind.NOT_COUNTED, "Invalid": RemarkKind.SUSPICIOUS}
            assert state == "Trusted" or kinds[state] in {r.kind for r in decision.remarks}
        else:
            assert decision.verdict is Verdict.REFUSE, state
            assert len({s.evidence.digest for s in decision.because}) == 2, "read in the bytes and in the report"
            assert len(decision.ask) == 1, "one reason said twice is asked about once"
            assert decision.ask[0].terms_url == ("https://artist.example/ask" if use == "constrained" else None)


def test_somebody_elses_anchor_trusts_nobody() -> None:
    """A valid signature of a signer behind another root is valid and no more."""
    elsewhere = C2paManifest(stranger().anchors)
    found = report(elsewhere, signed("image/png", "cawg", "allowed"))
    assert found["state"] == "Valid"
    assert found["problems"] == ["signingCredential.untrusted"]
    both = C2paManifest(stranger().anchors + signer().anchors)
    assert report(both, signed("image/png", "cawg", "allowed"))["state"] == "Trusted"


def test_a_report_names_the_library_and_the_anchors() -> None:
    """An auditor sees what found the signature valid, and by whose leave."""
    found = report(trusting(), signed("image/png", "cawg", "allowed"))
    assert found["by"].startswith("c2pa ")
    assert found["anchors"].startswith("sha256:")
    assert "anchors" not in report(trusting_nobody(), signed("image/png", "cawg", "allowed"))


def test_both_labels_are_two_votes_and_the_stricter_wins() -> None:
    """A trusted manifest that allows under the old label and refuses under the new one refuses (row 46)."""
    work = signer().sign(png(), "image/png", entries("c2pa", "allowed") | entries("cawg", "notAllowed"))
    assert report(trusting(), work)["state"] == "Trusted"
    decision = decided(trusting(), work)
    assert decision.verdict is Verdict.REFUSE
    assert decision.contradictions


def test_a_permission_to_train_permits_generative_training_only_in_so_many_words() -> None:
    """``ai_training`` alone permits no job of ours; with ``ai_generative_training`` it permits both."""
    one = {"cawg.ai_training": {"use": "allowed"}}
    both = {**one, "cawg.ai_generative_training": {"use": "allowed"}}
    for said, purpose, permitted in (
        (one, Purpose.TRAIN, False),
        (one, Purpose.TRAIN_GENERATIVE, False),
        (both, Purpose.TRAIN, True),
        (both, Purpose.TRAIN_GENERATIVE, True),
        (both, Purpose.TDM, False),
    ):
        work = signer().sign(png(), "image/png", {"cawg.training-mining": said})
        decision = decided(trusting(), work, purpose=purpose)
        assert (decision.verdict is Verdict.ALLOW) is permitted, (said, purpose)


def test_an_ingredient_speaks_for_itself() -> None:
    """What an ingredient allows permits nothing, what it refuses refuses to careful readers (row 49)."""
    part = signer().sign(png((8, 8)), "image/png", entries("cawg", "allowed"))
    work = signer().sign(png(), "image/png", {}, ingredient=part)
    assert report(trusting(), work)["others"][0]["label"] == "cawg.training-mining"
    assert not decided(trusting(), work).because
    part = signer().sign(png((8, 8)), "image/png", entries("cawg", "notAllowed"))
    work = signer().sign(png(), "image/png", entries("cawg", "allowed"), ingredient=part)
    assert report(trusting(), work)["state"] == "Trusted"
    assert decided(trusting(), work, policy=OPT_IN).verdict is Verdict.REFUSE
    assert decided(trusting(), work, policy=OPT_OUT).verdict is Verdict.ALLOW


def test_a_compressed_manifest_is_read_by_the_library_alone() -> None:
    """Its refusal is found in the report; without the library what it says is not known, to careful readers."""
    work = signer().sign(png(), "image/png", entries("cawg", "notAllowed"), compressed=True)
    assert b"notAllowed" not in work
    assert decided(trusting_nobody(), work, policy=OPT_OUT).verdict is Verdict.REFUSE
    about = Intent(url=URL, agent=AGENT, purpose=Purpose.TDM, media="image/png")
    alone = decide(about, read(about, (response(work),), OPT_IN), OPT_IN, stage=Stage.KEEP, at=AT)
    assert alone.verdict is Verdict.DEFER


def test_a_work_that_says_nothing_of_mining() -> None:
    """A signed work without the assertion is silent: no signal and no remark."""
    work = signer().sign(jpeg(), "image/jpeg", {}, thumbnail=True)
    assert looked(trusting(), response(work, "image/jpeg")) == (), "most are like this, and cost no validation"
    decision = decided(trusting(), work, "image/jpeg", policy=OPT_OUT)
    assert (decision.considered, decision.remarks) == ((), ())


# -- what there is no report about ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [
        response(png()),
        response(b""),
        response(b"<html>jumdc2pa <c2pa:manifest> C2PA_Manifest", "text/html"),
        response(signed("image/png", "cawg", "notAllowed"), status=404),
        response(signed("image/png", "cawg", "notAllowed"), truncated=True),
        response(signed("image/png", "cawg", "notAllowed"), whole_digest="sha256:00"),
    ],
    ids=["plain", "empty", "page", "not found", "cut by us", "excerpt"],
)
def test_nothing_to_report(seen: Observation) -> None:
    """Works without a manifest, what is no work, and what is not whole."""
    assert looked(trusting(), seen) == ()


def test_a_manifest_that_cannot_be_read_is_reported_as_that() -> None:
    """The state says so; the refusal in its bytes counts nevertheless."""
    work = in_png(STORES["cawg-training"])
    found = report(trusting(), work)
    assert (found["state"], found["assertions"]) == ("unreadable", [])
    assert found["problems"]
    decision = decided(trusting(), work, purpose=Purpose.TRAIN, policy=OPT_OUT)
    assert decision.verdict is Verdict.REFUSE
    assert RemarkKind.MALFORMED in {r.kind for r in decision.remarks}


# -- cut and flipped --------------------------------------------------------------------------------------------------


def _observed(body: bytes, mime: str) -> tuple[tuple[Observation, ...], str | None]:
    """What there is to read in the work, and the state that is reported of its manifest."""
    seen = inspected((response(body, mime),), trusting())
    states = [json.loads(o.body)["state"] for o in seen if o.headers == (("Content-Type", REPORT_TYPE),)]
    return seen, states[0] if states else None


def _verdict(seen: tuple[Observation, ...], mime: str, policy: Policy) -> Decision:
    about = Intent(url=URL, agent=AGENT, purpose=Purpose.TDM, media=mime)
    return decide(about, read(about, seen, policy), policy, stage=Stage.KEEP, at=AT)


@pytest.mark.parametrize("mime", PICTURES)
@pytest.mark.parametrize("use", ["allowed", "notAllowed"])
def test_cut_anywhere(mime: str, use: str) -> None:
    """A work that ends early raises nothing, is trusted nowhere and permits nothing; as soon as the assertion is whole
    it refuses."""
    work = signed(mime, "cawg", use)
    whole = work.index(b"notAllowed") + 10 if use == "notAllowed" else len(work)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for length in range(len(work)):
        seen, state = _observed(work[:length], mime)
        assert state != "Trusted", length
        if length >= whole:
            assert _verdict(seen, mime, OPT_OUT).verdict is Verdict.REFUSE, length
        elif length % 10 == 0:
            assert _verdict(seen, mime, OPT_IN).verdict is not Verdict.ALLOW, length
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"


@pytest.mark.parametrize("mime", PICTURES)
@pytest.mark.parametrize("use", ["allowed", "notAllowed"])
def test_flipped_anywhere(mime: str, use: str) -> None:
    """With one bit flipped nothing raises, and a permission is not believed but where the manifest is still trusted; a
    refusal whose bytes are whole, in a work that still is a picture, refuses."""
    work = signed(mime, "cawg", use)
    at = work.index(b"cawg.training-mining\0\0") - 33  # of the assertion, not of a reference to it
    assertion = range(at, at + int.from_bytes(work[at : at + 4], "big"))
    chance = random.Random(mime + use)
    for byte in sorted(chance.sample(range(len(work)), 600)):
        flipped = bytearray(work)
        flipped[byte] ^= 1 << chance.randrange(8)
        seen, state = _observed(bytes(flipped), mime)
        decision = _verdict(seen, mime, OPT_IN)
        if decision.verdict is Verdict.ALLOW:
            assert state == "Trusted", byte
        if use == "notAllowed" and byte not in assertion and byte > 40:
            assert decision.because, byte


# -- nobody is asked --------------------------------------------------------------------------------------------------


class Listener:
    """A server on loopback that counts who comes, and tells them nothing."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            with caller:
                caller.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


def test_nobody_is_asked_for_a_remote_manifest(listener: Listener) -> None:
    """A work that names a remote manifest beside its own, instead of it, or instead of a broken one, leaves the server
    alone; the library by itself would go there."""
    url = f"http://127.0.0.1:{listener.port}/manifest.c2pa"
    remote = signer().sign(png(), "image/png", entries("cawg", "notAllowed"), remote_url=url, embed=False)
    beside = signer().sign(png(), "image/png", entries("cawg", "notAllowed"), remote_url=url)
    broken = remote[:33] + in_png(STORES["cut-before"])[33:-12] + remote[33:]
    for body in (remote, beside, broken, remote.replace(b"IEND", b"JUMD") + b"jumdc2pa"):
        for inspector in (trusting(), trusting_nobody()):
            looked(inspector, response(body))
            decided(inspector, body)
    assert listener.visits == 0
    with pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/png", io.BytesIO(remote))
    assert listener.visits, "the server hears those who do ask"


def test_nobody_is_asked_whether_a_certificate_is_revoked(listener: Listener) -> None:
    """A certificate that names an OCSP responder on loopback leaves it alone."""
    asking = Signer(ocsp_url=f"http://127.0.0.1:{listener.port}/ocsp")
    work = asking.sign(png(), "image/png", entries("cawg", "allowed"))
    assert report(C2paManifest(asking.anchors), work)["state"] == "Trusted"
    assert report(C2paManifest(), work)["state"] == "Valid"
    assert listener.visits == 0


# -- at the gate, in replay, in settings ------------------------------------------------------------------------------


async def test_the_gate_records_the_report_and_replays_from_it_without_the_library() -> None:
    """What was permitted by a trusted manifest is recorded with the report, and follows from it to the same id."""
    lab = Lab(OPT_IN)
    gate = Gate(
        agent=AGENT,
        policy=OPT_IN,
        fetch=lab.web,
        cache=lab.cache,
        record=Recording(lab.record, lab.record),
        inspect=trusting(),
        clock=lab.clock,
    )
    decision = await gate.before_keep(
        intent(URL, Purpose.TDM), response(signed("image/jpeg", "cawg", "allowed"), "image/jpeg")
    )
    assert decision.verdict is Verdict.ALLOW
    kept = [o for o in lab.record.evidence if ("Content-Type", REPORT_TYPE) in o.headers]
    assert len(kept) == 1
    (line,) = lab.record.lines
    assert replay_recorded(line, Evidenced(lab.record.evidence), {OPT_IN.digest: OPT_IN}) is None


def test_replay_inspects_what_is_whole_unless_it_was_inspected() -> None:
    """Without an inspector a permission is not seen; with one it is; a report that is there is believed as it is."""
    seen = response(signed("image/png", "cawg", "allowed"))
    line: Mapping[str, object] = {
        "url": URL,
        "purpose": "tdm",
        "policy": "opt-in",
        "observations": [{"url": URL, "headers": [["Content-Type", "image/png"]], "body_b64": _b64(seen.body)}],
    }
    raw = msgspec.json.encode(line)
    assert json.loads(replay_line(raw)[0])["verdict"] == "refuse"
    assert json.loads(replay_line(raw, inspect=trusting())[0])["verdict"] == "allow"
    known = (seen, *looked(trusting_nobody(), seen))
    assert inspected(known, trusting()) == known


def _b64(body: bytes) -> str:
    import base64

    return base64.b64encode(body).decode()


def test_settings_name_the_anchors(tmp_path: Path) -> None:
    """ASKFIRST_C2PA_TRUST is read at start, and every mistake in it is the operator's, said in one line."""
    good = tmp_path / "anchors.pem"
    good.write_text(signer().anchors)
    told = settings_of(ScrapySettings({"ASKFIRST_C2PA_TRUST": str(good), "USER_AGENT": "ExBot/1.0"}))
    assert told.c2pa_trust == good
    assert settings_of(ScrapySettings({"USER_AGENT": "ExBot/1.0"})).c2pa_trust is None
    assert (
        looked(open_inspect(OPT_IN, good), response(signed("image/png", "cawg", "allowed")))[0].body.find(b'"Trusted"')
        > 0
    )
    torn = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"
    for content, words in (
        (None, "No such file"),
        (b"hello", "must be certificates in PEM"),
        (signer().key, "PRIVATE KEY"),
        (torn.encode(), "cannot be read"),
        (b"\xff\xfe", "not text"),
    ):
        bad = tmp_path / "bad.pem"
        if content is not None:
            bad.write_bytes(content)
        with pytest.raises(SettingsError, match=words) as raised:
            open_gate(Settings(user_agent="ExBot/1.0", out=tmp_path / "out", c2pa_trust=bad))
        assert "ASKFIRST_C2PA_TRUST" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "out").exists(), "a mistake leaves nothing behind"


def test_a_policy_that_switches_c2pa_off_inspects_nothing() -> None:
    """``c2pa = "off"`` in a policy file: neither the bytes nor the library are asked."""
    off = parse_policy('extends = "opt-in"\n[signals]\nc2pa = "off"', where="p", protocols=PROTOCOLS)
    assert off.mode("c2pa") is Mode.OFF
    work = signed("image/png", "cawg", "notAllowed")
    assert looked(open_inspect(off), response(work)) == ()
    about = Intent(url=URL, agent=AGENT, purpose=Purpose.TDM)
    assert not read(about, (response(work),), off).signals


def test_without_the_extra_only_permissions_are_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where c2pa-python is not installed nothing is inspected, refusals count, and naming anchors is a mistake."""
    monkeypatch.setitem(sys.modules, "c2pa", None)
    inspect = open_inspect(OPT_IN)
    assert looked(inspect, response(signed("image/png", "cawg", "allowed"))) == ()
    about = Intent(url=URL, agent=AGENT, purpose=Purpose.TDM)
    refused = read(about, (response(signed("image/png", "cawg", "notAllowed")),), OPT_OUT)
    assert {s.verdict for s in refused.signals} == {Verdict.REFUSE}
    with pytest.raises(SettingsError, match=r"askfirst\[c2pa\]"):
        open_inspect(OPT_IN, tmp_path / "anchors.pem")
