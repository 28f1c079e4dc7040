"""Kills a process that records before each of its calls that can change a file: ``python -m tests.record_kills FOLDER``.

Each goes on in the folder of a run that ended in order. For each call one line of JSON: the call's number and name, how
many decisions were acknowledged before it, which of them are lost, and what ``verify`` finds in what is left. The last
line is of the process that came to its end. The processes are forked of this one, which has imported everything and has no threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from datetime import datetime
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from askfirst.audit.verify import verify
from askfirst.segments import read_log
from tests import record_process

PAGES = 3
RUNS = "20261124T120000Z-1-before", "20261124T130000Z-2-killed"
CALLS = {"open", "close", "write", "writelines", "flush", "fsync", "fdatasync"}
CALLS |= {"truncate", "ftruncate", "rename", "replace", "unlink", "mkdir"}


def kill_before(number: int, told: int) -> None:
    """SIGKILL before the call of this number, whichever thread makes it; its name goes to the file ``told``."""
    left = number

    def called(_frame: FrameType, event: str, what: Any) -> None:
        nonlocal left
        if event == "c_call" and what.__name__ in CALLS and not isinstance(what.__self__, str | bytes | datetime):
            left -= 1
            if not left:
                os.write(told, what.__name__.encode())
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(called)
    sys.setprofile(called)


def record(out: Path, number: int) -> tuple[str, str, bool]:
    """Records, to the call of this number. Gives what was acknowledged, the name of the call and whether it ended."""
    acknowledged, name = os.pipe(), os.pipe()
    process = os.fork()
    if not process:
        os.dup2(acknowledged[1], 1)
        kill_before(number, name[1])
        whole_run(out, RUNS[1])
        sys.setprofile(None)
        os._exit(0)
    os.close(acknowledged[1])
    os.close(name[1])
    with os.fdopen(acknowledged[0]) as ids, os.fdopen(name[0]) as call:
        found = ids.read(), call.read()
    _, status = os.waitpid(process, 0)
    assert status in {0, signal.SIGKILL}, status
    return *found, status == 0


def whole_run(out: Path, name: str) -> None:
    """A run from its beginning to its end."""
    record_process.RUN = name
    asyncio.run(record_process.decide_on(out, PAGES))


def main(folder: Path) -> None:
    """See above."""
    os.environ["RECORD_CHECKPOINT_LEAVES"] = "2"
    whole_run(folder / "before", RUNS[0])
    for number in count(1):
        out = folder / str(number)
        shutil.copytree(folder / "before", out)
        ids, call, ended = record(out, number)
        told = verify(out)
        findings = [f"{one.place}: {one.what}" for one in told.findings]
        recorded = {json.loads(line)["id"] for _, _, line in read_log(out / "decisions", note=lambda _: None)}
        lost = sorted({*ids.split()} - recorded)
        line = {"number": number, "call": call, "acknowledged": len(ids.split()), "lost": lost, "findings": findings}
        print(json.dumps({**line, "said": told.said, "ended": ended}), flush=True)
        if ended:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
