"""What every statistic asks of its columns, before it says a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tocsin.errors import TocsinError
from tocsin.learning.types import Bools, Floats
from tocsin.site.parts import CERTAIN


class Unusable(TocsinError, ValueError):
    """The columns are no scores with labels: of different lengths, empty, not numbers, or not 0..1."""


def usable(scores: npt.ArrayLike, malignant: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> tuple[Floats, Bools, Floats]:
    """Scores 0..1, labels and weights above 0 (one each where none are given), of one length; Unusable where they are not."""
    score = np.asarray(scores, dtype=np.float64)
    label = np.asarray(malignant)
    weight = np.ones(score.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if score.ndim != 1 or not score.shape == label.shape == weight.shape:
        raise Unusable(f"scores, labels and weights must be columns of one length, not {score.shape}, {label.shape}, {weight.shape}")
    if not len(score):
        raise Unusable("there is no picture with a score and a label")
    if not ((score >= 0) & (score <= 1)).all():
        raise Unusable("a score lies outside 0..1 or is no number")
    if not ((label == 0) | (label == 1)).all():
        raise Unusable("a label is neither malignant (1) nor benign (0)")
    if not ((weight > 0) & np.isfinite(weight)).all():
        raise Unusable("a weight is not above 0")
    return score, label.astype(np.bool_), weight


def logit(probabilities: npt.ArrayLike) -> Floats:
    """Log-odds; what lies nearer to 0 or 1 than CERTAIN counts as CERTAIN, as in `tocsin.site.parts.Calibration`."""
    known = np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)
    odds: Floats = np.log(known) - np.log1p(-known)
    return odds


def logistic(odds: npt.ArrayLike) -> Floats:
    """The probability of log-odds."""
    bounded = np.clip(np.asarray(odds, dtype=np.float64), -700, 700)
    probability: Floats = 1 / (1 + np.exp(-bounded))
    return probability


def probabilities(scores: npt.ArrayLike, intercept: float, slope: float) -> Floats:
    """`tocsin.site.parts.Calibration.probability` in columns: logistic(intercept + slope * logit(score)), CERTAIN..1-CERTAIN."""
    known: Floats = np.clip(logistic(intercept + slope * logit(scores)), CERTAIN, 1 - CERTAIN)
    return known


def effective(weights: Floats) -> float:
    """How many pictures of one weight say as much (Kish, Survey Sampling, 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum())
