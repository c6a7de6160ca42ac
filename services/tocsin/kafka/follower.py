"""Topics as they grow: kafka-python behind the TopicFollower port, without a group and without a commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from tocsin.errors import TocsinError, Unavailable, where
from tocsin.kafka.batches import reading_anything
from tocsin.kafka.client import CLOSE_WAIT_S, COMMITTED_ONLY, connection, kafka_errors, opened, record_of, unknown
from tocsin.kafka.ports import Listener
from tocsin.settings import KafkaSettings
from tocsin.telemetry.log import logger

POLL_WAIT_MS: Final = 500
RECORDS_MAX: Final = 2000
"""Most records taken from one poll; each is handed on before the next is looked at."""
LOOK_EVERY_S: Final = 5.0
"""Pause between two questions for the topics' ends, by which it is known whether everything was read."""
AGAIN_AFTER_S: Final = 2.0
"""Pause before a bus that is away is tried again."""

Offsets = dict[TopicPartition, int]


class KafkaTopicFollower:
    """Adapter of the TopicFollower port; one thread owns it, and its state may be asked on any."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Connects when it follows; `clock` gives monotonic seconds."""
        self._settings, self._topics, self._clock = settings, tuple(topics), clock
        self._timeout_ms = max(1, int(settings.read_timeout_s * 1000))
        self._began = clock()
        self._whole_at: float | None = None
        self._positions: Offsets = {}
        self.detail = "not read yet"
        """Why the list may lack something; empty where it does not."""

    @property
    def behind_s(self) -> float:
        """See TopicFollower."""
        return self._clock() - (self._began if self._whole_at is None else self._whole_at)

    @property
    def whole(self) -> bool:
        """See TopicFollower."""
        return self._whole_at is not None

    def follow(self, listener: Listener, since: Callable[[], datetime], over: threading.Event) -> None:
        """See TopicFollower."""
        while not over.is_set():
            try:
                with self._reading() as consumer:
                    self._read_on(consumer, listener, since, over)
            except TocsinError as error:
                self._say(error.detail if isinstance(error, Unavailable) else str(error))
            except Exception as error:  # the border of a thread: one that dies would leave an old list standing as if it were current
                self._say(where(error))
            over.wait(AGAIN_AFTER_S)

    def _say(self, detail: str) -> None:
        if self.detail != detail:
            logger().warning("topics cannot be followed; tried again", topic=", ".join(self._topics), detail=detail)
        self.detail = detail

    @contextmanager
    def _reading(self) -> Iterator[KafkaConsumer]:
        def make() -> KafkaConsumer:
            return KafkaConsumer(
                **connection(self._settings),
                **COMMITTED_ONLY,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                max_poll_records=RECORDS_MAX,
                metadata_max_age_ms=int(self._settings.topics_look_every_s * 1000),
                metrics_enabled=False,
            )

        consumer = opened(self._settings, make)
        try:
            yield reading_anything(consumer, self._settings.unpacked_bytes_max)
        finally:
            consumer.close(autocommit=False, timeout_ms=int(CLOSE_WAIT_S * 1000))

    def _read_on(self, consumer: KafkaConsumer, listener: Listener, since: Callable[[], datetime], over: threading.Event) -> None:
        looked = self._clock() - LOOK_EVERY_S
        ends: Offsets = {}
        while not over.is_set():
            if self._clock() - looked >= LOOK_EVERY_S:
                ends, looked = self._ends(consumer, listener, since), self._clock()
            with kafka_errors():
                batches: Mapping[TopicPartition, list[Any]] = consumer.poll(timeout_ms=POLL_WAIT_MS)
            for batch in batches.values():
                for each in batch:
                    record = record_of(each)
                    if record.unreadable is None:
                        listener.take(record)
            if self._went_back(consumer, ends):
                self._begin(consumer, listener)
                ends, looked = {}, self._clock() - LOOK_EVERY_S
            if ends and all(self._positions.get(each, -1) >= end for each, end in ends.items()):
                self._whole_at, self.detail = looked, ""

    def _ends(self, consumer: KafkaConsumer, listener: Listener, since: Callable[[], datetime]) -> Offsets:
        """The ends of every partition there is by now, each of which is then read: a new one, and all of them anew where one went back."""
        partitions = self._partitions(consumer)
        with kafka_errors():
            ends: Offsets = consumer.end_offsets(partitions, timeout_ms=self._timeout_ms)
        if any(end < self._positions.get(each, 0) for each, end in ends.items()):
            self._begin(consumer, listener)
        if consumer.assignment() != set(partitions):
            self._place(consumer, partitions, ends, since())
        return ends

    def _went_back(self, consumer: KafkaConsumer, ends: Offsets) -> bool:
        """Note how far each partition was read; whether one is read from an earlier place by now: kafka-python goes to the beginning by
        itself where its place is gone."""
        for each in ends:
            position = consumer.position(each, timeout_ms=0)
            if position is not None and position < self._positions.get(each, 0):
                return True
            if position is not None:
                self._positions[each] = position
        return False

    def _begin(self, consumer: KafkaConsumer, listener: Listener) -> None:
        logger().warning("a followed topic was made anew or lost its end: all is read again", topic=", ".join(self._topics))
        self._positions.clear()
        self._whole_at, self.detail = None, "read again"
        listener.begin()
        consumer.assign(())

    def _partitions(self, consumer: KafkaConsumer) -> list[TopicPartition]:
        found = []
        for topic in self._topics:
            with kafka_errors():
                numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise unknown(topic)
            found += [TopicPartition(topic, number) for number in sorted(numbers)]
        return found

    def _place(self, consumer: KafkaConsumer, partitions: list[TopicPartition], ends: Offsets, since: datetime) -> None:
        consumer.assign(partitions)
        new = [each for each in partitions if each not in self._positions]
        since_ms = max(0, int(since.timestamp() * 1000))
        with kafka_errors():
            starts = consumer.offsets_for_times(dict.fromkeys(new, since_ms), timeout_ms=self._timeout_ms) if new else {}
        for each in new:
            found = starts.get(each)
            self._positions[each] = ends[each] if found is None else found.offset
        for each in partitions:
            consumer.seek(each, self._positions[each])
