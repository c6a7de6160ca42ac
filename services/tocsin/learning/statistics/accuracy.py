"""Sensitivity, specificity and predictive values at an operating point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tocsin.learning.statistics.given import confident, sound
from tocsin.learning.statistics.proportions import clustered_exact, exact, share, weighted_sum
from tocsin.learning.types import Bools, Cases, Interval


@dataclass(frozen=True, slots=True)
class Counts:
    """Pictures, counted as they are: without their weights."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What flagging from a threshold on does."""

    threshold: float
    counts: Counts
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval


def accuracy(cases: Cases, threshold: float, confidence: float = 0.95) -> Accuracy:
    """Accuracy where scores at or above the threshold are flagged, with intervals as `proportion` chooses them. Raises ValueError."""
    known = sound(cases)
    if np.isnan(threshold):
        raise ValueError("threshold: not a number")
    flagged, malignant = known.scores >= threshold, known.malignant
    counts = Counts(
        int((flagged & malignant).sum()),
        int((flagged & ~malignant).sum()),
        int((~flagged & malignant).sum()),
        int((~flagged & ~malignant).sum()),
    )
    return Accuracy(
        threshold,
        counts,
        proportion(known, flagged, among=malignant, confidence=confidence, could_hit=flagged, could_miss=~flagged),
        proportion(known, ~flagged, among=~malignant, confidence=confidence, could_hit=~flagged, could_miss=flagged),
        proportion(known, malignant, among=flagged, confidence=confidence, could_hit=flagged, could_miss=flagged),
        proportion(known, ~malignant, among=~flagged, confidence=confidence, could_hit=~flagged, could_miss=~flagged),
    )


def proportion(
    cases: Cases, hit: Bools, among: Bools, confidence: float = 0.95, could_hit: Bools | None = None, could_miss: Bools | None = None
) -> Interval:
    """The share of hits among those cases.

    Exact (Clopper-Pearson) where each picture stands for itself; with an effective size where clusters repeat (Korn-Graubard);
    weighted (Hajek, with Fay-Feuer limits) where weights differ: `could_hit` and `could_miss` say which pictures, of whatever
    label, would have weighed what one more hit or miss would.
    """
    confident(confidence)
    if len(cases) and float(np.ptp(cases.weights)) > 1e-9 * float(cases.weights.max()):
        hits = weighted_sum(hit & among, cases.clusters, cases.weights, among if could_hit is None else could_hit)
        misses = weighted_sum(~hit & among, cases.clusters, cases.weights, among if could_miss is None else could_miss)
        return share(hits, misses, confidence)
    within, clusters = hit[among], cases.clusters[among]
    if len(np.unique(clusters)) < len(clusters):
        return clustered_exact(within, clusters, confidence=confidence)
    return exact(int(within.sum()), len(within), confidence)
