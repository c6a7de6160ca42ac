"""How long events stood still after a fault: counted per partition, and only where nothing else went wrong meanwhile."""

from __future__ import annotations

import pytest

from tests.chaos.faults import Done
from tests.chaos.load import Published
from tests.chaos.plan import Fault
from tests.chaos.supervisor import Death
from tests.chaos.watch import Ended, recoveries, standstill_s


def published(event: str, at: float, partition: int = 0) -> Published:
    return Published(event, partition, 0, at)


def ended(event: str, at: float, partition: int = 0) -> Ended:
    return Ended(partition, event, at)


def done(kind: str, began_at: float, ended_at: float) -> Done:
    return Done(Fault(1, kind, "x", 0, 0), began_at, ended_at)


def test_a_partition_stood_still_until_the_first_of_its_waiting_events_ended() -> None:
    assert standstill_s(10, 20, [published("a", 9)], [ended("a", 12.5)]) == 2.5


def test_the_partition_that_stood_still_for_longest_counts() -> None:
    waiting = [published("a", 9), published("b", 9, partition=1)]
    assert standstill_s(10, 20, waiting, [ended("a", 11), ended("b", 14, partition=1)]) == 4


def test_a_partition_without_work_counts_from_the_moment_it_gets_some() -> None:
    assert standstill_s(10, 20, [published("a", 13)], [ended("a", 13.5)]) == 0.5


def test_nothing_is_said_where_nothing_was_to_be_done_or_a_partition_did_not_move_in_time() -> None:
    assert standstill_s(10, 20, [published("a", 1)], [ended("a", 2)]) is None
    assert standstill_s(10, 20, [published("a", 9)], [ended("a", 21)]) is None
    assert standstill_s(10, 20, [published("a", 9), published("b", 9, partition=1)], [ended("a", 11)]) is None
    assert standstill_s(10, 20, [published("a", 9), published("b", 19.5, partition=1)], [ended("a", 11)]) == 1


@pytest.mark.parametrize(("kind", "seconds"), [("triton-killed", 1.0), ("consumer-killed", 6.0)])
def test_a_part_has_recovered_from_when_it_is_ready_and_a_consumer_from_the_blow(kind: str, seconds: float) -> None:
    found = recoveries([done(kind, 10, 15)], [], [published("a", 9)], [ended("a", 16)], until=100)
    assert found == {kind: [seconds]}


def test_of_a_part_that_all_partitions_need_the_next_flag_counts_wherever_it_comes() -> None:
    waiting = [published("a", 9), published("b", 9, partition=1)]
    ends = [ended("a", 16), ended("b", 19, partition=1)]
    assert recoveries([done("triton-killed", 10, 15)], [], waiting, ends, until=100) == {"triton-killed": [1.0]}
    assert recoveries([done("consumer-frozen", 10, 15)], [], waiting, ends, until=100) == {"consumer-frozen": [4.0]}
    early = [*ends, Ended(0, "c", 15.1, flag=False)]
    assert recoveries([done("triton-killed", 10, 15)], [], waiting, early, until=100) == {"triton-killed": [1.0]}


def test_a_fault_that_another_fault_disturbs_has_no_figure() -> None:
    work, ends = [published("a", 9)], [ended("a", 16)]
    fault, during, after = done("triton-killed", 10, 15), done("wire-cut", 14, 18), done("wire-cut", 15.5, 15.6)
    assert "triton-killed" not in recoveries([fault, during], [], work, ends, until=100)
    assert "triton-killed" not in recoveries([fault, after], [], work, ends, until=100)
    aside = done("redis-burnt", 15.5, 15.6)
    assert recoveries([fault, aside], [], work, ends, until=100)["triton-killed"] == [1.0], "no event waits for Redis"


def test_a_consumer_that_poison_kills_meanwhile_has_no_figure_and_one_that_the_fault_itself_killed_has() -> None:
    work, ends, fault = [published("a", 9)], [ended("a", 16)], done("consumer-killed", 10, 15)
    assert recoveries([fault], [Death("consume-1", 15.5, -11, struck=False)], work, ends, until=100) == {}
    assert recoveries([fault], [Death("consume-1", 10.1, -9, struck=True)], work, ends, until=100) == {"consumer-killed": [6.0]}
