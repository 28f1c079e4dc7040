"""What RSL licenses say of a resource: RSL 1.0 (10 December 2025, errata to 7 August 2026), sections 3.1.1, 3.3 to 3.17
and 4.3. The documents are read by askfirst.rights.rsl.

We are a crawler of data sets: somebody's, commercial until we know better, in a country that nobody knows, without a
license token, and with nobody to report to. What one license says of one use is told by askfirst.rights.rsl_uses.

1. Of the contents that match, the most specific decides: the longest path, a ``*`` at its end not counted. Paths are
   matched as RFC 9309 has it; an absolute URL must be of the resource's own origin. Of equals the most restrictive.
2. What a valid document permits without prohibition and condition is an ALLOW. A license without ``permits`` permits
   everything. Nothing of an invalid document is an ALLOW.
3. A document that cannot be read, or is no RSL 1.0, leaves a work unlicensed: every use by AI is refused; of search
   nothing is said (section 4.3), unless it is prohibited in so many words.
4. A license inside a page speaks of what it stands in, whatever URL it gives (section 4.6.2).

house: a closed list that leaves search to another content of the same path refuses it only to conservative readers:
publishers write search and AI as two contents. A content of the same host with or without ``www.``, of the other scheme
or another port, or without a scheme, can refuse to conservative readers, where none of the resource's own origin
matches. A document with a content whose address cannot be understood permits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from askfirst.rights.contact_words import address_of, resolved
from askfirst.rights.model import (
    NOTHING,
    Basis,
    Care,
    Category,
    Contact,
    Evidence,
    Nearness,
    Observation,
    Origin,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Terms,
    Verdict,
)
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.patterns import Pattern, PatternIndex, spellings
from askfirst.rights.reader import Target, evidence, remark, writable
from askfirst.rights.rsl import Node, Note, RslDocument
from askfirst.rights.rsl_uses import AI_USES, CATEGORIES, Answer, Finding, Use, mining, of_content, refuses, short

PROTOCOL: Final = "rsl"
_ABSOLUTE: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*+):)?+//([^/?]*+)")
_HOST: Final = re.compile(r"[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++(?::[0-9]{1,5})?+(?=[/?]|\Z)")
_MAX_REMEMBERED: Final = 4_096
_MAX_CONTACTS: Final = 8


@dataclass(frozen=True, slots=True)
class _Content:
    """A content as it is found by the index; ``origin`` is None for a path of whichever origin names the document."""

    index: int
    node: Node
    origin: Origin | None
    length: int
    exact: bool


class RslStatement:
    """What a document says of the resources that it was named for. ``source`` and ``place`` are for evidence: where in
    the observation the document stands, if that is not all of it. ``refuses_only``: it may be meant for others.
    ``inline``: it stands inside the page that it speaks of, whatever URL it gives."""

    __slots__ = (
        "_askable",
        "_by_contents",
        "_default",
        "_document",
        "_findings",
        "_index",
        "_inline",
        "_lost",
        "_observation",
        "_place",
        "_refuses_only",
        "_remarks",
        "_source",
    )

    def __init__(
        self,
        observation: Observation,
        document: RslDocument,
        *,
        source: str,
        place: str = "",
        refuses_only: bool = False,
        inline: bool = False,
    ) -> None:
        self._observation = observation
        self._document = document
        self._source = source
        self._place = place
        self._refuses_only = refuses_only
        self._inline = inline
        self._index, self._lost = _indexed(document)
        self._remarks = tuple(self._remark(note) for note in _notes(document))
        self._default = self._unmatched()
        self._by_contents: dict[tuple[object, ...], Reading] = {}
        self._findings: dict[tuple[Use, int], Finding] = {}
        self._askable: dict[int, tuple[str | None, str | None]] = {}

    def on(self, target: Target) -> Reading:
        found, near = self._contents(target)
        if not found:
            return self._default
        key = (near, *(content.index for content in found))
        reading = self._by_contents.get(key)
        if reading is None:
            if len(self._by_contents) > _MAX_REMEMBERED:
                self._by_contents.clear()
            reading = self._by_contents[key] = self._reading(found, near=near)
        return reading

    # -- which contents ----------------------------------------------------------------------------------------------

    def _contents(self, target: Target) -> tuple[list[_Content], bool]:
        """The most specific contents that match, and whether they do so only nearly."""
        home = _home(target.intent.url) if len(self._index) > ("" in self._index) else None
        keys = ["", *([_bare(home.host)] if home is not None else [])]
        found = [content for key in keys if key in self._index for content in self._index[key].matching(target.path)]
        own = [content for content in found if content.origin in (None, home)]
        best = max((content.length for content in own or found), default=0)
        # a pattern in two spellings is one content
        chosen = {content.index: content for content in own or found if content.length == best}
        if self._inline and not own:
            whole = [_Content(n, node, None, 0, exact=False) for n, node in enumerate(self._document.contents)]
            return whole, False
        return list(chosen.values()), not own and bool(found)

    def _unmatched(self) -> Reading:
        """What is said of resources that no content speaks of."""
        broken = self._document.broken
        signals = () if broken is None else self._unlicensed(broken)
        return Reading(signals=signals, remarks=self._remarks) if signals or self._remarks else NOTHING

    # -- what they say -----------------------------------------------------------------------------------------------

    def _reading(self, found: Sequence[_Content], *, near: bool) -> Reading:
        answers = {use: self._joined(use, found) for use in Use}
        answers[Use.TDM] = mining(answers)
        doubted = near or self._lost or self._refuses_only or not self._document.valid
        doubted = doubted or not all(c.exact for c in found)
        broken = self._document.broken
        signals: list[Signal] = [] if broken is None else list(self._unlicensed(broken))
        for use, findings in answers.items():
            if broken is not None and (use is not Use.SEARCH or findings[0].answer is not Answer.PROHIBITED):
                continue
            for finding in findings:
                if finding.answer is Answer.DOUBTED or (finding.answer is Answer.FREE and doubted):
                    continue
                care = max(finding.care, Care.CONSERVATIVE) if near else finding.care
                terms = self._terms(finding, found)
                signals += [self._signal(category, finding, care, terms) for category in CATEGORIES[use]]
        return Reading(signals=tuple(signals), remarks=self._remarks, contacts=self._contacts(found, answers))

    def _joined(self, use: Use, found: Sequence[_Content]) -> tuple[Finding, ...]:
        """What the contents say together: the most restrictive, and what it leaves open."""
        said = [self._of_content(use, content) for content in found]
        if use is Use.SEARCH and not all(f.answer is Answer.EXCLUDED for f in said):
            said = [replace(f, care=Care.CONSERVATIVE) if f.answer is Answer.EXCLUDED else f for f in said]
        # what only a careful reader counts hides nothing from the others
        literal = [f for f in said if f.care is Care.LITERAL]
        worst = [max(group, key=lambda f: f.answer) for group in (literal, said) if group]
        return tuple(worst[:1] if worst[0] is worst[-1] else worst)

    def _of_content(self, use: Use, content: _Content) -> Finding:
        """What one content says, worked out once: many paths may meet it in ever other company."""
        known = self._findings.get((use, content.index))
        if known is None:
            known = self._findings[use, content.index] = of_content(use, content.node)
        return known

    def _unlicensed(self, broken: Note) -> tuple[Signal, ...]:
        words = self._evidence(broken, "4.3")
        terms = Terms(url=self._document_url(), reference=short(f"unlicensed: {broken.note}"))
        return tuple(
            _signal(self._source, category, Verdict.REFUSE, words, terms)
            for use in AI_USES
            for category in CATEGORIES[use]
        )

    def _signal(self, category: Category, finding: Finding, care: Care, terms: Terms) -> Signal:
        verdict = Verdict.ALLOW if finding.answer is Answer.FREE else Verdict.REFUSE
        words = self._evidence(Note("", finding.node.line, finding.node.words), finding.section)
        return _signal(self._source, category, verdict, words, terms, care)

    def _terms(self, finding: Finding, found: Sequence[_Content]) -> Terms:
        base = self._observation.document.url
        url = next((u for page in finding.pages if (u := _web(page, base)) is not None), None)
        if url is None:
            url = next((u for c in found if (u := self._whom(c)[1]) is not None), None)
        contact = next((a for c in found if (a := self._whom(c)[0]) is not None), None)
        return Terms(url=url or self._document_url(), contact=contact, reference=finding.reference)

    # -- whom to ask -------------------------------------------------------------------------------------------------

    def _contacts(self, found: Sequence[_Content], answers: dict[Use, tuple[Finding, ...]]) -> tuple[Contact, ...]:
        note = next(
            (f.reference for use in AI_USES for f in answers[use] if refuses(f) and f.reference is not None), None
        )
        contacts: list[Contact] = []
        for content in found[:_MAX_CONTACTS]:
            holder = _anywhere(content.node, "copyright")
            name = writable(holder.text[:200]) if holder is not None and holder.text else None
            address, terms_url = self._whom(content)
            if name is None and address is None and terms_url is None:
                continue
            at = holder or _anywhere(content.node, "legal") or content.node
            contacts.append(
                Contact(
                    source=self._source,
                    nearness=Nearness.TERMS,
                    name=name,
                    address=address,
                    terms_url=terms_url,
                    protocol=PROTOCOL,
                    note=note,
                    evidence=self._evidence(Note("", at.line, at.words), "3.16"),
                )
            )
        return tuple(contacts)

    def _whom(self, content: _Content) -> tuple[str | None, str | None]:
        """Where to reach somebody, and where the terms are written down; looked for once in each content."""
        known = self._askable.get(content.index)
        if known is None:
            known = self._address(content.node), self._human_terms(content.node)
            self._askable[content.index] = known
        return known

    def _address(self, content: Node) -> str | None:
        holder = _anywhere(content, "copyright")
        said = [legal.text for node in (content, *content.all("license")) for legal in _contact_lines(node)]
        if holder is not None:
            said += [holder.attribute("contactEmail"), holder.attribute("contactUrl")]
        base = self._observation.document.url
        return next((address for value in said if (address := address_of(value, base)) is not None), None)

    def _human_terms(self, content: Node) -> str | None:
        terms = _anywhere(content, "terms")
        return None if terms is None else _web(terms.text, self._observation.document.url)

    # -- words -------------------------------------------------------------------------------------------------------

    def _document_url(self) -> str:
        return writable(self._observation.document.url.partition("#")[0])

    def _evidence(self, note: Note, section: str) -> Evidence:
        at = f"{self._place} line {note.line}".strip()
        return evidence(self._observation, at=at, text=note.words, spec=f"RSL 1.0 section {section}")

    def _remark(self, note: Note) -> Remark:
        return remark(self._source, RemarkKind.MALFORMED, note.note[:200], self._evidence(note, "3"))


def unlicensed(observation: Observation, *, source: str, how: str) -> Reading:
    """What follows from a document that is named and could not be had (section 4.3); ``how`` says why."""
    words = evidence(observation, at=how, text=how, spec="RSL 1.0 section 4.3")
    terms = Terms(
        url=writable(observation.document.url.partition("#")[0]), reference=f"unlicensed: the license gave {how}"
    )
    return not_licensed(source, Verdict.REFUSE, words, terms)


def not_licensed(
    source: str, verdict: Verdict, words: Evidence, terms: Terms | None, care: Care = Care.LITERAL
) -> Reading:
    """The same for every use by AI: nobody can say that there is a license (section 4.3)."""
    return Reading(
        signals=tuple(
            _signal(source, category, verdict, words, terms, care) for use in AI_USES for category in CATEGORIES[use]
        )
    )


def _signal(
    source: str, category: Category, verdict: Verdict, words: Evidence, terms: Terms | None, care: Care = Care.LITERAL
) -> Signal:
    return Signal(
        source=source,
        protocol=PROTOCOL,
        category=category,
        basis=Basis.LICENCE,
        verdict=verdict,
        terms=terms,
        evidence=words,
        care=care,
    )


# -- contents ---------------------------------------------------------------------------------------------------------


def _indexed(document: RslDocument) -> tuple[dict[str, PatternIndex[_Content]], bool]:
    """The contents by the host that they name, without ``www.``; those of no host under the empty name. And whether
    some content has an address that nothing can be found by, so that nobody knows what it is about."""
    entries: dict[str, list[tuple[str, int, _Content]]] = {}
    lost = False
    for index, node in enumerate(document.contents):
        places = list(_places(node))
        lost = lost or not places
        for origin, written, exact in places:
            path = written if written.startswith(("/", "*")) else "/" + written
            # `/a*` is `/a`, so that neither is more specific; in `/a$*` the dollar sign does not end the path
            shorter = path.rstrip("*") or "/"
            path = path if shorter.endswith("$") else shorter
            content = _Content(index, node, origin, Pattern.parse(path).length, exact)
            key = "" if origin is None else _bare(origin.host)
            entries.setdefault(key, []).extend((octets, 0, content) for octets in spellings(path))
    return {key: PatternIndex(listed) for key, listed in entries.items()}, lost


def _places(node: Node) -> Iterator[tuple[Origin | None, str, bool]]:
    """Origin, path, and whether both stand as they should. house: an address without its scheme is one of a host that
    no origin has, so that it is found, and only nearly."""
    url, fragment, _ = node.attribute("url").partition("#")
    exact = not fragment and "\\" not in url and "url" in node.attributes
    absolute, bare = _ABSOLUTE.match(url), _HOST.match(url)
    if absolute is not None and absolute[1] is not None:
        origin = _home(absolute[0])
        if origin is not None:
            yield origin, url[absolute.end() :], exact
        return
    if absolute is None:
        yield None, url or "/", exact and url[:1] in {"", "/", "*"}
    named = absolute[2] if absolute is not None else bare[0] if bare is not None else ""
    origin = _home(f"http://{named}")
    if origin is not None:
        yield replace(origin, scheme="", port=0), url.partition(named)[2], False


def _home(url: str) -> Origin | None:
    try:
        return origin_of(url)
    except UrlError:
        return None


def _bare(host: str) -> str:
    return host.removeprefix("www.")


def _anywhere(content: Node, name: str) -> Node | None:
    """An element of the content, also where it stands in a license by mistake."""
    return next((found for node in (content, *content.all("license")) if (found := node.first(name)) is not None), None)


def _contact_lines(node: Node) -> Iterable[Node]:
    return (legal for legal in node.all("legal") if legal.attribute("type") == "contact")


# -- small things -----------------------------------------------------------------------------------------------------


def _notes(document: RslDocument) -> tuple[Note, ...]:
    return (*([] if document.broken is None else [document.broken]), *document.notes)


def _web(value: str, base: str) -> str | None:
    """A web address, resolved; None for what is none."""
    url = resolved(value, base)
    return url if url is not None and url.startswith("http") else None
