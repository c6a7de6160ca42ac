"""AUROC against scikit-learn and counted pair by pair; its intervals against the formulas written out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
from tocsin.learning.statistics.discrimination import auroc, clustered_auroc, clustered_variance, delong, delong_variance, roc
from tocsin.learning.types import Cases, Floats

from tests.learning.simulated import Truth, site

RANDOM = np.random.default_rng(5)
CASES = site(RANDOM, Truth(), 400)
TIED = np.round(CASES.scores, 1)
WEIGHTS = RANDOM.integers(1, 9, 400).astype(float)


@pytest.mark.parametrize("scores", [CASES.scores, TIED, np.full(400, 0.5)], ids=["all-different", "ties", "constant"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_the_area_is_scikit_learns(scores: Floats, weights: Floats | None) -> None:
    assert auroc(scores, CASES.malignant, weights) == pytest.approx(roc_auc_score(CASES.malignant, scores, sample_weight=weights))


def test_a_weight_is_so_many_pictures_and_none_is_no_picture() -> None:
    repeats = WEIGHTS.astype(int)
    assert auroc(TIED, CASES.malignant, WEIGHTS) == pytest.approx(auroc(np.repeat(TIED, repeats), np.repeat(CASES.malignant, repeats)))
    few = np.where(np.arange(400) < 90, 1.0, 0.0)
    assert auroc(TIED, CASES.malignant, few) == pytest.approx(auroc(TIED[:90], CASES.malignant[:90]))


def test_the_variance_is_delongs_pair_by_pair() -> None:
    bad, good = TIED[CASES.malignant], TIED[~CASES.malignant]
    pairs = (bad[:, None] > good) + 0.5 * (bad[:, None] == good)
    by_hand = pairs.mean(axis=1).var(ddof=1) / len(bad) + pairs.mean(axis=0).var(ddof=1) / len(good)
    assert delong_variance(TIED, CASES.malignant) == pytest.approx(by_hand)
    far = 1.96 * math.sqrt(by_hand)
    found = delong(TIED, CASES.malignant)
    assert found.estimate == pytest.approx(pairs.mean())
    assert found[1:3] == pytest.approx((pairs.mean() - far, pairs.mean() + far), abs=0.01)


def test_pictures_that_stand_for_themselves_have_delongs_interval() -> None:
    assert clustered_auroc(CASES) == pytest.approx(delong(CASES.scores, CASES.malignant))


def test_a_picture_shown_five_times_is_no_new_knowledge() -> None:
    five = np.repeat(np.arange(len(CASES)), 5)
    repeated = Cases(CASES.scores[five], CASES.malignant[five], five, np.ones(len(five)))
    assert clustered_auroc(repeated)[:3] == pytest.approx(delong(CASES.scores, CASES.malignant)[:3], abs=0.003)
    assert delong(repeated.scores, repeated.malignant).low > clustered_auroc(repeated).low + 0.01


def test_the_clustered_variance_is_obuchowskis_written_out() -> None:
    cases = site(np.random.default_rng(2), Truth(), 120, patients=30)
    bad, good = cases.scores[cases.malignant], cases.scores[~cases.malignant]
    pairs = (bad[:, None] > good) + 0.5 * (bad[:, None] == good)
    area, m, n = pairs.mean(), len(bad), len(good)
    patients = np.unique(cases.clusters)
    of_bad = np.array([(pairs.mean(axis=1) - area)[cases.clusters[cases.malignant] == each].sum() for each in patients])
    of_good = np.array([(pairs.mean(axis=0) - area)[cases.clusters[~cases.malignant] == each].sum() for each in patients])
    having = [len(np.unique(cases.clusters[kind])) for kind in (cases.malignant, ~cases.malignant)]
    s10, s01 = (h / (h - 1) / k * (off**2).sum() for h, k, off in zip(having, (m, n), (of_bad, of_good), strict=True))
    s11 = len(patients) / (len(patients) - 1) * (of_bad * of_good).sum()
    assert clustered_variance(cases) == pytest.approx(s10 / m + s01 / n + 2 * s11 / (m * n))


@pytest.mark.parametrize(("labels", "n"), [([], 0), ([True], 1), ([False], 1), ([True] * 5, 5), ([False] * 5, 5)])
def test_the_area_of_one_kind_is_not_known(labels: list[bool], n: int) -> None:
    assert math.isnan(auroc(np.arange(n), labels))
    assert math.isnan(delong(np.arange(n), labels).estimate)
    assert delong(np.arange(n), labels)[1:3] == (0.0, 1.0)
    assert math.isnan(clustered_auroc(CASES.where(np.zeros(400, bool))).estimate)


def test_perfect_scores_have_an_interval_all_the_same() -> None:
    found = delong([0.1, 0.2, 0.3, 0.7, 0.8], [0, 0, 0, 1, 1])
    assert found.estimate == found.high == 1.0
    assert 0.2 < found.low < 0.7
    more = delong(np.arange(200), np.arange(200) >= 100)
    assert 0.95 < more.low < 1
    worst = delong([0.1, 0.2, 0.3, 0.7, 0.8], [1, 1, 0, 0, 0])
    assert worst.estimate == worst.low == 0.0
    assert worst.high == pytest.approx(1 - found.low)


def test_constant_scores_are_worth_a_coin() -> None:
    found = delong(np.full(100, 0.3), np.arange(100) < 40)
    assert found.estimate == 0.5
    assert 0.3 < found.low < 0.5 < found.high < 0.7


def test_one_of_a_kind_says_little() -> None:
    found = delong([0.1, 0.2, 0.3, 0.25], [0, 0, 0, 1])
    assert found.estimate == pytest.approx(2 / 3)
    assert found.high - found.low > 0.6


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_the_curve_is_scikit_learns(weights: Floats | None) -> None:
    found = roc(TIED, CASES.malignant, weights)
    false, sensitivity, thresholds = roc_curve(CASES.malignant, TIED, sample_weight=weights, drop_intermediate=False)
    at = np.searchsorted(-thresholds, -found.thresholds)
    assert found.false_positive_rate == pytest.approx(false[at])
    assert found.sensitivity == pytest.approx(sensitivity[at])
    area = np.trapz(found.sensitivity, found.false_positive_rate)
    assert area == pytest.approx(auroc(TIED, CASES.malignant, weights))


def test_a_curve_of_few_points_keeps_its_ends_and_its_area() -> None:
    found = roc(CASES.scores, CASES.malignant, at_most=40)
    assert len(found.thresholds) <= 40
    assert (found.sensitivity[0], found.sensitivity[-1]) == (0.0, 1.0)
    assert np.trapz(found.sensitivity, found.false_positive_rate) == pytest.approx(auroc(CASES.scores, CASES.malignant), abs=0.01)


@pytest.mark.parametrize(
    ("scores", "labels", "weights", "says"),
    [
        ([0.1, math.nan], [0, 1], None, "scores: 1 of 2"),
        ([0.1, math.inf], [0, 1], None, "scores: 1 of 2"),
        ([0.1, 0.2], [0, math.nan], None, "malignant: 1 of 2"),
        ([0.1, 0.2], [0, 2], None, "only 0 and 1"),
        ([0.1, 0.2], [0], None, "1 for 2"),
        ([0.1, 0.2], [0, 1], [1, -1], "below zero"),
        ([0.1, 0.2], [0, 1], [1, math.nan], "weights: 1 of 2"),
    ],
)
def test_what_makes_no_sense_is_refused(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None, says: str) -> None:
    for figure in (auroc, roc):
        with pytest.raises(ValueError, match=says):
            figure(scores, labels, weights)
