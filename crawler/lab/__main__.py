"""``python -m crawler.lab``: runs the lab in the foreground.

Prints one line of JSON when it listens; ends on SIGINT, SIGTERM and, with ``--until-eof``, when its stdin ends.
Exit status: 0 ended as asked, 2 could not start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path

from crawler.lab import pictures, sites
from crawler.lab.server import Server
from crawler.lab.site import DOMAIN


def main() -> int:
    """Runs until told to end."""
    asked = _read_arguments()
    try:
        pictures.require_pillow()
        asyncio.run(_serve(asked))
    except pictures.PillowMissingError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"the lab could not start: {error}; choose another --port, --log or --registry-file")
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m crawler.lab",
        description="A small web on 127.0.0.1, made to find out whether a crawler asks first.",
        epilog=f'To look at it: chromium --host-resolver-rules="MAP *.{DOMAIN} 127.0.0.1" http://guide.{DOMAIN}:PORT/',
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0, the default, is any free one")
    parser.add_argument("--log", type=Path, required=True, help="access log to append to, one JSON object a line")
    parser.add_argument("--registry-file", type=Path, help="write the registry's records here, one JSON object a line")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin ends")
    return parser.parse_args()


async def _serve(asked: argparse.Namespace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    with asked.log.open("a", encoding="utf-8") as log:
        server = Server(log)
        await server.start(asked.port)
        try:
            records = sites.registry_records(server.port)
            if asked.registry_file is not None:
                asked.registry_file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
            if asked.until_eof:
                threading.Thread(target=_wait_for_eof, args=(loop, ended), daemon=True).start()
            _announce(server.port)
            await ended.wait()
        finally:
            await server.stop()


def _announce(port: int) -> None:
    told = {
        "port": port,
        "sites": [site.host for site in sites.SITES],
        "seeds": sites.seeds(port),
        "resolve": f"*.{DOMAIN}=127.0.0.1",
        "registry": f"http://{sites.REGISTRY_HOST}:{port}{sites.LOOK_UP_PATH}",
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _wait_for_eof(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    # os.read holds no lock of the interpreter's, so that an exit for another reason is not held up by it
    while os.read(sys.stdin.fileno(), 4096):
        continue
    loop.call_soon_threadsafe(ended.set)


def _complain(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
