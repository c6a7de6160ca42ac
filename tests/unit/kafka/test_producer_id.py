"""A producer whose request for an id is not answered asks again: kafka-python's own transaction manager, without a broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import Cancelled, KafkaConnectionError, RequestTimedOutError, UnsupportedVersionError
from kafka.producer.transaction_manager import TransactionManager
from kafka.protocol.producer import InitProducerIdResponse
from tocsin.kafka.producer_patches import renew_lost_ids


@pytest.fixture
def manager() -> Any:
    """That of a producer whose ids are renewed, and which asks for its first."""
    found = TransactionManager(api_version=(4, 1))
    renew_lost_ids(SimpleNamespace(_transaction_manager=found, _accumulator=None))
    found.init_producer_id()
    return found


def answer(manager: Any, outcome: object) -> None:
    """To the request that is to be sent next."""
    request = manager.next_request_handler(False)
    request.on_complete(manager.next_in_flight_request_correlation_id(), outcome)


@pytest.mark.parametrize(
    "unanswered", [RequestTimedOutError(), KafkaConnectionError(), Cancelled()], ids=lambda error: type(error).__name__
)
def test_an_id_that_did_not_come_in_time_is_asked_for_until_it_comes(manager: Any, unanswered: Exception) -> None:
    for _ in range(3):
        answer(manager, unanswered)
        assert not manager.has_fatal_error()
        assert not manager.has_producer_id()
    answer(manager, InitProducerIdResponse(error_code=0, producer_id=7, producer_epoch=0))
    assert manager.has_producer_id(7)


def test_a_broker_that_gives_no_ids_is_not_asked_again(manager: Any) -> None:
    answer(manager, UnsupportedVersionError())
    assert manager.has_fatal_error()
    assert manager.next_request_handler(False) is None
