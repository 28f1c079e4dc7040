"""Archives that are read in ranges, by several processes, give what one process finds in one go: entry for entry."""

from __future__ import annotations

import base64
import gzip
import hashlib
import pickle
import random
import signal
import subprocess
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from askfirst import processes
from askfirst.ports import SettingsError
from askfirst.review import warc as warc_module
from askfirst.review import warc_workers
from askfirst.review.ears import Ears
from askfirst.review.evidence import Captures
from askfirst.review.judge import Judges
from askfirst.review.model import Fault, Finding, Outcome
from askfirst.review.sources import settle, take_evidence, warcs
from askfirst.review.warc_ranges import cut, reaches_its_end
from askfirst.review.warc_reading import Part, read_part
from askfirst.review.warc_records import Archive, archives
from askfirst.review.warc_scan import Wanted
from askfirst.rights.model import Document, Kind, Observation, Purpose
from askfirst.rights.policy import OPT_OUT
from askfirst.wiring import open_inspect
from tests.review_archives import HTML, NOON, PAGE, Exchange, archive, robots

RANGE_BYTES = 900
_NOAI = PAGE % b'<meta name="robots" content="noai">'
_PROFILE = ("WARC-Profile", "http://netpreserve.org/warc/1.0/revisit/identical-payload-digest")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges are tiny, and every input is large."""
    monkeypatch.setattr(warc_module, "RANGE_BYTES", RANGE_BYTES)
    monkeypatch.setattr(warc_module, "PARALLEL_BYTES", 0)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for other processes, so the one there is reads every range."""

    def no_room() -> subprocess.Popen[bytes]:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "launch", no_room)


@pytest.fixture(params=["once", "twice"])
def however_long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archives are read in both ways: as a short input, and as one that is too long to be held."""
    if request.param == "twice":
        monkeypatch.setattr(warc_module, "READ_TWICE_BYTES", 0)


class Noted(Captures):
    """Captures in the order in which they came."""

    def __init__(self) -> None:
        super().__init__(OPT_OUT)
        self.all: list[Observation] = []

    def add(self, seen: Observation) -> None:
        self.all.append(seen)
        super().add(seen)


Told = tuple[list[Finding | Fault], int, int, list[Observation]]


def told(paths: Sequence[Path], workers: int) -> Told:
    """All findings and faults in their order, what was passed over, the bytes that were told, and the captures."""
    ears, captures = Ears(OPT_OUT), Noted()
    read: list[int] = []
    source, _size = warcs(paths, captures, ears, needs_agent=True, read=read.append, workers=workers)
    source.collect()
    settle(captures, source)
    judges = Judges(captures, ears, purpose=Purpose.TRAIN)
    found = [entry if isinstance(entry, Fault) else judges.judge(entry) for entry in source.entries()]
    return found, source.passed_over, sum(read), captures.all


def _payload(body: bytes) -> tuple[str, str]:
    return "WARC-Payload-Digest", f"sha1:{base64.b32encode(hashlib.sha1(body).digest()).decode()}"


def _exchanges(dice: random.Random, count: int) -> Iterator[Exchange]:
    """Pages, and what says whether they may be had, in no order: captures, redirects, revisits, other agents."""
    bodies = [PAGE % b"%s" % dice.randbytes(dice.randint(0, 900)).hex().encode() for _ in range(6)] + [_NOAI]
    for number in range(count):
        host = f"h{dice.randrange(4)}.example"
        at = dice.randint(0, 90)
        body = dice.choice(bodies)
        sort = dice.randrange(10)
        if sort == 0:
            yield robots(host, f"User-agent: *\nDisallow: /{dice.randrange(9)}\n", minutes=at)
        elif sort == 1:
            moved = [("Location", f"https://www.{host}/robots.txt")]
            yield Exchange(url=f"https://{host}/robots.txt", minutes=at, status="301 Moved", fields=moved)
        elif sort == 2:
            yield Exchange(
                url=f"https://{host}/{number}", minutes=at, body=b"", kind="revisit", more=[_payload(body), _PROFILE]
            )
        elif sort == 3:
            yield Exchange(url=f"dns:{host}", minutes=at, agent=None)
        elif sort == 4:
            yield Exchange(url=f"https://{host}/{number}", minutes=at, agent=f"Bot{dice.randrange(3)}/1.0", body=body)
        elif sort == 5:
            yield Exchange(url=f"https://www.{host}/robots.txt", minutes=at, body=b"User-agent: *\nDisallow: /\n")
        else:
            fields = (*HTML, ("X-Robots-Tag", "noai")) if sort == 6 else HTML
            yield Exchange(url=f"https://{host}/{number}", minutes=at, fields=fields, body=body)


def _some(folder: Path, seed: int, count: int = 60) -> list[Path]:
    """Archives of every sort."""
    dice = random.Random(seed)
    names = ["a.warc.gz", "b.warc", "c.warc.gz"]
    paths = [archive(folder / name, *_exchanges(dice, count)) for name in names]
    info = {"http-header-user-agent": "InfoBot/1.0"}
    silent = [one for one in _exchanges(dice, count) if one.agent is not None]
    paths.append(archive(folder / "d.warc.gz", *silent, info=info))
    with zipfile.ZipFile(folder / "e.wacz", "w") as container:
        container.write(paths[0], "archive/1.warc.gz")
    return [*paths, folder / "e.wacz"]


def _members(path: Path) -> list[int]:
    """Where the parts of an archive begin."""
    return [part.start for part in cut(archives(path)[0], RANGE_BYTES)]


@pytest.mark.usefixtures("alone", "however_long")
@pytest.mark.parametrize("seed", range(4))
def test_ranges_give_what_one_reading_gives(tmp_path: Path, seed: int) -> None:
    """Over several archives of every sort, with captures, revisits and requests in other ranges and files."""
    paths = _some(tmp_path, seed)
    assert min(len(_members(path)) for path in paths[:4]) > 5
    wanted = told(paths, 1)
    assert {one.outcome for one in wanted[0] if isinstance(one, Finding)} >= {Outcome.ALLOWED, Outcome.REFUSED}
    assert told(paths, 3) == wanted


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.usefixtures("however_long")
def test_processes_give_what_one_gives(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where every range is read by another process."""
    paths = _some(tmp_path, 7)
    wanted = told(paths, 1)
    monkeypatch.setattr(warc_workers, "READS_HERE", False)
    monkeypatch.setattr(warc_workers, "read_part", _never)
    assert told(paths, workers) == wanted


def _never(*_arguments: object) -> None:
    raise AssertionError("another process is to read this")


def test_processes_and_the_one_that_asks_share_the_work(tmp_path: Path) -> None:
    """Whoever reads which range, the order is that of the archives."""
    paths = _some(tmp_path, 8, 200)
    assert told(paths, 3) == told(paths, 1)


@pytest.mark.usefixtures("alone", "however_long")
@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_whatever_is_broken_is_the_same_in_ranges(tmp_path: Path, name: str) -> None:
    """Bytes that are wrong anywhere, in particular near where ranges meet, and ends that are missing: the same faults,
    each once, and the same findings."""
    dice = random.Random(11)
    whole = archive(tmp_path / name, *_exchanges(dice, 40)).read_bytes()
    starts = _members(tmp_path / name)[1:]
    faults = mistakes = 0
    for round_ in range(80):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            near = dice.choice(starts) + dice.randint(-40, 40) if round_ % 3 else dice.randrange(len(broken))
            at = min(max(0, near), len(broken) - 1)
            broken[at : at + dice.choice((0, 1, 1, 9, 60))] = dice.randbytes(dice.choice((0, 1, 1, 30)))
        if round_ % 10 == 0:
            del broken[max(1, min(len(broken) - 1, dice.choice(starts) + dice.randint(-30, 30))) :]
        (tmp_path / name).write_bytes(broken)
        wanted = _told_or_mistake(tmp_path / name, 1)
        assert _told_or_mistake(tmp_path / name, 3) == wanted, round_
        if isinstance(wanted, str):
            mistakes += 1
        else:
            faults += sum(isinstance(one, Fault) for one in wanted[0])
    assert faults > 30
    assert mistakes < 40


def _told_or_mistake(path: Path, workers: int) -> Told | str:
    try:
        return told([path], workers)
    except SettingsError as error:
        return str(error)


@pytest.mark.usefixtures("alone", "however_long")
def test_members_that_hold_no_record_are_the_same_in_ranges(tmp_path: Path) -> None:
    """What can be unpacked and is no record, wherever it stands."""
    whole = archive(tmp_path / "a.warc.gz", *_exchanges(random.Random(13), 40)).read_bytes()
    starts = _members(tmp_path / "a.warc.gz")[1:]
    for start in starts[:-1:3]:
        decoder = zlib.decompressobj(31)
        unpacked = decoder.decompress(whole[start:])
        for odd in (b"WARC/9" + unpacked[6:], b"", b"hello", unpacked[:-20], unpacked[:200], unpacked * 2):
            (tmp_path / "a.warc.gz").write_bytes(whole[:start] + gzip.compress(odd) + decoder.unused_data)
            wanted = told([tmp_path / "a.warc.gz"], 1)
            assert told([tmp_path / "a.warc.gz"], 2) == wanted, (start, odd[:10])


@pytest.mark.usefixtures("alone", "however_long")
@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_an_archive_inside_of_an_archive_is_no_archive(tmp_path: Path, name: str) -> None:
    """What looks like the beginning of a record within a body is none: the range that begins there is not taken."""
    inner = archive(tmp_path / f"inner-{name}", *_exchanges(random.Random(3), 60)).read_bytes()
    outer = [
        robots("h0.example", "User-agent: *\nDisallow: /1\n"),
        Exchange(url="https://h0.example/1", minutes=1),
        Exchange(url="https://h0.example/in", minutes=1, fields=[("Content-Type", "application/warc")], body=inner),
        *(Exchange(url=f"https://h0.example/{number}", minutes=2) for number in range(2, 20)),
    ]
    path = archive(tmp_path / name, *outer)
    if name.endswith(".gz"):
        path.write_bytes(b"".join(_unpacked_members(path.read_bytes())))
    wanted = told([path], 1)
    assert len(wanted[0]) == 20
    assert len(_members(path)) > 20
    assert told([path], 2) == wanted


def _unpacked_members(left: bytes) -> Iterator[bytes]:
    """The same members, in which what they hold can be seen."""
    while left:
        decoder = zlib.decompressobj(31)
        yield gzip.compress(decoder.decompress(left), 0)
        left = decoder.unused_data


@pytest.mark.usefixtures("alone")
def test_an_archive_in_one_gzip_member_is_one_range(tmp_path: Path) -> None:
    """There is nothing to cut at."""
    plain = archive(tmp_path / "a.warc", *_exchanges(random.Random(5), 40))
    packed = tmp_path / "b.warc.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert _members(packed) == [0]
    assert told([packed], 2) == told([packed], 1)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_a_long_range_of_a_long_input_is_not_held(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges beyond the bound, and those that would grow beyond it, are read one fetch after the other."""
    monkeypatch.setattr(warc_module, "READ_TWICE_BYTES", 0)
    path = archive(tmp_path / name, *_exchanges(random.Random(6), 60))
    wanted = told([path], 1)
    for most in (0, 1_500, 4_000):
        monkeypatch.setattr(warc_module, "MOST_PART_BYTES", most)
        assert told([path], 2) == wanted
    broken = bytearray(path.read_bytes())
    at = _members(path)[3]
    broken[at - 30 : at + 4] = b"?" * 34
    path.write_bytes(broken)
    wanted = told([path], 1)
    assert any(isinstance(one, Fault) for one in wanted[0])
    assert told([path], 2) == wanted


def test_a_process_that_is_killed_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had begun and what is left is read by the process that asks."""
    paths = _some(tmp_path, 9)
    wanted = told(paths, 1)
    started: list[subprocess.Popen[bytes]] = []
    launch = processes.launch
    here: list[str] = []

    def noted() -> subprocess.Popen[bytes]:
        started.append(launch())
        return started[-1]

    def read_here(part: Archive, wanted: Wanted, ears: Ears) -> Part:
        here.append(part.name)
        return read_part(part, wanted, ears)

    monkeypatch.setattr(processes, "launch", noted)
    monkeypatch.setattr(warc_workers, "read_part", read_here)
    monkeypatch.setattr(warc_workers, "READS_HERE", False)
    ears, captures = Ears(OPT_OUT), Captures(OPT_OUT)

    def killing(_bytes: int) -> None:
        if not here and started[0].poll() is None:
            started[0].send_signal(signal.SIGKILL)
            started[0].wait()

    source, _size = warcs(paths, captures, ears, needs_agent=True, read=killing, workers=2)
    source.collect()
    settle(captures, source)
    judges = Judges(captures, ears, purpose=Purpose.TRAIN)
    found = [entry if isinstance(entry, Fault) else judges.judge(entry) for entry in source.entries()]
    assert found == wanted[0]
    assert started[0].returncode == -signal.SIGKILL
    assert here


def test_no_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops in the middle of a long input leaves no process behind."""
    monkeypatch.setattr(warc_module, "READ_TWICE_BYTES", 0)
    started: list[subprocess.Popen[bytes]] = []
    launch = processes.launch

    def noted() -> subprocess.Popen[bytes]:
        started.append(launch())
        return started[-1]

    monkeypatch.setattr(processes, "launch", noted)
    paths = _some(tmp_path, 10)
    source, _size = warcs(
        paths, Captures(OPT_OUT), Ears(OPT_OUT), needs_agent=True, read=lambda _bytes: None, workers=3
    )  # fmt: skip
    entries = source.entries()
    assert next(entries)
    assert [one.poll() for one in started] == [None, None]
    entries.close()  # type: ignore[attr-defined]
    assert all(one.returncode is not None for one in started)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_no_archive_is_the_operators_mistake_wherever_it_is_read(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same line, from another process as well."""
    monkeypatch.setattr(warc_workers, "READS_HERE", False)
    good = archive(tmp_path / "a.warc.gz", *_exchanges(random.Random(1), 20))
    (tmp_path / "b.warc").write_bytes(b"hello, this is no archive\n" * 200)
    with pytest.raises(SettingsError, match=r"b\.warc: is no WARC"):
        told([good, tmp_path / "b.warc"], workers)


def test_ears_that_cannot_be_sent_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What inspects with an object of this process reads in this process alone."""
    monkeypatch.setattr(processes, "launch", _never)
    path = archive(tmp_path / "a.warc.gz", *_exchanges(random.Random(1), 40))
    ears = Ears(OPT_OUT, inspect=lambda _response, _inside: ())
    source, _size = warcs([path], Captures(OPT_OUT), ears, needs_agent=True, read=lambda _bytes: None, workers=2)
    source.collect()
    assert len(list(source.entries())) > 20


def test_ears_hear_the_same_in_another_process() -> None:
    """What is opened for a policy is opened there anew."""
    ears = Ears(OPT_OUT, opens=open_inspect)
    sent = pickle.loads(pickle.dumps(ears))
    response = Observation(
        document=Document(kind=Kind.RESPONSE, url="https://a.example/"),
        status=200,
        headers=HTML,
        body=_NOAI,
        observed_at=NOON,
    )
    assert ears.can_be_sent
    assert sent.hear(response) == ears.hear(response)
    assert sent.hear(response).seen


def test_evidence_is_read_in_ranges_too(tmp_path: Path) -> None:
    """Captures from an archive of evidence are the same, in the same order."""
    path = archive(tmp_path / "robotstxt.warc.gz", *_exchanges(random.Random(2), 80))
    one, several = Noted(), Noted()
    assert take_evidence(path, one, Ears(OPT_OUT), workers=1) == take_evidence(path, several, Ears(OPT_OUT), workers=2)
    assert several.all == one.all
    assert one.added > 5


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_a_range_ends_well_only_between_records(tmp_path: Path, name: str) -> None:
    """One byte more or less, and it does not."""
    (whole,) = archives(archive(tmp_path / name, *(Exchange(url=f"https://a.example/{n}") for n in range(30))))
    first = cut(whole, RANGE_BYTES)[0]
    assert first.end is not None
    assert reaches_its_end(first, None)
    assert reaches_its_end(whole, None)
    for off in (-40, -5, -4, -1, 1, 4, 40):
        assert not reaches_its_end(first._replace(end=first.end + off), None), off
