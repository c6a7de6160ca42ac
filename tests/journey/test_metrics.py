"""What Tocsin has done and how it is, as Prometheus reads it: under the names of the catalogue, and right."""

from __future__ import annotations

from tocsin.network import HOST
from tocsin.telemetry.metrics import (
    ATTEMPTS,
    BREAKER_OPEN,
    COMMITS,
    CONSUMER_LAG,
    CONSUMER_LAG_TIME,
    DEAD_LETTERS,
    EVENT_LATENCY,
    EVENT_OLDEST_AGE,
    EVENTS,
    EXPORTS_FAILED,
    HTTP_DURATION,
    INFO,
    NEIGHBOUR_REACHED,
    PICTURE_BYTES,
    QUEUE_DEPTH,
    REPLAYS,
    RPC_DURATION,
    STAGE_DURATION,
    TASK_DURATION,
    TASKS_SENT,
    TICK_AGE,
    TRITON_REQUESTS,
    TRITON_TIME,
)

from tests.support.house import CANARY, House
from tests.support.otlp import collector
from tests.support.scraped import WHOSE, Scrapes, strangers
from tests.support.waiting import eventually
from tests.support.work_desk import Desk

OFTEN = {"TOCSIN_METRICS__PING_EVERY_S": "0.2"}
LATE_S = 120.0
"""No event of these tests takes so long."""


def test_a_consumer_counts_what_became_of_its_events(quick_hospital: House) -> None:
    subjects = [quick_hospital.record.patient(f"p-metrics-{number}") for number in range(3)]
    with quick_hospital.consuming(**OFTEN):
        scrapes = Scrapes(quick_hospital)
        for number, subject in enumerate(subjects):
            quick_hospital.bus.announce(quick_hospital.record.media(f"metrics-{number}", subject), subject)
        quick_hospital.bus.announce("Media/not-there", subjects[0])
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=90, what="an ending for every event")
        eventually(lambda: scrapes.value(CONSUMER_LAG) == 0, within_s=30, what="a lag of 0")
        eventually(lambda: (scrapes.value(TRITON_REQUESTS, result="success") or 0) >= 3, within_s=30, what="Triton's statistics")
        samples = scrapes.read()

        assert strangers(samples) == []
        assert all(set(each.labels) >= WHOSE for each in samples)
        assert CANARY not in str(samples)
        assert scrapes.value(EVENTS, ending="published", origin="live") == 3
        assert scrapes.value(EVENTS, ending="refused", reason="media-unknown", origin="live") == 1
        assert (scrapes.value(EVENTS), scrapes.value(EVENT_LATENCY)) == (4, 4)
        assert scrapes.value(ATTEMPTS, outcome="ended", neighbour="none") == 4
        assert scrapes.value(DEAD_LETTERS) == scrapes.value(DEAD_LETTERS, reason="media-unknown", **{"class": "permanent"}) == 1
        assert (scrapes.value(COMMITS, result="taken") or 0) > 0
        topic = quick_hospital.bus.settings.topic_imaging
        assert {scrapes.value(CONSUMER_LAG_TIME, topic=topic, partition=str(each)) for each in range(3)} == {0}
        assert {scrapes.value(EVENT_OLDEST_AGE, origin=each) for each in ("live", "backfill", "replay")} == {0}
        assert {scrapes.value(BREAKER_OPEN, neighbour=each) for each in ("kafka", "fhir", "triton", "other")} == {0}
        assert {scrapes.value(NEIGHBOUR_REACHED, neighbour=each) for each in ("kafka", "fhir", "triton")} == {1}
        assert scrapes.value(STAGE_DURATION, stage="infer") == scrapes.value(RPC_DURATION) == 3
        assert (scrapes.value(HTTP_DURATION, http_request_method="GET") or 0) >= 6
        assert (scrapes.value(TRITON_TIME, phase="compute") or 0) > 0
        assert (scrapes.value(PICTURE_BYTES), scrapes.value(INFO)) == (0, 1)
        buckets = [each for each in samples if each.name == "tocsin_event_latency_seconds_bucket"]
        late = {(each.labels["ending"], each.value) for each in buckets if float(each.labels["le"]) >= LATE_S}
        assert late == {("published", 3.0), ("refused", 1.0)}


def test_while_triton_is_away_the_oldest_event_grows_older_and_its_breaker_is_open(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-metrics-away")
    topic = quick_hospital.bus.settings.topic_imaging
    with quick_hospital.consuming("without", **OFTEN, TOCSIN_TRITON__GRPC_URL=f"{HOST}:1"):
        scrapes = Scrapes(quick_hospital, "without")
        quick_hospital.bus.announce(quick_hospital.record.media("metrics-away", subject), subject)
        eventually(lambda: scrapes.value(BREAKER_OPEN, neighbour="triton") == 1, within_s=90, what="the open breaker")
        before = scrapes.value(EVENT_OLDEST_AGE, origin="live") or 0
        eventually(lambda: (scrapes.value(EVENT_OLDEST_AGE, origin="live") or 0) > before + 2, within_s=30, what="an older event")
        assert (scrapes.value(CONSUMER_LAG), scrapes.value(NEIGHBOUR_REACHED, neighbour="triton")) == (1, 0)
        assert (scrapes.value(CONSUMER_LAG_TIME, topic=topic) or 0) > before
        assert (scrapes.value(ATTEMPTS, outcome="unavailable", neighbour="triton") or 0) > 0
        assert scrapes.value(EVENTS) is None
        quick_hospital.bus.announce(quick_hospital.record.media("metrics-behind", subject), subject)
        eventually(lambda: scrapes.value(CONSUMER_LAG) == 2, within_s=30, what="the lag of a partition that is not listened to")
        assert strangers(scrapes.read()) == []
    with quick_hospital.consuming("again", **OFTEN):
        scrapes = Scrapes(quick_hospital, "again")
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=90, what="an ending for every event")
        eventually(lambda: scrapes.value(EVENT_OLDEST_AGE, origin="live") == 0, within_s=30, what="no event without an ending")


def test_a_collector_that_hangs_keeps_no_journey_waiting(quick_hospital: House) -> None:
    subjects = [quick_hospital.record.patient(f"p-metrics-hang-{number}") for number in range(5)]
    with collector() as hanging:
        hanging.hangs = True
        variables = {
            "TOCSIN_OTLP__ENDPOINT": hanging.endpoint,
            "TOCSIN_OTLP__SIGNALS": '["traces", "metrics", "logs"]',
            "TOCSIN_OTLP__EVERY_S": "0.1",
            "TOCSIN_OTLP__METRICS_EVERY_S": "0.2",
            "TOCSIN_OTLP__TIMEOUT_S": "0.5",
            "TOCSIN_TRACES__RATIO": "1",
        }
        with quick_hospital.consuming(**variables):
            scrapes = Scrapes(quick_hospital)
            for number, subject in enumerate(subjects):
                quick_hospital.bus.announce(quick_hospital.record.media(f"metrics-hang-{number}", subject), subject)
            eventually(lambda: quick_hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
            eventually(lambda: (scrapes.value(EXPORTS_FAILED, signal="logs") or 0) > 0, within_s=30, what="the count")
            eventually(lambda: (scrapes.value(EXPORTS_FAILED, signal="traces") or 0) > 0, within_s=30, what="the count")
            assert scrapes.value(EVENTS, ending="published") == 5


def test_a_worker_and_a_scheduler_say_what_they_did(desk: Desk) -> None:
    desk.start("work")
    desk.start("beat")
    work, beat = Scrapes(desk, "work", "working"), Scrapes(desk, "beat", "scheduling")
    desk.refuse("Media/metrics")
    eventually(lambda: work.value(REPLAYS, by="redrive") == 1, within_s=60, what="the replay")
    eventually(lambda: (work.value(TASK_DURATION, task="redrive", outcome="done") or 0) > 0, within_s=30, what="the task's end")
    assert work.value(QUEUE_DEPTH) is not None
    assert work.value(NEIGHBOUR_REACHED, neighbour="redis") == 1
    assert (beat.value(TASKS_SENT, task="redrive", result="sent") or 0) > 0
    assert 0 <= (beat.value(TICK_AGE) or 0) < 10
    for samples in (work.read(), beat.read()):
        assert strangers(samples) == []
        assert CANARY not in str(samples)
