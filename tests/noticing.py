"""A file's place is looked at within ``appended.LOOK_EVERY_S``; these act until it has been."""

from __future__ import annotations

import time
from collections.abc import Callable

from askfirst.appended import LOOK_EVERY_S


def until_noticed(act: Callable[[], object]) -> None:
    """Acts again and again until the act raises, for long enough that it must."""
    end_s = time.monotonic() + 100 * LOOK_EVERY_S
    while time.monotonic() < end_s:
        act()
