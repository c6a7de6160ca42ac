"""A consumer on the bus in memory, on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import orjson
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
from tocsin.outcome import NotAssessable, Published
from tocsin.settings import ConsumeSettings

from tests.builders import event_json
from tests.fakes.bus import FakeBus, FakeSink, FakeSource, FakeTopicReader

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
        clock: Callable[[], float] = time.monotonic,
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
            clock=clock,
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


class UnderWay:
    """A journey that is under way until it is released."""

    def __init__(self, ending: Journey = done) -> None:
        self.begun, self.release = threading.Event(), threading.Event()
        self._ending = ending

    def __call__(self, event: ImagingEvent) -> Published | NotAssessable:
        self.begun.set()
        self.release.wait(10)
        return self._ending(event)


def raising(error: Exception) -> Journey:
    """A journey of which this comes every time."""

    def journey(event: ImagingEvent) -> Published:
        raise error

    return journey
