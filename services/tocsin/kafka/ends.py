"""What a broker says beside the records: how far they may be read, and that they are gone, or that another process took our name.

kafka-python keeps none of it. It notes the high watermark where a reader of committed records never comes to it while a transaction is
open; goes to the earliest record without a word where the one it wanted is gone; and ends its heartbeat without a word where it is fenced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import FencedInstanceIdError, OffsetOutOfRangeError

from tocsin.telemetry.log import logger


@dataclass(frozen=True, slots=True)
class _End:
    stable: int
    """Behind the last record of a transaction that has ended, or of none."""
    high: int
    """Behind the last record that every in-sync replica has."""


class Ends:
    """The owner of the consumer alone uses it, but for `held_back`."""

    def __init__(self, open_max_s: float, clock: Callable[[], float]) -> None:
        """A transaction that holds records back for longer than `open_max_s` is said; `clock` gives monotonic seconds."""
        self._open_max_s = open_max_s
        self._clock = clock
        self._ends: dict[TopicPartition, _End] = {}
        self._waits: dict[TopicPartition, tuple[int, float]] = {}
        self._said: dict[TopicPartition, str] = {}
        self._out_of_range: dict[TopicPartition, int] = {}
        self._ids: dict[TopicPartition, Any] = {}

    def watch(self, consumer: KafkaConsumer) -> None:
        """Looks at every answer that this consumer, which has asked for nothing yet, is given."""
        fetcher = consumer._fetcher
        parse = fetcher._parse_fetched_data

        def noted(completed: Any) -> Any:
            asked = consumer._subscription.assignment.get(completed.topic_partition)
            current = asked is not None and asked.position is not None and asked.position.offset == completed.fetched_offset
            parsed = parse(completed)
            if current:  # else it answers an older question
                self._note(consumer, completed)
            return parsed

        fetcher._parse_fetched_data = noted
        validate = fetcher._handle_offset_for_leader_epoch_response

        def validated(response: Any, requested: Mapping[TopicPartition, Any]) -> Any:
            found = validate(response, requested)
            for partition, position in requested.items():
                self._note_truncated(consumer, partition, position.offset)
            return found

        fetcher._handle_offset_for_leader_epoch_response = validated

    def look_for_topics_made_anew(self, consumer: KafkaConsumer) -> None:
        """One that was is read from its beginning: its offsets say nothing of the one before, and kafka-python goes on at the same."""
        for partition in consumer.assignment():
            known, position = consumer._cluster._topic_ids.get(partition.topic), consumer._subscription.assignment[partition].position
            if known is None:
                continue  # the topic is away, or the broker gives it no id
            if self._ids.setdefault(partition, known) != known and position is not None:
                self._ids[partition] = known
                if position.offset:
                    self._out_of_range.setdefault(partition, position.offset)
                    consumer.pause(partition)
                consumer._subscription.request_offset_reset(partition)

    def _note_truncated(self, consumer: KafkaConsumer, partition: TopicPartition, wanted: int) -> None:
        """kafka-python has gone back to where the log still is what it was. Perhaps on its own thread."""
        state = consumer._subscription.assignment.get(partition)
        if state is not None and (state.awaiting_reset or (state.position is not None and state.position.offset < wanted)):
            self._out_of_range.setdefault(partition, wanted)
            consumer.pause(partition)

    def _note(self, consumer: KafkaConsumer, completed: Any) -> None:
        partition, data = completed.topic_partition, completed.partition_data
        if data.error_code == OffsetOutOfRangeError.errno and consumer._subscription.is_offset_reset_needed(partition):
            self._out_of_range[partition] = completed.fetched_offset
            consumer.pause(partition)
        elif data.error_code == 0:
            self._ends[partition] = _End(data.last_stable_offset, data.high_watermark)

    def keep(self, ours: set[TopicPartition]) -> None:
        """Only these are still ours."""
        for kept in (self._ends, self._waits, self._said, self._out_of_range, self._ids):
            for gone in kept.keys() - ours:
                del kept[gone]

    def of(self, partition: TopicPartition) -> int | None:
        """Behind the last record that may be read now; None where nothing was fetched yet."""
        end = self._ends.get(partition)
        return None if end is None else end.stable

    def out_of_range(self) -> Mapping[TopicPartition, int]:
        """What was asked for and is not there, until it is `told`."""
        return dict(self._out_of_range)

    def told(self, partition: TopicPartition) -> None:
        """Somebody knows of it."""
        self._out_of_range.pop(partition, None)

    def say_held_back(self, positions: Mapping[TopicPartition, int]) -> None:
        """Says once of each partition that a transaction keeps its records back for too long, and once that it no longer does."""
        for partition, end in self._ends.items():
            if end.high <= end.stable or positions.get(partition, -1) < end.stable:
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
        """Which partitions' records a transaction keeps back for too long, a sentence each. Safe for threads."""
        return tuple(dict(self._said).values())


class Fencing:
    """Whether another process has taken this one's name in the group."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        """`consumer` has not joined yet."""
        self.fenced = False
        coordinator = consumer._coordinator
        handle = coordinator._handle_heartbeat_response

        def noted(*arguments: Any) -> Any:
            try:
                return handle(*arguments)
            except FencedInstanceIdError:
                self.fenced = True
                raise

        coordinator._handle_heartbeat_response = noted
