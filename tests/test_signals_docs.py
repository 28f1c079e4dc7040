"""docs/signals.md is what the readers and the cases are, and every signal says what it is about."""

from __future__ import annotations

import pytest

from askfirst.cases import Case
from askfirst.replay import decide_line
from askfirst.rights.model import Category, Signal, Verdict
from askfirst.rights.signals import PROTOCOLS, READERS
from tests.signals_docs import PAGE, ROOT, Told, modules, named_by_cases, renewed, told


def test_the_page_is_not_stale() -> None:
    """The generated tables of docs/signals.md are those that the code and the cases give."""
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page) == page, "run: python -m tests.signals_docs"


def test_every_reader_has_cases_and_says_what_it_is_about() -> None:
    """A new signal brings a folder of cases with an about.toml."""
    described = {id(reader) for one in told() for reader in one.readers}
    names = [name for name, offered in modules().items() if not described.issuperset(map(id, offered))]
    assert not names, f"no tests/cases/*/about.toml is about {', '.join(names)}"
    assert sum(map(len, modules().values())) == len(READERS)


def test_every_about_is_about_a_reader_that_has_cases() -> None:
    """An about.toml names a protocol that is read, only readers of that protocol, and its folder has cases."""
    for one in told():
        assert one.about.protocol in PROTOCOLS, one.folder
        assert one.readers, one.folder
        assert one.cases, one.folder
        assert set(one.about.readers) <= modules().keys(), one.folder


@pytest.mark.parametrize("one", [pytest.param(one, id=one.folder) for one in told()])
def test_what_a_signal_may_do_is_what_its_cases_show(one: Told) -> None:
    """Each verdict and category that ``may`` lists is in the answer to one of its cases, and no other is."""
    shown = {
        f"{'permit' if signal.verdict is Verdict.ALLOW else signal.verdict.word} {signal.category}"
        for case in one.cases
        for signal in said(case)
        if signal.protocol == one.about.protocol and not (signal.category is Category.FETCH and opens(signal))
    }
    assert shown == {word for word in one.about.may if not word.startswith("names ")}


def said(case: Case) -> tuple[Signal, ...]:
    """All that was read, whether or not the policy of the case counts it."""
    decision = decide_line({**case.line, "policy": "strict"})
    return (*decision.considered, *decision.ruling.about_images)


def opens(signal: Signal) -> bool:
    """Whether it is an ``Allow`` of robots.txt, which permits no use."""
    return signal.verdict is Verdict.ALLOW


def test_a_must_that_no_case_can_show_names_its_test() -> None:
    """``tested`` is a file of the checkout."""
    for one in told():
        for must in one.about.must:
            assert must.tested is None or (ROOT / must.tested).is_file(), must.id


def test_every_must_that_a_case_names_is_known() -> None:
    """A case names the id or the sentence of a MUST that an about.toml lists, and ids are used once."""
    musts = [must for one in told() for must in one.about.must]
    assert len({must.id for must in musts}) == len(musts)
    assert named_by_cases() <= {must.id for must in musts} | {must.sentence for must in musts}
