"""The loop goes round when that makes a difference, and not for each event that ends."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tocsin.consume.attempt import Attempt
from tocsin.consume.flow.backpressure import Backpressure, Load
from tocsin.consume.flow.scheduler import Scheduler, Topics
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.pool import JourneyPool
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import Position, TopicPartition
from tocsin.outcome import Contended, Outcome, Published
from tocsin.settings import ConsumeSettings

from tests.builders import record
from tests.fakes.bus import FakeBus
from tests.support.consuming import done, lag, publish, running
from tests.support.waiting import eventually

LONG_S = 30.0
"""A wait that a test which goes well never sits out."""
PUBLISHED = Published("DiagnosticReport/r", "high")


class Gate:
    """Journeys that end when they are let go, in the order in which they were handed out."""

    def __init__(self) -> None:
        self._may_end = threading.Semaphore(0)
        self.outcome: Outcome = PUBLISHED

    def __call__(self, attempt: Attempt) -> Outcome:
        self._may_end.acquire()
        return self.outcome

    def let(self, count: int) -> None:
        for _ in range(count):
            self._may_end.release()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def progress() -> Progress:
    return Progress(time.monotonic)


@pytest.fixture
def pool(gate: Gate, progress: Progress) -> JourneyPool:
    made = JourneyPool(4, gate, progress)
    for offset in range(4):
        made.submit(Attempt(record(offset=offset)))
    made.start()
    made.stop()
    return made


def test_a_full_process_asks_for_no_events_until_half_of_its_own_have_ended() -> None:
    bus, may_end, ended = FakeBus(), threading.Semaphore(0), list[str]()

    def journey(event: ImagingEvent) -> Published:
        may_end.acquire()
        ended.append(event.media)
        return done(event)

    def let(count: int) -> None:
        for _ in range(count):
            may_end.release()

    for number in range(12):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, clock=lambda: 0.0, in_flight_max=8) as consumer:  # no time passes, so that no poll is due for the membership
        eventually(lambda: consumer.source.taken == 8, what="a full process")
        polls = consumer.source.polls
        let(3)
        eventually(lambda: len(ended) == 3, what="three endings")
        assert consumer.source.polls == polls
        let(1)
        eventually(lambda: consumer.source.taken == 12, what="the next events")
        let(8)
        eventually(lambda: len(ended) == 12, what="every ending")
    assert lag(bus) == 0


def test_a_process_that_is_full_keeps_polling_for_its_membership() -> None:
    bus, release = FakeBus(), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        release.wait(LONG_S)
        return done(event)

    for number in range(20):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, in_flight_max=4) as consumer:
        eventually(lambda: consumer.source.paused, what="the pause")
        polls = consumer.source.polls
        eventually(lambda: consumer.source.polls > polls + 5, what="polls")
        consumer.source.rebalancing.set()
        eventually(lambda: not consumer.source.rebalancing.is_set(), what="the rebalance")
        release.set()
        eventually(lambda: lag(bus) == 0, what="commits")


def test_endings_are_heard_of_together_once_there_are_enough(pool: JourneyPool, gate: Gate) -> None:
    gate.let(3)
    assert len(pool.finished(LONG_S, enough=3)) == 3
    assert pool.busy == 1
    gate.let(1)
    assert len(pool.finished(LONG_S)) == 1


def test_a_failure_is_heard_of_at_once(pool: JourneyPool, gate: Gate) -> None:
    gate.outcome = Contended("fhir", "lost a race")
    gate.let(1)
    assert [each.result for each in pool.finished(LONG_S, enough=4)] == [gate.outcome]
    gate.let(3)


def test_endings_that_are_not_enough_are_heard_of_when_the_wait_is_over(pool: JourneyPool, gate: Gate) -> None:
    gate.let(1)
    eventually(lambda: len(pool.finished(0.01, enough=4)) == 1, what="the ending")
    gate.let(3)


def test_a_full_process_waits_until_half_of_it_is_free() -> None:
    full = Backpressure("live", "backfill", ConsumeSettings(workers=8, in_flight_max=16, held_max=32))
    assert full.until_half_free(Load(16, 16, 0)) == 8
    assert full.until_half_free(Load(10, 30, 0)) == 6
    assert full.until_half_free(Load(2, 2, 0)) == 1


class Nothing:
    """No partition has anything undecided or suspected."""

    undecided, isolating = 0, False
    unread_suspects: frozenset[TopicPartition] = frozenset()

    def undecided_of(self, topic: str) -> int:
        return 0

    def holds(self, attempt: Attempt) -> bool:
        return True


def test_each_ending_counts_while_an_event_waits_for_one() -> None:
    settings = ConsumeSettings(workers=8, in_flight_max=16)
    scheduler = Scheduler(Topics("live", "backfill"), Nothing(), settings, clock=lambda: 0.0, jitter=lambda: 0.5)
    first, second = (Attempt(replace(record(), position=Position(TopicPartition("live", 0), offset))) for offset in range(2))
    assert scheduler.endings_to_act(16) == 8
    scheduler.enter(first)
    assert list(scheduler.startable(lambda: 0)) == [first]
    scheduler.enter(second)  # of the same patient
    assert scheduler.endings_to_act(16) == 1
    scheduler.leave(first)
    assert scheduler.endings_to_act(16) == 1, "it may start"
    assert list(scheduler.startable(lambda: 0)) == [second]
    assert scheduler.endings_to_act(16) == 8
    scheduler.hold()
    assert scheduler.endings_to_act(16) == 1


def test_an_ending_says_when_it_came_and_not_when_it_was_heard_of(pool: JourneyPool, gate: Gate, progress: Progress) -> None:
    gate.let(1)
    eventually(lambda: progress.snapshot().running == 3, what="the ending")
    seen = datetime.now(UTC)
    eventually(lambda: bool(ended := pool.finished(0.01)) and ended[0].at <= seen, what="an ending from before it was seen")
    gate.let(3)
