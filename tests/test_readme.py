"""What the README shows is what the program does: every command is run, and the demo's output is the real one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_docs import ENVIRONMENT, PAGE, renewed, shown

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the demo has run, and what it printed."""
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "askfirst", "demo"]
    done = subprocess.run(
        command, cwd=folder, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def settled(text: str) -> list[str]:
    """The lines of a demo's output, without what differs from run to run: seconds, ids, and padding."""
    lines = [re.sub(r"\(\d+\.\d s\)|explain [0-9a-f]{12}|\d+ requests", "…", line) for line in text.splitlines()]
    return [line.rstrip() for line in lines if line.strip()]


def test_the_demo_shown_is_the_real_one(demo: tuple[Path, str]) -> None:
    """The block in the README is what the demo prints."""
    block = re.search(r"<!-- demo -->\n+```text\n(.*?)```\n+<!-- /demo -->", README, re.DOTALL)
    assert block is not None
    assert settled(block[1]) == settled(demo[1])


def test_every_command_works(demo: tuple[Path, str]) -> None:
    """Each command line of the README ends well, one after the other, in a folder where the demo has run."""
    folder, _ = demo
    for command in (c for c in COMMANDS if not c.startswith("make ")):
        run = command.replace(".venv/bin/askfirst", f"{shlex.quote(sys.executable)} -m askfirst")
        done = subprocess.run(
            ["bash", "-c", run], cwd=folder, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_every_make_target_is_there(command: str) -> None:
    """The Makefile knows each target that the README names."""
    done = subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_help_shown_is_the_real_one() -> None:
    """docs/cli.md holds the --help of every command as the program prints it."""
    page = PAGE.read_text(encoding="utf-8")
    assert len(shown(page)) >= 6
    assert renewed(page) == page, "run: python -m tests.cli_docs"
