"""Redis over TLS must prove who it is before anything is said to it, on every way that Tocsin goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from pydantic import SecretStr
from tocsin.errors import ConfigurationError, Deferred
from tocsin.network import HOST
from tocsin.sandbox.redis import Redis
from tocsin.settings import RedisSettings, Settings
from tocsin.telemetry.preflight import Check
from tocsin.work.app import client
from tocsin.work.health import RedisPing
from tocsin.work.lock import alone
from tocsin.work.preflight import redis_preflight
from tocsin.work.redis_client import redis_client
from tocsin.work.tasks import Message, Task
from tocsin.work.tasks import send as send_message

from tests.support.tls import Authority, Front, tls_front

PASSWORD = "canary-password"
TASK = Task("any", "any", lambda: None)


def ping(settings: RedisSettings) -> None:
    with closing(RedisPing(settings)) as asked:
        asked.ask()


def celery(settings: RedisSettings) -> None:
    """As a worker connects."""
    app = client(Settings(redis=settings), [TASK])
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0)


def send(settings: RedisSettings) -> None:
    send_message(client(Settings(redis=settings), [TASK]), Message(TASK.name))


def lock(settings: RedisSettings) -> None:
    with closing(redis_client(settings)) as made:
        made.set("tocsin.alone.tls", "another", px=60_000)
    with alone(settings, "tls", "me", 60) as mine:
        assert not mine


WAYS = [ping, celery, send, lock]
Way = Callable[[RedisSettings], None]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def front(redis_server: Redis, authority: Authority) -> Iterator[Front]:
    with tls_front(authority.issue(), redis_server.port) as made:
        yield made


def settings(port: int, ca: Path | None = None, *, host: str = HOST, password: str = "", scheme: str = "rediss") -> RedisSettings:
    login = f":{password}@" if password else ""
    return RedisSettings(url=SecretStr(f"{scheme}://{login}{host}:{port}/0"), tls_ca_file=ca, connect_timeout_s=2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_redis_that_proves_its_name_is_spoken_to_on_every_way(way: Way, host: str, front: Front, authority: Authority) -> None:
    way(settings(front.port, authority.file, host=host))


@pytest.mark.parametrize("way", WAYS[:3])
@pytest.mark.parametrize("wrong", ["unknown authority", "system authorities alone", "another host", "expired"])
def test_an_impostor_hears_no_word_and_no_password(way: Way, wrong: str, redis_server: Redis, authority: Authority, tmp_path: Path) -> None:
    names = ("redis.example.org",) if wrong == "another host" else ()
    stranger = Authority(tmp_path / "stranger")
    ca = {"unknown authority": stranger.file, "system authorities alone": None}.get(wrong, authority.file)
    with tls_front(authority.issue(*names, expired=wrong == "expired"), redis_server.port) as impostor:
        with pytest.raises((Deferred, OperationalError)) as refused:
            way(settings(impostor.port, ca, password=PASSWORD))
        assert bytes(impostor.heard) == b""
    assert "ertificate" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_work_is_not_kept_waiting_by_a_lock_that_an_impostor_holds(redis_server: Redis, authority: Authority, tmp_path: Path) -> None:
    with tls_front(authority.issue(), redis_server.port) as impostor:
        with alone(settings(impostor.port, Authority(tmp_path / "other").file), "this", "me", 60) as mine:
            assert mine
        assert bytes(impostor.heard) == b""


def test_a_redis_that_asks_for_our_certificate_gets_it(redis_server: Redis, authority: Authority) -> None:
    certificate, key = authority.issue("tocsin.example.org")
    with tls_front(authority.issue(), redis_server.port, clients=authority) as strict:
        without = settings(strict.port, authority.file)
        with_it = without.model_copy(update={"tls_certificate_file": certificate, "tls_key_file": key})
        celery(with_it)
        ping(with_it)
        assert [each.passed for each in redis_preflight(with_it)] == [True] * 4
        with pytest.raises(Deferred):
            ping(without)


def checked(given: RedisSettings) -> Check:
    """The last thing that was looked at."""
    return list(redis_preflight(given))[-1]


def test_a_check_goes_through_name_connection_tls_login_and_a_write(front: Front, authority: Authority) -> None:
    found = list(redis_preflight(settings(front.port, authority.file)))
    assert [(each.what, each.passed) for each in found] == [("connection", True), ("TLS", True), ("login", True), ("write", True)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("unknown authority", "unable to get local issuer"),
        ("another host", "IP address mismatch"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_check_says_what_is_wrong_with_a_certificate(
    wrong: str, said: str, redis_server: Redis, authority: Authority, tmp_path: Path
) -> None:
    names = ("redis.example.org",) if wrong == "another host" else ()
    ca = Authority(tmp_path / "other").file if wrong == "unknown authority" else authority.file
    with tls_front(authority.issue(*names, expired=wrong == "expired"), redis_server.port) as impostor:
        found = checked(settings(impostor.port, ca))
    assert (found.what, found.passed) == ("TLS", False)
    assert said in found.found
    assert "TOCSIN_REDIS__TLS_CA_FILE" in found.fix


def test_a_check_tells_plain_from_tls_both_ways(redis_server: Redis, front: Front, authority: Authority) -> None:
    to_plain = checked(settings(redis_server.port, authority.file))
    assert (to_plain.what, to_plain.passed) == ("TLS", False)
    assert "redis://" in to_plain.fix
    to_tls = checked(settings(front.port, scheme="redis"))
    assert (to_tls.what, to_tls.passed) == ("login", False)
    assert "rediss://" in to_tls.fix


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_named_at_the_start(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    for start in (lambda given: client(given, [TASK]), lambda given: RedisPing(given.redis)):
        with pytest.raises(ConfigurationError, match=r"TOCSIN_REDIS__TLS_CA_FILE.*ca\.pem"):
            start(Settings(redis=settings(1, file)))


@pytest.mark.parametrize("query", ["ssl_cert_reqs=none", "ssl_check_hostname=false", "ssl_ca_certs=/x", "db=3", "ssl=false"])
def test_no_option_in_the_address_changes_what_is_verified(query: str) -> None:
    with pytest.raises(ValueError, match="options stand in TOCSIN_REDIS__"):
        RedisSettings(url=SecretStr(f"rediss://redis/0?{query}"))


def test_authorities_without_tls_are_a_mistake_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must begin with rediss://"):
        RedisSettings(url=SecretStr("redis://redis/0"), tls_ca_file=tmp_path / "ca.pem")
