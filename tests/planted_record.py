"""An output directory whose facts are known: decisions made by the real ``decide`` on planted observations, item lines
and kept bytes. Written with the modules that a crawl writes with; unsigned, because what reads it here proves nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from askfirst.items import Item, Withdrawal, line_of
from askfirst.replay import registry_observation
from askfirst.rights.decide import decide
from askfirst.rights.media import media_type
from askfirst.rights.model import Agent, Decision, Document, Intent, Kind, Observation, Purpose, Stage
from askfirst.rights.policy import PROFILES
from askfirst.rights.read import read
from askfirst.rights.wire import decision_line, looked_at
from crawler.kept_warc import response_record

AGENT = Agent(product_token="AskFirstBot", user_agent="AskFirstBot/0.1 (+https://askfirst.example/bot)")
OTHER = Agent(product_token="OtherBot", user_agent="OtherBot/2")
NOAI = (("X-Robots-Tag", "noai"),)
HTML = (("Content-Type", "text/html; charset=utf-8"),)


def at(text: str) -> datetime:
    """``2026-09-01`` or with a time, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def robots(host: str, when: str, body: str, status: int = 200) -> Observation:
    """A look at a robots.txt."""
    return Observation(
        document=Document(kind=Kind.WELL_KNOWN, url=f"https://{host}/robots.txt"),
        status=status,
        headers=(("Content-Type", "text/plain"),),
        body=body.encode(),
        observed_at=at(when),
    )


def response(url: str, when: str, body: bytes, headers: tuple[tuple[str, str], ...] = HTML) -> Observation:
    """A response."""
    document = Document(kind=Kind.RESPONSE, url=url)
    return Observation(document=document, status=200, headers=headers, body=body, observed_at=at(when))


def consent(url: str, when: str, **record: object) -> Observation:
    """What a registry said."""
    return registry_observation(url, [record], at(when))


@dataclass
class Run:
    """A run that is being written."""

    out: Path
    name: str
    count: int = 0
    decisions: list[Decision] = field(default_factory=list)

    def decide(
        self,
        url: str,
        when: str,
        seen: Sequence[Observation],
        *,
        stage: Stage = Stage.KEEP,
        policy: str = "opt-out",
        agent: Agent = AGENT,
    ) -> Decision:
        """Decides, and logs it."""
        chosen = PROFILES[policy]
        intent = Intent(url=url, agent=agent, purpose=Purpose.TRAIN)
        decision = decide(intent, read(intent, seen, chosen), chosen, stage=stage, at=at(when))
        self._append("decisions", decision_line(decision, b"[" + looked_at(seen) + b"]") + b"\n", ".000000000000")
        self.decisions.append(decision)
        return decision

    def keep(self, seen: Observation, decision: Decision) -> Item:
        """Keeps what was decided about."""
        path = self.out / "warc" / f"{self.name}.warc.gz"
        record = response_record(seen, decision.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        offset = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            file.write(record)
        terms = [signal.terms for signal in decision.because if signal.terms is not None]
        item = Item(
            url=decision.intent.url,
            final_url=seen.document.url,
            fetched_at=seen.observed_at,
            media_type=media_type(seen),
            bytes=len(seen.body),
            sha256=hashlib.sha256(seen.body).hexdigest(),
            registrable_domain=decision.intent.url.split("/")[2],
            decision_id=decision.id,
            because=tuple(f"{s.protocol} {s.evidence.at}" for s in decision.because),
            reference=next((t.reference or t.url for t in terms if t.reference or t.url), None),
            expires_at=decision.expires_at,
            warc=f"warc/{self.name}.warc.gz",
            warc_offset=offset,
            warc_bytes=len(record),
        )
        self._append("items", line_of(item))
        return item

    def withdraw(self, decision: Decision) -> None:
        """Withdraws the URL."""
        entry = Withdrawal(url=decision.intent.url, withdrawn_at=decision.decided_at, decision_id=decision.id)
        self._append("items", line_of(entry))

    def _append(self, folder: str, line: bytes, segment: str = "") -> None:
        path = self.out / folder / f"{self.name}{segment}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line)


PICTURE_URL = "https://artist.example/heron.jpg"
POEM_URL = "https://agreed.example/poem"
POEM = (
    b"<html><head><title>Poem</title><script>var said = 'the heron waits beside the weir at noon'</script></head>"
    b"<body><p>The heron  wa<em>its</em> beside\nthe weir,</p><p>and no one asks&nbsp;it why.</p></body></html>"
)


def plant(out: Path, picture: bytes) -> None:
    """Two runs.

    Kept: the poem, under the registry's consent "letter 7", and https://plain.example/a, where nobody said anything.
    Kept and then withdrawn: ``picture``. Refused: https://noai.example/x by its header, by another agent too, and two
    pages of https://silent.example by silence under opt-in. Deferred: https://down.example/. Contradicting themselves:
    https://both.example/.
    """
    first = Run(out, "20260901T080000Z-1-aaaaaa")
    allow = robots("artist.example", "2026-09-01", "User-agent: *\nAllow: /")
    first.decide(PICTURE_URL, "2026-09-01T08:00:00", [allow], stage=Stage.FETCH)
    seen = response(PICTURE_URL, "2026-09-01T08:00:01", picture, (("Content-Type", "image/jpeg"),))
    first.keep(seen, first.decide(PICTURE_URL, "2026-09-01T08:00:02", [allow, seen]))
    record = consent(
        POEM_URL, "2026-09-01T08:00:00", scope="agreed.example", categories=["train"], verdict="grant",
        terms="letter 7", valid_until="2026-09-20T00:00:00Z",
    )  # fmt: skip
    poem = response(POEM_URL, "2026-09-01T08:01:00", POEM)
    first.keep(poem, first.decide(POEM_URL, "2026-09-01T08:01:01", [record, poem]))
    plain = response("https://plain.example/a", "2026-09-02", b"<p>Nobody said anything about this page at all.")
    first.keep(plain, first.decide("https://plain.example/a", "2026-09-02T00:00:01", [plain]))
    for agent in (AGENT, OTHER):
        noai = response("https://noai.example/x", "2026-09-02", b"<p>mine", NOAI)
        first.decide("https://noai.example/x", "2026-09-02T00:00:01", [noai], agent=agent)
    second = Run(out, "20261005T080000Z-2-bbbbbb")
    for name in "ab":
        url = f"https://silent.example/{name}"
        second.decide(url, "2026-10-05T08:00:00", [response(url, "2026-10-05", b"<p>silence")], policy="opt-in")
    down = robots("down.example", "2026-10-05", "", status=503)
    second.decide("https://down.example/", "2026-10-05T08:00:01", [down], stage=Stage.FETCH)
    both = "https://both.example/"
    says_yes = robots("both.example", "2026-10-05", "User-agent: *\nContent-Signal: ai-train=yes\nAllow: /")
    second.decide(both, "2026-10-05T08:00:02", [says_yes, response(both, "2026-10-05", b"<p>both", NOAI)])
    changed = response(PICTURE_URL, "2026-10-05T08:00:03", picture, (("Content-Type", "image/jpeg"), *NOAI))
    second.withdraw(second.decide(PICTURE_URL, "2026-10-05T08:00:04", [allow, changed]))
