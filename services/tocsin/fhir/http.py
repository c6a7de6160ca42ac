"""One HTTP exchange over a kept-alive connection, with a deadline and a bound on what is read.

pycurl costs 0.2-0.4 ms of CPU an exchange where httpx costs 2-5 (deploy/decisions/0003-pycurl.md). Redirects are never followed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import pycurl

from tocsin.errors import Unavailable

_WORDS: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: "host unknown",
    pycurl.E_COULDNT_CONNECT: "connection refused",
    pycurl.E_OPERATION_TIMEDOUT: "timed out",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "its TLS certificate is not trusted",
    pycurl.E_GOT_NOTHING: "connection closed",
    pycurl.E_RECV_ERROR: "connection broke",
    pycurl.E_PARTIAL_FILE: "connection broke",
}
"""libcurl's error codes in words; its own messages may quote an address."""


class BodyTooLarge(Exception):
    """The answer has more bytes than the caller allows; the exchange was broken off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower case; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def retry_after_s(self, now: datetime) -> float | None:
        """Seconds the server asks to wait (RFC 9110, 10.2.3: a number of seconds or an HTTP date); None if it does not say."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdigit():
            return float(value)
        try:
            then = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(0.0, ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds())


class _Reading:
    """The growing answer of one exchange."""

    def __init__(self, body_bytes_max: int) -> None:
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.room = body_bytes_max

    def header(self, line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            self.headers[name.strip().lower()] = value.strip()
        elif name.startswith("HTTP/"):
            self.headers.clear()  # a final answer follows an interim one (100 Continue)

    def body(self, chunk: bytes) -> int | None:
        self.room -= len(chunk)
        if self.room < 0:
            return 0  # tells curl to break off
        self.chunks.append(chunk)
        return None  # tells curl that all was taken


class Http:
    """Exchanges with one kind of neighbour; safe for threads, each of which keeps its own connections."""

    def __init__(self, *, connect_timeout_s: float, request_timeout_s: float, heard: Callable[[], None] = lambda: None) -> None:
        """`heard` is called on the asking thread after each whole answer."""
        self._connect_timeout_ms = int(connect_timeout_s * 1000)
        self._request_timeout_ms = int(request_timeout_s * 1000)
        self._heard = heard
        self._local = threading.local()

    def exchange(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> Answer:
        """One request and its whole answer, whatever its status.

        Raises Unavailable(neighbour) when there was no whole answer by the deadline, and BodyTooLarge.
        """
        reading = _Reading(body_bytes_max)
        curl = self._prepared(method, url, headers, body, reading)
        try:
            curl.perform()
        except pycurl.error as error:
            code = error.args[0]
            if code in (pycurl.E_WRITE_ERROR, pycurl.E_FILESIZE_EXCEEDED) and (reading.room < 0 or code == pycurl.E_FILESIZE_EXCEEDED):
                raise BodyTooLarge from None
            raise Unavailable(neighbour, f"no answer: {_WORDS.get(code, 'curl error')} ({code})") from None
        self._heard()
        return Answer(curl.getinfo(pycurl.RESPONSE_CODE), reading.headers, b"".join(reading.chunks))

    def _prepared(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, reading: _Reading) -> pycurl.Curl:
        curl = self._handle()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in {"Expect": "", **headers}.items()])
        curl.setopt(pycurl.HEADERFUNCTION, reading.header)
        curl.setopt(pycurl.WRITEFUNCTION, reading.body)
        curl.setopt(pycurl.MAXFILESIZE_LARGE, reading.room)
        if body is not None:
            curl.setopt(pycurl.POSTFIELDS, body)
        return curl

    def _handle(self) -> pycurl.Curl:
        """This thread's handle, reset: options go, live connections stay (curl_easy_reset)."""
        curl: pycurl.Curl | None = getattr(self._local, "curl", None)
        if curl is None:
            curl = self._local.curl = pycurl.Curl()
        curl.reset()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, self._connect_timeout_ms)
        curl.setopt(pycurl.TIMEOUT_MS, self._request_timeout_ms)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        curl.setopt(pycurl.USERAGENT, "tocsin")
        return curl
