"""Reads the endings of the demo's events, flags and dead letters, off the bus as any listener would."""

from __future__ import annotations

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition

from tocsin.deadletter.types import DeadLetter
from tocsin.report.flag import Flag
from tocsin.settings import KafkaSettings

Ending = Flag | DeadLetter


class Watch:
    """Reads the topics of flags and of dead letters from their beginning, without a group."""

    def __init__(self, bootstrap_servers: str, names: KafkaSettings) -> None:
        self._dead_letters = names.topic_dead_letters
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False)
        self._consumer.assign([each for topic in (names.topic_flags, names.topic_dead_letters) for each in self._partitions(topic)])

    def endings(self, wait_s: float) -> Iterator[Ending]:
        """The endings that came since the last call; waits up to `wait_s` seconds for the first."""
        for batch in self._consumer.poll(timeout_ms=int(wait_s * 1000)).values():
            for record in batch:
                model = DeadLetter if record.topic == self._dead_letters else Flag
                yield model.model_validate_json(record.value)

    def close(self) -> None:
        """Close the connection to the bus."""
        self._consumer.close(autocommit=False)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic) or ()]
