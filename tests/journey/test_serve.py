"""`tocsin serve` as a process: how it begins, what it says while Redis is away, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tocsin.network import HOST, free_ports
from tocsin.sandbox import redis
from tocsin.sandbox.redis import Redis

from tests.support.stack import running
from tests.support.waiting import eventually
from tests.support.web_visitor import WebVisitor


@dataclass
class Process:
    """A running `tocsin serve`."""

    child: subprocess.Popen[bytes]
    origin: str
    health: str
    log: Path

    def page(self, path: str) -> tuple[int, dict[str, Any]]:
        """A health page."""
        try:
            with urlopen(self.health + path, timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as answer:
            return answer.code, json.loads(answer.read())

    def ready(self, status: int) -> bool:
        """Whether /ready answers so."""
        try:
            return self.page("/ready")[0] == status
        except OSError:
            return False


@contextmanager
def process(redis_url: str, folder: Path, **more: str) -> Iterator[Process]:
    port, health = free_ports(2)
    settings = {
        "TOCSIN_REDIS__URL": redis_url,
        "TOCSIN_REDIS__CONNECT_TIMEOUT_S": "1",
        "TOCSIN_SERVE__PORT": str(port),
        "TOCSIN_SERVE__PUBLIC_URL": f"http://{HOST}:{port}",
        "TOCSIN_SERVE__LINGER_S": "0",
        "TOCSIN_METRICS__PORT": str(health),
        "TOCSIN_METRICS__HOST": HOST,
        "TOCSIN_METRICS__PING_EVERY_S": "0.2",
    }
    log = folder / "serve.log"
    with log.open("wb") as written:
        child = subprocess.Popen([sys.executable, "-m", "tocsin", "serve"], env={**os.environ, **settings, **more}, stderr=written)
    made = Process(child, f"http://{HOST}:{port}", f"http://{HOST}:{health}", log)
    try:
        eventually(lambda: made.ready(200), within_s=30, what="a server that is ready")
        yield made
    finally:
        child.kill()
        child.wait(10)


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


def test_a_request_under_way_is_answered_before_the_end(redis_server: Redis, tmp_path: Path) -> None:
    with thoughtful() as (issuer, asked, answer), process(redis_server.url, tmp_path, **knowing(issuer)) as serve:
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
    return {"TOCSIN_SERVE__ISSUERS": json.dumps({issuer: {"client_id": "tocsin"}})}


def test_without_redis_it_is_not_ready_says_so_to_readers_and_comes_back(tmp_path: Path) -> None:
    with running(lambda: redis.start(tmp_path)) as store, process(store.url, tmp_path) as serve:
        store.stop()
        eventually(lambda: serve.ready(503), what="/ready to fail")
        assert serve.page("/live")[0] == 200
        answer = WebVisitor({HOST: {"tocsin": "x" * 43}}).ask(f"{serve.origin}/")
        assert (answer.status, "does not answer (redis)" in answer.text, answer.headers["retry-after"]) == (503, True, "10")
        again = redis.start(tmp_path, port=store.port)
        try:
            eventually(lambda: serve.ready(200), what="/ready to succeed again")
            assert WebVisitor({HOST: {"tocsin": "x" * 43}}).ask(f"{serve.origin}/").status == 200
        finally:
            again.stop()


def test_requests_are_measured_by_route_and_no_id_is_told(redis_server: Redis, tmp_path: Path) -> None:
    with process(redis_server.url, tmp_path) as serve:
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
