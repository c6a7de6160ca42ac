"""Tocsin reaches into kafka-python where it must; whoever installs another version is told to look whether it still may."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.cluster import ClusterMetadata
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import SubscriptionState, TopicPartitionState
from kafka.coordinator.base import BaseCoordinator
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.sasl.abc import SaslMechanism
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.producer.transaction_manager import TransactionManager, TxnRequestHandler
from kafka.protocol.parser import KafkaProtocol
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from tocsin.kafka.patches import VERIFIED, any_name
from tocsin.kafka.source import _Listener

USED: dict[Any, tuple[str, ...]] = {
    KafkaConsumer: ("_fetcher", "_subscription", "_coordinator", "_cluster", "_net", "_manager"),
    Fetcher: ("PartitionRecords", "_parse_fetched_data", "_handle_offset_for_leader_epoch_response", "_next_partition_records"),
    Fetcher.PartitionRecords: ("_unpack_records", "_contains_abort_marker", "_consume_aborted_transactions_up_to"),
    SubscriptionState: ("assignment", "is_offset_reset_needed"),
    TopicPartitionState: ("position", "highwater", "awaiting_reset"),
    BaseCoordinator: (
        *("_handle_heartbeat_response", "_process_sync_group_response", "reset_generation", "request_rejoin"),
        *("ensure_coordinator_ready", "coordinator_id", "_client"),
    ),
    KafkaNetClient: ("is_disconnected",),
    ClusterMetadata: ("_topic_ids", "partitions_for_topic", "request_update"),
    KafkaConnectionManager: ("wait_for",),
    DefaultRecordBatch: ("_buffer", "_pos", "_decompressed", "_read_msg", "_maybe_uncompress", "records_count"),
    MemoryRecords: ("_next_slice",),
    KafkaProducer: ("_transaction_manager", "_accumulator"),
    TransactionManager: ("_lock", "_current_state", "_enqueue_request", "reset_producer_id", "has_producer_id"),
    TxnRequestHandler: ("on_complete",),
    RecordAccumulator: ("_incomplete", "_batches", "_tp_lock", "deallocate"),
    ProducerBatch: ("abort", "records", "topic_partition"),
    KafkaProtocol: ("send_request", "send_bytes", "receive_bytes"),
    SaslMechanism: ("auth_bytes", "receive", "is_done"),
}


def test_the_installed_kafka_python_is_the_one_whose_private_parts_were_read() -> None:
    assert version("kafka-python") == VERIFIED, "read again what kafka/*patches.py use, run tests/contract, then write the version"


@pytest.mark.parametrize(("kind", "names"), USED.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_used_of_it_is_there(kind: Any, names: tuple[str, ...]) -> None:
    source = inspect.getsource(kind)
    assert [name for name in names if not hasattr(kind, name) and f"self.{name} = " not in source] == []


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
