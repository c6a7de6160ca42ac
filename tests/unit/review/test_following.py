"""What the bus holds comes onto the list, and what is none of its business is passed over."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel
from tocsin.kafka.records import encode
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.review.following import Intake
from tocsin.review.worklist import Ranks, Worklist

from tests.builders import card
from tests.support.flags import NOW, feedback, flag, standing, verdict

DAY = timedelta(days=1)


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def intake(clock: Clock | None = None) -> Intake:
    return Intake(Worklist(Ranks.of(card().operating_point.bands), 100), "flags", 30 * DAY, clock or Clock(), "feedback")


def take(of: Intake, topic: str, value: BaseModel | bytes | None) -> None:
    content = encode(value) if isinstance(value, BaseModel) else value
    of.take(Record(Position(TopicPartition(topic, 0), 0), b"key", content, (), 0))


def test_flags_verdicts_and_standings_are_taken_in() -> None:
    of = intake()
    take(of, "flags", flag(1))
    take(of, "verdicts", verdict(1))
    take(of, "verdicts", standing(1))
    assert [(row.report, row.status) for row in of.worklist.rows()] == [("DiagnosticReport/r1", "final")]


def test_feedback_is_taken_in_from_its_own_topic_alone() -> None:
    of = intake()
    take(of, "flags", flag(1))
    take(of, "verdicts", feedback(1))
    assert [bool(row.in_ehr) for row in of.worklist.rows()] == [False]
    take(of, "feedback", feedback(1))
    take(of, "feedback", b"{}")
    assert [(bool(row.in_ehr), row.unread) for row in of.worklist.rows()] == [(True, True)]


def test_what_is_of_another_kind_or_of_none_is_passed_over() -> None:
    of = intake()
    for value in (b'{"kind": "outcome", "version": 1}', b"[]", b"{}", b"not json", b"", None):
        take(of, "verdicts", value)
        take(of, "flags", value)
    take(of, "flags", flag(1))
    assert len(of.worklist) == 1


def test_what_is_too_old_is_forgotten_as_time_goes_by() -> None:
    clock = Clock()
    of = intake(clock)
    take(of, "flags", flag(1, "below-threshold"))
    take(of, "flags", flag(2, "high"))
    clock.now = NOW + 31 * DAY
    take(of, "flags", flag(3, at=clock.now))
    assert [row.report for row in of.worklist.rows()] == ["DiagnosticReport/r3", "DiagnosticReport/r2"]
    assert of.since() == NOW + DAY


def test_reading_anew_begins_with_an_empty_list() -> None:
    of = intake()
    take(of, "flags", flag(1))
    of.begin()
    assert len(of.worklist) == 0
