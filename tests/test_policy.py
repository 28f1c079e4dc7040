"""The policy: what the shipped profiles answer, what a file may change, and what the operator's papers lift.

What is wrong with a broken file is told in tests/test_cli.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from askfirst.rights.decide import decide
from askfirst.rights.model import (
    Agent,
    Basis,
    Care,
    Category,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Purpose,
    RemarkKind,
    Stage,
    Verdict,
)
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import (
    MAX_AGE_S,
    OPT_IN,
    OPT_OUT,
    PROFILES,
    STRICT,
    Mode,
    Policy,
    PolicyError,
    Tables,
    default_profile,
    parse_policy,
)
from askfirst.rights.read import plan, read, readers_for
from askfirst.rights.signals import PROTOCOLS, READERS

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
URL = "https://h.example/art/p.jpg"

FULL = """
extends = "strict"
name = "museum"

[signals]
"ai.txt" = "log"
tdmrep = "off"
registry = "obey"

[max_age]
"robots.txt" = 3600
registry = 60

[purpose_tokens]
train = ["Model-Training", "ml-train"]
search = []

[ai_bots]
names = ["NewCrawler"]
needed = 2

[[licence]]
scope = "https://h.example/art/"
purposes = ["train", "tdm"]
reference = "contract 7"
terms = "https://h.example/terms"
valid_until = 2027-12-31

[[consent]]
scope = "h.example"
purposes = ["search"]
reference = "letter of 1 May"
valid_until = "2027-01-01T12:00:00Z"

[[override]]
scope = "https://h.example/art/p.jpg"
purposes = ["train"]
person = "A. Jansen"
reason = "own photograph"
valid_until = 2027-06-30T10:00:00+02:00
"""


def observed(url: str, body: str = "", *, kind: Kind = Kind.WELL_KNOWN, tag: str | None = None) -> Observation:
    headers = () if tag is None else (("X-Robots-Tag", tag),)
    document = Document(kind=kind, url=url)
    return Observation(document=document, status=200, headers=headers, body=body.encode(), observed_at=AT)


def decided(
    policy: Policy,
    seen: Sequence[Observation] = (),
    *,
    purpose: Purpose = Purpose.TRAIN,
    stage: Stage = Stage.KEEP,
    at: datetime = AT,
) -> Decision:
    intent = Intent(url=URL, agent=AGENT, purpose=purpose, media="image/jpeg")
    return decide(intent, read(intent, seen, policy), policy, stage=stage, at=at)


ROBOTS = observed("https://h.example/robots.txt", "User-agent: *\nDisallow: /art/")
RESERVED = observed("https://h.example/.well-known/tdmrep.json", '[{"location":"/","tdm-reservation":1}]')
NOAI = observed(URL, kind=Kind.RESPONSE, tag="noai")


# -- the shipped profiles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "fetch", "keep", "care"),
    [
        (OPT_OUT, Verdict.ALLOW, Verdict.ALLOW, Care.LITERAL),
        (OPT_IN, Verdict.ALLOW, Verdict.REFUSE, Care.CONSERVATIVE),
        (STRICT, Verdict.REFUSE, Verdict.REFUSE, Care.STRICT),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_silence_and_care_of_the_profiles(policy: Policy, fetch: Verdict, keep: Verdict, care: Care) -> None:
    """opt-out takes silence for a yes; opt-in looks and keeps only what is permitted; strict does not even look."""
    assert decided(policy, stage=Stage.FETCH).verdict is fetch
    assert decided(policy, stage=Stage.KEEP).verdict is keep
    assert policy.care is care
    assert all(policy.mode(protocol) is Mode.OBEY for protocol in PROTOCOLS)


def test_search_is_opt_out_and_everything_else_opt_in() -> None:
    """The default depends on the purpose alone."""
    assert {purpose: default_profile(purpose).name for purpose in Purpose if purpose is not Purpose.SEARCH} == dict.fromkeys(
        (Purpose.AI_INPUT, Purpose.TDM, Purpose.TRAIN, Purpose.TRAIN_GENERATIVE), "opt-in"
    )  # fmt: skip
    assert default_profile(Purpose.SEARCH) is OPT_OUT


def test_only_strict_asks_the_older_reader() -> None:
    """What refuses under the 1996 draft and not under RFC 9309 refuses strict policies only."""
    first_match = observed("https://h.example/robots.txt", "User-agent: *\nDisallow: /art/\nAllow: /art/p.jpg")
    told = {p.name: {s.protocol for s in decided(p, [first_match]).because} for p in PROFILES.values()}
    assert told == {"opt-out": set(), "opt-in": set(), "strict": {"robots.txt-second-reader"}}


def test_every_reader_can_be_set_by_its_name() -> None:
    """The protocols that a policy file knows are those that the readers give."""
    assert {reader.protocol for reader in READERS} == set(PROTOCOLS)


# -- digests ----------------------------------------------------------------------------------------------------------


def test_digests_of_the_profiles_stand() -> None:
    """Decisions name policies by these; another digest means that old records can no longer be replayed."""
    assert {policy.name: policy.digest for policy in PROFILES.values()} == DIGESTS
    assert parse_policy('extends = "opt-in"', where="p").digest == OPT_IN.digest


DIGESTS = {
    "opt-out": "sha256:27bed5ef5ad56e2bd5397a19f4923058aa33847128f113f39ab8f595ba5d6f36",
    "opt-in": "sha256:fd096fc32524253af54612c9fdbdbd5dd11efd435f9f6d27bc608142bf28d0d3",
    "strict": "sha256:39b049e66addf552e2075d6dddbde47151e5cb78bc093ef973bbed1a8fc70ae9",
}

CHANGES = {
    "name": ('name = "museum"', 'name = "gallery"'),
    "extends": ('extends = "strict"', 'extends = "opt-in"'),
    "mode": ('"ai.txt" = "log"', '"ai.txt" = "off"'),
    "mode gone": ('tdmrep = "off"', ""),
    "purpose token": ('"ml-train"', '"ml-training"'),
    "purpose of a token": ("search = []", 'search = ["plain-search"]'),
    "AI bot": ('names = ["NewCrawler"]', 'names = ["OtherCrawler"]'),
    "AI bots needed": ("needed = 2", "needed = 3"),
    "scope": ('scope = "h.example"', 'scope = "g.example"'),
    "purposes": ('["train", "tdm"]', '["train"]'),
    "reference": ("contract 7", "contract 8"),
    "terms": ("https://h.example/terms", "https://h.example/other"),
    "expiry": ("2027-12-31", "2027-12-30"),
    "person": ("A. Jansen", "B. Jansen"),
    "reason": ("own photograph", "no reason"),
    "kind of paper": ("[[consent]]", "[[licence]]"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES.keys())
def test_the_digest_changes_with_whatever_can_change_a_decision(old: str, new: str) -> None:
    """Two policies under which anything may be decided or shown differently have different digests."""
    assert FULL.count(old) == 1
    assert parse_policy(FULL.replace(old, new), where="p").digest != parse_policy(FULL, where="p").digest


def test_the_digest_does_not_change_with_what_changes_no_decision() -> None:
    """Ages say how often we look, not what follows; obey is what holds anyway; order and layout are not content."""
    whole = parse_policy(FULL, where="p")
    for old, new in (("3600", "1800"), ("registry = 60", ""), ('registry = "obey"', ""), ("\n\n", "\n# a note\n")):
        other = parse_policy(FULL.replace(old, new), where="elsewhere")
        assert other.digest == whole.digest, (old, new)
    assert parse_policy(FULL.replace("3600", "1800"), where="p").max_age_s != whole.max_age_s


# -- the file ---------------------------------------------------------------------------------------------------------


def test_a_full_file_is_what_it_says() -> None:
    """Profile, name, modes, ages and papers are those of the file, and what it leaves out is the default."""
    policy = parse_policy(FULL, where="p")
    assert (policy.name, policy.silence, policy.care) == ("museum", STRICT.silence, Care.STRICT)
    assert policy.modes == {"ai.txt": Mode.LOG, "tdmrep": Mode.OFF}
    assert policy.max_age_s == {**MAX_AGE_S, "robots.txt": 3600, "registry": 60}
    assert policy.tables == Tables(
        purpose_tokens={Category.TRAIN: frozenset({"model-training", "ml-train"}), Category.SEARCH: frozenset()},
        ai_bots=frozenset({"newcrawler"}),
        ai_bots_needed=2,
    )
    licence, consent, override = policy.papers
    assert (licence.kind, consent.kind, override.kind) == ("licence", "consent", "override")
    assert licence.record.categories == (Category.TDM, Category.TRAIN)
    assert (licence.record.reference, licence.record.terms) == ("contract 7", "https://h.example/terms")
    assert licence.record.valid_until == datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert (consent.record.scope, consent.record.valid_until) == ("h.example", datetime(2027, 1, 1, 12, tzinfo=UTC))
    assert (override.person, override.reason) == ("A. Jansen", "own photograph")
    assert override.record.valid_until == datetime(2027, 6, 30, 8, tzinfo=UTC)
    assert all(paper.record.verdict is Verdict.ALLOW and paper.record.grantee is None for paper in policy.papers)


BROKEN_TABLES = {
    "tokens that are no table": ("purpose_tokens = ['a']", "p: purpose_tokens: must be a table"),
    "tokens of no purpose": ("[purpose_tokens]\nfetch = ['a']", "p: purpose_tokens.fetch: unknown purpose; known are search, "),
    "a token that is no list": ("[purpose_tokens]\ntrain = 'a'", "p: purpose_tokens.train: must be a list of texts"),
    "a token that is no text": ("[purpose_tokens]\ntrain = [1]", "p: purpose_tokens.train: must be a list of texts"),
    "a token that is empty": ("[purpose_tokens]\ntrain = [' ']", "p: purpose_tokens.train: must be a list of texts"),
    "a token for everybody": ("[purpose_tokens]\ntrain = ['*']", "p: purpose_tokens.train: '*' names everybody"),
    "bots that are no table": ("ai_bots = 3", "p: ai_bots: must be a table"),
    "an unknown key of bots": ("[ai_bots]\nname = ['a']", "p: ai_bots.name: unknown key; known are names, needed"),
    "bots that are no list": ("[ai_bots]\nnames = 'a'", "p: ai_bots.names: must be a list of texts"),
    "a bot that is everybody": ("[ai_bots]\nnames = ['a', ' * ']", "p: ai_bots.names: '*' names everybody"),
    "none needed": ("[ai_bots]\nneeded = 0", "p: ai_bots.needed: must be a whole number from 1 upward"),
    "half a bot needed": ("[ai_bots]\nneeded = 1.5", "p: ai_bots.needed: must be a whole number from 1 upward"),
    "a truth value needed": ("[ai_bots]\nneeded = true", "p: ai_bots.needed: must be a whole number from 1 upward"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BROKEN_TABLES.values(), ids=BROKEN_TABLES.keys())
def test_a_broken_table_names_its_key(text: str, words: str) -> None:
    """Tables of tokens and bots that cannot be used are told by the path of the key, and what to write instead."""
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, where="p")
    assert str(raised.value).startswith(words)


def test_tables_that_add_nothing_are_the_shipped_ones() -> None:
    """An empty table does not make another policy, and order, case and repeats are not content."""
    assert parse_policy("[purpose_tokens]\n[ai_bots]", where="p") == OPT_IN
    one = parse_policy("[ai_bots]\nnames = ['A', ' b ', 'a']", where="p")
    assert one.digest == parse_policy("[ai_bots]\nnames = ['B', 'a']\nneeded = 1", where="p").digest != OPT_IN.digest


def test_an_empty_file_is_opt_in() -> None:
    """What is not said is the default profile's."""
    assert parse_policy("", where="p") == OPT_IN


def test_what_is_off_is_neither_asked_nor_looked_at() -> None:
    """OFF: no reader, no look. LOG: read and remarked, without effect."""
    off = parse_policy('extends = "opt-out"\n[signals]\ntdmrep = "off"\n"x-robots-tag" = "log"', where="p")
    looked = {document.url for document in plan(origin_of(URL), OPT_OUT)}
    assert "tdmrep" not in {reader.protocol for reader in readers_for(off)}
    planned = {document.url for document in plan(origin_of(URL), off)}
    assert looked - planned == {"https://h.example/.well-known/tdmrep.json"}
    assert decided(OPT_OUT, [RESERVED, NOAI]).verdict is Verdict.REFUSE
    logged = decided(off, [RESERVED, NOAI])
    assert (logged.verdict, logged.considered) == (Verdict.ALLOW, ())
    assert {remark.kind for remark in logged.remarks} == {RemarkKind.NOT_COUNTED}
    assert {remark.source for remark in logged.remarks} == {"X-Robots-Tag header"}


# -- papers -----------------------------------------------------------------------------------------------------------

LICENCE = '[[licence]]\nscope = "https://h.example/art/"\npurposes = ["train"]\nreference = "contract 7"\nvalid_until = 2027-01-01'


@pytest.mark.parametrize("profile", PROFILES)
def test_a_licence_lifts_reservations_and_preferences(profile: str) -> None:
    """Under every profile a licence for the job is the reason to keep what a reservation and a wish would refuse."""
    held = parse_policy(f'extends = "{profile}"\n{LICENCE}', where="p")
    without, with_it = decided(PROFILES[profile], [RESERVED, NOAI]), decided(held, [RESERVED, NOAI])
    assert without.verdict is Verdict.REFUSE
    assert with_it.verdict is Verdict.ALLOW
    assert {(s.protocol, s.basis, s.evidence.at) for s in with_it.because} == {
        ("operator", Basis.CONSENT, "licence[0]")
    }
    terms = with_it.because[0].terms
    assert terms is not None
    assert terms.reference == "contract 7"
    assert with_it.expires_at == datetime(2027, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert with_it.because[0].evidence.digest == held.digest


def test_no_paper_lifts_robots_txt() -> None:
    """An access rule stands against a licence, a consent and an override alike."""
    for kind in ("licence", "consent", "override"):
        entry = LICENCE.replace("licence", kind) + '\nperson = "A. Jansen"\nreason = "r"'
        decision = decided(parse_policy(f'extends = "opt-out"\n{entry}', where="p"), [ROBOTS, RESERVED])
        assert decision.verdict is Verdict.REFUSE, kind
        assert {s.basis for s in decision.because} == {Basis.ACCESS_RULE}


@pytest.mark.parametrize(
    "entry",
    [
        LICENCE.replace("2027-01-01", "2026-11-23"),
        LICENCE.replace("/art/", "/other/"),
        LICENCE.replace("https:", "http:"),
        LICENCE.replace('["train"]', '["search"]'),
    ],
    ids=["expired", "another place", "another scheme", "another job"],
)
def test_a_paper_for_something_else_lifts_nothing(entry: str) -> None:
    """A paper counts for its time, its place and its job."""
    decision = decided(parse_policy(f'extends = "opt-out"\n{entry}', where="p"), [RESERVED])
    assert decision.verdict is Verdict.REFUSE
    assert [s.protocol for s in decision.because] == ["tdmrep"]


def test_an_expired_paper_is_remarked() -> None:
    """The record shows the paper that no longer counts."""
    policy = parse_policy(f'extends = "opt-out"\n{LICENCE.replace("2027-01-01", "2026-11-23")}', where="p")
    expired = [remark for remark in decided(policy, [RESERVED]).remarks if remark.kind is RemarkKind.EXPIRED]
    assert [remark.evidence.at for remark in expired] == ["licence[0]"]


def test_an_override_shows_who_and_why() -> None:
    """The person stands in the source of the reason, and person and reason in a remark."""
    policy = parse_policy(
        FULL.replace('extends = "strict"', 'extends = "opt-out"').replace('tdmrep = "off"', ""), where="p"
    )
    decision = decided(policy, [RESERVED])
    assert decision.verdict is Verdict.ALLOW
    assert "override by A. Jansen" in {signal.source for signal in decision.because}
    assert "override by A. Jansen: own photograph" in {remark.note for remark in decision.remarks}
    elsewhere = Intent(url="https://h.example/art/q.jpg", agent=AGENT, purpose=Purpose.TRAIN)
    assert not any("Jansen" in remark.note for remark in read(elsewhere, [RESERVED], policy).remarks)
