"""Any bytes into any reader: the property, the seeds, and a fuzz target that runs for as long as you like.

    python -m tests.fuzz [--minutes N] [--seed S] [--again FILE]

``hold`` is the property; tests/test_any_bytes.py asks the same of Hypothesis. The mutation here is cheap and blind: it
changes, cuts, repeats and splices seeds, and knows nothing of coverage. It is one thing, and long, so that a finding can
be understood from one file.

1. Every reader of READERS takes its turn, at every place that it listens to.
2. A finding is a case that does not hold, or one that takes more than a second of processor time to be read. It is printed, saved
   in a new temporary folder for ``--again``, and makes the exit status 1. One of each sort and reader is enough.
3. Files of strangers are read from the corpus beside the checkout, where there is one. Nothing of them is kept but in a
   saved finding.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import msgspec

from askfirst.explain import explain, summary
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights import html
from askfirst.rights.consent import registry_uri
from askfirst.rights.decide import decide
from askfirst.rights.gathering import packets
from askfirst.rights.media import may_be_html
from askfirst.rights.model import (
    MAX_EVIDENCE_CHARS,
    Agent,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Remark,
    Stage,
)
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES, STRICT, Policy
from askfirst.rights.read import read
from askfirst.rights.reader import Reader, Target
from askfirst.rights.record import parse_line
from askfirst.rights.signals import READERS
from askfirst.rights.wire import decision_line, looked_at, observation_to_wire, parse_observation
from tests import works

AT = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0 (+https://ex.example/bot)")
CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
SLOW_S = 1.0
HANGS_S = 20.0

Place = tuple[Kind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One observation, given to one reader and then to all of them, for one act."""

    reader: Reader
    seen: Observation
    intent: Intent
    policy: Policy
    stage: Stage


def places(reader: Reader) -> list[Place]:
    """Every place that a reader listens to: kind and, for well-known files, path."""
    elsewhere = [(kind, "") for kind in sorted(reader.kinds) if kind is not Kind.WELL_KNOWN]
    return [(Kind.WELL_KNOWN, path) for path in reader.paths] + elsewhere


def name_of(reader: Reader) -> str:
    """``ai_txt``: after the file that the reader is in."""
    return str(reader.parse.__module__).rpartition(".")[2]


def document_url(place: Place, url: str) -> str:
    """Where a document of that sort stands, that speaks of ``url``."""
    kind, path = place
    if kind is Kind.WELL_KNOWN:
        try:
            return f"{origin_of(url)}{path}"
        except UrlError:
            return f"https://h.example{path}"
    if kind is Kind.REGISTRY:
        return registry_uri("fuzz", url)
    return url if kind is Kind.RESPONSE else "https://h.example/gallery.html"


# -- the property -----------------------------------------------------------------------------------------------------


def hold(case: Case) -> None:
    """Raises if anything raises, or if what was read, decided, recorded and replayed is not one and the same."""
    is_evidenced(case)
    is_given_again(case)
    decision = is_recorded(case)
    if decision is not None:
        replays_from_what_is_kept(case, decision)


def is_evidenced(case: Case) -> None:
    """What the reader says is said under its own name and with words of this body."""
    reading = case.reader.parse(case.seen, case.intent.agent).on(Target.of(case.intent))
    assert all(said.protocol == case.reader.protocol for said in reading.signals), "another protocol"
    for words in (*(said.evidence for said in reading.signals), *(said.evidence for said in reading.remarks)):
        assert len(words.text) <= MAX_EVIDENCE_CHARS, f"evidence of {len(words.text)} characters"
        assert words.digest == case.seen.digest, "evidence of another body"
        assert words.document_url == case.seen.document.url, "evidence of another document"
        assert words.at, "evidence without a place"
        assert words.spec, "evidence without a section"
    assert all(remark.note for remark in reading.remarks), "a remark without a note"


def is_given_again(case: Case) -> None:
    """A statement answers the same question with the same object, so that rulings can be remembered by it."""
    statement = case.reader.parse(case.seen, case.intent.agent)
    reading = statement.on(Target.of(case.intent))
    assert statement.on(Target.of(replace(case.intent))) is reading, "another object for the same question"


def is_recorded(case: Case) -> Decision | None:
    """The decision is one line of the record, is read back as it was, and follows from the same observation. None for
    what is no URL of a resource, and is not decided about."""
    try:
        origin_of(case.intent.url)
    except UrlError:
        return None
    reading = read(case.intent, [case.seen], case.policy)
    decision = decide(case.intent, reading, case.policy, stage=case.stage, at=AT)
    line = decision_line(decision, b"[" + looked_at([case.seen]) + b"]")
    assert b"\n" not in line, "a line of the record with a line break in it"
    assert as_recorded(parse_line(line).decision) == as_recorded(decision), "the record is read back as something else"
    _replays(case, decision, case.seen)
    assert summary(decision).replace("\t", " ").isprintable(), "a summary with control characters"
    assert explain(decision), "nothing to explain"
    return decision


def replays_from_what_is_kept(case: Case, decision: Decision) -> None:
    """The decision also follows from the excerpts and packets that the gate keeps as evidence."""
    if case.seen.document.kind is Kind.RESPONSE:
        _replays(case, decision, html.relied_on(case.seen), *packets(case.seen))
    elif case.seen.document.kind is Kind.PAGE and may_be_html(case.seen):
        # what is no page displays nothing, and is never carried to images
        page = replace(case.seen, body=html.excerpt(case.seen, with_images=True), whole_digest=case.seen.digest)
        _replays(case, decision, page)


def _replays(case: Case, decision: Decision, *seen: Observation) -> None:
    line = decision_line(decision, b"[" + looked_at(seen) + b"]")
    wrong = replay_recorded(line, Evidenced(seen), {case.policy.digest: case.policy})
    assert wrong is None, wrong


def as_recorded(decision: Decision) -> tuple[object, ...]:
    """What the record holds of a decision. Reasons stand first there, and a remark's section is not recorded."""
    return (
        decision.id, decision.intent, decision.stage, decision.verdict, decision.decided_at, decision.expires_at,
        decision.policy_digest, decision.because, frozenset(decision.considered), decision.ask,
        tuple(_without_section(remark) for remark in decision.remarks),
    )  # fmt: skip


def _without_section(remark: Remark) -> Remark:
    return replace(remark, evidence=replace(remark.evidence, spec=""))


# -- seeds ------------------------------------------------------------------------------------------------------------

_ROBOTS = (
    b"# shop\r\nUser-agent: *\r\nDisallow: /cart/\r\nDisallow: /*?sort=\r\nAllow: /cart/help$\r\nCrawl-delay: 2\r\n",
    b"User-agent: ExBot\nUser-agent: GPTBot # ours\nDisallow: /\n\nUser-agent: *\nAllow: /\nSitemap: https://h/s.xml\n",
    b"Disallow: /before\nUseragent ExBot\nDissallow /b\nUser-agent: ExBot/2\nAllow: /%7Eart/\xc3\xa9*.jpg$\n",
)
_AI_TXT = (
    b"# Spawning AI\nUser-Agent: *\nDisallow: *.jpg\nDisallow: *.png\nAllow: *.html\nDisallow: /\n",
    b"User-Agent: ExBot\nDisallow: jpg\nAllow: /press/*\nAI-Training: no\nExclude-From-Training: /a/*, /b/\n",
    b"---\ntitle: about us\n---\nTraining: conditional\nPolicy: training=deny, search=allow\nDisallow-AI: yes\n",
)
_TDM = (
    b'[{"location":"/art/*","tdm-reservation":1,"tdm-policy":"https://h/p"},{"location":"/","tdm-reservation":0}]',
    b'[{"location":["/a","/b.*"],"tdm-reservation":"1"},{"tdm-reservation":true},{"location":"*.jpg$"}]',
    b'{"location":"/","tdm-reservation":1.0,"tdm-reservation":0,"tdm-policy":"mailto:ask@h.example"}',
)
_PAGES = (
    b'<!doctype html><head><meta charset=utf-8><meta name="robots" content="noai, noimageai"></head><img src="a.png">',
    b'<html><meta name="tdm-reservation" content="1"><meta name="tdm-policy" content="/p"><img srcset="b.png 2x, c 3x">',
    b"<head><META NAME=GPTBot CONTENT='noindex; max-snippet:-1'><meta name=noai><meta name='ExBot' content=none>",
    b'<html><meta name="robots" content="unavailable_after: 2020-01-01, index, &#110;oml"><script>"<meta name=robots',
    b'%PDF-1.7 \xff\xd8\xff GIF89a <meta name="tdm-reservation" content="0">',
    b"GIF89a",
    b"<p>x</p>",
)
_REGISTRY = (
    b'{"records":[{"scope":"h.example","categories":["train","tdm"],"verdict":"grant","valid_until":"2027-12-31"}]}',
    b'{"records":[{"scope":"*.example","categories":[],"verdict":"refused"},7,{"scope":"h.example","verdict":false}]}',
    b'{"records":[{"scope":"https://h.example/art/","categories":["train"],"verdict":"refuse","grantee":"ExBot"}]}',
    b'{"records":[{"scope":"https://h.example/art/p*","categories":["train"],"verdict":"grant","reference":"r"}]}',
    b'{"records":[{"scope":"h.example","categories":["tdm"],"verdict":"grant","valid_until":"2020-01-01T00:00:00+23:59"}]}',
)
_USES = (
    b"User-agent: *\nContent-Signal: search=yes, ai-train=no, use=reference\nContent-Usage: train-ai=n\nAllow: /\n",
    b"Content-signal: /art/ ai-train=yes\nUser-agent: ExBot\nContent-Usage: /art/ train-ai=y;x=1, search=n\nDisallow: /b",
    b"User-agent: GPTBot\nUser-agent: Google-Extended\nDisallow: /\n\nUser-agent: *\nLicense: https://l.example/r.xml\n",
)
_TRUST = (
    b"# trust.txt\nmember=https://h.example/\ndatatrainingallowed=no\ncontact=mailto:a@h.example\n",
    b"Site-Name: h\nSite-URL: https://h.example\nTraining: conditional\n  Training-Allow: /a/*\nAgent: ExBot\n  Training: deny\n",
    b'{"specVersion":"1.0","site":{"name":"h"},"policies":{"training":"allow"},"agents":{"ExBot":{"training":"deny"}}}',
    b"Contact: mailto:security@h.example\nExpires: 2027-01-01T00:00:00Z\n",
)
_RSL = (
    (
        b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/art/" server="https://s.example"><license><permits '
        b'type="usage">ai-train search</permits><payment type="crawl"><amount currency="EUR">1</amount></payment></license>'
        b"</content></rsl>"
    ),
    (
        b'<r:rsl xmlns:r="https://rslstandard.org/rsl"><r:content url="/*$"><r:license><r:prohibits type="usage">ai-all'
        b'</r:prohibits><r:legal type="contact">mailto:a@h.example</r:legal></r:license></r:content></r:rsl>'
    ),
    b'<!DOCTYPE rsl [<!ENTITY a "aa">]><rsl xmlns="https://rslstandard.org/rsl">&a;</rsl>',
    (
        b'{"@context":["http://www.w3.org/ns/odrl.jsonld","http://www.w3.org/ns/tdmrep.jsonld"],"@type":"Offer","assigner":'
        b'{"vcard:fn":"H","vcard:hasEmail":"mailto:a@h.example"},"permission":[{"action":"tdm:mine","duty":[{}]}]}'
    ),
    (
        b'<html><link rel="license" type="application/rsl+xml" href="/l.xml"><a rel=license href="https://creativecommons.org/'
        b'licenses/by-nc/4.0/">x</a><script type="application/ld+json">{"@graph":[{"acquireLicensePage":"/buy"}]}</script>'
    ),
)
_WORKS = (
    works.data_mining("DMI-PROHIBITED-AIMLTRAINING"),
    works.jpeg(works.data_mining("DMI-ALLOWED")),
    works.png(works.data_mining("DMI-PROHIBITED-SEECONSTRAINT")),
    works.pdf(works.xmp('<tdm:reservation xmlns:tdm="http://www.w3.org/ns/tdmrep/">1</tdm:reservation>')),
    works.epub('<meta property="tdm:reservation">1</meta>'),
    works.opf('<meta name="tdm:reservation" content="0"/>'),
    works.jumbf("cawg.training-mining"),
    b'[{"at":"EXIF 0x8298 Copyright","text":"(c) A. Person, no AI training"}]',
)
SEEDS: tuple[bytes, ...] = (
    b"", *_ROBOTS, *_AI_TXT, *_TDM, *_PAGES, *_REGISTRY, *_USES, *_TRUST, *_RSL, *_WORKS,
)  # fmt: skip
TOKENS: tuple[bytes, ...] = (
    b"User-agent: *\n", b"Disallow: /", b"Allow: ", b"*", b"$", b"%2F", b"%", b"#", b":", b"\r", b"\n", b"\0",
    b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\\ud800", b"\x1b[2J",
    b"\xe2\x80\xae", b'"', b"'", b"<meta name=robots content=", b"noai", b"noimageai", b"tdm-reservation", b"1", b"0",
    b"-1", b"1e999", b"NaN", b"[", b"{", b"}", b"]", b",", b"null", b"true", b'"location":"/"', b'"verdict":"refuse"',
    b"<", b">", b"<!--", b"</script>", b"ExBot", b"GPTBot", b"no", b"yes", b"training", b"https://[",
    b"http://h.example:x/", b"../", b"\\", b"9" * 400, b"Content-Signal: ai-train=no", b"train-ai=y", b"License: ",
    b"DMI-PROHIBITED", b"<rdf:li>", b"<!DOCTYPE", b"]]>", b"jumb", b"<license>", b"=", b";",
)  # fmt: skip
FIELDS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Type", "text/html; charset=utf-16"),
    ("content-type", "text/plain"),
    ("Content-Type", "application/json"),
    ("Content-Type", "image/jpeg"),
    ("X-Robots-Tag", "noai, noimageai"),
    ("x-robots-tag", "GPTBot: noindex, ExBot: none"),
    ("X-Robots-Tag", "unavailable_after: 25 Jun 2010 15:00:00 PST, noml"),
    ("tdm-reservation", "1"),
    ("TDM-Reservation", "0, 0"),
    ("tdm-policy", "https://h.example/p.json"),
    ("Content-Type", "application/rdf+xml"),
    ("Content-Type", "application/c2pa"),
    ("Content-Type", "application/oebps-package+xml"),
    ("Content-Type", "application/vnd.askfirst.fields+json"),
    ("Content-Usage", "train-ai=n, search=y"),
    ("content-usage", 'ai-use="n", train-ai=N'),
    ("Content-Signal", "ai-train=no, search=yes"),
    ("Link", '<https://l.example/r.xml>; rel="license"; type="application/rsl+xml", </terms>; rel=terms-of-service'),
    ("WWW-Authenticate", 'License error="invalid"'),
    ("crawler-price", "USD 0.01"),
    ("Retry-After", "120"),
    ("", ""),
)
URLS: tuple[str, ...] = (
    "https://h.example/art/p.jpg", "https://h.example/", "http://h.example:8080/a/b.html?x=1&y=%7E#f",
    "https://h.example/%C3%A9/é/../x.png?a=\\b", "https://[::1]/art/", "https://h.example", "https://u:p@h.example/q",
    "https://h.example/cart/help", "ftp://h.example/x", "https://", "", "h", 'https://h.example/"\x1b[2J\n\\',
)  # fmt: skip
MEDIA: tuple[str | None, ...] = (None, "image/jpeg", "text/html", "application/pdf", "", "x;y/\0")
STATUSES: tuple[int | None, ...] = (None, 0, 100, 200, 200, 200, 200, 206, 301, 304, 401, 404, 410, 429, 500, 999, -1)


def corpus_seeds() -> list[bytes]:
    """The files of strangers, if they are there."""
    folders = ("robots", "aitxt", "aitxt_other", "tdmrep", "trust", "rsl", "headers")
    return [path.read_bytes() for name in folders for path in sorted((CORPUS / name).glob("*")) if path.is_file()]


# -- cases ------------------------------------------------------------------------------------------------------------


def cases(chance: random.Random, seeds: Sequence[bytes]) -> Iterator[Case]:
    """Cases without end."""
    while True:
        for reader in READERS:
            for place in places(reader):
                yield _case(chance, seeds, reader, place)


def _case(chance: random.Random, seeds: Sequence[bytes], reader: Reader, place: Place) -> Case:
    url = chance.choice(URLS)
    if chance.random() < 0.3:
        url += mutated(chance, [b"/art/p.jpg?q=1", b"\xc3\xa9%zz"]).decode("utf-8", "replace")[:3_000]
    most = reader.max_bytes if chance.random() < 0.01 else 20_000
    body = mutated(chance, seeds)[:most]
    outage = chance.choice(list(Outage)) if chance.random() < 0.05 else None
    seen = Observation(
        document=Document(kind=place[0], url=document_url(place, url), max_bytes=reader.max_bytes),
        status=chance.choice(STATUSES),
        headers=tuple(_field(chance) for _ in range(chance.choice((0, 0, 1, 1, 2, 5)))),
        body=body,
        truncated=chance.random() < 0.1,
        outage=outage,
        observed_at=AT,
    )
    intent = Intent(url=url, agent=AGENT, purpose=chance.choice(list(Purpose)), media=chance.choice(MEDIA))
    policy, stage = chance.choice((OPT_OUT, OPT_IN, STRICT)), chance.choice(list(Stage))
    return Case(reader=reader, seen=seen, intent=intent, policy=policy, stage=stage)


def _field(chance: random.Random) -> tuple[str, str]:
    name, value = chance.choice(FIELDS)
    if chance.random() < 0.5:
        value = mutated(chance, [value.encode("latin-1")]).decode("latin-1")[:10_000]
    return name, value


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed, changed a few times."""
    body = chance.choice(seeds)
    if chance.random() < 0.1:
        body = body.decode("latin-1").encode(chance.choice(("utf-8", "utf-16", "utf-16-le", "utf-16-be")))
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(body) + 1)
        end = min(len(body), at + chance.choice((0, 1, 1, 2, 8, 64)))
        how = chance.randrange(6)
        if how == 0:
            body = body[:at] + chance.randbytes(end - at) + body[end:]
        elif how == 1:
            body = body[:at] + chance.choice(TOKENS) + body[end:]
        elif how == 2:
            body = body[:at] + body[at:end] * chance.choice((2, 3, 50, 2_000, 100_000)) + body[end:]
            body = body[:1_048_576]
        elif how == 3:
            body = body[:at] if chance.random() < 0.3 else body[:at] + body[end:]
        elif how == 4:
            other = chance.choice(seeds)
            body = body[:at] + other[chance.randrange(len(other) + 1) :]
        else:
            body = body[:at] + quote(body[at:end]).encode() + body[end:]
    return body


# -- a finding, and how to meet it again ------------------------------------------------------------------------------


def to_line(case: Case) -> bytes:
    """The case as one line of JSON."""
    return msgspec.json.encode(
        {
            "reader": name_of(case.reader), "url": case.intent.url, "purpose": case.intent.purpose.value,
            "media": case.intent.media, "policy": case.policy.name, "stage": case.stage.value,
            "observation": observation_to_wire(case.seen),
        },
    )  # fmt: skip


def from_line(line: bytes) -> Case:
    """The reverse of ``to_line``."""
    table = msgspec.json.decode(line)
    seen = parse_observation(table["observation"])
    if "status" in table["observation"] and table["observation"]["status"] is None:
        seen = replace(seen, status=None)
    return Case(
        reader=next(reader for reader in READERS if name_of(reader) == table["reader"]),
        seen=seen,
        intent=Intent(url=table["url"], agent=AGENT, purpose=Purpose(table["purpose"]), media=table["media"]),
        policy=PROFILES[table["policy"]],
        stage=Stage(table["stage"]),
    )


class HangsError(Exception):
    """The case was ended after ``HANGS_S`` seconds of processor time."""


def _end_it(number: int, frame: FrameType | None) -> None:
    raise HangsError(f"ended after {HANGS_S:g} s")


def tried(case: Case) -> tuple[str | None, float]:
    """What is wrong with the case, if anything, and the seconds of processor time that reading it took."""
    begun, took_s = time.process_time(), 0.0
    wrong: str | None = None
    signal.setitimer(signal.ITIMER_PROF, HANGS_S)
    try:
        is_evidenced(case)
        took_s = time.process_time() - begun
        hold(case)
    except Exception as error:  # noqa: BLE001  # whatever is raised is the finding
        trace = traceback.extract_tb(error.__traceback__)
        way = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in trace[:-4:-1])
        wrong = f"{type(error).__name__} at {way}: {' '.join(str(error).split())[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    took_s = took_s or time.process_time() - begun
    if wrong is None and took_s > SLOW_S:
        wrong = f"takes {took_s:.1f} s"
    return wrong, took_s


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description="any bytes into any reader")
    options.add_argument("--minutes", type=float, default=10.0, help="how long to go on (10)")
    options.add_argument("--seed", type=int, default=None, help="of the random numbers; printed when not given")
    options.add_argument("--again", type=Path, default=None, metavar="FILE", help="try one saved finding again")
    given = options.parse_args(arguments)
    signal.signal(signal.SIGPROF, _end_it)
    if given.again is not None:
        wrong, took_s = tried(from_line(given.again.read_bytes()))
        print(f"{given.again}: {wrong or 'holds'} ({took_s:.3f} s)")
        return 0 if wrong is None else 1
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    strangers = corpus_seeds()
    print(f"seed {seed}, {len(SEEDS)} seeds of our own and {len(strangers)} files of the corpus", flush=True)
    # half of all mutations begin at a seed of our own, however large the corpus is
    seeds = [*SEEDS * max(1, len(strangers) // len(SEEDS)), *strangers]
    return _run(random.Random(seed), seeds, until=time.monotonic() + 60 * given.minutes)


def _run(chance: random.Random, seeds: Sequence[bytes], *, until: float) -> int:
    found: dict[str, Path] = {}
    slowest_s, slowest = 0.0, ""
    begun = told = time.monotonic()
    for tries, case in enumerate(cases(chance, seeds), start=1):
        wrong, took_s = tried(case)
        if took_s > slowest_s:
            slowest_s, slowest = took_s, f"{name_of(case.reader)}, {len(case.seen.body)} bytes"
        if wrong is not None:
            _save(case, wrong, found)
        now = time.monotonic()
        if now - told > 5 or now > until:
            told = now
            speed = tries / (now - begun)
            print(
                f"{tries} cases, {speed:.0f}/s, slowest {slowest_s:.3f} s ({slowest}), {len(found)} found", flush=True
            )
        if now > until:
            break
    return 1 if found else 0


def _save(case: Case, wrong: str, found: dict[str, Path]) -> None:
    """Saves and prints a finding, unless one of its sort is known."""
    sort = f"{name_of(case.reader)}: {'is slow' if wrong.startswith('takes') else wrong.partition(': ')[0]}"
    if sort in found:
        return
    folder = next(iter(found.values())).parent if found else Path(tempfile.mkdtemp(prefix="askfirst-fuzz-"))
    found[sort] = folder / f"{len(found) + 1}.json"
    found[sort].write_bytes(to_line(case))
    print(f"FOUND {name_of(case.reader)}: {wrong}\n  python -m tests.fuzz --again {found[sort]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
