"""What real producers, brokers and disks put on the bus, on a real broker: transactions, codecs, damage, retention."""

from __future__ import annotations

import logging
import secrets
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import repeat
from pathlib import Path

import orjson
import pytest
import structlog
from kafka import KafkaAdminClient, KafkaProducer
from kafka import TopicPartition as KafkaTopicPartition
from tocsin.clock import utc_now
from tocsin.consume.consumer import Consumer
from tocsin.consume.flow.scheduler import Topics
from tocsin.consume.handler import Handler
from tocsin.consume.liveness.progress import Progress
from tocsin.deadletter.types import DeadLetter
from tocsin.errors import ContractError, Deferred, Unavailable
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.missing_events import Missing
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import CommittedOffset, Record, TopicPartition
from tocsin.outcome import Published
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import ConsumeSettings

from tests.builders import event_json
from tests.contract.test_bus import WITHIN_S, KafkaHouse, Member
from tests.fakes.bus import FakeBus, FakeSink, NoneRefused
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


@pytest.fixture
def house(kafka: Kafka) -> Iterator[House]:
    house = House(kafka.bootstrap_servers)
    yield house
    house.sink.close()


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]


# Transactions.


def test_events_of_an_aborted_transaction_are_not_delivered_and_those_around_it_are(house: House) -> None:
    house.send(b"before")
    house.transact(b"aborted-1", b"aborted-2", commit=False)
    house.transact(b"committed", commit=True)
    with house.transaction(b"mixed") as producer:
        house.send(b"between")
        producer.send(house.topic, b"mixed-2", partition=0)
        producer.flush(timeout=WITHIN_S)
        producer.abort_transaction()
        producer.begin_transaction()
        producer.send(house.topic, b"of the same producer", partition=0)
        producer.commit_transaction()
    house.send(b"after")
    expected = [b"before", b"committed", b"between", b"of the same producer", b"after"]
    with closing(Member(house.source())) as member:
        assert values(member.read_until(len(expected), records_max=2)) == expected
    assert house.read() == expected


def test_an_open_transaction_is_not_delivered_before_it_ends_and_holds_up_no_reading_of_the_log(house: House) -> None:
    house.send(b"before")
    with house.transaction(b"open") as producer, closing(Member(house.source())) as member:
        house.send(b"behind")
        assert values(member.read_until(1)) == [b"before"]
        assert member.poll(1.0) == []
        eventually(lambda: member.poll(0.1) == [] and member.source.ends()[house.log] == 1, what="the end of what may be read")
        began = time.monotonic()
        assert house.read() == [b"before"]
        assert time.monotonic() - began < house.settings.read_timeout_s / 2
        producer.commit_transaction()
        assert values(member.read_until(3)) == [b"before", b"open", b"behind"]


def test_a_transaction_that_is_open_for_too_long_is_said_once_and_so_is_its_end(house: House) -> None:
    settings = house.settings.model_copy(update={"group_id": house.group("readers"), "transaction_open_max_s": 0.5})
    source = KafkaSource(settings)
    with structlog.testing.capture_logs() as lines, house.transaction(b"open") as producer, closing(Member(source)) as member:
        eventually(lambda: member.poll(0.1) == [] and bool(source.stalled()), within_s=WITHIN_S, what="word of it")
        assert f"{house.topic}[0]: a producer's transaction is open at 0" in source.stalled()[0]
        member.poll(0.2)
        producer.commit_transaction()
        member.read_until(1)
        eventually(lambda: member.poll(0.1) == [] and not source.stalled(), within_s=WITHIN_S, what="word of its end")
    said = [(line["event"], line["log_level"]) for line in lines if "held back" in line["event"]]
    assert said == [("events are held back", "error"), ("events are no longer held back", "info")]


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
def test_a_marker_at_the_end_of_the_log_leaves_no_lag_once_everything_before_it_has_ended(house: House, commit: bool) -> None:
    house.transact(b"1", b"2", commit=commit)
    with closing(Member(house.source())) as member:
        member.read_until(2 if commit else 0)
        eventually(lambda: member.poll(0.1) == [] and member.source.reached() == {house.log: 3}, within_s=WITHIN_S, what="the marker")
        assert house.lag() == 3
        assert member.source.commit({log: CommittedOffset(offset) for log, offset in member.source.reached().items()})
    assert house.lag() == 0


# Codecs.


@pytest.mark.parametrize("codec", CODECS)
def test_what_a_producer_compresses_is_read(house: House, codec: str) -> None:
    numbered = [b"%d" % number + bytes(2000) for number in range(50)]
    house.send(*numbered, codec=codec, linger_ms=50)
    with closing(Member(house.source())) as member:
        assert values(member.read_until(50, records_max=7)) == numbered
    assert house.read() == numbered


@pytest.mark.parametrize("codec", CODECS)
def test_what_a_topic_compresses_is_read(kafka: Kafka, codec: str) -> None:
    with closing(House(kafka.bootstrap_servers, {"compression.type": codec})) as house:
        house.send(b"first" + bytes(3000), b"second", linger_ms=50)
        with closing(Member(house.source())) as member:
            assert values(member.read_until(2)) == [b"first" + bytes(3000), b"second"]


# What cannot be held, or read.


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_that_unpacks_to_more_than_is_held_at_once_is_read_record_by_record(kafka: Kafka, codec: str) -> None:
    numbered = [b"%d" % number + bytes(300_000) for number in range(12)]
    with closing(House(kafka.bootstrap_servers, unpacked_bytes_max=3_000_000)) as house:
        house.send(*numbered, codec=codec, linger_ms=500, batch_bytes=10_000_000)
        with closing(Member(house.source())) as member:
            assert values(member.read_until(12, records_max=5)) == numbered
            assert not any(record.unreadable for record in member.read)


@pytest.mark.parametrize("codec", CODECS)
def test_of_a_batch_with_one_record_that_is_too_large_the_others_are_read_and_that_one_is_named(kafka: Kafka, codec: str) -> None:
    with closing(House(kafka.bootstrap_servers, unpacked_bytes_max=1_000_000)) as house:
        house.send(b"first", bytes(3_000_000), b"last", codec=codec, linger_ms=500, batch_bytes=10_000_000)
        house.send(b"after")
        with closing(Member(house.source())) as member:
            read = member.read_until(4)
    assert values(read) == [b"first", None, b"last", b"after"]
    (large,) = (record for record in read if record.unreadable is not None)
    assert large.position.offset == 1
    assert large.unreadable is not None
    assert large.unreadable.last_offset == 1
    assert "TOCSIN_KAFKA__UNPACKED_BYTES_MAX (1000000)" in large.unreadable.why


def test_a_record_that_unpacks_to_200_megabytes_needs_no_more_memory_than_the_setting_allows(kafka: Kafka) -> None:
    with closing(House(kafka.bootstrap_servers)) as house:
        house.send(bytes(200_000_000), codec="gzip")
        house.send(b"after")
        tracemalloc.start()
        with closing(Member(house.source())) as member:
            read = member.read_until(2)
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert [record.unreadable is None for record in read] == [False, True]
    assert most < 4 * house.settings.unpacked_bytes_max


def test_a_damaged_batch_is_passed_over_by_its_position_and_all_others_are_read(house: House, kafka: Kafka) -> None:
    house.send(b"before")
    house.send(b"to be damaged 1", b"to be damaged 2", linger_ms=200)
    house.send(b"after")
    house.damage(b"to be damaged 1", kafka.folder)
    with closing(Member(house.source())) as member:
        read = member.read_until(3)
    assert values(read) == [b"before", None, b"after"]
    damaged = read[1]
    assert (damaged.position.offset, damaged.key, damaged.headers) == (1, None, ())
    assert damaged.unreadable is not None
    assert damaged.unreadable.last_offset == 2
    assert "checksum" in damaged.unreadable.why
    assert house.read() == [b"before", b"after"]


def test_a_damaged_batch_at_the_end_of_the_log_is_passed_over_and_what_comes_later_is_read(house: House, kafka: Kafka) -> None:
    house.send(b"before")
    house.send(b"to be damaged")
    house.damage(b"to be damaged", kafka.folder)
    with closing(Member(house.source())) as member:
        assert values(member.read_until(2)) == [b"before", None]
        assert member.source.reached() == {house.log: 2}
        house.send(b"after")
        assert values(member.read_until(3)) == [b"before", None, b"after"]


def test_a_batch_whose_damaged_header_claims_a_thousand_records_hides_none_behind_it(house: House, kafka: Kafka) -> None:
    house.send(b"before")
    house.send(b"its header is damaged")
    house.send(b"after")
    house.claim(b"its header is damaged", 1000, kafka.folder)
    with closing(Member(house.source())) as member:
        assert values(member.read_until(3)) == [b"before", None, b"after"]


# Retention.


def test_events_that_were_deleted_before_they_were_read_are_said_with_their_range_before_any_other_is_delivered(house: House) -> None:
    house.send(*(b"%d" % number for number in range(6)))
    with closing(Member(house.source())) as first:
        first.read_until(6)
        first.source.commit({house.log: CommittedOffset(2)})
    house.forget(below=5)
    told: list[Missing] = []
    with closing(Member(house.telling(told))) as member:
        assert values(member.read_until(1)) == [b"5"]
    assert told == [Missing(house.log, 2, 5)]
    assert "events 2 to 4 were deleted before they were read" in str(told[0])


def test_what_is_missing_is_told_again_where_nobody_could_be_told_and_nothing_is_delivered_before(house: House) -> None:
    house.send(*(b"%d" % number for number in range(4)))
    with closing(Member(house.source())) as first:
        first.read_until(4)
        first.source.commit({house.log: CommittedOffset(1)})
    house.forget(below=3)
    told: list[Missing] = []
    away = iter([True, True, False])
    with closing(Member(house.telling(told, away))) as member:
        for _ in range(2):
            with pytest.raises(Deferred, match="away"):
                eventually(lambda: member.poll(0.1) is None, within_s=WITHIN_S)
        assert member.read == []
        assert values(member.read_until(1)) == [b"3"]
    assert told == [Missing(house.log, 1, 3)]


def test_events_that_are_deleted_while_they_are_waited_for_are_said_too(house: House) -> None:
    house.send(*(b"%d" % number for number in range(6)))
    told: list[Missing] = []
    with closing(Member(house.telling(told))) as member:
        eventually(lambda: bool(member.poll(0.1, records_max=6)), within_s=WITHIN_S)
        member.source.listen(())
        house.send(b"6", b"7", b"8")
        house.forget(below=8)
        member.source.listen((house.topic,))
        eventually(lambda: member.poll(0.1) is None or member.read[-1].value == b"8", within_s=WITHIN_S, what="the last")
    assert [each.found for each in told] == [8]


@pytest.mark.parametrize("count", [1, 9], ids=["shorter", "longer"])
def test_a_topic_that_was_made_anew_is_said_to_be_and_read_from_its_beginning(house: House, count: int) -> None:
    new = [b"new %d" % number for number in range(count)]
    house.send(*(b"%d" % number for number in range(6)))
    told: list[Missing] = []
    with closing(Member(house.telling(told))) as member:
        member.read_until(6)
        house.make_anew()
        house.send(*new)
        eventually(lambda: member.poll(0.1) is None or set(new) <= set(values(member.read)), within_s=WITHIN_S, what="the new ones")
    assert [(each.topic_partition, each.found, each.made_anew) for each in told] == [(house.log, 0, True)]


# Names.


def test_the_older_of_two_processes_with_one_name_ends_with_the_setting(house: House) -> None:
    name = house.settings.model_copy(update={"group_id": house.group("readers"), "group_instance_id": "consume-0"})
    older = Member(KafkaSource(name))
    eventually(lambda: older.poll(0.1) is None or bool(older.owned), within_s=WITHIN_S, what="its partitions")
    newer = Member(KafkaSource(name))
    eventually(lambda: newer.poll(0.1) is None or bool(newer.owned), within_s=WITHIN_S, what="the other's partitions")
    with pytest.raises(ContractError, match=r"as consume-0 \(TOCSIN_KAFKA__GROUP_INSTANCE_ID\)"):
        eventually(lambda: older.poll(0.1) is None and newer.poll(0.1) is None, within_s=WITHIN_S, what="an end")
    older.close()
    newer.close()


# A quiet start.


def test_a_healthy_member_starts_and_ends_without_a_warning_of_any_library(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.send(b"1", b"2")
    with structlog.testing.capture_logs() as lines, closing(Member(house.source())) as member:
        member.read_until(2)
        assert member.source.commit({house.log: CommittedOffset(2)})
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [line for line in lines if line["log_level"] not in ("debug", "info")] == []


# What becomes of them.


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


def test_a_transactional_producer_leaves_no_lag(house: House) -> None:
    house.transact(orjson.dumps(event_json()), commit=True)
    house.transact(orjson.dumps(event_json()), commit=False)
    assert house.lag() == 4
    with consuming(house):
        eventually(lambda: house.lag() == 0, within_s=WITHIN_S, what="no lag")
    assert house.lag() == 0


def test_a_damaged_batch_becomes_one_dead_letter_with_its_positions_and_the_next_event_goes_on(house: House, kafka: Kafka) -> None:
    house.send(b"to be damaged 1", b"to be damaged 2", linger_ms=200)
    house.send(orjson.dumps(event_json()))
    house.damage(b"to be damaged 1", kafka.folder)
    with consuming(house) as out:
        eventually(lambda: house.lag() == 0, within_s=WITHIN_S, what="no lag")
    (letter,) = (DeadLetter.model_validate_json(each.value or b"") for each in out.records("letters"))
    assert (letter.reason, letter.original.offset, letter.original.value, letter.original.headers) == ("unreadable", 0, None, ())
    assert "up to 1: its checksum does not match" in letter.detail
