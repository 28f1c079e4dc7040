"""The conformance cases: what a document says, and what must follow, as data that other implementations can run.

A case file is TOML. It has ``spec``, ``section`` and ``rule`` (the one rule under test), may have ``document`` (the
address of observations that name none) and ``must`` (the sentence of the specification that the cases stand for), and
lists ``[[case]]`` tables. docs/cases.md has the format. Every case is a replay line with what is wanted of its answer.

It runs nothing and judges nothing.
"""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Table = Mapping[str, object]

FORMAT = 1


class CaseError(ValueError):
    """A case file that is not one: says which file, which case, and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: its name (``folder/file/id``), its file's facts, the replay line, and what is wanted.

    ``wanted`` has ``verdict`` and ``because`` (the places relied on, in any order), or ``says`` (by purpose:
    ``refuse``, ``defer``, ``permit`` for an allow because of something, ``silence`` for an answer because of nothing).
    It may have ``remarks`` (kinds that must be among the remarks), ``terms`` and ``contact`` (of the reasons' terms, in
    order), ``ask`` (members that the first entry of the answer's ``ask`` must have), and ``contradictions`` (words that
    each of them must hold).
    """

    name: str
    spec: str
    section: str
    rule: str
    line: Table
    wanted: Table


_WANTED = ("verdict", "because", "says", "remarks", "terms", "contact", "ask", "contradictions")
_LINE = ("url", "purpose", "policy", "stage", "media", "at", "registry")


def cases(folder: Path) -> Iterator[Case]:
    """The cases below a folder, by file name and in their order. Raises CaseError."""
    for path in sorted(folder.rglob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table.get("format") != FORMAT:
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        for key in ("spec", "section", "rule", "case"):
            if key not in table:
                raise CaseError(f"{path}: {key}: missing")
        seen: set[str] = set()
        for index, case in enumerate(table["case"]):
            identity = case.get("id")
            if not isinstance(identity, str) or identity in seen:
                raise CaseError(f"{path}: case[{index}].id: missing, or there twice")
            seen.add(identity)
            try:
                yield _case(f"{name}/{identity}", table, case)
            except (KeyError, ValueError, TypeError) as error:
                raise CaseError(f"{path}: {identity}: {error}") from None


def _case(name: str, table: Table, case: Table) -> Case:
    for key in case:
        if key not in {"id", "note", "agent", "seen", *_WANTED, *_LINE}:
            raise ValueError(f"{key}: unknown key")
    agent = str(case.get("agent", "ExBot"))
    line: dict[str, object] = {
        "id": name,
        "policy": "opt-out",
        "purpose": "train",
        "at": "2026-11-24T00:00:00Z",
        "agent": {"product_token": agent, "user_agent": f"{agent}/1.0 (+https://bot.example/)"},
        "url": "https://h.example/",
        **{key: case[key] for key in _LINE if key in case},
    }
    seen = case.get("seen", [])
    if not isinstance(seen, list):
        raise TypeError("seen: must be a list")
    line["observations"] = [_observation(one, table, str(line["url"])) for one in seen]
    wanted = {key: case[key] for key in _WANTED if key in case}
    if not {"verdict", "says"} & wanted.keys():
        raise ValueError("wants neither a verdict nor what is said")
    return Case(
        name=name,
        spec=str(table["spec"]),
        section=str(table["section"]),
        rule=str(table["rule"]),
        line=line,
        wanted=wanted,
    )


def _observation(seen: Table, table: Table, url: str) -> Table:
    """Headers and body as they stand; ``body_hex`` for bytes. ``kind = "response"`` without an address is the url's."""
    members = dict(seen)
    if "body_hex" in members:
        members["body_b64"] = base64.b64encode(bytes.fromhex(str(members.pop("body_hex")))).decode()
    if "url" not in members:
        members["url"] = url if members.get("kind") in {"response", "asset"} else table["document"]
    return members
