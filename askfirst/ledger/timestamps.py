"""Time stamps of an authority over a message (RFC 3161): whether one holds, and the time in it.

A time stamp is a ``TimeStampResp`` in DER. It is read and verified by rfc3161-client (the extra ``timestamps``), which
is imported when it is needed. What this module does not do: ask for one, or choose whom to trust.

1. The answer must be ``granted``; its imprint must be the SHA-256 of the message (section 2.4.2).
2. With roots the signature must hold, by a certificate for time stamping (section 2.3) that leads to one of them and
   was valid at the time stamped. Without roots it is not looked at: whoever can alter a message can sign for its time
   as an authority of his own, so the time is then no more than a claim.
3. house: "granted with modifications" is not accepted: nobody here knows what was modified.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate, InvalidVersion, load_pem_x509_certificates

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

SHA256_OID = "2.16.840.1.101.3.4.2.1"
_MAX_WORDS_CHARS = 160


def check_timestamp(response: bytes, message: bytes, roots_pem: bytes | None) -> datetime:
    """The time (UTC) that an authority put under the message. ``roots_pem``: the authorities that are trusted; None
    is any, unverified. Raises ValueError, with one line, when it does not hold, and ImportError where rfc3161-client
    is not installed."""
    from rfc3161_client import VerificationError, VerifierBuilder  # noqa: PLC0415  # an extra

    told = granted(response)
    check_imprint(told, message)
    if roots_pem is not None:
        trusted = _roots(roots_pem)
        try:
            VerifierBuilder(roots=trusted).build().verify_message(told, message)
        except (VerificationError, InvalidVersion, ValueError, TypeError) as error:
            raise ValueError(f"the time stamp does not hold under the trusted authorities: {_why(error)}") from None
    return told.tst_info.gen_time.astimezone(UTC)


def granted(response: bytes) -> TimeStampResponse:
    """The answer, when it is one and grants. Raises ValueError and ImportError."""
    from rfc3161_client import PKIStatus, decode_timestamp_response  # noqa: PLC0415  # an extra

    try:
        told = decode_timestamp_response(response)
        status = PKIStatus(told.status)
        said = _words(" ".join(told.status_string))
    except (ValueError, TypeError):
        raise ValueError("it is no time stamp answer (RFC 3161 TimeStampResp in DER)") from None
    if status is not PKIStatus.GRANTED:
        word = status.name.lower().replace("_", " ")
        raise ValueError(f"no time stamp was granted: {word}{f' ({said})' if said else ''}")
    return told


def check_imprint(told: TimeStampResponse, message: bytes) -> None:
    """That it is of this message. Raises ValueError."""
    try:
        imprint = told.tst_info.message_imprint
        algorithm, imprinted = imprint.hash_algorithm.dotted_string, imprint.message
    except (ValueError, TypeError):
        raise ValueError("the answer grants a time stamp and holds none") from None
    if algorithm != SHA256_OID:
        raise ValueError(f"the time stamp is of another hash than SHA-256: {algorithm}")
    if imprinted != hashlib.sha256(message).digest():
        raise ValueError("the time stamp is of another message: the message or the time stamp was altered")


def _roots(roots_pem: bytes) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(roots_pem)
    except ValueError:
        raise ValueError("the roots are no certificates in PEM; name the authority's own root certificate") from None


def _why(error: Exception) -> str:
    """What the library says, without the queue of errors that OpenSSL leaves."""
    reason = re.search(r'reason: "([^"]*)"(?:, data: "([^"]*)")?', str(error))
    return _words(str(error) if reason is None else " ".join(filter(None, reason.groups())))


def _words(text: str) -> str:
    return " ".join(text.split())[:_MAX_WORDS_CHARS]
