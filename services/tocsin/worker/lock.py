"""Keeps two workers from doing the same thing at the same time; it only spares work, so that its loss is harmless."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from tocsin.settings import RedisSettings

PREFIX = "tocsin.alone."


@contextmanager
def alone(settings: RedisSettings, what: str, who: str, at_most_s: float) -> Iterator[bool]:
    """Whether nobody but `who` is at `what` now; true as well where Redis does not answer.

    Should this process die, others wait until `at_most_s` seconds after it began; the same `who`, handed out again, does not.
    """
    wait_s = settings.connect_timeout_s
    client = Redis.from_url(settings.url.get_secret_value(), socket_timeout=wait_s, socket_connect_timeout=wait_s)
    try:
        mine = _take(client, PREFIX + what, who, at_most_s)
        yield mine
        if mine:
            _give_back(client, PREFIX + what, who)
    finally:
        client.close()


def _take(client: Redis, key: str, who: str, at_most_s: float) -> bool:
    milliseconds = int(at_most_s * 1000)
    try:
        if client.set(key, who, nx=True, px=milliseconds):
            return True
        return client.get(key) == who.encode() and bool(client.pexpire(key, milliseconds))
    except RedisError:
        return True


def _give_back(client: Redis, key: str, who: str) -> None:
    try:
        if client.get(key) == who.encode():
            client.delete(key)
    except RedisError:
        return  # it ends by itself
