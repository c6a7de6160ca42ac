"""A lock in Redis that keeps two workers from the same task; it only spares work, so that its loss is harmless."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from tocsin.settings import RedisSettings
from tocsin.work.redis_client import redis_client

PREFIX = "tocsin.alone."
GIVE_BACK: Final = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
"""Lua script that deletes the lock of its holder in one step: between a look and a deletion the lock could pass to another."""


@contextmanager
def alone(settings: RedisSettings, what: str, who: str, at_most_s: float) -> Iterator[bool]:
    """Hold the lock on `what`; gives whether nobody but `who` is at it now, and True where Redis does not answer.

    Should this process die, others are kept out until `at_most_s` seconds after it began; the same `who`, handed out again, is not.
    """
    client = redis_client(settings)
    try:
        mine = _take(client, PREFIX + what, who, at_most_s)
        try:
            yield mine
        finally:
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
        client.eval(GIVE_BACK, 1, key, who)
    except RedisError:
        return  # the lock ends by itself
