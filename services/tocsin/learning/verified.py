"""Who was verified, of the pictures that were read: where it was flagged ones rather than others, missed cancers stayed unseen."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import stats

from tocsin.learning.parts import Verification
from tocsin.learning.types import Cases, Floats

STOOD_FOR_MIN: Final = 0.1
"""Share of the pictures below the threshold for which those with a label must stand by their weights. Of a sample it is 1 on average."""
UNEVEN_P: Final = 0.05
"""Below it, that flagged pictures have a label more often than others is no chance."""


def verification(cases: Cases, unverified: Floats, threshold: float, *, selected: bool) -> Verification:
    """Who was verified; `unverified`: scores of the pictures without a label that speaks of truth.

    Pictures flagged from the threshold on more often than others, by Fisher's exact test, is verification by score. `selected`: labels
    are of whom somebody chose to look at, which goes by the score wherever readers see the flag. Weights mend either, where they are
    those of a sample that reaches below the threshold: not where the labelled pictures there stand for hardly any of those there are.
    """
    labelled, unlabelled = flagged_and_not(cases.scores, threshold), flagged_and_not(unverified, threshold)
    flagged_alone = not labelled[1] and unlabelled[1] > 0
    if len(cases) and float(np.ptp(cases.weights)) > 1e-9 * float(cases.weights.max()) and not flagged_alone:
        stood_for = float(cases.weights[cases.scores < threshold].sum())
        if stood_for < STOOD_FOR_MIN * (labelled[1] + unlabelled[1]):
            return "by-score"
        return "weighted"
    if selected or flagged_alone:
        return "by-score"
    if not len(unverified):
        return "all"
    uneven = float(stats.fisher_exact([labelled, unlabelled], alternative="greater").pvalue)
    return "by-score" if uneven < UNEVEN_P else "alike"


def flagged_and_not(scores: Floats, threshold: float) -> tuple[int, int]:
    """How many are flagged from the threshold on, and how many are not."""
    flagged = int((scores >= threshold).sum())
    return flagged, len(scores) - flagged
