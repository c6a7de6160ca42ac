"""A sink that is opened when something is first sent, for a process that has to answer while Kafka is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from tocsin.kafka.ports import EventSink


class LazySink:
    """Adapter of the EventSink port over one that `opened` makes at the first send. Safe for threads."""

    def __init__(self, opened: Callable[[], EventSink]) -> None:
        """`opened` raises Unavailable(kafka) where no broker answers in time; the next send tries again."""
        self._opened = opened
        self._sink: EventSink | None = None
        self._lock = threading.Lock()

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink.send."""
        with self._lock:
            if self._sink is None:
                self._sink = self._opened()
        self._sink.send(topic, key, value, headers)

    def close(self) -> None:
        """See EventSink.close."""
        with self._lock:
            if self._sink is not None:
                self._sink.close()
