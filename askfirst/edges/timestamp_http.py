"""Asks an authority for a time stamp over HTTP (RFC 3161 section 3.4): one POST, one answer.

What this module does not do: verify whose signature it is (that takes roots, which the auditor chooses; see
``askfirst.ledger.timestamps``), ask again, or keep anything.

1. The request is over SHA-256, with a nonce, and asks for the certificate, so that the time stamp can be verified
   later without the authority.
2. INVARIANT: what is given back is granted, is of this message and answers this request: an answer to another one,
   or an old one played again, is an error.
3. Nothing is followed and nothing is taken from the environment: no redirects, no proxy, no netrc, no cookies.
4. One clock runs for the whole exchange once it is connected; an answer is at most ``MAX_ANSWER_BYTES`` long.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from askfirst.ledger.timestamps import check_timestamp, granted
from askfirst.ports import EdgeError

MAX_ANSWER_BYTES = 1_048_576
TIMEOUT_S = 15.0
_ASKED = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
    "Accept-Encoding": "identity",
    "User-Agent": "AskFirst",
    "Connection": "close",
}


class HttpTimestamps:
    """The authority at ``url``. ``timeout_s`` bounds the connecting, and then the rest. Raises EdgeError when the URL
    is none that can be asked, and where rfc3161-client is not installed."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        # neither a password nor a key in the query is anybody's to read in a log
        self._shown = re.sub(r"//[^/]*@", "//", url.partition("?")[0])
        self._timeout_s = timeout_s
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise self._failure(f"is no URL ({error})") from None
        if parts.scheme not in {"http", "https"} or not self._host or "@" in parts.netloc:
            raise self._failure("is no http(s) URL with a host and without a password")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii() or not path.isprintable() or " " in path:
            raise self._failure("has a character that a request cannot carry; write it percent-encoded")
        self._path = path
        self._is_secure = parts.scheme == "https"
        if importlib.util.find_spec("rfc3161_client") is None:
            raise EdgeError("time stamps need rfc3161-client: install askfirst[timestamps], or ask for no time stamps")

    def stamp(self, message: bytes) -> bytes:
        """The authority's time stamp over the message: a ``TimeStampResp`` in DER. Raises EdgeError."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415  # an extra

        request = TimestampRequestBuilder(data=message, hash_algorithm=HashAlgorithm.SHA256).build()
        answer = self._ask(request.as_bytes())
        try:
            check_timestamp(answer, message, None)
            nonce = granted(answer).tst_info.nonce
        except ValueError as error:
            raise self._failure(f"did not answer with a time stamp: {error}") from None
        if nonce != request.nonce:
            raise self._failure("answered another request than ours: the nonce differs")
        return answer

    def _ask(self, request: bytes) -> bytes:
        connection, late = self._connection(), threading.Event()
        too_late = f"did not answer within {self._timeout_s:g} s"
        try:
            connection.connect()
            with _ended_after(self._timeout_s, connection.sock, late):
                connection.request("POST", self._path, request, _ASKED)
                response = connection.getresponse()
                answer = response.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            is_late = late.is_set() or isinstance(error, TimeoutError)
            raise self._failure(too_late if is_late else f"cannot be asked: {_words(error)}") from None
        finally:
            connection.close()
        if late.is_set():  # what was read until then may be cut
            raise self._failure(too_late)
        if response.status != 200:
            to = response.getheader("Location")
            raise self._failure(f"answered {response.status}{f', naming {to!r}, which is not followed' if to else ''}")
        if len(answer) > MAX_ANSWER_BYTES:
            raise self._failure(f"answered with more than {MAX_ANSWER_BYTES} bytes")
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if not self._is_secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)

    def _failure(self, what: str) -> EdgeError:
        return EdgeError(f"time stamp authority {self._shown} {what}; check the address, or ask another authority")


@contextlib.contextmanager
def _ended_after(timeout_s: float, connected: socket.socket, late: threading.Event) -> Iterator[None]:
    """Ends the connection when the time is over, however slowly the other side drips, and says so in ``late``."""

    def end() -> None:
        late.set()
        with contextlib.suppress(OSError):  # it ended by itself
            # INVARIANT: not through TLS, whose state belongs to the thread that reads
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _words(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # what http.client quotes is the other side's, and goes to a terminal
    line = "".join(character if character.isprintable() else "?" for character in " ".join(told.split()))
    return line[:160] or type(error).__name__
