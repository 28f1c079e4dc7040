"""``datatrainingallowed`` in trust.txt: the trust.txt specification of JournalList (attribute of April 2024), and
draft-org-trust-relationship-protocol-00 (August 2024, expired).

Lines of ``name=value`` at ``/trust.txt`` and ``/.well-known/trust.txt``; ``#`` begins a comment. The other names
(member, control, social ...) say who belongs to whom and are not read, but for ``contact``.

1. ``no`` refuses training, for the whole site. ``yes`` is remarked and permits nothing: it is said of a site, and not
   of the works of others on it.
2. Both places are looked at, and each counts for itself: one refusal is enough.
3. The attribute stands at most once. house: where two disagree, ``no`` stands.
4. house: any other value says nothing, and refuses for conservative readers if it is a plain denial (``none``, ``0``,
   ``not allowed``) or a condition (``restricted``).
5. house: ``name: value`` is read as if it had the ``=``; the name with hyphens or underscores in it, and a file served
   as HTML, for conservative readers.
6. What follows from the status, and what is HTML, is as for ai.txt (askfirst.rights.site_file). What a cut-off file
   would have said is not known: DEFER.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from askfirst.rights.contact_words import address_of
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Contact,
    Evidence,
    Kind,
    Nearness,
    Observation,
    Reading,
    Remark,
    RemarkKind,
    Signal,
    Verdict,
)
from askfirst.rights.reader import SILENT, Constant, Reader, Statement, evidence, remark
from askfirst.rights.robotstxt import UNSEEN
from askfirst.rights.site_file import (
    MAX_LINES,
    is_page,
    lines_of,
    remarked,
    served_as_html,
    text_of,
    unread,
)

PROTOCOL = "trust.txt"
_SPEC = "trust.txt specification, datatrainingallowed"
_NAME = "datatrainingallowed"
_NAMES: Final = frozenset(
    {_NAME, "member", "belongto", "control", "controlledby", "social", "vendor", "customer", "disclosure", "contact"}
)
_MAX_CONTACTS: Final = 8
_QUOTES: Final = " \t\"'`.,;!"
_FIRST_WORD: Final = re.compile(r"[a-z0-9]+(?:-[a-z]+)*")
_DENIALS: Final = frozenset(
    {"no", "n", "not", "none", "never", "nobody", "false", "off", "0", "deny", "denied", "disallow", "disallowed"}
    | {"refuse", "refused", "reserved", "forbidden", "prohibited", "block", "blocked", "opt-out", "optout"}
    | {"conditional", "restricted", "limited"}
)


def read_trust_txt(observation: Observation, agent: Agent) -> Statement:  # noqa: ARG001  # trust.txt names no agents
    """What the file says of training."""
    missing = unread(observation, _deferred, source=PROTOCOL, spec=_SPEC)
    if missing is not None:
        return missing
    text = text_of(observation.body)
    if is_page(text):
        return remarked(observation, "an HTML or XML page stands in its place", source=PROTOCOL, spec=_SPEC)
    lines, cut = lines_of(text)
    said = list(_attributes(lines))
    signals, remarks = _training(observation, [one for one in said if _plain(one.name) == _NAME])
    if not any(one.name in _NAMES for one in said) and not signals and text.strip():
        words = evidence(observation, at="whole file", text=text.strip(), spec=_SPEC)
        remarks.append(remark(PROTOCOL, RemarkKind.IGNORED, "no name of trust.txt stands in it", words))
    if observation.truncated or cut:
        at = f"line {MAX_LINES}" if cut else f"byte {len(observation.body)}"
        words = evidence(observation, at=at, text="cut off here", spec=_SPEC)
        remarks.append(remark(PROTOCOL, RemarkKind.TRUNCATED, "the file is longer than is read", words))
        signals.append(_signal(Verdict.DEFER, Care.LITERAL, words))
    contacts = tuple(_contacts(observation, said))
    if not signals and not remarks and not contacts:
        return SILENT
    return Constant(Reading(signals=tuple(signals), remarks=tuple(remarks), contacts=contacts))


def _deferred(care: Care, words: Evidence) -> Signal:
    """house: nothing says that a failed look at trust.txt means something, and two of its places are looked at."""
    return _signal(Verdict.DEFER, max(care, Care.CONSERVATIVE), words)


@dataclass(frozen=True, slots=True)
class _Attribute:
    """One ``name=value``; ``name`` in lower case. ``colon``: it was written ``name: value``."""

    line: int
    text: str
    name: str
    value: str
    colon: bool


def _attributes(lines: list[str]) -> Iterator[_Attribute]:
    for number, line in enumerate(lines, 1):
        bare = line.strip().strip(UNSEEN).strip()
        name, mark, value = bare.partition("=")
        colon = not mark or ":" in name
        if colon:
            name, mark, value = bare.partition(":")
        if mark and bare[0] != "#" and 0 < len(name) <= 64:
            yield _Attribute(number, bare, name.strip().lower(), value.strip(), colon)


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(" ", "")


def _training(observation: Observation, said: list[_Attribute]) -> tuple[list[Signal], list[Remark]]:
    """The refusal that the values give, at most one, and what was made of the others."""
    html = served_as_html(observation)
    refusing: list[tuple[Care, _Attribute]] = []
    notes: list[tuple[RemarkKind, str, _Attribute]] = []
    for one in said:
        value = one.value.partition("#")[0].strip(_QUOTES).lower()
        word = _FIRST_WORD.match(value)
        exact = one.name == _NAME and not html
        if value == "no":
            refusing.append((Care.LITERAL if exact else Care.CONSERVATIVE, one))
        elif word is not None and word[0] in _DENIALS:
            refusing.append((Care.CONSERVATIVE, one))
            notes.append((RemarkKind.MALFORMED, "neither yes nor no: taken as no, for conservative readers", one))
        elif value == "yes":
            notes.append((RemarkKind.IGNORED, "a yes for the site: no permission for the works on it", one))
        else:
            notes.append((RemarkKind.MALFORMED, "neither yes nor no: nothing is read", one))
        if one.colon and value in {"yes", "no"}:
            notes.append((RemarkKind.MALFORMED, "written with a colon: read as if it had the equals sign", one))
    first = min(refusing, key=lambda found: (found[0], found[1].line), default=None)
    if first is not None and len(refusing) < len(said):
        notes.append((RemarkKind.CONTRADICTION, "said more than once, and not the same: a refusal stands", first[1]))
    remarks = [remark(PROTOCOL, kind, note, _words(observation, one)) for kind, note, one in _one_of_each(notes)]
    signals = [] if first is None else [_signal(Verdict.REFUSE, first[0], _words(observation, first[1]))]
    return signals, remarks


def _one_of_each(
    notes: list[tuple[RemarkKind, str, _Attribute]],
) -> Iterator[tuple[RemarkKind, str, _Attribute]]:
    """The first note of each sort, because a hostile file has many."""
    seen: set[str] = set()
    for kind, note, one in notes:
        if note not in seen:
            seen.add(note)
            yield kind, note, one


def _words(observation: Observation, one: _Attribute) -> Evidence:
    return evidence(observation, at=f"line {one.line}", text=one.text, spec=_SPEC)


def _signal(verdict: Verdict, care: Care, words: Evidence) -> Signal:
    return Signal(
        source=PROTOCOL,
        protocol=PROTOCOL,
        category=Category.TRAIN,
        basis=Basis.PREFERENCE,
        verdict=verdict,
        care=care,
        evidence=words,
    )


def _contacts(observation: Observation, said: list[_Attribute]) -> Iterator[Contact]:
    """Whom the file names to be asked, the first eight."""
    found: dict[str, _Attribute] = {}
    for one in said:
        address = address_of(one.value) if one.name == "contact" else None
        if address is not None and len(found) < _MAX_CONTACTS:
            found.setdefault(address, one)
    for address, one in found.items():
        yield Contact(source=PROTOCOL, nearness=Nearness.SITE, address=address, evidence=_words(observation, one))


READER = Reader(
    protocol=PROTOCOL,
    kinds=(Kind.WELL_KNOWN,),
    paths=("/trust.txt", "/.well-known/trust.txt"),
    parse=read_trust_txt,
)
