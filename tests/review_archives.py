"""Makes web archives as other tools do: by warcio's writer. Nothing here is a test.

Exchange(url, at, …)          a request and its answer, two records that name each other
archive(path, *exchanges)     the file; gzipped when its name ends in .gz
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

NOON: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
AGENT: Final = "ExBot/1.0 (+https://bot.example/)"
HTML: Final = (("Content-Type", "text/html; charset=utf-8"),)
PAGE: Final = b"<!doctype html><html><head><title>A page</title>%s</head><body><p>Some words.</p></body></html>"
PLAIN_PAGE: Final = PAGE % b""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer, ``minutes`` after noon. ``agent`` None leaves the request out."""

    url: str
    minutes: float = 0
    status: str = "200 OK"
    fields: Sequence[tuple[str, str]] = HTML
    body: bytes = PLAIN_PAGE
    agent: str | None = AGENT
    kind: str = "response"
    more: Sequence[tuple[str, str]] = ()

    @property
    def at(self) -> datetime:
        return NOON + timedelta(minutes=self.minutes)


def robots(host: str, text: str, *, minutes: float = 0, status: str = "200 OK") -> Exchange:
    """A capture of a robots.txt."""
    return Exchange(
        url=f"https://{host}/robots.txt",
        minutes=minutes,
        status=status,
        fields=(("Content-Type", "text/plain"),),
        body=text.encode(),
    )


def archive(path: Path, *exchanges: Exchange, info: dict[str, str] | None = None) -> Path:
    """The archive of these exchanges, in this order."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=path.name.endswith(".gz"))
        if info is not None:
            writer.write_record(writer.create_warcinfo_record(path.name, info))
        for exchange in exchanges:
            _write(writer, exchange)
    return path


def _write(writer: WARCWriter, exchange: Exchange) -> None:
    date = {"WARC-Date": f"{exchange.at:%Y-%m-%dT%H:%M:%SZ}"}
    answer = writer.create_warc_record(
        exchange.url,
        exchange.kind,
        payload=io.BytesIO(exchange.body),
        http_headers=StatusAndHeaders(exchange.status, list(exchange.fields), protocol="HTTP/1.1"),
        warc_headers_dict={**date, **dict(exchange.more)},
    )
    if exchange.agent is None:
        writer.write_record(answer)
        return
    request = writer.create_warc_record(
        exchange.url,
        "request",
        http_headers=StatusAndHeaders("GET / HTTP/1.1", [("User-Agent", exchange.agent)], is_http_request=True),
        warc_headers_dict=date,
    )
    writer.write_request_response_pair(request, answer)
