"""A small HTTP server on which a process says how it is: a few paths, one JSON object each.

It is bounded whoever calls: a fixed number of threads, one exchange each, a deadline for the whole exchange, and a short head. Requests
are not logged.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final

import orjson

from tocsin.errors import ConfigurationError, where
from tocsin.settings import MetricsSettings
from tocsin.telemetry.log import logger

THREADS: Final = 4
BACKLOG: Final = 16
"""Most callers that may wait for a thread; the kernel turns more away."""
EXCHANGE_S: Final = 2.0
HEAD_BYTES_MAX: Final = 8192
BREATH_S: Final = 0.1
"""Pause in seconds after a connection could not be accepted (no file descriptor is left)."""


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a request for one path."""

    good: bool
    """True: status 200; False: status 503."""
    body: Mapping[str, object]
    """The JSON object; ids and codes only, since anybody who reaches the port may read it."""


Pages = Mapping[str, Callable[[], Page]]
"""Path -> what makes its page at this moment, and must do so at once."""


@dataclass(frozen=True, slots=True)
class State:
    """How a process is at this moment."""

    not_live: Sequence[str]
    """Reasons why the process is not live, a sentence each: what a restart would mend."""
    not_ready: Sequence[str]
    """Reasons why the process is not ready, a sentence each: what keeps it from its work."""
    facts: Mapping[str, object]
    """The facts that both are drawn from."""


def live_and_ready(look: Callable[[], State]) -> Pages:
    """The pages /live and /ready, with one body: whoever looks at one wants to know the other."""

    def page(path: str) -> Page:
        state = look()
        why_not = {"live": state.not_live, "ready": state.not_ready}
        judged = {name: not reasons for name, reasons in why_not.items()}
        return Page(judged[path], {**judged, **{f"not_{name}_because": reasons for name, reasons in why_not.items()}, **state.facts})

    return {"/live": lambda: page("live"), "/ready": lambda: page("ready")}


@contextmanager
def serving(settings: MetricsSettings, pages: Pages) -> Iterator[int]:
    """Serve the pages until the block ends; gives the port. Raises ConfigurationError where nobody can listen there."""
    listener = _listener(settings)
    over = threading.Event()
    for number in range(THREADS):
        threading.Thread(target=_serve, args=(listener, pages, over), name=f"health-{number}", daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the threads, which closing alone would not
        listener.close()


def _listener(settings: MetricsSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Tocsin cannot listen on {settings.host}, port {settings.port} ({error.strerror or os.strerror(error.errno or 0)}): set "
            "TOCSIN_METRICS__PORT to a port that is free, or to 0 for any, and TOCSIN_METRICS__HOST to an address of this machine"
        ) from None


def _serve(listener: socket.socket, pages: Pages, over: threading.Event) -> None:
    while not over.is_set():
        try:
            connection, caller = listener.accept()
        except OSError:
            over.wait(BREATH_S)
            continue
        with connection:
            _exchange(connection, caller, pages)


def _exchange(connection: socket.socket, caller: object, pages: Pages) -> None:
    try:
        _Exchange(connection, caller, pages)
    except OSError:
        return  # the caller is gone
    except Exception as error:  # the border of a thread: a page that cannot be made must not silence the others
        logger().error("a health page could not be made", detail=where(error), advice="This is a defect of Tocsin: report the detail.")


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer; HTTP/1.0, so that the connection ends with it."""

    timeout = EXCHANGE_S
    server_version, sys_version = "tocsin", ""

    def __init__(self, connection: socket.socket, caller: object, pages: Pages) -> None:
        self._pages = pages
        super().__init__(connection, caller, None)  # type: ignore[arg-type] # the server, which the handler does not use

    def setup(self) -> None:
        """Reads the whole head before any of it is looked at; a deadline for each read alone would let a slow caller stay."""
        super().setup()
        self.rfile.close()
        self.rfile = io.BytesIO(_head(self.connection))
        self.connection.settimeout(EXCHANGE_S)

    def do_GET(self) -> None:
        """Answers with the path's page, or 404 and the paths there are."""
        make = self._pages.get(self.path.partition("?")[0])
        if make is None:
            self._answer(HTTPStatus.NOT_FOUND, {"pages": sorted(self._pages)})
            return
        page = make()
        self._answer(HTTPStatus.OK if page.good else HTTPStatus.SERVICE_UNAVAILABLE, page.body)

    do_HEAD = do_GET  # noqa: N815 - http.server finds its methods by these names

    def _answer(self, status: HTTPStatus, content: Mapping[str, object]) -> None:
        body = orjson.dumps(content) + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


def _head(connection: socket.socket) -> bytes:
    """The head of a request, up to its empty line; empty where it does not come in time, or is too long."""
    deadline, head = time.monotonic() + EXCHANGE_S, b""
    while b"\r\n\r\n" not in head:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or len(head) > HEAD_BYTES_MAX:
            return b""
        connection.settimeout(left_s)
        try:
            chunk = connection.recv(HEAD_BYTES_MAX)
        except OSError:
            return b""
        if not chunk:
            return b""
        head += chunk
    return head
