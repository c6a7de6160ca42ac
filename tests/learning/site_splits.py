"""How a site file fares on labels that it was not made of: many splits of one file of scores, by patient or lesion.

`python -m tests.learning.site_splits SCORES [--labels 200] [--splits 100]`. SCORES is a file that `tocsin evaluate` wrote.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from tocsin.learning.bounds import Rule
from tocsin.learning.calibrate import Wish, calibrated
from tocsin.learning.labelled import read_labelled
from tocsin.learning.statistics.calibration import brier, ece, ici, intercept_slope
from tocsin.learning.statistics.operating_point import Shown
from tocsin.learning.statistics.recalibration import NotCalibratable
from tocsin.model_card import read_card
from tocsin.site.file import card_sha256

from tests.support.records import SKLESION


def main() -> None:
    """Print the figures of the rest, over the splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--target", type=float, default=0.95)
    told = parser.parse_args()
    card = read_card(SKLESION)
    whole = read_labelled(told.scores)
    whole = replace(whole, header=whole.header.model_copy(update={"card_sha256": card_sha256(card)}))
    wish = Wish("splits", 1, told.target, 0.95, datetime(2026, 1, 1, tzinfo=UTC))
    rows, kinds, refused = [], [], 0
    for seed in range(told.splits):
        names, cluster = np.unique(whole.cases.clusters, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(names))
        inside = np.cumsum(np.bincount(cluster)[order]) <= told.labels
        fit = np.isin(cluster, order[inside])
        rest = whole.cases.where(~fit)
        try:
            made = calibrated(replace(whole, cases=whole.cases.where(fit)), card, wish)
        except NotCalibratable:
            refused += 1
            continue
        rule = Rule.of(card, made.site)
        p, cancer = rule.probabilities(rest.scores), rest.malignant
        rows.append(
            (
                ece(p, cancer),
                ici(p, cancer).ici,
                intercept_slope(p, cancer)[1].estimate,
                brier(p, cancer).scaled.estimate,
                rule.flags(rest.scores)[cancer].mean(),
                rule.flags(rest.scores)[~cancer].mean(),
                isinstance(made.answer, Shown),
                ece(rest.scores, cancer),
            )
        )
        kinds.append(made.site.calibration.kind)
    figures, chosen = np.array(rows, dtype=np.float64), dict(Counter(kinds))
    print(f"{len(whole.cases)} labelled pictures, {whole.malignant} malignant; {told.splits} splits, {refused} refused; {chosen}")
    for name, column in zip(("ECE", "ICI", "slope", "scaled Brier", "sensitivity", "false flags"), figures.T, strict=False):
        print(f"{name}: median {np.median(column):.3f}, 5 to 95 % {np.quantile(column, 0.05):.3f} to {np.quantile(column, 0.95):.3f}")
    shown = figures[:, 6] == 1
    holds = figures[shown, 4] >= told.target
    print(f"ECE of the scores themselves: median {np.median(figures[:, 7]):.3f}")
    print(f"{told.target:g} shown in {int(shown.sum())} splits; it holds on the rest in {int(holds.sum())}")


if __name__ == "__main__":
    main()
