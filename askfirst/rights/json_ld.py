"""What a JSON-LD script says about licenses and rightsholders: schema.org's properties for them, and nothing else.

The artifact is the text of ``<script type="application/ld+json">``, taken as plain JSON with fixed keys: no context is
loaded and no vocabulary is resolved. Prefixes (``schema:license``) and full addresses (``https://schema.org/license``)
of keys are left off.

1. Every object counts wherever it stands, in ``@graph`` and lists, too, but for those inside a rightsholder.
2. A value is a text, or an object's ``@id``, ``url``, ``name``, ``email`` and ``telephone``. One that only has an
   ``@id`` takes the rest from the object of that ``@id`` in the same script.
3. INVARIANT: what ``works`` writes (``written``) is JSON that it reads as the same works. An evidence file may hold it,
   for an article's text and all else that a page says of itself is left out.
4. house: a comment or a CDATA section around the JSON, as old pages have it, and what stands behind it are passed over.
5. house: 1,000 values are walked, 32 deep; 16 objects count, 4 values of a property, 500 characters of a text. What is
   no JSON says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

TERMS: Final = ("license", "usageInfo", "acquireLicensePage")
HOLDERS: Final = ("copyrightHolder", "creator")
ACCESS: Final = ("conditionsOfAccess", "isAccessibleForFree")
SPEAKING: Final = re.compile(r"license|usageinfo|copyrightholder|conditionsofaccess", re.IGNORECASE)
"""The words one of which a script must hold to be read at all; ``acquireLicensePage`` holds the first."""

Value = Mapping[str, str]
Work = Mapping[str, tuple[Value, ...]]
"""By property, in the order of the lists above, the values; a plain text is ``{"@value": text}``. ``@type`` may be
among them."""

_PROPERTIES: Final = (*TERMS, *HOLDERS, *ACCESS)
_KEPT: Final = ("@id", "url", "name", "email", "telephone")
_DECODER: Final = json.JSONDecoder(strict=False)
_AROUND: Final = re.compile(r"\s*+(?:(?://|/\*)?\s*+<!(?:--|\[CDATA\[)\s*+(?:\*/)?)?\s*+")
_MAX_WORKS: Final = 16
_MAX_VALUES: Final = 4
_MAX_CHARS: Final = 500
_MAX_NODES: Final = 1_000
_MAX_DEPTH: Final = 32


def works(text: str) -> tuple[Work, ...]:
    """What the script says of the works it describes. Never raises on content."""
    try:
        around = _AROUND.match(text)
        said, _ = _DECODER.raw_decode(text, 0 if around is None else around.end())
    except (ValueError, RecursionError):
        return ()
    objects = list(_objects(said))
    known = {i: o for o in reversed(objects) if isinstance(i := o.get("@id"), str) and len(o) > 1}
    found = (_work(o, known) for o in objects)
    return tuple(work for work in found if work.keys() - {"@type"})[:_MAX_WORKS]


def written(said: tuple[Work, ...]) -> str:
    """The works as JSON: without a ``<``, so that it can stand in a script."""
    plain = [
        {key: [v.get("@value", v) if v.keys() == {"@value"} else v for v in values] for key, values in work.items()}
        for work in said
    ]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _objects(said: object) -> Iterator[dict[str, object]]:
    """The objects that describe something, in document order."""
    left: list[tuple[object, int]] = [(said, 0)]
    walked = 0
    while left and walked < _MAX_NODES:
        value, depth = left.pop()
        walked += 1
        if isinstance(value, dict):
            plain = {_plain(key): member for key, member in value.items()}
            yield plain
            inner = [member for key, member in plain.items() if key not in _PROPERTIES]
        elif isinstance(value, list):
            inner = value
        else:
            continue
        if depth < _MAX_DEPTH:
            left.extend((v, depth + 1) for v in reversed(inner[:_MAX_NODES]) if isinstance(v, dict | list))


def _plain(key: str) -> str:
    return key.rpartition("/")[2] if "schema.org/" in key else key.removeprefix("schema:")


def _work(described: Mapping[str, object], known: Mapping[str, Mapping[str, object]]) -> Work:
    said = {key: values for key in _PROPERTIES if (values := _values(described.get(key), known))}
    kind = _values(described.get("@type"), {})
    return {"@type": kind, **said} if said and kind else said


def _values(said: object, known: Mapping[str, Mapping[str, object]]) -> tuple[Value, ...]:
    listed = said[:_MAX_VALUES] if isinstance(said, list) else [said]
    return tuple(value for one in listed if (value := _value(one, known)))


def _value(said: object, known: Mapping[str, Mapping[str, object]]) -> Value:
    if isinstance(said, dict):
        if isinstance(literal := said.get("@value"), str | bool):
            return _value(literal, known)
        members = {_plain(key): member for key, member in said.items()}
        if isinstance(i := members.get("@id"), str) and not members.keys() & set(_KEPT[1:]):
            members = {**known.get(i, {}), "@id": i}
        return {key: text for key in _KEPT if (text := _text(members.get(key)))}
    text = _text(said)
    return {"@value": text} if text else {}


def _text(said: object) -> str:
    if isinstance(said, list):
        said = said[0] if said else None
    if isinstance(said, bool):
        return str(said).lower()
    if isinstance(said, dict):
        said = said.get("@id", said.get("@value"))
    if not isinstance(said, str):
        return ""
    return said.strip()[:_MAX_CHARS].strip().encode("utf-8", "replace").decode("utf-8")
