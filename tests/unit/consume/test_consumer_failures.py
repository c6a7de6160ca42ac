"""A bad event becomes a dead letter, a neighbour that is away costs none, and what fails beside others is given up."""

from __future__ import annotations

import threading
from collections import Counter

from tocsin import errors
from tocsin.event.types import ImagingEvent
from tocsin.outcome import NotAssessable, Published

from tests.fakes.bus import FakeBus
from tests.support.consuming import TOPIC, done, lag, letters, others, publish, running
from tests.support.waiting import eventually


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
    assert "KeyError at consume/test_consumer_failures.py" in letter.detail
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


def test_a_dead_letter_that_kafka_did_not_take_is_sent_again() -> None:
    bus = FakeBus()
    bus.append(TOPIC, None, b"not json")
    bus.away = True
    with running(bus, done):
        eventually(lambda: not threading.Event().wait(0.1) and lag(bus) == 1, what="a held commit")
        bus.away = False
        eventually(lambda: lag(bus) == 0, what="commits")
    assert len(letters(bus)) == 1
