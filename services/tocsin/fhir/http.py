"""One HTTP exchange over a kept-alive connection, with a deadline and a bound on what is read.

pycurl costs 0.2-0.4 ms of CPU an exchange where httpx costs 2-5 (deploy/decisions/0003-pycurl.md). Redirects are never followed here,
and nothing of the environment (http_proxy and its kin, .netrc) is heeded: what a request may reach is said by settings alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal

import pycurl
from pydantic import SecretStr

from tocsin.errors import MEMORY, ConfigurationError, Contended, Unavailable

_WORDS: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: "host unknown",
    pycurl.E_COULDNT_RESOLVE_PROXY: "proxy unknown",
    pycurl.E_COULDNT_CONNECT: "connection refused",
    pycurl.E_OPERATION_TIMEDOUT: "timed out",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed: does this port speak TLS?",
    pycurl.E_GOT_NOTHING: "connection closed",
    pycurl.E_SEND_ERROR: "connection broke",
    pycurl.E_RECV_ERROR: "connection broke",
    pycurl.E_PARTIAL_FILE: "connection broke",
    8: "what answers does not speak HTTP",  # CURLE_WEIRD_SERVER_REPLY, which pycurl does not name
    pycurl.E_UNSUPPORTED_PROTOCOL: "what answers does not speak HTTP",
    97: "the proxy refuses",  # CURLE_PROXY, which pycurl does not name
}
"""libcurl's error codes in words; its own messages may quote an address."""

_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21, 24, 27})
_NOT_YET: Final = 9
_EXPIRED: Final = 10
_REVOKED: Final = 23
_OTHER_HOST: Final = frozenset({0, 1, 62, 64})
"""OpenSSL's X509_V_ERR numbers (x509_vfy.h). 0 and 1: OpenSSL took the chain, and libcurl, which compares host names itself, refused."""

_ALWAYS: Final = {"Expect": "", "Accept-Encoding": "identity"}
"""Headers of every request. Tocsin asks for no compressed answer: pictures do not shrink, and one of 500 KB in a Media took HAPI 100 ms
more to send and 4.6 ms of our CPU to unpack (measured). An answer that comes compressed all the same is unpacked."""

RETRY_AFTER_S_MAX: Final = 86_400.0
"""The longest wait that a server may ask for: a day; a longer one is cut to it."""

Group = Literal["FHIR", "IMAGE", "TRACES"]


Step = Literal["name", "connection", "TLS", "answer"]
"""How far an exchange came before it failed without an answer."""

_STEPS: Final[dict[int, Step]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: "name",
    pycurl.E_COULDNT_RESOLVE_PROXY: "name",
    pycurl.E_COULDNT_CONNECT: "connection",
    97: "connection",
    pycurl.E_SSL_CONNECT_ERROR: "TLS",
    pycurl.E_PEER_FAILED_VERIFICATION: "TLS",
}


class NoAnswer(Unavailable):
    """The neighbour did not answer at all; `step` says how far the exchange came."""

    def __init__(self, neighbour: str, detail: str, step: Step) -> None:
        super().__init__(neighbour, detail)
        self.step = step


class BodyTooLarge(Exception):
    """The answer has more bytes than the caller allows, unpacked; the exchange was broken off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer to one request."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)
    """Unpacked."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower case; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def retry_after_s(self, now: datetime) -> float | None:
        """Seconds the server asks to wait (RFC 9110, 10.2.3: seconds or an HTTP date), a day at most; None if it does not say."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return min(float(value[:20]), RETRY_AFTER_S_MAX)
        try:
            then = parsedate_to_datetime(value)
            wait_s = ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, OverflowError):
            return None
        return min(max(0.0, wait_s), RETRY_AFTER_S_MAX)


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
            self.headers.clear()  # a final answer follows an interim one (100 Continue), or a proxy's

    def body(self, chunk: bytes) -> int | None:
        self.room -= len(chunk)
        if self.room < 0:
            return 0  # tells curl to break off
        self.chunks.append(chunk)
        return None  # tells curl that all was taken


class Http:
    """Exchanges with one kind of neighbour; safe for threads, each of which keeps its own connections."""

    def __init__(
        self,
        *,
        connect_timeout_s: float,
        request_timeout_s: float,
        proxy_url: SecretStr | None = None,
        tls_ca_file: Path | None = None,
        group: Group = "FHIR",
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """`heard` is called on the asking thread after each whole answer; errors name the settings of `group`.

        Without `tls_ca_file` the system's authorities are trusted, with it those in the file alone.
        """
        self._connect_timeout_ms = int(connect_timeout_s * 1000)
        self._request_timeout_ms = int(request_timeout_s * 1000)
        self._proxy = "" if proxy_url is None else proxy_url.get_secret_value()
        self._tls_ca_file = tls_ca_file
        self._ca_setting = f"TOCSIN_{group}__TLS_CA_FILE"
        self._heard = heard
        self._local = threading.local()

    def exchange(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> Answer:
        """Send one request and return its whole answer, unpacked, whatever its status.

        Raises Unavailable(neighbour) when there was no whole answer by the deadline, or none that can be unpacked; Contended(memory) where
        there is no memory for it; BodyTooLarge; and ConfigurationError where the file of authorities cannot be read.
        """
        reading = _Reading(body_bytes_max)
        curl = self._prepared(method, url, headers, body, reading)
        try:
            curl.perform()
        except pycurl.error as error:
            raise self._meaning(error.args[0], curl, reading, neighbour) from None
        self._heard()
        return Answer(curl.getinfo(pycurl.RESPONSE_CODE), reading.headers, b"".join(reading.chunks))

    def _meaning(self, code: int, curl: pycurl.Curl, reading: _Reading, neighbour: str) -> Exception:
        if code == pycurl.E_FILESIZE_EXCEEDED or (code == pycurl.E_WRITE_ERROR and reading.room < 0):
            return BodyTooLarge()
        if code == pycurl.E_OUT_OF_MEMORY:
            return Contended(MEMORY, f"no room for the answer of {neighbour}")
        if code == pycurl.E_BAD_CONTENT_ENCODING:
            coding = _word(reading.headers.get("content-encoding", ""))
            return Unavailable(neighbour, f"its answer cannot be unpacked: content coding {coding} is unknown, or the bytes are not of it")
        if code == pycurl.E_SSL_CACERT_BADFILE:
            return ConfigurationError(f"{self._ca_setting}: the file cannot be read, or holds no certificate in PEM form")
        words = self._distrust(curl) if code == pycurl.E_PEER_FAILED_VERIFICATION else _WORDS.get(code, "network error")
        return NoAnswer(neighbour, f"no answer: {words} ({code})", _STEPS.get(code, "answer"))

    def _distrust(self, curl: pycurl.Curl) -> str:
        """Why a certificate is not trusted, and what to do."""
        result = curl.getinfo(pycurl.SSL_VERIFYRESULT)
        if result in _UNTRUSTED:
            return f"its TLS certificate is of an authority that is not trusted: set {self._ca_setting} to the authority's certificate"
        if result == _EXPIRED:
            return "its TLS certificate, or its authority's, has expired"
        if result == _NOT_YET:
            return "its TLS certificate is not valid yet: are the clocks right?"
        if result == _REVOKED:
            return "its TLS certificate was revoked"
        if result in _OTHER_HOST:
            return "its TLS certificate is for another host name"
        return f"its TLS certificate is not trusted (OpenSSL {result})"

    def _prepared(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, reading: _Reading) -> pycurl.Curl:
        curl = self._handle()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in {**_ALWAYS, **headers}.items()])
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
        curl.setopt(pycurl.ENCODING, "")  # unpack whatever this libcurl can
        curl.setopt(pycurl.PROXY, self._proxy)  # empty: none, whatever the environment names
        curl.setopt(pycurl.NOPROXY, "" if self._proxy else "*")
        if self._tls_ca_file is not None:
            curl.setopt(pycurl.CAINFO, str(self._tls_ca_file))
        curl.setopt(pycurl.USERAGENT, "tocsin")
        return curl


def _word(coding: str) -> str:
    """The content coding's name where it is one word; else `without a name`, so that a server's text is never repeated."""
    return coding if coding.isascii() and coding.replace("-", "").isalnum() and len(coding) <= 20 else "without a name"
