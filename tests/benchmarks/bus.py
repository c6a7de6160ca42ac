"""The benchmark's own hold on the bus: events out, flags counted while it runs and read afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError
from tocsin.kafka.client import connection
from tocsin.kafka.topics import Topic, read_topics
from tocsin.sandbox.topics import create_topics
from tocsin.settings import KafkaSettings

POLL_MS: Final = 500
STALLED_AFTER_S: Final = 60.0
"""Without a record that the broker has, for whoever reads a topic to its end."""


@dataclass(frozen=True, slots=True)
class Said:
    """One record, and when the broker had it."""

    content: dict[str, Any]
    at_ms: int

    @property
    def media(self) -> str:
        """Id of the Media it is about."""
        return str(self.content["media"]).removeprefix("Media/")


def lane(bootstrap_servers: str, name: str) -> KafkaSettings:
    """The group and the topics of one contender alone: Tocsin's own names, with the contender's behind each."""
    defaults = {field: str(value) for field, value in KafkaSettings() if field == "group_id" or field.startswith("topic_")}
    return KafkaSettings(bootstrap_servers=bootstrap_servers, **{field: f"{value}.{name}" for field, value in defaults.items()})


class Bus:
    """One contender's topics on one broker; for one thread."""

    def __init__(self, settings: KafkaSettings, topics: Path) -> None:
        """Makes the topics as their files say, but for the records' time: the broker's, so that it can be compared."""
        self._settings = settings
        self.name = settings.group_id
        create_topics(settings.bootstrap_servers, [_timed_by_broker(topic) for topic in _named(settings, read_topics(topics))])
        self._producer = KafkaProducer(**connection(settings), linger_ms=0)
        self._consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that name the broker, the group and the topics."""
        told = self._settings.model_dump(exclude_unset=True)
        return {f"TOCSIN_KAFKA__{field.upper()}": str(value) for field, value in told.items()}

    def publish(self, ids: Sequence[str], rate: float | None = None) -> None:
        """An imaging event for each id, `rate` a second or as fast as it goes; returns when the broker has them all."""
        began = time.monotonic()
        for number, id_ in enumerate(ids):
            if rate is not None:
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self.send(id_)
        self._producer.flush()

    def send(self, id_: str) -> None:
        """An imaging event for this id; the broker has it soon."""
        self._producer.send(self._settings.topic_imaging, orjson.dumps(_event(id_)), f"Patient/{id_}".encode())

    def follow_flags(self) -> None:
        """From here on `heard` gives the flags announced after this; nothing else that reads may be called meanwhile."""
        partitions = self._partitions(self._settings.topic_flags)
        self._consumer.assign(partitions)
        for partition, end in self._consumer.end_offsets(partitions).items():
            self._consumer.seek(partition, end)

    def heard(self, within_ms: int) -> Iterator[Said]:
        """The next flags, or nothing where none comes within this time."""
        for batch in self._consumer.poll(timeout_ms=within_ms).values():
            yield from (Said(orjson.loads(record.value), record.timestamp) for record in batch)

    def all_heard(self) -> bool:
        """Whether there is no flag that `heard` has not given yet."""
        partitions = self._consumer.assignment()
        return all(self._consumer.position(each) >= end for each, end in self._consumer.end_offsets(list(partitions)).items())

    def dead_letters_count(self) -> int:
        """How many dead letters the broker has."""
        return sum(self._consumer.end_offsets(self._partitions(self._settings.topic_dead_letters)).values())

    def sharing(self) -> int:
        """How many processes share the partitions; 0 while these are given out."""
        admin = KafkaAdminClient(bootstrap_servers=self._settings.bootstrap_servers)
        try:
            group = admin.describe_groups([self._settings.group_id])[self._settings.group_id]
        finally:
            admin.close()
        return len(group["members"]) if group["group_state"] == "Stable" else 0

    def flags_count(self) -> int:
        """How many flags the broker has."""
        return sum(self._consumer.end_offsets(self._partitions(self._settings.topic_flags)).values())

    def unflagged(self, ids: Iterable[str]) -> set[str]:
        """Those of the Media of which no flag says anything yet."""
        return set(ids) - {each.media for each in self.flags()}

    def events(self) -> list[Said]:
        """Every imaging event published so far."""
        return list(self._read(self._settings.topic_imaging))

    def flags(self) -> list[Said]:
        """Every flag announced so far."""
        return list(self._read(self._settings.topic_flags))

    def dead_letters(self) -> list[Said]:
        """Every event that was refused so far."""
        return list(self._read(self._settings.topic_dead_letters))

    def close(self) -> None:
        """Leave the bus."""
        self._producer.close()
        self._consumer.close(autocommit=False)

    def _read(self, topic: str) -> Iterator[Said]:
        """All that the topic has now. Raises KafkaTimeoutError where the broker does not give it."""
        partitions = self._partitions(topic)
        left = sum(self._consumer.end_offsets(partitions).values())
        self._consumer.assign(partitions)
        self._consumer.seek_to_beginning()
        since = time.monotonic()
        while left > 0:
            batches = self._consumer.poll(timeout_ms=POLL_MS).values()
            if batches:
                since = time.monotonic()
            elif time.monotonic() - since > STALLED_AFTER_S:
                raise KafkaTimeoutError(f"{left} records of {topic} stayed away for {STALLED_AFTER_S:.0f} s")
            for batch in batches:
                left -= len(batch)
                yield from (Said(orjson.loads(record.value), record.timestamp) for record in batch)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic) or ()]


def _named(settings: KafkaSettings, topics: Sequence[Topic]) -> list[Topic]:
    """The topics under the names that the settings give them."""
    names = {str(getattr(KafkaSettings(), field)): str(value) for field, value in settings if field.startswith("topic_")}
    return [topic.model_copy(update={"topic": names[topic.topic]}) for topic in topics]


def _timed_by_broker(topic: Topic) -> Topic:
    return topic.model_copy(update={"config": {**topic.config, "message.timestamp.type": "LogAppendTime"}})


def _event(id_: str) -> dict[str, object]:
    return {
        "version": 1,
        "id": id_,
        "source": "urn:tocsin:benchmark",
        "occurred_at": datetime.now(UTC).isoformat(),
        "media": f"Media/{id_}",
        "subject": f"Patient/{id_}",
    }
