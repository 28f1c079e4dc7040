"""The command line; ``askfirst.cli.app`` is all of it, and says what the exit codes mean.

This module imports nothing of it until it is called: the processes that help a long command import what its script
imports, and need none of that.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    from askfirst.cli.app import run  # noqa: PLC0415  # see above

    run(sys.argv[1:])
