"""A new signal is one file, one line and a folder of cases: done here to a copy of the package, and then used.

The copy runs in processes of its own. Nothing else in it is touched, and the test that compares it with the original
says so.
"""

from __future__ import annotations

import difflib
import filecmp
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIGNALS = Path("askfirst", "rights", "signals")

TOY = '''\
"""toy.txt: a file of one word, of which ``please do not train`` is a no. It exists in a test."""

from __future__ import annotations

from askfirst.rights.model import Agent, Basis, Category, Kind, Observation, Reading, Signal, Verdict
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence


def read_toy(observation: Observation, agent: Agent) -> Statement:
    """What the file says, to everybody."""
    if observation.status != 200 or observation.body.strip() != b"please do not train":
        return SILENT
    words = evidence(observation, at="line 1", text=observation.body.decode(), spec="toy.txt, the whole of it")
    signal = Signal(
        source="toy.txt",
        protocol="toy",
        category=Category.TRAIN,
        basis=Basis.PREFERENCE,
        verdict=Verdict.REFUSE,
        evidence=words,
    )
    return Constant(Reading(signals=(signal,)))


READER = Reader(protocol="toy", kinds=(Kind.WELL_KNOWN,), paths=("/.well-known/toy.txt",), parse=read_toy)
'''
LINE = '    "toy",\n'
CASES = """\
format = 1
spec = "toy.txt"
section = "the whole of it"
rule = "please do not train means what it says, to those who train"
document = "https://h.example/.well-known/toy.txt"

[[case]]
id = "it-says-no"
says = { train = "refuse", search = "silence" }
verdict = "refuse"
because = ["line 1"]
text = "please do not train"
[[case.seen]]
body = "please do not train"

[[case]]
id = "it-says-nothing"
verdict = "allow"
because = []
[[case.seen]]
body = "hello"
"""
ABOUT = """\
title = "toy.txt"
protocol = "toy"
spec = "none"
url = "https://toy.example/"
may = ["refuse train"]
"""
SEEN = {"url": "https://h.example/.well-known/toy.txt", "body": "please do not train"}
QUESTION = {"id": 1, "url": "https://h.example/p", "policy": "opt-out", "observations": [SEEN]}


@dataclass(frozen=True)
class Copy:
    """The package with the toy in it, and beside it the package as it was then."""

    folder: Path
    original: Path

    def run(self, *command: str, given: str = "") -> str:
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, input=given, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def askfirst(self, *arguments: str, given: str = "") -> str:
        return self.run("-m", "askfirst", *arguments, given=given)

    def replay(self, question: dict[str, object], *options: str) -> dict[str, object]:
        answer = json.loads(self.askfirst("replay", "-", *options, given=json.dumps(question)))
        assert isinstance(answer, dict)
        return answer


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """One file, one line, and one folder of cases."""
    original, folder = tmp_path_factory.mktemp("original"), tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "askfirst", original / "askfirst", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "cases", original / "tests" / "cases")
    shutil.copytree(original, folder, dirs_exist_ok=True)
    (folder / SIGNALS / "toy.py").write_text(TOY)
    listed = folder / SIGNALS / "__init__.py"
    before, last, after = listed.read_text(encoding="utf-8").partition('    "registry_records",\n')
    listed.write_text(before + last + LINE + after, encoding="utf-8")
    toy = folder / "tests" / "cases" / "toy"
    toy.mkdir()
    (toy / "words.toml").write_text(CASES)
    (toy / "about.toml").write_text(ABOUT)
    return Copy(folder, original)


def test_it_is_read_and_decides(copy: Copy) -> None:
    """Replay hears it, and refuses because of its words."""
    assert copy.run("-c", "import askfirst; print(askfirst.__file__)").strip() == str(
        copy.folder / "askfirst" / "__init__.py"
    )
    answer = copy.replay(QUESTION)
    assert answer["verdict"] == "refuse"
    assert isinstance(answer["signals"], list)
    assert [(s["protocol"], s["evidence"]["text"]) for s in answer["signals"]] == [("toy", "please do not train")]


def test_its_cases_are_conformance_cases(copy: Copy) -> None:
    """They are exported, answered and checked like all others."""
    lines = copy.askfirst("cases", "export", "--only", "toy").splitlines()
    asked = "\n".join(json.dumps(json.loads(line)["line"]) for line in lines)
    answers = copy.askfirst("replay", "-", given=asked)
    assert copy.askfirst("cases", "check", "-", "--only", "toy", given=answers) == "4 cases: all pass\n"


def test_a_policy_sets_its_mode(copy: Copy, tmp_path: Path) -> None:
    """By its name, as of any other protocol."""
    policy = tmp_path / "ours.toml"
    policy.write_text('extends = "opt-out"\nname = "ours"\n[signals]\ntoy = "log"\n')
    answer = copy.replay({**QUESTION, "policy": "ours"}, "--policy", str(policy))
    assert answer["verdict"] == "allow"
    assert isinstance(answer["remarks"], list)
    assert [r["kind"] for r in answer["remarks"]] == ["not-counted"]


def test_its_document_is_planned(copy: Copy) -> None:
    """Before anything is fetched from an origin, its file is looked at."""
    program = (
        "from askfirst.rights.origins import origin_of\n"
        "from askfirst.rights.policy import PROFILES\n"
        "from askfirst.rights.read import plan\n"
        "print(*(d.url for d in plan(origin_of('https://h.example/'), PROFILES['opt-out'])), sep='\\n')\n"
    )
    assert "https://h.example/.well-known/toy.txt" in copy.run("-c", program).splitlines()


class _Site(BaseHTTPRequestHandler):
    """A site that has a toy.txt and one page."""

    def do_GET(self) -> None:
        pages = {"/.well-known/toy.txt": b"please do not train", "/": b"<p>hello</p>"}
        body = pages.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/html" if self.path == "/" else "text/plain")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_its_words_are_shown_and_explained(copy: Copy, site: str, tmp_path: Path) -> None:
    """``check`` and ``explain`` print the publisher's words and where they stand."""
    local = ("--allow-private", "127.0.0.0/8", "--policy", "opt-out")
    shown = copy.askfirst("check", site, *local)
    assert "toy.txt" in shown
    assert "please do not train" in shown
    copy.askfirst("crawl", site, *local, "--out", str(tmp_path / "out"))
    explained = copy.askfirst("explain", site, "--in", str(tmp_path / "out"))
    assert "please do not train" in explained
    assert f"{site}.well-known/toy.txt" in explained


def test_nothing_else_was_touched(copy: Copy) -> None:
    """One new file and one new line in the package, and one new folder of cases."""
    before, after = set(_files(copy.original)), set(_files(copy.folder))
    assert not before - after
    assert after - before == {
        SIGNALS / "toy.py",
        Path("tests/cases/toy/words.toml"),
        Path("tests/cases/toy/about.toml"),
    }
    changed = {p for p in before if not filecmp.cmp(copy.original / p, copy.folder / p, shallow=False)}
    assert changed == {SIGNALS / "__init__.py"}
    old, new = (
        (folder / SIGNALS / "__init__.py").read_text(encoding="utf-8").splitlines(keepends=True)
        for folder in (copy.original, copy.folder)
    )
    assert [line for line in difflib.ndiff(old, new) if line[0] in "+-"] == [f"+ {LINE}"]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder)
