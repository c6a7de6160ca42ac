"""Why Redis refuses is told by its code, whatever text comes with it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from pydantic import SecretStr
from redis.exceptions import InvalidResponse
from tocsin.errors import Unavailable
from tocsin.network import HOST
from tocsin.settings import RedisSettings, Settings
from tocsin.work.app import client
from tocsin.work.health import RedisPing
from tocsin.work.lock import alone
from tocsin.work.preflight import redis_preflight
from tocsin.work.redis_client import REFUSALS, address, reason
from tocsin.work.tasks import Message, Task, send

TASK = Task("any", "any", lambda: None)


@contextmanager
def refusing(line: str) -> Iterator[RedisSettings]:
    """Something that answers this line to whatever it is asked."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (head := self.rfile.readline()).startswith(b"*"):
                for _ in range(int(head[1:])):
                    self.rfile.read(int(self.rfile.readline()[1:]) + 2)
                self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield RedisSettings(url=SecretStr(f"redis://{HOST}:{server.server_address[1]}/0"), connect_timeout_s=2)
        server.shutdown()


def refusal(code: str) -> str:
    """As Redis says it, but for a name that it would never say."""
    return f"-{code} {f'3999 {HOST}:1' if code == 'MOVED' else 'Jane Canary'}"


CODES = [*sorted(REFUSALS), "ERR", "TRYAGAIN", "CROSSSLOT", "UNKILLABLE", "NEWERCODE"]


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_of_redis_is_waited_for_and_told_by_its_code_alone(code: str) -> None:
    with refusing(refusal(code)) as settings, closing(RedisPing(settings)) as ping, pytest.raises(Unavailable) as refused:
        ping.ask()
    assert refused.value.detail == (f"{code}: {REFUSALS[code]}" if code in REFUSALS else code)


@pytest.mark.parametrize("code", CODES)
def test_a_check_tells_every_refusal_with_a_fix(code: str) -> None:
    with refusing(refusal(code)) as settings:
        found = list(redis_preflight(settings))[-1]
    assert (found.passed, code in found.found, bool(found.fix), "Canary" in f"{found}") == (False, True, True, False)


@pytest.mark.parametrize("line", ["+hello", "HTTP/1.1 400 Bad Request", ":1", "-", "- lower case", "$-1"])
def test_what_is_no_redis_is_waited_for_on_every_way_and_not_quoted(line: str) -> None:
    with refusing(line) as settings:
        found = list(redis_preflight(settings))[-1]
        assert (found.passed, bool(found.fix), "Bad Request" in f"{found}") == (False, True, False)
        with closing(RedisPing(settings)) as ping, pytest.raises(Unavailable) as by_ping:
            ping.ask()
        with pytest.raises(Unavailable) as by_celery:
            send(client(Settings(redis=settings), [TASK]), Message(TASK.name))
        with alone(settings, "this", "me", 60):
            """It raises nothing."""
    assert "Bad Request" not in f"{by_ping.value}{by_celery.value}"


def test_what_answers_otherwise_than_redis_does_is_told_in_words_and_not_quoted() -> None:
    assert reason(InvalidResponse("Jane Canary")) == "what answers there is not Redis"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://redis", ("redis", 6379, None, None, 0, False)),
        ("rediss://:se%2Fcret@redis:6380/15", ("redis", 6380, None, "se/cret", 15, True)),
        ("redis://us%40er:p%3Fw@[::1]:6379/", ("::1", 6379, "us@er", "p?w", 0, False)),
        ("REDISS://redis/3", ("redis", 6379, None, None, 3, True)),
    ],
)
def test_an_address_says_where_and_as_whom(url: str, told: tuple[object, ...]) -> None:
    found = address(RedisSettings(url=SecretStr(url)))
    assert (found.host, found.port, found.username, found.password, found.database, found.tls) == told
