"""A site file says what a score means at the site, and flags from where the labels show it; it promises nothing that they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tocsin.errors import ConfigurationError
from tocsin.learning.bands import bands_here, limit_of
from tocsin.learning.bounds import Rule
from tocsin.learning.calibrate import Calibrated, Wish, calibrated
from tocsin.learning.labelled import Labelled, read_labelled
from tocsin.learning.statistics.operating_point import NotShown, Shown
from tocsin.learning.statistics.recalibration import NotCalibratable
from tocsin.model_card import Band, OperatingPoint
from tocsin.risk.judge import band_of
from tocsin.site.file import fits, localised, read_site_file
from tocsin.site.written import to_yaml

from tests.learning.audited import audited
from tests.learning.guarantee import broken
from tests.support.labelled import CARD, Site, header

WISH = Wish("north", 1, 0.95, 0.95, datetime(2026, 4, 2, 9, tzinfo=UTC))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    return read_labelled(Site(1, n=2000).written(tmp_path_factory.mktemp("site") / "scores.jsonl"))


@pytest.fixture(scope="module")
def made(labelled: Labelled) -> Calibrated:
    return calibrated(labelled, CARD, WISH)


def test_a_sites_own_shift_is_found(made: Calibrated) -> None:
    of = made.site.calibration
    assert of.kind == "intercept-and-slope"
    assert of.intercept == pytest.approx(1.2, abs=0.25)
    assert of.slope == pytest.approx(0.6, abs=0.08)


def test_the_file_says_on_what_it_rests(made: Calibrated, labelled: Labelled) -> None:
    site = made.site
    assert (site.model, site.name, site.version, site.evaluation) == ("sklesion/1", "north", 1, None)
    fitted = site.calibration.fitted_on
    assert (fitted.n, fitted.malignant, fitted.patients) == (2000, labelled.malignant, 2000)
    assert (str(fitted.taken_from), str(fitted.taken_to)) == ("2026-01-01", "2026-03-31")
    assert fitted.scores_sha256 == labelled.scores_sha256
    assert site.guarantee is not None
    assert (site.guarantee.labels, site.guarantee.target_sensitivity) == (fitted, 0.95)


def test_the_file_fits_its_card_and_survives_being_written(made: Calibrated, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(to_yaml(made.site))
    assert read_site_file(tmp_path / "site.yaml") == made.site
    assert fits(CARD, made.site) == []
    assert localised(CARD, made.site).is_calibrated
    assert yaml.safe_load(to_yaml(made.site))["calibration"]["slope"] == made.site.calibration.slope


def test_each_picture_is_flagged_by_the_file_exactly_where_its_score_reaches_the_threshold(made: Calibrated, labelled: Labelled) -> None:
    """As the judge does it, one picture at a time, and as an evaluation does it, in columns."""
    point, scores = made.site.operating_point, np.append(labelled.cases.scores, [made.score, 0.0, 1.0])
    flagged = [band_of(made.site.calibration.probability(float(each)), point).flagged for each in scores]
    assert flagged == (scores >= made.score).tolist()
    assert Rule(point, made.site.calibration).flags(scores).tolist() == flagged


def test_the_guarantee_counts_the_cancers_that_the_file_flags(made: Calibrated, labelled: Labelled) -> None:
    assert isinstance(made.answer, Shown)
    missed = labelled.cases.where(labelled.cases.malignant).scores < made.score
    assert (made.answer.misses, made.answer.cancers) == (int(missed.sum()), labelled.malignant)
    assert made.answer.sensitivity_at_least >= 0.95
    assert "A sensitivity of at least 0.95" in made.site.operating_point.chosen


def test_higher_bands_hold_the_same_pictures_as_on_the_card(made: Calibrated) -> None:
    limits = [each.at_least for each in made.site.operating_point.bands]
    assert limits[2] == pytest.approx(made.site.calibration.probability(0.5), rel=1e-8)
    assert limits == sorted(set(limits))
    assert [each.sentence for each in made.site.operating_point.bands] == [each.sentence for each in CARD.operating_point.bands]


def test_another_prevalence_moves_the_odds_and_no_picture(labelled: Labelled, made: Calibrated) -> None:
    moved = calibrated(labelled, CARD, replace(WISH, prevalence=0.05, prevalence_source="the clinic's count"))
    of = labelled.malignant / 2000
    shift = np.log(0.05 / 0.95) - np.log(of / (1 - of))
    assert moved.site.calibration.intercept - made.site.calibration.intercept == pytest.approx(shift)
    assert moved.score == made.score
    assert moved.threshold < made.threshold
    assert moved.site.prevalence.of_labels == pytest.approx(of)
    assert moved.site.prevalence.assumed == pytest.approx(0.05)


def test_scores_that_are_probabilities_already_are_left_alone(tmp_path: Path) -> None:
    found = read_labelled(Site(2, n=500, intercept=0, slope=1).written(tmp_path / "s.jsonl"))
    assert calibrated(found, CARD, WISH).site.calibration.kind == "none"


def test_where_the_labels_cannot_show_it_the_cards_threshold_stays_and_nothing_is_promised(tmp_path: Path) -> None:
    made = calibrated(read_labelled(Site(4, n=100).written(tmp_path / "s.jsonl")), CARD, WISH)
    assert isinstance(made.answer, NotShown)
    assert made.site.guarantee is None
    assert made.score == 0.011
    assert made.threshold == pytest.approx(made.site.calibration.probability(0.011), rel=1e-8)
    assert f"it takes about {made.answer.more_cancers} more confirmed cancers" in made.site.operating_point.chosen
    assert made.answer.cancers + (made.answer.more_cancers or 0) >= 59


@pytest.mark.parametrize("n", [12, 29])
def test_too_few_labels_are_refused_and_it_is_said_how_many_are_missing(n: int, tmp_path: Path) -> None:
    with pytest.raises(NotCalibratable, match=f"label {30 - n} more"):
        calibrated(read_labelled(Site(1, n=n).written(tmp_path / "s.jsonl")), CARD, WISH)


def test_too_few_of_a_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    Site(1, n=60, intercept=0, slope=1).written(path)
    found = read_labelled(path)
    benign = np.cumsum(found.cases.malignant) <= 7
    with pytest.raises(NotCalibratable, match="7 malignant pictures are too few to calibrate on: label 3 more malignant ones"):
        calibrated(replace(found, cases=found.cases.where(benign | ~found.cases.malignant)), CARD, WISH)


@pytest.mark.parametrize(("changes", "said"), [({"model": "other/2"}, "those of other/2"), ({"card_sha256": "0" * 64}, "another card")])
def test_scores_of_another_model_or_card_are_refused(changes: dict[str, Any], said: str, labelled: Labelled) -> None:
    with pytest.raises(ConfigurationError, match=said):
        calibrated(replace(labelled, header=header(**changes)), CARD, WISH)


def test_a_threshold_above_the_cards_higher_band_parts_the_flagged_cancers_evenly() -> None:
    found = np.linspace(0.6, 0.98, 39)
    limits = [each.at_least for each in bands_here(CARD.operating_point, 0.6, lambda score: score, found)]
    assert limits == [0, 0.6, pytest.approx(0.79)]


def test_no_room_for_the_cards_bands_is_said() -> None:
    with pytest.raises(ConfigurationError, match="no room for the card's 2 flagged bands"):
        bands_here(CARD.operating_point, 0.6, lambda score: score, np.array([0.6, 0.6]))


def test_a_band_that_is_not_flagged_stays_as_far_below_the_threshold_as_on_the_card() -> None:
    low, raised, high = CARD.operating_point.bands
    middle = Band(code="middle", display="Middle", at_least=0.0055, flagged=False, sentence="Look again in a year.")
    point = OperatingPoint(name="four", bands=(low, middle, raised, high), chosen="by hand")
    assert [each.at_least for each in bands_here(point, 0.2, lambda score: score, np.array([0.3]))] == [0, pytest.approx(0.1), 0.2, 0.5]


def test_a_card_that_flags_everything_has_no_threshold_to_choose() -> None:
    _, raised, high = CARD.operating_point.bands
    point = OperatingPoint(name="all", bands=(raised.model_copy(update={"at_least": 0}), high), chosen="by hand")
    with pytest.raises(ConfigurationError, match="the card flags every picture"):
        bands_here(point, 0.2, lambda score: score, np.array([0.3]))


@pytest.mark.parametrize("score", [1e-7, 0.0123456789123, 0.5, 0.999999])
def test_a_limit_is_never_above_its_score(score: float) -> None:
    assert score * (1 - 1e-8) <= limit_of(score, lambda each: each) <= score


def test_the_promise_holds_in_as_many_sites_as_it_says() -> None:
    """At most 1 in 20 may hold less than was shown, and two standard deviations more among 150."""
    shown, failed = broken(sites=150, n=250, seed=11)
    assert shown > 100
    assert failed / shown <= 0.05 + 2 * (0.05 * 0.95 / shown) ** 0.5


def test_the_promise_holds_where_flagged_lesions_and_an_audit_sample_alone_have_labels() -> None:
    found = audited(sites=40, pictures=600, rate=0.5, seed=3)
    assert found.shown > 30
    assert found.broken / found.shown <= 0.05 + 2 * (0.05 * 0.95 / found.shown) ** 0.5


def test_an_audit_of_one_in_twenty_takes_twenty_times_the_cancers() -> None:
    """300 flagged cancers of which the audit found no missed one would show it, were each of them counted in full."""
    found = audited(sites=20, pictures=1_000, rate=0.05, seed=4)
    assert found.cancers > 250
    assert found.shown == 0


def test_flagged_lesions_alone_show_no_sensitivity(labelled: Labelled) -> None:
    assert audited(sites=10, pictures=1_000, rate=0.05, seed=5, read=False).shown == 0
    flagged = labelled.cases.scores >= 0.011
    alone = replace(labelled, cases=labelled.cases.where(flagged), unverified=labelled.cases.scores[~flagged])
    made = calibrated(alone, CARD, WISH)
    assert (made.site.guarantee, made.score) == (None, 0.011)
    assert "missed cancers stayed unseen" in made.site.operating_point.chosen
    assert "more such labels would not show it" in made.told


def test_labels_of_different_probabilities_say_how_many_cancers_count(labelled: Labelled) -> None:
    first = labelled.cases.where(np.arange(2000) < 400)
    few = replace(labelled, cases=replace(first, weights=np.where(first.scores < 0.011, 20.0, 1.0)))
    made = calibrated(few, CARD, WISH)
    assert f"Of {few.malignant} malignant pictures {made.answer.cancers} count" in made.site.operating_point.chosen
    assert "a probability 20 times lower" in made.told
    assert isinstance(made.answer, NotShown)
    assert made.answer.more_cancers is None or made.answer.more_cancers > 5 * (59 - made.answer.cancers)
