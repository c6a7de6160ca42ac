"""What flagging is worth, and what work it makes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tocsin.learning.statistics.accuracy import proportion
from tocsin.learning.statistics.given import confident, sound
from tocsin.learning.statistics.proportions import clustered_wilson
from tocsin.learning.types import Bools, Cases, Interval

NICE_REFERRAL = 0.03
"""Probability of cancer at which NICE NG12 (2015) has a patient referred: the reference threshold where a site names none."""


@dataclass(frozen=True, slots=True)
class Benefit:
    """Net benefit at one threshold, in true flags per picture, false ones counted at the threshold's odds. Of flag-none it is 0."""

    threshold: float
    model: Interval
    flag_all: Interval
    over_flag_all: Interval
    """What the model adds to flag-all, of the same pictures."""


def decision_curve(cases: Cases, thresholds: Iterable[float], confidence: float = 0.95) -> tuple[Benefit, ...]:
    """Net benefit at each threshold probability, where the scores are probabilities and those at or above are flagged.

    Raises ValueError unless each threshold lies between 0 and 1, 0 included.
    Source: Vickers and Elkin 2006, Med Decis Making 26:565.
    """
    known = sound(cases)
    return tuple(_benefit(known, known.scores >= each, each, confidence) for each in thresholds)


def net_benefit(cases: Cases, flagged_from: float, threshold: float = NICE_REFERRAL, confidence: float = 0.95) -> Benefit:
    """Net benefit of flagging scores at or above an operating point, false flags counted at the odds of the threshold probability."""
    known = sound(cases)
    return _benefit(known, known.scores >= flagged_from, threshold, confidence)


@dataclass(frozen=True, slots=True)
class Workload:
    """What flagging from an operating point asks of the readers."""

    flags_per_100: Interval
    flags_per_cancer_found: Interval
    """One over the positive predictive value; infinite where no flag was a cancer."""


def workload(cases: Cases, flagged_from: float, confidence: float = 0.95) -> Workload:
    """Flags per 100 pictures, and per cancer found, where scores at or above are flagged. Raises ValueError."""
    known = sound(cases)
    flagged = known.scores >= flagged_from
    share = proportion(known, flagged, np.ones(len(known), bool), confidence, flagged, ~flagged)
    ppv = proportion(known, known.malignant, flagged, confidence, flagged, flagged)
    per_100 = Interval(100 * share.estimate, 100 * share.low, 100 * share.high, confidence)
    return Workload(per_100, Interval(_one_over(ppv.estimate), _one_over(ppv.high), _one_over(ppv.low), confidence))


def _one_over(share: float) -> float:
    return 1 / share if share else math.inf


def _benefit(cases: Cases, flagged: Bools, threshold: float, confidence: float) -> Benefit:
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: {threshold} is no probability below 1")
    odds = threshold / (1 - threshold)
    everything = np.ones(len(cases), bool)
    over = _gain(cases, ~flagged & ~cases.malignant, ~flagged & cases.malignant, odds, confidence, good_times_odds=True)
    return Benefit(threshold, _worth(cases, flagged, odds, confidence), _worth(cases, everything, odds, confidence), over)


def _worth(cases: Cases, flagged: Bools, odds: float, confidence: float) -> Interval:
    return _gain(cases, flagged & cases.malignant, flagged & ~cases.malignant, odds, confidence, good_times_odds=False)


def _gain(cases: Cases, good: Bools, bad: Bools, odds: float, confidence: float, *, good_times_odds: bool) -> Interval:
    """One share's gain less the other's loss, one of the two at the odds, by MOVER over Wilson limits of effective sizes.

    It keeps a width where no picture is flagged. Source: Zou 2008, Stat Med 27:1693, of two shares of one sample.
    """
    confident(confidence)
    if not len(cases):
        return Interval(math.nan, math.nan, math.nan, confidence)
    win, lose = (odds, 1.0) if good_times_odds else (1.0, odds)
    won, lost = (clustered_wilson(hit, cases.clusters, cases.weights, confidence) for hit in (good, bad))
    worth = win * won.estimate - lose * lost.estimate
    together = _correlation(cases, good, bad)
    low = _far(win * (won.estimate - won.low), lose * (lost.high - lost.estimate), together)
    high = _far(win * (won.high - won.estimate), lose * (lost.estimate - lost.low), together)
    return Interval(worth, worth - low, worth + high, confidence)


def _far(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one * one + other * other - 2 * correlation * one * other))


def _correlation(cases: Cases, one: Bools, other: Bools) -> float:
    """Of the two shares' estimates, over clusters."""
    total = cases.weights.sum()
    sums = [np.bincount(cases.clusters, cases.weights * (hit - cases.weights[hit].sum() / total)) for hit in (one, other)]
    spread = math.sqrt(float((sums[0] ** 2).sum() * (sums[1] ** 2).sum()))
    return float((sums[0] * sums[1]).sum()) / spread if spread > 0 else 0.0
