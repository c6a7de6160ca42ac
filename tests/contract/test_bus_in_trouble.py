"""What Kafka's members and senders do when a broker freezes, goes or takes them out of their group."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from kafka.errors import RebalanceInProgressError
from tocsin.errors import Deferred
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import CommittedOffset, TopicPartition
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.kafka import Kafka

from tests.support.buses import SESSION_TIMEOUT_MS, WITHIN_S, KafkaHouse, Member, ends, fill, polling, share, values
from tests.support.stack import cached_jars, frozen, running
from tests.support.waiting import eventually


def test_a_member_that_heard_nothing_for_a_session_no_longer_takes_itself_for_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running(lambda: broker.start(cached_jars("kafka"), tmp_path_factory.mktemp("silent"))) as silent:
        house = KafkaHouse(silent.bootstrap_servers)
        source = house.source()
        assert not source.is_member()
        member = Member(source)
        fill(house, 4)
        member.read_until(4)
        eventually(lambda: member.poll(0.1) is not None and source.is_member(), what="membership")
        silent.kill()
        lost = time.monotonic()
        eventually(lambda: not source.is_member(), within_s=SESSION_TIMEOUT_MS / 1000 + 1, what="the end of the session")
        assert time.monotonic() - lost > SESSION_TIMEOUT_MS / 2000
        member.close()
        house.sink.close()


@pytest.mark.parametrize("_time", range(3))
def test_a_member_that_stood_still_for_a_session_takes_itself_for_one_only_once_it_has_joined_again(
    kafka_house: KafkaHouse, _time: int
) -> None:
    """Its group may have given its partitions away. kafka-python looks for the group's coordinator then, and takes that for a heartbeat."""
    command = [sys.executable, "-m", "tests.support.frozen_member", kafka_house.settings.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "joined\n"
            with frozen(child):
                time.sleep(SESSION_TIMEOUT_MS / 1000 + 1)
            said = json.loads(child.stdout.readline())
        finally:
            child.kill()
    assert said["asked"] > 0
    assert said["said_yes"] == 0


def test_a_member_that_was_taken_out_of_its_group_cannot_commit_and_joins_again(kafka_house: KafkaHouse) -> None:
    fill(kafka_house)
    with closing(Member(kafka_house.source())) as member:
        read = list(member.read_until(20))
        kafka_house.expel()
        assert not member.source.commit(ends(read))
        member.read.clear()
        assert values(member.read_until(20)) == list(range(20))
        assert member.owned == set(ends(read))
        assert member.source.commit(ends(read))


def test_what_another_member_had_while_this_one_was_joining_is_read_from_where_that_one_came_to(kafka_house: KafkaHouse) -> None:
    """A join may end in the next rebalance; in the generation between, partitions were another's, and kafka-python says nothing of it."""
    fill(kafka_house)
    with closing(Member(kafka_house.source())) as first:
        all_of = Counter(each.position.topic_partition for each in first.read_until(20))
        with first_sync_in_vain(first) as next_rebalance, polling(first):
            with closing(Member(kafka_house.source())) as second:
                with polling(second):
                    eventually(lambda: bool(second.read) and len(second.read) == all_of[only(second.owned)], within_s=WITHIN_S)
                log = only(second.owned)
                half = CommittedOffset(all_of[log] // 2, "half of it")
                assert second.source.commit({log: half})
            first.read.clear()
            next_rebalance.set()
            eventually(lambda: len(read_of(first, log)) == all_of[log] - half.offset, within_s=WITHIN_S, what="the other half")
        assert first.began[log] == half
        assert read_of(first, log) == list(range(half.offset, all_of[log]))


def only(logs: set[TopicPartition]) -> TopicPartition:
    (log,) = logs
    return log


def read_of(member: Member, log: TopicPartition) -> list[int]:
    return [each.position.offset for each in member.read if each.position.topic_partition == log]


@contextmanager
def first_sync_in_vain(member: Member) -> Iterator[threading.Event]:
    """The member's next join is answered, once the event is set, by word that another rebalance has begun."""
    assert isinstance(member.source, KafkaSource)
    coordinator = member.source._open._coordinator
    answered, next_rebalance = coordinator._process_sync_group_response, threading.Event()

    def in_vain(*arguments: object) -> object:
        coordinator._process_sync_group_response = answered
        assert next_rebalance.wait(WITHIN_S)
        coordinator.request_rejoin()
        raise RebalanceInProgressError

    coordinator._process_sync_group_response = in_vain
    yield next_rebalance


def test_a_source_that_does_not_listen_delivers_nothing_of_the_partitions_it_is_given_meanwhile(kafka_house: KafkaHouse) -> None:
    fill(kafka_house)
    with closing(Member(kafka_house.source())) as first:
        first.read_until(20)
        with closing(Member(kafka_house.source())) as second:
            share(first, second)
            first.source.listen(())
            first.read.clear()
        with polling(first):
            eventually(lambda: len(first.owned) == 2, within_s=WITHIN_S)
            polls = len(first.polls)
            eventually(lambda: len(first.polls) > polls + 3)
        assert first.read == []


def test_a_rebalance_ends_also_where_a_busy_member_does_not_wait_for_records(kafka_house: KafkaHouse) -> None:
    fill(kafka_house)
    with closing(Member(kafka_house.source())) as first:
        first.read_until(20)
        first.source.listen(())
        with closing(Member(kafka_house.source())) as second, polling(second), polling(first, wait_s=0):
            eventually(lambda: len(first.owned) == len(second.owned) == 1, within_s=5, what="a share for each")


def test_a_broker_that_is_away_defers_within_the_time_allowed_and_is_found_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, jars = tmp_path_factory.mktemp("away"), cached_jars("kafka")
    with running(lambda: broker.start(jars, folder)) as first:
        house = KafkaHouse(first.bootstrap_servers)
        house.sink.send(house.topic, b"key", b"0")
        member = Member(house.source())
        member.read_until(1)
        first.stop()
        attempts: list[Callable[[], object]] = [
            lambda: house.sink.send(house.topic, b"key", b"1"),
            lambda: KafkaSink(house.settings),
            lambda: Member(house.source()),
            lambda: member.source.commit(ends(member.read)),
        ]
        with ThreadPoolExecutor(len(attempts)) as threads:
            assert max(threads.map(deferred_after_s, attempts)) < 2 * house.settings.send_timeout_s + 1
        assert member.poll() == []
    with running(lambda: broker.start(jars, folder, ports=first.ports)):
        eventually(lambda: sent(house, b"2"), within_s=WITHIN_S, what="sending")
        eventually(lambda: member.poll(0.2) is None or b"2" in {record.value for record in member.read}, within_s=WITHIN_S)
        eventually(lambda: member.source.commit(ends(member.read)), within_s=WITHIN_S, what="a commit")
        member.close()
        house.sink.close()


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kafka, KafkaHouse]]:
    """A broker of this test alone, to which something has been sent."""
    folder, jars = tmp_path_factory.mktemp("mortal"), cached_jars("kafka")
    with running(lambda: broker.start(jars, folder)) as part:
        house = KafkaHouse(part.bootstrap_servers)
        house.sink.send(house.topic, b"key", b"before")
        yield part, house
        house.sink.close()


def test_a_broker_that_froze_with_a_record_on_its_way_is_sent_to_again(mortal: tuple[Kafka, KafkaHouse]) -> None:
    """The record expires while kafka-python does not know whether the broker has it; what comes after it is sent all the same."""
    part, house = mortal
    for _ in range(3):
        with frozen(part.child):
            assert not sent(house, b"on its way")
        eventually(lambda: sent(house, b"after"), within_s=WITHIN_S, what="sending")


def test_what_was_not_sent_to_a_broker_that_froze_is_not_sent_later_either(mortal: tuple[Kafka, KafkaHouse]) -> None:
    """Its sender was told so, and has done about it what it does."""
    part, house = mortal
    with frozen(part.child), ThreadPoolExecutor(2) as threads:
        began = time.monotonic()
        on_its_way = threads.submit(sent, house, b"on its way")
        eventually(lambda: time.monotonic() > began + 0.7 * house.settings.send_timeout_s, what="the end of its first attempt")
        assert not sent(house, b"queued")
        assert not on_its_way.result()
    eventually(lambda: sent(house, b"after"), within_s=WITHIN_S, what="sending")
    with closing(KafkaTopicReader(house.settings)) as log:
        assert {record.value for record in log.read(house.topic)} - {b"on its way"} == {b"before", b"after"}


def deferred_after_s(attempt: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(Deferred, match="kafka"):
        attempt()
    return time.monotonic() - began


def sent(house: KafkaHouse, value: bytes) -> bool:
    try:
        house.sink.send(house.topic, b"key", value)
    except Deferred:
        return False
    return True


def test_a_header_name_that_is_not_utf8_is_read_escaped_and_stops_nothing(kafka_house: KafkaHouse) -> None:
    fill(kafka_house, 3)
    kafka_house.append_misnamed()
    kafka_house.sink.send(kafka_house.topic, b"key", b"after it")
    with closing(Member(kafka_house.source())) as member:
        (misnamed,) = (record for record in member.read_until(5) if record.value == b"misnamed")
    assert misnamed.headers == (("\\xfcber", b"1"),)
