"""Small output directories with planted facts, through the law and in the record's own form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from askfirst.items import Item, line_of
from askfirst.rights.decide import decide
from askfirst.rights.model import Agent, Document, Intent, Kind, Observation, Outage, Purpose, Stage
from askfirst.rights.policy import OPT_IN, OPT_OUT, Policy
from askfirst.rights.read import read
from askfirst.rights.wire import decision_line, looked_at

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT = Agent(product_token="ExBot", user_agent="ExBot/1.0 (+https://ex.example/bot)")
GRANT = (
    '{"records":[{"scope":"a.example","categories":["train"],"verdict":"grant","reference":"grant-7",'
    '"valid_until":"2026-12-01T00:00:00Z"}]}'
)


def seen(
    url: str,
    body: str = "",
    *,
    kind: Kind = Kind.WELL_KNOWN,
    outage: Outage | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Observation:
    """An answer, or an outage."""
    status = None if outage is not None else 200
    return Observation(
        document=Document(kind=kind, url=url),
        status=status,
        outage=outage,
        headers=tuple(headers),
        body=body.encode(),
        observed_at=AT,
    )


def line(
    url: str, *said: Observation, policy: Policy = OPT_OUT, stage: Stage = Stage.FETCH, at: datetime = AT
) -> bytes:
    """A line of the decision log, as the law has it."""
    intent = Intent(url=url, agent=AGENT, purpose=Purpose.TRAIN)
    decision = decide(intent, read(intent, said, policy), policy, stage=stage, at=at)
    return decision_line(decision, b"[" + looked_at(said) + b"]")


def robots(host: str, body: str) -> Observation:
    """A robots.txt."""
    return seen(f"https://{host}/robots.txt", body)


ALLOW = "User-agent: *\nAllow: /\n"
WRITTEN = "User-agent: *\nDisallow: /art/ # <b>keep</b> out\n"


def planted() -> list[bytes]:
    """Eleven decisions: six allowed (four of them for silence), two deferred, three refused (one for silence)."""
    hour = timedelta(hours=1)
    registry = seen("registry:r.sqlite?url=https%3A%2F%2Fa.example%2F1", GRANT, kind=Kind.REGISTRY)
    other = seen("registry:r.sqlite?url=https%3A%2F%2Fa.example%2F2", GRANT, kind=Kind.REGISTRY)
    down = seen("https://c.example/robots.txt", outage=Outage.TIMEOUT)
    tdm = seen("https://d.example/.well-known/tdmrep.json", '[{"location": "/", "tdm-reservation": 1}]')
    permits = robots("d.example", "User-agent: *\nContent-Signal: ai-train=yes\nAllow: /\n")
    return [
        line("https://a.example/1", robots("a.example", ALLOW)),
        line("https://a.example/2", robots("a.example", ALLOW), at=AT + hour),
        line("https://www.b.example/1", robots("www.b.example", ALLOW)),
        line("https://www.b.example/2", robots("www.b.example", ALLOW)),
        line("https://a.example/1", registry, stage=Stage.KEEP),
        line("https://a.example/2", other, stage=Stage.KEEP, at=AT + hour),
        line("https://c.example/", down),
        line("https://c.example/", down, at=AT + 2 * hour),
        line("https://www.b.example/art/p.jpg", robots("www.b.example", WRITTEN)),
        line("https://d.example/p", permits, tdm, stage=Stage.KEEP),
        line("https://www.b.example/1", robots("www.b.example", ALLOW), stage=Stage.KEEP, policy=OPT_IN),
    ]


def item(url: str, domain: str, size: int, media_type: str, *, at: datetime, until: datetime | None = None) -> Item:
    """A kept response."""
    return Item(
        url=url, final_url=url, fetched_at=at, media_type=media_type, bytes=size, sha256="00",
        registrable_domain=domain, decision_id="sha256:11", expires_at=until, warc="warc/r.warc.gz", warc_offset=0,
        warc_bytes=4,
    )  # fmt: skip


def record(out: Path, lines: Sequence[bytes], items: Sequence[Item] = (), *, run: str = "r") -> Path:
    """An output directory."""
    for name in ("decisions", "items", "warc"):
        (out / name).mkdir(parents=True, exist_ok=True)
    (out / "decisions" / f"{run}.000000000000.jsonl").write_bytes(b"".join(one + b"\n" for one in lines))
    (out / "items" / f"{run}.jsonl").write_bytes(b"".join(map(line_of, items)))
    (out / "warc" / "r.warc.gz").write_bytes(b"1234")
    return out


def planted_items() -> list[Item]:
    """Three items of two domains."""
    return [
        item("https://a.example/1", "a.example", 100, "text/html", at=AT, until=NOW + timedelta(days=6)),
        item("https://a.example/2", "a.example", 50, "image/png", at=AT + timedelta(hours=1)),
        item("https://www.b.example/1", "b.example", 400, "application/pdf", at=AT + timedelta(hours=3)),
    ]
