"""The generated parts of docs/signals.md. ``python -m tests.signals_docs`` writes them anew.

What a reader listens to, when it is asked and what becomes of it is taken from READERS; how many cases there are, from
the case files; the rest from ``about.toml`` beside the cases:

``title``, ``protocol``, ``spec`` (with version and date), ``url``, ``may`` (such as ``refuse train``); ``note``;
``readers`` (names of modules in askfirst/rights/signals), where the folder stands for some readers of the protocol; and
``[[must]]`` tables: ``id``, ``section``, ``sentence`` (in our words), and ``tested`` where no case can show it. A case
file or a case names one by its id or its sentence.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import msgspec

from askfirst.cases import Case, cases
from askfirst.rights import signals
from askfirst.rights.model import Care, Kind
from askfirst.rights.policy import PROFILES
from askfirst.rights.reader import Reader

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "signals.md"
CASES = ROOT / "tests" / "cases"


class Must(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One MUST or SHALL that concerns a reader. ``tested`` is the file that tests it where no case can."""

    id: str
    section: str
    sentence: str
    tested: str | None = None


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What about.toml says of a folder of cases."""

    title: str
    protocol: str
    spec: str
    url: str
    may: tuple[str, ...]
    note: str | None = None
    readers: tuple[str, ...] = ()
    must: tuple[Must, ...] = ()


@dataclass(frozen=True)
class Told:
    """A folder of cases, with what it is about and the readers that it stands for."""

    folder: str
    about: About
    readers: tuple[Reader, ...]
    cases: tuple[Case, ...]

    def without_case(self, named: frozenset[str]) -> tuple[Must, ...]:
        """The MUSTs that no case stands for; ``named`` are those that any case names."""
        return tuple(m for m in self.about.must if m.id not in named and m.sentence not in named)


def modules() -> dict[str, tuple[Reader, ...]]:
    """The readers by the name of their module, in the order of READERS."""
    found: dict[str, tuple[Reader, ...]] = {}
    for name, module in vars(signals).items():
        own = tuple(r for r in signals.READERS if isinstance(module, ModuleType) and r in vars(module).values())
        if own:
            found[name] = own
    return dict(sorted(found.items(), key=lambda item: min(map(_place, item[1]))))


def _place(reader: Reader) -> int:
    return next((i for i, one in enumerate(signals.READERS) if one is reader), len(signals.READERS))


def told() -> tuple[Told, ...]:
    """Every folder that has an about.toml, in the order of READERS."""
    known, everything = modules(), tuple(cases(CASES))
    found: list[Told] = []
    for path in sorted(CASES.glob("*/about.toml")):
        about = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), About)
        readers = tuple(
            reader
            for name, offered in known.items()
            for reader in offered
            if reader.protocol == about.protocol and (not about.readers or name in about.readers)
        )
        folder = path.parent.name
        found.append(Told(folder, about, readers, tuple(c for c in everything if c.name.startswith(f"{folder}/"))))
    return tuple(sorted(found, key=lambda one: min(map(_place, one.readers), default=999)))


def named_by_cases() -> frozenset[str]:
    """The MUSTs that cases name, by id or sentence."""
    return frozenset(must for case in cases(CASES) for must in case.must)


_KINDS = {
    Kind.REGISTRY: "a registry's answer",
    Kind.PAGE: "the page that shows it",
    Kind.ASSET: "inside the work",
    Kind.ORIGINAL: "another rendition of the work",
    Kind.LICENSE: "an RSL license that is named",
    Kind.POLICY: "a TDM policy that is named",
}
_ASKED_BY = {care: ", ".join(name for name, policy in PROFILES.items() if policy.care >= care) for care in Care}


def places(readers: Sequence[Reader]) -> str:
    """Where the readers listen, each place once."""
    found: dict[str, None] = {}
    for reader in readers:
        for kind in reader.kinds:
            for place in _places(reader, kind):
                found[place] = None
    return "; ".join(found)


def _places(reader: Reader, kind: Kind) -> Iterator[str]:
    if kind in (Kind.WELL_KNOWN, Kind.CONTACT):
        yield from (f"`{path}`" for path in reader.paths)
    elif kind is Kind.RESPONSE:
        fields = ", ".join(f"`{field}`" for field in sorted(reader.fields))
        yield f"response: {fields}" if fields else "response: body" if reader.reads_body else "response"
    else:
        yield _KINDS[kind]


def _row(one: Told) -> str:
    about = one.about
    mode = ", ".join(dict.fromkeys(reader.mode.value for reader in one.readers))
    asked = "; ".join(dict.fromkeys(_ASKED_BY[reader.care] for reader in one.readers))
    asked = "all" if asked == _ASKED_BY[Care.LITERAL] else asked
    may = _grouped((*about.may, *(["names other documents"] if any(reader.names for reader in one.readers) else [])))
    return (
        f"| {about.title} | `{about.protocol}` | {places(one.readers)} | {may} | {asked} | {mode} "
        f"| [{one.folder}](../tests/cases/{one.folder}), {len(one.cases)} |"
    )


def _grouped(may: Sequence[str]) -> str:
    """``refuse tdm``, ``refuse train`` as ``refuse tdm, train``."""
    found: dict[str, list[str]] = {}
    for word in may:
        verdict, _, category = word.partition(" ")
        found.setdefault(verdict, []).append(category)
    return "; ".join(f"{verdict} {', '.join(categories)}".strip() for verdict, categories in found.items())


def _table(listed: Sequence[Told]) -> str:
    head = "| signal | protocol | where | may | asked by | mode | cases |\n|---|---|---|---|---|---|---|\n"
    return head + "\n".join(_row(one) for one in listed)


def _specifications(listed: Sequence[Told]) -> str:
    lines = ["| signal | specification | |", "|---|---|---|"]
    for one in listed:
        about = one.about
        lines.append(f"| {about.title} | [{about.spec}]({about.url}) | {about.note or ''} |")
    return "\n".join(lines)


def _musts(listed: Sequence[Told]) -> str:
    named = named_by_cases()
    total = sum(len(one.about.must) for one in listed)
    missing = [(one, must) for one in listed for must in one.without_case(named)]
    lines = [
        f"{total} sentences that bind a reader are listed in `about.toml` files; {total - len(missing)} have cases."
    ]
    if missing:
        lines += ["", "| without a case | section | sentence | tested in |", "|---|---|---|---|"]
        lines += [
            f"| {one.about.title} | {must.section} | {must.sentence} | {f'`{must.tested}`' if must.tested else 'nothing'} |"
            for one, must in missing
        ]
    return "\n".join(lines)


def renewed(page: str) -> str:
    """The page with its generated parts as they are now, between ``<!-- name -->`` and ``<!-- /name -->``."""
    listed = told()
    for name, text in (
        ("signals", _table(listed)),
        ("specifications", _specifications(listed)),
        ("musts", _musts(listed)),
    ):
        before, rest = page.split(f"<!-- {name} -->\n", 1)
        _, after = rest.split(f"<!-- /{name} -->", 1)
        page = f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
