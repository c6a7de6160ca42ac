"""kombu's way to Redis, but for what would keep a worker from its work long after Redis is back, or end it while Redis refuses writes.

It overrides private parts of kombu 5.7; tests/unit/work/test_libraries.py fails when another version is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kombu.connection import Connection
from kombu.transport import redis, virtual
from redis.exceptions import ConnectionError as Away
from redis.exceptions import RedisError

from tocsin.work.redis_client import VerifiedConnection, reason, write_probe

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
        except _Transport.connection_errors:
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # kombu has no types
            raise


class _Channel(redis.Channel):
    QoS = _Forgetful
    connection_class_ssl = VerifiedConnection

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        options: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[no-untyped-call] # kombu has no types
        verified = issubclass(options["connection_class"], VerifiedConnection)
        assert verified == bool(self.connection.client.ssl), "kombu would speak to Redis without the TLS that the settings ask for"
        return options


class _Transport(redis.Transport):
    """Redis that refuses a write is away, as far as a worker can tell: it waits, and tries again.

    kombu tells a refusal (full, read-only, still loading) from a lost connection, and Celery ends where it meets one.
    """

    Channel = _Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError)

    def establish_connection(self) -> Any:
        """See kombu; a connection counts once Redis took a write over it. Raises redis-py's ConnectionError with the reason."""
        try:
            connection = super().establish_connection()  # type: ignore[no-untyped-call] # kombu has no types
        except (RedisError, AttributeError) as error:  # redis-py takes whatever answers its greeting for a dictionary
            raise Away(reason(error)) from error
        try:
            write_probe(self._avail_channels[-1].client)
        except RedisError as error:
            self.close_connection(connection)  # type: ignore[no-untyped-call] # kombu has no types
            raise Away(reason(error)) from error
        return connection
