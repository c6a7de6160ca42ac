"""Calibration's figures: against statsmodels and scikit-learn, against what is true, and where the labels say nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import brier_score_loss
from statsmodels.nonparametric.smoothers_lowess import lowess
from tocsin.learning.statistics.calibration import Brier, brier, ece, ici, intercept_slope, observed_over_expected, smooth
from tocsin.learning.statistics.columns import Unusable, logit
from tocsin.learning.statistics.logistic import fitted
from tocsin.learning.types import Bools, Floats, Interval, Ints

from tests.learning.calibration import SITE, coverage
from tests.learning.sites import Site
from tests.measurements.statistics import calibration_error


@pytest.fixture(scope="module")
def drawn() -> tuple[Floats, Bools]:
    """1,000 scores, too low and too sure, and their labels."""
    return Site(0.35, intercept=0.5, slope=0.6).drawn(np.random.default_rng(1), 1_000)


@pytest.mark.parametrize("times", [2.0, 1e-9, 1e12])
def test_no_figure_asks_in_which_unit_weights_are(times: float) -> None:
    random = np.random.default_rng(7)
    p, weights = random.random(300), random.choice([1.0, 5.0], 300)
    y = random.random(300) < p
    once, again = (
        [ici(p, y, each).ici, *brier(p, y, weights=each).scaled, *intercept_slope(p, y, weights=each)[1]]
        for each in (weights, times * weights)
    )
    assert np.allclose(once, again, rtol=1e-6)


def test_one_picture_that_outweighs_all_others_leaves_a_curve() -> None:
    random = np.random.default_rng(8)
    p = random.random(100)
    weights = np.where(np.arange(100) == 0, 1e15, 1.0)
    assert np.isfinite(smooth(p, random.random(100) < p, weights).observed).all()


def test_the_error_by_bins_is_that_of_the_measurements(drawn: tuple[Floats, Bools]) -> None:
    assert ece(*drawn) == pytest.approx(calibration_error(*drawn), abs=1e-12)
    assert ece([0.0, 1.0], [1, 0]) == 1
    assert ece([0.0, 1.0], [0, 1]) == 0


@pytest.mark.parametrize("n", [40, 100, 1_000])
def test_the_curve_is_the_lowess_of_statsmodels(drawn: tuple[Floats, Bools], n: int) -> None:
    p, y = drawn[0][:n], drawn[1][:n]
    theirs = np.clip(lowess(y.astype(float), p, frac=2 / 3, it=0, return_sorted=False), 0, 1)
    assert smooth(p, y).at(p) == pytest.approx(theirs, abs=1e-9 if n <= 100 else 1e-3)


def test_a_million_pictures_have_a_curve_as_true_as_a_thousand() -> None:
    site = Site(0.35, slope=0.6)
    scores, malignant = site.drawn(np.random.default_rng(2), 1_000_000)
    away = np.abs(smooth(scores, malignant).at(scores) - site.probability(scores))
    assert away.mean() < 0.02
    assert ici(scores, malignant).ici == pytest.approx(np.abs(site.probability(scores) - scores).mean(), abs=0.02)


def test_distance_is_nothing_for_true_probabilities_and_known_for_shifted_ones() -> None:
    p = np.repeat([0.1, 0.3, 0.5, 0.7], 1_000)
    y = np.concatenate([np.arange(1_000) < 1_000 * share for share in (0.1, 0.3, 0.5, 0.7)])
    assert ici(p, y).e_max < 1e-9
    found = ici(p + 0.2, y)
    assert (found.ici, found.e50, found.e90) == pytest.approx((0.2, 0.2, 0.2))


def test_a_weight_counts_as_that_many_pictures(drawn: tuple[Floats, Bools]) -> None:
    p, y = drawn[0][:60], drawn[1][:60]
    times = np.arange(60) % 3 + 1
    long_p, long_y = np.repeat(p, times), np.repeat(y, times)
    assert ece(p, y, weights=times) == pytest.approx(ece(long_p, long_y))
    assert ici(p, y, times).ici == pytest.approx(ici(long_p, long_y).ici)
    assert intercept_slope(p, y, weights=times)[1].estimate == pytest.approx(intercept_slope(long_p, long_y)[1].estimate)
    assert brier(p, y, weights=times).scaled.estimate == pytest.approx(brier(long_p, long_y).scaled.estimate)
    assert observed_over_expected(p, y, weights=times).estimate == pytest.approx(observed_over_expected(long_p, long_y).estimate)


def test_repeats_of_a_lesion_say_no_more_than_the_lesion(drawn: tuple[Floats, Bools]) -> None:
    p, y = drawn[0][:300], drawn[1][:300]
    lesions, three = np.repeat(np.arange(300), 3), (np.repeat(p, 3), np.repeat(y, 3))
    once = intercept_slope(p, y, clusters=np.arange(300))
    assert intercept_slope(*three, clusters=lesions)[1] == pytest.approx(once[1])
    assert brier(*three, clusters=lesions).score == pytest.approx(brier(p, y, clusters=np.arange(300)).score)
    naive = intercept_slope(*three)[1]
    assert naive.high - naive.low < 0.65 * (once[1].high - once[1].low)


def test_slope_and_intercept_are_those_of_statsmodels(drawn: tuple[Floats, Bools]) -> None:
    p, y = drawn
    intercept, slope = intercept_slope(p, y)
    free = sm.Logit(y.astype(float), sm.add_constant(logit(p))).fit(disp=0)
    held = sm.GLM(y.astype(float), np.ones(len(y)), family=sm.families.Binomial(), offset=logit(p)).fit(cov_type="HC1")
    assert slope[:3] == pytest.approx((free.params[1], *free.conf_int()[1]), abs=1e-6)
    assert intercept[:3] == pytest.approx((held.params[0], *held.conf_int()[0]), abs=1e-3)


def test_of_few_patients_the_spread_is_that_of_statsmodels_without_its_bias(drawn: tuple[Floats, Bools]) -> None:
    p, y = drawn[0][:300], drawn[1][:300]
    patients = np.arange(300) // np.random.default_rng(3).integers(4, 12)
    x = logit(p)
    for design, options, slope_held in ((sm.add_constant(x), {}, None), (np.ones(300), {"offset": x}, 1.0)):
        model = sm.GEE(y.astype(float), design, patients, family=sm.families.Binomial(), **options).fit(cov_type="bias_reduced")
        fit = fitted(x, y, np.ones(300), clusters=patients, robust=True, slope_held=slope_held)
        assert np.sqrt(np.diag(fit.spread))[: len(model.bse)] == pytest.approx(model.bse, rel=1e-5)
        assert (fit.freedom[: len(model.bse)] < len(np.unique(patients))).all()
    clear = fitted(x, y, np.ones(300), clusters=np.arange(300), robust=True)
    heavy = fitted(x, y, np.where(x < np.median(x), 20.0, 1.0), clusters=np.arange(300), robust=True)
    assert (heavy.freedom < clear.freedom).all()  # a few that weigh much say less of a spread


def test_a_picture_that_stands_for_several_says_as_much_as_several_alike(drawn: tuple[Floats, Bools]) -> None:
    p, y = drawn[0][:200], drawn[1][:200]
    times = np.where(p < 0.3, 5, 1)
    weighted = intercept_slope(p, y, weights=times)
    many = intercept_slope(np.repeat(p, times), np.repeat(y, times), clusters=np.repeat(np.arange(200), times))
    for one, other in zip(weighted, many, strict=True):
        assert one == pytest.approx(other, rel=1e-6)


def test_one_picture_that_alone_decides_leaves_everything_open() -> None:
    p, y = np.array([0.2] * 20 + [0.9]), np.array([False, True] * 10 + [True])
    weights = np.array([1.0] * 20 + [1e9])
    intercept, slope = intercept_slope(p, y, weights=weights)
    for each in (intercept, slope):
        assert not (each.high - each.low < 10)


def test_the_error_of_brier_is_that_of_scikit_learn_and_the_constant_scales_to_nothing(drawn: tuple[Floats, Bools]) -> None:
    p, y = drawn
    assert brier(p, y).score.estimate == pytest.approx(brier_score_loss(y, p))
    assert brier(np.full(len(y), y.mean()), y).scaled.estimate == pytest.approx(0, abs=1e-12)
    assert brier(y.astype(float), y).scaled.estimate == 1


@pytest.mark.parametrize(("site", "n"), [(SITE, 100), (Site(0.9, slope=0.6), 200)])
def test_intervals_hold_the_truth_as_often_as_they_say(site: Site, n: int) -> None:
    for name, share in coverage(site, n, 300, 4).items():
        assert share >= 0.91, name  # 0.95 less three standard errors of 300 repeats


@pytest.mark.parametrize("kind", [0, 1])
def test_one_kind_alone_has_no_slope_and_no_interval(kind: int) -> None:
    p, y = np.linspace(0.1, 0.9, 20), np.full(20, kind)
    intercept, slope = intercept_slope(p, y)
    assert all(map(math.isnan, (*intercept[:3], *slope[:3], *brier(p, y).scaled[:3])))
    assert math.isnan(observed_over_expected(p, y).high)
    assert not math.isnan(ece(p, y))


def test_scores_that_part_the_kinds_have_no_slope_and_one_score_has_none_either() -> None:
    y = np.arange(40) >= 20
    assert math.isnan(intercept_slope(np.linspace(0.1, 0.9, 40), y)[1].estimate)
    intercept, slope = intercept_slope(np.full(40, 0.5), y)
    assert intercept.estimate == pytest.approx(0, abs=1e-9)
    assert math.isnan(slope.estimate)
    assert smooth(np.full(40, 0.5), y).at([0.1, 0.5]) == pytest.approx([0.5, 0.5])


def test_scores_of_0_and_1_have_finite_figures() -> None:
    p, y = np.array([0.0, 1.0, 0.0, 1.0, 0.5, 0.5]), np.array([0, 1, 1, 0, 1, 0])
    intercept, slope = intercept_slope(p, y)
    assert np.isfinite([*intercept[:3], *slope[:3]]).all()
    assert 0 <= ici(p, y).ici <= 1


@pytest.mark.parametrize(
    ("p", "y", "said"),
    [
        ([], [], "no picture"),
        ([0.5], [1, 0], "one length"),
        ([1.5, 0.2], [1, 0], "outside 0..1"),
        ([math.nan, 0.2], [1, 0], "no number"),
        ([0.5, 0.2], [2, 0], "neither malignant"),
    ],
)
def test_what_are_no_scores_with_labels_is_refused(p: list[float], y: list[int], said: str) -> None:
    for statistic in (ece, smooth, ici, intercept_slope, observed_over_expected, brier):
        with pytest.raises(Unusable, match=said):
            statistic(p, y)


def test_intervals_of_few_patients_with_many_pictures_cover_and_one_patient_says_nothing() -> None:
    """Five patients of 20 pictures, who differ: by the normal distribution the slope's interval held it in 82 % of draws."""
    chance = np.random.default_rng(5)

    def drawn_of(patients: int) -> tuple[Floats, Bools, Ints]:
        odds = np.repeat(chance.normal(-0.5, 1.2, patients), 20) + chance.normal(0, 0.8, 20 * patients)
        own = np.repeat(chance.normal(0, 1, patients), 20)
        labels = chance.random(20 * patients) < 1 / (1 + np.exp(-odds - own))
        return 1 / (1 + np.exp(-odds)), labels, np.repeat(np.arange(patients), 20)

    p, y, _ = drawn_of(6_000)
    true = [each.estimate for each in (*intercept_slope(p, y), observed_over_expected(p, y), *vars_of(brier(p, y)))]
    held = np.zeros((150, 5), dtype=bool)
    for row in held:
        p, y, patient = drawn_of(5)
        found = (
            *intercept_slope(p, y, clusters=patient),
            observed_over_expected(p, y, clusters=patient),
            *vars_of(brier(p, y, clusters=patient)),
        )
        row[:] = [each.low <= figure <= each.high for each, figure in zip(found, true, strict=True)]
    assert held.mean(axis=0).min() > 0.9
    alone = np.zeros(100, dtype=np.int64)
    found = (*intercept_slope(p, y, clusters=alone), observed_over_expected(p, y, clusters=alone), *vars_of(brier(p, y, clusters=alone)))
    assert [math.isnan(each.low) and math.isnan(each.high) and math.isfinite(each.estimate) for each in found] == [True] * 5


def vars_of(both: Brier) -> tuple[Interval, Interval]:
    return both.score, both.scaled
