"""A neighbour that fails is left alone but for one probe at a time, and is trusted again as soon as it serves."""

from __future__ import annotations

import pytest
from tocsin.consume.flow.circuit_breaker import IN_A_ROW_S, CircuitBreakers
from tocsin.consume.flow.retry import RetryPolicy
from tocsin.kafka.types import Position, TopicPartition

POLICY = RetryPolicy(attempts_max=3, give_up_after_s=60.0, initial_s=1.0, max_s=10.0)
HALF = 0.5
ALL = ("fhir", "triton", "kafka")


def at(offset: int) -> Position:
    return Position(TopicPartition("t", 0), offset)


def opened(failures: int = 3, *, now: float = 0.0, retry_after_s: float | None = None) -> CircuitBreakers:
    breakers = CircuitBreakers(3, POLICY)
    for number in range(failures):
        breakers.failed("fhir", at(number), now, retry_after_s, HALF)
    return breakers


def test_two_failures_are_no_outage_and_three_in_a_row_are() -> None:
    assert opened(2).open == frozenset()
    assert opened(3).open == {"fhir"}


def test_failures_far_apart_are_not_in_a_row() -> None:
    breakers = opened(2)
    breakers.failed("fhir", at(2), IN_A_ROW_S + 0.1, None, HALF)
    assert breakers.open == frozenset()


def test_a_success_between_failures_counts_them_anew() -> None:
    breakers = opened(2)
    breakers.succeeded("fhir")
    breakers.failed("fhir", at(2), 0.0, None, HALF)
    assert not breakers.blocks(ALL)


def test_a_neighbour_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    breakers = opened(1, retry_after_s=4.0)
    assert breakers.open == {"fhir"}
    assert not breakers.may_probe(ALL, 4.4)
    assert breakers.may_probe(ALL, 4.5)


def test_only_one_probe_is_on_its_way_at_a_time() -> None:
    breakers = opened()
    assert not breakers.may_probe(ALL, 0.4)
    assert breakers.may_probe(ALL, 0.5)
    breakers.probe(ALL, at(0))
    assert not breakers.may_probe(ALL, 99.0)
    breakers.release_probe(at(0))
    assert breakers.may_probe(ALL, 99.0)


@pytest.mark.parametrize(("probes", "pause_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 5.0)])
def test_each_failed_probe_doubles_the_pause_up_to_the_ceiling(probes: int, pause_s: float) -> None:
    breakers, now = opened(), 0.0
    for _ in range(probes):
        now += 100.0
        breakers.probe(ALL, at(0))
        breakers.failed("fhir", at(0), now, None, HALF)
        breakers.release_probe(at(0))
    assert not breakers.may_probe(ALL, now + pause_s - 0.1)
    assert breakers.may_probe(ALL, now + pause_s)


def test_what_was_under_way_when_it_went_away_does_not_lengthen_the_pause() -> None:
    breakers = opened(8)
    assert breakers.may_probe(ALL, 0.5)


def test_a_later_wish_for_a_pause_is_heard_while_the_circuit_is_open() -> None:
    breakers = opened()
    breakers.failed("fhir", at(7), 0.2, 5.0, HALF)
    assert not breakers.may_probe(ALL, 5.1)
    assert breakers.may_probe(ALL, 5.2)


def test_a_success_closes_the_circuit_and_forgets_the_outage() -> None:
    breakers = opened()
    breakers.probe(ALL, at(0))
    breakers.succeeded("fhir", "kafka")
    breakers.release_probe(at(0))
    assert breakers.open == frozenset()
    breakers.failed("fhir", at(1), 1.0, None, HALF)
    assert not breakers.blocks(ALL)


def test_an_event_that_does_not_need_the_neighbour_is_not_barred() -> None:
    breakers = opened()
    assert breakers.blocks(ALL)
    assert not breakers.blocks(("kafka",))


def test_the_event_of_the_last_probe_is_known_so_that_another_one_goes_next() -> None:
    breakers = opened()
    breakers.probe(ALL, at(4))
    breakers.failed("fhir", at(4), 1.0, None, HALF)
    breakers.release_probe(at(4))
    assert breakers.failed_last(at(4))
    assert not breakers.failed_last(at(5))
