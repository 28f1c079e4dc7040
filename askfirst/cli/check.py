"""``askfirst check URL``: every signal that a URL carries, its words with a caret, and what follows for each purpose
under each profile. For site owners who want to know what a machine reads.

It asks as a crawler would: the well-known documents first, the page only if robots.txt lets us, redirects hop by hop.
It writes no record.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urljoin

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from askfirst.cli import options
from askfirst.edges.fetch_http import HttpFetch
from askfirst.explain import contradicted, quoted, shown, whom
from askfirst.gate import Gate
from askfirst.replay import inspected
from askfirst.rights.decide import decide
from askfirst.rights.media import media_type
from askfirst.rights.model import (
    Care,
    Category,
    Contradiction,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Reading,
    Remark,
    Signal,
    Stage,
    Verdict,
)
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import PROFILES, STRICT, Policy
from askfirst.rights.read import read
from askfirst.rights.reader import outcome
from askfirst.rights.wire import (
    Json,
    ask_to_wire,
    canonical,
    contact_to_wire,
    contradiction_to_wire,
    remark_to_wire,
    signal_to_wire,
    timestamp,
)
from askfirst.wiring import DEFAULT_USER_AGENT, Settings, open_gate, open_inspect

MAX_HOPS = 5
MAX_PAGE_BYTES = 8_388_608
_STYLES = {Verdict.ALLOW: "green", Verdict.DEFER: "yellow", Verdict.REFUSE: "red"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What was seen of a URL, and why the page itself was not, if it was not."""

    url: str
    observations: tuple[Observation, ...]
    page: Observation | None
    not_asked: str | None

    @property
    def stage(self) -> Stage:
        return Stage.KEEP if self.page is not None else Stage.FETCH


def check(
    url: Annotated[str, typer.Argument(help="The page, picture or file to check.")],
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="Only this purpose: search, ai-input, tdm, train, train-generative.")
    ] = None,
    policy: options.PolicyName = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    registry: options.Registries = None,
    user_agent: options.UserAgent = DEFAULT_USER_AGENT,
    allow_private: options.AllowPrivate = None,
    resolve: options.Resolve = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds for each look.")] = 20,
) -> None:
    """Show every signal that a URL carries, and what follows from it for each purpose under each profile."""
    told = options.settings(
        purpose=purpose or Purpose.TRAIN.value, policy=policy, user_agent=user_agent, registries=registry,
        allow_private=allow_private, resolve=resolve, look_timeout_s=timeout_s,
    )  # fmt: skip
    origin_of(url)
    profiles = dict(PROFILES) if told.policy is None else {told.policy.name: told.policy}
    purposes = tuple(Purpose) if purpose is None else (told.purpose,)
    looking = Console(stderr=True)
    with looking.status(f"looking at {shown(url)}"):
        checked = asyncio.run(_look(url, told))
    intent = Intent(
        url=checked.url,
        agent=told.agent,
        purpose=told.purpose,
        media=None if checked.page is None else media_type(checked.page),
    )
    decisions = {
        name: {p: _decide(replace(intent, purpose=p), checked, profile) for p in purposes}
        for name, profile in profiles.items()
    }
    widest = max(profiles.values(), key=lambda profile: profile.care)
    reading = read(intent, checked.observations, widest)
    if as_json:
        sys.stdout.buffer.write(canonical(_wire(checked, reading, decisions)) + b"\n")
        sys.stdout.buffer.flush()
    else:
        _show(Console(highlight=False), checked, reading, decisions)
    if all(o.outage is not None for o in checked.observations if o.document.kind is not Kind.REGISTRY):
        raise typer.Exit(3)


def _decide(intent: Intent, checked: Checked, policy: Policy) -> Decision:
    at = max(o.observed_at for o in checked.observations)
    return decide(intent, read(intent, checked.observations, policy), policy, stage=checked.stage, at=at)


async def _look(url: str, told: Settings) -> Checked:
    widest = replace(told, policy=STRICT if told.policy is None else told.policy)
    gate = open_gate(widest)
    assert told.addresses is not None
    step = HttpFetch(
        user_agent=told.user_agent,
        addresses=told.addresses,
        timeout_s=told.look_timeout_s,
        connect_timeout_s=min(10, told.look_timeout_s),
        max_redirects=0,
    )
    try:
        checked = await _walk(url, told, gate, step)
        return replace(checked, observations=inspected(checked.observations, open_inspect(gate.policy)))
    finally:
        await step.close()
        await gate.close()


async def _walk(url: str, told: Settings, gate: Gate, step: HttpFetch) -> Checked:
    """The way to the page, each hop asked at its own origin."""
    hops: list[Observation] = []
    been: set[str] = set()
    while True:
        said = (*await gate.hearing.look(origin_of(url)), *await gate.hearing.consult(url))
        barred = _barred(Intent(url=url, agent=told.agent, purpose=told.purpose), said, gate.policy)
        if barred is not None:
            return Checked(url, (*said, *hops), None, barred)
        seen = await step(Document(kind=Kind.RESPONSE, url=url, max_bytes=MAX_PAGE_BYTES))
        onward = _onward(seen)
        if onward is None or onward in been or len(hops) >= MAX_HOPS:
            if seen.outage is not None:
                return Checked(url, (*said, *hops), None, f"it could not be had: {outcome(seen)}")
            others = await gate.hearing.look_at_named((*said, *hops, seen))
            found = (*said, *hops, seen, *_besides(others, said))
            intent = Intent(url=url, agent=told.agent, purpose=told.purpose, media=media_type(seen))
            if not read(intent, found, gate.policy).contacts:
                found = (*found, *_besides(await gate.hearing.look_for_contact(origin_of(url)), said))
            return Checked(url, found, seen, None)
        hops.append(replace(seen, outage=None))
        been.add(url)
        url = onward


def _besides(others: tuple[Observation, ...], said: tuple[Observation, ...]) -> tuple[Observation, ...]:
    known = {(o.document.kind, o.document.url) for o in said}
    return tuple(o for o in others if (o.document.kind, o.document.url) not in known)


def _onward(seen: Observation) -> str | None:
    if seen.status is None or not 300 <= seen.status < 400 or seen.outage not in (None, Outage.REDIRECTS):
        return None
    for location in seen.field_values("location")[:1]:
        target = urljoin(seen.document.url, location)
        if target.startswith(("http://", "https://")):
            return target
    return None


def _barred(intent: Intent, said: tuple[Observation, ...], policy: Policy) -> str | None:
    """Why the page may not be asked for at all: an access rule, or a failed look at one."""
    for signal in read(intent, said, policy).signals:
        if signal.category is Category.FETCH and signal.care is Care.LITERAL and signal.verdict is not Verdict.ALLOW:
            verb = "refuses it" if signal.verdict is Verdict.REFUSE else "could not be read"
            return f"{signal.source} {verb} ({shown(signal.evidence.at)})"
    return None


# -- showing -------------------------------------------------------------------------------------------------------


def _show(
    console: Console,
    checked: Checked,
    reading: Reading,
    decisions: Mapping[str, Mapping[Purpose, Decision]],
) -> None:
    console.print(Text(shown(checked.url), style="bold"), soft_wrap=True)
    for seen in checked.observations:
        kind = "redirect" if seen.status is not None and 300 <= seen.status < 400 else seen.document.kind.value
        console.print(f"  {kind:<11}{shown(seen.document.url)}  {outcome(seen)}", markup=False, soft_wrap=True)
    if checked.not_asked is not None:
        console.print(f"  the page itself was not read: {checked.not_asked}", markup=False, soft_wrap=True)
    console.print()
    if reading.signals:
        console.print("What is said", style="bold")
        for together in _said_together(reading.signals):
            _show_signals(console, together)
    else:
        console.print("Nothing is said about use: no machine-readable reservation and no permission was found.")
    _show_contradictions(console, _contradictions(decisions))
    _show_remarks(console, reading.remarks)
    console.print()
    _show_decisions(console, checked, decisions)


def _said_together(signals: tuple[Signal, ...]) -> Iterator[tuple[Signal, ...]]:
    """Signals that differ only in their category: one place said them at once."""
    found: dict[Signal, list[Signal]] = {}
    for signal in dict.fromkeys(signals):
        found.setdefault(replace(signal, category=Category.FETCH), []).append(signal)
    yield from map(tuple, found.values())


def _show_signals(console: Console, together: tuple[Signal, ...]) -> None:
    signal = together[0]
    verb = {Verdict.ALLOW: "permits", Verdict.DEFER: "could not be read for", Verdict.REFUSE: "refuses"}[signal.verdict]
    who = "" if signal.care.name == "LITERAL" else f" (counts for {signal.care.name.lower()} readers)"
    covers = " of the images on this page" if signal.covers.value == "page-images" else ""
    line = Text(f"  {signal.source} ")
    line.append(f"{verb} {', '.join(s.category for s in together)}", style=_STYLES[signal.verdict])
    line.append(f"{covers}{who}: {shown(signal.evidence.document_url)}, {shown(signal.evidence.at)}")
    console.print(line, soft_wrap=True)
    for words in quoted(signal.evidence.text):
        console.print(words, markup=False, soft_wrap=True)
    terms = signal.terms
    if terms is not None:
        asked = ", ".join(shown(part) for part in (terms.contact, terms.url, terms.reference) if part)
        console.print(f"    terms: {asked}", markup=False, soft_wrap=True)


def _contradictions(decisions: Mapping[str, Mapping[Purpose, Decision]]) -> tuple[Contradiction, ...]:
    """Those of all the decisions, each once."""
    return tuple(dict.fromkeys(c for one in decisions.values() for d in one.values() for c in d.contradictions))


def _show_contradictions(console: Console, found: tuple[Contradiction, ...]) -> None:
    if found:
        console.print("Contradicting each other", style="bold")
        for line in contradicted(found):
            console.print(line, markup=False, soft_wrap=True)


def _show_remarks(console: Console, remarks: tuple[Remark, ...]) -> None:
    if remarks:
        console.print("Remarked, without effect", style="bold")
        for remark in remarks:
            where = f"{shown(remark.source)}, {shown(remark.evidence.at)}"
            console.print(f"  {where}: {shown(remark.note)}", markup=False, soft_wrap=True)


def _show_decisions(console: Console, checked: Checked, decisions: Mapping[str, Mapping[Purpose, Decision]]) -> None:
    what = "May it be kept?" if checked.stage is Stage.KEEP else "May it be fetched?"
    table = Table("for", *decisions, title=what, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for purpose in next(iter(decisions.values())):
        cells = [_cell(by_purpose[purpose]) for by_purpose in decisions.values()]
        table.add_row(purpose.value, *cells)
    console.print(table)
    asks = {whom(a) for one in decisions.values() for d in one.values() for a in d.ask if a.contact or a.terms_url}
    for asked in sorted(asks):
        console.print(f"ask {shown(asked)}", markup=False, soft_wrap=True)


def _cell(decision: Decision) -> Text:
    why = ", ".join(dict.fromkeys(s.source for s in decision.because)) or "silence"
    cell = Text(decision.verdict.word, style=_STYLES[decision.verdict])
    return cell.append(f" ({why})", style="dim")


def _wire(checked: Checked, reading: Reading, decisions: Mapping[str, Mapping[Purpose, Decision]]) -> dict[str, Json]:
    return {
        "url": checked.url,
        "stage": checked.stage.value,
        "not_asked": checked.not_asked,
        "observations": list(_observed(checked)),
        "signals": [signal_to_wire(s) for s in reading.signals],
        "contradictions": [contradiction_to_wire(c) for c in _contradictions(decisions)],
        "contacts": [contact_to_wire(c) for c in reading.contacts],
        "remarks": [remark_to_wire(r) for r in reading.remarks],
        "decisions": {
            name: {purpose.value: _decision(decision) for purpose, decision in by_purpose.items()}
            for name, by_purpose in decisions.items()
        },
    }


def _observed(checked: Checked) -> Iterator[dict[str, Json]]:
    for seen in checked.observations:
        yield {
            "url": seen.document.url,
            "kind": seen.document.kind.value,
            "status": seen.status,
            "outage": None if seen.outage is None else seen.outage.value,
            "digest": seen.digest,
            "observed_at": timestamp(seen.observed_at),
            "redirects": list(seen.redirects),
        }


def _decision(decision: Decision) -> dict[str, Json]:
    return {
        "verdict": decision.verdict.word,
        "decision_id": decision.id,
        "because": [signal_to_wire(s) for s in decision.because],
        "ask": [ask_to_wire(a) for a in decision.ask],
    }
