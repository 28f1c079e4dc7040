"""Ends a process that records before each of its calls that can change a file, or lets that one call fail:

    python -m tests.record_kills FOLDER kill|fail

Each process goes on in the folder of a run that ended in order. For each call one line of JSON: its number and name, how
many decisions were acknowledged, which of them are lost, what ``verify`` finds in what is left, and how the process
ended: ``killed``, ``failed`` with one line, ``done``, or as it never should. The last line is of one that made fewer calls. The
processes are forked of this one, which has imported everything and has no threads.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from askfirst.audit.verify import verify
from askfirst.ports import EdgeError, SettingsError
from askfirst.segments import read_log
from tests import record_process

PAGES = 3
RUNS = "20261124T120000Z-1-before", "20261124T130000Z-2-killed"
CALLS = {"open", "close", "write", "writelines", "flush", "fsync", "fdatasync"}
CALLS |= {"truncate", "ftruncate", "rename", "replace", "unlink", "mkdir"}
ENDS = {0: "done", 1: "failed", 2: "crashed", signal.SIGKILL: "killed", signal.SIGALRM: "hung"}
HANGS_S = 20


def kill() -> None:
    """Nothing in the process can see it coming."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """The disk is full, for one call."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def before_call(number: int, act: Callable[[], None], told: int) -> None:
    """``act`` before the call of this number, whichever thread makes it; its name goes to the file ``told``."""
    left = number

    def called(frame: FrameType, event: str, what: Any) -> None:
        nonlocal left
        if event != "c_call" or what.__name__ not in CALLS or isinstance(what.__self__, str | bytes | datetime):
            return
        # the one that tells what was acknowledged is not of the record; and a file that is not closed stays locked
        if frame.f_code.co_name != "given" and not (act is fail and what.__name__ == "close"):
            left -= 1
            if not left:
                os.write(told, what.__name__.encode())
                act()

    threading.setprofile(called)
    sys.setprofile(called)


def whole_run(out: Path, name: str) -> None:
    """A run from its beginning to its end. Raises EdgeError."""
    record_process.RUN = name
    asyncio.run(record_process.decide_on(out, PAGES))


def record(out: Path, number: int, act: Callable[[], None]) -> tuple[str, str, str]:
    """Records, to the call of this number. Gives what was acknowledged, the name of the call and how it ended."""
    acknowledged, name = os.pipe(), os.pipe()
    process = os.fork()
    if not process:
        os.dup2(acknowledged[1], 1)
        signal.alarm(HANGS_S)
        before_call(number, act, name[1])
        status = 0
        try:
            whole_run(out, RUNS[1])
        except (EdgeError, SettingsError) as error:
            sys.stderr.write(f"{number}: {error}\n")
            status = 1
        except BaseException:  # noqa: BLE001  # whatever it is, the process does not go on as this one
            traceback.print_exc()
            status = 2
        finally:
            os._exit(status)
    os.close(acknowledged[1])
    os.close(name[1])
    with os.fdopen(acknowledged[0]) as ids, os.fdopen(name[0]) as call:
        found = ids.read(), call.read()
    _, status = os.waitpid(process, 0)
    return *found, ENDS[os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else os.WTERMSIG(status)]


def main(folder: Path, act: Callable[[], None]) -> None:
    """See above."""
    os.environ["RECORD_CHECKPOINT_LEAVES"] = "2"
    whole_run(folder / "before", RUNS[0])
    for number in count(1):
        out = folder / str(number)
        shutil.copytree(folder / "before", out)
        ids, call, end = record(out, number, act)
        told = verify(out)
        findings = [f"{one.place}: {one.what}" for one in told.findings]
        recorded = {json.loads(line)["id"] for _, _, line in read_log(out / "decisions", note=lambda _: None)}
        lost = sorted({*ids.split()} - recorded)
        line = {"number": number, "call": call, "acknowledged": len(ids.split()), "lost": lost, "findings": findings}
        print(json.dumps({**line, "said": told.said, "end": end}), flush=True)
        if not call:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), {"kill": kill, "fail": fail}[sys.argv[2]])
