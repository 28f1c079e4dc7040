"""The ``--help`` texts in docs/cli.md. ``python -m tests.cli_docs`` writes them anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
ENVIRONMENT = {**os.environ, "COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
_BLOCK = re.compile(r"^(#+ askfirst ?([a-z -]*)\n+```text\n)(.*?)(\n```)", re.MULTILINE | re.DOTALL)


def help_of(name: str) -> str:
    """What ``askfirst NAME --help`` prints on 80 columns."""
    program = "import sys; sys.argv[0] = 'askfirst'; from askfirst.cli import main; main()"
    command = [sys.executable, "-c", program, *name.split(), "--help"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def shown(page: str) -> dict[str, str]:
    """The texts on the page, by command."""
    return {found[2]: found[3] for found in _BLOCK.finditer(page)}


def renewed(page: str) -> str:
    """The page with the texts as they are now."""
    return _BLOCK.sub(lambda found: found[1] + help_of(found[2]) + found[4], page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
