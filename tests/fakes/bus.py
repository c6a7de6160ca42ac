"""A bus in memory: groups of one member, partitions by key."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice

from tocsin.errors import RecordTooLarge, Unavailable
from tocsin.kafka.ports import CommittedOffsets, RebalanceListener
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition

GROUP = "tocsin"
"""The group a source joins unless it is told another."""


class FakeBus:
    """Topics as lists, and each group's committed offsets."""

    def __init__(self, partitions: int = 2) -> None:
        self._partitions = partitions
        self._lock = threading.Condition()
        self.logs: dict[TopicPartition, list[Record]] = {}
        self.groups: dict[str, dict[TopicPartition, CommittedOffset]] = {GROUP: {}}
        self.away = False
        """While true nothing can be sent."""
        self.silent = False
        """While true what is sent is kept, and the sender not told."""
        self.record_bytes_max = 1 << 62
        """No topic takes a larger record."""
        self.now_ms = 0
        """When a record is appended, for the bus."""
        self.refused = 0
        """Sends and looks that failed."""

    @property
    def committed(self) -> dict[TopicPartition, int]:
        """The offsets that the usual group committed."""
        return {log: place.offset for log, place in self.groups[GROUP].items()}

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), at_ms: int | None = None
    ) -> Position:
        """Put a record on the bus, with this time or the bus's own."""
        with self._lock:
            log = TopicPartition(topic, 0 if key is None else sum(key) % self._partitions)
            records = self.logs.setdefault(log, [])
            position = Position(log, len(records))
            records.append(Record(position, key, value, tuple(headers), self.now_ms if at_ms is None else at_ms))
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

    def __init__(self, bus: FakeBus, topics: Collection[str], group: str = GROUP) -> None:
        self._bus = bus
        self._committed = bus.groups.setdefault(group, {})
        self._topics = tuple(topics)
        self._heard = frozenset(topics)
        self._only: frozenset[TopicPartition] = frozenset()
        self._asked: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._known: set[TopicPartition] = set()
        self._listener: RebalanceListener | None = None
        self.rebalancing = threading.Event()
        """Set it and the next poll begins with a rebalance after which every partition is still ours."""
        self.losing = threading.Event()
        """Set it and the next poll begins with rebalances by which every partition goes to another member and comes back."""
        self.away = threading.Event()
        """While set every poll fails at once."""
        self.fenced = threading.Event()
        """While set every commit is refused: the partitions are another member's by now."""
        self.polls = 0

    @property
    def paused(self) -> bool:
        """Whether nothing is listened to."""
        return not self._heard

    @property
    def taken(self) -> int:
        """How many records were delivered, of a log from its beginning."""
        return sum(self._positions.values())

    def open(self, listener: RebalanceListener) -> None:
        """See EventSource."""
        self._listener = listener

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """See EventSource."""
        self.polls += 1
        if self.away.is_set():
            raise Unavailable("kafka", "KafkaConnectionError")
        if self.losing.is_set() or self.rebalancing.is_set():
            self._rebalance()
        if self._meet():
            return []  # as Kafka's poll that ends a rebalance
        found = self._take(records_max)
        if not found and wait_s > 0:
            self._bus.wait(wait_s)
            found = [] if self._meet() else self._take(records_max)
        return found

    def _meet(self) -> bool:
        """Partitions of a FakeBus begin to exist with their first record."""
        new = {log for log in list(self._bus.logs) if log.topic in self._topics} - self._known
        if new:
            self._member.on_assigned(tuple(self._known), {log: self._committed.get(log) for log in new})
            self._known |= new
        return bool(new)

    def is_member(self) -> bool:
        """See EventSource."""
        return not self.fenced.is_set()

    def ends(self) -> dict[TopicPartition, int]:
        """See EventSource."""
        return {log: len(self._bus.logs[log]) for log in self._asked}

    def _take(self, records_max: int) -> list[Record]:
        self._asked |= set(filter(self._is_wanted, self._known))
        found = list(islice(self._unread(), records_max))
        for record in found:
            self._positions[record.position.topic_partition] = record.position.next_offset
        return found

    def _unread(self) -> Sequence[Record]:
        return [
            record
            for log, records in list(self._bus.logs.items())
            if log in self._known and self._is_wanted(log)
            for record in records[self._position(log) :]
        ]

    def _is_wanted(self, log: TopicPartition) -> bool:
        return log.topic in self._heard and (not self._only or log in self._only)

    def _position(self, log: TopicPartition) -> int:
        place = self._committed.get(log)
        return self._positions.get(log, 0 if place is None else place.offset)

    def commit(self, places: CommittedOffsets) -> bool:
        """See EventSource."""
        if self.fenced.is_set():
            return False
        self._committed.update(places)
        return True

    def reached(self) -> dict[TopicPartition, int]:
        """See EventSource; nothing stands between the records of a FakeBus."""
        return {log: offset for log, offset in self._positions.items() if log in self._known}

    def listen(self, topics: Collection[str], only: Collection[TopicPartition] = ()) -> None:
        """See EventSource."""
        self._heard, self._only = frozenset(topics), frozenset(only)

    def close(self) -> None:
        """See EventSource."""
        if self._listener is not None:
            self.commit(self._listener.on_revoked())

    @property
    def _member(self) -> RebalanceListener:
        assert self._listener is not None
        return self._listener

    def _rebalance(self) -> None:
        self._committed.update(self._member.on_revoked())
        if self.losing.is_set():
            self._member.on_assigned((), {})
            self._positions.clear()
            self._known.clear()
            self._asked.clear()
        else:
            self._member.on_assigned(tuple(self._known), {})
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
            raise Unavailable("kafka", "KafkaTimeoutError")
        if len(key or b"") + len(value) + sum(len(name.encode()) + len(content) for name, content in headers) > self._bus.record_bytes_max:
            raise RecordTooLarge(f"{topic} takes no record so large: raise its max.message.bytes")
        self._bus.append(topic, key, value, headers)
        if self._bus.silent:
            self._bus.refused += 1
            raise Unavailable("kafka", "KafkaTimeoutError")

    def close(self) -> None:
        """See EventSink."""


class FakeTopicReader:
    """TopicReader over a FakeBus; a topic that nobody wrote to is an empty one."""

    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """See TopicReader."""
        if self._bus.away:
            self._bus.refused += 1
            raise Unavailable("kafka", "KafkaTimeoutError")
        since_ms = 0 if since is None else int(since.timestamp() * 1000)
        yield from (record for record in self._bus.records(topic) if record.timestamp_ms >= since_ms)

    def at(self, position: Position) -> Record | None:
        """See TopicReader."""
        if self._bus.away:
            raise Unavailable("kafka", "KafkaTimeoutError")
        return next((record for record in self._bus.records(position.topic_partition.topic) if record.position == position), None)

    def close(self) -> None:
        """See TopicReader."""


class NoneRefused:
    """RefusedBefore where nothing ever was."""

    def stands(self, record: Record) -> bool:
        """See RefusedBefore."""
        return False

    def remember(self, record: Record) -> None:
        """See RefusedBefore."""

    def forget(self) -> None:
        """See RefusedBefore."""
