"""IPTC-IIM (IIM 4.2), and Photoshop's image resources, which hold it in JPEG and TIFF (resource 0x0404).

Only the data sets that speak of rights are read: the copyright notice, special instructions, credit, by-line, contact.

1. Text is UTF-8 where data set 1:90 says so (``ESC % G``); else it is taken for UTF-8 if it is, and for Latin-1 if not.
2. An extended data set (longer than 32,767 octets) ends the look: no rights field is that long.
3. house: an XMP packet in resource 0x0424, where Photoshop keeps it in its own files, is handed out, too.
"""

from __future__ import annotations

import struct
from typing import Final

from askfirst.rights.carriers import Found

MOST_BYTES: Final = 1_048_576
_FIELDS: Final = {
    116: "IPTC 2:116 Copyright Notice",
    40: "IPTC 2:40 Special Instructions",
    110: "IPTC 2:110 Credit",
    80: "IPTC 2:80 By-line",
    118: "IPTC 2:118 Contact",
}
_MOST_DATA_SETS: Final = 4_096
_MOST_RESOURCES: Final = 1_024


def resources(block: bytes, found: Found) -> None:
    """The rights fields in a run of Photoshop's image resources."""
    at = 0
    for _ in range(_MOST_RESOURCES):
        if not block.startswith(b"8BIM", at) or at + 12 > len(block):
            return
        number = int.from_bytes(block[at + 4 : at + 6], "big")
        name_length = block[at + 6]
        start = at + 6 + name_length + 1 + (name_length + 1) % 2
        if start + 4 > len(block):
            return
        size = int.from_bytes(block[start : start + 4], "big")
        start += 4
        if number == 0x0404:
            fields(block[start : start + size], found)
        elif number == 0x0424:
            found.made(block[start : start + size][:MOST_BYTES], cut=start + size > len(block) or size > MOST_BYTES)
        at = start + size + size % 2


def fields(block: bytes, found: Found) -> None:
    """The rights fields in an IPTC-IIM block."""
    at, encoding = 0, None
    for _ in range(_MOST_DATA_SETS):
        if at + 5 > len(block) or block[at] != 0x1C:
            return
        record, number, size = struct.unpack_from(">BBH", block, at + 1)
        if size & 0x8000:
            return
        value = block[at + 5 : at + 5 + size]
        if record == 1 and number == 90 and value == b"\x1b%G":
            encoding = "utf-8"
        elif record == 2 and number in _FIELDS:
            found.field(_FIELDS[number], value, encoding)
        at += 5 + size
