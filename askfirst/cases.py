"""The conformance cases: what a document says, and what must follow, as data that other implementations can run.

A case file is TOML of ``format = 1``; docs/cases.md describes it. Every case is a line for ``askfirst replay`` with
what is wanted of the answer, and :func:`shortfalls` says what an answer lacks. Nothing is run here.

1. A case that wants what is ``said`` for several purposes is one case per purpose: ``folder/file/id/purpose``.
2. An unknown key is refused by name, so that nothing that was meant to be wanted is passed over.
3. A wanted thing that is left out is not looked at; one that is empty wants that there is nothing.
"""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

Table = Mapping[str, object]

FORMAT = 1


class CaseError(ValueError):
    """Case files that cannot be used: says which file, which case, and what is wrong."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is wanted of an answer.

    ``because`` are the places of the reasons, in any order, and ``text`` the words of each. ``said`` is the answer for
    the purpose in one word: ``permit`` is an allow because of something, ``silence`` an answer because of nothing.
    ``heard`` is, by protocol, all that counts of it, in any order, such as ``refuse fetch: line 2``. ``basis`` is that
    of every reason. ``remarks`` are kinds that must be among the remarks, ``remark_notes`` words that a remark must
    have, ``remarks_of``, by source, the kinds of all its remarks in any order. ``terms``, ``contact`` and ``reference``
    are those of the reasons that have terms, empty for none; ``ask`` are members that the first entry of ``ask`` must
    have; ``contradictions`` has words of each contradiction, in order.
    """

    verdict: Literal["allow", "defer", "refuse"] | None = None
    because: tuple[str, ...] | None = None
    said: Literal["refuse", "defer", "permit", "silence"] | None = None
    text: str | None = None
    basis: str | None = None
    heard: dict[str, tuple[str, ...]] | None = None
    remarks: tuple[str, ...] | None = None
    remark_notes: tuple[str, ...] | None = None
    remarks_of: dict[str, tuple[str, ...]] | None = None
    terms: str | None = None
    contact: str | None = None
    reference: str | None = None
    ask: dict[str, str] | None = None
    contradictions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: its name (``folder/file/id``), its file's facts, the sentences of the specification that it stands
    for, the replay line, and what is wanted."""

    name: str
    spec: str
    section: str
    rule: str
    must: tuple[str, ...] = ()
    note: str | None = None
    line: Table
    wanted: Wanted


# ---- from files

_LINE = ("url", "purpose", "policy", "stage", "media", "at", "registry")
_OF_A_FILE = {"format", "spec", "section", "rule", "must", "document", "kind", "deviation", "note", "case", "agent"}
_OF_A_CASE = {"id", "note", "must", "agent", "seen", "says", *_LINE} | (set(Wanted.__struct_fields__) - {"said"})


def case_folder() -> Path:
    """Where the cases are: packaged beside this file, or else in the checkout. Raises CaseError."""
    here = Path(__file__).resolve().parent
    for folder in (here / "_cases", here.parent / "tests" / "cases"):
        if folder.is_dir():
            return folder
    raise CaseError("the conformance cases are neither packaged with askfirst nor in a checkout's tests/cases")


def cases(folder: Path) -> Iterator[Case]:
    """The cases below a folder, by file name and in their order. Raises CaseError."""
    for path in sorted(folder.rglob("*.toml")):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CaseError(f"{path}: {error}") from None
        if table.get("format") != FORMAT:
            continue
        for key in ("spec", "section", "rule", "case"):
            if key not in table:
                raise CaseError(f"{path}: {key}: missing")
        for key in table:
            if key not in {*_OF_A_FILE, *_LINE}:
                raise CaseError(f"{path}: {key}: unknown key")
        yield from _of_file(path, path.relative_to(folder).with_suffix("").as_posix(), table)


def _of_file(path: Path, name: str, table: Table) -> Iterator[Case]:
    seen: set[str] = set()
    listed = table["case"]
    assert isinstance(listed, list)
    for index, case in enumerate(listed):
        identity = case.get("id")
        if not isinstance(identity, str) or "/" in identity or identity in seen:
            raise CaseError(f"{path}: case[{index}].id: missing, or there twice, or with a slash in it")
        seen.add(identity)
        try:
            yield from _cases(f"{name}/{identity}", table, case)
        except (KeyError, ValueError, TypeError) as error:
            raise CaseError(f"{path}: {identity}: {error}") from None


def _cases(name: str, table: Table, case: Table) -> Iterator[Case]:
    for key in case:
        if key not in _OF_A_CASE:
            raise ValueError(f"{key}: unknown key")
    given = {key: value for key, value in case.items() if key in Wanted.__struct_fields__}
    says = case.get("says", {})
    if not isinstance(says, dict):
        raise TypeError("says: must be a table of answers by purpose")
    if not says and "verdict" not in given:
        raise ValueError("wants neither a verdict nor what is said")
    line = _line(name, table, case)
    if given:
        yield _case(name, table, case, line, given)
    for purpose, word in says.items():
        asked = {**line, "id": f"{name}/{purpose}", "purpose": purpose}
        yield _case(f"{name}/{purpose}", table, case, asked, {"said": word})


def _case(name: str, table: Table, case: Table, line: Table, given: Table) -> Case:
    note = case.get("note")
    return Case(
        name=name,
        spec=str(table["spec"]),
        section=str(table["section"]),
        rule=str(table["rule"]),
        must=(*_listed(table.get("must")), *_listed(case.get("must"))),
        note=None if note is None else str(note),
        line=line,
        wanted=msgspec.convert(given, Wanted),
    )


def _listed(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)


def _line(name: str, table: Table, case: Table) -> dict[str, object]:
    agent = str(case.get("agent", table.get("agent", "ExBot")))
    line: dict[str, object] = {
        "id": name,
        "policy": "opt-out",
        "purpose": "train",
        "at": "2026-11-24T00:00:00Z",
        "agent": {"product_token": agent, "user_agent": f"{agent}/1.0 (+https://bot.example/)"},
        "url": "https://h.example/",
        **{key: table[key] for key in _LINE if key in table},
        **{key: case[key] for key in _LINE if key in case},
    }
    seen = case.get("seen", [])
    if not isinstance(seen, list):
        raise TypeError("seen: must be a list")
    line["observations"] = [_observation(one, table, str(line["url"])) for one in seen]
    return line


def _observation(seen: Table, table: Table, url: str) -> Table:
    """Headers and body as they stand; ``body_hex`` for bytes, ``encoding`` for a body that is not UTF-8.
    ``kind = "response"`` without an address is the url's."""
    members = dict(seen)
    encoding = members.pop("encoding", None)
    if "body_hex" in members:
        members["body_b64"] = base64.b64encode(bytes.fromhex(str(members.pop("body_hex")))).decode()
    elif encoding is not None:
        members["body_b64"] = base64.b64encode(str(members.pop("body")).encode(str(encoding))).decode()
    if "kind" not in members and "kind" in table:
        members["kind"] = table["kind"]
    if "url" not in members:
        members["url"] = url if members.get("kind") in {"response", "asset"} else table["document"]
    return members


# ---- to JSON


def exported(case: Case) -> dict[str, object]:
    """A case as ``askfirst cases export`` prints it."""
    wire: dict[str, object] = {
        "name": case.name,
        "spec": case.spec,
        "section": case.section,
        "rule": case.rule,
        "line": case.line,
        "wanted": msgspec.to_builtins(case.wanted),
    }
    if case.must:
        wire["must"] = list(case.must)
    if case.note is not None:
        wire["note"] = case.note
    return wire


# ---- against answers


class _Words(msgspec.Struct):
    at: str
    text: str = ""
    document_url: str = ""


class _Signal(msgspec.Struct):
    source: str
    protocol: str
    category: str
    basis: str
    verdict: str
    evidence: _Words
    covers: str = "resource"
    terms: dict[str, str] | None = None


class _Remark(msgspec.Struct):
    source: str
    kind: str
    note: str


class _Contradiction(msgspec.Struct):
    permits: _Signal
    refuses: _Signal


class _Answer(msgspec.Struct):
    verdict: str
    signals: list[_Signal] = []
    because: list[int] = []
    remarks: list[_Remark] = []
    ask: list[dict[str, str]] = []
    contradictions: list[_Contradiction] = []


def shortfalls(case: Case, answer: Table) -> tuple[str, ...]:
    """In what an answer, as ``askfirst replay`` prints it, differs from what is wanted; empty if it passes.

    Never raises on content: an answer that is none falls short.
    """
    if "error" in answer:
        return (f"was answered with an error: {answer['error']}",)
    try:
        given = msgspec.convert(answer, _Answer)
        because = [given.signals[index] for index in given.because]
    except (msgspec.ValidationError, IndexError) as error:
        return (f"the answer is none: {error}",)
    return tuple(_shortfalls(case.wanted, given, because))


def _shortfalls(wanted: Wanted, given: _Answer, because: Sequence[_Signal]) -> Iterator[str]:
    places = sorted(s.evidence.at for s in because)
    if wanted.verdict is not None and wanted.verdict != given.verdict:
        yield f"verdict: {given.verdict} because of {places}, and not {wanted.verdict}"
    if wanted.because is not None and sorted(wanted.because) != places:
        yield f"because: of {places}, and not of {sorted(wanted.because)}"
    if wanted.said is not None and wanted.said != _said(given, because):
        yield f"said: {_said(given, because)} because of {places}, and not {wanted.said}"
    if wanted.text is not None:
        texts = {s.evidence.text for s in because}
        if texts != {wanted.text}:
            yield f"text: {sorted(texts)}, and not {wanted.text!r}"
    if wanted.basis is not None:
        yield from (f"basis: {s.basis}, and not {wanted.basis}" for s in because if s.basis != wanted.basis)
    for protocol, statements in (wanted.heard or {}).items():
        heard = sorted(_heard(s) for s in given.signals if s.protocol == protocol and s.covers == "resource")
        if heard != sorted(statements):
            yield f"heard: of {protocol} {heard}, and not {sorted(statements)}"
    yield from _of_remarks(wanted, given)
    yield from _of_terms(wanted, given, because)
    if wanted.contradictions is not None:
        found = [_in_words(one) for one in given.contradictions]
        if len(found) != len(wanted.contradictions):
            yield f"contradictions: {found}, and not {len(wanted.contradictions)}"
        else:
            pairs = zip(wanted.contradictions, found, strict=True)
            yield from (f"contradictions: {words!r} is not in {line!r}" for words, line in pairs if words not in line)


def _of_remarks(wanted: Wanted, given: _Answer) -> Iterator[str]:
    kinds = {r.kind for r in given.remarks}
    yield from (f"remarks: no {kind} among {sorted(kinds)}" for kind in wanted.remarks or () if kind not in kinds)
    for part in wanted.remark_notes or ():
        if not any(part in r.note for r in given.remarks):
            yield f"remark_notes: {part!r} is in none of {[r.note for r in given.remarks]}"
    for source, listed in (wanted.remarks_of or {}).items():
        found = sorted(r.kind for r in given.remarks if r.source == source)
        if found != sorted(listed):
            yield f"remarks_of: of {source} {found}, and not {sorted(listed)}"


def _of_terms(wanted: Wanted, given: _Answer, because: Sequence[_Signal]) -> Iterator[str]:
    terms = [s.terms for s in because if s.terms is not None]
    for name, member, value in (
        ("terms", "url", wanted.terms),
        ("contact", "contact", wanted.contact),
        ("reference", "reference", wanted.reference),
    ):
        found = [one.get(member) for one in terms]
        if value is not None and found != ([value] if value else []):
            yield f"{name}: {found}, and not {value!r}"
    if wanted.ask is not None:
        first = given.ask[0] if given.ask else {}
        yield from (
            f"ask: {key} is {first.get(key)!r}, and not {value!r}"
            for key, value in wanted.ask.items()
            if first.get(key) != value
        )


def _said(given: _Answer, because: Sequence[_Signal]) -> str:
    if not because:
        return "silence"
    return "permit" if given.verdict == "allow" else given.verdict


def _heard(signal: _Signal) -> str:
    return f"{signal.verdict} {signal.category}: {signal.evidence.at}"


def _in_words(found: _Contradiction) -> str:
    yes, no = found.permits, found.refuses
    return (
        f"{yes.source} permits {yes.category} ({yes.evidence.text[:80]!r}), "
        f"{no.source} refuses {no.category} ({no.evidence.text[:80]!r})"
    )
