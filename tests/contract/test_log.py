"""What every log of the bus keeps, the fake and Kafka alike: all that stands there is read, and the reading ends."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Protocol

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka import TopicPartition as KafkaTopicPartition
from tocsin.errors import ContractError, Deferred
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import KafkaSettings

from tests.fakes.bus import FakeBus, FakeTopicReader
from tests.support.stack import cached_jars, running
from tests.support.waiting import eventually

WITHIN_S = 20.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Bus(Protocol):
    """A bus with one empty topic of this test alone, in two partitions."""

    topic: str
    log: TopicReader

    def append(self, number: int, at: datetime = NOON, *, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """A record whose value is the number, which the bus gets `at` this time."""

    def append_without_value(self, key: bytes) -> None:
        """A tombstone."""


class FakeHouse:
    """The bus in memory."""

    def __init__(self) -> None:
        self._bus = FakeBus(partitions=2)
        self.topic = "letters"
        self.log: TopicReader = FakeTopicReader(self._bus)

    def append(self, number: int, at: datetime = NOON, *, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        self._bus.now_ms = int(at.timestamp() * 1000)
        self._bus.append(self.topic, key or b"key-%d" % (number % 8), b"%d" % number, headers)

    def append_without_value(self, key: bytes) -> None:
        self._bus.append(self.topic, key, None)


class KafkaHouse:
    """The bus on a real broker."""

    def __init__(self, bootstrap_servers: str, *, read_timeout_s: float = 5) -> None:
        self.topic = f"letters-{secrets.token_hex(4)}"
        self.settings = KafkaSettings(
            bootstrap_servers=bootstrap_servers, connect_timeout_s=2, read_timeout_s=read_timeout_s, reconnect_wait_max_s=0.2
        )
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
        self._admin.create_topics({self.topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
        self.log: TopicReader = KafkaTopicReader(self.settings)

    def append(self, number: int, at: datetime = NOON, *, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        at_ms = int(at.timestamp() * 1000)
        sent = self._producer.send(self.topic, b"%d" % number, key or b"key-%d" % (number % 8), headers=list(headers), timestamp_ms=at_ms)
        sent.get(timeout=WITHIN_S)

    def append_without_value(self, key: bytes) -> None:
        self._producer.send(self.topic, None, key).get(timeout=WITHIN_S)

    def append_many(self, count: int, size: int) -> None:
        for number in range(count):
            self._producer.send(self.topic, b"%d" % number + bytes(size), b"%d" % number)
        self._producer.flush(timeout=WITHIN_S)

    def transact(self, *numbers: int, commit: bool) -> None:
        """Records of one transaction; whichever way it ends, a control record ends it."""
        with closing(KafkaProducer(bootstrap_servers=self.settings.bootstrap_servers, transactional_id=secrets.token_hex(4))) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            for number in numbers:
                producer.send(self.topic, b"%d" % number, partition=0)
            producer.flush(timeout=WITHIN_S)
            producer.commit_transaction() if commit else producer.abort_transaction()

    def forget(self, below: int) -> None:
        """As retention does, on partition 0."""
        self._admin.delete_records({KafkaTopicPartition(self.topic, 0): below})

    def groups(self) -> set[str]:
        return {group["group_id"] for group in self._admin.list_groups()}

    def close(self) -> None:
        self.log.close()
        self._producer.close(timeout=1)
        self._admin.close()


@pytest.fixture
def kafka_house(kafka: Kafka) -> Iterator[KafkaHouse]:
    with closing(KafkaHouse(kafka.bootstrap_servers)) as house:
        yield house


@pytest.fixture(params=["fake", "kafka"])
def bus(request: pytest.FixtureRequest) -> Bus:
    return FakeHouse() if request.param == "fake" else request.getfixturevalue("kafka_house")


def numbers(records: Sequence[Record]) -> list[int]:
    return sorted(int(record.value or b"-1") for record in records)


def test_an_empty_topic_has_no_records(bus: Bus) -> None:
    assert list(bus.log.read(bus.topic)) == []


def test_all_that_stands_on_a_topic_is_read_and_each_partition_in_order(bus: Bus) -> None:
    for number in range(40):
        bus.append(number)
    read = list(bus.log.read(bus.topic))
    assert numbers(read) == list(range(40))
    for partition in (0, 1):
        offsets = [record.position.offset for record in read if record.position.topic_partition == TopicPartition(bus.topic, partition)]
        assert offsets == list(range(len(offsets)))
        assert offsets


def test_a_topic_may_be_read_again_and_by_two_at_once(bus: Bus) -> None:
    for number in range(10):
        bus.append(number)
    first, second = bus.log.read(bus.topic), bus.log.read(bus.topic)
    together = list(zip(first, second, strict=True))
    assert numbers([one for one, _ in together]) == numbers([other for _, other in together]) == list(range(10))
    assert numbers(list(bus.log.read(bus.topic))) == list(range(10))


def test_a_record_is_read_as_it_was_sent(bus: Bus) -> None:
    headers = (("traceparent", b"00-ab"), ("empty", b""), ("bytes", b"\x00\xff"), ("empty", b"again"))
    bus.append(1, NOON, key=b"\xff", headers=headers)
    bus.append_without_value(b"gone")
    read = {record.key: record for record in bus.log.read(bus.topic)}
    assert (read[b"\xff"].value, read[b"\xff"].headers) == (b"1", headers)
    assert read[b"\xff"].timestamp_ms == int(NOON.timestamp() * 1000)
    assert read[b"gone"].value is None


def test_one_record_is_read_again_where_it_stands_and_nowhere_else(bus: Bus) -> None:
    for number in range(20):
        bus.append(number)
    read = list(bus.log.read(bus.topic))
    assert [bus.log.at(record.position) for record in (read[0], read[7], read[-1])] == [read[0], read[7], read[-1]]
    log = read[0].position.topic_partition
    assert bus.log.at(Position(log, 1_000)) is None
    assert bus.log.at(Position(TopicPartition("nobody-made-it", 0), 0)) is None


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(NOON - MINUTE, [0, 1, 2, 3], id="before all"),
        pytest.param(NOON + 2 * MINUTE, [2, 3], id="at the time of one"),
        pytest.param(NOON + 2.5 * MINUTE, [3], id="between two"),
        pytest.param(NOON + 9 * MINUTE, [], id="after all"),
        pytest.param(datetime(1960, 1, 1, tzinfo=UTC), [0, 1, 2, 3], id="before time began"),
    ],
)
def test_what_the_bus_got_before_is_left_out(bus: Bus, since: datetime, expected: list[int]) -> None:
    for number in range(4):
        bus.append(number, NOON + number * MINUTE)
    assert numbers(list(bus.log.read(bus.topic, since))) == expected


def test_what_comes_while_it_is_read_is_left_for_the_next_time(bus: Bus) -> None:
    for number in range(5):
        bus.append(number)
    reading = bus.log.read(bus.topic)
    read = [next(reading)]
    for number in range(5, 10):
        bus.append(number)
    assert numbers([*read, *reading]) == list(range(5))


def test_a_topic_that_nobody_made_is_named_with_what_to_do(kafka_house: KafkaHouse) -> None:
    with pytest.raises(ContractError, match=r"there is no topic nobody-made-it .*tocsin topics"):
        list(kafka_house.log.read("nobody-made-it"))


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
def test_a_transaction_at_the_end_leaves_a_gap_that_ends_the_reading_all_the_same(kafka_house: KafkaHouse, commit: bool) -> None:
    kafka_house.transact(1, 2, commit=commit)
    began = time.monotonic()
    assert numbers(list(kafka_house.log.read(kafka_house.topic))) == ([1, 2] if commit else [])
    assert time.monotonic() - began < kafka_house.settings.read_timeout_s


def test_records_that_retention_took_are_passed_over(kafka_house: KafkaHouse) -> None:
    kafka_house.transact(1, 2, 3, commit=True)
    kafka_house.forget(below=2)
    [left] = kafka_house.log.read(kafka_house.topic)
    assert left.value == b"3"
    assert kafka_house.log.at(left.position) == left
    assert [kafka_house.log.at(Position(left.position.topic_partition, offset)) for offset in (0, 1, 3, 4)] == [None] * 4
    kafka_house.forget(below=4)
    assert list(kafka_house.log.read(kafka_house.topic)) == []


def test_more_than_fits_into_one_answer_is_read_as_it_comes(kafka_house: KafkaHouse) -> None:
    kafka_house.append_many(3000, size=2000)
    reading = kafka_house.log.read(kafka_house.topic)
    assert len(list(islice(reading, 10))) == 10
    kafka_house.append_many(10, size=2000)  # lies behind what was to be read, in the last answer
    assert len(list(reading)) == 2990


def test_reading_joins_no_group_and_commits_nothing(kafka_house: KafkaHouse) -> None:
    before = kafka_house.groups()
    kafka_house.append(1)
    list(kafka_house.log.read(kafka_house.topic))
    assert kafka_house.groups() == before


def test_a_reading_that_is_given_up_leaves_no_client_behind(kafka_house: KafkaHouse) -> None:
    kafka_house.append_many(3000, size=2000)
    before = threading.active_count()
    reading = kafka_house.log.read(kafka_house.topic)
    next(reading)
    assert threading.active_count() > before
    del reading
    eventually(lambda: threading.active_count() <= before, what="the end of the client's thread")


def test_a_bus_that_is_away_is_waited_for_no_longer_than_the_settings_say() -> None:
    began = time.monotonic()
    with pytest.raises(Deferred, match="kafka"):
        KafkaTopicReader(KafkaSettings(bootstrap_servers="127.0.0.1:9", connect_timeout_s=0.5))
    assert time.monotonic() - began < 5


def test_a_bus_that_falls_silent_in_the_middle_is_waited_for_no_longer_than_the_settings_say(tmp_path: Path) -> None:
    with running(lambda: broker.start(cached_jars("kafka"), tmp_path)) as part:
        house = KafkaHouse(part.bootstrap_servers, read_timeout_s=1)
        with closing(house):
            house.append_many(4000, size=2000)
            reading = house.log.read(house.topic)
            next(reading)
            part.stop()
            began = time.monotonic()
            with pytest.raises(Deferred, match="kafka"):
                list(reading)
            assert time.monotonic() - began < 10
            with pytest.raises(Deferred, match="kafka"):
                list(house.log.read(house.topic))
            with pytest.raises(Deferred, match="kafka"):
                house.log.at(Position(TopicPartition(house.topic, 0), 0))
            assert time.monotonic() - began < 20
