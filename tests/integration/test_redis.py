"""The embedded Redis keeps what it was given, as production's does; and through it workers keep out of each other's way."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from redis import Redis as Client
from tocsin.sandbox import redis as server
from tocsin.sandbox.redis import Redis
from tocsin.settings import RedisSettings
from tocsin.worker.lock import alone

from tests.support.stack import running
from tests.support.waiting import eventually


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
