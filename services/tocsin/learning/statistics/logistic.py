"""Logistic regression of a label on a score's log-odds: the one fit that calibration and recalibration rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tocsin.learning.statistics.columns import logistic
from tocsin.learning.types import Bools, Floats, Ints

STEPS_MAX: Final = 60
STILL: Final = 1e-9
FAR: Final = 60.0
"""A coefficient beyond this is on its way to infinity: no label contradicts it."""


@dataclass(frozen=True, slots=True)
class Fit:
    """logit(P) = intercept + slope * x."""

    intercept: float
    slope: float
    likelihood: float
    """Log-likelihood, without the prior."""
    spread: Floats
    """Covariance of intercept and slope, [2, 2]; where the slope was held, its row and column are 0."""
    finite: bool
    """False where the score parts malignant and benign: the likelihood has no highest point, and the numbers above mean nothing."""


def fitted(
    x: Floats,
    malignant: Bools,
    weights: Floats,
    *,
    slope_held: float | None = None,
    prior: tuple[float, float] | None = None,
    clusters: Ints | None = None,
    robust: bool = False,
) -> Fit:
    """Newton's method with halved steps. `prior`: mean and standard deviation of a normal prior on the slope.

    `robust`: the spread by the sandwich, of clusters where they are given (Liang and Zeger, Biometrika 73, 1986); else by the model.
    """
    design = np.stack([np.ones_like(x), x], axis=1)
    free = [0] if slope_held is not None else [0, 1]
    at = np.array([0.0, 1.0 if slope_held is None else slope_held])
    best = _height(design @ at, malignant, weights, at, prior)
    finite = False
    for _ in range(STEPS_MAX):
        p = logistic(design @ at)
        gradient, curve = _slopes(design, p, malignant, weights, at, prior)
        step = np.zeros(2)
        try:
            step[free] = np.linalg.solve(curve[np.ix_(free, free)], gradient[free])
        except np.linalg.LinAlgError:
            break
        at, best, moved = _climbed(design, malignant, weights, at, best, step, prior)
        if np.abs(at).max() > FAR:
            break
        if moved < STILL:
            finite = True
            break
    p = logistic(design @ at)
    _, curve = _slopes(design, p, malignant, weights, at, prior)
    spread = np.zeros((2, 2))
    if finite:
        inverse = np.linalg.inv(curve[np.ix_(free, free)])
        middle = _middle(design[:, free] * (weights * (malignant - p))[:, None], clusters) if robust else None
        spread[np.ix_(free, free)] = inverse if middle is None else inverse @ middle @ inverse
    return Fit(float(at[0]), float(at[1]), _likelihood(design @ at, malignant, weights), spread, finite)


def _slopes(
    design: Floats, p: Floats, malignant: Bools, weights: Floats, at: Floats, prior: tuple[float, float] | None
) -> tuple[Floats, Floats]:
    gradient = design.T @ (weights * (malignant - p))
    curve = design.T @ (design * (weights * p * (1 - p))[:, None])
    if prior is not None:
        mean, deviation = prior
        gradient[1] -= (at[1] - mean) / deviation**2
        curve[1, 1] += 1 / deviation**2
    return gradient, curve


def _climbed(
    design: Floats,
    malignant: Bools,
    weights: Floats,
    at: Floats,
    best: float,
    step: Floats,
    prior: tuple[float, float] | None,
) -> tuple[Floats, float, float]:
    for _ in range(30):
        there = at + step
        height = _height(design @ there, malignant, weights, there, prior)
        if height >= best:
            return there, height, float(np.abs(step).max())
        step = step / 2
    return at, best, 0.0


def _height(odds: Floats, malignant: Bools, weights: Floats, at: Floats, prior: tuple[float, float] | None) -> float:
    pull = 0.0 if prior is None else (at[1] - prior[0]) ** 2 / (2 * prior[1] ** 2)
    return _likelihood(odds, malignant, weights) - float(pull)


def _likelihood(odds: Floats, malignant: Bools, weights: Floats) -> float:
    signed = np.where(malignant, odds, -odds)
    return -float((weights * np.logaddexp(0, -signed)).sum())


def _middle(scores: Floats, clusters: Ints | None) -> Floats:
    """The middle of the sandwich: the spread of the gradient, with the correction for few clusters."""
    if clusters is not None:
        _, places = np.unique(clusters, return_inverse=True)
        scores = np.stack([np.bincount(places, column) for column in scores.T], axis=1)
    n = len(scores)
    middle: Floats = scores.T @ scores * (n / max(n - 1, 1))
    return middle
