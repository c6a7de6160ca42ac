"""A site's calibration moves the number and the bands, keeps the order, and is never certain."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.risk.calibration import here
from tocsin.risk.judge import judge, malignancy
from tocsin.risk.types import Assessment, Unassessable
from tocsin.site.parts import CERTAIN

from tests.builders import card, findings
from tests.support.site_files import at_site

ALONE = card()
HERE = at_site(ALONE)


def test_alone_the_models_own_score_is_the_number() -> None:
    assert here(0.123456, ALONE) == 0.123456


@pytest.mark.parametrize("score", [0.001, 0.3, 0.7, 0.999])
def test_at_a_site_it_is_the_maps(score: float) -> None:
    assert here(score, HERE) == pytest.approx(1 / (1 + math.exp(1.5 - 0.6 * math.log(score / (1 - score)))), rel=1e-12)


def test_the_band_is_read_from_the_probability_and_the_classes_keep_their_scores() -> None:
    answer = findings(mel=0.2, bcc=0.0, nv=0.8)
    alone, at = judge(answer, ALONE), judge(answer, HERE)
    assert isinstance(alone, Assessment)
    assert isinstance(at, Assessment)
    assert alone.probability == pytest.approx(0.2)
    assert at.probability == pytest.approx(0.0885, abs=1e-4)
    assert (alone.band.at_least, at.band.at_least) == (0.1, 0.03)
    assert at.findings is answer
    assert malignancy(answer, HERE) == pytest.approx(0.2)


@given(st.floats(0, 1), st.floats(-30, 30), st.floats(0.01, 50))
def test_it_is_never_nought_or_one(score: float, intercept: float, slope: float) -> None:
    calibration = {**HERE.site.calibration.model_dump(), "intercept": intercept, "slope": slope}
    assert CERTAIN <= here(score, at_site(ALONE, calibration=calibration)) <= 1 - CERTAIN


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_is_never_a_lower_probability(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert here(low, HERE) <= here(high, HERE)


def test_nonsense_is_not_assessable_at_a_site_either() -> None:
    assert isinstance(judge(findings(mel=math.nan), HERE), Unassessable)
