"""Whether what comes in is still what came in at the last evaluation; limits follow from a stated rate of false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from tocsin.learning.statistics.columns import Unusable
from tocsin.learning.types import Floats

OVERSHOOT: Final = 1.166
"""How far beyond its limit a sum of normal steps lands on average, both ends (Siegmund, Sequential Analysis, 1985)."""
DRAWS_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class Cusum:
    """Two-sided cumulative sum over means of batches (Page, Biometrika 41:100, 1954); plain numbers, to be kept as they are."""

    mean: float
    """Of one picture's value at the last evaluation."""
    deviation: float
    """Standard deviation of one picture's value there."""
    limit: float
    """Of the sums, by `cusum_limit`."""
    slack: float = 0.5
    """In standard errors of a batch: half the shift that is to be found; it also takes up what the baseline's mean may be off."""
    up: float = 0.0
    down: float = 0.0
    batches: int = 0

    def after(self, batch_mean: float, of: int) -> Cusum:
        """One batch later; `batch_mean` of `of` pictures."""
        if of < 1 or not self.deviation > 0 or not math.isfinite(batch_mean):
            raise Unusable("a batch has at least one picture and a mean, and the baseline a standard deviation above 0")
        step = (batch_mean - self.mean) / (self.deviation / math.sqrt(of))
        return replace(
            self, up=max(0.0, self.up + step - self.slack), down=max(0.0, self.down - step - self.slack), batches=self.batches + 1
        )

    @property
    def alarms(self) -> bool:
        """Whether either sum is above the limit."""
        return max(self.up, self.down) > self.limit


def cusum_run(limit: float, slack: float = 0.5, shift: float = 0.0, *, two_sided: bool = True) -> float:
    """Batches until an alarm, on average, where the mean has moved by `shift` standard errors (Siegmund's approximation)."""
    up = _one_sided(limit, shift - slack)
    return up if not two_sided else 1 / (1 / up + 1 / _one_sided(limit, -shift - slack))


def cusum_limit(run: float, slack: float = 0.5, *, two_sided: bool = True) -> float:
    """The limit with which a false alarm comes once in `run` batches (ARL0) on average."""
    if not run > 2 or not slack > 0:
        raise Unusable("a false alarm must be rarer than every other batch, and the slack above 0")
    return float(brentq(lambda limit: math.log(cusum_run(limit, slack, two_sided=two_sided) / run), 1e-6, 50 / slack))


def psi(baseline: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """Population stability index of two histograms' counts, each bin with half a picture more so that empty ones have a logarithm."""
    first, second = _shares(baseline), _shares(now)
    if first.shape != second.shape:
        raise Unusable("two histograms must have the same bins")
    return float(((second - first) * np.log(second / first)).sum())


def psi_limit(baseline: npt.ArrayLike, of: int, false_alarms: float, *, seed: int = 1) -> float:
    """What the index of `of` pictures from the same source exceeds with the chance `false_alarms`; for one look a day, 1 / days between.

    Simulated, since bins may hold few; where none does it is chi-square times (1/n + 1/m) (Yurdakul and Naranjo, J. Risk Model Valid.
    14:4, 2020). The usual 0.1 and 0.2 mean another rate of false alarms with each number of pictures, and are not used.
    """
    counts = np.asarray(baseline, dtype=np.float64)
    shares = _shares(counts)
    if of < 1 or not 0 < false_alarms < 1 or len(counts) < 2:
        raise Unusable("a limit needs two bins, one picture, and a chance between 0 and 1")
    chance = np.random.default_rng(seed)
    draws = int(min(max(200 / false_alarms, 2_000), DRAWS_MAX))
    now = chance.multinomial(of, chance.dirichlet(counts + 0.5, draws)) + 0.5
    now = now / now.sum(axis=1, keepdims=True)
    return float(np.quantile(((now - shares) * np.log(now / shares)).sum(axis=1), 1 - false_alarms))


def _one_sided(limit: float, drift: float) -> float:
    reach = limit + OVERSHOOT
    if abs(drift) < 1e-9:
        return reach**2
    power = min(-2 * drift * reach, 700.0)
    return (math.exp(power) + 2 * drift * reach - 1) / (2 * drift**2)


def _shares(counts: npt.ArrayLike) -> Floats:
    held = np.asarray(counts, dtype=np.float64)
    if held.ndim != 1 or not len(held) or not (np.isfinite(held) & (held >= 0)).all() or not held.sum():
        raise Unusable("a histogram is a column of counts, not all of them 0")
    shares: Floats = (held + 0.5) / (held.sum() + 0.5 * len(held))
    return shares
