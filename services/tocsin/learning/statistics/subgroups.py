"""Group by group: what is shown for whom, and for whom it is not shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from scipy import special, stats

from tocsin.learning.statistics.accuracy import proportion
from tocsin.learning.statistics.discrimination import clustered_auroc
from tocsin.learning.statistics.given import confident, sound
from tocsin.learning.statistics.proportions import effective_size
from tocsin.learning.statistics.shrinkage import shrunken
from tocsin.learning.types import Bools, Cases, Floats, Interval

FEWEST_CANCERS: Final = 10
"""With fewer, a group's figures say too little to call anything shown."""

Status = Literal["shown", "not-shown"]
Why = Literal["too-few-cancers", "below-the-bound", "not-after-comparisons"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A share of a group, from its own pictures and as the other groups of its column lend it strength."""

    raw: Interval
    shrunken: Interval


@dataclass(frozen=True, slots=True)
class Group:
    """One value of one column."""

    column: str
    value: str
    """Empty: not known."""
    n: int
    """Pictures."""
    events: int
    """Malignant pictures."""
    cancers: int
    """Clusters with a malignant picture: repeats of one patient's are one."""
    sensitivity: Figure
    specificity: Figure
    auroc: Interval
    lower: float
    """Sensitivity is at least this, one-sided, at the confidence."""
    status: Status
    """Shown to reach the bound, or not shown; nothing is ever called fine."""
    why: Why | None
    """Why it is not shown."""
    worse_p: float
    """Chance of a sensitivity so far below the other pictures' if it were theirs; by Holm over all groups. NaN: cannot be said."""


class _Chosen(NamedTuple):
    column: str
    value: str
    within: Bools


def subgroups(
    cases: Cases,
    threshold: float,
    bound: float,
    confidence: float = 0.95,
    fewest: int = FEWEST_CANCERS,
    columns: Sequence[str] | None = None,
) -> tuple[Group, ...]:
    """Each value of each column, flagged at or above the threshold, against a bound on sensitivity. Raises ValueError.

    Shown: enough cancers, the one-sided lower bound reaches the bound, and still does so by Holm over all groups with enough
    cancers. A gate that needs every listed group to hold asks `lower` alone, as all must hold (Berger 1982, Technometrics 24:295).
    """
    known = sound(cases)
    if not 0 < bound < 1:
        raise ValueError(f"bound: {bound} does not lie between 0 and 1")
    confident(confidence)
    flagged, malignant = known.scores >= threshold, known.malignant
    chosen = _chosen(known, known.groups if columns is None else columns)
    sensitive = _figures(known, chosen, flagged, malignant, confidence, flagged)
    specific = _figures(known, chosen, ~flagged, ~malignant, confidence, ~flagged)
    cancers = [len(np.unique(known.clusters[each.within & malignant])) for each in chosen]
    shown = holm([_shown_p(known, flagged, each, bound) if n >= fewest else math.nan for each, n in zip(chosen, cancers, strict=True)])
    worse = holm([_worse_p(known, flagged, each) for each in chosen])
    lowers = [_lower(known, flagged, each, confidence) for each in chosen]
    whys = [_why(n < fewest, lower < bound, not p <= 1 - confidence) for n, lower, p in zip(cancers, lowers, shown, strict=True)]
    return tuple(
        Group(
            column=each.column,
            value=each.value,
            n=int(each.within.sum()),
            events=int((each.within & malignant).sum()),
            cancers=cancers[place],
            sensitivity=sensitive[place],
            specificity=specific[place],
            auroc=clustered_auroc(known.where(each.within), confidence),
            lower=lowers[place],
            status="not-shown" if whys[place] else "shown",
            why=whys[place],
            worse_p=float(worse[place]),
        )
        for place, each in enumerate(chosen)
    )


def holm(p_values: Sequence[float]) -> Floats:
    """The p-values adjusted so that one below alpha anywhere is by chance in at most alpha of all families; NaN stays out of it.

    Source: Holm 1979, Scand J Stat 6:65. Raises ValueError for what is no chance.
    """
    given = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(given))
    if ((given[known] < 0) | (given[known] > 1)).any():
        raise ValueError("a p-value lies between 0 and 1")
    order = known[np.argsort(given[known], kind="stable")]
    adjusted = np.full(len(given), math.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * np.arange(len(order), 0, -1)))
    return adjusted


def _chosen(cases: Cases, columns: Iterable[str]) -> list[_Chosen]:
    chosen = []
    for column in columns:
        values, place = np.unique(cases.groups[column], return_inverse=True)
        chosen += [_Chosen(column, str(value), place == which) for which, value in enumerate(values)]
    return chosen


def _figures(cases: Cases, chosen: list[_Chosen], hit: Bools, among: Bools, confidence: float, could_hit: Bools) -> list[Figure]:
    own = [proportion(cases, hit, among & each.within, confidence, could_hit & each.within, ~could_hit & each.within) for each in chosen]
    figures = list[Figure]()
    for column in dict.fromkeys(each.column for each in chosen):
        places = [place for place, each in enumerate(chosen) if each.column == column]
        counts = [_effective(cases, hit, among & chosen[place].within) for place in places]
        lent = shrunken([hits for hits, _ in counts], [of for _, of in counts], confidence)
        figures += [Figure(own[place], one) for place, one in zip(places, lent, strict=True)]
    return figures


def _effective(cases: Cases, hit: Bools, among: Bools) -> tuple[float, float]:
    """Hits, and of how many, as if each picture stood for itself."""
    within, weights = hit[among], cases.weights[among]
    size = effective_size(within, weights, cases.clusters[among])
    return (min(size, size * float(weights[within].sum() / weights.sum())) if size else 0.0), size


def _lower(cases: Cases, flagged: Bools, of: _Chosen, confidence: float) -> float:
    two_sided = 2 * confidence - 1
    if two_sided <= 0:
        raise ValueError(f"confidence: {confidence} shows nothing; more than 0.5 is needed")
    return proportion(cases, flagged, cases.malignant & of.within, two_sided, flagged & of.within, ~flagged & of.within).low


def _shown_p(cases: Cases, flagged: Bools, of: _Chosen, bound: float) -> float:
    """The chance of so high a sensitivity were it at the bound: exact binomial."""
    hits, size = _effective(cases, flagged, cases.malignant & of.within)
    return float(special.betainc(hits, size - hits + 1, bound)) if hits > 0 else 1.0


def _worse_p(cases: Cases, flagged: Bools, of: _Chosen) -> float:
    """The chance of so low a sensitivity were it that of the other pictures: exact, one-sided (Fisher 1935)."""
    hits, size = (round(each) for each in _effective(cases, flagged, cases.malignant & of.within))
    other_hits, other_size = (round(each) for each in _effective(cases, flagged, cases.malignant & ~of.within))
    if not size or not other_size:
        return math.nan
    return min(1.0, float(stats.hypergeom.cdf(hits, size + other_size, hits + other_hits, size)))


def _why(few: bool, below: bool, not_after: bool) -> Why | None:
    if few:
        return "too-few-cancers"
    if below:
        return "below-the-bound"
    return "not-after-comparisons" if not_after else None
