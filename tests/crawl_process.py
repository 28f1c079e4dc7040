"""``scrapy crawl`` in a process of its own, and what it left on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from tests.small_web import Web, is_look

CHECKOUT = Path(__file__).parent.parent
QUICK = {
    "DOWNLOAD_DELAY": "0",
    "AUTOTHROTTLE_ENABLED": "False",
    "RETRY_TIMES": "0",
    "ASKFIRST_ALLOW_PRIVATE": "127.0.0.0/8",
    "ASKFIRST_RESOLVE": "*.lab.test=127.0.0.1",
    "ASKFIRST_DEFER_WAIT_S": "0.01",
}


def begin(spider: str, out: Path, settings: dict[str, str] | None = None, **arguments: str) -> subprocess.Popen[str]:
    """Starts a crawl."""
    command = [sys.executable, "-m", "scrapy", "crawl", spider]
    for name, value in (QUICK | {"ASKFIRST_OUT": str(out)} | (settings or {})).items():
        command += ["-s", f"{name}={value}"]
    for name, value in arguments.items():
        command += ["-a", f"{name}={value}"]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def crawl(spider: str, out: Path, settings: dict[str, str] | None = None, **arguments: str) -> str:
    """Runs a crawl to its end; returns its log."""
    process = begin(spider, out, settings, **arguments)
    said, _nothing = process.communicate(timeout=120)
    return said


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL: nothing in the process can see it coming."""
    process.kill()
    process.communicate(timeout=30)


def items(out: Path) -> dict[str, dict[str, object]]:
    """The rows of items.parquet by URL."""
    rows = pq.read_table(out / "items.parquet").to_pylist()
    assert len({row["url"] for row in rows}) == len(rows)
    return {row["url"]: row for row in rows}


def decisions(out: Path) -> list[dict[str, object]]:
    """Every line of the decision logs."""
    lines: list[dict[str, object]] = []
    for path in sorted((out / "decisions").glob("*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                lines.append(json.loads(line))  # noqa: PERF401 - a torn last line is passed over
    return lines


def summary(out: Path) -> dict[str, object]:
    """summary.json."""
    told: dict[str, object] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return told


@contextmanager
def asked_before(web: Web, out: Path) -> Iterator[list[str]]:
    """The URLs that were requested, while this lasts, without a decision on disk that allows the request: there should
    be none."""
    unasked: list[str] = []

    def look(host: str, path: str) -> None:
        url = web.url(path, host)
        if not is_look(path) and not any(
            line["url"] == url and line["stage"] == "fetch" and line["verdict"] == "allow" for line in decisions(out)
        ):
            unasked.append(url)

    before, web.on_request = web.on_request, look
    try:
        yield unasked
    finally:
        web.on_request = before
