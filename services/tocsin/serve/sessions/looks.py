"""Readers' looks in Redis, beside their sessions, so that every process of `tocsin serve` knows them, also after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from redis.client import Pipeline
from redis.exceptions import RedisError

from tocsin.serve.page.looks import Impression, Look
from tocsin.serve.sessions.shelf import PREFIX, away
from tocsin.settings import RedisSettings
from tocsin.work.redis_client import redis_client

IMPRESSION: Final = "impression"
"""The field of what the reader said; empty where the result was shown before they said anything. Whoever writes it first holds."""
OPENED_AT: Final = "opened_at"
"""The field of when the result was first before their eyes, in ISO 8601."""


class RedisLooks:
    """Adapter of Looks for Redis, which sees a hash of reader and report, a code and a time: neither patient nor clinician.

    A look is a few hundred bytes, for each report that a reader opened, and is forgotten `keep_s` after it was last added to.
    """

    def __init__(self, settings: RedisSettings, keep_s: int) -> None:
        """`keep_s` is not below the longest session. Raises ConfigurationError; connects when first used."""
        self._redis = redis_client(settings)
        self._keep_s = keep_s

    def at(self, reader: str, report: str) -> Look:
        """See Looks.at."""
        try:
            return _look(self._redis.hmget(_key(reader, report), IMPRESSION, OPENED_AT))
        except RedisError as error:
            raise away(error) from None

    def said(self, reader: str, report: str, impression: Impression) -> None:
        """See Looks.said."""
        key = _key(reader, report)
        with self._at_once() as commands:
            commands.hsetnx(key, IMPRESSION, impression.value)
            commands.expire(key, self._keep_s)
            commands.execute()

    def opened(self, reader: str, report: str, at: datetime) -> Look:
        """See Looks.opened."""
        key = _key(reader, report)
        with self._at_once() as commands:
            commands.hsetnx(key, IMPRESSION, "")
            commands.hsetnx(key, OPENED_AT, at.isoformat())
            commands.expire(key, self._keep_s)
            commands.hmget(key, IMPRESSION, OPENED_AT)
            return _look(commands.execute()[-1])

    @contextmanager
    def _at_once(self) -> Iterator[Pipeline]:
        """Commands that Redis does together or not at all. Raises Unavailable(redis)."""
        try:
            with self._redis.pipeline(transaction=True) as commands:
                yield commands
        except RedisError as error:
            raise away(error) from None


def _key(reader: str, report: str) -> str:
    return f"{PREFIX}.look.{hashlib.sha256(f'{reader} {report}'.encode()).hexdigest()}"


def _look(kept: Sequence[object]) -> Look:
    impression, opened_at = (each.decode() if isinstance(each, bytes) else "" for each in kept)
    return Look(Impression(impression) if impression else None, datetime.fromisoformat(opened_at) if opened_at else None)
