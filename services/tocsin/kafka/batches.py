"""Reads the batches that kafka-python cannot read, or would unpack to any size.

kafka-python gives up a whole partition over one batch: damaged on the broker's disk, or unpacking to more than the memory holds. Nothing
else on the bus needs that batch, so that what cannot be read is delivered as an `Unread` at its own position, and the rest as usual. Never
more is passed over than the damaged batch: where its own header cannot be trusted, the batch behind it, or the end of the log, says how far
it reaches.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError

from tocsin.errors import ContractError
from tocsin.kafka.patches import Part, is_packed, log_end, packed, read_with, record_in, unpack, unread, varint
from tocsin.kafka.unpack import PIECE_BYTES, Damaged, Stream, TooLarge, pieces

READS: Final = 3
"""How often a damaged batch is fetched: it may have been damaged on its way, and then comes whole."""
HEAD_BYTES: Final = 64
"""Bytes at a record's beginning in which its offset is found."""
VARINT_BYTES_MAX: Final = 10
RECORDS_HELD: Final = 8
"""A record that is read alone may be as large as unpacked_bytes_max divided by this: one poll gives many of them."""

_BROKEN: Final = (CorruptRecordError, Damaged, IndexError, ValueError, OverflowError, struct.error)
"""What reading a batch's records raises where they are damaged."""


class Unread(list[Any]):
    """Takes the place of a record's headers where what stands there could not be read."""

    def __init__(self, last_offset: int, why: str) -> None:
        """`last_offset` is the last offset that it may reach to; `why` ends the sentence "nobody can read it: ..."."""
        super().__init__()
        self.last_offset = last_offset
        self.why = why


def reading_anything(consumer: KafkaConsumer, unpacked_bytes_max: int) -> KafkaConsumer:
    """Has the consumer, which has read nothing yet, read on where kafka-python would stop; returns it.

    A batch that unpacks to more than `unpacked_bytes_max` is read record by record, and no record above 1/RECORDS_HELD of that is held.
    """
    read_with(consumer, BoundedReading(partial(log_end, consumer), unpacked_bytes_max))
    return consumer


class BoundedReading:
    """How the batches of one consumer are read (see patches.Reading); its owner's thread alone uses it."""

    def __init__(self, end: Callable[[Any], int | None], unpacked_bytes_max: int) -> None:
        """`end` gives the offset at which a partition's log ended when it was fetched, None where it is not known."""
        self._end = end
        self._most = unpacked_bytes_max
        self._damaged: dict[Any, tuple[int, int]] = {}

    def records(self, part: Part, batch: Any) -> Iterable[Any]:
        """See Reading.records."""
        place = f"{part.topic_partition.topic}[{part.topic_partition.partition}]@{batch.base_offset}"
        return _Records(batch, place, part.fetch_offset, self._most)

    def damaged(self, part: Part, batch: Any, following: Callable[[], int | None]) -> Any:
        """See Reading.damaged."""
        first = max(batch.base_offset, part.next_fetch_offset)
        if self._read_again(part.topic_partition, first):
            return None
        last = max(first, self._next_offset(part.topic_partition, batch, following()) - 1)
        return _unread(first, last, "its checksum does not match: the broker's disk has damaged it")

    def _read_again(self, partition: Any, offset: int) -> bool:
        """Whether the damaged batch is to be fetched once more."""
        before, reads = self._damaged.get(partition, (offset, 0))
        reads = reads + 1 if before == offset else 1
        self._damaged[partition] = (offset, reads)
        return reads < READS

    def _next_offset(self, partition: Any, batch: Any, following: int | None) -> int:
        """The offset at which the batch behind the damaged one begins, at most the log's end.

        Either batch's header may say anything, but nothing is behind the log's end.
        """
        end = self._end(partition)
        said = batch.next_offset if following is None else following
        return int(said if end is None else min(said, end))


class _Records:
    """The records of a sound batch."""

    def __init__(self, batch: Any, place: str, fetch_offset: int, unpacked_bytes_max: int) -> None:
        self._batch = batch
        self._place = place
        self._fetch_offset = fetch_offset
        self._most = unpacked_bytes_max

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
        if not is_packed(batch):
            yield from batch
            return
        content = packed(batch)
        whole = _whole(pieces(codec, content, self._most), self._most)
        if whole is None:
            yield from self._one_by_one(Stream(pieces(codec, content, self._most)))
            return
        unpack(batch, whole)
        yield from batch

    def _one_by_one(self, stream: Stream) -> Iterator[Any]:
        for _ in range(self._batch.records_count):
            prefix = _varint(stream)
            length, _end = varint(prefix)
            if length < 0:
                raise Damaged("a record of it has a length below zero")
            if length > self._most // RECORDS_HELD:
                yield self._passed_over(stream, length)
                continue
            yield record_in(self._batch, bytearray(prefix + stream.exactly(length)))

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


def _unread(offset: int, last_offset: int, why: str) -> Any:
    return unread(offset, Unread(last_offset, why))


def _whole(unpacking: Iterator[bytes], most: int) -> bytearray | None:
    """The unpacked bytes in one piece; None where they are more than `most`, or than the memory holds."""
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
    """The offset delta of a record with these first bytes: attributes, time delta, offset delta."""
    at, delta = 0, 0
    for _ in range(3):
        delta, at = varint(head, at)
    return delta
