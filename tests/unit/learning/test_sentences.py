"""Each sentence of the report follows from a truth that is known: what was shown, what was not, and how much more it takes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tocsin.learning.parts import Evaluation, Point
from tocsin.learning.report import sentences as say
from tocsin.learning.report.compose import composed
from tocsin.learning.report.open_points import open_points
from tocsin.learning.statistics.discrimination import auroc
from tocsin.learning.types import Cases, Interval

from tests.support.evaluations import ABOUT, ENGLISH, HIGH, LOW, POINT, at, columns, evaluation, said_in, simulated

NB = "\u00a0"


def plain(sentence: str) -> str:
    return sentence.replace(NB, " ")


def test_what_was_looked_at() -> None:
    found = evaluation(columns(100, 2, 300, 60), pictures=430, not_assessable={"blurred": 20}, unlabelled=np.full(10, LOW))
    assert say.looked_at(found, ENGLISH) == (
        "lesions/3 was tried on 430 pictures at North clinic, of which 400 were assessable and have a label that speaks of truth: "
        "100 malignant and 300 benign."
    )


def test_repeats_of_a_patient_are_said() -> None:
    cases = columns(100, 2, 300, 60)
    twice = replace(cases, clusters=np.arange(400) // 2)
    assert "100 malignant (of 50 patients or lesions) and 300 benign" in say.looked_at(evaluation(twice), ENGLISH)


def test_a_sensitivity_that_is_shown() -> None:
    found = evaluation(columns(200, 3, 300, 60))
    lower = stats.beta.ppf(0.05, 197, 4)
    assert say.verdict(found, ENGLISH).replace(NB, " ") == "Shown here: sensitivity of at least 95 %, with 95 % confidence."
    assert plain(say.sensitivity(found, ENGLISH)) == (
        "It flags 197 of 200 malignant pictures, 98.5 % (95.6 to 99.7 %); with 95 % confidence it finds at least "
        f"{math.floor(1000 * lower) / 10} % of such cancers."
    )


@pytest.mark.parametrize(("malignant", "missed", "more"), [(40, 0, 19), (58, 0, 1), (92, 1, 1), (100, 2, 24)])
def test_how_many_more_cancers_it_takes_is_the_number_with_which_it_is_shown(malignant: int, missed: int, more: int) -> None:
    found = evaluation(columns(malignant, missed, 300, 60))
    assert plain(say.verdict(found, ENGLISH)) == "Not shown here yet: sensitivity of at least 95 %."
    known = found.at_the_point
    assert known is not None
    assert known.more_cancers is not None
    assert known.fewest_more_cancers == more
    word = "cancer" if more == 1 else "cancers"
    said = plain(say.sensitivity(found, ENGLISH))
    if missed:
        assert f"to show the 95 % that were asked for takes {more} more confirmed {word} if it misses none of them, and about " in said
    else:
        assert f"it takes {more} more confirmed {word}, none of them missed, to show the 95 % that were asked for" in said
    for further, misses in ((more, 0), (known.more_cancers, math.ceil(missed / malignant * known.more_cancers - 1e-9))):
        assert stats.binom.cdf(missed + misses, malignant + further, 0.05) <= 0.05
    assert stats.binom.cdf(missed, malignant + more - 1, 0.05) > 0.05


def test_what_is_not_known_to_three_digits_is_not_said_to_them() -> None:
    assert [ENGLISH.about(each) for each in (7, 42, 124, 3059, 12_345)] == ["7", "42", "130", "3,100", "13,000"]


def test_a_column_of_skin_tones_is_known_by_either_name() -> None:
    for name in ("skin tone", "skin_tone"):
        found = at(evaluation(columns(100, 0, 100, 10, **{name: ["1"] * 200})), skin_tone_source="")
        assert any("told skin tone" in each for each in open_points(found, ENGLISH))


def test_where_too_many_are_missed_no_number_of_cancers_would_show_it() -> None:
    found = evaluation(columns(100, 12, 300, 60))
    assert "at this rate of misses no number of further cancers would show the 95 % that were asked for" in plain(
        say.sensitivity(found, ENGLISH)
    )
    assert found.at_the_point is not None
    assert found.at_the_point.more_cancers is None


def test_where_only_flagged_lesions_were_verified_sensitivity_is_an_upper_bound_and_never_shown() -> None:
    found = evaluation(columns(200, 0, 150, 150), pictures=750, unlabelled=np.full(400, LOW))
    assert found.reference.verification == "by-score"
    assert found.at_the_point is not None
    assert not found.at_the_point.shown
    assert say.verdict(found, ENGLISH).startswith("Not shown here yet")
    assert plain(say.sensitivity(found, ENGLISH)) == (
        "It flags 200 of 200 malignant pictures, 100.0 % (98.1 to 100.0 %): an upper bound, since a label was sought for 350 of 350 "
        "flagged pictures, but for 0 of 400 others, so that cancers it missed may have stayed unseen."
    )
    assert any("An audit sample" in each for each in open_points(found, ENGLISH))


def test_more_labels_among_flagged_pictures_are_seen_and_chance_is_not_taken_for_it() -> None:
    uneven = evaluation(columns(200, 2, 150, 100), pictures=750, unlabelled=np.array([LOW] * 350 + [HIGH] * 50))
    even = evaluation(columns(200, 2, 150, 100), pictures=700, unlabelled=np.array([LOW] * 60 + [HIGH] * 290))
    assert (uneven.reference.verification, even.reference.verification) == ("by-score", "alike")
    assert any("350 assessable pictures have no label" in each for each in open_points(even, ENGLISH))


def test_a_verdict_is_no_verification() -> None:
    verdicts = Cases(np.full(300, LOW), np.zeros(300, bool), np.arange(300), np.ones(300))
    found = evaluation(columns(200, 0, 150, 150), pictures=650, agreement=verdicts)
    assert found.reference.verification == "by-score"


def test_labels_that_were_sought_with_known_probabilities_are_weighted() -> None:
    """Of 1,000 pictures below the point 1 in 20 was verified: two misses among them stand for forty."""
    scores = np.array([HIGH] * 160 + [LOW] * 50)
    malignant = np.array([True] * 160 + [True] * 2 + [False] * 48)
    cases = Cases(scores, malignant, np.arange(210), np.array([1.0] * 160 + [20.0] * 50))
    found = evaluation(cases, pictures=1160, unlabelled=np.full(950, LOW))
    assert found.reference.verification == "weighted"
    assert found.at_the_point is not None
    assert found.at_the_point.sensitivity.estimate == pytest.approx(160 / 200)
    assert "for 160 of 160 flagged pictures, but for 50 of 1,000 others" in say.verification(found, ENGLISH)


def test_what_flags_cost() -> None:
    found = evaluation(columns(100, 0, 300, 60))
    assert plain(say.cost(found, ENGLISH)) == (
        "It flags 40.0 of 100 such pictures (35.1 to 45.0), 1.6 for each cancer found; it leaves 80.0 % (75.0 to 84.4 %) of benign "
        "pictures "
        "unflagged. Weighed at a cancer probability of 3 %, this is better than flagging none, and better than flagging every picture."
    )


def test_a_model_that_misses_too_much_is_worse_than_flagging_every_picture() -> None:
    found = evaluation(columns(200, 60, 300, 250))
    assert "this is better than flagging none, and worse than flagging every picture" in say.cost(found, ENGLISH)
    unsure = evaluation(columns(200, 1, 300, 272))
    assert "and not shown to be better than flagging every picture" in say.cost(unsure, ENGLISH)


def test_probabilities_that_are_true_are_told_from_such_as_are_not() -> None:
    true, extreme = evaluation(simulated(1500)), evaluation(simulated(1500, overconfident=2.0))
    assert plain(say.calibration(true, ENGLISH)).startswith("Its probabilities are off by ")
    assert say.calibration(true, ENGLISH).partition(";")[0].endswith(" on average, no more than chance may do")
    assert "they are too far apart" in say.calibration(extreme, ENGLISH)
    assert true.calibration is not None
    assert true.calibration.ici < 0.04
    assert "they are too near together" in say.calibration(evaluation(simulated(1500, overconfident=0.5)), ENGLISH)


def test_probabilities_that_are_too_low_or_too_high_are_told() -> None:
    cases = simulated(1000)
    odds = np.log(cases.scores / (1 - cases.scores))
    low, high = (replace(cases, scores=1 / (1 + np.exp(-(odds + shift)))) for shift in (-1, 1))
    assert "they are too low" in say.calibration(evaluation(low), ENGLISH)
    assert "they are too high" in say.calibration(evaluation(high), ENGLISH)


def test_scores_of_an_uncalibrated_model_are_no_probabilities() -> None:
    found = evaluation(simulated(), about=replace(ABOUT, calibrated=False))
    assert say.calibration(found, ENGLISH).startswith("Its scores are not to be read as probabilities: as such they would be off by ")
    assert any(each.startswith("Probabilities: ") for each in open_points(found, ENGLISH))
    assert found.utility is not None
    assert found.utility.curve == ()


def in_groups(missed_young: int, cancers_dark: int) -> Evaluation:
    """200 older with 1 missed, 100 younger; of few with dark skin some cancers."""
    ages = ["old"] * 200 + ["young"] * 100
    scores = np.array([LOW] + [HIGH] * 199 + [LOW] * missed_young + [HIGH] * (100 - missed_young) + [LOW] * 300)
    malignant = np.array([True] * 300 + [False] * 300)
    tones = np.array((["dark"] * cancers_dark + ["light"] * (300 - cancers_dark)) + ["light"] * 300)
    groups = {"age_band": np.array([*ages, *(["old"] * 150 + ["young"] * 150)]), "skin_tone": tones}
    return evaluation(Cases(scores, malignant, np.arange(600), np.ones(600), groups))


def standing(found: Evaluation, value: str) -> str:
    [group] = [each for each in found.subgroups if each.value == value]
    return plain(say.standing(group, found.point, ENGLISH))


def test_a_group_with_few_cancers_is_not_shown_to_work_and_never_fine() -> None:
    found = in_groups(0, 9)
    assert standing(found, "dark").startswith("Not shown to work: too few cancers (9). ")
    assert plain(say.groups(found, ENGLISH)) == (
        "To the same bound it is shown to work in 3 of 4 groups of patients and pictures; not in skin tone dark."
    )
    assert any("1 group has too few cancers" in each for each in open_points(found, ENGLISH))


def test_a_group_in_which_more_is_missed_is_named() -> None:
    found = in_groups(15, 0)
    assert standing(found, "young").endswith("At this rate of misses no further cancers would show it. Fewer cancers found than elsewhere.")
    assert say.groups(found, ENGLISH).endswith("and it finds fewer cancers than elsewhere in age young.")
    assert standing(found, "old") == "Shown."


def test_without_groups_it_says_so() -> None:
    assert (
        say.groups(evaluation(columns(100, 0, 100, 10)), ENGLISH)
        == "For which patients it works cannot be said: the labels tell no groups apart."
    )


def test_verdicts_are_agreement_and_change_no_figure() -> None:
    cases = columns(100, 2, 300, 60)
    verdicts = Cases(np.array([HIGH] * 45 + [LOW] * 55), np.array([True] * 50 + [False] * 50), np.arange(100), np.ones(100))
    found, without = evaluation(cases, agreement=verdicts, pictures=500), evaluation(cases)
    assert found.discrimination == without.discrimination
    assert found.workload == without.workload
    said = plain(say.agreement(found, ENGLISH))
    assert said.startswith(
        "Clinicians called 50 of 100 other pictures malignant. The model had flagged 90.0 % (78.1 to 96.7 %) of these, and left 100.0 %"
    )
    assert "this is agreement and no accuracy" in said


def test_what_nobody_said_is_said_to_be_open() -> None:
    found = evaluation(in_cases(), kinds={"stated": 600}, labelled_from=None, labelled_to=None)
    said = " ".join(open_points(at(found, how_chosen="", skin_tone_source=""), ENGLISH))
    for words in (
        "By what 600 labels were established",
        "How the pictures were chosen",
        "told skin tone",
        "When the labels were established",
    ):
        assert words in said
    whole = " ".join(open_points(evaluation(in_cases()), ENGLISH))
    for words in ("By what", "How the pictures were chosen", "told skin tone", "When the labels"):
        assert words not in whole


def in_cases() -> Cases:
    tones = ["light"] * 400
    return columns(100, 0, 300, 60, skin_tone=tones)


def test_probabilities_of_one_value_that_are_too_high_are_said_to_be_so() -> None:
    """No slope is known of them, and what was seen of 100 cancers, where 200 were expected, is no chance."""
    found = evaluation(replace(in_cases(), scores=np.full(400, 0.5)))
    assert "more than by chance: they are too high; observed over expected cancers 0.50" in say.calibration(found, ENGLISH)
    few = evaluation(replace(columns(2, 0, 2, 0), scores=np.array([0.6, 0.5, 0.4, 0.4])))
    assert "whether that is more than chance cannot be said" in say.calibration(few, ENGLISH)


def test_pictures_that_stand_for_others_are_said_to_do_so() -> None:
    """Of 100 cancers 5 lay below threshold, where 1 in 20 was looked at: they stand for 100, and half of all are missed."""
    cases = columns(100, 5, 300, 100)
    weighted = evaluation(replace(cases, weights=np.where(cases.scores < 0.1, 20.0, 1.0)))
    assert "95 of 100 malignant pictures, 48.7 %" in plain(say.sensitivity(weighted, ENGLISH))
    assert " where each counts for as many as it stands for; " in say.sensitivity(weighted, ENGLISH)
    assert "stands for" not in say.sensitivity(evaluation(cases), ENGLISH)
    words = [" ".join(said_in(composed(each, ENGLISH))) for each in (weighted, evaluation(cases))]
    assert ["the mix of the pictures for which these stand" in each for each in words] == [True, False]
    assert ["of which 25.0 % are malignant" in plain(each) for each in words] == [False, True]


def test_a_threshold_is_said_exactly() -> None:
    found = evaluation(in_cases(), point=Point(0.0123456781))
    assert say.point_said(found, ENGLISH).startswith("Scores of 0.0123456781 and above are flagged")
    assert say.point_said(evaluation(in_cases()), ENGLISH).startswith("Scores of 0.1 and above are flagged")


def test_no_cancer_or_nothing_at_all_is_shown_as_nothing() -> None:
    nothing = Cases(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64), np.zeros(0))
    for found in (evaluation(columns(0, 0, 50, 5)), evaluation(nothing, pictures=3, not_assessable={"blurred": 3})):
        assert say.verdict(found, ENGLISH) == "Nothing is shown here yet: no assessable picture has a label that says cancer."
        assert len(say.answer(found, ENGLISH)) == 5
        assert " nan" not in " ".join((*say.answer(found, ENGLISH), *open_points(found, ENGLISH)))


def test_another_target_is_asked_for_and_answered() -> None:
    point = Point(0.1, target=0.9, confidence=0.9)
    found = evaluation(columns(100, 4, 300, 60), point=point)
    assert plain(say.verdict(found, ENGLISH)) == "Shown here: sensitivity of at least 90 %, with 90 % confidence."


def test_the_interval_of_auroc_holds_the_truth_that_simulation_knows() -> None:
    found = evaluation(simulated(1200))
    large = simulated(40_000, seed=8)
    truth = auroc(large.scores, large.malignant)
    assert found.discrimination is not None
    assert within(found.discrimination.auroc, truth)
    assert found.discrimination.bootstrap is not None
    assert within(found.discrimination.bootstrap, truth)


def within(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def test_the_operating_point_is_as_it_was_asked() -> None:
    assert say.point_said(evaluation(columns(10, 0, 10, 1), point=replace(POINT, threshold=0.011)), ENGLISH) == (
        "Scores of 0.011 and above are flagged, from the card"
    )
