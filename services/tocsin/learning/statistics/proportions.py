"""Shares and how far off they may be: counted, in clusters, weighted.

A share of nothing is NaN with the bounds 0 and 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from tocsin.learning.statistics.given import clusters_of, confident, weights_of, yes_or_no
from tocsin.learning.types import Bools, Floats, Interval, Ints


def wilson(hits: float, of: float, confidence: float = 0.95) -> Interval:
    """The score interval, near its confidence on average: for display.

    Source: Wilson 1927, J Am Stat Assoc 22:209. Raises ValueError unless 0 <= hits <= of.
    """
    _countable(hits, of)
    if of == 0:
        return _unknown(confidence)
    z = float(stats.norm.isf((1 - confident(confidence)) / 2))
    share, spread = hits / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    low = 0.0 if hits == 0 else middle - half
    return Interval(share, max(0.0, low), 1.0 if hits == of else min(1.0, middle + half), confidence)


def exact(hits: float, of: float, confidence: float = 0.95) -> Interval:
    """The interval that never covers less than its confidence: for guarantees. Takes fractional effective counts, too.

    Source: Clopper and Pearson 1934, Biometrika 26:404. Raises ValueError unless 0 <= hits <= of.
    """
    _countable(hits, of)
    one_sided = 1 - (1 - confident(confidence)) / 2
    if of == 0:
        return _unknown(confidence)
    return Interval(hits / of, exact_lower(hits, of, one_sided), exact_upper(hits, of, one_sided), confidence)


def exact_lower(hits: float, of: float, confidence: float = 0.95) -> float:
    """The share is at least this, with that one-sided confidence (Clopper and Pearson). 0 of nothing."""
    _countable(hits, of)
    alpha = 1 - confident(confidence)
    return float(special.betaincinv(hits, of - hits + 1, alpha)) if hits > 0 else 0.0


def exact_upper(hits: float, of: float, confidence: float = 0.95) -> float:
    """The share is at most this, with that one-sided confidence (Clopper and Pearson). 1 of nothing."""
    return 1 - exact_lower(of - hits, of, confidence)


def effective_size(hit: npt.ArrayLike, weights: npt.ArrayLike | None = None, clusters: npt.ArrayLike | None = None) -> float:
    """Of how many independent pictures the share is worth: p(1-p) over its variance by linearisation, at most the pictures' number.

    Where all are alike the variance says nothing: then a cluster is worth one picture, and uneven ones less (Kish 1965).
    Source: Korn and Graubard 1998, Survey Methodology 24:193.
    """
    hits, known, groups = _columns(hit, weights, clusters)
    if not len(hits):
        return 0.0
    sums = np.bincount(groups, known)
    if len(sums) == len(hits) and float(np.ptp(known)) == 0:
        return float(len(hits))
    share = float(known[hits].sum() / known.sum())
    kish = float(known.sum() ** 2 / (sums**2).sum())
    if share in (0.0, 1.0) or len(sums) < 2:
        return min(kish, float(len(hits)))
    off = np.bincount(groups, known * (hits - share)) / known.sum()
    variance = len(sums) / (len(sums) - 1) * float((off**2).sum())
    return min(share * (1 - share) / variance, float(len(hits))) if variance > 0 else float(len(hits))


def clustered_exact(
    hit: npt.ArrayLike, clusters: npt.ArrayLike | None = None, weights: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Interval:
    """The exact interval of as many pictures as the clustered ones are worth, with the clusters' degrees of freedom.

    Source: Korn and Graubard 1998, Survey Methodology 24:193. Where weights differ between hits and misses use `share`.
    """
    found, size = _worth(hit, clusters, weights, confidence)
    return exact(found * size, size, confidence)._replace(estimate=found) if size else _unknown(confidence)


def clustered_wilson(
    hit: npt.ArrayLike, clusters: npt.ArrayLike | None = None, weights: npt.ArrayLike | None = None, confidence: float = 0.95
) -> Interval:
    """The score interval of as many pictures as the clustered ones are worth, otherwise as `clustered_exact`."""
    found, size = _worth(hit, clusters, weights, confidence)
    return wilson(found * size, size, confidence)._replace(estimate=found) if size else _unknown(confidence)


def _worth(hit: npt.ArrayLike, clusters: npt.ArrayLike | None, weights: npt.ArrayLike | None, confidence: float) -> tuple[float, float]:
    """The share, and of how many pictures it is worth by Student's t."""
    hits, known, groups = _columns(hit, weights, clusters)
    n, k = len(hits), int(groups.max(initial=-1)) + 1
    tail = (1 - confident(confidence)) / 2
    if not n:
        return math.nan, 0.0
    size = effective_size(hits, known, groups)
    if 1 < k < n:
        size *= float(stats.t.isf(tail, n - 1) / stats.t.isf(tail, k - 1)) ** 2
    return min(1.0, float(known[hits].sum() / known.sum())), size


class Sum(NamedTuple):
    """A weighted count."""

    total: float
    variance: float
    """Sum of the clusters' squared totals: what a Poisson count's is."""
    heaviest: float
    """The heaviest weight that one more could have had."""


def weighted_sum(hit: Bools, clusters: Ints, weights: Floats, could_be: Bools) -> Sum:
    """The weighted count of the hits; those that could have been one say how much one more would weigh.

    Where none could, as in a group that is flagged as a whole, one more may weigh as much as the heaviest of all.
    """
    sums = np.bincount(clusters, weights * hit) if len(hit) else np.zeros(0)
    like = weights[could_be] if could_be.any() else weights
    return Sum(float(sums.sum()), float((sums**2).sum()), float(like.max(initial=0.0)))


def share(hits: Sum, misses: Sum, confidence: float = 0.95) -> Interval:
    """hits / (hits + misses) of weighted counts (Hajek), with an interval that knows what an unseen miss would weigh.

    A miss that was only seen because 1 in 20 was looked at stands for 20: none seen is no proof of none.
    Source: each count's limits by Fay and Feuer 1997, Stat Med 16:791; joined by MOVER, Donner and Zou 2012, Stat Methods Med Res 21:347.
    """
    confident(confidence)
    total = hits.total + misses.total
    if total <= 0:
        return _unknown(confidence)
    low, high = _odds_lower(hits, misses, confidence), _odds_lower(misses, hits, confidence)
    return Interval(hits.total / total, low / (1 + low), 1 / (1 + high), confidence)


def _odds_lower(hits: Sum, misses: Sum, confidence: float) -> float:
    tail = (1 - confidence) / 2
    low, high = _sum_lower(hits, tail), _sum_upper(misses, tail)
    both = hits.total * misses.total
    near, far = low * (2 * hits.total - low), high * (2 * misses.total - high)
    return near / (both + math.sqrt(max(0.0, both * both - near * far))) if near > 0 else 0.0


def _sum_lower(of: Sum, tail: float) -> float:
    return of.variance / (2 * of.total) * float(stats.chi2.ppf(tail, 2 * of.total**2 / of.variance)) if of.total > 0 else 0.0


def _sum_upper(of: Sum, tail: float) -> float:
    total, variance = of.total + of.heaviest, of.variance + of.heaviest**2
    return variance / (2 * total) * float(stats.chi2.isf(tail, 2 * total**2 / variance)) if total > 0 else 0.0


def _columns(hit: npt.ArrayLike, weights: npt.ArrayLike | None, clusters: npt.ArrayLike | None) -> tuple[Bools, Floats, Ints]:
    hits = yes_or_no(hit, "hit")
    known, groups = weights_of(weights, len(hits)), clusters_of(clusters, len(hits))
    counting = known > 0
    if counting.all():
        return hits, known, groups
    return hits[counting], known[counting], clusters_of(groups[counting], int(counting.sum()))


def _countable(hits: float, of: float) -> None:
    if not (math.isfinite(of) and 0 <= hits <= of):
        raise ValueError(f"{hits} of {of} is no share")


def _unknown(confidence: float) -> Interval:
    return Interval(math.nan, 0.0, 1.0, confidence)
