"""One HTTP exchange over a kept-alive connection, with a deadline and a bound on what is read.

pycurl costs 0.02-0.06 ms of CPU an exchange, httpx 2-5 (deploy/decisions/0003-pycurl.md, 0021). Redirects are never followed here,
and nothing of the environment (http_proxy and its kin, .netrc) is heeded: what a request may reach is said by settings alone.

libcurl hands each header line and each 16 KB of a body to Python, and each time the thread waits for the interpreter, which others use.
Header lines are therefore read only for who asks for them; of all others libcurl keeps what every caller needs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

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

_ALWAYS: Final = ("Expect:", "Accept-Encoding: identity")
"""Headers of every request. Tocsin asks for no compressed answer: pictures do not shrink, and one of 500 KB in a Media took HAPI 100 ms
more to send and 4.6 ms of our CPU to unpack (measured). An answer that comes compressed all the same is unpacked."""

_BUFFER_BYTES: Final = 131_072
"""Most bytes taken from the system at once: a photograph comes in a few pieces. Each thread's handle keeps a buffer of this size."""

_WAIT_S: Final = 1.0
"""Longest wait for news of exchanges side by side; libcurl says when it wants to be asked sooner."""
_LOOK_S: Final = 0.001
"""Pause where libcurl gives no socket to wait for: while a name is looked up, and for sockets numbered above 1,023."""

Group = Literal["FHIR", "IMAGE", "TRACES", "SERVE", "CDS", "NOTIFY"]


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
    """A server's answer to one request, without its header lines."""

    status: int
    content_type: str = field(repr=False)
    """As stated; empty where there is none."""
    body: bytes = field(repr=False)
    """Unpacked."""
    retry_after_s: float | None = None
    """Seconds the server asks to wait (RFC 9110, 10.2.3: seconds or an HTTP date), six hours at most.

    None where it does not say, or there is nothing to wait for any more. Of an answer that is not 2xx.
    """
    redirect_url: str = field(default="", repr=False)
    """Where a redirect (3xx) leads, resolved against the address that was asked, without user and password; else empty."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower case; empty where there is none."""
        return self.content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class HeadedAnswer(Answer):
    """A server's answer to one request, with its header lines."""

    headers: Mapping[str, str] = field(kw_only=True, repr=False)
    """Names in lower case."""


class Get(NamedTuple):
    """A GET that goes side by side with others."""

    url: str
    headers: Mapping[str, str]
    body_bytes_max: int


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
            self.chunks.clear()
            return 0  # tells curl to break off
        self.chunks.append(chunk)
        return None  # tells curl that all was taken

    def taken(self) -> bytes:
        """The body, which is kept here no longer: the handle keeps this object until its next exchange."""
        body = b"".join(self.chunks)
        self.chunks.clear()
        return body


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
            if error.args[0] == pycurl.E_BAD_CONTENT_ENCODING and method == "GET":  # asked again, so that the error names the coding
                return self.exchange_with_headers(method, url, neighbour=neighbour, headers=headers, body_bytes_max=body_bytes_max)
            raise self._meaning(error.args[0], curl, reading, neighbour) from None
        self._heard()
        return _answer(curl, reading)

    def exchange_with_headers(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> HeadedAnswer:
        """As `exchange`; it costs more, by each header line."""
        reading = _Reading(body_bytes_max)
        curl = self._prepared(method, url, headers, body, reading)
        curl.setopt(pycurl.HEADERFUNCTION, reading.header)
        try:
            curl.perform()
        except pycurl.error as error:
            raise self._meaning(error.args[0], curl, reading, neighbour) from None
        finally:
            curl.unsetopt(pycurl.HEADERFUNCTION)
        self._heard()
        plain = _answer(curl, reading)
        return HeadedAnswer(plain.status, plain.content_type, plain.body, plain.retry_after_s, plain.redirect_url, headers=reading.headers)

    def side_by_side(self, asked: Mapping[int, Get], *, neighbour: str) -> Iterator[tuple[int, Answer | Exception]]:
        """Send all at once; yields the number of each as it ends, with its whole answer or with what `exchange` would raise.

        One thread waits for all of them. Whoever stops before the last one ends breaks off the others.
        """
        multi, begun = self._multi(), dict[pycurl.Curl, int]()
        readings = {number: _Reading(each.body_bytes_max) for number, each in asked.items()}
        try:
            for number, each in asked.items():
                curl = self._set(self._beside(len(begun)), "GET", each.url, each.headers, None, readings[number])
                multi.add_handle(curl)
                begun[curl] = number
            while begun:
                for curl, code in _ended(multi):
                    multi.remove_handle(curl)
                    number = begun.pop(curl)
                    yield number, self._told(code, curl, readings[number], asked[number], neighbour)
                _await(multi, begun)
        finally:
            for curl in begun:
                multi.remove_handle(curl)

    def _told(self, code: int, curl: pycurl.Curl, reading: _Reading, asked: Get, neighbour: str) -> Answer | Exception:
        if code == pycurl.E_OK:
            self._heard()
            return _answer(curl, reading)
        if code != pycurl.E_BAD_CONTENT_ENCODING:
            return self._meaning(code, curl, reading, neighbour)
        try:  # alone it is asked again, so that the error names the coding
            return self.exchange("GET", asked.url, neighbour=neighbour, headers=asked.headers, body_bytes_max=asked.body_bytes_max)
        except Exception as error:  # a value, as `_meaning` gives: whoever asked raises it in its turn
            return error

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
        """This thread's handle, ready for this exchange."""
        curl: pycurl.Curl | None = getattr(self._local, "curl", None)
        if curl is None:
            curl = self._local.curl = self._made()
        return self._set(curl, method, url, headers, body, reading)

    def _multi(self) -> pycurl.CurlMulti:
        """What drives this thread's exchanges side by side; it keeps their live connections."""
        multi: pycurl.CurlMulti | None = getattr(self._local, "multi", None)
        if multi is None:
            multi, self._local.beside = pycurl.CurlMulti(), list[pycurl.Curl]()
            self._local.multi = multi
        return multi

    def _beside(self, number: int) -> pycurl.Curl:
        """This thread's handle for the exchange of this number among those side by side."""
        handles: list[pycurl.Curl] = self._local.beside
        while len(handles) <= number:
            handles.append(self._made())
        return handles[number]

    @staticmethod
    def _set(curl: pycurl.Curl, method: str, url: str, headers: Mapping[str, str], body: bytes | None, reading: _Reading) -> pycurl.Curl:
        """The handle, with all that differs between exchanges set anew."""
        curl.setopt(pycurl.URL, url)
        if body is None:
            curl.setopt(pycurl.HTTPGET, 1)  # no body any more
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.HTTPHEADER, [*_ALWAYS, *[f"{name}: {value}" for name, value in headers.items()]])
        curl.setopt(pycurl.WRITEFUNCTION, reading.body)
        curl.setopt(pycurl.MAXFILESIZE_LARGE, reading.room)
        return curl

    def _made(self) -> pycurl.Curl:
        """A handle with what is the same in each exchange; it keeps its live connections."""
        curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.BUFFERSIZE, _BUFFER_BYTES)
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


def _ended(multi: pycurl.CurlMulti) -> Iterator[tuple[pycurl.Curl, int]]:
    """Let all go on as far as they can without waiting; yields those that ended, with libcurl's code."""
    multi.perform()
    queued = 1
    while queued:
        queued, whole, failed = multi.info_read()
        yield from ((curl, pycurl.E_OK) for curl in whole)
        yield from ((curl, code) for curl, code, _ in failed)


def _await(multi: pycurl.CurlMulti, begun: Mapping[pycurl.Curl, int]) -> None:
    """Wait until one of those begun can go on, or libcurl wants to look at its clock."""
    if not begun:
        return
    due_ms = multi.timeout()
    wait_s = _WAIT_S if due_ms < 0 else min(_WAIT_S, due_ms / 1000)
    began = time.monotonic()
    if multi.select(wait_s) <= 0 and time.monotonic() - began < min(wait_s, _LOOK_S):
        time.sleep(min(wait_s, _LOOK_S))


def _answer(curl: pycurl.Curl, reading: _Reading) -> Answer:
    """What libcurl kept of the answer, and its body."""
    status, content_type = curl.getinfo(pycurl.RESPONSE_CODE), _text(curl, pycurl.CONTENT_TYPE)
    if 200 <= status < 300:
        return Answer(status, content_type, reading.taken())
    wait_s = curl.getinfo(pycurl.RETRY_AFTER)  # 0: it does not say
    return Answer(status, content_type, reading.taken(), float(wait_s) if wait_s > 0 else None, _text(curl, pycurl.REDIRECT_URL))


def _text(curl: pycurl.Curl, what: int) -> str:
    """A header's value as it came, in whatever bytes."""
    return (curl.getinfo_raw(what) or b"").decode("latin-1")


def _word(coding: str) -> str:
    """The content coding's name where it is one word; else `without a name`, so that a server's text is never repeated."""
    return coding if coding.isascii() and coding.replace("-", "").isalnum() and len(coding) <= 20 else "without a name"
