"""Which position may be committed: pure, without clock or Kafka.

A position is committed when it and every earlier one of its partition have a durable ending, so a crash repeats
work but never skips any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set

from tocsin.kafka.types import Position, TopicPartition


class _Partition:
    """Open positions of one partition, and the one behind the last that was delivered."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.cut_off = 0
        """How many of the delivered have no ending and are no longer in the log."""
        self.delivered = 0

    def deliver(self, position: Position) -> None:
        self.open.add(position.offset)
        self.delivered = position.next_offset

    @property
    def committable(self) -> int:
        return min(self.open, default=self.delivered)


class OffsetTracker:
    """Per partition, the lowest position that is still undecided."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._undecided: Counter[str] = Counter()  # by topic: the loop asks more often than events come

    def deliver(self, position: Position) -> bool:
        """A record was taken off the bus; False where it is under way already.

        One that has ended and comes again is new: the bus may have lost its end and filled it anew.
        """
        partition = self._partitions.setdefault(position.topic_partition, _Partition())
        if position.offset in partition.open:
            return False
        partition.deliver(position)
        self._undecided[position.topic_partition.topic] += 1
        return True

    def reach(self, partition: TopicPartition, offset: int) -> None:
        """Everything before this offset was delivered, or is no event."""
        known = self._partitions.setdefault(partition, _Partition())
        known.delivered = max(known.delivered, offset)

    def end(self, position: Position) -> bool:
        """The record has its durable ending; False where the partition is no longer ours and the news comes too late."""
        partition = self._partitions.get(position.topic_partition)
        if partition is None or position.offset not in partition.open:
            return False
        partition.open.remove(position.offset)
        self._undecided[position.topic_partition.topic] -= 1
        return True

    def cut_off(self, partition: TopicPartition, offset: int) -> None:
        """The log lost everything from this offset on: what is open there holds nothing up any more, and is still undecided."""
        known = self._partitions.get(partition)
        if known is None:
            return
        gone = {each for each in known.open if each >= offset}
        known.open -= gone
        known.cut_off += len(gone)
        known.delivered = min(known.delivered, offset)

    def end_cut_off(self, partition: TopicPartition) -> None:
        """A record that was open and cut off has its durable ending; nothing where the partition is no longer ours."""
        known = self._partitions.get(partition)
        if known is not None and known.cut_off:
            known.cut_off -= 1
            self._undecided[partition.topic] -= 1

    def holds(self, position: Position) -> bool:
        """Whether this record is delivered, undecided and still ours."""
        partition = self._partitions.get(position.topic_partition)
        return partition is not None and position.offset in partition.open

    @property
    def partitions(self) -> Set[TopicPartition]:
        """Those of which something was delivered."""
        return self._partitions.keys()

    def places(self) -> dict[TopicPartition, int]:
        """For each partition of which something was delivered, the next offset to read after a restart."""
        return {name: partition.committable for name, partition in self._partitions.items()}

    def keep(self, partitions: Iterable[TopicPartition]) -> None:
        """Only these are still ours; forget every other."""
        for gone in self._partitions.keys() - set(partitions):
            forgotten = self._partitions.pop(gone)
            self._undecided[gone.topic] -= len(forgotten.open) + forgotten.cut_off

    @property
    def undecided(self) -> int:
        """How many records wait for their ending."""
        return self._undecided.total()

    def undecided_of(self, topic: str) -> int:
        """How many of them stand on this topic."""
        return self._undecided[topic]
