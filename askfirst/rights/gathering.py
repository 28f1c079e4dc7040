"""Which observations count for a resource, and as what: its origin's, those that others name, and what is inside it.

The gate only ever looks at what counts. Replay is given observations by people, who need not know all of our kinds:
what a document is then follows from what names or displays it.

1. Well-known documents count at the resource's own origin.
2. A document that is named counts as what it is named for, wherever it lives. Where licenses (or policies) are named,
   the others do not count; where none is, a license counts by itself, so that one protocol can be tried alone.
3. A page of another address that displays the resource is a page about it, and no step on the way to it.
4. What is inside a work is found in the bytes of its 2xx response, unless it was found before. An observation of kind
   ASSET that is no packet is the work itself.
5. What is named and was not looked at is remarked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urldefrag

from askfirst.rights.carriers import MOST_BYTES
from askfirst.rights.html import elements
from askfirst.rights.inside import inside
from askfirst.rights.listening import Listeners
from askfirst.rights.media import content_type, may_be_html
from askfirst.rights.model import (
    Agent,
    Care,
    Document,
    Evidence,
    Intent,
    Kind,
    Observation,
    Reading,
    Remark,
    RemarkKind,
)
from askfirst.rights.origins import is_web_url, origin_of
from askfirst.rights.patterns import one_spelling
from askfirst.rights.reader import MAX_NAMED

_SAID_ELSEWHERE: Final = frozenset({Kind.PAGE, Kind.ORIGINAL})
_NAMED_KINDS: Final = frozenset({Kind.LICENSE, Kind.POLICY})
_LOOSELY_TOLD: Final = frozenset({Kind.WELL_KNOWN, Kind.RESPONSE})
_OURS: Final = "application/vnd.askfirst."


def named(observations: Iterable[Observation], agent: Agent, readers: Listeners, care: Care) -> tuple[Document, ...]:
    """The documents on the web that the observed ones name, each once, the first eight of each kind by each."""
    found: dict[Document, None] = {}
    for seen in observations:
        if seen.document.kind in _SAID_ELSEWHERE:
            continue  # what such a document names bears on itself
        here: dict[Kind, dict[Document, None]] = {}
        for reader in readers.to(seen):
            if reader.names is not None:
                for name in reader.names(seen, agent):
                    if name.care <= care and is_web_url(name.document.url):
                        here.setdefault(name.document.kind, {})[name.document] = None
        for documents in here.values():
            found.update(dict.fromkeys(list(documents)[:MAX_NAMED]))
    return tuple(found)


def gathered(
    intent: Intent, observations: Iterable[Observation], care: Care, readers: Listeners
) -> tuple[Observation, ...]:
    """The observations that count for an intent, each as what it is."""
    given = tuple(_told(seen, intent.url, readers) for seen in observations)
    home = origin_of(intent.url)
    local = tuple(o for o in given if o.document.kind is not Kind.WELL_KNOWN or origin_of(o.document.url) == home)
    names: dict[str, Document] = {}
    for document in named((o for o in local if o.document.kind not in _NAMED_KINDS), intent.agent, readers, care):
        # by its own address too, because one document may be named as two things, whose fragments tell them apart
        names[document.url] = document
        names.setdefault(urldefrag(document.url)[0], document)
    kinds = {document.kind for document in names.values()}
    counted = (_counted(seen, intent.url, names, kinds) for seen in given)
    at_home = {id(seen) for seen in local}
    found = [
        seen
        for seen, one in zip(counted, given, strict=True)
        if seen is not None and (id(one) in at_home or seen is not one)
    ]
    return tuple(seen for one in found for seen in _opened(one, inner=any(map(_is_packet, given))))


def _told(seen: Observation, url: str, readers: Listeners) -> Observation:
    """A page that displays the resource, as such."""
    document = seen.document
    if (
        document.kind not in _LOOSELY_TOLD
        or document.url == url
        or (document.kind is Kind.WELL_KNOWN and readers.to(seen))
        or seen.status is None
        or not 200 <= seen.status < 300
        or not may_be_html(seen)
    ):
        return seen
    image = one_spelling(url)
    if not any(one_spelling(shown) == image for shown in elements(seen).images):
        return seen
    return replace(seen, document=replace(document, kind=Kind.PAGE))


def _counted(seen: Observation, url: str, names: dict[str, Document], kinds: set[Kind]) -> Observation | None:
    """The observation as what it is named for; None for a license or policy instead of which others are named."""
    document = seen.document
    name = names.get(document.url) or names.get(urldefrag(document.url)[0])
    if document.kind in _NAMED_KINDS and document.kind in kinds and (name is None or name.kind is not document.kind):
        return None
    if name is None or document.url == url or document.kind not in _LOOSELY_TOLD | {name.kind}:
        return seen
    return seen if document.url == name.url and document.kind is name.kind else replace(seen, document=name)


def _is_packet(seen: Observation) -> bool:
    told = content_type(seen)
    return seen.document.kind is Kind.ASSET and told is not None and (told in MOST_BYTES or told.startswith(_OURS))


def _opened(seen: Observation, *, inner: bool) -> Iterator[Observation]:
    """The observation, and what is inside it where that is not among the others; of a work that is given as an asset
    only what is inside it."""
    if seen.document.kind is Kind.ASSET and not _is_packet(seen):
        work = replace(seen, document=replace(seen.document, kind=Kind.RESPONSE))
        yield from inside(work) or (seen,)
        return
    yield seen
    if not inner:
        yield from packets(seen)


def packets(response: Observation) -> tuple[Observation, ...]:
    """The rights metadata inside the work that a response carried whole."""
    if response.document.kind is not Kind.RESPONSE or response.whole_digest is not None:
        return ()
    if response.status is None or not 200 <= response.status < 300:
        return ()
    return inside(response)


def unseen(observations: Sequence[Observation], agent: Agent, care: Care, readers: Listeners) -> Reading:
    """A remark for each license that is named and was not looked at."""
    looked = {(o.document.kind, o.document.url) for o in observations}
    return Reading(
        remarks=tuple(
            Remark(
                source="a document that is named",
                kind=RemarkKind.NOT_COUNTED,
                note=f"{document.url[:150]} was not looked at, and has no effect",
                evidence=Evidence(
                    document_url=document.url, digest=_NOTHING_SEEN, at="not looked at", text="", spec=""
                ),
            )
            for document in named(observations, agent, readers, care)
            if document.kind is Kind.LICENSE and (document.kind, document.url) not in looked
        )
    )


_NOTHING_SEEN: Final = "sha256:" + "0" * 64
