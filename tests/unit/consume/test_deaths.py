"""What becomes of an event when the process does not live to see its ending: done again, found done already, or known as poison."""

from __future__ import annotations

import threading
from collections import Counter

import orjson
from tocsin import errors
from tocsin.consume.partitions.poison import CommitMetadata
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import CommittedOffset
from tocsin.outcome import Published

from tests.builders import event_json
from tests.fakes.bus import GROUP, FakeBus
from tests.support.consuming import TOPIC, Running, UnderWay, done, lag, letters, publish, raising, running
from tests.support.waiting import eventually

KILLER = "Media/m3"


class Ward:
    """Journeys of which one never returns: the process died in it."""

    def __init__(self) -> None:
        self.died = threading.Event()
        self.tries = Counter[str]()

    def __call__(self, event: ImagingEvent) -> Published:
        self.tries[event.media] += 1
        if event.media == KILLER:
            self.died.set()
            threading.Event().wait(0.5)
            raise errors.Unavailable("fhir", "this process is no more")
        return done(event)


def one_life(bus: FakeBus, ward: Ward) -> bool:
    """Whether a process died; from its death on the bus takes nothing from it."""
    ward.died.clear()
    consumer = Running(bus, ward, drain_timeout_s=0.05, workers=2)
    eventually(lambda: ward.died.is_set() or lag(bus) == 0, what="death, or the end of the work")
    dead = ward.died.is_set()
    if dead:
        consumer.source.fenced.set()
    consumer.end()
    return dead


def test_an_event_that_kills_every_process_is_dead_lettered_as_poison_and_all_others_are_judged() -> None:
    bus, ward = FakeBus(partitions=1), Ward()
    for number in range(8):
        publish(bus, number, patient=f"p{number}")
    deaths = 0
    while one_life(bus, ward):
        deaths += 1
        assert deaths < 10
    [letter] = letters(bus)
    assert (letter.reason, letter.kind, letter.attempts) == ("poison", "poison", 3)
    assert KILLER in letter.detail
    assert deaths == 5, "two before there is suspicion, three alone"
    assert set(ward.tries) == {f"Media/m{number}" for number in range(8)}
    assert lag(bus) == 0


def test_processes_that_are_killed_over_one_good_event_after_another_make_none_of_them_poison() -> None:
    bus, tries, deaths = FakeBus(partitions=1), Counter[str](), 0
    for number in range(12):
        publish(bus, number, patient=f"p{number}")
    for life in range(12):
        struck = threading.Event()

        def journey(event: ImagingEvent, struck: threading.Event = struck, life: int = life) -> Published:
            tries[event.media] += 1
            if event.media == f"Media/m{life}":
                struck.set()
                threading.Event().wait(0.3)
                raise errors.Unavailable("fhir", "this process is no more")
            return done(event)

        consumer = Running(bus, journey, drain_timeout_s=0.05, workers=2)
        eventually(lambda struck=struck: struck.is_set() or lag(bus) == 0, what="death, or the end of the work")  # type: ignore[misc] # a lambda's default has no type
        if struck.is_set():
            deaths += 1
            consumer.source.fenced.set()
        consumer.end()
    with running(bus, done):
        eventually(lambda: lag(bus) == 0, what="every ending")
    assert deaths >= 6
    assert letters(bus) == []


def test_what_may_have_killed_a_process_goes_first_and_the_rest_is_not_run_alone_after_it() -> None:
    """Else a long backlog of other partitions would be drained one event at a time, and the suspects wait behind it."""
    bus, running_now, most, order = FakeBus(partitions=2), Counter[bool](), Counter[bool](), []
    for number in range(200):
        publish(bus, number, patient=f"p{number // 100}{number % 5 * 2}")
    backlog, suspected = bus.logs
    assert len(bus.logs[backlog]) == len(bus.logs[suspected]) == 100
    bus.groups[GROUP][suspected] = CommittedOffset(0, CommitMetadata(owner="dead", reached=100, deaths=2).text())
    lock, side_by_side = threading.Lock(), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        suspect = event.subject.startswith("Patient/p1")
        with lock:
            running_now[suspect] += 1
            most[suspect] = max(most[suspect], running_now.total())
            order.append(suspect)
            if most[False] > 1:
                side_by_side.set()
        side_by_side.wait(0.002 if suspect else 0.1)
        with lock:
            running_now[suspect] -= 1
        return done(event)

    with running(bus, journey):
        eventually(lambda: lag(bus) == 0, what="every ending")
    assert most[True] == 1
    assert most[False] > 1
    assert order[:100].count(True) >= 95


def test_a_dead_letter_that_kafka_kept_without_saying_so_is_not_sent_again() -> None:
    bus = FakeBus(partitions=1)
    bus.append(TOPIC, b"Patient/p1", b"not json")
    bus.silent = True
    with running(bus, done):
        eventually(lambda: bus.refused == 1, what="a send that is not acknowledged")
        bus.silent = False
        eventually(lambda: lag(bus) == 0, what="the commit")
    assert len(letters(bus)) == 1


def test_an_event_whose_dead_letter_stands_already_gets_no_second_one() -> None:
    """The process died between the dead letter and the commit."""
    bus = FakeBus(partitions=1)
    bus.append(TOPIC, b"Patient/p1", b"not json")
    first = Running(bus, done, commit_interval_s=60)
    eventually(lambda: len(letters(bus)) == 1, what="the dead letter")
    first.source.fenced.set()
    first.end()
    assert lag(bus) == 1
    with running(bus, done):
        eventually(lambda: lag(bus) == 0, what="the commit")
    assert len(letters(bus)) == 1


def test_a_process_that_may_have_lost_its_partitions_sends_no_dead_letter() -> None:
    bus, journey = FakeBus(partitions=1), UnderWay(raising(errors.HashMismatch("another picture", reference="Media/m1")))
    publish(bus, 1)
    frozen = Running(bus, journey, drain_timeout_s=0.5)
    assert journey.begun.wait(10)
    frozen.source.fenced.set()
    journey.release.set()
    frozen.end()
    assert letters(bus) == []
    with running(bus, journey):
        eventually(lambda: lag(bus) == 0, what="the commit")
    assert len(letters(bus)) == 1


def test_a_refusal_from_before_its_partition_went_and_came_back_is_the_later_attempts_alone() -> None:
    bus, entered, tries = FakeBus(partitions=1), threading.Semaphore(0), Counter[str]()
    first, second = threading.Event(), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if event.media == "Media/m9":
            return done(event)
        release = first if tries[event.media] == 1 else second
        entered.release()
        release.wait(10)
        raise errors.HashMismatch("another picture", reference=event.media)

    bus.append(TOPIC, None, orjson.dumps(event_json()))  # without a key, both attempts run side by side
    with running(bus, journey, workers=2) as consumer:
        assert entered.acquire(timeout=10)
        consumer.source.losing.set()
        assert entered.acquire(timeout=10)
        first.set()
        publish(bus, 9)
        eventually(lambda: tries["Media/m9"] == 1, what="an event on the thread that the earlier attempt had")
        assert letters(bus) == []
        second.set()
        eventually(lambda: lag(bus) == 0, what="the commit")
    assert len(letters(bus)) == 1
    assert tries.total() == 3


def test_the_same_bad_event_sent_twice_is_two_events_with_a_dead_letter_each() -> None:
    bus = FakeBus(partitions=1)
    for _ in range(2):
        bus.append(TOPIC, b"Patient/p1", b"not json")
    with running(bus, done):
        eventually(lambda: lag(bus) == 0, what="the commit")
    assert len(letters(bus)) == 2
