"""Which map the labels carry, that it is right, and that it is refused where they carry none."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import statsmodels.api as sm
from tocsin.learning.statistics.calibration import intercept_slope
from tocsin.learning.statistics.columns import logistic, logit
from tocsin.learning.statistics.recalibration import KIND_MIN, LABELS_MIN, NotCalibratable, chosen, moved, share_among
from tocsin.site.parts import CERTAIN, Labels

from tests.learning.calibration import LABELS, simulated
from tests.learning.sites import Site

LABELLED = Labels(n=1_000, malignant=350, patients=None, taken_from=date(2026, 1, 1), taken_to=date(2026, 2, 1), scores_sha256="0" * 64)


@pytest.mark.parametrize(
    ("site", "kind"),
    [
        (Site(0.35), "none"),
        (Site(0.35, intercept=1.0), "intercept"),
        (Site(0.35, intercept=0.9, slope=0.4), "intercept-and-slope"),
    ],
)
def test_the_simplest_map_that_fits_is_chosen_in_nearly_all_sites(site: Site, kind: str) -> None:
    chance = np.random.default_rng(1)
    kinds = [chosen(*site.drawn(chance, 1_000)).kind for _ in range(100)]
    assert sum(each == kind for each in kinds) >= 88  # 95, less three standard errors


def test_repeats_of_a_lesion_speak_against_true_probabilities_no_more_often_than_the_lesion_does() -> None:
    """A hundred lesions of three pictures each, whose scores are true: by pictures alone 36 of 100 such sites get a map."""
    chance, lesions = np.random.default_rng(1), np.repeat(np.arange(100), 3)
    kinds = {"by pictures": 0, "by lesions": 0}
    for _ in range(100):
        odds = chance.normal(-0.5, 1.5, 100)
        malignant = np.repeat(chance.random(100) < logistic(odds), 3)
        scores = logistic(np.repeat(odds, 3) + chance.normal(0, 0.15, 300))
        kinds["by pictures"] += chosen(scores, malignant).kind != "none"
        kinds["by lesions"] += chosen(scores, malignant, clusters=lesions).kind != "none"
    assert kinds["by pictures"] > 25
    assert kinds["by lesions"] <= 12  # 5, and three standard errors


def test_the_map_is_the_fit_of_statsmodels_and_the_site_file_says_the_same() -> None:
    scores, malignant = Site(0.35, intercept=0.9, slope=0.4).drawn(np.random.default_rng(2), 1_000)
    found = chosen(scores, malignant)
    theirs = sm.Logit(malignant.astype(float), sm.add_constant(logit(scores))).fit(disp=0).params
    assert (found.intercept, found.slope) == pytest.approx(tuple(theirs), abs=1e-6)
    part = found.calibration(LABELLED)
    some = np.array([0, 1e-9, 0.011, 0.5, 1])
    assert found.probability(some) == pytest.approx([part.probability(each) for each in some], abs=1e-12)
    assert found.score(part.probability(0.3)) == pytest.approx(0.3)


def test_probabilities_are_never_0_or_1() -> None:
    found = chosen(*Site(0.35, intercept=3, slope=1.9).drawn(np.random.default_rng(3), 1_000))
    made = found.probability([0, 1])
    assert made.min() >= CERTAIN
    assert made.max() <= 1 - CERTAIN


def test_on_200_labels_scores_become_probabilities() -> None:
    trials = simulated(40, 7, rest=2_000)
    assert np.median([each.before for each in trials]) > 0.22
    assert np.median([each.ece for each in trials]) <= 0.05
    assert np.median([each.ici for each in trials]) <= 0.05
    assert sum(0.7 <= each.slope <= 1.4 for each in trials) >= 34
    assert min(each.scaled for each in trials) > 0
    assert max(abs(each.auroc_moved) for each in trials) < 1e-3
    assert LABELS == 200


def test_below_100_labels_the_slope_is_drawn_towards_1() -> None:
    scores, malignant = Site(0.5, slope=0.3).drawn(np.random.default_rng(4), 80)
    found = chosen(scores, malignant)
    free = sm.Logit(malignant.astype(float), sm.add_constant(logit(scores))).fit(disp=0).params[1]
    assert found.with_prior
    assert free < found.slope < 1


def test_scores_that_part_the_kinds_still_give_a_finite_map() -> None:
    malignant = np.arange(200) >= 100
    found = chosen(np.linspace(0.45, 0.55, 200), malignant)
    assert found.with_prior
    assert np.isfinite([found.intercept, found.slope]).all()
    assert found.slope > 1


@pytest.mark.parametrize(
    ("malignant", "benign", "said"),
    [(14, 15, "label 1 more"), (9, 40, "label 1 more malignant"), (40, 3, "label 7 more benign"), (0, 40, "label 10 more malignant")],
)
def test_too_few_labels_are_refused_with_what_is_missing(malignant: int, benign: int, said: str) -> None:
    n = malignant + benign
    with pytest.raises(NotCalibratable, match=said):
        chosen(np.linspace(0.1, 0.9, n), np.arange(n) < malignant)
    assert (LABELS_MIN, KIND_MIN) == (30, 10)


def test_scores_that_tell_nothing_or_the_wrong_way_round_are_refused() -> None:
    malignant = np.arange(60) % 2 == 0
    with pytest.raises(NotCalibratable, match="same score"):
        chosen(np.full(60, 0.4), malignant)
    scores, right = Site(0.5, 2.0).drawn(np.random.default_rng(5), 300)
    with pytest.raises(NotCalibratable, match="belong to the same pictures"):
        chosen(scores, ~right)


def test_labels_sought_by_chance_give_the_map_of_all() -> None:
    site, chance = Site(0.35, intercept=0.9, slope=0.4), np.random.default_rng(6)
    scores, malignant = site.drawn(chance, 20_000)
    probability = np.where(scores >= np.median(scores), 1, 0.2)
    sought = chance.random(len(scores)) < probability
    found = chosen(scores[sought], malignant[sought], 1 / probability[sought])
    assert (found.intercept, found.slope) == pytest.approx((0.9, 0.4), abs=0.06)
    assert found.of_labels == pytest.approx(0.35, abs=0.02)


def test_a_map_moves_to_another_share_and_is_right_there() -> None:
    chance = np.random.default_rng(8)
    here, there = Site(0.5, slope=0.5), Site(0.05)
    before = chosen(*here.drawn(chance, 20_000))
    evidence_there = Site(0.5, slope=0.5).drawn  # the same model and pictures, of which only a share is taken
    scores, malignant = evidence_there(chance, 200_000)
    kept = malignant & (chance.random(len(scores)) < 1 / 19) | ~malignant
    after = moved(before, there.prevalence)
    intercept, slope = intercept_slope(after.probability(scores[kept]), malignant[kept])
    assert intercept.estimate == pytest.approx(0, abs=0.06)
    assert slope.estimate == pytest.approx(1, abs=0.06)
    assert share_among(before.probability(scores[kept]), before.of_labels) == pytest.approx(0.05, abs=0.02)
    assert moved(before, before.of_labels) == before


def test_a_map_that_changes_nothing_moves_by_its_intercept_alone() -> None:
    before = chosen(*Site(0.35).drawn(np.random.default_rng(1), 1_000))
    assert before.kind == "none"
    after = moved(before, 0.1)
    assert (after.kind, after.slope) == ("intercept", 1.0)
    with pytest.raises(NotCalibratable, match="between 0 and 1"):
        moved(before, 1.0)
