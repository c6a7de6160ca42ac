"""How often a site's promise is broken, over simulated sites whose truth is known: `python -m tests.learning.guarantee`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Final

import numpy as np
from tocsin.learning.calibrate import Wish, calibrated
from tocsin.learning.labelled import Labelled
from tocsin.learning.scores import Tally
from tocsin.learning.statistics.operating_point import Shown
from tocsin.learning.types import Cases

from tests.support.labelled import CARD, header

TRUTH: Final = 400_000
"""Cancers by which a threshold's true sensitivity is known to 0.0004."""


def broken(sites: int, n: int, seed: int, target: float = 0.95, confidence: float = 0.95) -> tuple[int, int]:
    """Of so many sites with `n` labels each: where the target was shown, and where it is not true there. 0.35 of pictures are malignant."""
    draw = np.random.default_rng(seed)
    wish = Wish("simulated", 1, target, confidence, datetime(2026, 1, 1, tzinfo=UTC))
    truth, known = draw.normal(1, 1, TRUTH), header()
    shown = failed = 0
    for _ in range(sites):
        intercept, slope = draw.normal(0, 1), draw.uniform(0.4, 1.5)
        malignant = draw.random(n) < 0.35
        scores = 1 / (1 + np.exp(-(draw.normal(np.where(malignant, 1.0, -1.0), 1.0) * slope + intercept)))
        cases = Cases(scores, malignant, np.arange(n), np.ones(n))
        made = calibrated(
            Labelled(known, cases, "0" * 64, None, n, 0, 0, 0, {}, {}, Tally(cases, cases, np.zeros(0), n, {}, 0, {}, None)), CARD, wish
        )
        if isinstance(made.answer, Shown):
            shown += 1
            odds = float(np.log(made.score / (1 - made.score)))
            failed += float((truth * slope + intercept >= odds).mean()) < target
    return shown, failed


def main() -> None:
    """Print how often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=2000)
    parser.add_argument("--labels", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    shown, failed = broken(told.sites, told.labels, told.seed)
    print(f"{told.sites} sites of {told.labels} labels: 0.95 shown in {shown}; not true in {failed} ({100 * failed / max(shown, 1):.1f} %)")


if __name__ == "__main__":
    main()
