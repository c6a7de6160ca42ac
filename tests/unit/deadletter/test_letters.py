"""Dead letters are found by what is known of them, and a damaged one never hides the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from structlog.testing import capture_logs
from tocsin.deadletter.letters import Letter, Wanted, letters
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import AttemptsExhausted, Deferred, NotJson, Poisoned, Refused
from tocsin.kafka.types import Position, TopicPartition

from tests.builders import event_json, record
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOPIC = "letters"


def letter(error: Refused, value: bytes | None = None, *, offset: int = 17, now: datetime = NOON) -> Letter:
    dead = dead_letter(record(value), error, attempts=1, first_failed_at=now, now=now)
    return Letter(Position(TopicPartition(TOPIC, 2), offset), dead)


DOWN = letter(AttemptsExhausted("x"))
BROKEN = letter(NotJson("x"), b"not json")


def test_a_letters_id_is_its_place_short_enough_to_type() -> None:
    assert DOWN.id == "2@17"


def test_a_letter_knows_its_event_where_there_is_one() -> None:
    assert DOWN.event is not None
    assert DOWN.event.media == "Media/m1"
    assert BROKEN.event is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(Wanted(), True, id="everything"),
        pytest.param(Wanted(reasons=frozenset({"not-json", "attempts-exhausted"})), True, id="one of its reasons"),
        pytest.param(Wanted(reasons=frozenset({"not-json"})), False, id="another reason"),
        pytest.param(Wanted(kinds=frozenset({"transient"})), True, id="its class"),
        pytest.param(Wanted(kinds=frozenset({"permanent", "poison"})), False, id="other classes"),
        pytest.param(Wanted(since=NOON), True, id="since its very time"),
        pytest.param(Wanted(since=NOON + HOUR), False, id="since later"),
        pytest.param(Wanted(until=NOON), False, id="until its very time"),
        pytest.param(Wanted(until=NOON + HOUR), True, id="until later"),
        pytest.param(Wanted(ids=frozenset({"2@17"})), True, id="its id"),
        pytest.param(Wanted(ids=frozenset({"1@17", "2@1"})), False, id="other ids"),
        pytest.param(Wanted(media=frozenset({"Media/m1"})), True, id="its Media"),
        pytest.param(Wanted(media=frozenset({"Media/m2"})), False, id="another Media"),
        pytest.param(Wanted(replayed=False), True, id="not replayed"),
        pytest.param(Wanted(replayed=True), False, id="replayed"),
        pytest.param(Wanted(reasons=frozenset({"attempts-exhausted"}), ids=frozenset({"9@9"})), False, id="its reason but another id"),
    ],
)
def test_a_letter_is_wanted_where_every_part_that_was_asked_for_fits(wanted: Wanted, expected: bool) -> None:
    assert wanted.matches(DOWN, replayed=False) == expected


def test_a_replayed_letter_is_wanted_where_replayed_ones_are() -> None:
    assert Wanted(replayed=True).matches(DOWN, replayed=True)
    assert not Wanted(replayed=False).matches(DOWN, replayed=True)


def test_an_event_that_could_not_be_read_is_on_no_media() -> None:
    assert not Wanted(media=frozenset({"Media/m1"})).matches(BROKEN, replayed=False)


def test_only_a_filter_without_any_part_wants_everything() -> None:
    assert Wanted().everything
    assert not Wanted(replayed=False).everything


def test_letters_are_read_in_the_order_of_their_partition_with_their_places() -> None:
    bus = FakeBus(partitions=1)
    for error in (NotJson("x"), AttemptsExhausted("x"), Poisoned("x")):
        send_dead_letter(FakeSink(bus), TOPIC, letter(error).dead, b"key")
    found = list(letters(FakeTopicReader(bus), TOPIC))
    assert [(each.id, each.dead.reason) for each in found] == [("0@0", "not-json"), ("0@1", "attempts-exhausted"), ("0@2", "poison")]


def test_what_the_bus_got_before_is_left_out() -> None:
    bus = FakeBus()
    for hours in range(3):
        bus.now_ms = int((NOON + hours * HOUR).timestamp() * 1000)
        send_dead_letter(FakeSink(bus), TOPIC, letter(NotJson("x"), now=NOON + hours * HOUR).dead, b"key")
    assert [each.dead.last_failed_at for each in letters(FakeTopicReader(bus), TOPIC, NOON + HOUR)] == [NOON + HOUR, NOON + 2 * HOUR]


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(None, id="no value"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"{}", id="another object"),
        pytest.param(orjson.dumps(event_json()), id="an imaging event"),
        pytest.param(DOWN.dead.model_dump_json().encode()[:-9], id="half a dead letter"),
        pytest.param(DOWN.dead.model_dump_json().replace('"class"', '"kind"').encode(), id="a dead letter in other words"),
    ],
)
def test_a_record_that_is_no_dead_letter_is_passed_over_with_a_warning(damaged: bytes | None) -> None:
    bus = FakeBus(partitions=1)
    send_dead_letter(FakeSink(bus), TOPIC, DOWN.dead, b"key")
    bus.append(TOPIC, b"key", damaged)
    send_dead_letter(FakeSink(bus), TOPIC, BROKEN.dead, b"key")
    with capture_logs() as lines:
        found = list(letters(FakeTopicReader(bus), TOPIC))
    assert [each.dead for each in found] == [DOWN.dead, BROKEN.dead]
    assert [(line["log_level"], line["topic"], line["partition"], line["offset"]) for line in lines] == [("warning", TOPIC, 0, 1)]


def test_whoever_asks_may_be_told_of_what_is_no_dead_letter_instead() -> None:
    bus = FakeBus(partitions=1)
    bus.append(TOPIC, b"key", b"{}")
    told: list[Position] = []
    assert list(letters(FakeTopicReader(bus), TOPIC, unreadable=told.append)) == []
    assert [str(each) for each in told] == ["letters[0]@0"]


def test_a_bus_that_is_away_says_so() -> None:
    bus = FakeBus()
    bus.away = True
    with pytest.raises(Deferred):
        list(letters(FakeTopicReader(bus), TOPIC))


def test_a_letter_is_told_from_another_at_the_same_offset_of_another_partition() -> None:
    other = replace(DOWN, position=Position(TopicPartition(TOPIC, 3), 17))
    assert not Wanted(ids=frozenset({DOWN.id})).matches(other, replayed=False)
