"""What real producers put on the bus, on a real broker: transactions, codecs, records that are too large."""

from __future__ import annotations

import logging
import time
import tracemalloc
from contextlib import closing

import orjson
import pytest
import structlog
from tocsin.errors import ContractError
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import CommittedOffset
from tocsin.sandbox.kafka import Kafka

from tests.builders import event_json
from tests.support.buses import WITHIN_S, Member
from tests.support.foreign_producers import CODECS, House, consuming, values
from tests.support.waiting import eventually

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


def test_a_healthy_member_starts_and_ends_without_a_warning_of_any_library(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.send(b"1", b"2")
    with structlog.testing.capture_logs() as lines, closing(Member(house.source())) as member:
        member.read_until(2)
        assert member.source.commit({house.log: CommittedOffset(2)})
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [line for line in lines if line["log_level"] not in ("debug", "info")] == []


def test_a_transactional_producer_leaves_no_lag(house: House) -> None:
    house.transact(orjson.dumps(event_json()), commit=True)
    house.transact(orjson.dumps(event_json()), commit=False)
    assert house.lag() == 4
    with consuming(house):
        eventually(lambda: house.lag() == 0, within_s=WITHIN_S, what="no lag")
    assert house.lag() == 0
