"""A neighbour in trouble is left in peace, nothing waits on a thread, and what stands behind one bad event goes on."""

from __future__ import annotations

import threading
import time
from collections import Counter

import orjson
from tocsin import errors
from tocsin.deadletter.types import REPLAYS_HEADER
from tocsin.event.types import ImagingEvent
from tocsin.outcome import Published

from tests.builders import event_json
from tests.fakes.bus import FakeBus
from tests.support.consuming import BACKFILL, TOPIC, Running, done, lag, letters, publish, running
from tests.support.waiting import eventually


class Neighbours:
    """A journey over neighbours that a test sends away."""

    def __init__(self, *away: str) -> None:
        self.away = set(away)
        self.tries = Counter[str]()
        self.now = 0
        self.most = 0
        self.ended: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, event: ImagingEvent) -> Published:
        with self._lock:
            self.tries[event.media] += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            for neighbour in sorted(self.away):
                threading.Event().wait(0.02)
                raise errors.Unavailable(neighbour, "HTTP 503")
            self.ended.append(event.media)
            return done(event)
        finally:
            with self._lock:
                self.now -= 1


def test_while_a_neighbour_is_away_the_partitions_are_paused_and_polling_goes_on() -> None:
    bus, journey = FakeBus(), Neighbours("fhir")
    for number in range(40):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, retry_initial_s=5, retry_max_s=5, in_flight_max=4) as consumer:
        eventually(lambda: consumer.progress.snapshot().paused_for == ("fhir",), what="the pause")
        eventually(lambda: consumer.source.paused, what="the pause on the bus")
        polls = consumer.source.polls
        eventually(lambda: consumer.source.polls > polls + 3, what="polls")
        assert len(journey.tries) <= 8
        assert lag(bus) == 40


def test_an_outage_is_probed_by_one_event_at_a_time_and_over_with_the_first_that_ends() -> None:
    bus, journey = FakeBus(), Neighbours("triton")
    for number in range(30):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, retry_initial_s=0.05, retry_max_s=0.05) as consumer:
        eventually(lambda: bool(consumer.progress.snapshot().paused_for), what="the outage")
        eventually(lambda: journey.now == 0, what="the last of those that were under way")
        journey.most, before = 0, journey.tries.total()
        eventually(lambda: journey.tries.total() > before + 8, what="probes")
        assert journey.most == 1
        assert max(journey.tries.values()) < 8, "another event goes each time"
        journey.away.clear()
        eventually(lambda: lag(bus) == 0, what="every ending")
        assert consumer.progress.snapshot().paused_for == ()
    assert sorted(journey.ended) == sorted(f"Media/m{number}" for number in range(30))
    assert letters(bus) == []


def test_a_neighbour_that_asks_for_time_is_given_it_by_every_event() -> None:
    bus, tries = FakeBus(), list[float]()

    def journey(event: ImagingEvent) -> Published:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise errors.Unavailable("fhir", "HTTP 429", retry_after_s=0.5)
        return done(event)

    publish(bus, 0, patient="p0")
    with running(bus, journey, retry_max_s=5) as consumer:
        eventually(lambda: consumer.progress.snapshot().paused_for == ("fhir",), what="the pause")
        for number in range(1, 6):
            publish(bus, number, patient=f"p{number}")
        eventually(lambda: lag(bus) == 0, what="every ending")
    assert tries[1] - tries[0] >= 0.5


def test_an_event_that_alone_fails_does_not_keep_others_out_however_quiet_the_bus() -> None:
    """It opens the circuit by itself; what comes next is the probe that closes it."""
    bus, tries = FakeBus(), Counter[str]()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if event.media == "Media/m0":
            raise errors.Unavailable("fhir", "HTTP 500")
        return done(event)

    publish(bus, 0, patient="p0")
    with running(bus, journey, attempts_max=4) as consumer:
        eventually(lambda: consumer.progress.snapshot().paused_for == ("fhir",), what="what looks like an outage")
        for number in range(1, 20):
            publish(bus, number, patient=f"p{number}")
            eventually(lambda: tries[f"Media/m{number}"] == 1, what="the other patient's ending")  # noqa: B023 - over before the next turn
            if letters(bus):
                break
        eventually(lambda: lag(bus) == 0, what="every ending")
    [letter] = letters(bus)
    assert (letter.reason, letter.kind) == ("attempts-exhausted", "transient")


def test_a_picture_server_that_is_away_keeps_only_its_own_pictures_waiting() -> None:
    bus, tries, away = FakeBus(), Counter[str](), threading.Event()
    away.set()

    def journey(event: ImagingEvent) -> Published:
        tries[event.media] += 1
        if away.is_set() and event.media in ("Media/m0", "Media/m1", "Media/m2", "Media/m3"):
            raise errors.Unavailable("https://pacs.example.org", "HTTP 503", retry_after_s=0.5)
        return done(event)

    for number in range(20):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, retry_initial_s=0.5, retry_max_s=1) as consumer:
        eventually(lambda: len(tries) == 20, what="a try for each")
        publish(bus, 20, patient="p20")
        eventually(lambda: tries["Media/m20"] == 1, what="what comes after")
        assert consumer.progress.snapshot().paused_for == ("https://pacs.example.org",)
        away.clear()
        eventually(lambda: lag(bus) == 0, what="the pictures of the server that is back")
        assert consumer.progress.snapshot().paused_for == ()


def test_a_probe_that_a_larger_outage_takes_back_is_sent_again_when_that_is_over() -> None:
    """It stood behind busy threads, and was called back with all others when the FHIR server went away."""
    bus, fhir, pacs, gate = FakeBus(), threading.Event(), threading.Event(), threading.Event()
    fhir.set()

    def journey(event: ImagingEvent) -> Published:
        if event.media.startswith("Media/m10"):
            if not pacs.is_set():
                raise errors.Unavailable("https://pacs.example.org", "HTTP 503", retry_after_s=0.05)
            return done(event)
        gate.wait(10)
        if not fhir.is_set():
            raise errors.Unavailable("fhir", "HTTP 503")
        return done(event)

    for number in range(100, 103):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, workers=3, retry_initial_s=0.05, retry_max_s=0.1) as consumer:
        eventually(lambda: bool(consumer.progress.snapshot().paused_for), what="the picture server's outage")
        for number in range(6):
            publish(bus, number, patient=f"p{number}")
        eventually(lambda: consumer.progress.snapshot().undecided == 9, what="all of them in hand")
        fhir.clear()
        gate.set()
        eventually(lambda: "fhir" in consumer.progress.snapshot().paused_for, what="the larger outage")
        fhir.set()
        pacs.set()
        eventually(lambda: lag(bus) == 0, what="every ending")


def test_care_for_a_suspect_does_not_keep_others_waiting_for_a_picture_server() -> None:
    bus, died = FakeBus(partitions=1), threading.Event()

    def dying(event: ImagingEvent) -> Published:
        died.set()
        threading.Event().wait(0.3)
        raise errors.Unavailable("fhir", "this process is no more")

    def journey(event: ImagingEvent) -> Published:
        if event.media in ("Media/m0", "Media/m1", "Media/m2"):
            raise errors.Unavailable("https://pacs.example.org", "HTTP 503")
        return done(event)

    for number in range(20):
        publish(bus, number, patient=f"p{number}")
    for _ in range(2):
        died.clear()
        consumer = Running(bus, dying, drain_timeout_s=0.05)
        eventually(died.is_set, what="a death")
        consumer.source.fenced.set()
        consumer.end()
    with running(bus, journey, retry_initial_s=0.05, retry_max_s=0.1) as living:
        eventually(lambda: living.progress.snapshot().undecided == 3, what="the endings of all others")


def test_no_thread_is_held_by_an_event_that_waits() -> None:
    bus, journey = FakeBus(), Neighbours("fhir")
    for number in range(6):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, workers=2, retry_initial_s=5, retry_max_s=5) as consumer:
        eventually(lambda: consumer.progress.snapshot().paused_for == ("fhir",), what="the pause")
        eventually(lambda: consumer.progress.snapshot().oldest_running_s == 0, what="free threads")


def test_live_events_overtake_a_backlog_that_tocsin_announced_itself() -> None:
    bus, order, go_on = FakeBus(), list[str](), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        if event.media != "Media/m0":
            go_on.wait(10)
        order.append(event.media)
        return done(event)

    for number in range(100, 160):
        publish(bus, number, patient=f"p{number}", topic=BACKFILL)
    with running(bus, journey, workers=4):
        eventually(lambda: not threading.Event().wait(0.1), what="backfill on its way")
        publish(bus, 0)
        eventually(lambda: order == ["Media/m0"], what="the live event")
        go_on.set()
        eventually(lambda: len(order) == 61, what="the backlog")
        eventually(lambda: lag(bus, BACKFILL) == 0, what="its commit")


def test_replays_that_fail_again_do_not_stop_the_intake() -> None:
    bus = FakeBus()

    def journey(event: ImagingEvent) -> Published:
        raise errors.HashMismatch("another picture", reference=event.media)

    for number in range(60):
        event = event_json(id=f"evt-{number}", media=f"Media/m{number}", subject=f"Patient/p{number}")
        bus.append(TOPIC, None, orjson.dumps(event), [(REPLAYS_HEADER, b"1")])
    with running(bus, journey, dead_letter_count_max=10) as consumer:
        eventually(lambda: lag(bus) == 0, what="every ending")
        assert consumer.progress.snapshot().held_by is None


def test_too_many_dead_letters_stop_the_intake_until_somebody_restarts_it() -> None:
    bus = FakeBus()

    def journey(event: ImagingEvent) -> Published:
        raise errors.HashMismatch("another picture", reference=event.media)

    for number in range(200):
        publish(bus, number, patient=f"p{number}")
    with running(bus, journey, dead_letter_count_max=10, in_flight_max=4, outage_budget_s=0.2) as consumer:
        eventually(lambda: consumer.progress.snapshot().held_by is not None, what="the hold")
        eventually(lambda: consumer.source.paused, what="the pause")
        held = len(letters(bus))
        assert held <= 15
        polls = consumer.source.polls
        eventually(lambda: consumer.source.polls > polls + 50, what="polls")
        assert len(letters(bus)) == held
        assert consumer.failure is None
    assert lag(bus) == 200 - held
