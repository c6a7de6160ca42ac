"""Topics as they stand: kafka-python behind the TopicReader port, without a group and without a commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import CorruptRecordError, NoError, UnknownTopicOrPartitionError, for_code

from tocsin.errors import ContractError, Unavailable
from tocsin.kafka.batches import reading_anything
from tocsin.kafka.client import CLOSE_WAIT_S, COMMITTED_ONLY, NEIGHBOUR, allowed, connection, kafka_errors, opened, record_of, unknown
from tocsin.kafka.types import Position, Record
from tocsin.settings import KafkaSettings
from tocsin.telemetry.log import logger

POLL_WAIT_MS: Final = 200
"""Longest wait in one poll: that a partition ends in a gap is seen only after it."""

Offsets = dict[KafkaTopicPartition, int]


class KafkaTopicReader:
    """Adapter of the TopicReader port; safe for threads, each `read` has a client of its own."""

    def __init__(self, settings: KafkaSettings, heard: Callable[[], None] = lambda: None) -> None:
        """Raises Unavailable(kafka) where no broker answers in time. `heard` is called on the reading thread after each answer."""
        self._heard = heard
        self._settings = settings
        self._timeout_ms = max(1, int(settings.read_timeout_s * 1000))
        self._admin = opened(settings, lambda: KafkaAdminClient(**connection(settings), request_timeout_ms=self._timeout_ms))

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """See TopicReader.read. Raises Unavailable(kafka) once nothing came for `read_timeout_s`.

        Records of an open transaction are not on the topic yet. Positions tell when the ends are reached, since compacted topics and
        transactions leave offsets without a record.
        """
        with allowed(topic, "Describe"):
            partitions = self._partitions(topic)
        self._heard()
        with self._reading(partitions) as consumer:
            self._heard()
            with allowed(topic, "Read"):
                ends = _placed(consumer, partitions, since, self._timeout_ms)
            self._heard()
            yield from self._records(topic, consumer, ends)

    def at(self, position: Position) -> Record | None:
        """See TopicReader.at."""
        with allowed(position.topic_partition.topic, "Describe"):
            if self._found(position.topic_partition.topic) is None:
                return None  # the topic itself is gone
        place = KafkaTopicPartition(position.topic_partition.topic, position.topic_partition.partition)
        with self._reading([place]) as consumer:
            with kafka_errors():
                first, end = self._bounds(consumer, place)
            if not first <= position.offset < end:
                return None
            consumer.seek(place, position.offset)
            found = next(self._records(position.topic_partition.topic, consumer, {place: position.next_offset}), None)
        return found if found is not None and found.position == position else None

    def _bounds(self, consumer: KafkaConsumer, place: KafkaTopicPartition) -> tuple[int, int]:
        firsts: Offsets = consumer.beginning_offsets([place], timeout_ms=self._timeout_ms)
        ends: Offsets = consumer.end_offsets([place], timeout_ms=self._timeout_ms)
        return firsts[place], ends[place]

    def close(self) -> None:
        """See TopicReader.close."""
        self._admin.close()

    def _partitions(self, topic: str) -> list[KafkaTopicPartition]:
        found = self._found(topic)
        if found is None:
            raise unknown(topic)
        return found

    def _found(self, topic: str) -> list[KafkaTopicPartition] | None:
        """The topic's partitions; None where there is no such topic, or this user may not see it."""
        (described,) = self._admin.describe_topics([topic])
        error = for_code(described["error_code"])
        if error is UnknownTopicOrPartitionError:
            return None
        if error is not NoError:
            raise error
        return [KafkaTopicPartition(topic, each["partition_index"]) for each in described["partitions"]]

    @contextmanager
    def _reading(self, partitions: list[KafkaTopicPartition]) -> Iterator[KafkaConsumer]:
        with kafka_errors():
            consumer = KafkaConsumer(
                **connection(self._settings),
                **COMMITTED_ONLY,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # where retention was quicker than the reader
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        try:
            reading_anything(consumer, self._settings.unpacked_bytes_max).assign(partitions)
            yield consumer
        finally:
            consumer.close(autocommit=False, timeout_ms=int(CLOSE_WAIT_S * 1000))

    def _records(self, topic: str, consumer: KafkaConsumer, ends: Offsets) -> Iterator[Record]:
        standing, deadline = _positions(consumer), self._deadline()
        while left := [each for each, end in ends.items() if standing[each] < end]:
            consumer.pause(*(each for each in ends if each not in left))
            with allowed(topic, "Read"):
                batches = _polled(consumer)
            records = (record_of(each) for log, batch in batches.items() for each in batch if each.offset < ends[log])
            yield from (each for each in records if _is_readable(each))
            before = standing
            with kafka_errors():
                standing = _positions(consumer)
            if standing != before:
                self._heard()
                deadline = self._deadline()
            elif time.monotonic() > deadline:
                raise Unavailable(NEIGHBOUR, f"nothing more came of {left[0].topic} for {self._settings.read_timeout_s:g} s")

    def _deadline(self) -> float:
        return time.monotonic() + self._settings.read_timeout_s


def _placed(consumer: KafkaConsumer, partitions: list[KafkaTopicPartition], since: datetime | None, timeout_ms: int) -> Offsets:
    """Sets every partition to its first record, or its first from `since` on; gives the offsets behind their last records."""
    ends: Offsets = consumer.end_offsets(partitions, timeout_ms=timeout_ms)
    if since is None:
        starts: Offsets = consumer.beginning_offsets(partitions, timeout_ms=timeout_ms)
    else:
        since_ms = max(0, int(since.timestamp() * 1000))
        found = consumer.offsets_for_times(dict.fromkeys(partitions, since_ms), timeout_ms=timeout_ms)
        starts = {each: ends[each] if found[each] is None else found[each].offset for each in partitions}
    for each, offset in starts.items():
        consumer.seek(each, offset)
    return ends


def _is_readable(record: Record) -> bool:
    if record.unreadable is None:
        return True
    log, words = record.position.topic_partition, record.unreadable
    logger().warning(
        "an unreadable record is passed over",
        topic=log.topic,
        partition=log.partition,
        offset=record.position.offset,
        detail=f"{words.why}; up to {words.last_offset}",
        advice="look at it with Kafka's own tools (kafka-dump-log), and at that broker's disk",
    )
    return False


def _positions(consumer: KafkaConsumer) -> Offsets:
    """Partition -> the offset to read next; -1 for one that kafka-python is looking for anew."""
    positions = {each: consumer.position(each, timeout_ms=0) for each in consumer.assignment()}
    return {each: -1 if position is None else position for each, position in positions.items()}


def _polled(consumer: KafkaConsumer) -> dict[KafkaTopicPartition, list[Any]]:
    try:
        batches: dict[KafkaTopicPartition, list[Any]] = consumer.poll(timeout_ms=POLL_WAIT_MS)
    except CorruptRecordError:
        places = ", ".join(f"{each.topic}[{each.partition}]@{consumer.position(each)}" for each in sorted(consumer.assignment()))
        raise ContractError(f"a damaged record stands at or behind one of {places}; look at it with Kafka's own tools") from None
    return batches
