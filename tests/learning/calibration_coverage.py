"""What is true of a simulated site's calibration, whose probabilities are too sure of themselves, and the intervals that a site sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import optimize, special, stats
from tocsin.learning.statistics.calibration import brier, intercept_slope, observed_over_expected
from tocsin.learning.types import Cases, Floats, Interval

from tests.learning.simulated import Random, Truth, audited, site

INTERCEPT, SLOPE = 0.4, 0.7
"""The log-odds that are told must be multiplied and moved by these to be true."""
FIGURES = ("calibration intercept", "calibration slope", "observed over expected", "Brier", "scaled Brier")


def told(probabilities: Floats) -> Floats:
    """What the model says where these probabilities are true."""
    said: Floats = special.expit((special.logit(probabilities) - INTERCEPT) / SLOPE)
    return said


@cache
def true(truth: Truth) -> dict[str, float]:
    """Each figure as infinitely many pictures show it, integrated over the score."""
    at = np.linspace(-8, 8 + truth.apart, 20_001)
    share, p = truth.prevalence, truth.probability(at)
    density = (1 - share) * stats.norm.pdf(at) + share * stats.norm.pdf(at - truth.apart)
    density /= density.sum()
    said = told(p)
    error = float(density @ (p * (1 - said) ** 2 + (1 - p) * said**2))
    moved = optimize.brentq(lambda by: float(density @ special.expit(special.logit(said) + by)) - share, -10, 10)
    figures = (moved, SLOPE, share / float(density @ said), error, 1 - error / (share * (1 - share)))
    return dict(zip(FIGURES, map(float, figures), strict=True))


def found(figure: str, cases: Cases, *, weighted: bool, repeats: bool) -> Interval:
    """The figure with its interval, as an evaluation asks for it."""
    weights, clusters = cases.weights if weighted else None, cases.clusters if repeats else None
    p, y = told(cases.scores), cases.malignant
    if figure in FIGURES[:2]:
        return intercept_slope(p, y, weights=weights, clusters=clusters)[FIGURES.index(figure)]
    if figure == "observed over expected":
        return observed_over_expected(p, y, weights=weights, clusters=clusters)
    errors = brier(p, y, weights=weights, clusters=clusters)
    return errors.score if figure == "Brier" else errors.scaled


def trial(
    figure: str, truth: Truth, n: int, one_in: int | None = None, patients: int | None = None
) -> Callable[[Random], list[tuple[Interval, float]]]:
    """A site's interval beside the truth."""

    def one(random: Random) -> list[tuple[Interval, float]]:
        cases = site(random, truth, n, patients)
        seen = cases if one_in is None else audited(random, cases, truth.threshold(0.8), one_in)
        return [(found(figure, seen, weighted=one_in is not None, repeats=patients is not None), true(truth)[figure])]

    return one
