"""RFC 3161 time stamp tokens over a note: what time an authority put under it.

Reading one needs the library of the extra ``timestamps``; without it that is said, and nothing is claimed. A token
whose authority is not checked (no roots were given) shows a time that the directory itself claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time in a token, or why there is none: a ``fault`` of the token, or that it ``cannot`` be read here."""

    at: datetime | None = None
    fault: str | None = None
    cannot: str | None = None
    is_checked: bool = False


def read_stamp(token: bytes, note: bytes, roots: bytes | None = None) -> Stamp:
    """What a token says of a note; with ``roots`` (PEM) also that an authority under them signed it. Never raises on
    the token. Raises ValueError when the roots are no certificates."""
    try:
        import rfc3161_client as library  # noqa: PLC0415  # an extra
        from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415
    except ImportError:
        return Stamp(cannot="the time stamp is not read: install askfirst[timestamps]")
    authorities = [] if roots is None else load_pem_x509_certificates(roots)
    try:
        response = library.decode_timestamp_response(token)
        told = response.tst_info
        imprint, at = told.message_imprint.message, told.gen_time
    except (ValueError, TypeError):
        return Stamp(fault="is no time stamp token")
    if imprint != sha256(note).digest():
        return Stamp(fault="is not of the last checkpoint: the token or the note was altered")
    if not authorities:
        return Stamp(at=at)
    building = library.VerifierBuilder()
    for authority in authorities:
        building = building.add_root_certificate(authority)
    try:
        building.build().verify_message(response, note)
    except (library.VerificationError, ValueError, TypeError) as error:
        return Stamp(fault=f"does not hold under the given authorities ({' '.join(str(error).split())[:120]})")
    return Stamp(at=at, is_checked=True)
