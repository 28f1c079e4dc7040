"""Makes C2PA manifest stores by hand, and real signed pictures with c2pa-python.

By hand: ``store(manifest(…), …)``, whose last manifest is the active one; ``assertion(label, entries)`` in CBOR or JSON;
``in_png(store)``. Signed: ``Signer()`` has a root, a certificate and a key of its own; ``signer.sign(picture, …)`` gives
the picture with its manifest. ``python -m tests.c2pa_works`` prints stores as the case files have them.

Nothing is fetched: no time stamp authority, no remote manifest.
"""

from __future__ import annotations

import importlib
import io
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from PIL import Image

Entries = Mapping[str, object]

# -- by hand ----------------------------------------------------------------------------------------------------------

_UUID_END: Final = bytes.fromhex("00110010800000aa00389b71")
ACTIVE: Final = "urn:uuid:active"
INGREDIENT: Final = "urn:uuid:ingredient"


def box(kind: bytes, contents: bytes, *, wide: bool = False) -> bytes:
    """A box; ``wide`` writes its length in eight bytes."""
    if wide:
        return struct.pack(">I", 1) + kind + struct.pack(">Q", 16 + len(contents)) + contents
    return struct.pack(">I", 8 + len(contents)) + kind + contents


def superbox(kind: bytes, label: str, *contents: bytes, wide: bool = False) -> bytes:
    """A superbox with its description."""
    description = kind + _UUID_END + b"\x03" + label.encode() + b"\0"
    return box(b"jumb", box(b"jumd", description) + b"".join(contents), wide=wide)


def assertion(label: str, data: object, *, as_json: bool = False) -> bytes:
    """An assertion in CBOR, or in JSON."""
    if as_json:
        return superbox(b"json", label, box(b"json", json.dumps(data).encode()))
    return superbox(b"cbor", label, box(b"cbor", cbor2.dumps(data)))


def manifest(*assertions: bytes, label: str = ACTIVE, kind: bytes = b"c2ma") -> bytes:
    """A manifest with an assertion store, a claim and a signature that nobody will take for one."""
    return superbox(
        kind,
        label,
        superbox(b"c2as", "c2pa.assertions", *assertions),
        superbox(b"c2cl", "c2pa.claim", box(b"cbor", cbor2.dumps({"dc:format": "image/png"}))),
        superbox(b"c2cs", "c2pa.signature", box(b"cbor", b"\xf6")),
    )


def store(*manifests: bytes, wide: bool = False) -> bytes:
    """A manifest store; the last manifest is the active one."""
    return superbox(b"c2pa", "c2pa", *manifests, wide=wide)


def mining(
    use: str = "notAllowed", *, key: str = "cawg.ai_training", info: str | None = None, more: Entries | None = None
) -> bytes:
    """A CAWG assertion of one entry, and ``more``."""
    entry: dict[str, object] = {"use": use} if info is None else {"use": use, "constraint_info": info}
    return assertion("cawg.training-mining", {"entries": {key: entry, **(more or {})}})


def in_png(manifest_store: bytes) -> bytes:
    """A picture that carries the store."""
    plain = png()
    chunk = b"caBX" + manifest_store
    return (
        plain[:33] + struct.pack(">I", len(manifest_store)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
    )


def _stores() -> dict[str, bytes]:
    """The stores of tests/cases/c2pa, by name."""
    no = {"use": "notAllowed"}
    old = assertion("c2pa.training-mining", {"entries": {"c2pa.data_mining": {"use": "allowed"}}})
    refused = manifest(mining())
    whole = store(refused)
    silent = manifest(assertion("stds.exif", {"exif:GPSVersionID": "2.2.0.0"}))
    part = manifest(mining(), label=INGREDIENT)
    within = whole.index(b"c2pa.assertions") - 33
    return {
        "cawg-training": whole,
        "cawg-generative": store(manifest(mining(key="cawg.ai_generative_training"))),
        "cawg-inference": store(manifest(mining(key="cawg.ai_inference"))),
        "cawg-mining": store(manifest(mining(key="cawg.data_mining"))),
        "cawg-both-trainings": store(manifest(mining(more={"cawg.ai_generative_training": no}))),
        "c2pa-old-label": store(manifest(assertion("c2pa.training-mining", {"entries": {"c2pa.ai_training": no}}))),
        "c2pa-allowed-cawg-not": store(manifest(old, mining(key="cawg.data_mining"))),
        "constrained": store(manifest(mining("constrained"))),
        "constrained-text": store(manifest(mining("constrained", info="Ask https://artist.example/licence, please."))),
        "constrained-address": store(manifest(mining("constrained", info="https://artist.example/licence"))),
        "constraints-info": store(
            manifest(
                assertion(
                    "cawg.training-mining",
                    {"entries": {"cawg.data_mining": {"use": "constrained", "constraints_info": "only for research"}}},
                )
            )
        ),
        "without-entries": store(manifest(assertion("cawg.training-mining", {"cawg.ai_training": no}))),
        "json": store(manifest(assertion("cawg.training-mining", {"entries": {"cawg.ai_training": no}}, as_json=True))),
        "instance": store(manifest(assertion("cawg.training-mining__1", {"entries": {"cawg.ai_training": no}}))),
        "version": store(manifest(assertion("c2pa.training-mining.v2__3", {"entries": {"c2pa.ai_training": no}}))),
        "ingredient": store(part, silent),
        "update": store(refused, manifest(label="urn:uuid:update", kind=b"c2um")),
        "ingredient-before-update": store(part, silent, manifest(label="urn:uuid:update", kind=b"c2um")),
        "c2pa-allowed": store(manifest(old)),
        "silent": store(silent),
        "compressed": store(superbox(b"c2cm", ACTIVE, box(b"brob", b"jumb\x0b\x02\x80hello\x03"))),
        "cut-before": store(silent, refused)[: store(silent, refused).index(b"stds.exif")],
        "cut-after": whole[: whole.index(b"c2pa.claim")],
        "broken-length": whole[:within] + b"\0\0\0\x05" + whole[within + 4 :],
        "broken": store(silent).replace(b"jumdc2as", b"jumbc2as"),
        "broken-cbor": whole.replace(b"jnotAllowed", b"\xffnotAllowed"),
        "key-twice": store(
            manifest(
                superbox(
                    b"cbor",
                    "cawg.training-mining",
                    box(b"cbor", b"\xa1gentries\xa2" + 2 * b"pcawg.ai_training\xa1cusegallowed"),
                )
            )
        ),
        "no-table": store(manifest(assertion("cawg.training-mining", ["notAllowed"]))),
        "unknown-use": store(manifest(mining("maybe"))),
        "other-spelling": store(manifest(mining("Not Allowed"))),
        "no-object": store(manifest(assertion("cawg.training-mining", {"entries": {"ai_training": "notAllowed"}}))),
        "other-key": store(manifest(mining(key="org.example.sculpture"))),
        "remote": store(
            manifest(
                assertion(
                    "c2pa.cloud-data", {"label": "c2pa.training-mining", "size": 99, "location": {"url": "https://x"}}
                )
            )
        ),
        "wide": store(refused, wide=True),
        "to-the-end": b"\0\0\0\0" + whole[4:],
        "shared": store(
            manifest(
                superbox(
                    b"cbor",
                    "cawg.training-mining",
                    box(b"cbor", b"\xd8\x1c\xa1gentries\xd8\x1c\xa1pcawg.ai_training\xa1cusejnotAllowed"),
                )
            )
        ),
    }


# -- pictures ---------------------------------------------------------------------------------------------------------


def png(size: tuple[int, int] = (24, 16)) -> bytes:
    """A plain picture."""
    return _saved(size, "PNG")


def jpeg(size: tuple[int, int] = (24, 16)) -> bytes:
    """A plain picture."""
    return _saved(size, "JPEG")


def webp(size: tuple[int, int] = (24, 16)) -> bytes:
    """A plain picture."""
    return _saved(size, "WEBP")


def _saved(size: tuple[int, int], form: str) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, form)
    return out.getvalue()


PICTURES: Final = {"image/png": png, "image/jpeg": jpeg, "image/webp": webp}

# -- signed -----------------------------------------------------------------------------------------------------------

_CREATED: Final = {
    "label": "c2pa.actions",
    "data": {
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
            }
        ]
    },
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody with a root certificate, a certificate for signing, and its key; ``ocsp_url`` says where to ask whether it
    is revoked."""

    ocsp_url: str | None = None
    root: x509.Certificate = field(init=False)
    chain: bytes = field(init=False)
    key: bytes = field(init=False)

    def __post_init__(self) -> None:
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("root", root_key, root_key, is_root=True)
        own = _certificate("signer", key, root_key, is_root=False, ocsp_url=self.ocsp_url)
        pem = serialization.Encoding.PEM
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "chain", own.public_bytes(pem) + root.public_bytes(pem))
        object.__setattr__(
            self,
            "key",
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )

    @property
    def anchors(self) -> str:
        """The root as PEM: for whoever trusts this signer."""
        return self.root.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def sign(
        self,
        body: bytes,
        mime: str,
        assertions: Mapping[str, Entries] | Sequence[tuple[str, object]] = (),
        *,
        ingredient: bytes | None = None,
        remote_url: str | None = None,
        embed: bool = True,
        compressed: bool = False,
        thumbnail: bool = False,
    ) -> bytes:
        """The picture with a manifest of these assertions, by label, each with its ``entries``."""
        c2pa: Any = importlib.import_module("c2pa")
        pairs = assertions.items() if isinstance(assertions, Mapping) else assertions
        said = [{"label": label, "data": {"entries": data}} for label, data in pairs]
        definition = {"claim_generator_info": [{"name": "tests", "version": "1"}], "assertions": [_CREATED, *said]}
        settings = {
            "builder": {"thumbnail": {"enabled": thumbnail}},
            "core": {"prefer_compress_manifests": compressed},
        }
        with c2pa.Context.from_dict(settings) as context, c2pa.Builder(definition, context=context) as builder:
            if ingredient is not None:
                builder.add_ingredient({"title": "part", "relationship": "componentOf"}, mime, io.BytesIO(ingredient))
            if remote_url is not None:
                builder.set_remote_url(remote_url)
            if not embed:
                builder.set_no_embed()
            out = io.BytesIO()
            with c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", self.chain, self.key, None)) as signer:
                builder.sign(signer, mime, io.BytesIO(body), out)
        return out.getvalue()


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    *,
    is_root: bool,
    ocsp_url: str | None = None,
) -> x509.Certificate:
    """A certificate as C2PA 2.2 "Certificate Profile" wants it."""
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_root, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=is_root, crl_sign=is_root, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if not is_root:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    if ocsp_url is not None:
        place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url))
        made = made.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    return made.sign(by, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"tests {common}"),
        ]
    )


STORES: Final = _stores()

if __name__ == "__main__":
    for name, bytes_of in STORES.items():
        print(f"{name}\n{bytes_of.hex()}")
