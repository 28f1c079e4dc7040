"""Decision to text: the verdict, the publisher's words with a caret, what gives them meaning, and whom to ask.

It shows what a decision holds and judges nothing. Plain text, so that a terminal, a log and a page can all print it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from askfirst.rights.model import Ask, Contradiction, Decision, Remark, Signal, Stage, Terms, Verdict

_DONE = {
    (Stage.FETCH, Verdict.ALLOW): "may be fetched",
    (Stage.FETCH, Verdict.DEFER): "is not fetched yet",
    (Stage.FETCH, Verdict.REFUSE): "is not fetched",
    (Stage.KEEP, Verdict.ALLOW): "may be kept",
    (Stage.KEEP, Verdict.DEFER): "is not kept yet",
    (Stage.KEEP, Verdict.REFUSE): "is not kept",
}

_KEYWORDS = re.compile(
    r"dis+all?ow|noimageai|noai|noml|noarchive|noindex|nocache|nosnippet|tdm[-:]reservation"
    r"|DMI-[A-Z-]+|(?:ai-train|ai-input|train-ai|ai-use|search)\s*=\s*\w+|datatrainingallowed|notAllowed|constrained"
    r"|prohibits|payment|crawler-price|status \d+|outage \S+|refuse|grant",
    re.IGNORECASE,
)


_LINE_BREAK = re.compile(r"[ \t]*+(?:\r\n|\r|\n)[ \t]*+")


def summary(decision: Decision) -> str:
    """One line: ``https://h/p is not kept for train: x-robots-tag says 'noai' (field X-Robots-Tag)``."""
    done = _DONE[decision.stage, decision.verdict]
    why = "; ".join(_said(signal) for signal in decision.because[:2]) or _silence(decision)
    return f"{shown(decision.intent.url)} {done} for {decision.intent.purpose}: {why}"


def explain(decision: Decision, *, policy_name: str | None = None) -> str:
    """Several lines: the verdict, each reason with its words and a caret, what was set aside, and whom to ask."""
    return "\n".join(_lines(decision, policy_name))


def shown(text: str) -> str:
    """Text from the wire, safe to print on one line: a line break, with the indents beside it, is a sign for it, and
    control and formatting characters are spelled out."""
    if text.isprintable():  # of no category C, and none of Z but the space
        return text
    text = _LINE_BREAK.sub(" \u23ce ", text).replace("\t", " ")
    return "".join(c if c == " " or not unicodedata.category(c).startswith(("C", "Z")) else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def quoted(text: str, *, indent: str = "    ") -> Iterator[str]:
    """The words, and under them a caret at the word that matters."""
    line = shown(text)
    yield f"{indent}{line}"
    found = _KEYWORDS.search(line)
    start, length = (found.start(), found.end() - found.start()) if found else (0, min(len(line), 1))
    if line:
        yield f"{indent}{' ' * start}{'^' * max(length, 1)}"


def _lines(decision: Decision, policy_name: str | None) -> Iterator[str]:
    intent = decision.intent
    yield f"{decision.verdict.word.upper()}  {shown(intent.url)}"
    under = f" under policy {policy_name}" if policy_name else ""
    done = _DONE[decision.stage, decision.verdict]
    yield f"  {done} for {intent.purpose}{under}, asked as {shown(intent.agent.product_token)}"
    if not decision.because:
        yield f"  because {_silence(decision)}"
    for signal in decision.because:
        yield f"  because {_said(signal)}"
        yield from quoted(signal.evidence.text)
        yield f"    {shown(signal.evidence.document_url)}, {shown(signal.evidence.at)} ({signal.evidence.spec})"
        yield from (f"    {line}" for line in _terms(signal.terms))
    others = [s for s in decision.considered if s not in decision.because]
    if others:
        yield "  also said, without deciding this:"
        yield from (f"    {_said(s)} ({shown(s.evidence.at)})" for s in others)
    if decision.contradictions:
        yield "  contradicting each other:"
        yield from (f"  {line}" for line in contradicted(decision.contradictions))
    yield from _remarks(decision.remarks)
    for ask in decision.ask:
        yield f"  ask {shown(whom(ask))}: {shown(ask.why)}"
        if ask.note is not None:
            yield f"    note: {shown(ask.note)}"


def contradicted(found: Iterable[Contradiction]) -> Iterator[str]:
    """Both sides' words, pair by pair."""
    for one in found:
        for signal in (one.permits, one.refuses):
            words = signal.evidence
            yield f"  {_said(signal)} ({shown(words.document_url)}, {shown(words.at)}):"
            yield f"    {shown(words.text)}"


def whom(ask: Ask) -> str:
    """Who is to be asked, and where."""
    where = " or ".join(dict.fromkeys(part for part in (ask.contact, ask.terms_url) if part))
    return ", ".join(part for part in (ask.name, where) if part) or "the publisher"


def _remarks(remarks: Iterable[Remark]) -> Iterator[str]:
    listed = tuple(remarks)
    if listed:
        yield "  remarked, without effect:"
        yield from (f"    {shown(r.source)}, {shown(r.evidence.at)}: {shown(r.note)}" for r in listed)


def _said(signal: Signal) -> str:
    verb = {Verdict.ALLOW: "permits", Verdict.DEFER: "could not be read for", Verdict.REFUSE: "refuses"}
    return f"{shown(signal.source)} {verb[signal.verdict]} {signal.category}"


def _silence(decision: Decision) -> str:
    answer = {
        Verdict.ALLOW: "nothing speaks against it, and the policy takes silence so",
        Verdict.DEFER: "nothing is said",
        Verdict.REFUSE: "nobody said yes, and the policy takes silence for a no",
    }
    return answer[decision.verdict]


def _terms(terms: Terms | None) -> Iterator[str]:
    if terms is not None:
        if terms.url:
            yield f"terms: {shown(terms.url)}"
        if terms.contact:
            yield f"contact: {shown(terms.contact)}"
        if terms.reference:
            yield f"reference: {shown(terms.reference)}"
