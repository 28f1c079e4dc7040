"""TDM policies and ``security.txt``, beside the cases in tests/cases/tdm_policy and tests/cases/security_txt."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.rights.decide import decide
from askfirst.rights.gathering import named
from askfirst.rights.listening import Listeners
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Purpose, Stage
from askfirst.rights.policy import OPT_OUT
from askfirst.rights.read import read, readers_for
from askfirst.rights.reader import Target
from askfirst.rights.signals import security_txt, tdm_policy
from tests.memory_web import Lab, response
from tests.memory_web import intent as asks

AT = datetime(2026, 11, 24, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0")
FILE = "https://h.example/.well-known/tdmrep.json"


def seen(kind: Kind, url: str, body: bytes | str, *headers: tuple[str, str]) -> Observation:
    return Observation(
        document=Document(kind=kind, url=url),
        status=200,
        headers=headers,
        body=body.encode() if isinstance(body, str) else body,
        observed_at=AT,
    )


def intent(url: str) -> Intent:
    return Intent(url=url, agent=AGENT, purpose=Purpose.TDM)


def policy(name: str) -> str:
    return json.dumps({"assigner": {"vcard:fn": name}, "permission": [{"action": "tdm:mine"}]})


def test_who_is_asked_is_of_the_policy_that_the_rule_names() -> None:
    """Of two policies of one site each answers for its own rules, and one that is silent is not filled in from the
    other; a reservation that names none is answered for by the policy that another place names for the resource."""
    rules = [
        {"location": "/a/", "tdm-reservation": 1, "tdm-policy": "https://p.example/a"},
        {"location": "/b/", "tdm-reservation": 1, "tdm-policy": "https://p.example/b"},
        {"location": "/c/", "tdm-reservation": 1, "tdm-policy": "https://p.example/c"},
        {"location": "/", "tdm-reservation": 1},
    ]
    observations = [
        seen(Kind.WELL_KNOWN, FILE, json.dumps(rules)),
        seen(Kind.POLICY, "https://p.example/a", policy("Ana")),
        seen(Kind.POLICY, "https://p.example/b", policy("Bo")),
        seen(Kind.POLICY, "https://p.example/c", "<!doctype html>"),
    ]
    asked = {}
    for path in ("/a/", "/b/", "/c/", "/d/"):
        act = intent(f"https://h.example{path}")
        (ask,) = decide(act, read(act, observations, OPT_OUT), OPT_OUT, stage=Stage.KEEP, at=AT).ask
        asked[path] = (ask.name, ask.terms_url)
    act = intent("https://h.example/a/")
    observations.append(seen(Kind.RESPONSE, act.url, "", ("tdm-reservation", "1")))
    (ask,) = decide(act, read(act, observations, OPT_OUT), OPT_OUT, stage=Stage.KEEP, at=AT).ask
    asked["/a/ with a header"] = (ask.name, ask.terms_url)
    assert asked == {
        "/a/": ("Ana", "https://p.example/a"),
        "/b/": ("Bo", "https://p.example/b"),
        "/c/": (None, "https://p.example/c"),
        "/d/": (None, None),
        "/a/ with a header": ("Ana", "https://p.example/a"),
    }


@pytest.mark.parametrize(
    ("observation", "wanted"),
    [
        (seen(Kind.WELL_KNOWN, FILE, '[{"location":"/","tdm-reservation":1,"tdm-policy":"/p"}]'), ["https://h.example/p"]),
        (seen(Kind.WELL_KNOWN, FILE, '[{"location":"/","tdm-reservation":0,"tdm-policy":"/p"}]'), []),
        (seen(Kind.WELL_KNOWN, FILE, '[{"location":"/","tdm-reservation":1,"tdm-policy":"mailto:a@b.example"}]'), []),
        (seen(Kind.WELL_KNOWN, FILE, '{"location":"/","tdm-reservation":1,"tdm-policy":"/p"}'), ["https://h.example/p"]),
        (
            seen(
                Kind.WELL_KNOWN,
                FILE,
                json.dumps([{"location": f"/{n}", "tdm-reservation": 1, "tdm-policy": f"/{n}"} for n in range(9)]),
            ),
            [f"https://h.example/{n}" for n in range(4)],
        ),
        (seen(Kind.RESPONSE, "https://h.example/x", "", ("tdm-reservation", "1"), ("tdm-policy", "p")), ["https://h.example/p"]),
        (seen(Kind.RESPONSE, "https://h.example/x", "", ("tdm-reservation", "0"), ("tdm-policy", "p")), []),
        (seen(Kind.RESPONSE, "https://h.example/x", "", ("tdm-policy", "p")), []),
        (
            seen(
                Kind.RESPONSE,
                "https://h.example/x",
                "<meta name=tdm-reservation content=1><meta name=tdm-policy content=p>",
                ("Content-Type", "text/html"),
            ),
            ["https://h.example/p"],
        ),
    ],
)  # fmt: skip
def test_policies_are_named_beside_reservations(observation: Observation, wanted: list[str]) -> None:
    """A policy is looked at where it stands beside a 1, is on the web, and is among the first four of its document."""
    found = named([observation], AGENT, Listeners(readers_for(OPT_OUT)), OPT_OUT.care)
    assert [(d.kind, d.url) for d in found] == [(Kind.POLICY, url) for url in wanted]


_PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", '"assigner":', '"permission":', '"vcard:fn":', '"fn"', '"hasEmail":', '"a@b"',
        '"\\ud800"', "1", "null", '"duty":[{"action":"x"}]', '"constraint":{"leftOperand":[[["a"]]]}', '{"@id":{}}',
        '"hasAddress":{"locality":9}', '"permission":["tdm:mine",3]', '"prohibition":{}', "1e999", "NaN", "\n",
    ]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    body=st.one_of(
        st.lists(_PIECES, max_size=14).map("".join).map(str.encode),
        st.lists(_PIECES, max_size=8).map(lambda p: "".join(['{"assigner":{', *p, "}}"]).encode()),
        st.binary(max_size=60),
        st.recursive(
            st.one_of(st.none(), st.text(max_size=5), st.integers()),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["assigner", "permission", "duty", "action", "hasEmail", "vcard:fn", "uid"]), inner
                ),
            ),
        ).map(lambda said: json.dumps(said).encode()),
    )
)
def test_any_policy_is_no_verdict(body: bytes) -> None:
    """Whatever the bytes are, nothing raises and nothing is decided; whom to ask can be reached as people reach others."""
    said = tdm_policy.read_tdm_policy(seen(Kind.POLICY, "https://p.example/", body), AGENT)
    reading = said.on(Target.of(intent("https://h.example/")))
    assert not reading.signals
    assert reading.contacts or reading.remarks
    for contact in reading.contacts:
        assert (contact.address or "tel:").startswith(("http://", "https://", "mailto:", "tel:"))
        assert contact.note is None or len(contact.note) < 4_000


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"assigner":' * 900 + "1" + "}" * 900,
        '{"permission":' + "[" * 900 + "]" * 900 + "}",
        "9" * 5_000,
    ],
)
def test_deep_policies_end(body: str) -> None:
    """A policy that is nested beyond reason is no policy, or says nothing."""
    said = tdm_policy.read_tdm_policy(seen(Kind.POLICY, "https://p.example/", body), AGENT)
    assert not said.on(Target.of(intent("https://h.example/"))).signals


@settings(max_examples=300, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(
                ["Contact:", "contact: ", "mailto:a@b", "a@b", "https://[", "Expires: ", "9999-12-31", "\n", "\x85"]
            ),
            max_size=12,
        ).map(lambda p: "".join(p).encode()),
    )
)
def test_any_security_txt_is_no_verdict(body: bytes) -> None:
    """Whatever the bytes are, nothing raises and nothing is decided."""
    document = seen(Kind.CONTACT, "https://h.example/.well-known/security.txt", body)
    reading = security_txt.read_security_txt(document, AGENT).on(Target.of(intent("https://h.example/")))
    assert not reading.signals
    assert all(c.address for c in reading.contacts)


async def test_a_policy_and_a_last_resort_are_looked_at_when_they_are_needed() -> None:
    """The policy beside a reservation is looked at on arrival; ``security.txt`` when something is refused, nothing else
    names anybody, and not before."""
    lab = Lab()
    reserved = '[{"location":"/art/","tdm-reservation":1,"tdm-policy":"https://p.example/x.json"}]'
    lab.web.publish("https://h/.well-known/tdmrep.json", reserved)
    lab.web.publish("https://p.example/x.json", policy("Bo"))
    lab.web.publish("https://h/.well-known/security.txt", "Contact: mailto:s@h.example")
    (ask,) = (await lab.gate.before_fetch(asks("https://h/art/1"))).ask
    assert (ask.name, ask.terms_url) == ("Bo", "https://p.example/x.json")
    for headers, body, whom in (
        ([("tdm-reservation", "1")], "<link rel=license href=/l>", (None, "https://h/l")),
        ([("X-Robots-Tag", "noai")], "", ("mailto:s@h.example", None)),
    ):
        assert "https://h/.well-known/security.txt" not in lab.web.looks
        page = response(lab, "https://h/b", body, headers=[("Content-Type", "text/html"), *headers])
        (ask,) = (await lab.gate.before_keep(asks("https://h/b"), page)).ask
        assert (ask.contact, ask.terms_url) == whom
    assert lab.web.looks["https://h/.well-known/security.txt"] == 1
