"""How well scores tell malignant from benign: the area under the ROC curve, and the curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from tocsin.learning.statistics.given import clusters_of, confident, scored, sound
from tocsin.learning.types import Bools, Cases, Floats, Interval, Ints

TINY: Final = 1e-12
"""A variance below this is none."""


def auroc(scores: npt.ArrayLike, malignant: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """The chance that a malignant picture scores above a benign one, ties half; weighted by pairs. NaN where one kind is missing.

    Source: Hanley and McNeil 1982, Radiology 143:29. O(n log n). Raises ValueError.
    """
    return _placed(*_counting(scores, malignant, weights)).area


def delong(scores: npt.ArrayLike, malignant: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """AUROC of independent pictures with an interval on the logit scale, by Student's t where few are of a kind.

    Source: DeLong 1988, Biometrics 44:837, by the placements of Sun and Xu 2014, IEEE Signal Process Lett 21:1389: O(n log n).
    It covers too little with few cancers or near 1, as its variance then is too small: it reaches at least as far as the score
    interval of Newcombe 2006, Stat Med 25:559 (method 5), which stands alone where the variance says nothing. Raises ValueError.
    """
    known, labels, weights = scored(scores, malignant)
    return _interval(known, labels, weights, clusters_of(None, len(known)), confidence)


def clustered_auroc(cases: Cases, confidence: float = 0.95) -> Interval:
    """AUROC with its interval where pictures repeat in clusters or weights differ; DeLong's own where neither is so.

    Source: Obuchowski 1997, Biometrics 53:567, with each placement at its picture's weight. Raises ValueError.
    """
    known = sound(cases)
    return _interval(known.scores, known.malignant, known.weights, known.clusters, confidence)


def delong_variance(scores: npt.ArrayLike, malignant: npt.ArrayLike) -> float:
    """The variance of the AUROC of independent pictures; NaN below two of a kind."""
    known, labels, weights = scored(scores, malignant)
    return _spread(_placed(known, labels, weights), clusters_of(None, len(known))).variance


def clustered_variance(cases: Cases) -> float:
    """The variance of the AUROC in clusters (Obuchowski); NaN below two clusters with one of the kinds."""
    known = sound(cases)
    return _spread(_placed(known.scores, known.malignant, known.weights), known.clusters).variance


@dataclass(frozen=True, slots=True)
class Roc:
    """Points of the curve, from nothing flagged to all flagged."""

    thresholds: Floats
    """Scores at or above are flagged; the first is infinite."""
    false_positive_rate: Floats
    sensitivity: Floats


def roc(scores: npt.ArrayLike, malignant: npt.ArrayLike, weights: npt.ArrayLike | None = None, at_most: int | None = None) -> Roc:
    """The curve's corners; at most so many of them, evenly along the curve, where that is said. NaN for a kind that is missing.

    Raises ValueError.
    """
    known, labels, weighed = _counting(scores, malignant, weights)
    values, place = np.unique(known, return_inverse=True)
    hits = np.concatenate([[0.0], np.cumsum(np.bincount(place, weighed * labels, len(values))[::-1])])
    false = np.concatenate([[0.0], np.cumsum(np.bincount(place, weighed * ~labels, len(values))[::-1])])
    thresholds = np.concatenate([[np.inf], values[::-1]])
    corners = _corners(hits, false)
    if at_most is not None and len(corners) > max(at_most, 2):
        along = (hits[corners] / max(hits[-1], 1e-300) + false[corners] / max(false[-1], 1e-300)) / 2
        corners = corners[np.unique(np.searchsorted(along, np.linspace(0, along[-1], max(at_most, 2))))]
    return Roc(thresholds[corners], _share(false, corners), _share(hits, corners))


@dataclass(frozen=True, slots=True)
class _Placed:
    area: float
    placements: Floats
    """Of a malignant picture: the share of benign ones below it; of a benign one: of malignant ones above it."""
    malignant: Bools
    weights: Floats


def _counting(scores: npt.ArrayLike, malignant: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Floats, Bools, Floats]:
    known, labels, weighed = scored(scores, malignant, weights)
    counting = weighed > 0
    return (known, labels, weighed) if counting.all() else (known[counting], labels[counting], weighed[counting])


def _placed(scores: Floats, malignant: Bools, weights: Floats) -> _Placed:
    values, place = np.unique(scores, return_inverse=True)
    bad = np.bincount(place, weights * malignant, len(values))
    good = np.bincount(place, weights * ~malignant, len(values))
    if not bad.sum() or not good.sum():
        return _Placed(math.nan, np.full(len(scores), math.nan), malignant, weights)
    below = (np.cumsum(good) - good / 2) / good.sum()
    above = 1 - (np.cumsum(bad) - bad / 2) / bad.sum()
    area = float((bad * below).sum() / bad.sum())
    return _Placed(area, np.where(malignant, below[place], above[place]), malignant, weights)


@dataclass(frozen=True, slots=True)
class _Spread:
    variance: float
    freedom: float
    """Degrees of freedom (Satterthwaite 1946, Biometrics Bull 2:110)."""


def _spread(placed: _Placed, clusters: Ints) -> _Spread:
    """Of the area; NaN below two clusters with one of the kinds."""
    bad, good = (_part(placed, kind, clusters) for kind in (placed.malignant, ~placed.malignant))
    if min(bad.freedom, good.freedom) <= 0:
        return _Spread(math.nan, math.nan)
    k = len(bad.off)
    both = 2 * k / (k - 1) * float((bad.off * good.off).sum())
    doubt = bad.variance**2 / bad.freedom + good.variance**2 / good.freedom
    return _Spread(bad.variance + good.variance + both, (bad.variance + good.variance) ** 2 / doubt if doubt > 0 else math.nan)


@dataclass(frozen=True, slots=True)
class _Part:
    """What the pictures of one kind add to the variance."""

    off: Floats
    """Each cluster's share in how far the area is off."""
    variance: float
    freedom: float
    """One less than the clusters that have the kind, fewer where their weights differ."""


def _part(placed: _Placed, kind: Bools, clusters: Ints) -> _Part:
    weights = placed.weights * kind
    heavy = np.bincount(clusters, weights) ** 2
    having = int((heavy > 0).sum())
    off: Floats = np.bincount(clusters, weights * (placed.placements - placed.area)) / weights.sum()
    if having < 2:
        return _Part(off, math.nan, 0.0)
    return _Part(off, having / (having - 1) * float((off**2).sum()), float(heavy.sum() ** 2 / (heavy**2).sum()) - 1)


def _interval(scores: Floats, malignant: Bools, weights: Floats, clusters: Ints, confidence: float) -> Interval:
    tail = (1 - confident(confidence)) / 2
    placed = _placed(scores, malignant, weights)
    area = placed.area
    if math.isnan(area):
        return Interval(math.nan, 0.0, 1.0, confidence)
    spread = _spread(placed, clusters)
    z = float(stats.norm.isf(tail))
    if not spread.variance > TINY or not TINY < area < 1 - TINY:
        return _newcombe(area, _worth(weights, malignant, clusters), _worth(weights, ~malignant, clusters), z, confidence)
    times = _times(spread, scores, malignant)
    score = _newcombe(area, malignant.sum() / times, (~malignant).sum() / times, z, confidence)
    odds = special.logit(area)
    half = float(stats.t.isf(tail, spread.freedom)) * math.sqrt(spread.variance) / (area * (1 - area))
    return Interval(area, min(score.low, float(special.expit(odds - half))), max(score.high, float(special.expit(odds + half))), confidence)


def _times(spread: _Spread, scores: Floats, malignant: Bools) -> float:
    """The design effect: how often more pictures are needed than if each stood for itself; never below 1."""
    alone = _spread(_placed(scores, malignant, np.ones(len(scores))), clusters_of(None, len(scores))).variance
    return max(1.0, spread.variance / alone) if alone > TINY else 1.0


def _worth(weights: Floats, kind: Bools, clusters: Ints) -> float:
    sums = np.bincount(clusters, weights * kind)
    return float(sums.sum() ** 2 / (sums**2).sum())


def _newcombe(area: float, bad: float, good: float, z: float, confidence: float) -> Interval:
    def beyond(true: float) -> float:
        return (area - true) ** 2 - z * z * area_variance(true, bad, good)

    low, high = min(area, 1 - TINY), max(area, TINY)  # 0 and 1 themselves are solutions that say nothing
    return Interval(
        area,
        float(optimize.brentq(beyond, 0.0, low)) if beyond(0.0) > 0 > beyond(low) else 0.0,
        float(optimize.brentq(beyond, high, 1.0)) if beyond(1.0) > 0 > beyond(high) else 1.0,
        confidence,
    )


def area_variance(area: float, malignant: float, benign: float) -> float:
    """The variance of an AUROC that is truly `area`, of so many of each kind. Source: Newcombe 2006, Stat Med 25:559, method 5."""
    half = (malignant + benign) / 2 - 1
    return area * (1 - area) / (malignant * benign) * (1 + half * ((1 - area) / (2 - area) + area / (1 + area)))


def _corners(hits: Floats, false: Floats) -> Ints:
    """Where the curve bends, its two ends included."""
    right, up = np.diff(false), np.diff(hits)
    one, other = right[1:] * up[:-1], right[:-1] * up[1:]
    bends: Ints = np.flatnonzero(np.abs(one - other) > 1e-9 * (one + other)) + 1
    corners: Ints = np.unique(np.append(bends, [0, len(hits) - 1]))
    return corners


def _share(sums: Floats, corners: Ints) -> Floats:
    shares: Floats = sums[corners] / sums[-1] if sums[-1] > 0 else np.full(len(corners), math.nan)
    return shares
