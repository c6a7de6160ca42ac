"""Whether recalibration makes probabilities of scores, and whether the intervals of calibration hold what is true in 95 of 100."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from tocsin.learning.statistics.calibration import brier, ece, ici, intercept_slope, observed_over_expected
from tocsin.learning.statistics.recalibration import NotCalibratable, chosen
from tocsin.learning.types import Bools, Floats, Interval

from tests.learning.real import FOLDERS, Folder, arguments, folder
from tests.learning.sites import Site
from tests.measurements.statistics import auroc

LABELS = 200
SITE = Site(prevalence=0.35, intercept=0.9, slope=0.32)
"""Its scores are too low and far too sure: expected calibration error 0.25."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a calibration on a few labels did on the others."""

    before: float
    ece: float
    ici: float
    slope: float
    scaled: float
    auroc_moved: float


def trial(scores: Floats, malignant: Bools, mine: Bools) -> Trial:
    """Calibrates on `mine`, tests on the rest."""
    mapped = chosen(scores[mine], malignant[mine]).probability(scores[~mine])
    found, rest = malignant[~mine], scores[~mine]
    moved = auroc(mapped, found) - auroc(rest, found)
    _, slope = intercept_slope(mapped, found)
    return Trial(ece(rest, found), ece(mapped, found), ici(mapped, found).ici, slope.estimate, brier(mapped, found).scaled.estimate, moved)


def simulated(sites: int, seed: int, rest: int = 5_000) -> list[Trial]:
    """Trials at SITE, each of LABELS labels against `rest`."""
    chance = np.random.default_rng(seed)
    drawn = (SITE.drawn(chance, LABELS + rest) for _ in range(sites))
    return [trial(scores, malignant, np.arange(LABELS + rest) < LABELS) for scores, malignant in drawn]


def real(held: Folder, splits: int) -> tuple[list[Trial], int]:
    """Trials over splits by lesion, and how many were refused."""
    done: list[Trial] = []
    for seed in range(splits):
        mine, _ = held.split(seed, LABELS)
        try:
            done.append(trial(held.scores, held.malignant, mine))
        except NotCalibratable:
            continue
    return done, splits - len(done)


def coverage(site: Site, n: int, repeats: int, seed: int) -> Mapping[str, float]:
    """Share of simulated sites of n labels where each interval holds the truth of `site`, as far as 200,000 pictures tell it."""
    chance = np.random.default_rng(seed)
    scores, malignant = site.drawn(chance, 200_000)
    truth = {name: found.estimate for name, found in _figures(scores, malignant).items()}
    truth["slope"] = site.slope
    hits = dict.fromkeys(truth, 0)
    for _ in range(repeats):
        for name, found in _figures(*site.drawn(chance, n)).items():
            hits[name] += found.low <= truth[name] <= found.high
    return {name: count / repeats for name, count in hits.items()}


def _figures(scores: Floats, malignant: Bools) -> Mapping[str, Interval]:
    intercept, slope = intercept_slope(scores, malignant)
    errors = brier(scores, malignant)
    ratio = observed_over_expected(scores, malignant)
    return {"intercept": intercept, "slope": slope, "O/E": ratio, "Brier": errors.score, "scaled Brier": errors.scaled}


def _say(title: str, trials: list[Trial]) -> None:
    columns: list[tuple[str, Callable[[Trial], float], str, Callable[[float], bool]]] = [
        ("ECE", lambda each: each.ece, "<= 0.05", lambda value: value <= 0.05),
        ("ICI", lambda each: each.ici, "<= 0.05", lambda value: value <= 0.05),
        ("slope", lambda each: each.slope, "0.7..1.4", lambda value: 0.7 <= value <= 1.4),
        ("scaled Brier", lambda each: each.scaled, "> 0", lambda value: value > 0),
        ("AUROC moved", lambda each: each.auroc_moved, "0", lambda value: abs(value) < 1e-3),
    ]
    print(f"{title}: ECE before {np.median([each.before for each in trials]):.3f}")
    for name, of, bar, met in columns:
        values = [of(each) for each in trials]
        low, high = np.quantile(values, [0.1, 0.9])
        kept = np.mean([met(value) for value in values])
        print(f"  {name}: median {np.median(values):.3f}, 80 % of them {low:.3f}..{high:.3f}; {bar} in {kept:.2f}")


def main() -> None:
    """Prints the figures beside their bars."""
    options = arguments(__doc__).parse_args()
    _say(f"simulated, {LABELS} labels", simulated(300, 1))
    for name in FOLDERS if options.scores else ():
        held = folder(options.scores, name)
        if held is None:
            print(f"{name}: no scores in {options.scores}")
            continue
        first, _ = real(held, 1)
        print(f"{name}, first split: {first[0] if first else 'refused'}")
        trials, refused = real(held, 100)
        _say(f"{name}, 100 splits by lesion, {LABELS} labels, refused in {refused}", trials)
    for n in (100, 200, 1_000):
        for site in (SITE, Site(0.35), Site(0.9, slope=0.6)):
            held_in = ", ".join(f"{name} {share:.3f}" for name, share in coverage(site, n, 2_000, 2).items())
            print(f"95 % intervals, {n} labels, prevalence {site.prevalence:g}, slope {site.slope:g}, hold the truth in: {held_in}")


if __name__ == "__main__":
    main()
