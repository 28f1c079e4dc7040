"""Settings to Gate: the only room that knows every edge.

The operator's mistakes are found here, before anything starts: :class:`SettingsError` says which setting, what is wrong
and what to write instead.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from askfirst.addresses import AddressError, AddressPolicy
from askfirst.edges import c2pa_manifest
from askfirst.edges.cache_memory import MemoryCache
from askfirst.edges.cache_sqlite import SqliteCache
from askfirst.edges.decision_log import MerkleLog
from askfirst.edges.evidence_warc import WarcEvidence
from askfirst.edges.fetch_http import HttpFetch
from askfirst.edges.registry_http import HttpRegistry
from askfirst.edges.registry_sqlite import SqliteRegistry
from askfirst.gate import Gate, utc_now
from askfirst.ledger.keys import KeyFileError, KeyFolder
from askfirst.looking import Count
from askfirst.ports import Cache, EdgeError, Inspect, Registry, SettingsError
from askfirst.recording import NoRecord, Record, Recording
from askfirst.rights.model import Agent, Purpose
from askfirst.rights.policy import PROFILES, STRICT, Mode, Policy, PolicyError, default_profile, parse_policy
from askfirst.rights.signals import PROTOCOLS
from askfirst.rights.training_mining import PROTOCOL as C2PA

DEFAULT_OUT = "askfirst-record"
DEFAULT_USER_AGENT = "AskFirstBot/0.1 (+https://askfirst.example/bot)"
REDIS_SCHEMES = frozenset(
    {"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}
)
TOKEN = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is told. ``out`` None keeps no record on disk and is for looking only."""

    user_agent: str = DEFAULT_USER_AGENT
    product_token: str | None = None
    purpose: Purpose = Purpose.TRAIN
    policy: Policy | None = None
    out: Path | None = Path(DEFAULT_OUT)
    cache: str | None = None
    registries: tuple[str, ...] = ()
    registry_token: str | None = None
    addresses: AddressPolicy | None = None
    look_timeout_s: float = 20
    c2pa_trust: Path | None = None
    keys: Path | None = None
    timestamps: str | None = None

    @property
    def agent(self) -> Agent:
        """Who asks; raises SettingsError when no product token can be found."""
        return agent_of(self.user_agent, self.product_token)

    @property
    def chosen_policy(self) -> Policy:
        """The policy given, or the profile that is the default for the purpose."""
        return self.policy if self.policy is not None else default_profile(self.purpose)


def parse_purpose(text: str) -> Purpose:
    """The purpose of that name; raises SettingsError."""
    try:
        return Purpose(text)
    except ValueError:
        raise SettingsError(f"purpose: {text!r} is none of {', '.join(Purpose)}") from None


def agent_of(user_agent: str, product_token: str | None = None) -> Agent:
    """The agent behind an HTTP User-Agent. The token is the product name (``ExBot/1.0 …``) or, behind a browser's
    name, the first product after ``compatible;``. Raises SettingsError when there is none."""
    token = product_token or _token_in(user_agent)
    if not TOKEN.fullmatch(token):
        raise SettingsError(
            f"ASKFIRST_AGENT: {token!r} is no product token (RFC 9309 section 2.2.1 allows letters, '-' and '_'); "
            "set USER_AGENT to something like 'ExampleBot/1.0 (+https://example.org/bot)', "
            "or ASKFIRST_AGENT to 'ExampleBot'",
        )
    return Agent(product_token=token, user_agent=user_agent)


def _token_in(user_agent: str) -> str:
    text = user_agent.strip()
    if text.lower().startswith("mozilla/"):
        named = re.search(r"compatible;\s*([^\s;/()]+)", text, re.IGNORECASE)
        return named.group(1) if named else ""
    found = TOKEN.match(text)
    return found.group() if found else ""


def load_policy(name_or_path: str) -> Policy:
    """A shipped profile by name, or a TOML file by path. Raises PolicyError."""
    if name_or_path in PROFILES:
        return PROFILES[name_or_path]
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(PROFILES)
        raise PolicyError(
            f"policy {name_or_path!r}: is no profile ({known}) and no file that can be read: {error.strerror}",
        ) from None
    except UnicodeDecodeError:
        raise PolicyError(f"{name_or_path}: not UTF-8, and so not TOML") from None
    return parse_policy(text, where=name_or_path, protocols=PROTOCOLS)


def parse_addresses(allow_private: Sequence[str], resolve: Mapping[str, str] | Sequence[str]) -> AddressPolicy:
    """The address policy; raises SettingsError."""
    try:
        return AddressPolicy(allow_private=allow_private, resolve=resolve)
    except AddressError as error:
        raise SettingsError(str(error)) from None


def new_run() -> str:
    """The name of a run: when it began, which process, and chance, so that no two runs share a file."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}-{secrets.token_hex(3)}"


def open_cache(url: str | None, out: Path | None) -> Cache:
    """The shared store: SQLite in the output directory, ``memory:``, a SQLite path, or a Redis URL. Raises
    SettingsError."""
    if url == "memory:" or (url is None and out is None):
        return MemoryCache(clock=time.time)
    if url is None:
        assert out is not None
        return SqliteCache(out / "cache.sqlite", clock=time.time)
    scheme = urlsplit(url).scheme
    if scheme in REDIS_SCHEMES:
        # A crawl without Redis need not load its client.
        from askfirst.edges.cache_redis import RedisCache  # noqa: PLC0415

        try:
            return RedisCache(url)
        except ValueError as error:
            raise SettingsError(str(error)) from None
    if scheme == "sqlite":
        return SqliteCache(Path(url.partition(":")[2].removeprefix("//")), clock=time.time)
    if "://" in url:
        raise SettingsError(f"cache {url!r}: unknown scheme; write redis://…, sqlite:PATH or memory:")
    return SqliteCache(Path(url), clock=time.time)


def open_registry(spec: str, *, token: str | None = None, user_agent: str = DEFAULT_USER_AGENT) -> Registry:
    """A consent registry: an http(s) endpoint or a local file. Raises SettingsError."""
    if spec.startswith(("http://", "https://")):
        try:
            return HttpRegistry(spec, clock=utc_now, token=token, user_agent=user_agent)
        except ValueError as error:
            raise SettingsError(f"registry {spec!r}: {error}") from None
    path = Path(spec)
    if not path.exists():
        raise SettingsError(
            f"registry {spec!r}: no such file; make it with 'askfirst registry import RECORDS --registry {spec}'",
        )
    return SqliteRegistry(path, name=str(path), clock=utc_now)


def open_inspect(policy: Policy = STRICT, trust: Path | None = None) -> Inspect:
    """What validates C2PA manifests, where c2pa-python is installed and the policy asks; else what sees nothing.
    ``trust`` is a PEM file of the root certificates of trusted signers. Raises SettingsError."""
    anchors = None if trust is None else _anchors(trust)
    if policy.mode(C2PA) is Mode.OFF or not c2pa_manifest.available():
        return lambda _response, _inside: ()
    try:
        return c2pa_manifest.C2paManifest(anchors)
    except EdgeError as error:
        raise SettingsError(f"ASKFIRST_C2PA_TRUST {str(trust)!r}: {error}") from None


def _anchors(trust: Path) -> str:
    if not c2pa_manifest.available():
        raise SettingsError("ASKFIRST_C2PA_TRUST: needs c2pa-python; install askfirst[c2pa], or leave the setting out")
    try:
        return trust.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"ASKFIRST_C2PA_TRUST {str(trust)!r}: {error.strerror}; name a PEM file of root certificates"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"ASKFIRST_C2PA_TRUST {str(trust)!r}: not text, and so not PEM") from None


def open_gate(
    settings: Settings,
    *,
    run: str | None = None,
    count: Count = lambda _name: None,
    clock: Callable[[], datetime] = utc_now,
) -> Gate:
    """The gate for these settings. Raises SettingsError, PolicyError, or EdgeError when the output directory cannot
    be made."""
    run = run or new_run()
    agent = settings.agent
    # Before anything is written: a mistake in any setting leaves nothing behind.
    cache = open_cache(settings.cache, settings.out)
    registries = [
        open_registry(spec, token=settings.registry_token, user_agent=settings.user_agent)
        for spec in settings.registries
    ]
    inspect = open_inspect(settings.chosen_policy, settings.c2pa_trust)
    record: Record = NoRecord()
    if settings.out is not None:
        _make(settings.out)
        record = open_record(settings.out, run=run, keys=settings.keys, timestamps=settings.timestamps, clock=clock)
    return Gate(
        agent=agent,
        policy=settings.chosen_policy,
        fetch=HttpFetch(
            user_agent=settings.user_agent,
            addresses=settings.addresses or AddressPolicy(),
            timeout_s=settings.look_timeout_s,
            connect_timeout_s=min(10, settings.look_timeout_s),
            clock=clock,
        ),
        cache=cache,
        record=record,
        registries=registries,
        inspect=inspect,
        worker=run,
        # A look takes no longer than this, so a claim that lasts longer belongs to a dead worker.
        claim_s=math.ceil(settings.look_timeout_s) + 5,
        clock=clock,
        count=count,
    )


def open_record(
    out: Path,
    *,
    run: str,
    keys: Path | None = None,
    timestamps: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Record:
    """The record of a run in an output directory, signed with the key in ``keys``, else in ``keys_folder()``;
    ``timestamps`` is the URL of an authority (RFC 3161). Raises SettingsError when there is no key to sign with, and
    EdgeError."""
    folder = KeyFolder(keys or keys_folder())
    try:
        key, rotations = folder.current(), folder.rotations()
    except KeyFileError as error:
        raise SettingsError(str(error)) from None
    evidence: WarcEvidence | None = None

    def evidence_first() -> None:
        if evidence is not None:
            evidence.sync()

    log = MerkleLog(
        out,
        run=run,
        key=key,
        clock=clock,
        rotations=rotations,
        before_commit=evidence_first,
        stamp=None if timestamps is None else open_timestamps(timestamps),
    )
    evidence = WarcEvidence(out / "evidence", run=run, clock=clock, leaf=log.note_evidence, before_first=log.list_run)
    return Recording(evidence, log)


def open_timestamps(url: str) -> Callable[[bytes], bytes]:
    """What has an authority put its time under a message. Raises SettingsError."""
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"ASKFIRST_TIMESTAMPS {url!r}: no http(s) URL of a time stamp authority (RFC 3161)")
    # rfc3161-client is an extra, and most records have no authority.
    from askfirst.edges.timestamp_http import HttpTimestamps  # noqa: PLC0415

    return HttpTimestamps(url).stamp


def keys_folder() -> Path:
    """Where the signing key of this person or machine is: ``ASKFIRST_KEYS``, else the user's configuration directory.
    Raises SettingsError."""
    named = os.environ.get("ASKFIRST_KEYS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(base) if base else Path.home() / ".config") / "askfirst"
    except RuntimeError:
        raise SettingsError("ASKFIRST_KEYS: there is no home directory; name a folder for the signing key") from None


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgeError(f"output directory {out}: {error.strerror}; name one that can be written with --out") from None
