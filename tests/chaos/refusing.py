"""A Redis that answers and takes no writes: its memory is full, or it has become a replica of a server that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

ANSWER_WITHIN_S: Final = 5.0
NOBODY: Final = ("127.0.0.1", "1")
"""No server listens on port 1."""


@contextmanager
def refusing(url: str, how: str) -> Iterator[None]:
    """Until the block ends; `how` is full (OOM) or read-only (READONLY). One that is killed meanwhile comes back without it."""
    client = Redis.from_url(url, socket_timeout=ANSWER_WITHIN_S, socket_connect_timeout=ANSWER_WITHIN_S)
    try:
        if how == "full":
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
        else:
            client.replicaof(*NOBODY)
        yield
        with suppress(RedisError):
            client.config_set("maxmemory", "0")
            client.replicaof("NO", "ONE")
    finally:
        client.close()
