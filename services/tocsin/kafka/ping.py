"""Is the bus there?

A poll does not tell: kafka-python answers it with nothing where the broker is away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from kafka import IsolationLevel, OffsetSpec
from kafka import TopicPartition as KafkaTopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tocsin.errors import Unavailable
from tocsin.kafka.client import NEIGHBOUR, connection
from tocsin.kafka.reach import obstacle
from tocsin.kafka.types import TopicPartition
from tocsin.settings import KafkaSettings


@dataclass(slots=True)
class LogEnds:
    """Where logs end, also those that a consumer does not listen to at the moment. Written by one thread, read by any."""

    topics: Sequence[str] = ()
    known: Mapping[TopicPartition, int] = field(default_factory=dict)
    """Partition -> the offset behind its last record that may be read, as the broker said when it was last asked."""


class KafkaPing:
    """Adapter of the Ping port, which also learns where logs end."""

    neighbour = NEIGHBOUR

    def __init__(self, settings: KafkaSettings, ends: LogEnds | None = None) -> None:
        """`ends` is kept up to date; that this fails is no failed ping. Connects when it is first asked."""
        self._settings = settings
        self._ends = ends or LogEnds()
        self._admin: KafkaAdminClient | None = None

    def ask(self) -> None:
        """See Ping.ask: asks which brokers are there (0.5 ms of CPU)."""
        try:
            if self._admin is None:
                wait_ms = max(1, int(self._settings.commit_timeout_s * 1000))
                self._admin = KafkaAdminClient(**connection(self._settings), request_timeout_ms=wait_ms)
            self._admin.describe_cluster()
            with suppress(KafkaError):
                self._ends.known = self._found(self._admin)
        except KafkaError as error:
            found = obstacle(self._settings)
            raise Unavailable(NEIGHBOUR, type(error).__name__ if found is None else str(found)) from None

    def _found(self, admin: KafkaAdminClient) -> dict[TopicPartition, int]:
        asked = dict.fromkeys(self._partitions(admin), OffsetSpec.LATEST)
        found = admin.list_partition_offsets(asked, IsolationLevel.READ_COMMITTED) if asked else {}
        return {TopicPartition(each.topic, each.partition): end.offset for each, end in found.items()}

    def _partitions(self, admin: KafkaAdminClient) -> Iterator[KafkaTopicPartition]:
        if self._ends.topics:
            for topic in admin.describe_topics(list(self._ends.topics)):
                for partition in topic["partitions"]:
                    yield KafkaTopicPartition(topic["name"], partition["partition_index"])

    def close(self) -> None:
        """See Ping.close."""
        if self._admin is not None:
            self._admin.close()
