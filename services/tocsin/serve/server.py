"""The HTTP server under the pages: waitress, with a bound on whatever a caller can hold, and an end that lets requests finish.

A fixed number of threads and connections; a head, a body and an answer of bounded size; a time in which a request must have come and an
answer be read, which waitress itself grants without end to who sends a byte now and then.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.wasyncore import close_all

from tocsin.settings import ServeSettings
from tocsin.telemetry.health_server import listening_socket

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""

TURN_S: Final = 1
BACKLOG: Final = 256
"""Most callers that wait for a connection in the system's queue."""
ANSWER_BYTES_MAX: Final = 128 * 2**20
"""What waits for a slow reader is held in memory: a process may have no disk to write. No picture is larger (image.content_bytes_max)."""
CLOSE_WITHIN_S: Final = 1.0


class Server(TcpWSGIServer):  # type: ignore[misc] # waitress ships no types
    """One listening socket, its loop and its threads."""

    def __init__(self, listener: socket.socket, app: App, settings: ServeSettings) -> None:
        self.port: int = listener.getsockname()[1]
        self._exchange_s = settings.request_timeout_s
        self._turned = time.monotonic()
        self._closed = False
        self._waiting: dict[HTTPChannel, tuple[object, float]] = {}
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that callers wait for a thread is no news
        super().__init__(
            app,
            _sock=listener,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            adj=Adjustments(
                sockets=[listener],
                threads=settings.threads,
                backlog=BACKLOG,
                connection_limit=settings.connections_max,
                cleanup_interval=TURN_S,
                channel_timeout=settings.keep_alive_s,
                max_request_header_size=settings.head_bytes_max,
                max_request_body_size=settings.body_bytes_max,
                inbuf_overflow=settings.body_bytes_max + settings.head_bytes_max,
                outbuf_overflow=ANSWER_BYTES_MAX,
                outbuf_high_watermark=ANSWER_BYTES_MAX,
                asyncore_loop_timeout=TURN_S,
                asyncore_use_poll=True,  # select() fails at the 1024th open file of a process
                log_socket_errors=False,
                ident="tocsin",
                expose_tracebacks=False,
                clear_untrusted_proxy_headers=not settings.proxies,  # else who was asked by the site's proxies is read (limits.py)
            ),
        )

    @property
    def turned_ago_s(self) -> float:
        """Seconds since the loop last went round."""
        return time.monotonic() - self._turned

    @property
    def under_way(self) -> int:
        """Requests that came in whole and whose answers are not handed to the system yet."""
        return sum(1 for channel in list(self.active_channels.values()) if channel.requests or channel.total_outbufs_len)

    def maintenance(self, now: float) -> None:
        """See waitress; `now` as time.time()."""
        super().maintenance(now)
        self._turned = time.monotonic()
        waiting = {channel: found for channel in list(self.active_channels.values()) if (found := _waits_for_caller(channel)) is not None}
        for channel in list(self._waiting.keys() - waiting.keys()):
            del self._waiting[channel]
        for channel, what in waiting.items():
            before, since = self._waiting.get(channel, (None, 0.0))
            if before is not what:
                self._waiting[channel] = what, self._turned
            elif self._turned - since > self._exchange_s:
                del self._waiting[channel]
                channel.handle_close()  # waitress itself would wait until a caller who does not read has read

    def accept_no_more(self) -> None:
        """Take no further connection; requests on those that are open are still answered. From any thread."""
        with suppress(OSError):
            self.trigger.pull_trigger(self._stop_accepting)

    def end(self) -> None:
        """Close every connection, and have `run` return. From any thread."""
        with suppress(OSError):  # the loop may hear of it by another's pull, and close the trigger before ours is written
            self.trigger.pull_trigger(self._close_all)
        self.task_dispatcher.shutdown(timeout=CLOSE_WITHIN_S)

    def _stop_accepting(self) -> None:
        if not self._closed:
            self._closed, self.accepting = True, False
            self.del_channel()
            self.socket.close()

    def _close_all(self) -> None:
        close_all(self._map, ignore_all=True)


def _waits_for_caller(channel: HTTPChannel) -> object | None:
    """What a connection waits for its caller with, the same object for as long as it is the same wait: a request or an answer."""
    if channel.requests:
        return None
    waits: object | None = channel.outbufs[0] if channel.total_outbufs_len else channel.request
    return waits


@contextmanager
def serving(app: App, settings: ServeSettings) -> Iterator[Server]:
    """Answer requests until the block ends. Raises ConfigurationError where nobody can listen there."""
    server = Server(listening_socket(settings.host, settings.port, BACKLOG, "SERVE"), app, settings)
    thread = threading.Thread(target=server.run, name="serve", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join(CLOSE_WITHIN_S)


def drain(server: Server, within_s: float, look_every_s: float = 0.05) -> bool:
    """Accept no more, and return once no request is under way: True; or after `within_s` seconds: False."""
    server.accept_no_more()
    deadline = time.monotonic() + within_s
    while server.under_way:
        if time.monotonic() >= deadline:
            return False
        time.sleep(look_every_s)
    return True
