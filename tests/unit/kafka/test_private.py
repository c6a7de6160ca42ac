"""Tocsin reaches into kafka-python where it must; whoever installs another version is told to look whether it still may."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.base import BaseCoordinator
from kafka.producer.kafka import KafkaProducer
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from tocsin.kafka.client import VERIFIED
from tocsin.kafka.names import any_name
from tocsin.kafka.source import _Listener

USED: dict[Any, tuple[str, ...]] = {
    Fetcher: ("PartitionRecords", "_parse_fetched_data", "_handle_offset_for_leader_epoch_response"),
    Fetcher.PartitionRecords: ("_unpack_records", "_contains_abort_marker", "_consume_aborted_transactions_up_to"),
    BaseCoordinator: ("_handle_heartbeat_response", "request_rejoin"),
    DefaultRecordBatch: ("_read_msg", "_maybe_uncompress"),
    MemoryRecords: ("_next_slice",),
    KafkaProducer: ("send",),
}


def test_the_installed_kafka_python_is_the_one_whose_private_parts_were_read() -> None:
    assert version("kafka-python") == VERIFIED, (
        "read them again (kafka/source.py, VERIFIED), run tests/contract, then write the version there"
    )


@pytest.mark.parametrize(("kind", "names"), USED.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_used_of_it_is_there(kind: Any, names: tuple[str, ...]) -> None:
    assert [name for name in names if not hasattr(kind, name)] == []


def test_a_listener_that_is_called_while_its_owner_does_not_wait_refuses() -> None:
    listener = _Listener(None, None)  # type: ignore[arg-type] # neither is come to
    for call in (listener.on_partitions_revoked, listener.on_partitions_assigned, listener.on_partitions_lost):
        with pytest.raises(AssertionError, match="it is not the one that was verified"):
            asyncio.run(call([]))


def test_a_batch_that_is_none_of_the_verified_kind_is_refused() -> None:
    class Other(DefaultRecordBatch):  # type: ignore[misc] # kafka-python ships no types
        pass

    with pytest.raises(AssertionError, match="not the one that was verified"):
        any_name(Other(bytes(DefaultRecordBatch.HEADER_STRUCT.size)))
