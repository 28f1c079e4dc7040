"""RFC 3161 time stamp tokens over a note: what time an authority put under it.

Reading one needs the library of the extra ``timestamps``; without it that is said, and nothing is claimed. A token
whose authority is not checked (no roots were given) shows a time that the directory itself claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import load_pem_x509_certificates

from askfirst.ledger.timestamps import check_timestamp


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
    if roots is not None:
        load_pem_x509_certificates(roots)
    try:
        at = check_timestamp(token, note, roots)
    except ImportError:
        return Stamp(cannot="the time stamp is not read: install askfirst[timestamps]")
    except ValueError as error:
        return Stamp(fault=f"does not hold: {error}")
    return Stamp(at=at, is_checked=roots is not None)
