"""All that reaches into the private parts of kafka-python's consumer, each with the defect or gap of kafka-python that it mends.

It decides nothing for Tocsin: it tells what kafka-python knows and does not say, and hands over what kafka-python would settle by itself.
Nobody else touches an attribute of kafka-python's that begins with `_`, or overrides one: tests/unit/test_private_parts.py.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import FencedInstanceIdError, OffsetOutOfRangeError, RebalanceInProgressError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

VERIFIED: Final = "3.0.12"
"""The kafka-python whose private parts were read; a test fails on any other until what is used here was read again."""

_OTHER: Final = "this kafka-python is not the one that was verified"


# Batches. kafka-python gives up a whole partition over one batch that is damaged on the broker's disk, and unpacks one of any size whole.


class Part(Protocol):
    """What one answer of the broker holds of one partition."""

    topic_partition: TopicPartition
    fetch_offset: int
    """The offset that was asked for."""
    next_fetch_offset: int
    """The offset behind its last record that was delivered."""


class Reading(Protocol):
    """Reads batches in kafka-python's stead; records and batches are as much of kafka-python's own as is used here."""

    def records(self, part: Part, batch: Any) -> Iterable[Any]:
        """The records of a batch whose checksum is right."""

    def damaged(self, part: Part, batch: Any, following: Callable[[], int | None]) -> Any:
        """An `unread` record in the place of a batch whose checksum is wrong; None to fetch it again.

        `following` gives where the batch behind it begins; None where none came with it.
        """


def read_with(consumer: KafkaConsumer, reading: Reading) -> None:
    """Has `reading` read every batch of this consumer, which has read nothing yet."""
    assert consumer._fetcher.PartitionRecords is Fetcher.PartitionRecords, _OTHER
    consumer._fetcher.PartitionRecords = partial(PartitionRecords, reading=reading)


class PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python ships no types
    """A Part: kafka-python's own class, but for the Reading that reads its batches."""

    def __init__(self, *arguments: Any, reading: Reading, **options: Any) -> None:
        """`arguments` and `options` are kafka-python's."""
        self.reading = reading
        super().__init__(*arguments, **options)

    def _unpack_records(self, partition: Any, records: MemoryRecords, *deserializers: Any) -> Iterator[Any]:
        unpacked: Iterator[Any] = super()._unpack_records(partition, _Batches(self, records), *deserializers)
        return unpacked


class _Batches:
    """As much of kafka-python's MemoryRecords as its `_unpack_records` asks for."""

    def __init__(self, part: PartitionRecords, records: MemoryRecords) -> None:
        self._part = part
        self._records = records
        self._over = False

    def next_batch(self) -> Any:
        batch: Any = None if self._over else self._records.next_batch()
        if type(batch) is not DefaultRecordBatch:  # None, or one of the older formats, which has neither headers nor gaps
            return batch
        if batch.validate_crc():
            return _Sound(batch, self._part.reading.records(self._part, any_name(batch)))
        self._over = True  # ends this answer: the next one says without this batch which records were aborted
        record = self._part.reading.damaged(self._part, batch, self._following)
        return None if record is None else _Alone(record, self._part.leader_epoch)

    def _following(self) -> int | None:
        head = bytes((self._records._next_slice or b"")[:8])  # shorter where that batch states so few bytes
        return int(struct.unpack(">q", head)[0]) if len(head) == 8 else None


class _Sound:
    """A batch whose records a Reading reads; every other attribute is kafka-python's own."""

    def __init__(self, batch: DefaultRecordBatch, records: Iterable[Any]) -> None:
        self._batch = batch
        self._records = records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def validate_crc(self) -> bool:
        return True  # next_batch has verified it

    def __next__(self) -> Any:
        return next(self._batch)  # of a control batch, which is never compressed

    def __iter__(self) -> Iterator[Any]:
        return iter(self._records)


class _Alone:
    """A batch of one record that is `unread`."""

    magic = 2
    is_control_batch = False

    def __init__(self, record: Any, leader_epoch: int) -> None:
        self.base_offset, self.last_offset = record.offset, record.headers.last_offset
        self.next_offset = self.last_offset + 1
        self.leader_epoch = leader_epoch
        self._record = record

    def has_producer_id(self) -> bool:
        return False

    def validate_crc(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        yield self._record


def unread(offset: int, headers: list[Any]) -> Any:
    """A record without key and value, as `_unpack_records` asks for one; of a damaged batch `headers` says its `last_offset`."""
    return SimpleNamespace(
        offset=offset,
        timestamp=-1,  # that there is none, as Kafka writes it: https://kafka.apache.org/documentation/#recordbatch
        timestamp_type=0,
        key=None,
        value=None,
        headers=headers,
        checksum=None,
        size_in_bytes=0,
        validate_crc=lambda: True,
    )


def is_packed(batch: Any) -> bool:
    """Whether the batch's records are compressed."""
    return bool(batch.compression_type != DefaultRecordBatch.CODEC_NONE)


def packed(batch: Any) -> bytes:
    """The compressed records of a batch of which nothing has been read."""
    return bytes(memoryview(batch._buffer)[batch._pos :])


def unpack(batch: Any, records: bytearray) -> None:
    """Gives the batch its records unpacked: iterating it reads them."""
    batch._buffer, batch._pos, batch._decompressed = records, 0, True


def record_in(batch: Any, content: bytearray) -> Any:
    """The batch's record that these bytes hold, its length first."""
    batch._buffer, batch._pos = content, 0
    return batch._read_msg()


def varint(content: bytes, at: int = 0) -> tuple[int, int]:
    """The varint that stands at `at`, and the index behind it."""
    number, end = decode_varint(content, at)
    return int(number), int(end)


# Header names of any bytes. Kafka's protocol says that a header's name is text in UTF-8, and no broker checks it. kafka-python calls a
# record that breaks the rule corrupt, and can then neither say which one it is nor step over it: one such record would stop its partition
# for everybody. Nothing of ours depends on a foreign header's name, so that it is read with its bad bytes escaped (`\xff`).


def any_name(batch: DefaultRecordBatch) -> DefaultRecordBatch:
    """The batch, of which nothing has been read yet, taught to read records whose header names are not UTF-8."""
    assert type(batch) is DefaultRecordBatch, _OTHER
    batch.__class__ = _AnyName
    return batch


class _AnyName(DefaultRecordBatch):  # type: ignore[misc] # kafka-python ships no types
    __slots__ = ()

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:  # the read position has not moved on yet
            self._buffer = _Lenient(self._buffer)  # type: ignore[misc, has-type] # a slot of kafka-python's class
            return super()._read_msg()


class _Lenient(bytearray):
    """Bytes whose slices decode with bad bytes escaped, and so are never refused as text."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


# What a broker says beside the records. kafka-python notes the high watermark alone, to which a reader of committed records does not come
# while a transaction is open. It goes to the earliest record without a word where the one it wanted is gone or was cut off. It ends its
# heartbeat without a word where another process has taken its name, and takes itself for a member of a group that no longer knows it.


def hear_answers(
    consumer: KafkaConsumer, ends: Callable[[TopicPartition, int, int], None], gone: Callable[[TopicPartition, int], None]
) -> None:
    """Tells what each answer to the consumer's present position says; the consumer has asked nothing yet.

    `ends`: partition, last stable offset, high watermark. `gone`: partition, and the offset that was asked for and is not there.
    """
    fetcher = consumer._fetcher
    parse = fetcher._parse_fetched_data

    def heard(completed: Any) -> Any:
        current = _is_current(consumer, completed)
        parsed = parse(completed)
        if current:
            _tell(consumer, completed, ends, gone)
        return parsed

    fetcher._parse_fetched_data = heard


def _is_current(consumer: KafkaConsumer, completed: Any) -> bool:
    state = consumer._subscription.assignment.get(completed.topic_partition)
    return bool(state is not None and state.position is not None and state.position.offset == completed.fetched_offset)


def _tell(consumer: KafkaConsumer, completed: Any, ends: Callable[..., None], gone: Callable[..., None]) -> None:
    partition, data = completed.topic_partition, completed.partition_data
    if data.error_code == OffsetOutOfRangeError.errno and consumer._subscription.is_offset_reset_needed(partition):
        gone(partition, completed.fetched_offset)
    elif data.error_code == 0:
        ends(partition, data.last_stable_offset, data.high_watermark)


def hear_truncations(consumer: KafkaConsumer, truncated: Callable[[TopicPartition, int], None]) -> None:
    """Tells from which offset the consumer went back since the log was cut off; perhaps on kafka-python's own thread."""
    fetcher = consumer._fetcher
    validate = fetcher._handle_offset_for_leader_epoch_response

    def heard(response: Any, requested: Mapping[TopicPartition, Any]) -> Any:
        found = validate(response, requested)
        for partition, position in requested.items():
            if _stands_before(consumer, partition, position.offset):
                truncated(partition, position.offset)
        return found

    fetcher._handle_offset_for_leader_epoch_response = heard


def _stands_before(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> bool:
    state = consumer._subscription.assignment.get(partition)
    return bool(state is not None and (state.awaiting_reset or (state.position is not None and state.position.offset < offset)))


def hear_coordinator(consumer: KafkaConsumer, *, counted_on: Callable[[float], None], fenced: Callable[[], None]) -> None:
    """Tells, on kafka-python's thread, what the group's coordinator answers; the consumer has not joined yet.

    `counted_on`: monotonic seconds at which a request was sent that the coordinator took for a sign of life (a heartbeat, or the end of a
    join), from which on it waits for the next; -inf once it does not know this member, or this member has left. `fenced`: another process
    has taken its name.

    What kafka-python itself takes for signs of life is none: that it found the coordinator, and that it read an answer, which may be old
    where the process stood still in between.
    """
    coordinator = consumer._coordinator
    beaten, synced = coordinator._handle_heartbeat_response, coordinator._process_sync_group_response
    forget = coordinator.reset_generation

    def heard_heartbeat(response: Any, sent_at: float) -> None:
        try:
            beaten(response, sent_at)
        except RebalanceInProgressError:  # it waits for this member to join again
            counted_on(sent_at)
            raise
        except FencedInstanceIdError:
            counted_on(-math.inf)
            fenced()
            raise
        counted_on(sent_at)

    def heard_sync(response: Any, sent_at: float) -> Any:
        assigned = synced(response, sent_at)
        counted_on(sent_at)
        return assigned

    def heard_end(*arguments: Any, **options: Any) -> None:
        counted_on(-math.inf)
        forget(*arguments, **options)

    coordinator._handle_heartbeat_response = heard_heartbeat
    coordinator._process_sync_group_response = heard_sync
    coordinator.reset_generation = heard_end


# What a consumer knows and does not say, or forgets.


def topic_id(consumer: KafkaConsumer, topic: str) -> Any:
    """The topic's id, which no later topic of its name has; None where the topic is away, or has none.

    kafka-python goes on at the same offset in a topic that was deleted and made anew.
    """
    return consumer._cluster._topic_ids.get(topic)


def position(consumer: KafkaConsumer, partition: TopicPartition) -> int | None:
    """The offset at which the consumer reads on; None while kafka-python looks it up, for which its own `position` would wait."""
    found = consumer._subscription.assignment[partition].position
    return None if found is None else found.offset


def log_end(consumer: KafkaConsumer, partition: TopicPartition) -> int | None:
    """The offset at which the partition ended when it was fetched last; None where that is not known."""
    state = consumer._subscription.assignment.get(partition)
    return None if state is None else state.highwater


def partitions_known(consumer: KafkaConsumer, topic: str) -> Any:
    """The topic's partitions, as the last metadata had them, without asking; none for a topic that is not there."""
    return consumer._cluster.partitions_for_topic(topic)


def await_metadata(consumer: KafkaConsumer, wait_ms: int) -> None:
    """Waits for metadata, without which a group's leader would share out topics of which it knows no partition. Raises KafkaError."""
    consumer._net.run(consumer._manager.wait_for, consumer._cluster.request_update(), wait_ms)


def keep_coordinator(consumer: KafkaConsumer) -> None:
    """Has the consumer look for its group's coordinator only where that is not known and connected.

    kafka-python asks its own thread at each poll, and waits for it to say that there is nothing to do.
    """
    coordinator = consumer._coordinator
    find = coordinator.ensure_coordinator_ready

    def found(timeout_ms: float | None = None) -> bool:
        known = coordinator.coordinator_id
        if known is not None and not coordinator._client.is_disconnected(known):
            return True
        return bool(find(timeout_ms=timeout_ms))

    coordinator.ensure_coordinator_ready = found


def keep_rejoining(consumer: KafkaConsumer) -> None:
    """Keeps kafka-python at a rebalance it has begun.

    kafka-python would forget one that new metadata brought about (a topic or partition that was made) if its poll ends before the broker
    answers, and be a member without partitions from then on: `need_rejoin` compares snapshots that are equal by then.
    """
    consumer._coordinator.request_rejoin()


def free_parked(consumer: KafkaConsumer) -> None:
    """Lets kafka-python come back to a partition that was paused with a batch half read.

    kafka-python looks at such a partition only while no batch is open, and takes a batch that is read to its end (empty, but not None) for
    open: the partition would never be read again.
    """
    fetcher = consumer._fetcher
    if not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def answer_to(consumer: KafkaConsumer, asked: Any, wait_ms: int) -> Awaitable[Any]:
    """The answer to a request, awaited on kafka-python's own thread, where its blocking calls would wait for themselves."""
    answer: Awaitable[Any] = consumer._manager.wait_for(asked, wait_ms)
    return answer
