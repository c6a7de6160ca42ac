"""A picture of another kind than the model reads is not assessable where the site has a gate, and never below the threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tocsin.outcome import NotAssessable, Published
from tocsin.risk.judge import judge
from tocsin.risk.types import Assessment, Unassessable
from tocsin.words.catalogue import catalogue

from tests.builders import findings, picture
from tests.support.gates import WithFeatures, card_with_features, gate
from tests.support.judging import CARD, House, event

GATE = gate(card_with_features())


def judged(first: float, gate: Any) -> Published | NotAssessable:
    house = House({"Media/m1": picture()})
    return house.judging(classifier=WithFeatures(CARD, first=first), input_gate=gate)(event())


def test_another_kind_of_picture_is_not_assessable_and_the_report_says_why() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judging(classifier=WithFeatures(CARD, first=0.9), input_gate=GATE)(event())
    assert isinstance(ending, NotAssessable)
    assert ending.reason == "wrong-kind-of-picture"
    flag = house.last_flags()[ending.report]
    assert (flag.outcome, flag.band, flag.flagged) == ("not-assessable", None, False)


def test_the_models_own_kind_of_picture_is_judged_as_without_a_gate() -> None:
    with_gate, without = judged(0.1, GATE), judged(0.1, None)
    assert isinstance(with_gate, Published)
    assert with_gate == without


def test_without_a_gate_no_feature_refuses_a_picture() -> None:
    assert isinstance(judged(0.9, None), Published)


@pytest.mark.parametrize("features", [None, [np.nan, 0, 0, 0], [0, -np.inf, 0, 0]], ids=["none", "not a number", "infinite"])
def test_features_by_which_nobody_can_tell_are_no_answer(features: Any) -> None:
    answered = replace(findings(), features=None if features is None else np.array(features, np.float32))
    judgement = judge(answered, CARD, GATE)
    assert isinstance(judgement, Unassessable)
    assert judgement.obstacle.reason == "model-gave-no-answer"


def test_a_high_score_does_not_let_another_kind_of_picture_through() -> None:
    answered = replace(findings(mel=1.0, bcc=0.0, nv=0.0), features=np.array([0.9, 0, 0, 0], np.float32))
    assert isinstance(judge(answered, CARD), Assessment)
    assert isinstance(judge(answered, CARD, GATE), Unassessable)


def test_the_reason_is_said_in_german() -> None:
    answered = replace(findings(), features=np.array([0.9, 0, 0, 0], np.float32))
    judgement = judge(answered, CARD, GATE)
    assert isinstance(judgement, Unassessable)
    assert "Art von Bild" in catalogue("de").say(judgement.obstacle.pattern)
