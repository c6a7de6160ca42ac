"""An HTTP gateway before the FHIR server that fails the way gateways and servers do, as long as it is told to."""

from __future__ import annotations

import contextlib
import email.utils
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from typing import Final

from tests.support.web import Reply, serving

ANSWER_WITHIN_S: Final = 60.0
RETRY_AFTER_S: Final = 2
STUBBORN: Final = "/Media/stubborn-"
"""Pictures that alone are answered with 500 for a while, as a server does whose one row is damaged."""
STUBBORN_FOR_S: Final = 12.0
"""Since it was first asked for."""
WRITES: Final = ("POST", "PUT")

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "accept-encoding"}

Instead = Callable[[], Reply]


class ConnectionCut(Exception):
    """The client is to see its connection end."""


def busy(status: int, retry_after: str) -> Reply:
    """429 or 503. `retry_after` is seconds, date or silent."""
    after = {
        "seconds": {"Retry-After": str(RETRY_AFTER_S)},
        "date": {"Retry-After": email.utils.formatdate(time.time() + RETRY_AFTER_S, usegmt=True)},
        "silent": {},
    }
    return Reply(status, b"", after[retry_after])


@dataclass
class Gateway:
    """What it does now; set from any thread, one thing at a time."""

    origin: str
    """scheme://host:port of the gateway."""
    server: str
    """host:port of the FHIR server."""
    known_as: str
    """scheme://host:port under which clients know it; links in answers lead there."""
    instead: Instead | None = None
    """Answered in the server's stead."""
    swallows_writes: bool = False
    """Writes are stored and then answered with 500."""
    truncates: str | None = None
    """json: answers end early and seem whole; body: they end before their stated length."""
    _first_asked: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.origin.rpartition(":")[2])

    def mend(self) -> None:
        """From now on it passes everything on."""
        self.instead, self.swallows_writes, self.truncates = None, False, None

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """The reply to one request. Raises ConnectionCut where the server gives none."""
        instead = self.instead
        if instead is not None:
            return instead()
        if STUBBORN in path and self._is_stubborn(path.partition("?")[0]):
            return Reply(500)
        reply = self._ask(method, path, headers, body)
        return Reply(500) if self.swallows_writes and method in WRITES else reply

    def _is_stubborn(self, path: str) -> bool:
        with self._lock:
            return time.monotonic() - self._first_asked.setdefault(path, time.monotonic()) < STUBBORN_FOR_S

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        connection = HTTPConnection(self.server, timeout=ANSWER_WITHIN_S)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            return Reply(answer.status, self._in_its_own_name(answer.read()), kept)
        except (OSError, HTTPException):
            raise ConnectionCut from None
        finally:
            connection.close()

    def _in_its_own_name(self, body: bytes) -> bytes:
        """A link to the next page leads through the gateway again."""
        return body.replace(f"http://{self.server}/".encode(), f"{self.known_as}/".encode())


@contextmanager
def gateway(server: str) -> Iterator[Gateway]:
    """On a free port until the block ends; `server` is host:port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a wire was cut between two requests
                super().handle()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            try:
                self._reply(standing.answer(self.command, self.path, headers, body))
            except (ConnectionCut, OSError):
                self.close_connection = True

        def _reply(self, reply: Reply) -> None:
            how = standing.truncates if reply.body else None
            body = reply.body[: len(reply.body) // 2] if how else reply.body
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body if how == "body" else body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or how == "body"

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server finds its methods by these names

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    with serving(Handler) as origin:
        standing = Gateway(origin, server, origin)
        yield standing
