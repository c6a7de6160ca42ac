"""What counts as a sign that the group still keeps this member's partitions for it: what the coordinator took, as of its sending."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import (
    CoordinatorNotAvailableError,
    FencedInstanceIdError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from tocsin.kafka.membership import Membership


class Coordinator:
    """Answers a heartbeat or the end of a join with this error, or takes it."""

    def __init__(self) -> None:
        self.error: type[KafkaError] | None = None

    def _handle_heartbeat_response(self, response: object, sent_at: float) -> None:
        if self.error in (UnknownMemberIdError, IllegalGenerationError):
            self.reset_generation()
        if self.error is not None:
            raise self.error

    def reset_generation(self, member_id: str = "") -> None:
        """As kafka-python's, which calls it wherever it is no member any more."""

    def _process_sync_group_response(self, response: object, sent_at: float) -> bytes:
        if self.error is not None:
            raise self.error
        return b"assigned"


@pytest.fixture
def coordinator() -> Any:
    return Coordinator()


@pytest.fixture
def membership(coordinator: Any) -> Membership:
    return Membership(SimpleNamespace(_coordinator=coordinator))


def beat(coordinator: Any, sent_at: float, error: type[KafkaError] | None = None) -> None:
    coordinator.error = error
    if error is None:
        coordinator._handle_heartbeat_response(object(), sent_at)
        return
    with pytest.raises(error):
        coordinator._handle_heartbeat_response(object(), sent_at)


def test_nobody_counts_on_a_member_that_has_not_joined(membership: Membership) -> None:
    assert membership.counted_on_at == -math.inf


def test_a_join_and_a_heartbeat_count_from_their_sending_however_late_their_answer_is_read(
    membership: Membership, coordinator: Any
) -> None:
    assert coordinator._process_sync_group_response(object(), 5.0) == b"assigned"
    assert membership.counted_on_at == 5.0
    beat(coordinator, 7.5)
    assert membership.counted_on_at == 7.5


def test_a_join_that_is_refused_counts_for_nothing(membership: Membership, coordinator: Any) -> None:
    coordinator.error = RebalanceInProgressError
    with pytest.raises(RebalanceInProgressError):
        coordinator._process_sync_group_response(object(), 5.0)
    assert membership.counted_on_at == -math.inf


def test_a_heartbeat_during_a_rebalance_counts_and_one_that_nobody_took_does_not(membership: Membership, coordinator: Any) -> None:
    beat(coordinator, 1.0, RebalanceInProgressError)
    assert membership.counted_on_at == 1.0
    beat(coordinator, 2.0, CoordinatorNotAvailableError)
    assert membership.counted_on_at == 1.0


@pytest.mark.parametrize("error", [UnknownMemberIdError, IllegalGenerationError, FencedInstanceIdError])
def test_a_group_that_no_longer_knows_the_member_keeps_nothing_for_it(
    membership: Membership, coordinator: Any, error: type[KafkaError]
) -> None:
    beat(coordinator, 1.0)
    beat(coordinator, 2.0, error)
    assert membership.counted_on_at == -math.inf
    assert membership.fenced == (error is FencedInstanceIdError)


def test_a_member_that_leaves_by_itself_is_none_from_then_on(membership: Membership, coordinator: Any) -> None:
    """kafka-python leaves the group of an owner that polls too seldom, and says nothing of it."""
    beat(coordinator, 1.0)
    coordinator.reset_generation()
    assert membership.counted_on_at == -math.inf
