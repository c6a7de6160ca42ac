"""A connection that is kept for the next request may be dead by then; that costs a connection, not an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tocsin.fhir.http import Http
from tocsin.network import HOST

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}"
WITHIN_S = 10.0


class Server:
    """Answers one request on each connection and promises to keep it; a second one on the same connection gets `second`, or the end."""

    def __init__(self, listener: socket.socket, second: bytes | None) -> None:
        self._listener, self._second = listener, second
        self.connections = 0
        self.requests = 0
        self.ended = threading.Semaphore(0)
        """Released for each connection that was closed."""

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection:
                    self._serve_one(connection)
                self.ended.release()

    def _serve_one(self, connection: socket.socket) -> None:
        connection.settimeout(WITHIN_S)
        self._read(connection)
        connection.sendall(ANSWER)
        if self._second is not None:
            self._read(connection)
            connection.sendall(self._second)

    def _read(self, connection: socket.socket) -> None:
        """One request, whose body ends with a brace where it has one."""
        read = b""
        while not (read.startswith(b"GET") and read.endswith(b"\r\n\r\n")) and not read.endswith(b"}"):
            read += connection.recv(65_536)
        self.requests += 1


@contextmanager
def server(second: bytes | None) -> Iterator[tuple[Server, str]]:
    with socket.create_server((HOST, 0)) as listener:
        running = Server(listener, second)
        threading.Thread(target=running.serve, daemon=True).start()
        try:
            yield running, f"http://{HOST}:{listener.getsockname()[1]}/fhir"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def exchanged(by: Http, url: str, method: str) -> int:
    body = b'{"resourceType": "Bundle"}' if method == "POST" else None
    return by.exchange(method, url, neighbour="fhir", headers={}, body=body, body_bytes_max=100).status


def test_a_connection_that_the_server_closed_since_is_not_used_again() -> None:
    with server(second=None) as (running, url):
        by = Http(connect_timeout_s=WITHIN_S, request_timeout_s=WITHIN_S)
        for method in ("GET", "POST", "GET"):
            assert exchanged(by, url, method) == 200
            assert running.ended.acquire(timeout=WITHIN_S)
        assert (running.connections, running.requests) == (3, 3)


def test_a_request_that_meets_the_end_of_its_kept_connection_is_sent_again_on_another() -> None:
    with server(second=b"") as (running, url):
        by = Http(connect_timeout_s=WITHIN_S, request_timeout_s=WITHIN_S)
        assert [exchanged(by, url, method) for method in ("GET", "GET", "POST", "POST")] == [200] * 4
        assert running.connections > 1
