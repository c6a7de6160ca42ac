"""Nothing is committed before its ending, nothing blocks its partition, and whatever can wait keeps its place."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from tocsin import errors
from tocsin.event.types import ImagingEvent
from tocsin.kafka.missing_events import Missing, say_missing
from tocsin.kafka.types import TopicPartition
from tocsin.outcome import Published
from tocsin.telemetry.metrics import COMMITS, EVENTS, LOSSES

from tests.fakes.bus import FakeBus
from tests.support.consuming import TOPIC, done, lag, publish, running
from tests.support.measured import measured
from tests.support.waiting import eventually


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


def test_a_small_bound_on_what_is_held_never_ends_the_flow() -> None:
    bus = FakeBus()
    for number in range(60):
        publish(bus, number, patient=f"p{number}")
    with running(bus, done, held_max=4, in_flight_max=64):
        eventually(lambda: lag(bus) == 0, what="commits")


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


def test_what_is_committed_refused_and_lost_is_measured() -> None:
    bus, waits = FakeBus(partitions=1), threading.Event()

    def slow(event: ImagingEvent) -> Published:
        waits.wait(3)  # longer than until it is seen in hand
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
