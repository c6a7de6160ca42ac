"""The port on which a process says how it is answers whoever asks, and nobody can use it up."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import orjson
import pytest
from tocsin.errors import ConfigurationError
from tocsin.settings import MetricsSettings
from tocsin.telemetry.health_server import (
    ANSWER_BYTES_MAX,
    BACKLOG,
    CONNECTIONS,
    EXCHANGE_S,
    HEAD_BYTES_MAX,
    THREADS,
    TURN_S,
    App,
    Page,
    Pages,
    serving,
)

HOST = "127.0.0.1"
ANY = MetricsSettings(host=HOST, port=0)
PAGES: Pages = {
    "/live": lambda: Page(True, {"live": True}),
    "/ready": lambda: Page(False, {"ready": False}),
    "/broken": lambda: Page(True, {"x": 1 / 0}),
}


@pytest.fixture
def port() -> Iterator[int]:
    with serving(ANY, PAGES) as port:
        yield port


def ask(port: int, path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/live", 200, {"live": True}),
        ("/live?pretty", 200, {"live": True}),
        ("/ready", 503, {"ready": False}),
        ("/", 404, {"pages": ["/broken", "/live", "/ready"]}),
        ("/live/", 404, {"pages": ["/broken", "/live", "/ready"]}),
    ],
)
def test_a_page_is_good_or_bad_or_not_there(port: int, path: str, status: int, body: dict[str, object]) -> None:
    answered, content, headers = ask(port, path)
    assert (answered, orjson.loads(content)) == (status, body)
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("path", "status"), [("/live", 200), ("/ready", 503), ("/nothing", 404)])
def test_a_head_request_has_the_same_status_and_no_body(port: int, path: str, status: int) -> None:
    answered, content, headers = ask(port, path, "HEAD")
    assert (answered, content) == (status, b"")
    assert int(headers["content-length"]) > 0


def test_other_methods_are_refused(port: int) -> None:
    status, _, headers = ask(port, "/live", "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_request_with_a_body_is_refused_before_the_body_is_read(port: int) -> None:
    with socket.create_connection((HOST, port), timeout=10) as caller:
        caller.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert caller.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.fixture
def measured() -> Iterator[int]:
    def metrics(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", f"text/{environ.get('HTTP_ACCEPT')}")])
        return [b"a 1\n", b"b 2\n"]

    application: App = metrics
    with serving(ANY, PAGES, application) as port:
        yield port


def test_metrics_are_a_page_beside_the_others(measured: int) -> None:
    assert orjson.loads(ask(measured, "/")[1]) == {"pages": ["/broken", "/live", "/metrics", "/ready"]}
    status, content, headers = ask(measured, "/metrics")
    assert (status, content, headers["content-type"], headers["cache-control"]) == (200, b"a 1\nb 2\n", "text/None", "no-store")
    assert ask(measured, "/metrics", "POST")[0] == 405


def test_a_head_request_for_metrics_has_no_body(measured: int) -> None:
    status, content, headers = ask(measured, "/metrics", "HEAD")
    assert (status, content, headers["content-length"]) == (200, b"", "8")


def test_callers_who_say_nothing_give_way_to_those_who_ask(port: int) -> None:
    with ExitStack() as silent:
        for _ in range(CONNECTIONS + BACKLOG // 2):
            silent.enter_context(socket.create_connection((HOST, port)))
        assert ask(port, "/live")[0] == 200


def test_a_caller_who_does_not_read_his_answer_is_cut_off_in_time() -> None:
    long = Page(True, {"long": "x" * (ANSWER_BYTES_MAX // 2)})
    with serving(ANY, {"/long": lambda: long}) as port, socket.create_connection((HOST, port), timeout=10) as caller:
        caller.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Event().wait(EXCHANGE_S + 3 * TURN_S)
        read = 0
        with suppress(ConnectionError):
            while chunk := caller.recv(1 << 20):
                read += len(chunk)
        assert read < ANSWER_BYTES_MAX // 2


def test_a_caller_who_speaks_slowly_is_cut_off_in_time(port: int) -> None:
    began = time.monotonic()
    with socket.create_connection((HOST, port), timeout=10) as slow:
        talking = threading.Event()

        def trickle() -> None:
            try:
                while not talking.wait(0.1):
                    slow.sendall(b"G")
            except OSError:
                return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert slow.recv(1) == b""
        except ConnectionError:
            pass  # the kernel's word for the same, where a byte was under way
        finally:
            talking.set()
            thread.join()
    assert time.monotonic() - began < EXCHANGE_S + 2


def test_a_request_that_is_too_long_is_not_read_to_its_end(port: int) -> None:
    with socket.create_connection((HOST, port), timeout=10) as caller, pytest.raises(OSError):  # noqa: PT011, PT012 - reset or broken pipe
        for _ in range(1000):
            caller.sendall(b"GET /" + b"x" * HEAD_BYTES_MAX)
    assert ask(port, "/live")[0] == 200


def test_a_page_that_fails_costs_one_answer_and_no_thread(port: int) -> None:
    for _ in range(THREADS + 1):
        assert ask(port, "/broken")[:2] == (500, b"{}\n")
    assert ask(port, "/live")[0] == 200


def test_a_port_that_is_taken_is_named_with_its_setting(port: int) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"port {port} .*TOCSIN_METRICS__PORT"),
        serving(MetricsSettings(host=HOST, port=port), PAGES),
    ):
        pytest.fail("two listen on one port")


def test_an_address_of_another_machine_is_named_with_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_METRICS__HOST"), serving(MetricsSettings(host="192.0.2.1", port=0), PAGES):
        pytest.fail("it listens where it is not")


def test_nobody_answers_afterwards_and_the_port_is_free_at_once() -> None:
    with serving(ANY, PAGES) as port:
        ask(port, "/live")
    with pytest.raises(ConnectionError):
        ask(port, "/live")
    with serving(MetricsSettings(host=HOST, port=port), PAGES):
        assert ask(port, "/live")[0] == 200


def test_a_forked_process_keeps_no_port_of_its_parents() -> None:
    (waits, ends), (hears, begins) = os.pipe(), os.pipe()
    with serving(ANY, PAGES) as port:
        child = os.fork()
        if child == 0:
            os.write(begins, b"x")
            os.read(waits, 1)
            os._exit(0)
        os.read(hears, 1)
        assert ask(port, "/live")[0] == 200
    try:
        with serving(MetricsSettings(host=HOST, port=port), PAGES):
            assert ask(port, "/live")[0] == 200
    finally:
        os.write(ends, b"x")
        os.waitpid(child, 0)
