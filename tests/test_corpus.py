"""Real files of strangers, each given to the reader of its kind and to every other.

The files lie in a folder beside the checkout; they are read and never copied, and nobody does what they say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from askfirst.rights.decide import decide
from askfirst.rights.model import Document, Intent, Kind, Observation, Purpose, Reading, Stage
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES, STRICT, Policy
from askfirst.rights.read import read
from askfirst.rights.reader import Reader
from askfirst.rights.signals import READERS
from tests.fuzz import (
    AGENT,
    AT,
    CORPUS,
    Case,
    document_url,
    is_evidenced,
    is_recorded,
    name_of,
    places,
    replays_from_what_is_kept,
)

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the folder of real files is not beside this checkout"),
]

OWN_PATH: Mapping[str, str] = {
    "robots": "/robots.txt",
    "aitxt": "/ai.txt",
    "aitxt_other": "/ai.txt",
    "tdmrep": "/.well-known/tdmrep.json",
    "trust": "/trust.txt",
    "rsl": "/license.xml",
    "llms": "/llms.txt",
}
"""Where the files of a folder are served, by folder. Not every folder need be there."""

URL = "https://h.example/art/p.jpg"
PAGE = "https://h.example/index.html"


def files(folder: str) -> list[Path]:
    if not (CORPUS / folder).is_dir():
        pytest.skip(f"the folder of real files has no {folder}")
    return sorted(path for path in (CORPUS / folder).glob("*") if path.is_file())


def acts() -> Iterator[Intent]:
    yield Intent(url=URL, agent=AGENT, purpose=Purpose.TRAIN, media="image/jpeg")
    yield Intent(url=PAGE, agent=AGENT, purpose=Purpose.SEARCH, media="text/html")


def served(path: Path, where: str) -> Observation:
    document = Document(kind=Kind.WELL_KNOWN, url=f"https://h.example{where}")
    return Observation(document=document, status=200, body=path.read_bytes(), observed_at=AT)


@pytest.mark.parametrize("folder", OWN_PATH)
@pytest.mark.parametrize("reader", READERS, ids=name_of)
def test_every_file_is_read_by_every_reader(folder: str, reader: Reader) -> None:
    """No real file makes any reader raise, whatever place it is put in; what is said is evidenced, and every decision on
    it is recorded and follows from the file, and from what is kept of it."""
    html = (("Content-Type", "text/html"),)
    for path in files(folder):
        body = path.read_bytes()
        for place in places(reader):
            page = place[0] in (Kind.RESPONSE, Kind.PAGE)
            for intent in acts():
                document = Document(kind=place[0], url=document_url(place, intent.url))
                seen = Observation(
                    document=document, status=200, headers=html if page else (), body=body, observed_at=AT
                )
                case = Case(reader=reader, seen=seen, intent=intent, policy=STRICT, stage=Stage.KEEP)
                is_evidenced(case)
                decision = is_recorded(case)
                assert decision is not None
                replays_from_what_is_kept(case, decision)


@pytest.mark.parametrize("folder", OWN_PATH)
def test_decisions_on_real_files_replay_under_every_profile(folder: str) -> None:
    """Each file at its own place gives, under every profile and for a page and a picture, a decision that is recorded
    and follows from the file."""
    for path in files(folder):
        seen = served(path, OWN_PATH[folder])
        for intent in acts():
            for policy in PROFILES.values():
                case = Case(reader=READERS[0], seen=seen, intent=intent, policy=policy, stage=Stage.KEEP)
                assert is_recorded(case), path.name


@pytest.mark.parametrize("policy", [OPT_OUT, OPT_IN], ids=lambda policy: policy.name)
def test_files_of_another_kind_by_the_name_of_ai_txt_count_for_nothing(policy: Policy) -> None:
    """Under opt-out and opt-in the other things that people publish as ai.txt give no signal that counts."""
    for path in files("aitxt_other"):
        for intent in acts():
            decision = decide(intent, read(intent, [served(path, "/ai.txt")], policy), policy, stage=Stage.KEEP, at=AT)
            assert decision.considered == (), path.name


@pytest.mark.parametrize("folder", ["rsl", "llms"])
def test_files_that_no_reader_listens_to_say_nothing(folder: str) -> None:
    """RSL licences and llms.txt are nobody's place: there is no signal and no remark under any profile."""
    for path in files(folder):
        for policy in PROFILES.values():
            assert read(next(acts()), [served(path, OWN_PATH[folder])], policy) == Reading(), path.name


def test_real_robots_and_reservations_are_heard() -> None:
    """Files of the kinds that are read do speak: most robots.txt of somebody, most tdmrep.json of a reservation."""
    spoken: Counter[str] = Counter()
    for folder in ("robots", "tdmrep"):
        for path in files(folder):
            readings = [read(intent, [served(path, OWN_PATH[folder])], STRICT) for intent in acts()]
            spoken[folder] += any(reading.signals or reading.remarks for reading in readings)
    assert 2 * spoken["robots"] > len(files("robots"))
    assert 2 * spoken["tdmrep"] > len(files("tdmrep"))


@pytest.mark.parametrize("sheet", ["headers.jsonl", "meta.jsonl"])
def test_real_headers_and_metas_are_read_and_replayed(sheet: str) -> None:
    """Each real set of fields, and each real head of a page, is read; what it decides is recorded, and follows from
    what is kept; what bears our names gives a signal or a remark."""
    path = CORPUS / "headers" / sheet
    if not path.is_file():
        pytest.skip(f"the folder of real files has no {sheet}")
    heard = 0
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        head = f"<!doctype html><html><head>{row.get('html_head', '')}</head>".encode()
        fields = tuple((str(name), str(value)) for name, value in row.get("headers", []))
        for intent in acts():
            seen = Observation(
                document=Document(kind=Kind.RESPONSE, url=intent.url),
                status=200, headers=(*fields, ("Content-Type", "text/html")), body=head, observed_at=AT,
            )  # fmt: skip
            reading = read(intent, [seen], STRICT)
            heard += bool(reading.signals or reading.remarks)
            for policy in PROFILES.values():
                case = Case(reader=READERS[0], seen=seen, intent=intent, policy=policy, stage=Stage.KEEP)
                decision = is_recorded(case)
                assert decision is not None
                replays_from_what_is_kept(case, decision)
    assert heard > 0


def test_every_folder_is_given_to_somebody() -> None:
    """A folder of the corpus that no test knows would go unread."""
    known = {*OWN_PATH, "headers"}
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= known
    paths = {path for reader in READERS for path in reader.paths}
    assert paths >= {OWN_PATH[name] for name in ("robots", "aitxt", "tdmrep", "trust")}
