"""Events of one patient run in the bus's order, and only fair failures count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tocsin.consume.attempt import Attempt
from tocsin.consume.flow.lanes import Lanes

from tests.builders import record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def attempt(offset: int, key: bytes | None = b"Patient/p1") -> Attempt:
    return Attempt(replace(record(offset=offset), key=key))


def test_the_second_event_of_a_patient_waits_for_the_first() -> None:
    lanes, first, second = Lanes(), attempt(0), attempt(1)
    assert lanes.enter(first)
    assert not lanes.enter(second)
    assert lanes.leave(first) == second
    assert lanes.leave(second) is None


def test_events_of_different_patients_run_side_by_side() -> None:
    lanes = Lanes()
    assert lanes.enter(attempt(0, b"Patient/p1"))
    assert lanes.enter(attempt(1, b"Patient/p2"))
    assert not lanes.waiting


def test_an_event_without_a_key_never_waits() -> None:
    lanes = Lanes()
    assert lanes.enter(attempt(0, None))
    assert lanes.enter(attempt(1, None))
    assert lanes.leave(attempt(0, None)) is None


def test_a_failure_counts_only_if_the_neighbour_served_others_since_the_one_before() -> None:
    first = attempt(0).failed("fhir", served=3, now=NOON)
    during_outage, alone = first.failed("fhir", served=3, now=NOON), first.failed("fhir", served=4, now=NOON)
    assert (first.counted, during_outage.counted, alone.counted) == (0, 0, 1)
    assert alone.number == 3


def test_failures_of_different_neighbours_are_not_counted_together() -> None:
    failing = attempt(0)
    for number in range(6):
        failing = failing.failed(("kafka", "fhir")[number % 2], served=(0, 3)[number % 2], now=NOON)
    assert failing.counted == 0


def test_the_time_of_the_first_failure_is_kept() -> None:
    later = NOON.replace(hour=13)
    assert attempt(0).failed("fhir", served=0, now=NOON).failed("fhir", served=0, now=later).first_failed_at == NOON
