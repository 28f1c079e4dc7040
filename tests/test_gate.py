"""One URL's way through the gate, on a web in memory with every look counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from askfirst.edges.cache_memory import MemoryCache
from askfirst.ports import EdgeError
from askfirst.replay import Evidenced, replay_recorded
from askfirst.rights.model import Kind, Outage, Purpose, Stage, Verdict
from askfirst.rights.origins import UrlError, origin_of
from askfirst.rights.policy import OPT_IN, OPT_OUT, PROFILES, STRICT, Policy
from tests.memory_web import Clock, Lab, MemoryRegistry, intent, response

HTML = [("Content-Type", "text/html")]


async def test_twenty_first_requests_make_one_look_and_get_one_answer() -> None:
    """Twenty concurrent first requests to a disallowing host look once at each document, and all are refused."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /")
    lab.web.hold = asyncio.Event()
    asked = [asyncio.create_task(lab.gate.before_fetch(intent(f"https://h/{n}"))) for n in range(20)]
    while not lab.web.looks:
        await asyncio.sleep(0)
    lab.web.hold.set()
    decisions = await asyncio.gather(*asked)
    assert {decision.verdict for decision in decisions} == {Verdict.REFUSE}
    assert set(lab.web.looks.values()) == {1}
    assert len(lab.record.lines) == 20


async def test_a_waiter_that_gives_up_takes_nobody_with_it() -> None:
    """Cancelling one of the requests that wait for a look leaves the look and the others alone."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /")
    lab.web.hold = asyncio.Event()
    first, second = (asyncio.create_task(lab.gate.before_fetch(intent(f"https://h/{n}"))) for n in range(2))
    while not lab.web.looks:
        await asyncio.sleep(0)
    first.cancel()
    lab.web.hold.set()
    assert (await second).verdict is Verdict.REFUSE
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_three_workers_that_share_a_store_look_once() -> None:
    """Three gates over one store make one look at each document between them."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /")
    lab.web.hold = asyncio.Event()
    gates = [lab.new_gate() for _ in range(3)]
    asked = [asyncio.create_task(gate.before_fetch(intent("https://h/p"))) for gate in gates]
    while len(lab.web.looks) < 3:
        await asyncio.sleep(0)
    lab.web.hold.set()
    assert {decision.verdict for decision in await asyncio.gather(*asked)} == {Verdict.REFUSE}
    assert set(lab.web.looks.values()) == {1}


async def test_origins_are_scheme_host_and_port() -> None:
    """http and https, and two ports, speak for themselves; letter case and user names in the URL do not matter."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /")
    for url, verdict in (
        ("https://h/p", Verdict.REFUSE),
        ("https://H:443/p", Verdict.REFUSE),
        ("https://me:pw@h/p", Verdict.REFUSE),
        ("HTTPS://h", Verdict.REFUSE),
        ("https://h?q=/x", Verdict.REFUSE),
        ("http://h/p", Verdict.ALLOW),
        ("https://h:8443/p", Verdict.ALLOW),
    ):
        assert (await lab.gate.before_fetch(intent(url))).verdict is verdict, url
    assert lab.web.looks["https://h/robots.txt"] == 1


async def test_what_is_no_http_url_is_the_callers_mistake() -> None:
    """A URL without an http origin raises before anything is looked at or recorded."""
    lab = Lab()
    for url in ("ftp://h/p", "https://", "h/p", "https://h:port/"):
        with pytest.raises(UrlError):
            await lab.gate.before_fetch(intent(url))
    assert (lab.record.lines, lab.web.looks) == ([], {})


async def test_fresh_answers_are_reused_and_stale_ones_are_revalidated() -> None:
    """Within its freshness robots.txt is not asked for; after it, an unchanged file costs a 304 and keeps its rules."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /a", headers={"ETag": '"1"'})
    await lab.gate.before_fetch(intent("https://h/p"))
    lab.clock.pass_s(86_399)
    await lab.gate.before_fetch(intent("https://h/p"))
    assert lab.web.looks["https://h/robots.txt"] == 1
    lab.clock.pass_s(2)
    assert (await lab.gate.before_fetch(intent("https://h/a"))).verdict is Verdict.REFUSE
    assert lab.web.looks["https://h/robots.txt"] == 2
    assert lab.counts["looks/revalidated"] == 1


async def test_cache_control_shortens_within_bounds() -> None:
    """max-age below the policy's maximum counts, and no-cache does not make us ask before every page."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", headers={"Cache-Control": "max-age=600"})
    lab.web.publish("https://i/robots.txt", headers={"Cache-Control": "no-cache"})
    for host in "hi":
        await lab.gate.before_fetch(intent(f"https://{host}/p"))
    lab.clock.pass_s(59)
    await lab.gate.before_fetch(intent("https://i/p"))
    assert lab.web.looks["https://i/robots.txt"] == 1
    lab.clock.pass_s(542)
    await lab.gate.before_fetch(intent("https://h/p"))
    assert lab.web.looks["https://h/robots.txt"] == 2


async def test_a_last_good_disallow_keeps_refusing_for_thirty_days() -> None:
    """While robots.txt answers 503 a known Disallow refuses, everything else waits; after 30 days all waits."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /a")
    await lab.gate.before_fetch(intent("https://h/p"))
    lab.web.publish("https://h/robots.txt", "User-agent: *\nAllow: /", status=503)
    lab.clock.pass_s(86_401)
    assert (await lab.gate.before_fetch(intent("https://h/a"))).verdict is Verdict.REFUSE
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.DEFER
    lab.clock.pass_s(30 * 86_400)
    assert (await lab.gate.before_fetch(intent("https://h/a"))).verdict is Verdict.DEFER


async def test_an_outage_is_looked_at_again_soon_and_retry_after_is_respected() -> None:
    """A 503 is asked again after a minute, a 429 when it says; a good answer then counts."""
    lab = Lab()
    lab.web.publish("https://h/robots.txt", status=503)
    lab.web.publish("https://i/robots.txt", status=429, headers={"Retry-After": "300"})
    for host in "hi":
        assert (await lab.gate.before_fetch(intent(f"https://{host}/p"))).verdict is Verdict.DEFER
    lab.web.publish("https://h/robots.txt", "")
    lab.web.publish("https://i/robots.txt", "")
    lab.clock.pass_s(59)
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.DEFER
    lab.clock.pass_s(2)
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.ALLOW
    assert (await lab.gate.before_fetch(intent("https://i/p"))).verdict is Verdict.DEFER
    lab.clock.pass_s(240)
    assert (await lab.gate.before_fetch(intent("https://i/p"))).verdict is Verdict.ALLOW


async def test_no_record_no_fetch() -> None:
    """While the record cannot be written every answer is DEFER; when it can be again, decisions and evidence are whole."""
    lab = Lab()
    lab.record.full = True
    decision = await lab.gate.before_fetch(intent("https://h/p"))
    assert decision.verdict is Verdict.DEFER
    assert decision.because[0].protocol == "record"
    assert lab.counts["record/unwritable"] == 1
    lab.record.full = False
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.ALLOW
    assert len(lab.record.lines) == 1
    assert {seen.document.url for seen in lab.record.evidence} == set(lab.web.looks)


async def test_a_store_that_fails_is_a_miss_and_never_a_permission() -> None:
    """With the shared store away every origin is still looked at, once, by this process."""

    class Away:
        async def get_many(self, keys: object) -> list[bytes | None]:
            raise EdgeError("store: away")

        async def put(self, key: str, value: bytes, *, keep_s: int) -> None:
            raise EdgeError("store: away")

        async def claim(self, key: str, *, owner: str, for_s: int) -> bool:
            raise EdgeError("store: away")

        async def release(self, key: str, *, owner: str) -> None:
            raise EdgeError("store: away")

        async def wait(self, key: str, *, timeout_s: float) -> None:
            raise EdgeError("store: away")

        async def close(self) -> None:
            raise EdgeError("store: away")

    lab = Lab(cache=Away())
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /")
    verdicts = {d.verdict for d in await asyncio.gather(*(lab.gate.before_fetch(intent("https://h/p")) for _ in "123"))}
    assert verdicts == {Verdict.REFUSE}
    assert lab.web.looks["https://h/robots.txt"] == 1
    assert lab.counts["cache/unreachable"] > 0


async def test_a_claim_whose_owner_died_is_taken_over() -> None:
    """A look that another worker claimed and never made is made when the claim lapses."""
    lab = Lab()
    key = lab.gate.hearing._looking._key(origin_of("https://h/"))
    assert await lab.cache.claim(key, owner="dead", for_s=30)
    asked = asyncio.create_task(lab.gate.before_fetch(intent("https://h/p")))
    for _ in range(100):
        await asyncio.sleep(0)
    assert lab.web.looks == {}
    lab.clock.pass_s(31)
    await lab.cache.release(key, owner="dead")
    assert (await asked).verdict is Verdict.ALLOW
    assert set(lab.web.looks.values()) == {1}


async def test_policy_files_that_robots_txt_bars_are_not_asked_for_again() -> None:
    """Once robots.txt is known, a policy file that it bars is not requested; strict then withholds, opt-out does not."""
    for policy, verdict in ((OPT_OUT, Verdict.ALLOW), (STRICT, Verdict.DEFER)):
        lab = Lab(policy)
        lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /.well-known/")
        lab.web.publish("https://h/.well-known/tdmrep.json", "[]", headers={"Cache-Control": "max-age=60"})
        lab.web.publish("https://h/ai.txt", "", headers={"Cache-Control": "max-age=60"})
        await lab.gate.before_fetch(intent("https://h/p"))
        lab.clock.pass_s(61)
        decision = await lab.gate.before_fetch(intent("https://h/p"))
        assert decision.verdict is verdict
        assert lab.web.looks["https://h/.well-known/tdmrep.json"] == 1
        assert lab.web.looks["https://h/ai.txt"] == 2


async def test_keep_sees_headers_markup_and_hops() -> None:
    """What the response says, and what a redirect answer on the way said, refuses at the keep stage."""
    lab = Lab()
    page = response(lab, "https://h/p", "<meta name=robots content=noai>", headers=HTML)
    assert (await lab.gate.before_keep(intent("https://h/p"), page)).verdict is Verdict.REFUSE
    plain = response(lab, "https://h/p", "<p>", headers=HTML)
    assert (await lab.gate.before_keep(intent("https://h/p"), plain)).verdict is Verdict.ALLOW
    hop = response(lab, "https://g/p", status=302, headers=[("X-Robots-Tag", "noai"), ("Location", "https://h/p")])
    through = await lab.gate.before_keep(intent("https://h/p"), plain, [hop])
    assert (through.verdict, through.because[0].evidence.document_url) == (Verdict.REFUSE, "https://g/p")


async def test_an_error_page_can_refuse_and_cannot_permit() -> None:
    """Signals of a response that is not 2xx are deny-only."""
    lab = Lab(OPT_IN)
    permit = response(lab, "https://h/p", status=404, headers=[("TDM-Reservation", "0")])
    assert (await lab.gate.before_keep(intent("https://h/p", Purpose.TDM), permit)).because == ()
    deny = response(lab, "https://h/p", status=404, headers=[("TDM-Reservation", "1")])
    assert (await lab.gate.before_keep(intent("https://h/p", Purpose.TDM), deny)).because != ()


async def test_a_head_that_refuses_stops_the_body_unless_the_page_could_take_it_back() -> None:
    """noai in a header is final; a TDM header on a page is not, because a meta element may supersede it; silence never."""
    lab = Lab()
    await lab.gate.before_fetch(intent("https://h/p"))
    for headers, stopped in (
        ([("X-Robots-Tag", "noai"), *HTML], True),
        ([("TDM-Reservation", "1"), *HTML], False),
        ([("TDM-Reservation", "1"), ("Content-Type", "image/png")], True),
        (HTML, False),
    ):
        head = response(lab, "https://h/p", headers=headers)
        assert lab.gate.refused_by_head(intent("https://h/p"), head) is stopped, headers
    lab_in = Lab(OPT_IN)
    await lab_in.gate.before_fetch(intent("https://h/p"))
    assert not lab_in.gate.refused_by_head(intent("https://h/p"), response(lab_in, "https://h/p", headers=HTML))


async def test_bodies_of_refused_pages_are_not_kept_as_evidence() -> None:
    """Of a refused page the evidence holds status, headers, the element relied on and the digest of the whole."""
    lab = Lab()
    body = "<title>secret words</title><meta name=robots content=noai><p>more secret words"
    page = response(lab, "https://h/p", body, headers=HTML)
    await lab.gate.before_keep(intent("https://h/p"), page)
    kept = [seen for seen in lab.record.evidence if seen.document.kind is Kind.RESPONSE]
    assert b"secret" not in kept[0].body
    assert b"noai" in kept[0].body
    assert kept[0].digest == page.digest


async def test_a_pages_noimageai_travels_to_its_images_on_other_hosts() -> None:
    """An image that a noimageai page displays is refused before it is fetched, wherever it lives."""
    lab = Lab()
    body = '<meta name="robots" content="noimageai"><img src="https://cdn/i.png"><img src="j.png">'
    page = response(lab, "https://h/p", body, headers=HTML)
    assert (await lab.gate.before_keep(intent("https://h/p"), page)).verdict is Verdict.ALLOW
    for url, verdict in (("https://cdn/i.png", Verdict.REFUSE), ("https://h/j.png", Verdict.REFUSE)):
        decision = await lab.gate.before_fetch(intent(url))
        assert decision.verdict is verdict
        assert decision.because[0].evidence.document_url == "https://h/p"
    assert (await lab.gate.before_fetch(intent("https://cdn/other.png"))).verdict is Verdict.ALLOW


async def test_the_registry_is_asked_and_its_outage_defers() -> None:
    """A grant permits under opt-in; while the registry is away the answer is DEFER, for the answer's freshness."""
    lab = Lab(OPT_IN)
    lab.registry.records = [{"scope": "h.example", "categories": ["train"], "verdict": "grant", "reference": "r1"}]
    gate = lab.new_gate(registry=True)
    granted = await gate.before_fetch(intent("https://h.example/p"))
    assert (granted.verdict, granted.because[0].terms and granted.because[0].terms.reference) == (Verdict.ALLOW, "r1")
    lab.registry.away = True
    lab.clock.pass_s(61)
    assert (await gate.before_fetch(intent("https://h.example/p"))).verdict is Verdict.DEFER
    lab.registry.away = False
    lab.clock.pass_s(61)
    assert (await gate.before_fetch(intent("https://h.example/p"))).verdict is Verdict.ALLOW


@pytest.mark.parametrize("policy", PROFILES.values(), ids=lambda policy: policy.name)
async def test_every_decision_replays_from_its_evidence_to_the_same_id(policy: Policy) -> None:
    """Whatever was decided, the log line and the evidence give the same decision again."""
    lab = Lab(policy)
    lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /a\nCrawl-delay: 1e9")
    lab.web.publish("https://h/.well-known/tdmrep.json", '[{"location": "/t", "tdm-reservation": 1}]')
    lab.web.publish("https://i/robots.txt", status=None, outage=Outage.TIMEOUT)
    lab.registry.records = [
        {"scope": "h", "categories": ["train"], "verdict": "grant", "valid_until": "2027-01-01"},
        {"scope": "h", "categories": ["tdm"], "verdict": "refuse", "grantee": "Other"},
    ]
    gate = lab.new_gate(registry=True)
    body = (
        '<meta name="robots" content="noimageai, noarchive"><img src="https://i/i.png"><meta name="robots" content="x">'
    )
    for path in ("a", "t", "p"):
        await gate.before_fetch(intent(f"https://h/{path}"))
        await gate.before_keep(intent(f"https://h/{path}"), response(lab, f"https://h/{path}", body, headers=HTML))
    await gate.before_fetch(intent("https://i/i.png"))
    evidenced = Evidenced(lab.record.evidence)
    assert len(lab.record.lines) == 7
    faults = [replay_recorded(line, evidenced, {policy.digest: policy}) for line in lab.record.lines]
    assert faults == [None] * 7
    stages = {msgspec.json.decode(line)["stage"] for line in lab.record.lines}
    assert stages == {Stage.FETCH.value, Stage.KEEP.value}


async def test_an_image_without_an_extension_is_known_by_its_type_when_it_has_come() -> None:
    """ai.txt refuses ``*.jpg``; the response says image/jpeg; the picture is not kept, whatever its URL ends in."""
    lab = Lab()
    lab.web.publish("https://h/ai.txt", "User-agent: *\nDisallow: *.jpg")
    assert (await lab.gate.before_fetch(intent("https://h/img?id=5"))).verdict is Verdict.ALLOW
    picture = response(lab, "https://h/img?id=5", b"\xff\xd8\xff", headers=[("Content-Type", "image/jpeg")])
    assert (await lab.gate.before_keep(intent("https://h/img?id=5"), picture)).verdict is Verdict.REFUSE


async def test_a_redirect_answers_reservation_is_not_taken_back_by_where_it_leads() -> None:
    """A hop's TDM reservation stands beside the target's own 0, which is another party's word."""
    lab = Lab()
    hop = response(lab, "https://a/x", status=302, headers=[("TDM-Reservation", "1"), ("Location", "https://b/x")])
    page = response(lab, "https://b/x", '<html><meta name="tdm-reservation" content="0">', headers=HTML)
    decision = await lab.gate.before_keep(intent("https://b/x", Purpose.TDM), page, [hop])
    assert (decision.verdict, decision.because[0].evidence.document_url) == (Verdict.REFUSE, "https://a/x")


async def test_a_reservation_behind_a_door_that_was_shut_since_still_stands() -> None:
    """tdmrep.json said 1 and answers 403 now, or is barred by robots.txt now: what it said still refuses."""
    for shut in (True, False):
        lab = Lab()
        lab.web.publish("https://h/.well-known/tdmrep.json", '[{"location": "/", "tdm-reservation": 1}]')
        assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE
        if shut:
            lab.web.publish("https://h/.well-known/tdmrep.json", status=403)
        else:
            lab.web.publish("https://h/robots.txt", "User-agent: *\nDisallow: /.well-known/")
        for days in (1, 15, 31, 62):
            lab.clock.pass_s(days * 86_400)
            barred_for_good = not shut or days < 31
            if barred_for_good:
                assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE, (shut, days)


async def test_one_registrys_grant_does_not_answer_for_another_that_is_away_or_refuses() -> None:
    """A grant in one registry neither lifts a wider refusal in another nor its failed look."""
    lab = Lab(OPT_IN)
    granted = MemoryRegistry(lab.clock, [{"scope": "https://h/p", "categories": ["train"], "verdict": "grant"}], "one")
    other = MemoryRegistry(lab.clock, [{"scope": "h", "categories": ["train"], "verdict": "refuse"}], "two")
    gate = lab.new_gate(registries=[granted, other])
    assert (await gate.before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE
    other.away = True
    lab.clock.pass_s(61)
    assert (await gate.before_fetch(intent("https://h/p"))).verdict is Verdict.DEFER
    other.away, other.records = False, []
    lab.clock.pass_s(61)
    assert (await gate.before_fetch(intent("https://h/p"))).verdict is Verdict.ALLOW


async def test_urls_with_spaces_before_them_do_not_share_an_origin() -> None:
    """What a parser strips from a URL does not make two sites one."""
    lab = Lab()
    lab.web.publish("http://evil.example/robots.txt", "User-agent: *\nDisallow: /")
    assert (await lab.gate.before_fetch(intent("  http://good.example/"))).verdict is Verdict.ALLOW
    assert (await lab.gate.before_fetch(intent("  http://evil.example/"))).verdict is Verdict.REFUSE
    assert (await lab.gate.before_fetch(intent("h\nttp://evil.example/"))).verdict is Verdict.REFUSE


async def test_a_head_without_a_type_stops_nothing() -> None:
    """Only the bytes can tell whether noimageai is about this resource or about the pictures on it."""
    lab = Lab()
    await lab.gate.before_fetch(intent("https://h/p"))
    head = response(lab, "https://h/p", headers=[("X-Robots-Tag", "noimageai")])
    assert not lab.gate.refused_by_head(intent("https://h/p"), head)


async def test_a_picture_is_found_however_its_address_is_spelled() -> None:
    """A noimageai page and the request for its picture may spell the address in two ways."""
    lab = Lab()
    images = '<img src="https://CDN.example:443/%41.png"><img src="https://bücher.example/b.png">'
    body = f'<html><meta name="robots" content="noimageai">{images}'
    await lab.gate.before_keep(intent("https://h/p"), response(lab, "https://h/p", body, headers=HTML))
    for url in ("https://cdn.example/A.png", "https://xn--bcher-kva.example/b.png"):
        assert (await lab.gate.before_fetch(intent(url))).verdict is Verdict.REFUSE, url


async def test_a_store_that_fails_once_does_not_make_anybody_forget_a_refusal() -> None:
    """ai.txt refused; a day later it answers 403 and the store cannot be read in that very look: it still refuses, and
    the store still holds what it said, for a worker that comes later."""

    class Failing(MemoryCache):
        fails = False

        async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
            if self.fails:
                raise EdgeError("store: away")
            return await super().get_many(keys)

    clock = Clock()
    store = Failing(clock=lambda: clock().timestamp())
    lab = Lab(cache=store, clock=clock)
    lab.web.publish("https://h/ai.txt", "User-agent: *\nDisallow: /")
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE
    lab.web.publish("https://h/ai.txt", status=403)
    lab.clock.pass_s(86_401)
    store.fails = True
    assert (await lab.gate.before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE
    store.fails = False
    lab.clock.pass_s(3_601)
    assert (await lab.new_gate().before_fetch(intent("https://h/p"))).verdict is Verdict.REFUSE
