"""Live events first, and never more in hand than the bounds allow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.consume.flow.backpressure import NOTHING, Backpressure, Demand, Load
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.settings import ConsumeSettings

from tests.builders import record

LIVE, BACKFILL = "live", "backfill"
BOTH = frozenset((LIVE, BACKFILL))
SETTINGS = ConsumeSettings(workers=8, in_flight_max=16, held_max=32)
IDLE = Load(0, 0, 0)


def events(topic: str, count: int) -> list[Record]:
    return [replace(record(), position=Position(TopicPartition(topic, 0), offset)) for offset in range(count)]


def intake(*, drained: bool) -> Backpressure:
    made = Backpressure(LIVE, BACKFILL, SETTINGS)
    made.polled(Demand(16, frozenset((LIVE,))), [] if drained else events(LIVE, 16))
    return made


def test_while_there_is_a_backlog_of_live_events_nothing_else_is_taken_in() -> None:
    assert intake(drained=False).demand(IDLE) == Demand(16, frozenset((LIVE,)))


def test_once_the_live_events_are_taken_in_backfill_may_have_half_of_the_workers() -> None:
    assert intake(drained=True).demand(IDLE) == Demand(4, BOTH)
    assert intake(drained=True).demand(Load(2, 3, 3)) == Demand(1, BOTH)
    assert intake(drained=True).demand(Load(2, 4, 4)) == Demand(14, frozenset((LIVE,)))


def test_a_poll_that_found_only_backfill_leaves_the_live_events_drained() -> None:
    made = intake(drained=True)
    made.polled(Demand(4, BOTH), events(BACKFILL, 4))
    assert made.demand(Load(4, 4, 0)).topics == BOTH


@pytest.mark.parametrize(("busy", "undecided", "room"), [(0, 0, 16), (10, 10, 6), (0, 30, 2)])
def test_there_is_room_up_to_both_bounds(busy: int, undecided: int, room: int) -> None:
    assert intake(drained=False).demand(Load(busy, undecided, 0)).records == room


@pytest.mark.parametrize("load", [Load(16, 16, 0), Load(0, 32, 0)], ids=["the workers", "memory"])
def test_once_full_it_stays_so_until_half_is_free(load: Load) -> None:
    made = intake(drained=False)
    assert made.demand(load) == NOTHING
    assert made.demand(Load(min(load.busy, 9), min(load.undecided, 25), 0)) == NOTHING
    assert made.demand(Load(min(load.busy, 8), min(load.undecided, 24), 0)).records == 8


def test_partitions_that_go_first_go_alone_unless_nothing_comes_of_them() -> None:
    made, first = intake(drained=False), frozenset((TopicPartition(LIVE, 1),))
    assert made.demand_one(first) == Demand(1, BOTH, first)
    made.polled(made.demand_one(first), [])
    assert made.demand_one(first) == Demand(1, BOTH)
    made.polled(made.demand_one(first), events(LIVE, 1))
    assert made.demand_one(first) == Demand(1, BOTH, first)


def test_no_room_says_nothing_of_the_live_events() -> None:
    made = intake(drained=False)
    made.polled(NOTHING, [])
    assert made.demand(IDLE).topics == {LIVE}
