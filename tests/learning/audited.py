"""Whether a site's promise holds where only flagged lesions and an audit sample have labels: `python -m tests.learning.audited`.

Beside what is promised, how many cancers it takes: the more, the rarer the audit, whatever the statistics. Of 60 missed cancers that are
each looked at with a probability of 1 in 20 none is seen in 1 of 20 sites, and then 1,140 found ones must outweigh them.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from scipy.stats import norm
from tocsin.learning.bands import flagged_from
from tocsin.learning.calibrate import Wish, calibrated
from tocsin.learning.labelled import Labelled
from tocsin.learning.scores import Tally
from tocsin.learning.statistics.operating_point import Shown
from tocsin.learning.types import Bools, Cases, Floats
from tocsin.review.sample import Judged, Sample

from tests.support.labelled import CARD, header

THRESHOLD: Final = flagged_from(CARD.operating_point)
SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
WISH: Final = Wish("simulated", 1, 0.95, 0.95, SINCE)
PREVALENCE: Final = 0.3
APART: Final = 1.8
"""AUROC 0.90."""


@dataclass(frozen=True, slots=True)
class Sites:
    """What became of simulated sites."""

    shown: int
    broken: int
    """Where the target was shown, and is not true."""
    labels: float
    """On average."""
    cancers: float


def audited(sites: int, pictures: int, rate: float, seed: int, read: bool = True) -> Sites:
    """Of so many sites, whose sensitivity at the card's threshold is 0.80 to 0.97; `read`: whether the audit sample has its labels."""
    draw = np.random.default_rng(seed)
    sample = Sample(rate, 4.0, 0.5, THRESHOLD, SINCE, b"a secret of sixteen")
    shown = broken = labels = cancers = 0
    for _ in range(sites):
        sensitivity, slope = draw.uniform(0.8, 0.97), draw.uniform(0.6, 1.5)
        malignant = draw.random(pictures) < PREVALENCE
        latent = draw.normal(size=pictures) + APART * malignant
        odds = _odds(THRESHOLD) + slope * (latent - APART - float(norm.isf(sensitivity)))
        scores = 1 / (1 + np.exp(-odds))
        chance = np.array([_sought(each, sample, read=read) for each in scores])
        labelled = _labelled(scores, malignant, chance, draw.random(pictures) < chance)
        made = calibrated(labelled, CARD, WISH)
        labels, cancers = labels + len(labelled.cases), cancers + labelled.malignant
        if isinstance(made.answer, Shown):
            shown += 1
            at = (_odds(made.score) - _odds(THRESHOLD)) / slope + float(norm.isf(sensitivity))
            broken += float(norm.sf(at)) < WISH.target
    return Sites(shown, broken, labels / sites, cancers / sites)


def _sought(score: float, sample: Sample, *, read: bool) -> float:
    if score >= THRESHOLD:
        return 1.0
    return (sample.probability(Judged("Media/1", float(score), False, "preliminary", SINCE)) or 0.0) if read else 0.0


def _labelled(scores: Floats, malignant: Bools, chance: Floats, sought: Bools) -> Labelled:
    n = int(sought.sum())
    cases = Cases(scores[sought], malignant[sought], np.arange(n), 1 / chance[sought])
    counted = Tally(cases, cases, scores[~sought], len(scores), {}, 0, {}, None)
    return Labelled(header(source="bus"), cases, "0" * 64, None, n, 0, len(scores) - n, 0, {}, {}, counted, unverified=scores[~sought])


def _odds(score: float) -> float:
    return math.log(score / (1 - score))


def main() -> None:
    """Print how often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=300)
    told = parser.parse_args()
    for rate, pictures in ((0.5, 500), (0.2, 1_000), (0.2, 2_000), (0.05, 1_000), (0.05, 4_000), (0.05, 6_000)):
        found = audited(told.sites, pictures, rate, 1)
        print(
            f"audit {rate:g}, {found.labels:.0f} labels with {found.cancers:.0f} cancers of {pictures} pictures: 0.95 shown in "
            f"{found.shown} of {told.sites} sites, not true in {found.broken}"
        )
    alone = audited(told.sites, 1_000, 0.2, 1, read=False)
    print(f"flagged pictures alone, {alone.labels:.0f} labels with {alone.cancers:.0f} cancers: shown in {alone.shown}")


if __name__ == "__main__":
    main()
