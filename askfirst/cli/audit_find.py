"""``askfirst audit find WHAT --in DIR`` and ``askfirst audit export DIR --parquet``.

``find`` ends with 0 when the question was answered, also with "never seen", because that is an answer; with 1 when
something could not be read or written; with 2 for the operator's mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from askfirst.audit.export import export_parquet
from askfirst.audit.find import MOST_LISTED, Answer, LookedAt, Place, Question, Reason, passage, question_of, recorded
from askfirst.audit.find import find as find_in
from askfirst.explain import explain, quoted, shown
from askfirst.pictures import MAX_DISTANCE
from askfirst.ports import EdgeError, SettingsError
from askfirst.rights.model import Verdict
from askfirst.rights.record import Recorded
from askfirst.rights.wire import timestamp

SHOWN_PLACES = 10
SHOWN_REASONS = 6
SHOWN_ASKS = 6
_HEADLINES = {
    "kept": "KEPT",
    "replaced": "KEPT ONCE, since replaced by another version",
    "withdrawn": "WITHDRAWN: it was kept, and is no more part of the dataset",
    "refused": "REFUSED: seen, and not kept",
    "deferred": "DEFERRED: to be asked again, and not kept",
    "allowed": "ALLOWED, and not kept",
    "never seen": "NEVER SEEN",
}
_DID = {"allow": "allowed", "defer": "deferred", "refuse": "refused"}


def find(
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="The output directory of a crawl.")],
    what: Annotated[
        str | None,
        typer.Argument(metavar="WHAT", help="A URL, a site, a picture or any file, a sha256, or a decision's id."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="A passage that a kept text may hold.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    prove: Annotated[
        Path | None, typer.Option("--prove", metavar="FILE", help="Also write the proof of the decision that counts.")
    ] = None,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Use no index and no remembered fingerprint: read everything.")
    ] = False,
) -> None:
    """Say whether something was seen, kept or refused, when, why, and under whose consent."""
    if (what is None) == (text is None):
        raise SettingsError("name either WHAT is to be found, or a passage with --text")
    question = question_of(what) if what is not None else passage(str(text))
    answer = _answered(folder, question, afresh)
    proof = None if prove is None else _prove(folder, answer, prove)
    if as_json:
        typer.echo(json.dumps(answer_to_json(answer, proof), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in lines_of(answer):
        console.print(line, markup=False)
    if proof is not None:
        console.print(f"proof: {proof} (askfirst audit check-proof checks it, and needs nothing else)", markup=False)
    elif prove is not None:
        console.print("proof: none, because no decision was found that it could be of", markup=False)


def _answered(folder: Path, question: Question, afresh: bool) -> Answer:
    console = Console(stderr=True)
    if not console.is_terminal:
        return find_in(folder, question, afresh=afresh)
    with console.status("looking") as status:
        return find_in(folder, question, afresh=afresh, progress=status.update)


def _prove(folder: Path, answer: Answer, path: Path) -> Path | None:
    latest = answer.latest
    if latest is None:
        return None
    from askfirst.audit.prove import prove  # noqa: PLC0415 - most questions need no proof

    proof = prove(folder, latest.decision.id)
    try:
        path.write_bytes(proof)
    except OSError as error:
        raise EdgeError(f"cannot write the proof {path}: {error.strerror}; name another file") from None
    return path


# -- the answer as text ------------------------------------------------------------------------------------------------


def lines_of(answer: Answer) -> Iterator[str]:
    """The answer, ready for a terminal: what is from the wire has no control characters."""
    question = answer.question
    name = shown(question.what if len(question.what) <= 200 else question.what[:200] + "…")
    exact = any(f"sha256:{place.item.sha256}" in question.digests for place in answer.places.values())
    likely = " (a picture like it: look at both)" if answer.likenesses and answer.places and not exact else ""
    yield f"{_HEADLINES[answer.state]}{likely}  {name}"
    if question.digests and question.kind == "file":
        yield f"  {min(question.digests)}"
    yield from _likenesses(answer)
    yield from _counts(answer)
    yield from _places(answer)
    if question.kind == "site" or len(answer.addresses) > 1:
        yield from _reasons(answer)
    else:
        latest = answer.latest
        if latest is not None:
            yield ""
            yield explain(latest.decision)
            yield f"  decided {timestamp(latest.decision.decided_at)}, id {latest.decision.id}"
    yield from _consents(answer)
    yield ""
    yield from looked_at_lines(answer)


def _likenesses(answer: Answer) -> Iterator[str]:
    listed = sorted(answer.likenesses.values(), key=lambda one: one.distance)
    for one in islice(listed, SHOWN_PLACES):
        exact = " (the same bytes)" if f"sha256:{one.sha256}" in answer.question.digests else ""
        yield f"  like the kept picture sha256:{one.sha256}, {one.attitude}: {one.distance} of 256 bits differ{exact}"
    if len(listed) > SHOWN_PLACES:
        yield f"  and like {len(listed) - SHOWN_PLACES} more"


def _counts(answer: Answer) -> Iterator[str]:
    if not answer.total:
        return
    spans = f"between {shown(answer.first_at)} and {shown(answer.last_at)}"
    spans = f"at {shown(answer.first_at)}" if answer.first_at == answer.last_at else spans
    counted = ", ".join(f"{number} {stage} {_DID[verdict]}" for (stage, verdict), number in sorted(answer.by.items()))
    about = f" about {len(answer.addresses):,} addresses" if len(answer.addresses) > 1 else ""
    yield f"  {answer.total:,} decisions{about} {spans}: {counted}"
    if len(answer.by_month) > 1:
        for month, verdicts in sorted(answer.by_month.items()):
            yield f"    {shown(month)}: " + ", ".join(f"{number} {_DID[v]}" for v, number in sorted(verdicts.items()))
    if answer.contradictions:
        yield f"  {answer.contradictions:,} of them found statements that contradict each other"


def _places(answer: Answer) -> Iterator[str]:
    places = list(answer.places.values())
    if not places:
        return
    total = sum(place.item.bytes for place in places if place.state == "kept")
    counted = {state: sum(place.state == state for place in places) for state in ("kept", "replaced", "withdrawn")}
    words = ", ".join(f"{number:,} {state}" for state, number in counted.items() if number)
    yield f"  items: {words}; {total:,} bytes are kept now"
    for place in places[:SHOWN_PLACES]:
        item = place.item
        yield f"    {shown(item.url)}"
        yield f"      received {timestamp(item.fetched_at)}, sha256:{item.sha256}, in {shown(item.warc)}"
        why = ", ".join(map(shown, item.because)) or "nothing spoke against it, and the policy took silence so"
        yield f"      kept because {why}; decision {shown(item.decision_id)}"
        if item.reference:
            yield f"      under {shown(item.reference)}"
        if item.expires_at is not None:
            yield f"      the permission runs until {timestamp(item.expires_at)}"
        if place.withdrawn_at is not None:
            yield f"      withdrawn {timestamp(place.withdrawn_at)}; its bytes are still in the WARC file"
        elif place.state == "replaced":
            yield "      a later look kept other bytes at this address"
    if len(places) > SHOWN_PLACES:
        yield f"    and {len(places) - SHOWN_PLACES:,} more; --json lists {MOST_LISTED:,}"


def _reasons(answer: Answer) -> Iterator[str]:
    for verdict in ("refuse", "defer", "allow"):
        found = sorted((r for r in answer.reasons.values() if r.verdict == verdict), key=lambda r: -r.count)
        if found:
            yield f"  {_DID[verdict]} because of"
            for reason in found[:SHOWN_REASONS]:
                yield from _reason(reason)
            if len(found) > SHOWN_REASONS:
                yield f"    {len(found) - SHOWN_REASONS} other reasons"
    if answer.asks:
        yield "  whom to ask"
        for (name, contact, terms_url), number in answer.asks.most_common(SHOWN_ASKS):
            whom = ", ".join(map(shown, filter(None, (name, contact, terms_url)))) or "the publisher"
            yield f"    {whom} ({number:,} decisions)"


def _reason(reason: Reason) -> Iterator[str]:
    example = recorded(reason.line)
    said = next((s for s in example.decision.because if s.evidence.text == reason.text), None) if example else None
    if said is None:
        yield f"    {reason.protocol} ({reason.count:,} decisions)"
        return
    yield f"    {shown(said.source)} ({reason.count:,} decisions)"
    yield from quoted(said.evidence.text, indent="      ")
    yield f"      {shown(said.evidence.document_url)}, {shown(said.evidence.at)} ({shown(said.evidence.spec)})"


def _consents(answer: Answer) -> Iterator[str]:
    for (reference, url, document_url), number in answer.consents.most_common(SHOWN_ASKS):
        yield f"  under {shown(reference or url)}, said in {shown(document_url)} ({number:,} decisions)"


def looked_at_lines(answer: Answer) -> Iterator[str]:
    """What was searched, and what could not be."""
    at, kind = answer.looked_at, answer.question.kind
    indexed = f", {at.indexed:,} of them by index" if at.indexed else ""
    runs = "run" if at.runs == 1 else "runs"
    yield f"looked at: {at.decisions:,} decisions of {at.runs} {runs}{indexed}, {at.item_lines:,} item lines"
    if at.unreadable_decisions:
        yield f"  {at.unreadable_decisions:,} lines of the log may be about it and are no decisions that can be read"
    if kind in {"file", "digest", "text"}:
        yield "  for the same bytes: what was kept, and what decisions looked at, kept or not"
    if at.pictures or at.unfit_pictures:
        yield (
            f"  for likenesses (up to {MAX_DISTANCE} of 256 bits, PDQ): {at.pictures:,} kept pictures; the bytes of "
            "what was refused are not there to be compared"
        )
    if at.remembered_pictures:
        yield f"  {at.remembered_pictures:,} fingerprints were remembered from an earlier question; --afresh takes none"
    if kind == "text":
        yield f"  for the passage: {at.texts:,} kept texts"
    yield from _unfit(at)
    yield from (f"  {shown(note)}" for note in dict.fromkeys(at.notes))


def _unfit(at: LookedAt) -> Iterator[str]:
    for what, unfit in (("pictures", at.unfit_pictures), ("items", at.unfit_texts)):
        if unfit:
            counted = ", ".join(f"{number:,} {shown(why)}" for why, number in unfit.most_common(8))
            yield f"  {unfit.total():,} kept {what} could not be compared: {counted}"


# -- the answer as JSON ------------------------------------------------------------------------------------------------


def answer_to_json(answer: Answer, proof: Path | None) -> dict[str, object]:
    """The same, for machines; lists hold at most MOST_LISTED entries, counts are of all."""
    at, latest = answer.looked_at, answer.latest
    return {
        "what": answer.question.what,
        "kind": answer.question.kind,
        "answer": answer.state,
        "decisions": answer.total,
        "by": [{"stage": s, "verdict": v, "decisions": number} for (s, v), number in sorted(answer.by.items())],
        "by_month": {month: dict(sorted(verdicts.items())) for month, verdicts in sorted(answer.by_month.items())},
        "first_at": answer.first_at or None,
        "last_at": answer.last_at or None,
        "contradictions": answer.contradictions,
        "items": [_place_to_json(place) for place in islice(answer.places.values(), MOST_LISTED)],
        "items_kept": sum(place.state == "kept" for place in answer.places.values()),
        "items_withdrawn": sum(place.state == "withdrawn" for place in answer.places.values()),
        "bytes_kept": sum(place.item.bytes for place in answer.places.values() if place.state == "kept"),
        "like": [one._asdict() for one in sorted(answer.likenesses.values(), key=lambda one: one.distance)],
        "reasons": [
            {"verdict": r.verdict, "protocol": r.protocol, "text": r.text, "decisions": r.count}
            for r in islice(sorted(answer.reasons.values(), key=lambda r: -r.count), MOST_LISTED)
        ],
        "consents": [
            {"reference": reference, "terms_url": url, "document_url": document_url, "decisions": number}
            for (reference, url, document_url), number in answer.consents.most_common()
        ],
        "ask": [
            {"name": name, "contact": contact, "terms_url": url, "decisions": number}
            for (name, contact, url), number in answer.asks.most_common()
        ],
        "latest": None if latest is None else _latest_to_json(latest),
        "proof": None if proof is None else str(proof),
        "looked_at": {
            "runs": at.runs,
            "decisions": at.decisions,
            "decisions_by_index": at.indexed,
            "unreadable_decisions": at.unreadable_decisions,
            "item_lines": at.item_lines,
            "pictures": at.pictures,
            "remembered_pictures": at.remembered_pictures,
            "unfit_pictures": dict(at.unfit_pictures),
            "texts": at.texts,
            "unfit_texts": dict(at.unfit_texts),
            "notes": list(dict.fromkeys(at.notes)),
        },
    }


def _place_to_json(place: Place) -> dict[str, object]:
    item = msgspec.to_builtins(place.item)
    withdrawn = None if place.withdrawn_at is None else timestamp(place.withdrawn_at)
    return {"state": place.state, **item, "withdrawn_at": withdrawn}


def _latest_to_json(latest: Recorded) -> dict[str, object]:
    decision = latest.decision
    return {
        "id": decision.id,
        "url": decision.intent.url,
        "purpose": decision.intent.purpose.value,
        "stage": decision.stage.value,
        "verdict": decision.verdict.word,
        "decided_at": timestamp(decision.decided_at),
        "silence": decision.verdict is not Verdict.DEFER and not decision.because,
        "explanation": explain(decision),
    }


# -- the export --------------------------------------------------------------------------------------------------------


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The output directory of a crawl.")],
    parquet: Annotated[bool, typer.Option("--parquet", help="As Parquet tables; there is no other form yet.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the tables go. Default: export in the directory.")
    ] = None,
) -> None:
    """Write the record as tables, for questions in SQL; docs/questions.md has some that are ready."""
    if not parquet:
        raise SettingsError("say --parquet: it is the form in which the record is exported")
    if not (folder / "decisions").is_dir():
        raise SettingsError(f"{folder}: holds no decisions; name the --out directory of a crawl")
    into = out or folder / "export"
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    notes: list[str] = []
    with console.status("exporting") if console.is_terminal else nullcontext() as status:
        done = export_parquet(
            folder,
            into,
            note=notes.append,
            progress=lambda rows: status.update(f"exporting: {rows:,} decisions so far") if status else None,
        )
    for line in islice(notes, 20):
        console.print(f"askfirst: {line}", markup=False)
    if len(notes) > 20:
        console.print(f"askfirst: and {len(notes) - 20:,} more like these", markup=False)
    Console(soft_wrap=True, highlight=False).print(
        f"{into}: {done.decisions:,} decisions, {done.observations:,} observations, {done.items:,} items, "
        f"{done.withdrawals:,} withdrawals"
        + (f"; {done.left_out:,} lines are no decisions and were left out" if done.left_out else ""),
        markup=False,
    )
