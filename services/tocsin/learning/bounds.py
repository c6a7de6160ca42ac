"""The bounds of a protocol, held against labels: each with its figure, over all pictures and in each listed group."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm

from tocsin.learning.bands import flagged_from
from tocsin.learning.labelled import cancers, patients_with
from tocsin.learning.statistics.calibration import ici, intercept_slope, observed_over_expected
from tocsin.learning.statistics.columns import probabilities
from tocsin.learning.statistics.proportions import exact_lower
from tocsin.learning.types import Bools, Cases, Floats
from tocsin.model_card import ModelCard, OperatingPoint
from tocsin.site.parts import Calibration, SiteFile
from tocsin.site.protocol import CalibrationBounds, NetBenefitBound, Protocol
from tocsin.site.record import Finding

ALL: Final = "all pictures"
_ROUNDING: Final = 1e-12
"""numpy's and the C library's logistic function differ in the last place; limits are rounded down by more than this."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the model's scores become probabilities and flags."""

    point: OperatingPoint
    calibration: Calibration | None
    """None: the scores as they are."""

    @classmethod
    def of(cls, card: ModelCard, site: SiteFile | None) -> Rule:
        """That of a site file; of the card where there is none."""
        return cls(card.operating_point, None) if site is None else cls(site.operating_point, site.calibration)

    def probabilities(self, scores: Floats) -> Floats:
        """Probabilities of malignancy of the model's own scores."""
        of = self.calibration
        return scores if of is None else probabilities(scores, of.intercept, of.slope)

    @property
    def threshold(self) -> float:
        """The model's own score from which pictures are flagged."""
        limit = flagged_from(self.point)
        return limit if self.calibration is None else self.calibration.score(limit)

    def flags(self, scores: Floats) -> Bools:
        """Which pictures are flagged."""
        flagged: Bools = self.probabilities(scores) >= flagged_from(self.point) * (1 - _ROUNDING)
        return flagged


def held(protocol: Protocol, cases: Cases, most: float, candidate: Rule, now: Rule) -> tuple[Finding, ...]:
    """Every bound, met or not. Each must be met, so that no figure needs a correction for their number (intersection-union test).

    `most`: the heaviest weight of all labels (Labelled.heaviest).
    """
    return tuple(_each(protocol, cases, most, candidate, now))


def _each(protocol: Protocol, cases: Cases, most: float, candidate: Rule, now: Rule) -> Iterator[Finding]:
    yield _sensitivity(ALL, cases, most, candidate, protocol.sensitivity_at_least, protocol.confidence)
    for group in protocol.groups:
        column = cases.groups.get(group.column)
        inside = cases.where(np.zeros(len(cases), dtype=np.bool_) if column is None else column == group.value)
        yield _enough(str(group), inside, group.malignant_min)
        yield _sensitivity(str(group), inside, most, candidate, group.sensitivity_at_least, protocol.confidence)
    yield _benefit(cases, candidate, now, protocol.net_benefit, protocol.confidence)
    yield from _calibration(cases, candidate.probabilities(cases.scores), protocol.calibration)


def _sensitivity(where: str, cases: Cases, most: float, rule: Rule, least: float, confidence: float) -> Finding:
    found = cancers(cases, most)
    n = len(found)
    hits = int(rule.flags(found).sum())
    low = exact_lower(hits, n, confidence)
    told = f"{hits} of {n} independent confirmed cancers flagged; lower bound {low:.3f} at confidence {confidence:g}"
    return Finding(bound=f"sensitivity, {where}", wanted=f"at least {least:g}", figure=low, met=low >= least, told=told)


def _enough(where: str, cases: Cases, least: int) -> Finding:
    n, pictures = patients_with(cases), int(cases.malignant.sum())
    told = f"{n} independent ones; {pictures} malignant of {len(cases)} pictures"
    return Finding(bound=f"confirmed cancers, {where}", wanted=f"at least {least}", figure=n, met=n >= least, told=told)


def _benefit(cases: Cases, candidate: Rule, now: Rule, bound: NetBenefitBound, confidence: float) -> Finding:
    """Difference of net benefit (Vickers and Elkin, Med. Decis. Making 26:565, 2006), on the same pictures, spread by clusters."""
    odds = bound.at_probability / (1 - bound.at_probability)
    worth = np.where(cases.malignant, 1.0, -odds)
    new, old = candidate.flags(cases.scores), now.flags(cases.scores)
    gain = worth * (new.astype(np.float64) - old)
    total = float(cases.weights.sum())
    mean = float(cases.weights @ gain) / total
    pulls = np.bincount(np.unique(cases.clusters, return_inverse=True)[1], cases.weights * (gain - mean) / total)
    n = len(pulls)
    spread = math.sqrt(float(pulls @ pulls) * n / (n - 1)) if n > 1 else math.inf
    low = mean - float(norm.ppf(confidence)) * spread if spread else mean
    flags = f"{_per_100(new, cases)} flags per 100 pictures, now {_per_100(old, cases)}"
    return Finding(
        bound="net benefit against what is in use",
        wanted=f"not below {-bound.loss_max:g}",
        figure=low if math.isfinite(low) else None,
        met=low >= -bound.loss_max,
        told=f"{mean:+.4f} cancers per picture at {bound.at_probability:g}, lower bound {low:+.4f}; {flags}",
    )


def _calibration(cases: Cases, p: Floats, bounds: CalibrationBounds) -> Iterator[Finding]:
    _, slope = intercept_slope(p, cases.malignant, weights=cases.weights, clusters=cases.clusters)
    ratio = observed_over_expected(p, cases.malignant, weights=cases.weights, clusters=cases.clusters)
    distance = ici(p, cases.malignant, cases.weights)
    yield _finding("integrated calibration index", distance.ici, 0.0, bounds.ici_max, f"{distance.ici:.4f}, E90 {distance.e90:.4f}")
    for name, figure, low, high in (
        ("calibration slope", slope, bounds.slope_min, bounds.slope_max),
        ("observed over expected", ratio, bounds.observed_over_expected_min, bounds.observed_over_expected_max),
    ):
        yield _finding(name, figure.estimate, low, high, f"{figure.estimate:.3f} [{figure.low:.3f}, {figure.high:.3f}]")


def _finding(bound: str, figure: float, low: float, high: float, told: str) -> Finding:
    """NaN, where the labels say nothing, meets no bound."""
    return Finding(
        bound=bound,
        wanted=f"{low:g} to {high:g}",
        figure=figure if math.isfinite(figure) else None,
        met=low <= figure <= high,
        told=told,
    )


def _per_100(flagged: Bools, cases: Cases) -> str:
    return f"{100 * float(cases.weights @ flagged) / float(cases.weights.sum()):.0f}"
