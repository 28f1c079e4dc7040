"""ai.txt of draft-car: the cases of policies that read it, any bytes, and that nobody else does.

The shipped profiles leave it off: their cases are in tests/cases/ai_txt_car.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.contradictions import in_words
from askfirst.rights.decide import decide
from askfirst.rights.model import (
    Agent,
    Category,
    Decision,
    Document,
    Intent,
    Kind,
    Observation,
    Outage,
    Purpose,
    Stage,
    Verdict,
)
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import PROFILES, Mode, Policy, parse_policy
from askfirst.rights.read import plan, read, readers_for
from askfirst.rights.reader import Target
from askfirst.rights.signals import PROTOCOLS
from askfirst.rights.signals.ai_txt_car import PROTOCOL, READER

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0 (+https://bot.example/)")
TEXT = "https://h.example/.well-known/ai.txt"
JSON = "https://h.example/.well-known/ai.json"
SITE = "Site-Name: a\nSite-URL: https://a\n"


def enabled(profile: str = "opt-out", mode: str = "obey") -> Policy:
    text = f'extends = "{profile}"\n[signals]\n"ai.txt-car" = "{mode}"'
    return parse_policy(text, where="p", protocols=PROTOCOLS)


def file(
    body: str | bytes,
    url: str = TEXT,
    *,
    status: int = 200,
    truncated: bool = False,
    headers: tuple[tuple[str, str], ...] = (),
    redirects: tuple[str, ...] = (),
    outage: Outage | None = None,
) -> Observation:
    return Observation(
        document=Document(kind=Kind.WELL_KNOWN, url=url),
        status=None if outage else status,
        headers=headers,
        body=body.encode() if isinstance(body, str) else body,
        truncated=truncated,
        redirects=redirects,
        outage=outage,
        observed_at=AT,
    )


def decided(
    *seen: Observation, policy: Policy | None = None, purpose: Purpose = Purpose.TRAIN, url: str = "https://h.example/x"
) -> Decision:
    policy = policy or enabled()
    intent = Intent(url=url, agent=AGENT, purpose=purpose)
    return decide(intent, read(intent, seen, policy), policy, stage=Stage.KEEP, at=AT)


def said(*seen: Observation, policy: Policy | None = None, url: str = "https://h.example/x") -> dict[str, str]:
    """What is said for each purpose, without those about which nothing is said."""
    words = {}
    for purpose in Purpose:
        decision = decided(*seen, policy=policy, purpose=purpose, url=url)
        if decision.because:
            words[purpose.value] = "permit" if decision.verdict is Verdict.ALLOW else decision.verdict.word
    return words


TRAINING = {"train": "refuse", "train-generative": "refuse"}
PERMITTED = {"train": "permit", "train-generative": "permit"}
MINING = {"ai-input": "refuse", "tdm": "refuse", "train": "refuse", "train-generative": "refuse"}

CASES: dict[str, tuple[str, dict[str, str]]] = {
    "A7: no Training is the default of the draft": (SITE, TRAINING),
    "deny": (SITE + "Training: deny", TRAINING),
    "in any case": (SITE.lower() + "TRAINING: Deny", TRAINING),
    "allow": (SITE + "Training: allow", PERMITTED),
    "allow with a trailing comment": (SITE + "Training: allow # for now", PERMITTED),
    "another word is as none": (SITE + "Training: maybe", TRAINING),
    "no value is as none": (SITE + "Training:", TRAINING),
    "a denial in other words": (SITE + "Training: no", TRAINING),
    "Training without Site-Name": ("Training: deny", TRAINING),
    "twice, and not the same": (SITE + "Training: allow\nTraining: deny", TRAINING),
    "conditional": (SITE + "Training: conditional", TRAINING),
    "a fee": (SITE + "Training: allow\nTraining-Fee: https://h.example/fee", TRAINING),
    "a license": (SITE + "Training: allow\nTraining-License: CC-BY-4.0", TRAINING),
    "a required attribution takes the permission away": (SITE + "Training: allow\nAttribution: required", {}),
    "a recommended one does not": (SITE + "Training: allow\nAttribution: recommended", PERMITTED),
    "a demanded one is as a required one": (SITE + "Training: allow\nAudit: mandatory", {}),
    "a fee that is asked of us": (SITE + "Training: allow\nAgent: ExBot\n  Training-Fee: https://h.example/fee", TRAINING),
    "a fee that is asked of others": (SITE + "Training: allow\nAgent: GPTBot\n  Training-Fee: https://h.example/fee", PERMITTED),
    "a glob that denies it to us": (SITE + "Training: conditional\nTraining-Allow: /*\nAgent: ExBot\n  Training-Deny: /*", TRAINING),
    "Scraping denies mining": (SITE + "Training: allow\nScraping: deny", MINING),
    "Scraping allows nothing": (SITE + "Training: deny\nScraping: allow", TRAINING),
    "Indexing denies search and input": (SITE + "Training: deny\nIndexing: deny", TRAINING | {"search": "refuse", "ai-input": "refuse"}),
    "Indexing allows search": (SITE + "Training: deny\nIndexing: allow", TRAINING | {"search": "permit"}),
    "Indexing by default allows nothing": (SITE + "Training: deny", TRAINING),
    "Caching is nothing": (SITE + "Training: deny\nCaching: deny", TRAINING),
    "our block refuses": (SITE + "Training: allow\nAgent: exbot\n  Training: deny", TRAINING),
    "our block permits": (SITE + "Training: deny\nAgent: ExBot/2\n\tTraining: allow", PERMITTED),
    "blank lines end no block": (SITE + "Training: deny\nAgent: ExBot\n\n  Training: allow", PERMITTED),
    "another's block is not ours": (SITE + "Training: deny\nAgent: GPTBot\n  Training: allow", TRAINING),
    "a part of our name is not ours": (SITE + "Training: deny\nAgent: Ex\n  Training: allow", TRAINING),
    "our block without Training": (SITE + "Training: allow\nAgent: ExBot\n  Rate-Limit: 1/day", PERMITTED),
    "a block for every agent refuses": (SITE + "Training: allow\nAgent: *\n  Training: deny", TRAINING),
    "a block for every agent does not lift the site's own": (SITE + "Training: deny\nAgent: *\n  Training: allow", TRAINING),
    "a block for every agent permits": (SITE + "Agent: *\n  Training: allow", PERMITTED),
    "ours comes before every agent's": (SITE + "Agent: *\n  Training: deny\nAgent: ExBot\n  Training: allow", PERMITTED),
    "a line below an empty block permits nothing": (SITE + "Agent: GPTBot\nTraining: allow", TRAINING),
    "a line below an empty block can refuse": (SITE + "Training: allow\nAgent: GPTBot\nTraining: deny", TRAINING),
    "an indented line outside a block permits nothing": (SITE + "  Training: allow", TRAINING),
    "behind a block the site speaks again": (SITE + "Agent: GPTBot\n  Training: deny\nTraining: allow", PERMITTED),
    "a comment is nothing": (SITE + "Training: allow\n# Training: deny", PERMITTED),
    "Spawning's dialect is another file": ("User-agent: *\nDisallow: /", {}),
    "a description is another file": ("---\nscope: site\n---\n# About", {}),
    "nothing at all": ("", {}),
}  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), CASES.values(), ids=CASES.keys())
def test_what_the_text_says(body: str, wanted: dict[str, str]) -> None:
    """Each file says what the draft means, to policies that read it literally."""
    assert said(file(body)) == wanted


def test_a7_off_and_enabled() -> None:
    """The default of the draft refuses where the draft is read, is remarked where it is logged, and else is nothing."""
    seen = file(SITE)
    decision = decided(seen)
    assert [(s.protocol, s.evidence.at, s.evidence.text) for s in decision.because] == [
        (PROTOCOL, "line 1", "Site-Name: a")
    ]
    logged = decided(seen, policy=enabled(mode="log"))
    assert (logged.verdict, logged.considered, len(logged.remarks)) == (Verdict.ALLOW, (), 1)
    for profile in PROFILES.values():
        off = decided(seen, policy=profile)
        assert (off.considered, off.remarks) == ((), ()), profile.name


def test_only_a_policy_that_says_so_looks() -> None:
    """The documents are planned where the draft is obeyed or logged, and by no shipped profile."""
    assert PROTOCOLS[PROTOCOL] is Mode.OFF
    for name, profile in PROFILES.items():
        assert PROTOCOL not in {reader.protocol for reader in readers_for(profile)}
        assert not {TEXT, JSON} & {document.url for document in plan(origin_of(TEXT), profile)}
        for mode in ("obey", "log"):
            policy = enabled(name, mode)
            assert {TEXT, JSON} <= {document.url for document in plan(origin_of(TEXT), policy)}
            assert policy.digest != profile.digest
        assert enabled(name, "off").digest == profile.digest


def test_a_file_without_the_required_fields_refuses_by_default_for_careful_readers() -> None:
    """Site-Name alone is not a file of the draft to the letter."""
    seen = file("Site-Name: a")
    assert said(seen) == {}
    assert said(seen, policy=enabled("opt-in")) == TRAINING


# -- conditions -------------------------------------------------------------------------------------------------------

PATHS = SITE + "Training: conditional\nTraining-Allow: /free/*\nTraining-Deny: /free/premium/*\nTraining-Allow: /page\n"


@pytest.mark.parametrize(
    ("path", "wanted", "at"),
    [
        ("/free/x", PERMITTED, "line 4"),
        ("/free/premium/x", TRAINING, "line 5"),
        ("/page", PERMITTED, "line 6"),
        ("/page/below", TRAINING, "line 3"),
        ("/other", TRAINING, "line 3"),
    ],
)
def test_globs_of_conditional(path: str, wanted: dict[str, str], at: str) -> None:
    """The longest glob decides; an allow has to match the whole path, and what nothing names is conditional."""
    url = f"https://h.example{path}"
    assert said(file(PATHS), url=url) == wanted
    assert [s.evidence.at for s in decided(file(PATHS), url=url).because] == [at]


def test_equal_globs_deny() -> None:
    """Of an allow and a deny that are the same, the deny stands."""
    for glob in ("/a/*", "/a", "*.jpg"):
        body = SITE + f"Training: conditional\nTraining-Allow: {glob}\nTraining-Deny: {glob}"
        assert decided(file(body), url="https://h.example/a/x.jpg").verdict is Verdict.REFUSE, glob


def test_a_deny_is_read_widely() -> None:
    """Without a slash, as a URL, in a list, with ``?`` and brackets."""
    for glob in ("free/*", "https://h.example/free", "/a, /free/*", "/fr?e/", "/{free,paid}/", "/f[r]ee", "/free"):
        body = SITE + f"Training: conditional\nTraining-Allow: /*\nTraining-Deny: {glob}"
        assert decided(file(body), url="https://h.example/free/x").verdict is Verdict.REFUSE, glob


def test_a_deny_beside_allow() -> None:
    """The draft reads the globs under ``conditional`` only; beside ``allow`` they take the permission away, and refuse
    for careful readers."""
    body = SITE + "Training: allow\nTraining-Deny: /private/*"
    url = "https://h.example/private/x"
    assert said(file(body)) == PERMITTED
    assert said(file(body), url=url) == {}
    assert said(file(body), url=url, policy=enabled("opt-in")) == TRAINING


def test_conditions_become_terms() -> None:
    """Whoever may ask is told the fee, the license, or what there is instead."""
    body = SITE + "Contact: ai@h.example\nPolicy-URL: https://h.example/policy\nTraining: conditional\n"
    bare = decided(file(body)).ask[0]
    assert (bare.contact, bare.terms_url) == ("mailto:ai@h.example", "https://h.example/policy")
    priced = decided(file(body + "Training-License: LicenseRef-A\nTraining-Fee: https://h.example/fee")).because[0]
    assert priced.terms is not None
    assert (priced.terms.url, priced.terms.reference) == ("https://h.example/fee", "LicenseRef-A")
    odd = decided(file(body + "Training-Fee: javascript:alert(1)")).because[0]
    assert odd.terms is not None
    assert (odd.terms.url, odd.terms.reference) == (None, "javascript:alert(1)")


def test_required_attribution_refuses_for_careful_readers() -> None:
    """A condition that the draft puts on the output is one on the use."""
    seen = file(SITE + "Training: allow\nAI-Disclosure: required")
    decision = decided(seen, policy=enabled("opt-in"))
    assert [(s.evidence.at, s.terms and s.terms.reference) for s in decision.because] == [
        ("line 4", "ai-disclosure: required")
    ]


# -- JSON -------------------------------------------------------------------------------------------------------------


def as_json(**members: object) -> Observation:
    site = {"name": "a", "url": "https://a"}
    return file(json.dumps({"specVersion": "1.0", "site": site, **members}), JSON)


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"policies": {"training": "deny"}}, TRAINING),
        ({"policies": {"training": "allow"}}, PERMITTED),
        ({"policies": {"training": True}}, TRAINING),
        ({"policies": {"training": ["allow"]}}, TRAINING),
        ({"policies": {"training": ["allow", "deny"]}}, TRAINING),
        ({"policies": {"training": {"default": "allow"}}}, TRAINING),
        ({"policies": {}}, TRAINING),
        ({"policies": "allow"}, TRAINING),
        ({}, TRAINING),
        ({"policies": {"training": "deny"}, "agents": {"EXBOT": {"training": "allow"}}}, PERMITTED),
        ({"policies": {"training": "allow"}, "agents": {"ExBot": "deny"}}, TRAINING),
        ({"policies": {"training": "deny"}, "agents": {"ExBot": "allow"}}, TRAINING),
        ({"policies": {"training": "allow"}, "agents": {"*": {"training": "deny"}}}, TRAINING),
        ({"policies": {"training": "allow"}, "agents": {"GPTBot": {"training": "deny"}}}, PERMITTED),
        ({"policies": {"training": "allow"}, "licensing": {"license": "CC-BY-4.0"}}, TRAINING),
        ({"policies": {"training": "allow", "scraping": "deny"}}, MINING),
        ({"policies": {"training": "conditional"}, "trainingPaths": {"allow": ["/x"]}}, PERMITTED),
        ({"policies": {"training": "conditional"}, "trainingPaths": {"allow": ["/x"], "deny": ["/x"]}}, TRAINING),
    ],
)
def test_what_the_json_says(members: dict[str, object], wanted: dict[str, str]) -> None:
    """The JSON means what the text does; what is no text is none of the three words."""
    assert said(as_json(**members)) == wanted


def test_places_in_json() -> None:
    """The evidence of JSON is a pointer and the words there."""
    decision = decided(as_json(policies={"training": "deny"}))
    assert [(s.evidence.at, s.evidence.text) for s in decision.because] == [("/policies/training", "deny")]


def test_repeated_keys_of_json() -> None:
    """Of repeated keys the strictest value counts, whichever is last."""
    body = '{"policies": {"training": "deny", "training": "allow"}, "policies": {"training": "allow"}}'
    decision = decided(file(body, JSON))
    assert decision.verdict is Verdict.REFUSE
    assert "contradiction" in {r.kind.value for r in decision.remarks}


@pytest.mark.parametrize("body", ["{", "[]", "deny", '{"a": NaN}', "", '{"a":' * 100_000, b'{"site": "\xff"}'])
def test_json_that_cannot_be_read_defers(body: str | bytes) -> None:
    """A file that is there and cannot be read is not known."""
    decision = decided(file(body, JSON))
    assert decision.verdict is Verdict.DEFER
    assert "malformed" in {r.kind.value for r in decision.remarks}


def test_another_json_of_that_name_says_nothing() -> None:
    """An ai.json of another proposal is remarked."""
    decision = decided(file('{"version": "1", "services": []}', JSON))
    assert (decision.verdict, decision.because) == (Verdict.ALLOW, ())
    assert {r.kind.value for r in decision.remarks} == {"ignored"}


def test_the_two_forms_differ() -> None:
    """The strictest counts, and the contradiction is named, whichever form permits."""
    for allow, deny in (("text", "json"), ("json", "text")):
        seen = {
            "text": lambda word: file(SITE + f"Training: {word}"),
            "json": lambda word: as_json(policies={"training": word}),
        }
        decision = decided(seen[allow]("allow"), seen[deny]("deny"))
        assert decision.verdict is Verdict.REFUSE
        assert len(decision.contradictions) == 1
        assert "/.well-known/ai.json" in in_words(decision.contradictions[0])


# -- places and failures ----------------------------------------------------------------------------------------------


def test_https_only() -> None:
    """Over http nothing is permitted, and careful readers are refused; a redirect counts where it ends."""
    http = "http://h.example/.well-known/ai.txt"
    url = "http://h.example/x"
    assert said(file(SITE + "Training: allow", http), url=url) == {}
    assert said(file(SITE + "Training: deny", http), url=url) == {}
    assert said(file(SITE + "Training: deny", http), url=url, policy=enabled("opt-in")) == TRAINING
    assert said(file(SITE + "Training: allow", http, redirects=(TEXT,)), url=url) == PERMITTED
    assert said(file(SITE + "Training: allow", redirects=(http,))) == {}
    assert said(file("", http, status=503), url=url) == {}


def test_html() -> None:
    """A page is no file of the draft; what is only served as one permits nothing."""
    assert said(file("<html>Training: allow")) == {}
    html = (("Content-Type", "text/html"),)
    assert said(file(SITE + "Training: allow", headers=html)) == {}
    assert said(file(SITE + "Training: deny", headers=html), policy=enabled("opt-in")) == TRAINING


def test_statuses() -> None:
    """What is not there says nothing, and what could not be looked at defers training."""
    deferred = {"train": "defer", "train-generative": "defer"}
    for status, wanted in (
        (404, {}),
        (410, {}),
        (204, {}),
        (403, {}),
        (503, deferred),
        (429, deferred),
        (302, deferred),
    ):
        assert said(file(SITE + "Training: deny", status=status)) == wanted, status
    assert said(file("", outage=Outage.TIMEOUT)) == deferred
    assert said(file("", outage=Outage.BLOCKED)) == {}


def test_what_is_cut_off_permits_nothing() -> None:
    """A refusal may stand behind the cut."""
    assert said(file(SITE + "Training: allow\n", truncated=True)) == {"train": "defer", "train-generative": "defer"}
    assert said(file(SITE + "Training: deny\n", truncated=True)) == TRAINING
    assert said(file(SITE + "Training: allow\n" + "\n" * 20_000 + "Training: deny")) == {
        "train": "defer",
        "train-generative": "defer",
    }


def test_utf_16_and_marks() -> None:
    """Byte order marks are nothing, and UTF-16 is text."""
    body = SITE + "Training: deny"
    for data in (b"\xef\xbb\xbf" + body.encode(), b"\xff\xfe" + body.encode("utf-16-le"), body.encode("utf-16-be")):
        assert said(file(data)) == TRAINING


# -- any bytes --------------------------------------------------------------------------------------------------------


def target(path: str = "/x") -> Target:
    return Target.of(Intent(url=f"https://h.example{path}", agent=AGENT, purpose=Purpose.TRAIN))


@given(
    body=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))),
    url=st.sampled_from([TEXT, JSON, "http://h.example/.well-known/ai.txt"]),
    status=st.sampled_from([200, 200, 206, 404, 500]),
    cut=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_never_raise(body: bytes, url: str, status: int, cut: bool) -> None:
    """Whatever the bytes and the status, the reader answers."""
    assert READER.parse(file(body, url, status=status, truncated=cut), AGENT).on(target()).signals is not None


LINES = st.lists(
    st.tuples(
        st.sampled_from(["Training", "  Training", "Agent", "Site-Name", "Training-Allow", "Training-Deny", "Indexing", "Scraping", "Training-Fee", "Policy-URL", "Contact", "#", ""]),
        st.sampled_from([": ", ":", " "]),
        st.one_of(st.sampled_from(["allow", "deny", "conditional", "*", "ExBot", "/a*", "/", "$", "[", "?"]), st.text(max_size=8)),
    ),
    max_size=12,
)  # fmt: skip


@given(lines=LINES, path=st.text(max_size=12))
@settings(max_examples=200, deadline=None)
def test_only_a_written_allow_permits(lines: list[tuple[str, str, str]], path: str) -> None:
    """A permission has the word in its evidence, or that of a glob; the same question gets the same object again."""
    body = "\n".join("".join(line) for line in lines)
    statement = READER.parse(file(body.encode("utf-8", "replace")), AGENT)
    reading = statement.on(target("/" + path))
    for signal in reading.signals:
        if signal.verdict is Verdict.ALLOW:
            assert "allow" in signal.evidence.text.lower()
            assert signal.category in {Category.TRAIN, Category.SEARCH}
        assert signal.category is not Category.FETCH
    assert statement.on(target("/" + path)) is reading


JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["allow", "deny", "conditional", "/a*"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["policies", "training", "agents", "ExBot", "*", "site", "name", "trainingPaths", "allow", "deny", "licensing", "feeUrl"]), inner, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip


@given(value=JSONS)
@settings(max_examples=200, deadline=None)
def test_any_json_never_raises(value: object) -> None:
    """Whatever stands where in the JSON, the reader answers."""
    statement = READER.parse(file(json.dumps(value), JSON), AGENT)
    assert statement.on(target()) is statement.on(target())


def test_a_megabyte_of_hostile_lines() -> None:
    """A file as long as may be is read, and matching stays linear."""
    head = SITE + "Training: conditional\n"
    for line in (
        "Training-Deny: /" + "*a" * 40,
        "Training-Allow: /" + "a*" * 40,
        "Agent: *",
        "  Training: allow",
        "Training-Deny: " + "/a," * 60,
    ):
        body = head + (line + "\n") * (1_048_000 // (len(line) + 1))
        statement = READER.parse(file(body), AGENT)
        assert statement.on(target("/" + "a" * 2_000)) is statement.on(target("/" + "a" * 2_000))
