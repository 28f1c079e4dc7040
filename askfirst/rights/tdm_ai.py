"""A TDM·AI declaration: Liccium, "TDM·AI" (docs.tdmai.org, 4 November 2025), version 1.0. A draft for discussion.

A declaration is a JSON object that says of a work, named by its ISCC (ISO 24138), for what it may be used. This module
does not compare ISCCs (the registry has), and checks no signature.

1. ``all``, ``train-ai``, ``train-genai``, ``ai-use`` and ``search`` are ``"true"`` (allowed) or ``"false"``, as text.
   ``train-ai`` is taken from ``all`` where it is not there, ``train-genai`` from ``train-ai``.
2. ``ai-use`` and ``search`` stand alone on one page of the draft and below ``all`` on another. house: ``all`` that is
   false refuses them, ``all`` that is true does not permit them.
3. A narrower word supersedes a wider one: ``all`` false and ``train-genai`` true permits generative training. For the
   job that it permits, the wider refusals count for suspicious readers only; for every other job they stand.
4. INVARIANT: only a declaration that is as the schema has it (``version``, ``iscc`` and ``intent`` given, no unknown
   member, each value one of the two) permits or supersedes anything, and what it permits is a preference, no consent.
   Any other can only refuse. house: the prose asks for ``iscc`` alone, and writes ``supercede``, which is accepted.
5. house: what is not ``"false"`` and plainly means it (false, ``"no"``, another spelling of the member) refuses for
   careful readers. Nothing but ``"true"`` means true.
6. ``policy`` are the terms of a refusal. ``intent`` and ``reference`` take nothing back: of several declarations each
   counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from askfirst.rights.model import MAX_EVIDENCE_CHARS, Basis, Care, Category, Purpose, RemarkKind, Terms, Verdict
from askfirst.rights.origins import is_web_url
from askfirst.rights.reader import Target, writable
from askfirst.rights.robots_records import Claim, Words

SOURCE: Final = "TDM·AI declaration"
SPEC: Final = "TDM·AI 1.0 (draft), the declaration's schema"

_VERSION: Final = "1.0"
_INTENTS: Final = frozenset({"activate", "update", "supersede", "supercede"})
_USES: Final = frozenset({"all", "train-ai", "train-genai", "ai-use", "search"})
_MEMBERS: Final = _USES | {"version", "iscc", "intent", "reference", "summary", "policy"}
_ASKED: Final[Mapping[Category, tuple[str, ...]]] = {
    Category.TRAIN: ("train-ai", "all"),
    Category.TRAIN_GENERATIVE: ("train-genai", "train-ai", "all"),
    Category.TDM: ("all",),
    Category.AI_INPUT: ("ai-use", "all"),
    Category.SEARCH: ("search", "all"),
}
"""By category the members that speak of it, the narrowest first."""

_ALONE: Final = frozenset({Category.AI_INPUT, Category.SEARCH})
_JOBS: Final[Mapping[Purpose, tuple[Category, ...]]] = {
    Purpose.TRAIN: (Category.TRAIN, Category.TDM),
    Purpose.TRAIN_GENERATIVE: (Category.TRAIN_GENERATIVE, Category.TRAIN, Category.TDM),
    Purpose.TDM: (Category.TDM,),
    Purpose.AI_INPUT: (Category.AI_INPUT, Category.TDM),
    Purpose.SEARCH: (Category.SEARCH,),
}
"""By job its own category, and those that it is a kind of, whose refusal would refuse it as well."""

_NOES: Final = frozenset({
    "false", "f", "n", "no", "0", "off", "none", "deny", "denied", "disallow", "disallowed", "refuse", "refused",
    "forbidden", "prohibited", "reserved", "not allowed", "notallowed", "not-allowed",
})  # fmt: skip
_MAX_CHARS: Final = 2_048
_REMARKED: Final = 8


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a declaration says, job by job."""

    by_job: Mapping[Purpose, Words]

    def on(self, target: Target) -> Words:
        """What it says for the job."""
        return self.by_job[target.intent.purpose]


@dataclass(frozen=True, slots=True)
class _Said:
    """What one member says."""

    verdict: Verdict
    care: Care = Care.LITERAL


def is_declaration(given: Mapping[str, object]) -> bool:
    """Whether the object has an ISCC, or speaks of a use, in any spelling."""
    return any(key == "iscc" or _plain(key) in _USES for key in given)


def declaration(given: Mapping[str, object]) -> Declaration:
    """What a declaration says. Never raises on content."""
    said, notes = _members(given)
    flaws = list(_flaws(given))
    if flaws and said:
        notes.append((RemarkKind.MALFORMED, f"it can refuse, and cannot permit: {'; '.join(flaws[:_REMARKED])}"))
    elif not said:
        notes.append((RemarkKind.IGNORED, "it says of no use whether it is allowed"))
    permits = not flaws and not any(kind is RemarkKind.MALFORMED for kind, _ in notes)
    if not permits:
        said = {name: one for name, one in said.items() if one.verdict is not Verdict.ALLOW}
    terms = _terms(given.get("policy"))
    remarks = tuple(notes[: _REMARKED + 1])
    return Declaration({job: Words(tuple(_claims(said, job, terms)), remarks) for job in Purpose})


def _members(given: Mapping[str, object]) -> tuple[dict[str, _Said], list[tuple[RemarkKind, str]]]:
    """What each member about a use says, and what is remarked on those that do not say it as they should."""
    said: dict[str, _Said] = {}
    notes: list[tuple[RemarkKind, str]] = []
    for key, value in given.items():
        name = _plain(key)
        if name not in _USES:
            continue
        if key == name and value in ("true", "false"):
            one = _Said(Verdict.ALLOW if value == "true" else Verdict.REFUSE)
        elif _means_no(value):
            one = _Said(Verdict.REFUSE, Care.CONSERVATIVE)
            note = f'{name} is not written as the schema has it; careful readers take it for "false"'
            notes.append((RemarkKind.MALFORMED, note))
        else:
            note = f'{name} is not written as the schema has it ("true" or "false"), and has no effect'
            notes.append((RemarkKind.MALFORMED, note))
            continue
        known = said.get(name)
        if known is None or (-one.verdict, one.care) < (-known.verdict, known.care):
            said[name] = one
    return said, notes


def _means_no(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _NOES
    return isinstance(value, (bool, int, float)) and value == 0


def _flaws(given: Mapping[str, object]) -> Iterator[str]:
    """Why the schema would not have it, but for its uses."""
    missing = [name for name in ("version", "iscc", "intent") if given.get(name) is None]
    if missing:
        yield f"without {', '.join(missing)}"
    if given.get("version") not in (None, _VERSION):
        yield "of another version"
    if given.get("iscc") is not None and not _is_text(given["iscc"]):
        yield "its iscc is no text"
    intent = given.get("intent")
    if intent is not None and not (isinstance(intent, str) and intent in _INTENTS):
        yield "its intent is none that there is"
    for name in ("reference", "summary", "policy"):
        if name in given and not _is_text(given[name]):
            yield f"its {name} is no text"
    unknown = next((key for key in given if key not in _MEMBERS), None)
    if unknown is not None:
        yield f"unknown member {unknown[:40]!r}"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _claims(said: Mapping[str, _Said], job: Purpose, terms: Terms | None) -> Iterator[Claim]:
    superseded = _superseded(said, job)
    job_is = _JOBS[job]
    for category, names in _ASKED.items():
        narrowest = next((name for name in names if name in said), None)
        if narrowest is None:
            continue
        if said[narrowest].verdict is Verdict.ALLOW and not (narrowest == "all" and category in _ALONE):
            yield Claim(category=category, verdict=Verdict.ALLOW, word=narrowest)
        cares = [
            said[name].care
            if not _is_lifted(said, names, name) and not (name in superseded and category in job_is)
            else Care.STRICT
            for name in names
            if name in said and said[name].verdict is Verdict.REFUSE
        ]
        if cares:
            basis = Basis.RESERVATION
            yield Claim(category=category, verdict=Verdict.REFUSE, care=min(cares), basis=basis, terms=terms)


def _is_lifted(said: Mapping[str, _Said], names: tuple[str, ...], name: str) -> bool:
    """Whether a narrower member permits what this one refuses."""
    return any(narrower in said and said[narrower].verdict is Verdict.ALLOW for narrower in names[: names.index(name)])


def _superseded(said: Mapping[str, _Said], job: Purpose) -> tuple[str, ...]:
    """The members that are wider than the one that permits the job."""
    names = _ASKED[_JOBS[job][0]]
    narrowest = next((at for at, name in enumerate(names) if name in said), None)
    if narrowest is None or said[names[narrowest]].verdict is not Verdict.ALLOW:
        return ()
    return names[narrowest + 1 :]


def _terms(policy: object) -> Terms | None:
    if not isinstance(policy, str) or not policy.strip():
        return None
    text = writable(policy.strip()[:_MAX_CHARS])
    return Terms(url=text) if is_web_url(text) else Terms(reference=text[:MAX_EVIDENCE_CHARS])


def _plain(key: str) -> str:
    return key[:20].strip().lower().replace("_", "-")
