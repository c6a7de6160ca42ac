"""An HTTP gateway before the FHIR server that fails the way gateways and servers do, as long as it is told to."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from tests.support.manners.basis import Here
from tests.support.other_servers import QUIRKS
from tests.support.relay import Request, relay, server_at
from tests.support.web import Reply

RETRY_AFTER_S: Final = 2
STUBBORN: Final = "/Media/stubborn-"
"""Pictures that alone are answered with 500 for a while, as a server does whose one row is damaged."""
STUBBORN_FOR_S: Final = 12.0
"""Since it was first asked for."""
WRITES: Final = ("POST", "PUT")
BASE_PATH: Final = "/fhir"
"""Of the FHIR server's base address."""

Instead = Callable[[], Reply]


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
    quirk: str | None = None
    """It answers as another kind of server does: a name of other_servers.QUIRKS."""
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
        self.instead, self.swallows_writes, self.truncates, self.quirk = None, False, None, None

    def answer(self, request: Request) -> Reply:
        """The reply to one request. Raises ConnectionCut where the server gives none."""
        instead = self.instead
        if instead is not None:
            return instead()
        if STUBBORN in request.path and self._is_stubborn(request.path.partition("?")[0]):
            return Reply(500)
        reply = self._asked(request)
        if self.swallows_writes and request.method in WRITES:
            return Reply(500)
        return self._truncated(reply)

    def _asked(self, request: Request) -> Reply:
        quirk = self.quirk
        if quirk is None:
            return self._passed_on(request)
        return QUIRKS[quirk].manner(request, self._passed_on, Here(f"{self.known_as}{BASE_PATH}", store=""))

    def _passed_on(self, request: Request) -> Reply:
        reply = server_at(self.server)(request)
        return replace(reply, body=self._in_its_own_name(reply.body))

    def _truncated(self, reply: Reply) -> Reply:
        if self.truncates is None or not reply.body:
            return reply
        body = reply.body[: len(reply.body) // 2]
        stated = {"Content-Length": str(len(reply.body))} if self.truncates == "body" else {}
        return Reply(reply.status, body, {**reply.headers, **stated})

    def _is_stubborn(self, path: str) -> bool:
        with self._lock:
            return time.monotonic() - self._first_asked.setdefault(path, time.monotonic()) < STUBBORN_FOR_S

    def _in_its_own_name(self, body: bytes) -> bytes:
        """A link to the next page leads through the gateway again."""
        return body.replace(f"http://{self.server}/".encode(), f"{self.known_as}/".encode())


@contextmanager
def gateway(server: str) -> Iterator[Gateway]:
    """On a free port until the block ends; `server` is host:port."""
    standing = Gateway("", server, "")
    with relay(standing.answer) as origin:
        standing.origin = standing.known_as = origin
        yield standing
