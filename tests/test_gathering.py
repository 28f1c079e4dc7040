"""What counts for a resource, and that replay finds it again: every decision of a gate, on a web that changes, gives the
same id from its evidence."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest

from askfirst.edges.cache_memory import MemoryCache
from askfirst.gate import Gate
from askfirst.hearing import Once
from askfirst.ports import EdgeError
from askfirst.replay import Evidenced, decide_line, replay_line, replay_recorded
from askfirst.rights.model import Intent, Observation, Outage, Purpose, Verdict
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import PROFILES, Policy
from askfirst.wiring import open_inspect
from tests import c2pa_works, works
from tests.memory_web import Clock, Lab, MemoryRegistry, intent, response
from tests.works import data_mining

RSL = "https://rslstandard.org/rsl"
HOSTS = ("https://a.example", "https://b.example", "https://c.example")
PATHS = ("/p", "/q", "/works/a.jpg", "/works/a-320.jpg", "/works/b.webp", "/img?id=5", "/doc.pdf")
SPOTS = ("/l.xml", "/m.xml", "/policy.json", "/robots.txt", "/ai.txt", "/p", "/works/a.jpg", "/.well-known/tdmrep.json")


class Ticking(Clock):
    """No two looks at one time: an observation is named by its document, its bytes and its time."""

    def __call__(self) -> datetime:
        self.pass_s(0.000001)
        return self.at


class Flaky(MemoryCache):
    """A store that fails at times."""

    def __init__(self, chance: random.Random, often: float, clock: Clock) -> None:
        super().__init__(clock=lambda: clock().timestamp())
        self._chance, self._often = chance, often

    def _try(self) -> None:
        if self._chance.random() < self._often:
            raise EdgeError("store: away")

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        self._try()
        return await super().get_many(keys)

    async def put(self, key: str, value: bytes, *, keep_s: int) -> None:
        self._try()
        await super().put(key, value, keep_s=keep_s)


class Wild:
    """A web that changes at random, and requests to it."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self.chance = random.Random(seed)
        clock = Ticking()
        self.lab = Lab(policy, cache=Flaky(self.chance, self.chance.choice((0.0, 0.2)), clock), clock=clock)
        inspect = open_inspect(policy)
        registry = MemoryRegistry(clock, [{"scope": "a.example", "categories": ["train"], "verdict": "grant"}])
        self.registry = registry
        self.gates: list[Gate] = [
            self.lab.new_gate(),
            self.lab.new_gate(inspect=inspect),
            self.lab.new_gate(registries=[registry]),
        ]

    def spot(self) -> str:
        return self.chance.choice(HOSTS) + self.chance.choice(SPOTS)

    def url(self) -> str:
        return self.chance.choice(HOSTS) + self.chance.choice(PATHS)

    def some(self, *lines: str) -> list[str]:
        return [line for line in lines if self.chance.random() < 0.4]

    def robots(self) -> str:
        lines = self.some(
            f"License: {self.spot()}",
            "User-agent: Other",
            f"License: {self.spot()}",
            "License: /relative.xml",
            "User-agent: *",
            "Disallow: /works/",
            f"License: {self.spot()}",
            "Content-Signal: ai-train=no, search=yes",
            "Content-Usage: train-ai=n",
            "Disallow: /l.xml",
            "Disallow: /.well-known/",
            "User-agent: ExBot",
            f"License: {self.spot()}",
            "Allow: /works/a.jpg",
            "Disallow: /q",
        )
        return "\n".join(lines)

    def body_at(self, path: str) -> str | bytes:
        if path == "/robots.txt":
            return self.robots()
        if path == "/ai.txt":
            return self.chance.choice(("", "User-agent: *\nDisallow: *.jpg", "User-Agent: *\nAI-Training: no"))
        if path == "/.well-known/tdmrep.json":
            rules = [f'{{"location": "/{w}", "tdm-reservation": 1, "tdm-policy": "{self.spot()}"}}' for w in ("", "p")]
            return f"[{','.join(rules[: self.chance.randint(0, 2)])}]"
        if path == "/.well-known/security.txt":
            return self.chance.choice(("Contact: mailto:s@x.example", "no"))
        if path == "/policy.json":
            return '{"assigner": {"vcard:hasEmail": "mailto:a@x.example"}, "permission": [{"duty": "obtainConsent"}]}'
        says = self.chance.choice(('permits type="usage">all</permits', 'prohibits type="usage">ai-all</prohibits'))
        return f'<rsl xmlns="{RSL}"><content url="/"><license><{says}></license></content></rsl>'

    def publish(self) -> None:
        path = self.chance.choice((*SPOTS, "/.well-known/security.txt"))
        body = self.body_at(path)
        outage = self.chance.choice((None, None, None, None, Outage.TIMEOUT))
        status = None if outage else self.chance.choice((200, 200, 200, 200, 404, 403, 503))
        fields = {"Cache-Control": self.chance.choice(("max-age=60", "max-age=7200", "no-store"))}
        self.lab.web.publish(self.chance.choice(HOSTS) + path, body, status=status, headers=fields, outage=outage)

    def page(self) -> str:
        license_link = f'<link rel="license" type="application/rsl+xml" href="{self.spot()}">'
        images = [f'<img src="{self.url()}" srcSet="{self.url()} 2x">' for _ in range(3)]
        policy = f'<meta name="tdm-policy" content="{self.spot()}">'
        parts = self.some(
            '<meta name="robots" content="noimageai">',
            '<meta name="robots" content="noai">',
            f'<meta name="tdm-reservation" content="1">{policy}',
            license_link,
            '<a rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">l</a>',
            f'<script type="application/rsl+xml">{self.body_at("/l.xml")!s}</script>',
            f'<picture><source srcset="{self.url()}"><img src="{self.url()}"></picture>',
            *images,
        )
        return "<html>" + "".join(parts)

    def fields(self) -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        for name, value in (
            ("X-Robots-Tag", self.chance.choice(("noai", "noimageai", "ExBot: noai"))),
            ("TDM-Reservation", self.chance.choice("01")),
            ("TDM-Policy", self.spot()),
            ("Link", f'<{self.spot()}>; rel="license"; type="application/rsl+xml"'),
            ("Content-Usage", "train-ai=n"),
        ):
            if self.chance.random() < 0.15:
                told.append((name, value))
        return told

    def work(self) -> tuple[bytes, str]:
        packet = self.chance.choice((None, data_mining("DMI-PROHIBITED"), data_mining("DMI-ALLOWED"), self.reserved()))
        return self.chance.choice(
            (
                (works.jpeg(packet, exif=works.exif(copyright="x")), "image/jpeg"),
                (works.png(packet), "image/png"),
                (works.webp(packet), ""),
                (c2pa_works.in_png(c2pa_works.STORES[self.chance.choice(sorted(c2pa_works.STORES))]), "image/png"),
                (works.svg(packet), "image/svg+xml"),
                (b"\xff\xd8\xff<html><meta name=robots content=noai>", "image/jpeg"),
            )
        )

    def reserved(self) -> bytes:
        policy = f"<tdm:reservation>1</tdm:reservation><tdm:policy>{self.spot()}</tdm:policy>"
        return works.xmp(policy)

    def answer(self, url: str) -> Observation:
        status = self.chance.choice((200, 200, 200, 404))
        if url.endswith(("/p", "/q")) or self.chance.random() < 0.1:
            page = [("Content-Type", "text/html")] if self.chance.random() < 0.8 else []
            return response(self.lab, url, self.page(), status=status, headers=[*page, *self.fields()])
        body, kind = self.work()
        return response(
            self.lab, url, body, status=status, headers=[*([("Content-Type", kind)] if kind else []), *self.fields()]
        )

    def hops(self) -> list[Observation]:
        if self.chance.random() < 0.7:
            return []
        return [response(self.lab, self.spot(), status=302, headers=self.fields())]

    async def ask(self) -> None:
        gate = self.chance.choice(self.gates)
        url = self.url()
        asked: Intent = intent(url, self.chance.choice(list(Purpose)))
        if self.chance.random() < 0.5:
            await gate.before_fetch(asked)
        else:
            await gate.before_keep(asked, self.answer(url), self.hops())

    async def live(self, steps: int) -> None:
        for host in HOSTS:
            for path in (*SPOTS, "/.well-known/security.txt"):
                self.lab.web.publish(host + path, self.body_at(path))
        for _ in range(steps):
            self.lab.clock.pass_s(self.chance.choice((1, 1, 1, 61, 3_700, 90_000)))
            self.registry.away = self.chance.random() < 0.1
            for _ in range(self.chance.randint(0, 4)):
                self.publish()
            await asyncio.gather(*(self.ask() for _ in range(self.chance.randint(1, 6))))


def faults(lab: Lab) -> list[str]:
    evidenced = Evidenced(lab.record.evidence)
    policies: Mapping[str, Policy] = {lab.policy.digest: lab.policy}
    told = (replay_recorded(line, evidenced, policies) for line in lab.record.lines)
    return [fault for fault in told if fault is not None]


@pytest.mark.parametrize("policy", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_web_does_every_decision_replays_to_the_same_id(seed: int, policy: Policy) -> None:
    """Licenses and policies on other hosts, pages with images, renditions, packets, hops, outages, stale copies, three
    workers over one store that fails at times."""
    wild = Wild(seed, policy)
    await wild.live(40)
    assert len(wild.lab.record.lines) > 60
    assert faults(wild.lab) == []


YES = f'<rsl xmlns="{RSL}"><content url="/"><license><permits type="usage">all</permits></license></content></rsl>'
NO = YES.replace("permits", "prohibits")


async def test_eight_licenses_at_one_host_make_one_look_at_each_document_for_the_whole_fleet() -> None:
    """The robots.txt beside them is looked at once, and the store holds them all for the worker that comes later."""
    lab = Lab()
    lines = "".join(f"License: https://l.example/{n}.xml\n" for n in range(8))
    lab.web.publish("https://h/robots.txt", f"{lines}User-agent: *\nDisallow:")
    for number in range(8):
        lab.web.publish(f"https://l.example/{number}.xml", YES)
    for gate in (lab.gate, lab.new_gate()):
        decision = await gate.before_fetch(intent("https://h/p"))
        assert (decision.verdict, len(decision.because)) == (Verdict.ALLOW, 8)
        assert set(lab.web.looks.values()) == {1}
    assert faults(lab) == []


async def test_a_waiter_that_gives_up_on_a_license_takes_nobody_with_it() -> None:
    """Two pages name one license; whoever asked first is cancelled, and then the look fails for nobody."""
    lab = Lab()
    lab.web.publish("https://l.example/l.xml", NO)
    await lab.gate.before_fetch(intent("https://h/p"))
    link = [("Link", '<https://l.example/l.xml>; rel="license"; type="application/rsl+xml"')]
    lab.web.hold = asyncio.Event()
    first, second = (
        asyncio.create_task(lab.gate.before_keep(intent(url), response(lab, url, headers=link)))
        for url in ("https://h/p", "https://h/q")
    )
    while "https://l.example/robots.txt" not in lab.web.looks:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    lab.web.hold.set()
    assert (await second).verdict is Verdict.REFUSE
    assert lab.web.looks["https://l.example/l.xml"] == 1


async def test_two_origins_that_name_licenses_at_each_other_do_not_wait_for_each_other() -> None:
    """Both first looks at once, each needing a document of the other's."""
    lab = Lab()
    for here, there in (("a", "b"), ("b", "a")):
        text = f"License: https://{there}.example/l.xml\nUser-agent: *\nDisallow:"
        lab.web.publish(f"https://{here}.example/robots.txt", text)
        lab.web.publish(f"https://{here}.example/l.xml", NO)
    asked = [lab.gate.before_fetch(intent(f"https://{host}.example/p")) for host in "ab"]
    async with asyncio.timeout(30):
        assert {d.verdict for d in await asyncio.gather(*asked)} == {Verdict.REFUSE}


async def test_a_look_that_breaks_is_made_again() -> None:
    """What a look raises reaches who waited for it, and not who asks afterwards."""
    lab = Lab()
    once: Once[str, int] = Once()
    calls = 0

    async def broken() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        if calls == 1:
            raise EdgeError("away")
        return calls

    first = await asyncio.gather(once.do("k", broken), once.do("k", broken), return_exceptions=True)
    assert [type(one) for one in first] == [EdgeError, EdgeError]
    assert await once.do("k", broken) == 2
    assert lab.record.lines == []


def test_a_gate_serves_one_loop_after_another() -> None:
    """What was begun in a loop that has ended is not waited for in the next."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "License: https://l.example/l.xml\nUser-agent: *\nDisallow:")

    async def interrupted() -> None:
        lab.web.hold = asyncio.Event()
        asked = asyncio.create_task(lab.gate.before_fetch(intent("https://h/p")))
        while not lab.web.looks:
            await asyncio.sleep(0)
        asked.cancel()

    asyncio.run(interrupted())
    lab.web.hold = None
    assert asyncio.run(lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE


async def test_a_host_of_a_license_for_each_page_is_remembered_within_bounds() -> None:
    """A hundred licenses at one host: neither this process nor the host's shelf in the store holds them all."""
    lab = Lab()
    for number in range(100):
        lab.clock.pass_s(0.001)
        lab.web.publish(f"https://h/l{number}.xml", NO + " " * 80_000)
        link = [("Link", f'<https://h/l{number}.xml>; rel="license"; type="application/rsl+xml"')]
        url = f"https://h/{number}"
        assert (await lab.gate.before_keep(intent(url), response(lab, url, headers=link))).verdict is Verdict.REFUSE
    known = lab.gate.hearing._last_seen[origin_of("https://h/")]
    assert len(known) < 80
    entries = lab.cache._entries  # type: ignore[attr-defined]
    assert max(len(value) for value, _ in entries.values()) < 2_000_000
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.ALLOW


async def test_a_file_that_its_own_site_names_as_a_license_is_still_itself() -> None:
    """robots.txt names robots.txt: its rules go on to bind when the decision is replayed."""
    for lines in ("License: https://h/robots.txt", "License: https://h/.well-known/tdmrep.json"):
        lab = Lab()
        lab.web.publish("https://h/robots.txt", f"{lines}\nUser-agent: *\nDisallow: /private")
        lab.web.publish("https://h/.well-known/tdmrep.json", '[{"location": "/", "tdm-reservation": 1}]')
        decision = await lab.gate.before_fetch(intent("https://h/private", Purpose.SEARCH))
        assert (decision.verdict, decision.because[0].protocol) == (Verdict.REFUSE, "robots.txt")
        assert faults(lab) == []
        told: list[dict[str, object]] = [
            {"url": "https://h/robots.txt", "body": f"{lines}\nUser-agent: *\nDisallow: /private"},
        ]
        line = {"url": "https://h/private", "purpose": "search", "policy": "opt-out", "observations": told}
        assert decide_line(line).verdict is Verdict.REFUSE


async def test_one_address_that_is_named_as_a_license_and_as_a_policy_is_both() -> None:
    """The gate looks at it twice, and replay hears both again: the refusal of the license, whom the policy names."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "License: https://l.example/x\nUser-agent: *\nDisallow:")
    lab.web.publish("https://l.example/x", '{"assigner": {"hasEmail": "a@l.example"}}')
    lab.web.publish(
        "https://h/.well-known/tdmrep.json",
        '[{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://l.example/x"}]',
    )
    decision = await lab.gate.before_fetch(intent("https://h/p"))
    assert {s.protocol for s in decision.because} == {"rsl", "tdmrep"}
    assert "mailto:a@l.example" in {a.contact for a in decision.ask}
    assert faults(lab) == []
    files = ("https://h/robots.txt", "https://h/.well-known/tdmrep.json", "https://l.example/x")
    seen = {o.document.url: o for o in lab.record.evidence if o.document.url in files}
    told = [{"url": url, "body": seen[url].body.decode()} for url in files]
    by_people = decide_line({"url": "https://h/p", "policy": "opt-out", "stage": "fetch", "observations": told})
    assert {s.protocol for s in by_people.because} == {"rsl", "tdmrep"}


async def test_a_hop_that_is_named_as_a_license_is_still_a_hop() -> None:
    """Its header refuses, in the gate and in replay."""
    lab = Lab()
    link = ("Link", '<https://g/x>; rel="license"; type="application/rsl+xml"')
    hop = response(lab, "https://g/x", status=302, headers=[("X-Robots-Tag", "noai"), ("Location", "https://h/p")])
    lab.web.publish("https://g/x", YES)
    decision = await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", headers=[link]), [hop])
    assert (decision.verdict, decision.because[0].protocol) == (Verdict.REFUSE, "x-robots-tag")
    assert faults(lab) == []


async def test_a_policy_that_is_named_inside_a_work_is_looked_at() -> None:
    """XMP reserves and names a policy; the policy names whom to ask; replay finds the same, and so do people's lines."""
    lab = Lab()
    lab.web.publish("https://l.example/p.json", '{"assigner": {"hasEmail": "a@l.example"}}')
    policy = "<tdm:reservation>1</tdm:reservation><tdm:policy>https://l.example/p.json</tdm:policy>"
    body = works.jpeg(works.xmp(policy))
    picture = response(lab, "https://h/i.jpg", body, headers=[("Content-Type", "image/jpeg")])
    decision = await lab.gate.before_keep(intent("https://h/i.jpg"), picture)
    assert (decision.verdict, decision.ask[0].contact) == (Verdict.REFUSE, "mailto:a@l.example")
    assert faults(lab) == []
    told = [
        {"url": "https://h/i.jpg", "body_b64": base64.b64encode(body).decode()},
        {"url": "https://l.example/p.json", "body": '{"assigner": {"hasEmail": "a@l.example"}}'},
    ]
    by_people = decide_line({"url": "https://h/i.jpg", "policy": "opt-out", "observations": told})
    assert by_people.ask[0].contact == "mailto:a@l.example"


async def test_twenty_that_need_a_contact_ask_for_it_once_and_share_what_was_found() -> None:
    """One look at security.txt, one standing with it, and the robots.txt that counted stays the only one."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nContent-Signal: ai-train=no")
    lab.web.publish("https://h/.well-known/security.txt", "Contact: mailto:s@h.example")
    asked = (lab.gate.before_fetch(intent(f"https://h/{n}")) for n in range(20))
    decisions = await asyncio.gather(*asked)
    assert {d.ask[0].contact for d in decisions} == {"mailto:s@h.example"}
    assert len({id(d.ruling) for d in decisions}) == 1
    assert set(lab.web.looks.values()) == {1}
    assert faults(lab) == []


@pytest.mark.parametrize("kind", [None, "response", "well-known", "license", "page"])
def test_an_address_that_is_none_is_answered(kind: str | None) -> None:
    """A line with it is a decision or an error of its own, and never raises."""
    for url in ("http://[", "https://h/x#http://[", "//", "https://h:99999/"):
        seen = {"url": url, "body": "<img src=/i.png>", "headers": [["Content-Type", "text/html"]]}
        if kind is not None:
            seen["kind"] = kind
        told = [seen, {"url": "https://h/robots.txt", "body": f"License: {url}\nUser-agent: *\nDisallow:"}]
        replay_line(json.dumps({"url": "https://h/i.png", "observations": told}).encode())


def test_a_page_that_does_not_display_the_image_says_nothing_of_it() -> None:
    """And one that does refuses, however the image's address is written there; a page about itself is no page of it."""
    for shown, verdict in (("https://CDN.example:443/%41.png", "refuse"), ("https://cdn.example/b.png", "allow")):
        page = f'<html><meta name="robots" content="noimageai"><img src="{shown}">'
        seen = {"url": "https://h/p", "headers": [["Content-Type", "text/html"]], "body": page}
        line = {"url": "https://cdn.example/A.png", "policy": "opt-out", "observations": [seen]}
        assert decide_line(line).verdict.word == verdict


def test_another_hosts_license_counts_only_where_it_is_named() -> None:
    """Where one license is named the other is not this resource's."""
    licenses = [
        {"url": "https://l.example/yes.xml", "kind": "license", "body": YES},
        {"url": "https://evil.example/no.xml", "kind": "license", "body": NO},
    ]
    robots = {"url": "https://h/robots.txt", "body": "License: https://l.example/yes.xml\nUser-agent: *\nDisallow:"}
    line = {"url": "https://h/p", "policy": "opt-in", "observations": [robots, *licenses]}
    decision = decide_line(line)
    assert (decision.verdict, [s.evidence.document_url for s in decision.considered]) == (
        Verdict.ALLOW,
        ["https://l.example/yes.xml"] * len(decision.considered),
    )
