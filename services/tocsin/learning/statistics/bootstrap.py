"""Intervals by drawing patients again: for figures without a closed formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from tocsin.learning.statistics.given import confident, sound
from tocsin.learning.types import Cases, Floats, Interval, Ints

UNDEFINED_SHARE = 0.1
"""Where more draws than this share have no figure, as without a cancer, there is no interval."""


def clustered(statistic: Callable[[Cases], float], cases: Cases, draws: int = 1000, seed: int = 0, confidence: float = 0.95) -> Interval:
    """A figure of the cases with the interval of its values over draws of whole clusters, with replacement.

    A cluster that is drawn twice counts as two. The percentiles are widened for few clusters. The bounds are NaN where more than
    a tenth of the draws have no figure; a figure that is the same in each draw (all found) has no honest bootstrap interval:
    take one of `proportions`. Memory: one draw at a time.
    Source: Davison and Hinkley 1997, Bootstrap Methods, 3.8; percentiles by Hesterberg 2015, Am Stat 69:371. Raises ValueError.
    """
    if draws < 2:
        raise ValueError(f"draws: {draws} say nothing")
    confident(confidence)
    known = sound(cases)
    if not len(known):
        return Interval(math.nan, math.nan, math.nan, confidence)
    order = np.argsort(known.clusters, kind="stable")
    sizes = np.bincount(known.clusters)
    random = np.random.default_rng(seed)
    figures = np.array([statistic(_drawn(known, order, sizes, random)) for _ in range(draws)])
    return _percentiles(float(statistic(known)), figures, len(sizes), confidence)


def _drawn(cases: Cases, order: Ints, sizes: Ints, random: np.random.Generator) -> Cases:
    chosen = random.integers(0, len(sizes), len(sizes))
    if len(sizes) == len(cases):  # each picture its own cluster
        pictures, clusters = order[chosen], np.arange(len(chosen))
    else:
        first, many = np.cumsum(sizes) - sizes, sizes[chosen]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        pictures, clusters = order[np.repeat(first[chosen], many) + within], np.repeat(np.arange(len(chosen)), many)
    groups = {name: values[pictures] for name, values in cases.groups.items()}
    return Cases(cases.scores[pictures], cases.malignant[pictures], clusters, cases.weights[pictures], groups)


def _percentiles(figure: float, figures: Floats, clusters: int, confidence: float) -> Interval:
    defined = figures[np.isfinite(figures)]
    if len(defined) < (1 - UNDEFINED_SHARE) * len(figures) or clusters < 2:
        return Interval(figure, math.nan, math.nan, confidence)
    far = stats.t.isf((1 - confidence) / 2, clusters - 1) * math.sqrt(clusters / (clusters - 1))
    tail = float(stats.norm.sf(far))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(figure, float(low), float(high), confidence)
