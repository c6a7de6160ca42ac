"""What every group tells of its consumers, the fake and Kafka alike: where they are, and how much waits for them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka import TopicPartition as Partition
from kafka.structs import OffsetAndMetadata
from tocsin.errors import ContractError
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.ports import EventSink, Group
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.types import CommittedOffset, TopicPartition
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import KafkaSettings

from tests.fakes.archive import FakeGroup
from tests.fakes.bus import GROUP, FakeBus, FakeSink


class FakeHouse:
    """The bus in memory."""

    topic = "imaging"

    def __init__(self) -> None:
        self._bus = FakeBus()
        self.sink: EventSink = FakeSink(self._bus)
        self.group: Group = FakeGroup(self._bus)

    def commit(self, log: TopicPartition, offset: int) -> None:
        self._bus.groups[GROUP][log] = CommittedOffset(offset)


class KafkaHouse:
    """The bus on a real broker."""

    def __init__(self, bootstrap_servers: str) -> None:
        mark = secrets.token_hex(4)
        self.topic = f"imaging-{mark}"
        self._settings = KafkaSettings(bootstrap_servers=bootstrap_servers, group_id=f"readers-{mark}", send_linger_ms=0)
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            admin.create_topics({self.topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
        self.sink: EventSink = KafkaSink(self._settings)
        self.group: Group = KafkaGroup(self._settings)

    def commit(self, log: TopicPartition, offset: int) -> None:
        settings = self._settings
        consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, group_id=settings.group_id, enable_auto_commit=False)
        consumer.assign([Partition(log.topic, log.partition)])
        consumer.commit({Partition(log.topic, log.partition): OffsetAndMetadata(offset, "a note", -1)})
        consumer.close(autocommit=False)

    def close(self) -> None:
        self.group.close()
        self.sink.close()


@pytest.fixture
def kafka_house(kafka: Kafka) -> Iterator[KafkaHouse]:
    house = KafkaHouse(kafka.bootstrap_servers)
    yield house
    house.close()


@pytest.fixture(params=["fake", "kafka"])
def house(request: pytest.FixtureRequest) -> FakeHouse | KafkaHouse:
    return FakeHouse() if request.param == "fake" else request.getfixturevalue("kafka_house")


def fill(house: FakeHouse | KafkaHouse) -> dict[TopicPartition, int]:
    """Twelve records over both partitions."""
    for number in range(12):
        house.sink.send(house.topic, b"key-%d" % (number % 6), b"x")
    return dict(house.group.committed(house.topic))


def test_a_group_that_never_committed_has_everything_before_it(house: FakeHouse | KafkaHouse) -> None:
    assert fill(house) == {TopicPartition(house.topic, 0): 0, TopicPartition(house.topic, 1): 0}
    assert house.group.lag(house.topic) == 12


def test_what_is_committed_no_longer_waits(house: FakeHouse | KafkaHouse) -> None:
    log = max(fill(house))
    house.commit(log, 2)
    assert house.group.committed(house.topic)[log] == 2
    assert house.group.lag(house.topic) == 10


def test_a_topic_that_is_missing_is_said_to_be(kafka_house: KafkaHouse) -> None:
    with pytest.raises(ContractError, match="tocsin topics"):
        kafka_house.group.lag("no-such-topic")
