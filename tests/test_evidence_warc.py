"""Evidence: what is kept comes back the same, in any WARC tool, whatever happens to the file."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as WarcioIterator

from askfirst.audit.directory import evidence_records
from askfirst.cdxj import write_cdxj
from askfirst.edges import evidence_warc
from askfirst.edges.evidence_warc import WarcEvidence, read_evidence
from askfirst.ports import EdgeError, EvidenceStore
from askfirst.rights.model import Document, Kind, Observation, Outage
from askfirst.rights.wire import timestamp
from tests.noticing import until_noticed

NOW = datetime(2026, 11, 24, 1, 2, 3, 456_789, tzinfo=UTC)


def _observation(
    url: str = "https://museum.example/a.jpg",
    *,
    body: bytes = b"<p>hello",
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html"),),
    **members: object,
) -> Observation:
    fields: dict[str, object] = {
        "document": Document(kind=Kind.RESPONSE, url=url),
        "status": 200,
        "headers": headers,
        "body": body,
        "observed_at": NOW,
        **members,
    }
    return Observation(**fields)  # type: ignore[arg-type]  # tests name the members they are about


def _store(folder: Path, run: str = "run") -> WarcEvidence:
    return WarcEvidence(folder, run=run, clock=lambda: NOW)


def _kept(folder: Path, *observations: Observation) -> list[Observation]:
    store = _store(folder)
    for observation in observations:
        store.keep(observation)
    store.close()
    return _read(folder)


def _read(folder: Path) -> list[Observation]:
    notes: list[str] = []
    observations = list(read_evidence(folder, note=notes.append))
    assert notes == []
    return observations


WIRE_NAMES = st.text(st.sampled_from("abcXYZ-09!#$~"), min_size=1, max_size=12) | st.sampled_from(
    ["Content-Encoding", "content-length", "TRANSFER-ENCODING", "X-AskFirst-X", "x-askfirst-content-length", "a:b", ""],
)
WIRE_VALUES = st.text(st.characters(max_codepoint=255), max_size=30) | st.text(max_size=8) | st.just(" a: b ; c:  ")
URLS = st.sampled_from(["https://museum.example/a", "registry:r?url=https%3A%2F%2Fh%2F", "<https://h/>"]) | st.text(
    max_size=20
)
OBSERVATIONS = st.builds(
    Observation,
    document=st.builds(Document, kind=st.sampled_from(Kind), url=URLS, max_bytes=st.integers(0, 1 << 40)),
    status=st.none() | st.integers(-1, 1_100) | st.just(200),
    headers=st.lists(st.tuples(WIRE_NAMES, WIRE_VALUES), max_size=5).map(tuple),
    body=st.binary(max_size=200) | st.sampled_from([b"\r\n\r\n", b"WARC/1.1\r\n\r\n", b"\0"]),
    truncated=st.booleans(),
    outage=st.none() | st.sampled_from(Outage),
    redirects=st.lists(URLS, max_size=3).map(tuple),
    observed_at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])).filter(
        lambda at: 100 < at.year < 9_900
    ),
    fresh_s=st.integers(0, 1 << 40),
    whole_digest=st.none() | st.just("sha256:" + "0" * 64) | st.text(max_size=9),
)


class TestTheSameComesBack:
    @given(st.lists(OBSERVATIONS, max_size=4))
    @settings(max_examples=150, deadline=None)
    def test_any_observation(self, observations: list[Observation]) -> None:
        """What is read is what was kept, in order, whatever the publisher put into it."""
        with tempfile.TemporaryDirectory() as folder:
            unique = [o for at, o in enumerate(observations) if not any(_alike(o, p) for p in observations[:at])]
            assert _kept(Path(folder), *observations) == unique

    def test_headers_are_verbatim_and_in_order(self, tmp_path: Path) -> None:
        """Repeats, case, colons and latin-1 survive, and so do names that we rename in the file."""
        headers = (
            ("content-encoding", "gzip"),
            ("Set-Cookie", "a=b"),
            ("Set-Cookie", "c=d"),
            ("X-Robots-Tag", "otherbot: noindex: \xe9"),
            ("Content-Length", "7"),
            ("Transfer-Encoding", "chunked"),
            ("x-askfirst-Content-Length", "spoofed"),
            ("X-AskFirst-Content-Encoding", "spoofed"),
        )
        assert _kept(tmp_path, _observation(headers=headers))[0].headers == headers

    def test_a_header_that_no_wire_carries(self, tmp_path: Path) -> None:
        """A value with a line break cannot forge another header; the observation is kept as JSON."""
        observation = _observation(headers=(("A", "b\r\nTDM-Reservation: 0"),))
        assert _kept(tmp_path, observation) == [observation]
        assert b"\r\nTDM-Reservation" not in (tmp_path / "run.warc").read_bytes()

    def test_an_excerpt_is_no_more_than_its_words(self, tmp_path: Path) -> None:
        """The file of an excerpt holds the words relied on, and names the digest of the whole."""
        whole = b"<p>secret</p><meta name=tdm>"
        digest = "sha256:" + hashlib.sha256(whole).hexdigest()
        excerpts = [_observation(body=words, whole_digest=digest) for words in (b"<meta name=tdm>", b"<meta x>")]
        assert _kept(tmp_path, *excerpts) == excerpts
        raw = (tmp_path / "run.warc").read_bytes()
        assert b"secret" not in raw
        assert raw.count(f"WARC-Payload-Digest: {digest}".encode()) == 2

    def test_an_outage_is_a_metadata_record(self, tmp_path: Path) -> None:
        """An outage leaves a record although there was no answer, and comes back."""
        outage = _observation(
            status=None, headers=(), body=b"", outage=Outage.DNS, redirects=("http://museum.example/",)
        )
        assert _kept(tmp_path, outage) == [outage]
        types = [record.record_type for record in FastIterator(BytesIO((tmp_path / "run.warc").read_bytes()))]
        assert [str(t) for t in types] == ["warcinfo", "metadata"]


def _alike(one: Observation, other: Observation) -> bool:
    """How long an answer is fresh is no part of what was seen; a response is never the same as another."""
    return one.document.kind is not Kind.RESPONSE and replace(one, fresh_s=0) == replace(other, fresh_s=0)


def _page(**members: Any) -> Observation:
    return _observation(**{"document": Document(kind=Kind.PAGE, url="https://museum.example/a"), **members})


def _document(url: str, kind: Kind = Kind.PAGE) -> Document:
    return Document(kind=kind, url=url)


class TestOnce:
    def test_the_same_is_written_once(self, tmp_path: Path) -> None:
        """The same observation is written once; what differs in anything, in its time too, is kept."""
        first = _page()
        others = [
            _page(observed_at=NOW + timedelta(days=1)),
            _page(body=b"other"),
            _page(status=404),
            _page(headers=()),
            _page(document=Document(kind=Kind.PAGE, url="https://museum.example/b")),
            _page(document=Document(kind=Kind.ASSET, url="https://museum.example/a.jpg")),
            _page(outage=Outage.BROKEN),
            _page(redirects=("https://museum.example/0",)),
        ]
        assert _kept(tmp_path, first, _page(fresh_s=7), *others, first, *others) == [first, *others]

    def test_equal_bodies_are_kept_once(self, tmp_path: Path) -> None:
        """A body that was kept before, under whatever address, is named and not written; all observations come back."""
        body = b"<p>not found " * 100
        seen = [_page(body=body, document=_document(f"https://h{number}.example/")) for number in range(5)]
        seen += [
            _page(body=body, document=_document("https://h.example/robots.txt", kind=Kind.WELL_KNOWN)),
            _page(body=b"short"),
        ]
        assert _kept(tmp_path, *seen) == seen
        told = (tmp_path / "run.warc").read_bytes()
        assert told.count(body) == 1
        assert told.count(b"WARC-Type: revisit\r\n") == 5
        assert told.count(b"WARC-Refers-To-Target-URI: https://h0.example/\r\n") == 5

    def test_equal_excerpts_of_other_pages_are_not_the_same(self, tmp_path: Path) -> None:
        """An excerpt is named only by excerpts of the same page."""
        words = b"<meta name=robots content=noai>" * 20
        seen = [
            _page(body=words, document=_document(f"https://h{number}.example/"), whole_digest="sha256:" + digit * 64)
            for number, digit in enumerate("aab")
        ]
        assert _kept(tmp_path, *seen) == seen
        assert (tmp_path / "run.warc").read_bytes().count(b"WARC-Type: revisit\r\n") == 1

    def test_bodies_that_are_remembered_are_bounded_at_both_ends(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the writer has forgotten is written again, and the reader finds everything."""
        monkeypatch.setattr(evidence_warc, "MAX_BODIES", 2)
        seen = [
            _page(body=b"%d" % (number % 3) * 300, document=_document(f"https://h/{number}")) for number in range(12)
        ]
        seen += [_page(body=b"0" * 300, document=_document(f"https://h/again/{number}")) for number in range(3)]
        assert _kept(tmp_path, *seen) == seen
        assert (tmp_path / "run.warc").read_bytes().count(b"WARC-Type: revisit\r\n") == 2

    def test_a_body_whose_first_record_was_altered(self, tmp_path: Path) -> None:
        """Neither the altered record nor what names it is used, and both are noted."""
        body = b"<p>not found " * 100
        _kept(tmp_path, _page(body=body), _page(body=body, document=_document("https://other.example/")))
        path = tmp_path / "run.warc"
        path.write_bytes(path.read_bytes().replace(body, body.replace(b"not", b"now", 1)))
        notes: list[str] = []
        assert list(read_evidence(tmp_path, note=notes.append)) == []
        assert len(notes) == 2

    def test_every_record_is_told_as_a_leaf(self, tmp_path: Path) -> None:
        """The heads that are counted into the tree are those of the file, in its order, the first one too; with what
        each takes of the file, and by what it is looked up."""
        heads: list[bytes] = []
        told: list[tuple[int, str, str]] = []

        def leaf(head: bytes, length_bytes: int, *, record_id: str = "", name: str = "") -> None:
            heads.append(head)
            told.append((length_bytes, record_id, name))

        store = WarcEvidence(tmp_path, run="run", clock=lambda: NOW, leaf=leaf)
        body = b"<p>not found " * 100
        for number in range(3):
            store.keep(_page(body=body, document=_document(f"https://h/{number}")))
        store.close()
        records = list(evidence_records(tmp_path / "run.warc"))
        assert heads == [record.head for record in records]
        assert [length_bytes for length_bytes, _, _ in told] == [record.length_bytes for record in records]
        names = [f"{_page(body=body).digest} {timestamp(NOW)} https://h/{number}" for number in range(3)]
        assert [name for _, _, name in told] == ["", *names]
        # the first holds the body, the others are revisits
        assert [name for _, name, _ in told] == ["", records[1].fields()["WARC-Record-ID"], "", ""]

    def test_memory_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The oldest is forgotten, and then kept again; what is remembered does not grow."""
        monkeypatch.setattr(evidence_warc, "MAX_SEEN", 2)
        one, two, three = (_page(body=body) for body in (b"1", b"2", b"3"))
        store = _store(tmp_path)
        for observation in (one, two, three, three, one):
            store.keep(observation)
            assert len(store._seen) <= 2
        store.close()
        assert _read(tmp_path) == [one, two, three, one]


class TestOtherReaders:
    def test_warcio(self, tmp_path: Path) -> None:
        """warcio reads status, headers and body, and finds every digest right, although the answer came compressed."""
        headers = (("Content-Type", "text/plain"), ("Content-Encoding", "gzip"), ("Content-Length", "3"))
        _kept(tmp_path, _observation(body=b"plain text", headers=headers), _observation(status=599, body=b""))
        with (tmp_path / "run.warc").open("rb") as file:
            records = []
            for record in WarcioIterator(file, check_digests=True):
                body = record.content_stream().read()
                assert record.digest_checker.passed is not False
                records.append((record.rec_type, record.http_headers and record.http_headers.get_statuscode(), body))
        assert records[1:] == [("response", "200", b"plain text"), ("response", "599", b"")]
        assert records[0][0] == "warcinfo"

    def test_an_index_leads_warcio_to_every_record(self, tmp_path: Path) -> None:
        """The CDXJ beside the file is sorted, and warcio finds at each place the record that the line tells of."""
        body = b"<p>not found " * 100
        urls = ["https://b.example/x?q=1", "https://a.b.example:8443/", "http://www.a.example/Y", "https://[::1]/"]
        _kept(tmp_path, *(_page(body=body, document=_document(url)) for url in urls))
        lines = (tmp_path / "run.cdxj").read_text().splitlines()
        assert lines == sorted(lines)
        assert len(lines) == 4
        found = {}
        for line in lines:
            key, digits, told = line.split(" ", 2)
            entry = json.loads(told)
            with (tmp_path / entry["filename"]).open("rb") as file:
                file.seek(int(entry["offset"]))
                record = next(iter(WarcioIterator(BytesIO(file.read(int(entry["length"]))))))
            assert record.rec_headers.get_header("WARC-Target-URI") == entry["url"]
            assert record.rec_headers.get_header("WARC-Payload-Digest") == entry["digest"]
            found[entry["url"]] = (key, digits, entry["mime"], entry["status"])
        digits = NOW.strftime("%Y%m%d%H%M%S")
        assert found[urls[0]] == ("example,b)/x?q=1", digits, "text/html", "200")
        assert found[urls[1]] == ("example,b,a:8443)/", digits, "warc/revisit", "200")
        assert found[urls[2]] == ("example,a)/y", digits, "warc/revisit", "200")

    def test_the_index_of_a_killed_run(self, tmp_path: Path) -> None:
        """It is made of the file alone."""
        _kept(tmp_path, _page())
        told = (tmp_path / "run.cdxj").read_bytes()
        (tmp_path / "run.cdxj").unlink()
        assert write_cdxj(tmp_path / "run.warc").read_bytes() == told

    def test_fastwarc(self, tmp_path: Path) -> None:
        """fastwarc verifies both digests, and reads the HTTP head."""
        _kept(tmp_path, _observation(body=b"plain text"))
        records = FastIterator(BytesIO((tmp_path / "run.warc").read_bytes()), parse_http=False)
        assert next(records).verify_block_digest()
        record = next(records)
        assert record.verify_block_digest(consume=False)
        record.parse_http()
        assert record.verify_payload_digest(consume=False)
        assert record.http_headers.status_code == 200
        assert record.headers["WARC-Date"] == "2026-11-24T01:02:03.456789Z"

    def test_compressed_files_and_strangers_records(self, tmp_path: Path) -> None:
        """A file that was compressed later is read too; records that are not ours are passed over."""
        (observation,) = _kept(tmp_path, _observation())
        raw = (tmp_path / "run.warc").read_bytes()
        stranger = (
            b"WARC/1.1\r\nWARC-Type: request\r\nWARC-Record-ID: <urn:uuid:0>\r\nWARC-Date: 2026-11-24T00:00:00Z\r\n"
            b"WARC-Target-URI: https://h/\r\nContent-Type: application/http\r\nContent-Length: 2\r\n\r\nhi\r\n\r\n"
        )
        (tmp_path / "other.warc.gz").write_bytes(gzip.compress(stranger) + gzip.compress(raw))
        assert _read(tmp_path) == [observation, observation]


class TestDamage:
    def test_a_torn_tail_loses_only_the_last(self, tmp_path: Path) -> None:
        """Wherever the file is cut inside the last record, the ones before are read, and the loss is noted."""
        first, last = _observation(body=b"1"), _observation(body=b"2")
        _kept(tmp_path, first)
        begin = (tmp_path / "run.warc").stat().st_size
        whole = tmp_path / "whole"
        _kept(whole, first, last)
        raw = (whole / "run.warc").read_bytes()
        for cut in range(begin + 1, len(raw) - 4):
            (tmp_path / "run.warc").write_bytes(raw[:cut])
            notes: list[str] = []
            assert list(read_evidence(tmp_path, note=notes.append)) == [first]
            assert len(notes) == 1, cut

    def test_a_torn_tail_of_a_compressed_file(self, tmp_path: Path) -> None:
        """The same for gzip, wherever it is cut: nothing raises, and nothing false is read."""
        whole = tmp_path / "whole"
        observations = [_observation(body=b"1"), _observation(body=b"2")]
        _kept(whole, *observations)
        packed = gzip.compress((whole / "run.warc").read_bytes())
        for cut in range(len(packed)):
            (tmp_path / "run.warc.gz").write_bytes(packed[:cut])
            read = list(read_evidence(tmp_path, note=lambda _: None))
            assert read == observations[: len(read)]

    def test_an_altered_record_is_left_out(self, tmp_path: Path) -> None:
        """A byte changed in a block is noticed, and the records after it are still read."""
        observations = [_observation(body=b"reserved"), _observation(body=b"free")]
        _kept(tmp_path, *observations)
        path = tmp_path / "run.warc"
        path.write_bytes(path.read_bytes().replace(b"\r\n\r\nreserved", b"\r\n\r\npermitted"[:12]))
        notes: list[str] = []
        assert list(read_evidence(tmp_path, note=notes.append)) == observations[1:]
        assert "does not match its digest" in notes[0]

    def test_no_folder(self, tmp_path: Path) -> None:
        """Evidence that is not there is an error, not silence."""
        with pytest.raises(EdgeError, match="cannot read the evidence"):
            list(read_evidence(tmp_path / "nowhere"))


class TestTheFile:
    def test_it_is_an_evidence_store(self, tmp_path: Path) -> None:
        """The edge satisfies the gate's protocol, and what it kept is there before it is closed."""
        store: EvidenceStore = _store(tmp_path)
        assert list(tmp_path.iterdir()) == []
        store.keep(_observation())
        assert _read(tmp_path) == [_observation()]
        store.close()

    def test_a_run_never_writes_into_anothers_file(self, tmp_path: Path) -> None:
        """A run whose name is taken is told so."""
        _kept(tmp_path, _observation())
        with pytest.raises(EdgeError, match="name of its own"):
            _store(tmp_path).keep(_observation())

    def test_a_folder_that_goes_away(self, tmp_path: Path) -> None:
        """A removed folder is an error within a moment; when it is back, the evidence begins anew."""
        folder = tmp_path / "evidence"
        store = _store(folder)
        store.keep(_observation())
        shutil.rmtree(folder)
        for _ in range(2):
            with pytest.raises(EdgeError, match="check that its folder is there"):
                until_noticed(lambda: store.keep(_observation()))
        folder.mkdir()
        store.keep(_observation())
        assert _read(folder) == [_observation()]

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """A file where the folder should be stops the program at start."""
        (tmp_path / "file").touch()
        with pytest.raises(EdgeError, match="cannot write the evidence file"):
            _store(tmp_path / "file" / "evidence")

    def test_closed(self, tmp_path: Path) -> None:
        """Nothing is kept after the end, and a name of a run is a name."""
        store = _store(tmp_path)
        store.keep(_observation())
        store.close()
        with pytest.raises(EdgeError, match="closed"):
            store.keep(_observation(body=b"late"))
        for run in ("", "../x", ".hidden"):
            with pytest.raises(ValueError, match="cannot name a run"):
                _store(tmp_path, run)

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """A record that does not fit is an error and leaves no trace; when there is room again, the file goes on."""
        result = subprocess.run(
            [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert result.stdout.splitlines() == ["kept", "refused", "refused", "kept"], result.stderr
        assert [o.body for o in _read(tmp_path)] == [b"first", b"after"]


_FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from askfirst.edges.evidence_warc import WarcEvidence
from askfirst.ports import EdgeError
from askfirst.rights.model import Document, Kind, Observation

now = datetime(2026, 11, 24, tzinfo=UTC)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
store = WarcEvidence(Path(sys.argv[1]), run="run", clock=lambda: now)


def keep(body):
    document = Document(kind=Kind.RESPONSE, url="https://museum.example/")
    try:
        store.keep(Observation(document=document, status=200, body=body, observed_at=now))
    except EdgeError as error:
        assert "room" in str(error), error
        print("refused")
    else:
        print("kept")


resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
keep(b"first")
keep(b"big" * 9_000)
keep(b"big" * 9_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
keep(b"after")
"""
