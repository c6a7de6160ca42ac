"""Every process is asked within a deadline and for no more than a bound, whoever answers there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tocsin.telemetry.top.scrape import METRICS_BYTES_MAX, READY_BYTES_MAX, Scraper

from tests.support.telling import consuming, process
from tests.support.web import Reply, web

WITHIN_S = 20.0
"""So long that only a defect waits for it."""


@contextmanager
def dripping() -> Iterator[tuple[str, list[object]]]:
    """A server whose answer comes a byte at a time and never ends; gives its origin and who connected."""
    callers: list[object] = []
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.02):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, caller = listener.accept()
            except OSError:
                return
            callers.append(caller)
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", callers
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_each_process_is_asked_for_metrics_and_health() -> None:
    with process(consuming()) as one, process(consuming()) as other:
        answers = Scraper([one.address, other.address], WITHIN_S).ask()
    assert [each.address for each in answers] == [one.address, other.address]
    assert all("tocsin_consumer_lag{" in (each.metrics or "") and b'"ready":false' in (each.ready or b"") for each in answers)


def test_a_process_named_twice_is_asked_once() -> None:
    with process(consuming()) as one:
        assert len(Scraper([one.address, one.address], WITHIN_S).ask()) == 1
        assert one.asked == 1


def test_where_nobody_listens_the_reason_is_told_beside_the_others_answers() -> None:
    with process(consuming()) as one:
        absent, present = Scraper(["http://127.0.0.1:1", one.address], WITHIN_S).ask()
    assert (absent.metrics, absent.missing_because) == (None, "connection refused")
    assert (present.metrics is None, present.missing_because) == (False, "")


def test_a_name_that_does_not_resolve_is_told_so() -> None:
    [answer] = Scraper(["http://nowhere.invalid:9464"], WITHIN_S).ask()
    assert answer.missing_because == "its name does not resolve"


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (Reply(404, b"not here"), "HTTP 404 to /metrics"),
        (Reply(302, b"", {"Location": "/elsewhere"}), "HTTP 302 to /metrics"),
        (Reply(200, b"x" * (METRICS_BYTES_MAX + 1)), f"its /metrics is larger than {METRICS_BYTES_MAX} bytes"),
        (Reply(200, b"tocsin_consumer_lag 4\n", {"Content-Length": "999"}), "its /metrics breaks off"),
    ],
    ids=["absent", "elsewhere", "huge", "unfinished"],
)
def test_an_answer_without_metrics_is_told_with_the_reason(metrics: Reply, said: str) -> None:
    with web() as site:
        site.replies |= {"/metrics": metrics, "/ready": Reply(200, b"{}"), "/elsewhere": Reply(200, b"tocsin_consumer_lag 4\n")}
        [answer] = Scraper([site.origin], WITHIN_S).ask()
    assert (answer.metrics, answer.missing_because) == (None, said)
    assert "/elsewhere" not in [each.path for each in site.asked]


def test_a_health_page_that_is_huge_is_left_out_and_the_metrics_are_kept() -> None:
    with web() as site:
        site.replies |= {"/metrics": Reply(200, b"tocsin_consumer_lag 4\n"), "/ready": Reply(200, b"x" * (READY_BYTES_MAX + 1))}
        [answer] = Scraper([site.origin], WITHIN_S).ask()
    assert (answer.metrics, answer.ready) == ("tocsin_consumer_lag 4\n", None)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with process(consuming()) as one:
        [answer] = Scraper([one.address], WITHIN_S).ask()
    assert answer.metrics is not None


def test_somebody_who_speaks_no_http_is_told_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example.org ESMTP\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        [answer] = Scraper([f"http://127.0.0.1:{listener.getsockname()[1]}"], WITHIN_S).ask()
        thread.join(WITHIN_S)
    assert answer.missing_because == "it does not speak HTTP"


def test_an_answer_that_drips_without_end_holds_nobody_up_and_is_not_asked_for_a_second_time() -> None:
    with dripping() as (slow, callers), process(consuming()) as one:
        scraper = Scraper([slow, one.address], 3.0)
        began_s = time.monotonic()
        for _ in range(2):
            silent, present = scraper.ask()
            assert silent.missing_because == "no answer in time"
            assert present.metrics is not None
        assert time.monotonic() - began_s < WITHIN_S
        assert len(callers) == 1
