"""Shares and their intervals, against statsmodels and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from tocsin.learning.statistics.proportions import (
    clustered_exact,
    clustered_wilson,
    effective_size,
    exact,
    exact_lower,
    exact_upper,
    share,
    weighted_sum,
    wilson,
)
from tocsin.learning.types import Interval


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("hits", "of"), [(0, 1), (1, 1), (0, 20), (19, 20), (20, 20), (37, 110), (999_000, 1_000_000)])
def test_intervals_are_those_of_statsmodels(hits: int, of: int, confidence: float) -> None:
    assert wilson(hits, of, confidence)[1:3] == pytest.approx(proportion_confint(hits, of, 1 - confidence, "wilson"), abs=1e-9)
    assert exact(hits, of, confidence)[1:3] == pytest.approx(proportion_confint(hits, of, 1 - confidence, "beta"), abs=1e-9)


def test_one_sided_bounds_by_hand() -> None:
    assert exact_lower(29, 29) == pytest.approx(0.05 ** (1 / 29))
    assert exact_upper(0, 29) == pytest.approx(1 - 0.05 ** (1 / 29))
    assert exact_lower(0, 29) == 0.0
    assert exact_upper(29, 29) == 1.0


def test_intervals_at_a_sensitivity_of_95_per_cent() -> None:
    bounds = {of: tuple(round(each, 3) for each in exact(0.95 * of, of)[1:3]) for of in (20, 100, 200)}
    assert bounds == {20: (0.751, 0.999), 100: (0.887, 0.984), 200: (0.910, 0.976)}


@pytest.mark.parametrize(
    "interval", [wilson(0, 0), exact(0, 0), clustered_exact([]), clustered_wilson([]), clustered_exact([1], None, [0])]
)
def test_a_share_of_nothing_is_not_known_and_lies_anywhere(interval: Interval) -> None:
    assert math.isnan(interval.estimate)
    assert interval[1:3] == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "of"), [(-1, 3), (4, 3), (math.nan, 3), (1, math.nan), (1, math.inf)])
def test_what_is_no_share_is_refused(hits: float, of: float) -> None:
    for interval in (wilson, exact):
        with pytest.raises(ValueError, match="is no share"):
            interval(hits, of)
    with pytest.raises(ValueError, match="confidence"):
        exact(1, 3, 95.0)


def test_pictures_that_stand_for_themselves_are_worth_their_number() -> None:
    hit = np.arange(50) < 45
    assert effective_size(hit) == 50
    assert clustered_exact(hit, np.arange(50)) == exact(45, 50)
    assert clustered_wilson(hit, np.arange(50)) == wilson(45, 50)


def test_repeats_that_always_agree_are_worth_one_picture_a_patient() -> None:
    own, clusters = np.arange(40) < 30, np.repeat(np.arange(40), 5)
    hit = own[clusters]
    assert effective_size(hit, clusters=clusters) == pytest.approx(40 * 39 / 40)
    repeated, once = clustered_exact(hit, clusters), exact(30, 40)
    assert repeated.estimate == once.estimate
    assert repeated.low <= once.low
    assert repeated.high >= once.high
    assert effective_size(np.ones(200), clusters=clusters) == pytest.approx(40)


def test_an_effective_number_is_never_above_the_pictures() -> None:
    hit = np.tile([True, False], 30)  # one of each in every patient: less spread than by chance
    assert effective_size(hit, clusters=np.repeat(np.arange(30), 2)) == pytest.approx(60)


def test_weights_of_one_and_the_same_number_change_nothing() -> None:
    hit, clusters = np.arange(30) < 20, np.arange(30) // 2
    assert clustered_exact(hit, clusters, np.full(30, 7.0)) == pytest.approx(clustered_exact(hit, clusters))


def test_a_weighted_share_is_hajeks() -> None:
    hit, weights = np.array([True, True, False]), np.array([1.0, 1.0, 20.0])
    everything = np.ones(3, bool)
    found = share(weighted_sum(hit, np.arange(3), weights, hit), weighted_sum(~hit, np.arange(3), weights, everything))
    assert found.estimate == pytest.approx(2 / 22)
    assert 0 < found.low < found.estimate < found.high < 1


def test_no_miss_seen_in_a_sample_is_no_proof_of_none() -> None:
    hit, weights, clusters = np.ones(100, bool), np.ones(100), np.arange(100)
    sought = weighted_sum(hit, clusters, weights, hit)
    none = weighted_sum(~hit, clusters, weights, hit)
    unseen = none._replace(heaviest=20.0)
    assert share(sought, none).low == pytest.approx(exact(100, 100).low, abs=0.005)
    assert share(sought, unseen).low == pytest.approx(1 / (1 + 20 * 3.689 / 100), abs=0.02)  # 3.689: Poisson's upper limit of none
    assert share(sought, unseen).high == 1.0


def test_a_weighted_share_of_equal_weights_is_near_the_exact_one() -> None:
    hit, weights, clusters = np.arange(80) < 70, np.ones(80), np.arange(80)
    found = share(weighted_sum(hit, clusters, weights, hit), weighted_sum(~hit, clusters, weights, hit))
    assert found[:3] == pytest.approx(exact(70, 80)[:3], abs=0.015)


@pytest.mark.parametrize(
    ("hit", "weights", "clusters", "says"),
    [
        ([0.5], None, None, "only 0 and 1"),
        ([math.nan], None, None, "no finite numbers"),
        ([1], [-1], None, "below zero"),
        ([1], [math.nan], None, "no finite numbers"),
        ([1], [1, 1], None, "2 for 1"),
        ([1, 0], None, [1], "clusters"),
        ([[1, 0]], None, None, "dimensions"),
    ],
)
def test_columns_that_make_no_sense_are_refused(
    hit: list[float], weights: list[float] | None, clusters: list[int] | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        clustered_exact(hit, clusters, weights)
