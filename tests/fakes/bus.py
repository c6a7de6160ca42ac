"""A bus in memory: groups of one member, partitions by key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice

from tocsin.errors import Deferred
from tocsin.event.model import Position, Record, TopicPartition
from tocsin.event.ports import Membership

GROUP = "tocsin"
"""The group a source joins unless it is told another."""


class FakeBus:
    """Topics as lists, and each group's committed offsets."""

    def __init__(self, partitions: int = 2) -> None:
        self._partitions = partitions
        self._lock = threading.Condition()
        self.logs: dict[TopicPartition, list[Record]] = {}
        self.groups: dict[str, dict[TopicPartition, int]] = {GROUP: {}}
        self.away = False
        """While true nothing can be sent."""
        self.refused = 0
        """Sends that failed."""

    @property
    def committed(self) -> dict[TopicPartition, int]:
        """What the usual group committed."""
        return self.groups[GROUP]

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

    def __init__(self, bus: FakeBus, topic: str, group: str = GROUP) -> None:
        self._bus = bus
        self._committed = bus.groups.setdefault(group, {})
        self._topic = topic
        self._positions: dict[TopicPartition, int] = {}
        self._membership: Membership | None = None
        self.paused = False
        self.rebalancing = threading.Event()
        """Set it and the next poll begins with a rebalance after which every partition is still ours."""
        self.losing = threading.Event()
        """Set it and the next poll begins with rebalances by which every partition goes to another member and comes back."""
        self.away = threading.Event()
        """While set every poll fails at once."""
        self.fenced = threading.Event()
        """While set every commit is refused: the partitions are another member's by now."""
        self.polls = 0

    def open(self, membership: Membership) -> None:
        """See EventSource."""
        self._membership = membership

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """See EventSource."""
        self.polls += 1
        if self.away.is_set():
            raise Deferred("kafka", "KafkaConnectionError")
        if self.losing.is_set() or self.rebalancing.is_set():
            self._rebalance()
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
            for record in records[self._positions.get(log, self._committed.get(log, 0)) :]
        ]

    def commit(self, offsets: dict[TopicPartition, int]) -> bool:
        """See EventSource."""
        if self.fenced.is_set():
            return False
        self._committed.update(offsets)
        return True

    def pause(self) -> None:
        """See EventSource."""
        self.paused = True

    def resume(self) -> None:
        """See EventSource."""
        self.paused = False

    def close(self) -> None:
        """See EventSource."""
        if self._membership is not None:
            self._committed.update(self._membership.leaving())

    def _rebalance(self) -> None:
        assert self._membership is not None
        self._committed.update(self._membership.leaving())
        if self.losing.is_set():
            self._membership.assigned([])
            self._positions.clear()
        self._membership.assigned([log for log in self._bus.logs if log.topic == self._topic])
        self.losing.clear()
        self.rebalancing.clear()


class FakeSink:
    """EventSink over a FakeBus."""

    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink."""
        if self._bus.away:
            self._bus.refused += 1
            raise Deferred("kafka", "KafkaTimeoutError")
        self._bus.append(topic, key, value, headers)

    def close(self) -> None:
        """See EventSink."""
