"""A replay is the same event once more, counted, remembered, and bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tocsin.deadletter.letters import Letter
from tocsin.deadletter.replay import Barred, Replay, barred, count, destination, replay, replay_of, replayed
from tocsin.deadletter.types import dead_letter
from tocsin.errors import AttemptsExhausted, Deferred, Unavailable
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.settings import KafkaSettings

from tests.builders import record
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
TOPICS = KafkaSettings()
REPLAYS_MAX = 3
Headers = tuple[tuple[str, bytes], ...]


def letter(refused: Record | None = None, *, offset: int = 17) -> Letter:
    dead = dead_letter(refused or record(), AttemptsExhausted("x"), attempts=6, first_failed_at=NOON, now=NOON)
    return Letter(Position(TopicPartition(TOPICS.topic_dead_letters, 2), offset), dead)


def replay_it(bus: FakeBus, it: Letter, earlier: Replay | None = None, now: datetime = LATER) -> Replay | Barred:
    return replay(FakeTopicReader(bus), FakeSink(bus), it, earlier, topics=TOPICS, replays_max=REPLAYS_MAX, now=now, by="operator")


def done(bus: FakeBus, it: Letter, earlier: Replay | None = None, now: datetime = LATER) -> Replay:
    ending = replay_it(bus, it, earlier, now)
    assert isinstance(ending, Replay)
    return ending


def from_topic(topic: str) -> Record:
    return replace(record(b"\xff\x00 any bytes"), position=Position(TopicPartition(topic, 1), 4))


@pytest.mark.parametrize(
    ("topic", "to"),
    [
        pytest.param(TOPICS.topic_imaging, TOPICS.topic_imaging, id="the imaging topic"),
        pytest.param(TOPICS.topic_backfill, TOPICS.topic_backfill, id="the backfill topic"),
        pytest.param("imaging.events.v0", TOPICS.topic_imaging, id="a topic that Tocsin reads no more"),
    ],
)
def test_the_unchanged_event_goes_back_under_its_key_to_the_topic_it_came_from(topic: str, to: str) -> None:
    bus, refused = FakeBus(), from_topic(topic)
    done(bus, letter(refused))
    (sent,) = bus.records(to)
    assert destination(letter(refused), TOPICS) == to
    assert (sent.key, sent.value) == (refused.key, refused.value)


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        pytest.param((), (), id="no header"),
        pytest.param((("source", b"\xff"), ("source", b"again")), (("source", b"\xff"), ("source", b"again")), id="the sender's own"),
        pytest.param(
            (("traceparent", b"00-ab"), ("a", b"1"), ("tracestate", b"x=y"), ("b", b"2")), (("a", b"1"), ("b", b"2")), id="a trace"
        ),
        pytest.param((("tocsin-replay-of", b"old[0]@0"), ("a", b"1")), (("a", b"1"),), id="an earlier replay"),
    ],
)
def test_headers_stay_but_for_the_old_trace_and_what_an_earlier_replay_added(before: Headers, kept: Headers) -> None:
    bus = FakeBus()
    done(bus, letter(record(headers=before)))
    (sent,) = bus.records(TOPICS.topic_imaging)
    added = (("tocsin-replays", b"1"), ("tocsin-replay-of", b"imaging.events.v1.dead-letters[2]@17"))
    assert tuple(each for each in sent.headers if each[0] != "traceparent") == (*kept, *added)
    assert ("traceparent", b"00-ab") not in sent.headers  # it has one of its own where this process traces


def test_an_event_that_is_refused_again_and_again_counts_its_replays() -> None:
    bus, refused, counted = FakeBus(partitions=1), record(), []
    for _ in range(REPLAYS_MAX):
        counted.append(done(bus, letter(refused)).replays)
        refused = bus.records(TOPICS.topic_imaging)[-1]
    assert counted == [1, 2, 3]
    assert [name for name, _ in refused.headers].count("tocsin-replays") == 1
    assert replay_it(bus, letter(refused)) is Barred.CAP
    assert len(bus.records(TOPICS.topic_imaging)) == len(bus.records(TOPICS.topic_replays)) == REPLAYS_MAX


def test_the_same_dead_letter_replayed_again_and_again_counts_too() -> None:
    bus, earlier = FakeBus(), None
    for _ in range(REPLAYS_MAX):
        earlier = done(bus, letter(), earlier)
    assert count(letter(), earlier) == REPLAYS_MAX
    assert barred(letter(), earlier, REPLAYS_MAX) is Barred.CAP
    assert replay_it(bus, letter(), earlier) is Barred.CAP
    assert len(bus.records(TOPICS.topic_imaging)) == REPLAYS_MAX


def test_a_record_without_a_value_is_never_replayed() -> None:
    bus = FakeBus()
    assert replay_it(bus, letter(replace(record(), value=None))) is Barred.NO_VALUE
    assert bus.logs == {}


def test_a_replay_is_remembered_by_the_dead_letters_place() -> None:
    bus = FakeBus()
    first = done(bus, letter(offset=1))
    done(bus, letter(offset=2))
    second = done(bus, letter(offset=2), now=LATER + timedelta(hours=1))
    found = replayed(FakeTopicReader(bus), TOPICS.topic_replays)
    assert found == {first.dead_letter: first, second.dead_letter: second}
    assert (replay_of(found, letter(offset=1)), replay_of(found, letter(offset=2)), replay_of(found, letter(offset=3))) == (
        first,
        second,
        None,
    )
    assert {each.key for each in bus.records(TOPICS.topic_replays)} == {first.dead_letter.encode(), second.dead_letter.encode()}


def test_a_dead_letter_on_a_topic_made_anew_does_not_pass_for_the_one_that_stood_there_before() -> None:
    bus = FakeBus()
    found = {(before := done(bus, letter())).dead_letter: before}
    dead = letter().dead.model_copy(update={"last_failed_at": LATER})
    assert replay_of(found, replace(letter(), dead=dead)) is None


def test_what_is_no_replay_is_passed_over() -> None:
    bus = FakeBus()
    one = done(bus, letter())
    places: list[Position] = []
    for value in (None, b"{}", b"\xff"):
        bus.append(TOPICS.topic_replays, b"x", value)
    assert list(replayed(FakeTopicReader(bus), TOPICS.topic_replays, places.append).values()) == [one]
    assert len(places) == 3


class Failing(FakeSink):
    """Takes nothing on one topic, and keeps the order of what it was asked."""

    def __init__(self, bus: FakeBus, topic: str) -> None:
        super().__init__(bus)
        self._topic = topic
        self.asked: list[str] = []

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        self.asked.append(topic)
        if topic == self._topic:
            raise Unavailable("kafka", "KafkaTimeoutError")
        super().send(topic, key, value, headers)


@pytest.mark.parametrize(
    ("failing", "asked"),
    [
        pytest.param(TOPICS.topic_imaging, [TOPICS.topic_imaging], id="the event cannot be sent"),
        pytest.param(TOPICS.topic_replays, [TOPICS.topic_imaging, TOPICS.topic_replays], id="the replay cannot be remembered"),
    ],
)
def test_a_replay_is_remembered_only_after_the_event_was_sent(failing: str, asked: list[str]) -> None:
    bus = FakeBus()
    sink = Failing(bus, failing)
    with pytest.raises(Deferred):
        replay(FakeTopicReader(bus), sink, letter(), None, topics=TOPICS, replays_max=REPLAYS_MAX, now=LATER, by="redrive")
    assert sink.asked == asked
    assert bus.records(TOPICS.topic_replays) == []


def too_large(bus: FakeBus, *, stands: bool = True, value: bytes = b"x" * 50_000) -> tuple[Letter, Record]:
    """A letter of a record that it does not hold, and the record."""
    place = bus.append(TOPICS.topic_imaging, b"Patient/p1", value, [("h", b"y" * 50_000)], at_ms=7)
    (refused,) = bus.records(TOPICS.topic_imaging)
    dead = dead_letter(refused, AttemptsExhausted("x"), attempts=6, first_failed_at=NOON, now=NOON, bytes_max=40_000)
    if not stands:
        bus.logs[place.topic_partition][0] = replace(refused, value=b"another, in a topic that was made anew")
    return Letter(Position(TopicPartition(TOPICS.topic_dead_letters, 2), 17), dead), refused


def test_an_event_too_large_for_its_letter_is_read_again_where_it_stands() -> None:
    bus = FakeBus(partitions=1)
    it, refused = too_large(bus)
    done(bus, it)
    sent = bus.records(TOPICS.topic_imaging)[-1]
    assert (sent.key, sent.value, sent.headers[0]) == (refused.key, refused.value, refused.headers[0])


def test_an_event_too_large_for_its_letter_is_replayed_from_what_was_kept_once_it_is_gone() -> None:
    bus = FakeBus(partitions=1)
    it, refused = too_large(bus, stands=False, value=b"{}")
    done(bus, it)
    sent = bus.records(TOPICS.topic_imaging)[-1]
    assert (sent.key, sent.value) == (refused.key, b"{}")


def test_an_event_too_large_for_its_letter_that_is_gone_is_said_to_be() -> None:
    bus = FakeBus(partitions=1)
    it, _ = too_large(bus, stands=False)
    assert barred(it, None, REPLAYS_MAX) is None
    assert replay_it(bus, it) is Barred.GONE
    assert len(bus.records(TOPICS.topic_imaging)) == 1
    assert bus.records(TOPICS.topic_replays) == []


def test_an_event_that_its_topic_does_not_take_again_stops_no_other_replay() -> None:
    bus = FakeBus(partitions=1)
    bus.record_bytes_max = 100
    assert replay_it(bus, letter()) is Barred.TOO_LARGE
    assert bus.records(TOPICS.topic_replays) == []
