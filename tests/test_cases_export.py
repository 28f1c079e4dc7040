"""The cases as another implementation meets them: exported, answered by a real process, and checked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst.cases import CaseError, cases, shortfalls

ROOT = Path(__file__).resolve().parent.parent
FILE = """
format = 1
spec = "a specification"
section = "1"
rule = "a rule"
document = "https://h.example/robots.txt"
{}
[[case]]
id = "one"
{}
[[case.seen]]
body = "User-agent: *\\nDisallow: /"
"""


def askfirst(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "askfirst", *arguments]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=120)


def lines(text: str) -> list[str]:
    """JSON Lines end at a line feed, and at nothing else that Python takes for the end of a line."""
    return text.removesuffix("\n").split("\n")


@pytest.fixture(scope="module")
def exported() -> list[dict[str, object]]:
    done = askfirst("cases", "export")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in lines(done.stdout)]


@pytest.fixture(scope="module")
def answers(exported: list[dict[str, object]]) -> list[str]:
    """The lines as ``askfirst replay -`` answers them."""
    done = askfirst("replay", "-", given="".join(json.dumps(case["line"]) + "\n" for case in exported))
    assert done.returncode == 0, done.stderr
    return lines(done.stdout)


def test_every_case_is_exported_and_passes(exported: list[dict[str, object]], answers: list[str]) -> None:
    """What is exported is every case, and our own program passes all of them."""
    assert [case["name"] for case in exported] == [case.name for case in cases(ROOT / "tests" / "cases")]
    done = askfirst("cases", "check", "-", given="\n".join(answers))
    assert (done.returncode, done.stdout) == (0, f"{len(exported)} cases: all pass\n")


def test_the_exported_lines_hold_what_docs_say(exported: list[dict[str, object]]) -> None:
    """Each line has the members that docs/cases.md lists, and its line's id is its name."""
    for case in exported:
        assert {"name", "spec", "section", "rule", "line", "wanted"} <= case.keys()
        assert case.keys() <= {"name", "spec", "section", "rule", "line", "wanted", "must", "note"}
        line = case["line"]
        assert isinstance(line, dict)
        assert line["id"] == case["name"]


def test_wrong_answers_are_found(answers: list[str], tmp_path: Path) -> None:
    """An altered verdict, a lost reason, an error, a missing answer and an unknown name are each said, with the case."""
    altered = [json.loads(line) for line in answers if '"id":"rfc9309/2.2.1-groups/' in line]
    kept = {answer["id"]: answer for answer in altered}
    kept["rfc9309/2.2.1-groups/R2"]["verdict"] = "allow"
    kept["rfc9309/2.2.1-groups/R3"]["because"] = []
    kept["rfc9309/2.2.1-groups/R14"] = {"id": "rfc9309/2.2.1-groups/R14", "error": "cannot"}
    del kept["rfc9309/2.2.1-groups/R1"]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps(answer) for answer in kept.values()))
    done = askfirst("cases", "check", str(path), "--only", "rfc9309/2.2.1-groups")
    said = done.stdout.splitlines()
    assert done.returncode == 1
    assert said[-1] == f"{len(altered)} cases: 4 failed"
    assert said[:-1] == [
        "rfc9309/2.2.1-groups/R1: was not answered",
        "rfc9309/2.2.1-groups/R2: verdict: allow because of ['line 6'], and not refuse",
        "rfc9309/2.2.1-groups/R3: because: of [], and not of ['line 3']",
        "rfc9309/2.2.1-groups/R14: was answered with an error: cannot",
    ]
    done = askfirst("cases", "check", "-", given="\n".join([*answers, '{"id": "nobody/knows/it", "verdict": "allow"}']))
    assert done.returncode == 1
    assert "nobody/knows/it: is none of our cases" in done.stdout.splitlines()


def test_a_part_can_be_listed_and_written_to_a_file(tmp_path: Path) -> None:
    """``--only`` takes a folder, a file or a case."""
    out = tmp_path / "cases.jsonl"
    done = askfirst("cases", "export", "--only", "ai_txt", "--only", "tdmrep/meta/one", "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    names = [json.loads(line)["name"] for line in out.read_text().splitlines()]
    assert {name.split("/")[0] for name in names} == {"ai_txt", "tdmrep"}
    assert [name for name in names if name.startswith("tdmrep")] == ["tdmrep/meta/one"]
    assert askfirst("cases", "list", "--only", "tdmrep/meta").stdout.splitlines()[-1] == "7 cases in 1 files"


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (["cases", "export", "--only", "none"], "", "--only 'none': no such folder"),
        (["cases", "export", "--out", "/"], "", "Is a directory"),
        (["cases", "check", "none.jsonl"], "", "none.jsonl: No such file or directory"),
        (["cases", "check", "-"], "{}\n", "-:1: id: must be the name of a case"),
        (["cases", "check", "-"], '{"id": "x"}\n\n[]\n', "-:3: is no JSON object"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], given: str, words: str) -> None:
    """The operator's mistakes exit with 2 and say what, where and what to do."""
    done = askfirst(*arguments, given=given)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("of_the_file", "of_the_case", "words"),
    [
        ("", "", "one: wants neither a verdict nor what is said"),
        ("", 'verdict = "maybe"', "one: Invalid enum value 'maybe'"),
        ("", 'verdict = "allow"\nbecause = "line 2"', "one: Expected `array | null`, got `str` - at `$.because`"),
        ("", 'verdict = "allow"\nbecuase = []', "one: becuase: unknown key"),
        ("", 'says = "refuse"', "one: says: must be a table"),
        ("polcy = 1", 'verdict = "allow"', "polcy: unknown key"),
        ("x = ", "", "Invalid value"),
    ],
)
def test_a_broken_case_file_says_where(of_the_file: str, of_the_case: str, words: str, tmp_path: Path) -> None:
    """Nothing that was meant to be wanted is passed over."""
    path = tmp_path / "f.toml"
    path.write_text(FILE.format(of_the_file, of_the_case))
    with pytest.raises(CaseError) as raised:
        list(cases(tmp_path))
    assert str(path) in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [{}, {"verdict": 1}, {"verdict": "allow", "because": [0]}, {"verdict": "refuse", "signals": [{}], "because": [0]}],
)
def test_what_is_no_answer_falls_short(answer: dict[str, object], tmp_path: Path) -> None:
    """Whatever an implementation prints, the check answers."""
    (tmp_path / "f.toml").write_text(FILE.format("", 'verdict = "allow"'))
    [case] = cases(tmp_path)
    [said] = shortfalls(case, answer)
    assert said.startswith("the answer is none")
