"""A probability becomes a band by the card's operating point, and nothing doubtful ever becomes a low one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.image.types import PatientFacts
from tocsin.model_card import AgeRange
from tocsin.risk.judge import band_of, judge, suits
from tocsin.risk.types import Assessment, Unassessable

from tests.builders import card, findings

CARD = card()


@pytest.mark.parametrize(
    ("probability", "band"),
    [(0.0, "below-threshold"), (0.0999999, "below-threshold"), (0.1, "raised"), (0.4999, "raised"), (0.5, "high"), (1.0, "high")],
)
def test_a_band_begins_at_its_limit(probability: float, band: str) -> None:
    assert band_of(probability, CARD.operating_point).code == band


def test_the_probability_of_malignancy_is_the_sum_over_the_malignant_classes() -> None:
    judgement = judge(findings(mel=0.3, bcc=0.3, nv=0.4), CARD)
    assert isinstance(judgement, Assessment)
    assert judgement.probability == pytest.approx(0.6)
    assert judgement.band.code == "high"


@pytest.mark.parametrize(
    "answer",
    [{"mel": math.nan}, {"mel": math.inf}, {"mel": -0.2, "nv": 1.1}, {"mel": 0.0, "bcc": 0.0, "nv": 0.0}, {"mel": 0.9, "nv": 0.9}],
    ids=["nan", "infinite", "negative", "all-zero", "sum-above-one"],
)
def test_an_answer_that_is_no_set_of_probabilities_is_not_assessable(answer: dict[str, float]) -> None:
    judgement = judge(findings(**answer), CARD)
    assert isinstance(judgement, Unassessable)
    assert judgement.obstacle.reason == "model-gave-no-answer"


@given(low=st.floats(0, 1), more=st.floats(0, 1))
def test_more_malignancy_never_means_a_lower_band(low: float, more: float) -> None:
    bands = [band.code for band in CARD.operating_point.bands]
    high = min(1.0, low + more)
    assert bands.index(band_of(high, CARD.operating_point).code) >= bands.index(band_of(low, CARD.operating_point).code)


@pytest.mark.parametrize(("years", "fits"), [(None, True), (17.0, False), (18.0, True), (120.0, True), (121.0, False)])
def test_a_patient_outside_the_intended_ages_is_not_assessable(years: float | None, fits: bool) -> None:
    obstacle = suits(PatientFacts(age_years=years), AgeRange(years_min=18, years_max=120))
    assert (obstacle is None) is fits


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        ((18, 19), None),
        ((17, 18), "age-not-certain"),
        ((0, 125), "age-not-certain"),
        ((119, 121), "age-not-certain"),
        ((13, 14), "outside-intended-ages"),
        ((121, 122), "outside-intended-ages"),
    ],
)
def test_an_age_that_is_open_is_assessable_only_where_each_possible_one_is_intended(between: tuple[int, int], reason: str | None) -> None:
    obstacle = suits(PatientFacts(ages_open=between), AgeRange(years_min=18, years_max=120))
    assert (obstacle.reason if obstacle else None) == reason
    assert suits(PatientFacts(ages_open=between), None) is None
