"""All overrides of Celery's and kombu's private parts, each with what it mends.

In kombu's way to Redis: what would keep a worker from its work long after Redis is back, or end it while Redis refuses writes. In Celery's
worker: its signal handlers, and a shutdown without a bound.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from celery.apps.worker import Worker
from celery.worker import state
from kombu.connection import Connection
from kombu.transport import redis, virtual
from redis.exceptions import ConnectionError as Away
from redis.exceptions import RedisError

from tocsin.work.redis_client import VerifiedConnection, reason, write_probe

VERIFIED: Final = {"celery": "5.7.0", "kombu": "5.7.0", "billiard": "4.3.2", "redis": "8.1.0"}
"""The versions whose private parts were looked at; tests/unit/work/test_libraries.py fails where others are installed."""

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

PAUSES = ("interval_start", "interval_step", "interval_max")


class RedisConnection(Connection):
    """Connects again after the pauses that its transport options name: Celery asks for 2, 4, ... 30 s whatever it is told."""

    def ensure_connection(self, errback: Any = None, max_retries: int | None = None, **options: Any) -> Any:
        """See kombu."""
        named = self.transport_options or {}
        pauses = {name: named[name] for name in PAUSES}
        return super().ensure_connection(errback, max_retries, **{**options, **pauses})  # type: ignore[no-untyped-call] # kombu has no types

    def get_transport_cls(self) -> Any:
        """See kombu."""
        return _Transport


class _Forgetful(redis.QoS):
    """Forgets a message whose acknowledgement Redis does not take: it is no longer this worker's.

    kombu goes on to count such a message as being worked at. Once it counts as many of them as there are processes, the worker takes no
    more messages, and no longer looks at its connection either: it sits still until it is restarted.
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
    """Treats a Redis that refuses a write as one that is away: the worker waits, and tries again.

    kombu tells a refusal (full, read-only, still loading) from a lost connection, and Celery's worker ends where it meets a refusal.
    """

    Channel = _Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError)

    def establish_connection(self) -> Any:
        """See kombu; a connection is established once Redis took a write over it. Raises redis-py's ConnectionError with the reason."""
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


class BoundedWorker(Worker):  # type: ignore[misc] # celery ships no types
    """Celery's worker with a bound on its shutdown: Celery's own would wait for a task for as long as that takes."""

    drain_timeout_s: float

    def install_platform_tweaks(self, worker: Any) -> None:
        """Sets Tocsin's signal handlers instead of Celery's, which write to standard output and open debuggers."""
        for number in STOPPING:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._break_off)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        state.should_stop = 0  # Celery's loop looks at it
        signal.setitimer(signal.ITIMER_REAL, self.drain_timeout_s)

    def _break_off(self, _number: int, _frame: FrameType | None) -> None:
        if self.consumer is not None:
            self.consumer.cancel_active_requests()  # their messages go back to Redis


def tasks_taken() -> int:
    """How many tasks this worker has taken since its start."""
    return sum(state.total_count.values())


def tasks_under_way() -> int:
    """How many tasks this worker is working at."""
    return len(state.active_requests)
