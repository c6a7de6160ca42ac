"""Transient dead letters are tried again by themselves: later each time, not for ever, and nothing else ever is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from structlog.testing import capture_logs
from tocsin.deadletter.closure import close
from tocsin.deadletter.letters import Letter, letters
from tocsin.deadletter.redrive import BATCHES_MAX, RedrivePolicy, due, redrive
from tocsin.deadletter.replay import Replay, replayed
from tocsin.deadletter.types import REPLAYS_HEADER, Digest, dead_letter, send_dead_letter
from tocsin.errors import AttemptsExhausted, DefectFound, Deferred, Poisoned, Refused, SubjectMismatch
from tocsin.kafka.types import Position, TopicPartition
from tocsin.settings import ReplaySettings, Settings, WorkSettings

from tests.builders import event_json, record
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = RedrivePolicy(initial_s=600, max_s=3000, replays_max=4, batch_max=10)
DOWN = AttemptsExhausted("fhir failed")
SETTINGS = Settings(work=WorkSettings(redrive_batch_max=2), replay=ReplaySettings(replays_max=3))


def letter(error: Refused = DOWN, *, replays: int = 0, offset: int = 1, origin: int | None = None, ago_s: float = 1e6) -> Letter:
    """A dead letter at `offset`, of the event at `origin`; it failed last `ago_s` seconds before noon."""
    failed = NOON - timedelta(seconds=ago_s)
    headers = ((REPLAYS_HEADER, b"%d" % replays),) if replays else ()
    refused = record(offset=offset if origin is None else origin, headers=headers)
    dead = dead_letter(refused, error, attempts=6, first_failed_at=failed - timedelta(minutes=10), now=failed)
    return Letter(Position(TopicPartition("letters", 0), offset), dead)


def chosen(found: list[Letter], replays: dict[str, Replay] | None = None) -> list[Letter]:
    """What is due at noon."""
    return due(lambda: iter(found), replays or {}, POLICY, NOON)


def replay_of(it: Letter) -> dict[str, Replay]:
    failed_at = it.dead.last_failed_at
    name = str(it.position)
    return {name: Replay(version=1, dead_letter=name, failed_at=failed_at, at=failed_at, replays=1, by="operator")}


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(letter(ago_s=600), True, id="when its first pause is over"),
        pytest.param(letter(ago_s=599), False, id="not a second before"),
        pytest.param(letter(replays=1, ago_s=1200), True, id="after a replay the pause is twice as long"),
        pytest.param(letter(replays=1, ago_s=1199), False, id="and not a second shorter"),
        pytest.param(letter(replays=3, ago_s=3000), True, id="up to the longest pause"),
        pytest.param(letter(replays=3, ago_s=2999), False, id="which is waited for"),
        pytest.param(letter(replays=4), False, id="not beyond the cap"),
        pytest.param(letter(SubjectMismatch("x")), False, id="never a permanent one"),
        pytest.param(letter(Poisoned("x")), False, id="never one that killed the process"),
        pytest.param(letter(DefectFound("x")), False, id="never a defect of ours"),
    ],
)
def test_a_dead_letter_is_redriven(it: Letter, expected: bool) -> None:
    assert (chosen([it]) == [it]) == expected


def test_a_letter_that_anybody_replayed_is_left_alone() -> None:
    tried, other = letter(offset=1), letter(offset=2)
    assert chosen([tried, other], replay_of(tried)) == [other]


def test_a_record_without_a_value_would_be_refused_for_ever_and_is_left_alone() -> None:
    empty = letter()
    nothing = empty.dead.model_copy(update={"original": empty.dead.original.model_copy(update={"value": None})})
    assert chosen([replace(empty, dead=nothing)]) == []


def test_an_event_that_was_dead_lettered_twice_is_redriven_once() -> None:
    twice = [letter(offset=1, origin=7, ago_s=5000), letter(offset=2, origin=7, ago_s=4000)]
    assert chosen(twice) == twice[:1]


@pytest.mark.parametrize("tried", [0, 1])
def test_an_event_that_was_dead_lettered_twice_and_replayed_once_is_left_alone(tried: int) -> None:
    twice = [letter(offset=1, origin=7), letter(offset=2, origin=7)]
    assert chosen(twice, replay_of(twice[tried])) == []


def test_the_twin_of_what_was_replayed_takes_no_place_in_a_batch() -> None:
    twins = [letter(offset=number, origin=number % 10, ago_s=9000 - number) for number in range(20)]
    replays = {name: replay for each in twins[10:] for name, replay in replay_of(each).items()}
    younger = [letter(offset=100 + number, ago_s=5000 - number) for number in range(10)]
    assert chosen([*twins[:10], *younger, *twins[10:]], replays) == younger


def test_the_oldest_failures_come_first_and_no_more_than_a_batch() -> None:
    found = [letter(offset=number, ago_s=1000 + number) for number in range(30)]
    batch = chosen(found)
    assert batch == found[:-11:-1]


def test_pauses_double_up_to_the_longest_whatever_the_count() -> None:
    assert [POLICY.delay_s(replays) for replays in (0, 1, 2, 3, 9999)] == [600, 1200, 2400, 3000, 3000]


def refuse(bus: FakeBus, *them: Letter) -> None:
    bus.now_ms = int(NOON.timestamp() * 1000)
    for each in them:
        send_dead_letter(FakeSink(bus), SETTINGS.kafka.topic_dead_letters, each.dead, b"Patient/p1")


def redriven(bus: FakeBus, settings: Settings = SETTINGS) -> int:
    return redrive(FakeTopicReader(bus), FakeSink(bus), settings, lambda: NOON)


def test_what_is_replayed_is_remembered_on_the_bus_and_not_replayed_again() -> None:
    bus = FakeBus()
    refuse(bus, letter(), letter(DefectFound("x"), offset=2))
    assert [redriven(bus), redriven(bus)] == [1, 0]
    assert len(bus.records(SETTINGS.kafka.topic_imaging)) == 1
    assert [each.by for each in replayed(FakeTopicReader(bus), SETTINGS.kafka.topic_replays).values()] == ["redrive"]


def test_what_does_not_fit_into_one_batch_comes_with_the_next() -> None:
    bus = FakeBus()
    refuse(bus, *(letter(offset=number) for number in range(5)))
    assert [redriven(bus) for _ in range(4)] == [2, 2, 1, 0]


def test_letters_older_than_the_window_are_left_to_operators() -> None:
    bus = FakeBus()
    refuse(bus, letter())
    bus.now_ms = 0
    late = NOON + timedelta(seconds=SETTINGS.work.redrive_window_s + 1)
    assert redrive(FakeTopicReader(bus), FakeSink(bus), SETTINGS, lambda: late) == 0


def test_no_event_is_replayed_more_often_than_is_allowed_in_all() -> None:
    bus = FakeBus()
    refuse(bus, letter(replays=3))
    assert SETTINGS.work.redrive_replays_max > SETTINGS.replay.replays_max
    assert redriven(bus) == 0
    assert bus.records(SETTINGS.kafka.topic_imaging) == []


def test_letters_that_were_replayed_as_often_as_is_allowed_in_all_keep_no_other_out() -> None:
    bus = FakeBus()
    refuse(bus, letter(replays=3, offset=1), letter(replays=3, offset=2), letter(offset=3, ago_s=5e5))
    assert redriven(bus) == 1


def large(offset: int, ago_s: float = 1e6) -> Letter:
    """A letter that was too small for its record."""
    it = letter(offset=offset, ago_s=ago_s)
    digest = Digest.of(it.dead.original.record)
    return replace(
        it, dead=it.dead.model_copy(update={"original": it.dead.original.model_copy(update={"value": None, "left_out": digest})})
    )


@pytest.mark.parametrize("gone", [1, 2, 5])
def test_letters_whose_records_are_gone_keep_no_other_out_and_are_said(gone: int) -> None:
    bus = FakeBus(partitions=1)
    refuse(bus, *(large(number) for number in range(gone)), *(letter(offset=100 + number, ago_s=5e5 + number) for number in range(3)))
    with capture_logs() as lines:
        assert redriven(bus) == 2
    assert lines[0]["found"] == gone
    assert lines[0]["detail"].startswith("0@0 (gone)")
    assert [redriven(bus), redriven(bus)] == [1, 0]


def test_more_letters_than_one_run_looks_at_are_looked_at_no_further() -> None:
    bus = FakeBus()
    refuse(bus, *(large(number) for number in range(2 * BATCHES_MAX)), letter(offset=100, ago_s=5e5))
    with capture_logs() as lines:
        assert redriven(bus) == 0
    assert [each["found"] for each in lines] == [2 * BATCHES_MAX]


def test_a_letter_that_its_topic_does_not_take_keeps_no_other_out_and_its_twin_is_left_out_with_it() -> None:
    bus, failed = FakeBus(), NOON - timedelta(seconds=1e6)
    dead = dead_letter(record(b"x" * 3000, offset=7), DOWN, attempts=6, first_failed_at=failed, now=failed)
    refuse(bus, *(Letter(Position(TopicPartition("letters", 0), number), dead) for number in range(2)), letter(offset=9, ago_s=5e5))
    bus.record_bytes_max = 2000
    with capture_logs() as lines:
        assert redriven(bus) == 1
    assert "(too-large)" in lines[0]["detail"]
    assert lines[0]["found"] == 1


def test_while_the_bus_is_away_nothing_is_lost() -> None:
    bus = FakeBus()
    refuse(bus, letter())
    bus.away = True
    with pytest.raises(Deferred):
        redriven(bus)
    bus.away = False
    assert redriven(bus) == 1


def disputed(bus: FakeBus, media: str) -> Letter:
    """An open question whose picture this is."""
    refused = record(orjson.dumps(event_json(media=media)), offset=77)
    dead = dead_letter(refused, SubjectMismatch("x"), attempts=1, first_failed_at=NOON, now=NOON)
    send_dead_letter(FakeSink(bus), SETTINGS.kafka.topic_dead_letters, dead, None)
    return list(letters(FakeTopicReader(bus), SETTINGS.kafka.topic_dead_letters))[-1]


def test_what_is_about_a_picture_of_which_it_is_open_whose_it_is_is_not_redriven_and_keeps_no_other_out() -> None:
    bus = FakeBus(partitions=1)
    question = disputed(bus, "Media/m1")
    other = record(orjson.dumps(event_json(media="Media/m2")), offset=9)
    failed = NOON - timedelta(hours=1)
    refuse(bus, *(letter(offset=number) for number in range(1, 5)))
    refuse(bus, Letter(Position(TopicPartition("letters", 0), 9), dead_letter(other, DOWN, attempts=6, first_failed_at=failed, now=failed)))
    with capture_logs() as lines:
        assert redriven(bus) == 1
    assert [orjson.loads(each.value or b"")["media"] for each in bus.records(SETTINGS.kafka.topic_imaging)] == ["Media/m2"]
    assert f"Media/m1 ({question.id})" in lines[0]["detail"]
    close(FakeSink(bus), SETTINGS.kafka.topic_replays, question, NOON)
    assert redriven(bus) == 2


def test_a_letter_that_a_person_closed_is_not_redriven() -> None:
    bus = FakeBus()
    refuse(bus, letter())
    [standing] = letters(FakeTopicReader(bus), SETTINGS.kafka.topic_dead_letters)
    close(FakeSink(bus), SETTINGS.kafka.topic_replays, standing, NOON)
    assert redriven(bus) == 0
