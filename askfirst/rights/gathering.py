"""Which observations count for a resource, and as what: its origin's, those that others name, and what is inside it.

The gate only ever looks at what counts. Replay is given observations by people, who need not know all of our kinds:
what a document is then follows from what names or displays it.

1. Well-known documents count at the resource's own origin.
2. A document that is named counts as what it is named for, wherever it lives, unless it was observed as that besides;
   a well-known one counts as what it is, too. Where licenses (or policies) are named, the others do not count; where
   none is, a license counts by itself, so that one protocol can be tried alone.
3. A page of another address that displays the resource is a page about it, and no step on the way to it.
4. What is inside a work is found in the bytes of its 2xx response, unless it was found before. An observation of kind
   ASSET that is no packet is the work itself.
5. What is named and was not looked at is remarked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

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
    told = [_told(seen, intent.url, readers) for seen in observations]
    inner = any(map(is_packet, told))
    given = [seen for one in told for seen in _opened(one, inner=inner)]
    home = origin_of(intent.url)
    local = [o for o in given if o.document.kind is not Kind.WELL_KNOWN or origin_of(o.document.url) == home]
    naming = (o for o in local if o.document.kind not in _NAMED_KINDS)
    names = _Names(named(naming, intent.agent, readers, care), given)
    at_home = set(map(id, local))
    return tuple(
        seen
        for one in given
        for seen in _counted(one, intent.url, names, readers)
        if seen is not one or id(one) in at_home
    )


class _Names:
    """The documents that are named, by address. ``given`` are the observations, as they were given."""

    def __init__(self, documents: Iterable[Document], given: Iterable[Observation]) -> None:
        self._by_url: dict[str, list[Document]] = {}
        self._given = {(o.document.kind, o.document.url) for o in given}
        for document in documents:
            # by its own address too, because one document may be named as two things, whose fragments tell them apart
            for url in dict.fromkeys((document.url, _bare(document.url))):
                self._by_url.setdefault(url, []).append(document)
        self.kinds = {document.kind for listed in self._by_url.values() for document in listed}

    def given_for(self, document: Document) -> list[Document]:
        """What an observation of the document may stand for: itself where it is named, else what is named there and
        was not observed as that."""
        named_here = self._by_url.get(document.url) or self._by_url.get(_bare(document.url), [])
        if any((document.kind, document.url) == (one.kind, one.url) for one in named_here):
            return [document]
        return [one for one in named_here if (one.kind, one.url) not in self._given]


def _bare(url: str) -> str:
    return url.partition("#")[0]


def _counted(seen: Observation, url: str, names: _Names, readers: Listeners) -> Iterator[Observation]:
    """The observation as what it is named for, and as what it is where it is heard as that; nothing for a license or
    policy instead of which others are named."""
    document = seen.document
    named_as = names.given_for(document)
    if document.kind in _NAMED_KINDS and document.kind in names.kinds:
        named_as = [one for one in named_as if one.kind is document.kind]
    elif document.kind not in _LOOSELY_TOLD or document.url == url or not named_as:
        yield seen
        return
    elif document.kind is Kind.WELL_KNOWN and readers.to(seen):
        yield seen
    for one in named_as:
        yield seen if one is document else replace(seen, document=one)


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


def is_packet(seen: Observation) -> bool:
    """Whether it is a packet that was found inside a work, and no work."""
    told = content_type(seen)
    return seen.document.kind is Kind.ASSET and told is not None and (told in MOST_BYTES or told.startswith(_OURS))


def _opened(seen: Observation, *, inner: bool) -> Iterator[Observation]:
    """The observation, and what is inside it where ``inner``, what is inside a work, is not among the others; of a work
    that is given as an asset only what is inside it."""
    if seen.document.kind is Kind.ASSET and not is_packet(seen):
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
    """A remark for each license that is named and was not looked at: there is none where the gate looked."""
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
