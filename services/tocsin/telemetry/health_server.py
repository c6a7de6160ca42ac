"""A small HTTP server on which a process says how it is: its health pages, one JSON object each, and its metrics.

It is bounded whoever calls: a fixed number of threads and of connections, a time for each connection, a short head, no body. Requests are
not logged.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import orjson
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.wasyncore import close_all

from tocsin.errors import ConfigurationError, where
from tocsin.settings import MetricsSettings
from tocsin.telemetry.log import logger

THREADS: Final = 4
BACKLOG: Final = 16
"""Most callers that may wait for a connection; the kernel turns more away."""
CONNECTIONS: Final = 64
EXCHANGE_S: Final = 2.0
"""How long a connection may be open, in seconds, while no page is made for it."""
HEAD_BYTES_MAX: Final = 8192
ANSWER_BYTES_MAX: Final = 16 * 2**20
"""What waits for a slow reader is held in memory: a process may have no disk to write."""
TURN_S: Final = 1
END_WITHIN_S: Final = 1.0
"""Longest wait in seconds for pages that are being made when the serving ends."""

METRICS: Final = "/metrics"


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


Environ = Mapping[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""


@contextmanager
def serving(settings: MetricsSettings, pages: Pages, metrics: App | None = None) -> Iterator[int]:
    """Serve the pages until the block ends, and `metrics` below /metrics; gives the port.

    Raises ConfigurationError where nobody can listen there.
    """
    server = _Server(listening_socket(settings.host, settings.port, BACKLOG, "METRICS"), answering(pages, metrics))
    os.register_at_fork(after_in_child=partial(_forget, weakref.ref(server)))
    thread = threading.Thread(target=server.run, name="health", daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.end()
        thread.join(END_WITHIN_S)


def _forget(server: weakref.ref[_Server]) -> None:
    """Close what a forked process has inherited of the server: it would keep the port taken after its parent's death."""
    found = server()
    if found is not None:
        close_all(found.sockets, ignore_all=True)


def answering(pages: Pages, metrics: App | None = None) -> App:
    """The application that answers with the pages, and with `metrics` below /metrics."""

    def app(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        try:
            return _answered(environ, start, pages, metrics)
        except Exception as error:  # the border of a thread: a page that cannot be made must not silence the others
            logger().error("a health page could not be made", detail=where(error), advice="This is a defect of Tocsin: report the detail.")
            return _json(environ, start, HTTPStatus.INTERNAL_SERVER_ERROR, {})

    return app


def _answered(environ: dict[str, Any], start: Start, pages: Pages, metrics: App | None) -> Iterable[bytes]:
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if method not in ("GET", "HEAD"):
        return _json(environ, start, HTTPStatus.METHOD_NOT_ALLOWED, {}, [("Allow", "GET, HEAD")])
    if path == METRICS and metrics is not None:
        return _passed_on(metrics, environ, start)
    make = pages.get(path)
    if make is None:
        return _json(environ, start, HTTPStatus.NOT_FOUND, {"pages": sorted([*pages, *([METRICS] if metrics else [])])})
    page = make()
    return _json(environ, start, HTTPStatus.OK if page.good else HTTPStatus.SERVICE_UNAVAILABLE, page.body)


def _passed_on(app: App, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """What the application answers to GET; to HEAD the same without its body, which waitress would send."""
    told: list[tuple[str, list[tuple[str, str]]]] = []
    content = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, lambda status, headers: told.append((status, headers))))
    status, headers = told[-1]
    start(status, [*headers, ("Content-Length", str(len(content))), ("Cache-Control", "no-store")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]


def _json(
    environ: Environ, start: Start, status: HTTPStatus, content: Mapping[str, object], more: Sequence[tuple[str, str]] = ()
) -> Iterable[bytes]:
    body = orjson.dumps(content) + b"\n"
    length = ("Content-Length", str(len(body)))
    start(f"{status.value} {status.phrase}", [("Content-Type", "application/json"), length, ("Cache-Control", "no-store"), *more])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class _Server(TcpWSGIServer):  # type: ignore[misc] # waitress ships no types
    """waitress, with a time for each connection: its own lets a caller stay who sends a byte now and then, or does not read."""

    def __init__(self, listener: socket.socket, app: App) -> None:
        self.port: int = listener.getsockname()[1]
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that callers wait for a thread is no news
        super().__init__(
            app,
            _sock=listener,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            adj=Adjustments(
                sockets=[listener],
                threads=THREADS,
                backlog=BACKLOG,
                connection_limit=CONNECTIONS,
                cleanup_interval=TURN_S,
                channel_timeout=EXCHANGE_S,
                max_request_header_size=HEAD_BYTES_MAX,
                max_request_body_size=1,
                outbuf_overflow=ANSWER_BYTES_MAX,
                outbuf_high_watermark=ANSWER_BYTES_MAX,
                asyncore_loop_timeout=TURN_S,
                asyncore_use_poll=True,  # select() fails at the 1024th open file of a process
                log_socket_errors=False,
                ident="tocsin",
            ),
        )

    def maintenance(self, now: float) -> None:
        """See waitress; `now` as time.time()."""
        for channel in list(self.active_channels.values()):
            if not channel.requests and channel.creation_time < now - EXCHANGE_S:
                channel.will_close = True
                channel.handle_close()  # waitress itself would wait until a caller who does not read has read

    def end(self) -> None:
        """Close every connection, and have `run` return."""
        with suppress(OSError):  # the loop may hear of it by another's pull, and close the trigger before ours is written
            self.trigger.pull_trigger(self._close_all)
        self.task_dispatcher.shutdown(timeout=END_WITHIN_S)

    @property
    def sockets(self) -> dict[int, Any]:
        """All that is open, by its file descriptor."""
        found: dict[int, Any] = self._map
        return found

    def _close_all(self) -> None:
        close_all(self.sockets, ignore_all=True)


def listening_socket(host: str, port: int, backlog: int, group: str) -> socket.socket:
    """A socket that listens there, for the group of settings that names host and port. Raises ConfigurationError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise ConfigurationError(
            f"Tocsin cannot listen on {host}, port {port} ({error.strerror or os.strerror(error.errno or 0)}): set "
            f"TOCSIN_{group}__PORT to a port that is free, or to 0 for any, and TOCSIN_{group}__HOST to an address of this machine"
        ) from None
