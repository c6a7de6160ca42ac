"""What stands between Tocsin and its neighbours does what the faults ask of it, and nothing otherwise."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException, IncompleteRead
from urllib.parse import urlsplit

import pytest

from tests.chaos.gateway import RETRY_AFTER_S, Gateway, busy, gateway
from tests.chaos.wire import Wire, wires
from tests.support.web import Reply, Web, web

BODY = b'{"resourceType": "Patient", "id": "p1"}'


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as site:
        site.replies["/fhir/Patient/p1"] = Reply(200, BODY, {"Content-Type": "application/fhir+json"})
        site.replies["/fhir/Media/stubborn-1"] = Reply(200, BODY)
        yield site


@pytest.fixture
def wire(site: Web) -> Iterator[Wire]:
    with wires() as all_wires:
        yield all_wires.to(urlsplit(site.origin).port or 0)


@pytest.fixture
def before(site: Web) -> Iterator[Gateway]:
    with gateway(urlsplit(site.origin).netloc) as standing:
        yield standing


def asked(port: int, path: str = "/fhir/Patient/p1", method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


def through(before: Gateway, path: str = "/fhir/Patient/p1", method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    return asked(urlsplit(before.origin).port or 0, path, method)


def read_to_the_end(client: socket.socket) -> None:
    while client.recv(65_536):
        pass


def test_a_wire_that_nobody_touches_passes_everything_on(wire: Wire) -> None:
    assert asked(wire.port)[:2] == (200, BODY)


def test_a_cut_wire_ends_what_runs_through_it_and_takes_new_connections(wire: Wire) -> None:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as client:
        client.sendall(b"GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        wire.cut()
        with pytest.raises(ConnectionResetError):
            read_to_the_end(client)
    assert asked(wire.port)[0] == 200


def test_a_closed_wire_ends_every_connection_until_it_is_mended(wire: Wire) -> None:
    wire.close()
    with pytest.raises((OSError, HTTPException)):
        asked(wire.port)
    wire.mend()
    assert asked(wire.port)[0] == 200


def test_a_slow_wire_takes_its_time_and_passes_all_the_same(wire: Wire) -> None:
    wire.slow(delay_s=0.2, bytes_a_second=1_000_000)
    began = time.monotonic()
    assert asked(wire.port)[:2] == (200, BODY)
    assert time.monotonic() - began > 0.4, "the question and the answer are each delayed"


def test_a_wire_to_a_part_that_is_gone_ends_connections_as_the_part_would() -> None:
    with wires() as all_wires, pytest.raises((OSError, HTTPException)):
        asked(all_wires.to(9).port)


def test_a_gateway_that_nobody_touches_passes_everything_on(before: Gateway, site: Web) -> None:
    status, body, headers = through(before)
    assert (status, body) == (200, BODY)
    assert headers["Content-Type"] == "application/fhir+json"
    site.replies["/fhir/Patient/p1"] = Reply(200, f'{{"url": "{site.origin}/fhir?_getpages=1"}}'.encode())
    assert through(before)[1] == f'{{"url": "{before.origin}/fhir?_getpages=1"}}'.encode()


def test_a_busy_gateway_says_when_to_come_back_in_seconds_or_as_a_date(before: Gateway, site: Web) -> None:
    before.instead = lambda: busy(429, "seconds")
    assert through(before)[0] == 429
    assert through(before)[2]["Retry-After"] == str(RETRY_AFTER_S)
    before.instead = lambda: busy(503, "date")
    assert through(before)[2]["Retry-After"].endswith(" GMT")
    before.instead = lambda: busy(503, "silent")
    assert "Retry-After" not in through(before)[2]
    assert site.asked == []
    before.mend()
    assert through(before)[0] == 200


def test_a_write_can_be_stored_and_then_answered_with_500(before: Gateway, site: Web) -> None:
    before.swallows_writes = True
    assert through(before, method="POST")[0] == 500
    assert [each.method for each in site.asked] == ["POST"]
    assert through(before)[0] == 200


def test_an_answer_can_end_early_and_seem_whole_or_end_before_its_stated_length(before: Gateway) -> None:
    before.truncates = "json"
    assert through(before)[:2] == (200, BODY[: len(BODY) // 2])
    before.truncates = "body"
    with pytest.raises(IncompleteRead):
        through(before)


def test_a_stubborn_picture_is_answered_with_500_at_first_and_others_are_not(before: Gateway) -> None:
    assert through(before, "/fhir/Media/stubborn-1")[0] == 500
    assert through(before)[0] == 200
