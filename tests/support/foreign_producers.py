"""A bus on a real broker whose producers and disks are not ours."""

from __future__ import annotations

import secrets
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import repeat
from pathlib import Path

from kafka import KafkaAdminClient, KafkaProducer
from kafka import TopicPartition as KafkaTopicPartition
from tocsin.clock import utc_now
from tocsin.consume.consumer import Consumer
from tocsin.consume.flow.scheduler import Topics
from tocsin.consume.handler import Handler
from tocsin.consume.liveness.progress import Progress
from tocsin.errors import Unavailable
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.missing_events import Missing
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import Record, TopicPartition
from tocsin.outcome import Published
from tocsin.settings import ConsumeSettings

from tests.fakes.bus import FakeBus, FakeSink, NoneRefused
from tests.support.buses import WITHIN_S, KafkaHouse
from tests.support.waiting import eventually

CODECS = ("gzip", "snappy", "lz4", "zstd")
LAST_OFFSET_DELTA_AT = 23
"""In a batch: https://kafka.apache.org/documentation/#recordbatch."""


class House(KafkaHouse):
    """A bus whose producers are not ours."""

    @property
    def log(self) -> TopicPartition:
        """The one partition that these producers write to."""
        return TopicPartition(self.topic, 0)

    @contextmanager
    def transaction(self, *values: bytes) -> Iterator[KafkaProducer]:
        """One that has begun, with these records in it; it is aborted where the block ends it not."""
        options = {"bootstrap_servers": self.settings.bootstrap_servers, "transactional_id": secrets.token_hex(4)}
        with closing(KafkaProducer(**options)) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            for value in values:
                producer.send(self.topic, value, partition=0)
            producer.flush(timeout=WITHIN_S)
            yield producer

    def transact(self, *values: bytes, commit: bool) -> None:
        with self.transaction(*values) as producer:
            producer.commit_transaction() if commit else producer.abort_transaction()

    def __init__(self, bootstrap_servers: str, config: Mapping[str, str] | None = None, **settings: object) -> None:
        super().__init__(bootstrap_servers, {"max.message.bytes": "4000000"} | dict(config or {}))
        self.settings = self.settings.model_copy(update=settings)

    def telling(self, told: list[Missing], away: Iterator[bool] = repeat(False)) -> KafkaSource:  # noqa: B008 - it never ends
        """A member that says what is missing there, once nobody is `away`."""

        def missing(each: Missing) -> None:
            if next(away):
                raise Unavailable("kafka", "away")
            told.append(each)

        return KafkaSource(self.settings.model_copy(update={"group_id": self.group("readers"), "topics_look_every_s": 1.0}), missing)

    def claim(self, value: bytes, records: int, folder: Path) -> None:
        """The batch with that value alone says that it has so many offsets."""
        (log,) = (each for each in folder.glob(f"data/{self.topic}-*/*.log") if value in each.read_bytes())
        content = bytearray(log.read_bytes())
        at = 0
        while True:
            (length,) = struct.unpack_from(">i", content, at + 8)
            if value in content[at : at + 12 + length]:
                struct.pack_into(">i", content, at + LAST_OFFSET_DELTA_AT, records - 1)
                log.write_bytes(content)
                return
            at += 12 + length

    def make_anew(self) -> None:
        """As somebody who deletes the topic to empty it."""
        with closing(KafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)) as admin:
            admin.delete_topics([self.topic])
            eventually(lambda: admin.describe_topics([self.topic])[0]["error_code"] != 0, within_s=WITHIN_S, what="its end")
            admin.create_topics({self.topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)

    def send(self, *values: bytes, codec: str | None = None, linger_ms: int = 0, batch_bytes: int = 1_000_000) -> None:
        """In one batch, where it lingers."""
        options = {
            "compression_type": codec,
            "linger_ms": linger_ms,
            "batch_size": batch_bytes,
            "max_request_size": 500_000_000,
            "enable_idempotence": True,
        }
        with closing(KafkaProducer(bootstrap_servers=self.settings.bootstrap_servers, **options)) as producer:
            sent = [producer.send(self.topic, value, partition=0) for value in values]
            producer.flush(timeout=WITHIN_S)
            for each in sent:
                each.get(timeout=WITHIN_S)

    def forget(self, below: int) -> None:
        """As retention does."""
        with closing(KafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)) as admin:
            admin.delete_records({KafkaTopicPartition(self.topic, 0): below})

    def lag(self) -> int:
        settings = self.settings.model_copy(update={"group_id": self.group("readers")})
        with closing(KafkaGroup(settings)) as group:
            return group.lag(self.topic)

    def read(self) -> list[bytes | None]:
        """What KafkaTopicReader reads, as the commands and the workers do."""
        with closing(KafkaTopicReader(self.settings)) as log:
            return [record.value for record in log.read(self.topic)]


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]


@contextmanager
def consuming(house: House) -> Iterator[FakeBus]:
    """Consumes with a journey that succeeds; the dead letters go to the bus that is given."""
    out, stopping = FakeBus(), threading.Event()
    source = house.telling([])
    handler = Handler(
        lambda event: Published(f"DiagnosticReport/{event.id}", "high"),
        FakeSink(out),
        "letters",
        is_member=source.is_member,
        refused_before=NoneRefused(),
        letter_bytes_max=1_000_000,
        now=utc_now,
        group="g",
        producer="parent",
    )
    consumer = Consumer(
        source,
        Topics(house.topic, house.backfill),
        handler,
        ConsumeSettings(commit_interval_s=0.1),
        Progress(time.monotonic),
        poll_wait_s=0.1,
        clock=time.monotonic,
        jitter=lambda: 0.5,
    )
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(consumer.run, stopping)
        try:
            yield out
        finally:
            stopping.set()
            run.result(timeout=WITHIN_S)
