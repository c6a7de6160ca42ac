"""A bus in memory or on a real broker, and its members."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import MemberToRemove
from tocsin.kafka.ports import CommittedOffsets, EventSink, EventSource
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import CommittedOffset, Record, TopicPartition
from tocsin.settings import KafkaSettings

from tests.fakes.bus import FakeBus, FakeSink, FakeSource
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
        self.cut_off: list[tuple[TopicPartition, int]] = []
        """Where it was told that a log had lost its end."""
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

    def on_cut_off(self, partition: TopicPartition, offset: int) -> None:
        """See RebalanceListener."""
        assert partition in self._all
        self.cut_off.append((partition, offset))

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
