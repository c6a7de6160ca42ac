"""How well probabilities agree with what was found: calibration at large, its slope, its curve, and the errors of Brier.

Over pictures with their weights; of one patient's, or one lesion's, repeats `clusters` tells, and intervals widen accordingly. Where the
labels say nothing of a figure, as of one kind alone, it is NaN. Hosmer and Lemeshow's test is left out on purpose (Van Calster et al.,
BMC Med. 17:230, 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from tocsin.learning.statistics.columns import logistic, logit, usable
from tocsin.learning.statistics.logistic import Fit, fitted
from tocsin.learning.types import Bools, Floats, Interval, Ints

SPAN: Final = 2 / 3
"""Share of the pictures that each point of the curve looks at, as in R's lowess."""
POINTS: Final = 101
CELLS: Final = 4_000
"""The curve is drawn from at most so many groups of neighbouring probabilities: what it costs does not grow with the pictures."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Observed share over predicted probability, by points with rising `predicted`."""

    predicted: Floats
    observed: Floats
    """0..1."""

    def at(self, probabilities: npt.ArrayLike) -> Floats:
        """The share on the curve at these probabilities, straight lines between its points."""
        share: Floats = np.interp(np.asarray(probabilities, dtype=np.float64), self.predicted, self.observed)
        return share


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the curve lies from the probabilities, over the pictures (Austin and Steyerberg, Stat. Med. 38:4051, 2019)."""

    ici: float
    """Integrated calibration index: the mean."""
    e50: float
    """The median."""
    e90: float
    """What nine in ten do not exceed."""
    e_max: float


@dataclass(frozen=True, slots=True)
class Brier:
    """Mean squared error of the probabilities, and the share of the constant's error that they take away."""

    score: Interval
    scaled: Interval
    """1 - Brier / Brier of the pictures' own share (Steyerberg et al., Epidemiology 21:128, 2010): 0 is as good as the constant."""


def ece(p: npt.ArrayLike, y: npt.ArrayLike, bins: int = 10, weights: npt.ArrayLike | None = None) -> float:
    """Expected calibration error over equally wide bins (Naeini et al., AAAI 2015).

    For comparison alone: it grows as pictures get few.
    """
    probability, malignant, weight = usable(p, y, weights)
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weight * (probability - malignant), minlength=bins)
    return float(np.abs(gaps).sum() / weight.sum())


def smooth(p: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, span: float = SPAN) -> Curve:
    """Local straight lines with tricube weights (Cleveland, J. Am. Stat. Assoc. 74:829, 1979).

    Without robust repeats, since labels are 0 or 1; the same whatever all weights are multiplied by. For probabilities of one value alone
    the curve is one point.
    """
    probability, malignant, weight = usable(p, y, weights)
    x, share, mass = _cells(probability, malignant.astype(np.float64), weight * (len(weight) / weight.sum()))
    ranks = (np.cumsum(mass) - mass / 2) / mass.sum()
    at = np.unique(np.concatenate([x[[0, -1]], np.interp(np.linspace(0, 1, POINTS), ranks, x)])) if len(x) > POINTS else x
    return Curve(at, np.clip(_lines(at, x, share, mass, span), 0, 1))


def ici(p: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Distance:
    """Distance of the smooth curve from the probabilities."""
    probability, malignant, weight = usable(p, y, weights)
    away = np.abs(smooth(probability, malignant, weight).at(probability) - probability)
    order = np.argsort(away)
    ranks = np.cumsum(weight[order]) / weight.sum()
    half, most = (float(away[order][min(int(np.searchsorted(ranks, share - 1e-12)), len(away) - 1)]) for share in (0.5, 0.9))
    return Distance(float(np.average(away, weights=weight)), half, most, float(away.max()))


def intercept_slope(
    p: npt.ArrayLike,
    y: npt.ArrayLike,
    confidence: float = 0.95,
    *,
    weights: npt.ArrayLike | None = None,
    clusters: Ints | None = None,
) -> tuple[Interval, Interval]:
    """Calibration intercept (the slope held at 1) and slope of a logistic regression on the log-odds (Cox, Biometrika 45:562, 1958).

    0 and 1 are good; a slope below 1: too sure of itself. NaN where one kind is absent, the probabilities are all the same (the slope),
    or they part the kinds without a fault. The slope's spread is the model's, or the sandwich's where there are weights or clusters; the
    intercept's always the sandwich's, since a slope that is not 1 makes the model's too narrow. The sandwich's reaches as far as
    Student's t of its degrees of freedom says, fewer than there are clusters; one alone says nothing.
    """
    probability, malignant, weight = usable(p, y, weights)
    robust = clusters is not None or weights is not None
    if malignant.all() or not malignant.any():
        return _nothing(confidence), _nothing(confidence)
    x = logit(probability)
    held = fitted(x, malignant, weight, slope_held=1.0, clusters=clusters, robust=True)
    intercept = _wald(held, 0, confidence) if held.finite else _nothing(confidence)
    if np.ptp(x) < 1e-12:
        return intercept, _nothing(confidence)
    free = fitted(x, malignant, weight, clusters=clusters, robust=robust)
    return intercept, _wald(free, 1, confidence) if free.finite else _nothing(confidence)


def observed_over_expected(
    p: npt.ArrayLike,
    y: npt.ArrayLike,
    confidence: float = 0.95,
    *,
    weights: npt.ArrayLike | None = None,
    clusters: Ints | None = None,
) -> Interval:
    """Malignant pictures found, over those that the probabilities add up to; interval on its logarithm by the delta method.

    Debray et al., BMJ 356:i6460, 2017, hold the expected number fixed; here both vary with the pictures that came.
    """
    probability, malignant, weight = usable(p, y, weights)
    observed, expected = float(weight @ malignant), float(weight @ probability)
    if observed == 0 or expected == 0 or malignant.all():
        return _nothing(confidence, observed / expected if expected else math.nan)
    pull = weight * (malignant / observed - probability / expected)
    half = _reach(malignant, clusters, confidence) * math.sqrt(_spread(pull, clusters))
    ratio = observed / expected
    return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half), confidence)


def brier(
    p: npt.ArrayLike,
    y: npt.ArrayLike,
    confidence: float = 0.95,
    *,
    weights: npt.ArrayLike | None = None,
    clusters: Ints | None = None,
) -> Brier:
    """Both with intervals by their influence functions, Brier's on its log-odds. The scaled one is NaN where one kind is absent."""
    probability, malignant, weight = usable(p, y, weights)
    total = float(weight.sum())
    errors = (probability - malignant) ** 2
    score = float(weight @ errors) / total
    share = float(weight @ malignant) / total
    constant = share * (1 - share)
    spread = _spread(weight * (errors - score) / total, clusters)
    score_interval = _within(score, spread, _by_clusters(clusters, confidence), confidence)
    if constant == 0:
        return Brier(score_interval, _nothing(confidence))
    pull = weight / total * ((score - errors) / constant + score * (1 - 2 * share) * (malignant - share) / constant**2)
    half = _reach(malignant, clusters, confidence) * math.sqrt(_spread(pull, clusters))
    scaled = 1 - score / constant
    return Brier(score_interval, Interval(scaled, scaled - half, min(scaled + half, 1.0), confidence))


def _cells(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean probability, mean label and weight of each group of equal, or else neighbouring, probabilities; rising."""
    values, places = np.unique(x, return_inverse=True)
    if len(values) > CELLS:
        ranks = np.cumsum(np.bincount(places, weights)) / weights.sum()
        places = np.minimum((ranks * CELLS).astype(np.int64), CELLS - 1)[places]
        places = np.unique(places, return_inverse=True)[1]
    mass: Floats = np.bincount(places, weights).astype(np.float64)
    return np.bincount(places, weights * x) / mass, np.bincount(places, weights * y) / mass, mass


def _lines(at: Floats, x: Floats, y: Floats, mass: Floats, span: float) -> Floats:
    """The local line's height at each point."""
    distance = np.abs(at[:, None] - x[None, :])
    order = np.argsort(distance, axis=1)
    reached = np.cumsum(mass[order], axis=1)
    last = np.argmax(reached >= math.floor(span * mass.sum() + 1e-10) - 1e-9, axis=1)
    width = np.take_along_axis(distance, order, axis=1)[np.arange(len(at)), last]
    near = distance / np.maximum(width, 1e-300)[:, None]
    kernel = mass * np.where(near < 1, (1 - np.minimum(near, 1) ** 3) ** 3, 0)
    kernel = np.where(kernel.sum(axis=1, keepdims=True) > 0, kernel, mass * (distance <= width[:, None]))  # one heavy picture is the span
    kernel /= kernel.sum(axis=1, keepdims=True)
    centre = kernel @ x
    offset = x[None, :] - centre[:, None]
    across = (kernel * offset**2).sum(axis=1)
    rise = np.where(across > 1e-18, (kernel * offset * y).sum(axis=1) / np.maximum(across, 1e-18), 0)
    heights: Floats = kernel @ y + rise * (at - centre)
    return heights


def _spread(pulls: Floats, clusters: Ints | None) -> float:
    """Variance of a sum of pulls that are independent between clusters."""
    if clusters is not None:
        pulls = np.bincount(np.unique(clusters, return_inverse=True)[1], pulls).astype(np.float64)
    n = len(pulls)
    return float(pulls @ pulls) * n / (n - 1) if n > 1 else math.nan


def _reach(malignant: Bools, clusters: Ints | None, confidence: float) -> float:
    """Standard errors on each side: Student's, of the rarer kind's number, whose few pictures the spread mostly comes from."""
    sizes = (len(np.unique(clusters[kind])) if clusters is not None else int(kind.sum()) for kind in (malignant, ~malignant))
    return _students(min(sizes), confidence)


def _by_clusters(clusters: Ints | None, confidence: float) -> float:
    """Standard errors on each side: Student's, of the number of clusters where there are any."""
    return float(norm.ppf((1 + confidence) / 2)) if clusters is None else _students(len(np.unique(clusters)), confidence)


def _students(n: int, confidence: float) -> float:
    """NaN where so few say nothing of a spread."""
    return float(t.ppf((1 + confidence) / 2, n - 1)) if n > 1 else math.nan


def _wald(fit: Fit, which: int, confidence: float) -> Interval:
    """The interval of the intercept (0) or the slope (1), by Student's t of the spread's degrees of freedom."""
    estimate, freedom = (fit.intercept, fit.slope)[which], float(fit.freedom[which])
    reach = float(t.ppf((1 + confidence) / 2, freedom)) if freedom > 0 else math.nan
    half = reach * math.sqrt(fit.spread[which, which])
    return Interval(estimate, estimate - half, estimate + half, confidence)


def _within(share: float, variance: float, reach: float, confidence: float) -> Interval:
    """An interval on the log-odds of a share, which keeps it within 0..1."""
    if not 0 < share < 1:
        return Interval(share, math.nan, math.nan, confidence)
    half = reach * math.sqrt(variance) / (share * (1 - share))
    odds = math.log(share / (1 - share))
    return Interval(share, float(logistic(odds - half)), float(logistic(odds + half)), confidence)


def _nothing(confidence: float, estimate: float = math.nan) -> Interval:
    return Interval(estimate, math.nan, math.nan, confidence)
