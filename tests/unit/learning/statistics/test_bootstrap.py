"""Whole patients are drawn again, by a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tocsin.learning.statistics.bootstrap import clustered
from tocsin.learning.statistics.discrimination import auroc, clustered_auroc
from tocsin.learning.types import Cases

from tests.learning.simulated import Truth, site

CASES = site(np.random.default_rng(9), Truth(), 200, patients=60)


def area(cases: Cases) -> float:
    return auroc(cases.scores, cases.malignant, cases.weights)


def mean(cases: Cases) -> float:
    return float(cases.scores.mean())


def test_a_seed_gives_the_same_interval_and_another_one_another() -> None:
    assert clustered(area, CASES, 50, seed=1) == clustered(area, CASES, 50, seed=1)
    assert clustered(area, CASES, 50, seed=1) != clustered(area, CASES, 50, seed=2)


def test_the_interval_of_a_clustered_mean_is_that_of_its_patients() -> None:
    cases = CASES.where(np.isin(CASES.clusters, np.flatnonzero(np.bincount(CASES.clusters) == 3)))
    means = cases.scores[np.argsort(cases.clusters, kind="stable")].reshape(-1, 3).mean(axis=1)
    half = 1.96 * means.std(ddof=1) / math.sqrt(len(means))
    found = clustered(mean, cases, 3000)
    assert found.estimate == pytest.approx(means.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.25)
    assert (found.high - found.low) / 2 > 0.98 * half


def test_the_area_agrees_with_the_closed_formula() -> None:
    drawn, formula = clustered(area, CASES, 500), clustered_auroc(CASES)
    assert drawn[:3] == pytest.approx(formula[:3], abs=0.025)


def test_a_patient_is_drawn_whole_and_one_drawn_twice_is_two() -> None:
    sizes = np.sort(np.bincount(CASES.clusters))

    def looked_at(cases: Cases) -> float:
        assert set(np.bincount(cases.clusters)) <= set(sizes)
        assert len(np.unique(cases.clusters)) == len(np.unique(CASES.clusters))
        return float(len(cases))

    found = clustered(looked_at, CASES, 30)
    assert found.estimate == 200
    assert found.low < 200 < found.high


def test_draws_without_a_cancer_leave_the_bounds_unknown_where_they_are_many() -> None:
    rare = Cases(CASES.scores, np.arange(200) == 7, CASES.clusters, CASES.weights)
    found = clustered(area, rare, 50)
    assert not math.isnan(found.estimate)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_pictures_and_one_patient_have_no_interval() -> None:
    assert math.isnan(clustered(area, CASES.where(np.zeros(200, bool)), 10).estimate)
    assert math.isnan(clustered(mean, CASES.where(CASES.clusters == 3), 10).low)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="draws"):
        clustered(mean, CASES, 1)
    with pytest.raises(ValueError, match="scores: 200 of 200"):
        clustered(mean, Cases(CASES.scores * math.nan, CASES.malignant, CASES.clusters, CASES.weights), 10)
