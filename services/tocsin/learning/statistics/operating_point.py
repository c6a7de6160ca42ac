"""The threshold for which the data show a sensitivity, or what they lack. A score flags from the threshold on.

A walk through thresholds that were fixed before the data, from 0 upwards, where the sensitivity can only fall. Each is asked "is the
sensitivity below the target?" by the exact binomial test, and the walk ends before the first where that cannot be ruled out: then the
chance that the threshold it came to misses more than it may is at most one minus the confidence, whatever the model and the scores
(fixed-sequence testing: Angelopoulos et al., Learn then test, Ann. Appl. Stat. 19:1641, 2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from tocsin.learning.statistics.columns import Unusable, logistic, logit, usable
from tocsin.learning.statistics.proportions import exact_lower
from tocsin.learning.statistics.sample_size import cancers_needed
from tocsin.learning.types import Floats, Ints
from tocsin.site.parts import CERTAIN

STEPS: Final = 2_000
MORE_MAX: Final = 100_000

METHOD: Final = "fixed-sequence exact binomial test over thresholds set beforehand (learn then test)"
"""For `tocsin.site.parts.Guarantee.method`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """With `confidence`, pictures like these are flagged from the threshold on with at least that sensitivity."""

    threshold: float
    sensitivity_at_least: float
    """Exact lower bound at `confidence` that also holds after the walk: of the misses that the target allows for so many cancers."""
    misses: int
    """Confirmed cancers here that score below the threshold."""
    cancers: int
    """Confirmed cancers here; patients or lesions where clusters were given."""
    target: float
    confidence: float


@dataclass(frozen=True, slots=True)
class NotShown:
    """The data cannot show the sensitivity, which does not mean that the model lacks it."""

    why: str
    more_cancers: int | None
    """So many more confirmed cancers would do if none, or no larger share than until now, is missed; None: more would not do."""
    misses: int
    cancers: int
    target: float
    confidence: float


def thresholds(steps: int = STEPS) -> Floats:
    """The thresholds that are walked: CERTAIN..1-CERTAIN, evenly in log-odds, of nine decimals; the same for all data."""
    even = logistic(np.linspace(float(logit(CERTAIN)), float(logit(1 - CERTAIN)), steps))
    rounded: Floats = np.unique(np.round(even, 9))
    return rounded


def threshold_for(
    scores: npt.ArrayLike,
    malignant: npt.ArrayLike,
    target: float = 0.95,
    confidence: float = 0.95,
    *,
    clusters: Ints | None = None,
    walk: Floats | None = None,
) -> Shown | NotShown:
    """The highest threshold of the walk with a sensitivity of at least `target`, shown with `confidence`.

    Malignant pictures must have been sought independently and each with the same probability, so that no weights are needed; where a
    patient, or a lesion, has several, `clusters` makes them one that is missed where any of them is. `walk` rises and must have been
    fixed without these pictures.
    """
    steps = thresholds() if walk is None else np.asarray(walk, dtype=np.float64)
    if not len(steps) or (np.diff(steps) <= 0).any():
        raise Unusable("thresholds to walk must rise")
    found = _cancers(scores, malignant, target, confidence, clusters)
    n, allowed = len(found), allowed_misses(len(found), target, confidence)
    if allowed is None:
        return _too_few(0, n, target, confidence)
    missed = np.searchsorted(np.sort(found), steps, side="left")
    passed = int(np.searchsorted(missed, allowed, side="right"))
    if passed == 0:
        return _not_shown(int(missed[0]), n, target, confidence)
    at = passed - 1
    return Shown(float(steps[at]), exact_lower(n - allowed, n, confidence), int(missed[at]), n, target, confidence)


def shown_at(
    threshold: float,
    scores: npt.ArrayLike,
    malignant: npt.ArrayLike,
    target: float = 0.95,
    confidence: float = 0.95,
    *,
    clusters: Ints | None = None,
) -> Shown | NotShown:
    """Whether these pictures show the target at a threshold that was fixed without them."""
    found = _cancers(scores, malignant, target, confidence, clusters)
    n, misses = len(found), int((found < threshold).sum())
    allowed = allowed_misses(n, target, confidence)
    if allowed is None and misses == 0:
        return _too_few(misses, n, target, confidence)
    if allowed is None or misses > allowed:
        return _not_shown(misses, n, target, confidence)
    return Shown(threshold, exact_lower(n - misses, n, confidence), misses, n, target, confidence)


def allowed_misses(cancers: int, target: float, confidence: float = 0.95) -> int | None:
    """The most misses among so many cancers that still show the target; None: not even none does."""
    most = int(binom.ppf(1 - confidence, cancers, 1 - target)) if cancers else 0
    while most >= 0 and binom.cdf(most, cancers, 1 - target) > 1 - confidence + 1e-12:
        most -= 1
    return most if most >= 0 else None


def _cancers(scores: npt.ArrayLike, malignant: npt.ArrayLike, target: float, confidence: float, clusters: Ints | None) -> Floats:
    """Scores of the malignant ones; the lowest of each cluster."""
    if not (0 < target < 1 and 0 < confidence < 1):
        raise Unusable("target and confidence lie between 0 and 1")
    if not np.size(scores):
        return np.zeros(0)
    score, label, _ = usable(scores, malignant)
    if clusters is None:
        return score[label]
    names, places = np.unique(np.asarray(clusters)[label], return_inverse=True)
    lowest = np.full(len(names), np.inf)
    np.minimum.at(lowest, places, score[label])
    return lowest


def _too_few(misses: int, n: int, target: float, confidence: float) -> NotShown:
    least = cancers_needed(target, misses, confidence)
    why = f"{n} confirmed cancers are too few: {least} are needed to show a sensitivity of {target:g} where none is missed"
    return NotShown(why, least - n, misses, n, target, confidence)


def _not_shown(misses: int, n: int, target: float, confidence: float) -> NotShown:
    why = f"{misses} of {n} confirmed cancers score below the threshold: too many to show a sensitivity of {target:g}"
    return NotShown(why, _more(misses, n, target, confidence), misses, n, target, confidence)


def _more(misses: int, n: int, target: float, confidence: float) -> int | None:
    """How many more it takes where the share of misses stays as it is."""
    if misses / n >= 1 - target:
        return None
    low, high = n, 2 * n
    while not _would_do(misses * high / n, high, target, confidence):
        if high > MORE_MAX:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _would_do(misses * middle / n, middle, target, confidence) else (middle, high)
    return high - n


def _would_do(misses: float, n: int, target: float, confidence: float) -> bool:
    return exact_lower(n - int(np.ceil(misses)), n, confidence) >= target
