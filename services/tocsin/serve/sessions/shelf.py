"""Where sessions and launches under way are kept for a while."""

from __future__ import annotations

from typing import Final, Protocol

from redis.exceptions import RedisError

from tocsin.errors import Unavailable
from tocsin.serve.sessions.sealed import Unsealable, name_of, seal, unseal
from tocsin.settings import RedisSettings
from tocsin.work.redis_client import reason, redis_client

NEIGHBOUR: Final = "redis"
PREFIX: Final = "tocsin.serve"


class Shelf(Protocol):
    """Keeps content under a secret for a time. Safe for threads. Each of these raises Unavailable(redis)."""

    def put(self, secret: str, content: bytes, keep_s: int) -> None:
        """Keep the content for so many seconds."""

    def get(self, secret: str) -> bytes | None:
        """What is kept under the secret; None where nothing is any more."""

    def keep(self, secret: str, keep_s: int) -> None:
        """Keep what is there for so many seconds from now."""

    def take(self, secret: str) -> bytes | None:
        """As `get`, and nothing is kept under it afterwards; of two at once one gets None."""


class RedisShelf:
    """Adapter of Shelf for Redis, which sees hashes and sealed bytes alone."""

    def __init__(self, settings: RedisSettings, purpose: str) -> None:
        """What is kept for one `purpose` (a word) is not found for another. Raises ConfigurationError; connects when first used."""
        self._redis = redis_client(settings)
        self._purpose = purpose

    def put(self, secret: str, content: bytes, keep_s: int) -> None:
        """See Shelf.put."""
        try:
            self._redis.set(self._key(secret), seal(content, secret, self._purpose), ex=keep_s)
        except RedisError as error:
            raise away(error) from None

    def get(self, secret: str) -> bytes | None:
        """See Shelf.get."""
        try:
            return self._opened(self._redis.get(self._key(secret)), secret)
        except RedisError as error:
            raise away(error) from None

    def keep(self, secret: str, keep_s: int) -> None:
        """See Shelf.keep."""
        try:
            self._redis.expire(self._key(secret), keep_s)
        except RedisError as error:
            raise away(error) from None

    def take(self, secret: str) -> bytes | None:
        """See Shelf.take."""
        try:
            return self._opened(self._redis.getdel(self._key(secret)), secret)
        except RedisError as error:
            raise away(error) from None

    def _key(self, secret: str) -> str:
        return f"{PREFIX}.{self._purpose}.{name_of(secret)}"

    def _opened(self, sealed: object, secret: str) -> bytes | None:
        try:
            return unseal(sealed, secret, self._purpose) if isinstance(sealed, bytes) else None
        except Unsealable:  # somebody else wrote there: as good as nothing
            return None


def away(error: RedisError) -> Unavailable:
    """What is raised where Redis does not serve."""
    return Unavailable(NEIGHBOUR, reason(error))
