"""What is not done of each partition, and since when: for metrics. The consumer's loop writes it; whoever asks reads the last view."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tocsin.consume.measures import origin_of
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition


class InHand(NamedTuple):
    """An event that was taken off the bus and has no ending."""

    origin: str
    at_s: float
    """The record's time, in seconds since 1970; where it states none, when it was taken."""


@dataclass(frozen=True, slots=True)
class Partition:
    """What is not done of one partition."""

    topic_partition: TopicPartition
    lag: int
    """Records that are not committed."""
    since_s: float | None
    """The time of the first record without an ending; while none is in hand, when one was first seen to wait. None: there is none."""


@dataclass(frozen=True, slots=True)
class View:
    """What is not done, as of one moment; times in seconds since 1970."""

    partitions: tuple[Partition, ...] = ()
    oldest: Mapping[str, float] = field(default_factory=dict)
    """Origin -> the time of its oldest event without an ending."""


class Backlog:
    """One thread owns it, but for `view`. It forgets a partition that went to another member."""

    def __init__(self, backfill: str) -> None:
        """`backfill` is the topic of Tocsin's own announcements."""
        self._backfill = backfill
        self._in_hand: dict[TopicPartition, dict[int, InHand]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._waits_since: dict[TopicPartition, float] = {}
        self.view = View()
        """As of the last look; may be read on any thread."""

    def begin(self, partition: TopicPartition, committed: CommittedOffset | None) -> None:
        """The partition is ours from now on; `committed` is the group's last commit of it."""
        if committed is not None:
            self._committed[partition] = committed.offset

    def keep(self, partitions: Collection[TopicPartition]) -> None:
        """Only these are still ours."""
        for known in (self._in_hand, self._committed, self._waits_since):
            for gone in known.keys() - set(partitions):
                del known[gone]
        self.view = View()

    def took(self, record: Record, origin: str, now_s: float) -> None:
        """The record was taken off the bus at `now_s`."""
        position = record.position
        self._committed.setdefault(position.topic_partition, position.offset)
        at_s = record.timestamp_ms / 1000 if record.timestamp_ms > 0 else now_s
        self._in_hand.setdefault(position.topic_partition, {})[position.offset] = InHand(origin, min(at_s, now_s))

    def ended(self, position: Position) -> None:
        """The event has its ending."""
        self._in_hand.get(position.topic_partition, {}).pop(position.offset, None)

    def cut_off(self, partition: TopicPartition, offset: int) -> None:
        """The log lost everything from this offset on."""
        events = self._in_hand.get(partition, {})
        for gone in [each for each in events if each >= offset]:
            del events[gone]

    def committed(self, partition: TopicPartition, offset: int) -> None:
        """Everything of the partition before `offset` is committed."""
        self._committed[partition] = offset

    def look(self, ends: Mapping[TopicPartition, int], reached: Mapping[TopicPartition, int], now_s: float) -> None:
        """Make the view anew; `ends` and `reached` as in EventSource."""
        found = tuple(self._partition(each, end, reached.get(each, 0), now_s) for each, end in sorted(ends.items()))
        oldest: dict[str, float] = {}
        for partition in found:
            if partition.since_s is not None and not self._in_hand.get(partition.topic_partition):
                self._older(oldest, origin_of(partition.topic_partition.topic, self._backfill), partition.since_s)
        for events in self._in_hand.values():
            for event in events.values():
                self._older(oldest, event.origin, event.at_s)
        self.view = View(found, oldest)

    @staticmethod
    def _older(oldest: dict[str, float], origin: str, at_s: float) -> None:
        oldest[origin] = min(at_s, oldest.get(origin, at_s))

    def _partition(self, partition: TopicPartition, end: int, reached: int, now_s: float) -> Partition:
        lag, events = max(0, end - self._committed.get(partition, reached)), self._in_hand.get(partition)
        if events:
            self._waits_since.pop(partition, None)
            return Partition(partition, lag, events[min(events)].at_s)
        if end <= max(reached, self._committed.get(partition, 0)):
            self._waits_since.pop(partition, None)
            return Partition(partition, lag, None)
        return Partition(partition, lag, self._waits_since.setdefault(partition, now_s))
