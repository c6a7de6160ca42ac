"""How many pictures, and confirmed cancers, it takes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from tocsin.learning.statistics.discrimination import area_variance
from tocsin.learning.statistics.given import confident, numbers

MOST_CANCERS: Final = 100_000
"""No site confirms more: what takes more cannot be shown."""


def cancers_needed(target: float, misses: int = 0, confidence: float = 0.95) -> int:
    """The fewest confirmed cancers of which so many may be missed and sensitivity >= target still is shown.

    Exact binomial, one-sided (Clopper and Pearson 1934, Biometrika 26:404). Raises ValueError.
    """
    alpha = 1 - confident(confidence)
    _probability(target, "target")
    if misses < 0:
        raise ValueError(f"misses: {misses}")
    low, high = misses, misses + 1
    while special.bdtr(misses, high, 1 - target) > alpha:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if special.bdtr(misses, middle, 1 - target) > alpha else (low, middle)
    return high


def more_cancers(hits: int, of: int, target: float, confidence: float = 0.95) -> int | None:
    """How many more confirmed cancers, missed at the rate seen, until sensitivity >= target is shown; 0 where it is.

    Misses to come are rounded up. None where at the rate seen no number shows it, or only more than MOST_CANCERS.
    Exact binomial, as `cancers_needed`. Raises ValueError unless 0 <= hits <= of.
    """
    alpha = 1 - confident(confidence)
    _probability(target, "target")
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no share")
    misses = of - hits
    rate = misses / of if of else 0.0
    if of and special.bdtr(misses, of, 1 - target) <= alpha:
        return 0
    if rate >= 1 - target:
        return None
    first, block = of + 1, 1024
    while first <= MOST_CANCERS:
        totals = np.arange(first, min(first + block, MOST_CANCERS + 1))
        expected = np.ceil(misses + rate * (totals - of) - 1e-9)
        shown = np.flatnonzero(special.bdtr(expected, totals, 1 - target) <= alpha)
        if len(shown):
            return int(totals[shown[0]]) - of
        first, block = int(totals[-1]) + 1, 4 * block
    return None


def error_of_width(width: float, confidence: float = 0.95) -> float:
    """The standard error with which an interval is so wide."""
    return _positive(width, "width") / (2 * float(stats.norm.isf((1 - confident(confidence)) / 2)))


def pictures_for_auroc(area: float, prevalence: float, error: float) -> int:
    """Pictures for that standard error of an expected AUROC. Source: Riley 2021, Stat Med 40:4230, by Newcombe 2006."""
    _probability(area, "area")
    _probability(prevalence, "prevalence")
    _positive(error, "error")

    def far(n: int) -> bool:
        return area_variance(area, n * prevalence, n * (1 - prevalence)) > error**2

    low, high = 2, 4
    while far(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if far(middle) else (low, middle)
    return high


def pictures_for_observed_over_expected(prevalence: float, error: float) -> int:
    """Pictures for that standard error of ln(observed/expected). Source: Riley 2021, Stat Med 40:4230."""
    _probability(prevalence, "prevalence")
    return math.ceil((1 - prevalence) / (prevalence * _positive(error, "error") ** 2) - 1e-9)


def pictures_for_slope(log_odds: npt.ArrayLike, error: float, intercept: float = 0.0, slope: float = 1.0) -> int:
    """Pictures for that standard error of the calibration slope, where log-odds lie as these do and are (mis)calibrated so.

    Source: Riley 2021, Stat Med 40:4230: Fisher's information of one picture. Raises ValueError where all are alike.
    """
    known = numbers(log_odds, "log_odds")
    _positive(error, "error")
    chance = special.expit(intercept + slope * known)
    each = chance * (1 - chance)
    of_intercept, both, of_slope = float(each.mean()), float((known * each).mean()), float((known**2 * each).mean())
    information = of_intercept * of_slope - both**2
    if not information > 1e-12 * of_intercept * of_slope:
        raise ValueError("log_odds: scores that are all alike show no slope")
    return math.ceil(of_intercept / (error**2 * information) - 1e-9)


def _probability(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name}: {value} does not lie between 0 and 1")


def _positive(value: float, name: str) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: {value} is not above 0")
    return value
