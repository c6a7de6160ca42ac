"""Nobody can use the server up, and it ends without breaking off what is under way."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pytest
from tocsin.errors import ConfigurationError
from tocsin.network import HOST
from tocsin.serve.server import Server, drain, serving
from tocsin.settings import ServeSettings

from tests.support.waiting import eventually

SLOW = threading.Event()
LARGE = b"x" * 20_000_000
QUICK = ServeSettings(host=HOST, port=0, threads=2, request_timeout_s=1, keep_alive_s=1, connections_max=20)


@pytest.fixture(autouse=True)
def _not_yet() -> Iterator[None]:
    SLOW.clear()
    yield
    SLOW.set()


def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        SLOW.wait(10)
    body = LARGE if environ["PATH_INFO"] == "/large" else b"whole"
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with closing(socket.create_connection((HOST, server.port), timeout=10)) as open_:
        yield open_


def closed_within(open_: socket.socket, s: float) -> bool:
    """Whether the other side closes the connection in time."""
    open_.settimeout(s)
    with suppress(ConnectionError):
        while True:
            try:
                if not open_.recv(65_536):
                    return True
            except TimeoutError:
                return False
    return True


def answered(server: Server, path: str = "/") -> int:
    with closing(http.client.HTTPConnection(HOST, server.port, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def test_a_request_that_comes_byte_by_byte_is_given_up() -> None:
    with serving(app, QUICK) as server, connected(server) as slow:
        began = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with suppress(OSError):
            while time.monotonic() - began < 8:
                slow.sendall(b"x: y\r\n")
                time.sleep(0.2)
        assert 0.9 < time.monotonic() - began < 6


def test_a_body_that_does_not_come_is_given_up() -> None:
    with serving(app, QUICK) as server, connected(server) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert closed_within(slow, 6)


def test_a_caller_who_does_not_read_is_given_up() -> None:
    with serving(app, QUICK) as server, connected(server) as silent:
        silent.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: server.under_way == 1, within_s=5, what="the answer")
        eventually(lambda: server.under_way == 0, within_s=8, what="the end of the wait for who does not read")


def test_a_request_that_takes_the_server_long_is_not_given_up() -> None:
    with serving(app, QUICK) as server, connected(server) as patient:
        patient.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Timer(3, SLOW.set).start()
        assert patient.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", b"400"),
    ],
    ids=["head", "body", "two lengths"],
)
def test_what_is_too_large_or_says_two_lengths_is_refused(sent: bytes, status: bytes) -> None:
    with serving(app, QUICK) as server, connected(server) as caller:
        caller.sendall(sent)
        assert caller.recv(12).split()[1:] == [status]


def test_more_connections_than_allowed_wait_and_are_answered_when_others_go() -> None:
    with serving(app, QUICK) as server, ExitStack() as held:
        for _ in range(30):
            held.enter_context(connected(server))
        assert len(server.active_channels) <= QUICK.connections_max
        assert answered(server) == 200  # idle ones are closed after keep_alive_s


def test_it_ends_once_requests_under_way_are_answered() -> None:
    with serving(app, QUICK) as server, connected(server) as caller:
        caller.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: server.under_way == 1, what="the request")
        threading.Timer(0.5, SLOW.set).start()
        assert drain(server, 5)
        assert b"whole" in caller.recv(1000)
        with pytest.raises(OSError, match=r"refused|reset"):
            socket.create_connection((HOST, server.port), timeout=2)


def test_it_ends_in_time_whatever_is_under_way() -> None:
    with serving(app, QUICK) as server, connected(server) as caller:
        caller.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: server.under_way == 1, what="the request")
        began = time.monotonic()
        assert not drain(server, 0.5)
        assert time.monotonic() - began < 2


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with (
        serving(app, QUICK) as server,
        pytest.raises(ConfigurationError, match="TOCSIN_SERVE__PORT"),
        serving(app, QUICK.model_copy(update={"port": server.port})),
    ):
        pass
