"""Sites of which everything is known: what is true there, and what a site sees of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from tocsin.learning.statistics.columns import logistic, logit
from tocsin.learning.types import Bools, Floats


@dataclass(frozen=True, slots=True)
class Site:
    """Two normal curves of the model's evidence, one apart by `separation`, so that the true log-odds are a straight line in it.

    The model's score is not right: its log-odds must be multiplied by `slope` and moved by `intercept`.
    """

    prevalence: float
    separation: float = 1.14
    """AUROC = Phi(separation / sqrt 2): 0.79, as the reference model has elsewhere."""
    intercept: float = 0.0
    slope: float = 1.0

    def drawn(self, chance: np.random.Generator, n: int) -> tuple[Floats, Bools]:
        """Scores and labels of n pictures."""
        malignant = chance.random(n) < self.prevalence
        evidence = chance.normal(size=n) + self.separation * malignant
        return logistic((self.true_odds(evidence) - self.intercept) / self.slope), malignant

    def true_odds(self, evidence: Floats) -> Floats:
        """Log-odds of malignancy, given the evidence."""
        odds: Floats = logit(self.prevalence) + self.separation * evidence - self.separation**2 / 2
        return odds

    def probability(self, scores: Floats) -> Floats:
        """What a perfect calibration makes of scores."""
        return logistic(self.intercept + self.slope * logit(scores))

    def sensitivity(self, threshold: float) -> float:
        """The true share of malignant pictures that score at or above the threshold."""
        odds = self.intercept + self.slope * math.log(threshold / (1 - threshold))
        evidence = (odds - float(logit(self.prevalence)) + self.separation**2 / 2) / self.separation
        return float(norm.sf(evidence - self.separation))
