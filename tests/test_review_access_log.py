"""Reviews of access logs: a real nginx's, visited by planted crawlers, and lines of every format, in order and broken.

The nginx runs as one process of whoever runs the tests, with all its files in the test's folder. Source addresses are
loopback's own (127.0.0.2, …), so that lists of addresses can verify and deny.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.ports import EdgeError, SettingsError
from askfirst.review.access_log import MOST_LINE_BYTES, Visit, parse_line, read_access_log
from askfirst.review.bots import Addresses, Bot, Verified, bot_named, ranges, read_addresses, read_purposes
from askfirst.review.model import Fault, Finding, InPart, Outcome
from askfirst.review.said import Rule, Said, Version, matches, read_headers
from askfirst.review.visits import OTHERS, Read, RefusedPath, Visitor, Visits, in_order
from askfirst.rights.model import Purpose, Stage
from askfirst.rights.origins import origin_of
from askfirst.rights.policy import OPT_OUT
from tests.redis_server import free_port

SITE = origin_of("https://example.org")
GPTBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"
CLAUDEBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CCBOT = "CCBot/2.0 (https://commoncrawl.org/faq/)"
EXTENDED = "Mozilla/5.0 (compatible; Google-Extended/1.0)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
AWKWARD = 'QuoteBot/1.0 ("quoted" \\ \xe9)'

# -- a real nginx ----------------------------------------------------------------------------------------------------

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CONFIGURATION = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
  client_body_temp_path {home}/tmp; proxy_temp_path {home}/tmp; fastcgi_temp_path {home}/tmp;
  uwsgi_temp_path {home}/tmp; scgi_temp_path {home}/tmp;
  log_format told escape=json '{{"ts":$msec,"remote_addr":"$remote_addr","host":"$host","request":"$request",'
    '"status":$status,"http_user_agent":"$http_user_agent","sent_http_x_robots_tag":"$sent_http_x_robots_tag"}}';
  log_format hosted '$host:$server_port $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"';
  log_format unescaped '{{"time":"$time_iso8601","client_ip":"$remote_addr","vhost":"$host","request_method":"$request_method",'
    '"request_uri":"$request_uri","status":"$status","user_agent":"$http_user_agent"}}';
  access_log {home}/combined.log combined;
  access_log {home}/hosted.log hosted;
  access_log {home}/unescaped.log unescaped;
  access_log {home}/told.log told;
  server {{
    listen 127.0.0.1:{port}; server_name site.test; root {home}/site;
    location /pictures/ {{ add_header X-Robots-Tag noai; }}
  }}
}}
"""

FIRST = {
    "robots.txt": "User-agent: GPTBot\nDisallow: /private/\n\nUser-agent: *\nDisallow: /closed/\n",
    "ai.txt": "User-Agent: *\nDisallow: *.jpg\n",
    ".well-known/tdmrep.json": '[{"location": "/gallery/*", "tdm-reservation": 1}]',
    "_headers": "/pictures/*\n  X-Robots-Tag: noai\n",
}
SECOND = {"robots.txt": "User-agent: ClaudeBot\nDisallow: /\n\nUser-agent: CCBot\nDisallow: /open/\n"}
PAGES = ("open/a", "private/a", "closed/a", "gallery/a", "pictures/a.png", "photo.jpg")

A, R, U, N = Outcome.ALLOWED, Outcome.REFUSED, Outcome.UNKNOWABLE, Outcome.NOT_JUDGED


class Ask(NamedTuple):
    """One request, and what is to be said of it: then, and if the first version had stood all the time."""

    user_agent: str | None
    path: str
    then: Outcome
    under_first: Outcome
    source: str = "127.0.0.2"
    headers: tuple[tuple[str, str], ...] = ()


BEFORE_ANY = (Ask(GPTBOT, "/private/a", U, R), Ask(FIREFOX, "/private/a", N, N), Ask(CLAUDEBOT, "/open/a", U, A))
UNDER_FIRST = (
    Ask(GPTBOT, "/robots.txt", A, A),
    Ask(GPTBOT, "/private/a", R, R),
    Ask(GPTBOT, "/private/a?page=2", R, R, headers=(("Range", "bytes=0-0"),)),
    Ask(GPTBOT, "/private/a", R, R, headers=(("If-None-Match", "*"),)),
    Ask(GPTBOT, "/private/missing", N, N),
    Ask(GPTBOT, "/open/a", A, A),
    Ask(GPTBOT, "/private/a", R, R, source="127.0.0.9"),
    Ask(CLAUDEBOT, "/private/a", A, A),
    Ask(CLAUDEBOT, "/closed/a", R, R),
    Ask(GOOGLEBOT, "/gallery/a", A, A),
    Ask(GOOGLEBOT, "/pictures/a.png", A, A),
    Ask(CCBOT, "/robots.txt", A, A),
    Ask(CCBOT, "/.well-known/tdmrep.json", A, A),
    Ask(CCBOT, "/gallery/a", R, R),
    Ask(CCBOT, "/pictures/a.png", R, R),
    Ask(CCBOT, "/photo.jpg", R, R),
    Ask(EXTENDED, "/open/a", A, A),
    Ask(FIREFOX, "/closed/a", N, N),
    Ask(None, "/closed/a", N, N),
    Ask(AWKWARD, "/closed/a", R, R),
    Ask(GPTBOT, "/private/a", U, U, headers=(("Host", "other.test"),)),
)
UNDER_SECOND = (
    Ask(CLAUDEBOT, "/open/a", R, A),
    Ask(GPTBOT, "/private/a", A, R),
    Ask(CCBOT, "/open/a", R, A),
    Ask(CCBOT, "/gallery/a", A, R),
    Ask(CCBOT, "/pictures/a.png", R, R),  # nothing kept says so, but nginx logged that it did
)
ASKS = (*BEFORE_ANY, *UNDER_FIRST, *UNDER_SECOND)


@dataclass(frozen=True)
class Visited:
    """An nginx that was visited: its two logs, its origin, and when which version of the site began to stand."""

    home: Path
    port: int
    first_at: datetime
    second_at: datetime
    began_at: datetime

    @property
    def site(self) -> str:
        return f"http://site.test:{self.port}"


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _publish(site: Path, version: dict[str, str]) -> None:
    for name in FIRST:
        (site / name).unlink(missing_ok=True)
    _write(site, {name: text for name, text in version.items() if name != "_headers"})


@contextlib.contextmanager
def _nginx(home: Path, port: int) -> Iterator[None]:
    assert NGINX is not None
    (home / "tmp").mkdir()
    (home / "nginx.conf").write_text(CONFIGURATION.format(home=home, port=port))
    process = subprocess.Popen(
        [NGINX, "-p", str(home), "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")],
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_it_listens(process, home, port)
        yield
    finally:
        process.send_signal(3)  # SIGQUIT: it answers and logs what it has, and ends
        process.wait(timeout=30)


def _until_it_listens(process: subprocess.Popen[bytes], home: Path, port: int) -> None:
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
            raise AssertionError(f"nginx ended at its start: {(home / 'error.log').read_text()[-500:]}")
    raise AssertionError("nginx did not listen within 30 s")


def _ask(port: int, ask: Ask, method: str = "GET") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(ask.source, 0))
    with contextlib.closing(connection):
        given = dict(ask.headers)
        connection.putrequest(method, ask.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", given.pop("Host", f"site.test:{port}"))
        if ask.user_agent is not None:
            connection.putheader("User-Agent", ask.user_agent.encode("latin-1"))
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.getresponse().read()


def _raw(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(data)
        while connection.recv(4096):
            continue


def _moment() -> datetime:
    """A whole millisecond that is past when this returns, and that nothing before it has."""
    at = datetime.now(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000) + timedelta(milliseconds=1)
    while datetime.now(UTC) < at + timedelta(milliseconds=1):
        continue
    return at


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Visited:
    """An nginx that the planted crawlers have visited, under three states of the site."""
    if NGINX is None:
        pytest.skip("there is no nginx on PATH; install it (Debian: nginx-light) to have its logs reviewed")
    home = tmp_path_factory.mktemp("nginx")
    port = free_port()
    _write(home / "site", dict.fromkeys(PAGES, "content"))
    began_at = datetime.now(UTC)
    with _nginx(home, port):
        for ask in BEFORE_ANY:
            _ask(port, ask)
        first_at = _moment()
        _publish(home / "site", FIRST)
        for ask in UNDER_FIRST:
            _ask(port, ask)
        _ask(port, Ask(GPTBOT, "/private/a", N, N), method="POST")
        _raw(port, b"GET /closed/a\r\n")
        _raw(port, b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n")
        second_at = _moment()
        _publish(home / "site", SECOND)
        for ask in UNDER_SECOND:
            _ask(port, ask)
    return Visited(home, port, first_at, second_at, began_at)


def _said(folder: Path, versions: dict[datetime, dict[str, str]], site: str) -> Said:
    for at, files in versions.items():
        (folder / at.isoformat()).mkdir(parents=True)
        _write(folder / at.isoformat(), files)
    return Said.read(folder, [origin_of(site)])


def _review(log: Path, said: Said, site: str, tmp_path: Path) -> tuple[Visits, list[Finding]]:
    listed = tmp_path / "gptbot.json"
    listed.write_text('{"creationTime": "2026-11-01", "prefixes": [{"ipv4Prefix": "127.0.0.0/29"}]}')
    visits = Visits(said, OPT_OUT, addresses=read_addresses([f"GPTBot={listed}"]))
    entries = list(read_access_log(log, site=origin_of(site), count=visits.count))
    assert all(isinstance(entry, Visit) for entry in entries)
    return visits, [visits.find(entry) for entry in entries if isinstance(entry, Visit)]


def _judged(findings: list[Finding]) -> list[tuple[str | None, str, Outcome]]:
    """Who asked for what, and the outcome; the request of HTTP/0.9, which is nobody's, left out."""
    return [
        (f.fetch.address, f.fetch.url.partition("/")[2].partition("/")[2].partition("/")[2], f.outcome)
        for f in findings
        if not (f.fetch.user_agent is None and f.fetch.address == "127.0.0.1")
    ]


def _plants(*, then: bool) -> list[tuple[str | None, str, Outcome]]:
    return [(ask.source, ask.path[1:], ask.then if then else ask.under_first) for ask in ASKS]


def test_a_real_json_log_holds_exactly_the_planted_violations_by_what_stood_at_each_moment(
    visited: Visited, tmp_path: Path
) -> None:
    """Before the first version all is unknowable; after a change the new words count, and no request else is refused."""
    said = _said(tmp_path / "said", {visited.first_at: FIRST, visited.second_at: SECOND}, visited.site)
    visits, findings = _review(visited.home / "told.log", said, visited.site, tmp_path)
    assert _judged(findings) == _plants(then=True)
    assert {f.fetch.status for f in findings if f.outcome is R} == {200, 206, 304}
    assert visits.skipped == {"lines": len(ASKS) + 3, "other-method": 1, "no-request": 1}


@pytest.mark.parametrize("log", ["combined.log", "hosted.log", "unescaped.log"])
def test_real_logs_of_other_formats_hold_exactly_the_planted_violations(
    visited: Visited, tmp_path: Path, log: str
) -> None:
    """An earlier version is superseded and a later one does not count yet; headers come from _headers."""
    day = timedelta(days=1)
    versions = {visited.began_at - 2 * day: {}, visited.began_at - day: FIRST, visited.began_at + day: SECOND}
    said = _said(tmp_path / "said", versions, visited.site)
    visits, findings = _review(visited.home / log, said, visited.site, tmp_path)
    # combined logs have no host: what was asked of another one cannot be seen
    hidden = R if log == "combined.log" else U
    assert _judged(findings) == [(s, p, hidden if o is U else o) for s, p, o in _plants(then=False)]
    assert visits.skipped == {"lines": len(ASKS) + 3, "other-method": 1, "no-request": 1}


@pytest.mark.parametrize("log", ["told.log", "combined.log"])
def test_nothing_is_known_before_the_first_version(visited: Visited, tmp_path: Path, log: str) -> None:
    """No fetch of content is allowed or refused by documents that stand since later."""
    said = _said(tmp_path / "said", {visited.began_at + timedelta(days=1): FIRST}, visited.site)
    _, findings = _review(visited.home / log, said, visited.site, tmp_path)
    content = [f for f in findings if f.reason not in {"look", "no-content", "no-crawler"}]
    assert {f.outcome for f in content} == ({U} if log == "combined.log" else {U, R})
    # what the log itself says was sent needs no version
    assert {f.fetch.url.partition(".test")[2][6:] for f in content if f.outcome is R} <= {"/pictures/a.png"}


def test_the_summary_of_a_real_log_says_who_could_have_known(visited: Visited, tmp_path: Path) -> None:
    """Per crawler: what it did, whether it was it, what it had read of the words that refuse, and the paths."""
    said = _said(tmp_path / "said", {visited.first_at: FIRST, visited.second_at: SECOND}, visited.site)
    visits, _ = _review(visited.home / "told.log", said, visited.site, tmp_path)
    rows = {(v.token, v.impostor): v for v in visits.summary().visitors}
    assert list(rows) == [
        ("CCBot", False), ("GPTBot", False), ("ClaudeBot", False), ("GPTBot", True), ("QuoteBot", False),
        ("Googlebot", False), ("Google-Extended", True),
    ]  # fmt: skip
    gptbot = rows["GPTBot", False]
    assert _counts(gptbot) == (7, 2, 3, 2, 1, 1, 1)
    assert gptbot.verified == {Verified.YES: 9}
    assert gptbot.read == {Read.KNEW: 3}
    words = "robots.txt: Disallow: /private/"
    assert gptbot.refused_paths == [
        RefusedPath(path="/private/a", words=words, times=2),
        RefusedPath(path="/private/a?page=2", words=words, times=1),
    ]
    assert gptbot.last_look_before_refused_at == gptbot.last_look_at is not None
    ccbot = rows["CCBot", False]
    assert _counts(ccbot) == (6, 1, 5, 0, 2, 0, 0)
    assert ccbot.read == {Read.KNEW: 1, Read.WITH_IT: 2, Read.NEVER: 1, Read.CHANGED: 1}
    assert ccbot.verified == {Verified.UNKNOWN: 8}
    impostor = rows["GPTBot", True]
    assert _counts(impostor) == (1, 0, 1, 0, 0, 0, 0)
    assert (impostor.verified, impostor.read) == ({Verified.NO: 1}, {Read.NEVER: 1})
    assert rows["ClaudeBot", False].read == {Read.NEVER: 2}
    whole = visits.summary()
    assert (whole.not_judged, whole.lines, whole.skipped) == (4, len(ASKS) + 3, {"other-method": 1, "no-request": 1})


def test_findings_of_a_real_log_name_the_words_the_stage_and_the_impostor(visited: Visited, tmp_path: Path) -> None:
    """A refusal that came with the answer is one of keeping it; what an impostor did is not laid to the bot."""
    said = _said(tmp_path / "said", {visited.first_at: FIRST, visited.second_at: SECOND}, visited.site)
    _, findings = _review(visited.home / "told.log", said, visited.site, tmp_path)
    refused = {
        (f.token, f.verified, f.fetch.url.rpartition("/")[2], f.stage): f.why for f in findings if f.outcome is R
    }
    picture = refused["CCBot", "unknown", "a.png", Stage.KEEP]
    assert "noai" in picture
    denied = refused["GPTBot", "no", "a", Stage.FETCH]
    assert denied.endswith("(not GPTBot, but somebody under its name: 127.0.0.9 is not among its addresses)")
    assert refused["CCBot", "unknown", "photo.jpg", Stage.FETCH].endswith("it never read /ai.txt in these logs")


def _counts(v: Visitor) -> tuple[int, ...]:
    return (v.fetches, v.allowed, v.refused, v.unknowable, v.looks, v.unanswered, v.turned_away)


# -- lines -----------------------------------------------------------------------------------------------------------

AT = datetime(2026, 11, 24, 11, 25, 31, tzinfo=UTC)
HEAD = b'192.0.2.1 - - [24/Nov/2026:11:25:31 +0000] "GET /a HTTP/1.1" 200 12'


def _one(line: bytes) -> Visit:
    entry = parse_line(line, where="a.log:1", site=SITE)
    assert isinstance(entry, Visit), entry
    return entry


def _brief(line: bytes) -> tuple[str, str | None, str | None, int | None]:
    visit = _one(line)
    return visit.url, visit.address, visit.user_agent, visit.status


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (HEAD, ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD + b' "-" "CCBot/2.0"', ("https://example.org/a", "192.0.2.1", "CCBot/2.0", 200)),
        (HEAD + b' "-" "-"\r\n', ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD + b' "-" ""', ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD + b' "-" "X/1" "more" 0.003', ("https://example.org/a", "192.0.2.1", "X/1", 200)),
        (HEAD + b' 0.003 "more"', ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD + b' "a \\" b" "say \\"X/1\\" \\\\ \\x22\\xC3\\xA9\\t"', ("https://example.org/a", "192.0.2.1", 'say "X/1" \\ "\xe9\t', 200)),
        (HEAD + b' "-" "\xff\xfe/1"', ("https://example.org/a", "192.0.2.1", "\ufffd\ufffd/1", 200)),
        (b"www.example.org:443 " + HEAD, ("https://www.example.org/a", "192.0.2.1", None, 200)),
        (b"192.0.2.9:8443 " + HEAD, ("https://192.0.2.9:8443/a", "192.0.2.1", None, 200)),
        (b"example.org:80 " + HEAD, ("https://example.org:80/a", "192.0.2.1", None, 200)),
        (HEAD.replace(b"- -", b"- de la Cruz"), ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD.replace(b"- -", b"- two words"), ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD.replace(b"- -", b"- x [01/Jan/2020:00:00:00 +0000] y"), ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD.replace(b"192.0.2.1", b"2001:db8::7"), ("https://example.org/a", "2001:db8::7", None, 200)),
        (HEAD.replace(b"192.0.2.1", b"crawl.example.net"), ("https://example.org/a", "crawl.example.net", None, 200)),
        (b"example.org " + HEAD.replace(b"192.0.2.1", b"::1"), ("https://example.org/a", "::1", None, 200)),
        (HEAD.replace(b" HTTP/1.1", b""), ("https://example.org/a", "192.0.2.1", None, 200)),
        (HEAD.replace(b"200 12", b"- -"), ("https://example.org/a", "192.0.2.1", None, None)),
        (HEAD.replace(b"/a", b"/a b\\x22\xc3\xa9#f?q=%20"), ("https://example.org/a%20b%22%C3%A9%23f?q=%20".replace("%22", '"'), "192.0.2.1", None, 200)),
        (HEAD.replace(b"/a", b"HTTP://Example.org/b"), ("https://example.org/b".replace("https", "http"), "192.0.2.1", None, 200)),
        (HEAD.replace(b"/a", b"http://other.example"), ("http://other.example/", "192.0.2.1", None, 200)),
        (HEAD.replace(b"GET", b"HEAD"), ("https://example.org/a", "192.0.2.1", None, 200)),
    ],
)  # fmt: skip
def test_lines_of_common_and_combined_logs(line: bytes, want: tuple[str, str | None, str | None, int | None]) -> None:
    """Escapes are undone, hosts and users told apart, and what no URL may hold is percent-encoded."""
    assert _brief(line) == want


@pytest.mark.parametrize(
    ("time_text", "want"),
    [
        (b"24/Nov/2026:12:25:31 +0100", AT),
        (b"24/Nov/2026:05:55:31 -0530", AT),
        (b"24/Nov/2026:11:25:60 +0000", AT.replace(second=59)),
        (b"24/Nov/2026:11:25:31", None),
        (b"31/Feb/2026:11:25:31 +0000", None),
        (b"24/Xyz/2026:11:25:31 +0000", None),
        (b"01/Jan/0001:00:00:00 +2300", None),
    ],
)
def test_times_of_common_logs(time_text: bytes, want: datetime | None) -> None:
    """A time is UTC; without its offset, or where there is no such day, there is none."""
    assert _one(HEAD.replace(b"24/Nov/2026:11:25:31 +0000", time_text)).at == want


JSON_LINES: list[tuple[dict[str, object], tuple[str, str | None, str | None, int | None]]] = [
    (
        {"time_iso8601": "2026-11-24T11:25:31+00:00", "request": "GET /a?b HTTP/1.1", "host": "example.org",
         "remote_addr": "192.0.2.1", "http_user_agent": "CCBot/2.0", "status": "206"},
        ("https://example.org/a?b", "192.0.2.1", "CCBot/2.0", 206),
    ),
    (
        {"time_local": "24/Nov/2026:11:25:31 +0000", "request_uri": "/a?b", "uri": "/index.php", "request_method": "GET",
         "server_name": "www.example.org", "client_ip": "::1", "user_agent": "", "status": 200},
        ("https://www.example.org/a?b", "::1", None, 200),
    ),
    (
        {"@timestamp": "2026-11-24T11:25:31.000Z", "url": "http://example.org/x", "method": "GET", "status": 200},
        ("http://example.org/x", None, None, 200),
    ),
    (
        {"msec": "1795519531.000", "path": "/x", "args": "y=1", "host": "web-7", "server_name": "example.org"},
        ("https://example.org/x?y=1", None, None, None),
    ),
    (
        {"ts": 1795519531000, "uri": "/x", "scheme": "http", "host": "example.org:80", "remote_addr": "192.0.2.1:5000"},
        ("http://example.org/x", "192.0.2.1", None, None),
    ),
    (
        {"time": "2026-11-24T11:25:31.123456789Z", "RequestMethod": "GET", "RequestPath": "/t", "RequestHost": "a.example",
         "ClientHost": "192.0.2.1", "DownstreamStatus": 200, "request_User-Agent": "X/1"},
        ("https://a.example/t", "192.0.2.1", "X/1", 200),
    ),
    (
        {"ts": 1795519531.5, "request": {"remote_ip": "192.0.2.1", "client_ip": "198.51.100.7", "method": "GET",
         "host": "example.org", "uri": "/c", "headers": {"User-Agent": ["X/1"]}, "tls": {}}, "status": 304},
        ("https://example.org/c", "198.51.100.7", "X/1", 304),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "want"), JSON_LINES)
def test_lines_of_json(line: dict[str, object], want: tuple[str, str | None, str | None, int | None]) -> None:
    """The usual names of nginx, Apache, Traefik and Caddy are known, and so are their times."""
    assert _brief(json.dumps(line).encode()) == want
    at = _one(json.dumps(line).encode()).at
    assert at is not None
    assert at.replace(microsecond=0) == AT


def test_json_that_is_escaped_like_a_combined_log_is_read() -> None:
    """Apache, and nginx without escape=json, write \\xHH into JSON, and nginx writes bytes that are no UTF-8."""
    line = b'{"time":"[24/Nov/2026:11:25:31 +0000]","request":"GET /\\xC3\\xA9 HTTP/1.1","userAgent":"say \\"\\x22\\xC3\\xA9"}'
    assert _brief(line) == ("https://example.org/%C3%A9", None, 'say ""\xe9', None)
    line = b'{"time":"2026-11-24T11:25:31Z","uri":"/\xff","user_agent":"\xffBot/1 \xc3\xa9"}'
    assert _brief(line) == ("https://example.org/%FF", None, "\ufffdBot/1 \xe9", None)


def test_response_fields_in_the_log_are_kept_and_it_is_known_which_were_logged() -> None:
    """A field that was logged and not sent is known not to have been sent."""
    common = {"time": "2026-11-24T11:25:31Z", "uri": "/"}
    nginx = _one(json.dumps({**common, "sent_http_tdm_reservation": "1", "sent_http_x_robots_tag": "-"}).encode())
    assert nginx.response is not None
    assert nginx.response.headers == (("tdm-reservation", "1"),)
    assert nginx.logged_fields == frozenset({"tdm-reservation", "x-robots-tag"})
    assert not nginx.every_field
    caddy = _one(json.dumps({**common, "resp_headers": {"X-Robots-Tag": ["noai", "noindex"]}}).encode())
    assert caddy.response is not None
    assert caddy.response.headers == (("X-Robots-Tag", "noai"), ("X-Robots-Tag", "noindex"))
    assert caddy.every_field
    assert _one(json.dumps(common).encode()).response is None


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (HEAD.replace(b"GET", b"POST"), "other-method"),
        (HEAD.replace(b"GET /a", b"OPTIONS *"), "other-method"),
        (HEAD.replace(b"GET /a", b"GET *"), "no-request"),
        (HEAD.replace(b"GET /a HTTP/1.1", b"-"), "no-request"),
        (HEAD.replace(b"GET /a HTTP/1.1", b""), "no-request"),
        (HEAD.replace(b"GET /a HTTP/1.1", b"\\x16\\x03\\x01 \\x00"), "no-request"),
        (b'{"time":"2026-11-24T11:25:31Z","request":""}', "no-request"),
        (b'{"ts":1,"request":{"method":"GET"}}', "no-request"),
        (b'{"uri":"/","host":"${jndi:x}"}', "no-request"),
    ],
)
def test_lines_that_hold_no_fetch_are_named(line: bytes, want: str) -> None:
    """Other methods and requests that are none are in order, and no fetches."""
    assert parse_line(line, where="a.log:1", site=SITE) == want


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"hello", "no line of an access log: it has no [time], and is no JSON object"),
        (HEAD[:60], 'no line of an access log: after the time there is no "request" status size'),
        (HEAD.replace(b"192.0.2.1 - -", b"x"), "no line of an access log: before the time there is no host, identity and user"),
        (b'{"uri": "/', "no JSON: the line is cut off, or its values are not escaped (escape=json)"),
        (b"{" * 100_000, "no JSON: the line is cut off, or its values are not escaped (escape=json)"),
        (b'{"level": "info"}', "JSON without a request: none of its names is request, requesturi, uri, requestpath, url, path or like it"),
    ],
)  # fmt: skip
def test_broken_lines_say_what_is_wrong(line: bytes, what: str) -> None:
    """What is no line of a log is a fault with its place."""
    assert parse_line(line, where="a.log:1", site=SITE) == Fault(where="a.log:1", what=what)


def test_a_log_is_read_on_after_what_cannot_be_read(tmp_path: Path) -> None:
    """Garbage, a line without end and half a last line are faults by file and line; the rest is there."""
    log = tmp_path / "access.log"
    log.write_bytes(HEAD + b"\n\n\x00\xff\n" + b"x" * (MOST_LINE_BYTES * 2) + b"\n" + HEAD + b"\n" + HEAD[:50])
    counted: Counter[str] = Counter()
    entries = list(read_access_log(log, site=SITE, count=lambda name: counted.update([name])))
    assert [e.where.rpartition(":")[2] if isinstance(e, Fault) else e.url for e in entries] == [
        "https://example.org/a", "3", "4", "https://example.org/a", "6",
    ]  # fmt: skip
    assert counted == {"lines": 5, "bad-line": 3}


def test_gzip_is_known_by_its_bytes_and_may_be_cut_off(tmp_path: Path) -> None:
    """A rotated log is read by whatever name; where it is cut off the rest is a fault."""
    whole, cut = tmp_path / "access.log.2", tmp_path / "access.log.3.gz"
    packed = gzip.compress(b"".join(HEAD.replace(b"/a", b"/%d" % n) + b"\n" for n in range(5_000)), mtime=0)
    whole.write_bytes(packed)
    cut.write_bytes(packed[: len(packed) // 2])
    assert len([e for e in read_access_log(whole, site=SITE) if isinstance(e, Visit)]) == 5_000
    *_, last = read_access_log(cut, site=SITE)
    assert isinstance(last, Fault)
    assert "the gzip stream is broken here" in last.what


def test_a_log_that_is_not_there_is_an_edge_error(tmp_path: Path) -> None:
    """It says what, where and what to do next."""
    with pytest.raises(
        EdgeError, match=r"^access log .*missing\.log: No such file or directory; name a file that can be"
    ):
        list(read_access_log(tmp_path / "missing.log", site=SITE))


def test_rotated_logs_are_put_in_the_order_of_time(tmp_path: Path) -> None:
    """By the first time in each, whatever their names."""
    logs = {"access.log": b"24/Nov", "access.log.1": b"23/Nov", "access.log.2": b"22/Nov", "empty.log": b""}
    for name, day in logs.items():
        (tmp_path / name).write_bytes(HEAD.replace(b"24/Nov", day) if day else b"")
    order = in_order([tmp_path / name for name in logs], site=SITE)
    assert [path.name for path in order] == ["access.log.2", "access.log.1", "access.log", "empty.log"]


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=120).map(lambda tail: HEAD + tail),
        st.binary(max_size=120).map(lambda tail: b"{" + tail),
    )
)
def test_no_bytes_raise(line: bytes) -> None:
    """Whatever a line holds, it is a visit, a fault or a name; and it can be judged and summed up."""
    entry = parse_line(line, where="a.log:1", site=SITE)
    assert isinstance(entry, Visit | Fault | str)
    if isinstance(entry, Visit):
        entry.url.encode("ascii")


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["time", "ts", "@timestamp", "request", "uri", "url", "query", "host", "method", "status", "user_agent", "client_ip",
     "resp_headers", "headers", "sent_http_x_robots_tag", "scheme", "tls"]
)  # fmt: skip


ANYTHING = Visits(Said([Version("always", datetime(1, 1, 1, tzinfo=UTC), {}, ())], [SITE]), OPT_OUT)


@given(st.dictionaries(NAMES, JSON_VALUES | st.dictionaries(NAMES, JSON_VALUES), max_size=9), st.text(max_size=40))
def test_no_values_under_known_names_raise(line: dict[str, object], name: str) -> None:
    """A log of JSON may hold anything under the names that are known, and is judged all the same."""
    entry = parse_line(json.dumps({**line, "user_agent": name}).encode(), where="a.log:1", site=SITE)
    if isinstance(entry, Visit):
        assert ANYTHING.find(entry).outcome in set(Outcome)
        entry.url.encode("ascii")


# -- who came --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user_agent", "token", "purpose"),
    [
        (GPTBOT, "GPTBot", Purpose.TRAIN),
        (CLAUDEBOT, "ClaudeBot", Purpose.TRAIN),
        ("Mozilla/5.0 AppleWebKit/537.36; compatible; ChatGPT-User/1.0; +https://openai.com/bot", "ChatGPT-User", Purpose.AI_INPUT),
        ("Mozilla/5.0 (X) Safari/537.36; compatible; OAI-SearchBot/1.3; +https://openai.com/searchbot", "OAI-SearchBot", Purpose.SEARCH),
        ("Mozilla/5.0 (Macintosh) Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)", "Applebot", Purpose.SEARCH),
        ("Mozilla/5.0 (Macintosh) Safari/600.2.5 (Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)", "Amazonbot", Purpose.TRAIN),
        ("Mozilla/5.0 (compatible) Ai2Bot-Dolma (+https://www.allenai.org/crawler)", "Ai2Bot-Dolma", Purpose.TRAIN),
        ("gptbot", "GPTBot", Purpose.TRAIN),
        ("Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)", "MJ12bot", None),
        ("NotGPTBot/1.0", "NotGPTBot", None),
        ("GPTBot-Two/1.0", "GPTBot-Two", None),
        ("FooFetch/1 (+https://foo.example/GPTBot)", "FooFetch", None),
        ("Mozilla/5.0 (Windows NT 10.0) FooCrawler/2 (+https://foo.example/bot)", "FooCrawler", None),
        ("python-requests/2.32", "python-requests", None),
        ("Mozilla/5.0 (X11) Firefox/72.0 (compatible; +https://github.com/rom1504/img2dataset)", "img2dataset", Purpose.TRAIN),
        ("Mozilla/5.0 (X11) Firefox/72.0 (compatible; ours; +https://github.com/rom1504/img2dataset)", "ours", None),
    ],
)  # fmt: skip
def test_crawlers_are_told_by_whole_names(user_agent: str, token: str, purpose: Purpose | None) -> None:
    """No name is looked for inside another word, nor in the address at which to complain."""
    assert bot_named(user_agent) == Bot(token=token, purpose=purpose)


@pytest.mark.parametrize(
    "user_agent",
    [FIREFOX, "", "-", "'", "${jndi:ldap://x}", "() { :; }; /bin/x", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)",
     "Mozilla/5.0 (compatible; Konqueror/4.5; Linux)", "Opera/9.80 (X11) Presto/2.12", "Lynx/2.9.0", "123/4",
     "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 Chrome/120 Safari/537.36"],
)  # fmt: skip
def test_browsers_and_noise_name_no_crawler(user_agent: str) -> None:
    """Nobody is accused because of a word in a browser's User-Agent."""
    assert bot_named(user_agent) is None


@given(st.text(max_size=200))
def test_no_user_agent_raises(user_agent: str) -> None:
    """Whatever it holds, it names one crawler or none."""
    bot = bot_named(user_agent)
    assert bot is None or bot.token


@pytest.mark.parametrize(
    "text",
    [
        '{"creationTime": "x", "prefixes": [{"ipv4Prefix": "192.0.2.0/25"}, {"ipv4Prefix": "192.0.2.128/25"}, {"ipv6Prefix": "2001:db8::/48"}]}',
        '["192.0.2.0/24", "2001:db8::/48"]',
        "\ufeff# published 2026\n192.0.2.0/25 # half\n192.0.2.64/26\n192.0.2.128/25\n\n2001:db8::/48\n",
        '{"ranges": {"v4": ["192.0.2.0/24"], "v6": [{"ipv6_prefix": "2001:db8::1/48", "region": "x"}]}}',
    ],
)  # fmt: skip
def test_lists_of_addresses_verify_and_deny(tmp_path: Path, text: str) -> None:
    """JSON as operators publish it, and text; overlapping ranges are one; an IPv4 address may come as an IPv6 one."""
    (tmp_path / "list").write_text(text)
    addresses = read_addresses([f"gptbot={tmp_path / 'list'}"])
    bot = Bot(token="GPTBot", purpose=Purpose.TRAIN)
    for address in ("192.0.2.0", "192.0.2.255", "::ffff:192.0.2.77", "2001:db8:0:ffff::1"):
        assert addresses.verified(bot, address) is Verified.YES
    for address in ("192.0.1.255", "192.0.3.0", "2001:db8:1::", "::1", "0.0.0.0"):
        assert addresses.verified(bot, address) is Verified.NO
    for unknown in (None, "crawl.example.net", "unix:", "999.1.1.1"):
        assert addresses.verified(bot, unknown) is Verified.UNKNOWN
    assert addresses.verified(Bot(token="CCBot", purpose=None), "192.0.2.1") is Verified.UNKNOWN


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(16, 32)), max_size=12), st.integers(0, 2**32 - 1))
def test_membership_is_that_of_each_network(networks: list[tuple[int, int]], address: int) -> None:
    """The sorted ranges hold an address exactly when one of the networks does."""
    import ipaddress

    listed = [ipaddress.ip_network((first, bits), strict=False) for first, bits in networks]
    candidates = [
        address,
        *(int(n[0]) - 1 for n in listed),
        *(int(n[-1]) for n in listed),
        *(int(n[-1]) + 1 for n in listed),
    ]
    known = ranges(listed)
    for number in candidates:
        if 0 <= number < 2**32:
            one = ipaddress.IPv4Address(number)
            assert (one in known) == any(one in network for network in listed)


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("GPTBot", "", "--addresses 'GPTBot': write TOKEN=FILE, such as GPTBot=gptbot.json"),
        ("GPTBot={}", "192.0.2.0/24\nnonsense", "line 2: 'nonsense' is no address and no CIDR"),
        ("GPTBot={}", '{"prefixes": [{"ipv4Prefix": "x/y"}]}', "/prefixes/0/ipv4Prefix: 'x/y' is no address and no CIDR"),
        ("GPTBot={}", "{", "starts like JSON and is none"),
        ("GPTBot={}", "{}", "holds no address; whoever asks would be an impostor"),
        ("GPTBot={}.missing", "", "No such file or directory; name a list that the bot's operator publishes"),
    ],
)  # fmt: skip
def test_lists_that_cannot_be_used_are_the_operators_mistake(tmp_path: Path, option: str, text: str, says: str) -> None:
    """Each says the file, the place in it and what is wrong."""
    (tmp_path / "list").write_text(text)
    with pytest.raises(SettingsError, match=re.escape(says)):
        read_addresses([option.format(tmp_path / "list")])


def test_a_name_that_never_fetches_is_an_impostors() -> None:
    """Google-Extended only switches the use of what Googlebot fetched."""
    bot = bot_named(EXTENDED)
    assert bot is not None
    assert Addresses().verified(bot, "192.0.2.1") is Verified.NO


def test_purposes_can_be_given_by_token() -> None:
    """They are read by token in any case of letters; an unknown one says which are known."""
    assert read_purposes(["GPTBot=search"]) == {"gptbot": Purpose.SEARCH}
    with pytest.raises(SettingsError, match="write TOKEN=PURPOSE"):
        read_purposes(["GPTBot=eat"])


# -- what was said ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("/", [("A", "1")]),
        ("/pictures/x/y.png", [("A", "1"), ("X-Robots-Tag", "noai")]),
        ("/pictures", [("A", "1")]),
        ("/u/ann/posts", [("A", "1"), ("TDM-Reservation", "1")]),
        ("/u/ann/b/posts", [("A", "1")]),
        ("/u//posts", [("A", "1")]),
        ("/plain.html", []),
        ("/x.pdf", [("A", "1"), ("B", "a: b")]),
    ],
)
def test_headers_files_are_applied_in_order(tmp_path: Path, path: str, want: list[tuple[str, str]]) -> None:
    """Stars, names for a part of a path, fields taken away, absolute URLs of this host and of others."""
    (tmp_path / "2026-01-01").mkdir()
    (tmp_path / "2026-01-01" / "_headers").write_text(
        "# all\n/*\n  A: 1\n\n/pictures/*\n\tX-Robots-Tag:noai\n/u/:name/posts\n  TDM-Reservation: 1\n/plain.html\n  ! a\n"
        "https://example.org/*.pdf\n  B: a: b\nhttps://other.example/*\n  C: 1\n"
    )
    said = Said.read(tmp_path, [SITE])
    assert list(said.versions[0].fields("example.org", path)) == want


def test_a_star_of_a_headers_file_takes_what_it_must() -> None:
    """Several stars and parts match whenever any division of the path does."""
    rule = next(iter(read_headers("/*/a*a/:x/b\n  A: 1\n", where=Path("_headers"))))
    assert matches(rule.pattern, "/1/2/aa/3/b")
    assert matches(rule.pattern, "/1/aXa/aYa/z/b")
    assert not matches(rule.pattern, "/1/a/3/b")
    assert not matches(rule.pattern, "/1/aa/3/bb")


@given(st.text(alphabet="/*:ab\n #!X", max_size=60), st.text(alphabet="/ab:*", max_size=40))
def test_no_headers_file_raises_but_for_the_operators_mistake(text: str, path: str) -> None:
    """Whatever is in it, it has rules that match or do not, or its line is named."""
    rules = _rules(text)
    if isinstance(rules, str):
        assert rules.startswith("--said _headers: line ")
    else:
        assert {matches(rule.pattern, path) for rule in rules} <= {True, False}


def _rules(text: str) -> list[Rule] | str:
    try:
        return list(read_headers(text, where=Path("_headers")))
    except SettingsError as error:
        return str(error)


@given(st.lists(st.sampled_from(["*", "/:x", "/", "a", "b"]), max_size=6), st.text(alphabet="/ab", max_size=12))
def test_a_path_matches_exactly_when_an_expression_of_the_same_meaning_does(parts: list[str], path: str) -> None:
    """The witness is re, which this module may not be built from."""
    place = "/" + "".join(parts)
    rule = next(iter(read_headers(f"{place}\n", where=Path("_headers"))))
    spelled = re.sub(r"(?<=/):[A-Za-z]\w*", "\0", place)
    meaning = "".join({"*": ".*", "\0": "[^/]+"}.get(c, re.escape(c)) for c in spelled)
    assert matches(rule.pattern, path) == (re.fullmatch(meaning, path) is not None)


def test_what_the_log_says_was_sent_beats_what_was_to_be_sent(tmp_path: Path) -> None:
    """_headers speaks only for the fields that the log does not speak of."""
    _write(tmp_path / "2026-01-01", {"_headers": "/*\n  X-Robots-Tag: noai\n  TDM-Reservation: 1\n"})
    said = Said.read(tmp_path, [SITE])
    line = {"time": "2026-11-24T11:25:31Z", "uri": "/", "user_agent": CCBOT}
    silent = said.answered(_one(json.dumps({**line, "sent_http_x_robots_tag": ""}).encode()))
    assert silent.response is not None
    assert silent.response.headers == (("TDM-Reservation", "1"),)
    caddy = said.answered(_one(json.dumps({**line, "resp_headers": {}}).encode()))
    assert caddy.response is not None
    assert caddy.response.headers == ()


def test_a_plain_folder_stands_since_the_date_that_is_given(tmp_path: Path) -> None:
    """The same words refuse after the date, and are unknowable before it; a missing document was a 404."""
    _write(tmp_path, {"robots.txt": "User-agent: *\nDisallow: /\n"})
    said = Said.read(tmp_path, [SITE], since="2026-11-24T11:25:31+00:00")
    after, before = _one(HEAD), _one(HEAD.replace(b"11:25:31", b"11:25:30"))
    seen = said.before(after)
    assert isinstance(seen, tuple)
    assert [(o.document.url.removeprefix("https://example.org"), o.status) for o in seen] == [
        ("/robots.txt", 200), ("/ai.txt", 404), ("/trust.txt", 404), ("/.well-known/trust.txt", 404),
        ("/.well-known/tdmrep.json", 404),
    ]  # fmt: skip
    assert said.before(after) is seen
    earlier = said.before(before)
    assert isinstance(earlier, InPart)
    assert earlier.why == "nothing is known of what the site said before 2026-11-24T11:25:31Z"


def test_a_fetch_without_a_time_or_of_another_site_is_unknowable(tmp_path: Path) -> None:
    """The folders speak for the site's hosts in both schemes, and for times that are known."""
    _write(tmp_path, {"robots.txt": "User-agent: *\nDisallow: /\n"})
    visits = Visits(Said.read(tmp_path, [SITE], since="2026-01-01"), OPT_OUT)
    asked = HEAD + b' "-" "CCBot/2.0"'
    lines = {
        asked.replace(b" +0000", b""): (U, "no-time"),
        b"other.example " + asked: (U, "other-site"),
        asked.replace(b"/a ", b"http://example.org/a "): (R, "robots.txt"),
        asked: (R, "robots.txt"),
    }
    for line, want in lines.items():
        found = visits.find(_one(line))
        assert (found.outcome, found.reason) == want


@pytest.mark.parametrize(
    ("files", "since", "says"),
    [
        ({}, None, "holds no dated folder such as 2026-10-01, and no document of a site"),
        ({"spring/robots.txt": ""}, None, "is no date; write it like 2026-10-01 or 2026-10-01T12:30:00Z"),
        ({"2026-10-01T00:00:00/robots.txt": ""}, None, "says no offset from UTC; write it like 2026-10-01T12:30:00Z"),
        ({"2026-10-01/a": "", "2026-10-01T00:00:00Z/a": ""}, None, "are the same time; keep one of them"),
        ({"2026-10-01/robots.txt": ""}, "2026-10-01", "leave --said-since out"),
        ({"robots.txt": "", "2026-10-01/robots.txt": ""}, None, "holds robots.txt and the dated folder 2026-10-01"),
        ({"robots.txt": ""}, None, "since when does it stand? say it with --said-since"),
        ({"robots.txt": ""}, "yesterday", "--said-since yesterday: is no date"),
        ({"2026-10-01/_headers": "X-Robots-Tag: noai\n"}, None, "line 1: 'X-Robots-Tag: noai' is no path; fields are indented"),
        ({"2026-10-01/_headers": "/\n  noai\n"}, None, "line 2: 'noai' is no 'Name: value' under a path"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_used_are_the_operators_mistake(
    tmp_path: Path, files: dict[str, str], since: str | None, says: str
) -> None:
    """Each says the folder or line, and what to write instead."""
    _write(tmp_path, files)
    with pytest.raises(SettingsError, match=re.escape(says)):
        Said.read(tmp_path, [SITE], since=since)


# -- what follows ----------------------------------------------------------------------------------------------------


def test_what_was_read_before_a_refusal_is_told_by_time_and_text(tmp_path: Path) -> None:
    """A look within 24 hours at the same text, at another, longer ago, or none; and not that of an impostor."""
    closed = {"robots.txt": "User-agent: *\nDisallow: /\n"}
    said = _said(tmp_path / "said", {AT - timedelta(days=9): {}, AT: closed}, str(SITE))
    (tmp_path / "list").write_text("192.0.2.0/24")
    visits = Visits(said, OPT_OUT, addresses=read_addresses([f"CCBot={tmp_path / 'list'}"]))

    def visit(path: str, at: datetime, address: str = "192.0.2.1") -> Finding:
        stamp = at.strftime("%d/%b/%Y:%H:%M:%S +0000")
        return visits.find(_one(f'{address} - - [{stamp}] "GET {path} HTTP/1.1" 200 1 "-" "{CCBOT}"'.encode()))

    hour = timedelta(hours=1)
    visit("/robots.txt", AT, "203.0.113.5")
    assert visit("/a", AT).why.endswith("; it never read /robots.txt in these logs")
    visit("/robots.txt", AT - hour)
    assert visit("/a", AT + hour).why.endswith("; it had read /robots.txt 2 h before, which said something else then")
    visit("/robots.txt", AT + 2 * hour)
    assert visit("/a", AT + 26 * hour).why.endswith("; it had read /robots.txt 24 h before, which said the same")
    assert visit("/a", AT + 27 * hour).why.endswith("; it had read /robots.txt 25 h before")
    honest = next(v for v in visits.summary().visitors if not v.impostor)
    assert honest.read == {Read.NEVER: 1, Read.CHANGED: 1, Read.KNEW: 1, Read.LONG_AGO: 1}
    assert honest.last_look_before_refused_at == AT + 2 * hour


def test_a_license_or_policy_that_is_named_may_be_asked_for(tmp_path: Path) -> None:
    """Whoever reads what robots.txt names asks what is allowed, even where all else is closed."""
    robots = "License: https://example.org/rsl.xml\nUser-agent: *\nDisallow: /\n"
    _write(tmp_path, {"robots.txt": robots})
    visits = Visits(Said.read(tmp_path, [SITE], since="2026-01-01"), OPT_OUT)
    asked = HEAD + b' "-" "CCBot/2.0"'
    assert visits.find(_one(asked.replace(b"/a", b"/rsl.xml"))).reason == "look"
    assert visits.find(_one(asked.replace(b"/a", b"/other.xml"))).outcome is R


def test_a_license_that_was_not_kept_leaves_what_it_may_refuse_unknowable(tmp_path: Path) -> None:
    """robots.txt names terms that are not in the folder: nothing is allowed by guess."""
    _write(tmp_path, {"robots.txt": "License: https://example.org/rsl.xml\nUser-agent: *\nAllow: /\n"})
    visits = Visits(Said.read(tmp_path, [SITE], since="2026-01-01"), OPT_OUT)
    found = visits.find(_one(HEAD + b' "-" "CCBot/2.0"'))
    assert (found.outcome, found.reason) == (U, "license")


def test_names_that_are_made_up_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand names are told apart, and what more there is takes no more memory."""
    monkeypatch.setattr("askfirst.review.visits.MAX_TOKENS", 3)
    _write(tmp_path, {"robots.txt": ""})
    visits = Visits(Said.read(tmp_path, [SITE], since="2026-01-01"), OPT_OUT)
    for number in range(9):
        visits.find(_one(HEAD + f' "-" "Made{number}Up/1"'.encode()))
    assert [(v.token, v.fetches) for v in visits.summary().visitors] == [
        (OTHERS, 6), ("Made0Up", 1), ("Made1Up", 1), ("Made2Up", 1),
    ]  # fmt: skip


def test_a_purpose_that_is_given_goes_before_the_known_one(tmp_path: Path) -> None:
    """What a bot is for decides whether a reservation against training is one against it."""
    _write(tmp_path, {".well-known/tdmrep.json": '[{"location": "/*", "tdm-reservation": 1}]'})
    said = Said.read(tmp_path, [SITE], since="2026-01-01")
    line = HEAD + b' "-" "Unheard/1.0"'
    assert Visits(said, OPT_OUT).find(_one(line)).outcome is A
    assert Visits(said, OPT_OUT, unknown_purpose=Purpose.TRAIN).find(_one(line)).outcome is R
    assert Visits(said, OPT_OUT, purposes={"unheard": Purpose.TDM}).find(_one(line)).outcome is R


def test_tokens_with_digits_are_told_apart_in_robots_txt(tmp_path: Path) -> None:
    """RFC 9309 allows no digits in a product token; the groups that name such bots are meant for them all the same."""
    _write(tmp_path, {"robots.txt": "User-agent: AI2Bot\nUser-agent: MJ12bot\nDisallow: /\n"})
    visits = Visits(Said.read(tmp_path, [SITE], since="2026-01-01"), OPT_OUT)
    for name in ("AI2Bot", "MJ12bot"):
        assert visits.find(_one(HEAD + f' "-" "Mozilla/5.0 (compatible; {name}/v1; +x)"'.encode())).outcome is R
    assert visits.find(_one(HEAD + b' "-" "MJ13bot/1"')).outcome is A
