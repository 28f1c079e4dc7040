"""The command line as people meet it: the real program in a process of its own, its words and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from crawler.lab import Lab

ROOT = Path(__file__).resolve().parent.parent


def askfirst(*arguments: str, given: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "askfirst", *arguments]
    return subprocess.run(command, cwd=cwd, input=given, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab.start(log=tmp_path_factory.mktemp("lab") / "access.jsonl") as lab:
        yield lab


def to(lab: Lab) -> list[str]:
    return ["--allow-private", lab.allow_private, "--resolve", lab.resolve]


MISTAKES = {
    "no http url": (["check", "ftp://h/x"], "is not an http or https URL"),
    "no url at all": (["crawl", "museum.example"], "write it with its scheme"),
    "unknown purpose": (
        ["check", "https://h.example/", "--purpose", "fun"],
        "purpose: 'fun' is none of search, ai-input",
    ),
    "no such policy": (
        ["check", "https://h.example/", "--policy", "lax"],
        "policy 'lax': is no profile (opt-out, opt-in, strict)",
    ),
    "no such registry": (
        ["crawl", "https://h.example/", "--registry", "none.sqlite"],
        "registry 'none.sqlite': no such file",
    ),
    "bad cache": (["crawl", "https://h.example/", "--cache", "memcached://h"], "unknown scheme"),
    "bad network": (["check", "https://h.example/", "--allow-private", "127"], "127"),
    "bad pin": (["check", "https://h.example/", "--resolve", "h.example"], "h.example"),
    "no token": (["check", "https://h.example/", "--user-agent", "0/1"], "product token"),
    "short id": (["explain", "abc", "--in", "."], "holds no decisions"),
    "replay of nothing": (["replay"], "name either a FILE"),
    "replay of no file": (["replay", "none.jsonl"], "none.jsonl: No such file or directory"),
    "import of no file": (["registry", "import", "none.jsonl"], "none.jsonl: no such file"),
    "list of no registry": (["registry", "list", "--registry", "none.sqlite"], "registry none.sqlite: no such file"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_an_operators_mistake_is_one_line_and_exit_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    """What, where, and what to do next, on one line of standard error; nothing is written."""
    done = askfirst(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("askfirst: ")
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


POLICIES = {
    "not TOML": ("extends = ", "not TOML"),
    "unknown key": ("extend = 'opt-in'", "extend: unknown key"),
    "unknown profile": ("extends = 'lax'", "extends: 'lax' is no profile"),
    "unknown signal": ("[signals]\nrobot = 'obey'", "signals.robot: unknown signal"),
    "unknown mode": ("[signals]\n'ai.txt' = 'ignore'", "signals.ai.txt: 'ignore' is no mode"),
    "age too long": ("[max_age]\n'robots.txt' = 99999999", "max_age.robots.txt: must be whole seconds from 1 to 86400"),
    "licence without reference": ("[[licence]]\nscope = 'h.example'\npurposes = ['train']\nvalid_until = 2027-01-01", "licence[0].reference: missing"),
    "bad scope": ("[[consent]]\nscope = ''\npurposes = ['train']\nvalid_until = 2027-01-01\nreference = 'r'", "consent[0]"),
    "override without a person": ("[[override]]\nscope = 'h.example'\npurposes = ['train']\nvalid_until = 2027-01-01\nreason = 'r'", "override[0].person: missing"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), POLICIES.values(), ids=POLICIES.keys())
def test_a_broken_policy_names_its_key(text: str, words: str, tmp_path: Path) -> None:
    """A policy file that cannot be used stops the program with the path of the key, before anything is written."""
    policy = tmp_path / "policy.toml"
    policy.write_text(text, encoding="utf-8")
    done = askfirst("crawl", "https://h.example/", "--policy", str(policy), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{policy}: {words}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_check_shows_every_signal_with_a_caret_and_a_decision_for_each_purpose(lab: Lab) -> None:
    """The words, where they stand, and what follows under each profile."""
    done = askfirst("check", f"http://committee.lab.test:{lab.port}/", *to(lab))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    words = next(i for i, line in enumerate(lines) if 'content="noai"' in line)
    assert lines[words + 1].strip() == "^^^^"
    assert lines[words + 1].index("^") == lines[words].index("noai")
    assert any("tdmrep.json permits tdm" in line for line in lines)
    assert {line.split()[0] for line in lines if " allow " in line or " refuse " in line} >= {"search", "tdm", "train"}


def test_check_json_is_one_object_and_agrees_with_replay(lab: Lab) -> None:
    """--json carries signals, remarks and decisions for every profile and purpose."""
    done = askfirst("check", f"http://artist.lab.test:{lab.port}/", "--json", *to(lab))
    told = json.loads(done.stdout)
    assert set(told["decisions"]) == {"opt-out", "opt-in", "strict"}
    assert {by_purpose["train"]["verdict"] for by_purpose in told["decisions"].values()} == {"refuse"}
    assert {signal["protocol"] for signal in told["signals"]} >= {"meta-robots", "robots.txt"}


def test_check_does_not_ask_for_what_robots_txt_refuses(lab: Lab) -> None:
    """The page itself is not requested where an access rule refuses it, and the reason is said."""
    url = f"http://archive.lab.test:{lab.port}/private/letters.html"
    done = askfirst("check", url, "--purpose", "train", *to(lab))
    assert "the page itself was not read: robots.txt refuses it" in done.stdout
    assert not [visit for visit in lab.requests() if visit.path == "/private/letters.html"]


def test_check_follows_redirects_hop_by_hop(lab: Lab) -> None:
    """Each hop is asked about at its own origin, and a shut door at the end is not knocked at."""
    shut = askfirst("check", f"http://signpost.lab.test:{lab.port}/old/letters.html", "--purpose", "train", *to(lab))
    assert f"http://archive.lab.test:{lab.port}/robots.txt" in shut.stdout
    assert "the page itself was not read: robots.txt refuses it" in shut.stdout
    knocked = [visit for visit in lab.requests() if visit.path == "/private/letters.html"]
    assert knocked == []
    opened = askfirst("check", f"http://signpost.lab.test:{lab.port}/old/beans.html", "--purpose", "train", *to(lab))
    assert f"http://blog.lab.test:{lab.port}/may.html" in opened.stdout
    assert "allow (silence)" in opened.stdout


def test_nothing_can_be_said_of_a_site_that_cannot_be_reached() -> None:
    """Exit 3, and DEFER for every purpose."""
    done = askfirst("check", "http://127.0.0.1:9/", "--timeout", "1", "--purpose", "train")
    assert done.returncode == 3
    assert "defer (robots.txt" in done.stdout


def test_the_registry_is_administered_whole_or_not_at_all(tmp_path: Path) -> None:
    """add, list, import and remove; a bad line imports nothing and is named by its number."""
    registry = str(tmp_path / "r.sqlite")
    add = askfirst("registry", "add", "museum.example", "grant", "train", "--reference", "r1", "--registry", registry)
    assert add.returncode == 0, add.stderr
    records = tmp_path / "records.jsonl"
    good = {"scope": "https://a.example/p/", "categories": ["train"], "verdict": "refuse"}
    records.write_text(json.dumps(good) + "\n" + json.dumps({**good, "verdict": "maybe"}) + "\n", encoding="utf-8")
    bad = askfirst("registry", "import", str(records), "--registry", registry)
    assert bad.returncode == 2
    assert f"{records} line 2" in bad.stderr
    listed = askfirst("registry", "list", "--json", "--registry", registry).stdout.splitlines()
    assert [json.loads(line)["scope"] for line in listed] == ["museum.example"]
    csv = tmp_path / "records.csv"
    csv.write_text("scope,categories,verdict,reference\nb.example,train tdm,grant,r2\n", encoding="utf-8")
    assert askfirst("registry", "import", str(csv), "--registry", registry).returncode == 0
    assert "b.example" in askfirst("registry", "list", "--registry", registry).stdout
    assert askfirst("registry", "remove", "b.example", "--registry", registry).returncode == 0
    again = askfirst("registry", "remove", "b.example", "--registry", registry)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_replay_answers_each_line_on_its_place() -> None:
    """A line that is not valid is answered with an error on its place, the others are still answered, and exit is 2."""
    lines = [
        {"id": 1, "url": "https://h/q", "policy": "opt-out", "observations": [{"url": "https://h/robots.txt", "body": "User-agent: *\nDisallow: /q"}]},
        {"id": 2},
        {"id": 3, "url": "https://h/p", "policy": "opt-in"},
    ]  # fmt: skip
    done = askfirst("replay", "-", given="\n".join(map(json.dumps, lines)) + "\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2
    assert [answer["id"] for answer in answers] == [1, 2, 3]
    assert (answers[0]["verdict"], answers[0]["signals"][answers[0]["because"][0]]["evidence"]["at"]) == (
        "refuse",
        "line 2",
    )
    assert "url: missing" in answers[1]["error"]
    assert (answers[2]["verdict"], answers[2]["because"]) == ("refuse", [])


def test_crawl_explains_itself(lab: Lab, tmp_path: Path) -> None:
    """A crawl ends with a table; explain finds a decision by URL and by the beginning of its id; replay finds no fault."""
    url = f"http://newspaper.lab.test:{lab.port}/"
    out = str(tmp_path / "out")
    done = askfirst("crawl", url, "--policy", "opt-out", "--out", out, "--delay", "0", *to(lab))
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout
    assert "refused by tdmrep" in done.stdout
    log = [json.loads(line) for path in (tmp_path / "out" / "decisions").glob("*.jsonl") for line in path.open()]
    refused = next(d for d in log if d["verdict"] == "refuse")
    by_id = askfirst("explain", refused["id"].removeprefix("sha256:")[:12], "--in", out)
    by_url = askfirst("explain", refused["url"], "--in", out)
    assert by_id.stdout == by_url.stdout
    assert "tdm-reservation" in by_id.stdout
    assert "mailto:rights@newspaper.lab.test" in by_id.stdout
    unknown = askfirst("explain", "f" * 12, "--in", out)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    replayed = askfirst("replay", "--in", out)
    assert replayed.returncode == 0
    assert f"{len(log)} decisions follow from their evidence, 0 do not" in replayed.stdout


def test_help_is_there_for_every_command() -> None:
    """Each command says what it does and what its options are."""
    for command in ("crawl", "check", "explain", "replay", "registry", "demo"):
        done = askfirst(command, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout


def test_the_version_is_that_of_the_package() -> None:
    """``--version`` prints the version that pip shows, and nothing else."""
    told = askfirst("--version")
    assert (told.returncode, told.stdout) == (0, f"askfirst {version('askfirst')}\n")


def test_a_helping_process_imports_no_command() -> None:
    """The processes that help import the script again, and what it imports is none of the commands."""
    program = (
        "import sys; import askfirst.cli; print(sorted(set(sys.modules) & {'typer', 'scrapy', 'askfirst.cli.app'}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_looking_into_a_log_takes_no_crawler() -> None:
    """A command imports what it needs: the audit neither Scrapy nor the demo."""
    program = (
        "import sys; from askfirst.cli.app import app_for; app_for(['audit', 'verify']);"
        "print('askfirst.cli.audit' in sys.modules, sorted(set(sys.modules) & {'scrapy', 'askfirst.cli.demo'}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "True []\n"
