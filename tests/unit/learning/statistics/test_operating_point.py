"""Thresholds with a guarantee: that it holds, against mapie, and what is said where the data cannot show one."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController, FWERFixedSequenceTesting
from scipy.stats import binom
from tocsin.learning.statistics.columns import Unusable
from tocsin.learning.statistics.operating_point import (
    NotShown,
    Shown,
    allowed_misses,
    shown_at,
    threshold_for,
    thresholds,
)
from tocsin.learning.statistics.proportions import exact_lower
from tocsin.learning.statistics.sample_size import cancers_needed

from tests.learning.sites import Site
from tests.learning.thresholds import held


def test_what_is_shown_is_true_at_95_of_100_sites() -> None:
    shown, kept, _ = held(400, 1)
    assert shown > 350
    assert kept >= (0.95 - 0.033) * shown  # less three standard errors


def test_at_one_kind_of_site_the_error_is_no_rarer_than_it_may_be() -> None:
    """A rule that is merely timid would keep the guarantee, too; 59 cancers without a miss leave 4.8 % error, and no less."""
    chance, broken = np.random.default_rng(2), 0
    site = Site(0.5)
    for _ in range(1_000):
        scores, malignant = site.drawn(chance, 400)
        ill = scores[malignant][:59]
        found = threshold_for(ill, np.ones(59))
        assert isinstance(found, Shown)
        broken += site.sensitivity(found.threshold) < 0.95
    assert 0.028 <= broken / 1_000 <= 0.069


@pytest.mark.parametrize(("target", "needed"), [(0.9, [29, 46, 61, 76, 103, 167]), (0.95, [59, 93, 124, 153, 208, 336])])
def test_cancers_needed_by_misses(target: float, needed: list[int]) -> None:
    misses = (0, 1, 2, 3, 5, 10)
    assert [cancers_needed(target, each) for each in misses] == needed
    assert [allowed_misses(n, target) for n in needed] == list(misses)
    assert [allowed_misses(n - 1, target) for n in needed[1:]] == [each - 1 for each in misses[1:]]
    assert allowed_misses(needed[0] - 1, target) is None
    assert all(exact_lower(n - each, n) >= target for each, n in zip(misses, needed, strict=True))


def test_the_walk_ends_where_that_of_mapie_does() -> None:
    scores, malignant = Site(0.4, 1.6).drawn(np.random.default_rng(3), 500)
    found = threshold_for(scores, malignant)
    assert isinstance(found, Shown)
    n, steps = int(malignant.sum()), thresholds()
    p_values = np.array([binom.cdf((scores[malignant] < step).sum(), n, 0.05) for step in steps])
    theirs = FWERFixedSequenceTesting().run(p_values, 0.05)
    assert found.threshold == steps[max(theirs)]
    assert found.misses == (scores[malignant] < found.threshold).sum()
    assert found.sensitivity_at_least >= 0.95


def test_the_exact_test_reaches_no_lower_than_the_bound_of_mapie() -> None:
    scores, malignant = Site(0.5, 1.6).drawn(np.random.default_rng(4), 1_000)
    walk = np.linspace(0.01, 0.99, 99)
    found = threshold_for(scores, malignant, 0.9, 0.9, walk=walk)
    controller = BinaryClassificationController(
        lambda x: np.stack([1 - np.ravel(x), np.ravel(x)], axis=1),
        risk="recall",
        target_level=0.9,
        confidence_level=0.9,
        list_predict_params=walk,
        fwer_method="fixed_sequence",
    )
    controller.calibrate(scores.reshape(-1, 1), malignant.astype(int))
    assert isinstance(found, Shown)
    assert max(controller.valid_predict_params) <= found.threshold <= max(controller.valid_predict_params) + 0.05


def test_the_thresholds_are_the_same_for_all_data_and_fine() -> None:
    steps = thresholds()
    assert steps[0] <= 1e-6 < 1 - 1e-6 <= steps[-1]
    assert np.diff(np.log(steps / (1 - steps))).max() < 0.02


def test_too_few_cancers_show_nothing_and_the_answer_says_how_many_more() -> None:
    found = threshold_for(np.full(40, 0.9), np.ones(40))
    assert isinstance(found, NotShown)
    assert found.more_cancers == 19
    assert "59" in found.why
    none = threshold_for([0.1, 0.2], [0, 0])
    assert isinstance(none, NotShown)
    assert (none.cancers, none.more_cancers) == (0, 59)


def test_no_column_at_all_shows_nothing_and_says_how_many_it_takes() -> None:
    for none in (threshold_for([], []), shown_at(0.5, [], [])):
        assert isinstance(none, NotShown)
        assert (none.cancers, none.misses, none.more_cancers) == (0, 0, 59)


def test_cancers_that_score_nothing_show_nothing() -> None:
    scores = np.where(np.arange(100) < 8, 0.0, 0.9)
    found = threshold_for(scores, np.ones(100))
    assert isinstance(found, NotShown)
    assert (found.misses, found.more_cancers) == (8, None)


def test_one_score_for_all_is_a_threshold_that_flags_all() -> None:
    found = threshold_for(np.full(200, 0.5), np.arange(200) < 100)
    assert isinstance(found, Shown)
    assert found.misses == 0
    assert 0.49 < found.threshold <= 0.5
    assert 0.95 <= found.sensitivity_at_least < exact_lower(100, 100)  # no more than what one allowed miss shows


def test_a_threshold_set_before_is_asked_once() -> None:
    scores = np.concatenate([np.full(3, 0.1), np.full(150, 0.8)])
    found = shown_at(0.5, scores, np.ones(153))
    assert isinstance(found, Shown)
    assert found.sensitivity_at_least == pytest.approx(exact_lower(150, 153))
    less = shown_at(0.5, scores[:97], np.ones(97))
    assert isinstance(less, NotShown)
    assert less.more_cancers is not None
    n = 97 + less.more_cancers
    assert exact_lower(n - int(np.ceil(3 * n / 97)), n) >= 0.95
    assert exact_lower(n - 1 - int(np.ceil(3 * (n - 1) / 97)), n - 1) < 0.95


def test_a_lesion_counts_once_and_by_its_lowest_picture() -> None:
    scores = np.tile([0.9, 0.2], 30)
    found = threshold_for(scores, np.ones(60), 0.9, clusters=np.repeat(np.arange(30), 2))
    assert isinstance(found, Shown)
    assert (found.cancers, found.threshold <= 0.2) == (30, True)


@pytest.mark.parametrize(("target", "confidence"), [(1.0, 0.95), (0.95, 1.0), (0.0, 0.5)])
def test_no_data_show_certainty(target: float, confidence: float) -> None:
    with pytest.raises(Unusable, match="between 0 and 1"):
        threshold_for([0.5], [1], target, confidence)


def test_a_walk_must_rise() -> None:
    with pytest.raises(Unusable, match="rise"):
        threshold_for([0.5], [1], walk=np.array([0.5, 0.1]))
