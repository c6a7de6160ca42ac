"""How far the consumers have come: kafka-python behind the Group port."""

from __future__ import annotations

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition

from tocsin.kafka.client import CLOSE_WAIT_S, COMMITTED_ONLY, connection, kafka_errors, opened, unknown
from tocsin.kafka.types import TopicPartition
from tocsin.settings import KafkaSettings

Offsets = dict[TopicPartition, int]


class KafkaGroup:
    """Adapter of the Group port; not safe for threads."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Raises Unavailable(kafka) where no broker answers in time."""
        self._timeout_ms = max(1, int(settings.read_timeout_s * 1000))
        self._consumer = opened(
            settings,
            lambda: KafkaConsumer(
                **connection(settings),
                **COMMITTED_ONLY,
                group_id=settings.group_id,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            ),
        )

    def committed(self, topic: str) -> Offsets:
        """See Group.committed."""
        partitions = self._partitions(topic)
        with kafka_errors():
            earliest = self._consumer.beginning_offsets(partitions, timeout_ms=self._timeout_ms)
            found = {each: self._consumer.committed(each, timeout_ms=self._timeout_ms) for each in partitions}
        return _ours({each: max(earliest[each], found[each] or 0) for each in partitions})

    def lag(self, topic: str) -> int:
        """See Group.lag."""
        committed = self.committed(topic)
        with kafka_errors():
            ends = _ours(self._consumer.end_offsets(self._partitions(topic), timeout_ms=self._timeout_ms))
        return sum(max(0, end - committed.get(each, 0)) for each, end in ends.items())

    def close(self) -> None:
        """See Group.close."""
        self._consumer.close(autocommit=False, timeout_ms=int(CLOSE_WAIT_S * 1000))

    def _partitions(self, topic: str) -> list[KafkaTopicPartition]:
        with kafka_errors():
            numbers = self._consumer.partitions_for_topic(topic)
        if not numbers:
            raise unknown(topic)
        return [KafkaTopicPartition(topic, number) for number in sorted(numbers)]


def _ours(offsets: dict[KafkaTopicPartition, int]) -> Offsets:
    return {TopicPartition(each.topic, each.partition): offset for each, offset in offsets.items()}
