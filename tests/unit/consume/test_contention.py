"""An event that lost a race waits by itself: no neighbour is blamed, no other event waits, and it comes to an end."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from tocsin import errors
from tocsin.event.types import ImagingEvent
from tocsin.outcome import Published

from tests.fakes.bus import FakeBus
from tests.support.consuming import Running, done, lag, letters, others, publish, running
from tests.support.waiting import eventually


@pytest.mark.parametrize("over", ["fhir", "kafka", errors.MEMORY])
def test_lost_races_never_pause_a_neighbour_that_is_well(over: str) -> None:
    bus, tries, release = FakeBus(), Counter[str](), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if not release.is_set():
            raise errors.Contended(over, "another process wrote it meanwhile")
        return done(event)

    for number in range(6):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, circuit_failures_max=1, retry_initial_s=0.05, retry_max_s=0.05) as consumer:
        eventually(lambda: len(tries) == 6 and min(tries.values()) >= 3, what="each event tried again")
        assert consumer.progress.snapshot().paused_for == ()
        assert not consumer.source.paused
        release.set()
        eventually(lambda: lag(bus) == 0, what="commits")
    assert letters(bus) == []


def test_a_race_is_not_run_again_in_a_tight_loop() -> None:
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        raise errors.Contended("fhir", "HTTP 409")

    publish(bus, 0)
    with running(bus, journey, retry_initial_s=0.2, retry_max_s=0.2, give_up_after_s=60):
        began = time.monotonic()
        eventually(lambda: tries["Media/m0"] >= 4, what="tries")
        assert time.monotonic() - began >= 3 * 0.1


def test_an_event_that_loses_every_race_ends_as_a_dead_letter_that_is_redriven_even_on_a_quiet_bus() -> None:
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        raise errors.Contended("fhir", "HTTP 409 for DiagnosticReport/r")

    publish(bus, 0)
    with running(bus, journey, attempts_max=4):
        eventually(lambda: lag(bus) == 0, what="commits")
    [letter] = letters(bus)
    assert (letter.reason, letter.kind, tries["Media/m0"]) == ("attempts-exhausted", "transient", 4)
    assert letter.detail == "Media/m0: 4 attempts came to nothing over fhir: HTTP 409 for DiagnosticReport/r"


def test_a_lost_race_is_not_given_up_before_its_time() -> None:
    bus, tries, release = FakeBus(), Counter[str](), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if release.is_set():
            return done(event)
        raise errors.Contended("fhir", "HTTP 409")

    publish(bus, 0)
    with running(bus, journey, attempts_max=2, give_up_after_s=60):
        eventually(lambda: tries["Media/m0"] >= 8, what="tries beyond the count")
        release.set()
        eventually(lambda: lag(bus) == 0, what="commits")
    assert letters(bus) == []


def test_events_wait_for_memory_as_long_as_no_other_gets_any_and_one_that_never_fits_is_given_up() -> None:
    """The one in the way may be another's picture, and an innocent event is no dead letter for it."""
    bus, tries, full = FakeBus(), Counter[str](), threading.Event()
    full.set()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if full.is_set() or event.media == "Media/m0":
            raise errors.Contended(errors.MEMORY, "no room")
        return done(event)

    publish(bus, 0, patient="p0")
    publish(bus, 1, patient="p1")
    with running(bus, journey, attempts_max=2):
        eventually(lambda: min(tries["Media/m0"], tries["Media/m1"]) >= 10, what="tries without memory")
        assert letters(bus) == []
        full.clear()
        with others(bus, every_s=0.01):
            eventually(lambda: letters(bus) != [], what="the dead letter")
        eventually(lambda: lag(bus) == 0, what="commits")
    [letter] = letters(bus)
    assert (letter.reason, letter.original.record.key) == ("attempts-exhausted", b"Patient/p0")


def test_races_that_nothing_survives_are_an_outage_in_the_end() -> None:
    bus = FakeBus()

    def journey(event: ImagingEvent) -> Published:
        raise errors.Contended(errors.MEMORY, "no room")

    publish(bus, 0)
    consumer = Running(bus, journey, outage_budget_s=0.1)
    eventually(lambda: consumer.failure is not None, what="the end")
    assert isinstance(consumer.failure, errors.OutageTooLong)
    assert lag(bus) == 1
