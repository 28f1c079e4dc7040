"""What reading *every* signal costs: the warm decision beside the first set of signals, responses beside datadiligence,
the rights metadata of pictures, C2PA beside c2pa-python's own read, and license documents that are built to cost time.

datadiligence is asked as its documentation has it, with the whole response. It reads two response fields and no
markup; we read every field and the whole page, in the same round.

    python -m bench --only signals
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import requests

from askfirst.edges.c2pa_manifest import C2paManifest
from askfirst.gate import Gate
from askfirst.rights.inside import inside
from askfirst.rights.listening import Listeners
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose
from askfirst.rights.policy import OPT_OUT, Mode, Policy
from askfirst.rights.read import readers_for, statements
from askfirst.rights.reader import Target
from askfirst.rights.signals import PROTOCOLS, rsl_license
from askfirst.wiring import Settings, open_gate, parse_addresses
from bench import servers
from bench.robots import robots_file
from bench.rounds import Row, at_least, at_most, in_shuffled_rounds, median_ratio, say
from tests import c2pa_works, works
from tests.hostile import license_documents

FIRST_SET = (
    "robots.txt",
    "robots.txt-second-reader",
    "disallow-ai-training",
    "ai.txt",
    "tdmrep",
    "x-robots-tag",
    "meta-robots",
    "registry",
)
"""The protocols of the first set, which the cost of all of them is measured by."""
MOST_FOR_ALL = 1.3
LEAST_OF_DATADILIGENCE = 0.5
MOST_XMP_US = 100.0
MOST_OF_C2PA = 1.5
MOST_HOSTILE_S = 1.0

HOST = "127.0.1.1"
URLS = 1_000
PICTURES = 200
MANIFESTS = 20
_AT = datetime(2026, 11, 24, tzinfo=UTC)
_AGENT = Agent(product_token="BenchBot", user_agent="BenchBot/1.0 (+https://bench.example/bot)")
_EVERYTHING = """
User-agent: *
Content-Signal: search=yes, ai-train=no
Content-Usage: train-ai=n
Allow: /

User-agent: GPTBot
User-agent: CCBot
User-agent: ClaudeBot
User-agent: Google-Extended
User-agent: Bytespider
Disallow: /
"""


# -- the warm decision ------------------------------------------------------------------------------------------------


def _first_set() -> Policy:
    return replace(OPT_OUT, name="first set", modes={p: Mode.OFF for p in PROTOCOLS if p not in FIRST_SET})


def warm(rounds: int) -> list[Row]:
    """All signals on beside the first set, at a site that uses none of the new ones, and at one that uses many."""
    rows = []
    plain = robots_file(50)
    for what, robots in (
        ("a site of robots.txt alone", plain),
        ("a site that says more", plain + _EVERYTHING.encode()),
    ):
        say(f"signals: {URLS} warm decisions, {what}")
        answers = {"/robots.txt": (robots.decode(), 0.0)}
        with servers.origin([HOST], answers) as port:
            found = asyncio.run(_contest(f"http://{HOST}:{port}", rounds))
        ours, theirs = found["all"], found["first"]
        rows.append(
            at_most(
                f"warm decision, all signals beside the first set, {what}",
                median_ratio(ours, theirs),
                MOST_FOR_ALL,
                ours=f"{median(ours):.1f} us",
                theirs=f"{median(theirs):.1f} us",
            )
        )
    return rows


async def _contest(site: str, rounds: int) -> dict[str, list[float]]:
    gates = {"all": _gate(OPT_OUT), "first": _gate(_first_set())}
    try:
        for gate in gates.values():
            await gate.before_fetch(_intent(f"{site}/"))
        tasks = {name: partial(_us_per_decision, gate, site) for name, gate in gates.items()}
        in_shuffled_rounds(tasks, 2)
        return in_shuffled_rounds(tasks, rounds)
    finally:
        for gate in gates.values():
            await gate.close()


def _gate(policy: Policy) -> Gate:
    return open_gate(
        Settings(
            user_agent=_AGENT.user_agent,
            policy=policy,
            out=None,
            cache="memory:",
            addresses=parse_addresses(["127.0.0.0/8"], []),
        )
    )


def _intent(url: str) -> Intent:
    return Intent(url=url, agent=_AGENT, purpose=Purpose.TRAIN)


def _us_per_decision(gate: Gate, site: str) -> float:
    intents = [_intent(f"{site}/page/{n}/item-{n * 7}.html") for n in range(URLS)]
    recall = gate.recall
    began = perf_counter()
    for intent in intents:
        if recall(intent) is None:
            raise AssertionError("a warm decision had to wait")
    return (perf_counter() - began) / URLS * 1e6


# -- responses --------------------------------------------------------------------------------------------------------

_USUAL = (
    ("Date", "Tue, 24 Nov 2026 00:00:00 GMT"),
    ("Server", "nginx"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "max-age=300"),
    ("ETag", '"1"'),
    ("Vary", "Accept-Encoding"),
    ("Strict-Transport-Security", "max-age=63072000"),
)
_SAID: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("X-Robots-Tag", "noai, noimageai"),),
    (("tdm-reservation", "1"),),
    (("X-Robots-Tag", "noindex"), ("tdm-reservation", "0")),
    (("Content-Usage", "train-ai=n"),),
)
_PARAGRAPH = b'<p class="text">Some words, <a href="/next">a link</a> and <img src="/2.png" alt="a picture">.</p>\n'


def _responses() -> list[Observation]:
    head = (
        b'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        b'<meta name="viewport" content="width=device-width">'
        b'<meta name="description" content="Pictures"><meta property="og:title" content="A picture">'
        b"<title>A picture</title></head><body>"
    )
    return [
        Observation(
            document=Document(kind=Kind.RESPONSE, url=f"https://art.example/gallery/{n}"),
            status=200,
            headers=(*_USUAL, *said),
            body=head + _PARAGRAPH * (4_096 // len(_PARAGRAPH)),
            observed_at=_AT,
        )
        for n, said in enumerate(_SAID * 40)
    ]


def _as_theirs(seen: Observation) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response.url = seen.document.url
    response.headers.update(dict(seen.headers))
    response._content = seen.body  # noqa: SLF001  # as an adapter of requests leaves it
    return response


def responses(rounds: int) -> list[Row]:
    """Every response signal, markup included, beside the two fields that datadiligence reads."""
    say(f"signals: {len(_SAID) * 40} responses, {rounds} rounds")
    with contextlib.redirect_stdout(io.StringIO()):
        import datadiligence  # noqa: PLC0415  # it prints when it is imported
    readers = Listeners(r for r in readers_for(OPT_OUT) if Kind.RESPONSE in r.kinds or Kind.ASSET in r.kinds)
    for_them = [_as_theirs(seen) for seen in _responses()]

    def theirs() -> float:
        began = perf_counter()
        for response in for_them:
            datadiligence.is_allowed(response=response)
        return len(for_them) / (perf_counter() - began)

    def ours() -> float:
        fresh = [(seen, Target.of(_intent(seen.document.url))) for seen in _responses()]
        began = perf_counter()
        for seen, target in fresh:
            for said in statements((seen, *inside(seen)), _AGENT, readers):
                said.on(target)
        return len(fresh) / (perf_counter() - began)

    found = in_shuffled_rounds({"ours": ours, "theirs": theirs}, rounds)
    return [
        at_least(
            "responses read a second, all fields and markup, beside datadiligence (two fields)",
            median_ratio(found["ours"], found["theirs"]),
            LEAST_OF_DATADILIGENCE,
            ours=f"{median(found['ours']):,.0f}/s",
            theirs=f"{median(found['theirs']):,.0f}/s",
        )
    ]


# -- inside works -----------------------------------------------------------------------------------------------------


_USUAL_XMP = (
    "<plus:DataMining>http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING</plus:DataMining>"
    "<dc:creator><rdf:Seq><rdf:li>A. Person</rdf:li></rdf:Seq></dc:creator>"
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) A. Person</rdf:li></rdf:Alt></dc:rights>'
)


def _picture(body: bytes, media: str) -> Observation:
    return Observation(
        document=Document(kind=Kind.RESPONSE, url="https://art.example/1"),
        status=200,
        headers=(("Content-Type", media),),
        body=body,
        observed_at=_AT,
    )


def _us_per_picture(body: bytes, media: str, readers: Listeners) -> float:
    seen = [_picture(body, media) for _ in range(PICTURES)]
    target = Target.of(_intent("https://art.example/1"))
    began = perf_counter()
    for one in seen:
        for said in statements(inside(one), _AGENT, readers):
            said.on(target)
    return (perf_counter() - began) / PICTURES * 1e6


def pictures(rounds: int) -> list[Row]:
    """XMP in a JPEG: found, parsed and read."""
    say(f"signals: {PICTURES} pictures with XMP, {rounds} rounds")
    readers = Listeners(r for r in readers_for(OPT_OUT) if Kind.ASSET in r.kinds)
    body = works.jpeg(works.xmp(_USUAL_XMP))
    us = median(in_shuffled_rounds({"ours": partial(_us_per_picture, body, "image/jpeg", readers)}, rounds)["ours"])
    limit = f"{MOST_XMP_US:.0f} us"
    return [at_most("XMP of a picture, beside its limit", us / MOST_XMP_US, 1.0, ours=f"{us:.1f} us", theirs=limit)]


def manifests(rounds: int) -> list[Row]:
    """A signed picture, found, validated and read, beside c2pa-python's own read of it under the same settings."""
    say(f"signals: {MANIFESTS} signed pictures, {rounds} rounds")
    signer = c2pa_works.Signer()
    refused = {"cawg.training-mining": {"cawg.ai_training": {"use": "notAllowed"}}}
    body = signer.sign(c2pa_works.jpeg((640, 480)), "image/jpeg", refused)
    readers = Listeners(r for r in readers_for(OPT_OUT) if Kind.ASSET in r.kinds)
    inspect = C2paManifest(signer.anchors)
    context = inspect.context()
    c2pa: Any = importlib.import_module("c2pa")
    target = Target.of(_intent("https://art.example/1"))

    def ours() -> float:
        began = perf_counter()
        for _ in range(MANIFESTS):
            seen = _picture(body, "image/jpeg")
            found = inside(seen)
            for said in statements((*found, *inspect(seen, found)), _AGENT, readers):
                said.on(target)
        return (perf_counter() - began) / MANIFESTS * 1e3

    def theirs() -> float:
        began = perf_counter()
        for _ in range(MANIFESTS):
            with c2pa.Reader("image/jpeg", io.BytesIO(body), context=context) as reader:
                reader.json()
        return (perf_counter() - began) / MANIFESTS * 1e3

    tasks = {"ours": ours, "theirs": theirs}
    in_shuffled_rounds(tasks, 1)
    found = in_shuffled_rounds(tasks, rounds)
    return [
        at_most(
            "C2PA of a picture, beside c2pa-python's own read",
            median_ratio(found["ours"], found["theirs"]),
            MOST_OF_C2PA,
            ours=f"{median(found['ours']):.2f} ms",
            theirs=f"{median(found['theirs']):.2f} ms",
        )
    ]


def hostile(rounds: int) -> list[Row]:
    """The license document that costs most of those that are built to cost time: read, and asked about one URL."""
    documents = license_documents()
    say(f"signals: {len(documents)} hostile license documents, {rounds} rounds")
    target = Target.of(_intent("https://art.example/" + "a" * 2_000))

    def seconds(body: bytes) -> float:
        document = Document(kind=Kind.LICENSE, url="https://art.example/rsl.xml")
        seen = Observation(document=document, status=200, body=body, observed_at=_AT)
        began = perf_counter()
        rsl_license.READER.parse(seen, _AGENT).on(target)
        return perf_counter() - began

    found = in_shuffled_rounds({name: partial(seconds, body) for name, body in documents.items()}, rounds)
    slowest, s = max(((name, median(times)) for name, times in found.items()), key=lambda pair: pair[1])
    name = "the slowest of the hostile license documents, beside its limit"
    return [at_most(name, s / MOST_HOSTILE_S, 1.0, ours=f"{s:.2f} s ({slowest})", theirs=f"{MOST_HOSTILE_S:g} s")]


def measure(rounds: int = 15) -> list[Row]:
    """The rows of all signals."""
    return [*warm(rounds), *responses(rounds), *pictures(rounds), *manifests(rounds), *hostile(rounds)]
