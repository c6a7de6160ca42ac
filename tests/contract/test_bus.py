"""What every bus keeps, the fake and Kafka alike: nothing sent is lost, and nothing committed is delivered again."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import MemberToRemove
from tocsin.errors import Deferred, RecordTooLarge
from tocsin.kafka.ports import CommittedOffsets, EventSink, EventSource
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import CommittedOffset, Record, TopicPartition
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import KafkaSettings

from tests.fakes.bus import FakeBus, FakeSink, FakeSource
from tests.support.stack import cached_jars, frozen, running
from tests.support.waiting import eventually

WITHIN_S = 20.0
SESSION_TIMEOUT_MS = 6000
"""The shortest that a broker allows: another member is noticed within a quarter of it."""
RECORD_BYTES_MAX = 10_000
"""The topics' max.message.bytes."""


class Bus(Protocol):
    """A bus with one topic of this test alone, in two partitions."""

    topic: str
    backfill: str
    """The second topic that its members read, in two partitions as well."""
    sink: EventSink

    def source(self, group: str = "readers") -> EventSource:
        """A new member of the group."""

    def send_without_value(self, key: bytes) -> None:
        """As a producer that is not ours may do."""


class FakeHouse:
    """The bus in memory."""

    def __init__(self) -> None:
        self._bus = FakeBus(partitions=2)
        self._bus.record_bytes_max = RECORD_BYTES_MAX
        self.topic, self.backfill = "imaging", "backfill"
        self.sink: EventSink = FakeSink(self._bus)

    def source(self, group: str = "readers") -> EventSource:
        return FakeSource(self._bus, (self.topic, self.backfill), group)

    def send_without_value(self, key: bytes) -> None:
        self._bus.append(self.topic, key, None)


class KafkaHouse:
    """The bus on a real broker."""

    def __init__(self, bootstrap_servers: str, config: Mapping[str, str] | None = None) -> None:
        self._mark = secrets.token_hex(4)
        self.topic, self.backfill = f"imaging-{self._mark}", f"backfill-{self._mark}"
        self.settings = KafkaSettings(
            bootstrap_servers=bootstrap_servers,
            topic_imaging=self.topic,
            topic_backfill=self.backfill,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            connect_timeout_s=2,
            commit_timeout_s=2,
            send_timeout_s=2,
            send_linger_ms=0,
        )
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            described = {
                "num_partitions": 2,
                "replication_factor": 1,
                "configs": {"max.message.bytes": str(RECORD_BYTES_MAX)} | dict(config or {}),
            }
            admin.create_topics({self.topic: described, self.backfill: described}, wait_for_metadata=True)
        self.sink: EventSink = KafkaSink(self.settings)

    def group(self, name: str) -> str:
        return f"{name}-{self._mark}"

    def source(self, group: str = "readers") -> EventSource:
        return KafkaSource(self.settings.model_copy(update={"group_id": self.group(group)}))

    def send_without_value(self, key: bytes) -> None:
        with closing(KafkaProducer(bootstrap_servers=self.settings.bootstrap_servers)) as producer:
            producer.send(self.topic, None, key).get(timeout=WITHIN_S)

    def append_misnamed(self) -> None:
        """A record with a header name that is not UTF-8."""

        class Latin(str):
            def encode(self, *_arguments: object) -> bytes:
                return b"\xfcber"

        with closing(KafkaProducer(bootstrap_servers=self.settings.bootstrap_servers)) as producer:
            producer.send(self.topic, b"misnamed", b"key", headers=[(Latin("x"), b"1")]).get(timeout=WITHIN_S)

    def damage(self, value: bytes, folder: Path) -> None:
        """As a failing disk may do to the only record with that value; `folder` is the broker's."""
        (log,) = (each for each in folder.glob(f"data/{self.topic}-*/*.log") if value in each.read_bytes())
        log.write_bytes(log.read_bytes().replace(value, value.swapcase()))

    def close(self) -> None:
        self.sink.close()

    def expel(self, group: str = "readers") -> None:
        """Every member of the group is taken out of it, as a broker does with one that fell silent."""
        with closing(KafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)) as admin:
            name = self.group(group)
            members = [MemberToRemove(member["member_id"]) for member in admin.describe_groups([name])[name]["members"]]
            assert members
            admin.remove_group_members(name, members)


@pytest.fixture
def kafka_house(kafka: Kafka) -> Iterator[KafkaHouse]:
    house = KafkaHouse(kafka.bootstrap_servers)
    yield house
    house.sink.close()


@pytest.fixture(params=["fake", "kafka"])
def bus(request: pytest.FixtureRequest) -> Bus:
    return FakeHouse() if request.param == "fake" else request.getfixturevalue("kafka_house")


def gap(reason: str) -> pytest.MarkDecorator:
    """The test runs on both, and the fake is known not to keep it."""
    fake = pytest.param("fake", marks=pytest.mark.xfail(strict=True, reason=f"the fake: {reason}"))
    return pytest.mark.parametrize("bus", [fake, "kafka"], indirect=True)


class Member:
    """A source and who owns it: the test's own thread."""

    def __init__(self, source: EventSource, on_revoked: Callable[[], CommittedOffsets] = dict) -> None:
        """`leaving` says what to commit when a rebalance begins."""
        self.source = source
        self.on_revoked = on_revoked
        self.read: list[Record] = []
        self.polls: list[int] = []
        """How many records each poll gave."""
        self._all: set[TopicPartition] = set()
        self.began: dict[TopicPartition, CommittedOffset | None] = {}
        """The commits it was told of."""
        source.open(self)

    def on_assigned(self, kept: Collection[TopicPartition], new: Mapping[TopicPartition, CommittedOffset | None]) -> None:
        """See RebalanceListener."""
        assert set(kept) <= self._all
        self._all = set(kept) | set(new)
        self.began |= new

    @property
    def owned(self) -> set[TopicPartition]:
        """What of the first topic it was told to be its own."""
        return {log for log in self._all if log.topic.startswith("imaging")}

    def on_lost(self) -> None:
        """See RebalanceListener."""
        self._all = set()

    def poll(self, wait_s: float = 0.1, records_max: int = 64) -> list[Record]:
        records = self.source.poll(wait_s, records_max)
        self.read += records
        self.polls.append(len(records))
        return records

    def read_until(self, count: int, *, records_max: int = 64) -> list[Record]:
        """Everything read, once it is `count` records."""
        eventually(lambda: self.poll(0.2, records_max) is None or len(self.read) >= count, within_s=WITHIN_S, what=f"{count} records")
        assert len(self.read) == count
        return self.read

    def close(self) -> None:
        self.source.close()


@contextmanager
def polling(*members: Member, wait_s: float = 0.2) -> Iterator[None]:
    """Each is polled by a thread of its own, as in production, until the block ends."""
    stop = threading.Event()

    def poll(member: Member) -> None:
        while not stop.is_set():
            member.poll(wait_s)
            stop.wait(0 if wait_s else 0.05)

    with ThreadPoolExecutor(len(members)) as threads:
        polls = [threads.submit(poll, member) for member in members]
        try:
            yield
        finally:
            stop.set()
    for each in polls:
        each.result()


def share(first: Member, second: Member, *, within_s: float = WITHIN_S) -> None:
    """Returns once each has one partition and the second what there is to read of its own."""
    within_s = within_s if isinstance(second.source, KafkaSource) else 0.5
    with polling(first, second):
        eventually(lambda: len(first.owned) == len(second.owned) == 1 and bool(second.read), within_s=within_s, what="a share for each")
        read = -1
        while read < len(second.read):
            read = len(second.read)
            second_polls = len(second.polls)
            eventually(lambda: len(second.polls) > second_polls + 2)  # noqa: B023 - it is over before the next turn


def fill(bus: Bus, count: int = 20) -> None:
    """`count` records over eight keys, each value a running number."""
    for number in range(count):
        bus.sink.send(bus.topic, b"key-%d" % (number % 8), b"%d" % number)


def ends(records: Sequence[Record]) -> dict[TopicPartition, CommittedOffset]:
    """Per partition, the place behind the last of the records."""
    return {record.position.topic_partition: CommittedOffset(record.position.next_offset) for record in records}


def values(records: Sequence[Record]) -> list[int]:
    return sorted(int(record.value or b"-1") for record in records)


def places(records: Sequence[Record]) -> list[tuple[TopicPartition, int]]:
    return [(record.position.topic_partition, record.position.offset) for record in records]


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
