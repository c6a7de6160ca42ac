"""What every bus keeps, the fake and Kafka alike: nothing sent is lost, and nothing committed is delivered again."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from tocsin.errors import RecordTooLarge
from tocsin.kafka.types import CommittedOffset, TopicPartition

from tests.support.buses import RECORD_BYTES_MAX, WITHIN_S, Bus, FakeHouse, Member, ends, fill, places, polling, share, values
from tests.support.waiting import eventually


@pytest.fixture(params=["fake", "kafka"])
def bus(request: pytest.FixtureRequest) -> Bus:
    return FakeHouse() if request.param == "fake" else request.getfixturevalue("kafka_house")


def gap(reason: str) -> pytest.MarkDecorator:
    """The test runs on both, and the fake is known not to keep it."""
    fake = pytest.param("fake", marks=pytest.mark.xfail(strict=True, reason=f"the fake: {reason}"))
    return pytest.mark.parametrize("bus", [fake, "kafka"], indirect=True)


def test_everything_sent_is_delivered_and_one_keys_records_stay_in_order(bus: Bus) -> None:
    fill(bus, 40)
    with closing(Member(bus.source())) as member:
        read = member.read_until(40)
    by_key: dict[bytes | None, list[int]] = defaultdict(list)
    for record in read:
        by_key[record.key].append(int(record.value or b"-1"))
    assert values(read) == list(range(40))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert len({record.position.topic_partition for record in read}) == 2
    assert len({(record.key, record.position.topic_partition) for record in read}) == len(by_key)


def test_headers_and_a_missing_key_or_value_arrive_as_they_were_sent(bus: Bus) -> None:
    headers = [("traceparent", b"00-ab"), ("empty", b""), ("bytes", b"\x00\xff"), ("empty", b"again")]
    bus.sink.send(bus.topic, None, b"no key", headers)
    bus.send_without_value(b"no value")
    with closing(Member(bus.source())) as member:
        read = {record.key: record for record in member.read_until(2)}
    assert (read[None].value, read[None].headers) == (b"no key", tuple(headers))
    assert (read[b"no value"].value, read[b"no value"].headers) == (None, ())


def test_many_threads_may_send_at_once(bus: Bus) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: bus.sink.send(bus.topic, b"key-%d" % number, b"%d" % number), range(80)))
    with closing(Member(bus.source())) as member:
        assert values(member.read_until(80)) == list(range(80))


def test_a_poll_gives_no_more_records_than_were_asked_for(bus: Bus) -> None:
    fill(bus)
    with closing(Member(bus.source())) as member:
        member.read_until(20, records_max=3)
        polls = member.polls
    assert max(polls) == 3
    assert values(member.read) == list(range(20))


def test_a_source_that_does_not_listen_is_polled_and_delivers_nothing_until_it_listens_again(bus: Bus) -> None:
    fill(bus, 10)
    with closing(Member(bus.source())) as member:
        member.read_until(5, records_max=5)
        member.source.listen(())
        fill(bus, 10)
        assert [member.poll(0.1) for _ in range(5)] == [[]] * 5
        member.source.listen((bus.topic,))
        assert Counter(values(member.read_until(20))) == Counter([*range(10), *range(10)])


def test_a_new_member_goes_on_where_the_group_committed(bus: Bus) -> None:
    fill(bus)
    with closing(Member(bus.source())) as first:
        done = first.read_until(12, records_max=4)[:8]
        assert first.source.commit(ends(done))
    with closing(Member(bus.source())) as second:
        read = second.read_until(12)
    assert sorted(places([*done, *read])) == sorted({*places(done), *places(read)})
    assert values([*done, *read]) == list(range(20))


def test_only_the_topics_that_are_listened_to_are_delivered(bus: Bus) -> None:
    fill(bus, 8)
    for number in range(4):
        bus.sink.send(bus.backfill, b"key-%d" % number, b"%d" % (100 + number))
    with closing(Member(bus.source())) as member:
        member.source.listen((bus.topic,))
        assert values(member.read_until(8)) == list(range(8))
        assert member.poll(0.3) == []
        member.source.listen((bus.topic, bus.backfill))
        assert values(member.read_until(12))[8:] == [100, 101, 102, 103]


def test_what_was_half_read_when_its_topic_was_not_listened_to_is_delivered_afterwards(bus: Bus) -> None:
    fill(bus, 20)
    for number in range(4):
        bus.sink.send(bus.backfill, b"key-%d" % number, b"%d" % (100 + number))
    with closing(Member(bus.source())) as member:
        member.source.listen((bus.topic,))
        member.read_until(3, records_max=3)
        member.source.listen((bus.backfill,))
        assert values(member.read_until(7))[3:] == [100, 101, 102, 103]
        member.source.listen((bus.topic,))
        assert len(member.read_until(24)) == 24


def test_a_member_knows_where_the_partitions_end_that_it_has_asked_for(bus: Bus) -> None:
    fill(bus, 10)
    bus.sink.send(bus.backfill, b"key", b"10")
    with closing(Member(bus.source())) as member:
        assert member.source.ends() == {}
        member.source.listen((bus.topic,))
        read = ends(member.read_until(10))
        assert member.source.ends() == {log: place.offset for log, place in read.items()}
        member.source.listen((bus.topic, bus.backfill))
        member.read_until(11)
        bus.sink.send(bus.topic, b"key", b"11")
        read = ends(member.read_until(12))
        known = {log: place.offset for log, place in read.items()}
        eventually(lambda: member.poll(0.1) == [] and known.items() <= member.source.ends().items(), within_s=WITHIN_S)


def test_partitions_that_go_first_are_delivered_alone_and_the_others_afterwards(bus: Bus) -> None:
    fill(bus, 40)
    second = TopicPartition(bus.topic, 1)
    with closing(Member(bus.source())) as member:
        member.read_until(3, records_max=3)
        member.source.listen((bus.topic, bus.backfill), (second,))
        before = len(member.read)
        while found := member.poll(1.0):
            assert {record.position.topic_partition for record in found} == {second}
        assert len(member.read) > before
        member.source.listen((bus.topic, bus.backfill))
        assert sorted(values(member.read_until(40))) == list(range(40))


def test_a_commits_note_reaches_the_next_owner(bus: Bus) -> None:
    fill(bus, 8)
    with closing(Member(bus.source())) as first:
        noted = {log: replace(place, metadata=f'{{"reached":{place.offset}}}') for log, place in ends(first.read_until(8)).items()}
        assert first.source.commit(noted)
    fill(bus, 8)
    with closing(Member(bus.source())) as second:
        second.read_until(8)
    assert {log: second.began[log] for log in noted} == noted


def test_a_new_group_begins_at_the_earliest_record(bus: Bus) -> None:
    fill(bus, 10)
    with closing(Member(bus.source("first"))) as first:
        assert first.source.commit(ends(first.read_until(10)))
    with closing(Member(bus.source("second"))) as second:
        assert values(second.read_until(10)) == list(range(10))


def test_leaving_without_a_commit_loses_nothing(bus: Bus) -> None:
    fill(bus)
    with closing(Member(bus.source())) as first:
        first.read_until(20)
    with closing(Member(bus.source())) as second:
        assert values(second.read_until(20)) == list(range(20))


def test_what_has_ended_is_committed_when_a_member_leaves(bus: Bus) -> None:
    fill(bus)
    with closing(Member(bus.source())) as first:
        logs = set(ends(first.read_until(20)))
        first.on_revoked = lambda: dict.fromkeys(logs, CommittedOffset(3))
    with closing(Member(bus.source())) as second:
        read = second.read_until(20 - 3 * len(logs))
    assert min(record.position.offset for record in read) == 3


def test_a_member_is_told_which_partitions_are_its_own(bus: Bus) -> None:
    fill(bus)
    with closing(Member(bus.source())) as member:
        assert set(ends(member.read_until(20))) == member.owned


@gap("it has one member at a time")
def test_a_second_member_begins_where_the_first_one_left_its_share(bus: Bus) -> None:
    fill(bus, 40)
    with closing(Member(bus.source())) as first:
        before = set(places(first.read_until(40)))
        first.on_revoked = lambda: dict.fromkeys((log for log, _ in before), CommittedOffset(5))
        first.read.clear()
        with closing(Member(bus.source())) as second:
            share(first, second)
            assert set(ends(second.read)) == second.owned
            assert first.owned | second.owned == {log for log, _ in before}
            assert first.owned.isdisjoint(second.owned)
            assert Counter(places(second.read)) == Counter((log, offset) for log, offset in before if log in second.owned and offset >= 5)
            assert set(ends(first.read)) <= first.owned


@gap("it has one member at a time")
def test_a_share_that_comes_back_begins_where_the_other_member_left_it(bus: Bus) -> None:
    fill(bus, 40)
    with closing(Member(bus.source())) as first:
        first.read_until(40)
        with closing(Member(bus.source())) as second:
            share(first, second)
            theirs = set(second.owned)
            second.on_revoked = lambda: dict.fromkeys(theirs, CommittedOffset(7))
        first.read.clear()
        with polling(first):
            eventually(lambda: theirs <= set(ends(first.read)), within_s=WITHIN_S, what="the share")
        assert min(record.position.offset for record in first.read if record.position.topic_partition in theirs) == 7


@gap("it has one member at a time")
def test_a_member_cannot_commit_a_partition_that_another_one_has_by_now(bus: Bus) -> None:
    fill(bus, 40)
    with closing(Member(bus.source())) as first:
        first.read_until(40)
        with closing(Member(bus.source())) as second:
            share(first, second)
            assert not first.source.commit(dict.fromkeys(ends(second.read), CommittedOffset(1)))


def test_a_record_that_the_topic_is_too_small_for_says_what_to_raise(bus: Bus) -> None:
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes"):
        bus.sink.send(bus.topic, b"key", b"x" * (RECORD_BYTES_MAX + 1))
