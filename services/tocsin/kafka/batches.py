"""Batches that kafka-python cannot read, or reads at any price.

It gives up a whole partition over one batch: damaged on the broker's disk, or unpacking to more than the memory holds. Nothing else on
the bus needs that batch, so that what cannot be read is delivered as word of it (`Unread`), at its own position, and the rest as usual.
Never more is passed over than the damaged batch: where its own header cannot be trusted, the batch behind it, or the end of the log, says
how far it reaches.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

from tocsin.errors import ContractError
from tocsin.kafka.names import any_name
from tocsin.kafka.unpack import PIECE_BYTES, Damaged, Stream, TooLarge, pieces

READS: Final = 3
"""How often a damaged batch is fetched: it may have been damaged on its way, and then comes whole."""
HEAD_BYTES: Final = 64
"""Enough of a record to find its offset in."""
VARINT_BYTES_MAX: Final = 10
RECORDS_HELD: Final = 8
"""Of a batch that is read record by record no record may be larger than this part of what may be held: one poll gives many of them."""
UNKNOWN_TIME_MS: Final = -1
"""As Kafka writes it: https://kafka.apache.org/documentation/#recordbatch."""

_BROKEN: Final = (CorruptRecordError, Damaged, IndexError, ValueError, OverflowError, struct.error)
"""What reading the inside of a batch raises where it is not what it says it is."""


class Unread(list[Any]):
    """Stands for the headers of what could not be read."""

    def __init__(self, last_offset: int, why: str) -> None:
        """`last_offset` is the last that it may reach to; `why` ends the sentence "nobody can read it: ..."."""
        super().__init__()
        self.last_offset = last_offset
        self.why = why


class _Bounds:
    """What the batches of one consumer are read with; its owner's thread alone uses it."""

    def __init__(self, consumer: KafkaConsumer, unpacked_bytes_max: int) -> None:
        self.unpacked_bytes_max = unpacked_bytes_max
        self._consumer = consumer
        self._damaged: dict[Any, tuple[int, int]] = {}

    def read_again(self, partition: Any, offset: int) -> bool:
        """Whether the damaged batch is to be fetched once more."""
        before, reads = self._damaged.get(partition, (offset, 0))
        reads = reads + 1 if before == offset else 1
        self._damaged[partition] = (offset, reads)
        return reads < READS

    def end(self, partition: Any) -> int | None:
        """Where the log ended when it was fetched."""
        state = self._consumer._subscription.assignment.get(partition)
        return None if state is None else state.highwater


def reading_anything(consumer: KafkaConsumer, unpacked_bytes_max: int) -> KafkaConsumer:
    """The consumer, which has read nothing yet, taught to read on where kafka-python would stop.

    A batch that unpacks to more is read record by record, and a record of it that is larger is not held.
    """
    assert consumer._fetcher.PartitionRecords is Fetcher.PartitionRecords, "this kafka-python is not the one that was verified"
    consumer._fetcher.PartitionRecords = partial(_PartitionRecords, bounds=_Bounds(consumer, unpacked_bytes_max))
    return consumer


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python ships no types
    def __init__(self, *arguments: Any, bounds: _Bounds, **options: Any) -> None:
        self.bounds = bounds
        super().__init__(*arguments, **options)

    def _unpack_records(self, partition: Any, records: MemoryRecords, *deserializers: Any) -> Iterator[Any]:
        unpacked: Iterator[Any] = super()._unpack_records(partition, _Batches(self, records), *deserializers)
        return unpacked


class _Batches:
    """As much of kafka-python's MemoryRecords as its `_unpack_records` asks for."""

    def __init__(self, part: _PartitionRecords, records: MemoryRecords) -> None:
        self._part = part
        self._records = records
        self._over = False

    def next_batch(self) -> Any:
        batch: Any = None if self._over else self._records.next_batch()
        if type(batch) is not DefaultRecordBatch:  # None, or one of the older formats, which has neither headers nor gaps
            return batch
        if batch.validate_crc():
            place = f"{self._part.topic_partition.topic}[{self._part.topic_partition.partition}]@{batch.base_offset}"
            return _Batch(any_name(batch), place, self._part.fetch_offset, self._part.bounds.unpacked_bytes_max)
        self._over = True  # the broker is asked anew behind it: what was aborted is to be known without this batch
        first = max(batch.base_offset, self._part.next_fetch_offset)
        if self._part.bounds.read_again(self._part.topic_partition, first):
            return None
        last = max(first, self._next_offset(batch) - 1)
        return _Word(_unread(first, last, "its checksum does not match: the broker's disk has damaged it"), self._part.leader_epoch)

    def _next_offset(self, batch: DefaultRecordBatch) -> int:
        """Where the batch behind the damaged one begins, whose header may say anything."""
        following = self._records._next_slice
        if following is not None:
            (offset,) = struct.unpack_from(">q", following)
            return int(offset)
        end = self._part.bounds.end(self._part.topic_partition)
        return int(batch.next_offset if end is None else min(batch.next_offset, end))


class _Batch:
    """A sound batch; what is not said here is kafka-python's own."""

    def __init__(self, batch: DefaultRecordBatch, place: str, fetch_offset: int, unpacked_bytes_max: int) -> None:
        self._batch = batch
        self._place = place
        self._fetch_offset = fetch_offset
        self._most = unpacked_bytes_max

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def validate_crc(self) -> bool:
        return True  # it has been looked at

    def __next__(self) -> Any:
        return next(self._batch)  # of a control batch, which is never compressed

    def __iter__(self) -> Iterator[Any]:
        left, last = self._batch.base_offset, self._batch.last_offset
        whole = self._batch.records_count == last + 1 - left  # compaction took none
        try:
            for record in self._records():
                if not left <= record.offset <= (left if whole else last):
                    raise Damaged("its records say other offsets than it")
                left = record.offset + 1
                yield record
        except ContractError as error:
            raise ContractError(f"{error} (at {self._place})") from None
        except TooLarge as error:
            why = f"{error}, more than TOCSIN_KAFKA__UNPACKED_BYTES_MAX ({self._most})"
        except _BROKEN as error:
            why = str(error) if isinstance(error, Damaged) else f"its records are damaged ({type(error).__name__})"
        else:
            return
        left = max(left, self._fetch_offset)
        if left <= last:
            yield _unread(left, last, why)

    def _records(self) -> Iterator[Any]:
        batch, codec = self._batch, self._batch.compression_type
        if codec == DefaultRecordBatch.CODEC_NONE:
            yield from batch
            return
        packed = bytes(memoryview(batch._buffer)[batch._pos :])
        whole = _whole(pieces(codec, packed, self._most), self._most)
        if whole is None:
            yield from self._one_by_one(Stream(pieces(codec, packed, self._most)))
            return
        batch._buffer, batch._pos, batch._decompressed = whole, 0, True
        yield from batch

    def _one_by_one(self, stream: Stream) -> Iterator[Any]:
        for _ in range(self._batch.records_count):
            prefix = _varint(stream)
            length, _end = decode_varint(prefix)
            if length < 0:
                raise Damaged("a record of it has a length below zero")
            if length > self._most // RECORDS_HELD:
                yield self._passed_over(stream, length)
                continue
            self._batch._buffer, self._batch._pos = bytearray(prefix + stream.exactly(length)), 0
            yield self._batch._read_msg()

    def _passed_over(self, stream: Stream, length: int) -> Any:
        head = stream.exactly(min(length, HEAD_BYTES))
        offset = self._batch.base_offset + _offset_delta(head)
        digest, left = hashlib.sha256(head), length - len(head)
        while left:
            piece = stream.some(min(left, PIECE_BYTES))
            if not piece:
                raise Damaged("its data ends early")
            digest.update(piece)
            left -= len(piece)
        limit = f"1/{RECORDS_HELD} of TOCSIN_KAFKA__UNPACKED_BYTES_MAX ({self._most})"
        why = f"it unpacks to {length} bytes, more than {limit}; SHA-256 {digest.hexdigest()}"
        return _unread(offset, offset, why)


class _Word:
    """A batch of one: word of what could not be read."""

    magic = 2
    is_control_batch = False

    def __init__(self, word: Any, leader_epoch: int) -> None:
        self.base_offset, self.last_offset = word.offset, word.headers.last_offset
        self.next_offset = self.last_offset + 1
        self.leader_epoch = leader_epoch
        self._word = word

    def has_producer_id(self) -> bool:
        return False

    def validate_crc(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        yield self._word


def _unread(offset: int, last_offset: int, why: str) -> Any:
    """As much of a record as kafka-python's `_unpack_records` asks for."""
    return SimpleNamespace(
        offset=offset,
        timestamp=UNKNOWN_TIME_MS,
        timestamp_type=0,
        key=None,
        value=None,
        headers=Unread(last_offset, why),
        checksum=None,
        size_in_bytes=0,
        validate_crc=lambda: True,
    )


def _whole(unpacking: Iterator[bytes], most: int) -> bytearray | None:
    """All of it; None where it is more than `most`, or than the memory holds."""
    whole = bytearray()
    try:
        for piece in unpacking:
            whole += piece
            if len(whole) > most:
                return None
    except MemoryError:
        return None
    return whole


def _varint(stream: Stream) -> bytes:
    found = bytearray()
    while len(found) < VARINT_BYTES_MAX:
        found += stream.exactly(1)
        if found[-1] < 0x80:
            return bytes(found)
    raise Damaged("a record of it has no length")


def _offset_delta(head: bytes) -> int:
    """Of a record that begins so: attributes, time, offset."""
    at, delta = 0, 0
    for _ in range(3):
        delta, at = decode_varint(head, at)
    return int(delta)
