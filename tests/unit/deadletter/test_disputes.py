"""Of which pictures it is open whose they are: only a person's replay or closure settles it, and a new refusal opens it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from tocsin.deadletter import disputes
from tocsin.deadletter.closure import close, closed
from tocsin.deadletter.disputes import NAMED_MAX, open_disputes, told
from tocsin.deadletter.letters import Letter, letters
from tocsin.deadletter.replay import By, replay, replayed
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import (
    ContractError,
    HashMismatch,
    IdentityUnsafe,
    MediaUnknown,
    PatientInactive,
    PatientUnknown,
    Refused,
    ReportOfAnother,
    SubjectMismatch,
    SubjectMissing,
    refusals,
)
from tocsin.settings import KafkaSettings

from tests.builders import event_json, record
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPICS = KafkaSettings()


def refuse(bus: FakeBus, error: Refused, media: str = "Media/m1", failed_at: datetime = NOON) -> Letter:
    """A dead letter for an event on this Media."""
    dead = dead_letter(record(orjson.dumps(event_json(media=media))), error, attempts=1, first_failed_at=failed_at, now=failed_at)
    send_dead_letter(FakeSink(bus), TOPICS.topic_dead_letters, dead, b"Patient/p1")
    return list(letters(FakeTopicReader(bus), TOPICS.topic_dead_letters))[-1]


def replay_it(bus: FakeBus, letter: Letter, by: By = "operator") -> None:
    replay(FakeTopicReader(bus), FakeSink(bus), letter, None, topics=TOPICS, replays_max=5, now=NOON, by=by)


def found(bus: FakeBus, *media: str) -> set[str]:
    return set(open_disputes(FakeTopicReader(bus), TOPICS, media or None))


@pytest.mark.parametrize("kind", [SubjectMismatch, SubjectMissing, PatientUnknown, PatientInactive, ReportOfAnother])
def test_a_letter_that_doubts_whose_picture_it_is_disputes_its_media(kind: type[Refused]) -> None:
    bus = FakeBus()
    letter = refuse(bus, kind("x"))
    assert open_disputes(FakeTopicReader(bus), TOPICS) == {"Media/m1": letter.id}


def test_every_reason_of_unsafe_identity_disputes_also_those_that_are_still_to_come() -> None:
    assert {each.reason for each in refusals(IdentityUnsafe)} <= disputes.DISPUTING


@pytest.mark.parametrize("kind", [MediaUnknown, HashMismatch])
def test_other_letters_dispute_nothing(kind: type[Refused]) -> None:
    bus = FakeBus()
    refuse(bus, kind("x"))
    assert found(bus) == set()


def test_only_what_is_asked_for_is_told() -> None:
    bus = FakeBus()
    for media in ("Media/m1", "Media/m2", "Media/m3"):
        refuse(bus, SubjectMismatch("x"), media)
    assert found(bus, "Media/m2", "Media/m9") == {"Media/m2"}
    assert found(bus) == {"Media/m1", "Media/m2", "Media/m3"}


def test_a_persons_replay_settles_it_and_a_replay_that_is_refused_again_opens_it_anew() -> None:
    bus = FakeBus()
    replay_it(bus, refuse(bus, SubjectMismatch("x")))
    assert found(bus) == set()
    again = refuse(bus, SubjectMismatch("x"), failed_at=NOON + timedelta(minutes=1))
    assert open_disputes(FakeTopicReader(bus), TOPICS) == {"Media/m1": again.id}


def test_what_tocsin_replays_by_itself_settles_nothing() -> None:
    bus = FakeBus()
    replay_it(bus, refuse(bus, SubjectMismatch("x")), by="redrive")
    assert found(bus) == {"Media/m1"}


def test_a_closed_letter_settles_it_and_another_that_is_open_does_not_let_it_go() -> None:
    bus = FakeBus()
    first, second = (refuse(bus, kind("x"), failed_at=NOON) for kind in (SubjectMismatch, PatientInactive))
    close(FakeSink(bus), TOPICS.topic_replays, first, NOON)
    assert open_disputes(FakeTopicReader(bus), TOPICS) == {"Media/m1": second.id}
    close(FakeSink(bus), TOPICS.topic_replays, second, NOON)
    assert found(bus) == set()


def test_a_closure_of_a_topic_that_was_made_anew_settles_no_other_letter_at_the_same_place() -> None:
    bus = FakeBus()
    close(FakeSink(bus), TOPICS.topic_replays, refuse(bus, SubjectMismatch("x")), NOON)
    for log in [each for each in bus.logs if each.topic == TOPICS.topic_dead_letters]:
        bus.logs[log].clear()
    refuse(bus, SubjectMismatch("x"), failed_at=NOON + timedelta(days=1))
    assert found(bus) == {"Media/m1"}


def test_closures_and_replays_share_a_topic_and_neither_hides_the_other() -> None:
    bus = FakeBus()
    letter = refuse(bus, SubjectMismatch("x"))
    replay_it(bus, letter)
    close(FakeSink(bus), TOPICS.topic_replays, letter, NOON)
    keys = [each.key for each in bus.records(TOPICS.topic_replays)]
    assert len(set(keys)) == 2
    unread: list[object] = []
    assert list(replayed(FakeTopicReader(bus), TOPICS.topic_replays, unread.append)) == [str(letter.position)]
    assert list(closed(FakeTopicReader(bus), TOPICS.topic_replays, unread.append)) == [str(letter.position)]
    assert unread == []


def test_more_disputes_than_may_be_held_stop_whatever_asks_for_all_of_them() -> None:
    bus = FakeBus()
    for number in range(4):
        refuse(bus, SubjectMismatch("x"), f"Media/m{number}")
    assert len(open_disputes(FakeTopicReader(bus), TOPICS, media_max=4)) == 4
    with pytest.raises(ContractError, match="more than 3 Media"):
        open_disputes(FakeTopicReader(bus), TOPICS, media_max=3)
    assert set(open_disputes(FakeTopicReader(bus), TOPICS, ["Media/m3"], media_max=1)) == {"Media/m3"}


def test_a_line_names_so_many_and_counts_the_rest() -> None:
    said = told({f"Media/m{number:02}": f"0@{number}" for number in range(NAMED_MAX + 3)})
    assert said.startswith("Media/m00 (0@0), Media/m01 (0@1)")
    assert said.endswith(" and 3 more")
