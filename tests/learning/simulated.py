"""Simulated sites whose truth is known: two normal distributions, patients with several pictures, an audit sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats
from tocsin.learning.types import Bools, Cases, Floats, Ints

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Truth:
    """A model that scores malignant pictures higher by `apart` standard deviations: scores are true probabilities."""

    prevalence: float = 0.3
    apart: float = 1.5

    @property
    def area(self) -> float:
        """Its AUROC."""
        return float(stats.norm.cdf(self.apart / math.sqrt(2)))

    def probability(self, latent: Floats) -> Floats:
        """Of malignancy, 0..1."""
        odds = math.log(self.prevalence / (1 - self.prevalence))
        known: Floats = special.expit(odds + self.apart * latent - self.apart**2 / 2)
        return known

    def latent(self, probability: float) -> float:
        """Where a probability lies."""
        odds = special.logit(probability) - math.log(self.prevalence / (1 - self.prevalence))
        return float(odds + self.apart**2 / 2) / self.apart

    def sensitivity(self, threshold: float) -> float:
        """The share of cancers flagged."""
        return float(stats.norm.sf(self.latent(threshold) - self.apart))

    def specificity(self, threshold: float) -> float:
        """The share of the others not flagged."""
        return float(stats.norm.cdf(self.latent(threshold)))

    def threshold(self, sensitivity: float) -> float:
        """Where flagging has that sensitivity."""
        return float(self.probability(np.array(self.apart + stats.norm.isf(sensitivity))))

    def flags(self, threshold: float) -> float:
        """The share of pictures flagged."""
        return self.prevalence * self.sensitivity(threshold) + (1 - self.prevalence) * (1 - self.specificity(threshold))

    def ppv(self, threshold: float) -> float:
        """The share of flags that are cancers."""
        return self.prevalence * self.sensitivity(threshold) / self.flags(threshold)

    def npv(self, threshold: float) -> float:
        """The share of those not flagged that are none."""
        return (1 - self.prevalence) * self.specificity(threshold) / (1 - self.flags(threshold))

    def benefit(self, flagged_from: float, threshold: float) -> float:
        """Net benefit of flagging at the one, valued at the other."""
        false = (1 - self.prevalence) * (1 - self.specificity(flagged_from))
        return self.prevalence * self.sensitivity(flagged_from) - false * threshold / (1 - threshold)


def site(random: Random, truth: Truth, n: int, patients: int | None = None, alike: float = 0.5) -> Cases:
    """A site's pictures; of so many patients, whose pictures are alike: that share of the score's variance is the patient's.

    A patient's pictures tend to be malignant together, too.
    """
    if patients is None:
        malignant = random.random(n) < truth.prevalence
        return _cases(truth, random.normal(size=n) + truth.apart * malignant, malignant, np.arange(n))
    clusters = random.integers(0, patients, n)
    own = random.beta(truth.prevalence, 1 - truth.prevalence, patients)
    malignant = random.random(n) < own[clusters]
    noise = math.sqrt(alike) * random.normal(size=patients)[clusters] + math.sqrt(1 - alike) * random.normal(size=n)
    return _cases(truth, noise + truth.apart * malignant, malignant, clusters)


def audited(random: Random, cases: Cases, threshold: float, one_in: int) -> Cases:
    """What is labelled where only flagged pictures are biopsied, and one in so many of the others by chance."""
    flagged = cases.scores >= threshold
    kept = flagged | (random.random(len(cases)) < 1 / one_in)
    weighted = Cases(cases.scores, cases.malignant, cases.clusters, np.where(flagged, 1.0, float(one_in)), cases.groups)
    return weighted.where(kept)


def grouped(cases: Cases, column: str, values: Ints) -> Cases:
    """The same with a column of groups."""
    return Cases(cases.scores, cases.malignant, cases.clusters, cases.weights, {column: values.astype(np.str_)})


def _cases(truth: Truth, latent: Floats, malignant: Bools, clusters: Ints) -> Cases:
    return Cases(truth.probability(latent), malignant, clusters.astype(np.int64), np.ones(len(latent)))
