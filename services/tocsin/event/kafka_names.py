"""Header names of any bytes.

Kafka's protocol says that a header's name is text in UTF-8, and no broker checks it. kafka-python calls a record that breaks the rule
corrupt, and can then neither say which one it is nor step over it: one such record would stop its partition for everybody. Nothing of
ours depends on a foreign header's name, so that such a name is read with its bad bytes escaped (`\\xff`) and the record is like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch


def reading_any_name(consumer: KafkaConsumer) -> KafkaConsumer:
    """The consumer, which has read nothing yet, taught to read records whose header names are not UTF-8."""
    consumer._fetcher.PartitionRecords = _PartitionRecords
    return consumer


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python ships no types
    def _unpack_records(self, partition: Any, records: MemoryRecords, *deserializers: Any) -> Iterator[Any]:
        unpacked: Iterator[Any] = super()._unpack_records(partition, _Batches(records), *deserializers)
        return unpacked


class _Batches:
    """As much of kafka-python's MemoryRecords as its `_unpack_records` asks for."""

    def __init__(self, records: MemoryRecords) -> None:
        self._records = records

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        if type(batch) is DefaultRecordBatch:  # the older formats have no headers
            batch.__class__ = _Batch
        return batch


class _Batch(DefaultRecordBatch):  # type: ignore[misc] # kafka-python ships no types
    __slots__ = ()

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:  # it has not moved on yet
            self._buffer = _Lenient(self._buffer)  # type: ignore[misc, has-type] # a slot of kafka-python's class
            return super()._read_msg()


class _Lenient(bytearray):
    """Bytes whose slices are never refused as text."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
