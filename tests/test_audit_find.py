"""``askfirst audit find``: what was planted is found by whatever it is asked for, and what was looked at is said."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
import typer

from askfirst.audit.find import FINGERPRINTS, Answer, find, passage, question_of
from askfirst.audit.proof_file import check
from askfirst.audit.verify import verify
from askfirst.cli import audit_find
from askfirst.cli.audit_find import answer_to_json, lines_of
from askfirst.items import line_of, read_items
from askfirst.lookup import Lookup, LookupKeys, write_keys
from askfirst.pictures import PicturesMissingError, require_pdq
from askfirst.ports import SettingsError
from askfirst.rights.decide import decide
from askfirst.rights.model import Intent, Purpose, Stage
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import PROFILES
from askfirst.rights.read import read
from askfirst.sealed import Sealed, seal
from askfirst.standing import Standing
from askfirst.wiring import open_record
from tests.planted_record import AGENT, PICTURE_URL, POEM, POEM_URL, Run, at, plant, response, robots

try:
    require_pdq()
    from tests.test_pictures import drawn

    PDQ = ""
except PicturesMissingError as missing:
    PDQ = str(missing)

needs_pdq = pytest.mark.skipif(bool(PDQ), reason=PDQ)
NOAI_BODY = b"<p>mine"


@pytest.fixture(scope="session")
def picture() -> bytes:
    return b"\xff\xd8\xff no decoder here" if PDQ else drawn("heron", style="heron", extension="jpg")


@pytest.fixture
def out(tmp_path: Path, picture: bytes) -> Path:
    plant(tmp_path / "out", picture)
    return tmp_path / "out"


def asked(out: Path, what: str, *, afresh: bool = False) -> Answer:
    return find(out, question_of(what), afresh=afresh)


def said(answer: Answer) -> str:
    return "\n".join(lines_of(answer))


def test_a_kept_address(out: Path) -> None:
    """Kept, when, under whose consent, and why in the words of who consented."""
    answer = asked(out, POEM_URL)
    assert answer.state == "kept"
    told = answer_to_json(answer, None)
    assert told["by"] == [{"stage": "keep", "verdict": "allow", "decisions": 1}]
    assert told["consents"] == [
        {
            "reference": "",
            "terms_url": "letter 7",
            "document_url": f"registry:replay?url={POEM_URL}",
            "decisions": 1,
        }
    ]
    assert (told["items_kept"], told["bytes_kept"]) == (1, len(POEM))
    text = said(answer)
    assert text.startswith(f"KEPT  {POEM_URL}\n")
    assert "      under letter 7\n" in text
    assert "      the permission runs until 2026-09-20T00:00:00Z\n" in text
    assert "looked at: 11 decisions of 2 runs, 4 item lines" in text


@pytest.mark.parametrize("spelled", ["https://agreed.example:443/poem", "HTTPS://Agreed.example/poem#second"])
def test_other_spellings_of_an_address(out: Path, spelled: str) -> None:
    """The usual port, capitals in the host and a fragment make no other address."""
    assert asked(out, spelled).state == "kept"


def test_a_refused_address(out: Path) -> None:
    """Refused, with the publisher's words and a caret under the one that matters; each agent's decision is counted."""
    answer = asked(out, "https://noai.example/x")
    assert (answer.state, answer.total, dict(answer.by)) == ("refused", 2, {("keep", "refuse"): 2})
    assert "    X-Robots-Tag: noai\n                  ^^^^\n" in said(answer)


def test_a_deferred_address(out: Path) -> None:
    """Deferred is not refused."""
    assert asked(out, "https://down.example/").state == "deferred"


def test_a_withdrawn_address(out: Path) -> None:
    """It was kept, and a later look refused it; what is left of it is said."""
    answer = asked(out, PICTURE_URL)
    assert answer.state == "withdrawn"
    text = said(answer)
    assert "      withdrawn 2026-10-05T08:00:04Z; its bytes are still in the WARC file\n" in text
    assert "    2026-09: 2 allowed\n    2026-10: 1 refused\n" in text
    assert answer_to_json(answer, None)["items_withdrawn"] == 1


def test_a_later_refusal_of_the_fetch_counts(tmp_path: Path) -> None:
    """Kept under a first decision but without an item, then refused before the fetch: refused."""
    run = Run(tmp_path, "r")
    url = "https://a.example/"
    run.decide(url, "2026-09-01", [response(url, "2026-09-01", b"x")])
    assert asked(tmp_path, url).state == "allowed"
    run.decide(url, "2026-09-02", [robots("a.example", "2026-09-02", "User-agent: *\nDisallow: /")], stage=Stage.FETCH)
    assert asked(tmp_path, url).state == "refused"


def test_another_version_is_told_apart(out: Path, tmp_path: Path) -> None:
    """Bytes that were kept at an address that now holds others are "kept once"."""
    run = Run(out, "20261106T080000Z-3-cccccc")
    later = response(POEM_URL, "2026-11-06", b"<p>another poem")
    run.keep(later, run.decide(POEM_URL, "2026-11-06", [later]))
    poem = tmp_path / "poem.html"
    poem.write_bytes(POEM)
    assert asked(out, str(poem)).state == "replaced"
    assert asked(out, POEM_URL).state == "kept"


def test_where_a_redirect_led(tmp_path: Path) -> None:
    """An item is found by the address that it came from in the end, with the decision about the one that was asked."""
    run = Run(tmp_path, "r")
    seen = response("https://b.example/new", "2026-09-01", b"<p>moved")
    run.keep(seen, run.decide("https://a.example/old", "2026-09-01", [seen]))
    for what in ("https://b.example/new", "b.example"):
        answer = asked(tmp_path, what)
        assert (answer.state, answer.total, answer.addresses) == ("kept", 1, {"https://a.example/old"})


class TestSites:
    """A site is a host and what is below it."""

    def test_its_counts(self, out: Path) -> None:
        """By verdict and month, with the reasons and whom to ask."""
        answer = asked(out, "silent.example")
        assert (answer.state, answer.total, len(answer.addresses)) == ("refused", 2, 2)
        assert [(r.verdict, r.protocol, r.count) for r in answer.reasons.values()] == [("refuse", "silence", 2)]
        assert answer_to_json(answer, None)["by_month"] == {"2026-10": {"refuse": 2}}

    def test_hosts_below_it(self, out: Path) -> None:
        """All below the name, and nothing whose name only ends alike."""
        assert asked(out, "example").total == 11
        assert asked(out, "tist.example").state == "never seen"
        assert asked(out, "ARTIST.example.").total == 3

    def test_its_port(self, tmp_path: Path) -> None:
        """A port that is given counts."""
        Run(tmp_path, "r").decide("https://a.example:8443/", "2026-09-01", [])
        assert asked(tmp_path, "a.example:8443").total == 1
        assert asked(tmp_path, "a.example:8444").total == 0
        assert asked(tmp_path, "a.example").total == 1

    def test_its_name_in_letters(self, tmp_path: Path) -> None:
        """A name is looked for as it stands in a URL."""
        Run(tmp_path, "r").decide("https://xn--mller-kva.example/", "2026-09-01", [])
        assert asked(tmp_path, "müller.example").total == 1

    def test_what_is_kept_of_it(self, out: Path) -> None:
        """Kept items are listed with their decisions."""
        answer = asked(out, "plain.example")
        assert answer.state == "kept"
        assert list(answer.places) == ["https://plain.example/a"]


class TestBytes:
    """By what the bytes are."""

    def test_a_file_that_was_kept(self, out: Path, tmp_path: Path) -> None:
        """By its SHA-256, from a file or from the digest itself."""
        poem = tmp_path / "poem.html"
        poem.write_bytes(POEM)
        sha256 = hashlib.sha256(POEM).hexdigest()
        for what in (str(poem), sha256, f"sha256:{sha256.upper()}"):
            answer = asked(out, what)
            assert (answer.state, list(answer.places)) == ("kept", [POEM_URL])

    def test_bytes_that_were_seen_and_refused(self, out: Path, tmp_path: Path) -> None:
        """What was not kept is found too, because decisions name what they looked at."""
        copy = tmp_path / "copy.html"
        copy.write_bytes(NOAI_BODY)
        answer = asked(out, str(copy))
        assert (answer.state, answer.total, answer.addresses) == ("refused", 2, {"https://noai.example/x"})

    def test_a_decision(self, out: Path) -> None:
        """By its id, or the beginning of one."""
        (item,) = (one for one in read_items(out) if one.url == POEM_URL)
        for what in (item.decision_id, item.decision_id.removeprefix("sha256:"), item.decision_id[:15]):
            answer = asked(out, what)
            assert (answer.state, answer.total, list(answer.places)) == ("kept", 1, [POEM_URL])


@needs_pdq
class TestPictures:
    """By what a picture looks like."""

    def smaller(self, picture: bytes, path: Path, *, mirrored: bool = False) -> str:
        from PIL import Image, ImageOps

        small = Image.open(io.BytesIO(picture)).resize((300, 200))
        (ImageOps.mirror(small) if mirrored else small).save(path, quality=60)
        return str(path)

    def test_a_rescaled_copy(self, out: Path, tmp_path: Path, picture: bytes) -> None:
        """An artist's own file, smaller and of another format, leads to what was kept, and to its withdrawal."""
        answer = asked(out, self.smaller(picture, tmp_path / "mine.webp"))
        assert (answer.state, list(answer.places)) == ("withdrawn", [PICTURE_URL])
        assert answer.total == 2
        (like,) = answer.likenesses.values()
        assert (like.sha256, like.attitude) == (hashlib.sha256(picture).hexdigest(), "as it is")
        text = said(answer)
        assert text.startswith(
            "WITHDRAWN: it was kept, and is no more part of the dataset (a picture like it: look at both)"
        )
        assert f"  like the kept picture sha256:{like.sha256}, as it is: {like.distance} of 256 bits differ\n" in text

    def test_a_mirrored_copy(self, out: Path, tmp_path: Path, picture: bytes) -> None:
        """The answer names the attitude."""
        answer = asked(out, self.smaller(picture, tmp_path / "mine.png", mirrored=True))
        assert [like.attitude for like in answer.likenesses.values()] == ["in a mirror"]

    def test_another_picture(self, out: Path, tmp_path: Path) -> None:
        """Never seen, and it is said among how many."""
        other = tmp_path / "other.png"
        other.write_bytes(drawn("another", style="tiles"))
        answer = asked(out, str(other))
        assert (answer.state, answer.looked_at.pictures) == ("never seen", 1)
        assert "for likenesses (up to 31 of 256 bits, PDQ): 1 kept pictures" in said(answer)

    def test_the_second_question_is_quick(self, out: Path, tmp_path: Path, picture: bytes) -> None:
        """Fingerprints are remembered beside the record; afresh takes none of them, and damage is no harm."""
        mine = self.smaller(picture, tmp_path / "mine.webp")
        assert asked(out, mine).looked_at.remembered_pictures == 0
        assert asked(out, mine).looked_at.remembered_pictures == 1
        assert "--afresh takes none" in said(asked(out, mine))
        assert asked(out, mine, afresh=True).looked_at.remembered_pictures == 0
        (out / FINGERPRINTS).write_bytes(b"not what it was")
        again = asked(out, mine)
        assert (again.state, again.looked_at.remembered_pictures) == ("withdrawn", 0)
        assert asked(out, mine).looked_at.remembered_pictures == 1

    def test_what_cannot_be_compared_is_counted(self, out: Path, tmp_path: Path, picture: bytes) -> None:
        """Altered bytes, a damaged record, a file that is gone and what is no picture: each with its reason."""
        run = Run(out, "20261107T080000Z-4-dddddd")
        for name, body in (("broken", picture[:900]), ("none", b"no picture")):
            url = f"https://plain.example/{name}.jpg"
            seen = response(url, "2026-11-07", body, (("Content-Type", "image/jpeg"),))
            run.keep(seen, run.decide(url, "2026-11-07", [seen]))
        (kept,) = (one for one in read_items(out) if one.url.endswith("none.jpg"))
        entry = {name: getattr(kept, name) for name in kept.__struct_fields__}
        with (out / "items" / f"{run.name}.jsonl").open("ab") as file:
            for changed in (
                {"sha256": "0" * 64},
                {"sha256": "1" * 64, "warc_offset": 3},
                {"sha256": "2" * 64, "warc": "warc/gone.warc.gz"},
                {"sha256": "3" * 64, "warc": "../../etc/passwd"},
            ):
                file.write(line_of(type(kept)(**{**entry, **changed})))
        answer = asked(out, self.smaller(picture, tmp_path / "mine.webp"))
        assert answer.looked_at.pictures == 1
        assert dict(answer.looked_at.unfit_pictures) == {
            "damaged": 1,
            "no decoder knows its format": 1,
            "not the bytes that the item names": 1,
            "a damaged WARC record": 1,
            "their file is not there or cannot be read": 1,
            "their place is outside the directory": 1,
        }
        assert "6 kept pictures could not be compared: 1 " in said(answer)

    def test_without_pdqhash_it_is_said(
        self, out: Path, tmp_path: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where it is not installed the answer is about exact copies, and says so and what to install."""
        mine = self.smaller(picture, tmp_path / "mine.webp")
        monkeypatch.setitem(sys.modules, "pdqhash", None)
        answer = asked(out, mine)
        assert answer.state == "never seen"
        assert "only exact copies were looked for; install askfirst[pictures] to also find" in said(answer)


class TestPassages:
    """By what a text says."""

    def test_it_is_found_through_markup(self, out: Path) -> None:
        """White space, case, tags inside words and between lines, and no-break spaces do not matter."""
        for text in ("The heron waits beside the weir,\n and no one asks it why.", "WAITS BESIDE THE WEIR, AND NO ONE"):
            answer = find(out, passage(text))
            assert (answer.state, list(answer.places), answer.looked_at.texts) == ("kept", [POEM_URL], 2)

    def test_what_a_script_says_is_not_text(self, out: Path) -> None:
        """Only what is shown counts."""
        answer = find(out, passage("the heron waits beside the weir at noon"))
        assert answer.state == "never seen"
        assert "  for the passage: 2 kept texts\n" in said(answer)
        assert "  1 kept items could not be compared: 1 of type image/jpeg" in said(answer)

    def test_exact_bytes(self, out: Path) -> None:
        """A whole document is found by its digest, also one that was refused."""
        assert find(out, passage(POEM.decode())).state == "kept"

    def test_too_short(self) -> None:
        """A few letters say nothing."""
        with pytest.raises(SettingsError, match="at least 20 characters"):
            passage("a b c d e f g h i j")


class TestSegments:
    """Over sealed segments."""

    @pytest.fixture
    def sealed(self, out: Path) -> Path:
        for path in list((out / "decisions").glob("*.jsonl")):
            seal(path, first=0)
            path.unlink()
        return out

    @pytest.mark.parametrize("what", [POEM_URL, "noai.example", hashlib.sha256(NOAI_BODY).hexdigest()])
    def test_the_same_answer(self, sealed: Path, tmp_path: Path, what: str) -> None:
        """Sealed or not, by index or afresh, the answer is one."""
        plain = tmp_path / "plain"
        shutil.copytree(sealed, plain)
        for path in list((plain / "decisions").glob("*.parquet")):
            lines = list(Sealed(path))
            path.with_suffix(".jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
            path.unlink()
        wanted = answer_to_json(asked(plain, what), None)
        for afresh in (False, True):
            answer = asked(sealed, what, afresh=afresh)
            told = answer_to_json(answer, None)
            assert {name: told[name] for name in told if name != "looked_at"} == {
                name: wanted[name] for name in wanted if name != "looked_at"
            }
            assert answer.looked_at.decisions == 11
            by_index = not afresh and what != "noai.example"
            assert answer.looked_at.indexed == (11 if by_index else 0)

    @pytest.mark.parametrize("damage", ["gone", "cut", "another"])
    def test_an_index_that_cannot_be_used(self, sealed: Path, damage: str) -> None:
        """Then every line of its segment is read, and it is said."""
        one, other = sorted((sealed / "decisions").glob("*.lookup"))
        if damage == "gone":
            one.unlink()
        else:
            one.write_bytes(one.read_bytes()[:-3] if damage == "cut" else other.read_bytes())
        answer = asked(sealed, POEM_URL)
        assert (answer.state, answer.looked_at.decisions, answer.looked_at.indexed) == ("kept", 11, 5)
        assert str(one.with_suffix("")) in "\n".join(answer.looked_at.notes)

    def test_an_index_that_conceals(self, sealed: Path) -> None:
        """An index without its entries, which belongs to its segment all the same, makes nothing never seen; and verify
        names it."""
        paths = sorted((sealed / "decisions").glob("*.lookup"))
        for path in paths:
            with Lookup(path) as honest:
                bound_to, count = honest.bound_to, honest.count
            write_keys(LookupKeys(count=count), path, bound_to=bound_to)
        told = [finding.what for finding in verify(sealed, workers=1).findings]
        for path in paths:
            assert f"its look-up index {path.name} does not name what is in it; delete the index" in told
        answer = asked(sealed, "https://noai.example/x")
        assert (answer.state, answer.total) == ("refused", 2)
        assert (answer.looked_at.decisions, answer.looked_at.indexed) == (11, 0)

    def test_an_item_line_that_is_no_text(self, out: Path) -> None:
        """It is noted, and the others are read."""
        path = max((out / "items").glob("*.jsonl"))
        path.write_bytes(path.read_bytes() + b'{"url":"\xff"}\n')
        answer = asked(out, POEM_URL)
        assert answer.state == "kept"
        assert any("is no item line" in note for note in answer.looked_at.notes)
        assert POEM_URL in {item.url for item in read_items(out, note=lambda _: None)}

    def test_a_line_that_was_cut_short(self, out: Path) -> None:
        """It is noted, and the others are read."""
        path = max((out / "decisions").glob("*.jsonl"))
        path.write_bytes(path.read_bytes() + b'{"id":"sha')
        answer = asked(out, POEM_URL)
        assert answer.looked_at.decisions == 11
        assert answer.looked_at.notes == [f"{path}: its last line is cut short: the run was stopped in the middle"]

    def test_a_line_that_is_no_decision(self, out: Path) -> None:
        """What seems to be about it and cannot be read is counted."""
        path = max((out / "decisions").glob("*.jsonl"))
        path.write_bytes(path.read_bytes() + b'{"id":7,"url":"%s"}\n' % POEM_URL.encode())
        answer = asked(out, POEM_URL)
        assert answer.looked_at.unreadable_decisions == 1
        assert "1 lines of the log may be about it" in said(answer)


class TestCommand:
    """The command itself."""

    def test_never_seen(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An answer like any other: what was looked at, and no failure."""
        audit_find.find(out, "nobody.example")
        assert capsys.readouterr().out == (
            "NEVER SEEN  nobody.example\n\nlooked at: 11 decisions of 2 runs, 4 item lines\n"
        )

    def test_json(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One object, with the whole explanation of the last decision."""
        audit_find.find(out, "https://noai.example/x", as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert (told["answer"], told["kind"], told["latest"]["verdict"]) == ("refused", "url", "refuse")
        assert told["latest"]["explanation"].startswith("REFUSE  https://noai.example/x\n")

    async def test_the_proof(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With --prove the answer comes with a proof that holds by itself."""
        url = "https://noai.example/x"
        seen = response(url, "2026-09-02", NOAI_BODY, (("X-Robots-Tag", "noai"),))
        intent = Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN)
        policy = PROFILES["opt-out"]
        decision = decide(intent, read(intent, [seen], policy), policy, stage=Stage.KEEP, at=at("2026-09-02T00:00:01"))
        record = open_record(tmp_path / "out", run="20260902T000000Z-1-aaaaaa", keys=tmp_path / "keys")
        unsaid = Standing(origin_of(url), (), (), at("2026-09-03"), b"")
        await record.write(decision, unsaid, [seen])
        record.close()
        proof, copy = tmp_path / "proof.json", tmp_path / "copy.html"
        copy.write_bytes(NOAI_BODY)
        audit_find.find(tmp_path / "out", str(copy), prove=proof)
        assert f"proof: {proof} (askfirst audit check-proof" in capsys.readouterr().out
        checked = check(proof.read_bytes())
        assert (checked.faults, checked.recorded and checked.recorded.decision.id) == ([], decision.id)
        audit_find.find(tmp_path / "out", "nobody.example", prove=tmp_path / "none.json")
        assert "proof: none, because no decision was found" in capsys.readouterr().out
        assert not (tmp_path / "none.json").exists()

    def test_strangers_words_are_made_safe(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Control characters from the wire do not reach the terminal."""
        url = "https://a.example/\x1b[2J"
        seen = response(url, "2026-09-01", b"x", (("X-Robots-Tag", "noai \x1b]0;x\x07"),))
        run = Run(tmp_path, "r")
        run.keep(seen, run.decide(url, "2026-09-01", [seen]))
        audit_find.find(tmp_path, "a.example")
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "\\x1b[2J" in shown

    @pytest.mark.parametrize(
        ("what", "text", "message"),
        [
            (None, None, "name either WHAT"),
            ("a.example", "x" * 40, "name either WHAT"),
            ("no/such/file", None, "there is no such file, and it is no URL"),
            ("", None, "there is no such file"),
            ("a/" * 5_000, None, "there is no such file"),
            ("a.example:99999", None, "is no host"),
        ],
    )
    def test_mistakes(self, out: Path, what: str | None, text: str | None, message: str) -> None:
        """The operator's mistake is one line that says what to do."""
        with pytest.raises(SettingsError, match=message):
            audit_find.find(out, what, text)

    def test_no_directory(self, tmp_path: Path) -> None:
        """What is no output directory is a mistake too."""
        with pytest.raises(SettingsError, match="holds no decisions"):
            audit_find.find(tmp_path, "a.example")

    def test_the_options(self) -> None:
        """Typer accepts both commands as they are."""
        app = typer.Typer()
        app.command("find")(audit_find.find)
        app.command("export")(audit_find.export)
        assert sorted(str(command.name) for command in typer.main.get_command(app).commands.values()) == [  # type: ignore[attr-defined]  # it is a group
            "export",
            "find",
        ]
