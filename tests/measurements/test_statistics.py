"""The figures on the card are computed as their names say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.measurements.statistics import (
    Share,
    auroc,
    auroc_interval,
    calibration_error,
    predictive_value,
    sensitivity,
    specificity,
    threshold_for,
)

SCORES = np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.1, 0.1, 0.05])
TRUTH = np.array([True, True, True, False, False, False, False, False])


def test_a_share_comes_with_wilsons_interval() -> None:
    assert Share(15, 148).interval() == pytest.approx((0.0624, 0.1605), abs=5e-5)  # Newcombe, Stat. Med. 17, 1998, table I
    assert Share(0, 20).interval() == pytest.approx((0, 0.1611), abs=5e-5)
    assert Share(0, 0).interval() == (0, 1)


def test_shares_count_what_is_flagged_from_the_threshold_on() -> None:
    assert sensitivity(SCORES, TRUTH, 0.6) == Share(2, 3)
    assert specificity(SCORES, TRUTH, 0.7) == Share(4, 5)
    assert predictive_value(SCORES, TRUTH, 0.6) == Share(2, 3)


def test_a_threshold_flags_the_share_wanted_and_no_higher_one_does() -> None:
    at = threshold_for(SCORES, TRUTH, 0.6)
    assert at == pytest.approx(0.6)
    assert sensitivity(SCORES, TRUTH, at).hits == 2
    assert sensitivity(SCORES, TRUTH, at + 1e-3).hits == 1


def test_auroc_is_the_chance_of_the_right_order_with_ties_half() -> None:
    pairs = [(ill > well) + (ill == well) / 2 for ill in SCORES[TRUTH] for well in SCORES[~TRUTH]]
    assert auroc(SCORES, TRUTH) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(np.ones(8), TRUTH) == 0.5


def test_the_auroc_lies_inside_its_interval() -> None:
    low, high = auroc_interval(SCORES, TRUTH, draws=200)
    assert low <= auroc(SCORES, TRUTH) <= high


def test_a_score_that_means_what_it_says_has_no_calibration_error() -> None:
    scores = np.repeat([0.25, 0.75], 400)
    truth = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 4 != 0])
    assert calibration_error(scores, truth) == pytest.approx(0)
    assert calibration_error(scores, ~truth) == pytest.approx(0.5)
