"""The embedded Redis keeps what it was given, as production's does; and through it workers keep out of each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis as Client
from tocsin.network import HOST
from tocsin.sandbox import redis as server
from tocsin.sandbox.redis import Redis
from tocsin.settings import RedisSettings
from tocsin.work.lock import alone
from tocsin.work.preflight import redis_preflight

from tests.support.redis_faults import FAULTS
from tests.support.stack import running
from tests.support.waiting import eventually
from tests.support.web import web


def client_of(part: Redis) -> Client:
    return Client.from_url(part.url, socket_timeout=5.0)


def synced(part: Redis) -> bool:
    """Whether its file holds the key that the test wrote."""
    return b"queued" in (part.folder / "appendonly.aof").read_bytes()


def test_a_killed_server_comes_back_at_its_address_with_what_it_held(tmp_path: Path) -> None:
    with running(lambda: server.start(tmp_path / "redis")) as first:
        client_of(first).lpush("queued", "one")
        eventually(lambda: synced(first), what="the file on the disk")
        first.kill()
        with running(lambda: server.start(first.folder, port=first.port)) as second:
            assert second.url == first.url
            assert client_of(second).lrange("queued", 0, -1) == [b"one"]


def test_a_server_whose_disk_was_lost_comes_back_empty(tmp_path: Path) -> None:
    with running(lambda: server.start(tmp_path / "redis")) as first:
        client_of(first).lpush("queued", "one")
        first.kill()
        with running(lambda: server.start(tmp_path / "new", port=first.port)) as second:
            assert client_of(second).keys() == []


def test_a_stopped_server_has_written_everything(tmp_path: Path) -> None:
    with running(lambda: server.start(tmp_path / "redis")) as first:
        client_of(first).lpush("queued", "one")
        first.stop()
        assert synced(first)


def test_it_listens_on_this_machine_alone_and_makes_no_snapshots(redis_server: Redis) -> None:
    told = client_of(redis_server).config_get("*")
    assert told["bind"] == "127.0.0.1"
    assert told["save"] == ""
    assert (told["appendonly"], told["appendfsync"]) == ("yes", "everysec")


def settings_of(part: Redis) -> RedisSettings:
    return RedisSettings(url=SecretStr(part.url))


def test_what_one_worker_is_at_another_leaves_alone_until_it_is_done(redis_server: Redis) -> None:
    settings = settings_of(redis_server)
    with alone(settings, "this", "first", 60) as mine:
        assert mine
        with alone(settings, "this", "second", 60) as theirs, alone(settings, "that", "second", 60) as other:
            assert (theirs, other) == (False, True)
    with alone(settings, "this", "second", 60) as theirs:
        assert theirs


def test_a_task_that_is_handed_out_again_goes_on_where_its_dead_worker_was(redis_server: Redis) -> None:
    settings = settings_of(redis_server)
    client_of(redis_server).set("tocsin.alone.died", "task-1", px=60_000)
    with alone(settings, "died", "task-1", 60) as mine:
        assert mine


def test_a_worker_that_died_keeps_others_waiting_no_longer_than_it_may_work(redis_server: Redis) -> None:
    settings = settings_of(redis_server)
    with alone(settings, "long", "first", 0.1):
        eventually(lambda: _free(settings), what="the lock")


def _free(settings: RedisSettings) -> bool:
    with alone(settings, "long", "second", 60) as mine:
        return mine


def test_where_redis_is_away_or_forgets_work_goes_on(redis_server: Redis) -> None:
    nowhere = RedisSettings(url=SecretStr("redis://127.0.0.1:1/0"))
    with alone(nowhere, "this", "first", 60) as mine:
        assert mine
    with alone(settings_of(redis_server), "this", "first", 60):
        client_of(redis_server).flushall()
        with alone(settings_of(redis_server), "this", "second", 60) as theirs:
            assert theirs


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One of this module's own, whose settings may be changed."""
    with running(lambda: server.start(tmp_path_factory.mktemp("mortal"))) as part:
        yield part


def checked(settings: RedisSettings) -> list[tuple[str, bool | None, str]]:
    return [(each.what, each.passed, each.found) for each in redis_preflight(settings)]


def test_a_check_of_a_redis_that_serves_passes_and_names_its_version(redis_server: Redis) -> None:
    found = checked(settings_of(redis_server))
    assert [(what, passed) for what, passed, _ in found] == [("connection", True), ("login", True), ("write", True)]
    assert found[1][2].startswith("Redis 6.")


@pytest.mark.parametrize("code", FAULTS)
def test_a_check_says_why_redis_refuses_writes(code: str, mortal: Redis) -> None:
    break_it, mend_it = FAULTS[code]
    with closing(client_of(mortal)) as client:
        break_it(client)
        try:
            *_, (what, passed, found) = checked(settings_of(mortal))
        finally:
            mend_it(client)
    assert (what, passed) == ("write", False)
    assert f": {code}: " in found


def test_a_check_tells_a_missing_password_from_a_wrong_one_and_repeats_neither(mortal: Redis) -> None:
    with closing(client_of(mortal)) as client:
        client.config_set("requirepass", "right")
        try:
            said = [
                checked(settings_at(f"redis://{login}{HOST}:{mortal.port}/0"))[-1] for login in ("", ":canary@", "canary:right@", ":right@")
            ]
        finally:
            client.config_set("requirepass", "")
    assert [(what, passed) for what, passed, _ in said] == [("login", False)] * 3 + [("write", True)]
    assert [": NOAUTH: " in said[0][2], ": WRONGPASS: " in said[1][2], ": WRONGPASS: " in said[2][2]] == [True] * 3
    assert "canary" not in str(said)


@pytest.mark.parametrize(
    ("url", "what", "found"),
    [
        ("redis://127.0.0.1:1/0", "connection", "connection refused"),
        ("redis://nobody.invalid/0", "name", "its name does not resolve"),
        ("redis://127.0.0.1:{port}/99", "login", "ERR"),
    ],
)
def test_a_check_tells_name_connection_and_database_apart(url: str, what: str, found: str, redis_server: Redis) -> None:
    (last_what, passed, said) = checked(settings_at(url.format(port=redis_server.port)))[-1]
    assert (last_what, passed) == (what, False)
    assert said.endswith(found)


def test_a_server_that_is_no_redis_fails_the_check_within_its_time() -> None:
    with web() as site:
        found = list(redis_preflight(settings_at(site.origin.replace("http", "redis") + "/0")))[-1]
    assert (found.what, found.passed, bool(found.fix)) == ("login", False, True)


def settings_at(url: str) -> RedisSettings:
    return RedisSettings(url=SecretStr(url), connect_timeout_s=2)


def test_what_fails_while_alone_gives_the_place_back(redis_server: Redis) -> None:
    settings = settings_of(redis_server)
    with pytest.raises(ZeroDivisionError), alone(settings, "fails", "first", 60):
        raise ZeroDivisionError
    with alone(settings, "fails", "second", 60) as theirs:
        assert theirs


def test_who_took_longer_than_allowed_gives_back_nothing_of_the_next_one(redis_server: Redis) -> None:
    settings = settings_of(redis_server)
    with alone(settings, "slow", "first", 60):
        client_of(redis_server).set("tocsin.alone.slow", "second")
    assert client_of(redis_server).get("tocsin.alone.slow") == b"second"
