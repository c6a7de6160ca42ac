"""A bus in memory: one group, one member, partitions by key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice

from tocsin.errors import Deferred
from tocsin.event.model import Position, Record, TopicPartition
from tocsin.event.ports import OnRevoked


class FakeBus:
    """Topics as lists, and the group's committed offsets."""

    def __init__(self, partitions: int = 2) -> None:
        self._partitions = partitions
        self._lock = threading.Condition()
        self.logs: dict[TopicPartition, list[Record]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.away = False
        """While true nothing can be sent."""

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> Position:
        """Put a record on the bus."""
        with self._lock:
            log = TopicPartition(topic, 0 if key is None else sum(key) % self._partitions)
            records = self.logs.setdefault(log, [])
            position = Position(log, len(records))
            records.append(Record(position, key, value, tuple(headers), 0))
            self._lock.notify_all()
            return position

    def records(self, topic: str) -> list[Record]:
        """Everything on a topic."""
        with self._lock:
            return [record for log, records in self.logs.items() if log.topic == topic for record in records]

    def wait(self, wait_s: float) -> None:
        """Until something is appended, at most this long."""
        with self._lock:
            self._lock.wait(wait_s)


class FakeSource:
    """EventSource over a FakeBus."""

    def __init__(self, bus: FakeBus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self._positions: dict[TopicPartition, int] = {}
        self._on_revoked: OnRevoked | None = None
        self.paused = False
        self.losing = threading.Event()
        """Set it and the next poll begins with a rebalance: every partition goes to another member and comes back."""

    def open(self, on_revoked: OnRevoked) -> None:
        """See EventSource."""
        self._on_revoked = on_revoked

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """See EventSource."""
        if self.losing.is_set():
            self._lose()
        found = self._take(records_max)
        if not found and wait_s > 0:
            self._bus.wait(wait_s)
            found = self._take(records_max)
        return found

    def _take(self, records_max: int) -> list[Record]:
        if self.paused:
            return []
        found = list(islice(self._unread(), records_max))
        for record in found:
            self._positions[record.position.log] = record.position.next_offset
        return found

    def _unread(self) -> Sequence[Record]:
        return [
            record
            for log, records in list(self._bus.logs.items())
            if log.topic == self._topic
            for record in records[self._positions.get(log, self._bus.committed.get(log, 0)) :]
        ]

    def commit(self, offsets: dict[TopicPartition, int]) -> bool:
        """See EventSource."""
        self._bus.committed.update(offsets)
        return True

    def pause(self) -> None:
        """See EventSource."""
        self.paused = True

    def resume(self) -> None:
        """See EventSource."""
        self.paused = False

    def close(self) -> None:
        """See EventSource: what has ended is committed on the way out."""
        if self._on_revoked is not None:
            self._bus.committed.update(self._on_revoked(list(self._bus.logs)))

    def _lose(self) -> None:
        assert self._on_revoked is not None
        self._bus.committed.update(self._on_revoked(list(self._bus.logs)))
        self._positions.clear()
        self.losing.clear()


class FakeSink:
    """EventSink over a FakeBus."""

    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink."""
        if self._bus.away:
            raise Deferred("kafka", "KafkaTimeoutError")
        self._bus.append(topic, key, value, headers)

    def close(self) -> None:
        """See EventSink."""
