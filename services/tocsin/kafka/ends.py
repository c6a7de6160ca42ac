"""What a broker says beside the records: their ends, and lost offsets.

kafka-python keeps none of it: `patches` hears it, and what it means is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from tocsin.kafka.patches import hear_answers, hear_truncations, position, topic_id
from tocsin.telemetry.log import logger


@dataclass(frozen=True, slots=True)
class _End:
    stable: int
    """The last stable offset: every record before it is of a transaction that has ended, or of none."""
    high: int
    """The high watermark: the offset behind the last record that every in-sync replica has."""


class Ends:
    """The ends and the lost offsets of a consumer's partitions. Its owner alone uses it, but for `held_back`."""

    def __init__(self, open_max_s: float, clock: Callable[[], float]) -> None:
        """`open_max_s`: a transaction that holds records back for longer is logged; `clock` gives monotonic seconds."""
        self._open_max_s = open_max_s
        self._clock = clock
        self._ends: dict[TopicPartition, _End] = {}
        self._waits: dict[TopicPartition, tuple[int, float]] = {}
        self._said: dict[TopicPartition, str] = {}
        self._out_of_range: dict[TopicPartition, int] = {}
        self._ids: dict[TopicPartition, Any] = {}
        self._looked_at: tuple[set[TopicPartition], dict[str, Any]] | None = None

    def watch(self, consumer: KafkaConsumer) -> None:
        """Hears what the broker tells this consumer, which has asked for nothing yet, beside the records."""
        hear_answers(consumer, self._note_end, partial(self._note_gone, consumer))
        hear_truncations(consumer, partial(self._note_truncated, consumer))

    def look_for_topics_made_anew(self, consumer: KafkaConsumer) -> None:
        """Has a topic that was deleted and made anew read from its beginning.

        Its offsets say nothing of the topic before it, and kafka-python goes on at the same offset.
        """
        ours = consumer.assignment()
        seen = (ours, {topic: topic_id(consumer, topic) for topic in consumer.subscription() or ()})
        if seen != self._looked_at:  # new metadata, or another assignment; each poll asks
            undone = [each for each in ours if not self._is_settled(consumer, each)]
            self._looked_at = None if undone else seen

    def _is_settled(self, consumer: KafkaConsumer, partition: TopicPartition) -> bool:
        """Whether nothing is left to do: where the topic was made anew, the partition is read anew once it is known how far it was read."""
        known, at = topic_id(consumer, partition.topic), position(consumer, partition)
        if known is None or self._ids.setdefault(partition, known) == known:
            return True  # a topic without an id is away, or the broker gives it none
        if at is None:
            return False
        self._ids[partition] = known
        if at:
            self._out_of_range.setdefault(partition, at)
            consumer.pause(partition)
        consumer.seek_to_beginning(partition)
        return True

    def _note_truncated(self, consumer: KafkaConsumer, partition: TopicPartition, wanted: int) -> None:
        """Notes that kafka-python went back to where the log still is what it was; perhaps called on its thread."""
        self._out_of_range.setdefault(partition, wanted)
        consumer.pause(partition)

    def _note_gone(self, consumer: KafkaConsumer, partition: TopicPartition, wanted: int) -> None:
        self._out_of_range[partition] = wanted
        consumer.pause(partition)

    def _note_end(self, partition: TopicPartition, stable: int, high: int) -> None:
        self._ends[partition] = _End(stable, high)

    def keep(self, ours: set[TopicPartition]) -> None:
        """Forgets every partition but these, which are still ours."""
        self._looked_at = None
        for kept in (self._ends, self._waits, self._said, self._out_of_range, self._ids):
            for gone in kept.keys() - ours:
                del kept[gone]

    def of(self, partition: TopicPartition) -> int | None:
        """The offset behind the partition's last record that may be read now; None where nothing was fetched yet."""
        end = self._ends.get(partition)
        return None if end is None else end.stable

    def out_of_range(self) -> Mapping[TopicPartition, int]:
        """Partition -> the offset that was asked for and is not there; it stays until it is `told`."""
        return dict(self._out_of_range)

    def told(self, partition: TopicPartition) -> None:
        """Forgets that the partition's offset is not there: somebody knows of it."""
        self._out_of_range.pop(partition, None)

    def say_held_back(self, offset_of: Callable[[TopicPartition], int | None]) -> None:
        """Logs once of each partition that a transaction holds its records back too long, and once that none does.

        `offset_of` gives the offset to read next, None where there is none.
        """
        for partition, end in self._ends.items():
            if end.high <= end.stable or not _has_come_to(offset_of(partition), end.stable):
                self._waits.pop(partition, None)
                if self._said.pop(partition, None) is not None:
                    logger().info("events are no longer held back", topic=partition.topic, partition=partition.partition)
                continue
            offset, since = self._waits.setdefault(partition, (end.stable, self._clock()))
            if offset != end.stable:
                self._waits[partition] = (end.stable, self._clock())
            elif self._clock() - since > self._open_max_s and partition not in self._said:
                self._say(partition, end)

    def _say(self, partition: TopicPartition, end: _End) -> None:
        what = (
            f"{partition.topic}[{partition.partition}]: a producer's transaction is open at {end.stable} for longer than "
            f"{self._open_max_s:g} s, and holds back what stands behind it, up to {end.high - 1}"
        )
        self._said = self._said | {partition: what}
        logger().error(
            "events are held back",
            topic=partition.topic,
            partition=partition.partition,
            offset=end.stable,
            detail=what,
            advice="find its producer: kafka-transactions.sh find-hanging, and abort where nobody will end it",
        )

    def held_back(self) -> tuple[str, ...]:
        """A sentence for each partition whose records a transaction holds back too long. Safe for threads."""
        return tuple(dict(self._said).values())


def _has_come_to(offset: int | None, end: int) -> bool:
    return offset is not None and offset >= end
