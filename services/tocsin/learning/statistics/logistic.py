"""Logistic regression of a label on a score's log-odds: the one fit that calibration and recalibration rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tocsin.learning.statistics.columns import logistic
from tocsin.learning.types import Bools, Floats, Ints

STEPS_MAX: Final = 60
STILL: Final = 1e-9
ALONE: Final = 1e-12
"""So little is left of a fit without a cluster that alone decides on a coefficient."""
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
    freedom: Floats
    """Degrees of freedom of the spread of intercept and slope, [2]: infinite by the model."""
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

    `robust`: the spread by the sandwich, of clusters where they are given (Liang and Zeger, Biometrika 73:13, 1986), without the bias that
    few or heavy ones give it (Mancl and DeRouen, Biometrics 57:126, 2001), and as sure of itself as their number and unlikeness allow
    (Satterthwaite, Biometrics Bull. 2:110, 1946); else by the model. Infinite where one of them alone decides.
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
    spread, freedom = np.zeros((2, 2)), np.full(2, np.inf)
    if finite:
        inverse = np.linalg.inv(curve[np.ix_(free, free)])
        own = design[:, free]
        pulls, holds = own * (weights * (malignant - p))[:, None], np.einsum("ni,nj,n->nij", own, own, weights * p * (1 - p))
        if robust:
            spread[np.ix_(free, free)], freedom[free] = _sandwich(inverse, pulls, holds, clusters)
        else:
            spread[np.ix_(free, free)] = inverse
    return Fit(float(at[0]), float(at[1]), _likelihood(design @ at, malignant, weights), spread, freedom, finite)


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


def _sandwich(inverse: Floats, pulls: Floats, holds: Floats, clusters: Ints | None) -> tuple[Floats, Floats]:
    """The spread of the coefficients, and its degrees of freedom.

    `pulls` are each picture's on the coefficients [n, k], `holds` its hold on the fit [n, k, k], its part of the curve. Each cluster pulls
    as far as it would on a fit that it had no hold on.
    """
    if clusters is not None:
        places = np.unique(clusters, return_inverse=True)[1]
        pulls, holds = _summed(pulls, places), _summed(holds, places)
    left = np.eye(len(inverse)) - holds @ inverse
    if (np.abs(np.linalg.det(left)) < ALONE).any():
        return np.full_like(inverse, np.inf), np.full(len(inverse), min(len(pulls) - 1.0, 1.0))
    freed = np.linalg.solve(left, pulls[:, :, None])[:, :, 0] @ inverse
    squares = freed**2
    unlike = len(squares) * squares.var(axis=0)
    with np.errstate(divide="ignore"):
        freedom = np.where(unlike > 0, 2 * squares.sum(axis=0) ** 2 / unlike, np.inf)
    return freed.T @ freed, np.minimum(freedom, len(squares) - 1)


def _summed(rows: Floats, places: Ints) -> Floats:
    """The rows of each place added up."""
    columns = rows.reshape(len(rows), -1).T
    sums = np.stack([np.bincount(places, column).astype(np.float64) for column in columns], axis=1)
    return sums.reshape(-1, *rows.shape[1:])
