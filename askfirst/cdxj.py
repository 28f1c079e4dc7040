"""CDXJ: where each response of a WARC file is, in the order in which archives look things up.

A line is the URL turned round (SURT), 14 digits of time and a JSON object. It is made of the file alone and can be made
again at any time. It knows nothing of what the records mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from fastwarc.warc import ArchiveIterator


def write_cdxj(path: Path) -> Path:
    """Writes the index of a WARC file beside it, in one step for who reads it; gives its path. Raises OSError."""
    lines: list[str] = []
    with path.open("rb") as file:
        records = ArchiveIterator(file, parse_http=False, max_header_len=1 << 20)
        before: tuple[int, str] | None = None
        for record in records:
            if before is not None:
                lines.append(_cdxj_line(before, record.stream_pos - before[0], path.name))
            fields = dict(record.headers.items())
            before = None
            if fields.get("WARC-Type") in ("response", "revisit"):
                block = record.reader.read()
                if len(block) == record.content_length and "WARC-Target-URI" in fields:  # else it was cut short
                    head = block.partition(b"\r\n\r\n")[0].decode("latin-1")
                    before = record.stream_pos, _cdxj_told(fields, head)
        if before is not None:
            lines.append(_cdxj_line(before, path.stat().st_size - before[0], path.name))
    index = path.with_suffix(".cdxj")
    growing = path.with_suffix(".cdxj.growing")
    growing.write_text("".join(sorted(lines)), encoding="utf-8")
    return growing.replace(index)


def _cdxj_told(fields: Mapping[str, str], head: str) -> str:
    url = fields.get("WARC-Target-URI", "")
    status = head.split(" ", 2)[1] if head.startswith("HTTP/") and " " in head else ""
    mime = re.search(r"(?im)^Content-Type: *([^;\r\n]*)", head)
    digits = re.sub(r"[^0-9]", "", fields.get("WARC-Date", ""))[:14]
    members = {
        "url": url,
        "mime": "warc/revisit" if fields["WARC-Type"] == "revisit" else (mime[1].strip() if mime else "unk"),
        "status": status,
        "digest": fields.get("WARC-Payload-Digest", ""),
    }
    return f"{_surt(url)} {digits} {json.dumps(members)[:-1]}"


def _cdxj_line(before: tuple[int, str], length: int, name: str) -> str:
    offset, told = before
    return f'{told}, "length": "{length}", "offset": "{offset}", "filename": {json.dumps(name)}}}\n'


def _surt(url: str) -> str:
    """The URL as archives sort it: host backwards, lower case, no scheme, no port that goes without saying."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:  # no URL: sorted as it is
        return quote(url)
    host = ",".join(reversed((parts.hostname or "").removeprefix("www.").split(".")))
    query = f"?{parts.query}" if parts.query else ""
    return f"{host}{port}){parts.path or '/'}{query}".lower().replace(" ", "%20")
