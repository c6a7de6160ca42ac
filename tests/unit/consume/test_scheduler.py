"""Which attempt may start, and how many records are polled, in every mode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tocsin.consume.attempt import Attempt
from tocsin.consume.flow.backpressure import NOTHING
from tocsin.consume.flow.scheduler import Mode, Scheduler, Topics
from tocsin.kafka.types import Position, TopicPartition
from tocsin.outcome import Contended, Published, Unavailable
from tocsin.settings import ConsumeSettings

from tests.builders import record

TOPICS = Topics("live", "backfill")
SUSPECTED = TopicPartition("live", 1)
SETTINGS = ConsumeSettings(workers=4, in_flight_max=4, held_max=8, circuit_failures_max=2, retry_initial_s=2, commit_interval_s=5)
AWAY = Unavailable("fhir", "HTTP 503", retry_after_s=10)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def attempt(offset: int, key: bytes | None = None) -> Attempt:
    return Attempt(replace(record(), position=Position(TopicPartition("live", 0), offset), key=key))


@dataclass
class Held:
    """Assigned partitions of which everything is ours but what is `gone`."""

    undecided: int = 0
    isolating: bool = False
    unread_suspects: frozenset[TopicPartition] = frozenset()
    gone: set[Position] = field(default_factory=set)

    def undecided_of(self, topic: str) -> int:
        return 0

    def holds(self, attempt: Attempt) -> bool:
        return attempt.position not in self.gone


class Process:
    """A scheduler, and a pool of which every thread is busy until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.held = Held()
        self.busy = 0
        self.scheduler = Scheduler(TOPICS, self.held, SETTINGS, clock=lambda: self.now, jitter=lambda: 0.5)

    def start(self, limit: int = 99) -> list[int]:
        """The offsets of what starts now."""
        self.scheduler.release_due()
        started = []
        for each in self.scheduler.startable(lambda: self.busy):
            self.scheduler.start(each)
            self.busy += 1
            started.append(each.position.offset)
            if len(started) == limit:
                break
        return started

    def fails(self, each: Attempt, why: Unavailable | Contended = AWAY) -> bool:
        self.busy -= 1
        all_wait = self.scheduler.blame(each, why)
        self.scheduler.defer(each, why, NOW)
        self.scheduler.returned(each.position)
        return all_wait

    def ends(self, each: Attempt) -> None:
        self.busy -= 1
        self.scheduler.ended(each, Published("DiagnosticReport/r", "high"))
        self.scheduler.returned(each.position)


def test_in_the_usual_mode_events_start_side_by_side_up_to_the_bound() -> None:
    process = Process()
    for offset in range(6):
        process.scheduler.enter(attempt(offset))
    assert process.start() == [0, 1, 2, 3]
    assert process.scheduler.mode == Mode(held=False, probing=False, isolating=False)


def test_events_of_one_patient_start_one_after_the_other() -> None:
    process, first, second = Process(), attempt(0, b"p"), attempt(1, b"p")
    process.scheduler.enter(first)
    process.scheduler.enter(second)
    assert process.start() == [0]
    process.ends(first)
    assert process.start() == [1]


def test_once_a_person_has_to_act_nothing_is_polled_and_nothing_starts() -> None:
    process = Process()
    process.scheduler.enter(attempt(0))
    process.scheduler.hold()
    assert process.scheduler.demand(0) == NOTHING
    assert process.start() == []


def test_while_a_neighbour_of_all_is_away_one_event_at_a_time_finds_out_and_another_than_the_last() -> None:
    process, first = Process(), attempt(0)
    process.scheduler.enter(first)
    process.start()
    assert process.fails(first), "all wait"
    process.scheduler.enter(attempt(1))
    assert process.start() == []
    assert process.scheduler.demand(0) == NOTHING
    process.now = 12.0
    assert process.start() == [1]
    assert process.scheduler.demand(1) == NOTHING, "a probe is on its way"


def test_an_event_that_failed_as_the_last_probe_probes_again_where_there_is_no_other() -> None:
    process, first = Process(), attempt(0)
    process.scheduler.enter(first)
    process.start()
    process.fails(first)
    process.now = 12.0
    assert process.start() == [0]
    process.fails(first)
    process.now = 40.0
    process.scheduler.release_due()
    assert process.scheduler.demand(0).records == 1, "a new event would tell more"
    assert process.start() == [0]


def test_after_a_death_events_run_alone_and_suspected_partitions_are_polled_first() -> None:
    process = Process()
    process.held.isolating, process.held.unread_suspects = True, frozenset((SUSPECTED,))
    assert process.scheduler.demand(0).only == {SUSPECTED}
    process.scheduler.enter(attempt(0))
    process.scheduler.enter(attempt(1))
    assert process.scheduler.demand(0) == NOTHING, "what is here could start"
    assert process.start() == [0]
    assert process.scheduler.demand(1) == NOTHING


def test_what_could_not_be_recorded_before_it_runs_alone_waits_for_the_next_commit() -> None:
    process, first = Process(), attempt(0)
    process.held.isolating = True
    process.scheduler.enter(first)
    [taken] = [each for each, _ in zip(process.scheduler.startable(lambda: 0), range(1), strict=False)]
    process.scheduler.not_recorded(taken)
    assert process.start() == []
    process.now = 5.0
    assert process.start() == [0]


def test_what_is_no_longer_ours_is_given_out_to_leave_even_while_nothing_may_start() -> None:
    process, first = Process(), attempt(0)
    process.scheduler.enter(first)
    process.scheduler.hold()
    process.held.gone.add(first.position)
    [given] = [each for each, _ in zip(process.scheduler.startable(lambda: 9), range(1), strict=False)]
    process.scheduler.leave(given)
    assert process.start() == []


def test_a_lost_race_keeps_nobody_else_waiting() -> None:
    process, first = Process(), attempt(0)
    process.scheduler.enter(first)
    process.start()
    assert not process.fails(first, Contended("fhir", "HTTP 409"))
    process.scheduler.enter(attempt(1))
    assert process.start() == [1]
    assert process.scheduler.waits_for == frozenset()


def test_a_neighbour_that_served_before_another_failed_is_no_longer_waited_for() -> None:
    process, first, second = Process(), attempt(0), attempt(1)
    for each in (first, second):
        process.scheduler.enter(each)
    process.start()
    process.fails(first)
    assert process.scheduler.waits_for == {"fhir"}
    process.fails(second, Unavailable("triton", "UNAVAILABLE", served=frozenset(("fhir",))))
    assert process.scheduler.waits_for == frozenset()
