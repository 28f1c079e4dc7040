"""What c2pa-python finds in the bytes of a work: the state of its C2PA manifest and the training-mining assertions.

It reports and judges nothing: what follows is in askfirst.rights.signals.c2pa_report. The library is an extra
(``askfirst[c2pa]``) and is loaded when the first manifest is met.

1. A work in which askfirst.rights.inside finds no manifest store costs no more than that look, and one whose store has
   no assertion about mining little more: most have none.
2. Nobody is asked: no remote manifest, no OCSP, no resolving of identities, and no host that could be.
3. Whatever the library makes of the bytes is its answer: a manifest that it cannot read is reported as unreadable.
4. The same bytes, anchors and library give the same report on the same day: certificates run out.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from askfirst.ports import EdgeError
from askfirst.rights.media import content_type, media_type
from askfirst.rights.model import Document, Kind, Observation
from askfirst.rights.signals.c2pa_report import REPORT_TYPE, UNREADABLE
from askfirst.rights.signals.c2pa_store import STORE_TYPES
from askfirst.rights.training_mining import label_of
from askfirst.rights.wire import Json, canonical

_NO_QUESTIONS: Final[Mapping[str, object]] = {
    "core": {
        "allowed_network_hosts": [],
        "decode_identity_assertions": False,
        "max_decompressed_manifest_size_in_mb": 16,
    },
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_LABEL_END: Final = b".training-mining"
_COMPRESSED: Final = b"brob"
_MOST_PROBLEMS: Final = 8
_MOST_ASSERTIONS: Final = 200
_MOST_DATA_BYTES: Final = 65_536


def available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("c2pa") is not None


class C2paManifest:
    """Inspects works; satisfies :class:`askfirst.ports.Inspect`. ``anchors`` are the root certificates of signers who
    are trusted, in PEM; None trusts nobody. Raises EdgeError when they cannot be used."""

    def __init__(self, anchors: str | None = None) -> None:
        self._anchors = anchors
        self._c2pa: Any = None
        self._context: Any = None
        self._nothing_there: tuple[type[Exception], ...] = ()
        self._by: dict[str, Json] = {}
        if anchors is not None:
            _check(anchors)
            try:
                self._open()
            except Exception as error:  # noqa: BLE001  # the library's own cannot be named before it is loaded
                raise EdgeError(f"the trust anchors cannot be used: {_in_a_line(error)}") from None

    def __call__(self, response: Observation, inside: Sequence[Observation]) -> Sequence[Observation]:
        """One report, where a manifest store in the whole body of a response may speak of mining."""
        if response.truncated or not any(map(_may_speak, inside)):
            return ()
        try:
            if self._context is None:
                self._open()
            report = self._report(response)
        except Exception as error:  # noqa: BLE001  # rule 3
            if isinstance(error, self._nothing_there):
                return ()
            report = {"state": UNREADABLE, "active": None, "assertions": [], "problems": [_in_a_line(error)]}
        document = Document(kind=Kind.ASSET, url=response.document.url)
        headers = (("Content-Type", REPORT_TYPE),)
        body = canonical({**report, **self._by})
        return (Observation(document=document, headers=headers, body=body, observed_at=response.observed_at),)

    def context(self) -> Any:
        """The library's context with our settings: for whoever compares with the library itself."""
        if self._context is None:
            self._open()
        return self._context

    def _open(self) -> None:
        c2pa: Any = importlib.import_module("c2pa")
        trust = {} if self._anchors is None else {"trust": {"trust_anchors": self._anchors}}
        self._context = c2pa.Context.from_dict({**_NO_QUESTIONS, **trust})
        self._c2pa = c2pa
        self._nothing_there = (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported)
        self._by = {"by": f"c2pa {c2pa.sdk_version()}"}
        if self._anchors is not None:
            self._by["anchors"] = "sha256:" + hashlib.sha256(self._anchors.encode("utf-8", "replace")).hexdigest()

    def _report(self, response: Observation) -> dict[str, Json]:
        with self._c2pa.Reader(media_type(response), io.BytesIO(response.body), context=self._context) as reader:
            found = msgspec.json.decode(reader.json(), type=_Store)
        active = found.manifests.get(found.active_manifest or "", _Manifest())
        others = [
            {"manifest": label, **one}
            for label, manifest in sorted(found.manifests.items())
            if label != found.active_manifest
            for one in _about_mining(manifest)
        ]
        report: dict[str, Json] = {
            "state": found.validation_state or UNREADABLE,
            "active": found.active_manifest,
            "assertions": list(_about_mining(active)),
            "problems": list(dict.fromkeys(status.code for status in found.validation_status))[:_MOST_PROBLEMS],
        }
        if others:
            report["others"] = others[:_MOST_ASSERTIONS]
        return report


def _check(anchors: str) -> None:
    """c2pa-python takes a private key or a torn certificate for an anchor and then trusts nobody; an operator should
    know at once."""
    blocks = re.findall("-----BEGIN ([A-Z0-9 ]+)-----", anchors)
    other = next((name for name in blocks if name != "CERTIFICATE"), None)
    if not blocks or other is not None:
        raise EdgeError(f"the trust anchors must be certificates in PEM, and there is {other or 'none'}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=anchors)
    except (ssl.SSLError, ValueError) as error:
        raise EdgeError(f"the trust anchors hold a certificate that cannot be read: {_in_a_line(error)}") from None


def _may_speak(packet: Observation) -> bool:
    """Whether it is a manifest store that may hold an assertion about mining: by its label, or out of sight."""
    return content_type(packet) in STORE_TYPES and (
        packet.truncated or any(mark in packet.body for mark in (_LABEL_END, _COMPRESSED))
    )


class _Assertion(msgspec.Struct):
    label: str
    data: object = None


class _Manifest(msgspec.Struct):
    assertions: list[_Assertion] = []


class _Status(msgspec.Struct):
    code: str


class _Store(msgspec.Struct):
    """What is used of the JSON that the library makes of a manifest store."""

    active_manifest: str | None = None
    manifests: dict[str, _Manifest] = {}
    validation_state: str | None = None
    validation_status: list[_Status] = []


def _about_mining(manifest: _Manifest) -> Iterator[dict[str, Json]]:
    said = [one for one in manifest.assertions if label_of(one.label) is not None]
    for one in said[:_MOST_ASSERTIONS]:
        data = _plain(one.data)
        yield {"label": one.label, "data": data if len(canonical(data)) <= _MOST_DATA_BYTES else None}


def _plain(value: object) -> Json:
    """The value with what canonical JSON does not have, as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return str(value)


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
