"""The few statistics that the measurements need, over scores [n] and truths [n]. A score flags from the threshold on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`, with its Wilson interval at 95 %."""

    hits: int
    n: int

    def interval(self) -> tuple[float, float]:
        """Lower and upper end, 0..1 (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
        if not self.n:
            return 0.0, 1.0
        share, spread = self.hits / self.n, Z95**2 / self.n
        middle = share + spread / 2
        half = math.sqrt(spread * (share * (1 - share) + spread / 4))
        return (middle - half) / (1 + spread), (middle + half) / (1 + spread)

    def __str__(self) -> str:
        if not self.n:
            return "-"
        low, high = self.interval()
        return f"{self.hits / self.n:.3f} [{low:.3f}, {high:.3f}] ({self.hits}/{self.n})"


def share(flags: Booleans) -> Share:
    """How many of them are set."""
    return Share(int(flags.sum()), len(flags))


def sensitivity(scores: Floats, truth: Booleans, threshold: float) -> Share:
    """Malignant lesions that are flagged."""
    return share(scores[truth] >= threshold)


def specificity(scores: Floats, truth: Booleans, threshold: float) -> Share:
    """Benign lesions that are not flagged."""
    return share(scores[~truth] < threshold)


def predictive_value(scores: Floats, truth: Booleans, threshold: float) -> Share:
    """Flags that are right, at the set's own share of malignant lesions."""
    return share(truth[scores >= threshold])


def threshold_for(scores: Floats, truth: Booleans, wanted: float) -> float:
    """The highest threshold, rounded down to four places, that flags at least the share `wanted` of the malignant lesions."""
    falling = np.sort(scores[truth])[::-1]
    return math.floor(float(falling[math.ceil(wanted * len(falling)) - 1]) * 10_000) / 10_000


def auroc(scores: Floats, truth: Booleans) -> float:
    """Chance that a malignant lesion scores above a benign one, ties half (Mann-Whitney)."""
    benign = np.sort(scores[~truth])
    below = np.searchsorted(benign, scores[truth], side="left") + np.searchsorted(benign, scores[truth], side="right")
    return float(below.mean() / 2 / len(benign))


def auroc_interval(scores: Floats, truth: Booleans, *, draws: int = 2000, seed: int = 1) -> tuple[float, float]:
    """95 % percentile interval over bootstrap draws, malignant and benign lesions drawn apart."""
    chance = np.random.default_rng(seed)
    ill, well = scores[truth], scores[~truth]
    labels = np.repeat([True, False], [len(ill), len(well)])
    drawn = [auroc(np.concatenate([chance.choice(ill, len(ill)), chance.choice(well, len(well))]), labels) for _ in range(draws)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(scores: Floats, truth: Booleans, bins: int = 10) -> float:
    """Expected calibration error over equally wide bins."""
    place = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(float(scores[place == b].mean() - truth[place == b].mean())) * float((place == b).mean()) for b in set(place.tolist())]
    return sum(gaps)
