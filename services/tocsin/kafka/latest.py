"""The latest batch of each topic: can this process unpack and read it?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from tocsin.errors import ContractError
from tocsin.kafka.batches import Unread, reading_anything
from tocsin.kafka.client import connection
from tocsin.settings import KafkaSettings

LOOK_S: Final = 4.0
"""Longest look at the partitions of one topic together."""
POLL_MS: Final = 100
RECORDS_MAX: Final = 500


def unreadable_batches(settings: KafkaSettings, topics: Sequence[str]) -> dict[str, str]:
    """Topic -> why its latest batch cannot be read. Joins no group.

    Topics that can be read, are empty, or are not shown to this user are left out.
    """
    try:
        with closing(_reader(settings)) as consumer:
            return _looked_through(consumer, topics)
    except KafkaError as error:
        return {"any topic": type(error).__name__}


def _reader(settings: KafkaSettings) -> KafkaConsumer:
    consumer = KafkaConsumer(
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    return reading_anything(consumer, settings.unpacked_bytes_max)


def _looked_through(consumer: KafkaConsumer, topics: Sequence[str]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            continue  # another check says so
        partitions = [TopicPartition(topic, number) for number in numbers]
        try:
            why = _latest(consumer, partitions)
        except ContractError as error:
            why = str(error)
        except KafkaError as error:
            why = type(error).__name__
        if why is not None:
            wrong[topic] = why
    return wrong


def _latest(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> str | None:
    wait_ms = int(LOOK_S * 1000)
    begins = consumer.beginning_offsets(partitions, timeout_ms=wait_ms)
    ends = {each: end for each, end in consumer.end_offsets(partitions, timeout_ms=wait_ms).items() if end > begins[each]}
    consumer.assign(list(ends))
    for each, end in ends.items():
        consumer.seek(each, end - 1)
    deadline = time.monotonic() + LOOK_S
    while time.monotonic() < deadline and any((consumer.position(each, timeout_ms=0) or 0) < end for each, end in ends.items()):
        for records in consumer.poll(timeout_ms=POLL_MS, max_records=RECORDS_MAX).values():
            for record in records:
                if isinstance(record.headers, Unread):
                    return _words(record)
    return None


def _words(record: Any) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}: {record.headers.why}"
