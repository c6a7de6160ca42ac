"""A partition is idle where it has work and ends nothing, and never where there is nothing to do."""

from __future__ import annotations

from tests.chaos.load import Published
from tests.chaos.watch import Ended
from tests.deploy.upgrade.idle import Gap, gaps, longest


def published(event: str, at: float, partition: int = 0) -> Published:
    return Published(event, partition, 0, at)


def ended(event: str, at: float, partition: int = 0) -> Ended:
    return Ended(partition, event, at)


def test_an_event_that_waits_alone_makes_a_gap_from_its_publication_to_its_ending() -> None:
    assert gaps([published("a", 10.0)], [ended("a", 12.0)]) == [Gap(0, 10.0, 12.0)]


def test_of_events_that_wait_together_each_gap_ends_with_the_next_ending() -> None:
    found = gaps([published("a", 10.0), published("b", 11.0)], [ended("a", 20.0), ended("b", 20.5)])
    assert found == [Gap(0, 10.0, 20.0), Gap(0, 20.0, 20.5)]


def test_a_partition_without_work_is_not_idle_however_long() -> None:
    found = gaps([published("a", 10.0), published("b", 500.0)], [ended("a", 10.2), ended("b", 500.3)])
    assert [round(gap.seconds, 1) for gap in found] == [0.2, 0.3]


def test_partitions_are_told_apart() -> None:
    found = gaps([published("a", 10.0), published("b", 10.0, 1)], [ended("a", 10.1), ended("b", 30.0, 1)])
    assert longest(found, 0.0, 100.0) == {0: 10.1 - 10.0, 1: 20.0}


def test_an_event_that_is_announced_again_waits_for_the_flag_that_is_told_again() -> None:
    found = gaps([published("a", 10.0), published("a", 20.0)], [ended("a", 10.5), ended("a", 23.0)])
    assert [gap.seconds for gap in found] == [0.5, 3.0]


def test_an_event_of_which_nothing_was_heard_counts_for_no_gap() -> None:
    assert gaps([published("a", 10.0)], []) == []


def test_a_gap_counts_in_every_time_that_it_reaches_into() -> None:
    found = [Gap(0, 10.0, 14.0)]
    assert longest(found, 0.0, 11.0) == longest(found, 13.0, 20.0) == {0: 4.0}
    assert longest(found, 14.0, 20.0) == {}
