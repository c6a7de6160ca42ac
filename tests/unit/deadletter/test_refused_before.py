"""Whether a record has its dead letter already is read once, however many records ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tocsin.deadletter.refused_before import AHEAD_MAX, Refusals, no_letter_before
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import NotJson, Unavailable
from tocsin.kafka.types import Position, Record

from tests.builders import record
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOPIC = "letters"


class Counting(FakeTopicReader):
    """Counts how often the topic is read."""

    def __init__(self, bus: FakeBus) -> None:
        super().__init__(bus)
        self.reads: list[datetime | None] = []

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        self.reads.append(since)
        yield from super().read(topic, since)


def refusals(log: FakeTopicReader, heard: list[int] | None = None, **options: int) -> Refusals:
    return Refusals(lambda: closing(log), TOPIC, heard=lambda: (heard if heard is not None else []).append(1), now=lambda: NOON, **options)


def refuse(bus: FakeBus, refused: Record) -> None:
    bus.now_ms = int(NOON.timestamp() * 1000)
    send_dead_letter(FakeSink(bus), TOPIC, dead_letter(refused, NotJson("x"), attempts=1, first_failed_at=NOON, now=NOON), None)


@pytest.mark.parametrize("ahead", [timedelta(0), HOUR, AHEAD_MAX])
def test_a_letter_stands_though_its_record_was_stamped_by_a_clock_that_runs_ahead(ahead: timedelta) -> None:
    bus = FakeBus()
    refused = replace(record(), timestamp_ms=int((NOON + ahead).timestamp() * 1000))
    assert not refusals(FakeTopicReader(bus)).stands(refused)
    refuse(bus, refused)
    stands = refusals(FakeTopicReader(bus)).stands
    assert stands(refused)
    assert not stands(replace(refused, position=Position(refused.position.topic_partition, 1)))
    assert not stands(replace(refused, value=b"another event, in a topic that was made anew"))


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 1, -(2**63), 2**63 - 1, 1_772_354_400_000_000, 253_402_300_800_000])
def test_a_letter_is_found_whatever_time_its_record_states(timestamp_ms: int) -> None:
    """Microseconds, none, before 1970, beyond the year 9999."""
    bus, refused = FakeBus(), replace(record(), timestamp_ms=timestamp_ms)
    refuse(bus, refused)
    assert refusals(FakeTopicReader(bus)).stands(refused)
    assert no_letter_before(timestamp_ms, NOON) is None or timestamp_ms == 1


def test_after_an_unclean_death_the_letters_are_read_once_for_all_that_was_held() -> None:
    bus, heard = FakeBus(), list[int]()
    held = [replace(record(offset=number), timestamp_ms=int(NOON.timestamp() * 1000) + number) for number in range(512)]
    for each in held[:100]:
        refuse(bus, each)
    log = Counting(bus)
    found = refusals(log, heard)
    with ThreadPoolExecutor(8) as pool:
        stands = list(pool.map(found.stands, held))
    assert stands == [True] * 100 + [False] * 412
    assert len(log.reads) == 1
    assert len(heard) >= 100


def test_a_letter_that_came_since_is_found_once_somebody_says_that_there_may_be_one() -> None:
    bus, first, second = FakeBus(), record(offset=1), record(offset=2)
    refuse(bus, first)
    log = Counting(bus)
    found = refusals(log)
    assert not found.stands(second)
    refuse(bus, second)
    found.forget()
    assert found.stands(second)
    assert found.stands(first)
    assert log.reads[1] == NOON - AHEAD_MAX


def test_more_letters_than_are_remembered_are_read_again_for_the_one_that_is_asked_for() -> None:
    bus, held = FakeBus(), [record(offset=number) for number in range(5)]
    for each in held:
        refuse(bus, each)
    found = refusals(FakeTopicReader(bus), known_max=2)
    assert all(found.stands(each) for each in held)
    assert not found.stands(record(offset=9))


def test_a_bus_that_is_away_is_asked_again() -> None:
    bus = FakeBus()
    refuse(bus, record())
    found = refusals(FakeTopicReader(bus))
    bus.away = True
    with pytest.raises(Unavailable):
        found.stands(record())
    bus.away = False
    assert found.stands(record())


def test_whoever_waits_for_anothers_reading_hears_that_it_gets_on() -> None:
    bus, heard, going, on = FakeBus(), list[str](), threading.Event(), threading.Event()
    for number in range(2):
        refuse(bus, record(offset=number))

    class Slow(FakeTopicReader):
        def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
            for each in super().read(topic, since):
                yield each
                going.set()
                on.wait(10)

    def hear() -> None:
        heard.append(threading.current_thread().name)
        if heard[-1] == "waiter":
            on.set()

    found = Refusals(lambda: closing(Slow(bus)), TOPIC, heard=hear, now=lambda: NOON)
    reader = threading.Thread(target=found.stands, args=(record(offset=0),), name="reader")
    waiter = threading.Thread(target=found.stands, args=(record(offset=1),), name="waiter")
    reader.start()
    assert going.wait(5)
    waiter.start()
    assert on.wait(10), "the waiter heard nothing"
    reader.join(15)
    waiter.join(15)
    assert not reader.is_alive()
    assert not waiter.is_alive()


def test_a_letter_that_this_process_sent_after_the_reading_is_known_without_another() -> None:
    bus = FakeBus()
    late, other = (replace(record(offset=number), timestamp_ms=int(NOON.timestamp() * 1000)) for number in (1, 2))
    log = Counting(bus)
    found = refusals(log, known_max=1)
    assert not found.stands(late)
    found.remember(late)  # by an attempt that was under way when the partitions changed
    assert found.stands(late)
    assert not found.stands(replace(late, value=b"another event at the same place"))
    assert len(log.reads) == 1
    found.remember(other)
    assert found.stands(other)
