"""Scores -> probabilities here: no change, a new intercept, or intercept and slope, whichever the site's labels carry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from tocsin.errors import TocsinError
from tocsin.learning.statistics.columns import effective, logistic, logit, probabilities, usable
from tocsin.learning.statistics.logistic import Fit, fitted
from tocsin.learning.types import Bools, Floats, Ints
from tocsin.site.parts import Calibration, Labels

LABELS_MIN: Final = 30
KIND_MIN: Final = 10
"""Malignant ones, and benign ones."""
PRIOR_BELOW: Final = 100
PRIOR: Final = (1.0, 1.0)
"""Mean and standard deviation of the normal prior on the slope, where labels are few."""
SIGNIFICANT: Final = 0.05

Kind = Literal["none", "intercept", "intercept-and-slope"]


class NotCalibratable(TocsinError):
    """These labels carry no calibration; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Map:
    """score -> probability: logistic(intercept + slope * logit(score)), CERTAIN..1-CERTAIN; `tocsin.site.parts.Calibration` in columns."""

    kind: Kind
    intercept: float
    slope: float
    of_labels: float
    """Share of malignant pictures that the probabilities assume."""
    p_none: float
    """How well no change fits, against intercept and slope: p of the likelihood ratio."""
    p_intercept: float
    """How well an intercept alone fits, against both; NaN where it was not asked."""
    with_prior: bool
    """The slope was drawn towards 1: few labels, or scores that part them without a fault."""

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """Probabilities of malignancy of scores 0..1."""
        return probabilities(scores, self.intercept, self.slope)

    def score(self, probability: float) -> float:
        """The score that has this probability."""
        return float(logistic((logit(probability) - self.intercept) / self.slope))

    def calibration(self, fitted_on: Labels) -> Calibration:
        """The same as a part of the site file."""
        return Calibration(kind=self.kind, intercept=self.intercept, slope=self.slope, fitted_on=fitted_on)


def chosen(scores: npt.ArrayLike, malignant: npt.ArrayLike, weights: npt.ArrayLike | None = None, clusters: Ints | None = None) -> Map:
    """The simplest of the three that the labels do not speak against, by closed testing (Vergouwe et al., Stat. Med. 36:4529, 2017).

    Each is asked by a likelihood ratio against intercept and slope. Weights are scaled to their effective number (Kish); of one patient's,
    or one lesion's, pictures `clusters` tells, which then say together as much as one: else repeats look like more labels than there are.
    Raises NotCalibratable below LABELS_MIN labels or KIND_MIN of a kind, for one score alone, and where higher scores are not worse.
    """
    _enough(np.size(scores))
    score, label, weight = usable(scores, malignant, weights)
    _enough_of_each(score, label)
    alone: Floats = weight if clusters is None else np.bincount(np.unique(clusters, return_inverse=True)[1], weight).astype(np.float64)
    weight = weight * effective(alone) / weight.sum()
    x = logit(score)
    free = fitted(x, label, weight)
    if free.slope <= 0:
        raise NotCalibratable(
            "higher scores do not go with malignant pictures here, so no map can make them probabilities: look whether labels and scores "
            "belong to the same pictures, and whether the model suits them"
        )
    share = float(weight @ label / weight.sum())
    held = fitted(x, label, weight, slope_held=1.0)
    p_none = _chance(2 * (free.likelihood - _unchanged(x, label, weight)), 2)
    if p_none >= SIGNIFICANT:
        return Map("none", 0.0, 1.0, share, p_none, math.nan, False)
    p_intercept = _chance(2 * (free.likelihood - held.likelihood), 1)
    if p_intercept >= SIGNIFICANT:
        return Map("intercept", held.intercept, 1.0, share, p_none, p_intercept, False)
    best, with_prior = _both(x, label, weight, free)
    return Map("intercept-and-slope", best.intercept, best.slope, share, p_none, p_intercept, with_prior)


def moved(before: Map, assumed: float) -> Map:
    """The map for a place where the share `assumed`, 0..1 exclusively, is malignant.

    Log-odds move by the difference of the shares' log-odds. Right where malignant and benign pictures look as they did among the labels
    and only their number differs (Saerens et al., Neural Comput. 14:21, 2002).
    """
    if not 0 < assumed < 1:
        raise NotCalibratable(f"a share of malignant pictures lies between 0 and 1, not at {assumed:g}")
    shift = float(logit(assumed) - logit(before.of_labels))
    if shift == 0:
        return before
    kind: Kind = "intercept" if before.kind == "none" else before.kind
    return replace(before, kind=kind, intercept=before.intercept + shift, of_labels=assumed)


def share_among(probabilities: npt.ArrayLike, of_labels: float, *, steps_max: int = 10_000) -> float:
    """The share of malignant pictures among pictures without a label, whose probabilities assume the share `of_labels`.

    Saerens et al., 2002: expectation and maximisation, to 1e-9. It leans on the map alone: state it as an estimate, never as a finding.
    """
    p, _, _ = usable(probabilities, np.zeros(np.shape(probabilities)))
    if not 0 < of_labels < 1:
        raise NotCalibratable(f"a share of malignant pictures lies between 0 and 1, not at {of_labels:g}")
    share = of_labels
    for _ in range(steps_max):
        ill, well = p * share / of_labels, (1 - p) * (1 - share) / (1 - of_labels)
        after = float((ill / (ill + well)).mean())
        if abs(after - share) < 1e-9:
            break
        share = after
    return share


def _enough(n: int) -> None:
    if n < LABELS_MIN:
        raise NotCalibratable(f"{n} labelled pictures are too few to calibrate on: label {LABELS_MIN - n} more, {LABELS_MIN} at least")


def _enough_of_each(scores: Floats, malignant: Bools) -> None:
    n, ill = len(scores), int(malignant.sum())
    for kind, count in (("malignant", ill), ("benign", n - ill)):
        if count < KIND_MIN:
            raise NotCalibratable(f"{count} {kind} pictures are too few to calibrate on: label {KIND_MIN - count} more {kind} ones")
    if np.ptp(logit(scores)) < 1e-9:
        raise NotCalibratable("every picture has the same score: the model tells nothing apart here")


def _both(x: Floats, malignant: Bools, weights: Floats, free: Fit) -> tuple[Fit, bool]:
    """Intercept and slope, and whether the prior was needed."""
    if len(x) >= PRIOR_BELOW and free.finite:
        return free, False
    drawn = fitted(x, malignant, weights, prior=PRIOR)
    if not drawn.finite or drawn.slope <= 0:
        raise NotCalibratable("no calibration could be fitted to these labels: look whether labels and scores belong to the same pictures")
    return drawn, True


def _unchanged(x: Floats, malignant: Bools, weights: Floats) -> float:
    return -float((weights * np.logaddexp(0, np.where(malignant, -x, x))).sum())


def _chance(ratio: float, freedoms: int) -> float:
    return float(chi2.sf(max(ratio, 0.0), freedoms))
