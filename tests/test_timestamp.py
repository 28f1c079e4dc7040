"""Time stamps (RFC 3161): asked of a real authority (``openssl ts``) on loopback, and checked afterwards."""

from __future__ import annotations

import contextlib
import http.server
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from askfirst.audit.verify import verify
from askfirst.edges import timestamp_http
from askfirst.edges.decision_log import MerkleLog
from askfirst.edges.timestamp_http import HttpTimestamps
from askfirst.gate import utc_now
from askfirst.ledger.checkpoints import read_notes
from askfirst.ledger.notes import SigningKey
from askfirst.ledger.timestamps import check_timestamp
from askfirst.ports import EdgeError
from askfirst.rights.wire import timestamp
from askfirst.wiring import open_timestamps

pytest.importorskip("rfc3161_client", reason="needs askfirst[timestamps]")
if shutil.which("openssl") is None:
    pytest.skip("needs the openssl command as the authority", allow_module_level=True)

NOTE = "a.example+key/run\n3\nroot\n\n— a signature\n".encode()
_CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = {digests}
signer_digest = sha256
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """A certificate authority and, under it, a time stamp authority, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.settings("sha256")
        (folder / "serial").write_text("01\n")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        _openssl("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-subj", "/CN=Root")
        _openssl("req", *key, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr", "-subj", "/CN=Time")
        _openssl(
            "x509", "-req", "-in", folder / "tsa.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-out", folder / "tsa.pem", "-extfile", folder / "tsa.cnf", "-extensions", "stamping",
        )  # fmt: skip

    @property
    def roots(self) -> bytes:
        return (self._folder / "ca.pem").read_bytes()

    def settings(self, digests: str) -> None:
        (self._folder / "tsa.cnf").write_text(_CONFIG.format(folder=self._folder, digests=digests))

    def answer(self, query: bytes) -> bytes:
        asked, answered = self._folder / "query", self._folder / "answer"
        asked.write_bytes(query)
        _openssl(
            "ts", "-reply", "-queryfile", asked, "-config", self._folder / "tsa.cnf",
            "-signer", self._folder / "tsa.pem", "-inkey", self._folder / "tsa.key", "-out", answered,
        )  # fmt: skip
        return answered.read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def stamped(authority: Authority) -> bytes:
    """A time stamp over NOTE."""
    with _served(authority.answer) as url:
        return HttpTimestamps(url).stamp(NOTE)


async def test_a_run_is_stamped_when_it_ends(authority: Authority, tmp_path: Path) -> None:
    """The last checkpoint of a run has the authority's time beside it, and the audit reads it under the root."""
    run, key = "20261124T000000Z-1-a", SigningKey.new()
    with _served(authority.answer) as url:
        log = MerkleLog(tmp_path, run=run, key=key, clock=utc_now, stamp=open_timestamps(url))
        await log.append(b"{}")
        log.close()
    token = (tmp_path / f"checkpoints/{run}.tsr").read_bytes()
    note = read_notes((tmp_path / f"checkpoints/{run}.notes").read_bytes())[-1]
    at = check_timestamp(token, note, authority.roots)
    told = verify(tmp_path, keys=[key.verifier], time_roots=authority.roots)
    assert [line for line in told.said if ".tsr" in line] == [
        f"checkpoints/{run}.tsr: {timestamp(at)}, by an authority under the given roots"
    ]
    assert ".tsr" not in str(told.findings)


Asked = list[tuple[str, str, dict[str, str], bytes]]


@contextlib.contextmanager
def _served(
    answer: Callable[[bytes], bytes],
    *,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
    asked: Asked | None = None,
) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if asked is not None:
                asked.append((self.command, self.path, dict(self.headers), query))
            body = answer(query)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers:
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):  # the test is about who went away
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """The test says what happened."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa?policy=1"
        finally:
            server.shutdown()
            thread.join()


def _failure(url: str, timeout_s: float = 20) -> str:
    """What is said when no time stamp is had, without where and what to do, which are always said."""
    with pytest.raises(EdgeError) as caught:
        HttpTimestamps(url, timeout_s).stamp(NOTE)
    said = re.fullmatch(
        # without the query and the password, which may be secrets
        re.escape(f"time stamp authority {url.partition('?')[0].replace('name:secret@', '')} ")
        + "(.*); check the address, or ask another authority",
        str(caught.value),
    )
    assert said is not None, caught.value
    return said[1]


class TestAsking:
    def test_a_real_authority_stamps(self, authority: Authority) -> None:
        """What openssl's authority answers over HTTP holds under its root, and is of now."""
        asked: Asked = []
        before = datetime.now(UTC).replace(microsecond=0)
        with _served(authority.answer, asked=asked) as url:
            at = check_timestamp(HttpTimestamps(url).stamp(NOTE), NOTE, authority.roots)
        assert before <= at <= before + timedelta(minutes=5)
        assert at.tzinfo is UTC
        ((command, path, headers, query),) = asked
        assert (command, path, headers["Content-Type"]) == ("POST", "/tsa?policy=1", "application/timestamp-query")
        assert query.endswith(b"\x01\x01\xff")  # the last member: certReq TRUE

    def test_openssl_verifies_it_too(self, authority: Authority, stamped: bytes, tmp_path: Path) -> None:
        """The bytes given back are what other tools verify."""
        for name, content in (("stamp", stamped), ("note", NOTE), ("roots", authority.roots)):
            (tmp_path / name).write_bytes(content)
        _openssl(
            "ts", "-verify", "-in", tmp_path / "stamp", "-data", tmp_path / "note", "-CAfile", tmp_path / "roots"
        )  # fmt: skip

    def test_an_old_answer_played_again(self, stamped: bytes) -> None:
        """An answer of this message to an earlier request is told by its nonce."""
        with _served(lambda _query: stamped) as url:
            assert _failure(url) == "answered another request than ours: the nonce differs"

    def test_an_answer_of_another_message(self, authority: Authority) -> None:
        """A time stamp of other bytes is none of ours."""
        with _served(authority.answer) as url:
            other = HttpTimestamps(url).stamp(b"other")
        with _served(lambda _query: other) as url:
            assert _failure(url) == (
                "did not answer with a time stamp: "
                "the time stamp is of another message: the message or the time stamp was altered"
            )

    def test_a_refusal(self, tmp_path: Path) -> None:
        """An authority that does not take SHA-256 is quoted."""
        refusing = Authority(tmp_path / "refusing")
        refusing.settings("sha512")
        with _served(refusing.answer) as url:
            assert _failure(url) == (
                "did not answer with a time stamp: "
                "no time stamp was granted: rejection (Message digest algorithm is not supported.)"
            )

    @pytest.mark.parametrize("body", [b"", b"<p>hello", b"\x30\x03\x02\x01\x00"], ids=["nothing", "HTML", "not DER"])
    def test_no_time_stamp_answer(self, body: bytes) -> None:
        """Status 200 with anything else is told as that."""
        with _served(lambda _query: body) as url:
            assert _failure(url) == (
                "did not answer with a time stamp: it is no time stamp answer (RFC 3161 TimeStampResp in DER)"
            )

    def test_granted_and_nothing_given(self) -> None:
        """An answer that grants and holds no token is no time stamp."""
        with _served(lambda _query: b"\x30\x05\x30\x03\x02\x01\x00") as url:
            assert _failure(url) == "did not answer with a time stamp: the answer grants a time stamp and holds none"

    def test_an_error_status_and_a_redirect(self) -> None:
        """Nothing is followed; where to is told."""
        with _served(lambda _query: b"", status=503) as url:
            assert _failure(url) == "answered 503"
        for to in ("https://elsewhere.example/", "file:///etc/passwd"):
            with _served(lambda _query: b"", status=307, headers=(("Location", to),)) as url:
                assert _failure(url) == f"answered 307, naming {to!r}, which is not followed"

    def test_too_long_an_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No more is read than an answer can be long."""
        monkeypatch.setattr(timestamp_http, "MAX_ANSWER_BYTES", 100)
        with _served(lambda _query: b"0" * 101) as url:
            assert _failure(url) == "answered with more than 100 bytes"

    def test_nobody_there(self) -> None:
        """An authority that cannot be reached is told so."""
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            assert _failure(f"http://127.0.0.1:{bound.getsockname()[1]}/") == "cannot be asked: Connection refused"

    def test_an_answer_that_does_not_come(self) -> None:
        """An authority that says nothing is given up on."""
        let_go = threading.Event()

        def held(_query: bytes) -> bytes:
            let_go.wait(60)
            return b""

        with _served(held) as url:
            said = _failure(url, timeout_s=0.2)
            let_go.set()
        assert said == "did not answer within 0.2 s"

    def test_an_answer_that_drips(self) -> None:
        """One clock runs for the whole answer: bytes that keep coming do not wind it up again."""
        given_up = threading.Event()

        def drip(listening: socket.socket) -> None:
            connected, _ = listening.accept()
            with connected:
                connected.recv(65_536)
                try:
                    connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                    while not given_up.wait(0.05):
                        connected.sendall(b"0")
                except OSError:
                    given_up.set()

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=drip, args=(listening,))
            thread.start()
            said = _failure(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout_s=0.3)
            given_up.set()
            thread.join()
        assert said == "did not answer within 0.3 s"

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("ftp://a.example/", "is no http(s) URL with a host and without a password"),
            ("http:///tsa", "is no http(s) URL with a host and without a password"),
            ("http://name:secret@a.example/", "is no http(s) URL with a host and without a password"),
            ("http://a.example/t s", "has a character that a request cannot carry; write it percent-encoded"),
            ("http://[a.example/", "is no URL (Invalid IPv6 URL)"),
        ],
    )
    def test_a_url_that_cannot_be_asked(self, url: str, told: str) -> None:
        """It is told before anything is asked."""
        assert _failure(url) == told

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is told at the start what to install."""
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        with pytest.raises(EdgeError, match=re.escape("install askfirst[timestamps]")):
            HttpTimestamps("http://a.example/")


def _fault(response: bytes, message: bytes, roots: bytes | None) -> str:
    """What is wrong with it, in one line."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        check_timestamp(response, message, roots)
    return str(caught.value)


class TestChecking:
    def test_another_message(self, authority: Authority, stamped: bytes) -> None:
        """A message with one byte altered is not what was stamped, with roots and without."""
        for roots in (authority.roots, None):
            assert _fault(stamped, NOTE[:-1], roots) == (
                "the time stamp is of another message: the message or the time stamp was altered"
            )

    def test_another_authority(self, stamped: bytes, tmp_path: Path) -> None:
        """Under roots that it does not lead to it does not hold, though it is sound; it then shows a time unverified."""
        others = Authority(tmp_path / "others").roots
        assert _fault(stamped, NOTE, others).startswith(
            "the time stamp does not hold under the trusted authorities: certificate verify error"
        )
        assert check_timestamp(stamped, NOTE, None).year >= 2026

    def test_several_roots(self, authority: Authority, stamped: bytes, tmp_path: Path) -> None:
        """One of the roots is enough, and one that is there twice does no harm."""
        others = Authority(tmp_path / "others").roots
        at = check_timestamp(stamped, NOTE, others + authority.roots + authority.roots)
        assert at == check_timestamp(stamped, NOTE, authority.roots)

    def test_a_certificate_for_something_else(self, authority: Authority, stamped: bytes) -> None:
        """A certificate that is not for time stamping does not stamp: its purpose is altered in the answer, and the
        purpose is under the root's signature."""
        purpose = bytes.fromhex("06082b06010505070308")
        assert stamped.count(purpose) == 1
        for_mail = stamped.replace(purpose, bytes.fromhex("06082b06010505070304"))
        assert _fault(for_mail, NOTE, authority.roots).startswith("the time stamp does not hold under")

    def test_an_earlier_time(self, authority: Authority, stamped: bytes) -> None:
        """A time put back by a year does not hold."""
        year = str(check_timestamp(stamped, NOTE, authority.roots).year)
        earlier = stamped.replace(b"\x18\x0f" + year.encode(), b"\x18\x0f" + str(int(year) - 1).encode())
        assert earlier != stamped
        assert _fault(earlier, NOTE, authority.roots).startswith("the time stamp does not hold under")

    def test_any_altered_byte(self, authority: Authority, stamped: bytes) -> None:
        """An altered byte anywhere is a ValueError or leaves time and message as they were (the encoding has bytes
        that no signature covers, such as the names of algorithms)."""
        at = check_timestamp(stamped, NOTE, authority.roots)
        times: list[datetime] = []
        for place in range(len(stamped)):
            for mask in (1, 128):
                altered = bytearray(stamped)
                altered[place] ^= mask
                with contextlib.suppress(ValueError):
                    times.append(check_timestamp(bytes(altered), NOTE, authority.roots))
        assert set(times) <= {at}
        assert len(times) < 40

    def test_cut_anywhere(self, authority: Authority, stamped: bytes) -> None:
        """A time stamp that is cut short is none."""
        for end in range(len(stamped)):
            assert _fault(stamped[:end], NOTE, authority.roots) == (
                "it is no time stamp answer (RFC 3161 TimeStampResp in DER)"
            )

    def test_roots_that_are_none(self, stamped: bytes) -> None:
        """Roots that are no certificates are the auditor's mistake, and told as that."""
        assert _fault(stamped, NOTE, b"hello") == (
            "the roots are no certificates in PEM; name the authority's own root certificate"
        )
