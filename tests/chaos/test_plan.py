"""What may be relied on in a schedule of faults."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.plan import KINDS, ROUND, plan

seeds = st.integers(0, 2**31)


@given(seeds)
def test_a_seed_gives_the_same_faults_again_and_a_longer_run_begins_with_them(seed: int) -> None:
    assert plan(seed, 40) == plan(seed, 40)
    assert plan(seed, 40)[:ROUND] == plan(seed, ROUND)


@given(seeds)
def test_a_round_is_one_fault_of_every_kind(seed: int) -> None:
    assert Counter(fault.kind for fault in plan(seed, ROUND)) == Counter(kind.name for kind in KINDS)


@given(seeds)
def test_faults_come_in_their_order_and_each_lasts_as_long_as_its_kind_may(seed: int) -> None:
    limits = {kind.name: kind for kind in KINDS}
    faults = plan(seed, 60)
    assert [fault.number for fault in faults] == list(range(1, 61))
    assert all(earlier.at_s < later.at_s for earlier, later in pairwise(faults))
    for fault in faults:
        kind = limits[fault.kind]
        assert kind.lasts_s[0] <= fault.lasts_s <= kind.lasts_s[1] + 0.01
        assert fault.target in kind.targets


@given(seeds)
def test_three_hundred_faults_take_less_than_an_hour_and_a_round_less_than_four_minutes(seed: int) -> None:
    assert plan(seed, 300)[-1].at_s < 3600
    assert plan(seed, ROUND)[-1].at_s < 240


def test_some_faults_begin_while_another_lasts_and_some_when_all_is_calm() -> None:
    faults = plan(1, 300)
    overlapping = sum(later.at_s < earlier.at_s + earlier.lasts_s for earlier, later in pairwise(faults))
    assert 30 < overlapping < 150


def test_another_seed_gives_other_faults() -> None:
    assert plan(1, ROUND) != plan(2, ROUND)
