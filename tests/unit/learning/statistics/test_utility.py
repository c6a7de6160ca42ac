"""Net benefit and the work of flags, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tocsin.learning.statistics.proportions import exact, wilson
from tocsin.learning.statistics.utility import decision_curve, net_benefit, workload
from tocsin.learning.types import Cases

from tests.learning.simulated import Truth, site

SCORES = np.linspace(0.05, 0.95, 10)
MALIGNANT = np.array([0, 0, 0, 1, 0, 0, 1, 0, 1, 1], bool)
CASES = Cases(SCORES, MALIGNANT, np.arange(10), np.ones(10))


def test_net_benefit_by_hand() -> None:
    found = net_benefit(CASES, flagged_from=0.5, threshold=0.2)  # flags 5, of which 3 are cancers
    assert found.model.estimate == pytest.approx(3 / 10 - 2 / 10 * 0.25)
    assert found.flag_all.estimate == pytest.approx(4 / 10 - 6 / 10 * 0.25)
    assert found.over_flag_all.estimate == pytest.approx(found.model.estimate - found.flag_all.estimate)


def test_a_curve_flags_at_each_threshold() -> None:
    curve = decision_curve(CASES, [0.0, 0.2, 0.5, 0.99])
    assert [each.threshold for each in curve] == [0.0, 0.2, 0.5, 0.99]
    assert curve[0].model.estimate == curve[0].flag_all.estimate == 0.4
    assert curve[1].model.estimate == pytest.approx(4 / 10 - 4 / 10 * 0.25)
    assert curve[3].model.estimate == 0.0  # nothing flagged: as flag-none


def test_a_benefit_of_nothing_flagged_has_a_width_all_the_same() -> None:
    found = decision_curve(CASES, [0.99])[0].model
    assert found.low < 0 < found.high


def test_flag_alls_benefit_at_no_cost_is_the_prevalence_by_wilson() -> None:
    assert decision_curve(CASES, [0.0])[0].flag_all[:3] == pytest.approx(wilson(4, 10)[:3])


def test_a_weight_is_so_many_pictures() -> None:
    weights = np.array([1, 1, 3, 1, 2, 1, 1, 1, 1, 1.0])
    many = np.repeat(np.arange(10), weights.astype(int))
    weighed = net_benefit(Cases(SCORES, MALIGNANT, np.arange(10), weights), 0.4, 0.2)
    repeated = net_benefit(Cases(SCORES[many], MALIGNANT[many], many, np.ones(len(many))), 0.4, 0.2)
    assert weighed.model.estimate == pytest.approx(repeated.model.estimate)
    assert weighed.over_flag_all.estimate == pytest.approx(repeated.over_flag_all.estimate)


def test_calibrated_scores_are_never_worse_than_flag_all_and_flag_none() -> None:
    truth = Truth(prevalence=0.1)
    curve = decision_curve(site(np.random.default_rng(2), truth, 5_000), np.linspace(0.02, 0.6, 6))
    for each in curve:
        assert each.model.low <= truth.benefit(each.threshold, each.threshold) <= each.model.high
        assert each.model.high > 0
        assert each.over_flag_all.high >= 0


def test_the_work_of_flags() -> None:
    found = workload(CASES, 0.5)
    share, ppv = exact(5, 10), exact(3, 5)
    assert found.flags_per_100[:3] == pytest.approx([100 * each for each in share[:3]])
    assert found.flags_per_cancer_found[:3] == pytest.approx((5 / 3, 1 / ppv.high, 1 / ppv.low))


def test_flags_without_a_cancer_are_infinitely_many_for_each() -> None:
    found = workload(CASES.where(~MALIGNANT), 0.5).flags_per_cancer_found
    assert found.estimate == found.high == math.inf
    assert found.low == pytest.approx(1 / exact(0, 2).high)
    assert math.isnan(workload(CASES, 2.0).flags_per_cancer_found.estimate)


def test_no_pictures_have_no_benefit_that_is_known() -> None:
    assert math.isnan(decision_curve(CASES.where(np.zeros(10, bool)), [0.1])[0].model.estimate)


@pytest.mark.parametrize("threshold", [1.0, -0.1, math.nan])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        decision_curve(CASES, [threshold])
