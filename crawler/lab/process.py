"""The lab in a process of its own, for tests and the demo: started, read and stopped from here.

1. The process ends with its parent: the pipe to it closes, whatever becomes of us.
2. What was requested is read from the access log on disk, never asked of the server.
3. Each start is a lab that nobody has visited: what answers differently the first time does so again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from crawler.lab import sites
from crawler.lab.site import DOMAIN

STOP_TIMEOUT_S = 10


class LabError(Exception):
    """The lab did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One line of the access log. ``host`` has no port; ``path`` has its query; ``status`` is None where the lab never
    answers."""

    at: datetime
    host: str
    method: str
    path: str
    user_agent: str
    status: int | None


def read_log(log: Path) -> list[Request]:
    """The requests in an access log, in the order they came."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [_read_line(line) for line in lines]


def _read_line(line: str) -> Request:
    told = json.loads(line)
    return Request(
        at=datetime.fromisoformat(told["at"]),
        host=told["host"],
        method=told["method"],
        path=told["path"],
        user_agent=told["user_agent"],
        status=told["status"],
    )


class Lab:
    """A running lab. ``with Lab.start(log=…) as lab:`` stops it at the end of the block."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str], *, log: Path, port: int) -> None:
        self._process = process
        self._errors = errors
        self.log = log
        self.port = port

    @classmethod
    def start(cls, *, log: Path) -> Lab:
        """Starts a lab on a free loopback port and returns when it listens. ``log`` is appended to. Raises LabError."""
        errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in stop()
        command = [sys.executable, "-m", "crawler.lab", "--port", "0", "--log", str(log), "--until-eof"]
        process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
        assert process.stdout is not None  # PIPE was asked for
        ready = process.stdout.readline()
        if not ready:
            process.communicate(timeout=STOP_TIMEOUT_S)
            errors.seek(0)
            complaint = errors.read().strip() or "it said nothing"
            errors.close()
            raise LabError(f"the lab did not start (exit status {process.returncode}): {complaint}")
        return cls(process, errors, log=log, port=json.loads(ready)["port"])

    @property
    def resolve(self) -> str:
        """The resolver rule that makes the lab's names lead to it."""
        return f"*.{DOMAIN}=127.0.0.1"

    @property
    def allow_private(self) -> str:
        """The one address outside the public ones that a crawler of the lab has to be allowed."""
        return "127.0.0.1/32"

    @property
    def seeds(self) -> list[str]:
        """The URL of every site's front page."""
        return sites.seeds(self.port)

    @property
    def registry_records(self) -> list[dict[str, object]]:
        """What the lab's registry knows, in the import format."""
        return sites.registry_records(self.port)

    @property
    def registry_url(self) -> str:
        """Where the same records can be looked up over HTTP."""
        return f"http://{sites.REGISTRY_HOST}:{self.port}{sites.LOOK_UP_PATH}"

    def requests(self) -> list[Request]:
        """Every request so far. A request that was answered is in it."""
        return read_log(self.log)

    def stop(self) -> int:
        """Ends the process and returns its exit status. What it complained of goes to stderr. Can be called again."""
        if self._process.poll() is None:
            try:
                self._process.communicate(timeout=STOP_TIMEOUT_S)  # closes its stdin, which ends it
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
        if not self._errors.closed:
            self._errors.seek(0)
            sys.stderr.write(self._errors.read())
            self._errors.close()
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
