"""Who was verified, of the pictures that were read. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import stats

from tocsin.learning.parts import Verification
from tocsin.learning.types import Bools, Cases

UNEVEN_P: Final = 0.05
"""Below it, that flagged pictures have a label more often than others is no chance."""


def verification(cases: Cases, labelled: tuple[int, int], unlabelled: tuple[int, int], *, selected: bool) -> Verification:
    """Flagged pictures verified more often than others, by Fisher's exact test, are verification by score.

    `labelled`, `unlabelled`: how many are flagged, and how many are not. `selected`: labels are of whom somebody chose to look at, which
    goes by the score wherever readers see the flag.
    """
    if len(cases) and float(np.ptp(cases.weights)) > 1e-9 * float(cases.weights.max()):
        return "weighted"
    if selected:
        return "by-score"
    if not sum(unlabelled):
        return "all"
    if not labelled[1] and unlabelled[1]:
        return "by-score"
    uneven = float(stats.fisher_exact([labelled, unlabelled], alternative="greater").pvalue)
    return "by-score" if uneven < UNEVEN_P else "alike"


def parted(flagged: Bools) -> tuple[int, int]:
    """How many are flagged, and how many are not."""
    some = int(flagged.sum())
    return some, len(flagged) - some
