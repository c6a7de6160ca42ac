"""Nothing is committed before its ending, nothing blocks its partition, and whatever can wait keeps its place."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any

import orjson
import pytest
from tocsin import errors
from tocsin.clock import utc_now
from tocsin.consume.consumer import Consumer
from tocsin.consume.flow.scheduler import Topics
from tocsin.consume.handler import Handler, Journey
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.partitions.backlog import Backlog
from tocsin.deadletter.refused_before import Refusals
from tocsin.deadletter.types import DeadLetter
from tocsin.event.types import ImagingEvent
from tocsin.kafka.missing_events import Missing, say_missing
from tocsin.kafka.ports import RebalanceListener
from tocsin.kafka.types import Record, TopicPartition
from tocsin.outcome import NotAssessable, Published
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.metrics import COMMITS, EVENTS, LOSSES

from tests.builders import event_json
from tests.fakes.bus import FakeBus, FakeSink, FakeSource, FakeTopicReader
from tests.support.measured import measured
from tests.support.waiting import eventually

TOPIC, BACKFILL, LETTERS = "imaging.events.v1", "tocsin.backfill.v1", "letters"
QUICK: dict[str, Any] = {
    "workers": 4,
    "commit_interval_s": 0.01,
    "retry_initial_s": 0.01,
    "retry_max_s": 0.02,
    "drain_timeout_s": 2.0,
    "give_up_after_s": 0,
}


class Running:
    """A consumer on a thread of its own."""

    def __init__(
        self,
        bus: FakeBus,
        journey: Journey,
        *,
        now: Callable[[], Any] = utc_now,
        source: FakeSource | None = None,
        sink: FakeSink | None = None,
        **settings: Any,
    ) -> None:
        self.source = source or FakeSource(bus, (TOPIC, BACKFILL))
        self.stopping = threading.Event()
        self.failure: Exception | None = None
        handler = Handler(
            journey,
            sink or FakeSink(bus),
            LETTERS,
            is_member=self.source.is_member,
            refused_before=Refusals(lambda: closing(FakeTopicReader(bus)), LETTERS, heard=lambda: None, now=utc_now),
            letter_bytes_max=1_000_000,
            now=now,
            group="g",
            producer="parent",
        )
        options = ConsumeSettings(**(QUICK | settings))
        self.progress = Progress(time.monotonic)
        self._consumer = Consumer(
            self.source,
            Topics(TOPIC, BACKFILL),
            handler,
            options,
            self.progress,
            poll_wait_s=0.01,
            clock=time.monotonic,
            jitter=lambda: 0.5,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> Backlog:
        return self._consumer.backlog

    def _run(self) -> None:
        try:
            self._consumer.run(self.stopping)
        except errors.TocsinError as error:
            self.failure = error

    def end(self) -> None:
        self.stopping.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextmanager
def running(bus: FakeBus, journey: Journey, **settings: Any) -> Iterator[Running]:
    consumer = Running(bus, journey, **settings)
    try:
        yield consumer
    finally:
        consumer.end()


def publish(bus: FakeBus, number: int, patient: str = "p1", topic: str = TOPIC) -> None:
    event = event_json(id=f"evt-{number}", media=f"Media/m{number}", subject=f"Patient/{patient}")
    bus.append(topic, event["subject"].encode(), orjson.dumps(event))


@contextmanager
def others(bus: FakeBus, *, every_s: float) -> Iterator[None]:
    """Another patient's event every so often, until the block ends."""
    stop = threading.Event()

    def feed() -> None:
        number = 1
        while not stop.wait(every_s):
            publish(bus, number, patient=f"p{number}")
            number += 1

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    try:
        yield
    finally:
        stop.set()
        feeding.join()


def lag(bus: FakeBus, topic: str = TOPIC) -> int:
    return sum(len(records) - bus.committed.get(log, 0) for log, records in bus.logs.items() if log.topic == topic)


def letters(bus: FakeBus) -> list[DeadLetter]:
    return [DeadLetter.model_validate_json(record.value or b"") for record in bus.records(LETTERS)]


def done(event: ImagingEvent) -> Published:
    return Published(f"DiagnosticReport/{event.id}", "high")


def test_every_event_is_judged_and_committed() -> None:
    bus, seen = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        seen[event.media] += 1
        return done(event)

    for number in range(50):
        publish(bus, number, patient=f"p{number % 7}")
    with running(bus, journey):
        eventually(lambda: lag(bus) == 0, what="commits")
    assert set(seen.values()) == {1}
    assert len(seen) == 50


def test_nothing_is_committed_past_an_event_that_has_not_ended() -> None:
    bus, release, ended = FakeBus(partitions=1), threading.Event(), list[str]()

    def journey(event: ImagingEvent) -> Published:
        if event.media == "Media/m0":
            release.wait(10)
        ended.append(event.media)
        return done(event)

    for number in range(5):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey):
        eventually(lambda: len(ended) == 4, what="the endings of all others")
        eventually(lambda: not threading.Event().wait(0.1) and lag(bus) == 5, what="a held commit")
        release.set()
        eventually(lambda: lag(bus) == 0, what="commits")


def test_a_bad_event_becomes_a_dead_letter_and_the_next_goes_on() -> None:
    bus = FakeBus(partitions=1)
    bus.append(TOPIC, b"Patient/p1", b"not json")
    publish(bus, 1)
    with running(bus, done):
        eventually(lambda: lag(bus) == 0, what="commits")
    assert [letter.reason for letter in letters(bus)] == ["not-json"]


def test_a_defect_costs_one_event_and_says_where_it_is_without_repeating_its_text() -> None:
    bus = FakeBus()

    def journey(event: ImagingEvent) -> Published:
        raise KeyError("Jane Canary")

    publish(bus, 1)
    with running(bus, journey):
        eventually(lambda: lag(bus) == 0, what="commits")
    [letter] = letters(bus)
    assert letter.reason == "defect"
    assert "KeyError at consume/test_consumer.py" in letter.detail
    assert "Canary" not in letter.model_dump_json()


def test_an_event_waits_for_a_neighbour_that_is_away_and_keeps_its_place() -> None:
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if tries[event.media] < 20:
            raise errors.Unavailable("fhir", "HTTP 503")
        return done(event)

    publish(bus, 1)
    with running(bus, journey, attempts_max=3):
        eventually(lambda: lag(bus) == 0, what="commits")
    assert letters(bus) == []


def test_an_event_that_fails_while_others_succeed_is_given_up_after_its_budget() -> None:
    bus = FakeBus()

    def journey(event: ImagingEvent) -> Published:
        if event.media == "Media/m0":
            raise errors.Unavailable("fhir", "HTTP 500")
        return done(event)

    publish(bus, 0, patient="p0")
    with others(bus, every_s=0.002), running(bus, journey, attempts_max=3):
        eventually(lambda: bool(letters(bus)), what="the dead letter")
    [letter] = letters(bus)
    assert (letter.reason, letter.kind) == ("attempts-exhausted", "transient")
    assert letter.attempts >= 3


def test_a_failure_counts_however_quick_it_was_if_others_were_served_since_the_last_one() -> None:
    bus, served_since, counting = FakeBus(), threading.Event(), Counter[bool]()

    def journey(event: ImagingEvent) -> Published:
        if event.media == "Media/m0":
            counting[served_since.is_set()] += 1
            served_since.clear()
            raise errors.Unavailable("fhir", "HTTP 500")
        served_since.set()
        return done(event)

    publish(bus, 0, patient="p0")
    with others(bus, every_s=0.05), running(bus, journey, attempts_max=3, retry_initial_s=0.2, retry_max_s=0.2):
        eventually(lambda: bool(letters(bus)), what="the dead letter")
    assert counting[True] <= 4  # one more than attempts_max, where the journey of another had not ended yet


def test_pictures_that_the_gate_stops_are_no_sign_that_the_model_serves() -> None:
    bus = FakeBus()

    def journey(event: ImagingEvent) -> Published | NotAssessable:
        if event.media == "Media/m0":
            raise errors.Unavailable("triton", "UNAVAILABLE")
        return NotAssessable("DiagnosticReport/r", "too-dark")

    publish(bus, 0, patient="p0")
    with others(bus, every_s=0.005), running(bus, journey, attempts_max=2):
        eventually(lambda: len(bus.records(TOPIC)) > 100, what="many others")
    assert letters(bus) == []


def test_a_small_bound_on_what_is_held_never_ends_the_flow() -> None:
    bus = FakeBus()
    for number in range(60):
        publish(bus, number, patient=f"p{number}")
    with running(bus, done, held_max=4, in_flight_max=64):
        eventually(lambda: lag(bus) == 0, what="commits")


def test_an_event_that_went_to_another_process_is_no_outage_of_this_one() -> None:
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        raise errors.Unavailable("fhir", "HTTP 503")

    publish(bus, 1)
    with running(bus, journey, outage_budget_s=0.4, retry_initial_s=5, retry_max_s=5) as consumer:
        eventually(lambda: tries["Media/m1"] == 1, what="the first try")
        bus.logs.clear()  # what comes after the rebalance is not ours
        consumer.source.losing.set()
        eventually(lambda: not consumer.source.losing.is_set(), what="the rebalance")
        polls = consumer.source.polls
        eventually(lambda: consumer.source.polls > polls + 60, what="time beyond the budget")
        assert consumer.failure is None


def test_a_patient_whose_events_wait_never_keeps_out_another_patient() -> None:
    bus, ended = FakeBus(), list[str]()

    def journey(event: ImagingEvent) -> Published:
        if event.subject == "Patient/stuck":
            raise errors.Unavailable("fhir", "HTTP 500")
        ended.append(event.media)
        return done(event)

    for number in range(30):
        publish(bus, number, patient="stuck")
    for number in range(30, 40):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, in_flight_max=4, retry_initial_s=5, retry_max_s=5):
        eventually(lambda: len(ended) == 10, what="the other patients' endings")


def test_no_more_is_held_than_the_bound_allows_however_much_waits() -> None:
    bus = FakeBus(partitions=1)

    def journey(event: ImagingEvent) -> Published:
        raise errors.Unavailable("fhir", "HTTP 503")

    for number in range(100):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, held_max=10, in_flight_max=4, retry_initial_s=5, retry_max_s=5) as consumer:
        eventually(lambda: consumer.source.paused, what="the pause")
        assert sum(consumer.source._positions.values()) <= 14


def test_an_event_is_given_up_for_what_failed_it_even_if_its_dead_letter_must_wait() -> None:
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if event.media == "Media/m0":
            raise errors.Unavailable("fhir", "HTTP 500")
        return done(event)

    publish(bus, 0, patient="p0")
    publish(bus, 1, patient="p1")
    bus.away = True
    with running(bus, journey, attempts_max=1, retry_initial_s=0.2, retry_max_s=0.2):
        eventually(lambda: bus.refused >= 3, what="refused dead letters")
        assert bus.refused <= 20
        bus.away = False
        eventually(lambda: lag(bus) == 0, what="commits")
    [letter] = letters(bus)
    assert letter.detail == f"Media/m0: fhir failed on this event {letter.attempts} times: HTTP 500"
    assert tries["Media/m0"] == letter.attempts


def test_a_bus_that_fails_at_once_is_not_asked_without_end_and_its_outage_is_noticed() -> None:
    bus = FakeBus()
    with running(bus, done, retry_initial_s=0.2, retry_max_s=0.2, outage_budget_s=0.5) as consumer:
        consumer.source.away.set()
        asked = consumer.source.polls
        eventually(lambda: consumer.failure is not None, what="the end")
        assert consumer.source.polls - asked < 20
    assert isinstance(consumer.failure, errors.OutageTooLong)


def test_what_has_ended_is_committed_before_its_partition_goes() -> None:
    bus = FakeBus()
    publish(bus, 1)
    with running(bus, done, commit_interval_s=60.0) as consumer:
        eventually(lambda: consumer.source.polls > 5, what="the journey")
        consumer.source.losing.set()
        eventually(lambda: lag(bus) == 0, what="the commit")


def test_a_commit_that_was_refused_is_not_taken_for_made() -> None:
    bus = FakeBus()
    with running(bus, done) as consumer:
        consumer.source.fenced.set()
        publish(bus, 1)
        eventually(lambda: consumer.source.polls > 20, what="refused commits")
        assert lag(bus) == 1
        consumer.source.fenced.clear()
        eventually(lambda: lag(bus) == 0, what="the commit")


def test_a_dead_letter_says_when_its_event_failed_first() -> None:
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if tries[event.media] < 3:
            raise errors.Unavailable("fhir", "HTTP 503")
        raise errors.HashMismatch("another picture", reference=event.media)

    publish(bus, 1)
    with running(bus, journey, retry_initial_s=0.1, retry_max_s=0.1):
        eventually(lambda: bool(letters(bus)), what="the dead letter")
    [letter] = letters(bus)
    assert letter.attempts == 3
    assert (letter.last_failed_at - letter.first_failed_at).total_seconds() >= 0.05


def test_events_of_one_patient_run_in_order_even_when_one_must_wait() -> None:
    bus, order, tries = FakeBus(), list[str](), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if event.media == "Media/m0" and tries[event.media] < 3:
            raise errors.Unavailable("triton", "UNAVAILABLE")
        order.append(event.media)
        return done(event)

    for number in range(4):
        publish(bus, number)
    with running(bus, journey):
        eventually(lambda: lag(bus) == 0, what="commits")
    assert order == [f"Media/m{number}" for number in range(4)]


def test_no_more_events_are_held_than_the_bound_allows() -> None:
    bus, release, lock = FakeBus(partitions=1), threading.Event(), threading.Lock()
    held = {"now": 0, "most": 0}

    def journey(event: ImagingEvent) -> Published:
        with lock:
            held["now"] += 1
            held["most"] = max(held["most"], held["now"])
        release.wait(10)
        with lock:
            held["now"] -= 1
        return done(event)

    for number in range(40):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, workers=16, in_flight_max=6) as consumer:
        eventually(lambda: consumer.source.paused, what="the pause")
        release.set()
        eventually(lambda: lag(bus) == 0, what="commits")
    assert held["most"] <= 6


def test_a_dead_letter_that_kafka_did_not_take_is_sent_again() -> None:
    bus = FakeBus()
    bus.append(TOPIC, None, b"not json")
    bus.away = True
    with running(bus, done):
        eventually(lambda: not threading.Event().wait(0.1) and lag(bus) == 1, what="a held commit")
        bus.away = False
        eventually(lambda: lag(bus) == 0, what="commits")
    assert len(letters(bus)) == 1


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "lost-and-regained"])
def test_a_rebalance_loses_nothing_of_what_was_under_way(kept: bool) -> None:
    """Journeys running, waiting for another of their patient, and waiting to be tried again."""
    bus, entered, release = FakeBus(), threading.Event(), threading.Event()
    ended, tries = list[str](), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if event.media == "Media/m9" and tries[event.media] == 1:
            raise errors.Unavailable("fhir", "HTTP 503", retry_after_s=0.2)
        if event.media == "Media/m0":
            entered.set()
            release.wait(10)
        ended.append(event.media)
        return done(event)

    for number in range(3):
        publish(bus, number)
    publish(bus, 9, patient="p2")
    with running(bus, journey, retry_max_s=0.5) as consumer:
        entered.wait(10)
        eventually(lambda: tries["Media/m9"] == 1, what="the first try")
        rebalance = consumer.source.rebalancing if kept else consumer.source.losing
        rebalance.set()
        eventually(lambda: not rebalance.is_set(), what="the rebalance")
        release.set()
        eventually(lambda: lag(bus) == 0, what="commits")
    assert set(ended) == {f"Media/m{number}" for number in (0, 1, 2, 9)}
    assert list(dict.fromkeys(media for media in ended if media != "Media/m9")) == [f"Media/m{number}" for number in range(3)]
    if kept:
        assert len(ended) == 4


def test_stopping_lets_running_journeys_end_and_commits_them() -> None:
    bus, entered, release = FakeBus(), threading.Event(), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        entered.set()
        release.wait(10)
        return done(event)

    publish(bus, 1)
    consumer = Running(bus, journey)
    assert entered.wait(10)
    consumer.stopping.set()
    release.set()
    consumer.end()
    assert lag(bus) == 0


def test_stopping_is_bounded_and_leaves_what_did_not_end_on_the_bus() -> None:
    bus, entered, release = FakeBus(), threading.Event(), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        entered.set()
        release.wait(10)
        return done(event)

    publish(bus, 1)
    consumer = Running(bus, journey, drain_timeout_s=0.1)
    assert entered.wait(10)
    consumer.end()
    release.set()
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

    def journey(event: ImagingEvent) -> Published:
        raise raised

    publish(bus, 1)
    consumer = Running(bus, journey, outage_budget_s=0.05)
    eventually(lambda: consumer.failure is not None, what="the end")
    assert isinstance(consumer.failure, expected)
    assert lag(bus) == 1


def test_a_stop_that_is_found_while_draining_still_stops_the_process_with_its_exit_code() -> None:
    bus, entered, release = FakeBus(), threading.Event(), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        entered.set()
        release.wait(10)
        raise errors.ContractError("another model answered")

    publish(bus, 1)
    consumer = Running(bus, journey)
    assert entered.wait(10)
    consumer.stopping.set()
    release.set()
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


def test_what_is_committed_refused_and_lost_is_measured() -> None:
    bus, waits = FakeBus(partitions=1), threading.Event()

    def slow(event: ImagingEvent) -> Published:
        waits.wait(10)
        return done(event)

    with measured() as found, running(bus, slow) as consumer:
        backlog = consumer.backlog
        publish(bus, 1)
        eventually(lambda: backlog.view.oldest.keys() == {"live"}, what="an event in hand")
        consumer.source.fenced.set()
        eventually(lambda: found.of(COMMITS, result="refused") > 0, what="a commit that is refused")
        consumer.source.losing.set()
        eventually(lambda: not consumer.source.losing.is_set(), what="the rebalance")
        consumer.source.fenced.clear()
        waits.set()
        eventually(lambda: lag(bus) == 0, what="the ending")
        eventually(lambda: [each.lag for each in backlog.view.partitions] == [0] and not backlog.view.oldest, what="an empty backlog")
        assert found.of(COMMITS, result="taken") > 0
        assert found.of(EVENTS, ending="published", reason="other", origin="live") >= 1


@pytest.mark.parametrize(("found", "kind"), [(20, "retention-gap"), (0, "topic-made-anew")])
def test_events_that_are_gone_are_counted_as_a_loss(found: int, kind: str) -> None:
    with measured() as counted:
        say_missing(Missing(TopicPartition(TOPIC, 0), 10, found))
        assert counted.of(LOSSES, kind=kind) == 1
