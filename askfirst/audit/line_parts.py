"""The cut of a decision's line: its head, its ruling and what it looked at, for those who parse each ruling only once.

What this module does not do: parse, or know what the members mean.

1. The order of members is the record's (``askfirst.rights.wire``): head, ``ask`` with which the ruling begins,
   ``looked_at``.
2. INVARIANT: a cut falls between members of the outermost object. ``,"ask":[`` and ``,"looked_at":[`` cannot stand
   inside a JSON text, where each quote has a backslash before it; cut inside an object, a part is no JSON.
3. A line of another shape is not cut. It is to be parsed whole, as one whose parts are no JSON is, and means the same.
"""

from __future__ import annotations

_RULING, _LOOKED_AT = b',"ask":[', b',"looked_at":['


def parts_of(line: bytes) -> tuple[bytes, bytes, int] | None:
    """The head as a JSON object, the ruling's members without braces, which most lines share with others, and where the
    entries of ``looked_at`` begin, which end two bytes before the line; None for a line of another shape. Of what is
    long no more is copied than every caller needs: it runs for every line."""
    begin, end = line.find(_RULING), line.rfind(_LOOKED_AT)
    if not 0 < begin < end or not line.endswith(b"]}"):
        return None
    return line[:begin] + b"}", line[begin + 1 : end], end + len(_LOOKED_AT)
