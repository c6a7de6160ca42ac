"""Whatever comes in, metrics count it under names and labels of closed sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin import errors, outcome
from tocsin.consume.attempt import Attempt
from tocsin.consume.gauges import watch
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.measures import ORIGINS, OTHER, Tally, count_dead_letter, neighbour_label
from tocsin.consume.partitions.backlog import Partition, View
from tocsin.deadletter.types import REPLAYS_HEADER
from tocsin.kafka.types import Position, Record, TopicPartition, Unreadable
from tocsin.telemetry.metrics import (
    ATTEMPTS,
    BREAKER_OPEN,
    CATALOGUE,
    CONSUMER_EVENTS,
    CONSUMER_HELD,
    CONSUMER_LAG,
    CONSUMER_LAG_TIME,
    CONSUMER_STALLED,
    DEAD_LETTERS,
    EVENT_LATENCY,
    EVENT_OLDEST_AGE,
    EVENTS,
    LOSSES,
)

from tests.support.measured import measured

LIVE, BACKFILL = "imaging.events.v1", "tocsin.backfill.v1"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CODES = frozenset({"high", "too-dark"})


def attempt(
    topic: str = LIVE, *, ago_s: float = 90.0, headers: tuple[tuple[str, bytes], ...] = (), unreadable: Unreadable | None = None
) -> Attempt:
    at = int((NOW - timedelta(seconds=ago_s)).timestamp() * 1000)
    return Attempt(Record(Position(TopicPartition(topic, 0), 1), None, None, headers, at, unreadable))


@pytest.fixture
def tally() -> Tally:
    return Tally(BACKFILL, CODES)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        (attempt(), "live"),
        (attempt(BACKFILL), "backfill"),
        (attempt(headers=((REPLAYS_HEADER, b"1"),)), "replay"),
        (attempt(BACKFILL, headers=((REPLAYS_HEADER, b"1"),)), "replay"),
    ],
)
def test_an_ending_is_counted_with_where_its_event_came_from(tally: Tally, given: Attempt, origin: str) -> None:
    with measured() as found:
        tally.tried(given, outcome.Published("DiagnosticReport/1", "high"), NOW)
        assert found.of(EVENTS, ending="published", reason="high", origin=origin) == 1
        assert found.of(EVENTS) == found.of(EVENT_LATENCY, ending="published", origin=origin) == 1
        assert found.of(ATTEMPTS, outcome="ended", neighbour="none") == 1


@pytest.mark.parametrize(
    ("ending", "how", "reason"),
    [
        (outcome.NotAssessable("DiagnosticReport/1", "too-dark"), "not-assessable", "too-dark"),
        (outcome.NotAssessable("DiagnosticReport/1", "of a later version"), "not-assessable", OTHER),
        (outcome.Refused("hash-mismatch"), "refused", "hash-mismatch"),
        (outcome.Refused("Jane Canary"), "refused", OTHER),
    ],
)
def test_a_reason_is_told_where_it_is_a_known_code(tally: Tally, ending: outcome.Durable, how: str, reason: str) -> None:
    with measured() as found:
        tally.tried(attempt(), ending, NOW)
        assert found.labels(EVENTS) == [{"ending": how, "reason": reason, "origin": "live"}]


def test_an_attempt_that_has_to_wait_is_no_event(tally: Tally) -> None:
    with measured() as found:
        tally.tried(attempt(), outcome.Unavailable("https://pictures.example.org", "HTTP 503"), NOW)
        tally.tried(attempt(), outcome.Contended("memory", "no room"), NOW)
        assert found.of(ATTEMPTS, outcome="unavailable", neighbour=OTHER) == 1
        assert found.of(ATTEMPTS, outcome="contended", neighbour="memory") == 1
        assert found.of(EVENTS) == 0


def test_a_record_without_a_time_has_no_latency_and_one_of_the_future_none_below_zero(tally: Tally) -> None:
    with measured() as found:
        tally.tried(attempt(ago_s=NOW.timestamp()), outcome.Refused("not-json"), NOW)
        assert (found.of(EVENTS), found.of(EVENT_LATENCY)) == (1, 0)
        tally.tried(attempt(ago_s=-3600), outcome.Refused("not-json"), NOW)
        assert found.of(EVENT_LATENCY, ending="refused") == 1


def test_what_could_not_be_read_is_counted_as_a_loss(tally: Tally) -> None:
    with measured() as found:
        tally.tried(attempt(unreadable=Unreadable(5, "its checksum does not match")), outcome.Refused("unreadable"), NOW)
        assert found.of(LOSSES, kind="unreadable-batch") == 1


def test_a_dead_letter_is_counted_by_its_reason_and_class() -> None:
    class Invented(errors.Refused):
        reason = "Jane-Canary"

    with measured() as found:
        count_dead_letter(errors.AttemptsExhausted("fhir failed"))
        count_dead_letter(Invented("x"))
        assert found.of(DEAD_LETTERS, reason="attempts-exhausted") == 1
        assert {"reason": OTHER, "class": "permanent"} in found.labels(DEAD_LETTERS)


def test_a_consumer_says_how_it_is_at_the_moment() -> None:
    progress, view = Progress(lambda: 0.0, lambda: ("x: held back",)), [View()]
    watch(progress, lambda: view[0], lambda: 1_000.0)
    log = TopicPartition(LIVE, 3)
    view[0] = View((Partition(log, 5, 940.0), Partition(TopicPartition(BACKFILL, 0), 0, None)), {"live": 940.0})
    progress.began(Position(log, 1))
    progress.turned(undecided=4, paused_for=frozenset({"triton", "https://pictures.example.org"}), held_by="60 of 61")
    with measured() as found:
        assert found.of(CONSUMER_LAG, topic=LIVE, partition="3") == 5
        assert found.of(CONSUMER_LAG_TIME, topic=LIVE, partition="3") == 60
        assert found.of(CONSUMER_LAG_TIME, topic=BACKFILL, partition="0") == 0
        assert [found.of(EVENT_OLDEST_AGE, origin=origin) for origin in ORIGINS] == [60, 0, 0]
        assert (found.of(CONSUMER_EVENTS, state="running"), found.of(CONSUMER_EVENTS, state="waiting")) == (1, 3)
        assert (found.of(CONSUMER_HELD), found.of(CONSUMER_STALLED)) == (1, 1)
        assert {name: found.of(BREAKER_OPEN, neighbour=name) for name in ("kafka", "fhir", "triton", OTHER)} == {
            "kafka": 0,
            "fhir": 0,
            "triton": 1,
            OTHER: 1,
        }
        view[0] = View()
        assert found.of(CONSUMER_LAG, topic=LIVE, partition="3") == 0


text = st.text(max_size=40)
hostile = st.one_of(
    st.builds(outcome.Published, text, text),
    st.builds(outcome.NotAssessable, text, text),
    st.builds(outcome.Refused, text),
    st.builds(outcome.Unavailable, text, text),
    st.builds(outcome.Contended, text, text),
)
VALUES: dict[str, frozenset[str]] = {
    "ending": frozenset({"published", "not-assessable", "refused"}),
    "reason": CODES | errors.reasons() | {OTHER},
    "origin": frozenset(ORIGINS),
    "outcome": frozenset({"ended", "unavailable", "contended"}),
    "neighbour": frozenset({"kafka", "fhir", "triton", "memory", "none", OTHER}),
    "class": frozenset({"permanent", "transient", "poison"}),
    "kind": frozenset({"unreadable-batch"}),
}


@settings(deadline=None, max_examples=50)
@given(results=st.lists(hostile, max_size=20), topic=text, key=text, at_ms=st.integers(-(2**63), 2**63 - 1))
def test_nothing_that_comes_in_makes_a_new_label(results: list[Any], topic: str, key: str, at_ms: int) -> None:
    tally = Tally(BACKFILL, CODES)
    with measured() as found:
        for result in results:
            record = Record(Position(TopicPartition(topic, 1), 1), key.encode(), None, ((key, b"x"),), at_ms)
            tally.tried(Attempt(record), result, NOW)
        counted = {EVENTS, EVENT_LATENCY, ATTEMPTS, DEAD_LETTERS, LOSSES}
        for metric in counted:
            assert metric in CATALOGUE
            for labels in found.labels(metric):
                assert set(labels) == set(metric.labels)
                assert all(value in VALUES[name] for name, value in labels.items())


@settings(deadline=None)
@given(text)
def test_a_neighbour_is_told_by_name_or_as_another(name: str) -> None:
    assert neighbour_label(name) in VALUES["neighbour"]
