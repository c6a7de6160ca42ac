"""The figures of an evaluation, against what is computed by hand or by others from the same truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score
from tocsin.learning.evaluation import evaluated
from tocsin.learning.parts import Flow, Subgroup
from tocsin.learning.types import Cases, Interval

from tests.support.evaluations import ABOUT, HIGH, LOW, POINT, columns, evaluation, simulated


def exact(hits: int, of: int) -> tuple[float, float]:
    low, high = stats.beta.ppf(0.025, hits, of - hits + 1), stats.beta.ppf(0.975, hits + 1, of - hits)
    return float(low) if hits else 0.0, float(high) if hits < of else 1.0


def same(interval: Interval, hits: int, of: int) -> bool:
    return interval == pytest.approx((hits / of, *exact(hits, of), 0.95))


def test_a_table_that_is_known() -> None:
    at = evaluation(columns(100, 4, 300, 60)).at_the_point
    assert at is not None
    assert (at.true_positive, at.false_positive, at.false_negative, at.true_negative) == (96, 60, 4, 240)
    assert same(at.sensitivity, 96, 100)
    assert same(at.specificity, 240, 300)
    assert same(at.ppv, 96, 156)
    assert same(at.npv, 240, 244)
    assert at.sensitivity_at_least == pytest.approx(stats.beta.ppf(0.05, 96, 5))


def test_work_and_benefit_by_hand() -> None:
    found = evaluation(columns(100, 4, 300, 60))
    assert found.workload is not None
    assert found.utility is not None
    assert found.workload.flags_per_100.estimate == pytest.approx(39)
    assert found.workload.flags_per_cancer_found.estimate == pytest.approx(156 / 96)
    odds, here = 0.03 / 0.97, found.utility.at_the_point
    assert here.model.estimate == pytest.approx((96 - 60 * odds) / 400)
    assert here.flag_all.estimate == pytest.approx((100 - 300 * odds) / 400)
    assert here.over_flag_all.estimate == pytest.approx((240 * odds - 4) / 400)


def test_discrimination_and_brier_as_others_compute_them() -> None:
    cases = simulated(800)
    found = evaluation(cases)
    assert found.discrimination is not None
    assert found.calibration is not None
    assert found.discrimination.auroc.estimate == pytest.approx(roc_auc_score(cases.malignant, cases.scores))
    assert found.calibration.brier.estimate == pytest.approx(brier_score_loss(cases.malignant, cases.scores))
    assert sum(found.scores.malignant) == found.reference.malignant


def test_true_probabilities_are_found_to_be_so_and_the_benefit_of_a_threshold_is_that_of_its_flags() -> None:
    cases = simulated(1200)
    found = evaluation(cases)
    assert found.calibration is not None
    assert found.utility is not None
    for interval, truth in (
        (found.calibration.slope, 1.0),
        (found.calibration.intercept, 0.0),
        (found.calibration.observed_over_expected, 1.0),
    ):
        assert interval.low <= truth <= interval.high
    [tenth] = [each for each in found.utility.curve if each.at == 0.1]
    flagged = cases.scores >= 0.1
    assert tenth.model.estimate == pytest.approx(((flagged & cases.malignant).sum() - (flagged & ~cases.malignant).sum() / 9) / 1200)


def group(found: tuple[Subgroup, ...], value: str) -> Subgroup:
    [one] = [each for each in found if each.value == value]
    return one


def test_groups_are_counted_alone_and_drawn_towards_one_another() -> None:
    sex = ["female"] * 60 + ["male"] * 40 + ["female"] * 150 + ["male"] * 150
    found = evaluation(columns(100, 6, 300, 60, sex=sex)).subgroups
    female, male = group(found, "female"), group(found, "male")
    assert (female.pictures, female.malignant, male.malignant) == (210, 60, 40)
    assert same(female.sensitivity, 54, 60)
    assert same(male.sensitivity, 40, 40)
    apart, drawn = (male.sensitivity.estimate - female.sensitivity.estimate, male.shrunken.estimate - female.shrunken.estimate)
    assert 0 < drawn < apart
    assert not female.shown
    assert not male.shown


def test_more_groups_ask_for_more_cancers() -> None:
    """One group of two is shown by 59 cancers without a miss only if no other is compared."""
    alone = evaluation(columns(59, 0, 100, 10, device=["A"] * 159)).subgroups
    assert [each.shown for each in alone] == [True]
    names = ["A"] * 59 + ["B"] * 20 + ["A"] * 100
    two = group(evaluation(columns(79, 0, 100, 10, device=names)).subgroups, "A")
    assert (two.shown, two.why, two.more_cancers) == (False, "not-after-comparisons", 13)
    later = ["A"] * 72 + ["B"] * 20 + ["A"] * 100
    assert group(evaluation(columns(92, 0, 100, 10, device=later)).subgroups, "A").shown


def test_repeats_of_patients_count_for_less() -> None:
    cases = columns(200, 10, 300, 60)
    repeated = evaluation(replace(cases, clusters=np.arange(500) // 4))
    alone = evaluation(cases)
    assert repeated.at_the_point is not None
    assert alone.at_the_point is not None
    assert repeated.reference.repeats
    assert repeated.at_the_point.sensitivity_at_least < alone.at_the_point.sensitivity_at_least


def test_equal_labels_give_equal_evaluations() -> None:
    assert evaluation(simulated(300)) == evaluation(simulated(300))


def test_columns_that_are_none_are_refused() -> None:
    broken = Cases(np.array([HIGH, LOW]), np.array([True]), np.arange(2), np.ones(2))
    with pytest.raises(ValueError, match="malignant: 1 for 2 scores"):
        evaluated(broken, Flow(2), ABOUT, POINT)


@pytest.mark.parametrize(("malignant", "benign"), [(3, 0), (0, 3), (1, 1), (0, 0)])
def test_hardly_any_label_is_no_failure(malignant: int, benign: int) -> None:
    found = evaluation(columns(malignant, 0, benign, 0, sex=["male"] * (malignant + benign)))
    assert (found.discrimination is None) == (not malignant or not benign)
    assert found.at_the_point is None or not found.at_the_point.shown
