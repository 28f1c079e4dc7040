"""The item pipeline: a kept response becomes a WARC record and a line, and at the end of the run a table.

Besides, it writes the run's own card (``runs/<run>.json``), ``ask.csv`` and ``summary.json``, because they are made of
what the run wrote.

1. INVARIANT: the bytes written are those that were decided about.
2. The record first, then the line, both in the operating system's hands before Scrapy calls the item scraped.
3. What cannot be written is not kept: the crawl stops with one line, and the address waits for the next run.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from askfirst.appended import AppendedFile, Place
from askfirst.asking import write_ask
from askfirst.domains import registrable_domain
from askfirst.gate import utc_now
from askfirst.items import Item, Withdrawal, line_of, utc, write_table
from askfirst.ports import EdgeError
from askfirst.rights.media import media_type
from askfirst.rights.model import Decision, Observation
from askfirst.rights.wire import timestamp
from crawler.kept_warc import response_record, warcinfo
from crawler.totals import RUNS, write_summary
from middlewares.door import Door, settings_of

logger = logging.getLogger("askfirst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A response that may be kept: what the spiders yield. ``url`` is what was asked for, ``seen`` what came."""

    url: str
    seen: Observation
    decision: Decision


class DatasetPipeline:
    """``ITEM_PIPELINES = {"crawler.dataset.DatasetPipeline": 500}``. Other items than :class:`Kept` pass."""

    def __init__(self, crawler: Crawler, out: Path, run: str) -> None:
        self._crawler = crawler
        self._out = out
        self._run = run
        self._warc = AppendedFile(out / "warc" / f"{run}.warc.gz")
        self._lines = AppendedFile(out / "items" / f"{run}.jsonl")
        self._stopped = False
        self._reason: str | None = None
        self._card: dict[str, object] = {}
        record = Door.of(crawler).gate.record
        record.before_checkpoint(self._sync)
        self._note_item = record.note_item

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's hook. Raises EdgeError."""
        out = settings_of(crawler.settings).out
        assert out is not None
        try:
            pipeline = cls(crawler, out, Door.of(crawler).run)
            pipeline.begin()
        except OSError as error:
            raise EdgeError(f"output directory {out}: {error.filename}: {error.strerror}") from None
        crawler.signals.connect(pipeline.ended, signal=signals.spider_closed)
        return pipeline

    def begin(self) -> None:
        """Writes the run's card. Raises OSError."""
        told = settings_of(self._crawler.settings)
        spider = self._crawler.spider
        self._card = {
            "run": self._run,
            "spider": None if spider is None else spider.name,
            "purpose": told.purpose.value,
            "policy": {"name": told.chosen_policy.name, "digest": told.chosen_policy.digest},
            "agent": {"product_token": told.agent.product_token, "user_agent": told.agent.user_agent},
            "started_at": timestamp(utc_now()),
        }
        self._write_card()

    def _write_card(self) -> None:
        path = self._out / RUNS / f"{self._run}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        growing = path.with_suffix(".growing")
        growing.write_text(json.dumps(self._card, indent=2) + "\n", encoding="utf-8")
        growing.replace(path)

    # -- items -----------------------------------------------------------------------------------------------------

    def process_item(self, item: object) -> object:
        """Scrapy's hook; gives on the item as a dict."""
        if not isinstance(item, Kept):
            return item
        if self._stopped:
            raise DropItem("the dataset cannot be written")
        try:
            return msgspec.structs.asdict(self._keep(item))
        except OSError as error:
            self._stop(error)
            raise DropItem(f"{item.url} is not kept") from None

    def withdraw(self, url: str, decision: Decision) -> bool:
        """A URL that an earlier run kept is refused now. False when that cannot be written."""
        if self._stopped:
            return False
        entry = Withdrawal(url=url, withdrawn_at=utc(decision.decided_at), decision_id=decision.id)
        try:
            self._append(entry)
        except OSError as error:
            self._stop(error)
            return False
        logger.info("%s was kept by an earlier run and is refused now: withdrawn", url)
        return True

    def _keep(self, kept: Kept) -> Item:
        seen, decision = kept.seen, kept.decision
        record = response_record(seen, decision.id)
        place = self._record(record)
        terms = [signal.terms for signal in decision.because if signal.terms is not None]
        item = Item(
            url=kept.url,
            final_url=seen.document.url,
            fetched_at=utc(seen.observed_at),
            media_type=media_type(seen),
            bytes=len(seen.body),
            sha256=hashlib.sha256(seen.body).hexdigest(),
            registrable_domain=registrable_domain(seen.document.url),
            decision_id=decision.id,
            because=tuple(f"{signal.protocol} {signal.evidence.at}" for signal in decision.because),
            reference=next((t.reference or t.url for t in terms if t.reference or t.url), None),
            expires_at=_optional_utc(decision.expires_at),
            warc=f"warc/{self._warc.path.name}",
            warc_offset=place.offset,
            warc_bytes=place.length_bytes,
            warc_sha256=hashlib.sha256(record).hexdigest(),
        )
        try:
            self._append(item)
        except OSError:
            self._warc.cut_to(place.offset)
            raise
        return item

    def _append(self, entry: Item | Withdrawal) -> None:
        line = line_of(entry)
        self._lines.append(line)
        self._note_item(line[:-1])

    def _sync(self) -> None:
        self._warc.sync()
        self._lines.sync()

    def _record(self, member: bytes) -> Place:
        if self._warc.is_new:
            self._warc.append(warcinfo(self._run))
        return self._warc.append(member)

    def _stop(self, error: OSError) -> None:
        self._stopped = True
        logger.error(
            "cannot write the dataset in %s: %s; the crawl stops here, make room and start it again to go on",
            self._out,
            error.strerror or error,
        )
        stop: Callable[[str], None] | None = getattr(self._crawler.spider, "stop", None)
        if stop is not None:
            stop("dataset unwritable")

    # -- the end ---------------------------------------------------------------------------------------------------

    def ended(self, reason: str) -> None:
        """On ``spider_closed``: ends the files and writes what is made of them."""
        try:
            self._sync()
        except OSError as error:
            logger.error("what was kept last in %s may not be on the disk: %s", self._out, error)  # noqa: TRY400 - one line
        self._warc.close()
        self._lines.close()
        self._card |= {"ended_at": timestamp(utc_now()), "reason": reason}
        try:
            self._write_card()
            rows = write_table(self._out)
            write_ask(self._out)
            write_summary(self._out)
        except (OSError, EdgeError) as error:
            logger.error("cannot finish %s: %s; make room and start the crawl again", self._out, error)  # noqa: TRY400 - one line
            return
        logger.info("%s holds %d items; summary.json and ask.csv say what became of the rest", self._out, rows)


def _optional_utc(at: datetime | None) -> datetime | None:
    return None if at is None else utc(at)
