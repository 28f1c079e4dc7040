"""``report.html``: the record on one page, from disk, without network.

1. Strangers' words are text: everything is escaped, control and formatting characters are spelled out, and no address
   of theirs is a link.
2. The page holds its style and its script, and its content security policy names both by their digests: nothing else
   can run or be loaded.
3. A table shows its first ``ROWS_SHOWN`` rows, and says how many it leaves out and which file has them all.
4. house: words have a caret under the one that matters, as ``askfirst explain`` prints them.

It is long and one thing: one function for each part of the page, and the cells that they are made of.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from askfirst.asking import Asking
from askfirst.explain import quoted, shown
from askfirst.report.charts import CLASSES, COLUMNS, DONE, Bar, Part, bars, clock, columns, span, three
from askfirst.report.counts import Counts, Key
from askfirst.report.decided import SILENCE, STAGES, VERDICTS, Reason, reason_of
from askfirst.report.tables import said
from askfirst.report.tally import RUNS_OUT, SOON, Tally
from askfirst.rights.policy import PROFILES

ROWS_SHOWN = 500
BARS_SHOWN = 12
WORDS_CHARS = 60
TEMPLATES = Path(__file__).parent / "templates"


class Words(NamedTuple):
    """A publisher's words for the page: in short, and with the caret, and where they stand."""

    short: str
    caret: str
    where: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; ``order`` is what it is sorted by."""

    text: str
    order: str
    number: bool = False
    words: Words | None = None
    break_anywhere: bool = False


class Column(NamedTuple):
    """One column; ``descending`` is how it is sorted first."""

    label: str
    number: bool = False


class Shown(NamedTuple):
    """A table on the page. ``sorted_by`` is the column it comes sorted by."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: list[tuple[Cell, ...]]
    left_out: int
    file: str
    sorted_by: int
    ascending: bool = False


class Section(NamedTuple):
    """One part of the page."""

    name: str
    title: str
    told: str
    plot: Markup | None
    table: Shown | None
    more: tuple[Shown, ...] = ()


class Figure(NamedTuple):
    """A large number of the first row."""

    number: str
    what: str
    kind: str = ""


def environment() -> Environment:
    """The templates: escaped, and with no name that is not given."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shown"] = shown
    made.filters["counted"] = counted
    return made


def render(tally: Tally, *, title: str, files: Sequence[tuple[str, str, int]], verified: str | None = None) -> str:
    """The page. ``files`` are the tables beside it: name, what a row is, and how many there are. ``verified`` says in
    one sentence what became of verifying the record; None says that it was not verified here."""
    made = environment()
    style, script = inline("page.css"), inline("page.js")
    return made.get_template("report.html.j2").render(
        title=title,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=content_policy(style, script),
        verified=verified,
        period=(said(tally.first_at), said(tally.last_at)),
        made_at=said(tally.now),
        jobs=list(_jobs(tally)),
        figures=_figures(tally),
        legend=list(zip(CLASSES, DONE, tally.verdicts(), strict=True)),
        sections=list(_sections(tally)),
        notes=[shown(note) for note in tally.notes],
        noted=tally.noted,
        files=files,
    )


def inline(name: str) -> str:
    """A style sheet or script of ours, as it stands in the page."""
    return "\n" + (TEMPLATES / name).read_text(encoding="utf-8")


def content_policy(style: str, script: str = "") -> str:
    """What the page may load: nothing, and run: the style and the script that it holds."""
    parts = [
        "default-src 'none'",
        f"style-src '{_digest(style)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join([*parts, f"script-src '{_digest(script)}'"] if script else parts)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode()


def amount(size_bytes: int) -> str:
    """A size for people."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1_000 or unit == "TB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1_000
    raise AssertionError


def counted(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {_word(number, what)}"


def _word(number: int, what: str) -> str:
    return what if number == 1 else f"{what}s"


def policy_name(digest: str) -> str:
    """The shipped profile of that digest, or the beginning of the digest."""
    return next((policy.name for policy in PROFILES.values() if policy.digest == digest), f"policy {digest[:19]}…")


def _jobs(tally: Tally) -> Iterator[tuple[str, str, str, int]]:
    for (_token, user_agent, purpose, digest), count in tally.jobs.rows(most=10):
        yield shown(user_agent), shown(purpose), policy_name(digest), count.sums[0]


def _figures(tally: Tally) -> list[Figure]:
    allowed, deferred, refused = tally.verdicts()
    return [
        Figure(f"{tally.decisions:,}", _word(tally.decisions, "decision")),
        Figure(f"{allowed:,}", "allowed", "allow"),
        Figure(f"{deferred:,}", "deferred", "defer"),
        Figure(f"{refused:,}", "refused", "refuse"),
        Figure(f"{tally.silent.total():,}", "met with silence"),
        Figure(f"{tally.contradicted:,}", "met contradictory words"),
        Figure(f"{tally.domains.number():,}", _word(tally.domains.number(), "registrable domain")),
        Figure(f"{tally.items:,}", f"{_word(tally.items, 'item')} kept, {amount(tally.item_bytes)}"),
        Figure(f"{tally.consents.number():,}", "consents and licenses used"),
        Figure(f"{len(tally.asking):,}", f"{_word(len(tally.asking), 'question')} to ask"),
    ]


def _sections(tally: Tally) -> Iterator[Section]:
    yield _time(tally)
    yield _signals(tally)
    yield _domains(tally)
    yield _silence(tally)
    yield _contradictions(tally)
    yield _deferrals(tally)
    yield _asking(tally)
    yield _consents(tally)
    yield Section(
        "words",
        "The words that decided",
        "Every statement that carried a decision, as it was published. Open one to see the word that matters, the "
        "document and place, and the section that gives it its meaning.",
        None,
        _table("reasons", "Statements that carried a decision", _REASON_COLUMNS, tally.reasons, _reason_row),
    )


def _time(tally: Tally) -> Section:
    length, steps = tally.over_time.shown(COLUMNS)
    rows = [
        (_text(clock(at, length)), *map(_number, counts), _number(sum(counts))) for at, counts in steps if any(counts)
    ]
    table = Shown(
        "over-time", f"Decisions in steps of {span(length)}, UTC",
        (Column("from"), *(Column(done, True) for done in (*DONE, "all"))),
        rows[:ROWS_SHOWN], max(len(rows) - ROWS_SHOWN, 0), "over-time", 0, True,
    )  # fmt: skip
    told = (
        f"Each column is {span(length)}. A retry is another decision, and so is each stage: before the fetch, and "
        "before "
        "keeping."
    )
    return Section("time", "Over time", told, columns("time-plot", "Decisions over time", length, steps), table)


_VERDICT_COLUMNS = (Column("refused", True), Column("deferred", True), Column("allowed", True))


def _signals(tally: Tally) -> Section:
    rows = [
        Bar(_protocol(key[0]), three(count.sums), f"{sum(count.sums[:3]):,}")
        for key, count in tally.signals.rows(by=2)
        if any(count.sums[:3]) and key[0] != SILENCE
    ]
    rows.sort(key=lambda bar: -sum(part.number for part in bar.parts if part.kind != "allow"))
    told = (
        "Which protocol carried how many decisions. Where two carried one, it is counted for each. Heard: it "
        "spoke, and something else decided. Silence has a plot of its own."
    )
    table = _table(
        "signals", "Decisions by signal",
        (Column("signal"), *_VERDICT_COLUMNS, Column("heard", True), Column("words, for example")),
        tally.signals,
        lambda key, sums, example: (
            _text(_protocol(key[0])), _number(sums[2]), _number(sums[1]), _number(sums[0]), _number(sums[3]),
            _words(reason_of(example)),
        ),
        by=2, sorted_by=1,
    )  # fmt: skip
    return Section(
        "signals", "By signal", told, bars("signals-plot", "Decisions by signal", rows[: BARS_SHOWN + 8]), table
    )


def _protocol(name: str) -> str:
    return "silence: nobody spoke to this" if name == SILENCE else name


def _domains(tally: Tally) -> Section:
    rows = [
        Bar(key[0] or "(no domain)", three(count.sums), f"{count.sums[2]:,} of {sum(count.sums[:3]):,}")
        for key, count in tally.domains.rows(by=2, most=BARS_SHOWN)
    ]
    number = tally.domains.number()
    first = f"The {len(rows)} that refused most. " if number > len(rows) else ""
    told = (
        f"{first}The numbers are refusals, of all decisions. The domain is the one that somebody registered, by the "
        "public suffix list."
    )
    table = _table(
        "domains", "Decisions by registrable domain",
        (Column("domain"), *_VERDICT_COLUMNS, Column("refused for silence", True), Column("items", True),
         Column("bytes", True), Column("first words that stopped us")),
        tally.domains,
        lambda key, sums, example: (
            _text(key[0], anywhere=True), _number(sums[2]), _number(sums[1]), _number(sums[0]), _number(sums[4]),
            _number(sums[5]), _number(sums[6]), _words(reason_of(example)),
        ),
        by=2, sorted_by=1,
    )  # fmt: skip
    plot = bars("domains-plot", "Decisions by registrable domain", rows)
    return Section("domains", "By registrable domain", told, plot, table)


def _silence(tally: Tally) -> Section:
    allowed, deferred, refused = tally.verdicts()
    silent = {word: sum(tally.silent[stage, word] for stage in STAGES) for word in VERDICTS}
    parts = (
        ("allowed by words", "allow", allowed - silent["allow"]),
        ("allowed, for nobody spoke against it", "allow faint", silent["allow"]),
        ("deferred: a place could not be read", "defer", deferred),
        ("refused by words", "refuse", refused - silent["refuse"]),
        ("refused, for nobody said yes", "refuse faint", silent["refuse"]),
    )
    rows = [
        Bar(label, (Part(kind, n, "decisions"),) if n else (), _share(n, tally.decisions)) for label, kind, n in parts
    ]
    told = (
        "Silence is no answer: the policy says what it is taken for. Before the fetch, the robots.txt of a site may "
        "have been heard and nothing about this use."
    )
    columns_ = (Column("stage"), Column("verdict"), Column("by words", True), Column("by silence", True))
    cells: list[tuple[Cell, ...]] = [
        (
            _text(f"before the {stage}" if stage == "fetch" else "before keeping"), _text(word),
            _number(tally.by_stage[stage, word] - tally.silent[stage, word]), _number(tally.silent[stage, word]),
        )
        for stage in STAGES
        for word in VERDICTS
    ]  # fmt: skip
    table = Shown("silence", "Words and silence, by stage", columns_, cells, 0, "silence", 0, True)
    return Section("silence", "Silence", told, bars("silence-plot", "Decisions by words and by silence", rows), table)


def _share(number: int, of: int) -> str:
    return f"{number:,} ({100 * number / of:.1f} %)" if of else "0"


def _contradictions(tally: Tally) -> Section:
    rows: list[Bar] = []
    for key, count in tally.contradictions.rows(most=BARS_SHOWN):
        permits, refuses = (reason_of(side) for side in key[1:])
        if permits is not None and refuses is not None:
            part = Part("plain", count.sums[0], "decisions")
            rows.append(Bar(f"{permits.source} / {refuses.source}", (part,), f"{count.sums[0]:,}"))
    told = (
        f"{counted(tally.contradicted, 'decision')} met two statements that cannot both be meant. Each pair is shown "
        "with what permits on the left and what refuses on the right."
    )
    table = _table(
        "contradictions", "Statements that contradict each other",
        (Column("decisions", True), Column("about"), Column("permits"), Column("refuses"), Column("for example")),
        tally.contradictions,
        lambda key, sums, example: (
            _number(sums[0]), _text(key[0]), _words(reason_of(key[1])), _words(reason_of(key[2])),
            _text(example, anywhere=True),
        ),
    )  # fmt: skip
    plot = bars("contradictions-plot", "Decisions that met a contradiction", rows)
    return Section("contradictions", "Contradictions", told, plot, table)


def _deferrals(tally: Tally) -> Section:
    rows = [
        Bar(f"{key[0]}: {key[1]}", (Part("defer", count.sums[0], "decisions"),), f"{count.sums[0]:,}")
        for key, count in tally.deferrals.rows(most=BARS_SHOWN)
    ]
    told = (
        "A place that may speak could not be looked at, so nothing was fetched yet. One decision may have several "
        "causes, and each retry is another decision."
    )
    table = _table(
        "deferrals", "Why decisions were deferred",
        (Column("decisions", True), Column("place"), Column("what came back"), Column("for example")),
        tally.deferrals,
        lambda key, sums, example: (_number(sums[0]), _text(key[0]), _text(key[1]), _text(example, anywhere=True)),
    )  # fmt: skip
    plot = bars("deferrals-plot", "Deferred decisions by cause", rows)
    return Section("deferrals", "Deferrals", told, plot, table)


def _asking(tally: Tally) -> Section:
    most = sorted(tally.asking, key=lambda ask: (-ask.urls, ask))
    rows = [
        Bar(f"{_whom(ask)}: {ask.about}", (Part("plain", ask.urls, "addresses"),), f"{ask.urls:,}")
        for ask in most[:BARS_SHOWN]
    ]
    told = (
        "Who could say yes, where the way to reach them is published: one row for each rightsholder, purpose and "
        "signal. The bars are addresses that one answer would decide."
    )
    table = Shown(
        "asking", "Whom to ask for what",
        (Column("addresses", True), Column("whom"), Column("contact"), Column("terms"), Column("purpose"),
         Column("about"), Column("their words"), Column("note")),
        [_ask_row(ask) for ask in most[:ROWS_SHOWN]], max(len(most) - ROWS_SHOWN, 0), "whom-to-ask", 0,
    )  # fmt: skip
    return Section("ask", "Whom to ask", told, bars("ask-plot", "Addresses by whom to ask", rows), table)


def _whom(ask: Asking) -> str:
    return ask.name or ask.contact or ask.registrable_domain


def _ask_row(ask: Asking) -> tuple[Cell, ...]:
    return (
        _number(ask.urls), _text(ask.name or ask.registrable_domain), _text(ask.contact, anywhere=True),
        _text(ask.terms_url, anywhere=True), _text(ask.purpose), _text(ask.about),
        Cell("", ask.why, words=Words(_cut(ask.why), _caret(ask.why), f"for example {shown(ask.example_url)}")),
        _text(ask.note),
    )  # fmt: skip


def _consents(tally: Tally) -> Section:
    kinds = ("refuse", "defer", "defer faint", "allow faint", "allow", "allow")
    rows = [
        Bar(when, (Part(kind, n, "items"),) if (n := tally.items_run_out[when]) else (), f"{n:,}")
        for when, kind in zip(RUNS_OUT, kinds, strict=True)
    ]
    told = (
        "Which consents, licenses and papers allowed something, and until when. The bars are items that were kept, by "
        "when the permission that they stand on runs out."
    )
    table = _table(
        "consents", "Consents that were used",
        (Column("decisions", True), Column("kind"), Column("from"), Column("reference"), Column("runs out"),
         Column("state"), Column("terms"), Column("words")),
        tally.consents,
        lambda key, sums, _example: (
            _number(sums[0]), _text(key[0]), _text(key[1]), _text(key[2], anywhere=True),
            _text(key[5][:10] or "no end"), _state(key[5], tally.now), _text(key[3], anywhere=True),
            _words(_consent_reason(key)),
        ),
    )  # fmt: skip
    plot = bars("consents-plot", "Items by when their permission runs out", rows)
    return Section("consents", "Consents used, and running out", told, plot, table)


def _state(until: str, now: datetime) -> Cell:
    if not until:
        return _text("no end is given", order="9")
    end = datetime.fromisoformat(until)
    if end <= now:
        return _text("has run out", order="0")
    days = (end - now).days
    return _text(f"runs out in {days} days", order="1") if end - now <= SOON else _text("in force", order="2")


def _consent_reason(key: Key) -> Reason:
    basis, source, _reference, _terms, where, _until, at, text, section = key
    return Reason("", source, "", basis, "allow", where, at, text, section)


_REASON_COLUMNS = (
    Column("decisions", True), Column("verdict"), Column("signal"), Column("about"), Column("words"),
    Column("document"), Column("place"),
)  # fmt: skip


def _reason_row(key: Key, sums: Sequence[int], example: str) -> tuple[Cell, ...]:
    reason = Reason(*key)
    words = _words(reason, example)
    return (
        _number(sums[0]), _text(reason.verdict), _text(reason.source), _text(reason.category), words,
        _text(reason.document_url, anywhere=True), _text(reason.at),
    )  # fmt: skip


RowOf = Callable[[Key, Sequence[int], str], tuple[Cell, ...]]


def _table(
    name: str,
    caption: str,
    of: tuple[Column, ...],
    counts: Counts,
    row: RowOf,
    *,
    by: int = 0,
    sorted_by: int = 0,
) -> Shown:
    rows = [row(key, count.sums, count.example) for key, count in counts.rows(by=by, most=ROWS_SHOWN)]
    return Shown(name, caption, of, rows, counts.number() - len(rows), name, sorted_by)


def _number(number: int) -> Cell:
    return Cell(f"{number:,}", str(number), number=True)


def _text(text: str, *, order: str | None = None, anywhere: bool = False) -> Cell:
    line = shown(text)
    return Cell(line, line if order is None else order, break_anywhere=anywhere)


def _words(reason: Reason | None, example: str = "") -> Cell:
    if reason is None:
        return Cell("", "")
    where = f"{reason.source}: {shown(reason.document_url)}, {shown(reason.at)}"
    section = f" ({reason.spec})" if reason.spec else ""
    seen = f"; for example for {shown(example)}" if example else ""
    return Cell("", shown(reason.text), words=Words(_cut(reason.text), _caret(reason.text), f"{where}{section}{seen}"))


def _caret(text: str) -> str:
    return "\n".join(quoted(text, indent=""))


def _cut(text: str) -> str:
    line = shown(text)
    return line if len(line) <= WORDS_CHARS else line[: WORDS_CHARS - 1] + "…"
