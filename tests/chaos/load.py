"""A steady load: pictures into the record, their events on the bus, and a manifest of what Kafka acknowledged.

The load is the hospital, so that it must lose nothing itself: it repeats every write until the FHIR server has it, and every event until
Kafka has acknowledged it. An event that Kafka took without saying so is on the topic twice then, as it may be in a hospital.
"""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.chaos import hospital
from tests.chaos.clinician import is_for_clinicians
from tests.chaos.hospital import Archive, HospitalStuck
from tests.chaos.manifest import Event, Manifest
from tests.chaos.mix import EXPECTS, PATIENTS, Act, Step, steps

AHEAD_MAX: Final = 40
"""Pictures written before their events are due, so that a FHIR server that is away does not stop the events."""
HEAD_START_S: Final = 15.0
"""The events begin as soon as half of that is written, or after this time."""
ACK_WITHIN_S: Final = 10.0
WAIT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Published:
    """One acknowledgement of Kafka."""

    event: str
    partition: int
    offset: int
    at: float
    """time.monotonic()."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """An event whose picture is in the record."""

    event: Event
    key: bytes
    act: str


class Load:
    """Two threads: one writes pictures ahead, the other publishes at a steady rate."""

    def __init__(self, *, seed: int, rate: float, bootstrap_servers: str, imaging: str, fhir: str, without: Collection[Act] = ()) -> None:
        """`rate` in events a second; `fhir` is the server's base address, past every gateway; acts in `without` do not happen."""
        self._without = without
        self._rate = rate
        self._imaging = imaging
        self._bootstrap_servers = bootstrap_servers
        self._seed = seed
        self._stopping, self._broken_off = threading.Event(), threading.Event()
        self._archive = Archive(fhir, self._broken_off)
        self._ready: queue.Queue[_Ready] = queue.Queue(AHEAD_MAX)
        self._lock = threading.Lock()
        self._events: dict[str, Event] = {}
        self._good: list[Event] = []
        """Whose pictures may be replaced."""
        self._published_good: list[Event] = []
        self._contents: dict[str, list[str]] = defaultdict(list)
        self._published: list[Published] = []
        self._threads = [threading.Thread(target=self._guarded, args=[work]) for work in (self._write_ahead, self._publish_steadily)]
        self.failure: Exception | None = None
        """Why a thread ended early."""

    def start(self) -> None:
        """Admit the patients, then begin."""
        for number in range(PATIENTS):
            self._archive.put(hospital.patient(number))
        for thread in self._threads:
            thread.start()

    def stop(self, within_s: float) -> None:
        """Nothing new from now on; every picture that is written still gets its event. Raises HospitalStuck if that takes too long."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(within_s)
        self.break_off()
        if self.failure is not None or any(thread.is_alive() for thread in self._threads):
            raise HospitalStuck(f"the load did not come to its end: {self.failure or 'too slow'}")

    def break_off(self) -> None:
        """End the threads, whatever is left undone."""
        self._stopping.set()
        self._broken_off.set()

    def wait(self, seconds: float) -> None:
        """Returns after that time. Raises HospitalStuck as soon as the load cannot go on."""
        stopped = self._stopping.wait(seconds)
        if self.failure is not None or (not stopped and not all(thread.is_alive() for thread in self._threads)):
            raise HospitalStuck(f"the load could not go on: {self.failure or 'a thread of it ended'}")

    def manifest(self) -> Manifest:
        """What was acknowledged until now."""
        with self._lock:
            return Manifest(tuple(self._events.values()), {media: tuple(contents) for media, contents in self._contents.items()})

    def published(self) -> Sequence[Published]:
        """Every acknowledgement until now."""
        with self._lock:
            return tuple(self._published)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (HospitalStuck, KafkaError) as error:
            self.failure = error
            self._stopping.set()

    def _write_ahead(self) -> None:
        for step in steps(self._seed, self._without):
            if self._stopping.is_set():
                return
            self._hand_on(self._prepared(step))

    def _hand_on(self, ready: _Ready) -> None:
        while not self._broken_off.is_set():
            with suppress(queue.Full):
                self._ready.put(ready, timeout=WAIT_S)
                return

    def _prepared(self, step: Step) -> _Ready:
        """What has to be in the record before this step's event is there now."""
        match step.act:
            case "again":
                earlier = self._earlier(step, self._published_good)
                return _Ready(earlier, _key(earlier), step.act)
            case "updated":
                return self._updated(step)
            case "not-json":
                return _bare(step, b"{not json %d" % step.number)
            case "no-schema":
                return _bare(step, json.dumps({"version": 1, "id": f"e-{step.number}", "picture": "?"}).encode())
            case "media-unknown":
                return _bare(step, event_value(f"e-{step.number}", f"Media/unknown-{step.number}", f"Patient/chaos-{step.patient}"))
            case _:
                return self._taken(step)

    def _taken(self, step: Step) -> _Ready:
        """A new picture."""
        subject = f"Patient/chaos-{step.patient}"
        media = f"Media/{'stubborn' if step.act == 'stubborn' else 'm'}-{step.number}"
        content = _content(step, self._seed)
        self._archive.put(hospital.media(media.partition("/")[2], subject, content))
        named = f"Patient/chaos-{(step.patient + 1) % PATIENTS}" if step.act == "subject-swapped" else subject
        value = event_value(f"e-{step.number}", media, named)
        return _Ready(_event(step, value, media, subject, content), named.encode(), step.act)

    def _updated(self, step: Step) -> _Ready:
        """An earlier picture, taken anew under the same id."""
        earlier = self._earlier(step, self._good)
        media, subject, content = str(earlier.media), str(earlier.subject), _content(step, self._seed)
        self._archive.put(hospital.media(media.partition("/")[2], subject, content))
        with self._lock:
            self._contents[media].append(hashlib.sha256(content).hexdigest())
        event = _event(step, event_value(f"e-{step.number}", media, subject), media, subject, content)
        return _Ready(event, subject.encode(), step.act)

    def _earlier(self, step: Step, among: Sequence[Event]) -> Event:
        """One of the good ones that were published."""
        while not among:
            if self._stopping.wait(WAIT_S):
                raise HospitalStuck("it was stopped before the first event was published")
        return among[int(step.draw * len(among))]

    def _publish_steadily(self) -> None:
        self._await_some_ahead()
        with _producer(self._bootstrap_servers) as producer:
            due = time.monotonic()
            while not (self._stopping.is_set() and self._ready.empty() and not self._threads[0].is_alive()):
                try:
                    ready = self._ready.get(timeout=WAIT_S)
                except queue.Empty:
                    continue
                self._stopping.wait(max(0.0, due - time.monotonic()))
                self._publish(producer, ready)
                due = max(due + 1 / self._rate, time.monotonic())  # what an outage kept back is not made up for in a burst

    def _await_some_ahead(self) -> None:
        deadline = time.monotonic() + HEAD_START_S
        while self._ready.qsize() < AHEAD_MAX // 2 and time.monotonic() < deadline:
            if self._stopping.wait(WAIT_S):
                return

    def _publish(self, producer: KafkaProducer, ready: _Ready) -> None:
        event = ready.event
        partition, offset = self._acknowledged(producer, ready)
        with self._lock:
            self._published.append(Published(event.id, partition, offset, time.monotonic()))
            if ready.act == "again":
                return
            self._events[event.id] = event
            if event.media is not None and event.content is not None and ready.act != "updated":
                self._contents[event.media].append(event.content)
            if ready.act == "good":
                self._published_good.append(event)
                if not is_for_clinicians(str(event.media)):
                    self._good.append(event)

    def _acknowledged(self, producer: KafkaProducer, ready: _Ready) -> tuple[int, int]:
        """The partition and offset at which it stands."""
        deadline = time.monotonic() + hospital.PATIENCE_S
        while True:
            try:
                stands = producer.send(self._imaging, base64.b64decode(ready.event.value), ready.key).get(timeout=ACK_WITHIN_S)
                return int(stands.partition), int(stands.offset)
            except KafkaError:
                if time.monotonic() > deadline or self._broken_off.wait(WAIT_S):
                    raise HospitalStuck(f"{ready.event.id} was not taken by Kafka") from None


@contextmanager
def _producer(bootstrap_servers: str) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=False,  # else kafka-python sends nothing any more once a record has expired on its way
        max_block_ms=int(ACK_WITHIN_S * 1000),
        delivery_timeout_ms=int(ACK_WITHIN_S * 1000),
        request_timeout_ms=int(ACK_WITHIN_S * 500),
        reconnect_backoff_max_ms=1000,
        linger_ms=0,
        metrics_enabled=False,
    )
    try:
        yield producer
    finally:
        producer.close(timeout=2)


def event_value(id_: str, media: str, subject: str) -> bytes:
    """An imaging event's record value."""
    event = {"version": 1, "id": id_, "source": "urn:chaos:camera", "occurred_at": "2026-03-01T09:30:00+01:00"}
    return json.dumps(event | {"media": media, "subject": subject}).encode()


def _content(step: Step, seed: int) -> bytes:
    number = seed * 1_000_000 + step.number
    match step.act:
        case "dark":
            return hospital.dark_photograph(number)
        case "poison":
            return hospital.killing_photograph(number)
        case "no-picture":
            return b"no picture %d" % number
        case _:
            return hospital.photograph(number)


def _event(step: Step, value: bytes, media: str, subject: str, content: bytes) -> Event:
    encoded, digest = base64.b64encode(value).decode(), hashlib.sha256(content).hexdigest()
    return Event(f"e-{step.number}", encoded, media, subject, digest, EXPECTS[step.act])


def _bare(step: Step, value: bytes) -> _Ready:
    """An event without a picture."""
    event = Event(f"e-{step.number}", base64.b64encode(value).decode(), None, None, None, EXPECTS[step.act])
    return _Ready(event, f"Patient/chaos-{step.patient}".encode(), step.act)


def _key(event: Event) -> bytes:
    return str(event.subject).encode()
