"""The view adds up what the processes say that answer, and tells of those that do not."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from tocsin.telemetry.metrics import (
    BREAKER_OPEN,
    CONSUMER_HELD,
    CONSUMER_LAG,
    CONSUMER_LAG_TIME,
    EVENTS,
    NEIGHBOUR_REACHED,
    QUEUE_DEPTH,
    STAGE_DURATION,
)
from tocsin.telemetry.top.scrape import Answer
from tocsin.telemetry.top.seen import REASONS_MAX, Seen, heard
from tocsin.telemetry.top.types import Process, View
from tocsin.telemetry.top.view import view

from tests.support.telling import Telling, consuming, judged, ticking, working

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def answer(tells: Telling, at_s: float = 0.0, address: str = "http://a:9464") -> Answer:
    return Answer(address, at_s, tells.text(), orjson.dumps(tells.page))


def seen(*answers: Answer) -> View:
    known: dict[str, Seen] = {}
    for each in answers:
        known[each.address] = heard(known.get(each.address, Seen(each.address)), each)
    return view(tuple(known.values()), NOW)


def alone(*answers: Answer) -> Process:
    [process] = seen(*answers).processes
    return process


def test_a_first_answer_shows_totals_and_no_rates() -> None:
    found = seen(answer(consuming()))
    assert found.window_s == 0
    assert {each.ending: (each.per_second, each.total) for each in found.throughput} == {
        "published": (None, 1080.0),
        "not-assessable": (None, 120.0),
    }


def test_throughput_is_by_ending_and_endings_are_by_reason() -> None:
    tells = consuming()
    first = answer(tells, at_s=10.0)
    judged(tells, 20)
    found = seen(first, answer(tells, at_s=12.0))
    assert {each.ending: each.per_second for each in found.throughput} == {"published": 9.0, "not-assessable": 1.0}
    assert [(each.ending, each.reason, each.per_second) for each in found.endings] == [
        ("not-assessable", "too-dark", 1.0),
        ("published", "below-threshold", 7.0),
        ("published", "raised", 2.0),
    ]


def test_throughput_of_all_processes_is_added_up() -> None:
    one, other = Telling(), Telling()
    firsts = [answer(one, 0.0, "http://a:1"), answer(other, 0.0, "http://b:1")]
    one.count(EVENTS, 4, ending="published", reason="raised", origin="live")
    other.count(EVENTS, 8, ending="published", reason="raised", origin="live")
    firsts = [answer(one, 0.0, "http://a:1"), answer(other, 0.0, "http://b:1")]
    one.count(EVENTS, 4, ending="published", reason="raised", origin="live")
    other.count(EVENTS, 8, ending="published", reason="raised", origin="live")
    [published] = seen(*firsts, answer(one, 2.0, "http://a:1"), answer(other, 4.0, "http://b:1")).throughput
    assert (published.per_second, published.total) == (4.0, 24.0)


def test_stages_are_told_the_slowest_first_over_the_window() -> None:
    tells = consuming()
    first = answer(tells, at_s=10.0)
    tells.record(STAGE_DURATION, 2.0, 10, stage="infer")
    found = seen(first, answer(tells, at_s=12.0))
    assert (found.stages[0].name, found.stages[0].over, found.stages[0].count) == ("infer", "window", 10.0)
    assert found.stages[0].p95_s == pytest.approx(2.425)
    assert {each.name: each.over for each in found.stages[1:]} == dict.fromkeys(("write", "decode", "fetch"), "start")


def test_lag_is_added_up_over_partitions_and_a_partition_that_two_processes_tell_of_counts_once() -> None:
    one, other = Telling(), Telling()
    for tells, partition, behind in ((one, "0", 10), (one, "1", 5), (other, "1", 7)):
        tells.set(CONSUMER_LAG, behind, topic="imaging", partition=partition)
        tells.set(CONSUMER_LAG_TIME, behind * 2, topic="imaging", partition=partition)
    [lag] = seen(answer(one, address="http://a:1"), answer(other, address="http://b:1")).lag
    assert (lag.topic, lag.partitions, lag.events, lag.seconds) == ("imaging", 2, 17.0, 20.0)


def test_neighbours_say_who_reaches_them_and_where_events_wait() -> None:
    one, other = Telling(), Telling()
    for tells, reached in ((one, 1), (other, 0)):
        tells.set(NEIGHBOUR_REACHED, reached, neighbour="fhir")
        tells.set(BREAKER_OPEN, 1 - reached, neighbour="fhir")
    [fhir] = seen(answer(one, address="http://a:1"), answer(other, address="http://b:1")).neighbours
    assert (fhir.neighbour, fhir.asked_by, fhir.reached_by, fhir.breaker_open_at) == ("fhir", 2, 1, ("http://b:1",))


def test_a_queue_that_two_workers_tell_of_counts_once() -> None:
    one, other = working(), working()
    other.set(QUEUE_DEPTH, 4, queue="tocsin.backfill")
    found = seen(answer(one, address="http://a:1"), answer(other, address="http://b:1"))
    assert {each.queue: each.waiting for each in found.queues} == {"tocsin.backfill": 4.0, "tocsin.regular": 0.0}


@pytest.mark.parametrize(("tells", "role"), [(consuming(), "consume"), (working(), "work"), (ticking(), "beat")], ids=["c", "w", "b"])
def test_a_process_says_which_command_it_is(tells: Telling, role: str) -> None:
    assert alone(answer(tells)).role == role


def test_a_process_is_told_with_its_site_model_version_memory_and_state() -> None:
    process = alone(answer(consuming()))
    assert (process.site, process.model_version, process.version) == ("urn:example:dermatology", "1.2.0", "0.1.0")
    assert (process.running, process.waiting, process.picture_bytes, process.held) == (8.0, 34.0, 23_040_000.0, False)
    assert (process.live, process.ready) == (True, False)
    assert process.reasons == ("fhir: HTTP 503 to the read of metadata: no OperationOutcome",)


def test_a_process_that_is_held_says_so() -> None:
    tells = consuming()
    tells.set(CONSUMER_HELD, 1)
    assert alone(answer(tells)).held


def test_a_process_that_no_longer_answers_is_listed_with_the_reason_and_adds_nothing() -> None:
    tells = consuming()
    found = seen(answer(tells), Answer("http://a:9464", 2.0, None, None, "connection refused"), answer(working(), 2.0, "http://b:1"))
    gone, other = found.processes
    assert (gone.answers, gone.missing_because, gone.running) == (False, "connection refused", None)
    assert (other.answers, found.answering, found.throughput, found.lag) == (True, 1, (), ())


def test_a_process_that_answers_again_has_rates_over_the_time_it_was_away() -> None:
    tells = consuming()
    first = answer(tells, at_s=0.0)
    judged(tells, 100)
    found = seen(first, Answer("http://a:9464", 5.0, None, None, "connection refused"), answer(tells, at_s=10.0))
    assert found.window_s == 10.0
    assert {each.ending: each.per_second for each in found.throughput} == {"published": 9.0, "not-assessable": 1.0}


def test_a_process_that_was_started_anew_has_no_negative_rate() -> None:
    anew = Telling()
    judged(anew, 10)
    found = seen(answer(consuming(), at_s=0.0), answer(anew, at_s=2.0))
    assert {each.ending: each.per_second for each in found.throughput} == {"published": 4.5, "not-assessable": 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>hello</html>\n", "/metrics: no metric there is Tocsin's"),
        ("", "/metrics: no metric there is Tocsin's"),
        ("tocsin_consumer_lag x\n", "/metrics: it is not metrics in Prometheus's text format"),
    ],
)
def test_somebody_else_who_answers_is_not_taken_for_a_process(text: str, said: str) -> None:
    process = alone(Answer("http://a:1", 0.0, text, None))
    assert (process.answers, process.missing_because) == (False, said)


@pytest.mark.parametrize("page", [None, b"", b"[]", b"{", b'{"ready": "yes", "not_ready_because": [1, {}]}', b'{"not_ready_because": "x"}'])
def test_a_health_page_that_is_none_leaves_the_state_unknown(page: bytes | None) -> None:
    process = alone(Answer("http://a:1", 0.0, consuming().text(), page))
    assert (process.answers, process.live, process.ready, process.reasons) == (True, None, None, ())


def test_of_many_reasons_the_first_are_kept() -> None:
    tells = consuming()
    tells.page["not_ready_because"] = [f"reason {number}" for number in range(100)]
    assert len(alone(answer(tells)).reasons) == REASONS_MAX
