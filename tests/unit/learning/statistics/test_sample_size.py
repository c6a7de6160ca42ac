"""How many it takes: the exact table, and the published examples of the closed formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tocsin.learning.statistics.proportions import exact_lower
from tocsin.learning.statistics.sample_size import (
    cancers_needed,
    error_of_width,
    more_cancers,
    pictures_for_auroc,
    pictures_for_observed_over_expected,
    pictures_for_slope,
)


@pytest.mark.parametrize(("target", "needed"), [(0.90, [29, 46, 61, 76, 103, 167]), (0.95, [59, 93, 124, 153, 208, 336])])
def test_the_cancers_needed_by_misses(target: float, needed: list[int]) -> None:
    assert [cancers_needed(target, misses) for misses in (0, 1, 2, 3, 5, 10)] == needed


@pytest.mark.parametrize("misses", [0, 3, 40])
def test_one_cancer_fewer_would_not_show_it(misses: int) -> None:
    needed = cancers_needed(0.9, misses)
    assert exact_lower(needed - misses, needed) >= 0.9 > exact_lower(needed - 1 - misses, needed - 1)


@pytest.mark.parametrize(
    ("hits", "of", "more"),
    [
        (0, 0, 29),  # nothing seen yet: as if none were missed
        (10, 10, 19),
        (28, 28, 1),
        (29, 29, 0),
        (300, 310, 0),
        (90, 100, None),  # missed as often as the target allows
        (5, 10, None),
        (0, 3, None),
    ],
)
def test_how_many_more_cancers_at_the_misses_seen(hits: int, of: int, more: int | None) -> None:
    assert more_cancers(hits, of, 0.9) == more


def test_so_many_more_at_that_rate_do_show_it() -> None:
    more = more_cancers(19, 20, 0.9)
    assert more is not None
    misses = math.ceil(1 + more / 20)
    assert exact_lower(20 + more - misses, 20 + more) >= 0.9
    earlier = [20 + each - math.ceil(1 + each / 20 - 1e-9) for each in range(1, more)]
    assert all(exact_lower(hits, 20 + each) < 0.9 for each, hits in enumerate(earlier, start=1))


def test_what_takes_more_than_any_site_has_cannot_be_shown() -> None:
    assert more_cancers(90_010, 100_000, 0.9) is None


def test_the_published_example_of_a_rare_outcome() -> None:
    """Riley 2021: mechanical heart valve failure, 1.8 % of patients, expected C-statistic .8 known to .05 either way."""
    assert pictures_for_auroc(0.8, 0.018, error_of_width(0.1)) == 4252
    assert pictures_for_observed_over_expected(0.018, 0.051) == pytest.approx(20_975, abs=1)


def test_the_slopes_error_is_that_of_a_fit() -> None:
    random = np.random.default_rng(4)
    log_odds = random.normal(-1, 1.2, 40_000)
    error = 0.1
    n = pictures_for_slope(log_odds, error)
    slopes = [_slope(random, random.choice(log_odds, n)) for _ in range(300)]
    assert np.std(slopes) == pytest.approx(error, rel=0.15)


def _slope(random: np.random.Generator, log_odds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    labels = random.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    at = np.array([0.0, 1.0])
    design = np.column_stack([np.ones(len(log_odds)), log_odds])
    for _ in range(6):  # Newton
        chance = 1 / (1 + np.exp(-design @ at))
        at = at + np.linalg.solve(design.T * (chance * (1 - chance)) @ design, design.T @ (labels - chance))
    return float(at[1])


def test_the_areas_error_is_reached() -> None:
    n = pictures_for_auroc(0.8, 0.3, 0.02)
    assert 400 < n < 900
    assert pictures_for_auroc(0.8, 0.3, 0.01) == pytest.approx(4 * n, rel=0.01)


def test_a_width_is_twice_the_quantile_of_errors() -> None:
    assert error_of_width(0.2, 0.95) == pytest.approx(0.1 / stats.norm.ppf(0.975))


def test_what_makes_no_sense_is_refused() -> None:
    for target in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(ValueError, match="target"):
            cancers_needed(target)
        with pytest.raises(ValueError, match="target"):
            more_cancers(1, 2, target)
    with pytest.raises(ValueError, match="misses"):
        cancers_needed(0.9, -1)
    with pytest.raises(ValueError, match="no share"):
        more_cancers(3, 2, 0.9)
    with pytest.raises(ValueError, match="all alike"):
        pictures_for_slope(np.ones(50), 0.1)
    with pytest.raises(ValueError, match="log_odds: 1 of 2"):
        pictures_for_slope([1.0, math.nan], 0.1)
    with pytest.raises(ValueError, match="error"):
        pictures_for_auroc(0.8, 0.3, 0.0)
    with pytest.raises(ValueError, match="prevalence"):
        pictures_for_observed_over_expected(0.0, 0.1)
