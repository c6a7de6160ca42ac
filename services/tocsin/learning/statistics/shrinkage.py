"""Groups lend each other strength: each one's share as drawn from a common beta distribution."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from tocsin.learning.statistics.given import confident, numbers
from tocsin.learning.types import Floats, Interval

LIKE: Final = 2.0
"""A group of so many is as likely as not moved halfway to the common mean, before anything is seen."""
MEANS, SIZES = 40, 27
"""Points of the grid over what is not known of the common distribution."""
NEGLIGIBLE: Final = 1e-6


class _Common(NamedTuple):
    """Beta distributions that could be the groups' own, and how likely each is."""

    a: Floats
    b: Floats
    chance: Floats


def shrunken(hits: npt.ArrayLike, of: npt.ArrayLike, confidence: float = 0.95) -> tuple[Interval, ...]:
    """Each group's share, moved towards the others' as far as they are alike and it is small. Takes fractional effective counts.

    Beta-binomial empirical Bayes in which the common distribution is integrated over, not fixed at its likeliest, so that few
    groups do not look more alike than is known (Deely and Lindley 1981, J Am Stat Assoc 76:833), with a uniform prior on the
    common mean and on the shrinkage of a group of LIKE (Daniels 1999, Can J Stat 27:567). The intervals cover over the groups on
    average, not for each: a group unlike the others is drawn towards them. A group of nothing has NaN, 0, 1. Raises ValueError.
    """
    found, whole = numbers(hits, "hits"), numbers(of, "of")
    if found.shape != whole.shape or (found < 0).any() or (found > whole).any():
        raise ValueError("each group's hits lie between 0 and its number")
    confident(confidence)
    known = whole > 0
    if not known.any():
        return tuple(Interval(math.nan, 0.0, 1.0, confidence) for _ in whole)
    common = _common(found[known], whole[known])
    return tuple(
        _one(float(h), float(n), common, confidence) if n > 0 else Interval(math.nan, 0.0, 1.0, confidence)
        for h, n in zip(found, whole, strict=True)
    )


def _common(hits: Floats, of: Floats) -> _Common:
    low, high = special.logit(1e-6), special.logit(1 - 1e-6)
    for _ in range(3):  # each time closer around what is likely
        means = np.linspace(low, high, MEANS)
        common = _weighed(hits, of, means)
        by_mean = common.chance.reshape(MEANS, SIZES).sum(axis=1)
        likely = np.flatnonzero(by_mean > NEGLIGIBLE)
        low, high = means[max(likely[0] - 1, 0)], means[min(likely[-1] + 1, MEANS - 1)]
    kept = common.chance > NEGLIGIBLE
    return _Common(common.a[kept], common.b[kept], common.chance[kept] / common.chance[kept].sum())


def _weighed(hits: Floats, of: Floats, logits: Floats) -> _Common:
    size = LIKE * np.exp(np.linspace(-4, 9, SIZES))
    mean = special.expit(logits)
    a, b = (np.outer(each, size).ravel() for each in (mean, 1 - mean))
    on_mean, on_size = np.log(mean) + np.log1p(-mean), np.log(size) - 2 * np.log(size + LIKE)  # of grids even on logit and log
    evidence = np.add.outer(on_mean, on_size).ravel()
    for h, n in zip(hits, of, strict=True):
        evidence += special.betaln(a + h, b + n - h) - special.betaln(a, b)
    chance = np.exp(evidence - evidence.max())
    return _Common(a, b, chance / chance.sum())


def _one(hits: float, of: float, common: _Common, confidence: float) -> Interval:
    a, b = common.a + hits, common.b + of - hits
    chance = common.chance

    def below(share: float) -> float:
        return float(chance @ special.betainc(a, b, share))

    tail = (1 - confidence) / 2
    low, high = (float(optimize.brentq(lambda share, at=at: below(share) - at, 0.0, 1.0, xtol=1e-7)) for at in (tail, 1 - tail))
    return Interval(float(chance @ (a / (a + b))), low, high, confidence)
