"""Whatever stands in a batch, reading it ends: with its records, or with word of what could not be read; and nothing fills the memory."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c
from tocsin.errors import ContractError
from tocsin.kafka.batches import READS, BoundedReading, Unread
from tocsin.kafka.patches import PartitionRecords
from tocsin.kafka.unpack import NAMES, PACKAGES, Damaged, Stream, TooLarge, pieces

MOST = 100_000
CODECS = sorted(NAMES)
HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size
SIZES = st.lists(st.integers(0, 2000), min_size=1, max_size=12)


def batch(codec: int, sizes: list[int]) -> bytearray:
    """One record for each size, at offsets from 0."""
    builder = MemoryRecordsBuilder(2, codec, 10_000_000)
    for number, size in enumerate(sizes):
        builder.append(1_700_000_000_000, b"key-%d" % number, bytes(size), [("name", b"value")])
    builder.close()
    return bytearray(builder.buffer())


def summed(content: bytearray) -> bytearray:
    """With a checksum that fits, as a producer's own defect would have it."""
    at = DefaultRecordBatch.CRC_OFFSET
    struct.pack_into(">I", content, at, calc_crc32c(content[DefaultRecordBatch.ATTRIBUTES_OFFSET :]))
    return content


def read(content: bytearray, fetch_offset: int = 0, most: int = MOST) -> list[Any]:
    make = partial(PartitionRecords, reading=BoundedReading(lambda _partition: None, most))
    part, found = make(fetch_offset, TopicPartition("t", 0), MemoryRecords(bytes(content))), []
    while part:
        taken = part.take(3)
        found += taken
        if not taken:
            break
    return found


def covered(found: list[Any]) -> list[int]:
    """Every offset that was read, or passed over with word of it."""
    return [
        offset
        for each in found
        for offset in range(each.offset, (each.headers.last_offset if isinstance(each.headers, Unread) else each.offset) + 1)
    ]


@settings(deadline=None)
@given(st.sampled_from([0, *CODECS]), SIZES, st.integers(0, 11))
def test_every_record_from_where_it_is_asked_for_is_read_once(codec: int, sizes: list[int], fetch_offset: int) -> None:
    found = read(batch(codec, sizes), fetch_offset)
    assert [each.offset for each in found] == list(range(fetch_offset, len(sizes)))
    assert [len(each.value) for each in found] == sizes[fetch_offset:]


@settings(deadline=None)
@given(st.sampled_from(CODECS), SIZES, st.integers(200, 3000))
def test_however_little_may_be_held_every_offset_is_read_or_named(codec: int, sizes: list[int], most: int) -> None:
    found = read(batch(codec, sizes), most=most)
    assert covered(found) == list(range(len(sizes)))
    assert all(isinstance(each.headers, Unread) or len(each.value) == sizes[each.offset] for each in found)


@settings(deadline=None)
@given(st.sampled_from([0, *CODECS]), SIZES, st.data())
def test_damage_that_the_checksum_hides_passes_over_no_offset_without_a_word(codec: int, sizes: list[int], data: st.DataObject) -> None:
    content = batch(codec, sizes)
    at = data.draw(st.integers(HEADER_BYTES, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    assert covered(read(summed(content))) == list(range(len(sizes)))


@pytest.mark.parametrize("length", [-500, -12, -6, 0, 1_000_000])
def test_a_damaged_batch_before_one_whose_length_is_damaged_is_named_as_far_as_it_reaches(length: int) -> None:
    content, behind = batch(0, [10, 10]), batch(0, [10])
    content[-1] ^= 1
    struct.pack_into(">qi", behind, 0, 2, length)
    partition, reading = TopicPartition("t", 0), BoundedReading(lambda _partition: 3, MOST)
    reads = [PartitionRecords(0, partition, MemoryRecords(bytes(content + behind)), reading=reading).take(5) for _ in range(READS)]
    assert [covered(found) for found in reads] == [[], [], [0, 1]]


def test_damaged_batches_in_a_row_are_named_no_further_than_the_log_reaches() -> None:
    content, behind = batch(0, [10, 10]), batch(0, [10])
    content[-1] ^= 1
    struct.pack_into(">q", behind, 0, 2**40)
    partition, reading = TopicPartition("t", 0), BoundedReading(lambda _partition: 3, MOST)
    reads = [PartitionRecords(0, partition, MemoryRecords(bytes(content + behind)), reading=reading).take(5) for _ in range(READS)]
    assert covered(reads[-1]) == [0, 1, 2]


@settings(deadline=None)
@given(st.sampled_from(CODECS), st.binary(max_size=300))
def test_bytes_that_nobody_packed_are_unpacked_or_called_damaged(codec: int, packed: bytes) -> None:
    with suppress(Damaged, TooLarge):
        assert all(isinstance(each, bytes) for each in pieces(codec, packed, MOST))


@pytest.mark.parametrize("codec", CODECS)
def test_packed_bytes_that_end_early_are_called_damaged(codec: int) -> None:
    whole = bytes(batch(codec, [50_000])[HEADER_BYTES:])
    with pytest.raises(Damaged):
        Stream(pieces(codec, whole[: len(whole) // 2], MOST)).exactly(50_000)


def test_a_codec_that_nobody_knows_is_named_with_its_place() -> None:
    content = batch(1, [10])
    at = DefaultRecordBatch.ATTRIBUTES_OFFSET
    struct.pack_into(">h", content, at, 6)
    with pytest.raises(ContractError, match=r"codec 6, which this Tocsin does not know.*t\[0\]@0"):
        read(summed(content))


@pytest.mark.parametrize("codec", [codec for codec, name in NAMES.items() if name in PACKAGES])
def test_a_codec_whose_package_is_missing_stops_with_the_packages_name_and_place(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = batch(codec, [2000])
    module, package = PACKAGES[NAMES[codec]]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ContractError, match=rf"package {package} is not installed.*t\[0\]@0"):
        read(content)
