"""A log that lost its end while events of it were in hand: what comes in their place is judged, and nothing in hand is given up."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import orjson
import pytest
from tocsin.consume.attempt import Attempt
from tocsin.consume.partitions.assignment import Assignment
from tocsin.consume.partitions.backlog import Backlog
from tocsin.errors import Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import CommittedOffset, Record, TopicPartition
from tocsin.outcome import Published

from tests.builders import LOG, record
from tests.fakes.bus import FakeBus, FakeSource
from tests.support.consuming import BACKFILL, TOPIC, publish, running
from tests.support.waiting import eventually


class Owner:
    """Who has one partition of a bus, from its beginning."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.backlog = Backlog(BACKFILL)
        self.assignment = Assignment(FakeSource(self.bus, (LOG.topic,)), lambda: None, self.backlog, deaths_max=3, reach=10)
        self.assigned({LOG: None})

    def assigned(self, new: Mapping[TopicPartition, CommittedOffset | None]) -> None:
        with self.assignment.handed_over():
            self.assignment.on_assigned((), new)

    def cut_off(self, offset: int) -> None:
        with self.assignment.handed_over():
            self.assignment.on_cut_off(LOG, offset)

    def took(self, offset: int, value: bytes) -> Attempt:
        attempt = self.assignment.take(record(value, offset=offset))
        assert attempt is not None
        assert attempt.record.value == value
        return attempt

    @property
    def committed(self) -> int:
        """What the group has committed of the partition after one more commit."""
        assert self.assignment.commit()
        return self.bus.committed[LOG]


@pytest.fixture
def owner() -> Owner:
    return Owner()


def test_what_comes_at_the_place_of_an_event_in_hand_is_another_event_once_the_log_was_cut_off(owner: Owner) -> None:
    lost = owner.took(5, b"lost")
    assert owner.assignment.take(record(b"lost", offset=5)) is None
    owner.cut_off(5)
    new = owner.took(5, b"new")
    assert (owner.assignment.holds(lost), owner.assignment.holds(new), owner.assignment.undecided) == (True, True, 2)
    owner.assignment.end(lost)
    assert (owner.committed, owner.assignment.holds(new), owner.assignment.undecided) == (5, True, 1)
    owner.assignment.end(new)
    assert (owner.committed, owner.assignment.undecided) == (6, 0)


def test_what_stands_before_the_cut_still_holds_up_the_commit(owner: Owner) -> None:
    stays, lost = owner.took(4, b"stays"), owner.took(5, b"lost")
    owner.cut_off(5)
    new = owner.took(5, b"new")
    owner.assignment.end(new)
    owner.assignment.end(lost)
    assert owner.committed == 4
    assert owner.assignment.holds(stays)
    owner.assignment.end(stays)
    assert owner.committed == 6


def test_a_group_is_told_at_once_that_it_goes_on_where_the_log_was_cut_off(owner: Owner) -> None:
    for offset in (4, 5):
        owner.assignment.end(owner.took(offset, b"ended"))
    assert owner.committed == 6
    owner.cut_off(5)
    assert owner.committed == 5


def test_a_log_may_be_cut_off_again_and_each_event_in_hand_is_told_apart(owner: Owner) -> None:
    first = owner.took(5, b"first")
    owner.cut_off(5)
    second, third = owner.took(5, b"second"), owner.took(6, b"third")
    owner.cut_off(6)
    fourth = owner.took(6, b"fourth")
    for attempt in (fourth, third, first):
        owner.assignment.end(attempt)
    assert (owner.committed, owner.assignment.undecided) == (5, 1)
    owner.assignment.end(second)
    assert (owner.committed, owner.assignment.undecided) == (7, 0)


def test_a_partition_that_goes_to_another_process_takes_what_was_cut_off_of_it_along(owner: Owner) -> None:
    stays, lost = owner.took(4, b"stays"), owner.took(5, b"lost")
    owner.cut_off(5)
    owner.assigned({})
    owner.assigned({LOG: None})
    again = owner.took(4, b"stays")
    assert [owner.assignment.holds(each) for each in (stays, lost, again)] == [False, False, True]
    owner.assignment.end(lost)
    assert owner.assignment.undecided == 1


def test_the_age_of_what_is_in_hand_is_that_of_what_the_log_holds(owner: Owner) -> None:
    lost = owner.took(5, b"lost")
    owner.backlog.took(lost.record, "live", 1e9)
    owner.cut_off(5)
    owner.backlog.look({}, {}, 1e9)
    assert owner.backlog.view.oldest == {}
    owner.backlog.took(owner.took(5, b"new").record, "live", 1e9)
    owner.assignment.end(lost)
    owner.backlog.look({}, {}, 1e9)
    assert owner.backlog.view.oldest.keys() == {"live"}


class CutSource(FakeSource):
    """A bus whose one broker comes back without its end."""

    def __init__(self, bus: FakeBus) -> None:
        super().__init__(bus, (TOPIC, BACKFILL))
        self.cut_at: int | None = None

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """See EventSource."""
        at, self.cut_at = self.cut_at, None
        if at is not None:
            for log in list(self._positions):
                del self._bus.logs[log][at:]
                self._positions[log] = at
                self._member.on_cut_off(log, at)
            publish(self._bus, 2, patient="p2")
        return super().poll(wait_s, records_max)


def test_an_event_that_waits_and_the_one_that_took_its_place_are_both_judged_and_committed() -> None:
    bus, ends, judged, tried = FakeBus(partitions=1), threading.Event(), list[str](), threading.Event()

    def journey(event: ImagingEvent) -> Published:
        tried.set()
        if event.id == "evt-1" and not ends.is_set():
            raise Unavailable("other", "away")
        judged.append(event.id)
        return Published(f"DiagnosticReport/{event.id}", "high")

    publish(bus, 1, patient="p1")
    source = CutSource(bus)
    with running(bus, journey, source=source):
        assert tried.wait(5)
        source.cut_at = 0
        eventually(lambda: judged == ["evt-2"], what="the event that is new")
        ends.set()
        eventually(lambda: judged == ["evt-2", "evt-1"], what="the event that was in hand")
        eventually(lambda: list(bus.committed.values()) == [1], what="the commit")
    assert [orjson.loads(each.value or b"")["id"] for each in bus.records(TOPIC)] == ["evt-2"]
