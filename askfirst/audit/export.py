"""The record as Parquet tables, for questions in SQL: decisions, what they looked at, items and withdrawals.

What this module does not do: check the record (``askfirst audit verify`` does) or answer questions (docs/questions.md).
It is long because it is one thing: the columns, and the quick way from a line to them.

1. One row of ``decisions`` for each line of the log, in the order of runs and leaves; ``leaf`` is its index in the tree
   of its run. A line that is no decision is counted and left out.
2. Memory is bounded: rows are written in groups of ROWS_AT_ONCE, and nothing is remembered from group to group.
3. A line is head, ruling and looked_at (``askfirst.audit.line_parts``). Rulings, looks and lists of looks repeat, so
   that each is parsed once in a group and its values are then repeated by Arrow. What has no such parts is parsed
   whole.
4. A table is there when it is whole: it grows under another name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from askfirst.audit.line_parts import parts_of
from askfirst.domains import registrable_domain
from askfirst.items import SCHEMA as ITEMS_SCHEMA
from askfirst.items import read_items
from askfirst.ports import EdgeError
from askfirst.rights.wire import parse_timestamp
from askfirst.segments import read_log

ROWS_AT_ONCE = 16_384
DECISIONS, OBSERVATIONS, ITEMS, WITHDRAWALS = (
    f"{name}.parquet" for name in ("decisions", "observations", "items", "withdrawals")
)
_LOGGER = logging.getLogger("askfirst")
_MOST_SITES = 65_536
_LOOK, _NEXT_LOOK = b'{"digest":"', b'},{"digest":"'
_TIME = pa.timestamp("us", tz="UTC")


# gc=False: of these there are many at once, and none can be part of a cycle
class _Agent(msgspec.Struct, gc=False):
    product_token: str
    user_agent: str


class _Head(msgspec.Struct, gc=False):
    id: str
    url: str
    purpose: str
    decided_at: str
    agent: _Agent
    media: str | None = None


class _Evidence(msgspec.Struct):
    document_url: str
    digest: str
    at: str
    text: str
    spec: str = ""


class _Terms(msgspec.Struct):
    url: str | None = None
    contact: str | None = None
    reference: str | None = None


class _Signal(msgspec.Struct):
    protocol: str
    category: str
    verdict: str
    basis: str
    evidence: _Evidence
    terms: _Terms | None = None
    expires_at: str | None = None


class _Ask(msgspec.Struct):
    about: str = ""
    why: str = ""
    contact: str | None = None
    terms_url: str | None = None
    name: str | None = None


class _Ruling(msgspec.Struct):
    stage: str
    verdict: str
    policy_digest: str
    because: list[_Signal] = []
    considered: list[_Signal] = []
    remarks: list[msgspec.Raw] = []
    contradictions: list[msgspec.Raw] = []
    ask: list[_Ask] = []
    expires_at: str | None = None


class _Look(msgspec.Struct, gc=False):
    digest: str
    kind: str
    observed_at: str
    url: str


_head = msgspec.json.Decoder(_Head)
_ruling = msgspec.json.Decoder(_Ruling)
_look = msgspec.json.Decoder(_Look)


class _Whole(_Head):
    looked_at: list[msgspec.Raw] = []


_whole = msgspec.json.Decoder(_Whole)

_BECAUSE = pa.struct(
    [
        (name, pa.string())
        for name in ("protocol", "category", "verdict", "basis", "at", "text", "document_url", "digest")
    ]
    + [("spec", pa.string()), ("terms_url", pa.string()), ("contact", pa.string()), ("reference", pa.string())]
    + [("expires_at", pa.string())]
)
_ASK = pa.struct([(name, pa.string()) for name in ("about", "why", "name", "contact", "terms_url")])
_RULING = pa.schema(
    [
        ("stage", pa.string()),
        ("verdict", pa.string()),
        ("silence", pa.bool_()),
        ("protocols", pa.list_(pa.string())),
        ("because", pa.list_(_BECAUSE)),
        ("remarks", pa.int32()),
        ("contradictions", pa.int32()),
        ("ask", pa.list_(_ASK)),
        ("policy_digest", pa.string()),
        ("expires_at", pa.string()),
    ]
)
DECISIONS_SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("leaf", pa.int64()),
        ("id", pa.string()),
        ("url", pa.string()),
        ("host", pa.string()),
        ("registrable_domain", pa.string()),
        ("purpose", pa.string()),
        ("product_token", pa.string()),
        ("user_agent", pa.string()),
        ("media", pa.string()),
        ("decided_at", _TIME),
        *((one.name, _TIME if one.name == "expires_at" else one.type) for one in _RULING),
    ]
)
_LOOKS = pa.schema([(name, pa.string()) for name in ("url", "kind", "digest", "observed_at")])
OBSERVATIONS_SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("leaf", pa.int64()),
        ("decision_id", pa.string()),
        ("url", pa.string()),
        ("kind", pa.string()),
        ("digest", pa.string()),
        ("observed_at", _TIME),
    ]
)
WITHDRAWALS_SCHEMA = pa.schema(
    [("run", pa.string()), ("url", pa.string()), ("withdrawn_at", _TIME), ("decision_id", pa.string())]
)


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows each table has, and how many lines of the log were no decisions."""

    decisions: int
    observations: int
    items: int
    withdrawals: int
    left_out: int


def export_parquet(
    out: Path,
    into: Path,
    *,
    progress: Callable[[int], None] = lambda _: None,
    note: Callable[[str], None] = _LOGGER.warning,
) -> Exported:
    """Writes the tables of an output directory into a folder, which is made. ``progress`` hears how many decisions are
    done, ``note`` what is left out. Raises EdgeError."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        rows, looks, left_out = _write_decisions(out, into, progress, note)
        return Exported(rows, looks, _write_items(out, into, note), _write_withdrawals(out, into, note), left_out)
    except OSError as error:
        raise EdgeError(
            f"cannot export into {error.filename or into}: {error.strerror or error}; check its room and permissions"
        ) from error


class _Table:
    """A Parquet file that takes its name when it is whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._growing = path, path.with_name(f".{path.name}.growing")
        self._schema = schema
        self.rows = 0

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._growing, self._schema, compression="zstd", compression_level=1)
        return self

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)
        self.rows += table.num_rows

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._writer.close()
            if kind is None:
                self._growing.replace(self._path)
        finally:
            self._growing.unlink(missing_ok=True)


def _write_decisions(
    out: Path, into: Path, progress: Callable[[int], None], note: Callable[[str], None]
) -> tuple[int, int, int]:
    left_out = 0
    lines = read_log(out / "decisions", note=note)
    sites = _Sites()
    with _Table(into / DECISIONS, DECISIONS_SCHEMA) as rows, _Table(into / OBSERVATIONS, OBSERVATIONS_SCHEMA) as looks:
        while some := list(islice(lines, ROWS_AT_ONCE)):
            group = _Group(sites)
            for path, number, line in some:
                fault = group.add(path, number, line)
                if fault is not None:
                    left_out += 1
                    note(f"{path} line {number} is no decision: {fault}; it is left out")
            rows.write(group.decisions())
            looks.write(group.looks())
            progress(rows.rows)
    return rows.rows, looks.rows, left_out


class _Sites:
    """Host and registrable domain by the beginning of a URL."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, url: str) -> tuple[str, str]:
        end = url.find("/", 8)
        start = url[:end] if end > 0 else url
        found = self._known.get(start)
        if found is None:
            if len(self._known) >= _MOST_SITES:
                self._known.clear()
            try:
                host = urlsplit(url).hostname or ""
            except ValueError:
                host = ""
            found = self._known[start] = (host, registrable_domain(url))
        return found


def place_of(path: Path) -> tuple[str, int]:
    """Run and first leaf of a segment; of a log of before there were segments, the first leaf is 0."""
    run, _, first = path.stem.rpartition(".")
    return (run, int(first)) if run and len(first) == 12 and first.isdigit() else (path.stem, 0)


@dataclass(slots=True)
class _Group:
    """The columns of one row group."""

    sites: _Sites
    run: list[str] = field(default_factory=list)
    leaf: list[int] = field(default_factory=list)
    heads: list[_Head] = field(default_factory=list)
    host: list[str] = field(default_factory=list)
    domain: list[str] = field(default_factory=list)
    ruling: list[int] = field(default_factory=list)
    listed: list[int] = field(default_factory=list)
    rulings: list[_Ruling] = field(default_factory=list)
    lists: list[list[int]] = field(default_factory=list)
    all_looks: list[_Look] = field(default_factory=list)
    _ruling_of: dict[bytes, int] = field(default_factory=dict)
    _list_of: dict[bytes, int] = field(default_factory=dict)
    _first_of: dict[bytes, list[int]] = field(default_factory=dict)
    _look_of: dict[bytes, int] = field(default_factory=dict)
    _place: tuple[Path | None, str, int] = (None, "", 0)

    def add(self, path: Path, number: int, line: bytes) -> str | None:
        """One line; what is wrong with it, if it is no decision."""
        try:
            head, ruling, listed = self._cut(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return str(error)
        if self._place[0] is not path:
            self._place = (path, *place_of(path))
        self.run.append(self._place[1])
        self.leaf.append(self._place[2] + number - 1)
        self.heads.append(head)
        host, domain = self.sites.of(head.url)
        self.host.append(host)
        self.domain.append(domain)
        self.ruling.append(ruling)
        self.listed.append(listed)
        return None

    def _cut(self, line: bytes) -> tuple[_Head, int, int]:
        """Head, and where the ruling and the list of looks stand among those that were parsed."""
        parts = parts_of(line)
        if parts is not None:
            try:
                head, members, looks = parts
                return _head.decode(head), self._ruling(members, b"{%b}"), self._list(line[looks:-2])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                _LOGGER.debug("a line of the log is of another shape, and is parsed whole")
        whole = _whole.decode(line)
        self.lists.append([self._look(bytes(one)) for one in whole.looked_at])
        return whole, self._ruling(line, b"%b"), len(self.lists) - 1

    def _ruling(self, text: bytes, form: bytes) -> int:
        at = self._ruling_of.get(text)
        if at is None:
            self.rulings.append(_ruling.decode(form % text))
            at = self._ruling_of[text] = len(self.rulings) - 1
        return at

    def _list(self, text: bytes) -> int:
        at = self._list_of.get(text)
        if at is None:
            before, between, last = text.rpartition(_NEXT_LOOK)
            looks = [*self._first(before), self._look(_LOOK + last if between else last)] if text else []
            self.lists.append(looks)
            at = self._list_of[text] = len(self.lists) - 1
        return at

    def _first(self, text: bytes) -> list[int]:
        """All looks but the last, which is often the page's own: the others are the site's. ``text`` lacks its end."""
        looks = self._first_of.get(text)
        if looks is None:
            first, *others = text.split(_NEXT_LOOK)
            each = [first, *(_LOOK + other for other in others)] if text else []
            looks = self._first_of[text] = [self._look(one + b"}") for one in each]
        return looks

    def _look(self, text: bytes) -> int:
        at = self._look_of.get(text)
        if at is None:
            self.all_looks.append(_look.decode(text))
            at = self._look_of[text] = len(self.all_looks) - 1
        return at

    def decisions(self) -> pa.Table:
        rulings = pa.Table.from_pylist([_ruling_row(one) for one in self.rulings], schema=_RULING)
        repeated = rulings.take(pa.array(self.ruling, pa.int64()))
        heads = self.heads
        columns: dict[str, pa.Array | pa.ChunkedArray] = {
            "run": pa.array(self.run, pa.string()),
            "leaf": pa.array(self.leaf, pa.int64()),
            "id": pa.array([one.id for one in heads], pa.string()),
            "url": _texts([one.url for one in heads]),
            "host": _texts(self.host),
            "registrable_domain": _texts(self.domain),
            "purpose": pa.array([one.purpose for one in heads], pa.string()),
            "product_token": _texts([one.agent.product_token for one in heads]),
            "user_agent": _texts([one.agent.user_agent for one in heads]),
            "media": pa.array([one.media for one in heads], pa.string()),
            "decided_at": _times([one.decided_at for one in heads]),
        }
        columns |= {name: repeated.column(name) for name in _RULING.names}
        columns["expires_at"] = _times([one.expires_at for one in self.rulings]).take(pa.array(self.ruling, pa.int64()))
        return pa.table(columns, schema=DECISIONS_SCHEMA)

    def looks(self) -> pa.Table:
        lists = pa.array(self.lists, pa.list_(pa.int64())).take(pa.array(self.listed, pa.int64()))
        at, row = lists.flatten(), pc.list_parent_indices(lists)
        ids = pa.array([one.id for one in self.heads], pa.string())
        known = self.all_looks
        return pa.table(
            {
                "run": pa.array(self.run, pa.string()).take(row),
                "leaf": pa.array(self.leaf, pa.int64()).take(row),
                "decision_id": ids.take(row),
                "url": _texts([one.url for one in known]).take(at),
                "kind": pa.array([one.kind for one in known], pa.string()).take(at),
                "digest": pa.array([one.digest for one in known], pa.string()).take(at),
                "observed_at": _times([one.observed_at for one in known]).take(at),
            },
            schema=OBSERVATIONS_SCHEMA,
        )


def _ruling_row(ruling: _Ruling) -> dict[str, object]:
    spoke = (one.protocol for one in (*ruling.because, *ruling.considered))
    return {
        "stage": ruling.stage,
        "verdict": ruling.verdict,
        "silence": not ruling.because,
        "protocols": list(dict.fromkeys(spoke)),
        "because": [_because_row(one) for one in ruling.because],
        "remarks": len(ruling.remarks),
        "contradictions": len(ruling.contradictions),
        "ask": [
            {"about": one.about, "why": one.why, "name": one.name, "contact": one.contact, "terms_url": one.terms_url}
            for one in ruling.ask
        ],
        "policy_digest": ruling.policy_digest,
        "expires_at": ruling.expires_at,
    }


def _because_row(signal: _Signal) -> dict[str, object]:
    words, terms = signal.evidence, signal.terms or _Terms()
    return {
        "protocol": signal.protocol,
        "category": signal.category,
        "verdict": signal.verdict,
        "basis": signal.basis,
        "at": words.at,
        "text": words.text,
        "document_url": words.document_url,
        "digest": words.digest,
        "spec": words.spec,
        "terms_url": terms.url,
        "contact": terms.contact,
        "reference": terms.reference,
        "expires_at": signal.expires_at,
    }


def _texts(values: Sequence[str]) -> pa.Array:
    """Also of what no UTF-8 can hold, half of a surrogate pair."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value.encode("utf-8", "replace").decode() for value in values], pa.string())


def _times(values: Sequence[str | None]) -> pa.Array:
    """RFC 3339 as times; null for what is none."""
    try:
        return pc.cast(pa.array(values, pa.string()), _TIME)
    except pa.ArrowInvalid:
        return pa.array([_time(value) for value in values], _TIME)


def _time(value: str | None) -> object:
    try:
        return None if value is None else parse_timestamp(value)
    except (ValueError, OverflowError):
        return None


def _write_items(out: Path, into: Path, note: Callable[[str], None]) -> int:
    with _Table(into / ITEMS, ITEMS_SCHEMA) as table:
        items = read_items(out, note=note)
        while some := list(islice(items, 5_000)):
            table.write(pa.Table.from_pylist([msgspec.structs.asdict(item) for item in some], schema=ITEMS_SCHEMA))
    return table.rows


class _Withdrawal(msgspec.Struct):
    url: str
    decision_id: str = ""
    withdrawn_at: str | None = None


def _write_withdrawals(out: Path, into: Path, note: Callable[[str], None]) -> int:
    found = _withdrawn(out, note)
    with _Table(into / WITHDRAWALS, WITHDRAWALS_SCHEMA) as table:
        while some := list(islice(found, 5_000)):
            columns = {
                "run": [run for run, _ in some],
                "url": _texts([one.url for _, one in some]),
                "withdrawn_at": _times([one.withdrawn_at for _, one in some]),
                "decision_id": [one.decision_id for _, one in some],
            }
            table.write(pa.table(columns, schema=WITHDRAWALS_SCHEMA))
    return table.rows


def _withdrawn(out: Path, note: Callable[[str], None]) -> Iterator[tuple[str, _Withdrawal]]:
    decoder = msgspec.json.Decoder(_Withdrawal)
    for path in sorted((out / "items").glob("*.jsonl")):
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if b'"withdrawn_at":' in line and line.endswith(b"\n"):
                    try:
                        one = decoder.decode(line)
                    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                        note(f"{path} line {number} is no withdrawal: {error}; it is left out")
                        continue
                    if one.withdrawn_at is not None:
                        yield path.stem, one
