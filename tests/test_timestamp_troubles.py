"""A time stamp authority in trouble costs a run its time stamp and nothing else: one warning, and the record is whole."""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from askfirst.audit.verify import verify
from askfirst.edges.cache_memory import MemoryCache
from askfirst.gate import Gate, utc_now
from askfirst.ledger.checkpoints import read_notes
from askfirst.ledger.manifest import CLOSED, OPENED, read_entries
from askfirst.rights.model import Verdict
from askfirst.rights.policy import OPT_OUT
from askfirst.segments import read_log
from askfirst.wiring import open_record
from tests.loopback_site import Site
from tests.memory_web import Clock, MemoryWeb, intent
from tests.scrapy_crawl import check_record, crawl

pytest.importorskip("rfc3161_client", reason="needs askfirst[timestamps]")

RUN = "20261124T000000Z-1-a"
NO_ANSWER = "did not answer with a time stamp: it is no time stamp answer (RFC 3161 TimeStampResp in DER)"


@contextlib.contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    """An authority on loopback that says the same to everybody."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """The test says what happened."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _hanging_up(said: bytes) -> Iterator[str]:
    """An authority that takes the question, says this and ends the connection."""

    def answer(listening: socket.socket) -> None:
        connected, _ = listening.accept()
        with connected:
            connected.recv(65_536)
            connected.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/tsa"
        thread.join()


@contextlib.contextmanager
def _nobody() -> Iterator[str]:
    with socket.socket() as bound:  # bound and not listening: nobody else can be there either
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/tsa"


def _events(manifest: Path) -> list[str]:
    return [entry if isinstance(entry, str) else entry.event for _, entry in read_entries(manifest.read_bytes())]


@pytest.mark.parametrize(
    ("authority", "told"),
    [
        pytest.param(_nobody, "cannot be asked: Connection refused", id="unreachable"),
        pytest.param(partial(_answering, 500, b"<h1>oops"), "answered 500", id="500"),
        pytest.param(partial(_answering, 200, b"<p>hello"), NO_ANSWER, id="HTML"),
        pytest.param(partial(_answering, 200, b""), NO_ANSWER, id="nothing"),
        pytest.param(partial(_answering, 200, b"\x30\x03\x02\x01\x00"), NO_ANSWER, id="other DER"),
        pytest.param(
            partial(_hanging_up, b"\x00\x1b[31m rubbish\r\n\r\n"), "cannot be asked: ??[31m rubbish", id="no HTTP"
        ),
    ],
)
async def test_a_run_closes_well_without_its_time_stamp(
    authority: Callable[[], contextlib.AbstractContextManager[str]],
    told: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning says what happened and what to do; the log is closed, signed and whole, and there is no .tsr."""
    caplog.set_level(logging.WARNING)
    web = MemoryWeb(Clock())
    web.publish("https://a.example/robots.txt", "User-agent: *\nDisallow: /no")
    with authority() as url:
        gate = Gate(
            agent=intent("https://a.example/no").agent,
            policy=OPT_OUT,
            fetch=web,
            cache=MemoryCache(clock=time.time),
            record=open_record(tmp_path, run=RUN, timestamps=url, clock=utc_now),
        )
        decision = await gate.before_fetch(intent("https://a.example/no"))
        await gate.close()
    assert decision.verdict is Verdict.REFUSE
    said = f"time stamp authority {url} {told}; check the address, or ask another authority"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"the last checkpoint of {RUN} has no time stamp: {said}")
    ]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [f"{RUN}.notes"]
    assert len(list(read_log(tmp_path / "decisions"))) == 1
    assert _events(tmp_path / "manifest.jsonl") == [OPENED, CLOSED]
    assert read_notes((tmp_path / "checkpoints" / f"{RUN}.notes").read_bytes()) != []
    assert verify(tmp_path).whole


@pytest.mark.crawl
async def test_a_crawl_ends_well_without_its_time_stamp(tmp_path: Path) -> None:
    """A crawl whose authority is not there keeps what it kept, exits with 0 and says so in one line."""
    async with Site() as site:
        page = site.publish("a.test", "/page")
        with _nobody() as url:
            done = await crawl(tmp_path, [page], {"ASKFIRST_TIMESTAMPS": url})
        assert done.code == 0
        assert done.kept == [page]
        said = "cannot be asked: Connection refused; check the address, or ask another authority"
        lines = [line for line in done.log.splitlines() if "time stamp" in line]
        assert [line.partition(" has ")[2] for line in lines] == [f"no time stamp: time stamp authority {url} {said}"]
        assert "Traceback" not in done.log
        assert list(done.out.rglob("*.tsr")) == []
        assert verify(done.out).whole
        check_record(site, done.out)
