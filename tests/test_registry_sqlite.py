"""Consent records, which URLs they cover, and the registry in a SQLite file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.edges.registry_sqlite import ImportReport, RegistryFileError, SqliteRegistry
from askfirst.ports import EdgeError, Registry
from askfirst.rights.consent import (
    CATEGORIES,
    ConsentRecord,
    RecordError,
    candidate_keys,
    covers,
    index_key,
    parse_record,
    registry_uri,
)
from askfirst.rights.model import Category, Kind, Observation, Outage, Verdict
from askfirst.rights.origins import UrlError

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
BOTH = (True, False)


def _wire(scope: str = "museum.example", verdict: str = "grant", **members: object) -> dict[str, object]:
    return {"scope": scope, "categories": ["train"], "verdict": verdict, **members}


def _record(scope: str = "museum.example", verdict: str = "grant", **members: object) -> ConsentRecord:
    return parse_record(_wire(scope, verdict, **members))


class TestReadingARecord:
    def test_a_whole_record(self) -> None:
        """Every member is read; categories come in a fixed order, each once."""
        record = _record(
            categories=["train-generative", "tdm", "tdm"],
            grantee="AskFirstBot",
            terms="https://museum.example/terms",
            valid_until="2027-01-01T12:00:00+02:00",
            reference="letter 7",
        )
        assert record == ConsentRecord(
            scope="museum.example",
            categories=(Category.TDM, Category.TRAIN_GENERATIVE),
            verdict=Verdict.ALLOW,
            grantee="AskFirstBot",
            terms="https://museum.example/terms",
            valid_until=datetime(2027, 1, 1, 10, tzinfo=UTC),
            reference="letter 7",
        )

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("2027-12-31", datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("9999-12-31", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("2027-12-31T10:00:00", datetime(2027, 12, 31, 10, tzinfo=UTC)),
            ("2027-12-31 10:00:00.5z", datetime(2027, 12, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
            ("", None),
        ],
    )
    def test_valid_until(self, text: str, wanted: datetime | None) -> None:
        """A date is meant to the end of that day, and a time without an offset in UTC."""
        assert _record(valid_until=text).valid_until == wanted

    @pytest.mark.parametrize(
        ("members", "reason"),
        [
            ({"only_if": "asked"}, "unknown key 'only_if'"),
            ({"scope": ""}, "scope is missing"),
            ({"scope": 7}, "scope is not text"),
            ({"scope": "museum .example"}, "not a domain"),
            ({"scope": "museum.example/a"}, "not a domain"),
            ({"scope": "*museum.example"}, "not a domain"),
            ({"scope": "*.*.example"}, "not a domain"),
            ({"scope": "*"}, "not a domain"),
            ({"scope": "-a.example"}, "not a host name"),
            ({"scope": "a..example"}, "not a host name"),
            ({"scope": "2.3.4"}, "address is given whole"),
            ({"scope": "*.1.2.3.4"}, "address is given whole"),
            ({"scope": "ftp://museum.example/"}, "not an http or https URL"),
            ({"scope": "https://museum.example*"}, "'*' in the host"),
            ({"scope": "https://*.museum.example/"}, "more than a host"),
            ({"scope": "https://museum.example@evil.example/"}, "more than a host"),
            ({"scope": "https://museum.example\\@evil.example/"}, "more than a host"),
            ({"scope": "https://museum.example/a/../*"}, "'.' or '..' segment"),
            ({"scope": "https://museum.example/%2e%2E/"}, "'.' or '..' segment"),
            ({"scope": "https://museum.example/" + "a" * 2_048}, "characters"),
            ({"verdict": "allow"}, "verdict is 'allow'"),
            ({"verdict": None}, "verdict is None"),
            ({"categories": "train"}, "not a list"),
            ({"categories": []}, "categories is empty"),
            ({"categories": ["fetch"]}, "unknown category 'fetch'"),
            ({"categories": [["train"]]}, "unknown category"),
            ({"valid_until": "31.12.2027"}, "write a date"),
            ({"valid_until": "2027-02-30"}, "write a date"),
            ({"valid_until": "20271231"}, "write a date"),
            ({"valid_until": "0001-01-01T00:00:00+10:00"}, "write a date"),
            ({"reference": "a\nb"}, "control character"),
            ({"terms": "\ud800"}, "not UTF-8"),
        ],
    )
    def test_what_is_refused(self, members: dict[str, object], reason: str) -> None:
        """A record that is not understood completely is not read, and the reason is one line."""
        with pytest.raises(RecordError) as caught:
            parse_record({**_wire(), **members})
        assert reason in str(caught.value)
        assert str(caught.value).isprintable()

    @given(
        st.dictionaries(
            st.sampled_from(["scope", "categories", "verdict", "grantee", "valid_until", "x"]),
            st.none() | st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=5), max_size=2),
        )
    )
    @settings(max_examples=200, deadline=None)
    def test_any_object(self, obj: dict[str, object]) -> None:
        """Whatever an object holds, it is a record that comes back the same, or a RecordError."""
        try:
            record = parse_record(obj)
        except RecordError:
            return
        assert parse_record(record.to_wire()) == record


COVERED: Sequence[tuple[str, str, bool, bool]] = [
    # scope, URL, covered as a grant, covered as a refusal
    ("museum.example", "https://museum.example/", True, True),
    ("museum.example", "http://MUSEUM.example:8080/a", True, True),
    ("museum.example", "https://museum.example./a", True, True),
    ("museum.example", "https://www.museum.example/a", True, True),
    ("museum.example", "https://img.museum.example/a", False, True),
    ("museum.example", "https://mymuseum.example/a", False, False),
    ("museum.example", "https://museum.example.evil.example/", False, False),
    ("museum.example", "https://museum.example@evil.example/", False, False),
    ("Bücher.example", "https://xn--bcher-kva.example/", True, True),
    ("*.museum.example", "https://img.museum.example/", True, True),
    ("*.museum.example", "https://a.b.museum.example/", True, True),
    ("*.museum.example", "https://museum.example/", False, True),
    ("1.2.3.4", "http://1.2.3.4/", True, True),
    ("https://museum.example/a", "https://museum.example/a", True, True),
    ("https://museum.example/a", "HTTPS://Museum.Example:443/%61#top", True, True),
    ("https://museum.example/a", "http://museum.example/a", False, True),
    ("https://museum.example/a", "https://museum.example:8443/a", False, False),
    ("https://museum.example/a", "https://museum.example/a/b", False, True),
    ("https://museum.example/a", "https://museum.example/a?x", False, True),
    ("https://museum.example/a", "https://museum.example/ab", False, False),
    ("https://museum.example/a", "https://www.museum.example/a", False, False),
    ("https://museum.example/a?x=1", "https://museum.example/a?x=1&y=2", False, True),
    ("https://museum.example/a?x=1", "https://museum.example/a?x=12", False, False),
    ("https://museum.example/a?x=1", "https://museum.example/a", False, False),
    ("https://museum.example", "https://museum.example/", True, True),
    ("https://museum.example", "https://museum.example/a", False, True),
    ("https://museum.example/", "https://museum.example/a", True, True),
    ("https://museum.example/#/", "https://museum.example/a", True, True),
    ("https://museum.example/a#/", "https://museum.example/a/b", False, True),
    ("https://museum.example/a/", "https://museum.example/a/b?c", True, True),
    ("https://museum.example/a/", "https://museum.example/a", False, True),
    ("https://museum.example/a/", "https://museum.example/ab", False, False),
    ("https://museum.example/a/", "https://museum.example/a/../b", False, False),
    ("https://museum.example/a/", "https://museum.example/a/%2e%2e/b", False, False),
    ("https://museum.example/a/", "https://museum.example/a/..\\b", False, False),
    ("https://museum.example/a/", "https://museum.example\\@evil.example/a/", False, False),
    ("https://museum.example/a*", "https://museum.example/about", True, True),
    ("https://museum.example/a/*", "https://museum.example/a/b", True, True),
    ("https://museum.example/a%2fb", "https://museum.example/a/b", False, False),
    ("https://museum.example/a/", "https://museum.example/a/x/../b", False, True),
    ("https://museum.example/a/", "https://museum.example/a/..%2fb", False, True),
    ("https://museum.example/a/", "https://museum.example/a/..%5cb", False, True),
    ("https://museum.example/a/", "https://museum.example/a/..;/b", False, True),
    ("https://museum.example/a/", "https://museum.example/a//../b", False, True),
    ("https://museum.example/a/", "https://museum.example/a/%252e%252e/b", False, True),
    ("https://museum.example/a*", "https://museum.example/a/%2e%2e%2fb", False, True),
    ("https://museum.example/a[1]?x='", "https://museum.example/a%5B1%5D?x=%27", True, True),
    ("https://museum.example/a%2fb", "https://museum.example/a%2Fb", True, True),
    ("https://museum.example/ä", "https://museum.example/%c3%a4", True, True),
    ("http://[::1]:8000/", "http://[::1]:8000/a", True, True),
    ("not a scope", "https://museum.example/", False, False),
    ("museum.example", "mailto:museum.example", False, False),
]

LABELS = st.sampled_from(["museum", "www", "img", "example", "a"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATHS = st.lists(st.sampled_from(["a", "b", "/", "?", "&", "=", "*", "%61", "%2f", ".", "..", "#", "\\"]), max_size=30)
URLS = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}/{path}",
    st.sampled_from(["http", "https"]),
    HOSTS,
    st.sampled_from(["", ":80", ":443", ":8080"]),
    PATHS.map("".join),
)
SCOPES = HOSTS | HOSTS.map("*.{}".format) | URLS | URLS.map("{}*".format) | URLS.map("{}/".format) | st.text(max_size=9)


class TestCovers:
    @pytest.mark.parametrize(("scope", "url", "granted", "refused"), COVERED)
    def test_the_house_rules(self, scope: str, url: str, granted: bool, refused: bool) -> None:
        """A grant is read narrowly, a refusal widely."""
        assert bool(covers(scope, url, grant=True)) is granted
        assert bool(covers(scope, url, grant=False)) is refused

    def test_the_more_specific_ranks_higher(self) -> None:
        """Domain, wildcard, deeper domain, longer prefix, exact URL."""
        url = "https://img.museum.example/a/b"
        scopes = ["museum.example", "*.museum.example", "img.museum.example"]
        scopes += [f"https://img.museum.example/{path}" for path in ("", "a*", "a/", "a/b")]
        ranks = [covers(scope, url, grant=False) for scope in scopes]
        assert ranks == sorted(set(ranks))
        assert 0 not in ranks

    def test_a_word_for_the_host_stands_above_one_for_those_below(self) -> None:
        """A refusal of ``*.`` that reaches the host itself ranks below any other word about the host."""
        url = "https://museum.example/a"
        assert covers("*.museum.example", url, grant=False) < covers("museum.example", url, grant=True)

    @given(SCOPES, URLS, st.lists(st.sampled_from("/?&ab"), max_size=4).map("".join))
    @settings(max_examples=1_500, deadline=None)
    def test_the_laws(self, scope: str, url: str, more: str) -> None:
        """What is covered as a grant is covered as a refusal, and is always found by its key."""
        for target in (url, scope.removesuffix("*") + more):
            granted, refused = covers(scope, target, grant=True), covers(scope, target, grant=False)
            assert not granted or refused
            if refused:
                assert index_key(scope) in candidate_keys(target)

    @given(st.text(max_size=30), st.text(max_size=30))
    @settings(max_examples=300, deadline=None)
    def test_it_never_raises(self, scope: str, url: str) -> None:
        """Whatever the texts, the answer is a rank."""
        for grant in BOTH:
            assert covers(f"https://{scope}", f"https://{url}", grant=grant) >= 0
            assert covers(scope, url, grant=grant) >= 0

    def test_keys_are_bounded(self) -> None:
        """A URL of a thousand folders has no thousand keys."""
        assert len(candidate_keys("https://h.example/" + "a/" * 4_000)) <= 20
        with pytest.raises(UrlError):
            candidate_keys("mailto:a@b")

    def test_the_document_has_a_name(self) -> None:
        """The URI of an answer names registry and URL, and no letter of the URL can leave its place."""
        uri = registry_uri("my registry", "https://h/?a=b&c#\u00e9\ud800")
        assert uri == "registry:my%20registry?url=https%3A%2F%2Fh%2F%3Fa%3Db%26c%23%C3%A9%3F"


@pytest.fixture
def registry(tmp_path: Path) -> SqliteRegistry:
    return SqliteRegistry(tmp_path / "registry.sqlite", name="local", clock=lambda: NOW)


def _records(observation: Observation) -> list[object]:
    assert observation.outage is None
    records: list[object] = json.loads(observation.body)["records"]
    return records


class TestLookUp:
    async def test_only_what_covers(self, registry: SqliteRegistry) -> None:
        """Each URL gets the records that cover it, as a grant or as a refusal, and an empty list for none."""
        refusal, grant = _record(verdict="refuse"), _record("https://museum.example/open/")
        assert registry.add([refusal, grant, _record("other.example")]) == 3
        urls = ["https://img.museum.example/x", "https://museum.example/open/y", "https://nobody.example/"]
        port: Registry = registry
        answers = await port.look_up(urls)
        assert {url: _records(answers[url]) for url in urls} == {
            urls[0]: [refusal.to_wire()],
            urls[1]: [grant.to_wire(), refusal.to_wire()],
            urls[2]: [],
        }
        observation = answers[urls[2]]
        assert observation.document.kind is Kind.REGISTRY
        assert observation.document.url == registry_uri("local", urls[2])
        assert (observation.status, observation.body, observation.fresh_s) == (200, b'{"records":[]}', 3_600)
        assert observation.observed_at == NOW
        await registry.close()

    @given(st.lists(SCOPES, max_size=6), st.lists(URLS, max_size=4))
    @settings(max_examples=40, deadline=None)
    def test_the_index_finds_all(self, scopes: list[str], urls: list[str]) -> None:
        """The answer is the same as going through every record."""
        with tempfile.TemporaryDirectory() as folder:
            registry = SqliteRegistry(Path(folder) / "r", name="r", clock=lambda: NOW)
            registry.add([])
            for scope in scopes:
                with contextlib.suppress(RecordError, EdgeError):  # what cannot have a record has none
                    registry.add([_record(scope, "refuse")])
            answers = asyncio.run(registry.look_up(urls))
            every = [str(record["scope"]) for record in registry.list_records()]
            for url in urls:
                found = {json.dumps(record) for record in _records(answers[url])}
                wanted = {
                    json.dumps(_record(s, "refuse").to_wire(), sort_keys=True)
                    for s in every
                    if covers(s, url, grant=False)
                }
                assert found == wanted
            asyncio.run(registry.close())

    async def test_changes_are_seen(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """A look-up sees what was added since the last one, and a file put in the place of the old one."""
        url = "https://museum.example/"
        registry.add([_record(reference="1")])
        assert len(_records((await registry.look_up([url]))[url])) == 1
        registry.add([_record(reference="2")])
        assert len(_records((await registry.look_up([url]))[url])) == 2
        SqliteRegistry(tmp_path / "new", name="x", clock=lambda: NOW).add([_record(reference="3")])
        (tmp_path / "new").rename(tmp_path / "registry.sqlite")
        assert [r["reference"] for r in _records((await registry.look_up([url]))[url])] == ["3"]  # type: ignore[index]  # objects are JSON
        await registry.close()

    async def test_a_missing_file(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """A file that is not there is an outage for every URL, and is not made by looking."""
        answers = await registry.look_up(["https://a.example/", "https://b.example/"])
        assert [answer.outage for answer in answers.values()] == [Outage.REFUSED, Outage.REFUSED]
        assert all(answer.status is None and answer.fresh_s == 60 for answer in answers.values())
        assert list(tmp_path.iterdir()) == []

    async def test_a_file_that_is_no_registry(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """Bytes that are no database, and a database of another program, are BROKEN."""
        path = tmp_path / "registry.sqlite"
        path.write_bytes(b"<html>" * 1_000)
        assert [a.outage for a in (await registry.look_up(["https://a.example/"])).values()] == [Outage.BROKEN]
        path.unlink()
        _foreign_database(path)
        assert [a.outage for a in (await registry.look_up(["https://a.example/"])).values()] == [Outage.BROKEN]
        await registry.close()

    async def test_a_corrupted_registry(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """A registry whose pages were overwritten never answers "no records" for what it held."""
        registry.add(_record(f"site{n}.example") for n in range(500))
        path = tmp_path / "registry.sqlite"
        raw = path.read_bytes()
        path.write_bytes(raw[:4_096] + b"\xff" * (len(raw) - 4_096))
        url = "https://site250.example/"
        assert (await registry.look_up([url]))[url].outage is Outage.BROKEN
        await registry.close()

    async def test_a_locked_file(
        self, registry: SqliteRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that another program holds for itself is an outage, and answers again when it is let go."""
        monkeypatch.setattr("askfirst.edges.registry_sqlite.BUSY_TIMEOUT_S", 0.0)
        url = "https://museum.example/"
        registry.add([_record()])
        holder = sqlite3.connect(tmp_path / "registry.sqlite", isolation_level=None)
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        assert (await registry.look_up([url]))[url].outage is Outage.REFUSED
        with pytest.raises(EdgeError, match="cannot write the registry"):
            registry.add([_record("other.example")])
        holder.execute("ROLLBACK")
        holder.close()
        assert len(_records((await registry.look_up([url]))[url])) == 1
        await registry.close()

    async def test_what_is_not_a_url(self, registry: SqliteRegistry) -> None:
        """Of what is not a URL nothing is known; the others are answered."""
        registry.add([_record()])
        answers = await registry.look_up(["https://museum.example/", "nonsense"])
        assert answers["nonsense"].outage is Outage.BROKEN
        assert len(_records(answers["https://museum.example/"])) == 1
        await registry.close()


def _foreign_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (name)")
    connection.close()


class TestAdministration:
    def test_add_list_remove(self, registry: SqliteRegistry) -> None:
        """A record is added once; records are taken away by scope, verdict and grantee."""
        one, two = _record(grantee="AskFirstBot"), _record(verdict="refuse")
        assert registry.add([one, two, one]) == 2
        assert registry.add([one]) == 0
        assert list(registry.list_records()) == [one.to_wire(), two.to_wire()]
        assert registry.remove("museum.example", verdict="grant", grantee="OtherBot") == 0
        assert registry.remove("museum.example", verdict="grant", grantee="AskFirstBot") == 1
        assert registry.remove("museum.example") == 1
        assert list(registry.list_records()) == []

    @pytest.mark.parametrize("scope", ["co.uk", "*.co.uk", "github.io", "com", "example", "*.blogspot.com"])
    @pytest.mark.parametrize("verdict", ["grant", "refuse"])
    def test_a_public_suffix(self, registry: SqliteRegistry, scope: str, verdict: str) -> None:
        """Nobody speaks for all sites under a public suffix, and one such record stops the whole batch."""
        with pytest.raises(EdgeError, match="public suffix"):
            registry.add([_record(), _record(scope, verdict)])
        assert list(registry.list_records()) == []

    @pytest.mark.parametrize(
        "scope", ["artist.github.io", "museum.co.uk", "localhost", "127.0.0.1", "https://github.io/a"]
    )
    def test_what_only_looks_like_one(self, registry: SqliteRegistry, scope: str) -> None:
        """A site below a public suffix, an address, localhost and a URL can have a record."""
        assert registry.add([_record(scope)]) == 1

    def test_trouble(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """A missing file cannot be listed or removed from; another program's database is left alone."""
        for act in (lambda: list(registry.list_records()), lambda: registry.remove("museum.example")):
            with pytest.raises(EdgeError, match="cannot read the registry"):
                act()
        path = tmp_path / "registry.sqlite"
        _foreign_database(path)
        before = path.read_bytes()
        with pytest.raises(EdgeError, match="another program"):
            registry.add([_record()])
        assert path.read_bytes() == before
        with pytest.raises(EdgeError, match="cannot write the registry"):
            SqliteRegistry(tmp_path / "no" / "folder", name="x", clock=lambda: NOW).add([_record()])


class TestImport:
    @pytest.mark.parametrize("name", ["records.jsonl", "records.csv", "jsonl-without-suffix", "csv-without-suffix"])
    def test_both_forms(self, registry: SqliteRegistry, tmp_path: Path, name: str) -> None:
        """JSON Lines and CSV are told apart by suffix or content, and say the same."""
        path = tmp_path / name
        if "csv" in name:
            path.write_bytes(
                b"\xef\xbb\xbfscope,categories,verdict,grantee,terms,valid_until,reference\r\n"
                b'museum.example,"train, tdm",grant,AskFirstBot,,2027-12-31,"letter, 7"\r\n'
                b"\r\n"
                b"*.museum.example,train;tdm,refuse,,,,\r\n"
                b"*.museum.example,tdm train,refuse,,,,\r\n"
            )
        else:
            one = _wire(
                categories=["train", "tdm"], grantee="AskFirstBot", valid_until="2027-12-31", reference="letter, 7"
            )
            two = _wire("*.museum.example", "refuse", categories=["tdm", "train"])
            path.write_text("\ufeff" + "\n\n".join(json.dumps(record) for record in (one, two, two)), encoding="utf-8")
        assert registry.import_file(path) == ImportReport(read=3, added=2, already_there=1)
        assert list(registry.list_records()) == [
            {
                "scope": "museum.example",
                "categories": ["tdm", "train"],
                "verdict": "grant",
                "grantee": "AskFirstBot",
                "valid_until": "2027-12-31T23:59:59Z",
                "reference": "letter, 7",
            },
            {"scope": "*.museum.example", "categories": ["tdm", "train"], "verdict": "refuse"},
        ]

    def test_one_bad_line_stops_all(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """Every bad line is named with its reason, and nothing is written."""
        path = tmp_path / "records.jsonl"
        lines = [
            json.dumps(_wire()).encode(),
            b"{",
            json.dumps(_wire(only_if="asked")).encode(),
            b'{"scope": "\xff"}',
            b'{"scope": "a.example", "scope": "b.example"}',
            json.dumps(_wire("co.uk")).encode(),
            b"[]",
            b"[" * 100_000,
        ]
        path.write_bytes(b"\n".join(lines))
        with pytest.raises(RegistryFileError) as caught:
            registry.import_file(path)
        problems = dict(caught.value.problems)
        assert sorted(problems) == [2, 3, 4, 5, 6, 7, 8]
        assert "unknown key 'only_if'" in problems[3]
        assert problems[4] == "not UTF-8"
        assert "stands twice" in problems[5]
        assert "public suffix" in problems[6]
        assert "line 2" in str(caught.value)
        assert "6 more bad lines" in str(caught.value)
        assert list(registry.list_records()) == []

    @pytest.mark.parametrize(
        ("text", "line", "reason"),
        [
            (b"scope,verdict\na,b\n", 1, "no column 'categories'"),
            (b"scope,categories,verdict,if\n", 1, "unknown column 'if'"),
            (b"scope,categories,verdict,scope\n", 1, "stands twice"),
            (b"", 1, "no column 'scope'"),
            (b"scope,categories,verdict\nmuseum.example,train\n", 2, "2 cells under 3 columns"),
            (
                b"scope,categories,verdict\nmuseum.example,train,grant\nmuseum.example,,grant\n",
                3,
                "categories is empty",
            ),
            (b"scope,categories,verdict\nmus\xffeum.example,train,grant\n", 2, "not UTF-8"),
            (b'scope,categories,verdict\n"a"b,train,grant\n', 2, "not CSV"),
        ],
    )
    def test_bad_csv(self, registry: SqliteRegistry, tmp_path: Path, text: bytes, line: int, reason: str) -> None:
        """A CSV file that is not as it should be is refused with line and reason."""
        path = tmp_path / "records.csv"
        path.write_bytes(text)
        with pytest.raises(RegistryFileError) as caught:
            registry.import_file(path)
        assert [number for number, _ in caught.value.problems] == [line]
        assert reason in caught.value.problems[0][1]
        assert list(registry.list_records()) == []

    def test_a_file_that_is_not_there(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """The error names the file to import, not the registry."""
        with pytest.raises(EdgeError, match=r"cannot read .*absent.csv"):
            registry.import_file(tmp_path / "absent.csv")

    def test_a_killed_import_leaves_nothing(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """An import that was killed in the middle has written nothing."""
        registry.add([_record()])
        result = subprocess.run(
            [sys.executable, "-c", _KILLED_IMPORT, str(tmp_path / "registry.sqlite")],
            check=False,
        )
        assert result.returncode == -9
        assert list(registry.list_records()) == [_record().to_wire()]


_KILLED_IMPORT = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from askfirst.edges.registry_sqlite import SqliteRegistry
from askfirst.rights.consent import parse_record


def records():
    for number in range(2_000):
        yield parse_record({"scope": f"site{number}.example", "categories": ["train"], "verdict": "grant"})
    os.kill(os.getpid(), signal.SIGKILL)


SqliteRegistry(Path(sys.argv[1]), name="r", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)).add(records())
"""


def test_every_category_but_fetch() -> None:
    """Consent speaks of every category except fetch, which is an access rule's."""
    assert set(CATEGORIES) == set(Category) - {Category.FETCH}
