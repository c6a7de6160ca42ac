"""A consumer ends with what is under way, in bounded time; what only a person can mend ends it with nothing committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

import pytest
from tocsin import errors
from tocsin.kafka.ports import RebalanceListener
from tocsin.kafka.types import Record, TopicPartition

from tests.fakes.bus import FakeBus, FakeSource
from tests.support.consuming import BACKFILL, TOPIC, Running, UnderWay, done, lag, publish, raising
from tests.support.waiting import eventually


def test_stopping_lets_running_journeys_end_and_commits_them() -> None:
    bus, journey = FakeBus(), UnderWay()
    publish(bus, 1)
    consumer = Running(bus, journey)
    assert journey.begun.wait(10)
    consumer.stopping.set()
    journey.release.set()
    consumer.end()
    assert lag(bus) == 0


def test_stopping_is_bounded_and_leaves_what_did_not_end_on_the_bus() -> None:
    bus, journey = FakeBus(), UnderWay()
    publish(bus, 1)
    consumer = Running(bus, journey, drain_timeout_s=0.1)
    assert journey.begun.wait(10)
    consumer.end()
    journey.release.set()
    assert lag(bus) == 1


def test_a_defect_outside_any_one_event_stops_the_process_instead_of_holding_its_event_for_ever() -> None:
    bus = FakeBus()
    publish(bus, 1)
    consumer = Running(bus, done, now=lambda: 1 / 0)
    bus.append(TOPIC, None, b"not json")
    eventually(lambda: consumer.failure is not None, what="the end")
    assert isinstance(consumer.failure, errors.Broken)
    assert "ZeroDivisionError" in str(consumer.failure)
    assert lag(bus) >= 1


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.ContractError("another model answered"), errors.ContractError),
        (errors.Unavailable("fhir", "HTTP 503"), errors.OutageTooLong),
    ],
    ids=["a-stop", "an-outage-beyond-its-budget"],
)
def test_what_only_a_person_can_mend_ends_the_process_with_nothing_committed(raised: Exception, expected: type[Exception]) -> None:
    bus = FakeBus()
    publish(bus, 1)
    consumer = Running(bus, raising(raised), outage_budget_s=0.05)
    eventually(lambda: consumer.failure is not None, what="the end")
    assert isinstance(consumer.failure, expected)
    assert lag(bus) == 1


def test_a_stop_that_is_found_while_draining_still_stops_the_process_with_its_exit_code() -> None:
    bus, journey = FakeBus(), UnderWay(raising(errors.ContractError("another model answered")))
    publish(bus, 1)
    consumer = Running(bus, journey)
    assert journey.begun.wait(10)
    consumer.stopping.set()
    journey.release.set()
    consumer.end()
    assert isinstance(consumer.failure, errors.ContractError)
    assert lag(bus) == 1


def test_a_poll_that_finds_no_memory_is_tried_again() -> None:
    bus, full = FakeBus(), threading.Event()
    publish(bus, 1)

    class Full(FakeSource):
        def poll(self, wait_s: float, records_max: int) -> list[Record]:
            if not full.is_set():
                full.set()
                raise MemoryError
            return super().poll(wait_s, records_max)

    consumer = Running(bus, done, source=Full(bus, (TOPIC, BACKFILL)))
    eventually(lambda: lag(bus) == 0, what="the ending")
    consumer.end()
    assert consumer.failure is None


@pytest.mark.parametrize(
    "call", [lambda member: member.on_revoked(), lambda member: member.on_assigned((), {}), lambda member: member.on_lost()]
)
def test_a_bus_library_that_calls_back_while_the_loop_is_at_work_stops_the_process(call: Callable[[RebalanceListener], object]) -> None:
    """Nothing that it would touch has a lock: what it saw may be half done, and half done is never committed."""
    bus = FakeBus()

    class Early(FakeSource):
        """As a version that calls its listener on its own thread whenever it likes."""

        def listen(self, topics: Collection[str], only: Collection[TopicPartition] = ()) -> None:
            super().listen(topics, only)
            call(self._member)

    consumer = Running(bus, done, source=Early(bus, (TOPIC, BACKFILL)))
    eventually(lambda: consumer.failure is not None, what="the end")
    assert isinstance(consumer.failure, errors.Broken)
    assert "kafka-python" in str(consumer.failure)
