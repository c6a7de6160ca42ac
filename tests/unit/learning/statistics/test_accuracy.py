"""Sensitivity, specificity and predictive values at a point: counted, clustered, weighted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tocsin.learning.statistics.accuracy import Counts, accuracy, proportion
from tocsin.learning.statistics.proportions import clustered_exact, exact
from tocsin.learning.types import Cases

from tests.learning.simulated import Truth, audited, site

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
MALIGNANT = np.array([0, 0, 1, 0, 0, 1, 1, 1], bool)
CASES = Cases(SCORES, MALIGNANT, np.arange(8), np.ones(8))


def test_a_score_at_the_threshold_is_flagged() -> None:
    found = accuracy(CASES, 0.5)
    assert found.counts == Counts(true_positive=3, false_positive=1, false_negative=1, true_negative=3)
    assert (found.sensitivity, found.specificity, found.ppv, found.npv) == (exact(3, 4),) * 4
    assert accuracy(CASES, 0.30001).counts.false_negative == 1
    assert accuracy(CASES, 0.3).counts.false_negative == 0


def test_a_weight_of_zero_is_no_picture() -> None:
    weights = np.array([1, 1, 0, 1, 1, 1, 1, 1.0])
    assert accuracy(Cases(SCORES, MALIGNANT, np.arange(8), weights), 0.5).sensitivity == exact(3, 3)


def test_one_weight_for_all_is_none() -> None:
    assert accuracy(Cases(SCORES, MALIGNANT, np.arange(8), np.full(8, 20.0)), 0.5) == accuracy(CASES, 0.5)


def test_pictures_of_one_patient_are_told_from_pictures_of_many() -> None:
    cases = site(np.random.default_rng(1), Truth(), 300, patients=60)
    found = accuracy(cases, 0.2)
    flagged = cases.scores >= 0.2
    assert found.sensitivity == clustered_exact(flagged[cases.malignant], cases.clusters[cases.malignant])
    alone = accuracy(Cases(cases.scores, cases.malignant, np.arange(300), cases.weights), 0.2)
    assert found.specificity.high - found.specificity.low > alone.specificity.high - alone.specificity.low


def test_sensitivity_from_flagged_pictures_alone_is_an_upper_bound_that_an_audit_mends() -> None:
    truth = Truth(prevalence=0.2)
    threshold = truth.threshold(0.8)
    random = np.random.default_rng(3)
    everything = site(random, truth, 20_000)
    labelled = audited(random, everything, threshold, one_in=10)
    naive = accuracy(Cases(labelled.scores, labelled.malignant, labelled.clusters, np.ones(len(labelled))), threshold)
    mended = accuracy(labelled, threshold)
    assert naive.sensitivity.low > 0.95
    assert mended.sensitivity.low < 0.8 < mended.sensitivity.high
    assert mended.sensitivity.estimate == pytest.approx(0.8, abs=0.03)
    assert mended.specificity.estimate == pytest.approx(truth.specificity(threshold), abs=0.02)


def test_an_audit_that_found_no_miss_does_not_show_that_there_is_none() -> None:
    scores = np.concatenate([np.full(60, 0.9), np.full(40, 0.1)])
    malignant = scores > 0.5
    found = accuracy(Cases(scores, malignant, np.arange(100), np.where(malignant, 1.0, 20.0)), 0.5)
    assert found.sensitivity.estimate == 1.0
    assert found.sensitivity.low < 0.55  # one unseen miss would stand for twenty; 60 cancers counted would say 0.94
    assert found.ppv.low > 0.9


@pytest.mark.parametrize("flagged", [True, False])
def test_of_pictures_on_one_side_alone_an_unseen_one_on_the_other_may_weigh_as_much_as_any(flagged: bool) -> None:
    """Two of a group, beside others that were sought 1 in 20 times: nothing is shown of what lies on the other side."""
    scores, malignant = np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, False, False, True])
    cases = Cases(scores, malignant, np.arange(4), np.array([1.0, 1.0, 20.0, 20.0]))
    side = (scores >= 0.5) == flagged
    for hit in (scores >= 0.5, scores < 0.5):
        found = proportion(cases, hit, malignant & side, could_hit=hit & side, could_miss=~hit & side)
        assert found.estimate == float(hit[side][0])
        assert found.estimate in (found.low, found.high)
        assert found.high - found.low > 0.5


def test_no_pictures_and_one_kind_say_nothing_of_the_other() -> None:
    none = accuracy(CASES.where(np.zeros(8, bool)), 0.5)
    assert math.isnan(none.sensitivity.estimate)
    assert none.sensitivity[1:3] == (0.0, 1.0)
    bad = accuracy(CASES.where(MALIGNANT), 0.5)
    assert bad.sensitivity == exact(3, 4)
    assert math.isnan(bad.specificity.estimate)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="scores: 1 of 8"):
        accuracy(Cases(np.where(SCORES > 0.7, math.nan, SCORES), MALIGNANT, np.arange(8), np.ones(8)), 0.5)
    with pytest.raises(ValueError, match="below zero"):
        accuracy(Cases(SCORES, MALIGNANT, np.arange(8), -np.ones(8)), 0.5)
    with pytest.raises(ValueError, match="clusters"):
        accuracy(Cases(SCORES, MALIGNANT, np.arange(3), np.ones(8)), 0.5)
    with pytest.raises(ValueError, match="group sex"):
        accuracy(Cases(SCORES, MALIGNANT, np.arange(8), np.ones(8), {"sex": np.array(["f"])}), 0.5)
    with pytest.raises(ValueError, match="threshold"):
        accuracy(CASES, math.nan)
    with pytest.raises(ValueError, match="confidence"):
        accuracy(CASES, 0.5, confidence=95)
