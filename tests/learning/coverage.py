"""Do the intervals cover? `python -m tests.learning.coverage [repeats]` simulates sites of known truth and prints how often."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from tocsin.learning.statistics.accuracy import accuracy
from tocsin.learning.statistics.bootstrap import clustered
from tocsin.learning.statistics.discrimination import auroc, clustered_auroc, delong
from tocsin.learning.statistics.proportions import clustered_exact, exact, exact_lower, exact_upper, wilson
from tocsin.learning.statistics.shrinkage import shrunken
from tocsin.learning.statistics.subgroups import subgroups
from tocsin.learning.statistics.utility import net_benefit, workload
from tocsin.learning.types import Interval

from tests.learning import calibration_coverage as calibration
from tests.learning.simulated import Random, Truth, audited, grouped, site

Tried = list[tuple[Interval, float]]
"""Intervals of one simulated site, each with the truth."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of interval at a kind of site."""

    name: str
    trial: Callable[[Random], Tried]
    nominal: float = 0.95
    dear: bool = False
    """Takes so long that a tenth of the repeats must do."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often a scenario's intervals held the truth."""

    name: str
    nominal: float
    covered: float
    error: float
    """Monte Carlo standard error of `covered`."""
    width: float
    below: float
    above: float
    """The share of intervals that lie wholly below, and above, the truth."""
    repeats: int

    @property
    def holds(self) -> bool:
        """No less than promised, within three Monte Carlo errors."""
        return self.covered >= self.nominal - 3 * self.error


GOOD = Truth(prevalence=0.3, apart=1.5)
RARE = Truth(prevalence=0.05, apart=1.5)
SHARP = Truth(prevalence=0.1, apart=2.8)


def _exact(random: Random) -> Tried:
    true = random.uniform(0.8, 0.99)
    hits = int(random.binomial(60, true))
    return [(exact(hits, 60), true)]


def _one_sided(random: Random) -> Tried:
    hits = int(random.binomial(80, 0.93))
    return [(Interval(hits / 80, exact_lower(hits, 80), 1.0), 0.93), (Interval(hits / 80, 0.0, exact_upper(hits, 80)), 0.93)]


def _wilson(random: Random) -> Tried:
    true = random.uniform(0.5, 0.99)
    return [(wilson(int(random.binomial(60, true)), 60), true)]


def _clustered(random: Random) -> Tried:
    patients = 40
    own = random.beta(0.9 * 3, 0.1 * 3, patients)
    clusters = np.repeat(np.arange(patients), random.integers(1, 6, patients))
    return [(clustered_exact(random.random(len(clusters)) < own[clusters], clusters), 0.9)]


def _point(truth: Truth, n: int, sensitivity: float, one_in: int | None = None, patients: int | None = None) -> Callable[[Random], Tried]:
    at = truth.threshold(sensitivity)

    def trial(random: Random) -> Tried:
        cases = site(random, truth, n, patients)
        found = accuracy(cases if one_in is None else audited(random, cases, at, one_in), at)
        return [
            (found.sensitivity, sensitivity),
            (found.specificity, truth.specificity(at)),
            (found.ppv, truth.ppv(at)),
            (found.npv, truth.npv(at)),
        ]

    return trial


def _only(which: int, trial: Callable[[Random], Tried]) -> Callable[[Random], Tried]:
    return lambda random: [trial(random)[which]]


def _delong(truth: Truth, n: int) -> Callable[[Random], Tried]:
    def trial(random: Random) -> Tried:
        cases = site(random, truth, n)
        return [(delong(cases.scores, cases.malignant), truth.area)]

    return trial


def _areas(truth: Truth, n: int, patients: int | None, one_in: int | None = None) -> Callable[[Random], Tried]:
    def trial(random: Random) -> Tried:
        cases = site(random, truth, n, patients)
        return [(clustered_auroc(cases if one_in is None else audited(random, cases, truth.threshold(0.8), one_in)), truth.area)]

    return trial


def _bootstrap(n: int, patients: int | None, one_in: int | None = None) -> Callable[[Random], Tried]:
    def trial(random: Random) -> Tried:
        whole = site(random, GOOD, n, patients)
        cases = whole if one_in is None else audited(random, whole, GOOD.threshold(0.8), one_in)
        drawn = clustered(lambda each: auroc(each.scores, each.malignant, each.weights), cases, 400, int(random.integers(1 << 31)))
        return [(drawn, GOOD.area)]

    return trial


def _at_least(truth: Truth, n: int, one_in: int | None = None, patients: int | None = None) -> Callable[[Random], Tried]:
    """The one-sided bound on sensitivity that the report and a gate go by."""
    at = truth.threshold(0.9)

    def trial(random: Random) -> Tried:
        whole = site(random, truth, n, patients)
        cases = whole if one_in is None else audited(random, whole, at, one_in)
        [group] = subgroups(grouped(cases, "all", np.zeros(len(cases), dtype=np.int64)), at, bound=0.8)
        return [(Interval(group.lower, group.lower, 1.0), 0.9)]

    return trial


def _benefit(truth: Truth, n: int, patients: int | None, one_in: int | None = None) -> Callable[[Random], Tried]:
    at, worth = truth.threshold(0.9), 0.05

    def trial(random: Random) -> Tried:
        cases = site(random, truth, n, patients)
        found = net_benefit(cases if one_in is None else audited(random, cases, at, one_in), at, worth)
        model, everything = truth.benefit(at, worth), truth.prevalence - (1 - truth.prevalence) * worth / (1 - worth)
        return [(found.model, model), (found.flag_all, everything), (found.over_flag_all, model - everything)]

    return trial


def _work(patients: int | None, n: int = 400, one_in: int | None = None) -> Callable[[Random], Tried]:
    def trial(random: Random) -> Tried:
        whole = site(random, RARE, n, patients)
        found = workload(whole if one_in is None else audited(random, whole, 0.05, one_in), 0.05)
        return [(found.flags_per_100, 100 * RARE.flags(0.05)), (found.flags_per_cancer_found, 1 / RARE.ppv(0.05))]

    return trial


def _shrunken(size: float) -> Callable[[Random], Tried]:
    """Eight groups of 5 to 100, whose truths are drawn from a beta distribution of that precision."""

    def trial(random: Random) -> Tried:
        own = random.beta(0.9 * size, 0.1 * size, 8)
        of = np.array([5, 8, 12, 20, 30, 50, 80, 100])
        return list(zip(shrunken(random.binomial(of, own), of), own.tolist(), strict=True))

    return trial


def _groups_at_the_bound(random: Random) -> Tried:
    """Covered where none of six groups that are just not good enough is called shown."""
    cases = site(random, GOOD, 1500)
    found = subgroups(grouped(cases, "device", random.integers(0, 6, len(cases))), GOOD.threshold(0.9), bound=0.9001)
    return [(Interval(0, 0, 0 if any(each.status == "shown" for each in found) else 1), 0.5)]


def _groups_alike(random: Random) -> Tried:
    """Covered where none of six groups that are alike is called worse than the others."""
    cases = site(random, GOOD, 900)
    found = subgroups(grouped(cases, "device", random.integers(0, 6, len(cases))), GOOD.threshold(0.9), bound=0.8)
    return [(Interval(0, 0, 0 if any(each.worse_p <= 0.05 for each in found) else 1), 0.5)]


SCENARIOS = (
    Scenario("exact, 60 cancers, sensitivity .80-.99", _exact),
    Scenario("exact one-sided, 80 cancers, sensitivity .93", _one_sided),
    Scenario("Wilson, on average over shares .50-.99", _wilson),
    Scenario("exact of effective size, 40 patients of 1-5 pictures", _clustered),
    Scenario("AUROC (DeLong), 200 pictures, area .993", _delong(Truth(0.1, 3.5), 200)),
    Scenario("AUROC (DeLong), 40 pictures, area .76", _delong(Truth(0.5, 1.0), 40)),
    *(
        Scenario(f"{name}: {kind}", _only(which, trial))
        for kind, trial in (
            ("200 pictures", _point(GOOD, 200, 0.9)),
            ("400 pictures of 120 patients", _point(GOOD, 400, 0.9, patients=120)),
            ("2000 pictures, 5 % malignant, audit of 1 in 20", _point(RARE, 2000, 0.95, one_in=20)),
            ("2000 pictures, 10 % malignant, few missed, audit of 1 in 10", _point(SHARP, 2000, 0.98, one_in=10)),
            ("2000 pictures of 500 patients, audit of 1 in 5", _point(GOOD, 2000, 0.9, one_in=5, patients=500)),
        )
        for which, name in enumerate(("sensitivity", "specificity", "PPV", "NPV"))
    ),
    Scenario("AUROC (DeLong), 100 pictures, area .86", _delong(GOOD, 100)),
    Scenario("AUROC (DeLong), 300 pictures, 5 % malignant", _delong(RARE, 300)),
    Scenario("AUROC (DeLong), 150 pictures, area .976", _delong(SHARP, 150)),
    Scenario("AUROC (Obuchowski), 250 pictures of 80 patients", _areas(GOOD, 250, 80)),
    Scenario("AUROC weighted, audit of 1 in 5", _areas(GOOD, 1000, None, 5)),
    Scenario("AUROC weighted, of 300 patients, audit of 1 in 5", _areas(GOOD, 1000, 300, 5)),
    Scenario("AUROC (bootstrap), 250 pictures of 80 patients", _bootstrap(250, 80), dear=True),
    Scenario("AUROC (bootstrap) weighted, audit of 1 in 5", _bootstrap(1000, None, 5), dear=True),
    Scenario("sensitivity at least, 200 pictures", _at_least(GOOD, 200)),
    Scenario("sensitivity at least, 400 pictures of 120 patients", _at_least(GOOD, 400, patients=120)),
    Scenario("sensitivity at least, audit of 1 in 10", _at_least(GOOD, 1500, 10)),
    *(
        Scenario(f"{figure}: {kind}", calibration.trial(figure, truth, n, one_in, patients), dear=one_in is not None)
        for kind, truth, n, one_in, patients in (
            ("200 pictures", GOOD, 200, None, None),
            ("400 pictures, 10 % malignant", SHARP, 400, None, None),
            ("400 pictures of 120 patients", GOOD, 400, None, 120),
            ("2000 pictures, audit of 1 in 5", GOOD, 2000, 5, None),
        )
        for figure in calibration.FIGURES
    ),
    *(
        Scenario(f"{name}: {kind}", _only(which, trial))
        for kind, trial in (
            ("300 pictures", _benefit(GOOD, 300, None)),
            ("400 pictures, 5 % malignant", _benefit(RARE, 400, None)),
            ("400 pictures of 120 patients", _benefit(GOOD, 400, 120)),
            ("2000 pictures, audit of 1 in 10", _benefit(RARE, 2000, None, 10)),
        )
        for which, name in enumerate(("net benefit", "net benefit of flag-all", "net benefit over flag-all"))
    ),
    Scenario("flags per 100 and per cancer found", _work(None)),
    Scenario("flags per 100 and per cancer found, 150 patients", _work(150)),
    Scenario("flags per 100 and per cancer found, audit of 1 in 10", _work(None, 2000, 10)),
    Scenario("groups shrunken, truly unlike (on average)", _shrunken(10), dear=True),
    Scenario("groups shrunken, nearly alike (on average)", _shrunken(200), dear=True),
    Scenario("no group at the bound is called shown (Holm)", _groups_at_the_bound, dear=True),
    Scenario("no group alike is called worse (Holm)", _groups_alike, dear=True),
)


def covered(scenario: Scenario, repeats: int, seed: int = 7) -> Coverage:
    """Simulate so many sites."""
    random = np.random.default_rng(seed)
    tried = [scenario.trial(random) for _ in range(repeats)]
    inside = [[each.low <= true <= each.high for each, true in trial] for trial in tried]
    shares = np.array([np.mean(each) for each in inside])
    pairs = [pair for trial in tried for pair in trial]
    spread = max(float(shares.std()), math.sqrt(scenario.nominal * (1 - scenario.nominal) / len(inside[0])))
    return Coverage(
        scenario.name,
        scenario.nominal,
        float(shares.mean()),
        spread / math.sqrt(repeats),
        float(np.mean([each.high - each.low for each, _ in pairs if math.isfinite(each.high)])),
        float(np.mean([each.high < true for each, true in pairs])),
        float(np.mean([each.low > true for each, true in pairs])),
        repeats,
    )


def table(repeats: int, scenarios: tuple[Scenario, ...] = SCENARIOS) -> Iterator[tuple[Coverage, str]]:
    """Each scenario's coverage, and its line."""
    for each in scenarios:
        found = covered(each, max(repeats // 10, 1) if each.dear else repeats)
        line = (
            f"{'holds' if found.holds else 'FAILS'}  {found.covered:.3f} of {found.nominal} (+-{found.error:.4f}, {found.repeats} sites)"
            f"  width {found.width:8.3f}  below {found.below:.3f} above {found.above:.3f}  {found.name}"
        )
        yield found, line


if __name__ == "__main__":
    failed = 0
    for found, line in table(int(sys.argv[1]) if len(sys.argv) > 1 else 5000):
        print(line, flush=True)
        failed += not found.holds
    sys.exit(f"{failed} do not cover" if failed else None)
