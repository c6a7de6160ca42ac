"""`tocsin serve` as a process: how it begins, what it says while Redis is away, how it ends."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from kafka import KafkaAdminClient
from tocsin.network import HOST
from tocsin.sandbox import redis
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis

from tests.support.serve_process import Process, process
from tests.support.stack import running
from tests.support.waiting import eventually
from tests.support.web_visitor import WebVisitor


@pytest.fixture
def bus(kafka: Kafka) -> dict[str, str]:
    """The settings of a bus whose worklist is empty, so that it is whole at once."""
    names = {name: f"{name}-{secrets.token_hex(4)}" for name in ("flags", "verdicts")}
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1} for name in names.values()}, wait_for_metadata=True)
    topics = {f"TOCSIN_KAFKA__TOPIC_{name.upper()}": topic for name, topic in names.items()}
    return {"TOCSIN_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers, **topics}


@contextmanager
def thoughtful() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """An issuer that thinks before it answers: its address, what is set when it is asked, and what has it answer."""
    asked, answer = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        with closing(listener.accept()[0]) as caller:
            caller.recv(10_000)
            asked.set()
            answer.wait(20)
            caller.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://{HOST}:{listener.getsockname()[1]}/fhir", asked, answer
        answer.set()


def test_a_request_under_way_is_answered_before_the_end(redis_server: Redis, bus: dict[str, str], tmp_path: Path) -> None:
    with thoughtful() as (issuer, asked, answer), process(redis_server.url, tmp_path, more={**bus, **knowing(issuer)}) as serve:
        statuses: list[int] = []
        reader = threading.Thread(target=lambda: statuses.append(WebVisitor().ask(f"{serve.origin}/launch").status))
        reader.start()
        assert asked.wait(10)
        serve.child.send_signal(signal.SIGTERM)
        eventually(lambda: serve.ready(503), what="/ready to fail")
        assert "it was told to end, and answers what still comes" in serve.page("/ready")[1]["not_ready_because"]
        answer.set()
        reader.join(10)
        assert statuses == [502]
        assert serve.child.wait(10) == 0


def knowing(issuer: str) -> dict[str, str]:
    """The settings that name one issuer."""
    return {"TOCSIN_FHIR__BASE_URL": issuer, "TOCSIN_SERVE__ISSUERS": json.dumps({issuer: {"client_id": "tocsin"}})}


def test_without_redis_it_stays_ready_says_so_to_readers_and_comes_back(bus: dict[str, str], tmp_path: Path) -> None:
    with running(lambda: redis.start(tmp_path)) as store, process(store.url, tmp_path, more=bus) as serve:
        store.stop()
        eventually(lambda: not redis_reached(serve), what="its ping to fail")
        assert (serve.page("/live")[0], serve.page("/ready")[0]) == (200, 200)
        answer = WebVisitor({HOST: {"tocsin": "x" * 43}}).ask(f"{serve.origin}/")
        assert (answer.status, "does not answer (redis)" in answer.text, answer.headers["retry-after"]) == (503, True, "10")
        again = redis.start(tmp_path, port=store.port)
        try:
            eventually(lambda: redis_reached(serve), what="its ping to succeed again")
            assert WebVisitor({HOST: {"tocsin": "x" * 43}}).ask(f"{serve.origin}/").status == 200
        finally:
            again.stop()


def redis_reached(serve: Process) -> bool:
    """Whether the process says so on its health pages."""
    return bool(serve.page("/ready")[1]["neighbours"]["redis"]["state"] == "reached")


def test_requests_are_measured_by_route_and_no_id_is_told(redis_server: Redis, bus: dict[str, str], tmp_path: Path) -> None:
    with process(redis_server.url, tmp_path, more=bus) as serve:
        for path in ("/", "/reports/canary-1", "/canary-2", "/launch?iss=https://canary-3.example.org&launch=canary-4"):
            WebVisitor().ask(serve.origin + path)
        with urlopen(f"{serve.health}/metrics", timeout=5) as answer:
            told = answer.read().decode()
        serve.child.terminate()
        serve.child.wait(10)
        assert 'http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/"' in told
        assert "tocsin_launches_total{" in told
        assert 'result="issuer-unknown"' in told
        assert "canary" not in told + serve.log.read_text()
