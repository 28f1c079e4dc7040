"""Sections 2.3 and 3.1 of the European Commission's template for the public summary of training content.

The template is an annex to the AI Office's explanatory notice of 24 July 2025, under Article 53(1)(d) of Regulation
(EU) 2024/1689. This module fills what a crawl's record can show, and nothing else; it is no legal advice.

1. Every number says which file, column and query it is from. A number that the record cannot show is not there.
2. What is left for the provider is said as such, at its place: it is never filled with a guess.
3. The most relevant domains: the first 10 % of the registrable domains from which something was kept, by bytes; for a
   small or medium-sized enterprise 5 %, at most 1,000. A share of a domain counts as one.
4. house: we count bytes as they were kept. The template also speaks of being representative across modalities, so the
   list has a column for each modality; whether that is enough is the provider's to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from askfirst.explain import shown
from askfirst.report.page import TEMPLATES, amount, content_policy, counted, environment, inline
from askfirst.report.tables import Table, said
from askfirst.report.tally import Tally
from askfirst.rights.model import Verdict
from askfirst.rights.policy import PROFILES, Mode, Policy
from askfirst.rights.signals import PROTOCOLS

TEMPLATE = "eu-training-summary"
HTML, MARKDOWN, DOMAINS = f"{TEMPLATE}.html", f"{TEMPLATE}.md", "eu-domains"
DOMAINS_SHOWN = 1_000
SME_MOST = 1_000
MODALITIES = ("text", "image", "audio", "video", "other")
_TEXTUAL = frozenset({
    "application/pdf", "application/xhtml+xml", "application/epub+zip", "application/json", "application/xml",
    "application/rtf", "application/msword",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What the provider says. ``policy`` is the policy file that was used, where it is none of the profiles."""

    name: str | None = None
    model: str | None = None
    sme: bool = False
    policies: Mapping[str, Policy] = field(default_factory=dict)


class Answer(NamedTuple):
    """One field of the template. ``value`` is from the record, ``source`` says from where in it; ``left`` is what the
    provider has to fill in or to check."""

    label: str
    value: tuple[str, ...] = ()
    source: str = ""
    left: str = ""


class Domain(NamedTuple):
    """One of the most relevant domains."""

    domain: str
    items: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The filled sections."""

    title: str
    made_at: str
    general: tuple[Answer, ...]
    crawled: tuple[Answer, ...]
    reservations: tuple[Answer, ...]
    domains: tuple[Domain, ...]
    relevant: int
    all_domains: int
    share: str

    @property
    def left(self) -> int:
        """How many fields wait for the provider."""
        return sum(bool(answer.left) for answer in (*self.general, *self.crawled, *self.reservations))


def modality(media_type: str) -> str:
    """What a media type is, of the template's modalities."""
    kind = media_type.partition("/")[0].lower()
    if kind in ("text", "image", "audio", "video"):
        return kind
    return "text" if media_type.lower() in _TEXTUAL else "other"


def summarize(tally: Tally, out: Path, provider: Provider) -> Summary:
    """The sections, from the tally and the run cards of the directory."""
    domains = tally.domains.used(5)
    relevant = relevant_domains(domains, sme=provider.sme)
    shown_domains: list[Domain] = []
    covered = 0
    for index, (key, count) in enumerate(tally.domains.rows(by=6, most=relevant)):
        covered += count.sums[6]
        if index < DOMAINS_SHOWN:
            shown_domains.append(Domain(key[0], count.sums[5], count.sums[6]))
    return Summary(
        title=out.resolve().name,
        made_at=said(tally.now),
        general=tuple(_general(tally, provider)),
        crawled=tuple(_crawled(tally, provider, domains, relevant)),
        reservations=tuple(_reservations(tally, out, provider)),
        domains=tuple(shown_domains),
        relevant=relevant,
        all_domains=domains,
        share=_percent(covered, tally.item_bytes),
    )


def relevant_domains(domains: int, *, sme: bool) -> int:
    """How many domains are to be named."""
    return min(ceil(domains * 5 / 100), SME_MOST) if sme else ceil(domains / 10)


def _percent(part: int, of: int) -> str:
    return f"{100 * part / of:.1f} %" if of else "nothing was kept"


def _general(tally: Tally, provider: Provider) -> Iterator[Answer]:
    yield _told(
        "1.1 Provider", provider.name, "the name and contact of the provider, and of its authorised representative"
    )
    yield _told(
        "1.2 Model",
        provider.model,
        "model names and versions, what they depend on, and the date of placing on the market",
    )
    yield Answer(
        "1.3 Modalities and sizes of this crawl", tuple(_sizes(tally)),
        "media.csv, columns media_type, items and bytes",
        "the size range of each modality in the template's units (tokens, images, hours) over all training data, its "
        "languages and other characteristics: the record counts items and bytes only",
    )  # fmt: skip


def _told(label: str, value: str | None, left: str) -> Answer:
    return (
        Answer(label, (value,), "given on the command line", f"check, and complete: {left}")
        if value
        else Answer(label, left=left)
    )


def _sizes(tally: Tally) -> Iterator[str]:
    sums = {name: [0, 0] for name in MODALITIES}
    for (media_type,), count in tally.media.rows():
        of = sums[modality(media_type)]
        of[0] += count.sums[0]
        of[1] += count.sums[1]
    for name, (items, size_bytes) in sums.items():
        if items:
            yield f"{name}: {counted(items, 'item')}, {size_bytes:,} bytes ({amount(size_bytes)})"


def _crawled(tally: Tally, provider: Provider, domains: int, relevant: int) -> Iterator[Answer]:
    jobs = [(key, count.sums[0]) for key, count in tally.jobs.rows(most=50)]
    agents = dict.fromkeys((key[0], key[1]) for key, _number in jobs)
    yield Answer(
        "Were crawlers used", ("yes",) if tally.decisions else ("this record holds no decision",),
        "decisions.csv, its rows",
        "crawlers whose record is not in this directory, and crawlers that others ran on the provider's behalf",
    )  # fmt: skip
    yield Answer(
        "Crawler names and identifiers",
        tuple(f"{token} (User-Agent: {user_agent})" for token, user_agent in agents),
        "jobs.csv, columns product_token and user_agent",
    )
    yield Answer(
        "Purposes of the crawlers",
        tuple(f"{purpose}: {counted(number, 'decision')}" for purpose, number in _by(jobs, 2).items()),
        "jobs.csv, column purpose, sum of decisions",
        "the purpose in the provider's own words",
    )
    yield Answer("General description of the crawlers' behavior", tuple(_behavior(tally)), "see each line")
    first, last = tally.first_item_at, tally.last_item_at
    kept = first is not None
    yield Answer(
        "Period of collection",
        ((f"from {said(first)} to {said(last)}",) if kept else ("nothing was kept",)),
        "items/*.jsonl of the record, least and greatest fetched_at of the items that are kept",
    )
    yield Answer(
        "Types of content and of online sources",
        (f"{counted(tally.items, 'item')} from {counted(domains, 'registrable domain')}",),
        "domains.csv, rows with items above 0",
        "which kinds of sources these are (news, forums, blogs, scientific, commercial, public bodies, …), and in "
        "which languages and regions",
    )
    yield Answer("Modalities covered", tuple(_sizes(tally)), "media.csv, grouped by the media type's first half; PDF, "
                 "EPUB, JSON and XML count as text")  # fmt: skip
    rule = "5 %, at most 1,000 (SME)" if provider.sme else "10 %"
    yield Answer(
        "Most relevant domains",
        (f"{relevant:,} of {domains:,}: the first {rule} by bytes; listed below",)
        if domains
        else ("nothing was kept",),
        f"{DOMAINS}.csv; domains.csv with items above 0, ordered by bytes",
        "whether the list is representative across modalities, as the template asks"
        + ("" if provider.sme else "; with --sme the shorter list of a small or medium-sized enterprise"),
    )
    yield Answer("Comments", left="anything that a reader should know besides (optional)")


def _by(jobs: list[tuple[tuple[str, ...], int]], column: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for key, number in jobs:
        sums[key[column]] = sums.get(key[column], 0) + number
    return sums


def _behavior(tally: Tally) -> Iterator[str]:
    def of(protocol: str, column: int) -> int:
        return tally.signals.value((protocol,), column)

    allowed, deferred, refused = tally.verdicts()
    yield (
        f"A decision was recorded before each request and before anything was kept: {allowed:,} allowed, "
        f"{deferred:,} deferred and {refused:,} refused [over-time.csv, sums of its columns]."
    )
    yield (
        f"robots.txt (RFC 9309) was obeyed: {counted(of('robots.txt', 2), 'decision')} refused by it, and "
        f"{of('robots.txt', 1):,} deferred because it could not be read; where it answered 401 or 403, nothing was "
        f"fetched "
        "[signals.csv, row robots.txt]."
    )
    yield (
        f"Paywalls: no credentials and no cookies are sent, and nothing is paid. {of('license-challenge', 2):,} "
        "answers that asked for a license (401 or 402) were taken as a refusal [signals.csv, row license-challenge]. "
        "Other "
        "error answers are not kept."
    )
    yield (
        "Captchas: the crawler has no means to solve one and runs no scripts of pages. A challenge page that is sent "
        "with a success status is a page like any other; the record does not tell it apart."
    )


def _reservations(tally: Tally, out: Path, provider: Provider) -> Iterator[Answer]:
    yield Answer(
        "Signatory of the Code of Practice for general-purpose AI models", left="yes or no; the record cannot know"
    )
    cards = _policy_names(out)
    known = {policy.digest: policy for policy in (*PROFILES.values(), *provider.policies.values())}
    for digest, number in _by([(key, count.sums[0]) for key, count in tally.jobs.rows(most=1_000)], 3).items():
        policy = known.get(digest)
        name = policy.name if policy is not None else cards.get(digest, "of a file")
        where = f"policy_digest {digest} in jobs.csv"
        if policy is None:
            yield Answer(
                f"Policy {shown(name)}, {counted(number, 'decision')}", (), where,
                "what this policy obeys: it is none of the shipped ones; give its file with --policy to have it "
                "described",
            )  # fmt: skip
        else:
            yield Answer(f"Policy {name}, {counted(number, 'decision')}", tuple(_measures(policy)), where)
    yield Answer(
        "Reservations that were met and respected", tuple(_met(tally)),
        "signals.csv, columns refused and deferred; each statement with its words in reasons.csv",
    )  # fmt: skip
    silent = sum(number for (_stage, verdict), number in tally.silent.items() if verdict == "refuse")
    yield Answer(
        "Refused without any reservation, for nobody had permitted it", (counted(silent, "decision"),),
        "silence.csv, rows with verdict refuse, sum of by_silence",
    )  # fmt: skip
    yield Answer(
        "Consents and licenses relied on", (f"{tally.consents.number():,} consents, licenses or papers",),
        "consents.csv, its rows",
    )  # fmt: skip
    yield Answer(
        "Evidence",
        ("Each decision names by digest what was read; it is in evidence/*.warc, and askfirst replay decides again.",),
        "decisions.csv, columns file and line", "measures for data that was not collected by this crawler",
    )  # fmt: skip


def _measures(policy: Policy) -> Iterator[str]:
    obeyed = [name for name, mode in PROTOCOLS.items() if policy.mode(name, mode) is Mode.OBEY]
    logged = [name for name, mode in PROTOCOLS.items() if policy.mode(name, mode) is Mode.LOG]
    off = [name for name, mode in PROTOCOLS.items() if policy.mode(name, mode) is Mode.OFF]
    yield f"Honored: {', '.join(obeyed)}."
    yield "Of these, security.txt and work-rights only say whom to ask."
    if logged:
        yield f"Read and recorded without effect: {', '.join(logged)}."
    if off:
        yield f"Not looked at: {', '.join(off)}."
    silence = {stage: "allows" if verdict is Verdict.ALLOW else "refuses" for stage, verdict in policy.silence.items()}
    yield "Where nobody says anything: " + ", ".join(f"{done} to {stage}" for stage, done in silence.items()) + "."
    yield f"Unclear words are read at the level '{policy.care.name.lower()}'."
    yield f"Papers that the operator holds (licenses, consents, overrides): {len(policy.papers)}."
    yield "No consent lifts an access rule of robots.txt; a place that could not be read defers the request."


def _met(tally: Tally) -> Iterator[str]:
    for (protocol,), count in tally.signals.rows(by=2):
        if protocol != "silence" and (count.sums[1] or count.sums[2]):
            yield f"{shown(protocol)}: {counted(count.sums[2], 'decision')} refused, {count.sums[1]:,} deferred"


def _policy_names(out: Path) -> dict[str, str]:
    """The names of policies by digest, as the run cards have them; a card that cannot be read names none."""
    names: dict[str, str] = {}
    for path in sorted((out / "runs").glob("*.json")):
        try:
            card = json.loads(path.read_bytes())
        except (ValueError, OSError):
            continue
        policy = card.get("policy") if isinstance(card, dict) else None
        if isinstance(policy, dict) and isinstance(policy.get("digest"), str) and isinstance(policy.get("name"), str):
            names[policy["digest"]] = policy["name"]
    return names


def domain_table(tally: Tally, summary: Summary) -> Table:
    """The list of most relevant domains, whole."""
    return Table(
        DOMAINS,
        "one row for each of the most relevant domains",
        ("rank", "domain", "items", "bytes"),
        (
            (rank, key[0], count.sums[5], count.sums[6])
            for rank, (key, count) in enumerate(tally.domains.rows(by=6, most=summary.relevant), start=1)
        ),
        numbers=frozenset({"rank", "items", "bytes"}),
    )


def as_html(summary: Summary) -> str:
    """As a page of its own, without network."""
    style = inline("page.css")
    return (
        environment()
        .get_template("eu-training-summary.html.j2")
        .render(
            s=summary,
            style=Markup(style),  # noqa: S704 - our own file
            policy=content_policy(style),
        )
    )


def as_markdown(summary: Summary) -> str:
    """As Markdown; strangers' words cannot end a line or begin a mark."""
    made = environment().overlay(autoescape=False)
    made.filters["md"] = plain
    return made.from_string((TEMPLATES / "eu-training-summary.md.j2").read_text(encoding="utf-8")).render(s=summary)


def plain(text: str) -> str:
    """Text that Markdown takes for text."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#~&" else c for c in shown(text))
