"""A reader is told what the model is bad at on this picture; what is not known of the picture is no reason to leave a limit out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tocsin.model_card import ModelCard, limits_for, read_card
from tocsin.model_limits import Known

from tests.builders import card
from tests.support.records import SKLESION

NOTHING = Known()


def limited(**condition: Any) -> ModelCard:
    return card(limits=[{"condition": condition, "sentence": "Beware."}])


YOUNG = limited(kind="age", years_max=39)
FOOT = limited(kind="body-site", codes=["56459004"])
NO_DERMOSCOPY = limited(kind="modality-other-than", codes=["DMS"])
DIM = limited(kind="quality", measure="luma_mean", below=100)
HARSH = limited(kind="quality", measure="luma_mean", above=200)
DARK_SKIN = limited(kind="skin-type", fitzpatrick=[4, 5, 6])


@pytest.mark.parametrize(
    ("of", "known", "applies"),
    [
        (limited(kind="always"), NOTHING, True),
        (YOUNG, Known(ages=(39, 39)), True),
        (YOUNG, Known(ages=(39.5, 39.5)), True),
        (YOUNG, Known(ages=(40, 40)), False),
        (YOUNG, Known(ages=(39, 41)), True),
        (YOUNG, NOTHING, True),
        (FOOT, Known(body_site_codes=frozenset({"56459004"})), True),
        (FOOT, Known(body_site_codes=frozenset({"22943007"})), False),
        (FOOT, NOTHING, True),
        (NO_DERMOSCOPY, Known(modality_codes=frozenset({"DMS"})), False),
        (NO_DERMOSCOPY, Known(modality_codes=frozenset({"XC"})), True),
        (NO_DERMOSCOPY, NOTHING, True),
        (DIM, Known(quality={"luma_mean": 99.0}), True),
        (DIM, Known(quality={"luma_mean": 100.0}), False),
        (HARSH, Known(quality={"luma_mean": 201.0}), True),
        (HARSH, Known(quality={"detail": 1.0}), True),
        (DARK_SKIN, NOTHING, True),
        (DARK_SKIN, Known(skin_type=5), True),
        (DARK_SKIN, Known(skin_type=2), False),
        (limited(kind="uncalibrated"), NOTHING, True),
        (limited(kind="uncalibrated"), Known(calibrated=True), False),
    ],
)
def test_a_limit_applies_where_its_condition_holds_or_nobody_knows(of: ModelCard, known: Known, applies: bool) -> None:
    assert bool(limits_for(of, known)) is applies


def test_a_limit_that_a_card_states_as_a_text_alone_always_applies() -> None:
    [limit] = limits_for(card(), Known(ages=(55, 55)))
    assert (limit.sentence, limit.condition.kind) == ("It knows nothing.", "always")


def test_the_reference_model_is_told_to_be_all_but_untested_on_whom_it_hardly_saw() -> None:
    reference = read_card(SKLESION)
    known = Known(ages=(70, 70), modality_codes=frozenset({"DMS"}), skin_type=2)
    told = {each.sentence for each in limits_for(reference, NOTHING)} - {each.sentence for each in limits_for(reference, known)}
    assert told == {
        "Dark skin is all but untested.",
        "Patients under 40 are all but untested.",
        "It is wrong on close-ups and whole-body photographs, and scores them without complaint.",
    }


def test_a_calibrated_result_of_the_reference_model_is_not_told_to_be_uncalibrated() -> None:
    reference = read_card(SKLESION)
    told = {each.sentence for each in limits_for(reference, NOTHING)} - {
        each.sentence for each in limits_for(reference, Known(calibrated=True))
    }
    assert told == {"Its score is not calibrated: it is no probability of cancer."}


def test_the_reference_card_says_everything_in_german_and_claims_no_risk_that_it_cannot_defend() -> None:
    reference = read_card(SKLESION)
    assert reference.untranslated("de") == ()
    assert reference.calibration == "none"
    assert {band.qualitative_risk for band in reference.operating_point.bands} == {None}
    assert reference.say("Melanoma", "de") == "Melanom"


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": [{"condition": {"kind": "mood"}, "sentence": "x"}]},
        {"limits": [{"condition": {"kind": "quality", "measure": "detail"}, "sentence": "x"}]},
        {"limits": [{"condition": {"kind": "skin-type", "fitzpatrick": [7]}, "sentence": "x"}]},
        {"translations": {"fr": {}}},
        {"translations": {"de": {"Nothing that it says": "x"}}},
        {"calibration": "probability"},
        {"calibrated_on": "1,000 pictures"},
    ],
    ids=["kind", "unbounded", "skin-type", "language", "not-said", "not-measured", "not-calibrated"],
)
def test_a_card_that_says_what_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        card(**changes)
