"""kombu's way to Redis, but for two things that would keep a worker from its work long after Redis is back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kombu.connection import Connection
from kombu.transport import redis, virtual

PAUSES = ("interval_start", "interval_step", "interval_max")


class RedisConnection(Connection):
    """Tries again after the pauses that its transport options name: Celery asks for 2, 4, ... 30 s whatever it is told."""

    def ensure_connection(self, errback: Any = None, max_retries: int | None = None, **options: Any) -> Any:
        """See kombu."""
        named = self.transport_options or {}
        pauses = {name: named[name] for name in PAUSES}
        return super().ensure_connection(errback, max_retries, **{**options, **pauses})  # type: ignore[no-untyped-call] # kombu has no types

    def get_transport_cls(self) -> Any:
        """See kombu."""
        return _Transport


class _Forgetful(redis.QoS):
    """A message whose acknowledgement Redis does not take is no longer this worker's.

    kombu goes on to count it as being worked at. Once as many as there are processes are counted so, the worker takes no more messages,
    and no longer looks at its connection either: it sits still until it is restarted.
    """

    def ack(self, delivery_tag: str) -> None:
        """See kombu."""
        self._forgetting(delivery_tag, super().ack)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """See kombu."""
        self._forgetting(delivery_tag, partial(super().reject, requeue=requeue))

    def _forgetting(self, delivery_tag: str, tell: Callable[[str], object]) -> None:
        try:
            tell(delivery_tag)
        except redis.Transport.connection_errors:
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types
            raise


class _Channel(redis.Channel):
    QoS = _Forgetful


class _Transport(redis.Transport):
    Channel = _Channel
